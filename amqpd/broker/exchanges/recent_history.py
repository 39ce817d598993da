"""Recent history exchanges: whoever is bound gets the last messages that passed before."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from amqpd.broker.binding import Destination
from amqpd.broker.exchange import Exchange, Passed
from amqpd.errors import PreconditionFailed
from amqpd.message import Message
from amqpd.wire import terms
from amqpd.wire.fields import Table, bytes_of
from amqpd.wire.properties import decode_properties

LENGTH: Final = "x-recent-history-length"
NO_STORE: Final = "x-recent-history-no-store"
DEFAULT_LENGTH: Final = 20
LENGTH_TYPES: Final = frozenset("bsIlL")
"""The plugin takes no unsigned integer."""

INVALID_LENGTH: Final = "Invalid argument "


class RecentHistory(Exchange):
    """Every binding matches; a few messages are kept, in memory alone: they don't outlive the broker."""

    exchange_type = "x-recent-history"
    routes_by_content = True

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable, auto_delete, internal, arguments)
        length = arguments.get(LENGTH)
        wanted = length.value if length is not None else DEFAULT_LENGTH
        self._length = wanted if isinstance(wanted, int) else DEFAULT_LENGTH
        self._passed: deque[Passed] = deque()

    @classmethod
    def check_arguments(cls, title: str, arguments: Table) -> None:
        """Raise PreconditionFailed (406) unless the length is absent or a positive integer."""
        Exchange.check_arguments(title, arguments)
        length = arguments.get(LENGTH)
        if length is None:
            return
        value = length.value
        if length.type not in LENGTH_TYPES or not isinstance(value, int) or value < 1:
            if isinstance(value, str):
                shown = terms.binary(bytes_of(value), len(INVALID_LENGTH))
            else:
                shown = terms.term(length)
            raise PreconditionFailed(f"{INVALID_LENGTH}{shown}, '{LENGTH}' must be a positive integer")

    def route(self, routing_keys: list[str], message: Message) -> list[Destination]:
        """Everywhere; and keep the message, unless it asks not to be kept."""
        if not _refuses_to_be_kept(message):
            self._passed.append(Passed(routing_keys, message))
            if len(self._passed) > self._length:
                self._passed.popleft()
        return [binding.destination for binding in self.bindings.values()]

    def history(self, destination: Destination) -> Sequence[Passed]:
        """All that is kept: the oldest first for a queue, the newest first for an exchange (RabbitMQ 3.10, observed)."""
        kept = list(self._passed)
        if destination.type == "exchange":
            kept.reverse()
        return kept


def _refuses_to_be_kept(message: Message) -> bool:
    if NO_STORE.encode() not in message.header:
        return False
    headers = decode_properties(message.header).headers
    asked = headers.get(NO_STORE) if headers is not None else None
    return asked is not None and asked.value is True
