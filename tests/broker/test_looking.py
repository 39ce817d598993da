"""Looking at messages against taking them: the same, in the same order, and nothing is changed by it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mypy_extensions import i64

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import ExchangeDeclared, QueueDeclared
from amqpd.broker.exchanges.delayed import Delayed
from amqpd.broker.queues.looked import FIRST_PLACE, Looked
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.unacked import Delivery, Unacked
from amqpd.message import EXPIRES, PERSISTENT, Message
from amqpd.store.api import CannotRead
from amqpd.store.files import File
from amqpd.testing import DurableBroker, MemoryBroker, MemoryFiles
from amqpd.testing.sink import Delivered, ListSink, message_of, vhost_alone
from amqpd.wire.fields import table_of
from amqpd.wire.properties import Properties

WHOLE = 1 << 30

KINDS: dict[str, dict[str, object]] = {
    "classic": {},
    "priority": {"x-max-priority": 3},
    "quorum": {"x-queue-type": "quorum"},
    "quorum with a limit": {"x-queue-type": "quorum", "x-delivery-limit": 1000},
}

Row = tuple[bytes, bool | None, bytes]
"""Body, whether it was delivered before, content header."""


def walk(queue: Queue, most: int, body_max: int = WHOLE, place: int = FIRST_PLACE) -> list[Looked]:
    """Everything that is ready from a place on, looked at `most` at a time."""
    found: list[Looked] = []
    while part := queue.look(place, most, body_max):
        assert len(part) <= most
        found += part
        place = part[-1].place + 1
    return found


def rows(looked: list[Looked]) -> list[Row]:
    return [(each.message.body(), each.redelivered, each.message.header) for each in looked]


def drained(queue: Queue) -> list[Row]:
    """Everything that is ready, taken."""
    found: list[Row] = []
    while (got := queue.get()) is not None:
        message, _position, redelivered = got
        found.append((message.body(), redelivered, message.header))
    return found


class Case:
    """A queue of a broker that has hardly any memory."""

    def __init__(self, kind: str) -> None:
        self.broker = DurableBroker(segment_bytes=3000, memory_bytes=2000)
        self.broker.flushes = False
        vhost = self.broker.broker.vhosts["/"]
        arguments = table_of(KINDS[kind]) if KINDS[kind] else {}
        self.queue = vhost.declare_queue(QueueDeclared("q", True, False, None, arguments), Owner())
        self.published = 0
        self.held: list[Delivery] = []
        self.moved: set[int] = set()
        """The numbers of those that were taken once."""

    def step(self, action: str, value: int) -> None:
        getattr(self, action)(value)

    def publish(self, value: int) -> None:
        for _ in range(value % 7 + 1):
            size = 9000 if value % 11 == 0 else 30
            body = (b"%d:" % self.published).ljust(size, b".")
            is_persistent = (value + self.published) % 3 > 0
            properties = Properties(delivery_mode=2 if is_persistent else None, priority=value % 5 or None)
            message = message_of(body, properties)
            message.flags = PERSISTENT if is_persistent else 0
            self.queue.publish(message)
            self.published += 1

    def take(self, value: int) -> None:
        for _ in range(value % 5 + 1):
            got = self.queue.get()
            if got is None:
                return
            self.held.append(Delivery(self.queue, got[0], got[1], None))
            self.moved.add(number_of(got[0]))

    def settle(self, value: int) -> None:
        if self.held:
            delivery = self.held.pop(value % len(self.held))
            self.queue.settle(delivery.message, delivery.position)

    def requeue(self, value: int) -> None:
        if self.held:
            self.queue.requeue([self.held.pop(value % len(self.held))])

    def take_back(self, value: int) -> None:
        if self.held:
            self.queue.take_back([self.held.pop(value % len(self.held))])

    def flush(self, value: int) -> None:
        self.broker.flush()

    def restart(self, value: int) -> None:
        self.broker = self.broker.restart()
        self.broker.flushes = False
        self.queue = self.broker.broker.vhosts["/"].queues["q"]
        self.held.clear()

    def state(self) -> object:
        """What may not change by looking."""
        storage = self.broker.broker.storage
        assert storage.journal is not None and storage.spill is not None
        indexes = [
            (
                each.paged.count,
                each.paged_body_bytes,
                each.delivered,
                dict(each.resident),
                dict(each.counts),
                list(each.settled),
            )
            for each in self.queue.indexes()
        ]
        return (
            (self.queue.ready(), self.queue.ready_bytes(), self.queue.unacked, self.queue.delivered()),
            indexes,
            storage.budget.resident_bytes,
            storage.journal.is_busy(),
            storage.spill.log.sizes(),
            self.broker.memory_files.sizes(),
            vars_of(self.queue.counts),
        )


def vars_of(counts: object) -> dict[str, object]:
    return {name: getattr(counts, name) for name in dir(counts) if isinstance(getattr(counts, name), int)}


def number_of(message: Message) -> int:
    return int(message.body().split(b":")[0])


ACTIONS = ["publish", "publish", "take", "settle", "requeue", "take_back", "flush"]
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000)), max_size=25)
STEPS_WITH_RESTARTS = st.lists(
    st.tuples(st.sampled_from([*ACTIONS, "restart"]), st.integers(0, 1000)), max_size=25
)
HALF_TAKEN = [("publish", 6), ("publish", 6), ("flush", 0), ("take", 4), ("take_back", 2), ("requeue", 0)]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(steps=STEPS_WITH_RESTARTS, most=st.integers(1, 9))
@example(steps=[*HALF_TAKEN, ("publish", 11), ("restart", 0), ("take", 1), ("requeue", 0)], most=3)
def test_what_is_looked_at_is_what_is_taken_then(kind: str, steps: list[tuple[str, int]], most: int):
    case = Case(kind)
    for step in steps:
        case.step(*step)
    before = case.state()
    looked = walk(case.queue, most)
    assert case.state() == before
    assert len(looked) == case.queue.ready()
    assert [each.place for each in looked] == sorted({each.place for each in looked})
    assert rows(looked) == drained(case.queue)
    assert walk(case.queue, most) == []


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(before=STEPS, between=STEPS, most=st.integers(1, 4))
@example(before=[("publish", 6)] * 3, between=[("take", 3), *HALF_TAKEN, ("settle", 0)], most=2)
def test_a_cursor_misses_nothing_that_stays_and_shows_nothing_twice(
    kind: str, before: list[tuple[str, int]], between: list[tuple[str, int]], most: int
):
    case = Case(kind)
    for step in before:
        case.step(*step)
    were_there = {number_of(each.message) for each in walk(case.queue, 10)}
    case.moved.clear()
    seen: list[int] = []
    place = FIRST_PLACE
    steps = list(between)
    while (part := case.queue.look(place, most, WHOLE)) or steps:
        seen += [number_of(each.message) for each in part]
        place = part[-1].place + 1 if part else place
        if steps:
            case.step(*steps.pop(0))
    stayed = were_there - case.moved
    assert [number for number in seen if number in stayed] == [
        number_of(each.message) for each in walk(case.queue, 10) if number_of(each.message) in stayed
    ]
    once = [number for number in seen if number not in case.moved]
    assert len(once) == len(set(once))


def test_one_that_came_back_in_front_of_the_cursor_is_passed_over():
    queue = vhost_alone().declare_queue(QueueDeclared("q", False, False, None, {}), Owner())
    for body in (b"a", b"b", b"c"):
        queue.publish(message_of(body))
    held = queue.get()
    assert held is not None
    [seen] = queue.look(FIRST_PLACE, 1, WHOLE)
    queue.requeue([Delivery(queue, held[0], held[1], None)])
    assert seen.message.body() == b"b"
    assert [each.message.body() for each in queue.look(seen.place + 1, 9, WHOLE)] == [b"c"]
    assert rows(walk(queue, 9))[0][:2] == (b"a", True)


def test_it_is_told_when_messages_have_arrived_and_when_they_expire():
    vhost = vhost_alone()
    queue = vhost.declare_queue(QueueDeclared("q", False, False, None, {}), Owner())
    queue.publish(message_of(b"stays"))
    expiring = message_of(b"goes", Properties(expiration="5000"))
    expiring.flags = EXPIRES
    queue.publish(expiring)
    now_ms = int(vhost.timers.clock.unix_s() * 1000)
    assert [(each.arrived_ms, each.expires_ms) for each in walk(queue, 9)] == [
        (0, -1),
        (now_ms, now_ms + 5000),
    ]


def test_what_came_back_to_a_quorum_queue_has_its_number():
    case = Case("quorum with a limit")
    case.publish(1)
    for _ in range(2):
        case.take(0)
        case.take_back(0)
    first, second = walk(case.queue, 9)
    assert (first.delivery_count, second.delivery_count) == (2, 0)
    case.take(0)
    [delivery] = case.held
    in_hands = case.queue.look_in_hands(delivery.message, delivery.position, WHOLE)
    assert in_hands is not None
    assert (in_hands.delivery_count, in_hands.redelivered, in_hands.message) == (2, True, delivery.message)


def test_a_cursor_in_front_of_a_quorum_queue_stays_with_its_messages():
    case = Case("quorum with a limit")
    case.publish(6)
    case.take(4)
    for _ in range(4):
        case.take_back(0)
    second = case.queue.look(FIRST_PLACE, 2, WHOLE)[-1]
    case.take(0)
    after = walk(case.queue, 9, place=second.place + 1)
    assert [number_of(each.message) for each in after] == [2, 3, 5, 6]
    case.queue.purge()
    case.take_back(0)
    case.take_back(0)
    after = walk(case.queue, 9, place=second.place + 1)
    assert [number_of(each.message) for each in after] == [4, 0]


# Large backlogs, large messages


class CountedFile(File):
    """Counts what is read of another file."""

    def __init__(self, file: File, files: CountedFiles) -> None:
        self._file = file
        self._files = files

    def write(self, offset: i64, data: list[bytes | memoryview], durable: bool) -> None:
        self._file.write(offset, data, durable)

    def read(self, offset: i64, size: i64) -> bytes:
        self._files.read_bytes.append(int(size))
        return self._file.read(offset, size)

    def size(self) -> int:
        return self._file.size()

    def truncate(self, size: i64) -> None:
        self._file.truncate(size)

    def check_linked(self) -> None:
        self._file.check_linked()

    def close(self) -> None:
        self._file.close()


class CountedFiles(MemoryFiles):
    """Knows how much was read at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.read_bytes: list[int] = []

    def create(self, path: str) -> File:
        return CountedFile(super().create(path), self)

    def open(self, path: str, writable: bool) -> File:
        return CountedFile(super().open(path, writable), self)


