"""Queues that serve one consumer at a time (x-single-active-consumer; RabbitMQ 3.10's, observed)."""

import pytest

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.errors import AccessRefused
from amqpd.testing.sink import Delivered, ListSink, message_of
from amqpd.wire.fields import table_of


@pytest.fixture
def queue(vhost: VirtualHost) -> Queue:
    arguments = table_of({"x-single-active-consumer": True})
    return vhost.declare_queue(QueueDeclared("q", False, False, None, arguments), Owner())


@pytest.fixture
def sink() -> ListSink:
    return ListSink()


def consume(
    queue: Queue, sink: ListSink, tag: str, *, prefetch_count: int = 0, priority: int = 0
) -> Consumer:
    consumer = Consumer(tag, queue, sink, False, False, prefetch_count, {}, priority)
    queue.add_consumer(consumer)
    return consumer


def publish(queue: Queue, *bodies: str) -> None:
    for body in bodies:
        queue.publish(message_of(body.encode()))


def served(sink: ListSink) -> list[tuple[str, str]]:
    """Who got what."""
    return [(each.consumer.tag, each.message.body().decode()) for each in sink.delivered]


def test_the_first_consumer_gets_everything(queue: Queue, sink: ListSink):
    for tag in "abc":
        consume(queue, sink, tag)
    publish(queue, "1", "2", "3")
    assert served(sink) == [("a", "1"), ("a", "2"), ("a", "3")]


def test_what_waited_goes_to_the_first_consumer(queue: Queue, sink: ListSink):
    publish(queue, "1", "2")
    consume(queue, sink, "a")
    consume(queue, sink, "b")
    assert served(sink) == [("a", "1"), ("a", "2")]


def test_the_one_that_waited_longest_takes_over(queue: Queue, sink: ListSink):
    consumers = [consume(queue, sink, tag) for tag in "abc"]
    for number, consumer in enumerate(consumers):
        publish(queue, str(number))
        queue.remove_consumer(consumer)
    assert served(sink) == [("a", "0"), ("b", "1"), ("c", "2")]


def test_of_those_that_wait_the_one_with_the_highest_priority_takes_over(queue: Queue, sink: ListSink):
    consumers = {
        tag: consume(queue, sink, tag, priority=priority)
        for tag, priority in (("a", 0), ("b", 1), ("c", 5), ("d", 5), ("e", -1))
    }
    for tag in "acdbe":
        publish(queue, tag)
        queue.remove_consumer(consumers[tag])
    assert served(sink) == [(tag, tag) for tag in "acdbe"]


def test_a_consumer_of_higher_priority_that_comes_later_has_to_wait(queue: Queue, sink: ListSink):
    consume(queue, sink, "a")
    consume(queue, sink, "b", priority=10)
    publish(queue, "1")
    assert served(sink) == [("a", "1")]


def test_nobody_takes_over_from_one_that_has_no_credit(queue: Queue, sink: ListSink):
    active = consume(queue, sink, "a", prefetch_count=1)
    consume(queue, sink, "b")
    publish(queue, "1", "2")
    assert (served(sink), queue.ready()) == ([("a", "1")], 1)
    queue.settle(sink.delivered[0].message, sink.delivered[0].position)
    active.unacked -= 1
    active.resume()
    assert served(sink) == [("a", "1"), ("a", "2")]


def test_nobody_takes_over_from_one_whose_client_reads_too_slowly(queue: Queue, sink: ListSink):
    slow = ListSink()
    slow.room = False
    active = consume(queue, slow, "a")
    consume(queue, sink, "b").resume()
    publish(queue, "1")
    assert (served(slow), served(sink), queue.ready()) == ([], [], 1)
    slow.room = True
    active.resume()
    assert served(slow) == [("a", "1")]


def test_one_that_waits_may_leave(queue: Queue, sink: ListSink):
    active, waiting = consume(queue, sink, "a"), consume(queue, sink, "b")
    queue.remove_consumer(waiting)
    publish(queue, "1")
    queue.remove_consumer(active)
    publish(queue, "2")
    assert (served(sink), queue.ready()) == ([("a", "1")], 1)


def settle(queue: Queue, delivery: Delivered, *, requeue: bool = False) -> None:
    """What a channel does for basic.ack or basic.reject."""
    if requeue:
        queue.requeue([delivery.delivery()])
    else:
        queue.settle(delivery.message, delivery.position)
    delivery.consumer.unacked -= 1
    queue.left_settled(delivery.consumer)


def test_who_takes_over_gets_at_once_what_waits(queue: Queue, sink: ListSink):
    slow = ListSink()
    slow.room = False
    active = consume(queue, slow, "a")
    consume(queue, sink, "b")
    publish(queue, "1", "2")
    queue.remove_consumer(active)
    assert served(sink) == [("b", "1"), ("b", "2")]


