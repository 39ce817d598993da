"""Quorum queues as clients see them; order, counts and texts are RabbitMQ 3.10.8's."""

import errno
from typing import Any

import pytest
from pamqp import commands

from amqpd.testing import Content, DurableBroker, Peer, Refusal
from amqpd.testing.failing_files import FailingFiles
from amqpd.testing.files import MemoryFiles
from amqpd.wire.fields import Field, field_of
from amqpd.wire.properties import Properties

ENDS = ["restart", "kill", "power"]
AT_LEAST_ONCE = {"overflow": "reject-publish", "dead_letter_strategy": "at-least-once"}


@pytest.fixture
def broker() -> DurableBroker:
    return DurableBroker()


@pytest.fixture
def peer(broker: DurableBroker) -> Peer:
    return broker.connect(channels=3)


def again(broker: DurableBroker, end: str) -> DurableBroker:
    """The next broker on the same disk."""
    if end == "restart":
        return broker.restart()
    return broker.kill() if end == "kill" else broker.lose_power(7)


def declare(peer: Peer, name: str = "q", *, queue_type: str = "quorum", **arguments: object) -> None:
    """Underscores in the arguments' names stand for hyphens."""
    table: dict[str, Any] = {"x-queue-type": field_of(queue_type)}
    table |= {f"x-{key.replace('_', '-')}": field_of(value) for key, value in arguments.items()}
    reply = peer.call(1, commands.Queue.Declare(queue=name, durable=True, arguments=table))
    assert isinstance(reply, commands.Queue.DeclareOk)


def publish(peer: Peer, *bodies: str, to: str = "q", **properties: Any) -> None:
    for body in bodies:
        peer.publish(1, "", to, body.encode(), Properties(**properties))


def confirmed(peer: Peer, *bodies: str, to: str = "q", channel_id: int = 3, **properties: Any) -> str:
    """Publish, and tell for each whether it was confirmed (+) or refused (-)."""
    peer.call(channel_id, commands.Confirm.Select())
    answers = ""
    for body in bodies:
        peer.publish(channel_id, "", to, body.encode(), Properties(**properties))
        for method in peer.methods(channel_id):
            answers += "+" if isinstance(method, commands.Basic.Ack) else "-"
    return answers


def get(peer: Peer, queue: str = "q", channel_id: int = 1, *, no_ack: bool = False) -> Content | None:
    reply = peer.call(channel_id, commands.Basic.Get(queue=queue, no_ack=no_ack))
    return reply if isinstance(reply, Content) else None


def count_of(content: Content) -> int | None:
    """The delivery count that the client is told."""
    field = (content.properties.headers or {}).get("x-delivery-count")
    if field is None:
        return None
    assert field.type == "l"
    assert isinstance(field.value, int)
    return field.value


def seen(*contents: Content) -> list[tuple[str, bool, int | None]]:
    """Body, redelivered and delivery count."""
    return [(each.body.decode(), each.method.redelivered, count_of(each)) for each in contents]


def drained(peer: Peer, queue: str = "q") -> list[tuple[str, bool, int | None]]:
    """What a queue has, each taken for good."""
    contents: list[Content] = []
    while (content := get(peer, queue, no_ack=True)) is not None:
        contents.append(content)
    return seen(*contents)


def order(peer: Peer) -> str:
    """The bodies in the queue, each taken for good."""
    return "".join(body for body, _redelivered, _count in drained(peer))


def taken(peer: Peer, count: int, channel_id: int = 1) -> list[int]:
    """Get so many; their delivery tags."""
    contents = [get(peer, channel_id=channel_id) for _ in range(count)]
    return [content.method.delivery_tag for content in contents if content is not None]


def consume(peer: Peer, tag: str = "t", channel_id: int = 2, *, priority: int = 0, **flags: Any) -> Any:
    arguments: dict[str, Any] = {"x-priority": field_of(priority)} if priority else {}
    method = commands.Basic.Consume(queue="q", consumer_tag=tag, arguments=arguments, **flags)
    return peer.call(channel_id, method)


def nack(peer: Peer, tag: int, channel_id: int = 1, *, multiple: bool = False, requeue: bool = True) -> None:
    peer.send(channel_id, commands.Basic.Nack(tag, multiple, requeue))


def ack(peer: Peer, tag: int, channel_id: int = 1) -> None:
    peer.send(channel_id, commands.Basic.Ack(tag))


def ready(peer: Peer, queue: str = "q") -> int:
    reply = peer.call(1, commands.Queue.Declare(queue=queue, passive=True))
    assert isinstance(reply, commands.Queue.DeclareOk)
    return int(reply.message_count)


def consumer_count(peer: Peer) -> int:
    return int(peer.call(1, commands.Queue.Declare(queue="q", passive=True)).consumer_count)


def reason(content: Content | None) -> object:
    """What a dead letter died of."""
    assert content is not None
    headers = content.properties.headers
    assert headers is not None
    return headers["x-first-death-reason"].value


