"""Streams as clients see them; texts are RabbitMQ 3.10.8's."""

from typing import Any

import pytest
from pamqp import commands

from amqpd.testing import Content, DurableBroker, MemoryBroker, Peer, Refusal
from amqpd.wire.fields import Field, plain_table, table_of
from amqpd.wire.properties import Properties

OLD_S = 1_700_000_000
"""When the clock of a test starts, in seconds since 1970."""


@pytest.fixture(params=["in memory", "durable", "spilling"])
def broker(request: pytest.FixtureRequest) -> MemoryBroker:
    if request.param == "in memory":
        return MemoryBroker()
    return DurableBroker(segment_bytes=20000, memory_bytes=4000 if request.param == "spilling" else 1 << 24)


on_disk = pytest.mark.parametrize("broker", ["durable", "spilling"], indirect=True)


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a stream, and credit on both channels."""
    declare(peer)
    for channel_id in (1, 2):
        peer.call(channel_id, commands.Basic.Qos(prefetch_count=100))
    return peer


def declare(peer: Peer, name: str = "s", **arguments: object) -> Any:
    table: dict[str, object] = {"x-queue-type": "stream"}
    table.update({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    return peer.call(1, commands.Queue.Declare(queue=name, durable=True, arguments=table_of(table)))


def publish(peer: Peer, *bodies: str, **headers: object) -> None:
    for body in bodies:
        properties = Properties(headers=table_of(headers)) if headers else None
        peer.publish(1, "", "s", body.encode(), properties)


def consume(
    peer: Peer, offset: object = None, tag: str = "t", channel_id: int = 1, **arguments: object
) -> Any:
    table = {f"x-stream-{key.replace('_', '-')}": value for key, value in arguments.items()}
    if offset is not None:
        table["x-stream-offset"] = offset
    return peer.call(
        channel_id, commands.Basic.Consume(queue="s", consumer_tag=tag, arguments=table_of(table))
    )


def qos(peer: Peer, count: int, channel_id: int = 1) -> None:
    peer.call(channel_id, commands.Basic.Qos(prefetch_count=count))


def ack(peer: Peer, tag: int, *, multiple: bool = False, channel_id: int = 1) -> None:
    peer.send(channel_id, commands.Basic.Ack(tag, multiple))


def offset_of(content: Content) -> int:
    headers = content.properties.headers
    assert headers is not None
    field = headers["x-stream-offset"]
    assert field.type == "l"
    assert isinstance(field.value, int)
    return field.value


def delivered(peer: Peer, channel_id: int = 1) -> list[tuple[str, int]]:
    """Body and offset of what has come."""
    return [(each.body.decode(), offset_of(each)) for each in peer.contents(channel_id)]


def ready(peer: Peer) -> int:
    reply = peer.call(2, commands.Queue.Declare(queue="s", passive=True))
    assert isinstance(reply.message_count, int)
    return reply.message_count


# Reading


def test_a_reader_gets_everything_from_the_first_on_with_its_offset(peer: Peer):
    publish(peer, "a", "b")
    consume(peer, "first")
    publish(peer, "c")
    assert delivered(peer) == [("a", 0), ("b", 1), ("c", 2)]


def test_a_reader_that_does_not_say_where_gets_what_comes_next(peer: Peer):
    publish(peer, "a")
    consume(peer)
    publish(peer, "b")
    assert delivered(peer) == [("b", 1)]


def test_a_reader_may_begin_at_any_offset(peer: Peer):
    publish(peer, *"abcde")
    consume(peer, 3)
    assert delivered(peer) == [("d", 3), ("e", 4)]


def test_a_reader_that_begins_behind_the_end_gets_what_comes_there(peer: Peer):
    publish(peer, "a")
    consume(peer, 3)
    publish(peer, *"bcde")
    assert delivered(peer) == [("d", 3), ("e", 4)]


def test_a_negative_offset_is_the_first(peer: Peer):
    publish(peer, "a")
    consume(peer, -1)
    assert delivered(peer) == [("a", 0)]


def test_the_last_chunk_is_what_was_written_together_with_the_last_message(broker: MemoryBroker, peer: Peer):
    publish(peer, "a", "b")
    broker.advance(1)
    publish(peer, "c", "d")
    consume(peer, "last")
    assert delivered(peer) == [("c", 2), ("d", 3)]


def test_the_last_chunk_of_an_empty_stream_is_what_comes_next(peer: Peer):
    consume(peer, "last")
    publish(peer, "a")
    assert delivered(peer) == [("a", 0)]


@pytest.mark.parametrize(
    ("offset", "bodies"),
    [
        ("13s", "abcd"),
        ("9s", "bcd"),
        ("1s", "cd"),
        (Field("T", OLD_S - 1), "abcd"),
        (Field("T", OLD_S + 10), "bcd"),
        (Field("T", OLD_S + 11), "cd"),
        (Field("T", OLD_S + 1000), "d"),
        ("1Y", "abcd"),
    ],
    ids=str,
)
def test_a_reader_may_begin_at_a_time(broker: MemoryBroker, peer: Peer, offset: object, bodies: str):
    publish(peer, "a")
    broker.advance(10)
    publish(peer, "b")
    broker.advance(2)
    publish(peer, "c")
    consume(peer, offset)
    publish(peer, "d")
    assert "".join(body for body, _ in delivered(peer)) == bodies


def test_every_reader_gets_everything(peer: Peer, other: Peer):
    publish(peer, "a")
    qos(other, 10)
    consume(peer, "first")
    consume(peer, "first", channel_id=2)
    consume(other, "first")
    publish(peer, "b")
    everything = [("a", 0), ("b", 1)]
    assert [delivered(peer), delivered(peer, 2), delivered(other)] == [everything] * 3


def test_acks_give_credit_and_remove_nothing(peer: Peer):
    publish(peer, *"abcd")
    qos(peer, 2)
    consume(peer, "first")
    assert delivered(peer) == [("a", 0), ("b", 1)]
    ack(peer, 1)
    assert delivered(peer) == [("c", 2)]
    ack(peer, 3, multiple=True)
    assert delivered(peer) == [("d", 3)]
    assert ready(peer) == 4


def test_a_reader_without_credit_does_not_hold_up_others(peer: Peer):
    qos(peer, 1)
    consume(peer)
    consume(peer, channel_id=2)
    publish(peer, *"abc")
    assert len(delivered(peer)) == 1
    assert len(delivered(peer, 2)) == 3


def test_nothing_is_ever_redelivered(broker: MemoryBroker, peer: Peer):
    publish(peer, "a")
    consume(peer, "first", channel_id=2)
    assert delivered(peer, 2) == [("a", 0)]
    peer.call(2, commands.Channel.Close(200, "", 0, 0))
    consume(peer, "first")
    (content,) = peer.contents(1)
    assert (offset_of(content), content.method.redelivered) == (0, False)
    assert broker.broker.vhosts["/"].queues["s"].unacked == 1


def test_recovering_brings_nothing_back_but_credit(peer: Peer):
    publish(peer, *"ab")
    qos(peer, 1)
    consume(peer, "first")
    assert delivered(peer) == [("a", 0)]
    assert isinstance(peer.call(1, commands.Basic.Recover(True)), commands.Basic.RecoverOk)
    assert delivered(peer) == [("b", 1)]


def test_the_other_headers_and_properties_stay(peer: Peer):
    peer.publish(
        1, "", "s", b"x", Properties(content_type="text/plain", headers=table_of({"a": 1}), app_id="me")
    )
    consume(peer, "first")
    (content,) = peer.contents(1)
    assert content.properties.content_type == "text/plain"
    assert content.properties.app_id == "me"
    assert plain_table(content.properties.headers or {}) == {"a": 1, "x-stream-offset": 0}
    assert (content.method.exchange, content.method.routing_key) == ("", "s")


@pytest.mark.parametrize("size", [0, 1, 4000, 4089, 16384, 16385, 200_000])
def test_bodies_of_any_size_come_as_they_were_published(peer: Peer, size: int):
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    peer.publish(1, "", "s", body)
    consume(peer, "first", channel_id=2)
    consume(peer, "first")
    assert [peer.bodies(1), peer.bodies(2)] == [[body], [body]]
    peer.publish(1, "", "s", body)
    assert [peer.bodies(1), peer.bodies(2)] == [[body], [body]]


def test_a_long_stream_is_read_in_turns(broker: MemoryBroker, peer: Peer):
    count = 5000
    publish(peer, *map(str, range(count)))
    qos(peer, 60000)
    qos(peer, 60000, 2)
    consume(peer, "first")
    consume(peer, 10, channel_id=2)
    first: list[tuple[str, int]] = []
    second: list[tuple[str, int]] = []
    for _ in range(20):
        broker.advance(0)
        first += delivered(peer)
        second += delivered(peer, 2)
    assert first == [(str(number), number) for number in range(count)]
    assert second == first[10:]


def test_a_cancelled_reader_gets_nothing_more_and_its_acks_are_taken(peer: Peer):
    publish(peer, "a")
    consume(peer, "first")
    peer.call(1, commands.Basic.Cancel("t"))
    publish(peer, "b")
    assert delivered(peer) == [("a", 0)]
    ack(peer, 1)
    assert peer.refusal() is None


def test_a_stream_is_nobodys_alone(peer: Peer):
    for tag in ("a", "b"):
        method = commands.Basic.Consume(queue="s", consumer_tag=tag, exclusive=True)
        assert isinstance(peer.call(1, method), commands.Basic.ConsumeOk)


def test_a_declaration_tells_how_many_messages_there_are_but_not_how_many_readers(peer: Peer):
    publish(peer, "a", "b")
    consume(peer, "first")
    reply = declare(peer)
    assert (reply.message_count, reply.consumer_count) == (2, 0)


# Publishing


def test_confirms_come_when_the_stream_has_the_message(peer: Peer):
    peer.call(1, commands.Confirm.Select())
    publish(peer, "a")
    assert isinstance(peer.expect(1, commands.Basic.Ack), commands.Basic.Ack)


def test_a_message_in_a_stream_and_a_queue_is_kept_by_the_one_and_consumed_from_the_other(peer: Peer):
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    for queue in ("s", "q"):
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    for mode in (1, 2):
        peer.publish(1, "amq.fanout", "", b"%d" % mode, Properties(delivery_mode=mode))
    consume(peer, "first")
    assert delivered(peer) == [("1", 0), ("2", 1)]
    got = [peer.call(2, commands.Basic.Get(queue="q", no_ack=True)) for _ in range(2)]
    assert [(each.body, each.properties.headers) for each in got] == [(b"1", None), (b"2", None)]
    consume(peer, "first", tag="again")
    assert delivered(peer) == [("1", 0), ("2", 1)]


def test_messages_do_not_expire(broker: MemoryBroker, peer: Peer):
    peer.publish(1, "", "s", b"a", Properties(expiration="10"))
    broker.advance(60)
    consume(peer, "first")
    assert delivered(peer) == [("a", 0)]


# Filters


def test_a_reader_gets_only_what_it_asks_for(peer: Peer):
    publish(peer, "1", "2", **{"x-stream-filter-value": "a"})
    publish(peer, "3", **{"x-stream-filter-value": "b"})
    publish(peer, "4")
    publish(peer, "5", other="x-stream-filter-value")
    publish(peer, "6", **{"x-stream-filter-value": 1})
    consume(peer, "first", filter="a")
    assert delivered(peer) == [("1", 0), ("2", 1)]
    consume(peer, "first", "u", filter="b", match_unfiltered=True)
    assert delivered(peer) == [("3", 2), ("4", 3), ("5", 4), ("6", 5)]
    consume(peer, "first", "v", filter=["a", 7, "b"], match_unfiltered=False)
    assert delivered(peer) == [("1", 0), ("2", 1), ("3", 2)]
    consume(peer, "first", "w", filter=7)
    assert len(delivered(peer)) == 6
    publish(peer, "7", **{"x-stream-filter-value": "c"})
    assert delivered(peer) == [("7", 6)]


def test_what_a_reader_does_not_get_takes_no_credit(peer: Peer):
    publish(peer, *"abc")
    publish(peer, "d", **{"x-stream-filter-value": "x"})
    qos(peer, 1)
    consume(peer, "first", filter="x")
    assert delivered(peer) == [("d", 3)]


# Refusals

QUEUE = "queue 's' in vhost '/'"


def test_credit_is_required(peer: Peer):
    qos(peer, 0)
    peer.send(1, commands.Basic.Consume(queue="s"))
    text = f"PRECONDITION_FAILED - consumer prefetch count is not set for '{QUEUE}'"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 20)


def test_automatic_acks_are_refused(peer: Peer):
    peer.send(1, commands.Basic.Consume(queue="s", no_ack=True))
    text = f"NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queues {QUEUE}"
    assert peer.refusal() == Refusal("connection", 540, text, 60, 20)


def test_credit_for_the_whole_channel_is_refused(peer: Peer):
    peer.call(1, commands.Basic.Qos(prefetch_count=5, global_=True))
    peer.send(1, commands.Basic.Consume(queue="s"))
    text = f"NOT_IMPLEMENTED - {QUEUE} does not support global qos"
    assert peer.refusal() == Refusal("connection", 540, text, 60, 20)


@pytest.mark.parametrize(
    "method",
    [
        commands.Basic.Nack(1, False, True),
        commands.Basic.Nack(1, False, False),
        commands.Basic.Reject(1, True),
        commands.Basic.Reject(1, False),
    ],
    ids=["nack and requeue", "nack", "reject and requeue", "reject"],
)
def test_messages_can_not_be_refused(peer: Peer, method: Any):
    publish(peer, "a")
    consume(peer, "first")
    peer.receive()
    peer.send(1, method)
    text = f"NOT_IMPLEMENTED - basic.nack and basic.reject not supported by stream queues {QUEUE}"
    method_id = 120 if isinstance(method, commands.Basic.Nack) else 90
    assert peer.refusal() == Refusal("connection", 540, text, 60, method_id)


def test_messages_of_a_stream_that_is_gone_may_be_refused(peer: Peer):
    publish(peer, "a")
    consume(peer, "first")
    peer.receive()
    peer.call(1, commands.Queue.Delete(queue="s"))
    peer.send(1, commands.Basic.Nack(1, False, True))
    assert peer.refusal() is None


def test_what_else_was_refused_together_with_a_streams_goes_back(peer: Peer, other: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.publish(1, "", "q", b"x")
    peer.call(1, commands.Basic.Get(queue="q"))
    publish(peer, "a")
    consume(peer, "first")
    peer.receive()
    peer.send(1, commands.Basic.Nack(2, True, False))
    got = other.call(1, commands.Basic.Get(queue="q"))
    assert (got.body, got.method.redelivered) == (b"x", True)


def test_basic_get_is_refused(peer: Peer):
    peer.send(1, commands.Basic.Get(queue="s"))
    text = f"NOT_IMPLEMENTED - basic.get not supported by stream queues {QUEUE}"
    assert peer.refusal() == Refusal("connection", 540, text, 60, 70)


def test_purging_is_refused(peer: Peer):
    peer.send(1, commands.Queue.Purge(queue="s"))
    text = f"NOT_IMPLEMENTED - queue.purge not supported by stream queues {QUEUE}"
    assert peer.refusal() == Refusal("connection", 540, text, 50, 30)


def test_a_stream_is_deleted_whatever_the_conditions_and_its_readers_hear_of_it(peer: Peer, other: Peer):
    qos(other, 10)
    publish(peer, "a")
    consume(other)
    reply = peer.call(1, commands.Queue.Delete(queue="s", if_unused=True, if_empty=True))
    assert (type(reply), reply.message_count) == (commands.Queue.DeleteOk, 0)
    assert [type(each) for each in other.methods(1)] == [commands.Basic.Cancel]
    declare(peer)
    consume(peer, "first")
    assert delivered(peer) == []


# Restarts


@pytest.mark.parametrize("end", ["restart", "kill", "lose_power"])
@on_disk
def test_a_stream_survives_with_its_offsets(broker: DurableBroker, peer: Peer, end: str):
    publish(peer, *"ab")
    peer.publish(1, "", "s", b"c", Properties(delivery_mode=2))
    consume(peer, "first")
    ack(peer, 3, multiple=True)
    again = getattr(broker, end)()
    peer = again.connect(channels=2)
    qos(peer, 10)
    assert ready(peer) == 3
    consume(peer, "first")
    publish(peer, "d")
    assert delivered(peer) == [("a", 0), ("b", 1), ("c", 2), ("d", 3)]


def test_nothing_is_delivered_before_it_is_safe():
    broker = DurableBroker()
    peer = broker.connect()
    declare(peer)
    qos(peer, 10)
    consume(peer)
    broker.flushes = False
    publish(peer, "a")
    assert delivered(peer) == []
    broker.flush()
    assert delivered(peer) == [("a", 0)]


def test_what_a_reader_has_not_acked_is_not_kept_for_it(peer: Peer):
    peer.publish(1, "", "s", bytes(100_000))
    consume(peer, "first")
    assert [len(body) for body in peer.bodies(1)] == [100_000]
    (delivery,) = peer.connection.channels[1].unacked.take_all()
    assert delivery.message.body_size == 0
