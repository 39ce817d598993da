"""The pages of the administration: each form does what it says, and says what the API says is wrong."""

from __future__ import annotations

import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys

from browser.broker import Api, Broker
from browser.page import Page
from browser.steps import confirm, form, leave, miss, problem, show, visible

HOSTILE = "<img src=x onerror=window.harmed=true>"
MINE = "admin-"
"""What the names of all that these tests make begin with."""


@pytest.fixture(autouse=True)
def _clean(page: Page, api: Api) -> Iterator[None]:
    """Afterwards there is again what there was."""
    yield
    leave(page)
    for path, named in (
        ("users", lambda user: user["name"] != "guest"),
        ("vhosts", lambda vhost: vhost["name"] != "/"),
        ("queues", lambda queue: queue["name"].startswith(MINE)),
    ):
        for each in api.get(path):
            if named(each):
                api.delete(path, *([each["vhost"]] if path == "queues" else []), each["name"])
    for kind in ("policies", "operator-policies"):
        for each in api.get(kind):
            api.delete(kind, each["vhost"], each["name"])
    for limit in ("max-connections", "max-queues"):
        api.delete("vhost-limits", "/", limit)
    for limit in ("max-connections", "max-channels"):
        api.delete("user-limits", "guest", limit)


def refused(api: Api, method: str, *path: str, body: object) -> Any:
    """The reason for which the API refuses this."""
    with pytest.raises(urllib.error.HTTPError) as error:
        api.call(method, *path, body=body)
    return json.loads(error.value.read())["reason"]


def found(api: Api, *path: str) -> Any:
    """What the API tells, or None if there is nothing."""
    return api.get(*path) if api.exists(*path) else None


# Users


def test_a_user_is_added_with_a_password_and_tags(page: Page, api: Api, broker: Broker) -> None:
    show(page, "#/users", 'tr a[href="#/users/guest"]')
    page.press("Add a user")
    add = form("Add a user")
    page.fill("Name", "admin-ann", add)
    page.press("monitoring", add)
    page.press("management", add)
    page.fill("Password", "päss wörd", add)
    page.fill("The same again", "päss wörd", add)
    page.press("Add user", add)
    page.see("User admin-ann is there.")
    page.until(
        lambda: "admin-ann" in [row["Name"] for row in page.table("Users")], "the new user in the table"
    )
    user = api.get("users", "admin-ann")
    assert user["tags"] == ["monitoring", "management"]
    page.press("Log out")
    page.log_in("", "admin-ann", "päss wörd")


def test_passwords_that_are_not_the_same_are_not_sent(page: Page, api: Api) -> None:
    show(page, "#/users", "table a")
    page.press("Add a user")
    add = form("Add a user")
    page.fill("Name", "admin-ann", add)
    page.fill("Password", "one", add)
    page.fill("The same again", "another", add)
    page.press("Add user", add)
    assert problem(page, add) == "The two passwords are not the same."
    assert not api.exists("users", "admin-ann")


def test_a_user_without_a_password_and_one_with_a_hash(page: Page, api: Api) -> None:
    known = api.get("users", "guest")["password_hash"]
    show(page, "#/users", "table a")
    page.press("Add a user")
    add = form("Add a user")
    page.fill("Name", "admin-certified", add)
    page.choose("Logs in with", "No password (certificates only)", add)
    page.press("Add user", add)
    page.until(lambda: api.exists("users", "admin-certified"), "the user")
    assert api.get("users", "admin-certified")["password_hash"] == ""
    page.fill("Name", "admin-hashed", add)
    page.choose("Logs in with", "Password hash", add)
    page.fill("Hash, in base64", known, add)
    page.press("Add user", add)
    page.until(lambda: api.exists("users", "admin-hashed"), "the user")
    assert api.get("users", "admin-hashed")["password_hash"] == known


@pytest.mark.refused
def test_a_hash_that_is_none_is_refused_in_the_words_of_the_api(page: Page, api: Api) -> None:
    reason = refused(api, "PUT", "users", "admin-x", body={"tags": "", "password_hash": "?!"})
    assert reason == ["not_base64", "?!"]
    show(page, "#/users", "table a")
    page.press("Add a user")
    add = form("Add a user")
    page.fill("Name", "admin-x", add)
    page.choose("Logs in with", "Password hash", add)
    page.fill("Hash, in base64", "?!", add)
    page.press("Add user", add)
    assert problem(page, add) == "not_base64: ?!"


