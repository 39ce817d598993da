"""Clients that are programs of their own: amqp-tools, Node and Go."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

LIMIT_S = 60.0


def tool(name: str) -> str:
    """Path of a command; a missing one fails the test, for a suite that skips proves nothing."""
    path = shutil.which(name)
    if path is None:
        pytest.fail(f"'{name}' is not installed; run interop/setup.sh")
    return path


def run_program(
    command: Sequence[str | Path],
    input: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    limit_s: float = LIMIT_S,
) -> bytes:
    """Run a command to its end and return its output; the test fails if the command does."""
    try:
        done = subprocess.run(command, input=input, env=environment, capture_output=True, timeout=limit_s)
    except subprocess.TimeoutExpired as expired:
        pytest.fail(f"{command} still ran after {limit_s:g} s: {expired.stdout!r} {expired.stderr!r}")
    if done.returncode != 0:
        pytest.fail(f"{command} ended with {done.returncode}: {done.stdout!r} {done.stderr.decode()}")
    return done.stdout
