"""Erlang terms as text, for the error texts in which RabbitMQ prints them (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import math
from typing import Final

from amqpd.wire.fields import TYPE_NAMES, Field, bytes_of

_LINE_LENGTH: Final = 80
_SHOWN_OCTETS: Final = 16
_FIRST_INEXACT: Final = float(2**53)

_ESCAPES: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
}


def _is_printable(character: int) -> bool:
    return 32 <= character <= 126 or 160 <= character <= 255 or 8 <= character <= 13 or character == 27


def _quoted(text: str) -> str:
    return '"' + "".join([_ESCAPES.get(character, character) for character in text]) + '"'


def binary(data: bytes, column: int = 0) -> str:
    """A binary as Erlang's ~p prints it: `<<"abc">>`, or `<<0,60>>` if any byte is unprintable in Latin-1.

    `column` counts the characters already on the line. Erlang starts a new line in numbers that go
    beyond 80 columns, and RabbitMQ sends that on, so the text may contain line feeds.
    """
    if not data:
        return "<<>>"
    if all(_is_printable(byte) for byte in data):
        return f"<<{_quoted(data.decode('utf-8', 'surrogateescape'))}>>"
    flat = octets(data)
    if len(flat) < _LINE_LENGTH - 1 - column:
        return flat
    return _folded(data, min(_LINE_LENGTH - 3 - column, len(flat) - 4), column + 2)


def frame_octets(frame_type: int, payload: bytes) -> str:
    """How RabbitMQ names a frame that it can't take: its type and octets, of a long one the first 16."""
    shown = "all" if len(payload) <= _SHOWN_OCTETS else f"first {_SHOWN_OCTETS}"
    text = f"type {frame_type}, {shown} octets = "
    return text + binary(payload[:_SHOWN_OCTETS], len(text))


def after(text: str, tag: str, value: int) -> str:
    """The text, and behind it the tuple `{tag,value}`, whose value is on a new line if it goes beyond 79 columns."""
    column = len(bytes_of(text.rpartition("\n")[2]))
    flat = f"{{{tag},{value}}}"
    if len(flat) < _LINE_LENGTH - 1 - column:
        return text + flat
    return f"{text}{{{tag},\n{' ' * (column + 1)}{value}}}"


def octets(data: bytes) -> str:
    """A binary as Erlang's ~w prints it: always `<<97,98>>`, never a string, on one line."""
    return f"<<{','.join([str(byte) for byte in data])}>>"


def string(text: str) -> str:
    """A list of characters as Erlang's ~p prints it: `"abc"`; `[]` if empty.

    With a character that is unprintable in Latin-1 it is a list of numbers: `[8364,49]`.
    """
    if not text:
        return "[]"
    if all(_is_printable(ord(character)) for character in text):
        return _quoted(text)
    return f"[{','.join([str(ord(character)) for character in text])}]"


def byte_string(data: bytes) -> str:
    """The same of a list of bytes, which RabbitMQ sends on as they are."""
    return string(data.decode("latin-1")).encode("latin-1").decode("utf-8", "surrogateescape")


def term(field: Field) -> str:
    """A value of a table as Erlang's ~p prints it, on one line: `5`, `true`, `[{<<"a">>,longstr,<<"b">>}]`."""
    value = field.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _flat(bytes_of(value))
    if isinstance(value, bytes):
        return _flat(value)
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return (
            f"[{','.join([f'{{{_flat(bytes_of(name))},{_typed(each)}}}' for name, each in value.items()])}]"
        )
    if isinstance(value, list):
        return f"[{','.join([f'{{{_typed(each)}}}' for each in value])}]"
    if isinstance(value, tuple):
        return f"{{{value[0]},{value[1]}}}"
    return "undefined" if value is None else str(value)


def _flat(data: bytes) -> str:
    return binary(data) if all(_is_printable(byte) for byte in data) else octets(data)


def _typed(field: Field) -> str:
    return f"{TYPE_NAMES[field.type]},{term(field)}"


def number(value: float) -> str:
    """A float as Erlang prints it: the shorter of `1230.0` and `1.2e3`, from 2 ** 53 always the latter."""
    if not math.isfinite(value):
        return repr(value)
    mantissa, _, power = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or 0) + len(digits) - 1 - len(fraction)
    digits = digits.rstrip("0")
    if not digits:
        return repr(value)
    scientific = f"{digits[0]}.{digits[1:] or '0'}e{exponent}"
    plain = _plain(digits, exponent)
    is_plain = abs(value) < _FIRST_INEXACT and len(plain) <= len(scientific)
    return ("-" if value < 0 else "") + (plain if is_plain else scientific)


def _plain(digits: str, exponent: int) -> str:
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    return f"{digits[: exponent + 1].ljust(exponent + 1, '0')}.{digits[exponent + 1 :] or '0'}"


def _folded(data: bytes, width: int, indent: int) -> str:
    """The numbers of a binary in lines of `width` characters; the first stands at column `indent`."""
    width = max(8, width)
    parts: list[str] = []
    room = width
    last = len(data) - 1
    for index, byte in enumerate(data):
        number = f"{byte}," if index < last else f"{byte}"
        if len(number) > room:
            parts.append("\n" + " " * indent)
            room = width
        parts.append(number)
        room -= len(number)
    return f"<<{''.join(parts)}>>"
