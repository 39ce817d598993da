"""Moving messages from one queue to where they are wanted, in a turn: the log has them in one place or in the other."""

from __future__ import annotations

from typing import final

from amqpd.broker.dead_letter import routing_keys
from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.mover import Mover
from amqpd.broker.queues.queue import Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.message import Message, address_of


@final
class IntoQueue(Mover):
    """Moves messages into a queue, and nowhere else: keys in their headers lead to no other."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._address = address_of("", queue.name)

    def readdressed(self, message: Message) -> Message:
        """The message as it is published to the queue."""
        return message.readdressed(self._address)

    def takers(self, message: Message) -> list[Queue]:
        """The queue, if it would take the message."""
        queue = self._queue
        return [] if queue.deleted or queue.refuses(message) else [queue]


@final
class ThroughExchange(Mover):
    """Moves messages to wherever an exchange sends them."""

    def __init__(self, vhost: VirtualHost, exchange: Exchange, routing_key: str) -> None:
        self._vhost = vhost
        self._exchange = exchange
        self._address = address_of(exchange.name, routing_key)

    def readdressed(self, message: Message) -> Message:
        """The message as it is published to the exchange."""
        return message.readdressed(self._address)

    def takers(self, message: Message) -> list[Queue]:
        """All queues that it is routed to, if each of them would take it."""
        exchange = self._exchange
        if self._vhost.exchanges.get(exchange.name) is not exchange:
            return []
        queues = self._vhost.route(exchange, routing_keys(message), message)
        return [] if any(queue.refuses(message) for queue in queues) else queues
