#!/usr/bin/env python3
"""Measure how fast a broker starts and stops, and the memory idle connections take.

    ./startup.py
    ./startup.py --repeat 3 --command 'env RABBITMQ_NODE_PORT={port} ... rabbitmq-server'

The command is started --repeat times, each time on a free port, which replaces {port}, and with an empty
directory, which replaces {directory}. Printed are medians. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import peer
from generator import resident_mb

DEFAULT_COMMAND = f"{shlex.quote(sys.executable)} -m amqpd --port {{port}} --data-dir {{directory}}"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.001
SETTLE_S = 0.5  # memory is read when it has not changed by more than SETTLED_MB for so long, ...
SETTLED_MB = 0.1
SETTLE_TIMEOUT_S = 5.0  # ... or after this time
SPARE_FILES = 100

Figures = dict[str, float]  # by title, with the unit in the title


class NotStarted(Exception):
    """The command ended, or did not accept connections in time."""


def free_port() -> int:
    """A port nobody listens on; somebody else could take it before the broker does, which is unlikely."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def family(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            stat = (entry / "stat").read_text()
            parent = int(stat.rpartition(")")[2].split()[1])  # after the name, which may hold anything
            children.setdefault(parent, []).append(int(entry.name))
    found = [pid]
    for member in found:  # grows while it is walked
        found += children.get(member, [])
    return found


def family_mb(pid: int) -> float:
    """Resident memory of a process and its descendants, in MiB; shared pages count in each."""
    total = 0.0
    for member in family(pid):
        with contextlib.suppress(OSError, ValueError):  # it has just ended, or is a zombie
            total += resident_mb(member)
    return total


def settled_mb(pid: int) -> float:
    """Resident memory once it has stopped changing."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    before = family_mb(pid)
    while True:
        time.sleep(SETTLE_S)
        now = family_mb(pid)
        if abs(now - before) <= SETTLED_MB or time.monotonic() > deadline:
            return now
        before = now


def connect(broker: subprocess.Popen[bytes], port: int) -> socket.socket:
    """Try until the port accepts a connection.

    Raises NotStarted when the process ends or takes longer than START_TIMEOUT_S.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if broker.poll() is not None:
            raise NotStarted(f"exit status {broker.returncode}")
        with contextlib.suppress(ConnectionRefusedError):
            return socket.create_connection(("127.0.0.1", port), timeout=START_TIMEOUT_S)
        time.sleep(POLL_S)
    raise NotStarted(f"does not accept connections after {START_TIMEOUT_S:.0f} s")


def await_connection_start(connection: socket.socket) -> None:
    """Send the protocol header and read the first bytes of connection.start."""
    connection.sendall(peer.PROTOCOL_HEADER)
    received = b""
    while len(received) < 11:  # type, channel, size, class and method id
        data = connection.recv(65536)
        if not data:
            raise NotStarted("the connection ended before connection.start")
        received += data
    if received[7:11] != b"\x00\x0a\x00\x0a":
        raise NotStarted("the first frame is not connection.start")


@contextlib.contextmanager
def started(command: str, port: int) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """The running command and the time of its start; it and its descendants are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="amqp-bench-", ignore_cleanup_errors=True) as directory:
        # Only these two are replaced, so that braces of a shell in the command stay what they are.
        words = shlex.split(command.replace("{port}", str(port)).replace("{directory}", directory))
        with open(Path(directory) / "output", "wb") as output:
            start = time.perf_counter()
            broker = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            yield broker, start
        except NotStarted as failure:
            words_of_broker = (Path(directory) / "output").read_text(errors="replace")[-2000:]
            raise NotStarted(f"{command}: {failure}\n{words_of_broker}") from failure
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(broker.pid, signal.SIGKILL)
            broker.wait()


def measure_idle_connections(pid: int, port: int, count: int) -> Figures:
    """Memory with `count` idle connections of one channel each, and after they are closed."""
    connections = [peer.Peer(port) for _ in range(count)]
    opened_mb = settled_mb(pid)
    for connection in connections:
        connection.close()
    return {
        f"memory with {count:,} idle connections (MiB)": opened_mb,
        "memory after they are closed (MiB)": settled_mb(pid),
    }


def measure_stop(broker: subprocess.Popen[bytes]) -> float:
    """Milliseconds from SIGTERM until the process has ended."""
    start = time.perf_counter()
    broker.terminate()
    try:
        broker.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise NotStarted(f"does not end {STOP_TIMEOUT_S:.0f} s after SIGTERM") from None
    return (time.perf_counter() - start) * 1000


def measure(command: str, connections: int) -> Figures:
    """Start the broker once, and measure everything."""
    port = free_port()
    figures: Figures = {}
    with started(command, port) as (broker, start):
        with connect(broker, port) as connection:
            figures["start until the port accepts (ms)"] = (time.perf_counter() - start) * 1000
            await_connection_start(connection)
            figures["start until connection.start (ms)"] = (time.perf_counter() - start) * 1000
        figures["memory just after the start (MiB)"] = settled_mb(broker.pid)
        if connections:
            before_mb = figures["memory just after the start (MiB)"]
            idle = measure_idle_connections(broker.pid, port, connections)
            opened_mb = next(iter(idle.values()))
            figures |= idle
            figures["memory of one idle connection (KiB)"] = (opened_mb - before_mb) * 1024 / connections
        figures["SIGTERM until the process has ended (ms)"] = measure_stop(broker)
    return figures


def allow_files(count: int) -> None:
    """Raise the limit of open files, which the broker inherits, for `count` connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise SystemExit(f"the limit of open files, {hard}, is too low for {count} connections")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def report(samples: Sequence[Figures], markdown: bool) -> None:
    """Medians, with the lowest and the highest."""
    if markdown:
        print("| | median | lowest to highest |\n|---|---:|---:|")
    for title in samples[0]:
        values = [figures[title] for figures in samples]
        middle, spread = f"{statistics.median(values):,.1f}", f"{min(values):,.1f} to {max(values):,.1f}"
        print(f"| {title} | {middle} | {spread} |" if markdown else f"{title:46}{middle:>12}   ({spread})")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--command", default=DEFAULT_COMMAND, help="how to start the broker, in the foreground"
    )
    parser.add_argument("--repeat", type=int, default=5, help="how often to start it")
    parser.add_argument("--connections", type=int, default=1000, help="idle connections, 0 for none")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    arguments = parser.parse_args()
    allow_files(arguments.connections)
    samples = []
    for _ in range(arguments.repeat):
        try:
            samples.append(measure(arguments.command, arguments.connections))
        except (NotStarted, peer.Refused, OSError) as failure:
            print(failure, file=sys.stderr)
            return 1
    report(samples, arguments.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