def test_who_is_there_already_is_not_replaced(page: Page, api: Api) -> None:
    api.add_user("admin-ann", "monitoring")
    before = api.get("users", "admin-ann")
    show(page, "#/users", "table a")
    page.press("Add a user")
    add = form("Add a user")
    page.fill("Name", "admin-ann", add)
    page.choose("Logs in with", "No password (certificates only)", add)
    page.press("Add user", add)
    assert problem(page, add) == "There is a user admin-ann already."
    assert api.get("users", "admin-ann") == before


def test_permissions_are_set_and_cleared(page: Page, api: Api) -> None:
    api.put("users", "admin-ann", body={"password": "x", "tags": ""})
    show(page, "#/users/admin-ann")
    page.see("This user may enter no virtual host.")
    page.press("Set permissions")
    page.fill("Configure (pattern)", "^ann-", form("Set permissions"))
    page.fill("Write (pattern)", "", form("Set permissions"))
    page.press("Set permission", form("Set permissions"))
    page.until(lambda: api.exists("permissions", "/", "admin-ann"), "permissions")
    assert api.get("permissions", "/", "admin-ann") == {
        "user": "admin-ann",
        "vhost": "/",
        "configure": "^ann-",
        "write": "",
        "read": ".*",
    }
    caption = "Permissions of user admin-ann"
    page.until(lambda: page.table(caption), "a row")
    row = page.table(caption)[0]
    assert (row["Configure"], row["Write"], row["Read"]) == ("^ann-", "(nothing)", ".*")
    page.press("Clear", ".table")
    said = confirm(page, "Clear")
    assert "admin-ann may no longer enter virtual host /" in said
    page.until(lambda: not api.exists("permissions", "/", "admin-ann"), "no permissions")
    page.see("This user may enter no virtual host.")


@pytest.mark.refused
def test_a_pattern_that_is_none_is_refused_in_words_and_not_in_numbers(page: Page, api: Api) -> None:
    body = {"configure": "(", "write": "", "read": ""}
    assert refused(api, "PUT", "permissions", "/", "guest", body=body)[0] == "invalid_regexp"
    show(page, "#/users/guest")
    page.press("Set permissions")
    page.fill("Configure (pattern)", "(", form("Set permissions"))
    page.press("Set permission", form("Set permissions"))
    assert problem(page, form("Set permissions")) == "invalid_regexp: (: missing ) at 1"


def test_topic_permissions_are_set_and_cleared(page: Page, api: Api) -> None:
    api.add_user("admin-ann", "")
    show(page, "#/users/admin-ann")
    page.press("Set topic permissions")
    topics = form("Set topic permissions")
    page.fill("Write (pattern)", "^{username}\\.", topics)
    page.press("Set topic permission", topics)
    page.until(lambda: api.exists("topic-permissions", "/", "admin-ann"), "topic permissions")
    assert api.get("topic-permissions", "/", "admin-ann") == [
        {"user": "admin-ann", "vhost": "/", "exchange": "amq.topic", "write": "^{username}\\.", "read": ".*"}
    ]
    page.until(lambda: page.table("Topic permissions of user admin-ann"), "a row")
    card = page.run(
        """const card = [...document.querySelectorAll("section")].find((each) => each.querySelector("h2")?.textContent === "Topic permissions");
        card.id = "topics"; return true;"""
    )
    assert card
    page.press("Clear", "#topics")
    assert "every routing key on exchange amq.topic" in confirm(page, "Clear")
    page.until(lambda: not api.exists("topic-permissions", "/", "admin-ann"), "no topic permissions")


def test_tags_are_changed_and_the_password_stays(page: Page, api: Api) -> None:
    api.add_user("admin-ann", "monitoring")
    before = api.get("users", "admin-ann")
    show(page, "#/users/admin-ann")
    page.press("Change tags and login")
    change = form("Change tags and login")
    page.press("policymaker", change)
    page.press("Change user", change)
    page.until(lambda: api.get("users", "admin-ann")["tags"] == ["monitoring", "policymaker"], "the tags")
    assert api.get("users", "admin-ann")["password_hash"] == before["password_hash"]


def test_limits_of_a_user_are_set_and_lifted(page: Page, api: Api) -> None:
    api.add_user("admin-ann", "")
    show(page, "#/users/admin-ann")
    page.press("Set a limit")
    limits = form("Set a limit of a user")
    page.choose("Limit", "Channels", limits)
    page.fill("At most", "7", limits)
    page.press("Set limit", limits)
    page.until(lambda: api.get("users", "admin-ann")["limits"] == {"max-channels": 7}, "the limit")
    page.until(
        lambda: page.table("Limits") and page.table("Limits")[0]["At most"] == "7", "the limit in the table"
    )
    page.press("Lift")
    confirm(page, "Lift")
    page.until(lambda: api.get("users", "admin-ann")["limits"] == {}, "no limit")


