"""An exchange: where messages are published, and the bindings that say where they go (3.1.3)."""

from __future__ import annotations

from amqpd.broker.arguments import ALTERNATE_EXCHANGE, resource_argument
from amqpd.broker.binding import Binding, BindingKey, Destination
from amqpd.message import Message
from amqpd.wire.fields import Table


class Exchange(Destination):
    """What every exchange type shares; a type says how bindings are found (`matches`) and indexed."""

    type = "exchange"
    exchange_type = ""
    routes_by_content = False
    """True if the routing key alone does not decide, so that a route can't be remembered."""

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable)
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments
        self.alternate_exchange = resource_argument(self.title(), arguments, ALTERNATE_EXCHANGE)
        """Where messages go that match no binding here, or None; it need not exist."""
        self.bindings: dict[BindingKey, Binding] = {}
        self.onward: dict[BindingKey, Destination] = {}
        """The destinations that are exchanges themselves."""

    def matches(self, routing_key: str, message: Message) -> list[Destination]:
        """Where a message goes from here; a destination may stand there more than once."""
        raise NotImplementedError

    def check_binding(self, arguments: Table) -> None:
        """Raise PreconditionFailed (406) if this type can't bind with these arguments."""

    def add(self, binding: Binding) -> None:
        """Let `binding` lead from here; adding it again changes nothing (3.1.4)."""
        if binding.key not in self.bindings:
            self.bindings[binding.key] = binding
            binding.destination.incoming[(self.name, binding.key)] = binding
            if binding.destination.type == "exchange":
                self.onward[binding.key] = binding.destination
            self._index(binding)

    def remove(self, key: BindingKey) -> bool:
        """Forget the binding; False if there was none."""
        binding = self.bindings.pop(key, None)
        if binding is None:
            return False
        del binding.destination.incoming[(self.name, key)]
        self.onward.pop(key, None)
        self._unindex(binding)
        return True

    def _index(self, binding: Binding) -> None:
        """Make the new binding findable."""

    def _unindex(self, binding: Binding) -> None:
        """Undo `_index`."""
