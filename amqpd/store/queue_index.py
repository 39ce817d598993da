"""What the log knows of one queue: which of its messages it holds, and what has become of them."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64

from amqpd.message import Message
from amqpd.store.paged import PagedMessages


@final
class QueueIndex:
    """One queue's messages in the log, by their position in the queue.

    A message is either in memory, and if it is logged in `resident`, whether it is ready or in a client's
    hands; or only in the log, and in `paged`.
    """

    def __init__(self, queue_id: i64, logged: bool) -> None:
        self.id = queue_id
        """Unique in the log, also among queues that were deleted."""
        self.logged = logged
        """Whether persistent messages of this queue go into the log."""
        self.deleted = False
        self.delivered: i64 = 0
        """All positions below were delivered at least once."""
        self.resident: dict[int, Message] = {}
        self.paged = PagedMessages()
        self.paged_body_bytes: i64 = 0
        """How large the bodies of what is paged are together; where a stream was cut, about so large."""
        self.settled: list[int] = []
        """Positions done with since the last group, as starts and ends in turn."""
        self.dropped: set[int] = set()
        """Positions done with before their message reached the log."""
        self.has_expiring = False
        """Whether any message that was there at the start has a time to live of its own."""
        self.counts: dict[int, int] = {}
        """A number that the queue wants to be kept with some messages, by their position."""
        self.counted: dict[int, None] = {}
        """The positions whose number the log does not know yet."""
        self.changed = False
        """Whether the next group has to tell how far this queue has come."""

    def settle(self, start: i64, end: i64) -> None:
        """Remember that the positions from `start` up to, but without, `end` are done with."""
        settled = self.settled
        if settled and settled[-1] == start:
            settled[-1] = end
        else:
            settled.append(start)
            settled.append(end)

    def has_progress(self) -> bool:
        """Whether the log has to hear of it: not if it has no message that this is about."""
        return len(self.settled) > 0 or len(self.resident) > 0 or self.paged.count > 0
