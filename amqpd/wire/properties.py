"""The content header of class basic: body size and the 14 message properties (AMQP 0-9-1, 4.2.6.1).

A `header` is the payload of a content header frame: class id (2 octets), weight (2), body size (8),
property flags (2), property list. Class and weight are the connection's to judge, nothing here looks
at them. RabbitMQ 3.10 ignores the two lowest flag bits, the continuation bit among them, and answers
a property list that is cut, or that something follows, with 541 (observed).
"""

import struct
from typing import Final, final

from librt.strings import read_i16_be, read_i32_be
from mypy_extensions import i64

from amqpd.wire.fields import (
    MalformedField,
    Table,
    bytes_of,
    check_table,
    decode_table,
    encode_table,
    text_of,
)

CONTENT_TYPE: Final = 1 << 15
CONTENT_ENCODING: Final = 1 << 14
HEADERS: Final = 1 << 13
DELIVERY_MODE: Final = 1 << 12
PRIORITY: Final = 1 << 11
CORRELATION_ID: Final = 1 << 10
REPLY_TO: Final = 1 << 9
EXPIRATION: Final = 1 << 8
MESSAGE_ID: Final = 1 << 7
TIMESTAMP: Final = 1 << 6
TYPE: Final = 1 << 5
USER_ID: Final = 1 << 4
APP_ID: Final = 1 << 3
CLUSTER_ID: Final = 1 << 2

PERSISTENT: Final = 2
"""The delivery mode of a message that survives a restart."""

CLASS_ID: Final = 60

_PROPERTY_LIST: Final = 14  # where it starts
_ALL_FLAGS: Final = 0xFFFC

_SHORTSTR: Final = 0
_TABLE: Final = 1
_OCTET: Final = 2
_LONGLONG: Final = 3

# In the order of the property list, from bit 15 down to bit 2.
_LAYOUT: Final = [
    ("content_type", _SHORTSTR),
    ("content_encoding", _SHORTSTR),
    ("headers", _TABLE),
    ("delivery_mode", _OCTET),
    ("priority", _OCTET),
    ("correlation_id", _SHORTSTR),
    ("reply_to", _SHORTSTR),
    ("expiration", _SHORTSTR),
    ("message_id", _SHORTSTR),
    ("timestamp", _LONGLONG),
    ("type", _SHORTSTR),
    ("user_id", _SHORTSTR),
    ("app_id", _SHORTSTR),
    ("cluster_id", _SHORTSTR),
]
_NAMES: Final = [name for name, _ in _LAYOUT]
_KINDS: Final = bytes([kind for _, kind in _LAYOUT])
_FIXED_PART: Final = struct.Struct(">HHQH")
_NUMBERS: Final = {_OCTET: struct.Struct(">B"), _LONGLONG: struct.Struct(">Q")}


class MalformedProperties(ValueError):
    """A content header whose property list cannot be read, or properties that cannot be written."""


@final
class Properties:
    """The properties of one message; None is absent. `timestamp` is in seconds, unsigned 64 bits."""

    def __init__(
        self,
        content_type: str | None = None,
        content_encoding: str | None = None,
        headers: Table | None = None,
        delivery_mode: int | None = None,
        priority: int | None = None,
        correlation_id: str | None = None,
        reply_to: str | None = None,
        expiration: str | None = None,
        message_id: str | None = None,
        timestamp: int | None = None,
        type: str | None = None,
        user_id: str | None = None,
        app_id: str | None = None,
        cluster_id: str | None = None,
    ) -> None:
        self.content_type = content_type
        self.content_encoding = content_encoding
        self.headers = headers
        self.delivery_mode = delivery_mode
        self.priority = priority
        self.correlation_id = correlation_id
        self.reply_to = reply_to
        self.expiration = expiration
        self.message_id = message_id
        self.timestamp = timestamp
        self.type = type
        self.user_id = user_id
        self.app_id = app_id
        self.cluster_id = cluster_id

    def present(self) -> dict[str, object]:
        """The properties that are not None, by name, in the order of the wire."""
        values: dict[str, object] = {}
        for name in _NAMES:
            value = getattr(self, name)
            if value is not None:
                values[name] = value
        return values

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Properties):
            return NotImplemented
        return self.present() == other.present()

    def __repr__(self) -> str:
        values = ", ".join([f"{name}={value!r}" for name, value in self.present().items()])
        return f"Properties({values})"


