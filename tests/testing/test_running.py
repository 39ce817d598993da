"""Brokers inside a test process."""

import re
import socket
import threading
from pathlib import Path
from typing import Any

import anyio
import pika
import pytest

import amqpd.testing
from amqpd.app import StartError
from amqpd.auth import passwords
from amqpd.auth.users import User, Users
from amqpd.config.mistakes import InvalidSetting
from amqpd.testing import FakeClock, RecordedEvents


@pytest.fixture(params=["asyncio", "uvloop"])
def event_loop_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def connect(url: str) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.URLParameters(url))


def test_a_broker_in_a_thread_serves_and_ends(event_loop_name: str):
    threads = set(threading.enumerate())
    with amqpd.testing.broker_in_thread(event_loop=event_loop_name) as broker:
        connection = connect(broker.url)
        channel = connection.channel()
        channel.queue_declare("q")
        channel.basic_publish("", "q", b"x")
        assert channel.basic_get("q")[2] == b"x"
        connection.close()
    assert set(threading.enumerate()) <= threads
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, broker.port))


def test_two_brokers_share_nothing():
    with amqpd.testing.broker_in_thread() as one, amqpd.testing.broker_in_thread() as two:
        assert one.port != two.port
        first, second = connect(one.url), connect(two.url)
        first.channel().queue_declare("q")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker):
            second.channel().queue_declare("q", passive=True)
        first.close()
        second.close()


def test_an_error_at_the_start_is_raised_in_the_caller():
    threads = set(threading.enumerate())
    with (
        amqpd.testing.broker_in_thread() as taken,
        pytest.raises(StartError, match="Address already in use"),
        amqpd.testing.broker_in_thread(port=taken.port),
    ):
        pytest.fail("started on a port in use")
    with (
        pytest.raises(InvalidSetting, match="heartbeat_s"),
        amqpd.testing.broker_in_thread(heartbeat_s=-1),
    ):
        pytest.fail("started with a bad setting")
    assert set(threading.enumerate()) <= threads


def test_an_error_in_the_block_stops_the_broker_too():
    threads = set(threading.enumerate())
    with pytest.raises(ZeroDivisionError), amqpd.testing.broker_in_thread():
        raise ZeroDivisionError
    assert set(threading.enumerate()) <= threads


def test_an_hour_passes_in_no_time(event_loop_name: str):
    events = RecordedEvents()
    clock = FakeClock()
    with amqpd.testing.broker_in_thread(event_loop=event_loop_name, clock=clock, events=events) as broker:
        with socket.create_connection((broker.host, broker.port)) as client:
            client.settimeout(60)
            assert broker.call(lambda running: len(running.server.sessions)) <= 1
            client.sendall(b"AMQP\0\0\x09\x01")
            assert client.recv(10_000)
            broker.advance(3600)
            assert client.recv(10_000) == b""
        assert "handshake timed out" in events.sentences()
    assert clock.monotonic_s() == 3600


def test_when_advance_returns_the_timers_have_run():
    with amqpd.testing.broker_in_thread(clock=FakeClock()) as broker:
        ran: list[int] = []
        broker.call(lambda running: running.server.broker.timers.after(10, lambda: ran.append(1)) and None)
        broker.advance(9)
        assert ran == []
        broker.advance(1)
        assert ran == [1]


def test_a_fake_clock_outlives_its_broker():
    clock = FakeClock()
    for _ in range(2):
        with amqpd.testing.broker_in_thread(clock=clock) as broker:
            broker.advance(5)
    clock.advance(5)
    assert clock.monotonic_s() == 15


def test_a_client_stays_connected_for_as_long_as_a_fake_clock_says(event_loop_name: str):
    with (
        amqpd.testing.broker_in_thread(event_loop=event_loop_name, clock=FakeClock()) as broker,
        connect(broker.url) as connection,
    ):
        channel = connection.channel()
        channel.queue_declare("q", arguments={"x-message-ttl": 3_600_000})
        channel.basic_publish("", "q", b"x")
        broker.advance(3599)
        assert channel.queue_declare("q", passive=True).method.message_count == 1
        broker.advance(1)
        assert channel.queue_declare("q", passive=True).method.message_count == 0


