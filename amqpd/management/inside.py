"""A client inside the broker: methods called in a user's name, so that they do what they do for every client."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.auth.users import User, Users
from amqpd.broker.queues.queue import Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.errors import AmqpError
from amqpd.management.answers import bad_request, refused_method, refused_on_channel
from amqpd.management.site import Site
from amqpd.protocol.connection import Connection
from amqpd.protocol.dispatch import call, unchecked
from amqpd.protocol.parameters import Peer, Transport
from amqpd.wire.frames import FRAME_BODY, FRAME_HEADER, FRAME_METHOD, FrameReader, frame
from amqpd.wire.methods import decode_method, encode_method

LARGEST_FRAME_BYTES = 2**31 - 1

Received = tuple[Any, bytes, bytes]
"""A method, and for one that carries a message its content header and its body."""


class ClosedInside(Exception):
    """The broker has closed what the method was called on."""

    def __init__(self, code: int, reply_text: str) -> None:
        super().__init__(reply_text)
        self.code = code
        self.reply_text = reply_text


class _Transport(Transport):
    """Says when there is something to read."""

    def __init__(self) -> None:
        self.has_more = asyncio.Event()

    def output_ready(self) -> None:
        self.has_more.set()

    def pause_publisher(self, queue: Queue) -> None:
        """Whoever publishes one message need not be held back."""

    def close(self) -> None:
        self.has_more.set()


class Inside:
    """A connection with one channel, as long as a `with` block runs; what it has not settled then goes back."""

    def __init__(self, site: Site, user: User, vhost: VirtualHost) -> None:
        self._transport = _Transport()
        peer = Peer("HTTP API", True)
        # Whoever comes over the UNIX socket is none of the users, though one may have the same name.
        users = site.users if site.users.get(user.name) is user else Users()
        self._connection = Connection(site.broker, users, site.parameters, peer, self._transport)
        # One frame holds any body: many would be put together again for nothing.
        self._connection.tune(LARGEST_FRAME_BYTES, 1, 0)
        self.channel = self._connection.enter(user, vhost)
        self._reader = FrameReader()
        self._reader.frame_max = LARGEST_FRAME_BYTES
        self._received: list[Received] = []

    def __enter__(self) -> Inside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.hang_up()

    async def call(self, method: Method) -> Received:
        """The reply to a method. Raises AmqpError where it is refused, ClosedInside where that comes later."""
        call(self.channel, method)
        return await self.received()

    async def publish(self, exchange: str, routing_key: str, header: bytes, body: bytes) -> Received:
        """Publish a mandatory message: a return, or else the ack or nack that says what became of it."""
        await self.call(unchecked(commands.Confirm.Select, nowait=False))
        publish = unchecked(
            commands.Basic.Publish,
            ticket=0,
            exchange=exchange,
            routing_key=routing_key,
            mandatory=True,
            immediate=False,
        )
        data = frame(FRAME_METHOD, 1, encode_method(publish)) + frame(FRAME_HEADER, 1, header)
        reader = FrameReader()
        reader.frame_max = LARGEST_FRAME_BYTES
        reader.feed(data + frame(FRAME_BODY, 1, body) if body else data)
        while reader.next():
            self.channel.receive(reader)
        self.channel.send_confirms()
        return await self.received()

    async def received(self) -> Received:
        """What comes next. Raises ClosedInside."""
        while not self._received:
            self._read()
            if not self._received:
                await self._transport.has_more.wait()
                self._transport.has_more.clear()
        received = self._received.pop(0)
        method = received[0]
        if isinstance(method, (commands.Channel.Close, commands.Connection.Close)):
            raise ClosedInside(method.reply_code or 0, method.reply_text)
        return received

    def _read(self) -> None:
        data = b"".join(bytes(part) for part in self._connection.take_output())
        self._connection.output_drained(0)
        reader = self._reader
        reader.feed(data)
        while reader.next():
            if reader.type == FRAME_METHOD:
                self._received.append((decode_method(reader.payload(), checked=False), b"", b""))
            elif reader.type == FRAME_HEADER:
                self._received[-1] = (self._received[-1][0], reader.payload(), b"")
            elif reader.type == FRAME_BODY:
                method, header, body = self._received[-1]
                self._received[-1] = (method, header, body + reader.payload())


async def do(site: Site, user: User, vhost: VirtualHost, method: Method) -> Received:
    """The reply to one method in the user's name. Raises Refused with RabbitMQ's answer to what went wrong."""
    with Inside(site, user, vhost) as inside:
        try:
            return await inside.call(method)
        except AmqpError as error:
            raise refused_method(error) from None
        except ClosedInside as closed:
            if closed.code == 506:
                raise bad_request(closed.reply_text) from None
            raise refused_on_channel(closed.code, closed.reply_text) from None
