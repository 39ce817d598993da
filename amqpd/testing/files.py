"""A file system in memory, for tests, that can lose its power."""

from __future__ import annotations

import errno
import os
from random import Random
from threading import RLock

from mypy_extensions import i64

from amqpd.store.files import File, Files, InUse
from amqpd.testing.file_content import FileContent, chance_of_keeping
from amqpd.wire.frames import Octets


class _Change:
    """Of directory entries: created (no old path), removed (no new path) or renamed."""

    def __init__(self, content: FileContent, old_path: str | None, new_path: str | None) -> None:
        self.content = content
        self.old_path = old_path
        self.new_path = new_path

    def directories(self) -> set[str]:
        return {os.path.dirname(path) for path in (self.old_path, self.new_path) if path is not None}

    def apply(self, entries: dict[str, FileContent], kept: list[FileContent]) -> None:
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
        self._entries: dict[str, FileContent] = {}
        self._synced_entries: dict[str, FileContent] = {}
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
            chance = chance_of_keeping(random)
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
            copies: dict[int, FileContent] = {}

            def copied(content: FileContent) -> FileContent:
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
                    raise os_error(errno.ENOTDIR if missing else errno.EEXIST, path)
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
                raise os_error(errno.EEXIST, path)
            return MemoryFile(self, self._create(place), path, writable=True)

    def open(self, path: str, writable: bool) -> File:
        with self._guard:
            self._check_running()
            return MemoryFile(self, self._content(path), path, writable)

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
                raise os_error(errno.EISDIR, new_path)
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
            file = MemoryFile(self, content, path, writable=True)
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

    def _create(self, place: str) -> FileContent:
        content = self._entries[place] = FileContent()
        self._unsynced_changes.append(_Change(content, None, place))
        return content

    def _check_running(self) -> None:
        if self._has_ended:
            raise OSError(errno.EIO, "this file system has lost its power or its process")

    def _content(self, path: str) -> FileContent:
        place = self._place(path)
        if place in self._directories:
            raise os_error(errno.EISDIR, path)
        content = self._entries.get(place)
        if content is None:
            raise os_error(errno.ENOENT, path)
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
                raise os_error(errno.ENOTDIR, path)
            place = os.path.dirname(place)
        raise os_error(errno.ENOENT, path)

    def _room(self) -> int | None:
        """How many bytes all files together may still grow; None for any number."""
        if self.capacity_bytes is None:
            return None
        return max(0, self.capacity_bytes - sum(len(content.data) for content in self._entries.values()))


class MemoryFile(File):
    """An open file of `MemoryFiles`."""

    def __init__(self, files: MemoryFiles, content: FileContent, path: str, writable: bool) -> None:
        self._files = files
        self._content = content
        self._path = path
        self._writable = writable
        self._is_closed = False

    def write(self, offset: i64, data: list[Octets], durable: bool) -> None:
        with self._files._guard:
            self._check_usable()
            if offset < 0:
                raise os_error(errno.EINVAL, self._path)
            if not self._writable:
                raise os_error(errno.EBADF, self._path)
            written = b"".join(data)
            room = self._files._room()
            size = len(self._content.data)
            if room is not None and written and offset + len(written) > max(size, size + room):
                self._content.write(int(offset), written[: max(0, size + room - offset)], False)
                raise os_error(errno.ENOSPC, self._path)
            self._content.write(int(offset), written, durable)

    def read(self, offset: i64, size: i64) -> bytes:
        with self._files._guard:
            self._check_usable()
            if offset < 0 or size < 0:
                raise os_error(errno.EINVAL, self._path)
            return bytes(self._content.data[offset : offset + size])

    def size(self) -> int:
        with self._files._guard:
            self._check_usable()
            return len(self._content.data)

    def truncate(self, size: i64) -> None:
        with self._files._guard:
            self._check_usable()
            if size < 0 or not self._writable:
                raise os_error(errno.EINVAL, self._path)
            room = self._files._room()
            if room is not None and size > len(self._content.data) + room:
                raise os_error(errno.ENOSPC, self._path)
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
            raise os_error(errno.EBADF, self._path)
        self._files._check_running()


def _is_among(content: FileContent, contents: list[FileContent]) -> bool:
    return any(content is one for one in contents)


def os_error(number: int, path: str) -> OSError:
    """As the operating system would raise it."""
    return OSError(number, os.strerror(number), path)
