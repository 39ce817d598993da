"""Looking at messages: what is told of them, and that nothing happens to them."""

from __future__ import annotations

import json
import time
import urllib.error
from collections.abc import Iterator
from urllib.parse import quote

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from browser.broker import Api, Broker
from browser.page import NARROW, Page
from browser.steps import fits, leave, miss, picture, visible
from browser.steps import show as opened

QUEUE = "looked at"
HOSTILE = "<img src=x onerror=window.harmed=true>"


@pytest.fixture
def channel(page: Page, broker: Broker, api: Api) -> Iterator[BlockingChannel]:
    """A channel of pika; what the tests declare is gone afterwards."""
    connection = broker.connect()
    yield connection.channel()
    leave(page)
    connection.close()
    for kind in ("queues", "exchanges"):
        for each in api.get(kind, "/"):
            if each["name"] and not each["name"].startswith("amq."):
                api.delete(kind, "/", each["name"])


def declare(channel: BlockingChannel, name: str = QUEUE, **arguments: object) -> None:
    given = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
    channel.queue_declare(name, durable=True, arguments=given)


def publish(channel: BlockingChannel, body: str | bytes, queue: str = QUEUE, **properties: object) -> None:
    channel.basic_publish("", queue, body, pika.BasicProperties(**properties))


def show(page: Page, queue: str = QUEUE, query: str = "") -> None:
    opened(page, f"#/queues/%2F/{quote(queue, safe='')}/messages{query}")


def lines(page: Page) -> list[str]:
    return page.texts(".peek-line")


def unfold(page: Page, at: int = 0) -> None:
    page.until(lambda: len(page.all(".peek-line")) > at, "that")
    page.all(".peek-line")[at].click()
    visible(page, ".peek[open] .peek-inside > *")


