"""File systems for tests: one in memory that can lose its power, and one that fails where it is told to."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from random import Random
from threading import RLock
from typing import Final

from mypy_extensions import i64

from amqpd.store.files import File, Files, InUse
from amqpd.wire.frames import Octets

SECTOR_BYTES: Final = 512
"""What a disk writes wholly or not at all."""


class _Content:
    """What a file holds, whatever its name is: what is read, what is on disk, and what may be."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.synced = bytearray()
        self.unsynced: dict[int, list[bytes]] = {}
        """By the number of the sector, the states it went through since it was synced."""
        self.lock_holder: _MemoryFile | None = None

    def write(self, offset: int, data: bytes, durable: bool) -> None:
        if not data:
            return
        _put(self.data, offset, data)
        end = offset + len(data)
        if durable:
            _put(self.synced, offset, data)
        for sector in range(offset // SECTOR_BYTES, (end - 1) // SECTOR_BYTES + 1):
            if durable:
                self._write_to_every_state(sector, offset, data)
            else:
                self.unsynced.setdefault(sector, []).append(_sector(self.data, sector))

    def _write_to_every_state(self, sector: int, offset: int, data: bytes) -> None:
        states = self.unsynced.pop(sector, None)
        if states is None:
            return
        start = sector * SECTOR_BYTES
        first, last = max(offset, start), min(offset + len(data), start + SECTOR_BYTES)
        piece = data[first - offset : last - offset]
        rewritten = [state[: first - start] + piece + state[last - start :] for state in states]
        on_disk = _sector(self.synced, sector)
        if any(state != on_disk for state in rewritten):
            self.unsynced[sector] = rewritten

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))
        self.synced = bytearray(self.data)
        self.unsynced.clear()

    def corrupt(self, offset: int, mask: int) -> None:
        self.data[offset] ^= mask
        if offset < len(self.synced):
            self.synced[offset] ^= mask
        sector, place = divmod(offset, SECTOR_BYTES)
        for index, state in enumerate(self.unsynced.get(sector, [])):
            changed = bytearray(state)
            changed[place] ^= mask
            self.unsynced[sector][index] = bytes(changed)

    def after_process_death(self) -> _Content:
        content = _Content()
        content.data[:] = self.data
        content.synced[:] = self.synced
        content.unsynced = {sector: list(states) for sector, states in self.unsynced.items()}
        return content

    def after_power_loss(self, random: Random) -> _Content:
        content = _Content()
        content.data[:] = self.synced
        chance = _chance(random)
        for sector, states in self.unsynced.items():
            if random.random() < chance:
                # the latest as often as all the earlier ones together
                state = states[-1] if random.random() < max(chance, 0.5) else random.choice(states)
                _put(content.data, sector * SECTOR_BYTES, state)
        content.truncate(self._size_after_power_loss(random))
        return content

    def _size_after_power_loss(self, random: Random) -> int:
        least, most = len(self.synced), len(self.data)
        anywhere = random.randint(least, most)
        whole_sectors = anywhere - anywhere % SECTOR_BYTES
        return random.choice([least, most, anywhere, max(least, whole_sectors)])


class _Change:
    """Of directory entries: created (no old path), removed (no new path) or renamed."""

    def __init__(self, content: _Content, old_path: str | None, new_path: str | None) -> None:
        self.content = content
        self.old_path = old_path
        self.new_path = new_path

    def directories(self) -> set[str]:
        return {os.path.dirname(path) for path in (self.old_path, self.new_path) if path is not None}

    def apply(self, entries: dict[str, _Content], kept: list[_Content]) -> None:
        """Do it to the entries, unless something of `kept` would lose its name to it.

        The changes before it need not have been applied.
        """
        if self.new_path is None:
            if self.old_path is not None and entries.get(self.old_path) is self.content:
                del entries[self.old_path]
            return
        there = entries.get(self.new_path)
        if there is not None and there is not self.content and _is_among(there, kept):
            return
        for path in [path for path, content in entries.items() if content is self.content]:
            del entries[path]
        entries[self.new_path] = self.content


