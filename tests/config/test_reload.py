import io
import logging
from collections.abc import Iterator

import pytest

from amqpd.config.conf_format import InvalidConfiguration
from amqpd.config.configuration import Configuration
from amqpd.config.logs import FieldLogger, change_level, start_logging
from amqpd.config.reload import Reloading
from amqpd.config.settings import SETTINGS, Settings


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    logger = logging.getLogger("amqpd")
    before = (logger.handlers[:], logger.propagate, logger.level)
    yield io.StringIO()
    logger.handlers[:], logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


@pytest.fixture
def log(stream: io.StringIO) -> FieldLogger:
    return start_logging("info", stream)


def lines(stream: io.StringIO) -> list[str]:
    return [line.partition("Z ")[2] for line in stream.getvalue().splitlines()]


def test_what_can_change_changes(stream: io.StringIO, log: FieldLogger):
    told: list[Settings] = []
    wanted = Settings(log_level="debug")
    reloading = Reloading(Settings(), lambda: Configuration(wanted), log, [told.append])
    reloading.reload()
    assert reloading.settings == wanted
    assert told == [wanted]
    assert lines(stream) == ['info  configuration reloaded changed="log.console.level"']


def test_what_cannot_change_is_named_and_stays(stream: io.StringIO, log: FieldLogger):
    told: list[Settings] = []
    wanted = Settings(port=1, default_pass="secret")
    reloading = Reloading(Settings(), lambda: Configuration(wanted), log, [told.append])
    reloading.reload()
    assert reloading.settings == Settings()
    assert told == [Settings()]
    assert lines(stream) == [
        'info  configuration reloaded changed=""',
        'warning changed settings need a restart settings="listeners.tcp.default, default_pass"',
    ]


def test_a_mistake_changes_nothing_and_is_named(stream: io.StringIO, log: FieldLogger):
    def reread() -> Configuration:
        raise InvalidConfiguration(["f:1: a", "f:2: b"])

    told: list[Settings] = []
    reloading = Reloading(Settings(), reread, log, [told.append])
    reloading.reload()
    assert (reloading.settings, told) == (Settings(), [])
    assert lines(stream) == [
        'error configuration not reloaded mistake="f:1: a"',
        'error configuration not reloaded mistake="f:2: b"',
    ]


def test_who_refuses_what_was_read_leaves_everything_as_it_is(stream: io.StringIO, log: FieldLogger):
    def refuse(settings: Settings) -> None:
        raise InvalidConfiguration(["ssl_options.certfile: no"])

    told: list[Settings] = []
    wanted = Settings(log_level="debug")
    reloading = Reloading(Settings(), lambda: Configuration(wanted), log, [refuse, told.append])
    reloading.reload()
    assert (reloading.settings, told) == (Settings(), [])
    assert lines(stream) == ['error configuration not reloaded mistake="ssl_options.certfile: no"']


def test_the_level_of_the_log_can_change(stream: io.StringIO, log: FieldLogger):
    log.debug("unseen")
    change_level("debug")
    log.debug("seen")
    change_level("error")
    log.info("unseen")
    assert lines(stream) == ["debug seen"]


def test_the_level_of_the_log_is_what_can_change():
    assert [name for name, each in SETTINGS.items() if each.metadata["reloadable"]] == ["log_level"]
