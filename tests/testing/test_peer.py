import pytest
from pamqp import commands

from amqpd.testing import Content, Heartbeat, MemoryBroker, NoReply, Peer, Received, Refusal
from amqpd.testing.peer import method_of
from amqpd.wire.properties import Properties


def test_a_peer_opens_declares_publishes_and_gets(broker: MemoryBroker):
    peer = broker.peer().open()
    peer.open_channel(1)
    assert peer.call(1, commands.Queue.Declare(queue="q")).queue == "q"
    peer.publish(1, "", "q", b"body", Properties(message_id="m"))
    got = peer.call(1, commands.Basic.Get(queue="q"))
    assert isinstance(got, Content)
    assert (got.body, got.properties.message_id) == (b"body", "m")
    peer.close()
    assert not peer.is_open


def test_a_call_leaves_deliveries_for_later(peer: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.call(1, commands.Basic.Consume(queue="q"))
    peer.publish(1, "", "q", b"x")
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)
    [received] = peer.receive()
    assert received.channel_id == 1
    assert isinstance(received.frame, Content) and received.frame.body == b"x"


def test_a_call_without_reply_says_what_came_instead(peer: Peer):
    with pytest.raises(NoReply, match="no reply to Ack on channel 1: nothing"):
        peer.call(1, commands.Basic.Ack(0, True))


def test_a_call_that_closes_the_connection_returns_the_close(peer: Peer):
    reply = peer.call(1, commands.Channel.Flow(False))
    assert isinstance(reply, commands.Connection.Close)
    assert reply.reply_code == 540


def test_what_is_expected_must_come_next_on_its_channel(peer: Peer):
    peer.send(1, commands.Basic.Qos())
    with pytest.raises(NoReply, match=r"expected DeclareOk, got Basic\.QosOk"):
        peer.expect(1, commands.Queue.DeclareOk)
    with pytest.raises(NoReply, match="got nothing on channel 2"):
        peer.expect(2, commands.Basic.QosOk)
    peer.expect(1, commands.Basic.QosOk)


def test_a_failed_handshake_is_no_reply(broker: MemoryBroker):
    with pytest.raises(NoReply, match="ACCESS_REFUSED"):
        broker.peer().open(password="wrong")


def test_refusals_are_values(peer: Peer):
    assert peer.refusal() is None
    peer.send(1, commands.Queue.Declare(queue="nope", passive=True))
    text = "NOT_FOUND - no queue 'nope' in vhost '/'"
    assert peer.refusal() == Refusal("channel", 404, text, 50, 10)
    assert peer.refusal() is None


def test_heartbeats_are_received(broker: MemoryBroker):
    peer = broker.peer().open(heartbeat_s=10)
    peer.receive()
    broker.advance(5)
    assert peer.receive() == [Received(0, Heartbeat())]


def test_channels_are_read_apart(peer: Peer):
    for channel_id in (1, 2):
        peer.send(channel_id, commands.Basic.Qos())
    assert [type(method) for method in peer.methods(2)] == [commands.Basic.QosOk]
    assert [received.channel_id for received in peer.receive()] == [1]


def test_a_message_is_whole_or_not_there(peer: Peer):
    peer.publish(1, "", "nowhere", b"x" * 300_000, mandatory=True)
    data = peer.connection.take_output()
    raw = b"".join(data)
    peer._parse(raw[:-1])
    assert peer._inbox == []
    peer._parse(raw[-1:])
    [received] = peer._inbox
    assert isinstance(received.frame, Content) and received.frame.body == b"x" * 300_000


def test_peers_of_one_broker_share_its_queues(peer: Peer, other: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    other.publish(1, "", "q", b"x")
    assert peer.call(1, commands.Basic.Get(queue="q")).body == b"x"


def test_a_peer_reads_only_when_asked(peer: Peer):
    peer.send(1, commands.Basic.Qos())
    assert peer.transport.output_is_ready
    assert peer.connection.output.size() > 0
    peer.receive()
    assert peer.connection.output.size() == 0
    assert not peer.transport.output_is_ready


def test_names_that_pamqp_refuses_can_be_sent(peer: Peer):
    assert peer.call(1, method_of(commands.Queue.Declare, queue="é 中")).queue == "é 中"


def test_events_are_recorded(broker: MemoryBroker, peer: Peer):
    assert broker.events.sentences() == ["connection opened"]
    assert broker.events.told[0][2]["user"] == "guest"