def filled(files: MemoryFiles, bodies: list[bytes], arguments: dict[str, object] | None = None) -> Queue:
    """A queue whose messages, persistent, are on disk alone."""
    broker = DurableBroker(files, segment_bytes=1 << 26)
    declared = QueueDeclared("q", True, False, None, table_of(arguments or {}))
    queue = broker.broker.vhosts["/"].declare_queue(declared, Owner())
    for body in bodies:
        message = message_of(body, Properties(delivery_mode=2))
        message.flags = PERSISTENT
        queue.publish(message)
    return broker.restart().broker.vhosts["/"].queues["q"]


@pytest.mark.parametrize("arguments", [{}, {"x-queue-type": "stream"}], ids=["classic", "stream"])
def test_a_page_from_the_middle_of_a_large_backlog_reads_no_more_than_that(arguments: dict[str, object]):
    files = CountedFiles()
    queue = filled(files, [b"%d" % number for number in range(20000)], arguments)
    files.read_bytes.clear()
    found = queue.look(15000, 50, WHOLE)
    assert [int(each.message.body()) for each in found] == list(range(15000, 15050))
    assert len(files.read_bytes) == 1
    assert sum(files.read_bytes) < 50 * 300


def test_of_a_large_body_only_the_beginning_is_read():
    files = CountedFiles()
    queue = filled(files, [b"x" * 5_000_000, b"small", b"y" * 3_000_000])
    files.read_bytes.clear()
    large, small, last = walk(queue, 9, 50000)
    assert (large.message.body_size, small.message.body_size, last.message.body_size) == (
        5_000_000,
        5,
        3_000_000,
    )
    assert 50000 <= len(large.message.body()) < 2_000_000
    assert (small.message.body(), last.message.body()[:50000]) == (b"small", b"y" * 50000)
    assert max(files.read_bytes) <= 1048576
    assert rows(walk(queue, 9)) == drained(queue)


