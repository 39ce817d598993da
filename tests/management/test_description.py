"""The API's description of itself: a page and an OpenAPI document, in which nothing is left out."""

import json
from html.parser import HTMLParser

import pytest

from amqpd.management import description, views
from tests.management.conftest import Api

views.load()
RESOURCES = sorted(description.resources(), key=lambda resource: resource.path)


class Page(HTMLParser):
    """The texts of a page's cells, and what it loads and leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attributes if name in ("href", "src")]
        if tag not in ("meta", "link"):
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open:
            self.cells[-1] += data


@pytest.mark.parametrize("path", ["", "/"])
def test_the_root_of_the_api_leads_to_its_description(api: Api, path: str):
    answer = api.call("GET", path, user=None)
    assert (answer.status, answer.headers["location"]) == (301, "/api/index.html")


def test_the_page_has_every_path_with_each_method_and_who_may(api: Api):
    answer = api.call("GET", "/index.html", user=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = Page(answer.body.decode())
    assert page.open == []
    rows = [tuple(page.cells[at : at + 4]) for at in range(0, len(page.cells), 4)]
    expected = {
        (description.braced(resource.path), method) for resource in RESOURCES for method in resource.handlers
    }
    assert {row[:2] for row in rows} == expected
    assert all(summary and rule for _path, _method, summary, rule in rows), rows
    whole = {row[:2]: row[3] for row in rows}
    assert whole["/whoami", "GET"] == "Whoever may use the API at all."
    assert whole["/login", "POST"] == "Nobody need log in."


def test_what_the_page_leads_to_is_there(api: Api):
    page = Page(api.call("GET", "/index.html", user=None).body.decode())
    for address in page.addresses:
        path = f"/{address}" if not address.startswith("../") else f"/../{address.removeprefix('../')}"
        where = path.replace("/..", "") if path.startswith("/../") else f"/api{path}"
        assert where.startswith("/api/") or where in ("/", "/icon.svg", "/style.css", "/js/theme.js")


def test_the_document_has_every_path_with_its_parameters(api: Api):
    answer = api.call("GET", "/openapi.json", user=None)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json
    assert document["openapi"] == "3.0.3"
    assert document["paths"].keys() == {description.braced(resource.path) for resource in RESOURCES}
    tags = {tag["name"] for tag in document["tags"]}
    for resource in RESOURCES:
        path = document["paths"][description.braced(resource.path)]
        assert [each["name"] for each in path.get("parameters", [])] == resource.names
        for method in resource.handlers:
            operation = path[method.lower()]
            assert operation["summary"] and operation["description"] and operation["responses"]
            assert set(operation["tags"]) <= tags
            assert ("security" in operation) == (resource.rule is None)


def test_every_reference_of_the_document_leads_somewhere(api: Api):
    document = api.call("GET", "/openapi.json", user=None).json

    def references(value: object) -> list[str]:
        if isinstance(value, list):
            return [found for each in value for found in references(each)]
        if not isinstance(value, dict):
            return []
        return [each for key, each in value.items() if key == "$ref"] + references(list(value.values()))

    found = references(document)
    assert found
    for reference in found:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_a_request_without_a_body_has_none_described(api: Api):
    paths = json.loads(api.call("GET", "/openapi.json", user=None).body)["paths"]
    assert "requestBody" not in paths["/queues/{vhost}/{queue}"]["get"]
    assert "requestBody" in paths["/queues/{vhost}/{queue}"]["put"]


def test_there_is_nothing_to_be_changed(api: Api):
    assert api.call("PUT", "/index.html", {}).status == 405
    assert api.call("HEAD", "/index.html", user=None).body == b""
