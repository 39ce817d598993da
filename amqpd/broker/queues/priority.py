"""The ready messages of a priority queue (x-max-priority): one backlog for each priority."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from amqpd.broker.queues.backlog import Backlog
from amqpd.broker.queues.looked import Looked
from amqpd.message import Message
from amqpd.store.queue_index import QueueIndex
from amqpd.store.storage import Storage
from amqpd.wire.properties import priority_of

LEVEL_BITS: Final = 48
"""A position has the priority above these bits, and below them the position among its equals."""

POSITION_MASK: Final = (1 << LEVEL_BITS) - 1


@final
class PriorityBacklog(Backlog):
    """Messages of a higher priority come first, those of the same in order of arrival.

    What is above the highest priority counts as the highest, what has none as 0 (RabbitMQ 3.10, observed).
    """

    def __init__(self, levels: list[QueueIndex], storage: Storage) -> None:
        """`levels` are the indexes of the priorities, from 0 to the highest."""
        super().__init__(levels[0], storage)
        self._levels = [Backlog(index, storage) for index in levels]
        self._highest: i64 = len(levels) - 1
        self._top: i64 = 0
        """No level above this one has a message."""

    def indexes(self) -> list[QueueIndex]:
        """One for each priority."""
        return [level.index for level in self._levels]

    def restore(self, ends: dict[int, int]) -> None:
        """Begin with what the log has."""
        for level in self._levels:
            level.restore(ends)
            self.count += level.count
        self._top = self._highest

    def delivered(self) -> int:
        """How many messages have left since the queue was made, less those that came back."""
        return sum(level.delivered() for level in self._levels)

    def body_bytes(self) -> i64:
        """How large the bodies of all ready messages are together."""
        total: i64 = 0
        for level in self._levels:
            total += level.body_bytes()
        return total

    def pass_by(self, message: Message, no_ack: bool) -> i64:
        """A message goes to a consumer at once, as nothing stands before it; its position."""
        number = self._level_of(message)
        return (number << LEVEL_BITS) | self._levels[number].pass_by(message, no_ack)

    def append(self, message: Message) -> None:
        """Add a message behind all others of its priority."""
        number = self._level_of(message)
        self._levels[number].append(message)
        self.count += 1
        if number > self._top:
            self._top = number

    def forget(self, message: Message, position: i64) -> None:
        """The log need not keep a message, which was taken, any more."""
        self._levels[position >> LEVEL_BITS].forget(message, position & POSITION_MASK)

    def note_delivery(self, message: Message, position: i64) -> None:
        """A restart must know that whoever gets the message again has perhaps seen it."""
        self._levels[position >> LEVEL_BITS].note_delivery(message, position & POSITION_MASK)

    def put_back(self, position: i64, message: Message) -> None:
        """A message that was taken returns to its place."""
        number: i64 = position >> LEVEL_BITS
        self._levels[number].put_back(position & POSITION_MASK, message)
        self.count += 1
        if number > self._top:
            self._top = number

    def take(self) -> Message:
        """Take the first message of the highest priority there is. Raises CannotRead."""
        number = self._first_level()
        level = self._levels[number]
        message = level.take()
        self.position = (number << LEVEL_BITS) | level.position
        self.redelivered = level.redelivered
        self.count -= 1
        return message

    def first(self) -> Message:
        """Look at the first message, of which there must be one. Raises CannotRead."""
        return self._levels[self._first_level()].first()

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        """What stands at a place or behind it, and stays there: see Queue.look. Raises CannotRead.

        A place is the position among its equals, and above it how far the priority is below the highest.
        """
        start: i64 = max(place, 0)
        below: i64 = start >> LEVEL_BITS
        start &= POSITION_MASK
        while below <= self._highest:
            found = self._levels[self._highest - below].look(start, most, body_max)
            if found:
                for looked in found:
                    looked.place |= below << LEVEL_BITS
                return found
            below += 1
            start = 0
        return []

    def _first_level(self) -> i64:
        while not self._levels[self._top].count:
            self._top -= 1
        return self._top

    def purge(self) -> None:
        """Drop everything that is ready."""
        for level in self._levels:
            level.purge()
        self.count = 0

    def drop(self) -> None:
        """The queue is gone, with all it had."""
        for level in self._levels:
            level.drop()
        self.count = 0

    def _level_of(self, message: Message) -> i64:
        return min(priority_of(message.header), self._highest)
