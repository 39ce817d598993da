"""The other end of a connection, in memory: no socket, no task, no waiting."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.auth.users import Users
from amqpd.broker.broker import Broker
from amqpd.broker.queues.queue import Queue
from amqpd.protocol.connection import Connection
from amqpd.protocol.parameters import Parameters, Transport
from amqpd.protocol.parameters import Peer as Name
from amqpd.protocol.states import OPEN
from amqpd.wire.fields import bytes_of, field_of, text_of
from amqpd.wire.methods import MalformedShortString, decode_method, encode_method
from amqpd.wire.properties import Properties, decode_properties, encode_properties

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

METHOD_FRAME, HEADER_FRAME, BODY_FRAME, HEARTBEAT_FRAME = 1, 2, 3, 8
FRAME_END = 0xCE
FRAME_OVERHEAD = 8
FRAME_HEAD = struct.Struct(">BHI")

CAPABILITIES: Mapping[str, object] = {
    "authentication_failure_close": True,
    "basic.nack": True,
    "connection.blocked": True,
    "consumer_cancel_notify": True,
    "publisher_confirms": True,
}
"""What a modern client says it can do."""

UNASKED = (
    commands.Basic.Ack,
    commands.Basic.Cancel,
    commands.Basic.Deliver,
    commands.Basic.Nack,
    commands.Basic.Return,
    commands.Connection.Blocked,
    commands.Connection.Unblocked,
)
"""What a broker sends of its own accord, so that it is never the reply to a call."""

M = TypeVar("M", bound=Method)


class Content(NamedTuple):
    """A message that arrived: its method (deliver, get-ok or return), properties, body and raw header."""

    method: Any
    properties: Properties
    body: bytes
    header: bytes


class Heartbeat(NamedTuple):
    """A heartbeat frame."""


class Received(NamedTuple):
    """One thing that arrived on a channel: a method, a whole message, or a heartbeat."""

    channel_id: int
    frame: Method | Content | Heartbeat


class Refusal(NamedTuple):
    """How the broker refused something: scope is "channel", "connection", or "stream" without a word."""

    scope: str
    reply_code: int = 0
    reply_text: str = ""
    class_id: int = 0
    method_id: int = 0


class NoReply(AssertionError):
    """The broker did not answer what was expected; the message says what came instead."""


class MemoryTransport(Transport):
    """Remembers what the connection asks of its shell."""

    def __init__(self) -> None:
        self.output_is_ready = False
        self.reading_paused = False
        """Whether the connection asked to be read no more until consumers have caught up."""
        self.blocked = False
        """Whether it asked to be read no more until the broker has room again."""
        self.closed = False

    def output_ready(self) -> None:
        """There is output to take."""
        self.output_is_ready = True

    def pause_publisher(self, queue: Queue) -> None:
        """It publishes too fast for the consumers of this queue."""
        self.reading_paused = True

    def resume_publisher(self) -> None:
        """They have caught up."""
        self.reading_paused = False

    def block(self) -> None:
        """The broker is short of memory or disk."""
        self.blocked = True

    def unblock(self) -> None:
        """It is not any more."""
        self.blocked = False

    def close(self) -> None:
        """The connection wants the stream to end."""
        self.closed = True


class Peer:
    """A client that does exactly what it is told, and keeps what it hears.

    It reads only when asked (`receive`, `call` and what is built on them), as a slow client would.
    """

    def __init__(
        self,
        broker: Broker,
        users: Users,
        parameters: Parameters | None = None,
        *,
        name: str = "memory:1 -> memory:0",
        is_loopback: bool = True,
        external_name: str | None = None,
        after_sending: Callable[[], None] | None = None,
    ) -> None:
        """`after_sending` is called whenever the broker has worked through what was sent."""
        self._after_sending = after_sending
        self.transport = MemoryTransport()
        end = Name(name, is_loopback, external_name)
        self.connection = Connection(broker, users, parameters or Parameters(), end, self.transport)
        self.frame_max = 4096
        """The frame size agreed on; larger bodies are sent in several frames."""
        self.largest_frame = 0
        """Size in bytes of the largest frame that arrived."""
        self.raw = b""
        """Every byte that ever arrived."""
        self._unread = b""
        self._assembled: dict[int, tuple[Method, bytes, bytes]] = {}
        self._inbox: list[Received] = []
        self._disconnected = False

    # The stream

    @property
    def is_open(self) -> bool:
        """Whether the handshake is done and nobody has closed the connection."""
        return self.connection.state == OPEN and not self._disconnected

    @property
    def stream_closed(self) -> bool:
        """Whether the broker has ended the stream."""
        return self.transport.closed

    def send_bytes(self, data: bytes) -> None:
        """Send anything at all; nothing arrives any more once the stream has ended."""
        if not self.transport.closed and not self._disconnected:
            self.connection.receive(data)
            if self._after_sending is not None:
                self._after_sending()

    def send_frame(self, frame_type: int, channel_id: int, payload: bytes) -> None:
        """Send one well-formed frame."""
        self.send_bytes(frame_of(frame_type, channel_id, payload))

    def send(self, channel_id: int, method: Method) -> None:
        """Send a method, without waiting for its reply."""
        self.send_frame(METHOD_FRAME, channel_id, encode_method(method))

    def disconnect(self) -> None:
        """End the stream from this side, without a word."""
        if not self._disconnected:
            self._disconnected = True
            self.connection.disconnected()

    def read(self) -> bytes:
        """Take all bytes that the broker has written, and parse them for `receive`."""
        arrived = b""
        while True:
            data = b"".join(self.connection.take_output())
            self.transport.output_is_ready = False
            arrived += data
            self.connection.output_drained(0)
            if not self.connection.output.size():
                break
        self.raw += arrived
        self._parse(arrived)
        if self.transport.closed:
            self.disconnect()
        return arrived

    # What arrives

    def receive(self) -> list[Received]:
        """Everything that has arrived and was not looked at, in order."""
        self.read()
        inbox, self._inbox = self._inbox, []
        return inbox

    def methods(self, channel_id: int) -> list[Method]:
        """The methods that have arrived on one channel; what came on others stays."""
        return [frame for frame in self._take_channel(channel_id) if isinstance(frame, Method)]

    def contents(self, channel_id: int) -> list[Content]:
        """The messages that have arrived on one channel; other frames of that channel are dropped."""
        return [frame for frame in self._take_channel(channel_id) if isinstance(frame, Content)]

    def bodies(self, channel_id: int) -> list[bytes]:
        """The bodies of `contents`."""
        return [content.body for content in self.contents(channel_id)]

    def expect(self, channel_id: int, kind: type[M]) -> M:
        """The next method on a channel, which is to be of this kind. Raises NoReply."""
        self.read()
        for index, received in enumerate(self._inbox):
            if received.channel_id == channel_id:
                if isinstance(received.frame, kind):
                    del self._inbox[index]
                    return received.frame
                raise NoReply(f"expected {kind.__name__}, got {shown(received)}")
        raise NoReply(f"expected {kind.__name__}, got nothing on channel {channel_id}: {self._shown()}")

    def call(self, channel_id: int, method: Method) -> Any:
        """Send a method and return its reply, or the close that it led to; get-ok comes as a Content.

        Deliveries, returns and confirms that came meanwhile stay for `receive`. Raises NoReply.
        """
        self.read()
        seen = len(self._inbox)
        self.send(channel_id, method)
        self.read()
        for index in range(seen, len(self._inbox)):
            received = self._inbox[index]
            if _is_reply(received, channel_id):
                del self._inbox[index]
                return received.frame
        raise NoReply(f"no reply to {type(method).__name__} on channel {channel_id}: {self._shown()}")

    def refusal(self) -> Refusal | None:
        """How the broker refused what was sent last, or None if it did not."""
        for received in self.receive():
            method = received.frame
            if isinstance(method, commands.Channel.Close):
                return refusal_of(method)
            if isinstance(method, commands.Connection.Close):
                return refusal_of(method)
        return Refusal("stream") if self.stream_closed else None

    # The handshake

    def start(self, header: bytes = PROTOCOL_HEADER) -> commands.Connection.Start:
        """Send a protocol header; what the broker presents itself with. Raises NoReply."""
        self.send_bytes(header)
        return self.expect(0, commands.Connection.Start)

    def log_in(
        self,
        user: str = "guest",
        password: str = "guest",
        *,
        mechanism: str = "PLAIN",
        response: bytes | None = None,
        capabilities: Mapping[str, object] = CAPABILITIES,
    ) -> None:
        """Send connection.start-ok; without a response it is PLAIN's for user and password."""
        if response is None:
            response = b"\0" + bytes_of(user) + b"\0" + bytes_of(password)
        properties: dict[str, Any] = {"capabilities": field_of(dict(capabilities))}
        start_ok = commands.Connection.StartOk(properties, mechanism, "", "en_US")
        start_ok.response = response  # type: ignore[assignment]
        self.send(0, start_ok)

    def tune(
        self, channel_max: int | None = None, frame_max: int | None = None, heartbeat_s: int | None = None
    ) -> commands.Connection.Tune:
        """Answer connection.tune, agreeing with all that is not given; what was offered. Raises NoReply."""
        offer = self.expect(0, commands.Connection.Tune)
        self.frame_max = offer.frame_max if frame_max is None else frame_max
        tune_ok = commands.Connection.TuneOk(
            offer.channel_max if channel_max is None else channel_max,
            self.frame_max,
            offer.heartbeat if heartbeat_s is None else heartbeat_s,
        )
        self.send(0, tune_ok)
        return offer

    def open(
        self,
        vhost: str = "/",
        *,
        user: str = "guest",
        password: str = "guest",
        capabilities: Mapping[str, object] = CAPABILITIES,
        channel_max: int | None = None,
        frame_max: int | None = None,
        heartbeat_s: int | None = 0,
    ) -> Peer:
        """Go through the whole handshake, by default without heartbeats. Raises NoReply if it fails."""
        self.start()
        self.log_in(user, password, capabilities=capabilities)
        self.tune(channel_max, frame_max, heartbeat_s)
        self.send(0, commands.Connection.Open(vhost))
        self.expect(0, commands.Connection.OpenOk)
        return self

    def open_channel(self, channel_id: int = 1) -> int:
        """Open a channel; its number. Raises NoReply."""
        self.send(channel_id, commands.Channel.Open())
        self.expect(channel_id, commands.Channel.OpenOk)
        return channel_id

    def close(self) -> None:
        """Close the connection as a client does, then end the stream."""
        self.call(0, commands.Connection.Close(200, "Goodbye", 0, 0))
        self.disconnect()

    # Messages

    def publish(
        self,
        channel_id: int = 1,
        exchange: str = "",
        routing_key: str = "",
        body: bytes = b"",
        properties: Properties | None = None,
        *,
        mandatory: bool = False,
        immediate: bool = False,
        header: bytes | None = None,
    ) -> None:
        """Send basic.publish with its content, in one piece; `header` replaces the content header's payload."""
        self.send_bytes(
            self.publish_frames(
                channel_id,
                exchange,
                routing_key,
                body,
                properties,
                mandatory=mandatory,
                immediate=immediate,
                header=header,
            )
        )

    def publish_frames(
        self,
        channel_id: int = 1,
        exchange: str = "",
        routing_key: str = "",
        body: bytes = b"",
        properties: Properties | None = None,
        *,
        mandatory: bool = False,
        immediate: bool = False,
        header: bytes | None = None,
    ) -> bytes:
        """The bytes that `publish` sends."""
        if header is None:
            header = encode_properties(properties or Properties(), len(body))
        method = method_of(
            commands.Basic.Publish,
            ticket=0,
            exchange=exchange,
            routing_key=routing_key,
            mandatory=mandatory,
            immediate=immediate,
        )
        frames = [frame_of(METHOD_FRAME, channel_id, encode_method(method))]
        frames.append(frame_of(HEADER_FRAME, channel_id, header))
        size = self.frame_max - FRAME_OVERHEAD
        for start in range(0, len(body), size):
            frames.append(frame_of(BODY_FRAME, channel_id, body[start : start + size]))
        return b"".join(frames)

    # Parsing

    def _parse(self, arrived: bytes) -> None:
        self._unread += arrived
        position = 0
        while len(self._unread) - position >= FRAME_OVERHEAD and not self._unread.startswith(b"AMQP"):
            frame_type, channel_id, size = FRAME_HEAD.unpack_from(self._unread, position)
            end = position + FRAME_HEAD.size + size
            if end >= len(self._unread):
                break
            if self._unread[end] != FRAME_END:
                raise AssertionError(f"frame of type {frame_type} ends with {self._unread[end]}")
            self.largest_frame = max(self.largest_frame, size + FRAME_OVERHEAD)
            self._receive_frame(frame_type, channel_id, self._unread[position + FRAME_HEAD.size : end])
            position = end + 1
        self._unread = self._unread[position:]

    def _receive_frame(self, frame_type: int, channel_id: int, payload: bytes) -> None:
        if frame_type == HEARTBEAT_FRAME:
            self._inbox.append(Received(channel_id, Heartbeat()))
        elif frame_type == METHOD_FRAME:
            self._receive_method(channel_id, method_from_broker(payload))
        elif frame_type == HEADER_FRAME:
            method, _, _ = self._assembled.pop(channel_id)
            self._receive_content(channel_id, method, payload, b"")
        elif frame_type == BODY_FRAME:
            method, header, body = self._assembled.pop(channel_id)
            self._receive_content(channel_id, method, header, body + payload)
        else:
            raise AssertionError(f"frame of type {frame_type} from the broker")

    def _receive_method(self, channel_id: int, method: Method) -> None:
        if channel_id in self._assembled:
            raise AssertionError(f"{type(method).__name__} in the middle of a message")
        if isinstance(method, commands.Basic.Deliver | commands.Basic.GetOk | commands.Basic.Return):
            self._assembled[channel_id] = (method, b"", b"")
        else:
            self._inbox.append(Received(channel_id, method))

    def _receive_content(self, channel_id: int, method: Method, header: bytes, body: bytes) -> None:
        size = int.from_bytes(header[4:12], "big")
        if len(body) > size:
            raise AssertionError(f"{len(body)} bytes of a body of {size}")
        if len(body) < size:
            self._assembled[channel_id] = (method, header, body)
            return
        content = Content(method, decode_properties(header), body, header)
        self._inbox.append(Received(channel_id, content))

    def _take_channel(self, channel_id: int) -> list[Method | Content | Heartbeat]:
        self.read()
        taken = [received.frame for received in self._inbox if received.channel_id == channel_id]
        self._inbox = [received for received in self._inbox if received.channel_id != channel_id]
        return taken

    def _shown(self) -> str:
        return ", ".join(map(shown, self._inbox)) or "nothing"


