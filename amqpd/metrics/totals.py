"""What the whole broker has counted and that outlives what it was counted of: totals never go down."""

from __future__ import annotations

from typing import final

from amqpd.metrics.message_counts import MessageCounts


@final
class Ended:
    """What was counted of channels, queues and connections that are gone."""

    def __init__(self) -> None:
        self.channels = MessageCounts()
        self.queues: dict[str, MessageCounts] = {}
        """By type of queue."""
        self.received_bytes = 0
        self.written_bytes = 0
        self.reads = 0
        """How often something was received; `writes` is how often something was written."""
        self.writes = 0

    def channel_ended(self, counts: MessageCounts) -> None:
        """A channel is over."""
        self.channels.add(counts)

    def queue_ended(self, queue_type: str, counts: MessageCounts) -> None:
        """A queue is gone."""
        self.of_queues(queue_type).add(counts)

    def of_queues(self, queue_type: str) -> MessageCounts:
        """What was counted of queues of a type."""
        return self.queues.setdefault(queue_type, MessageCounts())

    def connection_ended(self, received_bytes: int, written_bytes: int, reads: int, writes: int) -> None:
        """A connection is over."""
        self.received_bytes += received_bytes
        self.written_bytes += written_bytes
        self.reads += reads
        self.writes += writes


@final
class LoginCounts:
    """How often clients of a protocol have tried to log in, and did."""

    __slots__ = ("attempts", "succeeded")

    def __init__(self) -> None:
        self.attempts = 0
        self.succeeded = 0


@final
class Logins:
    """The same of each protocol: "amqp091" and "http", as RabbitMQ calls them."""

    def __init__(self) -> None:
        self.counts: dict[str, LoginCounts] = {}

    def note(self, protocol: str, has_succeeded: bool) -> None:
        """Somebody has tried."""
        counts = self.counts.setdefault(protocol, LoginCounts())
        counts.attempts += 1
        counts.succeeded += has_succeeded
