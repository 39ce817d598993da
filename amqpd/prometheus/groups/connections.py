"""Metrics of connections."""

from __future__ import annotations

from dataclasses import dataclass

from amqpd.prometheus.families import Family, Group, Labels, counter, gauge
from amqpd.prometheus.scrape import Scrape
from amqpd.protocol.connection import Connection


@dataclass(slots=True)
class Traffic:
    """Bytes and packets of a connection, or of those that are gone."""

    received_bytes: int = 0
    written_bytes: int = 0
    reads: int = 0
    writes: int = 0
    unwritten_bytes: int = 0
    channels: int = 0


def _look_at(_scrape: Scrape, connection: Connection) -> Traffic:
    return Traffic(
        connection.received_bytes,
        connection.written_bytes(),
        int(connection.reads),
        int(connection.writes),
        int(connection.unwritten_bytes),
        len(connection.channels),
    )


def _ended(scrape: Scrape) -> list[tuple[Labels, Traffic]]:
    ended = scrape.site.broker.node.ended
    return [((), Traffic(ended.received_bytes, ended.written_bytes, ended.reads, ended.writes))]


def _labels(connection: Connection) -> Labels:
    # RabbitMQ names a connection by its process, under the same label as a channel.
    return (("channel", connection.peer.name),)


def _of_connections(name: str, *families: Family[Traffic]) -> Group[Connection, Traffic]:
    return Group(
        name=name, things=Scrape.connections, look=_look_at, labels=_labels, begins=_ended, families=families
    )


CONNECTION_COARSE = _of_connections(
    "connection_coarse_metrics",
    counter("connection_incoming_bytes_total", "Bytes that have come in on a connection.", "received_bytes"),
    counter("connection_outgoing_bytes_total", "Bytes that have gone out on a connection.", "written_bytes"),
)

CONNECTION = _of_connections(
    "connection_metrics",
    counter("connection_incoming_packets_total", "Times that something was read from a connection.", "reads"),
    counter(
        "connection_outgoing_packets_total", "Times that something was written to a connection.", "writes"
    ),
    gauge("connection_pending_packets", "Bytes that wait to be written to a connection.", "unwritten_bytes"),
    gauge("connection_channels", "Channels of a connection.", "channels"),
)
