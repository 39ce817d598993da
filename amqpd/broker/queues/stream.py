"""Streams: append-only queues, which every consumer reads at a place of its own (RabbitMQ 3.10, observed)."""

from __future__ import annotations

from collections import deque
from typing import Final, final

from mypy_extensions import i64

from amqpd.broker.consumer import Consumer
from amqpd.broker.queues.looked import Looked
from amqpd.broker.queues.mover import Mover
from amqpd.broker.queues.queue import LOGGED, REFUSED, TAKEN, Queue, QueueHost
from amqpd.broker.queues.rules import STREAM, PolicyDefinition, age_ms
from amqpd.broker.queues.stream_filter import filter_of
from amqpd.broker.queues.stream_log import StreamLog, entry_bytes
from amqpd.broker.queues.stream_reader import OFFSET_HEADER, StreamReader
from amqpd.broker.queues.stream_retention import Retention
from amqpd.broker.unacked import Delivery
from amqpd.clock import Timer
from amqpd.errors import NotImplementedByBroker, PreconditionFailed
from amqpd.message import PERSISTENT, Message
from amqpd.store.api import CannotRead, Waiter
from amqpd.store.journal import Journal
from amqpd.store.queue_index import QueueIndex
from amqpd.wire.fields import Field, Table
from amqpd.wire.properties import with_header

OFFSET: Final = "x-stream-offset"

READER_TURN_MESSAGES: Final = 256
"""How many messages one reader gets before another has its turn."""

TURN_MESSAGES: Final = 2048
"""How many messages all readers of a stream get before anything else has its turn."""

RECENT_BYTES: Final = 1048576
"""So much of the end stays in memory as long as readers are behind, but perhaps not far."""

_FARTHEST: Final = 1 << 62


