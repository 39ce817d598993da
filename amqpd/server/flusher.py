"""Writes the log's groups in a thread of its own: while one is on its way to the disk, the next one fills."""

from __future__ import annotations

import asyncio
import threading
import time
from queue import SimpleQueue

from amqpd.store.api import Flusher, Group
from amqpd.store.journal import Journal

LAZY_S = 0.01
"""How long what nobody waits for, such as acknowledgements, may wait to share a group with something else."""


class FlusherThread(Flusher):
    """Forms groups in the event loop and hands them, one at a time, to a thread that blocks."""

    def __init__(self, journal: Journal) -> None:
        """Start it, in the running event loop; `stop` it when everything is done."""
        self._journal = journal
        self._loop = asyncio.get_running_loop()
        self._groups: SimpleQueue[Group | None] = SimpleQueue()
        self._is_writing = False
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._thread = threading.Thread(target=self._write, name="amqpd log", daemon=True)
        self._thread.start()
        journal.flusher = self
        self._go_on()

    def wake(self, soon: bool) -> None:
        """Form a group at the end of this turn of the loop, or when it suits."""
        if self._is_writing:
            return
        if not soon:
            if self._later is None:
                self._later = self._loop.call_later(LAZY_S, self._form)
        elif self._soon is None:
            self._soon = self._loop.call_soon(self._form)

    def _form(self) -> None:
        self._forget_handles()
        if self._is_writing:
            return
        group = self._journal.form_group()
        if group is not None:
            self._is_writing = True
            self._idle.clear()
            self._groups.put(group)
        else:
            self._go_on()

    def _forget_handles(self) -> None:
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()
        self._soon = None
        self._later = None

    def _write(self) -> None:
        """What the thread does."""
        while (group := self._groups.get()) is not None:
            error: Exception | None = None
            began_s = time.perf_counter()
            try:
                group.write()
            except Exception as raised:
                error = raised
            writing_s = time.perf_counter() - began_s
            self._loop.call_soon_threadsafe(self._written, group, error, writing_s)

    def _written(self, group: Group, error: Exception | None, writing_s: float) -> None:
        self.groups_written += 1
        self.writing_s += writing_s
        self._is_writing = False
        self._idle.set()
        if error is None:
            self._journal.wrote(group)
        else:
            self._journal.fail(group, error)
        self._go_on()

    def _go_on(self) -> None:
        if self._journal.wants_group():
            self.wake(self._journal.is_urgent())

    async def stop(self) -> None:
        """Write everything that is left, and end the thread."""
        self._journal.stop_reclaiming()
        while self._is_writing or self._journal.wants_group():
            if not self._is_writing:
                self._form()
            await self._idle.wait()
        self._forget_handles()
        self._groups.put(None)
        self._thread.join()
