"""The handshake of a connection: protocol header, login, tuning, and opening a vhost (2.2.4, 4.2.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

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
from amqpd.auth.users import LoginRefused
from amqpd.errors import AccessRefused, NotAllowed
from amqpd.protocol.closing import SILENT_CLOSE_S
from amqpd.protocol.dispatch import decoded_table
from amqpd.protocol.open_limits import check_connection_limits
from amqpd.protocol.parameters import client_capability
from amqpd.protocol.states import (
    CONNECTION_OPEN,
    OPENING,
    SECURE_OK,
    SECURING,
    START_OK,
    STARTING,
    TUNE_OK,
    TUNING,
)
from amqpd.wire.fields import bytes_of
from amqpd.wire.frames import FRAME_MIN_SIZE

if TYPE_CHECKING:
    from amqpd.protocol.connection import Connection

PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
HEADER_SIZE: Final = 8
PROTOCOL: Final = "amqp091"
"""What it is called where logins are counted (RabbitMQ 3.10)."""
ACCEPTED_HEADERS: Final = {
    b"AMQP\x00\x00\x09\x01": (0, 9),
    b"AMQP\x01\x01\x00\x09": (0, 9),
    b"AMQP\x01\x01\x08\x00": (8, 0),
    b"AMQP\x01\x01\x09\x01": (8, 0),
}
"""Protocol headers that RabbitMQ 3.10 takes, and the version that connection.start then says."""

CHANNEL_NUMBERS: Final = 65535
"""As many channels as there are numbers for: what no limit comes to."""


@final
class Handshake:
    """Leads a connection from the first byte to connection.open-ok."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._header = b""
        self._mechanism: Mechanism | None = None
        self._challenge: Challenge | None = None

    def receive_header(self, data: bytes) -> bytes:
        """Take the protocol header, which may come in parts; returns what came after it."""
        missing: i64 = HEADER_SIZE - len(self._header)
        self._header += data[:missing]
        if len(self._header) < HEADER_SIZE:
            return b""
        connection = self._connection
        version = ACCEPTED_HEADERS.get(self._header)
        if version is None:
            connection.tell("error", "protocol header refused", {"header": repr(self._header)})
            connection.output.write(PROTOCOL_HEADER)
            connection.wrote()
            connection.hang_up()
            return b""
        connection.state = STARTING
        connection.send(
            0,
            commands.Connection.Start(
                version[0],
                version[1],
                connection.parameters.server_properties,  # type: ignore[arg-type]
                offered(connection.peer.external_name is not None),
                "en_US",
            ),
        )
        return data[missing:]

    def call(self, method: Method) -> None:
        """Do what the method, one that the connection's state expects, is for. Raises NotAllowed (530)."""
        STEPS[method.index](self, method)

    def start_ok(self, method: commands.Connection.StartOk) -> None:
        """Find the mechanism, and log in."""
        connection = self._connection
        properties = decoded_table(method.client_properties)
        connection.client_properties = properties
        connection.consumer_cancel_notify = client_capability(properties, "consumer_cancel_notify")
        external_name = connection.peer.external_name
        try:
            self._mechanism = find_mechanism(method.mechanism, external_name is not None)
            connection.mechanism = method.mechanism
            self._log_in(self._mechanism.start(bytes_of(method.response or ""), external_name))
        except (MalformedResponse, UnknownMechanism) as error:
            connection.closing.refuse_silently(str(error))
        except LoginRefused as refused:
            self._refuse_login(method.mechanism, refused.reason)

    def secure_ok(self, method: commands.Connection.SecureOk) -> None:
        """Go on with the answer to a challenge."""
        mechanism, challenge = self._mechanism, self._challenge
        assert mechanism is not None and challenge is not None
        try:
            self._log_in(mechanism.proceed(challenge, bytes_of(method.response or "")))
        except MalformedResponse as error:
            self._connection.closing.refuse_silently(str(error))
        except LoginRefused as refused:
            self._refuse_login(mechanism.name, refused.reason)

    def tune_ok(self, method: commands.Connection.TuneOk) -> None:
        """Take what the client settled for; 0 would mean no limit, which RabbitMQ's limits rule out."""
        connection = self._connection
        offer = connection.parameters
        problem = _out_of_range("frame_max", method.frame_max, FRAME_MIN_SIZE, offer.frame_max_bytes)
        if offer.channel_max:
            problem = problem or _out_of_range("channel_max", method.channel_max, 1, offer.channel_max)
        if problem:
            connection.closing.refuse_silently(f"failed to negotiate connection parameters: {problem}")
            return
        connection.tune(method.frame_max, method.channel_max or CHANNEL_NUMBERS, method.heartbeat)
        connection.state = OPENING

    def open(self, method: commands.Connection.Open) -> None:
        """Enter a vhost, if it is there, there is room, and the user may; asked in this order, as RabbitMQ does."""
        connection = self._connection
        user = connection.user_logged_in()
        name = method.virtual_host
        vhost = connection.broker.vhosts.get(name)
        if vhost is None:
            raise NotAllowed(f"vhost {name} not found")
        check_connection_limits(connection, name)
        if user.permissions_in(name) is None:
            raise NotAllowed(f"access to vhost '{name}' refused for user '{user.name}'")
        connection.open(vhost)

    def _log_in(self, step: Step) -> None:
        """Go on with what the mechanism found. Raises LoginRefused."""
        connection = self._connection
        if isinstance(step, Challenge):
            self._challenge = step
            connection.state = SECURING
            connection.send(0, commands.Connection.Secure(step.challenge.decode("latin-1")))
            return
        users = connection.users
        if isinstance(step, Credentials):
            user = users.authenticate(step.user, step.password)
        else:
            assert isinstance(step, ExternalName)
            user = users.authenticate_external(step.user)
        users.check_loopback(user, connection.peer.is_loopback)
        connection.broker.node.logins.note(PROTOCOL, True)
        connection.user = user
        connection.state = TUNING
        offer = connection.parameters
        tune = commands.Connection.Tune(
            int(offer.channel_max), int(offer.frame_max_bytes), int(offer.heartbeat_s)
        )
        connection.send(0, tune)

    def _refuse_login(self, mechanism: str, reason: str) -> None:
        """Say so to a client that can hear it; the reason is for the log alone."""
        connection = self._connection
        connection.broker.node.logins.note(PROTOCOL, False)
        connection.tell("error", "login refused", {"mechanism": mechanism, "reason": reason})
        if not client_capability(connection.client_properties, "authentication_failure_close"):
            connection.closing.refuse_silently(reason)
            return
        connection.method_id = 0
        connection.closing.refuse(
            AccessRefused(
                f"Login was refused using authentication mechanism {mechanism}. "
                "For details see the broker logfile."
            ),
            patience_s=SILENT_CLOSE_S,
        )


STEPS: Final[dict[int, Callable[..., None]]] = {
    START_OK: Handshake.start_ok,
    SECURE_OK: Handshake.secure_ok,
    TUNE_OK: Handshake.tune_ok,
    CONNECTION_OPEN: Handshake.open,
}
"""What each method of the handshake does."""


def _out_of_range(name: str, value: int, minimum: i64, maximum: i64) -> str:
    if value < minimum:
        return f"negotiated {name} = {value} is lower than the minimum allowed value ({minimum})"
    if value > maximum:
        return f"negotiated {name} = {value} is higher than the maximum allowed value ({maximum})"
    return ""
