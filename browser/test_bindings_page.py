"""The picture of what leads where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from browser.broker import Api
from browser.page import NARROW, Page
from browser.steps import fits, focus, leave, miss, picture, visible
from browser.steps import show as opened

HOSTILE = "<img src=x onerror=window.harmed=true>"


def exchange(name: str, type_: str = "topic", **arguments: object) -> dict[str, Any]:
    return {
        "name": name,
        "type": type_,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": arguments,
    }


def queue(name: str, **arguments: object) -> dict[str, Any]:
    given = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
    return {"name": name, "durable": True, "auto_delete": False, "arguments": given}


def binding(
    source: str, destination: str, key: str = "", to: str = "queue", **arguments: object
) -> dict[str, Any]:
    return {
        "source": source,
        "destination": destination,
        "destination_type": to,
        "routing_key": key,
        "arguments": arguments,
    }


SHOP = {
    "exchanges": [
        exchange("orders", **{"alternate-exchange": "unrouted"}),
        exchange("orders.dead", "direct"),
        exchange("unrouted", "fanout"),
        exchange("audit", "fanout"),
        exchange("events", "headers"),
    ],
    "queues": [
        queue("billing", dead_letter_exchange="orders.dead", dead_letter_routing_key="retry"),
        queue("shipping", queue_type="quorum", dead_letter_exchange="orders.dead", delivery_limit=5),
        queue(
            "retry.30s",
            message_ttl=30000,
            dead_letter_exchange="orders",
            dead_letter_routing_key="order.again",
        ),
        queue("parked"),
        queue("audit.log", queue_type="stream"),
        queue("europe"),
        queue("lost"),
        queue("alone"),
    ],
    "bindings": [
        binding("orders", "billing", "order.created"),
        binding("orders", "billing", "order.again"),
        binding("orders", "shipping", "order.paid"),
        binding("orders", "audit", "#", "exchange"),
        binding("audit", "audit.log"),
        binding("orders.dead", "retry.30s", "retry"),
        binding("orders.dead", "parked", "order.paid"),
        binding("unrouted", "lost"),
        binding("events", "europe", region="eu", **{"x-match": "all"}),
    ],
}


@pytest.fixture
def vhost(page: Page, api: Api) -> Iterator[str]:
    """A virtual host of its own, gone afterwards."""
    name = "pictured"
    api.put("vhosts", name)
    yield name
    leave(page)
    api.delete("vhosts", name)


def define(api: Api, vhost: str, definitions: dict[str, Any]) -> None:
    api.call("POST", "definitions", vhost, body=definitions)


def show(page: Page, vhost: str, query: str = "") -> None:
    opened(page, f"#/bindings?vhost={vhost}{query}")


def node(page: Page, kind: str, name: str) -> WebElement:
    return visible(page, f'.graph-node[data-id="{kind} {name}"]')


def places(page: Page) -> dict[str, tuple[float, float]]:
    """Where the middle of each node is on the screen."""
    script = """
    return Object.fromEntries([...document.querySelectorAll(".graph-node")].map((each) => {
      const box = each.querySelector(".box").getBoundingClientRect();
      return [each.dataset.id, [box.x + box.width / 2, box.y + box.height / 2]];
    }));
    """
    found = page.run(script)
    return {name: (x, y) for name, (x, y) in found.items()}


def lines(page: Page) -> set[tuple[str, str, str]]:
    """Kind, from, to of every line that is drawn."""
    script = 'return [...document.querySelectorAll(".graph > g:first-of-type > path")].map((each) => each.dataset.id);'
    return {(kind, source, target) for kind, source, target in map(json.loads, page.run(script))}


def test_every_binding_and_every_way_of_dead_letters_is_a_line(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    assert lines(page) == {
        ("binding", "exchange orders", "queue billing"),
        ("binding", "exchange orders", "queue shipping"),
        ("binding", "exchange orders", "exchange audit"),
        ("binding", "exchange audit", "queue audit.log"),
        ("binding", "exchange orders.dead", "queue retry.30s"),
        ("binding", "exchange orders.dead", "queue parked"),
        ("binding", "exchange unrouted", "queue lost"),
        ("binding", "exchange events", "queue europe"),
        ("alternate", "exchange orders", "exchange unrouted"),
        ("dead letter", "queue billing", "exchange orders.dead"),
        ("dead letter", "queue shipping", "exchange orders.dead"),
        ("dead letter", "queue retry.30s", "exchange orders"),
    }
    shown = page.text(".graph-scroll")
    for words in (
        "order.created",
        "order.again",
        "order.paid",
        "region: eu",
        "dead letters",
        "as retry",
        "unrouted",
    ):
        assert words in shown


def test_sources_stand_left_of_where_they_lead(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    at = places(page)
    for kind, source, target in lines(page):
        # The one way back is that of the queue in which messages wait.
        if (kind, source) != ("dead letter", "queue retry.30s"):
            assert at[source][0] < at[target][0], (kind, source, target)


def test_nodes_and_labels_do_not_lie_on_each_other(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    script = """
    const boxes = [...document.querySelectorAll(".graph-node .box, .graph-label rect")].map((each) => each.getBoundingClientRect());
    return boxes.flatMap((one, at) => boxes.slice(at + 1).filter((other) =>
      one.left < other.right - 1 && other.left < one.right - 1 && one.top < other.bottom - 1 && other.top < one.bottom - 1)).length;
    """
    assert page.run(script) == 0


def test_what_policies_ask_is_a_line_too(page: Page, api: Api, vhost: str) -> None:
    define(
        api,
        vhost,
        {"exchanges": [exchange("in"), exchange("dead"), exchange("other")], "queues": [queue("work")]},
    )
    api.put(
        "policies",
        vhost,
        "dead",
        body={"pattern": "^work$", "definition": {"dead-letter-exchange": "dead"}, "apply-to": "queues"},
    )
    api.put(
        "policies",
        vhost,
        "else",
        body={"pattern": "^in$", "definition": {"alternate-exchange": "other"}, "apply-to": "exchanges"},
    )
    show(page, vhost)
    assert lines(page) == {
        ("dead letter", "queue work", "exchange dead"),
        ("alternate", "exchange in", "exchange other"),
    }


def test_a_way_that_leads_to_no_exchange_is_seen(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, {"queues": [queue("work", dead_letter_exchange="nowhere")]})
    show(page, vhost)
    assert "does not exist" in node(page, "exchange", "nowhere").text


def test_dead_letters_to_a_queue_by_its_name_lead_to_that_queue(page: Page, api: Api, vhost: str) -> None:
    define(
        api,
        vhost,
        {"queues": [queue("work", dead_letter_exchange="", dead_letter_routing_key="dead"), queue("dead")]},
    )
    show(page, vhost)
    assert lines(page) == {("dead letter", "queue work", "queue dead")}


def test_the_filter_leaves_what_is_called_so_and_its_neighbours(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    page.fill("Filter by name or routing key", "audit")
    page.until(lambda: set(places(page)) == {"exchange orders", "exchange audit", "queue audit.log"}, "that")
    assert "name=audit" in page.driver.current_url
    page.fill("Filter by name or routing key", "no such thing")
    page.see("Nothing has “no such thing” in its name or routing key.")


def test_the_default_exchange_and_what_stands_alone_come_when_wanted(
    page: Page, api: Api, vhost: str
) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    assert "queue alone" not in places(page)
    page.field("What nothing is bound to").click()
    page.until(lambda: "queue alone" in places(page), "that")
    page.field("Default exchange").click()
    page.until(lambda: ("binding", "exchange ", "queue alone") in lines(page), "that")


def test_pressing_a_node_opens_what_it_stands_for(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    assert node(page, "queue", "billing").get_attribute("href") is not None
    focus(page, node(page, "queue", "billing"))
    page.keys(Keys.ENTER)
    page.until(lambda: page.driver.current_url.endswith(f"#/queues/{vhost}/billing"), "that")


def test_arrow_keys_follow_the_lines(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    here = lambda: page.driver.switch_to.active_element.get_attribute("data-id")  # noqa: E731
    focus(page, node(page, "exchange", "events"))
    page.keys(Keys.ARROW_RIGHT)
    assert here() == "queue europe"
    page.keys(Keys.ARROW_LEFT)
    assert here() == "exchange events"
    # One of them takes part in the order of the tabulator, not all.
    stops = page.run("return document.querySelectorAll('.graph-node[tabindex=\"0\"]').length")
    assert stops == 1


def test_the_table_says_the_same_as_the_picture(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    rows = [each.text for each in page.all("table tbody tr")]
    assert len(rows) == 9 + 1 + 3
    assert any("orders" in row and "order.created" in row and "billing" in row for row in rows)
    assert any("billing" in row and "dead letters" in row and "orders.dead" in row for row in rows)


def test_numbers_change_where_they_stand(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    before = places(page)
    billing = node(page, "queue", "billing")
    assert "0 ready" in billing.text
    api.call(
        "POST",
        "exchanges",
        vhost,
        "orders",
        "publish",
        body={"routing_key": "order.created", "payload": "x", "payload_encoding": "string", "properties": {}},
    )
    page.until(lambda: "1 ready" in billing.text, "that")  # the very same element
    assert places(page) == before


def test_a_new_binding_comes_and_what_is_looked_at_stays_where_it_is(
    page: Page, api: Api, vhost: str
) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    focus(page, node(page, "queue", "parked"))
    before = places(page)
    define(api, vhost, {"queues": [queue("new")], "bindings": [binding("events", "new")]})
    page.until(lambda: "queue new" in places(page), "that")
    after = places(page)

    def order(at: dict[str, tuple[float, float]]) -> list[str]:
        column = [name for name in before if at[name][0] == at["queue parked"][0]]
        return sorted(column, key=lambda name: at[name][1])

    assert order(after) == order(before)
    assert page.driver.switch_to.active_element.get_attribute("data-id") == "queue parked"


def many(queues: int, exchanges: int, bindings: int) -> dict[str, Any]:
    return {
        "exchanges": [exchange(f"exchange.{at}") for at in range(exchanges)],
        "queues": [queue(f"worker.{at:04}") for at in range(queues)],
        "bindings": [
            binding(f"exchange.{at % exchanges}", f"worker.{at % queues:04}", f"key.{at}")
            for at in range(bindings)
        ],
    }


def test_five_hundred_bindings_are_drawn_and_queues_that_are_bound_alike_stand_together(
    page: Page, api: Api, vhost: str
) -> None:
    define(api, vhost, many(queues=250, exchanges=5, bindings=500))
    show(page, vhost)
    page.see("250 queues that are bound alike stand together in 5 groups")
    assert len(places(page)) == 5 + 5
    page.screenshot("bindings-500")
    focus(page, visible(page, ".graph-node.group"))
    page.keys(Keys.SPACE)
    page.until(lambda: len(places(page)) == 5 + 4 + 50, "that")
    assert page.driver.switch_to.active_element.get_attribute("data-id") == "queue worker.0000"
    page.press("Put 50 queues like worker.0000 together again")
    page.until(lambda: len(places(page)) == 5 + 5, "that")


def test_more_than_can_be_read_is_said_to_be_left_out(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, many(queues=37, exchanges=60, bindings=2000))
    show(page, vhost)
    page.see("more would not be readable and are left out. Filter by name to see others.")
    assert len(lines(page)) == 300
    page.fill("Filter by name or routing key", "worker.0001")
    page.until(lambda: len(lines(page)) < 100, "that")
    miss(page, "left out")


def test_hostile_names_are_nothing_but_names(page: Page, api: Api, vhost: str) -> None:
    define(
        api,
        vhost,
        {
            "exchanges": [exchange(HOSTILE), exchange("\"]\n ; } ' ")],
            "queues": [queue(HOSTILE), queue("a/b?c=d&e#f%2F")],
            "bindings": [
                binding(HOSTILE, HOSTILE, HOSTILE, **{HOSTILE: HOSTILE}),
                binding("\"]\n ; } ' ", "a/b?c=d&e#f%2F", "\u202egnp"),
            ],
        },
    )
    show(page, vhost)
    assert ("binding", f"exchange {HOSTILE}", f"queue {HOSTILE}") in lines(page)
    assert page.run("return window.harmed") is None
    assert page.driver.find_elements("css selector", "main img") == []
    assert HOSTILE in page.text("table")


def test_the_virtual_host_is_the_one_that_is_chosen_here_or_on_top(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    opened(page, "#/bindings")
    page.see("Nothing is bound here, but each queue to the default exchange by its name.")
    page.choose("Virtual host of the picture", vhost)
    page.until(lambda: "queue billing" in places(page), "the other virtual host")
    page.choose("Virtual host", "/", "header")
    page.see("Nothing is bound here")
    page.choose("Virtual host", vhost, "header")
    page.until(lambda: "queue billing" in places(page), "the other virtual host")
    page.choose("Virtual host", "All virtual hosts", "header")


def test_the_picture_becomes_larger_and_smaller(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    show(page, vhost)
    width = lambda: float(visible(page, ".graph").get_attribute("width") or 0)  # noqa: E731
    fitting = width()
    page.press("Larger")
    assert width() > fitting
    page.press("Smaller")
    page.press("Smaller")
    assert width() < fitting
    page.press("Fit")
    assert width() == fitting


RANDOM_GRAPHS = """
const done = arguments[0];
let seed = 7;
const random = (below) => {
  seed = (seed * 1103515245 + 12345) % 2147483648;
  return Math.floor(seed / 65536) % below;
};
const overlaps = (boxes) => boxes.flatMap((one, at) => boxes.slice(at + 1).filter((other) =>
  Math.abs(one.x - other.x) < (one.width + other.width) / 2 - 1 && Math.abs(one.y - other.y) < (one.height + other.height) / 2 - 1)).length;
