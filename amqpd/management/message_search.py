"""Searching in messages: for words, or a regular expression, in what of them is searched."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Protocol

from amqpd.broker.queues.looked import Looked
from amqpd.management.answers import bad_request
from amqpd.management.name_filter import Searches, Unsearchable, matching_elsewhere, pattern_of
from amqpd.management.tables import json_of
from amqpd.message import Message
from amqpd.wire.fields import bytes_of
from amqpd.wire.properties import decode_properties

SEARCHED_BODY_BYTES = 1048576
"""So much of each body is searched."""

ANY, BODY, HEADERS, ROUTING_KEY = "any", "body", "headers", "routing_key"


def beginning(message: Message, most: int) -> bytes:
    """No more than so many bytes of its body."""
    parts: list[bytes] = []
    left = most
    for piece in message.body_pieces():
        if left <= 0:
            break
        parts.append(bytes(piece[:left]))
        left -= len(parts[-1])
    return b"".join(parts)


def _body(message: Message) -> bytes:
    return beginning(message, SEARCHED_BODY_BYTES)


def _headers(message: Message) -> bytes:
    """Every header and every other property on a line of its own."""
    properties = decode_properties(message.header)
    others = [(name, value) for name, value in properties.present().items() if name != "headers"]
    told = [*others, *json_of(properties.headers or {}).items()]
    return bytes_of("\n".join(f"{name}: {_line(value)}" for name, value in told))


def _line(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _routing_key(message: Message) -> bytes:
    return bytes_of(message.routing_key())


PARTS: dict[str, tuple[Callable[[Message], bytes], ...]] = {
    ANY: (_routing_key, _headers, _body),
    BODY: (_body,),
    HEADERS: (_headers,),
    ROUTING_KEY: (_routing_key,),
}


class Search(Protocol):
    """Tells which messages are wanted."""

    messages_at_once: int
    body_max: int
    """How much of a body it needs."""

    async def found(self, messages: list[Looked]) -> list[bool]:
        """Which of them are. Raises Refused (400)."""


class Everything:
    """Wants all of them."""

    messages_at_once = 50
    body_max = 0

    async def found(self, messages: list[Looked]) -> list[bool]:
        """All of them."""
        return [True] * len(messages)


class Words:
    """Wants those that have a text in them, whatever the case."""

    messages_at_once = 50

    def __init__(self, searched: str, where: str) -> None:
        self.body_max = SEARCHED_BODY_BYTES if _body in PARTS[where] else 0
        self._parts = PARTS[where]
        self._text = searched.lower()
        self._bytes = bytes_of(searched).lower()

    async def found(self, messages: list[Looked]) -> list[bool]:
        """Those that have it."""
        return [any(self._is_in(part(each.message)) for part in self._parts) for each in messages]

    def _is_in(self, data: bytes) -> bool:
        if self._bytes.isascii():
            return self._bytes in data.lower()
        return self._text in data.decode("utf-8", "surrogateescape").lower()


class Expression:
    """Wants those in which a regular expression is found, whatever the case."""

    messages_at_once = 1000

    def __init__(self, searched: str, where: str, searches: Searches) -> None:
        """Raises Refused (400) if it is none."""
        self.body_max = SEARCHED_BODY_BYTES if _body in PARTS[where] else 0
        self._parts = PARTS[where]
        self._searches = searches
        try:
            self._pattern = pattern_of(searched)
        except Unsearchable as problem:
            raise bad_request(f"search: {problem}") from None

    async def found(self, messages: list[Looked]) -> list[bool]:
        """Those in which it is found. Raises Refused (400) if that takes too long."""
        if not messages:
            return []
        texts = [part(each.message).decode("latin-1") for each in messages for part in self._parts]
        try:
            found = await matching_elsewhere(self._searches, texts, self._pattern)
        except Unsearchable as problem:
            raise bad_request(f"search: {problem}") from None
        size = len(self._parts)
        return [any(found[at : at + size]) for at in range(0, len(found), size)]
