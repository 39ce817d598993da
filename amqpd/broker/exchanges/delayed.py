"""Delayed message exchanges: messages with a header x-delay are routed when it is over (RabbitMQ's plugin)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, final

from amqpd.broker import exchanges
from amqpd.broker.binding import Binding, Destination
from amqpd.broker.delayed_messages import DelayedMessages, delay_ms, destination_of
from amqpd.broker.exchange import Exchange, Passed
from amqpd.broker.random_numbers import RandomNumbers
from amqpd.errors import PreconditionFailed
from amqpd.message import Message
from amqpd.wire.fields import Table

if TYPE_CHECKING:
    from amqpd.broker.vhost_state import VhostState

DELAYED: Final = "x-delayed-message"
DELAYED_TYPE: Final = "x-delayed-type"


@final
class Delayed(Exchange):
    """Keeps messages that are to be delayed; an exchange of another type, with the same bindings, routes them.

    Unlike the plugin's, a delayed message counts as routed: it is not returned to a publisher that has asked
    for that (mandatory), nor does it go to the alternate exchange before it is due.
    """

    exchange_type = DELAYED
    routes_by_content = True

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable, auto_delete, internal, arguments)
        underlying = exchanges.EXCHANGE_TYPES[delayed_type(arguments)]
        self._underlying = underlying(name, vhost, durable, auto_delete, internal, arguments)
        self._underlying.bindings = self.bindings
        self._underlying.onward = self.onward
        self._vhost: VhostState | None = None
        self.delayed: DelayedMessages | None = None
        """What is not due yet."""

    def attach(self, random_numbers: RandomNumbers) -> None:
        """Take what the underlying type needs."""
        self._underlying.attach(random_numbers)

    def begin(self, vhost: VhostState, queue_id: int) -> None:
        """Begin to delay messages, which the log knows by an id; called once, before anything is routed."""
        self._vhost = vhost
        self.delayed = DelayedMessages(self, vhost, queue_id)

    def messages_delayed(self) -> int:
        """How many messages are not due yet."""
        return self.delayed.ready() if self.delayed is not None else 0

    def restore(self, ends: dict[int, int]) -> None:
        """Go on, after a start, with what the log has."""
        if self.delayed is not None:
            self.delayed.restore(ends)

    def end(self) -> None:
        """The exchange is gone: what is delayed goes with it."""
        if self.delayed is not None:
            self.delayed.drop()

    def queue_id(self) -> int:
        """What the log calls what is delayed."""
        return int(self.delayed.id) if self.delayed is not None else 0

    def route(self, routing_keys: list[str], message: Message) -> list[Destination]:
        """To what is delayed, or where the bindings lead."""
        delayed, vhost = self.delayed, self._vhost
        if delayed is not None and vhost is not None and delay_ms(message.header):
            return [destination_of(delayed, vhost, routing_keys, message)]
        return self._underlying.route(routing_keys, message)

    def history(self, destination: Destination) -> Sequence[Passed]:
        """What the underlying type has kept."""
        return self._underlying.history(destination)

    @classmethod
    def check_arguments(cls, title: str, arguments: Table) -> None:
        """Raise PreconditionFailed (406) unless x-delayed-type is another type, which can have these arguments."""
        wanted = delayed_type(arguments)
        if wanted == DELAYED:
            raise PreconditionFailed(f"Invalid argument, '{DELAYED}' can't be used for '{DELAYED_TYPE}'")
        if arguments.get(DELAYED_TYPE) is None or not _is_text(arguments):
            raise PreconditionFailed(f"Invalid argument, '{DELAYED_TYPE}' must be an existing exchange type")
        underlying = exchanges.EXCHANGE_TYPES.get(wanted)
        if underlying is None:
            problem = "unknown" if wanted else "invalid"
            raise PreconditionFailed(f"{problem} exchange type '{wanted}'")
        underlying.check_arguments(title, arguments)

    def check_binding(self, destination: Destination, routing_key: str, arguments: Table) -> None:
        """Raise what the underlying type does."""
        self._underlying.check_binding(destination, routing_key, arguments)

    def index(self, binding: Binding) -> None:
        """Let the underlying exchange find it."""
        self._underlying.index(binding)

    def unindex(self, binding: Binding) -> None:
        """The opposite."""
        self._underlying.unindex(binding)


def delayed_type(arguments: Table) -> str:
    """The type that routes; empty if the arguments say none."""
    field = arguments.get(DELAYED_TYPE)
    if field is None:
        return ""
    value = field.value
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else str(value)


def _is_text(arguments: Table) -> bool:
    return isinstance(arguments[DELAYED_TYPE].value, (str, bytes))
