"""Erlang terms as text, for the error texts in which RabbitMQ prints them (RabbitMQ 3.10, observed)."""

from typing import Final

_LINE_LENGTH: Final = 80
_SHOWN_OCTETS: Final = 16

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
