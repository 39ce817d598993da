"""Where lines go, and which: an output that fails loses lines, and never the broker."""

from __future__ import annotations

import logging
import sys
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from amqpd.logs.formats import category_of

LOST = "lines of the log were lost"


class LevelOfCategory(logging.Filter):
    """Lets lines pass that are important enough, of each category its own way."""

    def __init__(self, level: int, levels: Mapping[str, int]) -> None:
        """`levels` are those of categories, `level` that of all others; in numbers."""
        super().__init__()
        self._level = level
        self._levels = dict(levels)

    def level_for(self, category: str) -> int:
        """From which level on lines of a category pass."""
        return self._levels.get(category, self._level)

    def change(self, category: str, level: int) -> None:
        """Another level for a category."""
        self._levels[category] = level

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= self.level_for(category_of(record))


class Output(logging.Handler):
    """One place that lines go to."""

    def __init__(self, levels: LevelOfCategory, formatter: logging.Formatter) -> None:
        super().__init__()
        self.levels = levels
        self.addFilter(levels)
        self.setFormatter(formatter)
        self._lost_lines = 0

    @abstractmethod
    def write(self, line: str) -> None:
        """Write a line, without its end. Raises OSError or ValueError if that can't be."""

    @abstractmethod
    def place(self) -> str:
        """Where that is, for a message."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if self._lost_lines:
                self.write(self.format(self._about_loss(record)))
                self._lost_lines = 0
            self.write(self.format(record))
        except Exception as error:
            # A full disk, or a value that can't even be written: nobody who logs has to care.
            self._lose(error)

    def _lose(self, error: Exception) -> None:
        self._lost_lines += 1
        if self._lost_lines == 1:
            self.complain("log to", error)

    def complain(self, what: str, error: Exception) -> None:
        """Say on standard error what can't be done with this place."""
        reason = getattr(error, "strerror", None) or error
        with suppress(OSError, ValueError, AttributeError):
            print(f"amqpd: cannot {what} {self.place()}: {reason}", file=sys.stderr, flush=True)

    def _about_loss(self, record: logging.LogRecord) -> logging.LogRecord:
        return logging.makeLogRecord(
            {
                "name": record.name,
                "levelno": logging.WARNING,
                "levelname": "WARNING",
                "msg": LOST,
                "created": record.created,
                "fields": {"lines": self._lost_lines},
            }
        )


class Console(Output):
    """Standard error, standard output, or another stream."""

    def __init__(self, stream: TextIO, levels: LevelOfCategory, formatter: logging.Formatter) -> None:
        super().__init__(levels, formatter)
        self._stream = stream

    def place(self) -> str:
        return getattr(self._stream, "name", "the console")

    def write(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
        except UnicodeEncodeError as error:
            self._stream.write(line.encode(error.encoding, "backslashreplace").decode(error.encoding) + "\n")
        self._stream.flush()
