"""Everything can be done without a mouse."""

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from browser.broker import Api
from browser.page import Page


@pytest.fixture
def queue(api: Api) -> Iterator[str]:
    api.put("queues", "/", "keys", body={"durable": True})
    yield "keys"
    api.delete("queues", "/", "keys")


def tab_to(page: Page, name: str, most: int = 60) -> None:
    """Press Tab until this has the focus, and see that it shows."""
    for _ in range(most):
        page.keys(Keys.TAB)
        if page.focused().strip() == name:
            outline = page.run("return getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{name!r} has the focus and does not show it"
            return
    raise AssertionError(f"Tab does not lead to {name!r} but to {page.focused()!r}")


def test_logging_in_takes_no_mouse(page: Page) -> None:
    page.open()
    page.until(lambda: page.find("input[name=username]"), "the form")
    page.keys("guest", Keys.TAB, "guest", Keys.ENTER)
    page.see("Overview", "main h1")


def test_the_first_tab_leads_past_the_navigation(page: Page) -> None:
    page.log_in("#/queues")
    page.run("document.activeElement.blur()")
    tab_to(page, "Skip to content", 1)
    page.keys(Keys.ENTER)
    assert page.run("return document.activeElement.id") == "main"


def test_navigating_moves_the_focus_to_the_new_heading(page: Page) -> None:
    page.log_in()
    page.run("document.activeElement.blur()")
    tab_to(page, "Exchanges")
    page.keys(Keys.ENTER)
    tag = "return document.activeElement.tagName"
    page.until(lambda: page.run(tag) == "H1" and page.focused() == "Exchanges", "the focus on the heading")
    assert page.text("#places [aria-current=page]") == "Exchanges"


def test_a_table_is_sorted_and_a_queue_deleted_with_keys_alone(queue: str, page: Page, api: Api) -> None:
    page.log_in("#/queues?name=keys")
    page.until(lambda: page.table("Queues"), "the list")
    page.run("document.querySelector('main').focus()")
    tab_to(page, "Ready")
    page.keys(Keys.ENTER)
    page.until(
        lambda: (
            page.run("return document.querySelector('th[data-column=messages_ready]').ariaSort")
            == "descending"
        ),
        "another order",
    )
    assert page.focused() == "Ready"
    tab_to(page, "keys")
    page.keys(Keys.ENTER)
    page.see("keys", "main h1")
    page.choose("Refresh", "Do not refresh")
    page.run("document.querySelector('main').focus()")
    tab_to(page, "Delete queue")
    page.keys(Keys.ENTER)
    page.until(lambda: page.find("dialog[open]"), "the question")
    page.keys(Keys.ESCAPE)
    page.until(lambda: page.find("dialog") is None, "no question")
    assert page.focused() == "Delete queue"
    page.keys(Keys.ENTER)
    page.until(lambda: page.find("dialog[open]"), "the question")
    tab_to(page, "Delete queue", 6)
    page.keys(Keys.ENTER)
    page.see("Queues", "main h1")
    assert not api.exists("queues", "/", queue)


def test_a_menu_closes_with_escape(page: Page) -> None:
    page.log_in("#/queues")
    page.until(lambda: page.find("[data-loaded]"), "the list")
    page.run("document.querySelector('main').focus()")
    tab_to(page, "Columns")
    page.keys(Keys.ENTER)
    page.until(lambda: page.run("return document.querySelector('.menu').open"), "the menu")
    page.keys(Keys.TAB, Keys.ESCAPE)
    page.until(lambda: not page.run("return document.querySelector('.menu').open"), "no menu")
    assert page.focused() == "Columns"


def test_a_chart_is_read_with_arrows(page: Page) -> None:
    page.log_in()
    page.until(lambda: page.find("[data-chart='Queued messages'] path.line"), "lines")
    page.run("document.querySelector('[data-chart=\"Queued messages\"] .plot').focus()")
    page.keys(Keys.END)
    page.until(lambda: "Ready" in page.text("[data-chart='Queued messages'] .chart-tip"), "the values there")
    spoken = page.run(
        "return document.querySelector('[data-chart=\"Queued messages\"] > span[aria-live]').textContent"
    )
    assert "Ready" in spoken
