"""From a replayed log to what each queue holds: messages minus what was settled, in the order of the queue."""

from __future__ import annotations

from array import array
from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64, mypyc_attr

from amqpd.store.api import Log, Replay
from amqpd.store.paged import PagedMessages
from amqpd.store.queue_index import QueueIndex
from amqpd.store.records import (
    HOLDER_BYTES,
    MESSAGE_HEAD_BYTES,
    body_mark,
    holder_count,
    read_counts,
    read_ranges,
    record_size,
)

END: Final = (1 << 63) - 1

PILES_MAX: Final = 8
"""A queue whose messages come in more runs than this is taken to have them in any order."""

SORTED_AT_ONCE_MESSAGES: Final = 524288

TIDIED_MIN: Final = 65536


@mypyc_attr(allow_interpreted_subclasses=True)
class Definitions:
    """Whoever makes queues, exchanges, users and the like of what the log says of them."""

    def apply(self, definition: bytes) -> None:
        """Do this change again."""
        raise NotImplementedError

    def apply_missing(self, definition: bytes) -> None:
        """The same, unless its result is there already."""
        raise NotImplementedError

    def gap(self) -> None:
        """Some changes are lost; the next snapshot will tell what there is."""


@final
class Intervals:
    """A set of numbers. After `tidy`, the intervals are in order, and do not touch each other.

    They may be added in any order: to keep them in order all the time would be more work the more there are.
    """

    def __init__(self, tidied_min: i64 = TIDIED_MIN) -> None:
        """`tidied_min` is how many there are at least when they are put in order unasked, to take less memory."""
        self.starts: array[int] = array("q")
        self.ends: array[int] = array("q")
        self.end: i64 = 0
        """No number is as high as this, or higher."""
        self._tidied_min = tidied_min
        self._tidied_at = tidied_min

    def add(self, start: i64, end: i64) -> None:
        """Add the numbers from `start` up to, but without, `end`."""
        if start >= end:
            return
        self.end = max(self.end, end)
        ends = self.ends
        count: i64 = len(ends)
        if count and ends[-1] == start:
            ends[-1] = end
            return
        self.starts.append(start)
        ends.append(end)
        if count + 1 >= self._tidied_at:
            self.tidy()
            self._tidied_at = max(self._tidied_min, 2 * len(self.starts))

    def tidy(self) -> None:
        """Put the intervals in order, and make one of those that touch."""
        starts, ends = self.starts, self.ends
        self.starts = array("q")
        self.ends = array("q")
        for at in sorted(range(len(starts)), key=starts.__getitem__):
            self._add_behind(starts[at], ends[at])

    def _add_behind(self, start: i64, end: i64) -> None:
        """Add what begins at the start of the last interval, or behind that."""
        ends = self.ends
        if len(ends) and start <= ends[-1]:
            ends[-1] = max(i64(ends[-1]), end)
        else:
            self.starts.append(start)
            ends.append(end)


@final
class Pile:
    """Messages in the order of their queue: position in the queue, position in the log, share of its bytes, body."""

    def __init__(self) -> None:
        self.queue_positions: array[int] = array("q")
        self.log_positions: array[int] = array("q")
        self.shares: array[int] = array("q")
        self.bodies: array[int] = array("q")
        """What `body_mark` says of each."""

    def append(self, queue_position: i64, log_position: i64, share: i64, body: i64 = 0) -> None:
        """Add one behind all others."""
        self.queue_positions.append(queue_position)
        self.log_positions.append(log_position)
        self.shares.append(share)
        self.bodies.append(body)


