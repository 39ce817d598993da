"""What stands for channels and publishers in tests of queues and exchanges."""

from __future__ import annotations

from typing import NamedTuple

from amqpd.broker.consumer import Consumer, Sink
from amqpd.broker.unacked import Delivery
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Timers
from amqpd.events import Events
from amqpd.message import Message, address_of
from amqpd.store.storage import Storage
from amqpd.testing.clock import FakeClock
from amqpd.wire.frames import FRAME_BODY, FRAME_HEADER, frame
from amqpd.wire.properties import Properties, encode_properties


def vhost_alone(storage: Storage | None = None) -> VirtualHost:
    """A virtual host without a broker; time stands still in it."""
    events = Events()
    return VirtualHost("/", storage or Storage(events), Timers(FakeClock()), events)


class Delivered(NamedTuple):
    """One delivery, as the sink heard of it."""

    consumer: Consumer
    message: Message
    position: int
    redelivered: bool

    def delivery(self) -> Delivery:
        """What a channel keeps until it is settled."""
        return Delivery(self.consumer.queue, self.message, self.position, self.consumer)


class ListSink(Sink):
    """A list of deliveries; `room` says whether it takes more."""

    def __init__(self) -> None:
        self.room = True
        self.delivered: list[Delivered] = []
        self.cancelled: list[Consumer] = []

    def has_room(self, consumer: Consumer) -> bool:
        """Whether it takes more; whoever sets `room` resumes the consumers."""
        return self.room

    def deliver(self, consumer: Consumer, message: Message, position: int, redelivered: bool) -> None:
        """Add to the list."""
        self.delivered.append(Delivered(consumer, message, position, redelivered))

    def consumer_cancelled(self, consumer: Consumer) -> None:
        """Add to the list of the cancelled."""
        self.cancelled.append(consumer)

    def bodies(self) -> list[bytes]:
        """The bodies delivered, in order."""
        return [each.message.body() for each in self.delivered]


def message_of(
    body: bytes = b"", properties: Properties | None = None, *, exchange: str = "", routing_key: str = ""
) -> Message:
    """A message as channel 1 would make it of a publish in one piece."""
    header = encode_properties(properties or Properties(), len(body))
    frames = frame(FRAME_HEADER, 1, header)
    if body:
        frames += frame(FRAME_BODY, 1, body)
    return Message(address_of(exchange, routing_key), header, len(body), frames, 1, None)
