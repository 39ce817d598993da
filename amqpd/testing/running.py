"""A real broker with real sockets inside a test process, on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import anyio
import anyio.lowlevel
from anyio.from_thread import BlockingPortal, start_blocking_portal

from amqpd.app import choose_event_loop, managing, measuring, serving
from amqpd.auth.users import Users, default_users
from amqpd.clock import Clock
from amqpd.config.settings import SETTINGS, settings_of
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
        self._portal: BlockingPortal | None = portal
        self.url, self.host, self.port = running.url, running.host, running.port
        self.management_port = running.management_port
        self.management_ssl_port = running.management_ssl_port
        self.prometheus_port = running.prometheus_port
        self.prometheus_ssl_port = running.prometheus_ssl_port
        self.clock = running.clock

    def advance(self, seconds: float) -> None:
        """Let this much time pass; returns when all that fell due was run, and what it wrote is on its way.

        Raises RuntimeError with a real clock, and when the broker has stopped.
        """
        self._portal_open().call(_advance_and_write, self._running, seconds)

    def call(self, function: Callable[[RunningBroker, *Arguments], T], *arguments: *Arguments) -> T:
        """The result of `function(running_broker, *arguments)`, called in the broker's thread.

        Raises what the function raises, and RuntimeError when the broker has stopped.
        """
        return self._portal_open().call(function, self._running, *arguments)

    def stopped(self) -> None:
        """Its block is over: nothing can be asked of it any more."""
        self._portal = None

    def _portal_open(self) -> BlockingPortal:
        if self._portal is None:
            raise RuntimeError("the broker has stopped: its block, or the test that it was made for, is over")
        return self._portal


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
    the command line, by their names: `data_dir`, `ssl_certfile`. With a FakeClock heartbeats are off unless
    `heartbeat_s` is given, or the client wants them.
    Raises StartError if the port is taken, InvalidSetting for a bad setting, TypeError for one that there is not.
    """
    _check_types(clock=(clock, Clock), users=(users, Users), events=(events, Events))
    clock = clock or MachineClock()
    users = users or default_users()
    settings.setdefault("in_memory", "data_dir" not in settings)
    # Tests leave connections open that nobody reads from any more.
    settings.setdefault("shutdown_timeout_s", 2)
    if isinstance(clock, FakeClock):
        settings.setdefault("heartbeat_s", 0)
    wanted = settings_of({"host": (host,), "port": port, **_with_paths(settings)})
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


def _check_types(**given: tuple[object, type]) -> None:
    for name, (value, kind) in given.items():
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} is to be a {kind.__name__}, and is {value!r}")


def _with_paths(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings, with paths where those that are paths were given as text."""
    return {
        name: Path(value) if isinstance(value, str) and _is_path(name) else value
        for name, value in settings.items()
    }


def _is_path(name: str) -> bool:
    return name in SETTINGS and SETTINGS[name].type in (Path, Path | None)


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
        in_thread = BrokerInThread(running, portal)
        try:
            yield in_thread
        finally:
            in_thread.stopped()
