"""Every metric there is: RabbitMQ 3.10's name and type, where it is, and how it is read."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from amqpd.broker.alarms import DISK, MEMORY
from amqpd.broker.dead_letter import DELIVERY_LIMIT, EXPIRED, MAXLEN, REJECTED
from amqpd.broker.deaths import CONFIRMED, DISABLED
from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.rules import AT_LEAST_ONCE, AT_MOST_ONCE, CLASSIC, QUEUE_TYPES, QUORUM, STREAM
from amqpd.broker.vhost import VirtualHost
from amqpd.management.measures import acks_uncommitted, messages_uncommitted, messages_unconfirmed, sizes
from amqpd.management.sampling import files_open
from amqpd.management.site import VERSION, Site, channel_name
from amqpd.metrics.message_counts import MessageCounts
from amqpd.metrics.totals import LoginCounts
from amqpd.prometheus.families import (
    AGGREGATED,
    DETAILED,
    RABBITMQ_CLUSTER,
    TOTALS,
    Family,
    Group,
    Labels,
    counter,
    gauge,
    no_labels,
    untyped,
)
from amqpd.prometheus.scrape import Died, Scrape, Traffic, disk_bytes, files_max, traffic_of
from amqpd.protocol.channel import Channel
from amqpd.protocol.connection import Connection

ERLANG_VERSION = "25.2.3"
"""The one that the HTTP API names: dashboards show it beside RabbitMQ's."""

CLUSTER_ID = "internal_cluster_id"
"""The global parameter in which RabbitMQ keeps the identity of a cluster."""

AMQP: Labels = (("protocol", "amqp091"),)
GLOBAL = "rabbitmq_global_"


# The node


def _the_site(scrape: Scrape) -> list[Site]:
    return [scrape.site]


def _itself(_scrape: Scrape, thing: Any) -> Any:
    return thing


def _uptime_s(site: Site) -> float:
    return site.broker.clock.monotonic_s() - site.started_s


CHURN = Group[Site, Site](
    name="connection_churn_metrics",
    things=_the_site,
    look=_itself,
    families=(
        counter(
            "connections_opened_total",
            "Connections that were opened.",
            lambda site: int(site.broker.open_counts.connections_opened),
        ),
        counter(
            "connections_closed_total",
            "Connections that have ended, whoever ended them.",
            lambda site: int(
                site.broker.open_counts.connections_opened - site.broker.open_counts.connections
            ),
        ),
        counter(
            "channels_opened_total",
            "Channels that were opened.",
            lambda site: int(site.broker.open_counts.channels_opened_ever),
        ),
        counter(
            "channels_closed_total",
            "Channels that have ended, with their connections or before.",
            lambda site: int(site.broker.open_counts.channels_opened_ever - site.broker.open_counts.channels),
        ),
        counter(
            "queues_declared_total",
            "Declarations of queues, also of those that were there.",
            lambda site: int(site.broker.node.queues_declared),
        ),
        counter(
            "queues_created_total",
            "Declarations of queues that were not there before.",
            lambda site: int(site.broker.node.queues_created),
        ),
        counter(
            "queues_deleted_total",
            "Queues that were deleted or have ended.",
            lambda site: int(site.broker.node.queues_deleted),
        ),
    ),
)

NODE_COARSE = Group[Site, Site](
    name="node_coarse_metrics",
    things=_the_site,
    look=_itself,
    families=(
        gauge("process_open_fds", "Files and sockets that are open.", lambda _site: files_open() or None),
        gauge(
            "process_open_tcp_sockets",
            "Connections of clients that are open.",
            lambda site: len(site.connections()),
        ),
        gauge(
            "process_resident_memory_bytes",
            "Memory that the process takes.",
            lambda site: site.machine.memory_used_bytes(),
        ),
        gauge(
            "disk_space_available_bytes",
            "Disk space that is free where the data directory is.",
            lambda site: site.machine.disk_free_bytes(),
        ),
    ),
)

