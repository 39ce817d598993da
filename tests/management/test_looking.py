"""Looking at messages over HTTP: they are shown as they are, and stay as they are."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from pamqp import commands

from amqpd.management import name_filter
from amqpd.management.views import looking
from amqpd.testing import DurableBroker, MemoryBroker, Peer
from tests.management.conftest import Api

MESSAGES = "/queues/%2F/q/messages"
OF_EXCHANGE = "/exchanges/%2F/x/messages"
GOT = (
    "exchange",
    "payload",
    "payload_bytes",
    "payload_encoding",
    "properties",
    "redelivered",
    "routing_key",
)
"""What getting a message tells as well."""


@pytest.fixture(autouse=True)
def queue(api: Api) -> None:
    """A queue q."""
    api.put("/queues/%2F/q")


@pytest.fixture
def small_api() -> Api:
    """The API of a broker with a disk, and hardly any memory for messages; it has a durable queue q."""
    api = Api(DurableBroker(segment_bytes=30000, memory_bytes=2000))
    api.put("/queues/%2F/q", {"durable": True})
    return api


def payloads(answer: Any) -> list[str]:
    return [each["payload"] for each in answer["messages"]]


def all_payloads(api: Api, path: str = MESSAGES, query: str = "") -> list[str]:
    """Those of all pages."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = api.get(f"{path}?{query}{'&from=' + cursor if cursor else ''}")
        found += payloads(answer)
        cursor = answer["next"]
    return found


def consuming(api: Api, queue: str, prefetch_count: int, tag: str = "c", **options: Any) -> Peer:
    """A client that has got so many messages and settles none."""
    peer = api.broker.connect()
    peer.call(1, commands.Basic.Qos(prefetch_count=prefetch_count))
    peer.call(1, commands.Basic.Consume(queue=queue, consumer_tag=tag, **options))
    return peer


# What is ready


def test_messages_are_shown_as_getting_them_would(api: Api):
    api.publish("q", "first", priority=3, headers={"a": [1, {"b": "c"}]}, expiration="60000")
    api.publish("q", "zweite, größer")
    answer = api.get(MESSAGES)
    now_ms = int(api.broker.clock.unix_s() * 1000)
    assert {key: answer[key] for key in answer if key != "messages"} == {
        "state": "ready",
        "total": 2,
        "looked_at": 2,
        "next": None,
    }
    first, second = answer["messages"]
    assert {key: first[key] for key in first if key not in GOT} == {
        "position": 0,
        "state": "ready",
        "truncated": False,
        "arrived_ms": now_ms,
        "expires_ms": now_ms + 60000,
        "due_ms": None,
        "delivery_count": None,
        "consumer": None,
    }
    assert (second["position"], second["arrived_ms"], second["expires_ms"]) == (1, None, None)
    assert [{key: each[key] for key in GOT} for each in answer["messages"]] == [
        {key: each[key] for key in GOT} for each in api.get_messages("q")
    ]


def test_nothing_is_changed(small_api: Api):
    for number in range(100):
        small_api.publish("q", f"m{number}", delivery_mode=2)
    peer = consuming(small_api, "q", 5)
    before = [small_api.get(path) for path in ("/queues/%2F/q", "/overview", "/connections")]
    for query in ("", "state=unacked", "state=delayed", "search=m", "search=m&use_regex=true"):
        all_payloads(small_api, MESSAGES, f"count=7&{query}")
    assert [small_api.get(path) for path in ("/queues/%2F/q", "/overview", "/connections")] == before
    peer.disconnect()
    got = small_api.get_messages("q")
    assert [(each["payload"], each["redelivered"]) for each in got] == [
        (f"m{number}", number < 5) for number in range(100)
    ]


def test_pages_go_on_where_the_last_one_ended_whatever_comes_and_goes(api: Api):
    for payload in "abcdef":
        api.publish("q", payload)
    first = api.get(f"{MESSAGES}?count=2")
    assert (payloads(first), first["total"], first["next"]) == (["a", "b"], 6, "2")
    assert [each["payload"] for each in api.get_messages("q", count=3)] == ["a", "b", "c"]
    api.publish("q", "g")
    second = api.get(f"{MESSAGES}?count=2&from={first['next']}")
    assert (payloads(second), second["total"]) == (["d", "e"], 4)
    assert payloads(api.get(f"{MESSAGES}?from={second['next']}")) == ["f", "g"]
    last = api.get(f"{MESSAGES}?count=2&from=5")
    assert (payloads(last), last["next"]) == (["f", "g"], None)
    assert payloads(api.get(f"{MESSAGES}?from=7")) == []


