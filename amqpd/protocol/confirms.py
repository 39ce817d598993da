"""Publisher confirms of one channel (RabbitMQ's extension, class confirm)."""

from __future__ import annotations

from typing import final

from mypy_extensions import i64


@final
class Confirms:
    """Counts what was published since confirm.select, and says what may be confirmed in one go."""

    def __init__(self) -> None:
        self.published: i64 = 0
        """The delivery tag of the last message published; tags start at 1."""
        self.answered: i64 = 0
        """All tags up to this were confirmed."""

    def pending(self) -> i64:
        """How many messages wait for their confirm."""
        return self.published - self.answered
