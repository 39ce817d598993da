"""Who may ask the HTTP API for what: logins, tags, and what each sees (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import pytest

from amqpd.testing import MemoryBroker
from tests.management.conftest import Api

REALM = 'Basic realm="RabbitMQ Management"'
OBJECT_NOT_YOURS = (401, "not_authorised", "User not authorised to access object")
VHOST_NOT_YOURS = (401, "not_authorised", "User not authorised to access virtual host")


def test_who_does_not_say_who_it_is_is_asked_without_a_word(api: Api):
    answer = api.call("GET", "/whoami", user=None)
    assert (answer.status, answer.body, answer.headers["www-authenticate"]) == (401, b"", REALM)


@pytest.mark.parametrize("header", ["Basic", "Basic !!", "Basic Zm9v", "Bearer x", "Digest y"])
def test_a_header_that_is_no_basic_authentication_says_nothing(api: Api, header: str):
    assert api.call("GET", "/whoami", user=None, headers={"authorization": header}).status == 401


def test_a_wrong_password_is_refused_and_told_to_the_log(api: Api, broker: MemoryBroker):
    answer = api.call("GET", "/whoami", password="no")
    assert answer.error == (401, "not_authorized", "Login failed")
    assert answer.headers["www-authenticate"] == REALM
    assert "HTTP access denied" in broker.events.sentences()


def test_guest_may_log_in_from_this_machine_only(api: Api):
    assert api.call("GET", "/whoami", peer="192.0.2.1").status == 401
    assert api.call("GET", "/whoami", peer="::1").status == 200
    assert api.call("GET", "/whoami", peer="::ffff:127.0.0.1").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:15672", 200),
        ("LOCALHOST", 200),
        ("mq.localhost", 200),
        ("laptop:15672", 200),
        ("127.0.0.1:15672", 200),
        ("[::1]:15672", 200),
        ("192.0.2.1", 200),
        ("", 200),
        ("evil.example:15672", 401),
        ("evil.example.", 401),
        ("127.0.0.1.evil.example", 401),
        ("localhost.evil.example", 401),
        ("[evil.example", 401),
    ],
)
def test_guest_may_log_in_by_a_name_that_only_this_machine_has(
    api: Api, broker: MemoryBroker, host: str, status: int
):
    answer = api.call("GET", "/whoami", headers={"host": host})
    assert answer.status == status
    if status == 401:
        assert answer.json["reason"] == "User can only log in via localhost"
        assert broker.events.told[-1][2]["host"] == host
    api.add_user("anna", "management")
    assert api.call("GET", "/whoami", user="anna", headers={"host": host}).status == 200


def test_a_user_without_a_tag_may_not_use_the_api(api: Api):
    api.add_user("anna")
    assert api.call("GET", "/whoami", user="anna").error == (401, "not_authorised", "Not management user")


@pytest.mark.parametrize("tag", ["management", "policymaker", "monitoring", "administrator"])
def test_each_tag_of_the_api_opens_it(api: Api, tag: str):
    api.add_user("anna", tag, "of my own")
    assert api.get("/whoami", user="anna") == {"name": "anna", "tags": [tag, "of my own"]}


@pytest.mark.parametrize(
    "path", ["/users", "/permissions", "/users/guest", "/definitions", "/vhosts/%2F", "/feature-flags"]
)
def test_only_administrators_see_users_and_definitions(api: Api, path: str):
    api.add_user("anna", "monitoring", "policymaker", "management")
    assert api.call("GET", path, user="anna").error == (401, "not_authorised", "Not administrator user")


def test_only_monitors_see_nodes(api: Api):
    api.add_user("anna", "management")
    api.add_user("berta", "monitoring")
    assert api.call("GET", "/nodes", user="anna").error == (401, "not_authorised", "Not monitor user")
    assert api.get("/nodes", user="berta")[0]["name"] == api.site.node


def test_objects_of_other_vhosts_are_hidden(api: Api):
    api.put("/vhosts/other")
    api.put("/queues/other/q")
    api.put("/queues/%2F/mine")
    api.add_user("anna", "management")
    assert [queue["name"] for queue in api.get("/queues", user="anna")] == ["mine"]
    assert [vhost["name"] for vhost in api.get("/vhosts", user="anna")] == ["/"]
    assert api.call("GET", "/queues/other", user="anna").error == VHOST_NOT_YOURS
    assert api.get("/overview", user="anna")["object_totals"]["queues"] == 1


def test_a_monitor_knows_of_all_vhosts_but_sees_into_its_own_only(api: Api):
    api.put("/vhosts/other")
    api.put("/queues/other/q")
    api.add_user("anna", "monitoring")
    assert [vhost["name"] for vhost in api.get("/vhosts", user="anna")] == ["/", "other"]
    assert api.get("/queues", user="anna") == []
    assert api.get("/overview", user="anna")["object_totals"]["queues"] == 1


def test_connections_and_what_is_on_them_are_seen_by_their_users_and_monitors(api: Api, broker: MemoryBroker):
    broker.connect()
    api.add_user("anna", "management")
    api.add_user("berta", "monitoring")
    own = broker.peer().open(user="anna", password="pw")
    own.open_channel(1)
    assert [each["user"] for each in api.get("/connections", user="anna")] == ["anna"]
    assert [each["user"] for each in api.get("/channels", user="anna")] == ["anna"]
    assert len(api.get("/connections", user="berta")) == 2
    others = api.get("/connections")[0]["name"].replace(" ", "%20")
    assert api.call("GET", f"/connections/{others}", user="anna").error == OBJECT_NOT_YOURS
    assert api.call("DELETE", f"/connections/{others}", user="berta").error == OBJECT_NOT_YOURS


def test_policies_are_for_policymakers_that_may_enter_the_vhost(api: Api):
    api.put("/vhosts/other")
    api.add_user("anna", "management")
    api.add_user("berta", "policymaker")
    policy = {"pattern": ".", "definition": {"message-ttl": 1}}
    assert api.call("PUT", "/policies/%2F/p", policy, user="anna").error == OBJECT_NOT_YOURS
    assert api.call("PUT", "/policies/other/p", policy, user="berta").error == OBJECT_NOT_YOURS
    assert api.put("/policies/%2F/p", policy, user="berta") == 201
    operator = api.call("PUT", "/operator-policies/%2F/p", policy, user="berta")
    assert operator.error == (401, "not_authorised", "Not administrator user")


def test_what_a_user_may_not_do_as_a_client_it_may_not_do_here(api: Api):
    api.add_user("anna", "management")
    api.broker.users.set_permissions("anna", "/", "^mine", "^mine", "^mine")
    refused = (401, "not_authorised", "Access refused.")
    assert api.call("PUT", "/queues/%2F/yours", {}, user="anna").error == refused
    assert api.call("DELETE", "/exchanges/%2F/amq.topic", user="anna").error == refused
    assert api.put("/queues/%2F/mine", user="anna") == 201
    get = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    api.put("/queues/%2F/yours")
    answer = api.call("POST", "/queues/%2F/yours/get", get, user="anna")
    assert answer.status == 401
    assert answer.json["reason"].startswith("ACCESS_REFUSED - access to queue 'yours'")


def test_an_unknown_path_is_not_there_for_anybody(api: Api):
    assert api.call("GET", "/nope", user=None).error == (404, "Object Not Found", "Not Found")
    posted = api.call("POST", "/nope", {}, user=None)
    assert (posted.status, posted.headers["allow"]) == (405, "HEAD, GET, OPTIONS")


def test_a_method_that_a_path_has_not_is_refused_before_anybody_is_asked(api: Api):
    answer = api.call("DELETE", "/whoami", user=None)
    assert (answer.status, answer.body, answer.headers["allow"]) == (405, b"", "HEAD, GET, OPTIONS")
    assert api.call("GET", "/queues/%2F/q/contents").headers["allow"] == "DELETE, OPTIONS"


def test_how_to_log_in_is_told_to_everybody(api: Api):
    assert api.call("GET", "/auth", user=None).json["enable_uaa"] is False


def test_a_form_can_log_in(api: Api):
    good = api.call("POST", "/login", raw=b"username=guest&password=guest", user=None)
    bad = api.call("POST", "/login", raw=b"username=guest&password=x", user=None)
    nothing = api.call("POST", "/login", raw=b"{}", user=None)
    assert (good.status, good.json, bad.status, nothing.status) == (200, "ok", 401, 401)


def test_who_has_not_logged_in_may_not_send_much(api: Api):
    answer = api.call("POST", "/login", raw=b"x" * 70000, user=None)
    assert answer.error == (400, "bad_request", "payload too large")


def test_head_has_the_headers_of_get_and_no_body(api: Api):
    head, get = api.call("HEAD", "/whoami"), api.call("GET", "/whoami")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == get.headers["content-length"] == str(len(get.body))


def test_an_escape_that_stands_for_no_octet_is_a_bad_request(api: Api):
    assert api.call("GET", "/queues/%zz").status == 400


def test_a_slash_at_the_end_means_nothing(api: Api):
    assert api.get("/whoami/") == api.get("/whoami")


# What changes while a request comes in


def test_who_is_deleted_before_the_body_has_come_does_nothing_with_it(api: Api, broker: MemoryBroker):
    api.add_user("anna", "administrator")
    api.before_body = lambda: broker.users.delete("anna")
    answer = api.call("PUT", "/users/mallory", {"password": "m", "tags": "administrator"}, user="anna")
    assert answer.error == (401, "not_authorized", "Login failed")
    assert broker.users.get("mallory") is None


def test_who_loses_a_tag_before_the_body_has_come_has_lost_it(api: Api, broker: MemoryBroker):
    api.add_user("anna", "administrator")
    api.before_body = lambda: broker.users.set_tags("anna", ["management"])
    answer = api.call("PUT", "/users/mallory", {"password": "m", "tags": "administrator"}, user="anna")
    assert answer.error == (401, "not_authorised", "Not administrator user")
    assert broker.users.get("mallory") is None


# Pages of others, in browsers that know a password


FORM = {"content-type": "text/plain", "host": "broker:15672"}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://elsewhere"},
        {"origin": "http://broker:8080"},
        {"origin": "http://["},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "http://broker:15672"},
        {"origin": "http://elsewhere", "content-type": "multipart/form-data; boundary=b"},
        {"origin": "http://elsewhere", "content-type": ""},
    ],
)
def test_a_form_of_another_page_is_refused(api: Api, broker: MemoryBroker, headers: dict[str, str]):
    answer = api.call("POST", "/definitions", {"vhosts": [{"name": "evil"}]}, headers=FORM | headers)
    assert (answer.status, answer.json["error"]) == (403, "forbidden")
    assert "evil" not in broker.broker.vhosts


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://broker:15672"},
        {"origin": "https://BROKER:15672"},
        {"sec-fetch-site": "same-origin", "origin": "http://in-front-of-it"},
        {"sec-fetch-site": "none"},
        # Of such a request the browser asks before, and is not told that it may.
        {"origin": "http://elsewhere", "content-type": "application/json"},
    ],
)
def test_who_is_no_page_of_others_may_post(api: Api, broker: MemoryBroker, headers: dict[str, str]):
    assert api.call("POST", "/definitions", {"vhosts": [{"name": "v"}]}, headers=FORM | headers).status == 204
    assert "v" in broker.broker.vhosts


def test_no_page_of_others_is_told_that_it_may_ask(api: Api):
    asked = {"origin": "http://elsewhere", "access-control-request-method": "PUT"}
    answer = api.call("OPTIONS", "/users/guest", user=None, headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control")]
