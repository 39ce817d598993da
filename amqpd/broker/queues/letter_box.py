"""Dead letters that stay with their quorum queue until all have taken them (x-dead-letter-strategy at-least-once)."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from amqpd.broker.dead_letter import DELIVERY_LIMIT, EXPIRED, REJECTED
from amqpd.broker.deaths import CONFIRMED
from amqpd.broker.queues.counted import CountedBacklog, own_copy
from amqpd.broker.queues.queue import REFUSED, TAKEN, Queue, QueueHost
from amqpd.broker.queues.rules import AT_LEAST_ONCE
from amqpd.clock import Timer
from amqpd.message import Message
from amqpd.store.api import CannotRead
from amqpd.store.queue_index import QueueIndex

UNDER_WAY_MAX: Final = 32
"""So many letters are offered; those behind wait for one of them (RabbitMQ's dead_letter_worker_consumer_prefetch)."""

RETRY_AFTER_S: Final = 180.0
"""When those that nobody took are offered again (RabbitMQ's dead_letter_worker_publisher_confirm_timeout)."""

REASONS: Final = (REJECTED, EXPIRED, DELIVERY_LIMIT)
"""What a message has died of, by the number that the log has for it."""


@final
class Letter:
    """A dead message on its way, and who has taken it."""

    def __init__(self, message: Message, reason: str, died_s: i64) -> None:
        self.message = message
        self.reason = reason
        self.died_s = died_s
        """When it was first offered, in seconds since 1970."""
        self.taken: dict[str, None] = {}
        """The queues that have it."""
        self.refused_s = -1.0
        """When a queue refused it last; -1 if it led nowhere, and may do otherwise any time."""


@final
class LetterBox:
    """Offers a queue's dead letters to where they lead, in order, again and again."""

    def __init__(self, queue: Queue, index: QueueIndex, host: QueueHost) -> None:
        self._queue = queue
        self._host = host
        self._timers = host.timers
        self._deaths = host.deaths.of(queue.queue_type, AT_LEAST_ONCE)
        self._waiting = CountedBacklog(index, host.storage)
        self._under_way: dict[int, Letter] = {}
        self._under_way_bytes: i64 = 0
        self._timer: Timer | None = None
        self._is_busy = False

    def index(self) -> QueueIndex:
        """What the log knows of the letters."""
        return self._waiting.index

    def count(self) -> i64:
        """How many letters there are."""
        return self._waiting.count + len(self._under_way)

    def body_bytes(self) -> i64:
        """How large they are together."""
        return self._waiting.body_bytes() + self._under_way_bytes

    def restore(self, ends: dict[int, int]) -> None:
        """Begin with what the log has."""
        self._waiting.restore(ends)
        if self._waiting.count:
            self._timer = self._timers.after(0.0, self._retry)

    def add(self, message: Message, reason: str) -> None:
        """A message has died."""
        self._deaths[reason] += 1
        self._waiting.append_counted(own_copy(message), REASONS.index(reason))
        self._offer_waiting()

    def offer_again(self) -> None:
        """What the queue is told of dead letters has changed: see whether they lead anywhere now."""
        now_s = self._timers.clock.monotonic_s()
        for position, letter in list(self._under_way.items()):
            if letter.refused_s < 0 or letter.refused_s + RETRY_AFTER_S <= now_s:
                self._offer(position, letter)
        self._offer_waiting()

    def empty(self) -> None:
        """Drop all letters."""
        for position, letter in self._under_way.items():
            self._waiting.forget(letter.message, position)
        self._under_way.clear()
        self._under_way_bytes = 0
        self._waiting.purge()
        self._stop()

    def drop(self) -> None:
        """The queue is gone."""
        self._under_way.clear()
        self._waiting.drop()
        self._stop()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _retry(self) -> None:
        self._timer = None
        self.offer_again()

    def _offer_waiting(self) -> None:
        if not self._is_busy:
            self._is_busy = True
            try:
                while self._waiting.count and len(self._under_way) < UNDER_WAY_MAX:
                    self._offer_first()
            except CannotRead as error:
                self._host.storage.tell_unreadable(self._queue.title(), str(error))
            finally:
                self._is_busy = False
        if self.count() and self._timer is None:
            self._timer = self._timers.after(RETRY_AFTER_S, self._retry)

    def _offer_first(self) -> None:
        message = self._waiting.take()
        letter = Letter(message, REASONS[self._waiting.number], int(self._timers.clock.unix_s()))
        position = int(self._waiting.position)
        self._under_way[position] = letter
        self._under_way_bytes += message.body_size
        self._offer(position, letter)

    def _offer(self, position: i64, letter: Letter) -> None:
        outcome = self._host.offer_dead_letter(
            self._queue, letter.message, letter.reason, letter.died_s, letter.taken
        )
        if outcome == REFUSED:
            letter.refused_s = self._timers.clock.monotonic_s()
        elif outcome == TAKEN:
            self._deaths[CONFIRMED] += 1
            del self._under_way[position]
            self._under_way_bytes -= letter.message.body_size
            self._waiting.forget(letter.message, position)
            if not self.count():
                self._stop()
