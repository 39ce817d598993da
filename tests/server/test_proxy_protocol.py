"""Clients behind a proxy that says whose connections it passes on."""

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands

from amqpd.config.kinds import Listeners
from amqpd.server.proxy_protocol import (
    LONGEST_2_BYTES,
    SIGNATURE_2,
    MalformedHeader,
    ProxyHeader,
    missing_bytes,
    read_header,
)
from amqpd.testing import BrokerInThread, broker_in_thread
from amqpd.testing.certificates import LOCALHOST, Authority
from amqpd.testing.peer import PROTOCOL_HEADER

TCP4 = b"PROXY TCP4 192.0.2.7 198.51.100.1 43210 5672\r\n"
TCP6 = b"PROXY TCP6 2001:db8::7 2001:db8::1 43210 5672\r\n"
ENDS_4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack(">HH", 43210, 5672)
ENDS_6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack(">HH", 43210, 5672)
)
TLV = b"\x05\x00\x04name\x04\x00\x02\x00\x00"


def binary(command: int, family: int, rest: bytes) -> bytes:
    """A header of version 2."""
    return SIGNATURE_2 + bytes([command, family]) + len(rest).to_bytes(2, "big") + rest


def ends(header: ProxyHeader) -> tuple[Any, Any, bool]:
    return header.client, header.server, header.is_local


IPV4 = (("192.0.2.7", 43210), ("198.51.100.1", 5672), False)
IPV6 = (("2001:db8::7", 43210), ("2001:db8::1", 5672), False)
NOBODY = (None, None, False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TCP4, IPV4),
        (TCP6, IPV6),
        (b"PROXY UNKNOWN\r\n", NOBODY),
        (b"PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n", NOBODY),
        (binary(0x21, 0x11, ENDS_4), IPV4),
        (binary(0x21, 0x21, ENDS_6), IPV6),
        (binary(0x21, 0x11, ENDS_4 + TLV), IPV4),
        (binary(0x21, 0x21, ENDS_6 + TLV), IPV6),
        (binary(0x21, 0x00, b""), NOBODY),
        (binary(0x21, 0x00, TLV), NOBODY),
        (binary(0x21, 0x31, bytes(216)), NOBODY),
        (binary(0x20, 0x00, b""), (None, None, True)),
        (binary(0x20, 0x11, ENDS_4), (None, None, True)),
    ],
)
def test_a_header_says_who_is_at_both_ends(data: bytes, expected: tuple[Any, Any, bool]):
    assert ends(read_header(data)) == expected


@pytest.mark.parametrize(
    "data",
    [
        PROTOCOL_HEADER,
        b"GET / HTTP/1.1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 43210\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 43210 5672 1\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1  43210 5672\r\n",
        b"PROXY TCP4 192.0.2.777 198.51.100.1 43210 5672\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 43210 5672\r\n",
        b"PROXY TCP6 192.0.2.7 198.51.100.1 43210 5672\r\n",
        b"PROXY TCP6 fe80::1%eth0 2001:db8::1 43210 5672\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 5672\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 043210 5672\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 5672\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 43210 5672\r\n",
        b"PROXY TCP4 \xff\xff\xff\xff 198.51.100.1 43210 5672\r\n",
        b"PROXY UNKNOWN " + b"x" * 200 + b"\r\n",
        TCP4 + b"AMQP",
        binary(0x21, 0x11, ENDS_4[:-1]),
        binary(0x21, 0x21, ENDS_4),
        binary(0x22, 0x11, ENDS_4),
        binary(0x11, 0x11, ENDS_4),
        binary(0x21, 0x41, ENDS_4),
        binary(0x21, 0x11, ENDS_4) + b"AMQP",
        binary(0x21, 0x11, bytes(LONGEST_2_BYTES)),
    ],
)
def test_anything_else_is_malformed(data: bytes):
    with pytest.raises(MalformedHeader):
        read_header(data)


@pytest.mark.parametrize("header", [TCP4, TCP6, b"PROXY UNKNOWN\r\n", binary(0x21, 0x21, ENDS_6 + TLV)])
def test_reading_what_is_missing_reads_the_header_and_nothing_more(header: bytes):
    stream, data = header + PROTOCOL_HEADER, b""
    while missing := missing_bytes(data):
        data = stream[: len(data) + missing]
    assert data == header


@pytest.mark.parametrize("header", [TCP4, binary(0x21, 0x21, ENDS_6 + TLV)])
def test_a_header_that_comes_in_small_parts_is_never_complete_before_its_end(header: bytes):
    assert all(missing_bytes(header[:size]) for size in range(len(header)))


HEADS = st.sampled_from([b"", b"PROXY ", TCP4[:-2], TCP6, SIGNATURE_2, binary(0x21, 0x11, ENDS_4)[:-3]])


@given(HEADS, st.binary(max_size=300))
def test_no_bytes_raise_anything_but_malformed_header(head: bytes, rest: bytes):
    data = head + rest
    try:
        missing = missing_bytes(data)
        assert missing >= 0
        if not missing:
            assert isinstance(read_header(data), ProxyHeader)
    except MalformedHeader:
        pass


