"""basic.publish, basic.return and publisher confirms; texts are RabbitMQ 3.10.8's."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands, frame, header

from amqpd.protocol.parameters import Parameters
from amqpd.testing import Content, MemoryBroker, Peer, Refusal
from amqpd.wire.fields import Field, table_of
from amqpd.wire.properties import Properties, encode_properties


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a queue."""
    peer.call(1, commands.Queue.Declare(queue="q"))
    return peer


def get(peer: Peer, channel_id: int = 1) -> Content:
    return peer.call(channel_id, commands.Basic.Get(queue="q", no_ack=True))


def confirms(peer: Peer, channel_id: int = 1) -> list[tuple[int, bool]]:
    """Delivery tag and multiple of the acks that have come."""
    return [
        (method.delivery_tag, method.multiple)
        for method in peer.methods(channel_id)
        if isinstance(method, commands.Basic.Ack)
    ]


# Messages


@pytest.mark.parametrize("size", [0, 1, 4087, 4088, 4089, 16_384, 131_064, 131_065, 300_000])
def test_a_body_of_any_size_comes_back(peer: Peer, size: int):
    body = bytes(index % 251 for index in range(size))
    peer.publish(1, "", "q", body)
    assert get(peer).body == body


@pytest.mark.parametrize("piece", [1, 7, 100, 4096, 65_536])
@pytest.mark.parametrize("size", [0, 20_000])
def test_a_message_comes_back_however_it_arrives(peer: Peer, piece: int, size: int):
    body = bytes(index % 251 for index in range(size))
    data = peer.publish_frames(1, "", "q", body, Properties(message_id="m", headers=table_of({"a": 1})))
    for start in range(0, len(data), piece):
        peer.send_bytes(data[start : start + piece])
    got = get(peer)
    assert (got.body, got.properties.message_id) == (body, "m")


@pytest.mark.parametrize(("sending", "receiving"), [(4096, 131072), (131072, 4096), (8192, 4096)])
def test_each_side_has_its_own_frame_size(broker: MemoryBroker, sending: int, receiving: int):
    sender = broker.peer().open(frame_max=sending)
    receiver = broker.peer().open(frame_max=receiving)
    sender.open_channel(9)
    receiver.open_channel(300)
    receiver.call(300, commands.Queue.Declare(queue="q"))
    receiver.call(300, commands.Basic.Consume(queue="q"))
    bodies = [b"", b"x" * 5000, b"y" * 50_000, b"z"]
    for body in bodies:
        sender.publish(9, "", "q", body)
    assert receiver.bodies(300) == bodies
    assert receiver.largest_frame <= receiving


def test_messages_delivered_on_other_channels_carry_their_numbers(broker: MemoryBroker, peer: Peer):
    others = [broker.connect() for _ in range(2)]
    peer.call(1, commands.Exchange.Declare(exchange="x", exchange_type="fanout"))
    for index, other in enumerate(others):
        other.open_channel(258 + index)
        other.call(258 + index, commands.Queue.Declare(queue=f"q{index}"))
        other.call(258 + index, commands.Queue.Bind(queue=f"q{index}", exchange="x"))
        other.call(258 + index, commands.Basic.Consume(queue=f"q{index}"))
    for _ in range(2):
        peer.publish(2, "x", "", b"body")
    assert [other.bodies(258 + index) for index, other in enumerate(others)] == [[b"body"] * 2] * 2


