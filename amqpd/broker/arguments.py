"""Arguments of declarations and consumers: what values they take, and RabbitMQ's words when they don't."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from amqpd.errors import PreconditionFailed
from amqpd.wire import terms
from amqpd.wire.fields import INTEGER_TYPES, TYPE_NAMES, Field, Table, same_argument

Check = Callable[[Field], str]
"""The Erlang term that says what is wrong with a value, or nothing."""

ALTERNATE_EXCHANGE: Final = "alternate-exchange"
PRIORITY: Final = "x-priority"
STREAM_OFFSET: Final = "x-stream-offset"


def an_integer(field: Field) -> str:
    """Any of the integer types."""
    if field.type in INTEGER_TYPES:
        return ""
    return terms.string(f"expected integer, got {TYPE_NAMES[field.type]}")


def a_boolean(field: Field) -> str:
    """A bool, and no number in its place."""
    return "" if field.type == "t" else f"{{unacceptable_type,{TYPE_NAMES[field.type]}}}"


QUEUE_ARGUMENTS_WITHOUT_EFFECT: Final = frozenset(
    (
        "x-message-ttl",
        "x-expires",
        "x-max-length",
        "x-max-length-bytes",
        "x-overflow",
        "x-dead-letter-exchange",
        "x-dead-letter-routing-key",
        "x-max-priority",
        "x-single-active-consumer",
        "x-delivery-limit",
        "x-max-age",
    )
)
"""What RabbitMQ's queues act on and ours do not yet: whoever declares it is told so in the log."""

CONSUMER_ARGUMENTS: Final[dict[str, Check]] = {
    PRIORITY: an_integer,
    "x-cancel-on-ha-failover": a_boolean,
}


def check_consumer_arguments(title: str, arguments: Table) -> None:
    """Raise PreconditionFailed (406) for an argument that a consumer of this queue can't have."""
    for name, check in CONSUMER_ARGUMENTS.items():
        field = arguments.get(name)
        problem = check(field) if field is not None else ""
        if problem:
            raise PreconditionFailed(f"invalid arg '{name}' for {title}: {problem}")
    if STREAM_OFFSET in arguments:
        raise PreconditionFailed(
            f"invalid arg '{STREAM_OFFSET}' for {title} of queue type rabbit_classic_queue"
        )


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
            f"inequivalent arg '{name}' for {title}: received '{new.value}' but current is '{old.value}'"
        )


def _described(field: Field | None) -> str:
    return "none" if field is None else f"the value '{field.value}' of type '{TYPE_NAMES[field.type]}'"
