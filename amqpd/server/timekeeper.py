"""Runs the broker's timers when they are due: one call-back of the event loop for all of them."""

from __future__ import annotations

import asyncio

from amqpd.clock import Timers


class Timekeeper:
    """Wakes up for the earliest timer, however many there are."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None
        timers.on_sooner(self._reschedule)
        self._reschedule()

    def stop(self) -> None:
        """Run nothing more."""
        self._timers.on_sooner(lambda: None)
        if self._handle is not None:
            self._handle.cancel()

    def _reschedule(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        delay_s = self._timers.next_due_s()
        if delay_s is not None:
            self._handle = self._loop.call_later(delay_s, self._run_due)

    def _run_due(self) -> None:
        self._handle = None
        try:
            self._timers.run_due()
        finally:
            self._reschedule()
