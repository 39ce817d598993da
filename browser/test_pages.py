"""Every page shows what the API says, and does what its forms say."""

import time
from collections.abc import Iterator

import pika
import pytest

from browser.broker import Api, Broker
from browser.page import Page
from browser.traffic import Traffic


@pytest.fixture(scope="module")
def traffic(broker: Broker) -> Iterator[Traffic]:
    traffic = Traffic(broker)
    yield traffic
    traffic.stop()


@pytest.fixture
def queue(api: Api) -> Iterator[str]:
    """A durable queue with three messages."""
    name = "page/of a queue"
    api.delete("queues", "/", name)
    api.put("queues", "/", name, body={"durable": True, "arguments": {"x-max-length": 1000}})
    for number in range(3):
        api.publish(name, f"message {number}", content_type="text/plain", headers={"number": number})
    yield name
    api.delete("queues", "/", name)


# Overview


def test_the_overview_has_the_counts_of_the_api(page: Page, api: Api, traffic: Traffic) -> None:
    page.log_in()
    for key in ("connections", "channels", "exchanges", "queues", "consumers"):
        page.until(
            lambda key=key: (
                page.text(f"[data-count={key}]") == str(api.get("overview")["object_totals"][key])
            ),
            f"the count of {key}",
        )
    assert page.text("[data-count=connections]") == "5"


def test_the_overview_draws_rates_and_tells_them_to_those_who_cannot_see(
    page: Page, traffic: Traffic
) -> None:
    page.log_in()
    page.until(
        lambda: page.run(
            "return document.querySelectorAll('[data-chart=\"Message rates\"] path.line').length"
        ),
        "lines",
    )
    publish = '[data-chart="Message rates"] .legend li:first-child .legend-value'
    page.until(lambda: page.text(publish) not in ("", "–", "0.00/s"), "a rate of publishing")
    page.until(
        lambda: (
            "Publish: now"
            in page.run("return document.querySelector('[data-chart=\"Message rates\"] ').textContent")
        ),
        "a description",
    )
    page.press("As a table", '[data-chart="Message rates"]')
    page.until(lambda: len(page.table("Message rates")) > 0, "the chart as a table")
    page.screenshot("overview", is_whole=True)


def test_the_overview_has_the_node_its_limits_and_ports(page: Page, api: Api, broker: Broker) -> None:
    page.log_in()
    node = api.get("nodes")[0]
    [row] = page.until(lambda: page.table("Nodes"), "nodes")
    assert row["Name"] == node["name"] and row["State"] == "running"
    assert "GiB" in row["Memory"] and "at least" in row["Disk space free"]
    assert f"of {node['fd_total']:,}" in row["File descriptors"]
    ports = {row["Protocol"]: row["Port"] for row in page.table("Ports")}
    assert ports["amqp"] == str(broker.port) and ports["http"] == str(broker.management_port)


def test_a_node_has_a_page(page: Page, api: Api) -> None:
    name = api.get("nodes")[0]["name"]
    page.log_in()
    page.until(lambda: page.table("Nodes"), "nodes")
    page.press(name, "main")
    page.see(f"Node {name}", "main h1")
    page.until(lambda: page.facts().get("Process") == api.get("nodes")[0]["os_pid"], "the process id")
    assert any(row["Name"] == "amqpd" for row in page.table("What runs in this node"))
    page.screenshot("node", is_whole=True)


# Connections and channels


def test_connections_are_listed_with_the_names_their_clients_gave(
    page: Page, api: Api, traffic: Traffic
) -> None:
    page.log_in("#/connections")
    rows = page.until(lambda: page.table("Connections"), "connections")
    told = api.get("connections")
    assert len(rows) == len(told)
    for each in told:
        assert any(
            each["name"] in row["Name"] and each["user_provided_name"] in row["Name"] for row in rows
        ), each["name"]
    page.screenshot("connections")


