"""A quorum queue against a model of it, and what the log has of its counts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from librt.strings import BytesWriter
from pamqp import commands

from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import LOGGED, Owner, Queue
from amqpd.broker.queues.quorum import QuorumQueue, is_low, with_delivery_count
from amqpd.broker.queues.rules import PolicyDefinition
from amqpd.broker.unacked import Delivery
from amqpd.broker.vhost import VirtualHost
from amqpd.errors import ResourceError
from amqpd.message import Message
from amqpd.store.journal import GROUP_MAX_BYTES
from amqpd.store.records import (
    COUNTS,
    RecordDamaged,
    check_record,
    read_counts,
    record_size,
    write_counts,
)
from amqpd.testing import Content, DurableBroker, Peer
from amqpd.testing.sink import message_of, vhost_alone
from amqpd.wire.fields import Field, field_of
from amqpd.wire.properties import Properties, decode_properties, encode_properties

MANY = st.integers(0, 1000)
NUMBERS = st.integers(0, (1 << 63) - 1)
QUORUM = {"x-queue-type": field_of("quorum")}
AT_LEAST_ONCE: PolicyDefinition = {
    "dead-letter-exchange": "",
    "dead-letter-routing-key": "d",
    "dead-letter-strategy": "at-least-once",
    "overflow": "reject-publish",
}


def declare(vhost: VirtualHost, **arguments: object) -> QuorumQueue:
    table = QUORUM | {f"x-{name.replace('_', '-')}": field_of(value) for name, value in arguments.items()}
    queue = vhost.declare_queue(QueueDeclared("q", True, False, None, table), Owner())
    assert isinstance(queue, QuorumQueue)
    return queue


def delivery_of(queue: Queue) -> Delivery:
    found = queue.get()
    assert found is not None
    return Delivery(queue, found[0], found[1], None)


def count_in(message: Message) -> object:
    headers = decode_properties(message.header).headers
    return None if headers is None else headers["x-delivery-count"].value


class TestWithoutADisk:
    @pytest.fixture
    def vhost(self) -> VirtualHost:
        return vhost_alone()

    def test_nothing_waits_for_it(self, vhost: VirtualHost):
        assert not declare(vhost).publish(message_of()) & LOGGED

    def test_what_is_settled_is_forgotten(self, vhost: VirtualHost):
        queue = declare(vhost)
        queue.publish(message_of())
        for _ in range(3):
            queue.requeue([delivery_of(queue)])
        delivery = delivery_of(queue)
        queue.settle(delivery.message, delivery.position)
        assert queue.unacked == 0
        assert not any(index.counts for index in queue.indexes())
        assert queue.consumer_count() == 0

    def test_a_message_keeps_its_count_in_front_and_at_the_end(self, vhost: VirtualHost):
        queue = declare(vhost)
        queue.publish(message_of())
        queue.requeue([delivery_of(queue)])
        queue.take_back([delivery_of(queue)])
        queue.requeue([delivery_of(queue)])
        assert count_in(delivery_of(queue).message) == 3

    def test_what_comes_back_to_a_deleted_queue_is_gone(self, vhost: VirtualHost):
        queue = declare(vhost)
        queue.publish(message_of())
        queue.publish(message_of())
        deliveries = [delivery_of(queue), delivery_of(queue)]
        vhost.delete_queue(queue)
        queue.requeue(deliveries[:1])
        queue.take_back(deliveries[:1])
        queue.reject(deliveries[1:])
        queue.forget(deliveries[1].message, deliveries[1].position)
        assert queue.ready() == 0


class TestPolicies:
    @pytest.fixture
    def queue(self, vhost: VirtualHost) -> QuorumQueue:
        """With a dead letter that leads nowhere."""
        queue = declare(vhost)
        queue.apply_policy(AT_LEAST_ONCE)
        queue.publish(message_of(b"1"))
        queue.reject([delivery_of(queue)])
        assert queue.dead_letter_count() == 1
        return queue

    def test_that_change_let_dead_letters_try_again(self, vhost: VirtualHost, queue: QuorumQueue):
        target = vhost.declare_queue(QueueDeclared("other", False, False, None, {}), Owner())
        queue.apply_policy(AT_LEAST_ONCE | {"dead-letter-routing-key": "other"})
        assert queue.dead_letter_count() == 0
        assert target.ready() == 1

    def test_that_end_at_least_once_end_dead_letters(
        self, vhost: VirtualHost, queue: QuorumQueue, broker: DurableBroker
    ):
        queue.apply_policy(None)
        assert queue.dead_letter_count() == 0
        broker.flush()
        after = broker.kill().broker.vhosts["/"].queues["q"]
        assert isinstance(after, QuorumQueue)
        assert after.dead_letter_count() == 0

    def test_change_the_delivery_limit(self, vhost: VirtualHost):
        queue = declare(vhost)
        queue.publish(message_of(b"1"))
        queue.apply_policy({"delivery-limit": 1})
        queue.requeue([delivery_of(queue)])
        queue.requeue([delivery_of(queue)])
        assert queue.ready() == 0

    def test_make_room(self, vhost: VirtualHost):
        queue = declare(vhost, max_length=1, overflow="reject-publish")
        for _ in range(3):
            queue.publish(message_of())
        assert queue.ready() == 2
        queue.apply_policy({"overflow": "drop-head"})
        queue.publish(message_of(b"last"))
        assert queue.ready() == 1


class TestWhatMemoryHasNoRoomFor:
    def test_may_be_purged(self):
        broker = DurableBroker(memory_bytes=16384)
        queue = declare(broker.broker.vhosts["/"])
        for _ in range(40):
            queue.publish(message_of(b"x" * 2000))
            broker.flush()
        queue.requeue([delivery_of(queue) for _ in range(4)])
        broker.flush()
        held = delivery_of(queue)
        assert queue.purge() == 39
        queue.requeue([held])
        broker.flush()
        after = broker.kill().broker.vhosts["/"].queues["q"]
        assert after.ready() == 1
        assert [len(index.counts) for index in after.indexes()] == [1, 0]


def test_what_the_log_has_no_room_for_comes_back_in_front(vhost: VirtualHost, broker: DurableBroker):
    queue = declare(vhost)
    queue.publish(message_of(b"1" * 100))
    broker.flush()
    small = message_of()
    # As much as can wait for the log, by its own account.
    huge = Message(small.address, small.header, GROUP_MAX_BYTES - 100, b"", 0, [b"huge"])
    queue.publish(huge)
    with pytest.raises(ResourceError):
        queue.publish(message_of(b"2" * 100))
    queue.requeue([delivery_of(queue)])
    delivery = delivery_of(queue)
    assert delivery.message.body() == b"1" * 100
    assert count_in(delivery.message) == 1


@pytest.fixture
def broker() -> DurableBroker:
    return DurableBroker()


@pytest.mark.parametrize(
    ("number", "limit", "low"), [(8, 10, True), (9, 10, False), (0, 0, True), (1, 1, False), (99, -1, True)]
)
def test_a_queue_has_room_again_when_a_fifth_is_free(number: int, limit: int, low: bool):
    assert is_low(number, limit) == low


@given(number=NUMBERS)
@pytest.mark.parametrize(
    "headers", [None, {}, {"b": Field("I", 1), "zz": Field("S", "x"), "a": Field("t", True)}]
)
def test_a_delivery_count_stands_among_the_headers_and_changes_nothing_else(
    headers: dict[str, Field] | None, number: int
):
    properties = Properties(headers=headers, content_type="text/plain", app_id="app")
    counted = decode_properties(with_delivery_count(encode_properties(properties, 3), number))
    expected = (headers or {}) | {"x-delivery-count": Field("l", number)}
    assert counted.headers == expected
    assert list(counted.headers or {}) == sorted(expected)
    assert (counted.content_type, counted.app_id) == ("text/plain", "app")


class TestCountsRecords:
    def record(self, queue_id: int, counts: list[tuple[int, int]]) -> bytes:
        writer = BytesWriter()
        write_counts(writer, queue_id, counts)
        return writer.getvalue()

    @given(NUMBERS, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20))
    def test_come_back(self, queue_id: int, counts: list[tuple[int, int]]):
        record = self.record(queue_id, counts)
        assert check_record(b"x" + record, 1, 1 + len(record)) == COUNTS
        assert record_size(record, 0) == len(record)
        assert int.from_bytes(record[5:13], "little") == queue_id
        assert read_counts(b"x" + record, 1) == counts

    @pytest.mark.parametrize("announced", [0, 1, 3, 1 << 31])
    def test_that_do_not_fit_are_damaged(self, announced: int):
        record = bytearray(self.record(1, [(1, 1), (2, 2)]))
        record[13:17] = announced.to_bytes(4, "little")
        with pytest.raises(RecordDamaged):
            check_record(bytes(record), 0, len(record))

    def test_that_are_too_short_are_damaged(self):
        with pytest.raises(RecordDamaged):
            check_record((16).to_bytes(4, "little") + bytes([COUNTS]) + bytes(11), 0, 16)


class Copy:
    """A message as the model has it."""

    def __init__(self, number: int, place: int) -> None:
        self.number = number
        self.place = place
        """Where it stands after a restart: the end of the queue when it came there last."""
        self.count = 0


class QuorumModel(RuleBasedStateMachine):
    """Two channels take and give back; the broker ends now and then, in all ways, with little memory."""

    limit = -1

    @initialize(memory_bytes=st.sampled_from([4096, 1 << 27]), segment_bytes=st.sampled_from([4096, 65536]))
    def begin(self, memory_bytes: int, segment_bytes: int) -> None:
        self.broker = DurableBroker(memory_bytes=memory_bytes, segment_bytes=segment_bytes)
        self.published = 0
        self.places = 0
        self.front: list[Copy] = []
        self.back: list[Copy] = []
        self.held: list[tuple[int, int, Copy]] = []
        """Channel, delivery tag, and what it is."""
        self.connect()
        arguments = dict(QUORUM)
        if self.limit >= 0:
            arguments["x-delivery-limit"] = field_of(self.limit)
        self.peer.call(1, commands.Queue.Declare(queue="q", durable=True, arguments=arguments))

    def connect(self) -> None:
        self.peer: Peer = self.broker.connect(channels=2)

    def append(self, copy: Copy) -> None:
        copy.place = self.places
        self.places += 1
        self.back.append(copy)

    def return_to_front(self, copies: list[Copy]) -> None:
        for copy in copies:
            copy.count += 1
            if self.limit < 0 or copy.count <= self.limit:
                self.front.append(copy)

    @rule(count=st.integers(1, 5), delivery_mode=st.sampled_from([1, 2]))
    def publish(self, count: int, delivery_mode: int) -> None:
        for _ in range(count):
            body = str(self.published).encode().ljust(300, b".")
            self.peer.publish(1, "", "q", body, Properties(delivery_mode=delivery_mode))
            self.append(Copy(self.published, 0))
            self.published += 1

    @rule(channel_id=st.integers(1, 2), no_ack=st.integers(0, 5).map(lambda number: number == 0))
    def get(self, channel_id: int, no_ack: bool) -> None:
        got = self.peer.call(channel_id, commands.Basic.Get(queue="q", no_ack=no_ack))
        waiting = self.front or self.back
        assert isinstance(got, Content) == bool(waiting)
        if waiting:
            copy = waiting.pop(0)
            assert int(got.body.rstrip(b".")) == copy.number
            assert got.properties.headers == {"x-delivery-count": Field("l", copy.count)}
            assert got.method.redelivered == (copy.count > 0)
            if not no_ack:
                self.held.append((channel_id, got.method.delivery_tag, copy))

    @precondition(lambda self: self.held)
    @rule(seed=MANY)
    def ack(self, seed: int) -> None:
        channel_id, tag, _copy = self.held.pop(seed % len(self.held))
        self.peer.send(channel_id, commands.Basic.Ack(tag))

    @precondition(lambda self: self.held)
    @rule(seed=MANY)
    def reject(self, seed: int) -> None:
        channel_id, tag, _copy = self.held.pop(seed % len(self.held))
        self.peer.send(channel_id, commands.Basic.Reject(tag, False))

    @precondition(lambda self: self.held)
    @rule(seed=MANY)
    def requeue(self, seed: int) -> None:
        channel_id, tag, copy = self.held.pop(seed % len(self.held))
        self.peer.send(channel_id, commands.Basic.Reject(tag, True))
        if self.limit >= 0:
            self.return_to_front([copy])
        else:
            copy.count += 1
            self.append(copy)

    @rule(channel_id=st.integers(1, 2))
    def close_channel(self, channel_id: int) -> None:
        self.peer.call(channel_id, commands.Channel.Close(200, "", 0, 0))
        self.peer.open_channel(channel_id)
        self.return_to_front([copy for owner, _tag, copy in self.held if owner == channel_id])
        self.held = [each for each in self.held if each[0] != channel_id]

    @rule(how=st.sampled_from(["kill", "power", "restart"]))
    def end(self, how: str) -> None:
        if how == "restart":
            self.broker = self.broker.restart()
        else:
            self.broker = self.broker.kill() if how == "kill" else self.broker.lose_power(1)
        self.broker.advance(0)
        self.connect()
        self.return_to_front([copy for _owner, _tag, copy in self.held])
        self.front.sort(key=lambda copy: copy.place)
        if self.limit < 0:
            # They stand where they stood, and what comes back from then on stands before them.
            self.back = self.front + self.back
            self.front = []
        self.held = []

    @rule()
    def purge(self) -> None:
        purged = self.peer.call(1, commands.Queue.Purge(queue="q"))
        assert purged.message_count == len(self.front) + len(self.back)
        self.front, self.back = [], []

    @invariant()
    def everything_is_there(self) -> None:
        queue = self.broker.broker.vhosts["/"].queues["q"]
        assert queue.ready() == len(self.front) + len(self.back)
        assert queue.unacked == len(self.held)


class LimitedQuorumModel(QuorumModel):
    """The same with a delivery limit."""

    limit = 2


TestQuorumModel = QuorumModel.TestCase
TestQuorumModel.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestLimitedQuorumModel = LimitedQuorumModel.TestCase
TestLimitedQuorumModel.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
