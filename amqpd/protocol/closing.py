"""How errors are answered and connections end: the one place that builds close methods (1.4.2.5, 1.5.2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from pamqp import commands

from amqpd.clock import Timer
from amqpd.errors import AmqpError, FrameError, InternalError, SoftError
from amqpd.events import CHANNEL
from amqpd.protocol.channel import Channel
from amqpd.protocol.states import CHANNEL_CLOSING, CLOSED, CLOSING, CONNECTION_CLOSE, EXPECTED, OPENING
from amqpd.wire import terms
from amqpd.wire.frames import FRAME_METHOD, FrameReader, method_id_at
from amqpd.wire.methods import MalformedMethod, MalformedShortString, MethodError, UnknownMethod

if TYPE_CHECKING:
    from amqpd.protocol.connection import Connection

SILENT_CLOSE_S: Final = 3.0
"""How long a refused client waits for the end of the stream: guessing passwords takes time."""

CLOSE_TIMEOUT_S: Final = 30.0
"""How long we wait for close-ok, or for the client to close the stream after its own close."""


@final
class Closing:
    """Answers errors, and leads a connection to its end, for which there is one deadline at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._timer: Timer | None = connection.broker.timers.after(
            connection.parameters.handshake_timeout_s, self._handshake_timed_out
        )

    def opened(self) -> None:
        """The handshake was done in time."""
        self._set_timer(None)

    def _handshake_timed_out(self) -> None:
        connection = self._connection
        connection.tell("error", "handshake timed out", {"state": int(connection.state)})
        self.hang_up()

    # Errors

    def answer(self, error: AmqpError) -> None:
        """Close what the error's reply code says: the channel, the connection, or the stream without a word."""
        connection = self._connection
        if isinstance(error, FrameError):
            connection.method_id = 0
        self._answer(error)

    def _answer(self, error: AmqpError) -> None:
        connection = self._connection
        if connection.state < OPENING:
            self.refuse_silently(error.reply_text())
            return
        channel = connection.channels.get(connection.reader.channel_id)
        if isinstance(error, SoftError) and channel is not None:
            self._refuse_channel(channel, error)
        elif connection.state < CLOSING:
            self.refuse(error)
        else:
            # The stream makes no sense any more, so that close-ok will not be heard.
            connection.ignoring = True
            self._hang_up_after(SILENT_CLOSE_S)

    def answer_undecodable(self, error: MethodError) -> None:
        """Close the connection for a method that can't be read, or end the stream where RabbitMQ does."""
        connection = self._connection
        connection.method_id = 0
        is_for_connection = connection.reader.channel_id == 0
        if is_for_connection and connection.state < OPENING and not isinstance(error, UnknownMethod):
            self.refuse_silently(str(error))
        elif is_for_connection and isinstance(error, MalformedMethod):
            self._answer(InternalError())
        elif isinstance(error, MalformedMethod):
            connection.method_id = (error.class_id << 16) | error.method_id
            self._answer(FrameError(f"cannot decode {terms.octets(error.arguments)}"))
        elif isinstance(error, MalformedShortString):
            if is_for_connection:
                connection.method_id = (error.class_id << 16) | error.method_id
            self._answer(FrameError("Malformed UTF-8 in shortstr"))
        else:
            # RabbitMQ's reader crashes on these, which the client sees as the end of the stream.
            connection.tell("error", "undecodable method", {"error": str(error)})
            self.hang_up()

    # A channel

    def _refuse_channel(self, channel: Channel, error: AmqpError) -> None:
        connection = self._connection
        fields: dict[str, object] = {"channel": int(channel.id), "error": error.reply_text()}
        connection.tell("error", "channel error", fields, CHANNEL)
        class_id, method_id = self._method_executed()
        channel.send_confirms()
        connection.send(
            channel.id, commands.Channel.Close(error.reply_code, error.reply_text(), class_id, method_id)
        )
        channel.begin_closing()

    def close_channel(self, channel: Channel, error: AmqpError) -> None:
        """Close a channel for something that no method of the client's has caused."""
        self._connection.method_id = 0
        self._refuse_channel(channel, error)

    # The connection

    def refuse(self, error: AmqpError, level: str = "error", patience_s: float = CLOSE_TIMEOUT_S) -> None:
        """Close the connection for an error; everything it held is given back at once."""
        connection = self._connection
        connection.send_confirms()
        connection.tell(level, "closing the connection", {"error": error.reply_text()})
        if isinstance(error, InternalError):
            # What crashed in RabbitMQ does not know any more which method it was.
            connection.method_id = 0
        class_id, method_id = self._method_executed()
        connection.send(
            0, commands.Connection.Close(error.reply_code, error.reply_text(), class_id, method_id)
        )
        self._release()
        connection.state = CLOSING
        self._hang_up_after(patience_s)

    def refuse_silently(self, reason: str) -> None:
        """A handshake went wrong: no frame, and the end of the stream only after a while."""
        connection = self._connection
        connection.tell("error", "handshake failed", {"reason": reason})
        connection.state = CLOSED
        connection.ignoring = True
        self._hang_up_after(SILENT_CLOSE_S)

    def close_received(self) -> None:
        """The client closes: everything of the connection is gone before it hears close-ok."""
        connection = self._connection
        connection.tell("info", "connection closed", {})
        self._release()
        connection.state = CLOSED
        connection.send(0, commands.Connection.CloseOk())
        self._hang_up_after(min(float(connection.heartbeat_s), CLOSE_TIMEOUT_S) or CLOSE_TIMEOUT_S)

    def receive(self, reader: FrameReader) -> None:
        """Take a frame of a connection that is closing: nothing but close and close-ok means anything."""
        if reader.channel_id or reader.type != FRAME_METHOD or reader.payload_end - reader.payload_start < 4:
            return
        method_id = method_id_at(reader.data, reader.payload_start)
        if self._connection.state == CLOSING and method_id in EXPECTED[CLOSING]:
            if method_id == CONNECTION_CLOSE:
                self._connection.send(0, commands.Connection.CloseOk())
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection at once: what is written is still sent, then the stream closes."""
        self.end()
        self._connection.transport.close()

    def end(self) -> None:
        """The stream is gone, or about to go."""
        connection = self._connection
        self._release()
        connection.state = CLOSED
        connection.ignoring = True
        self._set_timer(None)

    def _release(self) -> None:
        """Give back everything that the connection held in the broker."""
        connection = self._connection
        channels = connection.take_channels()
        connection.stop_waiting()
        connection.holds.end()
        for channel in channels:
            channel.leave_queues()
        for channel in channels:
            if channel.state != CHANNEL_CLOSING:
                channel.state = CHANNEL_CLOSING
                channel.release()
        for queue in list(connection.owner.queues):
            connection.vhost_opened().end_queue(queue)

    def _method_executed(self) -> tuple[int, int]:
        """The class and method id of what led to a close."""
        method_id = self._connection.method_id
        return int(method_id >> 16), int(method_id & 0xFFFF)

    def _hang_up_after(self, delay_s: float) -> None:
        self._set_timer(self._connection.broker.timers.after(delay_s, self.hang_up))

    def _set_timer(self, timer: Timer | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer
