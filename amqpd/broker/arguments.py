"""Arguments of declarations and consumers: what values they take, and RabbitMQ's words when they don't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amqpd.broker.queues.rules import (
    CLASSIC,
    DEAD_LETTER_STRATEGIES,
    LARGEST_PRIORITY,
    LONGEST_TIME_MS,
    OVERFLOWS,
    QUEUE_TYPES,
    QUORUM,
    STREAM,
    age_ms,
    queue_type_of,
)
from amqpd.errors import PreconditionFailed
from amqpd.wire import terms
from amqpd.wire.fields import INTEGER_TYPES, TYPE_NAMES, Field, Table, bytes_of, same_argument

Check = Callable[[Field, Table], str]
"""The Erlang term that says what is wrong with a value (beside all the arguments), or nothing."""

ALTERNATE_EXCHANGE: Final = "alternate-exchange"
DEAD_LETTER_EXCHANGE: Final = "x-dead-letter-exchange"
PRIORITY: Final = "x-priority"
QUEUE_TYPE: Final = "x-queue-type"
SEGMENT_SIZE: Final = "x-stream-max-segment-size-bytes"
FILTER_SIZE: Final = "x-stream-filter-size-bytes"

LARGEST_SEGMENT_BYTES: Final = 3_000_000_000
LEADER_LOCATORS: Final = ("client-local", "balanced", "random", "least-leaders")
QUEUE_MODES: Final = ("default", "lazy")
QUEUE_VERSIONS: Final = (1, 2)


# What values there are


def anything(field: Field, arguments: Table) -> str:
    """RabbitMQ knows the argument, and looks at its value only when it uses it."""
    return ""


def an_integer(field: Field, arguments: Table) -> str:
    """Any of the integer types."""
    if field.type in INTEGER_TYPES:
        return ""
    return terms.string(f"expected integer, got {TYPE_NAMES[field.type]}")


def a_boolean(field: Field, arguments: Table) -> str:
    """A bool, and no number in its place."""
    return "" if field.type == "t" else _unacceptable_type(field)


def a_count(field: Field, arguments: Table) -> str:
    """An integer from 0."""
    problem = an_integer(field, arguments)
    return problem or _if(_number(field) < 0, f"{{value_negative,{field.value}}}")


def a_positive_count(field: Field, arguments: Table) -> str:
    """An integer from 1."""
    problem = a_count(field, arguments)
    return problem or _if(field.value == 0, "{value_zero,0}")


def a_time(field: Field, arguments: Table) -> str:
    """Milliseconds, from 0 to ten years."""
    problem = a_count(field, arguments)
    return problem or _if(_number(field) > LONGEST_TIME_MS, f"{{value_too_large,{field.value}}}")


def a_positive_time(field: Field, arguments: Table) -> str:
    """Milliseconds, from 1 to ten years."""
    problem = an_integer(field, arguments) or _if(field.value == 0, "{value_zero,0}")
    return problem or a_time(field, arguments)


def a_largest_priority(field: Field, arguments: Table) -> str:
    """An integer from 0 to 255."""
    problem = a_count(field, arguments)
    return problem or _if(_number(field) > LARGEST_PRIORITY, f"{{max_value_exceeded,{field.value}}}")


def an_exchange(field: Field, arguments: Table) -> str:
    """The name of an exchange, which need not exist."""
    return _unacceptable_text(field)


def a_dead_letter_key(field: Field, arguments: Table) -> str:
    """A routing key, which makes no sense without an exchange for it."""
    missing = DEAD_LETTER_EXCHANGE not in arguments
    return _unacceptable_text(field) or _if(missing, "routing_key_but_no_dlx_defined")


def a_dead_letter_strategy(field: Field, arguments: Table) -> str:
    """How sure dead letters must be to arrive."""
    return _one_of(field, DEAD_LETTER_STRATEGIES, "invalid_dlx_strategy")


def an_overflow(field: Field, arguments: Table) -> str:
    """What a full queue does."""
    return _one_of(field, OVERFLOWS, "invalid_overflow")


def a_leader_locator(field: Field, arguments: Table) -> str:
    """Where in a cluster the leader of a queue is put."""
    return _one_of(field, LEADER_LOCATORS, "invalid_queue_locator_arg")


def a_queue_mode(field: Field, arguments: Table) -> str:
    """Whether RabbitMQ keeps messages on disk early."""
    return _one_of(field, QUEUE_MODES, _unsupported("mode", field))


def a_queue_type(field: Field, arguments: Table) -> str:
    """Which kind of queue it is to be."""
    return _one_of(field, QUEUE_TYPES, _unsupported("type", field))


def a_queue_version(field: Field, arguments: Table) -> str:
    """Which of RabbitMQ's storages of classic queues is to be used."""
    problem = a_count(field, arguments)
    return problem or _if(field.value not in QUEUE_VERSIONS, _unsupported("version", field))


