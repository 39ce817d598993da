"""Class access of AMQP 0-8, which some clients still open a channel with."""

from __future__ import annotations

from pamqp.base import Frame as Method

from amqpd.protocol.channel import Channel
from amqpd.protocol.dispatch import handles
from amqpd.wire.methods import Access


@handles(Access.Request)
def request(channel: Channel, method: Method) -> None:
    """Grant what was asked: permissions are checked elsewhere (RabbitMQ 3.10, observed)."""
    channel.send(Access.RequestOk(1))
