"""py-amqp, the library under Celery and kombu, used by itself."""

import time
from collections.abc import Iterator

import amqp
import pytest

from interop.broker import Broker
from interop.names import Names
from interop.waiting import LIMIT_S


@pytest.fixture
def py_amqp(broker: Broker, names: Names) -> Iterator[amqp.Connection]:
    with amqp.Connection(
        f"{broker.host}:{broker.port}",
        userid=broker.username,
        password=broker.password,
        virtual_host=broker.virtual_host,
        read_timeout=60,
    ) as connection:
        yield connection


def test_hello_world_arrives(py_amqp: amqp.Connection, names: Names) -> None:
    hello = names("hello")
    channel = py_amqp.channel()
    channel.queue_declare(hello, auto_delete=False)
    channel.basic_publish(amqp.Message("Hello World!"), routing_key=hello)
    received: list[amqp.Message] = []
    channel.basic_consume(hello, callback=received.append)
    py_amqp.drain_events(timeout=60)
    assert [message.body for message in received] == ["Hello World!"]
    channel.basic_ack(received[0].delivery_tag)


def test_a_confirmed_publish_is_there_when_it_returns(py_amqp: amqp.Connection, names: Names) -> None:
    queue = names("confirmed")
    channel = py_amqp.channel()
    channel.confirm_select()
    channel.queue_declare(queue, durable=True, auto_delete=False)
    for _ in range(10):
        channel.basic_publish_confirm(amqp.Message("m", delivery_mode=2), routing_key=queue)
    assert channel.queue_declare(queue, passive=True).message_count == 10


def test_get_returns_messages_and_then_none(py_amqp: amqp.Connection, names: Names) -> None:
    queue = names("get")
    channel = py_amqp.channel()
    channel.queue_declare(queue, auto_delete=False)
    channel.basic_publish(amqp.Message("m", application_headers={"number": 1}), routing_key=queue)
    message = channel.basic_get(queue)
    assert (message.body, message.headers) == ("m", {"number": 1})
    channel.basic_ack(message.delivery_tag)
    assert channel.basic_get(queue) is None


def test_a_missing_exchange_raises_not_found_at_the_next_reply(
    py_amqp: amqp.Connection, names: Names
) -> None:
    channel = py_amqp.channel()
    channel.basic_publish(amqp.Message("m"), exchange=names("missing"))
    with pytest.raises(amqp.NotFound, match="no exchange"):
        channel.queue_declare(exclusive=True)
    assert py_amqp.channel().queue_declare(exclusive=True).queue.startswith("amq.gen-")


def test_deleting_a_queue_cancels_its_consumer(py_amqp: amqp.Connection, names: Names) -> None:
    queue = names("cancelled")
    channel = py_amqp.channel()
    channel.queue_declare(queue, auto_delete=False)
    cancelled: list[str] = []
    tag = channel.basic_consume(queue, callback=print, on_cancel=cancelled.append)
    py_amqp.channel().queue_delete(queue)
    while not cancelled:
        py_amqp.drain_events(timeout=60)
    assert cancelled == [tag]


def test_the_server_names_a_consumer_that_has_no_tag(py_amqp: amqp.Connection, names: Names) -> None:
    queue = names("tags")
    channel = py_amqp.channel()
    channel.queue_declare(queue, auto_delete=False)
    first, second = (channel.basic_consume(queue, consumer_tag="") for _ in range(2))
    assert first.startswith("amq.ctag-")
    assert second.startswith("amq.ctag-")
    assert first != second


def test_an_exclusive_queue_goes_when_its_connection_is_cut(
    broker: Broker, py_amqp: amqp.Connection, names: Names
) -> None:
    queue = names("exclusive")
    owner = amqp.Connection(f"{broker.host}:{broker.port}", userid=broker.username, password=broker.password)
    owner.connect()
    owner.channel().queue_declare(queue, exclusive=True)
    owner.collect()  # closes the socket and says nothing to the server
    deadline = time.monotonic() + LIMIT_S
    gone = False
    while not gone and time.monotonic() < deadline:
        try:
            py_amqp.channel().queue_declare(queue, passive=True)
        except amqp.NotFound:
            gone = True
        except amqp.ResourceLocked:
            time.sleep(0.02)
    assert gone


def test_a_client_that_sends_no_heartbeats_is_cut_off(broker: Broker) -> None:
    connection = amqp.Connection(
        f"{broker.host}:{broker.port}",
        userid=broker.username,
        password=broker.password,
        virtual_host=broker.virtual_host,
        heartbeat=1,
    )
    connection.connect()
    assert connection.heartbeat == 1
    with pytest.raises(OSError, match=r"closed connection|reset by peer") as caught:
        while True:
            connection.drain_events(timeout=60)
    assert not isinstance(caught.value, TimeoutError)
    connection.collect()


def test_py_amqp_sees_a_refused_login(broker: Broker) -> None:
    connection = amqp.Connection(f"{broker.host}:{broker.port}", userid=broker.username, password="wrong")
    with pytest.raises(amqp.AccessRefused, match="Login was refused"):
        connection.connect()
