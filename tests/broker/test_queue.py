"""A classic queue: order, places, counts, turns and credit."""

import gc

import pytest

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import CAUGHT_UP_MESSAGES, RUNS_AHEAD_MESSAGES, Owner, Publisher, Queue
from amqpd.broker.unacked import Delivery, Unacked
from amqpd.broker.vhost import VirtualHost
from amqpd.errors import AccessRefused, ResourceLocked
from amqpd.testing.sink import Delivered, ListSink, message_of


@pytest.fixture
def queue(vhost: VirtualHost) -> Queue:
    return vhost.declare_queue(QueueDeclared("q", False, False, None, {}), Owner())


@pytest.fixture
def sink() -> ListSink:
    return ListSink()


def publish(queue: Queue, *bodies: str) -> None:
    for body in bodies:
        queue.publish(message_of(body.encode()))


def consume(
    queue: Queue,
    sink: ListSink,
    tag: str = "t",
    *,
    prefetch_count: int = 0,
    no_ack: bool = False,
    exclusive: bool = False,
) -> Consumer:
    consumer = Consumer(tag, queue, sink, no_ack, exclusive, prefetch_count, {})
    queue.add_consumer(consumer)
    return consumer


def give_credit(consumer: Consumer) -> None:
    consumer.unacked -= 1
    consumer.resume()


def settle(*delivered: Delivered) -> None:
    """What a channel does for basic.ack."""
    for each in delivered:
        each.consumer.queue.settle(each.message, each.position)
        give_credit(each.consumer)


def requeue(queue: Queue, *delivered: Delivered) -> None:
    """What a channel does for basic.reject with requeue."""
    queue.requeue([each.delivery() for each in delivered])
    for each in delivered:
        give_credit(each.consumer)


def get(queue: Queue) -> tuple[bytes, bool] | None:
    """Body of the first message, and whether it came before."""
    found = queue.get()
    return None if found is None else (found[0].body(), found[2])


def turns(sink: ListSink) -> str:
    return "".join(each.consumer.tag for each in sink.delivered)


def test_messages_come_out_in_the_order_they_went_in(queue: Queue, sink: ListSink):
    publish(queue, "1", "2")
    consume(queue, sink)
    publish(queue, "3")
    assert sink.bodies() == [b"1", b"2", b"3"]


def test_a_message_for_a_waiting_consumer_is_never_ready(queue: Queue, sink: ListSink):
    consume(queue, sink)
    publish(queue, "1")
    assert (queue.ready(), queue.unacked) == (0, 1)


def test_an_empty_queue_gives_nothing(queue: Queue):
    assert queue.get() is None


def test_get_takes_the_first_message_and_counts_it_as_unacked(queue: Queue):
    publish(queue, "1", "2")
    found = queue.get()
    assert found is not None
    message, position, redelivered = found
    assert (message.body(), redelivered) == (b"1", False)
    assert (queue.ready(), queue.unacked) == (1, 1)
    queue.settle(message, position)
    assert (queue.ready(), queue.unacked) == (1, 0)


def test_a_requeued_message_gets_its_place_again_and_is_redelivered(queue: Queue):
    publish(queue, "1", "2", "3")
    first, second = queue.get(), queue.get()
    assert first is not None and second is not None
    queue.requeue([Delivery(queue, first[0], first[1], None)])
    assert [get(queue) for _ in range(3)] == [(b"1", True), (b"3", False), None]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_messages_requeued_in_any_order_come_back_in_order(queue: Queue, order: list[int]):
    publish(queue, "0", "1", "2", "3")
    taken = [queue.get() for _ in range(3)]
    for index in order:
        found = taken[index]
        assert found is not None
        queue.requeue([Delivery(queue, found[0], found[1], None)])
    assert [get(queue) for _ in range(4)] == [(b"0", True), (b"1", True), (b"2", True), (b"3", False)]


def test_places_stay_right_after_a_purge(queue: Queue):
    publish(queue, "1", "2", "3")
    first = queue.get()
    assert first is not None
    assert queue.purge() == 2
    publish(queue, "4")
    queue.requeue([Delivery(queue, first[0], first[1], None)])
    assert [get(queue), get(queue)] == [(b"1", True), (b"4", False)]


def test_a_purge_drops_ready_messages_and_leaves_the_unacked(queue: Queue, sink: ListSink):
    consume(queue, sink, prefetch_count=1)
    publish(queue, "1", "2", "3")
    assert queue.purge() == 2
    assert (queue.ready(), queue.unacked) == (0, 1)
    settle(*sink.delivered)
    assert sink.bodies() == [b"1"]


