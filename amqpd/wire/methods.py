"""Methods of the control plane: payloads of method frames to pamqp's command objects and back.

The objects and their descriptors are pamqp's; the bytes are read and written here, because RabbitMQ
takes names and tables that pamqp refuses (RabbitMQ 3.10, observed). Texts, long strings too, are
UTF-8 with surrogateescape (`fields.bytes_of` gives their bytes back), tables are `fields.Table`.
"""

from typing import ClassVar, Final, final

from librt.strings import read_i32_be
from mypy_extensions import i64, mypyc_attr
from pamqp.base import Frame
from pamqp.commands import INDEX_MAPPING

from amqpd.wire.fields import MalformedField, bytes_of, decode_table, encode_table, table_of, text_of


@mypyc_attr(native_class=False)
class AccessRequest(Frame):
    """Ask for access to a realm."""

    # In the order of the wire, as pamqp has it.
    __slots__: ClassVar[list[str]] = ["realm", "exclusive", "passive", "active", "write", "read"]  # noqa: RUF023

    frame_id: ClassVar[int] = 10
    index: ClassVar[int] = 0x001E000A
    name: ClassVar[str] = "Access.Request"
    synchronous: ClassVar[bool] = True
    valid_responses: ClassVar[list[str]] = ["Access.RequestOk"]

    _realm = "shortstr"
    _exclusive = "bit"
    _passive = "bit"
    _active = "bit"
    _write = "bit"
    _read = "bit"

    def __init__(
        self,
        realm: str = "/data",
        exclusive: bool = False,
        passive: bool = True,
        active: bool = True,
        write: bool = True,
        read: bool = True,
    ) -> None:
        self.realm = realm
        self.exclusive = exclusive
        self.passive = passive
        self.active = active
        self.write = write
        self.read = read


@mypyc_attr(native_class=False)
class AccessRequestOk(Frame):
    """Grant access; the ticket means nothing."""

    __slots__: ClassVar[list[str]] = ["ticket"]

    frame_id: ClassVar[int] = 11
    index: ClassVar[int] = 0x001E000B
    name: ClassVar[str] = "Access.RequestOk"
    synchronous: ClassVar[bool] = False

    _ticket = "short"

    def __init__(self, ticket: int = 1) -> None:
        self.ticket = ticket


@mypyc_attr(native_class=False)
class Access:
    """Class access, which AMQP 0-9-1 dropped and RabbitMQ still answers: any realm, ticket 1."""

    frame_id: ClassVar[int] = 30
    index: ClassVar[int] = 0x001E0000

    # Compiled modules have no nested classes.
    Request = AccessRequest
    RequestOk = AccessRequestOk


class MethodError(ValueError):
    """A method frame's payload that is not a method; `class_id` and `method_id` as far as they were read."""

    def __init__(self, text: str, class_id: int = 0, method_id: int = 0) -> None:
        super().__init__(text)
        self.class_id = class_id
        self.method_id = method_id


class TruncatedMethod(MethodError):
    """Under 4 bytes, no class and method id. RabbitMQ answers 501, unknown_frame."""


class UnknownMethod(MethodError):
    """Class or method id that AMQP does not have. RabbitMQ closes the TCP connection at once."""

    def __init__(self, class_id: int, method_id: int) -> None:
        super().__init__(f"unknown method {class_id}.{method_id}", class_id, method_id)


class MalformedMethod(MethodError):
    """Arguments that are cut, or that something follows. RabbitMQ answers 501, `cannot decode`.

    `arguments` is the payload after the class and method id.
    """

    def __init__(self, class_id: int, method_id: int, arguments: bytes) -> None:
        super().__init__(f"cannot decode the arguments of {class_id}.{method_id}", class_id, method_id)
        self.arguments = arguments


class MalformedShortString(MethodError):
    """A name that is not UTF-8. RabbitMQ answers 501 with class and method id 0."""


class MalformedTable(MethodError):
    """A table that cannot be read. RabbitMQ closes the TCP connection at once."""


_BIT: Final = 0
_SHORTSTR: Final = 9
_LONGSTR: Final = 10
_TABLE: Final = 11