@pytest.mark.refused  # it is asked for until the page is left
def test_a_connection_is_shown_and_closed_with_a_reason(page: Page, api: Api, broker: Broker) -> None:
    client = broker.connect(product="Testing client", capabilities={"basic.nack": True})
    client.channel()

    def found() -> str:
        for each in api.get("connections"):
            if each["client_properties"].get("product") == "Testing client":
                return str(each["name"])
        return ""

    page.log_in("#/connections")
    name = page.until(found, "the connection in the API")
    page.until(lambda: name in page.text("main"), "the connection in the list")
    page.press(name, "main")
    page.see(name, "main h1")
    page.see("Testing client")
    page.see("basic.nack")
    page.until(lambda: len(page.table("Channels of this connection")) == 1, "its channel")
    assert name.startswith(page.facts()["Client"])
    page.screenshot("connection", is_whole=True)

    page.press("Force close", "main")
    page.fill("Reason", "maintenance at noon", "dialog")
    page.screenshot("connection-close")
    page.press("Force close", "dialog")
    page.see("Connections", "main h1")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        client.process_data_events(30)
    assert "maintenance at noon" in closed.value.reply_text


def test_a_channel_shows_its_consumers(page: Page, api: Api, traffic: Traffic) -> None:
    page.log_in("#/channels")
    rows = page.until(lambda: page.table("Channels"), "channels")
    assert len(rows) == len(api.get("channels"))
    name = api.get("consumers")[0]["channel_details"]["name"]
    page.press(name, "main")
    page.see(name, "main h1")
    consumers = page.until(lambda: page.table("Consumers on this channel"), "consumers")
    assert consumers[0]["Ack"] == "manual" and consumers[0]["Prefetch"] == "20"
    page.screenshot("channel", is_whole=True)


# Exchanges


@pytest.mark.refused  # it is asked for until the page is left
def test_an_exchange_is_added_bound_published_to_and_deleted(queue: str, page: Page, api: Api) -> None:
    api.delete("exchanges", "/", "added by hand")
    page.log_in("#/exchanges")
    page.until(lambda: page.table("Exchanges"), "exchanges")
    page.press("Add exchange", "main")
    page.fill("Name", "added by hand", "form")
    page.choose("Type", "topic", "form")
    page.press("Alternate exchange", "form")
    page.fill("Arguments: value", "amq.fanout", "form")
    page.screenshot("exchange-add", is_whole=True)
    page.press("Add exchange", "form")
    page.see("Exchange added by hand is there.", "#notices")
    page.until(lambda: "added by hand" in page.text(".listing"), "it in the list")
    made = api.get("exchanges", "/", "added by hand")
    assert made["type"] == "topic" and made["durable"]
    assert made["arguments"] == {"alternate-exchange": "amq.fanout"}

    page.press("added by hand", ".listing")
    page.see("added by hand", "main h1")
    binding = 'form[aria-label="Add a binding"]'
    page.fill("Name", queue, binding)
    page.fill("Routing key", "a.#", binding)
    page.press("Bind", binding)
    page.until(lambda: page.table("Bindings from this exchange"), "the binding")
    bound = api.get("exchanges", "/", "added by hand", "bindings", "source")
    assert [(each["destination"], each["routing_key"]) for each in bound] == [(queue, "a.#")]

    page.press("Publish message", "main")
    publish = 'form[aria-label="Publish a message"]'
    page.fill("Routing key", "a.b", publish)
    page.fill("Payload", "by hand: <b>ü</b>", publish)
    page.press("content_type", publish)
    page.fill("Properties: value", "text/html", publish)
    page.press("Publish message", publish)
    page.see("Message published.", "#notices")
    got = api.call(
        "POST", "queues", "/", queue, "get",
        body={"count": 9, "ackmode": "ack_requeue_true", "encoding": "auto"},
    )  # fmt: skip
    assert got[-1]["payload"] == "by hand: <b>ü</b>"
    assert got[-1]["properties"] == {"content_type": "text/html", "delivery_mode": 2}
    page.screenshot("exchange", is_whole=True)

    page.press("Unbind", "main")
    page.press("Unbind", "dialog")
    page.until(lambda: not page.table("Bindings from this exchange"), "no binding")
    page.press("Delete exchange", "main")
    page.press("Delete exchange", "dialog")
    page.see("Exchanges", "main h1")
    assert not api.exists("exchanges", "/", "added by hand")


