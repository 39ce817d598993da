"""Messages that are to be routed later, in the order in which they fall due; some of them in memory."""

from __future__ import annotations

import heapq
from bisect import bisect_left
from typing import Final, final

from mypy_extensions import i64

from amqpd.broker.queues.looked import Looked
from amqpd.message import Message
from amqpd.store.beginnings import beginnings
from amqpd.store.budget import MESSAGE_OVERHEAD_BYTES, PAGED_AT_ONCE_BYTES, Pageable
from amqpd.store.queue_index import QueueIndex
from amqpd.store.storage import Storage

PAGED_AT_ONCE_MESSAGES: Final = 4096
READ_AT_ONCE_MESSAGES: Final = 256
READ_AT_ONCE_BYTES: Final = 262144


@final
class DelayedBacklog(Pageable):
    """Messages by their position; some are in memory, and others, before, between and behind them, only in the storage.

    When memory runs short, those go that are due last.
    """

    def __init__(self, index: QueueIndex, storage: Storage) -> None:
        super().__init__()
        self.index = index
        self.position: i64 = 0
        """Of the message that was taken last."""
        self._storage = storage
        self._positions: list[int] = []
        """A heap, of the messages in memory."""
        self._messages: dict[int, Message] = {}

    def count(self) -> int:
        """How many there are."""
        return len(self._positions) + int(self.index.paged.count)

    def has(self, position: i64) -> bool:
        """Whether a message has this position."""
        return position in self._messages or self.index.paged.find(position) is not None

    def add(self, position: i64, message: Message) -> None:
        """Add a message at a position that no other has."""
        heapq.heappush(self._positions, position)
        self._messages[position] = message
        self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES
        if self.resident_bytes > self.reports_at_bytes:
            self._storage.budget.report(self)

    def first_position(self) -> i64:
        """The position of the message that is due first; -1 if there is none."""
        paged = self.index.paged
        if not self._positions:
            return paged.first_queue_position() if paged.count else -1
        position: i64 = self._positions[0]
        return min(position, paged.first_queue_position()) if paged.count else position

    def take(self) -> Message:
        """Take the message that is due first, of which there must be one. Raises CannotRead."""
        position = self.first_position()
        if position not in self._messages:
            self._read()
        heapq.heappop(self._positions)
        message = self._messages.pop(position)
        self.resident_bytes -= message.body_size + MESSAGE_OVERHEAD_BYTES
        self.position = position
        return message

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        """What is due at a position or after it, and stays: see Queue.look. Raises CannotRead."""
        self._positions.sort()
        at: i64 = bisect_left(self._positions, place)
        paged = self.index.paged.starting_at(place, most, READ_AT_ONCE_BYTES)
        listed = [int(each.queue_position) for each in paged]
        # What is in memory between them belongs there; what is behind the last must wait for those that follow it.
        positions = [
            position for position in self._positions[at : at + most] if not listed or position <= listed[-1]
        ]
        positions = sorted(positions + listed)[:most]
        del paged[len([position for position in listed if position <= positions[-1]]) :]
        read: dict[int, Message] = {}
        for number, message in enumerate(beginnings(self._storage, self.index, paged, body_max)):
            read[listed[number]] = message
        return [
            Looked(
                position, position, read[position] if position in read else self._messages[position], False
            )
            for position in positions
        ]

    def _read(self) -> None:
        paged = self.index.paged.first(READ_AT_ONCE_MESSAGES, READ_AT_ONCE_BYTES)
        messages = self._storage.page_in(self.index, paged)
        for number, message in enumerate(messages):
            position = paged[number].queue_position
            heapq.heappush(self._positions, position)
            self._messages[position] = message
            self.resident_bytes += message.body_size + MESSAGE_OVERHEAD_BYTES

    def page_out(self, keep_bytes: i64) -> None:
        positions = self._positions
        positions.sort()
        size: i64 = 0
        number: i64 = len(positions)
        looked_at_to: i64 = max(0, number - PAGED_AT_ONCE_MESSAGES)
        going: list[int] = []
        staying: list[int] = []
        while (
            number > looked_at_to and size < PAGED_AT_ONCE_BYTES and self.resident_bytes - size > keep_bytes
        ):
            number -= 1
            message = self._messages[positions[number]]
            if self._storage.can_page_out(self.index, message):
                going.append(positions[number])
                size += message.body_size + MESSAGE_OVERHEAD_BYTES
            else:
                staying.append(positions[number])
        going.reverse()
        if not self._storage.page_out_scattered(
            self.index, going, [self._messages[position] for position in going]
        ):
            return
        for position in going:
            del self._messages[position]
        staying.reverse()
        positions[number:] = staying
        self.resident_bytes -= size

    def clear(self) -> None:
        """Drop everything that is in memory."""
        self._positions.clear()
        self._messages.clear()
        self.resident_bytes = 0
        self._storage.budget.remove(self)
