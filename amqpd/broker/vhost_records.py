"""What a log must be told to make a vhost again: its snapshot, as records of definitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amqpd.broker.binding import Binding
from amqpd.broker.definitions import (
    Bound,
    Definition,
    ExchangeDeclared,
    OperatorPolicySet,
    ParameterSet,
    PolicySet,
    QueueDeclared,
    QueueTtlChanged,
    VhostAdded,
    VhostDescribed,
    VhostLimitsSet,
    encode,
)
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges.delayed import Delayed
from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.queue import Queue

if TYPE_CHECKING:
    from amqpd.broker.vhost_state import VhostState


def records_of(vhost: VhostState, predeclared: frozenset[str]) -> list[bytes]:
    """The records that make the vhost and everything durable in it again, in this order.

    `predeclared` are the exchanges that every vhost has. Each record is kept where it belongs, so that asking
    again costs little.
    """
    queues = [queue for queue in vhost.queues.values() if queue.durable]
    records = [encode(vhost.name, each) for each in _own_definitions(vhost)]
    for exchange in vhost.exchanges.values():
        if exchange.durable and exchange.name not in predeclared:
            records.append(exchange.record or _exchange_record(exchange))
    records += [queue.record or _queue_record(queue) for queue in queues]
    records += [record for queue in queues for record in _ttl_records(queue)]
    for exchange in vhost.exchanges.values():
        if exchange.durable:
            for binding in exchange.bindings.values():
                if binding.destination.durable:
                    records.append(binding.record or _binding_record(vhost.name, binding))
    return records


def _own_definitions(vhost: VhostState) -> list[Definition]:
    """What makes the vhost without what is declared in it: its policies before all that they apply to."""
    definitions: list[Definition] = [VhostAdded()]
    if vhost.description or vhost.tags or vhost.default_queue_type:
        definitions.append(VhostDescribed(vhost.description, vhost.tags, vhost.default_queue_type))
    if vhost.limits:
        definitions.append(VhostLimitsSet(vhost.limits))
    definitions += [
        ParameterSet(component, name, value) for (component, name), value in vhost.parameters.items()
    ]
    definitions += [PolicySet(policy) for policy in vhost.policies.values()]
    definitions += [OperatorPolicySet(policy) for policy in vhost.operator_policies.values()]
    return definitions


def _exchange_record(exchange: Exchange) -> bytes:
    declared = ExchangeDeclared(
        exchange.name,
        exchange.exchange_type,
        True,
        exchange.auto_delete,
        exchange.internal,
        exchange.arguments,
        exchange.queue_id() if isinstance(exchange, Delayed) else 0,
    )
    exchange.record = encode(exchange.vhost, declared)
    return exchange.record


def _queue_record(queue: Queue) -> bytes:
    is_in_force = queue.arguments_in_force is queue.arguments
    declared = QueueDeclared(
        queue.name, True, queue.auto_delete, None, queue.arguments, int(queue.id), is_in_force
    )
    queue.record = encode(queue.vhost, declared)
    return queue.record


def _ttl_records(queue: Queue) -> list[bytes]:
    if not isinstance(queue, ClassicQueue):
        return []
    return [
        encode(queue.vhost, QueueTtlChanged(queue.name, until_ms, ttl_ms, True))
        for until_ms, ttl_ms in queue.expiry.changes
    ]


def _binding_record(vhost: str, binding: Binding) -> bytes:
    destination = binding.destination
    bound = Bound(
        binding.source, destination.type, destination.name, binding.routing_key, binding.arguments, True
    )
    binding.record = encode(vhost, bound)
    return binding.record
