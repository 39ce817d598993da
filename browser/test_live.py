"""What is shown stays true by itself, in place, and costs nothing when nobody looks."""

from collections.abc import Iterator

import pytest

from browser.broker import Api
from browser.page import Page

HIDE = """
Object.defineProperty(document, "hidden", {configurable: true, get: () => arguments[0]});
document.dispatchEvent(new Event("visibilitychange"));
"""
HIDE = f"const isHidden = arguments[0]; {HIDE.replace('arguments[0]', 'isHidden')}"
REQUESTS = "return performance.getEntriesByType('resource').length"
# Counts what is begun from now on, until five times the interval is over by the page's own clock.
COUNT_BEGUN = """
window.begun = 0; window.isOver = false;
const real = window.fetch;
window.fetch = (...how) => { begun += 1; return real(...how); };
setTimeout(() => { isOver = true; }, 1000);
"""


def begun(page: Page) -> int:
    """How many requests are begun in a while."""
    page.run(COUNT_BEGUN)
    page.until(lambda: page.run("return isOver"), "a while")
    return int(page.run("return begun"))


@pytest.fixture
def queue(api: Api) -> Iterator[str]:
    api.put("queues", "/", "live", body={"durable": True})
    yield "live"
    api.delete("queues", "/", "live")


def test_cells_change_in_place_and_keep_the_focus(queue: str, page: Page, api: Api) -> None:
    page.log_in("#/queues?name=live")
    page.until(lambda: page.table("Queues"), "the list")
    page.run("window.row = document.querySelector('tbody tr'); row.querySelector('a').focus()")
    assert page.table("Queues")[0]["Ready"] == "0"
    api.publish(queue, "m")
    page.until(lambda: page.table("Queues")[0]["Ready"] == "1", "the message")
    assert page.run("return row.isConnected && document.activeElement === row.querySelector('a')")


def test_rows_come_and_go(queue: str, page: Page, api: Api) -> None:
    page.log_in("#/queues?name=live")
    page.until(lambda: len(page.table("Queues")) == 1, "one queue")
    api.put("queues", "/", "live too")
    page.until(lambda: len(page.table("Queues")) == 2, "two queues")
    api.delete("queues", "/", "live too")
    page.until(lambda: len(page.table("Queues")) == 1, "one queue")


def test_nothing_jumps_when_numbers_change(queue: str, page: Page, api: Api) -> None:
    page.log_in("#/queues/%2F/live")
    page.until(lambda: page.text('[data-messages="Ready"]') == "0", "no message")
    page.run(
        "window.shifts = 0; new PerformanceObserver((list) => {for (const each of list.getEntries()) shifts += each.value})"
        ".observe({type: 'layout-shift', buffered: false})"
    )
    for number in range(12):
        api.publish(queue, "m" * number)
    page.until(lambda: page.text('[data-messages="Ready"]') == "12", "the messages")
    assert page.run("return shifts") < 0.02


def test_a_form_keeps_what_was_typed_while_the_page_asks_again(queue: str, page: Page) -> None:
    page.log_in("#/queues/%2F/live")
    page.press("Publish message", "main")
    page.fill("Payload", "half a mess")
    before = page.run(REQUESTS)
    page.until(lambda: page.run(REQUESTS) > before + 4, "more requests")
    assert page.field("Payload").get_attribute("value") == "half a mess"


def test_a_hidden_page_asks_for_nothing_and_asks_at_once_when_it_is_seen_again(
    queue: str, page: Page, api: Api
) -> None:
    page.log_in("#/queues?name=live")
    page.until(lambda: page.table("Queues"), "the list")
    page.run(HIDE, True)
    assert begun(page) == 0
    api.publish(queue, "m")
    assert begun(page) == 0
    assert page.table("Queues")[0]["Ready"] == "0"
    page.run(HIDE, False)
    page.until(lambda: page.table("Queues")[0]["Ready"] == "1", "the message")


def test_requests_never_pile_up(page: Page) -> None:
    page.log_in("#/queues")
    page.until(lambda: page.find("[data-loaded]"), "the list")
    page.run(
        """
        window.open_now = 0; window.open_most = 0; window.slow_ones = 0;
        const real = window.fetch;
        window.fetch = async (...how) => {
          if (!String(how[0]).includes("/api/queues")) return real(...how);
          open_most = Math.max(open_most, ++open_now);
          slow_ones += 1;
          await new Promise((resolve) => setTimeout(resolve, 700));
          try { return await real(...how); } finally { open_now -= 1; }
        };
        """
    )
    page.until(lambda: page.run("return slow_ones") >= 3, "three slow answers")
    assert page.run("return open_most") == 1


def test_a_page_that_was_left_asks_no_more(page: Page) -> None:
    page.log_in("#/queues")
    page.until(lambda: page.find("[data-loaded]"), "the list")
    page.go("#/nothing/here")
    assert begun(page) == 0


def test_the_interval_is_chosen_and_never_means_never(queue: str, page: Page, api: Api) -> None:
    page.log_in("#/queues?name=live")
    page.until(lambda: page.table("Queues"), "the list")
    assert begun(page) > 0
    page.choose("Refresh", "Do not refresh")
    assert begun(page) == 0


@pytest.mark.refused
def test_a_broker_that_does_not_answer_is_said_not_to_and_forgotten_when_it_does(page: Page) -> None:
    page.log_in("#/queues")
    page.until(lambda: page.find("[data-loaded]"), "the list")
    page.run("window.real = window.fetch; window.fetch = () => Promise.reject(new TypeError('gone'))")
    page.see("Not refreshed: The broker does not answer.", ".problem")
    page.screenshot("not-refreshed")
    page.run("window.fetch = window.real")
    page.until(lambda: not page.text(".problem"), "no problem")


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(page: Page) -> None:
    page.log_in("#/queues")
    page.until(lambda: page.find("[data-loaded]"), "the list")
    page.run(
        """
        const limit = AbortSignal.timeout.bind(AbortSignal);
        AbortSignal.timeout = (ms) => limit(ms / 600);
        window.real = window.fetch;
        window.fetch = (_, {signal}) => new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        """
    )
    page.see("Not refreshed: The broker does not answer.", ".problem")
    page.run("window.fetch = real")
    page.until(lambda: not page.text(".problem"), "no problem")


@pytest.mark.refused
@pytest.mark.parametrize("where", ["limits", "feature-flags", "queues/%2F/live"])
def test_a_page_that_could_not_be_begun_is_shown_as_soon_as_the_broker_answers(
    queue: str, page: Page, where: str
) -> None:
    page.log_in()
    page.disconnect()
    page.run("location.hash = arguments[0]", f"#/{where}")
    page.see("The broker does not answer.", ".problem")
    page.disconnect(False)
    page.until(lambda: page.find(".page[data-loaded]"), "the page")
    page.until(lambda: not page.text(".problem"), "no problem")
