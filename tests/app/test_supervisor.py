"""What systemd and s6 hear, at a socket and a pipe of the test's own."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from amqpd.app.beginning import StartError
from amqpd.app.supervisor import Supervisor, watchdog_s

PATIENCE_S = 60.0


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that $NOTIFY_SOCKET names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE_S)
        yield listening


def told(systemd: socket.socket) -> dict[str, str]:
    """The assignments of the next message."""
    return dict(line.split("=", 1) for line in systemd.recv(4096).decode().splitlines())


def supervisor(systemd: socket.socket, **environment: str) -> Supervisor:
    return Supervisor(None, {"NOTIFY_SOCKET": systemd.getsockname(), **environment})


def test_systemd_hears_that_the_broker_is_ready_and_that_it_stops(systemd: socket.socket):
    broker = supervisor(systemd)
    broker.ready("clients can connect")
    assert told(systemd) == {"READY": "1", "STATUS": "clients can connect"}
    broker.stopping()
    assert told(systemd) == {"STOPPING": "1", "STATUS": "stopping"}


def test_a_reload_begins_with_its_time_and_ends_with_ready(systemd: socket.socket):
    broker = supervisor(systemd)
    broker.ready("x")
    told(systemd)
    before = time.monotonic_ns() // 1000
    broker.reloading()
    reloading = told(systemd)
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
    broker.reloaded("y")
    assert told(systemd) == {"READY": "1", "STATUS": "y"}


def test_a_reload_before_the_start_is_complete_makes_nobody_think_it_were(systemd: socket.socket):
    broker = supervisor(systemd)
    broker.reloaded("y")
    broker.stopping()
    assert "STOPPING" in told(systemd)


def test_an_abstract_name_is_understood():
    name = f"amqpd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        listening.settimeout(PATIENCE_S)
        Supervisor(None, {"NOTIFY_SOCKET": "@" + name}).stopping()
        assert "STOPPING" in told(listening)


def test_the_watchdog_hears_that_the_event_loop_runs(systemd: socket.socket):
    async def run() -> list[dict[str, str]]:
        supervisor(systemd, WATCHDOG_USEC="20000").ready("x")
        return [await asyncio.to_thread(told, systemd) for _ in range(4)]

    first, *others = asyncio.run(run())
    assert "READY" in first
    assert others == [{"WATCHDOG": "1"}] * 3


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
def test_the_watchdog_is_fed_twice_in_its_time_if_it_watches_us(environment: dict[str, str], expected: float):
    assert watchdog_s(environment, 7) == expected


def test_s6_hears_a_line_and_then_the_end():
    ours, broker_s = os.pipe()
    broker = Supervisor(broker_s, {})
    broker.ready("x")
    assert os.read(ours, 100) == b"READY=1\n"
    assert os.read(ours, 100) == b""
    broker.ready("again")
    os.close(ours)


def test_whoever_is_gone_is_nobodys_business(tmp_path: Path):
    ours, broker_s = os.pipe()
    os.close(ours)
    broker = Supervisor(broker_s, {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    broker.ready("x")
    broker.stopping()


def test_a_file_descriptor_that_is_not_open_is_an_error_at_the_start():
    with pytest.raises(StartError, match=r"^--ready-fd: file descriptor 1000000 is not open$"):
        Supervisor(1_000_000, {})
