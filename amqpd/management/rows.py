"""What is told of everything in numbers: which numbers these are, and a row of them as they are now."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import Queue
from amqpd.metrics.history import GLOBAL, Layout, Row
from amqpd.metrics.message_counts import MessageCounts
from amqpd.protocol.connection import Connection

if TYPE_CHECKING:
    from amqpd.management.site import Site

LENGTHS: Final = ("messages_ready", "messages_unacknowledged")
DELIVERIES: Final = ("deliver", "deliver_no_ack", "get", "get_no_ack", "get_empty", "redeliver", "ack")
PUBLISHES: Final = ("publish", "confirm", "return_unroutable", "drop_unroutable")
OCTETS: Final = ("recv_oct", "send_oct")
CHURN: Final = (
    "channel_closed",
    "channel_created",
    "connection_closed",
    "connection_created",
    "queue_created",
    "queue_declared",
    "queue_deleted",
)
RESOURCES: Final = ("mem_used", "disk_free", "fd_used", "sockets_used", "proc_used")
MESSAGES: Final = {"messages": LENGTHS}
DELIVER_GET: Final = {"deliver_get": ("deliver", "deliver_no_ack", "get", "get_no_ack")}
NOTHING: Final[tuple[str, ...]] = ()
NO_DISK: Final = dict.fromkeys(("disk_reads", "disk_writes"), NOTHING)
NO_REDUCTIONS: Final = dict.fromkeys(("reductions",), NOTHING)
NO_GARBAGE: Final = dict.fromkeys(("gc_num", "gc_bytes_reclaimed", "context_switches"), NOTHING)
NO_ERLANG_FILES: Final = dict.fromkeys(
    (
        "io_read_count",
        "io_read_bytes",
        "io_read_avg_time",
        "io_write_count",
        "io_write_bytes",
        "io_write_avg_time",
        "io_sync_count",
        "io_sync_avg_time",
        "io_seek_count",
        "io_seek_avg_time",
        "io_reopen_count",
        "mnesia_ram_tx_count",
        "mnesia_disk_tx_count",
        "msg_store_read_count",
        "msg_store_write_count",
        "queue_index_read_count",
        "queue_index_write_count",
    ),
    NOTHING,
)
"""What RabbitMQ counts that has nothing like it here: it is always 0."""

CHANNEL_COUNTS: Final = Layout((*PUBLISHES, *DELIVERIES), {**DELIVER_GET, **NO_REDUCTIONS})
CONNECTION_COUNTS: Final = Layout(OCTETS, NO_REDUCTIONS)
EXCHANGE_COUNTS: Final = Layout(("publish_in", "publish_out"), {})
QUEUE_COUNTS: Final = Layout((*LENGTHS, "publish", *DELIVERIES), {**MESSAGES, **DELIVER_GET, **NO_REDUCTIONS})
VHOST_COUNTS: Final = Layout(
    (*PUBLISHES, *DELIVERIES, *LENGTHS, *OCTETS), {**MESSAGES, **DELIVER_GET, **NO_DISK}, GLOBAL
)
NODE_COUNTS: Final = Layout((*RESOURCES, *CHURN), {**NO_GARBAGE, **NO_ERLANG_FILES}, GLOBAL)
"""What is told of each; a virtual host's begins with what is told of a channel."""


# What the numbers are now


def queue_row(queue: Queue) -> Row:
    """A queue's numbers; what was published counts when `collect_counts` has been asked for it."""
    counts = queue.counts
    deliver, deliver_no_ack, redeliver = counts.deliver, counts.deliver_no_ack, counts.redeliver
    for consumer in queue.consumers:
        if consumer.no_ack:
            deliver_no_ack += consumer.delivered
        else:
            deliver += consumer.delivered
        redeliver += consumer.redelivered
    return (
        queue.ready(),
        queue.unacked,
        queue.published,
        deliver,
        deliver_no_ack,
        counts.get,
        counts.get_no_ack,
        counts.get_empty,
        redeliver,
        queue.acked,
    )


def counts_row(counts: MessageCounts) -> Row:
    """The numbers of a channel, or of several."""
    return (
        counts.publish,
        counts.confirm,
        counts.return_unroutable,
        counts.drop_unroutable,
        counts.deliver,
        counts.deliver_no_ack,
        counts.get,
        counts.get_no_ack,
        counts.get_empty,
        counts.redeliver,
        counts.ack,
    )


def connection_row(connection: Connection) -> Row:
    """A connection's numbers."""
    return (connection.received_bytes, connection.written_bytes())


def exchange_row(exchange: Exchange) -> Row:
    """An exchange's numbers; as with queues, `collect_counts` comes first."""
    return (exchange.published, exchange.routed)


def node_row(site: Site) -> Row:
    """The numbers of the process, and how often connections, channels and queues have come and gone."""
    counts, node = site.broker.open_counts, site.broker.node
    return (
        site.machine.memory_used_bytes() or 0,
        site.machine.disk_free_bytes() or 0,
        files_open(),
        counts.connections,
        1,
        counts.channels_opened_ever - counts.channels,
        counts.channels_opened_ever,
        counts.connections_opened - counts.connections,
        counts.connections_opened,
        node.queues_created,
        node.queues_declared,
        node.queues_deleted,
    )


def files_open() -> int:
    """How many file descriptors the process has, or 0 where that is not known."""
    if sys.platform == "win32":
        return 0
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


def total(first: Sequence[int], second: Sequence[int]) -> Row:
    """The sum of two rows."""
    return tuple(map(int.__add__, first, second))


def difference(first: Sequence[int], second: Sequence[int]) -> Row:
    """What must be added to the second row to get the first."""
    return tuple(map(int.__sub__, first, second))
