"""What clients see of queues that expire, are limited, have priorities or one active consumer (RabbitMQ 3.10's)."""

from typing import Any

import pytest
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.testing import Content, MemoryBroker, Peer, Refusal
from amqpd.wire.fields import table_of
from amqpd.wire.properties import Properties

FULL = {"max_length": 1, "overflow": "reject-publish"}


def table(**arguments: object) -> dict[str, Any]:
    """Underscores in the arguments' names stand for hyphens."""
    return dict(table_of({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}))


def declare(peer: Peer, queue: str = "q", **arguments: object) -> None:
    reply = peer.call(1, commands.Queue.Declare(queue=queue, arguments=table(**arguments)))
    assert isinstance(reply, commands.Queue.DeclareOk)


def publish(
    peer: Peer, *bodies: str, to: str = "q", channel_id: int = 1, mandatory: bool = False, **properties: Any
) -> None:
    for body in bodies:
        peer.publish(channel_id, "", to, body.encode(), Properties(**properties), mandatory=mandatory)


def ready(peer: Peer, queue: str = "q") -> int:
    count = peer.call(2, commands.Queue.Declare(queue=queue, passive=True)).message_count
    assert isinstance(count, int)
    return count


def get(peer: Peer, queue: str = "q", channel_id: int = 1, *, no_ack: bool = False) -> Content | None:
    got = peer.call(channel_id, commands.Basic.Get(queue=queue, no_ack=no_ack))
    return got if isinstance(got, Content) else None


def drained(peer: Peer, queue: str = "q") -> list[str]:
    bodies: list[str] = []
    while (got := get(peer, queue, no_ack=True)) is not None:
        bodies.append(got.body.decode())
    return bodies


def consume(
    peer: Peer, queue: str = "q", tag: str = "t", channel_id: int = 1, **flags: Any
) -> commands.Basic.ConsumeOk:
    reply = peer.call(channel_id, commands.Basic.Consume(queue=queue, consumer_tag=tag, **flags))
    assert isinstance(reply, commands.Basic.ConsumeOk)
    return reply


def delivered(peer: Peer, channel_id: int = 1) -> list[tuple[str, str]]:
    """Consumer tag and body."""
    return [(each.method.consumer_tag, each.body.decode()) for each in peer.contents(channel_id)]


def has_queue(broker: MemoryBroker, queue: str = "q") -> bool:
    return queue in broker.broker.vhosts["/"].queues


def names(peer: Peer, channel_id: int = 1) -> list[str]:
    return [method.name for method in peer.methods(channel_id)]


# Expiry


def test_a_message_that_may_not_wait_is_not_counted(peer: Peer):
    declare(peer)
    publish(peer, "m", expiration="0")
    assert ready(peer) == 0


def test_a_message_keeps_its_expiration_as_it_was_published(peer: Peer):
    declare(peer)
    publish(peer, "m", expiration="0060000")
    got = get(peer)
    assert got is not None and got.properties.expiration == "0060000"


def test_a_get_says_how_many_are_left_that_have_not_expired(broker: MemoryBroker, peer: Peer):
    declare(peer)
    publish(peer, "1", expiration="60000")
    publish(peer, "2", "3", expiration="50")
    publish(peer, "4")
    broker.advance(1)
    got = get(peer)
    assert got is not None and (got.body, got.method.message_count) == (b"1", 1)


def test_messages_of_different_queues_expire_by_themselves(broker: MemoryBroker, peer: Peer):
    for queue, ttl_ms in (("a", 100), ("b", 200), ("c", 300)):
        declare(peer, queue, message_ttl=ttl_ms)
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    peer.publish(1, "amq.fanout", "", b"m")
    counts: list[tuple[int, ...]] = []
    for _ in range(3):
        broker.advance(0.1)
        counts.append(tuple(ready(peer, queue) for queue in "abc"))
    assert counts == [(0, 1, 1), (0, 0, 1), (0, 0, 0)]


def test_a_confirm_does_not_wait_for_a_message_that_expires(peer: Peer):
    declare(peer, message_ttl=0)
    peer.call(1, commands.Confirm.Select())
    publish(peer, "m")
    assert names(peer) == ["Basic.Ack"]


def test_a_message_that_would_live_for_more_than_ten_years_is_refused(peer: Peer):
    declare(peer)
    publish(peer, "m", expiration="315360000000")
    assert ready(peer) == 1
    publish(peer, "m", expiration="315360000001")
    text = "PRECONDITION_FAILED - invalid expiration '315360000001': {value_too_large,315360000001}"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 40)


# Queues that nobody uses