def test_what_cannot_be_read_is_said_and_not_shown():
    files = MemoryFiles()
    queue = filled(files, [b"a" * 100, b"b" * 100])
    path = next(path for path in sorted(files.sizes()) if path.endswith("1.log"))
    at = files.read_all(path).index(b"a" * 100) - 60
    for offset in range(40):
        files.corrupt(path, at + offset, 255)
    with pytest.raises(CannotRead, match="segment 1, offset"):
        walk(queue, 9)


# Streams


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["publish", "publish", "flush", "restart"]), st.integers(0, 99))
    ),
    most=st.integers(1, 9),
    is_durable=st.booleans(),
    reads_on=st.booleans(),
)
def test_a_stream_is_looked_at_as_a_consumer_gets_it(
    steps: list[tuple[str, int]], most: int, is_durable: bool, reads_on: bool
):
    case = Case("classic")
    if is_durable:
        vhost = case.broker.broker.vhosts["/"]
        vhost.delete_queue(vhost.queue("q"))
    else:
        vhost = vhost_alone()
        steps = [step for step in steps if step[0] == "publish"]
    arguments = table_of({"x-queue-type": "stream"})
    case.queue = vhost.declare_queue(QueueDeclared("q", True, False, None, arguments), Owner())
    if reads_on:
        read(case.queue)
    for step in steps:
        case.step(*step)
    if not is_durable or not steps or steps[-1][0] != "publish":
        assert len(walk(case.queue, most)) == case.queue.ready()
    delivered = read(case.queue)
    looked = walk(case.queue, most)
    assert [each.position for each in looked] == [each.position for each in delivered]
    assert [(each.message.header, each.message.body()) for each in looked] == [
        (each.message.header, each.message.body()) for each in delivered
    ]
    for one in delivered[::5]:
        in_hands = case.queue.look_in_hands(message_of(), one.position, WHOLE)
        assert in_hands is not None and in_hands.message.body() == one.message.body()
    assert case.queue.look_in_hands(message_of(), 1000, WHOLE) is None


