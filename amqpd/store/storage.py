"""What a broker keeps messages in when they are not in memory: a journal for what must last, a spill for the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from amqpd.events import QUEUE, Events
from amqpd.message import NOT_LOGGED, TO_BE_LOGGED, Message
from amqpd.store.api import CannotRead, Log
from amqpd.store.budget import UNLIMITED, MemoryBudget
from amqpd.store.journal import Journal
from amqpd.store.paged import PagedMessage
from amqpd.store.queue_index import QueueIndex
from amqpd.store.records import (
    HOLDER_BYTES,
    MESSAGE,
    MESSAGE_HEAD_BYTES,
    RECORD_HEAD_BYTES,
    body_start,
    content_bytes,
    holder_count,
    offset_of,
    read_message,
    record_size,
    segment_of,
)
from amqpd.store.spill import SPILLED, Spill

GAP_MAX_BYTES: Final = 16384
"""What is no further apart than this is read together."""

READ_MAX_BYTES: Final = 1048576


@final
class Record:
    """A message as the log has it, at `data[at:]`, and where it stands in its queue."""

    def __init__(self, data: bytes, at: i64, queue_position: i64) -> None:
        self.data = data
        self.at = at
        self.queue_position = queue_position


@final
class Storage:
    """Without a journal and a spill, everything stays in memory."""

    def __init__(self, events: Events, memory_bytes: i64 = UNLIMITED) -> None:
        self.budget = MemoryBudget(memory_bytes)
        self.journal: Journal | None = None
        self.spill: Spill | None = None
        self.indexes: dict[int, QueueIndex] = {}
        """Of every queue, by its id."""
        self.last_queue_id: i64 = 0
        self._events = events
        self._spill_failed = False

    def new_queue_id(self, count: i64 = 1) -> int:
        """The first of so many ids in a row that no queue has or had."""
        self.last_queue_id += count
        return int(self.last_queue_id - count + 1)

    def add_index(self, queue_id: i64, durable: bool) -> QueueIndex:
        """The index of a queue that comes to be."""
        self.last_queue_id = max(self.last_queue_id, queue_id)
        journal = self.journal
        index = QueueIndex(queue_id, durable and journal is not None)
        self.indexes[queue_id] = index
        if index.logged and journal is not None:
            journal.add_index(index)
        return index

    def drop_index(self, index: QueueIndex) -> None:
        """The queue is gone, and all its messages."""
        self.indexes.pop(index.id, None)
        if index.logged and self.journal is not None:
            self.journal.drop_index(index)
        self._release_paged(index)

    def purge_paged(self, index: QueueIndex, end: i64) -> None:
        """A queue is done with all its messages that are not in memory, and with whatever else stands before `end`."""
        if index.logged and index.paged.count and self.journal is not None:
            self.journal.settle_range(index, index.paged.first_queue_position(), end)
        self._release_paged(index)

    def _release_paged(self, index: QueueIndex) -> None:
        if not index.paged.count:
            return
        for position, share in index.paged.clear():
            self.log_of(position).release(position, share)
        index.paged_body_bytes = 0
        self._trim_spill()

    def log_of(self, position: i64) -> Log:
        """The log that a position is in: the journal's, or the spill."""
        if position >= SPILLED:
            assert self.spill is not None
            return self.spill.log
        assert self.journal is not None
        return self.journal.log

    # Out of memory, and back

    def page_out(self, index: QueueIndex, first_queue_position: i64, messages: list[Message]) -> i64:
        """Let go of messages that stand in their queue from a position on; how many of them could be let go of.

        A message that waits for the log can't, nor can any behind it.
        """
        count = self._pageable(index, messages)
        places = range(first_queue_position, first_queue_position + count)
        positions = self._spill_some(index, places, messages[:count])
        if positions is None:
            return 0
        queue_position = first_queue_position
        for message in messages[:count]:
            share = self._let_go(index, queue_position, message, positions)
            index.paged.append(queue_position, positions.get(queue_position, message.log_position), share)
            queue_position += 1
        return count

    def page_out_scattered(
        self, index: QueueIndex, queue_positions: list[int], messages: list[Message]
    ) -> bool:
        """Let go of messages that stand anywhere in their queue, and that `can_page_out`; False if none could go."""
        spilled = self._spill_some(index, queue_positions, messages)
        if spilled is None:
            return False
        for number, message in enumerate(messages):
            queue_position = queue_positions[number]
            share = self._let_go(index, queue_position, message, spilled)
            index.paged.insert(queue_position, spilled.get(queue_position, message.log_position), share)
        return True

    def _let_go(
        self, index: QueueIndex, queue_position: i64, message: Message, spilled: dict[int, int]
    ) -> i64:
        """A message is only in the spill, or only in the log, from now on; how much of it the queue keeps alive."""
        index.paged_body_bytes += message.body_size
        if queue_position in spilled:
            return MESSAGE_HEAD_BYTES + HOLDER_BYTES + content_bytes(message)
        del index.resident[queue_position]
        return message.log_share

    def _pageable(self, index: QueueIndex, messages: list[Message]) -> i64:
        """How many messages at the front can go."""
        count: i64 = 0
        for message in messages:
            if not self.can_page_out(index, message):
                break
            count += 1
        return count

    def can_page_out(self, index: QueueIndex, message: Message) -> bool:
        """Whether a message can be let go of: if it can be spilled, or the log has it."""
        position = message.log_position
        if not index.logged or position == NOT_LOGGED:
            return self.spill is not None and not self._spill_failed
        return position != TO_BE_LOGGED and self.log_of(position).is_durable(position)

    def _spill_some(
        self, index: QueueIndex, places: Sequence[int], messages: list[Message]
    ) -> dict[int, int] | None:
        """Spill those that are not in the log: where, by position in the queue. None if that went wrong."""
        to_spill: list[Message] = []
        queue_positions: list[int] = []
        for number, message in enumerate(messages):
            if not index.logged or message.log_position == NOT_LOGGED:
                to_spill.append(message)
                queue_positions.append(places[number])
        if not to_spill or self.spill is None:
            return {}
        try:
            positions = self.spill.write(index, queue_positions, to_spill)
        except (OSError, CannotRead) as error:
            self._fail_spill(str(error))
            return None
        return dict(zip(queue_positions, positions, strict=True))

    def _trim_spill(self) -> None:
        if self.spill is not None and not self._spill_failed:
            try:
                self.spill.trim()
            except (OSError, CannotRead) as error:
                self._fail_spill(str(error))

    def _fail_spill(self, error: str) -> None:
        self._spill_failed = True
        self._events.tell("error", "messages can't be spilled to disk", {"error": error}, QUEUE)

    def page_in(self, index: QueueIndex, paged: list[PagedMessage]) -> list[Message]:
        """Take the first of what is paged into memory again. Raises CannotRead, and then all is as it was."""
        messages = [read_message(record.data, record.at) for record in self.records(index, paged)]
        for number, wanted in enumerate(paged):
            self._came_in(index, wanted, messages[number])
            index.paged_body_bytes -= messages[number].body_size
        index.paged.drop(len(paged))
        self._trim_spill()
        return messages

    def records(self, index: QueueIndex, paged: list[PagedMessage]) -> list[Record]:
        """Read messages of one queue, and leave them where they are. Raises CannotRead."""
        records: list[Record] = []
        data = b""
        base: i64 = -1
        for number, wanted in enumerate(paged):
            at: i64 = wanted.log_position - base
            if base < 0 or at < 0 or not has_record(data, at):
                base = wanted.log_position
                data = self.log_of(base).read(base, run_bytes(paged, number))
                at = 0
                if not has_record(data, 0) and len(data) >= RECORD_HEAD_BYTES:
                    data = self.log_of(base).read(base, record_size(data, 0))
            check_held(data, at, index.id, wanted)
            records.append(Record(data, at, wanted.queue_position))
        return records

    def drop_paged(self, index: QueueIndex, count: i64) -> None:
        """A queue is done with so many of the first messages that are paged, one at least."""
        first = index.paged.first(count, UNLIMITED)
        if index.logged and self.journal is not None:
            self.journal.settle_range(index, first[0].queue_position, first[-1].queue_position + 1)
        for paged in first:
            self.log_of(paged.log_position).release(paged.log_position, paged.share)
        # How large their bodies are is not known without reading them: as large as the others.
        index.paged_body_bytes -= index.paged_body_bytes * len(first) // index.paged.count
        index.paged.drop(len(first))
        self._trim_spill()

    def _came_in(self, index: QueueIndex, paged: PagedMessage, message: Message) -> None:
        if paged.log_position >= SPILLED:
            self.log_of(paged.log_position).release(paged.log_position, paged.share)
        else:
            message.log_position = paged.log_position
            message.log_share = paged.share
            index.resident[paged.queue_position] = message

    def tell_unreadable(self, queue: str, reason: str) -> None:
        """Let it be known that a queue's messages can't be read."""
        fields: dict[str, object] = {"queue": queue, "error": reason}
        self._events.tell("error", "messages can't be read from disk", fields, QUEUE)

    def close(self) -> None:
        """Give all files back."""
        if self.journal is not None:
            self.journal.log.close()
        if self.spill is not None:
            self.spill.close()


