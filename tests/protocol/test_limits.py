"""How many connections, channels and queues a client may have, and how large its messages may be.

RabbitMQ 3.10.8, observed, and 4.x where it says so.
"""

import pytest
from pamqp import commands

from amqpd.auth.passwords import hash_password
from amqpd.auth.users import User
from amqpd.broker.limits import NodeLimits
from amqpd.broker.vhost import VirtualHost
from amqpd.errors import NotAllowed
from amqpd.protocol.parameters import Parameters
from amqpd.testing import MemoryBroker, Peer, Refusal
from amqpd.testing.peer import FRAME_OVERHEAD, HEADER_FRAME, METHOD_FRAME
from amqpd.wire.fields import Field
from amqpd.wire.properties import Properties, encode_properties


@pytest.fixture
def vhost(broker: MemoryBroker) -> VirtualHost:
    return broker.broker.vhosts["/"]


@pytest.fixture(autouse=True)
def anna(broker: MemoryBroker) -> None:
    """A user that may do everything in "/"."""
    broker.users.add(User("anna", hash_password("pw", b"salt")))
    broker.users.set_permissions("anna", "/", ".*", ".*", ".*")


def opened(broker: MemoryBroker, user: str = "anna", *, channels: int = 0) -> Peer:
    peer = broker.peer().open(user=user, password="guest" if user == "guest" else "pw")
    for channel_id in range(1, channels + 1):
        peer.open_channel(channel_id)
    return peer


def open_refused(broker: MemoryBroker, user: str = "anna", vhost: str = "/") -> Refusal | None:
    """How connection.open is refused to a user, or None if it is not."""
    peer = broker.peer()
    peer.start()
    peer.log_in(user, "guest" if user == "guest" else "pw")
    peer.tune()
    peer.send(0, commands.Connection.Open(vhost))
    return peer.refusal()


def open_channel_refused(peer: Peer, channel_id: int) -> Refusal | None:
    peer.send(channel_id, commands.Channel.Open())
    return peer.refusal()


def not_opened(explanation: str) -> Refusal:
    return Refusal("connection", 530, f"NOT_ALLOWED - {explanation}", 10, 40)


def no_channel(explanation: str) -> Refusal:
    return Refusal("connection", 530, f"NOT_ALLOWED - {explanation}")


# Connections


def test_no_more_connections_are_let_into_a_vhost_than_it_may_have(broker: MemoryBroker, vhost: VirtualHost):
    vhost.set_limit("max-connections", 2)
    first = opened(broker)
    opened(broker, "guest")
    assert open_refused(broker) == not_opened(
        "access to vhost '/' refused for user 'anna': connection limit (2) is reached"
    )
    assert first.is_open
    first.close()
    assert open_refused(broker) is None


def test_a_vhost_with_limit_0_lets_nobody_in(broker: MemoryBroker, vhost: VirtualHost):
    """exact.py: conn.open.vhost-connection-limit."""
    vhost.set_limit("max-connections", 0)
    assert open_refused(broker, "guest") == not_opened(
        "access to vhost '/' refused for user 'guest': connection limit (0) is reached"
    )


def test_connections_of_other_vhosts_do_not_count(broker: MemoryBroker, vhost: VirtualHost):
    broker.broker.add_vhost("other")
    broker.users.set_permissions("anna", "other", "", "", "")
    vhost.set_limit("max-connections", 1)
    broker.peer().open("other", user="anna", password="pw")
    assert open_refused(broker) is None


def test_no_more_connections_are_opened_than_a_user_may_have(broker: MemoryBroker):
    broker.users.add_limits("anna", {"max-connections": 1})
    first = opened(broker)
    assert open_refused(broker) == not_opened(
        "connection refused for user 'anna': user connection limit (1) is reached"
    )
    assert open_refused(broker, "guest") is None
    first.disconnect()
    assert open_refused(broker) is None


def test_a_user_with_limit_0_may_not_connect(broker: MemoryBroker):
    """exact.py: conn.open.user-connection-limit."""
    broker.users.add_limits("anna", {"max-connections": 0})
    assert open_refused(broker) == not_opened(
        "connection refused for user 'anna': user connection limit (0) is reached"
    )


def test_a_negative_limit_is_none(broker: MemoryBroker, vhost: VirtualHost):
    vhost.set_limits({"max-connections": -1, "max-queues": -1})
    broker.users.add_limits("anna", {"max-connections": -1, "max-channels": -1})
    peer = opened(broker, channels=2)
    assert peer.call(1, commands.Queue.Declare(queue="q")).queue == "q"


def test_a_limit_that_is_lowered_ends_no_connection(broker: MemoryBroker, vhost: VirtualHost):
    peer = opened(broker, channels=1)
    vhost.set_limit("max-connections", 0)
    broker.users.add_limits("anna", {"max-connections": 0, "max-channels": 0})
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


def test_what_was_refused_does_not_count(broker: MemoryBroker, vhost: VirtualHost):
    vhost.set_limit("max-connections", 1)
    first = opened(broker)
    for _ in range(3):
        assert open_refused(broker) is not None
    first.close()
    assert open_refused(broker) is None


