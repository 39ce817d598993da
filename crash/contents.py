"""What the broker may change in a message: its properties as they come out of a queue, against what was published."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from pamqp import commands, header
from pamqp.common import FieldValue

DELIVERY_COUNT = "x-delivery-count"
STREAM_OFFSET = "x-stream-offset"
DELAY = "x-delay"
DEATHS = "x-death"
FIRST_DEATH = "x-first-death-"

_BEFORE_FLAGS = bytes(12)


class Death(NamedTuple):
    """How a message may have died."""

    queue: str
    reasons: Collection[str]


class _Decoded(NamedTuple):
    headers: dict[str, FieldValue]
    delivery_mode: int | None
    priority: int | None
    expiration: str | None


def number_in(properties: bytes, name: str) -> int | None:
    """A number in the headers, or None."""
    value = _decoded(properties).headers.get(name)
    return value if isinstance(value, int) else None


def death_reason(properties: bytes) -> str:
    """The reason of the last death; "" if it has not died."""
    deaths = _deaths(_decoded(properties).headers.get(DEATHS))
    return str(deaths[0].get("reason")) if deaths else ""


def difference_with(extra: str, published: bytes, delivered: bytes) -> str | None:
    """What differs, besides a header that the broker adds."""
    return _difference(_decoded(published), _without(_decoded(delivered), extra))


def difference_of_delayed(published: bytes, delivered: bytes) -> str | None:
    """What differs, besides the sign of the delay, which is negative when it is over."""
    expected, found = _decoded(published), _decoded(delivered)
    delay, was = found.headers.get(DELAY), expected.headers.get(DELAY)
    if not isinstance(delay, int) or not isinstance(was, int) or delay != -was:
        return f"x-delay {delay!r} of {was!r}"
    return _difference(_without(expected, DELAY), _without(found, DELAY))


def difference_of_dead(death: Death, published: bytes, delivered: bytes) -> str | None:
    """What differs from the message, which has died once."""
    expected, found = _decoded(published), _decoded(delivered)
    deaths = _deaths(found.headers.pop(DEATHS, None))
    if len(deaths) != 1:
        return f"{len(deaths)} entries in x-death"
    first = {name: found.headers.pop(FIRST_DEATH + name, None) for name in ("queue", "reason", "exchange")}
    reason = deaths[0].get("reason")
    if reason not in death.reasons:
        return f"died of {reason!r}, not of {' or '.join(sorted(death.reasons))}"
    wanted = {"count": 1, "queue": death.queue, "exchange": "", "routing-keys": [death.queue]}
    if expected.expiration is not None:
        wanted["original-expiration"] = expected.expiration
    entry = {name: value for name, value in deaths[0].items() if name not in ("reason", "time")}
    if entry != wanted:
        return f"x-death {entry}, not {wanted}"
    if first != {"queue": death.queue, "reason": reason, "exchange": ""}:
        return f"x-first-death {first}"
    return _difference(expected._replace(expiration=None), found)


def _difference(expected: _Decoded, found: _Decoded) -> str | None:
    return None if expected == found else f"{found}, not {expected}"


def _without(decoded: _Decoded, name: str) -> _Decoded:
    return decoded._replace(headers={key: value for key, value in decoded.headers.items() if key != name})


def _deaths(value: FieldValue) -> list[Mapping[str, FieldValue]]:
    if not isinstance(value, list):
        return []
    return [entry for entry in value if isinstance(entry, dict)]


def _decoded(properties: bytes) -> _Decoded:
    content = header.ContentHeader()
    content.unmarshal(_BEFORE_FLAGS + properties)
    read: commands.Basic.Properties = content.properties
    return _Decoded(dict(read.headers or {}), read.delivery_mode, read.priority, read.expiration)
