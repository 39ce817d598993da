import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpd.auth.mechanisms import (
    MECHANISMS,
    Challenge,
    Credentials,
    ExternalName,
    MalformedResponse,
    UnknownMechanism,
    find_mechanism,
    offered,
)
from amqpd.auth.users import LoginRefused


def credentials(mechanism: str, response: bytes) -> tuple[str, str]:
    step = MECHANISMS[mechanism].start(response, None)
    assert isinstance(step, Credentials)
    return step.user, step.password


def string(name: bytes, value: bytes, field_type: bytes = b"S") -> bytes:
    return bytes([len(name)]) + name + field_type + struct.pack(">I", len(value)) + value


def number(name: bytes, value: int) -> bytes:
    return bytes([len(name)]) + name + b"I" + struct.pack(">i", value)


LOGIN = string(b"LOGIN", b"anna")
PASSWORD = string(b"PASSWORD", b"pw")


# What RabbitMQ 3.10.8 made of each response.
@pytest.mark.parametrize(
    ("response", "user", "password"),
    [
        (b"\0guest\0guest", "guest", "guest"),
        (b"\0guest\0", "guest", ""),
        (b"\0\0guest", "", "guest"),
        (b"\0\0", "", ""),
        ("\0jürgen\0pä".encode(), "jürgen", "pä"),
        (b"\0\xff\xfe\0x", "\udcff\udcfe", "x"),
    ],
)
def test_plain_reads_user_and_password(response: bytes, user: str, password: str):
    assert credentials("PLAIN", response) == (user, password)


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"\0",
        b"guest",
        b"\0guest",
        b"x\0guest\0guest",
        b"guest\0guest\0guest",
        b"\0guest\0guest\0",
        b"\0a\0b\0c",
    ],
)
def test_plain_refuses_what_rabbitmq_refuses(response: bytes):
    with pytest.raises(MalformedResponse):
        MECHANISMS["PLAIN"].start(response, None)


@pytest.mark.parametrize(
    "response",
    [
        LOGIN + PASSWORD,
        PASSWORD + LOGIN,
        LOGIN + PASSWORD + number(b"X", 1),
        string(b"LOGIN", b"anna", b"x") + PASSWORD,
        LOGIN + string(b"PASSWORD", b"pw", b"x"),
    ],
)
def test_amqplain_reads_login_and_password(response: bytes):
    assert credentials("AMQPLAIN", response) == ("anna", "pw")


def test_amqplain_keeps_bytes_that_are_not_utf8():
    response = string(b"LOGIN", b"\xff") + string(b"PASSWORD", b"\xfe")
    assert credentials("AMQPLAIN", response) == ("\udcff", "\udcfe")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (b"", "missing LOGIN or PASSWORD"),
        (LOGIN, "missing LOGIN or PASSWORD"),
        (string(b"login", b"anna") + string(b"password", b"pw"), "missing LOGIN or PASSWORD"),
        (number(b"LOGIN", 1) + number(b"PASSWORD", 1), "unsupported type"),
        (string(b"LOGIN", b"anna", b"x") + string(b"PASSWORD", b"pw", b"x"), "unsupported type"),
        (b"\x05LOGINS\0\0\0\xffgu", "not a table"),
        (LOGIN + PASSWORD + b"\x01", "not a table"),
        (struct.pack(">I", len(LOGIN + PASSWORD)) + LOGIN + PASSWORD, "not a table"),
    ],
)
def test_amqplain_refuses_what_rabbitmq_refuses(response: bytes, reason: str):
    with pytest.raises(MalformedResponse, match=reason):
        MECHANISMS["AMQPLAIN"].start(response, None)


@pytest.mark.parametrize("response", [LOGIN + number(b"PASSWORD", 1), number(b"LOGIN", 1) + PASSWORD])
def test_amqplain_refuses_the_login_when_one_of_the_two_is_no_string(response: bytes):
    with pytest.raises(LoginRefused, match="LOGIN and PASSWORD must be strings"):
        MECHANISMS["AMQPLAIN"].start(response, None)


@pytest.mark.parametrize("mechanism", ["PLAIN", "AMQPLAIN"])
@given(response=st.binary(max_size=60))
def test_any_bytes_are_credentials_or_malformed_or_refused(mechanism: str, response: bytes):
    try:
        step = MECHANISMS[mechanism].start(response, None)
    except (MalformedResponse, LoginRefused):
        return
    assert isinstance(step, Credentials)


def test_a_malformed_response_never_shows_the_password():
    with pytest.raises(MalformedResponse) as malformed:
        MECHANISMS["PLAIN"].start(b"x\0guest\0secret", None)
    assert "secret" not in str(malformed.value)


def test_external_takes_the_name_of_the_certificate():
    step = MECHANISMS["EXTERNAL"].start(b"ignored", "CN=anna")
    assert isinstance(step, ExternalName)
    assert step.user == "CN=anna"


@pytest.mark.parametrize("external_name", [None, ""])
def test_external_without_a_certificate_that_names_a_user_is_refused(external_name: str | None):
    with pytest.raises(LoginRefused):
        MECHANISMS["EXTERNAL"].start(b"", external_name)


def test_mechanisms_are_offered_in_rabbitmqs_order():
    assert offered(external=False) == "AMQPLAIN PLAIN"
    assert offered(external=True) == "AMQPLAIN PLAIN EXTERNAL"


def test_an_offered_mechanism_is_found():
    assert find_mechanism("PLAIN", external=False) is MECHANISMS["PLAIN"]
    assert find_mechanism("EXTERNAL", external=True) is MECHANISMS["EXTERNAL"]


@pytest.mark.parametrize("name", ["EXTERNAL", "plain", "", "ANONYMOUS"])
def test_a_mechanism_that_was_not_offered_is_unknown(name: str):
    with pytest.raises(UnknownMechanism, match=f"unknown authentication mechanism '{name}'"):
        find_mechanism(name, external=False)


@pytest.mark.parametrize("name", sorted(MECHANISMS))
def test_a_second_response_that_nobody_asked_for_is_malformed(name: str):
    with pytest.raises(MalformedResponse):
        MECHANISMS[name].proceed(Challenge(b""), b"")
