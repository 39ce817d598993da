"""The API as an ASGI application: finds the resource, asks who it is, and lets it answer."""

from __future__ import annotations

import traceback
from collections.abc import Mapping

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from amqpd.auth.users import User
from amqpd.errors import AmqpError
from amqpd.management import access, static, views
from amqpd.management.answers import (
    JSON,
    Missing,
    Refused,
    bad_request,
    json_bytes,
    json_in_turns,
)
from amqpd.management.asked import Asked
from amqpd.management.durable import until_durable
from amqpd.management.resources import Created, Resource, UndecodablePath, found, segments_of
from amqpd.management.site import Site

PREFIX = b"/api"
INDEX = "/api/index.html"
LARGEST_BODY_BYTES = 134217728
LARGEST_LOGIN_BYTES = 65536
"""What somebody may send who has not logged in."""
HEADERS = {
    "content-security-policy": "script-src 'self' 'unsafe-eval' 'unsafe-inline'; object-src 'self'",
    "vary": "accept, accept-encoding, origin",
}
UNKNOWN_ALLOWS = "HEAD, GET, OPTIONS"
NOBODY = User("", "")


class Application:
    """Answers requests about one broker."""

    def __init__(self, site: Site) -> None:
        views.load()
        self._site = site
        if any(listening.protocol in ("http", "https") for listening in site.listening):
            # Where there is only the local socket, nobody comes back to see how things went on.
            site.sampling.start()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of HTTP; there is nothing else here."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ClientDisconnect:
            return
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._answer(request)
        except Refused as refused:
            return _refusal(refused)
        except AmqpError as error:
            return _refusal(Refused(500, error.reply_name.lower(), error.explanation))
        except ClientDisconnect:
            raise
        except Exception as error:
            where = "".join(traceback.format_exception(error))
            self._site.broker.events.tell(
                "error", "internal error", {"path": request.url.path, "traceback": where}
            )
            return _refusal(Refused(500, "internal_error", type(error).__name__))

    async def _answer(self, request: Request) -> Response:
        raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        path = raw_path.partition(b"?")[0].removeprefix(PREFIX)
        is_api = raw_path.startswith(PREFIX + b"/") or raw_path == PREFIX
        if is_api and path in (b"", b"/"):
            return _response(301, b"", {"location": INDEX})
        try:
            place = found(segments_of(path)) if is_api else None
        except UndecodablePath:
            return Response(b"", 400)
        if place is None:
            return static.answer(request) or _unknown(request)
        resource, names = place
        if request.method == "OPTIONS":
            return _response(200, b"", {"allow": resource.allowed()})
        handler = resource.handlers.get("GET" if request.method == "HEAD" else request.method)
        if handler is None:
            return _response(405, b"", {"allow": resource.allowed()})
        asked = Asked(self._site, request, names, NOBODY)
        self._let_in(asked, resource)
        if request.method not in ("GET", "HEAD"):
            asked.body = await _body(request, LARGEST_BODY_BYTES if resource.rule else LARGEST_LOGIN_BYTES)
            if resource.rule is not None:
                access.check_still_in(asked, resource.rule)
        result = await handler(asked)
        if request.method in ("GET", "HEAD"):
            body = await json_in_turns(result)
            return _json(200, body, request.method == "HEAD", asked.answer_headers)
        await until_durable(self._site.broker)
        return await _done(request.method, result)

    def _let_in(self, asked: Asked, resource: Resource) -> None:
        """Find out who asks. Raises Refused (401, 403)."""
        if resource.rule is None:
            return
        access.check_origin(asked.request)
        asked.user = access.user_of(self._site, asked.request)
        access.check_rule(asked, resource.rule)


async def _body(request: Request, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most_bytes:
            raise bad_request("payload too large")
        parts.append(part)
    return b"".join(parts)


async def _done(method: str, result: object) -> Response:
    if method == "PUT":
        return _response(201 if result else 204)
    if isinstance(result, Created):
        return _response(201, b"", {"location": result.location})
    if method == "POST" and result is not None:
        return _json(200, await json_in_turns(result))
    return _response(204)


def _unknown(request: Request) -> Response:
    if request.method in ("GET", "HEAD"):
        return _refusal(Missing())
    return _response(200 if request.method == "OPTIONS" else 405, b"", {"allow": UNKNOWN_ALLOWS})


def _json(
    status: int, body: bytes, is_head: bool = False, further: Mapping[str, str] | None = None
) -> Response:
    headers = {"cache-control": "no-cache", "content-type": JSON, "content-length": str(len(body))}
    return _response(status, b"" if is_head else body, {**headers, **(further or {})})


def _refusal(refused: Refused) -> Response:
    if not refused.error:
        return _response(refused.status, b"", refused.headers)
    return _response(refused.status, json_bytes(refused.body()), {**refused.headers, "content-type": JSON})


def _response(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, {**HEADERS, **(headers or {})})