# pamqp's name of a type to its kind here; from 1 to 8 it is an unsigned number of so many octets.
_KINDS: Final = {
    "bit": _BIT,
    "octet": 1,
    "short": 2,
    "long": 4,
    "longlong": 8,
    "shortstr": _SHORTSTR,
    "longstr": _LONGSTR,
    "table": _TABLE,
}

# basic.publish, return, deliver and get-ok carry content, and RabbitMQ does not look whether their
# names are UTF-8.
_UNCHECKED: Final = frozenset([0x003C0028, 0x003C0032, 0x003C003C, 0x003C0047])


@final
class _Argument:
    """One argument of a method: its kind and, for a bit, its place in its octet."""

    def __init__(self, name: str, kind: int, bit: int) -> None:
        self.name: Final = name
        self.kind: Final[i64] = kind
        self.bit: Final[i64] = bit


@final
class _Layout:
    """What a method's arguments look like on the wire."""

    def __init__(self, command: type[Frame]) -> None:
        self.command: Final = command
        self.class_id: Final = command.index >> 16
        self.method_id: Final = command.index & 0xFFFF
        self.checked: Final = command.index not in _UNCHECKED
        self.arguments: Final[list[_Argument]] = []
        bit = 0
        for name in command.attributes():
            kind = _KINDS[command.amqp_type(name)]
            self.arguments.append(_Argument(name, kind, bit))
            bit = (bit + 1) % 8 if kind == _BIT else 0


def _layouts() -> dict[int, _Layout]:
    known: list[type[Frame]] = [*INDEX_MAPPING.values(), Access.Request, Access.RequestOk]
    return {command.index: _Layout(command) for command in known}


_LAYOUTS: Final = _layouts()


def decode_method(payload: bytes, checked: bool = True) -> Frame:
    """Read the payload of a method frame, class and method id included.

    Raises a MethodError: TruncatedMethod, UnknownMethod, MalformedMethod, MalformedShortString or
    MalformedTable. Where several are true RabbitMQ looks at the lengths of all arguments first, then
    at what is in them from left to right, and so does this. Unless `checked`, names may be no UTF-8.
    """
    layout = _layout_of(payload)
    positions = _positions(layout, payload)
    method = layout.command.__new__(layout.command)
    checked = checked and layout.checked
    for number, argument in enumerate(layout.arguments):
        at, stop = positions[number], positions[number + 1]
        value = _decode_argument(layout, argument, payload, at, stop, checked)
        setattr(method, argument.name, value)
    return method


def check_method_id(payload: bytes) -> None:
    """Raise TruncatedMethod or UnknownMethod, as decode_method would; the arguments are not looked at."""
    _layout_of(payload)


def _layout_of(payload: bytes) -> _Layout:
    if len(payload) < 4:
        raise TruncatedMethod("method frame without class and method id")
    index: i64 = i64(read_i32_be(payload, 0)) & 0xFFFFFFFF
    layout = _LAYOUTS.get(int(index))
    if layout is None:
        raise UnknownMethod(int(index >> 16), int(index & 0xFFFF))
    return layout


def encode_method(method: Frame) -> bytes:
    """Write a method as the payload of a method frame, class and method id included.

    A shortstr is a str; a longstr a str or bytes; a table a mapping from names to Fields or plain
    values, or None. Raises ValueError for a value that does not fit its argument, such as a shortstr
    over 255 bytes.
    """
    layout = _LAYOUTS[method.index]
    parts = [method.index.to_bytes(4, "big")]
    octet: i64 = 0
    last = len(layout.arguments) - 1
    for number, argument in enumerate(layout.arguments):
        value: object = getattr(method, argument.name)
        if argument.kind != _BIT:
            parts.append(_encode_argument(method.name, argument, value))
            continue
        octet |= i64(1 if value else 0) << argument.bit
        if number == last or argument.bit == 7 or layout.arguments[number + 1].kind != _BIT:
            parts.append(bytes([int(octet)]))
            octet = 0
    return b"".join(parts)


