"""Class queue (1.7)."""

from __future__ import annotations

from pamqp import commands

from amqpd.broker.arguments import (
    DEAD_LETTER_EXCHANGE,
    check_may_be_server_named,
    resource_argument,
    with_default_type,
)
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import Queue
from amqpd.broker.queues.quorum import QuorumQueue
from amqpd.broker.queues.stream import StreamQueue
from amqpd.broker.vhost import check_not_reserved
from amqpd.errors import PreconditionFailed
from amqpd.protocol.channel import Channel, stripped
from amqpd.protocol.checks import REPLY_TO_QUEUE
from amqpd.protocol.dispatch import decoded_table, handles, unchecked
from amqpd.protocol.methods.exchange import bind_destination, unbind_destination
from amqpd.wire.fields import Table


@handles(commands.Queue.Declare)
def declare(channel: Channel, method: commands.Queue.Declare) -> None:
    """Make a queue, or check that it is there and equivalent (1.7.2.1)."""
    if _is_reply_queue(channel, method.queue):
        _declared(channel, method, method.queue, 0, 1)
        return
    if method.passive or method.queue.startswith(REPLY_TO_QUEUE):
        queue = channel.vhost.queue(stripped(method.queue))
        queue.check_owner(channel.connection.owner)
    else:
        queue = _declare(channel, method)
    channel.last_queue = queue.name
    if not method.nowait:
        queue.asked_for_counts()
    _declared(channel, method, queue.name, queue.ready(), queue.declared_consumer_count())


def _is_reply_queue(channel: Channel, name: str) -> bool:
    return name == REPLY_TO_QUEUE or name in channel.vhost.reply_queues


def _declared(
    channel: Channel, method: commands.Queue.Declare, name: str, message_count: int, consumer_count: int
) -> None:
    if not method.nowait:
        declare_ok = unchecked(
            commands.Queue.DeclareOk, queue=name, message_count=message_count, consumer_count=consumer_count
        )
        channel.answer(declare_ok)


def _declare(channel: Channel, method: commands.Queue.Declare) -> Queue:
    arguments = with_default_type(
        decoded_table(method.arguments),
        channel.vhost.default_queue_type or channel.connection.parameters.default_queue_type,
        method.durable,
        method.exclusive,
        method.auto_delete,
    )
    name = stripped(method.queue)
    if name:
        check_not_reserved("queue", name)
    else:
        check_may_be_server_named(arguments)
        name = channel.connection.broker.generated_name("amq.gen-")
    channel.allow("configure", "queue", name)
    # An exclusive queue ends with its connection, so that durable has no meaning (RabbitMQ 3.10, observed).
    durable = method.durable and not method.exclusive
    owner = channel.connection.owner
    exclusive_to = owner if method.exclusive else None
    wanted = QueueDeclared(name, durable, method.auto_delete, exclusive_to, arguments)
    if name not in channel.vhost.queues:
        channel.vhost.check_queue_limit(name)
        _allow_dead_letter_exchange(channel, name, arguments)
    return channel.vhost.declare_queue(wanted, owner)


def _allow_dead_letter_exchange(channel: Channel, name: str, arguments: Table) -> None:
    """Who declares a dead letter exchange must be allowed to read here and to write there."""
    title = f"queue '{name}' in vhost '{channel.vhost.name}'"
    dead_letter_exchange = resource_argument(title, arguments, DEAD_LETTER_EXCHANGE)
    if dead_letter_exchange is not None:
        channel.allow("read", "queue", name)
        channel.allow("write", "exchange", dead_letter_exchange)


@handles(commands.Queue.Bind)
def bind(channel: Channel, method: commands.Queue.Bind) -> None:
    """Bind a queue; with neither queue nor routing key, the queue's name is the key (1.7.2.3)."""
    queue = stripped(channel.queue_name(method.queue))
    routing_key = queue if not method.queue and not method.routing_key else method.routing_key
    bind_destination(
        channel, stripped(method.exchange), "queue", queue, routing_key, decoded_table(method.arguments)
    )
    if not method.nowait:
        channel.answer(commands.Queue.BindOk())


@handles(commands.Queue.Unbind)
def unbind(channel: Channel, method: commands.Queue.Unbind) -> None:
    """Remove a binding; it need not exist, nor the queue, nor the exchange (RabbitMQ 3.10, observed)."""
    queue = stripped(channel.queue_name(method.queue))
    routing_key = queue if not method.queue and not method.routing_key else method.routing_key
    unbind_destination(
        channel, stripped(method.exchange), "queue", queue, routing_key, decoded_table(method.arguments)
    )
    channel.answer(commands.Queue.UnbindOk())


@handles(commands.Queue.Purge)
def purge(channel: Channel, method: commands.Queue.Purge) -> None:
    """Drop the ready messages (1.7.2.7)."""
    queue = channel.queue_to_read(method.queue)
    channel.vhost.check_log(queue.durable)
    count = queue.purge()
    if not method.nowait:
        channel.answer_when_durable(commands.Queue.PurgeOk(count))


def _delete(channel: Channel, queue: Queue, method: commands.Queue.Delete) -> int:
    if isinstance(queue, QuorumQueue):
        queue.check_deletion(method.if_unused, method.if_empty)
    if method.if_unused and queue.consumers:
        raise PreconditionFailed(f"{queue.title()} in use")
    if method.if_empty and queue.ready():
        raise PreconditionFailed(f"{queue.title()} not empty")
    return channel.vhost.delete_queue(queue)


@handles(commands.Queue.Delete)
def delete(channel: Channel, method: commands.Queue.Delete) -> None:
    """Delete a queue with its messages; one that is not there is no error (1.7.2.9, RabbitMQ 3.10, observed)."""
    name = stripped(channel.queue_name(method.queue))
    channel.allow("configure", "queue", name)
    queue = channel.vhost.queues.get(name)
    count = 0
    if queue is not None:
        queue.check_owner(channel.connection.owner)
        if isinstance(queue, StreamQueue):
            # It goes, whatever the conditions, and is said to have been empty (RabbitMQ 3.10, observed).
            channel.vhost.delete_queue(queue)
        else:
            count = _delete(channel, queue, method)
    else:
        channel.vhost.check_log(True)
    then = queue.cancel_consumers if queue is not None else None
    if not method.nowait:
        channel.answer(commands.Queue.DeleteOk(count), then)
    elif then is not None:
        then()
