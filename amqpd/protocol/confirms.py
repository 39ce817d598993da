"""Publisher confirms of one channel (RabbitMQ's extension, class confirm)."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, final

from mypy_extensions import i64

from amqpd.store.api import Waiter

if TYPE_CHECKING:
    from amqpd.protocol.channel import Channel


@final
class Confirms(Waiter):
    """Counts what was published since confirm.select, and confirms it, in order, when it is where it must be.

    A message that goes into the log is there when its group is on disk; any other at once, but not before those
    published before it.
    """

    def __init__(self, channel: Channel) -> None:
        self.published: i64 = 0
        """The delivery tag of the last message published; tags start at 1."""
        self.is_noted = False
        """Whether the connection knows that something was published since confirms were last sent."""
        self._channel = channel
        self.confirmed: i64 = 0
        """How many of them were confirmed."""
        self._answered: i64 = 0
        """All tags up to this were answered."""
        self._logged: i64 = 0
        """The tag of the last message that goes into the log."""
        self._waits = False
        """Whether the group that is not formed yet has a message of this channel."""
        self._under_way: list[int] = []
        """The tags that the groups now being written reach up to."""
        self._refused: deque[int] = deque()
        """The tags, not answered yet, of messages that a queue did not take."""

    def add(self, is_logged: bool) -> None:
        """One more message was published."""
        self.published += 1
        if is_logged:
            self._logged = self.published

    def refuse(self) -> None:
        """One more message was published, and a queue was too full for it."""
        self.published += 1
        self._refused.append(int(self.published))

    def unanswered(self) -> int:
        """How many messages the publisher knows nothing of yet."""
        return int(self.published - self._answered)

    def send(self) -> None:
        """Confirm everything that may be confirmed, with as few frames as possible; wait for the rest."""
        self.is_noted = False
        journal = self._channel.journal
        if journal is None or self._logged <= self._answered:
            self._answer_up_to(self.published)
        elif not self._waits and self._logged > (self._under_way[-1] if self._under_way else 0):
            self._waits = True
            journal.wait(self)

    def _answer_up_to(self, tag: i64) -> None:
        while self._refused and self._refused[0] <= tag:
            refused: i64 = self._refused.popleft()
            self._confirm_up_to(refused - 1)
            while self._refused and self._refused[0] == refused + 1:
                refused = self._refused.popleft()
            # As RabbitMQ does; before it, everything is answered.
            self._channel.refuse_to_confirm(refused, True)
            self._answered = refused
        self._confirm_up_to(tag)

    def _confirm_up_to(self, tag: i64) -> None:
        if tag > self._answered:
            self.confirmed += tag - self._answered
            self._channel.confirm(tag, tag - self._answered > 1)
            self._answered = tag

    def group_formed(self) -> None:
        """Everything published until now is in the group, or was in one before."""
        self._waits = False
        self._under_way.append(self.published)

    def durable(self) -> None:
        """The oldest group that was waited for is on disk."""
        tag: i64 = self._under_way.pop(0)
        self._answer_up_to(tag if self._logged > tag else self.published)

    def failed(self) -> None:
        """Nobody knows what of it is on disk, and nothing that follows will be."""
        if self._waits:
            self._waits = False
        else:
            self._under_way.pop(0)
        if self.published > self._answered:
            self._channel.refuse_to_confirm(self.published, self.published - self._answered > 1)
            self._answered = self.published
            self._refused.clear()