ALL_PROPERTIES = Properties(
    content_type="a/b",
    content_encoding="gz",
    headers={
        "s": Field("S", "é"),
        "i": Field("I", -1),
        "l": Field("l", 1_099_511_627_776),
        "b": Field("b", -3),
        "B": Field("B", 200),
        "u": Field("u", 60_000),
        "ui": Field("i", 4_000_000_000),
        "sh": Field("s", -5),
        "f": Field("f", 1.5),
        "d": Field("d", 2.25),
        "D": Field("D", (2, 12_345)),
        "T": Field("T", 1_700_000_000),
        "V": Field("V", None),
        "x": Field("x", b"\x00\xff"),
        "A": Field("A", [Field("I", 1), Field("S", "a"), Field("A", [Field("t", True)])]),
        "F": Field("F", {"n": Field("F", {"m": Field("I", 1)})}),
        "t": Field("t", False),
    },
    delivery_mode=2,
    priority=3,
    correlation_id="c",
    reply_to="r",
    expiration="60000",
    message_id="m",
    timestamp=1_700_000_000,
    type="t",
    user_id="guest",
    app_id="a",
    cluster_id="z",
)


def test_all_properties_come_back_octet_by_octet(peer: Peer):
    peer.publish(1, "", "q", b"xy", ALL_PROPERTIES)
    got = get(peer)
    assert got.header == encode_properties(ALL_PROPERTIES, 2)
    assert got.properties == ALL_PROPERTIES


def test_no_properties_stay_no_properties(peer: Peer):
    peer.publish(1, "", "q", b"x")
    assert get(peer).properties == Properties()


def test_pamqp_reads_what_is_delivered(peer: Peer):
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="tag"))
    peer.publish(1, "", "q", b"body", Properties(message_id="m", headers=table_of({"a": 1})))
    data = peer.read()
    frames = []
    while data:
        size, channel_id, decoded = frame.unmarshal(data)
        frames.append((channel_id, decoded))
        data = data[size:]
    assert {channel_id for channel_id, _ in frames} == {1}
    deliver, content_header, body = (decoded for _, decoded in frames)
    assert dict(deliver) == {
        "consumer_tag": "tag",
        "delivery_tag": 1,
        "redelivered": False,
        "exchange": "",
        "routing_key": "q",
    }
    assert isinstance(content_header, header.ContentHeader)
    assert (content_header.body_size, content_header.properties.message_id) == (4, "m")
    assert content_header.properties.headers == {"a": 1}
    assert body.value == b"body"


# Refusals


def test_a_missing_exchange_closes_the_channel(peer: Peer):
    peer.publish(1, "fm.nope", "k", b"x")
    text = "NOT_FOUND - no exchange 'fm.nope' in vhost '/'"
    assert peer.refusal() == Refusal("channel", 404, text, 60, 40)
    assert isinstance(peer.call(2, commands.Basic.Qos()), commands.Basic.QosOk)


def test_an_internal_exchange_closes_the_channel(peer: Peer):
    peer.call(1, commands.Exchange.Declare(exchange="fm.int", internal=True))
    peer.publish(1, "fm.int", "k", b"x")
    text = "ACCESS_REFUSED - cannot publish to internal exchange 'fm.int' in vhost '/'"
    assert peer.refusal() == Refusal("channel", 403, text, 60, 40)


def test_immediate_is_not_implemented(peer: Peer):
    peer.publish(1, "fm.nope", "k", b"x", immediate=True)
    assert peer.refusal() == Refusal("connection", 540, "NOT_IMPLEMENTED - immediate=true", 60, 40)


def test_a_body_over_the_limit_is_refused_by_its_header(peer: Peer):
    data = peer.publish_frames(1, "", "q", b"x", header=encode_properties(Properties(), 134_217_729))
    peer.send_bytes(data)
    text = "PRECONDITION_FAILED - message size 134217729 is larger than configured max size 134217728"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 40)
    assert isinstance(peer.call(2, commands.Basic.Qos()), commands.Basic.QosOk)


@pytest.mark.parametrize("size", [2**63 - 1, 2**63, 2**64 - 1])
def test_a_size_near_the_limits_of_integers_is_refused(peer: Peer, size: int):
    peer.publish(1, "", "q", b"x", header=encode_properties(Properties(), size))
    text = f"PRECONDITION_FAILED - message size {size} is larger than configured max size 134217728"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 40)


