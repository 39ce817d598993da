"""Publishing and getting messages over HTTP (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import pytest
from pamqp import commands

from amqpd.broker.alarms import MEMORY
from amqpd.management.views import messages
from amqpd.testing import MemoryBroker
from tests.management.conftest import Api

PROPERTIES = {
    "cluster_id": "cl",
    "app_id": "a",
    "user_id": "guest",
    "type": "t",
    "timestamp": 5,
    "message_id": "m",
    "expiration": "60000",
    "reply_to": "r",
    "correlation_id": "c",
    "priority": 3,
    "delivery_mode": 2,
    "headers": {"a": 1, "b": "x", "c": [1], "d": {"e": True}},
    "content_encoding": "e",
    "content_type": "t",
}
PUBLISH = {"properties": {}, "routing_key": "q", "payload": "hi", "payload_encoding": "string"}


@pytest.fixture(autouse=True)
def queue(api: Api) -> None:
    """A queue q."""
    api.put("/queues/%2F/q")


def test_a_message_comes_out_as_it_went_in(api: Api):
    assert api.publish("q", "héllo", **PROPERTIES)
    [message] = api.get_messages("q")
    assert message == {
        "payload_bytes": 6,
        "redelivered": False,
        "exchange": "",
        "routing_key": "q",
        "message_count": 0,
        "properties": PROPERTIES,
        "payload": "héllo",
        "payload_encoding": "string",
    }
    assert list(message["properties"]) == list(PROPERTIES)


def test_no_properties_are_an_empty_list(api: Api):
    api.publish("q")
    assert api.get_messages("q")[0]["properties"] == []


def test_a_message_that_no_queue_takes_is_said_to_be_lost(api: Api):
    assert not api.publish("none")
    assert not api.publish("k", exchange="amq.topic")


@pytest.mark.parametrize("ackmode", ["ack_requeue_true", "reject_requeue_true"])
def test_messages_that_are_looked_at_stay_and_are_marked(api: Api, ackmode: str):
    for payload in "abc":
        api.publish("q", payload)
    first = api.get_messages("q", ackmode=ackmode)
    again = api.get_messages("q", count=2, ackmode=ackmode)
    assert [(each["payload"], each["message_count"]) for each in first] == [("a", 2), ("b", 1), ("c", 0)]
    assert [(each["payload"], each["redelivered"]) for each in again] == [("a", True), ("b", True)]
    assert api.get("/queues/%2F/q")["messages_ready"] == 3


def test_messages_can_be_rejected_into_the_dead_letter_exchange(api: Api):
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "q"}
    api.put("/queues/%2F/dying", {"arguments": arguments})
    api.publish("dying", "dead")
    api.get_messages("dying", ackmode="reject_requeue_false")
    [dead] = api.get_messages("q")
    assert dead["payload"] == "dead"
    assert dead["properties"]["headers"]["x-death"][0]["reason"] == "rejected"


def test_a_payload_that_is_no_text_is_base64(api: Api):
    body = {**PUBLISH, "payload": "//79", "payload_encoding": "base64"}
    api.post("/exchanges/%2F/amq.default/publish", body)
    [message] = api.get_messages("q", ackmode="ack_requeue_true")
    assert (message["payload"], message["payload_encoding"], message["payload_bytes"]) == (
        "//79",
        "base64",
        3,
    )
    [message] = api.get_messages("q", encoding="base64", truncate=2)
    assert (message["payload"], message["payload_bytes"]) == ("//4=", 3)


def test_a_stream_and_a_missing_queue_are_not_got_from(api: Api):
    api.put("/queues/%2F/s", {"durable": True, "arguments": {"x-queue-type": "stream"}})
    get = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    reason = "540 basic.get not supported by stream queues queue 's' in vhost '/'"
    assert api.call("POST", "/queues/%2F/s/get", get).error == (400, "bad_request", reason)
    reason = "NOT_FOUND - no queue 'none' in vhost '/'"
    assert api.call("POST", "/queues/%2F/none/get", get).error == (404, "not_found", reason)
    answer = api.call("POST", "/queues/nope/none/get", get)
    assert answer.error == (401, "not_authorised", "Access refused.")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"encoding": "x"}, "Unsupported encoding. Please use auto or base64."),
        ({"count": "z"}, ["not_integer", "z"]),
        ({"ackmode": "x"}, ["unknown_ackmode", "x"]),
        ({"truncate": "y"}, ["not_integer", "y"]),
    ],
)
def test_a_get_that_makes_no_sense_is_refused(api: Api, change: dict[str, object], reason: object):
    body = {"count": "1", "ackmode": "ack_requeue_true", "encoding": "auto", **change}
    assert api.call("POST", "/queues/%2F/q/get", body).error == (400, "bad_request", reason)


def test_missing_keys_are_named_all_at_once(api: Api):
    answer = api.call("POST", "/queues/%2F/q/get", {"count": 1})
    assert answer.json["reason"] == "[{key_missing,ackmode},{key_missing,encoding}]"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"payload": 5}, "payload_not_string"),
        ({"payload_encoding": "x"}, ["unsupported_encoding", "x"]),
        ({"payload": "!!", "payload_encoding": "base64"}, ["not_base64", "!!"]),
        ({"properties": {"delivery_mode": "2"}}, ["not_int", "delivery_mode"]),
        ({"properties": {"content_type": 1}}, ["not_string", "content_type"]),
        ({"properties": {"expiration": "x"}}, "406 PRECONDITION_FAILED - invalid expiration 'x': no_integer"),
        (
            {"properties": {"user_id": "z"}},
            "406 PRECONDITION_FAILED - user_id property set to 'z' but authenticated user was 'guest'",
        ),
        (
            {"properties": {"delivery_mode": 9}},
            "406 PRECONDITION_FAILED - invalid message: {delivery_mode_unknown,9}",
        ),
    ],
)
def test_a_publish_that_makes_no_sense_is_refused(api: Api, change: dict[str, object], reason: object):
    answer = api.call("POST", "/exchanges/%2F/amq.default/publish", {**PUBLISH, **change})
    assert answer.error == (400, "bad_request", reason)
    assert api.get("/queues/%2F/q")["messages"] == 0


def test_a_publish_to_no_exchange_is_refused(api: Api):
    answer = api.call("POST", "/exchanges/%2F/nope/publish", PUBLISH)
    assert answer.error == (400, "bad_request", "404 NOT_FOUND - no exchange 'nope' in vhost '/'")


def test_a_full_queue_says_so(api: Api):
    api.put("/queues/%2F/full", {"arguments": {"x-max-length": 0, "x-overflow": "reject-publish"}})
    answer = api.call("POST", "/exchanges/%2F/amq.default/publish", {**PUBLISH, "routing_key": "full"})
    assert answer.error == (400, "bad_request", "rejected Unable to publish message. Check queue limits.")


def test_nothing_is_published_during_an_alarm(api: Api, broker: MemoryBroker):
    broker.broker.alarms.raise_alarm(MEMORY)
    answer = api.call("POST", "/exchanges/%2F/amq.default/publish", PUBLISH)
    assert answer.error == (400, "bad_request", "Unable to publish message: low on memory")


def test_a_consumer_gets_what_is_published_here(api: Api, broker: MemoryBroker):
    consumer = broker.connect()
    consumer.call(1, commands.Basic.Consume(queue="q", no_ack=True))
    api.publish("q", "x" * 300000)
    assert consumer.bodies(1) == [b"x" * 300000]


def test_a_durable_message_is_on_disk_when_it_is_answered(durable_api: Api):
    durable_api.put("/queues/%2F/d", {"durable": True})
    assert durable_api.publish("d", "kept", delivery_mode=2)
    after = Api(durable_api.broker.lose_power())  # type: ignore[attr-defined]
    assert [each["payload"] for each in after.get_messages("d")] == ["kept"]


def test_quorum_queues_and_streams_take_messages(durable_api: Api):
    for queue_type in ("quorum", "stream"):
        arguments = {"x-queue-type": queue_type}
        durable_api.put(f"/queues/%2F/{queue_type}", {"durable": True, "arguments": arguments})
        assert durable_api.publish(queue_type)
        assert durable_api.get(f"/queues/%2F/{queue_type}")["messages"] == 1


def test_the_aliveness_test_publishes_and_gets(api: Api):
    assert api.get("/aliveness-test/%2F") == {"status": "ok"}
    assert api.get("/queues/%2F/aliveness-test")["messages"] == 0
    assert api.call("GET", "/aliveness-test/nope").status == 404


def test_the_aliveness_test_fails_where_its_message_does_not_stay(api: Api):
    api.put("/policies/%2F/p", {"pattern": "^aliveness", "definition": {"max-length": 0}})
    answer = api.call("GET", "/aliveness-test/%2F")
    assert (answer.status, answer.json) == (
        503,
        {"status": "failed", "reason": "aliveness-test queue is empty"},
    )


def test_an_answer_has_only_so_much_of_a_queue_and_the_rest_stays(api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(messages, "MOST_BYTES", 10 * messages.MESSAGE_BYTES)
    for _ in range(20):
        api.publish("q")
    assert len(api.get_messages("q", -1)) == 10
    assert len(api.get_messages("q", -1, "ack_requeue_true")) == 10
    assert api.get("/queues/%2F/q")["messages_ready"] == 10


@pytest.mark.parametrize("count", [-1, -5, 10**18])
def test_more_messages_than_there_are_are_all_of_them(api: Api, count: int):
    for _ in range(120):
        api.publish("q")
    assert len(api.get_messages("q", count)) == 120