@pytest.mark.refused
def test_what_the_api_refuses_is_said_in_its_words_in_the_form(page: Page) -> None:
    page.log_in("#/exchanges")
    page.until(lambda: page.table("Exchanges"), "exchanges")
    page.press("Add exchange", "main")
    page.fill("Name", "amq.direct", "form")
    page.choose("Type", "fanout", "form")
    page.press("Add exchange", "form")
    page.see("inequivalent arg 'type' for exchange 'amq.direct'", "form .form-problem")
    page.fill("Name", "amq.mine", "form")
    page.press("Add exchange", "form")
    page.see("Access refused.", "form .form-problem")


def test_the_default_exchange_can_be_published_to_and_not_deleted(queue: str, page: Page) -> None:
    page.log_in("#/exchanges/%2F/amq.default")
    page.see("(default)", "main h1")
    page.see("bound to every queue")
    assert "Delete exchange" not in page.text("main")


# Queues


def test_a_queue_is_added_with_arguments(page: Page, api: Api) -> None:
    api.delete("queues", "/", "added by hand")
    page.log_in("#/queues")
    page.press("Add queue", "main")
    page.choose("Type", "Quorum", "form")
    page.fill("Name", "added by hand", "form")
    page.press("Max length", "form")
    page.fill("Arguments: value", "ten", "form")
    page.press("Add queue", "form")
    page.see("x-max-length must be a number, not “ten”", "form .form-problem")
    page.fill("Arguments: value", "10", "form")
    page.screenshot("queue-add", is_whole=True)
    page.press("Add queue", "form")
    page.until(lambda: "added by hand" in page.text(".listing"), "it in the list")
    made = api.get("queues", "/", "added by hand")
    assert made["type"] == "quorum"
    assert made["arguments"] == {"x-max-length": 10, "x-queue-type": "quorum"}
    api.delete("queues", "/", "added by hand")


def test_no_digit_of_a_large_number_is_lost(page: Page, api: Api) -> None:
    large = 2**53 + 1
    page.log_in("#/queues")
    page.press("Add queue", "main")
    page.fill("Name", "large numbers", "form")
    page.press("Max length", "form")
    page.fill("Arguments: value", str(large), "form")
    page.press("Add queue", "form")
    page.until(lambda: "large numbers" in page.text(".listing"), "it in the list")
    assert api.get("queues", "/", "large numbers")["arguments"] == {"x-max-length": large}
    api.publish("large numbers", "m", headers={"id": large, "inside": [{"id": -large}]})
    page.go("#/queues/%2F/large%20numbers")
    page.until(lambda: str(large) in page.facts().get("Arguments", ""), "the argument")
    page.press("Get messages", "main")
    page.press("Get messages", 'form[aria-label="Get messages"]')
    page.see(f"id\n{large}", "article.message")
    page.see(f"-{large}", "article.message")
    page.go("#/queues")
    api.delete("queues", "/", "large numbers")


def test_a_queue_shows_its_messages_policy_and_bindings(queue: str, page: Page, api: Api) -> None:
    api.put("policies", "/", "of the page", body={"pattern": "^page/", "definition": {"expires": 86400000}})
    page.log_in("#/queues/%2F/page%2Fof%20a%20queue")
    page.see(queue, "main h1")
    page.until(lambda: page.text('[data-messages="Ready"]') == "3", "three ready messages")
    facts = page.facts()
    assert facts["Policy"] == "of the page"
    assert "86400000" in facts["Effective policy definition"]
    assert "1000" in facts["Arguments"]
    assert page.table("Bindings of this queue")[0]["From"] == "(default)"
    page.screenshot("queue", is_whole=True)
    page.press("of the page", ".facts")
    page.see("Policy of the page", "main h1")
    page.go("#/")
    api.delete("policies", "/", "of the page")