def _is_reply(received: Received, channel_id: int) -> bool:
    frame = received.frame
    if received.channel_id != channel_id:
        return isinstance(frame, commands.Connection.Close)
    if isinstance(frame, Content):
        return isinstance(frame.method, commands.Basic.GetOk)
    return not isinstance(frame, (Heartbeat, *UNASKED))


def frame_of(frame_type: int, channel_id: int, payload: bytes) -> bytes:
    """One frame as bytes."""
    return FRAME_HEAD.pack(frame_type, channel_id, len(payload)) + payload + bytes([FRAME_END])


def method_of(kind: type[M], **arguments: object) -> M:
    """A method without pamqp's checks, which refuse names that RabbitMQ takes; what is not given is pamqp's default."""
    method = kind()
    for name, value in arguments.items():
        setattr(method, name, value)
    return method


def method_from_broker(payload: bytes) -> Method:
    """A method as the broker sent it; a close may quote a client's octets that are no UTF-8."""
    try:
        return decode_method(payload)
    except MalformedShortString:
        kind = commands.Channel.Close if payload[:2] == b"\x00\x14" else commands.Connection.Close
        end = 7 + payload[6]
        return method_of(
            kind,
            reply_code=int.from_bytes(payload[4:6], "big"),
            reply_text=text_of(payload[7:end]),
            class_id=int.from_bytes(payload[end : end + 2], "big"),
            method_id=int.from_bytes(payload[end + 2 : end + 4], "big"),
        )


def refusal_of(method: commands.Channel.Close | commands.Connection.Close) -> Refusal:
    """What a close says."""
    scope = "channel" if isinstance(method, commands.Channel.Close) else "connection"
    return Refusal(
        scope, method.reply_code or 0, method.reply_text, method.class_id or 0, method.method_id or 0
    )


def shown(received: Received) -> str:
    """One thing that arrived, for a message that a person reads."""
    frame = received.frame
    if isinstance(frame, Content):
        return f"{frame.method.name} {dict(frame.method)} with {len(frame.body)} bytes"
    if isinstance(frame, Heartbeat):
        return "Heartbeat"
    return f"{frame.name} {dict(frame)}"