@pytest.mark.parametrize("use", ["get", "get-empty"])
def test_a_get_keeps_a_queue(broker: MemoryBroker, peer: Peer, use: str):
    declare(peer, expires=1000)
    for _ in range(3):
        if use == "get":
            publish(peer, "m")
        broker.advance(0.6)
        get(peer, no_ack=True)
    assert has_queue(broker)


DECLARATIONS = {
    "passive": commands.Queue.Declare(queue="q", passive=True),
    "again": commands.Queue.Declare(queue="q", arguments=table(expires=1000)),
}


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_a_declaration_keeps_a_queue(broker: MemoryBroker, peer: Peer, declaration: str):
    declare(peer, expires=1000)
    queue = broker.broker.vhosts["/"].queues["q"]
    for _ in range(3):
        broker.advance(0.6)
        peer.call(1, DECLARATIONS[declaration])
    assert not queue.deleted


@pytest.mark.parametrize("declaration", DECLARATIONS)
def test_a_declaration_that_wants_no_answer_does_not_keep_a_queue(
    broker: MemoryBroker, peer: Peer, declaration: str
):
    """RabbitMQ asks the queue for its counts only if there is an answer to put them in (observed)."""
    declare(peer, expires=1000)
    wanted = DECLARATIONS[declaration]
    method = commands.Queue.Declare(
        queue="q", passive=wanted.passive or False, nowait=True, arguments=wanted.arguments
    )
    queue = broker.broker.vhosts["/"].queues["q"]
    broker.advance(0.6)
    peer.send(1, method)
    broker.advance(0.6)
    assert queue.deleted


def test_publishing_purging_and_binding_do_not_keep_a_queue(broker: MemoryBroker, peer: Peer):
    declare(peer, expires=1000)
    broker.advance(0.6)
    publish(peer, "m")
    peer.call(1, commands.Queue.Purge(queue="q"))
    peer.call(1, commands.Queue.Bind(queue="q", exchange="amq.fanout"))
    broker.advance(0.4)
    assert not has_queue(broker)


@pytest.mark.parametrize("end", ["cancel", "channel", "connection"])
def test_a_queue_ends_its_time_after_its_last_consumer(
    broker: MemoryBroker, peer: Peer, other: Peer, end: str
):
    declare(peer, expires=1000)
    consume(other)
    broker.advance(100)
    if end == "cancel":
        other.call(1, commands.Basic.Cancel("t"))
    elif end == "channel":
        other.call(1, commands.Channel.Close(200, "", 0, 0))
    else:
        other.close()
    broker.advance(0.9)
    assert has_queue(broker)
    broker.advance(0.1)
    assert not has_queue(broker)


def test_what_was_got_from_a_queue_that_has_ended_can_be_settled(broker: MemoryBroker, peer: Peer):
    declare(peer, expires=1000)
    publish(peer, "m")
    got = get(peer)
    assert got is not None
    broker.advance(1)
    assert not has_queue(broker)
    peer.send(1, commands.Basic.Ack(got.method.delivery_tag))
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


def test_a_message_for_a_queue_that_has_ended_has_no_route(broker: MemoryBroker, peer: Peer):
    declare(peer, expires=1000)
    publish(peer, "taken", mandatory=True)
    broker.advance(1)
    publish(peer, "returned", mandatory=True)
    assert [each.body for each in peer.contents(1)] == [b"returned"]


# Full queues


@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx"])
def test_what_a_full_queue_refuses_is_nacked(peer: Peer, overflow: str):
    declare(peer, max_length=2, overflow=overflow)
    peer.call(1, commands.Confirm.Select())
    heard: list[tuple[str, int]] = []
    for body in "1234":
        publish(peer, body)
        (method,) = peer.methods(1)
        assert isinstance(method, commands.Basic.Ack | commands.Basic.Nack)
        heard.append((method.name, method.delivery_tag or 0))
    assert heard == [("Basic.Ack", 1), ("Basic.Ack", 2), ("Basic.Nack", 3), ("Basic.Nack", 4)]


def test_confirms_and_refusals_of_many_messages_are_each_for_the_right_ones(peer: Peer):
    declare(peer, "full", **FULL)
    declare(peer, "free")
    peer.call(1, commands.Confirm.Select())
    queues = ["full", "free", "full", "full", "free", "free", "full", "free"]
    peer.send_bytes(b"".join(peer.publish_frames(1, "", queue, b"m") for queue in queues))
    outcome: dict[int, str] = {}
    for method in peer.methods(1):
        assert isinstance(method, commands.Basic.Ack | commands.Basic.Nack)
        last = method.delivery_tag or 0
        for tag in range(1 if method.multiple else last, last + 1):
            outcome.setdefault(tag, method.name)
    assert [tag for tag in range(1, 9) if outcome[tag] == "Basic.Nack"] == [3, 4, 7]
    assert sorted(outcome) == list(range(1, 9))


