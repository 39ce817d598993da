#!/usr/bin/env python3
"""Fill a queue with far more than memory holds, restart the broker, and drain it.

    ./backlog.py
    ./backlog.py --messages 300000 --size 100

Starts `amqpd` (or --command) on a free port with an empty data directory, publishes persistent
messages with confirms while nobody consumes, and prints the rate of the first and the last tenth, the memory
and the disk that the broker takes; stops it with SIGKILL, starts it again, and prints how long that takes until
connection.start; then consumes everything, and fails unless every message comes once and in order. Linux only.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import peer
from generator import peak_resident_mb, resident_mb
from startup import await_connection_start, connect, free_port

DEFAULT_COMMAND = "amqpd --port {port} --data-dir {directory} --log-level error"
QUEUE = "bench.backlog"
DURABLE = 2
BLOCK = 256  # messages sent in one go
WINDOW = 4096  # messages without confirm at most
ACK_EVERY = 1000
CONFIRM_SELECT, BASIC_CONSUME, BASIC_PUBLISH, BASIC_ACK = (85, 10), (60, 20), (60, 40), (60, 80)
CONFIRM_BYTES = 21
DELIVER_FRAMES = 3


class Wrong(Exception):
    """The broker gave something else than what was published."""


class Client(peer.Peer):
    """The benchmark's connection: publishes numbered messages, and checks their numbers when they come back."""

    def call(self, method: peer.MethodId, arguments: bytes) -> None:
        """Send a method on channel 1 and wait for its answer."""
        self._call(1, method, arguments)

    def publish(self, first: int, count: int, size: int) -> None:
        """Publish the messages numbered from `first`; return when all are confirmed."""
        block, positions = message_block(size)
        last = first + count
        sent = confirmed = first
        while confirmed < last:
            while sent < last and sent - confirmed <= WINDOW - BLOCK:
                number = min(BLOCK, last - sent)
                for index in range(number):
                    struct.pack_into(">Q", block, positions[index], sent + index)
                self._socket.sendall(memoryview(block)[: len(block) * number // BLOCK])
                sent += number
            confirmed = max(confirmed, self._read_confirms())

    def _read_confirms(self) -> int:
        """The highest tag of the confirms that have arrived, of which there must be one at least."""
        tag = 0
        while not tag:
            self._received += self._receive()
            while len(self._received) >= CONFIRM_BYTES:
                class_id, method_id = struct.unpack_from(">HH", self._received, 7)
                if (class_id, method_id) != BASIC_ACK:
                    raise Wrong(f"method {class_id}.{method_id} where a confirm was expected")
                (tag,) = struct.unpack_from(">Q", self._received, 11)
                del self._received[:CONFIRM_BYTES]
        return tag

    def _receive(self) -> bytes:
        data = self._socket.recv(1 << 20)
        if not data:
            raise peer.Refused("the broker ended the connection")
        return data

    def drain(self, count: int) -> None:
        """Take so many messages, which must be numbered from 0 on. Raises Wrong."""
        wanted = 0
        data = bytes(self._received)  # what came right behind consume-ok
        while wanted < count:
            at = 0
            while (end := self._message_end(data, at)) > 0:
                (number,) = struct.unpack_from(">Q", data, self._body)
                if number != wanted:
                    raise Wrong(f"message {number} where {wanted} was expected")
                wanted += 1
                at = end
                if not wanted % ACK_EVERY or wanted == count:
                    self._socket.sendall(peer.method_frame(1, BASIC_ACK, struct.pack(">QB", wanted, 1)))
            data = data[at:]
            if wanted < count:
                data += self._receive()

    def _message_end(self, data: bytes, at: int) -> int:
        """Where the message that begins at `at` ends, or 0 if it has not arrived whole."""
        for _ in range(DELIVER_FRAMES):
            if at + 7 > len(data):
                return 0
            self._body = at + 7
            at += 8 + int.from_bytes(data[at + 3 : at + 7], "big")
        return at if at <= len(data) else 0


def message_block(size: int) -> tuple[bytearray, list[int]]:
    """The frames of BLOCK messages, and where the number of each stands."""
    arguments = struct.pack(">H", 0) + peer.short_string("") + peer.short_string(QUEUE) + b"\0"
    properties = struct.pack(">HHQH", 60, 0, size, 1 << 12) + b"\2"
    head = peer.method_frame(1, BASIC_PUBLISH, arguments)
    head += struct.pack(">BHI", 2, 1, len(properties)) + properties + b"\xce"
    head += struct.pack(">BHI", 3, 1, size)
    message = head + b"x" * size + b"\xce"
    return bytearray(message * BLOCK), [len(message) * index + len(head) for index in range(BLOCK)]


@contextmanager
def running(command: str, port: int, directory: Path) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """The broker, and how long it took to start; it is killed when the block ends."""
    began = time.monotonic()
    arguments = shlex.split(command.format(port=port, directory=directory))
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    try:
        with connect(process, port) as connection:
            await_connection_start(connection)
        yield process, time.monotonic() - began
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def disk_mb(directory: Path) -> float:
    """What all files of a directory take."""
    return sum(path.stat().st_blocks * 512 for path in directory.rglob("*") if path.is_file()) / 1048576


def fill(client: Client, messages: int, size: int) -> list[float]:
    """Publish in ten parts; the rate of each."""
    rates: list[float] = []
    part = messages // 10
    for number in range(10):
        began = time.monotonic()
        client.publish(number * part, part, size)
        rates.append(part / (time.monotonic() - began))
    return rates


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--messages", type=int, default=5_000_000)
    parser.add_argument("--size", type=int, default=1024, help="bytes of each body, 8 at least")
    parser.add_argument("--command", default=DEFAULT_COMMAND)
    parser.add_argument("--directory", help="where a temporary data directory is made")
    arguments = parser.parse_args()
    messages = arguments.messages // 10 * 10
    port = free_port()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        directory = Path(name)
        with running(arguments.command, port, directory) as (broker, _start_s):
            client = Client(port)
            client.send_all([peer.declare_queue(QUEUE, DURABLE)])
            client.call(CONFIRM_SELECT, b"\0")
            rates = fill(client, messages, arguments.size)
            print(f"published {messages:,} messages of {arguments.size:,} bytes")
            print("by tenths: " + ", ".join(f"{rate:,.0f}/s" for rate in rates))
            print(f"last tenth to first: {rates[-1] / rates[0]:.2f}")
            print(f"resident {resident_mb(broker.pid):,.0f} MiB, {peak_resident_mb(broker.pid):,.0f} at most")
            print(f"disk {disk_mb(directory):,.0f} MiB", flush=True)
        with running(arguments.command, port, directory) as (broker, start_s):
            print(f"killed, and answering again after {start_s:.2f} s, {resident_mb(broker.pid):,.0f} MiB")
            client = Client(port)
            began = time.monotonic()
            names = peer.short_string(QUEUE) + peer.short_string("")
            client.call(BASIC_CONSUME, struct.pack(">H", 0) + names + b"\0" + peer.table())
            client.drain(messages)
            print(f"drained in order, each once: {messages / (time.monotonic() - began):,.0f}/s")
            print(
                f"resident {peak_resident_mb(broker.pid):,.0f} MiB at most, disk {disk_mb(directory):,.0f} MiB"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
