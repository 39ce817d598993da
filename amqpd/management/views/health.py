"""Health checks: 200 and `{"status":"ok"}`, or 503 and a reason."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from amqpd.broker.alarms import DISK, MEMORY
from amqpd.management import access
from amqpd.management.answers import Failed, Missing, bad_request
from amqpd.management.asked import Asked
from amqpd.management.expiry import expiries
from amqpd.management.resources import resource
from amqpd.management.site import Listening

OK: dict[str, object] = {"status": "ok"}
NO_LISTENER = "No active listener"
ONE_NODE = {"status": "ok", "reason": "single node cluster"}
DAYS = {"days": 1.0, "weeks": 7.0, "months": 365 / 12, "years": 365.0}
SECONDS_PER_DAY = 86400

PROTOCOLS = {
    **dict.fromkeys(
        (
            "amqp091",
            "amqp0.9.1",
            "amqp0-9-1",
            "amqp0_9_1",
            "amqp10",
            "amqp1.0",
            "amqp1-0",
            "amqp1_0",
        ),
        "amqp",
    ),
    "amqps": "amqp/ssl",
    **dict.fromkeys(("http1", "http1.1", "http_api", "management", "management_ui", "ui"), "http"),
    **dict.fromkeys(("cli", "distribution"), "clustering"),
}
"""What else a protocol may be called."""

ALARMS = resource("/health/checks/alarms", access.anybody)
LOCAL_ALARMS = resource("/health/checks/local-alarms", access.anybody)
CERTIFICATES = resource("/health/checks/certificate-expiration/:within/:unit", access.anybody)
PORT = resource("/health/checks/port-listener/:port", access.anybody)
PROTOCOL = resource("/health/checks/protocol-listener/:protocol", access.anybody)
VHOSTS = resource("/health/checks/virtual-hosts", access.anybody)
MIRRORS = resource("/health/checks/node-is-mirror-sync-critical", access.anybody)
QUORUM = resource("/health/checks/node-is-quorum-critical", access.anybody)
NODE = resource("/healthchecks/node", access.anybody)
NAMED_NODE = resource("/healthchecks/node/:node", access.anybody)


@ALARMS.on("GET")
async def alarms(asked: Asked) -> object:
    """Whether anything runs short."""
    return _alarms(asked, "There are alarms in effect in the cluster")


@LOCAL_ALARMS.on("GET")
async def local_alarms(asked: Asked) -> object:
    """The same of this node, which is the only one."""
    return _alarms(asked, "There are alarms in effect on the node")


def _alarms(asked: Asked, reason: str) -> object:
    raised = [name for name in (MEMORY, DISK) if asked.site.broker.alarms.is_raised(name)]
    if raised:
        node = asked.site.node
        raise Failed(reason, alarms=[{"node": node, "resource": name} for name in raised])
    return OK


@CERTIFICATES.on("GET")
async def certificates(asked: Asked) -> object:
    """Whether a certificate of a listener, or one of its authorities, expires soon."""
    within, unit = asked.names["within"], asked.names["unit"].lower()
    if not re.fullmatch("[-+]?[0-9]{1,9}", within):
        raise bad_request("Invalid expiration value.")
    if unit not in DAYS:
        raise bad_request("Time unit not recognised. Supported units: days, weeks, months, years.")
    until_s = asked.site.broker.clock.unix_s() + int(within) * DAYS[unit] * SECONDS_PER_DAY
    listening = [each for each in asked.site.listening if each.certfile]
    expiring = await asyncio.to_thread(_expiring, listening, until_s, asked.site.broker.clock.unix_s())
    if expiring:
        node = asked.site.node
        # RabbitMQ has them in the other order.
        raise Failed("Certificates expiring", expired=[{"node": node, **each} for each in reversed(expiring)])
    return OK


def _expiring(listening: list[Listening], until_s: float, now_s: float) -> list[dict[str, object]]:
    """The listeners with a certificate that is not valid now, or not until then any more."""
    found: list[dict[str, object]] = []
    for each in listening:
        of_certfile = expiries(Path(each.certfile), until_s, now_s)
        of_cacertfile = expiries(Path(each.cacertfile), until_s, now_s) if each.cacertfile else []
        if of_certfile or of_cacertfile:
            found.append(
                {
                    "protocol": each.protocol,
                    "interface": each.host,
                    "port": each.port,
                    "certfile": each.certfile,
                    "cacertfile": each.cacertfile,
                    "certfile_expires_on": of_certfile,
                    "cacertfile_expires_on": of_cacertfile,
                }
            )
    return found


@PORT.on("GET")
async def port_listener(asked: Asked) -> object:
    """Whether something listens on a port."""
    text = asked.names["port"]
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise bad_request("Invalid port")
    port = int(text)
    ports = [each.port for each in asked.site.listening]
    if port not in ports:
        raise Failed(NO_LISTENER, missing=port, ports=ports)
    return {"status": "ok", "port": port}


@PROTOCOL.on("GET")
async def protocol_listener(asked: Asked) -> object:
    """Whether something listens for a protocol."""
    name = asked.names["protocol"].lower()
    protocol = PROTOCOLS.get(name, name)
    protocols = [each.protocol for each in asked.site.listening]
    if protocol not in protocols:
        raise Failed(NO_LISTENER, missing=protocol, protocols=protocols)
    return {"status": "ok", "protocol": protocol}


@VHOSTS.on("GET")
async def vhosts(asked: Asked) -> object:
    """Whether all virtual hosts run: those that are there do."""
    return OK


@MIRRORS.on("GET")
async def mirrors(asked: Asked) -> object:
    """Whether another node would miss this one."""
    return ONE_NODE


@QUORUM.on("GET")
async def quorum(asked: Asked) -> object:
    """Whether another node would miss this one."""
    return ONE_NODE


@NODE.on("GET")
async def node(asked: Asked) -> object:
    """Whether the node does what it should."""
    raised = [name for name in (MEMORY, DISK) if asked.site.broker.alarms.is_raised(name)]
    if raised:
        raise Failed(f"resource alarm(s) in effect:[{','.join(raised)}]")
    return OK


@NAMED_NODE.on("GET")
async def named_node(asked: Asked) -> object:
    """The same of the node of this name."""
    if asked.names["node"] != asked.site.node:
        raise Missing()
    return await node(asked)
