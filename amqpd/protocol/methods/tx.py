"""Class tx (1.9): publishes and settlements that happen together at commit."""

from __future__ import annotations

from mypy_extensions import i64
from pamqp import commands

from amqpd.broker.queues.queue import REFUSED
from amqpd.errors import PreconditionFailed
from amqpd.protocol.channel import Channel
from amqpd.protocol.dispatch import handles
from amqpd.protocol.transaction import Transaction


@handles(commands.Tx.Select)
def select(channel: Channel, method: commands.Tx.Select) -> None:
    """Hold publishes and settlements back from now on."""
    if channel.confirms is not None:
        raise PreconditionFailed("cannot switch from confirm to tx mode")
    if channel.transaction is None:
        channel.transaction = Transaction()
        channel.is_plain = False
    channel.send(commands.Tx.SelectOk())


@handles(commands.Tx.Commit)
def commit(channel: Channel, method: commands.Tx.Commit) -> None:
    """Publish what was held back, then settle; mandatory messages without a queue return before commit-ok."""
    transaction = _transaction_of(channel)
    channel.vhost.check_log(transaction.is_durable())
    channel.transaction = Transaction()
    outcome: i64 = 0
    for publish in transaction.publishes:
        outcome |= channel.publish_held(publish)
    for settlement in transaction.settlements:
        channel.settle_all([delivery for _tag, delivery in settlement.deliveries], settlement.outcome)
    if outcome & REFUSED:
        raise PreconditionFailed("partial tx completion")
    channel.answer_when_durable(commands.Tx.CommitOk())


@handles(commands.Tx.Rollback)
def rollback(channel: Channel, method: commands.Tx.Rollback) -> None:
    """Forget what was published; what was settled is unsettled again, under the same tags."""
    transaction = _transaction_of(channel)
    channel.transaction = Transaction()
    for settlement in transaction.settlements:
        channel.unacked.restore(settlement.deliveries)
    channel.send(commands.Tx.RollbackOk())


def _transaction_of(channel: Channel) -> Transaction:
    if channel.transaction is None:
        raise PreconditionFailed("channel is not transactional")
    return channel.transaction
