"""Where a queue's messages are that stand in a log and not in memory: 16 bytes each."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import Final, final

from mypy_extensions import i64

CHUNK_MESSAGES: Final = 4096
_DISTANCE_MAX: Final = 1 << 31
_SHARE_BITS: Final = 32
_SHARE_MASK: Final = (1 << 32) - 1
_TAKEN_CHUNKS_MAX: Final = 1024


@final
class _Chunk:
    """Up to CHUNK_MESSAGES messages, in the order of the queue.

    `keys` has the distance of the queue position from `first` in its upper bits, the share in the lower 32.
    """

    def __init__(self, first: i64) -> None:
        self.first = first
        self.keys: array[int] = array("q")
        self.positions: array[int] = array("q")


@final
class PagedMessage:
    """One message on its way back into memory."""

    def __init__(self, queue_position: i64, log_position: i64, share: i64) -> None:
        self.queue_position = queue_position
        self.log_position = log_position
        self.share = share


@final
class PagedMessages:
    """A queue of positions: each message's place in its queue, its place in the log, its share of the log's bytes."""

    def __init__(self) -> None:
        self.count: i64 = 0
        self._chunks: list[_Chunk] = []
        self._firsts: list[int] = []
        """The first queue position of each chunk, to search by."""
        self._taken_chunks: i64 = 0
        """How many chunks at the front are used up."""
        self._taken: i64 = 0
        """How many messages of the first chunk that is left were taken."""

    def append(self, queue_position: i64, log_position: i64, share: i64) -> None:
        """Add a message behind all others; its queue position must be higher than theirs."""
        chunk: _Chunk | None = self._chunks[-1] if len(self._chunks) > self._taken_chunks else None
        if (
            chunk is None
            or len(chunk.keys) >= CHUNK_MESSAGES
            or queue_position - chunk.first >= _DISTANCE_MAX
        ):
            chunk = _Chunk(queue_position)
            self._chunks.append(chunk)
            self._firsts.append(queue_position)
        chunk.keys.append(((queue_position - chunk.first) << _SHARE_BITS) | share)
        chunk.positions.append(log_position)
        self.count += 1

    def first_queue_position(self) -> i64:
        """The queue position of the first message; there must be one."""
        chunk = self._chunks[self._taken_chunks]
        key: i64 = chunk.keys[self._taken]
        return chunk.first + (key >> _SHARE_BITS)

    def first(self, messages_max: i64, bytes_max: i64) -> list[PagedMessage]:
        """The first messages: one if there is one, and no more than either bound allows."""
        found: list[PagedMessage] = []
        size: i64 = 0
        number = self._taken_chunks
        at = self._taken
        while number < len(self._chunks) and len(found) < messages_max:
            chunk = self._chunks[number]
            key: i64 = chunk.keys[at]
            share: i64 = key & _SHARE_MASK
            size += share
            if found and size > bytes_max:
                break
            found.append(PagedMessage(chunk.first + (key >> _SHARE_BITS), chunk.positions[at], share))
            at += 1
            if at == len(chunk.keys):
                number += 1
                at = 0
        return found

    def drop(self, count: i64) -> None:
        """Forget so many messages at the front."""
        self.count -= count
        self._taken += count
        while self._taken_chunks < len(self._chunks):
            size: i64 = len(self._chunks[self._taken_chunks].keys)
            if self._taken < size:
                break
            self._taken -= size
            self._chunks[self._taken_chunks] = _NO_CHUNK
            self._taken_chunks += 1
        if self._taken_chunks == len(self._chunks) or self._taken_chunks >= _TAKEN_CHUNKS_MAX:
            del self._chunks[: self._taken_chunks]
            del self._firsts[: self._taken_chunks]
            self._taken_chunks = 0

    def find(self, queue_position: i64) -> PagedMessage | None:
        """The message at this place of the queue, if it is here."""
        index = self._index(queue_position)
        if index < 0:
            return None
        chunk = self._chunk_of(queue_position)
        key: i64 = chunk.keys[index]
        return PagedMessage(queue_position, chunk.positions[index], key & _SHARE_MASK)

    def move(self, queue_position: i64, log_position: i64, share: i64) -> None:
        """The message at this place of the queue, which `find` has found, is elsewhere in the log now."""
        chunk = self._chunk_of(queue_position)
        index = self._index(queue_position)
        chunk.keys[index] = ((queue_position - chunk.first) << _SHARE_BITS) | share
        chunk.positions[index] = log_position

    def _chunk_of(self, queue_position: i64) -> _Chunk:
        return self._chunks[bisect_right(self._firsts, queue_position) - 1]

    def _index(self, queue_position: i64) -> i64:
        """Where in its chunk the message is; -1 if it is not here."""
        number: i64 = bisect_right(self._firsts, queue_position) - 1
        if number < self._taken_chunks or not self.count:
            return -1
        chunk = self._chunks[number]
        distance: i64 = queue_position - chunk.first
        if distance >= _DISTANCE_MAX:
            return -1
        index: i64 = bisect_left(chunk.keys, distance << _SHARE_BITS)
        if index == len(chunk.keys) or (number == self._taken_chunks and index < self._taken):
            return -1
        key: i64 = chunk.keys[index]
        return index if key >> _SHARE_BITS == distance else -1


_NO_CHUNK: Final = _Chunk(0)
