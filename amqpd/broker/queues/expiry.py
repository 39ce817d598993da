"""When the messages of a queue expire: their own time to live, and the queue's (x-message-ttl)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from mypy_extensions import i64

from amqpd.clock import Timer, Timers
from amqpd.message import EXPIRES, Message
from amqpd.wire.properties import expiration_of

NEVER: Final = -1

_LONGEST_MS: Final = 1 << 60
"""Whatever asks for more lives forever as well."""

_ROUNDING_MS: Final = 0.001
"""Seconds since 1970 as a float are off by up to a quarter of this."""


@final
class Expiry:
    """Tells a message's deadline, and wakes the queue when its first message is due: one timer a queue.

    A message's deadline is settled when it arrives: the smaller of its own time to live and the queue's at that
    time; a policy that changes the queue's later leaves it alone (RabbitMQ 3.10, observed).
    """

    def __init__(self, timers: Timers, due: Callable[[], None]) -> None:
        self.ttl_ms: i64 = NEVER
        """The queue's time to live for what arrives now."""
        self.is_active = False
        """Whether any message in the queue may have a deadline."""
        self.changes: list[tuple[int, int]] = []
        """What was in force before: up to which arrival (unix ms), and the time to live; in order."""
        self._timers = timers
        self._due = due
        self._timer: Timer | None = None
        self._timer_ms: i64 = 0

    def now_ms(self) -> i64:
        """Milliseconds since 1970."""
        return int(self._timers.clock.unix_s() * 1000 + _ROUNDING_MS)

    def note_arrival(self, message: Message) -> None:
        """A message arrives that may expire."""
        self.is_active = True
        if not message.arrived_ms:
            message.arrived_ms = self.now_ms()
        if self.changes and message.arrived_ms <= self.changes[-1][0]:
            # In the same millisecond as the change: this one came after it.
            message.arrived_ms = i64(self.changes[-1][0]) + 1

    def deadline_ms(self, message: Message) -> i64:
        """When the message expires, in milliseconds since 1970; NEVER if it does not."""
        if not message.arrived_ms:
            # It has no time to live of its own, nor had the queue one when it came: nobody asked for the time.
            return NEVER
        ttl_ms = self._ttl_of(message.arrived_ms) if self.changes else self.ttl_ms
        if message.flags & EXPIRES:
            own_ms: i64 = min(int(expiration_of(message.header)), _LONGEST_MS)
            if ttl_ms < 0 or own_ms < ttl_ms:
                ttl_ms = own_ms
        return NEVER if ttl_ms < 0 or ttl_ms >= _LONGEST_MS else message.arrived_ms + ttl_ms

    def _ttl_of(self, arrived_ms: i64) -> i64:
        for until_ms, ttl_ms in self.changes:
            if arrived_ms <= until_ms:
                return ttl_ms
        return self.ttl_ms

    def watch(self, first: Message) -> bool:
        """Wake the queue when this message, its first, expires; True if it has expired already.

        A timer that comes too soon is left alone.
        """
        deadline_ms = self.deadline_ms(first)
        if deadline_ms < 0 or (self._timer is not None and self._timer_ms <= deadline_ms):
            return False
        now_ms = self.now_ms()
        if deadline_ms <= now_ms:
            return True
        self._wake_at(deadline_ms, now_ms)
        return False

    def wake_soon(self, wait_ms: i64) -> None:
        """Wake the queue when others have had their turn, and so many milliseconds are over."""
        now_ms = self.now_ms()
        self._wake_at(now_ms + wait_ms, now_ms)

    def _wake_at(self, due_ms: i64, now_ms: i64) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_ms = due_ms
        self._timer = self._timers.after((due_ms - now_ms) / 1000, self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._due()

    def rest(self, for_good: bool) -> None:
        """No message is ready; `for_good` if none comes back either: what was in force before is forgotten."""
        if for_good:
            self.is_active = False
            self.changes.clear()

    def stop(self) -> None:
        """The queue is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
