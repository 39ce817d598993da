"""Policies and operator policies of a vhost: which one applies, and what both say together."""

from __future__ import annotations

import json
import math
from typing import Final, final

from amqpd.broker.queues.rules import (
    CLASSIC,
    QUORUM,
    STREAM,
    PolicyDefinition,
)
from amqpd.wire.name_pattern import NamePattern
from amqpd.wire.patterns import as_bytes_text

ALL: Final = "all"
QUEUES: Final = "queues"
EXCHANGES: Final = "exchanges"

QUEUE_TYPES: Final = {"classic_queues": CLASSIC, "quorum_queues": QUORUM, "streams": STREAM}
"""What `apply_to` may say of one queue type alone (RabbitMQ 3.12 and later)."""

INAPPLICABLE: Final[dict[str, frozenset[str]]] = {
    CLASSIC: frozenset(
        (
            "max-age",
            "stream-max-segment-size-bytes",
            "queue-leader-locator",
            "initial-cluster-size",
            "delivery-limit",
            "dead-letter-strategy",
        )
    ),
    QUORUM: frozenset(
        (
            "queue-mode",
            "ha-mode",
            "ha-params",
            "ha-sync-mode",
            "ha-promote-on-shutdown",
            "ha-promote-on-failure",
            "queue-master-locator",
            "max-age",
            "stream-max-segment-size-bytes",
            "initial-cluster-size",
        )
    ),
    STREAM: frozenset(
        (
            "expires",
            "message-ttl",
            "dead-letter-exchange",
            "dead-letter-routing-key",
            "max-length",
            "max-in-memory-length",
            "max-in-memory-bytes",
            "overflow",
            "queue-mode",
            "delivery-limit",
            "ha-mode",
            "ha-params",
            "ha-sync-mode",
            "ha-promote-on-shutdown",
            "ha-promote-on-failure",
            "queue-master-locator",
            "dead-letter-strategy",
        )
    ),
}
"""A policy that has one of these keys does not apply to queues of that type at all (RabbitMQ 3.10)."""


@final
class Policy:
    """What is asked of all queues or exchanges with names that the pattern is found in.

    `apply_to` is "all", "queues", "exchanges", "classic_queues", "quorum_queues" or "streams".
    """

    def __init__(
        self, name: str, pattern: str, definition: PolicyDefinition, priority: object, apply_to: str
    ) -> None:
        """Raises InvalidPattern, and checks nothing else: see `checked_policy`."""
        self.name = name
        self.pattern = pattern
        self.definition = _in_order(definition)
        self.priority: object = priority
        """An int or a float, as it was given."""
        self.rank = _number(priority)
        self.apply_to = apply_to
        self._expression = NamePattern(pattern)

    def same_as(self, other: Policy | None) -> bool:
        """Whether the other says the same in the same words."""
        return (
            other is not None
            and self.name == other.name
            and self.pattern == other.pattern
            and self.priority == other.priority
            and self.apply_to == other.apply_to
            and json.dumps(self.definition) == json.dumps(other.definition)
        )

    def matches(self, name_bytes_text: str, queue_type: str) -> bool:
        """Whether it applies to the queue of this type, or with an empty type to the exchange, of this name.

        The name is given as `as_bytes_text` makes it.
        """
        return self._fits_type(queue_type) and self._expression.is_in(name_bytes_text)

    def _fits_type(self, queue_type: str) -> bool:
        if not queue_type:
            return self.apply_to in (ALL, EXCHANGES)
        if self.apply_to not in (ALL, QUEUES) and QUEUE_TYPES.get(self.apply_to) != queue_type:
            return False
        return INAPPLICABLE[queue_type].isdisjoint(self.definition)


