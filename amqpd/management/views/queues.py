"""Queues: what they are, how they do, and making, emptying and deleting them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

from pamqp import commands

from amqpd.broker.queues.looked import FIRST_PLACE
from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.quorum import QuorumQueue
from amqpd.broker.queues.stream import StreamQueue
from amqpd.management import access
from amqpd.management.answers import Missing, bad_request
from amqpd.management.arguments import SHORTSTR_MAX_BYTES, table_of_json
from amqpd.management.asked import Asked, flag
from amqpd.management.inside import do
from amqpd.management.lists import Item, columns_of, listed_in_full
from amqpd.management.measures import bytes_in_hands, sizes
from amqpd.management.ranges import OF_A_LIST, Ranges, ranges_of
from amqpd.management.resources import resource
from amqpd.management.rows import NO_REDUCTIONS
from amqpd.management.site import Site
from amqpd.management.stats import GARBAGE_COLLECTION, OF_LENGTHS, OF_QUEUE, idle_since, queue_counted
from amqpd.management.tables import json_of
from amqpd.management.views.connections import (
    connection_details,
    consumer_count,
    consumers_told,
)
from amqpd.message import Message
from amqpd.protocol.channel import Channel
from amqpd.protocol.dispatch import unchecked
from amqpd.wire.fields import bytes_of
from amqpd.wire.properties import TIMESTAMP, position_of

CONSUMERS_LOOKED_AT = 100
DELIVERIES_LOOKED_AT = 10
TIMESTAMP_BYTES = 8
LOOKED_AT_IN_HANDS = 20000
"""So many messages that clients have not settled are looked at to know how large they are."""

QUEUES = resource("/queues", access.of_vhost)
QUEUES_OF_VHOST = resource("/queues/:vhost", access.of_vhost)
QUEUE = resource("/queues/:vhost/:queue", access.of_vhost)
CONTENTS = resource("/queues/:vhost/:queue/contents", access.of_vhost)
ACTIONS = resource("/queues/:vhost/:queue/actions", access.administrators)


@QUEUES.on("GET")
async def queues(asked: Asked) -> object:
    """Those of all virtual hosts that the user may enter."""
    ranges = ranges_of(asked, OF_A_LIST, lengths_with_now=True)
    await asked.site.collect_counts()
    found = [queue for vhost in access.shown_vhosts(asked) for queue in vhost.queues.values()]
    return await listed_in_full(
        asked, found, lambda queue: _basic(asked.site, queue), _teller(asked, found, ranges)
    )


@QUEUES_OF_VHOST.on("GET")
async def queues_of_vhost(asked: Asked) -> object:
    """Those of one virtual host."""
    return await queues(asked)


@QUEUE.on("GET")
async def queue(asked: Asked) -> object:
    """One queue, with its consumers."""
    ranges = ranges_of(asked, lengths_with_now=True)
    await asked.site.collect_counts()
    found = _queue(asked)
    if asked.without_stats():
        return columns_of(asked, {**_basic(asked.site, found), "state": "live"})
    told = _teller(asked, [found], ranges)(found)
    return columns_of(asked, told | _further(asked.site, found))


def _queue(asked: Asked) -> Queue:
    found = asked.vhost().queues.get(asked.names["queue"])
    if found is None:
        raise Missing()
    return found


@QUEUE.on("PUT")
async def declare(asked: Asked) -> bool:
    """Declare it, in the user's name."""
    name = asked.names["queue"]
    size = len(bytes_of(name))
    if size > SHORTSTR_MAX_BYTES:
        raise bad_request(f"queue should be less than 255 bytes, actually was {size}\n")
    vhost = asked.vhost_to_change()
    values = asked.values()
    is_new = name not in vhost.queues
    method = unchecked(
        commands.Queue.Declare,
        ticket=0,
        queue=name,
        passive=False,
        durable=flag(values, "durable"),
        exclusive=False,
        auto_delete=flag(values, "auto_delete"),
        nowait=False,
        arguments=table_of_json(values.get("arguments", {})),
    )
    await do(asked.site, asked.user, vhost, method)
    return is_new


