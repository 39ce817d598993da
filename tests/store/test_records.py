"""The bytes of the log, one kind after the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from amqpd.message import Message
from amqpd.store.records import (
    DEFINITION,
    FILLER,
    FILLER_MIN_BYTES,
    FORMAT_VERSION,
    FRAMED_BODY_MAX,
    GROUP_HEADER_BYTES,
    MESSAGE,
    OFFSET_MASK,
    PROGRESS,
    RECORD_HEAD_BYTES,
    SEGMENT_HEADER_BYTES,
    RecordDamaged,
    begin_message,
    check_record,
    content_bytes,
    content_start,
    filler,
    group_header,
    group_is_whole,
    group_size,
    holder_count,
    offset_of,
    position_of,
    read_message,
    read_ranges,
    record_size,
    segment_header,
    segment_of,
    segment_version,
    write_definition,
    write_holder,
    write_message_content,
    write_progress,
)
from amqpd.testing.sink import message_of
from amqpd.wire.frames import FRAME_BODY, FRAME_HEADER, STREAMED_BODY_MIN, Octets, Output, frame
from amqpd.wire.properties import Properties, encode_properties

NUMBERS = st.integers(0, (1 << 62) - 1)
SEGMENTS = st.sampled_from((1, 2, 255, (1 << 28) - 1, 1 << 28, (1 << 30) - 1))
OFFSETS = st.sampled_from((0, 32, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, OFFSET_MASK))
TIMES = st.sampled_from((0, 1, 1 << 31, 1 << 32, 1_700_000_000_000))
NAMES = st.text(max_size=60)
HOLDERS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5)


@given(SEGMENTS, OFFSETS)
def test_a_position_is_a_segment_and_an_offset(segment: int, offset: int):
    position = position_of(segment, offset)
    assert (segment_of(position), offset_of(position)) == (segment, offset)


@given(SEGMENTS, OFFSETS, SEGMENTS, OFFSETS)
def test_positions_are_in_the_order_of_the_log(segment: int, offset: int, other: int, other_offset: int):
    later = position_of(segment, offset) < position_of(other, other_offset)
    assert later == ((segment, offset) < (other, other_offset))


# segments and groups


@given(SEGMENTS)
def test_a_segment_header_tells_its_version_and_is_good_for_its_number_only(number: int):
    header = segment_header(number)
    assert len(header) == SEGMENT_HEADER_BYTES
    assert segment_version(header, number) == FORMAT_VERSION
    assert segment_version(header, number + 1) == 0


@pytest.mark.parametrize("bit", range(8))
def test_a_segment_header_with_any_bit_changed_is_none(bit: int):
    header = segment_header(7)
    for at in range(len(header)):
        changed = bytearray(header)
        changed[at] ^= 1 << bit
        assert segment_version(bytes(changed), 7) == 0, at
    assert [segment_version(header[:size], 7) for size in range(len(header))] == [0] * len(header)


@given(SEGMENTS, OFFSETS, TIMES, st.lists(st.binary(max_size=50), max_size=4))
def test_a_group_header_tells_the_size_of_all_pieces_and_is_good_for_its_position_only(
    segment: int, offset: int, written_ms: int, pieces: list[bytes]
):
    position = position_of(segment, offset)
    octets: list[Octets] = list(pieces)
    records = b"".join(pieces)
    data = b"before" + group_header(position, written_ms, octets) + records
    assert len(data) == 6 + GROUP_HEADER_BYTES + len(records)
    assert group_size(data, 6, position) == len(records)
    assert group_size(data, 6, position + 1) == -1
    assert group_size(data, 5, position) == -1
    assert group_is_whole(data, 6, len(records))
    assert not group_is_whole(data[:-1], 6, len(records))


def test_a_group_with_any_byte_changed_is_not_whole():
    position = position_of(3, 1 << 31)
    records = b"some records"
    data = group_header(position, 1 << 33, [records]) + records
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x80
        found = bytes(changed)
        size = group_size(found, 0, position)
        assert size < 0 or not group_is_whole(found, 0, size), at


@pytest.mark.parametrize("size", [-1, OFFSET_MASK + 1, 1 << 62])
def test_a_group_cannot_announce_more_than_a_segment_can_have(size: int):
    header = bytearray(group_header(position_of(1, 32), 0, []))
    header[8:16] = size.to_bytes(8, "little", signed=True)
    assert group_size(bytes(header), 0, position_of(1, 32)) == -1


@pytest.mark.parametrize("size", [FILLER_MIN_BYTES, FILLER_MIN_BYTES + 1, 5000])
def test_a_filler_is_a_whole_group_of_the_size_that_was_asked_for(size: int):
    position = position_of(9, 4096)
    data = filler(position, size)
    assert len(data) == size
    assert group_size(data, 0, position) == size - GROUP_HEADER_BYTES
    assert group_is_whole(data, 0, size - GROUP_HEADER_BYTES)
    assert check_record(data, GROUP_HEADER_BYTES, size) == FILLER
    assert record_size(data, GROUP_HEADER_BYTES) == size - GROUP_HEADER_BYTES


# messages


def written(message: Message, holders: list[tuple[int, int]]) -> bytes:
    """The record of a message, with something before and behind it."""
    output = Output()
    output.writer.write(b"#")
    size = begin_message(output.writer, message, len(holders))
    for queue_id, queue_position in holders:
        write_holder(output.writer, queue_id, queue_position)
    write_message_content(output, message)
    data = b"".join(output.take()) + b"#"
    assert len(data) == size + 2
    return data


def message_in_pieces(body: bytes, piece_bytes: int) -> Message:
    """As it is kept when it came in several frames."""
    pieces: list[Octets] = [body[start : start + piece_bytes] for start in range(0, len(body), piece_bytes)]
    address = b"\x01e\x03key"
    header = encode_properties(Properties(), len(body))
    return Message(address, header, len(body), b"", 1, pieces, True)


def check_same(read: Message, message: Message) -> None:
    assert read.address == message.address
    assert read.header == message.header
    assert read.body() == message.body()
    assert read.body_size == message.body_size
    assert read.flags == message.flags
    assert read.arrived_ms == message.arrived_ms


@given(NAMES, NAMES, st.binary(max_size=300), st.integers(0, 3), TIMES, HOLDERS)
def test_a_message_comes_back_from_its_record(
    exchange: str,
    routing_key: str,
    body: bytes,
    flags: int,
    arrived_ms: int,
    holders: list[tuple[int, int]],
):
    message = message_of(body, Properties(message_id="m"), exchange=exchange, routing_key=routing_key)
    message.flags = flags
    message.arrived_ms = arrived_ms
    data = written(message, holders)
    check_same(read_message(data, 1), message)
    assert check_record(data, 1, len(data)) == MESSAGE
    assert record_size(data, 1) == len(data) - 2
    assert holder_count(data, 1) == len(holders)
    assert len(data) - 1 - content_start(data, 1) == content_bytes(message)


SIZES = [
    0,
    1,
    FRAMED_BODY_MAX - 1,
    FRAMED_BODY_MAX,
    FRAMED_BODY_MAX + 1,
    STREAMED_BODY_MIN - 1,
    STREAMED_BODY_MIN,
    1 << 20,
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("piece_bytes", [1000, STREAMED_BODY_MIN])
def test_a_body_of_any_size_comes_back_in_however_many_pieces_it_was(size: int, piece_bytes: int):
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    message = message_in_pieces(body, piece_bytes)
    read = read_message(written(message, [(1, 1)]), 1)
    check_same(read, message)
    if read.pieces is None:
        frames = frame(FRAME_HEADER, 9, message.header)
        assert read.framed(9) == frames + (frame(FRAME_BODY, 9, body) if body else b"")
    else:
        assert all(read.pieces)


def test_the_longest_address_and_a_header_of_many_bytes_come_back():
    properties = Properties(content_type="c" * 255, message_id="m" * 255, app_id="a" * 255)
    message = message_of(b"m", properties, exchange="e" * 255, routing_key="k" * 255)
    check_same(read_message(written(message, [((1 << 62), (1 << 62))]), 1), message)


# definitions, progress, and what is none of them


@given(st.binary(max_size=100))
def test_a_definition_stands_as_it_was_written(definition: bytes):
    writer = BytesWriter()
    write_definition(writer, DEFINITION, definition)
    data = writer.getvalue()
    assert check_record(data, 0, len(data)) == DEFINITION
    assert data[RECORD_HEAD_BYTES : record_size(data, 0)] == definition


@given(NUMBERS, NUMBERS, st.lists(st.tuples(NUMBERS, NUMBERS), max_size=20))
def test_progress_comes_back_with_every_range(queue_id: int, delivered: int, ranges: list[tuple[int, int]]):
    settled = [position for each in ranges for position in each]
    writer = BytesWriter()
    write_progress(writer, PROGRESS, queue_id, delivered, settled)
    data = writer.getvalue()
    assert check_record(data, 0, len(data)) == PROGRESS
    assert record_size(data, 0) == len(data)
    assert int.from_bytes(data[5:13], "little") == queue_id
    assert int.from_bytes(data[13:21], "little") == delivered
    assert read_ranges(data, 0) == settled


@pytest.mark.parametrize("record_type", [MESSAGE, PROGRESS, DEFINITION, FILLER, 77])
@pytest.mark.parametrize("size", [0, 4, 1 << 31, OFFSET_MASK])
def test_a_record_that_does_not_fit_is_damaged(record_type: int, size: int):
    data = size.to_bytes(4, "little") + bytes([record_type]) + bytes(20)
    with pytest.raises(RecordDamaged):
        check_record(data, 0, len(data))


@pytest.mark.parametrize("left", range(RECORD_HEAD_BYTES))
def test_a_record_without_a_whole_head_is_damaged(left: int):
    with pytest.raises(RecordDamaged, match="a record is cut"):
        check_record(bytes(10), 0, left)


def test_a_record_may_end_where_its_group_ends_and_not_behind():
    writer = BytesWriter()
    write_definition(writer, DEFINITION, b"definition")
    data = writer.getvalue()
    assert check_record(data + b"more", 0, len(data)) == DEFINITION
    with pytest.raises(RecordDamaged):
        check_record(data + b"more", 0, len(data) - 1)


@pytest.mark.parametrize("record_type", [MESSAGE, PROGRESS])
def test_a_record_that_is_too_short_for_its_type_is_damaged(record_type: int):
    data = (10).to_bytes(4, "little") + bytes([record_type]) + bytes(50)
    with pytest.raises(RecordDamaged):
        check_record(data, 0, len(data))
