"""The firehose: a copy of everything that is published and delivered in a virtual host, for whoever wants to see it.

What is published goes to the exchange amq.rabbitmq.trace with the routing key `publish.EXCHANGE`, what is
delivered with `deliver.QUEUE`; the headers say the rest (RabbitMQ 3.10, observed).
"""

from __future__ import annotations

from typing import Final, final

from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import Queue
from amqpd.broker.router import Router
from amqpd.clock import Timers
from amqpd.errors import ResourceError
from amqpd.message import Message, address_of
from amqpd.wire.fields import Field, Table
from amqpd.wire.properties import MalformedProperties, Properties, decode_properties, encode_properties

TRACE_EXCHANGE: Final = "amq.rabbitmq.trace"


@final
class Client:
    """Who publishes, or gets a message."""

    def __init__(self, connection: str, channel: int, user: str) -> None:
        self.connection = connection
        self.channel = channel
        self.user = user


@final
class Firehose:
    """Tells what happens in one virtual host, a moment after it has: a queue may be told of while it delivers."""

    def __init__(
        self, vhost: str, node: str, exchanges: dict[str, Exchange], router: Router, timers: Timers
    ) -> None:
        self._vhost = vhost
        self._node = node
        self._exchanges = exchanges
        self._router = router
        self._timers = timers
        self._waiting: list[Message] = []

    def published(
        self, message: Message, routing_keys: list[str], queues: list[Queue], client: Client
    ) -> None:
        """A client has published a message, which goes to these queues."""
        exchange = message.exchange()
        if exchange == TRACE_EXCHANGE:
            return
        headers = self._headers(message, routing_keys, client)
        headers["routed_queues"] = _names([queue.name for queue in queues])
        self._tell(f"publish.{exchange}", message, headers)

    def delivered(self, queue: Queue, message: Message, redelivered: bool, client: Client) -> None:
        """A client has got a message; those that the firehose has made are none of its business."""
        if message.exchange() == TRACE_EXCHANGE:
            return
        headers = self._headers(message, [message.routing_key()], client)
        headers["redelivered"] = Field("I", int(redelivered))
        self._tell(f"deliver.{queue.name}", message, headers)

    def _headers(self, message: Message, routing_keys: list[str], client: Client) -> Table:
        return {
            "exchange_name": Field("S", message.exchange()),
            "routing_keys": _names(routing_keys),
            "properties": Field("F", _properties(message.header)),
            "node": Field("S", self._node),
            "vhost": Field("S", self._vhost),
            "connection": Field("S", client.connection),
            "channel": Field("I", client.channel),
            "user": Field("S", client.user),
        }

    def _tell(self, routing_key: str, message: Message, headers: Table) -> None:
        size = int(message.body_size)
        try:
            header = encode_properties(Properties(headers=headers), size)
        except MalformedProperties:
            # The client's own headers nest as deep as headers may, and would nest deeper here.
            headers["properties"] = Field("F", {})
            header = encode_properties(Properties(headers=headers), size)
        if not self._waiting:
            self._timers.after(0.0, self._publish)
        self._waiting.append(message.transient_copy(address_of(TRACE_EXCHANGE, routing_key), header))

    def _publish(self) -> None:
        waiting = self._waiting
        self._waiting = []
        exchange = self._exchanges.get(TRACE_EXCHANGE)
        if exchange is None:
            return
        for message in waiting:
            for queue in self._router.route(exchange, [message.routing_key()], message):
                try:
                    queue.publish(message)
                except ResourceError:
                    # The log has no room for it in this queue. Nobody is there to hear it.
                    continue


def _names(names: list[str]) -> Field:
    return Field("A", [Field("S", name) for name in names])


def _properties(header: bytes) -> Table:
    """The properties as a table, the last one first, and numbers as signed integers (RabbitMQ 3.10, observed)."""
    table: Table = {}
    for name, value in reversed(decode_properties(header).present().items()):
        if isinstance(value, dict):
            table[name] = Field("F", value)
        elif isinstance(value, int):
            table[name] = Field("I", value) if value < 1 << 31 else Field("l", value & (1 << 63) - 1)
        else:
            table[name] = Field("S", value)
    return table