class MemoryFiles(Files):
    """A file system in memory that knows what of it is on disk, as the contracts of Files and File promise it.

    At first it has the directory "/" and nothing else. If `capacity_bytes` is given, no write makes the sizes of all
    files more than that: it writes what fits, not durably, and raises ENOSPC. It may be changed at any time.

    `power_loss` and `process_death` end it: from then on it and its files raise OSError (EIO), except that files can be
    closed. They can be asked for again and again, and so can `sizes`, `read_all` and `corrupt`.
    """

    def __init__(self, capacity_bytes: int | None = None) -> None:
        self.capacity_bytes = capacity_bytes
        self._guard = RLock()
        self._has_ended = False
        self._directories = {os.path.abspath(os.sep)}
        self._entries: dict[str, _Content] = {}
        self._synced_entries: dict[str, _Content] = {}
        self._unsynced_changes: list[_Change] = []

    def power_loss(self, random: Random) -> MemoryFiles:
        """What is there when the power is back: all that was synced, and an arbitrary part of the rest.

        Each sector of 512 bytes that was written and not synced is in one of the states it went through, and parts
        that never were written are zero. A file's size is anywhere between the one that was synced and the last
        one. Each file that was created, removed or renamed since its directory was synced is so or is not; a rename is
        done or not, and no file is lost to it. What is there is on disk.
        """
        with self._guard:
            self._has_ended = True
            chance = _chance(random)
            kept = list(self._entries.values())
            entries = dict(self._synced_entries)
            for change in self._unsynced_changes:
                if random.random() < chance:
                    change.apply(entries, kept)
            after = MemoryFiles(self.capacity_bytes)
            after._directories = set(self._directories)
            after._entries = {path: content.after_power_loss(random) for path, content in entries.items()}
            after._synced_entries = dict(after._entries)
            return after

    def process_death(self) -> MemoryFiles:
        """What the next process finds: all that was written, what was not synced still not, and no locks held."""
        with self._guard:
            self._has_ended = True
            copies: dict[int, _Content] = {}

            def copied(content: _Content) -> _Content:
                if id(content) not in copies:
                    copies[id(content)] = content.after_process_death()
                return copies[id(content)]

            after = MemoryFiles(self.capacity_bytes)
            after._directories = set(self._directories)
            after._entries = {path: copied(content) for path, content in self._entries.items()}
            after._synced_entries = {path: copied(content) for path, content in self._synced_entries.items()}
            after._unsynced_changes = [
                _Change(copied(change.content), change.old_path, change.new_path)
                for change in self._unsynced_changes
            ]
            return after

    def corrupt(self, path: str, offset: int, mask: int) -> None:
        """Flip the bits of `mask` (1 to 255) in one byte, for those who read it now and after any power loss.

        ValueError if the file has no such byte.
        """
        with self._guard:
            content = self._content(path)
            if not 0 <= offset < len(content.data) or not 0 < mask < 256:
                raise ValueError(f"no such bits to flip: byte {offset} of {len(content.data)}, mask {mask}")
            content.corrupt(offset, mask)

    def sizes(self) -> dict[str, int]:
        """The size in bytes of each file that has a name, by absolute path, sorted."""
        with self._guard:
            return {path: len(self._entries[path].data) for path in sorted(self._entries)}

    def read_all(self, path: str) -> bytes:
        """All that is in a file; FileNotFoundError if there is none."""
        with self._guard:
            return bytes(self._content(path).data)

    def make_directory(self, path: str) -> None:
        with self._guard:
            self._check_running()
            missing: list[str] = []
            directory = os.path.abspath(path)
            while directory not in self._directories:
                if directory in self._entries:
                    raise _error(errno.ENOTDIR if missing else errno.EEXIST, path)
                missing.append(directory)
                directory = os.path.dirname(directory)
            self._directories.update(missing)

    def names(self, directory: str) -> list[str]:
        with self._guard:
            self._check_running()
            place = self._directory(directory)
            paths = [*self._entries, *self._directories]
            return sorted(os.path.basename(path) for path in paths if os.path.dirname(path) == place != path)

    def create(self, path: str) -> File:
        with self._guard:
            self._check_running()
            place = self._place(path)
            if place in self._entries or place in self._directories:
                raise _error(errno.EEXIST, path)
            return _MemoryFile(self, self._create(place), path, writable=True)

    def open(self, path: str, writable: bool) -> File:
        with self._guard:
            self._check_running()
            return _MemoryFile(self, self._content(path), path, writable)

    def remove(self, path: str) -> None:
        with self._guard:
            self._check_running()
            content = self._content(path)
            place = os.path.abspath(path)
            del self._entries[place]
            self._unsynced_changes.append(_Change(content, place, None))

    def rename(self, path: str, new_path: str) -> None:
        with self._guard:
            self._check_running()
            content = self._content(path)
            place, new_place = os.path.abspath(path), self._place(new_path)
            if new_place in self._directories:
                raise _error(errno.EISDIR, new_path)
            if place == new_place:
                return
            del self._entries[place]
            self._entries[new_place] = content
            self._unsynced_changes.append(_Change(content, place, new_place))

    def sync_directory(self, path: str) -> None:
        with self._guard:
            self._check_running()
            synced = self._with_renames_between({self._directory(path)})
            still_unsynced: list[_Change] = []
            for change in self._unsynced_changes:
                if change.directories() <= synced:
                    change.apply(self._synced_entries, [])
                else:
                    still_unsynced.append(change)
            self._unsynced_changes = still_unsynced

    def lock(self, path: str, holder: str) -> File:
        with self._guard:
            self._check_running()
            place = self._place(path)
            content = (
                self._content(path)
                if place in self._directories or place in self._entries
                else self._create(place)
            )
            if content.lock_holder is not None:
                raise InUse(bytes(content.data[:1024]).decode(errors="replace").strip())
            file = _MemoryFile(self, content, path, writable=True)
            content.lock_holder = file
            try:
                # as a cut that isn't synced: the holder's name need not outlive the power
                content.data.clear()
                content.unsynced.clear()
                content.synced.clear()
                file.write(0, [holder.encode()], False)
            except OSError:
                file.close()
                raise
            return file

    def _with_renames_between(self, directories: set[str]) -> set[str]:
        """A rename is atomic: to sync it in one of its directories is to sync it in the other."""
        while True:
            found = set(directories)
            for change in self._unsynced_changes:
                if change.directories() & found:
                    found |= change.directories()
            if found == directories:
                return found
            directories = found

    def _create(self, place: str) -> _Content:
        content = self._entries[place] = _Content()
        self._unsynced_changes.append(_Change(content, None, place))
        return content

    def _check_running(self) -> None:
        if self._has_ended:
            raise OSError(errno.EIO, "this file system has lost its power or its process")

    def _content(self, path: str) -> _Content:
        place = self._place(path)
        if place in self._directories:
            raise _error(errno.EISDIR, path)
        content = self._entries.get(place)
        if content is None:
            raise _error(errno.ENOENT, path)
        return content

    def _place(self, path: str) -> str:
        """The absolute path, in a directory that is there."""
        place = os.path.abspath(path)
        self._directory(os.path.dirname(place))
        return place

    def _directory(self, path: str) -> str:
        place = os.path.abspath(path)
        if place in self._directories:
            return place
        while place not in self._directories:
            if place in self._entries:
                raise _error(errno.ENOTDIR, path)
            place = os.path.dirname(place)
        raise _error(errno.ENOENT, path)

    def _room(self) -> int | None:
        """How many bytes all files together may still grow; None for any number."""
        if self.capacity_bytes is None:
            return None
        return max(0, self.capacity_bytes - sum(len(content.data) for content in self._entries.values()))


