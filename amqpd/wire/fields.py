"""Field tables and their values, with RabbitMQ's types (AMQP 0-9-1, 4.2.5.5; RabbitMQ 3.10, observed).

A table is `dict[str, Field]`; a Field keeps the type tag it had on the wire, so that it is written
back as it was read. Text is UTF-8 with surrogateescape: bytes that are not UTF-8 come back unchanged.
"""

import math
import struct
from collections.abc import Mapping
from typing import Final, final

from librt.strings import read_i32_be, read_i64_be
from mypy_extensions import i64

MAX_DEPTH: Final = 128
"""Tables and arrays may nest this deep; RabbitMQ has no such limit, no client comes near it."""

TYPE_NAMES: Final = {
    "t": "bool",
    "b": "byte",
    "B": "unsignedbyte",
    "s": "short",
    "u": "unsignedshort",
    "I": "signedint",
    "i": "unsignedint",
    "l": "long",
    "L": "long",
    "f": "float",
    "d": "double",
    "D": "decimal",
    "S": "longstr",
    "A": "array",
    "T": "timestamp",
    "F": "table",
    "V": "void",
    "x": "binary",
}
"""Wire tag to the name RabbitMQ uses in its error texts."""

INTEGER_TYPES: Final = frozenset("bBsuIilL")

_NUMBERS: Final = {
    "b": struct.Struct(">b"),
    "B": struct.Struct(">B"),
    "s": struct.Struct(">h"),
    "u": struct.Struct(">H"),
    "I": struct.Struct(">i"),
    "i": struct.Struct(">I"),
    "l": struct.Struct(">q"),
    "L": struct.Struct(">q"),
    "f": struct.Struct(">f"),
    "d": struct.Struct(">d"),
    "T": struct.Struct(">Q"),
}
_DECIMAL: Final = struct.Struct(">BI")
_LENGTH: Final = struct.Struct(">I")
_FLOAT_TYPES: Final = frozenset("fd")

# The shape of a value by its tag: up to 8 it is the value's size in octets.
_LARGEST_SIZE: Final = 8
_FLOAT: Final = 100
_DOUBLE: Final = 101
_STRING: Final = 102
_ARRAY: Final = 103
_TABLE: Final = 104
_UNKNOWN: Final = 255


def _shapes() -> bytes:
    shapes = bytearray([_UNKNOWN]) * 256
    for tag, number in _NUMBERS.items():
        shapes[ord(tag)] = number.size
    others = {
        "t": 1,
        "D": 5,
        "V": 0,
        "f": _FLOAT,
        "d": _DOUBLE,
        "S": _STRING,
        "x": _STRING,
        "A": _ARRAY,
        "F": _TABLE,
    }
    for tag, shape in others.items():
        shapes[ord(tag)] = shape
    return bytes(shapes)


_SHAPES: Final = _shapes()


class MalformedField(ValueError):
    """A table that cannot be read or written: what is wrong, and at which offset of the data."""


@final
class Field:
    """One value of a table or array: `type`, the one-character wire tag, and `value`.

    The value is a bool (t), int (bBsuIilL, and T: unsigned seconds), float (fd), str (S), bytes (x),
    list[Field] (A), Table (F), None (V) or, for D, a tuple (scale, unsigned 32-bit number).
    """

    def __init__(self, type: str, value: object) -> None:
        self.type: Final = type
        self.value: Final = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Field):
            return NotImplemented
        return self.type == other.type and self.value == other.value

    def __hash__(self) -> int:
        value = self.value
        if isinstance(value, list):
            return hash((self.type, tuple(value)))
        if isinstance(value, dict):
            return hash((self.type, frozenset(value.items())))
        return hash((self.type, value))

    def __repr__(self) -> str:
        return f"Field({self.type!r}, {self.value!r})"


Table = dict[str, Field]