NODE = Group[Site, Site](
    name="node_metrics",
    things=_the_site,
    look=_itself,
    families=(
        gauge("process_max_fds", "Files and sockets that may be open.", lambda _site: files_max()),
        gauge(
            "process_max_tcp_sockets",
            "Sockets that may be open: as many as files.",
            lambda _site: files_max(),
        ),
        gauge(
            "resident_memory_limit_bytes",
            "Memory from which publishers are held back.",
            lambda site: site.machine.memory_limit_bytes,
        ),
        gauge(
            "disk_space_available_limit_bytes",
            "Free disk space below which publishers are held back.",
            lambda site: site.machine.disk_free_limit_bytes,
        ),
        gauge("erlang_uptime_seconds", "Time since the broker began.", _uptime_s),
    ),
)


def _groups_written(site: Site) -> int:
    journal = site.broker.storage.journal
    return 0 if journal is None else journal.flusher.groups_written


def _writing_s(site: Site) -> float:
    journal = site.broker.storage.journal
    return 0.0 if journal is None else journal.flusher.writing_s


PERSISTER = Group[Site, Site](
    name="node_persister_metrics",
    things=_the_site,
    look=_itself,
    families=(
        counter(
            "io_read_bytes_total",
            "Bytes that the system has read from disk for the process.",
            lambda _site: disk_bytes("read_bytes"),
        ),
        counter(
            "io_write_bytes_total",
            "Bytes that the system has written to disk for the process, or is about to.",
            lambda _site: disk_bytes("write_bytes"),
        ),
        counter("io_write_ops_total", "Groups of records that were written to the log.", _groups_written),
        counter("io_sync_ops_total", "Times the log was synced: once with each group.", _groups_written),
        counter(
            "io_sync_time_seconds_total",
            "Time it took until groups were on disk, which is written and synced.",
            _writing_s,
        ),
    ),
)


# Logging in


LOGINS = Group[tuple[str, LoginCounts], LoginCounts](
    name="auth_attempt_metrics",
    things=lambda scrape: scrape.logins(),
    look=lambda _scrape, login: login[1],
    labels=lambda login: (("protocol", login[0]),),
    always_by=lambda login: (("protocol", login[0]),),
    families=(
        counter("auth_attempts_total", "Attempts to log in.", lambda counts: counts.attempts),
        counter(
            "auth_attempts_succeeded_total", "Attempts to log in that did.", lambda counts: counts.succeeded
        ),
        counter(
            "auth_attempts_failed_total",
            "Attempts to log in that were refused.",
            lambda counts: counts.attempts - counts.succeeded,
        ),
    ),
)


# Queues


def _queue_labels(queue: Queue) -> Labels:
    return (("vhost", queue.vhost), ("queue", queue.name))


QUEUE_COARSE = Group[Queue, Queue](
    name="queue_coarse_metrics",
    things=lambda scrape: scrape.sized_queues(),
    look=_itself,
    labels=_queue_labels,
    families=(
        gauge("queue_messages_ready", "Messages that wait for a consumer.", lambda queue: queue.ready()),
        gauge(
            "queue_messages_unacked",
            "Messages that clients have and have not settled.",
            lambda queue: int(queue.unacked),
        ),
        gauge(
            "queue_messages",
            "All messages of a queue: those that are ready, and those that clients have.",
            lambda queue: queue.ready() + int(queue.unacked),
        ),
    ),
)

QUEUE_CONSUMERS: Family[dict[str, float]] = gauge(
    "queue_consumers", "Consumers of a queue.", lambda seen: seen["consumers"]
)

QUEUE_CONSUMER_COUNT = Group[Queue, dict[str, float]](
    name="queue_consumer_count",
    where=(DETAILED,),
    is_replaced_by="queue_metrics",
    things=lambda scrape: scrape.queues(),
    look=lambda _scrape, queue: {"consumers": queue.consumer_count()},
    labels=_queue_labels,
    families=(QUEUE_CONSUMERS,),
)


