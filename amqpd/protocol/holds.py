"""Why a connection does not go on for a while, and what it goes on with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.broker.alarms import Blocked
from amqpd.errors import AmqpError, ResourceError
from amqpd.protocol.parameters import client_capability
from amqpd.store.api import Waiter

if TYPE_CHECKING:
    from amqpd.protocol.connection import Connection

# Why a connection does not work on what it has received; any number of reasons at once.
HELD_BY_ALARM: Final = 1
HELD_ANSWER: Final = 2
HELD_BY_LOG: Final = 4


@final
class Holds:
    """Holds a connection back, and lets it go on; `Connection.held` says why nothing is worked on."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._publisher = HeldPublisher(self)
        self._answer: HeldAnswer | None = None

    def block(self) -> None:
        """A publish arrived during an alarm: it stays unread, and so does all that follows, until `unblock`."""
        self._connection.reader.unread()
        self.block_content()

    def block_content(self) -> None:
        """More of a body arrived during an alarm, and not all of it: what follows stays unread until `unblock`."""
        connection = self._connection
        connection.alarms.add_blocked(self._publisher)
        self._stop_working(HELD_BY_ALARM)
        if client_capability(connection.client_properties, "connection.blocked"):
            connection.send(0, commands.Connection.Blocked(connection.alarms.reason()))

    def unblock(self) -> None:
        """The alarms are over: go on with the publish, or the body, that was held back."""
        connection = self._connection
        if client_capability(connection.client_properties, "connection.blocked"):
            connection.send(0, commands.Connection.Unblocked())
        self._may_work(HELD_BY_ALARM)
        connection.work()

    def wait_for_log(self) -> None:
        """Too much waits for the disk: this publisher goes on when it is being written."""
        journal = self._connection.broker.storage.journal
        if journal is not None and not self._connection.held & HELD_BY_LOG:
            self._stop_working(HELD_BY_LOG)
            journal.wait_for_room(HeldByLog(self))

    def log_goes_on(self) -> None:
        """What waited for the disk is being written."""
        if self._connection.held & HELD_BY_LOG:
            self._may_work(HELD_BY_LOG)
            self._connection.work()

    def answer(
        self, channel_id: i64, method: Method, then: Callable[[], object] | None, when_durable: bool
    ) -> None:
        """Send the reply to the method that is being executed, then call `then`: now, or when all is on disk.

        What follows on the connection waits as well, so that replies keep their order.
        """
        journal = self._connection.broker.storage.journal
        if when_durable and journal is not None:
            self._answer = HeldAnswer(self, channel_id, method, then)
            self._stop_working(HELD_ANSWER)
            journal.wait(self._answer)
            return
        self._connection.send(channel_id, method)
        if then is not None:
            then()

    def release_answer(self, error: AmqpError | None) -> None:
        """What the held reply waited for is on disk, or there is an error to answer instead."""
        held = self._answer
        if held is None:
            return
        self._answer = None
        if error is not None:
            self._connection.closing.answer(error)
        else:
            self._connection.send(held.channel_id, held.method)
        if held.then is not None:
            held.then()
        self._may_work(HELD_ANSWER)
        self._connection.work()

    def end(self) -> None:
        """The connection is over: nothing holds it any more, and nobody hears what was held."""
        self._connection.alarms.remove_blocked(self._publisher)
        if self._answer is not None:
            self._answer.holds = None
            self._answer = None
        self._may_work(HELD_BY_ALARM | HELD_BY_LOG | HELD_ANSWER)

    def _stop_working(self, reason: i64) -> None:
        """Let what was received wait, and hear no more of the client, until `_may_work`."""
        connection = self._connection
        if not connection.held:
            connection.transport.block()
        connection.held |= reason

    def _may_work(self, reason: i64) -> None:
        connection = self._connection
        if connection.held & reason:
            connection.held &= ~reason
            if not connection.held:
                connection.transport.unblock()


@final
class HeldPublisher(Blocked):
    """What an alarm knows of a connection that it holds back."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds

    def unblock(self) -> None:
        """Let the connection go on."""
        self._holds.unblock()


@final
class HeldAnswer(Waiter):
    """A reply that must not be sent before what it confirms is on disk, and what follows it."""

    def __init__(
        self, holds: Holds, channel_id: i64, method: Method, then: Callable[[], object] | None
    ) -> None:
        self.holds: Holds | None = holds
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
        if self.holds is not None:
            self.holds.release_answer(error)
        elif self.then is not None:
            self.then()


@final
class HeldByLog(Waiter):
    """A publisher that waits until the log has caught up with it."""

    def __init__(self, holds: Holds) -> None:
        self._holds = holds

    def group_formed(self) -> None:
        """Let it go on: what it has published is being written."""
        self._holds.log_goes_on()

    def durable(self) -> None:
        """It has gone on already."""

    def failed(self) -> None:
        """It has gone on already."""
