"""Configuration files: which there are, what they include, and what their values stand for."""

import glob
import os
import re
from collections.abc import Mapping
from pathlib import Path

from amqpd.config.conf_format import Entry, Include, parse
from amqpd.config.mistakes import InvalidConfiguration

CONF_D = "conf.d"
SUFFIX = ".conf"
ERLANG_SUFFIX = ".config"
DEEPEST = 16
_FROM_FILE = re.compile(r"\$\(<(.+)\)")
_FROM_ELSEWHERE = re.compile(r"\$\(([^()]*)\)")


def configuration_files(main: Path, additional: str | None) -> list[Path]:
    """The main file, then the additional ones in the order of their names.

    These are `*.conf` in the directory conf.d beside the main file, or what `additional` says: a directory, or a
    pattern with stars. As in RabbitMQ, the main file may be named without `.conf`. Raises InvalidConfiguration.
    """
    return [main_file(main), *additional_files(main, additional)]


def main_file(named: Path) -> Path:
    """The file that was meant. Raises InvalidConfiguration if there is none, or if it is one in Erlang's format."""
    for file in (named, named.with_name(named.name + SUFFIX)):
        if os.path.isfile(file):
            if file.suffix == ERLANG_SUFFIX:
                raise InvalidConfiguration([f"{file}: is in the format of Erlang, which amqpd does not read"])
            return file
    raise InvalidConfiguration([f"{named}: {_why_no_file(named)}"])


def _why_no_file(named: Path) -> str:
    if os.path.isdir(named):
        return "is a directory, not a file such as rabbitmq.conf"
    try:
        os.stat(named)
    except FileNotFoundError:
        return "there is no such file"
    except (OSError, ValueError) as error:
        return f"cannot be read: {(isinstance(error, OSError) and error.strerror) or error}"
    return "is not a file"


def additional_files(main: Path, additional: str | None) -> list[Path]:
    """See `configuration_files`."""
    if additional is None:
        found = [file for file in _in_directory(main.parent / CONF_D) if file.suffix == SUFFIX]
    elif os.path.isdir(additional):
        found = _in_directory(Path(additional))
    else:
        found = [Path(name) for name in glob.glob(additional)]
    return sorted(file for file in found if os.path.isfile(file))


def _in_directory(directory: Path) -> list[Path]:
    try:
        return [directory / name for name in os.listdir(directory)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise InvalidConfiguration([f"{directory}: cannot be read: {error.strerror or error}"]) from None


def read_entries(files: list[Path], environment: Mapping[str, str]) -> list[Entry]:
    """What the files say, includes followed and `$(...)` replaced; of keys that are set again, the last.

    Raises InvalidConfiguration with all mistakes in all files.
    """
    entries: dict[tuple[str, ...], Entry] = {}
    mistakes: list[str] = []
    for file in files:
        _read(file, entries, mistakes, 0)
    substitution = _Substitution(entries, environment)
    meant: list[Entry] = []
    for entry in entries.values():
        try:
            meant.append(substitution.apply(entry))
        except ValueError as error:
            mistakes.append(f"{entry.place}: {entry.written_key()}: {error}")
    if mistakes:
        raise InvalidConfiguration(mistakes)
    return meant


def _read(file: Path, entries: dict[tuple[str, ...], Entry], mistakes: list[str], depth: int) -> None:
    try:
        statements = parse(file.read_bytes(), file)
    except OSError as error:
        mistakes.append(f"{file}: cannot be read: {error.strerror or error}")
        return
    except InvalidConfiguration as invalid:
        mistakes += invalid.mistakes
        return
    for statement in statements:
        if isinstance(statement, Entry):
            # What is set again moves to the end: it counts from there.
            entries.pop(statement.key, None)
            entries[statement.key] = _with_file(statement, mistakes)
        elif depth == DEEPEST:
            mistakes.append(f"{statement.place}: include {statement.pattern}: is included by itself")
        else:
            for included in _included(statement, mistakes):
                _read(included, entries, mistakes, depth + 1)


def _included(include: Include, mistakes: list[str]) -> list[Path]:
    directory = include.place.file.parent
    if "*" in include.pattern:
        found = glob.glob(include.pattern, root_dir=directory)
        return sorted(directory / name for name in found if os.path.isfile(directory / name))
    file = directory / include.pattern
    if not os.path.isfile(file):
        mistakes.append(f"{include.place}: include {include.pattern}: there is no such file")
        return []
    return [file]


def _with_file(entry: Entry, mistakes: list[str]) -> Entry:
    """The entry, with the text of a file in place of `$(<file)`, relative to the file it stands in."""
    named = _FROM_FILE.fullmatch(entry.value)
    if named is None:
        return entry
    return Entry(entry.key, _text_of(entry, named[1].strip(), mistakes), entry.place)


def _text_of(entry: Entry, name: str, mistakes: list[str]) -> str:
    try:
        text = (entry.place.file.parent / name).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        mistakes.append(f"{entry.place}: {entry.written_key()}: cannot read {name}: {reason}")
        return ""
    return text.removesuffix("\n").removesuffix("\r")


class _Substitution:
    """Puts other keys' values, or else environment variables, in place of `$(name)`."""

    def __init__(self, entries: Mapping[tuple[str, ...], Entry], environment: Mapping[str, str]) -> None:
        self._entries = entries
        self._environment = environment

    def apply(self, entry: Entry) -> Entry:
        """The entry with its value as it is meant. Raises ValueError."""
        return Entry(entry.key, self._apply(entry.value, 0), entry.place)

    def _apply(self, value: str, depth: int) -> str:
        if depth > DEEPEST:
            raise ValueError("is set to itself")
        parts: list[str] = []
        end = 0
        for found in _FROM_ELSEWHERE.finditer(value):
            parts += [value[end : found.start()], self._apply(self._value_of(found[1].strip(" ")), depth + 1)]
            end = found.end()
        return "".join(parts) + value[end:]

    def _value_of(self, name: str) -> str:
        entry = self._entries.get(tuple(name.split(".")))
        if entry is not None:
            return entry.value
        if name not in self._environment:
            raise ValueError(f"$({name}) is neither another key nor an environment variable")
        return self._environment[name]


def neighbours(main: Path) -> list[Path]:
    """Files that RabbitMQ would read beside this one, and amqpd does not."""
    names = ("advanced.config", "rabbitmq-env.conf")
    return [main.parent / name for name in names if os.path.isfile(main.parent / name)]
