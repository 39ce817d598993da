"""The seam between the broker and what makes its state last: an ordered log of records, written in groups.

tests/store/test_log_seam.py is the definition of this interface as tests; every implementation passes it.
"""

from __future__ import annotations

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from amqpd.store.records import GROUP_HEADER_BYTES
from amqpd.wire.frames import Output


@mypyc_attr(allow_interpreted_subclasses=True)
class Waiter:
    """Whoever must not answer before what it did is on disk."""

    def group_formed(self) -> None:
        """All that was done until now is in the group that is being written, or in one before."""

    def durable(self) -> None:
        """That group is on disk."""
        raise NotImplementedError

    def failed(self) -> None:
        """That group may not be on disk, and never will be certainly."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Group:
    """Records that become durable together or not at all.

    Records are appended to `records` until the group is handed to `Log.append`; `written_ms` is its time, in
    milliseconds since 1970.
    """

    def __init__(self, position: i64, written_ms: i64, first_in_segment: bool) -> None:
        self.position = position
        """Where the group begins."""
        self.written_ms = written_ms
        self.first_in_segment = first_in_segment
        """Whether a snapshot of the definitions must come first, because the log may be cut here."""
        self.snapshot_bytes: i64 = 0
        """How much of it is the snapshot."""
        self.records = Output()
        self.waiters: list[Waiter] = []

    def next_position(self) -> i64:
        """Where the next record will be."""
        return self.position + GROUP_HEADER_BYTES + self.records.size()

    def writer(self) -> BytesWriter:
        """Where the next record is appended to."""
        return self.records.writer

    def is_empty(self) -> bool:
        """Whether nothing was appended."""
        return self.records.size() == 0

    def write(self) -> None:
        """Make the group durable; may block, and is called in a thread of its own. Raises OSError."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Replay:
    """Hears what is in a log, in order. `data` is good only during the call."""

    def segment(self, position: i64) -> None:
        """A segment begins."""

    def message(self, position: i64, data: bytes, at: i64) -> None:
        """A message record, at `data[at:]`."""

    def definition(self, definition: bytes) -> None:
        """A change of definitions, as it was written."""

    def snapshot(self, definition: bytes) -> None:
        """Part of the definitions as they were when a segment began."""

    def included(self, definition: bytes) -> None:
        """A change of definitions that the snapshot right before it includes."""

    def progress(self, data: bytes, at: i64) -> None:
        """A progress record, at `data[at:]`."""

    def counts(self, data: bytes, at: i64) -> None:
        """A counts record, at `data[at:]`."""

    def gap(self, position: i64) -> None:
        """Something is missing here: what was damaged was set aside."""


class CannotRead(Exception):
    """A record that should be in the log can't be read; the message says where and why."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Log:
    """An ordered sequence of records that grows at its end and is cut at its front.

    One group at a time: `begin`, fill it, `append`, write it (elsewhere), `wrote`.
    """

    def begin(self, written_ms: i64) -> Group:
        """A group to fill, at the end of the log; one that stays empty is not appended."""
        raise NotImplementedError

    def append(self, group: Group) -> None:
        """The group is complete: its records have the positions they were told, and `group.write` may be called."""
        raise NotImplementedError

    def wrote(self, group: Group) -> None:
        """`group.write` has returned: what it holds can be read and is durable."""
        raise NotImplementedError

    def is_durable(self, position: i64) -> bool:
        """Whether the record at this position has been written."""
        raise NotImplementedError

    def read(self, position: i64, size: i64) -> bytes:
        """Up to `size` bytes from a record that is durable, and what follows it in its segment; fewer at the end.

        Raises CannotRead.
        """
        raise NotImplementedError

    def replay(self, replay: Replay) -> None:
        """Tell everything that is in the log, from its front to its end; before anything is appended."""
        raise NotImplementedError

    def retain(self, position: i64, size: i64) -> None:
        """So many more bytes of the record at this position are needed."""
        raise NotImplementedError

    def release(self, position: i64, size: i64) -> None:
        """So many bytes of the record at this position are not needed any more."""
        raise NotImplementedError

    def wants_cut(self) -> bool:
        """Whether the log has grown so large, for what it keeps alive, that its front should go."""
        raise NotImplementedError

    def is_needed(self, position: i64) -> bool:
        """Whether anything of the segment at this position is needed."""
        raise NotImplementedError

    def front(self) -> tuple[int, int]:
        """Where the oldest segment begins, and where it ends."""
        raise NotImplementedError

    def cut(self, before: i64) -> None:
        """Segments that end before this position, or there, are not needed: they go when the next group is durable."""
        raise NotImplementedError

    def has_leftovers(self) -> bool:
        """Whether something that was cut waits for the next group, to go with it."""
        return False

    def close(self) -> None:
        """Give everything back; nothing more is written or read."""
        raise NotImplementedError


@mypyc_attr(allow_interpreted_subclasses=True)
class Flusher:
    """Whoever forms groups and has them written; the shell's is a thread, a test's does it when told."""

    groups_written: int = 0
    writing_s: float = 0.0
    """How long it took until those were on disk, all together."""

    def wake(self, soon: bool) -> None:
        """There is something to write: `soon` if somebody waits for it, else when it suits."""
