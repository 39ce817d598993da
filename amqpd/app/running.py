"""The program: runs until a signal ends it."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator

import anyio

from amqpd import __version__
from amqpd.app.beginning import StartError, first_users
from amqpd.app.services import managing, serving
from amqpd.app.values import resources_of
from amqpd.build import build
from amqpd.config.configuration import Configuration
from amqpd.config.logs import FieldLogger, change_level, start_logging
from amqpd.config.reload import Reloaded, Reloading, Reread
from amqpd.events import Events
from amqpd.server.arrival import written_address
from amqpd.server.clock import MachineClock
from amqpd.server.listeners import Server

EXIT_OK = 0
EXIT_INTERRUPTED = 130
GC_THRESHOLD = 50_000


class LoggedEvents(Events):
    """Writes what happens in the core to the log."""

    def __init__(self, log: FieldLogger) -> None:
        self._write = {"debug": log.debug, "info": log.info, "warning": log.warning, "error": log.error}

    def tell(self, level: str, sentence: str, fields: dict[str, object]) -> None:
        """Write one line."""
        self._write[level](sentence, fields=fields)


def run(configuration: Configuration, reread: Reread) -> int:
    """Run the broker until SIGTERM or SIGINT; the exit status. Raises StartError.

    If there is a configuration file, SIGHUP reads everything again.
    """
    settings = configuration.settings
    log = start_logging(settings.log_level)
    use_uvloop = choose_event_loop(settings.event_loop)
    # Messages are not garbage: let the collector look seldom, and never at what start-up made.
    gc.set_threshold(GC_THRESHOLD, 50, 100)
    anyio.run(_run, configuration, reread, log, use_uvloop, backend_options={"use_uvloop": use_uvloop})
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


async def _run(configuration: Configuration, reread: Reread, log: FieldLogger, use_uvloop: bool) -> None:
    settings = configuration.settings
    users = first_users(settings)
    tell_of(configuration, log)
    # Without a file there is nothing to read again, and SIGHUP ends the process, as when a terminal is closed.
    has_files = bool(configuration.files) or settings.ssl_certfile is not None
    reload_signals = [signal.SIGHUP] if sys.platform != "win32" and has_files else []
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, *reload_signals) as signals:
        async with (
            serving(settings, MachineClock(), LoggedEvents(log), users) as (server, addresses),
            managing(settings, server, addresses) as management,
        ):
            gc.collect()
            gc.freeze()
            log.info(
                "amqpd started",
                fields={
                    "version": __version__,
                    **listening_on(server, addresses),
                    **({} if management is None else {"management": written_addresses(management.addresses)}),
                    "build": build(),
                    "event_loop": "uvloop" if use_uvloop else "asyncio",
                    "start_ms": round(seconds_since_start() * 1000),
                },
            )
            resources = resources_of(settings, server.broker)
            resources.start()
            reloaded: list[Reloaded] = [
                lambda settings: change_level(settings.log_level),
                lambda _settings: server.reload_certificates(),
            ]
            reloading = Reloading(settings, reread, log, reloaded)
            signal_number = await anext(signals)
            while signal_number in reload_signals:
                reloading.reload()
                signal_number = await anext(signals)
            resources.stop()
            log.info("stopping", fields={"signal": signal.Signals(signal_number).name})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_exit_on_second_signal, signals)
                await server.stop()
                tasks.cancel_scope.cancel()
    log.info("stopped")


def tell_of(configuration: Configuration, log: FieldLogger) -> None:
    """Write to the log what was read, and what of it has no effect."""
    if configuration.files:
        files = ", ".join(str(file) for file in configuration.files)
        log.info("configuration read", fields={"files": files})
    for notice in configuration.notices:
        tell = log.warning if notice.level == "warning" else log.info
        tell(notice.sentence, fields={"names": ", ".join(notice.names), "because": notice.reason})


def written_addresses(addresses: list[tuple[str, int]]) -> str:
    """Addresses for the log."""
    return ", ".join(map(written_address, addresses))


def listening_on(server: Server, addresses: list[tuple[str, int]]) -> dict[str, object]:
    """Where the server listens, for the log."""
    fields: dict[str, object] = {"listening": ", ".join(map(written_address, addresses))}
    if server.tls_addresses:
        fields["listening_tls"] = ", ".join(map(written_address, server.tls_addresses))
    if server.unix_paths:
        fields["listening_unix"] = ", ".join(map(str, server.unix_paths))
    return fields


async def _exit_on_second_signal(signals: AsyncIterator[signal.Signals]) -> None:
    while await anext(signals) not in (signal.SIGTERM, signal.SIGINT):
        continue
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
