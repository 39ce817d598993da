from pathlib import Path

import pytest

from amqpd.config import machine
from amqpd.config.machine import default_data_dir, state_directory


@pytest.mark.parametrize(
    ("platform", "environment", "is_root", "directory"),
    [
        ("linux", {}, True, "/var/lib/amqpd"),
        ("linux", {"XDG_STATE_HOME": "/state"}, True, "/var/lib/amqpd"),
        ("linux", {}, False, "/home/anna/.local/state/amqpd"),
        ("linux", {"XDG_STATE_HOME": "/state"}, False, "/state/amqpd"),
        ("linux", {"XDG_STATE_HOME": "state"}, False, "/home/anna/.local/state/amqpd"),
        ("linux", {"XDG_STATE_HOME": ""}, False, "/home/anna/.local/state/amqpd"),
        ("freebsd14", {}, False, "/home/anna/.local/state/amqpd"),
        ("darwin", {}, False, "/home/anna/Library/Application Support/amqpd"),
        ("darwin", {"XDG_STATE_HOME": "/state"}, True, "/home/anna/Library/Application Support/amqpd"),
        ("win32", {"LOCALAPPDATA": "/local"}, False, "/local/amqpd"),
        ("win32", {}, False, "/home/anna/AppData/Local/amqpd"),
    ],
)
def test_each_platform_has_a_place_for_state(
    platform: str, environment: dict[str, str], is_root: bool, directory: str
):
    assert state_directory(platform, environment, Path("/home/anna"), is_root) == Path(directory)


@pytest.mark.parametrize(
    ("platform", "environment"), [("linux", {"XDG_STATE_HOME": "/state"}), ("linux", {})]
)
def test_a_user_without_a_home_keeps_state_where_the_environment_or_else_the_system_does(
    platform: str, environment: dict[str, str]
):
    expected = "/state/amqpd" if environment else "/var/lib/amqpd"
    assert state_directory(platform, environment, None, False) == Path(expected)


def test_a_home_that_cannot_be_found_is_no_error(monkeypatch: pytest.MonkeyPatch):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(machine.Path, "home", no_home)
    assert default_data_dir() == Path("/var/lib/amqpd")
