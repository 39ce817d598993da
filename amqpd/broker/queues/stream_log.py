"""What a stream holds: messages by offset, of which the storage has the most and memory the end."""

from __future__ import annotations

from itertools import islice
from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from amqpd.broker.queues.looked import Looked
from amqpd.message import Message
from amqpd.store.beginnings import beginnings
from amqpd.store.budget import MESSAGE_OVERHEAD_BYTES, PAGED_AT_ONCE_BYTES, Pageable
from amqpd.store.queue_index import QueueIndex
from amqpd.store.records import HOLDER_BYTES, MESSAGE_HEAD_BYTES, content_bytes
from amqpd.store.storage import Record, Storage

PAGED_AT_ONCE_MESSAGES: Final = 4096
DROPPED_AT_ONCE_MESSAGES: Final = 4096
LOOKED_AT_ONCE_BYTES: Final = 262144

ARRIVED_MS_AT: Final = 16
"""Where in a message record the time is at which the message arrived."""


def entry_bytes(message: Message) -> i64:
    """What a message takes in the log, by which a stream's size is measured."""
    return MESSAGE_HEAD_BYTES + HOLDER_BYTES + content_bytes(message)


@final
class StreamLog(Pageable):
    """An offset is a message's position in the queue.

    First comes what is paged, up to `_paged_end`; `_recent` is in memory, the last of it right before `end`. The front
    of what is recent may be paged as well: it stays for readers that are nearly at the end. What stands before
    `committed` is safe, and may be read. With a log, all that is committed is paged; without, what memory has no
    room for.
    """

    def __init__(self, index: QueueIndex, storage: Storage) -> None:
        super().__init__()
        self.index = index
        self.end: i64 = 0
        """The offset of the next message."""
        self.committed: i64 = 0
        self._storage = storage
        self._budget = storage.budget
        self._paged_end: i64 = 0
        self._recent: list[Message] = []
        self._recent_start: i64 = 0

    def restore(self, end: i64) -> None:
        """Begin with what the index has paged, after a start."""
        self.end = end
        self.committed = end
        self._paged_end = end
        self._recent_start = end

    def first(self) -> i64:
        """The offset of the first message, or of the next if there is none."""
        paged = self.index.paged
        return paged.first_queue_position() if paged.count else self._paged_end

    def count(self) -> i64:
        """How many messages there are."""
        return self.index.paged.count + self.end - self._paged_end

    # Writing

    def append(self, message: Message) -> None:
        """Add a message at the end."""
        self._recent.append(message)
        self.end += 1
        self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES
        if self.resident_bytes > self.reports_at_bytes:
            self._budget.report(self)

    def commit(self, end: i64) -> None:
        """What stands before `end` is safe."""
        self.committed = end
        if self.index.logged:
            self._page(self._recent[self._paged_end - self._recent_start : end - self._recent_start])

    def abandon(self) -> None:
        """What is not committed never will be."""
        for offset in range(self.committed, self.end):
            self.index.resident.pop(offset, None)
        for message in self._recent[self.committed - self._recent_start :]:
            self.resident_bytes -= message.body_size + MESSAGE_OVERHEAD_BYTES
        del self._recent[self.committed - self._recent_start :]
        self.end = self.committed

    def _page(self, messages: list[Message]) -> None:
        if messages:
            self._paged_end += self._storage.page_out(self.index, self._paged_end, messages)

    # Memory

    def let_go(self, keep_bytes: i64) -> None:
        """Forget what is paged as well, but for so many bytes at the end."""
        count: i64 = 0
        pageds: i64 = self._paged_end - self._recent_start
        while count < pageds and self.resident_bytes > keep_bytes:
            self.resident_bytes -= self._recent[count].body_size + MESSAGE_OVERHEAD_BYTES
            count += 1
        if count:
            del self._recent[:count]
            self._recent_start += count
            if not self._recent:
                self._budget.remove(self)

    def page_out(self, keep_bytes: i64) -> None:
        if not self.index.logged:
            size: i64 = 0
            messages: list[Message] = []
            start = self._paged_end - self._recent_start
            for message in islice(self._recent, start, start + PAGED_AT_ONCE_MESSAGES):
                messages.append(message)
                size += message.body_size + MESSAGE_OVERHEAD_BYTES
                if size >= PAGED_AT_ONCE_BYTES:
                    break
            self._page(messages)
        self.let_go(0)

    # Reading

    def is_recent(self, offset: i64) -> bool:
        """Whether the message at this offset, which was committed, is in memory."""
        return offset >= self._recent_start

    def recent(self, offset: i64) -> Message:
        """The message at this offset, which is recent."""
        return self._recent[offset - self._recent_start]

    def read(self, offset: i64, messages_max: i64, bytes_max: i64) -> list[Record]:
        """What is paged from this offset on, one message at least if there is one. Raises CannotRead."""
        paged = self.index.paged.starting_at(offset, messages_max, bytes_max)
        return self._storage.records(self.index, paged)

    def look(self, offset: i64, most: i64, body_max: i64) -> list[Looked]:
        """What is committed at this offset and behind it: see Queue.look. Raises CannotRead."""
        start: i64 = max(offset, self.first())
        found: list[Looked] = []
        if start < self._recent_start:
            paged = self.index.paged.starting_at(start, most, LOOKED_AT_ONCE_BYTES)
            for number, message in enumerate(beginnings(self._storage, self.index, paged, body_max)):
                position = paged[number].queue_position
                found.append(Looked(position, position, message, False))
            if found:
                return found
            start = self._recent_start
        while start < self.committed and len(found) < most:
            found.append(Looked(start, start, self.recent(start), False))
            start += 1
        return found

    def recent_start(self) -> i64:
        """The offset of the first message that is in memory, or of the next if there is none."""
        return self._recent_start

    def arrived_ms(self, offset: i64) -> i64:
        """When the message at this offset arrived, or else the first behind it, of which there must be one.

        Raises CannotRead.
        """
        if offset < self._recent_start:
            for record in self.read(offset, 1, 1):
                return read_i64_le(record.data, record.at + ARRIVED_MS_AT)
            offset = self._recent_start
        return self._recent[offset - self._recent_start].arrived_ms

    def offset_at(self, moment_ms: i64) -> i64:
        """The offset of the first message that arrived then or later; the next one's if there is none.

        Raises CannotRead.
        """
        low = self.first()
        high = self.committed
        while low < high:
            middle = (low + high) // 2
            if not self._has_from(middle) or self.arrived_ms(middle) >= moment_ms:
                high = middle
            else:
                low = middle + 1
        return low

    def last_chunk(self) -> i64:
        """Where the messages begin that were written together with the last. Raises CannotRead."""
        offset = self.committed - 1
        if offset < self.first() or not self._has_from(offset):
            return self.committed
        return self.offset_at(self.arrived_ms(offset))

    def _has_from(self, offset: i64) -> bool:
        """Whether anything is committed at this offset or behind it: what the log has lost may be the end."""
        if self.committed > self._paged_end:
            return True
        return len(self.index.paged.starting_at(offset, 1, 1)) > 0

    # Dropping

    def drop_before(self, offset: i64) -> bool:
        """Drop some of what stands before this offset; True if there is more."""
        first = self.first()
        if first >= offset:
            return False
        paged = self.index.paged
        if paged.count:
            count: i64 = 0
            for each in paged.first(DROPPED_AT_ONCE_MESSAGES, 1 << 62):
                if each.queue_position >= offset:
                    break
                count += 1
            self._storage.drop_paged(self.index, count)
            return self.first() < offset
        self._paged_end = min(offset, first + DROPPED_AT_ONCE_MESSAGES)
        self.let_go(0)
        return self._paged_end < offset

    def drop(self) -> None:
        """The stream is gone, with all it had."""
        self._storage.drop_index(self.index)
        self._recent.clear()
        self._recent_start = self.end
        self._paged_end = self.end
        self.resident_bytes = 0
        self._budget.remove(self)
