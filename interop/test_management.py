"""Clients of RabbitMQ's HTTP API: pyrabbit2, rabbitmq-admin, AMQPStorm's management client, each with all it can do.

They talk to the API at MANAGEMENT_URL, which goes with the broker at AMQP_URL, or to that of an amqpd of their own.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import amqpstorm.management
import pika
import pyrabbit2
import pytest
import rabbitmq_admin
import requests
from amqpstorm.management.exception import ApiError

from interop.broker import Broker
from interop.management import Management, until
from interop.names import Names


@pytest.fixture
def broker(management: Management) -> Broker:
    return management.broker


@pytest.fixture
def tenant(management: Management, names: Names) -> Iterator[str]:
    """A virtual host of this test's own, which guest may use."""
    name = f"{names.prefix}.tenant"
    user = management.broker
    with requests.Session() as session:
        session.auth = user.username, user.password
        vhost = f"{management.url}/api/vhosts/{name}"
        assert session.put(vhost, json={}).ok
        patterns = {"configure": ".*", "write": ".*", "read": ".*"}
        assert session.put(f"{management.url}/api/permissions/{name}/{user.username}", json=patterns).ok
        yield name
        session.delete(vhost)


class Client:
    """Somebody who is connected to the tenant's virtual host, and consumes from a queue there."""

    def __init__(self, broker: Broker, vhost: str) -> None:
        parameters = pika.URLParameters(broker.url)
        parameters.virtual_host = vhost
        self.vhost = vhost
        self.queue = "consumed"
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()
        self.channel.queue_declare(self.queue)
        self.channel.basic_consume(self.queue, lambda *_: None, consumer_tag="tag")
        self.connection.process_data_events()

    def shown(self, told: Callable[[], Any]) -> dict[str, Any]:
        """What a list tells of it, once it does."""

        def mine() -> list[dict[str, Any]]:
            return [each for each in told() if each.get("vhost") == self.vhost and each.get("name")]

        [found] = until(mine, bool)
        return dict(found)

    def is_closed(self, reason: str) -> None:
        with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
            self.connection.process_data_events(time_limit=60)
        assert (closed.value.reply_code, closed.value.reply_text) == (320, f"CONNECTION_FORCED - {reason}")


@pytest.fixture
def client(broker: Broker, tenant: str) -> Iterator[Client]:
    client = Client(broker, tenant)
    yield client
    if client.connection.is_open:
        client.connection.close()


def called_here() -> set[str]:
    """The names of all attributes that this file uses."""
    tree = ast.parse(Path(__file__).read_text())
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


SHOVELS = {
    "get_shovel",
    "get_all_shovels",
    "create_shovel",
    "delete_shovel",
}  # RabbitMQ has a plugin for them
IN_NAME_ONLY = {  # they have no body
    "get_bindings_from_exchange",
    "get_bindings_to_exchange",
    "get_bindings_between_exch_and_queue",
}

CLIENTS: list[tuple[type, set[str]]] = [
    (pyrabbit2.Client, SHOVELS | IN_NAME_ONLY),
    (rabbitmq_admin.AdminAPI, set()),
    (amqpstorm.management.ManagementApi, set()),
    (amqpstorm.management.basic.Basic, set()),
    (amqpstorm.management.channel.Channel, set()),
    (amqpstorm.management.connection.Connection, set()),
    (amqpstorm.management.exchange.Exchange, set()),
    (amqpstorm.management.healthchecks.HealthChecks, set()),
    (amqpstorm.management.queue.Queue, set()),
    (amqpstorm.management.user.User, set()),
    (amqpstorm.management.virtual_host.VirtualHost, set()),
]


@pytest.mark.parametrize(("kind", "left_out"), CLIENTS, ids=lambda value: getattr(value, "__qualname__", ""))
def test_everything_that_a_client_can_do_is_tried(kind: type, left_out: set[str]) -> None:
    methods = {name for name in vars(kind) if not name.startswith("_") and name.islower()}
    data = {name for name, value in vars(kind).items() if isinstance(value, (dict, str))}
    assert methods - data - left_out <= called_here()


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


