"""A client on a real socket that does what it is told, and events that can be waited for."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, TypeVar

import pytest
from pamqp import commands
from pamqp.base import Frame

from amqpd.testing import RecordedEvents
from amqpd.testing.peer import FRAME_HEAD, PROTOCOL_HEADER, frame_of
from amqpd.wire.methods import decode_method, encode_method
from amqpd.wire.properties import Properties, encode_properties

PATIENCE_S = 60.0

M = TypeVar("M", bound=Frame)


class SocketClient:
    """Frames over a socket; raises TimeoutError when the broker stays silent."""

    def __init__(self, host: str, port: int, receive_buffer_bytes: int | None = None) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if receive_buffer_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect((host, port))
        self._stream = self.socket.makefile("rb")

    def __enter__(self) -> "SocketClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._stream.close()
        self.socket.close()

    def send(self, channel_id: int, method: Frame) -> None:
        self.socket.sendall(frame_of(1, channel_id, encode_method(method)))

    def receive(self) -> tuple[int, int, bytes] | None:
        """Type, channel and payload of the next frame; None at the end of the stream."""
        head = self._stream.read(FRAME_HEAD.size)
        if not head:
            return None
        frame_type, channel_id, size = FRAME_HEAD.unpack(head)
        payload = self._stream.read(size + 1)
        assert payload[-1:] == b"\xce"
        return frame_type, channel_id, payload[:-1]

    def receive_all(self) -> bytes:
        """Everything up to the end of the stream."""
        return self._stream.read()

    def at_end(self) -> bool:
        """Whether the stream ends here."""
        try:
            return self._stream.read(1) == b""
        except ConnectionResetError:
            return True

    def expect(self, kind: type[M]) -> M:
        received = self.receive()
        assert received is not None
        method = decode_method(received[2])
        assert isinstance(method, kind), method
        return method

    def call(self, channel_id: int, method: Frame, kind: type[M]) -> M:
        self.send(channel_id, method)
        return self.expect(kind)

    def open(self, user: str = "guest", heartbeat_s: int = 0) -> "SocketClient":
        """Through the handshake, and with channel 1 open."""
        self.socket.sendall(PROTOCOL_HEADER)
        self.expect(commands.Connection.Start)
        start_ok = commands.Connection.StartOk({}, "PLAIN", f"\0{user}\0guest", "en_US")
        tune = self.call(0, start_ok, commands.Connection.Tune)
        self.send(0, commands.Connection.TuneOk(tune.channel_max, tune.frame_max, heartbeat_s))
        self.call(0, commands.Connection.Open("/"), commands.Connection.OpenOk)
        self.call(1, commands.Channel.Open(), commands.Channel.OpenOk)
        return self

    def deliveries(self, count: int) -> list[bytes]:
        """The bodies of that many deliveries, each in one frame."""
        bodies = []
        for _ in range(count):
            self.expect(commands.Basic.Deliver)
            header = self.receive()
            assert header is not None
            size = struct.unpack_from(">Q", header[2], 4)[0]
            body = self.receive() if size else (3, 1, b"")
            assert body is not None and len(body[2]) == size
            bodies.append(body[2])
        return bodies


def publish_frames(routing_key: str, body: bytes, *, mandatory: bool = False) -> bytes:
    """basic.publish to the default exchange on channel 1, with its content."""
    method = commands.Basic.Publish(routing_key=routing_key, mandatory=mandatory)
    header = encode_properties(Properties(), len(body))
    return frame_of(1, 1, encode_method(method)) + frame_of(2, 1, header) + frame_of(3, 1, body)


class WaitableEvents(RecordedEvents):
    """Events of a broker in another thread, one of which a test can wait for."""

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition()

    def tell(self, level: str, sentence: str, fields: dict[str, object], category: str = "default") -> None:
        with self._changed:
            super().tell(level, sentence, fields, category)
            self._changed.notify_all()

    def wait_for(self, sentence: str) -> dict[str, object]:
        """The fields of the first event with this sentence."""
        with self._changed:
            assert self._changed.wait_for(lambda: sentence in self.sentences(), PATIENCE_S), self.told
            return next(fields for _, told, fields in self.told if told == sentence)


@pytest.fixture
def dial() -> Iterator[Callable[..., Any]]:
    """Make clients that are gone at the end of the test."""
    clients: list[SocketClient] = []

    def dial(broker: Any, receive_buffer_bytes: int | None = None) -> SocketClient:
        clients.append(SocketClient(broker.host, broker.port, receive_buffer_bytes))
        return clients[-1]

    yield dial
    for client in clients:
        client.close()


@pytest.fixture
def publish() -> Callable[..., bytes]:
    return publish_frames


@pytest.fixture
def events() -> WaitableEvents:
    return WaitableEvents()


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)
