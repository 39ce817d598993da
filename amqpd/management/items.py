"""What definitions consist of: items of ten categories, read with a word for everything that is not as it should be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import NoReturn

from amqpd.management.reading import read_json
from amqpd.management.tables import NotATable, table_of
from amqpd.wire.fields import Table

SHORT_TEXT_BYTES = 255

CATEGORIES: dict[str, frozenset[str]] = {
    "users": frozenset(
        (
            "name",
            "password",
            "password_hash",
            "hashing_algorithm",
            "tags",
            "administrator",
            "limits",
            "permissions",
        )
    ),
    "vhosts": frozenset(
        (
            "name",
            "description",
            "tags",
            "default_queue_type",
            "metadata",
            "limits",
            "tracing",
            "protected_from_deletion",
        )
    ),
    "permissions": frozenset(("user", "vhost", "configure", "write", "read")),
    "topic_permissions": frozenset(("user", "vhost", "exchange", "write", "read")),
    "exchanges": frozenset(("name", "vhost", "type", "durable", "auto_delete", "internal", "arguments")),
    "global_parameters": frozenset(("name", "value")),
    "policies": frozenset(("vhost", "name", "pattern", "definition", "priority", "apply-to")),
    "parameters": frozenset(("vhost", "component", "name", "value")),
    "queues": frozenset(("name", "vhost", "type", "durable", "auto_delete", "arguments")),
    "bindings": frozenset(
        (
            "source",
            "vhost",
            "destination",
            "destination_type",
            "routing_key",
            "arguments",
            "properties_key",
        )
    ),
}
"""The keys of each category's items in the exports of RabbitMQ 3 and 4; the categories in RabbitMQ's order of import."""

OF_A_VHOST = ("exchanges", "parameters", "policies", "queues", "bindings")
"""What is imported into one vhost, in RabbitMQ's order; other categories are passed over."""

TOLD = frozenset(
    (
        "rabbit_version",
        "rabbitmq_version",
        "rabbitmq_definition_format",
        "product_name",
        "product_version",
        "original_cluster_name",
        "original_vhost_name",
        "explanation",
        "name",
        "description",
        "tags",
        "metadata",
        "limits",
        "default_queue_type",
    )
)
"""Other keys of these exports, which define nothing."""


class InvalidDefinitions(Exception):
    """Definitions that can't be imported.

    `reason` is what RabbitMQ's HTTP API answers, JSON; where RabbitMQ just fails, or takes what nobody can mean, it
    is a text of ours. `where` says which item it is about, and `text` both in one line.
    """

    def __init__(self, reason: object, where: str, explanation: str = "") -> None:
        words = explanation or (reason if isinstance(reason, str) else json.dumps(reason, ensure_ascii=False))
        self.reason = reason
        self.where = where
        self.explanation = " ".join(words.split())
        self.text = f"{where}: {self.explanation}" if where else self.explanation
        super().__init__(self.text)

    def within(self, source: str) -> InvalidDefinitions:
        """The same, in a file of this name."""
        where = ", ".join([each for each in (source, self.where) if each])
        return InvalidDefinitions(self.reason, where, self.explanation)


@dataclass(frozen=True)
class Source:
    """A document, and the name of the file it is from, or nothing."""

    name: str
    document: dict[str, object]


def parse(body: bytes) -> dict[str, object]:
    """The JSON object in a text; an empty text is an empty object. Raises InvalidDefinitions."""
    if not body:
        return {}
    failed = "failed_to_parse_json"
    try:
        document = read_json(body)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidDefinitions(failed, where, f"not JSON: {error.msg}") from None
    except UnicodeError as error:
        raise InvalidDefinitions(
            failed,
            "",
            f"not UTF-8: {error.reason}"
            if isinstance(error, (UnicodeDecodeError, UnicodeEncodeError))
            else "not UTF-8",
        ) from None
    except RecursionError:
        raise InvalidDefinitions(failed, "", "objects and lists too deep inside each other") from None
    except ValueError as error:
        raise InvalidDefinitions(failed, "", f"not JSON: {error}") from None
    if not isinstance(document, dict):
        raise InvalidDefinitions(failed, "", "definitions must be an object")
    return document


