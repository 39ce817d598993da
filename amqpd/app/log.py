"""The log as the settings want it."""

from __future__ import annotations

from collections.abc import Callable

from amqpd.app.beginning import StartError
from amqpd.config.kinds import NOTHING
from amqpd.config.mistakes import InvalidConfiguration
from amqpd.config.settings import Settings
from amqpd.events import DEFAULT, Events
from amqpd.logs.levels import CATEGORIES
from amqpd.logs.log import (
    ConsoleOutput,
    FileOutput,
    LogOptions,
    LogUnusable,
    logger_of,
    prepare_logging,
    start_logging,
)
from amqpd.logs.logger import FieldLogger
from amqpd.logs.rotation import Rotation

NO_FILE = "false"


class LoggedEvents(Events):
    """Writes what happens in the core to the log."""

    def __init__(self) -> None:
        self._loggers = {category: logger_of(category) for category in (DEFAULT, *CATEGORIES)}

    def tell(self, level: str, sentence: str, fields: dict[str, object], category: str = DEFAULT) -> None:
        """Write one line."""
        self._loggers[category].write(level, sentence, fields)


def begin_log(settings: Settings) -> FieldLogger:
    """Log as the settings say. Raises StartError."""
    try:
        return start_logging(log_options_of(settings))
    except LogUnusable as error:
        raise StartError(str(error)) from None


def prepare_log(settings: Settings) -> Callable[[], None]:
    """Open what the settings want; what logs as they say from then on. Raises InvalidConfiguration."""
    try:
        return prepare_logging(log_options_of(settings))
    except LogUnusable as error:
        raise InvalidConfiguration([str(error)]) from None


def has_log_files(settings: Settings) -> bool:
    """Whether there are files that somebody may have moved away."""
    return bool(log_options_of(settings).files)


def log_options_of(settings: Settings) -> LogOptions:
    """What is logged where."""
    files = log_files_of(settings)
    has_main_file = any(file.category is None for file in files)
    wants_console = settings.log_console == "true" or (settings.log_console == "auto" and not has_main_file)
    console = ConsoleOutput(settings.log_level, settings.log_console_formatter, settings.log_console_stdio)
    return LogOptions(console if wants_console else None, files, dict(settings.log_levels.values))


def log_places_of(settings: Settings) -> tuple[str, ...]:
    """Where the log is, as RabbitMQ tells it: the file with everything, files of categories, the console."""
    options = log_options_of(settings)
    files = sorted(options.files, key=lambda file: file.category is not None)
    console = () if options.console is None else (f"<{options.console.stream}>",)
    return (*(str(file.path) for file in files), *console)


def log_files_of(settings: Settings) -> tuple[FileOutput, ...]:
    """The files to log to."""
    rotation = Rotation(
        settings.log_file_rotation_date.date(),
        settings.log_file_rotation_size_bytes,
        settings.log_file_rotation_count,
    )
    names: list[tuple[str, str | None]] = [(name, category) for category, name in settings.log_files.values]
    if settings.log_file != NO_FILE and settings.log_file_level != NOTHING:
        names.append((settings.log_file, None))
    directory = settings.log_dir or settings.data_dir / "logs"
    return tuple(
        FileOutput(directory / name, settings.log_file_level, settings.log_file_formatter, rotation, category)
        for name, category in names
    )