@QUEUE.on("DELETE")
async def delete(asked: Asked) -> None:
    """Delete it; with if-unused or if-empty only if it is that."""
    found = _queue(asked)
    method = unchecked(
        commands.Queue.Delete,
        ticket=0,
        queue=found.name,
        if_unused=asked.is_set("if-unused"),
        if_empty=asked.is_set("if-empty"),
        nowait=False,
    )
    await do(asked.site, asked.user, asked.vhost(), method)


@CONTENTS.on("DELETE")
async def purge(asked: Asked) -> None:
    """Drop its ready messages."""
    found = _queue(asked)
    method = unchecked(commands.Queue.Purge, ticket=0, queue=found.name, nowait=False)
    await do(asked.site, asked.user, asked.vhost(), method)


@ACTIONS.on("POST")
async def act(asked: Asked) -> None:
    """What can be done to mirrors, of which there are none."""
    _queue(asked)
    action = asked.values("action")["action"]
    if action not in ("sync", "cancel_sync"):
        raise bad_request(["unknown", action])


# What is told of a queue


def _basic(site: Site, queue: Queue) -> Item:
    return {
        "arguments": json_of(queue.arguments),
        "auto_delete": queue.auto_delete,
        "durable": queue.durable,
        "exclusive": queue.owner is not None,
        "name": queue.name,
        "node": site.node,
        "type": queue.queue_type,
        "vhost": queue.vhost,
    }


def _teller(asked: Asked, queues: list[Queue], ranges: Ranges) -> Callable[[Queue], Item]:
    """What tells of a queue as much as was asked for."""
    site = asked.site
    if asked.without_stats():
        if asked.is_set("enable_queue_totals"):
            return lambda queue: {**_basic(site, queue), **_totals(queue)}
        return lambda queue: {**_basic(site, queue), "state": "live"}
    sizes: dict[Queue, int] = {}
    if any(queue.unacked for queue in queues):
        sizes = bytes_in_hands(site.connections(), LOOKED_AT_IN_HANDS)
    return lambda queue: told(site, queue, ranges, sizes.get(queue, 0))


def _totals(queue: Queue) -> Item:
    ready, unacked = queue.ready(), int(queue.unacked)
    return {
        "messages": ready + unacked,
        "messages_ready": ready,
        "messages_unacknowledged": unacked,
        "state": "running",
    }


def told(site: Site, queue: Queue, ranges: Ranges, bytes_unacknowledged: int) -> Item:
    """All that is known of a queue."""
    ready, unacked = queue.ready(), int(queue.unacked)
    counted = queue_counted(site, queue)
    item = _basic(site, queue)
    item |= counted.told(OF_LENGTHS, ranges.lengths)
    item |= counted.message_stats(OF_QUEUE, ranges.msg_rates)
    item |= counted.told(NO_REDUCTIONS, ranges.data_rates)
    item |= _policies(site, queue)
    item |= {"consumers": consumer_count(queue), "state": "running"}
    if isinstance(queue, StreamQueue):
        return item | _of_stream(site, queue)
    item["garbage_collection"] = GARBAGE_COLLECTION
    item |= sizes(queue, ready, bytes_unacknowledged)
    if isinstance(queue, QuorumQueue):
        item |= _of_quorum(site, queue)
    else:
        item |= _of_classic(queue, ready, unacked)
        history = site.sampling.queue(queue)
        item |= idle_since(site, counted.row, history, site.sampling.made_s(queue))
    return item


def _further(site: Site, queue: Queue) -> Item:
    """What is not told in lists."""
    item: Item = {"consumer_details": consumers_told(site, queue), "deliveries": [], "incoming": []}
    if isinstance(queue, StreamQueue):
        item["garbage_collection"] = dict.fromkeys(GARBAGE_COLLECTION, -1)
    if queue.owner is not None:
        item |= _owner(site, queue)
    return item


