"""Direct exchanges."""

from __future__ import annotations

from amqpd.broker.binding import Binding, BindingKey, Destination
from amqpd.broker.exchange import Exchange
from amqpd.message import Message
from amqpd.wire.fields import Table


class Direct(Exchange):
    """A binding matches when its routing key equals the message's (3.1.3.1)."""

    exchange_type = "direct"

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable, auto_delete, internal, arguments)
        self._by_routing_key: dict[str, dict[BindingKey, Destination]] = {}

    def matches(self, routing_key: str, message: Message) -> list[Destination]:
        """Look the routing key up."""
        found = self._by_routing_key.get(routing_key)
        return list(found.values()) if found is not None else []

    def index(self, binding: Binding) -> None:
        self._by_routing_key.setdefault(binding.routing_key, {})[binding.key] = binding.destination

    def unindex(self, binding: Binding) -> None:
        same_key = self._by_routing_key[binding.routing_key]
        del same_key[binding.key]
        if not same_key:
            del self._by_routing_key[binding.routing_key]