@pytest.mark.refused
def test_a_limit_that_is_no_number_is_refused_in_the_words_of_the_api(page: Page, api: Api) -> None:
    reason = refused(api, "PUT", "user-limits", "guest", "max-channels", body={"value": "many"})
    show(page, "#/users/guest")
    page.press("Set a limit")
    limits = form("Set a limit of a user")
    page.fill("At most", "many", limits)
    page.press("Set limit", limits)
    assert problem(page, limits).replace("connections", "channels") == readable(reason)


def readable(reason: str) -> str:
    return " ".join(reason.replace("&lt;", "<").replace("&gt;", ">").split())


@pytest.mark.refused  # while it goes, it may still be asked for
def test_a_user_is_deleted_when_the_question_is_answered(page: Page, api: Api, broker: Broker) -> None:
    api.add_user("admin-ann", "")
    show(page, "#/users/admin-ann")
    page.press("Delete this user")
    said = page.until(lambda: page.text("dialog[open]"), "a question")
    assert "Delete user admin-ann?" in said
    assert "Its permissions in 1 virtual host go too." in said
    page.press("Cancel", "dialog")
    assert api.exists("users", "admin-ann")
    page.press("Delete this user")
    confirm(page, "Delete user")
    page.until(lambda: not api.exists("users", "admin-ann"), "no such user")
    page.until(lambda: page.text("h1") == "Users", "the list")


# Virtual hosts


def test_a_virtual_host_is_added_with_all_that_is_said_of_it(page: Page, api: Api) -> None:
    show(page, "#/vhosts", "table a")
    page.press("Add a virtual host")
    add = form("Add a virtual host")
    page.fill("Name", "admin/vhost ü", add)
    page.fill("Description", "For tests", add)
    page.fill("Tags", "one, two", add)
    page.choose("Default queue type", "Quorum", add)
    page.press("Add virtual host", add)
    page.until(lambda: api.exists("vhosts", "admin/vhost ü"), "the virtual host")
    told = api.get("vhosts", "admin/vhost ü")
    assert (told["description"], told["tags"], told["default_queue_type"]) == (
        "For tests",
        ["one", "two"],
        "quorum",
    )
    page.until(lambda: "admin/vhost ü" in [row["Name"] for row in page.table("Virtual hosts")], "its row")
    # The choice on top of the page has it, too.
    page.until(lambda: "admin/vhost ü" in page.text("header"), "it in the choice of virtual hosts")


@pytest.mark.refused
def test_a_virtual_host_with_too_long_a_name_is_refused(page: Page, api: Api) -> None:
    name = "x" * 256
    reason = refused(api, "PUT", "vhosts", name, body={})
    show(page, "#/vhosts", "table a")
    page.press("Add a virtual host")
    page.fill("Name", name, form("Add a virtual host"))
    page.press("Add virtual host", form("Add a virtual host"))
    assert problem(page, form("Add a virtual host")) == reason


def test_the_description_of_a_virtual_host_changes_and_its_queue_type_stays(page: Page, api: Api) -> None:
    api.put("vhosts", "admin-v", body={"description": "old", "tags": "one", "default_queue_type": "quorum"})
    show(page, "#/vhosts/admin-v")
    page.press("Change description and tags")
    change = form("Change description and tags")
    page.fill("Description", "new", change)
    page.press("Change virtual host", change)
    page.until(lambda: api.get("vhosts", "admin-v")["description"] == "new", "the description")
    told = api.get("vhosts", "admin-v")
    assert (told["tags"], told["default_queue_type"]) == (["one"], "quorum")


def test_tracing_is_started_and_stopped(page: Page, api: Api) -> None:
    api.put("vhosts", "admin-v", body={"description": "stays"})
    show(page, "#/vhosts/admin-v")
    page.press("Start tracing")
    page.until(lambda: api.get("vhosts", "admin-v")["tracing"], "tracing")
    assert api.get("vhosts", "admin-v")["description"] == "stays"
    page.press("Stop tracing")
    page.until(lambda: not api.get("vhosts", "admin-v")["tracing"], "no tracing")


def test_limits_and_permissions_of_a_virtual_host(page: Page, api: Api) -> None:
    api.put("vhosts", "admin-v")
    api.put("users", "admin-ann", body={"password": "x", "tags": ""})
    show(page, "#/vhosts/admin-v")
    page.press("Set a limit")
    limits = form("Set a limit of a virtual host")
    page.choose("Limit", "Queues", limits)
    page.fill("At most", "3", limits)
    page.press("Set limit", limits)
    page.until(
        lambda: api.get("vhost-limits", "admin-v") == [{"vhost": "admin-v", "value": {"max-queues": 3}}], "3"
    )
    page.press("Set permissions")
    page.choose("User", "admin-ann", form("Set permissions"))
    page.press("Set permission", form("Set permissions"))
    page.until(lambda: api.exists("permissions", "admin-v", "admin-ann"), "permissions")


