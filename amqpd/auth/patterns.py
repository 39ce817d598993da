"""Permission patterns: an empty one grants nothing but the empty name."""

from typing import Final

from amqpd.wire.name_pattern import NamePattern

NOTHING: Final = "^$"


def permission_pattern(pattern: str) -> NamePattern:
    """A permission pattern, to be searched for in the name's `as_bytes_text`.

    Raises InvalidPattern, a ValueError that names the pattern, the position (in bytes from 0) and what is wrong there.
    """
    return NamePattern(pattern or NOTHING)
