"""The Prometheus endpoint, read by prometheus_client's parser and by Prometheus' own promtool.

It is the one at PROMETHEUS_URL, which goes with the broker at AMQP_URL, or that of an amqpd of their own.
"""

import gzip
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from interop.management import until
from interop.names import Names
from interop.programs import tool
from interop.prometheus import (
    ABSENT,
    ABSENT_PREFIXES,
    APART,
    NOT_KEPT_APART,
    SUMS,
    Prometheus,
    label_names,
    measured,
    outside,
    table,
)

LATER_LABELS = {"product_name", "product_version", "rabbitmq_endpoint"}
"""Those of another product, and one that RabbitMQ 4 and amqpd have."""


@pytest.fixture(scope="session")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """The endpoint at PROMETHEUS_URL, or that of an amqpd started for this session."""
    found = outside()
    if found is not None:
        yield found
        return
    if os.environ.get("AMQP_URL"):
        pytest.skip("AMQP_URL is set without PROMETHEUS_URL")
    amqpd, prometheus = measured(tmp_path_factory.mktemp("prometheus"))
    amqpd.start()
    try:
        yield prometheus
    finally:
        amqpd.close()


@pytest.fixture
def names(prometheus: Prometheus) -> Iterator[Names]:
    """Names of this test's own; what bears them is gone afterwards."""
    with Names(prometheus.broker) as names:
        yield names


@pytest.fixture
def channel(prometheus: Prometheus, names: Names) -> Iterator[BlockingChannel]:
    """A channel on a connection of its own."""
    connection = pika.BlockingConnection(pika.URLParameters(prometheus.broker.url))
    yield connection.channel()
    if connection.is_open:
        connection.close()


# Names, types and labels


@pytest.mark.parametrize("metric", table(SUMS), ids=lambda metric: metric[0])
def test_every_metric_has_rabbitmqs_type_and_labels(
    prometheus: Prometheus, channel: BlockingChannel, metric: tuple[str, str, frozenset[str]]
):
    name, type_, labels = metric
    family = prometheus.families()[name]
    assert family.type == type_
    own = {each - LATER_LABELS for each in label_names(family)}
    if name.startswith("telemetry_"):
        assert own <= {labels}
    else:
        # RabbitMQ 3.10 gives three sums no value.
        assert own == {labels} or (not own and not labels)


@pytest.mark.parametrize("metric", table(APART), ids=lambda metric: metric[0])
def test_what_is_told_apart_has_rabbitmqs_labels(
    prometheus: Prometheus, channel: BlockingChannel, names: Names, metric: tuple[str, str, frozenset[str]]
):
    name, type_, labels = metric
    channel.queue_declare(names("queue"))
    family = prometheus.families("/metrics/per-object")[name]
    assert family.type == type_
    for own in label_names(family):
        assert own <= labels
        assert labels - own <= NOT_KEPT_APART


def test_what_is_absent_is_known_and_no_metric_is_unknown(prometheus: Prometheus):
    known = {name for name, _type, _labels in table(SUMS)}
    others = set(prometheus.families()) - known
    others = {name for name in others if not name.startswith(tuple(ABSENT_PREFIXES))}
    # A RabbitMQ has all of them, amqpd none.
    assert others in (set(), set(ABSENT))


def test_promtool_has_no_objection(prometheus: Prometheus, channel: BlockingChannel, names: Names):
    promtool = tool("promtool")
    channel.queue_declare(names("queue"))
    for path in ("/metrics", "/metrics/per-object", "/metrics/detailed?family=queue_metrics"):
        _headers, body = prometheus.read(path)
        done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True, timeout=60)
        complaints = done.stdout.decode() + done.stderr.decode()
        assert not [line for line in complaints.splitlines() if not line.startswith("erlang_")]


# What they say


def grown(prometheus: Prometheus, name: str, do: Callable[[], Any], by: float, **labels: str) -> None:
    """What is done lets a counter grow by so much: soon, and by no more where nobody else does anything."""
    before = prometheus.value(name, **labels)
    do()
    after = until(lambda: prometheus.value(name, **labels), lambda value: value >= before + by)
    assert after == before + by or outside() is not None


def test_publishes_are_counted(prometheus: Prometheus, channel: BlockingChannel, names: Names):
    queue = names("queue")
    channel.queue_declare(queue)

    def publish() -> None:
        for _number in range(5):
            channel.basic_publish("", queue, b"m")
        channel.basic_publish("", queue + ".missing", b"m")
        channel.queue_declare(queue, passive=True)

    grown(prometheus, "rabbitmq_global_messages_received_total", publish, 6, protocol="amqp091")
    grown(prometheus, "rabbitmq_global_messages_routed_total", publish, 5, protocol="amqp091")
    grown(prometheus, "rabbitmq_global_messages_unroutable_dropped_total", publish, 1, protocol="amqp091")


