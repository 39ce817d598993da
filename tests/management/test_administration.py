"""Users, permissions, virtual hosts, policies, parameters, limits and health over HTTP (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import pytest
from pamqp import commands

from amqpd.broker.alarms import DISK
from amqpd.management.site import Listening, Site
from amqpd.protocol.parameters import Parameters
from amqpd.testing import MemoryBroker
from tests.management.conftest import Api

MISSING = (404, "Object Not Found", "Not Found")
HASH = "3dbmL8AeWWs6Jk1+oMaa08tBPDx10KuKoxWa6lpw+qmm6yym"


def bad_request(reason: object) -> tuple[int, str, object]:
    return 400, "bad_request", reason


# Users


def test_a_user_is_made_once_and_then_changed(api: Api):
    assert api.put("/users/anna", {"password": "pw", "tags": "management, own"}) == 201
    api.put("/permissions/%2F/anna", {"configure": "", "write": "", "read": ""})
    assert api.get("/whoami", user="anna")["tags"] == ["management", "own"]
    assert api.put("/users/anna", {"password": "new", "tags": ["monitoring"]}) == 204
    assert api.get("/whoami", user="anna", password="new")["tags"] == ["monitoring"]
    assert len(api.get("/users/anna/permissions")) == 1
    assert api.delete("/users/anna") == 204
    assert api.call("GET", "/users/anna").error == MISSING


def test_a_hash_is_kept_as_it_is_given(api: Api):
    body = {"password_hash": HASH, "hashing_algorithm": "rabbit_password_hashing_sha512", "tags": ""}
    api.put("/users/anna", body)
    assert api.get("/users/anna") == {
        "name": "anna",
        "password_hash": HASH,
        "hashing_algorithm": "rabbit_password_hashing_sha512",
        "tags": [],
        "limits": {},
    }


def test_a_user_without_a_password_cannot_log_in_with_one(api: Api):
    api.put("/users/anna", {"tags": "management", "password_hash": ""})
    assert api.call("GET", "/whoami", user="anna", password="x").status == 401


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"password": "x"}, "tags_not_present"),
        (
            {"password": "x", "password_hash": HASH, "tags": ""},
            "both_password_and_password_hash_are_provided",
        ),
        ({"password_hash": "!!", "tags": ""}, ["not_base64", "!!"]),
        ({"password_hash": 5, "tags": ""}, ["not_base64", 5]),
        (
            {"password": "x", "tags": "", "limits": {"max": 5}},
            'Unrecognised terms [{<<"max">>,5}] in user-limits',
        ),
    ],
)
def test_a_user_that_makes_no_sense_is_refused(api: Api, body: object, reason: object):
    assert api.call("PUT", "/users/anna", body).error == bad_request(reason)
    assert api.call("GET", "/users/anna").error == MISSING


def test_users_are_deleted_together_until_one_is_missing(api: Api):
    api.add_user("anna")
    api.add_user("berta", vhost=None)
    assert [user["name"] for user in api.get("/users/without-permissions")] == ["berta"]
    answer = api.call("POST", "/users/bulk-delete", {"users": ["anna", "nope", "berta"]})
    assert answer.error == bad_request(["no_such_user", "nope"])
    assert [user["name"] for user in api.get("/users")] == ["berta", "guest"]
    assert api.call("POST", "/users/bulk-delete", {"users": ["berta"]}).status == 204


def test_a_deleted_user_s_connections_are_closed(api: Api, broker: MemoryBroker):
    api.add_user("anna")
    peer = broker.peer().open(user="anna", password="pw")
    api.delete("/users/anna")
    assert (
        peer.expect(0, commands.Connection.Close).reply_text == "CONNECTION_FORCED - user 'anna' is deleted"
    )


# Permissions


def test_permissions_are_given_changed_and_taken(api: Api):
    api.add_user("anna", vhost=None)
    assert api.call("GET", "/permissions/%2F/anna").error == MISSING
    assert api.put("/permissions/%2F/anna", {"configure": "a", "write": ".*", "read": ""}) == 201
    assert api.put("/permissions/%2F/anna", {"configure": "b", "write": ".*", "read": ""}) == 204
    wanted = {"user": "anna", "vhost": "/", "configure": "b", "write": ".*", "read": ""}
    assert api.get("/permissions/%2F/anna") == wanted
    assert wanted in api.get("/permissions")
    assert wanted in api.get("/vhosts/%2F/permissions")
    assert api.delete("/permissions/%2F/anna") == 204
    assert api.call("DELETE", "/permissions/%2F/anna").error == MISSING


def test_permissions_need_user_vhost_and_patterns(api: Api):
    body = {"configure": "(", "write": "", "read": ""}
    pattern = bad_request(["invalid_regexp", [40], [[*b"missing )"], 1]])
    assert api.call("PUT", "/permissions/%2F/guest", body).error == pattern
    nobody = bad_request("vhost_or_user_not_found")
    assert api.call("PUT", "/permissions/nope/guest", body).error == nobody
    assert api.call("PUT", "/permissions/%2F/nope", body).error == nobody
    missing = bad_request("[{key_missing,write},{key_missing,read}]")
    assert api.call("PUT", "/permissions/%2F/guest", {"configure": ""}).error == missing


def test_topic_permissions_are_for_names_that_an_exchange_can_have(durable_api: Api):
    body = {"exchange": "é" * 128, "write": "", "read": ""}
    answer = durable_api.call("PUT", "/topic-permissions/%2F/guest", body)
    assert answer.error == bad_request("exchange has more than 255 bytes")
    assert durable_api.get("/topic-permissions") == []
    assert durable_api.put("/users/guest", {"tags": "administrator", "password": "guest"}) == 204


def test_topic_permissions_are_given_and_taken(api: Api):
    body = {"exchange": "amq.topic", "write": "^a", "read": ".*"}
    assert api.put("/topic-permissions/%2F/guest", body) == 201
    assert api.put("/topic-permissions/%2F/guest", body) == 204
    wanted = [{"user": "guest", "vhost": "/", **body}]
    for path in ("/topic-permissions", "/topic-permissions/%2F/guest", "/users/guest/topic-permissions"):
        assert api.get(path) == wanted
    answer = api.call(
        "POST",
        "/exchanges/%2F/amq.topic/publish",
        {
            "properties": {},
            "routing_key": "b",
            "payload": "",
            "payload_encoding": "string",
        },
    )
    assert answer.json["reason"].startswith("403 ACCESS_REFUSED - access to topic 'b'")
    bad = api.call("PUT", "/topic-permissions/%2F/guest", {**body, "write": "("})
    assert bad.error == bad_request(["invalid_regexp", "(", [[*b"missing )"], 1]])
    assert api.delete("/topic-permissions/%2F/guest") == 204
    assert api.call("GET", "/topic-permissions/%2F/guest").error == MISSING


# Virtual hosts


def test_who_makes_a_vhost_may_do_everything_there(api: Api):
    assert api.put("/vhosts/v", {"description": "d", "tags": "a,b"}) == 201
    assert api.put("/vhosts/v", {"description": "e", "tags": ["c"]}) == 204
    vhost = api.get("/vhosts/v")
    assert (vhost["description"], vhost["tags"], vhost["default_queue_type"]) == ("e", ["c"], "undefined")
    assert vhost["metadata"] == {"description": "e", "tags": ["c"]}
    assert vhost["cluster_state"] == {api.site.node: "running"}
    assert api.get("/permissions/v/guest")["write"] == ".*"


def test_a_vhost_goes_with_its_permissions_queues_and_connections(api: Api, broker: MemoryBroker):
    api.put("/vhosts/v")
    api.put("/queues/v/q")
    peer = broker.peer().open("v")
    assert api.delete("/vhosts/v") == 204
    assert peer.expect(0, commands.Connection.Close).reply_text == "CONNECTION_FORCED - vhost 'v' is deleted"
    assert api.call("DELETE", "/vhosts/v").error == MISSING
    assert [each["vhost"] for each in api.get("/permissions")] == ["/"]


# Policies


def test_a_policy_is_set_replaced_and_deleted(api: Api):
    body = {"pattern": "^q", "definition": {"max-length": 5}, "priority": 2, "apply-to": "queues"}
    assert api.put("/policies/%2F/p", body) == 201
    assert api.put("/policies/%2F/p", {**body, "priority": 3}) == 204
    wanted = {"vhost": "/", "name": "p", **body, "priority": 3}
    assert api.get("/policies/%2F/p") == wanted
    assert api.get("/policies") == [wanted]
    assert api.delete("/policies/%2F/p") == 204
    assert api.call("DELETE", "/policies/%2F/p").error == MISSING


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"pattern": "x"}, "[{key_missing,definition}]"),
        ({"pattern": "x", "definition": {}}, "Validation failed\n\nno policy provided\n"),
        (
            {"pattern": "x", "definition": {"nope": 1}},
            'Validation failed\n\n[{&lt;&lt;"nope"&gt;&gt;,1}] are not recognised policy settings\n',
        ),
        (
            {"pattern": "(", "definition": {"message-ttl": 1}},
            'Validation failed\n\npattern should be regular expression but is invalid: {"missing )",1}\n',
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(api: Api, body: object, reason: str):
    assert api.call("PUT", "/policies/%2F/p", body).error == bad_request(reason)
    assert api.get("/policies") == []


def test_an_operator_policy_knows_fewer_keys(api: Api):
    body = {"pattern": "x", "definition": {"message-ttl": 1}, "apply-to": "queues"}
    assert api.put("/operator-policies/%2F/o", body) == 201
    assert api.get("/operator-policies/%2F") == [{"vhost": "/", "name": "o", **body, "priority": 0}]
    answer = api.call(
        "PUT", "/operator-policies/%2F/o", {**body, "definition": {"dead-letter-exchange": "a"}}
    )
    reason = (
        'Validation failed\n\n[{<<"dead-letter-exchange">>,<<"a">>}] are not recognised policy settings\n'
    )
    assert answer.error == bad_request(reason)
    assert api.delete("/operator-policies/%2F/o") == 204


# Parameters and limits


def test_limits_and_operator_policies_are_parameters_as_well(api: Api):
    definition = {"pattern": "x", "definition": {"message-ttl": 1}, "priority": 0, "apply-to": "all"}
    api.put("/operator-policies/%2F/o", definition)
    api.put("/vhost-limits/%2F/max-queues", {"value": 5})
    limits = {"value": {"max-queues": 5}, "vhost": "/", "component": "vhost-limits", "name": "limits"}
    policy = {"value": definition, "vhost": "/", "component": "operator_policy", "name": "o"}
    assert sorted(api.get("/parameters"), key=str) == sorted([limits, policy], key=str)
    assert api.get("/parameters/vhost-limits/%2F/limits") == limits
    assert api.get("/parameters/operator_policy") == [policy]
    assert api.delete("/parameters/vhost-limits/%2F/limits") == 204
    assert api.get("/vhost-limits") == []


def test_limits_are_no_text_and_an_empty_list_is_no_limit(api: Api):
    path = "/parameters/vhost-limits/%2F/limits"
    assert api.put(path, {"value": {"max-queues": 5}}) == 201
    answer = api.call("PUT", path, {"value": "<&>"})
    reason = 'Validation failed\n\nlimits not a list &lt;&lt;"&lt;&amp;&gt;"&gt;&gt;\n'
    assert answer.error == bad_request(reason)
    assert api.get(path)["value"] == {"max-queues": 5}
    assert api.put(path, {"value": []}) == 204
    assert api.get("/vhost-limits") == []


def test_a_component_that_there_is_not_is_refused(api: Api):
    answer = api.call("PUT", "/parameters/shovel/%2F/s", {"value": {}})
    assert answer.error == bad_request("Validation failed\n\ncomponent shovel not found\n")
    answer = api.call("PUT", "/parameters/policy/%2F/p", {"value": {}})
    assert answer.error == bad_request("policies may not be set using this method")


def test_limits_of_a_vhost_are_set_and_lifted(api: Api):
    assert api.put("/vhost-limits/%2F/max-queues", {"value": 5}) == 204
    assert api.get("/vhost-limits/%2F") == [{"vhost": "/", "value": {"max-queues": 5}}]
    answer = api.call("PUT", "/vhost-limits/%2F/max-x", {"value": 5})
    assert answer.error == bad_request(
        'Validation failed\n\nUnrecognised terms [{<<"max-x">>,5}] in limits\n'
    )
    assert api.delete("/vhost-limits/%2F/max-queues") == 204
    assert api.get("/vhost-limits/%2F") == []


def test_limits_of_a_user_are_set_and_lifted(api: Api):
    assert api.put("/user-limits/guest/max-channels", {"value": 7}) == 204
    assert api.get("/user-limits/guest") == api.get("/user-limits")
    assert api.get("/user-limits") == [{"user": "guest", "value": {"max-channels": 7}}]
    answer = api.call("PUT", "/user-limits/guest/max-channels", {"value": "a"})
    assert answer.error == bad_request('max-channels should be a number, actually was <<"a">>')
    answer = api.call("PUT", "/user-limits/nope/max-channels", {"value": 1})
    assert answer.error == bad_request(["no_such_user", "nope"])
    answer = api.call("PUT", "/user-limits/nope/max-channels", {"value": 1.5})
    assert answer.error == bad_request("max-channels should be a number, actually was 1.5")
    assert api.delete("/user-limits/guest/max-channels") == 204
    assert api.get("/user-limits") == []


def test_parameters_of_the_broker_are_kept(api: Api):
    assert api.put("/global-parameters/g", {"value": {"a": 1}}) == 201
    assert api.put("/global-parameters/g", {"value": [1, "b"]}) == 204
    assert api.get("/global-parameters/g") == {"value": [1, "b"], "name": "g"}
    assert api.delete("/global-parameters/g") == 204
    assert api.call("GET", "/global-parameters/g").error == MISSING


# The broker


def test_the_overview_has_what_tools_look_for(api: Api):
    overview = api.get("/overview")
    assert overview["rabbitmq_version"] == overview["management_version"] == "3.10.8"
    assert (overview["product_name"], overview["node"]) == ("RabbitMQ", api.site.node)
    assert {
        "name": "direct",
        "description": "AMQP direct exchange, as per the AMQP specification",
        "enabled": True,
    } in (overview["exchange_types"])
    assert [each["port"] for each in overview["listeners"]] == [5672, 15672]
    assert overview["object_totals"]["exchanges"] == 7


def test_the_cluster_can_be_named(api: Api, broker: MemoryBroker):
    node = api.site.node
    assert api.put("/cluster-name", {"name": "blue"}) == 204
    assert api.get("/cluster-name") == {"name": "blue"}
    assert api.get("/nodes")[0]["name"] == node
    assert api.get("/global-parameters") == [{"name": "cluster_name", "value": "blue"}]
    assert Site(broker.broker, broker.users, Parameters()).parameters.cluster_name == "blue"
    assert broker.peer().start().server_properties["cluster_name"].value == "blue"  # type: ignore[union-attr]


def test_a_node_is_described(api: Api):
    [node] = api.get("/nodes")
    assert api.get(f"/nodes/{node['name']}").keys() == node.keys()
    assert {"mem_used", "mem_limit", "disk_free", "fd_used", "uptime", "running", "type"} <= node.keys()
    assert "total" in api.get(f"/nodes/{node['name']}/memory")["memory"]
    assert api.call("GET", "/nodes/x").error == MISSING


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("alarms", {"status": "ok"}),
        ("local-alarms", {"status": "ok"}),
        ("virtual-hosts", {"status": "ok"}),
        ("node-is-mirror-sync-critical", {"status": "ok", "reason": "single node cluster"}),
        ("node-is-quorum-critical", {"status": "ok", "reason": "single node cluster"}),
        ("port-listener/5672", {"status": "ok", "port": 5672}),
        ("protocol-listener/AMQP091", {"status": "ok", "protocol": "amqp"}),
        ("certificate-expiration/1/weeks", {"status": "ok"}),
    ],
)
def test_a_healthy_broker_passes_each_check(api: Api, path: str, answer: object):
    assert api.get(f"/health/checks/{path}") == answer


def test_a_certificate_that_cannot_be_read_does_not_pass_for_one_that_lasts(api: Api):
    api.site.listening.append(Listening("amqp/ssl", "127.0.0.1", 5671, "/nonono.pem"))
    answer = api.call("GET", "/health/checks/certificate-expiration/1/weeks")
    assert (answer.status, answer.json["status"]) == (503, "failed")
    reason = "The certificate file cannot be read: No such file or directory"
    assert answer.json["expired"][0]["certfile_expires_on"] == [reason]


def test_a_virtual_host_is_traced_from_then_on_and_until_it_is_said_otherwise(api: Api):
    assert api.call("PUT", "/vhosts/traced", {"tracing": True}).status == 201
    assert api.get("/vhosts/traced")["tracing"] is True
    assert api.call("PUT", "/vhosts/traced", {"description": "d"}).status == 204
    assert api.get("/vhosts/traced")["tracing"] is True
    assert api.call("PUT", "/vhosts/traced", {"tracing": False}).status == 204
    assert api.get("/vhosts/traced")["tracing"] is False
    assert api.get("/vhosts/%2F")["tracing"] is False


def test_nobody_s_attempts_to_log_in_are_kept_and_those_can_be_forgotten(api: Api):
    for path in (f"/auth/attempts/{api.site.node}", f"/auth/attempts/{api.site.node}/source"):
        assert api.get(path) == []
        assert api.delete(path) == 204
    assert api.call("DELETE", "/auth/attempts/nope").error == MISSING


def test_what_does_not_listen_fails_its_check(api: Api):
    answer = api.call("GET", "/health/checks/port-listener/1")
    failed = {"status": "failed", "reason": "No active listener", "missing": 1, "ports": [5672, 15672]}
    assert (answer.status, answer.json) == (503, failed)
    assert answer.headers["cache-control"] == "no-cache"
    answer = api.call("GET", "/health/checks/protocol-listener/zz")
    assert (answer.status, answer.json["protocols"]) == (503, ["amqp", "http"])


def test_an_alarm_fails_its_checks(api: Api, broker: MemoryBroker):
    broker.broker.alarms.raise_alarm(DISK)
    answer = api.call("GET", "/health/checks/alarms")
    assert (answer.status, answer.json["status"]) == (503, "failed")
    assert answer.json["alarms"] == [{"node": api.site.node, "resource": "disk"}]
    assert api.call("GET", "/healthchecks/node").status == 503
    assert api.get("/nodes")[0]["disk_free_alarm"] is True


def test_checks_that_make_no_sense_are_refused(api: Api):
    for path, reason in (
        ("port-listener/x", "Invalid port"),
        ("certificate-expiration/x/days", "Invalid expiration value."),
        (
            "certificate-expiration/1/x",
            "Time unit not recognised. Supported units: days, weeks, months, years.",
        ),
    ):
        assert api.call("GET", f"/health/checks/{path}").error == bad_request(reason)


def test_features_of_3_10_are_enabled(api: Api):
    assert {flag["state"] for flag in api.get("/feature-flags")} == {"enabled"}
    assert api.put("/feature-flags/quorum_queue/enable", {}) == 204
    assert api.call("PUT", "/feature-flags/nope/enable", {}).error == bad_request("unsupported")
