"""Heartbeats in both directions (4.2.7): silence is seen by comparing byte counts, so traffic costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from amqpd.clock import Timer
from amqpd.wire.frames import HEARTBEAT

if TYPE_CHECKING:
    from amqpd.protocol.connection import Connection


@final
class Heartbeats:
    """Writes when we were silent for half an interval, and notices a peer that was silent for two."""

    def __init__(self, connection: Connection, interval_s: int) -> None:
        """Start; with an interval of 0 there are none."""
        self._connection = connection
        self._interval_s = interval_s
        self._send_timer: Timer | None = None
        self._receive_timer: Timer | None = None
        if interval_s:
            self._send_after(connection.written_bytes())
            self._expect_after(-1, 0)

    def stop(self) -> None:
        """Neither write nor expect any more."""
        for timer in (self._send_timer, self._receive_timer):
            if timer is not None:
                timer.cancel()

    def _send_after(self, written_bytes: int) -> None:
        """Every half interval: if nothing was written since, write a heartbeat."""
        timers = self._connection.broker.timers
        self._send_timer = timers.after(self._interval_s / 2, lambda: self._send(written_bytes))

    def _send(self, written_bytes: int) -> None:
        connection = self._connection
        if connection.written_bytes() == written_bytes:
            connection.output.write(HEARTBEAT)
            connection.wrote()
        self._send_after(connection.written_bytes())

    def _expect_after(self, received_bytes: int, silent_intervals: int) -> None:
        """Every interval: hang up on a peer that has been silent for two (RabbitMQ 3.10, observed)."""
        timers = self._connection.broker.timers
        self._receive_timer = timers.after(
            float(self._interval_s), lambda: self._expect(received_bytes, silent_intervals)
        )

    def _expect(self, received_bytes: int, silent_intervals: int) -> None:
        connection = self._connection
        # While an alarm holds the client back we do not read, so that its silence is ours.
        if received_bytes != connection.received_bytes or connection.held:
            self._expect_after(connection.received_bytes, 0)
        elif silent_intervals == 0:
            self._expect_after(received_bytes, 1)
        else:
            connection.tell("error", "missed heartbeats from client", {"timeout_s": self._interval_s})
            connection.hang_up()
