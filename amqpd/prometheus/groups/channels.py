"""Metrics of channels."""

from __future__ import annotations

from amqpd.management.measures import acks_uncommitted, messages_uncommitted, messages_unconfirmed
from amqpd.management.site import channel_name
from amqpd.metrics.message_counts import MessageCounts
from amqpd.prometheus.families import Family, Group, Labels, counter, gauge
from amqpd.prometheus.scrape import Scrape
from amqpd.protocol.channel import Channel


def _labels(channel: Channel) -> Labels:
    return (("channel", channel_name(channel)),)


CHANNEL = Group[Channel, Channel](
    name="channel_metrics",
    things=Scrape.channels,
    labels=_labels,
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
            "prefetch_count",
        ),
        gauge(
            "channel_prefetch",
            "Messages that all consumers of a channel together may have unsettled; 0 is no limit.",
            "global_prefetch_count",
        ),
    ),
)


def _of_messages(name: str, *families: Family[MessageCounts]) -> Group[Channel, MessageCounts]:
    return Group(
        name=name,
        things=Scrape.channels,
        look=Scrape.message_counts,
        labels=lambda channel: (*_labels(channel), ("vhost", channel.vhost.name)),
        begins=lambda scrape: [((), scrape.site.broker.node.ended.channels)],
        families=families,
    )


CHANNEL_EXCHANGE = _of_messages(
    "channel_exchange_metrics",
    counter("channel_messages_published_total", "Messages that were published on a channel.", "publish"),
    counter(
        "channel_messages_confirmed_total",
        "Messages that were published on a channel and confirmed.",
        "confirm",
    ),
    counter(
        "channel_messages_unroutable_returned_total",
        "Mandatory messages that led to no queue and were returned.",
        "return_unroutable",
    ),
    counter(
        "channel_messages_unroutable_dropped_total",
        "Other messages that led to no queue.",
        "drop_unroutable",
    ),
)

CHANNEL_QUEUE = _of_messages(
    "channel_queue_metrics",
    counter(
        "channel_get_ack_total", "Messages that basic.get has got and that have to be acknowledged.", "get"
    ),
    counter(
        "channel_get_total", "Messages that basic.get has got and that need no acknowledgement.", "get_no_ack"
    ),
    counter(
        "channel_messages_delivered_ack_total",
        "Messages that consumers have got and that have to be acknowledged.",
        "deliver",
    ),
    counter(
        "channel_messages_delivered_total",
        "Messages that consumers have got and that need no acknowledgement.",
        "deliver_no_ack",
    ),
    counter(
        "channel_messages_redelivered_total",
        "Messages that clients have got and that somebody had got before.",
        "redeliver",
    ),
    counter("channel_messages_acked_total", "Messages that were acknowledged.", "ack"),
    counter("channel_get_empty_total", "Times that basic.get has found nothing.", "get_empty"),
)