def text_of(data: bytes) -> str:
    """Text of bytes that should be UTF-8; others survive as lone surrogates."""
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    """The bytes that `text_of` gave this text for. Raises MalformedField if there are none."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise MalformedField(f"text has no encoding: {error}") from None


# Reading


def check_table(data: bytes, start: i64, end: i64) -> None:
    """Walk the contents of a table, data[start:end], building nothing.

    Raises MalformedField exactly when decode_table would.
    """
    _check_range(data, start, end)
    _check_table(data, start, end, 0)


def decode_table(data: bytes, start: i64, end: i64) -> Table:
    """Read the contents of a table, data[start:end], without its length prefix; the first of equal keys wins.

    Raises MalformedField for an unknown type, a value that ends after the table, deeper nesting
    than MAX_DEPTH and, as RabbitMQ does, for a float that is infinite or not a number.
    """
    _check_range(data, start, end)
    return _decode_table(data, start, end, 0)


def decode_table_at(data: bytes, start: i64, end: i64) -> tuple[Table, i64]:
    """Read a table with its 4-byte length prefix at data[start]; return it and the position after it.

    Raises MalformedField, also when the table ends after `end`.
    """
    _check_range(data, start, end)
    if end - start < 4:
        raise MalformedField(f"length of the table at offset {start} is cut off")
    contents: i64 = start + 4
    stop: i64 = contents + (i64(read_i32_be(data, start)) & 0xFFFFFFFF)
    if stop > end:
        raise MalformedField(f"table at offset {start} ends after its data")
    return _decode_table(data, contents, stop, 0), stop


def _check_range(data: bytes, start: i64, end: i64) -> None:
    if start < 0 or end < start or end > len(data):
        raise MalformedField(f"table at offset {start} ends after its data")


def _too_deep(at: i64) -> MalformedField:
    return MalformedField(f"more than {MAX_DEPTH} tables and arrays inside each other at offset {at}")


def _key_end(data: bytes, at: i64, end: i64) -> i64:
    """Position after the key at data[at], where its value's tag is."""
    stop: i64 = at + 1 + i64(data[at])
    if stop >= end:
        raise MalformedField(f"key at offset {at} ends after its table")
    return stop


def _value_end(data: bytes, at: i64, end: i64) -> i64:
    """Position after the value whose tag is data[at]; at < end <= len(data)."""
    shape: i64 = i64(_SHAPES[data[at]])
    stop: i64 = at + 1 + shape
    if shape > _LARGEST_SIZE:
        stop = _wide_value_end(data, at, end, shape)
    if stop > end:
        raise MalformedField(f"value of type '{chr(data[at])}' at offset {at} ends after its table")
    return stop


def _wide_value_end(data: bytes, at: i64, end: i64, shape: i64) -> i64:
    if shape == _UNKNOWN:
        raise MalformedField(f"unknown field type {bytes([data[at]])!r} at offset {at}")
    if shape == _DOUBLE:
        if at + 9 <= end and (i64(read_i64_be(data, at + 1)) >> 52) & 0x7FF == 0x7FF:
            raise MalformedField(f"double at offset {at} is not a finite number")
        return at + 9
    if at + 5 > end:
        return at + 5
    word: i64 = i64(read_i32_be(data, at + 1)) & 0xFFFFFFFF
    if shape == _FLOAT:
        if word & 0x7F800000 == 0x7F800000:
            raise MalformedField(f"float at offset {at} is not a finite number")
        return at + 5
    return at + 5 + word


def _check_table(data: bytes, start: i64, end: i64, depth: i64) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep(start)
    at: i64 = start
    while at < end:
        tag_at: i64 = _key_end(data, at, end)
        at = _value_end(data, tag_at, end)
        shape: i64 = i64(_SHAPES[data[tag_at]])
        if shape == _TABLE:
            _check_table(data, tag_at + 5, at, depth + 1)
        elif shape == _ARRAY:
            _check_array(data, tag_at + 5, at, depth + 1)


def _check_array(data: bytes, start: i64, end: i64, depth: i64) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep(start)
    at: i64 = start
    while at < end:
        tag_at: i64 = at
        at = _value_end(data, tag_at, end)
        shape: i64 = i64(_SHAPES[data[tag_at]])
        if shape == _TABLE:
            _check_table(data, tag_at + 5, at, depth + 1)
        elif shape == _ARRAY:
            _check_array(data, tag_at + 5, at, depth + 1)


def _decode_table(data: bytes, start: i64, end: i64, depth: i64) -> Table:
    if depth > MAX_DEPTH:
        raise _too_deep(start)
    table: Table = {}
    at: i64 = start
    while at < end:
        tag_at: i64 = _key_end(data, at, end)
        key = text_of(data[at + 1 : tag_at])
        at = _value_end(data, tag_at, end)
        table.setdefault(key, _decode_value(data, tag_at, at, depth))
    return table


