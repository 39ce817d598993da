"""The broker's process: started on a free port, ended in one of two ways."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
SEGMENT_BYTES = 1 << 20
PORTS = range(20_000, 32_000)


class BrokerFailed(Exception):
    """It did not start, did not stop, or ended by itself."""


@dataclass(frozen=True)
class Program:
    """How the broker is run. `directory` is where it runs and leaves its standard error; not the checkout."""

    python: str
    options: Sequence[str]
    directory: Path

    @property
    def data(self) -> Path:
        """The data directory, the same in all lives."""
        return self.directory / "data"

    @property
    def stderr(self) -> Path:
        """What all lives said on standard error."""
        return self.directory / "broker.stderr"


class Broker:
    """One process. With `await_ready`, it accepts connections when this returns; else it is still starting."""

    def __init__(self, program: Program, await_ready: bool = True) -> None:
        self.port = free_port()
        self.ready_s = 0.0
        """When it accepted its first connection, in seconds since 1970."""
        command = [program.python, "-m", "amqpd", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--data-dir", str(program.data), "--log-segment-size-bytes", str(SEGMENT_BYTES)]
        # What is installed for this interpreter is to run, whatever the environment says.
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AMQPD"))
        }
        with program.stderr.open("ab") as stderr:
            self._process = subprocess.Popen(
                [*command, *program.options],
                cwd=program.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        if await_ready:
            try:
                self._await_ready()
                self.ready_s = time.time()
            except BaseException:
                self.kill_whatever_happened()
                raise

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Raises BrokerFailed if it had ended by itself."""
        self._check_running()
        self.kill_whatever_happened()

    def kill_whatever_happened(self) -> None:
        """SIGKILL, if it is still there."""
        self._process.kill()
        self._process.wait()

    def terminate(self) -> None:
        """SIGTERM, and wait for an end in order. Raises BrokerFailed if there is none."""
        self._check_running()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill_whatever_happened()
            raise BrokerFailed(f"still there {STOP_TIMEOUT_S} s after SIGTERM") from None
        if code:
            raise BrokerFailed(f"exit code {code} after SIGTERM")

    def _check_running(self) -> None:
        code = self._process.poll()
        if code is not None:
            raise BrokerFailed(f"ended by itself with exit code {code}")

    def _await_ready(self) -> None:
        patience_ends = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < patience_ends:
            code = self._process.poll()
            if code is not None:
                raise BrokerFailed(f"exit code {code} while starting")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)
            else:
                return
        raise BrokerFailed(f"accepted no connection for {START_TIMEOUT_S} s")


def free_port() -> int:
    """A port that nobody listens on, and that the system gives to nobody who asks for any."""
    for port in random.sample(PORTS, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise BrokerFailed(f"no port is free among 100 of {PORTS}")
