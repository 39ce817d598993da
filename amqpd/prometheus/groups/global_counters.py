"""Metrics of messages by protocol, by type of queue, and of the dead by reason: RabbitMQ's global counters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from amqpd.broker.dead_letter import DELIVERY_LIMIT, EXPIRED, MAXLEN, REJECTED
from amqpd.broker.deaths import CONFIRMED, DISABLED
from amqpd.broker.queues.rules import AT_LEAST_ONCE, AT_MOST_ONCE, CLASSIC, QUEUE_TYPES, QUORUM
from amqpd.metrics.message_counts import MessageCounts
from amqpd.prometheus.families import TOTALS, Family, Group, Labels, counter, gauge, itself
from amqpd.prometheus.scrape import Scrape

Thing = TypeVar("Thing")
Seen = TypeVar("Seen")

AMQP: Labels = (("protocol", "amqp091"),)


def _global(
    things: Callable[[Scrape], Sequence[Thing]],
    by: Callable[[Thing], Labels],
    *families: Family[Seen],
    look: Callable[[Scrape, Thing], Seen],
    begins: Callable[[Scrape], Sequence[tuple[Labels, Seen]]] | None = None,
) -> Group[Thing, Seen]:
    return Group(
        name="global",
        where=TOTALS,
        prefix="rabbitmq_global_",
        things=things,
        look=look,
        always_by=by,
        begins=begins,
        families=families,
    )


# By type of queue


def _of_type(queue_type: str) -> Labels:
    return (*AMQP, ("queue_type", f"rabbit_{queue_type}_queue"))


def _ended_queues(scrape: Scrape) -> list[tuple[Labels, MessageCounts]]:
    ended = scrape.site.broker.node.ended
    return [(_of_type(queue_type), ended.of_queues(queue_type)) for queue_type in QUEUE_TYPES]


BY_QUEUE_TYPE = _global(
    Scrape.queues,
    lambda queue: _of_type(queue.queue_type),
    counter(
        "messages_delivered_total",
        "Messages that clients have got, whichever way.",
        lambda counts: counts.deliver_get(),
    ),
    counter(
        "messages_delivered_consume_manual_ack_total",
        "Messages that consumers have got and that have to be acknowledged.",
        "deliver",
    ),
    counter(
        "messages_delivered_consume_auto_ack_total",
        "Messages that consumers have got and that need no acknowledgement.",
        "deliver_no_ack",
    ),
    counter(
        "messages_delivered_get_manual_ack_total",
        "Messages that basic.get has got and that have to be acknowledged.",
        "get",
    ),
    counter(
        "messages_delivered_get_auto_ack_total",
        "Messages that basic.get has got and that need no acknowledgement.",
        "get_no_ack",
    ),
    counter("messages_get_empty_total", "Times that basic.get has found nothing.", "get_empty"),
    counter(
        "messages_redelivered_total",
        "Messages that clients have got and that somebody had got before.",
        "redeliver",
    ),
    counter("messages_acknowledged_total", "Messages that were acknowledged.", "ack"),
    look=lambda _scrape, queue: queue.message_counts(),
    begins=_ended_queues,
)


# By protocol


def _amqp(_thing: Any) -> Labels:
    return AMQP


def _none_yet(_scrape: Scrape) -> list[tuple[Labels, int]]:
    return [(AMQP, 0)]


BY_PROTOCOL = _global(
    Scrape.channels,
    _amqp,
    counter("messages_received_total", "Messages that clients have published.", "publish"),
    counter(
        "messages_received_confirm_total",
        "Messages that clients have published and want confirmed.",
        "publish_confirm",
    ),
    counter(
        "messages_routed_total",
        "Messages that clients have published and that went to queues, once for each.",
        "routed",
    ),
    counter(
        "messages_unroutable_dropped_total",
        "Messages that led to no queue and were dropped.",
        "drop_unroutable",
    ),
    counter(
        "messages_unroutable_returned_total",
        "Mandatory messages that led to no queue and were returned.",
        "return_unroutable",
    ),
    counter("messages_confirmed_total", "Messages that were confirmed to who published them.", "confirm"),
    look=Scrape.message_counts,
    begins=lambda scrape: [(AMQP, scrape.site.broker.node.ended.channels)],
)

PUBLISHERS = _global(
    Scrape.channels,
    _amqp,
    gauge("publishers", "Channels that have published something.", itself),
    look=lambda scrape, channel: int(scrape.message_counts(channel).publish > 0),
    begins=_none_yet,
)

CONSUMERS = _global(
    Scrape.queues,
    _amqp,
    gauge("consumers", "Consumers that there are.", itself),
    look=lambda _scrape, queue: len(queue.consumers),
    begins=_none_yet,
)


# The dead


@dataclass(frozen=True, slots=True)
class Died:
    """How many messages have died in the queues of a type whose dead go the same way, by reason."""

    queue_type: str
    strategy: str
    counts: dict[str, int]


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


DEAD_LETTERS = _global(
    _died,
    _died_labels,
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
    look=lambda _scrape, died: died,
)
