"""What listens: AMQP, and the management API where it is wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from amqpd.app.beginning import StartError, broker_of, data_directory, load
from amqpd.app.values import by_port, limits_of, machine_of, parameters_of, tls_options_of, wanted_addresses
from amqpd.auth.users import Users
from amqpd.clock import Clock
from amqpd.config.settings import NOTHING, Settings
from amqpd.events import Events
from amqpd.server.flusher import FlusherThread
from amqpd.server.listeners import ListenError, Server

if TYPE_CHECKING:
    from amqpd.management.service import ManagementService


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