import("/js/layered_layout.js").then(({layeredLayout}) => {
  const faults = [];
  for (let round = 0; round < 60; round += 1) {
    const count = 1 + random(30);
    const nodes = Array.from({length: count}, (_, id) => ({id, width: 100 + random(80), height: 44, isLast: random(2) === 1}));
    const edges = Array.from({length: random(70)}, (_, id) => ({
      id, from: random(count), to: random(count), label: random(3) ? {width: 20 + random(90), height: 15 + random(30)} : null,
    }));
    const laid = layeredLayout(nodes, edges);
    const boxes = [
      ...nodes.map((node) => ({...node, ...laid.nodes.get(node.id)})),
      ...edges.flatMap((edge) => (laid.edges.get(edge.id)?.label ? [{...edge.label, ...laid.edges.get(edge.id).label}] : [])),
    ];
    if (overlaps(boxes)) faults.push(`${round}: ${overlaps(boxes)} lie on each other`);
    if (boxes.some((box) => box.x - box.width / 2 < 0 || box.y - box.height / 2 < 0 || box.x + box.width / 2 > laid.width || box.y + box.height / 2 > laid.height)) faults.push(`${round}: outside`);
    for (const edge of edges) {
      if (edge.from === edge.to) continue;
      const {points, isBackward} = laid.edges.get(edge.id);
      const [first, last] = [points[0], points.at(-1)];
      if (isBackward ? first.x <= last.x : first.x >= last.x) faults.push(`${round}: ${edge.id} goes the wrong way`);
      if (Math.abs(first.y - laid.nodes.get(edge.from).y) > 22 || Math.abs(last.y - laid.nodes.get(edge.to).y) > 22) faults.push(`${round}: ${edge.id} does not meet its node`);
    }
    const again = layeredLayout(nodes, edges, new Map([...laid.nodes].map(([id, {y}]) => [id, y])));
    const order = (of) => JSON.stringify([...of.nodes].sort(([, one], [, other]) => one.x - other.x || one.y - other.y).map(([id]) => id));
    if (!edges.some((edge) => edge.from !== edge.to) && order(again) !== order(laid)) faults.push(`${round}: another order`);
  }
  done(faults);
}, (error) => done([String(error)]));
"""


def test_whatever_leads_wherever_nothing_lies_on_something_else(page: Page) -> None:
    page.open()
    assert page.driver.execute_async_script(RANDOM_GRAPHS) == []


def test_the_picture_fits_on_a_narrow_screen(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    for at in range(3):
        api.call(
            "POST",
            "exchanges",
            vhost,
            "orders",
            "publish",
            body={
                "routing_key": "order.paid",
                "payload": json.dumps({"order": at}),
                "payload_encoding": "string",
                "properties": {},
            },
        )
    page.resize(*NARROW)
    show(page, vhost)
    page.see("3 ready", ".graph-scroll")
    page.screenshot("bindings-narrow", is_whole=True, width=NARROW[0])
    assert fits(page)


def test_pictures_of_bindings(page: Page, api: Api, vhost: str) -> None:
    define(api, vhost, SHOP)
    for key, count in (("order.created", 42), ("order.paid", 12)):
        for _ in range(count):
            body = {"routing_key": key, "payload": "{}", "payload_encoding": "string", "properties": {}}
            api.call("POST", "exchanges", vhost, "orders", "publish", body=body)
    page.prefer(interval=5000)
    page.resize(1280, 620)
    show(page, vhost)
    page.see("42 ready", ".graph-scroll")
    picture(page, "bindings")
