"""What becomes of dead letters: they are published to the dead letter exchange of the queue they died in."""

from __future__ import annotations

from collections import deque
from typing import Final, final

from mypy_extensions import i64

from amqpd.broker.dead_letter import FirstDeath, died, has_cycled, routing_keys
from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import NOWHERE, REFUSED, TAKEN, Queue
from amqpd.broker.router import Router
from amqpd.clock import Clock
from amqpd.errors import ResourceError
from amqpd.events import QUEUE, Events
from amqpd.message import Message

REMEMBERED_QUEUES_MAX: Final = 1000

FOLLOWING_MAX: Final = 10_000
"""So many dead letters may follow from one: full queues that dead-letter to each other would never come to an end."""


@final
class DeadLetter:
    """A message on its way to a dead letter exchange, and what it died of."""

    def __init__(self, exchange: Exchange, message: Message, reason: str) -> None:
        self.exchange = exchange
        self.message = message
        self.reason = reason


@final
class Burial:
    """Publishes dead letters one after the other; what dies on the way, as a queue there is full, comes after."""

    def __init__(self, exchanges: dict[str, Exchange], router: Router, clock: Clock, events: Events) -> None:
        self._exchanges = exchanges
        self._router = router
        self._clock = clock
        self._events = events
        self._waiting: deque[DeadLetter] = deque()
        self._is_busy = False
        self._following: i64 = 0
        """How many dead letters the one that is being published has led to."""
        self._last = FirstDeath()
        self._in_circles: set[str] = set()
        """Queues that dead letters were dropped on their way to, and somebody was told of it."""

    def bury(self, queue: Queue, message: Message, reason: str) -> bool:
        """Publish what died in a queue; False if no queue took it.

        Of what dies while another is being published nothing is known yet: True.
        """
        letter = self._letter(queue, message, reason, int(self._clock.unix_s()))
        if letter is None:
            return False
        if self._is_busy:
            self._follow(letter, queue)
            return True
        self._is_busy = True
        try:
            taken = self._publish(letter)
            self._publish_following()
        finally:
            self._is_busy = False
        return taken

    def hold(self) -> None:
        """Let dead letters wait; they are what comes of one message, and it has not come to all of its queues yet."""
        self._is_busy = True

    def let_go(self) -> None:
        """Publish those that waited."""
        try:
            if self._waiting:
                self._publish_following()
        finally:
            self._is_busy = False

    def _follow(self, letter: DeadLetter, queue: Queue) -> None:
        """Publish it after those that wait, unless there is no end of them: no consumer has a hand in such a circle."""
        if self._following < FOLLOWING_MAX:
            self._following += 1
            self._waiting.append(letter)
        else:
            self._tell_of_circle(queue.name)

    def _publish_following(self) -> None:
        while self._waiting:
            self._publish(self._waiting.popleft())
        self._following = 0

    def _letter(self, queue: Queue, message: Message, reason: str, time_s: i64) -> DeadLetter | None:
        """What died in a queue, for its dead letter exchange; None if that is not there."""
        rules = queue.rules
        exchange = self._exchanges.get(rules.dead_letter_exchange or "")
        if exchange is None:
            return None
        routing_key = rules.dead_letter_routing_key
        dead = died(message, queue.name, reason, int(time_s), exchange.name, routing_key, self._last)
        return DeadLetter(exchange, dead, reason)

    def _publish(self, letter: DeadLetter) -> bool:
        message = letter.message
        taken = False
        for queue in self._router.route(letter.exchange, routing_keys(message), message):
            if has_cycled(message, queue.name, letter.reason):
                self._tell_of_circle(queue.name)
            elif not self._hand(queue, message) & REFUSED:
                taken = True
        return taken

    def _hand(self, queue: Queue, message: Message) -> i64:
        try:
            return queue.publish_dead(message)
        except ResourceError as error:
            # Nobody is there to hear it but whoever reads the log.
            fields: dict[str, object] = {"queue": queue.name, "error": error.explanation}
            self._events.tell("error", "dead letter lost", fields, QUEUE)
            return REFUSED

    def _tell_of_circle(self, queue: str) -> None:
        """Once for each queue: there may be millions (RabbitMQ does the same)."""
        if len(self._in_circles) >= REMEMBERED_QUEUES_MAX:
            self._in_circles.clear()
        if queue not in self._in_circles:
            self._in_circles.add(queue)
            self._events.tell(
                "warning", "dead letters dropped: they went in a circle", {"queue": queue}, QUEUE
            )

    def offer(self, queue: Queue, message: Message, reason: str, time_s: i64, taken: dict[str, None]) -> i64:
        """Publish what died in a queue to those that have not taken it: see QueueHost.offer_dead_letter."""
        letter = self._letter(queue, message, reason, time_s)
        if letter is None:
            return NOWHERE
        was_busy = self._is_busy
        self._is_busy = True
        try:
            outcome = self._offer(letter, taken)
            if not was_busy:
                self._publish_following()
        finally:
            self._is_busy = was_busy
        return outcome

    def _offer(self, letter: DeadLetter, taken: dict[str, None]) -> i64:
        message = letter.message
        is_refused = False
        for queue in self._router.route(letter.exchange, routing_keys(message), message):
            if queue.name not in taken and not has_cycled(message, queue.name, letter.reason):
                if queue.publish(message) & REFUSED:
                    is_refused = True
                else:
                    taken[queue.name] = None
        if is_refused:
            return REFUSED
        return TAKEN if taken else NOWHERE
