"""From the protocol header to connection.open-ok, and what ends the way there; RabbitMQ 3.10.8, observed."""

import pytest
from pamqp import commands, frame
from pamqp.base import Frame as Method

from amqpd.auth import passwords
from amqpd.auth.users import User
from amqpd.protocol.parameters import Parameters
from amqpd.testing import MemoryBroker, Peer, Refusal
from amqpd.testing.peer import PROTOCOL_HEADER
from amqpd.wire.fields import encode_table, plain_table, table_of

LOGIN_REFUSED = Refusal(
    "connection",
    403,
    "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
    "For details see the broker logfile.",
)


@pytest.fixture
def stranger(broker: MemoryBroker) -> Peer:
    """A client that has said nothing yet."""
    return broker.peer()


def assert_closed_in_silence(broker: MemoryBroker, peer: Peer) -> None:
    """Without a word, and not before 3 seconds have passed."""
    assert peer.receive() == []
    broker.advance(2.99)
    assert not peer.stream_closed
    broker.advance(0.02)
    assert peer.stream_closed
    assert peer.receive() == []


# The protocol header


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (b"AMQP\x00\x00\x09\x01", (0, 9)),
        (b"AMQP\x01\x01\x00\x09", (0, 9)),
        (b"AMQP\x01\x01\x08\x00", (8, 0)),
        (b"AMQP\x01\x01\x09\x01", (8, 0)),
    ],
)
def test_a_known_version_is_started(stranger: Peer, header: bytes, version: tuple[int, int]):
    start = stranger.start(header)
    assert (start.version_major, start.version_minor) == version


@pytest.mark.parametrize(
    "header",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"AMQP\x00\x01\x00\x00",
        b"AMQP\x03\x01\x00\x00",
        b"AMQP\x01\x01\x00\x0a",
        b"AMQP\x00\x00\x09\x02",
        b"\x00" * 8,
    ],
)
def test_another_header_is_answered_with_ours_and_the_end(stranger: Peer, header: bytes):
    stranger.send_bytes(header)
    assert stranger.read() == PROTOCOL_HEADER
    assert stranger.stream_closed


def test_the_header_may_come_byte_by_byte(stranger: Peer):
    for octet in PROTOCOL_HEADER[:-1]:
        stranger.send_bytes(bytes([octet]))
        assert stranger.read() == b""
    stranger.send_bytes(PROTOCOL_HEADER[-1:])
    assert isinstance(stranger.receive()[0].frame, commands.Connection.Start)


def test_the_whole_handshake_may_come_in_one_piece(broker: MemoryBroker):
    script = broker.peer()
    sent: list[bytes] = []
    receive = script.send_bytes
    script.send_bytes = lambda data: (sent.append(data), receive(data))[1]  # type: ignore[method-assign]
    script.open()
    peer = broker.peer()
    peer.send_bytes(b"".join(sent))
    kinds = [type(received.frame) for received in peer.receive()]
    assert kinds == [commands.Connection.Start, commands.Connection.Tune, commands.Connection.OpenOk]
    assert peer.is_open


def test_the_start_says_what_rabbitmq_says(stranger: Peer):
    start = stranger.start()
    assert (start.mechanisms, start.locales) == ("AMQPLAIN PLAIN", "en_US")
    properties = plain_table(start.server_properties)
    assert sorted(properties) == [
        "capabilities",
        "cluster_name",
        "copyright",
        "information",
        "platform",
        "product",
        "version",
    ]
    assert (properties["product"], properties["version"]) == ("RabbitMQ", "3.10.8")
    assert properties["capabilities"] == {
        "publisher_confirms": True,
        "exchange_exchange_bindings": True,
        "basic.nack": True,
        "consumer_cancel_notify": True,
        "connection.blocked": True,
        "consumer_priorities": True,
        "authentication_failure_close": True,
        "per_consumer_qos": True,
        "direct_reply_to": True,
    }


def test_pamqp_reads_the_start(stranger: Peer):
    stranger.send_bytes(PROTOCOL_HEADER)
    _size, channel_id, start = frame.unmarshal(stranger.read())
    assert channel_id == 0
    assert isinstance(start, commands.Connection.Start)
    assert start.server_properties["capabilities"]["basic.nack"] is True


