"""Pictures of real traffic. With PICTURES set they are those of the documents, and show a whole minute."""

import time
from collections.abc import Iterator

import pytest

from browser.broker import Broker
from browser.page import Page
from browser.steps import IS_FOR_DOCUMENTS, picture
from browser.traffic import Traffic

MINUTE_S = 66
SHOWN = {"overview": "#/", "queue": "#/queues/%2F/invoices"}


@pytest.fixture
def traffic(broker: Broker) -> Iterator[None]:
    traffic = Traffic(broker)
    time.sleep(MINUTE_S if IS_FOR_DOCUMENTS else 0)
    yield
    traffic.stop()


def test_pictures_of_real_traffic(traffic: None, page: Page) -> None:
    page.prefer(interval=5000 if IS_FOR_DOCUMENTS else 200)
    page.log_in()
    for name, where in SHOWN.items():
        page.go(where)
        for each in ("Queued messages", "Message rates"):
            page.until(lambda each=each: page.find(f"[data-chart='{each}'] path.line"), f"lines of {each}")
        time.sleep(6 if IS_FOR_DOCUMENTS else 0)
        picture(page, name)
