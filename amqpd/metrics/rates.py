"""How fast counts grow, from samples that are taken only while somebody looks."""

from __future__ import annotations

from typing import final

from amqpd.clock import Timers

SHORTEST_S = 1.0
"""A rate is of this time at least, so that who asks twice at once gets the same answer."""

FORGOTTEN_S = 60.0
"""What nobody has looked at for this long begins anew."""

Key = tuple[str, ...]


@final
class Sample:
    """Counts at a moment."""

    __slots__ = ("counts", "taken_s")

    def __init__(self, taken_s: float, counts: tuple[int, ...]) -> None:
        self.taken_s = taken_s
        self.counts = counts


@final
class Watched:
    """The last two samples of something, and when it was seen to change last."""

    __slots__ = ("before", "changed_s", "last")

    def __init__(self, sample: Sample) -> None:
        self.before = sample
        self.last = sample
        self.changed_s = sample.taken_s


@final
class Rates:
    """Remembers what was looked at last, by keys that whoever looks has made up."""

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._watched: dict[Key, Watched] = {}
        self._forgets = False

    def of(self, key: Key, counts: tuple[int, ...]) -> list[float]:
        """How fast each count has grown lately, per second: 0 for what nobody has looked at before."""
        now_s = self._timers.clock.monotonic_s()
        watched = self._watched.get(key)
        if watched is None or len(watched.last.counts) != len(counts):
            self._watched[key] = Watched(Sample(now_s, counts))
            self._forget_later()
            return [0.0] * len(counts)
        if now_s - watched.last.taken_s >= SHORTEST_S:
            watched.before = watched.last
            watched.last = Sample(now_s, counts)
            if watched.before.counts != counts:
                watched.changed_s = now_s
        before = watched.before
        passed_s = now_s - before.taken_s
        if passed_s < SHORTEST_S:
            return [0.0] * len(counts)
        return [
            (count - count_before) / passed_s
            for count, count_before in zip(counts, before.counts, strict=True)
        ]

    def unchanged_s(self, key: Key) -> float:
        """How long ago something was seen to change, in seconds: at most since it was looked at first."""
        watched = self._watched.get(key)
        return 0.0 if watched is None else self._timers.clock.monotonic_s() - watched.changed_s

    def forget_all(self) -> None:
        """Begin anew with everything."""
        self._watched.clear()

    def size(self) -> int:
        """How much is remembered."""
        return len(self._watched)

    def _forget_later(self) -> None:
        if not self._forgets:
            self._forgets = True
            self._timers.after(FORGOTTEN_S, self._forget)

    def _forget(self) -> None:
        """What was not looked at for a while is forgotten; nothing runs while nothing is remembered."""
        self._forgets = False
        oldest_s = self._timers.clock.monotonic_s() - FORGOTTEN_S
        for key in [key for key, watched in self._watched.items() if watched.last.taken_s < oldest_s]:
            del self._watched[key]
        if self._watched:
            self._forget_later()
