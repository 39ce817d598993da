"""Connections over a UNIX socket, alone and beside others."""

import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pamqp import commands

from amqpd.app import StartError
from amqpd.config.kinds import FileMode, Listeners
from amqpd.server.arrival import is_loopback_host
from amqpd.testing import BrokerInThread, broker_in_thread
from amqpd.testing.certificates import LOCALHOST, Authority
from amqpd.testing.peer import PROTOCOL_HEADER

Dial = Callable[..., Any]


@pytest.fixture
def path() -> Iterator[Path]:
    """A path that is short enough for a socket."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory, "amqpd.sock")


@pytest.fixture
def broker(event_loop_name: str, events: Any, path: Path) -> Iterator[BrokerInThread]:
    with broker_in_thread(event_loop=event_loop_name, events=events, unix_socket=path) as running:
        yield running


def start(path: Path, **settings: Any) -> None:
    with broker_in_thread(unix_socket=path, **settings):
        pass


class UnixClient:
    """Says hello over a UNIX socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(str(path))

    def hello(self) -> bytes:
        self.socket.sendall(PROTOCOL_HEADER)
        return self.socket.recv(4096)


def on_unix_socket(dial_client: Any, path: Path) -> Any:
    """The same kind of client as over TCP, on this socket."""
    client = object.__new__(type(dial_client))
    client.socket = socket.socket(socket.AF_UNIX)
    client.socket.settimeout(60)
    client.socket.connect(str(path))
    client._stream = client.socket.makefile("rb")
    return client


def test_guest_publishes_and_consumes_over_the_socket(
    broker: BrokerInThread, path: Path, dial: Dial, publish: Any
):
    with on_unix_socket(dial(broker), path).open() as client:
        client.call(1, commands.Queue.Declare(queue="q"), commands.Queue.DeclareOk)
        client.socket.sendall(publish("q", b"body"))
        client.call(1, commands.Basic.Consume(queue="q", no_ack=True), commands.Basic.ConsumeOk)
        assert client.deliveries(1) == [b"body"]


def test_connections_are_told_apart_by_numbers(broker: BrokerInThread, path: Path, dial: Dial):
    with on_unix_socket(dial(broker), path).open(), on_unix_socket(dial(broker), path).open():
        names = broker.call(lambda it: {session.connection.peer.name for session in it.server.sessions})
    assert {f"unix:1 -> unix:{path}", f"unix:2 -> unix:{path}"} <= names


def test_the_file_has_its_permissions_and_goes_at_the_end(path: Path, event_loop_name: str):
    for permissions in (0o660, 0o600, 0o777):
        with broker_in_thread(
            event_loop=event_loop_name, unix_socket=path, unix_socket_permissions=FileMode(permissions)
        ):
            assert stat.S_IMODE(path.stat().st_mode) == permissions
        assert not path.exists()


def test_a_file_that_was_left_behind_is_replaced(path: Path, event_loop_name: str):
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    with broker_in_thread(event_loop=event_loop_name, unix_socket=path):
        assert b"PLAIN" in UnixClient(path).hello()


def test_a_socket_on_which_somebody_listens_is_not_taken_away(broker: BrokerInThread, path: Path):
    with pytest.raises(StartError) as raised:
        start(path)
    assert str(raised.value) == f"cannot listen on {path}: another process listens on it"
    assert b"PLAIN" in UnixClient(path).hello()


def test_a_file_that_is_no_socket_is_not_touched(path: Path):
    path.write_text("precious")
    with pytest.raises(StartError) as raised:
        start(path)
    assert str(raised.value) == f"cannot listen on {path}: it exists and is no socket"
    assert path.read_text() == "precious"


def test_at_the_end_the_socket_of_another_is_left_alone(path: Path):
    with broker_in_thread(unix_socket=path):
        path.rename(path.with_suffix(".old"))
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.exists()


def test_a_path_that_cannot_be_is_an_error_that_names_it(path: Path):
    for bad in (path.parent / "missing" / "socket", path.parent / ("x" * 120)):
        with pytest.raises(StartError) as raised:
            start(bad)
        assert str(raised.value).startswith(f"cannot listen on {bad}: ")


def test_tcp_tls_and_unix_serve_the_same_broker(
    path: Path, event_loop_name: str, dial: Dial, authority: Authority
):
    server = authority.issue("localhost", names=LOCALHOST)
    settings: dict[str, Any] = {
        "ssl_listeners": Listeners((("127.0.0.1", 0),)),
        "ssl_certfile": server.certfile,
        "ssl_keyfile": server.keyfile,
        "unix_socket": path,
    }
    with broker_in_thread(event_loop=event_loop_name, **settings) as running:
        plain = dial(running).open()
        plain.call(1, commands.Queue.Declare(queue="q"), commands.Queue.DeclareOk)
        with on_unix_socket(plain, path).open() as local:
            local.call(1, commands.Queue.Declare(queue="q", passive=True), commands.Queue.DeclareOk)
        assert running.call(lambda it: len(it.server.tls_addresses)) == 1


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.9.8.7", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.1", False),
        ("::ffff:192.0.2.1", False),
        ("fe80::1%lo", False),
        ("0.0.0.0", False),
    ],
)
def test_loopback_is_127_and_1_also_as_ipv4_in_ipv6(host: str, expected: bool):
    assert is_loopback_host(host) is expected


def test_permissions_hold_whatever_the_umask(path: Path):
    before = os.umask(0o077)
    try:
        with broker_in_thread(unix_socket=path, unix_socket_permissions=FileMode(0o666)):
            assert stat.S_IMODE(path.stat().st_mode) == 0o666
    finally:
        os.umask(before)
