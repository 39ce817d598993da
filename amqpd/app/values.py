"""What each part needs of the settings, as plain values."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from amqpd.app.log import log_places_of
from amqpd.auth.certificate_names import CertificateLogin
from amqpd.broker.broker import Broker
from amqpd.broker.limits import NodeLimits
from amqpd.config.settings import Settings
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


def management_tls_options_of(settings: Settings) -> TlsOptions:
    """The settings that the management API needs for TLS."""
    return TlsOptions(
        keys="management.ssl",
        certfile=settings.management_ssl_certfile,
        keyfile=settings.management_ssl_keyfile,
        cacertfile=settings.management_ssl_cacertfile,
        password=settings.management_ssl_password or "",
        verify_peer=settings.management_ssl_verify == "verify_peer",
        fail_if_no_peer_cert=settings.management_ssl_fail_if_no_peer_cert,
        versions=settings.management_ssl_versions,
        ciphers=settings.management_ssl_ciphers,
        depth=settings.management_ssl_depth,
        honor_cipher_order=settings.management_ssl_honor_cipher_order,
        handshake_timeout_s=settings.ssl_handshake_timeout_ms / 1000,
    )


def prometheus_tls_options_of(settings: Settings) -> TlsOptions:
    """The settings that the metrics need for TLS."""
    return TlsOptions(
        keys="prometheus.ssl",
        certfile=settings.prometheus_ssl_certfile,
        keyfile=settings.prometheus_ssl_keyfile,
        cacertfile=settings.prometheus_ssl_cacertfile,
        password=settings.prometheus_ssl_password or "",
        verify_peer=settings.prometheus_ssl_verify == "verify_peer",
        fail_if_no_peer_cert=settings.prometheus_ssl_fail_if_no_peer_cert,
        versions=settings.prometheus_ssl_versions,
        ciphers=settings.prometheus_ssl_ciphers,
        depth=settings.prometheus_ssl_depth,
        honor_cipher_order=settings.prometheus_ssl_honor_cipher_order,
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
