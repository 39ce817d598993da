"""What the metrics say of a broker that something has happened in."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from pamqp import commands

from amqpd.prometheus import turns
from amqpd.testing import MemoryBroker, Peer
from amqpd.wire.fields import Field
from amqpd.wire.patterns import compile_pcre
from tests.prometheus.conftest import Endpoint

AMQP = {"protocol": "amqp091"}
CLASSIC = {**AMQP, "queue_type": "rabbit_classic_queue"}
QUORUM = {**AMQP, "queue_type": "rabbit_quorum_queue"}
STREAM = {**AMQP, "queue_type": "rabbit_stream_queue"}


@pytest.fixture
def peer(broker: MemoryBroker) -> Peer:
    """A client with a queue q."""
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q"))
    return peer


def text(value: str) -> Any:
    return Field("S", value)


def number(value: int) -> Any:
    return Field("I", value)


# How much there is


def test_messages_and_consumers_of_queues(endpoint: Endpoint, peer: Peer):
    peer.call(1, commands.Basic.Qos(prefetch_count=2))
    peer.call(1, commands.Basic.Consume(queue="q"))
    for _number in range(5):
        peer.publish(1, "", "q", b"hello")
    labels = {"vhost": "/", "queue": "q"}
    expected = {
        "messages_ready": 3,
        "messages_unacked": 2,
        "messages": 5,
        "consumers": 1,
        "messages_bytes": 25,
        "messages_ready_bytes": 15,
        "messages_unacked_bytes": 10,
        "messages_ram": 5,
        "messages_ram_bytes": 25,
        "messages_paged_out": 0,
    }
    for name, value in expected.items():
        assert endpoint.value(f"rabbitmq_queue_{name}") == value
        assert endpoint.value(f"rabbitmq_queue_{name}", "/metrics/per-object", **labels) == value
    assert endpoint.value("rabbitmq_queue_consumer_capacity", "/metrics/per-object", **labels) == 0


def test_sums_are_of_all_queues(endpoint: Endpoint, broker: MemoryBroker, peer: Peer):
    broker.broker.add_vhost("other")
    broker.users.set_permissions("guest", "other", ".*", ".*", ".*")
    other = broker.peer().open("other")
    other.open_channel()
    other.call(1, commands.Queue.Declare(queue="q"))
    other.publish(1, "", "q", b"m")
    peer.publish(1, "", "q", b"m")
    assert endpoint.value("rabbitmq_queue_messages_ready") == 2
    assert endpoint.values("rabbitmq_queue_messages_ready", "/metrics/per-object") == {
        (("queue", "q"), ("vhost", "/")): 1,
        (("queue", "q"), ("vhost", "other")): 1,
    }


def test_a_stream_has_no_sizes(endpoint: Endpoint, peer: Peer):
    arguments = {"x-queue-type": text("stream")}
    peer.call(1, commands.Queue.Declare(queue="s", durable=True, arguments=arguments))
    labels = (("queue", "s"), ("vhost", "/"))
    assert endpoint.values("rabbitmq_queue_consumers", "/metrics/per-object")[labels] == 0
    assert labels not in endpoint.values("rabbitmq_queue_messages_bytes", "/metrics/per-object")


def test_how_many_there_are_of_everything(endpoint: Endpoint, broker: MemoryBroker, peer: Peer):
    peer.open_channel(2)
    broker.connect()
    peer.call(2, commands.Basic.Consume(queue="q"))
    for path in ("/metrics", "/metrics/per-object"):
        told = [
            endpoint.value(f"rabbitmq_{name}", path)
            for name in ("connections", "channels", "consumers", "queues")
        ]
        assert told == [2, 3, 1, 1]
    assert endpoint.value("rabbitmq_global_consumers", **AMQP) == 1
    assert endpoint.value("rabbitmq_process_open_tcp_sockets") == 2


def test_channels_that_have_published_are_publishers(endpoint: Endpoint, peer: Peer):
    peer.open_channel(2)
    assert endpoint.value("rabbitmq_global_publishers", **AMQP) == 0
    peer.publish(2, "", "q", b"m")
    peer.publish(2, "", "q", b"m")
    assert endpoint.value("rabbitmq_global_publishers", **AMQP) == 1
    peer.call(2, commands.Channel.Close(200, "", 0, 0))
    assert endpoint.value("rabbitmq_global_publishers", **AMQP) == 0


def test_what_channels_wait_for(endpoint: Endpoint, peer: Peer):
    peer.call(1, commands.Tx.Select())
    peer.publish(1, "", "q", b"m")
    peer.call(1, commands.Tx.Commit())
    peer.call(1, commands.Basic.Get(queue="q"))
    peer.send(1, commands.Basic.Ack(1))
    peer.publish(1, "", "q", b"m")
    peer.call(1, commands.Basic.Qos(prefetch_count=7))
    assert endpoint.value("rabbitmq_channel_messages_uncommitted") == 1
    assert endpoint.value("rabbitmq_channel_acks_uncommitted") == 1
    assert endpoint.value("rabbitmq_channel_messages_unacked") == 0
    assert endpoint.value("rabbitmq_consumer_prefetch") == 7
    assert endpoint.value("rabbitmq_channel_prefetch") == 0


def test_what_is_settled_but_not_committed_is_still_in_hands(endpoint: Endpoint, peer: Peer):
    peer.publish(1, "", "q", b"four")
    peer.call(1, commands.Tx.Select())
    peer.call(1, commands.Basic.Get(queue="q"))
    peer.send(1, commands.Basic.Ack(1))
    assert endpoint.value("rabbitmq_queue_messages_unacked") == 1
    assert endpoint.value("rabbitmq_queue_messages_unacked_bytes") == 4
    assert endpoint.value("rabbitmq_queue_messages_bytes") == 4
    peer.call(1, commands.Tx.Commit())
    assert endpoint.value("rabbitmq_queue_messages_bytes") == 0


def test_the_machine(endpoint: Endpoint):
    assert endpoint.value("rabbitmq_process_resident_memory_bytes") == 111_000
    assert endpoint.value("rabbitmq_resident_memory_limit_bytes") == 222_000
    assert endpoint.value("rabbitmq_disk_space_available_bytes") == 333_000
    assert endpoint.value("rabbitmq_disk_space_available_limit_bytes") == 444_000
    assert 0 < endpoint.value("rabbitmq_process_open_fds") < endpoint.value("rabbitmq_process_max_fds")


def test_the_time_since_the_start(endpoint: Endpoint, broker: MemoryBroker):
    began = endpoint.value("process_start_time_seconds")
    broker.advance(90)
    assert endpoint.value("rabbitmq_erlang_uptime_seconds") == 90
    assert endpoint.value("process_start_time_seconds") == began
    assert began == round(broker.clock.unix_s() - 90)


def test_alarms(endpoint: Endpoint, broker: MemoryBroker):
    names = ["memory_used_watermark", "free_disk_space_watermark", "file_descriptor_limit"]
    assert [endpoint.value(f"rabbitmq_alarms_{name}") for name in names] == [0, 0, 0]
    broker.broker.alarms.raise_alarm("memory")
    assert [endpoint.value(f"rabbitmq_alarms_{name}") for name in names] == [1, 0, 0]
    broker.broker.alarms.raise_alarm("disk")
    assert [endpoint.value(f"rabbitmq_alarms_{name}") for name in names] == [1, 1, 0]


# Who it is


def test_the_broker_says_who_it_is(endpoint: Endpoint, broker: MemoryBroker):
    for path in ("/metrics", "/metrics/per-object", "/metrics/detailed"):
        [labels] = endpoint.values("rabbitmq_identity_info", path)
        identity = dict(labels)
        assert identity["rabbitmq_node"] == "rabbit@localhost"
        assert identity["rabbitmq_cluster"] == "rabbit@localhost"
        assert identity["rabbitmq_endpoint"] == path.removeprefix("/metrics/").replace(
            "/metrics", "aggregated"
        )
        [labels] = endpoint.values("rabbitmq_build_info", path)
        assert dict(labels)["rabbitmq_version"] == "3.10.8"
        assert {name for name, _value in labels} == {
            "rabbitmq_version",
            "prometheus_plugin_version",
            "prometheus_client_version",
            "erlang_version",
        }


def test_a_cluster_has_the_name_it_was_given_and_an_id_that_stays(endpoint: Endpoint, broker: MemoryBroker):
    def identity() -> dict[str, str]:
        [labels] = endpoint.values("rabbitmq_identity_info")
        return dict(labels)

    before = identity()
    endpoint.site.name_cluster("hen house")
    assert identity() == {**before, "rabbitmq_cluster": "hen house"}
    broker.broker.set_global_parameter("internal_cluster_id", "rabbitmq-cluster-id-x")
    assert identity()["rabbitmq_cluster_permanent_id"] == "rabbitmq-cluster-id-x"


def test_another_product_is_named(broker: MemoryBroker):
    broker.parameters.server_properties["product"] = text("Hare")
    [labels] = Endpoint(broker).values("rabbitmq_build_info")
    assert dict(labels)["product_name"] == "Hare"
    assert dict(labels)["product_version"] == "3.10.8"


# What has happened


def test_messages_by_the_type_of_their_queue(endpoint: Endpoint, peer: Peer):
    arguments = {"x-queue-type": text("quorum")}
    peer.call(1, commands.Queue.Declare(queue="r", durable=True, arguments=arguments))
    for queue in ("q", "q", "q", "r"):
        peer.publish(1, "", queue, b"m")
    peer.call(1, commands.Basic.Get(queue="q"))
    peer.send(1, commands.Basic.Nack(1, requeue=True))
    peer.call(1, commands.Basic.Get(queue="q"))
    peer.send(1, commands.Basic.Ack(2))
    peer.call(1, commands.Basic.Get(queue="q", no_ack=True))
    peer.call(1, commands.Basic.Consume(queue="q"))
    peer.call(1, commands.Basic.Consume(queue="r", no_ack=True))
    peer.call(1, commands.Basic.Get(queue="r"))
    expected = {
        "delivered": (4, 1, 0),
        "delivered_get_manual_ack": (2, 0, 0),
        "delivered_get_auto_ack": (1, 0, 0),
        "delivered_consume_manual_ack": (1, 0, 0),
        "delivered_consume_auto_ack": (0, 1, 0),
        "redelivered": (1, 0, 0),
        "acknowledged": (1, 0, 0),
        "get_empty": (0, 1, 0),
    }
    for path in ("/metrics", "/metrics/per-object"):
        for name, (classic, quorum, stream) in expected.items():
            metric = f"rabbitmq_global_messages_{name}_total"
            assert endpoint.value(metric, path, **CLASSIC) == classic, name
            assert endpoint.value(metric, path, **QUORUM) == quorum, name
            assert endpoint.value(metric, path, **STREAM) == stream, name


def test_messages_that_were_published(endpoint: Endpoint, peer: Peer):
    peer.open_channel(2)
    peer.call(2, commands.Confirm.Select())
    peer.call(1, commands.Queue.Declare(queue="r"))
    for queue in ("q", "r"):
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    peer.publish(1, "amq.fanout", "", b"m")
    peer.publish(1, "", "nowhere", b"m")
    peer.publish(2, "", "nowhere", b"m", mandatory=True)
    peer.publish(2, "", "q", b"m")
    expected = {
        "received": 4,
        "received_confirm": 2,
        "routed": 3,
        "unroutable_dropped": 1,
        "unroutable_returned": 1,
        "confirmed": 2,
    }
    for name, value in expected.items():
        assert endpoint.value(f"rabbitmq_global_messages_{name}_total", **AMQP) == value, name
    assert endpoint.value("rabbitmq_channel_messages_published_total") == 4
    assert endpoint.value("rabbitmq_queue_messages_published_total") == 3
    by_queue = endpoint.values("rabbitmq_queue_messages_published_total", "/metrics/per-object")
    assert by_queue == {(("queue", "q"), ("queue_vhost", "/")): 2, (("queue", "r"), ("queue_vhost", "/")): 1}
    by_channel = endpoint.values("rabbitmq_channel_messages_published_total", "/metrics/per-object")
    name = peer.connection.peer.name
    assert by_channel == {
        (("channel", f"{name} (1)"), ("vhost", "/")): 2,
        (("channel", f"{name} (2)"), ("vhost", "/")): 2,
    }


def test_what_comes_and_goes(endpoint: Endpoint, broker: MemoryBroker, peer: Peer):
    other = broker.connect(channels=2)
    other.call(1, commands.Queue.Declare(queue="q"))
    other.call(1, commands.Queue.Declare(queue="r"))
    other.call(1, commands.Queue.Delete(queue="r"))
    other.close()
    expected = {
        "connections_opened": 2,
        "connections_closed": 1,
        "channels_opened": 3,
        "channels_closed": 2,
        "queues_declared": 3,
        "queues_created": 2,
        "queues_deleted": 1,
    }
    for name, value in expected.items():
        assert endpoint.value(f"rabbitmq_{name}_total") == value
        assert endpoint.value(f"rabbitmq_{name}_total", "/metrics/per-object") == value


def test_logins_by_protocol(endpoint: Endpoint, broker: MemoryBroker, peer: Peer):
    wrong = broker.peer()
    wrong.start()
    wrong.log_in("guest", "wrong")
    for path in ("/metrics", "/metrics/per-object"):
        told = [
            endpoint.value(f"rabbitmq_auth_attempts_{name}", path, **AMQP)
            for name in ("total", "succeeded_total", "failed_total")
        ]
        assert told == [2, 1, 1]
        assert endpoint.value("rabbitmq_auth_attempts_total", path, protocol="http") == 0


DEATHS = [
    ("classic", {"x-message-ttl": number(10)}, "expired", ""),
    ("classic", {"x-max-length": number(0)}, "maxlen", ""),
    ("classic", {}, "rejected", ""),
    ("quorum", {"x-message-ttl": number(10)}, "expired", ""),
    ("quorum", {"x-max-length": number(0)}, "maxlen", ""),
    ("quorum", {}, "rejected", ""),
    ("quorum", {"x-delivery-limit": number(0)}, "delivery_limit", ""),
]


@pytest.mark.parametrize("strategy", ["disabled", "at_most_once"])
@pytest.mark.parametrize(("queue_type", "arguments", "reason", "_"), DEATHS)
def test_messages_that_die_are_counted_by_reason(
    endpoint: Endpoint,
    broker: MemoryBroker,
    peer: Peer,
    queue_type: str,
    arguments: Any,
    reason: str,
    strategy: str,
    _: str,
):
    arguments = {"x-queue-type": text(queue_type), **arguments}
    if strategy == "at_most_once":
        arguments["x-dead-letter-exchange"] = text("amq.fanout")
    peer.call(1, commands.Queue.Declare(queue="d", durable=True, arguments=arguments))
    peer.publish(1, "", "d", b"m")
    if reason in ("rejected", "delivery_limit"):
        peer.call(1, commands.Basic.Get(queue="d"))
        peer.send(1, commands.Basic.Reject(1, requeue=reason == "delivery_limit"))
    broker.advance(1)
    labels = {"queue_type": f"rabbit_{queue_type}_queue", "dead_letter_strategy": strategy}
    assert endpoint.value(f"rabbitmq_global_messages_dead_lettered_{reason}_total", **labels) == 1
    total = 0.0
    for name, family in endpoint.families().items():
        if "dead_lettered" in name:
            total += sum(sample.value for sample in family.samples)
    assert total == 1


def test_messages_that_die_with_a_way_to_nowhere_go_nowhere(endpoint: Endpoint, peer: Peer):
    arguments = {"x-dead-letter-exchange": text("missing"), "x-max-length": number(0)}
    peer.call(1, commands.Queue.Declare(queue="d", arguments=arguments))
    peer.publish(1, "", "d", b"m")
    labels = {"queue_type": "rabbit_classic_queue", "dead_letter_strategy": "disabled"}
    assert endpoint.value("rabbitmq_global_messages_dead_lettered_maxlen_total", **labels) == 1


def test_letters_that_all_have_taken_are_confirmed(endpoint: Endpoint, peer: Peer):
    arguments = {
        "x-queue-type": text("quorum"),
        "x-dead-letter-exchange": text(""),
        "x-dead-letter-routing-key": text("q"),
        "x-dead-letter-strategy": text("at-least-once"),
        "x-overflow": text("reject-publish"),
    }
    peer.call(1, commands.Queue.Declare(queue="d", durable=True, arguments=arguments))
    peer.publish(1, "", "d", b"m")
    peer.call(1, commands.Basic.Get(queue="d"))
    peer.send(1, commands.Basic.Reject(1, requeue=False))
    labels = {"queue_type": "rabbit_quorum_queue", "dead_letter_strategy": "at_least_once"}
    assert endpoint.value("rabbitmq_global_messages_dead_lettered_rejected_total", **labels) == 1
    assert endpoint.value("rabbitmq_global_messages_dead_lettered_confirmed_total", **labels) == 1


# Sums never go down


def counters(endpoint: Endpoint) -> dict[Any, float]:
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in endpoint.families().values()
        if family.type == "counter"
        for sample in family.samples
    }


def busy(peer: Peer, queue: str) -> None:
    """Something of everything."""
    peer.call(1, commands.Confirm.Select())
    for _number in range(6):
        peer.publish(1, "", queue, b"message")
    peer.publish(1, "", "nowhere", b"m")
    peer.publish(1, "", "nowhere", b"m", mandatory=True)
    peer.call(1, commands.Basic.Get(queue=queue))
    peer.send(1, commands.Basic.Nack(1, requeue=True))
    peer.call(1, commands.Basic.Get(queue=queue, no_ack=True))
    peer.call(1, commands.Basic.Get(queue=queue))
    peer.send(1, commands.Basic.Ack(3))
    peer.call(1, commands.Basic.Consume(queue=queue, consumer_tag="c"))
    peer.call(1, commands.Basic.Consume(queue=queue, consumer_tag="d", no_ack=True))


def ends() -> dict[str, Any]:
    return {
        "the queue": lambda broker, peer: peer.call(1, commands.Queue.Delete(queue="q")),
        "the consumer": lambda broker, peer: peer.call(1, commands.Basic.Cancel(consumer_tag="c")),
        "the channel": lambda broker, peer: peer.call(1, commands.Channel.Close(200, "", 0, 0)),
        "the channel, for an error": lambda broker, peer: peer.send(1, commands.Basic.Ack(99)),
        "the connection": lambda broker, peer: peer.close(),
        "the stream": lambda broker, peer: peer.disconnect(),
        "the virtual host": lambda broker, peer: broker.broker.delete_vhost("/"),
    }


@pytest.mark.parametrize("what", ends())
def test_counters_stay_when_what_they_count_ends(
    endpoint: Endpoint, broker: MemoryBroker, peer: Peer, what: str
):
    busy(peer, "q")
    before = counters(endpoint)
    ends()[what](broker, peer)
    after = counters(endpoint)
    churn = ("closed_total", "deleted_total", "outgoing", "incoming", "confirmed")
    for key, value in before.items():
        if any(word in key[0] for word in churn):
            assert after[key] >= value, key
        else:
            assert after[key] == value, key
    assert before[("rabbitmq_global_messages_received_total", ("protocol", "amqp091"))] == 8
    assert before[("rabbitmq_connection_incoming_bytes_total",)] > 100


def test_counters_never_go_down_whatever_happens_while_they_are_read(
    endpoint: Endpoint, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(turns, "LONGEST_S", 0.0)
    chance = random.Random(7)
    rest = broker.connect()
    for number_of_queue in range(20):
        rest.call(1, commands.Queue.Declare(queue=f"rest{number_of_queue}"))

    def do_something(number_of_step: int) -> None:
        queue = f"q{number_of_step}"
        peer = broker.connect()
        peer.call(1, commands.Queue.Declare(queue=queue))
        busy(peer, queue)
        if chance.random() < 0.5:
            peer.call(1, commands.Queue.Delete(queue=queue))
            peer.send(1, commands.Basic.Ack(0, multiple=True))
        peer.close()

    async def scrape_and_live() -> None:
        for number_of_step in range(25):
            scraping = asyncio.create_task(endpoint.called())
            for _turn in range(chance.randrange(250)):
                await asyncio.sleep(0)
            do_something(number_of_step)
            answer = await scraping
            lines = (
                line for line in answer.body.decode().splitlines() if "_total" in line and line[0] != "#"
            )
            told = {name: float(value) for name, _space, value in (line.rpartition(" ") for line in lines)}
            for name, value in told.items():
                assert value >= highest.get(name, 0.0), name
            highest.update(told)

    highest: dict[str, float] = {}
    asyncio.run(scrape_and_live())
    assert highest['rabbitmq_global_messages_received_total{protocol="amqp091"}'] >= 24 * 8


# /metrics/detailed


def test_nothing_is_detailed_unasked(endpoint: Endpoint, peer: Peer):
    names = {name for name in endpoint.families("/metrics/detailed") if not name.startswith("telemetry")}
    assert names == {"rabbitmq_build_info", "rabbitmq_identity_info"}


def test_groups_are_detailed_when_asked_for(endpoint: Endpoint, peer: Peer):
    families = endpoint.families(
        "/metrics/detailed?family=queue_coarse_metrics&family=connection_metrics&family=x"
    )
    detailed = {name for name in families if name.startswith("rabbitmq_detailed_")}
    assert detailed == {
        "rabbitmq_detailed_queue_messages_ready",
        "rabbitmq_detailed_queue_messages_unacked",
        "rabbitmq_detailed_queue_messages",
        "rabbitmq_detailed_connection_incoming_packets",
        "rabbitmq_detailed_connection_outgoing_packets",
        "rabbitmq_detailed_connection_pending_packets",
        "rabbitmq_detailed_connection_channels",
    }


def test_queues_are_detailed_by_virtual_host(endpoint: Endpoint, broker: MemoryBroker, peer: Peer):
    broker.broker.add_vhost("a b&c")
    broker.users.set_permissions("guest", "a b&c", ".*", ".*", ".*")
    other = broker.peer().open("a b&c")
    other.open_channel()
    other.call(1, commands.Queue.Declare(queue="other"))
    path = "/metrics/detailed?family=queue_consumer_count"
    here, there = (("queue", "q"), ("vhost", "/")), (("queue", "other"), ("vhost", "a b&c"))
    name = "rabbitmq_detailed_queue_consumers"
    assert set(endpoint.values(name, path)) == {here, there}
    assert set(endpoint.values(name, f"{path}&vhost=%2F")) == {here}
    assert set(endpoint.values(name, f"{path}&vhost=a+b%26c")) == {there}
    assert set(endpoint.values(name, f"{path}&vhost=a+b%26c&vhost=%2F&vhost=unknown")) == {here, there}
    assert not endpoint.values(name, f"{path}&vhost=unknown")
    assert not endpoint.values(name, f"{path}&vhost=%FF%00")


def test_what_was_published_is_detailed_also_when_nothing_else_is(endpoint: Endpoint, peer: Peer):
    peer.publish(1, "", "q", b"m")
    path = "/metrics/detailed?family=channel_queue_exchange_metrics"
    labels = (("queue", "q"), ("queue_vhost", "/"))
    assert endpoint.values("rabbitmq_detailed_queue_messages_published_total", path) == {labels: 1}


def test_one_group_replaces_another(endpoint: Endpoint, peer: Peer):
    path = "/metrics/detailed?family=queue_consumer_count&family=queue_metrics"
    assert len(endpoint.values("rabbitmq_detailed_queue_consumers", path)) == 1


def test_exchanges_and_virtual_hosts_are_detailed(endpoint: Endpoint, peer: Peer):
    peer.call(1, commands.Exchange.Declare(exchange="x", exchange_type="topic"))
    peer.call(1, commands.Exchange.Declare(exchange="inside", exchange_type="topic", internal=True))
    peer.call(1, commands.Queue.Bind(queue="q", exchange="x", routing_key="a"))
    peer.call(1, commands.Queue.Bind(queue="q", exchange="x", routing_key="b"))
    path = "/metrics/detailed?family=exchange_bindings&family=exchange_names&family=vhost_status"
    bindings = endpoint.values("rabbitmq_cluster_exchange_bindings", path)
    x = (("exchange", "x"), ("type", "topic"), ("vhost", "/"))
    assert bindings[x] == 2
    assert {dict(labels)["exchange"] for labels in bindings} == {
        "x",
        "amq.direct",
        "amq.fanout",
        "amq.headers",
        "amq.match",
        "amq.topic",
    }
    assert endpoint.values("rabbitmq_cluster_exchange_name", path)[x] == 1
    assert endpoint.values("rabbitmq_cluster_vhost_status", path) == {(("vhost", "/"),): 1}


def test_metrics_can_tell_everything_apart(broker: MemoryBroker, peer: Peer):
    endpoint = Endpoint(broker, is_per_object=True)
    assert endpoint.values("rabbitmq_queue_consumers") == {(("queue", "q"), ("vhost", "/")): 0}
    assert endpoint.values("rabbitmq_alarms_memory_used_watermark") == {(): 0}
    assert endpoint.value("rabbitmq_connections") == 1


def test_queues_can_be_left_out_of_sums(broker: MemoryBroker, peer: Peer):
    endpoint = Endpoint(broker, left_out=compile_pcre("^tmp|é"))
    for queue in ("tmp1", "x.é", "x.tmp"):
        peer.call(1, declaration(queue))
    for queue in ("q", "tmp1", "x.é", "x.tmp"):
        peer.publish(1, "", queue, b"four")
    assert endpoint.value("rabbitmq_queue_messages_ready") == 2
    assert endpoint.value("rabbitmq_queue_messages_bytes") == 8
    assert endpoint.value("rabbitmq_queues") == 4
    assert endpoint.value("rabbitmq_global_messages_received_total", **AMQP) == 4
    assert len(endpoint.values("rabbitmq_queue_messages_ready", "/metrics/per-object")) == 4
    detailed = "/metrics/detailed?family=queue_coarse_metrics"
    assert len(endpoint.values("rabbitmq_detailed_queue_messages_ready", detailed)) == 4


# Names


def declaration(queue: str) -> Any:
    """Of a queue with a name that pamqp itself would refuse."""
    method = commands.Queue.Declare()
    method.queue = queue
    return method


HOSTILE = [
    'quote" backslash\\ brace} {x="y"} 1',
    "# TYPE x counter",
    "null\0 tab\t delete\x7f",
    "rabbitmq_queue_messages_ready 7",
    " ",
    "Füchse und 兎 🐇",
    '",vhost="other',
    "=,{}",
    "\u2028\u0085",
]


@pytest.mark.parametrize("path", ["/metrics/per-object", "/metrics/detailed?family=queue_coarse_metrics"])
def test_no_name_breaks_the_text(endpoint: Endpoint, broker: MemoryBroker, path: str):
    peer = broker.connect()
    for name in HOSTILE:
        peer.call(1, declaration(name))
    prefix = "rabbitmq_detailed" if "detailed" in path else "rabbitmq"
    told = endpoint.values(f"{prefix}_queue_messages_ready", path)
    assert {dict(labels)["queue"] for labels in told} == set(HOSTILE)
    assert endpoint.call(path, accept="application/openmetrics-text").status == 200


def test_a_name_that_can_be_no_text_is_told_all_the_same(endpoint: Endpoint):
    endpoint.site.name_cluster("hen \ud800 house \udcff")
    [labels] = endpoint.values("rabbitmq_identity_info")
    assert dict(labels)["rabbitmq_cluster"] == "hen \\ud800 house \\udcff"
