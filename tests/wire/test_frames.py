"""Cutting the stream that arrives, and gathering what leaves."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pamqp import body, commands, frame, header, heartbeat

from amqpd.errors import FrameError
from amqpd.wire import frames
from amqpd.wire.frames import FrameReader, Output

moderate = settings(max_examples=80, deadline=None)

LARGE = frames.STREAMED_BODY_MIN
FRAME_MAX = 131072

Seen = list[tuple[int, int, bytes]]

channel_ids = st.integers(1, 65535)
names = st.text("abc.-_", max_size=20)
methods = st.one_of(
    st.builds(commands.Queue.Declare, queue=names, durable=st.booleans()),
    st.builds(commands.Basic.Publish, exchange=names, routing_key=names, mandatory=st.booleans()),
    st.builds(commands.Basic.Ack, st.integers(0, 2**63 - 1), st.booleans()),
    st.builds(commands.Channel.Open),
)
bodies = st.one_of(
    st.binary(max_size=50),
    st.integers(LARGE - 2, LARGE + 40).map(
        lambda size: bytes(range(251)) * (size // 251) + b"\xce" * (size % 251)
    ),
)
sent_frames = st.one_of(
    st.tuples(methods, channel_ids),
    st.tuples(st.builds(header.ContentHeader, body_size=st.integers(0, 2**40)), channel_ids),
    st.tuples(bodies.map(body.ContentBody), channel_ids),
    st.tuples(st.builds(heartbeat.Heartbeat), st.just(0)),
)


def reader(frame_max: int = FRAME_MAX) -> FrameReader:
    made = FrameReader()
    made.frame_max = frame_max
    return made


def pieces(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    """The data, cut into pieces of these sizes, and what is left."""
    cut = []
    for size in sizes:
        cut.append(data[:size])
        data = data[size:]
    return [piece for piece in [*cut, data] if piece]


def read(made: FrameReader, parts: Iterable[bytes]) -> Seen:
    """What the reader gives out, one entry a call."""
    seen = []
    for part in parts:
        made.feed(part)
        while made.next():
            seen.append((made.type, made.channel_id, made.payload()))
    return seen


def whole(seen: Seen) -> tuple[Seen, bytes]:
    """Frames other than bodies in their order, and all bodies in one: large body frames come in parts."""
    others = [each for each in seen if each[0] != frames.FRAME_BODY]
    return others, b"".join(payload for frame_type, _, payload in seen if frame_type == frames.FRAME_BODY)


@moderate
@given(st.lists(sent_frames, max_size=8), st.lists(st.integers(0, 9000), max_size=30))
def test_frames_come_back_however_the_stream_is_cut(sent: list, sizes: list[int]):
    marshalled = [frame.marshal(each, channel_id) for each, channel_id in sent]
    expected = [(data[0], int.from_bytes(data[1:3], "big"), data[7:-1]) for data in marshalled]
    seen = read(reader(), pieces(b"".join(marshalled), sizes))
    assert whole(seen) == whole(expected)


@pytest.mark.parametrize("size", [0, 1, 7, LARGE - 1, LARGE, LARGE + 1, FRAME_MAX - 8])
def test_a_body_frame_comes_back_byte_by_byte(size: int):
    payload = bytes(index % 256 for index in range(size))
    data = frame.marshal(body.ContentBody(payload), 3)
    seen = read(reader(), (data[index : index + 1] for index in range(len(data))))
    assert b"".join(part for _, _, part in seen) == payload
    assert {each[:2] for each in seen} == {(3, 3)}


@pytest.mark.parametrize("size", [5, LARGE + 5])
def test_every_place_to_cut_two_body_frames_gives_the_same_octets(size: int):
    payload = b"\xce" * size
    data = frame.marshal(body.ContentBody(payload), 1) + frame.marshal(body.ContentBody(b"end"), 2)
    edges = [*range(12), *range(size - 3, len(data))]
    for place in edges:
        seen = read(reader(), pieces(data, [place]))
        assert whole(seen)[1] == payload + b"end"
        assert seen[-1] == (3, 2, b"end")


def test_only_a_large_body_frame_is_given_out_in_parts():
    method = frames.frame(frames.FRAME_METHOD, 1, b"m" * (LARGE + 5))
    small = frames.frame(frames.FRAME_BODY, 1, b"s" * (LARGE - 1))
    large = frames.frame(frames.FRAME_BODY, 1, b"l" * LARGE)
    seen = [read(reader(), [data[:100], data[100:]]) for data in (method, small, large)]
    assert [len(each) for each in seen] == [1, 1, 2]


def test_the_outer_bounds_of_a_frame_are_its_place_in_the_data():
    made = reader()
    data = frames.frame(1, 1, b"abc") + frames.frame(2, 1, b"de")
    made.feed(data)
    bounds = []
    while made.next():
        bounds.append(data[made.frame_start : made.position])
    assert bounds == [frames.frame(1, 1, b"abc"), frames.frame(2, 1, b"de")]


def test_frames_with_the_same_feed_count_came_together():
    made = reader()
    made.feed(frames.frame(1, 1, b"a") + frames.frame(1, 1, b"b"))
    assert made.next()
    first = made.feeds
    assert made.next() and made.feeds == first
    made.feed(frames.frame(1, 1, b"c"))
    assert made.next() and made.feeds != first


@moderate
@given(st.binary(max_size=200), st.lists(st.integers(0, 50), max_size=10))
@example(b"\x03\x00\x01\x00\x00\x40\x00" + b"x" * 0x4000 + b"y", [3])
@example(b"\x01\x00\x01\xff\xff\xff\xfb\xce", [])
def test_any_bytes_give_frames_or_a_frame_error(data: bytes, sizes: list[int]):
    try:
        seen = read(reader(), pieces(data, sizes))
    except FrameError as error:
        assert error.reply_code == 501
    else:
        assert sum(len(payload) for _, _, payload in seen) <= len(data)


@pytest.mark.parametrize("frame_max", [4096, 131072, 2**31 - 1])
@pytest.mark.parametrize(
    "size", [2**31, 2**31 + 1, 2**32 - 1, 2**32 - 8, 2**32 - 7, 4_294_967_291, 0x8000_0003, 2**32 - 131072]
)
def test_a_size_near_the_limits_of_integers_is_refused(frame_max: int, size: int):
    made = reader(frame_max)
    made.feed(struct.pack(">BHI", 3, 1, size) + b"abc\xce" * 10)
    with pytest.raises(FrameError) as caught:
        made.next()
    limit = frame_max - 8
    assert caught.value.explanation == f"type 3, all octets = <<>>: {{frame_too_large,{size},{limit}}}"


def test_a_payload_of_frame_max_is_taken_as_rabbitmq_does():
    made = reader(4096)
    made.feed(frames.frame(1, 1, b"x" * 4096))
    assert made.next() and made.payload() == b"x" * 4096


def test_a_payload_over_frame_max_is_refused_before_it_arrives():
    made = reader(4096)
    made.feed(struct.pack(">BHI", 1, 1, 4097))
    with pytest.raises(FrameError):
        made.next()


@pytest.mark.parametrize("size", [0, 3, LARGE - 1, LARGE, LARGE + 1])
@pytest.mark.parametrize("cut", [None, 8, 100])
@pytest.mark.parametrize("octet", [0, 0xCD, 0xFF])
def test_a_wrong_frame_end_is_refused_in_streamed_bodies_too(size: int, cut: int | None, octet: int):
    data = frames.frame(frames.FRAME_BODY, 1, b"p" * size)[:-1] + bytes([octet])
    with pytest.raises(FrameError, match=rf"invalid_frame_end_marker,\s*{octet}}}"):
        read(reader(), pieces(data, [] if cut is None else [cut]))


def test_the_frame_end_of_a_streamed_body_may_come_alone():
    payload = b"p" * LARGE
    data = frames.frame(frames.FRAME_BODY, 1, payload)
    made = reader()
    assert b"".join(part for _, _, part in read(made, [data[:-1]])) == payload[:-1]
    assert read(made, [data[-1:]]) == [(3, 1, payload[-1:])]


def test_what_is_kept_of_a_streamed_body_does_not_grow_with_it():
    made = reader(2**31 - 1)
    made.feed(struct.pack(">BHI", 3, 1, 10_000_000))
    assert not made.next()
    kept = []
    for _ in range(200):
        made.feed(b"x" * 40_000)
        while made.next():
            pass
        kept.append(len(made.data) - made.position)
    assert max(kept) <= 1


def test_part_of_something_smaller_than_what_it_came_with_is_copied_and_of_something_larger_not():
    made = reader()
    made.feed(frames.frame(3, 1, b"s" * 500) + frames.frame(3, 1, b"l" * 500))
    assert made.next()
    copied, viewed = made.payload_view(500), made.payload_view(2000)
    assert isinstance(copied, bytes) and copied == b"s" * 500
    assert isinstance(viewed, memoryview) and bytes(viewed) == b"s" * 500


@moderate
@given(st.integers(0, 8), st.integers(0, 65535), st.binary(max_size=100))
def test_a_frame_is_laid_out_as_the_specification_says(frame_type: int, channel_id: int, payload: bytes):
    expected = struct.pack(">BHI", frame_type, channel_id, len(payload)) + payload + b"\xce"
    assert frames.frame(frame_type, channel_id, payload) == expected


def test_the_heartbeat_is_the_one_pamqp_knows():
    assert frame.marshal(heartbeat.Heartbeat(), 0) == frames.HEARTBEAT


@given(st.integers(0, 2**32 - 1), st.integers(4, 9))
def test_a_method_id_is_class_and_method_as_one_unsigned_number(method_id: int, position: int):
    data = b"\xff" * position + struct.pack(">I", method_id) + b"\xff"
    assert frames.method_id_at(data, position) == method_id


writes = st.lists(
    st.tuples(
        st.booleans(), st.one_of(st.binary(max_size=30), st.integers(16380, 16390).map(lambda n: b"w" * n))
    ),
    max_size=10,
)


@moderate
@given(st.lists(writes, max_size=4))
def test_output_is_taken_in_the_order_it_was_written(batches: list[list[tuple[bool, bytes]]]):
    output = Output()
    for batch in batches:
        for large, data in batch:
            if large:
                output.write_large(data)
            else:
                output.write(data)
        expected = b"".join(data for _, data in batch)
        assert output.size() == len(expected)
        assert b"".join(output.take()) == expected
        assert output.size() == 0
        assert output.take() == []


def test_what_is_large_is_not_copied():
    output = Output()
    large = b"x" * 20_000
    output.write(b"a")
    output.write(large)
    output.write(b"b")
    assert [chunk is large for chunk in output.take()] == [False, True, False]


def test_small_writes_become_one_chunk():
    output = Output()
    for _ in range(1000):
        output.write(b"abc")
    assert output.take() == [b"abc" * 1000]
