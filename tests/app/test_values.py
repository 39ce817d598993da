"""What parts get of the settings."""

from pathlib import Path

import pytest

from amqpd.app.log import log_options_of
from amqpd.app.values import memory_bytes_of, resources_of
from amqpd.config.kinds import ByCategory, RotationDate, Watermark
from amqpd.config.settings import Settings
from amqpd.logs.log import ConsoleOutput, FileOutput, LogOptions
from amqpd.logs.rotation import Rotation
from amqpd.server.resources import total_memory_bytes
from amqpd.testing.memory import MemoryBroker

DATA = Path("/data")


def test_the_memory_that_there_is_can_be_overridden():
    settings = Settings(total_memory_bytes=1_000_000, vm_memory_high_watermark=Watermark(fraction=0.5))
    assert resources_of(settings, MemoryBroker().broker).memory_limit_bytes == 500_000
    assert memory_bytes_of(Settings()) == total_memory_bytes()


def log_options(**settings: object) -> LogOptions:
    return log_options_of(Settings(data_dir=DATA, **settings))  # type: ignore[arg-type]


def test_the_log_goes_to_standard_error_alone_unless_it_is_told_otherwise():
    assert log_options() == LogOptions(ConsoleOutput("info", "plaintext", "stderr"))


@pytest.mark.parametrize(
    ("settings", "has_console", "has_file"),
    [
        ({"log_file": "x"}, False, True),
        ({"log_file": "x", "log_console": "true"}, True, True),
        ({"log_console": "false"}, False, False),
        ({"log_file": "x", "log_file_level": "none"}, True, False),
        ({"log_files": ByCategory((("queue", "q"),))}, True, False),
    ],
)
def test_a_file_for_all_takes_the_place_of_the_console_unless_that_is_wanted(
    settings: dict[str, object], has_console: bool, has_file: bool
):
    options = log_options(**settings)
    main = [file for file in options.files if file.category is None]
    assert (options.console is not None, bool(main)) == (has_console, has_file)


def test_files_are_in_the_directory_for_them_unless_they_have_one():
    names = {"log_file": "a.log", "log_files": ByCategory((("queue", "/q/q.log"),))}
    paths = [file.path for file in log_options(**names).files]
    assert paths == [Path("/q/q.log"), DATA / "logs" / "a.log"]
    assert log_options(**names, log_dir=Path("/log")).files[1].path == Path("/log/a.log")


def test_a_file_has_level_format_and_rotation_as_they_are_set():
    options = log_options(
        log_file="/a",
        log_file_level="error",
        log_file_formatter="json",
        log_file_rotation_date=RotationDate("$D0"),
        log_file_rotation_size_bytes=100,
        log_file_rotation_count=3,
        log_levels=ByCategory((("queue", "debug"),)),
    )
    assert options == LogOptions(
        None,
        (FileOutput(Path("/a"), "error", "json", Rotation("$D0", 100, 3)),),
        {"queue": "debug"},
    )
