"""SASL mechanisms: what a client's connection.start-ok and secure-ok responses say (4.2.2 of the AMQP specification).

A mechanism only reads; `Users` decides. RabbitMQ's order and reading of each response, observed in 3.10.
"""

from typing import Final

from amqpd.auth.users import LoginRefused
from amqpd.wire.fields import Field, MalformedField, decode_table, text_of


class MalformedResponse(ValueError):
    """A response that the mechanism cannot read; RabbitMQ closes the socket after a pause (syntax error)."""


class UnknownMechanism(ValueError):
    """A mechanism that was not offered."""


class Step:
    """What a response led to: Credentials, ExternalName or Challenge."""


class Credentials(Step):
    """A name and password to verify with Users.authenticate."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password


class ExternalName(Step):
    """A user whom TLS has already identified, to look up with Users.authenticate_external."""

    def __init__(self, user: str) -> None:
        self.user = user


class Challenge(Step):
    """Bytes to send in connection.secure; the answer goes to Mechanism.proceed."""

    def __init__(self, challenge: bytes) -> None:
        self.challenge = challenge


class Mechanism:
    """One SASL mechanism. Mechanisms hold no state of a login; a Challenge is handed back to `proceed`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def start(self, response: bytes, external_name: str | None) -> Step:
        """Read the response of connection.start-ok; external_name is the user of the peer's certificate, empty if it names none.

        Raises MalformedResponse, or LoginRefused when the response already settles the matter.
        """
        raise NotImplementedError

    def proceed(self, challenge: Challenge, response: bytes) -> Step:
        """Read the response of connection.secure-ok to a challenge. Raises MalformedResponse, LoginRefused."""
        raise MalformedResponse(f"mechanism {self.name} asked for no further response")


class Plain(Mechanism):
    r"""\0user\0password: no authorization identity, exactly two zero octets (stricter than RFC 4616)."""

    def start(self, response: bytes, external_name: str | None) -> Step:
        parts = response.split(b"\0", 3)
        if len(parts) != 3 or parts[0]:
            raise MalformedResponse(f"response of {len(response)} bytes invalid")
        return Credentials(text_of(parts[1]), text_of(parts[2]))


class AmqPlain(Mechanism):
    """A field table without its length, with LOGIN and PASSWORD."""

    def start(self, response: bytes, external_name: str | None) -> Step:
        try:
            table = decode_table(response, 0, len(response))
        except MalformedField as error:
            raise MalformedResponse(f"AMQPLAIN auth info is not a table: {error}") from None
        login = table.get("LOGIN")
        password = table.get("PASSWORD")
        if login is None or password is None:
            raise MalformedResponse("AMQPLAIN auth info is missing LOGIN or PASSWORD field")
        # one long string is enough for RabbitMQ, the other may then also be binary
        if not _is_longstr(login) and not _is_longstr(password):
            raise MalformedResponse("AMQPLAIN auth info uses unsupported type for LOGIN or PASSWORD field")
        user = _field_text(login)
        secret = _field_text(password)
        if user is None or secret is None:
            raise LoginRefused(f"user '{user or ''}' - LOGIN and PASSWORD must be strings")
        return Credentials(user, secret)


def _is_longstr(field: Field) -> bool:
    return field.type == "S"


def _field_text(field: Field) -> str | None:
    value = field.value
    if isinstance(value, bytes):
        return text_of(value)
    if isinstance(value, str):
        return value
    return None


class External(Mechanism):
    """The user named by the TLS certificate of the peer; the response is ignored."""

    def start(self, response: bytes, external_name: str | None) -> Step:
        if not external_name:
            raise LoginRefused("connection peer presented no TLS certificate that names a user")
        return ExternalName(external_name)


EXTERNAL: Final = "EXTERNAL"

# In the order they are offered.
MECHANISMS: Final[dict[str, Mechanism]] = {
    "AMQPLAIN": AmqPlain("AMQPLAIN"),
    "PLAIN": Plain("PLAIN"),
    EXTERNAL: External(EXTERNAL),
}


def _is_offered(name: str, external: bool) -> bool:
    return name in MECHANISMS and (external or name != EXTERNAL)


def offered(external: bool) -> str:
    """The mechanisms for connection.start, separated by spaces; EXTERNAL only with a peer certificate."""
    return " ".join(name for name in MECHANISMS if _is_offered(name, external))


def find_mechanism(name: str, external: bool) -> Mechanism:
    """The mechanism a client chose; names are case sensitive. Raises UnknownMechanism if it was not offered."""
    if not _is_offered(name, external):
        raise UnknownMechanism(f"unknown authentication mechanism '{name}'")
    return MECHANISMS[name]
