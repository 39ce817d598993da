"""How a message finds its queues: through exchanges and what is bound to them (3.1.2)."""

from __future__ import annotations

from typing import final

from amqpd.broker.binding import Destination
from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import Queue
from amqpd.message import Message


@final
class Router:
    """Knows the exchanges and queues of one vhost by their names; whoever owns these changes them."""

    def __init__(
        self, exchanges: dict[str, Exchange], queues: dict[str, Queue], reply_queues: dict[str, Queue]
    ) -> None:
        """`reply_queues` are reached through the default exchange, and by nothing else."""
        self._exchanges = exchanges
        self._queues = queues
        self._reply_queues = reply_queues

    def route(self, exchange: Exchange, routing_keys: list[str], message: Message) -> list[Queue]:
        """The queues that a message published to `exchange` goes to, each once.

        An exchange from which it would go nowhere hands it to its alternate exchange, if that exists.
        """
        queues: dict[Queue, None] = {}
        visited = {exchange.name}
        to_visit = [exchange]
        while to_visit:
            current = to_visit.pop()
            if current is exchange and not current.name:
                found = self._named(routing_keys)
            else:
                # As an alternate exchange the default one leads nowhere (RabbitMQ 3.10, observed).
                found = current.route(routing_keys, message)
            if not found and current.alternate_exchange in self._exchanges:
                found.append(self._exchanges[current.alternate_exchange])
            for destination in found:
                if isinstance(destination, Queue):
                    queues[destination] = None
                elif isinstance(destination, Exchange) and destination.name not in visited:
                    visited.add(destination.name)
                    to_visit.append(destination)
        return list(queues)

    def routes_by_content(self, exchange: Exchange) -> bool:
        """Whether more than its routing key can decide the way of a message published to `exchange`."""
        visited = {exchange.name}
        to_visit = [exchange]
        while to_visit:
            current = to_visit.pop()
            if current.routes_by_content:
                return True
            onward = list(current.onward.values())
            if current.alternate_exchange in self._exchanges:
                onward.append(self._exchanges[current.alternate_exchange])
            for destination in onward:
                if isinstance(destination, Exchange) and destination.name not in visited:
                    visited.add(destination.name)
                    to_visit.append(destination)
        return False

    def _named(self, routing_keys: list[str]) -> list[Destination]:
        """Where the default exchange leads."""
        found: list[Destination] = []
        for routing_key in routing_keys:
            queue = self._queues.get(routing_key) or self._reply_queues.get(routing_key)
            if queue is not None:
                found.append(queue)
        return found
