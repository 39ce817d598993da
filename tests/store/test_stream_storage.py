"""What streams ask of the store: to read at any place and take nothing, to let go of the front, to begin again."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands

from amqpd.broker.queues.stream import StreamQueue
from amqpd.broker.queues.stream_log import StreamLog
from amqpd.message import Message
from amqpd.store.journal import AHEAD_BYTES
from amqpd.store.paged import PagedMessages
from amqpd.store.records import read_message
from amqpd.testing import DurableBroker, MemoryBroker, Peer
from amqpd.testing.sink import message_of
from amqpd.wire.fields import table_of

ALL = 1 << 62
STREAM = table_of({"x-queue-type": "stream"})

Rows = list[tuple[int, int, int]]


# PagedMessages


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 5), max_size=40),
    st.integers(0, 20),
    st.lists(st.integers(0, 200), max_size=8),
    st.integers(-3, 130),
    st.integers(1, 12),
    st.integers(0, 300),
)
def test_paged_messages_are_listed_from_any_place_on(
    gaps: list[int], dropped: int, inserted: list[int], start: int, messages_max: int, bytes_max: int
):
    paged = PagedMessages(4)
    model: dict[int, tuple[int, int, int]] = {}
    position = 0
    for gap in gaps:
        position += gap
        model[position] = (position, 1000 + position, position % 50)
        paged.append(*model[position])
    dropped = min(dropped, len(model))
    if dropped:
        paged.drop(dropped)
    model = dict(list(model.items())[dropped:])
    for place in inserted:
        model[place] = (place, 5000 + place, 7)
        paged.insert(*model[place])
    rows = [model[place] for place in sorted(model) if place >= start]
    expected: Rows = []
    for row in rows[:messages_max]:
        if expected and sum(each[2] for each in expected) + row[2] > bytes_max:
            break
        expected.append(row)
    found = paged.starting_at(start, messages_max, bytes_max)
    assert [(each.queue_position, each.log_position, each.share) for each in found] == expected
    assert paged.count == len(model)


# Storage


def durable() -> DurableBroker:
    return DurableBroker(segment_bytes=3000)


def stream_in(broker: MemoryBroker) -> tuple[Peer, StreamQueue]:
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="s", durable=True, arguments=STREAM))
    return peer, stream_of(broker)


def stream_of(broker: MemoryBroker) -> StreamQueue:
    stream = broker.broker.vhosts["/"].queues["s"]
    assert isinstance(stream, StreamQueue)
    return stream


def test_records_are_read_as_often_as_one_likes_from_many_segments():
    broker = durable()
    peer, stream = stream_in(broker)
    bodies = [b"%d" % number * 50 for number in range(100)]
    for body in bodies:
        peer.publish(1, "", "s", body)
    (index,) = stream.indexes()
    storage = broker.broker.storage
    for _ in range(2):
        records = storage.records(index, index.paged.starting_at(90, ALL, ALL))
        assert [read_message(each.data, each.at).body() for each in records] == bodies[90:]
        assert [each.queue_position for each in records] == list(range(90, 100))
        records = storage.records(index, index.paged.starting_at(0, ALL, ALL))
        assert [read_message(each.data, each.at).body() for each in records] == bodies
    assert (index.paged.count, len(index.resident)) == (100, 0)


def test_what_is_dropped_is_gone_after_a_restart_and_the_log_gets_shorter():
    broker = durable()
    peer, stream = stream_in(broker)
    for number in range(100):
        peer.publish(1, "", "s", b"%d" % number * 50)
    (index,) = stream.indexes()
    names = len(broker.files.names("/data/log"))
    bodies_bytes = index.paged_body_bytes
    broker.broker.storage.drop_paged(index, 95)
    assert 0 < index.paged_body_bytes <= bodies_bytes // 15
    broker.flush()
    assert len(broker.files.names("/data/log")) < names // 2
    again = stream_of(broker.restart())
    assert (again.ready(), again.indexes()[0].paged.first_queue_position(), again.end()) == (5, 95, 100)
    broker.broker.storage.drop_paged(index, 5)
    assert index.paged_body_bytes == 0


def test_a_stream_next_to_a_busy_queue_keeps_its_messages_while_the_log_is_shortened():
    broker = durable()
    peer, stream = stream_in(broker)
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    for number in range(300):
        if number % 10 == 0:
            peer.publish(1, "", "s", b"%d" % number)
        peer.publish(1, "", "q", bytes(200), None)
        peer.call(1, commands.Basic.Get(queue="q", no_ack=True))
    for _ in range(2):
        (index,) = stream.indexes()
        records = broker.broker.storage.records(index, index.paged.starting_at(0, ALL, ALL))
        assert [read_message(each.data, each.at).body() for each in records] == [
            b"%d" % number for number in range(0, 300, 10)
        ]
        broker = broker.restart()
        stream = stream_of(broker)


@pytest.mark.parametrize("seed", range(6))
def test_what_was_confirmed_is_there_after_a_power_loss_with_its_offset(seed: int):
    broker = durable()
    peer, _stream = stream_in(broker)
    peer.call(1, commands.Confirm.Select())
    for number in range(20):
        peer.publish(1, "", "s", b"%d" % number)
    confirmed = sum(isinstance(each, commands.Basic.Ack) for each in peer.methods(1))
    assert confirmed == 20
    broker.flushes = False
    for number in range(20, 30):
        peer.publish(1, "", "s", b"%d" % number)
    broker = broker.lose_power(seed)
    stream = stream_of(broker)
    (index,) = stream.indexes()
    records = broker.broker.storage.records(index, index.paged.starting_at(0, ALL, ALL))
    found = [(read_message(each.data, each.at).body(), each.queue_position) for each in records]
    assert found[:20] == [(b"%d" % number, number) for number in range(20)]
    assert stream.end() == len(found)


# The log of a stream, against a list


STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 20)),
    st.tuples(st.just("large"), st.integers(1, 3)),
    st.tuples(st.just("commit"), st.integers(0, 30)),
    st.tuples(st.just("page out"), st.just(0)),
    st.tuples(st.just("let go"), st.sampled_from([0, 700, 5000])),
    st.tuples(st.just("drop"), st.integers(0, 40)),
)


class StreamModel:
    """`bodies` has what must be there, by offset."""

    def __init__(self, logged: bool, spills: bool) -> None:
        self.broker = DurableBroker(segment_bytes=3000, memory_bytes=4000) if spills else MemoryBroker()
        self.storage = self.broker.broker.storage
        self.index = self.storage.add_index(1, logged)
        self.log = StreamLog(self.index, self.storage)
        self.bodies: dict[int, bytes] = {}
        self.end = 0
        self.first = 0

    def step(self, action: str, value: int) -> None:
        if action in ("append", "large"):
            self.append(value, 9000 if action == "large" else 20)
        elif action == "commit":
            self.commit(min(self.end, self.log.committed + value))
        elif action == "page out":
            self.log.page_out(0)
        elif action == "let go":
            self.log.let_go(value)
        else:
            self.drop(min(self.log.committed, self.first + value))
        self.check()

    def append(self, count: int, size: int) -> None:
        for _ in range(count):
            message = message_of((b"%d:" % self.end).ljust(size, b"."))
            message.arrived_ms = 1000 + self.end // 3
            if self.index.logged:
                assert self.storage.journal is not None
                self.storage.journal.add(message, self.index, self.log.end)
            self.bodies[self.end] = message.body()
            self.log.append(message)
            self.end += 1
        if not self.index.logged:
            self.commit(self.end)

    def commit(self, end: int) -> None:
        self.broker.settle()
        self.log.commit(end)

    def drop(self, offset: int) -> None:
        while self.log.drop_before(offset):
            pass
        for dropped in range(self.first, offset):
            del self.bodies[dropped]
        self.first = max(self.first, offset)

    def check(self) -> None:
        log = self.log
        assert (log.first(), log.end, log.count()) == (self.first, self.end, self.end - self.first)
        for offset in {self.first, self.first + 7, log.committed - 5, log.committed - 1}:
            if self.first <= offset < log.committed:
                assert self.body(offset) == self.bodies[offset]
                assert log.arrived_ms(offset) == 1000 + offset // 3
                expected = max(offset // 3 * 3, self.first)
                assert log.offset_at(1000 + offset // 3) == expected
        assert log.offset_at(0) == self.first
        assert log.offset_at(1 << 60) == log.committed

    def body(self, offset: int) -> bytes:
        if self.log.is_recent(offset):
            message: Message = self.log.recent(offset)
            return message.body()
        (record,) = self.log.read(offset, 1, 1)
        assert record.queue_position == offset
        return read_message(record.data, record.at).body()


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(["in memory", "spilled", "logged"]), st.lists(STEPS, max_size=25))
def test_a_streams_log_has_at_every_offset_what_was_put_there(kind: str, steps: list[tuple[str, int]]):
    model = StreamModel(kind == "logged", kind != "in memory")
    for action, value in steps:
        model.step(action, value)
    model.log.drop()
    assert model.storage.budget.resident_bytes == 0


# Publishers


def test_a_publisher_far_ahead_of_the_disk_waits_also_with_messages_that_are_not_persistent():
    broker = DurableBroker()
    peer, stream = stream_in(broker)
    broker.flushes = False
    peer.publish(1, "", "s", b"first")
    group = broker.journal.form_group()
    assert group is not None
    megabytes = AHEAD_BYTES >> 20
    for _ in range(megabytes + 2):
        peer.publish(1, "", "s", bytes(1 << 20))
    assert peer.transport.blocked
    group.write()
    broker.journal.wrote(group)
    broker.flush()
    assert not peer.transport.blocked
    assert stream.ready() == megabytes + 3


def test_a_commit_is_answered_when_the_stream_has_the_messages():
    broker = DurableBroker()
    peer, stream = stream_in(broker)
    peer.call(1, commands.Tx.Select())
    peer.publish(1, "", "s", b"a")
    assert stream.ready() == 0
    broker.flushes = False
    peer.send(1, commands.Tx.Commit())
    assert peer.methods(1) == []
    broker.flush()
    assert [type(each) for each in peer.methods(1)] == [commands.Tx.CommitOk]
    assert stream.ready() == 1


def test_a_confirm_of_a_message_for_a_stream_and_a_queue_waits_for_the_disk():
    broker = DurableBroker()
    peer, _stream = stream_in(broker)
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    for queue in ("s", "q"):
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    peer.call(1, commands.Confirm.Select())
    broker.flushes = False
    peer.publish(1, "amq.fanout", "", b"a")
    assert peer.methods(1) == []
    broker.flush()
    assert [type(each) for each in peer.methods(1)] == [commands.Basic.Ack]


def test_what_the_log_can_not_have_is_nacked_and_what_follows_refused():
    broker = DurableBroker()
    peer, _stream = stream_in(broker)
    peer.call(1, commands.Confirm.Select())
    broker.flushes = False
    peer.publish(1, "", "s", b"a")
    group = broker.journal.form_group()
    assert group is not None
    broker.journal.fail(group, OSError(5, "it broke"))
    assert [type(each) for each in peer.methods(1)] == [commands.Basic.Nack]
    peer.publish(1, "", "s", b"b")
    refusal = peer.refusal()
    assert refusal is not None
    assert (refusal.scope, refusal.reply_code) == ("channel", 506)