def _look_at_queue(scrape: Scrape, queue: Queue) -> dict[str, float]:
    """What the HTTP API tells of it, too; streams know only who reads them."""
    seen: dict[str, float] = {"consumers": queue.consumer_count()}
    if queue.queue_type == STREAM:
        return seen
    ready = queue.ready()
    seen |= sizes(queue, ready, scrape.bytes_in_hands(queue))
    unacked = int(queue.unacked)
    paged = ready + unacked - seen["messages_ram"]
    seen["messages_ready_ram"] = ready - min(ready, paged)
    seen["messages_unacknowledged_ram"] = unacked
    seen["messages_paged_out"] = paged
    seen["message_bytes_paged_out"] = seen["message_bytes"] - seen["message_bytes_ram"]
    return seen


QUEUE = Group[Queue, dict[str, float]](
    name="queue_metrics",
    things=lambda scrape: scrape.sized_queues(),
    look=_look_at_queue,
    labels=_queue_labels,
    families=(
        QUEUE_CONSUMERS,
        gauge(
            "queue_consumer_capacity",
            "Part of a queue's consumers that could take more now.",
            lambda seen: seen.get("consumer_capacity"),
            is_summed=False,
        ),
        gauge(
            "queue_consumer_utilisation",
            "The same by its older name.",
            lambda seen: seen.get("consumer_utilisation"),
        ),
        gauge(
            "queue_process_memory_bytes",
            "Memory that a queue takes, estimated.",
            lambda seen: seen.get("memory"),
        ),
        gauge(
            "queue_messages_ram",
            "Messages of a queue that are in memory.",
            lambda seen: seen.get("messages_ram"),
        ),
        gauge(
            "queue_messages_ram_bytes",
            "Size of their bodies.",
            lambda seen: seen.get("message_bytes_ram"),
        ),
        gauge(
            "queue_messages_ready_ram",
            "Messages in memory that wait for a consumer.",
            lambda seen: seen.get("messages_ready_ram"),
        ),
        gauge(
            "queue_messages_unacked_ram",
            "Messages in memory that clients have and have not settled.",
            lambda seen: seen.get("messages_unacknowledged_ram"),
        ),
        gauge(
            "queue_messages_persistent",
            "Messages of a queue that the log has, or is about to.",
            lambda seen: seen.get("messages_persistent"),
        ),
        gauge(
            "queue_messages_persistent_bytes",
            "Size of their bodies, estimated where others are among them.",
            lambda seen: seen.get("message_bytes_persistent"),
        ),
        gauge(
            "queue_messages_bytes",
            "Size of the bodies of all messages of a queue.",
            lambda seen: seen.get("message_bytes"),
        ),
        gauge(
            "queue_messages_ready_bytes",
            "Size of the bodies of messages that wait for a consumer.",
            lambda seen: seen.get("message_bytes_ready"),
        ),
        gauge(
            "queue_messages_unacked_bytes",
            "Size of the bodies of messages that clients have; where there are many, estimated.",
            lambda seen: seen.get("message_bytes_unacknowledged"),
        ),
        gauge(
            "queue_messages_paged_out",
            "Messages of a queue that are on disk alone.",
            lambda seen: seen.get("messages_paged_out"),
        ),
        gauge(
            "queue_messages_paged_out_bytes",
            "Size of their bodies.",
            lambda seen: seen.get("message_bytes_paged_out"),
        ),
    ),
)

QUEUE_PUBLISHED_HELP = "Messages that clients have published and that went to queues, once for each."

QUEUE_PUBLISHED = Group[Queue, Queue](
    name="channel_queue_exchange_metrics",
    if_apart=True,
    things=lambda scrape: scrape.queues(),
    look=_itself,
    labels=lambda queue: (("queue_vhost", queue.vhost), ("queue", queue.name)),
    families=(
        counter("queue_messages_published_total", QUEUE_PUBLISHED_HELP, lambda queue: int(queue.published)),
    ),
)


