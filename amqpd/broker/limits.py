"""Limits: of a virtual host, of a user, and of the whole broker; and the counts that they are held against."""

from __future__ import annotations

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from amqpd.broker.deaths import Deaths
from amqpd.metrics.totals import Ended, Logins
from amqpd.wire.json_terms import pairs, term

UNLIMITED: Final = -1
"""As a limit: none. So is any other negative number."""

MAX_CONNECTIONS: Final = "max-connections"
MAX_QUEUES: Final = "max-queues"
VHOST_LIMITS: Final = (MAX_CONNECTIONS, MAX_QUEUES)

_LARGEST: Final = 2**63 - 1


class InvalidLimits(Exception):
    """Limits that can't be set; `text` says why, as RabbitMQ's HTTP API does."""

    def __init__(self, problems: list[str]) -> None:
        self.text = "Validation failed\n\n" + "".join([f"{problem}\n" for problem in problems])
        super().__init__(self.text)


class LimitReached(Exception):
    """Something that would be one too many; `text` says so in RabbitMQ's words."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def is_reached(limit: i64, count: i64) -> bool:
    """Whether nothing more may come to what is there already."""
    return 0 <= limit <= count


def checked_vhost_limits(limits: dict[str, object]) -> dict[str, int]:
    """The limits of a vhost, if they are good: "max-connections" and "max-queues", negative for none.

    Raises InvalidLimits with everything that RabbitMQ would complain of.
    """
    problems: list[str] = []
    checked: dict[str, int] = {}
    unknown: dict[str, object] = {}
    for name, value in limits.items():
        if name not in VHOST_LIMITS:
            unknown[name] = value
        elif isinstance(value, int) and not isinstance(value, bool):
            checked[name] = max(-_LARGEST, min(value, _LARGEST))
    if unknown:
        problems.append(f"Unrecognised terms {pairs(unknown)} in limits")
    for name in reversed(VHOST_LIMITS):
        if name in limits and name not in checked:
            problems.append(f"{name} should be a number, actually was {term(limits[name])}")
    if problems:
        raise InvalidLimits(problems)
    return checked


@final
class NodeLimits:
    """Limits of the whole broker, negative for none: settings of RabbitMQ 4, which 3.10 does not have."""

    def __init__(
        self,
        connection_max: i64 = UNLIMITED,
        channel_max_per_node: i64 = UNLIMITED,
        consumer_max_per_channel: i64 = UNLIMITED,
        cluster_queue_limit: i64 = UNLIMITED,
        cluster_exchange_limit: i64 = UNLIMITED,
        vhost_max: i64 = UNLIMITED,
    ) -> None:
        self.connection_max = connection_max
        self.channel_max_per_node = channel_max_per_node
        self.consumer_max_per_channel = consumer_max_per_channel
        self.cluster_queue_limit = cluster_queue_limit
        self.cluster_exchange_limit = cluster_exchange_limit
        self.vhost_max = vhost_max


@mypyc_attr(allow_interpreted_subclasses=True)
class Node:
    """What a virtual host knows of the broker around it; alone, it is all there is, and has no limits."""

    def __init__(self) -> None:
        self.limits = NodeLimits()
        self.queues_declared: i64 = 0
        """How many times a queue was declared that exists now; `queues_created` is how often there was none before."""
        self.queues_created: i64 = 0
        self.queues_deleted: i64 = 0
        self.ended = Ended()
        self.deaths = Deaths()
        self.logins = Logins()

    def queue_count(self) -> int:
        """How many queues there are in all virtual hosts."""
        return 0

    def exchange_count(self) -> int:
        """How many exchanges there are in all virtual hosts."""
        return 0


@final
class OpenCounts:
    """How many connections and channels are open now: in all, and by virtual host and user."""

    def __init__(self) -> None:
        self.connections: i64 = 0
        self.channels: i64 = 0
        self.connections_opened: i64 = 0
        self.channels_opened_ever: i64 = 0
        self._connections_in: dict[str, int] = {}
        self._connections_of: dict[str, int] = {}
        self._channels_of: dict[str, int] = {}

    def connections_in(self, vhost: str) -> int:
        """How many connections are open in a virtual host."""
        return self._connections_in.get(vhost, 0)

    def connections_of(self, user: str) -> int:
        """How many connections a user has open."""
        return self._connections_of.get(user, 0)

    def channels_of(self, user: str) -> int:
        """How many channels a user has open, over all connections."""
        return self._channels_of.get(user, 0)

    def connection_opened(self, vhost: str, user: str) -> None:
        """A connection has come into a virtual host."""
        self.connections += 1
        self.connections_opened += 1
        _count(self._connections_in, vhost, 1)
        _count(self._connections_of, user, 1)

    def connection_ended(self, vhost: str, user: str) -> None:
        """It is gone."""
        self.connections -= 1
        _count(self._connections_in, vhost, -1)
        _count(self._connections_of, user, -1)

    def channels_opened(self, user: str, count: int) -> None:
        """A user has opened channels, or with a negative count some have ended."""
        if count > 0:
            self.channels_opened_ever += count
        if count:
            self.channels += count
            _count(self._channels_of, user, count)


def _count(counts: dict[str, int], name: str, difference: int) -> None:
    """Add to a count; nobody is remembered who has nothing any more."""
    count = counts.get(name, 0) + difference
    if count:
        counts[name] = count
    else:
        counts.pop(name, None)
