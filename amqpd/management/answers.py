"""Answers that are no success, and how every answer is written as JSON (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import asyncio
import html
import json
import math
from collections.abc import Mapping

from amqpd.errors import AmqpError

JSON = "application/json"
REALM = {"www-authenticate": 'Basic realm="RabbitMQ Management"'}

ENCODED_AT_ONCE_BYTES = 131072
"""How much of a list is written before others have their turn, where anything counts for ITEM_BYTES at least."""
ITEM_BYTES = 1000

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

_NOT_FOUND, _ACCESS_REFUSED, _NOT_ALLOWED = 404, 403, 530
_HARD_ERRORS = frozenset((501, 502, 503, 504, 505, 530, 540, 541))


class Refused(Exception):
    """An answer with an error and its reason, or with no body at all if there is no error."""

    def __init__(
        self, status: int, error: str, reason: object = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.error = error
        self.reason = reason
        self.headers = dict(headers or {})

    def body(self) -> object:
        """What the answer says."""
        return {"error": self.error, "reason": self.reason}


class Missing(Refused):
    """There is no such object, or no such path."""

    def __init__(self) -> None:
        super().__init__(404, "Object Not Found", "Not Found")


class Failed(Refused):
    """A health check that failed."""

    def __init__(self, reason: str, **details: object) -> None:
        super().__init__(503, "failed", reason, {"cache-control": "no-cache"})
        self._details = details

    def body(self) -> object:
        """What the check says."""
        return {"status": "failed", "reason": self.reason, **self._details}


def bad_request(reason: object) -> Refused:
    """What was asked makes no sense; a list is an Erlang tuple, as `["not_boolean",1]`."""
    return Refused(400, "bad_request", reason)


def not_authorised(reason: str) -> Refused:
    """Somebody who may log in may not do this."""
    return Refused(401, "not_authorised", reason)


def vhost_not_found() -> Refused:
    """Something is to be made in a virtual host that there is not."""
    return Refused(404, "not_found", "vhost_not_found")


def refused_method(error: AmqpError) -> Refused:
    """The answer where a method was refused that the API has called in the user's name."""
    if error.reply_code == _NOT_FOUND:
        return Refused(404, "not_found", error.explanation)
    if error.reply_code in (_ACCESS_REFUSED, _NOT_ALLOWED):
        return not_authorised("Access refused.")
    return bad_request(error.explanation or error.reply_text())


def refused_on_channel(code: int, reply_text: str) -> Refused:
    """The answer where a channel of the API's own was closed with this code."""
    if code == _NOT_FOUND:
        return Refused(404, "not_found", reply_text)
    if code == _ACCESS_REFUSED:
        return not_authorised(reply_text)
    return bad_request(f"{code} {reply_text}")


def channel_reply_text(error: AmqpError) -> str:
    """The text that RabbitMQ's own client is told: without the name of the code if the connection ends."""
    if error.reply_code in _HARD_ERRORS and error.explanation:
        return error.explanation
    return error.reply_text()


def escaped(text: str) -> str:
    """The text as RabbitMQ makes it safe for a web page."""
    return html.escape(text, quote=False)


def json_bytes(value: object) -> bytes:
    """A value as JSON; what is no UTF-8 in a text is U+FFFD there, and a number that is none is null."""
    try:
        text = _ENCODER.encode(value)
    except ValueError:
        text = _ENCODER.encode(_finite(value))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").encode()


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


async def json_in_turns(value: object) -> bytes:
    """The same for a list, or an object with lists, that may be long: others have their turns in between."""
    if isinstance(value, dict):
        items = [json_bytes(str(key)) + b":" + await json_in_turns(item) for key, item in value.items()]
        return b"{" + b",".join(items) + b"}"
    if not isinstance(value, list):
        return json_bytes(value)
    parts: list[bytes] = []
    size = 0
    for item in value:
        parts.append(json_bytes(item))
        size += max(len(parts[-1]), ITEM_BYTES)
        if size >= ENCODED_AT_ONCE_BYTES:
            size = 0
            await asyncio.sleep(0)
    return b"[" + b",".join(parts) + b"]"
