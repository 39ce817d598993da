"""The application: the only place that knows all the parts, and puts them together from the settings."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from amqpd import __version__
from amqpd.auth.users import Users, default_users
from amqpd.broker.broker import Broker
from amqpd.build import build
from amqpd.clock import Clock
from amqpd.config.logs import FieldLogger, start_logging
from amqpd.config.settings import Settings
from amqpd.events import Events
from amqpd.protocol.parameters import Parameters
from amqpd.server.clock import MachineClock
from amqpd.server.listeners import ListenError, Server
from amqpd.server.session import written_address
from amqpd.store.api import Log

EXIT_OK = 0
EXIT_INTERRUPTED = 130
GC_THRESHOLD = 50_000


class StartError(Exception):
    """The broker can't start; the message says why, in one line."""


class LoggedEvents(Events):
    """Writes what happens in the core to the log."""

    def __init__(self, log: FieldLogger) -> None:
        self._write = {"debug": log.debug, "info": log.info, "warning": log.warning, "error": log.error}

    def tell(self, level: str, sentence: str, fields: dict[str, object]) -> None:
        """Write one line."""
        self._write[level](sentence, fields=fields)


def make_broker(clock: Clock, events: Events) -> Broker:
    """A broker with the virtual host "/"."""
    broker = Broker(clock, Log(), events, os.urandom)
    broker.add_vhost("/")
    return broker


def parameters_of(settings: Settings) -> Parameters:
    """The settings that a connection needs."""
    return Parameters(
        product=settings.product,
        product_version=settings.product_version,
        cluster_name=settings.cluster_name,
        heartbeat_s=settings.heartbeat_s,
        frame_max_bytes=settings.frame_max_bytes,
        channel_max=settings.channel_max,
        handshake_timeout_s=float(settings.handshake_timeout_s),
        max_message_size_bytes=settings.max_message_size_bytes,
        output_max_bytes=settings.output_max_bytes,
    )


@asynccontextmanager
async def serving(
    settings: Settings, clock: Clock, events: Events, users: Users
) -> AsyncIterator[tuple[Server, list[tuple[str, int]]]]:
    """A server that listens as long as the block runs: it, and the addresses it took. Raises StartError."""
    server = Server(make_broker(clock, events), users, parameters_of(settings), settings.read_size_bytes)
    try:
        addresses = await server.listen(settings.host, settings.port)
    except ListenError as error:
        raise StartError(str(error)) from None
    try:
        yield server, addresses
    finally:
        with anyio.CancelScope(shield=True):
            await server.stop()


def run(settings: Settings) -> int:
    """Run the broker until SIGTERM or SIGINT; the exit status. Raises StartError."""
    log = start_logging(settings.log_level)
    use_uvloop = choose_event_loop(settings.event_loop)
    # Messages are not garbage: let the collector look seldom, and never at what start-up made.
    gc.set_threshold(GC_THRESHOLD, 50, 100)
    anyio.run(_run, settings, log, use_uvloop, backend_options={"use_uvloop": use_uvloop})
    return EXIT_OK


def choose_event_loop(wanted: str) -> bool:
    """Whether to run on uvloop. Raises StartError if it is wanted and not there."""
    if wanted == "asyncio":
        return False
    try:
        import uvloop  # noqa: F401
    except ImportError:
        if wanted == "uvloop":
            raise StartError("--event-loop uvloop: uvloop is not installed") from None
        return False
    return True


async def _run(settings: Settings, log: FieldLogger, use_uvloop: bool) -> None:
    users = default_users(set(settings.loopback_users))
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with serving(settings, MachineClock(), LoggedEvents(log), users) as (_server, addresses):
            gc.collect()
            gc.freeze()
            log.info(
                "amqpd started",
                fields={
                    "version": __version__,
                    "listening": ", ".join(written_address(address) for address in addresses),
                    "build": build(),
                    "event_loop": "uvloop" if use_uvloop else "asyncio",
                    "start_ms": round(seconds_since_start() * 1000),
                },
            )
            signal_number = await anext(signals)
            log.info("stopping", fields={"signal": signal.Signals(signal_number).name})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_exit_on_second_signal, signals)
                await _server.stop()
                tasks.cancel_scope.cancel()
    log.info("stopped")


async def _exit_on_second_signal(signals: AsyncIterator[signal.Signals]) -> None:
    await anext(signals)
    os._exit(EXIT_INTERRUPTED)


def seconds_since_start() -> float:
    """How long this process has been running."""
    return (
        time.clock_gettime(time.CLOCK_BOOTTIME) - _started_s()
        if sys.platform == "linux"
        else time.process_time()
    )


def _started_s() -> float:
    with open("/proc/self/stat") as stat:
        start_ticks = stat.read().rpartition(")")[2].split()[19]
    return int(start_ticks) / os.sysconf("SC_CLK_TCK")
