"""Names for what is pressed and typed into, headings in order, contrast, and room on a narrow screen."""

import re
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from browser.broker import Api, Broker
from browser.page import NARROW, Page
from browser.steps import LOADED, visible
from browser.traffic import Traffic

WHERE = {
    "overview": "#/",
    "connections": "#/connections",
    "connection": "#/connections/{connection}",
    "channels": "#/channels",
    "channel": "#/channels/{connection}%20(1)",
    "exchanges": "#/exchanges",
    "exchange": "#/exchanges/%2F/orders",
    "queues": "#/queues",
    "queue": "#/queues/%2F/orders.incoming",
    "messages": "#/queues/%2F/orders.audit/messages",
    "node": "#/nodes/{node}",
    "bindings": "#/bindings",
    "users": "#/users",
    "user": "#/users/guest",
    "vhosts": "#/vhosts",
    "vhost": "#/vhosts/%2F",
    "policies": "#/policies",
    "policy": "#/policies/%2F/audits",
    "limits": "#/limits",
    "definitions": "#/definitions",
    "feature-flags": "#/feature-flags",
    "cluster-name": "#/cluster-name",
}

OPEN_ALL = "for (const each of document.querySelectorAll('main details')) each.open = true"
FAULTS = """
const faults = [];
const seen = (each) => each.checkVisibility();
const name = (each) => (each.getAttribute("aria-label") ??
  (each.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ")).trim();
const outline = (each) => each.cloneNode(false).outerHTML.slice(0, 160);
for (const each of document.querySelectorAll("input, select, textarea")) {
  if (seen(each) && !name(each) && ![...each.labels].some((label) => label.textContent.trim())) faults.push(`no label: ${outline(each)}`);
}
for (const each of document.querySelectorAll("button, a[href], summary")) {
  if (seen(each) && !name(each) && !each.textContent.trim()) faults.push(`no name: ${outline(each)}`);
}
for (const each of document.querySelectorAll("[role=img], section, nav, [role=region], [role=group]")) {
  if (seen(each) && !name(each)) faults.push(`no name: ${outline(each)}`);
}
for (const each of document.querySelectorAll("img:not([alt])")) faults.push(`no text: ${outline(each)}`);
for (const each of document.querySelectorAll("table")) {
  if (seen(each) && !each.caption?.textContent.trim()) faults.push(`no caption: ${outline(each)}`);
  for (const heading of each.querySelectorAll("th")) if (!heading.scope) faults.push(`no scope: ${outline(heading)}`);
}
const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
for (const id of new Set(ids)) if (ids.filter((each) => each === id).length > 1) faults.push(`two have the id ${id}`);
for (const attribute of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
  for (const each of document.querySelectorAll(`[${attribute}]`)) {
    for (const id of each.getAttribute(attribute).split(" ")) if (!document.getElementById(id)) faults.push(`${attribute}=${id} leads nowhere`);
  }
}
let level = 0;
const headings = [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].filter(seen);
for (const each of headings) {
  const own = Number(each.tagName[1]);
  if (own > level + 1) faults.push(`h${own} after h${level}: ${each.textContent}`);
  level = own;
}
if (headings.filter((each) => each.tagName === "H1").length !== 1) faults.push("not one h1");
if (document.querySelectorAll("main").length !== 1) faults.push("not one main");
if (document.documentElement.lang !== "en") faults.push("no language");
if (!document.title) faults.push("no title");
for (const each of document.querySelectorAll("[tabindex]")) if (each.tabIndex > 0) faults.push(`an order of its own: ${outline(each)}`);
return faults;
"""

TOO_WIDE = """
const wide = document.documentElement.clientWidth;
const scrolls = (each) => each !== null && (["auto", "scroll", "hidden"].includes(getComputedStyle(each).overflowX) || scrolls(each.parentElement));
if (document.documentElement.scrollWidth <= wide) return [];
return [...document.querySelectorAll("body *")].filter((each) => each.checkVisibility() &&
  each.getBoundingClientRect().right > wide + 1 && !scrolls(each.parentElement)).map((each) => each.cloneNode(false).outerHTML.slice(0, 200));
"""


@pytest.fixture(scope="module", autouse=True)
def traffic(broker: Broker, api: Api) -> Iterator[Traffic]:
    definition = {"message-ttl": 86400000, "overflow": "reject-publish"}
    api.put("policies", "/", "audits", body={"pattern": "audit$", "definition": definition})
    traffic = Traffic(broker)
    yield traffic
    traffic.stop()
    api.delete("policies", "/", "audits")


def shown(page: Page, api: Api, name: str) -> None:
    """Log in and go there, and wait until all is there."""
    page.until(lambda: api.get("consumers"), "consumers")
    connection = (
        api.get("consumers")[0]["channel_details"]["connection_name"].replace(" ", "%20").replace(">", "%3E")
    )
    page.log_in(WHERE[name].format(connection=connection, node=api.get("nodes")[0]["name"]))
    visible(page, LOADED)
    assert page.text("main .problem") == ""


@pytest.mark.parametrize("name", WHERE)
def test_everything_has_a_name_and_nothing_is_wider_than_a_narrow_screen(
    page: Page, api: Api, name: str
) -> None:
    shown(page, api, name)
    page.run(OPEN_ALL)
    assert page.run(FAULTS) == []
    page.screenshot(f"all-{name}", is_whole=True)
    page.resize(*NARROW)
    assert page.run(TOO_WIDE) == []
    page.screenshot(f"narrow-{name}", is_whole=True, width=NARROW[0])


