"""The distribution that has RabbitMQ's names for our commands, and the extra that asks for it."""

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

HOME = Path(__file__).parents[2]


def project(directory: str) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((HOME / directory / "pyproject.toml").read_text())["project"]
    return project


COMMANDS = project("rabbitmq-commands")


def test_the_extra_asks_for_it_by_its_name():
    [requirement] = project(".")["optional-dependencies"]["rabbitmq-commands"]
    assert requirement.partition(">=")[0] == COMMANDS["name"]
    assert COMMANDS["dependencies"] == ["amqpd"]


@pytest.mark.parametrize("name", sorted(COMMANDS["scripts"]))
def test_every_name_is_a_command(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    module, _, function = COMMANDS["scripts"][name].partition(":")
    monkeypatch.setattr("sys.argv", [name, "--help"])
    try:
        status = getattr(importlib.import_module(module), function)()
    except SystemExit as left:
        status = left.code
    assert not status
    assert name in capsys.readouterr().out
