"""What the HTTP API stands on: the broker, its users, and what the shell around both knows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from amqpd.auth.users import Users
from amqpd.broker.broker import Broker
from amqpd.management.name_filter import Searches
from amqpd.management.node import Node
from amqpd.management.sampling import Sampling
from amqpd.protocol.channel import Channel
from amqpd.protocol.connection import Connection
from amqpd.protocol.parameters import Parameters
from amqpd.protocol.states import CHANNEL_CLOSING
from amqpd.wire.fields import Field

CLUSTER_NAME = "cluster_name"

VERSION = "3.10.8"
"""The version of RabbitMQ whose API this is."""


@dataclass(frozen=True, slots=True)
class Listening:
    """An address that something listens on: protocol is "amqp" or "http" as RabbitMQ calls it, over TLS "amqp/ssl", "https".

    `certfile` and `cacertfile` are those of a listener for TLS.
    """

    protocol: str
    host: str
    port: int
    certfile: str = ""
    cacertfile: str = ""


def nothing() -> int | None:
    """What the shell does not know."""
    return None


def no_limit() -> int:
    """What nobody has limited."""
    return 0


@dataclass(frozen=True, slots=True)
class Machine:
    """What the shell knows of the machine; each question may be one that it has no answer to."""

    memory_used_bytes: Callable[[], int | None] = nothing
    memory_limit: Callable[[], int] = no_limit
    disk_free_bytes: Callable[[], int | None] = nothing
    disk_free_limit: Callable[[], int] = no_limit
    data_dir: str = ""
    config_files: tuple[str, ...] = ()
    log_files: tuple[str, ...] = ("<stderr>",)

    @property
    def memory_limit_bytes(self) -> int:
        """The memory above which publishers are held back; it may change."""
        return self.memory_limit()

    @property
    def disk_free_limit_bytes(self) -> int:
        """The free disk space below which publishers are held back; it may change."""
        return self.disk_free_limit()


class Site:
    """One broker as the HTTP API sees it."""

    def __init__(
        self,
        broker: Broker,
        users: Users,
        parameters: Parameters,
        machine: Machine | None = None,
        listening: list[Listening] | None = None,
        *,
        control: Node | None = None,
        name: str = "",
        started_s: float | None = None,
    ) -> None:
        """`control` is what can be done to the node; `name` its name; `started_s` when it began, by the broker's clock."""
        self.broker = broker
        self.users = users
        self.parameters = parameters
        self.machine = machine or Machine()
        self.listening: list[Listening] = [] if listening is None else listening
        """The addresses of all listeners."""
        self.control = control
        self.node = name or parameters.cluster_name
        """What the only node is called; stays when the cluster gets another name."""
        self.sampling = Sampling(self)
        self.searches = Searches()
        tell_cluster_name(broker, parameters)
        self.started_s = broker.clock.monotonic_s() if started_s is None else started_s
        self.process_id = os.getpid()

    def name_cluster(self, name: str) -> None:
        """Tell clients this name of the cluster from now on, also after a restart."""
        self.broker.set_global_parameter(CLUSTER_NAME, name)
        tell_cluster_name(self.broker, self.parameters)

    def connections(self) -> list[Connection]:
        """Every open connection."""
        return [each for each in self.broker.connections.all() if isinstance(each, Connection)]

    async def collect_counts(self) -> None:
        """Let exchanges and queues know what was published; others have their turns meanwhile."""
        pause = Pause()
        for connection in self.connections():
            for channel in open_channels(connection):
                channel.collect_counts()
                if pause.is_due():
                    await asyncio.sleep(0)

    def connection(self, name: str) -> Connection | None:
        """The open connection of this name."""
        found = self.broker.connections.named(name)
        return found if isinstance(found, Connection) else None


def tell_cluster_name(broker: Broker, parameters: Parameters) -> None:
    """Tell clients the name that the cluster was given while it ran, if it was given one."""
    name = broker.global_parameters.get(CLUSTER_NAME)
    if isinstance(name, str):
        parameters.cluster_name = name
        parameters.server_properties[CLUSTER_NAME] = Field("S", name)


def open_channels(connection: Connection) -> Iterator[Channel]:
    """The channels of a connection that are not on their way out."""
    for channel in list(connection.channels.values()):
        if channel.state != CHANNEL_CLOSING:
            yield channel


def channel_name(channel: Channel) -> str:
    """`127.0.0.1:43580 -> 127.0.0.1:5672 (1)`."""
    return f"{channel.connection.peer.name} ({int(channel.id)})"


@dataclass(slots=True)
class Pause:
    """Counts work, and says when others should have their turn."""

    every: int = 100
    done: int = field(default=0)

    def is_due(self) -> bool:
        """One more thing was done; whether it is time."""
        self.done += 1
        return self.done % self.every == 0
