"""The server: listens, makes a session of every connection, and ends them all in good order."""

from __future__ import annotations

import asyncio
import socket
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio

from amqpd.auth.users import Users
from amqpd.broker.broker import Broker
from amqpd.events import CONNECTION
from amqpd.protocol.parameters import Parameters
from amqpd.server.accepting import Acceptor
from amqpd.server.arrival import Arrival, LocalArrival
from amqpd.server.draining import until_answered
from amqpd.server.session import Session
from amqpd.server.tcp_sockets import BACKLOG, ListenError, listening_sockets
from amqpd.server.timekeeper import Timekeeper
from amqpd.server.tls import Tls, TlsError, TlsOptions
from amqpd.server.unix_sockets import UnixListener

LARGE_READ_BYTES = 524288
RECEIVE_BUFFER_BYTES = 2097152
"""What the system may keep of a connection until we read it: half of it or twice of it cost a sixth to a third of
the throughput of messages of 1 MB (bench/compare.py, large-1m), and it is a bound."""
SHUTDOWN_TIMEOUT_S = 5.0


class Server:
    """All listeners and sessions of one broker."""

    def __init__(
        self,
        broker: Broker,
        users: Users,
        parameters: Parameters,
        read_size_bytes: int,
        *,
        proxy_protocol: bool = False,
        shutdown_timeout_s: float = SHUTDOWN_TIMEOUT_S,
    ) -> None:
        """With `proxy_protocol`, every connection over TCP has to begin with a proxy's header.

        `shutdown_timeout_s` is how long it takes at most until all is confirmed, and clients have said goodbye.
        """
        self.broker = broker
        self.users = users
        self.parameters = parameters
        self.loop = asyncio.get_running_loop()
        self.sessions: set[Session] = set()
        # One buffer serves all: what arrives is copied out before anybody else can be read.
        self.read_buffer = memoryview(bytearray(read_size_bytes))
        self.large_read_buffer = memoryview(bytearray(max(read_size_bytes, LARGE_READ_BYTES)))
        self._timekeeper = Timekeeper(broker.timers)
        self._proxy_protocol = proxy_protocol
        self._shutdown_timeout_s = shutdown_timeout_s
        self.tls: Tls | None = None
        """What connections over TLS are made with, if there are any."""
        self.addresses: list[tuple[str, int]] = []
        """Where it listens over TCP, or will again, without those for TLS."""
        self.tls_addresses: list[tuple[str, int]] = []
        self.unix_paths: list[Path] = []
        self._unix_mode = 0
        self._over_tcp = Arrival()
        self._servers: list[asyncio.Server | Acceptor] = []
        self._unix_listeners: list[UnixListener] = []
        self._local_arrivals = 0
        self._all_ended = anyio.Event()

    def use_tls(self, options: TlsOptions) -> None:
        """Read the certificates that `listen` needs for TLS. Raises ListenError."""
        try:
            self.tls = Tls(options)
        except TlsError as error:
            raise ListenError(str(error)) from None

    def prepare_certificates(self, options: TlsOptions | None = None) -> list[Callable[[], None]]:
        """Read the files with certificates again, others if the options name others; what gives them to new connections.

        Raises TlsError.
        """
        return [] if self.tls is None else [self.tls.prepare(self.broker.events, options)]

    async def listen(
        self, hosts: Sequence[str], port: int, *, over_tls: bool = False
    ) -> list[tuple[str, int]]:
        """Listen on every host; the addresses that were really taken, with port 0 filled in.

        Raises ListenError. An IPv6 address that a machine without IPv6 does not have is passed over.
        """
        try:
            sockets = listening_sockets(hosts, port)
        except ListenError:
            self._stop_listening()
            raise
        addresses = [await self._listen(each, self.tls if over_tls else None) for each in sockets]
        known = self.tls_addresses if over_tls else self.addresses
        known += addresses
        return addresses

    async def listen_again(self) -> None:
        """Listen where it did before `stop_listening`. Raises ListenError, and listens nowhere then."""
        plain, encrypted, paths = self.addresses, self.tls_addresses, self.unix_paths
        self.addresses, self.tls_addresses, self.unix_paths = [], [], []
        try:
            for host, port in plain:
                await self.listen([host], port)
            for host, port in encrypted:
                await self.listen([host], port, over_tls=True)
            for path in paths:
                await self.listen_unix(path, self._unix_mode)
        except ListenError:
            self.addresses, self.tls_addresses, self.unix_paths = plain, encrypted, paths
            raise

    async def _listen(self, listening: socket.socket, tls: Tls | None) -> tuple[str, int]:
        # Every connection inherits it.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        # asyncio sets this only where a socket was made with the number of TCP.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._servers.append(await self._serve(listening, tls))
        host, port, *_scope = listening.getsockname()
        return host, port

    async def _serve(self, listening: socket.socket, tls: Tls | None) -> asyncio.Server | Acceptor:
        if tls is None and not self._proxy_protocol:
            return await self.loop.create_server(
                lambda: Session(self, self._over_tcp), sock=listening, backlog=BACKLOG
            )
        return Acceptor(
            listening,
            self.broker.events,
            lambda arrival: Session(self, arrival),
            self.tell_fault,
            tls=tls,
            proxy_protocol=self._proxy_protocol,
        )

    async def listen_unix(self, path: Path, mode: int) -> None:
        """Listen on a UNIX socket, whose file gets this mode. Raises ListenError."""
        try:
            listener = UnixListener(path, mode)
        except OSError as error:
            self._stop_listening()
            raise ListenError(f"cannot listen on {path}: {error.strerror or error}") from None
        self._unix_listeners.append(listener)
        self._unix_mode = mode
        self.unix_paths.append(path)
        self._servers.append(
            await self.loop.create_unix_server(
                lambda: Session(self, self._local_arrival(path)), sock=listener.socket, backlog=BACKLOG
            )
        )

    def _local_arrival(self, path: Path) -> LocalArrival:
        # Nobody has an address there; a number tells connections apart.
        self._local_arrivals += 1
        return LocalArrival(f"unix:{self._local_arrivals} -> unix:{path}")

    async def stop(self) -> None:
        """Listen no more, tell every client (connection.close 320), and wait a little for their answers."""
        await self.stop_listening()
        await self.close_connections()
        self._timekeeper.stop()

    async def stop_listening(self) -> None:
        """Listen no more; whoever is connected stays."""
        acceptors = [server for server in self._servers if isinstance(server, Acceptor)]
        self._stop_listening()
        for acceptor in acceptors:
            await acceptor.closed()

    async def close_connections(self, reason: str = "") -> None:
        """Confirm what was published, tell every client (320, with this reason or that the broker stops), and wait a while
        for their answers.
        """
        journal = self.broker.storage.journal
        with anyio.move_on_after(self._shutdown_timeout_s) as patience:
            for session in self.sessions:
                session.hear_no_more()
            await until_answered(journal, [session.connection for session in self.sessions])
        for session in list(self.sessions):
            if reason:
                session.connection.close_for(reason)
            session.connection.shut_down()
            session.hear_goodbye()
        if self.sessions:
            with anyio.CancelScope(deadline=patience.deadline):
                await self._all_ended.wait()
        self._cut_off(list(self.sessions))
        await anyio.sleep(0)

    def _cut_off(self, sessions: list[Session]) -> None:
        """End those whose clients have had their time."""
        if sessions:
            fields: dict[str, object] = {"connections": len(sessions)}
            self.broker.events.tell(
                "warning", "clients that did not say goodbye are cut off", fields, CONNECTION
            )
        for session in sessions:
            session.connection.hang_up()
            session.abort()

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()
        for listener in self._unix_listeners:
            listener.remove()
        self._servers.clear()
        self._unix_listeners.clear()

    def session_ended(self) -> None:
        """One session less; `stop` may be waiting for the last."""
        if not self.sessions:
            self._all_ended.set()
            self._all_ended = anyio.Event()

    def tell_fault(self, connection: str, error: BaseException) -> None:
        """A fault of ours, with where it was."""
        where = "".join(traceback.format_exception(error))
        self.broker.events.tell("error", "internal error", {"connection": connection, "traceback": where})