def test_brokers_in_different_threads_need_clocks_of_their_own():
    clock = FakeClock()
    with amqpd.testing.broker_in_thread(clock=clock) as broker:
        with (
            pytest.raises(RuntimeError, match="another broker, in another thread"),
            amqpd.testing.broker_in_thread(clock=clock),
        ):
            pytest.fail("started with the clock of another")
        broker.advance(5)
    assert clock.monotonic_s() == 5


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ({"clock": FakeClock}, "clock is to be a Clock, and is <class"),
        ({"users": {"guest": "guest"}}, "users is to be a Users, and is {'guest'"),
        ({"events": print}, "events is to be a Events, and is <built-in"),
        ({"hartbeat_s": 3}, "there is no setting hartbeat_s"),
    ],
)
def test_an_argument_of_a_wrong_type_is_named(argument: dict[str, Any], text: str):
    with pytest.raises(TypeError, match=re.escape(text)), amqpd.testing.broker_in_thread(**argument):
        pytest.fail("started all the same")


def test_paths_may_be_texts(tmp_path: Path):
    with amqpd.testing.broker_in_thread(data_dir=str(tmp_path / "data")):
        assert (tmp_path / "data").is_dir()


def test_a_broker_that_has_stopped_says_so():
    with amqpd.testing.broker_in_thread(clock=FakeClock()) as broker:
        pass
    with pytest.raises(RuntimeError, match="the broker has stopped"):
        broker.advance(1)
    with pytest.raises(RuntimeError, match="the broker has stopped"):
        broker.call(lambda running: running.port)


def test_real_time_cannot_be_moved():
    with (
        amqpd.testing.broker_in_thread() as broker,
        pytest.raises(RuntimeError, match=r"clock=FakeClock\(\)"),
    ):
        broker.advance(1)


def test_a_fake_clock_is_advanced_through_its_broker():
    clock = FakeClock()
    with amqpd.testing.broker_in_thread(clock=clock), pytest.raises(RuntimeError, match="another thread"):
        clock.advance(1)


def test_users_and_settings_are_the_callers():
    users = Users()
    users.add(User("me", passwords.hash_password("secret", passwords.random_salt())))
    users.set_permissions("me", "/", ".*", ".*", ".*")
    with amqpd.testing.broker_in_thread(users=users, product="mine") as broker:
        parameters = pika.URLParameters(broker.url)
        with pytest.raises(pika.exceptions.ProbableAuthenticationError):
            pika.BlockingConnection(parameters)
        parameters.credentials = pika.PlainCredentials("me", "secret")
        connection = pika.BlockingConnection(parameters)
        assert connection._impl.server_properties["product"] == "mine"
        connection.close()


def test_brokers_that_have_stopped_leave_no_thread_behind():
    before = set(threading.enumerate())
    for _ in range(5):
        with amqpd.testing.broker_in_thread():
            assert set(threading.enumerate()) - before
    assert not set(threading.enumerate()) - before


def test_a_broker_runs_in_the_callers_event_loop(event_loop_name: str):
    async def talk() -> bytes:
        async with amqpd.testing.broker(clock=FakeClock()) as broker:
            async with await anyio.connect_tcp(broker.host, broker.port) as stream:
                await stream.send(b"AMQP\0\0\x09\x01")
                start = await stream.receive()
                broker.advance(10)
                with pytest.raises(anyio.EndOfStream):
                    await stream.receive()
            return start

    start = anyio.run(talk, backend_options={"use_uvloop": event_loop_name == "uvloop"})
    assert start.startswith(b"\x01\x00\x00")


def test_the_url_names_guest_host_port_and_vhost():
    with amqpd.testing.broker_in_thread() as broker:
        assert broker.url == f"amqp://guest:guest@127.0.0.1:{broker.port}/%2F"