# Channels


def _channel_labels(channel: Channel) -> Labels:
    return (("channel", channel_name(channel)),)


def _channel_vhost_labels(channel: Channel) -> Labels:
    return (*_channel_labels(channel), ("vhost", channel.vhost.name))


def _ended_channels(scrape: Scrape) -> list[tuple[Labels, MessageCounts]]:
    return [((), scrape.site.broker.node.ended.channels)]


CHANNEL = Group[Channel, Channel](
    name="channel_metrics",
    things=lambda scrape: scrape.channels(),
    look=_itself,
    labels=_channel_labels,
    families=(
        gauge("channel_consumers", "Consumers on a channel.", lambda channel: len(channel.consumers)),
        gauge(
            "channel_messages_unacked",
            "Messages that were delivered on a channel and not settled.",
            lambda channel: len(channel.unacked),
        ),
        gauge(
            "channel_messages_unconfirmed",
            "Messages that were published on a channel and are still to be confirmed.",
            messages_unconfirmed,
        ),
        gauge(
            "channel_messages_uncommitted",
            "Messages that were published in a transaction that is open.",
            messages_uncommitted,
        ),
        gauge(
            "channel_acks_uncommitted",
            "Messages that were settled in a transaction that is open.",
            acks_uncommitted,
        ),
        gauge(
            "consumer_prefetch",
            "Messages that each consumer beginning on a channel may have unsettled; 0 is no limit.",
            lambda channel: int(channel.prefetch_count),
        ),
        gauge(
            "channel_prefetch",
            "Messages that all consumers of a channel together may have unsettled; 0 is no limit.",
            lambda channel: int(channel.global_prefetch_count),
        ),
    ),
)

CHANNEL_EXCHANGE = Group[Channel, MessageCounts](
    name="channel_exchange_metrics",
    things=lambda scrape: scrape.channels(),
    look=Scrape.message_counts,
    labels=_channel_vhost_labels,
    begins=_ended_channels,
    families=(
        counter(
            "channel_messages_published_total",
            "Messages that were published on a channel.",
            lambda counts: counts.publish,
        ),
        counter(
            "channel_messages_confirmed_total",
            "Messages that were published on a channel and confirmed.",
            lambda counts: counts.confirm,
        ),
        counter(
            "channel_messages_unroutable_returned_total",
            "Mandatory messages that led to no queue and were returned.",
            lambda counts: counts.return_unroutable,
        ),
        counter(
            "channel_messages_unroutable_dropped_total",
            "Other messages that led to no queue.",
            lambda counts: counts.drop_unroutable,
        ),
    ),
)

CHANNEL_QUEUE = Group[Channel, MessageCounts](
    name="channel_queue_metrics",
    things=lambda scrape: scrape.channels(),
    look=Scrape.message_counts,
    labels=_channel_vhost_labels,
    begins=_ended_channels,
    families=(
        counter(
            "channel_get_ack_total",
            "Messages that basic.get has got and that have to be acknowledged.",
            lambda counts: counts.get,
        ),
        counter(
            "channel_get_total",
            "Messages that basic.get has got and that need no acknowledgement.",
            lambda counts: counts.get_no_ack,
        ),
        counter(
            "channel_messages_delivered_ack_total",
            "Messages that consumers have got and that have to be acknowledged.",
            lambda counts: counts.deliver,
        ),
        counter(
            "channel_messages_delivered_total",
            "Messages that consumers have got and that need no acknowledgement.",
            lambda counts: counts.deliver_no_ack,
        ),
        counter(
            "channel_messages_redelivered_total",
            "Messages that clients have got and that somebody had got before.",
            lambda counts: counts.redeliver,
        ),
        counter(
            "channel_messages_acked_total",
            "Messages that were acknowledged.",
            lambda counts: counts.ack,
        ),
        counter(
            "channel_get_empty_total",
            "Times that basic.get has found nothing.",
            lambda counts: counts.get_empty,
        ),
    ),
)

