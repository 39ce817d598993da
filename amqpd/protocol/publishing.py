"""Publishing on one channel: method, content header and body become a message and find their queues (1.8.3.7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from librt.strings import read_i64_be
from mypy_extensions import i64

from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import BEHIND, Queue
from amqpd.errors import (
    AccessRefused,
    InternalError,
    NotImplementedByBroker,
    PreconditionFailed,
    UnexpectedFrame,
)
from amqpd.message import Body, Message
from amqpd.protocol.checks import NOTHING_CHECKED, Checked, check_header
from amqpd.protocol.frame_check import check_frame
from amqpd.protocol.route import Route
from amqpd.protocol.states import BASIC_PUBLISH, CHANNEL_BODY, CHANNEL_HEADER, CHANNEL_OPEN
from amqpd.protocol.transaction import HeldPublish
from amqpd.wire.frames import FRAME_BODY, FRAME_HEADER, FrameReader, Octets, frame, method_id_at
from amqpd.wire.methods import decode_method
from amqpd.wire.properties import MalformedProperties

if TYPE_CHECKING:
    from amqpd.protocol.channel import Channel

MANDATORY: Final = 1
IMMEDIATE: Final = 2

ROUTES_REMEMBERED: Final = 4096
"""Addresses a channel remembers the way of; when there are more, it starts anew."""

BASIC_CLASS: Final = 60

MESSAGE_SIZE_HARD_MAX: Final = 536870912
"""What no configuration can lift (RabbitMQ 3.10, read in its source)."""

NO_HEADER_FRAME: Final = "expected content header for class 60, got non content header frame instead"


@final
class Publishing:
    """Assembles what is published on a channel; the channel's state says what must come next."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._connection = channel.connection
        self._max_message_size: i64 = channel.connection.parameters.max_message_size_bytes
        self._address = b""
        self._bits: i64 = 0
        self._header = b""
        self._checked = NOTHING_CHECKED
        self._body_size: i64 = 0
        self._body = Body()
        self._routes: dict[bytes, Route] = {}

    def forget(self) -> None:
        """Forget what was received so far, and what was found out about the last header."""
        self._body.take()
        self._checked = NOTHING_CHECKED

    def body_missing(self) -> i64:
        """How many bytes of the body are still to come."""
        return self._body_size - self._body.size

    def begin(self, reader: FrameReader) -> None:
        """Take basic.publish, and its content if that has arrived with it."""
        if self._connection.alarms.active:
            self._connection.holds.block()
            return
        data = reader.data
        exchange_at: i64 = reader.payload_start + 6
        last: i64 = reader.payload_end - 1
        if exchange_at < last:
            size: i64 = data[exchange_at]
            routing_key_at: i64 = exchange_at + 1 + size
            if routing_key_at < last:
                size = data[routing_key_at]
                if routing_key_at + 1 + size == last:
                    self._address = data[exchange_at:last]
                    self._bits = data[last]
                    if reader.next_content():
                        self._header = reader.payload()
                        self._body_size = reader.body_size
                        self._finish(data[reader.frame_start : reader.position], None)
                    else:
                        self._channel.state = CHANNEL_HEADER
                    return
        decode_method(reader.payload())  # raises, as for any method that can't be decoded
        raise InternalError()

    def receive_header(self, reader: FrameReader) -> None:
        """Take the content header. Raises UnexpectedFrame (505) for anything else."""
        # Other channels may have had frames since the method came.
        self._connection.method_id = BASIC_PUBLISH
        check_frame(reader)
        if reader.type != FRAME_HEADER:
            raise UnexpectedFrame(NO_HEADER_FRAME)
        start = reader.payload_start
        class_id = method_id_at(reader.data, start)
        if class_id & 0xFFFF:  # the weight, which must be zero
            raise UnexpectedFrame(NO_HEADER_FRAME)
        if class_id >> 16 != BASIC_CLASS:
            raise UnexpectedFrame(
                f"expected content header for class 60, got one for class {class_id >> 16} instead"
            )
        self._header = reader.payload()
        self._body_size = read_i64_be(reader.data, start + 4)
        self._check_size()
        if self._body_size == 0:
            self._finish(frame(FRAME_HEADER, self._channel.id, self._header), None)
        else:
            self._channel.state = CHANNEL_BODY

    def receive_body(self, reader: FrameReader) -> None:
        """Take a body frame, or part of one. Raises UnexpectedFrame (505) for anything else."""
        size: i64 = reader.payload_end - reader.payload_start
        if reader.type != FRAME_BODY or self._body.size + size > self._body_size:
            self._connection.method_id = BASIC_PUBLISH
            check_frame(reader)
            raise UnexpectedFrame("expected content body, got non content body frame instead")
        self._body.add(reader, self._body_size)
        if self._body.size == self._body_size:
            self._finish(b"", self._body.take())
        elif self._connection.alarms.active:
            self._connection.holds.block_content()

    def _check_size(self) -> None:
        """Refuse what is too large by its header: the body need not arrive for that."""
        if self._body_size < 0 or self._body_size > self._max_message_size:
            announced = int(self._body_size) & 0xFFFFFFFFFFFFFFFF
            configured = "" if self._max_message_size == MESSAGE_SIZE_HARD_MAX else "configured "
            raise PreconditionFailed(
                f"message size {announced} is larger than {configured}max size {self._max_message_size}"
            )

    def _finish(self, frames: bytes, pieces: list[Octets] | None) -> None:
        """The content is complete: check it in RabbitMQ's order, and send it on its way."""
        channel = self._channel
        channel.state = CHANNEL_OPEN
        self._connection.method_id = BASIC_PUBLISH
        if self._bits & IMMEDIATE:
            raise NotImplementedByBroker("immediate=true")
        if self._body_size > self._max_message_size:
            self._check_size()
        route = self._routes.get(self._address)
        if route is None or route.topology != channel.vhost.topology:
            route = self._find_route()
        checked = self._checked
        if self._header != checked.published:
            checked = self._check_header()
        message = Message(
            route.address,
            checked.published,
            self._body_size,
            frames,
            channel.id,
            pieces,
            checked.flags,
        )
        if checked.header is not checked.published:
            message = message.with_header(checked.header)
        only = route.only
        if only is not None and channel.is_plain and not checked.flags and not checked.routing_keys:
            # What most publishers do: nobody but the queue has anything to say.
            route.published += 1
            if only.publish(message) & BEHIND:
                self._connection.wait_for(only)
            return
        self._send(route, message, checked)

    def _send(self, route: Route, message: Message, checked: Checked) -> None:
        """Send a message on its way where more is to be done than to give it to a queue; apart, as _finish is hot."""
        channel = self._channel
        queues = route.queues
        transaction = channel.transaction
        if queues is None or checked.routing_keys:
            routing_keys = [route.routing_key, *checked.routing_keys]
            queues = channel.vhost.route(route.exchange, routing_keys, message)
            if transaction is None:
                self.count(route.exchange, queues, 1)
            firehose = channel.vhost.firehose
            if firehose is not None:
                firehose.published(message, routing_keys, queues, channel.client())
        elif transaction is None:
            route.published += 1
        mandatory = (self._bits & MANDATORY) != 0
        if transaction is None:
            channel.publish(message, queues, mandatory)
        else:
            transaction.publishes.append(HeldPublish(route.exchange, message, queues, mandatory))

    def _find_route(self) -> Route:
        """Ask what may be asked once for an address: permissions, the exchange, and where it leads."""
        channel = self._channel
        message = Message(self._address, self._header, 0, b"", channel.id, [])
        exchange_name, routing_key = message.exchange(), message.routing_key()
        channel.allow("write", "exchange", exchange_name)
        vhost = channel.vhost
        exchange = vhost.exchange(exchange_name)
        if exchange.internal:
            raise AccessRefused(f"cannot publish to internal {exchange.title()}")
        channel.allow_topic("write", exchange, routing_key)
        queues: list[Queue] | None = None
        if vhost.firehose is None and not vhost.routes_by_content(exchange):
            queues = vhost.route(exchange, [routing_key], message)
        route = Route(self._address, exchange, routing_key, queues, vhost.topology)
        if len(self._routes) >= ROUTES_REMEMBERED:
            self.collect_counts()
            self._routes.clear()
        elif self._address in self._routes:
            self._collect_count(self._routes[self._address])
        self._routes[self._address] = route
        return route

    def collect_counts(self) -> None:
        """Let the channel, exchanges and queues know what was published since they were told last."""
        for route in self._routes.values():
            self._collect_count(route)

    def _collect_count(self, route: Route) -> None:
        count = route.published
        if count:
            route.published = 0
            self.count(route.exchange, route.queues or [], count)

    def count(self, exchange: Exchange, queues: list[Queue], count: i64) -> None:
        """So many messages were published to an exchange and went to these queues."""
        copies: i64 = count * len(queues)
        self._channel.published += count
        self._channel.routed += copies
        exchange.published += count
        exchange.routed += copies
        for queue in queues:
            queue.published += count

    def _check_header(self) -> Checked:
        """Check the properties; a header like the one before need not be checked again."""
        user = self._connection.user_logged_in()
        reply_queue = self._channel.reply_queue_name()
        try:
            self._checked = check_header(self._header, self._body_size, user, reply_queue)
        except MalformedProperties:
            self._connection.method_id = 0
            raise InternalError() from None
        return self._checked
