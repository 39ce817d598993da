"""The log as a whole: where which lines go, and how to change that while the broker runs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TextIO

from amqpd.logs.formats import FORMATTERS, ROOT
from amqpd.logs.levels import CATEGORIES, DEFAULT, ELSEWHERE, LEVELS, level_number
from amqpd.logs.logger import FieldLogger
from amqpd.logs.outputs import Console, LevelOfCategory, Output
from amqpd.logs.rotation import Rotation

ALL_CATEGORIES = (DEFAULT, *CATEGORIES)


class LogUnusable(Exception):
    """A log file can't be written; the message says which and why."""


@dataclass(frozen=True, slots=True)
class ConsoleOutput:
    """Lines on standard error or standard output, by these names."""

    level: str = "info"
    formatter: str = "plaintext"
    stream: str = "stderr"


@dataclass(frozen=True, slots=True)
class FileOutput:
    """Lines in a file: those of one category, or of all that have no file of their own."""

    path: Path
    level: str = "info"
    formatter: str = "plaintext"
    rotation: Rotation = field(default_factory=Rotation)
    category: str | None = None


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Where lines go; `levels` are those of categories, which count more than those of outputs."""

    console: ConsoleOutput | None = field(default_factory=ConsoleOutput)
    files: tuple[FileOutput, ...] = ()
    levels: Mapping[str, str] = field(default_factory=dict)


def start_logging(options: LogOptions, stream: TextIO | None = None) -> FieldLogger:
    """Write the log as the options say, on another stream for the console if one is given. Raises LogUnusable.

    Calling it again replaces what it set up before, unless it raises.
    """
    prepare_logging(options, stream)()
    return logger_of(DEFAULT)


def prepare_logging(options: LogOptions, stream: TextIO | None = None) -> Callable[[], None]:
    """Open what the options want; what writes the log there from then on. Raises LogUnusable."""
    return partial(_replace, _outputs(options, stream))


def _replace(outputs: list[Output]) -> None:
    replaced = _active()
    ours, of_libraries = logging.getLogger(ROOT), logging.getLogger()
    ours.propagate = False
    ours.handlers[:] = outputs
    # What asyncio and others warn of would go to standard error otherwise, as it is.
    for output in outputs:
        of_libraries.addHandler(output)
    for output in replaced:
        of_libraries.removeHandler(output)
        output.close()
    _adjust_loggers()


def stop_logging() -> None:
    """Close everything that `start_logging` has opened, and write nothing any more."""
    _replace([])


def logger_of(category: str) -> FieldLogger:
    """What writes lines of a category."""
    return FieldLogger(_logger(category))


def change_level(level: str, category: str | None = None) -> None:
    """Log from this level up from now on: lines of one category (`default` is one), or, as `rabbitmqctl set_log_level`, all.

    With all, categories of which nothing is logged stay so. Raises ValueError for a level or category that there is not.
    """
    number = level_number(level)
    if category is not None and category not in ALL_CATEGORIES:
        raise ValueError(f"there is no log category '{category}', only {', '.join(ALL_CATEGORIES)}")
    unchanged = ELSEWHERE if category is not None else LEVELS["none"]
    for output in _active():
        for each in ALL_CATEGORIES if category is None else (category,):
            if output.levels.level_for(each) < unchanged:
                output.levels.change(each, number)
    _adjust_loggers()


def rotate() -> None:
    """Begin new log files, and keep the old ones. Raises LogUnusable."""
    for output in _active():
        rotate_now = getattr(output, "rotate_now", None)
        try:
            if rotate_now is not None:
                rotate_now()
        except OSError as error:
            raise LogUnusable(f"cannot rotate {output.place()}: {error.strerror}") from None


def _logger(category: str) -> logging.Logger:
    return logging.getLogger(ROOT if category == DEFAULT else f"{ROOT}.{category}")


def _active() -> list[Output]:
    return [handler for handler in logging.getLogger(ROOT).handlers if isinstance(handler, Output)]


def _adjust_loggers() -> None:
    """Let loggers refuse at once what no output wants."""
    for category in ALL_CATEGORIES:
        levels = [output.levels.level_for(category) for output in _active()]
        _logger(category).setLevel(min(levels, default=LEVELS["none"]))


def _outputs(options: LogOptions, stream: TextIO | None) -> list[Output]:
    apart = {file.category for file in options.files if file.category is not None}
    outputs: list[Output] = []
    if options.console is not None:
        console = options.console
        stream = stream or (sys.stdout if console.stream == "stdout" else sys.stderr)
        levels = _levels(console.level, options, apart)
        outputs.append(Console(stream, levels, FORMATTERS[console.formatter]()))
    try:
        for file in options.files:
            outputs.append(_file(file, options, apart))
    except LogUnusable:
        for output in outputs:
            output.close()
        raise
    return outputs


def _file(file: FileOutput, options: LogOptions, apart: set[str]) -> Output:
    # Imported when wanted: most brokers log to the console alone.
    from amqpd.logs.files import LogFile

    if file.category is None:
        levels = _levels(file.level, options, apart)
    else:
        level = level_number(options.levels.get(file.category, file.level))
        levels = LevelOfCategory(ELSEWHERE, {file.category: level})
    try:
        return LogFile(file.path, file.rotation, levels, FORMATTERS[file.formatter]())
    except OSError as error:
        raise LogUnusable(f"cannot write log file {file.path}: {error.strerror or error}") from None


def _levels(level: str, options: LogOptions, apart: set[str]) -> LevelOfCategory:
    """Which lines an output takes that is not for one category: none of a category that has a file of its own."""
    levels = {category: level_number(each) for category, each in options.levels.items()}
    return LevelOfCategory(level_number(level), {**levels, **dict.fromkeys(apart, ELSEWHERE)})