@pytest.mark.refused  # while it goes, it may still be asked for
def test_deleting_a_virtual_host_names_what_goes_and_wants_its_name(page: Page, api: Api) -> None:
    api.put("vhosts", "admin-v")
    for name in ("one", "two"):
        api.put("queues", "admin-v", name)
    api.put("exchanges", "admin-v", "mine", body={"type": "topic"})
    api.publish("one", "message", "admin-v")
    show(page, "#/vhosts/admin-v")
    page.press("Delete this virtual host")
    said = page.until(lambda: page.text("dialog[open]"), "a question")
    for words in (
        "Delete virtual host admin-v?",
        "2 queues",
        "1 message",
        "1 exchange",
        "1 user's permissions",
    ):
        assert words in said
    page.fill("Type admin-v to delete it", "admin", "dialog")
    page.press("Delete virtual host", "dialog")
    assert problem(page, "dialog") == "That is not admin-v."
    assert api.exists("vhosts", "admin-v")
    page.fill("Type admin-v to delete it", "admin-v", "dialog")
    confirm(page, "Delete virtual host")
    page.until(lambda: not api.exists("vhosts", "admin-v"), "no such virtual host")
    page.until(lambda: page.text("h1") == "Virtual hosts", "the list")


# Policies


def open_policy_form(page: Page, kind: str = "policies") -> str:
    show(page, "#/policies")
    words = "a policy" if kind == "policies" else "an operator policy"
    page.press(f"Add or change {words}")
    return form(f"Add or change a {'policy' if kind == 'policies' else 'operator policy'}")


def set_value(page: Page, key: str, value: str, within: str) -> None:
    page.press(key, within)
    label = f"Value of {key}"
    page.fill(label, value, within)


def test_a_policy_is_set_with_values_of_the_right_types(page: Page, api: Api) -> None:
    within = open_policy_form(page)
    page.fill("Name", "admin-policy", within)
    page.fill("Pattern", "^admin-", within)
    page.choose("Apply to", "Queues", within)
    page.fill("Priority", "7", within)
    set_value(page, "message-ttl", "60000", within)
    set_value(page, "dead-letter-exchange", "5", within)
    set_value(page, "overflow", "reject-publish", within)
    set_value(page, "queue-version", "2", within)
    page.press("Set policy", within)
    page.until(lambda: api.exists("policies", "/", "admin-policy"), "the policy")
    assert api.get("policies", "/", "admin-policy") == {
        "vhost": "/",
        "name": "admin-policy",
        "pattern": "^admin-",
        "apply-to": "queues",
        "definition": {
            "message-ttl": 60000,
            "dead-letter-exchange": "5",
            "overflow": "reject-publish",
            "queue-version": 2,
        },
        "priority": 7,
    }
    page.until(lambda: page.table("Policies"), "a row")
    assert page.table("Policies")[0]["Name"] == "admin-policy"


def test_policies_and_operator_policies_are_filtered_and_sorted_each_for_themselves(
    page: Page, api: Api
) -> None:
    for number in range(3):
        for kind in ("policies", "operator-policies"):
            body = {"pattern": "^admin-", "definition": {"max-length": 5}, "priority": -number}
            api.put(kind, "/", f"admin-{number}", body=body)
    show(page, "#/policies")
    page.fill("Filter policies by name", "1")
    page.until(lambda: [row["Name"] for row in page.table("Policies")] == ["admin-1"], "one of them")
    page.press("Priority", "#part-operator-policies thead")
    expected = ["admin-0", "admin-1", "admin-2"]
    page.until(
        lambda: [row["Name"] for row in page.table("Operator policies")] == expected, "the highest first"
    )
    page.press("Priority", "#part-operator-policies thead")
    expected.reverse()
    page.until(
        lambda: [row["Name"] for row in page.table("Operator policies")] == expected, "the lowest first"
    )
    page.driver.refresh()
    page.until(lambda: [row["Name"] for row in page.table("Policies")] == ["admin-1"], "one of them again")
    page.until(lambda: [row["Name"] for row in page.table("Operator policies")] == expected, "the same order")