def an_age(field: Field, arguments: Table) -> str:
    """A number and a unit, such as 7D."""
    return _unacceptable_text(field) or _if(age_ms(str(field.value)) is None, "invalid_max_age")


def a_stream_offset(field: Field, arguments: Table) -> str:
    """`first`, `last`, `next`, an age, an offset or a timestamp."""
    if field.type in INTEGER_TYPES or field.type == "T":
        return ""
    if field.value in ("first", "last", "next", b"first", b"last", b"next"):
        return ""
    if field.type == "S" and age_ms(str(field.value)) is not None:
        return ""
    return f"{{invalid_stream_offset_arg,{{{TYPE_NAMES[field.type]},{terms.term(field)}}}}}"


def _number(field: Field) -> int:
    assert isinstance(field.value, int)
    return field.value


def _if(is_so: bool, problem: str) -> str:
    return problem if is_so else ""


def _one_of(field: Field, known: tuple[str, ...], problem: str) -> str:
    return _unacceptable_text(field) or _if(field.value not in known, problem)


def _unacceptable_text(field: Field) -> str:
    return "" if field.type == "S" else _unacceptable_type(field)


def _unacceptable_type(field: Field) -> str:
    return f"{{unacceptable_type,{TYPE_NAMES[field.type]}}}"


def _unsupported(what: str, field: Field) -> str:
    return terms.byte_string(bytes_of(f"unsupported queue {what} '{field.value}'"))


# Which arguments there are

QUEUE_ARGUMENTS: Final[dict[str, Check]] = {
    "x-expires": a_positive_time,
    "x-message-ttl": a_time,
    DEAD_LETTER_EXCHANGE: an_exchange,
    "x-dead-letter-routing-key": a_dead_letter_key,
    "x-dead-letter-strategy": a_dead_letter_strategy,
    "x-max-length": a_count,
    "x-max-length-bytes": a_count,
    "x-max-in-memory-length": a_count,
    "x-max-in-memory-bytes": a_count,
    "x-max-priority": a_largest_priority,
    "x-overflow": an_overflow,
    "x-queue-mode": a_queue_mode,
    "x-queue-version": a_queue_version,
    "x-single-active-consumer": a_boolean,
    QUEUE_TYPE: a_queue_type,
    "x-quorum-initial-group-size": a_positive_count,
    "x-max-age": an_age,
    SEGMENT_SIZE: a_count,
    "x-initial-cluster-size": a_positive_count,
    "x-queue-leader-locator": a_leader_locator,
    "x-delivery-limit": anything,
    "x-queue-master-locator": anything,
}
"""Arguments of queues, in the order in which RabbitMQ 3.10 checks them."""

NEWER_QUEUE_ARGUMENTS: Final[dict[str, dict[str, Check]]] = {
    CLASSIC: {"x-consumer-timeout": a_count},
    QUORUM: {"x-consumer-timeout": a_count},
    STREAM: {FILTER_SIZE: a_count},
}
"""What only later versions know, of queues of each type: checked, but as in 3.10 neither refused elsewhere nor compared."""

