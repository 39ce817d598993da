"""Messages: framed once, delivered on any channel, in frames of any size."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpd.message import Body, Message, renumbered, write_content
from amqpd.wire.frames import (
    FRAME_BODY,
    FRAME_HEADER,
    STREAMED_BODY_MIN,
    FrameReader,
    Octets,
    Output,
    frame,
)
from amqpd.wire.properties import Properties, encode_properties

moderate = settings(max_examples=80, deadline=None)

ADDRESS = b"\x02ex\x03key"


def header_of(size: int) -> bytes:
    return encode_properties(Properties(message_id="m", delivery_mode=2), size)


def framed_message(body: bytes, channel_id: int) -> Message:
    """A message whose content came in one piece."""
    header = header_of(len(body))
    frames = frame(FRAME_HEADER, channel_id, header)
    if body:
        frames += frame(FRAME_BODY, channel_id, body)
    return Message(ADDRESS, header, len(body), frames, channel_id, None)


def pieced_message(pieces: list[Octets]) -> Message:
    """A message whose body came in several frames."""
    size = sum(map(len, pieces))
    return Message(ADDRESS, header_of(size), size, b"", 0, pieces)


def written(message: Message, channel_id: int, frame_max: int) -> list[tuple[int, int, bytes]]:
    """The frames that `write_content` writes: type, channel, payload."""
    output = Output()
    write_content(output, message, channel_id, frame_max)
    data = b"".join(output.take())
    frames = []
    while data:
        frame_type, number, size = struct.unpack_from(">BHI", data)
        assert data[7 + size] == 0xCE
        frames.append((frame_type, number, data[7 : 7 + size]))
        data = data[8 + size :]
    return frames


@moderate
@given(st.binary(max_size=60), st.integers(1, 65535), st.integers(1, 65535))
def test_frames_of_one_channel_become_frames_of_another(body: bytes, one: int, another: int):
    message = framed_message(body, one)
    assert message.framed(another) == framed_message(body, another).framed(another)
    assert message.framed(one) == framed_message(body, one).framed(one)


@given(st.integers(0, 65535))
def test_renumbering_a_header_without_body_changes_only_the_channel(channel_id: int):
    header = frame(FRAME_HEADER, 513, header_of(0))
    assert renumbered(header, channel_id) == frame(FRAME_HEADER, channel_id, header_of(0))


def test_the_frames_of_the_publishing_channel_are_not_copied():
    message = framed_message(b"abc", 7)
    assert message.framed(7) is message.framed(7)


def test_exchange_and_routing_key_stand_in_the_address():
    message = framed_message(b"", 1)
    assert (message.exchange(), message.routing_key()) == ("ex", "key")


def test_a_routing_key_that_is_not_utf_8_keeps_its_octets():
    message = Message(b"\x00\x02\xff\xfe", header_of(0), 0, b"", 1, [])
    assert message.exchange() == ""
    assert message.routing_key().encode(errors="surrogateescape") == b"\xff\xfe"


@pytest.mark.parametrize("body", [b"", b"x", b"\xce" * 300])
def test_a_framed_body_comes_back(body: bytes):
    assert framed_message(body, 1).body() == body
    assert b"".join(framed_message(body, 1).body_pieces()) == body


def test_an_empty_body_has_no_pieces_and_no_body_frame():
    message = framed_message(b"", 1)
    assert message.body_pieces() == []
    assert written(message, 9, 4096) == [(FRAME_HEADER, 9, header_of(0))]


@moderate
@given(
    st.lists(st.binary(min_size=1, max_size=70), min_size=1, max_size=6),
    st.integers(9, 100),
    st.integers(1, 65535),
    st.booleans(),
)
def test_content_fits_the_frame_size_and_loses_nothing(
    pieces: list[bytes], frame_max: int, channel_id: int, in_one_frame: bool
):
    body = b"".join(pieces)
    message = framed_message(body, 1) if in_one_frame else pieced_message(list(pieces))
    frames = written(message, channel_id, frame_max)
    assert frames[0] == (FRAME_HEADER, channel_id, header_of(len(body)))
    assert {each[:2] for each in frames[1:]} == {(FRAME_BODY, channel_id)}
    assert b"".join(payload for _, _, payload in frames[1:]) == body
    assert max(len(payload) for _, _, payload in frames[1:]) + 8 <= frame_max


@pytest.mark.parametrize(("size", "frames"), [(4087, 1), (4088, 1), (4089, 2), (8176, 2), (8177, 3)])
def test_a_body_is_cut_exactly_at_the_frame_size(size: int, frames: int):
    assert len(written(framed_message(b"x" * size, 1), 1, 4096)) == 1 + frames


@pytest.mark.parametrize("size", [STREAMED_BODY_MIN - 1, STREAMED_BODY_MIN, 3 * STREAMED_BODY_MIN + 7])
def test_large_pieces_and_views_come_through(size: int):
    data = bytes(index % 253 for index in range(size))
    view = memoryview(data)
    message = pieced_message([view[:100], view[100:], b"tail"])
    for frame_max in (4096, 20_000, 131072):
        frames = written(message, 5, frame_max)
        assert b"".join(payload for _, _, payload in frames[1:]) == data + b"tail"
        assert max(len(payload) for _, _, payload in frames) + 8 <= frame_max


def collected(payloads: list[bytes], fed_bytes: int) -> tuple[int, list[Octets], Body]:
    """What a Body makes of these body frames, arriving in pieces of `fed_bytes`."""
    data = b"".join(frame(FRAME_BODY, 1, payload) for payload in payloads)
    reader, body = FrameReader(), Body()
    whole_size = sum(len(payload) for payload in payloads)
    reader.frame_max = 131072
    for start in range(0, len(data), fed_bytes):
        reader.feed(data[start : start + fed_bytes])
        while reader.next():
            body.add(reader, whole_size)
    size = body.size
    return size, body.take(), body


@pytest.mark.parametrize("fed_bytes", [100, 5_000, 65_536, 1_000_000])
@pytest.mark.parametrize(
    "sizes", [[1], [1, 1, 1], [16_383, 16_384, 3], [100_000, 5, 100_000], [4088] * 40, [0, 3, 0]]
)
def test_a_body_in_parts_is_the_body(fed_bytes: int, sizes: list[int]):
    payloads = [bytes([index]) * size for index, size in enumerate(sizes)]
    size, pieces, body = collected(payloads, fed_bytes)
    assert b"".join(pieces) == b"".join(payloads)
    assert size == sum(sizes)
    assert (body.size, body.take()) == (0, [])


def test_small_parts_are_gathered_so_that_their_number_stays_small():
    _, pieces, _ = collected([b"x"] * 50_000, 4096)
    assert [len(piece) for piece in pieces] == [50_000]
