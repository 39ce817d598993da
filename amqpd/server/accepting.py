"""Connections that have something to say before AMQP begins: the header of a proxy, a TLS handshake."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from amqpd.events import CONNECTION, Events
from amqpd.server.arrival import Arrival, written_address
from amqpd.server.proxy_protocol import MalformedHeader, ProxyHeader, missing_bytes, read_header
from amqpd.server.tls import HandshakeRefused, Tls, reason_of

PROXY_HEADER_S: Final = 3.0
"""How long a proxy may take for its header (RabbitMQ 3.10)."""
SHUTDOWN_S: Final = 5.0
"""How long a peer may take to end TLS after we have (RabbitMQ 3.10)."""
ALERT_S: Final = 1.0
"""How long a client whose handshake we refused has to take note."""
NO_ROOM: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
NO_ROOM_PAUSE_S: Final = 1.0

SAID_NOTHING: Final = "client closed before it said anything"
HEADER_REFUSED: Final = "proxy protocol header refused"
HEADER_TOO_SLOW: Final = "the PROXY protocol header took too long"
HANDSHAKE_FAILED: Final = "TLS handshake failed"
HANDSHAKE_TOO_SLOW: Final = "the handshake took too long"

CANNOT_ACCEPT: Final = "cannot accept connections"

MakeSession = Callable[[Arrival], asyncio.BaseProtocol]


class LoopErrors:
    """An event loop's handler of what nobody else has handled.

    Where there is no room for one more connection, asyncio finds so a thousand times in a row: that is one line a second.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._is_told_until_s = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in NO_ROOM:
            loop.default_exception_handler(context)
        elif loop.time() >= self._is_told_until_s:
            self._is_told_until_s = loop.time() + NO_ROOM_PAUSE_S
            self._events.tell("error", CANNOT_ACCEPT, {"reason": error.strerror}, CONNECTION)


