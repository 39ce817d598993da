"""What is in a log, found without changing it: every group is checked, and what is damaged is stepped over."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from amqpd.store.api import Log, Replay
from amqpd.store.budget import UNLIMITED
from amqpd.store.files import File, Files
from amqpd.store.log import replay_group
from amqpd.store.queue_index import QueueIndex
from amqpd.store.records import (
    DEFINITION,
    FILLER,
    INCLUDED_DEFINITION,
    MESSAGE,
    SEGMENT_HEADER_BYTES,
    SNAPSHOT_DEFINITION,
    offset_of,
    position_of,
    previous_size,
    record_size,
    segment_of,
    segment_version,
)
from amqpd.store.recovery import Recovery
from amqpd.store.segment import (
    END_MISSING,
    NO_GROUP,
    GroupReader,
    LogDamaged,
    check_segment_header,
    has_group,
    numbers_there,
    segment_path,
)

MESSAGES_AT_ONCE: Final = 4096

OPENED_AHEAD: Final = 256
"""So many segments are open, from the one that is read: a running broker may remove them and they can still be read."""


class LogMoved(Exception):
    """A running broker has removed a segment before it could be read; the message says which."""


@final
class Stretch:
    """Bytes of a file that are not what they should be: from `offset` up to, but without, `end`."""

    def __init__(self, path: str, offset: i64, end: i64, reason: str) -> None:
        self.path = path
        self.offset = int(offset)
        self.end = int(end)
        self.reason = reason


@final
class Walk:
    """Steps through a segment from group to group, and over what is damaged between them.

    While the segment is being written to, what is damaged is told from what was not finished when it was read.
    """

    def __init__(self, file: File, path: str, number: i64, is_last: bool, offset: i64, ends_at: i64) -> None:
        """Begin at `offset`, where a group should be; `is_last` is a segment with none behind it.

        `ends_at` is where it ends by what the next one says, or 0. Raises OSError.
        """
        self.damage: Stretch | None = None
        """The damaged stretch that was stepped over; None if the step was to a group."""
        self.torn_bytes: i64 = 0
        """After the end of a last segment: how many bytes of an unfinished group follow."""
        self._file = file
        self._path = path
        self._number = number
        self._is_last = is_last
        self._ends_at = ends_at
        self._is_empty = offset == SEGMENT_HEADER_BYTES
        self.reader = self._reader_at(offset)

    def next(self) -> bool:
        """Step to the next group, which `reader` is at then, or over a damaged stretch. Raises OSError."""
        self.damage = None
        if self.reader.next():
            self._check_records()
            return True
        start = self.reader.offset
        following = self.reader.find_next()
        if following >= 0:
            self._step_over(start, following)
            return True
        left = self.reader.bytes_left()
        if self._is_last:
            self.torn_bytes = left
            return False
        return self._step_to_end(start, start + left)

    def _step_over(self, start: i64, following: i64) -> None:
        self.reader = self._reader_at(start)
        if self.reader.next():
            # It was still being written a moment ago.
            self._check_records()
            return
        self.damage = Stretch(self._path, start, following, NO_GROUP)
        self.reader = self._reader_at(following)

    def _step_to_end(self, start: i64, end: i64) -> bool:
        ends_at = max(end, self._ends_at)
        self._ends_at = 0
        if ends_at > start:
            self.damage = Stretch(self._path, start, ends_at, NO_GROUP if end > start else END_MISSING)
            self.reader = self._reader_at(max(self.reader.file_size, ends_at))
        elif self._is_empty:
            self.damage = Stretch(self._path, start, end, "there is no group in it")
        self._is_empty = False
        return self.damage is not None

    def _check_records(self) -> None:
        """A group with a CRC that is right and records that are wrong is damaged as a whole."""
        self._is_empty = False
        try:
            replay_group(self.reader, Replay(), self._path)
        except LogDamaged as error:
            reason = f"{error.reason} (the record at offset {error.offset})"
            self.damage = Stretch(self._path, offset_of(self.reader.position), self.reader.offset, reason)

    def _reader_at(self, offset: i64) -> GroupReader:
        reader = GroupReader(self._file, self._number, True)
        reader.offset = offset
        return reader


@final
class SegmentFigures:
    """What was found in one segment."""

    def __init__(self, path: str, number: i64) -> None:
        self.path = path
        self.number = int(number)
        self.file_bytes: i64 = 0
        """The size of its file, with the zeros that were written ahead."""
        self.groups: i64 = 0
        self.records: dict[int, int] = {}
        """How many records of each type."""
        self.message_bytes: i64 = 0
        """The size of all message records."""
        self.live_bytes: i64 = 0
        """How much of that is still needed; a few bytes less where queues share a message."""
        self.first_written_ms: i64 = 0
        """When the oldest group was written, in milliseconds since 1970; 0 if there is none."""
        self.last_written_ms: i64 = 0

    def count(self, record_type: i64) -> None:
        """One more record of a type."""
        self.records[int(record_type)] = self.records.get(int(record_type), 0) + 1

    def add_group(self, written_ms: i64) -> None:
        """One more group; a filler has no time."""
        self.groups += 1
        if written_ms:
            self.first_written_ms = self.first_written_ms or written_ms
            self.last_written_ms = written_ms


@final
class Counting(Replay):
    """Counts records on their way to a recovery."""

    def __init__(self, figures: SegmentFigures, recovery: Recovery) -> None:
        self._figures = figures
        self._recovery = recovery

    def message(self, position: i64, data: bytes, at: i64) -> None:
        self._figures.count(MESSAGE)
        self._figures.message_bytes += record_size(data, at)
        self._recovery.message(position, data, at)

    def definition(self, definition: bytes) -> None:
        self._figures.count(DEFINITION)
        self._recovery.definition(definition)

    def snapshot(self, definition: bytes) -> None:
        self._figures.count(SNAPSHOT_DEFINITION)
        self._recovery.snapshot(definition)

    def included(self, definition: bytes) -> None:
        self._figures.count(INCLUDED_DEFINITION)
        self._recovery.included(definition)

    def progress(self, data: bytes, at: i64) -> None:
        self._figures.count(data[at + 4])
        self._recovery.progress(data, at)

    def counts(self, data: bytes, at: i64) -> None:
        self._figures.count(data[at + 4])
        self._recovery.counts(data, at)

    def gap(self, position: i64) -> None:
        self._figures.count(FILLER)
        self._recovery.gap(position)


@final
class LiveBytes(Log):
    """Hears which messages are needed, and adds up where they are."""

    def __init__(self) -> None:
        self._segments: dict[int, SegmentFigures] = {}

    def add(self, figures: SegmentFigures) -> None:
        """A segment that messages may be in."""
        self._segments[figures.number] = figures

    def retain(self, position: i64, size: i64) -> None:
        self._segments[int(segment_of(position))].live_bytes += size

    def release(self, position: i64, size: i64) -> None:
        self._segments[int(segment_of(position))].live_bytes -= size


@final
class Inspection:
    """What was found in a log."""

    def __init__(self) -> None:
        self.segments: list[SegmentFigures] = []
        self.damages: list[Stretch] = []
        """What is damaged or missing, in the order of the log."""
        self.torn: Stretch | None = None
        """An unfinished group at the end, which a start cuts off, or which is being written."""


@final
class Inspector:
    """Reads a log once, from its front to its end."""

    def __init__(
        self,
        files: Files,
        directory: str,
        log: LiveBytes,
        recovery: Recovery,
        opened_ahead: int = OPENED_AHEAD,
    ) -> None:
        """`log` hears what `recovery`, which hears of all records, finds to be needed."""
        self._files = files
        self._directory = directory
        self._log = log
        self._recovery = recovery
        self._opened_ahead = opened_ahead
        self._opened: dict[int, File] = {}
        self._found = Inspection()

    def inspect(self) -> Inspection:
        """What there is; damage is a gap for the recovery. Raises LogMoved, UnknownFormat or OSError."""
        try:
            numbers = self._open_front()
            for index, number in enumerate(numbers):
                if index:
                    self._miss(numbers[index - 1] + 1, number)
                self._open_ahead(numbers[index : index + self._opened_ahead])
                ends_at = told_end(self._opened.get(number + 1), number + 1)
                self._read(self._opened[number], number, number == numbers[-1], ends_at)
                self._opened.pop(number).close()
        finally:
            self._close_all()
        self._recovery.finish(self._log)
        return self._found

    def _open_front(self) -> list[int]:
        """Open the oldest segments; the numbers of all there are, in order."""
        for number in numbers_there(self._files, self._directory):
            if len(self._opened) == self._opened_ahead:
                break
            try:
                self._opened[number] = self._files.open(segment_path(self._directory, number), False)
            except FileNotFoundError:
                # The front has moved on, and those before have gone with it.
                self._close_all()
        # Listed again: what was alive in the segments that have gone may be in one that came.
        last = max(self._opened, default=0)
        behind = [number for number in numbers_there(self._files, self._directory) if number > last]
        return sorted(self._opened) + behind

    def _open_ahead(self, numbers: list[int]) -> None:
        for number in numbers:
            if number not in self._opened:
                path = segment_path(self._directory, number)
                try:
                    self._opened[number] = self._files.open(path, False)
                except FileNotFoundError:
                    raise LogMoved(
                        f"{path} is not there any more, as a running broker removes what it is done with: try again"
                    ) from None

    def _close_all(self) -> None:
        for file in self._opened.values():
            file.close()
        self._opened.clear()

    def _miss(self, start: int, end: int) -> None:
        """The segments from `start` up to, but without, `end` are missing."""
        if start == end:
            return
        which = (
            "the segment is missing"
            if end == start + 1
            else f"{end - start} segments are missing from here on"
        )
        self._found.damages.append(Stretch(segment_path(self._directory, start), 0, 0, which))
        self._recovery.segment(position_of(start, 0))
        self._recovery.gap(position_of(start, SEGMENT_HEADER_BYTES))

    def _read(self, file: File, number: int, is_last: bool, ends_at: i64) -> None:
        path = segment_path(self._directory, number)
        figures = SegmentFigures(path, number)
        figures.file_bytes = file.size()
        self._found.segments.append(figures)
        self._log.add(figures)
        damage = damaged_header(file, path, number)
        if damage is not None and is_last and not has_group(file, number):
            self._found.torn = Stretch(path, 0, file.size(), "the last segment was not finished")
            return
        if damage is not None:
            self._found.damages.append(damage)
        self._recovery.segment(position_of(number, 0))
        self._read_groups(Walk(file, path, number, is_last, SEGMENT_HEADER_BYTES, ends_at), figures)

    def _read_groups(self, walk: Walk, figures: SegmentFigures) -> None:
        counting = Counting(figures, self._recovery)
        while walk.next():
            damage = walk.damage
            if damage is not None:
                self._found.damages.append(damage)
                self._recovery.gap(position_of(figures.number, damage.offset))
                continue
            figures.add_group(walk.reader.written_ms)
            replay_group(walk.reader, counting, figures.path)
        if walk.torn_bytes:
            start = walk.reader.offset
            self._found.torn = Stretch(
                figures.path, start, start + walk.torn_bytes, "the last group was not finished"
            )


def told_end(next_file: File | None, next_number: i64) -> i64:
    """Where a segment ends by the header of the next one; 0 if there is none, or it does not say. Raises OSError."""
    header = next_file.read(0, SEGMENT_HEADER_BYTES) if next_file is not None else b""
    return previous_size(header) if segment_version(header, next_number) else 0


def damaged_header(file: File, path: str, number: i64) -> Stretch | None:
    """What is wrong with the header of a segment. Raises UnknownFormat or OSError."""
    try:
        check_segment_header(file, path, number)
    except LogDamaged as error:
        return Stretch(path, 0, min(file.size(), SEGMENT_HEADER_BYTES), error.reason)
    return None


@final
class QueueFigures:
    """What a log holds of one queue."""

    def __init__(self) -> None:
        self.messages: i64 = 0
        self.delivered_messages: i64 = 0
        """How many of them were delivered before."""
        self.message_bytes: i64 = 0
        """Their share of the log's bytes."""


def take_queue_figures(index: QueueIndex) -> QueueFigures:
    """Count what a recovered index holds; it is empty afterwards."""
    figures = QueueFigures()
    paged = index.paged
    while paged.count:
        messages = paged.first(MESSAGES_AT_ONCE, UNLIMITED)
        for message in messages:
            figures.messages += 1
            figures.message_bytes += message.share
            if message.queue_position < index.delivered:
                figures.delivered_messages += 1
        paged.drop(len(messages))
    return figures