def test_a_purge_drops_returned_messages_too(queue: Queue):
    publish(queue, "1", "2")
    first = queue.get()
    assert first is not None
    queue.requeue([Delivery(queue, first[0], first[1], None)])
    assert queue.purge() == 2
    assert queue.get() is None


def test_consumers_take_turns(queue: Queue, sink: ListSink):
    for tag in "abc":
        consume(queue, sink, tag)
    publish(queue, *"123456")
    assert turns(sink) == "abcabc"


def test_a_backlog_is_shared_in_turns(queue: Queue, sink: ListSink):
    sink.room = False
    consumers = [consume(queue, sink, tag) for tag in "ab"]
    publish(queue, *"123456")
    assert sink.delivered == []
    sink.room = True
    for consumer in consumers:
        consumer.prefetch_count = 2
        consumer.resume()
    assert sorted(turns(sink)) == list("aabb")
    settle(*sink.delivered)
    assert sink.bodies() == [b"1", b"2", b"3", b"4", b"5", b"6"]


def test_a_consumer_without_credit_is_passed_over(queue: Queue, sink: ListSink):
    consume(queue, sink, "a", prefetch_count=1)
    consume(queue, sink, "b")
    publish(queue, *"1234")
    assert turns(sink) == "abbb"


def test_credit_is_given_back_by_settling(queue: Queue, sink: ListSink):
    consume(queue, sink, prefetch_count=2)
    publish(queue, *"12345")
    assert sink.bodies() == [b"1", b"2"]
    settle(sink.delivered[0])
    assert sink.bodies() == [b"1", b"2", b"3"]
    settle(sink.delivered[1], sink.delivered[2])
    assert sink.bodies() == [b"1", b"2", b"3", b"4", b"5"]


def test_no_ack_needs_no_credit_and_leaves_nothing_unacked(queue: Queue, sink: ListSink):
    consume(queue, sink, prefetch_count=1, no_ack=True)
    publish(queue, *"123")
    assert sink.bodies() == [b"1", b"2", b"3"]
    assert queue.unacked == 0


def test_a_full_sink_gets_nothing_and_others_do(queue: Queue, sink: ListSink):
    full = ListSink()
    full.room = False
    waiting = consume(queue, full, "full")
    consume(queue, sink, "other", prefetch_count=2)
    publish(queue, *"123")
    assert (full.bodies(), sink.bodies(), queue.ready()) == ([], [b"1", b"2"], 1)
    full.room = True
    waiting.resume()
    assert full.bodies() == [b"3"]


def test_a_cancelled_consumer_gets_nothing_more(queue: Queue, sink: ListSink):
    consumer = consume(queue, sink, prefetch_count=1)
    publish(queue, "1", "2")
    queue.remove_consumer(consumer)
    settle(*sink.delivered)
    assert (sink.bodies(), queue.ready()) == ([b"1"], 1)


def test_what_a_cancelled_consumer_holds_can_be_requeued_to_another(queue: Queue, sink: ListSink):
    first = consume(queue, sink, "a")
    publish(queue, "1")
    queue.remove_consumer(first)
    consume(queue, sink, "b")
    requeue(queue, sink.delivered[0])
    assert [(each.consumer.tag, each.redelivered) for each in sink.delivered] == [("a", False), ("b", True)]


def test_a_requeued_message_goes_to_the_next_consumer_in_turn(queue: Queue, sink: ListSink):
    consume(queue, sink, "a", prefetch_count=1)
    consume(queue, sink, "b", prefetch_count=1)
    publish(queue, "1")
    requeue(queue, sink.delivered[0])
    assert turns(sink) == "ab"


def test_consumers_that_come_and_go_while_nothing_happens_are_forgotten(queue: Queue, sink: ListSink):
    staying = consume(queue, sink, "stays")
    for _ in range(500):
        queue.remove_consumer(consume(queue, sink, "goes"))
    gc.collect()
    known = [each for each in gc.get_objects() if isinstance(each, Consumer) and each.queue is queue]
    assert len(known) < 50
    publish(queue, "1", "2")
    assert (turns(sink), staying.unacked) == ("staysstays", 2)


