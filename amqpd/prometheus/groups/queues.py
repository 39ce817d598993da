"""Metrics of queues."""

from __future__ import annotations

from collections.abc import Iterator
from operator import methodcaller

from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.rules import STREAM
from amqpd.management.measures import sizes
from amqpd.prometheus.families import DETAILED, Family, Group, Labels, counter, gauge
from amqpd.prometheus.scrape import Scrape
from amqpd.protocol.channel import Channel

Seen = dict[str, float]
"""What the HTTP API tells of a queue, by its names."""


def _labels(queue: Queue) -> Labels:
    return (("vhost", queue.vhost), ("queue", queue.name))


QUEUE_COARSE = Group[Queue, Queue](
    name="queue_coarse_metrics",
    things=Scrape.sized_queues,
    labels=_labels,
    families=(
        gauge("queue_messages_ready", "Messages that wait for a consumer.", lambda queue: queue.ready()),
        gauge("queue_messages_unacked", "Messages that clients have and have not settled.", "unacked"),
        gauge(
            "queue_messages",
            "All messages of a queue: those that are ready, and those that clients have.",
            lambda queue: queue.ready() + int(queue.unacked),
        ),
    ),
)


def _told(name: str, help: str, name_told: str, is_summed: bool = True) -> Family[Seen]:
    return gauge(name, help, methodcaller("get", name_told), is_summed)


QUEUE_CONSUMERS = _told("queue_consumers", "Consumers of a queue.", "consumers")

QUEUE_CONSUMER_COUNT = Group[Queue, Seen](
    name="queue_consumer_count",
    where=(DETAILED,),
    is_replaced_by="queue_metrics",
    things=Scrape.queues,
    look=lambda _scrape, queue: {"consumers": queue.consumer_count()},
    labels=_labels,
    families=(QUEUE_CONSUMERS,),
)


def _look_at(scrape: Scrape, queue: Queue) -> Seen:
    """Streams know only who reads them."""
    seen: Seen = {"consumers": queue.consumer_count()}
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


QUEUE = Group[Queue, Seen](
    name="queue_metrics",
    things=Scrape.sized_queues,
    look=_look_at,
    labels=_labels,
    families=(
        QUEUE_CONSUMERS,
        _told(
            "queue_consumer_capacity",
            "Part of a queue's consumers that could take more now.",
            "consumer_capacity",
            is_summed=False,
        ),
        _told("queue_consumer_utilisation", "The same by its older name.", "consumer_utilisation"),
        _told("queue_process_memory_bytes", "Memory that a queue takes, estimated.", "memory"),
        _told("queue_messages_ram", "Messages of a queue that are in memory.", "messages_ram"),
        _told("queue_messages_ram_bytes", "Size of their bodies.", "message_bytes_ram"),
        _told(
            "queue_messages_ready_ram",
            "Messages in memory that wait for a consumer.",
            "messages_ready_ram",
        ),
        _told(
            "queue_messages_unacked_ram",
            "Messages in memory that clients have and have not settled.",
            "messages_unacknowledged_ram",
        ),
        _told(
            "queue_messages_persistent",
            "Messages of a queue that the log has, or is about to.",
            "messages_persistent",
        ),
        _told(
            "queue_messages_persistent_bytes",
            "Size of their bodies, estimated where others are among them.",
            "message_bytes_persistent",
        ),
        _told("queue_messages_bytes", "Size of the bodies of all messages of a queue.", "message_bytes"),
        _told(
            "queue_messages_ready_bytes",
            "Size of the bodies of messages that wait for a consumer.",
            "message_bytes_ready",
        ),
        _told(
            "queue_messages_unacked_bytes",
            "Size of the bodies of messages that clients have; where there are many, estimated.",
            "message_bytes_unacknowledged",
        ),
        _told(
            "queue_messages_paged_out",
            "Messages of a queue that are on disk alone.",
            "messages_paged_out",
        ),
        _told("queue_messages_paged_out_bytes", "Size of their bodies.", "message_bytes_paged_out"),
    ),
)


# What was published to them: by queue, but the sum by channel, as it stays when a queue ends.


def _published(read: str) -> Family[object]:
    return counter(
        "queue_messages_published_total",
        "Messages that clients have published and that went to queues, once for each.",
        read,
    )


def _channels_count(scrape: Scrape) -> Iterator[object]:
    """Queues know what was published to them when channels have counted it."""
    return (scrape.message_counts(channel) for channel in scrape.channels())


QUEUE_PUBLISHED = Group[Queue, object](
    name="channel_queue_exchange_metrics",
    if_apart=True,
    prepare=_channels_count,
    things=Scrape.queues,
    labels=lambda queue: (("queue_vhost", queue.vhost), ("queue", queue.name)),
    families=(_published("published"),),
)

ALL_PUBLISHED = Group[Channel, object](
    name="channel_queue_exchange_metrics",
    if_apart=False,
    things=Scrape.channels,
    look=Scrape.message_counts,
    begins=lambda scrape: [((), scrape.site.broker.node.ended.channels)],
    families=(_published("routed"),),
)
