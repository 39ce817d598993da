"""AMQP frame by frame, for what no client does: pipelined requests, and content compared bit for bit."""

import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import TypeVar

from pamqp import base, commands, frame

from interop.broker import Broker

METHOD, HEADER, BODY = 1, 2, 3
FRAME_END = b"\xce"
LIMIT_S = 60.0

M = TypeVar("M", bound=base.Frame)


@dataclass(frozen=True)
class Received:
    """One frame: its type, its channel, and the octets between its head and its end."""

    type: int
    channel: int
    payload: bytes

    @property
    def method(self) -> base.Frame:
        """The method in it; AssertionError if it is no method frame."""
        assert self.type == METHOD, self
        _size, _channel, method = frame.unmarshal(encoded(self.type, self.channel, self.payload))
        assert isinstance(method, base.Frame)
        return method


def encoded(type: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", type, channel, len(payload)) + payload + FRAME_END


def content(channel: int, properties: bytes, body: bytes) -> bytes:
    """Content header and body frame; properties are flags and values, encoded. The body fits a frame."""
    header = encoded(HEADER, channel, struct.pack(">HHQ", 60, 0, len(body)) + properties)
    return header + (encoded(BODY, channel, body) if body else b"")


class Wire:
    """A connection with channel 1 open, after the handshake; TimeoutError when nothing comes in LIMIT_S."""

    def __init__(self, broker: Broker) -> None:
        self._socket = socket.create_connection((broker.host, broker.port), timeout=LIMIT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._input = self._socket.makefile("rb")
        self._socket.sendall(b"AMQP\x00\x00\x09\x01")
        self.expect(commands.Connection.Start)
        capabilities = {"consumer_cancel_notify": True, "publisher_confirms": True}
        login = f"\0{broker.username}\0{broker.password}"
        self.send(
            commands.Connection.StartOk({"capabilities": capabilities}, "PLAIN", login, "en_US"), channel=0
        )
        self.expect(commands.Connection.Tune)
        self.send(commands.Connection.TuneOk(2047, 131072, 0), channel=0)
        self.send(commands.Connection.Open(broker.virtual_host), channel=0)
        self.expect(commands.Connection.OpenOk)
        self.ask(commands.Channel.Open(), commands.Channel.OpenOk)

    def __enter__(self) -> "Wire":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._input.close()
        self._socket.close()

    def send(self, *methods: base.Frame | bytes, channel: int = 1) -> None:
        """Send methods, and frames encoded already, in one piece."""
        self._socket.sendall(
            b"".join(
                method if isinstance(method, bytes) else frame.marshal(method, channel) for method in methods
            )
        )

    def receive(self) -> Received:
        kind, channel, size = struct.unpack(">BHI", self._read(7))
        payload = self._read(size)
        assert self._read(1) == FRAME_END
        return Received(kind, channel, payload)

    def expect(self, kind: type[M]) -> M:
        """Return the next frame, which must be this method."""
        method = self.receive().method
        assert isinstance(method, kind), f"{dict(method)} in {method.name} instead of {kind.name}"
        return method

    def ask(self, method: base.Frame, kind: type[M]) -> M:
        self.send(method)
        return self.expect(kind)

    def receive_confirms(self, up_to: int) -> None:
        """Read until everything up to this delivery tag is confirmed; anything but basic.ack fails."""
        missing = set(range(1, up_to + 1))
        while missing:
            confirm = self.expect(commands.Basic.Ack)
            tag = confirm.delivery_tag or 0
            missing -= set(range(1, tag + 1)) if confirm.multiple else {tag}

    def receive_content(self) -> tuple[bytes, bytes]:
        """Return the encoded flags and properties, and the body."""
        header = self.receive()
        assert header.type == HEADER, header
        (size,) = struct.unpack(">Q", header.payload[4:12])
        body = b""
        while len(body) < size:
            body += self.receive().payload
        return header.payload[12:], body

    def _read(self, size: int) -> bytes:
        octets = self._input.read(size)
        if len(octets) < size:
            raise ConnectionError("the broker closed the connection")
        return octets
