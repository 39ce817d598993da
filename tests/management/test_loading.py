"""Definitions that are loaded when the broker starts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from amqpd.app import StartError
from amqpd.auth import passwords
from amqpd.config.conf_format import Entry, parse
from amqpd.config.keys import read_keys
from amqpd.management.definitions import export
from amqpd.testing import RunningBroker, broker_in_thread

USER = {"name": "u", "password_hash": passwords.hash_password("pw", b"salt"), "tags": ["administrator"]}
QUEUE = {"name": "q", "vhost": "v", "durable": True, "auto_delete": False, "arguments": {}}
DEFINITIONS: dict[str, Any] = {"users": [USER], "vhosts": [{"name": "v"}], "queues": [QUEUE]}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[dict[str, Any]], str]:
    """Write definitions to a file; its path."""

    def write(definitions: dict[str, Any]) -> str:
        path = tmp_path / "definitions.json"
        path.write_text(json.dumps(definitions))
        return str(path)

    return write


def what_there_is(running: RunningBroker) -> tuple[list[str], list[str], list[str]]:
    """The names of users, vhosts and queues."""
    definitions = export(running.server.broker, running.users)
    names = [[item["name"] for item in definitions[key]] for key in ("users", "vhosts", "queues")]  # type: ignore[attr-defined]
    return names[0], names[1], names[2]


def started(**options: Any) -> tuple[list[str], list[str], list[str]]:
    """What there is in a broker that starts with these options."""
    with broker_in_thread(**options) as broker:
        return broker.call(what_there_is)


def test_a_new_broker_has_what_the_file_says_and_nothing_else(write: Callable[[dict[str, Any]], str]):
    assert started(load_definitions=write(DEFINITIONS)) == (["u"], ["v"], ["q"])


def test_without_a_file_it_has_the_default_user_and_vhost():
    assert started() == (["guest"], ["/"], [])


def test_what_was_loaded_is_durable(write: Callable[[dict[str, Any]], str], tmp_path: Path):
    there = started(load_definitions=write(DEFINITIONS), data_dir=tmp_path / "data")
    assert started(data_dir=tmp_path / "data") == there


def test_what_there_was_before_stays(write: Callable[[dict[str, Any]], str], tmp_path: Path):
    started(data_dir=tmp_path / "data")
    there = started(load_definitions=write(DEFINITIONS), data_dir=tmp_path / "data")
    assert there == (["guest", "u"], ["/", "v"], ["q"])


def test_it_is_loaded_at_every_start(write: Callable[[dict[str, Any]], str], tmp_path: Path):
    started(load_definitions=write(DEFINITIONS), data_dir=tmp_path / "data")
    more = {**DEFINITIONS, "queues": [QUEUE, {**QUEUE, "name": "r"}]}
    assert started(load_definitions=write(more), data_dir=tmp_path / "data")[2] == ["q", "r"]


def test_a_mistake_stops_the_start_with_one_line(write: Callable[[dict[str, Any]], str], tmp_path: Path):
    path = write({"queues": [QUEUE]})
    with pytest.raises(StartError) as refused:
        started(load_definitions=path, data_dir=tmp_path / "data")
    assert str(refused.value) == (
        f"cannot load definitions from {path}: queues[0] 'q' in vhost 'v': there is no virtual host 'v'"
    )


def test_after_a_start_that_was_stopped_there_is_nothing_of_it(
    write: Callable[[dict[str, Any]], str], tmp_path: Path
):
    with pytest.raises(StartError):
        started(load_definitions=write({**DEFINITIONS, "bindings": 3}), data_dir=tmp_path / "data")
    assert started(data_dir=tmp_path / "data") == (["guest"], ["/"], [])


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path):
    with pytest.raises(StartError, match="No such file or directory"):
        started(load_definitions=str(tmp_path / "nope.json"))


@pytest.mark.parametrize("key", ["load_definitions", "management.load_definitions", "definitions.local.path"])
def test_rabbitmqs_keys_name_the_file(key: str):
    entries = [each for each in parse(f"{key} = /d.json".encode(), Path("x")) if isinstance(each, Entry)]
    assert read_keys(entries) == ({"load_definitions": "/d.json"}, {}, [])
