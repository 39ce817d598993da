"""What there is in a virtual host, and what each change of its definitions does: now, and again in a replay."""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import i64

from amqpd.broker.binding import Binding, Destination, binding_key
from amqpd.broker.burial import Burial
from amqpd.broker.deaths import DISABLED
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
from amqpd.broker.exchanges.delayed import Delayed
from amqpd.broker.firehose import Firehose
from amqpd.broker.followed_policies import FollowedPolicies
from amqpd.broker.limits import Node
from amqpd.broker.policy import Effective, Policy
from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.queue import Queue, QueueHost
from amqpd.broker.queues.rules import AT_MOST_ONCE, queue_type_of
from amqpd.broker.queues.types import QUEUE_TYPES
from amqpd.broker.random_numbers import RandomNumbers
from amqpd.broker.router import Router
from amqpd.broker.vhost_records import records_of
from amqpd.clock import Timers
from amqpd.errors import NotFound
from amqpd.events import Events
from amqpd.message import Message
from amqpd.metrics.message_counts import MessageCounts
from amqpd.store.storage import Storage

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


class VhostState(QueueHost):
    """Exchanges, queues, bindings and what applies to them. Whatever changes its definitions goes through `change`.

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
        self.deaths = self._node.deaths
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

    # What there is

    def exchange(self, name: str) -> Exchange:
        """The exchange of this name; raises NotFound (404)."""
        exchange = self.exchanges.get(name)
        if exchange is None:
            raise NotFound(f"no exchange '{name}' in vhost '{self.name}'")
        return exchange

    def queue(self, name: str) -> Queue:
        """The queue of this name; raises NotFound (404)."""
        queue = self.queues.get(name)
        if queue is None:
            raise NotFound(f"no queue '{name}' in vhost '{self.name}'")
        return queue

    def destination(self, destination_type: str, name: str) -> Destination:
        """The queue or exchange of this name; raises NotFound (404)."""
        return self.queue(name) if destination_type == "queue" else self.exchange(name)

    # Routing

    def route(self, exchange: Exchange, routing_keys: list[str], message: Message) -> list[Queue]:
        """The queues that a message published to `exchange` goes to, each once."""
        return self._router.route(exchange, routing_keys, message)

    def routes_by_content(self, exchange: Exchange) -> bool:
        """Whether more than its routing key can decide the way of a message published to `exchange`."""
        return self._router.routes_by_content(exchange)

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

    # What its queues ask

    def end_queue(self, queue: Queue) -> None:
        """A queue ends with its owner or its last consumer."""
        self.follow(QueueDeleted(queue.name, queue.durable))

    def keep_ttl(self, queue: Queue, until_ms: i64, ttl_ms: i64) -> None:
        """What has arrived in a queue until then keeps the time to live that was in force."""
        self.follow(QueueTtlChanged(queue.name, int(until_ms), int(ttl_ms), queue.logged))

    def dead_letter(self, queue: Queue, message: Message, reason: str) -> bool:
        """Publish what died in a queue to the queue's dead letter exchange; False if no queue took it."""
        leads_somewhere = (queue.rules.dead_letter_exchange or "") in self.exchanges
        self.deaths.of(queue.queue_type, AT_MOST_ONCE if leads_somewhere else DISABLED)[reason] += 1
        return self._burial.bury(queue, message, reason)

    def hold_dead_letters(self) -> None:
        """Let dead letters wait until the message at hand is in all of its queues."""
        self._burial.hold()

    def let_dead_letters_go(self) -> None:
        """Publish those that waited."""
        self._burial.let_go()

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
        self._node.ended.queue_ended(queue.queue_type, queue.message_counts())
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
