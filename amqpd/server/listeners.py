"""The server: listens, makes a session of every connection, and ends them all in good order."""

from __future__ import annotations

import asyncio
import errno
import socket
import traceback
from collections.abc import Sequence

import anyio
from anyio.abc import SocketAttribute

from amqpd.auth.users import Users
from amqpd.broker.broker import Broker
from amqpd.protocol.parameters import Parameters
from amqpd.server.session import Session
from amqpd.server.timekeeper import Timekeeper

BACKLOG = 1024
LARGE_READ_BYTES = 524288
RECEIVE_BUFFER_BYTES = 2097152
"""What the system may keep of a connection until we read it: half of it or twice of it cost a sixth to a third of
the throughput of messages of 1 MB (bench/compare.py, large-1m), and it is a bound."""
NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
GOODBYE_S = 2.0
"""How long clients have to answer connection.close when the broker stops."""


class ListenError(Exception):
    """An address that can't be listened on; the message says which and why."""


class Server:
    """All listeners and sessions of one broker."""

    def __init__(self, broker: Broker, users: Users, parameters: Parameters, read_size_bytes: int) -> None:
        self.broker = broker
        self.users = users
        self.parameters = parameters
        self.loop = asyncio.get_running_loop()
        self.sessions: set[Session] = set()
        # One buffer serves all: what arrives is copied out before anybody else can be read.
        self.read_buffer = memoryview(bytearray(read_size_bytes))
        self.large_read_buffer = memoryview(bytearray(max(read_size_bytes, LARGE_READ_BYTES)))
        self._timekeeper = Timekeeper(broker.timers)
        self._servers: list[asyncio.Server] = []
        self._all_ended = anyio.Event()

    async def listen(self, hosts: Sequence[str], port: int) -> list[tuple[str, int]]:
        """Listen on every host; the addresses that were really taken, with port 0 filled in.

        Raises ListenError. An IPv6 address that a machine without IPv6 does not have is passed over.
        """
        addresses: list[tuple[str, int]] = []
        for host in hosts:
            try:
                taken = await self._listen(host, port)
            except OSError as error:
                if host in ("::1", "::") and len(hosts) > 1 and error.errno in NO_SUCH_ADDRESS:
                    continue
                self._stop_listening()
                raise ListenError(f"cannot listen on {host} port {port}: {error.strerror or error}") from None
            port = port or taken[0][1]
            addresses += taken
        return addresses

    async def _listen(self, host: str, port: int) -> list[tuple[str, int]]:
        addresses: list[tuple[str, int]] = []
        multi_listener = await anyio.create_tcp_listener(local_host=host, local_port=port, backlog=BACKLOG)
        for listener in multi_listener.listeners:
            raw_socket = listener.extra(SocketAttribute.raw_socket)
            # Every connection inherits it.
            raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            server = await self.loop.create_server(lambda: Session(self), sock=raw_socket, backlog=BACKLOG)
            self._servers.append(server)
            addresses.append(raw_socket.getsockname()[:2])
        return addresses

    async def stop(self) -> None:
        """Listen no more, tell every client (connection.close 320), and wait a little for their answers."""
        self._stop_listening()
        for session in list(self.sessions):
            session.connection.shut_down()
        if self.sessions:
            with anyio.move_on_after(GOODBYE_S):
                await self._all_ended.wait()
        for session in list(self.sessions):
            session.abort()
        await anyio.sleep(0)
        self._timekeeper.stop()

    def _stop_listening(self) -> None:
        for server in self._servers:
            server.close()

    def session_ended(self) -> None:
        """One session less; `stop` may be waiting for the last."""
        if not self.sessions:
            self._all_ended.set()
            self._all_ended = anyio.Event()

    def tell_fault(self, connection: str, error: Exception) -> None:
        """A fault of ours, with where it was."""
        where = "".join(traceback.format_exception(error))
        self.broker.events.tell("error", "internal error", {"connection": connection, "traceback": where})
