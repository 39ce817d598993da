"""Virtual hosts."""

from __future__ import annotations

from amqpd.broker.limits import LimitReached
from amqpd.broker.queues.rules import QUEUE_TYPES
from amqpd.broker.vhost import VirtualHost
from amqpd.management import access
from amqpd.management.answers import bad_request
from amqpd.management.arguments import SHORTSTR_MAX_BYTES
from amqpd.management.asked import Asked, flag, text
from amqpd.management.lists import Item, columns_of, listed
from amqpd.management.ranges import OF_A_LIST, Ranges, ranges_of
from amqpd.management.resources import resource
from amqpd.management.rows import OCTETS
from amqpd.management.site import Site
from amqpd.management.stats import OF_CHANNEL, OF_LENGTHS, vhosts_counted

UNDEFINED = "undefined"

VHOSTS = resource("/vhosts", access.anybody)
VHOST = resource("/vhosts/:vhost", access.administrators)
START = resource("/vhosts/:vhost/start/:node", access.administrators)


@VHOSTS.on("GET")
async def vhosts(asked: Asked) -> object:
    """Those that the user may know of."""
    ranges = ranges_of(asked, OF_A_LIST)
    items = await _told(asked, access.visible_vhosts(asked), ranges)
    return await listed(asked, items, ("name",), in_pages=True)


@VHOST.on("GET")
async def vhost(asked: Asked) -> object:
    """One virtual host."""
    ranges = ranges_of(asked)
    [item] = await _told(asked, [asked.vhost()], ranges)
    return columns_of(asked, item)


@VHOST.on("PUT")
async def put(asked: Asked) -> bool:
    """Make it, and let the user do everything there; or describe the one there is anew."""
    values = asked.values()
    traces = flag(values, "tracing")
    description = text(values.get("description") or "", "description")
    tags = tag_list(values.get("tags"))
    default_queue_type = values.get("defaultqueuetype", values.get("default_queue_type"))
    name = asked.names["vhost"]
    broker = asked.site.broker
    found = broker.vhosts.get(name)
    if found is None and len(name.encode("utf-8", "surrogateescape")) > SHORTSTR_MAX_BYTES:
        raise bad_request("name_too_long")
    if default_queue_type in (None, UNDEFINED):
        default_queue_type = "" if found is None else found.default_queue_type
    if default_queue_type not in ("", *QUEUE_TYPES):
        raise bad_request(["unknown_queue_type", default_queue_type])
    if found is not None:
        found.describe(description, tags, str(found.default_queue_type))
        if "tracing" in values:
            trace(asked.site, found, traces)
        return False
    try:
        made = broker.add_vhost(name)
    except LimitReached as reached:
        raise bad_request(reached.text) from None
    made.describe(description, tags, str(default_queue_type))
    trace(asked.site, made, traces)
    if asked.site.users.get(asked.user.name) is asked.user:
        asked.site.users.set_permissions(asked.user.name, name, ".*", ".*", ".*")
    return True


@VHOST.on("DELETE")
async def delete(asked: Asked) -> None:
    """Delete it, with everything in it."""
    name = asked.vhost().name
    asked.site.users.forget_vhost(name)
    asked.site.broker.delete_vhost(name)


@START.on("POST")
async def start(asked: Asked) -> None:
    """It runs on the one node there is."""
    asked.vhost()
    node = asked.names["node"]
    if node != asked.site.node:
        raise bad_request(f"Request to node {node} failed with nodedown")


def trace(site: Site, vhost: VirtualHost, is_wanted: bool) -> None:
    """Let the firehose be told of what happens in a virtual host from now on, or no more."""
    if is_wanted:
        vhost.trace(site.node)
    else:
        vhost.trace_no_more()


def tag_list(value: object) -> list[str]:
    """Tags: a list, or names with commas between. Raises Refused (400)."""
    if value is None:
        return []
    if isinstance(value, str):
        return [tag.strip() for tag in value.split(",") if tag.strip()]
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise bad_request(["not_string", "tags"])
    return list(value)


async def _told(asked: Asked, vhosts: list[VirtualHost], ranges: Ranges) -> list[Item]:
    items = [_basic(asked, vhost) for vhost in vhosts]
    if not asked.without_stats():
        for item, counted in zip(items, await vhosts_counted(asked.site, vhosts), strict=True):
            item |= counted.told(OF_LENGTHS, ranges.msg_rates)
            item |= counted.message_stats(OF_CHANNEL, ranges.msg_rates)
            if any(map(counted.number, OCTETS)):
                item |= counted.told(OCTETS, ranges.data_rates)
    return items


def _basic(asked: Asked, vhost: VirtualHost) -> Item:
    site = asked.site
    metadata: Item = {"description": vhost.description, "tags": list(vhost.tags)}
    if vhost.default_queue_type:
        metadata["default_queue_type"] = vhost.default_queue_type
    return {
        "name": vhost.name,
        "description": vhost.description,
        "tags": list(vhost.tags),
        "default_queue_type": vhost.default_queue_type or UNDEFINED,
        "metadata": metadata,
        "tracing": vhost.firehose is not None,
        "cluster_state": {site.node: "running"},
    }
