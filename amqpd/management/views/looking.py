"""Looking at messages without taking them. RabbitMQ has nothing like it."""

from __future__ import annotations

import asyncio
import base64
import codecs
from dataclasses import dataclass

from amqpd.broker.exchanges.delayed import Delayed
from amqpd.broker.queues.queue import Queue
from amqpd.errors import AmqpError
from amqpd.management import access
from amqpd.management.answers import bad_request, channel_reply_text, refused_on_channel
from amqpd.management.asked import Asked
from amqpd.management.lists import Item
from amqpd.management.message_search import ANY, PARTS, Everything, Expression, Search, Words, beginning
from amqpd.management.message_sources import (
    DELAYED,
    READY,
    UNACKED,
    Cursor,
    InHands,
    InQueue,
    Nothing,
    Seen,
    Source,
    cursor_of,
    text_of,
)
from amqpd.management.resources import resource
from amqpd.management.views.messages import inside_of, properties_told
from amqpd.store.api import CannotRead
from amqpd.wire.properties import decode_properties

COUNT, COUNT_MAX = 50, 500
TRUNCATE_BYTES, TRUNCATE_MAX_BYTES = 50000, 16777216
ANSWER_BYTES = 4194304
"""A page with more than this, in payloads and properties, ends early."""

LOOKED_AT_MESSAGES = 10000
LOOKED_AT_BYTES = 16777216
VISITED = 50000
"""How much is looked at for one answer: messages, bytes of them, and whatever had to be passed to find them."""

GATHERED_BYTES = 1048576
POSITION_MASK = (1 << 48) - 1

QUEUE = resource("/queues/:vhost/:queue/messages", access.of_vhost)
EXCHANGE = resource("/exchanges/:vhost/:exchange/messages", access.of_vhost)


@QUEUE.on("GET")
async def messages_of_queue(asked: Asked) -> object:
    """What is ready in a queue, or in clients' hands, as it is."""
    state = _choice(asked, "state", READY, (READY, UNACKED, DELAYED))
    queue = _queue(asked)
    source: Source
    if state == READY:
        source = InQueue(queue, READY)
    elif state == UNACKED:
        source = InHands(queue, asked.site)
    else:
        source = Nothing(DELAYED)
    return await _page(asked, source, queue.title())


@EXCHANGE.on("GET")
async def messages_of_exchange(asked: Asked) -> object:
    """What an x-delayed-message exchange has not routed yet."""
    _choice(asked, "state", DELAYED, (DELAYED,))
    name = asked.exchange_name()
    with inside_of(asked.site, asked.user, asked.known_vhost()) as inside:
        try:
            inside.channel.allow("read", "exchange", name)
            exchange = inside.channel.vhost.exchange(name)
        except AmqpError as error:
            raise refused_on_channel(error.reply_code, channel_reply_text(error)) from None
    source: Source = Nothing(DELAYED)
    if isinstance(exchange, Delayed) and exchange.delayed is not None:
        source = InQueue(exchange.delayed, DELAYED)
    return await _page(asked, source, exchange.title())


def _queue(asked: Asked) -> Queue:
    """The queue, if the user may read it. Raises Refused as getting of it does."""
    with inside_of(asked.site, asked.user, asked.known_vhost()) as inside:
        try:
            return inside.channel.queue_to_read(asked.names["queue"])
        except AmqpError as error:
            raise refused_on_channel(error.reply_code, channel_reply_text(error)) from None


# What is wanted


def _choice(asked: Asked, name: str, otherwise: str, choices: tuple[str, ...]) -> str:
    value = asked.query(name)
    if value is None:
        return otherwise
    if value not in choices:
        raise bad_request(f"{name}: '{value}' is none of {', '.join(choices)}")
    return value


def _number(asked: Asked, name: str, otherwise: int, least: int, most: int) -> int:
    text = asked.query(name)
    if text is None:
        return otherwise
    if not (text.isascii() and text.isdigit() and len(text) < 19 and least <= int(text) <= most):
        raise bad_request(f"{name}: '{text}' is no whole number from {least} to {most}")
    return int(text)


def _search(asked: Asked) -> Search:
    where = _choice(asked, "in", ANY, tuple(PARTS))
    use_regex = _choice(asked, "use_regex", "false", ("true", "false"))
    searched = asked.query("search")
    if not searched:
        return Everything()
    if use_regex == "true":
        return Expression(searched, where, asked.site.searches)
    return Words(searched, where)


