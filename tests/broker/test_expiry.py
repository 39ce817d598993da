"""When messages expire: the queue's time to live, their own, and what a policy changes (RabbitMQ 3.10's, observed)."""

import pytest

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.classic import DEAD_AT_ONCE, DEAD_AT_ONCE_BYTES, ClassicQueue
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.unacked import Delivery
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Clock, Timers
from amqpd.message import EXPIRES, Message
from amqpd.testing import FakeClock, MemoryBroker
from amqpd.testing.sink import ListSink, message_of
from amqpd.wire.fields import table_of
from amqpd.wire.properties import Properties


def declare(vhost: VirtualHost, name: str = "q", **arguments: object) -> Queue:
    """Underscores in the arguments' names stand for hyphens."""
    table = table_of({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    return vhost.declare_queue(QueueDeclared(name, False, False, None, table), Owner())


def expiring(body: str, expiration: str) -> Message:
    message = message_of(body.encode(), Properties(expiration=expiration))
    message.flags |= EXPIRES
    return message


def publish(queue: Queue, *bodies: str, expiration: str | None = None) -> None:
    for body in bodies:
        queue.publish(message_of(body.encode()) if expiration is None else expiring(body, expiration))


def taken(queue: Queue) -> list[str]:
    """The bodies of all that can be got now."""
    bodies: list[str] = []
    while (found := queue.get()) is not None:
        queue.settle(found[0], found[1])
        bodies.append(found[0].body().decode())
    return bodies


def consume(queue: Queue, prefetch_count: int = 0) -> ListSink:
    sink = ListSink()
    queue.add_consumer(Consumer("t", queue, sink, False, False, prefetch_count, {}))
    return sink


# How long


@pytest.mark.parametrize(("elapsed_s", "left"), [(0.999, 1), (1.0, 0)])
def test_a_message_lives_as_long_as_its_queue_says(
    broker: MemoryBroker, vhost: VirtualHost, elapsed_s: float, left: int
):
    queue = declare(vhost, message_ttl=1000)
    publish(queue, "m")
    broker.advance(elapsed_s)
    assert queue.ready() == left


@pytest.mark.parametrize(("elapsed_s", "left"), [(0.999, 1), (1.0, 0)])
def test_a_message_lives_as_long_as_it_says_itself(
    broker: MemoryBroker, vhost: VirtualHost, elapsed_s: float, left: int
):
    queue = declare(vhost)
    publish(queue, "m", expiration="1000")
    broker.advance(elapsed_s)
    assert queue.ready() == left


@pytest.mark.parametrize(("of_queue", "of_message"), [(100, "5000"), (5000, "100")])
def test_the_shorter_time_of_queue_and_message_counts(
    broker: MemoryBroker, vhost: VirtualHost, of_queue: int, of_message: str
):
    queue = declare(vhost, message_ttl=of_queue)
    publish(queue, "m", expiration=of_message)
    broker.advance(0.099)
    assert queue.ready() == 1
    broker.advance(0.001)
    assert queue.ready() == 0


@pytest.mark.parametrize("expiration", [str(2**63), str(2**64), "9" * 40, "315360000000"])
def test_a_time_longer_than_anybodys_life_does_not_end(
    broker: MemoryBroker, vhost: VirtualHost, expiration: str
):
    queue = declare(vhost)
    publish(queue, "m", expiration=expiration)
    broker.advance(9 * 365 * 86400)
    assert queue.ready() == 1


def test_messages_expire_one_by_one_as_they_came(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost, message_ttl=1000)
    counts: list[int] = []
    for number in range(3):
        publish(queue, str(number))
        broker.advance(0.4)
    for _ in range(4):
        counts.append(queue.ready())
        broker.advance(0.4)
    assert counts == [2, 1, 0, 0]


def test_half_a_millisecond_does_not_matter_to_the_clock_but_a_message_never_goes_too_soon():
    clock = FakeClock(1_700_000_000.0004)
    broker = MemoryBroker()
    broker.clock = clock
    timers = Timers(clock)
    clock.drive(timers)
    vhost = VirtualHost("/", broker.broker.storage, timers, broker.events)
    queue = declare(vhost, message_ttl=100)
    publish(queue, "m")
    clock.advance(0.0995)
    assert queue.ready() == 1
    clock.advance(0.0015)
    assert queue.ready() == 0


# Only what is first


def test_a_message_behind_one_that_lives_longer_stays_and_counts(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    publish(queue, "long", expiration="60000")
    publish(queue, "short", expiration="50")
    broker.advance(1)
    assert queue.ready() == 2


def test_an_expired_message_goes_when_it_becomes_the_first(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    publish(queue, "long", expiration="60000")
    publish(queue, "short", expiration="50")
    broker.advance(1)
    assert queue.get() is not None
    assert queue.ready() == 0


def test_nobody_gets_an_expired_message_from_behind_one_that_lives(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    publish(queue, "lives")
    publish(queue, "expired", expiration="50")
    publish(queue, "lives, too")
    broker.advance(1)
    assert taken(queue) == ["lives", "lives, too"]


def test_a_message_without_an_end_holds_those_behind_it_and_nothing_else(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost)
    publish(queue, "1", expiration="50")
    publish(queue, "2")
    publish(queue, "3", expiration="50")
    broker.advance(1)
    assert queue.ready() == 2


def test_a_shorter_life_at_the_front_is_noticed_though_the_timer_was_set_for_a_longer_one(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost, message_ttl=60000)
    publish(queue, "long")
    first = queue.get()
    assert first is not None
    publish(queue, "short", expiration="50")
    broker.advance(0.05)
    assert queue.ready() == 0


# Zero


@pytest.mark.parametrize(("arguments", "expiration"), [({"message_ttl": 0}, None), ({}, "0")])
def test_a_message_that_may_not_wait_is_gone_at_once(
    vhost: VirtualHost, arguments: dict[str, object], expiration: str | None
):
    queue = declare(vhost, **arguments)
    publish(queue, "m", expiration=expiration)
    assert queue.ready() == 0


@pytest.mark.parametrize(("arguments", "expiration"), [({"message_ttl": 0}, None), ({}, "0")])
def test_a_message_that_may_not_wait_reaches_who_waits_for_it(
    vhost: VirtualHost, arguments: dict[str, object], expiration: str | None
):
    queue = declare(vhost, **arguments)
    sink = consume(queue)
    publish(queue, "m", expiration=expiration)
    assert sink.bodies() == [b"m"]


def test_a_message_that_may_not_wait_is_gone_also_behind_others(vhost: VirtualHost):
    queue = declare(vhost)
    publish(queue, "lives")
    queue.apply_policy({"message-ttl": 0})
    publish(queue, "may not wait")
    assert queue.ready() == 1


def test_a_message_that_may_not_wait_but_is_to_be_a_dead_letter_waits_behind_others(vhost: VirtualHost):
    queue = declare(vhost, dead_letter_exchange="")
    publish(queue, "lives")
    queue.apply_policy({"message-ttl": 0})
    publish(queue, "may not wait")
    assert queue.ready() == 2


# Deliveries


def test_what_is_in_a_clients_hands_does_not_expire(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost, message_ttl=100)
    publish(queue, "m")
    assert queue.get() is not None
    broker.advance(1)
    assert (queue.ready(), queue.unacked) == (0, 1)


def test_a_message_that_comes_back_late_has_expired(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost, message_ttl=100)
    publish(queue, "m")
    found = queue.get()
    assert found is not None
    broker.advance(1)
    queue.requeue([Delivery(queue, found[0], found[1], None)])
    assert (queue.ready(), queue.unacked) == (0, 0)


def test_a_message_that_comes_back_in_time_lives_as_long_as_if_it_had_not_been_away(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost, message_ttl=1000)
    publish(queue, "m")
    found = queue.get()
    assert found is not None
    broker.advance(0.6)
    queue.requeue([Delivery(queue, found[0], found[1], None)])
    broker.advance(0.399)
    assert queue.ready() == 1
    broker.advance(0.001)
    assert queue.ready() == 0


def test_a_consumer_gets_nothing_that_has_expired_while_it_had_no_credit(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost)
    sink = consume(queue, prefetch_count=1)
    publish(queue, "1")
    publish(queue, "2", expiration="50")
    publish(queue, "3")
    broker.advance(1)
    first = sink.delivered[0]
    queue.settle(first.message, first.position)
    first.consumer.unacked -= 1
    first.consumer.resume()
    assert sink.bodies() == [b"1", b"3"]


def test_nothing_expires_from_a_queue_that_was_purged_or_deleted(broker: MemoryBroker, vhost: VirtualHost):
    purged, deleted = declare(vhost, "purged", message_ttl=100), declare(vhost, "deleted", message_ttl=100)
    publish(purged, "m")
    publish(deleted, "m")
    assert purged.purge() == 1
    vhost.delete_queue(deleted)
    broker.advance(1)
    publish(purged, "m")
    assert purged.ready() == 1


# Policies


def test_a_policy_does_not_touch_what_is_there(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    publish(queue, "without an end")
    queue.apply_policy({"message-ttl": 100})
    broker.advance(10)
    assert queue.ready() == 1


def test_a_policy_is_for_what_comes_also_in_the_same_millisecond(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    publish(queue, "before")
    queue.apply_policy({"message-ttl": 100})
    publish(queue, "after")
    assert queue.get() is not None
    broker.advance(0.2)
    assert queue.ready() == 0


def test_what_came_under_a_policy_expires_as_it_said_then(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    queue.apply_policy({"message-ttl": 1000})
    publish(queue, "m")
    broker.advance(0.5)
    queue.apply_policy({"message-ttl": 100})
    broker.advance(0.4)
    assert queue.ready() == 1
    broker.advance(0.1)
    assert queue.ready() == 0


def test_what_comes_after_a_policy_was_lifted_has_no_end(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    queue.apply_policy({"message-ttl": 600})
    publish(queue, "old")
    queue.apply_policy(None)
    publish(queue, "new")
    broker.advance(60)
    assert taken(queue) == ["new"]


def test_each_message_keeps_what_was_in_force_when_it_came_however_often_that_changes(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost)
    for number, ttl_ms in enumerate((1000, None, 3000, 2000, None, 4000)):
        queue.apply_policy(None if ttl_ms is None else {"message-ttl": ttl_ms})
        publish(queue, str(number))
        broker.advance(0.01)
    sizes: list[int] = []
    for _ in range(6):
        broker.advance(1)
        sizes.append(queue.ready())
    assert sizes == [5] * 6
    assert taken(queue) == ["1", "4"]


def test_messages_in_clients_hands_keep_what_was_in_force_when_they_came(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost)
    publish(queue, "without an end")
    found = queue.get()
    assert found is not None
    queue.apply_policy({"message-ttl": 100})
    broker.advance(10)
    queue.requeue([Delivery(queue, found[0], found[1], None)])
    broker.advance(10)
    assert queue.ready() == 1


def test_an_argument_and_a_policy_together_are_the_shorter_of_both(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost, message_ttl=500)
    queue.apply_policy({"message-ttl": 1000})
    publish(queue, "m")
    broker.advance(0.5)
    assert queue.ready() == 0
    queue.apply_policy({"message-ttl": 100})
    publish(queue, "m")
    broker.advance(0.1)
    assert queue.ready() == 0


def test_what_was_in_force_is_forgotten_when_no_message_of_that_time_is_left(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost)
    assert isinstance(queue, ClassicQueue)
    for _ in range(100):
        queue.apply_policy({"message-ttl": 100})
        publish(queue, "m")
        queue.apply_policy(None)
        broker.advance(1)
    assert queue.expiry.changes == []
    publish(queue, "m")
    broker.advance(1)
    assert queue.ready() == 1


# Many at once


class TickingClock(Clock):
    """Real clocks go on while something runs: this one does at every look."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        self.now_s += 1e-9
        return self.now_s

    def unix_s(self) -> float:
        return 1_700_000_000 + self.monotonic_s()


def test_many_that_expire_together_go_in_turns(broker: MemoryBroker):
    clock = TickingClock()
    timers = Timers(clock)
    vhost = VirtualHost("/", broker.broker.storage, timers, broker.events)
    queue = declare(vhost, message_ttl=1000)
    publish(queue, *["m"] * (5 * DEAD_AT_ONCE))
    clock.now_s += 2
    sizes: list[int] = []
    while queue.ready():
        assert timers.next_due_s() == pytest.approx(0)
        timers.run_due()
        sizes.append(queue.ready())
    assert sizes == [number * DEAD_AT_ONCE for number in (4, 3, 2, 1, 0)]
    assert timers.size() <= 1


def test_large_messages_that_expire_together_go_in_shorter_turns(broker: MemoryBroker):
    clock = TickingClock()
    timers = Timers(clock)
    vhost = VirtualHost("/", broker.broker.storage, timers, broker.events)
    queue = declare(vhost, message_ttl=1000)
    publish(queue, *["m" * (DEAD_AT_ONCE_BYTES // 2)] * 7)
    clock.now_s += 2
    sizes: list[int] = []
    while queue.ready():
        timers.run_due()
        sizes.append(queue.ready())
    assert sizes == [4, 1, 0]


def test_a_consumer_gets_what_lives_behind_many_that_expired_together(broker: MemoryBroker):
    clock = TickingClock()
    timers = Timers(clock)
    vhost = VirtualHost("/", broker.broker.storage, timers, broker.events)
    queue = declare(vhost)
    publish(queue, *["m"] * (3 * DEAD_AT_ONCE), expiration="1000")
    publish(queue, "lives")
    clock.now_s += 2
    sink = consume(queue)
    assert (sink.bodies(), queue.ready()) == ([], 2 * DEAD_AT_ONCE + 1)
    for _ in range(4):
        timers.run_due()
    assert sink.bodies() == [b"lives"]


def test_a_queue_keeps_one_timer_however_often_its_first_message_changes(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost)
    before = broker.broker.timers.size()
    for number in range(5000):
        publish(queue, "m", expiration=str(10_000_000 - number))
        found = queue.get()
        assert found is not None
        queue.settle(found[0], found[1])
    assert broker.broker.timers.size() - before < 300
