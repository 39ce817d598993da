"""One connection's socket: read, let the core work, write.

A session is a protocol of the event loop rather than a task around a stream: an idle connection then costs
no task and no buffer, and a message crosses no task switch on its way from one socket to the next.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from amqpd.broker.queues.queue import Queue
from amqpd.protocol.connection import Connection
from amqpd.protocol.parameters import Transport
from amqpd.server.arrival import Arrival

if TYPE_CHECKING:
    from amqpd.server.listeners import Server

WRITE_BUFFER_HIGH_BYTES = 131072
"""When the event loop holds this much unwritten output, we hand it no more until it has written most of it."""

REPLIES_MAX_BYTES = 67108864
"""A client that asks and never reads is not heard any more when this much output waits for it."""

# A publisher whose consumers have fallen behind waits until they have caught up, as long as they make so much of
# the time that it must be the broker's work for the publisher that kept them. Slower consumers are slow for
# good: the next waits are left out, more and more of them, and the burst is taken as fast as it comes.
PACE_TAKEN_EVERY_S = 0.002
KEEPS_PACE_MESSAGES = 100
WAITS_LEFT_OUT_MAX = 64

# Why a session does not read; it reads when there is no reason left.
OTHERS_TURN = 1
PUBLISHES_TOO_FAST = 2
NEVER_READS = 4
BLOCKED = 8
BROKER_STOPS = 16

ABORT_S = 5.0
"""How long the last output may take to be read by the peer after we have closed."""


class Session(asyncio.BufferedProtocol):
    """Carries bytes between a transport of the event loop and a `Connection`."""

    def __init__(self, server: Server, arrival: Arrival) -> None:
        self._server = server
        self._arrival = arrival
        self._loop = server.loop
        self._buffer = server.read_buffer
        self._reading = False
        self._paused_writing = False
        self._not_reading = 0
        self._behind: Queue | None = None
        self._wait: asyncio.TimerHandle | None = None
        self._left_out = 0
        self._waits_to_leave_out = 0
        self._closing = False
        self._flush_is_due = False

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        server = self._server
        # What the loop holds without telling us when it is gone must never be enough to stop deliveries.
        high_bytes = min(WRITE_BUFFER_HIGH_BYTES, int(server.parameters.output_max_bytes) // 2)
        self._transport.set_write_buffer_limits(high_bytes)
        self.connection = Connection(
            server.broker, server.users, server.parameters, self._arrival.peer(transport), _Carrier(self)
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
        if self._behind is not None:
            self._wait_for_consumers(self._behind)
        if size == len(self._buffer):
            self._stop_reading(OTHERS_TURN)
            self._loop.call_soon(self._read_again, OTHERS_TURN)
        if self.connection.output.size() > REPLIES_MAX_BYTES:
            self._stop_reading(NEVER_READS)

    def eof_received(self) -> None:
        """The peer sends no more: what is left is written, and the stream closed."""

    def pause_writing(self) -> None:
        self._paused_writing = True

    def resume_writing(self) -> None:
        self._paused_writing = False
        self.flush()
        if self._not_reading & NEVER_READS and self.connection.output.size() < REPLIES_MAX_BYTES:
            self._read_again(NEVER_READS)

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
            return
        if connection.output.size():
            chunks = connection.take_output()
            if len(chunks) == 1:
                self._transport.write(chunks[0])
            else:
                self._transport.writelines(chunks)
        # Where the loop has paused us meanwhile, it tells us when it has written.
        connection.output_drained(self._transport.get_write_buffer_size())

    # Reading

    def _stop_reading(self, reason: int) -> None:
        if not self._not_reading and not self._transport.is_closing():
            self._transport.pause_reading()
        self._not_reading |= reason

    def _read_again(self, reason: int) -> None:
        if self._not_reading == reason and not self._transport.is_closing():
            self._transport.resume_reading()
        self._not_reading &= ~reason

    def pause_publisher(self, queue: Queue) -> None:
        """Consumers have fallen behind what this client publishes: let them catch up."""
        if self._waits_to_leave_out:
            self._waits_to_leave_out -= 1
            self.connection.stop_waiting()
        else:
            self._behind = queue

    def _wait_for_consumers(self, queue: Queue) -> None:
        self._behind = None
        self._stop_reading(PUBLISHES_TOO_FAST)
        self._take_pace_later(queue)

    def _take_pace_later(self, queue: Queue) -> None:
        self._wait = self._loop.call_later(PACE_TAKEN_EVERY_S, self._take_pace, queue, queue.delivered())

    def _take_pace(self, queue: Queue, delivered_before: int) -> None:
        """They have not caught up yet; is it worth waiting for them?"""
        if queue.delivered() - delivered_before >= KEEPS_PACE_MESSAGES:
            self._left_out = 0
            self._take_pace_later(queue)
            return
        self._wait = None
        self._left_out = min(2 * self._left_out + 1, WAITS_LEFT_OUT_MAX)
        self._waits_to_leave_out = self._left_out
        self.connection.stop_waiting()
        self._read_again(PUBLISHES_TOO_FAST)

    def resume_publisher(self) -> None:
        """They have caught up."""
        self._behind = None
        self._left_out = 0
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None
            self._read_again(PUBLISHES_TOO_FAST)

    def block(self) -> None:
        """An alarm holds this client's publishes back."""
        self._stop_reading(BLOCKED)

    def unblock(self) -> None:
        """The alarm is over."""
        self._read_again(BLOCKED)

    # Ending

    def hear_no_more(self) -> None:
        """Read nothing that might have to be answered: the broker is about to say goodbye."""
        self._stop_reading(BROKER_STOPS)

    def hear_goodbye(self) -> None:
        """Send what there is, and read what the client answers."""
        self.flush()
        self._read_again(BROKER_STOPS)

    def close(self) -> None:
        """Write what is left, then close; a peer that does not read even that is cut off after a while."""
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._close_when_written)

    def _close_when_written(self) -> None:
        # A transport of asyncio's TLS must not be closed twice.
        if not self._transport.is_closing():
            self._transport.writelines(self.connection.take_output())
            self._transport.close()
        if self._transport.get_write_buffer_size():
            self._server.broker.timers.after(ABORT_S, self._transport.abort)

    def _fail(self, error: Exception) -> None:
        """A fault of ours: this connection ends, the others go on."""
        self._server.tell_fault(self.connection.peer.name, error)
        self.connection.hang_up()
        self.abort()

    def abort(self) -> None:
        """Close without writing anything more."""
        self._transport.abort()


class _Carrier(Transport):
    """The face that a session shows to its connection."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def output_ready(self) -> None:
        self._session.output_ready()

    def pause_publisher(self, queue: Queue) -> None:
        self._session.pause_publisher(queue)

    def resume_publisher(self) -> None:
        self._session.resume_publisher()

    def block(self) -> None:
        self._session.block()

    def unblock(self) -> None:
        self._session.unblock()

    def close(self) -> None:
        self._session.close()
