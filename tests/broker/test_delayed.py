"""Delayed messages against a sorted list: with hardly any memory, over restarts, and how many timers they take."""

import errno
import random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from amqpd.broker.definitions import ExchangeDeclared, QueueDeclared
from amqpd.broker.delayed_messages import ROUTED_AT_ONCE_MESSAGES
from amqpd.broker.exchanges.delayed import Delayed
from amqpd.broker.queues.queue import BEHIND, Owner
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Clock, Timers
from amqpd.events import Events
from amqpd.message import PERSISTENT, Message
from amqpd.store.storage import Storage
from amqpd.testing import DurableBroker, MemoryBroker
from amqpd.testing.clock import FakeClock
from amqpd.testing.failing_files import FailingFiles
from amqpd.testing.files import MemoryFiles
from amqpd.testing.sink import message_of
from amqpd.wire.fields import Field
from amqpd.wire.properties import Properties


def make(vhost: VirtualHost, *, durable: bool = False, delayed_type: str = "fanout") -> None:
    """A delayed exchange x that leads to a queue q."""
    arguments = {"x-delayed-type": Field("S", delayed_type)}
    vhost.declare_exchange(ExchangeDeclared("x", "x-delayed-message", durable, False, False, arguments))
    vhost.declare_queue(QueueDeclared("q", durable, False, None, {}), Owner())
    vhost.bind("x", vhost.queue("q"), "", {})


def delayed_message(body: bytes, delay_ms: int, *, persistent: bool = False) -> Message:
    properties = Properties(
        headers={"x-delay": Field("l", delay_ms)}, delivery_mode=2 if persistent else None
    )
    message = message_of(body, properties, exchange="x")
    message.flags = PERSISTENT if persistent else 0
    return message


def publish(vhost: VirtualHost, body: bytes, delay_ms: int, *, persistent: bool = False) -> None:
    message = delayed_message(body, delay_ms, persistent=persistent)
    for queue in vhost.route(vhost.exchange("x"), [""], message):
        queue.publish(message)


def drained(vhost: VirtualHost) -> list[bytes]:
    """The bodies of all that is in the queue."""
    found: list[bytes] = []
    queue = vhost.queue("q")
    while (got := queue.get()) is not None:
        found.append(got[0].body())
        queue.settle(got[0], got[1])
    return found


def paged(vhost: VirtualHost) -> int:
    """How many messages are delayed and not in memory."""
    exchange = vhost.exchange("x")
    assert isinstance(exchange, Delayed) and exchange.delayed is not None
    return sum(int(index.paged.count) for index in exchange.delayed.indexes())


def count(vhost: VirtualHost) -> int:
    """How many messages are delayed."""
    exchange = vhost.exchange("x")
    assert isinstance(exchange, Delayed)
    return exchange.messages_delayed()


# Timers


@pytest.mark.parametrize("order", ["any", "soonest first", "soonest last"])
def test_however_many_messages_are_delayed_there_are_a_few_timers(
    broker: MemoryBroker, vhost: VirtualHost, order: str
):
    make(vhost)
    before = broker.broker.timers.size()
    delays = [random.Random(3).randrange(1000, 10**9) for _ in range(20_000)]
    if order != "any":
        delays.sort(reverse=order == "soonest last")
    for delay_ms in delays:
        publish(vhost, b"", delay_ms)
    assert count(vhost) == 20_000
    assert broker.broker.timers.size() - before <= 200