ALL_PUBLISHED = Group[Channel, MessageCounts](
    name="channel_queue_exchange_metrics",
    if_apart=False,
    things=lambda scrape: scrape.channels(),
    look=Scrape.message_counts,
    begins=_ended_channels,
    families=(counter("queue_messages_published_total", QUEUE_PUBLISHED_HELP, lambda counts: counts.routed),),
)


# Connections


def _connection_labels(connection: Connection) -> Labels:
    # RabbitMQ names a connection by its process, under the same label as a channel.
    return (("channel", connection.peer.name),)


def _ended_traffic(scrape: Scrape) -> list[tuple[Labels, Traffic]]:
    ended = scrape.site.broker.node.ended
    return [((), Traffic(ended.received_bytes, ended.written_bytes, ended.reads, ended.writes))]


def _look_at_connection(_scrape: Scrape, connection: Connection) -> Traffic:
    return traffic_of(connection)


CONNECTION_COARSE = Group[Connection, Traffic](
    name="connection_coarse_metrics",
    things=lambda scrape: scrape.connections(),
    look=_look_at_connection,
    labels=_connection_labels,
    begins=_ended_traffic,
    families=(
        counter(
            "connection_incoming_bytes_total",
            "Bytes that have come in on a connection.",
            lambda traffic: traffic.received_bytes,
        ),
        counter(
            "connection_outgoing_bytes_total",
            "Bytes that have gone out on a connection.",
            lambda traffic: traffic.written_bytes,
        ),
    ),
)

CONNECTION = Group[Connection, Traffic](
    name="connection_metrics",
    things=lambda scrape: scrape.connections(),
    look=_look_at_connection,
    labels=_connection_labels,
    begins=_ended_traffic,
    families=(
        counter(
            "connection_incoming_packets_total",
            "Times that something was read from a connection.",
            lambda traffic: traffic.reads,
        ),
        counter(
            "connection_outgoing_packets_total",
            "Times that something was written to a connection.",
            lambda traffic: traffic.writes,
        ),
        gauge(
            "connection_pending_packets",
            "Bytes that wait to be written to a connection.",
            lambda traffic: traffic.unwritten_bytes,
        ),
        gauge("connection_channels", "Channels of a connection.", lambda traffic: traffic.channels),
    ),
)


# What /metrics/detailed alone has


def _exchange_labels(exchange: Exchange) -> Labels:
    return (("vhost", exchange.vhost), ("exchange", exchange.name), ("type", exchange.exchange_type))


VHOST_STATUS = Group[VirtualHost, VirtualHost](
    name="vhost_status",
    where=(DETAILED,),
    prefix=RABBITMQ_CLUSTER,
    things=lambda scrape: list(scrape.site.broker.vhosts.values()),
    look=_itself,
    labels=lambda vhost: (("vhost", vhost.name),),
    families=(gauge("vhost_status", "1 for each virtual host that runs, as all do.", lambda _vhost: 1),),
)

EXCHANGE_BINDINGS = Group[Exchange, Exchange](
    name="exchange_bindings",
    where=(DETAILED,),
    prefix=RABBITMQ_CLUSTER,
    things=lambda scrape: scrape.exchanges(),
    look=_itself,
    labels=_exchange_labels,
    families=(
        gauge(
            "exchange_bindings",
            "Bindings that begin at an exchange.",
            lambda exchange: len(exchange.bindings),
        ),
    ),
)

EXCHANGE_NAMES = Group[Exchange, Exchange](
    name="exchange_names",
    where=(DETAILED,),
    prefix=RABBITMQ_CLUSTER,
    things=lambda scrape: scrape.exchanges(),
    look=_itself,
    labels=_exchange_labels,
    families=(gauge("exchange_name", "1 for each exchange.", lambda _exchange: 1),),
)


