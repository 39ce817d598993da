"""Connections over real sockets, on both event loops."""

import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from pamqp import commands

from amqpd.auth import passwords
from amqpd.auth.users import User, Users, default_users
from amqpd.server import session
from amqpd.testing import BrokerInThread, FakeClock, RunningBroker, broker_in_thread
from amqpd.testing.peer import PROTOCOL_HEADER
from amqpd.wire.frames import HEARTBEAT

OUTPUT_MAX = 262_144
HELD_BY_THE_LOOP = 2 * session.WRITE_BUFFER_HIGH_BYTES

Dial = Callable[..., Any]
Publish = Callable[..., bytes]


@pytest.fixture
def broker(event_loop_name: str, events: Any) -> Iterator[BrokerInThread]:
    with broker_in_thread(
        event_loop=event_loop_name, events=events, output_max_bytes=OUTPUT_MAX, clock=FakeClock()
    ) as running:
        yield running


def test_pika_publishes_with_confirms_and_consumes(broker: BrokerInThread):
    connection = pika.BlockingConnection(pika.URLParameters(broker.url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q")
    bodies = [b"", b"small", b"large" * 100_000]
    for body in bodies:
        channel.basic_publish("", "q", body, mandatory=True)
    received = []
    for _method, _properties, body in channel.consume("q", auto_ack=True, inactivity_timeout=60):
        received.append(body)
        if len(received) == len(bodies):
            break
    connection.close()
    assert received == bodies


def test_another_protocol_is_answered_with_ours_and_the_end(broker: BrokerInThread, dial: Dial):
    client = dial(broker)
    client.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert client.receive_all() == PROTOCOL_HEADER


def test_connections_are_named_by_both_ends(broker: BrokerInThread, dial: Dial, events: Any):
    client = dial(broker).open()
    host, port = client.socket.getsockname()
    fields = events.wait_for("connection opened")
    assert fields["connection"] == f"{host}:{port} -> {broker.host}:{broker.port}"


def test_a_client_that_hangs_up_gives_back_what_it_had(broker: BrokerInThread, dial: Dial, events: Any):
    client, other = dial(broker).open(), dial(broker).open()
    client.call(1, commands.Queue.Declare(queue="q", exclusive=True), commands.Queue.DeclareOk)
    client.close()
    events.wait_for("client unexpectedly closed the connection")
    close = other.call(1, commands.Queue.Declare(queue="q", passive=True), commands.Channel.Close)
    assert close.reply_code == 404


def test_a_client_that_only_stops_sending_is_hung_up_too(broker: BrokerInThread, dial: Dial):
    client = dial(broker).open()
    client.socket.shutdown(socket.SHUT_WR)
    assert client.at_end()


def test_a_client_that_closes_hears_close_ok_and_the_session_ends(
    broker: BrokerInThread, dial: Dial, events: Any
):
    client = dial(broker).open()
    client.call(0, commands.Connection.Close(200, "", 0, 0), commands.Connection.CloseOk)
    client.close()
    other = dial(broker).open()
    assert broker.call(lambda running: len(running.server.sessions)) <= 2
    assert "client unexpectedly closed the connection" not in events.sentences()
    other.call(0, commands.Connection.Close(200, "", 0, 0), commands.Connection.CloseOk)


def test_heartbeats_come_when_time_passes(broker: BrokerInThread, dial: Dial):
    client = dial(broker).open(heartbeat_s=10)
    broker.advance(10)
    assert client.receive() == (8, 0, b"")
    client.socket.sendall(HEARTBEAT)
    broker.advance(100)
    while client.receive() is not None:
        pass


def test_a_stranger_is_hung_up_after_the_handshake_timeout(broker: BrokerInThread, dial: Dial):
    client, other = dial(broker), dial(broker).open()
    broker.advance(10)
    assert client.at_end()
    other.call(1, commands.Basic.Qos(), commands.Basic.QosOk)


def test_a_refused_login_ends_after_three_seconds(broker: BrokerInThread, dial: Dial):
    client = dial(broker)
    client.socket.sendall(PROTOCOL_HEADER)
    client.expect(commands.Connection.Start)
    client.send(0, commands.Connection.StartOk({}, "PLAIN", "\0guest\0wrong", "en_US"))
    client.socket.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    client.socket.settimeout(60)
    broker.advance(3)
    assert client.socket.recv(1) == b""


# Slow clients


def held(running: RunningBroker) -> int:
    """Bytes that all sessions hold for clients that have not read them."""
    return sum(
        int(each.connection.output.size()) + each._transport.get_write_buffer_size()
        for each in running.server.sessions
    )


def ready(running: RunningBroker) -> int:
    return running.server.broker.vhosts["/"].queues["q"].ready()


def test_a_slow_reader_is_bounded_and_gets_everything_in_the_end(
    broker: BrokerInThread, dial: Dial, publish: Publish
):
    slow, fast = dial(broker, 4096).open(), dial(broker).open()
    slow.call(1, commands.Queue.Declare(queue="q"), commands.Queue.DeclareOk)
    slow.call(1, commands.Basic.Consume(queue="q", no_ack=True), commands.Basic.ConsumeOk)
    bodies = [str(number).encode() + b"x" * 10_000 for number in range(1500)]
    for body in bodies:
        fast.socket.sendall(publish("q", body))
    fast.call(1, commands.Basic.Qos(), commands.Basic.QosOk)
    assert broker.call(held) <= OUTPUT_MAX + HELD_BY_THE_LOOP + 20_000
    assert broker.call(ready) > 500
    assert slow.deliveries(len(bodies)) == bodies
    assert broker.call(ready) == 0


@pytest.mark.parametrize("output_max", [4096, 65_536])
def test_a_slow_reader_gets_everything_however_small_its_output(
    event_loop_name: str, dial: Dial, publish: Publish, output_max: int
):
    with broker_in_thread(event_loop=event_loop_name, output_max_bytes=output_max) as broker:
        slow, fast = dial(broker, 4096).open(), dial(broker).open()
        slow.call(1, commands.Queue.Declare(queue="q"), commands.Queue.DeclareOk)
        slow.call(1, commands.Basic.Consume(queue="q", no_ack=True), commands.Basic.ConsumeOk)
        bodies = [str(number).encode() + b"x" * 10_000 for number in range(1500)]
        fast.socket.sendall(b"".join(publish("q", body) for body in bodies))
        fast.call(1, commands.Basic.Qos(), commands.Basic.QosOk)
        try:
            assert slow.deliveries(len(bodies)) == bodies
        finally:
            slow.close()
            fast.close()


def test_a_slow_reader_does_not_slow_the_others(broker: BrokerInThread, dial: Dial, publish: Publish):
    slow, fast = dial(broker, 4096).open(), dial(broker).open()
    for client in (slow, fast):
        client.call(1, commands.Queue.Declare(queue="q"), commands.Queue.DeclareOk)
        client.call(1, commands.Basic.Consume(queue="q", no_ack=True), commands.Basic.ConsumeOk)
    publisher = dial(broker).open()
    received = 0
    for _ in range(40):
        publisher.socket.sendall(publish("q", b"x" * 10_000) * 40)
        publisher.call(1, commands.Basic.Qos(), commands.Basic.QosOk)
        fast.send(1, commands.Basic.Qos())
        while (frame := fast.receive()) is not None and frame[2][:4] != b"\x00\x3c\x00\x0b":
            received += frame[0] == 3
    assert received > 500


def test_a_client_that_asks_and_never_reads_is_not_heard_any_more(
    broker: BrokerInThread, dial: Dial, publish: Publish, monkeypatch: pytest.MonkeyPatch
):
    limit = 1_000_000
    monkeypatch.setattr(session, "REPLIES_MAX_BYTES", limit)
    client, other = dial(broker, 4096).open(), dial(broker).open()
    one = publish("nowhere", b"x" * 10_000, mandatory=True)
    data = memoryview(one * 3000)
    sent = 0
    client.socket.setblocking(False)
    while sent < len(data) and select.select([], [client.socket], [], 0.5)[1]:
        sent += client.socket.send(data[sent : sent + 100_000])
    assert sent < len(data)
    other.call(1, commands.Basic.Qos(), commands.Basic.QosOk)
    assert broker.call(held) <= limit + HELD_BY_THE_LOOP + 2 * 65_536
    received = 0
    while sent < len(data) or received < len(data):
        readable, writable, _ = select.select([client.socket], [client.socket][: sent < len(data)], [], 60)
        assert readable or writable
        if readable:
            received += len(client.socket.recv(1_000_000))
        if writable:
            sent += client.socket.send(data[sent : sent + 100_000])


def test_a_publisher_is_not_read_while_its_consumers_are_behind(
    broker: BrokerInThread, dial: Dial, publish: Publish, monkeypatch: pytest.MonkeyPatch
):
    paused: list[object] = []
    stop_reading = session.Session._stop_reading

    def stop_and_count(self: session.Session, reason: int) -> None:
        if reason == session.PUBLISHES_TOO_FAST:
            paused.append(self)
        stop_reading(self, reason)

    monkeypatch.setattr(session.Session, "_stop_reading", stop_and_count)
    slow, publisher = dial(broker, 4096).open(), dial(broker).open()
    slow.call(1, commands.Queue.Declare(queue="q"), commands.Queue.DeclareOk)
    slow.call(1, commands.Basic.Consume(queue="q", no_ack=True), commands.Basic.ConsumeOk)
    bodies = [b"%06d" % number + b"x" * 300 for number in range(20_000)]
    publisher.socket.sendall(b"".join(publish("q", body) for body in bodies))
    publisher.call(1, commands.Basic.Qos(), commands.Basic.QosOk)
    assert paused
    assert slow.deliveries(len(bodies)) == bodies
    publisher.call(1, commands.Basic.Qos(), commands.Basic.QosOk)


# A fault of ours


def users_with_a_bad_one() -> Users:
    users = default_users()
    users.add(User("bad", passwords.hash_password("guest", passwords.random_salt())))
    users.set_permissions("bad", "/", ".*", ".*", ".*")
    return users


def test_an_exception_in_the_core_ends_only_that_connection(event_loop_name: str, events: Any, dial: Dial):
    tell = events.tell

    def fail_for_the_bad(
        level: str, sentence: str, fields: dict[str, object], category: str = "default"
    ) -> None:
        tell(level, sentence, fields, category)
        if fields.get("user") == "bad":
            raise RuntimeError("injected")

    events.tell = fail_for_the_bad
    with broker_in_thread(event_loop=event_loop_name, events=events, users=users_with_a_bad_one()) as broker:
        good, bad = dial(broker).open(), dial(broker)
        with pytest.raises((AssertionError, ConnectionError)):
            bad.open("bad")
        assert bad.at_end()
        good.call(1, commands.Basic.Qos(), commands.Basic.QosOk)
        dial(broker).open().close()
        fields = events.wait_for("internal error")
        assert "RuntimeError: injected" in str(fields["traceback"])
        good.close()
