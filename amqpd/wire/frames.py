"""Frames: cutting the stream that arrives, and building what leaves (2.3.5, 4.2.3)."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter, read_i32_be, read_i64_be
from mypy_extensions import i64

from amqpd.errors import FrameError
from amqpd.wire import terms

Octets = bytes | memoryview
"""Bytes that are only joined or written; a view refers to what was read, so that large ones are not copied."""

FRAME_METHOD: Final = 1
FRAME_HEADER: Final = 2
FRAME_BODY: Final = 3
FRAME_HEARTBEAT: Final = 8
FRAME_END: Final = b"\xce"
FRAME_END_OCTET: Final = 0xCE

FRAME_OVERHEAD: Final = 8
"""Octets around a payload: type, channel (2), size (4), and the frame end."""

FRAME_MIN_SIZE: Final = 4096
"""Every peer must accept frames this large, and none larger before tuning (4.2.2)."""

HEARTBEAT: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"

_CONTENT_MIN: Final = 30  # a header frame without properties and what is around a body
_BASIC_CLASS_AND_NO_WEIGHT: Final = 60 << 16

STREAMED_BODY_MIN: Final = 16384
"""A body frame at least this large is handed over as it arrives instead of being gathered first."""


def frame(frame_type: i64, channel_id: i64, payload: bytes) -> bytes:
    """One whole frame."""
    head = int((frame_type << 48) | (channel_id << 32) | len(payload)).to_bytes(7, "big")
    return b"".join([head, payload, FRAME_END])


@final
class FrameReader:
    """Cuts frames out of whatever pieces the stream arrives in.

    `feed` it, then call `next` until it says False. After a True, `type`, `channel_id` and
    `data[payload_start:payload_end]` are one frame, and `frame_start` and `position` its outer bounds in
    `data`. The frame may also be a part of a body frame: body frames only ever matter by their payload,
    so a large one that has not arrived whole is given out in parts, which keeps the copying linear.
    """

    def __init__(self) -> None:
        self.frame_max: i64 = FRAME_MIN_SIZE
        self.data = b""
        self.feeds: i64 = 0
        self.position: i64 = 0
        self.type: i64 = 0
        self.channel_id: i64 = 0
        self.frame_start: i64 = 0
        self.payload_start: i64 = 0
        self.payload_end: i64 = 0
        self.body_size: i64 = 0
        self._end: i64 = 0
        self._body_left: i64 = 0

    def feed(self, data: bytes) -> None:
        """Take what the peer sent next."""
        if self.position < self._end:
            self.data = self.data[self.position :] + data
        else:
            self.data = data
        self.position = 0
        self._end = len(self.data)
        self.feeds += 1

    def payload(self) -> bytes:
        """A copy of the current frame's payload."""
        return self.data[self.payload_start : self.payload_end]

    def payload_view(self, whole_size: i64) -> Octets:
        """The current frame's payload, part of something of `whole_size`.

        Not copied if the whole is as large as what it arrived with: whoever keeps the view keeps all of that.
        """
        if whole_size < self._end:
            return self.payload()
        return memoryview(self.data)[self.payload_start : self.payload_end]

    def next(self) -> bool:
        """Step to the next frame; False if it has not arrived yet.

        Raises FrameError (501) for one that is too large or badly ended.
        """
        if self._body_left:
            return self._next_part()
        start = self.position
        available: i64 = self._end - start
        data = self.data
        if available < FRAME_OVERHEAD:
            if available < FRAME_OVERHEAD - 1:
                return False
            # The size is there already, and must be refused if it is too large.
            data = data + b"\x00"
        head = read_i64_be(data, start)
        size: i64 = (head >> 8) & 0xFFFFFFFF
        self.type = (head >> 56) & 0xFF
        self.channel_id = (head >> 40) & 0xFFFF
        if size > self.frame_max:
            self._refuse_size(size)
        if available < size + FRAME_OVERHEAD:
            if self.type == FRAME_BODY and size >= STREAMED_BODY_MIN and available > 7:
                return self._first_part(size)
            return False
        self.frame_start = start
        self.payload_start = start + 7
        end: i64 = start + 7 + size
        self.payload_end = end
        self.position = end + 1
        if data[end] != FRAME_END_OCTET:
            self._refuse_end(data[end])
        return True

    def unread(self) -> None:
        """Step back to the frame that `next` has just given, so that it is given again."""
        self.position = self.frame_start

    def next_content(self) -> bool:
        """Step over a content header and its body in one go, if that is what follows on this channel.

        After a True, `data[payload_start:payload_end]` is the header's payload, `data[frame_start:position]`
        both frames, and `body_size` is set. After a False nothing has happened: the content is in more or fewer
        than one body frame, has not arrived whole, or is wrong, and `next` will find out.
        """
        start = self.position
        data = self.data
        if self._end - start < _CONTENT_MIN:
            return False
        head = read_i64_be(data, start)
        size: i64 = (head >> 8) & 0xFFFFFFFF
        body_at: i64 = start + size + FRAME_OVERHEAD
        if (
            head >> 40 != (FRAME_HEADER << 16) | self.channel_id
            or size > self.frame_max
            or body_at + FRAME_OVERHEAD > self._end
            or data[body_at - 1] != FRAME_END_OCTET
            or read_i32_be(data, start + 7) != _BASIC_CLASS_AND_NO_WEIGHT
        ):
            return False
        head = read_i64_be(data, body_at)
        body_size: i64 = (head >> 8) & 0xFFFFFFFF
        end: i64 = body_at + body_size + FRAME_OVERHEAD
        if (
            head >> 40 != (FRAME_BODY << 16) | self.channel_id
            or body_size != read_i64_be(data, start + 11)
            or body_size == 0
            or body_size > self.frame_max
            or end > self._end
            or data[end - 1] != FRAME_END_OCTET
        ):
            return False
        self.frame_start = start
        self.payload_start = start + 7
        self.payload_end = body_at - 1
        self.position = end
        self.body_size = body_size
        return True

    def _first_part(self, size: i64) -> bool:
        self.frame_start = self.position
        self.position += 7
        self._body_left = size
        return self._next_part()

    def _next_part(self) -> bool:
        available: i64 = self._end - self.position
        if available <= 0:
            return False
        self.payload_start = self.position
        if available > self._body_left:
            end: i64 = self.position + self._body_left
            self.payload_end = end
            self.position = end + 1
            self._body_left = 0
            if self.data[end] != FRAME_END_OCTET:
                self._refuse_end(self.data[end])
            return True
        # At least one octet stays for the part that is read together with the frame end.
        if available == self._body_left:
            available -= 1
        if available == 0:
            return False
        self.payload_end = self.position + available
        self.position = self.payload_end
        self._body_left -= available
        return True

    def _refuse_size(self, size: i64) -> None:
        # RabbitMQ tolerates frame_max octets of payload and names the limit without the overhead.
        limit = self.frame_max - FRAME_OVERHEAD
        octets = terms.frame_octets(self.type, b"")
        raise FrameError(f"{octets}: {{frame_too_large,{size},{limit}}}")

    def _refuse_end(self, octet: i64) -> None:
        octets = terms.frame_octets(self.type, self.payload())
        raise FrameError(terms.after(f"{octets}: ", "invalid_frame_end_marker", int(octet)))


