"""What was counted, as RabbitMQ calls it: each number with its `_details`."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterable, Sequence

from amqpd.broker.queues.queue import Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.management.ranges import Range
from amqpd.management.rows import (
    DELIVER_GET,
    DELIVERIES,
    LENGTHS,
    MESSAGES,
    NODE_COUNTS,
    PUBLISHES,
    QUEUE_COUNTS,
    VHOST_COUNTS,
    counts_row,
    node_row,
    queue_row,
    total,
)
from amqpd.management.site import Pause, Site, open_channels
from amqpd.metrics.history import INTERVAL_S, Histories, History, Joined, Layout, Row
from amqpd.protocol.channel import Channel

OF_LENGTHS = (*MESSAGES, *LENGTHS)
OF_DELIVERIES = (*DELIVERIES, *DELIVER_GET)
OF_QUEUE = (("publish",), OF_DELIVERIES)
OF_CHANNEL = (PUBLISHES, OF_DELIVERIES)
"""What is told together: as long as all of it is 0, none of it is told."""


class Counted:
    """The numbers of something as they are now, and what they were before."""

    def __init__(self, site: Site, layout: Layout, row: Row, history: Histories | None) -> None:
        self.row = row
        self._sampling = site.sampling
        self._layout = layout
        self._history = history
        growth = None if history is None else history.growth(self._sampling.tick)
        self._growth = layout.nothing if growth is None else growth

    def number(self, name: str) -> int:
        """One number."""
        return self._layout.number(name, self.row)

    def told(self, names: Iterable[str], span: Range | None) -> dict[str, object]:
        """The numbers, and how fast each grows: `publish` and `publish_details`, with samples if a range is asked for."""
        names = list(names)
        details = self._rates(names) if span is None else self._samples(names, span)
        told: dict[str, object] = {}
        for name, each in zip(names, details, strict=True):
            told[name] = self.number(name)
            told[f"{name}_details"] = each
        return told

    def what_happened(self, groups: Iterable[Sequence[str]], span: Range | None) -> dict[str, object]:
        """The same of groups of numbers, but for those of which nothing has happened yet."""
        names = [name for group in groups if any(map(self.number, group)) for name in group]
        return self.told(names, span)

    def message_stats(self, groups: Iterable[Sequence[str]], span: Range | None) -> dict[str, object]:
        """The same, as `message_stats` of an object, if there is anything to say."""
        stats = self.what_happened(groups, span)
        return {"message_stats": stats} if stats else {}

    def _rates(self, names: Sequence[str]) -> list[dict[str, object]]:
        interval_s = self._sampling.interval_s
        return [{"rate": self._layout.number(name, self._growth) / interval_s} for name in names]

    def _samples(self, names: Sequence[str], span: Range) -> list[dict[str, object]]:
        moments_ms = span.moments_ms(self._sampling)
        rows = self._rows(span, moments_ms)
        details: list[dict[str, object]] = []
        for name, lately in zip(names, self._rates(names), strict=True):
            numbers = [self._layout.number(name, row) for row in rows]
            each = dict(lately)
            if span.distance_s > INTERVAL_S:
                each["rate"] = _last_rate(numbers, span)
            each["samples"] = [
                {"sample": number, "timestamp": moment_ms}
                for number, moment_ms in zip(reversed(numbers), reversed(moments_ms), strict=True)
            ]
            if len(numbers) > 1:
                passed_s = (moments_ms[-1] - moments_ms[0]) / 1000
                each["avg_rate"] = (numbers[-1] - numbers[0]) / passed_s
                each["avg"] = sum(numbers) / len(numbers)
            details.append(each)
        return details

    def _rows(self, span: Range, moments_ms: Sequence[int]) -> list[Row]:
        if self._history is None:
            rows = [self._layout.nothing] * len(moments_ms)
        else:
            level = self._layout.retention.level_for(span.age_s)
            rows = self._history.at(level, [self._sampling.tick_at(each) for each in moments_ms])
        if span.with_now:
            rows[-1] = self.row
        return rows


def _last_rate(numbers: Sequence[int], span: Range) -> float:
    """What has grown in the last whole step."""
    last = -2 if span.with_now else -1
    if len(numbers) < 1 - last:
        return 0.0
    return (numbers[last] - numbers[last - 1]) / span.distance_s


# What is counted in several places


def node_counted(site: Site) -> Counted:
    """The numbers of the process, and how often connections, channels and queues have come and gone."""
    return Counted(site, NODE_COUNTS, node_row(site), site.sampling.node)


def queue_counted(site: Site, queue: Queue) -> Counted:
    """The numbers of a queue."""
    return Counted(site, QUEUE_COUNTS, queue_row(queue), site.sampling.queue(queue))


async def vhosts_counted(site: Site, vhosts: Sequence[VirtualHost]) -> list[Counted]:
    """The numbers of each virtual host; others have their turns meanwhile."""
    rows = await _vhost_rows(site, vhosts)
    return [
        Counted(site, VHOST_COUNTS, row, site.sampling.vhost(vhost))
        for vhost, row in zip(vhosts, rows, strict=True)
    ]


async def all_counted(site: Site, vhosts: Sequence[VirtualHost]) -> Counted:
    """The numbers of several virtual hosts together."""
    row = VHOST_COUNTS.nothing
    for each in await _vhost_rows(site, vhosts):
        row = total(row, each)
    sampling = site.sampling
    if len(vhosts) == len(site.broker.vhosts):
        return Counted(site, VHOST_COUNTS, row, sampling.all_vhosts)
    known = [sampling.vhost(vhost) for vhost in vhosts]
    return Counted(
        site, VHOST_COUNTS, row, Joined(VHOST_COUNTS, [each for each in known if each is not None])
    )


async def _vhost_rows(site: Site, vhosts: Sequence[VirtualHost]) -> list[Row]:
    pause = Pause()
    counts = {vhost: counts_row(vhost.counts) for vhost in vhosts}
    octets = {vhost: site.sampling.octets(vhost) for vhost in vhosts}
    # Those that close while others have their turn count as they were last.
    channels: list[Channel] = []
    for connection in site.connections():
        vhost = connection.vhost_opened()
        if vhost in counts:
            octets[vhost] = total(octets[vhost], site.sampling.octets_since(connection))
            channels += open_channels(connection)
    for channel in channels:
        counts[channel.vhost] = total(counts[channel.vhost], counts_row(channel.message_counts()))
        if pause.is_due():
            await asyncio.sleep(0)
    rows: list[Row] = []
    for vhost in vhosts:
        ready = unacknowledged = 0
        for queue in list(vhost.queues.values()):
            ready += queue.ready()
            unacknowledged += int(queue.unacked)
            if pause.is_due():
                await asyncio.sleep(0)
        rows.append((*counts[vhost], ready, unacknowledged, *octets[vhost]))
    return rows


def moment(unix_s: float) -> str:
    """A moment as `2026-11-21T05:17:58.355+00:00`."""
    return datetime.datetime.fromtimestamp(unix_s, datetime.UTC).isoformat(timespec="milliseconds")


def idle_since(site: Site, row: Row, history: History | None, made_s: float) -> dict[str, object]:
    """`idle_since` as part of an object: nothing as long as something happens; `made_s` is when it was made."""
    sampling = site.sampling
    if history is None:
        return {"idle_since": moment(made_s)} if not any(row) else {}
    if row != history.last or history.last_tick >= sampling.tick:
        return {}
    return {"idle_since": moment(sampling.unix_s(history.last_tick))}


GARBAGE_COLLECTION = {
    "fullsweep_after": 65535,
    "max_heap_size": 0,
    "min_bin_vheap_size": 46422,
    "min_heap_size": 233,
    "minor_gcs": 0,
}
"""Of Erlang's processes, which there are none of."""
