"""The broker the clients talk to: the one at AMQP_URL, or an amqpd process of our own."""

import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

REPOSITORY = Path(__file__).resolve().parent.parent
START_LIMIT_S = 20.0
STOP_LIMIT_S = 20.0


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


@contextmanager
def amqpd_running(directory: Path) -> Iterator[Broker]:
    """Run amqpd on a free port, in directory, until the block ends; SIGTERM must end it with code 0.

    Raises RuntimeError with amqpd's output if it does not start in START_LIMIT_S.
    """
    broker = Broker(port=_free_port())
    output_path = directory / "amqpd.log"
    command = [sys.executable, "-m", "amqpd", "--port", str(broker.port), "--host", broker.host]
    with output_path.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=directory, env=_environment(), stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _wait_until_accepting(broker, process, output_path)
            yield broker
            process.send_signal(signal.SIGTERM)
            exit_code = process.wait(STOP_LIMIT_S)
            assert exit_code == 0, f"amqpd ended with {exit_code}:\n{output_path.read_text(errors='replace')}"
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment() -> dict[str, str]:
    """An installed amqpd is what users run; only without one is it run from the checkout."""
    try:
        importlib.metadata.distribution("amqpd")
    except importlib.metadata.PackageNotFoundError:
        return {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return dict(os.environ)


def _wait_until_accepting(broker: Broker, process: "subprocess.Popen[bytes]", output_path: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((broker.host, broker.port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"amqpd did not start:\n{output_path.read_text(errors='replace')}")