# How many there are of everything


def _consumers(queue: Queue) -> int:
    return len(queue.consumers)


TOTAL_COUNTS = Group[Site, Site](
    name="totals",
    where=TOTALS,
    things=_the_site,
    look=_itself,
    families=(
        gauge(
            "connections",
            "Connections that are open.",
            lambda site: int(site.broker.open_counts.connections),
        ),
        gauge("channels", "Channels that are open.", lambda site: int(site.broker.open_counts.channels)),
        gauge("queues", "Queues that there are.", lambda site: site.broker.node.queue_count()),
    ),
)


TOTAL_CONSUMERS = Group[Queue, int](
    name="totals",
    where=TOTALS,
    things=lambda scrape: scrape.queues(),
    look=lambda _scrape, queue: _consumers(queue),
    always_by=no_labels,
    begins=lambda _scrape: [((), 0)],
    families=(gauge("consumers", "Consumers that there are.", lambda count: count),),
)


# Who it is


def cluster_id(site: Site) -> str:
    """What stays the same for this broker: the id of the cluster its definitions came from, or one made of its place."""
    known = site.broker.global_parameters.get(CLUSTER_ID)
    if isinstance(known, str):
        return known
    place = f"{site.node}\0{site.machine.data_dir}".encode(errors="backslashreplace")
    digest = hashlib.sha256(place).digest()[:16]
    return "rabbitmq-cluster-id-" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _build_labels(site: Site) -> Labels:
    labels: list[tuple[str, str]] = [
        ("rabbitmq_version", VERSION),
        ("prometheus_plugin_version", VERSION),
        ("prometheus_client_version", version("prometheus_client")),
        ("erlang_version", ERLANG_VERSION),
    ]
    properties = site.parameters.server_properties
    product, product_version = str(properties["product"].value), str(properties["version"].value)
    if (product, product_version) != ("RabbitMQ", VERSION):
        labels += [("product_name", product), ("product_version", product_version)]
    return tuple(labels)


def _identity_labels(scrape: Scrape) -> Labels:
    site = scrape.site
    return (
        ("rabbitmq_node", site.node),
        ("rabbitmq_cluster", site.parameters.cluster_name),
        ("rabbitmq_cluster_permanent_id", cluster_id(site)),
        # RabbitMQ 4 has this, and the dashboards for it select by it.
        ("rabbitmq_endpoint", scrape.endpoint),
    )


BUILD_INFO = Group[Site, Site](
    name="build_info",
    is_always=True,
    things=_the_site,
    look=_itself,
    labels=_build_labels,
    always_by=_build_labels,
    families=(untyped("build_info", "Versions, as the HTTP API tells them.", lambda _site: 1),),
)

IDENTITY_INFO = Group[Scrape, Scrape](
    name="identity_info",
    is_always=True,
    things=lambda scrape: [scrape],
    look=_itself,
    labels=_identity_labels,
    always_by=_identity_labels,
    families=(untyped("identity_info", "Names of the node and its cluster.", lambda _scrape: 1),),
)


# Alarms


ALARMS = Group[Site, Site](
    name="alarms",
    where=(AGGREGATED,),
    prefix="rabbitmq_alarms_",
    things=_the_site,
    look=_itself,
    families=(
        untyped(
            "file_descriptor_limit",
            "1 while there are too few file descriptors: amqpd has no such alarm, so 0.",
            lambda _site: 0,
        ),
        untyped(
            "free_disk_space_watermark",
            "1 while there is too little free disk space.",
            lambda site: int(site.broker.alarms.is_raised(DISK)),
        ),
        untyped(
            "memory_used_watermark",
            "1 while too much memory is taken.",
            lambda site: int(site.broker.alarms.is_raised(MEMORY)),
        ),
    ),
)