def read(queue: Queue) -> list[Delivered]:
    """What a consumer gets of a stream from its beginning on."""
    sink = ListSink()
    arguments = table_of({"x-stream-offset": "first"})
    queue.add_consumer(Consumer("c", queue, sink, False, False, 10000, arguments))
    return sink.delivered


# Delayed messages


@settings(max_examples=60, deadline=None)
@given(
    delays_ms=st.lists(st.tuples(st.integers(1, 50), st.booleans()), max_size=40),
    passed_ms=st.integers(0, 40),
    restarts=st.booleans(),
    most=st.integers(1, 9),
)
def test_delayed_messages_are_looked_at_in_the_order_in_which_they_are_due(
    delays_ms: list[tuple[int, bool]], passed_ms: int, restarts: bool, most: int
):
    broker = DurableBroker(segment_bytes=3000, memory_bytes=2000)
    vhost = broker.broker.vhosts["/"]
    arguments = table_of({"x-delayed-type": "fanout"})
    vhost.declare_exchange(ExchangeDeclared("x", "x-delayed-message", True, False, False, arguments))
    vhost.declare_queue(QueueDeclared("q", True, False, None, {}), Owner())
    vhost.bind("x", vhost.queue("q"), "", {})
    now_ms = int(broker.clock.unix_s() * 1000)
    due_ms: dict[bytes, int] = {}
    for number, (delay_ms, is_persistent) in enumerate(delays_ms):
        is_persistent = is_persistent or restarts
        body = b"%d" % number
        headers = table_of({"x-delay": delay_ms * 1000})
        message = message_of(body, Properties(headers=headers, delivery_mode=2 if is_persistent else None))
        message.flags = PERSISTENT if is_persistent else 0
        for queue in vhost.route(vhost.exchange("x"), [""], message):
            queue.publish(message)
        due_ms[body] = now_ms + delay_ms * 1000
        if number % 4 == 0:
            broker.flush()
    broker.advance(passed_ms)
    if restarts:
        clock_s = broker.clock.unix_s()
        broker = broker.restart()
        broker.advance(clock_s - broker.clock.unix_s())
        vhost = broker.broker.vhosts["/"]
    queue = vhost.queue("q")
    drained(queue)
    exchange = vhost.exchange("x")
    assert isinstance(exchange, Delayed) and exchange.delayed is not None
    delayed = exchange.delayed
    before = (delayed.ready(), delayed.index.paged.count, broker.broker.storage.budget.resident_bytes)
    looked = walk(delayed, most)
    assert (
        delayed.ready(),
        delayed.index.paged.count,
        broker.broker.storage.budget.resident_bytes,
    ) == before
    assert len(looked) == before[0]
    assert [each.due_ms for each in looked] == [due_ms[each.message.body()] for each in looked]
    broker.advance(100)
    assert [each.message.body() for each in looked] == [
        body for body, _redelivered, _header in drained(queue)
    ]