@final
class RecoveredQueue:
    """What a replay has told of one queue."""

    def __init__(self, sorted_at_once: i64 = SORTED_AT_ONCE_MESSAGES) -> None:
        """`sorted_at_once` is how many messages are sorted together that come in any order."""
        self._sorted_at_once = sorted_at_once
        self.delivered: i64 = 0
        self.settled = Intervals()
        self.counts: dict[int, int] = {}
        """What the queue has counted, by position: the last that was told, also of what is settled."""
        self._piles: list[Pile] = []
        self._lasts: list[int] = []
        self._loose = Pile()
        """What continues no pile when there are enough of them, in any order."""
        self._sorted: list[Pile] = []
        """The same, in order."""
        self._end: i64 = 0

    def add(self, queue_position: i64, log_position: i64, share: i64, body: i64 = 0) -> None:
        """A message, of whose body `body_mark` tells; the same one may come again later, from elsewhere in the log, and then counts there.

        New messages come in order, and so do those that were moved, but the two are mixed: each goes on the
        first pile that it continues, of which there are only a few. Where messages have their places by the time
        they are due, they come in any order, and are sorted a lot at a time.
        """
        self._end = max(self._end, queue_position + 1)
        number: i64 = 0
        for last in self._lasts:
            if last < queue_position:
                break
            number += 1
        if number == len(self._piles):
            if number == PILES_MAX:
                self._loose.append(queue_position, log_position, share, body)
                if len(self._loose.queue_positions) >= self._sorted_at_once:
                    self._sort_loose()
                return
            self._piles.append(Pile())
            self._lasts.append(0)
        self._piles[number].append(queue_position, log_position, share, body)
        self._lasts[number] = queue_position

    def _sort_loose(self) -> None:
        self._sorted.append(in_order(self._loose))
        self._loose = Pile()

    def _merged_piles(self) -> Pile:
        self._sort_loose()
        piles = self._piles + self._sorted
        self._piles = []
        self._sorted = []
        while len(piles) > 1:
            piles = [
                merged(piles[number], piles[number + 1]) if number + 1 < len(piles) else piles[number]
                for number in range(0, len(piles), 2)
            ]
        return piles[0]

    def next_queue_position(self) -> i64:
        """Where the queue goes on: behind everything that was ever told of it."""
        return max(self.delivered, self._end, self.settled.end)

    def counts_of(self, paged: PagedMessages) -> dict[int, int]:
        """What the queue has counted of those messages that are left."""
        return {
            position: number for position, number in self.counts.items() if paged.find(position) is not None
        }

    def finish(self, index: QueueIndex, log: Log) -> None:
        """Let the index have what is left, and the log know what it keeps alive."""
        index.delivered = self.delivered
        self.settled.tidy()
        unsettled = Unsettled(self.settled, index, log)
        pile = self._merged_piles()
        for at in range(len(pile.queue_positions)):
            unsettled.add(pile.queue_positions[at], pile.log_positions[at], pile.shares[at], pile.bodies[at])


@final
class Unsettled:
    """Takes the messages of a queue in order, and keeps those that are not settled."""

    def __init__(self, settled: Intervals, index: QueueIndex, log: Log) -> None:
        self._settled = settled
        self._index = index
        self._log = log
        self._number: i64 = -1
        self._start: i64 = 0
        self._end: i64 = 0
        """The interval that ends behind the message that came last."""

    def add(self, queue_position: i64, log_position: i64, share: i64, body: i64) -> None:
        """A message, behind all others."""
        while queue_position >= self._end:
            self._number += 1
            starts, ends = self._settled.starts, self._settled.ends
            self._start = starts[self._number] if self._number < len(starts) else END
            self._end = ends[self._number] if self._number < len(ends) else END
        if queue_position < self._start:
            index = self._index
            index.paged.append(queue_position, log_position, share)
            index.paged_body_bytes += body >> 1
            if body & 1:
                index.has_expiring = True
            self._log.retain(log_position, share)


def in_order(pile: Pile) -> Pile:
    """A pile of messages in any order as one in theirs. Of a message that is there twice the last counts."""
    result = Pile()
    positions = pile.queue_positions
    # A sort that keeps the order of what is equal, so that the last stands behind the others.
    order = sorted(range(len(positions)), key=positions.__getitem__)
    count: i64 = len(order)
    for number in range(count):
        at: i64 = order[number]
        queue_position: i64 = positions[at]
        if number + 1 == count or positions[order[number + 1]] != queue_position:
            result.append(queue_position, pile.log_positions[at], pile.shares[at], pile.bodies[at])
    return result


