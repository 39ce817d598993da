"""What policies may say: values as they come from JSON, and RabbitMQ's words when they are no good."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from amqpd.broker.arguments import LARGEST_SEGMENT_BYTES
from amqpd.broker.policy import ALL, EXCHANGES, QUEUE_TYPES, QUEUES, Policy, is_whole
from amqpd.broker.queues.rules import (
    DEAD_LETTER_STRATEGIES,
    OVERFLOWS,
    PolicyDefinition,
    PolicyValue,
    age_ms,
)
from amqpd.wire.json_terms import pairs, quoted_pair, term
from amqpd.wire.patterns import InvalidPattern, compile_pcre

_PATTERN_COLUMN: Final = 53
"""Where RabbitMQ's text about a pattern has come to when it prints what is wrong."""


class InvalidPolicy(Exception):
    """A policy that can't be set; `text` says why, as RabbitMQ's HTTP API does."""

    def __init__(self, problems: list[str]) -> None:
        self.text = "Validation failed\n\n" + "".join([f"{problem}\n" for problem in problems])
        super().__init__(self.text)


def checked_policy(
    name: str,
    pattern: object,
    definition: object,
    priority: object = 0,
    apply_to: object = ALL,
    *,
    is_operator: bool = False,
) -> Policy:
    """The policy that this makes, if it is good. Raises InvalidPolicy with everything that RabbitMQ would complain of."""
    keys = OPERATOR_KEYS if is_operator else KEYS
    problems = [
        _definition_problem(definition, keys),
        _apply_to_problem(apply_to),
        _pattern_problem(pattern),
        _priority_problem(priority),
    ]
    problems = [problem for problem in problems if problem]
    if problems:
        raise InvalidPolicy(problems)
    assert isinstance(pattern, str) and isinstance(apply_to, str)
    assert isinstance(definition, dict)
    return Policy(name, pattern, definition, priority, apply_to)


def _priority_problem(priority: object) -> str:
    if isinstance(priority, int) and not isinstance(priority, bool):
        return ""
    if isinstance(priority, float) and math.isfinite(priority):
        return ""
    return f"priority should be a number, actually was {term(priority)}"


def _pattern_problem(pattern: object) -> str:
    if not isinstance(pattern, str):
        return f"pattern should be a binary but was {term(pattern)}"
    try:
        compile_pcre(pattern)
    except InvalidPattern as invalid:
        text, position = invalid.pcre_error()
        problem = quoted_pair(text, position, _PATTERN_COLUMN)
        return f"pattern should be regular expression but is invalid: {problem}"
    return ""


def _apply_to_problem(apply_to: object) -> str:
    if isinstance(apply_to, str) and (apply_to in (ALL, QUEUES, EXCHANGES) or apply_to in QUEUE_TYPES):
        return ""
    given = apply_to if isinstance(apply_to, str) else term(apply_to)
    return f"apply-to '{given}' unrecognised; should be 'queues', 'exchanges' or 'all'"


def _definition_problem(definition: object, keys: frozenset[str]) -> str:
    if not isinstance(definition, dict):
        return f"definition must be a dictionary: {term(definition)}"
    if not definition:
        return "no policy provided"
    known: PolicyDefinition = {key: definition[key] for key in sorted(definition) if key in keys}
    for check in GROUPS:
        problem = check(known)
        if problem:
            return problem
    for key, value in known.items():
        problem = _value_problem(key, value)
        if problem:
            return problem
    unknown: dict[str, object] = {key: value for key, value in definition.items() if key not in keys}
    return f"{pairs(unknown)} are not recognised policy settings" if unknown else ""


def _is_text(value: PolicyValue) -> bool:
    return isinstance(value, str)


def _is_count(value: PolicyValue) -> bool:
    return is_whole(value) and isinstance(value, int) and value >= 0


def _is_positive(value: PolicyValue) -> bool:
    return is_whole(value) and isinstance(value, int) and value >= 1


def _is_strategy(value: PolicyValue) -> bool:
    return value in DEAD_LETTER_STRATEGIES


def _is_overflow(value: PolicyValue) -> bool:
    return value in OVERFLOWS


def _is_queue_mode(value: PolicyValue) -> bool:
    return value in ("default", "lazy")


def _is_queue_version(value: PolicyValue) -> bool:
    return is_whole(value) and value in (1, 2)


def _is_age(value: PolicyValue) -> bool:
    return isinstance(value, str) and age_ms(value) is not None


def _is_segment_size(value: PolicyValue) -> bool:
    return is_whole(value) and isinstance(value, int) and 0 <= value <= LARGEST_SEGMENT_BYTES


def _is_leader_locator(value: PolicyValue) -> bool:
    return value in ("client-local", "balanced", "random", "least-leaders")


VALUES: Final[dict[str, tuple[Callable[[PolicyValue], bool], str]]] = {
    "alternate-exchange": (_is_text, "alternate exchange name"),
    "dead-letter-exchange": (_is_text, "dead letter exchange name"),
    "dead-letter-routing-key": (_is_text, "dead letter routing key"),
    "dead-letter-strategy": (_is_strategy, "dead letter strategy"),
    "delivery-limit": (_is_count, "delivery limit"),
    "expires": (_is_positive, "queue expiry"),
    "initial-cluster-size": (_is_count, "cluster size"),
    "max-age": (_is_age, "max age"),
    "max-in-memory-bytes": (_is_count, "maximum memory in bytes"),
    "max-in-memory-length": (_is_count, "maximum memory in bytes"),
    "max-length": (_is_count, "maximum length"),
    "max-length-bytes": (_is_count, "maximum length in bytes"),
    "message-ttl": (_is_count, "message TTL"),
    "overflow": (_is_overflow, "overflow value"),
    "queue-leader-locator": (_is_leader_locator, "queue leader locator value"),
    "queue-mode": (_is_queue_mode, "queue-mode value"),
    "queue-version": (_is_queue_version, "queue-version value"),
    "stream-max-segment-size-bytes": (_is_segment_size, "segment size"),
}
"""The keys of RabbitMQ 3.10's own policies: what each takes, and what its error text calls that."""