def test_what_is_in_memory_between_large_messages_on_disk_has_its_place():
    vhost = DurableBroker(memory_bytes=2000).broker.vhosts["/"]
    arguments = table_of({"x-delayed-type": "direct"})
    vhost.declare_exchange(ExchangeDeclared("x", "x-delayed-message", False, False, False, arguments))
    exchange = vhost.exchange("x")
    assert isinstance(exchange, Delayed) and exchange.delayed is not None
    for delay_ms, size in ((1000, 200000), (2000, 200000), (4000, 200000), (3000, 1)):
        headers = table_of({"x-delay": delay_ms})
        exchange.delayed.publish(message_of(b"x" * size, Properties(headers=headers)))
    assert exchange.delayed.index.paged.count == 3
    now_ms = int(vhost.timers.clock.unix_s() * 1000)
    assert [each.due_ms - now_ms for each in walk(exchange.delayed, 9)] == [1000, 2000, 3000, 4000]


def test_blind_copies_of_a_delayed_message_are_not_shown():
    broker = MemoryBroker()
    vhost = broker.broker.vhosts["/"]
    arguments = table_of({"x-delayed-type": "direct"})
    vhost.declare_exchange(ExchangeDeclared("x", "x-delayed-message", False, False, False, arguments))
    exchange = vhost.exchange("x")
    headers = table_of({"x-delay": 1000, "a": "b"})
    message = message_of(b"m", Properties(headers=headers))
    for queue in vhost.route(exchange, ["k", "hidden"], message):
        queue.publish(message)
    assert isinstance(exchange, Delayed) and exchange.delayed is not None
    [looked] = walk(exchange.delayed, 9)
    assert b"hidden" not in looked.message.header
    assert looked.message.header == message.header


# What is unacknowledged


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(1, 40)), st.integers(0, 45), st.integers(1, 8))
@example({1, 40}, 2, 1)
def test_deliveries_are_found_from_any_tag_on(tags: set[int], start: int, most: int):
    queue = vhost_alone().declare_queue(QueueDeclared("q", False, False, None, {}), Owner())
    unacked = Unacked()
    for tag in range(1, 41):
        unacked.add(tag, Delivery(queue, message_of(), tag, None))
    for tag in set(range(1, 41)) - tags:
        unacked.take(tag)
    found = [(tag, delivery.position) for tag, delivery in unacked.starting_at(start, most)]
    assert found == [(tag, tag) for tag in sorted(tags) if tag >= start][:most]
    assert len(unacked) == len(tags)
