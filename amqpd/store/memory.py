"""A log that keeps everything in memory: the least that the seam asks for, to test others by."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from amqpd.store.api import CannotRead, Group, Log, Replay
from amqpd.store.records import (
    GROUP_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    group_header,
    group_size,
    offset_of,
    position_of,
    segment_header,
    segment_of,
)
from amqpd.store.replaying import replay_records


@final
class MemorySegment:
    """The bytes of a segment, as they would be in a file; none until its first group is written."""

    def __init__(self, number: i64, data: bytes) -> None:
        self.number = number
        self.data = data
        self.size: i64 = max(len(data), SEGMENT_HEADER_BYTES)
        """Where the next group goes."""
        self.live: i64 = 0
        """How many bytes of it are still needed."""


@final
class MemoryGroup(Group):
    """A group that is written by appending it to its segment."""

    def __init__(self, segment: MemorySegment, written_ms: i64, written: dict[int, MemorySegment]) -> None:
        position = position_of(segment.number, segment.size)
        super().__init__(position, written_ms, segment.size == SEGMENT_HEADER_BYTES)
        self.segment = segment
        self.data = b""
        self.unneeded: list[int] = []
        """The numbers of the segments that go with this group."""
        self._written = written

    def write(self) -> None:
        segment = self.segment
        start = segment.data or segment_header(segment.number)
        segment.data = start + group_header(self.position, self.written_ms, [self.data]) + self.data
        self._written[int(segment.number)] = segment
        for number in self.unneeded:
            del self._written[number]


@final
class MemoryLog(Log):
    """Segments of about one size, the last of which grows; `contents` is what a crash would leave of them."""

    def __init__(self, segment_bytes: i64, contents: dict[int, bytes] | None = None) -> None:
        """Begin with the contents of another log, which `replay` tells."""
        self._segment_bytes = segment_bytes
        self._written: dict[int, MemorySegment] = {}
        for number, data in sorted((contents or {}).items()):
            self._written[number] = MemorySegment(number, data)
        self._segments = list(self._written.values())
        self._growing = False
        """Whether the last segment takes groups; the first group after a start begins a new one."""
        self._durable: i64 = 0
        if self._segments:
            self._durable = position_of(self._segments[-1].number, self._segments[-1].size)
        self._unneeded: list[int] = []

    def contents(self) -> dict[int, bytes]:
        """The bytes of each segment that was written and has not gone, by its number."""
        return {number: segment.data for number, segment in self._written.items()}

    def begin(self, written_ms: i64) -> Group:
        segments = self._segments
        if not self._growing or segments[-1].size >= self._segment_bytes:
            self._growing = True
            segments.append(MemorySegment(segments[-1].number + 1 if segments else 1, b""))
        return MemoryGroup(segments[-1], written_ms, self._written)

    def append(self, group: Group) -> None:
        assert isinstance(group, MemoryGroup)
        group.data = b"".join(group.records.take())
        group.segment.size += GROUP_HEADER_BYTES + len(group.data)
        group.unneeded = self._unneeded
        self._unneeded = []

    def wrote(self, group: Group) -> None:
        assert isinstance(group, MemoryGroup)
        self._durable = group.position + GROUP_HEADER_BYTES + len(group.data)

    def is_durable(self, position: i64) -> bool:
        return position < self._durable

    def read(self, position: i64, size: i64) -> bytes:
        start = offset_of(position)
        for segment in self._segments:
            if segment.number == segment_of(position) and start < len(segment.data):
                return segment.data[start : start + size]
        raise CannotRead(f"segment {segment_of(position)}, offset {start}: nothing is there")

    def replay(self, replay: Replay) -> None:
        for segment in self._segments:
            replay.segment(position_of(segment.number, 0))
            offset: i64 = SEGMENT_HEADER_BYTES
            while offset < segment.size:
                start: i64 = offset + GROUP_HEADER_BYTES
                offset = start + group_size(segment.data, offset, position_of(segment.number, offset))
                replay_records(segment.data, start, offset, position_of(segment.number, start), replay)

    def retain(self, position: i64, size: i64) -> None:
        self._segment(position).live += size

    def release(self, position: i64, size: i64) -> None:
        self._segment(position).live -= size

    def wants_cut(self) -> bool:
        total: i64 = 0
        live: i64 = 0
        for segment in self._segments:
            total += segment.size
            live += segment.live
        if len(self._segments) < 2:
            return False
        return self._segments[0].live == 0 or total > 2 * live + self._segment_bytes

    def is_needed(self, position: i64) -> bool:
        return self._segment(position).live != 0

    def front(self) -> tuple[int, int]:
        segment = self._segments[0]
        return position_of(segment.number, 0), position_of(segment.number, segment.size)

    def cut(self, before: i64) -> None:
        while len(self._segments) > 1:
            segment = self._segments[0]
            if position_of(segment.number, segment.size) > before:
                return
            del self._segments[0]
            self._unneeded.append(int(segment.number))

    def close(self) -> None:
        """There is nothing to give back."""

    def _segment(self, position: i64) -> MemorySegment:
        return self._segments[segment_of(position) - self._segments[0].number]
