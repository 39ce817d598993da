"""The memory that a container, or a unit of systemd, may use: what Linux's control groups say, in versions 2 and 1."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

SYSTEM = Path("/")
OWN_GROUPS = "proc/self/cgroup"
VERSION_2 = ("sys/fs/cgroup", "memory.max")
VERSION_1 = ("sys/fs/cgroup/memory", "memory.limit_in_bytes")


def memory_limit_bytes(system: Path = SYSTEM) -> int | None:
    """The lowest limit of this process's control groups and those around them, or None if there is none.

    `system` is where the file system begins.
    """
    return min(_limits(system), default=None)


def _limits(system: Path) -> Iterator[int]:
    for top, name, group in _groups(system):
        directory = system / top
        yield from _read(directory / name)
        # Where a container sees its own groups only, the path may be that outside of it, which is not there.
        for part in group.parts:
            directory /= part
            yield from _read(directory / name)


def _groups(system: Path) -> Iterator[tuple[str, str, PurePosixPath]]:
    """Where the groups of this process that count memory are: their top, the file with the limit, and the path to its own."""
    try:
        lines = (system / OWN_GROUPS).read_text().splitlines()
    except (OSError, ValueError):
        return
    for line in lines:
        _number, _colon, rest = line.partition(":")
        controllers, _colon, path = rest.partition(":")
        group = PurePosixPath(*(part for part in path.split("/") if part not in ("", "..")))
        if not controllers:
            yield *VERSION_2, group
        elif "memory" in controllers.split(","):
            yield *VERSION_1, group


def _read(file: Path) -> Iterator[int]:
    """The limit in a file, unless it is none."""
    try:
        text = file.read_text().strip()
    except (OSError, ValueError):
        return
    if text.isdecimal() and int(text) > 0:
        yield int(text)
