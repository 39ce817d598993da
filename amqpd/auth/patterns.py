"""Permission patterns: an empty one grants nothing but the empty name."""

import re
from typing import Final

from amqpd.wire.patterns import compile_pcre

NOTHING: Final = "^$"


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a permission pattern; match it with `search` on the name's `as_bytes_text`.

    Raises InvalidPattern, a ValueError that names the pattern, the position (in bytes from 0) and what is wrong there.
    """
    return compile_pcre(pattern or NOTHING)
