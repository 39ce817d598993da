"""Messages of a queue are moved elsewhere from its page, and it says what has become of them."""

from collections.abc import Iterator

import pytest
from selenium.webdriver.support.select import Select

from browser.broker import Api
from browser.page import NARROW, Page
from browser.steps import confirm, fits, form, leave, problem, visible

SOURCE, TARGET, ELSEWHERE = "moving/from here", "moving to there", "another virtual host"
PAGE = "#/queues/%2F/moving%2Ffrom%20here"
FORM = form("Move messages")


@pytest.fixture(autouse=True)
def queues(page: Page, api: Api) -> Iterator[None]:
    """Five messages in a durable queue, an empty one, and one in another virtual host."""
    api.put("vhosts", ELSEWHERE)
    for vhost, name in (("/", SOURCE), ("/", TARGET), (ELSEWHERE, TARGET)):
        api.put("queues", vhost, name, body={"durable": True})
    for number in range(5):
        api.publish(SOURCE, f"message {number}", headers={"number": number})
    yield
    leave(page)
    for name in (SOURCE, TARGET):
        api.delete("queues", "/", name)
    api.delete("vhosts", ELSEWHERE)


def payloads(api: Api, name: str, vhost: str = "/") -> list[str]:
    """What is in a queue, in order."""
    return [each["payload"] for each in api.get("queues", vhost, name, "messages")["messages"]]


def opened(page: Page, where: str = PAGE, ready: str = "5") -> None:
    """The form, on the page of a queue that has so many messages."""
    page.log_in(where)
    page.until(lambda: page.text('[data-messages="Ready"]') == ready, f"{ready} ready messages")
    page.press("Move messages", "main")
    visible(page, FORM)


def numbered(*numbers: int) -> list[str]:
    return [f"message {number}" for number in numbers]


def test_all_messages_are_moved_into_a_queue_after_a_question(page: Page, api: Api) -> None:
    opened(page)
    page.fill("Queue", TARGET, FORM)
    page.press("Move messages", FORM)
    visible(page, "dialog[open]")
    page.screenshot("moving-question")
    page.press("Cancel", "dialog[open]")
    page.until(lambda: page.find("dialog[open]") is None, "no dialog")
    assert payloads(api, SOURCE) == numbered(0, 1, 2, 3, 4)
    assert page.field("Queue", FORM).get_attribute("value") == TARGET

    page.press("Move messages", FORM)
    said = confirm(page, "Move messages")
    assert "All ready messages (5 now)" in said and f"to queue “{TARGET}”" in said
    page.see(f"5 messages moved to queue “{TARGET}”.", "#notices")
    assert payloads(api, TARGET) == numbered(0, 1, 2, 3, 4)
    page.until(lambda: page.text('[data-messages="Ready"]') == "0", "an empty queue")
    page.see(f"5 messages moved to queue “{TARGET}”.", "main details[open]")
    page.screenshot("moving", is_whole=True)


def test_so_many_are_moved_into_a_queue_of_another_virtual_host(page: Page, api: Api) -> None:
    opened(page)
    assert {each.text for each in Select(page.field("Virtual host", FORM)).options} >= {"/", ELSEWHERE}
    page.choose("Virtual host", ELSEWHERE, FORM)
    page.fill("Queue", TARGET, FORM)
    page.fill("How many", "2", FORM)
    page.press("Move messages", FORM)
    said = confirm(page, "Move messages")
    assert "The first 2 ready messages" in said and f"in virtual host “{ELSEWHERE}”" in said
    page.see(f"2 messages moved to queue “{TARGET}”.", "#notices")
    assert payloads(api, TARGET, ELSEWHERE) == numbered(0, 1)
    assert payloads(api, SOURCE) == numbered(2, 3, 4)


def test_the_virtual_host_is_that_of_the_queue_until_another_is_chosen(page: Page, api: Api) -> None:
    api.publish(TARGET, "alone", vhost=ELSEWHERE)
    opened(page, "#/queues/another%20virtual%20host/moving%20to%20there", ready="1")
    assert Select(page.field("Virtual host", FORM)).first_selected_option.text == ELSEWHERE
    page.choose("Virtual host", "/", FORM)
    page.fill("Queue", TARGET, FORM)
    page.press("Move messages", FORM)
    confirm(page, "Move messages")
    page.see(f"1 message moved to queue “{TARGET}”.", "#notices")
    assert payloads(api, TARGET) == ["alone"]


def test_messages_are_moved_through_an_exchange_with_a_routing_key(page: Page, api: Api) -> None:
    api.call("POST", "bindings", "/", "e", "amq.topic", "q", TARGET, body={"routing_key": "moved.#"})
    opened(page)
    page.choose("Where to", "Through an exchange", FORM)
    page.fill("Exchange", "amq.topic", FORM)
    page.fill("Routing key", "moved.by.hand", FORM)
    page.press("Move messages", FORM)
    said = confirm(page, "Move messages")
    assert "through exchange “amq.topic” with routing key “moved.by.hand”" in said
    page.see("5 messages moved to exchange “amq.topic”.", "#notices")
    moved = api.get("queues", "/", TARGET, "messages")["messages"]
    assert [each["payload"] for each in moved] == numbered(0, 1, 2, 3, 4)
    assert {(each["exchange"], each["routing_key"]) for each in moved} == {("amq.topic", "moved.by.hand")}
    assert [each["properties"]["headers"] for each in moved] == [{"number": number} for number in range(5)]


