"""The ready messages of a quorum queue: what comes back stands in front or at the end, and is counted."""

from __future__ import annotations

from collections import deque
from typing import final

from mypy_extensions import i64

from amqpd.broker.queues.backlog import Backlog
from amqpd.broker.queues.looked import FIRST_PLACE, Looked
from amqpd.errors import ResourceError
from amqpd.message import Message
from amqpd.store.budget import MESSAGE_OVERHEAD_BYTES
from amqpd.store.queue_index import QueueIndex
from amqpd.store.storage import Storage


@final
class CountedBacklog(Backlog):
    """A Backlog that keeps a number with each message: how often it came back.

    The number of a message in a client's hands is the one it will have when it comes back, also if the broker
    ends before. The log is told of it, but for 1: whatever was delivered once has come back once, or will have.
    All messages are logged, persistent or not.
    """

    def __init__(self, index: QueueIndex, storage: Storage) -> None:
        super().__init__(index, storage)
        self.logs_all = True
        self.number: i64 = 0
        """Of the message that was taken last."""
        self._front: deque[tuple[int, Message]] = deque()
        """What came back and stands before everything else, in the order in which it came."""
        self._front_left: i64 = 0
        """How many messages have left the front."""

    def pass_by(self, message: Message, no_ack: bool) -> i64:
        """A message goes to a consumer at once, as nothing stands before it; its position."""
        self.number = 0
        return super().pass_by(message, no_ack)

    def append_counted(self, message: Message, number: i64) -> None:
        """Add a message behind all others, with a number."""
        position = self.end
        self.append(message)
        self._count(position, number)

    def begins_delivered(self) -> bool:
        """Whether the first message was delivered before the broker started."""
        if not self._before_fresh or self._front:
            return False
        first: i64 = self._head[0][0] if self._head else self.index.paged.first_queue_position()
        return first < self._delivered_before

    def put_back(self, position: i64, message: Message) -> None:
        """A message that was taken returns: behind those that have returned, before all others."""
        if position not in self.index.counts:
            self.index.counts[position] = 1
        self._front.append((position, message))
        self.count += 1
        self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES
        if self.resident_bytes > self.reports_at_bytes:
            self._budget.report(self)

    def put_last(self, position: i64, message: Message) -> None:
        """A message that was taken returns, behind all others: as another message to the log."""
        returned = own_copy(message)
        try:
            self.append_counted(returned, self.number_on_return(position))
        except ResourceError:
            # Too much waits to be written: the place is lost, the message is not.
            self.put_back(position, message)
        else:
            self.forget(message, position)

    def number_on_return(self, position: i64) -> i64:
        """How often a message that was taken will have come back when it does."""
        return self.index.counts.get(position, 1)

    def take(self) -> Message:
        """Take the first message; `position`, `redelivered` and `number` tell about it. Raises CannotRead."""
        if self._front:
            position, message = self._front.popleft()
            self._front_left += 1
            self.position = position
            self.redelivered = True
            self.count -= 1
            self.resident_bytes -= message.body_size + MESSAGE_OVERHEAD_BYTES
        else:
            message = super().take()
        number: i64 = 1 if self.redelivered else 0
        if self.index.counts:
            number = self.index.counts.get(self.position, number)
        self.number = number
        self.redelivered = number > 0
        return message

    def first(self) -> Message:
        """Look at the first message, of which there must be one. Raises CannotRead."""
        return self._front[0][1] if self._front else super().first()

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        """What stands at a place or behind it, and stays there: see Queue.look. Raises CannotRead.

        At the front, places are the numbers of those that came there, from FIRST_PLACE on.
        """
        found = self._look_at_front(place, most) if place < 0 else []
        if not found:
            found = super().look(max(place, 0), most, body_max)
        for looked in found:
            number: i64 = self.index.counts.get(looked.position, 1 if looked.redelivered else 0)
            looked.delivery_count = number
            looked.redelivered = number > 0
        return found

    def _look_at_front(self, place: i64, most: i64) -> list[Looked]:
        front = self._front
        at: i64 = max(place - FIRST_PLACE - self._front_left, 0)
        found: list[Looked] = []
        while at < len(front) and len(found) < most:
            position, message = front[at]
            found.append(Looked(FIRST_PLACE + self._front_left + at, position, message, True))
            at += 1
        return found

    def note_delivery(self, message: Message, position: i64) -> None:
        """The message that was taken last is in a client's hands."""
        if self.number:
            self._count(position, self.number + 1)
        else:
            super().note_delivery(message, position)

    def forget(self, message: Message, position: i64) -> None:
        """The log need not keep a message, which was taken, any more."""
        index = self.index
        if index.counts:
            index.counts.pop(position, None)
            index.counted.pop(position, None)
        super().forget(message, position)

    def purge(self) -> None:
        """Drop everything that is ready."""
        index = self.index
        first: i64 = index.paged.first_queue_position() if index.paged.count else self.end
        super().purge()
        for position in [position for position in index.counts if position >= first]:
            del index.counts[position]
            index.counted.pop(position, None)

    def _count(self, position: i64, number: i64) -> None:
        if self._journal is not None:
            self._journal.count(self.index, position, number)
        else:
            self.index.counts[position] = int(number)

    def _clear(self) -> list[tuple[int, Message]]:
        dropped = list(self._front)
        self._front_left += len(dropped)
        self._front.clear()
        return dropped + super()._clear()


def own_copy(message: Message) -> Message:
    """The same message, as one that the log does not know yet."""
    copy = message.twin()
    copy.arrived_ms = message.arrived_ms
    return copy
