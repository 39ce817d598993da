"""Headers exchanges."""

from __future__ import annotations

from collections.abc import Callable

from amqpd.broker.binding import Destination
from amqpd.broker.exchange import Exchange
from amqpd.errors import PreconditionFailed
from amqpd.message import Message
from amqpd.wire import terms
from amqpd.wire.fields import TYPE_NAMES, Field, Table, equivalent, plain
from amqpd.wire.properties import decode_properties

NO_HEADERS: Table = {}


class Headers(Exchange):
    """A binding matches when the message's headers have what its arguments ask for (3.1.3.4)."""

    exchange_type = "headers"
    routes_by_content = True

    def matches(self, routing_key: str, message: Message) -> list[Destination]:
        """Compare with every binding, as RabbitMQ does: nothing else can decide it."""
        headers = decode_properties(message.header).headers or NO_HEADERS
        return [
            binding.destination for binding in self.bindings.values() if _fits(binding.arguments, headers)
        ]

    def check_binding(self, arguments: Table) -> None:
        """Raise PreconditionFailed (406) unless x-match is absent or one of the four words."""
        match = arguments.get("x-match")
        if match is None:
            return
        if match.type != "S":
            kind, value = TYPE_NAMES[match.type], plain(match)
            raise PreconditionFailed(f"Invalid x-match field type {kind} (value {value}); expected longstr")
        if match.value not in X_MATCH:
            word = terms.binary(str(match.value).encode(errors="surrogateescape"))
            raise PreconditionFailed(
                f"Invalid x-match field value {word}; expected all, any, all-with-x, or any-with-x"
            )


def _fits(arguments: Table, headers: Table) -> bool:
    match = arguments.get("x-match")
    with_x, combine = X_MATCH[str(match.value) if match is not None else "all"]
    wanted = [name for name in arguments if name != "x-match" and (with_x or not name.startswith("x-"))]
    return combine(_has(headers, name, arguments[name]) for name in wanted)


def _has(headers: Table, name: str, wanted: Field) -> bool:
    """A void argument asks for presence alone (RabbitMQ 3.10, observed)."""
    present = headers.get(name)
    return present is not None and (wanted.type == "V" or equivalent(wanted, present))


X_MATCH: dict[str, tuple[bool, Callable[..., bool]]] = {
    "all": (False, all),
    "any": (False, any),
    "all-with-x": (True, all),
    "any-with-x": (True, any),
}
"""Each word of x-match: whether arguments that start with x- count, and how matches combine."""
