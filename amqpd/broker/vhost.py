"""A virtual host: its exchanges, queues and bindings, and how a message finds its queues."""

from __future__ import annotations

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
from amqpd.broker.burial import Burial
from amqpd.broker.definitions import (
    Bound,
    Definition,
    ExchangeDeclared,
    ExchangeDeleted,
    OperatorPolicyDeleted,
    OperatorPolicySet,
    ParameterDeleted,
    ParameterSet,
    PolicyDeleted,
    PolicySet,
    QueueDeclared,
    QueueDeleted,
    QueueTtlChanged,
    Unbound,
    VhostDescribed,
    VhostLimitsSet,
    encode,
)
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges import EXCHANGE_TYPES
from amqpd.broker.exchanges.delayed import DELAYED, Delayed
from amqpd.broker.firehose import Firehose
from amqpd.broker.followed_policies import FollowedPolicies
from amqpd.broker.limits import MAX_CONNECTIONS, MAX_QUEUES, UNLIMITED, Node, checked_vhost_limits, is_reached
from amqpd.broker.policy import ALL, Effective, Policy, checked_policy
from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.queue import Owner, Queue, QueueHost, locked
from amqpd.broker.queues.rules import QUORUM, queue_rules, queue_type_of
from amqpd.broker.queues.types import QUEUE_TYPES
from amqpd.broker.random_numbers import RandomNumbers
from amqpd.broker.router import Router
from amqpd.broker.vhost_records import records_of
from amqpd.clock import Timers
from amqpd.errors import AccessRefused, InternalError, NotFound, PreconditionFailed
from amqpd.events import Events
from amqpd.message import Message
from amqpd.metrics.message_counts import MessageCounts
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
        node: Node | None = None,
    ) -> None:
        super().__init__(name, storage, timers)
        self.description = ""
        self.tags: list[str] = []
        self.exchanges: dict[str, Exchange] = {}
        self.queues: dict[str, Queue] = {}
        self.reply_queues: dict[str, Queue] = {}
        """Where direct replies go: reached through the default exchange, and by nothing else."""
        self.default_queue_type = ""
        """What queues are that are declared without x-queue-type, if they can be that; "" is classic."""
        self.limits: dict[str, int] = {}
        """By their names, "max-connections" and "max-queues"; a negative one is none."""
        self.parameters: dict[tuple[str, str], object] = {}
        """Runtime parameters that are only kept, by component and name: values as JSON gives them."""
        self.topology: i64 = 0
        """Grows with every change that can lead a message elsewhere; a remembered route is good for one value."""
        self.counts = MessageCounts()
        """What channels have done here that are gone."""
        self._followed = FollowedPolicies(self.exchanges, self.queues)
        self._node = node or Node()
        self._storage = storage
        self._router = Router(self.exchanges, self.queues, self.reply_queues)
        self.firehose: Firehose | None = None
        """Who is told of everything published and delivered here, if anybody is; see `trace`."""
        self._burial = Burial(self.exchanges, self._router, timers.clock, events)
        self._random_numbers = RandomNumbers(random_bytes)
        self._apply: dict[type[Definition], Callable[[Definition], None]] = {
            ExchangeDeclared: self._exchange_declared,
            ExchangeDeleted: self._exchange_deleted,
            QueueDeclared: self._queue_declared,
            QueueDeleted: self._queue_deleted,
            QueueTtlChanged: self._queue_ttl_changed,
            Bound: self._bound,
            Unbound: self._unbound,
            VhostDescribed: self._vhost_described,
            VhostLimitsSet: self._limits_set,
            ParameterSet: self._parameter_set,
            ParameterDeleted: self._parameter_deleted,
            PolicySet: self._policy_set,
            OperatorPolicySet: self._operator_policy_set,
            PolicyDeleted: self._policy_deleted,
            OperatorPolicyDeleted: self._operator_policy_deleted,
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
        return records_of(self, frozenset(PREDECLARED))

    # What the vhost says of itself

    def describe(self, description: str, tags: list[str], default_queue_type: str) -> None:
        """Keep a description and tags, and the type of queues that are declared without one ("" is classic)."""
        self.change(VhostDescribed(description, tags, default_queue_type))

    def set_limits(self, limits: dict[str, object]) -> None:
        """Let these limits be in force, and no others: "max-connections", "max-queues". Raises InvalidLimits."""
        self.change(VhostLimitsSet(checked_vhost_limits(limits)))

    def set_limit(self, name: str, value: object) -> None:
        """Set one limit; a negative one is none. Raises InvalidLimits."""
        self.set_limits({**self.limits, name: value})

    def clear_limit(self, name: str) -> None:
        """Lift one limit; one that is not set is no error (RabbitMQ 3.10, observed)."""
        self.set_limits({each: limit for each, limit in self.limits.items() if each != name})

    def max_connections(self) -> int:
        """How many connections may be open here; negative for no limit."""
        return self.limits.get(MAX_CONNECTIONS, UNLIMITED)

    def check_queue_limit(self, name: str) -> None:
        """Raise PreconditionFailed (406) if there can be no more queues; asked only for a queue that is not there."""
        limit = self.limits.get(MAX_QUEUES, UNLIMITED)
        if is_reached(limit, len(self.queues)):
            raise PreconditionFailed(
                f"cannot declare queue '{name}': queue limit in vhost '{self.name}' ({limit}) is reached"
            )
        limit = int(self._node.limits.cluster_queue_limit)
        if limit >= 0 and is_reached(limit, self._node.queue_count()):
            raise PreconditionFailed(
                f"cannot declare queue '{name}': queue limit in cluster ({limit}) is reached"
            )

    def check_exchange_limit(self, name: str) -> None:
        """Raise PreconditionFailed (406) if there can be no more exchanges (RabbitMQ 4.1)."""
        limit = int(self._node.limits.cluster_exchange_limit)
        if limit >= 0 and is_reached(limit, self._node.exchange_count()):
            raise PreconditionFailed(
                f"cannot declare exchange '{name}' in vhost '{self.name}': exchange limit of {limit} is reached"
            )

    def set_parameter(self, component: str, name: str, value: object) -> None:
        """Keep a runtime parameter; it must be one that JSON can say."""
        self.change(ParameterSet(component, name, value))

    def delete_parameter(self, component: str, name: str) -> bool:
        """Forget a runtime parameter; False if there is none."""
        if (component, name) not in self.parameters:
            return False
        self.change(ParameterDeleted(component, name))
        return True

    def end(self) -> None:
        """The virtual host is gone, and everything in it: who consumes here hears of it."""
        self.topology += 1
        queues = list(self.queues.values())
        exchanges = list(self.exchanges.values())
        self.queues.clear()
        self.exchanges.clear()
        for queue in queues:
            if queue.owner is not None:
                queue.owner.queues.pop(queue, None)
            queue.drop()
        for exchange in exchanges:
            if isinstance(exchange, Delayed):
                exchange.end()
        for queue in queues:
            queue.cancel_consumers()

    # The firehose

    def trace(self, node: str) -> None:
        """Tell the firehose of everything that is published and delivered from now on; `node` is named as the place.

        It ends with the broker (RabbitMQ 3.10), or with `trace_no_more`.
        """
        if self.firehose is None:
            self.firehose = Firehose(self.name, node, self.exchanges, self._router, self.timers)
            self.topology += 1
            for queue in self.queues.values():
                for consumer in queue.consumers:
                    consumer.begin_deliveries_anew()

    def trace_no_more(self) -> None:
        """Tell the firehose nothing any more."""
        self.firehose = None
        self.topology += 1

    # Policies

    @property
    def effective(self) -> dict[Destination, Effective]:
        """What applies to each queue and exchange that any policy applies to."""
        return self._followed.effective

    @property
    def policies(self) -> dict[str, Policy]:
        """The policies by their names."""
        return self._followed.policies.user.by_name

    @property
    def operator_policies(self) -> dict[str, Policy]:
        """The operator policies by their names."""
        return self._followed.policies.operator.by_name

    def set_policy(
        self, name: str, pattern: object, definition: object, priority: object = 0, apply_to: object = ALL
    ) -> None:
        """Set a policy, of values as they come from JSON, or replace the one of this name. Raises InvalidPolicy."""
        policy = checked_policy(name, pattern, definition, priority, apply_to)
        if not policy.same_as(self.policies.get(name)):
            self.change(PolicySet(policy))

    def set_operator_policy(
        self, name: str, pattern: object, definition: object, priority: object = 0, apply_to: object = ALL
    ) -> None:
        """The same for an operator policy. Raises InvalidPolicy."""
        policy = checked_policy(name, pattern, definition, priority, apply_to, is_operator=True)
        if not policy.same_as(self.operator_policies.get(name)):
            self.change(OperatorPolicySet(policy))

    def delete_policy(self, name: str) -> bool:
        """Delete a policy; False if there is none."""
        if name not in self.policies:
            return False
        self.change(PolicyDeleted(name))
        return True

    def delete_operator_policy(self, name: str) -> bool:
        """Delete an operator policy; False if there is none."""
        if name not in self.operator_policies:
            return False
        self.change(OperatorPolicyDeleted(name))
        return True

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
            self.check_exchange_limit(wanted.exchange)
            title = f"exchange '{wanted.exchange}' in vhost '{self.name}'"
            EXCHANGE_TYPES[wanted.exchange_type].check_arguments(title, wanted.arguments)
            if wanted.exchange_type == DELAYED:
                wanted.queue_id = self._storage.new_queue_id()
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
        self._node.queues_declared += 1
        if existing is None:
            self._node.queues_created += 1
            self.check_queue_limit(wanted.queue)
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
        queue = ClassicQueue(name, False, {}, self, queue_id)
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
        """The queues that a message published to `exchange` goes to, each once."""
        return self._router.route(exchange, routing_keys, message)

    def routes_by_content(self, exchange: Exchange) -> bool:
        """Whether more than its routing key can decide the way of a message published to `exchange`."""
        return self._router.routes_by_content(exchange)

    def dead_letter(self, queue: Queue, message: Message, reason: str) -> bool:
        """Publish what died in a queue to the queue's dead letter exchange; False if no queue took it."""
        return self._burial.bury(queue, message, reason)

    def offer_dead_letter(
        self, queue: Queue, message: Message, reason: str, time_s: i64, taken: dict[str, None]
    ) -> i64:
        """Publish what died in a queue to those that its dead letter exchange leads to and that have not taken it."""
        return self._burial.offer(queue, message, reason, time_s, taken)

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
        if isinstance(exchange, Delayed):
            exchange.begin(self, definition.queue_id)
        self.exchanges[definition.exchange] = exchange
        self._followed.exchange_begins(exchange)

    def _exchange_deleted(self, definition: Definition) -> None:
        assert isinstance(definition, ExchangeDeleted)
        exchange = self.exchanges.pop(definition.exchange)
        if isinstance(exchange, Delayed):
            exchange.end()
        self._followed.ends(exchange)
        for key in list(exchange.bindings):
            exchange.remove(key)
        self._unbind_incoming(exchange)

    def _queue_declared(self, definition: Definition) -> None:
        assert isinstance(definition, QueueDeclared)
        in_force = definition.arguments if definition.is_in_force else {}
        queue_class = QUEUE_TYPES[queue_type_of(in_force)]
        queue = queue_class(definition.queue, definition.durable, in_force, self, definition.queue_id)
        queue.auto_delete = definition.auto_delete
        queue.owner = definition.owner
        queue.arguments = definition.arguments
        self.queues[definition.queue] = queue
        if definition.owner is not None:
            definition.owner.queues[queue] = None
        self._followed.queue_begins(queue)

    def _queue_deleted(self, definition: Definition) -> None:
        assert isinstance(definition, QueueDeleted)
        queue = self.queues.pop(definition.queue)
        self._node.queues_deleted += 1
        self._followed.ends(queue)
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

    def _vhost_described(self, definition: Definition) -> None:
        assert isinstance(definition, VhostDescribed)
        self.description = definition.description
        self.tags = definition.tags
        self.default_queue_type = definition.default_queue_type

    def _limits_set(self, definition: Definition) -> None:
        assert isinstance(definition, VhostLimitsSet)
        self.limits = definition.limits

    def _parameter_set(self, definition: Definition) -> None:
        assert isinstance(definition, ParameterSet)
        self.parameters[(definition.component, definition.name)] = definition.value

    def _parameter_deleted(self, definition: Definition) -> None:
        assert isinstance(definition, ParameterDeleted)
        self.parameters.pop((definition.component, definition.name), None)

    def _policy_set(self, definition: Definition) -> None:
        assert isinstance(definition, PolicySet)
        self._followed.policies.user.set(definition.policy)
        self._followed.changed()

    def _operator_policy_set(self, definition: Definition) -> None:
        assert isinstance(definition, OperatorPolicySet)
        self._followed.policies.operator.set(definition.policy)
        self._followed.changed()

    def _policy_deleted(self, definition: Definition) -> None:
        assert isinstance(definition, PolicyDeleted)
        self._followed.policies.user.delete(definition.name)
        self._followed.changed()

    def _operator_policy_deleted(self, definition: Definition) -> None:
        assert isinstance(definition, OperatorPolicyDeleted)
        self._followed.policies.operator.delete(definition.name)
        self._followed.changed()

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
    """How many ids of the log a queue with these arguments needs: one for each priority, one for dead letters."""
    if queue_type_of(arguments) == QUORUM:
        return 2
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