def test_the_size_limit_is_a_setting():
    peer = MemoryBroker(Parameters(max_message_size_bytes=10)).connect()
    peer.publish(1, "", "nowhere", b"x" * 10, mandatory=True)
    assert peer.bodies(1) == [b"x" * 10]
    peer.publish(1, "", "nowhere", b"x" * 11, mandatory=True)
    refusal = peer.refusal()
    assert refusal is not None
    assert refusal.reply_code == 406


def test_the_body_of_a_refused_message_is_not_mistaken_for_more(peer: Peer):
    peer.publish(1, "fm.nope", "k", b"x" * 300_000)
    peer.publish(1, "", "q", b"ignored")
    assert peer.refusal() is not None
    assert peer.is_open
    assert isinstance(peer.call(2, commands.Basic.Get(queue="q")), commands.Basic.GetEmpty)


def test_a_user_id_must_be_ones_own(peer: Peer):
    peer.publish(1, "", "q", b"x", Properties(user_id="guest"))
    assert get(peer).properties.user_id == "guest"
    peer.publish(1, "", "q", b"x", Properties(user_id="other"))
    text = "PRECONDITION_FAILED - user_id property set to 'other' but authenticated user was 'guest'"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 40)


def test_an_impersonator_may_use_any_user_id(broker: MemoryBroker, peer: Peer):
    broker.users.set_tags("guest", ["impersonator"])
    peer.publish(1, "", "q", b"x", Properties(user_id="other"))
    assert get(peer).properties.user_id == "other"


# Returns


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"delivery_mode": 3}, "invalid message: {delivery_mode_unknown,3}"),
        ({"headers": {"CC": "q"}}, 'invalid message: {unacceptable_type_in_header,"CC",longstr}'),
        ({"headers": {"BCC": 1, "CC": "q"}}, 'invalid message: {unacceptable_type_in_header,"CC",longstr}'),
        (
            {"delivery_mode": 3, "headers": {"BCC": 1}},
            'invalid message: {unacceptable_type_in_header,"BCC",signedint}',
        ),
        (
            {"delivery_mode": 3, "headers": {"CC": "q"}, "expiration": "a"},
            "invalid expiration 'a': no_integer",
        ),
    ],
)
def test_of_several_broken_properties_one_is_named(peer: Peer, properties: dict[str, Any], text: str):
    headers = properties.pop("headers", None)
    made = Properties(headers=None if headers is None else table_of(headers), **properties)
    peer.publish(1, "", "q", b"x", made)
    assert peer.refusal() == Refusal("channel", 406, f"PRECONDITION_FAILED - {text}", 60, 40)


def test_a_mandatory_message_without_a_queue_returns(peer: Peer):
    peer.publish(1, "amq.direct", "fm.none", b"x", Properties(message_id="m"), mandatory=True)
    [content] = peer.contents(1)
    assert dict(content.method) == {
        "reply_code": 312,
        "reply_text": "NO_ROUTE",
        "exchange": "amq.direct",
        "routing_key": "fm.none",
    }
    assert (content.body, content.properties) == (b"x", Properties(message_id="m"))


def test_a_mandatory_message_with_a_queue_does_not_return(peer: Peer):
    peer.publish(1, "", "q", b"x", mandatory=True)
    assert peer.receive() == []


def test_a_message_without_a_queue_is_dropped_in_silence(peer: Peer):
    peer.publish(1, "", "fm.none", b"x")
    assert peer.receive() == []


@pytest.mark.parametrize("key", ["fm.é中", "it's", "k" * 255])
def test_a_returned_message_keeps_any_routing_key(peer: Peer, key: str):
    peer.publish(1, "amq.topic", key[:200], b"x" * 200_000, mandatory=True)
    [content] = peer.contents(1)
    assert content.method.routing_key == key[:200]
    assert content.body == b"x" * 200_000


# Confirms


@pytest.fixture
def confirming(peer: Peer) -> Peer:
    """A client whose channel 1 is in confirm mode."""
    peer.publish(1, "", "q", b"before")
    peer.call(1, commands.Confirm.Select())
    return peer


