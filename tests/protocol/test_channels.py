"""Channels: opening, closing, errors and their numbers; texts are RabbitMQ 3.10.8's."""

import itertools

import pytest
from pamqp import commands

from amqpd.protocol.parameters import Parameters
from amqpd.testing import MemoryBroker, Peer, Refusal
from amqpd.testing.peer import frame_of, method_of
from amqpd.wire.methods import Access

NO_QUEUE = Refusal("channel", 404, "NOT_FOUND - no queue 'nope' in vhost '/'", 50, 10)


def passive(name: str) -> commands.Queue.Declare:
    return commands.Queue.Declare(queue=name, passive=True)


def test_a_channel_opened_twice_is_a_channel_error(peer: Peer):
    peer.send(1, commands.Channel.Open())
    text = "CHANNEL_ERROR - second 'channel.open' seen"
    assert peer.refusal() == Refusal("connection", 504, text, 20, 10)


def test_open_ok_has_nothing_in_it(broker: MemoryBroker):
    peer = broker.connect(channels=0)
    peer.send(7, commands.Channel.Open())
    assert b"".join(peer.connection.take_output()) == frame_of(1, 7, b"\0\x14\0\x0b\0\0\0\0")


@pytest.mark.parametrize(
    ("method", "class_id", "method_id"),
    [
        (commands.Queue.Declare(queue="q"), 50, 10),
        (commands.Basic.Ack(1), 60, 80),
        (commands.Channel.Close(200, "", 0, 0), 20, 40),
        (commands.Channel.CloseOk(), 20, 41),
    ],
)
def test_a_method_on_a_channel_that_is_not_open_is_a_channel_error(
    peer: Peer, method: object, class_id: int, method_id: int
):
    peer.send(9, method)  # type: ignore[arg-type]
    text = "CHANNEL_ERROR - expected 'channel.open'"
    assert peer.refusal() == Refusal("connection", 504, text, class_id, method_id)


def test_close_ok_out_of_the_blue_is_invalid(peer: Peer):
    peer.send(1, commands.Channel.CloseOk())
    assert peer.refusal() == Refusal("connection", 503, "COMMAND_INVALID - unimplemented method", 20, 41)


def test_more_channels_than_agreed_are_not_allowed(broker: MemoryBroker):
    peer = broker.peer().open(channel_max=2)
    peer.open_channel(1)
    peer.open_channel(2)
    peer.send(3, commands.Channel.Open())
    text = "NOT_ALLOWED - number of channels opened (2) has reached the negotiated channel_max (2)"
    assert peer.refusal() == Refusal("connection", 530, text)


def test_a_channel_number_above_channel_max_is_fine(broker: MemoryBroker):
    peer = broker.peer().open(channel_max=2)
    assert peer.open_channel(100) == 100
    assert peer.open_channel(65535) == 65535


def test_a_closed_channel_makes_room_for_another(broker: MemoryBroker):
    peer = broker.peer().open(channel_max=1)
    peer.open_channel(1)
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    peer.open_channel(2)
    assert peer.is_open


def test_after_an_error_methods_are_ignored(peer: Peer):
    peer.send(1, passive("nope"))
    assert peer.refusal() == NO_QUEUE
    peer.send(1, commands.Queue.Declare(queue="made"))
    peer.publish(1, "", "made", b"x")
    assert peer.receive() == []
    peer.send(2, passive("made"))
    assert peer.refusal() is not None


def test_after_an_error_a_channel_can_not_be_opened_before_close_ok(peer: Peer):
    peer.send(1, passive("nope"))
    assert peer.refusal() == NO_QUEUE
    peer.send(1, commands.Channel.Open())
    text = "CHANNEL_ERROR - second 'channel.open' seen"
    assert peer.refusal() == Refusal("connection", 504, text, 20, 10)


def test_after_an_error_and_close_ok_the_number_is_free(peer: Peer):
    peer.send(1, passive("nope"))
    assert peer.refusal() == NO_QUEUE
    peer.send(1, commands.Channel.CloseOk())
    peer.open_channel(1)
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