def test_a_key_that_nobody_offers_gets_the_type_that_is_chosen(page: Page, api: Api) -> None:
    within = open_policy_form(page)
    page.fill("Name", "admin-policy", within)
    page.fill("Pattern", "^none$", within)
    for key, value in (("ha-mode", "nodes"), ("ha-params", "one, two")):
        page.press("Another key", within)
        page.keys(key, Keys.ESCAPE)
        if key == "ha-params":
            page.choose("Type", "list", within)
        page.fill(f"Value of {key}", value, within)
    page.press("Set policy", within)
    page.until(lambda: api.exists("policies", "/", "admin-policy"), "the policy")
    assert api.get("policies", "/", "admin-policy")["definition"] == {
        "ha-mode": "nodes",
        "ha-params": ["one", "two"],
    }


@pytest.mark.refused
@pytest.mark.parametrize(
    ("pattern", "key", "value"),
    [("(", "message-ttl", "1"), ("x", "message-ttl", "-1"), ("x", "max-age", "<b>old</b>")],
    ids=["pattern", "number", "text"],
)
def test_a_policy_that_is_wrong_is_refused_in_the_words_of_the_api(
    page: Page, api: Api, pattern: str, key: str, value: str
) -> None:
    typed = int(value) if key == "message-ttl" else value
    body = {"pattern": pattern, "definition": {key: typed}}
    reason = refused(api, "PUT", "policies", "/", "admin-policy", body=body)
    within = open_policy_form(page)
    page.fill("Name", "admin-policy", within)
    page.fill("Pattern", pattern, within)
    set_value(page, key, value, within)
    page.press("Set policy", within)
    assert " ".join(problem(page, within).split()) == readable(reason)


def test_a_number_that_is_none_is_said_before_anything_is_sent(page: Page, api: Api) -> None:
    within = open_policy_form(page)
    page.fill("Name", "admin-policy", within)
    page.fill("Pattern", "x", within)
    set_value(page, "max-length", "many", within)
    page.press("Set policy", within)
    assert problem(page, within) == "max-length must be a number, not “many”."
    assert not api.exists("policies", "/", "admin-policy")


def preview(page: Page, within: str) -> str:
    return page.text(f"{within} .preview")


def test_the_preview_says_what_the_pattern_matches_while_it_is_typed(page: Page, api: Api) -> None:
    for name in ("admin-one", "admin-two", "admin-é"):
        api.put("queues", "/", name)
    within = open_policy_form(page)
    page.fill("Pattern", "^admin-[ot]", within)
    page.see("Applies to 2 queues and 0 exchanges in /:", f"{within} .preview")
    assert "queue admin-one" in preview(page, within)
    page.fill("Pattern", "^amq\\.(topic|fanout)$", within)
    page.see("Applies to 0 queues and 2 exchanges in /:", f"{within} .preview")
    page.choose("Apply to", "Queues", within)
    page.see("Applies to 0 queues and 0 exchanges in /.", f"{within} .preview")
    page.fill("Pattern", "^admin-..$", within)  # two bytes are one letter here
    page.see("Applies to 1 queue and 0 exchanges in /:", f"{within} .preview")
    page.fill("Pattern", "(", within)
    page.see("No preview: ", f"{within} .preview")


def test_the_preview_matches_what_the_policy_then_applies_to(page: Page, api: Api) -> None:
    for name, type_ in (
        ("admin-c", "classic"),
        ("admin-q", "quorum"),
        ("admin-s", "stream"),
        ("other", "classic"),
    ):
        api.put("queues", "/", name, body={"durable": True, "arguments": {"x-queue-type": type_}})
    within = open_policy_form(page)
    page.fill("Name", "admin-policy", within)
    page.fill("Pattern", "^admin-", within)
    page.choose("Apply to", "Queues", within)
    set_value(page, "max-length", "10", within)
    page.see("It passes over streams, because of max-length.", f"{within} .preview")
    previewed = {each.text.removeprefix("queue ") for each in page.all(f"{within} .preview-names li")}
    page.press("Set policy", within)
    page.until(lambda: api.exists("policies", "/", "admin-policy"), "the policy")
    applied = {queue["name"] for queue in api.get("queues") if queue["policy"] == "admin-policy"}
    assert previewed == applied == {"admin-c", "admin-q"}
    api.delete("queues", "/", "other")


PATTERNS = (
    "^admin-a$",
    "(?i)^ADMIN-A",
    "admin-[[:digit:]]+$",
    "^admin-...$",
    "admin-\\z|-a\\Z",
    "^admin-[]x]",
    "^admin-\\w+$",
    "^admin-(?:a|b)(?=\\.)",
    "^admin-.\\.\\d{2,}",
    "admin-[^a-z]",
    "admin-.\\s.$",
    "^admin-.$",
    "^admin-\\w.$",
    "^admin-a\\b",
    "",
)
MATCHES = """
const [patterns, names, done] = arguments;
import("/js/pattern_translation.js").then(({asBytes, translated}) =>
  done(patterns.map((pattern) => names.filter((name) => translated(pattern).test(asBytes(name))))));
"""


