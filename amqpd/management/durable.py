"""Waiting until what was done is on disk."""

from __future__ import annotations

import asyncio

from amqpd.broker.broker import Broker
from amqpd.errors import ResourceError
from amqpd.store.api import Waiter
from amqpd.store.journal import Journal


class _Written(Waiter):
    """Hears of it."""

    def __init__(self, is_written: asyncio.Future[bool]) -> None:
        self._is_written = is_written

    def durable(self) -> None:
        """It is on disk."""
        self._say(True)

    def failed(self) -> None:
        """It never will be, certainly."""
        self._say(False)

    def _say(self, is_written: bool) -> None:
        if not self._is_written.done():
            self._is_written.set_result(is_written)


async def until_durable(broker: Broker) -> None:
    """Wait until all changes of definitions are on disk. Raises ResourceError if that can't be."""
    journal = broker.storage.journal
    if journal is not None and journal.has_definitions():
        await _until_written(journal)


async def until_written(broker: Broker) -> None:
    """Wait until everything that was done is on disk. Raises ResourceError if that can't be."""
    journal = broker.storage.journal
    if journal is not None and journal.is_busy():
        await _until_written(journal)


async def _until_written(journal: Journal) -> None:
    is_written: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    journal.wait(_Written(is_written))
    if not await is_written:
        raise ResourceError("cannot write to the log")