def _started_unix_s(site: Site) -> float:
    return round(site.broker.clock.unix_s() - _uptime_s(site))


PROCESS = Group[Site, Site](
    name="process",
    where=(AGGREGATED,),
    prefix="",
    things=_the_site,
    look=_itself,
    families=(gauge("process_start_time_seconds", "When the broker began, in unix time.", _started_unix_s),),
)


# Counted over all queues of a type, and over all channels


def of_type(queue_type: str) -> Labels:
    """The labels of what is counted by protocol and type of queue."""
    return (*AMQP, ("queue_type", f"rabbit_{queue_type}_queue"))


def _ended_queues(scrape: Scrape) -> list[tuple[Labels, MessageCounts]]:
    ended = scrape.site.broker.node.ended
    return [(of_type(queue_type), ended.of_queues(queue_type)) for queue_type in QUEUE_TYPES]


BY_QUEUE_TYPE = Group[Queue, MessageCounts](
    name="global",
    where=TOTALS,
    prefix=GLOBAL,
    things=lambda scrape: scrape.queues(),
    look=lambda _scrape, queue: queue.message_counts(),
    always_by=lambda queue: of_type(queue.queue_type),
    begins=_ended_queues,
    families=(
        counter(
            "messages_delivered_total",
            "Messages that clients have got, whichever way.",
            lambda counts: counts.deliver_get(),
        ),
        counter(
            "messages_delivered_consume_manual_ack_total",
            "Messages that consumers have got and that have to be acknowledged.",
            lambda counts: counts.deliver,
        ),
        counter(
            "messages_delivered_consume_auto_ack_total",
            "Messages that consumers have got and that need no acknowledgement.",
            lambda counts: counts.deliver_no_ack,
        ),
        counter(
            "messages_delivered_get_manual_ack_total",
            "Messages that basic.get has got and that have to be acknowledged.",
            lambda counts: counts.get,
        ),
        counter(
            "messages_delivered_get_auto_ack_total",
            "Messages that basic.get has got and that need no acknowledgement.",
            lambda counts: counts.get_no_ack,
        ),
        counter(
            "messages_get_empty_total",
            "Times that basic.get has found nothing.",
            lambda counts: counts.get_empty,
        ),
        counter(
            "messages_redelivered_total",
            "Messages that clients have got and that somebody had got before.",
            lambda counts: counts.redeliver,
        ),
        counter(
            "messages_acknowledged_total",
            "Messages that were acknowledged.",
            lambda counts: counts.ack,
        ),
    ),
)


def _ended_channels_of_protocol(scrape: Scrape) -> list[tuple[Labels, MessageCounts]]:
    return [(AMQP, scrape.site.broker.node.ended.channels)]


def _amqp(_thing: Any) -> Labels:
    return AMQP


BY_PROTOCOL = Group[Channel, MessageCounts](
    name="global",
    where=TOTALS,
    prefix=GLOBAL,
    things=lambda scrape: scrape.channels(),
    look=Scrape.message_counts,
    always_by=_amqp,
    begins=_ended_channels_of_protocol,
    families=(
        counter(
            "messages_received_total",
            "Messages that clients have published.",
            lambda counts: counts.publish,
        ),
        counter(
            "messages_received_confirm_total",
            "Messages that clients have published and want confirmed.",
            lambda counts: counts.publish_confirm,
        ),
        counter(
            "messages_routed_total",
            "Messages that clients have published and that went to queues, once for each.",
            lambda counts: counts.routed,
        ),
        counter(
            "messages_unroutable_dropped_total",
            "Messages that led to no queue and were dropped.",
            lambda counts: counts.drop_unroutable,
        ),
        counter(
            "messages_unroutable_returned_total",
            "Mandatory messages that led to no queue and were returned.",
            lambda counts: counts.return_unroutable,
        ),
        counter(
            "messages_confirmed_total",
            "Messages that were confirmed to who published them.",
            lambda counts: counts.confirm,
        ),
    ),
)