def test_the_product_is_what_the_settings_say():
    broker = MemoryBroker(Parameters(product="mine", product_version="9.9", cluster_name="here"))
    properties = plain_table(broker.peer().start().server_properties)
    assert (properties["product"], properties["version"], properties["cluster_name"]) == (
        "mine",
        "9.9",
        "here",
    )


def test_external_is_offered_to_whom_a_certificate_names(broker: MemoryBroker):
    peer = broker.peer(external_name="guest")
    assert peer.start().mechanisms == "AMQPLAIN PLAIN EXTERNAL"
    peer.log_in(mechanism="EXTERNAL", response=b"")
    assert isinstance(peer.expect(0, commands.Connection.Tune), commands.Connection.Tune)


# Logging in


def test_plain_logs_in(stranger: Peer):
    stranger.start()
    stranger.log_in("guest", "guest")
    tune = stranger.expect(0, commands.Connection.Tune)
    assert (tune.channel_max, tune.frame_max, tune.heartbeat) == (2047, 131072, 60)


def test_amqplain_logs_in(stranger: Peer):
    stranger.start()
    table = encode_table(table_of({"LOGIN": "guest", "PASSWORD": "guest"}))
    stranger.log_in(mechanism="AMQPLAIN", response=table[4:])
    stranger.expect(0, commands.Connection.Tune)


def test_a_password_of_any_characters_logs_in(broker: MemoryBroker, stranger: Peer):
    password_hash = passwords.hash_password("pä ß", passwords.random_salt())
    broker.users.add(User("üser", password_hash))
    broker.users.set_permissions("üser", "/", "", "", "")
    stranger.open(user="üser", password="pä ß")
    assert stranger.is_open


@pytest.mark.parametrize(
    ("user", "password"), [("guest", "wrong"), ("nobody", "guest"), ("guest", ""), ("", "")]
)
def test_a_bad_login_is_refused_in_words_to_who_can_hear_them(stranger: Peer, user: str, password: str):
    stranger.start()
    stranger.log_in(user, password)
    assert stranger.refusal() == LOGIN_REFUSED
    stranger.send(0, commands.Connection.CloseOk())
    assert stranger.stream_closed


def test_a_bad_amqplain_login_names_its_mechanism(stranger: Peer):
    stranger.start()
    table = encode_table(table_of({"LOGIN": "guest", "PASSWORD": "wrong"}))
    stranger.log_in(mechanism="AMQPLAIN", response=table[4:])
    refusal = stranger.refusal()
    assert refusal is not None
    assert "authentication mechanism AMQPLAIN." in refusal.reply_text


def test_a_bad_login_is_refused_in_silence_to_who_cannot_hear(broker: MemoryBroker, stranger: Peer):
    stranger.start()
    stranger.log_in("guest", "wrong", capabilities={})
    assert_closed_in_silence(broker, stranger)


def test_guest_is_refused_from_elsewhere(broker: MemoryBroker):
    peer = broker.peer(is_loopback=False)
    peer.start()
    peer.log_in()
    assert peer.refusal() == LOGIN_REFUSED
    assert any(
        fields.get("reason") == "user 'guest' can only connect via localhost"
        for _, _, fields in broker.events.told
    )


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("nope", b""),
        ("EXTERNAL", b""),
        ("ANONYMOUS", b""),
        ("plain", b"\0guest\0guest"),
        ("PLAIN", b"guest"),
        ("PLAIN", b""),
        ("AMQPLAIN", b"\0guest\0guest"),
        ("AMQPLAIN", b""),
    ],
)
def test_a_mechanism_that_fails_ends_in_silence(
    broker: MemoryBroker, stranger: Peer, mechanism: str, response: bytes
):
    stranger.start()
    stranger.log_in(mechanism=mechanism, response=response)
    assert_closed_in_silence(broker, stranger)


def test_what_is_sent_after_a_refusal_is_not_heard(broker: MemoryBroker, stranger: Peer):
    stranger.start()
    stranger.log_in("guest", "wrong", capabilities={})
    stranger.log_in("guest", "guest")
    assert_closed_in_silence(broker, stranger)


# Tuning