@final
class StreamQueue(Queue):
    """Keeps what it has, for its time; acks are nothing but credit.

    A message is delivered when it is safe, so that an offset never stands for another message after a crash.
    """

    queue_type = STREAM

    def __init__(self, name: str, durable: bool, arguments: Table, host: QueueHost, queue_id: i64) -> None:
        super().__init__(name, durable, arguments, host, queue_id)
        index = host.storage.add_index(queue_id, durable)
        self._log = StreamLog(index, host.storage)
        self._journal: Journal | None = host.storage.journal if index.logged else None
        self._commits = _Commits(self)
        self._retention = Retention()
        self._retention_due = False
        self._cut: i64 = 0
        """What stands before goes."""
        self._cut_timer: Timer | None = None
        self._readers: dict[Consumer, StreamReader] = {}
        self._waiting_readers: dict[StreamReader, None] = {}
        """Those with credit that have everything."""
        self._active: deque[StreamReader] = deque()
        """Those with credit, as far as is known, that have not."""
        self._turn_timer: Timer | None = None
        self._in_turn = False

    def restore(self, ends: dict[int, int]) -> None:
        self._log.restore(ends.get(self._log.index.id, 0))
        self._retention.restore(self._log, self.rules)

    def indexes(self) -> list[QueueIndex]:
        return [self._log.index]

    def consumer_count(self) -> int:
        # RabbitMQ 3.10 never tells how many read a stream.
        return 0

    def ready(self) -> int:
        return int(self._log.count())

    def delivered(self) -> int:
        return 0

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        found = self._log.look(place, most, body_max)
        for looked in found:
            header = with_header(looked.message.header, OFFSET_HEADER, looked.position)
            looked.message = looked.message.with_header(header)
        return found

    def look_in_hands(self, message: Message, position: i64, body_max: i64) -> Looked | None:
        for looked in self.look(position, 1, body_max):
            if looked.position == position:
                return looked
        return None

    def drop(self) -> None:
        super().drop()
        for timer in (self._cut_timer, self._turn_timer):
            if timer is not None:
                timer.cancel()
        self._log.drop()

    # Messages come

    def publish(self, message: Message) -> i64:
        log = self._log
        journal = self._journal
        if journal is None:
            if not message.arrived_ms:
                message.arrived_ms = self._now_ms()
            self._append(message)
            self.commit(log.end)
            return TAKEN
        if journal.failure:
            return REFUSED
        # Other queues share what is persistent with this one, and do not want the rest to be in the log.
        kept = message if message.flags & PERSISTENT else message.twin()
        journal.add(kept, log.index, log.end)
        self._append(kept)
        self._commits.wait(journal)
        return LOGGED

    def refuses(self, message: Message) -> bool:
        return self._journal is not None and self._journal.failure != ""

    def _append(self, message: Message) -> None:
        log = self._log
        if self._retention.add(log.end, entry_bytes(message), self.rules):
            self._retention_due = True
        log.append(message)

    def end(self) -> i64:
        """The offset of the next message."""
        return self._log.end

    def commit(self, end: i64) -> None:
        """What stands before this offset is safe: readers may have it."""
        if self.deleted:
            return
        log = self._log
        log.commit(end)
        if self._retention_due:
            self._retention_due = False
            self._retain(True)
        if self._waiting_readers:
            self._active.extend(self._waiting_readers)
            self._waiting_readers.clear()
            self.pump()
        else:
            self._let_go()

    def _let_go(self) -> None:
        """Keep of the end in memory what readers make use of."""
        if self._log.resident_bytes:
            all_wait = len(self._waiting_readers) == len(self._readers)
            self._log.let_go(0 if all_wait else RECENT_BYTES)

    def abandon(self) -> None:
        """What is not committed can't be written any more."""
        self._log.abandon()

    def _now_ms(self) -> i64:
        return int(self._host.timers.clock.unix_s() * 1000)

    # What is kept

    def apply_policy(self, policy: PolicyDefinition | None) -> None:
        super().apply_policy(policy)
        self._retain(False)

    def _retain(self, has_begun: bool) -> None:
        """Let go what is too much, as a policy has changed or the last segment `has_begun`."""
        rules = self.rules
        if rules.max_length_bytes < 0 and rules.max_age_ms < 0:
            return
        try:
            cut = self._retention.cut(self._log, rules, self._now_ms(), has_begun)
        except CannotRead as error:
            self._storage.tell_unreadable(self.title(), str(error))
            return
        self._cut = min(cut, self._log.committed)
        if self._cut_timer is None:
            self._drop_some()

    def _drop_some(self) -> None:
        self._cut_timer = None
        if not self.deleted and self._log.drop_before(self._cut):
            self._cut_timer = self._host.timers.after(0, self._drop_some)

    # Readers

    def check_consumer(self, exclusive: bool) -> None:
        """A stream is nobody's alone: RabbitMQ takes no notice of exclusive."""

    def check_reader(self, no_ack: bool, prefetch_count: i64, global_prefetch_count: i64) -> None:
        """Raise what RabbitMQ has against a consumer without credit of its own (406, 540)."""
        if not prefetch_count:
            raise PreconditionFailed(f"consumer prefetch count is not set for '{self.title()}'")
        if no_ack:
            raise NotImplementedByBroker(
                f"automatic acknowledgement not supported by stream queues {self.title()}"
            )
        if global_prefetch_count:
            raise NotImplementedByBroker(f"{self.title()} does not support global qos")

    def add_consumer(self, consumer: Consumer) -> None:
        try:
            offset = self._first_offset(consumer.arguments.get(OFFSET))
        except CannotRead as error:
            self.consumers[consumer] = None
            self._stop_reader(consumer, error)
            return
        self._readers[consumer] = StreamReader(consumer, offset, filter_of(consumer.arguments))
        consumer.can_return = False
        super().add_consumer(consumer)

    def _first_offset(self, field: Field | None) -> i64:
        """Where a consumer with this x-stream-offset begins. Raises CannotRead."""
        value = "next" if field is None else field.value
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        log = self._log
        if isinstance(value, int):
            if field is not None and field.type == "T":
                return log.offset_at(min(value * 1000, _FARTHEST))
            return max(min(value, _FARTHEST), int(log.first()))
        if value == "first":
            return log.first()
        if value == "last":
            return log.last_chunk()
        age = age_ms(str(value))
        return log.end if age is None else log.offset_at(self._now_ms() - min(age, _FARTHEST))

    def remove_consumer(self, consumer: Consumer) -> None:
        super().remove_consumer(consumer)
        reader = self._readers.pop(consumer, None)
        if reader is not None:
            self._waiting_readers.pop(reader, None)

    def consumer_ready(self, consumer: Consumer) -> None:
        reader = self._readers.get(consumer)
        if reader is None or consumer.in_ring or consumer.unacked >= consumer.prefetch_count:
            return
        consumer.in_ring = True
        self._active.append(reader)
        self.pump()

    def pump(self) -> None:
        """Let readers have their turns, until there are none or others should have theirs."""
        if self._in_turn or self._turn_timer is not None:
            return
        self._in_turn = True
        active = self._active
        left: i64 = TURN_MESSAGES
        try:
            while active and left > 0:
                left -= self._deliver(active.popleft(), min(left, READER_TURN_MESSAGES))
        finally:
            self._in_turn = False
        self._let_go()
        if active:
            self._turn_timer = self._host.timers.after(0, self._go_on)

    def _go_on(self) -> None:
        self._turn_timer = None
        self.pump()

    def _deliver(self, reader: StreamReader, messages_max: i64) -> i64:
        """Deliver to one reader; how many messages that took, those that it did not want included."""
        consumer = reader.consumer
        sink = consumer.sink
        log = self._log
        count: i64 = 0
        if consumer.cancelled:
            return 0
        try:
            while count < messages_max:
                if reader.offset >= log.committed:
                    reader.rest()
                    self._waiting_readers[reader] = None
                    return count
                if consumer.unacked >= consumer.prefetch_count or not sink.has_room(consumer):
                    consumer.in_ring = False
                    return count
                count += 1
                message = reader.take(log)
                if message is not None:
                    self.unacked += 1
                    consumer.unacked += 1
                    sink.deliver(consumer, message, reader.taken, False)
        except CannotRead as error:
            self._stop_reader(consumer, error)
            return count
        self._active.append(reader)
        return count

    def _stop_reader(self, consumer: Consumer, error: CannotRead) -> None:
        """What comes next can't be read: the consumer ends, so that its client knows."""
        self._storage.tell_unreadable(self.title(), str(error))
        self.remove_consumer(consumer)
        consumer.sink.consumer_cancelled(consumer)

    # What there is only for other queues

    def get(self) -> tuple[Message, int, bool] | None:
        raise NotImplementedByBroker(f"basic.get not supported by stream queues {self.title()}")

    def move(self, mover: Mover, most: i64) -> i64:
        raise NotImplementedByBroker(f"moving messages not supported by stream queues {self.title()}")

    def purge(self) -> int:
        raise NotImplementedByBroker(f"queue.purge not supported by stream queues {self.title()}")

    def check_refusal(self) -> None:
        """Raise NotImplementedByBroker (540) as a client can't refuse a message of a stream."""
        raise NotImplementedByBroker(
            f"basic.nack and basic.reject not supported by stream queues {self.title()}"
        )

    def forget(self, message: Message, position: i64) -> None:
        """Whatever clients do with a message, it stays."""

    def reject(self, deliveries: list[Delivery]) -> None:
        self.unacked -= len(deliveries)

    def requeue(self, deliveries: list[Delivery]) -> None:
        self.unacked -= len(deliveries)


@final
class _Commits(Waiter):
    """Waits for the log on behalf of a stream."""

    def __init__(self, stream: StreamQueue) -> None:
        self._stream = stream
        self._waits = False
        """Whether the group that is not formed yet has messages of the stream."""
        self._formed: deque[int] = deque()
        """Up to which offset the groups now being written reach."""

    def wait(self, journal: Journal) -> None:
        """There is one more message in the next group."""
        if not self._waits:
            self._waits = True
            journal.wait(self)

    def group_formed(self) -> None:
        self._waits = False
        self._formed.append(int(self._stream.end()))

    def durable(self) -> None:
        self._stream.commit(self._formed.popleft())

    def failed(self) -> None:
        if self._waits:
            self._waits = False
        else:
            self._formed.popleft()
        self._stream.abandon()
