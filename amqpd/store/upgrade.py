"""A log that an older version has written becomes one of today's format, before it is read."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from amqpd.store.files import File, Files
from amqpd.store.records import (
    FORMAT_VERSION,
    SEGMENT_HEADER_BYTES,
    previous_size,
    segment_header,
    segment_version,
)
from amqpd.store.segment import LogDamaged, UnknownFormat, has_group, numbers_there, segment_path

NEW: Final = ".upgraded"
"""Comes behind the name of a segment that is being rewritten, and before the number of its version."""

COPIED_AT_ONCE_BYTES: Final = 1048576


@mypyc_attr(allow_interpreted_subclasses=True)
class Step:
    """From one format version to the next."""

    def rewrite(self, old: File, new: File, number: i64) -> None:
        """Write the segment in `old`, with this number, into the empty file `new`, header and all.

        Nothing in a log refers to an offset in another group, so that sizes may change. Raises OSError.
        """
        raise NotImplementedError


@final
class FromOne(Step):
    """What version 1 has is the same in version 2: new are records, flags of messages and fields of definitions."""

    def rewrite(self, old: File, new: File, number: i64) -> None:
        """Write another header, and copy what follows."""
        header = segment_header(number, previous_size(old.read(0, SEGMENT_HEADER_BYTES)))
        new.write(0, [header], False)
        at: i64 = SEGMENT_HEADER_BYTES
        size: i64 = old.size()
        while at < size:
            data = old.read(at, COPIED_AT_ONCE_BYTES)
            new.write(at, [data], False)
            at += len(data)


UPGRADES: Final[dict[int, Step]] = {1: FromOne()}
"""The steps that there are, by the version that they lead from."""


def upgrade(
    files: Files, directory: str, steps: dict[int, Step] = UPGRADES, version: int = FORMAT_VERSION
) -> None:
    """Bring every segment of a log to a format version; a log that has it already is left alone.

    All rewritten segments are on disk before the first takes its place: if there is no room for them, the log
    is what it was. Killed in the middle, it can be run again. Raises UnknownFormat, before anything is changed, if
    a segment is newer or a step is missing; LogDamaged if a segment's version can't be told from its header, and
    others have to be upgraded; OSError.
    """
    Upgrade(files, directory, steps, version).run()


@final
class Upgrade:
    """One log on its way to a version."""

    def __init__(self, files: Files, directory: str, steps: dict[int, Step], version: int) -> None:
        self._files = files
        self._directory = directory
        self._steps = steps
        self._version = version

    def run(self) -> None:
        """Do it."""
        self._remove_unfinished()
        older = self._older()
        for number, old_version in older.items():
            self._rewrite(number, old_version)
        if older:
            self._files.sync_directory(self._directory)
        for number in older:
            path = segment_path(self._directory, number)
            self._files.rename(f"{path}{NEW}{self._version}", path)
        # Also if there was nothing to do: an upgrade may have been killed right before this.
        self._files.sync_directory(self._directory)

    def _remove_unfinished(self) -> None:
        """Remove what an upgrade has left that was killed."""
        for name in self._files.names(self._directory):
            if f".log{NEW}" in name:
                self._files.remove(f"{self._directory}/{name}")

    def _older(self) -> dict[int, int]:
        """The version of every segment that has to be rewritten, by its number."""
        older: dict[int, int] = {}
        damaged = ""
        numbers = numbers_there(self._files, self._directory)
        for number in numbers:
            path = segment_path(self._directory, number)
            version = self._version_of(path, number, number == numbers[-1])
            if version > self._version:
                raise UnknownFormat(path, version)
            if version == 0:
                damaged = damaged or path
            elif 0 < version < self._version:
                self._check_steps(path, version)
                older[number] = version
        if older and damaged:
            raise LogDamaged(damaged, 0, "it does not begin with the header of a segment")
        return older

    def _version_of(self, path: str, number: int, is_last: bool) -> int:
        """The format version of a segment; 0 if its header is damaged, -1 if it was never finished."""
        file = self._files.open(path, False)
        try:
            version = segment_version(file.read(0, SEGMENT_HEADER_BYTES), number)
            if version == 0 and is_last and not has_group(file, number):
                return -1
            return version
        finally:
            file.close()

    def _check_steps(self, path: str, version: int) -> None:
        for each in range(version, self._version):
            if each not in self._steps:
                raise UnknownFormat(
                    path,
                    version,
                    f"it can't upgrade from {each} to {each + 1}: start a version in between first",
                )

    def _rewrite(self, number: int, version: int) -> None:
        """Take a segment through all steps, each into a file of its own; only the last of them stays."""
        path = segment_path(self._directory, number)
        source = path
        for each in range(version, self._version):
            target = f"{path}{NEW}{each + 1}"
            self._take_step(self._steps[each], source, target, number)
            if source != path:
                self._files.remove(source)
            source = target

    def _take_step(self, step: Step, source: str, target: str, number: int) -> None:
        old = self._files.open(source, False)
        try:
            new = self._files.create(target)
            try:
                step.rewrite(old, new, number)
                new.truncate(new.size())  # which makes all of it durable
            finally:
                new.close()
        finally:
            old.close()