def _decode_array(data: bytes, start: i64, end: i64, depth: i64) -> list[Field]:
    if depth > MAX_DEPTH:
        raise _too_deep(start)
    array: list[Field] = []
    at: i64 = start
    while at < end:
        tag_at: i64 = at
        at = _value_end(data, tag_at, end)
        array.append(_decode_value(data, tag_at, at, depth))
    return array


def _decode_value(data: bytes, at: i64, stop: i64, depth: i64) -> Field:
    """The value whose tag is data[at] and that _value_end has found to end at `stop`."""
    tag = chr(data[at])
    if tag == "S":
        return Field(tag, text_of(data[at + 5 : stop]))
    number = _NUMBERS.get(tag)
    if number is not None:
        return Field(tag, number.unpack_from(data, at + 1)[0])
    if tag == "t":
        return Field(tag, data[at + 1] != 0)
    if tag == "F":
        return Field(tag, _decode_table(data, at + 5, stop, depth + 1))
    if tag == "A":
        return Field(tag, _decode_array(data, at + 5, stop, depth + 1))
    if tag == "x":
        return Field(tag, data[at + 5 : stop])
    if tag == "D":
        return Field(tag, _DECIMAL.unpack_from(data, at + 1))
    return Field(tag, None)


# Writing


def encode_table(table: Table) -> bytes:
    """The table on the wire, with its 4-byte length prefix.

    Raises MalformedField for a value that does not fit its type, a key over 255 bytes, an unknown
    type and deeper nesting than MAX_DEPTH.
    """
    return _encode_table(table, 0)


def _with_length(data: bytes) -> bytes:
    if len(data) > 0xFFFFFFFF:
        raise MalformedField(f"{len(data)} bytes do not fit a length of 32 bits")
    return _LENGTH.pack(len(data)) + data


def _encode_table(table: Table, depth: i64) -> bytes:
    if depth > MAX_DEPTH:
        raise MalformedField(f"more than {MAX_DEPTH} tables and arrays inside each other")
    parts: list[bytes] = []
    for key, field in table.items():
        name = bytes_of(key)
        if len(name) > 255:
            raise MalformedField(f"key {key!r} has more than 255 bytes")
        parts.append(bytes([len(name)]))
        parts.append(name)
        parts.append(_encode_value(field, depth))
    return _with_length(b"".join(parts))


def _encode_array(array: list[Field], depth: i64) -> bytes:
    if depth > MAX_DEPTH:
        raise MalformedField(f"more than {MAX_DEPTH} tables and arrays inside each other")
    return _with_length(b"".join([_encode_value(field, depth) for field in array]))


def _encode_value(field: Field, depth: i64) -> bytes:
    tag = field.type
    value = field.value
    if tag in _NUMBERS:
        return tag.encode() + _encode_number(field)
    if tag == "D":
        return b"D" + _encode_decimal(field)
    if tag == "V":
        return b"V"
    if tag == "t":
        return b"t\x01" if value else b"t\x00"
    if tag == "S" and isinstance(value, str):
        return b"S" + _with_length(bytes_of(value))
    if tag == "x" and isinstance(value, bytes):
        return b"x" + _with_length(value)
    if tag == "F" and isinstance(value, dict):
        return b"F" + _encode_table(value, depth + 1)
    if tag == "A" and isinstance(value, list):
        return b"A" + _encode_array(value, depth + 1)
    raise _unfit(field)


def _unfit(field: Field) -> MalformedField:
    return MalformedField(f"{type(field.value).__name__} does not fit a field of type {field.type!r}")


def _encode_number(field: Field) -> bytes:
    value = field.value
    try:
        data = _NUMBERS[field.type].pack(value)
    except (struct.error, OverflowError):
        raise _unfit(field) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise MalformedField(f"{value} is not a finite number")
    return data


def _encode_decimal(field: Field) -> bytes:
    value = field.value
    if not isinstance(value, tuple) or len(value) != 2:
        raise _unfit(field)
    try:
        return _DECIMAL.pack(value[0], value[1])
    except struct.error:
        raise _unfit(field) from None


# Plain Python values


def field_of(value: object) -> Field:
    """The field that a plain Python value is written as; a Field stays what it is.

    bool is t, int I or, beyond 32 bits, l, str S, bytes x, float d, dict F, list A and None V.
    Raises MalformedField for an int beyond 64 bits and TypeError for anything else.
    """
    return _field_of(value, 0)


