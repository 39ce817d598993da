"""Bounded waits."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pika
import pytest

LIMIT_S = 60.0

T = TypeVar("T")


def run_async(program: Coroutine[Any, Any, T], limit_s: float = LIMIT_S) -> T:
    """Run an asyncio program; TimeoutError after limit_s."""
    return asyncio.run(asyncio.wait_for(program, limit_s))


def pump_until(connection: pika.BlockingConnection, condition: Callable[[], object]) -> None:
    """Let pika read and call back until condition holds; the test fails after LIMIT_S."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"nothing more came in {LIMIT_S:g} s")
        connection.process_data_events(time_limit=0.05)