def check_properties(header: bytes) -> i64:
    """Walk the property list of a content header, building nothing; return its flags word.

    Raises MalformedProperties if the list is cut, if anything follows it, or for a malformed table.
    """
    flags: i64 = _flags(header)
    size: i64 = len(header)
    properties: i64 = flags & _ALL_FLAGS
    if properties == 0 and size == _PROPERTY_LIST:
        return flags
    if properties == DELIVERY_MODE and size == _PROPERTY_LIST + 1:
        return flags
    at: i64 = _PROPERTY_LIST
    index: i64 = 0
    while index < 14:
        if properties & (CONTENT_TYPE >> index):
            stop: i64 = _property_end(header, at, index)
            if properties & HEADERS and index == 2:
                _check_headers(header, at + 4, stop)
            at = stop
        index += 1
    if at != size:
        raise MalformedProperties(f"{size - at} bytes follow the property list")
    return flags


def position_of(header: bytes, flag: i64) -> i64:
    """Where the value of the property with this flag starts, length prefix included; -1 if absent.

    Raises MalformedProperties if the list is cut before the value's end.
    """
    flags: i64 = _flags(header)
    if flags & flag & _ALL_FLAGS == 0:
        return -1
    at: i64 = _PROPERTY_LIST
    index: i64 = 0
    while CONTENT_TYPE >> index > flag:
        if flags & (CONTENT_TYPE >> index):
            at = _property_end(header, at, index)
        index += 1
    _property_end(header, at, index)
    return at


def delivery_mode_of(header: bytes) -> int:
    """The delivery mode, 0 if absent. Raises MalformedProperties if the list is cut before it."""
    at: i64 = position_of(header, DELIVERY_MODE)
    return 0 if at < 0 else header[at]


def priority_of(header: bytes) -> int:
    """The priority, 0 if absent. Raises MalformedProperties if the list is cut before it."""
    at: i64 = position_of(header, PRIORITY)
    return 0 if at < 0 else header[at]


def expiration_of(header: bytes) -> str:
    """The expiration as it was given, "" if absent. Raises MalformedProperties if the list is cut before it."""
    at: i64 = position_of(header, EXPIRATION)
    return "" if at < 0 else text_of(header[at + 1 : at + 1 + header[at]])


def with_header(header: bytes, name: bytes, value: i64) -> bytes:
    """The same content header, whose headers have a long of this name, in place of whatever had it before.

    Nothing else is decoded or changed. Raises MalformedProperties if the list is cut before the headers' end.
    """
    before, after = split_for_header(header, name)
    return b"".join([before, int(value).to_bytes(8, "big", signed=True), after])


def split_for_header(header: bytes, name: bytes) -> tuple[bytes, bytes]:
    """What stands before and behind the 8 bytes of the value that `with_header` puts between the two."""
    flags: i64 = _flags(header)
    at: i64 = _PROPERTY_LIST
    index: i64 = 0
    while CONTENT_TYPE >> index > HEADERS:
        if flags & (CONTENT_TYPE >> index):
            at = _property_end(header, at, index)
        index += 1
    contents = b""
    end: i64 = at
    if flags & HEADERS:
        end = _property_end(header, at, index)
        contents = header[at + 4 : end]
        if name in contents:
            contents = _without(contents, name)
    key = bytes([len(name)]) + name + b"l"
    size = len(contents) + len(key) + 8
    new_flags = int(flags | HEADERS)
    before = b"".join(
        [
            header[: _PROPERTY_LIST - 2],
            new_flags.to_bytes(2, "big"),
            header[_PROPERTY_LIST:at],
            size.to_bytes(4, "big"),
            contents,
            key,
        ]
    )
    return before, header[end:]