class TestWhatTheyRefuse:
    def test_a_condition_for_deletion(self, peer: Peer):
        declare(peer)
        peer.send(1, commands.Queue.Delete(queue="q", if_unused=True))
        text = (
            "NOT_IMPLEMENTED - cannot delete queue 'q' in vhost '/'. queue.delete operations with if-unused flag set "
            "are not supported by quorum queues"
        )
        assert peer.refusal() == Refusal("connection", 540, text, 50, 40)

    def test_that_they_be_empty_for_deletion(self, peer: Peer):
        declare(peer)
        peer.send(1, commands.Queue.Delete(queue="q", if_empty=True))
        refusal = peer.refusal()
        assert refusal is not None
        assert "if-empty flag" in refusal.reply_text

    def test_consumers_that_share_a_credit(self, peer: Peer):
        declare(peer)
        peer.call(2, commands.Basic.Qos(prefetch_count=5, global_=True))
        peer.send(2, commands.Basic.Consume(queue="q"))
        text = "NOT_IMPLEMENTED - queue 'q' in vhost '/' does not support global qos"
        assert peer.refusal() == Refusal("connection", 540, text, 60, 20)

    @pytest.mark.parametrize("then", [{"prefetch_count": 0, "global_": True}, {"prefetch_count": 3}])
    def test_but_not_those_that_do_no_longer(self, peer: Peer, then: dict[str, Any]):
        declare(peer)
        peer.call(2, commands.Basic.Qos(prefetch_count=5, global_=True))
        peer.call(2, commands.Basic.Qos(**then))
        assert isinstance(consume(peer), commands.Basic.ConsumeOk)

    def test_getting_where_only_one_consumer_may_be_active(self, peer: Peer):
        declare(peer, single_active_consumer=True)
        peer.send(1, commands.Basic.Get(queue="q"))
        text = (
            "RESOURCE_LOCKED - cannot obtain access to locked queue 'q' in vhost '/'. basic.get operations are not "
            "supported by quorum queues with single active consumer"
        )
        assert peer.refusal() == Refusal("channel", 405, text, 60, 70)


class TestConsumers:
    def test_may_all_be_exclusive(self, peer: Peer):
        declare(peer, single_active_consumer=True)
        assert isinstance(consume(peer, "a", exclusive=True), commands.Basic.ConsumeOk)
        assert isinstance(consume(peer, "b", exclusive=True), commands.Basic.ConsumeOk)

    def test_have_a_limit_also_if_they_want_none(self, peer: Peer):
        declare(peer)
        consume(peer)
        publish(peer, *["x"] * 2003)
        first = peer.contents(2)
        assert len(first) == 2000
        ack(peer, first[0].method.delivery_tag, 2)
        assert len(peer.contents(2)) == 1

    def test_have_no_limit_if_they_do_not_ack(self, peer: Peer):
        declare(peer)
        consume(peer, no_ack=True)
        publish(peer, *["x"] * 2003)
        assert len(peer.contents(2)) == 2003

    def test_keep_their_own_credit_when_a_shared_one_comes_later(self, peer: Peer):
        declare(peer)
        consume(peer)
        peer.call(2, commands.Basic.Qos(prefetch_count=2, global_=True))
        publish(peer, *"123456")
        assert len(peer.contents(2)) == 6

    def test_follow_each_other_in_the_order_in_which_they_came_whatever_their_priority(self, peer: Peer):
        declare(peer, single_active_consumer=True)
        consume(peer, "a")
        consume(peer, "b")
        consume(peer, "c", priority=5)
        peer.call(2, commands.Basic.Cancel("a"))
        publish(peer, "1")
        assert [each.method.consumer_tag for each in peer.contents(2)] == ["b"]

    def test_are_served_by_priority(self, peer: Peer):
        declare(peer)
        consume(peer, "low")
        consume(peer, "high", priority=3)
        publish(peer, "1")
        assert [each.method.consumer_tag for each in peer.contents(2)] == ["high"]

    def test_who_requeues_a_message_has_its_next_turn_after_the_others(self, peer: Peer):
        declare(peer)
        peer.call(2, commands.Basic.Qos(prefetch_count=1))
        consume(peer, "a")
        publish(peer, "1")
        consume(peer, "b")
        nack(peer, peer.contents(2)[0].method.delivery_tag, 2)
        assert [each.method.consumer_tag for each in peer.contents(2)] == ["b"]

    def test_hear_that_their_queue_was_deleted(self, peer: Peer):
        declare(peer)
        consume(peer, "a")
        publish(peer, "1")
        tag = peer.contents(2)[0].method.delivery_tag
        peer.call(1, commands.Queue.Delete(queue="q"))
        assert [method.name for method in peer.methods(2)] == ["Basic.Cancel"]
        ack(peer, tag, 2)
        assert peer.refusal() is None

    def test_that_have_ended_and_unsettled_gets_count_as_well(self, peer: Peer):
        declare(peer)
        publish(peer, "1", "2", "3")
        peer.call(2, commands.Basic.Qos(prefetch_count=1))
        consume(peer)
        tag = peer.contents(2)[0].method.delivery_tag
        peer.call(2, commands.Basic.Cancel("t"))
        got = taken(peer, 2)
        assert consumer_count(peer) == 3
        ack(peer, tag, 2)
        ack(peer, got[0])
        assert consumer_count(peer) == 1
        nack(peer, got[1])
        assert consumer_count(peer) == 0

    def test_that_wait_to_become_the_single_active_one_do_not_count_for_who_declares(
        self, peer: Peer, broker: DurableBroker
    ):
        declare(peer, single_active_consumer=True)
        consume(peer, "a")
        consume(peer, "b")
        assert consumer_count(peer) == 1
        assert broker.broker.vhosts["/"].queue("q").consumer_count() == 2
        publish(peer, "1")
        peer.call(2, commands.Basic.Cancel("a"))
        assert consumer_count(peer) == 2


