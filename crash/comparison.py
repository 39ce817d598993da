"""A whole queue, read after a restart, against the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from crash import bodies
from crash.ledger import CERTAIN, NO, Entry, Ledger, QueueLedger


class Observed(NamedTuple):
    """A message as it came out of a queue."""

    body: bytes
    properties: bytes
    redelivered: bool


def compare(ledger: Ledger, queue: QueueLedger, messages: Sequence[Observed], life: int) -> list[Entry]:
    """Compare all of a queue's messages, in their order, before anything else was done in this life.

    Notes violations in the ledger. Afterwards the ledger knows exactly what is in the queue: what was not there
    must never come back. Returns the entries of what was found.
    """
    present: list[Entry] = []
    for message in messages:
        entry = ledger.deliver(queue, message.body, message.properties, message.redelivered, life)
        if entry is not None:
            present.append(entry)
    _check_order(ledger, queue, present)
    found = {entry.header for entry in present}
    for header, entry in queue.entries.items():
        if header not in found:
            ledger.missing(queue, entry, life)
    queue.unseen = 0
    queue.entries = {entry.header: entry for entry in present}
    for rank, entry in enumerate(present):
        entry.rank = rank
    return present


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
    """Per publisher, sequence numbers ascend; what was seen before keeps its place, before all that is new."""
    last: dict[tuple[int, int], int] = {}
    highest_rank = -1
    new_since = None
    for entry in present:
        target, publisher, sequence = bodies.parts(entry.header)
        before = last.get((target, publisher), -1)
        if sequence < before:
            ledger.violated("reordered", queue.name, f"after sequence {before} of the same publisher", entry)
        last[target, publisher] = sequence
        if entry.rank < 0:
            new_since = entry
        elif new_since is not None or entry.rank < highest_rank:
            ledger.violated("reordered", queue.name, f"it was the {entry.rank}th when last seen", entry)
        highest_rank = max(highest_rank, entry.rank)
