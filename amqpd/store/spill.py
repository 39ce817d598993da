"""Where messages go that memory has no room for and no restart has to bring back: a log that never waits for the disk."""

from __future__ import annotations

from typing import Final, final

from amqpd.message import Message
from amqpd.store.api import Group
from amqpd.store.files import Files
from amqpd.store.log import SegmentLog
from amqpd.store.queue_index import QueueIndex
from amqpd.store.reclaimer import Reclaimer
from amqpd.store.records import OFFSET_BITS, begin_message, write_holder, write_message_content

FIRST_NUMBER: Final = 1 << 28
SPILLED: Final = FIRST_NUMBER << OFFSET_BITS
"""Positions from here on are in the spill, those below in the log."""


TRIMMED_STEPS: Final = 16


@final
class Spill:
    """A directory that is emptied when it is opened."""

    def __init__(
        self, files: Files, directory: str, segment_bytes: int, indexes: dict[int, QueueIndex]
    ) -> None:
        """`indexes` are those of all queues by their id, and kept so by whoever owns them. Raises OSError."""
        files.make_directory(directory)
        for name in files.names(directory):
            files.remove(f"{directory}/{name}")
        self.log = SegmentLog(files, directory, segment_bytes, FIRST_NUMBER, False)
        self._reclaimer = Reclaimer(self.log, indexes)

    def write(self, index: QueueIndex, queue_positions: list[int], messages: list[Message]) -> list[int]:
        """Write messages of one queue: their positions, here. Raises OSError or CannotRead: nothing was written."""
        group = self.log.begin(0)
        positions: list[int] = []
        for number, message in enumerate(messages):
            positions.append(int(group.next_position()))
            size = begin_message(group.records.writer, message, 1)
            write_holder(group.records.writer, index.id, queue_positions[number])
            write_message_content(group.records, message)
            self.log.retain(positions[number], size)
        self._write(group)
        return positions

    def _write(self, group: Group) -> None:
        self._reclaimer.step(group)
        if not group.is_empty():
            self.log.append(group)
            group.write()
            self.log.wrote(group)
        self._reclaimer.wrote()

    def trim(self) -> None:
        """Give back the disk space of what is not needed any more. Raises OSError or CannotRead."""
        for _ in range(TRIMMED_STEPS):
            if not self._reclaimer.is_busy():
                self.log.remove_dead()
                if not self.log.wants_cut():
                    break
            self._write(self.log.begin(0))

    def close(self) -> None:
        """Give the files back."""
        self.log.close()
