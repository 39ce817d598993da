"""One connection's socket: read, let the core work, write.

A session is a protocol of the event loop rather than a task around a stream: an idle connection then costs
no task and no buffer, and a message crosses no task switch on its way from one socket to the next.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from amqpd.protocol.connection import Connection
from amqpd.protocol.parameters import Peer, Transport

if TYPE_CHECKING:
    from amqpd.server.listeners import Server

WRITE_BUFFER_HIGH_BYTES = 131072
"""When the event loop holds this much unwritten output, we hand it no more until it has written half."""

REPLIES_MAX_BYTES = 67108864
"""A client that asks and never reads is not heard any more when this much output waits for it."""

TURNS_TO_WAIT = 4
"""Turns of the event loop that a publisher waits when its consumers have fallen behind."""

ABORT_S = 5.0
"""How long the last output may take to be read by the peer after we have closed."""


class Session(asyncio.BufferedProtocol):
    """Carries bytes between a transport of the event loop and a `Connection`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = server.loop
        self._buffer = server.read_buffer
        self._reading = False
        self._paused_writing = False
        self._paused_reading = False
        self._closing = False
        self._flush_is_due = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER_HIGH_BYTES)
        server = self._server
        self.connection = Connection(
            server.broker, server.users, server.parameters, peer_of(transport), _Carrier(self)
        )
        server.sessions.add(self)

    def get_buffer(self, size_hint: int) -> memoryview:
        """Room for what comes next: more of it while a large body arrives, where fairness is not at stake."""
        server = self._server
        large = self.connection.awaited_bytes() > len(server.read_buffer)
        self._buffer = server.large_read_buffer if large else server.read_buffer
        return self._buffer

    def buffer_updated(self, size: int) -> None:
        self._reading = True
        try:
            self.connection.receive(bytes(self._buffer[:size]))
        except Exception as error:
            self._fail(error)
        finally:
            self._reading = False
        self.flush()
        if self.connection.ahead_of_consumers:
            self.connection.ahead_of_consumers = False
            self._pause_reading(TURNS_TO_WAIT)
        elif size == len(self._buffer):
            self._pause_reading(1)

    def eof_received(self) -> None:
        """The peer sends no more: what is left is written, and the stream closed."""

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        self.flush()
        if self._paused_reading and self.connection.output.size() < REPLIES_MAX_BYTES:
            self._resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._server.sessions.discard(self)
        self.connection.disconnected()
        self._server.session_ended()

    # Writing

    def output_ready(self) -> None:
        """Flush after what is being done now, so that many small writes become one."""
        if not self._reading and not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush_when_due)

    def _flush_when_due(self) -> None:
        self._flush_is_due = False
        self.flush()

    def flush(self) -> None:
        """Hand the output to the event loop, unless it still holds too much."""
        connection = self.connection
        if self._paused_writing or self._transport.is_closing():
            connection.unwritten_bytes = self._transport.get_write_buffer_size()
            return
        if connection.output.size():
            chunks = connection.take_output()
            if len(chunks) == 1:
                self._transport.write(chunks[0])
            else:
                self._transport.writelines(chunks)
        connection.unwritten_bytes = self._transport.get_write_buffer_size()
        if not self._paused_writing:
            connection.output_drained()

    # Reading

    def _pause_reading(self, turns: int) -> None:
        """Let the others have their turn: hear nothing more for some turns of the event loop."""
        if not self._paused_reading and not self._transport.is_closing():
            self._paused_reading = True
            self._transport.pause_reading()
            self._wait_turns(turns)

    def _wait_turns(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._wait_turns, turns - 1)
        elif self.connection.output.size() < REPLIES_MAX_BYTES:
            self._resume_reading()

    def _resume_reading(self) -> None:
        self._paused_reading = False
        if not self._transport.is_closing():
            self._transport.resume_reading()

    # Ending

    def close(self) -> None:
        """Write what is left, then close; a peer that does not read even that is cut off after a while."""
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._close_when_written)

    def _close_when_written(self) -> None:
        chunks = self.connection.take_output()
        if chunks and not self._transport.is_closing():
            self._transport.writelines(chunks)
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._server.broker.timers.after(ABORT_S, self._transport.abort)

    def _fail(self, error: Exception) -> None:
        """A fault of ours: this connection ends, the others go on."""
        self._server.tell_fault(self.connection.peer.name, error)
        self.connection.disconnected()
        self._transport.abort()


class _Carrier(Transport):
    """The face that a session shows to its connection."""

    def __init__(self, session: Session) -> None:
        self.output_ready: Callable[[], None] = session.output_ready
        self.close: Callable[[], None] = session.close


def peer_of(transport: asyncio.BaseTransport) -> Peer:
    """The peer's name and whether it is on this machine."""
    peer_name = transport.get_extra_info("peername")
    own_name = transport.get_extra_info("sockname")
    is_loopback = isinstance(peer_name, tuple) and _is_loopback(str(peer_name[0]))
    return Peer(f"{_address(peer_name)} -> {_address(own_name)}", is_loopback)


def _is_loopback(host: str) -> bool:
    address = ipaddress.ip_address(host.split("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _address(name: object) -> str:
    if isinstance(name, tuple) and len(name) >= 2:
        host = f"[{name[0]}]" if ":" in str(name[0]) else name[0]
        return f"{host}:{name[1]}"
    return "unknown"
