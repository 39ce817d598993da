"""Moving messages over HTTP."""

from __future__ import annotations

import pytest

from amqpd.broker.alarms import DISK
from amqpd.testing import DurableBroker
from amqpd.wire.properties import Properties
from tests.management.conftest import Api

MOVE = "/queues/%2F/q/move"


@pytest.fixture(autouse=True)
def queues(api: Api) -> None:
    """Queues q, with three messages, and there."""
    for name in ("q", "there"):
        api.put(f"/queues/%2F/{name}")
    for payload in "abc":
        api.publish("q", payload, headers={"n": payload})


def payloads(api: Api, queue: str) -> list[str]:
    return [each["payload"] for each in api.get_messages(queue)]


def test_all_messages_go_or_so_many(api: Api):
    assert api.post(MOVE, {"to_queue": "there", "count": 2}) == {"moved": 2}
    assert api.post(MOVE, {"to_queue": "there", "count": 5}) == {"moved": 1}
    assert api.post(MOVE, {"to_queue": "there"}) == {"moved": 0}
    first, *others = api.get_messages("there")
    assert (first["payload"], first["routing_key"], first["redelivered"]) == ("a", "there", False)
    assert first["properties"] == {"headers": {"n": "a"}}
    assert [each["payload"] for each in others] == ["b", "c"]


def test_a_queue_of_another_virtual_host_takes_them(api: Api):
    api.put("/vhosts/other")
    api.put("/permissions/other/guest", {"configure": ".*", "write": ".*", "read": ".*"})
    api.put("/queues/other/there")
    assert api.post(MOVE, {"to_vhost": "other", "to_queue": "there"}) == {"moved": 3}
    assert api.get("/queues/other/there")["messages"] == 3
    assert api.get("/queues/%2F/there")["messages"] == 0


def test_an_exchange_routes_them(api: Api):
    api.call("POST", "/bindings/%2F/e/amq.topic/q/there", {"routing_key": "a.#"})
    lost = api.post(MOVE, {"exchange": "amq.topic", "routing_key": "b"})
    reason = "the next message would not be taken: it leads to no queue, or to one that is full"
    assert lost == {"moved": 0, "stopped": reason}
    assert api.post(MOVE, {"exchange": "amq.topic", "routing_key": "a.b", "count": 1}) == {"moved": 1}
    assert api.post(MOVE, {"exchange": "amq.default", "routing_key": "there"}) == {"moved": 2}
    assert payloads(api, "there") == ["a", "b", "c"]


def test_what_leads_back_is_moved_once(api: Api):
    assert api.post(MOVE, {"exchange": "", "routing_key": "q"}) == {"moved": 3}
    assert payloads(api, "q") == ["a", "b", "c"]