def _positions(layout: _Layout, payload: bytes) -> list[int]:
    """Where each argument starts, and the end of the last; the bits of one octet start and end together."""
    size: i64 = len(payload)
    at: i64 = 4
    positions: list[int] = []
    for argument in layout.arguments:
        if argument.kind == _BIT and argument.bit > 0:
            positions.append(int(at - 1))
            continue
        positions.append(int(at))
        at = _argument_end(argument.kind, payload, at, size)
        if at > size:
            raise MalformedMethod(layout.class_id, layout.method_id, payload[4:])
    if at != size:
        raise MalformedMethod(layout.class_id, layout.method_id, payload[4:])
    positions.append(int(at))
    return positions


def _argument_end(kind: i64, payload: bytes, at: i64, size: i64) -> i64:
    """Position after an argument; beyond `size` if it is cut."""
    if kind == _BIT:
        return at + 1
    if kind < _SHORTSTR:
        return at + kind
    if kind == _SHORTSTR:
        return at + 1 + i64(payload[at]) if at < size else size + 1
    return at + 4 + (i64(read_i32_be(payload, at)) & 0xFFFFFFFF) if at + 4 <= size else size + 1


def _decode_argument(
    layout: _Layout, argument: _Argument, payload: bytes, at: int, stop: int, checked: bool
) -> object:
    kind: i64 = argument.kind
    if kind == _BIT:
        return (i64(payload[at]) >> argument.bit) & 1 == 1
    if kind < _SHORTSTR:
        return int.from_bytes(payload[at:stop], "big")
    if kind == _SHORTSTR:
        return _decode_name(layout, payload[at + 1 : stop], checked)
    if kind == _LONGSTR:
        return text_of(payload[at + 4 : stop])
    try:
        return decode_table(payload, at + 4, stop)
    except MalformedField as error:
        raise MalformedTable(f"{argument.name}: {error}", layout.class_id, layout.method_id) from None


def _decode_name(layout: _Layout, data: bytes, checked: bool) -> str:
    if checked and not data.isascii() and not is_utf8(data):
        raise MalformedShortString("Malformed UTF-8 in shortstr", layout.class_id, layout.method_id)
    return text_of(data)


def is_utf8(data: bytes) -> bool:
    """Whether RabbitMQ takes the bytes for UTF-8; surrogates and numbers up to 0x1FFFFF pass (observed)."""
    at: i64 = 0
    size: i64 = len(data)
    while at < size:
        first: i64 = i64(data[at])
        at += 1
        if first < 0x80:
            continue
        if first < 0xC0 or first >= 0xF8:
            return False
        more: i64 = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
        if at + more > size:
            return False
        code: i64 = first & (0x3F >> more)
        least: i64 = 0x80 if more == 1 else 0x800 if more == 2 else 0x10000
        while more > 0:
            following: i64 = i64(data[at])
            if following & 0xC0 != 0x80:
                return False
            code = (code << 6) | (following & 0x3F)
            at += 1
            more -= 1
        if code < least:
            return False
    return True


def _encode_argument(method_name: str, argument: _Argument, value: object) -> bytes:
    kind = int(argument.kind)
    if kind == _TABLE and (value is None or isinstance(value, dict)):
        return encode_table(table_of(value or {}))
    if kind == _LONGSTR and isinstance(value, (str, bytes)):
        data = value if isinstance(value, bytes) else bytes_of(value)
        return len(data).to_bytes(4, "big") + data
    if kind == _SHORTSTR and isinstance(value, str):
        return _encode_name(method_name, argument, bytes_of(value))
    if kind < _SHORTSTR and isinstance(value, int) and 0 <= value < 1 << (8 * kind):
        return value.to_bytes(kind, "big")
    raise ValueError(f"{argument.name} of {method_name} cannot be {value!r}")


def _encode_name(method_name: str, argument: _Argument, data: bytes) -> bytes:
    if len(data) > 255:
        raise ValueError(f"{argument.name} of {method_name} has {len(data)} bytes; 255 are the most")
    return bytes([len(data)]) + data
