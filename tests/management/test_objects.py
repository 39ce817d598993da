"""Queues, exchanges and bindings over HTTP: made, listed, deleted (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import pytest
from pamqp import commands

from amqpd.protocol.parameters import Parameters
from amqpd.testing import MemoryBroker
from tests.management.conftest import Api

MISSING = (404, "Object Not Found", "Not Found")
NO_VHOST = (404, "not_found", "vhost_not_found")


# Queues


def test_a_queue_is_made_once_and_then_there(api: Api):
    assert api.put("/queues/%2F/q", {"durable": True, "arguments": {"x-max-length": 5}}) == 201
    assert api.put("/queues/%2F/q", {"durable": True, "arguments": {"x-max-length": 5}}) == 204
    queue = api.get("/queues/%2F/q")
    assert (queue["durable"], queue["arguments"], queue["type"]) == (True, {"x-max-length": 5}, "classic")
    assert api.delete("/queues/%2F/q") == 204
    assert api.call("DELETE", "/queues/%2F/q").error == MISSING


def test_an_empty_body_asks_for_a_transient_queue(api: Api):
    for number, body in enumerate((b"", b"null", b"{}", b"true")):
        assert api.call("PUT", f"/queues/%2F/q{number}", raw=body).status == 201
        assert api.get(f"/queues/%2F/q{number}")["durable"] is False


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "not_json"),
        (b"[]", "not_json"),
        (b"5", "not_json"),
        (
            b'"x"',
            "invalid payload: the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?",
        ),
        (b'{"durable": "x"}', ["not_boolean", "x"]),
        (b'{"durable": 1}', ["not_boolean", 1]),
        (b'{"durable": null}', ["not_boolean", None]),
        (
            b'{"arguments": {"x-message-ttl": -1}}',
            "invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}",
        ),
        (b'{"arguments": {"a": null}}', "null_not_allowed"),
        (b'{"arguments": {"a": "\\ud800"}}', "not_json"),
    ],
)
def test_a_queue_that_makes_no_sense_is_refused_with_a_reason(api: Api, body: bytes, reason: object):
    assert api.call("PUT", "/queues/%2F/q", raw=body).error == (400, "bad_request", reason)
    assert api.get("/queues") == []


def test_a_redeclaration_must_be_equivalent(api: Api):
    api.put("/queues/%2F/q", {"durable": True})
    answer = api.call("PUT", "/queues/%2F/q", {"durable": "false"})
    reason = "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"
    assert answer.error == (400, "bad_request", reason)


def test_a_name_can_be_reserved_or_too_long(api: Api):
    assert api.call("PUT", "/queues/%2F/amq.x", {}).error == (401, "not_authorised", "Access refused.")
    reason = "queue should be less than 255 bytes, actually was 256\n"
    assert api.call("PUT", f"/queues/%2F/{'a' * 256}", {}).error == (400, "bad_request", reason)


def test_a_name_need_not_be_utf_8(api: Api):
    for kind in ("queues", "exchanges"):
        assert api.put(f"/{kind}/%2F/a%FF%FE") == 201
        assert api.put(f"/{kind}/%2F/a%FF%FE") == 204
        assert api.get(f"/{kind}/%2F/a%FF%FE")["name"] == "a\ufffd\ufffd"
    reason = api.call("PUT", "/queues/%2F/a%FF%FE", {"durable": True}).json["reason"]
    assert reason.startswith("inequivalent arg 'durable' for queue 'a\ufffd\ufffd' in vhost '/'")
    assert api.delete("/queues/%2F/a%FF%FE") == 204


def test_nothing_can_be_made_in_a_vhost_that_is_not_there(api: Api):
    assert api.call("PUT", "/queues/nope/q", {}).error == NO_VHOST
    assert api.call("PUT", "/exchanges/nope/x", {}).error == NO_VHOST
    assert api.call("POST", "/bindings/nope/e/x/q/q", {}).error == NO_VHOST
    assert api.call("GET", "/queues/nope").error == MISSING


def test_the_broker_s_default_queue_type_is_for_vhosts_that_have_none():
    api = Api(MemoryBroker(Parameters(default_queue_type="quorum")))
    api.put("/vhosts/v", {"default_queue_type": "classic"})
    for name, body in {"durable": {"durable": True}, "transient": {}}.items():
        for vhost in ("%2F", "v"):
            api.put(f"/queues/{vhost}/{name}", body)
    types = {(queue["vhost"], queue["name"]): queue["type"] for queue in api.get("/queues")}
    assert types.pop(("/", "durable")) == "quorum"
    assert set(types.values()) == {"classic"}


def test_a_vhost_s_default_type_is_for_its_queues_here_as_well(api: Api):
    api.put("/vhosts/v", {"default_queue_type": "quorum"})
    api.put("/queues/v/q", {"durable": True})
    assert api.get("/queues/v/q")["type"] == "quorum"


def test_limits_of_a_vhost_are_kept(api: Api):
    api.put("/vhost-limits/%2F/max-queues", {"value": 0})
    reason = "cannot declare queue 'q': queue limit in vhost '/' (0) is reached"
    assert api.call("PUT", "/queues/%2F/q", {}).error == (400, "bad_request", reason)


def test_conditions_keep_a_queue(api: Api, broker: MemoryBroker):
    api.put("/queues/%2F/q")
    api.publish("q")
    reason = "queue 'q' in vhost '/' not empty"
    assert api.call("DELETE", "/queues/%2F/q?if-empty=true").error == (400, "bad_request", reason)
    peer = broker.connect()
    peer.call(1, commands.Basic.Consume(queue="q"))
    reason = "queue 'q' in vhost '/' in use"
    assert api.call("DELETE", "/queues/%2F/q?if-unused=true").error == (400, "bad_request", reason)
    assert api.delete("/queues/%2F/q") == 204
    assert [type(each) for each in peer.methods(1)][-1] is commands.Basic.Cancel


def test_a_queue_of_another_connection_is_seen_with_its_owner_and_left_alone(api: Api, broker: MemoryBroker):
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", exclusive=True))
    queue = api.get("/queues/%2F/q")
    assert queue["exclusive"] is True
    assert queue["owner_pid_details"]["name"] == api.get("/connections")[0]["name"]
    answer = api.call("DELETE", "/queues/%2F/q")
    assert answer.status == 400
    assert answer.json["reason"].startswith("cannot obtain exclusive access to locked queue 'q'")


def test_contents_are_dropped_but_not_of_a_stream(api: Api):
    api.put("/queues/%2F/q")
    api.publish("q")
    assert api.delete("/queues/%2F/q/contents") == 204
    assert api.get("/queues/%2F/q")["messages"] == 0
    api.put("/queues/%2F/s", {"durable": True, "arguments": {"x-queue-type": "stream"}})
    reason = "queue.purge not supported by stream queues queue 's' in vhost '/'"
    assert api.call("DELETE", "/queues/%2F/s/contents").error == (400, "bad_request", reason)
    assert api.call("DELETE", "/queues/%2F/none/contents").error == MISSING


def test_mirrors_can_be_synchronised_as_there_are_none(api: Api):
    api.put("/queues/%2F/q")
    assert api.call("POST", "/queues/%2F/q/actions", {"action": "sync"}).status == 204
    assert api.call("POST", "/queues/%2F/q/actions", {"action": "x"}).error == (
        400,
        "bad_request",
        ["unknown", "x"],
    )


def test_names_of_any_characters_find_their_queue(api: Api):
    for name in ("a%2Fb", "a%20b", "a+b", "%C3%A9", "%25", "~"):
        assert api.put(f"/queues/%2F/{name}") == 201
        assert api.delete(f"/queues/%2F/{name}") == 204


def test_policies_are_seen_at_the_queues_that_follow_them(api: Api):
    api.put("/queues/%2F/q")
    api.put("/policies/%2F/p", {"pattern": ".", "definition": {"message-ttl": 5, "max-length": 9}})
    api.put("/operator-policies/%2F/o", {"pattern": ".", "definition": {"message-ttl": 3}})
    queue = api.get("/queues/%2F/q")
    assert (queue["policy"], queue["operator_policy"]) == ("p", "o")
    assert queue["effective_policy_definition"] == {"max-length": 9, "message-ttl": 3}


# Exchanges


def test_an_exchange_without_a_type_is_direct(api: Api):
    assert api.put("/exchanges/%2F/x", {"durable": True, "internal": True}) == 201
    assert api.put("/exchanges/%2F/x", {"durable": True, "internal": True}) == 204
    exchange = api.get("/exchanges/%2F/x")
    assert (exchange["type"], exchange["internal"], exchange["vhost"]) == ("direct", True, "/")
    assert api.delete("/exchanges/%2F/x") == 204


def test_an_unknown_type_is_refused(api: Api):
    answer = api.call("PUT", "/exchanges/%2F/x", {"type": "nope"})
    assert answer.error == (400, "bad_request", "unknown exchange type 'nope'")


def test_the_default_exchange_is_called_amq_default(api: Api):
    assert api.get("/exchanges/%2F/amq.default")["name"] == ""
    for method in ("PUT", "DELETE"):
        answer = api.call(method, "/exchanges/%2F/amq.default", {})
        assert answer.error == (401, "not_authorised", "Access refused.")


def test_an_exchange_in_use_can_be_kept(api: Api):
    api.put("/exchanges/%2F/x")
    api.put("/queues/%2F/q")
    api.call("POST", "/bindings/%2F/e/x/q/q", {})
    reason = "exchange 'x' in vhost '/' in use"
    assert api.call("DELETE", "/exchanges/%2F/x?if-unused=true").error == (400, "bad_request", reason)


# Bindings


@pytest.fixture
def bound(api: Api) -> Api:
    """The API with an exchange x, an exchange y and a queue q."""
    api.put("/exchanges/%2F/x", {"type": "topic"})
    api.put("/exchanges/%2F/y")
    api.put("/queues/%2F/q")
    return api


@pytest.mark.parametrize(
    ("body", "location", "key"),
    [
        ({}, "q/~", "~"),
        ({"routing_key": "rk", "arguments": {"x": 1}}, "q/rk~9nmLZQ", "rk~9nmLZQ"),
        ({"routing_key": "k", "arguments": {"n": 1, "s": "x"}}, "q/k~-2LzGQ", "k~-2LzGQ"),
        (
            {"arguments": {"n": 1, "s": "x", "f": 1.5, "t": True, "l": [1], "m": {"a": 1}}},
            "q/~CYgmWw",
            "~CYgmWw",
        ),
        ({"routing_key": "a b~c/d+é"}, "q/a%2Bb%257Ec%252Fd%252B%25C3%25A9", "a+b%7Ec%2Fd%2B%C3%A9"),
        ({"routing_key": 5}, "q/5", "5"),
    ],
)
def test_a_binding_has_rabbitmq_s_key_and_place(bound: Api, body: object, location: str, key: str):
    answer = bound.call("POST", "/bindings/%2F/e/x/q/q", body)
    assert (answer.status, answer.headers["location"]) == (201, location)
    listed = bound.get("/bindings/%2F/e/x/q/q")
    assert [binding["properties_key"] for binding in listed] == [key]
    path = "/bindings/%2F/e/x/q/" + location
    assert bound.get(path) == listed[0]
    assert bound.delete(path) == 204
    assert bound.get("/bindings/%2F/e/x/q/q") == []


def test_bindings_are_listed_from_both_ends(bound: Api):
    bound.call("POST", "/bindings/%2F/e/x/e/y", {"routing_key": "k"})
    wanted = {
        "source": "x",
        "vhost": "/",
        "destination": "y",
        "destination_type": "exchange",
        "routing_key": "k",
        "arguments": {},
        "properties_key": "k",
    }
    for path in (
        "/exchanges/%2F/x/bindings/source",
        "/exchanges/%2F/y/bindings/destination",
        "/bindings/%2F/e/x/e/y",
    ):
        assert bound.get(path) == [wanted]


@pytest.mark.parametrize(
    "path",
    [
        "/bindings/nope/e/x/q/q",
        "/exchanges/nope/x/bindings/source",
        "/exchanges/nope/x/bindings/destination",
        "/queues/nope/q/bindings",
    ],
)
def test_in_a_vhost_that_is_not_there_nothing_is_bound_to_anything(api: Api, path: str):
    assert api.get(path) == []


def test_a_binding_s_destination_is_a_queue_or_an_exchange(bound: Api):
    assert bound.call("GET", "/bindings/%2F/e/x/z/q").error == MISSING
    assert bound.call("GET", "/bindings/nope/e/x/z/q").error == MISSING


def test_every_queue_is_bound_to_the_default_exchange(bound: Api):
    assert [binding["source"] for binding in bound.get("/queues/%2F/q/bindings")] == [""]
    assert [binding["destination"] for binding in bound.get("/bindings")] == ["q"]
    answer = bound.call("DELETE", "/bindings/%2F/e/amq.default/q/q/q")
    assert answer.error == (401, "not_authorised", "Access refused.")


def test_both_ends_must_be_there_to_be_bound(bound: Api):
    answer = bound.call("POST", "/bindings/%2F/e/nope/q/q", {})
    assert answer.error == (404, "not_found", "no exchange 'nope' in vhost '/'")
    answer = bound.call("POST", "/bindings/%2F/e/x/q/nope", {})
    assert answer.error == (404, "not_found", "no queue 'nope' in vhost '/'")
    assert bound.call("DELETE", "/bindings/%2F/e/x/q/q/nope").error == MISSING
    assert bound.call("GET", "/bindings/%2F/e/x/q/q/a~b~c").error == MISSING


# On disk


def test_an_answer_is_true_after_a_crash(durable_api: Api):
    durable_api.put("/vhosts/v", {"description": "d", "tags": "a,b"})
    durable_api.put("/users/anna", {"password": "pw", "tags": "monitoring"})
    durable_api.put("/permissions/v/anna", {"configure": "c", "write": "w", "read": "r"})
    durable_api.put("/exchanges/v/x", {"durable": True})
    durable_api.put("/queues/v/q", {"durable": True})
    durable_api.call("POST", "/bindings/v/e/x/q/q", {"routing_key": "k"})
    durable_api.put("/policies/v/p", {"pattern": "q", "definition": {"max-length": 7}})
    durable_api.put("/vhost-limits/v/max-queues", {"value": 3})
    durable_api.put("/global-parameters/g", {"value": [1]})
    before = durable_api.get("/definitions")
    after = Api(durable_api.broker.lose_power())  # type: ignore[attr-defined]
    assert after.get("/definitions") == before
    assert after.get("/queues/v/q")["policy"] == "p"


def test_an_answer_waits_for_the_disk(durable_api: Api):
    broker = durable_api.broker
    broker.flushes = False  # type: ignore[attr-defined]
    journal = broker.broker.storage.journal
    assert journal is not None
    turns = 0

    def settle() -> None:
        nonlocal turns
        turns += 1
        if turns == 20:
            assert journal.has_definitions()
            broker.flush()  # type: ignore[attr-defined]

    broker.settle = settle  # type: ignore[method-assign]
    assert durable_api.put("/queues/%2F/q", {"durable": True}) == 201
    assert turns >= 20
