"""Queues that may be full: by messages and by octets, and what they do about it (RabbitMQ 3.10's, observed)."""

import pytest

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.classic import DEAD_AT_ONCE
from amqpd.broker.queues.queue import REFUSED, TAKEN, Owner, Queue
from amqpd.broker.unacked import Delivery
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Clock, Timers
from amqpd.testing import MemoryBroker
from amqpd.testing.sink import ListSink, message_of
from amqpd.wire.fields import table_of

REFUSING = ["reject-publish", "reject-publish-dlx"]


def declare(vhost: VirtualHost, name: str = "q", **arguments: object) -> Queue:
    """Underscores in the arguments' names stand for hyphens."""
    table = table_of({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    return vhost.declare_queue(QueueDeclared(name, False, False, None, table), Owner())


def publish(queue: Queue, *bodies: str) -> list[int]:
    """What the queue said to each."""
    return [int(queue.publish(message_of(body.encode()))) for body in bodies]


def take(queue: Queue) -> Delivery:
    found = queue.get()
    assert found is not None
    return Delivery(queue, found[0], found[1], None)


def taken(queue: Queue) -> list[str]:
    bodies: list[str] = []
    while (found := queue.get()) is not None:
        queue.settle(found[0], found[1])
        bodies.append(found[0].body().decode())
    return bodies


def consume(queue: Queue, prefetch_count: int = 0) -> ListSink:
    sink = ListSink()
    queue.add_consumer(Consumer("t", queue, sink, False, False, prefetch_count, {}))
    return sink


# The oldest goes


def test_the_oldest_goes_when_there_are_too_many(vhost: VirtualHost):
    queue = declare(vhost, max_length=2)
    assert publish(queue, *"1234") == [TAKEN] * 4
    assert taken(queue) == ["3", "4"]


def test_a_queue_that_may_hold_nothing_passes_on_to_who_waits(vhost: VirtualHost):
    queue = declare(vhost, max_length=0)
    publish(queue, "1")
    assert queue.ready() == 0
    sink = consume(queue)
    publish(queue, "2")
    assert sink.bodies() == [b"2"]


def test_octets_are_those_of_bodies_alone(vhost: VirtualHost):
    queue = declare(vhost, max_length_bytes=10)
    publish(queue, "aaaaa", "bbbbb")
    assert queue.ready() == 2
    publish(queue, "")
    assert queue.ready() == 3
    publish(queue, "c")
    assert taken(queue) == ["bbbbb", "", "c"]


def test_as_many_of_the_oldest_go_as_a_large_message_needs(vhost: VirtualHost):
    queue = declare(vhost, max_length_bytes=10)
    publish(queue, "aa", "bb", "cc", "dddddddd")
    assert taken(queue) == ["cc", "dddddddd"]


def test_a_message_larger_than_the_limit_goes_itself_after_all_others(vhost: VirtualHost):
    queue = declare(vhost, max_length_bytes=10)
    publish(queue, "a", "b" * 11)
    assert taken(queue) == []


def test_both_limits_hold(vhost: VirtualHost):
    queue = declare(vhost, max_length=3, max_length_bytes=10)
    publish(queue, "1", "2", "3", "4")
    assert queue.ready() == 3
    publish(queue, "5" * 9)
    assert taken(queue) == ["4", "5" * 9]


def test_what_is_in_a_clients_hands_does_not_count(vhost: VirtualHost):
    queue = declare(vhost, max_length=1, max_length_bytes=4)
    publish(queue, "1111")
    take(queue)
    publish(queue, "2222")
    assert (queue.unacked, taken(queue)) == (1, ["2222"])


def test_what_comes_back_to_a_full_queue_pushes_the_oldest_out_which_may_be_itself(vhost: VirtualHost):
    queue = declare(vhost, max_length=1)
    publish(queue, "1")
    first = take(queue)
    publish(queue, "2")
    queue.requeue([first])
    assert (queue.unacked, taken(queue)) == (0, ["2"])


def test_of_what_a_consumer_gives_back_only_as_much_as_may_be_there_goes_out_again(vhost: VirtualHost):
    queue = declare(vhost, max_length=1)
    sink = ListSink()
    consumer = Consumer("t", queue, sink, False, False, 2, {})
    queue.add_consumer(consumer)
    publish(queue, "1", "2")
    assert sink.bodies() == [b"1", b"2"]
    waiting = consume(queue)
    queue.requeue([each.delivery() for each in sink.delivered])
    assert waiting.bodies() == [b"2"]


def test_octets_are_counted_right_whatever_happens_to_messages(vhost: VirtualHost):
    queue = declare(vhost, max_length_bytes=10)
    publish(queue, "aaaa", "bbb", "cc")
    first, second = take(queue), take(queue)
    queue.settle(first.message, first.position)
    queue.requeue([second])
    queue.purge()
    publish(queue, "ddddd", "eeeee")
    assert queue.ready() == 2
    publish(queue, "f")
    assert taken(queue) == ["eeeee", "f"]


# The newest is refused


@pytest.mark.parametrize("overflow", REFUSING)
def test_a_full_queue_refuses_what_comes(vhost: VirtualHost, overflow: str):
    queue = declare(vhost, max_length=2, overflow=overflow)
    assert publish(queue, *"1234") == [TAKEN, TAKEN, REFUSED, REFUSED]
    assert taken(queue) == ["1", "2"]
    assert publish(queue, "5") == [TAKEN]


@pytest.mark.parametrize("overflow", REFUSING)
def test_a_message_that_would_be_too_many_octets_is_refused_and_a_smaller_one_is_not(
    vhost: VirtualHost, overflow: str
):
    queue = declare(vhost, max_length_bytes=10, overflow=overflow)
    assert publish(queue, "12345678", "123", "12", "", "1") == [TAKEN, REFUSED, TAKEN, TAKEN, REFUSED]


@pytest.mark.parametrize("overflow", REFUSING)
@pytest.mark.parametrize("limit", [{"max_length": 0}, {"max_length_bytes": 0}])
def test_a_queue_that_may_hold_nothing_refuses_also_what_somebody_waits_for(
    vhost: VirtualHost, overflow: str, limit: dict[str, int]
):
    """RabbitMQ asks whether there is room before it looks for a consumer."""
    queue = declare(vhost, overflow=overflow, **limit)
    sink = consume(queue)
    assert publish(queue, "1") == [REFUSED]
    assert sink.bodies() == []


@pytest.mark.parametrize("overflow", REFUSING)
def test_what_comes_back_has_its_place_also_in_a_full_queue_that_refuses(vhost: VirtualHost, overflow: str):
    queue = declare(vhost, max_length=1, overflow=overflow)
    publish(queue, "1")
    first = take(queue)
    publish(queue, "2")
    queue.requeue([first])
    assert publish(queue, "3") == [REFUSED]
    assert taken(queue) == ["1", "2"]


@pytest.mark.parametrize("overflow", REFUSING)
def test_what_has_expired_does_not_keep_others_out(broker: MemoryBroker, vhost: VirtualHost, overflow: str):
    queue = declare(vhost, max_length=1, overflow=overflow, message_ttl=100)
    publish(queue, "1")
    broker.advance(0.1)
    assert publish(queue, "2") == [TAKEN]


# Policies


def test_a_limit_that_comes_later_lets_the_oldest_go_at_once(vhost: VirtualHost):
    queue = declare(vhost)
    publish(queue, *"12345")
    queue.apply_policy({"max-length": 2})
    assert taken(queue) == ["4", "5"]


@pytest.mark.parametrize("overflow", REFUSING)
def test_a_limit_that_comes_later_to_a_queue_that_refuses_leaves_what_is_there(
    vhost: VirtualHost, overflow: str
):
    queue = declare(vhost, overflow=overflow)
    publish(queue, *"12345")
    queue.apply_policy({"max-length": 2})
    assert publish(queue, "6") == [REFUSED]
    assert taken(queue) == list("12345")


def test_a_queue_that_begins_to_drop_the_oldest_does_so_at_once(vhost: VirtualHost):
    queue = declare(vhost, max_length=2)
    queue.apply_policy({"overflow": "reject-publish"})
    publish(queue, "1", "2")
    first = take(queue)
    publish(queue, "3")
    queue.requeue([first])
    assert queue.ready() == 3
    queue.apply_policy(None)
    assert taken(queue) == ["2", "3"]


class TickingClock(Clock):
    """Real clocks go on while something runs: this one does at every look."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        self.now_s += 1e-9
        return self.now_s

    def unix_s(self) -> float:
        return 1_700_000_000 + self.monotonic_s()


def test_a_limit_that_comes_later_is_reached_in_turns_if_it_is_far(broker: MemoryBroker):
    timers = Timers(TickingClock())
    vhost = VirtualHost("/", broker.broker.storage, timers, broker.events)
    queue = declare(vhost)
    publish(queue, *map(str, range(3 * DEAD_AT_ONCE + 2)))
    queue.apply_policy({"max-length": 2})
    sizes = [queue.ready()]
    publish(queue, "newest")
    while timers.waiting():
        timers.run_due()
        sizes.append(queue.ready())
    assert sizes == [2 * DEAD_AT_ONCE + 2, 3, 2]
    assert taken(queue) == [str(3 * DEAD_AT_ONCE + 1), "newest"]


def test_a_queue_that_is_deleted_meanwhile_leaves_no_timer(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    before = broker.broker.timers.waiting()
    publish(queue, *["m"] * (2 * DEAD_AT_ONCE))
    queue.apply_policy({"max-length": 0})
    vhost.delete_queue(queue)
    assert broker.broker.timers.waiting() == before


def test_the_smaller_limit_of_argument_and_policy_counts(vhost: VirtualHost):
    queue = declare(vhost, max_length=2)
    queue.apply_policy({"max-length": 5})
    publish(queue, *"1234")
    assert queue.ready() == 2
    queue.apply_policy({"max-length": 1})
    assert queue.ready() == 1


def test_without_its_policy_a_queue_has_no_limit(vhost: VirtualHost):
    queue = declare(vhost)
    queue.apply_policy({"max-length": 1, "max-length-bytes": 1})
    queue.apply_policy(None)
    publish(queue, *"1234")
    assert queue.ready() == 4