@dataclass(slots=True)
class Allowance:
    """What is left of what may be looked at for one answer."""

    messages: int
    bytes: int
    visits: int

    def is_left(self) -> bool:
        """Whether there may be more."""
        return self.messages > 0 and self.bytes > 0 and self.visits > 0


# Pages


async def _page(asked: Asked, source: Source, title: str) -> Item:
    try:
        return await _found(asked, source)
    except CannotRead as error:
        raise refused_on_channel(506, f"RESOURCE_ERROR - cannot read messages of {title}: {error}") from None


async def _found(asked: Asked, source: Source) -> Item:
    count = _number(asked, "count", COUNT, 1, COUNT_MAX)
    truncate = _number(asked, "truncate", TRUNCATE_BYTES, 0, TRUNCATE_MAX_BYTES)
    search = _search(asked)
    cursor: Cursor | None = cursor_of(asked.query("from"), source)
    body_max = max(truncate, search.body_max)
    allowance = Allowance(LOOKED_AT_MESSAGES, LOOKED_AT_BYTES, VISITED)
    told: list[Item] = []
    looked_at = told_bytes = 0
    while cursor is not None and len(told) < count and told_bytes < ANSWER_BYTES and allowance.is_left():
        most = count - len(told) if isinstance(search, Everything) else search.messages_at_once
        gathered, cursor = await _gathered(source, cursor, most, body_max, allowance)
        is_wanted = await search.found([seen.looked for seen in gathered])
        for seen, wanted in zip(gathered, is_wanted, strict=True):
            looked_at += 1
            if wanted:
                told.append(_told(seen, source.state, truncate))
                told_bytes += len(told[-1]["payload"]) + len(seen.looked.message.header)
                if len(told) == count or told_bytes >= ANSWER_BYTES:
                    cursor = seen.after
                    break
    if cursor is not None and _is_end(source, cursor):
        cursor = None
    return {
        "state": source.state,
        "total": source.total(),
        "looked_at": looked_at,
        "next": None if cursor is None else text_of(cursor),
        "messages": told,
    }


async def _gathered(
    source: Source, cursor: Cursor, most: int, body_max: int, allowance: Allowance
) -> tuple[list[Seen], Cursor | None]:
    """Messages to be looked at together, and where to go on; others have their turns meanwhile. Raises CannotRead."""
    gathered: list[Seen] = []
    then: Cursor | None = cursor
    size = 0
    while then is not None and len(gathered) < most and size < GATHERED_BYTES and allowance.is_left():
        step = source.step(then, min(most - len(gathered), Everything.messages_at_once), body_max)
        then = step.then
        for seen in step.seen:
            if size >= GATHERED_BYTES:
                then = gathered[-1].after
                break
            gathered.append(seen)
            weight = _weight(seen, body_max)
            size += weight
            allowance.messages -= 1
            allowance.bytes -= weight
        allowance.visits -= step.visited
        await asyncio.sleep(0)
    return gathered, then


def _weight(seen: Seen, body_max: int) -> int:
    message = seen.looked.message
    return len(message.header) + min(int(message.body_size), body_max)


def _is_end(source: Source, cursor: Cursor) -> bool:
    step = source.step(cursor, 1, 0)
    return step.then is None and not step.seen


# What is told of a message


def _told(seen: Seen, state: str, truncate: int) -> Item:
    looked, message = seen.looked, seen.looked.message
    body = beginning(message, truncate)
    payload, encoding = _payload(body, len(body) < message.body_size)
    return {
        "position": None if state == DELAYED else int(looked.position) & POSITION_MASK,
        "state": state,
        "exchange": message.exchange(),
        "routing_key": message.routing_key(),
        "redelivered": looked.redelivered,
        "properties": properties_told(decode_properties(message.header)),
        "payload": payload,
        "payload_bytes": int(message.body_size),
        "payload_encoding": encoding,
        "truncated": len(body) < message.body_size,
        "arrived_ms": int(looked.arrived_ms) or None,
        "expires_ms": _known(looked.expires_ms),
        "due_ms": _known(looked.due_ms),
        "delivery_count": _known(looked.delivery_count),
        "consumer": _holder(seen),
    }


def _known(number: int) -> int | None:
    return int(number) if number >= 0 else None


def _payload(body: bytes, is_cut: bool) -> tuple[str, str]:
    """The body as text if it is one, and how it is told; a character that was cut apart is left out."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(body, final=not is_cut), "string"
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), "base64"


def _holder(seen: Seen) -> Item | None:
    channel = seen.channel
    if channel is None:
        return None
    return {
        "connection": channel.connection.connection_name(),
        "channel": int(channel.id),
        "consumer_tag": seen.consumer_tag,
    }
