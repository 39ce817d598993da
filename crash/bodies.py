"""What a message of the test looks like: its header says which one it is, the rest follows from the header."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache

HEADER_BYTES = 9  # target, publisher, sequence number: three octets each
SMALLEST_BODY_BYTES = 10
LARGEST_BODY_BYTES = 1 << 20

BRIEF_MS = 1200
"""The time to live of the queue of messages that expire soon."""

HIGHEST_PRIORITY = 5
"""Of the queue with priorities; what is above counts as this one."""

_PERSISTENT, _TRANSIENT = b"\x02", b"\x01"
_FLAG_HEADERS, _FLAG_DELIVERY_MODE, _FLAG_PRIORITY, _FLAG_EXPIRATION = 0x2000, 0x1000, 0x0800, 0x0100
_LONG_DELAYS_MS = (4_000, 12_000)
_HOURS_MS = 3_600_000


def header(target: int, publisher: int, sequence: int) -> bytes:
    """The first octets of a body, which no other message has."""
    return (target << 48 | publisher << 24 | sequence).to_bytes(HEADER_BYTES, "big")


def parts(message_header: bytes) -> tuple[int, int, int]:
    """Target, publisher and sequence number."""
    number = int.from_bytes(message_header, "big")
    return number >> 48, number >> 24 & 0xFFFFFF, number & 0xFFFFFF


def body(message_header: bytes, size: int) -> bytes:
    """A body of `size` octets: the header, and filler that no other header has at this place."""
    start = zlib.crc32(message_header) % LARGEST_BODY_BYTES
    return message_header + _filler()[start : start + size - HEADER_BYTES]


def properties(message_header: bytes, transient: bool) -> bytes:
    """Property flags and properties of a message; one in four has a header table, so that it is seen to survive."""
    return _encoded(_note(message_header), transient)


def ranked(message_header: bytes, transient: bool) -> bytes:
    """The same with the priority of the message, if it has one."""
    return _encoded(_note(message_header), transient, priority=_priority(message_header))


def level(message_header: bytes) -> int:
    """What its priority counts as."""
    return min(_priority(message_header) or 0, HIGHEST_PRIORITY)


def brief(message_header: bytes, transient: bool) -> bytes:
    """The same with an expiration that is over before that of its queue; half of the messages have none."""
    own_ms = _own_brief_ms(message_header)
    return _encoded(_note(message_header), transient, expiration="" if own_ms is None else str(own_ms))


def brief_ms(message_header: bytes) -> int:
    """When such a message expires at the earliest: then, if none of the queue's other messages is before it."""
    own_ms = _own_brief_ms(message_header)
    return BRIEF_MS if own_ms is None else own_ms


def lasting(message_header: bytes, transient: bool) -> bytes:
    """The same with an expiration of hours; a third of the messages have none."""
    drawn = zlib.crc32(message_header) % 3
    return _encoded(_note(message_header), transient, expiration=str(drawn * _HOURS_MS) if drawn else "")


def delayed(message_header: bytes, transient: bool) -> bytes:
    """The same with a header x-delay."""
    return _encoded({"x-delay": delay_ms(message_header), **_note(message_header)}, transient)


def delay_ms(message_header: bytes) -> int:
    """For how long the message is delayed: mostly for less than a life, sometimes over several of them."""
    drawn = zlib.crc32(message_header)
    if drawn % 8:
        return 1 + drawn % 1500
    shortest, longest = _LONG_DELAYS_MS
    return shortest + drawn // 8 % (longest - shortest)


def any_size(chance: random.Random) -> int:
    """A size as programs use them: mostly small, some of 20 KB, a few of 200 KB."""
    drawn = chance.random()
    if drawn < 0.90:
        return chance.randint(SMALLEST_BODY_BYTES, 400)
    if drawn < 0.992:
        return chance.randint(400, 20_000)
    return chance.randint(20_000, 200_000)


def _note(message_header: bytes) -> dict[str, int]:
    sequence = parts(message_header)[2]
    return {} if sequence % 4 else {"sequence": sequence}


def _priority(message_header: bytes) -> int | None:
    """Up to one more than the highest, or none."""
    drawn = zlib.crc32(message_header) % (HIGHEST_PRIORITY + 3)
    return drawn if drawn < HIGHEST_PRIORITY + 2 else None


def _own_brief_ms(message_header: bytes) -> int | None:
    drawn = zlib.crc32(message_header)
    return None if drawn % 2 else 1 + drawn // 2 % (BRIEF_MS - 1)


def _encoded(
    headers: dict[str, int], transient: bool, priority: int | None = None, expiration: str = ""
) -> bytes:
    flags, values = _FLAG_DELIVERY_MODE, b""
    if headers:
        flags |= _FLAG_HEADERS
        table = b"".join(
            bytes((len(name),)) + name.encode() + b"I" + struct.pack(">i", value)
            for name, value in headers.items()
        )
        values = struct.pack(">I", len(table)) + table
    values += _TRANSIENT if transient else _PERSISTENT
    if priority is not None:
        flags |= _FLAG_PRIORITY
        values += bytes((priority,))
    if expiration:
        flags |= _FLAG_EXPIRATION
        values += bytes((len(expiration),)) + expiration.encode()
    return struct.pack(">H", flags) + values


@cache
def _filler() -> bytes:
    return random.Random(9).randbytes(2 * LARGEST_BODY_BYTES)
