"""Why a connection does not go on for a while, and what it goes on with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64
from pamqp.base import Frame as Method

from amqpd.broker.alarms import Blocked
from amqpd.errors import AmqpError, ResourceError
from amqpd.store.api import Waiter

if TYPE_CHECKING:
    from amqpd.protocol.connection import Connection

# Why a connection does not work on what it has received; any number of reasons at once.
HELD_BY_ALARM: Final = 1
HELD_ANSWER: Final = 2
HELD_BY_LOG: Final = 4


@final
class Hold(Blocked):
    """What an alarm knows of a connection that it holds back."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def unblock(self) -> None:
        """Let the connection go on."""
        self._connection.unblock()


@final
class HeldAnswer(Waiter):
    """A reply that must not be sent before what it confirms is on disk, and what follows it."""

    def __init__(
        self, connection: Connection, channel_id: i64, method: Method, then: Callable[[], object] | None
    ) -> None:
        self.connection: Connection | None = connection
        """None when nobody is there any more to hear it."""
        self.channel_id = channel_id
        self.method = method
        self.then = then

    def durable(self) -> None:
        """It may be sent."""
        self._release(None)

    def failed(self) -> None:
        """It would not be true."""
        self._release(ResourceError("cannot write to the log"))

    def _release(self, error: AmqpError | None) -> None:
        if self.connection is not None:
            self.connection.release_answer(error)
        elif self.then is not None:
            self.then()


@final
class HeldByLog(Waiter):
    """A publisher that waits until the log has caught up with it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def group_formed(self) -> None:
        """Let it go on: what it has published is being written."""
        self._connection.log_goes_on()

    def durable(self) -> None:
        """It has gone on already."""

    def failed(self) -> None:
        """It has gone on already."""
