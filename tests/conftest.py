"""A broker in memory, and clients of it, for every test that wants them."""

import io
import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from amqpd.logs.levels import CATEGORIES
from amqpd.logs.log import stop_logging
from amqpd.testing import MemoryBroker, Peer
from amqpd.testing.certificates import Authority

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def peer(broker: MemoryBroker) -> Peer:
    """A client with channels 1 and 2."""
    return broker.connect(channels=2)


@pytest.fixture
def other(broker: MemoryBroker) -> Peer:
    """Another connection, with channel 1."""
    return broker.connect()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Issues certificates."""
    return Authority(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log's lines for the console go; the log of a test leaves no traces."""
    root = logging.getLogger("amqpd")
    loggers = [root, *(root.getChild(category) for category in CATEGORIES)]
    before = (root.handlers[:], root.propagate, [logger.level for logger in loggers])
    yield io.StringIO()
    stop_logging()
    root.handlers[:], root.propagate = before[0], before[1]
    for logger, level in zip(loggers, before[2], strict=True):
        logger.setLevel(level)
