"""Whoever has started the broker and waits for it: systemd (sd_notify) or s6 (a file descriptor)."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress

from amqpd.app.beginning import StartError

NOTIFY_SOCKET = "NOTIFY_SOCKET"
WATCHDOG_USEC = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"
READY = b"READY=1\n"
"""To s6 it is the end of the line that counts."""


class Supervisor:
    """Hears when the broker is ready, reads its configuration again, or stops, and that its event loop runs.

    Where nobody supervises, or whoever did is gone, this does nothing.
    """

    def __init__(self, ready_fd: int | None, environment: Mapping[str, str]) -> None:
        """Raises StartError if the file descriptor is none."""
        self._ready_fd = ready_fd
        self._is_ready = False
        self._address = environment.get(NOTIFY_SOCKET, "")
        self._watchdog_s = watchdog_s(environment, os.getpid())
        self._watchdog: asyncio.TimerHandle | None = None
        if ready_fd is not None:
            try:
                os.fstat(ready_fd)
            except OSError:
                raise StartError(f"--ready-fd: file descriptor {ready_fd} is not open") from None

    def ready(self, status: str) -> None:
        """The broker can be used; status is a line for people."""
        self._is_ready = True
        self._notify("READY=1", f"STATUS={status}")
        if self._watchdog_s and self._watchdog is None:
            self._feed_watchdog(self._watchdog_s)
        if self._ready_fd is not None:
            with suppress(OSError):
                os.write(self._ready_fd, READY)
            with suppress(OSError):
                os.close(self._ready_fd)
            self._ready_fd = None

    def reloading(self) -> None:
        """The configuration is read again."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._notify(
            "RELOADING=1", f"MONOTONIC_USEC={microseconds}", "STATUS=reading the configuration again"
        )

    def reloaded(self, status: str) -> None:
        """That is done."""
        if self._is_ready:
            self._notify("READY=1", f"STATUS={status}")

    def stopping(self) -> None:
        """The broker stops."""
        self._notify("STOPPING=1", "STATUS=stopping")

    def _feed_watchdog(self, interval_s: float) -> None:
        self._notify("WATCHDOG=1")
        loop = asyncio.get_running_loop()
        self._watchdog = loop.call_later(interval_s, self._feed_watchdog, interval_s)

    def _notify(self, *assignments: str) -> None:
        if not self._address:
            return
        # @ stands for the zero byte that abstract names begin with.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
            notifying.sendto("\n".join(assignments).encode(), address)


def watchdog_s(environment: Mapping[str, str], process_id: int) -> float:
    """How often systemd wants to hear that the event loop runs: twice in its time limit; 0 is never."""
    microseconds = environment.get(WATCHDOG_USEC, "")
    is_ours = environment.get(WATCHDOG_PID, str(process_id)) == str(process_id)
    return int(microseconds) / 2_000_000 if is_ours and microseconds.isdigit() else 0.0
