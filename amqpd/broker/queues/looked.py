"""Messages as somebody sees them who looks into a queue and takes nothing."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from amqpd.message import Message

FIRST_PLACE: Final = -(1 << 62)
"""No message stands before this place."""

UNKNOWN: Final = -1


@final
class Looked:
    """One message where it is.

    Places grow in the order of delivery, and each message keeps its own as long as it stays, whatever comes and
    goes around it: whoever has seen this one goes on at `place + 1`.
    """

    def __init__(self, place: i64, position: i64, message: Message, redelivered: bool | None) -> None:
        self.place = place
        self.position = position
        """Where it stands among those that it stands with: the offset in a stream."""
        self.message = message
        """As a client gets it. Of a body that had to be read there may be the beginning only."""
        self.redelivered = redelivered
        """Whether it was delivered before; None where nobody knows."""
        self.arrived_ms: i64 = message.arrived_ms
        """When it arrived, in milliseconds since 1970; 0 where nobody has asked for the time."""
        self.delivery_count: i64 = UNKNOWN
        """How often it came back, where that is counted."""
        self.expires_ms: i64 = UNKNOWN
        """When it expires, in milliseconds since 1970, if it does."""
        self.due_ms: i64 = UNKNOWN
        """When it will be routed, if it is delayed."""
