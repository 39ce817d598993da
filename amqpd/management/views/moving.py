"""Moving the ready messages of a queue elsewhere, where RabbitMQ's page has a shovel do it."""

from __future__ import annotations

import asyncio

from amqpd.broker.moving import IntoQueue, ThroughExchange
from amqpd.broker.queues.mover import Mover
from amqpd.broker.queues.queue import Queue
from amqpd.errors import AccessRefused, AmqpError, ResourceError
from amqpd.management import access
from amqpd.management.answers import bad_request, channel_reply_text, refused_on_channel
from amqpd.management.arguments import SHORTSTR_MAX_BYTES
from amqpd.management.asked import Asked, text, whole
from amqpd.management.durable import until_written
from amqpd.management.lists import Item
from amqpd.management.resources import resource
from amqpd.management.views.messages import inside_of
from amqpd.protocol.channel import Channel
from amqpd.store.api import CannotRead
from amqpd.wire.fields import bytes_of

KEYS = frozenset(("to_vhost", "to_queue", "exchange", "routing_key", "count"))
NOT_TAKEN = "the next message would not be taken: it leads to no queue, or to one that is full"

MOVE = resource("/queues/:vhost/:queue/move", access.of_vhost)


@MOVE.on("POST")
async def move(asked: Asked) -> object:
    """Move so many ready messages, or all there are, in order; what has gone is on disk where it went."""
    values = asked.values()
    _check(values)
    if asked.site.broker.alarms.active:
        raise bad_request(f"Unable to move messages: {asked.site.broker.alarms.reason()}")
    try:
        with inside_of(asked.site, asked.user, asked.known_vhost()) as inside:
            queue = inside.channel.queue_to_read(asked.names["queue"])
        mover = _mover(asked, values, queue)
        count = _count(values, queue.ready())
        return await _moved(asked, queue, mover, count)
    except AmqpError as error:
        raise refused_on_channel(error.reply_code, channel_reply_text(error)) from None


def _check(values: dict[str, object]) -> None:
    """Raise Refused (400) unless it says where messages are to go, and nothing that means nothing."""
    unknown = [key for key in values if key not in KEYS]
    if unknown:
        raise bad_request(f"unknown key '{unknown[0]}'; known are {', '.join(sorted(KEYS))}")
    if ("to_queue" in values) == ("exchange" in values):
        raise bad_request("one of to_queue and exchange must say where messages go")
    if ("exchange" in values) != ("routing_key" in values):
        raise bad_request("exchange and routing_key belong together")


def _count(values: dict[str, object], ready: int) -> int:
    if "count" not in values:
        return ready
    count = whole(values["count"])
    if count < 1:
        raise bad_request(f"count: {count} is less than 1")
    return min(count, ready)


def _mover(asked: Asked, values: dict[str, object], source: Queue) -> Mover:
    """Where messages go, if the user may send them there. Raises AmqpError and Refused."""
    name = text(values.get("to_vhost", source.vhost), "to_vhost")
    with inside_of(asked.site, asked.user, asked.site.broker.vhosts.get(name)) as inside:
        if "to_queue" in values:
            return _into_queue(inside.channel, text(values["to_queue"], "to_queue"), source)
        exchange = text(values["exchange"], "exchange")
        routing_key = text(values["routing_key"], "routing_key")
        if len(bytes_of(routing_key)) > SHORTSTR_MAX_BYTES:
            raise bad_request(f"routing_key has more than {SHORTSTR_MAX_BYTES} bytes")
        return _through_exchange(inside.channel, "" if exchange == "amq.default" else exchange, routing_key)


def _into_queue(channel: Channel, name: str, source: Queue) -> Mover:
    channel.allow("write", "exchange", "")
    queue = channel.vhost.queue(name)
    if queue is source:
        raise bad_request("a queue's messages can't be moved into itself")
    return IntoQueue(queue)


def _through_exchange(channel: Channel, name: str, routing_key: str) -> Mover:
    channel.allow("write", "exchange", name)
    exchange = channel.vhost.exchange(name)
    if exchange.internal:
        raise AccessRefused(f"cannot publish to internal {exchange.title()}")
    channel.allow_topic("write", exchange, routing_key)
    return ThroughExchange(channel.vhost, exchange, routing_key)


async def _moved(asked: Asked, queue: Queue, mover: Mover, count: int) -> Item:
    """Move them, a turn's worth at a time, each on disk before the next."""
    moved = 0
    while moved < count and not queue.deleted:
        try:
            gone = int(queue.move(mover, count - moved))
        except CannotRead as error:
            problem = f"cannot read messages of {queue.title()}: {error}"
            raise ResourceError(f"{problem}; moved before: {moved}" if moved else problem) from None
        if not gone:
            break
        moved += gone
        await until_written(asked.site.broker)
        await asyncio.sleep(0)
    if moved < count and queue.ready():
        return {"moved": moved, "stopped": NOT_TAKEN}
    return {"moved": moved}
