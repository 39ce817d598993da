"""Consumers, the ring in which they take turns, and the sink their messages go to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, final

from mypy_extensions import i64, mypyc_attr

from amqpd.message import Message
from amqpd.metrics.message_counts import MessageCounts
from amqpd.wire.fields import Table, bytes_of

if TYPE_CHECKING:
    from amqpd.broker.queues.queue import Queue


@mypyc_attr(allow_interpreted_subclasses=True)
class Sink:
    """Where a consumer's messages go: a channel, or in a test a list."""

    def has_room(self, consumer: Consumer) -> bool:
        """Whether a message for this consumer may be delivered now.

        After False the sink calls `consumer.resume` once there is room again.
        """
        raise NotImplementedError

    def deliver(self, consumer: Consumer, message: Message, position: i64, redelivered: bool) -> None:
        """Take one message that stood at `position` in the consumer's queue."""
        raise NotImplementedError

    def channel_id(self) -> i64:
        """Which channel frames are best numbered for; those of another will do as well."""
        return 1

    def consumer_cancelled(self, consumer: Consumer) -> None:
        """The broker ended this consumer: its queue is gone."""
        raise NotImplementedError


@final
class Consumer:
    """One basic.consume (1.8.3.3). `prefetch_count` is its own credit; 0 means no limit."""

    def __init__(
        self,
        tag: str,
        queue: Queue,
        sink: Sink,
        no_ack: bool,
        exclusive: bool,
        prefetch_count: i64,
        arguments: Table,
        priority: i64 = 0,
    ) -> None:
        self.tag = tag
        self.queue = queue
        self.sink = sink
        self.no_ack = no_ack
        self.exclusive = exclusive
        # Credit limits what is unsettled, and a no-ack consumer settles as it receives.
        self.prefetch_count: i64 = 0 if no_ack else prefetch_count
        self.priority = priority
        """Those of a higher priority get everything as long as they have credit; 0 unless told (x-priority)."""
        self.arguments = arguments
        self.unacked: i64 = 0
        self.can_return = True
        """Whether a message that it does not settle goes back to its queue, and has to be kept until then."""
        self.delivered: i64 = 0
        """How many messages it has got; `redelivered` are those among them that somebody had got before."""
        self.redelivered: i64 = 0
        self.in_ring = False
        self.cancelled = False
        self.deliver_start = b""
        """What begins each of its deliver frames up to the delivery tag; the sink's own business."""
        self.deliver_start_address_size: i64 = -1
        self.held_back = False
        """Whether it has to wait for a credit that others have a share in."""

    def begin_deliveries_anew(self) -> None:
        """Let the sink prepare its next delivery as if it was the first."""
        self.deliver_start_address_size = -1

    def resume(self) -> None:
        """It may have credit again: let its queue try."""
        if not self.in_ring and not self.cancelled:
            self.queue.consumer_ready(self)


def count_deliveries(counts: MessageCounts, consumer: Consumer) -> None:
    """Add what a consumer has got."""
    if consumer.no_ack:
        counts.deliver_no_ack += int(consumer.delivered)
    else:
        counts.deliver += int(consumer.delivered)
    counts.redeliver += int(consumer.redelivered)


def tag_order(consumer: Consumer) -> bytes:
    """A consumer's tag, for the order in which RabbitMQ has several of a channel."""
    return bytes_of(consumer.tag)


@final
class ConsumerRing:
    """The consumers that may have credit, taking turns. One that has none leaves, and returns by `add`.

    There is a ring for each priority; a lower one has its turn when nobody above has credit.
    """

    def __init__(self) -> None:
        self._priorities: list[int] = []
        self._rings: list[deque[Consumer]] = []

    def add(self, consumer: Consumer) -> None:
        """Let it have its turn, after all the others of its priority."""
        if not consumer.in_ring:
            consumer.in_ring = True
            self._ring_of(consumer.priority).append(consumer)

    def next(self) -> Consumer | None:
        """The consumer whose turn it is, or None when nobody has credit."""
        for turns in self._rings:
            while turns:
                consumer = turns[0]
                if (
                    (consumer.unacked < consumer.prefetch_count or not consumer.prefetch_count)
                    and not consumer.cancelled
                    and consumer.sink.has_room(consumer)
                ):
                    if len(turns) > 1:
                        turns.rotate(-1)
                    return consumer
                consumer.in_ring = False
                turns.popleft()
        return None

    def leave_last(self, consumer: Consumer) -> None:
        """Whose turn it just was has no credit left: with credit again, it comes after those who have waited."""
        consumer.in_ring = False
        self._ring_of(consumer.priority).pop()

    def _ring_of(self, priority: int) -> deque[Consumer]:
        if priority in self._priorities:
            return self._rings[self._priorities.index(priority)]
        place = len([higher for higher in self._priorities if higher > priority])
        self._priorities.insert(place, priority)
        self._rings.insert(place, deque())
        return self._rings[place]
