"""When a log file is rotated: by its size, and at times written as newsyslog does (RabbitMQ 3.10)."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

DATE = r"\$(?:D(?P<day>\d{1,2})|W(?P<week>[0-6])|M(?P<month>\d{1,2}|[lL])|H(?P<hour>\d{1,2}))(?:D(?P<at>\d{1,2}))?"


@dataclass(frozen=True, slots=True)
class Date:
    """A time of each day, week, month or hour."""

    every: str
    day: int = 0
    """Of the week from 0, Sunday, or of the month; 31 is the last one of any month."""
    hour: int = 0
    minute: int = 0

    def last(self, now: datetime) -> datetime:
        """The last such time that is not after now."""
        time = now.replace(minute=self.minute, second=0, microsecond=0)
        if self.every == "hour":
            return time if time <= now else time - timedelta(hours=1)
        time = time.replace(hour=self.hour)
        if self.every == "day":
            return time if time <= now else time - timedelta(days=1)
        if self.every == "week":
            time -= timedelta(days=(time.isoweekday() % 7 - self.day) % 7)
            return time if time <= now else time - timedelta(days=7)
        time = self._in_month(time)
        return time if time <= now else self._in_month(time.replace(day=1) - timedelta(days=1))

    def _in_month(self, time: datetime) -> datetime:
        first = time.replace(day=1)
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        return first.replace(day=min(self.day, last.day))


@functools.cache
def read_date(text: str) -> Date | None:
    """The times in `$D0` (every day at midnight), `$D23`, `$W0`, `$W5D16` (Fridays at 16:00), `$M1D0`, `$ML` or `$H0`.

    None if the text is empty. Raises ValueError.
    """
    if not text:
        return None
    parts = re.fullmatch(DATE, text)
    if parts is None:
        raise ValueError("is not a time such as $D0, every day at midnight, $W5D16, Fridays at 16:00, or $M1")
    date = _date_of(parts)
    if not (date.hour <= 23 and date.minute <= 59 and date.day <= 31 and (date.day or date.every != "month")):
        raise ValueError("has a day, an hour or a minute that there is not")
    return date


def _date_of(parts: re.Match[str]) -> Date:
    at = int(parts["at"] or 0)
    if parts["week"]:
        return Date("week", int(parts["week"]), at)
    if parts["month"]:
        return Date("month", int(parts["month"]) if parts["month"].isdigit() else 31, at)
    if parts["at"]:
        raise ValueError("has two hours")
    return Date("day", hour=int(parts["day"])) if parts["day"] else Date("hour", minute=int(parts["hour"]))


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a file is rotated, and how many old ones are kept. Raises ValueError for a date that is none."""

    date: str = ""
    size_bytes: int = 0
    """0 is without a limit."""
    count: int = 0

    def __post_init__(self) -> None:
        read_date(self.date)

    def is_due(self, size_bytes: int, more_bytes: int, before: datetime, now: datetime) -> bool:
        """Whether to rotate a file of a size, last written before, now that there is more to write."""
        if not size_bytes:
            return False
        date = read_date(self.date)
        too_large = 0 < self.size_bytes < size_bytes + more_bytes
        return too_large or (date is not None and before < date.last(now))
