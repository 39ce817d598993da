"""A virtual host: its exchanges, queues and bindings, and how a message finds its queues."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from mypy_extensions import i64

from amqpd.broker.arguments import ALTERNATE_EXCHANGE, check_equivalent_argument
from amqpd.broker.binding import Binding, Destination, binding_key
from amqpd.broker.definitions import (
    Bound,
    Definition,
    ExchangeDeclared,
    ExchangeDeleted,
    QueueDeclared,
    QueueDeleted,
    Unbound,
    VhostAdded,
    encode,
)
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges import EXCHANGE_TYPES
from amqpd.broker.queues.classic import Owner, Queue, locked
from amqpd.errors import AccessRefused, NotFound, PreconditionFailed
from amqpd.message import Message
from amqpd.store.storage import Storage
from amqpd.wire.fields import Table

PREDECLARED: dict[str, tuple[str, bool]] = {
    "": ("direct", False),
    "amq.direct": ("direct", False),
    "amq.fanout": ("fanout", False),
    "amq.headers": ("headers", False),
    "amq.match": ("headers", False),
    "amq.rabbitmq.trace": ("topic", True),
    "amq.topic": ("topic", False),
}
"""The exchanges that every vhost has: type, and whether internal (3.1.3, RabbitMQ 3.10)."""

RESERVED_PREFIX = "amq."


@final
class VirtualHost:
    """Everything that one vhost's clients share. Whatever changes its definitions goes through `change`."""

    def __init__(self, name: str, storage: Storage) -> None:
        self.name = name
        self.exchanges: dict[str, Exchange] = {}
        self.queues: dict[str, Queue] = {}
        self.reply_queues: dict[str, Queue] = {}
        """Where direct replies go: reached through the default exchange, and by nothing else."""
        self.topology: i64 = 0
        """Grows with every change that can lead a message elsewhere; a remembered route is good for one value."""
        self._storage = storage
        self._apply: dict[type[Definition], Callable[[Definition], None]] = {
            ExchangeDeclared: self._exchange_declared,
            ExchangeDeleted: self._exchange_deleted,
            QueueDeclared: self._queue_declared,
            QueueDeleted: self._queue_deleted,
            Bound: self._bound,
            Unbound: self._unbound,
        }
        for exchange, (exchange_type, internal) in PREDECLARED.items():
            self.apply(ExchangeDeclared(exchange, exchange_type, True, False, internal, {}))

    def change(self, definition: Definition) -> None:
        """Apply a change and, if it has to last, record it. Raises ResourceError (506) if it can't be recorded."""
        self.check_log(definition.durable)
        self.follow(definition)

    def follow(self, definition: Definition) -> None:
        """The same for what follows of something that has happened, and happens whether it can be recorded or not."""
        journal = self._storage.journal
        if definition.durable and journal is not None:
            journal.define(encode(self.name, definition))
        self.apply(definition)

    def check_log(self, durable: bool) -> None:
        """Raise ResourceError (506) if nothing durable can be done, or answered for, any more."""
        if durable and self._storage.journal is not None:
            self._storage.journal.check()

    def apply(self, definition: Definition) -> None:
        """Apply a change, now or in a replay."""
        self.topology += 1
        self._apply[type(definition)](definition)

    def has(self, definition: Definition) -> bool:
        """Whether what a declaration makes is there."""
        if isinstance(definition, ExchangeDeclared):
            return definition.exchange in self.exchanges
        if isinstance(definition, QueueDeclared):
            return definition.queue in self.queues
        return False

    def records(self) -> list[bytes]:
        """The records that make the vhost and everything durable in it again, in this order."""
        exchanges = [
            each for each in self.exchanges.values() if each.durable and each.name not in PREDECLARED
        ]
        queues = [each for each in self.queues.values() if each.durable]
        records = [encode(self.name, VhostAdded())]
        records += [exchange.record or self._exchange_record(exchange) for exchange in exchanges]
        records += [queue.record or self._queue_record(queue) for queue in queues]
        for exchange in self.exchanges.values():
            if exchange.durable:
                for binding in exchange.bindings.values():
                    if binding.destination.durable:
                        records.append(binding.record or self._binding_record(binding))
        return records

    def _exchange_record(self, exchange: Exchange) -> bytes:
        declared = ExchangeDeclared(
            exchange.name,
            exchange.exchange_type,
            True,
            exchange.auto_delete,
            exchange.internal,
            exchange.arguments,
        )
        exchange.record = encode(self.name, declared)
        return exchange.record

    def _queue_record(self, queue: Queue) -> bytes:
        queue_id = int(queue.index.id)
        declared = QueueDeclared(queue.name, True, queue.auto_delete, None, queue.arguments, queue_id)
        queue.record = encode(self.name, declared)
        return queue.record

    def _binding_record(self, binding: Binding) -> bytes:
        destination = binding.destination
        bound = Bound(
            binding.source, destination.type, destination.name, binding.routing_key, binding.arguments, True
        )
        binding.record = encode(self.name, bound)
        return binding.record

    # Exchanges

    def exchange(self, name: str) -> Exchange:
        """The exchange of this name; raises NotFound (404)."""
        exchange = self.exchanges.get(name)
        if exchange is None:
            raise NotFound(f"no exchange '{name}' in vhost '{self.name}'")
        return exchange

    def declare_exchange(self, wanted: ExchangeDeclared) -> None:
        """Make the exchange, or check that the one there is equivalent (1.6.2.1).

        Raises PreconditionFailed (406) if it differs.
        """
        existing = self.exchanges.get(wanted.exchange)
        if existing is None:
            self.change(wanted)
            return
        self.check_log(existing.durable)
        title = existing.title()
        check_equivalent(title, "type", wanted.exchange_type, existing.exchange_type)
        check_equivalent(title, "durable", _flag(wanted.durable), _flag(existing.durable))
        check_equivalent(title, "auto_delete", _flag(wanted.auto_delete), _flag(existing.auto_delete))
        check_equivalent(title, "internal", _flag(wanted.internal), _flag(existing.internal))
        check_equivalent_argument(title, ALTERNATE_EXCHANGE, wanted.arguments, existing.arguments)

    def delete_exchange(self, name: str, if_unused: bool) -> None:
        """Delete an exchange; one that is not there is no error (RabbitMQ 3.10, observed).

        Raises PreconditionFailed (406) if it has bindings and should not, AccessRefused (403) for amq.*.
        """
        if name.startswith(RESERVED_PREFIX):
            raise AccessRefused(f"deletion of system exchange '{name}' in vhost '{self.name}' not allowed")
        exchange = self.exchanges.get(name)
        if exchange is None:
            self.check_log(True)
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"{exchange.title()} in use")
        self.change(ExchangeDeleted(name, exchange.durable))

    # Queues

    def queue(self, name: str) -> Queue:
        """The queue of this name; raises NotFound (404)."""
        queue = self.queues.get(name)
        if queue is None:
            raise NotFound(f"no queue '{name}' in vhost '{self.name}'")
        return queue

    def declare_queue(self, wanted: QueueDeclared, owner: Owner) -> Queue:
        """Make the queue, or check that the one there is equivalent (1.7.2.1).

        Raises ResourceLocked (405) if exclusiveness differs, PreconditionFailed (406) if anything else does.
        """
        existing = self.queues.get(wanted.queue)
        if existing is None:
            wanted.queue_id = self._storage.new_queue_id()
            self.change(wanted)
            return self.queues[wanted.queue]
        existing.check_owner(owner)
        self.check_log(existing.durable)
        if (existing.owner is None) != (wanted.owner is None):
            raise locked(existing)
        title = existing.title()
        check_equivalent(title, "durable", _flag(wanted.durable), _flag(existing.durable))
        check_equivalent(title, "auto_delete", _flag(wanted.auto_delete), _flag(existing.auto_delete))
        return existing

    def delete_queue(self, queue: Queue) -> int:
        """Delete a queue; how many messages were ready in it. Its consumers are still to be told."""
        count = queue.ready()
        self.change(QueueDeleted(queue.name, queue.durable))
        return count

    def end_queue(self, queue: Queue) -> None:
        """A queue ends with its owner or its last consumer."""
        self.follow(QueueDeleted(queue.name, queue.durable))

    def add_reply_queue(self, name: str) -> Queue:
        """Make the queue of one channel's direct replies."""
        queue_id = self._storage.new_queue_id()
        queue = Queue(name, self.name, False, False, None, {}, self._storage, queue_id)
        self.reply_queues[name] = queue
        self.topology += 1
        return queue

    def delete_reply_queue(self, queue: Queue) -> None:
        """The channel is not there for replies any more."""
        queue.drop()
        self.reply_queues.pop(queue.name, None)
        self.topology += 1

    # Bindings

    def destination(self, destination_type: str, name: str) -> Destination:
        """The queue or exchange of this name; raises NotFound (404)."""
        return self.queue(name) if destination_type == "queue" else self.exchange(name)

    def bind(self, source: str, destination: Destination, routing_key: str, arguments: Table) -> None:
        """Bind; a binding that is there already is no error. Raises what the exchange type refuses (406)."""
        exchange = self.exchange(source)
        exchange.check_binding(arguments)
        durable = exchange.durable and destination.durable
        if binding_key(destination.type, destination.name, routing_key, arguments) in exchange.bindings:
            self.check_log(durable)
            return
        self.change(Bound(source, destination.type, destination.name, routing_key, arguments, durable))

    def unbind(
        self, source: str, destination_type: str, destination: str, routing_key: str, arguments: Table
    ) -> None:
        """Remove a binding; whatever of it is missing is no error (RabbitMQ 3.10, observed)."""
        exchange = self.exchanges.get(source)
        key = binding_key(destination_type, destination, routing_key, arguments)
        binding = exchange.bindings.get(key) if exchange is not None else None
        if exchange is None or binding is None:
            self.check_log(True)
            return
        durable = exchange.durable and binding.destination.durable
        self.change(Unbound(source, destination_type, destination, routing_key, arguments, durable))

    # Routing

    def route(self, exchange: Exchange, routing_keys: list[str], message: Message) -> list[Queue]:
        """The queues that a message published to `exchange` goes to, each once.

        An exchange from which it would go nowhere hands it to its alternate exchange, if that exists.
        """
        queues: dict[Queue, None] = {}
        visited = {exchange.name}
        to_visit = [exchange]
        while to_visit:
            current = to_visit.pop()
            found: list[Destination] = []
            for routing_key in routing_keys:
                found += self._matches(current, routing_key, message)
            if not found and current.alternate_exchange in self.exchanges:
                found.append(self.exchanges[current.alternate_exchange])
            for destination in found:
                if isinstance(destination, Queue):
                    queues[destination] = None
                elif isinstance(destination, Exchange) and destination.name not in visited:
                    visited.add(destination.name)
                    to_visit.append(destination)
        return list(queues)

    def routes_by_content(self, exchange: Exchange) -> bool:
        """Whether headers can decide the way of a message published to `exchange`."""
        visited = {exchange.name}
        to_visit = [exchange]
        while to_visit:
            current = to_visit.pop()
            if current.routes_by_content:
                return True
            onward = list(current.onward.values())
            if current.alternate_exchange in self.exchanges:
                onward.append(self.exchanges[current.alternate_exchange])
            for destination in onward:
                if isinstance(destination, Exchange) and destination.name not in visited:
                    visited.add(destination.name)
                    to_visit.append(destination)
        return False

    def _matches(self, exchange: Exchange, routing_key: str, message: Message) -> list[Destination]:
        if exchange.name:
            return exchange.matches(routing_key, message)
        queue = self.queues.get(routing_key) or self.reply_queues.get(routing_key)
        return [queue] if queue is not None else []

    # What each change does

    def _exchange_declared(self, definition: Definition) -> None:
        assert isinstance(definition, ExchangeDeclared)
        self.exchanges[definition.exchange] = EXCHANGE_TYPES[definition.exchange_type](
            definition.exchange,
            self.name,
            definition.durable,
            definition.auto_delete,
            definition.internal,
            definition.arguments,
        )

    def _exchange_deleted(self, definition: Definition) -> None:
        assert isinstance(definition, ExchangeDeleted)
        exchange = self.exchanges.pop(definition.exchange)
        for key in list(exchange.bindings):
            exchange.remove(key)
        self._unbind_incoming(exchange)

    def _queue_declared(self, definition: Definition) -> None:
        assert isinstance(definition, QueueDeclared)
        queue = Queue(
            definition.queue,
            self.name,
            definition.durable,
            definition.auto_delete,
            definition.owner,
            definition.arguments,
            self._storage,
            definition.queue_id,
        )
        self.queues[definition.queue] = queue
        if definition.owner is not None:
            definition.owner.queues[queue] = None

    def _queue_deleted(self, definition: Definition) -> None:
        assert isinstance(definition, QueueDeleted)
        queue = self.queues.pop(definition.queue)
        if queue.owner is not None:
            del queue.owner.queues[queue]
        queue.drop()
        self._unbind_incoming(queue)

    def _bound(self, definition: Definition) -> None:
        assert isinstance(definition, Bound)
        destination = self.destination(definition.destination_type, definition.destination)
        exchange = self.exchanges[definition.source]
        exchange.add(Binding(definition.source, destination, definition.routing_key, definition.arguments))

    def _unbound(self, definition: Definition) -> None:
        assert isinstance(definition, Unbound)
        exchange = self.exchanges[definition.source]
        exchange.remove(
            binding_key(
                definition.destination_type,
                definition.destination,
                definition.routing_key,
                definition.arguments,
            )
        )
        self._delete_if_unused(exchange)

    def _unbind_incoming(self, destination: Destination) -> None:
        for source, key in list(destination.incoming):
            exchange = self.exchanges[source]
            exchange.remove(key)
            self._delete_if_unused(exchange)

    def _delete_if_unused(self, exchange: Exchange) -> None:
        """An auto-delete exchange goes with its last binding; if it went in a replay, the log says so."""
        journal = self._storage.journal
        if journal is not None and journal.is_replaying:
            return
        if exchange.auto_delete and not exchange.bindings and exchange.name in self.exchanges:
            self.follow(ExchangeDeleted(exchange.name, exchange.durable))


def check_not_reserved(kind: str, name: str) -> None:
    """Raise AccessRefused (403) for a name that clients may not give."""
    if name.startswith(RESERVED_PREFIX):
        raise AccessRefused(f"{kind} name '{name}' contains reserved prefix 'amq.*'")


def check_equivalent(title: str, argument: str, received: str, current: str) -> None:
    """Raise PreconditionFailed (406), in RabbitMQ's words, if a redeclaration differs."""
    if received != current:
        raise PreconditionFailed(
            f"inequivalent arg '{argument}' for {title}: received '{received}' but current is '{current}'"
        )


def _flag(value: bool) -> str:
    return "true" if value else "false"
