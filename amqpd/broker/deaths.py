"""How many messages have died in queues, by the type of the queue, what becomes of its dead, and the reason."""

from __future__ import annotations

from typing import Final, final

from amqpd.broker.dead_letter import DELIVERY_LIMIT, EXPIRED, MAXLEN, REJECTED

DISABLED: Final = "disabled"
"""The strategy of a queue whose dead go nowhere; the others are those of x-dead-letter-strategy."""

CONFIRMED: Final = "confirmed"
"""No reason to die: a letter with at-least-once that all have taken."""

REASONS: Final = (REJECTED, EXPIRED, MAXLEN, DELIVERY_LIMIT, CONFIRMED)


@final
class Deaths:
    """Counts them for the whole broker."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], dict[str, int]] = {}

    def of(self, queue_type: str, strategy: str) -> dict[str, int]:
        """How many have died, by reason; whoever lets one die adds to it."""
        counts = self._counts.get((queue_type, strategy))
        if counts is None:
            counts = dict.fromkeys(REASONS, 0)
            self._counts[(queue_type, strategy)] = counts
        return counts
