"""The way out when a log is damaged: what is damaged is copied aside, and its place is filled so that the rest is read."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from amqpd.store.files import File, Files
from amqpd.store.inspection import Stretch, Walk, damaged_header, told_end
from amqpd.store.records import (
    FILLER_MIN_BYTES,
    SEGMENT_HEADER_BYTES,
    filler,
    position_of,
    segment_header,
)
from amqpd.store.segment import GroupReader, has_group, numbers_there, segment_path

COPIED_AT_ONCE_BYTES: Final = 1 << 20
MISSING_MAX: Final = 65536
"""More missing segments than this are no gap in a log but a file that does not belong to it."""

UNFINISHED: Final = ".copying"


class CannotSetAside(Exception):
    """The log is not one that can be repaired; the message says why."""


@final
class SetAside:
    """One damaged stretch that is out of the way."""

    def __init__(self, stretch: Stretch, copy: str) -> None:
        self.stretch = stretch
        """What was replaced; nothing, if its `end` is its `offset`: then something was missing."""
        self.copy = copy
        """The file with the bytes that were there; empty if there were none."""
        self.is_header = stretch.offset == 0 and stretch.end != 0
        """Whether it was the header of a segment, with which nothing is lost."""


@final
class Repair:
    """Sets aside what is damaged in one log.

    The copy is on disk before the log is touched. Killed in the middle, it leaves the same damage or less, and
    can be run again.
    """

    def __init__(self, files: Files, directory: str, aside: str) -> None:
        """`directory` has the log, `aside` gets the copies and is made if there are any."""
        self._files = files
        self._directory = directory
        self._aside = aside
        self._done: list[SetAside] = []

    def run(self) -> list[SetAside]:
        """What was done, in the order of the log. Nobody else may use the log meanwhile.

        Raises UnknownFormat or CannotSetAside before anything is changed, or OSError.
        """
        numbers = numbers_there(self._files, self._directory)
        self._check(numbers)
        for index, number in enumerate(numbers):
            missing = range(numbers[index - 1] + 1, number) if index else range(0)
            for each in missing:
                self._replace_missing(each)
            self._mend(number, number == numbers[-1])
        return self._done

    def _check(self, numbers: list[int]) -> None:
        if numbers and numbers[-1] - numbers[0] >= len(numbers) + MISSING_MAX:
            between = f"{segment_path(self._directory, numbers[0])} and {segment_path(self._directory, numbers[-1])}"
            raise CannotSetAside(f"more than {MISSING_MAX} segments are missing between {between}")
        for number in numbers:
            path = segment_path(self._directory, number)
            file = self._files.open(path, False)
            try:
                damaged_header(file, path, number)
            finally:
                file.close()

    def _told_end(self, number: i64) -> i64:
        """Where a segment ends by what the next one says, or 0."""
        path = segment_path(self._directory, number + 1)
        if number + 1 not in numbers_there(self._files, self._directory):
            return 0
        file = self._files.open(path, False)
        try:
            return told_end(file, number + 1)
        finally:
            file.close()

    def _replace_missing(self, number: i64) -> None:
        size = max(self._told_end(number) - SEGMENT_HEADER_BYTES, FILLER_MIN_BYTES)
        path = segment_path(self._directory, number)
        file = self._files.create(path)
        try:
            start = position_of(number, SEGMENT_HEADER_BYTES)
            file.write(0, [segment_header(number), filler(start, size)], True)
        finally:
            file.close()
        self._files.sync_directory(self._directory)
        self._done.append(SetAside(Stretch(path, 0, 0, "the segment is missing"), ""))

    def _mend(self, number: i64, is_last: bool) -> None:
        path = segment_path(self._directory, number)
        ends_at = self._told_end(number)
        file = self._files.open(path, True)
        try:
            damage = damaged_header(file, path, number)
            if damage is not None and is_last and not has_group(file, number):
                # It was never finished: the next start removes it.
                return
            if damage is not None:
                copy = self._copy(file, number, damage)
                file.write(0, [segment_header(number)], True)
                self._done.append(SetAside(damage, copy))
            self._mend_groups(file, path, number, is_last, ends_at)
        finally:
            file.close()

    def _mend_groups(self, file: File, path: str, number: i64, is_last: bool, ends_at: i64) -> None:
        walk = Walk(file, path, number, is_last, SEGMENT_HEADER_BYTES, ends_at)
        while walk.next():
            damage = walk.damage
            if damage is not None:
                end = self._fill(file, number, damage)
                walk = Walk(file, path, number, is_last, end, ends_at)

    def _fill(self, file: File, number: i64, damage: Stretch) -> i64:
        """Let a filler stand where the damage is; where it ends."""
        end = end_of_filler(file, number, damage)
        replaced = Stretch(
            damage.path, damage.offset, min(end, max(file.size(), damage.offset)), damage.reason
        )
        copy = self._copy(file, number, replaced)
        file.write(damage.offset, [filler(position_of(number, damage.offset), end - damage.offset)], True)
        self._done.append(SetAside(replaced, copy))
        return end

    def _copy(self, file: File, number: i64, stretch: Stretch) -> str:
        """Copy a stretch, durably, unless that was done before: the copy's path."""
        if stretch.end == stretch.offset:
            return ""
        self._files.make_directory(self._aside)
        names = self._files.names(self._aside)
        unfinished = f"{self._aside}/{number:010d}-{stretch.offset}{UNFINISHED}"
        if f"{number:010d}-{stretch.offset}{UNFINISHED}" in names:
            self._files.remove(unfinished)
        attempt = 1
        while copy_name(number, stretch.offset, attempt) in names:
            path = f"{self._aside}/{copy_name(number, stretch.offset, attempt)}"
            if self._is_copy(path, file, stretch):
                self._files.sync_directory(self._aside)
                return path
            attempt += 1
        path = f"{self._aside}/{copy_name(number, stretch.offset, attempt)}"
        self._write_copy(unfinished, file, stretch)
        self._files.rename(unfinished, path)
        self._files.sync_directory(self._aside)
        return path

    def _write_copy(self, path: str, file: File, stretch: Stretch) -> None:
        copy = self._files.create(path)
        try:
            at = stretch.offset
            while at < stretch.end:
                data = file.read(at, min(COPIED_AT_ONCE_BYTES, stretch.end - at))
                copy.write(at - stretch.offset, [data], True)
                at += len(data)
        finally:
            copy.close()

    def _is_copy(self, path: str, file: File, stretch: Stretch) -> bool:
        """Whether the file at `path` has the same bytes as the stretch."""
        copy = self._files.open(path, False)
        try:
            if copy.size() != stretch.end - stretch.offset:
                return False
            for at in range(stretch.offset, stretch.end, COPIED_AT_ONCE_BYTES):
                size = min(COPIED_AT_ONCE_BYTES, stretch.end - at)
                if copy.read(at - stretch.offset, size) != file.read(at, size):
                    return False
            return True
        finally:
            copy.close()


def copy_name(number: i64, offset: int, attempt: int) -> str:
    """What the copy of a stretch is called; if another stretch from the same place has that name, it has a number."""
    return f"{number:010d}-{offset}{'' if attempt == 1 else f'-{attempt}'}.damaged"


def end_of_filler(file: File, number: i64, damage: Stretch) -> i64:
    """Where the filler for a damaged stretch ends: with it, or, if it is too short for one, with the next group."""
    if damage.end - damage.offset >= FILLER_MIN_BYTES:
        return damage.end
    following = GroupReader(file, number, True)
    following.offset = damage.end
    if damage.end > damage.offset and following.next():
        damage = Stretch(damage.path, damage.offset, following.offset, damage.reason)
    return max(damage.end, damage.offset + FILLER_MIN_BYTES)
