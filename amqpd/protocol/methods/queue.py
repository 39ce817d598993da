"""Class queue (1.7)."""

from __future__ import annotations

from pamqp import commands

from amqpd.broker.arguments import QUEUE_ARGUMENTS_WITHOUT_EFFECT
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.classic import Queue
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
    if method.passive and _is_reply_queue(channel, method.queue):
        _declared(channel, method, method.queue, 0, 1)
        return
    if method.passive:
        queue = channel.vhost.queue(stripped(method.queue))
        queue.check_owner(channel.connection.owner)
    else:
        queue = _declare(channel, method)
    channel.last_queue = queue.name
    _declared(channel, method, queue.name, queue.ready(), len(queue.consumers))


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
    name = stripped(method.queue)
    if name:
        check_not_reserved("queue", name)
    else:
        name = channel.connection.broker.generated_name("amq.gen-")
    channel.allow("configure", "queue", name)
    # An exclusive queue ends with its connection, so that durable has no meaning (RabbitMQ 3.10, observed).
    durable = method.durable and not method.exclusive
    owner = channel.connection.owner
    exclusive_to = owner if method.exclusive else None
    arguments = decoded_table(method.arguments)
    wanted = QueueDeclared(name, durable, method.auto_delete, exclusive_to, arguments)
    if name not in channel.vhost.queues:
        _warn_of_arguments(channel, name, arguments)
    return channel.vhost.declare_queue(wanted, owner)


def _warn_of_arguments(channel: Channel, queue: str, arguments: Table) -> None:
    """Say in the log what will not do what RabbitMQ's users expect."""
    without_effect = sorted(QUEUE_ARGUMENTS_WITHOUT_EFFECT.intersection(arguments))
    queue_type = arguments.get("x-queue-type")
    if queue_type is not None and queue_type.value != "classic":
        without_effect.append("x-queue-type")
    if without_effect:
        fields: dict[str, object] = {"queue": queue, "arguments": ", ".join(without_effect)}
        channel.connection.tell("warning", "queue arguments without effect", fields)


@handles(commands.Queue.Bind)
def bind(channel: Channel, method: commands.Queue.Bind) -> None:
    """Bind a queue; with neither queue nor routing key, the queue's name is the key (1.7.2.3)."""
    queue = channel.queue_name(method.queue)
    routing_key = queue if not method.queue and not method.routing_key else method.routing_key
    bind_destination(
        channel, stripped(method.exchange), "queue", queue, routing_key, decoded_table(method.arguments)
    )
    if not method.nowait:
        channel.answer(commands.Queue.BindOk())


@handles(commands.Queue.Unbind)
def unbind(channel: Channel, method: commands.Queue.Unbind) -> None:
    """Remove a binding; it need not exist, nor the queue, nor the exchange (RabbitMQ 3.10, observed)."""
    queue = channel.queue_name(method.queue)
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


@handles(commands.Queue.Delete)
def delete(channel: Channel, method: commands.Queue.Delete) -> None:
    """Delete a queue with its messages; one that is not there is no error (1.7.2.9, RabbitMQ 3.10, observed)."""
    name = channel.queue_name(method.queue)
    channel.allow("configure", "queue", name)
    queue = channel.vhost.queues.get(name)
    count = 0
    if queue is not None:
        queue.check_owner(channel.connection.owner)
        if method.if_unused and queue.consumers:
            raise PreconditionFailed(f"{queue.title()} in use")
        if method.if_empty and queue.ready():
            raise PreconditionFailed(f"{queue.title()} not empty")
        count = channel.vhost.delete_queue(queue)
    else:
        channel.vhost.check_log(True)
    then = queue.cancel_consumers if queue is not None else None
    if not method.nowait:
        channel.answer(commands.Queue.DeleteOk(count), then)
    elif then is not None:
        then()