def test_patterns_match_here_what_they_match_in_the_broker(page: Page, api: Api) -> None:
    names = [
        f"admin-{name}"
        for name in ("a", "A", "b", "7", "é", "aé", "a.12", "b.1", "]", "x y", "à", "日", "\\")
    ]
    for name in names:
        api.put("queues", "/", name)
    in_broker = []
    for pattern in PATTERNS:
        api.put("policies", "/", "admin-policy", body={"pattern": pattern, "definition": {"max-length": 9}})
        queues = {queue["name"]: queue["policy"] for queue in api.get("queues", "/")}
        in_broker.append([name for name in names if queues[name] == "admin-policy"])
    page.open()
    assert page.driver.execute_async_script(MATCHES, PATTERNS, names) == in_broker
    assert any(in_broker) and not all(len(each) == len(names) for each in in_broker)


def test_the_preview_says_where_another_policy_wins(page: Page, api: Api) -> None:
    api.put("queues", "/", "admin-one")
    api.put(
        "policies",
        "/",
        "admin-strong",
        body={"pattern": "^admin-one$", "definition": {"max-length": 1}, "priority": 5},
    )
    within = open_policy_form(page)
    page.fill("Name", "admin-weak", within)
    page.fill("Pattern", "^admin-", within)
    page.see("queue admin-one (policy admin-strong wins)", f"{within} .preview")
    page.fill("Priority", "6", within)
    miss(page, "wins", f"{within} .preview")


def test_a_pattern_that_takes_for_ever_does_not_hold_the_page_up(page: Page, api: Api) -> None:
    api.put("queues", "/", "admin-" + "a" * 60 + "!")
    within = open_policy_form(page)
    page.fill("Pattern", "^admin-(a+)+$", within)
    page.see("No preview: this pattern takes too long to try here.", f"{within} .preview")


@pytest.mark.refused  # while it goes, it may still be asked for
def test_a_policy_is_changed_and_deleted(page: Page, api: Api) -> None:
    api.put("queues", "/", "admin-one")
    body = {
        "pattern": "^admin-",
        "definition": {"max-length": 5, "overflow": "reject-publish"},
        "apply-to": "queues",
        "priority": 2,
    }
    api.put("policies", "/", "admin-policy", body=body)
    show(page, "#/policies/%2F/admin-policy")
    page.until(lambda: page.table("What the policy applies to"), "where it applies")
    page.press("Change this policy")
    change = form("Change policy admin-policy")
    assert page.field("Value of overflow", change).get_attribute("value") == "reject-publish"
    page.fill("Value of max-length", "6", change)
    page.press("Change policy", change)
    page.until(
        lambda: api.get("policies", "/", "admin-policy")["definition"]["max-length"] == 6, "the change"
    )
    assert api.get("policies", "/", "admin-policy") == {
        **body,
        "definition": {**body["definition"], "max-length": 6},
        "vhost": "/",
        "name": "admin-policy",
    }  # type: ignore[dict-item]
    page.until(lambda: page.facts().get("Definition", "").startswith("max-length: 6"), "what it says now")
    page.until(lambda: page.table("What the policy applies to"), "where it applies")
    page.press("Delete this policy")
    assert "It applies to one queue or exchange in virtual host /" in confirm(page, "Delete policy")
    page.until(lambda: not api.exists("policies", "/", "admin-policy"), "no policy")
    page.until(lambda: page.text("h1") == "Policies", "the list")


def test_an_operator_policy_is_set_and_offers_only_what_it_can_have(page: Page, api: Api) -> None:
    within = open_policy_form(page, "operator-policies")
    offered = {each.text for each in page.all(f"{within} [data-key]")}
    assert offered == {
        "expires",
        "message-ttl",
        "max-length",
        "max-length-bytes",
        "max-in-memory-length",
        "max-in-memory-bytes",
        "delivery-limit",
    }
    page.fill("Name", "admin-operator", within)
    page.fill("Pattern", ".*", within)
    set_value(page, "max-length", "1000", within)
    page.press("Set operator policy", within)
    page.until(lambda: api.exists("operator-policies", "/", "admin-operator"), "the operator policy")
    assert api.get("operator-policies", "/", "admin-operator")["apply-to"] == "queues"
    page.until(lambda: page.table("Operator policies"), "a row")
    page.go("#/operator-policies/%2F/admin-operator")
    page.until(lambda: page.text("h1") == "Operator policy admin-operator", "its page")


