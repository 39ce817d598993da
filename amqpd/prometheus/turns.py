"""Work in small pieces: everybody else has a turn between two of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from types import TracebackType

LONGEST_S = 0.004
"""How long a piece may take before others have their turn."""


class Turns:
    """Shared by all who scrape: however many there are, no more than one piece is done in a turn of the event loop."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    def take(self) -> Turn:
        """One's own turns, in an `async with` block, in which nobody else works but between them."""
        return Turn(self._lock)


class Turn:
    """The turns of one who scrapes."""

    def __init__(self, lock: asyncio.Lock) -> None:
        self._lock = lock
        self._has_begun = False
        self._ends_s = 0.0

    async def __aenter__(self) -> Turn:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    async def _begin(self) -> None:
        await self._lock.acquire()
        self._has_begun = True
        self._ends_s = time.monotonic() + LONGEST_S

    def _end(self) -> None:
        # Whoever was cancelled while it was another's turn has nothing to give back.
        if self._has_begun:
            self._has_begun = False
            self._lock.release()

    async def others_too(self) -> None:
        """Let others have their turn, if this one has been long enough."""
        if time.monotonic() >= self._ends_s:
            self._end()
            await asyncio.sleep(0)
            await self._begin()

    async def meanwhile(self, waiting: Awaitable[None]) -> None:
        """Wait for something else, while others may work."""
        self._end()
        await waiting
        await self._begin()