# Over sockets


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies may take their time, on slow machines too."""
    monkeypatch.setattr("amqpd.server.accepting.PROXY_HEADER_S", 60.0)


@pytest.fixture
def broker(event_loop_name: str, events: Any) -> Iterator[BrokerInThread]:
    with broker_in_thread(event_loop=event_loop_name, events=events, proxy_protocol=True) as running:
        yield running


Dial = Callable[..., Any]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (TCP4, "192.0.2.7:43210 -> 198.51.100.1:5672"),
        (binary(0x21, 0x21, ENDS_6 + TLV), "[2001:db8::7]:43210 -> [2001:db8::1]:5672"),
    ],
)
def test_a_connection_has_the_clients_name_and_guest_may_not_come_from_elsewhere(
    broker: BrokerInThread, dial: Dial, events: Any, header: bytes, name: str
):
    client = dial(broker)
    client.socket.sendall(header + PROTOCOL_HEADER)
    client.expect(commands.Connection.Start)
    client.send(0, commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"))
    fields = events.wait_for("login refused")
    assert fields["reason"] == "user 'guest' can only connect via localhost"
    assert fields["connection"] == name


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 127.0.0.1 127.0.0.1 43210 5672\r\n",
        b"PROXY TCP6 ::1 ::1 43210 5672\r\n",
        b"PROXY TCP6 ::ffff:127.0.0.1 ::1 43210 5672\r\n",
        binary(0x20, 0x00, b""),
    ],
)
def test_guest_may_come_from_this_machine_through_a_proxy(broker: BrokerInThread, dial: Dial, header: bytes):
    client = dial(broker)
    client.socket.sendall(header)
    client.open()


@pytest.mark.parametrize("header", [b"PROXY UNKNOWN\r\n", binary(0x21, 0x00, b"")])
def test_a_client_that_the_proxy_does_not_name_is_not_taken_for_local(
    broker: BrokerInThread, dial: Dial, events: Any, header: bytes
):
    client = dial(broker)
    client.socket.sendall(header + PROTOCOL_HEADER)
    client.expect(commands.Connection.Start)
    client.send(0, commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"))
    assert events.wait_for("login refused")["reason"] == "user 'guest' can only connect via localhost"


def test_a_header_may_come_octet_by_octet(broker: BrokerInThread, dial: Dial):
    client = dial(broker)
    client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in b"PROXY TCP4 127.0.0.1 127.0.0.1 43210 5672\r\n":
        client.socket.sendall(bytes([octet]))
    client.open()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (PROTOCOL_HEADER, "there is no PROXY protocol header"),
        (b"PROXY TCP4 nonsense\r\n", "the PROXY protocol header does not have protocol, addresses and ports"),
        (SIGNATURE_2 + b"\x21\x11\xff\xff", "the PROXY protocol header has 65551 bytes, more than 4096"),
    ],
)
def test_a_missing_or_malformed_header_closes_with_a_line_in_the_log(
    broker: BrokerInThread, dial: Dial, events: Any, sent: bytes, reason: str
):
    client = dial(broker)
    client.socket.sendall(sent)
    assert client.at_end()
    fields = events.wait_for("proxy protocol header refused")
    assert fields["reason"] == reason
    assert fields["peer"].startswith("127.0.0.1:")


def test_a_proxy_that_hangs_up_before_its_header_is_a_line_in_the_log(
    broker: BrokerInThread, dial: Dial, events: Any
):
    client = dial(broker)
    client.socket.sendall(b"PROXY")
    client.close()
    reason = events.wait_for("proxy protocol header refused")["reason"]
    assert reason == "the connection ended before the PROXY protocol header"


def test_who_connects_and_says_nothing_is_nothing_for_the_log(
    broker: BrokerInThread, dial: Dial, events: Any
):
    dial(broker).close()
    events.wait_for("client closed before it said anything")
    assert [level for level, _sentence, _fields in events.told if level != "debug"] == []


def test_without_the_setting_a_header_is_no_amqp(event_loop_name: str, dial: Dial):
    with broker_in_thread(event_loop=event_loop_name) as running:
        client = dial(running)
        client.socket.sendall(TCP4)
        assert client.receive_all() == PROTOCOL_HEADER


def test_the_header_comes_before_tls(event_loop_name: str, events: Any, authority: Authority):
    server = authority.issue("localhost", names=LOCALHOST)
    settings: dict[str, Any] = {
        "ssl_listeners": Listeners((("127.0.0.1", 0),)),
        "ssl_certfile": server.certfile,
        "ssl_keyfile": server.keyfile,
        "proxy_protocol": True,
    }
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(broker_in_thread(event_loop=event_loop_name, events=events, **settings))
        plain = stack.enter_context(
            socket.create_connection(running.call(lambda it: it.server.tls_addresses[0]))
        )
        plain.settimeout(60)
        plain.sendall(TCP4)
        context = ssl.create_default_context(cafile=str(authority.cacertfile))
        stream = stack.enter_context(context.wrap_socket(plain, server_hostname="localhost"))
        stream.sendall(PROTOCOL_HEADER)
        assert b"PLAIN" in stream.recv(4096)
        names = running.call(lambda it: [session.connection.peer.name for session in it.server.sessions])
    assert names == ["192.0.2.7:43210 -> 198.51.100.1:5672"]


def test_one_that_is_slow_with_its_header_holds_nobody_up(broker: BrokerInThread, dial: Dial):
    dial(broker).socket.sendall(b"PROXY")
    other = dial(broker)
    other.socket.sendall(b"PROXY TCP4 127.0.0.1 127.0.0.1 43210 5672\r\n")
    other.open()


def test_a_header_that_takes_too_long_ends_the_connection(
    broker: BrokerInThread, dial: Dial, monkeypatch: pytest.MonkeyPatch, events: Any
):
    monkeypatch.setattr("amqpd.server.accepting.PROXY_HEADER_S", 0.2)
    slow = dial(broker)
    slow.socket.sendall(b"PROXY")
    assert slow.at_end()
    reason = events.wait_for("proxy protocol header refused")["reason"]
    assert reason == "the PROXY protocol header took too long"
