"""What a queue asks of whoever moves its messages elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from amqpd.message import Message

if TYPE_CHECKING:
    from amqpd.broker.queues.queue import Queue


@mypyc_attr(allow_interpreted_subclasses=True)
class Mover:
    """Knows where messages go."""

    def readdressed(self, message: Message) -> Message:
        """The message as it is published there."""
        raise NotImplementedError

    def takers(self, message: Message) -> list[Queue]:
        """The queues that it goes to; none unless all that should have it would take it now."""
        raise NotImplementedError
