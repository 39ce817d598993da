"""The broker as a whole, and questions about the API itself."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import parse_qsl

from amqpd.auth.mechanisms import MECHANISMS
from amqpd.broker.exchanges import EXCHANGE_TYPES
from amqpd.broker.vhost import VirtualHost
from amqpd.management import access
from amqpd.management.answers import REALM, Missing, Refused, bad_request
from amqpd.management.asked import Asked, text
from amqpd.management.lists import listed
from amqpd.management.ranges import Ranges, ranges_of
from amqpd.management.resources import resource
from amqpd.management.rows import CHURN, NO_DISK
from amqpd.management.site import VERSION, Listening, Pause, Site, open_channels
from amqpd.management.stats import OF_CHANNEL, OF_LENGTHS, all_counted, node_counted

SAMPLE_RETENTION: Final = {
    "global": [600, 3600, 28800, 86400],
    "basic": [600, 3600],
    "detailed": [600],
}
DESCRIPTIONS: Final = {
    "direct": "AMQP direct exchange, as per the AMQP specification",
    "fanout": "AMQP fanout exchange, as per the AMQP specification",
    "headers": "AMQP headers exchange, as per the AMQP specification",
    "topic": "AMQP topic exchange, as per the AMQP specification",
    "x-consistent-hash": "Consistent Hashing Exchange",
    "x-delayed-message": "Delayed Message Exchange.",
    "x-modulus-hash": "Modulus Hashing Exchange",
    "x-random": "Randomly picks a binding (queue) to route via (to).",
    "x-recent-history": "Recent History Exchange.",
}
MECHANISM_DESCRIPTIONS: Final = {
    "AMQPLAIN": "QPid AMQPLAIN mechanism",
    "EXTERNAL": "TLS peer certificate mechanism",
    "PLAIN": "SASL PLAIN authentication mechanism",
}
FEATURE_FLAGS: Final = {
    "classic_mirrored_queue_version": ("Support setting version for classic mirrored queues", "rabbit"),
    "drop_unroutable_metric": (
        "Count unroutable publishes to be dropped in stats",
        "rabbitmq_management_agent",
    ),
    "empty_basic_get_metric": (
        "Count AMQP `basic.get` on empty queues in stats",
        "rabbitmq_management_agent",
    ),
    "implicit_default_bindings": (
        "Default bindings are now implicit, instead of being stored in the database",
        "rabbit",
    ),
    "maintenance_mode_status": ("Maintenance mode status", "rabbit"),
    "quorum_queue": ("Support queues of type `quorum`", "rabbit"),
    "stream_queue": ("Support queues of type `stream`", "rabbit"),
    "user_limits": ("Configure connection and channel limits for a user", "rabbit"),
    "virtual_host_metadata": ("Virtual host metadata (description, tags, etc)", "rabbit"),
}

CONTEXTS: Final = {
    "http": "Management",
    "https": "Management",
    "http/prometheus": "Prometheus",
    "https/prometheus": "Prometheus",
}
"""What listeners of these protocols are for."""

DOCUMENTED: Final = {
    "quorum_queue": "https://www.rabbitmq.com/quorum-queues.html",
    "stream_queue": "https://www.rabbitmq.com/stream.html",
}

OVERVIEW = resource("/overview", access.anybody)
CLUSTER_NAME = resource("/cluster-name", access.anybody)
WHOAMI = resource("/whoami", access.anybody)
EXTENSIONS = resource("/extensions", access.anybody)
AUTH = resource("/auth", None)
LOGIN = resource("/login", None)
FLAGS = resource("/feature-flags", access.administrators)
FLAG = resource("/feature-flags/:name/enable", access.administrators)
REBALANCE = resource("/rebalance/queues", access.administrators)
RESET = resource("/reset", access.administrators)
RESET_NODE = resource("/reset/:node", access.administrators)


def exchange_types() -> list[dict[str, object]]:
    """The types that an exchange can have."""
    return [
        {"name": name, "description": DESCRIPTIONS.get(name, ""), "enabled": True}
        for name in sorted(EXCHANGE_TYPES)
    ]


def auth_mechanisms() -> list[dict[str, object]]:
    """How clients can log in."""
    return [
        {"name": name, "description": MECHANISM_DESCRIPTIONS.get(name, ""), "enabled": True}
        for name in sorted(MECHANISMS)
    ]


@OVERVIEW.on("GET")
async def overview(asked: Asked) -> object:
    """All that matters at a glance; a monitor sees all virtual hosts, others those they may enter."""
    ranges = ranges_of(asked)
    site = asked.site
    is_monitor = access.is_monitor(asked.user)
    vhosts = access.visible_vhosts(asked)
    told = _head(asked)
    if asked.without_stats():
        told["node"] = site.node
        told["object_totals"] = {
            "queues": sum(len(vhost.queues) for vhost in vhosts),
            "exchanges": sum(len(vhost.exchanges) for vhost in vhosts),
            **({"connections": len(site.connections())} if is_monitor else {}),
        }
    else:
        told |= await _statistics(asked, vhosts, ranges)
    if is_monitor and not asked.without_stats():
        told["node"] = site.node
        told["listeners"] = [_listener(site, each) for each in site.listening]
        told["contexts"] = [{"ssl_opts": [], "node": site.node, **each} for each in contexts(site)]
    columns = asked.query("columns")
    if columns is None:
        return told
    # Columns of what is inside are not looked at here (RabbitMQ 3.10, observed).
    wanted = {column.split(".")[0] for column in columns.split(",")}
    return {name: value for name, value in told.items() if name in wanted} or []


def _head(asked: Asked) -> dict[str, object]:
    parameters = asked.site.parameters
    return {
        "management_version": VERSION,
        "rates_mode": "basic",
        "sample_retention_policies": SAMPLE_RETENTION,
        "exchange_types": exchange_types(),
        "product_version": str(parameters.server_properties["version"].value),
        "product_name": str(parameters.server_properties["product"].value),
        "rabbitmq_version": VERSION,
        "cluster_name": parameters.cluster_name,
        "erlang_version": "25.2.3",
        "erlang_full_version": "Erlang/OTP 25",
        "release_series_support_status": "supported",
        "disable_stats": asked.without_stats(),
        "enable_queue_totals": asked.is_set("enable_queue_totals"),
    }


async def _statistics(asked: Asked, vhosts: list[VirtualHost], ranges: Ranges) -> dict[str, object]:
    site = asked.site
    counted = await all_counted(site, vhosts)
    names = {vhost.name for vhost in vhosts}
    connections = [each for each in site.connections() if each.vhost_name() in names]
    stats = counted.what_happened(OF_CHANNEL, ranges.msg_rates)
    if stats or any(vhost.queues for vhost in vhosts):
        stats |= counted.told(NO_DISK, ranges.msg_rates)
    told: dict[str, object] = {"message_stats": stats}
    told["churn_rates"] = node_counted(site).told(CHURN, ranges.lengths)
    told["queue_totals"] = counted.told(OF_LENGTHS, ranges.lengths)
    told["object_totals"] = {
        "channels": sum(len(list(open_channels(connection))) for connection in connections),
        "connections": len(connections),
        "consumers": await _consumers(vhosts),
        "exchanges": sum(len(vhost.exchanges) for vhost in vhosts),
        "queues": sum(len(vhost.queues) for vhost in vhosts),
    }
    told["statistics_db_event_queue"] = 0
    return told


async def _consumers(vhosts: list[VirtualHost]) -> int:
    consumers = 0
    pause = Pause(every=1000)
    for vhost in vhosts:
        for queue in list(vhost.queues.values()):
            consumers += len(queue.consumers)
            if pause.is_due():
                await asyncio.sleep(0)
    return consumers


def _listener(site: Site, listening: Listening) -> dict[str, object]:
    return {
        "node": site.node,
        "protocol": listening.protocol,
        "ip_address": listening.host,
        "port": listening.port,
        "socket_opts": _socket_options(listening),
    }


def _socket_options(listening: Listening) -> dict[str, object]:
    if listening.protocol.startswith("http"):
        return {"cowboy_opts": {"sendfile": False}, "ip": listening.host, "port": listening.port}
    return {"backlog": 1024, "nodelay": True, "linger": [False, 0], "exit_on_close": False}


def contexts(site: Site) -> list[dict[str, object]]:
    """Where the API is, and what else speaks HTTP."""
    return [
        {
            "description": f"RabbitMQ {CONTEXTS[listening.protocol]}",
            "path": "/",
            "cowboy_opts": "[{sendfile,false}]",
            "ip": listening.host,
            "port": str(listening.port),
            **({"ssl": "true", "ssl_opts": _files_of(listening)} if listening.certfile else {}),
        }
        for listening in site.listening
        if listening.protocol in CONTEXTS
    ]


def _files_of(listening: Listening) -> dict[str, str]:
    files = {"certfile": listening.certfile, "cacertfile": listening.cacertfile}
    return {name: file for name, file in files.items() if file}


@CLUSTER_NAME.on("GET")
async def cluster_name(asked: Asked) -> object:
    """What clients are told."""
    return {"name": asked.site.parameters.cluster_name}


@CLUSTER_NAME.on("PUT")
async def name_cluster(asked: Asked) -> bool:
    """Tell clients another name from now on."""
    access.check_rule(asked, access.administrators)
    name = text(asked.values("name")["name"], "name")
    asked.site.name_cluster(name)
    return False


@WHOAMI.on("GET")
async def whoami(asked: Asked) -> object:
    """Who asks."""
    return {"name": asked.user.name, "tags": list(asked.user.tags)}


@EXTENSIONS.on("GET")
async def extensions(asked: Asked) -> object:
    """What RabbitMQ's own pages would load."""
    return [{"javascript": "dispatcher.js"}]