def test_confirms_are_counted(prometheus: Prometheus, channel: BlockingChannel, names: Names):
    queue = names("queue")
    channel.queue_declare(queue)
    channel.confirm_delivery()

    def publish() -> None:
        channel.basic_publish("", queue, b"m")

    grown(prometheus, "rabbitmq_global_messages_received_confirm_total", publish, 1)
    grown(prometheus, "rabbitmq_global_messages_confirmed_total", publish, 1)


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_deliveries_are_counted_by_type_of_queue(
    prometheus: Prometheus, channel: BlockingChannel, names: Names, queue_type: str
):
    queue = names("queue")
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": queue_type})
    channel.confirm_delivery()
    for _number in range(4):
        channel.basic_publish("", queue, b"m")

    def get() -> None:
        channel.basic_get(queue, auto_ack=True)

    def get_and_ack() -> None:
        method, _properties, _body = channel.basic_get(queue)
        assert method is not None
        channel.basic_ack(method.delivery_tag)
        channel.queue_declare(queue, passive=True)

    def consume() -> None:
        for method, _properties, _body in channel.consume(queue, inactivity_timeout=60):
            channel.basic_ack(method.delivery_tag)
            break
        channel.cancel()

    labels = {"queue_type": f"rabbit_{queue_type}_queue"}
    prefix = "rabbitmq_global_messages"
    grown(prometheus, f"{prefix}_delivered_get_auto_ack_total", get, 1, **labels)
    grown(prometheus, f"{prefix}_delivered_get_manual_ack_total", get_and_ack, 1, **labels)
    grown(prometheus, f"{prefix}_acknowledged_total", get_and_ack, 1, **labels)
    # There is one left.
    grown(prometheus, f"{prefix}_delivered_consume_manual_ack_total", consume, 1, **labels)
    grown(prometheus, f"{prefix}_get_empty_total", get, 1, **labels)


def test_the_dead_are_counted_by_reason(prometheus: Prometheus, channel: BlockingChannel, names: Names):
    queue = names("queue")
    channel.queue_declare(queue, arguments={"x-max-length": 1, "x-dead-letter-exchange": "amq.fanout"})

    def overflow() -> None:
        channel.basic_publish("", queue, b"m")
        channel.basic_publish("", queue, b"m")
        channel.queue_purge(queue)

    labels = {"queue_type": "rabbit_classic_queue", "dead_letter_strategy": "at_most_once"}
    grown(prometheus, "rabbitmq_global_messages_dead_lettered_maxlen_total", overflow, 1, **labels)


def test_messages_of_a_queue_are_told(prometheus: Prometheus, channel: BlockingChannel, names: Names):
    queue = names("queue")
    channel.queue_declare(queue)
    for _number in range(3):
        channel.basic_publish("", queue, b"hello")
    channel.basic_get(queue)
    for path, prefix in (
        ("/metrics/per-object", "rabbitmq"),
        ("/metrics/detailed?family=queue_coarse_metrics", "rabbitmq_detailed"),
    ):
        expected = {"messages_ready": 2, "messages_unacked": 1, "messages": 3}
        for name, value in expected.items():
            until(
                lambda path=path, name=f"{prefix}_queue_{name}": prometheus.value(
                    name, path, vhost="/", queue=queue
                ),
                lambda told, value=value: told == value,
            )


def test_consumers_and_sizes_of_a_queue_are_told(
    prometheus: Prometheus, channel: BlockingChannel, names: Names
):
    queue = names("queue")
    channel.queue_declare(queue)
    channel.basic_publish("", queue, b"hello")
    path = "/metrics/detailed?family=queue_metrics&vhost=%2F"

    def told(name: str) -> float:
        return prometheus.value(f"rabbitmq_detailed_queue_{name}", path, queue=queue)

    assert until(lambda: told("messages_bytes"), lambda value: value == 5)
    channel.basic_consume(queue, lambda *_arguments: None)
    assert until(lambda: told("consumers"), lambda value: value == 1)


# Selecting


def test_nothing_is_detailed_unasked(prometheus: Prometheus):
    names = {name for name in prometheus.families("/metrics/detailed") if not name.startswith("telemetry_")}
    assert names == {"rabbitmq_build_info", "rabbitmq_identity_info"}


def test_only_queues_of_the_virtual_hosts_asked_for_are_detailed(
    prometheus: Prometheus, channel: BlockingChannel, names: Names
):
    queue = names("queue")
    channel.queue_declare(queue)
    path = "/metrics/detailed?family=queue_consumer_count"

    def has_queue(path: str) -> bool:
        family = prometheus.families(path)["rabbitmq_detailed_queue_consumers"]
        return any(sample.labels["queue"] == queue for sample in family.samples)

    assert until(lambda: has_queue(path + "&vhost=%2F"), bool)
    assert has_queue(path)
    assert not has_queue(path + "&vhost=missing")


def test_bindings_of_exchanges_are_detailed(prometheus: Prometheus, channel: BlockingChannel, names: Names):
    queue, exchange = names("queue"), names("exchange")
    channel.queue_declare(queue)
    channel.exchange_declare(exchange, "topic")
    channel.queue_bind(queue, exchange, "a")
    channel.queue_bind(queue, exchange, "b")
    path = "/metrics/detailed?family=exchange_bindings&family=exchange_names&family=vhost_status"
    labels = {"vhost": "/", "exchange": exchange, "type": "topic"}
    assert prometheus.value("rabbitmq_cluster_exchange_bindings", path, **labels) == 2
    assert prometheus.value("rabbitmq_cluster_exchange_name", path, **labels) == 1
    assert prometheus.value("rabbitmq_cluster_vhost_status", path, vhost="/") == 1


# Answers


def test_the_answer_is_text_and_compressed_for_who_likes_that(prometheus: Prometheus):
    headers, body = prometheus.read("/metrics/detailed", Accept="text/plain")
    assert headers["content-type"] == "text/plain; version=0.0.4"
    assert body.startswith(b"# ")
    headers, body = prometheus.read("/metrics/detailed", **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body).startswith(b"# ")
