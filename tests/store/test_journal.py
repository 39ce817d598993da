"""What reaches the log, and what does not; who waits for it, and who is in a hurry."""

from typing import Any

import pytest
from pamqp import commands

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.unacked import Delivery
from amqpd.errors import ResourceError
from amqpd.message import NOT_LOGGED, PERSISTENT, TO_BE_LOGGED, Message
from amqpd.store.api import Flusher, Group, Waiter
from amqpd.store.journal import AHEAD_BYTES, URGENT_BYTES, Journal, Snapshot
from amqpd.store.memory import MemoryLog
from amqpd.store.storage import Storage
from amqpd.testing import DurableBroker, FailingFiles, FakeClock, MemoryFiles, Peer, RecordedEvents
from amqpd.testing.sink import ListSink, message_of, vhost_alone
from amqpd.wire.properties import Properties

PERSISTENT_PROPERTIES = Properties(delivery_mode=2)


class Nothing(Snapshot):
    def definitions(self) -> list[bytes]:
        return []


class Wakes(Flusher):
    """Remembers how it was woken."""

    def __init__(self) -> None:
        self.wakes: list[bool] = []

    def wake(self, soon: bool) -> None:
        self.wakes.append(soon)


class Waits(Waiter):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def group_formed(self) -> None:
        self.heard.append("formed")

    def durable(self) -> None:
        self.heard.append("durable")

    def failed(self) -> None:
        self.heard.append("failed")