def test_a_message_that_one_of_its_queues_refuses_is_nacked_and_in_the_other(peer: Peer):
    declare(peer, "full", max_length=0, overflow="reject-publish")
    declare(peer, "free")
    for queue in ("full", "free"):
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    peer.call(1, commands.Confirm.Select())
    peer.publish(1, "amq.fanout", "", b"m")
    assert (names(peer), ready(peer, "free")) == (["Basic.Nack"], 1)


def test_a_refused_message_has_a_route_and_is_not_returned(peer: Peer):
    declare(peer, max_length=0, overflow="reject-publish")
    peer.call(1, commands.Confirm.Select())
    publish(peer, "m", mandatory=True)
    assert [received.frame.name for received in peer.receive() if isinstance(received.frame, Method)] == [
        "Basic.Nack"
    ]


def test_who_wants_no_confirms_does_not_hear_of_a_refusal(peer: Peer):
    declare(peer, **FULL)
    publish(peer, "1", "2")
    assert (peer.receive(), drained(peer)) == ([], ["1"])


def test_a_transaction_that_a_full_queue_refuses_in_part_closes_the_channel_when_all_else_is_done(peer: Peer):
    declare(peer, "full", **FULL)
    declare(peer, "free")
    declare(peer, "source")
    publish(peer, "acked", to="source")
    peer.call(2, commands.Tx.Select())
    got = get(peer, "source", 2)
    assert got is not None
    peer.send(2, commands.Basic.Ack(got.method.delivery_tag))
    publish(peer, "1", "2", to="full", channel_id=2)
    publish(peer, "returned", to="nowhere", channel_id=2, mandatory=True)
    publish(peer, "other", to="free", channel_id=2)
    peer.send(2, commands.Tx.Commit())
    returned, close = peer.receive()
    assert isinstance(returned.frame, Content) and returned.frame.body == b"returned"
    assert isinstance(close.frame, commands.Channel.Close)
    assert dict(close.frame) == {
        "reply_code": 406,
        "reply_text": "PRECONDITION_FAILED - partial tx completion",
        "class_id": 90,
        "method_id": 20,
    }
    assert (drained(peer, "full"), drained(peer, "free"), drained(peer, "source")) == (["1"], ["other"], [])


def test_what_a_full_queue_drops_is_confirmed(peer: Peer):
    declare(peer, max_length=1)
    peer.call(1, commands.Confirm.Select())
    publish(peer, "1", "2")
    assert (names(peer), drained(peer)) == (["Basic.Ack", "Basic.Ack"], ["2"])


def test_a_large_body_counts_with_all_its_frames(peer: Peer):
    declare(peer, max_length_bytes=300_000)
    body = "x" * 140_000
    publish(peer, body, body)
    assert ready(peer) == 2
    publish(peer, body)
    assert ready(peer) == 2


def test_a_channel_that_closes_gives_back_to_a_full_queue_no_more_than_it_holds(peer: Peer):
    declare(peer, max_length=2)
    publish(peer, "1", "2")
    peer.call(1, commands.Basic.Get(queue="q"))
    peer.call(1, commands.Basic.Get(queue="q"))
    publish(peer, "3", "4", channel_id=2)
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    peer.open_channel(1)
    assert drained(peer) == ["3", "4"]


# Priorities


def test_a_priority_queue_delivers_the_highest_first_and_equals_in_order(peer: Peer):
    declare(peer, max_priority=5)
    for number, priority in enumerate((1, 5, 3, 5, None, 0, 200)):
        publish(peer, f"{number}", priority=priority)
    assert drained(peer) == ["1", "3", "6", "2", "0", "4", "5"]


def test_a_message_keeps_the_priority_it_was_published_with(peer: Peer):
    declare(peer, max_priority=2)
    publish(peer, "m", priority=200)
    got = get(peer)
    assert got is not None and got.properties.priority == 200


def test_acks_and_nacks_of_several_priorities_find_their_messages(peer: Peer):
    declare(peer, max_priority=9)
    for priority in range(10):
        publish(peer, str(priority), priority=priority)
    for _ in range(10):
        get(peer)
    peer.send(1, commands.Basic.Ack(3))
    peer.send(1, commands.Basic.Nack(5, True, True))
    peer.send(1, commands.Basic.Reject(6, False))
    assert drained(peer) == ["9", "8", "6", "5"]
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    peer.open_channel(1)
    assert drained(peer) == ["3", "2", "1", "0"]


# A single active consumer


