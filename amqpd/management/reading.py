"""JSON that came from outside: what Python would take, but nobody could be sent again, is none."""

from __future__ import annotations

import json
import math
from typing import Final, NoReturn

DEPTH_MAX: Final = 200
"""So many objects and lists may be inside each other: whatever looks into them then needs no deep stack."""


def read_json(body: bytes) -> object:
    """The value that a text in UTF-8 stands for.

    Raises ValueError, which is a JSONDecodeError or a UnicodeError where that says more, and RecursionError if it is
    deeper than DEPTH_MAX.
    """
    # Python would take UTF-16 and UTF-32, too.
    text = body.decode("utf-8-sig")
    value: object = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    if "\\u" in text:
        # Half of a surrogate pair is good JSON, and no text.
        json.dumps(value, ensure_ascii=False).encode()
    if text.count("[") + text.count("{") > DEPTH_MAX and _is_deeper(value, DEPTH_MAX):
        raise RecursionError(f"more than {DEPTH_MAX} objects and lists inside each other")
    return value


def _is_deeper(value: object, depth: int) -> bool:
    """Whether more than so many objects and lists are inside each other."""
    level = [value]
    for _ in range(depth + 1):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    """What is larger than any float could not be written again."""
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large")
    return number
