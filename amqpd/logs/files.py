"""Log files: rotated by size and by date, and opened again when somebody else has moved them away."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from amqpd.logs.outputs import LevelOfCategory, Output
from amqpd.logs.rotation import Rotation

MODE = 0o640
DIRECTORY_MODE = 0o750
PRIVATE_MODE = 0o700
FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


def make_directory(directory: Path) -> None:
    """Make a directory that is not there, and those above it, which are nobody else's. Raises OSError.

    One of those may be the data directory, which the broker makes later, and so only its owner may enter it.
    """
    for above in reversed(directory.parents):
        above.mkdir(PRIVATE_MODE, exist_ok=True)
    directory.mkdir(DIRECTORY_MODE, exist_ok=True)


class LogFile(Output):
    """Appends to a file. When it is rotated it becomes FILE.0, that FILE.1, as with RabbitMQ 3.10."""

    def __init__(
        self,
        path: Path,
        rotation: Rotation,
        levels: LevelOfCategory,
        formatter: logging.Formatter,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """Open the file, and make its directory if it is not there. Raises OSError."""
        super().__init__(levels, formatter)
        self._path = path
        self._rotation = rotation
        self._now = now
        self._is_torn = False
        self._rotates = True
        self._descriptor = -1
        make_directory(path.parent)
        self._open()
        written = os.fstat(self._descriptor)
        self._written_at = datetime.fromtimestamp(written.st_mtime) if written.st_size else now()

    def place(self) -> str:
        return str(self._path)

    def write(self, line: str) -> None:
        data = (line + "\n").encode(errors="backslashreplace")
        now = self._now()
        if self._rotation.is_due(self._size_bytes(), len(data), self._written_at, now):
            self._rotate_if_possible()
        self._written_at = now
        if self._is_torn:
            data = b"\n" + data
        while data:
            written_bytes = os.write(self._descriptor, data)
            data = data[written_bytes:]
            # On a full disk there may be room for a part of a line; the next one begins a line again.
            self._is_torn = bool(data)

    def _size_bytes(self) -> int:
        """The size of the file, which is another one if ours is no longer there."""
        ours = os.fstat(self._descriptor)
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            there = None
        if there is None or not os.path.samestat(ours, there):
            self._open()
            return os.fstat(self._descriptor).st_size
        return ours.st_size

    def _open(self) -> None:
        opened = os.open(self._path, FLAGS, MODE)
        self._close_descriptor()
        self._descriptor = opened
        self._is_torn = False

    def _rotate_if_possible(self) -> None:
        """In a directory of somebody else there is no rotating: better a file that is too large than none."""
        try:
            self.rotate(self._rotation.count)
        except OSError as error:
            if self._rotates:
                self.complain("rotate", error)
            self._rotates = False
        else:
            self._rotates = True

    def rotate(self, count: int) -> None:
        """Begin an empty file, and keep so many old ones. Raises OSError."""
        for number in range(count - 2, -1, -1):
            with suppress(FileNotFoundError):
                os.replace(self._numbered(number), self._numbered(number + 1))
        # Somebody may have moved it away just before.
        with suppress(FileNotFoundError):
            if count:
                os.replace(self._path, self._numbered(0))
            else:
                os.unlink(self._path)
        self._open()

    def rotate_now(self) -> None:
        """Rotate because somebody asks for it: then at least one old file is kept. Raises OSError."""
        self.acquire()
        try:
            self.rotate(max(self._rotation.count, 1))
        finally:
            self.release()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _close_descriptor(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def close(self) -> None:
        self._close_descriptor()
        super().close()