@pytest.mark.parametrize("cancels", [True, False])
def test_a_consumer_that_takes_over_gets_what_was_in_hand_before_what_waits(
    peer: Peer, other: Peer, cancels: bool
):
    """The order of the queue is what a single active consumer is for."""
    declare(peer, single_active_consumer=True)
    peer.call(1, commands.Basic.Qos(prefetch_count=2))
    consume(peer, tag="first")
    consume(other, tag="second")
    publish(peer, "1", "2", "3", channel_id=2)
    assert delivered(peer) == [("first", "1"), ("first", "2")]
    if cancels:  # as pika does before it closes a channel
        peer.call(1, commands.Basic.Cancel("first"))
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert delivered(other) == [("second", "1"), ("second", "2"), ("second", "3")]


@pytest.mark.parametrize("end", ["connection", "stream"])
def test_so_does_one_that_takes_over_from_a_connection_that_ends(peer: Peer, other: Peer, end: str):
    declare(peer, single_active_consumer=True)
    peer.call(1, commands.Basic.Qos(prefetch_count=2))
    consume(peer, tag="first")
    consume(peer, tag="of the same connection", channel_id=2)
    consume(other, tag="second")
    publish(other, "1", "2", "3")
    if end == "connection":
        peer.close()
    else:
        peer.disconnect()
    assert delivered(other) == [("second", "1"), ("second", "2"), ("second", "3")]


@pytest.mark.parametrize("outcome", ["ack", "nack", "transaction"])
def test_a_consumer_that_takes_over_begins_when_all_is_settled_that_its_predecessor_had(
    peer: Peer, other: Peer, outcome: str
):
    declare(peer, single_active_consumer=True)
    peer.call(1, commands.Basic.Qos(prefetch_count=2))
    consume(peer, tag="first")
    consume(other, tag="second")
    publish(peer, "1", "2", "3", channel_id=2)
    peer.call(1, commands.Basic.Cancel("first"))
    assert delivered(other) == []
    if outcome == "transaction":
        peer.call(1, commands.Tx.Select())
    method = commands.Basic.Nack(0, True, True) if outcome == "nack" else commands.Basic.Ack(0, True)
    peer.send(1, method)
    if outcome == "transaction":
        assert delivered(other) == []
        peer.call(1, commands.Tx.Commit())
    expected = ["1", "2", "3"] if outcome == "nack" else ["3"]
    assert delivered(other) == [("second", body) for body in expected]


def test_a_consumer_that_takes_over_from_one_without_messages_gets_what_comes(peer: Peer, other: Peer):
    declare(peer, single_active_consumer=True)
    consume(peer, tag="first")
    consume(other, tag="second")
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    publish(peer, "1", channel_id=2)
    assert delivered(other) == [("second", "1")]


def test_a_consumer_that_takes_over_gets_what_waits_though_nothing_was_in_hand(peer: Peer, other: Peer):
    declare(peer, "held")
    declare(peer, single_active_consumer=True)
    peer.call(1, commands.Basic.Qos(prefetch_count=1, global_=True))
    consume(peer, "held", "hold")
    publish(peer, "fills the channel", to="held")
    consume(peer, tag="first")
    consume(other, tag="second")
    publish(peer, "1", channel_id=2)
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert delivered(other) == [("second", "1")]


def test_an_exclusive_consumer_is_refused_by_a_queue_with_a_single_active_one(peer: Peer):
    declare(peer, single_active_consumer=True)
    peer.send(1, commands.Basic.Consume(queue="q", exclusive=True))
    text = "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"
    assert peer.refusal() == Refusal("channel", 403, text, 60, 20)


def test_an_auto_delete_queue_with_a_single_active_consumer_ends_with_the_last(
    broker: MemoryBroker, peer: Peer
):
    method = commands.Queue.Declare(queue="q", auto_delete=True, arguments=table(single_active_consumer=True))
    peer.call(1, method)
    consume(peer, tag="a")
    consume(peer, tag="b")
    peer.call(1, commands.Basic.Cancel("a"))
    assert has_queue(broker)
    peer.call(1, commands.Basic.Cancel("b"))
    assert not has_queue(broker)


def test_a_deleted_queue_cancels_those_that_wait_as_well(peer: Peer, other: Peer):
    declare(peer, single_active_consumer=True)
    consume(other, tag="a")
    consume(other, tag="b")
    peer.call(1, commands.Queue.Delete(queue="q"))
    cancelled = other.methods(1)
    assert [isinstance(each, commands.Basic.Cancel) and each.consumer_tag for each in cancelled] == ["a", "b"]


def test_what_was_got_comes_back_one_by_one_and_goes_to_who_waits_before_the_limit_counts(
    peer: Peer, other: Peer
):
    """Observed: both are delivered, though together they are too many."""
    declare(peer, max_length=1)
    for body in "12":
        publish(peer, body)
        peer.call(1, commands.Basic.Get(queue="q"))
    consume(other, tag="t")
    peer.send(1, commands.Basic.Nack(0, True, True))
    assert delivered(other) == [("t", "1"), ("t", "2")]
