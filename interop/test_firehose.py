"""The firehose (`amq.rabbitmq.trace`), switched on with the management API and read with pika."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from interop.broker import Broker
from interop.management import Management
from interop.names import Names
from interop.waiting import LIMIT_S, pump_until

SETTLED_S = 0.3  # RabbitMQ tells its channels of the tracing a little later

Trace = tuple[str, dict[str, Any], bytes]


@pytest.fixture
def broker(management: Management) -> Broker:
    return management.broker


@pytest.fixture
def vhost(management: Management, names: Names) -> Iterator[str]:
    """A virtual host of the test's own, which is traced."""
    name = names("vhost")
    management.call("PUT", f"vhosts/{name}", {"tracing": True})
    yield name
    management.call("DELETE", f"vhosts/{name}")


@pytest.fixture
def connect_to(management: Management, vhost: str) -> Iterator[Callable[[], BlockingChannel]]:
    """Open channels of connections to that virtual host."""
    broker = management.broker
    credentials = pika.PlainCredentials(broker.username, broker.password)
    parameters = pika.ConnectionParameters(broker.host, broker.port, vhost, credentials)
    opened: list[pika.BlockingConnection] = []

    def connect() -> BlockingChannel:
        opened.append(pika.BlockingConnection(parameters))
        return opened[-1].channel()

    yield connect
    for connection in opened:
        connection.close()


@pytest.fixture
def watcher(connect_to: Callable[[], BlockingChannel]) -> BlockingChannel:
    """Has the queue "traces", which gets everything."""
    channel = connect_to()
    channel.queue_declare("traces", exclusive=True)
    channel.queue_bind("traces", "amq.rabbitmq.trace", "#")
    return channel


def traces(watcher: BlockingChannel, count: int) -> list[Trace]:
    """What was told, without what the watcher gets: so much, and whatever comes soon after."""
    found: list[Trace] = []
    deadline = time.monotonic() + LIMIT_S
    while len(found) < count and time.monotonic() < deadline:
        time.sleep(SETTLED_S)
        found += told(watcher)
    return found


def told(watcher: BlockingChannel) -> list[Trace]:
    """The same, as far as it is there."""
    found: list[Trace] = []
    while True:
        method, properties, body = watcher.basic_get("traces", auto_ack=True)
        if method is None:
            return found
        if method.routing_key != "deliver.traces":
            found.append((method.routing_key, properties.headers, body))


def test_publishing_and_delivery_are_told(
    watcher: BlockingChannel, connect_to: Callable[[], BlockingChannel], vhost: str, management: Management
) -> None:
    channel = connect_to()
    channel.queue_declare("q", exclusive=True)
    channel.basic_publish("", "q", b"hello", pika.BasicProperties(headers={"a": 1}, priority=3))
    time.sleep(SETTLED_S)
    channel.basic_get("q", auto_ack=True)
    published, delivered = traces(watcher, 2)
    assert (published[0], published[2]) == ("publish.", b"hello")
    assert (delivered[0], delivered[2]) == ("deliver.q", b"hello")
    for headers in (published[1], delivered[1]):
        assert headers["properties"] == {"headers": {"a": 1}, "priority": 3}
        assert (headers["exchange_name"], headers["routing_keys"]) == ("", ["q"])
        assert (headers["vhost"], headers["user"]) == (vhost, management.broker.username)
        assert headers["channel"] == 1 and "->" in headers["connection"] and headers["node"]
    assert published[1]["routed_queues"] == ["q"]
    assert delivered[1]["redelivered"] == 0


def test_consumers_and_redeliveries_are_told(
    watcher: BlockingChannel, connect_to: Callable[[], BlockingChannel]
) -> None:
    channel = connect_to()
    channel.queue_declare("q", exclusive=True)
    got: list[int] = []

    def take(_channel: object, method: pika.spec.Basic.Deliver, _properties: object, _body: bytes) -> None:
        got.append(method.delivery_tag)
        if len(got) == 1:
            channel.basic_reject(method.delivery_tag, requeue=True)

    channel.basic_consume("q", take)
    channel.basic_publish("", "q", b"m")
    pump_until(channel.connection, lambda: len(got) == 2)
    found = traces(watcher, 3)
    assert [key for key, _headers, _body in found] == ["publish.", "deliver.q", "deliver.q"]
    assert [headers["redelivered"] for _key, headers, _body in found[1:]] == [0, 1]


def test_what_leads_nowhere_is_told_too(
    watcher: BlockingChannel, connect_to: Callable[[], BlockingChannel]
) -> None:
    connect_to().basic_publish("amq.fanout", "k", b"lost")
    ((key, headers, _body),) = traces(watcher, 1)
    assert (key, headers["routed_queues"]) == ("publish.amq.fanout", [])


def test_nothing_is_told_when_tracing_is_off(
    watcher: BlockingChannel,
    connect_to: Callable[[], BlockingChannel],
    management: Management,
    vhost: str,
) -> None:
    assert management.call("GET", f"vhosts/{vhost}")["tracing"] is True
    management.call("PUT", f"vhosts/{vhost}", {"tracing": False})
    time.sleep(SETTLED_S)
    publisher = connect_to()
    publisher.confirm_delivery()
    publisher.basic_publish("amq.fanout", "k", b"lost")
    time.sleep(SETTLED_S)
    assert told(watcher) == []
    assert management.call("GET", f"vhosts/{vhost}")["tracing"] is False