def test_messages_are_got_from_a_queue_and_put_back(queue: str, page: Page, api: Api) -> None:
    page.log_in("#/queues/%2F/page%2Fof%20a%20queue")
    page.press("Get messages", "main")
    page.fill("How many", "2", 'form[aria-label="Get messages"]')
    page.press("Get messages", 'form[aria-label="Get messages"]')
    page.until(lambda: len(page.all("article.message")) == 2, "two messages")
    shown = page.text("article.message")
    assert "message 0" in shown and "text/plain" in shown and "number" in shown
    page.until(lambda: page.text('[data-messages="Ready"]') == "3", "three ready messages")
    page.screenshot("queue-get", is_whole=True)


@pytest.mark.refused  # it is asked for until the page is left
def test_a_queue_is_purged_and_deleted_after_questions(queue: str, page: Page, api: Api) -> None:
    page.log_in("#/queues/%2F/page%2Fof%20a%20queue")
    page.press("Purge messages", "main")
    page.press("Cancel", "dialog")
    assert api.get("queues", "/", queue)["messages"] == 3
    page.press("Purge messages", "main")
    page.press("Purge messages", "dialog")
    page.see("Queue purged.", "#notices")
    page.until(lambda: page.text('[data-messages="Ready"]') == "0", "no messages")
    page.press("Delete queue", "main")
    page.press("Delete queue", "dialog")
    page.see("Queues", "main h1")
    assert not api.exists("queues", "/", queue)


def test_a_question_goes_with_the_page_that_asked_it(queue: str, page: Page, api: Api) -> None:
    page.log_in("#/queues")
    page.go("#/queues/%2F/page%2Fof%20a%20queue")
    page.press("Delete queue", "main")
    page.until(lambda: page.find("dialog[open]"), "the question")
    page.run("history.back()")
    page.see("Queues", "main h1")
    page.until(lambda: page.find("dialog") is None, "no question")
    assert api.exists("queues", "/", queue)


@pytest.mark.refused
def test_a_queue_that_is_not_empty_is_not_deleted_if_that_is_asked_for(
    queue: str, page: Page, api: Api
) -> None:
    page.log_in("#/queues/%2F/page%2Fof%20a%20queue")
    page.press("Delete queue", "main")
    page.field("Only if it is empty", "dialog").click()
    page.press("Delete queue", "dialog")
    page.until(lambda: "not empty" in page.text("dialog .form-problem"), "why not")
    assert api.exists("queues", "/", queue)
    page.press("Cancel", "dialog")


@pytest.mark.refused
def test_what_is_not_there_is_said_not_to_be(page: Page) -> None:
    page.log_in("#/queues/%2F/no%20such%20queue")
    page.see("Not found: it does not exist", "main .problem")
    assert not page.run("return document.querySelector('main .page').checkVisibility()"), "forms for nothing"
    page.go("#/nothing/of/the/kind")
    page.see("There is no such page", "main h1")


@pytest.mark.refused
def test_what_comes_to_be_is_shown_then(page: Page, api: Api) -> None:
    page.log_in("#/queues/%2F/yet%20to%20come")
    page.see("Not found: it does not exist", "main .problem")
    api.put("queues", "/", "yet to come")
    page.until(lambda: page.text('[data-messages="Ready"]') == "0", "its messages")
    assert page.text("main .problem") == ""
    assert page.all("[data-chart='Queued messages'] path.line"), "its chart"
    page.go("#/queues")
    api.delete("queues", "/", "yet to come")


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_no_browser_can_ask_for_is_said_to_be_one(page: Page, api: Api, name: str) -> None:
    """Browsers take such a part of a path as "here" or "above", escaped or not: it must not get at anything else."""
    api.put("queues", "/", name)
    page.log_in("#/queues")
    page.until(lambda: name in [row["Name"] for row in page.table("Queues")], "it in the list")
    before = api.get("queues", "/")
    page.go(f"#/queues/%2F/{name}")
    page.see(f"no browser can have the name “{name}” in a path", "main .problem")
    page.go(f"#/exchanges/{name}/amq.direct")
    page.see(f"no browser can have the name “{name}” in a path", "main .problem")
    page.go("#/queues")
    page.press("Add queue", "main")
    page.fill("Name", name, "form")
    page.press("Add queue", "form")
    page.see(f"no browser can have the name “{name}” in a path", "form .form-problem")
    assert [each["name"] for each in api.get("queues", "/")] == [each["name"] for each in before]
    asked = page.run(
        "return performance.getEntriesByType('resource').map((each) => new URL(each.name).pathname)"
    )
    assert not {"/api/queues/", "/api/queues/%2F/", "/api/exchanges/amq.direct", "/api/amq.direct"} & set(
        asked
    )
    api.delete("queues", "/", name)


