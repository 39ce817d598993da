"""The API on sockets: uvicorn in the broker's event loop, with no signals and no clock of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator, Sequence

import uvicorn

from amqpd.management.application import Application
from amqpd.management.site import Site

GOODBYE_S = 1
IDLE_S = 60


class _Server(uvicorn.Server):
    """Leaves signals to the application, and sleeps until it is to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ends = asyncio.Event()
        self.begun = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield

    async def main_loop(self) -> None:
        """Nothing is to be done ten times a second."""
        self.server_state.default_headers = self.config.encoded_headers
        self.begun.set()
        await self.ends.wait()


class ManagementServer:
    """Serves the API until it is stopped."""

    def __init__(self, site: Site, sockets: Sequence[socket.socket]) -> None:
        """The sockets are bound, and may listen already."""
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        config = uvicorn.Config(
            Application(site),
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            headers=[("server", "amqpd")],
            timeout_keep_alive=IDLE_S,
            timeout_graceful_shutdown=GOODBYE_S,
        )
        self._server = _Server(config)
        self._sockets = list(sockets)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when requests are answered."""
        self._task = asyncio.create_task(self._server.serve(self._sockets))
        await self._server.begun.wait()

    async def stop(self) -> None:
        """Answer what was asked, for a short while, and end."""
        self._server.ends.set()
        if self._task is not None:
            await self._task