def test_what_would_lead_nowhere_stays_and_the_page_says_why(page: Page, api: Api) -> None:
    opened(page)
    page.choose("Where to", "Through an exchange", FORM)
    page.fill("Exchange", "amq.topic", FORM)
    page.fill("Routing key", "nowhere", FORM)
    page.press("Move messages", FORM)
    confirm(page, "Move messages")
    page.see("0 messages moved to exchange “amq.topic”.", "#notices .bad")
    page.see("it leads to no queue, or to one that is full", "#notices .bad")
    page.see("The others stay", "main details[open]")
    page.screenshot("moving-stopped", is_whole=True)
    assert payloads(api, SOURCE) == numbered(0, 1, 2, 3, 4)


def test_a_queue_that_gets_full_takes_what_it_has_room_for(page: Page, api: Api) -> None:
    api.delete("queues", "/", TARGET)
    limits = {"x-max-length": 2, "x-overflow": "reject-publish"}
    api.put("queues", "/", TARGET, body={"durable": True, "arguments": limits})
    opened(page)
    page.fill("Queue", TARGET, FORM)
    page.press("Move messages", FORM)
    confirm(page, "Move messages")
    page.see(f"2 messages moved to queue “{TARGET}”. The others stay", "#notices .bad")
    assert payloads(api, SOURCE) == numbered(2, 3, 4) and payloads(api, TARGET) == numbered(0, 1)


@pytest.mark.refused
@pytest.mark.parametrize(
    ("way", "typed", "reason"),
    [
        ("Into a queue", {"Queue": "no such queue"}, "no queue 'no such queue' in vhost '/'"),
        ("Into a queue", {"Queue": SOURCE}, "a queue's messages can't be moved into itself"),
        ("Through an exchange", {"Exchange": "none"}, "no exchange 'none' in vhost '/'"),
        (
            "Through an exchange",
            {"Exchange": "amq.topic", "Routing key": "k" * 256},
            "routing_key has more than 255 bytes",
        ),
    ],
    ids=["no_queue", "itself", "no_exchange", "long_key"],
)
def test_what_the_api_refuses_is_said_in_its_words(
    page: Page, api: Api, way: str, typed: dict[str, str], reason: str
) -> None:
    opened(page)
    page.choose("Where to", way, FORM)
    for label, value in typed.items():
        page.fill(label, value, FORM)
    page.press("Move messages", FORM)
    page.press("Move messages", "dialog[open]")
    assert reason in problem(page, "dialog[open]")
    page.press("Cancel", "dialog[open]")
    assert payloads(api, SOURCE) == numbered(0, 1, 2, 3, 4)


def test_what_can_not_be_meant_is_not_asked_about(page: Page) -> None:
    opened(page)
    page.press("Move messages", FORM)  # without a queue
    page.fill("Queue", TARGET, FORM)
    page.fill("How many", "0", FORM)
    page.press("Move messages", FORM)
    assert page.find("dialog[open]") is None
    assert page.run("return document.querySelector(arguments[0]).checkValidity()", FORM) is False


@pytest.mark.refused
def test_whoever_may_not_write_there_is_told_so(page: Page, api: Api) -> None:
    api.add_user("moving reader", "management")
    api.put("permissions", "/", "moving reader", body={"configure": "", "write": "", "read": ".*"})
    page.log_in(PAGE, "moving reader", "pw")
    page.press("Move messages", "main")
    assert [each.text for each in Select(page.field("Virtual host", FORM)).options] == ["/"]
    page.fill("Queue", TARGET, FORM)
    page.press("Move messages", FORM)
    page.press("Move messages", "dialog[open]")
    assert "access to exchange 'amq.default' in vhost '/' refused" in problem(page, "dialog[open]")
    assert payloads(api, SOURCE) == numbered(0, 1, 2, 3, 4)
    leave(page)
    api.delete("users", "moving reader")


def test_a_stream_has_no_such_form(page: Page, api: Api) -> None:
    api.put("queues", "/", "moving stream", body={"durable": True, "arguments": {"x-queue-type": "stream"}})
    page.log_in("#/queues/%2F/moving%20stream")
    page.see("stream", "main .badges")
    page.until(lambda: page.facts().get("Virtual host") == "/", "the queue")
    assert not page.run(
        "return document.querySelector(arguments[0]).closest('details').checkVisibility()", FORM
    )
    leave(page)
    api.delete("queues", "/", "moving stream")


def test_it_fits_a_narrow_screen(page: Page) -> None:
    page.resize(*NARROW)
    opened(page)
    page.choose("Where to", "Through an exchange", FORM)
    assert fits(page)
    page.screenshot("narrow-moving", is_whole=True, width=NARROW[0])
