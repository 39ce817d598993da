"""A whole queue, read after a restart, against the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from crash.ledger import CERTAIN, EXACT_S, LATE_S, NO, Entry, Ledger, QueueLedger


class Observed(NamedTuple):
    """A message as it came out of a queue."""

    body: bytes
    properties: bytes
    redelivered: bool


class Reading(NamedTuple):
    """When a whole queue was read, in seconds since 1970: the broker had begun, the first was asked for, all was there."""

    started_s: float = 0.0
    asked_s: float = 0.0
    read_s: float = 0.0


UNTIMED = Reading()


def compare(
    ledger: Ledger, queue: QueueLedger, messages: Sequence[Observed], life: int, reading: Reading = UNTIMED
) -> list[Entry]:
    """Compare all of a queue's messages, in their order, before anything else was done in this life.

    Notes violations in the ledger. Afterwards the ledger knows exactly what is in the queue: what was not there
    must never come back, unless it is delayed and not due. Returns the entries of what was found.
    """
    present: list[Entry] = []
    for message in messages:
        entry = ledger.deliver(
            queue, message.body, message.properties, message.redelivered, life, reading.read_s
        )
        if entry is not None:
            present.append(entry)
    _check_order(ledger, queue, present)
    _check_not_late(ledger, queue, present, reading)
    found = {entry.header for entry in present}
    still_to_come = {}
    for header, entry in queue.entries.items():
        if header not in found:
            if _is_still_to_come(queue, entry, reading):
                still_to_come[header] = entry
            else:
                ledger.missing(queue, entry, life)
    queue.unseen = 0
    queue.entries = {entry.header: entry for entry in present} | still_to_come
    for rank, entry in enumerate(present):
        entry.rank = rank
    return present


def compare_passage(
    ledger: Ledger,
    source: QueueLedger,
    messages: Sequence[Observed],
    dead: Sequence[Observed],
    life: int,
    reading: Reading = UNTIMED,
) -> tuple[list[Entry], list[Entry]]:
    """Compare a queue and the one for those that died in it, where the first was read, and held, before the second.

    Returns the entries of what was found in each.
    """
    grave = source.grave
    assert grave is not None
    buried = compare(ledger, grave, dead, life, reading)
    present = compare(ledger, source, messages, life, reading)
    if not source.rules.is_consumed:
        _check_died_from_front(ledger, source, present, buried)
    most = source.rules.max_length
    if most is not None and len(messages) > most:
        ledger.violated("count", source.name, f"{len(messages)} messages, and its limit is {most}")
    return present, buried


def compare_count(ledger: Ledger, queue: QueueLedger, count: int) -> None:
    """A queue that is left in peace: there must be as many messages as the ledger has for certain, or may have."""
    entries = queue.entries.values()
    most = sum(entry.entered is not NO and entry.left is not CERTAIN for entry in entries)
    least = sum(
        entry.entered is CERTAIN
        and entry.left is NO
        and (entry.departure is None or entry.departure.outcome is not None)
        for entry in entries
    )
    if not least - queue.unseen <= count <= most:
        ledger.violated("count", queue.name, f"{count} messages, the ledger has {least} to {most}")


def _check_order(ledger: Ledger, queue: QueueLedger, present: Sequence[Entry]) -> None:
    """The higher levels first; in each, who made messages come did so in order, and what was seen keeps its place."""
    level_of = queue.rules.level
    if level_of is None:
        _check_order_of_equals(ledger, queue, present)
        return
    levels: dict[int, list[Entry]] = {}
    lowest: int | None = None
    for entry in present:
        level = level_of(entry.header)
        if lowest is not None and level > lowest:
            ledger.violated("reordered", queue.name, f"priority {level} after {lowest}", entry)
        lowest = level
        levels.setdefault(level, []).append(entry)
    for equals in levels.values():
        _check_order_of_equals(ledger, queue, equals)


def _check_order_of_equals(ledger: Ledger, queue: QueueLedger, present: Sequence[Entry]) -> None:
    """Each publisher's messages ascend; what was seen before keeps its place, before all that is new."""
    if queue.rules.is_quorum:
        # What has come back may be anywhere, but for what has not it makes no difference.
        present = [entry for entry in present if not entry.count]
    last: dict[int, int] = {}
    highest_rank = -1
    new_since = None
    for entry in present:
        if entry.order is not None:
            publisher, number = entry.order
            before = last.get(publisher, -1)
            if number < before:
                ledger.violated("reordered", queue.name, f"after number {before} of the same origin", entry)
            last[publisher] = number
        if entry.rank < 0:
            new_since = entry
        elif new_since is not None or entry.rank < highest_rank:
            ledger.violated("reordered", queue.name, f"it was the {entry.rank}th when last seen", entry)
        highest_rank = max(highest_rank, entry.rank)


def _check_not_late(ledger: Ledger, queue: QueueLedger, present: Sequence[Entry], reading: Reading) -> None:
    """What was delivered although its time to live was over before anybody asked for it."""
    ttl_s = queue.rules.ttl_ms / 1000
    if not ttl_s:
        return
    for entry in present:
        if entry.answered_s:
            late_s = reading.asked_s - (entry.answered_s + ttl_s)
            if late_s > EXACT_S:
                ledger.violated("late", queue.name, f"still there {late_s:.3f} s after its time", entry)


def _is_still_to_come(queue: QueueLedger, entry: Entry, reading: Reading) -> bool:
    """Whether a message that is not there may be in the exchange that delays it."""
    delay_ms = queue.rules.delay_ms
    if delay_ms is None or entry.left is CERTAIN:
        return False
    due_s = entry.answered_s + delay_ms(entry.header) / 1000
    return reading.read_s < max(due_s, reading.started_s) + LATE_S


def _check_died_from_front(
    ledger: Ledger, source: QueueLedger, present: Sequence[Entry], buried: Sequence[Entry]
) -> None:
    """Nothing has died that came after something that is still there, of the same publisher."""
    dies_in_order = source.rules.dies_in_order
    first: dict[int, int] = {}
    for entry in present:
        if entry.order is not None and dies_in_order(entry.header):
            first.setdefault(*entry.order)
    for entry in buried:
        if entry.order is None or not dies_in_order(entry.header):
            continue
        publisher, number = entry.order
        before = first.get(publisher, number)
        if before < number:
            what = f"it died, and number {before} before it did not"
            ledger.violated("reordered", source.name, what, entry)
