"""A connection: bytes in and out, and frames to their channels (2.2, 1.4)."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.auth.permissions import Permissions
from amqpd.auth.users import Login, User, Users
from amqpd.broker.broker import Broker
from amqpd.broker.consumer import Consumer
from amqpd.broker.open_connections import OpenConnection
from amqpd.broker.queues.queue import Owner, Publisher, Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.errors import (
    AmqpError,
    ChannelError,
    ConnectionForced,
    FrameError,
    NotAllowed,
    UnexpectedFrame,
)
from amqpd.events import CONNECTION
from amqpd.protocol import methods  # noqa: F401 - fills the table that channels dispatch by
from amqpd.protocol.channel import Channel
from amqpd.protocol.closing import Closing
from amqpd.protocol.confirms import Confirms
from amqpd.protocol.dispatch import unchecked
from amqpd.protocol.frame_check import check_frame
from amqpd.protocol.handshake import Handshake
from amqpd.protocol.heartbeats import Heartbeats
from amqpd.protocol.holds import HELD_ANSWER, HELD_BY_LOG, Holds
from amqpd.protocol.open_limits import channel_limit_reached
from amqpd.protocol.parameters import Parameters, Peer, Transport
from amqpd.protocol.states import (
    AWAITING_HEADER,
    CHANNEL_OPEN_METHOD,
    CLOSED,
    CLOSING,
    CONNECTION_CLOSE,
    EXPECTED,
    OPEN,
    UPDATE_SECRET,
)
from amqpd.wire import terms
from amqpd.wire.fields import Table
from amqpd.wire.frames import (
    FRAME_BODY,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_MIN_SIZE,
    FrameReader,
    Octets,
    Output,
    frame,
)
from amqpd.wire.methods import (
    MethodError,
    decode_method,
    encode_method,
)

NO_PERMISSIONS: Final = Permissions("", "", "")


@final
class Connection(Publisher, OpenConnection, Login):
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
        self.confirming: list[Confirms] = []
        """Of channels that have confirms to send when all that was received is worked through."""
        self.stalled: dict[Consumer, None] = {}
        """Consumers that got no delivery because the output was full."""
        self.output = Output()
        self.unwritten_bytes: i64 = 0
        """Bytes that were taken from the output and that the shell had not written when it last said so."""
        self.waits_for: Queue | None = None
        """The queue whose consumers have fallen behind this connection's publishing."""
        self.alarms = broker.alarms
        self.held: i64 = 0
        """Why nothing that was received is worked on now: HELD_BY_ALARM and the like, or 0."""
        self.holds = Holds(self)
        self.congested = False
        """Whether so much output waits that deliveries must stop."""
        self.received_bytes = 0
        self.taken_bytes = 0
        self.reads: i64 = 0
        """How often something was received; `writes` is how often something was written."""
        self.writes: i64 = 0
        self.mechanism = ""
        """How the client has logged in, as SASL calls it."""
        self.opened_s = 0.0
        """When the handshake was done, in seconds since 1970."""
        self.reader = FrameReader()
        self._last_channel: Channel | None = None
        self._woken = False
        self._is_counted = False
        """Whether this is one of the broker's open connections."""
        self.ignoring = False
        """Whether nothing that is still received means anything."""
        self._handshake = Handshake(self)
        self._heartbeats: Heartbeats | None = None
        self.closing = Closing(self)

    # Bytes in and out

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer. Never raises for anything the peer sent."""
        self.received_bytes += len(data)
        self.reads += 1
        if self.state == AWAITING_HEADER:
            data = self._handshake.receive_header(data)
        if not data or self.ignoring:
            return
        self.reader.feed(data)
        self.work()

    def work(self) -> None:
        """Work through everything that was received, then confirm what was published."""
        while not self._receive_frames():
            pass
        self.send_confirms()

    def send_confirms(self) -> None:
        """Confirm everything that may be confirmed, on all channels."""
        for confirms in self.confirming:
            confirms.send()
        self.confirming.clear()

    def written_bytes(self) -> int:
        """How much was written to this connection since it was made."""
        return self.taken_bytes + self.output.size()

    def awaited_bytes(self) -> i64:
        """How many bytes of a message that is arriving are still missing; 0 if none is."""
        channel = self._last_channel
        return channel.body_missing() if channel is not None else 0

    def take_output(self) -> list[Octets]:
        """Return, and forget, the bytes to write."""
        self._woken = False
        self.writes += 1
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

    def waits_for_log(self) -> bool:
        """Whether its client waits for an answer or a confirm that waits for the disk."""
        if self.held & (HELD_BY_LOG | HELD_ANSWER):
            return True
        for channel in self.channels.values():
            if channel.confirms is not None and channel.confirms.unanswered():
                return True
        return False

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
            self.tell("debug", "client closed before it said anything", {})
        elif self.state != CLOSED:
            self.tell("warning", "client unexpectedly closed the connection", {})
        self.closing.end()

    def shut_down(self) -> None:
        """The broker stops: say so, or just hang up on whoever is not through the handshake."""
        if self.state == OPEN:
            self.method_id = 0
            self.closing.refuse(
                ConnectionForced("broker forced connection closure with reason 'shutdown'"), "info"
            )
        elif self.state != CLOSING:
            self.hang_up()

    def hang_up(self) -> None:
        """End the connection at once: what is written is still sent, then the stream closes."""
        self.closing.hang_up()

    # What others know of an open connection

    def connection_name(self) -> str:
        """`127.0.0.1:43580 -> 127.0.0.1:5672`: no other open connection has it."""
        return self.peer.name

    def vhost_name(self) -> str:
        """The virtual host it has entered."""
        return self.vhost_opened().name

    def user_name(self) -> str:
        """Who has logged in."""
        return self.user_logged_in().name

    def close_for(self, reason: str) -> None:
        """Somebody wants it to end: say so (320), unless it is ending anyway."""
        if self.state == OPEN:
            self.method_id = 0
            self.closing.refuse(ConnectionForced(reason))

    def user_changed(self) -> None:
        """What the user may do may be different: what was granted, and is remembered with routes, is asked again."""
        self.vhost_opened().topology += 1

    def user_deleted(self) -> None:
        """The user is gone, and so is its connection."""
        self.close_for(f"user '{self.user_name()}' is deleted")

    # Frames

    def _receive_frames(self) -> bool:
        """Work through all frames that are there; False if an error was answered and more may follow."""
        try:
            reader = self.reader
            while not self.held and reader.next():
                self._receive_frame(reader)
            return True
        except AmqpError as error:
            self.closing.answer(error)
        except MethodError as undecodable:
            self.closing.answer_undecodable(undecodable)
        return self.ignoring

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
            self.closing.receive(reader)
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

    # Channels

    def _open_channel(self, reader: FrameReader) -> None:
        check_frame(reader)
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
        problem = channel_limit_reached(self)
        if problem:
            self.method_id = 0
            raise NotAllowed(problem)
        self.channels[reader.channel_id] = Channel(self, reader.channel_id)
        self.broker.open_counts.channels_opened(self.user_logged_in().name, 1)
        # pamqp wants "0" in it; RabbitMQ leaves it empty.
        self.send(reader.channel_id, unchecked(commands.Channel.OpenOk, channel_id=""))

    def forget_channel(self, channel: Channel) -> None:
        """The channel was closed on both sides; its number may be used again."""
        if self.channels.pop(channel.id, None) is not None:
            self.broker.open_counts.channels_opened(self.user_logged_in().name, -1)
        if self._last_channel is channel:
            self._last_channel = None

    # Channel 0

    def _receive_on_channel_zero(self, reader: FrameReader) -> None:
        check_frame(reader)
        if reader.type != FRAME_METHOD:
            raise UnexpectedFrame(terms.frame_octets(reader.type, reader.payload()))
        method = decode_method(reader.payload())
        self.method_id = method.index
        if method.index == CONNECTION_CLOSE and self.state == OPEN:
            self.closing.close_received()
        elif method.index in EXPECTED[self.state]:
            self._call(method)
        else:
            state = "running" if self.state == OPEN else "opening"
            raise ChannelError(f"unexpected method in connection state {state}")

    def _call(self, method: Method) -> None:
        if method.index == UPDATE_SECRET:
            # Passwords do not expire here, so a new one changes nothing (RabbitMQ's internal backend, too).
            self.send(0, commands.Connection.UpdateSecretOk())
        else:
            self._handshake.call(method)

    def tune(self, frame_max: i64, channel_max: i64, heartbeat_s: i64) -> None:
        """Take the limits that were negotiated."""
        self.frame_max = frame_max
        self.reader.frame_max = frame_max
        self.channel_max = channel_max
        self.heartbeat_s = heartbeat_s

    def open(self, vhost: VirtualHost) -> None:
        """The handshake is done: channels may be used."""
        self.vhost = vhost
        self.broker.open_counts.connection_opened(vhost.name, self.user_logged_in().name)
        self._is_counted = True
        self.broker.connections.add(self)
        self.users.logged_in(self.user_logged_in().name, self)
        self.opened_s = self.broker.clock.unix_s()
        self.state = OPEN
        self.closing.opened()
        self.send(0, commands.Connection.OpenOk())
        self._heartbeats = Heartbeats(self, int(self.heartbeat_s))
        name = self.client_properties.get("connection_name")
        self.tell("info", "connection opened", {"name": "" if name is None else str(name.value)})

    def enter(self, user: User, vhost: VirtualHost) -> Channel:
        """Be open, without a handshake, for a user who is known: the channel, its only one.

        For what the broker does in a user's name; the connection is in no count, and stops for no heartbeat.
        """
        self.user = user
        self.vhost = vhost
        self.state = OPEN
        self.closing.opened()
        channel = Channel(self, 1)
        self.channels[1] = channel
        return channel

    def take_channels(self) -> list[Channel]:
        """Be open no more, and have no channels: they are to be released by the caller."""
        if self._heartbeats is not None:
            self._heartbeats.stop()
        channels = list(self.channels.values())
        self.channels = {}
        self._last_channel = None
        self.stalled = {}
        self._stop_counting(len(channels))
        return channels

    def _stop_counting(self, channel_count: int) -> None:
        """It makes room for another one, and so do its channels."""
        if self._is_counted:
            self._is_counted = False
            user = self.user_logged_in().name
            self.broker.open_counts.channels_opened(user, -channel_count)
            self.broker.open_counts.connection_ended(self.vhost_opened().name, user)
            self.broker.connections.remove(self)
            self.users.logged_out(user, self)
            self.broker.node.ended.connection_ended(
                self.received_bytes, self.written_bytes(), int(self.reads), int(self.writes)
            )

    def vhost_opened(self) -> VirtualHost:
        """The vhost of an open connection."""
        assert self.vhost is not None
        return self.vhost

    def user_logged_in(self) -> User:
        """The user of a connection that is through the handshake, as it is now."""
        assert self.user is not None
        return self.users.get(self.user.name) or self.user

    def permissions_granted(self) -> Permissions:
        """What the user may do now in the vhost of an open connection: nothing, once all was taken away."""
        return self.user_logged_in().permissions_in(self.vhost_opened().name) or NO_PERMISSIONS

    # What all of it sends and tells

    def send(self, channel_id: i64, method: Method) -> None:
        """Send one method frame."""
        self.output.write(frame(FRAME_METHOD, channel_id, encode_method(method)))
        self.wrote()

    def tell(self, level: str, sentence: str, fields: dict[str, object], category: str = CONNECTION) -> None:
        """Let it be known what happened here."""
        about: dict[str, object] = {"connection": self.peer.name}
        if self.vhost is not None:
            about["vhost"] = self.vhost.name
        if self.user is not None:
            about["user"] = self.user.name
        self.broker.events.tell(level, sentence, {**about, **fields}, category)
