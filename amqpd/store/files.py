"""Every operation on files that the log makes, so that a test can let each of them fail."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from amqpd.wire.frames import Octets

try:
    import fcntl
except ImportError:  # not a POSIX system: the log can't be used there
    fcntl = None  # type: ignore[assignment]


class InUse(Exception):
    """The lock is held; `holder` is what its holder wrote into it."""

    def __init__(self, holder: str) -> None:
        super().__init__(holder)
        self.holder = holder


@mypyc_attr(allow_interpreted_subclasses=True)
class File:
    """One open file. Whatever goes wrong is an OSError."""

    def write(self, offset: i64, data: list[Octets], durable: bool) -> None:
        """Write all of `data`, one after the other, from `offset` on.

        If `durable`, it is on disk when this returns, with as much of the file's size as is needed to find it.
        """
        raise NotImplementedError

    def read(self, offset: i64, size: i64) -> bytes:
        """Up to `size` bytes from `offset`; fewer only at the end of the file."""
        raise NotImplementedError

    def size(self) -> int:
        """The file's length in bytes."""
        raise NotImplementedError

    def truncate(self, size: i64) -> None:
        """Cut the file to `size` bytes; durable when it returns, with all that was written to the file before."""
        raise NotImplementedError

    def check_linked(self) -> None:
        """Raise OSError if no file has its name any more: what is written to it would be lost with it."""
        raise NotImplementedError

    def close(self) -> None:
        """Give it back; closing twice does nothing."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Files:
    """The file system. Paths are absolute or relative as the caller has them; whatever goes wrong is an OSError."""

    def make_directory(self, path: str) -> None:
        """Make a directory, and those above it, durably; one that is there is no error. Only its owner may read it."""
        raise NotImplementedError

    def names(self, directory: str) -> list[str]:
        """The names of what is in a directory, sorted."""
        raise NotImplementedError

    def create(self, path: str) -> File:
        """A new, empty file, to read and write; FileExistsError if there is one."""
        raise NotImplementedError

    def open(self, path: str, writable: bool) -> File:
        """A file that is there; FileNotFoundError if it is not."""
        raise NotImplementedError

    def remove(self, path: str) -> None:
        """Delete a file; FileNotFoundError if there is none."""
        raise NotImplementedError

    def rename(self, path: str, new_path: str) -> None:
        """Give a file another name, replacing what had it."""
        raise NotImplementedError

    def sync_directory(self, path: str) -> None:
        """What was created, removed and renamed in the directory is on disk when it returns."""
        raise NotImplementedError

    def lock(self, path: str, holder: str) -> File:
        """Hold the lock at `path` until the file that is returned is closed or the process ends.

        `holder` is what others are told. Raises InUse if somebody holds it.
        """
        raise NotImplementedError


_LINUX_DSYNC: Final[int] = getattr(os, "RWF_DSYNC", 0) if sys.platform == "linux" else 0
"""Write and sync in one system call, where there is one."""

_BUFFERS_MAX: Final = 512
"""How many pieces one system call is given."""


@final
class DiskFile(File):
    """A file of the operating system (POSIX)."""

    def __init__(self, descriptor: int, path: str) -> None:
        self._descriptor = descriptor
        self._path = path
        self._syncs_as_it_writes = _LINUX_DSYNC != 0

    def write(self, offset: i64, data: list[Octets], durable: bool) -> None:
        if offset < 0:
            # the system takes -1 for wherever the last write ended
            raise _error(errno.EINVAL, self._path)
        at = int(offset)
        one_call = durable and self._syncs_as_it_writes and len(data) <= _BUFFERS_MAX
        for start in range(0, len(data), _BUFFERS_MAX):
            at = self._write_all(at, data[start : start + _BUFFERS_MAX], _LINUX_DSYNC if one_call else 0)
        if durable and not (one_call and self._syncs_as_it_writes):
            sync_descriptor(self._descriptor)

    def _write_all(self, offset: int, data: list[Octets], flags: int) -> int:
        while data:
            try:
                written = os.pwritev(self._descriptor, data, offset, flags)
            except OSError as error:
                if not flags or error.errno not in (errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
                # A kernel that does not know how; nothing was written.
                self._syncs_as_it_writes = False
                flags = 0
                continue
            offset += written
            data = _rest(data, written)
        return offset

    def read(self, offset: i64, size: i64) -> bytes:
        try:
            return self._read(int(offset), int(size))
        except OSError as error:
            # the system does not say which file it was
            raise OSError(error.errno, error.strerror, self._path) from None

    def _read(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size:
            return data
        pieces = [data]
        while data:
            offset += len(data)
            size -= len(data)
            data = os.pread(self._descriptor, size, offset) if size else b""
            pieces.append(data)
        return b"".join(pieces)

    def size(self) -> int:
        return os.fstat(self._descriptor).st_size

    def truncate(self, size: i64) -> None:
        os.ftruncate(self._descriptor, int(size))
        sync_descriptor(self._descriptor)

    def check_linked(self) -> None:
        if self._descriptor < 0:
            raise _error(errno.EBADF, self._path)
        # Not by fstat: whoever has asked for a file's times makes the next write to it slower (ext4, half as much again).
        if not os.access(self._path, os.F_OK):
            raise FileNotFoundError(errno.ENOENT, "the file was deleted while it was in use", self._path)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)  # even if it raises, the number may be somebody else's from now on


@final
class DiskFiles(Files):
    """The operating system's files (POSIX)."""

    def make_directory(self, path: str) -> None:
        made = os.path.normpath(path)
        missing: list[str] = []
        while not os.path.isdir(made):
            if missing and os.path.exists(made):
                raise _error(errno.ENOTDIR, path)
            missing.append(made)
            made = os.path.dirname(made) or os.curdir
        for directory in reversed(missing):
            with suppress(FileExistsError):
                os.mkdir(directory, 0o700)
            if not os.path.isdir(directory):
                raise _error(errno.EEXIST, directory)
            self.sync_directory(os.path.dirname(directory) or os.curdir)
        if not missing:
            # Perhaps it was made by somebody who came no further.
            self.sync_directory(os.path.dirname(made) or os.curdir)

    def names(self, directory: str) -> list[str]:
        return sorted(os.listdir(directory))

    def create(self, path: str) -> File:
        return DiskFile(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path)

    def open(self, path: str, writable: bool) -> File:
        return DiskFile(os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC), path)

    def remove(self, path: str) -> None:
        os.remove(path)

    def rename(self, path: str, new_path: str) -> None:
        os.replace(path, new_path)

    def sync_directory(self, path: str) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: str, holder: str) -> File:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take_lock(descriptor, holder)
        except (OSError, InUse):
            os.close(descriptor)
            raise
        return DiskFile(descriptor, path)


def sync_descriptor(descriptor: int) -> None:
    """Everything written to it is on the disk itself, not in a cache of the disk."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    elif sys.platform == "linux":
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def _take_lock(descriptor: int, holder: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        told = os.pread(descriptor, 1024, 0).decode(errors="replace").strip()
        raise InUse(told) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, holder.encode(), 0)


def _rest(data: list[Octets], written: int) -> list[Octets]:
    """What is left of the pieces after so many bytes; nothing to copy in the usual case that all is written."""
    for index, piece in enumerate(data):
        if written < len(piece):
            return [memoryview(piece)[written:], *data[index + 1 :]]
        written -= len(piece)
    return []


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
