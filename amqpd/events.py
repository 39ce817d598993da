"""What happened, for whoever wants to know: the core tells, the shell logs or counts."""

from __future__ import annotations

from typing import Final

from mypy_extensions import mypyc_attr

DEFAULT: Final = "default"
CONNECTION: Final = "connection"
CHANNEL: Final = "channel"
QUEUE: Final = "queue"
USER: Final = "user"
UPGRADE: Final = "upgrade"
"""What events are about: RabbitMQ's categories of log lines."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Events:
    """Hears what happens in the core; this one ignores it."""

    def tell(self, level: str, sentence: str, fields: dict[str, object], category: str = DEFAULT) -> None:
        """Take one event: a level of logging ("debug" to "error"), a fixed sentence, its fields, and what it is about."""
