"""Keeps the log short: what is alive in its oldest segment is written again at its end, and the segment goes."""

from __future__ import annotations

from typing import Final, final

from librt.strings import read_i16_le, read_i32_le, read_i64_le
from mypy_extensions import i64

from amqpd.message import Message
from amqpd.store.api import CannotRead, Group, Log
from amqpd.store.queue_index import QueueIndex
from amqpd.store.records import (
    GROUP_HEADER_BYTES,
    HOLDER_BYTES,
    MESSAGE,
    MESSAGE_HEAD_BYTES,
    SEGMENT_HEADER_BYTES,
    content_start,
    group_is_whole,
    group_size,
    holder_count,
    offset_of,
    record_size,
    segment_of,
    write_holder,
    write_message_head,
)
from amqpd.wire.frames import STREAMED_BODY_MIN

STEP_BYTES: Final = 262144
"""So much of the oldest segment is looked at for each group."""

STEPS_AHEAD: Final = 4
"""And no less than so many times what the group itself has: the front must go faster than the end grows."""

STEP_MAX_BYTES: Final = 67108864


@final
class Holder:
    """A queue that holds a message of the oldest segment, and where the message will be."""

    def __init__(self, index: QueueIndex, queue_position: i64, position: i64, share: i64) -> None:
        self.index = index
        self.queue_position = queue_position
        self.position = position
        self.share = share
        self.new_position: i64 = 0
        self.new_share: i64 = 0


@final
class Reclaimer:
    """Works through the oldest segment a step with each group, as long as the log is too large."""

    def __init__(self, log: Log, indexes: dict[int, QueueIndex]) -> None:
        self._log = log
        self._indexes = indexes
        self._at: i64 = 0
        self._end: i64 = 0
        """The end of the segment that is being worked through; 0 if there is none."""
        self._moved: list[Holder] = []

    def is_busy(self) -> bool:
        """Whether a segment is half done."""
        return self._end != 0

    def step(self, group: Group) -> None:
        """Append to the group what is alive in the next part of the oldest segment. Raises CannotRead."""
        if not self._end and not self._begin():
            return
        left: i64 = min(max(STEP_BYTES, STEPS_AHEAD * group.records.size()), STEP_MAX_BYTES)
        while left > 0 and self._at < self._end:
            left -= self._take_window(group, min(left, self._end - self._at))

    def _begin(self) -> bool:
        """Let everything go at the front that is dead; True if what is left must be worked through."""
        log = self._log
        while log.wants_cut():
            start, end = log.front()
            if log.is_needed(start):
                self._at = start + SEGMENT_HEADER_BYTES
                self._end = end
                return True
            log.cut(end)
        return False

    def _take_window(self, group: Group, size: i64) -> i64:
        """Work through the groups in the next `size` bytes, one at least; how many bytes that were.

        What is damaged must neither go with its segment nor be written again as if it were not. Raises CannotRead.
        """
        base = self._at
        data = self._log.read(base, max(size, GROUP_HEADER_BYTES))
        first_bytes: i64 = GROUP_HEADER_BYTES + group_size(data, 0, base)
        if first_bytes > self._end - base:
            raise damaged(base)
        if first_bytes > len(data):
            data = self._log.read(base, first_bytes)
        at: i64 = 0
        while at + GROUP_HEADER_BYTES <= len(data):
            records_bytes = group_size(data, at, base + at)
            end: i64 = at + GROUP_HEADER_BYTES + records_bytes
            if records_bytes >= 0 and end > len(data) and at:
                break
            if records_bytes < 0 or not group_is_whole(data, at, records_bytes):
                raise damaged(base + at)
            self._take_records(group, data, at + GROUP_HEADER_BYTES, end, base)
            at = end
            self._at = base + at
        if not at:
            raise damaged(base)
        return at

    def _take_records(self, group: Group, data: bytes, at: i64, end: i64, base: i64) -> None:
        while at < end:
            if data[at + 4] == MESSAGE:
                self._take_message(group, data, at, base + at)
            at += record_size(data, at)

    def _take_message(self, group: Group, data: bytes, at: i64, position: i64) -> None:
        holders = self._holders(data, at, position)
        if not holders:
            return
        new_position = group.next_position()
        content_at = content_start(data, at)
        end = at + record_size(data, at)
        writer = group.records.writer
        flags: i64 = data[at + 5]
        address_bytes: i64 = i64(read_i16_le(data, at + 6)) & 0xFFFF
        header_bytes: i64 = i64(read_i32_le(data, at + 12))
        arrived_ms = read_i64_le(data, at + 16)
        size = write_message_head(
            writer, flags, end - content_at, address_bytes, header_bytes, arrived_ms, len(holders)
        )
        share: i64 = size // len(holders)
        for holder in holders:
            write_holder(writer, holder.index.id, holder.queue_position)
            holder.new_position = new_position
            holder.new_share = share
        if end - content_at >= STREAMED_BODY_MIN:
            group.records.write_large(memoryview(data)[content_at:end])
        else:
            writer.write(data[content_at:end])
        self._log.retain(new_position, share * len(holders))
        self._moved += holders

    def _holders(self, data: bytes, at: i64, position: i64) -> list[Holder]:
        """The queues that still hold the message of this record."""
        holders: list[Holder] = []
        holder_at: i64 = at + MESSAGE_HEAD_BYTES
        for _ in range(holder_count(data, at)):
            index = self._indexes.get(read_i64_le(data, holder_at))
            queue_position = read_i64_le(data, holder_at + 8)
            holder_at += HOLDER_BYTES
            share = -1 if index is None else share_held(index, queue_position, position)
            if index is not None and share >= 0:
                holders.append(Holder(index, queue_position, position, share))
        return holders

    def wrote(self) -> None:
        """What was appended is on disk: from now on it counts, and no longer what was in the oldest segment."""
        for holder in self._moved:
            self._apply(holder)
        self._moved.clear()
        if self._end and self._at >= self._end:
            self._log.cut(self._end)
            self._end = 0

    def _apply(self, holder: Holder) -> None:
        index = holder.index
        message: Message | None = index.resident.get(holder.queue_position)
        if message is not None:
            # Queues that share the message share this, too: the first one has moved it for all.
            if message.log_position == holder.position:
                message.log_position = holder.new_position
                message.log_share = holder.new_share
        elif share_held(index, holder.queue_position, holder.position) >= 0:
            index.paged.move(holder.queue_position, holder.new_position, holder.new_share)
        else:
            # It was settled meanwhile.
            self._log.release(holder.new_position, holder.new_share)
            return
        self._log.release(holder.position, holder.share)


def damaged(position: i64) -> CannotRead:
    """What is said where there should be a group."""
    return CannotRead(
        f"segment {segment_of(position)}, offset {offset_of(position)}: there is no group, or its CRC is wrong"
    )


def share_held(index: QueueIndex, queue_position: i64, position: i64) -> i64:
    """The share of a record's bytes that a queue keeps alive; -1 if it does not hold the message any more."""
    message = index.resident.get(queue_position)
    if message is not None:
        return message.log_share if message.log_position == position else -1
    paged = index.paged.find(queue_position)
    return paged.share if paged is not None and paged.log_position == position else -1
