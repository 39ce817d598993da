"""Flower, Celery's web page, shows the queues that the management API tells it of."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pika
import pytest
import requests
from celery import Celery

from interop import celery_program
from interop.broker import REPOSITORY, Broker, environment, free_port
from interop.management import Management, until
from interop.names import Names

START_LIMIT_S = 60.0
TASKS = 3


@pytest.fixture
def broker(management: Management) -> Broker:
    return management.broker


@pytest.fixture
def application(broker: Broker, names: Names) -> Iterator[Celery]:
    """A Celery application without a worker."""
    for name in celery_program.names_of(names.prefix):
        names.also_remove(name)
    with celery_program.create_application(broker.url, names.prefix) as application:
        names.also_remove(application.thread_oid)  # the queue of this process's results
        yield application


class Flower:
    """Flower's pages."""

    def __init__(self, url: str) -> None:
        self._url = url

    def told(self, path: str) -> str:
        """The text of a page."""
        answer = requests.get(self._url + path, timeout=60)
        answer.raise_for_status()
        return answer.text

    def queue_on_page(self, name: str) -> list[str] | None:
        """The row of a queue on the page of the broker: name, messages, unacked, ready, consumers, idle since."""
        rows = re.findall(r"<tr id=.*?</tr>", self.told("/broker"), re.DOTALL)
        cells = [[unescape(cell.strip()) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows]
        return next((row for row in cells if row[0] == name), None)

    def queue_of_api(self, name: str) -> dict[str, Any] | None:
        """What Flower's own API tells of a queue."""
        queues = json.loads(self.told("/api/queues/length"))["active_queues"]
        return next((queue for queue in queues if queue["name"] == name), None)


@pytest.fixture
def flower(application: Celery, management: Management, names: Names, tmp_path: Path) -> Iterator[Flower]:
    user = management.broker
    api = f"http://{user.username}:{user.password}@{management.address}/api/"
    port = free_port()
    log_path = tmp_path / "flower.log"
    command = [sys.executable, "-m", "interop.celery_flower", user.url, names.prefix, api, str(port)]
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**environment(), "FLOWER_UNAUTHENTICATED_API": "true"},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    flower = Flower(f"http://127.0.0.1:{port}")
    try:
        wait_for(flower, process, log_path)
        yield flower
    finally:
        process.terminate()
        process.wait(60)


def wait_for(flower: Flower, process: "subprocess.Popen[bytes]", log_path: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            flower.told("/healthcheck")
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    pytest.fail(f"flower did not start:\n{log_path.read_text()}")


def test_flower_shows_the_queue_and_what_is_in_it(
    application: Celery, broker: Broker, flower: Flower
) -> None:
    queue = application.conf.task_default_queue
    for number in range(TASKS):
        celery_program.add.delay(number, 1)
    row = until(lambda: flower.queue_on_page(queue), lambda row: row and row[1:5] == ["3", "0", "3", "0"])
    assert row[0] == queue
    told = flower.queue_of_api(queue)
    assert told is not None and (told["messages"], told["messages_ready"]) == (TASKS, TASKS)

    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue, lambda *_: None)
        connection.process_data_events(time_limit=1)
        until(
            lambda: (connection.process_data_events(), flower.queue_on_page(queue))[1],
            lambda row: row and row[1:5] == ["3", "1", "2", "1"],
        )
        told = flower.queue_of_api(queue)
        assert told is not None and (told["messages_unacknowledged"], told["consumers"]) == (1, 1)


def test_flower_shows_no_queue_that_is_not_there(application: Celery, flower: Flower) -> None:
    assert flower.queue_on_page(application.conf.task_default_queue) is None