def test_so_has_the_login(page: Page) -> None:
    page.open()
    page.until(lambda: page.find("input[name=username]"), "the form")
    assert page.run(FAULTS) == []
    page.screenshot("login")


def test_names_as_long_as_they_may_be_fit_on_a_narrow_screen(page: Page, api: Api) -> None:
    name = "n" * 255
    api.put("queues", "/", name, body={"arguments": {"x-dead-letter-exchange": name}})
    api.publish(name, name, headers={name: name})
    api.put("exchanges", "/", name, body={"type": "topic"})
    body = {"routing_key": name, "arguments": {name: name}}
    api.call("POST", "bindings", "/", "e", name, "q", name, body=body)
    api.put("users", name, body={"password": "x", "tags": f"management,{name}"})
    api.put("vhosts", name, body={"description": name, "tags": name})
    api.put("policies", "/", name, body={"pattern": name, "definition": {"dead-letter-routing-key": name}})
    api.put("vhost-limits", name, "max-queues", body={"value": 2**40})
    page.resize(*NARROW)
    page.log_in()
    for where in (
        "#/queues", f"#/queues/%2F/{name}", f"#/queues/%2F/{name}/messages", "#/exchanges", f"#/exchanges/%2F/{name}",
        "#/users", f"#/users/{name}", "#/vhosts", f"#/vhosts/{name}", "#/policies", f"#/policies/%2F/{name}", "#/limits",
        "#/bindings",
    ):  # fmt: skip
        page.go(where)
        page.see(name, "main")
        page.run(OPEN_ALL)
        assert page.run(TOO_WIDE) == [], where
        page.screenshot(f"long-{re.sub(r'%2F|n{9,}|[^a-z]', '', where)}", is_whole=True, width=NARROW[0])
    page.log_in("#/", name, "x")
    page.see(name, ".who")
    assert page.run(TOO_WIDE) == [], "whoever is called so"
    page.resize(900, 600)
    assert page.run(TOO_WIDE) == [], "whoever is called so, with more room"
    page.press("Log out")
    page.see("Log in", ".login h1")
    for path in (("queues", "/"), ("exchanges", "/"), ("users",), ("vhosts",), ("policies", "/")):
        api.delete(*path, name)


@pytest.mark.parametrize("name", ["overview", "queues", "queue", "exchange"])
def test_there_is_a_dark_page(page: Page, api: Api, name: str) -> None:
    page.colours("dark")
    shown(page, api, name)
    assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(16, 21, 27)"
    page.screenshot(f"dark-{name}", is_whole=True)


def test_the_colours_are_chosen_and_remembered(page: Page) -> None:
    page.log_in()
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = page.run(ground)
    page.choose("Colours", "Dark")
    dark = page.run(ground)
    assert dark != light
    page.driver.refresh()
    page.until(lambda: page.find("main h1"), "the page again")
    assert page.run(ground) == dark
    page.choose("Colours", "System colours")
    assert page.run(ground) == light


def test_the_navigation_is_never_below_the_top(page: Page, api: Api) -> None:
    page.resize(900, 600)
    shown(page, api, "overview")
    page.run("scrollTo(0, 500)")
    page.until(
        lambda: page.run(
            """
            const top = (selector) => document.querySelector(selector).getBoundingClientRect();
            return scrollY > 0 && top("#places").top >= top("header.top").bottom;
            """
        ),
        "all of the navigation",
    )


def test_the_menu_of_a_narrow_page_opens_and_closes(page: Page) -> None:
    page.resize(*NARROW)
    page.log_in()
    assert not page.run("return document.querySelector('#places').checkVisibility()")
    page.press("Menu")
    assert page.run("return document.querySelector('#places').checkVisibility()")
    page.screenshot("narrow-menu")
    page.press("Queues", "#places")
    page.see("Queues", "main h1")
    assert not page.run("return document.querySelector('#places').checkVisibility()")


# Contrast, as WCAG 2 computes it


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def palette(broker: Broker) -> dict[str, tuple[str, str]]:
    with urlopen(f"{broker.page}style.css") as answer:
        style = answer.read().decode()
    found = re.findall(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\);", style)
    return {name: (light, dark) for name, light, dark in found}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_and_controls_stand_out_from_their_ground(broker: Broker, scheme: int) -> None:
    colours = {name: pair[scheme] for name, pair in palette(broker).items()}
    grounds = ("ground", "surface", "raised", "hover")
    pairs = [(text, ground, 4.5) for text in ("text", "muted", "accent") for ground in grounds]
    pairs += [(name, f"{name}-soft", 4.5) for name in ("danger", "good", "warn", "accent")]
    pairs += [("accent-text", "accent", 4.5), ("danger-text", "danger", 4.5), ("danger", "surface", 4.5)]
    pairs += [(name, ground, 3.0) for name in ("control-border", "focus") for ground in ("ground", "surface")]
    pairs += [(f"series-{number}", "surface", 3.0) for number in range(1, 9)]
    weak = [
        f"{text} on {ground}: {contrast(colours[text], colours[ground]):.2f} of {least}"
        for text, ground, least in pairs
        if contrast(colours[text], colours[ground]) < least
    ]
    assert weak == []
