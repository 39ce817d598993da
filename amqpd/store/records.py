"""The bytes of the log: segments begin with a header, then come groups, and groups are made of records.

docs/storage-format.md has the whole format. All numbers are little-endian; a position is the number of the
segment in the upper bits and the offset in its file in the lower 32.
"""

from __future__ import annotations

import zlib
from typing import Final, final

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_le,
    read_i64_le,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)
from mypy_extensions import i16, i32, i64

from amqpd.message import EXPIRES, Message
from amqpd.wire.frames import FRAME_BODY, FRAME_HEADER, STREAMED_BODY_MIN, Octets, Output, frame

FORMAT_VERSION: Final = 2

OFFSET_BITS: Final = 32
OFFSET_MASK: Final = (1 << 32) - 1

SEGMENT_MAGIC: Final = b"AMQPDLOG"
SEGMENT_HEADER_BYTES: Final = 32

GROUP_MAGIC: Final = b"GRUP"
GROUP_HEADER_BYTES: Final = 32

MESSAGE: Final = 1
DEFINITION: Final = 2
PROGRESS: Final = 3
SNAPSHOT_DEFINITION: Final = 4
SNAPSHOT_PROGRESS: Final = 5
FILLER: Final = 6
INCLUDED_DEFINITION: Final = 7
COUNTS: Final = 8

RECORD_NAMES: Final = {
    MESSAGE: "message",
    DEFINITION: "definition",
    PROGRESS: "progress",
    SNAPSHOT_DEFINITION: "snapshot definition",
    SNAPSHOT_PROGRESS: "snapshot progress",
    FILLER: "filler",
    INCLUDED_DEFINITION: "included definition",
    COUNTS: "counts",
}

RECORD_HEAD_BYTES: Final = 5
"""What every record begins with: its size (4 bytes, itself included) and its type (1)."""

MESSAGE_HEAD_BYTES: Final = 24
HOLDER_BYTES: Final = 16
PROGRESS_HEAD_BYTES: Final = 25
COUNTS_HEAD_BYTES: Final = 17
COUNT_BYTES: Final = 16
RANGE_BYTES: Final = 16

FRAMED_BODY_MAX: Final = 16384
"""A body up to this size is put into frames when it is read back, so that delivering it is one copy."""


# Positions


def position_of(segment_number: i64, offset: i64) -> i64:
    """The position of a byte in the log."""
    return (segment_number << OFFSET_BITS) | offset


def segment_of(position: i64) -> i64:
    """The number of the segment that a position is in."""
    return position >> OFFSET_BITS


def offset_of(position: i64) -> i64:
    """Where in the segment's file it is."""
    return position & OFFSET_MASK


# Segments and groups


def segment_header(number: i64, previous_size: i64 = 0) -> bytes:
    """Magic, format version, CRC of the version and what follows, segment number, size of the segment before."""
    rest = int(number).to_bytes(8, "little") + int(previous_size).to_bytes(8, "little")
    version = FORMAT_VERSION.to_bytes(4, "little")
    return SEGMENT_MAGIC + version + zlib.crc32(rest, zlib.crc32(version)).to_bytes(4, "little") + rest


def segment_version(data: bytes, number: i64) -> int:
    """The format version in a segment's header; 0 if the bytes are no header of that segment."""
    if len(data) < SEGMENT_HEADER_BYTES or data[:8] != SEGMENT_MAGIC:
        return 0
    crc = zlib.crc32(data[16:SEGMENT_HEADER_BYTES], zlib.crc32(data[8:12]))
    if crc != int.from_bytes(data[12:16], "little") or int.from_bytes(data[16:24], "little") != number:
        return 0
    return int.from_bytes(data[8:12], "little")


def previous_size(data: bytes) -> i64:
    """How large the segment before is, by the header of a segment; 0 if that does not say."""
    return read_i64_le(data, 24)


def group_header(position: i64, written_ms: i64, records: list[Octets]) -> bytes:
    """Magic, CRC of all that follows and of the records, size of the records, position, time of writing."""
    size = 0
    for piece in records:
        size += len(piece)
    rest = b"".join([int(number).to_bytes(8, "little") for number in (size, position, written_ms)])
    crc = zlib.crc32(rest)
    for piece in records:
        crc = zlib.crc32(piece, crc)
    return GROUP_MAGIC + crc.to_bytes(4, "little") + rest


def group_size(data: bytes, at: i64, position: i64) -> i64:
    """How many bytes of records the header at `data[at:]` announces; -1 if that is no header for this position."""
    if len(data) - at < GROUP_HEADER_BYTES or data[at : at + 4] != GROUP_MAGIC:
        return -1
    if read_i64_le(data, at + 16) != position:
        return -1
    size = read_i64_le(data, at + 8)
    return size if 0 <= size <= OFFSET_MASK else -1


