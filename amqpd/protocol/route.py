"""Where an exchange and routing key lead, remembered per channel so that publishing looks one thing up."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.rules import CLASSIC


@final
class Route:
    """The answer for one address: permission was given and the exchange takes it.

    Good as long as the vhost's topology is still the one it was made for. `queues` is None where
    headers decide, or the firehose has to be told, so that each message is routed anew.
    """

    def __init__(
        self,
        address: bytes,
        exchange: Exchange,
        routing_key: str,
        queues: list[Queue] | None,
        topology: i64,
    ) -> None:
        self.address = address
        """Kept for all messages that come this way, so that each need not keep one of its own."""
        self.exchange = exchange
        self.routing_key = routing_key
        self.queues = queues
        self.only = only_classic(queues)
        """The queue, if all that comes this way goes to a single one, which is a classic queue."""
        self.topology = topology
        self.published: i64 = 0
        """How many messages have gone this way that nobody has counted yet; see Publishing.collect_counts."""


def only_classic(queues: list[Queue] | None) -> ClassicQueue | None:
    """The queue, if there is no other, and it is a classic one."""
    if queues is None or len(queues) != 1:
        return None
    queue = queues[0]
    return queue if isinstance(queue, ClassicQueue) and queue.queue_type == CLASSIC else None
