"""The Prometheus endpoint, and what RabbitMQ 3.10 serves there: its metrics by name, type and labels."""

import os
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from interop.broker import Amqpd, Broker, free_port

PATIENCE_S = 60.0


class Prometheus:
    """Where the metrics are, and what they belong to."""

    def __init__(self, broker: Broker, url: str) -> None:
        self.broker = broker
        self.url = url.rstrip("/")

    def read(self, path: str = "/metrics", **headers: str) -> tuple[dict[str, str], bytes]:
        """Headers and body of an answer."""
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return {name.lower(): value for name, value in answer.headers.items()}, answer.read()

    def families(self, path: str = "/metrics") -> dict[str, Metric]:
        """What prometheus_client reads, by name."""
        _headers, body = self.read(path)
        return {family.name: family for family in text_string_to_metric_families(body.decode())}

    def value(self, name: str, path: str = "/metrics", **labels: str) -> float:
        """The sum of a metric over everything that has these labels."""
        return sum(
            sample.value
            for family in self.families(path).values()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def measured(directory: Path) -> tuple[Amqpd, Prometheus]:
    """An amqpd that is not started yet, and the metrics that it will have."""
    port = free_port()
    amqpd = Amqpd(directory, {"AMQPD_PROMETHEUS": "true", "AMQPD_PROMETHEUS_PORT": str(port)})
    return amqpd, Prometheus(amqpd.broker, f"http://127.0.0.1:{port}")


def outside() -> Prometheus | None:
    """Those at PROMETHEUS_URL, which belong to the broker at AMQP_URL."""
    url, amqp_url = os.environ.get("PROMETHEUS_URL"), os.environ.get("AMQP_URL")
    return Prometheus(Broker.from_url(amqp_url), url) if url and amqp_url else None


def label_names(family: Metric) -> set[frozenset[str]]:
    """The names of the labels of each of its samples."""
    return {frozenset(sample.labels) for sample in family.samples}


def table(text: str) -> Iterable[tuple[str, str, frozenset[str]]]:
    """Name, type and labels of each line."""
    for line in text.strip().splitlines():
        name, type_, *labels = line.split()
        yield name, type_, frozenset(labels)


SUMS = """
process_start_time_seconds gauge
rabbitmq_alarms_file_descriptor_limit unknown
rabbitmq_alarms_free_disk_space_watermark unknown
rabbitmq_alarms_memory_used_watermark unknown
rabbitmq_connections_opened counter
rabbitmq_connections_closed counter
rabbitmq_channels_opened counter
rabbitmq_channels_closed counter
rabbitmq_queues_declared counter
rabbitmq_queues_created counter
rabbitmq_queues_deleted counter
rabbitmq_process_open_fds gauge
rabbitmq_process_open_tcp_sockets gauge
rabbitmq_process_resident_memory_bytes gauge
rabbitmq_disk_space_available_bytes gauge
rabbitmq_process_max_fds gauge
rabbitmq_process_max_tcp_sockets gauge
rabbitmq_resident_memory_limit_bytes gauge
rabbitmq_disk_space_available_limit_bytes gauge
rabbitmq_erlang_uptime_seconds gauge
rabbitmq_io_read_bytes counter
rabbitmq_io_write_bytes counter
rabbitmq_io_write_ops counter
rabbitmq_io_sync_ops counter
rabbitmq_io_sync_time_seconds counter
rabbitmq_auth_attempts counter protocol
rabbitmq_auth_attempts_succeeded counter protocol
rabbitmq_auth_attempts_failed counter protocol
rabbitmq_queue_messages_ready gauge
rabbitmq_queue_messages_unacked gauge
rabbitmq_queue_messages gauge
rabbitmq_queue_consumers gauge
rabbitmq_queue_consumer_capacity gauge
rabbitmq_queue_consumer_utilisation gauge
rabbitmq_queue_process_memory_bytes gauge
rabbitmq_queue_messages_ram gauge
rabbitmq_queue_messages_ram_bytes gauge
rabbitmq_queue_messages_ready_ram gauge
rabbitmq_queue_messages_unacked_ram gauge
rabbitmq_queue_messages_persistent gauge
rabbitmq_queue_messages_persistent_bytes gauge
rabbitmq_queue_messages_bytes gauge
rabbitmq_queue_messages_ready_bytes gauge
rabbitmq_queue_messages_unacked_bytes gauge
rabbitmq_queue_messages_paged_out gauge
rabbitmq_queue_messages_paged_out_bytes gauge
rabbitmq_channel_consumers gauge
rabbitmq_channel_messages_unacked gauge
rabbitmq_channel_messages_unconfirmed gauge
rabbitmq_channel_messages_uncommitted gauge
rabbitmq_channel_acks_uncommitted gauge
rabbitmq_consumer_prefetch gauge
rabbitmq_channel_prefetch gauge
rabbitmq_channel_messages_published counter
rabbitmq_channel_messages_confirmed counter
rabbitmq_channel_messages_unroutable_returned counter
rabbitmq_channel_messages_unroutable_dropped counter
rabbitmq_channel_get_ack counter
rabbitmq_channel_get counter
rabbitmq_channel_messages_delivered_ack counter
rabbitmq_channel_messages_delivered counter
rabbitmq_channel_messages_redelivered counter
rabbitmq_channel_messages_acked counter
rabbitmq_channel_get_empty counter
rabbitmq_connection_incoming_bytes counter
rabbitmq_connection_outgoing_bytes counter
rabbitmq_connection_incoming_packets counter
rabbitmq_connection_outgoing_packets counter
rabbitmq_connection_pending_packets gauge
rabbitmq_connection_channels gauge
rabbitmq_queue_messages_published counter
rabbitmq_connections gauge
rabbitmq_channels gauge
rabbitmq_consumers gauge
rabbitmq_queues gauge
rabbitmq_build_info unknown erlang_version prometheus_client_version prometheus_plugin_version rabbitmq_version
rabbitmq_identity_info unknown rabbitmq_cluster rabbitmq_cluster_permanent_id rabbitmq_node
rabbitmq_global_consumers gauge protocol
rabbitmq_global_messages_acknowledged counter protocol queue_type
rabbitmq_global_messages_confirmed counter protocol
rabbitmq_global_messages_dead_lettered_confirmed counter dead_letter_strategy queue_type
rabbitmq_global_messages_dead_lettered_delivery_limit counter dead_letter_strategy queue_type
rabbitmq_global_messages_dead_lettered_expired counter dead_letter_strategy queue_type
rabbitmq_global_messages_dead_lettered_maxlen counter dead_letter_strategy queue_type
rabbitmq_global_messages_dead_lettered_rejected counter dead_letter_strategy queue_type
rabbitmq_global_messages_delivered_consume_auto_ack counter protocol queue_type
rabbitmq_global_messages_delivered_consume_manual_ack counter protocol queue_type
rabbitmq_global_messages_delivered_get_auto_ack counter protocol queue_type
rabbitmq_global_messages_delivered_get_manual_ack counter protocol queue_type
rabbitmq_global_messages_delivered counter protocol queue_type
rabbitmq_global_messages_get_empty counter protocol queue_type
rabbitmq_global_messages_received_confirm counter protocol
rabbitmq_global_messages_received counter protocol
rabbitmq_global_messages_redelivered counter protocol queue_type
rabbitmq_global_messages_routed counter protocol
rabbitmq_global_messages_unroutable_dropped counter protocol
rabbitmq_global_messages_unroutable_returned counter protocol
rabbitmq_global_publishers gauge protocol
telemetry_scrape_duration_seconds summary content_type registry
telemetry_scrape_size_bytes summary content_type registry
telemetry_scrape_encoded_size_bytes summary content_type encoding registry
"""
"""Metrics of /metrics: their names as prometheus_client has them, without _total, types, and names of labels."""

APART = """
rabbitmq_queue_messages_ready gauge vhost queue
rabbitmq_queue_messages_unacked gauge vhost queue
rabbitmq_queue_messages gauge vhost queue
rabbitmq_queue_consumers gauge vhost queue
rabbitmq_queue_consumer_capacity gauge vhost queue
rabbitmq_queue_consumer_utilisation gauge vhost queue
rabbitmq_queue_process_memory_bytes gauge vhost queue
rabbitmq_queue_messages_ram gauge vhost queue
rabbitmq_queue_messages_ram_bytes gauge vhost queue
rabbitmq_queue_messages_ready_ram gauge vhost queue
rabbitmq_queue_messages_unacked_ram gauge vhost queue
rabbitmq_queue_messages_persistent gauge vhost queue
rabbitmq_queue_messages_persistent_bytes gauge vhost queue
rabbitmq_queue_messages_bytes gauge vhost queue
rabbitmq_queue_messages_ready_bytes gauge vhost queue
rabbitmq_queue_messages_unacked_bytes gauge vhost queue
rabbitmq_queue_messages_paged_out gauge vhost queue
rabbitmq_queue_messages_paged_out_bytes gauge vhost queue
rabbitmq_channel_consumers gauge channel
rabbitmq_channel_messages_unacked gauge channel
rabbitmq_channel_messages_unconfirmed gauge channel
rabbitmq_channel_messages_uncommitted gauge channel
rabbitmq_channel_acks_uncommitted gauge channel
rabbitmq_consumer_prefetch gauge channel
rabbitmq_channel_prefetch gauge channel
rabbitmq_channel_messages_published counter channel vhost exchange
rabbitmq_channel_messages_confirmed counter channel vhost exchange
rabbitmq_channel_messages_unroutable_returned counter channel vhost exchange
rabbitmq_channel_messages_unroutable_dropped counter channel vhost exchange
rabbitmq_channel_get_ack counter channel vhost queue
rabbitmq_channel_get counter channel vhost queue
rabbitmq_channel_messages_delivered_ack counter channel vhost queue
rabbitmq_channel_messages_delivered counter channel vhost queue
rabbitmq_channel_messages_redelivered counter channel vhost queue
rabbitmq_channel_messages_acked counter channel vhost queue
rabbitmq_channel_get_empty counter channel vhost queue
rabbitmq_connection_incoming_bytes counter channel
rabbitmq_connection_outgoing_bytes counter channel
rabbitmq_connection_incoming_packets counter channel
rabbitmq_connection_outgoing_packets counter channel
rabbitmq_connection_pending_packets gauge channel
rabbitmq_connection_channels gauge channel
rabbitmq_queue_messages_published counter channel queue_vhost queue exchange_vhost exchange
rabbitmq_connections gauge
rabbitmq_channels gauge
rabbitmq_consumers gauge
rabbitmq_queues gauge
"""
"""The same of /metrics/per-object, where it is told apart."""

NOT_KEPT_APART = {"exchange", "exchange_vhost", "queue", "channel"}
"""Labels that amqpd leaves out of what channels have done: it counts by channel, and by queue, but not by both."""

NO_PROCESS = "there are no Erlang processes"
NO_RAFT = "there is one node, and no Raft"
NO_STORE = "the log is none of RabbitMQ's stores, and has no such parts"
ONE_CALL = "reads are not counted, and a group is written and synced in one call, which io_sync tells of"

ABSENT = {
    "rabbitmq_erlang_processes_used": NO_PROCESS,
    "rabbitmq_erlang_processes_limit": NO_PROCESS,
    "rabbitmq_erlang_gc_runs": NO_PROCESS,
    "rabbitmq_erlang_gc_reclaimed_bytes": NO_PROCESS,
    "rabbitmq_erlang_scheduler_context_switches": NO_PROCESS,
    "rabbitmq_erlang_scheduler_run_queue": NO_PROCESS,
    "rabbitmq_erlang_net_ticktime_seconds": NO_PROCESS,
    "rabbitmq_queue_process_reductions": NO_PROCESS,
    "rabbitmq_channel_process_reductions": NO_PROCESS,
    "rabbitmq_connection_process_reductions": NO_PROCESS,
    "rabbitmq_raft_term": NO_RAFT,
    "rabbitmq_raft_log_snapshot_index": NO_RAFT,
    "rabbitmq_raft_log_last_applied_index": NO_RAFT,
    "rabbitmq_raft_log_commit_index": NO_RAFT,
    "rabbitmq_raft_log_last_written_index": NO_RAFT,
    "rabbitmq_raft_entry_commit_latency_seconds": NO_RAFT,
    "rabbitmq_io_read_ops": ONE_CALL,
    "rabbitmq_io_read_time_seconds": ONE_CALL,
    "rabbitmq_io_write_time_seconds": ONE_CALL,
    "rabbitmq_io_seek_ops": NO_STORE,
    "rabbitmq_io_seek_time_seconds": NO_STORE,
    "rabbitmq_io_reopen_ops": NO_STORE,
    "rabbitmq_schema_db_ram_tx": NO_STORE,
    "rabbitmq_schema_db_disk_tx": NO_STORE,
    "rabbitmq_msg_store_read": NO_STORE,
    "rabbitmq_msg_store_write": NO_STORE,
    "rabbitmq_queue_index_read_ops": NO_STORE,
    "rabbitmq_queue_index_write_ops": NO_STORE,
    "rabbitmq_queue_disk_reads": NO_STORE,
    "rabbitmq_queue_disk_writes": NO_STORE,
    "rabbitmq_queue_head_message_timestamp": "looking at the first message can mean to read it from disk",
}
"""What RabbitMQ has and amqpd has not, and why."""

ABSENT_PREFIXES = {
    "erlang_": "there is no Erlang",
    "rabbitmq_global_stream_error_": "the stream protocol, which RabbitMQ has with a plugin, is not spoken",
}