class TickingClock(Clock):
    """Time goes on a little whenever somebody looks."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        self.now_s += 0.000001
        return self.now_s

    def unix_s(self) -> float:
        return 1_700_000_000 + self.now_s


def test_many_messages_that_are_due_together_leave_turns_to_others():
    clock = TickingClock()
    timers, events = Timers(clock), Events()
    vhost = VirtualHost("/", Storage(events), timers, events)
    make(vhost)
    for _ in range(5 * ROUTED_AT_ONCE_MESSAGES):
        publish(vhost, b"", 1000)
    clock.now_s += 2
    turns: list[int] = []
    while count(vhost):
        timers.run_due()
        turns.append(vhost.queue("q").ready())
    assert len(turns) >= 5
    assert max(now - before for before, now in zip([0, *turns], turns, strict=False)) <= (
        ROUTED_AT_ONCE_MESSAGES
    )


def test_nothing_is_left_to_be_done_when_nothing_is_delayed_any_more(
    broker: MemoryBroker, vhost: VirtualHost
):
    make(vhost)
    for delay_ms in (5, 5000, 500_000):
        publish(vhost, b"", delay_ms)
    broker.advance(500)
    assert count(vhost) == 0
    assert broker.broker.timers.next_due_s() is None


# Out of memory and back


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("persistent", [True, False])
def test_they_come_in_order_whether_memory_has_room_for_them_or_not(durable: bool, persistent: bool):
    broker = DurableBroker(segment_bytes=20_000, memory_bytes=4000)
    vhost = broker.broker.vhosts["/"]
    make(vhost, durable=durable)
    numbers = random.Random(7)
    delays = [numbers.randrange(1, 10**7) for _ in range(800)]
    for number, delay_ms in enumerate(delays):
        publish(vhost, b"%d" % delay_ms, delay_ms, persistent=persistent)
        if number % 50 == 0:
            broker.flush()
    broker.flush()
    publish(vhost, b"one more", 10**7 + 1, persistent=persistent)
    assert paged(vhost) > 500
    broker.advance(4000)
    assert drained(vhost) == [b"%d" % delay_ms for delay_ms in sorted(delays) if delay_ms <= 4_000_000]
    broker.advance(7000)
    wanted = [b"%d" % delay_ms for delay_ms in sorted(delays) if delay_ms > 4_000_000]
    assert drained(vhost) == [*wanted, b"one more"]
    assert count(vhost) == 0


def test_what_was_paged_is_released_with_its_exchange():
    broker = DurableBroker(segment_bytes=20_000, memory_bytes=4000)
    vhost = broker.broker.vhosts["/"]
    make(vhost)
    for number in range(800):
        publish(vhost, bytes(100), 10_000 - number)
    assert paged(vhost) > 500
    vhost.delete_exchange("x", False)
    spill = broker.broker.storage.spill
    assert spill is not None
    assert spill.log.sizes()[1] == 0
    broker.advance(100)
    assert drained(vhost) == []


def test_what_can_not_be_read_is_told_and_tried_again():
    files = FailingFiles(MemoryFiles())
    broker = DurableBroker(files, segment_bytes=20_000, memory_bytes=4000)
    vhost = broker.broker.vhosts["/"]
    make(vhost, durable=True)
    for number in range(300):
        publish(vhost, b"%03d" % number, 1000 + number, persistent=True)
        broker.flush()
    assert paged(vhost)
    files.break_with(errno.EIO)
    broker.advance(2)
    files.mend()
    assert "messages can't be read from disk" in broker.events.sentences()
    found = drained(vhost)
    assert len(found) < 300
    broker.advance(20)
    assert [*found, *drained(vhost)] == [b"%03d" % number for number in range(300)]


# Over restarts

STEP = st.one_of(
    st.tuples(st.just("publish"), st.lists(st.integers(1, 100_000), min_size=1, max_size=30)),
    st.tuples(st.just("advance"), st.integers(1, 60_000)),
    st.tuples(st.sampled_from(["flush", "restart", "kill", "power"]), st.just(0)),
)


class Model:
    """What must be delayed, and what must have come, each once and in order."""

    def __init__(self) -> None:
        self.broker = DurableBroker(segment_bytes=4000, memory_bytes=3000)
        self.now_ms = 0
        self.number = 0
        self.waiting: list[tuple[int, int]] = []
        make(self.vhost, durable=True)

    @property
    def vhost(self) -> VirtualHost:
        return self.broker.broker.vhosts["/"]

    def step(self, action: str, value: Any) -> None:
        if action == "publish":
            for delay_ms in value:
                self.number += 1
                body = b"%d" % self.number
                publish(self.vhost, body, delay_ms, persistent=self.number % 2 == 0)
                self.waiting.append((self.now_ms + delay_ms, self.number))
        elif action == "advance":
            self.now_ms += value
            self.broker.advance(value / 1000)
            self.check()
        else:
            self.broker.flush()
            if action != "flush":
                self.end(action)

    def end(self, action: str) -> None:
        """The next broker begins at the moment when this one ends."""
        unix_s = self.broker.clock.unix_s()
        with patch("amqpd.testing.memory.FakeClock", lambda: FakeClock(unix_s)):
            if action == "restart":
                self.broker = self.broker.restart()
            else:
                self.broker = self.broker.kill() if action == "kill" else self.broker.lose_power(1)

    def check(self) -> None:
        due = sorted(each for each in self.waiting if each[0] <= self.now_ms)
        self.waiting = [each for each in self.waiting if each[0] > self.now_ms]
        found = [int(body) for body in drained(self.vhost)]
        assert sorted(found) == sorted(number for _due_ms, number in due)
        moments = {number: due_ms for due_ms, number in due}
        assert [moments[number] for number in found] == [due_ms for due_ms, _number in due]
        assert count(self.vhost) == len(self.waiting)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEP, max_size=20))
@example([("publish", [1] * 30), ("restart", 0), ("publish", [1] * 30), ("advance", 1)])
@example([("publish", [1]), ("kill", 0), ("publish", [1]), ("advance", 1)])
def test_each_comes_once_and_in_order_whatever_happens_meanwhile(steps: list[tuple[str, Any]]):
    model = Model()
    for action, value in steps:
        model.step(action, value)
    model.step("advance", 200_000)


def test_a_log_with_many_delayed_messages_gets_short_again():
    model = Model()
    numbers = random.Random(11)
    for _ in range(60):
        model.step("publish", [numbers.randrange(1, 100_000) for _ in range(20)])
        model.step("flush", 0)
        model.step("advance", 2000)
    model.step("kill", 0)
    model.step("advance", 200_000)
    for _ in range(30):
        model.broker.flush()
    log_bytes, live_bytes = model.broker.journal.log.sizes()
    assert live_bytes == 0
    assert log_bytes < 20_000


def test_messages_at_the_same_place_of_two_lives_of_the_broker_are_both_kept():
    """A new broker counts anew, and the same moment comes again where the clock was set back."""
    broker = DurableBroker()
    make(broker.broker.vhosts["/"], durable=True)
    for life in range(3):
        for number in range(2):
            publish(broker.broker.vhosts["/"], b"%d%d" % (life, number), 5000, persistent=True)
        broker = broker.restart()
    broker.advance(6)
    found = drained(broker.broker.vhosts["/"])
    assert sorted(found) == [b"00", b"01", b"10", b"11", b"20", b"21"]


def test_publishers_are_asked_to_wait_while_more_is_due_than_can_be_routed():
    clock = TickingClock()
    timers, events = Timers(clock), Events()
    vhost = VirtualHost("/", Storage(events), timers, events)
    make(vhost)
    for _ in range(ROUTED_AT_ONCE_MESSAGES // 2 + 1):
        publish(vhost, b"", 1000)
    exchange = vhost.exchange("x")
    assert isinstance(exchange, Delayed) and exchange.delayed is not None
    before, late, after = [], [], []
    for answers, step in ((before, 2.0), (late, 0.0), (after, 0.0)):
        answers.append(exchange.delayed.publish(delayed_message(b"", 3_600_000)) & BEHIND)
        clock.now_s += step
        timers.run_due()
    assert (before, late, after) == ([0], [BEHIND], [0])