class TestTheDeliveryCount:
    def test_is_not_told_to_a_consumer_the_first_time(self, peer: Peer):
        declare(peer)
        consume(peer)
        publish(peer, "a")
        assert seen(*peer.contents(2)) == [("a", False, None)]

    def test_is_told_also_if_others_behind_it_have_expired(self, broker: DurableBroker, peer: Peer):
        declare(peer)
        publish(peer, "a")
        nack(peer, taken(peer, 1)[0])
        publish(peer, "b", expiration="100")
        broker.advance(1)
        assert drained(peer) == [("a", True, 1)]

    def test_is_told_to_a_consumer_from_then_on(self, peer: Peer):
        declare(peer)
        consume(peer)
        publish(peer, "a")
        for number in (1, 2, 3):
            nack(peer, number, 2)
        assert seen(*peer.contents(2))[1:] == [("a", True, 1), ("a", True, 2), ("a", True, 3)]

    def test_is_always_told_by_get(self, peer: Peer):
        declare(peer)
        publish(peer, "a")
        nack(peer, taken(peer, 1)[0])
        nack(peer, taken(peer, 1)[0])
        publish(peer, "b")
        assert drained(peer) == [("a", True, 2), ("b", False, 0)]

    def test_stands_in_its_place_among_sorted_headers(self, peer: Peer):
        declare(peer)
        publish(peer, "a", headers={"z": Field("S", "1"), "a": Field("S", "2")}, message_id="id")
        got = get(peer)
        assert got is not None
        assert list(got.properties.headers or {}) == ["a", "x-delivery-count", "z"]
        assert got.properties.message_id == "id"

    def test_replaces_what_the_publisher_called_so(self, peer: Peer):
        declare(peer)
        publish(peer, "a", headers={"x-delivery-count": Field("S", "mine")})
        assert drained(peer) == [("a", False, 0)]

    @pytest.mark.parametrize("way", ["reject", "recover", "close", "disconnect"])
    def test_grows_whichever_way_a_message_comes_back(self, broker: DurableBroker, peer: Peer, way: str):
        declare(peer)
        publish(peer, "a")
        other = broker.connect()
        tag = taken(other, 1)[0]
        if way == "reject":
            other.send(1, commands.Basic.Reject(tag, True))
        elif way == "recover":
            other.call(1, commands.Basic.Recover(requeue=True))
        elif way == "close":
            other.call(1, commands.Channel.Close(200, "", 0, 0))
        else:
            other.disconnect()
        assert drained(peer) == [("a", True, 1)]

    def test_is_no_part_of_the_message_when_it_dies(self, peer: Peer):
        declare(peer, "d", queue_type="classic")
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="d")
        publish(peer, "a")
        nack(peer, taken(peer, 1)[0], requeue=False)
        dead = get(peer, "d")
        assert reason(dead) == "rejected"
        assert dead is not None
        assert count_of(dead) is None


class TestThePlaceOfWhatComesBack:
    def test_is_behind_all_that_is_ready(self, peer: Peer):
        declare(peer)
        publish(peer, *"0123")
        tags = taken(peer, 3)
        nack(peer, tags[1])
        publish(peer, "4")
        nack(peer, tags[0])
        nack(peer, tags[2])
        publish(peer, "5")
        assert order(peer) == "314025"

    def test_is_in_their_order_for_several(self, peer: Peer):
        declare(peer)
        publish(peer, *"01234")
        nack(peer, taken(peer, 3)[2], multiple=True)
        assert order(peer) == "34012"

    def test_is_before_everything_else_with_a_delivery_limit(self, peer: Peer):
        declare(peer, delivery_limit=3)
        publish(peer, *"0123")
        tags = taken(peer, 3)
        nack(peer, tags[1])
        publish(peer, "4")
        nack(peer, tags[0])
        nack(peer, tags[2])
        assert order(peer) == "10234"

    def test_is_before_everything_else_when_a_channel_ends(self, peer: Peer):
        declare(peer)
        publish(peer, *"01234")
        taken(peer, 1, 2)
        taken(peer, 1, 3)
        taken(peer, 1, 2)
        peer.call(2, commands.Channel.Close(200, "", 0, 0))
        peer.call(3, commands.Channel.Close(200, "", 0, 0))
        assert order(peer) == "02134"

    def test_is_the_end_for_a_consumer_that_was_cancelled(self, peer: Peer):
        declare(peer)
        publish(peer, "1", "2")
        peer.call(2, commands.Basic.Qos(prefetch_count=1))
        consume(peer)
        tag = peer.contents(2)[0].method.delivery_tag
        peer.call(2, commands.Basic.Cancel("t"))
        nack(peer, tag, 2)
        assert drained(peer) == [("2", False, 0), ("1", True, 1)]