def test_pyrabbit_lists_what_there_is(pyrabbit: pyrabbit2.Client, tenant: str) -> None:
    pyrabbit.create_exchange(tenant, "x", "topic", durable=False, arguments={"a": 1})
    pyrabbit.create_queue(tenant, "q", durable=True, arguments={"x-max-length": 4})
    pyrabbit.create_binding(tenant, "x", "q", "k.*", {"b": "c"})
    assert pyrabbit.get_exchange(tenant, "x")["arguments"] == {"a": 1}
    assert "x" in [each["name"] for each in pyrabbit.get_exchanges(tenant)]
    assert tenant in [each["vhost"] for each in pyrabbit.get_exchanges()]
    assert [each["name"] for each in pyrabbit.get_queues(tenant)] == ["q"]
    assert ("q", tenant) in [(each["name"], each["vhost"]) for each in pyrabbit.get_queues()]
    assert [each["name"] for each in pyrabbit.get_queues(tenant, "^Q$", regex=True)] == ["q"]
    assert pyrabbit.get_queues(tenant, "nope") == []
    assert ("x", "k.*") in [(each["source"], each["routing_key"]) for each in pyrabbit.get_bindings()]
    assert pyrabbit.delete_exchange(tenant, "x")
    with pytest.raises(pyrabbit2.http.HTTPError):
        pyrabbit.get_exchange(tenant, "x")
    assert tenant in [each["name"] for each in pyrabbit.get_all_vhosts()]
    assert pyrabbit.get_vhost(tenant)["tracing"] is False
    assert "guest" in [each["name"] for each in pyrabbit.get_users()]
    assert tenant in [each["vhost"] for each in pyrabbit.get_permissions()]
    assert [each["user"] for each in pyrabbit.get_vhost_permissions(tenant)] == ["guest"]
    assert tenant in [each["vhost"] for each in pyrabbit.get_user_permissions("guest")]
    assert isinstance(pyrabbit.get_all_policies(), list)
    assert tenant in [each["name"] for each in pyrabbit.get_definitions()["vhosts"]]
    assert {"javascript": "dispatcher.js"} in pyrabbit.get_extensions()
    assert pyrabbit.get_cluster_name()["name"]


