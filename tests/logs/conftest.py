"""The log of a test leaves no traces."""

import io
import logging
from collections.abc import Iterator

import pytest

from amqpd.logs.levels import CATEGORIES
from amqpd.logs.log import stop_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the console's lines go."""
    root = logging.getLogger("amqpd")
    loggers = [root, *(root.getChild(category) for category in CATEGORIES)]
    before = (root.handlers[:], root.propagate, [logger.level for logger in loggers])
    yield io.StringIO()
    stop_logging()
    root.handlers[:], root.propagate = before[0], before[1]
    for logger, level in zip(loggers, before[2], strict=True):
        logger.setLevel(level)
