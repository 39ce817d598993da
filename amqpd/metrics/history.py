"""How counts have grown: rows of numbers, kept for as long as RabbitMQ keeps its samples, and only where they changed."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, final

INTERVAL_S: Final = 5
"""So often samples are taken, as by RabbitMQ."""

Row = tuple[int, ...]
"""Numbers at a moment, in the order of a layout. Moments are ticks: they are INTERVAL_S apart."""

SMALL: Final = "I"
LARGE: Final = "q"
"""What the numbers of a series fit into: four bytes, or eight."""


@final
class Retention:
    """For how long samples are kept, and how far apart: in steps, each longer and coarser than the one before."""

    def __init__(self, *policies: tuple[int, int]) -> None:
        """Each policy is how long, and at what distance, in seconds; the first distance is INTERVAL_S."""
        self.kept_s = tuple(kept_s for kept_s, _ in policies)
        self.ticks = tuple(distance_s // INTERVAL_S for _, distance_s in policies)
        # Whoever asks for samples at a greater distance begins at a multiple of it: the next step's is the greatest.
        begins_s = (*(distance_s for _, distance_s in policies[1:]), policies[-1][1])
        self.rows = tuple(
            (kept_s + begin_s) // distance_s + 1
            for (kept_s, distance_s), begin_s in zip(policies, begins_s, strict=True)
        )

    def level_for(self, range_s: float) -> int:
        """Which step has so much of the past: the finest, or else the longest."""
        for level, kept_s in enumerate(self.kept_s):
            if kept_s > range_s:
                return level
        return len(self.kept_s) - 1


BASIC: Final = Retention((605, 5), (3600, 60))
"""Of queues, exchanges, channels and connections."""

GLOBAL: Final = Retention((605, 5), (3660, 60), (29400, 600), (86400, 1800))
"""Of virtual hosts, and of the whole broker: a sample more than ten minutes, an hour and eight hours (RabbitMQ 3.10)."""


@final
class Layout:
    """What the numbers of a row are called. Some names stand for the sum of others, or for nothing: always 0."""

    def __init__(
        self, names: Sequence[str], sums: Mapping[str, Sequence[str]], retention: Retention = BASIC
    ) -> None:
        self.names = tuple(names)
        self.retention = retention
        self.nothing: Row = (0,) * len(self.names)
        self._columns: dict[str, tuple[int, ...]] = {}
        for column, name in enumerate(self.names):
            self._columns[name] = (column,)
        for name, parts in sums.items():
            self._columns[name] = tuple(self.names.index(part) for part in parts)

    def number(self, name: str, row: Row) -> int:
        """The number of this name."""
        columns = self._columns[name]
        if len(columns) == 1:
            return row[columns[0]]
        return sum(row[column] for column in columns)


class Histories(Protocol):
    """How the numbers of one object have grown, or those of several together."""

    def growth(self, tick: int) -> Row | None:
        """By how much they have changed with this tick, the newest; None if they have not."""

    def at(self, level: int, ticks: Sequence[int]) -> list[Row]:
        """What they were at these ticks, by the rows of a step of their retention."""


@final
class History:
    """The rows of one object since it was first seen; before that, all was 0.

    A row is kept where something has changed, and of it the numbers that have ever been anything but 0: so what is idle
    keeps nothing but its last row, and what is busy up to `Retention.rows` rows a step.
    """

    __slots__ = ("_columns", "_cut", "_layout", "_rows", "_was_there", "last", "last_tick", "seen_tick")

    def __init__(self, layout: Layout, tick: int, row: Row, was_there: bool = False) -> None:
        """`was_there` if it has become what it is before anybody looked: it was not just now that it has grown."""
        self._layout = layout
        self._columns: tuple[int, ...] = ()
        self._rows: list[array[int]] = [array(SMALL) for _ in layout.retention.ticks]
        self._cut = 0
        """The levels of which older rows were dropped, as bits."""
        self._was_there = was_there
        self.last = row
        self.last_tick = tick
        """When it was seen to change last."""
        self.seen_tick = tick
        """When it was last seen at all, which is for those to know who look."""
        self._append(0, tick, row)

    def record(self, tick: int, row: Row) -> bool:
        """What the numbers are at a tick; whether they have changed."""
        if row == self.last:
            return False
        for level, distance in enumerate(self._layout.retention.ticks):
            # What was the last row until now is what the coarser steps see, if one of their moments has passed.
            due = -(-self.last_tick // distance) * distance
            if level and due < tick:
                self._append(level, due, self.last)
        self._append(0, tick, row)
        self.last = row
        self.last_tick = tick
        return True

    def growth(self, tick: int) -> Row | None:
        """By how much the numbers have changed with this tick, the newest or the one before; None if they have not."""
        width = len(self._columns) + 1
        rows = self._rows[0]
        place = len(rows) // width - 1
        if place > 0 and rows[place * width] > tick:
            place -= 1
        if rows[place * width] != tick or (place == 0 and self._was_there):
            return None
        before = self._row(rows, place - 1) if place else self._layout.nothing
        return tuple(map(int.__sub__, self._row(rows, place), before))

    def at(self, level: int, ticks: Sequence[int]) -> list[Row]:
        """The rows at these ticks."""
        width = len(self._columns) + 1
        rows = self._rows[level]
        kept = rows[::width]
        found: list[Row] = []
        for tick in ticks:
            if tick >= self.last_tick:
                found.append(self.last)
                continue
            place = bisect_right(kept, tick) - 1
            if place < 0 and not (self._cut >> level & 1 and kept):
                found.append(self._layout.nothing)
            else:
                found.append(self._row(rows, max(0, place)))
        return found

    def forget_before(self, tick: int) -> None:
        """Drop what is too old at this tick, which is so only where nothing has happened for long."""
        width = len(self._columns) + 1
        retention = self._layout.retention
        for level, rows in enumerate(self._rows):
            oldest = tick - (retention.rows[level] - 1) * retention.ticks[level]
            old = bisect_right(rows[::width], oldest) - 1
            if old > 0:
                self._drop(level, old)

    def size_bytes(self) -> int:
        """How much memory its rows take."""
        return sum(rows.itemsize * len(rows) for rows in self._rows)

    # Rows

    def _append(self, level: int, tick: int, row: Row) -> None:
        numbers = [row[column] for column in self._columns]
        if len(row) - row.count(0) != len(numbers) - numbers.count(0):
            self._widen(row)
            numbers = [row[column] for column in self._columns]
        rows = self._rows[level]
        try:
            rows.fromlist([tick, *numbers])
        except OverflowError:
            rows = self._rows[level] = array(LARGE, rows)
            rows.fromlist([tick, *numbers])
        width = len(numbers) + 1
        kept = self._layout.retention.rows[level]
        if len(rows) > (kept + kept // 4) * width:
            self._drop(level, len(rows) // width - kept)

    def _drop(self, level: int, count: int) -> None:
        del self._rows[level][: count * (len(self._columns) + 1)]
        self._cut |= 1 << level

    def _widen(self, row: Row) -> None:
        """Something is not 0 any more that always was: there is a column for it from now on."""
        before = self._columns
        columns = tuple(column for column, number in enumerate(row) if number or column in before)
        for level, rows in enumerate(self._rows):
            wider = array(rows.typecode)
            width = len(before) + 1
            for start in range(0, len(rows), width):
                numbers = dict(zip(before, rows[start + 1 : start + width], strict=True))
                wider.append(rows[start])
                wider.extend(numbers.get(column, 0) for column in columns)
            self._rows[level] = wider
        self._columns = columns

    def _row(self, rows: array[int], place: int) -> Row:
        start = place * (len(self._columns) + 1) + 1
        row = list(self._layout.nothing)
        for number, column in enumerate(self._columns):
            row[column] = rows[start + number]
        return tuple(row)


@final
class Joined:
    """The sums of several histories of the same layout."""

    def __init__(self, layout: Layout, histories: Sequence[Histories]) -> None:
        self._nothing = layout.nothing
        self._histories = histories

    def growth(self, tick: int) -> Row | None:
        """By how much they have changed with this tick, the newest; None if they have not."""
        found = [growth for each in self._histories if (growth := each.growth(tick)) is not None]
        return tuple(map(sum, zip(*found, strict=True))) if found else None

    def at(self, level: int, ticks: Sequence[int]) -> list[Row]:
        """What they were at these ticks."""
        rows = [self._nothing] * len(ticks)
        for each in self._histories:
            rows = [tuple(map(int.__add__, *pair)) for pair in zip(rows, each.at(level, ticks), strict=True)]
        return rows
