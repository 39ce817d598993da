"""What happens in a round, all of it drawn from the round's seed."""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence
from dataclasses import dataclass


class Ending(enum.Enum):
    """How a life ends."""

    KILL = "SIGKILL under load"
    TERMINATE = "SIGTERM under load"
    KILL_QUIET = "SIGKILL after all answers"


@dataclass(frozen=True)
class Life:
    """One start of the broker with load on it."""

    duration_s: float
    ending: Ending


@dataclass(frozen=True)
class Plan:
    """A round: lives with load, a start-up that is cut short after so many seconds or None, then the comparison."""

    seed: int
    lives: tuple[Life, ...]
    start_killed_after_s: float | None
    pause_s: float
    """How long there is no broker before the comparison: time that goes on for what expires or is delayed."""
    kinds: frozenset[str]
    """Which of the kinds of load that are not in each round are in this one."""

    def __str__(self) -> str:
        what = ", ".join(f"{life.ending.value} after {life.duration_s:.2f} s" for life in self.lives)
        if self.start_killed_after_s is not None:
            what += f", start-up killed after {self.start_killed_after_s:.2f} s"
        if self.pause_s:
            what += f", none for {self.pause_s:.2f} s"
        return f"{what}; {' '.join(sorted(self.kinds)) or 'nothing else'}"


def plan(seed: int, kinds: Sequence[str] = (), share: float = 0.5) -> Plan:
    """The round of this seed, with such a share of these kinds of load."""
    chance = random.Random(f"plan {seed}")
    lives = [_life(chance, 0.05, 1.5)]
    if chance.random() < 0.2:
        lives.append(_life(chance, 0.05, 0.4))
    killed = chance.uniform(0.02, 0.5) if chance.random() < 0.2 else None
    pause_s = chance.uniform(0.3, 2) if kinds and chance.random() < 0.15 else 0.0
    drawn = frozenset(kind for kind in kinds if chance.random() < share)
    return Plan(seed, tuple(lives), killed, pause_s, drawn)


def _life(chance: random.Random, shortest_s: float, longest_s: float) -> Life:
    ending = chance.choices(list(Ending), weights=(70, 15, 15))[0]
    return Life(chance.uniform(shortest_s, longest_s), ending)