def run_bytes(paged: list[PagedMessage], number: i64) -> i64:
    """How much to read for this message and those behind it that are close in the log."""
    start = paged[number].log_position
    end: i64 = start + paged[number].share
    number += 1
    while number < len(paged):
        following = paged[number]
        if following.log_position < start or following.log_position - end > GAP_MAX_BYTES:
            break
        if following.log_position + following.share - start > READ_MAX_BYTES:
            break
        end = following.log_position + following.share
        number += 1
    return end - start


def has_record(data: bytes, at: i64) -> bool:
    """Whether a whole record is there."""
    return at + RECORD_HEAD_BYTES <= len(data) and at + record_size(data, at) <= len(data)


def is_message(data: bytes, at: i64) -> bool:
    """Whether a whole message record is there, and what it says of its parts fits into it."""
    if not has_record(data, at) or data[at + 4] != MESSAGE or record_size(data, at) < MESSAGE_HEAD_BYTES:
        return False
    return body_start(data, at) <= at + record_size(data, at)


def check_held(data: bytes, at: i64, queue_id: i64, wanted: PagedMessage) -> None:
    """Raise CannotRead unless the record at `data[at:]` is of the message that is wanted."""
    if not is_message(data, at) or not is_held(data, at, queue_id, wanted):
        raise not_held(queue_id, wanted)


def is_held(data: bytes, at: i64, queue_id: i64, wanted: PagedMessage) -> bool:
    """Whether the message record at `data[at:]`, of which the holders are there, is of the message that is wanted."""
    holder_at: i64 = at + MESSAGE_HEAD_BYTES
    for _ in range(holder_count(data, at)):
        stands_at = read_i64_le(data, holder_at + 8)
        if read_i64_le(data, holder_at) == queue_id and stands_at == wanted.queue_position:
            return True
        holder_at += HOLDER_BYTES
    return False


def not_held(queue_id: i64, wanted: PagedMessage) -> CannotRead:
    """What is said where a message is not in the log."""
    return CannotRead(
        f"segment {segment_of(wanted.log_position)}, offset {offset_of(wanted.log_position)}: "
        f"no record of message {wanted.queue_position} of queue {queue_id}"
    )
