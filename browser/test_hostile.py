"""Whatever clients call things, it is text."""

from collections.abc import Iterator
from urllib.parse import quote
from urllib.request import urlopen

import pika
import pytest

from browser.broker import Api, Broker
from browser.page import Page

IMAGE = "<img src=x onerror=window.pwned=1>"
SCRIPT = '"><script>window.pwned=1</script>'
LINK = "javascript:window.pwned=1"
NAMES = (IMAGE, SCRIPT, LINK, "'-window.pwned-'", "${window.pwned=1}", "\u202egnp.exe", "&lt;b&gt;")


@pytest.fixture(scope="module", autouse=True)
def hostile(broker: Broker, api: Api) -> Iterator[pika.BlockingConnection]:
    """Everything has a hostile name."""
    connection = broker.connect(connection_name=IMAGE, product=SCRIPT, information={IMAGE: [SCRIPT, LINK]})
    channel = connection.channel()
    for name in NAMES:
        channel.exchange_declare(name, "topic", arguments={"x-note": IMAGE})
        channel.queue_declare(name, arguments={"x-note": SCRIPT})
        channel.queue_bind(name, name, IMAGE, {"x-match": SCRIPT})
        properties = pika.BasicProperties(headers={IMAGE: SCRIPT}, type=IMAGE, content_type="text/html")
        channel.basic_publish("", name, f"{IMAGE}{SCRIPT}".encode(), properties)
    api.put("vhosts", IMAGE)
    api.put("policies", "/", IMAGE, body={"pattern": "^<img", "definition": {"expires": 86400000}})
    channel.basic_consume(NAMES[4], lambda *_: None, consumer_tag=IMAGE)
    connection.process_data_events(0.2)
    yield connection
    api.delete("policies", "/", IMAGE)
    api.delete("vhosts", IMAGE)
    for name in NAMES:
        channel.queue_delete(name)
        channel.exchange_delete(name)
    connection.close()


def check(page: Page) -> None:
    """Nothing that anybody typed has become anything but text."""
    assert page.run("return window.pwned") is None
    assert (
        page.run(
            "return document.querySelectorAll('[onerror], img:not([src=\"icon.svg\"]), main script').length"
        )
        == 0
    )
    assert (
        page.run("return [...document.links].filter((each) => each.protocol === 'javascript:').length") == 0
    )


def test_names_in_lists_are_text(page: Page) -> None:
    page.log_in("#/queues")
    for where in ("#/queues", "#/exchanges", "#/connections", "#/channels", "#/"):
        page.go(where)
        page.until(lambda: page.find("[data-loaded], [data-count]"), where)
        if where in ("#/queues", "#/exchanges"):
            for name in NAMES:
                page.see(name, ".listing")
        if where == "#/connections":
            page.see(IMAGE, ".listing")
        check(page)
    page.go("#/queues")
    page.see(IMAGE, ".listing")
    page.screenshot("hostile-queues")


@pytest.mark.parametrize("name", NAMES)
def test_names_on_pages_are_text(page: Page, name: str) -> None:
    page.log_in(f"#/queues/%2F/{quote(name, safe='')}")
    page.see(name, "main h1")
    page.until(lambda: page.table("Bindings of this queue"), "bindings")
    assert any(row["Routing key"] == IMAGE for row in page.table("Bindings of this queue"))
    check(page)
    page.go(f"#/exchanges/%2F/{quote(name, safe='')}")
    page.see(name, "main h1")
    page.until(lambda: page.table("Bindings from this exchange"), "bindings")
    check(page)


def test_messages_are_text(page: Page) -> None:
    page.log_in(f"#/queues/%2F/{quote(IMAGE, safe='')}")
    page.press("Get messages", "main")
    page.press("Get messages", 'form[aria-label="Get messages"]')
    page.see(f"{IMAGE}{SCRIPT}", "article.message")
    check(page)
    page.screenshot("hostile-message", is_whole=True)


def test_what_clients_say_of_themselves_is_text(page: Page, api: Api) -> None:
    [name] = [
        each["name"] for each in api.get("connections") if each["client_properties"].get("product") == SCRIPT
    ]
    page.log_in(f"#/connections/{quote(name, safe='')}")
    page.see(SCRIPT, "main")
    page.see(IMAGE, "main")
    check(page)
    page.go(f"#/channels/{quote(name + ' (1)', safe='')}")
    page.until(lambda: page.table("Consumers on this channel"), "consumers")
    assert page.table("Consumers on this channel")[0]["Consumer tag"] == IMAGE
    check(page)


def test_the_question_before_deleting_and_notices_are_text(page: Page) -> None:
    page.log_in(f"#/queues/%2F/{quote(IMAGE, safe='')}")
    page.press("Delete queue", "main")
    page.see(IMAGE, "dialog h2")
    check(page)
    page.press("Cancel", "dialog")
    page.choose("Virtual host", IMAGE)
    page.until(lambda: page.find("main h1"), "the page again")
    check(page)


@pytest.mark.refused
def test_a_hostile_address_is_text(page: Page) -> None:
    page.log_in(f"#/queues/%2F/{quote('<svg onload=window.pwned=1>', safe='')}")
    page.see("<svg onload=window.pwned=1>", "main h1")
    check(page)
    for where in ("#/%zz", "#/__proto__", "#/queues/..%2F..%2Fusers/x", f"#/{SCRIPT}"):
        page.run("location.hash = arguments[0]", where)
        page.until(lambda: page.find("main h1"), where)
        check(page)


def test_scripts_and_styles_in_the_page_would_not_run(broker: Broker) -> None:
    with urlopen(broker.page) as answer:
        policy = answer.headers["content-security-policy"]
        document = answer.read().decode()
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "style-src 'self';" in policy
    assert "unsafe" not in policy
    assert "http:" not in document and "https:" not in document
