"""The ready messages of a queue, in order; those that memory has no room for are in the storage."""

from __future__ import annotations

import heapq
from collections import deque
from itertools import islice
from typing import Final, final

from mypy_extensions import i64

from amqpd.message import Message
from amqpd.store.budget import MESSAGE_OVERHEAD_BYTES, PAGED_AT_ONCE_BYTES, Pageable
from amqpd.store.queue_index import QueueIndex
from amqpd.store.storage import Storage

PAGED_AT_ONCE_MESSAGES: Final = 4096
READ_AT_ONCE_MESSAGES: Final = 2048
READ_AT_ONCE_BYTES: Final = 262144


@final
class Backlog(Pageable):
    """Every message has a position, in the order of arrival.

    From the first to the last: what came back, a heap by position; the head, in memory; what is paged, only in
    the storage; and what is fresh, in memory, the last of which stands right before `end`. All that comes back
    was taken from the front before, so it stands before everything else: that is how a requeued
    message gets its place again. As long as there is memory, everything else is fresh.
    """

    def __init__(self, index: QueueIndex, storage: Storage) -> None:
        super().__init__()
        self.count: i64 = 0
        """How many messages are ready."""
        self.end: i64 = 0
        """The position of the next message to arrive; one that goes past the empty backlog takes it as well."""
        self.position: i64 = 0
        """Of the message that was taken last."""
        self.redelivered = False
        """Whether that message was delivered before."""
        self._index = index
        self._storage = storage
        self._budget = storage.budget
        self._returned: list[tuple[int, Message]] = []
        self._head: deque[tuple[int, Message]] = deque()
        self._fresh: deque[Message] = deque()
        self._before_fresh: i64 = 0
        """How many messages are in the head and paged."""
        self._delivered_before: i64 = 0
        """What stands before this position was delivered before the broker started."""

    def restore(self, end: i64) -> None:
        """Begin with what the index has paged, after a start."""
        self.end = end
        self.count = self._index.paged.count
        self._before_fresh = self._index.paged.count
        self._delivered_before = self._index.delivered

    def append(self, message: Message) -> None:
        """Add a message at `end`."""
        self.end += 1
        self.count += 1
        self._fresh.append(message)
        self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES
        if self.resident_bytes > self.reports_at_bytes:
            self._budget.report(self)

    def put_back(self, position: i64, message: Message) -> None:
        """A message that was taken returns to its place."""
        heapq.heappush(self._returned, (position, message))
        self.count += 1
        self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES
        if self.resident_bytes > self.reports_at_bytes:
            self._budget.report(self)

    def take(self) -> Message:
        """Take the first message, of which there must be one; `position` and `redelivered` tell about it.

        Raises CannotRead.
        """
        if self._returned:
            position, message = heapq.heappop(self._returned)
            self.position = position
            self.redelivered = True
        elif self._before_fresh:
            if not self._head:
                self._read_head()
            position, message = self._head.popleft()
            self._before_fresh -= 1
            self.position = position
            self.redelivered = self.position < self._delivered_before
        else:
            self.position = self.end - len(self._fresh)
            message = self._fresh.popleft()
            self.redelivered = False
        self.count -= 1
        self.resident_bytes -= message.body_size + MESSAGE_OVERHEAD_BYTES
        return message

    def _read_head(self) -> None:
        paged = self._index.paged.first(READ_AT_ONCE_MESSAGES, READ_AT_ONCE_BYTES)
        messages = self._storage.page_in(self._index, paged)
        for number, message in enumerate(messages):
            self._head.append((paged[number].queue_position, message))
            self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES

    def page_out(self, keep_bytes: i64) -> None:
        if not self._index.paged.count:
            self._fill_head(keep_bytes)
        size: i64 = 0
        messages: list[Message] = []
        for message in islice(self._fresh, PAGED_AT_ONCE_MESSAGES):
            messages.append(message)
            size += message.body_size + MESSAGE_OVERHEAD_BYTES
            if size >= PAGED_AT_ONCE_BYTES:
                break
        paged = self._storage.page_out(self._index, self.end - len(self._fresh), messages)
        for _ in range(paged):
            self.resident_bytes -= self._fresh.popleft().body_size + MESSAGE_OVERHEAD_BYTES
        self._before_fresh += paged

    def _fill_head(self, keep_bytes: i64) -> None:
        """What is wanted first stays in memory."""
        size: i64 = 0
        for _position, message in self._head:
            size += message.body_size + MESSAGE_OVERHEAD_BYTES
        while self._fresh and size < keep_bytes:
            position = self.end - len(self._fresh)
            message = self._fresh.popleft()
            self._head.append((position, message))
            self._before_fresh += 1
            size += message.body_size + MESSAGE_OVERHEAD_BYTES

    def clear(self) -> list[tuple[int, Message]]:
        """Drop everything: the messages that were in memory, with their positions; `storage` drops the others."""
        position = self.end - len(self._fresh)
        dropped = [*self._returned, *self._head]
        for message in self._fresh:
            dropped.append((position, message))
            position += 1
        self._returned.clear()
        self._head.clear()
        self._fresh.clear()
        self._before_fresh = 0
        self.count = 0
        self.resident_bytes = 0
        self._budget.remove(self)
        return dropped
