"""Lists over HTTP: order, columns, pages and searches (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import asyncio
import errno
import json

import pytest

from amqpd.management.answers import json_in_turns
from amqpd.wire.name_pattern import is_quick
from tests.management.conftest import Api


@pytest.fixture
def queues(api: Api) -> Api:
    """The API with the queues c, A, b, of which b has a message."""
    for name in ("c", "A", "b"):
        api.put(f"/queues/%2F/{name}")
    api.publish("b")
    return api


def names(answer: object) -> list[str]:
    assert isinstance(answer, list)
    return [item["name"] for item in answer]


def test_lists_are_sorted_by_vhost_and_name(queues: Api):
    queues.put("/vhosts/.first")
    queues.put("/queues/.first/z")
    assert names(queues.get("/queues")) == ["z", "A", "b", "c"]
    assert names(queues.get("/queues?sort_reverse=true")) == ["c", "b", "A", "z"]


def test_a_list_can_be_sorted_by_what_is_inside(queues: Api):
    assert names(queues.get("/queues?sort=messages")) == ["A", "c", "b"]
    assert names(queues.get("/queues?sort=message_stats.publish&sort_reverse=true")) == ["b", "c", "A"]
    assert names(queues.get("/queues?sort=")) == ["c", "A", "b"]


def test_only_the_columns_asked_for_are_given(queues: Api):
    assert queues.get("/queues/%2F/b?columns=name,messages_details.rate") == {
        "name": "b",
        "messages_details": {"rate": 0.0},
    }
    assert queues.get("/queues?columns=name") == [{"name": "A"}, {"name": "b"}, {"name": "c"}]
    assert queues.get("/queues?columns=nope") == [[], [], []]
    assert queues.get("/overview?columns=node") == {"node": queues.site.node}


def test_a_page_says_what_is_beside_it(queues: Api):
    assert queues.get("/queues?page=2&page_size=2&columns=name") == {
        "filtered_count": 3,
        "item_count": 1,
        "items": [{"name": "c"}],
        "page": 2,
        "page_count": 2,
        "page_size": 2,
        "total_count": 3,
    }


def test_a_page_can_be_of_what_was_searched(queues: Api):
    page = queues.get("/queues?page=1&name=a&columns=name")
    assert (page["items"], page["filtered_count"], page["total_count"]) == ([{"name": "A"}], 1, 3)
    assert names(queues.get("/queues?page=1&name=%5E%5Bab%5D%24&use_regex=true")["items"]) == ["A", "b"]
    assert queues.get("/connections?page=1&name=x")["items"] == []


def test_a_page_has_statistics_like_the_whole_list(queues: Api):
    [item] = queues.get("/queues?page=1&page_size=1&sort=messages&sort_reverse=true")["items"]
    assert (item["name"], item["messages"]) == ("b", 1)


@pytest.mark.parametrize(
    ("query", "error", "reason"),
    [
        ("page=x", "bad_request", "Pagination parameters are invalid"),
        ("page=1&name=%28&use_regex=true", "bad_request", "Pagination parameters are invalid"),
        (
            "page=0",
            "invalid_pagination_parameters",
            "Invalid pagination parameters: page number 0, page size undefined",
        ),
        (
            "page=1&page_size=501",
            "invalid_pagination_parameters",
            "Invalid pagination parameters: page number 1, page size 501",
        ),
        ("page=9", "page_out_of_range", "Page out of range, page: 9 page size: 100, len: 3"),
        (
            "lengths_age=60&lengths_incr=0",
            "invalid_range_parameters",
            "Invalid range parameters: age 60, incr 0",
        ),
    ],
)
def test_a_page_that_cannot_be_is_refused(queues: Api, query: str, error: str, reason: str):
    assert queues.call("GET", f"/queues?{query}").error == (400, error, reason)


def test_without_statistics_only_what_objects_are_is_told(queues: Api):
    [queue, *_rest] = queues.get("/queues?disable_stats=true")
    assert queue.keys() == {
        "arguments",
        "auto_delete",
        "durable",
        "exclusive",
        "name",
        "node",
        "state",
        "type",
        "vhost",
    }
    totals = queues.get("/queues?disable_stats=true&enable_queue_totals=true&columns=messages")
    assert totals == [{"messages": 0}, {"messages": 1}, {"messages": 0}]
    refused = queues.call("GET", "/channels?disable_stats=true")
    assert refused.error == (400, "bad_request", "Stats in management UI are disabled on this node")


def test_a_pattern_that_would_take_for_ever_is_given_up(api: Api):
    api.put(f"/queues/%2F/{'a' * 60}")
    answer = api.call("GET", "/queues?page=1&use_regex=true&name=%28a%2B%29%2B%24b")
    assert answer.error == (400, "bad_request", "Pagination parameters are invalid")


def test_a_pattern_that_could_take_long_is_searched_for_elsewhere(queues: Api):
    page = queues.get("/queues?page=1&use_regex=true&name=%28a%7Cb%29%2B.%2A&columns=name")
    assert page["items"] == [{"name": "A"}, {"name": "b"}]


@pytest.mark.parametrize(
    ("pattern", "quick"),
    [
        ("^a.*b$", True),
        ("[ab]?x", True),
        ("a*b*", False),
        ("(a+)+", False),
        ("(ab)?", False),
        (r"(a)\1", False),
    ],
)
def test_patterns_are_quick_if_they_repeat_one_thing_at_most(pattern: str, quick: bool):
    assert is_quick(pattern) is quick


def test_others_have_their_turns_while_a_long_list_is_made(api: Api):
    for number in range(300):
        api.put(f"/queues/%2F/{number}")
    turns: list[int] = []
    api.broker.settle = lambda: turns.append(1)  # type: ignore[method-assign]
    for path in ("/queues", "/queues?columns=name", "/queues?page=3", "/overview", "/vhosts"):
        turns.clear()
        assert api.call("GET", path).status == 200
        assert len(turns) > 2, path


def test_others_have_their_turns_while_an_object_with_a_long_list_is_written():
    written = {"a": 1, "long": [{"name": str(number)} for number in range(1000)], "b": {"c": []}}

    async def turns_meanwhile() -> int:
        writing = asyncio.create_task(json_in_turns(written))
        turns = 0
        while not writing.done():
            turns += 1
            await asyncio.sleep(0)
        assert json.loads(writing.result()) == written
        return turns

    assert asyncio.run(turns_meanwhile()) > 4


def test_a_virtual_host_in_a_header_is_the_one_asked_for(queues: Api):
    queues.put("/vhosts/v")
    queues.put("/queues/v/only")
    assert names(queues.get("/queues", headers={"x-vhost": "v"})) == ["only"]


def test_a_virtual_host_in_a_header_is_utf_8(queues: Api):
    queues.put("/vhosts/v%C3%A9")
    queues.put("/queues/v%C3%A9/only")
    header = "vé".encode().decode("latin-1")
    assert names(queues.get("/queues", headers={"x-vhost": header})) == ["only"]


def test_of_however_many_columns_those_that_there_are_are_given(queues: Api):
    for number in range(50):
        queues.put(f"/queues/%2F/q{number}")
    columns = ",".join(f"c{number}" for number in range(10000))
    listed = queues.get(f"/queues?columns=name,{columns}")
    assert len(listed) == 53 and listed[0] == {"name": "A"}


def test_what_is_asked_for_as_a_whole_is_given_as_a_whole(queues: Api):
    for columns in ("arguments,arguments.x", "arguments.x,arguments"):
        assert queues.get(f"/queues/%2F/b?columns={columns}") == {"arguments": {}}
    assert queues.get("/queues/%2F/b?columns=.") == []


def test_a_search_without_a_process_to_run_it_is_refused(queues: Api, monkeypatch: pytest.MonkeyPatch):
    async def none_is_left(*_program: object, **_pipes: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", none_is_left)
    assert queues.call("GET", "/queues?page=1&use_regex=true&name=(a%2B)%2B%24").status == 400
    answer = queues.call("GET", "/queues/%2F/b/messages?use_regex=true&search=m")
    assert (answer.status, answer.json["reason"]) == (
        400,
        "search: no process can be begun for it: Too many open files",
    )
