"""Modulus hash exchanges, of RabbitMQ's sharding plugin: the hash of the routing keys says which binding it is."""

from __future__ import annotations

from amqpd.broker.binding import Binding, Destination
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges.portable_hash import hash_of_texts
from amqpd.message import Message
from amqpd.wire.fields import Table, bytes_of

Place = tuple[bytes, bool, bytes]


class ModulusHash(Exchange):
    """All bindings in RabbitMQ's order; when their number changes, most keys lead elsewhere."""

    exchange_type = "x-modulus-hash"

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable, auto_delete, internal, arguments)
        self._order_is_old = False
        self._in_order: list[Destination] = []

    def route(self, routing_keys: list[str], message: Message) -> list[Destination]:
        """One destination, if there is any."""
        if self._order_is_old:
            self._in_order = [each.destination for each in sorted(self.bindings.values(), key=_place)]
            self._order_is_old = False
        if not self._in_order:
            return []
        return [self._in_order[hash_of_texts(routing_keys) % len(self._in_order)]]

    def index(self, binding: Binding) -> None:
        """The next message needs another order."""
        self._order_is_old = True

    def unindex(self, binding: Binding) -> None:
        """The same."""
        self._order_is_old = True


def _place(binding: Binding) -> Place:
    """By the binding's key, then exchanges before queues, then by name (RabbitMQ 3.10, read in its source)."""
    destination = binding.destination
    return bytes_of(binding.routing_key), destination.type == "queue", bytes_of(destination.name)
