"""A file with the number of the process, for whoever waits for the broker: `rabbitmqctl wait FILE`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from amqpd.events import Events


@contextmanager
def pid_file(path: Path | None, events: Events) -> Iterator[None]:
    """The file, if one is wanted, as long as the block runs; where it can't be, the log says so (RabbitMQ 3.10)."""
    if path is None:
        yield
        return
    number = str(os.getpid())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(number)
    except OSError as error:
        fields: dict[str, object] = {"path": str(path), "reason": error.strerror or str(error)}
        events.tell("warning", "cannot write the pid file", fields)
    try:
        yield
    finally:
        with suppress(OSError, ValueError):
            # Another broker may have it by now.
            if path.read_text() == number:
                path.unlink()
