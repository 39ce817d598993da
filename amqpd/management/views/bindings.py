"""Bindings, those of the default exchange among them, and the keys by which the API knows them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import quote, quote_plus, unquote_plus

from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.broker.exchanges.portable_hash import hash_of_table
from amqpd.broker.vhost import VirtualHost
from amqpd.management import access
from amqpd.management.answers import Missing, bad_request
from amqpd.management.arguments import SHORTSTR_MAX_BYTES, table_of_json
from amqpd.management.asked import Asked, text_or_number
from amqpd.management.inside import do
from amqpd.management.lists import Item, columns_of, listed, told_of_each
from amqpd.management.resources import Created, resource
from amqpd.management.tables import json_of
from amqpd.protocol.dispatch import unchecked
from amqpd.wire.fields import Table, bytes_of

SORTS = ("vhost", "source", "type", "destination", "routing_key", "properties_key")
DESTINATION_TYPES = {"q": "queue", "e": "exchange"}
NO_KEY = "~"

BINDINGS = resource("/bindings", access.of_vhost)
BINDINGS_OF_VHOST = resource("/bindings/:vhost", access.of_vhost)
BINDINGS_BETWEEN = resource("/bindings/:vhost/e/:source/:dtype/:destination", access.of_vhost)
BINDING = resource("/bindings/:vhost/e/:source/:dtype/:destination/:props", access.of_vhost)
BINDINGS_FROM = resource("/exchanges/:vhost/:exchange/bindings/source", access.of_vhost)
BINDINGS_TO = resource("/exchanges/:vhost/:exchange/bindings/destination", access.of_vhost)
BINDINGS_OF_QUEUE = resource("/queues/:vhost/:destination/bindings", access.of_vhost)

Found = tuple[str, str, str, str, Table]
"""Source, destination type, destination, routing key, arguments."""


@BINDINGS.on("GET")
async def bindings(asked: Asked) -> object:
    """Those of all virtual hosts that the user may enter."""
    vhosts = access.shown_vhosts(asked)
    return await _listed(asked, [(vhost, found) for vhost in vhosts for found in _all(vhost)])


@BINDINGS_OF_VHOST.on("GET")
async def bindings_of_vhost(asked: Asked) -> object:
    """Those of one virtual host."""
    return await bindings(asked)


@BINDINGS_FROM.on("GET")
async def bindings_from(asked: Asked) -> object:
    """Those that lead from an exchange."""
    return await _listed_of(asked, lambda vhost: _from(vhost, asked.exchange_name()))


@BINDINGS_TO.on("GET")
async def bindings_to(asked: Asked) -> object:
    """Those that lead to an exchange."""
    return await _listed_of(asked, lambda vhost: _to(vhost, "exchange", asked.exchange_name()))


@BINDINGS_OF_QUEUE.on("GET")
async def bindings_of_queue(asked: Asked) -> object:
    """Those that lead to a queue, which need not be there (RabbitMQ 3.10, observed)."""
    return await _listed_of(asked, lambda vhost: _to(vhost, "queue", asked.names["destination"]))


@BINDINGS_BETWEEN.on("GET")
async def bindings_between(asked: Asked) -> object:
    """Those from one exchange to one destination."""
    _destination_type(asked)
    return await _listed_of(asked, lambda vhost: _between(asked, vhost))


async def _listed_of(asked: Asked, find: Callable[[VirtualHost], Iterable[Found]]) -> object:
    """Those of one virtual host; if it is not there, there are none (RabbitMQ 3.10, observed)."""
    vhost = asked.known_vhost()
    return await _listed(asked, [] if vhost is None else [(vhost, each) for each in find(vhost)])


async def _listed(asked: Asked, found: list[tuple[VirtualHost, Found]]) -> object:
    items = await told_of_each(found, lambda each: _item(*each))
    return await listed(asked, items, SORTS)


@BINDINGS_BETWEEN.on("POST")
async def bind(asked: Asked) -> object:
    """Bind, in the user's name."""
    vhost = asked.vhost_to_change()
    values = asked.values()
    routing_key = text_or_number(values.get("routing_key", ""), "routing_key")
    if len(bytes_of(routing_key)) > SHORTSTR_MAX_BYTES:
        raise bad_request("routing_key_too_long")
    arguments = table_of_json(values.get("arguments", {}))
    await do(asked.site, asked.user, vhost, _method(asked, "Bind", routing_key, arguments))
    destination = quote_plus(bytes_of(_destination(asked)), safe="")
    return Created(f"{destination}/{quote(properties_key(routing_key, arguments), safe='~')}")


