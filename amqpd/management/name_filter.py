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
from amqpd.wire.patterns import InvalidPattern, as_bytes_text, compile_pcre

PATIENCE_S = 2.0
SEARCHES_AT_ONCE = 2
INVALID = "Pagination parameters are invalid"

_UNBOUNDED = re.compile(r"[*+]|\{\d+,\}")
_GROUP_REPEATED = re.compile(r"\)(?:[*+?]|\{)")
_BACK_REFERENCE = re.compile(r"\\[1-9gk]|\(\?P=|\(\?<?[=!]")

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


async def matching(searches: Searches, names: list[str], searched: str, use_regex: bool) -> list[bool]:
    """Which of the names has it in it, whatever the case. Raises Refused (400) for a pattern that is none, or too slow."""
    if not use_regex:
        words = searched.lower()
        return [words in name.lower() for name in names]
    try:
        pattern = compile_pcre(searched).pattern
        expression = re.compile(pattern, re.IGNORECASE)
    except (InvalidPattern, re.error, RecursionError, OverflowError):
        raise bad_request(INVALID) from None
    texts = [as_bytes_text(name) for name in names]
    if is_quick(pattern):
        return [expression.search(text) is not None for text in texts]
    async with searches.turns:
        return await _matching_elsewhere(pattern, texts)


def is_quick(pattern: str) -> bool:
    """Whether the time that a pattern takes can't grow faster than with the square of the text's length."""
    return (
        len(_UNBOUNDED.findall(pattern)) <= 1
        and not _GROUP_REPEATED.search(pattern)
        and not _BACK_REFERENCE.search(pattern)
    )


async def _matching_elsewhere(pattern: str, texts: list[str]) -> list[bool]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-S", "-E", "-c", _CHILD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        question = json.dumps([pattern, texts]).encode()
        answer, _nothing = await asyncio.wait_for(child.communicate(question), PATIENCE_S)
    except TimeoutError:
        raise bad_request(INVALID) from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise bad_request(INVALID)
    found: list[bool] = json.loads(answer)
    return found
