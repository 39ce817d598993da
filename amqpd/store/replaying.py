"""Telling the records of a group, whatever log they are in."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from amqpd.store.api import Replay
from amqpd.store.records import (
    COUNTS,
    DEFINITION,
    FILLER,
    INCLUDED_DEFINITION,
    MESSAGE,
    PROGRESS,
    RECORD_HEAD_BYTES,
    SNAPSHOT_DEFINITION,
    SNAPSHOT_PROGRESS,
    RecordDamaged,
    check_record,
    record_size,
)


@final
class UnreadableRecord(Exception):
    """A record that is damaged, or of no known type; the message says which."""

    def __init__(self, position: i64, reason: str) -> None:
        super().__init__(reason)
        self.position = position


def replay_records(data: bytes, start: i64, end: i64, position: i64, replay: Replay) -> None:
    """Tell the records in `data[start:end]`, of which the first has this position in the log. Raises UnreadableRecord."""
    at = start
    while at < end:
        here = position + (at - start)
        try:
            record_type = check_record(data, at, end)
        except RecordDamaged as error:
            raise UnreadableRecord(here, str(error)) from None
        size = record_size(data, at)
        if record_type == MESSAGE:
            replay.message(here, data, at)
        elif record_type in (PROGRESS, SNAPSHOT_PROGRESS):
            replay.progress(data, at)
        elif record_type == COUNTS:
            replay.counts(data, at)
        elif record_type == DEFINITION:
            replay.definition(data[at + RECORD_HEAD_BYTES : at + size])
        elif record_type == SNAPSHOT_DEFINITION:
            replay.snapshot(data[at + RECORD_HEAD_BYTES : at + size])
        elif record_type == INCLUDED_DEFINITION:
            replay.included(data[at + RECORD_HEAD_BYTES : at + size])
        elif record_type == FILLER:
            replay.gap(here)
        else:
            raise UnreadableRecord(here, f"a record of unknown type {record_type}")
        at += size
