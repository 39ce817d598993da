"""What RabbitMQ's dashboards for Grafana ask for: the metrics of their queries, and the labels that those go by.

The published ones (grafana.com 10991, 11340, 11350, 11352, 14798) as they were with 3.10, and 10991 of 4.3; of the others there is
nothing that has a meaning here but what names the node.
"""

from __future__ import annotations

import pytest
from pamqp import commands

from amqpd.testing import MemoryBroker
from tests.prometheus.conftest import Endpoint

OVERVIEW = [
    "rabbitmq_build_info",
    "rabbitmq_channel_consumers",
    "rabbitmq_channels",
    "rabbitmq_channels_closed_total",
    "rabbitmq_channels_opened_total",
    "rabbitmq_connections",
    "rabbitmq_connections_closed_total",
    "rabbitmq_connections_opened_total",
    "rabbitmq_consumers",
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_global_messages_acknowledged_total",
    "rabbitmq_global_messages_confirmed_total",
    "rabbitmq_global_messages_delivered_consume_auto_ack_total",
    "rabbitmq_global_messages_delivered_consume_manual_ack_total",
    "rabbitmq_global_messages_delivered_get_auto_ack_total",
    "rabbitmq_global_messages_delivered_get_manual_ack_total",
    "rabbitmq_global_messages_get_empty_total",
    "rabbitmq_global_messages_received_confirm_total",
    "rabbitmq_global_messages_received_total",
    "rabbitmq_global_messages_redelivered_total",
    "rabbitmq_global_messages_routed_total",
    "rabbitmq_global_messages_unroutable_dropped_total",
    "rabbitmq_global_messages_unroutable_returned_total",
    "rabbitmq_identity_info",
    "rabbitmq_process_max_fds",
    "rabbitmq_process_max_tcp_sockets",
    "rabbitmq_process_open_fds",
    "rabbitmq_process_open_tcp_sockets",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_queue_messages_ready",
    "rabbitmq_queue_messages_unacked",
    "rabbitmq_queues",
    "rabbitmq_queues_created_total",
    "rabbitmq_queues_declared_total",
    "rabbitmq_queues_deleted_total",
    "rabbitmq_resident_memory_limit_bytes",
]

LATER_OVERVIEW = [
    "rabbitmq_disk_space_available_limit_bytes",
    "rabbitmq_erlang_uptime_seconds",
    "rabbitmq_global_consumers",
    "rabbitmq_global_messages_delivered_total",
    "rabbitmq_global_publishers",
]

STREAM = [
    "rabbitmq_global_consumers",
    "rabbitmq_global_messages_confirmed_total",
    "rabbitmq_global_messages_delivered_total",
    "rabbitmq_global_messages_received_total",
    "rabbitmq_global_publishers",
]

MEMORY = ["rabbitmq_process_resident_memory_bytes", "rabbitmq_identity_info"]

JOINED_BY = {
    "rabbitmq_identity_info": {"rabbitmq_cluster", "rabbitmq_node", "rabbitmq_endpoint"},
    "rabbitmq_build_info": {"rabbitmq_version", "erlang_version"},
}
"""Labels that queries select by, group by and show; the others are Prometheus's own: instance, job, namespace."""


@pytest.mark.parametrize("name", sorted({*OVERVIEW, *LATER_OVERVIEW, *STREAM, *MEMORY}))
def test_what_a_dashboard_asks_for_is_there(endpoint: Endpoint, broker: MemoryBroker, name: str):
    for path in ("/metrics", "/metrics/per-object"):
        broker.connect().call(1, commands.Queue.Declare(queue="q"))
        values = endpoint.values(name, path)
        assert values
        for labels in values:
            assert JOINED_BY.get(name, set()) <= {label for label, _value in labels}


@pytest.mark.parametrize("name", [*OVERVIEW, *LATER_OVERVIEW, *STREAM])
def test_a_sum_has_no_more_labels_than_rabbitmqs(endpoint: Endpoint, name: str):
    """A sum of two metrics has a value only where both have the same labels."""
    labels = {frozenset(dict(labels)) for labels in endpoint.values(name)}
    by_queue = ("acknowledged", "delivered", "get_empty", "redelivered")
    if name.endswith("_info"):
        return
    if "_global_" not in name:
        assert labels == {frozenset()}
    elif any(word in name for word in by_queue):
        assert labels == {frozenset(("protocol", "queue_type"))}
    else:
        assert labels == {frozenset(("protocol",))}
