"""Methods found in a table: one handler for each that a client may send on a channel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from pamqp.base import Frame as Method

from amqpd.errors import CommandInvalid
from amqpd.wire.fields import Table

if TYPE_CHECKING:
    from amqpd.protocol.channel import Channel

Handler = Callable[..., None]

METHODS: dict[int, Handler] = {}
"""(class-id << 16) | method-id -> handler(channel, method)."""


def handles(method: type[Any]) -> Callable[[Handler], Handler]:
    """Put the decorated function into the table, for one of pamqp's method classes."""

    def register(handler: Handler) -> Handler:
        METHODS[method.index] = handler
        return handler

    return register


def call(channel: Channel, method: Method) -> None:
    """Let the method's handler do it. Raises CommandInvalid (503) for one that only servers send."""
    channel.connection.method_id = method.index
    handler = METHODS.get(method.index)
    if handler is None:
        raise CommandInvalid("unimplemented method")
    handler(channel, method)


def unchecked(method: type[Any], **attributes: object) -> Method:
    """A method to send, made without pamqp's checks: it refuses names that RabbitMQ allows."""
    made: Method = object.__new__(method)
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


def decoded_table(table: object) -> Table:
    """A table of a decoded method: pamqp's classes say that it holds plain values, ours are typed fields."""
    return cast(Table, table)
