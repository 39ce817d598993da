"""How much there is in queues, on channels, and in clients' hands: for the HTTP API, and for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from amqpd.broker.queues.queue import Queue
from amqpd.broker.unacked import Delivery
from amqpd.management.site import open_channels
from amqpd.protocol.channel import Channel
from amqpd.protocol.connection import Connection


def sizes(queue: Queue, ready: int, bytes_unacknowledged: int) -> dict[str, float]:
    """How much there is in a queue, in memory and out of it, as RabbitMQ calls it."""
    bytes_ready = queue.ready_bytes()
    paged = sum(int(index.paged.count) for index in queue.indexes())
    paged_bytes = sum(int(index.paged_body_bytes) for index in queue.indexes())
    logged = sum(len(index.resident) + int(index.paged.count) for index in queue.indexes() if index.logged)
    total = bytes_ready + bytes_unacknowledged
    messages = ready + int(queue.unacked)
    persistent = min(logged, messages)
    could_take_more = utilisation(queue, ready)
    return {
        "consumer_capacity": could_take_more,
        "consumer_utilisation": could_take_more,
        "memory": max(0, total - paged_bytes) + 1000 + 500 * (messages - paged),
        "message_bytes": total,
        "message_bytes_persistent": total * persistent // messages if messages else 0,
        "message_bytes_ram": max(0, total - paged_bytes),
        "message_bytes_ready": bytes_ready,
        "message_bytes_unacknowledged": bytes_unacknowledged,
        "messages_persistent": persistent,
        "messages_ram": messages - paged,
    }


def messages_unconfirmed(channel: Channel) -> int:
    """How many messages were published on a channel and are still to be confirmed."""
    return 0 if channel.confirms is None else channel.confirms.unanswered()


def messages_uncommitted(channel: Channel) -> int:
    """How many messages were published in a transaction that is open."""
    return 0 if channel.transaction is None else len(channel.transaction.publishes)


def acks_uncommitted(channel: Channel) -> int:
    """How many messages were settled in a transaction that is open."""
    transaction = channel.transaction
    return 0 if transaction is None else sum(len(each.deliveries) for each in transaction.settlements)


def utilisation(queue: Queue, ready: int) -> float:
    """Whether consumers could take more, as the share of the time; what was before now is not known."""
    if not queue.consumers:
        return 0
    could = [
        consumer
        for consumer in queue.consumers
        if not consumer.prefetch_count or consumer.unacked < consumer.prefetch_count
    ]
    return 1.0 if could and not ready else len(could) / len(queue.consumers)


def _in_hands(channel: Channel, most: int) -> Iterator[Delivery]:
    """What a client has not settled, or not yet for good; of the first no more than `most`."""
    yield from channel.unacked.first(most)
    if channel.transaction is not None:
        for settlement in channel.transaction.settlements:
            for _tag, delivery in settlement.deliveries:
                yield delivery


def bytes_in_hands(connections: Iterable[Connection], most: int) -> dict[Queue, int]:
    """How large the messages are that clients have and have not settled, by queue.

    Of no more than `most` messages; where there are more, the others are taken to be as large as those.
    """
    sizes: dict[Queue, int] = {}
    counted: dict[Queue, int] = {}
    left = most
    for connection in connections:
        for channel in open_channels(connection):
            for delivery in islice(_in_hands(channel, left), left):
                left -= 1
                queue = delivery.queue
                sizes[queue] = sizes.get(queue, 0) + int(delivery.message.body_size)
                counted[queue] = counted.get(queue, 0) + 1
            if left <= 0:
                return {
                    queue: size * max(int(queue.unacked), counted[queue]) // counted[queue]
                    for queue, size in sizes.items()
                }
    return sizes
