"""The log on disk: segments of about one size in a directory, the last of which grows."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from amqpd.store.api import CannotRead, Group, Log, Replay
from amqpd.store.files import File, Files
from amqpd.store.records import (
    GROUP_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    offset_of,
    position_of,
    previous_size,
    segment_of,
)
from amqpd.store.replaying import UnreadableRecord, replay_records
from amqpd.store.segment import (
    END_MISSING,
    NO_GROUP,
    GroupReader,
    LogDamaged,
    Segment,
    check_segment_header,
    has_group,
    segment_numbers,
)
from amqpd.wire.frames import Octets

SNAPSHOT_PART: Final = 3
"""A segment is at least so many times as large as the snapshot that it begins with."""

OPEN_FILES_MAX: Final = 32
"""How many segments are kept open to be read."""


@final
class SegmentGroup(Group):
    """A group on its way into a segment."""

    def __init__(self, segment: Segment, written_ms: i64, first_in_segment: bool) -> None:
        super().__init__(position_of(segment.number, segment.size), written_ms, first_in_segment)
        self.segment = segment
        self.pieces: list[Octets] = []
        self.size: i64 = 0
        self.unneeded: list[Segment] = []
        """Segments that may go as soon as this group is on disk."""

    def write(self) -> None:
        self.segment.write(offset_of(self.position), self.written_ms, self.pieces)
        # The oldest first, and each for good before the next: a power loss must not leave a hole.
        for segment in self.unneeded:
            segment.remove()


@final
class SegmentLog(Log):
    """A log in files; `replay` it before anything is appended."""

    def __init__(
        self, files: Files, directory: str, segment_bytes: i64, first_number: i64 = 1, durable: bool = True
    ) -> None:
        """`segment_bytes` is the size from which a new segment is begun, `first_number` that of an empty log's first.

        One that is not `durable` never waits for the disk, and may not be there after a start. Raises OSError.
        """
        self.torn_bytes: i64 = 0
        """How many bytes of an unfinished group `replay` has cut off the end."""
        self.torn_path = ""
        self._files = files
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._allowance = segment_bytes
        """When a new segment is begun: not before the snapshot of the last one is a small part of it."""
        self._segments: list[Segment] = []
        self._first_number = first_number
        self._is_durable = durable
        self._growing = False
        """Whether the last segment takes groups; the first group after a start begins a new one."""
        self._durable: i64 = 0
        self._total: i64 = 0
        self._live: i64 = 0
        self._unneeded: list[Segment] = []
        self._opened: list[Segment] = []
        files.make_directory(directory)

    # Writing

    def begin(self, written_ms: i64) -> Group:
        segments = self._segments
        if not self._growing or segments[-1].size >= self._allowance:
            if self._growing:
                segments[-1].close()
            self._growing = True
            number = self._first_number + len(segments)
            before: i64 = segments[-1].size if segments else 0
            size = SEGMENT_HEADER_BYTES
            segments.append(Segment(self._files, self._directory, number, size, self._is_durable, before))
            self._total += SEGMENT_HEADER_BYTES
        return SegmentGroup(segments[-1], written_ms, segments[-1].size == SEGMENT_HEADER_BYTES)

    def append(self, group: Group) -> None:
        assert isinstance(group, SegmentGroup)
        group.pieces = group.records.take()
        size: i64 = GROUP_HEADER_BYTES
        for piece in group.pieces:
            size += len(piece)
        group.size = size
        group.segment.size += size
        self._total += size
        if group.first_in_segment:
            self._allowance = max(self._segment_bytes, SNAPSHOT_PART * group.snapshot_bytes)
            group.segment.full_bytes = self._allowance
        group.unneeded = self._unneeded
        self._unneeded = []

    def wrote(self, group: Group) -> None:
        assert isinstance(group, SegmentGroup)
        group.pieces = []
        self._durable = group.position + group.size

    # Reading

    def is_durable(self, position: i64) -> bool:
        return position < self._durable

    def read(self, position: i64, size: i64) -> bytes:
        segment = self._segment(position)
        offset = offset_of(position)
        try:
            # No further, however large a record says that it is: it may be damaged.
            data = segment.reader().read(offset, max(0, min(size, segment.size - offset)))
        except OSError as error:
            raise CannotRead(f"{segment.path}, offset {offset}: {error.strerror}") from None
        self._keep_open(segment)
        return data

    def _segment(self, position: i64) -> Segment:
        return self._segments[segment_of(position) - self._first_number]

    def _keep_open(self, segment: Segment) -> None:
        """Close the segments that were not read for the longest time."""
        opened = self._opened
        if (opened and opened[-1] is segment) or segment is self._segments[-1]:
            return
        if segment in opened:
            opened.remove(segment)
        opened.append(segment)
        if len(opened) > OPEN_FILES_MAX:
            opened.pop(0).close()

    # Keeping the front short

    def retain(self, position: i64, size: i64) -> None:
        self._live += size
        self._segment(position).live += size

    def release(self, position: i64, size: i64) -> None:
        self._live -= size
        self._segment(position).live -= size

    def wants_cut(self) -> bool:
        if len(self._segments) < 2:
            return False
        return self._segments[0].live == 0 or self._total > 2 * self._live + self._allowance

    def is_needed(self, position: i64) -> bool:
        return self._segment(position).live != 0

    def front(self) -> tuple[int, int]:
        segment = self._segments[0]
        return position_of(segment.number, 0), position_of(segment.number, segment.size)

    def cut(self, before: i64) -> None:
        while len(self._segments) > 1:
            segment = self._segments[0]
            if position_of(segment.number, segment.size) > before:
                break
            self._segments.pop(0)
            self._first_number += 1
            self._total -= segment.size
            self._live -= segment.live
            if segment in self._opened:
                self._opened.remove(segment)
            self._unneeded.append(segment)

    def has_leftovers(self) -> bool:
        return len(self._unneeded) > 0

    def remove_dead(self) -> None:
        """Delete the segments at the front of which nothing is needed; of a log that is not durable. Raises OSError."""
        while len(self._segments) > 1 and self._segments[0].live == 0:
            self.cut(position_of(self._first_number, self._segments[0].size))
        unneeded = self._unneeded
        self._unneeded = []
        for segment in unneeded:
            segment.remove()

    def close(self) -> None:
        for segment in self._segments:
            segment.close()

    def is_new(self) -> bool:
        """Whether there is nothing yet, not even from a replay."""
        return not self._segments

    def sizes(self) -> tuple[int, int]:
        """Bytes of the whole log, and how many of them are needed."""
        return self._total, self._live

    # Replaying

    def replay(self, replay: Replay) -> None:
        """Tell everything; an unfinished group at the end is cut off.

        Raises LogDamaged, UnknownFormat or OSError.
        """
        numbers = segment_numbers(self._files, self._directory)
        if numbers:
            self._first_number = numbers[0]
        for number in numbers:
            segment = Segment(self._files, self._directory, number, SEGMENT_HEADER_BYTES)
            if self._replay_segment(segment, replay, number == numbers[-1]):
                self._segments.append(segment)
                self._total += segment.size
                self._durable = position_of(number, segment.size)

    def _replay_segment(self, segment: Segment, replay: Replay, is_last: bool) -> bool:
        """Tell one segment; False if it is the last, was never finished, and is gone now."""
        file = segment.reader()
        try:
            try:
                check_segment_header(file, segment.path, segment.number)
            except LogDamaged:
                if is_last and not has_group(file, segment.number):
                    self._remove_torn(segment, file.size())
                    return False
                raise
            self._check_before(file)
            replay.segment(position_of(segment.number, 0))
            reader = GroupReader(file, segment.number, True)
            while reader.next():
                replay_group(reader, replay, segment.path)
            segment.size = reader.offset
            self._judge_end(segment, reader, is_last)
            if is_last and segment.size == SEGMENT_HEADER_BYTES:
                self._remove_torn(segment, 0)
                return False
        finally:
            segment.close()
        return True

    def _check_before(self, file: File) -> None:
        """Raise LogDamaged if the segment before is shorter than the header of this one says."""
        if self._segments:
            before = self._segments[-1]
            if before.size < previous_size(file.read(0, SEGMENT_HEADER_BYTES)):
                raise LogDamaged(before.path, before.size, END_MISSING)

    def _judge_end(self, segment: Segment, reader: GroupReader, is_last: bool) -> None:
        """The groups have ended: in peace, torn off at the end of the log, or because something is damaged."""
        torn_bytes = reader.bytes_left()
        if not is_last and reader.offset == SEGMENT_HEADER_BYTES:
            raise LogDamaged(segment.path, reader.offset, "there is no group in it")
        if torn_bytes and (not is_last or reader.find_next() >= 0):
            raise LogDamaged(segment.path, reader.offset, NO_GROUP)
        if torn_bytes:
            self.torn_bytes += torn_bytes
            self.torn_path = segment.path
        if is_last:
            self._secure_end(segment, reader)

    def _secure_end(self, segment: Segment, reader: GroupReader) -> None:
        """Let the file end with its last group, and have that on disk for certain.

        Its writer may have ended before it was, or have been told that it could not be, and yet it can be read.
        """
        segment.close()
        file = self._files.open(segment.path, True)
        try:
            file.truncate(reader.offset)
            last_group = file.read(reader.last_offset, reader.offset - reader.last_offset)
            file.write(reader.last_offset, [last_group], True)
        finally:
            file.close()
        self._files.sync_directory(self._directory)

    def _remove_torn(self, segment: Segment, torn_bytes: i64) -> None:
        self.torn_bytes += torn_bytes
        self.torn_path = segment.path
        segment.remove()


def replay_group(reader: GroupReader, replay: Replay, path: str) -> None:
    """Tell the records of the group that the reader is at. Raises LogDamaged."""
    first = reader.record_position(reader.start)
    try:
        replay_records(reader.data, reader.start, reader.end, first, replay)
    except UnreadableRecord as error:
        raise LogDamaged(path, offset_of(error.position), str(error)) from None
