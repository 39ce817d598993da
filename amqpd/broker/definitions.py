"""Changes of a virtual host's definitions, as values: what is applied now, and what a log can replay."""

from __future__ import annotations

from amqpd.broker.queues.classic import Owner
from amqpd.wire.fields import Table


class Definition:
    """One change of a virtual host; `durable` says whether it has to survive a restart."""

    durable: bool = False


class ExchangeDeclared(Definition):
    """An exchange comes to be (3.1.3)."""

    def __init__(
        self,
        exchange: str,
        exchange_type: str,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
    ) -> None:
        self.exchange = exchange
        self.exchange_type = exchange_type
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments


class ExchangeDeleted(Definition):
    """An exchange goes, and every binding from and to it."""

    def __init__(self, exchange: str, durable: bool) -> None:
        self.exchange = exchange
        self.durable = durable


class QueueDeclared(Definition):
    """A queue comes to be; `owner` is whom an exclusive one belongs to, or None."""

    def __init__(
        self, queue: str, durable: bool, auto_delete: bool, owner: Owner | None, arguments: Table
    ) -> None:
        self.queue = queue
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        self.arguments = arguments


class QueueDeleted(Definition):
    """A queue goes, with its messages and every binding to it."""

    def __init__(self, queue: str, durable: bool) -> None:
        self.queue = queue
        self.durable = durable


class Bound(Definition):
    """A binding from `source` to `destination`, which is a "queue" or an "exchange"."""

    def __init__(
        self,
        source: str,
        destination_type: str,
        destination: str,
        routing_key: str,
        arguments: Table,
        durable: bool,
    ) -> None:
        self.source = source
        self.destination_type = destination_type
        self.destination = destination
        self.routing_key = routing_key
        self.arguments = arguments
        self.durable = durable


class Unbound(Bound):
    """The same binding is removed."""
