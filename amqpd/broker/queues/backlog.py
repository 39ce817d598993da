"""The ready messages of a queue, in order, and what the log has to hear of them.

Those that memory has no room for are in the storage.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import deque
from itertools import islice
from typing import Final

from mypy_extensions import i64

from amqpd.broker.queues.looked import Looked
from amqpd.message import NOT_LOGGED, PERSISTENT, Message
from amqpd.store.beginnings import beginnings
from amqpd.store.budget import MESSAGE_OVERHEAD_BYTES, PAGED_AT_ONCE_BYTES, Pageable
from amqpd.store.journal import Journal
from amqpd.store.queue_index import QueueIndex
from amqpd.store.storage import Storage

PAGED_AT_ONCE_MESSAGES: Final = 4096
READ_AT_ONCE_MESSAGES: Final = 2048
READ_AT_ONCE_BYTES: Final = 262144


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
        self.logs_all = False
        """Whether messages that are not persistent go into the log as well."""
        self.position: i64 = 0
        """Of the message that was taken, or looked at, last."""
        self.redelivered = False
        """Whether that message was delivered before."""
        self.index = index
        self.end: i64 = 0
        """The position of the next message to arrive; one that goes past the empty backlog takes it as well."""
        self._storage = storage
        self._journal: Journal | None = storage.journal if index.logged else None
        self._budget = storage.budget
        self._returned: list[tuple[int, Message]] = []
        self._is_sorted = False
        """Whether the heap of those that came back is in order as well, as somebody has looked at it."""
        self._head: deque[tuple[int, Message]] = deque()
        self._fresh: deque[Message] = deque()
        self._before_fresh: i64 = 0
        """How many messages are in the head and paged."""
        self._delivered_before: i64 = 0
        """What stands before this position was delivered before the broker started."""

    def indexes(self) -> list[QueueIndex]:
        """What the log knows of it."""
        return [self.index]

    def restore(self, ends: dict[int, int]) -> None:
        """Begin with what the index has paged, after a start; `ends` is where it goes on, by index id."""
        index = self.index
        self.end = ends.get(index.id, 0)
        self.count = index.paged.count
        self._before_fresh = index.paged.count
        self._delivered_before = index.delivered

    def delivered(self) -> int:
        """How many messages have left since the queue was made, less those that came back."""
        return int(self.end - self.count)

    def body_bytes(self) -> i64:
        """How large the bodies of all ready messages are together."""
        index = self.index
        resident_overhead = (self.count - index.paged.count) * MESSAGE_OVERHEAD_BYTES
        return self.resident_bytes - resident_overhead + index.paged_body_bytes

    def pass_by(self, message: Message, no_ack: bool) -> i64:
        """A message goes to a consumer at once, as nothing stands before it; its position."""
        position = self.end
        if (message.flags & PERSISTENT or self.logs_all) and self._journal is not None and not no_ack:
            self._journal.add(message, self.index, position)
        self.end = position + 1
        return position

    def append(self, message: Message) -> None:
        """Add a message behind all others."""
        if (message.flags & PERSISTENT or self.logs_all) and self._journal is not None:
            self._journal.add(message, self.index, self.end)
        self.end += 1
        self.count += 1
        self._fresh.append(message)
        self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES
        if self.resident_bytes > self.reports_at_bytes:
            self._budget.report(self)

    def forget(self, message: Message, position: i64) -> None:
        """The log need not keep a message, which was taken, any more."""
        if self._journal is not None and message.log_position != NOT_LOGGED:
            self._journal.settle(message, self.index, position)

    def note_delivery(self, message: Message, position: i64) -> None:
        """A restart must know that whoever gets the message again has perhaps seen it."""
        index = self.index
        if self._journal is not None and message.log_position != NOT_LOGGED and position >= index.delivered:
            self._journal.deliver(index, position)

    def put_back(self, position: i64, message: Message) -> None:
        """A message that was taken returns to its place."""
        heapq.heappush(self._returned, (position, message))
        self._is_sorted = False
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
            self._is_sorted = False
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

    def first(self) -> Message:
        """Look at the first message, of which there must be one. Raises CannotRead."""
        if self._returned:
            return self._returned[0][1]
        if self._before_fresh:
            if not self._head:
                self._read_head()
            return self._head[0][1]
        return self._fresh[0]

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        """What stands at a position or behind it, and stays there: see Queue.look. Raises CannotRead."""
        found = self._look_at_returned(place, most) if self._returned else []
        if not found and self._before_fresh:
            found = self._look_at_head(place, most) or self._look_at_paged(place, most, body_max)
        return found or self._look_at_fresh(place, most)

    def _look_at_returned(self, place: i64, most: i64) -> list[Looked]:
        returned = self._returned
        if not self._is_sorted:
            # It stays a heap.
            returned.sort(key=_position)
            self._is_sorted = True
        at: i64 = bisect_left(returned, place, key=_position)
        return [Looked(position, position, message, True) for position, message in returned[at : at + most]]

    def _look_at_head(self, place: i64, most: i64) -> list[Looked]:
        head = self._head
        found: list[Looked] = []
        at: i64 = bisect_left(head, place, key=_position)
        while at < len(head) and len(found) < most:
            position, message = head[at]
            found.append(Looked(position, position, message, position < self._delivered_before))
            at += 1
        return found

    def _look_at_paged(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        paged = self.index.paged.starting_at(place, most, READ_AT_ONCE_BYTES)
        found: list[Looked] = []
        for number, message in enumerate(beginnings(self._storage, self.index, paged, body_max)):
            position = paged[number].queue_position
            found.append(Looked(position, position, message, position < self._delivered_before))
        return found

    def _look_at_fresh(self, place: i64, most: i64) -> list[Looked]:
        first: i64 = self.end - len(self._fresh)
        found: list[Looked] = []
        position = max(place, first)
        while position < self.end and len(found) < most:
            found.append(Looked(position, position, self._fresh[position - first], False))
            position += 1
        return found

    def _read_head(self) -> None:
        paged = self.index.paged.first(READ_AT_ONCE_MESSAGES, READ_AT_ONCE_BYTES)
        messages = self._storage.page_in(self.index, paged)
        for number, message in enumerate(messages):
            self._head.append((paged[number].queue_position, message))
            self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES

    def page_out(self, keep_bytes: i64) -> None:
        if not self.index.paged.count:
            self._fill_head(keep_bytes)
        size: i64 = 0
        messages: list[Message] = []
        for message in islice(self._fresh, PAGED_AT_ONCE_MESSAGES):
            messages.append(message)
            size += message.body_size + MESSAGE_OVERHEAD_BYTES
            if size >= PAGED_AT_ONCE_BYTES:
                break
        paged = self._storage.page_out(self.index, self.end - len(self._fresh), messages)
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

    def purge(self) -> None:
        """Drop everything that is ready."""
        self._storage.purge_paged(self.index, self.end)
        for position, message in self._clear():
            self.forget(message, position)

    def drop(self) -> None:
        """The queue is gone, with all it had."""
        self._storage.drop_index(self.index)
        self._clear()

    def _clear(self) -> list[tuple[int, Message]]:
        """What was in memory, with positions, and is not any more."""
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


def _position(entry: tuple[int, Message]) -> int:
    return entry[0]
