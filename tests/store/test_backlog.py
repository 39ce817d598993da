"""The ready messages of a queue against a list, with hardly any memory: where they are makes no difference."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from pamqp import commands

from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.backlog import Backlog
from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.unacked import Delivery
from amqpd.message import PERSISTENT, Message
from amqpd.store.api import CannotRead
from amqpd.store.beginnings import beginnings
from amqpd.store.budget import MESSAGE_OVERHEAD_BYTES, REPORTED_BYTES
from amqpd.store.records import offset_of, read_message
from amqpd.testing import DurableBroker
from amqpd.testing.sink import message_of
from amqpd.wire.properties import Properties

MANY = st.integers(0, 1000)


def body_of(number: int, size: int) -> bytes:
    return (b"%d:" % number).ljust(size, b".")


def number_of(message: Message) -> int:
    return int(message.body().split(b":")[0])


def held_back() -> DurableBroker:
    """A broker that has no memory to spare, and writes when it is told."""
    broker = DurableBroker(segment_bytes=3000, memory_bytes=2000)
    broker.flushes = False
    return broker


# The backlog alone

STEPS = st.one_of(
    st.tuples(st.just("append"), st.integers(1, 12)),
    st.tuples(st.just("append large"), st.integers(1, 3)),
    st.tuples(st.just("take"), st.integers(1, 8)),
    st.tuples(st.just("put back"), MANY),
    st.tuples(st.just("page out"), st.sampled_from([0, 1000, 4000])),
    st.tuples(st.just("clear"), st.just(0)),
    st.tuples(st.just("skip"), st.just(0)),
)


class BacklogModel:
    """`ready` has the positions that must be there, in order, and whether each was taken before."""

    def __init__(self) -> None:
        self.storage = held_back().broker.storage
        self.index = self.storage.add_index(1, False)
        self.backlog = Backlog(self.index, self.storage)
        self.end = 0
        self.ready: dict[int, bool] = {}
        self.taken: list[tuple[int, Message]] = []

    def step(self, action: str, value: int) -> None:
        if action.startswith("append"):
            self.append(value, 9000 if action == "append large" else 20)
        elif action == "take":
            self.take(value)
        elif action == "put back" and self.taken:
            position, message = self.taken.pop(value % len(self.taken))
            self.backlog.put_back(position, message)
            self.ready[position] = True
        elif action == "page out":
            self.backlog.page_out(value)
        elif action == "clear":
            self.clear()
        elif action == "skip" and not self.ready:
            self.backlog.end += 1
            self.end += 1
        assert self.backlog.count == len(self.ready)
        assert self.backlog.end == self.end

    def append(self, count: int, size: int) -> None:
        for _ in range(count):
            self.backlog.append(message_of(body_of(self.end, size)))
            self.ready[self.end] = False
            self.end += 1

    def take(self, count: int) -> None:
        for _ in range(min(count, len(self.ready))):
            message = self.backlog.take()
            first = min(self.ready)
            assert (self.backlog.position, number_of(message)) == (first, first)
            assert self.backlog.redelivered == self.ready.pop(first)
            self.taken.append((first, message))

    def clear(self) -> None:
        self.backlog.purge()
        self.ready.clear()
        assert self.backlog.resident_bytes == 0

    def finish(self) -> None:
        self.take(len(self.ready))
        assert (self.backlog.count, self.backlog.resident_bytes, self.index.paged.count) == (0, 0, 0)
        assert self.spilled_live_bytes() == 0

    def spilled_live_bytes(self) -> int:
        assert self.storage.spill is not None
        return self.storage.spill.log.sizes()[1]


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=40))
@example(
    [
        ("append", 5),
        ("page out", 0),
        ("take", 2),
        ("put back", 0),
        ("append", 5),
        ("page out", 0),
        ("take", 8),
    ]
)
@example(
    [
        ("append", 9),
        ("page out", 1000),
        ("take", 1),
        ("page out", 0),
        ("append", 1),
        ("clear", 0),
        ("append", 2),
    ]
)
def test_a_backlog_is_a_list_wherever_its_messages_are(steps: list[tuple[str, int]]):
    model = BacklogModel()
    for action, value in steps:
        model.step(action, value)
    model.finish()


def test_what_is_paged_out_is_not_in_memory_and_comes_back_when_it_is_wanted():
    storage = DurableBroker().broker.storage
    index = storage.add_index(1, False)
    backlog = Backlog(index, storage)
    for number in range(100):
        backlog.append(message_of(body_of(number, 500)))
    backlog.page_out(3 * (500 + MESSAGE_OVERHEAD_BYTES))
    assert backlog.resident_bytes == 3 * (500 + MESSAGE_OVERHEAD_BYTES)
    assert (index.paged.count, backlog.count) == (97, 100)
    assert [number_of(backlog.take()) for _ in range(100)] == list(range(100))
    assert (index.paged.count, backlog.resident_bytes) == (0, 0)


# Several queues that share messages


class QueuesModel:
    """By the name of each queue: the positions that must be ready and whether each was delivered before."""

    def __init__(self) -> None:
        self.broker = held_back()
        vhost = self.broker.broker.vhosts["/"]
        self.queues: dict[str, Queue] = {}
        for name, durable in (("durable", True), ("other", True), ("transient", False)):
            self.queues[name] = vhost.declare_queue(QueueDeclared(name, durable, False, None, {}), Owner())
        self.published = 0
        self.ready: dict[str, dict[int, bool]] = {name: {} for name in self.queues}
        self.held: list[Delivery] = []

    def publish(self, names: list[str], count: int, size: int, persistent: bool) -> None:
        for _ in range(count):
            message = message_of(body_of(self.published, size))
            message.flags = PERSISTENT if persistent else 0
            for name in names:
                self.queues[name].publish(message)
                self.ready[name][self.published] = False
            self.published += 1

    def get(self, name: str, count: int) -> None:
        queue, ready = self.queues[name], self.ready[name]
        for _ in range(count):
            found = queue.get()
            if found is None:
                assert not ready
                return
            message, position, redelivered = found
            number = number_of(message)
            assert number == min(ready)
            assert redelivered == ready.pop(number)
            self.held.append(Delivery(queue, message, position, None))

    def settle(self, seed: int, count: int) -> None:
        for _ in range(min(count, len(self.held))):
            delivery = self.held.pop(seed % len(self.held))
            delivery.queue.settle(delivery.message, delivery.position)

    def requeue(self, seed: int) -> None:
        if self.held:
            delivery = self.held.pop(seed % len(self.held))
            self.ready[delivery.queue.name][number_of(delivery.message)] = True
            delivery.queue.requeue([delivery])

    def purge(self, name: str) -> None:
        assert self.queues[name].purge() == len(self.ready[name])
        self.ready[name].clear()

    def check(self) -> None:
        for name, queue in self.queues.items():
            assert queue.ready() == len(self.ready[name])
            assert queue.unacked == sum(delivery.queue is queue for delivery in self.held)

    def finish(self) -> None:
        for name in self.queues:
            self.get(name, 1 << 30)
            assert self.ready[name] == {}
        self.settle(0, len(self.held))
        self.broker.flush()
        journal, spill = self.broker.broker.storage.journal, self.broker.broker.storage.spill
        assert journal is not None and spill is not None
        assert spill.log.sizes()[1] == 0
        for queue in self.queues.values():
            assert (len(queue.indexes()[0].resident), queue.indexes()[0].paged.count) == (0, 0)


NAMES = st.sampled_from(["durable", "other", "transient"])
QUEUE_STEPS = st.one_of(
    st.tuples(
        st.just("publish"),
        st.sets(NAMES, min_size=1).map(sorted),
        st.integers(1, 10),
        st.sampled_from([20, 20, 9000]),
        st.sampled_from([True, True, False]),
    ),
    st.tuples(st.just("get"), NAMES, st.integers(1, 8)),
    st.tuples(st.just("settle"), MANY, st.integers(1, 8)),
    st.tuples(st.just("requeue"), MANY),
    st.tuples(st.just("purge"), NAMES),
    st.tuples(st.just("page out"), NAMES),
    st.tuples(st.just("flush")),
    st.tuples(st.just("flush")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(QUEUE_STEPS, max_size=40))
@example(
    [
        ("publish", ["durable"], 1, 20, False),
        ("publish", ["durable", "other", "transient"], 4, 9000, True),
        ("get", "transient", 1),
    ]
)
def test_queues_that_share_messages_are_lists_wherever_these_are(steps: list[tuple[object, ...]]):
    model = QueuesModel()
    for action, *values in steps:
        if action == "page out":
            # what the budget asks of the largest
            model.queues[str(values[0])]._backlog.page_out(0)
        elif action == "flush":
            model.broker.flush()
        else:
            getattr(model, str(action))(*values)
        model.check()
    model.finish()


def test_what_was_purged_while_it_was_not_in_memory_is_not_there_after_a_kill():
    broker = DurableBroker(memory_bytes=2000)
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    for number in range(20):
        peer.publish(1, "", "q", body_of(number, 9000), Properties(delivery_mode=2))
    assert broker.broker.vhosts["/"].queues["q"].indexes()[0].paged.count > 10
    assert peer.call(1, commands.Queue.Purge(queue="q")).message_count == 20
    peer.publish(1, "", "q", body_of(20, 9000), Properties(delivery_mode=2))
    after = broker.kill().broker.vhosts["/"].queues["q"]
    found = after.get()
    assert found is not None and number_of(found[0]) == 20
    assert after.ready() == 0


# Memory


def test_what_is_damaged_on_disk_is_refused_or_read_as_one_message_and_never_as_anything_else():
    broker = DurableBroker()
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    for number in range(3):
        peer.publish(1, "", "q", body_of(number, 40), Properties(delivery_mode=2))
    queue = broker.broker.vhosts["/"].queues["q"]
    assert isinstance(queue, ClassicQueue)
    queue._backlog.page_out(0)
    (index,) = queue.indexes()
    storage = broker.broker.storage
    paged = index.paged.first(3, 1 << 20)
    files, path = broker.memory_files, "/data/log/0000000001.log"
    start, size = offset_of(paged[1].log_position), paged[1].share
    refused = 0
    for offset in range(start, start + size):
        for mask in (0x01, 0x40, 0x80, 0xFF):
            files.corrupt(path, offset, mask)
            try:
                records = storage.records(index, paged)
                found = [read_message(each.data, each.at) for each in records]
                looked = beginnings(storage, index, paged, 10)
            except CannotRead:
                refused += 1
            else:
                assert all(len(each.body()) == each.body_size for each in [*found, *looked])
                assert [number_of(found[0]), number_of(found[2])] == [0, 2]
            files.corrupt(path, offset, mask)
    assert refused > 4 * 20
    assert [number_of(each) for each in storage.page_in(index, paged)] == [0, 1, 2]


def test_a_backlog_that_only_grows_keeps_to_the_limit():
    limit, size = 1_000_000, 1000
    broker = DurableBroker(memory_bytes=limit)
    index = broker.broker.storage.add_index(1, False)
    backlog = Backlog(index, broker.broker.storage)
    most = 0
    for number in range(6000):
        backlog.append(message_of(body_of(number, size)))
        most = max(most, int(backlog.resident_bytes))
    assert limit // 2 < most <= limit + REPORTED_BYTES + size + MESSAGE_OVERHEAD_BYTES
    for number in range(6000):
        assert number_of(backlog.take()) == number
        most = max(most, int(backlog.resident_bytes))
    assert most <= 1.5 * limit


def test_many_durable_and_transient_backlogs_together_keep_to_the_limit():
    limit, size, queues = 4_000_000, 4000, 40
    broker = DurableBroker(memory_bytes=limit)
    vhost = broker.broker.vhosts["/"]
    owner = Owner()
    made = [
        vhost.declare_queue(QueueDeclared(f"q{number}", number % 2 == 0, False, None, {}), owner)
        for number in range(queues)
    ]
    each = MESSAGE_OVERHEAD_BYTES + size
    most = 0
    for number in range(4000):
        message = message_of(body_of(number, size))
        message.flags = PERSISTENT
        made[number % queues].publish(message)
        broker.flush()
        most = max(most, sum(int(queue._backlog.resident_bytes) for queue in made))
    assert limit // 2 < most <= limit + queues * (REPORTED_BYTES + each) + limit // 16
    for queue in made:
        assert int(queue._backlog.resident_bytes) + int(queue.indexes()[0].paged.count) * each == 100 * each
