"""A connection: handshake, frames to channels, and the one place where errors are answered (2.2, 1.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, final

from mypy_extensions import i64
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.auth.mechanisms import (
    Challenge,
    Credentials,
    ExternalName,
    MalformedResponse,
    Mechanism,
    Step,
    UnknownMechanism,
    find_mechanism,
    offered,
)
from amqpd.auth.permissions import Permissions
from amqpd.auth.users import LoginRefused, User, Users
from amqpd.broker.alarms import Blocked
from amqpd.broker.broker import Broker
from amqpd.broker.consumer import Consumer
from amqpd.broker.queues.classic import Owner, Publisher, Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Timer
from amqpd.errors import (
    AccessRefused,
    AmqpError,
    ChannelError,
    ConnectionForced,
    FrameError,
    InternalError,
    NotAllowed,
    SoftError,
    UnexpectedFrame,
)
from amqpd.protocol import methods  # noqa: F401 - fills the table that channels dispatch by
from amqpd.protocol.channel import Channel
from amqpd.protocol.dispatch import decoded_table
from amqpd.protocol.parameters import Parameters, Peer, Transport, client_capability
from amqpd.protocol.states import (
    AWAITING_HEADER,
    CHANNEL_CLOSING,
    CHANNEL_OPEN_METHOD,
    CLOSED,
    CLOSING,
    CONNECTION_CLOSE,
    CONNECTION_OPEN,
    EXPECTED,
    OPEN,
    OPENING,
    SECURE_OK,
    SECURING,
    START_OK,
    STARTING,
    TUNE_OK,
    TUNING,
    UPDATE_SECRET,
)
from amqpd.wire import terms
from amqpd.wire.fields import Table, bytes_of
from amqpd.wire.frames import (
    FRAME_BODY,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_MIN_SIZE,
    HEARTBEAT,
    FrameReader,
    Octets,
    Output,
    frame,
    method_id_at,
)
from amqpd.wire.methods import (
    MalformedMethod,
    MalformedShortString,
    MethodError,
    decode_method,
    encode_method,
)

PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
HEADER_SIZE: Final = 8
ACCEPTED_HEADERS: Final = {
    b"AMQP\x00\x00\x09\x01": (0, 9),
    b"AMQP\x01\x01\x00\x09": (0, 9),
    b"AMQP\x01\x01\x08\x00": (8, 0),
    b"AMQP\x01\x01\x09\x01": (8, 0),
}
"""Protocol headers that RabbitMQ 3.10 takes, and the version that connection.start then says."""

SILENT_CLOSE_S: Final = 3.0
"""How long a refused client waits for the end of the stream: guessing passwords takes time."""

NO_PERMISSIONS: Final = Permissions("", "", "")

CHANNEL_NUMBERS: Final = 65535

CLOSE_TIMEOUT_S: Final = 30.0
"""How long we wait for close-ok, or for the client to close the stream after its own close."""


@final
class Connection(Publisher):
    """One AMQP connection: bytes in by `receive`, bytes out by `take_output`; no clock but the broker's timers."""

    def __init__(
        self, broker: Broker, users: Users, parameters: Parameters, peer: Peer, transport: Transport
    ) -> None:
        self.broker = broker
        self.users = users
        self.parameters = parameters
        self.peer = peer
        self.transport = transport
        self.state: i64 = AWAITING_HEADER
        self.channels: dict[int, Channel] = {}
        self.user: User | None = None
        self.vhost: VirtualHost | None = None
        self.client_properties: Table = {}
        self.consumer_cancel_notify = False
        self.channel_max: i64 = parameters.channel_max
        self.frame_max: i64 = FRAME_MIN_SIZE
        self.heartbeat_s: i64 = 0
        self.method_id: i64 = 0
        """The method being executed, for the class and method id of a close; 0 if there is none."""
        self.owner = Owner()
        """Whom this connection's exclusive queues belong to."""
        self.confirming: list[Channel] = []
        """Channels with confirms to send when all that was received is worked through."""
        self.stalled: dict[Consumer, None] = {}
        """Consumers that got no delivery because the output was full."""
        self.output = Output()
        self.unwritten_bytes: i64 = 0
        """Bytes that were taken from the output and that the shell had not written when it last said so."""
        self.waits_for: Queue | None = None
        """The queue whose consumers have fallen behind this connection's publishing."""
        self.alarms = broker.alarms
        self.blocked = False
        """Whether an alarm holds back what was received."""
        self._hold = Hold(self)
        self.congested = False
        """Whether so much output waits that deliveries must stop."""
        self.received_bytes = 0
        self.taken_bytes = 0
        self._reader = FrameReader()
        self._header = b""
        self._last_channel: Channel | None = None
        self._woken = False
        self._ignoring = False
        self._mechanism: Mechanism | None = None
        self._challenge: Challenge | None = None
        self._timer: Timer | None = broker.timers.after(
            parameters.handshake_timeout_s, self._handshake_timed_out
        )
        self._send_timer: Timer | None = None
        self._receive_timer: Timer | None = None

    # Bytes in and out

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer. Never raises for anything the peer sent."""
        self.received_bytes += len(data)
        if self.state == AWAITING_HEADER:
            data = self._receive_header(data)
        if not data or self._ignoring:
            return
        self._reader.feed(data)
        self._work()

    def _work(self) -> None:
        """Work through everything that was received, then confirm what was published."""
        while not self._receive_frames():
            pass
        if self.confirming:
            for channel in self.confirming:
                channel.send_confirms()
            self.confirming.clear()

    def awaited_bytes(self) -> i64:
        """How many bytes of a message that is arriving are still missing; 0 if none is."""
        channel = self._last_channel
        return channel.body_missing() if channel is not None else 0

    def take_output(self) -> list[Octets]:
        """Return, and forget, the bytes to write."""
        self._woken = False
        self.taken_bytes += self.output.size()
        return self.output.take()

    def wait_for(self, queue: Queue) -> None:
        """This connection publishes faster than the queue's consumers take: hear it again when they catch up."""
        if self.waits_for is None:
            self.waits_for = queue
            queue.add_waiting(self)
            self.transport.pause_publisher(queue)

    def stop_waiting(self) -> None:
        """It has waited long enough."""
        if self.waits_for is not None:
            self.waits_for.remove_waiting(self)
            self.waits_for = None

    def go_on(self) -> None:
        """The queue that this connection waited for has drained."""
        self.waits_for = None
        self.transport.resume_publisher()

    def block(self) -> None:
        """A publish arrived during an alarm: it stays unread, and so does all that follows, until `unblock`."""
        self._reader.unread()
        self.blocked = True
        self.alarms.add_blocked(self._hold)
        self.transport.block()
        if client_capability(self.client_properties, "connection.blocked"):
            self.send(0, commands.Connection.Blocked(self.alarms.reason()))

    def unblock(self) -> None:
        """The alarms are over: go on with the publish that was held back."""
        if client_capability(self.client_properties, "connection.blocked"):
            self.send(0, commands.Connection.Unblocked())
        self._stop_blocking()
        self._work()

    def _stop_blocking(self) -> None:
        if self.blocked:
            self.blocked = False
            self.alarms.remove_blocked(self._hold)
            self.transport.unblock()

    def wrote(self) -> None:
        """Something was written to the output."""
        if not self._woken:
            self._woken = True
            self.transport.output_ready()
        if self.unwritten_bytes + self.output.size() >= self.parameters.output_max_bytes:
            self.congested = True

    def output_drained(self, unwritten_bytes: i64) -> None:
        """The shell has written what it took, but for so many bytes: consumers that had to wait may go on."""
        self.unwritten_bytes = unwritten_bytes
        self.congested = unwritten_bytes + self.output.size() >= self.parameters.output_max_bytes
        if self.stalled and not self.congested:
            stalled = self.stalled
            self.stalled = {}
            for consumer in stalled:
                consumer.resume()

    def disconnected(self) -> None:
        """The stream is gone, whoever ended it."""
        if self.state == AWAITING_HEADER:
            self._tell("debug", "client closed before it said anything", {})
        elif self.state != CLOSED:
            self._tell("warning", "client unexpectedly closed the connection", {})
        self._end()

    def shut_down(self) -> None:
        """The broker stops: say so, or just hang up on whoever is not through the handshake."""
        if self.state == OPEN:
            self.method_id = 0
            self._refuse(ConnectionForced("broker forced connection closure with reason 'shutdown'"))
        elif self.state != CLOSING:
            self.hang_up()

    # Frames

    def _receive_header(self, data: bytes) -> bytes:
        """Take the protocol header; returns what came after it (4.2.2)."""
        missing: i64 = HEADER_SIZE - len(self._header)
        self._header += data[:missing]
        if len(self._header) < HEADER_SIZE:
            return b""
        version = ACCEPTED_HEADERS.get(self._header)
        if version is None:
            self._tell("error", "protocol header refused", {"header": repr(self._header)})
            self.output.write(PROTOCOL_HEADER)
            self.wrote()
            self.hang_up()
            return b""
        self.state = STARTING
        self.send(
            0,
            commands.Connection.Start(
                version[0],
                version[1],
                self.parameters.server_properties,  # type: ignore[arg-type]
                offered(self.peer.external_name is not None),
                "en_US",
            ),
        )
        return data[missing:]

    def _receive_frames(self) -> bool:
        """Work through all frames that are there; False if an error was answered and more may follow."""
        try:
            reader = self._reader
            while not self.blocked and reader.next():
                self._receive_frame(reader)
            return True
        except AmqpError as error:
            if isinstance(error, FrameError):
                self.method_id = 0
            self._answer(error)
        except MethodError as undecodable:
            self._answer_undecodable(undecodable)
        return self._ignoring

    def _receive_frame(self, reader: FrameReader) -> None:
        channel = self._last_channel
        if channel is None or channel.id != reader.channel_id or self.state != OPEN:
            channel = self._channel_of(reader)
            if channel is None:
                return
        if reader.type > FRAME_BODY or reader.type < FRAME_METHOD:
            self._receive_other(reader)
            return
        channel.receive(reader)

    def _channel_of(self, reader: FrameReader) -> Channel | None:
        """The channel that is to take this frame; None if it is dealt with already."""
        self.method_id = 0
        if self.state >= CLOSING:
            self._receive_while_closing(reader)
            return None
        if reader.type > FRAME_BODY or reader.type < FRAME_METHOD:
            self._receive_other(reader)
            return None
        if reader.channel_id == 0:
            self._receive_on_channel_zero(reader)
            return None
        if self.state != OPEN:
            raise UnexpectedFrame(terms.frame_octets(reader.type, reader.payload()))
        channel = self.channels.get(reader.channel_id)
        if channel is None:
            self._open_channel(reader)
            return None
        self._last_channel = channel
        return channel

    def _receive_other(self, reader: FrameReader) -> None:
        """A heartbeat, or a frame of no known type."""
        self.method_id = 0
        octets = terms.frame_octets(reader.type, reader.payload())
        if reader.type != FRAME_HEARTBEAT or reader.payload_end != reader.payload_start:
            raise FrameError(f"{octets}: unknown_frame")
        if reader.channel_id != 0:
            raise UnexpectedFrame(octets)

    def _receive_while_closing(self, reader: FrameReader) -> None:
        if reader.channel_id or reader.type != FRAME_METHOD or reader.payload_end - reader.payload_start < 4:
            return
        method_id = method_id_at(reader.data, reader.payload_start)
        if self.state == CLOSING and method_id in EXPECTED[CLOSING]:
            if method_id == CONNECTION_CLOSE:
                self.send(0, commands.Connection.CloseOk())
            self.hang_up()

    # Channels

    def _open_channel(self, reader: FrameReader) -> None:
        if reader.type != FRAME_METHOD:
            raise UnexpectedFrame("expected method frame, got non method frame instead")
        method = decode_method(reader.payload())
        self.method_id = method.index
        if method.index != CHANNEL_OPEN_METHOD:
            raise ChannelError("expected 'channel.open'")
        if len(self.channels) >= self.channel_max:
            self.method_id = 0
            raise NotAllowed(
                f"number of channels opened ({len(self.channels)}) has reached the negotiated channel_max "
                f"({self.channel_max})"
            )
        self.channels[reader.channel_id] = Channel(self, reader.channel_id)
        self.send(reader.channel_id, commands.Channel.OpenOk())

    def forget_channel(self, channel: Channel) -> None:
        """The channel was closed on both sides; its number may be used again."""
        self.channels.pop(channel.id, None)
        if self._last_channel is channel:
            self._last_channel = None

    # Channel 0

    def _receive_on_channel_zero(self, reader: FrameReader) -> None:
        if reader.type != FRAME_METHOD:
            raise UnexpectedFrame(terms.frame_octets(reader.type, reader.payload()))
        if reader.payload_end - reader.payload_start < 4:
            raise FrameError(f"{terms.frame_octets(FRAME_METHOD, reader.payload())}: unknown_frame")
        method = decode_method(reader.payload())
        self.method_id = method.index
        if method.index == CONNECTION_CLOSE and self.state >= TUNING:
            self._close_received()
        elif method.index in EXPECTED[self.state]:
            HANDLERS[method.index](self, method)
        else:
            state = "running" if self.state == OPEN else "starting"
            raise ChannelError(f"unexpected method in connection state {state}")

    def _start_ok(self, method: commands.Connection.StartOk) -> None:
        self.client_properties = decoded_table(method.client_properties)
        self.consumer_cancel_notify = client_capability(self.client_properties, "consumer_cancel_notify")
        external_name = self.peer.external_name
        try:
            self._mechanism = find_mechanism(method.mechanism, external_name is not None)
            self._log_in(self._mechanism.start(bytes_of(method.response or ""), external_name))
        except (MalformedResponse, UnknownMechanism) as error:
            self._refuse_silently(str(error))
        except LoginRefused as refused:
            self._refuse_login(method.mechanism, refused.reason)

    def _secure_ok(self, method: commands.Connection.SecureOk) -> None:
        mechanism, challenge = self._mechanism, self._challenge
        assert mechanism is not None and challenge is not None
        try:
            self._log_in(mechanism.proceed(challenge, bytes_of(method.response or "")))
        except MalformedResponse as error:
            self._refuse_silently(str(error))
        except LoginRefused as refused:
            self._refuse_login(mechanism.name, refused.reason)

    def _log_in(self, step: Step) -> None:
        """Go on with what the mechanism found. Raises LoginRefused."""
        if isinstance(step, Challenge):
            self._challenge = step
            self.state = SECURING
            self.send(0, commands.Connection.Secure(step.challenge.decode("latin-1")))
            return
        if isinstance(step, Credentials):
            user = self.users.authenticate(step.user, step.password)
        else:
            assert isinstance(step, ExternalName)
            user = self.users.authenticate_external(step.user)
        self.users.check_loopback(user, self.peer.is_loopback)
        self.user = user
        self.state = TUNING
        offer = self.parameters
        tune = commands.Connection.Tune(
            int(offer.channel_max), int(offer.frame_max_bytes), int(offer.heartbeat_s)
        )
        self.send(0, tune)

    def _tune_ok(self, method: commands.Connection.TuneOk) -> None:
        """Take what the client settled for; 0 would mean no limit, which RabbitMQ's limits rule out."""
        offer = self.parameters
        problem = _out_of_range("frame_max", method.frame_max, FRAME_MIN_SIZE, offer.frame_max_bytes)
        if offer.channel_max:
            problem = problem or _out_of_range("channel_max", method.channel_max, 1, offer.channel_max)
        if problem:
            self._refuse_silently(f"failed to negotiate connection parameters: {problem}")
            return
        self.frame_max = method.frame_max
        self._reader.frame_max = method.frame_max
        self.channel_max = method.channel_max or CHANNEL_NUMBERS
        self.heartbeat_s = method.heartbeat
        self.state = OPENING

    def _update_secret(self, method: commands.Connection.UpdateSecret) -> None:
        # Passwords do not expire here, so a new one changes nothing (RabbitMQ's internal backend, too).
        self.send(0, commands.Connection.UpdateSecretOk())

    def _open(self, method: commands.Connection.Open) -> None:
        user = self.user_logged_in()
        name = method.virtual_host
        vhost = self.broker.vhosts.get(name)
        if vhost is None:
            raise NotAllowed(f"vhost {name} not found")
        if user.permissions_in(name) is None:
            raise NotAllowed(f"access to vhost '{name}' refused for user '{user.name}'")
        self.vhost = vhost
        self.state = OPEN
        self._set_timer(None)
        self.send(0, commands.Connection.OpenOk())
        if self.heartbeat_s:
            self._send_heartbeat_after(self._written_bytes())
            self._expect_traffic_after(-1, 0)
        self._tell("info", "connection opened", {"name": self._name_given()})

    def _name_given(self) -> str:
        """The name that the client gave the connection, or nothing."""
        name = self.client_properties.get("connection_name")
        return str(name.value) if name is not None else ""

    def vhost_opened(self) -> VirtualHost:
        """The vhost of an open connection."""
        assert self.vhost is not None
        return self.vhost

    def user_logged_in(self) -> User:
        """The user of a connection that is through the handshake."""
        assert self.user is not None
        return self.user

    def permissions_granted(self) -> Permissions:
        """What the user may do now in the vhost of an open connection: nothing, once all was taken away."""
        return self.user_logged_in().permissions_in(self.vhost_opened().name) or NO_PERMISSIONS

    # Heartbeats (4.2.7). Silence is seen by comparing byte counts, so that traffic itself costs nothing.

    def _written_bytes(self) -> int:
        return self.taken_bytes + self.output.size()

    def _send_heartbeat_after(self, written_bytes: int) -> None:
        """Every half interval: if nothing was written since, write a heartbeat."""
        self._send_timer = self.broker.timers.after(
            self.heartbeat_s / 2, lambda: self._send_heartbeat(written_bytes)
        )

    def _send_heartbeat(self, written_bytes: int) -> None:
        if self._written_bytes() == written_bytes:
            self.output.write(HEARTBEAT)
            self.wrote()
        self._send_heartbeat_after(self._written_bytes())

    def _expect_traffic_after(self, received_bytes: int, silent_intervals: int) -> None:
        """Every interval: hang up on a peer that has been silent for two (RabbitMQ 3.10, observed)."""
        self._receive_timer = self.broker.timers.after(
            float(self.heartbeat_s), lambda: self._expect_traffic(received_bytes, silent_intervals)
        )

    def _expect_traffic(self, received_bytes: int, silent_intervals: int) -> None:
        if received_bytes != self.received_bytes or self.blocked:
            self._expect_traffic_after(self.received_bytes, 0)
        elif silent_intervals == 0:
            self._expect_traffic_after(received_bytes, 1)
        else:
            self._tell("error", "missed heartbeats from client", {"timeout_s": int(self.heartbeat_s)})
            self.hang_up()

    # Errors and endings

    def send(self, channel_id: i64, method: Method) -> None:
        """Send one method frame."""
        self.output.write(frame(FRAME_METHOD, channel_id, encode_method(method)))
        self.wrote()

    def _answer(self, error: AmqpError) -> None:
        """Close what the error's reply code says: the channel, the connection, or the stream without a word."""
        if self.state < OPENING:
            self._refuse_silently(error.reply_text())
            return
        channel = self.channels.get(self._reader.channel_id)
        if isinstance(error, SoftError) and channel is not None:
            self._refuse_channel(channel, error)
        elif self.state < CLOSING:
            self._refuse(error)
        else:
            # The stream makes no sense any more; only its end is awaited.
            self._ignoring = True

    def _answer_undecodable(self, error: MethodError) -> None:
        self.method_id = 0
        if isinstance(error, MalformedMethod) and self._reader.channel_id == 0:
            self._answer(InternalError())
        elif isinstance(error, MalformedMethod):
            self.method_id = (error.class_id << 16) | error.method_id
            self._answer(FrameError(f"cannot decode {terms.octets(error.arguments)}"))
        elif isinstance(error, MalformedShortString):
            self._answer(FrameError("Malformed UTF-8 in shortstr"))
        else:
            # RabbitMQ's reader crashes on these, which the client sees as the end of the stream.
            self._tell("error", "undecodable method", {"error": str(error)})
            self.hang_up()

    def _refuse_channel(self, channel: Channel, error: AmqpError) -> None:
        self._tell("error", "channel error", {"channel": int(channel.id), "error": error.reply_text()})
        class_id, method_id = int(self.method_id >> 16), int(self.method_id & 0xFFFF)
        channel.send_confirms()
        self.send(
            channel.id, commands.Channel.Close(error.reply_code, error.reply_text(), class_id, method_id)
        )
        channel.begin_closing()

    def _refuse(self, error: AmqpError) -> None:
        self._tell("error", "connection error", {"error": error.reply_text()})
        class_id, method_id = int(self.method_id >> 16), int(self.method_id & 0xFFFF)
        self.send(0, commands.Connection.Close(error.reply_code, error.reply_text(), class_id, method_id))
        self._release()
        self.state = CLOSING
        self._set_timer(self.broker.timers.after(CLOSE_TIMEOUT_S, self.hang_up))

    def _refuse_login(self, mechanism: str, reason: str) -> None:
        self._tell("error", "login refused", {"mechanism": mechanism, "reason": reason})
        if not client_capability(self.client_properties, "authentication_failure_close"):
            self._refuse_silently(reason)
            return
        self.method_id = 0
        self._refuse(
            AccessRefused(
                f"Login was refused using authentication mechanism {mechanism}. "
                "For details see the broker logfile."
            )
        )

    def _refuse_silently(self, reason: str) -> None:
        """A handshake went wrong: no frame, and the end of the stream only after a while."""
        self._tell("error", "handshake failed", {"reason": reason})
        self.state = CLOSED
        self._ignoring = True
        self._set_timer(self.broker.timers.after(SILENT_CLOSE_S, self.hang_up))

    def _close_received(self) -> None:
        """The client closes: everything of the connection is gone before it hears close-ok."""
        self._tell("info", "connection closed", {})
        self._release()
        self.state = CLOSED
        self.send(0, commands.Connection.CloseOk())
        patience_s = min(float(self.heartbeat_s), CLOSE_TIMEOUT_S) or CLOSE_TIMEOUT_S
        self._set_timer(self.broker.timers.after(patience_s, self.hang_up))

    def _handshake_timed_out(self) -> None:
        self._tell("error", "handshake timed out", {"state": int(self.state)})
        self.hang_up()

    def hang_up(self) -> None:
        """End the connection at once: what is written is still sent, then the stream closes."""
        self._end()
        self.transport.close()

    def _end(self) -> None:
        self._release()
        self.state = CLOSED
        self._ignoring = True
        self._set_timer(None)

    def _release(self) -> None:
        """Give back everything that this connection held in the broker."""
        for timer in (self._send_timer, self._receive_timer):
            if timer is not None:
                timer.cancel()
        channels = self.channels
        self.channels = {}
        self._last_channel = None
        self.stalled = {}
        self.stop_waiting()
        self._stop_blocking()
        for channel in channels.values():
            if channel.state != CHANNEL_CLOSING:
                channel.state = CHANNEL_CLOSING
                channel.release()
        for queue in list(self.owner.queues):
            self.vhost_opened().delete_queue(queue)

    def _set_timer(self, timer: Timer | None) -> None:
        """There is one deadline at a time: for the handshake, or for closing."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = timer

    def _tell(self, level: str, sentence: str, fields: dict[str, object]) -> None:
        about: dict[str, object] = {"connection": self.peer.name}
        if self.vhost is not None:
            about["vhost"] = self.vhost.name
        if self.user is not None:
            about["user"] = self.user.name
        self.broker.events.tell(level, sentence, {**about, **fields})


@final
class Hold(Blocked):
    """What an alarm knows of a connection that it holds back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def unblock(self) -> None:
        """Let the connection go on."""
        self._connection.unblock()


HANDLERS: Final[dict[int, Callable[..., None]]] = {
    START_OK: Connection._start_ok,
    SECURE_OK: Connection._secure_ok,
    TUNE_OK: Connection._tune_ok,
    CONNECTION_OPEN: Connection._open,
    UPDATE_SECRET: Connection._update_secret,
}
"""What each method of class connection does; connection.close has a way of its own."""


def _out_of_range(name: str, value: int, minimum: i64, maximum: i64) -> str:
    if value < minimum:
        return f"negotiated {name} = {value} is lower than the minimum allowed value ({minimum})"
    if value > maximum:
        return f"negotiated {name} = {value} is higher than the maximum allowed value ({maximum})"
    return ""
