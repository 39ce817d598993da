"""Patterns that names are searched for while others wait: they take a bounded time, whoever has written them."""

from __future__ import annotations

import re
from typing import Any, Final, final

from amqpd.wire.patterns import compile_pcre

PATIENCE_S: Final = 0.05
PATIENT_TIMES: Final = 3
"""So often a search may take too long; then the pattern is in no name any more, and nobody waits for it."""

_UNBOUNDED: Final = re.compile(r"[*+]|\{\d+,\}")
_GROUP_REPEATED: Final = re.compile(r"\)(?:[*+?]|\{)")
_BACK_REFERENCE: Final = re.compile(r"\\[1-9gk]|\(\?P=|\(\?<?[=!]")


def is_quick(pattern: str) -> bool:
    """Whether the time that a pattern takes can't grow faster than with the square of the text's length."""
    return (
        len(_UNBOUNDED.findall(pattern)) <= 1
        and not _GROUP_REPEATED.search(pattern)
        and not _BACK_REFERENCE.search(pattern)
    )


@final
class NamePattern:
    """A pattern of a policy or a permission. What takes too long is not found, as where PCRE reaches its match limit."""

    def __init__(self, pattern: str) -> None:
        """Raises InvalidPattern."""
        self._expression = compile_pcre(pattern)
        self._is_quick = is_quick(self._expression.pattern)
        self._bounded: Any = None
        self._patience = PATIENT_TIMES

    def is_in(self, name_bytes_text: str) -> bool:
        """Whether it is found anywhere in a name, which is given as `as_bytes_text` makes it."""
        if self._is_quick:
            return self._expression.search(name_bytes_text) is not None
        return self._patience > 0 and self._is_in(name_bytes_text)

    def _is_in(self, name_bytes_text: str) -> bool:
        if self._bounded is None:
            # Python's own runs to the end, however far that is. Most brokers never need another.
            import regex

            self._bounded = regex.compile(self._expression.pattern)
        try:
            return self._bounded.search(name_bytes_text, timeout=PATIENCE_S) is not None
        except TimeoutError:
            self._patience -= 1
            return False