def test_pyrabbit_counts_and_purges(
    pyrabbit: pyrabbit2.Client, tenant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for queue in ("one", "two"):
        pyrabbit.create_queue(tenant, queue)
        pyrabbit.publish(tenant, "amq.default", queue, "payload")
    for queue in ("one", "two"):
        until(lambda queue=queue: pyrabbit.get_queue(tenant, queue), lambda told: told.get("messages") == 1)
        assert pyrabbit.get_queue_depth(tenant, queue) == 1
    pyrabbit.get_queue_depths(tenant, ["one"])
    pyrabbit.get_queue_depths(tenant)
    assert "one: 1" in capsys.readouterr().out
    assert pyrabbit.purge_queues([("one", tenant), ("two", tenant)])
    assert pyrabbit.get_messages(tenant, "one") == []


def test_pyrabbit_ends_a_connection(pyrabbit: pyrabbit2.Client, client: Client) -> None:
    connection = client.shown(pyrabbit.get_connections)
    channel = client.shown(pyrabbit.get_channels)
    assert pyrabbit.get_connection(connection["name"])["user"] == "guest"
    assert pyrabbit.get_channel(channel["name"])["number"] == client.channel.channel_number
    pyrabbit.delete_connection(connection["name"])
    client.is_closed("Closed via management plugin")


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


def test_rabbitmq_admin_lists_what_there_is(admin: rabbitmq_admin.AdminAPI, tenant: str) -> None:
    assert {"listeners", "queue_totals", "object_totals"} <= admin.overview().keys()
    assert {"javascript": "dispatcher.js"} in admin.list_extensions()
    assert ("amq.topic", tenant) in [(each["name"], each["vhost"]) for each in admin.list_exchanges()]
    assert tenant in [each["vhost"] for each in admin.list_permissions()]
    assert tenant in [each["vhost"] for each in admin.list_user_permissions("guest")]
    assert tenant in [each["name"] for each in admin.list_vhosts()]
    assert admin.get_vhost(tenant)["name"] == tenant
    assert "guest" in [each["name"] for each in admin.list_users()]
    assert admin.get_user("guest")["tags"] == ["administrator"]
    assert admin.is_vhost_alive(tenant) == {"status": "ok"}
    queue = {"name": "q", "vhost": tenant, "durable": True, "auto_delete": False, "arguments": {}}
    binding = {"source": "amq.topic", "vhost": tenant, "destination": "q", "destination_type": "queue"}
    admin.post_definitions(
        {"queues": [queue], "bindings": [{**binding, "routing_key": "k", "arguments": {}}]}
    )
    assert binding.items() <= admin.list_bindings_for_vhost(tenant)[-1].items()
    assert any(binding.items() <= each.items() for each in admin.list_bindings())
    admin.create_policy_for_vhost(tenant, "p", {"max-length": 5}, pattern="^q$")
    assert [each["name"] for each in admin.list_policies_for_vhost(tenant)] == ["p"]
    assert tenant in [each["vhost"] for each in admin.list_policies()]
    assert admin.get_node(admin.list_nodes()[0]["name"], memory=True)["running"] is True


def test_rabbitmq_admin_makes_a_vhost(admin: rabbitmq_admin.AdminAPI, names: Names) -> None:
    name = names("made")
    admin.create_vhost(name, tracing=True)
    assert admin.get_vhost(name)["tracing"] is True
    admin.delete_vhost(name)
    assert name not in [each["name"] for each in admin.list_vhosts()]


def test_rabbitmq_admin_lists_who_is_connected(admin: rabbitmq_admin.AdminAPI, client: Client) -> None:
    connection = client.shown(admin.list_connections)
    channel = client.shown(admin.list_channels)
    # it asks with a plus sign for each blank of a name, and so finds none
    for asked, name in (
        (admin.get_connection, connection["name"]),
        (admin.list_connection_channels, connection["name"]),
        (admin.get_channel, channel["name"]),
        (admin.delete_connection, connection["name"]),
    ):
        with pytest.raises(requests.HTTPError) as missing:
            asked(name)
        assert missing.value.response.status_code in (404, 500)
    [consumer] = admin.list_consumers_for_vhost(client.vhost)
    assert (consumer["consumer_tag"], consumer["queue"]["name"]) == ("tag", client.queue)
    assert consumer in admin.list_consumers()


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


def test_amqpstorm_closes_a_connection(storm: amqpstorm.management.ManagementApi, client: Client) -> None:
    connection = client.shown(storm.connection.list)
    channel = client.shown(storm.channel.list)
    assert storm.connection.get(connection["name"])["user"] == "guest"
    assert storm.channel.get(channel["name"])["number"] == client.channel.channel_number
    storm.connection.close(connection["name"], reason="enough")
    client.is_closed("enough")


def test_amqpstorm_binds_exchanges(storm: amqpstorm.management.ManagementApi, tenant: str) -> None:
    for name in ("from", "to"):
        storm.exchange.declare(name, exchange_type="topic", virtual_host=tenant, arguments={"a": name})
    assert storm.exchange.get("from", virtual_host=tenant)["arguments"] == {"a": "from"}
    assert {"from", "to"} <= {each["name"] for each in storm.exchange.list(tenant)}
    storm.exchange.bind(source="from", destination="to", routing_key="a.*", virtual_host=tenant)
    [binding] = storm.exchange.bindings("from", virtual_host=tenant)
    assert (binding["destination"], binding["destination_type"]) == ("to", "exchange")
    storm.exchange.unbind(source="from", destination="to", routing_key="a.*", virtual_host=tenant)
    assert storm.exchange.bindings("from", virtual_host=tenant) == []
    storm.exchange.delete("from", virtual_host=tenant)
    with pytest.raises(ApiError) as missing:
        storm.exchange.declare("from", passive=True, virtual_host=tenant)
    assert missing.value.error_code == 404


def test_amqpstorm_sees_what_there_is(storm: amqpstorm.management.ManagementApi, tenant: str) -> None:
    assert storm.cluster_name()["name"]
    [node] = storm.nodes()
    assert storm.node(node["name"])["name"] == node["name"]
    assert storm.healthchecks.get() == storm.healthchecks.get(node["name"]) == {"status": "ok"}
    assert storm.virtual_host.get(tenant)["name"] == tenant
    assert tenant in [each["name"] for each in storm.virtual_host.list()]
    assert [each["user"] for each in storm.virtual_host.get_permissions(tenant)] == ["guest"]
    assert storm.user.get("guest")["name"] in [each["name"] for each in storm.user.list()]
    with pytest.raises(ApiError) as missing:
        storm.top()  # the plugin rabbitmq_top
    assert missing.value.error_code == 404


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