def check_keys(source: Source) -> None:
    """Raise InvalidDefinitions for a key that is neither a category nor known to define nothing."""
    for key in source.document:
        if key not in CATEGORIES and key not in TOLD:
            raise InvalidDefinitions(f"unknown key '{key}'", source.name)


def items(source: Source, category: str) -> list[Item]:
    """The items of a category. Raises InvalidDefinitions unless it is a list of objects with known keys."""
    found = source.document.get(category, [])
    if not isinstance(found, list):
        raise InvalidDefinitions(
            "must be a list", ", ".join([each for each in (source.name, category) if each])
        )
    return [Item(source.name, category, index, each) for index, each in enumerate(found)]


class Item:
    """One item of a category. What it is asked for and does not have raises InvalidDefinitions."""

    def __init__(self, source: str, category: str, index: int, entries: object) -> None:
        self._place = ", ".join([each for each in (source, f"{category}[{index}]") if each])
        if not isinstance(entries, dict):
            raise InvalidDefinitions("must be an object", self._place)
        self._entries: dict[str, object] = entries
        unknown = [key for key in entries if key not in CATEGORIES[category]]
        if unknown:
            self.refuse(f"unknown key '{unknown[0]}'")

    def where(self) -> str:
        """Which item it is: `queues[3] 'orders' in vhost '/'`."""
        place = self._place
        for key, words in (
            ("name", "'{}'"),
            ("user", "of user '{}'"),
            ("source", "from '{}'"),
            ("vhost", "in vhost '{}'"),
        ):
            value = self._entries.get(key)
            if isinstance(value, str):
                place += " " + words.format(value)
        return place

    def refuse(self, reason: object, explanation: str = "") -> NoReturn:
        """Raise InvalidDefinitions about this item."""
        raise InvalidDefinitions(reason, self.where(), explanation)

    def has(self, key: str) -> bool:
        """Whether there is anything under this key."""
        return key in self._entries

    def value(self, key: str) -> object:
        """What stands there."""
        if key not in self._entries:
            self.refuse(f"{key} is missing")
        return self._entries[key]

    def text(self, key: str, default: str | None = None) -> str:
        """A text; if there is a default, it may be missing."""
        if default is not None and key not in self._entries:
            return default
        value = self.value(key)
        if not isinstance(value, str):
            self.refuse(f"{key} must be a text")
        return value

    def short_text(self, key: str, default: str | None = None) -> str:
        """A text that AMQP can carry: a name, or a routing key."""
        value = self.text(key, default)
        if len(value.encode()) > SHORT_TEXT_BYTES:
            self.refuse(f"{key} has more than {SHORT_TEXT_BYTES} bytes")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """A truth value, which may be missing."""
        value = self._entries.get(key, default)
        if not isinstance(value, bool):
            self.refuse(f"{key} must be true or false")
        return value

    def mapping(self, key: str) -> dict[str, object]:
        """An object, which may be missing, or an empty list."""
        value = self._entries.get(key, {})
        if value == []:
            return {}
        if not isinstance(value, dict):
            self.refuse(f"{key} must be an object")
        return value

    def arguments(self) -> Table:
        """The arguments, which may be missing."""
        try:
            return table_of(self._entries.get("arguments", {}))
        except NotATable as problem:
            self.refuse(str(problem))

    def tags(self, key: str = "tags") -> list[str]:
        """Tags: a list of texts, or a text with commas."""
        tags = tags_of(self.value(key))
        if tags is None:
            self.refuse(f"{key} must be a list of texts, or a text")
        return tags


def tags_of(value: object) -> list[str] | None:
    """Tags from JSON, a list of texts or a text with commas; None if it is neither (RabbitMQ 3.10)."""
    if isinstance(value, str):
        return [tag.strip() for tag in value.split(",") if tag]
    if isinstance(value, list) and all(isinstance(tag, str) for tag in value):
        return [tag.strip() for tag in value]
    return None
