"""What listens: AMQP, and the management API where it is wanted."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from amqpd.app.beginning import DefinitionFiles, StartError, broker_of, data_directory
from amqpd.app.node import Program, RunningNode
from amqpd.app.pid_file import pid_file
from amqpd.app.values import (
    MANAGEMENT_SSL,
    PROMETHEUS_SSL,
    amqp_tls_options_of,
    by_port,
    limits_of,
    parameters_of,
    resources_of,
    tls_options_of,
    wanted_addresses,
)
from amqpd.auth.users import Users
from amqpd.clock import Clock
from amqpd.config.kinds import NOTHING
from amqpd.config.settings import Settings
from amqpd.config.tls_settings import HttpsSettings
from amqpd.events import Events
from amqpd.server.flusher import FlusherThread
from amqpd.server.listeners import Server
from amqpd.server.tcp_sockets import ListenError
from amqpd.server.tls import Tls, TlsError
from amqpd.wire.patterns import InvalidPattern, compile_pcre

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from amqpd.http.service import HttpService

LOCAL_SOCKET = "management.sock"
"""In the data directory: the management API for whoever may write there, without a password."""
LOCAL_SOCKET_MODE = 0o600
SSL_PORTS = {MANAGEMENT_SSL: 15671, PROMETHEUS_SSL: 15691}
"""Where services over HTTP listen that have a certificate and no port for TLS, by what their keys begin with."""
CLUSTER_NAME = "cluster_name"


@asynccontextmanager
async def serving(
    settings: Settings, clock: Clock, events: Events, users: Users, program: Program | None = None
) -> AsyncIterator[RunningNode]:
    """A node whose server listens as long as the block runs. Raises StartError."""
    default_vhost: str | None = settings.default_vhost
    if settings.load_definitions != NOTHING:
        # They say who and what there is, unless the data directory knows better (RabbitMQ 3.10).
        users.clear()
        default_vhost = None
    with data_directory(settings) as directory, pid_file(settings.pid_file, events):
        broker = broker_of(directory, clock, events, users, default_vhost)
        broker.set_limits(limits_of(settings))
        journal = broker.storage.journal
        flusher = FlusherThread(journal) if journal is not None else None
        definitions = DefinitionFiles(broker, users)
        server = Server(
            broker,
            users,
            parameters_of(settings),
            settings.read_size_bytes,
            proxy_protocol=settings.proxy_protocol,
            shutdown_timeout_s=float(settings.shutdown_timeout_s),
        )
        try:
            definitions.load(settings)
            if CLUSTER_NAME in broker.global_parameters:
                # It has got another name than the settings say.
                from amqpd.management.site import tell_cluster_name

                tell_cluster_name(broker, server.parameters)
            await listen(server, settings)
            resources = resources_of(settings, broker)
            yield RunningNode(settings, server, resources, definitions, program or Program())
        finally:
            with anyio.CancelScope(shield=True):
                await server.stop()
                if flusher is not None:
                    await flusher.stop()
            broker.storage.close()


async def listen(server: Server, settings: Settings) -> None:
    """Let the server listen. Raises StartError."""
    ssl_addresses = settings.ssl_listeners.addresses or ()
    try:
        if ssl_addresses:
            server.use_tls(amqp_tls_options_of(settings))
        for hosts, port in wanted_addresses(settings):
            await server.listen(hosts, port)
        for hosts, port in by_port(ssl_addresses):
            await server.listen(hosts, port, over_tls=True)
        if settings.unix_socket is not None:
            await server.listen_unix(settings.unix_socket, settings.unix_socket_permissions)
    except ListenError as error:
        raise StartError(str(error)) from None


@asynccontextmanager
async def managing(settings: Settings, node: RunningNode) -> AsyncIterator[HttpService | None]:
    """The management API as long as the block runs: where it is wanted, and beside a data directory. Raises StartError."""
    if not settings.management and settings.in_memory:
        yield None
        return
    from amqpd.http.service import HttpService

    service = HttpService("the management API", node.server.broker.events, partial(load_management, node))
    node.services.append(service)
    if settings.management:
        if settings.management_tcp:
            listen_for_http(service, settings.management_host, settings.management_port)
        listen_for_https(service, settings, MANAGEMENT_SSL, settings.management_ssl)
    if not settings.in_memory:
        listen_locally(service, settings.data_dir / LOCAL_SOCKET, node.server.broker.events)
    async with running(service):
        yield service


@asynccontextmanager
async def measuring(settings: Settings, node: RunningNode) -> AsyncIterator[HttpService | None]:
    """The metrics as long as the block runs, if they are wanted. Raises StartError."""
    if not settings.prometheus:
        yield None
        return
    from amqpd.http.service import HttpService

    try:
        left_out = compile_pcre(settings.prometheus_left_out) if settings.prometheus_left_out else None
    except InvalidPattern as invalid:
        raise StartError(f"prometheus.filter_aggregated_queue_metrics_pattern: {invalid}") from None
    service = HttpService(
        "Prometheus",
        node.server.broker.events,
        partial(load_prometheus, settings, node, left_out),
        suffix="/prometheus",
    )
    node.services.append(service)
    if settings.prometheus_tcp:
        listen_for_http(service, settings.prometheus_host, settings.prometheus_port)
    listen_for_https(service, settings, PROMETHEUS_SSL, settings.prometheus_ssl)
    async with running(service):
        yield service


def load_prometheus(
    settings: Settings, node: RunningNode, left_out: re.Pattern[str] | None
) -> Callable[[], ASGIApp]:
    """Import what serves metrics; what makes it."""
    from amqpd.prometheus.application import Application

    path, is_per_object = settings.prometheus_path, settings.prometheus_per_object
    return lambda: Application(node.site(), path, is_per_object, left_out)


def listen_locally(service: HttpService, path: Path, events: Events) -> None:
    """Listen on the UNIX socket of the data directory; a broker without it is none the worse."""
    if sys.platform == "win32":
        return
    try:
        service.listen_unix(path, LOCAL_SOCKET_MODE)
    except OSError as error:
        fields: dict[str, object] = {"path": str(path), "reason": error.strerror or str(error)}
        events.tell("warning", "amqpctl can't reach this broker by its data directory", fields)


def load_management(node: RunningNode) -> Callable[[], ASGIApp]:
    """Import the API; what makes it."""
    from amqpd.management import views
    from amqpd.management.application import Application

    views.load()
    return lambda: Application(node.site())


def listen_for_http(service: HttpService, hosts: Sequence[str], port: int, tls: Tls | None = None) -> None:
    """Let a service listen. Raises StartError."""
    try:
        service.listen(hosts, port, tls)
    except ListenError as error:
        raise StartError(str(error)) from None


def listen_for_https(service: HttpService, settings: Settings, keys: str, https: HttpsSettings) -> None:
    """Let a service listen over TLS, if that is wanted; `keys` is what its keys begin with. Raises StartError."""
    if not https.is_wanted():
        return
    try:
        tls = Tls(tls_options_of(settings, https, keys))
    except TlsError as error:
        service.close()
        raise StartError(str(error)) from None
    listen_for_http(service, https.host, SSL_PORTS[keys] if https.port is None else https.port, tls)


@asynccontextmanager
async def running(service: HttpService) -> AsyncIterator[None]:
    """Let a service serve as long as the block runs."""
    service.start()
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await service.stop()