def group_is_whole(data: bytes, at: i64, size: i64) -> bool:
    """Whether the group at `data[at:]` with `size` bytes of records is there and its CRC is right."""
    end: i64 = at + GROUP_HEADER_BYTES + size
    if end > len(data):
        return False
    crc = int.from_bytes(data[at + 4 : at + 8], "little")
    return zlib.crc32(memoryview(data)[at + 8 : end]) == crc


# Records


def record_size(data: bytes, at: i64) -> i64:
    """The size of the record at `data[at:]`, head included."""
    return i64(read_i32_le(data, at)) & OFFSET_MASK


def write_message_head(
    writer: BytesWriter,
    flags: i64,
    content_bytes: i64,
    address_bytes: i64,
    header_bytes: i64,
    arrived_ms: i64,
    holders: i64,
) -> i64:
    """Write what a message record begins with; its holders, then its content must follow. The record's size."""
    size: i64 = MESSAGE_HEAD_BYTES + holders * HOLDER_BYTES + content_bytes
    write_i32_le(writer, i32(size))
    writer.append(MESSAGE)
    writer.append(flags)
    write_i16_le(writer, i16(address_bytes))
    write_i32_le(writer, i32(holders))
    write_i32_le(writer, i32(header_bytes))
    write_i64_le(writer, arrived_ms)
    return size


def begin_message(writer: BytesWriter, message: Message, holders: i64) -> i64:
    """Write what the record of a message begins with, before its holders. The record's size."""
    return write_message_head(
        writer,
        message.flags,
        content_bytes(message),
        len(message.address),
        len(message.header),
        message.arrived_ms,
        holders,
    )


def write_holder(writer: BytesWriter, queue_id: i64, queue_position: i64) -> None:
    """Write one queue that holds the message, and where it stands in it."""
    write_i64_le(writer, queue_id)
    write_i64_le(writer, queue_position)


def write_message_content(output: Output, message: Message) -> None:
    """Write address, content header and body, which end a message record."""
    writer = output.writer
    writer.write(message.address)
    writer.write(message.header)
    for piece in message.body_pieces():
        if len(piece) >= STREAMED_BODY_MIN:
            output.write_large(piece)
        else:
            writer.write(bytes(piece))


def content_bytes(message: Message) -> i64:
    """How many bytes `write_message_content` writes."""
    return len(message.address) + len(message.header) + message.body_size


def holder_count(data: bytes, at: i64) -> i64:
    """How many queues hold the message whose record is at `data[at:]`."""
    return i64(read_i32_le(data, at + 8)) & OFFSET_MASK


def content_start(data: bytes, at: i64) -> i64:
    """Where the content of the message record at `data[at:]` begins."""
    return at + MESSAGE_HEAD_BYTES + holder_count(data, at) * HOLDER_BYTES


def body_start(data: bytes, at: i64) -> i64:
    """Where the body of the message record at `data[at:]` begins."""
    address_bytes: i64 = i64(read_i16_le(data, at + 6)) & 0xFFFF
    header_bytes: i64 = i64(read_i32_le(data, at + 12)) & OFFSET_MASK
    return content_start(data, at) + address_bytes + header_bytes


def body_mark(data: bytes, at: i64) -> i64:
    """Of the message whose record is at `data[at:]`: twice the size of its body, and one more if it EXPIRES by itself."""
    size: i64 = at + record_size(data, at) - body_start(data, at)
    return (size << 1) | (1 if data[at + 5] & EXPIRES else 0)


def read_message(data: bytes, at: i64) -> Message:
    """The message of the record at `data[at:]`, which must be there whole."""
    size = record_size(data, at)
    address_bytes: i64 = i64(read_i16_le(data, at + 6)) & 0xFFFF
    header_bytes: i64 = i64(read_i32_le(data, at + 12))
    header_at = content_start(data, at) + address_bytes
    body_at: i64 = header_at + header_bytes
    end: i64 = at + size
    address = data[header_at - address_bytes : header_at]
    header = data[header_at:body_at]
    body_size: i64 = end - body_at
    frames = b""
    pieces: list[Octets] | None = None
    if body_size > FRAMED_BODY_MAX:
        pieces = [data[body_at:end]]
    else:
        frames = frame(FRAME_HEADER, 1, header)
        if body_size:
            frames += frame(FRAME_BODY, 1, data[body_at:end])
    message = Message(address, header, body_size, frames, 1, pieces, i64(data[at + 5]))
    message.arrived_ms = read_i64_le(data, at + 16)
    return message


