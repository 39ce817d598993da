"""uvicorn's HTTP, without its server: no signals, no clock, no log, and connections that others have accepted."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from amqpd.http.service import OVER_UNIX_SOCKET

GOODBYE_S = 1.0
GOODBYE_CHECK_S = 0.01
IDLE_S = 60


class HttpServer:
    """Answers requests to one application, on as many connections as there are."""

    def __init__(self, application: ASGIApp) -> None:
        logging.getLogger("uvicorn").setLevel(logging.ERROR)
        self._remote = _config(application)
        self._local = _config(_Local(application))
        self._state = ServerState()
        self._state.default_headers = self._remote.encoded_headers

    def protocol(self) -> asyncio.Protocol:
        """What answers on one more connection."""
        return self._protocol(self._remote)

    def local_protocol(self) -> asyncio.Protocol:
        """The same over a UNIX socket, which is in the scope of its requests."""
        return self._protocol(self._local)

    def _protocol(self, config: uvicorn.Config) -> asyncio.Protocol:
        make = cast(Any, config.http_protocol_class)
        protocol: asyncio.Protocol = make(config=config, server_state=self._state, app_state={})
        return protocol

    async def stop(self) -> None:
        """Answer what was asked, for a short while, and end all connections."""
        for connection in list(self._state.connections):
            connection.shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                while self._state.connections or self._state.tasks:
                    await asyncio.sleep(GOODBYE_CHECK_S)
        for task in list(self._state.tasks):
            task.cancel()
        for connection in list(self._state.connections):
            connection.transport.abort()


class _Local:
    """Says of every request that it came over a UNIX socket, which nothing in a request can."""

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[OVER_UNIX_SOCKET] = True
        await self._application(scope, receive, send)


def _config(application: ASGIApp) -> uvicorn.Config:
    config = uvicorn.Config(
        application,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        headers=[("server", "amqpd")],
        timeout_keep_alive=IDLE_S,
    )
    config.load()
    return config