ARGUMENTS_OF_QUEUES: Final[dict[str, tuple[str, ...]]] = {
    CLASSIC: (
        "x-expires",
        "x-message-ttl",
        DEAD_LETTER_EXCHANGE,
        "x-dead-letter-routing-key",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-priority",
        "x-overflow",
        "x-queue-mode",
        "x-queue-version",
        "x-single-active-consumer",
        QUEUE_TYPE,
        "x-queue-master-locator",
    ),
    QUORUM: (
        DEAD_LETTER_EXCHANGE,
        "x-dead-letter-routing-key",
        "x-dead-letter-strategy",
        "x-expires",
        "x-max-length",
        "x-max-length-bytes",
        "x-max-in-memory-length",
        "x-max-in-memory-bytes",
        "x-overflow",
        "x-single-active-consumer",
        QUEUE_TYPE,
        "x-quorum-initial-group-size",
        "x-delivery-limit",
        "x-message-ttl",
        "x-queue-leader-locator",
    ),
    STREAM: (
        "x-max-length-bytes",
        QUEUE_TYPE,
        "x-max-age",
        SEGMENT_SIZE,
        "x-initial-cluster-size",
        "x-queue-leader-locator",
    ),
}
"""Which arguments each type of queue has, in the order in which redeclarations are compared."""

CONSUMER_ARGUMENTS: Final[dict[str, Check]] = {
    PRIORITY: an_integer,
    "x-cancel-on-ha-failover": a_boolean,
    "x-stream-offset": a_stream_offset,
}
"""Arguments of consumers. RabbitMQ's x-credit, of AMQP 1.0, is let pass without effect."""

ARGUMENTS_OF_CONSUMERS: Final[dict[str, tuple[str, ...]]] = {
    CLASSIC: (PRIORITY, "x-cancel-on-ha-failover"),
    QUORUM: (PRIORITY,),
    STREAM: ("x-stream-offset",),
}


# Declarations of queues


def with_default_type(
    arguments: Table, default_type: str, durable: bool, exclusive: bool, auto_delete: bool
) -> Table:
    """The arguments with the vhost's default queue type, where the client names none and the queue could be of it."""
    if not default_type or QUEUE_TYPE in arguments:
        return arguments
    if default_type != CLASSIC and (not durable or exclusive or auto_delete):
        return arguments
    return {**arguments, QUEUE_TYPE: Field("S", default_type)}


def check_may_be_server_named(arguments: Table) -> None:
    """Raise PreconditionFailed (406) for a queue of a type that must have a name."""
    field = arguments.get(QUEUE_TYPE)
    queue_type = field.value if field is not None else CLASSIC
    if isinstance(queue_type, bytes):
        queue_type = queue_type.decode(errors="replace")
    if queue_type in (QUORUM, STREAM):
        raise PreconditionFailed(f"Cannot declare a server-named queue for type {_module(str(queue_type))}")


def check_new_queue(title: str, durable: bool, auto_delete: bool, exclusive: bool, arguments: Table) -> None:
    """Raise PreconditionFailed (406) for what a new queue of its type can't have or be."""
    check_queue_arguments(title, arguments)
    queue_type = queue_type_of(arguments)
    if queue_type != CLASSIC:
        _check_property(title, "auto-delete", not auto_delete)
        _check_property(title, "exclusive-owner", not exclusive)
        _check_property(title, "non-durable", durable)
    if queue_type == STREAM:
        _check_stream_sizes(arguments)


def check_queue_arguments(title: str, arguments: Table) -> None:
    """Raise PreconditionFailed (406) for an argument that a queue of its type can't have."""
    _check_values(title, arguments, QUEUE_ARGUMENTS, (QUEUE_TYPE,))
    queue_type = queue_type_of(arguments)
    _check_values(title, arguments, QUEUE_ARGUMENTS, ARGUMENTS_OF_QUEUES[queue_type])
    newer = NEWER_QUEUE_ARGUMENTS[queue_type]
    _check_values(title, arguments, newer, tuple(newer))
    _check_names(title, queue_type, arguments, QUEUE_ARGUMENTS, ARGUMENTS_OF_QUEUES[queue_type])


