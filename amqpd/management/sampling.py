"""Takes samples of everything that is counted, every five seconds, and little by little so that nobody waits for it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Timer
from amqpd.management.rows import (
    CHANNEL_COUNTS,
    CONNECTION_COUNTS,
    EXCHANGE_COUNTS,
    NODE_COUNTS,
    QUEUE_COUNTS,
    VHOST_COUNTS,
    connection_row,
    counts_row,
    difference,
    exchange_row,
    node_row,
    queue_row,
    total,
)
from amqpd.metrics.history import INTERVAL_S, History, Layout, Row
from amqpd.protocol.channel import Channel
from amqpd.protocol.connection import Connection
from amqpd.protocol.states import CHANNEL_CLOSING

if TYPE_CHECKING:
    from amqpd.management.site import Site

SLICE: Final = 250
"""So much is looked at before others have their turn: what has changed counts for CHANGED."""

CHANGED: Final = 5
FORGETS_EVERY_TICKS: Final = 120
BIRTHS_REMEMBERED: Final = 1000


# What is remembered


class SeenConnection:
    """A connection, and its channels, as they were when they were looked at last."""

    def __init__(self, connection: Connection, vhost: SeenVhost) -> None:
        self.connection = connection
        self.vhost = vhost
        self.seen_tick = 0
        self.row = CONNECTION_COUNTS.nothing
        self.history: History | None = None
        self.channels: dict[Channel, History] = {}
        self.is_at_rest = False
        """Whether its numbers, and those of its channels, can only change with its octets."""


class SeenVhost:
    """A virtual host, and the sums of what there is in it."""

    def __init__(self) -> None:
        self.history: History | None = None
        self.seen_tick = 0
        self.closed = CHANNEL_COUNTS.nothing
        """What channels that are closed have done."""
        self.open = CHANNEL_COUNTS.nothing
        """What channels have done that are open."""
        self.octets = CONNECTION_COUNTS.nothing
        self.lengths: Row = (0, 0)


class Sampling:
    """The histories of everything that is counted, which grow while it runs."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._timers = site.broker.timers
        self._timer: Timer | None = None
        self._origin_s = 0.0
        self.tick = 0
        """The newest of which all is known."""
        self.interval_s = float(INTERVAL_S)
        """How long before that was the one before."""
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._walk: Iterator[None] | None = None
        self._work = 0
        """How much was looked at since others had their turn."""
        self._is_first = True
        self._connections: dict[Connection, SeenConnection] = {}
        self._vhosts: dict[VirtualHost, SeenVhost] = {}
        self._queues: dict[Queue, History] = {}
        self._exchanges: dict[Exchange, History] = {}
        self.all_vhosts: History | None = None
        self.node: History | None = None
        self._born_ids: list[int] = []
        self._born_ticks: list[int] = []

    # Time

    def start(self) -> None:
        """Look at once, and then every five seconds."""
        if self._timer is None:
            clock = self._timers.clock
            unix_s, monotonic_s = clock.unix_s(), clock.monotonic_s()
            self._origin_s = monotonic_s - unix_s
            self.tick = int(unix_s) // INTERVAL_S - 1
            self._begin_walk(self.tick + 1)

    def forget_all(self) -> None:
        """Begin anew with everything."""
        self._begin_anew()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self.start()

    def unix_s(self, tick: int) -> float:
        """When a tick was, or will be, by today's calendar."""
        return tick * INTERVAL_S + self._drift_s()

    def tick_at(self, unix_ms: int) -> int:
        """The newest tick at a moment."""
        return (unix_ms // 1000 - self._drift_s()) // INTERVAL_S

    def known_until_s(self) -> float:
        """The moment up to which everything is known: now, but for what is just being looked at."""
        now_s = self._timers.clock.unix_s()
        return min(now_s, self.unix_s(self.tick + 1) - 0.001) if self._timer is not None else now_s

    def _drift_s(self) -> int:
        """How far the calendar was moved since the beginning, in whole seconds."""
        clock = self._timers.clock
        return round(clock.unix_s() - clock.monotonic_s() + self._origin_s)

    def _begin_walk(self, tick: int) -> None:
        now_s = self._timers.clock.monotonic_s()
        following = max(tick + 1, int((now_s - self._origin_s) // INTERVAL_S) + 1)
        due_s = following * INTERVAL_S + self._origin_s - now_s
        self._timer = self._timers.after(max(0.0, due_s), lambda: self._begin_walk(following))
        if self._walk is None:
            self._walk = self._look(tick)
            self._go_on(self._walk)

    def _go_on(self, walk: Iterator[None]) -> None:
        """One slice of a walk, unless it was forgotten."""
        if walk is not self._walk:
            return
        try:
            next(walk)
        except StopIteration:
            self._walk = None
            return
        except BaseException:
            self._walk = None
            raise
        self._timers.after(0.0, lambda: self._go_on(walk))

    # What is known

    def queue(self, queue: Queue) -> History | None:
        """The history of a queue: None if all its numbers are 0 and have always been."""
        return self._queues.get(queue)

    def exchange(self, exchange: Exchange) -> History | None:
        """The same of an exchange."""
        return self._exchanges.get(exchange)

    def connection(self, connection: Connection) -> History | None:
        """The history of a connection."""
        seen = self._connections.get(connection)
        return None if seen is None else seen.history

    def channel(self, channel: Channel) -> History | None:
        """The history of a channel."""
        seen = self._connections.get(channel.connection)
        return None if seen is None else seen.channels.get(channel)

    def vhost(self, vhost: VirtualHost) -> History | None:
        """The history of a virtual host."""
        seen = self._vhosts.get(vhost)
        return None if seen is None else seen.history

    def octets(self, vhost: VirtualHost) -> Row:
        """What all connections in a virtual host had received and sent when they were looked at last."""
        seen = self._vhosts.get(vhost)
        return CONNECTION_COUNTS.nothing if seen is None else seen.octets

    def octets_since(self, connection: Connection) -> Row:
        """What a connection has received and sent since then."""
        seen = self._connections.get(connection)
        row = connection_row(connection)
        return row if seen is None else difference(row, seen.row)

    def made_s(self, queue: Queue) -> float:
        """When a queue was seen first, in seconds since 1970."""
        place = bisect_left(self._born_ids, queue.id)
        if place == len(self._born_ids):
            return self._timers.clock.unix_s()
        return self.unix_s(self._born_ticks[place])

    # Looking

    def _look(self, tick: int) -> Iterator[None]:
        """Take a sample of everything; others have their turn at each step."""
        self._note_births(tick)
        busy = self._look_at_connections(tick)
        yield from self._look_at_channels(tick, busy)
        yield from self._look_at_vhosts(tick)
        self.node = self._recorded(self.node, NODE_COUNTS, tick, node_row(self._site))
        self.interval_s = float(INTERVAL_S if self._is_first else (tick - self.tick) * INTERVAL_S)
        self._is_first = False
        self.tick = tick
        if tick % FORGETS_EVERY_TICKS == 0:
            yield from self._forget_old(tick)

    def _recorded(self, history: History | None, layout: Layout, tick: int, row: Row) -> History:
        if history is None:
            return History(layout, tick, row, self._is_first)
        history.record(tick, row)
        return history

    def _note_births(self, tick: int) -> None:
        last_id = int(self._site.broker.storage.last_queue_id)
        if not self._born_ids or last_id > self._born_ids[-1]:
            self._born_ids.append(last_id)
            self._born_ticks.append(tick)
            if len(self._born_ids) > BIRTHS_REMEMBERED:
                # Of what is older, it is known that it is at least so old.
                del self._born_ids[0], self._born_ticks[0]

    def _look_at_connections(self, tick: int) -> list[tuple[SeenConnection, list[Channel]]]:
        """All of them in one turn, so that no channel is counted twice or left out; those whose channels may be busy."""
        for vhost in list(self._site.broker.vhosts.values()):
            seen_vhost = self._vhosts.get(vhost)
            if seen_vhost is None:
                seen_vhost = self._vhosts[vhost] = SeenVhost()
            seen_vhost.seen_tick = tick
            seen_vhost.closed = counts_row(vhost.counts)
        busy: list[tuple[SeenConnection, list[Channel]]] = []
        for connection in self._site.connections():
            seen = self._connections.get(connection)
            row = connection_row(connection)
            if seen is None:
                vhost = connection.vhost_opened()
                if vhost not in self._vhosts:
                    continue
                seen = self._connections[connection] = SeenConnection(connection, self._vhosts[vhost])
            seen.seen_tick = tick
            if row != seen.row or not seen.is_at_rest:
                seen.vhost.octets = total(seen.vhost.octets, difference(row, seen.row))
                seen.row = row
                seen.is_at_rest = not connection.held
                channels = connection.channels.values()
                busy.append((seen, [each for each in channels if each.state != CHANNEL_CLOSING]))
        self._forget_closed(tick)
        return busy

    def _forget_closed(self, tick: int) -> None:
        closed = [each for each in self._connections.values() if each.seen_tick != tick]
        for seen in closed:
            row = connection_row(seen.connection)
            seen.vhost.octets = total(seen.vhost.octets, difference(row, seen.row))
            for history in seen.channels.values():
                seen.vhost.open = difference(seen.vhost.open, history.last)
            del self._connections[seen.connection]

    def _look_at_channels(
        self, tick: int, busy: list[tuple[SeenConnection, list[Channel]]]
    ) -> Iterator[None]:
        for seen, channels in busy:
            seen.history = self._recorded(seen.history, CONNECTION_COUNTS, tick, seen.row)
            for channel in channels:
                row = counts_row(channel.message_counts())
                history = seen.channels.get(channel)
                if history is None:
                    history = seen.channels[channel] = History(CHANNEL_COUNTS, tick, row, self._is_first)
                    seen.vhost.open = total(seen.vhost.open, row)
                elif row != history.last:
                    seen.vhost.open = total(seen.vhost.open, difference(row, history.last))
                    history.record(tick, row)
                history.seen_tick = tick
                self._work += CHANGED
            for gone in [each for each, history in seen.channels.items() if history.seen_tick != tick]:
                seen.vhost.open = difference(seen.vhost.open, seen.channels.pop(gone).last)
            self._work += CHANGED
            if self._work >= SLICE:
                self._work = 0
                yield

    def _look_at_vhosts(self, tick: int) -> Iterator[None]:
        totals = VHOST_COUNTS.nothing
        for vhost, seen in list(self._vhosts.items()):
            if seen.seen_tick != tick:
                del self._vhosts[vhost]
                continue
            yield from self._look_at_exchanges(tick, vhost)
            yield from self._look_at_queues(tick, vhost, seen)
            row = (*total(seen.closed, seen.open), *seen.lengths, *seen.octets)
            seen.history = self._recorded(seen.history, VHOST_COUNTS, tick, row)
            totals = total(totals, row)
        self.all_vhosts = self._recorded(self.all_vhosts, VHOST_COUNTS, tick, totals)
        for queue in [queue for queue, history in self._queues.items() if history.seen_tick != tick]:
            del self._queues[queue]
        for exchange in [each for each, history in self._exchanges.items() if history.seen_tick != tick]:
            del self._exchanges[exchange]

    def _look_at_queues(self, tick: int, vhost: VirtualHost, seen: SeenVhost) -> Iterator[None]:
        ready = unacknowledged = 0
        histories, nothing, work = self._queues, QUEUE_COUNTS.nothing, self._work
        for queue in list(vhost.queues.values()):
            row = queue_row(queue)
            ready += row[0]
            unacknowledged += row[1]
            history = histories.get(queue)
            if history is not None:
                if row != history.last:
                    history.record(tick, row)
                    work += CHANGED
                history.seen_tick = tick
            elif row != nothing:
                histories[queue] = History(QUEUE_COUNTS, tick, row, self._is_first)
                work += CHANGED
            work += 1
            if work >= SLICE:
                work = 0
                yield
        self._work = work
        seen.lengths = (ready, unacknowledged)

    def _look_at_exchanges(self, tick: int, vhost: VirtualHost) -> Iterator[None]:
        histories = self._exchanges
        for exchange in list(vhost.exchanges.values()):
            row = exchange_row(exchange)
            history = histories.get(exchange)
            if history is not None:
                history.record(tick, row)
                history.seen_tick = tick
            elif row != EXCHANGE_COUNTS.nothing:
                histories[exchange] = History(EXCHANGE_COUNTS, tick, row, self._is_first)
            self._work += 1
            if self._work >= SLICE:
                self._work = 0
                yield

    def _forget_old(self, tick: int) -> Iterator[None]:
        """What has been idle for long keeps nothing but how it is."""
        histories = [*self._queues.values(), *self._exchanges.values()]
        for seen in self._connections.values():
            histories += seen.channels.values()
            if seen.history is not None:
                histories.append(seen.history)
        for number, history in enumerate(histories, 1):
            history.forget_before(tick)
            if number % (SLICE // CHANGED) == 0:
                yield
