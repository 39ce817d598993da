"""Publishing a message, and getting some of a queue."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from typing import Any

from pamqp import commands

from amqpd.auth.users import User
from amqpd.broker.unacked import REJECTED, REQUEUED
from amqpd.broker.vhost import VirtualHost
from amqpd.errors import AmqpError
from amqpd.management import access
from amqpd.management.answers import (
    Failed,
    bad_request,
    channel_reply_text,
    not_authorised,
    refused_on_channel,
)
from amqpd.management.arguments import SHORTSTR_MAX_BYTES, table_of_json
from amqpd.management.asked import Asked, text_or_number, whole
from amqpd.management.inside import ClosedInside, Inside, Received
from amqpd.management.resources import resource
from amqpd.management.site import Site
from amqpd.management.tables import json_of
from amqpd.protocol.dispatch import unchecked
from amqpd.wire.properties import MalformedProperties, Properties, decode_properties, encode_properties

ACKNOWLEDGE = "ack_requeue_false"
GIVE_BACK = "ack_requeue_true"
REJECT = "reject_requeue_false"
REJECT_AND_GIVE_BACK = "reject_requeue_true"
REJECTIONS: dict[object, int] = {REJECT: REJECTED, REJECT_AND_GIVE_BACK: REQUEUED}
ACKMODES = (ACKNOWLEDGE, GIVE_BACK, *REJECTIONS)

NUMBERS = ("delivery_mode", "priority", "timestamp")
TEXTS = (
    "content_type",
    "content_encoding",
    "correlation_id",
    "reply_to",
    "expiration",
    "message_id",
    "type",
    "user_id",
    "app_id",
    "cluster_id",
)
REFUSED_BY_QUEUE = "rejected Unable to publish message. Check queue limits."
UNSUPPORTED_ENCODING = "Unsupported encoding. Please use auto or base64."
IN_ONE_GO_BYTES = 65536
"""So much of messages is got before others have their turn."""
MOST_BYTES = 268435456
"""So much of messages is in one answer; what is more is still in the queue."""
MESSAGE_BYTES = 1000
"""What a message counts for besides its content."""

PUBLISH = resource("/exchanges/:vhost/:exchange/publish", access.of_vhost)
GET = resource("/queues/:vhost/:queue/get", access.of_vhost)
ALIVENESS = resource("/aliveness-test/:vhost", access.of_vhost)

ALIVENESS_QUEUE = "aliveness-test"


# Publishing


@PUBLISH.on("POST")
async def publish(asked: Asked) -> object:
    """Publish a message in the user's name; the answer says whether it went to a queue."""
    values = asked.values("routing_key", "properties", "payload", "payload_encoding")
    payload = values["payload"]
    if not isinstance(payload, str):
        raise bad_request("payload_not_string")
    routing_key = text_or_number(values["routing_key"], "routing_key")
    if len(routing_key.encode()) > SHORTSTR_MAX_BYTES:
        raise bad_request(["not_string", "routing_key"])
    body = _body(payload, values["payload_encoding"])
    try:
        header = encode_properties(properties_of(values["properties"]), len(body))
    except MalformedProperties as malformed:
        raise bad_request(str(malformed)) from None
    if asked.site.broker.alarms.active:
        raise bad_request(f"Unable to publish message: {asked.site.broker.alarms.reason()}")
    with _inside(asked) as inside:
        is_routed = await _published(inside, asked.exchange_name(), routing_key, header, body)
    return {"routed": is_routed}


async def _published(inside: Inside, exchange: str, routing_key: str, header: bytes, body: bytes) -> bool:
    """Publish a message; whether it went to a queue. Raises Refused (400)."""
    try:
        method = (await inside.publish(exchange, routing_key, header, body))[0]
        is_routed = not isinstance(method, commands.Basic.Return)
        if not is_routed:
            method = (await inside.received())[0]
    except AmqpError as error:
        raise bad_request(f"{error.reply_code} {channel_reply_text(error)}") from None
    except ClosedInside as closed:
        raise bad_request(f"{closed.code} {closed.reply_text}") from None
    if isinstance(method, commands.Basic.Nack):
        raise bad_request(REFUSED_BY_QUEUE)
    return is_routed


def _body(payload: str, encoding: object) -> bytes:
    if encoding == "string":
        return payload.encode()
    if encoding != "base64":
        raise bad_request(["unsupported_encoding", encoding])
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise bad_request(["not_base64", payload]) from None


def properties_of(values: object) -> Properties:
    """A message's properties, of their JSON; unknown ones are passed over. Raises Refused (400)."""
    if values == []:
        return Properties()
    if not isinstance(values, dict):
        raise bad_request("properties_not_an_object")
    properties = Properties()
    for name, value in values.items():
        if name == "headers":
            properties.headers = table_of_json(value)
        elif name in NUMBERS:
            if not isinstance(value, int) or isinstance(value, bool):
                raise bad_request(["not_int", name])
            setattr(properties, name, value)
        elif name in TEXTS:
            if not isinstance(value, str):
                raise bad_request(["not_string", name])
            setattr(properties, name, value)
    return properties