def test_many_messages_are_on_disk_when_it_is_answered(durable_api: Api):
    for name in ("q", "there"):
        durable_api.put(f"/queues/%2F/{name}", {"durable": True})
    broker = durable_api.broker
    assert isinstance(broker, DurableBroker)
    broker.flushes = False
    peer = broker.connect()
    for _ in range(2500):
        peer.publish(1, "", "q", b"m", Properties(delivery_mode=2))
    broker.flushes = True
    assert durable_api.post(MOVE, {"to_queue": "there"}) == {"moved": 2500}
    after = Api(broker.lose_power())
    assert [after.get(f"/queues/%2F/{name}")["messages"] for name in ("q", "there")] == [0, 2500]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "one of to_queue and exchange must say where messages go"),
        (
            {"to_queue": "there", "exchange": "", "routing_key": "q"},
            "one of to_queue and exchange must say where messages go",
        ),
        ({"exchange": "amq.topic"}, "exchange and routing_key belong together"),
        ({"to_queue": "there", "routing_key": "q"}, "exchange and routing_key belong together"),
        ({"to_queue": 5}, ["not_string", "to_queue"]),
        ({"to_queue": "there", "to_vhost": 5}, ["not_string", "to_vhost"]),
        ({"to_queue": "there", "count": "x"}, ["not_integer", "x"]),
        ({"to_queue": "there", "count": 0}, "count: 0 is less than 1"),
        (
            {"to_queue": "there", "cuont": 1},
            "unknown key 'cuont'; known are count, exchange, routing_key, to_queue, to_vhost",
        ),
        ({"to_queue": "q"}, "a queue's messages can't be moved into itself"),
        ({"exchange": "", "routing_key": "x" * 256}, "routing_key has more than 255 bytes"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_moves(api: Api, body: object, reason: object):
    assert api.call("POST", MOVE, body).error == (400, "bad_request", reason)
    assert payloads(api, "q") == ["a", "b", "c"]


def test_what_is_not_there_is_said(api: Api):
    body = {"to_queue": "none"}
    assert api.call("POST", MOVE, body).error == (
        404,
        "not_found",
        "NOT_FOUND - no queue 'none' in vhost '/'",
    )
    answer = api.call("POST", "/queues/%2F/none/move", {"to_queue": "there"})
    assert answer.error == (404, "not_found", "NOT_FOUND - no queue 'none' in vhost '/'")
    answer = api.call("POST", MOVE, {"exchange": "none", "routing_key": ""})
    assert answer.error == (404, "not_found", "NOT_FOUND - no exchange 'none' in vhost '/'")
    answer = api.call("POST", MOVE, {"to_vhost": "none", "to_queue": "there"})
    assert answer.error == (401, "not_authorised", "Access refused.")


def test_whoever_moves_must_be_allowed_to_read_here_and_to_write_there(api: Api):
    api.put("/exchanges/%2F/inner", {"type": "fanout", "internal": True})
    for name, write, read in (
        ("reader", "^$", ".*"),
        ("writer", ".*", "^$"),
        ("topical", ".*", ".*"),
        ("stranger", ".*", ".*"),
    ):
        api.add_user(name, "management")
        api.broker.users.set_permissions(name, "/", "^$", write, read)
    api.put("/topic-permissions/%2F/topical", {"exchange": "amq.topic", "write": "^yes$", "read": ""})
    api.put("/vhosts/other")
    to_queue, to_topic = {"to_queue": "there"}, {"exchange": "amq.topic", "routing_key": "no"}
    for user, body, reason in (
        ("writer", to_queue, "access to queue 'q' in vhost '/' refused for user 'writer'"),
        ("reader", to_queue, "access to exchange 'amq.default' in vhost '/' refused for user 'reader'"),
        ("reader", to_topic, "access to exchange 'amq.topic' in vhost '/' refused for user 'reader'"),
        (
            "topical",
            to_topic,
            "access to topic 'no' in exchange 'amq.topic' in vhost '/' refused for user 'topical'",
        ),
        (
            "stranger",
            {"exchange": "inner", "routing_key": ""},
            "cannot publish to internal exchange 'inner' in vhost '/'",
        ),
    ):
        answer = api.call("POST", MOVE, body, user=user)
        assert answer.error == (401, "not_authorised", f"ACCESS_REFUSED - {reason}")
    answer = api.call("POST", MOVE, {"to_queue": "there", "to_vhost": "other"}, user="stranger")
    assert answer.error == (401, "not_authorised", "Access refused.")
    assert payloads(api, "q") == ["a", "b", "c"]


def test_nothing_moves_out_of_a_stream_nor_during_an_alarm(durable_api: Api, api: Api):
    durable_api.put("/queues/%2F/q", {"durable": True, "arguments": {"x-queue-type": "stream"}})
    durable_api.put("/queues/%2F/there")
    durable_api.publish("q")
    reason = "540 moving messages not supported by stream queues queue 'q' in vhost '/'"
    answer = durable_api.call("POST", MOVE, {"to_queue": "there"})
    assert answer.error == (400, "bad_request", reason)
    api.broker.broker.alarms.raise_alarm(DISK)
    answer = api.call("POST", MOVE, {"to_queue": "there"})
    assert answer.error == (400, "bad_request", "Unable to move messages: low on disk")


def test_a_log_that_can_not_be_written_is_said(durable_api: Api):
    for name in ("q", "there"):
        durable_api.put(f"/queues/%2F/{name}", {"durable": True})
    durable_api.publish("q", delivery_mode=2)
    durable_api.broker.journal.failure = "no space left"  # type: ignore[attr-defined]
    answer = durable_api.call("POST", MOVE, {"to_queue": "there"})
    reason = "506 RESOURCE_ERROR - cannot write to the log: no space left"
    assert answer.error == (400, "bad_request", reason)
