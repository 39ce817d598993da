"""A stream, which is read again and again and never emptied: what is at which offset, and what contradicts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crash import bodies, contents
from crash.ledger import CERTAIN, Entry, Ledger

OVERHEAD_BYTES = 200
"""Of one message, at most, in what a stream counts as its size."""


class Record(NamedTuple):
    """A message as it was read; its offset is among its headers."""

    body: bytes
    properties: bytes

    @property
    def offset(self) -> int:
        """Where it is; -1 if it does not say so."""
        offset = contents.number_in(self.properties, contents.STREAM_OFFSET)
        return -1 if offset is None else offset


@dataclass(frozen=True)
class Retention:
    """What a stream must keep: all, or so much of its end, in pieces of so much."""

    max_bytes: int
    segment_bytes: int


class StreamLedger:
    """All that was published to a stream, and the offsets known of it."""

    def __init__(self, ledger: Ledger, name: str, retention: Retention | None = None) -> None:
        self.name = name
        self.number = ledger.new_target(name)
        self.retention = retention
        self.entries: dict[bytes, Entry] = {}
        """By header, what may be there."""
        self.places: dict[int, bytes] = {}
        """By offset, what was seen: nobody is shown what may yet be lost."""
        self.first = 0
        """The lowest offset that was seen when all was read."""
        self._ledger = ledger

    def publish(self, message_header: bytes, size: int, life: int, transient: bool, now_s: float) -> Entry:
        """A message is about to be published. Being transient makes no difference to a stream."""
        entry = Entry(message_header, size, life, transient)
        entry.sent_s = now_s
        self.entries[message_header] = entry
        return entry

    def bytes_live(self) -> int:
        """Octets of all bodies that may be there, and what belongs to them."""
        return sum(entry.size + OVERHEAD_BYTES for entry in self.entries.values())

    def read_some(self, records: Sequence[Record], start: int | None) -> int | None:
        """Take note of consecutive records; `start` is the offset before the first, None if that is unknown.

        Returns the last offset.
        """
        for record in records:
            offset = record.offset
            if self.retention is not None and start is not None and offset > start:
                start = offset - 1  # what came between was cut before it was read
            self._check_next(offset, start)
            start = offset
            entry = self._entry_of(record)
            if entry is None:
                continue
            self._check_place(offset, entry.header)
            self.places[offset] = entry.header
            entry.entered = CERTAIN
        return start

    def compare(self, records: Sequence[Record]) -> None:
        """Compare the whole stream, read from its first message, before anything else was done in this life."""
        found: dict[bytes, int] = {}
        self._check_first(records)
        before: int | None = None
        for record in records:
            offset = record.offset
            self._check_next(offset, before)
            before = offset
            entry = self._entry_of(record)
            if entry is None:
                continue
            if entry.header in found:
                self._violated("duplicated", f"at offset {offset} and at {found[entry.header]}", entry)
            self._check_place(offset, entry.header)
            found[entry.header] = offset
            entry.entered = CERTAIN
        self._check_order(list(found))
        self._check_missing(found)
        self.entries = {header: self.entries[header] for header in found}
        self.places = {offset: header for header, offset in found.items()}

    def _check_first(self, records: Sequence[Record]) -> None:
        if not records:
            return
        first, retention = records[0].offset, self.retention
        if retention is None:
            if first:
                self._violated("lost", f"begins at offset {first}, and everything is to be kept")
        elif first < self.first:
            self._violated("came back", f"begins at offset {first}, and it was {self.first} before")
        elif first:
            largest = max(len(record.body) for record in records)
            kept = sum(len(record.body) + OVERHEAD_BYTES for record in records)
            least = retention.max_bytes - retention.segment_bytes - largest - OVERHEAD_BYTES
            if kept < least:
                self._violated("lost", f"{kept} bytes kept, at least {least} have to be")
        self.first = first

    def _check_next(self, offset: int, before: int | None) -> None:
        if offset < 0:
            self._violated("corrupted", "a message without an offset")
        elif before is not None and offset != before + 1:
            self._violated("reordered", f"offset {offset} follows {before}")

    def _check_place(self, offset: int, header: bytes) -> None:
        before = self.places.get(offset)
        if before is not None and before != header:
            was, is_now = bodies.parts(before), bodies.parts(header)
            self._violated(
                "moved", f"offset {offset}: target, publisher, sequence {was} before, now {is_now}"
            )

    def _check_order(self, headers: Sequence[bytes]) -> None:
        last: dict[int, int] = {}
        for header in headers:
            _, publisher, sequence = bodies.parts(header)
            before = last.get(publisher, -1)
            if sequence < before:
                self._violated("reordered", f"after sequence {before} of its publisher", self.entries[header])
            last[publisher] = sequence

    def _check_missing(self, found: dict[bytes, int]) -> None:
        offsets = {header: offset for offset, header in self.places.items()}
        first_sequences: dict[int, int] = {}
        for header in found:
            _, publisher, sequence = bodies.parts(header)
            first_sequences.setdefault(publisher, sequence)
        newest = max((bodies.parts(header)[1] for header in found), default=0)
        for header, entry in self.entries.items():
            if header in found or entry.entered is not CERTAIN:
                continue
            _, publisher, sequence = bodies.parts(header)
            offset = offsets.get(header)
            if offset is not None:
                may_be_cut = offset < self.first
            else:
                # Where it was is not known: before what is left of its publisher, or before all of a later one.
                may_be_cut = self.first > 0 and sequence < first_sequences.get(publisher, 1 << 24)
                may_be_cut = may_be_cut and (publisher in first_sequences or publisher < newest)
            if not may_be_cut:
                self._violated("lost", f"it has to be here, at offset {offset}", entry)

    def _entry_of(self, record: Record) -> Entry | None:
        entry = self.entries.get(record.body[: bodies.HEADER_BYTES])
        if entry is None:
            what = bodies.parts(record.body[: bodies.HEADER_BYTES])
            self._violated("invented", f"offset {record.offset}: target, publisher, sequence {what}")
            return None
        if record.body != bodies.body(entry.header, entry.size):
            self._violated("corrupted", f"the body differs ({len(record.body)} bytes)", entry)
        published = bodies.properties(entry.header, entry.transient)
        difference = contents.difference_with(contents.STREAM_OFFSET, published, record.properties)
        if difference is not None:
            self._violated("corrupted", f"the properties differ: {difference}", entry)
        return entry

    def _violated(self, kind: str, what: str, entry: Entry | None = None) -> None:
        self._ledger.violated(kind, self.name, what, entry)