@final
class Effective:
    """What applies to one queue or exchange: at most one policy of each kind, and what they say together."""

    def __init__(self, policy: Policy | None, operator_policy: Policy | None) -> None:
        self.policy = policy
        self.operator_policy = operator_policy
        self.definition = merged(
            None if policy is None else policy.definition,
            None if operator_policy is None else operator_policy.definition,
        )
        self._text = json.dumps(self.definition)

    def says_the_same(self, other: Effective | None) -> bool:
        """Whether nothing is asked that the other did not ask."""
        return other is not None and self._text == other._text


@final
class Policies:
    """The policies, or the operator policies, of one vhost: by name, and in the order in which they win."""

    def __init__(self) -> None:
        self.by_name: dict[str, Policy] = {}
        self._in_order: list[Policy] = []

    def set(self, policy: Policy) -> None:
        """Add a policy, or replace the one of this name."""
        self.by_name[policy.name] = policy
        self._sort()

    def delete(self, name: str) -> None:
        """Remove the policy of this name, if there is one."""
        self.by_name.pop(name, None)
        self._sort()

    def applying(self, name: str, queue_type: str) -> Policy | None:
        """The one that applies to this queue, or with an empty type to this exchange: the highest priority wins.

        Among equals, of which RabbitMQ takes any, it is the first by name.
        """
        name_bytes_text = as_bytes_text(name)
        for policy in self._in_order:
            if policy.matches(name_bytes_text, queue_type):
                return policy
        return None

    def _sort(self) -> None:
        self._in_order = sorted(self.by_name.values(), key=_rank)


@final
class VhostPolicies:
    """A vhost's policies of both kinds."""

    def __init__(self) -> None:
        self.user = Policies()
        self.operator = Policies()
        self._effective: dict[tuple[str, str], Effective] = {}
        """Of each two policies that apply together: thousands of queues may have the same. By their names, "" for none."""

    def changed(self) -> None:
        """Forget what applied together before policies changed."""
        self._effective.clear()

    def is_empty(self) -> bool:
        """Whether there is no policy at all."""
        return not self.user.by_name and not self.operator.by_name

    def applying(self, name: str, queue_type: str) -> Effective | None:
        """What applies to this queue, or with an empty type to this exchange; None if nothing does."""
        policy = self.user.applying(name, queue_type)
        operator_policy = self.operator.applying(name, queue_type)
        if policy is None and operator_policy is None:
            return None
        names = "" if policy is None else policy.name, "" if operator_policy is None else operator_policy.name
        found = self._effective.get(names)
        if found is None or found.policy is not policy or found.operator_policy is not operator_policy:
            found = Effective(policy, operator_policy)
            self._effective[names] = found
        return found

    def effective(self, name: str, is_queue: bool, queue_type: str = CLASSIC) -> PolicyDefinition | None:
        """What the policies that apply to this queue or exchange ask of it, or None."""
        found = self.applying(name, queue_type if is_queue else "")
        return None if found is None else found.definition


def _rank(policy: Policy) -> tuple[float, str]:
    return (-policy.rank, policy.name)


def _in_order(definition: PolicyDefinition) -> PolicyDefinition:
    return {key: definition[key] for key in sorted(definition)}


def merged(
    definition: PolicyDefinition | None, operator_definition: PolicyDefinition | None
) -> PolicyDefinition:
    """What both kinds of policy say together: of two numbers the smaller one, else the operator's value."""
    if operator_definition is None:
        return definition or {}
    if definition is None:
        return operator_definition
    together: PolicyDefinition = {**definition, **operator_definition}
    for key, operator_value in operator_definition.items():
        value = definition.get(key)
        if is_whole(value) and is_whole(operator_value):
            assert isinstance(value, int) and isinstance(operator_value, int)
            together[key] = min(value, operator_value)
    return _in_order(together)


def is_whole(value: object) -> bool:
    """Whether this is a whole number, and no truth value."""
    return isinstance(value, int) and not isinstance(value, bool)


def _number(priority: object) -> float:
    """A priority to compare; what is larger than any float is as large as can be."""
    if not isinstance(priority, (int, float)):
        return 0.0
    try:
        return float(priority)
    except OverflowError:
        return math.inf if priority > 0 else -math.inf
