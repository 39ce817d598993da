"""Consistent hash exchanges: a key always leads to the same queue, and few keys move when queues come or go."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from amqpd.broker.binding import Binding, Destination
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges.jump_hash import jump_hash
from amqpd.broker.exchanges.portable_hash import hash_of_field, hash_of_text
from amqpd.errors import InternalError, PreconditionFailed
from amqpd.message import Message
from amqpd.wire import terms
from amqpd.wire.fields import Table, bytes_of
from amqpd.wire.properties import decode_properties

HASH_HEADER: Final = "hash-header"
HASH_PROPERTY: Final = "hash-property"
HASH_PROPERTIES: Final = frozenset(("correlation_id", "message_id", "timestamp"))

NOT_AN_INTEGER: Final = "The binding key must be an integer: "
INTEGER: Final = re.compile("[+-]?[0-9]+")


class ConsistentHash(Exchange):
    """A binding's key is its weight: how many of the buckets are its own; a hash says which bucket it is.

    What is hashed is the message's routing key, or the header or property that an argument names. Buckets
    and hash are RabbitMQ's, so that a key leads to the same queue here and there.
    """

    exchange_type = "x-consistent-hash"

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable, auto_delete, internal, arguments)
        self._header = _text(arguments, HASH_HEADER)
        self._property = _text(arguments, HASH_PROPERTY)
        self.routes_by_content = self._header is not None or self._property is not None
        self._ring_is_old = False
        self._first_buckets: list[int] = []
        self._owners: list[Destination] = []
        self._bucket_count = 0

    @classmethod
    def check_arguments(cls, title: str, arguments: Table) -> None:
        """Raise PreconditionFailed (406) unless at most one thing is to be hashed, and can be.

        A name that is no text is more than RabbitMQ can bear: InternalError (541).
        """
        Exchange.check_arguments(title, arguments)
        header, wanted = arguments.get(HASH_HEADER), arguments.get(HASH_PROPERTY)
        for field in (header, wanted):
            if field is not None and field.type != "S":
                raise InternalError()
        if header is not None and wanted is not None:
            raise PreconditionFailed("hash-header and hash-property are mutually exclusive")
        if wanted is not None and wanted.value not in HASH_PROPERTIES:
            raise PreconditionFailed(f"Unsupported property: {wanted.value}")

    def check_binding(self, destination: Destination, routing_key: str, arguments: Table) -> None:
        """Raise PreconditionFailed (406) unless the routing key is a weight."""
        if INTEGER.fullmatch(routing_key) is None:
            key = terms.binary(bytes_of(routing_key), len(NOT_AN_INTEGER))
            raise PreconditionFailed(NOT_AN_INTEGER + key)
        if int(routing_key) < 1:
            raise PreconditionFailed("The binding key must be greater than 0")

    def route(self, routing_keys: list[str], message: Message) -> list[Destination]:
        """One destination, if there is any; other routing keys than the message's own have no say."""
        if self._ring_is_old:
            self._make_ring()
        if not self._owners:
            return []
        bucket = jump_hash(self._hash(routing_keys[0], message), self._bucket_count)
        return [self._owners[bisect_right(self._first_buckets, bucket) - 1]]

    def _hash(self, routing_key: str, message: Message) -> int:
        """What is absent has a hash, too: all messages without it stay together."""
        if not self.routes_by_content:
            return hash_of_text(routing_key)
        properties = decode_properties(message.header)
        if self._header is not None:
            headers = properties.headers
            return hash_of_field(headers.get(self._header) if headers is not None else None)
        value: object = None
        if self._property == "correlation_id":
            value = properties.correlation_id
        elif self._property == "message_id":
            value = properties.message_id
        elif self._property == "timestamp":
            value = properties.timestamp
        return hash_of_field(None) if value is None else hash_of_text(str(value))

    def index(self, binding: Binding) -> None:
        """The next message needs another ring."""
        self._ring_is_old = True

    def unindex(self, binding: Binding) -> None:
        """The same."""
        self._ring_is_old = True

    def _make_ring(self) -> None:
        """Give out the buckets in the order of binding; of several bindings to one destination the first counts."""
        first_buckets: dict[Destination, int] = {}
        bucket_count = 0
        for binding in self.bindings.values():
            if binding.destination not in first_buckets:
                first_buckets[binding.destination] = bucket_count
                bucket_count += int(binding.routing_key)
        self._first_buckets = list(first_buckets.values())
        self._owners = list(first_buckets)
        self._bucket_count = bucket_count
        self._ring_is_old = False


def _text(arguments: Table, name: str) -> str | None:
    field = arguments.get(name)
    return str(field.value) if field is not None else None
