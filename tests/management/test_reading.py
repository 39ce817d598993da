"""JSON from outside: what nobody could be sent again is refused, before it is kept."""

from __future__ import annotations

import json

import pytest

from amqpd.management.reading import DEPTH_MAX, read_json
from amqpd.testing import DurableBroker
from tests.management.conftest import Api


def nested(depth: int) -> bytes:
    """Objects and lists inside each other, so many."""
    opening, closing = b"", b""
    for level in range(depth):
        opening += b'{"a":' if level % 2 else b"["
        closing = (b"}" if level % 2 else b"]") + closing
    return opening + b"1" + closing


def test_what_is_read_is_what_is_written():
    value = {"a": [1, 2.5, None, True, "é\U0001f407"], "b": {}}
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode("utf-8-sig")) == value


@pytest.mark.parametrize(
    "body",
    [
        b'"\\ud800"',
        b'{"a":{"\\udc00":1}}',
        b"[NaN]",
        b"[-Infinity]",
        b"[1e400]",
        b'"\xff"',
        "[]".encode("utf-16"),
        b"[1] x",
        b"",
    ],
)
def test_what_nobody_could_be_sent_is_no_json(body: bytes):
    with pytest.raises(ValueError, match=r".+"):
        read_json(body)


def test_half_a_character_and_its_other_half_are_one():
    assert read_json(b'"\\ud83d\\udc07"') == "\U0001f407"


@pytest.mark.parametrize("beside", [b"", b"[[]]," * DEPTH_MAX])
def test_so_many_objects_and_lists_may_be_inside_each_other(beside: bytes):
    read_json(b"[" + beside + nested(DEPTH_MAX - 1) + b"]")
    with pytest.raises(RecursionError):
        read_json(b"[" + beside + nested(DEPTH_MAX) + b"]")
    with pytest.raises(RecursionError):
        read_json(nested(100_000))


@pytest.mark.parametrize("depth", [127, 129, DEPTH_MAX - 1, DEPTH_MAX, 950, 100_000])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/global-parameters/g", b'{"value":%b}'),
        ("/parameters/vhost-limits/%2F/limits", b'{"value":%b}'),
        ("/policies/%2F/p", b'{"pattern":"a","definition":{"max-length":%b}}'),
        ("/operator-policies/%2F/p", b'{"pattern":"a","definition":%b}'),
        ("/vhost-limits/%2F/max-queues", b'{"value":%b}'),
        ("/user-limits/guest/max-channels", b'{"value":%b}'),
        ("/users/u", b'{"tags":"","password":"p","limits":{"max-channels":%b}}'),
        ("/queues/%2F/q", b'{"durable":true,"arguments":{"a":%b}}'),
        ("/exchanges/%2F/x", b'{"durable":true,"arguments":{"a":%b}}'),
    ],
)
def test_whatever_is_kept_can_be_told(durable_api: Api, path: str, body: bytes, depth: int):
    answer = durable_api.call("PUT", path, raw=body % nested(depth))
    assert answer.status in (201, 204, 400), answer
    before = durable_api.get("/definitions")
    durable_api.get("/global-parameters")
    if answer.status == 201:
        durable_api.get(path)
    assert isinstance(durable_api.broker, DurableBroker)
    after = Api(durable_api.broker.lose_power())
    assert after.get("/definitions") == before
