"""How many messages went which way, by RabbitMQ's names for it (`message_stats` of its HTTP API)."""

from __future__ import annotations

from typing import final


@final
class MessageCounts:
    """Counts of one queue, channel or virtual host. What happens for every message is counted elsewhere, and added."""

    __slots__ = (
        "ack",
        "confirm",
        "deliver",
        "deliver_no_ack",
        "drop_unroutable",
        "get",
        "get_empty",
        "get_no_ack",
        "publish",
        "publish_confirm",
        "redeliver",
        "return_unroutable",
        "routed",
    )

    def __init__(self) -> None:
        self.publish = 0
        self.publish_confirm = 0
        """Those of them that a channel with confirms has taken; `routed` is how many queues they all went to."""
        self.routed = 0
        self.confirm = 0
        self.return_unroutable = 0
        self.drop_unroutable = 0
        self.deliver = 0
        self.deliver_no_ack = 0
        self.get = 0
        self.get_no_ack = 0
        self.get_empty = 0
        self.redeliver = 0
        self.ack = 0

    def add(self, other: MessageCounts) -> None:
        """Count everything that the other has counted as well."""
        for name in MessageCounts.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def copy(self) -> MessageCounts:
        """The same numbers, which do not grow any more."""
        counts = MessageCounts()
        counts.add(self)
        return counts

    def deliver_get(self) -> int:
        """How many messages went to clients, whichever way."""
        return self.deliver + self.deliver_no_ack + self.get + self.get_no_ack


def count_get(counts: MessageCounts, no_ack: bool, redelivered: bool) -> None:
    """A basic.get has got a message."""
    if no_ack:
        counts.get_no_ack += 1
    else:
        counts.get += 1
    if redelivered:
        counts.redeliver += 1
