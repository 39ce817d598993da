"""A virtual host: what may be done with its exchanges, queues and bindings, and how a message finds its queues."""

from __future__ import annotations

from typing import final

from amqpd.broker.arguments import (
    ALTERNATE_EXCHANGE,
    check_equivalent_argument,
    check_equivalent_arguments,
    check_new_queue,
)
from amqpd.broker.binding import Binding, Destination, binding_key
from amqpd.broker.definitions import (
    Bound,
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
    Unbound,
    VhostDescribed,
    VhostLimitsSet,
)
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges import EXCHANGE_TYPES
from amqpd.broker.exchanges.delayed import DELAYED, Delayed
from amqpd.broker.firehose import Firehose
from amqpd.broker.limits import MAX_CONNECTIONS, MAX_QUEUES, UNLIMITED, checked_vhost_limits, is_reached
from amqpd.broker.policy import ALL
from amqpd.broker.policy_checks import checked_policy
from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.queue import Owner, Queue, locked
from amqpd.broker.queues.rules import QUORUM, queue_rules, queue_type_of
from amqpd.broker.vhost_state import VhostState
from amqpd.errors import AccessRefused, InternalError, PreconditionFailed
from amqpd.wire.fields import Table

RESERVED_PREFIX = "amq."


@final
class VirtualHost(VhostState):
    """Everything that one vhost's clients share; each change is checked here, and made below."""

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
            self._node.ended.queue_ended(queue.queue_type, queue.message_counts())
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
        check_equivalent(title, "type", _atom(wanted.exchange_type), _atom(existing.exchange_type))
        check_equivalent(title, "durable", _flag(wanted.durable), _flag(existing.durable))
        check_equivalent(title, "auto_delete", _flag(wanted.auto_delete), _flag(existing.auto_delete))
        check_equivalent(title, "internal", _flag(wanted.internal), _flag(existing.internal))
        check_equivalent_argument(title, ALTERNATE_EXCHANGE, wanted.arguments, existing.arguments)

    def delete_exchange(self, name: str, if_unused: bool) -> None:
        """Delete an exchange; one that is not there is no error (RabbitMQ 3.10, observed).

        Raises PreconditionFailed (406) if it has bindings and should not, AccessRefused (403) for amq.*.
        """
        self.check_not_system_exchange(name)
        exchange = self.exchanges.get(name)
        if exchange is None:
            self.check_log(True)
            return
        if if_unused and exchange.bindings:
            raise PreconditionFailed(f"{exchange.title()} in use")
        self.change(ExchangeDeleted(name, exchange.durable))

    def check_not_system_exchange(self, name: str) -> None:
        """Raise AccessRefused (403) for amq.*, which nobody may delete."""
        if name.startswith(RESERVED_PREFIX):
            raise AccessRefused(f"deletion of system exchange '{name}' in vhost '{self.name}' not allowed")

    # Queues

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
        binding = self.binding(source, destination_type, destination, routing_key, arguments)
        if binding is None:
            self.check_log(True)
            return
        durable = self.exchanges[source].durable and binding.destination.durable
        self.change(Unbound(source, destination_type, destination, routing_key, arguments, durable))

    def binding(
        self, source: str, destination_type: str, destination: str, routing_key: str, arguments: Table
    ) -> Binding | None:
        """The binding, if it is there."""
        exchange = self.exchanges.get(source)
        if exchange is None:
            return None
        return exchange.bindings.get(binding_key(destination_type, destination, routing_key, arguments))


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


def _atom(exchange_type: str) -> str:
    """The type as Erlang prints the name that it is there: in quotation marks if it has a hyphen."""
    return f"'{exchange_type}'" if "-" in exchange_type else exchange_type


def _flag(value: bool) -> str:
    return "true" if value else "false"
