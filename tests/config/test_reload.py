import io
from functools import partial
from pathlib import Path

import pytest

from amqpd.config.configuration import Configuration
from amqpd.config.mistakes import InvalidConfiguration
from amqpd.config.reload import Change, Prepare, Reloading
from amqpd.config.settings import SETTINGS, Settings, settings_of
from amqpd.logs.log import LogOptions, start_logging
from amqpd.logs.logger import FieldLogger


@pytest.fixture
def log(stream: io.StringIO) -> FieldLogger:
    return start_logging(LogOptions(), stream)


def lines(stream: io.StringIO) -> list[str]:
    return [line.partition("Z ")[2] for line in stream.getvalue().splitlines()]


def telling(told: list[Settings]) -> Prepare:
    """Prepares nothing, and tells what was put in place."""
    return lambda settings: partial(told.append, settings)


def test_what_can_change_changes(stream: io.StringIO, log: FieldLogger):
    told: list[Settings] = []
    wanted = Settings(log_level="debug")
    reloading = Reloading(Settings(), lambda: Configuration(wanted), log, [telling(told)])
    reloading.reload()
    assert reloading.settings == wanted
    assert told == [wanted]
    assert lines(stream) == ['info  configuration reloaded changed="log.console.level"']


def test_of_a_group_what_can_change_changes_and_the_rest_stays(stream: io.StringIO, log: FieldLogger):
    wanted = settings_of({"management_ssl_verify": "verify_peer", "management_ssl_port": 1})
    before = {"management_ssl_port": 2}
    reloading = Reloading(settings_of(before), lambda: Configuration(wanted), log, [])
    reloading.reload()
    assert reloading.settings == settings_of({**before, "management_ssl_verify": "verify_peer"})
    assert lines(stream) == [
        'info  configuration reloaded changed="management.ssl.verify"',
        'warning changed settings need a restart settings="management.ssl.port"',
    ]


@pytest.mark.parametrize("is_added", [True, False])
def test_https_begins_and_ends_with_a_restart(stream: io.StringIO, log: FieldLogger, is_added: bool):
    with_https = settings_of({"management_ssl_certfile": Path("c.pem"), "management_ssl_depth": 3})
    before, after = (Settings(), with_https) if is_added else (with_https, Settings())
    reloading = Reloading(before, lambda: Configuration(after), log, [])
    reloading.reload()
    assert reloading.settings == before
    assert lines(stream)[1] == (
        'warning changed settings need a restart settings="management.ssl.certfile, management.ssl.depth"'
    )


def test_what_cannot_change_is_named_and_stays(stream: io.StringIO, log: FieldLogger):
    told: list[Settings] = []
    wanted = Settings(port=1, default_pass="secret")
    reloading = Reloading(Settings(), lambda: Configuration(wanted), log, [telling(told)])
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
    reloading = Reloading(Settings(), reread, log, [telling(told)])
    reloading.reload()
    assert (reloading.settings, told) == (Settings(), [])
    assert lines(stream) == [
        'error configuration not reloaded mistake="f:1: a"',
        'error configuration not reloaded mistake="f:2: b"',
    ]


def test_who_refuses_what_was_read_leaves_everything_as_it_is(stream: io.StringIO, log: FieldLogger):
    def refuse(settings: Settings) -> Change:
        raise InvalidConfiguration(["ssl_options.certfile: no"])

    told: list[Settings] = []
    wanted = Settings(log_level="debug")
    reloading = Reloading(Settings(), lambda: Configuration(wanted), log, [telling(told), refuse])
    reloading.reload()
    assert (reloading.settings, told) == (Settings(), [])
    assert lines(stream) == ['error configuration not reloaded mistake="ssl_options.certfile: no"']


def test_what_was_made_ready_last_is_put_in_place_first(log: FieldLogger):
    places: list[str] = []

    def preparing(name: str) -> Prepare:
        return lambda settings: partial(places.append, name)

    prepare = [preparing("certificates"), preparing("log")]
    Reloading(Settings(), lambda: Configuration(Settings()), log, prepare).reload()
    assert places == ["log", "certificates"]


def test_a_fault_of_ours_changes_nothing_and_ends_nothing(stream: io.StringIO, log: FieldLogger):
    def fail(settings: Settings) -> Change:
        raise KeyError("x")

    reloading = Reloading(Settings(), lambda: Configuration(Settings(log_level="debug")), log, [fail])
    reloading.reload()
    assert reloading.settings == Settings()
    assert lines(stream) == ["error configuration not reloaded mistake=\"KeyError: 'x'\""]


def test_the_log_certificates_and_definitions_are_what_can_change():
    reloadable = {name for name, each in SETTINGS.items() if each.is_reloadable}
    others = {name for name in reloadable if not (name.startswith("log_") or "ssl_" in name)}
    assert others == {"load_definitions"}
    assert {"log_level", "log_file", "log_levels", "ssl_certfile", "ssl_keyfile"} <= reloadable
    assert not {"ssl_listeners", "management_ssl_port"} & reloadable