@pytest.mark.parametrize("requeue", [True, False])
def test_who_takes_over_waits_until_its_predecessor_has_settled_everything(
    queue: Queue, sink: ListSink, requeue: bool
):
    """What comes back comes in its order (observed; RabbitMQ 3.10's queue fails if all is acknowledged)."""
    active = consume(queue, sink, "a", prefetch_count=2)
    consume(queue, sink, "b")
    publish(queue, "1", "2", "3")
    queue.remove_consumer(active)
    publish(queue, "4")
    assert served(sink) == [("a", "1"), ("a", "2")]
    held = list(sink.delivered)
    settle(queue, held[1], requeue=requeue)
    assert len(served(sink)) == 2
    settle(queue, held[0], requeue=requeue)
    expected = ["1", "2", "3", "4"] if requeue else ["3", "4"]
    assert served(sink)[2:] == [("b", body) for body in expected]


def test_everybody_who_was_active_has_to_settle_first(queue: Queue, sink: ListSink):
    consumers = [consume(queue, sink, tag, prefetch_count=1) for tag in "abc"]
    publish(queue, "1", "2", "3")
    queue.remove_consumer(consumers[0])
    queue.remove_consumer(consumers[1])
    assert served(sink) == [("a", "1")]
    settle(queue, sink.delivered[0], requeue=True)
    assert served(sink) == [("a", "1"), ("c", "1")]


def test_whoever_comes_does_not_wait_for_what_its_predecessor_has(queue: Queue, sink: ListSink):
    active = consume(queue, sink, "a", prefetch_count=1)
    publish(queue, "1", "2")
    queue.remove_consumer(active)
    consume(queue, sink, "b")
    assert served(sink) == [("a", "1"), ("b", "2")]


def test_whoever_comes_makes_the_one_begin_that_has_taken_over_and_waits(queue: Queue, sink: ListSink):
    active = consume(queue, sink, "a", prefetch_count=1)
    consume(queue, sink, "b")
    publish(queue, "1", "2")
    queue.remove_consumer(active)
    assert served(sink) == [("a", "1")]
    consume(queue, sink, "c")
    assert served(sink) == [("a", "1"), ("b", "2")]
    settle(queue, sink.delivered[0], requeue=True)
    assert served(sink) == [("a", "1"), ("b", "2"), ("b", "1")]


def test_who_takes_over_a_queue_without_ready_messages_need_not_wait(queue: Queue, sink: ListSink):
    """Observed: what comes now goes to it at once."""
    active = consume(queue, sink, "a")
    consume(queue, sink, "b")
    publish(queue, "1")
    queue.remove_consumer(active)
    publish(queue, "2")
    assert served(sink) == [("a", "1"), ("b", "2")]


def test_without_a_single_active_consumer_nobody_waits_for_who_has_left(vhost: VirtualHost, sink: ListSink):
    queue = vhost.declare_queue(QueueDeclared("other", False, False, None, {}), Owner())
    leaving = consume(queue, sink, "a", prefetch_count=1)
    publish(queue, "1", "2")
    queue.remove_consumer(leaving)
    consume(queue, sink, "b")
    assert served(sink) == [("a", "1"), ("b", "2")]


def test_who_comes_to_a_queue_that_all_have_left_is_served(queue: Queue, sink: ListSink):
    queue.remove_consumer(consume(queue, sink, "a"))
    publish(queue, "1")
    consume(queue, sink, "b")
    assert served(sink) == [("b", "1")]


def test_what_comes_back_goes_to_whoever_is_active_then(queue: Queue, sink: ListSink):
    active = consume(queue, sink, "a")
    consume(queue, sink, "b")
    publish(queue, "1", "2")
    held = list(sink.delivered)
    queue.remove_consumer(active)
    for delivery in held:
        settle(queue, delivery, requeue=True)
    assert served(sink)[2:] == [("b", "1"), ("b", "2")]
    assert all(each.redelivered for each in sink.delivered[2:])


def test_nobody_may_consume_exclusively(queue: Queue):
    with pytest.raises(AccessRefused, match=r"^queue 'q' in vhost '/' in exclusive use$"):
        queue.check_consumer(True)
    queue.check_consumer(False)


def test_getting_is_for_everybody(queue: Queue, sink: ListSink):
    consume(queue, sink, "a", prefetch_count=1)
    publish(queue, "1", "2")
    found = queue.get()
    assert found is not None and found[0].body() == b"2"


def test_a_policy_cannot_make_one(vhost: VirtualHost, sink: ListSink):
    queue = vhost.declare_queue(QueueDeclared("other", False, False, None, {}), Owner())
    queue.apply_policy({"single-active-consumer": True})
    consume(queue, sink, "a")
    consume(queue, sink, "b")
    publish(queue, "1", "2")
    assert [tag for tag, _ in served(sink)] == ["a", "b"]
