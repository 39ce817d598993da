"""The broker, names of one's own, and a limit on how long a test may hang."""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from types import FrameType

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from interop.broker import Broker, amqpd_running
from interop.names import Names

TEST_LIMIT_S = 40.0


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker at AMQP_URL, or amqpd started for this session."""
    url = os.environ.get("AMQP_URL")
    if url:
        yield Broker.from_url(url)
        return
    with amqpd_running(tmp_path_factory.mktemp("amqpd")) as running:
        yield running


@pytest.fixture
def names(broker: Broker) -> Iterator[Names]:
    """Names of this test's own; what bears them is gone afterwards.

    A fixture that holds a connection asks for names too, so that it closes before its queues are removed.
    """
    with Names(broker) as names:
        yield names


@pytest.fixture
def connect(broker: Broker, names: Names) -> Iterator[Callable[[], pika.BlockingConnection]]:
    """Open pika connections that are closed at the end of the test."""
    opened: list[pika.BlockingConnection] = []

    def connect() -> pika.BlockingConnection:
        opened.append(pika.BlockingConnection(pika.URLParameters(broker.url)))
        return opened[-1]

    yield connect
    for connection in opened:
        if connection.is_open:
            connection.close()


@pytest.fixture
def connection(connect: Callable[[], pika.BlockingConnection]) -> pika.BlockingConnection:
    return connect()


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> BlockingChannel:
    return connection.channel()


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    pytest.fail(f"still waiting after {TEST_LIMIT_S:g} s")


def _limited() -> Generator[None, object, object]:
    """Many clients wait for a reply without a limit of their own: the alarm ends such a wait."""
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, TEST_LIMIT_S)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, object, object]:
    return (yield from _limited())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, object, object]:
    return (yield from _limited())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    return (yield from _limited())
