"""streadway/amqp, the Go client: one binary, a program for each test (go/main.go)."""

import os
from pathlib import Path

import pytest

from interop.broker import Broker
from interop.names import Names
from interop.programs import run_program, tool

GO = Path(__file__).parent / "go"
GOPATH = Path("/usr/share/gocode")  # where Debian puts Go libraries
BUILD_LIMIT_S = 300.0


@pytest.fixture(scope="session")
def go_binary() -> Path:
    """go/main.go, compiled."""
    if not (GOPATH / "src/github.com/streadway/amqp").is_dir():
        pytest.fail("streadway/amqp is not installed; run interop/setup.sh")
    binary = GO / "build" / "programs"
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": ""}
    run_program([tool("go"), "build", "-o", binary, GO / "main.go"], None, environment, BUILD_LIMIT_S)
    return binary


def lines(binary: Path, program: str, broker: Broker, name: str) -> list[str]:
    return run_program([binary, program, broker.url, name]).decode().splitlines()


def test_hello_world_arrives(go_binary: Path, broker: Broker, names: Names) -> None:
    assert lines(go_binary, "hello", broker, names("hello")) == ["Hello World!"]


def test_a_server_named_queue_gets_what_a_fanout_exchange_is_given(
    go_binary: Path, broker: Broker, names: Names
) -> None:
    assert lines(go_binary, "server-named", broker, names("logs")) == ["amq.gen- true ignored to all"]


def test_notify_close_tells_of_a_channel_error_and_the_connection_lives(
    go_binary: Path, broker: Broker, names: Names
) -> None:
    seen = lines(go_binary, "notify-close", broker, names("missing"))
    assert seen == ["404 true true true", "connection closed: false"]


def test_confirms_come_for_every_publish_in_order(go_binary: Path, broker: Broker, names: Names) -> None:
    assert lines(go_binary, "confirm", broker, names("confirmed")) == ["100"]


def test_notify_return_gives_an_unroutable_message_back(
    go_binary: Path, broker: Broker, names: Names
) -> None:
    assert lines(go_binary, "returned", broker, names("missing")) == ["312 NO_ROUTE lost"]


def test_a_requeued_task_comes_again_redelivered(go_binary: Path, broker: Broker, names: Names) -> None:
    seen = lines(go_binary, "work", broker, names("tasks"))
    assert seen == ["a false worker", "a true worker", "b false worker", "purged 0"]
