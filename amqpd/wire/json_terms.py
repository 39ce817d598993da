"""Values from JSON as Erlang's ~p prints them, for the texts in which RabbitMQ quotes them (RabbitMQ 3.10, observed)."""

from __future__ import annotations

from typing import Final

from amqpd.wire import terms

LINE_LENGTH: Final = 79
"""What is shorter stays on one line."""


def term(value: object, column: int = 0) -> str:
    """A JSON value as RabbitMQ prints it; `column` counts the characters already on the line."""
    flat = _flat(value)
    if column + len(flat) < LINE_LENGTH:
        return flat
    if isinstance(value, dict) and value:
        entries = [_entry(str(key), value[key], column + 2) for key in sorted(value, key=_byte_order)]
        separator = ",\n" + " " * (column + 2)
        return f"#{{{separator.join(entries)}}}"
    return flat


def pairs(values: dict[str, object]) -> str:
    """A JSON object as RabbitMQ prints a list of keys with their values: `[{<<"a">>,1}]`, in the order of the keys."""
    names = sorted(values, key=_byte_order)
    flat = ",".join([_flat_pair(name, values[name]) for name in names])
    if len(flat) + 2 < LINE_LENGTH:
        return f"[{flat}]"
    return f"[{f',{chr(10)} '.join([_pair(name, values[name]) for name in names])}]"


def quoted_pair(text: str, number: int, column: int) -> str:
    """`{"text",1}`, in two lines if it does not fit in what is left after `column` characters."""
    quoted = terms.string(text)
    flat = f"{{{quoted},{number}}}"
    if column + len(flat) < LINE_LENGTH:
        return flat
    return f"{{{quoted},\n{' ' * (column + 1)}{number}}}"


def _byte_order(key: str) -> bytes:
    return key.encode("utf-8", "surrogateescape")


def _text(value: str) -> str:
    return terms.binary(_byte_order(value))


def _flat(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return _flat_list(value)
    if isinstance(value, dict):
        keys = sorted(value, key=_byte_order)
        return f"#{{{','.join([f'{_text(key)} => {_flat(value[key])}' for key in keys])}}}"
    return str(value)


def _flat_list(values: list[object]) -> str:
    """A list of character codes is a text to Erlang."""
    characters = ""
    for value in values:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 255:
            return f"[{','.join([_flat(each) for each in values])}]"
        characters += chr(value)
    return terms.string(characters)


def _entry(key: str, value: object, column: int) -> str:
    name = _text(key)
    flat = _flat(value)
    if column + len(name) + 4 + len(flat) < LINE_LENGTH:
        return f"{name} => {flat}"
    return f"{name} =>\n{' ' * (column + 4)}{term(value, column + 4)}"


def _flat_pair(name: str, value: object) -> str:
    return f"{{{_text(name)},{_flat(value)}}}"


def _pair(name: str, value: object) -> str:
    flat = _flat_pair(name, value)
    if len(flat) + 1 < LINE_LENGTH:
        return flat
    return f"{{{_text(name)},\n  {term(value, 2)}}}"


def _float(value: float) -> str:
    """The shortest digits that mean this number, without an exponent unless that is shorter: `1.5`, `1.0e3`."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    sign = "-" if value < 0 else ""
    if not digits:
        return sign + "0.0"
    return sign + _with_point(digits, point)


def _with_point(digits: str, point: int) -> str:
    size = len(digits)
    if 0 < point < size:
        return f"{digits[:point]}.{digits[point:]}"
    exponent = str(point - 1)
    cost = len(exponent) + 1 + (2 if size == 1 else 1)
    if (point <= 0 and 2 - point <= cost) or point == 0:
        return "0." + "0" * -point + digits
    if point > 0 and point - size + 2 <= cost:
        return digits + "0" * (point - size) + ".0"
    return f"{digits[0]}.{digits[1:] or '0'}e{exponent}"
