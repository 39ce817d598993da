"""A web application beside the broker: its sockets are there at once, what answers on them when it is imported."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from amqpd.events import Events
from amqpd.server.accepting import Acceptor
from amqpd.server.tcp_sockets import BACKLOG, ListenError, listening_sockets
from amqpd.server.tls import Tls, TlsOptions
from amqpd.server.unix_sockets import UnixListener

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from amqpd.http.server import HttpServer

OVER_UNIX_SOCKET = "amqpd.over_unix_socket"
"""In the scope of a request that came over a UNIX socket."""

Load = Callable[[], "Callable[[], ASGIApp]"]
"""Imports what the application needs, in a thread, and returns what makes it, in the event loop."""


class HttpService:
    """Listens from the beginning, and answers a little later: the broker does not wait for it.

    What answers is imported at once where it listens on TCP, and upon the first connection where there is nothing but
    a UNIX socket. The system keeps those who connect before that.
    """

    def __init__(self, name: str, events: Events, load: Load, *, suffix: str = "") -> None:
        """`name` is for the log: `the management API`; `suffix` what its protocol has behind http in lists of listeners."""
        self._name = name
        self._suffix = suffix
        self._events = events
        self._load = load
        self._listening: list[tuple[socket.socket, Tls | None]] = []
        self._unix_listeners: list[UnixListener] = []
        self._servers: list[asyncio.Server | Acceptor] = []
        self._loading: asyncio.Task[HttpServer] | None = None
        self._watched: list[socket.socket] = []
        self.addresses: list[tuple[str, int]] = []
        """Where it listens for HTTP."""
        self.tls_addresses: list[tuple[str, int]] = []
        """Where it listens for HTTPS."""

    # Listening

    def listen(self, hosts: Sequence[str], port: int, tls: Tls | None = None) -> None:
        """Listen on every host, from now on. Raises ListenError; IPv6 is passed over on machines that have none."""
        try:
            sockets = listening_sockets(hosts, port)
        except ListenError:
            self.close()
            raise
        self._listening += [(listening, tls) for listening in sockets]
        taken = self.addresses if tls is None else self.tls_addresses
        taken += [listening.getsockname()[:2] for listening in sockets]

    def listen_unix(self, path: Path, mode: int) -> None:
        """Listen on a UNIX socket, whose file gets this mode. Raises OSError."""
        listener = UnixListener(path, mode)
        listener.socket.listen(BACKLOG)
        self._unix_listeners.append(listener)

    def listening(self) -> list[tuple[str, str, int, Tls | None]]:
        """Protocol, host and port of every address that it listens on, and the certificates if it is HTTPS."""
        plain = [("http" + self._suffix, host, port, None) for host, port in self.addresses]
        tls = next((tls for _listener, tls in self._listening if tls is not None), None)
        return plain + [("https" + self._suffix, host, port, tls) for host, port in self.tls_addresses]

    def prepare_certificates(self, options: Mapping[str, TlsOptions]) -> list[Callable[[], None]]:
        """Read the files with certificates again, those that the options name, which are by what their keys begin with.

        What it returns gives them to new connections. Raises TlsError.
        """
        used = {id(tls): tls for _listener, tls in self._listening if tls is not None}
        return [tls.prepare(self._events, options.get(tls.options.keys)) for tls in used.values()]

    # Serving

    def start(self) -> None:
        """Begin to serve."""
        if self._listening:
            self._begin()
            return
        loop = asyncio.get_running_loop()
        for listener in self._unix_listeners:
            loop.add_reader(listener.socket, self._begin)
            self._watched.append(listener.socket)

    async def ready(self) -> None:
        """Return when requests are answered. Raises what has kept it from that."""
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[HttpServer]:
        self._watch_no_more()
        if self._loading is None:
            self._loading = asyncio.create_task(self._serve())
            self._loading.add_done_callback(self._tell_failure)
        return self._loading

    def _watch_no_more(self) -> None:
        for watched in self._watched:
            asyncio.get_running_loop().remove_reader(watched)
        self._watched.clear()

    async def _serve(self) -> HttpServer:
        # Importing takes longer than all the rest of a start: meanwhile the event loop does its work.
        make_server, make_application = await asyncio.to_thread(self._import)
        server = make_server(make_application())
        loop = asyncio.get_running_loop()
        for listener, tls in self._listening:
            self._servers.append(await self._accept(server, listener, tls))
        for unix_listener in self._unix_listeners:
            self._servers.append(
                await loop.create_unix_server(
                    server.local_protocol, sock=unix_listener.socket, backlog=BACKLOG
                )
            )
        return server

    def _import(self) -> tuple[Callable[[ASGIApp], HttpServer], Callable[[], ASGIApp]]:
        from amqpd.http.server import HttpServer

        return HttpServer, self._load()

    async def _accept(
        self, server: HttpServer, listener: socket.socket, tls: Tls | None
    ) -> asyncio.Server | Acceptor:
        if tls is None:
            loop = asyncio.get_running_loop()
            return await loop.create_server(server.protocol, sock=listener, backlog=BACKLOG)
        return Acceptor(
            listener,
            self._events,
            lambda _arrival: server.protocol(),
            self._tell_fault,
            tls=tls,
            proxy_protocol=False,
            refusal_level="debug",
        )

    def _tell_fault(self, connection: str, error: BaseException) -> None:
        fields: dict[str, object] = {"connection": connection, "error": f"{type(error).__name__}: {error}"}
        self._events.tell("error", f"{self._name}: internal error", fields)

    def _tell_failure(self, loading: asyncio.Task[HttpServer]) -> None:
        error = None if loading.cancelled() else loading.exception()
        if error is not None:
            self._events.tell(
                "error", f"{self._name} has failed", {"error": f"{type(error).__name__}: {error}"}
            )
            self.close()

    # The end

    async def stop(self) -> None:
        """Serve no more."""
        self._watch_no_more()
        server: HttpServer | None = None
        if self._loading is not None:
            await asyncio.wait([self._loading])
            server = None if self._loading.exception() is not None else self._loading.result()
        acceptors = [each for each in self._servers if isinstance(each, Acceptor)]
        self.close()
        for acceptor in acceptors:
            await acceptor.closed()
        if server is not None:
            await server.stop()

    def close(self) -> None:
        """Close the listening sockets."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for listener, _tls in self._listening:
            listener.close()
        for unix_listener in self._unix_listeners:
            unix_listener.socket.close()
            unix_listener.remove()
