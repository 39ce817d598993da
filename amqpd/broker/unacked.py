"""What was delivered and is not settled yet."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from amqpd.broker.consumer import Consumer, tag_order
from amqpd.message import Message
from amqpd.wire.fields import bytes_of

if TYPE_CHECKING:
    from amqpd.broker.queues.queue import Queue

ACKED: Final = 0
REQUEUED: Final = 1
REJECTED: Final = 2
"""How a delivery was settled: it is done with, comes back, or dies."""


NO_MESSAGE: Final = Message(b"", b"", 0, b"", 0, [])
"""What stands for a message that need not be kept."""


@final
class Delivery:
    """One message in a client's hands: where it came from, so that it can go back to its place."""

    def __init__(self, queue: Queue, message: Message, position: i64, consumer: Consumer | None) -> None:
        self.queue = queue
        self.message = message
        self.position = position
        self.consumer = consumer
        """Whose credit it takes; None for basic.get."""


@final
class Unacked:
    """A channel's unsettled deliveries by delivery tag, in order of delivery."""

    def __init__(self) -> None:
        self._deliveries: dict[int, Delivery] = {}

    def __len__(self) -> int:
        return len(self._deliveries)

    def add(self, delivery_tag: i64, delivery: Delivery) -> None:
        """Remember a delivery; tags only grow."""
        self._deliveries[delivery_tag] = delivery

    def take(self, delivery_tag: i64) -> Delivery | None:
        """Settle one; None if the tag is unknown."""
        return self._deliveries.pop(delivery_tag, None)

    def oldest_tag(self) -> i64:
        """The tag of the oldest delivery, or -1 if there is none."""
        for tag in self._deliveries:
            return tag
        return -1

    def first(self, most: i64) -> list[Delivery]:
        """The oldest deliveries, no more than `most`; they stay unsettled."""
        return list(islice(self._deliveries.values(), most))

    def starting_at(self, delivery_tag: i64, most: i64) -> list[tuple[int, Delivery]]:
        """Deliveries from a tag on, in order, with their tags; they stay unsettled.

        Tags follow one another, as a rule: one after the other is tried, and where few are left, all that there are.
        """
        deliveries = self._deliveries
        found: list[tuple[int, Delivery]] = []
        last: i64 = -1
        for tag in reversed(deliveries):
            last = tag
            break
        tried: i64 = max(delivery_tag, self.oldest_tag())
        end: i64 = tried + len(deliveries)
        while tried <= last and tried < end and len(found) < most:
            delivery = deliveries.get(tried)
            if delivery is not None:
                found.append((int(tried), delivery))
            tried += 1
        if tried > last or len(found) == most:
            return found
        for tag, delivery in deliveries.items():
            if tag >= tried:
                found.append((tag, delivery))
                if len(found) == most:
                    break
        return found

    def find(self, delivery_tag: i64) -> Delivery | None:
        """A delivery that stays unsettled; None if the tag is unknown."""
        return self._deliveries.get(delivery_tag)

    def take_up_to(self, delivery_tag: i64) -> list[Delivery]:
        """Settle all up to and including a tag, in order of delivery; touches only what it settles."""
        return [self._deliveries.pop(tag) for tag in self.tags_up_to(delivery_tag)]

    def tags_up_to(self, delivery_tag: i64) -> list[int]:
        """The unsettled tags up to and including a tag."""
        tags: list[int] = []
        for tag in self._deliveries:
            if tag > delivery_tag:
                break
            tags.append(tag)
        return tags

    def take_all(self) -> list[Delivery]:
        """Settle everything, in order of delivery."""
        taken = list(self._deliveries.values())
        self._deliveries.clear()
        return taken

    def take_all_by_holder(self) -> list[Delivery]:
        """Settle everything: what one consumer has after the other, in the order of their tags (RabbitMQ 3.10, observed).

        What basic.get has taken has its delivery tag for a consumer's.
        """
        in_order = sorted(self._deliveries.items(), key=holder_of)
        self._deliveries.clear()
        return [delivery for _, delivery in in_order]

    def restore(self, taken: list[tuple[int, Delivery]]) -> None:
        """Put deliveries back that a rolled back transaction had settled."""
        for tag, delivery in taken:
            self._deliveries[tag] = delivery
        self._deliveries = dict(sorted(self._deliveries.items()))

    def __contains__(self, delivery_tag: object) -> bool:
        return delivery_tag in self._deliveries


def by_holder(deliveries: list[Delivery]) -> list[list[Delivery]]:
    """What is settled together: of one queue, and of one consumer or basic.get, in RabbitMQ's order.

    It goes by names of queues, then what basic.get has taken, then by consumer tags.
    """
    if len(deliveries) == 1:
        return [deliveries]
    groups: list[list[Delivery]] = []
    last: Delivery | None = None
    for delivery in sorted(deliveries, key=_settled_with):
        if (
            last is not None
            and delivery.consumer is not None
            and delivery.consumer is last.consumer
            and delivery.queue is last.queue
        ):
            groups[-1].append(delivery)
        else:
            groups.append([delivery])
        last = delivery
    return groups


def _settled_with(delivery: Delivery) -> tuple[bytes, bytes]:
    consumer = delivery.consumer
    return bytes_of(delivery.queue.name), b"" if consumer is None else tag_order(consumer)


def holder_of(delivery: tuple[int, Delivery]) -> bytes:
    """What RabbitMQ calls whoever has a delivery: it is compared with others."""
    consumer = delivery[1].consumer
    return str(delivery[0]).encode() if consumer is None else tag_order(consumer)
