"""RabbitMQ's Prometheus endpoint as an ASGI application: /metrics, /metrics/per-object and /metrics/detailed."""

from __future__ import annotations

import asyncio
import re
import time
import traceback
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qs

from amqpd.management.site import Site
from amqpd.prometheus.answer import Answer, prefers_gzip
from amqpd.prometheus.collector import Collector, Wanted
from amqpd.prometheus.exposition import format_for
from amqpd.prometheus.families import AGGREGATED, DETAILED, PER_OBJECT
from amqpd.prometheus.telemetry import Telemetry
from amqpd.prometheus.turns import Turn, Turns

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

REGISTRIES = (AGGREGATED, PER_OBJECT, DETAILED)
METHODS = b"HEAD, GET, OPTIONS"
ANSWERS_AT_ONCE = 16
"""Who asks while so many are answered is told to come again: each answer keeps all its numbers until it is read."""

NOT_FOUND = b'{"error":"Object Not Found","reason":"Not Found"}'


class Application:
    """Answers who scrapes: anybody, as RabbitMQ does."""

    def __init__(
        self,
        site: Site,
        path: str = "/metrics",
        is_per_object: bool = False,
        left_out: re.Pattern[str] | None = None,
    ) -> None:
        """`path` is where it is; with `is_per_object`, /metrics tells things apart as /metrics/per-object does.

        `left_out` is searched for in the UTF-8 octets of names of queues, which are then in no sum of sizes and lengths.
        """
        self._site = site
        self._path = path.rstrip("/")
        self._collector = Collector(site, is_per_object, left_out)
        self._telemetry = Telemetry()
        self._turns = Turns()
        self._under_way = 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request of HTTP; there is nothing else here."""
        if scope["type"] != "http":
            return
        method, registry = scope["method"], self._registry(scope["path"])
        if registry is None:
            await respond(send, 404, NOT_FOUND, {b"content-type": b"application/json"})
        elif method == "HEAD":
            await respond(send, 204)
        elif method != "GET":
            await respond(send, 200 if method == "OPTIONS" else 405, b"", {b"allow": METHODS})
        elif registry not in REGISTRIES:
            await respond(send, 404, b"Unknown Registry", {b"content-type": b"text/plain"})
        elif self._under_way >= ANSWERS_AT_ONCE:
            await respond(send, 503, b"Too many requests at once", {b"content-type": b"text/plain"})
        else:
            self._under_way += 1
            try:
                await self._scraped(scope, receive, send, registry)
            finally:
                self._under_way -= 1

    def _registry(self, path: str) -> str | None:
        """Which answer is asked for, or None where nothing is."""
        if not f"{path}/".startswith(f"{self._path}/"):
            return None
        segments = [segment for segment in path.removeprefix(self._path).split("/") if segment]
        if not segments:
            return AGGREGATED
        return segments[0] if len(segments) == 1 else None

    async def _scraped(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send, registry: str
    ) -> None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        answer = Answer(
            send,
            format_for(headers.get(b"accept", "")),
            prefers_gzip(headers.get(b"accept-encoding", "")),
        )
        wanted = _wanted(registry, scope["query_string"])
        gone = asyncio.create_task(_until_gone(receive))
        began_s = time.monotonic()
        try:
            async with self._turns.take() as turn:
                await self._write(answer, wanted, turn, gone)
        except Exception as error:
            where = "".join(traceback.format_exception(error))
            fields: dict[str, object] = {"path": scope["path"], "traceback": where}
            self._site.broker.events.tell("error", "internal error", fields)
            if not answer.has_begun:
                await respond(send, 500, b"")
            return
        finally:
            gone.cancel()
        if answer.is_finished:
            took_s = time.monotonic() - began_s
            self._telemetry.note(
                registry, answer.format.kind(), answer.encoding, took_s, answer.size, answer.encoded_size
            )

    async def _write(self, answer: Answer, wanted: Wanted, turn: Turn, gone: asyncio.Task[None]) -> None:
        """Write all that is wanted, or as much of it as somebody is there to read."""
        async with aclosing(self._collector.collect(wanted, turn)) as parts:
            async for part in parts:
                answer.add(part.metric, part.is_first)
                if answer.is_long():
                    await turn.meanwhile(answer.flush())
                    if gone.done():
                        return
        for metric in self._telemetry.metrics(wanted.registry):
            answer.add(metric, True)
        await turn.meanwhile(answer.finish())


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _wanted(registry: str, query: bytes) -> Wanted:
    asked = parse_qs(query.decode("latin-1"), keep_blank_values=True, errors="surrogateescape")
    vhosts = asked.get("vhost")
    return Wanted(
        registry,
        frozenset(asked.get("family", ())),
        None if registry != DETAILED or vhosts is None else frozenset(vhosts),
    )


async def respond(
    send: Send, status: int, body: bytes | None = None, headers: dict[bytes, bytes] | None = None
) -> None:
    """A short answer; None is no body."""
    length = {} if body is None else {b"content-length": b"%d" % len(body)}
    fields = [*(headers or {}).items(), *length.items()]
    await send({"type": "http.response.start", "status": status, "headers": fields})
    await send({"type": "http.response.body", "body": body or b""})
