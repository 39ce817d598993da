"""Where messages can be looked at, a few at a time: what is ready or delayed, and what clients have in their hands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from amqpd.broker.queues.looked import FIRST_PLACE, Looked
from amqpd.broker.queues.queue import Queue
from amqpd.broker.unacked import Delivery
from amqpd.management.answers import bad_request
from amqpd.management.site import Site
from amqpd.protocol.channel import Channel
from amqpd.protocol.connection import Connection

READY = "ready"
UNACKED = "unacked"
DELAYED = "delayed"

VISITED_AT_ONCE = 1000
"""How many channels and deliveries are passed, besides those that are wanted, before others have their turn."""

DELIVERIES_AT_ONCE = 100

Cursor = tuple[int, ...]
"""A place among messages; what stands there stays there, whatever comes and goes before it."""

_CURSOR = re.compile(r"-?\d{1,19}(\.\d{1,19})*")
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Seen:
    """A message, where to go on behind it, and who has it: a channel, and a consumer's tag unless basic.get took it."""

    looked: Looked
    after: Cursor
    channel: Channel | None = None
    consumer_tag: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Some messages, perhaps none; where to go on, or None at the end; and how much was looked at for them."""

    seen: list[Seen]
    then: Cursor | None
    visited: int


class Source(Protocol):
    """Messages in an order."""

    state: str
    first: Cursor
    """Where they begin."""

    def total(self) -> int:
        """How many there are."""

    def step(self, cursor: Cursor, most: int, body_max: int) -> Step:
        """Some of those from there on; of bodies that must be read, `body_max` bytes. Raises CannotRead."""


class InQueue:
    """What a queue would deliver, or a delayed exchange route."""

    first: Cursor = (FIRST_PLACE,)

    def __init__(self, queue: Queue, state: str) -> None:
        self.state = state
        self._queue = queue

    def total(self) -> int:
        """How many there are."""
        return self._queue.ready()

    def step(self, cursor: Cursor, most: int, body_max: int) -> Step:
        """Some of those from there on. Raises CannotRead."""
        found = self._queue.look(cursor[0], most, body_max)
        seen = [Seen(looked, (int(looked.place) + 1,)) for looked in found]
        return Step(seen, seen[-1].after if seen else None, len(seen))


class InHands:
    """What clients have of a queue and have not settled: by connection, by channel, in the order of delivery."""

    first: Cursor = (0, 0, 0)

    def __init__(self, queue: Queue, site: Site) -> None:
        self.state = UNACKED
        self._queue = queue
        self._connections = site.broker.connections

    def total(self) -> int:
        """How many there are."""
        return int(self._queue.unacked)

    def step(self, cursor: Cursor, most: int, body_max: int) -> Step:
        """Some of those from there on. Raises CannotRead."""
        queue = self._queue
        seen: list[Seen] = []
        visited = 0
        if not self.total():
            return Step(seen, None, visited)
        for after, channel, delivery in self._visits(cursor):
            visited += 1
            if delivery is not None and delivery.queue is queue:
                looked = queue.look_in_hands(delivery.message, delivery.position, body_max)
                if looked is not None:
                    tag = delivery.consumer.tag if delivery.consumer is not None else ""
                    seen.append(Seen(looked, after, channel, tag))
            if len(seen) == most or visited == VISITED_AT_ONCE:
                return Step(seen, after, visited)
        return Step(seen, None, visited)

    def _visits(self, cursor: Cursor) -> Iterator[tuple[Cursor, Channel, Delivery | None]]:
        """Every delivery, of whatever queue, and every channel when it is through; and where to go on behind each."""
        begun = cursor[:2]
        for number, connection in self._connections.numbered(cursor[0]):
            if not isinstance(connection, Connection) or connection.vhost_name() != self._queue.vhost:
                continue
            for channel_id in sorted(connection.channels):
                if (number, channel_id) < begun:
                    continue
                channel = connection.channels[channel_id]
                tag = cursor[2] if (number, channel_id) == begun else 0
                while deliveries := channel.unsettled(tag, DELIVERIES_AT_ONCE):
                    for delivery_tag, delivery in deliveries:
                        tag = delivery_tag + 1
                        yield (number, channel_id, tag), channel, delivery
                yield (number, channel_id + 1, 0), channel, None


class Nothing:
    """What there is none of."""

    first: Cursor = (0,)

    def __init__(self, state: str) -> None:
        self.state = state

    def total(self) -> int:
        """None."""
        return 0

    def step(self, cursor: Cursor, most: int, body_max: int) -> Step:
        """None."""
        return Step([], None, 0)


def cursor_of(text: str | None, source: Source) -> Cursor:
    """The place that a text is for, which `text_of` made; the first place without one. Raises Refused (400)."""
    if text is None:
        return source.first
    numbers = tuple(int(number) for number in text.split(".")) if _CURSOR.fullmatch(text) else ()
    if len(numbers) != len(source.first) or not all(abs(number) <= _LARGEST for number in numbers):
        raise bad_request(
            f"from: '{text}' is no place among {source.state} messages, take the 'next' of an answer"
        )
    return numbers


def text_of(cursor: Cursor) -> str:
    """The cursor as the API tells it."""
    return ".".join(str(number) for number in cursor)