# Getting


@GET.on("POST")
async def get(asked: Asked) -> object:
    """Get messages from the front of a queue, in the user's name."""
    values = asked.values("ackmode", "count", "encoding")
    ackmode, encoding = values["ackmode"], values["encoding"]
    if ackmode not in ACKMODES:
        raise bad_request(["unknown_ackmode", ackmode])
    count = whole(values["count"])
    if encoding not in ("auto", "base64"):
        raise bad_request(UNSUPPORTED_ENCODING)
    truncate = whole(values["truncate"]) if "truncate" in values else None
    messages: list[dict[str, Any]] = []
    last_tag = 0
    with _inside(asked) as inside:
        try:
            async for method, header, body in _taken(
                inside, asked.names["queue"], count, ackmode == ACKNOWLEDGE
            ):
                messages.append(message_told(method, header, body, encoding == "auto", truncate))
                last_tag = method.delivery_tag
            if last_tag and ackmode in REJECTIONS:
                inside.channel.settle(last_tag, True, REJECTIONS[ackmode])
        except AmqpError as error:
            raise refused_on_channel(error.reply_code, channel_reply_text(error)) from None
        except ClosedInside as closed:
            raise refused_on_channel(closed.code, closed.reply_text) from None
    return messages


async def _taken(inside: Inside, queue: str, count: int, no_ack: bool) -> AsyncIterator[Received]:
    """So many messages, or all if it is less than 0, but no more than MOST_BYTES; others have their turns meanwhile."""
    size, turn_ends = 0, IN_ONE_GO_BYTES
    while count and size < MOST_BYTES:
        received = await _got(inside, queue, no_ack)
        method, header, body = received
        if isinstance(method, commands.Basic.GetEmpty):
            return
        yield received
        count -= 1
        size += len(header) + len(body) + MESSAGE_BYTES
        if size >= turn_ends:
            turn_ends = size + IN_ONE_GO_BYTES
            await asyncio.sleep(0)


async def _got(inside: Inside, queue: str, no_ack: bool) -> Received:
    return await inside.call(unchecked(commands.Basic.Get, ticket=0, queue=queue, no_ack=no_ack))


def message_told(
    method: commands.Basic.GetOk, header: bytes, body: bytes, as_text: bool, truncate: int | None
) -> dict[str, Any]:
    """A message as JSON."""
    payload = body if truncate is None or len(body) < truncate else body[: max(0, truncate)]
    text = _text(payload) if as_text else None
    return {
        "payload_bytes": len(body),
        "redelivered": bool(method.redelivered),
        "exchange": method.exchange,
        "routing_key": method.routing_key,
        "message_count": method.message_count,
        "properties": properties_told(decode_properties(header)),
        "payload": base64.b64encode(payload).decode() if text is None else text,
        "payload_encoding": "base64" if text is None else "string",
    }


def _text(payload: bytes) -> str | None:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return None


def properties_told(properties: Properties) -> object:
    """A message's properties as JSON; none at all are an empty list (RabbitMQ 3.10, observed)."""
    told = properties.present()
    if properties.headers is not None:
        told["headers"] = json_of(properties.headers)
    return dict(reversed(told.items())) or []


# Both


def _inside(asked: Asked) -> Inside:
    """A client in the user's name. Raises Refused (401) if it may not enter the virtual host."""
    return inside_of(asked.site, asked.user, asked.known_vhost())


def inside_of(site: Site, user: User, vhost: VirtualHost | None) -> Inside:
    """A client in a user's name. Raises Refused (401) if the user may not enter the virtual host, or there is none."""
    if vhost is None or not access.may_enter(user, vhost.name):
        raise not_authorised("Access refused.")
    return Inside(site, user, vhost)


@ALIVENESS.on("GET")
async def aliveness(asked: Asked) -> object:
    """Declare a queue, publish to it, and get the message: an answer means that all that works."""
    asked.vhost()
    with _inside(asked) as inside:
        try:
            await inside.call(
                unchecked(
                    commands.Queue.Declare,
                    ticket=0,
                    queue=ALIVENESS_QUEUE,
                    passive=False,
                    durable=False,
                    exclusive=False,
                    auto_delete=False,
                    nowait=False,
                    arguments={},
                )
            )
            body = b"test_message"
            if not asked.site.broker.alarms.active:
                header = encode_properties(Properties(), len(body))
                await inside.publish("", ALIVENESS_QUEUE, header, body)
            method, _header, _body_got = await _got(inside, ALIVENESS_QUEUE, True)
        except AmqpError as error:
            raise refused_on_channel(error.reply_code, channel_reply_text(error)) from None
        except ClosedInside as closed:
            raise refused_on_channel(closed.code, closed.reply_text) from None
    if isinstance(method, commands.Basic.GetEmpty):
        raise Failed("aliveness-test queue is empty")
    return {"status": "ok"}