@AUTH.on("GET")
async def auth(asked: Asked) -> object:
    """How to log in: there is nothing but names and passwords."""
    return {"enable_uaa": False, "uaa_client_id": "", "uaa_location": ""}


@LOGIN.on("POST")
async def login(asked: Asked) -> object:
    """Log in with a form."""
    form = dict(parse_qsl(asked.body.decode("latin-1"), keep_blank_values=True))
    name, password = form.get("username"), form.get("password")
    if name is None or password is None:
        raise Refused(401, "not_authorized", "Login failed", REALM)
    access.logged_in(asked.site, asked.request, name, password)
    return "ok"


@FLAGS.on("GET")
async def feature_flags(asked: Asked) -> object:
    """What RabbitMQ 3.10 can switch on: it is."""
    flags: list[dict[str, object]] = [
        {
            "name": name,
            "desc": description,
            "doc_url": DOCUMENTED.get(name, ""),
            "state": "enabled",
            "stability": "stable",
            "provided_by": provided_by,
        }
        for name, (description, provided_by) in FEATURE_FLAGS.items()
    ]
    return await listed(asked, flags, ("name",))


@FLAG.on("PUT")
async def enable_feature_flag(asked: Asked) -> bool:
    """It is on already."""
    if asked.names["name"] not in (*FEATURE_FLAGS, "all"):
        raise bad_request("unsupported")
    return False


@REBALANCE.on("POST")
async def rebalance(asked: Asked) -> None:
    """There is one node, and every queue is there."""


@RESET.on("DELETE")
async def reset(asked: Asked) -> None:
    """Forget how fast anything has grown; what was counted stays, as in RabbitMQ."""
    asked.site.sampling.forget_all()


@RESET_NODE.on("DELETE")
async def reset_node(asked: Asked) -> None:
    """The same of the node of this name."""
    if asked.names["node"] != asked.site.node:
        raise Missing()
    asked.site.sampling.forget_all()
