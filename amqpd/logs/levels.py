"""How important a line is, and what it is about: RabbitMQ's levels and categories."""

from __future__ import annotations

from typing import Final

LEVELS: Final = {
    "debug": 10,
    "info": 20,
    "notice": 25,
    "warning": 30,
    "error": 40,
    "critical": 50,
    "alert": 60,
    "emergency": 70,
    "none": 1000,
}
"""RabbitMQ's levels as those of `logging`; nothing is as important as none."""
ELSEWHERE: Final = 2000
"""The level of a category that has another place, and whose lines never come here."""

NAMES: Final = {number: name for name, number in LEVELS.items()}

DEFAULT: Final = "default"
CATEGORIES: Final = ("connection", "channel", "queue", "mirroring", "federation", "upgrade", "ra", "user")
"""RabbitMQ's categories beside the default one. Of some of them amqpd has no lines."""


def level_number(level: str) -> int:
    """The number of a level. Raises ValueError if there is no such level."""
    if level not in LEVELS:
        raise ValueError(f"level {level} is not supported. Try one of {', '.join(LEVELS)}")
    return LEVELS[level]