def test_tags_start_at_1_after_confirm_select(confirming: Peer):
    confirming.publish(1, "", "q", b"x")
    assert confirms(confirming) == [(1, False)]


def test_selecting_again_does_not_start_anew(confirming: Peer):
    confirming.publish(1, "", "q", b"x")
    assert isinstance(confirming.call(1, commands.Confirm.Select()), commands.Confirm.SelectOk)
    confirming.publish(1, "", "q", b"x")
    assert confirms(confirming) == [(1, False), (2, False)]


def test_what_comes_together_is_confirmed_together(confirming: Peer):
    data = confirming.publish_frames(1, "", "q", b"x")
    confirming.send_bytes(data * 5)
    assert confirms(confirming) == [(5, True)]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 400), max_size=12))
def test_every_message_is_confirmed_once_and_in_order(cuts: list[int]):
    peer = MemoryBroker().connect()
    peer.call(1, commands.Confirm.Select())
    data = b"".join(peer.publish_frames(1, "", "nowhere", b"x" * number) for number in range(20))
    for cut in cuts:
        peer.send_bytes(data[:cut])
        data = data[cut:]
    peer.send_bytes(data)
    confirmed: list[int] = []
    for tag, multiple in confirms(peer):
        first = len(confirmed) + 1 if multiple else tag
        assert first == len(confirmed) + 1
        confirmed += range(first, tag + 1)
    assert confirmed == list(range(1, 21))


def test_a_message_without_a_queue_is_confirmed(confirming: Peer):
    confirming.publish(1, "", "fm.none", b"x")
    assert confirms(confirming) == [(1, False)]


def test_a_return_comes_before_its_confirm(confirming: Peer):
    confirming.publish(1, "", "fm.none", b"x", mandatory=True)
    returned, confirm = confirming.receive()
    assert isinstance(returned.frame, Content)
    assert isinstance(confirm.frame, commands.Basic.Ack)


def test_returns_come_before_a_confirm_of_many(confirming: Peer):
    confirming.send_bytes(
        confirming.publish_frames(1, "", "fm.none", b"1", mandatory=True)
        + confirming.publish_frames(1, "", "q", b"2")
        + confirming.publish_frames(1, "", "fm.none", b"3", mandatory=True)
    )
    kinds = [type(received.frame) for received in confirming.receive()]
    assert kinds == [Content, Content, commands.Basic.Ack]


def test_what_was_taken_before_an_error_is_confirmed_and_what_failed_is_not(confirming: Peer):
    confirming.send_bytes(
        confirming.publish_frames(1, "", "q", b"1") * 2 + confirming.publish_frames(1, "fm.nope", "", b"2")
    )
    ack, close = confirming.methods(1)
    assert isinstance(ack, commands.Basic.Ack)
    assert (ack.delivery_tag, ack.multiple) == (2, True)
    assert isinstance(close, commands.Channel.Close)


def test_confirms_come_before_close_ok(confirming: Peer):
    confirming.send_bytes(confirming.publish_frames(1, "", "q", b"1"))
    confirming.send_bytes(
        confirming.publish_frames(1, "", "q", b"2")
        + bytes.fromhex("0100010000000b00140028")
        + b"\0\xc8\0\0\0\0\0\xce"
    )
    kinds = [type(method) for method in confirming.methods(1)]
    assert kinds == [commands.Basic.Ack, commands.Basic.Ack, commands.Channel.CloseOk]


def test_channels_confirm_each_for_themselves(confirming: Peer):
    confirming.call(2, commands.Confirm.Select())
    confirming.send_bytes(
        confirming.publish_frames(1, "", "q", b"1") * 3 + confirming.publish_frames(2, "", "q", b"2")
    )
    assert confirms(confirming, 1) == [(3, True)]
    assert confirms(confirming, 2) == [(1, False)]