class Acceptor:
    """Accepts from one listening socket, and leads each connection to its session; none waits for another."""

    def __init__(
        self,
        listening: socket.socket,
        events: Events,
        make_session: MakeSession,
        tell_fault: Callable[[str, BaseException], None],
        *,
        tls: Tls | None,
        proxy_protocol: bool,
        refusal_level: str = "error",
    ) -> None:
        """Begin, in the running event loop, with a socket that listens and does not block.

        `refusal_level` is how much it matters that somebody was not let in.
        """
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._events = events
        self._make_session = make_session
        self._tell_fault = tell_fault
        self._tls = tls
        self._proxy_protocol = proxy_protocol
        self._refusal_level = refusal_level
        self._receptions: dict[asyncio.Task[None], socket.socket] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._watch()

    def _watch(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Accept no more, and hang up on those who are not through."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()
        for reception in self._receptions:
            reception.cancel()

    async def closed(self) -> None:
        """Wait until all is done that `close` has begun."""
        if self._receptions:
            await asyncio.wait(list(self._receptions))

    def _accept(self) -> None:
        try:
            accepted, address = self._listening.accept()
        except OSError as error:
            if error.errno in NO_ROOM:
                self._events.tell("error", CANNOT_ACCEPT, {"reason": error.strerror}, CONNECTION)
                self._loop.remove_reader(self._listening)
                self._pause = self._loop.call_later(NO_ROOM_PAUSE_S, self._watch)
            return
        accepted.setblocking(False)
        reception = self._loop.create_task(self._receive(accepted, written_address(address)))
        self._receptions[reception] = accepted
        reception.add_done_callback(self._received)

    def _received(self, reception: asyncio.Task[None]) -> None:
        accepted = self._receptions.pop(reception)
        if reception.cancelled():
            accepted.close()
        elif (error := reception.exception()) is not None:
            accepted.close()
            self._tell_fault("before it began", error)

    async def _receive(self, accepted: socket.socket, peer: str) -> None:
        """Lead one connection to its session, or close it with a line in the log."""
        header = None
        try:
            if not await self._says_something(accepted):
                # Whoever looks whether we are there does this all the time (RabbitMQ 3.10 has it for debugging, too).
                accepted.close()
                self._events.tell("debug", SAID_NOTHING, {"peer": peer}, CONNECTION)
                return
            if self._proxy_protocol:
                header = await self._header(accepted)
                if header.client is not None:
                    peer = f"{written_address(header.client)} by {peer}"
            if self._tls is None:
                arrival = Arrival(header)
                await self._loop.connect_accepted_socket(lambda: self._make_session(arrival), accepted)
            else:
                await self._shake_hands(accepted, peer, Arrival(header, self._tls), self._tls)
        except MalformedHeader as error:
            accepted.close()
            self._refuse(HEADER_REFUSED, peer, str(error))
        except TimeoutError:
            accepted.close()
            if self._proxy_protocol:
                self._refuse(HEADER_REFUSED, peer, HEADER_TOO_SLOW)
            else:
                self._refuse(HANDSHAKE_FAILED, peer, HANDSHAKE_TOO_SLOW)
        except OSError:
            # Gone before it could become a session.
            accepted.close()

    def _refuse(self, sentence: str, peer: str, reason: str) -> None:
        self._events.tell(self._refusal_level, sentence, {"peer": peer, "reason": reason}, CONNECTION)

    async def _says_something(self, accepted: socket.socket) -> bool:
        """Wait for the first byte, and leave it; False if the client ends the connection before. Raises TimeoutError."""
        patience_s = PROXY_HEADER_S
        if not self._proxy_protocol and self._tls is not None:
            patience_s = self._tls.options.handshake_timeout_s
        async with asyncio.timeout(patience_s):
            while True:
                try:
                    return bool(accepted.recv(1, socket.MSG_PEEK))
                except BlockingIOError:
                    await self._readable(accepted)
                except OSError:
                    return False

    async def _readable(self, accepted: socket.socket) -> None:
        readable = asyncio.Event()
        self._loop.add_reader(accepted, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(accepted)

    async def _header(self, accepted: socket.socket) -> ProxyHeader:
        """Read the header and not a byte more. Raises MalformedHeader."""
        data = b""
        try:
            async with asyncio.timeout(PROXY_HEADER_S):
                while missing := missing_bytes(data):
                    received = await self._loop.sock_recv(accepted, missing)
                    if not received:
                        raise MalformedHeader("the connection ended before the PROXY protocol header")
                    data += received
        except TimeoutError:
            raise MalformedHeader(HEADER_TOO_SLOW) from None
        except OSError as error:
            raise MalformedHeader(f"the connection broke: {error.strerror}") from None
        return read_header(data)

    async def _shake_hands(self, accepted: socket.socket, peer: str, arrival: Arrival, tls: Tls) -> None:
        # The event loop closes its socket before a refused client has been told why; ours is still open then.
        spare = accepted.dup()
        with spare:
            spare.setblocking(False)
            try:
                await self._loop.connect_accepted_socket(
                    lambda: self._make_session(arrival),
                    accepted,
                    ssl=tls.context,
                    ssl_handshake_timeout=tls.options.handshake_timeout_s,
                    ssl_shutdown_timeout=SHUTDOWN_S,
                )
            except OSError as error:
                accepted.close()
                self._refuse(HANDSHAKE_FAILED, peer, reason_of(error))
                if isinstance(error, HandshakeRefused):
                    await self._say_why(spare, error.alert)

    async def _say_why(self, spare: socket.socket, alert: bytes) -> None:
        """Send the alert, and read what is on its way, as unread bytes would make the system take the alert back."""
        with suppress(OSError):
            async with asyncio.timeout(ALERT_S):
                await self._loop.sock_sendall(spare, alert)
                spare.shutdown(socket.SHUT_WR)
                while await self._loop.sock_recv(spare, 4096):
                    continue
