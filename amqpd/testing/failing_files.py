"""A file system, for tests, that fails where it is told to."""

from __future__ import annotations

import errno
from contextlib import suppress
from random import Random
from threading import RLock

from mypy_extensions import i64

from amqpd.store.files import File, Files
from amqpd.testing.files import os_error
from amqpd.wire.frames import Octets


class FailingFiles(Files):
    """Another file system, of which one operation fails, or all from some time on.

    Operations are counted from 0, those of the files too, all but `close`. The one with the number `fails_at` raises an
    OSError with the number `error`; if `for_good`, so does every one after it. It does nothing, except, unless the error
    is EROFS: a failing write may have written its first part, up to all of it, durably or not; a failing truncate and a
    failing sync_directory may have been done. `random` decides, or a generator seeded with 0.
    """

    def __init__(
        self,
        files: Files,
        random: Random | None = None,
        *,
        fails_at: int | None = None,
        error: int = errno.EIO,
        for_good: bool = False,
    ) -> None:
        self.files = files
        self.fails_at = fails_at
        self.error = error
        self.for_good = for_good
        self.failed = False
        """Whether an operation was made to fail, ever."""
        self.operations = 0
        """How many there were, the failed ones too."""
        self.log: list[str] = []
        """What each was: "write /data/a 13+1 durable: EIO" is a durable write of one byte at offset 13 that failed.

        Errors of the file system itself are there too, at the end of the line.
        """
        self._random = random or Random(0)
        self._broken_with: int | None = None
        self._guard = RLock()

    def break_with(self, error: int) -> None:
        """Let every operation fail with this error number, until `mend`."""
        self._broken_with = error

    def mend(self) -> None:
        """Let operations succeed again; a `fails_at` that is still to come will come."""
        self._broken_with = None

    def make_directory(self, path: str) -> None:
        with self._guard, _Operation(self, f"make_directory {path}", path) as operation:
            operation.fail_if_told()
            self.files.make_directory(path)

    def names(self, directory: str) -> list[str]:
        with self._guard, _Operation(self, f"names {directory}", directory) as operation:
            operation.fail_if_told()
            return self.files.names(directory)

    def create(self, path: str) -> File:
        with self._guard, _Operation(self, f"create {path}", path) as operation:
            operation.fail_if_told()
            return _FailingFile(self, self.files.create(path), path)

    def open(self, path: str, writable: bool) -> File:
        with (
            self._guard,
            _Operation(self, f"open {path}{' writable' if writable else ''}", path) as operation,
        ):
            operation.fail_if_told()
            return _FailingFile(self, self.files.open(path, writable), path)

    def remove(self, path: str) -> None:
        with self._guard, _Operation(self, f"remove {path}", path) as operation:
            operation.fail_if_told()
            self.files.remove(path)

    def rename(self, path: str, new_path: str) -> None:
        with self._guard, _Operation(self, f"rename {path} {new_path}", path) as operation:
            operation.fail_if_told()
            self.files.rename(path, new_path)

    def sync_directory(self, path: str) -> None:
        with self._guard, _Operation(self, f"sync_directory {path}", path) as operation:
            if operation.is_done_anyway():
                with suppress(OSError):
                    self.files.sync_directory(path)
            operation.fail_if_told()
            self.files.sync_directory(path)

    def lock(self, path: str, holder: str) -> File:
        with self._guard, _Operation(self, f"lock {path}", path) as operation:
            operation.fail_if_told()
            return _FailingFile(self, self.files.lock(path, holder), path)

    def _next_error(self) -> int | None:
        """Count one operation; the error number it is to fail with."""
        number = self.operations
        self.operations += 1
        if self._broken_with is None and number == self.fails_at:
            if self.for_good:
                self._broken_with = self.error
            return self.error
        return self._broken_with


class _FailingFile(File):
    def __init__(self, files: FailingFiles, file: File, path: str) -> None:
        self._files = files
        self._file = file
        self._path = path

    def write(self, offset: i64, data: list[Octets], durable: bool) -> None:
        size = sum(len(piece) for piece in data)
        told = f"write {self._path} {offset}+{size}{' durable' if durable else ''}"
        with self._files._guard, _Operation(self._files, told, self._path) as operation:
            if operation.may_be_done_in_part():
                random = self._files._random
                part = b"".join(data)[: random.choice([0, random.randint(0, size), size])]
                with suppress(OSError):
                    self._file.write(offset, [part], durable and random.random() < 0.5)
            operation.fail_if_told()
            self._file.write(offset, data, durable)

    def read(self, offset: i64, size: i64) -> bytes:
        with (
            self._files._guard,
            _Operation(self._files, f"read {self._path} {offset}+{size}", self._path) as operation,
        ):
            operation.fail_if_told()
            return self._file.read(offset, size)

    def size(self) -> int:
        with self._files._guard, _Operation(self._files, f"size {self._path}", self._path) as operation:
            operation.fail_if_told()
            return self._file.size()

    def truncate(self, size: i64) -> None:
        with (
            self._files._guard,
            _Operation(self._files, f"truncate {self._path} {size}", self._path) as operation,
        ):
            if operation.is_done_anyway():
                with suppress(OSError):
                    self._file.truncate(size)
            operation.fail_if_told()
            self._file.truncate(size)

    def check_linked(self) -> None:
        with (
            self._files._guard,
            _Operation(self._files, f"check_linked {self._path}", self._path) as operation,
        ):
            operation.fail_if_told()
            self._file.check_linked()

    def close(self) -> None:
        self._file.close()


class _Operation:
    """One operation, counted and told when it begins, with its error when it has one."""

    def __init__(self, files: FailingFiles, told: str, path: str) -> None:
        self._files = files
        self._told = told
        self._path = path
        self._error: int | None = None

    def __enter__(self) -> _Operation:
        self._error = self._files._next_error()
        if self._error is not None:
            self._files.failed = True
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            self._told += f": {errno.errorcode.get(error.errno or 0, error.errno)}"
        elif error is not None:
            self._told += f": {type(error).__name__}"
        self._files.log.append(self._told)

    def may_be_done_in_part(self) -> bool:
        return self._error is not None and self._error != errno.EROFS

    def is_done_anyway(self) -> bool:
        """Whether it is done although it fails."""
        return self.may_be_done_in_part() and self._files._random.random() < 0.5

    def fail_if_told(self) -> None:
        if self._error is not None:
            raise os_error(self._error, self._path)