def table_of(values: Mapping[str, object]) -> Table:
    """The table of a mapping from names to plain Python values or Fields; raises as field_of does."""
    return _table_of(values, 0)


def _field_of(value: object, depth: i64) -> Field:
    if isinstance(value, Field):
        return value
    if value is None:
        return Field("V", None)
    if isinstance(value, bool):
        return Field("t", value)
    if isinstance(value, int):
        return _integer_field(value)
    if isinstance(value, str):
        return Field("S", value)
    if isinstance(value, bytes):
        return Field("x", value)
    if isinstance(value, float):
        return Field("d", value)
    if isinstance(value, dict):
        return Field("F", _table_of(value, depth + 1))
    if isinstance(value, list):
        return Field("A", _array_of(value, depth + 1))
    raise TypeError(f"{type(value).__name__} has no field type")


def _integer_field(value: int) -> Field:
    if -(2**31) <= value < 2**31:
        return Field("I", value)
    if -(2**63) <= value < 2**63:
        return Field("l", value)
    raise MalformedField("an integer beyond 64 bits has no field type")


def _table_of(values: Mapping[str, object], depth: i64) -> Table:
    if depth > MAX_DEPTH:
        raise MalformedField(f"more than {MAX_DEPTH} tables and arrays inside each other")
    return {key: _field_of(value, depth) for key, value in values.items()}


def _array_of(values: list[object], depth: i64) -> list[Field]:
    if depth > MAX_DEPTH:
        raise MalformedField(f"more than {MAX_DEPTH} tables and arrays inside each other")
    return [_field_of(value, depth) for value in values]


def plain(field: Field) -> object:
    """The value as plain Python, tables and arrays included; a decimal is a tuple (scale, number)."""
    value = field.value
    if isinstance(value, dict):
        return plain_table(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def plain_table(table: Table) -> dict[str, object]:
    """The table as plain Python values."""
    return {key: plain(field) for key, field in table.items()}


# Comparing


def _families() -> dict[str, str]:
    families = dict.fromkeys("bBsuIilLfdT", "number")
    families.update({"S": "bytes", "x": "bytes"})
    for tag, name in TYPE_NAMES.items():
        families.setdefault(tag, name)
    return families


# What the value is to RabbitMQ once the type is set aside.
_FAMILIES: Final = _families()


def equivalent(a: Field, b: Field) -> bool:
    """Whether a headers exchange takes the two for equal (RabbitMQ 3.10, observed).

    It compares values and ignores their types: 1, of whatever width, is 1.0 and the timestamp 1, and
    a longstr is a binary of the same bytes. Inside arrays and tables the types must be the same and
    so must a table's order. That void in a binding matches any value is for the exchange to say.
    """
    one = a.value
    other = b.value
    if isinstance(one, (dict, list)) and isinstance(other, (dict, list)) and not one and not other:
        return True
    family = _FAMILIES.get(a.type)
    if family is None or family != _FAMILIES.get(b.type):
        return False
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and _same_items(list(one.values()), list(other.values()))
    if isinstance(one, list) and isinstance(other, list):
        return _same_items(one, other)
    if family == "bytes":
        return _bytes_value(one) == _bytes_value(other)
    return one == other


def likeness(field: Field) -> tuple[str, object]:
    """A hashable value that is the same for any two fields that are `equivalent`: an index can find them by it."""
    value = field.value
    if isinstance(value, (dict, list)):
        return "composite", None
    return _FAMILIES.get(field.type, ""), _bytes_value(value)


def same_argument(a: Field, b: Field) -> bool:
    """Whether a redeclaration's argument `b` agrees with `a` (RabbitMQ 3.10, observed).

    As `equivalent`, but an integer is never a float: 5 is the long and the timestamp 5, and not 5.0.
    """
    return (a.type in _FLOAT_TYPES) == (b.type in _FLOAT_TYPES) and equivalent(a, b)


def _bytes_value(value: object) -> object:
    return bytes_of(value) if isinstance(value, str) else value


def _same_items(one: list[Field], other: list[Field]) -> bool:
    if len(one) != len(other):
        return False
    for index in range(len(one)):
        a, b = one[index], other[index]
        if TYPE_NAMES.get(a.type) != TYPE_NAMES.get(b.type) or not equivalent(a, b):
            return False
    return True
