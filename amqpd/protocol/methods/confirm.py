"""Class confirm, RabbitMQ's extension for publisher confirms."""

from __future__ import annotations

from pamqp import commands

from amqpd.errors import PreconditionFailed
from amqpd.protocol.channel import Channel
from amqpd.protocol.confirms import Confirms
from amqpd.protocol.dispatch import handles


@handles(commands.Confirm.Select)
def select(channel: Channel, method: commands.Confirm.Select) -> None:
    """Number what is published from now on, and confirm it."""
    if channel.transaction is not None:
        raise PreconditionFailed("cannot switch from tx to confirm mode")
    if channel.confirms is None:
        channel.confirms = Confirms(channel)
        channel.is_plain = False
    if not method.nowait:
        channel.send(commands.Confirm.SelectOk())
