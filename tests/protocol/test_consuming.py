"""Consumers, credit, settling and getting; texts are RabbitMQ 3.10.8's."""

import re

import pytest
from pamqp import commands

from amqpd.testing import Content, MemoryBroker, Peer, Refusal
from amqpd.wire.properties import Properties


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a queue."""
    peer.call(1, commands.Queue.Declare(queue="q"))
    return peer


def publish(peer: Peer, *bodies: str) -> None:
    for body in bodies:
        peer.publish(1, "", "q", body.encode())


def consume(
    peer: Peer, tag: str = "t", channel_id: int = 1, *, no_ack: bool = False, exclusive: bool = False
) -> str:
    method = commands.Basic.Consume(queue="q", consumer_tag=tag, no_ack=no_ack, exclusive=exclusive)
    reply = peer.call(channel_id, method)
    assert isinstance(reply, commands.Basic.ConsumeOk)
    return reply.consumer_tag


def qos(peer: Peer, count: int, channel_id: int = 1, *, for_channel: bool = False) -> None:
    reply = peer.call(channel_id, commands.Basic.Qos(prefetch_count=count, global_=for_channel))
    assert isinstance(reply, commands.Basic.QosOk)


def get(peer: Peer, channel_id: int = 1, *, no_ack: bool = False) -> Content | None:
    reply = peer.call(channel_id, commands.Basic.Get(queue="q", no_ack=no_ack))
    return None if isinstance(reply, commands.Basic.GetEmpty) else reply


def delivered(peer: Peer, channel_id: int = 1) -> list[tuple[str, str, int, bool]]:
    """Body, consumer tag, delivery tag and redelivered of what has come."""
    return [
        (each.body.decode(), each.method.consumer_tag, each.method.delivery_tag, each.method.redelivered)
        for each in peer.contents(channel_id)
    ]


def turns(peer: Peer, channel_id: int = 1) -> str:
    return "".join(tag for _, tag, _, _ in delivered(peer, channel_id))


def counts(peer: Peer) -> tuple[int, int]:
    """Ready messages and consumers of the queue."""
    reply = peer.call(2, commands.Queue.Declare(queue="q", passive=True))
    return reply.message_count, reply.consumer_count


def ack(peer: Peer, tag: int, *, multiple: bool = False, channel_id: int = 1) -> None:
    peer.send(channel_id, commands.Basic.Ack(tag, multiple))


def nack(peer: Peer, tag: int, *, multiple: bool = False, requeue: bool = True) -> None:
    peer.send(1, commands.Basic.Nack(tag, multiple, requeue))


# Consuming


def test_consume_ok_comes_before_the_first_delivery(peer: Peer):
    publish(peer, "x")
    peer.send(1, commands.Basic.Consume(queue="q", consumer_tag="t"))
    consume_ok, delivery = peer.receive()
    assert isinstance(consume_ok.frame, commands.Basic.ConsumeOk)
    assert isinstance(delivery.frame, Content)


def test_a_nameless_consumer_gets_a_tag_of_its_own(peer: Peer):
    tags = {consume(peer, "") for _ in range(5)}
    assert len(tags) == 5
    assert all(re.fullmatch(r"amq\.ctag-[A-Za-z0-9_-]{22}", tag) for tag in tags)


def test_a_tag_used_twice_in_a_channel_is_not_allowed(peer: Peer):
    consume(peer, "t")
    peer.send(1, commands.Basic.Consume(queue="q", consumer_tag="t"))
    text = "NOT_ALLOWED - attempt to reuse consumer tag 't'"
    assert peer.refusal() == Refusal("connection", 530, text, 60, 20)


def test_a_tag_may_be_used_once_in_each_channel(peer: Peer):
    consume(peer, "t", 1)
    consume(peer, "t", 2)
    publish(peer, "1", "2")
    assert [turns(peer, 1), turns(peer, 2)] == ["t", "t"]


def test_consumers_take_turns_across_connections(peer: Peer, other: Peer):
    consume(peer, "a")
    consume(other, "b")
    consume(peer, "c", 2)
    publish(peer, *"123456")
    assert [each[0] for each in delivered(peer)] == ["1", "4"]
    assert [each[0] for each in delivered(other)] == ["2", "5"]
    assert [each[0] for each in delivered(peer, 2)] == ["3", "6"]


REFUSED = {
    "consume-missing": (
        commands.Basic.Consume(queue="fm.nope"),
        404,
        "NOT_FOUND - no queue 'fm.nope' in vhost '/'",
        20,
    ),
    "consume-nameless": (
        commands.Basic.Consume(queue=""),
        404,
        "NOT_FOUND - no previously declared queue",
        20,
    ),
    "consume-exclusively": (
        commands.Basic.Consume(queue="q", consumer_tag="e", exclusive=True),
        403,
        "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
        20,
    ),
    "get-missing": (
        commands.Basic.Get(queue="fm.nope"),
        404,
        "NOT_FOUND - no queue 'fm.nope' in vhost '/'",
        70,
    ),
    "get-nameless": (commands.Basic.Get(queue=""), 404, "NOT_FOUND - no previously declared queue", 70),
    "ack-unknown": (commands.Basic.Ack(99), 406, "PRECONDITION_FAILED - unknown delivery tag 99", 80),
    "ack-zero": (commands.Basic.Ack(0), 406, "PRECONDITION_FAILED - unknown delivery tag 0", 80),
    "ack-unknown-multiple": (
        commands.Basic.Ack(5, True),
        406,
        "PRECONDITION_FAILED - unknown delivery tag 5",
        80,
    ),
    "ack-huge": (
        commands.Basic.Ack(2**64 - 1),
        406,
        "PRECONDITION_FAILED - unknown delivery tag 18446744073709551615",
        80,
    ),
    "reject-unknown": (commands.Basic.Reject(99), 406, "PRECONDITION_FAILED - unknown delivery tag 99", 90),
    "nack-unknown": (commands.Basic.Nack(99), 406, "PRECONDITION_FAILED - unknown delivery tag 99", 120),
    "nack-zero": (commands.Basic.Nack(0), 406, "PRECONDITION_FAILED - unknown delivery tag 0", 120),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_has_rabbitmqs_words_and_closes_only_the_channel(peer: Peer, case: str):
    method, code, text, method_id = REFUSED[case]
    consume(peer)
    peer.send(2, method)
    assert peer.refusal() == Refusal("channel", code, text, 60, method_id)
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


def test_an_exclusive_consumer_keeps_others_out(peer: Peer, other: Peer):
    consume(peer, exclusive=True)
    other.send(1, commands.Basic.Consume(queue="q"))
    text = "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use"
    assert other.refusal() == Refusal("channel", 403, text, 60, 20)
    peer.call(1, commands.Basic.Cancel("t"))
    other.send(1, commands.Channel.CloseOk())
    other.open_channel(1)
    assert consume(other) == "t"


def test_an_exclusive_consumer_does_not_stop_basic_get(peer: Peer, other: Peer):
    consume(peer, exclusive=True)
    assert get(other) is None


def test_cancelling_ends_deliveries_and_leaves_the_unacked(peer: Peer):
    consume(peer)
    publish(peer, "1")
    assert peer.call(1, commands.Basic.Cancel("t")).consumer_tag == "t"
    publish(peer, "2")
    assert delivered(peer) == [("1", "t", 1, False)]
    assert counts(peer) == (1, 0)
    ack(peer, 1)
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


def test_cancelling_an_unknown_tag_is_fine(peer: Peer):
    assert peer.call(1, commands.Basic.Cancel("nope")).consumer_tag == "nope"


def test_a_cancelled_tag_may_be_used_again(peer: Peer):
    consume(peer, "t")
    peer.call(1, commands.Basic.Cancel("t"))
    assert consume(peer, "t") == "t"


def test_no_local_is_accepted_and_ignored(peer: Peer):
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="t", no_local=True))
    publish(peer, "1")
    assert [each[0] for each in delivered(peer)] == ["1"]


# Getting


def test_get_says_how_many_are_left(peer: Peer):
    publish(peer, "1", "2", "3")
    got = get(peer)
    assert got is not None
    assert got.body == b"1"
    assert dict(got.method) == {
        "delivery_tag": 1,
        "redelivered": False,
        "exchange": "",
        "routing_key": "q",
        "message_count": 2,
    }


def test_get_without_ack_leaves_nothing_to_settle(peer: Peer):
    publish(peer, "1")
    assert get(peer, no_ack=True) is not None
    ack(peer, 1)
    text = "PRECONDITION_FAILED - unknown delivery tag 1"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 80)


def test_get_of_an_empty_queue_is_empty(peer: Peer):
    assert get(peer) is None


# Settling


def test_a_delivery_is_settled_once(peer: Peer):
    publish(peer, "1")
    get(peer)
    ack(peer, 1)
    assert peer.receive() == []
    ack(peer, 1)
    text = "PRECONDITION_FAILED - unknown delivery tag 1"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 80)


def test_a_delivery_belongs_to_its_channel(peer: Peer):
    publish(peer, "1")
    get(peer, 1)
    ack(peer, 1, channel_id=2)
    text = "PRECONDITION_FAILED - unknown delivery tag 1"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 80)


def test_multiple_settles_up_to_the_tag_and_no_further(peer: Peer):
    publish(peer, *"1234")
    for _ in range(4):
        get(peer)
    ack(peer, 2)
    ack(peer, 3, multiple=True)
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert counts(peer) == (1, 0)


@pytest.mark.parametrize("method", [commands.Basic.Ack(0, True), commands.Basic.Nack(0, True, False)])
def test_tag_zero_with_multiple_means_all_and_none_is_fine(peer: Peer, method: object):
    peer.send(1, method)  # type: ignore[arg-type]
    publish(peer, *"123")
    for _ in range(3):
        get(peer)
    peer.send(1, method)  # type: ignore[arg-type]
    assert peer.receive() == []
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert counts(peer) == (0, 0)


def test_reject_with_requeue_puts_the_message_back_in_its_place(peer: Peer):
    publish(peer, *"0123")
    for _ in range(2):
        get(peer)
    ack(peer, 2)
    peer.send(1, commands.Basic.Reject(1, True))
    got = [get(peer) for _ in range(3)]
    assert [(each.body, each.method.redelivered) for each in got if each] == [
        (b"0", True),
        (b"2", False),
        (b"3", False),
    ]


def test_reject_without_requeue_drops_the_message(peer: Peer):
    publish(peer, "1")
    get(peer)
    peer.send(1, commands.Basic.Reject(1, False))
    assert counts(peer) == (0, 0)


def test_nack_of_many_puts_them_back_in_order(peer: Peer):
    publish(peer, *"12345")
    for _ in range(4):
        get(peer)
    nack(peer, 3, multiple=True)
    got = [get(peer, 2) for _ in range(4)]
    assert [(each.body, each.method.redelivered) for each in got if each] == [
        (b"1", True),
        (b"2", True),
        (b"3", True),
        (b"5", False),
    ]


def test_a_requeued_message_is_delivered_again_with_a_new_tag(peer: Peer):
    consume(peer)
    publish(peer, "1")
    peer.send(1, commands.Basic.Reject(1, True))
    assert delivered(peer) == [("1", "t", 1, False), ("1", "t", 2, True)]


def test_recover_answers_before_it_redelivers(peer: Peer):
    consume(peer)
    publish(peer, "1", "2")
    assert len(delivered(peer)) == 2
    peer.send(1, commands.Basic.Recover(True))
    answer, *again = peer.receive()
    assert isinstance(answer.frame, commands.Basic.RecoverOk)
    assert [each.frame.body for each in again if isinstance(each.frame, Content)] == [b"1", b"2"]
    assert all(each.frame.method.redelivered for each in again if isinstance(each.frame, Content))


def test_recover_async_is_not_answered(peer: Peer):
    publish(peer, "1")
    get(peer)
    peer.send(1, commands.Basic.RecoverAsync(True))
    assert peer.receive() == []
    assert counts(peer) == (1, 0)


@pytest.mark.parametrize(
    ("method", "method_id"), [(commands.Basic.Recover(False), 110), (commands.Basic.RecoverAsync(False), 100)]
)
def test_recover_without_requeue_is_not_implemented(peer: Peer, method: object, method_id: int):
    peer.send(1, method)  # type: ignore[arg-type]
    text = "NOT_IMPLEMENTED - requeue=false"
    assert peer.refusal() == Refusal("connection", 540, text, 60, method_id)


# Credit


def test_prefetch_limits_each_consumer(peer: Peer):
    qos(peer, 2)
    consume(peer, "a")
    consume(peer, "b")
    publish(peer, *"12345678")
    assert sorted(turns(peer)) == list("aabb")
    assert counts(peer) == (4, 2)


def test_a_backlog_fills_the_first_consumer_then_the_second(peer: Peer):
    publish(peer, *"01234567")
    qos(peer, 2)
    consume(peer, "a")
    consume(peer, "b")
    assert delivered(peer) == [
        ("0", "a", 1, False),
        ("1", "a", 2, False),
        ("2", "b", 3, False),
        ("3", "b", 4, False),
    ]


def test_settling_gives_credit_back(peer: Peer):
    qos(peer, 1)
    consume(peer)
    publish(peer, *"1234")
    assert [each[0] for each in delivered(peer)] == ["1"]
    ack(peer, 1)
    assert [each[0] for each in delivered(peer)] == ["2"]
    nack(peer, 2, requeue=False)
    assert [each[0] for each in delivered(peer)] == ["3"]
    peer.send(1, commands.Basic.Reject(3, False))
    assert [each[0] for each in delivered(peer)] == ["4"]


def test_a_changed_prefetch_is_for_new_consumers_only(peer: Peer):
    qos(peer, 1)
    consume(peer, "old")
    qos(peer, 3)
    publish(peer, *"12345")
    assert [each[0] for each in delivered(peer)] == ["1"]
    consume(peer, "new")
    assert [each[1] for each in delivered(peer)] == ["new"] * 3


def test_global_prefetch_is_shared_by_the_consumers_of_a_channel(peer: Peer):
    qos(peer, 3, for_channel=True)
    consume(peer, "a")
    consume(peer, "b")
    publish(peer, *"12345678")
    assert len(delivered(peer)) == 3
    ack(peer, 2, multiple=True)
    assert len(delivered(peer)) == 2


def test_raising_the_global_prefetch_lets_waiting_consumers_go_on(peer: Peer):
    qos(peer, 1, for_channel=True)
    consume(peer)
    publish(peer, *"1234")
    assert len(delivered(peer)) == 1
    qos(peer, 3, for_channel=True)
    assert len(delivered(peer)) == 2
    qos(peer, 0, for_channel=True)
    assert len(delivered(peer)) == 1


def test_both_limits_hold_at_once(peer: Peer):
    qos(peer, 2)
    qos(peer, 3, for_channel=True)
    consume(peer, "a")
    consume(peer, "b")
    publish(peer, *"12345678")
    tags = turns(peer)
    assert len(tags) == 3
    assert max(tags.count("a"), tags.count("b")) == 2


def test_no_ack_ignores_prefetch(peer: Peer):
    qos(peer, 1)
    qos(peer, 1, for_channel=True)
    consume(peer, no_ack=True)
    publish(peer, *"123456")
    assert len(delivered(peer)) == 6
    assert counts(peer) == (0, 1)


def test_a_shared_credit_that_is_used_up_holds_back_consumers_without_acks_as_well(peer: Peer):
    qos(peer, 1, for_channel=True)
    consume(peer, "acks")
    publish(peer, "1")
    consume(peer, "does not", no_ack=True)
    publish(peer, "2")
    assert turns(peer) == "acks"
    ack(peer, 1)
    assert [each[0] for each in delivered(peer)] == ["2"]


def test_whom_a_shared_credit_holds_back_goes_on_after_what_was_requeued_has_gone_to_others(
    peer: Peer, other: Peer
):
    qos(peer, 1, for_channel=True)
    consume(peer, "a")
    publish(peer, "1", "2")
    consume(other, "b")
    peer.send(1, commands.Basic.Reject(1, True))
    assert turns(peer) == "a"
    assert delivered(other) == [("2", "b", 1, False), ("1", "b", 2, True)]
    publish(peer, "3", "4")
    assert turns(peer) == "a"


def test_who_was_not_held_back_has_its_share_of_a_credit_again_as_it_requeues(peer: Peer, other: Peer):
    qos(peer, 1, for_channel=True)
    consume(peer, "a")
    publish(peer, "1")
    consume(other, "b")
    peer.send(1, commands.Basic.Reject(1, True))
    assert turns(peer) == "aa"


def test_who_has_used_up_what_came_back_does_not_wait_for_its_turn(peer: Peer):
    """Observed: each consumer's messages come back by themselves, and "b" has the first turn in the end."""
    qos(peer, 3)
    consume(peer, "b")
    publish(peer, "1")
    consume(peer, "a")
    publish(peer, *"2345")
    assert turns(peer) == "bbaba"
    nack(peer, 0, multiple=True)
    came_back = delivered(peer)
    assert [body + tag for body, tag, *_ in came_back] == ["3a", "5a", "1a", "2b", "4b"]
    nack(peer, came_back[3][2])
    assert [body + tag for body, tag, *_ in delivered(peer)] == ["2b"]
    nack(peer, 0, multiple=True)
    assert [body + tag for body, tag, *_ in delivered(peer)] == ["1b", "3a", "5a", "2a", "4b"]