def test_a_backlog_on_disk_is_shown_in_pages_and_after_a_restart(small_api: Api):
    expected = [f"m{number}".ljust(400, ".") for number in range(120)]
    for payload in expected:
        small_api.publish("q", payload, delivery_mode=2)
    told = small_api.get("/queues/%2F/q")
    assert told["messages_paged_out"] > 50
    assert all_payloads(small_api, MESSAGES, "count=17") == expected
    assert small_api.get("/queues/%2F/q")["messages_paged_out"] == told["messages_paged_out"]
    [message] = small_api.get(f"{MESSAGES}?count=1&from=77")["messages"]
    now_ms = int(small_api.broker.clock.unix_s() * 1000)
    assert (message["payload"], message["arrived_ms"]) == (expected[77], now_ms)
    assert isinstance(small_api.broker, DurableBroker)
    again = Api(small_api.broker.restart())
    assert all_payloads(again, MESSAGES, "count=500") == expected


def test_a_priority_queue_is_shown_in_the_order_of_delivery(api: Api):
    api.put("/queues/%2F/p", {"arguments": {"x-max-priority": 5}})
    for number, priority in enumerate([0, 5, 3, 9, 3, 0]):
        api.publish("p", f"{number}", priority=priority)
    shown = all_payloads(api, "/queues/%2F/p/messages", "count=1")
    assert shown == ["1", "3", "2", "4", "0", "5"]
    assert [each["position"] for each in api.get("/queues/%2F/p/messages")["messages"]] == [0, 1, 0, 1, 0, 1]
    assert [each["payload"] for each in api.get_messages("p")] == shown