class TestTheDeliveryLimit:
    def test_lets_a_message_come_back_so_often(self, peer: Peer):
        declare(peer, delivery_limit=2)
        publish(peer, "a")
        counts = []
        while (got := get(peer)) is not None:
            counts.append(count_of(got))
            nack(peer, got.method.delivery_tag)
        assert counts == [0, 1, 2]
        assert ready(peer) == 0

    @pytest.mark.parametrize("way", ["nack", "close"])
    def test_ends_what_has_come_back_too_often(self, peer: Peer, way: str):
        declare(peer, "d", queue_type="classic")
        declare(peer, delivery_limit=0, dead_letter_exchange="", dead_letter_routing_key="d")
        publish(peer, "a")
        tag = taken(peer, 1, 2)[0]
        if way == "nack":
            nack(peer, tag, 2)
        else:
            peer.call(2, commands.Channel.Close(200, "", 0, 0))
        assert ready(peer) == 0
        assert reason(get(peer, "d")) == "delivery_limit"

    @pytest.mark.parametrize("end", ENDS)
    def test_ends_what_came_back_too_often_as_the_broker_ended(
        self, broker: DurableBroker, peer: Peer, end: str
    ):
        declare(peer, "d", queue_type="classic")
        declare(peer, delivery_limit=1, dead_letter_exchange="", dead_letter_routing_key="d")
        publish(peer, "a", "b", "c", delivery_mode=2)
        tags = taken(peer, 2)
        nack(peer, tags[1])
        nack(peer, tags[0])
        taken(peer, 1)
        peer = again(broker, end).connect()
        assert drained(peer) == [("a", True, 1), ("c", False, 0)]
        assert reason(get(peer, "d")) == "delivery_limit"

    def test_lets_a_consumer_wait_for_what_is_left(self, broker: DurableBroker, peer: Peer):
        declare(peer, delivery_limit=0)
        publish(peer, "a", "b", delivery_mode=2)
        taken(peer, 1)
        broker = broker.kill()
        broker.advance(0)
        peer = broker.connect(channels=2)
        assert ready(peer) == 1
        consume(peer)
        assert peer.bodies(2) == [b"b"]


class TestTheEnd:
    @pytest.mark.parametrize("end", ENDS)
    @pytest.mark.parametrize("delivery_mode", [None, 1, 2])
    def test_of_the_broker_leaves_every_message(
        self, broker: DurableBroker, peer: Peer, end: str, delivery_mode: int | None
    ):
        declare(peer)
        assert confirmed(peer, "a", "b", delivery_mode=delivery_mode) == "++"
        peer = again(broker, end).connect()
        got = get(peer)
        assert got is not None
        assert seen(got) == [("a", False, 0)]
        assert got.properties.delivery_mode == delivery_mode
        assert drained(peer) == [("b", False, 0)]

    @pytest.mark.parametrize("end", ENDS)
    def test_of_the_broker_is_a_way_to_come_back(self, broker: DurableBroker, peer: Peer, end: str):
        declare(peer)
        publish(peer, *"abc")
        taken(peer, 2)
        peer = again(broker, end).connect()
        assert drained(peer) == [("a", True, 1), ("b", True, 1), ("c", False, 0)]

    @pytest.mark.parametrize("end", ENDS)
    def test_of_the_broker_keeps_counts_of_what_is_ready(self, broker: DurableBroker, peer: Peer, end: str):
        declare(peer)
        publish(peer, *"abc")
        for _ in range(4):
            nack(peer, taken(peer, 1)[0])
        peer = again(broker, end).connect()
        assert drained(peer) == [("b", True, 1), ("c", True, 1), ("a", True, 2)]

    @pytest.mark.parametrize("end", ENDS)
    @pytest.mark.parametrize("limit", [{}, {"delivery_limit": 9}])
    def test_of_the_broker_counts_once_more_for_what_is_in_a_clients_hands(
        self, broker: DurableBroker, peer: Peer, end: str, limit: dict[str, int]
    ):
        declare(peer, **limit)
        publish(peer, "a")
        for _ in range(3):
            nack(peer, taken(peer, 1)[0])
        taken(peer, 1)
        peer = again(broker, end).connect()
        assert drained(peer) == [("a", True, 4)]

    def test_of_several_brokers_adds_up(self, broker: DurableBroker, peer: Peer):
        declare(peer)
        publish(peer, "a")
        for number in range(5):
            got = get(peer)
            assert got is not None
            assert count_of(got) == number
            broker = broker.kill()
            peer = broker.connect()

    def test_of_the_broker_leaves_nothing_that_was_settled(self, broker: DurableBroker, peer: Peer):
        declare(peer)
        publish(peer, *"abcd")
        tags = taken(peer, 3)
        ack(peer, tags[0])
        nack(peer, tags[1], requeue=False)
        nack(peer, tags[2])
        assert drained(broker.kill().connect()) == [("d", False, 0), ("c", True, 1)]

    def test_of_the_broker_leaves_nothing_that_was_purged(self, broker: DurableBroker, peer: Peer):
        declare(peer)
        publish(peer, *"abcd")
        tags = taken(peer, 3)
        nack(peer, tags[1])
        assert peer.call(1, commands.Queue.Purge(queue="q")).message_count == 2
        nack(peer, tags[2])
        assert drained(broker.kill().connect()) == [("a", True, 1), ("c", True, 1)]

    def test_of_the_first_segments_leaves_the_counts(self):
        broker = DurableBroker(MemoryFiles(), segment_bytes=8192)
        peer = broker.connect(channels=3)
        declare(peer)
        declare(peer, "other", queue_type="classic")
        publish(peer, "a", "b")
        for _ in range(6):
            nack(peer, taken(peer, 1)[0])
        for _ in range(200):
            publish(peer, "x" * 500, to="other", delivery_mode=2)
            get(peer, "other", no_ack=True)
        assert broker.files.names("/data/log")[0] != "0000000001.log"
        assert drained(broker.kill().connect()) == [("a", True, 3), ("b", True, 3)]

    def test_of_the_broker_leaves_the_order_of_what_memory_had_no_room_for(self):
        broker = DurableBroker(memory_bytes=65536)
        peer = broker.connect(channels=3)
        declare(peer)
        bodies = [f"{number}" + "x" * 2000 for number in range(100)]
        publish(peer, *bodies)
        for _ in range(150):
            nack(peer, taken(peer, 1)[0])
        peer = broker.kill().connect()
        expected = [(body, True, 1) for body in bodies[50:]] + [(body, True, 2) for body in bodies[:50]]
        assert drained(peer) == expected