def test_those_whom_a_shared_credit_held_back_go_on_in_the_order_of_their_turns(peer: Peer):
    qos(peer, 3, for_channel=True)
    for tag in "ab":
        consume(peer, tag)
    publish(peer, *"123")
    assert turns(peer) == "aba"
    peer.send(1, commands.Basic.Reject(1, True))
    assert delivered(peer) == [("1", "b", 4, True)]
    publish(peer, *"45")
    ack(peer, 2)
    ack(peer, 3)
    assert turns(peer) == "ab"


def test_whom_a_shared_credit_held_back_goes_on_before_who_had_none_of_its_own(peer: Peer):
    qos(peer, 1)
    for tag in "ab":
        consume(peer, tag)
    qos(peer, 1, for_channel=True)
    publish(peer, *"123")
    assert turns(peer) == "a"
    nack(peer, 1, requeue=False)
    assert turns(peer) == "b"


def test_who_has_credit_again_goes_on_in_the_order_of_tags(peer: Peer):
    qos(peer, 1)
    for tag in ["b", "a"]:
        consume(peer, tag)
    publish(peer, *"1234")
    assert turns(peer) == "ba"
    ack(peer, 0, multiple=True)
    assert [(body, tag) for body, tag, *_ in delivered(peer)] == [("3", "a"), ("4", "b")]


