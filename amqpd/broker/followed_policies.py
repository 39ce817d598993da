"""Which policies each queue and exchange of a vhost follows, and that they do when policies change."""

from __future__ import annotations

from typing import final

from amqpd.broker.binding import Destination
from amqpd.broker.exchange import Exchange
from amqpd.broker.policy import Effective, VhostPolicies
from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.rules import queue_type_of


@final
class FollowedPolicies:
    """The policies of one vhost, whose exchanges and queues it knows; whoever owns these changes them."""

    def __init__(self, exchanges: dict[str, Exchange], queues: dict[str, Queue]) -> None:
        self.policies = VhostPolicies()
        self.effective: dict[Destination, Effective] = {}
        """What applies to each queue and exchange that anything applies to."""
        self._exchanges = exchanges
        self._queues = queues

    def changed(self) -> None:
        """Policies have changed: exchanges first, so that what dies in a queue now goes the new ways."""
        self.policies.changed()
        for exchange in list(self._exchanges.values()):
            self.exchange_begins(exchange)
        for queue in list(self._queues.values()):
            if not queue.deleted:
                self.queue_begins(queue)

    def exchange_begins(self, exchange: Exchange) -> None:
        """Let an exchange follow what applies to it."""
        found = self.policies.applying(exchange.name, "")
        # The default exchange has policies, and does nothing about them (RabbitMQ 3.10, observed).
        if self._is_new(exchange, found) and exchange.name:
            exchange.apply_policy(None if found is None else found.definition)

    def queue_begins(self, queue: Queue) -> None:
        """Let a queue follow what applies to it."""
        found = self.policies.applying(queue.name, queue_type_of(queue.arguments))
        if self._is_new(queue, found):
            queue.apply_policy(None if found is None else found.definition)

    def ends(self, destination: Destination) -> None:
        """A queue or exchange is gone."""
        self.effective.pop(destination, None)

    def _is_new(self, destination: Destination, found: Effective | None) -> bool:
        """Remember what applies now; whether it asks for anything else than what applied before."""
        before = self.effective.pop(destination, None)
        if found is None:
            return before is not None
        self.effective[destination] = found
        return not found.says_the_same(before)