def test_after_an_error_the_other_channels_and_connections_go_on(peer: Peer, other: Peer):
    peer.send(1, passive("nope"))
    assert peer.refusal() == NO_QUEUE
    assert isinstance(peer.call(2, commands.Basic.Qos()), commands.Basic.QosOk)
    assert isinstance(other.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


def test_closes_that_cross_are_both_answered(peer: Peer):
    peer.send(1, passive("nope"))
    peer.send(1, commands.Channel.Close(200, "", 0, 0))
    first, second = peer.methods(1)
    assert isinstance(first, commands.Channel.Close)
    assert isinstance(second, commands.Channel.CloseOk)
    peer.open_channel(1)


def test_a_channel_that_waits_for_close_ok_counts_as_open(broker: MemoryBroker):
    peer = broker.peer().open(channel_max=1)
    peer.open_channel(1)
    peer.send(1, passive("nope"))
    assert peer.refusal() == NO_QUEUE
    peer.send(2, commands.Channel.Open())
    refusal = peer.refusal()
    assert refusal is not None
    assert refusal.reply_code == 530


def test_flow_is_always_on(peer: Peer):
    assert peer.call(1, commands.Channel.Flow(True)).active is True
    peer.send(1, commands.Channel.Flow(False))
    assert peer.refusal() == Refusal("connection", 540, "NOT_IMPLEMENTED - active=false", 20, 20)


def test_access_is_granted_with_ticket_1(peer: Peer):
    assert peer.call(1, Access.Request("/data")).ticket == 1


def test_closing_a_channel_requeues_what_it_had_not_settled(peer: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    for body in (b"1", b"2", b"3"):
        peer.publish(1, "", "q", body)
    for _ in range(2):
        peer.call(1, commands.Basic.Get(queue="q"))
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    got = [peer.call(2, commands.Basic.Get(queue="q")) for _ in range(3)]
    assert [(each.body, each.method.redelivered) for each in got] == [
        (b"1", True),
        (b"2", True),
        (b"3", False),
    ]


def test_closing_a_channel_in_the_middle_of_a_message_is_an_error(peer: Peer):
    data = peer.publish_frames(1, "", "q", b"abc")
    peer.send_bytes(data[:-11])
    peer.send(1, commands.Channel.Close(200, "", 0, 0))
    refusal = peer.refusal()
    assert refusal is not None
    assert (refusal.scope, refusal.reply_code) == ("connection", 505)


def test_delivery_tags_start_at_1_in_each_channel(peer: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    for _ in range(3):
        peer.publish(1, "", "q", b"x")
    tags = [peer.call(channel, commands.Basic.Get(queue="q")).method.delivery_tag for channel in (1, 1, 2)]
    assert tags == [1, 2, 1]


def test_messages_on_channels_may_be_interleaved_frame_by_frame(peer: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    one = peer.publish_frames(1, "", "q", b"one")
    two = peer.publish_frames(2, "", "q", b"two")
    assert len(one) == len(two)
    cuts = [0, one.index(0xCE) + 1, len(one) - 11, len(one)]
    for start, end in itertools.pairwise(cuts):
        peer.send_bytes(one[start:end] + two[start:end])
    bodies = [peer.call(1, commands.Basic.Get(queue="q")).body for _ in range(2)]
    assert bodies == [b"one", b"two"]


def test_a_name_in_an_error_keeps_its_characters(peer: Peer):
    for name in ("fm.é中", "fm.it's"):
        peer.open_channel(7)
        peer.send(7, method_of(commands.Queue.Declare, queue=name, passive=True))
        refusal = peer.refusal()
        assert refusal is not None
        assert refusal.reply_text == f"NOT_FOUND - no queue '{name}' in vhost '/'"
        peer.send(7, commands.Channel.CloseOk())


def test_a_long_text_is_cut_to_252_octets_and_three_dots(peer: Peer):
    name = "fm." + "z" * 252
    peer.send(1, passive(name))
    refusal = peer.refusal()
    assert refusal is not None
    assert len(refusal.reply_text) == 255
    assert refusal.reply_text == f"NOT_FOUND - no queue '{name}"[:252] + "..."


@pytest.mark.parametrize(
    ("method", "refusal"),
    [
        (
            commands.Queue.Declare(queue="amq.x", nowait=True),
            Refusal(
                "channel", 403, "ACCESS_REFUSED - queue name 'amq.x' contains reserved prefix 'amq.*'", 50, 10
            ),
        ),
        (commands.Queue.Declare(queue="nope", passive=True, nowait=True), NO_QUEUE),
    ],
)
def test_nowait_does_not_hide_errors(peer: Peer, method: object, refusal: Refusal):
    peer.send(1, method)  # type: ignore[arg-type]
    assert peer.refusal() == refusal


@pytest.mark.parametrize(
    "method",
    [
        commands.Queue.Declare(queue="q", nowait=True),
        commands.Queue.Bind(queue="q", exchange="amq.direct", routing_key="k", nowait=True),
        commands.Queue.Purge(queue="q", nowait=True),
        commands.Queue.Delete(queue="q", nowait=True),
        commands.Exchange.Declare(exchange="x", nowait=True),
        commands.Exchange.Bind(destination="amq.direct", source="amq.fanout", nowait=True),
        commands.Exchange.Unbind(destination="amq.direct", source="amq.fanout", nowait=True),
        commands.Exchange.Delete(exchange="x", nowait=True),
        commands.Confirm.Select(nowait=True),
        commands.Basic.Consume(queue="q", consumer_tag="t", nowait=True),
        commands.Basic.Cancel(consumer_tag="t", nowait=True),
    ],
    ids=lambda method: method.name,
)
def test_nowait_is_not_answered(peer: Peer, method: object):
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.send(1, method)  # type: ignore[arg-type]
    assert peer.receive() == []
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


# The end of a connection


def test_a_client_closes_and_hears_close_ok(broker: MemoryBroker, peer: Peer):
    reply = peer.call(0, commands.Connection.Close(200, "Goodbye", 0, 0))
    assert isinstance(reply, commands.Connection.CloseOk)
    assert not peer.is_open
    assert not peer.stream_closed
    peer.disconnect()
    assert broker.broker.timers.next_due_s() is None


def test_a_client_that_leaves_the_stream_open_after_its_close_is_hung_up(broker: MemoryBroker, peer: Peer):
    peer.call(0, commands.Connection.Close(200, "Goodbye", 0, 0))
    broker.advance(29.9)
    assert not peer.stream_closed
    broker.advance(0.2)
    assert peer.stream_closed


def test_a_client_that_never_answers_our_close_is_hung_up_after_30_s(broker: MemoryBroker, peer: Peer):
    peer.send_frame(9, 0, b"x")
    assert peer.refusal() is not None
    broker.advance(29.9)
    assert not peer.stream_closed
    broker.advance(0.2)
    assert peer.stream_closed


def test_closes_of_connections_that_cross_are_both_answered(peer: Peer):
    peer.send_frame(9, 0, b"x")
    peer.send(0, commands.Connection.Close(200, "", 0, 0))
    kinds = [type(received.frame) for received in peer.receive()]
    assert kinds == [commands.Connection.Close, commands.Connection.CloseOk]
    peer.send(0, commands.Connection.CloseOk())
    assert peer.stream_closed


def test_a_new_secret_is_accepted(peer: Peer):
    reply = peer.call(0, commands.Connection.UpdateSecret("secret", "reason"))
    assert isinstance(reply, commands.Connection.UpdateSecretOk)


def test_what_a_lost_connection_had_unsettled_goes_to_others(peer: Peer, other: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="lost"))
    peer.publish(1, "", "q", b"x")
    other.call(1, commands.Basic.Consume(queue="q", consumer_tag="left"))
    assert peer.bodies(1) == [b"x"]
    peer.disconnect()
    [content] = other.contents(1)
    assert (content.body, content.method.redelivered) == (b"x", True)


def test_shutting_down_says_goodbye_to_who_is_open(broker: MemoryBroker, peer: Peer):
    stranger = broker.peer()
    stranger.start()
    for each in (peer, stranger):
        each.connection.shut_down()
    text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
    assert peer.refusal() == Refusal("connection", 320, text)
    assert stranger.receive() == []
    assert stranger.stream_closed


def test_a_thousand_channels_cost_no_one_else_theirs():
    broker = MemoryBroker(Parameters(channel_max=1000))
    peer, other = broker.peer().open(), broker.peer().open()
    for channel_id in range(1, 1001):
        peer.open_channel(channel_id)
    other.open_channel(1)
    assert other.is_open
