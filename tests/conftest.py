"""A broker in memory, and clients of it, for every test that wants them."""

import pytest

from amqpd.testing import MemoryBroker, Peer
from amqpd.testing.certificates import Authority


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
