"""Class basic (1.8), but for publish, ack, nack and reject, which the channel reads itself."""

from __future__ import annotations

from pamqp import commands

from amqpd.broker.arguments import PRIORITY, check_consumer_arguments
from amqpd.broker.consumer import Consumer
from amqpd.broker.queues.quorum import QuorumQueue
from amqpd.broker.queues.rules import queue_type_of
from amqpd.broker.queues.stream import StreamQueue
from amqpd.errors import NotAllowed, NotImplementedByBroker, PreconditionFailed
from amqpd.protocol.channel import Channel
from amqpd.protocol.checks import REPLY_TO_QUEUE
from amqpd.protocol.dispatch import decoded_table, handles


@handles(commands.Basic.Qos)
def qos(channel: Channel, method: commands.Basic.Qos) -> None:
    """Credit for consumers that start from now on, or with global for the whole channel (RabbitMQ's meaning).

    The first takes back what the second has set before (RabbitMQ 3.10, observed).
    """
    if method.prefetch_size:
        raise NotImplementedByBroker(f"prefetch_size!=0 ({method.prefetch_size})")
    was_shared = channel.global_prefetch_count != 0
    if method.global_:
        channel.global_prefetch_count = method.prefetch_count
    else:
        channel.prefetch_count = method.prefetch_count
        channel.global_prefetch_count = 0
    channel.send(commands.Basic.QosOk())
    if was_shared:
        channel.resume_consumers()


@handles(commands.Basic.Consume)
def consume(channel: Channel, method: commands.Basic.Consume) -> None:
    """Start a consumer; no-local is accepted and ignored, as RabbitMQ does (1.8.3.3)."""
    tag = method.consumer_tag or ""
    queue_name = channel.queue_name(method.queue)
    if tag in channel.consumers:
        raise NotAllowed(f"attempt to reuse consumer tag '{tag}'")
    channel.check_consumer_limit()
    tag = tag or channel.connection.broker.generated_name("amq.ctag-")
    if queue_name == REPLY_TO_QUEUE:
        consumer = _consumer_of_replies(channel, method, tag)
    else:
        consumer = _consumer_of_queue(channel, method, queue_name, tag)
    channel.consumers[tag] = consumer
    if not method.nowait:
        channel.send(commands.Basic.ConsumeOk(tag))
    consumer.queue.add_consumer(consumer)


def _consumer_of_queue(channel: Channel, method: commands.Basic.Consume, name: str, tag: str) -> Consumer:
    queue = channel.queue_to_read(name)
    arguments = decoded_table(method.arguments)
    check_consumer_arguments(queue.title(), queue_type_of(queue.arguments), arguments)
    if isinstance(queue, StreamQueue):
        queue.check_reader(method.no_ack, channel.prefetch_count, channel.global_prefetch_count)
    if isinstance(queue, QuorumQueue):
        queue.check_global_prefetch(channel.global_prefetch_count)
    queue.check_consumer(method.exclusive)
    priority = int(str(arguments[PRIORITY].value)) if PRIORITY in arguments else 0
    return Consumer(
        tag, queue, channel, method.no_ack, method.exclusive, channel.prefetch_count, arguments, priority
    )


def _consumer_of_replies(channel: Channel, method: commands.Basic.Consume, tag: str) -> Consumer:
    if not method.no_ack:
        raise PreconditionFailed("reply consumer cannot acknowledge")
    return channel.consume_replies(tag)


@handles(commands.Basic.Cancel)
def cancel(channel: Channel, method: commands.Basic.Cancel) -> None:
    """End a consumer; one that is not there is no error (1.8.3.5)."""
    tag = method.consumer_tag or ""
    consumer = channel.consumers.get(tag)
    if consumer is not None:
        channel.end_consumer(consumer)
    if not method.nowait:
        channel.send(commands.Basic.CancelOk(tag))


@handles(commands.Basic.Get)
def get(channel: Channel, method: commands.Basic.Get) -> None:
    """Take one message, or hear that there is none (1.8.3.10)."""
    channel.get(channel.queue_to_read(method.queue), method.no_ack)


@handles(commands.Basic.Recover)
def recover(channel: Channel, method: commands.Basic.Recover) -> None:
    """Requeue everything unsettled; recover-ok comes before the redeliveries (RabbitMQ 3.10, observed)."""
    _check_recover(method.requeue)
    channel.send(commands.Basic.RecoverOk())
    channel.requeue(channel.unacked.take_all())


@handles(commands.Basic.RecoverAsync)
def recover_async(channel: Channel, method: commands.Basic.RecoverAsync) -> None:
    """The same without an answer."""
    _check_recover(method.requeue)
    channel.requeue(channel.unacked.take_all())


def _check_recover(requeue: bool) -> None:
    if not requeue:
        raise NotImplementedByBroker("requeue=false")
