"""What a transactional channel holds back until tx.commit (1.9, RabbitMQ's semantics)."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.rules import CLASSIC
from amqpd.broker.unacked import Delivery
from amqpd.message import NOT_LOGGED, PERSISTENT, Message


@final
class HeldPublish:
    """A message routed when it was published, handed to its queues, and counted, when the transaction commits."""

    def __init__(self, exchange: Exchange, message: Message, queues: list[Queue], mandatory: bool) -> None:
        self.exchange = exchange
        self.message = message
        self.queues = queues
        self.mandatory = mandatory


@final
class HeldSettlement:
    """Deliveries that an ack, nack or reject settled, and how: ACKED, REQUEUED or REJECTED."""

    def __init__(self, deliveries: list[tuple[int, Delivery]], outcome: i64) -> None:
        self.deliveries = deliveries
        self.outcome = outcome


@final
class Transaction:
    """Publishes and settlements since tx.select or the last commit or rollback."""

    def __init__(self) -> None:
        self.publishes: list[HeldPublish] = []
        self.settlements: list[HeldSettlement] = []

    def is_durable(self) -> bool:
        """Whether anything in it has to be on disk when it is committed."""
        return any(
            queue.logged and (publish.message.flags & PERSISTENT != 0 or queue.queue_type != CLASSIC)
            for publish in self.publishes
            for queue in publish.queues
        ) or any(
            delivery.message.log_position != NOT_LOGGED
            for settlement in self.settlements
            for _tag, delivery in settlement.deliveries
        )
