"""Classic queues: messages in order, or by priority, which may expire and be too many."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from amqpd.broker.consumer import Consumer
from amqpd.broker.dead_letter import EXPIRED, MAXLEN, REJECTED
from amqpd.broker.deaths import DISABLED
from amqpd.broker.queues.backlog import Backlog
from amqpd.broker.queues.expiry import Expiry
from amqpd.broker.queues.looked import Looked
from amqpd.broker.queues.mover import Mover
from amqpd.broker.queues.priority import PriorityBacklog
from amqpd.broker.queues.queue import (
    BEHIND,
    CAUGHT_UP_MESSAGES,
    REFUSED,
    RUNS_AHEAD_MESSAGES,
    TAKEN,
    Queue,
    QueueHost,
)
from amqpd.broker.queues.rules import DROP_HEAD, REJECT_PUBLISH_DLX, PolicyDefinition
from amqpd.broker.unacked import Delivery
from amqpd.clock import Timer
from amqpd.errors import ResourceError
from amqpd.message import EXPIRES, NOT_LOGGED, Message
from amqpd.store.api import CannotRead
from amqpd.store.queue_index import QueueIndex
from amqpd.wire.fields import Table

DEAD_AT_ONCE: Final = 1000
"""More messages that die together go in several turns, so that nobody else has to wait for long."""

DEAD_AT_ONCE_BYTES: Final = 8388608
"""The same for their bodies: the log has to take those that are dead letters."""

MOVED_AT_ONCE: Final = 1000
MOVED_AT_ONCE_BYTES: Final = 8388608

FULL_LOG_WAIT_MS: Final = 10


class ClassicQueue(Queue):
    """Hands the messages of its backlog to its consumers, and knows what is in clients' hands."""

    def __init__(self, name: str, durable: bool, arguments: Table, host: QueueHost, queue_id: i64) -> None:
        super().__init__(name, durable, arguments, host, queue_id)
        self._backlog = self._make_backlog()
        self._dropped = host.deaths.of(self.queue_type, DISABLED)
        """How many have died that go nowhere, by reason: here and in the others of its type."""
        self._limited = False
        """Whether it may be full."""
        self._is_plain = False
        """Whether nothing has a say when a message arrives that does not expire by itself."""
        self.expiry = Expiry(host.timers, self._drop_some_expired)
        self._limit_timer: Timer | None = None
        self._follow_rules()

    def _make_backlog(self) -> Backlog:
        storage = self._storage
        levels = [
            storage.add_index(self.id + number, self.durable)
            for number in range(max(0, self.rules.max_priority) + 1)
        ]
        return Backlog(levels[0], storage) if len(levels) == 1 else PriorityBacklog(levels, storage)

    def restore(self, ends: dict[int, int]) -> None:
        self._backlog.restore(ends)
        if self._backlog.count:
            expiring = any(index.has_expiring for index in self.indexes())
            self.expiry.is_active = expiring or self.expiry.ttl_ms >= 0 or len(self.expiry.changes) > 0
            # What dies may go to a queue that has not begun yet.
            self._host.timers.after(0.0, self._follow_rules_anew)

    def indexes(self) -> list[QueueIndex]:
        return self._backlog.indexes()

    def ready(self) -> int:
        return int(self._backlog.count)

    def ready_bytes(self) -> int:
        return int(self._backlog.body_bytes())

    def delivered(self) -> int:
        return self._backlog.delivered()

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        found = self._backlog.look(place, most, body_max)
        for looked in found:
            looked.expires_ms = self.expiry.deadline_ms(looked.message)
        return found

    # Rules

    def apply_policy(self, policy: PolicyDefinition | None) -> None:
        super().apply_policy(policy)
        self._follow_rules()
        self._follow_rules_anew()

    def _follow_rules_anew(self) -> None:
        """Messages that are there die if they are too many, or too old."""
        self._keep_limit()
        self._watch_first()

    def _follow_rules(self) -> None:
        rules = self.rules
        self._limited = rules.max_length >= 0 or rules.max_length_bytes >= 0
        expiry = self.expiry
        if rules.message_ttl_ms != expiry.ttl_ms:
            if self._backlog.count or self.unacked:
                self._keep_ttl(expiry.now_ms())
            expiry.ttl_ms = rules.message_ttl_ms
        self._is_plain = not self._limited and expiry.ttl_ms < 0 and rules.max_priority < 0

    def _keep_ttl(self, now_ms: i64) -> None:
        """What has arrived until now expires as it would have."""
        journal = self._storage.journal
        if journal is not None:
            journal.note_arrivals(now_ms)
        self._host.keep_ttl(self, now_ms, self.expiry.ttl_ms)

    # Messages come

    def publish(self, message: Message) -> i64:
        if message.flags or not self._is_plain:
            return self._publish_by_rules(message)
        # The same for a message that neither the rules nor the log have to do with: most have not.
        backlog = self._backlog
        if not backlog.count:
            consumer = self._ring.next()
            if consumer is not None:
                position = backlog.end
                backlog.end = position + 1
                if not consumer.no_ack:
                    self.unacked += 1
                    consumer.unacked += 1
                consumer.sink.deliver(consumer, message, position, False)
                return TAKEN
        backlog.append(message)
        return BEHIND if backlog.count > RUNS_AHEAD_MESSAGES and len(self.consumers) > 0 else TAKEN

    def _publish_by_rules(self, message: Message) -> i64:
        expiry = self.expiry
        if message.flags & EXPIRES or expiry.ttl_ms >= 0 or expiry.changes:
            expiry.note_arrival(message)
        if self._limited and self.refuses(message):
            if self.rules.overflow == REJECT_PUBLISH_DLX:
                self._bury(message, MAXLEN)
            return REFUSED
        backlog = self._backlog
        if not backlog.count:
            consumer = self._ring.next()
            if consumer is not None:
                self._hand(consumer, message, backlog.pass_by(message, consumer.no_ack), False)
                return TAKEN
        if expiry.ttl_ms == 0 and self.rules.dead_letter_exchange is None:
            # Nobody waits for it, and nobody hears of its death (RabbitMQ 3.10, observed).
            return TAKEN
        backlog.append(message)
        if self._limited:
            self._keep_limit()
        if expiry.is_active and (backlog.count == 1 or not self._stands_last()):
            self._watch_first()
        return BEHIND if backlog.count > RUNS_AHEAD_MESSAGES and len(self.consumers) > 0 else TAKEN

    def refuses(self, message: Message) -> bool:
        rules = self.rules
        if not self._limited or rules.overflow == DROP_HEAD:
            return False
        if 0 <= rules.max_length <= self._backlog.count:
            return True
        max_bytes = rules.max_length_bytes
        return max_bytes >= 0 and self._backlog.body_bytes() + message.body_size > max_bytes

    def _stands_last(self) -> bool:
        """Whether what has come to a queue with others in it has left them as they were, and stands behind them."""
        return not self._limited and self.rules.max_priority < 0

    # Messages go

    def get(self) -> tuple[Message, int, bool] | None:
        backlog = self._backlog
        self.touch()
        try:
            while self.expiry.is_active and self._drop_expired(self.expiry.now_ms()):
                pass
            if not backlog.count:
                return None
            message = backlog.take()
        except CannotRead as error:
            raise ResourceError(f"cannot read messages of {self.title()}: {error}") from None
        self.unacked += 1
        position = backlog.position
        redelivered = backlog.redelivered
        backlog.note_delivery(message, position)
        self._watch_behind()
        return message, int(position), redelivered

    def _watch_behind(self) -> None:
        """basic.get has taken the first message: those behind it that have expired do not count as ready."""
        self._watch_first()

    def pump(self) -> None:
        backlog = self._backlog
        if not backlog.count:
            return
        if self.expiry.is_active:
            self._pump_fresh()
            return
        while backlog.count:
            consumer = self._ring.next()
            if consumer is None:
                return
            try:
                message = backlog.take()
            except CannotRead as error:
                self._stop_delivering(error)
                return
            self._hand(consumer, message, backlog.position, backlog.redelivered)
            if self._waiting and backlog.count < CAUGHT_UP_MESSAGES:
                self._release_waiting()

    def _pump_fresh(self) -> None:
        """The same where each message may have expired."""
        backlog = self._backlog
        now_ms = self.expiry.now_ms()
        try:
            while backlog.count:
                if self._drop_expired(now_ms):
                    self.expiry.wake_soon(self._turn_ms())
                    return
                if not backlog.count:
                    break
                consumer = self._ring.next()
                if consumer is None:
                    break
                message = backlog.take()
                self._hand(consumer, message, backlog.position, backlog.redelivered)
                if self._waiting and backlog.count < CAUGHT_UP_MESSAGES:
                    self._release_waiting()
        except CannotRead as error:
            self._stop_delivering(error)
            return
        self._watch_first()

    def _hand(self, consumer: Consumer, message: Message, position: i64, redelivered: bool) -> None:
        if consumer.no_ack:
            if message.log_position != NOT_LOGGED:
                self._backlog.forget(message, position)
        else:
            self.unacked += 1
            consumer.unacked += 1
            if message.log_position != NOT_LOGGED:
                self._backlog.note_delivery(message, position)
        consumer.sink.deliver(consumer, message, position, redelivered)

    def _stop_delivering(self, error: CannotRead) -> None:
        """What comes next can't be read: consumers end, so that their clients know."""
        self._storage.tell_unreadable(self.title(), str(error))
        self.cancel_consumers()

    def move(self, mover: Mover, most: i64) -> i64:
        journal = self._storage.journal
        if journal is not None:
            journal.check()
        backlog = self._backlog
        moved: i64 = 0
        moved_bytes: i64 = 0
        while moved < min(most, MOVED_AT_ONCE) and moved_bytes < MOVED_AT_ONCE_BYTES:
            while self.expiry.is_active and self._drop_expired(self.expiry.now_ms()):
                pass
            if not backlog.count:
                break
            message = mover.readdressed(backlog.first())
            takers = mover.takers(message)
            if not takers:
                break
            self._move_first(message, takers)
            moved += 1
            moved_bytes += message.body_size
        self._watch_first()
        if self._waiting and backlog.count < CAUGHT_UP_MESSAGES:
            self._release_waiting()
        return moved

    def _move_first(self, message: Message, takers: list[Queue]) -> None:
        """The first message goes to other queues, as the message that it is there. Raises ResourceError (506)."""
        backlog = self._backlog
        # What happens there may come back here, and must not find it.
        original = backlog.take()
        position = backlog.position
        try:
            for queue in takers:
                queue.publish(message)
        except ResourceError:
            backlog.put_back(position, original)
            raise
        backlog.forget(original, position)

    def forget(self, message: Message, position: i64) -> None:
        if not self.deleted and message.log_position != NOT_LOGGED:
            self._backlog.forget(message, position)

    def requeue(self, deliveries: list[Delivery]) -> None:
        if self.deleted:
            return
        for delivery in deliveries:
            self._backlog.put_back(delivery.position, delivery.message)
        self.unacked -= len(deliveries)
        self._readmit(deliveries)
        # What is too much dies before anybody gets it (RabbitMQ 3.10, observed).
        self._keep_limit()
        self.pump()
        self._watch_first()

    def purge(self) -> int:
        count = self.ready()
        self._backlog.purge()
        self._watch_first()
        return count

    def drop(self) -> None:
        super().drop()
        self.expiry.stop()
        if self._limit_timer is not None:
            self._limit_timer.cancel()
        self._backlog.drop()

    # Messages die

    def reject(self, deliveries: list[Delivery]) -> None:
        if self.deleted:
            return
        self.unacked -= len(deliveries)
        for delivery in deliveries:
            self._bury(delivery.message, REJECTED)
            self.forget(delivery.message, delivery.position)

    def _bury(self, message: Message, reason: str) -> None:
        if self.rules.dead_letter_exchange is not None:
            self._host.dead_letter(self, message, reason)
        else:
            self._dropped[reason] += 1

    def _drop_first(self, reason: str) -> i64:
        """The first message dies; the size of its body. Raises CannotRead."""
        backlog = self._backlog
        message = backlog.take()
        position = backlog.position
        self._bury(message, reason)
        if message.log_position != NOT_LOGGED:
            backlog.forget(message, position)
        return message.body_size

    def _keep_limit(self) -> None:
        """What is too much goes, from the front (x-max-length, x-max-length-bytes)."""
        if not self._limited or self.rules.overflow != DROP_HEAD:
            return
        max_length = self.rules.max_length
        max_bytes = self.rules.max_length_bytes
        backlog = self._backlog
        dropped: i64 = 0
        dropped_bytes: i64 = 0
        try:
            while backlog.count and (
                0 <= max_length < backlog.count or (max_bytes >= 0 and backlog.body_bytes() > max_bytes)
            ):
                if dropped == DEAD_AT_ONCE or dropped_bytes > DEAD_AT_ONCE_BYTES:
                    self._keep_limit_soon()
                    return
                dropped += 1
                dropped_bytes += self._drop_first(MAXLEN)
        except CannotRead as error:
            self._stop_delivering(error)

    def _keep_limit_soon(self) -> None:
        """A limit that came later has left too much for one turn."""
        if self._limit_timer is None:
            self._limit_timer = self._host.timers.after(self._turn_ms() / 1000, self._keep_limit_further)

    def _keep_limit_further(self) -> None:
        self._limit_timer = None
        if self._turn_ms():
            self._keep_limit_soon()
        else:
            self._follow_rules_anew()

    def _turn_ms(self) -> i64:
        """How long to wait before more messages die: the log must not fall behind with dead letters."""
        journal = self._storage.journal
        return FULL_LOG_WAIT_MS if journal is not None and journal.is_behind() else 0

    def _drop_expired(self, now_ms: i64) -> bool:
        """Drop some messages at the front that have expired; True if there may be more. Raises CannotRead."""
        backlog = self._backlog
        dropped_bytes: i64 = 0
        for _ in range(DEAD_AT_ONCE):
            if not backlog.count:
                return False
            deadline_ms = self.expiry.deadline_ms(backlog.first())
            if deadline_ms < 0 or deadline_ms > now_ms:
                return False
            dropped_bytes += self._drop_first(EXPIRED)
            if dropped_bytes > DEAD_AT_ONCE_BYTES:
                break
        return True

    def _drop_some_expired(self) -> None:
        """The first message is due; whoever waited for one behind those that expired gets it."""
        wait_ms = self._turn_ms()
        if wait_ms:
            self.expiry.wake_soon(wait_ms)
        else:
            self._pump_fresh()

    def _watch_first(self) -> None:
        """Let go what has expired at the front, and wake up when the first message does."""
        expiry = self.expiry
        if not expiry.is_active:
            return
        backlog = self._backlog
        try:
            while backlog.count and expiry.watch(backlog.first()):
                if self._drop_expired(expiry.now_ms()):
                    expiry.wake_soon(self._turn_ms())
                    return
        except CannotRead as error:
            self._stop_delivering(error)
            return
        if not backlog.count:
            expiry.rest(self.unacked == 0)