def test_what_is_ready_is_told_in_its_order(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    for at in range(3):
        publish(channel, f"message {at}")
    show(page)
    shown = [each.text for each in page.all(".peek-preview")]
    assert shown == ["message 0", "message 1", "message 2"]
    page.see("3 messages ready")


def test_looking_changes_nothing(page: Page, api: Api, channel: BlockingChannel) -> None:
    declare(channel)
    publish(channel, "stays")
    show(page)
    unfold(page)
    page.press("Look again")
    page.see("1 message ready")
    method, _properties, body = channel.basic_get(QUEUE, auto_ack=True)
    assert body == b"stays"
    assert not method.redelivered
    told = api.get("queues", "/", QUEUE)
    assert told.get("message_stats", {}).get("redeliver", 0) == 0


def test_properties_and_headers_are_told(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    publish(
        channel,
        "x",
        content_type="text/plain",
        message_id="m-1",
        correlation_id="c-1",
        delivery_mode=2,
        priority=3,
        timestamp=1764000000,
        headers={"tenant": "north", "size": 7, "nested": {"list": [1, "two"]}, "good": True},
    )
    show(page)
    unfold(page)
    facts = page.facts()
    assert facts["content_type"] == "text/plain"
    assert (facts["message_id"], facts["correlation_id"]) == ("m-1", "c-1")
    assert (facts["delivery_mode"], facts["priority"]) == ("2 (persistent)", "3")
    assert facts["timestamp"].startswith("1764000000 (2025-11-2")
    headers = [each.text for each in page.all(".headers tbody tr")]
    assert headers == [
        "good boolean true",
        'nested table {"list":[1,"two"]}',
        "size number 7",
        "tenant text north",
    ]


def test_json_stands_line_by_line_and_keeps_its_large_numbers(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    publish(channel, '{"id":12345678901234567890,"ok":[true,{}]}')
    show(page)
    unfold(page)
    pretty = '{\n  "id": 12345678901234567890,\n  "ok": [\n    true,\n    {}\n  ]\n}'
    assert visible(page, ".peek-body").get_attribute("textContent") == pretty
    page.press("Text", ".peek-inside")
    assert (
        visible(page, ".peek-body").get_attribute("textContent")
        == '{"id":12345678901234567890,"ok":[true,{}]}'
    )


def test_what_is_no_text_stands_as_hex(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    publish(channel, bytes([0, 255, 65, 66]))
    show(page)
    unfold(page)
    assert visible(page, ".peek-body").get_attribute("textContent").startswith("00000000  00 ff 41 42")
    assert page.text(".peek-body").endswith("..AB")


def test_a_long_body_is_cut_and_can_be_loaded(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    publish(channel, "first")
    publish(channel, "y" * 200_000 + "the end")
    show(page)
    unfold(page, 1)
    page.see("Only the first 48.8 KiB of 195 KiB are here.")
    assert "the end" not in visible(page, ".peek-body").get_attribute("textContent")
    page.press("Load all of it")
    page.until(lambda: visible(page, ".peek-body").get_attribute("textContent").endswith("the end"), "that")
    miss(page, "Only the first")
    page.press("Look again")
    page.see("2 messages ready")
    assert visible(page, ".peek-body").get_attribute("textContent").endswith("the end")


def test_what_lists_have_only_the_beginning_of_is_there_when_it_is_opened(
    page: Page, channel: BlockingChannel
) -> None:
    declare(channel)
    for at in range(3):
        publish(channel, json.dumps({"number": at, "filler": "z" * 20_000, "end": True}))
    show(page)
    unfold(page, 1)
    page.until(lambda: (body(page) or "").endswith('"end": true\n}'), "all of the body")
    assert '"number": 1' in body(page)
    page.press("Look again")
    channel.basic_get(QUEUE, auto_ack=True)
    page.see("2 messages ready")
    assert body(page).endswith('"end": true\n}')


def body(page: Page) -> str:
    return visible(page, ".peek-body").get_attribute("textContent") or ""


def test_streams_and_priority_queues_can_be_looked_at(page: Page, channel: BlockingChannel) -> None:
    declare(channel, "stream", queue_type="stream")
    declare(channel, "priority", max_priority=5)
    for at in range(4):
        publish(channel, f"number {at}", "stream")
        publish(channel, f"number {at}", "priority", priority=at % 2)
    for queue, order in (("stream", "0123"), ("priority", "1302")):
        show(page, queue)
        assert [each.text[-1] for each in page.all(".peek-preview")] == list(order)
        unfold(page, 2)
        page.refreshed()
        assert [each.text[-1] for each in page.all(".peek-preview")] == list(order)
        assert len(page.all(".peek[open]")) == 1


def test_the_body_is_copied(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    publish(channel, "to be copied")
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions", {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]}
    )
    show(page)
    unfold(page)
    page.press("Copy")
    page.see("Copied.", "#notices")
    script = "const done = arguments[0]; navigator.clipboard.readText().then(done, (error) => done(error.message));"
    assert page.driver.execute_async_script(script) == "to be copied"


def test_who_holds_what_is_not_acknowledged_is_told(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    publish(channel, "held")
    publish(channel, "got")
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(QUEUE, lambda *_: None, consumer_tag="slow worker")
    channel.connection.process_data_events(0.3)
    channel.connection.channel().basic_get(QUEUE)
    show(page)
    page.see("No message is ready.")
    visible(page, 'button[data-state="unacked"]').click()
    page.see("held by slow worker")
    page.see("held by basic.get")
    unfold(page)
    held = page.text(".peek-inside .facts")
    assert "consumer slow worker, channel 1 of 127.0.0.1:" in held
    assert "state=unacked" in page.driver.current_url


def test_delayed_messages_are_told_at_their_exchange(page: Page, channel: BlockingChannel) -> None:
    channel.exchange_declare("later", "x-delayed-message", arguments={"x-delayed-type": "direct"})
    for body in ("one", "two"):
        channel.basic_publish("later", "key", body, pika.BasicProperties(headers={"x-delay": 3_600_000}))
    opened(page, "#/exchanges/%2F/later/messages")
    page.see("2 messages delayed")
    assert len(lines(page)) == 2
    assert "due in 59 min" in lines(page)[0]
    unfold(page)
    assert "Due" in page.text(".peek-inside .facts")


def test_pages_go_on_and_back(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    for at in range(45):
        publish(channel, f"number {at}.")
    show(page, query="?count=20")
    page.see("20 of 45 messages ready on this page")
    page.press("Next")
    page.until(lambda: "number 20." in lines(page)[0], "that")
    page.press("Next")
    page.until(lambda: "number 40." in lines(page)[0] and len(lines(page)) == 5, "that")
    assert not page.button("Next").is_enabled()
    page.press("Previous")
    page.until(lambda: "number 20." in lines(page)[0], "that")
    page.press("First")
    page.until(lambda: "number 0." in lines(page)[0], "that")


def test_messages_are_searched(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    for at in range(30):
        publish(channel, f"body {at}", headers={"tenant": f"tenant-{at % 3}"})
    show(page)
    page.fill("Search messages", "body 17")
    page.until(lambda: len(lines(page)) == 1 and "body 17" in lines(page)[0], "that")
    page.choose("Where to search", "in properties and headers")
    page.see("No message has “body 17” in properties and headers.")
    page.fill("Search messages", "tenant-2")
    page.until(lambda: len(lines(page)) == 10, "that")
    page.field("Regex").click()
    page.choose("Where to search", "in the body")
    page.fill("Search messages", "body [12]$")
    page.until(lambda: len(lines(page)) == 2, "that")
    assert "use_regex=true" in page.driver.current_url


@pytest.mark.refused
def test_a_search_that_is_no_pattern_says_what_the_api_says(
    page: Page, api: Api, channel: BlockingChannel
) -> None:
    declare(channel)
    publish(channel, "x")
    with pytest.raises(urllib.error.HTTPError) as refused:
        api.get("queues", "/", QUEUE, "messages", query="?search=(&use_regex=true")
    reason = json.loads(refused.value.read())["reason"]
    show(page)
    page.field("Regex").click()
    page.fill("Search messages", "(")
    page.see(reason)


def test_new_messages_come_and_what_is_open_stays_open(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    publish(channel, "one")
    show(page)
    unfold(page)
    open_one = visible(page, ".peek[open]")
    publish(channel, "two")
    page.until(lambda: len(lines(page)) == 2, "that")
    assert open_one.get_attribute("open") is not None
    channel.queue_purge(QUEUE)
    page.see("no longer ready")
    assert open_one.is_displayed()  # whoever reads it can go on
    assert len(lines(page)) == 1
    open_one.find_element("css selector", "summary").click()
    page.see("No message is ready.")


@pytest.mark.refused
def test_a_queue_that_is_not_there_is_said(page: Page) -> None:
    opened(page, "#/queues/%2F/nowhere/messages", ".problem")
    page.see("nowhere", ".problem")


@pytest.mark.refused
def test_who_may_not_read_a_queue_is_told_so(page: Page, api: Api, channel: BlockingChannel) -> None:
    declare(channel)
    publish(channel, "secret")
    api.put("users", "admin-ann", body={"password": "pw", "tags": "management"})
    api.put("permissions", "/", "admin-ann", body={"configure": "", "write": "", "read": ""})
    page.log_in(f"#/queues/%2F/{quote(QUEUE)}/messages", "admin-ann", "pw")
    page.see(
        f"ACCESS_REFUSED - access to queue '{QUEUE}' in vhost '/' refused for user 'admin-ann'", ".problem"
    )
    assert "secret" not in page.text()
    leave(page)
    api.delete("users", "admin-ann")


# Dead letters


def died_twice(channel: BlockingChannel) -> None:
    """A message that was rejected, waited, came back and was rejected again: now it is parked."""
    channel.exchange_declare("orders", "topic", durable=True)
    channel.exchange_declare("orders.dead", "direct", durable=True)
    declare(channel, "billing", dead_letter_exchange="orders.dead", dead_letter_routing_key="retry")
    declare(
        channel,
        "retry",
        message_ttl=300,
        dead_letter_exchange="orders",
        dead_letter_routing_key="order.again",
    )
    declare(channel, "parked")
    channel.queue_bind("billing", "orders", "order.#")
    channel.queue_bind("retry", "orders.dead", "retry")
    body = json.dumps(
        {
            "order": 4711,
            "customer": "Ärzte & Söhne",
            "lines": [{"article": "A-1", "count": 2}],
            "paid": False,
        },
        ensure_ascii=False,
    )
    properties = pika.BasicProperties(
        content_type="application/json", message_id="order-4711", delivery_mode=2
    )
    channel.basic_publish("orders", "order.created", body, properties)
    for _ in range(2):
        reject(channel, "billing")
    channel.queue_unbind("retry", "orders.dead", "retry")
    channel.queue_bind("parked", "orders.dead", "retry")
    reject(channel, "billing")


def reject(channel: BlockingChannel, queue: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        method, _properties, _body = channel.basic_get(queue)
        if method is not None:
            channel.basic_reject(method.delivery_tag, requeue=False)
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing in {queue}")


def test_the_way_of_a_dead_letter_is_told(page: Page, channel: BlockingChannel) -> None:
    died_twice(channel)
    show(page, "parked")
    page.see("dead letter")
    unfold(page)
    steps = [each.text.replace("\n", " ") for each in page.all(".trail-path > li")]
    assert steps == [
        "orders order.created",
        "billing rejected 3×",
        "orders.dead retry",
        "retry expired 2×",
        "billing again",
        "orders.dead retry",
        "parked is here",
    ]
    story = [each.text for each in page.all(".trail-story > li")]
    assert len(story) == 3
    assert story[0].startswith("Was rejected by a consumer of queue billing, 3 times, first at 20")
    assert story[1].startswith("Expired in queue retry, 2 times, first at 20")
    assert story[1].endswith("it had come there through exchange orders.dead with key retry.")
    assert (
        story[2]
        == "Came back to queue billing, and was at last published from there to exchange orders.dead with key retry."
    )


def test_an_x_death_that_is_none_does_no_harm(page: Page, channel: BlockingChannel) -> None:
    declare(channel)
    for death in (
        7,
        "text",
        [1, None, "x"],
        {"queue": "q"},
        [{"queue": 5}, {}],
        [
            {
                "queue": HOSTILE,
                "reason": HOSTILE,
                "count": -1,
                "time": "soon",
                "exchange": 9,
                "routing-keys": HOSTILE,
            }
        ],
    ):
        publish(channel, "x", headers={"x-death": death})
    show(page)
    for at in range(6):
        unfold(page, at)
    page.until(lambda: len(page.all(".peek[open]")) == 6, "that")
    assert len(page.all(".trail-story")) == 1
    assert HOSTILE in page.text(".trail-story")
    assert page.run("return window.harmed") is None


def test_hostile_messages_are_nothing_but_texts(page: Page, channel: BlockingChannel) -> None:
    name = '"><script>window.harmed=true</script>'
    channel.queue_declare(name, durable=True)
    channel.exchange_declare(HOSTILE, "fanout", durable=True)
    channel.queue_bind(name, HOSTILE)
    channel.basic_publish(
        HOSTILE,
        HOSTILE,
        f"{HOSTILE}\u202e\x00\x1b[31m",
        pika.BasicProperties(
            content_type=HOSTILE, headers={HOSTILE: HOSTILE, "javascript:alert(1)": {"x": HOSTILE}}
        ),
    )
    opened(page, "#/queues/%2F/%22%3E%3Cscript%3Ewindow.harmed%3Dtrue%3C%2Fscript%3E/messages")
    unfold(page)
    for css in (".peek-line", ".peek-body", ".headers", ".peek-inside .facts"):
        assert HOSTILE in page.text(css)
    assert page.run("return window.harmed") is None
    assert page.driver.find_elements("css selector", "main img, main script") == []


# Looking at it


def test_a_dead_letter_is_not_wider_than_a_narrow_screen(page: Page, channel: BlockingChannel) -> None:
    died_twice(channel)
    channel.basic_publish("", "parked", "plain text", pika.BasicProperties(expiration="600000"))
    channel.basic_publish("", "parked", bytes(range(200)))
    page.resize(*NARROW)
    show(page, "parked")
    unfold(page)
    page.screenshot("messages-narrow", is_whole=True, width=NARROW[0])
    assert fits(page)


def test_pictures_of_a_dead_letter(page: Page, channel: BlockingChannel) -> None:
    died_twice(channel)
    channel.basic_publish("", "parked", "plain text", pika.BasicProperties(expiration="600000"))
    page.prefer(interval=5000)
    page.resize(1280, 1080)
    show(page, "parked")
    unfold(page)
    picture(page, "messages")
