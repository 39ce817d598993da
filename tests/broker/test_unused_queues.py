"""Queues that end when nobody has used them for a while (x-expires; RabbitMQ 3.10's, observed)."""

import pytest

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.testing import MemoryBroker
from amqpd.testing.sink import ListSink, message_of
from amqpd.wire.fields import Table, table_of

TEN_SECONDS: Table = table_of({"x-expires": 10_000})


def declare(vhost: VirtualHost, arguments: Table = TEN_SECONDS) -> Queue:
    return vhost.declare_queue(QueueDeclared("q", False, False, None, arguments), Owner())


def consume(queue: Queue) -> Consumer:
    consumer = Consumer("t", queue, ListSink(), False, False, 0, {})
    queue.add_consumer(consumer)
    return consumer


@pytest.mark.parametrize(("elapsed_s", "is_there"), [(9.999, True), (10.0, False)])
def test_a_queue_that_nobody_uses_ends_after_its_time(
    broker: MemoryBroker, vhost: VirtualHost, elapsed_s: float, is_there: bool
):
    declare(vhost)
    broker.advance(elapsed_s)
    assert ("q" in vhost.queues) == is_there


def test_it_ends_with_the_messages_it_has(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    queue.publish(message_of(b"m"))
    broker.advance(10)
    assert (queue.deleted, queue.ready(), vhost.queues) == (True, 0, {})


def test_messages_that_come_are_no_use_of_it(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    for _ in range(4):
        broker.advance(3)
        queue.publish(message_of(b"m"))
    assert "q" not in vhost.queues


@pytest.mark.parametrize("use", ["purge", "bind"])
def test_there_are_uses_that_do_not_keep_it(broker: MemoryBroker, vhost: VirtualHost, use: str):
    queue = declare(vhost)
    broker.advance(6)
    if use == "purge":
        queue.purge()
    else:
        vhost.bind("amq.direct", queue, "k", {})
    broker.advance(6)
    assert "q" not in vhost.queues


def test_getting_keeps_it_also_when_it_is_empty(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    for _ in range(5):
        broker.advance(6)
        assert queue.get() is None
    assert "q" in vhost.queues
    broker.advance(10)
    assert "q" not in vhost.queues


def test_it_does_not_end_while_it_has_a_consumer(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    consume(queue)
    broker.advance(3600)
    assert "q" in vhost.queues


def test_its_time_begins_when_its_last_consumer_leaves(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    first, second = consume(queue), consume(queue)
    broker.advance(100)
    queue.remove_consumer(first)
    broker.advance(100)
    queue.remove_consumer(second)
    broker.advance(9.9)
    assert "q" in vhost.queues
    broker.advance(0.1)
    assert "q" not in vhost.queues


def test_a_queue_that_ends_cannot_end_again(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    vhost.delete_queue(queue)
    declare(vhost, {})
    broker.advance(60)
    assert "q" in vhost.queues


def test_a_queue_of_the_same_name_has_its_own_time(broker: MemoryBroker, vhost: VirtualHost):
    vhost.delete_queue(declare(vhost))
    broker.advance(5)
    declare(vhost)
    broker.advance(9)
    assert "q" in vhost.queues
    broker.advance(1)
    assert "q" not in vhost.queues


def test_a_policy_can_end_a_queue(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost, {})
    broker.advance(60)
    queue.apply_policy({"expires": 5000})
    broker.advance(4.9)
    assert "q" in vhost.queues
    broker.advance(0.1)
    assert "q" not in vhost.queues


def test_a_policy_that_shortens_the_time_is_followed_from_then_on(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    broker.advance(6)
    queue.apply_policy({"expires": 1000})
    broker.advance(0.9)
    assert "q" in vhost.queues
    broker.advance(0.1)
    assert "q" not in vhost.queues


def test_a_policy_cannot_lengthen_what_the_argument_says(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    queue.apply_policy({"expires": 60_000})
    broker.advance(10)
    assert "q" not in vhost.queues


def test_a_queue_whose_policy_is_lifted_stays(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost, {})
    queue.apply_policy({"expires": 5000})
    queue.apply_policy(None)
    broker.advance(3600)
    assert "q" in vhost.queues


def test_use_costs_no_timer(broker: MemoryBroker, vhost: VirtualHost):
    queue = declare(vhost)
    before = broker.broker.timers.waiting()
    for _ in range(1000):
        queue.get()
        queue.remove_consumer(consume(queue))
    assert broker.broker.timers.waiting() == before
