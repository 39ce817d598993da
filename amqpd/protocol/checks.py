"""What a published message's properties must be, and what they ask of routing (RabbitMQ's rules)."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64

from amqpd.auth.users import User
from amqpd.errors import PreconditionFailed
from amqpd.message import EXPIRES, PERSISTENT
from amqpd.wire import terms
from amqpd.wire.fields import TYPE_NAMES, Field
from amqpd.wire.properties import (
    DELIVERY_MODE,
    EXPIRATION,
    HEADERS,
    REPLY_TO,
    USER_ID,
    Properties,
    check_properties,
    decode_properties,
    delivery_mode_of,
    encode_properties,
)
from amqpd.wire.properties import PERSISTENT as PERSISTENT_MODE

REPLY_TO_QUEUE: Final = "amq.rabbitmq.reply-to"
"""The pseudo-queue of direct reply-to: consumed from, it stands for the client's own channel."""

EXPIRATION_MAX_MS: Final = 315360000000
"""Ten years (RabbitMQ 3.10, observed)."""

_LOOKED_AT: Final = HEADERS | EXPIRATION | USER_ID | REPLY_TO


@final
class Checked:
    """A content header that was found good.

    `header` is what to deliver: the one that came, or the same without BCC and with the real reply-to.
    `routing_keys` are those that CC and BCC add to the message's own. `flags` are the message's.
    """

    def __init__(self, published: bytes, header: bytes, routing_keys: list[str], flags: i64) -> None:
        self.published = published
        self.header = header
        self.routing_keys = routing_keys
        self.flags = flags


NOTHING_CHECKED: Final = Checked(b"", b"", [], 0)


def check_header(header: bytes, body_size: int, user: User, reply_queue: str) -> Checked:
    """Check a message's properties; `reply_queue` is where direct replies to this channel go, or nothing.

    Raises MalformedProperties if they can't be decoded, PreconditionFailed (406) if a value is refused.
    """
    flags = check_properties(header)
    if not flags & _LOOKED_AT:
        return Checked(header, header, [], _check_delivery_mode(header, flags))
    properties = decode_properties(header)
    changed = _direct_reply(properties, reply_queue)
    _check_user_id(properties, user)
    _check_expiration(properties)
    headers = properties.headers
    if headers is None or ("CC" not in headers and "BCC" not in headers):
        routing_keys: list[str] = []
    else:
        routing_keys = _listed(headers.get("CC"), "CC") + _listed(headers.get("BCC"), "BCC")
        changed = headers.pop("BCC", None) is not None or changed
    message_flags = _check_delivery_mode(header, flags)
    if flags & EXPIRATION:
        message_flags |= EXPIRES
    to_deliver = encode_properties(properties, body_size) if changed else header
    return Checked(header, to_deliver, routing_keys, message_flags)


def _direct_reply(properties: Properties, reply_queue: str) -> bool:
    if properties.reply_to != REPLY_TO_QUEUE:
        return False
    if not reply_queue:
        raise PreconditionFailed("fast reply consumer does not exist")
    properties.reply_to = reply_queue
    return True


def _check_user_id(properties: Properties, user: User) -> None:
    user_id = properties.user_id
    if user_id is not None and user_id != user.name and "impersonator" not in user.tags:
        raise PreconditionFailed(
            f"user_id property set to '{user_id}' but authenticated user was '{user.name}'"
        )


def _check_delivery_mode(header: bytes, flags: i64) -> i64:
    """PERSISTENT if the message is."""
    mode = delivery_mode_of(header)
    if flags & DELIVERY_MODE and mode not in (1, PERSISTENT_MODE):
        raise PreconditionFailed(f"invalid message: {{delivery_mode_unknown,{mode}}}")
    return PERSISTENT if mode == PERSISTENT_MODE else 0


def _check_expiration(properties: Properties) -> None:
    """Milliseconds in decimal, not too many, and nothing after them."""
    text = properties.expiration
    if text is None:
        return
    digits = text[1:] if text[:1] in ("-", "+") else text
    length = len(digits)
    for index in range(length):
        if not "0" <= digits[index] <= "9":
            length = index
            break
    rest = digits[length:]
    if not length:
        problem = "no_integer"
    elif rest:
        problem = f"{{leftover_string,{terms.string(rest)}}}"
    elif text.startswith("-") and digits.strip("0"):
        problem = f"{{value_negative,-{digits.lstrip('0')}}}"
    elif int(digits) > EXPIRATION_MAX_MS:
        problem = f"{{value_too_large,{int(digits)}}}"
    else:
        return
    raise PreconditionFailed(f"invalid expiration '{text}': {problem}")


def _listed(field: Field | None, name: str) -> list[str]:
    """The routing keys in a header CC or BCC; what is no text among them is passed over."""
    if field is None:
        return []
    if field.type != "A" or not isinstance(field.value, list):
        kind = TYPE_NAMES[field.type]
        raise PreconditionFailed(f'invalid message: {{unacceptable_type_in_header,"{name}",{kind}}}')
    return [str(item.value) for item in field.value if item.type == "S"]