class Store:
    """A vhost whose journal is in memory, and is written by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events = RecordedEvents()
        self.log = MemoryLog(1 << 30)
        self.storage = Storage(self.events)
        self.journal = Journal(self.log, self.clock, self.events)
        self.journal.snapshot = Nothing()
        self.storage.journal = self.journal
        self.vhost = vhost_alone(self.storage)
        self.flusher = Wakes()
        self.journal.flusher = self.flusher

    def queue(self, name: str = "q", *, durable: bool = True) -> Queue:
        """A queue that is on disk already."""
        queue = self.vhost.declare_queue(QueueDeclared(name, durable, False, None, {}), Owner())
        self.flush()
        self.flusher.wakes.clear()
        return queue

    def flush(self) -> int:
        """Write all that waits; how many bytes that were."""
        before = self.written_bytes()
        while self.journal.wants_group():
            group = self.journal.form_group()
            if group is not None:
                self.write(group)
        return self.written_bytes() - before

    def write(self, group: Group) -> None:
        group.write()
        self.journal.wrote(group)

    def form(self) -> Group:
        group = self.journal.form_group()
        assert group is not None
        return group

    def written_bytes(self) -> int:
        return len(self.written())

    def written(self) -> bytes:
        return b"".join(self.log.contents().values())


@pytest.fixture
def store() -> Store:
    return Store()


def persistent(body: bytes = b"m") -> Message:
    message = message_of(body)
    message.flags = PERSISTENT
    return message


def take(queue: Queue) -> tuple[Message, int]:
    found = queue.get()
    assert found is not None
    return found[0], found[1]


def settle_first(queue: Queue) -> None:
    queue.settle(*take(queue))


# what costs nothing


def test_a_message_that_goes_straight_to_a_consumer_without_acknowledgements_is_not_written(store: Store):
    queue = store.queue()
    queue.add_consumer(Consumer("c", queue, ListSink(), True, False, 0, {}))
    queue.publish(persistent())
    assert not store.journal.wants_group()
    assert store.flusher.wakes == []


def test_a_message_that_was_settled_before_its_group_left_is_not_written(store: Store):
    queue = store.queue()
    sink = ListSink()
    queue.add_consumer(Consumer("c", queue, sink, False, False, 0, {}))
    before = store.written_bytes()
    queue.publish(persistent(b"gone before"))
    queue.settle(sink.delivered[0].message, sink.delivered[0].position)
    store.flush()
    assert b"gone before" not in store.written()
    assert store.written_bytes() == before


def test_ten_messages_of_which_nine_were_settled_before_the_group_left_cost_one(store: Store):
    queue = store.queue()
    queue.publish(persistent(b"1" * 100))
    one = store.flush()
    for _ in range(10):
        queue.publish(persistent(b"2" * 100))
    queue.purge()
    queue.publish(persistent(b"3" * 100))
    assert store.flush() <= one + 100
    assert b"2" * 100 not in store.written()


def test_a_message_whose_queue_was_deleted_before_its_group_left_is_not_written(store: Store):
    queue = store.queue()
    queue.publish(persistent(b"never to be seen"))
    store.vhost.delete_queue(queue)
    store.flush()
    assert b"never to be seen" not in store.written()


@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("is_persistent", [False, True])
def test_only_a_persistent_message_in_a_durable_queue_is_written(
    store: Store, durable: bool, is_persistent: bool
):
    queue = store.queue(durable=durable)
    message = message_of(b"body")
    message.flags = PERSISTENT if is_persistent else 0
    queue.publish(message)
    is_logged = durable and is_persistent
    assert store.journal.wants_group() == is_logged
    assert message.log_position == (TO_BE_LOGGED if is_logged else NOT_LOGGED)
    store.flush()
    assert (b"body" in store.written()) == is_logged


def test_transient_traffic_writes_nothing_and_wakes_nobody(store: Store):
    queue, other = store.queue(), store.queue("t", durable=False)
    for _ in range(5):
        message = message_of(b"m")
        queue.publish(message)
        other.publish(message)
    message, position = take(queue)
    queue.settle(message, position)
    message, position = take(queue)
    queue.requeue([Delivery(queue, message, position, None)])
    queue.purge()
    other.purge()
    store.vhost.delete_queue(other)
    assert store.flusher.wakes == []
    assert not store.journal.wants_group()
    assert not store.journal.is_busy()


# what is written, and how often


def test_a_message_of_many_queues_is_written_once(store: Store):
    queues = [store.queue(f"q{number}") for number in range(20)]
    body = b"only once" * 50
    message = persistent(body)
    for queue in queues:
        queue.publish(message)
    assert store.flush() < len(body) + 20 * 16 + 200
    assert store.written().count(body) == 1


def test_a_message_of_several_queues_is_written_for_those_that_still_hold_it(store: Store):
    queues = [store.queue(f"q{number}") for number in range(3)]
    message = persistent()
    for queue in queues:
        queue.publish(message)
    settle_first(queues[0])
    store.vhost.delete_queue(queues[2])
    store.flush()
    assert [len(queue.indexes()[0].resident) for queue in queues] == [0, 1, 0]
    assert store.log.is_needed(message.log_position)
    settle_first(queues[1])
    assert not store.log.is_needed(message.log_position)


def test_a_message_that_no_queue_holds_any_more_keeps_nothing_alive(store: Store):
    queue = store.queue()
    messages = [persistent(b"%d" % number) for number in range(10)]
    for message in messages:
        queue.publish(message)
    store.flush()
    for message in messages:
        assert store.log.is_needed(message.log_position)
        settle_first(queue)
    assert not store.log.is_needed(messages[0].log_position)
    assert queue.indexes()[0].resident == {}


def test_two_thousand_queues_with_a_message_each_are_one_group_and_one_write():
    files = FailingFiles(MemoryFiles())
    broker = DurableBroker(files)
    vhost = broker.broker.vhosts["/"]
    queues = [
        vhost.declare_queue(QueueDeclared(f"q{number}", True, False, None, {}), Owner())
        for number in range(2000)
    ]
    broker.flush()
    done = len(files.log)
    for number, queue in enumerate(queues):
        queue.publish(persistent(b"%d" % number))
    broker.groups = 0
    broker.flush()
    writes = [operation for operation in files.log[done:] if operation.startswith("write ")]
    assert len(writes) == 1
    assert writes[0].endswith(" durable")
    assert broker.groups == 1


def test_messages_bear_the_time_at_which_they_were_first_written(store: Store):
    queue = store.queue()
    message = persistent()
    queue.publish(message)
    store.clock.advance(5)
    store.flush()
    assert message.arrived_ms == int(store.clock.unix_s() * 1000)


# who is in a hurry


def test_a_group_of_acknowledgements_alone_is_not_urgent(store: Store):
    queue = store.queue()
    for number in range(5):
        queue.publish(persistent(b"%d" % number))
    store.flush()
    store.flusher.wakes.clear()
    for _ in range(5):
        settle_first(queue)
    assert store.flusher.wakes == [False]
    assert store.journal.wants_group()
    assert not store.journal.is_urgent()
    assert store.flush() > 0


def test_a_message_that_nobody_waits_for_is_not_urgent(store: Store):
    queue = store.queue()
    queue.publish(persistent())
    queue.publish(persistent())
    assert store.flusher.wakes == [False]


def test_whoever_waits_makes_the_group_urgent(store: Store):
    queue = store.queue()
    queue.publish(persistent())
    store.journal.wait(Waits())
    store.journal.wait(Waits())
    assert store.flusher.wakes == [False, True]
    assert store.journal.is_urgent()


def test_many_bytes_make_the_group_urgent_though_nobody_waits(store: Store):
    queue = store.queue()
    for _ in range(URGENT_BYTES // 1000 - 5):
        queue.publish(persistent(bytes(1000)))
    assert store.flusher.wakes == [False]
    for _ in range(10):
        queue.publish(persistent(bytes(1000)))
    assert store.flusher.wakes == [False, True]


def test_after_a_group_was_formed_the_next_thing_wakes_again(store: Store):
    queue = store.queue()
    queue.publish(persistent())
    group = store.form()
    queue.publish(persistent())
    assert store.flusher.wakes == [False, False]
    store.write(group)
    assert store.journal.wants_group()


# who waits


def test_a_waiter_hears_when_its_group_is_formed_and_when_it_is_durable(store: Store):
    queue = store.queue()
    queue.publish(persistent())
    waiter, later = Waits(), Waits()
    store.journal.wait(waiter)
    assert waiter.heard == []
    group = store.form()
    store.journal.wait(later)
    assert (waiter.heard, later.heard) == (["formed"], [])
    group.write()
    assert waiter.heard == ["formed"]
    store.journal.wrote(group)
    assert (waiter.heard, later.heard) == (["formed", "durable"], [])
    store.flush()
    assert later.heard == ["formed", "durable"]


def test_a_waiter_for_nothing_hears_without_a_write(store: Store):
    waiter = Waits()
    store.queue()
    store.journal.wait(waiter)
    assert store.flush() == 0
    assert waiter.heard == ["formed", "durable"]


def test_all_that_wait_hear_when_writing_fails_and_nothing_is_written_any_more(store: Store):
    queue = store.queue()
    in_group, in_next = Waits(), Waits()
    queue.publish(persistent())
    store.journal.wait(in_group)
    group = store.form()
    queue.publish(persistent())
    store.journal.wait(in_next)
    store.journal.fail(group, OSError(5, "it broke"))
    assert in_group.heard == ["formed", "failed"]
    assert in_next.heard[-1] == "failed"
    with pytest.raises(ResourceError, match="cannot write to the log: it broke"):
        store.journal.check()
    after = Waits()
    queue.publish(persistent())
    store.journal.wait(after)
    assert store.journal.form_group() is None
    assert after.heard == ["formed", "failed"]
    assert not store.journal.is_busy()


def test_what_is_settled_after_writing_failed_is_forgotten_without_harm(store: Store):
    queue = store.queue()
    for number in range(3):
        queue.publish(persistent(b"%d" % number))
    store.flush()
    queue.publish(persistent(b"never on disk"))
    store.journal.fail(store.form(), OSError(5, "it broke"))
    queue.publish(persistent(b"nor this"))
    bodies: list[bytes] = []
    for _ in range(5):
        message, position = take(queue)
        bodies.append(message.body())
        queue.settle(message, position)
    assert bodies == [b"0", b"1", b"2", b"never on disk", b"nor this"]
    assert store.flush() == 0
    assert queue.get() is None


# publishers that are faster than the disk


def connect(broker: DurableBroker) -> Peer:
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    return peer


def publish_megabytes(peer: Peer, count: int) -> None:
    body = bytes(1 << 20)
    for _ in range(count):
        peer.publish(1, "", "q", body, PERSISTENT_PROPERTIES)


MEGABYTES_AHEAD = AHEAD_BYTES >> 20


def test_a_publisher_far_ahead_of_the_disk_waits_until_what_it_published_is_being_written():
    broker = DurableBroker()
    peer = connect(broker)
    broker.flushes = False
    peer.publish(1, "", "q", b"first", PERSISTENT_PROPERTIES)
    group: Any = broker.journal.form_group()
    publish_megabytes(peer, MEGABYTES_AHEAD - 1)
    assert not peer.transport.blocked
    publish_megabytes(peer, 3)
    assert peer.transport.blocked
    group.write()
    broker.journal.wrote(group)
    assert peer.transport.blocked
    second: Any = broker.journal.form_group()
    assert not peer.transport.blocked
    second.write()
    broker.journal.wrote(second)
    broker.flush()
    assert broker.broker.vhosts["/"].queues["q"].ready() == MEGABYTES_AHEAD + 3


def test_other_clients_do_not_wait_for_a_publisher_far_ahead_of_the_disk():
    broker = DurableBroker()
    peer, other = connect(broker), connect(broker)
    broker.flushes = False
    peer.publish(1, "", "q", b"first", PERSISTENT_PROPERTIES)
    assert broker.journal.form_group() is not None
    publish_megabytes(peer, MEGABYTES_AHEAD + 2)
    assert peer.transport.blocked
    assert other.call(1, commands.Basic.Get(queue="q", no_ack=True)).body == b"first"
    assert not other.transport.blocked


def test_a_publisher_that_waited_for_the_disk_when_it_broke_goes_on_to_hear_of_it():
    broker = DurableBroker()
    peer = connect(broker)
    broker.flushes = False
    peer.publish(1, "", "q", b"first", PERSISTENT_PROPERTIES)
    group: Any = broker.journal.form_group()
    publish_megabytes(peer, MEGABYTES_AHEAD + 2)
    assert peer.transport.blocked
    broker.journal.fail(group, OSError(5, "it broke"))
    broker.flush()
    assert not peer.transport.blocked
    peer.publish(1, "", "q", b"late", PERSISTENT_PROPERTIES)
    refusal = peer.refusal()
    assert refusal is not None
    assert refusal.reply_code == 506
