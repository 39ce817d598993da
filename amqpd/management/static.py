"""The web page: files of this package, read once, and nothing but those."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import Response

from amqpd.management import description

PAGE = "page"
INDEX = "index.html"
CONTENT_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
MOVED = {"/cli": "/cli/index.html", "/cli/": "/cli/index.html"}
"""Where RabbitMQ sends those who ask for a directory."""
ADMIN = "/cli/rabbitmqadmin"
"""The command, which is one file of its own, to be kept wherever somebody needs it."""


@dataclass(frozen=True, slots=True)
class File:
    """What is served under one path."""

    body: bytes
    content_type: str
    etag: str


@functools.cache
def files() -> dict[str, File]:
    """Every file by its path; that is all there is, so no path can lead anywhere else."""
    found: dict[str, File] = {}
    _read(importlib.resources.files("amqpd.management") / PAGE, "", found)
    found["/"] = found[f"/{INDEX}"]
    # browsers ask for it beside all that is no page and can't say where its icon is
    found["/favicon.ico"] = found["/icon.svg"]
    # as a resource of the package that is here anyway: nothing of the commands is imported
    command = importlib.resources.files("amqpd") / "cli" / "rabbitmqadmin.py"
    found[ADMIN] = _file(command.read_bytes(), "application/octet-stream")
    found[description.PAGE] = _file(description.page(), CONTENT_TYPES["html"])
    found[description.DOCUMENT] = _file(description.document(), "application/json")
    return found


def _read(directory: Traversable, path: str, found: dict[str, File]) -> None:
    for entry in directory.iterdir():
        if entry.is_dir():
            _read(entry, f"{path}/{entry.name}", found)
            continue
        content_type = CONTENT_TYPES.get(entry.name.rpartition(".")[2])
        if content_type is not None:
            found[f"{path}/{entry.name}"] = _file(entry.read_bytes(), content_type)


def _file(body: bytes, content_type: str) -> File:
    return File(body, content_type, f'"{hashlib.sha256(body).hexdigest()[:20]}"')


def answer(request: Request) -> Response | None:
    """The file at the path of a GET or HEAD; None if there is none, or for any other method."""
    if request.method not in ("GET", "HEAD"):
        return None
    raw_path: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    path = raw_path.partition(b"?")[0].decode("latin-1")
    if path in MOVED:
        return Response(b"", 301, {"location": MOVED[path]})
    file = files().get(path)
    if file is None:
        return None
    headers = {**HEADERS, "etag": file.etag}
    if _is_known(file, request.headers.get("if-none-match", "")):
        return Response(b"", 304, headers)
    headers |= {"content-type": file.content_type, "content-length": str(len(file.body))}
    return Response(b"" if request.method == "HEAD" else file.body, 200, headers)


def _is_known(file: File, if_none_match: str) -> bool:
    """Whether the client has it already."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return file.etag in tags or "*" in tags
