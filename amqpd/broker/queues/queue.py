"""What every queue type has in common, and what the rest of the broker asks of a queue."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from amqpd.broker.binding import Destination
from amqpd.broker.consumer import Consumer, ConsumerRing, count_deliveries, tag_order
from amqpd.broker.deaths import Deaths
from amqpd.broker.queues.looked import Looked
from amqpd.broker.queues.mover import Mover
from amqpd.broker.queues.rules import CLASSIC, PolicyDefinition, QueueRules, queue_rules
from amqpd.broker.unacked import Delivery
from amqpd.clock import Timer, Timers
from amqpd.errors import AccessRefused, ResourceLocked
from amqpd.message import Message
from amqpd.metrics.message_counts import MessageCounts
from amqpd.store.queue_index import QueueIndex
from amqpd.store.storage import Storage
from amqpd.wire.fields import Table

RUNS_AHEAD_MESSAGES: Final = 2000
"""How far publishers may be ahead of consumers before they are asked to wait a little."""

CAUGHT_UP_MESSAGES: Final = 1000
"""When consumers are no further behind than this, publishers that wait go on."""

LEFT_MAX: Final = 16
"""So many consumers that have left may wait for their turn in vain, besides one for each that is there."""

TAKEN: Final = 0
"""What `publish` returns: the message is in the queue, or with a consumer. Further bits say more."""

BEHIND: Final = 1
"""Consumers have fallen so far behind that the publisher had better wait a little."""

REFUSED: Final = 2
"""The queue did not take the message: it is full."""

LOGGED: Final = 4
"""The queue has made a copy of the message, which is safe with the next group of the log."""

NOWHERE: Final = 8
"""What `offer_dead_letter` returns when no queue would get the message."""


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


@mypyc_attr(allow_interpreted_subclasses=True)
class QueueHost:
    """Where queues live: what they share, and what they can't do alone."""

    def __init__(self, name: str, storage: Storage, timers: Timers) -> None:
        self.name = name
        self.storage = storage
        self.timers = timers
        self.deaths = Deaths()

    def dead_letter(self, queue: Queue, message: Message, reason: str) -> bool:
        """Send what died in a queue to the queue's dead letter exchange; False if no queue took it."""
        raise NotImplementedError

    def offer_dead_letter(
        self, queue: Queue, message: Message, reason: str, time_s: i64, taken: dict[str, None]
    ) -> i64:
        """Offer what died in a queue at a time to those that have not taken it: TAKEN if all have now, REFUSED, or NOWHERE.

        `taken` are the names of those that have.
        """
        raise NotImplementedError

    def keep_ttl(self, queue: Queue, until_ms: i64, ttl_ms: i64) -> None:
        """What has arrived in a queue until then (unix ms) keeps this time to live, -1 for none."""
        raise NotImplementedError

    def end_queue(self, queue: Queue) -> None:
        """Nobody needs the queue any more."""
        raise NotImplementedError


