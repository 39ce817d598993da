"""One look at the broker: what there is of everything, and what was found out of it already."""

from __future__ import annotations

import re
from collections.abc import Collection

from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.queue import Queue
from amqpd.management.measures import bytes_in_hands
from amqpd.management.site import Site, open_channels
from amqpd.metrics.message_counts import MessageCounts
from amqpd.metrics.totals import LoginCounts
from amqpd.protocol.channel import Channel
from amqpd.protocol.connection import Connection
from amqpd.wire.patterns import as_bytes_text

LOOKED_AT_IN_HANDS = 5000
"""So many messages that clients have not settled are looked at to know how large they are."""

PROTOCOLS = ("amqp091", "http")
"""Those that clients log in to, as RabbitMQ calls them."""


class Scrape:
    """What one answer is made of. Whatever is a list was taken in one turn; `vhosts` are those asked for, None is all."""

    def __init__(
        self,
        site: Site,
        endpoint: str,
        vhosts: Collection[str] | None = None,
        left_out: re.Pattern[str] | None = None,
    ) -> None:
        """`endpoint` is what RabbitMQ 4 calls the kind of answer: "aggregated", "per-object", "detailed".

        Queues with names in which `left_out` is found are in no sum of sizes and lengths.
        """
        self.site = site
        self._left_out = left_out
        self.endpoint = endpoint
        self._vhosts = vhosts
        self._counts: dict[Channel, MessageCounts] = {}
        self._bytes_in_hands: dict[Queue, int] | None = None

    # What there is

    def queues(self) -> list[Queue]:
        """Those of the virtual hosts that were asked for."""
        return [
            queue
            for vhost in self.site.broker.vhosts.values()
            if self._vhosts is None or vhost.name in self._vhosts
            for queue in vhost.queues.values()
        ]

    def sized_queues(self) -> list[Queue]:
        """The same, without those that are to be left out of sums."""
        queues = self.queues()
        if self._left_out is None:
            return queues
        is_left_out = self._left_out.search
        return [queue for queue in queues if is_left_out(as_bytes_text(queue.name)) is None]

    def exchanges(self) -> list[Exchange]:
        """Those that clients can publish to by name."""
        return [
            exchange
            for vhost in self.site.broker.vhosts.values()
            for exchange in vhost.exchanges.values()
            if exchange.name and not exchange.internal
        ]

    def connections(self) -> list[Connection]:
        """Every open connection."""
        return self.site.connections()

    def channels(self) -> list[Channel]:
        """Every open channel."""
        return [channel for connection in self.site.connections() for channel in open_channels(connection)]

    def logins(self) -> list[tuple[str, LoginCounts]]:
        """How often somebody has tried to log in, by protocol."""
        counts = self.site.broker.node.logins.counts
        return [(protocol, counts.get(protocol) or LoginCounts()) for protocol in PROTOCOLS]

    # What is known of it

    def message_counts(self, channel: Channel) -> MessageCounts:
        """What has happened to messages on a channel: the same whenever it is asked for."""
        counts = self._counts.get(channel)
        if counts is None:
            counts = channel.message_counts()
            self._counts[channel] = counts
        return counts

    def bytes_in_hands(self, queue: Queue) -> int:
        """How large the messages are that clients have of a queue, as far as they are looked at."""
        if not queue.unacked:
            return 0
        if self._bytes_in_hands is None:
            self._bytes_in_hands = bytes_in_hands(self.site.connections(), LOOKED_AT_IN_HANDS)
        return self._bytes_in_hands.get(queue, 0)