@BINDING.on("GET")
async def binding(asked: Asked) -> object:
    """One binding, by its properties_key."""
    vhost = asked.vhost()
    return columns_of(asked, _item(vhost, _binding(asked, vhost)))


@BINDING.on("DELETE")
async def unbind(asked: Asked) -> None:
    """Remove it, in the user's name."""
    vhost = asked.vhost()
    _source, _type, _destination_name, routing_key, arguments = _binding(asked, vhost)
    await do(asked.site, asked.user, vhost, _method(asked, "Unbind", routing_key, arguments))


def _method(asked: Asked, action: str, routing_key: str, arguments: Table) -> Method:
    source = asked.exchange_name("source")
    destination = _destination(asked)
    if _destination_type(asked) == "queue":
        return unchecked(
            getattr(commands.Queue, action),
            ticket=0,
            queue=destination,
            exchange=source,
            routing_key=routing_key,
            nowait=False,
            arguments=arguments,
        )
    return unchecked(
        getattr(commands.Exchange, action),
        ticket=0,
        destination=destination,
        source=source,
        routing_key=routing_key,
        nowait=False,
        arguments=arguments,
    )


def _destination_type(asked: Asked) -> str:
    destination_type = DESTINATION_TYPES.get(asked.names["dtype"])
    if destination_type is None:
        raise Missing()
    return destination_type


def _destination(asked: Asked) -> str:
    if _destination_type(asked) == "exchange":
        return asked.exchange_name("destination")
    return asked.names["destination"]


# Finding them


def _all(vhost: VirtualHost) -> Iterator[Found]:
    for exchange in vhost.exchanges:
        yield from _from(vhost, exchange)


def _from(vhost: VirtualHost, source: str) -> Iterator[Found]:
    if not source:
        for name in vhost.queues:
            yield "", "queue", name, name, {}
    elif source in vhost.exchanges:
        for each in list(vhost.exchanges[source].bindings.values()):
            yield source, each.destination.type, each.destination.name, each.routing_key, each.arguments


def _to(vhost: VirtualHost, destination_type: str, name: str) -> Iterator[Found]:
    if destination_type == "queue":
        yield "", "queue", name, name, {}
    destination = (vhost.queues if destination_type == "queue" else vhost.exchanges).get(name)
    for each in [] if destination is None else list(destination.incoming.values()):
        yield each.source, destination_type, name, each.routing_key, each.arguments


def _between(asked: Asked, vhost: VirtualHost) -> Iterator[Found]:
    source = asked.exchange_name("source")
    destination_type, name = _destination_type(asked), _destination(asked)
    if source or name in vhost.queues:
        for found in _to(vhost, destination_type, name):
            if found[0] == source:
                yield found


def _binding(asked: Asked, vhost: VirtualHost) -> Found:
    """The binding that a properties_key stands for. Raises Missing."""
    routing_key, tilde, arguments_hash = asked.names["props"].partition("~")
    if "~" in arguments_hash:
        raise Missing()
    key = unquote_plus(routing_key, errors="surrogateescape")
    for found in _between(asked, vhost):
        arguments = found[4]
        wanted = unquote_plus(arguments_hash) if tilde else ""
        if found[3] == key and wanted == (hash_text(arguments) if arguments else ""):
            return found
    raise Missing()


def _item(vhost: VirtualHost, found: Found) -> Item:
    source, destination_type, destination, routing_key, arguments = found
    return {
        "source": source,
        "vhost": vhost.name,
        "destination": destination,
        "destination_type": destination_type,
        "routing_key": routing_key,
        "arguments": json_of(arguments),
        "properties_key": properties_key(routing_key, arguments),
    }


# Keys


def properties_key(routing_key: str, arguments: Table) -> str:
    """What stands for a routing key and arguments in a path: `~`, `key` or `key~hash`."""
    key = _quoted(routing_key)
    if not arguments:
        return key or NO_KEY
    return f"{key}~{hash_text(arguments)}"


def _quoted(text: str) -> str:
    return quote_plus(bytes_of(text), safe="").replace("~", "%7E")


def hash_text(arguments: Table) -> str:
    """Erlang's hash of arguments, in URL-safe base64."""
    ordered = dict(sorted(arguments.items(), key=lambda item: bytes_of(item[0])))
    return base64.urlsafe_b64encode(hash_of_table(ordered).to_bytes(4, "big")).decode().rstrip("=")
