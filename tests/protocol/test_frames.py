"""Frames that are broken or out of place, and what RabbitMQ 3.10.8 answered to each."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands

from amqpd.testing import Content, MemoryBroker, Peer, Refusal
from amqpd.testing.peer import frame_of
from amqpd.wire.frames import HEARTBEAT
from amqpd.wire.methods import encode_method
from amqpd.wire.properties import Properties, encode_properties

METHOD, HEADER, BODY = 1, 2, 3
STREAM_ENDS = Refusal("stream")

QOS = struct.pack(">HHIHB", 60, 10, 0, 0, 0)
PUBLISH = struct.pack(">HHHBB", 60, 40, 0, 0, 7) + b"fm.none" + b"\x01"  # mandatory


def header(size: int, class_id: int = 60, weight: int = 0, flags: int = 0, properties: bytes = b"") -> bytes:
    return struct.pack(">HHQH", class_id, weight, size, flags) + properties


def connection_error(code: int, text: str, class_id: int = 0, method_id: int = 0) -> Refusal:
    return Refusal("connection", code, text, class_id, method_id)


UNEXPECTED_HEADER = connection_error(
    505,
    "UNEXPECTED_FRAME - expected content header for class 60, got non content header frame instead",
    60,
    40,
)
UNEXPECTED_BODY = connection_error(
    505, "UNEXPECTED_FRAME - expected content body, got non content body frame instead", 60, 40
)
CUT_METHOD = connection_error(501, "FRAME_ERROR - type 1, all octets = <<0,60>>: unknown_frame")
CUT_HEADER = connection_error(
    501, "FRAME_ERROR - type 2, all octets = <<0,60,0,0,0,0,0,0,0,0,0>>: unknown_frame"
)
NO_METHOD = connection_error(505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead")

CASES = {
    "bad-end-marker": (
        [frame_of(METHOD, 1, QOS)[:-1] + b"\0"],
        connection_error(
            501,
            "FRAME_ERROR - type 1, all octets = <<0,60,0,10,0,0,0,0,0,0,0>>: {invalid_frame_end_marker,0}",
        ),
    ),
    "bad-end-marker-on-a-new-line": (
        [frame_of(METHOD, 1, QOS)[:-1] + b"\xcd"],
        connection_error(
            501,
            "FRAME_ERROR - type 1, all octets = <<0,60,0,10,0,0,0,0,0,0,0>>: {invalid_frame_end_marker,\n"
            + " " * 51
            + "205}",
        ),
    ),
    "too-large": (
        [struct.pack(">BHI", BODY, 1, 131073) + b"x" * 131073 + b"\xce"],
        connection_error(501, "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,131073,131064}"),
    ),
    "unknown-type": (
        [frame_of(9, 1, b"abc")],
        connection_error(501, 'FRAME_ERROR - type 9, all octets = <<"abc">>: unknown_frame'),
    ),
    "unknown-type-on-channel-0": (
        [frame_of(9, 0, b"abc")],
        connection_error(501, 'FRAME_ERROR - type 9, all octets = <<"abc">>: unknown_frame'),
    ),
    "method-truncated": (
        [frame_of(METHOD, 1, b"\0\x3c")],
        connection_error(501, "FRAME_ERROR - type 1, all octets = <<0,60>>: unknown_frame"),
    ),
    "method-arguments-truncated": (
        [frame_of(METHOD, 1, b"\0\x32\0\x0a\0\0\x05ab")],
        connection_error(501, "FRAME_ERROR - cannot decode <<0,0,5,97,98>>", 50, 10),
    ),
    "method-trailing-bytes": (
        [frame_of(METHOD, 1, QOS + b"zz")],
        connection_error(501, "FRAME_ERROR - cannot decode <<0,0,0,0,0,0,0,122,122>>", 60, 10),
    ),
    "unknown-method": ([frame_of(METHOD, 1, b"\0\x3c\0\xc8")], STREAM_ENDS),
    "unknown-class": ([frame_of(METHOD, 1, b"\0\xc8\0\x0a")], STREAM_ENDS),
    "unknown-method-on-channel-0": ([frame_of(METHOD, 0, b"\0\x0a\0\xc8")], STREAM_ENDS),
    "deliver-from-client": (
        [frame_of(METHOD, 1, encode_method(commands.Basic.Deliver("t", 1, False, "", "k")))],
        connection_error(503, "COMMAND_INVALID - unimplemented method", 60, 60),
    ),
    "declare-ok-from-client": (
        [frame_of(METHOD, 1, encode_method(commands.Queue.DeclareOk("q", 0, 0)))],
        connection_error(503, "COMMAND_INVALID - unimplemented method", 50, 11),
    ),
    "channel-method-on-channel-0": (
        [frame_of(METHOD, 0, encode_method(commands.Queue.Declare(queue="fm.x")))],
        connection_error(504, "CHANNEL_ERROR - unexpected method in connection state running", 50, 10),
    ),
    "channel-open-on-channel-0": (
        [frame_of(METHOD, 0, encode_method(commands.Channel.Open()))],
        connection_error(504, "CHANNEL_ERROR - unexpected method in connection state running", 20, 10),
    ),
    "connection-method-on-channel-1": (
        [frame_of(METHOD, 1, encode_method(commands.Connection.Close(200, "", 0, 0)))],
        connection_error(503, "COMMAND_INVALID - unimplemented method", 10, 50),
    ),
    "header-without-method": ([frame_of(HEADER, 1, header(3))], NO_METHOD),
    "body-without-method": ([frame_of(BODY, 1, b"abc")], NO_METHOD),
    "header-on-channel-0": (
        [frame_of(HEADER, 0, header(0))],
        connection_error(505, "UNEXPECTED_FRAME - type 2, all octets = <<0,60,0,0,0,0,0,0,0,0,0,0,0,0>>"),
    ),
    "body-on-channel-0": (
        [frame_of(BODY, 0, b"abc")],
        connection_error(505, 'UNEXPECTED_FRAME - type 3, all octets = <<"abc">>'),
    ),
    "method-instead-of-header": ([frame_of(METHOD, 1, PUBLISH), frame_of(METHOD, 1, QOS)], UNEXPECTED_HEADER),
    "body-instead-of-header": ([frame_of(METHOD, 1, PUBLISH), frame_of(BODY, 1, b"abc")], UNEXPECTED_HEADER),
    "header-of-another-class": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(HEADER, 1, header(3, class_id=50))],
        connection_error(
            505,
            "UNEXPECTED_FRAME - expected content header for class 60, got one for class 50 instead",
            60,
            40,
        ),
    ),
    "header-with-weight": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(HEADER, 1, header(3, weight=1))],
        UNEXPECTED_HEADER,
    ),
    "method-instead-of-body": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(HEADER, 1, header(3)), frame_of(METHOD, 1, QOS)],
        UNEXPECTED_BODY,
    ),
    "header-instead-of-body": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(HEADER, 1, header(3)), frame_of(HEADER, 1, header(3))],
        UNEXPECTED_BODY,
    ),
    "body-longer-than-announced": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(HEADER, 1, header(3)), frame_of(BODY, 1, b"abcd")],
        UNEXPECTED_BODY,
    ),
    "second-body-longer-than-announced": (
        [
            frame_of(METHOD, 1, PUBLISH),
            frame_of(HEADER, 1, header(3)),
            frame_of(BODY, 1, b"ab"),
            frame_of(BODY, 1, b"cd"),
        ],
        UNEXPECTED_BODY,
    ),
    "empty-body-frame-without-a-body": (
        [frame_of(METHOD, 1, PUBLISH) + frame_of(HEADER, 1, header(0)) + frame_of(BODY, 1, b"")],
        NO_METHOD,
    ),
    "method-instead-of-header-after-another-channel": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(METHOD, 2, QOS), frame_of(METHOD, 1, QOS)],
        UNEXPECTED_HEADER,
    ),
    "method-instead-of-body-after-another-channel": (
        [
            frame_of(METHOD, 1, PUBLISH),
            frame_of(HEADER, 1, header(3)),
            frame_of(METHOD, 2, QOS),
            frame_of(METHOD, 1, QOS),
        ],
        UNEXPECTED_BODY,
    ),
    "cut-header-without-method": ([frame_of(HEADER, 1, header(3)[:11])], CUT_HEADER),
    "cut-header-on-channel-0": ([frame_of(HEADER, 0, header(3)[:11])], CUT_HEADER),
    "cut-header-on-unopened-channel": ([frame_of(HEADER, 7, header(3)[:11])], CUT_HEADER),
    "cut-header-instead-of-body": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(HEADER, 1, header(3)), frame_of(HEADER, 1, header(3)[:11])],
        CUT_HEADER,
    ),
    "cut-method-on-unopened-channel": ([frame_of(METHOD, 7, b"\0\x3c")], CUT_METHOD),
    "cut-method-instead-of-header": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(METHOD, 1, b"\0\x3c")],
        CUT_METHOD,
    ),
    "cut-method-instead-of-body": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(HEADER, 1, header(3)), frame_of(METHOD, 1, b"\0\x3c")],
        CUT_METHOD,
    ),
    "unknown-method-instead-of-header": (
        [frame_of(METHOD, 1, PUBLISH), frame_of(METHOD, 1, b"\0\x3c\0\xc8")],
        STREAM_ENDS,
    ),
    "properties-truncated": (
        [
            frame_of(METHOD, 1, PUBLISH),
            frame_of(HEADER, 1, header(3, flags=0x8000, properties=b"\x09ab")),
            frame_of(BODY, 1, b"abc"),
        ],
        connection_error(541, "INTERNAL_ERROR"),
    ),
    "a-name-that-is-not-utf-8": (
        [frame_of(METHOD, 1, b"\0\x32\0\x0a\0\0\x02\xff\xfe\0\0\0\0\0")],
        connection_error(501, "FRAME_ERROR - Malformed UTF-8 in shortstr"),
    ),
    "unknown-field-type": (
        [frame_of(METHOD, 1, b"\0\x32\0\x0a\0\0\x01q\0\0\0\0\x03\x01aZ")],
        STREAM_ENDS,
    ),
    "table-truncated": (
        [frame_of(METHOD, 1, b"\0\x32\0\x0a\0\0\x01q\0\0\0\0\x05\x01aS\0\0")],
        STREAM_ENDS,
    ),
    "heartbeat-on-channel-1": (
        [frame_of(8, 1, b"")],
        connection_error(505, "UNEXPECTED_FRAME - type 8, all octets = <<>>"),
    ),
    "heartbeat-with-payload": (
        [frame_of(8, 0, b"x")],
        connection_error(501, 'FRAME_ERROR - type 8, all octets = <<"x">>: unknown_frame'),
    ),
}


@pytest.mark.parametrize(
    ("frame", "refusal"),
    [
        (frame_of(METHOD, 1, b"\0\x3c"), CUT_METHOD),
        (frame_of(HEADER, 1, header(3)[:11]), CUT_HEADER),
        (frame_of(METHOD, 1, b"\0\x3c\0\xc8"), STREAM_ENDS),
    ],
)
def test_what_makes_no_sense_ends_the_connection_on_a_closed_channel_too(
    peer: Peer, frame: bytes, refusal: Refusal
):
    peer.call(1, commands.Basic.Ack(9))
    peer.send_bytes(frame)
    assert peer.refusal() == refusal


def test_after_a_frame_that_is_too_large_the_stream_ends_soon_whatever_follows(
    broker: MemoryBroker, peer: Peer
):
    peer.send_bytes(struct.pack(">BHI", METHOD, 1, 200_000))
    assert peer.refusal() is not None
    peer.send(0, commands.Connection.CloseOk())
    broker.advance(2.9)
    assert not peer.stream_closed
    broker.advance(0.1)
    assert peer.stream_closed


@pytest.mark.parametrize("case", CASES)
def test_a_broken_conversation_ends_as_in_rabbitmq(peer: Peer, other: Peer, case: str):
    frames, refusal = CASES[case]
    peer.send_bytes(b"".join(frames))
    assert peer.refusal() == refusal
    assert not peer.is_open
    assert isinstance(other.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


@pytest.mark.parametrize("case", CASES)
def test_it_ends_so_when_it_arrives_byte_by_byte(peer: Peer, case: str):
    frames, refusal = CASES[case]
    data = b"".join(frames)
    for octet in data[:500]:
        peer.send_bytes(bytes([octet]))
    peer.send_bytes(data[500:])
    assert peer.refusal() == refusal


def test_eight_octets_over_the_frame_size_are_taken(peer: Peer):
    body = b"x" * 131072
    peer.frame_max = 131080
    peer.publish(1, "", "fm.none", body, mandatory=True)
    assert peer.bodies(1) == [body]


def test_a_heartbeat_is_taken_at_any_time(peer: Peer):
    frames = [frame_of(METHOD, 1, PUBLISH), frame_of(HEADER, 1, header(3)), frame_of(BODY, 1, b"abc")]
    peer.send_bytes(HEARTBEAT.join([b"", *frames, b""]))
    assert peer.bodies(1) == [b"abc"]


def test_body_frames_may_be_empty(peer: Peer):
    frames = [
        frame_of(METHOD, 1, PUBLISH),
        frame_of(HEADER, 1, header(3)),
        frame_of(BODY, 1, b""),
        frame_of(BODY, 1, b"ab"),
        frame_of(BODY, 1, b""),
        frame_of(BODY, 1, b"c"),
    ]
    peer.send_bytes(b"".join(frames))
    assert peer.bodies(1) == [b"abc"]


def test_the_lowest_property_flag_is_ignored(peer: Peer):
    peer.send_bytes(
        frame_of(METHOD, 1, PUBLISH) + frame_of(HEADER, 1, header(1, flags=1)) + frame_of(BODY, 1, b"x")
    )
    assert [type(received.frame) for received in peer.receive()] == [Content]


def test_names_that_are_not_utf_8_pass_in_a_publish(peer: Peer):
    publish = struct.pack(">HHHBB", 60, 40, 0, 0, 2) + b"\xff\xfe" + b"\x01"
    peer.send_bytes(frame_of(METHOD, 1, publish) + frame_of(HEADER, 1, header(0)))
    [content] = peer.contents(1)
    assert content.method.routing_key.encode(errors="surrogateescape") == b"\xff\xfe"


def test_after_the_close_nothing_is_heard_but_close_ok(peer: Peer):
    peer.send_frame(9, 1, b"abc")
    assert peer.refusal() is not None
    peer.send(1, commands.Queue.Declare(queue="late"))
    peer.send_frame(9, 1, b"abc")
    peer.send_frame(BODY, 0, b"abc")
    assert peer.receive() == []
    assert not peer.stream_closed
    peer.send(0, commands.Connection.CloseOk())
    assert peer.stream_closed
    assert peer.receive() == []


def test_garbage_after_the_close_waits_for_the_end(broker: MemoryBroker, peer: Peer):
    peer.send_frame(9, 1, b"abc")
    assert peer.refusal() is not None
    peer.send_bytes(b"\xff" * 5000)
    assert peer.receive() == []
    broker.advance(30)
    assert peer.stream_closed


def test_a_large_frame_that_lacks_its_end_is_refused_however_it_comes(peer: Peer):
    body = b"x" * 50_000
    data = peer.publish_frames(1, "", "fm.none", body)[:-1] + b"\0"
    for start in range(0, len(data), 1000):
        peer.send_bytes(data[start : start + 1000])
    refusal = peer.refusal()
    assert refusal is not None
    assert (refusal.scope, refusal.reply_code) == ("connection", 501)
    assert refusal.reply_text.endswith("{invalid_frame_end_marker,0}")


@pytest.mark.parametrize(
    ("payload", "shown"),
    [(b"\xa0", '<<"\udca0">>'), (b"\x80", "<<128>>"), ("café".encode(), '<<"café">>')],
)
def test_octets_that_are_not_utf_8_stand_in_the_text_as_they_are(peer: Peer, payload: bytes, shown: str):
    peer.send_frame(9, 1, payload)
    text = f"FRAME_ERROR - type 9, all octets = {shown}: unknown_frame"
    assert peer.refusal() == connection_error(501, text)


def test_an_exchange_name_that_is_not_utf_8_stands_in_the_text_as_it_is(peer: Peer):
    publish = struct.pack(">HHHB", 60, 40, 0, 2) + b"\xff\xfe" + b"\0" + b"\0"
    peer.send_bytes(frame_of(METHOD, 1, publish) + frame_of(HEADER, 1, header(0)))
    text = "NOT_FOUND - no exchange '\udcff\udcfe' in vhost '/'"
    assert peer.refusal() == Refusal("channel", 404, text, 60, 40)


def test_a_user_id_that_is_not_utf_8_stands_in_the_text_as_it_is(peer: Peer):
    publish = struct.pack(">HHHB", 60, 40, 0, 0) + b"\0" + b"\0"
    user_id = encode_properties(Properties(user_id="\udcff"), 0)
    peer.send_bytes(frame_of(METHOD, 1, publish) + frame_of(HEADER, 1, user_id))
    text = "PRECONDITION_FAILED - user_id property set to '\udcff' but authenticated user was 'guest'"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 40)


garbage = st.one_of(
    st.binary(max_size=300),
    st.lists(
        st.builds(
            frame_of,
            st.integers(0, 9),
            st.integers(0, 3),
            st.one_of(
                st.binary(max_size=40),
                st.binary(max_size=40).map(lambda data: b"\0\x3c\0\x28" + data),
                st.binary(max_size=40).map(lambda data: b"\0\x32\0\x0a" + data),
                st.integers(0, 40).map(lambda size: QOS[:size]),
                st.integers(0, 5).map(header),
                st.just(PUBLISH),
            ),
        ),
        max_size=6,
    ).map(b"".join),
)


@settings(max_examples=150, deadline=None)
@given(garbage, st.integers(1, 50))
def test_whatever_a_client_sends_only_its_own_connection_suffers(data: bytes, piece: int):
    broker = MemoryBroker()
    peer, other = broker.connect(channels=2), broker.connect()
    for start in range(0, len(data), piece):
        peer.send_bytes(data[start : start + piece])
    peer.read()
    broker.advance(31)
    if peer.connection.state >= 6:
        assert peer.stream_closed
    peer.disconnect()
    other.call(1, commands.Queue.Declare(queue="q"))
    other.publish(1, "", "q", b"still here")
    assert other.call(1, commands.Basic.Get(queue="q")).body == b"still here"


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_whatever_comes_first_ends_the_stream_or_waits(data: bytes, piece: int):
    broker = MemoryBroker()
    peer = broker.peer()
    for start in range(0, len(data), piece):
        peer.send_bytes(data[start : start + piece])
    broker.advance(15)
    assert peer.stream_closed
    assert broker.broker.timers.next_due_s() is None


def test_half_a_message_is_forgotten_with_its_connection(broker: MemoryBroker, peer: Peer, other: Peer):
    other.call(1, commands.Queue.Declare(queue="q"))
    data = peer.publish_frames(1, "", "q", b"x" * 100_000, Properties(message_id="m"))
    peer.send_bytes(data[:-1])
    peer.disconnect()
    assert isinstance(other.call(1, commands.Basic.Get(queue="q")), commands.Basic.GetEmpty)


def test_a_content_header_without_property_flags_is_an_internal_error(peer: Peer):
    peer.send_bytes(frame_of(METHOD, 1, PUBLISH) + frame_of(HEADER, 1, header(0)[:12]))
    assert peer.refusal() == connection_error(541, "INTERNAL_ERROR")


def test_properties_come_back_as_the_octets_they_were(peer: Peer):
    properties = encode_properties(Properties(content_type="a/b", timestamp=2**64 - 1, type="t"), 2)
    peer.publish(1, "", "fm.none", b"xy", header=properties, mandatory=True)
    assert [content.header for content in peer.contents(1)] == [properties]
