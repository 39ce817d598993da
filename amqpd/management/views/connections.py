"""Connections, their channels, and the consumers on those."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from amqpd.broker.consumer import Consumer
from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.quorum import QuorumQueue
from amqpd.management import access
from amqpd.management.answers import Missing, bad_request
from amqpd.management.asked import Asked
from amqpd.management.lists import Item, columns_of, listed, listed_in_full
from amqpd.management.measures import acks_uncommitted, messages_uncommitted, messages_unconfirmed
from amqpd.management.ranges import Ranges, ranges_of
from amqpd.management.resources import resource
from amqpd.management.rows import (
    CHANNEL_COUNTS,
    CONNECTION_COUNTS,
    NO_REDUCTIONS,
    OCTETS,
    connection_row,
    counts_row,
)
from amqpd.management.site import Pause, Site, channel_name, open_channels
from amqpd.management.stats import GARBAGE_COLLECTION, OF_CHANNEL, Counted, idle_since
from amqpd.management.tables import json_of
from amqpd.protocol.channel import Channel
from amqpd.protocol.connection import Connection
from amqpd.protocol.states import OPEN

STATS_DISABLED = "Stats in management UI are disabled on this node"
CLOSED_BY_API = "Closed via management plugin"
KEPT_FROM_PUBLISHING = "blocked"
OF_ENCRYPTION = (
    "ssl_protocol",
    "ssl_key_exchange",
    "ssl_cipher",
    "ssl_hash",
    "peer_cert_subject",
    "peer_cert_issuer",
    "peer_cert_validity",
)

CONNECTIONS = resource("/connections", access.anybody)
CONNECTION = resource("/connections/:connection", access.anybody)
CHANNELS_OF = resource("/connections/:connection/channels", access.anybody)
CONNECTIONS_OF_USER = resource("/connections/username/:username", access.anybody)
CONNECTIONS_OF_VHOST = resource("/vhosts/:vhost/connections", access.of_vhost)
CHANNELS = resource("/channels", access.anybody)
CHANNEL = resource("/channels/:channel", access.anybody)
CHANNELS_OF_VHOST = resource("/vhosts/:vhost/channels", access.of_vhost)
CONSUMERS = resource("/consumers", access.anybody)
CONSUMERS_OF_VHOST = resource("/consumers/:vhost", access.anybody)


# Connections


@CONNECTIONS.on("GET")
async def connections(asked: Asked) -> object:
    """Those that the user may see."""
    return await _listed_connections(asked, access.shown_connections(asked))


@CONNECTIONS_OF_VHOST.on("GET")
async def connections_of_vhost(asked: Asked) -> object:
    """Those in one virtual host."""
    asked.vhost()
    return await _listed_connections(asked, access.shown_connections(asked))


async def _listed_connections(asked: Asked, found: list[Connection]) -> object:
    ranges = ranges_of(asked)
    site = asked.site
    if asked.without_stats():
        return await listed(asked, [_tracked(site, each) for each in found], in_pages=True)
    return await listed_in_full(asked, found, _basic, lambda each: connection_told(site, each, ranges))


@CONNECTIONS_OF_USER.on("GET")
async def connections_of_user(asked: Asked) -> object:
    """Those of one user."""
    found = [each for each in access.shown_connections(asked) if each.user_name() == asked.names["username"]]
    return await listed(asked, [_tracked(asked.site, each) for each in found], in_pages=True)


@CONNECTIONS_OF_USER.on("DELETE")
async def close_connections_of_user(asked: Asked) -> None:
    """Close them all."""
    access.check_owner(asked, asked.names["username"])
    for connection in asked.site.broker.connections.of_user(asked.names["username"]):
        connection.close_for(_reason(asked))


@CONNECTION.on("GET")
async def connection(asked: Asked) -> object:
    """One connection."""
    ranges = ranges_of(asked)
    found = _connection(asked)
    if asked.without_stats():
        return {"name": found.peer.name}
    told = connection_told(asked.site, found, ranges)
    # What is null in a list is an empty text here (RabbitMQ 3.10, observed).
    return columns_of(asked, {name: "" if value is None else value for name, value in told.items()})


@CONNECTION.on("DELETE")
async def close_connection(asked: Asked) -> None:
    """Close it; the header X-Reason is what its client is told."""
    _connection(asked).close_for(_reason(asked))


def _reason(asked: Asked) -> str:
    return asked.header("x-reason", CLOSED_BY_API)


def _connection(asked: Asked) -> Connection:
    found = asked.site.connection(asked.names["connection"])
    if found is None:
        raise Missing()
    access.check_owner(asked, found.user_name())
    return found


def _tracked(site: Site, connection: Connection) -> Item:
    return {
        "name": connection.peer.name,
        "vhost": connection.vhost_name(),
        "user": connection.user_name(),
        "node": site.node,
    }


def _basic(connection: Connection) -> Item:
    return {"name": connection.peer.name, "vhost": connection.vhost_name(), "user": connection.user_name()}


def ends_of(name: str) -> tuple[str, int, str, int]:
    """Host and port of both ends of a connection, the client's first, of its name."""
    peer, _, own = name.partition(" -> ")
    return (*_address(peer), *_address(own))


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port) if port.isascii() and port.isdigit() else 0