def test_those_that_stay_keep_taking_turns_when_many_have_left(queue: Queue, sink: ListSink):
    for tag in "abc":
        consume(queue, sink, tag)
    for _ in range(100):
        queue.remove_consumer(consume(queue, sink, "x"))
    publish(queue, *"123456")
    assert sorted(turns(sink)) == list("aabbcc")


def test_an_exclusive_consumer_is_alone(queue: Queue, sink: ListSink):
    queue.check_consumer(True)
    consume(queue, sink, exclusive=True)
    for exclusive in (True, False):
        with pytest.raises(AccessRefused, match=r"^queue 'q' in vhost '/' in exclusive use$"):
            queue.check_consumer(exclusive)


def test_an_exclusive_consumer_is_refused_where_others_are(queue: Queue, sink: ListSink):
    consumer = consume(queue, sink)
    queue.check_consumer(False)
    with pytest.raises(AccessRefused):
        queue.check_consumer(True)
    queue.remove_consumer(consumer)
    queue.check_consumer(True)


def test_an_exclusive_queue_is_for_its_owner_only(vhost: VirtualHost):
    mine = Owner()
    queue = vhost.declare_queue(QueueDeclared("mine", False, False, mine, {}), mine)
    queue.check_owner(mine)
    with pytest.raises(
        ResourceLocked, match="cannot obtain exclusive access to locked queue 'mine' in vhost"
    ):
        queue.check_owner(Owner())


def test_consumers_of_a_deleted_queue_hear_of_it(queue: Queue, sink: ListSink):
    consumers = [consume(queue, sink, tag) for tag in "ab"]
    queue.cancel_consumers()
    assert sink.cancelled == consumers
    assert not queue.consumers


def test_requeueing_to_a_deleted_queue_does_nothing(vhost: VirtualHost, queue: Queue, sink: ListSink):
    consume(queue, sink)
    publish(queue, "1")
    vhost.delete_queue(queue)
    requeue(queue, *sink.delivered)
    assert queue.ready() == 0
    assert len(sink.delivered) == 1


class WaitingPublisher(Publisher):
    """Remembers that it was told to go on."""

    def __init__(self) -> None:
        self.goes_on = False

    def go_on(self) -> None:
        self.goes_on = True


def test_a_publisher_is_asked_to_wait_only_for_consumers_that_fall_behind(queue: Queue, sink: ListSink):
    assert not any(queue.publish(message_of(b"x")) for _ in range(RUNS_AHEAD_MESSAGES + 10))
    sink.room = False
    consume(queue, sink)
    assert queue.publish(message_of(b"x"))


def test_a_waiting_publisher_goes_on_when_consumers_have_caught_up(queue: Queue, sink: ListSink):
    publishers = WaitingPublisher(), WaitingPublisher()
    consumer = consume(queue, sink, prefetch_count=10)
    publish(queue, *map(str, range(CAUGHT_UP_MESSAGES + 30)))
    for publisher in publishers:
        queue.add_waiting(publisher)
    queue.remove_waiting(publishers[1])
    settle(*sink.delivered)
    settle(*sink.delivered[10:])
    assert not publishers[0].goes_on
    settle(*sink.delivered[20:])
    assert [publisher.goes_on for publisher in publishers] == [True, False]
    assert consumer.unacked == 10


# What a channel keeps


def unacked(queue: Queue, *tags: int) -> Unacked:
    kept = Unacked()
    for tag in tags:
        kept.add(tag, Delivery(queue, message_of(str(tag).encode()), tag, None))
    return kept


def positions(deliveries: list[Delivery]) -> list[int]:
    return [delivery.position for delivery in deliveries]


def test_one_delivery_is_settled_once(queue: Queue):
    kept = unacked(queue, 1, 2)
    assert kept.take(1) is not None
    assert kept.take(1) is None
    assert (len(kept), 2 in kept, 1 in kept) == (1, True, False)


def test_settling_up_to_a_tag_takes_the_earlier_ones_in_order(queue: Queue):
    kept = unacked(queue, 1, 2, 4, 5)
    assert positions(kept.take_up_to(4)) == [1, 2, 4]
    assert positions(kept.take_all()) == [5]
    assert len(kept) == 0


def test_what_a_rollback_restores_stands_at_its_tag_again(queue: Queue):
    kept = unacked(queue, 1, 2, 3)
    taken = [(2, kept.take(2)), (1, kept.take(1))]
    kept.restore([(tag, delivery) for tag, delivery in taken if delivery is not None])
    assert positions(kept.take_up_to(2)) == [1, 2]
