"""Exchanges: what they are, how much goes through them, and making and deleting them."""

from __future__ import annotations

from pamqp import commands

from amqpd.broker.exchange import Exchange
from amqpd.broker.vhost_state import PREDECLARED
from amqpd.management import access
from amqpd.management.answers import Missing
from amqpd.management.arguments import table_of_json
from amqpd.management.asked import Asked, flag, text
from amqpd.management.inside import do
from amqpd.management.lists import Item, columns_of, listed_in_full
from amqpd.management.ranges import OF_A_LIST, Ranges, ranges_of
from amqpd.management.resources import resource
from amqpd.management.rows import EXCHANGE_COUNTS, exchange_row
from amqpd.management.site import Site
from amqpd.management.stats import Counted
from amqpd.management.tables import json_of
from amqpd.protocol.dispatch import unchecked

INTERNAL_USER = "rmq-internal"
IN_AND_OUT = (("publish_in",), ("publish_out",))

EXCHANGES = resource("/exchanges", access.of_vhost)
EXCHANGES_OF_VHOST = resource("/exchanges/:vhost", access.of_vhost)
EXCHANGE = resource("/exchanges/:vhost/:exchange", access.of_vhost)


@EXCHANGES.on("GET")
async def exchanges(asked: Asked) -> object:
    """Those of all virtual hosts that the user may enter."""
    ranges = ranges_of(asked, OF_A_LIST)
    site = asked.site
    await site.collect_counts()
    found = [exchange for vhost in access.shown_vhosts(asked) for exchange in vhost.exchanges.values()]
    without_stats = asked.without_stats()
    return await listed_in_full(
        asked,
        found,
        lambda exchange: _basic(site, exchange),
        lambda exchange: _basic(site, exchange) if without_stats else told(site, exchange, ranges),
    )


@EXCHANGES_OF_VHOST.on("GET")
async def exchanges_of_vhost(asked: Asked) -> object:
    """Those of one virtual host."""
    return await exchanges(asked)


@EXCHANGE.on("GET")
async def exchange(asked: Asked) -> object:
    """One exchange."""
    ranges = ranges_of(asked)
    await asked.site.collect_counts()
    return columns_of(asked, {**told(asked.site, _exchange(asked), ranges), "incoming": [], "outgoing": []})


def _exchange(asked: Asked) -> Exchange:
    found = asked.vhost().exchanges.get(asked.exchange_name())
    if found is None:
        raise Missing()
    return found


@EXCHANGE.on("PUT")
async def declare(asked: Asked) -> bool:
    """Declare it, in the user's name; without a type it is direct."""
    vhost = asked.vhost_to_change()
    values = asked.values()
    name = asked.exchange_name()
    is_new = name not in vhost.exchanges
    method = unchecked(
        commands.Exchange.Declare,
        ticket=0,
        exchange=name,
        exchange_type=text(values.get("type", "direct"), "type"),
        passive=False,
        durable=flag(values, "durable"),
        auto_delete=flag(values, "auto_delete"),
        internal=flag(values, "internal"),
        nowait=False,
        arguments=table_of_json(values.get("arguments", {})),
    )
    await do(asked.site, asked.user, vhost, method)
    return is_new


@EXCHANGE.on("DELETE")
async def delete(asked: Asked) -> None:
    """Delete it; with if-unused only if nothing is bound to it."""
    found = _exchange(asked)
    method = unchecked(
        commands.Exchange.Delete,
        ticket=0,
        exchange=found.name,
        if_unused=asked.is_set("if-unused"),
        nowait=False,
    )
    await do(asked.site, asked.user, asked.vhost(), method)


def _basic(site: Site, exchange: Exchange) -> Item:
    item: Item = {
        "arguments": json_of(exchange.arguments),
        "auto_delete": exchange.auto_delete,
        "durable": exchange.durable,
        "internal": exchange.internal,
        "name": exchange.name,
        "type": exchange.exchange_type,
        "user_who_performed_action": INTERNAL_USER,
        "vhost": exchange.vhost,
    }
    if exchange.name not in PREDECLARED:
        # Who has declared it is not kept.
        del item["user_who_performed_action"]
    vhost = site.broker.vhosts.get(exchange.vhost)
    effective = vhost.effective.get(exchange) if vhost is not None else None
    if effective is not None and effective.policy is not None:
        item["policy"] = effective.policy.name
    return item


def told(site: Site, exchange: Exchange, ranges: Ranges) -> Item:
    """All that is known of an exchange."""
    counted = Counted(site, EXCHANGE_COUNTS, exchange_row(exchange), site.sampling.exchange(exchange))
    return _basic(site, exchange) | counted.message_stats(IN_AND_OUT, ranges.msg_rates)
