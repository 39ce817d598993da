"""Compile and run load.c, the load generator."""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCE = Path(__file__).with_name("load.c")
COMPILE = ("cc", "-std=c11", "-O2", "-pthread")
RUN_TIMEOUT_S = 300


class LoadFailed(Exception):
    """The generator could not measure: it did not connect, or the broker refused or fell silent."""


class Unsupported(LoadFailed):
    """The broker has no exchange type like that: a plugin that is missing."""


class Generator:
    """A compiled load generator."""

    def __init__(self, program: Path) -> None:
        self.program = program

    def run(self, port: int, options: Sequence[str]) -> dict[str, float]:
        """Run once against the broker on `port`; return the figures of the output line by name.

        Raises LoadFailed with the generator's words, Unsupported where it is no failure.
        """
        command = [str(self.program), "--port", str(port), *options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_TIMEOUT_S)
        except subprocess.TimeoutExpired as expired:
            raise LoadFailed(f"{' '.join(command)}: not done after {RUN_TIMEOUT_S} s") from expired
        # A warning (not everything was consumed in time) makes the figures worthless, too.
        if done.returncode or done.stderr:
            failure = Unsupported if "unknown exchange type" in done.stderr else LoadFailed
            raise failure(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")
        return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", done.stdout)}


@contextlib.contextmanager
def compiled() -> Iterator[Generator]:
    """Compile load.c into a temporary directory that lives as long as the context.

    Raises subprocess.CalledProcessError when the compiler refuses, FileNotFoundError without a compiler.
    """
    with tempfile.TemporaryDirectory(prefix="amqp-bench-") as directory:
        program = Path(directory) / "load"
        subprocess.run([*COMPILE, "-o", str(program), str(SOURCE)], check=True)
        yield Generator(program)


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MiB (VmRSS of /proc, so Linux only)."""
    return _status_mb(pid, "VmRSS")


def peak_resident_mb(pid: int) -> float:
    """The most resident memory the process ever had, in MiB (VmHWM of /proc)."""
    return _status_mb(pid, "VmHWM")


def _status_mb(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} has no {name}")