class TestConfirms:
    @pytest.mark.parametrize("delivery_mode", [1, 2])
    def test_wait_for_the_disk(self, broker: DurableBroker, peer: Peer, delivery_mode: int):
        declare(peer)
        peer.call(3, commands.Confirm.Select())
        broker.flushes = False
        peer.publish(3, "", "q", b"a", Properties(delivery_mode=delivery_mode))
        assert peer.methods(3) == []
        broker.flush()
        assert [method.name for method in peer.methods(3)] == ["Basic.Ack"]

    @pytest.mark.parametrize("delivery_mode", [1, 2])
    def test_can_never_come_after_the_disk_has_failed(
        self, broker: DurableBroker, peer: Peer, delivery_mode: int
    ):
        declare(peer)
        declare(peer, "classic", queue_type="classic")
        broker.journal.failure = "No space left on device"
        publish(peer, "a", to="classic", delivery_mode=1)
        assert peer.refusal() is None
        publish(peer, "a", delivery_mode=delivery_mode)
        text = "RESOURCE_ERROR - cannot write to the log: No space left on device"
        assert peer.refusal() == Refusal("channel", 506, text, 60, 40)

    def test_of_a_commit_wait_for_the_disk(self, broker: DurableBroker, peer: Peer):
        declare(peer)
        peer.call(3, commands.Tx.Select())
        peer.publish(3, "", "q", b"a", Properties(delivery_mode=1))
        broker.flushes = False
        peer.send(3, commands.Tx.Commit())
        assert peer.methods(3) == []
        broker.flush()
        assert [method.name for method in peer.methods(3)] == ["Tx.CommitOk"]

    @pytest.mark.parametrize("end", ENDS)
    @pytest.mark.parametrize("delivery_mode", [1, 2])
    def test_hold_for_a_message_that_goes_to_queues_of_all_kinds(
        self, broker: DurableBroker, peer: Peer, end: str, delivery_mode: int
    ):
        kinds = {"a": "classic", "b": "quorum", "c": "classic", "d": "quorum"}
        for name, kind in kinds.items():
            declare(peer, name, queue_type=kind)
            peer.call(1, commands.Queue.Bind(queue=name, exchange="amq.fanout"))
        peer.publish(1, "amq.fanout", "", b"m", Properties(delivery_mode=delivery_mode))
        nack(peer, taken_from(peer, "b"))
        ack(peer, taken_from(peer, "d"))
        peer = again(broker, end).connect()
        left = {name: [body for body, _redelivered, _count in drained(peer, name)] for name in kinds}
        classic = ["m"] if delivery_mode == 2 else []
        assert left == {"a": classic, "b": ["m"], "c": classic, "d": []}


def taken_from(peer: Peer, queue: str) -> int:
    got = get(peer, queue)
    assert got is not None
    return int(got.method.delivery_tag)


class TestLimits:
    def test_drop_from_the_front(self, peer: Peer):
        declare(peer, max_length=2)
        publish(peer, *"123")
        assert order(peer) == "23"

    def test_of_bytes_drop_from_the_front(self, peer: Peer):
        declare(peer, max_length_bytes=10)
        publish(peer, "aaaa", "bbbb", "cccc")
        assert [body for body, *_ in drained(peer)] == ["bbbb", "cccc"]

    def test_do_not_count_what_clients_have_until_it_comes_back(self, peer: Peer):
        declare(peer, max_length=2)
        publish(peer, *"12")
        tag = taken(peer, 1)[0]
        publish(peer, "3")
        assert ready(peer) == 2
        nack(peer, tag)
        assert drained(peer) == [("3", False, 0), ("1", True, 1)]

    def test_drop_what_comes_back_when_its_channel_ends(self, peer: Peer):
        declare(peer, max_length=2)
        publish(peer, *"12")
        taken(peer, 1, 2)
        publish(peer, "3")
        peer.call(2, commands.Channel.Close(200, "", 0, 0))
        assert order(peer) == "23"

    def test_refuse_after_one_too_many_and_until_there_is_room_for_a_fifth(self, peer: Peer):
        declare(peer, max_length=10, overflow="reject-publish")
        assert confirmed(peer, *"0123456789ABCD") == "+++++++++++---"
        answers = ""
        for _ in range(4):
            get(peer, no_ack=True)
            answers += confirmed(peer, "n")
        assert answers == "--++"

    def test_let_consumers_make_room(self, peer: Peer):
        declare(peer, max_length=1, overflow="reject-publish")
        assert confirmed(peer, *"123") == "++-"
        consume(peer)
        assert confirmed(peer, *"45") == "++"

    @pytest.mark.parametrize("end", ["at once", "later"])
    def test_have_room_for_what_has_expired(self, broker: DurableBroker, peer: Peer, end: str):
        declare(peer, max_length_bytes=10, overflow="reject-publish")
        assert confirmed(peer, "x" * 11, expiration="0" if end == "at once" else "100") == "+"
        broker.advance(0.1)
        assert confirmed(peer, *"123") == "+++"

    def test_are_looked_at_when_consumers_have_taken_what_came_back(self, peer: Peer):
        declare(peer, max_length=1)
        peer.call(2, commands.Basic.Qos(prefetch_count=1))
        consume(peer)
        publish(peer, "1", "2")
        nack(peer, peer.contents(2)[0].method.delivery_tag, 2)
        assert [each.body for each in peer.contents(2)] == [b"2"]
        assert order(peer) == "1"

    def test_of_nothing_take_one(self, peer: Peer):
        declare(peer, max_length=0, overflow="reject-publish")
        assert confirmed(peer, *"123") == "+--"

    def test_of_bytes_refuse_as_well(self, peer: Peer):
        declare(peer, max_length_bytes=10, overflow="reject-publish")
        assert confirmed(peer, "aaaaaa", "bbbbbb", "cccccc") == "++-"

    def test_are_no_limits_for_dead_letters(self, peer: Peer):
        declare(peer, "full", max_length=1, overflow="reject-publish")
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="full")
        publish(peer, "1", "2", "3", to="full")
        publish(peer, "4")
        nack(peer, taken(peer, 1)[0], requeue=False)
        assert ready(peer, "full") == 3

    def test_hold_after_a_restart(self, broker: DurableBroker, peer: Peer):
        declare(peer, max_length=2, overflow="reject-publish")
        publish(peer, *"123")
        assert confirmed(broker.kill().connect(channels=3), "4") == "-"


