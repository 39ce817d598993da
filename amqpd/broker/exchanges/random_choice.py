"""Exchanges that choose at random: x-random, and x-local-random of RabbitMQ 4."""

from __future__ import annotations

from amqpd.broker.binding import Binding, BindingKey, Destination
from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import Queue
from amqpd.broker.random_numbers import RandomNumbers
from amqpd.errors import PreconditionFailed
from amqpd.message import Message
from amqpd.wire.fields import Table


class Random(Exchange):
    """One binding gets the message, whatever its key: two bindings of a queue are two chances."""

    exchange_type = "x-random"
    routes_by_content = True

    def __init__(
        self, name: str, vhost: str, durable: bool, auto_delete: bool, internal: bool, arguments: Table
    ) -> None:
        super().__init__(name, vhost, durable, auto_delete, internal, arguments)
        self._random_numbers: RandomNumbers | None = None
        self._choices: list[Binding] = []
        self._places: dict[BindingKey, int] = {}

    def attach(self, random_numbers: RandomNumbers) -> None:
        """Take the numbers by which messages find their way."""
        self._random_numbers = random_numbers

    def route(self, routing_keys: list[str], message: Message) -> list[Destination]:
        """Choose anew for each message."""
        choices = self._choices
        if not choices:
            return []
        numbers = self._random_numbers
        place = int(numbers.below(len(choices))) if numbers is not None and len(choices) > 1 else 0
        return [choices[place].destination]

    def index(self, binding: Binding) -> None:
        """One choice more."""
        self._places[binding.key] = len(self._choices)
        self._choices.append(binding)

    def unindex(self, binding: Binding) -> None:
        """The last choice takes the place of the one that goes."""
        place = self._places.pop(binding.key)
        last = self._choices.pop()
        if last is not binding:
            self._choices[place] = last
            self._places[last.key] = place


class LocalRandom(Random):
    """The same among classic queues of this node, which are all there are, bound with no key (RabbitMQ 4)."""

    exchange_type = "x-local-random"

    def check_binding(self, destination: Destination, routing_key: str, arguments: Table) -> None:
        """Raise PreconditionFailed (406) for a routing key, for an exchange, or for another type of queue."""
        if routing_key:
            raise PreconditionFailed(f"Non empty binding '{routing_key}' key not permitted")
        if not isinstance(destination, Queue):
            raise PreconditionFailed("Destination not found")
        if destination.queue_type != "classic":
            raise PreconditionFailed(
                f"Queue type rabbit_{destination.queue_type}_queue not valid for this exchange type"
            )
