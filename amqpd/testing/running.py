"""A real broker with real sockets inside a test process, on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, TypeVarTuple

import anyio
import anyio.lowlevel
from anyio.from_thread import BlockingPortal, start_blocking_portal

from amqpd.app import choose_event_loop, managing, measuring, serving
from amqpd.auth.users import Users, default_users
from amqpd.clock import Clock
from amqpd.config.settings import settings_of
from amqpd.events import Events
from amqpd.server.clock import MachineClock
from amqpd.server.listeners import Server
from amqpd.testing.clock import FakeClock

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")

TURNS_TO_WRITE = 3
"""Turns of the event loop after which what a timer caused has been handed to the sockets."""


class RunningBroker:
    """A broker that serves, in the event loop that started it."""

    def __init__(
        self,
        server: Server,
        users: Users,
        clock: Clock,
        address: tuple[str, int],
    ) -> None:
        self.server = server
        """The shell with its sessions, and `server.broker`, the core."""
        self.users = users
        self.clock = clock
        self.host, self.port = address
        self.management_port = 0
        """Where the management API is, on the same host; 0 without `management=True`."""
        self.management_ssl_port = 0
        """Where it is over TLS; 0 without `management_ssl_certfile`."""
        self.prometheus_port = 0
        """Where the metrics are; 0 without `prometheus=True`."""
        self.prometheus_ssl_port = 0
        """Where they are over TLS; 0 without `prometheus_ssl_certfile`."""

    @property
    def url(self) -> str:
        """Where clients connect, as guest to vhost "/"."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"amqp://guest:guest@{host}:{self.port}/%2F"

    def advance(self, seconds: float) -> None:
        """Let this much time pass, and run all that falls due. Raises RuntimeError with a real clock."""
        if not isinstance(self.clock, FakeClock):
            raise RuntimeError("real time passes by itself: start the broker with clock=FakeClock()")
        self.clock.advance(seconds)


class BrokerInThread:
    """A broker that serves in a thread of its own; every method may be called from the test's thread."""

    def __init__(self, running: RunningBroker, portal: BlockingPortal) -> None:
        self._running = running
        self._portal = portal
        self.url, self.host, self.port = running.url, running.host, running.port
        self.management_port = running.management_port
        self.management_ssl_port = running.management_ssl_port
        self.prometheus_port = running.prometheus_port
        self.prometheus_ssl_port = running.prometheus_ssl_port
        self.clock = running.clock

    def advance(self, seconds: float) -> None:
        """Let this much time pass; returns when all that fell due was run, and what it wrote is on its way.

        Raises RuntimeError with a real clock.
        """
        self._portal.call(_advance_and_write, self._running, seconds)

    def call(self, function: Callable[[RunningBroker, *Arguments], T], *arguments: *Arguments) -> T:
        """The result of `function(running_broker, *arguments)`, called in the broker's thread."""
        return self._portal.call(function, self._running, *arguments)


async def _advance_and_write(running: RunningBroker, seconds: float) -> None:
    running.advance(seconds)
    for _turn in range(TURNS_TO_WRITE):
        await anyio.lowlevel.checkpoint()


@asynccontextmanager
async def broker(
    *,
    clock: Clock | None = None,
    users: Users | None = None,
    events: Events | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    **settings: Any,
) -> AsyncIterator[RunningBroker]:
    """Serve as long as the block runs, in this event loop (asyncio or uvloop).

    Real time unless `clock` is a FakeClock; the user guest unless `users` are given; silent unless `events`
    listen; on a free port unless told; in memory unless there is a `data_dir`. `settings` are those of
    the command line, by their names: `data_dir`, `ssl_certfile`.
    Raises StartError if the port is taken, InvalidSetting for a bad setting.
    """
    clock = clock or MachineClock()
    users = users or default_users()
    settings.setdefault("in_memory", "data_dir" not in settings)
    # Tests leave connections open that nobody reads from any more.
    settings.setdefault("shutdown_timeout_s", 2)
    wanted = settings_of({"host": (host,), "port": port, **settings})
    async with (
        serving(wanted, clock, events or Events(), users) as node,
        managing(wanted, node) as management,
        measuring(wanted, node) as prometheus,
    ):
        if management is not None and wanted.management:
            await management.ready()
        running = RunningBroker(node.server, users, clock, node.server.addresses[0])
        if management is not None and management.addresses:
            running.management_port = management.addresses[0][1]
        if management is not None and management.tls_addresses:
            running.management_ssl_port = management.tls_addresses[0][1]
        if prometheus is not None:
            await prometheus.ready()
            running.prometheus_port = prometheus.addresses[0][1] if prometheus.addresses else 0
            running.prometheus_ssl_port = prometheus.tls_addresses[0][1] if prometheus.tls_addresses else 0
        if not isinstance(clock, FakeClock):
            yield running
            return
        clock.drive(node.server.broker.timers)
        try:
            yield running
        finally:
            clock.release(node.server.broker.timers)


@contextmanager
def broker_in_thread(*, event_loop: str = "auto", **options: Any) -> Iterator[BrokerInThread]:
    """Serve as long as the block runs, in a thread with an event loop of its own.

    `event_loop` is "auto", "uvloop" or "asyncio"; `options` are those of `broker`, and what it raises
    at the start is raised here.
    """
    use_uvloop = choose_event_loop(event_loop)
    with (
        start_blocking_portal("asyncio", {"use_uvloop": use_uvloop}) as portal,
        portal.wrap_async_context_manager(broker(event_loop=event_loop, **options)) as running,
    ):
        yield BrokerInThread(running, portal)
