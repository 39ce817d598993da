"""What a message of the test looks like: its header says which one it is, the rest follows from the header."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache

HEADER_BYTES = 9  # target, publisher, sequence number: three octets each
SMALLEST_BODY_BYTES = 10
LARGEST_BODY_BYTES = 1 << 20

_PERSISTENT, _TRANSIENT = b"\x02", b"\x01"
_FLAG_DELIVERY_MODE, _FLAG_HEADERS = 0x1000, 0x2000


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
    mode = _TRANSIENT if transient else _PERSISTENT
    sequence = parts(message_header)[2]
    if sequence % 4:
        return struct.pack(">H", _FLAG_DELIVERY_MODE) + mode
    table = b"\x08sequenceI" + struct.pack(">i", sequence)
    flags = _FLAG_HEADERS | _FLAG_DELIVERY_MODE
    return struct.pack(">HI", flags, len(table)) + table + mode


def any_size(chance: random.Random) -> int:
    """A size as programs use them: mostly small, some of 20 KB, a few of 200 KB."""
    drawn = chance.random()
    if drawn < 0.90:
        return chance.randint(SMALLEST_BODY_BYTES, 400)
    if drawn < 0.992:
        return chance.randint(400, 20_000)
    return chance.randint(20_000, 200_000)


@cache
def _filler() -> bytes:
    return random.Random(9).randbytes(2 * LARGEST_BODY_BYTES)
