"""A whole broker in memory that has a disk, in memory as well: it can be restarted, killed, and lose its power."""

from __future__ import annotations

import random
from pathlib import Path

from amqpd.app import make_broker
from amqpd.broker.broker import Broker
from amqpd.durability import CannotStart, DataDirectory
from amqpd.protocol.parameters import Parameters
from amqpd.store.api import Group
from amqpd.store.files import Files
from amqpd.store.journal import Journal
from amqpd.testing.files import MemoryFiles
from amqpd.testing.memory import MemoryBroker

DATA_DIRECTORY = Path("/data")


class DurableBroker(MemoryBroker):
    """A `MemoryBroker` with a data directory.

    What its peers send is on disk when it is worked through, unless `flushes` is set to False: then nothing is
    written, nor answered that waits for the disk, before `flush`.
    """

    def __init__(
        self,
        files: Files | None = None,
        *,
        segment_bytes: int = 65536,
        memory_bytes: int = 134217728,
        parameters: Parameters | None = None,
    ) -> None:
        """Start on a disk, an empty one unless told. Raises CannotStart."""
        self.files = files or MemoryFiles()
        self.segment_bytes = segment_bytes
        self.memory_bytes = memory_bytes
        self.flushes = True
        super().__init__(parameters)
        self.groups = 0
        """How many groups were written since the start."""

    def make_broker(self) -> Broker:
        """A broker with everything that the disk has."""
        self._directory = DataDirectory(
            self.files, DATA_DIRECTORY, segment_bytes=self.segment_bytes, memory_bytes=self.memory_bytes
        )
        try:
            storage = self._directory.open(self.clock, self.events)
            broker = make_broker(self.clock, self.events, storage)
            self._directory.recover(broker, self.users, self.events)
        except CannotStart:
            self._directory.close()
            raise
        return broker

    @property
    def journal(self) -> Journal:
        """What collects everything durable until it is flushed."""
        journal = self.broker.storage.journal
        assert journal is not None
        return journal

    def settle(self) -> None:
        """What a peer has sent is worked through."""
        if self.flushes:
            self.flush()

    def flush(self) -> None:
        """Write everything that waits, and tell whoever waits for it; an error on the way is the journal's to know."""
        while self.journal.wants_group():
            group = self.journal.form_group()
            if group is not None:
                self._write(group)

    def _write(self, group: Group) -> None:
        self.groups += 1
        try:
            group.write()
        except OSError as error:
            self.journal.fail(group, error)
        else:
            self.journal.wrote(group)

    def restart(self) -> DurableBroker:
        """Stop in peace: connections are closed, and everything is written; then a new broker on the same disk."""
        for peer in self.peers:
            peer.disconnect()
        self.flush()
        self.stop()
        return self._on(self.files)

    def stop(self) -> None:
        """Give the data directory back."""
        self.broker.storage.close()
        self._directory.close()

    def kill(self) -> DurableBroker:
        """End in the middle of whatever it is; then a new broker on what the operating system has of the disk."""
        return self._on(self.memory_files.process_death())

    def lose_power(self, seed: int = 0) -> DurableBroker:
        """End, and lose whatever was not synced, or some of it; then a new broker on what is left."""
        return self._on(self.memory_files.power_loss(random.Random(seed)))

    @property
    def memory_files(self) -> MemoryFiles:
        """The disk, if it is one in memory."""
        assert isinstance(self.files, MemoryFiles)
        return self.files

    def _on(self, files: Files) -> DurableBroker:
        return DurableBroker(
            files,
            segment_bytes=self.segment_bytes,
            memory_bytes=self.memory_bytes,
            parameters=self.parameters,
        )
