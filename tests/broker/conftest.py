import pytest

from amqpd.broker.vhost import VirtualHost
from amqpd.testing import MemoryBroker


@pytest.fixture
def vhost(broker: MemoryBroker) -> VirtualHost:
    return broker.broker.vhosts["/"]