def test_a_quorum_queue_tells_how_often_messages_came_back(durable_api: Api):
    durable_api.put("/queues/%2F/k", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
    for payload in "ab":
        durable_api.publish("k", payload)
    consuming(durable_api, "k", 1).disconnect()
    consumer = consuming(durable_api, "k", 1)
    [held] = durable_api.get("/queues/%2F/k/messages?state=unacked")["messages"]
    assert (held["payload"], held["delivery_count"], held["redelivered"]) == ("a", 1, True)
    consumer.disconnect()
    first, second = durable_api.get("/queues/%2F/k/messages")["messages"]
    assert (first["payload"], first["delivery_count"], first["redelivered"]) == ("a", 2, True)
    assert (second["payload"], second["delivery_count"], second["redelivered"]) == ("b", 0, False)
    assert [first["properties"], second["properties"]] == [
        each["properties"] for each in durable_api.get_messages("k")
    ]


def test_a_stream_is_shown_from_any_offset_on(durable_api: Api):
    durable_api.put("/queues/%2F/s", {"durable": True, "arguments": {"x-queue-type": "stream"}})
    for payload in "abcde":
        durable_api.publish("s", payload)
    path = "/queues/%2F/s/messages"
    assert all_payloads(durable_api, path, "count=2") == list("abcde")
    [message] = durable_api.get(f"{path}?from=3&count=1")["messages"]
    assert (message["payload"], message["position"], message["redelivered"]) == ("d", 3, False)
    assert message["properties"]["headers"] == {"x-stream-offset": 3}
    consuming(durable_api, "s", 3, arguments={"x-stream-offset": "first"})
    held = durable_api.get(f"{path}?state=unacked")
    assert (held["total"], payloads(held)) == (3, ["a", "b", "c"])


# What clients have in their hands


def test_who_has_what_is_not_settled_is_told(api: Api):
    for payload in "abcdef":
        api.publish("q", payload)
    consuming(api, "q", 3, "one")
    consuming(api, "q", 2, "two")
    getting = api.broker.connect(channels=2)
    getting.call(2, commands.Basic.Get(queue="q"))
    answer = api.get(f"{MESSAGES}?state=unacked")
    names = [f"memory:{number} -> memory:0" for number in (1, 2, 3)]
    assert [(each["payload"], each["state"], each["consumer"]) for each in answer["messages"]] == [
        *[(payload, "unacked", holder(names[0], 1, "one")) for payload in "abc"],
        *[(payload, "unacked", holder(names[1], 1, "two")) for payload in "de"],
        ("f", "unacked", holder(names[2], 2, "")),
    ]
    assert (answer["total"], answer["looked_at"], answer["next"]) == (6, 6, None)
    assert all_payloads(api, MESSAGES, "state=unacked&count=1") == list("abcdef")
    assert payloads(api.get(MESSAGES)) == []


def holder(connection: str, channel: int, tag: str) -> dict[str, object]:
    return {"connection": connection, "channel": channel, "consumer_tag": tag}


def test_what_is_settled_meanwhile_is_not_there(api: Api):
    for payload in "abcdef":
        api.publish("q", payload)
    first, second = consuming(api, "q", 3), consuming(api, "q", 3)
    page = api.get(f"{MESSAGES}?state=unacked&count=2")
    assert payloads(page) == ["a", "b"]
    first.send(1, commands.Basic.Ack(3))
    second.send(1, commands.Basic.Ack(2))
    page = api.get(f"{MESSAGES}?state=unacked&count=2&from={page['next']}")
    assert (payloads(page), page["total"]) == (["d", "f"], 4)
    assert page["next"] is None
    first.disconnect()
    assert payloads(api.get(f"{MESSAGES}?state=unacked&from=1.1.2")) == ["d", "f", "a"]
    second.disconnect()
    assert payloads(api.get(f"{MESSAGES}?state=unacked&from=1.1.2")) == []
    assert payloads(api.get(MESSAGES)) == ["a", "b", "d", "f"]


def test_what_a_transaction_has_settled_is_in_hands_until_it_commits(api: Api):
    for payload in "abc":
        api.publish("q", payload)
    peer = api.broker.connect()
    peer.call(1, commands.Tx.Select())
    peer.call(1, commands.Basic.Consume(queue="q"))
    peer.send(1, commands.Basic.Ack(2, False))
    assert all_payloads(api, MESSAGES, "state=unacked&count=1") == ["a", "b", "c"]
    peer.call(1, commands.Tx.Commit())
    assert all_payloads(api, MESSAGES, "state=unacked&count=1") == ["a", "c"]


def test_deliveries_of_other_queues_are_passed_over_a_part_at_a_time(
    api: Api, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(looking, "VISITED", 1000)
    api.put("/queues/%2F/other")
    peer = api.broker.connect()
    for _ in range(2500):
        peer.publish(1, "", "other")
    peer.call(1, commands.Basic.Consume(queue="other"))
    peer.call(1, commands.Basic.Consume(queue="q"))
    api.publish("q", "wanted")
    answer = api.get(f"{MESSAGES}?state=unacked")
    assert (answer["total"], answer["looked_at"], answer["messages"]) == (1, 0, [])
    assert answer["next"] is not None
    assert all_payloads(api, MESSAGES, "state=unacked") == ["wanted"]


# What is delayed


def test_delayed_messages_are_shown_with_the_time_when_they_are_due(durable_api: Api):
    api = durable_api
    arguments = {"x-delayed-type": "direct"}
    api.put("/exchanges/%2F/x", {"type": "x-delayed-message", "durable": True, "arguments": arguments})
    api.put("/queues/%2F/q", {"durable": True})
    api.call("POST", "/bindings/%2F/e/x/q/q", {"routing_key": "k"})
    now_ms = int(api.broker.clock.unix_s() * 1000)
    for payload, delay_ms in (("late", 60000), ("soon", 1000), ("later", 90000)):
        api.publish("k", payload, "x", headers={"x-delay": delay_ms}, delivery_mode=2)
    answer = api.get(OF_EXCHANGE)
    assert [(each["payload"], each["due_ms"] - now_ms) for each in answer["messages"]] == [
        ("soon", 1000),
        ("late", 60000),
        ("later", 90000),
    ]
    message = answer["messages"][0]
    assert (message["state"], message["position"], message["routing_key"]) == ("delayed", None, "k")
    assert (answer["state"], answer["total"], answer["next"]) == ("delayed", 3, None)
    page = api.get(f"{OF_EXCHANGE}?state=delayed&count=1&search=late")
    assert payloads(page) == ["late"]
    api.broker.advance(2)
    assert payloads(api.get(f"{OF_EXCHANGE}?from={page['next']}")) == ["later"]
    assert payloads(api.get(OF_EXCHANGE)) == ["late", "later"]
    assert [each["payload"] for each in api.get_messages("q")] == ["soon"]
    assert api.get(f"{MESSAGES}?state=delayed")["messages"] == []


def test_other_exchanges_delay_nothing(api: Api):
    assert api.get("/exchanges/%2F/amq.topic/messages") == {
        "state": "delayed",
        "total": 0,
        "looked_at": 0,
        "next": None,
        "messages": [],
    }


# Payloads


def test_payloads_are_cut_where_a_character_ends(api: Api):
    api.publish("q", "a" * 9 + "é" + "b" * 10)
    [message] = api.get(f"{MESSAGES}?truncate=10")["messages"]
    assert (message["payload"], message["payload_encoding"]) == ("a" * 9, "string")
    assert (message["payload_bytes"], message["truncated"]) == (21, True)
    [message] = api.get(f"{MESSAGES}?truncate=21")["messages"]
    assert (message["payload"], message["truncated"]) == ("a" * 9 + "é" + "b" * 10, False)
    [message] = api.get(f"{MESSAGES}?truncate=0")["messages"]
    assert (message["payload"], message["truncated"]) == ("", True)


def test_payloads_that_are_no_text_are_base64(api: Api, broker: MemoryBroker):
    broker.connect().publish(1, "", "q", b"\xff\xfe\x00")
    [message] = api.get(MESSAGES)["messages"]
    assert (message["payload"], message["payload_encoding"]) == ("//4A", "base64")
    [message] = api.get(f"{MESSAGES}?truncate=2")["messages"]
    assert (message["payload"], message["payload_bytes"], message["truncated"]) == ("//4=", 3, True)


def test_large_messages_make_small_pages(small_api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(looking, "ANSWER_BYTES", 100000)
    for number in range(5):
        header = {"large": "x" * 30000} if number > 2 else {}
        small_api.publish("q", f"{number}".ljust(30000 if header else 60000, "."), headers=header)
    answer = small_api.get(f"{MESSAGES}?truncate=100000")
    assert ([each[0] for each in payloads(answer)], answer["looked_at"]) == (["0", "1"], 2)
    assert [each[0] for each in all_payloads(small_api, MESSAGES, "truncate=100000")] == list("01234")


# Searching


@pytest.fixture
def searched(api: Api) -> Api:
    """Queue q with messages that have something in different places."""
    for payload, properties in (
        ("An Apple a day", {}),
        ("nothing", {"headers": {"fruit": "APPLE", "n": 42}}),
        ("nothing", {"message_id": "apple-7", "headers": {"list": ["x", {"deep": "pear"}]}}),
        ("Größe ÄPFEL", {}),
        ("line one\nline two", {}),
    ):
        api.publish("q", payload, **properties)
    api.broker.connect().publish(1, "", "q", b"\xff\x00apple\xfe")
    return api


@pytest.mark.parametrize(
    ("query", "positions"),
    [
        ("search=apple", [0, 1, 2, 5]),
        ("search=apple&in=body", [0, 5]),
        ("search=APPLE&in=headers", [1, 2]),
        ("search=apple&in=routing_key", []),
        ("search=Q&in=routing_key", [0, 1, 2, 3, 4, 5]),
        ("search=fruit:%20apple", [1]),
        ("search=n:%2042", [1]),
        ("search=deep", [2]),
        ("search=message_id:%20APPLE", [2]),
        (f"search={quote('größe äp')}", [3]),
        ("search=", [0, 1, 2, 3, 4, 5]),
        ("search=a.p", []),
        ("search=a.p&use_regex=true", [0, 1, 2, 5]),
        ("search=^an.*day$&use_regex=true", [0]),
        ("search=%5Efruit&use_regex=true&in=headers", [1]),
        ("search=one%5Cnline&use_regex=true", [4]),
        (f"search={quote('Größe')}&use_regex=true", [3]),
        ("search=%5Cxff%5Cx00&use_regex=true", [5]),
        ("search=^q$&use_regex=true&in=routing_key", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_messages_are_found_by_what_is_in_them(searched: Api, query: str, positions: list[int]):
    answer = searched.get(f"{MESSAGES}?{query}")
    assert [each["position"] for each in answer["messages"]] == positions
    assert (answer["looked_at"], answer["total"], answer["next"]) == (6, 6, None)


@pytest.mark.parametrize("use_regex", ["true", "false"])
def test_a_search_goes_on_behind_what_it_has_found(searched: Api, use_regex: str):
    answer = searched.get(f"{MESSAGES}?search=apple&count=2&use_regex={use_regex}")
    assert (len(answer["messages"]), answer["looked_at"], answer["next"]) == (2, 2, "2")
    answer = searched.get(f"{MESSAGES}?search=apple&count=2&use_regex={use_regex}&from=2")
    assert [each["position"] for each in answer["messages"]] == [2, 5]
    assert (answer["looked_at"], answer["next"]) == (4, None)


def test_a_search_looks_at_no_more_than_it_may_and_says_how_far_it_came(
    small_api: Api, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(looking, "LOOKED_AT_MESSAGES", 100)
    for number in range(250):
        small_api.publish("q", "needle" if number == 240 else "hay")
    answer = small_api.get(f"{MESSAGES}?search=needle")
    assert (answer["messages"], answer["looked_at"]) == ([], 100)
    assert all_payloads(small_api, MESSAGES, "search=needle") == ["needle"]
    monkeypatch.setattr(looking, "LOOKED_AT_BYTES", 51 * 18)
    monkeypatch.setattr(looking, "LOOKED_AT_MESSAGES", 100000)
    answer = small_api.get(f"{MESSAGES}?search=needle")
    assert (answer["messages"], answer["looked_at"], answer["next"]) == ([], 100, "100")


def test_a_search_that_takes_too_long_is_given_up(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(name_filter, "PATIENCE_S", 0.3)
    api.publish("q", "a" * 60)
    answer = api.call("GET", f"{MESSAGES}?search=(a|aa)*b%24&use_regex=true")
    assert answer.error == (400, "bad_request", "search: too slow")


# Who may


def test_whoever_may_not_get_messages_may_not_look_at_them(api: Api):
    api.add_user("monitor", "monitoring", vhost=None)
    api.add_user("writer", "management")
    api.add_user("reader", "management")
    api.broker.users.set_permissions("writer", "/", ".*", ".*", "^other$")
    api.broker.users.set_permissions("reader", "/", "^$", "^$", "^q$")
    assert api.call("GET", MESSAGES, user="monitor").error == (
        401,
        "not_authorised",
        "User not authorised to access virtual host",
    )
    get = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    for state in ("ready", "unacked", "delayed"):
        refused = api.call("GET", f"{MESSAGES}?state={state}", user="writer")
        assert refused.error == api.call("POST", "/queues/%2F/q/get", get, user="writer").error
        assert refused.error == (
            401,
            "not_authorised",
            "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'writer'",
        )
    assert api.call("GET", MESSAGES, user="reader").status == 200
    refused = api.call("GET", "/exchanges/%2F/amq.topic/messages", user="reader")
    assert refused.error == (
        401,
        "not_authorised",
        "ACCESS_REFUSED - access to exchange 'amq.topic' in vhost '/' refused for user 'reader'",
    )


def test_an_exclusive_queue_is_its_connections(api: Api):
    api.broker.connect().call(1, commands.Queue.Declare(queue="mine", exclusive=True))
    get = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    refused = api.call("GET", "/queues/%2F/mine/messages")
    assert refused.status == 400
    assert refused.error == api.call("POST", "/queues/%2F/mine/get", get).error


def test_what_is_not_there_is_said(api: Api):
    assert api.call("GET", "/queues/%2F/none/messages").error == (
        404,
        "not_found",
        "NOT_FOUND - no queue 'none' in vhost '/'",
    )
    assert api.call("GET", "/exchanges/%2F/none/messages").error == (
        404,
        "not_found",
        "NOT_FOUND - no exchange 'none' in vhost '/'",
    )
    assert api.call("GET", "/queues/none/q/messages").error == (401, "not_authorised", "Access refused.")
    assert api.call("POST", MESSAGES).status == 405


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("state=dead", "state: 'dead' is none of ready, unacked, delayed"),
        ("count=0", "count: '0' is no whole number from 1 to 500"),
        ("count=501", "count: '501' is no whole number from 1 to 500"),
        ("count=-1", "count: '-1' is no whole number from 1 to 500"),
        ("count=", "count: '' is no whole number from 1 to 500"),
        ("truncate=1e3", "truncate: '1e3' is no whole number from 0 to 16777216"),
        ("truncate=16777217", "truncate: '16777217' is no whole number from 0 to 16777216"),
        ("from=x", "from: 'x' is no place among ready messages, take the 'next' of an answer"),
        ("from=1.2.3", "from: '1.2.3' is no place among ready messages, take the 'next' of an answer"),
        (
            "from=9999999999999999999",
            "from: '9999999999999999999' is no place among ready messages, take the 'next' of an answer",
        ),
        (
            "state=unacked&from=7",
            "from: '7' is no place among unacked messages, take the 'next' of an answer",
        ),
        ("in=payload", "in: 'payload' is none of any, body, headers, routing_key"),
        ("use_regex=yes", "use_regex: 'yes' is none of true, false"),
        (
            "search=(&use_regex=true",
            "search: no regular expression: invalid pattern '(' at position 0: "
            "missing ), unterminated subpattern",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(api: Api, query: str, reason: str):
    assert api.call("GET", f"{MESSAGES}?{query}").error == (400, "bad_request", reason)


def test_an_exchange_has_delayed_messages_only(api: Api):
    answer = api.call("GET", "/exchanges/%2F/amq.topic/messages?state=ready")
    assert answer.error == (400, "bad_request", "state: 'ready' is none of delayed")


@pytest.mark.parametrize("cursor", ["-9223372036854775807", "9223372036854775807"])
@pytest.mark.parametrize("kind", [{}, {"x-max-priority": 2}, {"x-queue-type": "quorum"}])
def test_any_cursor_is_some_place(durable_api: Api, cursor: str, kind: dict[str, object]):
    durable_api.put("/queues/%2F/any", {"durable": True, "arguments": kind})
    durable_api.publish("any")
    answer = durable_api.get(f"/queues/%2F/any/messages?from={cursor}")
    assert len(answer["messages"]) == (1 if cursor.startswith("-") else 0)


def test_what_cannot_be_read_from_disk_is_said(small_api: Api):
    small_api.publish("q", "precious", delivery_mode=2)
    assert isinstance(small_api.broker, DurableBroker)
    again = Api(small_api.broker.restart())
    files = again.broker.memory_files  # type: ignore[attr-defined]
    for path in files.sizes():
        found = files.read_all(path).find(b"precious")
        if found >= 0:
            for offset in range(40):
                files.corrupt(path, found - 60 + offset, 255)
    status, error, reason = again.call("GET", MESSAGES).error
    assert (status, error) == (400, "bad_request")
    assert reason.startswith("506 RESOURCE_ERROR - cannot read messages of queue 'q' in vhost '/': segment 1")


def test_of_large_messages_few_are_searched_at_a_time(api: Api, monkeypatch: pytest.MonkeyPatch):
    sizes: list[int] = []

    async def matching(_searches: object, texts: list[str], _pattern: str) -> list[bool]:
        sizes.append(sum(map(len, texts)))
        return [text.startswith("7") for text in texts]

    monkeypatch.setattr("amqpd.management.message_search.matching_elsewhere", matching)
    api.put("/queues/%2F/large")
    for number in range(9):
        api.publish("large", str(number) * 1_000_000)
    page = api.get("/queues/%2F/large/messages?use_regex=true&search=7&in=body&truncate=1")
    assert (page["looked_at"], page["next"]) == (9, None)
    assert [message["payload"] for message in page["messages"]] == ["7"]
    assert max(sizes) <= 2_000_000
