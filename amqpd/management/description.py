"""The API described by itself: a page at /api/index.html, and an OpenAPI document at /api/openapi.json.

Both are made of the table of resources: of the paths, of who may ask, and of what the functions and modules say of
themselves, so that nothing is left out.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from html import escape
from typing import Any

from amqpd.management.answers import json_bytes
from amqpd.management.resources import ROOT, Place, Resource
from amqpd.management.site import VERSION

PAGE = "/api/index.html"
DOCUMENT = "/api/openapi.json"
OPENAPI = "3.0.3"
SUMMARY = f"The HTTP API of RabbitMQ {VERSION}'s management plugin, with some paths of amqpd's own."
LOGIN = "HTTP's Basic authentication, as a user with one of the tags management, policymaker, monitoring, administrator."
ANYBODY = "Nobody need log in."
DONE = {
    "GET": {"200": "what there is"},
    "PUT": {"201": "made", "204": "changed, or as it was"},
    "POST": {"200": "done, with an answer", "201": "made", "204": "done"},
    "DELETE": {"204": "gone"},
}
REFUSED = {
    "400": "the request makes no sense, or is refused; `reason` says why",
    "401": "nobody is logged in, or the user may not do this",
    "404": "there is no such thing",
}
FOREIGN = "a browser sends it for a page of another server"
OBSERVED = " (RabbitMQ 3.10, observed)"
ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}, "reason": {}},
    "required": ["error", "reason"],
}


def resources(place: Place = ROOT) -> Iterator[Resource]:
    """Everything that there is, in no order."""
    if place.resource is not None:
        yield place.resource
    for following in (*place.words.values(), place.any):
        if following is not None:
            yield from resources(following)


def subject(resource: Resource) -> str:
    """The name of the module that a resource is of."""
    return next(iter(resource.handlers.values())).__module__


def by_subject() -> dict[str, list[Resource]]:
    """Resources by the modules that they are of, both in the order of names."""
    found: dict[str, list[Resource]] = {}
    for resource in sorted(resources(), key=lambda resource: resource.path):
        found.setdefault(subject(resource), []).append(resource)
    return dict(sorted(found.items()))


def title(module: str) -> str:
    """What a module is about, in a word."""
    return module.rpartition(".")[2].replace("_", " ").capitalize()


def said_of(thing: object) -> str:
    """What a function, or a module by its name, says of itself, in a line."""
    text = (sys.modules[thing] if isinstance(thing, str) else thing).__doc__ or ""
    return " ".join(text.split("\n\n")[0].split()).replace(OBSERVED, "")


def who_may(resource: Resource) -> str:
    """Who may ask for a resource."""
    return ANYBODY if resource.rule is None else said_of(resource.rule)


def braced(path: str) -> str:
    """`/queues/{vhost}` for `/queues/:vhost`."""
    return "/".join(f"{{{part[1:]}}}" if part.startswith(":") else part for part in path.split("/"))


@functools.cache
def page() -> bytes:
    """The page."""
    rows = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        "<title>HTTP API - amqpd</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<link rel="icon" href="../icon.svg" type="image/svg+xml">',
        '<link rel="stylesheet" href="../style.css">',
        '<script src="../js/theme.js"></script>',
        "</head>",
        "<body>",
        '<main class="document">',
        "<h1>HTTP API</h1>",
        f"<p>{escape(SUMMARY, False)} Paths begin with <code>/api</code>; names in them are escaped, so that the virtual",
        "host <code>/</code> is <code>%2F</code>. Bodies and answers are JSON. Who asks is told with",
        f"{escape(LOGIN, False)}</p>",
        '<p>For programs: <a href="openapi.json">openapi.json</a>.</p>',
    ]
    for module, found in by_subject().items():
        rows += [f"<h2>{escape(title(module))}</h2>", f"<p>{escape(said_of(module), False)}</p>", "<table>"]
        rows += ["<tr><th>path</th><th>method</th><th></th><th>who may</th></tr>"]
        rows += [row for resource in found for row in _rows(resource)]
        rows += ["</table>"]
    rows += ['<p><a href="../">To the management page</a></p>', "</main>", "</body>", "</html>", ""]
    return "\n".join(rows).encode()


def _rows(resource: Resource) -> Iterator[str]:
    for method, handler in sorted(resource.handlers.items()):
        cells = f"<td><code>{escape(braced(resource.path))}</code></td><td>{method}</td>"
        yield f"<tr>{cells}<td>{escape(said_of(handler), False)}</td><td>{escape(who_may(resource), False)}</td></tr>"


@functools.cache
def document() -> bytes:
    """The OpenAPI document."""
    subjects = by_subject()
    return json_bytes(
        {
            "openapi": OPENAPI,
            "info": {"title": "amqpd", "version": VERSION, "description": SUMMARY},
            "servers": [{"url": "/api"}],
            "tags": [{"name": title(module), "description": said_of(module)} for module in subjects],
            "security": [{"login": []}],
            "components": {
                "securitySchemes": {"login": {"type": "http", "scheme": "basic", "description": LOGIN}},
                "schemas": {"Error": ERROR},
                "responses": {status: _refusal(text) for status, text in REFUSED.items()},
            },
            "paths": {
                braced(resource.path): _path(resource) for found in subjects.values() for resource in found
            },
        }
    )


def _path(resource: Resource) -> dict[str, Any]:
    named = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in resource.names
    ]
    operations = {method.lower(): _operation(resource, method) for method in sorted(resource.handlers)}
    return {"parameters": named, **operations} if named else operations


def _operation(resource: Resource, method: str) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [title(subject(resource))],
        "summary": said_of(resource.handlers[method]),
        "description": who_may(resource),
        "responses": {status: {"description": text} for status, text in DONE[method].items()}
        | {status: {"$ref": f"#/components/responses/{status}"} for status in REFUSED},
    }
    if resource.path.startswith("/health"):
        operation["responses"]["503"] = {"description": "it is not well; `reason` says why"}
    if resource.rule is None:
        operation["security"] = []
    elif method == "POST":
        operation["responses"]["403"] = {"description": FOREIGN}
    if method in ("PUT", "POST"):
        operation["requestBody"] = {"content": {"application/json": {"schema": {"type": "object"}}}}
    return operation


def _refusal(text: str) -> dict[str, Any]:
    reference = {"schema": {"$ref": "#/components/schemas/Error"}}
    return {"description": text, "content": {"application/json": reference}}
