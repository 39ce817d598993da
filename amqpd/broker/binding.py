"""Bindings, and what both ends of one have in common."""

from __future__ import annotations

from amqpd.wire.fields import Table, encode_table

BindingKey = tuple[str, str, str, bytes]
"""What makes two bindings of one source the same: destination type and name, routing key, arguments."""


class Destination:
    """What a binding can lead to: a queue or an exchange."""

    type = ""

    def __init__(self, name: str, vhost: str, durable: bool) -> None:
        self.name = name
        self.vhost = vhost
        self.durable = durable
        self.incoming: dict[tuple[str, BindingKey], Binding] = {}
        """Bindings that lead here, by source exchange and key."""
        self.record = b""
        """Its declaration as the log has it, once somebody has asked for it."""

    def title(self) -> str:
        """How RabbitMQ's texts call it: `queue 'n' in vhost '/'`."""
        return f"{self.type} '{self.name}' in vhost '{self.vhost}'"


class Binding:
    """A rule that leads messages from an exchange to a destination (1.1.1)."""

    def __init__(self, source: str, destination: Destination, routing_key: str, arguments: Table) -> None:
        self.source = source
        self.destination = destination
        self.routing_key = routing_key
        self.arguments = arguments
        self.key = binding_key(destination.type, destination.name, routing_key, arguments)
        self.record = b""
        """The same as the log has it, once somebody has asked for it."""


def binding_key(destination_type: str, destination: str, routing_key: str, arguments: Table) -> BindingKey:
    """The identity of a binding within its source exchange; the order of arguments does not matter."""
    return destination_type, destination, routing_key, encode_table(dict(sorted(arguments.items())))
