"""The queue types, by the name that x-queue-type has for them."""

from __future__ import annotations

from typing import Final

from amqpd.broker.queues.classic import ClassicQueue
from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.quorum import QuorumQueue
from amqpd.broker.queues.rules import CLASSIC, QUORUM, STREAM
from amqpd.broker.queues.stream import StreamQueue

QUEUE_TYPES: Final[dict[str, type[Queue]]] = {
    CLASSIC: ClassicQueue,
    QUORUM: QuorumQueue,
    STREAM: StreamQueue,
}