def test_direct_replies_come_although_a_shared_credit_is_used_up(peer: Peer, other: Peer):
    qos(peer, 1, for_channel=True)
    consume(peer)
    peer.call(1, commands.Basic.Consume(queue="amq.rabbitmq.reply-to", no_ack=True))
    peer.publish(1, "", "q", b"request", Properties(reply_to="amq.rabbitmq.reply-to"))
    (request,) = peer.contents(1)
    assert request.properties.reply_to is not None
    other.publish(1, "", request.properties.reply_to, b"reply")
    assert [each.body for each in peer.contents(1)] == [b"reply"]


def test_consumers_hear_of_the_end_of_their_queue_in_the_order_of_their_tags(peer: Peer, other: Peer):
    for tag in ["b", "c", "a"]:
        consume(peer, tag)
    other.call(1, commands.Queue.Delete(queue="q"))
    cancels = [each.frame for each in peer.receive()]
    assert [each.consumer_tag for each in cancels if isinstance(each, commands.Basic.Cancel)] == [
        "a",
        "b",
        "c",
    ]


def test_what_basic_get_took_costs_no_credit(peer: Peer):
    qos(peer, 1)
    qos(peer, 1, for_channel=True)
    publish(peer, *"123")
    get(peer)
    consume(peer)
    assert [each[0] for each in delivered(peer)] == ["2"]


