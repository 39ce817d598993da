"""Values as rabbitmqctl shows them in tables: Erlang's terms, made of what JSON has left of them."""

from typing import Any


class Arguments(dict[str, Any]):
    """An AMQP table. JSON has lost the types of its values; RabbitMQ's commands show the ones most clients send."""


class States(dict[str, str]):
    """States by node: pairs of atoms in a table, an object in JSON."""


def cell(value: Any) -> str:
    """A value in a table (RabbitMQ 3.10, `format_info_item`)."""
    if isinstance(value, States):
        return "[" + ", ".join(f"{{{node}, {state}}}" for node, state in value.items()) + "]"
    if isinstance(value, Arguments):
        return erlang(value)
    if isinstance(value, dict):
        return "#{" + ", ".join(f"{key} => {cell(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(cell, value)) + "]"
    if isinstance(value, tuple):
        return "{" + ",".join(map(cell, value)) + "}"
    return value if isinstance(value, str) else _plain(value)


def erlang(value: Any) -> str:
    """A value inside an AMQP table: `[{"x-max-length",5},{"x-mode","lazy"}]`; an empty string is an empty list."""
    if isinstance(value, dict):
        return "[" + ",".join(f"{{{_text(key)},{erlang(part)}}}" for key, part in value.items()) + "]"
    if isinstance(value, list):
        return "[" + ",".join(map(erlang, value)) + "]"
    return _text(value) if isinstance(value, str) else _plain(value)


def typed(table: dict[str, Any]) -> list[list[Any]]:
    """An AMQP table in JSON, as rabbitmqctl has it: name, type and value of each entry."""
    return [[name, *_typed_value(value)] for name, value in table.items()]


def terms(table: dict[str, Any]) -> str:
    """An AMQP table in a pretty table, where its entries stand side by side as Erlang has them."""
    return "".join(
        f"{{<<{_quoted(name)}>>,{_type(value)},{_binary(value)}}}" for name, value in table.items()
    )


def _typed_value(value: Any) -> tuple[str, Any]:
    if isinstance(value, dict):
        return "table", typed(value)
    if isinstance(value, list):
        return "array", [list(_typed_value(part)) for part in value]
    return _type(value), value


def _type(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "long"
    if isinstance(value, float):
        return "double"
    if value is None:
        return "void"
    return "array" if isinstance(value, list) else "table" if isinstance(value, dict) else "longstr"


def _binary(value: Any) -> str:
    if isinstance(value, dict):
        return "[" + ",".join(terms({name: part}) for name, part in value.items()) + "]"
    if isinstance(value, list):
        return "[" + ",".join(f"{{{_type(part)},{_binary(part)}}}" for part in value) + "]"
    return f"<<{_quoted(value)}>>" if isinstance(value, str) else _plain(value)


def _text(text: str) -> str:
    return _quoted(text) if text else "[]"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