class TestTimeToLive:
    def test_of_a_queue_ends_its_messages(self, broker: DurableBroker, peer: Peer):
        declare(peer, message_ttl=100)
        publish(peer, "1", "2")
        broker.advance(0.09)
        assert ready(peer) == 2
        broker.advance(0.02)
        assert ready(peer) == 0

    def test_of_a_message_ends_it_at_the_front(self, broker: DurableBroker, peer: Peer):
        declare(peer)
        publish(peer, "1")
        publish(peer, "2", expiration="50")
        publish(peer, "3")
        broker.advance(0.2)
        assert ready(peer) == 3
        assert order(peer) == "13"

    def test_of_zero_lets_a_message_through_to_who_waits_for_it(self, peer: Peer):
        declare(peer, message_ttl=0)
        consume(peer)
        publish(peer, "1")
        assert peer.bodies(2) == [b"1"]

    def test_goes_on_while_a_client_has_the_message(self, broker: DurableBroker, peer: Peer):
        declare(peer, message_ttl=300)
        publish(peer, "1")
        tag = taken(peer, 1)[0]
        broker.advance(0.4)
        nack(peer, tag)
        assert ready(peer) == 0

    def test_goes_on_after_a_message_came_back_and_after_a_restart(self, broker: DurableBroker, peer: Peer):
        declare(peer, message_ttl=300)
        publish(peer, "1")
        broker.advance(0.2)
        nack(peer, taken(peer, 1)[0])
        started = broker.clock.unix_s()
        broker = broker.kill()
        broker.advance(started - broker.clock.unix_s())
        peer = broker.connect()
        assert ready(peer) == 1
        broker.advance(0.11)
        assert ready(peer) == 0

    def test_of_an_unused_queue_ends_it(self, broker: DurableBroker, peer: Peer):
        declare(peer, expires=1000)
        broker.advance(1.1)
        peer.send(1, commands.Queue.Declare(queue="q", passive=True))
        refusal = peer.refusal()
        assert refusal is not None
        assert refusal.reply_code == 404

    def test_of_an_unused_queue_does_not_end_it_while_somebody_has_a_message(
        self, broker: DurableBroker, peer: Peer
    ):
        declare(peer, expires=1000)
        publish(peer, "1")
        tag = taken(peer, 1)[0]
        broker.advance(5.5)
        ack(peer, tag)
        broker.advance(0.9)
        assert ready(peer) == 0
        broker.advance(0.2)
        peer.send(1, commands.Queue.Declare(queue="q", passive=True))
        assert peer.refusal() is not None


