"""Reads what the table says, a little in each turn of the event loop, and makes the library's families of it."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client.metrics_core import Metric

from amqpd.management.site import Site
from amqpd.prometheus.families import AGGREGATED, DETAILED, PER_OBJECT, Family, Group, Labels, no_labels
from amqpd.prometheus.scrape import Scrape
from amqpd.prometheus.table import GROUPS
from amqpd.prometheus.turns import Turn

SAMPLES_AT_ONCE = 200
"""A family with more samples comes in several parts."""

FORGOTTEN_AT_ONCE = 1000

Value = float | None
Row = tuple[Labels, list[Value]]
"""What each family of a group says of one thing."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for: which answer, and for the detailed one which groups, and whose queues."""

    registry: str
    groups: frozenset[str] = frozenset()
    vhosts: frozenset[str] | None = None

    def has(self, group: Group[Any, Any], apart: bool) -> bool:
        """Whether a group is asked for."""
        if not group.is_in(self.registry, apart):
            return False
        if self.registry != DETAILED or group.is_always:
            return True
        return group.name in self.groups and group.is_replaced_by not in self.groups


@dataclass(frozen=True, slots=True)
class Part:
    """Some samples of a family; the first part is where its name is told."""

    metric: Metric
    is_first: bool


class Collector:
    """Reads one broker, and remembers of it how far its sums have come."""

    def __init__(
        self, site: Site, is_per_object: bool = False, left_out: re.Pattern[str] | None = None
    ) -> None:
        """With `is_per_object`, things are told apart in /metrics, too; else queues can be left out of sums by name."""
        self._site = site
        self._left_out = left_out
        self._is_per_object = is_per_object
        self._highest: dict[tuple[str, Labels], float] = {}

    async def collect(self, wanted: Wanted, turn: Turn) -> AsyncGenerator[Part, None]:
        """Every family of an answer, in parts; others have their turns between them."""
        apart = wanted.registry != AGGREGATED or self._is_per_object
        endpoint = DETAILED if wanted.registry == DETAILED else PER_OBJECT if apart else "aggregated"
        scrape = Scrape(self._site, endpoint, wanted.vhosts, None if apart else self._left_out)
        for group in GROUPS:
            if not wanted.has(group, apart):
                continue
            rows = await self._rows(scrape, group, apart, turn)
            for index, family in enumerate(group.families):
                name = group.prefix_in(wanted.registry) + family.name
                for part in _parts(name, family, rows, index):
                    yield part
                    await turn.others_too()
            # Even to forget many things takes time.
            while rows:
                del rows[-FORGOTTEN_AT_ONCE:]
                await turn.others_too()

    async def _rows(self, scrape: Scrape, group: Group[Any, Any], apart: bool, turn: Turn) -> list[Row]:
        if apart and group.always_by is None:
            return await _each(scrape, group, turn)
        rows = await _sums(scrape, group, turn)
        return [(labels, self._risen(group, labels, values)) for labels, values in rows]

    def _risen(self, group: Group[Any, Any], labels: Labels, values: list[Value]) -> list[Value]:
        """Sums that never go down: what ends while it is read may have been seen larger than what is kept of it."""
        risen: list[Value] = []
        for family, value in zip(group.families, values, strict=True):
            if family.type == "counter" and value is not None:
                key = (group.prefix + family.name, labels)
                value = max(value, self._highest.get(key, 0))
                self._highest[key] = value
            risen.append(value)
        return risen


async def _each(scrape: Scrape, group: Group[Any, Any], turn: Turn) -> list[Row]:
    """A row for each thing."""
    if group.prepare is not None:
        for _step in group.prepare(scrape):
            await turn.others_too()
    reads = [family.read for family in group.families]
    rows: list[Row] = []
    for thing in group.things(scrape):
        seen = group.look(scrape, thing)
        rows.append((group.labels(thing), [read(seen) for read in reads]))
        await turn.others_too()
    return rows


async def _sums(scrape: Scrape, group: Group[Any, Any], turn: Turn) -> list[Row]:
    """A row for each set of labels that sums are made by: one, if there are none."""
    by = group.always_by or no_labels
    reads = [family.read for family in group.families]
    things: Sequence[Any] = group.things(scrape)
    sums: dict[Labels, list[Value]] = {}
    if group.begins is not None:
        for labels, seen in group.begins(scrape):
            sums[labels] = [read(seen) for read in reads]
    elif group.always_by is None and group.labels is not no_labels:
        sums[()] = [0 if family.is_summed else None for family in group.families]
    for thing in things:
        seen = group.look(scrape, thing)
        values = [
            read(seen) if family.is_summed else None
            for family, read in zip(group.families, reads, strict=True)
        ]
        labels = by(thing)
        before = sums.get(labels)
        sums[labels] = values if before is None else list(map(_plus, before, values))
        await turn.others_too()
    return list(sums.items())


def _plus(one: Value, other: Value) -> Value:
    if one is None or other is None:
        return one if other is None else other
    return one + other


def _parts(name: str, family: Family[Any], rows: list[Row], index: int) -> Iterable[Part]:
    for start in range(0, max(1, len(rows)), SAMPLES_AT_ONCE):
        metric = Metric(name.removesuffix("_total"), family.help, family.type)
        for labels, values in rows[start : start + SAMPLES_AT_ONCE]:
            value = values[index]
            if value is not None:
                metric.add_sample(name, {label: printable(text) for label, text in labels}, value)
        yield Part(metric, start == 0)


def printable(text: str) -> str:
    """Text that can be UTF-8: JSON can make names of half characters."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()