def check_equivalent_arguments(title: str, received: Table, current: Table) -> None:
    """Raise PreconditionFailed (406) if a redeclaration differs in an argument that the queue's type has."""
    for name in ARGUMENTS_OF_QUEUES[queue_type_of(current)]:
        if name == QUEUE_TYPE and _is_classic(received) and _is_classic(current):
            continue
        check_equivalent_argument(title, name, received, current)


def _is_classic(arguments: Table) -> bool:
    field = arguments.get(QUEUE_TYPE)
    return field is None or (field.type == "S" and field.value == CLASSIC)


def _check_property(title: str, name: str, is_fine: bool) -> None:
    if not is_fine:
        raise PreconditionFailed(f"invalid property '{name}' for {title}")


def _check_stream_sizes(arguments: Table) -> None:
    segment_size = arguments.get(SEGMENT_SIZE)
    if segment_size is not None and _number(segment_size) > LARGEST_SEGMENT_BYTES:
        raise PreconditionFailed(f"Exceeded max value for {SEGMENT_SIZE}")
    filter_size = arguments.get(FILTER_SIZE)
    if filter_size is not None and not 16 <= _number(filter_size) <= 255:
        raise PreconditionFailed(f"Invalid value for {FILTER_SIZE}")


# Consumers


def check_consumer_arguments(title: str, queue_type: str, arguments: Table) -> None:
    """Raise PreconditionFailed (406) for an argument that a consumer of a queue of this type can't have."""
    known = ARGUMENTS_OF_CONSUMERS[queue_type]
    ordered = tuple(name for name in CONSUMER_ARGUMENTS if name in known)
    _check_values(title, arguments, CONSUMER_ARGUMENTS, ordered)
    _check_names(title, queue_type, arguments, CONSUMER_ARGUMENTS, known)


def _check_values(title: str, arguments: Table, checks: dict[str, Check], names: tuple[str, ...]) -> None:
    for name, check in checks.items():
        field = arguments.get(name)
        if field is None or name not in names:
            continue
        problem = check(field, arguments)
        if problem:
            raise PreconditionFailed(f"invalid arg '{name}' for {title}: {problem}")


def _check_names(
    title: str, queue_type: str, arguments: Table, checks: dict[str, Check], names: tuple[str, ...]
) -> None:
    for name in arguments:
        if name in checks and name not in names:
            raise PreconditionFailed(f"invalid arg '{name}' for {title} of queue type {_module(queue_type)}")


def _module(queue_type: str) -> str:
    return f"rabbit_{queue_type}_queue"


# Arguments of any resource


def resource_argument(title: str, arguments: Table, name: str) -> str | None:
    """The name of an exchange that an argument gives, or None; raises PreconditionFailed (406) if it is no text."""
    field = arguments.get(name)
    if field is None:
        return None
    if field.type != "S":
        raise PreconditionFailed(f"invalid type '{TYPE_NAMES[field.type]}' for arg '{name}' in {title}")
    return str(field.value)


def check_equivalent_argument(title: str, name: str, received: Table, current: Table) -> None:
    """Raise PreconditionFailed (406), in RabbitMQ's words, if a redeclaration's argument differs."""
    new, old = received.get(name), current.get(name)
    if new is None and old is None:
        return
    if new is None or old is None:
        raise PreconditionFailed(
            f"inequivalent arg '{name}' for {title}: received {_described(new)} but current is {_described(old)}"
        )
    if not same_argument(new, old):
        raise PreconditionFailed(
            f"inequivalent arg '{name}' for {title}: received {_quoted(new)} but current is {_quoted(old)}"
        )


def _described(field: Field | None) -> str:
    return "none" if field is None else f"the value '{_shown(field)}' of type '{TYPE_NAMES[field.type]}'"


def _quoted(field: Field) -> str:
    return "none" if field.type == "V" else f"'{_shown(field)}'"


def _shown(field: Field) -> str:
    """Text and octets as they are, everything else as an Erlang term."""
    if isinstance(field.value, bytes):
        return field.value.decode(errors="surrogateescape")
    return field.value if isinstance(field.value, str) else terms.term(field)
