"""Where a queue's messages are that stand in a log and not in memory: 16 bytes each, 20 if they are far apart."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import Final, final

from mypy_extensions import i64

from amqpd.store.records import segment_of

CHUNK_MESSAGES: Final = 4096
_DISTANCE_MAX: Final = 1 << 31
_SHARE_BITS: Final = 32
_SHARE_MASK: Final = (1 << 32) - 1
_TAKEN_CHUNKS_MAX: Final = 1024


@final
class _Chunk:
    """Some messages, in the order of the queue.

    As long as all stand close to the first, `keys` has the distance of the queue position from `first` in its
    upper bits, the share in the lower 32. In a wide chunk it has the queue positions themselves, and `shares` the
    shares.
    """

    def __init__(self, first: i64) -> None:
        self.first = first
        self.reach: i64 = _DISTANCE_MAX
        """What is not so far from `first` can be appended as it is: nothing to a wide chunk."""
        self.keys: array[int] = array("q")
        self.positions: array[int] = array("q")
        self.shares: array[int] | None = None

    def queue_position(self, at: i64) -> i64:
        """Where a message stands in its queue."""
        key: i64 = self.keys[at]
        return key if self.shares is not None else self.first + (key >> _SHARE_BITS)

    def share(self, at: i64) -> i64:
        """How many bytes of the log it keeps alive."""
        shares = self.shares
        return shares[at] if shares is not None else self.keys[at] & _SHARE_MASK

    def index(self, queue_position: i64) -> i64:
        """Where a message with this queue position is, or would be."""
        if self.shares is not None:
            return bisect_left(self.keys, queue_position)
        distance: i64 = queue_position - self.first
        if distance < 0:
            return 0
        if distance >= _DISTANCE_MAX:
            return len(self.keys)
        return bisect_left(self.keys, distance << _SHARE_BITS)

    def has(self, at: i64, queue_position: i64) -> bool:
        """Whether that is where it is."""
        return at < len(self.keys) and self.queue_position(at) == queue_position

    def put(self, at: i64, log_position: i64, share: i64) -> None:
        """A message that is there is elsewhere in the log."""
        shares = self.shares
        if shares is not None:
            shares[at] = share
        else:
            self.keys[at] = (self.keys[at] & ~_SHARE_MASK) | share
        self.positions[at] = log_position

    def insert(self, at: i64, queue_position: i64, log_position: i64, share: i64) -> None:
        """Add a message where `index` says."""
        shares = self.widened()
        self.keys.insert(at, queue_position)
        self.positions.insert(at, log_position)
        shares.insert(at, share)

    def widened(self) -> array[int]:
        """Its shares, which it has by itself from now on."""
        shares = self.shares
        if shares is None:
            shares = array("I", [key & _SHARE_MASK for key in self.keys])
            self.keys = array("q", [self.first + (key >> _SHARE_BITS) for key in self.keys])
            self.shares = shares
            self.reach = 0
        return shares

    def drop(self, count: i64) -> None:
        """Forget so many messages at the front, of which it has more."""
        shares = self.widened()
        del self.keys[:count]
        del self.positions[:count]
        del shares[:count]
        self.first = self.keys[0]

    def split(self) -> _Chunk:
        """Its upper half, which it has no longer."""
        shares = self.widened()
        half: i64 = len(self.keys) // 2
        upper = _Chunk(self.keys[half])
        upper.reach = 0
        upper.keys = self.keys[half:]
        upper.positions = self.positions[half:]
        upper.shares = shares[half:]
        # Slices, as what is deleted at the end would keep its room.
        self.keys = self.keys[:half]
        self.positions = self.positions[:half]
        self.shares = shares[:half]
        return upper


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

    def __init__(self, chunk_messages: i64 = CHUNK_MESSAGES) -> None:
        """`chunk_messages` is how many are kept together; two at least."""
        self.count: i64 = 0
        self._chunk_messages = chunk_messages
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
        if chunk is None or len(chunk.keys) >= self._chunk_messages:
            chunk = _Chunk(queue_position)
            self._chunks.append(chunk)
            self._firsts.append(queue_position)
        if queue_position - chunk.first < chunk.reach:
            chunk.keys.append(((queue_position - chunk.first) << _SHARE_BITS) | share)
        else:
            chunk.widened().append(share)
            chunk.keys.append(queue_position)
        chunk.positions.append(log_position)
        self.count += 1

    def insert(self, queue_position: i64, log_position: i64, share: i64) -> None:
        """Add a message where it belongs; one that is there already is elsewhere in the log now."""
        self._forget_taken()
        number: i64 = max(i64(bisect_right(self._firsts, queue_position)) - 1, 0)
        if number + 1 >= len(self._chunks) and self._is_behind_all(queue_position):
            self.append(queue_position, log_position, share)
            return
        chunk = self._chunks[number]
        at = chunk.index(queue_position)
        if chunk.has(at, queue_position):
            chunk.put(at, log_position, share)
            return
        if len(chunk.keys) >= self._chunk_messages:
            upper = chunk.split()
            self._chunks.insert(number + 1, upper)
            self._firsts.insert(number + 1, upper.first)
            if at > len(chunk.keys):
                at -= len(chunk.keys)
                number += 1
                chunk = upper
        chunk.insert(at, queue_position, log_position, share)
        if at == 0:
            chunk.first = queue_position
            self._firsts[number] = queue_position
        self.count += 1

    def _is_behind_all(self, queue_position: i64) -> bool:
        if not self._chunks:
            return True
        last = self._chunks[-1]
        return queue_position > last.queue_position(len(last.keys) - 1)

    def _forget_taken(self) -> None:
        """What comes now may stand before what was taken."""
        if self._taken_chunks:
            self._forget_taken_chunks()
        if self._taken:
            chunk = self._chunks[0]
            chunk.drop(self._taken)
            self._firsts[0] = chunk.first
            self._taken = 0

    def _forget_taken_chunks(self) -> None:
        del self._chunks[: self._taken_chunks]
        del self._firsts[: self._taken_chunks]
        self._taken_chunks = 0

    def first_queue_position(self) -> i64:
        """The queue position of the first message; there must be one."""
        return self._chunks[self._taken_chunks].queue_position(self._taken)

    def first(self, messages_max: i64, bytes_max: i64) -> list[PagedMessage]:
        """The first messages: one if there is one, and no more than either bound allows."""
        return self._listed(self._taken_chunks, self._taken, messages_max, bytes_max)

    def starting_at(self, queue_position: i64, messages_max: i64, bytes_max: i64) -> list[PagedMessage]:
        """The same for those that stand at a place of the queue or behind it."""
        number = self._chunk_number(queue_position)
        if number < self._taken_chunks:
            return self.first(messages_max, bytes_max)
        at = self._chunks[number].index(queue_position)
        if number == self._taken_chunks and at < self._taken:
            at = self._taken
        if at == len(self._chunks[number].keys):
            number += 1
            at = 0
        return self._listed(number, at, messages_max, bytes_max)

    def _listed(self, number: i64, at: i64, messages_max: i64, bytes_max: i64) -> list[PagedMessage]:
        """What follows one place, which is the `at`-th of a chunk."""
        found: list[PagedMessage] = []
        size: i64 = 0
        while number < len(self._chunks) and len(found) < messages_max:
            chunk = self._chunks[number]
            share = chunk.share(at)
            size += share
            if found and size > bytes_max:
                break
            found.append(PagedMessage(chunk.queue_position(at), chunk.positions[at], share))
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
            self._forget_taken_chunks()

    def clear(self) -> list[tuple[int, int]]:
        """Forget all messages; where they were: a position in a segment of the log, and their shares in it together.

        A segment comes again where others came between.
        """
        runs: list[tuple[int, int]] = []
        at = self._taken
        run_position: i64 = 0
        run_share: i64 = 0
        for number in range(self._taken_chunks, len(self._chunks)):
            chunk = self._chunks[number]
            while at < len(chunk.keys):
                position: i64 = chunk.positions[at]
                if segment_of(position) != segment_of(run_position):
                    if run_share:
                        runs.append((run_position, run_share))
                    run_position = position
                    run_share = 0
                run_share += chunk.share(at)
                at += 1
            at = 0
        if run_share:
            runs.append((run_position, run_share))
        self.count = 0
        self._chunks.clear()
        self._firsts.clear()
        self._taken_chunks = 0
        self._taken = 0
        return runs

    def find(self, queue_position: i64) -> PagedMessage | None:
        """The message at this place of the queue, if it is here."""
        number = self._chunk_number(queue_position)
        if number < self._taken_chunks:
            return None
        chunk = self._chunks[number]
        at = chunk.index(queue_position)
        if not chunk.has(at, queue_position) or (number == self._taken_chunks and at < self._taken):
            return None
        return PagedMessage(queue_position, chunk.positions[at], chunk.share(at))

    def move(self, queue_position: i64, log_position: i64, share: i64) -> None:
        """The message at this place of the queue, which `find` has found, is elsewhere in the log now."""
        chunk = self._chunks[self._chunk_number(queue_position)]
        chunk.put(chunk.index(queue_position), log_position, share)

    def _chunk_number(self, queue_position: i64) -> i64:
        """The chunk in which the message is if it is here; -1 if it is before all of them."""
        return i64(bisect_right(self._firsts, queue_position)) - 1


_NO_CHUNK: Final = _Chunk(0)