def _nobody(_scrape: Scrape) -> list[tuple[Labels, int]]:
    return [(AMQP, 0)]


PUBLISHERS = Group[Channel, int](
    name="global",
    where=TOTALS,
    prefix=GLOBAL,
    things=lambda scrape: scrape.channels(),
    look=lambda scrape, channel: int(scrape.message_counts(channel).publish > 0),
    always_by=_amqp,
    begins=_nobody,
    families=(gauge("publishers", "Channels that have published something.", lambda count: count),),
)

CONSUMERS = Group[Queue, int](
    name="global",
    where=TOTALS,
    prefix=GLOBAL,
    things=lambda scrape: scrape.queues(),
    look=lambda _scrape, queue: _consumers(queue),
    always_by=_amqp,
    begins=_nobody,
    families=(gauge("consumers", "Consumers that there are.", lambda count: count),),
)

DYING = (
    (CLASSIC, AT_MOST_ONCE),
    (CLASSIC, DISABLED),
    (QUORUM, AT_LEAST_ONCE),
    (QUORUM, AT_MOST_ONCE),
    (QUORUM, DISABLED),
)


def _died(scrape: Scrape) -> list[Died]:
    deaths = scrape.site.broker.node.deaths
    return [Died(queue_type, strategy, deaths.of(queue_type, strategy)) for queue_type, strategy in DYING]


def _died_labels(died: Died) -> Labels:
    return (
        ("queue_type", f"rabbit_{died.queue_type}_queue"),
        ("dead_letter_strategy", died.strategy.replace("-", "_")),
    )


DEAD_LETTERS = Group[Died, Died](
    name="global",
    where=TOTALS,
    prefix=GLOBAL,
    things=_died,
    look=_itself,
    labels=_died_labels,
    always_by=_died_labels,
    families=(
        counter(
            "messages_dead_lettered_confirmed_total",
            "Messages that have died and that all queues they went to have taken.",
            lambda died: died.counts[CONFIRMED] if died.strategy == AT_LEAST_ONCE else None,
        ),
        counter(
            "messages_dead_lettered_delivery_limit_total",
            "Messages that have died as they came back too often.",
            lambda died: died.counts[DELIVERY_LIMIT] if died.queue_type == QUORUM else None,
        ),
        counter(
            "messages_dead_lettered_expired_total",
            "Messages that have died as their time to live was over.",
            lambda died: died.counts[EXPIRED],
        ),
        counter(
            "messages_dead_lettered_maxlen_total",
            "Messages that have died as their queue was full.",
            lambda died: None if died.strategy == AT_LEAST_ONCE else died.counts[MAXLEN],
        ),
        counter(
            "messages_dead_lettered_rejected_total",
            "Messages that have died as a client has refused them.",
            lambda died: died.counts[REJECTED],
        ),
    ),
)


GROUPS: Sequence[Group[Any, Any]] = (
    ALARMS,
    PROCESS,
    CHURN,
    NODE_COARSE,
    NODE,
    PERSISTER,
    LOGINS,
    QUEUE_COARSE,
    QUEUE_CONSUMER_COUNT,
    QUEUE,
    CHANNEL,
    CHANNEL_EXCHANGE,
    CHANNEL_QUEUE,
    CONNECTION_COARSE,
    CONNECTION,
    QUEUE_PUBLISHED,
    ALL_PUBLISHED,
    VHOST_STATUS,
    EXCHANGE_BINDINGS,
    EXCHANGE_NAMES,
    TOTAL_COUNTS,
    TOTAL_CONSUMERS,
    BUILD_INFO,
    IDENTITY_INFO,
    BY_QUEUE_TYPE,
    BY_PROTOCOL,
    PUBLISHERS,
    CONSUMERS,
    DEAD_LETTERS,
)