def _value_problem(key: str, value: PolicyValue) -> str:
    found = VALUES.get(key)
    if found is None:
        return ""
    is_good, meaning = found
    return "" if is_good(value) else f"{term(value)} is not a valid {meaning}"


# Keys that are checked together. On a single node they change nothing, but definitions that have them can be imported.


def _master_locator_problem(definition: PolicyDefinition) -> str:
    if "queue-master-locator" not in definition:
        return ""
    locator = definition["queue-master-locator"]
    if locator in ("min-masters", "client-local", "random"):
        return ""
    return f"{term(locator)} invalid queue-master-locator value"


def _mirroring_problem(definition: PolicyDefinition) -> str:
    if "ha-mode" not in definition:
        if any(key.startswith("ha-") for key in definition):
            return "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown"
        return ""
    problem = _mirrors_problem(definition["ha-mode"], "ha-params" in definition, definition.get("ha-params"))
    if problem:
        return problem
    for key, (first, second) in MIRRORING_CHOICES.items():
        if key in definition and definition[key] not in (first, second):
            return f'{key} must be "{first}" or "{second}", got {term(definition[key])}'
        if key == "ha-sync-mode" and "ha-sync-batch-size" in definition:
            size = definition["ha-sync-batch-size"]
            if not _is_positive(size):
                return f"ha-sync-batch-size takes an integer greater than 0, {term(size)} given"
    return ""


MIRRORING_CHOICES: Final[dict[str, tuple[str, str]]] = {
    "ha-sync-mode": ("manual", "automatic"),
    "ha-promote-on-shutdown": ("always", "when-synced"),
    "ha-promote-on-failure": ("always", "when-synced"),
}


def _mirrors_problem(mode: PolicyValue, is_given: bool, parameters: PolicyValue) -> str:
    given = term(parameters) if is_given else "none"
    if mode == "all":
        return 'ha-mode="all" does not take parameters' if is_given else ""
    if mode == "exactly":
        return "" if _is_positive(parameters) else f'ha-mode="exactly" takes an integer, {given} given'
    if mode != "nodes":
        return f"{term(mode)} is not a valid ha-mode value"
    if not isinstance(parameters, list):
        return f'ha-mode="nodes" takes a list, {given} given'
    if not parameters:
        return 'ha-mode="nodes" list must be non-empty'
    others: list[object] = [each for each in parameters if not isinstance(each, str)]
    return f'ha-mode="nodes" takes a list of strings, {term(others)} was not a string' if others else ""


def _federation_problem(definition: PolicyDefinition) -> str:
    found = [key for key in FEDERATION if key in definition]
    if len(found) > 1:
        return "cannot specify federation-upstream, federation-upstream-set or federation-upstream-pattern together"
    for key in found:
        value = definition[key]
        if not isinstance(value, str):
            return f"{term(value)} is not a valid {FEDERATION[key]} name"
        if key == "federation-upstream-pattern":
            return _upstream_pattern_problem(value)
    return ""


def _upstream_pattern_problem(pattern: str) -> str:
    try:
        compile_pcre(pattern)
    except InvalidPattern as invalid:
        beginning = f"could not compile pattern {pattern} to a regular expression. Error: "
        text, position = invalid.pcre_error()
        return beginning + quoted_pair(text, position, len(beginning))
    return ""


FEDERATION: Final[dict[str, str]] = {
    "federation-upstream": "federation upstream",
    "federation-upstream-pattern": "federation upstream pattern",
    "federation-upstream-set": "federation upstream set",
}
"""The keys of RabbitMQ's plugin for federation, and what its error texts call their values."""


def _sharding_problem(definition: PolicyDefinition) -> str:
    if "shards-per-node" not in definition:
        return "shards-per-node must be specified" if "routing-key" in definition else ""
    count = definition["shards-per-node"]
    if not isinstance(count, (int, float)) or isinstance(count, bool):
        return f"shards-per-node should be a number, actually was {term(count)}"
    if count < 0:
        return f"shards-per-node should be greater than 0, actually was {term(count)}"
    routing_key = definition.get("routing-key", "")
    if not isinstance(routing_key, str):
        return f"routing-key should be binary, actually was {term(routing_key)}"
    return ""


GROUPS: Final[tuple[Callable[[PolicyDefinition], str], ...]] = (
    _master_locator_problem,
    _mirroring_problem,
    _federation_problem,
    _sharding_problem,
)
"""What RabbitMQ checks before the single keys, in its order (3.10, observed; plugins are not, and come last)."""

KEYS: Final = frozenset(
    (
        *VALUES,
        *FEDERATION,
        "ha-mode",
        "ha-params",
        "ha-sync-batch-size",
        *MIRRORING_CHOICES,
        "queue-master-locator",
        "shards-per-node",
        "routing-key",
    )
)
"""Every key that a policy may have."""

OPERATOR_KEYS: Final = frozenset(
    (
        "expires",
        "message-ttl",
        "max-length",
        "max-length-bytes",
        "max-in-memory-length",
        "max-in-memory-bytes",
        "delivery-limit",
    )
)
"""Every key that an operator policy may have (RabbitMQ 3.10)."""