def tuned(peer: Peer, *, frame_max: int = 131072, channel_max: int = 2047, heartbeat_s: int = 60) -> None:
    peer.start()
    peer.log_in()
    peer.tune(channel_max, frame_max, heartbeat_s)
    peer.send(0, commands.Connection.Open("/"))


@pytest.mark.parametrize("frame_max", [4096, 8192, 131072])
def test_a_frame_size_within_bounds_is_taken(stranger: Peer, frame_max: int):
    tuned(stranger, frame_max=frame_max)
    stranger.expect(0, commands.Connection.OpenOk)


@pytest.mark.parametrize("frame_max", [0, 1, 4095, 131073, 2**31])
def test_a_frame_size_out_of_bounds_ends_in_silence(broker: MemoryBroker, stranger: Peer, frame_max: int):
    tuned(stranger, frame_max=frame_max)
    assert_closed_in_silence(broker, stranger)


@pytest.mark.parametrize("channel_max", [1, 2047])
def test_a_channel_number_within_bounds_is_taken(stranger: Peer, channel_max: int):
    tuned(stranger, channel_max=channel_max)
    stranger.expect(0, commands.Connection.OpenOk)


@pytest.mark.parametrize("channel_max", [0, 2048, 65535])
def test_a_channel_number_out_of_bounds_ends_in_silence(
    broker: MemoryBroker, stranger: Peer, channel_max: int
):
    tuned(stranger, channel_max=channel_max)
    assert_closed_in_silence(broker, stranger)


def test_a_broker_without_channel_limit_takes_any_number():
    broker = MemoryBroker(Parameters(channel_max=0))
    for channel_max in (0, 65535):
        peer = broker.peer()
        tuned(peer, channel_max=channel_max)
        peer.expect(0, commands.Connection.OpenOk)
        peer.open_channel(65535)


# Opening a virtual host


@pytest.mark.parametrize(
    ("vhost", "text"),
    [("fm.no-such", "NOT_ALLOWED - vhost fm.no-such not found"), ("", "NOT_ALLOWED - vhost  not found")],
)
def test_a_missing_vhost_is_not_allowed(stranger: Peer, vhost: str, text: str):
    stranger.start()
    stranger.log_in()
    stranger.tune()
    stranger.send(0, commands.Connection.Open(vhost))
    assert stranger.refusal() == Refusal("connection", 530, text, 10, 40)


def test_a_vhost_without_permissions_is_not_allowed(broker: MemoryBroker, stranger: Peer):
    broker.broker.add_vhost("fm.vh")
    stranger.start()
    stranger.log_in()
    stranger.tune()
    stranger.send(0, commands.Connection.Open("fm.vh"))
    text = "NOT_ALLOWED - access to vhost 'fm.vh' refused for user 'guest'"
    assert stranger.refusal() == Refusal("connection", 530, text, 10, 40)


def test_a_vhost_is_a_world_of_its_own(broker: MemoryBroker, peer: Peer, stranger: Peer):
    broker.broker.add_vhost("elsewhere")
    broker.users.set_permissions("guest", "elsewhere", ".*", ".*", ".*")
    peer.call(1, commands.Queue.Declare(queue="q"))
    stranger.open("elsewhere").open_channel(1)
    stranger.send(1, commands.Queue.Declare(queue="q", passive=True))
    text = "NOT_FOUND - no queue 'q' in vhost 'elsewhere'"
    assert stranger.refusal() == Refusal("channel", 404, text, 50, 10)


# Out of order


@pytest.mark.parametrize(
    "method",
    [
        commands.Connection.Open("/"),
        commands.Connection.TuneOk(2047, 131072, 60),
        commands.Connection.SecureOk("x"),
        commands.Connection.Close(200, "", 0, 0),
        commands.Queue.Declare(queue="q"),
    ],
)
def test_anything_but_start_ok_after_the_start_ends_in_silence(
    broker: MemoryBroker, stranger: Peer, method: object
):
    stranger.start()
    stranger.send(0, method)  # type: ignore[arg-type]
    assert_closed_in_silence(broker, stranger)


def test_open_before_tune_ok_ends_in_silence(broker: MemoryBroker, stranger: Peer):
    stranger.start()
    stranger.log_in()
    stranger.expect(0, commands.Connection.Tune)
    stranger.send(0, commands.Connection.Open("/"))
    assert_closed_in_silence(broker, stranger)


