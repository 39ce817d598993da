"""What a connection is given: limits to negotiate, whom to present itself as, and the shell around it."""

from __future__ import annotations

from collections.abc import Callable

from mypy_extensions import i64, mypyc_attr

from amqpd import __version__
from amqpd.broker.queues.queue import Queue
from amqpd.wire.fields import Field, Table, table_of

CAPABILITIES: dict[str, object] = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "consumer_priorities": True,
    "authentication_failure_close": True,
    "per_consumer_qos": True,
    "direct_reply_to": True,
}
"""What RabbitMQ 3.10 says it can do, in its order."""


class Parameters:
    """The broker's side of every connection; sizes in bytes, times in seconds, 0 turns heartbeats off."""

    def __init__(
        self,
        product: str = "RabbitMQ",
        product_version: str = "3.10.8",
        cluster_name: str = "rabbit@localhost",
        heartbeat_s: i64 = 60,
        frame_max_bytes: i64 = 131072,
        channel_max: i64 = 2047,
        handshake_timeout_s: float = 10,
        max_message_size_bytes: i64 = 134217728,
        output_max_bytes: i64 = 1048576,
        consumer_timeout_ms: i64 = 1800000,
        default_queue_type: str = "",
    ) -> None:
        """`default_queue_type` is for vhosts that have none of their own; empty is none."""
        self.cluster_name = cluster_name
        self.heartbeat_s = heartbeat_s
        self.frame_max_bytes = frame_max_bytes
        self.channel_max = channel_max
        self.handshake_timeout_s = handshake_timeout_s
        self.max_message_size_bytes = max_message_size_bytes
        self.output_max_bytes = output_max_bytes
        self.consumer_timeout_ms = consumer_timeout_ms
        self.default_queue_type = default_queue_type
        self.server_properties: Table = table_of(
            {
                "capabilities": CAPABILITIES,
                "cluster_name": cluster_name,
                "copyright": "Copyright (c) the amqpd developers",
                "information": "Licensed under Apache-2.0. Served by amqpd, a broker of its own that speaks as RabbitMQ does.",
                "platform": f"amqpd {__version__}",
                "product": product,
                "version": product_version,
            }
        )


class Encryption:
    """What a connection is encrypted with, in Erlang's words, and the certificate that its client has shown."""

    def __init__(
        self,
        protocol: str,
        key_exchange: str,
        cipher: str,
        mac: str,
        subject: str = "",
        issuer: str = "",
        validity: str = "",
    ) -> None:
        self.protocol = protocol
        self.key_exchange = key_exchange
        self.cipher = cipher
        self.mac = mac
        self.subject = subject
        """Of the certificate, as its issuer and validity: empty without one."""
        self.issuer = issuer
        self.validity = validity


class Peer:
    """Who is at the other end, and at this one."""

    def __init__(self, name: str, is_loopback: bool, external_name: str | None = None) -> None:
        self.name = name
        """`127.0.0.1:43580 -> 127.0.0.1:5672`, as RabbitMQ names connections."""
        self.is_loopback = is_loopback
        self.external_name = external_name
        """The user that a verified TLS certificate names, empty if it names none; None without one: no EXTERNAL."""
        self.encryption: Callable[[], Encryption] | None = None
        """What tells of the encryption, if there is any."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Transport:
    """What a connection asks of the shell that carries its bytes; one that delivers whole conversations need not pause."""

    def output_ready(self) -> None:
        """There is output to take; asked once until it is taken."""
        raise NotImplementedError

    def pause_publisher(self, queue: Queue) -> None:
        """Read nothing until `resume_publisher`, or for a short while: it publishes too fast for this queue."""

    def resume_publisher(self) -> None:
        """Read again."""

    def block(self) -> None:
        """Read nothing until `unblock`: the broker is short of memory or disk."""

    def unblock(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Write what is left, then close the stream."""
        raise NotImplementedError


def client_capability(client_properties: Table, name: str) -> bool:
    """Whether the client said that it can do this."""
    capabilities = client_properties.get("capabilities")
    if capabilities is None or not isinstance(capabilities.value, dict):
        return False
    capability = capabilities.value.get(name)
    return isinstance(capability, Field) and capability.value is True