class TestAtLeastOnce:
    def reject(self, peer: Peer, count: int = 1) -> None:
        for tag in taken(peer, count):
            nack(peer, tag, requeue=False)

    def test_hands_a_dead_letter_on(self, peer: Peer):
        declare(peer, "d", queue_type="classic")
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        publish(peer, "1")
        self.reject(peer)
        assert reason(get(peer, "d")) == "rejected"

    def test_hands_what_has_expired_on(self, broker: DurableBroker, peer: Peer):
        declare(peer, "d", queue_type="classic")
        declare(peer, message_ttl=50, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        publish(peer, "1")
        broker.advance(0.1)
        assert reason(get(peer, "d")) == "expired"

    def test_hands_what_came_back_too_often_on(self, peer: Peer):
        declare(peer, "d", queue_type="classic")
        declare(peer, delivery_limit=0, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        publish(peer, "1")
        nack(peer, taken(peer, 1)[0])
        assert reason(get(peer, "d")) == "delivery_limit"

    def test_keeps_what_leads_nowhere_and_tries_again(self, broker: DurableBroker, peer: Peer):
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        publish(peer, *"123")
        self.reject(peer, 3)
        assert ready(peer) == 0
        declare(peer, "d", queue_type="classic")
        broker.advance(179)
        assert ready(peer, "d") == 0
        broker.advance(2)
        assert [body for body, *_ in drained(peer, "d")] == ["1", "2", "3"]
        broker.advance(400)
        assert ready(peer, "d") == 0

    def test_keeps_what_has_no_exchange(self, broker: DurableBroker, peer: Peer):
        declare(peer, dead_letter_exchange="e", **AT_LEAST_ONCE)
        publish(peer, "1")
        self.reject(peer)
        peer.call(1, commands.Exchange.Declare(exchange="e", exchange_type="fanout"))
        declare(peer, "d", queue_type="classic")
        peer.call(1, commands.Queue.Bind(queue="d", exchange="e"))
        died_s = int(broker.clock.unix_s())
        broker.advance(181)
        letter = get(peer, "d")
        assert letter is not None
        assert letter.properties.headers is not None
        deaths = letter.properties.headers["x-death"].value
        assert isinstance(deaths, list)
        assert deaths[0].value["time"] == Field("T", died_s)

    def test_offers_a_letter_again_only_to_who_refused_it(self, broker: DurableBroker, peer: Peer):
        declare(peer, "d", max_length=0, overflow="reject-publish")
        declare(peer, "other", queue_type="classic")
        for name in ("d", "other"):
            peer.call(1, commands.Queue.Bind(queue=name, exchange="amq.fanout"))
        declare(peer, dead_letter_exchange="amq.fanout", **AT_LEAST_ONCE)
        publish(peer, "full", to="d")
        publish(peer, "1")
        self.reject(peer)
        assert ready(peer, "other") == 1
        assert order_of(peer, "d") == ["full"]
        broker.advance(181)
        assert order_of(peer, "d") == ["1"]
        assert ready(peer, "other") == 1

    def test_lets_no_more_than_some_wait_for_an_answer(self, broker: DurableBroker, peer: Peer):
        declare(peer, "d", queue_type="classic")
        declare(peer, dead_letter_exchange="amq.topic", **AT_LEAST_ONCE)
        peer.call(1, commands.Queue.Bind(queue="d", exchange="amq.topic", routing_key="good"))
        for routing_key in ("good", "bad"):
            peer.call(1, commands.Queue.Bind(queue="q", exchange="amq.direct", routing_key=routing_key))
        for routing_key in ["bad"] * 32 + ["good"]:
            peer.publish(1, "amq.direct", routing_key, b"", Properties())
        self.reject(peer, 33)
        broker.advance(181)
        assert ready(peer, "d") == 0
        peer.call(1, commands.Queue.Bind(queue="d", exchange="amq.topic", routing_key="bad"))
        broker.advance(181)
        assert ready(peer, "d") == 33

    def test_counts_dead_letters_against_the_limit(self, peer: Peer):
        declare(peer, dead_letter_exchange="nowhere", max_length=3, **AT_LEAST_ONCE)
        publish(peer, *"123")
        self.reject(peer, 2)
        assert ready(peer) == 1
        assert confirmed(peer, *"456") == "+--"

    def test_does_not_purge_dead_letters(self, broker: DurableBroker, peer: Peer):
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        publish(peer, "1", "2")
        self.reject(peer)
        assert peer.call(1, commands.Queue.Purge(queue="q")).message_count == 1
        declare(peer, "d", queue_type="classic")
        broker.advance(181)
        assert order_of(peer, "d") == ["1"]

    @pytest.mark.parametrize("end", ENDS)
    def test_keeps_dead_letters_over_the_end_of_the_broker(self, broker: DurableBroker, peer: Peer, end: str):
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        publish(peer, *"123")
        tags = taken(peer, 2)
        nack(peer, tags[0])
        nack(peer, tags[1], requeue=False)
        broker = again(broker, end)
        peer = broker.connect()
        declare(peer, "d", queue_type="classic")
        broker.advance(181)
        letter = get(peer, "d")
        assert reason(letter) == "rejected"
        assert letter is not None
        assert letter.body == b"2"
        assert drained(peer) == [("3", False, 0), ("1", True, 1)]

    @pytest.mark.parametrize("end", ENDS)
    def test_forgets_dead_letters_that_were_taken(self, broker: DurableBroker, peer: Peer, end: str):
        declare(peer, "d")
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        publish(peer, "1")
        self.reject(peer)
        broker = again(broker, end)
        broker.advance(400)
        assert order_of(broker.connect(), "d") == ["1"]

    def test_goes_on_with_those_that_memory_had_no_room_for(self):
        broker = DurableBroker(memory_bytes=65536)
        peer = broker.connect()
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        bodies = [f"{number}" + "x" * 3000 for number in range(100)]
        publish(peer, *bodies)
        self.reject(peer, 100)
        declare(peer, "d")
        broker.advance(181)
        assert order_of(peer, "d") == bodies

    def test_goes_on_when_what_could_not_be_read_can_be_read_again(self):
        files = FailingFiles(MemoryFiles())
        broker = DurableBroker(files, memory_bytes=65536)
        peer = broker.connect()
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="d", **AT_LEAST_ONCE)
        bodies = [f"{number}" + "x" * 3000 for number in range(100)]
        publish(peer, *bodies)
        self.reject(peer, 100)
        declare(peer, "d")
        files.break_with(errno.EIO)
        broker.advance(181)
        assert "messages can't be read from disk" in broker.events.sentences()
        files.mend()
        broker.advance(181)
        assert order_of(peer, "d") == bodies

    def test_without_refusing_is_at_most_once(self, broker: DurableBroker, peer: Peer):
        declare(
            peer, dead_letter_exchange="", dead_letter_routing_key="d", dead_letter_strategy="at-least-once"
        )
        publish(peer, "1")
        self.reject(peer)
        declare(peer, "d", queue_type="classic")
        broker.advance(400)
        assert ready(peer, "d") == 0

    def test_goes_on_among_letters_that_lead_back(self, peer: Peer):
        declare(peer, dead_letter_exchange="", dead_letter_routing_key="q", **AT_LEAST_ONCE)
        publish(peer, "1")
        self.reject(peer)
        got = get(peer)
        assert got is not None
        assert got.body == b"1"
        assert count_of(got) == 0


def order_of(peer: Peer, queue: str) -> list[str]:
    return [body for body, *_ in drained(peer, queue)]


def test_what_a_channel_had_comes_back_consumer_by_consumer_in_the_order_of_their_tags(peer: Peer):
    """What basic.get has taken has its delivery tag for a consumer's."""
    declare(peer)
    publish(peer, *"123456")
    assert get(peer, channel_id=2) is not None
    peer.call(2, commands.Basic.Qos(prefetch_count=2))
    for tag in ["b", "a", "0"]:
        peer.call(2, commands.Basic.Consume(queue="q", consumer_tag=tag))
    assert [each.body for each in peer.contents(2)] == [b"2", b"3", b"4", b"5", b"6"]
    peer.call(2, commands.Channel.Close(200, "", 0, 0))
    assert [each.body for _ in range(6) if (each := get(peer, no_ack=True))] == [
        b"6",
        b"1",
        b"4",
        b"5",
        b"2",
        b"3",
    ]


def test_who_has_used_up_its_credit_has_its_next_turn_after_those_who_have_waited(peer: Peer):
    declare(peer)
    for tag, credit in [("a", 1), ("b", 2), ("c", 2)]:
        peer.call(1, commands.Basic.Qos(prefetch_count=credit))
        peer.call(1, commands.Basic.Consume(queue="q", consumer_tag=tag))
    publish(peer, "1", "2")
    peer.send(1, commands.Basic.Ack(1))
    publish(peer, "3", "4", "5")
    assert [each.method.consumer_tag for each in peer.contents(1)] == ["a", "b", "c", "b", "a"]


def test_who_gets_at_once_what_it_gave_back_has_its_next_turn_after_who_comes_meanwhile(peer: Peer):
    declare(peer)
    peer.call(1, commands.Basic.Qos(prefetch_count=1))
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="a"))
    publish(peer, "1")
    peer.send(1, commands.Basic.Reject(1, True))
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="b"))
    peer.send(1, commands.Basic.Reject(2, True))
    assert [each.method.consumer_tag for each in peer.contents(1)] == ["a", "a", "b"]


