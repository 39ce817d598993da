"""The broker the clients talk to: the one at AMQP_URL, or an amqpd process of our own."""

import importlib.metadata
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

REPOSITORY = Path(__file__).resolve().parent.parent
START_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0
RESTART_COMMAND_LIMIT_S = 120.0

PORTS = range(20_000, 32_000)
"""Systems give none of these to who asks for any port, so that they stay free while a broker is down."""

# Variables with shell commands that end the broker at AMQP_URL, start it and wait until it accepts connections.
RESTART = "AMQP_RESTART"  # in good order
KILL_RESTART = "AMQP_KILL_RESTART"  # with SIGKILL


@dataclass(frozen=True)
class Broker:
    """Where a broker listens and who may log in."""

    host: str = "127.0.0.1"
    port: int = 5672
    username: str = "guest"
    password: str = "guest"
    virtual_host: str = "/"

    @classmethod
    def from_url(cls, url: str) -> "Broker":
        """Read an amqp:// URL; what it leaves out gets RabbitMQ's default."""
        parts = urlsplit(url)
        return cls(
            parts.hostname or cls.host,
            parts.port or cls.port,
            unquote(parts.username or cls.username),
            unquote(parts.password or cls.password),
            unquote(parts.path[1:]) or cls.virtual_host,
        )

    @property
    def url(self) -> str:
        """The URL with every part written out, the virtual host escaped ('/%2F')."""
        user = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        return f"amqp://{user}@{self.host}:{self.port}/{quote(self.virtual_host, safe='')}"


class Server(Protocol):
    """A broker that can be ended and started again."""

    @property
    def broker(self) -> Broker: ...

    def restart(self) -> None:
        """End the broker in good order and start it again; return when it accepts connections."""

    def kill_and_restart(self) -> None:
        """End the broker without a warning and start it again; return when it accepts connections."""


class Amqpd:
    """An amqpd process on a free port that keeps its durable data, and its output, in a directory.

    `variables` are set for it besides.
    """

    def __init__(self, directory: Path, variables: Mapping[str, str] | None = None) -> None:
        self.broker = Broker(port=free_port())
        self._variables = dict(variables or {})
        self._directory = directory
        self._output_path = directory / "amqpd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start on the port and the data of the time before.

        Raises RuntimeError with amqpd's output if it does not accept connections in START_LIMIT_S.
        """
        assert self._process is None, "amqpd runs already"
        command = [sys.executable, "-m", "amqpd", "--host", self.broker.host, "--port", str(self.broker.port)]
        command += ["--data-dir", str(self._directory / "data")]
        variables = {**environment(), **self._variables}
        with self._output_path.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=self._directory, env=variables, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_accepting(self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Send SIGTERM, which must end it with code 0 in STOP_LIMIT_S."""
        process, self._process = self._running(), None
        process.send_signal(signal.SIGTERM)
        try:
            exit_code = process.wait(STOP_LIMIT_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        assert exit_code == 0, f"amqpd ended with {exit_code}:\n{self._output()}"

    def kill(self) -> None:
        """Send SIGKILL."""
        process, self._process = self._running(), None
        process.kill()
        process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill_and_restart(self) -> None:
        self.kill()
        self.start()

    def close(self) -> None:
        """Stop it if it runs."""
        if self._process is not None:
            self.stop()

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "amqpd does not run"
        return self._process

    def _output(self) -> str:
        return self._output_path.read_text(errors="replace")

    def _wait_until_accepting(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and process.poll() is None:
            try:
                socket.create_connection((self.broker.host, self.broker.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"amqpd did not start:\n{self._output()}")


class OutsideBroker:
    """The broker at AMQP_URL; commands in RESTART and KILL_RESTART end it and start it again."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def restart(self) -> None:
        _run_command_in(RESTART)

    def kill_and_restart(self) -> None:
        _run_command_in(KILL_RESTART)


def _run_command_in(variable: str) -> None:
    done = subprocess.run(
        os.environ[variable], shell=True, stdin=subprocess.DEVNULL, timeout=RESTART_COMMAND_LIMIT_S
    )
    assert done.returncode == 0, f"the command in {variable} ended with {done.returncode}"


def free_port() -> int:
    """A port that nobody listens on, and that no client gets for its own end of a connection."""
    for port in random.sample(PORTS, 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError(f"no port is free among 100 of {PORTS}")


def environment() -> dict[str, str]:
    """Variables for a process that runs amqpd: the installed one, as users do, or without one the checkout."""
    try:
        importlib.metadata.distribution("amqpd")
    except importlib.metadata.PackageNotFoundError:
        return {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return dict(os.environ)
