"""Metrics of the node: what comes and goes, the machine, the log, logins, alarms, and how many there are of everything."""

from __future__ import annotations

import math

from amqpd.broker.alarms import DISK, MEMORY
from amqpd.broker.queues.queue import Queue
from amqpd.management.rows import files_open
from amqpd.management.site import Site
from amqpd.metrics.totals import LoginCounts
from amqpd.prometheus.families import (
    AGGREGATED,
    EVERYWHERE,
    RABBITMQ,
    TOTALS,
    Family,
    Group,
    Labels,
    counter,
    gauge,
    itself,
    no_labels,
    untyped,
)
from amqpd.prometheus.scrape import Scrape


def _of_the_node(
    name: str, *families: Family[Site], where: tuple[str, ...] = EVERYWHERE, prefix: str = RABBITMQ
) -> Group[Site, Site]:
    return Group(
        name=name, where=where, prefix=prefix, things=lambda scrape: [scrape.site], families=families
    )


def _connections_closed(site: Site) -> int:
    counts = site.broker.open_counts
    return int(counts.connections_opened - counts.connections)


def _channels_closed(site: Site) -> int:
    counts = site.broker.open_counts
    return int(counts.channels_opened_ever - counts.channels)


CHURN = _of_the_node(
    "connection_churn_metrics",
    counter(
        "connections_opened_total", "Connections that were opened.", "broker.open_counts.connections_opened"
    ),
    counter(
        "connections_closed_total", "Connections that have ended, whoever ended them.", _connections_closed
    ),
    counter("channels_opened_total", "Channels that were opened.", "broker.open_counts.channels_opened_ever"),
    counter(
        "channels_closed_total",
        "Channels that have ended, with their connections or before.",
        _channels_closed,
    ),
    counter(
        "queues_declared_total",
        "Declarations of queues, also of those that were there.",
        "broker.node.queues_declared",
    ),
    counter(
        "queues_created_total",
        "Declarations of queues that were not there before.",
        "broker.node.queues_created",
    ),
    counter("queues_deleted_total", "Queues that were deleted or have ended.", "broker.node.queues_deleted"),
)

NODE_COARSE = _of_the_node(
    "node_coarse_metrics",
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
)


def _files_max(_site: Site) -> float:
    try:
        import resource
    except ImportError:  # not a POSIX system
        return math.inf
    limit: int = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return math.inf if limit == resource.RLIM_INFINITY else limit


def _uptime_s(site: Site) -> float:
    return site.broker.clock.monotonic_s() - site.started_s


NODE = _of_the_node(
    "node_metrics",
    gauge("process_max_fds", "Files and sockets that may be open.", _files_max),
    gauge("process_max_tcp_sockets", "Sockets that may be open: as many as files.", _files_max),
    gauge(
        "resident_memory_limit_bytes",
        "Memory from which publishers are held back.",
        "machine.memory_limit_bytes",
    ),
    gauge(
        "disk_space_available_limit_bytes",
        "Free disk space below which publishers are held back.",
        "machine.disk_free_limit_bytes",
    ),
    gauge("erlang_uptime_seconds", "Time since the broker began.", _uptime_s),
)

PROCESS = _of_the_node(
    "process",
    gauge(
        "process_start_time_seconds",
        "When the broker began, in unix time.",
        lambda site: round(site.broker.clock.unix_s() - _uptime_s(site)),
    ),
    where=(AGGREGATED,),
    prefix="",
)


# The log


def _disk_bytes(name: str) -> int | None:
    """What the system counts for the process; None where it does not tell."""
    try:
        with open("/proc/self/io") as counts:
            told = dict(line.split(": ") for line in counts)
    except OSError:
        return None
    return int(told[name])


def _groups_written(site: Site) -> int:
    journal = site.broker.storage.journal
    return 0 if journal is None else journal.flusher.groups_written


def _writing_s(site: Site) -> float:
    journal = site.broker.storage.journal
    return 0.0 if journal is None else journal.flusher.writing_s


PERSISTER = _of_the_node(
    "node_persister_metrics",
    counter(
        "io_read_bytes_total",
        "Bytes that the system has read from disk for the process.",
        lambda _site: _disk_bytes("read_bytes"),
    ),
    counter(
        "io_write_bytes_total",
        "Bytes that the system has written to disk for the process, or is about to.",
        lambda _site: _disk_bytes("write_bytes"),
    ),
    counter("io_write_ops_total", "Groups of records that were written to the log.", _groups_written),
    counter("io_sync_ops_total", "Times the log was synced: once with each group.", _groups_written),
    counter(
        "io_sync_time_seconds_total",
        "Time it took until groups were on disk, which is written and synced.",
        _writing_s,
    ),
)


# Logins


def _by_protocol(login: tuple[str, LoginCounts]) -> Labels:
    return (("protocol", login[0]),)


LOGINS = Group[tuple[str, LoginCounts], LoginCounts](
    name="auth_attempt_metrics",
    things=Scrape.logins,
    look=lambda _scrape, login: login[1],
    always_by=_by_protocol,
    families=(
        counter("auth_attempts_total", "Attempts to log in.", "attempts"),
        counter("auth_attempts_succeeded_total", "Attempts to log in that did.", "succeeded"),
        counter(
            "auth_attempts_failed_total",
            "Attempts to log in that were refused.",
            lambda counts: counts.attempts - counts.succeeded,
        ),
    ),
)


# Alarms

ALARMS = _of_the_node(
    "alarms",
    untyped(
        "file_descriptor_limit",
        "1 while there are too few file descriptors: amqpd has no such alarm, so 0.",
        lambda _site: 0,
    ),
    untyped(
        "free_disk_space_watermark",
        "1 while there is too little free disk space.",
        lambda site: site.broker.alarms.is_raised(DISK),
    ),
    untyped(
        "memory_used_watermark",
        "1 while too much memory is taken.",
        lambda site: site.broker.alarms.is_raised(MEMORY),
    ),
    where=(AGGREGATED,),
    prefix="rabbitmq_alarms_",
)


# How many there are of everything

TOTAL_COUNTS = _of_the_node(
    "totals",
    gauge("connections", "Connections that are open.", "broker.open_counts.connections"),
    gauge("channels", "Channels that are open.", "broker.open_counts.channels"),
    gauge("queues", "Queues that there are.", lambda site: site.broker.node.queue_count()),
    where=TOTALS,
)

TOTAL_CONSUMERS = Group[Queue, int](
    name="totals",
    where=TOTALS,
    things=Scrape.queues,
    look=lambda _scrape, queue: len(queue.consumers),
    always_by=no_labels,
    begins=lambda _scrape: [((), 0)],
    families=(gauge("consumers", "Consumers that there are.", itself),),
)
