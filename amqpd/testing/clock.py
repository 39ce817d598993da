"""A clock that is moved by hand: an hour passes in a microsecond."""

from __future__ import annotations

import threading

from amqpd.clock import Clock, Timers

SOME_MOMENT_UNIX_S = 1_700_000_000.0


class FakeClock(Clock):
    """Time that stands still until `advance` is called; monotonic and calendar time move together.

    With `drive`, advancing also runs what is due meanwhile, each action at its own moment, so that an
    action which sets the next timer (a heartbeat) runs as often as it would have in real time.
    """

    def __init__(self, unix_s: float = SOME_MOMENT_UNIX_S) -> None:
        """`unix_s` is the calendar time to start at; monotonic time starts at 0."""
        self._started_unix_s = unix_s
        self._now_s = 0.0
        self._driven: list[Timers] = []
        self._thread = threading.get_ident()

    def monotonic_s(self) -> float:
        """Seconds since the clock was made."""
        return self._now_s

    def unix_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return self._started_unix_s + self._now_s

    def drive(self, timers: Timers) -> None:
        """Let `advance` run these timers; from now on it may only be called from this thread.

        Raises RuntimeError if it drives others already, in another thread.
        """
        if self._driven and threading.get_ident() != self._thread:
            raise RuntimeError(
                "this clock drives another broker, in another thread: each needs one of its own"
            )
        self._driven.append(timers)
        self._thread = threading.get_ident()

    def release(self, timers: Timers) -> None:
        """Undo `drive`."""
        self._driven.remove(timers)

    def advance(self, seconds: float) -> None:
        """Let this much time pass, and run all that falls due, in order.

        Raises ValueError if it would go back, RuntimeError in another thread than that of the driven
        timers: a broker in a thread has an `advance` of its own.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: advance({seconds})")
        if self._driven and threading.get_ident() != self._thread:
            raise RuntimeError("this clock drives a broker in another thread: use the broker's advance")
        target_s = self._now_s + seconds
        while (due_s := self._next_due_s()) is not None and due_s <= target_s:
            self._now_s = max(self._now_s, due_s)
            self._run_due()
        self._now_s = target_s

    def _next_due_s(self) -> float | None:
        """The moment of the next driven timer; None if there is none."""
        delays_s = [delay_s for timers in self._driven if (delay_s := timers.next_due_s()) is not None]
        return self._now_s + min(delays_s) if delays_s else None

    def _run_due(self) -> None:
        for timers in self._driven:
            timers.run_due()
