"""A hostile asker: every path by every method, with names, bodies, queries and headers that make no sense.

Whatever is asked, there is an answer that is never 500 and says what is wrong, what is refused changes nothing, and
clients are served as before.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pika
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import commands

from amqpd.auth.passwords import hash_password
from amqpd.auth.users import User
from amqpd.management import views
from amqpd.management.definitions import export
from amqpd.management.resources import ROOT, Place, Resource
from amqpd.testing.durable import DurableBroker
from amqpd.testing.running import BrokerInThread, broker_in_thread
from tests.management.conftest import PASSWORD, Answer, Api

Json = dict[str, Any]

views.load()


def resources(place: Place) -> Iterator[Resource]:
    """Everything that can be asked for."""
    if place.resource is not None:
        yield place.resource
    for following in [*place.words.values(), *([] if place.any is None else [place.any])]:
        yield from resources(following)


RESOURCES = sorted(resources(ROOT), key=lambda resource: resource.path)
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "TRACE", "x")
SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
DECLARES = "/aliveness-test"
"""The only GET that makes anything, a queue."""

KEEPER = "keeper"
"""The user who asks, and a virtual host and a queue of that name; nothing that is asked names them."""


class Hunted:
    """A broker that has something of everything, and a user of whom nothing hostile knows."""

    def __init__(self) -> None:
        self.broker = DurableBroker()
        self.api = Api(self.broker)
        self._known: object = None
        """The state, if nothing has happened since it was looked at."""
        self.broker.users.add(User(KEEPER, hash_password(PASSWORD, b"salt"), tags=["administrator"]))
        self.broker.broker.add_vhost(KEEPER)
        for vhost in ("/", KEEPER):
            self.broker.users.set_permissions(KEEPER, vhost, ".*", ".*", ".*")
        self.must("PUT", f"/queues/{KEEPER}/{KEEPER}")
        self.must("PUT", "/queues/%2F/q")
        self.must("PUT", "/queues/%2F/s", {"durable": True, "arguments": {"x-queue-type": "stream"}})
        self.must("PUT", "/queues/%2F/r", {"durable": True, "arguments": {"x-queue-type": "quorum"}})
        self.must("PUT", "/exchanges/%2F/x", {"type": "topic"})
        self.must("POST", "/bindings/%2F/e/x/q/q", {"routing_key": "k"})
        self.must("PUT", "/policies/%2F/p", {"pattern": "^z", "definition": {"max-length": 5}})
        self.must("PUT", "/operator-policies/%2F/p", {"pattern": "^z", "definition": {"max-length": 5}})
        self.must("PUT", "/users/u", {"password": "p", "tags": "management"})
        self.must("PUT", "/vhost-limits/%2F/max-queues", {"value": 100})
        self.must("PUT", "/user-limits/u/max-channels", {"value": 100})
        self.must("PUT", "/topic-permissions/%2F/u", {"exchange": "x", "write": "a", "read": "b"})
        message = {"properties": {}, "routing_key": "q", "payload": "m", "payload_encoding": "string"}
        self.must("POST", "/exchanges/%2F/amq.default/publish", message)
        self.must("POST", "/exchanges/%2F/amq.default/publish", message)

    def must(self, method: str, path: str, body: object = None) -> None:
        self._known = None
        answer = self.ask(method, path, json.dumps({} if body is None else body).encode())
        assert answer.status < 300, (method, path, answer)

    def ask(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        return self.api.call(method, path, raw=body, user=KEEPER, headers=headers)

    def state(self) -> object:
        """All there is, but for what counting changes."""
        vhosts = self.broker.broker.vhosts.values()
        queues = {
            (vhost.name, queue.name): (queue.ready(), int(queue.unacked))
            for vhost in vhosts
            for queue in vhost.queues.values()
        }
        said = {vhost.name: (vhost.description, vhost.tags) for vhost in vhosts}
        return json.dumps(export(self.broker.broker, self.broker.users)), queues, said

    def check(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """The answer to a request, which must be one that is allowed."""
        before = self._known or self.state()
        answer = self.ask(method, path, body, headers)
        self._known = None
        asked = (method, path, body[:300], headers, answer)
        assert answer.status < 500 or (answer.status == 503 and path.startswith("/health")), (
            asked,
            self.broker.events.told[-1:],
        )
        is_safe = method in SAFE and not path.startswith(DECLARES)
        if answer.status >= 400 or is_safe:
            self._known = self.state()
            assert self._known == before, asked
        if answer.body:
            told = json.loads(answer.body)
            if 400 <= answer.status < 500:
                assert told["error"] and told["reason"], asked
        elif answer.status == 400:
            # RabbitMQ's web server answers a path that can't be decoded without a word
            assert not _is_decodable(path), asked
        return answer

    def serves(self) -> None:
        """A client publishes, gets and goes."""
        peer = self.broker.peer()
        peer.open(KEEPER, user=KEEPER, password=PASSWORD)
        peer.open_channel(1)
        peer.publish(1, "", KEEPER, b"still there")
        peer.send(1, commands.Basic.Get(queue=KEEPER, no_ack=True))
        assert peer.bodies(1) == [b"still there"]
        peer.close()


def _is_decodable(path: str) -> bool:
    return all(
        len(escape) >= 2 and all(digit in "0123456789abcdefABCDEF" for digit in escape[:2])
        for escape in path.partition("?")[0].split("%")[1:]
    )


# Anything anywhere

NAMES = st.sampled_from(
    [
        *(
            "%2F",
            "q",
            "s",
            "r",
            "x",
            "p",
            "u",
            "e",
            "guest",
            "amq.topic",
            "amq.default",
            "amq.gen-x",
            "max-queues",
        ),
        *(
            "max-channels",
            "limits",
            "vhost-limits",
            "policy",
            "operator_policy",
            "cluster_name",
            "15672",
            "1",
            "-1",
        ),
        *("amqp", "days", "hours", "rabbit@localhost", "~", "k", "k~1", "~~", "nope", "..", ".", "%2E%2E%2F"),
        *(
            "%00",
            "%0A",
            "%FF",
            "%C3%28",
            "%ED%A0%80",
            "%F4%90%80%80",
            "%E2%80%AE",
            "%3Cscript%3E",
            "%25s",
            "%",
            "%zz",
        ),
        *(
            "%7B%7D",
            "'",
            "%22",
            "a%5Cb",
            "*",
            "(",
            "[",
            "%F0%9F%90%87",
            "a" * 256,
            "%C3%A9" * 128,
            "a" * 5000,
        ),
    ]
)
WORDS = st.sampled_from(
    [
        *(
            "",
            " ",
            "q",
            "x",
            "/",
            "all",
            "queues",
            "exchanges",
            "quorum",
            "stream",
            "classic",
            "topic",
            "direct",
            "auto",
        ),
        *(
            "string",
            "base64",
            "ack_requeue_true",
            "ack_requeue_false",
            "reject_requeue_false",
            "true",
            "false",
            "1",
        ),
        *(
            "(",
            "^",
            ".*",
            "(?<a",
            "administrator",
            "a,b",
            "undefined",
            "null",
            "rabbit_password_hashing_md5",
            "\x00",
        ),
        *(
            "\n",
            "é",
            "\U0001f407",
            "<b>",
            "%s",
            "{}",
            "\u202e",
            "k" * 300,
            "AAAA",
            "!!!!",
            "x-max-length",
            "1e400",
        ),
    ]
)
NUMBERS = st.sampled_from(
    [0, 1, -1, 0.5, -0.0, 1e308, 2**31, 2**32, 2**63, 2**64, -(2**63), 10**30, 255, 256, 65536]
)
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS
KEYS = [
    *(
        "durable",
        "auto_delete",
        "internal",
        "exclusive",
        "arguments",
        "type",
        "node",
        "routing_key",
        "payload",
    ),
    *(
        "payload_encoding",
        "properties",
        "headers",
        "delivery_mode",
        "timestamp",
        "priority",
        "expiration",
        "user_id",
    ),
    *(
        "count",
        "ackmode",
        "encoding",
        "truncate",
        "requeue",
        "password",
        "password_hash",
        "hashing_algorithm",
        "tags",
    ),
    *(
        "limits",
        "max-queues",
        "max-channels",
        "permissions",
        "topic_permissions",
        "configure",
        "write",
        "read",
    ),
    *(
        "exchange",
        "pattern",
        "definition",
        "apply-to",
        "value",
        "component",
        "name",
        "vhost",
        "users",
        "action",
    ),
    *(
        "description",
        "tracing",
        "default_queue_type",
        "metadata",
        "queues",
        "exchanges",
        "bindings",
        "vhosts",
    ),
    *(
        "policies",
        "parameters",
        "global_parameters",
        "source",
        "destination",
        "destination_type",
        "rabbit_version",
    ),
    *(
        "x-max-length",
        "x-message-ttl",
        "x-queue-type",
        "x-max-priority",
        "x-dead-letter-exchange",
        "x-max-age",
    ),
    *(
        "alternate-exchange",
        "x-delayed-type",
        "x-match",
        "max-length",
        "message-ttl",
        "ha-mode",
        "expires",
        "username",
    ),
]
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | WORDS, inner, max_size=4)
    ),
    max_leaves=8,
)
BODIES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6) | VALUES
QUERY_KEYS = [
    *(
        "page",
        "page_size",
        "name",
        "use_regex",
        "sort",
        "sort_reverse",
        "columns",
        "pagination",
        "disable_stats",
    ),
    *(
        "enable_queue_totals",
        "lengths_age",
        "lengths_incr",
        "msg_rates_age",
        "msg_rates_incr",
        "data_rates_age",
    ),
    *(
        "data_rates_incr",
        "node_stats_age",
        "node_stats_incr",
        "if-unused",
        "if-empty",
        "memory",
        "binary",
        "download",
    ),
    *("vhost", "reason", "state", "from", "count", "search", "in", "truncate", "timeout"),
]
QUERY_VALUES = [
    *(
        "",
        "0",
        "1",
        "-1",
        "2",
        "501",
        "1.5",
        "x",
        "true",
        "True",
        "99999999999999999999",
        "1e9",
        "name",
        "vhost,name",
    ),
    *(
        "message_stats.publish",
        "arguments.x",
        "a..b",
        ".",
        ",",
        "%28",
        "%5B",
        "%FF",
        "%00",
        "%",
        "ready",
        "unacked",
    ),
    *("delayed", "any", "body", "60", "5", "%C3%A9", "a" * 3000, "%28a%2B%29%2B%24", "%22%0D%0A"),
]
ALL_HEADERS: list[dict[str, str]] = [
    {"content-type": "text/plain"},
    {"content-type": "multipart/form-data; boundary=x"},
    {"content-type": "multipart/form-data"},
    {"content-type": "application/json; charset=utf-16"},
    {"content-type": "\xff"},
    {"accept": "image/png"},
    {"accept-encoding": "br;q=nan"},
    {"x-vhost": "nope"},
    {"x-vhost": "/"},
    {"x-reason": "\xff\x01"},
    {"if-none-match": "*"},
    {"range": "bytes=5-2"},
    {"origin": "null"},
    {"x-forwarded-for": "a, b"},
]
HEADERS = st.just({}) | st.sampled_from(ALL_HEADERS)
SENSIBLE: dict[str, Json] = {
    "publish": {"properties": {}, "routing_key": "q", "payload": "", "payload_encoding": "string"},
    "get": {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"},
    "permissions": {"configure": "", "write": "", "read": "", "exchange": "x"},
    "policies": {"pattern": ".", "definition": {"max-length": 1}},
    "users": {"password": "p", "tags": "", "users": []},
    "parameters": {"value": {}},
    "limits": {"value": 5},
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes, dict[str, str]]:
    """Method, path with a query, body and headers."""
    resource = draw(st.sampled_from(RESOURCES))
    path = "/".join(draw(NAMES) if part.startswith(":") else part for part in resource.path.split("/"))
    query = draw(st.dictionaries(st.sampled_from(QUERY_KEYS), st.sampled_from(QUERY_VALUES), max_size=3))
    method = draw(st.sampled_from([*resource.handlers, *resource.handlers, *METHODS]))
    body = draw(BODIES)
    if isinstance(body, dict) and draw(st.booleans()):
        for word, values in SENSIBLE.items():
            if word in resource.path:
                body = {**values, **body}
    raw = json.dumps(body).encode()
    cut = draw(st.sampled_from([None] * 8 + [-1, 0, len(raw) // 2]))
    asked = "&".join(f"{name}={value}" for name, value in query.items())
    return method, f"{path}?{asked}" if asked else path, raw[:cut], draw(HEADERS)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(requests(), min_size=1, max_size=4))
def test_whatever_is_asked_there_is_an_answer_and_what_is_refused_changes_nothing(
    asked: list[tuple[str, str, bytes, dict[str, str]]],
):
    hunted = Hunted()
    for method, path, body, headers in asked:
        hunted.check(method, path, body, headers)
    hunted.serves()


# Each value that a body may have, wrong

BODIES_BY_REQUEST: dict[tuple[str, str], Json] = {
    ("PUT", "/queues/%2F/new"): {"durable": True, "auto_delete": False, "arguments": {"x-max-length": 5}},
    ("PUT", "/exchanges/%2F/new"): {
        "type": "topic",
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {"alternate-exchange": "x"},
    },
    ("POST", "/bindings/%2F/e/x/q/q"): {"routing_key": "a", "arguments": {"b": 1}},
    ("PUT", "/vhosts/new"): {
        "description": "d",
        "tags": "a,b",
        "tracing": False,
        "default_queue_type": "quorum",
    },
    ("PUT", "/users/new"): {"password": "p", "tags": "a", "limits": {"max-channels": 1}},
    ("PUT", "/users/newer"): {
        "password_hash": "",
        "tags": "a",
        "hashing_algorithm": "rabbit_password_hashing_md5",
        "permissions": {"/": {"configure": "", "write": "", "read": ""}},
    },
    ("POST", "/users/bulk-delete"): {"users": ["u"]},
    ("PUT", "/permissions/%2F/u"): {"configure": "", "write": "", "read": ""},
    ("PUT", "/topic-permissions/%2F/u"): {"exchange": "x", "write": "", "read": ""},
    ("PUT", "/policies/%2F/n"): {
        "pattern": "a",
        "definition": {"max-length": 1},
        "priority": 1,
        "apply-to": "queues",
    },
    ("PUT", "/operator-policies/%2F/n"): {
        "pattern": "a",
        "definition": {"max-length": 1},
        "priority": 1,
        "apply-to": "queues",
    },
    ("PUT", "/parameters/vhost-limits/%2F/limits"): {"value": {"max-queues": 5}},
    ("PUT", "/parameters/operator_policy/%2F/n"): {
        "value": {"pattern": "a", "definition": {"max-length": 1}}
    },
    ("PUT", "/global-parameters/n"): {"value": {"a": 1}},
    ("PUT", "/vhost-limits/%2F/max-queues"): {"value": 5},
    ("PUT", "/user-limits/u/max-channels"): {"value": 5},
    ("PUT", "/cluster-name"): {"name": "n"},
    ("POST", "/exchanges/%2F/x/publish"): {
        "properties": {"delivery_mode": 2},
        "routing_key": "k",
        "payload": "p",
        "payload_encoding": "string",
    },
    ("POST", "/queues/%2F/q/get"): {
        "count": 1,
        "ackmode": "ack_requeue_true",
        "encoding": "auto",
        "truncate": 5,
    },
    ("POST", "/queues/%2F/q/actions"): {"action": "sync"},
}

WRONG: list[Any] = [
    *(None, True, 7, -1, 1.5, 1e308, 10**30, "", "(wrong", "\x00", "é" * 200, "x" * 70000),
    *(
        [],
        [1],
        [[]],
        ["a", None],
        {},
        {"": ""},
        {"a": {"b": [{}]}},
        {"max-length": "many"},
        {"x-max-length": -1},
    ),
]

LEFT_UNNAMED = {
    "Unsupported encoding. Please use auto or base64.",
    "Validation failed\n\nno policy provided\n",
}
"""What RabbitMQ says without naming the value."""


def says_which(reason: object, key: str, value: object, path: str) -> bool:
    """Whether a reason names the key, or what the path has in its place, or shows the value."""
    told = reason if isinstance(reason, str) else json.dumps(reason)
    if key in told or told in LEFT_UNNAMED:
        return True
    if key == "value" and any(len(part) > 1 and part in told for part in path.split("/")):
        return True
    shown = [value, *value, *value.values()] if isinstance(value, dict) else [value]
    if isinstance(reason, list):
        # a regular expression is shown as the list of its octets
        octets = [list(each.encode()) for each in shown if isinstance(each, str)]
        return any(each in reason for each in [*shown, *octets])
    return any(isinstance(each, str) and each in told for each in shown)


@pytest.mark.parametrize("request_", BODIES_BY_REQUEST, ids=lambda request_: " ".join(request_))
def test_each_wrong_value_is_told_of_and_changes_nothing(request_: tuple[str, str]):
    body = BODIES_BY_REQUEST[request_]
    for key in body:
        hunted = Hunted()
        for value in WRONG:
            answer = hunted.check(*request_, json.dumps({**body, key: value}).encode())
            if answer.status >= 400:
                assert says_which(answer.json["reason"], key, value, request_[1]), (key, value, answer)
            else:
                hunted.serves()
                hunted = Hunted()
        hunted.serves()
        missing = Hunted().check(
            *request_, json.dumps({other: value for other, value in body.items() if other != key}).encode()
        )
        if missing.status >= 400:
            assert key in str(missing.json["reason"])


NO_JSON = [
    *(
        b"{",
        b'{"a":',
        b'{"a" 1}',
        b"{}{}",
        b"{,}",
        b"nul",
        b"'a'",
        b"\x00",
        b" ",
        b"\xff",
        b'{"a":"\xff"}',
        b"{'a':1}",
    ),
    *(b"1e400", b"NaN", b"-Infinity", b'{"a":NaN}', b"1" * 5000, b'{"a":' + b"9" * 5000 + b"}"),
    *(
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" * 50_000 + b"]" * 50_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    ),
    *("{}".encode("utf-16"), "{}".encode("utf-32"), b'"\\ud800"', b'{"\\udfff":1}', b"[1,", b"// {}"),
]
NO_OBJECT = [b"[]", b"[1]", b"1", b"-0.0", b'"x"', b'"{}"', b"[{}]", b"[[[[]]]]"]


@pytest.mark.parametrize(
    "request_", [*BODIES_BY_REQUEST, ("POST", "/definitions"), ("POST", "/definitions/%2F")]
)
def test_what_is_no_json_object_is_refused_and_changes_nothing(request_: tuple[str, str]):
    hunted = Hunted()
    for body in NO_JSON + NO_OBJECT:
        answer = hunted.check(*request_, body)
        assert (answer.status, answer.json["error"]) == (400, "bad_request"), (body[:20], answer)
    hunted.serves()


def test_of_keys_that_are_there_twice_the_last_counts():
    hunted = Hunted()
    answer = hunted.check(
        "PUT", "/queues/%2F/new", b'{"durable":true,"durable":false,"arguments":1,"arguments":{}}'
    )
    assert answer.status == 201
    assert json.loads(hunted.ask("GET", "/queues/%2F/new").body)["durable"] is False


def test_json_may_begin_with_a_byte_order_mark():
    assert Hunted().check("PUT", "/queues/%2F/new", b"\xef\xbb\xbf{}").status == 201


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.path)
def test_each_path_answers_queries_and_headers_that_make_no_sense(resource: Resource):
    hunted = Hunted()
    path = resource.path
    for name, value in (("vhost", "%2F"), ("queue", "q"), ("exchange", "x"), ("user", "u"), ("name", "p")):
        path = path.replace(f":{name}", value)
    path = "/".join("q" if part.startswith(":") else part for part in path.split("/"))
    methods = [method for method in resource.handlers if method == "GET"]
    for method in methods:
        for key in QUERY_KEYS:
            for value in QUERY_VALUES[len(key) % 13 :: 13]:
                hunted.check(method, f"{path}?{key}={value}")
        for query in (
            "&&&",
            "=",
            "=&=",
            "page=1&page=2",
            "page",
            "%",
            "a;b",
            "?",
            "page_size=5&page=-1",
            "\xff",
        ):
            hunted.check(method, f"{path}?{query}")
        for headers in ALL_HEADERS:
            hunted.check(method, path, b"", headers)
    for method in METHODS:
        if method not in resource.handlers:
            assert hunted.check(method, path, b"{").status in (200, 400, 401, 404, 405, 503)
    hunted.serves()


AUTHORIZATIONS = [
    *(
        "",
        "Basic",
        "Basic ",
        "Basic !!!",
        "basic Z3Vlc3Q=",
        "Basic Og==",
        "Basic " + "A" * 10000,
        "Bearer x",
        "Digest a=b",
    ),
    *(
        "Basic /////w==",
        "Basic Z3Vlc3Q6Z3Vlc3Q",
        "Basic Z3Vlc3Q6Z3Vlc3Q= x",
        "Basic\tZ3Vlc3Q6d3Jvbmc=",
        "\xff",
        "Negotiate",
    ),
]


@pytest.mark.parametrize("authorization", AUTHORIZATIONS)
def test_who_can_not_be_known_is_refused(authorization: str):
    hunted = Hunted()
    before = hunted.state()
    headers = {"authorization": authorization}
    for method, path in (
        *BODIES_BY_REQUEST,
        ("GET", "/overview"),
        ("DELETE", "/queues/%2F/q"),
        ("GET", "/definitions"),
    ):
        answer = hunted.api.call(method, path, user=None, headers=headers, raw=b"{}")
        assert answer.status == 401, (method, path, answer)
    assert hunted.state() == before


# Definitions with a mistake in the middle

DOCUMENT: Json = json.loads(Hunted().ask("GET", "/definitions").body)
CATEGORIES = [name for name, items in DOCUMENT.items() if isinstance(items, list) and items]
WRONG_ITEMS: list[Any] = [None, True, 7, "x", [], [1], "", {"": ""}, "(", -1, 10**30]


def with_mistake(category: str, mistake: object) -> Json:
    """The document with this among the items of a category, as the second of them."""
    items = DOCUMENT[category]
    return {**DOCUMENT, category: [*items[:1], mistake, *items[1:]]}


def import_of(hunted: Hunted, document: object) -> Answer:
    return hunted.check("POST", "/definitions", json.dumps(document).encode())


def test_a_document_that_has_no_mistake_is_imported():
    hunted = Hunted()
    before = hunted.state()
    assert import_of(hunted, json.loads(hunted.ask("GET", "/definitions").body)).status == 204
    assert hunted.state() == before
    assert import_of(hunted, DOCUMENT).status == 204
    assert hunted.state() != before, "passwords have other hashes"


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_mistake_in_the_middle_of_definitions_is_told_with_its_place_and_nothing_is_done(category: str):
    hunted = Hunted()
    item = DOCUMENT[category][-1]
    mistakes: list[object] = [*WRONG_ITEMS]
    mistakes += [{**item, key: value} for key in item for value in WRONG_ITEMS]
    mistakes += [{other: value for other, value in item.items() if other != key} for key in item]
    mistakes += [{**item, "colour": "red"}]
    refused = 0
    for mistake in mistakes:
        answer = import_of(hunted, with_mistake(category, mistake))
        if answer.status == 204:
            hunted.serves()
            hunted = Hunted()
            continue
        refused += 1
        explanation = answer.json["explanation"]
        assert explanation.startswith((f"{category}[1]", f"{category}: ")), (mistake, explanation)
    assert refused > len(WRONG_ITEMS)
    hunted.serves()


@pytest.mark.parametrize(
    ("body", "explanation"),
    [
        (b'{"queues": [', "line 1, column 13: not JSON: Expecting value"),
        (b'{\n"queues" 1}', "line 2, column 10: not JSON: Expecting ':' delimiter"),
        (b'{"queues": 1}', "queues: must be a list"),
        (b'{"queue": []}', "unknown key 'queue'"),
        (b"\xff", "not UTF-8: invalid start byte"),
    ],
)
def test_definitions_that_are_no_document_are_explained(body: bytes, explanation: str):
    answer = Hunted().check("POST", "/definitions", body)
    assert (answer.status, answer.json["explanation"]) == (400, explanation)


# What is hardly HTTP, over real sockets


@pytest.fixture(scope="module")
def running() -> Iterator[BrokerInThread]:
    with broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=0) as running:
        yield running


GUEST = "Basic Z3Vlc3Q6Z3Vlc3Q="
LOGIN = f"Authorization: {GUEST}\r\n".encode()
GOOD_REQUESTS = [
    b"GET /api/overview HTTP/1.1\r\nHost: a\r\n" + LOGIN + b"\r\n",
    b"PUT /api/queues/%2F/fuzz HTTP/1.1\r\nHost: a\r\n" + LOGIN + b"Content-Length: 2\r\n\r\n{}",
    b"POST /api/definitions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    + LOGIN
    + b"\r\n2\r\n{}\r\n0\r\n\r\n",
    b"GET /cli/rabbitmqadmin HTTP/1.1\r\nHost: a\r\nIf-None-Match: *\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
]
PIECES = st.sampled_from(
    [
        *(
            b"",
            b" ",
            b"\r\n",
            b"\n",
            b"\x00",
            b"\xff",
            b":",
            b"/",
            b"%",
            b"..",
            b"?",
            b"#",
            b"HTTP/0.9",
            b"HTTP/2.0",
        ),
        *(
            b"Content-Length: -1\r\n",
            b"Content-Length: 99999999999\r\n",
            b"Content-Length: 5\r\n",
            b"Host: b\r\n",
        ),
        *(
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-Encoding: gzip\r\n",
            b"Expect: 100-continue\r\n",
            b"\x16\x03",
        ),
        *(
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
            b"X: " + b"a" * 20000 + b"\r\n",
            b"AMQP\x00\x00\x09\x01",
            b"zz\r\n",
        ),
        *(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"http://b/",
            b"Range: bytes=0-\r\n",
            b"Authorization: Basic x\r\n",
        ),
    ]
)


@st.composite
def nearly_http(draw: st.DrawFn) -> bytes:
    """A good request, or two, with pieces put in, left out or cut off."""
    data = b"".join(draw(st.lists(st.sampled_from(GOOD_REQUESTS), min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        data = data[:start] + draw(PIECES) + data[end:]
    return data[: draw(st.sampled_from([None, None, None, -1, len(data) // 2]))]


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(nearly_http())
def test_what_is_hardly_http_is_answered_or_closed_and_others_are_served(
    running: BrokerInThread, data: bytes
):
    address = "127.0.0.1", running.management_port
    answer = answered(address, data)
    assert b"Traceback" not in answer and b" 500 " not in answer.partition(b"\r\n")[0]
    request = Request(f"http://{address[0]}:{address[1]}/api/whoami", headers={"Authorization": GUEST})
    with urlopen(request) as told:
        assert json.load(told)["name"] == "guest"


def answered(address: tuple[str, int], data: bytes) -> bytes:
    """All that comes back, of which some may be lost if the connection is closed before all was sent."""
    got = b""
    with socket.create_connection(address, timeout=60) as connection, contextlib.suppress(ConnectionError):
        with contextlib.suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            got += part
    return got


def test_after_all_that_clients_are_served(running: BrokerInThread):
    with pika.BlockingConnection(pika.URLParameters(running.url)) as connection:
        channel = connection.channel()
        channel.queue_declare("after")
        channel.basic_publish("", "after", b"m")
        assert channel.basic_get("after")[2] == b"m"