class _MemoryFile(File):
    def __init__(self, files: MemoryFiles, content: _Content, path: str, writable: bool) -> None:
        self._files = files
        self._content = content
        self._path = path
        self._writable = writable
        self._is_closed = False

    def write(self, offset: i64, data: list[Octets], durable: bool) -> None:
        with self._files._guard:
            self._check_usable()
            if offset < 0:
                raise _error(errno.EINVAL, self._path)
            if not self._writable:
                raise _error(errno.EBADF, self._path)
            written = b"".join(data)
            room = self._files._room()
            size = len(self._content.data)
            if room is not None and written and offset + len(written) > max(size, size + room):
                self._content.write(int(offset), written[: max(0, size + room - offset)], False)
                raise _error(errno.ENOSPC, self._path)
            self._content.write(int(offset), written, durable)

    def read(self, offset: i64, size: i64) -> bytes:
        with self._files._guard:
            self._check_usable()
            if offset < 0 or size < 0:
                raise _error(errno.EINVAL, self._path)
            return bytes(self._content.data[offset : offset + size])

    def size(self) -> int:
        with self._files._guard:
            self._check_usable()
            return len(self._content.data)

    def truncate(self, size: i64) -> None:
        with self._files._guard:
            self._check_usable()
            if size < 0 or not self._writable:
                raise _error(errno.EINVAL, self._path)
            room = self._files._room()
            if room is not None and size > len(self._content.data) + room:
                raise _error(errno.ENOSPC, self._path)
            self._content.truncate(int(size))

    def check_linked(self) -> None:
        with self._files._guard:
            self._check_usable()
            place = os.path.abspath(self._path)
            if place not in self._files._entries and place not in self._files._directories:
                raise FileNotFoundError(errno.ENOENT, "the file was deleted while it was in use", self._path)

    def close(self) -> None:
        with self._files._guard:
            self._is_closed = True
            if self._content.lock_holder is self:
                self._content.lock_holder = None

    def _check_usable(self) -> None:
        if self._is_closed:
            raise _error(errno.EBADF, self._path)
        self._files._check_running()


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
            raise _error(self._error, self._path)


def _chance(random: Random) -> float:
    """How much of what is not synced is kept: often all of it or nothing, as that is what mostly happens."""
    return random.choice([0.0, 1.0, 0.5, random.random()])


def _put(target: bytearray, offset: int, data: bytes) -> None:
    if offset > len(target):
        target.extend(bytes(offset - len(target)))
    target[offset : offset + len(data)] = data


def _sector(data: bytearray, sector: int) -> bytes:
    return bytes(data[sector * SECTOR_BYTES : (sector + 1) * SECTOR_BYTES]).ljust(SECTOR_BYTES, b"\0")


def _is_among(content: _Content, contents: list[_Content]) -> bool:
    return any(content is one for one in contents)


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
