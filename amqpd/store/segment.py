"""One file of the log: writing groups at its end, reading them from its front, and judging what can't be read."""

from __future__ import annotations

from contextlib import suppress
from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64

from amqpd.store.files import File, Files
from amqpd.store.records import (
    FORMAT_VERSION,
    GROUP_HEADER_BYTES,
    GROUP_MAGIC,
    SEGMENT_HEADER_BYTES,
    group_header,
    group_is_whole,
    group_size,
    position_of,
    segment_header,
    segment_version,
)
from amqpd.wire.frames import Octets

SUFFIX: Final = ".log"

WINDOW_BYTES: Final = 1 << 20
"""How much is read at once."""

SMALL_GROUP_BYTES: Final = 65536
ZEROS_AHEAD: Final = bytes(1 << 20)
"""Written ahead of small groups: on most file systems a write that does not let the file grow is on disk sooner."""

END_MISSING: Final = "what it ended with is missing"
NO_GROUP: Final = "what should be a group is none, or its CRC is wrong"


class LogDamaged(Exception):
    """The log can't be read as it is: `path` and `offset` are where, and nothing after that is known."""

    def __init__(self, path: str, offset: i64, reason: str) -> None:
        super().__init__(f"{path} is damaged at offset {offset}: {reason}")
        self.path = path
        self.offset = int(offset)
        self.reason = reason


class UnknownFormat(Exception):
    """A log that another version has written and this one can't read."""

    def __init__(
        self, path: str, version: int, advice: str = "start the newer version that wrote it"
    ) -> None:
        super().__init__(
            f"{path} has format version {version}, and this version of amqpd knows those up to {FORMAT_VERSION}: "
            f"{advice}"
        )
        self.version = version


@final
class Segment:
    """A segment and its file, which is created with the first group; sizes in bytes."""

    def __init__(
        self,
        files: Files,
        directory: str,
        number: i64,
        size: i64,
        durable: bool = True,
        previous_size: i64 = 0,
    ) -> None:
        """`previous_size` is that of the segment before, which the header of a new one tells; 0 if there is none."""
        self.number = number
        self.path = segment_path(directory, number)
        self.size = size
        """Where the next group goes."""
        self.live: i64 = 0
        """How many bytes of it are still needed."""
        self.full_bytes: i64 = 0
        """No group is begun behind this size: zeros there would be for nobody."""
        self._files = files
        self._directory = directory
        self._durable = durable
        self._previous_size = previous_size
        self._file: File | None = None
        self._length: i64 = size
        """How far the file reaches: zeros may have been written ahead."""

    def write(self, offset: i64, written_ms: i64, records: list[Octets]) -> None:
        """Write a group; if the segment is durable, it is on disk when this returns. Raises OSError."""
        header = group_header(position_of(self.number, offset), written_ms, records)
        data: list[Octets] = [header, *records]
        if self._durable:
            self._add_zeros(offset, data)
        file = self._file
        if file is None:
            file = self._files.create(self.path)
            self._file = file
            data.insert(0, segment_header(self.number, self._previous_size))
            file.write(0, data, self._durable)
            if self._durable:
                self._files.sync_directory(self._directory)
        else:
            file.write(offset, data, self._durable)
        file.check_linked()

    def _add_zeros(self, offset: i64, data: list[Octets]) -> None:
        """Where a small group lets the file grow, let it grow further."""
        end: i64 = offset
        for piece in data:
            end += len(piece)
        if end <= self._length:
            return
        self._length = end
        ahead: i64 = min(len(ZEROS_AHEAD), self.full_bytes - end)
        if ahead > 0 and end - offset <= SMALL_GROUP_BYTES:
            data.append(ZEROS_AHEAD[:ahead])
            self._length = end + ahead

    def reader(self) -> File:
        """Its file, to read from. Raises OSError."""
        if self._file is None:
            self._file = self._files.open(self.path, False)
        return self._file

    def close(self) -> None:
        """Give the file back; the next `reader` opens it again."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Delete the file; if the segment is durable, that is on disk when this returns. Raises OSError."""
        self.close()
        with suppress(FileNotFoundError):
            self._files.remove(self.path)
        if self._durable:
            self._files.sync_directory(self._directory)


