"""Quorum queues (RabbitMQ 3.10's, on one node): nothing is lost in them, and deliveries are counted."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from amqpd.broker.consumer import Consumer
from amqpd.broker.dead_letter import DELIVERY_LIMIT, MAXLEN, REJECTED
from amqpd.broker.queues.backlog import Backlog
from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.counted import CountedBacklog, own_copy
from amqpd.broker.queues.letter_box import LetterBox
from amqpd.broker.queues.looked import Looked
from amqpd.broker.queues.mover import Mover
from amqpd.broker.queues.queue import (
    BEHIND,
    LOGGED,
    REFUSED,
    RUNS_AHEAD_MESSAGES,
    TAKEN,
    QueueHost,
)
from amqpd.broker.queues.rules import AT_LEAST_ONCE, DROP_HEAD, PolicyDefinition
from amqpd.broker.unacked import Delivery
from amqpd.errors import NotImplementedByBroker, ResourceLocked
from amqpd.message import EXPIRES, PERSISTENT, TO_BE_LOGGED, Message
from amqpd.store.api import CannotRead
from amqpd.store.queue_index import QueueIndex
from amqpd.wire.fields import Table, bytes_of, decode_table, encode_table
from amqpd.wire.properties import HEADERS, position_of, with_header

UNLIMITED_PREFETCH: Final = 2000
"""How many unsettled messages a consumer has at most that wants no limit."""

LOW_LIMIT: Final = 0.8
"""A queue that was full takes messages again when it has no more than this part of what it may have."""

DELIVERY_COUNT: Final = b"x-delivery-count"


@final
class QuorumQueue(ClassicQueue):
    """Counts how often each message came back, and lets those die that did so too often.

    What comes back stands at the end: behind all that is ready now. Only if its channel is over, or if there is a
    delivery limit, it stands in front, behind what came back before (RabbitMQ 3.10, observed).
    """

    queue_type = "quorum"
    _counted: CountedBacklog

    def __init__(self, name: str, durable: bool, arguments: Table, host: QueueHost, queue_id: i64) -> None:
        super().__init__(name, durable, arguments, host, queue_id)
        self._letters = LetterBox(self, host.storage.add_index(queue_id + 1, durable), host)
        self._has_returned = False
        """Whether it was not looked at yet what has come back as the broker ended."""
        self._full = False
        """Whether it refuses what is published (reject-publish)."""
        self._originals: dict[int, Message] = {}
        """What is in clients' hands with its delivery count, as it is without, by position."""
        self._got: dict[int, None] = {}
        """The positions of what basic.get has taken and nobody has settled."""
        self._leavers: dict[Consumer, None] = {}
        """Consumers that have ended, and may have left something unsettled."""

    def _make_backlog(self) -> Backlog:
        self._counted = CountedBacklog(self._storage.add_index(self.id, self.durable), self._storage)
        return self._counted

    def restore(self, ends: dict[int, int]) -> None:
        """Begin with what the log has."""
        self._letters.restore(ends)
        super().restore(ends)
        self._follow_limit()
        if self._counted.begins_delivered():
            # Dead letters must not go anywhere before all queues are there.
            self._has_returned = True
            self._host.timers.after(0.0, self._take_back_returned)

    def _take_back_returned(self) -> None:
        """What clients had when the broker ended has come back: perhaps too often."""
        self._has_returned = False
        limit = self.rules.delivery_limit
        if limit < 0 or self.deleted:
            return
        backlog = self._counted
        kept: list[tuple[int, Message]] = []
        try:
            while backlog.count and backlog.begins_delivered():
                message = backlog.take()
                position = backlog.position
                if backlog.number <= limit:
                    kept.append((int(position), message))
                else:
                    self._bury(message, DELIVERY_LIMIT)
                    backlog.forget(message, position)
        except CannotRead as error:
            self._stop_delivering(error)
        for kept_position, message in kept:
            backlog.put_back(kept_position, message)

    def indexes(self) -> list[QueueIndex]:
        """Of its messages, and of its dead letters."""
        return [self._counted.index, self._letters.index()]

    # Rules

    def apply_policy(self, policy: PolicyDefinition | None) -> None:
        """Follow what its arguments and this policy ask together, from now on."""
        kept_letters = self._keeps_letters()
        super().apply_policy(policy)
        if self._keeps_letters():
            self._letters.offer_again()
        elif kept_letters:
            self._letters.empty()
        self._follow_limit()

    def _keeps_letters(self) -> bool:
        return self.rules.dead_letter_strategy == AT_LEAST_ONCE

    def check_deletion(self, if_unused: bool, if_empty: bool) -> None:
        """Raise NotImplementedByBroker (540) for a condition: there can be none."""
        if if_unused or if_empty:
            flag = "if-unused" if if_unused else "if-empty"
            raise NotImplementedByBroker(
                f"cannot delete {self.title()}. queue.delete operations with {flag} flag set are not supported by "
                "quorum queues"
            )

    # Consumers

    def check_global_prefetch(self, prefetch_count: i64) -> None:
        """Raise NotImplementedByBroker (540) if consumers of the channel share a credit."""
        if prefetch_count:
            raise NotImplementedByBroker(f"{self.title()} does not support global qos")

    def check_consumer(self, exclusive: bool) -> None:
        """No consumer excludes another: exclusive has no meaning here (RabbitMQ 3.10, observed)."""

    def add_consumer(self, consumer: Consumer) -> None:
        """Let a consumer have its share, after the others; deliveries begin at once."""
        if not consumer.no_ack and not consumer.prefetch_count:
            consumer.prefetch_count = UNLIMITED_PREFETCH
        super().add_consumer(consumer)

    def remove_consumer(self, consumer: Consumer) -> None:
        """Nothing more goes to this consumer; what it has not settled stays with its channel."""
        super().remove_consumer(consumer)
        self._leavers = {leaver: None for leaver in self._leavers if leaver.unacked}
        if consumer.unacked:
            self._leavers[consumer] = None

    def consumer_count(self) -> int:
        """How many consumers it says it has.

        As in RabbitMQ 3.10, those are among them that have ended and left something unsettled, and every
        basic.get that is not settled.
        """
        return len(self.consumers) + len(self._got) + sum(1 for leaver in self._leavers if leaver.unacked)

    def declared_consumer_count(self) -> int:
        """The same without those that wait to become the active one (RabbitMQ 3.10, observed)."""
        waiting = len(self.consumers) - 1 if self.active_consumer is not None else 0
        return self.consumer_count() - waiting

    def asked_for_counts(self) -> None:
        """Does not count as use (RabbitMQ 3.10, observed)."""

    def _end_unused(self) -> None:
        """It was not used for a while, unless somebody has still a message of it (RabbitMQ 3.10, observed)."""
        if self.consumer_count() > len(self.consumers):
            self._unused_timer = None
            self.touch()
        else:
            super()._end_unused()

    def _next_active(self) -> Consumer | None:
        """Who takes over: the one that has waited longest, whatever the priorities (RabbitMQ 3.10, observed)."""
        for consumer in self.consumers:
            return consumer
        return None

    # Messages come

    def publish(self, message: Message) -> i64:
        """Take a message, unless the queue is full."""
        return REFUSED if self._full else self._take_in(message)

    def refuses(self, message: Message) -> bool:
        """Whether the queue is full."""
        return self._full

    def publish_dead(self, message: Message) -> i64:
        """Take a dead letter, also if the queue is full (RabbitMQ 3.10, observed)."""
        return self._take_in(message)

    def _take_in(self, message: Message) -> i64:
        if self.logged and not message.flags & PERSISTENT:
            message = own_copy(message)
        expiry = self.expiry
        if message.flags & EXPIRES or expiry.ttl_ms >= 0 or expiry.changes:
            expiry.note_arrival(message)
        backlog = self._counted
        outcome: i64 = LOGGED if self.logged else TAKEN
        if not backlog.count:
            consumer = self._ring.next()
            if consumer is not None:
                self._hand(consumer, message, backlog.pass_by(message, consumer.no_ack), False)
                return TAKEN if consumer.no_ack else outcome
        backlog.append(message)
        if self._limited:
            self._keep_limit()
        if expiry.is_active and (backlog.count == 1 or self._limited):
            self._watch_first()
        return (
            outcome | BEHIND if backlog.count > RUNS_AHEAD_MESSAGES and len(self.consumers) > 0 else outcome
        )

    # Messages go

    def get(self) -> tuple[Message, int, bool] | None:
        """Take the first message; raises ResourceLocked (405) if only one consumer may be active."""
        if self.rules.single_active_consumer:
            raise ResourceLocked(
                f"cannot obtain access to locked {self.title()}. basic.get operations are not supported by quorum "
                "queues with single active consumer"
            )
        if self._has_returned:
            self._take_back_returned()
        found = super().get()
        self._follow_limit()
        if found is None:
            return None
        message, position, redelivered = found
        self._got[position] = None
        # What has expired behind it was taken since.
        number = self._counted.number_on_return(position) - 1
        return self._shown(message, position, number), position, redelivered

    def _watch_behind(self) -> None:
        """basic.get has taken the first message: if the next has expired, it still counts (RabbitMQ 3.10, observed)."""
        try:
            if self.expiry.is_active and self._counted.count and self.expiry.watch(self._counted.first()):
                self.expiry.wake_soon(0)
                return
        except CannotRead as error:
            self._stop_delivering(error)
            return
        self._watch_first()

    def settle(self, message: Message, position: i64) -> None:
        """A delivery was acknowledged: by basic.get without acks, and then what has expired behind it does not count."""
        super().settle(message, position)
        self._watch_first()

    def move(self, mover: Mover, most: i64) -> i64:
        """Let ready messages go elsewhere: see Queue.move. Raises CannotRead and ResourceError (506)."""
        if self._has_returned:
            self._take_back_returned()
        try:
            return super().move(mover, most)
        finally:
            self._follow_limit()

    def pump(self) -> None:
        """Deliver as long as there is a message and a consumer with credit."""
        if self._has_returned:
            self._take_back_returned()
        super().pump()

    def _hand(self, consumer: Consumer, message: Message, position: i64, redelivered: bool) -> None:
        backlog = self._counted
        if consumer.no_ack:
            backlog.forget(message, position)
        else:
            self.unacked += 1
            consumer.unacked += 1
            if consumer.unacked >= consumer.prefetch_count:
                self._ring.leave_last(consumer)
            backlog.note_delivery(message, position)
        if redelivered:
            message = self._shown(message, position, backlog.number)
            if consumer.no_ack:
                self._originals.pop(position, None)
        if self._full:
            self._follow_limit()
        consumer.sink.deliver(consumer, message, position, redelivered)

    def _shown(self, message: Message, position: i64, number: i64) -> Message:
        """The message as a client gets it, with its delivery count; the queue keeps it without."""
        shown = message.with_header(with_delivery_count(message.header, number))
        # So that the channel asks to forget it, whether the log has it or not.
        shown.log_position = TO_BE_LOGGED
        self._originals[position] = message
        return shown

    def _original(self, message: Message, position: i64) -> Message:
        if self._got and position in self._got:
            del self._got[position]
            self.touch()
        return self._originals.pop(position, message) if self._originals else message

    def forget(self, message: Message, position: i64) -> None:
        """Neither the log nor the queue need keep a message any more."""
        if not self.deleted:
            self._counted.forget(self._original(message, position), position)

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        """What would be delivered next, as basic.get would show it: see Queue.look. Raises CannotRead."""
        found = super().look(place, most, body_max)
        for looked in found:
            header = with_delivery_count(looked.message.header, looked.delivery_count)
            looked.message = looked.message.with_header(header)
        return found

    def look_in_hands(self, message: Message, position: i64, body_max: i64) -> Looked | None:
        """A delivery as its client has it."""
        looked = Looked(position, position, message, None)
        looked.arrived_ms = self._originals.get(position, message).arrived_ms
        looked.delivery_count = self._counted.number_on_return(position) - 1
        looked.redelivered = looked.delivery_count > 0
        return looked

    # Messages come back

    def requeue(self, deliveries: list[Delivery]) -> None:
        """Take deliveries back to the end, or, if there is a delivery limit, to the front."""
        if self.rules.delivery_limit >= 0:
            self.take_back(deliveries)
            return
        if self.deleted:
            return
        for delivery in deliveries:
            position = delivery.position
            self._counted.put_last(position, self._original(delivery.message, position))
        self._took_back(deliveries)

    def take_back(self, deliveries: list[Delivery]) -> None:
        """Take deliveries back to the front, those that come back too often left out."""
        if self.deleted:
            return
        backlog = self._counted
        limit = self.rules.delivery_limit
        for delivery in deliveries:
            position = delivery.position
            message = self._original(delivery.message, position)
            if 0 <= limit < backlog.number_on_return(position):
                self._bury(message, DELIVERY_LIMIT)
                backlog.forget(message, position)
            else:
                backlog.put_back(position, message)
        self._took_back(deliveries)

    def _took_back(self, deliveries: list[Delivery]) -> None:
        self.unacked -= len(deliveries)
        self._readmit(deliveries)
        self.pump()
        self._keep_limit()
        self._watch_first()

    # Messages die

    def reject(self, deliveries: list[Delivery]) -> None:
        """These deliveries were refused, and do not come back."""
        if self.deleted:
            return
        self.unacked -= len(deliveries)
        for delivery in deliveries:
            message = self._original(delivery.message, delivery.position)
            self._bury(message, REJECTED)
            self._counted.forget(message, delivery.position)
        self._readmit(deliveries)
        self.pump()
        self._follow_limit()

    def dead_letter_count(self) -> int:
        """How many dead letters wait for somebody to take them; they are neither ready nor unacknowledged."""
        return int(self._letters.count())

    def _bury(self, message: Message, reason: str) -> None:
        if self._keeps_letters() and reason != MAXLEN:
            self._letters.add(message, reason)
        else:
            super()._bury(message, reason)

    def _drop_first(self, reason: str) -> i64:
        """The first message dies; the size of its body. Raises CannotRead."""
        backlog = self._counted
        message = backlog.take()
        position = backlog.position
        self._bury(message, reason)
        backlog.forget(message, position)
        if self._full:
            # What has expired makes room.
            self._follow_limit()
        return message.body_size

    def purge(self) -> int:
        """Drop all ready messages, but no dead letters; how many there were."""
        count = super().purge()
        self._follow_limit()
        return count

    def drop(self) -> None:
        """The queue is gone, with its messages and dead letters."""
        super().drop()
        self._letters.drop()
        self._originals.clear()
        self._got.clear()
        self._leavers.clear()

    # Limits

    def _keep_limit(self) -> None:
        """What is too much goes, from the front, or nothing more comes."""
        super()._keep_limit()
        self._follow_limit()

    def _follow_limit(self) -> None:
        """With reject-publish it takes one message too many, and then none before it has a fifth less than it may have."""
        rules = self.rules
        if not self._limited or rules.overflow == DROP_HEAD:
            self._full = False
            return
        count: i64 = self._counted.count + self._letters.count()
        size: i64 = self._counted.body_bytes() + self._letters.body_bytes()
        if 0 <= rules.max_length < count or 0 <= rules.max_length_bytes < size:
            self._full = True
        elif self._full:
            self._full = not (is_low(count, rules.max_length) and is_low(size, rules.max_length_bytes))


def is_low(number: i64, limit: i64) -> bool:
    """Whether there is room again under a limit, -1 for none."""
    return limit < 0 or number <= int(int(limit) * LOW_LIMIT)


def with_delivery_count(header: bytes, number: i64) -> bytes:
    """A content header with `x-delivery-count`; the headers are sorted then (RabbitMQ 3.10, observed)."""
    counted = with_header(header, DELIVERY_COUNT, number)
    if position_of(header, HEADERS) < 0:
        return counted
    start = position_of(counted, HEADERS)
    end: i64 = start + 4 + int.from_bytes(counted[start : start + 4], "big")
    headers = decode_table(counted, start + 4, end)
    in_order = {key: headers[key] for key in sorted(headers, key=bytes_of)}
    return counted[:start] + encode_table(in_order) + counted[end:]
