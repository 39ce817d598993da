"""Changes of a virtual host's definitions, as values: what is applied now, and what a log can replay."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final

from amqpd.broker.policy import Policy
from amqpd.broker.queues.queue import Owner
from amqpd.wire.fields import Field, Table, decode_table_at, encode_table


class Definition:
    """One change of a virtual host; `durable` says whether it has to survive a restart."""

    durable: bool = False

    def fields(self) -> Table:
        """What a record of this change says."""
        raise NotImplementedError


class ExchangeDeclared(Definition):
    """An exchange comes to be (3.1.3). If it keeps messages, the vhost gives it an id for them; else that is 0."""

    def __init__(
        self,
        exchange: str,
        exchange_type: str,
        durable: bool,
        auto_delete: bool,
        internal: bool,
        arguments: Table,
        queue_id: int = 0,
    ) -> None:
        self.exchange = exchange
        self.exchange_type = exchange_type
        self.durable = durable
        self.auto_delete = auto_delete
        self.internal = internal
        self.arguments = arguments
        self.queue_id = queue_id

    def fields(self) -> Table:
        table: Table = {
            "name": text(self.exchange),
            "type": text(self.exchange_type),
            "auto_delete": flag(self.auto_delete),
            "internal": flag(self.internal),
            "arguments": Field("F", self.arguments),
        }
        if self.queue_id:
            table["id"] = Field("l", self.queue_id)
        return table


class ExchangeDeleted(Definition):
    """An exchange goes, and every binding from and to it."""

    def __init__(self, exchange: str, durable: bool) -> None:
        self.exchange = exchange
        self.durable = durable

    def fields(self) -> Table:
        return {"name": text(self.exchange)}


class QueueDeclared(Definition):
    """A queue comes to be; `owner` is whom an exclusive one belongs to, or None. Its id is given by the vhost.

    `is_in_force`: whether its arguments mean anything, which they did not in logs of format version 1.
    """

    def __init__(
        self,
        queue: str,
        durable: bool,
        auto_delete: bool,
        owner: Owner | None,
        arguments: Table,
        queue_id: int = 0,
        is_in_force: bool = True,
    ) -> None:
        self.queue = queue
        self.durable = durable
        self.auto_delete = auto_delete
        self.owner = owner
        self.arguments = arguments
        self.queue_id = queue_id
        self.is_in_force = is_in_force

    def fields(self) -> Table:
        return {
            "name": text(self.queue),
            "auto_delete": flag(self.auto_delete),
            "arguments": Field("F", self.arguments),
            "in_force": flag(self.is_in_force),
            "id": Field("l", self.queue_id),
        }


class QueueDeleted(Definition):
    """A queue goes, with its messages and every binding to it."""

    def __init__(self, queue: str, durable: bool) -> None:
        self.queue = queue
        self.durable = durable

    def fields(self) -> Table:
        return {"name": text(self.queue)}


class QueueTtlChanged(Definition):
    """What arrived in a queue until `until_ms` (unix) has the time to live `ttl_ms`, or -1; a policy changed it then."""

    def __init__(self, queue: str, until_ms: int, ttl_ms: int, durable: bool) -> None:
        self.queue = queue
        self.until_ms = until_ms
        self.ttl_ms = ttl_ms
        self.durable = durable

    def fields(self) -> Table:
        return {
            "name": text(self.queue),
            "until_ms": Field("l", self.until_ms),
            "ttl_ms": Field("l", self.ttl_ms),
        }


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

    def fields(self) -> Table:
        return {
            "source": text(self.source),
            "destination_type": text(self.destination_type),
            "destination": text(self.destination),
            "routing_key": text(self.routing_key),
            "arguments": Field("F", self.arguments),
        }


class Unbound(Bound):
    """The same binding is removed."""


class VhostAdded(Definition):
    """A virtual host comes to be, with its predeclared exchanges."""

    durable = True

    def fields(self) -> Table:
        return {}


class VhostDescribed(Definition):
    """What is said of a virtual host, and the type of queues that are declared without one ("" is classic)."""

    durable = True

    def __init__(self, description: str, tags: list[str], default_queue_type: str) -> None:
        self.description = description
        self.tags = tags
        self.default_queue_type = default_queue_type

    def fields(self) -> Table:
        return {
            "description": text(self.description),
            "tags": Field("A", [text(tag) for tag in self.tags]),
            "default_queue_type": text(self.default_queue_type),
        }


class VhostLimitsSet(Definition):
    """The limits of a virtual host are these, and no others: see limits.py."""

    durable = True

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits

    def fields(self) -> Table:
        return {"limits": Field("F", {name: Field("l", limit) for name, limit in self.limits.items()})}


class VhostDeleted(Definition):
    """A virtual host goes, with everything in it."""

    durable = True

    def fields(self) -> Table:
        return {}


class ParameterSet(Definition):
    """A runtime parameter of a virtual host, of which amqpd makes nothing itself, has this value (as JSON gives it)."""

    durable = True

    def __init__(self, component: str, name: str, value: object) -> None:
        self.component = component
        self.name = name
        self.value = value

    def fields(self) -> Table:
        return {
            "component": text(self.component),
            "name": text(self.name),
            "value": text(json.dumps(self.value)),
        }


class ParameterDeleted(Definition):
    """It is not set any more."""

    durable = True

    def __init__(self, component: str, name: str) -> None:
        self.component = component
        self.name = name

    def fields(self) -> Table:
        return {"component": text(self.component), "name": text(self.name)}


class GlobalParameterSet(Definition):
    """A runtime parameter of the whole broker has this value (as JSON gives it); it belongs to no virtual host."""

    durable = True

    def __init__(self, name: str, value: object) -> None:
        self.name = name
        self.value = value

    def fields(self) -> Table:
        return {"name": text(self.name), "value": text(json.dumps(self.value))}


class GlobalParameterDeleted(Definition):
    """It is not set any more."""

    durable = True

    def __init__(self, name: str) -> None:
        self.name = name

    def fields(self) -> Table:
        return {"name": text(self.name)}


class PolicySet(Definition):
    """A policy comes to be, or replaces the one of its name."""

    durable = True

    def __init__(self, policy: Policy) -> None:
        self.policy = policy

    def fields(self) -> Table:
        policy = self.policy
        return {
            "name": text(policy.name),
            "pattern": text(policy.pattern),
            "apply_to": text(policy.apply_to),
            "priority": text(json.dumps(policy.priority)),
            "definition": text(json.dumps(policy.definition)),
        }


class OperatorPolicySet(PolicySet):
    """The same for an operator policy."""


class PolicyDeleted(Definition):
    """A policy goes."""

    durable = True

    def __init__(self, name: str) -> None:
        self.name = name

    def fields(self) -> Table:
        return {"name": text(self.name)}


class OperatorPolicyDeleted(PolicyDeleted):
    """An operator policy goes."""


class UnknownChange(Exception):
    """A record of definitions that a newer version may have written."""


def _exchange_declared(table: Table) -> Definition:
    return ExchangeDeclared(
        words(table, "name"),
        words(table, "type"),
        True,
        is_set(table, "auto_delete"),
        is_set(table, "internal"),
        inner(table, "arguments"),
        number(table, "id") if "id" in table else 0,
    )


def _exchange_deleted(table: Table) -> Definition:
    return ExchangeDeleted(words(table, "name"), True)


def _queue_declared(table: Table) -> Definition:
    return QueueDeclared(
        words(table, "name"),
        True,
        is_set(table, "auto_delete"),
        None,
        inner(table, "arguments"),
        number(table, "id"),
        "in_force" in table and is_set(table, "in_force"),
    )


def _queue_deleted(table: Table) -> Definition:
    return QueueDeleted(words(table, "name"), True)


def _queue_ttl_changed(table: Table) -> Definition:
    return QueueTtlChanged(words(table, "name"), number(table, "until_ms"), number(table, "ttl_ms"), True)


def _bound(table: Table) -> Definition:
    return Bound(*_ends(table), inner(table, "arguments"), True)


def _unbound(table: Table) -> Definition:
    return Unbound(*_ends(table), inner(table, "arguments"), True)


def _ends(table: Table) -> tuple[str, str, str, str]:
    return (
        words(table, "source"),
        words(table, "destination_type"),
        words(table, "destination"),
        words(table, "routing_key"),
    )


def _vhost_added(table: Table) -> Definition:
    return VhostAdded()


def _vhost_described(table: Table) -> Definition:
    tags = table["tags"].value
    assert isinstance(tags, list)
    return VhostDescribed(
        words(table, "description"), [str(tag.value) for tag in tags], words(table, "default_queue_type")
    )


def _vhost_limits_set(table: Table) -> Definition:
    limits = inner(table, "limits")
    return VhostLimitsSet({name: number(limits, name) for name in limits})


def _vhost_deleted(table: Table) -> Definition:
    return VhostDeleted()


def _parameter_set(table: Table) -> Definition:
    return ParameterSet(words(table, "component"), words(table, "name"), json.loads(words(table, "value")))


def _parameter_deleted(table: Table) -> Definition:
    return ParameterDeleted(words(table, "component"), words(table, "name"))


def _global_parameter_set(table: Table) -> Definition:
    return GlobalParameterSet(words(table, "name"), json.loads(words(table, "value")))


def _global_parameter_deleted(table: Table) -> Definition:
    return GlobalParameterDeleted(words(table, "name"))


def _policy_set(table: Table) -> Definition:
    return PolicySet(_policy(table))


def _operator_policy_set(table: Table) -> Definition:
    return OperatorPolicySet(_policy(table))


def _policy(table: Table) -> Policy:
    return Policy(
        words(table, "name"),
        words(table, "pattern"),
        json.loads(words(table, "definition")),
        json.loads(words(table, "priority")),
        words(table, "apply_to"),
    )


def _policy_deleted(table: Table) -> Definition:
    return PolicyDeleted(words(table, "name"))


def _operator_policy_deleted(table: Table) -> Definition:
    return OperatorPolicyDeleted(words(table, "name"))


NAMES: Final[dict[type[Definition], str]] = {
    ExchangeDeclared: "exchange.declared",
    ExchangeDeleted: "exchange.deleted",
    QueueDeclared: "queue.declared",
    QueueDeleted: "queue.deleted",
    QueueTtlChanged: "queue.ttl.changed",
    Bound: "bound",
    Unbound: "unbound",
    VhostAdded: "vhost.added",
    VhostDescribed: "vhost.described",
    VhostLimitsSet: "vhost.limits.changed",
    VhostDeleted: "vhost.deleted",
    ParameterSet: "parameter.changed",
    ParameterDeleted: "parameter.deleted",
    GlobalParameterSet: "global.parameter.changed",
    GlobalParameterDeleted: "global.parameter.deleted",
    PolicySet: "policy.changed",
    OperatorPolicySet: "operator.policy.changed",
    PolicyDeleted: "policy.deleted",
    OperatorPolicyDeleted: "operator.policy.deleted",
}
"""What a record calls each change."""

READERS: Final[dict[str, Callable[[Table], Definition]]] = {
    "exchange.declared": _exchange_declared,
    "exchange.deleted": _exchange_deleted,
    "queue.declared": _queue_declared,
    "queue.deleted": _queue_deleted,
    "queue.ttl.changed": _queue_ttl_changed,
    "bound": _bound,
    "unbound": _unbound,
    "vhost.added": _vhost_added,
    "vhost.described": _vhost_described,
    "vhost.limits.changed": _vhost_limits_set,
    "vhost.deleted": _vhost_deleted,
    "parameter.changed": _parameter_set,
    "parameter.deleted": _parameter_deleted,
    "global.parameter.changed": _global_parameter_set,
    "global.parameter.deleted": _global_parameter_deleted,
    "policy.changed": _policy_set,
    "operator.policy.changed": _operator_policy_set,
    "policy.deleted": _policy_deleted,
    "operator.policy.deleted": _operator_policy_deleted,
}


def encode(vhost: str, definition: Definition) -> bytes:
    """The record of a change: a field table, so that arguments keep the types they came with."""
    table: Table = {"change": text(NAMES[type(definition)]), "vhost": text(vhost)}
    return encode_table({**table, **definition.fields()})


def decode(record: bytes) -> Table:
    """The table that a record of definitions holds; `change` says which change it is."""
    table, _end = decode_table_at(record, 0, len(record))
    return table


def definition_of(table: Table) -> Definition:
    """The change that a decoded record tells. Raises UnknownChange for one that vhosts don't know."""
    change = words(table, "change")
    reader = READERS.get(change)
    if reader is None:
        raise UnknownChange(f"a change of definitions that this version of amqpd does not know: '{change}'")
    return reader(table)


def text(value: str) -> Field:
    """A text, as a field."""
    return Field("S", value)


def flag(value: bool) -> Field:
    """A truth value, as a field."""
    return Field("t", value)


def words(table: Table, name: str) -> str:
    """The text of a field."""
    return str(table[name].value)


def number(table: Table, name: str) -> int:
    """The number in a field."""
    value = table[name].value
    assert isinstance(value, int)
    return value


def is_set(table: Table, name: str) -> bool:
    """The truth value of a field."""
    return table[name].value is True


def inner(table: Table, name: str) -> Table:
    """The table in a field."""
    value = table[name].value
    assert isinstance(value, dict)
    return value
