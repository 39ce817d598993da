"""What a queue does with its messages, besides to keep them in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from crash import bodies

REJECTED, EXPIRED, MAXLEN, DELIVERY_LIMIT = "rejected", "expired", "maxlen", "delivery_limit"
"""Reasons of death, as x-death has them."""


@dataclass(frozen=True)
class Rules:
    """The rules of one queue; the default is a plain one."""

    exchange: str = ""
    """Where its messages are published; their routing key is its name."""
    properties: Callable[[bytes, bool], bytes] = bodies.properties
    """With these they are published."""
    level: Callable[[bytes], int] | None = None
    """Those of a higher level come first."""
    delay_ms: Callable[[bytes], int] | None = None
    """So long they stay in the exchange."""
    own_ttl_ms: Callable[[bytes], int] | None = None
    """A message whose turn it is lives so long, and never longer than `ttl_ms`."""
    ttl_ms: int = 0
    max_length: int | None = None
    delivery_limit: int | None = None
    """Of a quorum queue: it counts deliveries, and what comes back need not come back to its place."""
    dies_by: str = ""
    """The reason for which messages die by themselves."""
    buries_later: bool = False
    """What died goes to the queue for the dead in a while (x-dead-letter-strategy at-least-once)."""
    is_consumed: bool = True
    """Whether anybody takes messages from it while there is load; if not, those that die do so from its front."""

    def dies_in_order(self, message_header: bytes) -> bool:
        """Whether it dies after all that came before it: not if its own time is over while those are held."""
        return self.own_ttl_ms is None or self.own_ttl_ms(message_header) >= self.ttl_ms

    @property
    def is_quorum(self) -> bool:
        """Whether the queue counts deliveries."""
        return self.delivery_limit is not None