class Queue(Destination):
    """Has consumers that take turns, and rules that its arguments and policies make.

    A type says where messages are kept and in which order they go.
    """

    type = "queue"
    queue_type = "classic"

    def __init__(self, name: str, durable: bool, arguments: Table, host: QueueHost, queue_id: i64) -> None:
        super().__init__(name, host.name, durable)
        self.auto_delete = False
        self.owner: Owner | None = None
        """Whom an exclusive queue belongs to, else None."""
        self.arguments = arguments
        self.arguments_in_force = arguments
        """The same, but for a queue of a time when arguments had no effect: it keeps to that."""
        self.id = queue_id
        """What the log calls it; types that need more than one index have those that follow, too."""
        self.rules: QueueRules = queue_rules(arguments, None)
        self.consumers: dict[Consumer, None] = {}
        self.active_consumer: Consumer | None = None
        """Who gets everything, if only one may be active at a time (x-single-active-consumer)."""
        self._predecessors: dict[Consumer, None] = {}
        """Who was active and has left something unsettled: if it comes back, it comes before what is ready."""
        self.unacked: i64 = 0
        self.published: i64 = 0
        """How many messages clients have published that came here; `acked` are those that they have acknowledged."""
        self.acked: i64 = 0
        self.counts = MessageCounts()
        """What basic.get has done here, and what consumers have got that are gone; see `message_counts`."""
        self.deleted = False
        self.logged = durable and host.storage.journal is not None
        """Whether its persistent messages go into the log."""
        self._host = host
        self._storage = host.storage
        self._ring = ConsumerRing()
        self._left: i64 = 0
        """How many consumers have left that may still be in the ring."""
        self._waiting: dict[Publisher, None] = {}
        self._last_used_s = 0.0
        self._unused_timer: Timer | None = None
        self.touch()

    def check_owner(self, owner: Owner) -> None:
        """Raise ResourceLocked (405) if the queue is exclusive to someone else."""
        if self.owner is not None and self.owner is not owner:
            raise locked(self)

    def message_counts(self) -> MessageCounts:
        """What has happened to messages here since the broker started."""
        counts = self.counts.copy()
        counts.publish = int(self.published)
        counts.ack = int(self.acked)
        for consumer in self.consumers:
            count_deliveries(counts, consumer)
        return counts

    # What is different for each type

    def restore(self, ends: dict[int, int]) -> None:
        """Begin with what the log has, after a start; `ends` is where the next message will stand, by index id."""
        raise NotImplementedError

    def indexes(self) -> list[QueueIndex]:
        """What the log knows of it."""
        raise NotImplementedError

    def ready(self) -> int:
        """How many messages could be delivered now."""
        raise NotImplementedError

    def consumer_count(self) -> int:
        """How many consumers it says it has."""
        return len(self.consumers)

    def declared_consumer_count(self) -> int:
        """The same as queue.declare-ok tells it."""
        return self.consumer_count()

    def ready_bytes(self) -> int:
        """How large the bodies of those are together, where that is known."""
        return 0

    def delivered(self) -> int:
        """How many messages have left since the queue was made, less those that came back."""
        raise NotImplementedError

    def publish(self, message: Message) -> i64:
        """Take a message: TAKEN, with the bits BEHIND, REFUSED and LOGGED."""
        raise NotImplementedError

    def refuses(self, message: Message) -> bool:
        """Whether `publish` would not take this message now."""
        return False

    def publish_dead(self, message: Message) -> i64:
        """Take a dead letter that nobody waits for."""
        return self.publish(message)

    def get(self) -> tuple[Message, int, bool] | None:
        """Take the first ready message: the message, its position, and whether it was delivered before.

        It counts as unacknowledged until it is settled. Raises ResourceError (506) if it can't be read.
        """
        raise NotImplementedError

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        """What would be delivered next, from a place on, and stays as it is: one message at least, if there is one.

        Of bodies that have to be read from disk there may be no more than `body_max` bytes. Raises CannotRead.
        """
        raise NotImplementedError

    def look_in_hands(self, message: Message, position: i64, body_max: i64) -> Looked | None:
        """A delivery that is not settled, as its client has it; None if that can't be told any more. Raises CannotRead."""
        return Looked(position, position, message, None)

    def move(self, mover: Mover, most: i64) -> i64:
        """Let ready messages go elsewhere, in order: so many, or as many as there is time for in a turn.

        The first that is not wanted there stays, and so do those behind it. How many have gone. Raises CannotRead, and
        ResourceError (506) if the log can't have it.
        """
        raise NotImplementedError

    def settle(self, message: Message, position: i64) -> None:
        """A delivery was acknowledged."""
        self.unacked -= 1
        self.forget(message, position)

    def forget(self, message: Message, position: i64) -> None:
        """The log need not keep a message for this queue any more."""
        raise NotImplementedError

    def reject(self, deliveries: list[Delivery]) -> None:
        """These deliveries were refused, and do not come back."""
        raise NotImplementedError

    def requeue(self, deliveries: list[Delivery]) -> None:
        """Take deliveries back, and offer them to whoever has credit, those who had them included."""
        raise NotImplementedError

    def take_back(self, deliveries: list[Delivery]) -> None:
        """The same for deliveries whose channel is over."""
        self.requeue(deliveries)

    def purge(self) -> int:
        """Drop all ready messages; how many there were."""
        raise NotImplementedError

    def drop(self) -> None:
        """The queue is gone, with its messages; those in clients' hands are settled with it."""
        self.deleted = True
        if self._unused_timer is not None:
            self._unused_timer.cancel()

    def pump(self) -> None:
        """Deliver as long as there is a message and a consumer with credit."""
        raise NotImplementedError

    # Rules

    def apply_policy(self, policy: PolicyDefinition | None) -> None:
        """Follow what its arguments and this policy ask together, from now on."""
        self.rules = queue_rules(self.arguments_in_force, policy)
        if self._unused_timer is not None:
            self._unused_timer.cancel()
            self._unused_timer = None
        self.touch()

    # Publishers that wait

    def add_waiting(self, publisher: Publisher) -> None:
        """Let a publisher hear (`go_on`) when consumers have caught up."""
        self._waiting[publisher] = None

    def remove_waiting(self, publisher: Publisher) -> None:
        """It waits no more."""
        self._waiting.pop(publisher, None)

    def _release_waiting(self) -> None:
        waiting = self._waiting
        self._waiting = {}
        for publisher in waiting:
            publisher.go_on()

    # Consumers

    def check_consumer(self, exclusive: bool) -> None:
        """Raise AccessRefused (403) if one more consumer, or an exclusive one, can't be added."""
        if exclusive and (self.consumers or self.rules.single_active_consumer):
            raise AccessRefused(f"{self.title()} in exclusive use")
        # An exclusive consumer is the only one.
        if len(self.consumers) == 1 and next(iter(self.consumers)).exclusive:
            raise AccessRefused(f"{self.title()} in exclusive use")

    def add_consumer(self, consumer: Consumer) -> None:
        """Let a consumer have its share, after the others; deliveries begin at once."""
        self.consumers[consumer] = None
        self._last_used_s = self._host.timers.clock.monotonic_s()
        if self.rules.single_active_consumer and self.active_consumer is None:
            self.active_consumer = consumer
        if self._predecessors:
            # Whoever comes makes the active one begin, be it this one or another (RabbitMQ 3.10, observed).
            self._predecessors.clear()
            if self.active_consumer is not None:
                self.consumer_ready(self.active_consumer)
        self.consumer_ready(consumer)

    def remove_consumer(self, consumer: Consumer) -> None:
        """Nothing more goes to this consumer; what it has not settled stays with its channel."""
        self.let_go(consumer)
        if self.active_consumer is not None and not self.deleted:
            self.pump()

    def let_go(self, consumer: Consumer) -> None:
        """The same, but whoever takes over gets nothing before what this one has not settled may be back."""
        consumer.cancelled = True
        consumer.in_ring = False
        if consumer not in self.consumers:
            return
        del self.consumers[consumer]
        count_deliveries(self.counts, consumer)
        self._left += 1
        if self._left > len(self.consumers) + LEFT_MAX:
            self._renew_ring()
        if not self.consumers:
            self.touch()
        if consumer is self.active_consumer:
            self.active_consumer = self._next_active()
            if consumer.unacked and self.ready() and self.queue_type == CLASSIC:
                self._predecessors[consumer] = None
            elif self.active_consumer is not None and not self._predecessors:
                self._ring.add(self.active_consumer)

    def _renew_ring(self) -> None:
        """Who has left goes when it is its turn, and where nothing comes, there are no turns."""
        self._left = 0
        self._ring = ConsumerRing()
        for consumer in self.consumers:
            if consumer.in_ring:
                consumer.in_ring = False
                self._ring.add(consumer)

    def left_settled(self, consumer: Consumer) -> None:
        """Something was settled of what a consumer that has left still had: if it is all, its successor may begin."""
        if consumer in self._predecessors and not consumer.unacked:
            del self._predecessors[consumer]
            if self.active_consumer is not None and not self.deleted:
                self.consumer_ready(self.active_consumer)

    def _next_active(self) -> Consumer | None:
        """Who takes over: of those with the highest priority, the one that has waited longest."""
        found: Consumer | None = None
        for consumer in self.consumers:
            if found is None or consumer.priority > found.priority:
                found = consumer
        return found

    def cancel_consumers(self) -> None:
        """The queue is gone: every consumer ends, and its sink hears of it, in the order of their tags."""
        for consumer in sorted(self.consumers, key=tag_order):
            self.remove_consumer(consumer)
            consumer.sink.consumer_cancelled(consumer)

    def consumer_ready(self, consumer: Consumer) -> None:
        """A consumer may have credit (again): as long as it has none, it does not wait for its turn."""
        if 0 < consumer.prefetch_count <= consumer.unacked:
            return
        if self._let_take_turns(consumer):
            self.pump()

    def consumers_ready(self, consumers: list[Consumer]) -> None:
        """Several may have credit again: each has its turn before anybody has a second one."""
        for consumer in consumers:
            if not consumer.cancelled:
                self._let_take_turns(consumer)
        self.pump()

    def _readmit(self, deliveries: list[Delivery]) -> None:
        """Whoever gave these back has credit again, and is in the ring before they go out once more."""
        for delivery in deliveries:
            consumer = delivery.consumer
            if consumer is not None and not consumer.cancelled and not consumer.held_back:
                self._let_take_turns(consumer)

    def _let_take_turns(self, consumer: Consumer) -> bool:
        """Put a consumer into the ring, unless another one is the single active one, or has to settle before it."""
        may = self.active_consumer is None or (consumer is self.active_consumer and not self._predecessors)
        if may:
            self._ring.add(consumer)
        return may

    # Queues that nobody uses (x-expires)

    def asked_for_counts(self) -> None:
        """Somebody who has declared it hears how many messages and consumers it has: that is use (RabbitMQ 3.10)."""
        self.touch()

    def touch(self) -> None:
        """Somebody has used the queue: it is kept for its whole time again."""
        if self.rules.expires_ms < 0:
            return
        self._last_used_s = self._host.timers.clock.monotonic_s()
        if self._unused_timer is None:
            self._watch_use()

    def _watch_use(self) -> None:
        left_s = self._last_used_s + self.rules.expires_ms / 1000 - self._host.timers.clock.monotonic_s()
        self._unused_timer = self._host.timers.after(max(0.0, left_s), self._end_unused)

    def _end_unused(self) -> None:
        """It was not used for a while: perhaps long enough."""
        self._unused_timer = None
        if self.rules.expires_ms < 0 or self.consumers or self.deleted:
            return
        unused_s = self._host.timers.clock.monotonic_s() - self._last_used_s
        if unused_s * 1000 < float(self.rules.expires_ms):
            self._watch_use()
        else:
            self._host.end_queue(self)


def locked(queue: Queue) -> ResourceLocked:
    """RabbitMQ's answer to whoever may not use an exclusive queue, or declares exclusiveness otherwise."""
    return ResourceLocked(
        f"cannot obtain exclusive access to locked {queue.title()}. It could be originally declared on another "
        "connection or the exclusive property value does not match that of the original declaration."
    )