def test_close_before_tune_ok_ends_in_silence(broker: MemoryBroker, stranger: Peer):
    stranger.start()
    stranger.log_in()
    stranger.expect(0, commands.Connection.Tune)
    stranger.send(0, commands.Connection.Close(200, "", 0, 0))
    assert_closed_in_silence(broker, stranger)


def test_start_ok_with_a_broken_table_ends_in_silence(broker: MemoryBroker, stranger: Peer):
    stranger.start()
    stranger.send_frame(1, 0, b"\x00\x0a\x00\x0b\x00\x00\x00\x03\x01aZ\x05PLAIN\x00\x00\x00\x00\x05en_US")
    assert_closed_in_silence(broker, stranger)


@pytest.mark.parametrize(
    ("method", "method_id"),
    [(commands.Connection.Close(200, "", 0, 0), 50), (commands.Connection.TuneOk(2047, 131072, 60), 31)],
)
def test_nothing_but_open_comes_after_tune_ok(stranger: Peer, method: Method, method_id: int):
    stranger.start()
    stranger.log_in()
    stranger.tune()
    stranger.send(0, method)
    text = "CHANNEL_ERROR - unexpected method in connection state opening"
    assert stranger.refusal() == Refusal("connection", 504, text, 10, method_id)


def test_the_name_of_a_vhost_must_be_utf_8(stranger: Peer):
    stranger.start()
    stranger.log_in()
    stranger.tune()
    stranger.send_frame(1, 0, b"\x00\x0a\x00\x28\x01\xff\x00\x00")
    text = "FRAME_ERROR - Malformed UTF-8 in shortstr"
    assert stranger.refusal() == Refusal("connection", 501, text, 10, 40)


def test_who_may_not_log_in_is_soon_cut_off(broker: MemoryBroker, stranger: Peer):
    stranger.start()
    stranger.log_in("guest", "wrong")
    broker.advance(2.9)
    assert not stranger.stream_closed
    broker.advance(0.2)
    assert stranger.stream_closed


def test_a_channel_before_open_is_unexpected(stranger: Peer):
    stranger.start()
    stranger.log_in()
    stranger.tune()
    stranger.send_frame(1, 1, b"\x00\x14\x00\x0a\x00")
    text = "UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,0>>"
    assert stranger.refusal() == Refusal("connection", 505, text)


@pytest.mark.parametrize(
    ("method", "method_id"),
    [
        (commands.Connection.Open("/"), 40),
        (commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest"), 11),
        (commands.Connection.TuneOk(2047, 131072, 60), 31),
        (commands.Connection.CloseOk(), 51),
    ],
)
def test_a_step_of_the_handshake_is_out_of_place_later(peer: Peer, method: object, method_id: int):
    peer.send(0, method)  # type: ignore[arg-type]
    text = "CHANNEL_ERROR - unexpected method in connection state running"
    assert peer.refusal() == Refusal("connection", 504, text, 10, method_id)


def test_a_frame_larger_than_4096_is_refused_before_tuning(broker: MemoryBroker, stranger: Peer):
    stranger.start()
    stranger.log_in("x" * 5000, "y")
    assert_closed_in_silence(broker, stranger)


# Time


def test_a_handshake_takes_ten_seconds_at_most(broker: MemoryBroker, stranger: Peer):
    broker.advance(9.99)
    assert not stranger.stream_closed
    broker.advance(0.02)
    assert stranger.stream_closed
    assert stranger.read() == b""


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_no_step_of_the_handshake_gives_more_time(broker: MemoryBroker, stranger: Peer, steps: int):
    ways = [stranger.start, stranger.log_in, stranger.tune]
    for step in ways[:steps]:
        step()
        broker.advance(2)
    broker.advance(10)
    assert stranger.stream_closed


def test_an_open_connection_has_no_deadline(broker: MemoryBroker, peer: Peer):
    broker.advance(100_000)
    assert peer.is_open
    assert peer.receive() == []


def test_a_client_that_leaves_in_the_handshake_leaves_no_timer(broker: MemoryBroker, stranger: Peer):
    stranger.start()
    stranger.disconnect()
    assert broker.broker.timers.next_due_s() is None
