"""Arguments in JSON and as field tables, with the types that RabbitMQ's management gives them (3.10, observed)."""

from __future__ import annotations

import base64

from amqpd.wire.fields import MAX_DEPTH, Field, MalformedField, Table, encode_table

NOT_UTF_8 = "Not UTF-8, base64 is: "
UNDEFINED = "undefined"


class NotATable(ValueError):
    """JSON that arguments can't be made of; the message says why."""


def table_of(arguments: object) -> Table:
    """The field table of a JSON object; an empty list is one, too. Raises NotATable."""
    if arguments == []:
        return {}
    if not isinstance(arguments, dict):
        raise NotATable("arguments must be an object")
    table = _table(arguments, 0)
    try:
        encode_table(table)
    except MalformedField as malformed:
        raise NotATable(str(malformed)) from None
    return table


def _table(entries: dict[str, object], depth: int) -> Table:
    return {key: _field(value, depth) for key, value in entries.items()}


def _field(value: object, depth: int) -> Field:
    if depth > MAX_DEPTH:
        raise NotATable(f"more than {MAX_DEPTH} objects and lists inside each other")
    if isinstance(value, bool):
        return Field("t", value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise NotATable(f"{value} does not fit 64 bits")
        return Field("l", value)
    if isinstance(value, float):
        return Field("d", value)
    if isinstance(value, str):
        return Field("S", value)
    if isinstance(value, list):
        return Field("A", [_field(each, depth + 1) for each in value])
    if isinstance(value, dict):
        return Field("F", _table(value, depth + 1))
    raise NotATable("null_not_allowed")


def json_of(table: Table) -> dict[str, object]:
    """A field table as JSON, sorted by its keys. Most types of numbers are one there, as in RabbitMQ's exports."""
    return {key: _value(table[key]) for key in sorted(table)}


def _value(field: Field) -> object:
    value = field.value
    if isinstance(value, dict):
        return json_of(value)
    if isinstance(value, list):
        return [_value(each) for each in value]
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, str):
        return _text(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, tuple):
        # So RabbitMQ writes a decimal: its scale, a point, and its digits.
        scale, number = value
        return float(f"{scale}.{number}")
    return UNDEFINED if value is None else value


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return NOT_UTF_8 + base64.b64encode(data).decode()