# Limits, the cluster's name, feature flags


def test_limits_of_everybody_are_seen_set_and_lifted(page: Page, api: Api) -> None:
    show(page, "#/limits")
    page.see("No virtual host has a limit.")
    page.press("Set a limit", "section")
    limits = form("Set a limit of a virtual host")
    page.choose("Limit", "Connections", limits)
    page.fill("At most", "100", limits)
    page.press("Set limit", limits)
    page.until(
        lambda: api.get("vhost-limits") == [{"vhost": "/", "value": {"max-connections": 100}}], "the limit"
    )
    page.until(lambda: page.table("Limits of virtual hosts"), "a row")
    assert page.table("Limits of virtual hosts")[0]["At most"] == "100"
    page.press("Lift")
    assert "max-connections (100) of virtual host /" in confirm(page, "Lift")
    page.until(lambda: api.get("vhost-limits") == [], "no limit")


def test_the_cluster_gets_another_name(page: Page, api: Api) -> None:
    before = api.get("cluster-name")["name"]
    show(page, "#/cluster-name")
    page.fill("Name", "admin@home")
    page.press("Change name")
    page.until(lambda: api.get("cluster-name")["name"] == "admin@home", "the name")
    page.see("admin@home", "header")
    api.put("cluster-name", body={"name": before})


def test_feature_flags_are_told(page: Page, api: Api) -> None:
    show(page, "#/feature-flags")
    page.until(lambda: page.table("Feature flags"), "the flags")
    assert {row["Name"] for row in page.table("Feature flags")} == {
        flag["name"] for flag in api.get("feature-flags")
    }


@pytest.mark.parametrize("tags", ["policymaker", "monitoring", "management"])
def test_who_is_no_administrator_sees_what_there_is_and_no_form_for_more(
    page: Page, api: Api, tags: str
) -> None:
    api.add_user("admin-ann", tags)
    api.put("policies", "/", "admin-policy", body={"pattern": "x", "definition": {"max-length": 9}})
    page.log_in("#/policies", "admin-ann", "pw")
    page.until(lambda: page.table("Policies"), "the policy")
    forms = [each.get_attribute("aria-label") for each in page.all("main form")]
    assert forms == (["Add or change a policy"] if tags == "policymaker" else [])
    page.go("#/limits")
    page.see("No virtual host has a limit.")
    assert page.all("main form") == []
    assert page.text(".problem") == ""
    page.go("#/bindings")
    page.see("As a table")
    assert page.text(".problem") == ""


# Definitions


@pytest.fixture
def downloads(driver: webdriver.Chrome, tmp_path: Path) -> Path:
    """Where the browser puts what it saves."""
    driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    return tmp_path


def saved(page: Page, downloads: Path, name: str) -> bytes:
    path = downloads / name
    page.until(path.exists, f"{name} in {[each.name for each in downloads.iterdir()]}")
    return path.read_bytes()


def test_definitions_are_saved_as_the_api_has_them(page: Page, api: Api, downloads: Path) -> None:
    api.put("queues", "/", "admin-huge", body={"arguments": {"x-max-length": 9007199254740993}})
    show(page, "#/definitions")
    page.fill("File name", "all.json", form("Export definitions"))
    page.press("Download", form("Export definitions"))
    assert b'"x-max-length":9007199254740993' in saved(page, downloads, "all.json").replace(b": ", b":")
    assert json.loads(saved(page, downloads, "all.json")) == api.get("definitions")
    page.choose("Of", "Virtual host /", form("Export definitions"))
    page.fill("File name", "one.json", form("Export definitions"))
    page.press("Download", form("Export definitions"))
    assert json.loads(saved(page, downloads, "one.json")) == api.get("definitions", "/")


def test_pasted_definitions_are_imported_after_a_question(page: Page, api: Api) -> None:
    text = '{"queues": [{"name": "admin-huge", "vhost": "/", "durable": true, "auto_delete": false, "arguments": {"x-max-length": 9007199254740993}}]}'
    show(page, "#/definitions")
    within = form("Import definitions")
    page.run("arguments[0].value = arguments[1]", page.field("Or from this text", within), text)
    page.press("Import", within)
    said = confirm(page, "Import")
    assert "Into the whole broker:" in said
    assert "1 queue" in said
    page.until(lambda: api.exists("queues", "/", "admin-huge"), "the queue")
    assert api.get("queues", "/", "admin-huge")["arguments"] == {"x-max-length": 9007199254740993}


