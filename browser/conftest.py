"""A broker, its API, and its page in a browser that must have nothing to complain about."""

import re
from collections.abc import Generator, Iterator
from contextlib import suppress

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException

from browser.broker import Api, Broker
from browser.page import Page, chromium


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("amqpd"))
    yield broker
    broker.stop()


@pytest.fixture(scope="session")
def api(broker: Broker) -> Api:
    return Api(broker)


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    driver = chromium()
    yield driver
    driver.quit()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A picture of what was shown when a test failed."""
    report = yield
    page = item.funcargs.get("page") if isinstance(item, pytest.Function) else None
    if report.when == "call" and report.failed and isinstance(page, Page):
        with suppress(WebDriverException):
            page.picture(f"failed-{re.sub(r'[^A-Za-z0-9_-]+', '-', item.name)[:120]}")
    return report


@pytest.fixture
def page(driver: webdriver.Chrome, broker: Broker, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page, logged out. Asks every 200 ms, and must leave no complaint."""
    page = Page(driver, broker.page)
    page.prefer(interval=200)
    yield page
    is_refused = request.node.get_closest_marker("refused") is not None
    complaints = page.complaints(is_refused)
    driver.get("about:blank")
    assert complaints == []