def connection_told(site: Site, connection: Connection, ranges: Ranges) -> Item:
    """All that is known of a connection."""
    name = connection.peer.name
    peer_host, peer_port, host, port = ends_of(name)
    properties = json_of(connection.client_properties)
    is_blocked = connection.held and connection.alarms.active
    told: Item = {
        "auth_mechanism": connection.mechanism,
        "channel_max": int(connection.channel_max),
        "channels": len(connection.channels),
        "client_properties": properties,
        "connected_at": int(connection.opened_s * 1000),
        "frame_max": int(connection.frame_max),
        "garbage_collection": GARBAGE_COLLECTION,
        "host": host,
        "name": name,
        "node": site.node,
        "peer_host": peer_host,
        "peer_port": peer_port,
        "port": port,
        "protocol": "AMQP 0-9-1",
        "recv_cnt": int(connection.reads),
        "send_cnt": int(connection.writes),
        "send_pend": int(connection.unwritten_bytes),
        "state": KEPT_FROM_PUBLISHING if is_blocked else "running" if connection.state == OPEN else "closing",
        "timeout": int(connection.heartbeat_s),
        "type": "network",
        "user": connection.user_name(),
        "user_who_performed_action": connection.user_name(),
        "vhost": connection.vhost_name(),
    }
    told |= _encryption(connection)
    given = properties.get("connection_name")
    if isinstance(given, str):
        told["user_provided_name"] = given
    counted = Counted(
        site, CONNECTION_COUNTS, connection_row(connection), site.sampling.connection(connection)
    )
    return told | counted.told((*OCTETS, *NO_REDUCTIONS), ranges.data_rates)


def _encryption(connection: Connection) -> Item:
    if connection.peer.encryption is None:
        return {"ssl": False, **dict.fromkeys(OF_ENCRYPTION)}
    encryption = connection.peer.encryption()
    told = (
        encryption.protocol,
        encryption.key_exchange,
        encryption.cipher,
        encryption.mac,
        encryption.subject,
        encryption.issuer,
        encryption.validity,
    )
    return {"ssl": True, **dict(zip(OF_ENCRYPTION, (each or None for each in told), strict=True))}


# Channels


@CHANNELS.on("GET")
async def channels(asked: Asked) -> object:
    """Those of all connections that the user may see."""
    return await _listed_channels(asked, access.shown_connections(asked))


@CHANNELS_OF_VHOST.on("GET")
async def channels_of_vhost(asked: Asked) -> object:
    """Those in one virtual host."""
    asked.vhost()
    return await _listed_channels(asked, access.shown_connections(asked))


@CHANNELS_OF.on("GET")
async def channels_of(asked: Asked) -> object:
    """Those of one connection."""
    return await _listed_channels(asked, [_connection(asked)])


async def _listed_channels(asked: Asked, connections: list[Connection]) -> object:
    ranges = ranges_of(asked)
    _check_stats(asked)
    site = asked.site
    found = [channel for each in connections for channel in open_channels(each)]
    return await listed_in_full(asked, found, _basic_channel, lambda each: channel_told(site, each, ranges))


@CHANNEL.on("GET")
async def channel(asked: Asked) -> object:
    """One channel, with its consumers."""
    ranges = ranges_of(asked)
    _check_stats(asked)
    name, _, number = asked.names["channel"].rpartition(" ")
    connection = asked.site.connection(name)
    for found in [] if connection is None else open_channels(connection):
        if f"({int(found.id)})" == number:
            access.check_owner(asked, found.connection.user_name())
            told = channel_told(asked.site, found, ranges)
            told["consumer_details"] = [consumer_told(asked.site, each) for each in found.consumers.values()]
            told["deliveries"] = []
            told["publishes"] = []
            return columns_of(asked, told)
    raise Missing()


