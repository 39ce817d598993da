"""The broker: its virtual hosts, and the names it makes up."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import final

from amqpd.broker.alarms import Alarms
from amqpd.broker.definitions import (
    Definition,
    GlobalParameterDeleted,
    GlobalParameterSet,
    VhostAdded,
    VhostDeleted,
    definition_of,
    encode,
    words,
)
from amqpd.broker.exchanges.delayed import Delayed
from amqpd.broker.limits import LimitReached, Node, NodeLimits, OpenCounts, is_reached
from amqpd.broker.open_connections import OpenConnections
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Clock, Timers
from amqpd.events import Events
from amqpd.store.storage import Storage
from amqpd.wire.fields import Table

NAME_BYTES = 16


@final
class Broker:
    """All that connections share: vhosts, time, the storage, and who hears what happens.

    `random_bytes(n)` gives n unpredictable bytes; names that the broker generates are made of them.
    """

    def __init__(
        self, clock: Clock, storage: Storage, events: Events, random_bytes: Callable[[int], bytes]
    ) -> None:
        self.clock = clock
        self.timers = Timers(clock)
        self.storage = storage
        self.alarms = Alarms()
        self.events = events
        self.vhosts: dict[str, VirtualHost] = {}
        self.global_parameters: dict[str, object] = {}
        """Runtime parameters of the whole broker, which are only kept, by name: values as JSON gives them."""
        self.open_counts = OpenCounts()
        self.connections = OpenConnections()
        self._node = AllVhosts(self.vhosts)
        self._random_bytes = random_bytes

    @property
    def limits(self) -> NodeLimits:
        """The limits of the whole broker."""
        return self._node.limits

    @property
    def node(self) -> Node:
        """What is counted for the whole broker."""
        return self._node

    def set_limits(self, limits: NodeLimits) -> None:
        """Let these limits of the whole broker be in force; what is there already stays."""
        self._node.limits = limits

    def add_vhost(self, name: str) -> VirtualHost:
        """Make a virtual host, with its predeclared exchanges, or return the one there.

        Raises LimitReached if there can be no more.
        """
        vhost = self.vhosts.get(name)
        if vhost is None:
            self._check_vhost_limit(name)
            self._record(name, VhostAdded())
            vhost = VirtualHost(name, self.storage, self.timers, self.events, self._random_bytes, self._node)
            self.vhosts[name] = vhost
        return vhost

    def delete_vhost(self, name: str) -> bool:
        """Delete a virtual host with everything in it; False if there is none.

        Its consumers are cancelled, then its connections closed (320), as RabbitMQ 3.10 does. What users may do
        there is not the broker's to forget: see `Users.forget_vhost`. Raises ResourceError (506) if it can't be
        recorded.
        """
        if name not in self.vhosts:
            return False
        self._record(name, VhostDeleted())
        self._drop_vhost(name)
        for connection in self.connections.in_vhost(name):
            connection.close_for(f"vhost '{name}' is deleted")
        return True

    def set_global_parameter(self, name: str, value: object) -> None:
        """Keep a runtime parameter of the whole broker; it must be one that JSON can say."""
        self._record("", GlobalParameterSet(name, value))
        self.global_parameters[name] = value

    def delete_global_parameter(self, name: str) -> bool:
        """Forget a runtime parameter of the whole broker; False if there is none."""
        if name not in self.global_parameters:
            return False
        self._record("", GlobalParameterDeleted(name))
        self.global_parameters.pop(name)
        return True

    def _record(self, vhost: str, definition: Definition) -> None:
        """Let the log know. Raises ResourceError (506) if it can't be recorded."""
        journal = self.storage.journal
        if journal is not None:
            journal.check()
            journal.define(encode(vhost, definition))

    def _drop_vhost(self, name: str) -> None:
        vhost = self.vhosts.pop(name, None)
        if vhost is not None:
            vhost.end()

    def _check_vhost_limit(self, name: str) -> None:
        limit = int(self.limits.vhost_max)
        if is_reached(limit, len(self.vhosts)):
            raise LimitReached(f"cannot create vhost '{name}': vhost limit of {limit} is reached")

    def records(self) -> list[bytes]:
        """The records that make all vhosts with everything durable in them again, in this order."""
        parameters = [
            encode("", GlobalParameterSet(name, value)) for name, value in self.global_parameters.items()
        ]
        return parameters + [record for vhost in self.vhosts.values() for record in vhost.records()]

    def replay(self, table: Table, only_missing: bool) -> None:
        """Apply a recorded change again; `only_missing`: unless what it makes is there. Raises UnknownChange."""
        definition = definition_of(table)
        if isinstance(definition, GlobalParameterSet):
            self.global_parameters[definition.name] = definition.value
            return
        if isinstance(definition, GlobalParameterDeleted):
            self.global_parameters.pop(definition.name, None)
            return
        if isinstance(definition, VhostDeleted):
            self._drop_vhost(words(table, "vhost"))
            return
        vhost = self.add_vhost(words(table, "vhost"))
        if not isinstance(definition, VhostAdded) and not (only_missing and vhost.has(definition)):
            vhost.apply(definition)

    def restore_queues(self, ends: dict[int, int]) -> None:
        """After a replay: let queues begin with what the log has of them; `ends` is where each goes on, by its index id."""
        for vhost in self.vhosts.values():
            for queue in vhost.queues.values():
                queue.restore(ends)
            for exchange in vhost.exchanges.values():
                if isinstance(exchange, Delayed):
                    exchange.restore(ends)

    def generated_name(self, prefix: str) -> str:
        """`prefix` and 22 characters of URL-safe base64, as RabbitMQ names queues and consumers."""
        return prefix + base64.urlsafe_b64encode(self._random_bytes(NAME_BYTES)).decode().rstrip("=")


@final
class AllVhosts(Node):
    """What a virtual host knows of the others."""

    def __init__(self, vhosts: dict[str, VirtualHost]) -> None:
        super().__init__()
        self._vhosts = vhosts

    def queue_count(self) -> int:
        """How many queues there are in all virtual hosts."""
        return sum([len(vhost.queues) for vhost in self._vhosts.values()])

    def exchange_count(self) -> int:
        """How many exchanges there are in all virtual hosts."""
        return sum([len(vhost.exchanges) for vhost in self._vhosts.values()])
