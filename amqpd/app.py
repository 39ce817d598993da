"""The application: the only place that knows all the parts, and puts them together from the settings."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from amqpd import __version__
from amqpd.auth.certificate_names import CertificateLogin
from amqpd.auth.passwords import hash_password, random_salt
from amqpd.auth.users import User, Users
from amqpd.broker.broker import Broker
from amqpd.broker.limits import NodeLimits
from amqpd.build import build
from amqpd.clock import Clock
from amqpd.config.configuration import Configuration
from amqpd.config.logs import FieldLogger, change_level, start_logging
from amqpd.config.reload import Reloaded, Reloading, Reread
from amqpd.config.settings import NOTHING, Settings
from amqpd.durability import CannotStart, DataDirectory
from amqpd.events import Events
from amqpd.protocol.parameters import Parameters
from amqpd.server.arrival import written_address
from amqpd.server.clock import MachineClock
from amqpd.server.flusher import FlusherThread
from amqpd.server.listeners import ListenError, Server
from amqpd.server.resources import (
    Resources,
    free_bytes,
    give_memory_back,
    resident_bytes,
    total_memory_bytes,
)
from amqpd.server.tls import TlsOptions
from amqpd.store.files import DiskFiles
from amqpd.store.storage import Storage

if TYPE_CHECKING:
    from amqpd.management.service import ManagementService
    from amqpd.management.site import Machine

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


def make_broker(
    clock: Clock, events: Events, storage: Storage | None = None, default_vhost: str | None = "/"
) -> Broker:
    """A broker with one virtual host, or with None none, in memory unless it is given a storage."""
    broker = Broker(clock, storage or Storage(events), events, os.urandom)
    if default_vhost is not None:
        broker.add_vhost(default_vhost)
    return broker


def first_users(settings: Settings) -> Users:
    """The default user, who is the only one unless the data directory knows others. Raises StartError."""
    users = Users(set(settings.loopback_users))
    password_hash = hash_password(settings.default_pass, random_salt())
    users.add(User(settings.default_user, password_hash, tags=list(settings.default_user_tags)))
    try:
        users.set_permissions(
            settings.default_user,
            settings.default_vhost,
            settings.default_permissions_configure,
            settings.default_permissions_write,
            settings.default_permissions_read,
        )
    except ValueError as error:
        raise StartError(f"default_permissions: {error}") from None
    return users


@contextmanager
def data_directory(settings: Settings) -> Iterator[DataDirectory | None]:
    """The data directory, held as long as the block runs, or None for a broker in memory. Raises StartError."""
    if settings.in_memory:
        yield None
        return
    try:
        directory = DataDirectory(
            DiskFiles(),
            settings.data_dir,
            segment_bytes=settings.log_segment_size_bytes,
            memory_bytes=settings.message_memory_bytes,
        )
    except CannotStart as error:
        raise StartError(str(error)) from None
    try:
        yield directory
    finally:
        directory.close()


def broker_of(
    directory: DataDirectory | None, clock: Clock, events: Events, users: Users, default_vhost: str | None
) -> Broker:
    """A broker with what the directory holds, or an empty one in memory. Raises StartError."""
    if directory is None:
        return make_broker(clock, events, None, default_vhost)
    try:
        broker = make_broker(clock, events, directory.open(clock, events), default_vhost)
        directory.recover(broker, users, events)
    except CannotStart as error:
        raise StartError(str(error)) from None
    return broker


def load(settings: Settings, broker: Broker, users: Users) -> None:
    """Import the definitions that the settings name. Raises StartError."""
    if settings.load_definitions == NOTHING:
        return
    # Imported when wanted, as the API is below: every start would wait for them.
    from amqpd.management.definitions import InvalidDefinitions, load_definitions

    path = Path(settings.load_definitions)
    try:
        load_definitions(broker, users, path)
    except InvalidDefinitions as invalid:
        raise StartError(f"cannot load definitions from {path}: {invalid.text}") from None
    except OSError as error:
        raise StartError(f"cannot load definitions from {path}: {error.strerror or error}") from None


def limits_of(settings: Settings) -> NodeLimits:
    """What the settings limit for the whole broker."""
    return NodeLimits(
        settings.connection_max,
        settings.channel_max_per_node,
        settings.consumer_max_per_channel,
        settings.cluster_queue_limit,
        settings.cluster_exchange_limit,
        settings.vhost_max,
    )


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
        consumer_timeout_ms=settings.consumer_timeout_ms,
    )


@asynccontextmanager
async def serving(
    settings: Settings, clock: Clock, events: Events, users: Users
) -> AsyncIterator[tuple[Server, list[tuple[str, int]]]]:
    """A server that listens as long as the block runs: it, and the addresses it took. Raises StartError."""
    default_vhost: str | None = settings.default_vhost
    if settings.load_definitions != NOTHING:
        # They say who and what there is, unless the data directory knows better (RabbitMQ 3.10).
        users.clear()
        default_vhost = None
    with data_directory(settings) as directory:
        broker = broker_of(directory, clock, events, users, default_vhost)
        broker.set_limits(limits_of(settings))
        journal = broker.storage.journal
        flusher = FlusherThread(journal) if journal is not None else None
        server = Server(
            broker,
            users,
            parameters_of(settings),
            settings.read_size_bytes,
            proxy_protocol=settings.proxy_protocol,
        )
        try:
            load(settings, broker, users)
            yield server, await listening(server, settings)
        finally:
            with anyio.CancelScope(shield=True):
                await server.stop()
                if flusher is not None:
                    await flusher.stop()
            broker.storage.close()


async def listening(server: Server, settings: Settings) -> list[tuple[str, int]]:
    """The addresses that the server listens on from now on, without those for TLS. Raises StartError."""
    addresses: list[tuple[str, int]] = []
    ssl_addresses = settings.ssl_listeners.addresses or ()
    try:
        if ssl_addresses:
            server.use_tls(tls_options_of(settings))
        for hosts, port in wanted_addresses(settings):
            addresses += await server.listen(hosts, port)
        for hosts, port in by_port(ssl_addresses):
            await server.listen(hosts, port, over_tls=True)
        if settings.unix_socket is not None:
            await server.listen_unix(settings.unix_socket, settings.unix_socket_permissions)
    except ListenError as error:
        raise StartError(str(error)) from None
    return addresses


def wanted_addresses(settings: Settings) -> list[tuple[tuple[str, ...], int]]:
    """The hosts to listen on for every port."""
    if settings.listeners.addresses is None:
        return [(settings.host, settings.port)]
    return by_port(settings.listeners.addresses)


def by_port(addresses: tuple[tuple[str, int], ...]) -> list[tuple[tuple[str, ...], int]]:
    """The hosts of every port."""
    hosts: dict[int, tuple[str, ...]] = {}
    for host, port in addresses:
        hosts[port] = (*hosts.get(port, ()), host)
    return [(hosts_of_port, port) for port, hosts_of_port in hosts.items()]


def tls_options_of(settings: Settings) -> TlsOptions:
    """The settings that TLS needs."""
    return TlsOptions(
        certfile=settings.ssl_certfile,
        keyfile=settings.ssl_keyfile,
        cacertfile=settings.ssl_cacertfile,
        dhfile=settings.ssl_dhfile,
        password=settings.ssl_password or "",
        verify_peer=settings.ssl_verify == "verify_peer",
        fail_if_no_peer_cert=settings.ssl_fail_if_no_peer_cert,
        versions=settings.ssl_versions,
        ciphers=settings.ssl_ciphers,
        depth=settings.ssl_depth,
        honor_cipher_order=settings.ssl_honor_cipher_order,
        handshake_timeout_s=settings.ssl_handshake_timeout_ms / 1000,
        login=CertificateLogin(
            settings.ssl_cert_login_from, settings.ssl_cert_login_san_type, settings.ssl_cert_login_san_index
        ),
    )


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


def machine_of(settings: Settings) -> Machine:
    """What the management API can tell of the machine."""
    from amqpd.management.site import Machine

    memory_bytes = total_memory_bytes()
    return Machine(
        memory_used_bytes=resident_bytes,
        memory_limit_bytes=min(settings.vm_memory_high_watermark.limit_bytes(memory_bytes), memory_bytes),
        disk_free_bytes=partial(free_bytes, Path("/") if settings.in_memory else settings.data_dir),
        disk_free_limit_bytes=settings.disk_free_limit.limit_bytes(memory_bytes),
        data_dir="" if settings.in_memory else str(settings.data_dir),
    )


@asynccontextmanager
async def managing(
    settings: Settings, server: Server, addresses: list[tuple[str, int]]
) -> AsyncIterator[ManagementService | None]:
    """The management API as long as the block runs, if it is wanted. Raises StartError."""
    if not settings.management:
        yield None
        return
    from amqpd.management.service import ManagementService
    from amqpd.management.site import Listening, Site

    listening = [Listening("amqp", host, port) for host, port in addresses]
    listening += [Listening("amqp/ssl", host, port) for host, port in server.tls_addresses]
    site = Site(server.broker, server.users, server.parameters, machine_of(settings), listening)
    try:
        service = ManagementService(site, settings.management_host, settings.management_port)
    except OSError as error:
        hosts = ", ".join(settings.management_host)
        raise StartError(
            f"cannot listen on {hosts} port {settings.management_port}: {error.strerror or error}"
        ) from None
    service.start()
    try:
        yield service
    finally:
        with anyio.CancelScope(shield=True):
            await service.stop()


def resources_of(settings: Settings, broker: Broker) -> Resources:
    """What watches memory and, unless everything is in memory, the disk."""
    memory_bytes = total_memory_bytes()
    return Resources(
        broker.alarms,
        broker.timers,
        broker.events,
        # A size above the machine's memory means all of it (RabbitMQ 3.10).
        memory_limit_bytes=min(settings.vm_memory_high_watermark.limit_bytes(memory_bytes), memory_bytes),
        resident_bytes=resident_bytes,
        give_memory_back=give_memory_back,
        disk_free_limit_bytes=settings.disk_free_limit.limit_bytes(memory_bytes),
        free_bytes=None if settings.in_memory else partial(free_bytes, settings.data_dir),
    )


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
