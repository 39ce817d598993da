"""Fixtures for test suites that need a broker; pytest finds this module by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from amqpd.testing.running import BrokerInThread


@pytest.fixture
def amqpd_broker() -> Iterator[BrokerInThread]:
    """A broker of the test's own, empty, on a free port; `amqpd_broker.url` is where to connect."""
    # Imported late: a test suite that does not ask for a broker does not load one.
    from amqpd.testing.running import broker_in_thread

    with broker_in_thread() as running:
        yield running
