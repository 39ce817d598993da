"""The web page's files: what is served, how, and that nothing else is."""

from __future__ import annotations

import asyncio
import importlib.resources
import re
from typing import Any, NamedTuple

import pytest

from amqpd.management.application import Application
from amqpd.management.site import Site
from amqpd.testing import MemoryBroker


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Page:
    """Asks for what is not below /api, as nobody in particular."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._application = Application(Site(broker.broker, broker.users, broker.parameters))

    def call(self, method: str, path: str, **headers: str) -> Answer:
        return asyncio.run(self._call(method, path, headers))

    async def _call(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path.partition("?")[0],
            "raw_path": path.encode("latin-1"),
            "query_string": path.partition("?")[2].encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 40000),
        }
        await self._application(scope, receive, send)
        told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], told, b"".join(message["body"] for message in sent[1:]))


@pytest.fixture
def page(broker: MemoryBroker) -> Page:
    return Page(broker)


def test_the_page_is_at_the_root_and_needs_no_login(page: Page) -> None:
    answer = page.call("GET", "/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.body.startswith(b"<!DOCTYPE html>")
    assert page.call("GET", "/index.html").body == answer.body
    assert page.call("GET", "/?any=thing").body == answer.body


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/style.css", "text/css; charset=utf-8"),
        ("/js/main.js", "text/javascript; charset=utf-8"),
        ("/js/pages/overview.js", "text/javascript; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
        ("/cli/index.html", "text/html; charset=utf-8"),
    ],
)
def test_files_have_the_type_that_a_browser_needs(page: Page, path: str, content_type: str) -> None:
    answer = page.call("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, content_type)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert int(answer.headers["content-length"]) == len(answer.body) > 0


def test_head_tells_the_length_and_sends_nothing(page: Page) -> None:
    whole, head = page.call("GET", "/style.css"), page.call("HEAD", "/style.css")
    assert (head.status, head.headers, head.body) == (200, whole.headers, b"")


@pytest.mark.parametrize("tags", ["{}", "W/{}", '"other", {}', "*"])
def test_what_a_browser_has_already_is_not_sent_again(page: Page, tags: str) -> None:
    etag = page.call("GET", "/js/main.js").headers["etag"]
    again = page.call("GET", "/js/main.js", if_none_match=tags.format(etag))
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert again.headers["cache-control"] == "no-cache"


def test_another_file_than_the_browser_has_is_sent(page: Page) -> None:
    etag = page.call("GET", "/js/main.js").headers["etag"]
    assert page.call("GET", "/js/dom.js", if_none_match=etag).status == 200
    assert page.call("GET", "/js/main.js", if_none_match='"another"').status == 200


def test_nothing_of_the_page_may_come_from_elsewhere_or_stand_in_the_document(page: Page) -> None:
    policy = page.call("GET", "/").headers["content-security-policy"]
    assert policy == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/js",
        "/js/",
        "/js/pages",
        "/../static.py",
        "/..%2fstatic.py",
        "/js/../../static.py",
        "/js/..%2f..%2f..%2fapplication.py",
        "/js/%2e%2e/%2e%2e/application.py",
        "//style.css",
        "/./style.css",
        "/style.css/",
        "/style.css%00",
        "/%2fetc/passwd",
        "/..\\static.py",
        "/page/index.html",
        "/STYLE.CSS",
        "/apix",
        "/\xff",
    ],
)
def test_there_is_nothing_but_those_files(page: Page, path: str) -> None:
    answer = page.call("GET", path)
    assert answer.status == 404
    assert answer.body == b'{"error":"Object Not Found","reason":"Not Found"}'


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_files_are_only_read(page: Page, method: str) -> None:
    answer = page.call(method, "/")
    assert (answer.status, answer.headers["allow"]) == (405, "HEAD, GET, OPTIONS")
    assert page.call("OPTIONS", "/").headers["allow"] == "HEAD, GET, OPTIONS"


def test_the_directory_of_the_command_leads_to_its_page(page: Page) -> None:
    for path in ("/cli", "/cli/"):
        answer = page.call("GET", path)
        assert (answer.status, answer.headers["location"]) == (301, "/cli/index.html")
    assert b"rabbitmqadmin" in page.call("GET", "/cli/index.html").body


def test_the_api_is_not_below_the_page(page: Page) -> None:
    assert page.call("GET", "/api/overview").status == 401
    assert page.call("GET", "/api").status == 301


def scripts() -> dict[str, str]:
    """Every script of the page."""
    found: dict[str, str] = {}
    directories = [importlib.resources.files("amqpd.management") / "page" / "js"]
    for directory in directories:
        for entry in directory.iterdir():
            if entry.is_dir():
                directories.append(entry)
            elif entry.name.endswith(".js"):
                found[entry.name] = entry.read_text("utf-8")
    return found


def test_no_script_reads_html_or_runs_text() -> None:
    dangerous = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|setHTML|DOMParser|\beval\(|new Function|srcdoc"
    found = {name: re.findall(dangerous, text) for name, text in scripts().items()}
    assert len(found) > 20
    assert {name: words for name, words in found.items() if words} == {}


def test_every_script_that_is_imported_is_served(page: Page) -> None:
    imported = {
        name for text in scripts().values() for name in re.findall(r'from "\.{1,2}/([\w/.-]+)"', text)
    }
    assert len(imported) > 8
    for name in imported:
        assert any(page.call("GET", f"/js/{place}{name}").status == 200 for place in ("", "pages/")), name
