"""Fanout exchanges."""

from __future__ import annotations

from amqpd.broker.binding import Destination
from amqpd.broker.exchange import Exchange
from amqpd.message import Message


class Fanout(Exchange):
    """Every binding matches; the routing key is ignored (3.1.3.2)."""

    exchange_type = "fanout"

    def matches(self, routing_key: str, message: Message) -> list[Destination]:
        """All of them."""
        return [binding.destination for binding in self.bindings.values()]
