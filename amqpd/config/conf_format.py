"""The format of rabbitmq.conf: `key = value` lines, comments and includes, read as RabbitMQ reads them.

In RabbitMQ 3.10 (cuttlefish 3.0.1) a value ends before the first `#`, and quotes are part of it. Values in 'single
quotes', which may have a `#` in them, and '''over many lines''' are of RabbitMQ 4.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from amqpd.config.mistakes import InvalidConfiguration

_WORD = r"(?:\\\.|[A-Za-z0-9_-])+"
_SETTING = re.compile(rf"[ \t]*({_WORD}(?:\.{_WORD})*)[ \t]*=[ \t]*(.*)", re.DOTALL)
_INCLUDE = re.compile(r"[ \t]*include[ \t]+([A-Za-z0-9_.*/-]+)[ \t]*(?:#.*)?")
_IGNORED = re.compile(r"[ \t]*(?:#.*)?")
_QUOTED = re.compile(r"'([^']*)'[ \t]*(?:#.*)?")
_MANY_LINES = "'''"


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, the words between its dots, and what it is set to."""

    key: tuple[str, ...]
    value: str
    place: Place

    def written_key(self) -> str:
        """The key as it stands in the file."""
        return ".".join(word.replace(".", r"\.") for word in self.key)


@dataclass(frozen=True, slots=True)
class Include:
    """Other files to read in this place; the last part of the pattern may have stars."""

    pattern: str
    place: Place


def parse(data: bytes, file: Path) -> list[Entry | Include]:
    """What the lines of a file say, in their order. Raises InvalidConfiguration with every line that says nothing."""
    found: list[Entry | Include] = []
    mistakes: list[str] = []
    lines = _Lines(data, file)
    while lines.left():
        place = lines.place()
        try:
            statement = _statement(lines, place)
        except ValueError as error:
            mistakes.append(f"{place}: {error}")
        else:
            if statement is not None:
                found.append(statement)
    if mistakes:
        raise InvalidConfiguration(mistakes)
    return found


class _Lines:
    """The lines of a file, taken one after the other."""

    def __init__(self, data: bytes, file: Path) -> None:
        self._lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        self._file = file
        self._next = 0

    def left(self) -> bool:
        return self._next < len(self._lines)

    def place(self) -> Place:
        return Place(self._file, self._next + 1)

    def take(self) -> str:
        """The next line, without its end. Raises ValueError if it is not UTF-8."""
        line = self._lines[self._next].removesuffix(b"\r")
        self._next += 1
        try:
            return line.decode()
        except UnicodeDecodeError:
            raise ValueError("is not UTF-8") from None


def _statement(lines: _Lines, place: Place) -> Entry | Include | None:
    line = lines.take()
    if _IGNORED.fullmatch(line):
        return None
    include = _INCLUDE.fullmatch(line)
    if include is not None:
        return Include(include[1], place)
    setting = _SETTING.fullmatch(line)
    if setting is None:
        raise ValueError("is neither `key = value`, nor an include, nor a comment")
    key = tuple(word.replace(r"\.", ".") for word in re.split(r"(?<!\\)\.", setting[1]))
    return Entry(key, _value(setting[2], lines), place)


def _value(text: str, lines: _Lines) -> str:
    if text.startswith(_MANY_LINES):
        return _value_of_many_lines(text.removeprefix(_MANY_LINES), lines)
    quoted = _QUOTED.fullmatch(text)
    if quoted is not None:
        return quoted[1]
    value = text.partition("#")[0].rstrip(" \t")
    if not value:
        raise ValueError("sets nothing: there is no value after the =")
    return value


def _value_of_many_lines(text: str, lines: _Lines) -> str:
    while _MANY_LINES not in text:
        if not lines.left():
            raise ValueError(f"has a value that begins with {_MANY_LINES} and does not end")
        text += "\n" + lines.take()
    value, _, rest = text.partition(_MANY_LINES)
    if not _IGNORED.fullmatch(rest):
        raise ValueError(f"has something after the {_MANY_LINES} that ends its value")
    return value.strip("\n")