def _policies(site: Site, queue: Queue) -> Item:
    vhost = site.broker.vhosts.get(queue.vhost)
    effective = vhost.effective.get(queue) if vhost is not None else None
    policy = effective.policy if effective is not None else None
    operator_policy = effective.operator_policy if effective is not None else None
    return {
        "effective_policy_definition": effective.definition if effective is not None else {},
        "operator_policy": operator_policy.name if operator_policy is not None else None,
        "policy": policy.name if policy is not None else None,
    }


def _owner(site: Site, queue: Queue) -> Item:
    for connection in site.connections():
        if connection.owner is queue.owner:
            return {"owner_pid_details": connection_details(connection)}
    return {}


def _of_classic(queue: Queue, ready: int, unacked: int) -> Item:
    paged = sum(int(index.paged.count) for index in queue.indexes())
    paged_bytes = sum(int(index.paged_body_bytes) for index in queue.indexes())
    exclusive = [consumer.tag for consumer in queue.consumers if consumer.exclusive]
    active = queue.active_consumer
    return {
        "backing_queue_status": {
            "avg_ack_egress_rate": 0.0,
            "avg_ack_ingress_rate": 0.0,
            "avg_egress_rate": 0.0,
            "avg_ingress_rate": 0.0,
            "delta": ["delta", "undefined", 0, 0, "undefined"],
            "len": ready,
            "mode": "default",
            "next_deliver_seq_id": queue.delivered(),
            "next_seq_id": queue.delivered() + ready,
            "q1": 0,
            "q2": 0,
            "q3": 0,
            "q4": ready,
            "target_ram_count": "infinity",
            "version": 1,
        },
        "exclusive_consumer_tag": exclusive[0] if exclusive else None,
        "head_message_timestamp": _head_timestamp(queue) if ready + unacked else None,
        "message_bytes_paged_out": paged_bytes,
        "messages_paged_out": paged,
        "messages_ready_ram": ready - min(ready, paged),
        "messages_unacknowledged_ram": unacked,
        "recoverable_slaves": None,
        "single_active_consumer_tag": active.tag if active is not None else None,
    }


def _head_timestamp(queue: Queue) -> int | None:
    """The timestamp of the message that is next, or of an older one that a consumer has: the smaller one.

    What would have to be read from disk is not looked at.
    """
    found: list[Message] = []
    if not any(index.paged.count for index in queue.indexes()):
        found += [looked.message for looked in queue.look(FIRST_PLACE, 1, 0)]
    for consumer in islice(queue.consumers, CONSUMERS_LOOKED_AT):
        if consumer.unacked and isinstance(consumer.sink, Channel):
            deliveries = consumer.sink.unacked.first(DELIVERIES_LOOKED_AT)
            found += [each.message for each in deliveries if each.queue is queue][:1]
    timestamps = [timestamp_of(message.header) for message in found]
    return min((timestamp for timestamp in timestamps if timestamp is not None), default=None)


def timestamp_of(header: bytes) -> int | None:
    """The timestamp in a content header, if there is one."""
    at = position_of(header, TIMESTAMP)
    return None if at < 0 else int.from_bytes(header[at : at + TIMESTAMP_BYTES], "big")


def _of_quorum(site: Site, queue: QuorumQueue) -> Item:
    active = queue.active_consumer
    return {
        "leader": site.node,
        "members": [site.node],
        "message_bytes_dlx": 0,
        "messages_dlx": queue.dead_letter_count(),
        "online": [site.node],
        "open_files": {site.node: 0},
        "single_active_consumer_ctag": active.tag if active is not None else None,
    }


def _of_stream(site: Site, queue: StreamQueue) -> Item:
    return {
        "members": [site.node],
        "memory": 1000,
        "online": [site.node],
        "readers": {site.node: len(queue.consumers)},
    }
