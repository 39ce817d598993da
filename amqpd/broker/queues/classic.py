"""Classic queues: messages in order, consumers in turn."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from amqpd.broker.binding import Destination
from amqpd.broker.consumer import Consumer, ConsumerRing
from amqpd.broker.unacked import Delivery
from amqpd.errors import AccessRefused, ResourceLocked
from amqpd.message import Message
from amqpd.wire.fields import Table

RUNS_AHEAD_MESSAGES: Final = 2000
"""How far publishers may be ahead of consumers before they are asked to wait a little."""

CAUGHT_UP_MESSAGES: Final = 1000
"""When consumers are no further behind than this, publishers that wait go on."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Publisher:
    """Whoever publishes, and can wait until consumers have caught up."""

    def go_on(self) -> None:
        """The queue that it waited for has drained."""
        raise NotImplementedError


@final
class Owner:
    """Whoever declares exclusive queues: a connection. They end with it, and nobody else may use them."""

    def __init__(self) -> None:
        self.queues: dict[Queue, None] = {}


@final
class Queue(Destination):
    """A queue holds each message at a position, in the order of arrival.

    What nobody has seen is in `_fresh`, whose first message stands at `_next_position`; what came back is in
    `_returned`, a heap by position. All that came back was delivered from the head before, so it stands
    before everything fresh: that is how a requeued message gets its place again.
    """

    type = "queue"

    def __init__(
        self,
        name: str,
        vhost: str,
        durable: bool,
        auto_delete: bool,
        owner: Owner | None,
        arguments: Table,
    ) -> None:
        super().__init__(name, vhost, durable)
        self.auto_delete = auto_delete
        self.owner = owner
        """Whom an exclusive queue belongs to, else None."""
        self.arguments = arguments
        self.consumers: dict[Consumer, None] = {}
        self.unacked: i64 = 0
        self.deleted = False
        self._fresh: deque[Message] = deque()
        self._returned: list[tuple[int, Message]] = []
        self._next_position: i64 = 0
        self._ring = ConsumerRing()
        self._waiting: dict[Publisher, None] = {}

    def ready(self) -> int:
        """How many messages could be delivered now."""
        return len(self._fresh) + len(self._returned)

    def check_owner(self, owner: Owner) -> None:
        """Raise ResourceLocked (405) if the queue is exclusive to someone else."""
        if self.owner is not None and self.owner is not owner:
            raise locked(self)

    def delivered(self) -> int:
        """How many messages have left for the first time since the queue was made."""
        return self._next_position

    def add_waiting(self, publisher: Publisher) -> None:
        """Let a publisher hear (`go_on`) when consumers have caught up."""
        self._waiting[publisher] = None

    def remove_waiting(self, publisher: Publisher) -> None:
        """It waits no more."""
        self._waiting.pop(publisher, None)

    def publish(self, message: Message) -> bool:
        """Take a message: to a consumer at once if one waits, else to the end of the queue.

        True if consumers have fallen so far behind that the publisher had better wait a little.
        """
        if not self._fresh and not self._returned:
            consumer = self._ring.next()
            if consumer is not None:
                position = self._next_position
                self._next_position = position + 1
                self._hand(consumer, message, position, False)
                return False
        self._fresh.append(message)
        return len(self._fresh) > RUNS_AHEAD_MESSAGES and len(self.consumers) > 0

    def get(self) -> tuple[Message, int, bool] | None:
        """Take the first ready message: the message, its position, and whether it was delivered before.

        It counts as unacknowledged until `settle` or `requeue`.
        """
        if self._returned:
            position, message = heapq.heappop(self._returned)
            self.unacked += 1
            return message, position, True
        if not self._fresh:
            return None
        position = self._next_position
        self._next_position += 1
        self.unacked += 1
        return self._fresh.popleft(), position, False

    def settle(self, count: i64) -> None:
        """`count` deliveries are done with for good."""
        self.unacked -= count

    def requeue(self, deliveries: list[Delivery]) -> None:
        """Put deliveries back to their places, and offer them to whoever has credit."""
        if self.deleted:
            return
        for delivery in deliveries:
            heapq.heappush(self._returned, (delivery.position, delivery.message))
        self.unacked -= len(deliveries)
        self.pump()

    def purge(self) -> int:
        """Drop all ready messages; how many there were."""
        count = self.ready()
        self._next_position += len(self._fresh)
        self._fresh.clear()
        self._returned.clear()
        return count

    def check_consumer(self, exclusive: bool) -> None:
        """Raise AccessRefused (403) if one more consumer, or an exclusive one, can't be added."""
        if self.consumers and (exclusive or any(consumer.exclusive for consumer in self.consumers)):
            raise AccessRefused(f"{self.title()} in exclusive use")

    def add_consumer(self, consumer: Consumer) -> None:
        """Let a consumer have its share, after the others; deliveries begin at once."""
        self.consumers[consumer] = None
        self.consumer_ready(consumer)

    def remove_consumer(self, consumer: Consumer) -> None:
        """Nothing more goes to this consumer; what it has not settled stays with its channel."""
        consumer.cancelled = True
        self.consumers.pop(consumer, None)

    def cancel_consumers(self) -> None:
        """The queue is gone: every consumer ends, and its sink hears of it."""
        for consumer in list(self.consumers):
            self.remove_consumer(consumer)
            consumer.sink.consumer_cancelled(consumer)

    def consumer_ready(self, consumer: Consumer) -> None:
        """A consumer may have credit (again)."""
        self._ring.add(consumer)
        if self._fresh or self._returned:
            self.pump()

    def pump(self) -> None:
        """Deliver as long as there is a message and a consumer with credit."""
        while self._returned or self._fresh:
            consumer = self._ring.next()
            if consumer is None:
                return
            if self._returned:
                position, message = heapq.heappop(self._returned)
                self._hand(consumer, message, position, True)
            else:
                position = self._next_position
                self._next_position += 1
                self._hand(consumer, self._fresh.popleft(), position, False)
            if self._waiting and len(self._fresh) < CAUGHT_UP_MESSAGES:
                self._release_waiting()

    def _release_waiting(self) -> None:
        waiting = self._waiting
        self._waiting = {}
        for publisher in waiting:
            publisher.go_on()

    def _hand(self, consumer: Consumer, message: Message, position: i64, redelivered: bool) -> None:
        if not consumer.no_ack:
            self.unacked += 1
            consumer.unacked += 1
        consumer.sink.deliver(consumer, message, position, redelivered)


def locked(queue: Queue) -> ResourceLocked:
    """RabbitMQ's answer to whoever may not use an exclusive queue, or declares exclusiveness otherwise."""
    return ResourceLocked(
        f"cannot obtain exclusive access to locked {queue.title()}. It could be originally declared on another "
        "connection or the exclusive property value does not match that of the original declaration."
    )
