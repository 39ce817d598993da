"""What each method does, one file an AMQP class; importing them fills the table of `dispatch`."""

from __future__ import annotations

from amqpd.protocol.methods import access, basic, channel, confirm, exchange, queue, tx

__all__ = ["access", "basic", "channel", "confirm", "exchange", "queue", "tx"]
