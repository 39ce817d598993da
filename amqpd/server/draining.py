"""What clients have asked for is answered before the broker says goodbye to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from amqpd.protocol.connection import Connection
from amqpd.store.api import Waiter
from amqpd.store.journal import Journal


class _Written(Waiter):
    """Hears of a group."""

    def __init__(self, is_over: asyncio.Future[None]) -> None:
        self._is_over = is_over

    def durable(self) -> None:
        """It is on disk."""
        self._say()

    def failed(self) -> None:
        """It never will be, and whoever has waited for it was told so."""
        self._say()

    def _say(self) -> None:
        if not self._is_over.done():
            self._is_over.set_result(None)


async def until_answered(journal: Journal | None, connections: Iterable[Connection]) -> None:
    """Wait until what these connections have published is on disk, and confirmed; they must not read any more."""
    waiting = list(connections)
    while journal is not None and (waiting := [each for each in waiting if each.waits_for_log()]):
        is_over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        journal.wait(_Written(is_over))
        await is_over
