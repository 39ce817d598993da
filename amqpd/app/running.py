"""The program: runs until a signal ends it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import anyio

from amqpd import __version__
from amqpd.app.beginning import StartError, first_users
from amqpd.app.log import LoggedEvents, begin_log, has_log_files, prepare_log
from amqpd.app.node import Program, RunningNode
from amqpd.app.services import managing, measuring, serving
from amqpd.app.supervisor import Supervisor
from amqpd.build import build
from amqpd.config.configuration import Configuration, Reread
from amqpd.config.kinds import NOTHING
from amqpd.config.reload import Reloading
from amqpd.config.settings import Settings
from amqpd.logs.log import change_level, rotate
from amqpd.logs.logger import FieldLogger
from amqpd.server.accepting import LoopErrors
from amqpd.server.arrival import written_address
from amqpd.server.clock import MachineClock
from amqpd.server.listeners import Server

if TYPE_CHECKING:
    from amqpd.http.service import HttpService

EXIT_OK = 0
EXIT_INTERRUPTED = 130
GC_THRESHOLD = 50_000
READY = "clients can connect"


def run(configuration: Configuration, reread: Reread) -> int:
    """Run the broker until SIGTERM or SIGINT; the exit status. Raises StartError.

    If there is a configuration file, SIGHUP reads everything again.
    """
    hold_standard_streams()
    settings = configuration.settings
    log = begin_log(settings)
    use_uvloop = choose_event_loop(settings.event_loop)
    # Messages are not garbage: let the collector look seldom, and never at what start-up made.
    gc.set_threshold(GC_THRESHOLD, 50, 100)
    anyio.run(_run, configuration, reread, log, use_uvloop, backend_options={"use_uvloop": use_uvloop})
    return EXIT_OK


def hold_standard_streams() -> None:
    """Put something in place of standard streams that are closed: a file of ours with such a number would get what is
    meant for them, and uvloop aborts when it closes one.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest number that is free.
            os.open(os.devnull, os.O_RDWR)


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
    events = LoggedEvents()
    asyncio.get_running_loop().set_exception_handler(LoopErrors(events))
    supervisor = Supervisor(settings.ready_fd, os.environ)
    tell_of(configuration, log)
    # Without a file there is nothing to read again, and SIGHUP ends the process, as when a terminal is closed.
    reload_signals = [signal.SIGHUP] if sys.platform != "win32" and has_files(configuration) else []
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, *reload_signals) as signals:
        program = Program(
            stop=lambda: signal.raise_signal(signal.SIGTERM),
            change_level=change_level,
            rotate_logs=rotate,
            config_files=tuple(map(str, configuration.files)),
        )
        async with (
            serving(settings, MachineClock(), events, users, program) as node,
            managing(settings, node) as management,
            measuring(settings, node) as prometheus,
        ):
            gc.collect()
            gc.freeze()
            log.info(
                "amqpd started",
                fields={
                    "version": __version__,
                    **listening_on(node.server),
                    **({} if management is None else served_on("management", management)),
                    **({} if prometheus is None else served_on("prometheus", prometheus)),
                    "build": build(),
                    "event_loop": "uvloop" if use_uvloop else "asyncio",
                    "start_ms": round(seconds_since_start() * 1000),
                },
            )
            node.resources.start()
            reloading = Reloading(settings, reread, log, [node.prepare, prepare_log])
            async with anyio.create_task_group() as starting:
                starting.start_soon(complete_start, node, plugins_of(settings), supervisor, log)
                signal_number = await anext(signals)
                while signal_number in reload_signals:
                    reload(reloading, supervisor)
                    signal_number = await anext(signals)
                starting.cancel_scope.cancel()
            supervisor.stopping()
            node.resources.stop()
            log.info("stopping", fields={"signal": signal.Signals(signal_number).name})
            # Until the very end: what is left may take its time to be written.
            impatient = asyncio.get_running_loop().create_task(_exit_on_second_signal(signals))
            await node.server.stop()
    impatient.cancel()
    log.info("stopped")


def has_files(configuration: Configuration) -> bool:
    """Whether there is anything that somebody may change while the broker runs."""
    settings = configuration.settings
    tls = (settings.ssl, settings.management_ssl, settings.prometheus_ssl)
    return (
        bool(configuration.files)
        or has_log_files(settings)
        or settings.load_definitions != NOTHING
        or any(each.certfile for each in tls)
    )


async def complete_start(
    node: RunningNode, plugins: list[str], supervisor: Supervisor, log: FieldLogger
) -> None:
    """Say that the broker can be used, when everything answers that listens."""
    for service in node.services:
        if service.addresses or service.tls_addresses:
            try:
                await service.ready()
            except Exception:
                # The log has it.
                return
    # What programs wait for that start a RabbitMQ and read its log.
    log.info(
        f"Server startup complete; {len(plugins)} plugins started.", fields={"plugins": ", ".join(plugins)}
    )
    supervisor.ready(READY)


def plugins_of(settings: Settings) -> list[str]:
    """The plugins of RabbitMQ that do what this broker does beside AMQP."""
    plugins = {"rabbitmq_management": settings.management, "rabbitmq_prometheus": settings.prometheus}
    return [name for name, is_on in plugins.items() if is_on]


def reload(reloading: Reloading, supervisor: Supervisor) -> None:
    """Read the configuration again."""
    supervisor.reloading()
    reloading.reload()
    supervisor.reloaded(READY)


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


def served_on(name: str, service: HttpService) -> dict[str, object]:
    """Where the management API is, or what else is served by HTTP, for the log."""
    fields: dict[str, object] = {}
    if service.addresses:
        fields[name] = written_addresses(service.addresses)
    if service.tls_addresses:
        fields[f"{name}_tls"] = written_addresses(service.tls_addresses)
    return fields


def listening_on(server: Server) -> dict[str, object]:
    """Where the server listens, for the log."""
    fields: dict[str, object] = {"listening": written_addresses(server.addresses)}
    if server.tls_addresses:
        fields["listening_tls"] = written_addresses(server.tls_addresses)
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
