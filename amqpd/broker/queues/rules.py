"""What a queue's arguments and the policies that apply to it ask of it, together (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import math
from typing import Final, final

from mypy_extensions import i64

from amqpd.wire.fields import INTEGER_TYPES, Table

PolicyValue = int | str | bool | float | list[object] | dict[str, object] | None
"""A value of a policy's definition, as JSON gives it."""

PolicyDefinition = dict[str, PolicyValue]

NONE: Final = -1
"""A number that nobody has asked for."""

DROP_HEAD: Final = "drop-head"
REJECT_PUBLISH: Final = "reject-publish"
REJECT_PUBLISH_DLX: Final = "reject-publish-dlx"
OVERFLOWS: Final = (DROP_HEAD, REJECT_PUBLISH, REJECT_PUBLISH_DLX)

AT_MOST_ONCE: Final = "at-most-once"
AT_LEAST_ONCE: Final = "at-least-once"
DEAD_LETTER_STRATEGIES: Final = (AT_MOST_ONCE, AT_LEAST_ONCE)

CLASSIC: Final = "classic"
QUORUM: Final = "quorum"
STREAM: Final = "stream"
QUEUE_TYPES: Final = (CLASSIC, QUORUM, STREAM)

LONGEST_TIME_MS: Final = 315_360_000_000
"""Ten years: no time to live and no expiry is longer."""

LARGEST_PRIORITY: Final = 255

_LARGEST: Final = 2**63 - 1
_DIGITS: Final = 18
_SECOND_MS: Final = 1000
_DAY_MS: Final = 24 * 3600 * _SECOND_MS
_NUMERIC_TYPES: Final = INTEGER_TYPES | frozenset("Tfd")
_UNITS_MS: Final = {
    "Y": 365 * _DAY_MS,
    "M": 30 * _DAY_MS,
    "D": _DAY_MS,
    "h": 3600 * _SECOND_MS,
    "m": 60 * _SECOND_MS,
    "s": _SECOND_MS,
}


@final
class QueueRules:
    """The rules of one queue, -1 where there is none: replaced as a whole when a policy changes."""

    def __init__(self) -> None:
        self.message_ttl_ms: i64 = NONE
        self.expires_ms: i64 = NONE
        self.max_length: i64 = NONE
        self.max_length_bytes: i64 = NONE
        self.overflow = DROP_HEAD
        self.dead_letter_exchange: str | None = None
        """Where dead letters go; "" is the default exchange, None is nowhere."""
        self.dead_letter_routing_key: str | None = None
        """What they are published with there, if not with their own keys."""
        self.dead_letter_strategy = AT_MOST_ONCE
        """What is in force: at-least-once only of a queue that dead-letters, and refuses what is too much."""
        self.max_priority: i64 = NONE
        self.single_active_consumer = False
        self.delivery_limit: i64 = NONE
        self.consumer_timeout_ms: i64 = NONE
        self.max_age_ms: i64 = NONE
        self.max_segment_bytes: i64 = NONE


def queue_rules(arguments: Table, policy: PolicyDefinition | None) -> QueueRules:
    """The rules of a queue with these (checked) arguments, under the policies merged into one definition."""
    sources = _Sources(arguments, policy if policy is not None else {})
    rules = QueueRules()
    queue_type = queue_type_of(arguments)
    if queue_type == STREAM:
        _add_stream_rules(rules, sources)
        return rules
    _add_common_rules(rules, sources)
    if queue_type == QUORUM:
        _add_quorum_rules(rules, sources)
    else:
        _add_classic_rules(rules, sources)
    return rules


def queue_type_of(arguments: Table) -> str:
    """The type that a queue with these arguments has: what RabbitMQ does not know, and a log may yet name, is classic."""
    field = arguments.get("x-queue-type")
    value = field.value if field is not None else CLASSIC
    return value if isinstance(value, str) and value in QUEUE_TYPES else CLASSIC


def age_ms(text: str) -> int | None:
    """The milliseconds of an age such as `7D`: a number and one of the units YMDhms; None if it is no age.

    Of several lines only the first counts. RabbitMQ 3.10 crashes on a text without a number, 4.x refuses it.
    """
    line = text.partition("\n")[0]
    digits, unit = line[:-1], line[-1:]
    if unit not in _UNITS_MS or not (digits.isascii() and digits.isdigit()):
        return None
    digits = digits.lstrip("0")
    if len(digits) > _DIGITS:
        return _LARGEST
    return min(int(digits) * _UNITS_MS[unit], _LARGEST) if digits else None


