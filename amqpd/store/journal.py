"""What happened since the last group, on its way into the log.

A message that is settled before its group leaves never gets there, and neither does its settlement.
"""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from amqpd.clock import Clock
from amqpd.errors import ResourceError
from amqpd.events import Events
from amqpd.message import NOT_LOGGED, TO_BE_LOGGED, Message
from amqpd.store.api import CannotRead, Flusher, Group, Log, Waiter
from amqpd.store.queue_index import QueueIndex
from amqpd.store.reclaimer import Reclaimer
from amqpd.store.records import (
    DEFINITION,
    INCLUDED_DEFINITION,
    PROGRESS,
    SNAPSHOT_DEFINITION,
    SNAPSHOT_PROGRESS,
    begin_message,
    content_bytes,
    write_counts,
    write_definition,
    write_holder,
    write_message_content,
    write_progress,
)

URGENT_BYTES: Final = 262144
"""So much is written soon, also if nobody waits for it."""

AHEAD_BYTES: Final = 8388608
"""How much may wait for the disk before publishers are not heard for a while."""

GROUP_MAX_BYTES: Final = 1 << 31
"""No group has more of new messages than this: offsets in a segment have 32 bits."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Snapshot:
    """Whoever has definitions, and can tell all of them."""

    def definitions(self) -> list[bytes]:
        """What, replayed in this order, makes all durable definitions again."""
        raise NotImplementedError


@final
class Arrival:
    """A message that arrived in a queue and is not in the log yet."""

    def __init__(self, message: Message, index: QueueIndex, queue_position: i64) -> None:
        self.message = message
        self.index = index
        self.queue_position = queue_position


@final
class Journal:
    """Takes what has to last, makes groups of it, and says when they are on disk."""

    def __init__(self, log: Log, clock: Clock, events: Events) -> None:
        self.log = log
        self.indexes: dict[int, QueueIndex] = {}
        """Of every queue that is logged, by its id."""
        self.failure = ""
        """Why nothing can be made durable any more; empty as long as it can."""
        self.is_replaying = False
        """Whether what happens is being told by the log itself."""
        self.flusher = Flusher()
        self.snapshot = Snapshot()
        self._clock = clock
        self._events = events
        self._definitions: list[bytes] = []
        self._arrivals: list[Arrival] = []
        self._arrived_bytes: i64 = 0
        self._changed: list[QueueIndex] = []
        self._dropped: list[QueueIndex] = []
        self._waiters: list[Waiter] = []
        self._crowd: list[Waiter] = []
        self._in_flight: Group | None = None
        self._definitions_in_flight = False
        self._reclaimer = Reclaimer(log, self.indexes)
        self._reclaims = True
        self._awake = False
        self._urgent = False

    # What happens

    def define(self, definition: bytes) -> None:
        """Record a change of definitions; one that a replay makes is recorded already."""
        if not self.is_replaying:
            self._definitions.append(definition)
            self._wake(False)

    def add_index(self, index: QueueIndex) -> None:
        """A queue is there, whose messages may be logged."""
        self.indexes[index.id] = index

    def drop_index(self, index: QueueIndex) -> None:
        """The queue is gone with all its messages; that is a change of definitions of its own."""
        index.deleted = True
        self.indexes.pop(index.id, None)
        for message in index.resident.values():
            self.log.release(message.log_position, message.log_share)
        index.resident.clear()

    def check(self) -> None:
        """Raise ResourceError (506) if nothing can be made durable any more."""
        if self.failure:
            raise ResourceError(f"cannot write to the log: {self.failure}")

    def add(self, message: Message, index: QueueIndex, queue_position: i64) -> None:
        """A persistent message has arrived in a queue. Queues that share it are told of it before anything is written.

        Raises ResourceError (506) if too much waits to be written.
        """
        if message.log_position != TO_BE_LOGGED:
            self._arrived_bytes += content_bytes(message)
            if self._arrived_bytes > GROUP_MAX_BYTES:
                self._refuse(message)
            message.log_position = TO_BE_LOGGED
        elif self._arrivals[-1].message is not message:
            self._add_beside(message, index, queue_position)
            return
        self._arrivals.append(Arrival(message, index, queue_position))
        if not self._urgent:
            self._wake(self._arrived_bytes > URGENT_BYTES)

    def _add_beside(self, message: Message, index: QueueIndex, queue_position: i64) -> None:
        """Another has arrived between two queues of a message, as it died in the first: all that share it stand together."""
        at: i64 = len(self._arrivals) - 1
        while self._arrivals[at].message is not message:
            at -= 1
        self._arrivals.insert(at + 1, Arrival(message, index, queue_position))

    def _refuse(self, message: Message) -> None:
        self._arrived_bytes -= content_bytes(message)
        raise ResourceError(f"more than {GROUP_MAX_BYTES} bytes wait to be written to the log")

    def note_arrivals(self, now_ms: i64) -> None:
        """What waits to be written has arrived by this time (unix ms), also if it is written later."""
        for arrival in self._arrivals:
            if not arrival.message.arrived_ms:
                arrival.message.arrived_ms = now_ms

    def deliver(self, index: QueueIndex, queue_position: i64) -> None:
        """A logged message was delivered for the first time."""
        index.delivered = queue_position + 1
        if not index.changed:
            self._change(index)

    def settle(self, message: Message, index: QueueIndex, queue_position: i64) -> None:
        """A queue is done with a message, which is, or will be, in the log."""
        if message.log_position == TO_BE_LOGGED:
            if not index.dropped:
                self._dropped.append(index)
            index.dropped.add(queue_position)
            return
        del index.resident[queue_position]
        self.log.release(message.log_position, message.log_share)
        index.settle(queue_position, queue_position + 1)
        if not index.changed:
            self._change(index)

    def settle_range(self, index: QueueIndex, start: i64, end: i64) -> None:
        """A queue is done with all that stands in it from `start` up to, but without, `end`."""
        index.settle(start, end)
        if not index.changed:
            self._change(index)

    def count(self, index: QueueIndex, queue_position: i64, number: i64) -> None:
        """A queue wants a number to be kept with one of its messages, in place of the one before."""
        index.counts[queue_position] = int(number)
        index.counted[queue_position] = None
        if not index.changed:
            self._change(index)

    def _change(self, index: QueueIndex) -> None:
        index.changed = True
        self._changed.append(index)
        self._wake(False)

    # Who waits

    def wait(self, waiter: Waiter) -> None:
        """Tell the waiter when all that has happened until now is on disk."""
        self._waiters.append(waiter)
        self._wake(True)

    def wait_for_room(self, waiter: Waiter) -> None:
        """Tell the waiter (`group_formed`) when what waits for the disk is being written."""
        self._crowd.append(waiter)
        self._wake(True)

    def has_definitions(self) -> bool:
        """Whether a change of definitions is not on disk yet."""
        return self._definitions_in_flight or len(self._definitions) > 0

    def is_busy(self) -> bool:
        """Whether anything that happened is not on disk yet."""
        return self._awake or self._in_flight is not None

    def is_behind(self) -> bool:
        """Whether so much waits for the disk that publishers should wait as well."""
        return self._arrived_bytes > AHEAD_BYTES and self._in_flight is not None

    def _wake(self, soon: bool) -> None:
        if soon and not self._urgent:
            self._urgent = True
            self._awake = True
            self.flusher.wake(True)
        elif not self._awake:
            self._awake = True
            self.flusher.wake(False)

    def wants_group(self) -> bool:
        """Whether anything waits to be written."""
        return self._awake

    def is_urgent(self) -> bool:
        """Whether somebody waits for it."""
        return self._urgent

    # Groups

    def form_group(self) -> Group | None:
        """Everything since the last group as one to be written, or None if nothing of it needs the disk.

        The group before must have been written: only one is under way at a time.
        """
        assert self._in_flight is None
        waiters = self._waiters
        crowd = self._crowd
        self._waiters = []
        self._crowd = []
        self._awake = False
        self._urgent = False
        for waiter in waiters:
            waiter.group_formed()
        group = self._form(waiters)
        for waiter in crowd:
            waiter.group_formed()
        return group

    def _form(self, waiters: list[Waiter]) -> Group | None:
        if self.failure:
            self._forget()
            for waiter in waiters:
                waiter.failed()
            return None
        group = self.log.begin(int(self._clock.unix_s() * 1000))
        self._definitions_in_flight = len(self._definitions) > 0
        self._write_definitions(group)
        self._write_arrivals(group)
        self._write_progress(group)
        self._reclaim(group)
        if group.is_empty() and not self.log.has_leftovers():
            # Nothing was moved, so that what was worked through may go without a group.
            self._reclaimer.wrote()
            self._keep_reclaiming()
            for waiter in waiters:
                waiter.durable()
            return None
        group.waiters = waiters
        self.log.append(group)
        self._in_flight = group
        return group

    def wrote(self, group: Group) -> None:
        """The group is on disk: whoever waits for it is told."""
        self._in_flight = None
        self._definitions_in_flight = False
        self.log.wrote(group)
        self._reclaimer.wrote()
        self._keep_reclaiming()
        for waiter in group.waiters:
            waiter.durable()

    def _keep_reclaiming(self) -> None:
        """Also when nothing else happens: the log should not stay as long as it was at its busiest."""
        if self._reclaims and (self._reclaimer.is_busy() or self.log.wants_cut() or self.log.has_leftovers()):
            self._wake(False)

    def fail(self, group: Group, error: Exception) -> None:
        """Writing went wrong: what is on disk is not known, so nothing is written any more."""
        self._in_flight = None
        self._definitions_in_flight = False
        self.failure = (error.strerror if isinstance(error, OSError) else None) or str(error) or "unknown"
        fields: dict[str, object] = {"error": self.failure, "cause": repr(error)}
        self._events.tell(
            "error", "writing to the log failed, nothing durable is accepted until a restart", fields
        )
        waiters = group.waiters + self._waiters
        crowd = self._crowd
        self._waiters = []
        self._crowd = []
        self._forget()
        for waiter in waiters:
            waiter.failed()
        for waiter in crowd:
            waiter.group_formed()

    def stop_reclaiming(self) -> None:
        """Leave the log as long as it is: the broker stops."""
        self._reclaims = False

    def _reclaim(self, group: Group) -> None:
        """Let the log's front go a little further."""
        if self._reclaims:
            try:
                self._reclaimer.step(group)
            except CannotRead as error:
                self._reclaims = False
                self._events.tell("error", "the log can't be shortened any more", {"error": str(error)})

    def _forget(self) -> None:
        """What waits to be written never will be."""
        self._definitions.clear()
        for arrival in self._arrivals:
            arrival.message.log_position = NOT_LOGGED
        self._arrivals.clear()
        self._arrived_bytes = 0
        for index in self._changed:
            index.changed = False
            index.settled.clear()
            index.counted.clear()
        self._changed.clear()
        self._clear_dropped()

    def _write_definitions(self, group: Group) -> None:
        writer = group.writer()
        if group.first_in_segment:
            for definition in self.snapshot.definitions():
                write_definition(writer, SNAPSHOT_DEFINITION, definition)
            for index in self.indexes.values():
                if index.delivered:
                    write_progress(writer, SNAPSHOT_PROGRESS, index.id, index.delivered, [])
                if index.counts:
                    write_counts(writer, index.id, list(index.counts.items()))
            group.snapshot_bytes = group.records.size()
        record_type = INCLUDED_DEFINITION if group.first_in_segment else DEFINITION
        for definition in self._definitions:
            write_definition(writer, record_type, definition)
        self._definitions.clear()

    def _write_arrivals(self, group: Group) -> None:
        arrivals = self._arrivals
        self._arrivals = []
        self._arrived_bytes = 0
        count: i64 = len(arrivals)
        at: i64 = 0
        while at < count:
            message = arrivals[at].message
            next_at: i64 = at + 1
            while next_at < count and arrivals[next_at].message is message:
                next_at += 1
            if next_at == at + 1:
                self._write_arrival(group, arrivals[at])
            else:
                self._write_shared(group, arrivals[at:next_at])
            at = next_at
        self._clear_dropped()

    def _write_arrival(self, group: Group, arrival: Arrival) -> None:
        message = arrival.message
        index = arrival.index
        if index.deleted or (index.dropped and arrival.queue_position in index.dropped):
            message.log_position = NOT_LOGGED
            return
        size = self._begin_message(group, message, 1)
        write_holder(group.records.writer, index.id, arrival.queue_position)
        write_message_content(group.records, message)
        message.log_share = size
        index.resident[arrival.queue_position] = message
        self.log.retain(message.log_position, size)

    def _write_shared(self, group: Group, arrivals: list[Arrival]) -> None:
        """Write a message that several queues have taken: once, with the list of them."""
        message = arrivals[0].message
        holders = [
            arrival
            for arrival in arrivals
            if not arrival.index.deleted and arrival.queue_position not in arrival.index.dropped
        ]
        if not holders:
            message.log_position = NOT_LOGGED
            return
        size = self._begin_message(group, message, len(holders))
        writer = group.records.writer
        for arrival in holders:
            write_holder(writer, arrival.index.id, arrival.queue_position)
            arrival.index.resident[arrival.queue_position] = message
        write_message_content(group.records, message)
        message.log_share = size // len(holders)
        self.log.retain(message.log_position, message.log_share * len(holders))

    def _begin_message(self, group: Group, message: Message, holders: i64) -> i64:
        if not message.arrived_ms:
            message.arrived_ms = group.written_ms
        message.log_position = group.next_position()
        return begin_message(group.records.writer, message, holders)

    def _clear_dropped(self) -> None:
        for index in self._dropped:
            index.dropped.clear()
        self._dropped.clear()

    def _write_progress(self, group: Group) -> None:
        changed = self._changed
        self._changed = []
        writer = group.writer()
        for index in changed:
            index.changed = False
            if not index.deleted and index.has_progress():
                write_progress(writer, PROGRESS, index.id, index.delivered, index.settled)
                if index.counted:
                    counts = [(position, index.counts[position]) for position in index.counted]
                    write_counts(writer, index.id, counts)
            index.settled.clear()
            index.counted.clear()
