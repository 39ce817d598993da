"""A blocking AMQP 0-9-1 client on a raw socket, for one thread. Everything that arrives before the end is counted."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence

import pamqp.base
from pamqp import commands

from crash import frames
from crash.ledger import Entry

ANSWER_TIMEOUT_S = 60
CONNECTION_FORCED = 320
READ_BYTES = 1 << 18


class Broken(Exception):
    """The broker is gone, or going: all that it sent before has been taken note of."""


class Refused(Exception):
    """The broker closed a channel or a connection for a reason of ours."""

    def __init__(self, reply_code: int, reply_text: str) -> None:
        super().__init__(f"{reply_code} {reply_text}")
        self.reply_code = reply_code


class Silent(Exception):
    """An answer did not come in time, or made no sense."""


class Connection:
    """A connection of guest to the vhost "/", without heartbeats.

    Everything raises Broken once the broker is gone, Refused if it closes a channel or the connection.
    """

    def __init__(self, port: int) -> None:
        self.frame_max_bytes = 4096
        self.closing = False
        self._received = bytearray()
        self._channels: dict[int, Channel] = {}
        control = Channel(self, 0)
        self._channels[0] = control
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_TIMEOUT_S)
        except OSError as error:
            raise Broken from error
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send(frames.PROTOCOL_HEADER)
        control.await_answer()
        start_ok = commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US")
        tune = control.call(start_ok)
        assert isinstance(tune, commands.Connection.Tune)
        self.frame_max_bytes = tune.frame_max or 131072
        tune_ok = commands.Connection.TuneOk(tune.channel_max or 0, self.frame_max_bytes, 0)
        control.queue(frames.method(0, tune_ok))
        control.call(commands.Connection.Open("/"))

    def channel(self, number: int = 1) -> Channel:
        """Open a channel; if there is one of this number, it is closed first."""
        before = self._channels.get(number)
        if before is not None and not before.closed:
            before.close()
        channel = self._channels[number] = Channel(self, number)
        channel.call(commands.Channel.Open())
        return channel

    def send(self, data: bytes) -> None:
        """Write all of it."""
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise Silent("the broker reads nothing") from error
        except OSError as error:
            while True:
                self.receive()  # raises Broken when the rest has been read
                if self.closing:
                    raise Broken from error

    def receive(self) -> None:
        """Wait for anything to arrive, and hand all complete frames to their channels."""
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError as error:
            raise Silent("no answer") from error
        except OSError as error:
            raise Broken from error
        if not data:
            raise Broken
        self._received += data
        self._dispatch()

    def close(self) -> None:
        """Close in order."""
        self._channels[0].call(commands.Connection.Close(200, "", 0, 0))
        self.drop()

    def drop(self) -> None:
        """Give the socket back without a word."""
        self._socket.close()

    def _dispatch(self) -> None:
        received = self._received
        position, size = 0, len(received)
        try:
            while size - position >= 7:
                frame_type, number, length = struct.unpack_from(">BHI", received, position)
                end = position + 7 + length
                if size <= end:
                    break
                if received[end] != 0xCE:
                    raise Silent("a frame without an end")
                payload = bytes(received[position + 7 : end])
                position = end + 1
                if frame_type == frames.HEARTBEAT:
                    continue
                if number == 0 and payload[:4] == b"\x00\x0a\x00\x32":
                    self._closed_by_broker(payload)
                channel = self._channels.get(number)
                if channel is None:
                    raise Silent(f"a frame on channel {number}, which is not open")
                channel.frame_received(frame_type, payload)
        finally:
            del received[:position]

    def _closed_by_broker(self, payload: bytes) -> None:
        close = frames.decode(payload)
        assert isinstance(close, commands.Connection.Close)
        self.closing = True
        with contextlib.suppress(OSError):  # it need not wait for it
            self._socket.sendall(frames.method(0, commands.Connection.CloseOk()))
        if close.reply_code == CONNECTION_FORCED:
            raise Broken
        raise Refused(close.reply_code or 0, close.reply_text)


class Channel:
    """A channel. `queue` collects frames, `flush` and whatever waits for an answer send them."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.number = number
        self.connection = connection
        self.closed = False
        self.deliveries: deque[frames.Delivery] = deque()
        self.unconfirmed: dict[int, Sequence[Entry]] = {}
        self.confirmed = 0
        self._published = 0
        self._output: list[bytes] = []
        self._answer: pamqp.base.Frame | frames.Delivery | None = None
        self._content: tuple[int, bytes] | None = None
        self._properties = b""
        self._body: list[bytes] = []
        self._body_missing = -1

    def queue(self, *data: bytes) -> None:
        """Put frames behind those that wait to be sent."""
        self._output += data

    def flush(self) -> None:
        """Send what waits."""
        if self._output:
            data = b"".join(self._output)
            self._output.clear()
            self.connection.send(data)

    def call(self, request: pamqp.base.Frame) -> pamqp.base.Frame | frames.Delivery:
        """Send a method, and wait for its answer."""
        self.queue(frames.method(self.number, request))
        self._answer = None
        self.flush()
        return self.await_answer()

    def await_answer(self) -> pamqp.base.Frame | frames.Delivery:
        """Wait for the answer to a method that was sent."""
        self.wait(lambda: self._answer is not None)
        answer, self._answer = self._answer, None
        assert answer is not None
        return answer

    def close(self) -> None:
        """Close in order."""
        self.call(commands.Channel.Close(200, "", 0, 0))
        self.closed = True

    def wait(self, done: Callable[[], bool]) -> None:
        """Send what waits, and receive until `done`."""
        self.flush()
        while not done():
            self.connection.receive()

    def publish(self, exchange: str, routing_key: str, properties: bytes, body: bytes) -> None:
        """Publish without confirms."""
        self._output.append(frames.publish_method(self.number, exchange, routing_key))
        self._output += frames.content(self.number, properties, body, self.connection.frame_max_bytes)

    def publish_confirmed(
        self, exchange: str, routing_key: str, properties: bytes, body: bytes, entries: Sequence[Entry]
    ) -> None:
        """Publish on a channel in confirm mode; the confirm makes the entries certain."""
        self._published += 1
        self.unconfirmed[self._published] = entries
        self.publish(exchange, routing_key, properties, body)

    def get(self, queue: str, no_ack: bool = False) -> frames.Delivery | None:
        """basic.get; None if the queue is empty."""
        answer = self.call(commands.Basic.Get(queue=queue, no_ack=no_ack))
        return answer if isinstance(answer, frames.Delivery) else None

    def frame_received(self, frame_type: int, payload: bytes) -> None:
        """Take a frame of this channel."""
        if frame_type == frames.CONTENT_BODY:
            self._body.append(payload)
            self._body_missing -= len(payload)
            if self._body_missing <= 0:
                self._content_complete()
        elif frame_type == frames.CONTENT_HEADER:
            self._body_missing = int.from_bytes(payload[4:12], "big")
            self._properties = payload[12:]
            if self._body_missing == 0:
                self._content_complete()
        else:
            self._method_received(int.from_bytes(payload[:4], "big"), payload)

    def _method_received(self, index: int, payload: bytes) -> None:
        if index in frames.WITH_CONTENT:
            self._content = index, payload
        elif index == frames.BASIC_ACK:
            self._confirm(int.from_bytes(payload[4:12], "big"), bool(payload[12]))
        else:
            self._control_received(frames.decode(payload))

    def _control_received(self, value: pamqp.base.Frame) -> None:
        if isinstance(value, commands.Channel.Close):
            self.closed = True
            self.connection.send(frames.method(self.number, commands.Channel.CloseOk()))
            raise Refused(value.reply_code or 0, value.reply_text)
        if isinstance(value, commands.Basic.Cancel | commands.Basic.Nack):
            raise Silent(f"the broker sent {value.name}")
        self._answer = value

    def _confirm(self, delivery_tag: int, multiple: bool) -> None:
        now_s = time.time()
        tags = [delivery_tag]
        if multiple:
            tags = list(itertools.takewhile(lambda tag: tag <= delivery_tag, self.unconfirmed))
        for tag in tags:
            entries = self.unconfirmed.pop(tag, None)
            if entries is None:
                raise Silent(f"a confirm of {tag}, which was not published or is confirmed already")
            self.confirmed += 1
            for entry in entries:
                entry.confirm(now_s)

    def _content_complete(self) -> None:
        if self._content is None or self._body_missing:
            raise Silent("content out of place")
        index, payload = self._content
        self._content = None
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        delivery = frames.Delivery(*frames.names_of_content(index, payload), self._properties, body)
        if index == frames.BASIC_GET_OK:
            self._answer = delivery
        elif index == frames.BASIC_DELIVER:
            self.deliveries.append(delivery)
        else:
            raise Silent("a message was returned")