def method_id_at(data: bytes, position: i64) -> i64:
    """The payload's first four octets as one number: (class-id << 16) | method-id, or a header's weight."""
    # Read together with the four octets before it, the frame size: a conversion from 32 bits would cost more.
    return read_i64_be(data, position - 4) & 0xFFFFFFFF


_LARGE: Final = 16384


@final
class Output:
    """Frames on their way to the peer, gathered until someone takes them.

    What is small is copied together; what is large is kept as it is, so that a large body is never copied.
    """

    def __init__(self) -> None:
        self._chunks: list[Octets] = []
        self._large_bytes: i64 = 0
        self.writer = BytesWriter()

    def size(self) -> i64:
        """Bytes waiting to be taken."""
        return self._large_bytes + len(self.writer)

    def write(self, data: bytes) -> None:
        """Add bytes, after all that is there."""
        if len(data) < _LARGE:
            self.writer.write(data)
        else:
            self.write_large(data)

    def write_large(self, data: Octets) -> None:
        """Add something that is better not copied."""
        self._move_writer()
        self._chunks.append(data)
        self._large_bytes += len(data)

    def take(self) -> list[Octets]:
        """Return, and forget, everything that waits."""
        self._move_writer()
        chunks = self._chunks
        self._chunks = []
        self._large_bytes = 0
        return chunks

    def _move_writer(self) -> None:
        if len(self.writer):
            data = self.writer.getvalue()
            self._chunks.append(data)
            self._large_bytes += len(data)
            self.writer.truncate(0)
