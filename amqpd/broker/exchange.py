"""An exchange: where messages are published, and the bindings that say where they go (3.1.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import final

from mypy_extensions import i64

from amqpd.broker.arguments import ALTERNATE_EXCHANGE, resource_argument
from amqpd.broker.binding import Binding, BindingKey, Destination
from amqpd.broker.random_numbers import RandomNumbers
from amqpd.message import Message
from amqpd.wire.fields import Table


@final
class Passed:
    """A message that an exchange remembers, with the routing keys it came with: its own, then those of CC and BCC."""

    def __init__(self, routing_keys: list[str], message: Message) -> None:
        self.routing_keys = routing_keys
        self.message = message


class Exchange(Destination):
    """What every exchange type shares; a type says how bindings are found (`matches`) and indexed.

    A type that leaves the choice to another one makes an exchange of that type with its own name, lets it
    have the same `bindings`, and passes on what it is asked: `route`, `index`, `unindex` and the checks.
    """

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
        self.published: i64 = 0
        """How many messages clients have published to it; `routed` is how many queues they went to, all together.

        Channels count first, and tell it when they are asked to (`collect_counts`); so it is with queues.
        """
        self.routed: i64 = 0
        self.bindings: dict[BindingKey, Binding] = {}
        self.onward: dict[BindingKey, Destination] = {}
        """The destinations that are exchanges themselves."""

    def attach(self, random_numbers: RandomNumbers) -> None:
        """Take what the type needs of its virtual host; called once, before anything else."""

    def apply_policy(self, policy: Mapping[str, object] | None) -> None:
        """Take what a policy says of the alternate exchange, unless an argument has said it (RabbitMQ 3.10).

        What leads elsewhere now makes remembered routes invalid: that is for the caller to see to.
        """
        argument = resource_argument(self.title(), self.arguments, ALTERNATE_EXCHANGE)
        wanted = policy.get(ALTERNATE_EXCHANGE) if policy is not None else None
        self.alternate_exchange = argument if argument is not None or not isinstance(wanted, str) else wanted

    def route(self, routing_keys: list[str], message: Message) -> list[Destination]:
        """Where a message goes from here, asked once for a message; the first of its routing keys is its own.

        A destination may stand there more than once.
        """
        if len(routing_keys) == 1:
            return self.matches(routing_keys[0], message)
        found: list[Destination] = []
        for routing_key in routing_keys:
            found += self.matches(routing_key, message)
        return found

    def matches(self, routing_key: str, message: Message) -> list[Destination]:
        """Where one routing key of a message leads; for types in which each of them counts alone."""
        raise NotImplementedError

    def history(self, destination: Destination) -> Sequence[Passed]:
        """What a destination that is bound now has missed and gets, in the order in which it gets it."""
        return NOTHING_PASSED

    @classmethod
    def check_arguments(cls, title: str, arguments: Table) -> None:
        """Raise PreconditionFailed (406) if a new exchange of this type can't have these arguments.

        `title` is how texts call it. Never asked in a replay: what was accepted once stays so.
        """
        resource_argument(title, arguments, ALTERNATE_EXCHANGE)

    def check_binding(self, destination: Destination, routing_key: str, arguments: Table) -> None:
        """Raise PreconditionFailed (406) if this type can't bind `destination` so."""

    def add(self, binding: Binding) -> None:
        """Let `binding` lead from here; adding it again changes nothing (3.1.4)."""
        if binding.key not in self.bindings:
            self.bindings[binding.key] = binding
            binding.destination.incoming[(self.name, binding.key)] = binding
            if binding.destination.type == "exchange":
                self.onward[binding.key] = binding.destination
            self.index(binding)

    def remove(self, key: BindingKey) -> bool:
        """Forget the binding; False if there was none."""
        binding = self.bindings.pop(key, None)
        if binding is None:
            return False
        del binding.destination.incoming[(self.name, key)]
        self.onward.pop(key, None)
        self.unindex(binding)
        return True

    def index(self, binding: Binding) -> None:
        """Make the new binding findable."""

    def unindex(self, binding: Binding) -> None:
        """Undo `index`."""


NOTHING_PASSED: Sequence[Passed] = ()
