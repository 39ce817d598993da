"""Class exchange (1.6), with RabbitMQ's bindings between exchanges."""

from __future__ import annotations

from pamqp import commands

from amqpd.broker.arguments import ALTERNATE_EXCHANGE, resource_argument
from amqpd.broker.definitions import ExchangeDeclared
from amqpd.broker.exchanges import EXCHANGE_TYPES
from amqpd.broker.queues.queue import Queue
from amqpd.broker.vhost import check_not_reserved
from amqpd.errors import AccessRefused, PreconditionFailed
from amqpd.protocol.channel import Channel, stripped
from amqpd.protocol.dispatch import decoded_table, handles
from amqpd.wire.fields import Table


@handles(commands.Exchange.Declare)
def declare(channel: Channel, method: commands.Exchange.Declare) -> None:
    """Make an exchange, or check that it is there and equivalent (1.6.2.1)."""
    name = stripped(method.exchange)
    if method.passive:
        refuse_default_exchange(name)
        channel.vhost.exchange(name)
    else:
        check_type(method.exchange_type)
        refuse_default_exchange(name)
        channel.allow("configure", "exchange", name)
        arguments = decoded_table(method.arguments)
        wanted = ExchangeDeclared(
            name, method.exchange_type, method.durable, method.auto_delete, method.internal, arguments
        )
        if name not in channel.vhost.exchanges:
            check_not_reserved("exchange", name)
            _allow_alternate_exchange(channel, name, arguments)
        channel.vhost.declare_exchange(wanted)
    if not method.nowait:
        channel.answer(commands.Exchange.DeclareOk())


def _allow_alternate_exchange(channel: Channel, name: str, arguments: Table) -> None:
    """Who declares an alternate exchange must be allowed to read here and to write there."""
    title = f"exchange '{name}' in vhost '{channel.vhost.name}'"
    alternate_exchange = resource_argument(title, arguments, ALTERNATE_EXCHANGE)
    if alternate_exchange is not None:
        channel.allow("read", "exchange", name)
        channel.allow("write", "exchange", alternate_exchange)


@handles(commands.Exchange.Delete)
def delete(channel: Channel, method: commands.Exchange.Delete) -> None:
    """Delete an exchange and its bindings (1.6.2.3)."""
    name = stripped(method.exchange)
    refuse_default_exchange(name)
    channel.vhost.check_not_system_exchange(name)
    channel.allow("configure", "exchange", name)
    channel.vhost.delete_exchange(name, method.if_unused)
    if not method.nowait:
        channel.answer(commands.Exchange.DeleteOk())


@handles(commands.Exchange.Bind)
def bind(channel: Channel, method: commands.Exchange.Bind) -> None:
    """Let messages of one exchange go on to another."""
    source, destination = stripped(method.source), stripped(method.destination)
    bind_destination(
        channel, source, "exchange", destination, method.routing_key, decoded_table(method.arguments)
    )
    if not method.nowait:
        channel.answer(commands.Exchange.BindOk())


@handles(commands.Exchange.Unbind)
def unbind(channel: Channel, method: commands.Exchange.Unbind) -> None:
    """Remove such a binding; it need not exist."""
    source, destination = stripped(method.source), stripped(method.destination)
    unbind_destination(
        channel, source, "exchange", destination, method.routing_key, decoded_table(method.arguments)
    )
    if not method.nowait:
        channel.answer(commands.Exchange.UnbindOk())


def bind_destination(
    channel: Channel,
    source: str,
    destination_type: str,
    destination: str,
    routing_key: str,
    arguments: Table,
) -> None:
    """Bind a queue or exchange: permissions first, then what exists, the source before the destination.

    What the exchange type refuses comes before whose queue it is (RabbitMQ 3.10, observed).
    """
    _check_binding(channel, source, destination_type, destination)
    vhost = channel.vhost
    exchange = vhost.exchange(source)
    channel.allow_topic("read", exchange, routing_key)
    target = vhost.destination(destination_type, destination)
    exchange.check_binding(target, routing_key, arguments)
    if isinstance(target, Queue):
        target.check_owner(channel.connection.owner)
    vhost.bind(source, target, routing_key, arguments)


def unbind_destination(
    channel: Channel,
    source: str,
    destination_type: str,
    destination: str,
    routing_key: str,
    arguments: Table,
) -> None:
    """Remove a binding of a queue or exchange; that of an exclusive queue is its owner's."""
    _check_binding(channel, source, destination_type, destination)
    vhost = channel.vhost
    exchange = vhost.exchanges.get(source)
    if exchange is not None:
        channel.allow_topic("read", exchange, routing_key)
    binding = vhost.binding(source, destination_type, destination, routing_key, arguments)
    if binding is not None and isinstance(binding.destination, Queue):
        binding.destination.check_owner(channel.connection.owner)
    vhost.unbind(source, destination_type, destination, routing_key, arguments)


def check_type(exchange_type: str) -> None:
    """Raise PreconditionFailed (406) for a type there is not: the channel closes, as in RabbitMQ 4."""
    if exchange_type not in EXCHANGE_TYPES:
        problem = "unknown" if exchange_type else "invalid"
        raise PreconditionFailed(f"{problem} exchange type '{exchange_type}'")


def refuse_default_exchange(name: str) -> None:
    """Raise AccessRefused (403) for the default exchange, which nobody may change or bind."""
    if not name:
        raise AccessRefused("operation not permitted on the default exchange")


def _check_binding(channel: Channel, source: str, destination_type: str, destination: str) -> None:
    channel.allow("write", destination_type, destination)
    if destination_type == "exchange":
        refuse_default_exchange(destination)
    refuse_default_exchange(source)
    channel.allow("read", "exchange", source)
