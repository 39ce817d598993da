"""The broker: its virtual hosts, and the names it makes up."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import final

from amqpd.broker.alarms import Alarms
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Clock, Timers
from amqpd.events import Events
from amqpd.store.api import Log

NAME_BYTES = 16


@final
class Broker:
    """All that connections share: vhosts, time, the log, and who hears what happens.

    `random_bytes(n)` gives n unpredictable bytes; names that the broker generates are made of them.
    """

    def __init__(self, clock: Clock, log: Log, events: Events, random_bytes: Callable[[int], bytes]) -> None:
        self.clock = clock
        self.timers = Timers(clock)
        self.log = log
        self.alarms = Alarms()
        self.events = events
        self.vhosts: dict[str, VirtualHost] = {}
        self._random_bytes = random_bytes

    def add_vhost(self, name: str) -> VirtualHost:
        """Make a virtual host, with its predeclared exchanges, or return the one there."""
        vhost = self.vhosts.get(name)
        if vhost is None:
            vhost = VirtualHost(name, self.log)
            self.vhosts[name] = vhost
        return vhost

    def generated_name(self, prefix: str) -> str:
        """`prefix` and 22 characters of URL-safe base64, as RabbitMQ names queues and consumers."""
        return prefix + base64.urlsafe_b64encode(self._random_bytes(NAME_BYTES)).decode().rstrip("=")