def _without(contents: bytes, name: bytes) -> bytes:
    """The contents of a table without the entries of this name, if there are any."""
    try:
        kept = decode_table(contents, 0, len(contents))
    except MalformedField as error:
        raise MalformedProperties(f"headers: {error}") from None
    if kept.pop(text_of(name), None) is None:
        return contents
    return encode_table(kept)[4:]


def decode_properties(header: bytes) -> Properties:
    """Read all properties. Raises MalformedProperties exactly when check_properties does."""
    flags: i64 = _flags(header)
    properties = Properties()
    at: i64 = _PROPERTY_LIST
    index: i64 = 0
    while index < 14:
        if flags & (CONTENT_TYPE >> index):
            stop: i64 = _property_end(header, at, index)
            setattr(properties, _NAMES[index], _decode_property(header, at, stop, index))
            at = stop
        index += 1
    if at != len(header):
        raise MalformedProperties(f"{len(header) - at} bytes follow the property list")
    return properties


def encode_properties(properties: Properties, body_size: int) -> bytes:
    """A whole content header, class 60 and weight 0 included, for a body of `body_size` bytes.

    Raises MalformedProperties for text over 255 bytes, a number or size that does not fit, or a
    table that cannot be written.
    """
    flags = 0
    parts: list[bytes] = []
    for index in range(14):
        value: object = getattr(properties, _NAMES[index])
        if value is not None:
            flags |= CONTENT_TYPE >> index
            parts.append(_encode_property(index, value))
    try:
        return _FIXED_PART.pack(CLASS_ID, 0, body_size, flags) + b"".join(parts)
    except struct.error:
        raise MalformedProperties(f"body size {body_size} does not fit 64 bits") from None


def _flags(header: bytes) -> i64:
    if len(header) < _PROPERTY_LIST:
        raise MalformedProperties(f"content header of {len(header)} bytes has no property flags")
    return i64(read_i16_be(header, 12)) & 0xFFFF


def _property_end(header: bytes, at: i64, index: i64) -> i64:
    """Position after the property at header[at], of the kind that `index` says."""
    size: i64 = len(header)
    kind: i64 = i64(_KINDS[index])
    stop: i64 = size + 1
    if kind == _SHORTSTR:
        if at < size:
            stop = at + 1 + i64(header[at])
    elif kind == _OCTET:
        stop = at + 1
    elif kind == _LONGLONG:
        stop = at + 8
    elif at + 4 <= size:
        stop = at + 4 + (i64(read_i32_be(header, at)) & 0xFFFFFFFF)
    if stop > size:
        raise MalformedProperties(f"{_NAMES[index]} at offset {at} ends after the content header")
    return stop


def _check_headers(header: bytes, start: i64, end: i64) -> None:
    try:
        check_table(header, start, end)
    except MalformedField as error:
        raise MalformedProperties(f"headers: {error}") from None


def _decode_property(header: bytes, at: i64, stop: i64, index: i64) -> object:
    kind = int(_KINDS[index])
    if kind == _SHORTSTR:
        return text_of(header[at + 1 : stop])
    if kind == _TABLE:
        try:
            return decode_table(header, at + 4, stop)
        except MalformedField as error:
            raise MalformedProperties(f"headers: {error}") from None
    return int.from_bytes(header[at:stop], "big")


def _encode_property(index: int, value: object) -> bytes:
    kind = int(_KINDS[index])
    try:
        if kind == _TABLE and isinstance(value, dict):
            return encode_table(value)
        if kind == _SHORTSTR and isinstance(value, str):
            data = bytes_of(value)
            return bytes([len(data)]) + data
        return _NUMBERS[kind].pack(value)
    except (KeyError, ValueError, struct.error) as error:
        raise MalformedProperties(f"{_NAMES[index]}: {error}") from None