def test_a_file_is_imported_into_one_virtual_host(page: Page, api: Api, tmp_path: Path) -> None:
    api.put("vhosts", "admin-v")
    path = tmp_path / "definitions.json"
    queue = {"name": "from file", "durable": True, "auto_delete": False, "arguments": {}}
    path.write_text(json.dumps({"queues": [queue], "users": [{"name": "x"}]}))
    show(page, "#/definitions")
    within = form("Import definitions")
    page.choose("Into", "Virtual host admin-v", within)
    page.field("From a file", within).send_keys(str(path))
    page.press("Import", within)
    said = confirm(page, "Import")
    assert "1 user (passed over: not of one virtual host)" in said
    page.until(lambda: api.exists("queues", "admin-v", "from file"), "the queue")


@pytest.mark.refused
def test_definitions_that_are_wrong_are_refused_in_the_words_of_the_api(page: Page, api: Api) -> None:
    queue = {"name": "x", "vhost": "nowhere", "durable": True, "auto_delete": False, "arguments": {}}
    assert refused(api, "POST", "definitions", body={"queues": [queue]}) == ["no_such_vhost", "nowhere"]
    show(page, "#/definitions")
    within = form("Import definitions")
    page.run(
        "arguments[0].value = arguments[1]",
        page.field("Or from this text", within),
        json.dumps({"queues": [queue]}),
    )
    page.press("Import", within)
    visible(page, "dialog[open]")
    page.press("Import", "dialog")
    assert problem(page, "dialog") == "no_such_vhost: nowhere"
    page.press("Cancel", "dialog")


JSON_PLACES = """
const done = arguments[0];
import("/js/json_place.js").then(({jsonProblem}) => {
  let seed = 3;
  const random = (below) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return Math.floor(seed / 65536) % below;
  };
  const faults = [];
  for (let round = 0; round < 20000; round += 1) {
    const text = Array.from({length: 1 + random(9)}, () => '{}[],:"ab1 .-e\\\\u0'[random(17)]).join("");
    let isJson = true;
    try {
      JSON.parse(text);
    } catch {
      isJson = false;
    }
    if (isJson !== (jsonProblem(text) === -1)) faults.push(text);
  }
  done(faults);
}, (error) => done([String(error)]));
"""


def test_what_is_json_is_what_the_browser_says_it_is(page: Page) -> None:
    page.open()
    assert page.driver.execute_async_script(JSON_PLACES) == []


def test_what_is_no_json_is_said_with_its_place(page: Page) -> None:
    show(page, "#/definitions")
    within = form("Import definitions")
    page.run(
        "arguments[0].value = arguments[1]",
        page.field("Or from this text", within),
        '{\n "queues": [\n  nonsense]}',
    )
    page.press("Import", within)
    assert problem(page, within).startswith("This is no JSON: line 3, column 3: “nonsense]}”")
    assert page.run("return getSelection().toString() || document.activeElement.selectionStart") != 0


# All of them


@pytest.mark.refused  # while it goes, it may still be asked for
def test_hostile_names_are_nothing_but_names(page: Page, api: Api) -> None:
    api.put("vhosts", HOSTILE, body={"description": HOSTILE, "tags": HOSTILE})
    api.put("users", HOSTILE, body={"password": "x", "tags": HOSTILE})
    api.put("permissions", HOSTILE, HOSTILE, body={"configure": "<b>", "write": "", "read": ""})
    api.put(
        "policies", HOSTILE, HOSTILE, body={"pattern": "<b>", "definition": {"alternate-exchange": HOSTILE}}
    )
    quoted = "%3Cimg%20src%3Dx%20onerror%3Dwindow.harmed%3Dtrue%3E"
    page.log_in()
    for where, loaded in (
        ("#/users", 'a[href*="harmed"]'),
        (f"#/users/{quoted}", ".page[data-loaded]"),
        ("#/vhosts", 'a[href*="harmed"]'),
        (f"#/vhosts/{quoted}", ".page[data-loaded]"),
        ("#/policies", 'a[href*="harmed"]'),
        (f"#/policies/{quoted}/{quoted}", ".page[data-loaded]"),
        ("#/limits", ".page[data-loaded]"),
        ("#/definitions", ".page[data-loaded]"),
    ):
        page.go(where)
        visible(page, loaded)
        assert page.run("return window.harmed") is None
        assert page.find("main img") is None
        assert HOSTILE in page.run("return document.querySelector('main').textContent"), where
    page.go(f"#/vhosts/{quoted}")
    page.press("Delete this virtual host")
    assert HOSTILE in confirm(page, "Delete virtual host")
    assert page.run("return window.harmed") is None
