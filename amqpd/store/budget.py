"""How much memory ready messages may take, over all queues."""

from __future__ import annotations

import heapq
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

UNLIMITED: Final = 1 << 62

MESSAGE_OVERHEAD_BYTES: Final = 600
"""What a message takes in memory besides its body (measured, 64-bit CPython)."""

REPORTED_BYTES: Final = 16384
"""By so much a backlog may grow before it says so: counting for every message would cost more."""

LARGE_BYTES: Final = 1048576

HEAD_BYTES: Final = 262144
"""So much of a large backlog's beginning stays in memory, as it is wanted first."""

PAGED_AT_ONCE_BYTES: Final = 4194304
"""No more is given back in one go: it takes time."""

ASKED_AT_ONCE: Final = 64


@mypyc_attr(allow_interpreted_subclasses=True)
class Pageable:
    """Whoever has messages in memory that could be out of it; it counts their bytes itself.

    Whenever `resident_bytes` has grown beyond `reports_at_bytes`, it reports to the budget.
    """

    def __init__(self) -> None:
        self.resident_bytes: i64 = 0
        self.reports_at_bytes: i64 = REPORTED_BYTES
        self.reported_bytes: i64 = 0

    def page_out(self, keep_bytes: i64) -> None:
        """Give memory back, up to PAGED_AT_ONCE_BYTES, and keep `keep_bytes` of what is wanted first."""
        raise NotImplementedError


@final
class MemoryBudget:
    """Adds up what is reported, and lets the largest give back when it is too much."""

    def __init__(self, limit_bytes: i64) -> None:
        self.limit_bytes = limit_bytes
        self.resident_bytes: i64 = 0
        """What was reported; it may be less by now."""
        self._asks_at_bytes = limit_bytes
        self._reported: dict[Pageable, None] = {}

    def report(self, owner: Pageable) -> None:
        """It has grown; if there is too much now, some is paged out."""
        self._reported[owner] = None
        owner.reports_at_bytes = owner.resident_bytes + REPORTED_BYTES
        self._update(owner)
        if self.resident_bytes > self._asks_at_bytes:
            self._relieve(owner)

    def remove(self, owner: Pageable) -> None:
        """It has nothing any more."""
        if owner in self._reported:
            del self._reported[owner]
            self.resident_bytes -= owner.reported_bytes
            owner.reported_bytes = 0
            owner.reports_at_bytes = REPORTED_BYTES

    def _update(self, owner: Pageable) -> None:
        self.resident_bytes += owner.resident_bytes - owner.reported_bytes
        owner.reported_bytes = owner.resident_bytes

    def _relieve(self, owner: Pageable) -> None:
        """Ask the largest in turn, and if they have nothing to give, the one that has just grown."""
        for each in list(self._reported):
            self._update(each)
            if not each.reported_bytes:
                self.remove(each)
        for asked in heapq.nlargest(ASKED_AT_ONCE, self._reported, key=_reported_bytes):
            self._ask(asked, HEAD_BYTES if asked.reported_bytes > LARGE_BYTES else 0)
        self._ask(owner, 0)
        self._asks_at_bytes = self.limit_bytes
        if self.resident_bytes > self.limit_bytes:
            # Most of it can't go before it is on disk: don't ask again for every message.
            self._asks_at_bytes = self.resident_bytes + self.limit_bytes // 64

    def _ask(self, owner: Pageable, keep_bytes: i64) -> None:
        """Let it page out, unless there is room again, and a little more."""
        if self.resident_bytes > self.limit_bytes - self.limit_bytes // 16:
            owner.page_out(keep_bytes)
            owner.reports_at_bytes = owner.resident_bytes + REPORTED_BYTES
            self._update(owner)


def _reported_bytes(owner: Pageable) -> int:
    return int(owner.reported_bytes)