def _check_stats(asked: Asked) -> None:
    if asked.without_stats():
        raise bad_request(STATS_DISABLED)


def _basic_channel(channel: Channel) -> Item:
    return {
        "name": channel_name(channel),
        "vhost": channel.vhost.name,
        "user": channel.connection.user_name(),
        "number": int(channel.id),
    }


def channel_told(site: Site, channel: Channel, ranges: Ranges) -> Item:
    """All that is known of a channel."""
    name = channel_name(channel)
    connection = channel.connection
    told: Item = {
        "acks_uncommitted": acks_uncommitted(channel),
        "confirm": channel.confirms is not None,
        "connection_details": connection_details(connection),
        "consumer_count": len(channel.consumers),
        "garbage_collection": GARBAGE_COLLECTION,
        "global_prefetch_count": int(channel.global_prefetch_count),
        "messages_unacknowledged": len(channel.unacked),
        "messages_uncommitted": messages_uncommitted(channel),
        "messages_unconfirmed": messages_unconfirmed(channel),
        "name": name,
        "node": site.node,
        "number": int(channel.id),
        "pending_raft_commands": 0,
        "prefetch_count": int(channel.prefetch_count),
        "state": "running",
        "transactional": channel.transaction is not None,
        "user": connection.user_name(),
        "user_who_performed_action": connection.user_name(),
        "vhost": channel.vhost.name,
    }
    row = counts_row(channel.message_counts())
    history = site.sampling.channel(channel)
    counted = Counted(site, CHANNEL_COUNTS, row, history)
    told |= counted.told(NO_REDUCTIONS, ranges.data_rates)
    told |= idle_since(site, row, history, connection.opened_s)
    return told | counted.message_stats(OF_CHANNEL, ranges.msg_rates)


def connection_details(connection: Connection) -> Item:
    """Which connection it is."""
    peer_host, peer_port, _host, _port = ends_of(connection.peer.name)
    return {"name": connection.peer.name, "peer_host": peer_host, "peer_port": peer_port}


# Consumers


@CONSUMERS.on("GET")
async def consumers(asked: Asked) -> object:
    """Those that the user may see."""
    return await _listed_consumers(asked)


@CONSUMERS_OF_VHOST.on("GET")
async def consumers_of_vhost(asked: Asked) -> object:
    """Those in one virtual host."""
    return await _listed_consumers(asked)


async def _listed_consumers(asked: Asked) -> object:
    _check_stats(asked)
    told: list[Item] = []
    pause = Pause()
    for vhost in asked.vhosts():
        for queue in list(vhost.queues.values()):
            for each in _shown_consumers(asked, queue):
                told.append(consumer_told(asked.site, each))
            if pause.is_due():
                await asyncio.sleep(0)
    return await listed(asked, told)


def _shown_consumers(asked: Asked, queue: Queue) -> Iterator[Consumer]:
    for consumer in list(queue.consumers):
        sink = consumer.sink
        if isinstance(sink, Channel) and (
            access.is_monitor(asked.user) or sink.connection.user_name() == asked.user.name
        ):
            yield consumer


def consumers_told(site: Site, queue: Queue) -> list[Item]:
    """All that is known of a queue's consumers."""
    return [consumer_told(site, consumer) for consumer in list(queue.consumers)]


def consumer_told(site: Site, consumer: Consumer) -> Item:
    """All that is known of a consumer."""
    queue = consumer.queue
    is_active = queue.active_consumer is None or queue.active_consumer is consumer
    return {
        "arguments": json_of(consumer.arguments),
        "ack_required": not consumer.no_ack,
        "active": is_active,
        "activity_status": "single_active"
        if queue.active_consumer is consumer
        else "up"
        if is_active
        else "waiting",
        "channel_details": _channel_details(site, consumer.sink),
        "consumer_tag": consumer.tag,
        "exclusive": consumer.exclusive,
        "prefetch_count": int(consumer.prefetch_count),
        "queue": {"name": queue.name, "vhost": queue.vhost},
    }


def _channel_details(site: Site, sink: object) -> dict[str, Any]:
    if not isinstance(sink, Channel):
        return {}
    details = connection_details(sink.connection)
    return {
        "connection_name": details["name"],
        "name": channel_name(sink),
        "node": site.node,
        "number": int(sink.id),
        "peer_host": details["peer_host"],
        "peer_port": details["peer_port"],
        "user": sink.connection.user_name(),
    }


def consumer_count(queue: Queue) -> int:
    """How many consumers a queue says it has."""
    return queue.consumer_count() if isinstance(queue, QuorumQueue) else len(queue.consumers)
