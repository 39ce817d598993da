"""A message as queues hold it: where it was published, and its content as it came."""

from __future__ import annotations

from typing import Final, final

from librt.strings import BytesWriter, read_i32_be
from mypy_extensions import i64

from amqpd.wire.fields import bytes_of
from amqpd.wire.frames import (
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_OVERHEAD,
    STREAMED_BODY_MIN,
    FrameReader,
    Octets,
    Output,
    frame,
)

NOT_LOGGED: Final = 0
"""The log position of a message that the log does not hold."""

TO_BE_LOGGED: Final = -1
"""The log position of a message that waits for the next group."""

PERSISTENT: Final = 1
"""The flag of a message that durable queues keep over a restart (delivery mode 2)."""

EXPIRES: Final = 2
"""The flag of a message with a time to live of its own (the property expiration)."""

SHORTSTR_MAX_BYTES: Final = 255

GATHERED_MAX_BYTES: Final = 65536
"""Small parts of a body are copied together up to this size, so that none costs more than it weighs."""


@final
class Body:
    """A body that arrives in parts."""

    def __init__(self) -> None:
        self.size: i64 = 0
        self._pieces: list[Octets] = []
        self._gathered = BytesWriter()

    def add(self, reader: FrameReader, whole_size: i64) -> None:
        """Take the payload of the reader's current frame, or part of one, for a body of `whole_size`."""
        size: i64 = reader.payload_end - reader.payload_start
        self.size += size
        if size < STREAMED_BODY_MIN:
            self._gathered.write(reader.payload())
            if len(self._gathered) >= GATHERED_MAX_BYTES:
                self._keep_gathered()
        else:
            self._keep_gathered()
            self._pieces.append(reader.payload_view(whole_size))

    def take(self) -> list[Octets]:
        """Everything that was added, in order; the body is empty again."""
        self._keep_gathered()
        pieces = self._pieces
        self._pieces = []
        self.size = 0
        return pieces

    def _keep_gathered(self) -> None:
        if len(self._gathered):
            self._pieces.append(self._gathered.getvalue())
            self._gathered.truncate(0)


@final
class Message:
    """One published message, shared by every queue that holds it; its content never changes.

    `address` is exchange and routing key, two shortstrs as they stood in basic.publish and stand again in
    basic.deliver. `header` is the payload of the content header frame. A body that came in one frame stays
    framed (`frames`: header frame and body frame, numbered for `channel_id`), so that delivering it is
    one copy; any other is kept in `pieces`.
    """

    def __init__(
        self,
        address: bytes,
        header: bytes,
        body_size: i64,
        frames: bytes,
        channel_id: i64,
        pieces: list[Octets] | None,
        flags: i64 = 0,
    ) -> None:
        self.address = address
        self.header = header
        self.body_size = body_size
        self.pieces = pieces
        self.flags = flags
        """PERSISTENT and EXPIRES."""
        self.arrived_ms: i64 = 0
        """When it came to queues that ask, or was written to the log, in milliseconds since 1970; 0 until then."""
        self.log_position: i64 = NOT_LOGGED
        """Where its record is in the log, or NOT_LOGGED or TO_BE_LOGGED."""
        self.log_share: i64 = 0
        """How many bytes of the log each durable queue that holds it keeps alive."""
        self._frames = frames
        self._channel_id = channel_id

    def with_header(self, header: bytes) -> Message:
        """The same message with another content header."""
        return self._remade(self.address, header, self.flags)

    def twin(self) -> Message:
        """The same message as an object of its own, of which the log may know something else."""
        return Message(
            self.address,
            self.header,
            self.body_size,
            self._frames,
            self._channel_id,
            self.pieces,
            self.flags,
        )

    def republished(self, address: bytes, header: bytes) -> Message:
        """A new message with the same body, for another exchange or routing key, that does not expire by itself."""
        return self._remade(address, header, self.flags & ~EXPIRES)

    def transient_copy(self, address: bytes, header: bytes) -> Message:
        """A new message with the same body that is not kept over a restart and does not expire by itself."""
        return self._remade(address, header, 0)

    def readdressed(self, address: bytes) -> Message:
        """A new message with the same content, for another exchange or routing key."""
        return self._remade(address, self.header, self.flags)

    def _remade(self, address: bytes, header: bytes, flags: i64) -> Message:
        """The same body under another address and header; what was framed stays so."""
        if self.pieces is not None:
            return Message(address, header, self.body_size, b"", 0, self.pieces, flags)
        body_at: i64 = len(self.header) + FRAME_OVERHEAD
        frames = frame(FRAME_HEADER, self._channel_id, header) + self._frames[body_at:]
        return Message(address, header, self.body_size, frames, self._channel_id, None, flags)

    def framed(self, channel_id: i64) -> bytes:
        """Header and body frame for one channel; only for a message without `pieces`."""
        if self._channel_id != channel_id:
            self._frames = renumbered(self._frames, channel_id)
            self._channel_id = channel_id
        return self._frames

    def body_pieces(self) -> list[Octets]:
        """The body, in order, in pieces of any size; none are empty."""
        if self.pieces is not None:
            return self.pieces
        start: i64 = len(self.header) + 2 * FRAME_OVERHEAD - 1
        return [self._frames[start:-1]] if self.body_size else []

    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.body_pieces())

    def exchange(self) -> str:
        """The exchange it was published to."""
        return self.address[1 : 1 + self.address[0]].decode(errors="surrogateescape")

    def routing_key(self) -> str:
        """The routing key it was published with."""
        return self.address[2 + self.address[0] :].decode(errors="surrogateescape")


def address_of(exchange: str, routing_key: str) -> bytes:
    """Exchange and routing key as basic.publish has them; of a key that is longer than any can be, its beginning."""
    name = bytes_of(exchange)
    key = bytes_of(routing_key)[:SHORTSTR_MAX_BYTES]
    return bytes([len(name)]) + name + bytes([len(key)]) + key


def renumbered(frames: bytes, channel_id: i64) -> bytes:
    """A header frame and at most one body frame, carrying another channel number."""
    header_end = i64(read_i32_be(frames, 3)) + FRAME_OVERHEAD
    number = bytes([channel_id >> 8, channel_id & 255])
    parts = [frames[:1], number, frames[3:header_end]]
    if header_end < len(frames):
        parts += [frames[header_end : header_end + 1], number, frames[header_end + 3 :]]
    return b"".join(parts)


def write_content(output: Output, message: Message, channel_id: i64, frame_max: i64) -> None:
    """Write the message's content as frames for one channel, none larger than `frame_max`."""
    if message.pieces is None and message.body_size + FRAME_OVERHEAD <= frame_max:
        output.write(message.framed(channel_id))
        return
    payload_max: i64 = frame_max - FRAME_OVERHEAD
    output.write(frame(FRAME_HEADER, channel_id, message.header))
    for piece in message.body_pieces():
        for start in range(0, len(piece), payload_max):
            part = piece[start : start + payload_max] if len(piece) > payload_max else piece
            head = int((FRAME_BODY << 48) | (channel_id << 32) | len(part)).to_bytes(7, "big")
            output.write(head)
            if len(part) >= STREAMED_BODY_MIN:
                output.write_large(part)
            else:
                output.write(bytes(part))
            output.write(FRAME_END)