def write_definition(writer: BytesWriter, record_type: i64, definition: bytes) -> None:
    """Write a change of definitions; the log does not look into it."""
    write_i32_le(writer, i32(RECORD_HEAD_BYTES + len(definition)))
    writer.append(record_type)
    writer.write(definition)


def write_progress(
    writer: BytesWriter, record_type: i64, queue_id: i64, delivered: i64, settled: list[int]
) -> None:
    """Write how far a queue has come.

    All positions below `delivered` were delivered at least once; `settled` are those done with for good, as
    starts and ends in turn.
    """
    ranges: i64 = len(settled) >> 1
    write_i32_le(writer, i32(PROGRESS_HEAD_BYTES + ranges * RANGE_BYTES))
    writer.append(record_type)
    write_i64_le(writer, queue_id)
    write_i64_le(writer, delivered)
    write_i32_le(writer, i32(ranges))
    for position in settled:
        write_i64_le(writer, i64(position))


def read_ranges(data: bytes, at: i64) -> list[int]:
    """The settled positions of the progress record at `data[at:]`, as starts and ends in turn."""
    ranges: i64 = i64(read_i32_le(data, at + 21)) & OFFSET_MASK
    return [int(read_i64_le(data, at + PROGRESS_HEAD_BYTES + 8 * index)) for index in range(2 * ranges)]


def write_counts(writer: BytesWriter, queue_id: i64, counts: list[tuple[int, int]]) -> None:
    """Write what a queue has counted of some of its messages: position and number of each."""
    write_i32_le(writer, i32(COUNTS_HEAD_BYTES + len(counts) * COUNT_BYTES))
    writer.append(COUNTS)
    write_i64_le(writer, queue_id)
    write_i32_le(writer, i32(len(counts)))
    for position, number in counts:
        write_i64_le(writer, i64(position))
        write_i64_le(writer, i64(number))


def read_counts(data: bytes, at: i64) -> list[tuple[int, int]]:
    """Position and number of each message in the counts record at `data[at:]`."""
    counts: list[tuple[int, int]] = []
    at += COUNTS_HEAD_BYTES
    for _ in range(i64(read_i32_le(data, at - 4)) & OFFSET_MASK):
        counts.append((int(read_i64_le(data, at)), int(read_i64_le(data, at + 8))))
        at += COUNT_BYTES
    return counts


FILLER_MIN_BYTES: Final = GROUP_HEADER_BYTES + RECORD_HEAD_BYTES


def filler(position: i64, size: i64) -> bytes:
    """A whole group of `size` bytes that says nothing, to stand where something damaged was."""
    inside = size - GROUP_HEADER_BYTES
    record = int(inside).to_bytes(4, "little") + bytes([FILLER]) + bytes(inside - RECORD_HEAD_BYTES)
    return group_header(position, 0, [record]) + record


@final
class RecordDamaged(Exception):
    """Bytes that are no record; the CRC was right, so that the writer was wrong."""


def check_record(data: bytes, at: i64, end: i64) -> i64:
    """The type of the record at `data[at:end]`. Raises RecordDamaged if it does not fit there."""
    if end - at < RECORD_HEAD_BYTES:
        raise RecordDamaged("a record is cut")
    size = record_size(data, at)
    record_type: i64 = data[at + 4]
    least: i64 = RECORD_HEAD_BYTES
    if record_type == MESSAGE:
        least = MESSAGE_HEAD_BYTES + HOLDER_BYTES
    elif record_type in (PROGRESS, SNAPSHOT_PROGRESS):
        least = PROGRESS_HEAD_BYTES
    elif record_type == COUNTS:
        least = COUNTS_HEAD_BYTES
    if size < least or size > end - at:
        raise RecordDamaged(f"a record of type {record_type} has {size} bytes where {end - at} are left")
    if least != RECORD_HEAD_BYTES:
        _check_inside(data, at, size, record_type)
    return record_type


def _check_inside(data: bytes, at: i64, size: i64, record_type: i64) -> None:
    """Raise RecordDamaged unless what the record says of its parts fits its size."""
    if record_type == MESSAGE:
        fits = holder_count(data, at) > 0 and body_start(data, at) - at <= size
    elif record_type == COUNTS:
        counts: i64 = i64(read_i32_le(data, at + 13)) & OFFSET_MASK
        fits = COUNTS_HEAD_BYTES + counts * COUNT_BYTES == size
    else:
        ranges: i64 = i64(read_i32_le(data, at + 21)) & OFFSET_MASK
        fits = PROGRESS_HEAD_BYTES + ranges * RANGE_BYTES == size
    if not fits:
        raise RecordDamaged(
            f"a record of type {record_type} has {size} bytes, which do not fit what it holds"
        )
