"""Classic queues: messages in order, consumers in turn."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from amqpd.broker.binding import Destination
from amqpd.broker.consumer import Consumer, ConsumerRing
from amqpd.broker.queues.backlog import Backlog
from amqpd.broker.unacked import Delivery
from amqpd.errors import AccessRefused, ResourceError, ResourceLocked
from amqpd.message import NOT_LOGGED, Message
from amqpd.store.api import CannotRead
from amqpd.store.journal import Journal
from amqpd.store.storage import Storage
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
    """Hands the messages of its backlog to its consumers, and knows what is in clients' hands."""

    type = "queue"

    def __init__(
        self,
        name: str,
        vhost: str,
        durable: bool,
        auto_delete: bool,
        owner: Owner | None,
        arguments: Table,
        storage: Storage,
        queue_id: i64,
    ) -> None:
        super().__init__(name, vhost, durable)
        self.auto_delete = auto_delete
        self.owner = owner
        """Whom an exclusive queue belongs to, else None."""
        self.arguments = arguments
        self.consumers: dict[Consumer, None] = {}
        self.unacked: i64 = 0
        self.deleted = False
        self.index = storage.add_index(queue_id, durable)
        self._storage = storage
        self._journal: Journal | None = storage.journal if self.index.logged else None
        self._backlog = Backlog(self.index, storage)
        self._ring = ConsumerRing()
        self._waiting: dict[Publisher, None] = {}

    def restore(self, end: i64) -> None:
        """Begin with what the log has of this queue, after a start; the next message will stand at `end`."""
        self._backlog.restore(end)

    def ready(self) -> int:
        """How many messages could be delivered now."""
        return int(self._backlog.count)

    def check_owner(self, owner: Owner) -> None:
        """Raise ResourceLocked (405) if the queue is exclusive to someone else."""
        if self.owner is not None and self.owner is not owner:
            raise locked(self)

    def delivered(self) -> int:
        """How many messages have left since the queue was made, less those that came back."""
        return int(self._backlog.end - self._backlog.count)

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
        backlog = self._backlog
        is_logged = message.persistent and self._journal is not None
        if not backlog.count:
            consumer = self._ring.next()
            if consumer is not None:
                position = backlog.end
                if is_logged and not consumer.no_ack:
                    self._log_arrival(message, position)
                backlog.end = position + 1
                self._hand(consumer, message, position, False)
                return False
        if is_logged:
            self._log_arrival(message, backlog.end)
        backlog.append(message)
        return backlog.count > RUNS_AHEAD_MESSAGES and len(self.consumers) > 0

    def _log_arrival(self, message: Message, position: i64) -> None:
        if self._journal is not None:
            self._journal.add(message, self.index, position)

    def get(self) -> tuple[Message, int, bool] | None:
        """Take the first ready message: the message, its position, and whether it was delivered before.

        It counts as unacknowledged until `settle` or `requeue`. Raises ResourceError (506) if it can't be read.
        """
        backlog = self._backlog
        if not backlog.count:
            return None
        try:
            message = backlog.take()
        except CannotRead as error:
            raise ResourceError(f"cannot read messages of {self.title()}: {error}") from None
        self.unacked += 1
        self._note_delivery(message, backlog.position)
        return message, int(backlog.position), backlog.redelivered

    def settle(self, message: Message, position: i64) -> None:
        """A delivery is done with for good."""
        self.unacked -= 1
        self.forget(message, position)

    def forget(self, message: Message, position: i64) -> None:
        """The log need not keep a message for this queue any more."""
        if self._journal is not None and message.log_position != NOT_LOGGED and not self.deleted:
            self._journal.settle(message, self.index, position)

    def _note_delivery(self, message: Message, position: i64) -> None:
        """A restart must know that whoever gets the message again has perhaps seen it."""
        index = self.index
        if self._journal is not None and message.log_position != NOT_LOGGED and position >= index.delivered:
            self._journal.deliver(index, position)

    def requeue(self, deliveries: list[Delivery]) -> None:
        """Put deliveries back to their places, and offer them to whoever has credit."""
        if self.deleted:
            return
        for delivery in deliveries:
            self._backlog.put_back(delivery.position, delivery.message)
        self.unacked -= len(deliveries)
        self.pump()

    def purge(self) -> int:
        """Drop all ready messages; how many there were."""
        count = self.ready()
        self._storage.purge_paged(self.index, self._backlog.end)
        for position, message in self._backlog.clear():
            self.forget(message, position)
        return count

    def drop(self) -> None:
        """The queue is gone, with its messages; those in clients' hands are settled with it."""
        self.deleted = True
        self._storage.drop_index(self.index)
        self._backlog.clear()

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
        if self._backlog.count:
            self.pump()

    def pump(self) -> None:
        """Deliver as long as there is a message and a consumer with credit."""
        backlog = self._backlog
        while backlog.count:
            consumer = self._ring.next()
            if consumer is None:
                return
            try:
                message = backlog.take()
            except CannotRead as error:
                self._stop_delivering(str(error))
                return
            self._hand(consumer, message, backlog.position, backlog.redelivered)
            if self._waiting and backlog.count < CAUGHT_UP_MESSAGES:
                self._release_waiting()

    def _stop_delivering(self, reason: str) -> None:
        """What comes next can't be read: consumers end, so that their clients know."""
        self._storage.tell_unreadable(self.title(), reason)
        self.cancel_consumers()

    def _release_waiting(self) -> None:
        waiting = self._waiting
        self._waiting = {}
        for publisher in waiting:
            publisher.go_on()

    def _hand(self, consumer: Consumer, message: Message, position: i64, redelivered: bool) -> None:
        if consumer.no_ack:
            if message.log_position != NOT_LOGGED:
                self.forget(message, position)
        else:
            self.unacked += 1
            consumer.unacked += 1
            if message.log_position != NOT_LOGGED:
                self._note_delivery(message, position)
        consumer.sink.deliver(consumer, message, position, redelivered)


def locked(queue: Queue) -> ResourceLocked:
    """RabbitMQ's answer to whoever may not use an exclusive queue, or declares exclusiveness otherwise."""
    return ResourceLocked(
        f"cannot obtain exclusive access to locked {queue.title()}. It could be originally declared on another "
        "connection or the exclusive property value does not match that of the original declaration."
    )
