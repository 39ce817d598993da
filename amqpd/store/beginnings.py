"""Reads messages that stand in a log without taking them into memory, and of long bodies only the beginning."""

from __future__ import annotations

from typing import Final

from mypy_extensions import i64

from amqpd.message import Message
from amqpd.store.api import Log
from amqpd.store.paged import PagedMessage
from amqpd.store.queue_index import QueueIndex
from amqpd.store.records import (
    FRAMED_BODY_MAX,
    MESSAGE,
    MESSAGE_HEAD_BYTES,
    body_start,
    read_message,
    record_size,
)
from amqpd.store.storage import READ_MAX_BYTES, Storage, is_held, not_held, run_bytes

_NO_MESSAGE: Final = -1


def beginnings(
    storage: Storage, index: QueueIndex, paged: list[PagedMessage], body_max: i64
) -> list[Message]:
    """Messages of one queue, which stay where they are; each with `body_max` bytes of its body at least, or all.

    The log knows nothing of them. Raises CannotRead.
    """
    wanted_body: i64 = max(body_max, FRAMED_BODY_MAX)
    found: list[Message] = []
    data = b""
    base: i64 = -1
    for number, wanted in enumerate(paged):
        at: i64 = wanted.log_position - base
        if base < 0 or at < 0 or not _has_beginning(data, at, wanted_body):
            base = wanted.log_position
            at = 0
            size: i64 = max(min(run_bytes(paged, number), READ_MAX_BYTES), MESSAGE_HEAD_BYTES)
            data = _read(storage.log_of(base), base, size, wanted_body)
        if not _has_beginning(data, at, wanted_body) or not is_held(data, at, index.id, wanted):
            raise not_held(index.id, wanted)
        found.append(read_message(data, at))
    return found


def _read(log: Log, position: i64, size: i64, body_max: i64) -> bytes:
    """What stands at a position, so many bytes, or more if the beginning of the message there needs more."""
    data = log.read(position, size)
    needed = _beginning_bytes(data, 0, body_max)
    return log.read(position, needed) if needed > len(data) else data


def _has_beginning(data: bytes, at: i64, body_max: i64) -> bool:
    needed = _beginning_bytes(data, at, body_max)
    return needed != _NO_MESSAGE and at + needed <= len(data)


def _beginning_bytes(data: bytes, at: i64, body_max: i64) -> i64:
    """How much of the message record at `data[at:]` is wanted, at least as far as can be seen; -1 if it is none."""
    if at + MESSAGE_HEAD_BYTES > len(data):
        return MESSAGE_HEAD_BYTES
    if data[at + 4] != MESSAGE:
        return _NO_MESSAGE
    before_body: i64 = body_start(data, at) - at
    body_bytes: i64 = record_size(data, at) - before_body
    if body_bytes < 0:
        return _NO_MESSAGE
    return before_body + min(body_bytes, body_max)
