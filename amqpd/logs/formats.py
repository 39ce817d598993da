"""What a line looks like: text for people, JSON for programs.

    2026-11-21T04:33:12.130Z info  connection opened connection="127.0.0.1:4711 -> 127.0.0.1:5672" user="guest"

What comes from a client stands quoted in a field, its control characters escaped, so that no client
can write a line of its own.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from amqpd.logs.levels import DEFAULT, NAMES

ROOT: Final = "amqpd"
DOMAIN: Final = "rabbitmq"
_SHORT_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class FieldFormatter(logging.Formatter):
    """One line per record: UTC time in milliseconds, level, sentence, fields."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = f"{time.removesuffix('+00:00')}Z {level_of(record):<5} {printable(record.getMessage())}"
        for name, value in fields_of(record).items():
            line += f" {name}={format_value(value)}"
        if record.exc_info:
            for traceback_line in self.formatException(record.exc_info).splitlines():
                line += "\n    " + printable(traceback_line)
        return line


class JsonFormatter(logging.Formatter):
    """One JSON object per record, with the keys and the time of RabbitMQ 3.10's, and a key for every field.

    All but ASCII is escaped, so that nothing in it ends the line or controls a terminal.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(" ", timespec="microseconds"),
            "level": level_of(record),
            "msg": record.getMessage(),
            "domain": DOMAIN if category_of(record) == DEFAULT else f"{DOMAIN}.{category_of(record)}",
            "pid": str(os.getpid()),
        }
        for name, value in fields_of(record).items():
            line.setdefault(name, value)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"), default=str)


FORMATTERS: Final = {"plaintext": FieldFormatter, "text": FieldFormatter, "json": JsonFormatter}
"""By the names that log.console.formatter and log.file.formatter have for them."""


def level_of(record: logging.LogRecord) -> str:
    """The name of a record's level."""
    return NAMES.get(record.levelno, record.levelname.lower())


def category_of(record: logging.LogRecord) -> str:
    """What a record is about, which is the second part of its logger's name."""
    root, _dot, category = record.name.partition(".")
    return category if category and root == ROOT else DEFAULT


def fields_of(record: logging.LogRecord) -> Mapping[str, object]:
    """A record's fields."""
    fields: Mapping[str, object] = getattr(record, "fields", {})
    return fields


def format_value(value: object) -> str:
    """Numbers and truth values bare, everything else quoted with its control characters escaped."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return str(value)
    return '"' + "".join(_SHORT_ESCAPES.get(each) or printable(each) for each in str(value)) + '"'


def printable(text: str) -> str:
    """The text with everything that is not printable (newlines, escapes, direction marks) spelled out."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )
