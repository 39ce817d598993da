"""Class channel (1.5)."""

from __future__ import annotations

from pamqp import commands

from amqpd.errors import ChannelError, NotImplementedByBroker
from amqpd.protocol.channel import SECOND_OPEN, Channel
from amqpd.protocol.dispatch import handles


@handles(commands.Channel.Open)
def open_again(channel: Channel, method: commands.Channel.Open) -> None:
    """The channel is open already."""
    raise ChannelError(SECOND_OPEN)


@handles(commands.Channel.Flow)
def flow(channel: Channel, method: commands.Channel.Flow) -> None:
    """Deliveries always flow; to stop them is not implemented (RabbitMQ 3.10, observed)."""
    if not method.active:
        raise NotImplementedByBroker("active=false")
    channel.send(commands.Channel.FlowOk(True))


@handles(commands.Channel.Close)
def close(channel: Channel, method: commands.Channel.Close) -> None:
    """Release what the channel holds, then answer."""
    channel.send_confirms()
    channel.begin_closing()
    channel.send(commands.Channel.CloseOk())
    channel.connection.forget_channel(channel)
