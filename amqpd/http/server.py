"""uvicorn's HTTP, without its server: no signals, no clock, no log, and connections that others have accepted."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from amqpd.http.service import OVER_UNIX_SOCKET

GOODBYE_S = 1.0
GOODBYE_CHECK_S = 0.01
IDLE_S = 60
"""So long a connection stays when its client does nothing (RabbitMQ 3.10)."""


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


class _Connection(H11Protocol):
    """One connection, which ends where the client has to go on and does not."""

    _received_bytes = 0
    _check: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        self._received_bytes += len(data)
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._check.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._check = self.loop.call_later(IDLE_S, self._end_if_idle, self._progress())

    def _end_if_idle(self, before: object) -> None:
        if self._waits_for_client() and self._progress() == before:
            self.transport.abort()
        else:
            self._wait()

    def _waits_for_client(self) -> bool:
        """Whether it must send, a request or more of one, or read what there is of an answer."""
        must_send = self.cycle is None or self.cycle.response_complete or self.cycle.more_body
        return must_send or self.transport.get_write_buffer_size() > 0

    def _progress(self) -> object:
        """What changes as a client goes on; that it sends a head, but never all of it, is nothing."""
        is_sending = self.cycle is not None and self.cycle.more_body
        received_bytes = self._received_bytes if is_sending else 0
        return self.cycle, received_bytes, self.transport.get_write_buffer_size()


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
        http=_Connection,
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
