"""Headers exchanges."""

from __future__ import annotations

from amqpd.broker.binding import Binding, BindingKey, Destination
from amqpd.broker.exchange import Exchange
from amqpd.errors import PreconditionFailed
from amqpd.message import Message
from amqpd.wire import terms
from amqpd.wire.fields import TYPE_NAMES, Field, Table, equivalent, likeness
from amqpd.wire.properties import decode_properties

NO_HEADERS: Table = {}
NO_BINDINGS: dict[BindingKey, Destination] = {}


class Requirement:
    """What one binding asks of a message's headers."""

    def __init__(self, arguments: Table) -> None:
        match = arguments.get("x-match")
        with_x, self.any = X_MATCH[str(match.value) if match is not None else "all"]
        self.wanted: Table = {
            name: wanted
            for name, wanted in arguments.items()
            if name != "x-match" and (with_x or not name.startswith("x-"))
        }

    def fits(self, headers: Table) -> bool:
        """Whether the headers have all, or any, of what is wanted."""
        if self.any:
            return any(_has(headers, name, wanted) for name, wanted in self.wanted.items())
        return all(_has(headers, name, wanted) for name, wanted in self.wanted.items())


IndexKey = tuple[str, str, object]
"""A header's name and its likeness; a void argument, which asks for presence alone, has the likeness of none."""

NOTHING_WANTED: IndexKey = ("", "", None)


class Headers(Exchange):
    """A binding matches when the message's headers have what its arguments ask for (3.1.3.4).

    Bindings are found by the headers they want, so that the work grows with the headers of the message
    and with what they match, not with all bindings there are.
    """

    exchange_type = "headers"
    routes_by_content = True

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable, auto_delete, internal, arguments)
        self._requirements: dict[BindingKey, tuple[Requirement, list[IndexKey]]] = {}
        self._by_header: dict[IndexKey, dict[BindingKey, Destination]] = {}

    def matches(self, routing_key: str, message: Message) -> list[Destination]:
        """Look up what each header could match, then check the whole requirement."""
        headers = decode_properties(message.header).headers or NO_HEADERS
        candidates = dict(self._by_header.get(NOTHING_WANTED, NO_BINDINGS))
        for name, value in headers.items():
            family, like = likeness(value)
            candidates.update(self._by_header.get((name, family, like), NO_BINDINGS))
            candidates.update(self._by_header.get((name, PRESENCE, None), NO_BINDINGS))
        return [
            destination for key, destination in candidates.items() if self._requirements[key][0].fits(headers)
        ]

    def index(self, binding: Binding) -> None:
        requirement = Requirement(binding.arguments)
        keys = [_index_key(name, wanted) for name, wanted in requirement.wanted.items()]
        if not requirement.any:
            # All must match, so one is enough to be found by: the one that finds the fewest others.
            keys = [min(keys, key=self._bindings_found_by)] if keys else [NOTHING_WANTED]
        self._requirements[binding.key] = requirement, keys
        for key in keys:
            self._by_header.setdefault(key, {})[binding.key] = binding.destination

    def unindex(self, binding: Binding) -> None:
        _requirement, keys = self._requirements.pop(binding.key)
        for key in keys:
            found = self._by_header[key]
            del found[binding.key]
            if not found:
                del self._by_header[key]

    def _bindings_found_by(self, key: IndexKey) -> int:
        return len(self._by_header.get(key, NO_BINDINGS))

    def check_binding(self, destination: Destination, routing_key: str, arguments: Table) -> None:
        """Raise PreconditionFailed (406) unless x-match is absent or one of the four words."""
        match = arguments.get("x-match")
        if match is None:
            return
        if match.type != "S":
            kind, value = TYPE_NAMES[match.type], terms.term(match)
            raise PreconditionFailed(f"Invalid x-match field type {kind} (value {value}); expected longstr")
        if match.value not in X_MATCH:
            word = terms.binary(str(match.value).encode(errors="surrogateescape"))
            raise PreconditionFailed(
                f"Invalid x-match field value {word}; expected all, any, all-with-x, or any-with-x"
            )


def _has(headers: Table, name: str, wanted: Field) -> bool:
    """A void argument asks for presence alone (RabbitMQ 3.10, observed)."""
    present = headers.get(name)
    return present is not None and (wanted.type == "V" or equivalent(wanted, present))


def _index_key(name: str, wanted: Field) -> IndexKey:
    if wanted.type == "V":
        return name, PRESENCE, None
    family, like = likeness(wanted)
    return name, family, like


PRESENCE = "presence"

X_MATCH: dict[str, tuple[bool, bool]] = {
    "all": (False, False),
    "any": (False, True),
    "all-with-x": (True, False),
    "any-with-x": (True, True),
}
"""Each word of x-match: whether arguments that start with x- count, and whether any of them is enough."""
