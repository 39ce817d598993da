"""Time as an object, handed in: production reads the machine's clock, tests move theirs by hand."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from mypy_extensions import mypyc_attr


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

    def __init__(self, due_s: float, action: Callable[[], None]) -> None:
        self.due_s = due_s
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Forget the action; cancelling twice, or after it ran, does nothing."""
        self.action = None


class Timers:
    """Everything that is due later, in one heap: no task per timer."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, Timer]] = []
        self._added = 0
        self._on_sooner: Callable[[], None] | None = None

    def on_sooner(self, notify: Callable[[], None]) -> None:
        """Call `notify` whenever `next_due_s` moves closer, so that a sleeper can be woken."""
        self._on_sooner = notify

    def after(self, delay_s: float, action: Callable[[], None]) -> Timer:
        """Run `action` once, `delay_s` seconds from now."""
        timer = Timer(self.clock.monotonic_s() + delay_s, action)
        self._added += 1
        heapq.heappush(self._heap, (timer.due_s, self._added, timer))
        if self._on_sooner is not None and self._heap[0][2] is timer:
            self._on_sooner()
        return timer

    def next_due_s(self) -> float | None:
        """Seconds until the next timer is due (0 when one is overdue), or None if there is none."""
        while self._heap and self._heap[0][2].action is None:
            heapq.heappop(self._heap)
        if not self._heap:
            return None
        return max(0.0, self._heap[0][0] - self.clock.monotonic_s())

    def run_due(self) -> None:
        """Run every action that is due, in order of their moments."""
        now_s = self.clock.monotonic_s()
        while self._heap and self._heap[0][0] <= now_s:
            timer = heapq.heappop(self._heap)[2]
            action = timer.action
            if action is not None:
                timer.action = None
                action()
