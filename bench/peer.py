"""A minimal AMQP 0-9-1 client for the benchmarks: one connection, channel 1, methods only."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
ANSWER_TIMEOUT_S = 60
PIPELINE = 500  # methods sent before their answers are read

MethodId = tuple[int, int]  # class id, method id; an answer's method id is one more

CONNECTION_START_OK, CONNECTION_TUNE_OK, CONNECTION_OPEN = (10, 11), (10, 31), (10, 40)
CONNECTION_START, CONNECTION_TUNE, CONNECTION_CLOSE = (10, 10), (10, 30), (10, 50)
CHANNEL_OPEN, CHANNEL_CLOSE = (20, 10), (20, 40)
EXCHANGE_DECLARE, EXCHANGE_DELETE = (40, 10), (40, 20)
QUEUE_DECLARE, QUEUE_BIND, QUEUE_DELETE = (50, 10), (50, 20), (50, 40)

EXCLUSIVE = 4  # queue.declare flag


class Refused(Exception):
    """The broker closed the connection or the channel, or did not answer."""


def short_string(text: str) -> bytes:
    """An AMQP short string: at most 255 bytes of UTF-8."""
    encoded = text.encode()
    return struct.pack("B", len(encoded)) + encoded


def table(entries: dict[str, str] | None = None) -> bytes:
    """An AMQP table of long strings."""
    body = b""
    for name, value in (entries or {}).items():
        body += short_string(name) + b"S" + struct.pack(">I", len(value.encode())) + value.encode()
    return struct.pack(">I", len(body)) + body


def method_frame(channel: int, method: MethodId, arguments: bytes) -> bytes:
    """A method frame with its arguments already encoded."""
    return struct.pack(">BHIHH", 1, channel, 4 + len(arguments), *method) + arguments + b"\xce"


def declare_exchange(name: str, exchange_type: str) -> bytes:
    """An exchange.declare on channel 1 of a transient exchange."""
    arguments = struct.pack(">H", 0) + short_string(name) + short_string(exchange_type) + b"\x00" + table()
    return method_frame(1, EXCHANGE_DECLARE, arguments)


def delete_exchange(name: str) -> bytes:
    """An exchange.delete on channel 1."""
    return method_frame(1, EXCHANGE_DELETE, struct.pack(">H", 0) + short_string(name) + b"\x00")


def declare_queue(name: str, flags: int) -> bytes:
    """A queue.declare on channel 1 of a transient queue."""
    arguments = struct.pack(">H", 0) + short_string(name) + struct.pack("B", flags) + table()
    return method_frame(1, QUEUE_DECLARE, arguments)


def delete_queue(name: str) -> bytes:
    """A queue.delete on channel 1."""
    return method_frame(1, QUEUE_DELETE, struct.pack(">H", 0) + short_string(name) + b"\x00")


def bind_queue(queue: str, exchange: str, routing_key: str, headers: dict[str, str] | None = None) -> bytes:
    """A queue.bind on channel 1."""
    names = short_string(queue) + short_string(exchange) + short_string(routing_key)
    return method_frame(1, QUEUE_BIND, struct.pack(">H", 0) + names + b"\x00" + table(headers))


class Peer:
    """A connection of guest to the vhost "/", with channel 1 open and no heartbeats.

    Raises Refused when the broker closes instead of answering, OSError when there is no connection.
    """

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self._socket = socket.create_connection((host, port), timeout=ANSWER_TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        self._socket.sendall(PROTOCOL_HEADER)
        self._await(CONNECTION_START)
        start_ok = table() + short_string("PLAIN") + struct.pack(">I", 12) + b"\0guest\0guest"
        self._socket.sendall(method_frame(0, CONNECTION_START_OK, start_ok + short_string("en_US")))
        channel_max, frame_max = struct.unpack_from(">HI", self._await(CONNECTION_TUNE))
        tune_ok = method_frame(0, CONNECTION_TUNE_OK, struct.pack(">HIH", channel_max, frame_max, 0))
        self._socket.sendall(tune_ok)
        self._call(0, CONNECTION_OPEN, short_string("/") + b"\x00\x00")
        self._call(1, CHANNEL_OPEN, b"\x00")

    def send_all(self, frames: Iterable[bytes]) -> None:
        """Send methods of channel 1, each with an answer, and await the answers. Pipelined, in order."""
        waiting: list[bytes] = []
        for frame in frames:
            waiting.append(frame)
            if len(waiting) == PIPELINE:
                self._exchange(waiting)
                waiting = []
        self._exchange(waiting)

    def close(self) -> None:
        """Close in order: connection.close, its answer, the socket."""
        self._call(0, CONNECTION_CLOSE, struct.pack(">H", 200) + b"\x00" + struct.pack(">HH", 0, 0))
        self._socket.close()

    def _exchange(self, frames: Sequence[bytes]) -> None:
        self._socket.sendall(b"".join(frames))
        for frame in frames:
            class_id, method_id = struct.unpack_from(">HH", frame, 7)
            self._await((class_id, method_id + 1))

    def _call(self, channel: int, method: MethodId, arguments: bytes) -> None:
        self._socket.sendall(method_frame(channel, method, arguments))
        self._await((method[0], method[1] + 1))

    def _await(self, wanted: MethodId) -> bytes:
        """Read frames up to this method; return its arguments."""
        while True:
            frame_type, payload = self._read_frame()
            if frame_type != 1:
                continue
            class_id, method_id = struct.unpack_from(">HH", payload)
            if (class_id, method_id) == wanted:
                return payload[4:]
            if (class_id, method_id) in (CONNECTION_CLOSE, CHANNEL_CLOSE):
                raise Refused(payload[7 : 7 + payload[6]].decode(errors="replace"))

    def _read_frame(self) -> tuple[int, bytes]:
        self._fill(7)
        frame_type, _, size = struct.unpack_from(">BHI", self._received)
        self._fill(size + 8)
        payload = bytes(self._received[7 : 7 + size])
        del self._received[: size + 8]
        return frame_type, payload

    def _fill(self, size: int) -> None:
        while len(self._received) < size:
            data = self._socket.recv(65536)
            if not data:
                raise Refused("the broker ended the connection")
            self._received += data
