"""What each part needs of the settings, as plain values."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from amqpd.app.log import log_places_of
from amqpd.auth.certificate_names import CertificateLogin
from amqpd.broker.broker import Broker
from amqpd.broker.limits import NodeLimits
from amqpd.config.settings import Settings
from amqpd.config.tls_settings import TlsSettings
from amqpd.protocol.parameters import Parameters
from amqpd.server.resources import (
    Resources,
    free_bytes,
    give_memory_back,
    resident_bytes,
    total_memory_bytes,
)
from amqpd.server.tls import TlsOptions

if TYPE_CHECKING:
    from amqpd.management.site import Machine

MANAGEMENT_SSL = "management.ssl"
PROMETHEUS_SSL = "prometheus.ssl"
"""What the keys of services over HTTP begin with that are about TLS."""


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
        default_queue_type="" if settings.default_queue_type == "classic" else settings.default_queue_type,
    )


def amqp_tls_options_of(settings: Settings) -> TlsOptions:
    """The settings that AMQP needs for TLS."""
    return replace(
        tls_options_of(settings, settings.ssl, "ssl_options"),
        dhfile=settings.ssl.dhfile,
        login=CertificateLogin(
            settings.ssl_cert_login_from, settings.ssl_cert_login_san_type, settings.ssl_cert_login_san_index
        ),
    )


def https_options_of(settings: Settings) -> dict[str, TlsOptions]:
    """The settings that services over HTTP need for TLS, by what their keys begin with."""
    services = {MANAGEMENT_SSL: settings.management_ssl, PROMETHEUS_SSL: settings.prometheus_ssl}
    return {keys: tls_options_of(settings, tls, keys) for keys, tls in services.items()}


def tls_options_of(settings: Settings, tls: TlsSettings, keys: str) -> TlsOptions:
    """What TLS is everywhere; `keys` is what the keys of these settings begin with."""
    return TlsOptions(
        keys=keys,
        certfile=tls.certfile,
        keyfile=tls.keyfile,
        cacertfile=tls.cacertfile,
        password=tls.password or "",
        verify_peer=tls.verify == "verify_peer",
        fail_if_no_peer_cert=tls.fail_if_no_peer_cert,
        versions=tls.versions,
        ciphers=tls.ciphers,
        depth=tls.depth,
        honor_cipher_order=tls.honor_cipher_order,
        handshake_timeout_s=settings.ssl_handshake_timeout_ms / 1000,
    )


def machine_of(settings: Settings, resources: Resources, config_files: tuple[str, ...]) -> Machine:
    """What the management API can tell of the machine."""
    from amqpd.management.site import Machine

    return Machine(
        memory_used_bytes=resident_bytes,
        memory_limit=lambda: resources.memory_limit_bytes,
        disk_free_bytes=partial(free_bytes, Path("/") if settings.in_memory else settings.data_dir),
        disk_free_limit=lambda: resources.disk_free_limit_bytes,
        data_dir="" if settings.in_memory else str(settings.data_dir),
        config_files=config_files,
        log_files=log_places_of(settings),
    )


def memory_bytes_of(settings: Settings) -> int:
    """The memory that fractions and multiples in settings are of."""
    return settings.total_memory_bytes or total_memory_bytes()


def resources_of(settings: Settings, broker: Broker) -> Resources:
    """What watches memory and, unless everything is in memory, the disk."""
    memory_bytes = memory_bytes_of(settings)
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
