"""The log: a fixed sentence, then fields; one line each, on standard error.

    2026-11-21T04:33:12.130Z info  connection opened connection="127.0.0.1:4711 -> 127.0.0.1:5672" user="guest"

What comes from a client stands quoted in a field, its control characters escaped, so that no client
can write a line of its own.
"""

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

ROOT = "amqpd"
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


class FieldLogger:
    """Writes sentences with fields; those bound (connection, vhost, user, channel) come with every line."""

    def __init__(self, logger: logging.Logger, fields: Mapping[str, object] | None = None) -> None:
        self._logger = logger
        self._fields = dict(fields or {})

    def bind(self, fields: Mapping[str, object]) -> "FieldLogger":
        """A logger that adds these fields to its own on every line."""
        return FieldLogger(self._logger, {**self._fields, **fields})

    def is_debug(self) -> bool:
        """True if debug lines are written; to be asked once per connection, not per frame."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def debug(self, sentence: str, *, fields: Mapping[str, object] | None = None) -> None:
        """For finding out what happens."""
        self._log(logging.DEBUG, sentence, fields)

    def info(self, sentence: str, *, fields: Mapping[str, object] | None = None) -> None:
        """Something happened as it should."""
        self._log(logging.INFO, sentence, fields)

    def warning(self, sentence: str, *, fields: Mapping[str, object] | None = None) -> None:
        """Someone should look."""
        self._log(logging.WARNING, sentence, fields)

    def error(
        self, sentence: str, *, fields: Mapping[str, object] | None = None, cause: BaseException | None = None
    ) -> None:
        """We have a bug or lost something; the traceback of the cause follows, indented."""
        self._log(logging.ERROR, sentence, fields, cause)

    def _log(
        self,
        level: int,
        sentence: str,
        fields: Mapping[str, object] | None,
        cause: BaseException | None = None,
    ) -> None:
        if self._logger.isEnabledFor(level):
            extra = {"fields": {**self._fields, **(fields or {})}}
            # the sentence is an argument: a percent sign in it must not be read as a format
            self._logger.log(level, "%s", sentence, extra=extra, exc_info=cause)


class FieldFormatter(logging.Formatter):
    """One line per record: UTC time in milliseconds, level, sentence, fields."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = (
            f"{time.removesuffix('+00:00')}Z {record.levelname.lower():<5} {printable(record.getMessage())}"
        )
        fields: Mapping[str, object] = getattr(record, "fields", {})
        for name, value in fields.items():
            line += f" {name}={format_value(value)}"
        if record.exc_info:
            for traceback_line in self.formatException(record.exc_info).splitlines():
                line += "\n    " + printable(traceback_line)
        return line


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


def start_logging(level: str, stream: TextIO | None = None) -> FieldLogger:
    """Send the log to the stream (standard error unless told) from this level (debug, info, warning, error) up.

    Calling it again replaces what it set up before.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(FieldFormatter())
    logger = logging.getLogger(ROOT)
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(level.upper())
    return FieldLogger(logger)


def change_level(level: str) -> None:
    """Log from this level up from now on."""
    logging.getLogger(ROOT).setLevel(level.upper())