def test_a_connection_that_was_closed_for_an_error_makes_room_at_once(
    broker: MemoryBroker, vhost: VirtualHost
):
    vhost.set_limit("max-connections", 1)
    peer = opened(broker, channels=1)
    peer.send(1, commands.Channel.Open())
    assert peer.refusal() is not None
    assert open_refused(broker) is None


def test_the_vhost_is_asked_before_the_user_and_permissions_come_last(
    broker: MemoryBroker, vhost: VirtualHost
):
    broker.users.clear_permissions("anna", "/")
    broker.users.add_limits("anna", {"max-connections": 0})
    vhost.set_limit("max-connections", 0)
    by_vhost = "access to vhost '/' refused for user 'anna': connection limit (0) is reached"
    by_user = "connection refused for user 'anna': user connection limit (0) is reached"
    assert open_refused(broker, vhost="nope") == not_opened("vhost nope not found")
    assert open_refused(broker) == not_opened(by_vhost)
    vhost.clear_limit("max-connections")
    assert open_refused(broker) == not_opened(by_user)
    broker.users.clear_limit("anna", "all")
    assert open_refused(broker) == not_opened("access to vhost '/' refused for user 'anna'")


def test_the_whole_broker_may_have_a_limit_of_connections(broker: MemoryBroker):
    """RabbitMQ 4.1, read in its source."""
    broker.broker.set_limits(NodeLimits(connection_max=1))
    opened(broker, "guest")
    assert open_refused(broker) == not_opened("connection refused: node connection limit (1) is reached")


# Channels


def test_no_more_channels_are_opened_than_a_user_may_have(broker: MemoryBroker):
    """exact.py: chan.user-channel-limit."""
    broker.users.add_limits("anna", {"max-channels": 1})
    peer = opened(broker, channels=1)
    assert open_channel_refused(peer, 2) == no_channel(
        "number of channels opened for user 'anna' has reached the maximum allowed user limit of (1)"
    )


def test_a_users_channels_count_over_all_connections(broker: MemoryBroker):
    broker.users.add_limits("anna", {"max-channels": 2})
    opened(broker, "guest", channels=3)
    first, second = opened(broker, channels=1), opened(broker, channels=1)
    first.call(1, commands.Channel.Close(200, "", 0, 0))
    second.open_channel(2)
    assert open_channel_refused(first, 1) == no_channel(
        "number of channels opened for user 'anna' has reached the maximum allowed user limit of (2)"
    )
    second.disconnect()
    assert opened(broker, channels=2).is_open


def test_a_channel_that_was_closed_for_an_error_counts_until_the_client_has_heard_of_it(broker: MemoryBroker):
    broker.users.add_limits("anna", {"max-channels": 2})
    peer = opened(broker, channels=2)
    closed = peer.call(1, commands.Queue.Declare(queue="nope", passive=True))
    assert isinstance(closed, commands.Channel.Close)
    peer.send(1, commands.Channel.CloseOk())
    assert open_channel_refused(peer, 3) is None
    assert isinstance(
        peer.call(2, commands.Queue.Declare(queue="nope", passive=True)), commands.Channel.Close
    )
    assert open_channel_refused(peer, 4) is not None


def test_the_negotiated_number_of_channels_comes_before_the_users(broker: MemoryBroker):
    broker.users.add_limits("anna", {"max-channels": 1})
    peer = broker.peer().open(user="anna", password="pw", channel_max=1)
    peer.open_channel(1)
    assert open_channel_refused(peer, 2) == no_channel(
        "number of channels opened (1) has reached the negotiated channel_max (1)"
    )


def test_the_whole_broker_may_have_a_limit_of_channels(broker: MemoryBroker):
    """RabbitMQ 4.2, read in its source."""
    broker.broker.set_limits(NodeLimits(channel_max_per_node=2))
    opened(broker, "guest", channels=1)
    peer = opened(broker, channels=1)
    assert open_channel_refused(peer, 2) == no_channel(
        "number of channels opened on node 'rabbit@localhost' has reached the maximum allowed limit of 2"
    )


# Consumers and queues


def test_a_channel_may_have_a_limit_of_consumers(broker: MemoryBroker, peer: Peer):
    """RabbitMQ 4.1, read in its source."""
    broker.broker.set_limits(NodeLimits(consumer_max_per_channel=1))
    peer.call(1, commands.Queue.Declare(queue="q"))
    channel = peer.connection.channels[1]
    channel.check_consumer_limit()
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="a"))
    with pytest.raises(NotAllowed) as refused:
        channel.check_consumer_limit()
    assert refused.value.reply_text() == "NOT_ALLOWED - reached maximum (1) of consumers per channel"
    peer.connection.channels[2].check_consumer_limit()


@pytest.mark.parametrize("queue", ["second", ""])
def test_a_vhost_may_have_a_limit_of_queues(vhost: VirtualHost, peer: Peer, queue: str):
    """exact.py: queue.declare.vhost-queue-limit."""
    peer.call(1, commands.Queue.Declare(queue="first", exclusive=True))
    vhost.set_limit("max-queues", 1)
    again = peer.call(1, commands.Queue.Declare(queue="first", exclusive=True))
    assert isinstance(again, commands.Queue.DeclareOk)
    peer.send(1, commands.Queue.Declare(queue=queue, exclusive=True))
    refusal = peer.refusal()
    assert refusal is not None
    assert (refusal.scope, refusal.reply_code, refusal.class_id, refusal.method_id) == (
        "channel",
        406,
        50,
        10,
    )
    assert refusal.reply_text.startswith(f"PRECONDITION_FAILED - cannot declare queue '{queue or 'amq.gen-'}")
    assert refusal.reply_text.endswith("': queue limit in vhost '/' (1) is reached")


# Sizes


def test_a_name_of_255_bytes_is_a_name(peer: Peer):
    name = "n" * 255
    assert peer.call(1, commands.Queue.Declare(queue=name)).queue == name
    peer.publish(1, routing_key=name, body=b"x")
    assert peer.call(1, commands.Basic.Get(queue=name, no_ack=True)).body == b"x"


def test_a_name_of_256_bytes_cannot_be_said(peer: Peer):
    """Its size does not fit the octet before it: what is read is a name of 0 bytes, and nonsense after it."""
    name = b"\x00" + b"n" * 256
    peer.send_frame(METHOD_FRAME, 1, b"\x00\x32\x00\x0a\x00\x00" + name + b"\x00\x00\x00\x00\x00")
    refusal = peer.refusal()
    assert refusal is not None
    assert (refusal.scope, refusal.reply_code, refusal.class_id, refusal.method_id) == (
        "connection",
        501,
        50,
        10,
    )


def large_headers(size: int) -> Properties:
    return Properties(headers={"h": Field("S", "x" * size)})


def header_of_size(size: int) -> bytes:
    """A content header whose payload has this many bytes."""
    empty = len(encode_properties(large_headers(0), 0))
    return encode_properties(large_headers(size - empty), 0)


@pytest.mark.parametrize("over", [0, 1, 8])
def test_a_content_header_may_fill_its_frame_and_8_bytes_more(broker: MemoryBroker, over: int):
    peer = broker.peer().open(frame_max=4096)
    peer.open_channel(1)
    peer.call(1, commands.Queue.Declare(queue="q"))
    header = header_of_size(4096 - FRAME_OVERHEAD + over)
    peer.publish(1, routing_key="q", header=header)
    assert peer.call(1, commands.Basic.Get(queue="q", no_ack=True)).header == header


def test_a_content_header_that_is_larger_closes_the_connection(broker: MemoryBroker):
    """A header can't be split: a publisher with large headers has to agree on larger frames."""
    peer = broker.peer().open(frame_max=4096)
    peer.open_channel(1)
    peer.publish(1, routing_key="q", header=header_of_size(4097))
    assert peer.refusal() == Refusal(
        "connection", 501, "FRAME_ERROR - type 2, all octets = <<>>: {frame_too_large,4097,4088}"
    )


def test_a_header_larger_than_the_consumers_frames_is_delivered_in_one_frame_all_the_same(
    broker: MemoryBroker, peer: Peer
):
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.publish(1, routing_key="q", body=b"body" * 3000, properties=large_headers(20000))
    narrow = broker.peer().open(frame_max=4096)
    narrow.open_channel(1)
    narrow.send(1, commands.Basic.Get(queue="q", no_ack=True))
    narrow.read()
    frames = frames_in(narrow.raw)[-5:]
    assert [(kind, size) for kind, size in frames] == [
        (METHOD_FRAME, 20),
        (HEADER_FRAME, 20025),
        (3, 4088),
        (3, 4088),
        (3, 3824),
    ]


def frames_in(data: bytes) -> list[tuple[int, int]]:
    """Type and size of each frame of a stream."""
    found: list[tuple[int, int]] = []
    position = 0
    while position < len(data):
        size = int.from_bytes(data[position + 3 : position + 7], "big")
        found.append((data[position], size))
        position += FRAME_OVERHEAD + size
    return found


def test_the_largest_message_has_128_mib_unless_told_otherwise(peer: Peer):
    peer.publish(1, routing_key="q", header=encode_properties(Properties(), 134217729))
    assert peer.refusal() == Refusal(
        "channel",
        406,
        "PRECONDITION_FAILED - message size 134217729 is larger than configured max size 134217728",
        60,
        40,
    )


def test_a_limit_may_be_set_for_messages():
    broker = MemoryBroker(Parameters(max_message_size_bytes=10))
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.publish(1, routing_key="q", body=b"0123456789")
    assert peer.call(1, commands.Basic.Get(queue="q", no_ack=True)).body == b"0123456789"
    peer.publish(1, routing_key="q", body=b"0123456789a")
    assert peer.refusal() == Refusal(
        "channel",
        406,
        "PRECONDITION_FAILED - message size 11 is larger than configured max size 10",
        60,
        40,
    )
