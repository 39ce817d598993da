"""The broker, names of one's own, and a limit on how long a test may hang."""

import os
import signal
from collections.abc import Callable, Generator, Iterator
from types import FrameType

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from interop.broker import KILL_RESTART, RESTART, Amqpd, Broker, OutsideBroker, Server
from interop.management import Management, managed, until
from interop.names import Names

TEST_LIMIT_S = 180.0
RESTART_LIMIT_S = 300.0  # for what is marked 'restarts'; a RabbitMQ takes ten seconds each time
LEFT_OUT = pytest.StashKey[int]()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The broker at AMQP_URL, or amqpd started for this session."""
    url = os.environ.get("AMQP_URL")
    if url:
        yield OutsideBroker(Broker.from_url(url))
        return
    amqpd = Amqpd(tmp_path_factory.mktemp("amqpd"))
    amqpd.start()
    try:
        yield amqpd
    finally:
        amqpd.close()


@pytest.fixture(scope="session")
def broker(server: Server) -> Broker:
    """Where that broker listens."""
    return server.broker


@pytest.fixture(scope="session")
def management(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Management]:
    """The API at MANAGEMENT_URL, or that of an amqpd started for this session."""
    url, amqp_url = os.environ.get("MANAGEMENT_URL"), os.environ.get("AMQP_URL")
    if url and amqp_url:
        yield Management(Broker.from_url(amqp_url), url)
        return
    if amqp_url:
        pytest.skip("AMQP_URL is set without MANAGEMENT_URL")
    amqpd, management = managed(tmp_path_factory.mktemp("management"))
    amqpd.start()
    try:
        until(management.is_there, bool)
        yield management
    finally:
        amqpd.close()


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


def _cannot_be_restarted(item: pytest.Item) -> bool:
    """Whether the test ends the broker in a way that nobody said how to do."""
    ways = {mark.args[0] for mark in item.iter_markers("restarts")}
    return bool(os.environ.get("AMQP_URL")) and any(not os.environ.get(way) for way in ways)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if _cannot_be_restarted(item)]
    config.stash[LEFT_OUT] = len(left_out)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _cannot_be_restarted(item)]


def pytest_report_collectionfinish(config: pytest.Config) -> list[str]:
    if not config.stash.get(LEFT_OUT, 0):
        return []
    without = " and ".join(way for way in (RESTART, KILL_RESTART) if not os.environ.get(way))
    return [
        f"left out: {config.stash[LEFT_OUT]} tests that restart the broker; AMQP_URL is set without {without}"
    ]


def _limit_s(item: pytest.Item) -> float:
    return RESTART_LIMIT_S if item.get_closest_marker("restarts") else TEST_LIMIT_S


def _limited(limit_s: float) -> Generator[None, object, object]:
    """Many clients wait for a reply without a limit of their own: the alarm ends such a wait."""

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        pytest.fail(f"still waiting after {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _limited(_limit_s(item)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _limited(_limit_s(item)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    return (yield from _limited(_limit_s(item)))
