"""The API on real sockets, beside a broker that serves AMQP."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from amqpd.app import StartError
from amqpd.testing.running import BrokerInThread, broker_in_thread

AUTHORIZATION = {"authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}


@pytest.fixture
def broker() -> Iterator[BrokerInThread]:
    with broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=0) as broker:
        yield broker


class Client:
    """One connection to the API."""

    def __init__(self, broker: BrokerInThread) -> None:
        self._connection = http.client.HTTPConnection(broker.host, broker.management_port, timeout=10)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        self._connection.request(
            method, "/api" + path, None if body is None else json.dumps(body), AUTHORIZATION
        )
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None


@pytest.fixture
def client(broker: BrokerInThread) -> Client:
    return Client(broker)


def test_what_is_made_over_http_is_there_over_amqp(broker: BrokerInThread, client: Client):
    assert client.call("PUT", "/queues/%2F/q", {}) == (201, None)
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.basic_publish("", "q", b"hello")
        channel.queue_declare("q", passive=True)
        assert client.call("GET", "/queues/%2F/q?columns=messages") == (200, {"messages": 1})
        assert client.call("GET", "/connections")[1][0]["client_properties"]["product"].startswith("Pika")
    get = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    assert client.call("POST", "/queues/%2F/q/get", get)[1][0]["payload"] == "hello"


def test_one_connection_carries_many_requests(client: Client):
    for _request in range(20):
        assert client.call("GET", "/whoami") == (200, {"name": "guest", "tags": ["administrator"]})


def test_a_search_that_takes_for_ever_keeps_nobody_from_anything(broker: BrokerInThread, client: Client):
    client.call("PUT", f"/queues/%2F/{'a' * 60}", {})
    searching = threading.Thread(
        target=lambda: Client(broker).call("GET", "/queues?page=1&use_regex=true&name=(a%2B)%2B$b")
    )
    searching.start()
    assert client.call("GET", "/whoami")[0] == 200
    assert searching.is_alive()
    searching.join()


def test_a_large_message_goes_through(client: Client):
    client.call("PUT", "/queues/%2F/q", {})
    payload = "x" * 1_000_000
    body = {"properties": {}, "routing_key": "q", "payload": payload, "payload_encoding": "string"}
    assert client.call("POST", "/exchanges/%2F/amq.default/publish", body) == (200, {"routed": True})
    get = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    assert client.call("POST", "/queues/%2F/q/get", get)[1][0]["payload"] == payload


def test_head_and_errors_leave_the_connection_usable(client: Client):
    assert client.call("HEAD", "/overview") == (200, None)
    assert client.call("GET", "/nope")[0] == 404
    assert client.call("DELETE", "/queues/%2F/none")[0] == 404
    assert client.call("GET", "/whoami")[0] == 200


def test_its_own_address_is_among_the_listeners(broker: BrokerInThread, client: Client):
    listeners = client.call("GET", "/overview")[1]["listeners"]
    assert {(each["protocol"], each["port"]) for each in listeners} == {
        ("amqp", broker.port),
        ("http", broker.management_port),
    }
    assert client.call("GET", f"/health/checks/port-listener/{broker.management_port}")[0] == 200


def test_what_is_no_http_is_answered_and_closed(broker: BrokerInThread):
    with socket.create_connection((broker.host, broker.management_port), timeout=10) as raw:
        raw.sendall(b"AMQP\x00\x00\x09\x01\r\n\r\n")
        assert b"400" in raw.recv(1000)


def test_it_ends_with_the_broker_while_a_client_is_connected():
    with broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=0) as broker:
        client = Client(broker)
        client.call("GET", "/whoami")
        port = broker.management_port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, port), timeout=1)


def test_a_port_that_is_taken_stops_the_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(StartError, match=f"cannot listen on 127.0.0.1 port {port}"),
            broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=port),
        ):
            raise AssertionError("it has started")


def test_answers_are_on_disk(tmp_path: Path):
    options = {"management": True, "management_host": ("127.0.0.1",), "management_port": 0}
    with broker_in_thread(data_dir=tmp_path / "data", **options) as broker:
        client = Client(broker)
        assert client.call("PUT", "/queues/%2F/kept", {"durable": True})[0] == 201
        assert client.call("PUT", "/users/anna", {"password": "pw", "tags": ""})[0] == 201
    with broker_in_thread(data_dir=tmp_path / "data", **options) as broker:
        client = Client(broker)
        assert client.call("GET", "/queues/%2F/kept")[0] == 200
        assert client.call("GET", "/users/anna")[0] == 200