def _add_common_rules(rules: QueueRules, sources: _Sources) -> None:
    rules.message_ttl_ms = min(sources.smaller("message-ttl"), LONGEST_TIME_MS)
    rules.max_length = sources.smaller("max-length")
    rules.max_length_bytes = sources.smaller("max-length-bytes")
    rules.dead_letter_exchange = sources.argument_first("dead-letter-exchange")
    rules.dead_letter_routing_key = sources.argument_first("dead-letter-routing-key")
    rules.consumer_timeout_ms = min(sources.smaller("consumer-timeout"), LONGEST_TIME_MS)
    rules.single_active_consumer = sources.argument_flag("single-active-consumer")


def _add_classic_rules(rules: QueueRules, sources: _Sources) -> None:
    rules.expires_ms = min(sources.smaller("expires"), LONGEST_TIME_MS)
    rules.overflow = sources.argument_first("overflow") or DROP_HEAD
    rules.max_priority = min(sources.argument_number("max-priority"), LARGEST_PRIORITY)


def _add_quorum_rules(rules: QueueRules, sources: _Sources) -> None:
    rules.expires_ms = min(sources.policy_number_first("expires"), LONGEST_TIME_MS)
    overflow = sources.policy_first("overflow")
    # A quorum queue takes the argument reject-publish-dlx, and then acts as if it had none.
    rules.overflow = REJECT_PUBLISH if overflow == REJECT_PUBLISH else DROP_HEAD
    if rules.dead_letter_exchange is not None and rules.overflow == REJECT_PUBLISH:
        rules.dead_letter_strategy = sources.argument_first("dead-letter-strategy") or AT_MOST_ONCE
    rules.delivery_limit = sources.smaller("delivery-limit")


def _add_stream_rules(rules: QueueRules, sources: _Sources) -> None:
    rules.max_length_bytes = sources.policy_number_first("max-length-bytes")
    rules.max_segment_bytes = sources.policy_number_first("stream-max-segment-size-bytes")
    age = age_ms(sources.policy_first("max-age") or "")
    rules.max_age_ms = NONE if age is None else age


@final
class _Sources:
    """A queue's arguments and its policy, asked by the name that both have for a rule."""

    def __init__(self, arguments: Table, policy: PolicyDefinition) -> None:
        self._arguments = arguments
        self._policy = policy

    def smaller(self, name: str) -> int:
        """The smaller of both numbers, or the one that is there."""
        argument, policy = self.argument_number(name), self._policy_number(name)
        if argument == NONE or policy == NONE:
            return max(argument, policy)
        return min(argument, policy)

    def policy_number_first(self, name: str) -> int:
        """The policy's number, else the argument's."""
        policy = self._policy_number(name)
        return self.argument_number(name) if policy == NONE else policy

    def argument_first(self, name: str) -> str | None:
        """The argument's text, else the policy's."""
        argument = self._argument_text(name)
        return self._policy_text(name) if argument is None else argument

    def policy_first(self, name: str) -> str | None:
        """The policy's text, else the argument's."""
        policy = self._policy_text(name)
        return self._argument_text(name) if policy is None else policy

    def argument_number(self, name: str) -> int:
        """The argument's number, or -1.

        RabbitMQ takes any value for x-delivery-limit: no message is delivered again where it is negative, a fraction
        counts for the whole number below it, and what is no number is no limit.
        """
        field = self._arguments.get(f"x-{name}")
        if field is None or field.type not in _NUMERIC_TYPES:
            return NONE
        value = field.value
        assert isinstance(value, (int, float))
        if value < 0:
            return 0
        return int(min(value, _LARGEST)) if math.isfinite(value) else NONE

    def argument_flag(self, name: str) -> bool:
        """Whether an argument is there and true."""
        field = self._arguments.get(f"x-{name}")
        return field is not None and field.value is True

    def _argument_text(self, name: str) -> str | None:
        field = self._arguments.get(f"x-{name}")
        return field.value if field is not None and isinstance(field.value, str) else None

    def _policy_number(self, name: str) -> int:
        value = self._policy.get(name)
        return min(value, _LARGEST) if isinstance(value, int) and not isinstance(value, bool) else NONE

    def _policy_text(self, name: str) -> str | None:
        value = self._policy.get(name)
        return value if isinstance(value, str) else None