@final
class GroupReader:
    """Reads the groups of a segment's file one after the other.

    After `next` was true, the group's records are `data[start:end]`, and `position` and `written_ms` are its
    own. After it was false, `offset` is where no group was found.
    """

    def __init__(self, file: File, number: i64, check: bool) -> None:
        """`check` compares the CRC of each group, too. Raises OSError."""
        self.data = b""
        self.start: i64 = 0
        self.end: i64 = 0
        self.position: i64 = 0
        self.written_ms: i64 = 0
        self.offset: i64 = SEGMENT_HEADER_BYTES
        self.last_offset: i64 = 0
        """Where the last group begins, or 0, where the file begins, as long as there was no other."""
        self.file_size: i64 = file.size()
        self._file = file
        self._number = number
        self._check = check
        self._base: i64 = 0

    def next(self) -> bool:
        """Step to the next group. Raises OSError."""
        position = position_of(self._number, self.offset)
        at = self._at(GROUP_HEADER_BYTES)
        size = group_size(self.data, at, position)
        if size < 0 or self.offset + GROUP_HEADER_BYTES + size > self.file_size:
            return False
        at = self._at(GROUP_HEADER_BYTES + size)
        if self._check and not group_is_whole(self.data, at, size):
            return False
        if self.position:
            self.last_offset = self.offset
        self.position = position
        self.written_ms = read_i64_le(self.data, at + 24)
        self.start = at + GROUP_HEADER_BYTES
        self.end = self.start + size
        self.offset += GROUP_HEADER_BYTES + size
        return True

    def record_position(self, at: i64) -> i64:
        """The position of the record at `data[at:]`."""
        return position_of(self._number, self._base + at)

    def bytes_left(self) -> i64:
        """How many bytes follow, not counting the zeros at the end of the file. Raises OSError."""
        left: i64 = 0
        at = self.offset
        while at < self.file_size:
            data = self._file.read(at, WINDOW_BYTES)
            stripped: i64 = len(data.rstrip(b"\x00"))
            if stripped:
                left = at + stripped - self.offset
            at += len(data)
        return left

    def find_next(self) -> i64:
        """The offset of the next group behind `offset` that is whole, or -1 if there is none. Raises OSError."""
        at: i64 = self.offset + 1
        while at < self.file_size:
            data = self._file.read(at, WINDOW_BYTES)
            found: i64 = data.find(GROUP_MAGIC)
            if found < 0:
                at += max(len(data) - len(GROUP_MAGIC) + 1, 1)
                continue
            at += found
            if self._is_group(at):
                return at
            at += 1
        return -1

    def _is_group(self, offset: i64) -> bool:
        head = self._file.read(offset, GROUP_HEADER_BYTES)
        size = group_size(head, 0, position_of(self._number, offset))
        if size < 0 or offset + GROUP_HEADER_BYTES + size > self.file_size:
            return False
        return group_is_whole(self._file.read(offset, GROUP_HEADER_BYTES + size), 0, size)

    def _at(self, needed: i64) -> i64:
        """Where in `data` the next group begins, once so many bytes of it are there, or all there are."""
        at = self.offset - self._base
        if at + needed > len(self.data):
            self._base = self.offset
            self.data = self._file.read(self.offset, max(needed, WINDOW_BYTES))
            at = 0
        return at


def check_segment_header(file: File, path: str, number: i64) -> None:
    """Raise UnknownFormat for a segment of another format, LogDamaged for a file that begins as no segment does."""
    version = segment_version(file.read(0, SEGMENT_HEADER_BYTES), number)
    if version == 0:
        raise LogDamaged(path, 0, "it does not begin with the header of a segment")
    if version != FORMAT_VERSION:
        raise UnknownFormat(path, version)


def has_group(file: File, number: i64) -> bool:
    """Whether any group of a segment is whole. Raises OSError."""
    reader = GroupReader(file, number, True)
    return reader.next() or reader.find_next() >= 0


def segment_path(directory: str, number: i64) -> str:
    """Where a segment's file is."""
    return f"{directory}/{number:010d}{SUFFIX}"


def numbers_there(files: Files, directory: str) -> list[int]:
    """The numbers of the segments in a directory, in order. Raises OSError."""
    stems = [name[: -len(SUFFIX)] for name in files.names(directory) if name.endswith(SUFFIX)]
    return sorted([int(stem) for stem in stems if stem.isdecimal() and f"{int(stem):010d}" == stem])


def segment_numbers(files: Files, directory: str) -> list[int]:
    """The numbers of the segments in a directory, in order. Raises LogDamaged if one between two others is missing."""
    numbers = numbers_there(files, directory)
    for index in range(1, len(numbers)):
        if numbers[index] != numbers[index - 1] + 1:
            missing = segment_path(directory, numbers[index - 1] + 1)
            raise LogDamaged(missing, 0, "the segment is missing")
    return numbers