@pytest.mark.refused  # it is asked for until the page is left
def test_the_virtual_host_chosen_is_the_only_one_shown(page: Page, api: Api) -> None:
    api.put("vhosts", "another & <one>")
    api.put("queues", "another & <one>", "over there")
    api.put("queues", "/", "over here")
    page.log_in("#/queues")
    page.until(lambda: "over there" in page.text(".listing"), "all queues")
    assert "over here" in page.text(".listing")
    page.choose("Virtual host", "another & <one>")
    page.until(lambda: "over here" not in page.text(".listing"), "the queues of one virtual host")
    page.see("over there", ".listing")
    page.press("over there", ".listing")
    page.see("over there", "main h1")
    page.until(lambda: page.facts().get("Virtual host") == "another & <one>", "its virtual host")
    api.delete("vhosts", "another & <one>")
    api.delete("queues", "/", "over here")


@pytest.mark.refused  # what is in the virtual host that is gone is asked for once more
def test_a_virtual_host_that_is_gone_is_chosen_no_more(page: Page, api: Api) -> None:
    api.put("vhosts", "short-lived")
    page.log_in("#/queues")
    page.choose("Virtual host", "short-lived")
    page.until(lambda: page.text(".count") == "0 queues", "an empty virtual host")
    api.delete("vhosts", "short-lived")
    page.go("#/exchanges")
    page.until(lambda: "short-lived" not in page.text(".choices"), "no such choice")
    page.until(lambda: "amq.topic" in page.text(".listing"), "all exchanges")


@pytest.mark.parametrize("where", ["#/", "#/queues/%2F/orders.audit"])
def test_charts_look_back_as_far_as_chosen(page: Page, traffic: Traffic, where: str) -> None:
    page.log_in(where)
    ranges = page.until(lambda: page.field("Charts show").text.split("\n"), "ranges")
    assert len(ranges) == (5 if where == "#/" else 3)
    for label in ranges:
        page.choose("Charts show", label.strip())
        page.until(
            lambda label=label: (
                label.strip()
                in page.run("return document.querySelector('[data-chart=\"Queued messages\"]').textContent")
            ),
            label,
        )
        assert page.text("main .problem") == ""
    step_s = {"#/": 1800, "#/queues/%2F/orders.audit": 60}[where]
    asked = page.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert any(f"lengths_incr={step_s}" in each for each in asked)


def test_a_queue_is_not_asked_how_it_was_longer_ago_than_is_kept(page: Page, traffic: Traffic) -> None:
    page.log_in()
    page.choose("Charts show", "Last day")
    page.go("#/queues/%2F/orders.audit")
    page.until(lambda: page.find("[data-chart='Queued messages'] path.line"), "lines")
    asked = page.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert not [each for each in asked if "/api/queues/" in each and "lengths_age=86400" in each]
    assert any("/api/queues/" in each and "lengths_age=3600" in each for each in asked)


def test_times_are_those_of_now(page: Page, traffic: Traffic) -> None:
    """The last point of a chart is not older than what was asked last."""
    page.log_in()
    page.until(lambda: page.text('[data-chart="Queued messages"] .legend-value').strip("–"), "numbers")
    page.press("As a table", '[data-chart="Queued messages"]')
    rows = page.until(lambda: page.table("Queued messages"), "the chart as a table")
    newest = time.strptime(rows[0]["Time"], "%H:%M:%S")
    now = time.localtime()
    seconds = (now.tm_hour - newest.tm_hour) * 3600 + (now.tm_min - newest.tm_min) * 60
    assert abs(seconds + now.tm_sec - newest.tm_sec) % 86400 < 60