def merged(one: Pile, other: Pile) -> Pile:
    """Two piles as one. A message in both stands later in the log in one of them, and counts there."""
    result = Pile()
    at: i64 = 0
    other_at: i64 = 0
    size: i64 = len(one.queue_positions)
    other_size: i64 = len(other.queue_positions)
    while at < size or other_at < other_size:
        mine: i64 = one.queue_positions[at] if at < size else END
        others: i64 = other.queue_positions[other_at] if other_at < other_size else END
        if mine == others:
            if one.log_positions[at] < other.log_positions[other_at]:
                at += 1
            else:
                other_at += 1
        elif mine < others:
            result.append(mine, one.log_positions[at], one.shares[at], one.bodies[at])
            at += 1
        else:
            result.append(
                others, other.log_positions[other_at], other.shares[other_at], other.bodies[other_at]
            )
            other_at += 1
    return result


@final
class Recovery(Replay):
    """Listens to a replay; afterwards `finish` gives every queue what it holds."""

    def __init__(self, definitions: Definitions, indexes: dict[int, QueueIndex]) -> None:
        """`indexes` are those of the queues that `definitions` has made, by id, and kept so by it."""
        self.highest_queue_id: i64 = 0
        self._definitions = definitions
        self._indexes = indexes
        self._recovered: dict[int, RecoveredQueue] = {}
        self._wants_snapshot = True
        """Where the log begins, and after a gap; elsewhere all that a snapshot says was told before it."""
        self._first_segment = True
        self._gap = False

    def segment(self, position: i64) -> None:
        self._wants_snapshot = self._first_segment or self._gap
        self._first_segment = False
        self._gap = False

    def definition(self, definition: bytes) -> None:
        self._definitions.apply(definition)

    def snapshot(self, definition: bytes) -> None:
        if self._wants_snapshot:
            self._definitions.apply_missing(definition)

    def included(self, definition: bytes) -> None:
        if not self._wants_snapshot:
            self._definitions.apply(definition)

    def gap(self, position: i64) -> None:
        self._gap = True
        self._wants_snapshot = True
        self._definitions.gap()

    def message(self, position: i64, data: bytes, at: i64) -> None:
        holders = holder_count(data, at)
        share: i64 = record_size(data, at) // holders
        body = body_mark(data, at)
        holder_at: i64 = at + MESSAGE_HEAD_BYTES
        for _ in range(holders):
            queue = self._queue(read_i64_le(data, holder_at))
            queue.add(read_i64_le(data, holder_at + 8), position, share, body)
            holder_at += HOLDER_BYTES

    def progress(self, data: bytes, at: i64) -> None:
        queue = self._queue(read_i64_le(data, at + 5))
        queue.delivered = max(queue.delivered, read_i64_le(data, at + 13))
        ranges = read_ranges(data, at)
        for number in range(0, len(ranges), 2):
            queue.settled.add(ranges[number], ranges[number + 1])

    def counts(self, data: bytes, at: i64) -> None:
        queue = self._queue(read_i64_le(data, at + 5))
        for position, number in read_counts(data, at):
            queue.counts[position] = number

    def _queue(self, queue_id: i64) -> RecoveredQueue:
        """What is known of a queue, which need not be there any more, or, after a gap, not yet."""
        queue = self._recovered.get(queue_id)
        if queue is None:
            self.highest_queue_id = max(self.highest_queue_id, queue_id)
            queue = RecoveredQueue()
            self._recovered[queue_id] = queue
        return queue

    def finish(self, log: Log) -> dict[int, int]:
        """Fill the indexes; where each queue that the log has told of goes on, by its id."""
        ends: dict[int, int] = {}
        for queue_id, queue in self._recovered.items():
            index = self._indexes.get(queue_id)
            if index is not None:
                ends[queue_id] = queue.next_queue_position()
                queue.finish(index, log)
                index.counts = queue.counts_of(index.paged)
        self._recovered.clear()
        return ends
