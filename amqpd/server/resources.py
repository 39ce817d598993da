"""Watches this process's memory and the free space on its disk, and raises the alarms that hold publishers back."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from amqpd.broker.alarms import DISK, MEMORY, Alarms
from amqpd.clock import Timer, Timers
from amqpd.events import Events
from amqpd.server.cgroups import memory_limit_bytes

MEMORY_CHECK_S = 1.0
DISK_CHECK_MIN_S = 0.1
DISK_CHECK_MAX_S = 10.0
DISK_FILLS_BYTES_PER_S = 250_000_000
"""A disk that fills at this rate, which RabbitMQ assumes too, is looked at before it has passed the limit."""
GIVING_BACK_SHARE = 20
"""Of so many seconds at most one goes into giving memory back, because everything else waits for it."""
MEMORY_OF_AN_UNKNOWN_SYSTEM_BYTES = 1 << 30
PS_PATIENCE_S = 5.0


class Resources:
    """Raises the alarms for memory and disk when these run short, and clears them when there is enough again.

    Memory is short when more than the limit is used, the disk when less than the limit is free (RabbitMQ 3.10).
    An event tells of every alarm that is raised ("warning") and cleared ("info").
    """

    def __init__(
        self,
        alarms: Alarms,
        timers: Timers,
        events: Events,
        *,
        memory_limit_bytes: int,
        resident_bytes: Callable[[], int],
        give_memory_back: Callable[[], None],
        disk_free_limit_bytes: int = 0,
        free_bytes: Callable[[], int] | None = None,
    ) -> None:
        """`resident_bytes` and `free_bytes` raise OSError if they can't tell; without `free_bytes` no disk is watched.

        `give_memory_back` returns to the system what is free but still counts as resident; it is called before
        the alarm for memory is raised, and while it is raised.
        """
        self._alarms = alarms
        self._timers = timers
        self._events = events
        self.memory_limit_bytes = memory_limit_bytes
        self._resident_bytes = resident_bytes
        self._give_memory_back = give_memory_back
        self.disk_free_limit_bytes = disk_free_limit_bytes
        self._free_bytes = free_bytes
        self._raised: set[str] = set()
        self._unreadable: set[str] = set()
        self._waiting: dict[str, Timer] = {}
        self._may_give_back_s = 0.0

    def start(self) -> None:
        """Measure now and from now on: memory every second, the disk more often the closer it is to its limit."""
        self._watch_memory()
        if self._free_bytes is not None:
            self._watch_disk(self._free_bytes)

    def stop(self) -> None:
        """Measure no more; what is raised stays raised."""
        for timer in self._waiting.values():
            timer.cancel()
        self._waiting.clear()

    def set_memory_limit(self, limit_bytes: int) -> None:
        """Let this be the limit from now on, and measure at once."""
        self.memory_limit_bytes = limit_bytes
        self._cancel(MEMORY)
        self._watch_memory()

    def set_disk_free_limit(self, limit_bytes: int) -> None:
        """The same for the disk."""
        self.disk_free_limit_bytes = limit_bytes
        if self._free_bytes is not None:
            self._cancel(DISK)
            self._watch_disk(self._free_bytes)

    def _cancel(self, resource: str) -> None:
        waiting = self._waiting.pop(resource, None)
        if waiting is not None:
            waiting.cancel()

    # Memory

    def _watch_memory(self) -> None:
        self._waiting[MEMORY] = self._timers.after(MEMORY_CHECK_S, self._watch_memory)
        try:
            used_bytes = self._used_bytes()
        except OSError as error:
            self._tell_unreadable(MEMORY, "used memory cannot be read", error)
            return
        self._unreadable.discard(MEMORY)
        fields: dict[str, object] = {"used_bytes": used_bytes, "limit_bytes": self.memory_limit_bytes}
        self._set_alarm(MEMORY, used_bytes > self.memory_limit_bytes, fields)

    def _used_bytes(self) -> int:
        """What is really used: with more than the limit, what is left after giving back what is not needed."""
        used_bytes = self._resident_bytes()
        if used_bytes <= self.memory_limit_bytes or not self._give_back():
            return used_bytes
        return self._resident_bytes()

    def _give_back(self) -> bool:
        """Give memory back, unless that has taken too much of the time already; whether it was done."""
        started_s = self._timers.clock.monotonic_s()
        if started_s < self._may_give_back_s:
            return False
        self._give_memory_back()
        took_s = self._timers.clock.monotonic_s() - started_s
        self._may_give_back_s = started_s + took_s * GIVING_BACK_SHARE
        return True

    # Disk

    def _watch_disk(self, read_free_bytes: Callable[[], int]) -> None:
        free_bytes: int | None = None
        try:
            free_bytes = read_free_bytes()
            self._unreadable.discard(DISK)
        except OSError as error:
            self._tell_unreadable(DISK, "free disk space cannot be read", error)
        is_short = free_bytes is None or free_bytes < self.disk_free_limit_bytes
        fields: dict[str, object] = {"free_bytes": free_bytes, "limit_bytes": self.disk_free_limit_bytes}
        delay_s = self._disk_check_s(free_bytes)
        self._waiting[DISK] = self._timers.after(delay_s, lambda: self._watch_disk(read_free_bytes))
        self._set_alarm(DISK, is_short, fields)

    def _disk_check_s(self, free_bytes: int | None) -> float:
        """Seconds until the disk is to be looked at again; a raised alarm waits longest (RabbitMQ 3.10)."""
        if free_bytes is None or free_bytes < self.disk_free_limit_bytes:
            return DISK_CHECK_MAX_S
        full_in_s = (free_bytes - self.disk_free_limit_bytes) / DISK_FILLS_BYTES_PER_S
        return min(max(full_in_s, DISK_CHECK_MIN_S), DISK_CHECK_MAX_S)

    # Both

    def _set_alarm(self, resource: str, is_short: bool, fields: dict[str, object]) -> None:
        """Raise or clear an alarm, and tell of it, if that changes anything."""
        if is_short == (resource in self._raised):
            return
        if is_short:
            self._raised.add(resource)
            self._events.tell("warning", f"{resource} alarm raised", fields)
            self._alarms.raise_alarm(resource)
        else:
            self._raised.discard(resource)
            self._events.tell("info", f"{resource} alarm cleared", fields)
            self._alarms.clear_alarm(resource)

    def _tell_unreadable(self, resource: str, sentence: str, error: OSError) -> None:
        """Tell of it once, and again only after it could be read in between."""
        if resource not in self._unreadable:
            self._unreadable.add(resource)
            self._events.tell("error", sentence, {"reason": str(error)})


# What the system says


def total_memory_bytes() -> int:
    """The memory that there is for us: the machine's, or that of our container if it has less."""
    machine_bytes = _machine_memory_bytes()
    return min(machine_bytes, memory_limit_bytes() or machine_bytes)


