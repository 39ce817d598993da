"""A virtual host: its exchanges, queues and bindings, and how a message finds its queues."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import final

from mypy_extensions import i64

from amqpd.broker.arguments import (
    ALTERNATE_EXCHANGE,
    check_equivalent_argument,
    check_equivalent_arguments,
    check_new_queue,
)
from amqpd.broker.binding import Binding, Destination, binding_key
from amqpd.broker.dead_letter import died, has_cycled, routing_keys
from amqpd.broker.definitions import (
    Bound,
    Definition,
    ExchangeDeclared,
    ExchangeDeleted,
    QueueDeclared,
    QueueDeleted,
    QueueTtlChanged,
    Unbound,
    VhostAdded,
    encode,
)
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges import EXCHANGE_TYPES
from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.queue import REFUSED, Owner, Queue, QueueHost, locked
from amqpd.broker.queues.rules import queue_rules, queue_type_of
from amqpd.broker.queues.types import QUEUE_TYPES
from amqpd.broker.random_numbers import RandomNumbers
from amqpd.clock import Timers
from amqpd.errors import AccessRefused, InternalError, NotFound, PreconditionFailed
from amqpd.events import Events
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
class DeadLetter:
    """A message on its way to a dead letter exchange, and what it died of."""

    def __init__(self, exchange: Exchange, message: Message, reason: str) -> None:
        self.exchange = exchange
        self.message = message
        self.reason = reason


@final
class VirtualHost(QueueHost):
    """Everything that one vhost's clients share. Whatever changes its definitions goes through `change`.

    `random_bytes(n)` gives n bytes for whatever is left to chance; without it nothing is, as they are all 0.
    """

    def __init__(
        self,
        name: str,
        storage: Storage,
        timers: Timers,
        events: Events,
        random_bytes: Callable[[int], bytes] = bytes,
    ) -> None:
        super().__init__(storage, timers)
        self.name = name
        self.exchanges: dict[str, Exchange] = {}
        self.queues: dict[str, Queue] = {}
        self.reply_queues: dict[str, Queue] = {}
        """Where direct replies go: reached through the default exchange, and by nothing else."""
        self.default_queue_type = ""
        """What queues are that are declared without x-queue-type, if they can be that; "" is classic."""
        self.topology: i64 = 0
        """Grows with every change that can lead a message elsewhere; a remembered route is good for one value."""
        self._storage = storage
        self._events = events
        self._dead: deque[DeadLetter] = deque()
        self._burying = False
        self._random_numbers = RandomNumbers(random_bytes)
        self._apply: dict[type[Definition], Callable[[Definition], None]] = {
            ExchangeDeclared: self._exchange_declared,
            ExchangeDeleted: self._exchange_deleted,
            QueueDeclared: self._queue_declared,
            QueueDeleted: self._queue_deleted,
            QueueTtlChanged: self._queue_ttl_changed,
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
        records += [record for queue in queues for record in self._ttl_records(queue)]
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
        queue_id = int(queue.id)
        declared = QueueDeclared(queue.name, True, queue.auto_delete, None, queue.arguments, queue_id)
        queue.record = encode(self.name, declared)
        return queue.record

    def _ttl_records(self, queue: Queue) -> list[bytes]:
        if not isinstance(queue, ClassicQueue):
            return []
        return [
            encode(self.name, QueueTtlChanged(queue.name, until_ms, ttl_ms, True))
            for until_ms, ttl_ms in queue.expiry.changes
        ]

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

        Raises PreconditionFailed (406) if it differs, and what its type says of the arguments (406, 541).
        """
        existing = self.exchanges.get(wanted.exchange)
        if existing is None:
            title = f"exchange '{wanted.exchange}' in vhost '{self.name}'"
            EXCHANGE_TYPES[wanted.exchange_type].check_arguments(title, wanted.arguments)
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

        Raises ResourceLocked (405) if exclusiveness differs, PreconditionFailed (406) if anything else does, or if
        there can be no such queue.
        """
        existing = self.queues.get(wanted.queue)
        if existing is None:
            title = f"queue '{wanted.queue}' in vhost '{self.name}'"
            is_exclusive = wanted.owner is not None
            check_new_queue(title, wanted.durable, wanted.auto_delete, is_exclusive, wanted.arguments)
            wanted.queue_id = self._storage.new_queue_id(index_count(wanted.arguments))
            self.change(wanted)
            return self.queues[wanted.queue]
        existing.check_owner(owner)
        self.check_log(existing.durable)
        if (existing.owner is None) != (wanted.owner is None):
            raise locked(existing)
        title = existing.title()
        check_equivalent(title, "durable", _flag(wanted.durable), _flag(existing.durable))
        check_equivalent(title, "auto_delete", _flag(wanted.auto_delete), _flag(existing.auto_delete))
        check_equivalent_arguments(title, wanted.arguments, existing.arguments)
        return existing

    def delete_queue(self, queue: Queue) -> int:
        """Delete a queue; how many messages were ready in it. Its consumers are still to be told."""
        count = queue.ready()
        self.change(QueueDeleted(queue.name, queue.durable))
        return count

    def end_queue(self, queue: Queue) -> None:
        """A queue ends with its owner or its last consumer."""
        self.follow(QueueDeleted(queue.name, queue.durable))

    def keep_ttl(self, queue: Queue, until_ms: i64, ttl_ms: i64) -> None:
        """What has arrived in a queue until then keeps the time to live that was in force."""
        self.follow(QueueTtlChanged(queue.name, int(until_ms), int(ttl_ms), queue.logged))

    def add_reply_queue(self, name: str) -> Queue:
        """Make the queue of one channel's direct replies."""
        queue_id = self._storage.new_queue_id()
        queue = ClassicQueue(name, self.name, False, False, None, {}, self, queue_id)
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
        """Bind; a binding that is there already is no error. Raises what the exchange type refuses (406, 541)."""
        exchange = self.exchange(source)
        exchange.check_binding(destination, routing_key, arguments)
        durable = exchange.durable and destination.durable
        if binding_key(destination.type, destination.name, routing_key, arguments) in exchange.bindings:
            self.check_log(durable)
            return
        self.check_log(durable)
        self._hand_history(exchange, destination)
        self.follow(Bound(source, destination.type, destination.name, routing_key, arguments, durable))

    def _hand_history(self, exchange: Exchange, destination: Destination) -> None:
        """Let a new destination have what the exchange remembers, before anything else comes from there.

        Raises InternalError (541), and nothing is bound, for an exchange from which it goes nowhere (RabbitMQ
        3.10, observed). Each message is a new one: what the log had of it may be gone.
        """
        for passed in exchange.history(destination):
            message = passed.message.with_header(passed.message.header)
            queues = [destination] if isinstance(destination, Queue) else []
            if isinstance(destination, Exchange):
                queues = self.route(destination, passed.routing_keys, message)
            if not queues:
                raise InternalError()
            for queue in queues:
                queue.publish(message)

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
            found = current.route(routing_keys, message) if current.name else self._named(routing_keys)
            if not found and current.alternate_exchange in self.exchanges:
                found.append(self.exchanges[current.alternate_exchange])
            for destination in found:
                if isinstance(destination, Queue):
                    queues[destination] = None
                elif isinstance(destination, Exchange) and destination.name not in visited:
                    visited.add(destination.name)
                    to_visit.append(destination)
        return list(queues)

    def dead_letter(self, queue: Queue, message: Message, reason: str) -> bool:
        """Publish what died in a queue to the queue's dead letter exchange; False if no queue took it.

        What dies on the way, as a queue there is full, has its turn afterwards, however many do.
        """
        exchange = self.exchanges.get(queue.rules.dead_letter_exchange or "")
        if exchange is None:
            return False
        rules = queue.rules
        time_s = int(self.timers.clock.unix_s())
        dead = died(message, queue.name, reason, time_s, exchange.name, rules.dead_letter_routing_key)
        letter = DeadLetter(exchange, dead, reason)
        if self._burying:
            self._dead.append(letter)
            return True
        self._burying = True
        try:
            taken = self._publish_dead(letter)
            while self._dead:
                self._publish_dead(self._dead.popleft())
        finally:
            self._burying = False
        return taken

    def _publish_dead(self, letter: DeadLetter) -> bool:
        message = letter.message
        taken = False
        for queue in self.route(letter.exchange, routing_keys(message), message):
            if has_cycled(message, queue.name, letter.reason):
                self._events.tell(
                    "warning", "dead letter dropped: it went in a circle", {"queue": queue.name}
                )
            elif not queue.publish(message) & REFUSED:
                taken = True
        return taken

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

    def _named(self, routing_keys: list[str]) -> list[Destination]:
        """Where the default exchange leads."""
        found: list[Destination] = []
        for routing_key in routing_keys:
            queue = self.queues.get(routing_key) or self.reply_queues.get(routing_key)
            if queue is not None:
                found.append(queue)
        return found

    # What each change does

    def _exchange_declared(self, definition: Definition) -> None:
        assert isinstance(definition, ExchangeDeclared)
        exchange = EXCHANGE_TYPES[definition.exchange_type](
            definition.exchange,
            self.name,
            definition.durable,
            definition.auto_delete,
            definition.internal,
            definition.arguments,
        )
        exchange.attach(self._random_numbers)
        self.exchanges[definition.exchange] = exchange

    def _exchange_deleted(self, definition: Definition) -> None:
        assert isinstance(definition, ExchangeDeleted)
        exchange = self.exchanges.pop(definition.exchange)
        for key in list(exchange.bindings):
            exchange.remove(key)
        self._unbind_incoming(exchange)

    def _queue_declared(self, definition: Definition) -> None:
        assert isinstance(definition, QueueDeclared)
        queue = QUEUE_TYPES[queue_type_of(definition.arguments)](
            definition.queue,
            self.name,
            definition.durable,
            definition.auto_delete,
            definition.owner,
            definition.arguments,
            self,
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

    def _queue_ttl_changed(self, definition: Definition) -> None:
        assert isinstance(definition, QueueTtlChanged)
        queue = self.queues.get(definition.queue)
        if isinstance(queue, ClassicQueue):
            queue.expiry.changes.append((definition.until_ms, definition.ttl_ms))

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


def index_count(arguments: Table) -> int:
    """How many ids of the log a queue with these arguments needs: one for each priority."""
    return max(0, int(queue_rules(arguments, None).max_priority)) + 1


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