def test_a_prefetch_size_is_not_implemented(peer: Peer):
    peer.send(1, commands.Basic.Qos(prefetch_size=1024))
    text = "NOT_IMPLEMENTED - prefetch_size!=0 (1024)"
    assert peer.refusal() == Refusal("connection", 540, text, 60, 10)


def test_who_requeues_a_message_has_credit_for_it_again_and_may_be_next(peer: Peer, other: Peer):
    """The other one came after it; only from then on it has waited longer."""
    qos(peer, 1)
    consume(peer, "a")
    publish(peer, "1")
    qos(other, 1)
    consume(other, "b")
    peer.send(1, commands.Basic.Reject(1, True))
    assert delivered(peer) == [("1", "a", 1, False), ("1", "a", 2, True)]
    peer.send(1, commands.Basic.Reject(2, True))
    assert delivered(other) == [("1", "b", 1, True)]


def test_a_deleted_channel_gives_its_messages_to_who_has_credit(
    broker: MemoryBroker, peer: Peer, other: Peer
):
    consume(peer, "a", 1)
    publish(peer, *"123")
    qos(other, 2)
    consume(other, "b")
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert [(each[0], each[3]) for each in delivered(other)] == [("1", True), ("2", True)]
    assert broker.broker.vhosts["/"].queues["q"].unacked == 2


def test_the_queue_that_an_empty_name_stands_for_is_looked_for_before_the_tag(broker: MemoryBroker):
    peer = broker.connect()
    broker.connect().call(1, commands.Queue.Declare(queue="of another"))
    peer.call(1, commands.Basic.Consume(queue="of another", consumer_tag="t"))
    peer.send(1, commands.Basic.Consume(queue="", consumer_tag="t"))
    text = "NOT_FOUND - no previously declared queue"
    assert peer.refusal() == Refusal("channel", 404, text, 60, 20)
