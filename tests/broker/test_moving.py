"""Moving messages: in order, as they are, and after a crash they are in one place or in the other."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import ExchangeDeclared, QueueDeclared
from amqpd.broker.moving import IntoQueue, ThroughExchange
from amqpd.broker.queues.classic import MOVED_AT_ONCE
from amqpd.broker.queues.queue import Owner, Publisher, Queue
from amqpd.broker.unacked import Delivery
from amqpd.broker.vhost import VirtualHost
from amqpd.errors import NotImplementedByBroker, ResourceError
from amqpd.message import EXPIRES, PERSISTENT, Message
from amqpd.testing import DurableBroker, MemoryBroker
from amqpd.testing.sink import ListSink, message_of, vhost_alone
from amqpd.wire.fields import table_of
from amqpd.wire.properties import Properties

ALL = 1 << 40

KINDS: dict[str, dict[str, object]] = {
    "classic": {},
    "priority": {"x-max-priority": 3},
    "quorum": {"x-queue-type": "quorum"},
}


def declare(vhost: VirtualHost, name: str, arguments: dict[str, object] | None = None) -> Queue:
    return vhost.declare_queue(QueueDeclared(name, True, False, None, table_of(arguments or {})), Owner())


def message(
    number: int, *, is_persistent: bool = True, size: int = 20, priority: int | None = None
) -> Message:
    body = (b"%d:" % number).ljust(size, b".")
    properties = Properties(
        headers=table_of({"n": number}), delivery_mode=2 if is_persistent else None, priority=priority
    )
    made = message_of(body, properties, exchange="from", routing_key="key")
    made.flags = PERSISTENT if is_persistent else 0
    return made


def number_of(moved: Message) -> int:
    return int(moved.body().split(b":")[0])


def drained(queue: Queue) -> list[tuple[int, bool]]:
    """The numbers of all that is ready, and whether they were delivered before."""
    found: list[tuple[int, bool]] = []
    while (got := queue.get()) is not None:
        found.append((number_of(got[0]), got[2]))
        queue.settle(got[0], got[1])
    return found


def numbers(queue: Queue) -> list[int]:
    return [number for number, _redelivered in drained(queue)]


STEPS = st.lists(
    st.tuples(st.sampled_from(["publish", "publish", "take", "requeue", "flush"]), st.integers(0, 1000)),
    max_size=25,
)


@pytest.mark.parametrize("into", ["classic", "quorum"])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=30, deadline=None)
@given(steps=STEPS, most=st.integers(1, 60))
def test_the_first_messages_go_in_order_and_the_others_stay_as_they_are(
    kind: str, into: str, steps: list[tuple[str, int]], most: int
):
    broker = DurableBroker(segment_bytes=3000, memory_bytes=2000)
    broker.flushes = False
    vhost = broker.broker.vhosts["/"]
    queues = [declare(vhost, name, KINDS[kind]) for name in ("moved", "twin")]
    there = declare(vhost, "there", KINDS[into])
    held: list[list[Delivery]] = [[], []]
    published = 0
    for action, value in steps:
        for queue, of_queue in zip(queues, held, strict=True):
            if action == "publish":
                for number in range(published, published + value % 7 + 1):
                    size = 9000 if value % 11 == 0 else 20
                    made = message(number, is_persistent=value % 3 > 0, size=size, priority=value % 4)
                    queue.publish(made)
            elif action == "take":
                got = queue.get()
                if got is not None:
                    of_queue.append(Delivery(queue, got[0], got[1], None))
            elif action == "requeue" and of_queue:
                queue.take_back([of_queue.pop(value % len(of_queue))])
        published += value % 7 + 1
        if action == "flush":
            broker.flush()
    moved = queues[0].move(IntoQueue(there), most)
    expected = drained(queues[1])
    assert moved == min(most, len(expected))
    assert (there.ready(), queues[0].ready()) == (moved, len(expected) - moved)
    assert drained(there) == [(number, False) for number, _redelivered in expected[:moved]]
    assert drained(queues[0]) == expected[moved:]
    assert queues[0].ready_bytes() == there.ready_bytes() == 0


@pytest.mark.parametrize("into", ["classic", "quorum", "stream"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_finds_each_message_in_one_queue(kind: str, into: str):
    arguments: dict[str, object] = {"x-queue-type": "stream"} if into == "stream" else KINDS[into]
    for flushed in range(4):
        broker = DurableBroker(segment_bytes=3000)
        vhost = broker.broker.vhosts["/"]
        queue = declare(vhost, "q", KINDS[kind])
        there = declare(vhost, "there", arguments)
        for number in range(9):
            queue.publish(message(number))
        broker.flush()
        broker.flushes = False
        for turn in range(3):
            queue.move(IntoQueue(there), 3)
            if turn < flushed:
                broker.flush()
        for after in (broker.kill(), broker.lose_power(flushed)):
            vhost = after.broker.vhosts["/"]
            assert vhost.queue("there").ready() == min(flushed, 3) * 3
            assert numbers(vhost.queue("q")) == list(range(min(flushed, 3) * 3, 9))


def test_a_message_is_the_same_there_but_for_its_address():
    vhost = vhost_alone()
    queue, there = declare(vhost, "q"), declare(vhost, "there")
    original = message(7, is_persistent=False)
    queue.publish(original)
    assert queue.move(IntoQueue(there), ALL) == 1
    got = there.get()
    assert got is not None
    assert (got[0].exchange(), got[0].routing_key()) == ("", "there")
    assert (got[0].header, got[0].body(), got[0].flags) == (
        original.header,
        original.body(),
        original.flags,
    )


def test_a_time_to_live_begins_again_and_what_is_over_does_not_go():
    broker = MemoryBroker()
    vhost = broker.broker.vhosts["/"]
    queue, there = declare(vhost, "q", {"x-message-ttl": 5000}), declare(vhost, "there")
    for number in range(2):
        made = message_of(b"%d:" % number, Properties(expiration="8000"))
        made.flags = EXPIRES
        queue.publish(made)
        broker.advance(3)
    assert queue.move(IntoQueue(there), ALL) == 1
    broker.advance(7.5)
    assert there.ready() == 1
    broker.advance(1)
    assert there.ready() == 0


def test_what_a_full_queue_would_refuse_stays_where_it_was():
    vhost = vhost_alone()
    queue = declare(vhost, "q")
    full = declare(vhost, "full", {"x-max-length": 2, "x-overflow": "reject-publish"})
    for number in range(5):
        queue.publish(message(number))
    assert queue.move(IntoQueue(full), ALL) == 2
    assert queue.move(IntoQueue(full), ALL) == 0
    assert drained(queue) == [(2, False), (3, False), (4, False)]
    assert numbers(full) == [0, 1]


def test_a_full_quorum_queue_refuses_as_well():
    vhost = DurableBroker().broker.vhosts["/"]
    queue = declare(vhost, "q")
    arguments = {"x-queue-type": "quorum", "x-max-length": 2, "x-overflow": "reject-publish"}
    full = declare(vhost, "full", arguments)
    for number in range(5):
        queue.publish(message(number))
    assert queue.move(IntoQueue(full), ALL) == 3
    assert (queue.ready(), full.ready()) == (2, 3)


def test_an_exchange_says_where_each_message_goes():
    vhost = vhost_alone()
    arguments = table_of({"x-delayed-type": "direct"})
    vhost.declare_exchange(ExchangeDeclared("x", "fanout", False, False, False, {}))
    vhost.declare_exchange(ExchangeDeclared("later", "x-delayed-message", False, False, False, arguments))
    queue, one, two = declare(vhost, "q"), declare(vhost, "one"), declare(vhost, "two")
    for number in range(3):
        queue.publish(message(number))
    through = ThroughExchange(vhost, vhost.exchange("x"), "k")
    assert queue.move(through, ALL) == 0
    vhost.bind("x", one, "", {})
    vhost.bind("x", two, "", {})
    assert queue.move(through, 2) == 2
    vhost.delete_queue(two)
    assert numbers(one) == [0, 1]
    assert queue.move(ThroughExchange(vhost, vhost.exchange("later"), "one"), ALL) == 0
    vhost.bind("later", one, "k", {})
    assert queue.move(ThroughExchange(vhost, vhost.exchange("later"), "k"), ALL) == 1
    got = one.get()
    assert got is not None and (got[0].exchange(), got[0].routing_key()) == ("later", "k")


def test_all_queues_get_a_message_or_none():
    vhost = vhost_alone()
    vhost.declare_exchange(ExchangeDeclared("x", "fanout", False, False, False, {}))
    queue, one = declare(vhost, "q"), declare(vhost, "one")
    full = declare(vhost, "full", {"x-max-length": 1, "x-overflow": "reject-publish"})
    for destination in (one, full):
        vhost.bind("x", destination, "", {})
    for number in range(3):
        queue.publish(message(number))
    assert queue.move(ThroughExchange(vhost, vhost.exchange("x"), ""), ALL) == 1
    assert (numbers(queue), numbers(one), numbers(full)) == ([1, 2], [0], [0])


def test_what_dies_there_and_comes_back_is_not_taken_for_what_moves():
    vhost = vhost_alone()
    queue = declare(vhost, "q", {"x-max-length": 3})
    arguments = {"x-max-length": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q"}
    there = declare(vhost, "there", arguments)
    for number in range(3):
        queue.publish(message(number))
    assert queue.move(IntoQueue(there), 3) == 3
    assert (numbers(queue), numbers(there)) == ([0, 1], [2])


def test_more_than_a_turns_worth_goes_in_several_turns():
    vhost = vhost_alone()
    queue, there = declare(vhost, "q"), declare(vhost, "there")
    for number in range(MOVED_AT_ONCE + 1):
        queue.publish(message(number))
    assert queue.move(IntoQueue(there), ALL) == MOVED_AT_ONCE
    assert queue.move(IntoQueue(there), ALL) == 1
    assert numbers(there) == list(range(MOVED_AT_ONCE + 1))


def test_consumers_there_get_them_and_publishers_here_go_on():
    class Waiting(Publisher):
        def __init__(self) -> None:
            self.has_gone_on = False

        def go_on(self) -> None:
            self.has_gone_on = True

    vhost = vhost_alone()
    queue, there = declare(vhost, "q"), declare(vhost, "there")
    sink, publisher = ListSink(), Waiting()
    there.add_consumer(Consumer("c", there, sink, True, False, 0, {}))
    queue.publish(message(1))
    queue.add_waiting(publisher)
    assert queue.move(IntoQueue(there), ALL) == 1
    assert [number_of(each.message) for each in sink.delivered] == [1]
    assert publisher.has_gone_on


def test_nothing_goes_into_a_queue_that_is_deleted_or_out_of_a_stream():
    vhost = vhost_alone()
    queue, there = declare(vhost, "q"), declare(vhost, "there")
    stream = declare(vhost, "s", {"x-queue-type": "stream"})
    queue.publish(message(1))
    vhost.delete_queue(there)
    assert queue.move(IntoQueue(there), ALL) == 0
    with pytest.raises(NotImplementedByBroker):
        stream.move(IntoQueue(queue), ALL)
    assert queue.move(IntoQueue(stream), ALL) == 1
    assert stream.ready() == 1


def test_nothing_goes_when_the_log_can_not_have_it():
    broker = DurableBroker()
    vhost = broker.broker.vhosts["/"]
    queue, there = declare(vhost, "q"), declare(vhost, "there")
    queue.publish(message(1))
    broker.flush()
    broker.journal.failure = "no space left"
    with pytest.raises(ResourceError):
        queue.move(IntoQueue(there), ALL)
    assert (queue.ready(), there.ready()) == (1, 0)
