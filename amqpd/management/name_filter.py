"""Which names a search finds: by words, or by a regular expression that cannot keep the broker from its work.

A regular expression may take longer than anybody lives, and Python runs it to its end. What might is run by a
process of its own, and ended with it.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys

from amqpd.management.answers import bad_request
from amqpd.wire.name_pattern import is_quick
from amqpd.wire.patterns import InvalidPattern, as_bytes_text, compile_pcre

PATIENCE_S = 2.0
SEARCHES_AT_ONCE = 2
INVALID = "Pagination parameters are invalid"

_CHILD = """
import json, re, sys
pattern, names = json.load(sys.stdin)
search = re.compile(pattern, re.IGNORECASE).search
json.dump([search(name) is not None for name in names], sys.stdout)
"""


class Searches:
    """How many processes search at the same time."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(SEARCHES_AT_ONCE)


class Unsearchable(ValueError):
    """A regular expression that is none, takes too long, or has no process to run it; the message says which."""


async def matching(searches: Searches, names: list[str], searched: str, use_regex: bool) -> list[bool]:
    """Which of the names has it in it, whatever the case. Raises Refused (400) for a pattern that is none, or too slow."""
    if not use_regex:
        words = searched.lower()
        return [words in name.lower() for name in names]
    texts = [as_bytes_text(name) for name in names]
    try:
        pattern = pattern_of(searched)
        if is_quick(pattern):
            expression = re.compile(pattern, re.IGNORECASE)
            return [expression.search(text) is not None for text in texts]
        return await matching_elsewhere(searches, texts, pattern)
    except Unsearchable:
        raise bad_request(INVALID) from None


def pattern_of(searched: str) -> str:
    """The same regular expression for Python, which can be compiled so; it is for texts of one character a byte.

    Raises Unsearchable.
    """
    try:
        pattern = compile_pcre(searched).pattern
        re.compile(pattern, re.IGNORECASE)
    except (InvalidPattern, re.error, RecursionError, OverflowError) as error:
        raise Unsearchable(f"no regular expression: {error}") from None
    return pattern


async def matching_elsewhere(searches: Searches, texts: list[str], pattern: str) -> list[bool]:
    """In which of the texts the pattern is found, however long it and they are. Raises Unsearchable."""
    async with searches.turns:
        return await _matched_by_child(pattern, texts)


async def _matched_by_child(pattern: str, texts: list[str]) -> list[bool]:
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-E", "-c", _CHILD),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise Unsearchable(f"no process can be begun for it: {error.strerror}") from None
    try:
        question = json.dumps([pattern, texts]).encode()
        answer, _nothing = await asyncio.wait_for(child.communicate(question), PATIENCE_S)
    except TimeoutError:
        raise Unsearchable("too slow") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise Unsearchable("too large")
    found: list[bool] = json.loads(answer)
    return found
