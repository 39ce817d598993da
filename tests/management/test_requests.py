"""Whatever is asked, the API has an answer: never 500, and always JSON where there is a body."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amqpd.management import views
from amqpd.management.resources import ROOT, Place
from amqpd.testing import MemoryBroker
from tests.management.conftest import Api

views.load()


def paths(place: Place) -> list[str]:
    """Every path there is, as it was registered."""
    found = [] if place.resource is None else [place.resource.path]
    following = [*place.words.values(), *([] if place.any is None else [place.any])]
    return found + [path for each in following for path in paths(each)]


PATHS = sorted(paths(ROOT))
NAMES = st.sampled_from(
    [
        "%2F",
        "q",
        "x",
        "amq.topic",
        "amq.default",
        "guest",
        "e",
        "amqp",
        "1",
        "~",
        "k~a",
        "nope",
        "%FF",
        "%00",
        "",
        "%C3%A9",
    ]
) | st.text(min_size=1, max_size=3).map(lambda text: "".join(f"%{octet:02X}" for octet in text.encode()))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["(", "queues", "auto", "string", "base64", "ack_requeue_true", "quorum", "a,b"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [
        "durable",
        "auto_delete",
        "arguments",
        "type",
        "internal",
        "routing_key",
        "payload",
        "payload_encoding",
        "properties",
        "count",
        "ackmode",
        "encoding",
        "truncate",
        "password",
        "password_hash",
        "tags",
        "limits",
        "permissions",
        "configure",
        "write",
        "read",
        "exchange",
        "pattern",
        "definition",
        "priority",
        "apply-to",
        "value",
        "name",
        "users",
        "action",
        "description",
        "tracing",
        "default_queue_type",
        "queues",
        "bindings",
        "vhosts",
    ]
)
BODIES = st.dictionaries(KEYS, VALUES, max_size=6) | VALUES
QUERIES = st.dictionaries(
    st.sampled_from(
        [
            "page",
            "page_size",
            "name",
            "sort",
            "sort_reverse",
            "columns",
            "disable_stats",
            "enable_queue_totals",
            "lengths_age",
            "lengths_incr",
            "if-unused",
            "if-empty",
            "memory",
        ]
    ),
    st.sampled_from(
        [
            "1",
            "0",
            "true",
            "x",
            "",
            "name",
            "arguments.x",
            "message_stats.publish",
            "-1",
            "99999999999999999999",
        ]
    ),
    max_size=3,
)
ESSENTIAL: dict[str, dict[str, Any]] = {
    "publish": {"properties": {}, "routing_key": "q", "payload": "", "payload_encoding": "string"},
    "get": {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"},
    "permissions": {"configure": "", "write": "", "read": "", "exchange": "x"},
    "policies": {"pattern": ".", "definition": {"max-length": 1}},
    "users": {"password": "p", "tags": "", "users": []},
}


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """Method, path with a query, and body."""
    template = draw(st.sampled_from(PATHS))
    segments = [draw(NAMES) if each.startswith(":") else each for each in template.strip("/").split("/")]
    query = "&".join(f"{name}={value}" for name, value in draw(QUERIES).items())
    method = draw(st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]))
    body: object = draw(BODIES)
    if isinstance(body, dict) and draw(st.booleans()):
        for word, values in ESSENTIAL.items():
            if word in template:
                body = {**values, **body}
    return method, f"/{'/'.join(segments)}?{query}", json.dumps(body).encode()


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(requests(), min_size=1, max_size=4))
def test_no_request_is_beyond_an_answer(asked: list[tuple[str, str, bytes]]):
    broker = MemoryBroker()
    api = Api(broker)
    api.put("/queues/%2F/q")
    api.put("/exchanges/%2F/x")
    api.publish("q")
    for method, path, body in asked:
        if api.broker.users.get("guest") is None or api.call("GET", "/whoami").status != 200:
            return  # the password was changed, or guest is gone
        answer = api.call(method, path, raw=body)
        assert answer.status < 500 or answer.status == 503, (
            method,
            path,
            body,
            answer,
            broker.events.told[-1:],
        )
        if answer.body:
            json.loads(answer.body)


@settings(max_examples=100, deadline=None)
@given(
    st.binary(max_size=20), st.sampled_from(["/queues/%2F/q", "/users/u", "/definitions", "/policies/%2F/p"])
)
def test_no_body_is_beyond_an_answer(body: bytes, path: str):
    api = Api(MemoryBroker())
    method = "POST" if path == "/definitions" else "PUT"
    assert api.call(method, path, raw=body).status < 500


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="?#"), max_size=30))
def test_no_path_is_beyond_an_answer(path: str):
    assert Api(MemoryBroker()).call("GET", f"/{path}").status < 500


def test_a_fault_of_ours_is_told_to_the_log_and_answered(api: Api, broker: MemoryBroker):
    broker.broker.vhosts["/"].exchanges[""] = None  # type: ignore[assignment]
    assert api.call("GET", "/exchanges").error[:2] == (500, "internal_error")
    assert broker.events.told[-1][1] == "internal error"
