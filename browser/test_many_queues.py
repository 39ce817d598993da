"""Ten thousand queues: a page of them at a time, sorted, filtered and with the columns that were chosen."""

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from browser.broker import Api, Broker
from browser.page import Page

COUNT = 10000
VHOST = "many"


@pytest.fixture(scope="module", autouse=True)
def many(broker: Broker, api: Api) -> Iterator[None]:
    """q-00000 to q-09999 in a virtual host of their own; q-04321 has seven messages, q-00002 three."""
    queues = [
        {
            "vhost": VHOST,
            "name": f"q-{number:05}",
            "durable": False,
            "auto_delete": False,
            "arguments": {"x-max-length": 10} if number % 2 else {},
        }
        for number in range(COUNT)
    ]
    permission = {"user": "guest", "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"}
    definitions = {"vhosts": [{"name": VHOST}], "permissions": [permission], "queues": queues}
    api.call("POST", "definitions", body=definitions)
    with broker.connect(VHOST) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for name, count in (("q-04321", 7), ("q-00002", 3)):
            for _ in range(count):
                channel.basic_publish("", name, b"m")
    yield
    api.delete("vhosts", VHOST)


@pytest.fixture
def queues(page: Page) -> Page:
    """The list of queues, asked for every second."""
    page.prefer(interval=1000)
    page.log_in("#/queues")
    page.until(lambda: first(page), "the first row")
    return page


def first(page: Page) -> str:
    """The first row's name."""
    return page.text("tbody tr:first-child td:first-child")


def asked(page: Page) -> list[dict[str, list[str]]]:
    """The queries of all requests for lists of queues."""
    names = page.run("return performance.getEntriesByType('resource').map((each) => each.name)")
    return [parse_qs(urlsplit(each).query) for each in names if urlsplit(each).path.startswith("/api/queues")]


def test_the_first_row_is_there_soon_and_never_are_all_asked_for(page: Page) -> None:
    page.log_in("#/exchanges")
    page.until(lambda: page.table("Exchanges"), "exchanges")
    began = time.monotonic()
    page.run("location.hash = '#/queues'")
    page.until(lambda: page.table("Queues"), "the first row")
    print(f"\n{COUNT} queues: first row after {(time.monotonic() - began) * 1000:.0f} ms")
    assert len(page.table("Queues")) == 100
    assert f"{COUNT:,} queues" in page.text(".count") or "queues" in page.text(".count")
    requests = asked(page)
    assert requests and all(each["page_size"] == ["100"] and "columns" in each for each in requests)
    page.screenshot("queues-many")


def test_pages_are_turned(queues: Page) -> None:
    queues.choose("Virtual host", VHOST)
    queues.until(lambda: queues.text(".count") == f"{COUNT:,} queues", "the count")
    queues.until(lambda: first(queues) == "q-00000", "the first page")
    assert "Page 1 of 100" in queues.text(".pager")
    queues.press("Next", ".pager")
    queues.until(lambda: first(queues) == "q-00100", "the second page")
    assert "page=2" in queues.run("return location.hash")
    queues.driver.refresh()
    queues.until(lambda: first(queues) == "q-00100", "the second page again")
    queues.press("Previous", ".pager")
    queues.until(lambda: first(queues) == "q-00000", "the first page")
    queues.choose("Rows per page", "50 rows")
    queues.until(lambda: len(queues.table("Queues")) == 50, "fifty rows")


def test_headings_sort_all_queues_and_not_just_the_page(queues: Page) -> None:
    queues.choose("Virtual host", VHOST)
    queues.until(lambda: first(queues) == "q-00000", "the list")
    queues.press("Ready", "thead")
    queues.until(lambda: first(queues) == "q-04321", "the longest queue first")
    heading = queues.find("th[data-column=messages_ready]")
    assert heading is not None and heading.get_attribute("aria-sort") == "descending"
    assert queues.table("Queues")[0]["Ready"] == "7"
    queues.press("Ready", "thead")
    queues.until(lambda: queues.table("Queues")[0]["Ready"] == "0", "the shortest first")
    assert heading.get_attribute("aria-sort") == "ascending"
    queues.press("Name", "thead")
    queues.until(lambda: first(queues) == "q-00000", "by name")
    queues.press("Name", "thead")
    queues.until(lambda: first(queues) == "q-09999", "by name, backwards")


def test_a_filter_finds_by_words_and_by_regular_expressions(queues: Page) -> None:
    queues.fill("Filter queues by name", "0432")
    queues.until(lambda: queues.text(".count").startswith("11 of"), "eleven queues")
    queues.fill("Filter queues by name", "^q-0[0-9]{3}7$")
    queues.until(lambda: "No queue has" in queues.text(".listing"), "no queue of that name")
    queues.field("Regex").click()
    queues.until(lambda: queues.text(".count").startswith("1,000 of"), "a thousand queues")
    assert first(queues) == "q-00007"


@pytest.mark.refused
def test_a_regular_expression_that_is_none_is_said_to_be_none(queues: Page) -> None:
    queues.field("Regex").click()
    queues.fill("Filter queues by name", "(")
    queues.see("Pagination parameters are invalid", ".toolbar")
    queues.fill("Filter queues by name", "q-00002")
    queues.until(lambda: queues.text(".count").startswith("1 of"), "one queue")
    assert "invalid" not in queues.text(".toolbar")


def test_columns_are_chosen_and_remembered(queues: Page) -> None:
    queues.press("Columns", ".toolbar")
    queues.screenshot("queues-columns")
    queues.field("Total bytes", ".menu-panel").click()
    queues.field("Type", ".menu-panel").click()
    queues.until(lambda: "Total bytes" in queues.table("Queues")[0], "another column")
    assert "Type" not in queues.table("Queues")[0]
    queues.driver.refresh()
    queues.until(lambda: queues.table("Queues"), "the list again")
    assert "Total bytes" in queues.table("Queues")[0] and "Type" not in queues.table("Queues")[0]
    queues.until(lambda: queues.table("Queues")[0]["Total bytes"] == "0 B", "its cells")
