"""Queues with priorities (x-max-priority): order, places, and what dies first (RabbitMQ 3.10's, observed)."""

import random

import pytest

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import REFUSED, Owner, Queue
from amqpd.broker.unacked import Delivery
from amqpd.broker.vhost import VirtualHost
from amqpd.message import EXPIRES
from amqpd.testing import MemoryBroker
from amqpd.testing.sink import ListSink, message_of
from amqpd.wire.fields import table_of
from amqpd.wire.properties import Properties


def declare(vhost: VirtualHost, max_priority: int = 5, **arguments: object) -> Queue:
    """Underscores in the arguments' names stand for hyphens."""
    arguments = {"max_priority": max_priority, **arguments}
    table = table_of({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    return vhost.declare_queue(QueueDeclared("q", False, False, None, table), Owner())


def publish(queue: Queue, body: str, priority: int | None = None, expiration: str | None = None) -> int:
    message = message_of(body.encode(), Properties(priority=priority, expiration=expiration))
    if expiration is not None:
        message.flags |= EXPIRES
    return int(queue.publish(message))


def publish_all(queue: Queue, *priorities: int) -> None:
    """One message of each, with its priority as body."""
    for priority in priorities:
        publish(queue, str(priority), priority)


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


def test_higher_priorities_come_first_and_what_has_none_is_of_priority_zero(vhost: VirtualHost):
    queue = declare(vhost)
    publish(queue, "none")
    publish_all(queue, 1, 5, 3, 0)
    assert taken(queue) == ["5", "3", "1", "none", "0"]


def test_messages_of_one_priority_keep_their_order(vhost: VirtualHost):
    queue = declare(vhost)
    for number in range(30):
        publish(queue, f"{number % 3}/{number:02}", number % 3)
    bodies = taken(queue)
    assert [body[0] for body in bodies] == ["2"] * 10 + ["1"] * 10 + ["0"] * 10
    assert all(bodies[start : start + 10] == sorted(bodies[start : start + 10]) for start in (0, 10, 20))


def test_a_priority_above_the_highest_is_the_highest(vhost: VirtualHost):
    queue = declare(vhost, 2)
    publish_all(queue, 2, 9, 1, 255)
    assert taken(queue) == ["2", "9", "255", "1"]


def test_a_queue_may_have_255_priorities(vhost: VirtualHost):
    queue = declare(vhost, 255)
    priorities = list(range(256))
    random.Random(7).shuffle(priorities)
    publish_all(queue, *priorities)
    assert taken(queue) == [str(priority) for priority in range(255, -1, -1)]


def test_a_highest_priority_of_zero_makes_all_equal(vhost: VirtualHost):
    queue = declare(vhost, 0)
    publish_all(queue, 0, 5, 1)
    assert taken(queue) == ["0", "5", "1"]


def test_a_requeued_message_returns_to_its_place_among_its_equals(vhost: VirtualHost):
    queue = declare(vhost)
    for body, priority in (("1a", 1), ("1b", 1), ("0a", 0)):
        publish(queue, body, priority)
    first = take(queue)
    publish(queue, "2a", 2)
    publish(queue, "1c", 1)
    queue.requeue([first])
    assert taken(queue) == ["2a", "1a", "1b", "1c", "0a"]


def test_messages_of_several_priorities_come_back_in_any_order_to_their_places(vhost: VirtualHost):
    queue = declare(vhost)
    for number in range(12):
        publish(queue, f"{number % 4}{number:02}", number % 4)
    held = [take(queue) for _ in range(12)]
    random.Random(3).shuffle(held)
    for delivery in held:
        queue.requeue([delivery])
    bodies = taken(queue)
    assert bodies == sorted(bodies, key=lambda body: (-int(body[0]), body[1:]))


def test_a_consumer_with_credit_gets_a_message_at_once_whatever_its_priority(vhost: VirtualHost):
    queue = declare(vhost)
    sink = ListSink()
    queue.add_consumer(Consumer("t", queue, sink, False, False, 0, {}))
    publish_all(queue, 0, 5, 1)
    assert sink.bodies() == [b"0", b"5", b"1"]


def test_a_consumer_that_gets_credit_gets_the_highest_that_waits(vhost: VirtualHost):
    queue = declare(vhost)
    sink = ListSink()
    queue.add_consumer(Consumer("t", queue, sink, False, False, 1, {}))
    publish_all(queue, 0, 1, 5)
    for _ in range(2):
        last = sink.delivered[-1]
        queue.settle(last.message, last.position)
        last.consumer.unacked -= 1
        last.consumer.resume()
    assert sink.bodies() == [b"0", b"5", b"1"]


def test_a_full_queue_drops_what_would_be_delivered_next(vhost: VirtualHost):
    """Observed: the head is the first message of the highest priority, the newest as it may be."""
    queue = declare(vhost, max_length=2)
    publish(queue, "0a", 0)
    publish(queue, "0b", 0)
    publish(queue, "2", 2)
    assert taken(queue) == ["0a", "0b"]


def test_a_full_queue_refuses_a_message_whatever_its_priority(vhost: VirtualHost):
    queue = declare(vhost, max_length=1, overflow="reject-publish")
    publish(queue, "0", 0)
    assert publish(queue, "5", 5) == REFUSED
    assert taken(queue) == ["0"]


def test_octets_of_all_priorities_count_together(vhost: VirtualHost):
    queue = declare(vhost, max_length_bytes=10)
    publish(queue, "aaaa", 0)
    publish(queue, "bbbb", 3)
    publish(queue, "cc", 1)
    assert queue.ready() == 3
    publish(queue, "d", 0)
    assert taken(queue) == ["cc", "aaaa", "d"]


def test_a_message_behind_one_of_higher_priority_expires_when_it_becomes_the_first(
    broker: MemoryBroker, vhost: VirtualHost
):
    queue = declare(vhost)
    publish(queue, "low", 0, "50")
    publish(queue, "high", 2)
    broker.advance(1)
    assert queue.ready() == 2
    assert taken(queue) == ["high"]


def test_a_message_that_steps_in_front_expires_in_time(broker: MemoryBroker, vhost: VirtualHost):
    """RabbitMQ 3.10 sets no timer for it, so that it delivers what has expired long since: here it is not."""
    queue = declare(vhost)
    publish(queue, "low", 0)
    publish(queue, "high", 2, "50")
    broker.advance(0.05)
    assert taken(queue) == ["low"]


def test_messages_of_all_priorities_expire_the_highest_first(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost, message_ttl=100, dead_letter_exchange="", dead_letter_routing_key="dead")
    dead = vhost.declare_queue(QueueDeclared("dead", False, False, None, {}), Owner())
    publish_all(queue, 0, 1, 2)
    broker.advance(0.1)
    assert (queue.ready(), taken(dead)) == (0, ["2", "1", "0"])


def test_a_purge_takes_all_priorities_and_leaves_what_clients_hold(vhost: VirtualHost):
    queue = declare(vhost)
    publish_all(queue, 0, 3, 5, 1)
    first = take(queue)
    assert queue.purge() == 3
    assert (queue.ready(), queue.unacked) == (0, 1)
    publish_all(queue, 1)
    queue.requeue([first])
    assert taken(queue) == ["5", "1"]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_next_message_is_the_oldest_of_the_highest_priority(
    vhost: VirtualHost, seed: int
):
    chance = random.Random(seed)
    queue = declare(vhost, 9)
    waiting: set[tuple[int, int]] = set()
    held: list[Delivery] = []
    for number in range(500):
        if chance.random() < 0.5:
            priority = chance.randrange(10)
            publish(queue, f"{priority} {number}", priority)
            waiting.add((-priority, number))
        elif held and chance.random() < 0.5:
            delivery = held.pop(chance.randrange(len(held)))
            priority, old = map(int, delivery.message.body().split())
            queue.requeue([delivery])
            waiting.add((-priority, old))
        elif waiting:
            held.append(take(queue))
            priority, old = map(int, held[-1].message.body().split())
            assert (-priority, old) == min(waiting)
            waiting.remove((-priority, old))
        assert (queue.ready(), queue.unacked) == (len(waiting), len(held))