@pytest.mark.parametrize(("no_ack", "counted"), [(False, 1), (True, 0)])
def test_what_has_expired_behind_the_message_that_a_get_takes_counts_until_it_is_settled(
    broker: DurableBroker, peer: Peer, no_ack: bool, counted: int
):
    declare(peer)
    publish(peer, "1")
    publish(peer, "2", expiration="1")
    broker.advance(1)
    got = get(peer, no_ack=no_ack)
    assert got is not None
    assert got.method.message_count == counted
    broker.advance(0)
    assert get(peer) is None


def test_what_several_consumers_give_back_at_once_comes_back_in_the_order_of_their_tags(peer: Peer):
    declare(peer)
    peer.call(1, commands.Basic.Qos(prefetch_count=2))
    for tag in ["b", "a"]:
        peer.call(1, commands.Basic.Consume(queue="q", consumer_tag=tag))
    publish(peer, *"1234")
    for tag in ["b", "a"]:
        peer.call(1, commands.Basic.Cancel(tag))
    peer.contents(1)
    peer.send(1, commands.Basic.Nack(0, True, True))
    assert [each.body for _ in range(4) if (each := get(peer, no_ack=True))] == [b"2", b"4", b"1", b"3"]


def test_what_is_rejected_is_dead_before_what_expires_behind_it(broker: DurableBroker, peer: Peer):
    declare(peer, "dead", queue_type="classic")
    declare(peer, dead_letter_exchange="", dead_letter_routing_key="dead")
    publish(peer, "1", "2")
    publish(peer, "3", expiration="1")
    peer.call(1, commands.Basic.Qos(prefetch_count=1))
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="t"))
    broker.advance(1)
    peer.send(1, commands.Basic.Reject(1, False))
    broker.advance(0)
    assert [each.body for _ in range(2) if (each := get(peer, "dead", no_ack=True))] == [b"1", b"3"]


def test_a_queue_is_not_full_of_a_rejected_message_whose_consumer_takes_the_next(peer: Peer):
    declare(peer, max_length=1, dead_letter_exchange="none", **AT_LEAST_ONCE)
    peer.call(1, commands.Basic.Qos(prefetch_count=2))
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="t"))
    publish(peer, *"123")
    peer.send(1, commands.Basic.Reject(1, False))
    assert [each.body for each in peer.contents(1)] == [b"1", b"2", b"3"]
    assert confirmed(peer, "4") == "+"
