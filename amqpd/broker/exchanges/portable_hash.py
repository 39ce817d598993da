"""Erlang's portable hash, `erlang:phash2/1`: by it RabbitMQ's hashing exchanges choose (Erlang 25, observed).

A number of 27 bits that is the same in every version of Erlang, so that a key leads to the same queue here
as there. What is hashed are the terms that RabbitMQ makes of a message: a routing key is a binary, a header
a tuple of its type's name and its value.
"""

from __future__ import annotations

import struct
from typing import Final

from mypy_extensions import i64

from amqpd.wire.fields import TYPE_NAMES, Field, Table, bytes_of

RANGE_BITS: Final = 27
WORD: Final = 0xFFFFFFFF

# The hash begins each kind of term with a multiple of the golden ratio.
_GOLDEN: Final = 0x9E3779B9
_SMALL: Final = _GOLDEN
_NIL: Final = (2 * _GOLDEN) & WORD
_ATOM: Final = (3 * _GOLDEN) & WORD
_TUPLE: Final = (9 * _GOLDEN) & WORD
_LARGE_NEGATIVE: Final = (10 * _GOLDEN) & WORD
_LARGE: Final = (11 * _GOLDEN) & WORD
_FLOAT: Final = (12 * _GOLDEN) & WORD
_BINARY: Final = (13 * _GOLDEN) & WORD

_NIL_NUMBER: Final = 2
_SMALL_MAX: Final = 1 << 27
_BLOCK: Final = 12

_DOUBLE: Final = struct.Struct("<d")


def hash_of_text(text: str) -> int:
    """The hash of a binary: the text's bytes."""
    return _shortened(_binary(0, bytes_of(text)))


def hash_of_texts(texts: list[str]) -> int:
    """The hash of a list of binaries."""
    state: i64 = 0
    for text in texts:
        state = _binary(state, bytes_of(text))
    return _shortened(_nil(state))


def hash_of_table(table: Table) -> int:
    """The hash of arguments, in all its 32 bits."""
    return int(_value(0, table))


def hash_of_field(field: Field | None) -> int:
    """The hash of a header as RabbitMQ looks it up: {longstr, <<"text">>}, or undefined if there is none."""
    return _shortened(_atom(0, "undefined") if field is None else _typed(_tuple(0, 2), field))


def _shortened(state: i64) -> int:
    return int(state & ((1 << RANGE_BITS) - 1))


# Terms: each takes the hash of what came before, and gives the hash that includes the term.


def _typed(state: i64, field: Field) -> i64:
    """The name of the type, then the value."""
    return _value(_atom(state, TYPE_NAMES[field.type]), field.value)


def _value(state: i64, value: object) -> i64:
    if isinstance(value, bool):
        return _atom(state, "true" if value else "false")
    if isinstance(value, int):
        return _integer(state, value)
    if isinstance(value, str):
        return _binary(state, bytes_of(value))
    if isinstance(value, bytes):
        return _binary(state, value)
    if isinstance(value, float):
        return _float(state, value)
    if isinstance(value, tuple):
        return _integer(_integer(_tuple(state, 2), value[0]), value[1])
    if isinstance(value, list):
        for item in value:
            state = _typed(_tuple(state, 2), item)
        return _nil(state)
    if isinstance(value, dict):
        for name, item in value.items():
            state = _typed(_binary(_tuple(state, 3), bytes_of(name)), item)
        return _nil(state)
    return _atom(state, "undefined")


def _tuple(state: i64, size: i64) -> i64:
    return _mixed_in(state, size, 0, _TUPLE)


def _nil(state: i64) -> i64:
    return _mixed_in(state, _NIL_NUMBER, 0, _NIL)


def _atom(state: i64, name: str) -> i64:
    number: i64 = 0
    for character in name:
        number = (number << 4) + ord(character)
        high: i64 = number & 0xF0000000
        number ^= (high >> 24) | high
    return number if state == 0 else _mixed_in(state, number, 0, _ATOM)


def _integer(state: i64, value: int) -> i64:
    if not -_SMALL_MAX <= value < _SMALL_MAX:
        size = abs(value)
        return _mixed_in(state, size & WORD, (size >> 32) & WORD, _LARGE if value >= 0 else _LARGE_NEGATIVE)
    if value < 0:
        state = _mixed_in(state, -value, 0, _SMALL)
    return _mixed_in(state, value & WORD, 0, _SMALL)


def _float(state: i64, value: float) -> i64:
    bits = int.from_bytes(_DOUBLE.pack(value + 0.0), "little")  # -0.0 is hashed as 0.0
    return _mixed_in(state, bits >> 32, bits & WORD, _FLOAT)


def _binary(state: i64, data: bytes) -> i64:
    c: i64 = (_BINARY + state) & WORD
    size: i64 = len(data)
    if size == 0:
        return c
    a: i64 = _GOLDEN
    b: i64 = _GOLDEN
    at: i64 = 0
    while size - at >= _BLOCK:
        a = (a + _word(data, at, at + 4)) & WORD
        b = (b + _word(data, at + 4, at + 8)) & WORD
        c = (c + _word(data, at + 8, at + 12)) & WORD
        a, b, c = _mixed(a, b, c)
        at += _BLOCK
    a = (a + _word(data, at, at + 4)) & WORD
    b = (b + _word(data, at + 4, at + 8)) & WORD
    c = (c + size + (_word(data, at + 8, size) << 8)) & WORD  # the lowest byte is the length's
    a, b, c = _mixed(a, b, c)
    return c


def _word(data: bytes, start: i64, stop: i64) -> i64:
    """A little-endian number of at most four bytes, of those that there are."""
    word: i64 = 0
    shift: i64 = 0
    at: i64 = start
    while at < stop and at < len(data):
        word |= i64(data[at]) << shift
        shift += 8
        at += 1
    return word


def _mixed_in(state: i64, one: i64, other: i64, constant: i64) -> i64:
    _a, _b, c = _mixed((constant + one) & WORD, (constant + other) & WORD, state)
    return c


def _mixed(a: i64, b: i64, c: i64) -> tuple[i64, i64, i64]:
    """Bob Jenkins' mix of three words of 32 bits."""
    a = ((a - b - c) & WORD) ^ (c >> 13)
    b = ((b - c - a) & WORD) ^ ((a << 8) & WORD)
    c = ((c - a - b) & WORD) ^ (b >> 13)
    a = ((a - b - c) & WORD) ^ (c >> 12)
    b = ((b - c - a) & WORD) ^ ((a << 16) & WORD)
    c = ((c - a - b) & WORD) ^ (b >> 5)
    a = ((a - b - c) & WORD) ^ (c >> 3)
    b = ((b - c - a) & WORD) ^ ((a << 10) & WORD)
    c = ((c - a - b) & WORD) ^ (b >> 15)
    return a, b, c
