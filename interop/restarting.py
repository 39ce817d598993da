"""The two ways in which a test ends the broker and starts it again."""

import pytest

from interop.broker import KILL_RESTART, RESTART, Server

AFTER_THE_CONFIRMS_S = 1.0  # before a kill: an acknowledgement is not confirmed, and RabbitMQ writes it later

stopped = pytest.param(RESTART, marks=pytest.mark.restarts(RESTART), id="stopped")
killed = pytest.param(KILL_RESTART, marks=pytest.mark.restarts(KILL_RESTART), id="killed")


def restart(server: Server, way: str) -> None:
    """End the broker in this way, the value of one of the parameters above, and start it again."""
    if way == RESTART:
        server.restart()
    else:
        server.kill_and_restart()