def _machine_memory_bytes() -> int:
    """1 GiB, as RabbitMQ assumes, where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return MEMORY_OF_AN_UNKNOWN_SYSTEM_BYTES


def resident_bytes() -> int:
    """What this process occupies of the machine's memory. Raises OSError if the system does not say."""
    return _resident_bytes_of_proc() if sys.platform == "linux" else _resident_bytes_of_ps()


def _resident_bytes_of_proc() -> int:
    with open("/proc/self/statm", "rb") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _resident_bytes_of_ps() -> int:
    command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
    try:
        result = subprocess.run(command, check=True, capture_output=True, timeout=PS_PATIENCE_S)
        return int(result.stdout) * 1024
    except (subprocess.SubprocessError, ValueError) as error:
        raise OSError(f"ps: {error}") from error


def free_bytes(path: Path) -> int:
    """Space left for us on the disk that an existing path is on. Raises OSError."""
    return shutil.disk_usage(path).free


def give_memory_back() -> None:
    """Return memory that is free, but still ours, to the system: with glibc; elsewhere it does nothing."""
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], object] | None:
    if sys.platform == "win32":
        return None
    try:
        import ctypes

        trim = ctypes.CDLL(None).malloc_trim
    except (AttributeError, ImportError, MemoryError, OSError):
        return None
    trim.argtypes = [ctypes.c_size_t]
    trim.restype = ctypes.c_int
    return trim
