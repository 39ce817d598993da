"""amqplib, the Node client: each program in node/ prints what it saw as one line of JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from interop.broker import Broker
from interop.names import Names
from interop.programs import run_program, tool

NODE = Path(__file__).parent / "node"


def run_node(program: str, broker: Broker, *arguments: str) -> Any:
    if not (NODE / "node_modules" / "amqplib").is_dir():
        pytest.fail("amqplib is not installed; run interop/setup.sh")
    return json.loads(run_program([tool("node"), NODE / program, broker.url, *arguments]))


def test_hello_world_arrives(broker: Broker, names: Names) -> None:
    assert run_node("hello.js", broker, names("hello")) == {"body": "Hello World!"}


def test_a_confirm_channel_confirms_all_and_returns_before_it_confirms(broker: Broker, names: Names) -> None:
    assert run_node("confirms.js", broker, names("confirmed"), names("missing")) == {
        "confirmed": 100,
        "messageCount": 100,
        "events": ["returned 312 NO_ROUTE", "confirmed"],
    }


def test_topics_reach_a_server_named_queue(broker: Broker, names: Names) -> None:
    seen = run_node("topics.js", broker, names("topics"))
    assert seen["queue"].startswith("amq.gen-")
    assert seen["keys"] == ["kern.critical", "cron.critical", "kern.disk.full", "kern"]


def test_get_counts_the_messages_left(broker: Broker, names: Names) -> None:
    seen = run_node("get.js", broker, names("get"))
    assert seen == {"got": [["first", 1], ["second", 0]], "messageCount": 0}


def test_prefetch_limits_the_unacked_messages(broker: Broker, names: Names) -> None:
    assert run_node("prefetch.js", broker, names("prefetch")) == {"left": [[2, 4], [2, 3], [2, 1]]}


def test_a_channel_error_surfaces_as_event(broker: Broker, names: Names) -> None:
    missing = names("missing")
    seen = run_node("channel_error.js", broker, missing)
    assert seen["events"] == ["error 404", "close"]
    assert f"NOT_FOUND - no queue '{missing}' in vhost" in seen["rejected"]
    assert seen["queue"].startswith("amq.gen-")


def test_headers_of_every_type_come_back(broker: Broker, names: Names) -> None:
    assert run_node("header_types.js", broker, names("headers")) == {
        "boolean": True,
        "byte": -100,
        "short": -30000,
        "int": -2000000000,
        "long": -9007199254740991,
        "float": 0.5,
        "double": 0.1,
        "timestamp": {"!": "timestamp", "value": 1700000000},
        "decimal": {"!": "decimal", "value": {"digits": 12345, "places": 2}},
        "string": "æøå €",
        "bytes": {"type": "Buffer", "data": [0, 1, 254, 255]},
        "nothing": None,
        "list": [1, "two", [3, {"four": 4}]],
        "table": {"inner": {"deeper": "deepest"}, "flag": False},
    }
