"""Time as an object, handed in: production reads the machine's clock, tests move theirs by hand."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

from mypy_extensions import mypyc_attr

CANCELLED_MIN: Final = 64
"""So few cancelled timers are left where they are until they are due."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Clock:
    """What time it is."""

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment; never goes back."""
        raise NotImplementedError

    def unix_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        raise NotImplementedError


class Timer:
    """One action that is due at a moment; `cancel` it when it is no longer wanted."""

    def __init__(self, due_s: float, action: Callable[[], None], timers: Timers) -> None:
        self.due_s = due_s
        self.action: Callable[[], None] | None = action
        self._timers = timers

    def cancel(self) -> None:
        """Forget the action; cancelling twice, or after it ran, does nothing."""
        if self.action is not None:
            self.action = None
            self._timers.count_cancelled()


class Timers:
    """Everything that is due later, in one heap: no task per timer, and no more than twice what is wanted."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._added = 0
        self._cancelled = 0
        self._on_sooner: Callable[[], None] | None = None

    def on_sooner(self, notify: Callable[[], None]) -> None:
        """Call `notify` whenever `next_due_s` moves closer, so that a sleeper can be woken."""
        self._on_sooner = notify

    def after(self, delay_s: float, action: Callable[[], None]) -> Timer:
        """Run `action` once, `delay_s` seconds from now."""
        timer = Timer(self.clock.monotonic_s() + delay_s, action, self)
        self._added += 1
        heapq.heappush(self._heap, (timer.due_s, self._added, timer))
        if self._on_sooner is not None and self._heap[0][2] is timer:
            self._on_sooner()
        return timer

    def count_cancelled(self) -> None:
        """One more timer in the heap is not wanted any more: once those are the most, they go together."""
        self._cancelled += 1
        if self._cancelled >= CANCELLED_MIN and 2 * self._cancelled > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def size(self) -> int:
        """How many timers are kept, those that were cancelled and have not gone yet among them."""
        return len(self._heap)

    def waiting(self) -> int:
        """How many timers are still to run."""
        return len(self._heap) - self._cancelled

    def next_due_s(self) -> float | None:
        """Seconds until the next timer is due (0 when one is overdue), or None if there is none."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        if not self._heap:
            return None
        return max(0.0, self._heap[0][0] - self.clock.monotonic_s())

    def run_due(self) -> None:
        """Run every action that is due, in order of their moments."""
        now_s = self.clock.monotonic_s()
        while self._heap and self._heap[0][0] <= now_s:
            timer = heapq.heappop(self._heap)[2]
            action = timer.action
            if action is None:
                self._cancelled -= 1
            else:
                timer.action = None
                action()
