"""Readers of a stream: each a consumer with a place of its own."""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i16_le, read_i32_le
from mypy_extensions import i64

from amqpd.broker.consumer import Consumer
from amqpd.broker.queues.stream_filter import StreamFilter
from amqpd.broker.queues.stream_log import StreamLog
from amqpd.message import Message
from amqpd.store.records import FRAMED_BODY_MAX, content_start, record_size
from amqpd.store.storage import Record
from amqpd.wire.frames import FRAME_BODY, FRAME_END, FRAME_HEADER, Octets
from amqpd.wire.properties import split_for_header

OFFSET_HEADER: Final = b"x-stream-offset"

READ_MESSAGES_MIN: Final = 64
READ_MESSAGES_MAX: Final = 1024
READ_BYTES_MIN: Final = 32768
READ_BYTES_MAX: Final = 262144
"""How much is read from disk in one go: what there is credit for, but not much less than a reader will want soon."""

_FRAME_HEAD_BYTES: Final = 7


@final
class StreamReader:
    """Where a consumer is in a stream, and what was read for it already."""

    def __init__(self, consumer: Consumer, offset: i64, filter: StreamFilter | None) -> None:
        self.consumer = consumer
        self.offset = offset
        """What it has not seen begins here."""
        self.taken: i64 = 0
        """The offset of the message that was taken last."""
        self._copies = Copies(filter, consumer.sink.channel_id())
        self._is_filtered = filter is not None
        self._records: list[Record] = []
        self._next_record: i64 = 0

    def take(self, log: StreamLog) -> Message | None:
        """Step over the message at `offset`, which is committed: its copy for the consumer; None if it gets none.

        Raises CannotRead.
        """
        if self._next_record == len(self._records):
            offset = self.offset
            if log.is_recent(offset):
                self.taken = offset
                self.offset = offset + 1
                return self._copies.of_message(log.recent(offset), offset)
            if not self._read(log):
                return None
        record = self._records[self._next_record]
        self._next_record += 1
        self.taken = record.queue_position
        self.offset = self.taken + 1
        return self._copies.of_record(record)

    def rest(self) -> None:
        """There is nothing more for now."""
        self._records = []
        self._next_record = 0

    def _read(self, log: StreamLog) -> bool:
        """Read what comes next; if it is gone, go to what is still there, and return False."""
        consumer = self.consumer
        wanted: i64 = consumer.prefetch_count - consumer.unacked
        if self._is_filtered or wanted > READ_MESSAGES_MAX:
            wanted = READ_MESSAGES_MAX
        elif wanted < READ_MESSAGES_MIN:
            wanted = READ_MESSAGES_MIN
        bytes_max: i64 = READ_BYTES_MIN if wanted == READ_MESSAGES_MIN else READ_BYTES_MAX
        self._records = log.read(self.offset, wanted, bytes_max)
        self._next_record = 0
        if self._records:
            return True
        self.offset = log.recent_start()
        return False


@final
class Copies:
    """Makes the messages that a consumer gets: with their offset in a header, in the frames of its channel.

    Most messages of a publisher have equal headers, so what was found out about one header is good for the next.
    """

    def __init__(self, filter: StreamFilter | None, channel_id: i64) -> None:
        self._filter = filter
        self._channel_id = channel_id
        self._header = b""
        self._is_wanted = True
        self._start = b""
        """The header frame up to the offset."""
        self._middle = b""
        """From there on, with the head of the body frame."""
        self._end = b""
        self._header_end: i64 = 0
        """Where the content header ends in the header frame."""

    def of_message(self, message: Message, offset: i64) -> Message | None:
        """The copy of a message that is in memory; None if it is not wanted."""
        header = message.header
        if header != self._header:
            self._learn(header, message.body_size)
        if not self._is_wanted:
            return None
        if message.pieces is None:
            return self._framed(message.address, message.body(), message.body_size, offset)
        return self._in_pieces(message.address, message.pieces, message.body_size, offset)

    def of_record(self, record: Record) -> Message | None:
        """The copy of a message that the log has; None if it is not wanted."""
        data = record.data
        at = record.at
        address_at = content_start(data, at)
        header_at: i64 = address_at + (i64(read_i16_le(data, at + 6)) & 0xFFFF)
        body_at: i64 = header_at + i64(read_i32_le(data, at + 12))
        end: i64 = at + record_size(data, at)
        header = data[header_at:body_at]
        if header != self._header:
            self._learn(header, end - body_at)
        if not self._is_wanted:
            return None
        address = data[address_at:header_at]
        if end - body_at <= FRAMED_BODY_MAX:
            return self._framed(address, data[body_at:end], end - body_at, record.queue_position)
        body = memoryview(data)[body_at:end]
        return self._in_pieces(address, [body], end - body_at, record.queue_position)

    def _framed(self, address: bytes, body: bytes, body_size: i64, offset: i64) -> Message:
        frames = b"".join([self._start, int(offset).to_bytes(8, "big"), self._middle, body, self._end])
        header = frames[_FRAME_HEAD_BYTES : self._header_end]
        return Message(address, header, body_size, frames, self._channel_id, None)

    def _in_pieces(self, address: bytes, pieces: list[Octets], body_size: i64, offset: i64) -> Message:
        frame = b"".join([self._start, int(offset).to_bytes(8, "big"), self._middle])
        header = frame[_FRAME_HEAD_BYTES : self._header_end]
        return Message(address, header, body_size, b"", 0, pieces)

    def _learn(self, header: bytes, body_size: i64) -> None:
        """Another header than that of the message before."""
        self._header = header
        self._is_wanted = self._filter is None or self._filter.takes(header)
        if not self._is_wanted:
            return
        before, after = split_for_header(header, OFFSET_HEADER)
        size: i64 = len(before) + 8 + len(after)
        self._start = self._frame_head(FRAME_HEADER, size) + before
        self._middle = after + FRAME_END
        self._end = b""
        self._header_end = _FRAME_HEAD_BYTES + size
        if body_size:
            self._middle += self._frame_head(FRAME_BODY, body_size)
            self._end = FRAME_END

    def _frame_head(self, frame_type: i64, size: i64) -> bytes:
        return int((frame_type << 48) | (self._channel_id << 32) | size).to_bytes(7, "big")
