"""Persistent messages and durable queues while the broker runs: everything is answered, and in order."""

import asyncio
from collections.abc import Iterator

import aio_pika
import pika
import pytest
from pamqp import base, commands
from pika.adapters.blocking_connection import BlockingChannel

from interop.broker import Broker
from interop.names import Names
from interop.scene import numbers
from interop.waiting import pump_until, run_async
from interop.wire import Wire, content

PERSISTENT = pika.BasicProperties(delivery_mode=2)
DELIVERY_MODE_1 = b"\x10\x00\x01"
DELIVERY_MODE_2 = b"\x10\x00\x02"


@pytest.fixture
def wire(broker: Broker, names: Names) -> Iterator[Wire]:
    with Wire(broker) as wire:
        yield wire


@pytest.fixture
def confirming(wire: Wire) -> Wire:
    wire.ask(commands.Confirm.Select(), commands.Confirm.SelectOk)
    return wire


def declare(wire: Wire, queue: str) -> str:
    wire.ask(commands.Queue.Declare(queue=queue, durable=True), commands.Queue.DeclareOk)
    return queue


def publications(
    queue: str, count: int, exchange: str = "", properties: bytes = DELIVERY_MODE_2
) -> list[base.Frame | bytes]:
    """The messages 0, 1, ... as frames."""
    frames: list[base.Frame | bytes] = []
    for number in range(count):
        frames += [commands.Basic.Publish(exchange=exchange, routing_key=queue)]
        frames += [content(1, properties, b"%d" % number)]
    return frames


def count_of(wire: Wire, queue: str) -> int | None:
    passive = commands.Queue.Declare(queue=queue, passive=True)
    return wire.ask(passive, commands.Queue.DeclareOk).message_count


def taken(channel: BlockingChannel, queue: str) -> list[bytes]:
    bodies = []
    while (body := channel.basic_get(queue, auto_ack=True)[2]) is not None:
        bodies.append(body)
    return bodies


# Confirms


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_every_persistent_message_is_confirmed(confirming: Wire, names: Names, count: int) -> None:
    queue = declare(confirming, names("confirmed"))
    confirming.send(*publications(queue, count))
    confirming.receive_confirms(count)
    assert count_of(confirming, queue) == count


def test_persistent_and_transient_messages_in_turn_are_all_confirmed(confirming: Wire, names: Names) -> None:
    queue = declare(confirming, names("mixed"))
    for _ in range(50):
        confirming.send(*publications(queue, 1), *publications(queue, 1, properties=DELIVERY_MODE_1))
    confirming.receive_confirms(100)
    assert count_of(confirming, queue) == 100


def test_persistent_messages_that_go_nowhere_are_confirmed(confirming: Wire, names: Names) -> None:
    queue = declare(confirming, names("somewhere"))
    confirming.send(*publications(names("nowhere"), 20), *publications(queue, 1))
    confirming.receive_confirms(21)
    assert count_of(confirming, queue) == 1


def test_persistent_messages_that_a_consumer_takes_at_once_are_confirmed(
    broker: Broker, channel: BlockingChannel, names: Names
) -> None:
    queue = names("consumed")
    channel.queue_declare(queue, durable=True)
    received: list[bytes] = []

    def on_message(channel: BlockingChannel, method: object, _properties: object, body: bytes) -> None:
        assert isinstance(method, pika.spec.Basic.Deliver)
        channel.basic_ack(method.delivery_tag)
        received.append(body)

    channel.basic_consume(queue, on_message)
    with Wire(broker) as publisher:
        publisher.ask(commands.Confirm.Select(), commands.Confirm.SelectOk)
        publisher.send(*publications(queue, 200))
        pump_until(channel.connection, lambda: len(received) == 200)
        publisher.receive_confirms(200)
    assert received == numbers(*range(200))


def test_aio_pika_has_500_confirms_outstanding_and_gets_them_all(broker: Broker, names: Names) -> None:
    async def program() -> tuple[int, int | None]:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(names("many"), durable=True)
            message = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            confirms = await asyncio.gather(
                *(channel.default_exchange.publish(message, queue.name) for _ in range(500))
            )
            declared = await channel.declare_queue(queue.name, passive=True)
            acknowledged = sum(isinstance(confirm, commands.Basic.Ack) for confirm in confirms)
            return acknowledged, declared.declaration_result.message_count

    assert run_async(program()) == (500, 500)


# Fanout and transactions


def test_every_queue_of_a_fanout_gets_every_persistent_message(
    confirming: Wire, channel: BlockingChannel, names: Names
) -> None:
    exchange = names("fanout")
    queues = [names(f"durable {number}") for number in range(3)] + [names("transient")]
    channel.exchange_declare(exchange, "fanout", durable=True)
    for queue in queues:
        channel.queue_declare(queue, durable="durable" in queue)
        channel.queue_bind(queue, exchange)
    confirming.send(*publications("", 100, exchange))
    confirming.receive_confirms(100)
    for queue in queues:
        assert taken(channel, queue) == numbers(*range(100))


def test_a_commit_publishes_persistent_messages_to_all_their_queues(
    channel: BlockingChannel, connection: pika.BlockingConnection, names: Names
) -> None:
    queues = [names("first"), names("second")]
    channel.tx_select()
    for queue in queues:
        channel.queue_declare(queue, durable=True)
    for number in range(20):
        channel.basic_publish("", queues[number % 2], b"%d" % number, PERSISTENT)
    other = connection.channel()
    assert other.queue_declare(queues[0], passive=True).method.message_count == 0
    channel.tx_commit()
    assert taken(other, queues[0]) == numbers(*range(0, 20, 2))
    assert taken(other, queues[1]) == numbers(*range(1, 20, 2))


def test_a_rollback_publishes_and_acknowledges_nothing(
    channel: BlockingChannel, connection: pika.BlockingConnection, names: Names
) -> None:
    queue = names("rolled back")
    channel.tx_select()
    channel.queue_declare(queue, durable=True)
    channel.basic_publish("", queue, b"committed", PERSISTENT)
    channel.tx_commit()
    method, _properties, _body = channel.basic_get(queue)
    assert method is not None
    channel.basic_ack(method.delivery_tag)
    channel.basic_publish("", queue, b"rolled back", PERSISTENT)
    channel.tx_rollback()
    channel.close()
    assert taken(connection.channel(), queue) == [b"committed"]


def test_commits_and_rollbacks_in_turn_keep_what_was_committed(wire: Wire, names: Names) -> None:
    queue = declare(wire, names("in turn"))
    wire.ask(commands.Tx.Select(), commands.Tx.SelectOk)
    for _ in range(5):
        wire.send(*publications(queue, 10), commands.Tx.Commit())
        wire.expect(commands.Tx.CommitOk)  # RabbitMQ 3.10 takes nothing else until it has answered a commit
        wire.send(*publications(queue, 10), commands.Tx.Rollback())
        wire.expect(commands.Tx.RollbackOk)
    assert count_of(wire, queue) == 50


# Requests that do not wait for replies


def test_a_purge_right_behind_persistent_messages_counts_them_all(wire: Wire, names: Names) -> None:
    queue = declare(wire, names("purged"))
    wire.send(*publications(queue, 100), commands.Queue.Purge(queue=queue))
    assert wire.expect(commands.Queue.PurgeOk).message_count == 100
    assert count_of(wire, queue) == 0


def test_a_delete_right_behind_persistent_messages_counts_them_all(wire: Wire, names: Names) -> None:
    queue = declare(wire, names("deleted"))
    wire.send(*publications(queue, 100), commands.Queue.Delete(queue=queue))
    assert wire.expect(commands.Queue.DeleteOk).message_count == 100


def test_publish_purge_publish_delete_are_answered_in_that_order(wire: Wire, names: Names) -> None:
    queue = declare(wire, names("both"))
    wire.send(
        *publications(queue, 30),
        commands.Queue.Purge(queue=queue),
        *publications(queue, 20),
        commands.Queue.Delete(queue=queue),
        commands.Queue.Declare(queue=queue, durable=True),
    )
    assert wire.expect(commands.Queue.PurgeOk).message_count == 30
    assert wire.expect(commands.Queue.DeleteOk).message_count == 20
    assert wire.expect(commands.Queue.DeclareOk).message_count == 0


def test_messages_that_are_purged_or_deleted_at_once_are_confirmed(confirming: Wire, names: Names) -> None:
    queue, marker = declare(confirming, names("gone")), declare(confirming, names("marker"))
    confirming.send(
        *publications(queue, 50),
        commands.Queue.Purge(queue=queue),
        *publications(queue, 50),
        commands.Queue.Delete(queue=queue),
        *publications(marker, 1),
    )
    confirmed: set[int] = set()
    counts: list[int | None] = []
    while len(confirmed) < 101 or len(counts) < 2:
        method = confirming.receive().method
        if isinstance(method, commands.Basic.Ack):
            tag = method.delivery_tag or 0
            confirmed |= set(range(1, tag + 1)) if method.multiple else {tag}
        else:
            assert isinstance(method, commands.Queue.PurgeOk | commands.Queue.DeleteOk)
            counts.append(method.message_count)
    assert confirmed == set(range(1, 102))
    assert counts == [50, 50]


def test_declare_bind_publish_and_get_in_one_piece_are_answered_in_that_order(
    wire: Wire, names: Names
) -> None:
    exchange, queue = names("exchange"), names("queue")
    wire.send(
        commands.Exchange.Declare(exchange=exchange, exchange_type="direct", durable=True),
        commands.Queue.Declare(queue=queue, durable=True),
        commands.Queue.Bind(queue=queue, exchange=exchange, routing_key="key"),
        *publications("key", 2, exchange),
        commands.Basic.Get(queue=queue, no_ack=True),
        commands.Queue.Unbind(queue=queue, exchange=exchange, routing_key="key"),
    )
    wire.expect(commands.Exchange.DeclareOk)
    assert wire.expect(commands.Queue.DeclareOk).queue == queue
    wire.expect(commands.Queue.BindOk)
    assert wire.expect(commands.Basic.GetOk).message_count == 1
    assert wire.receive_content() == (DELIVERY_MODE_2, b"0")
    wire.expect(commands.Queue.UnbindOk)


def test_a_hundred_declarations_and_bindings_in_one_piece_are_answered_in_order(
    wire: Wire, names: Names
) -> None:
    exchange = names("exchange")
    queues = [names(f"queue {number}") for number in range(50)]
    wire.ask(commands.Exchange.Declare(exchange=exchange, durable=True), commands.Exchange.DeclareOk)
    for queue in queues:
        wire.send(
            commands.Queue.Declare(queue=queue, durable=True),
            commands.Queue.Bind(queue=queue, exchange=exchange, routing_key=queue),
        )
    for queue in queues:
        assert wire.expect(commands.Queue.DeclareOk).queue == queue
        wire.expect(commands.Queue.BindOk)


def test_a_declaration_and_its_messages_without_waiting_are_confirmed(confirming: Wire, names: Names) -> None:
    queue = names("at once")
    confirming.send(
        commands.Queue.Declare(queue=queue, durable=True),
        *publications(queue, 10),
    )
    assert confirming.expect(commands.Queue.DeclareOk).message_count == 0
    confirming.receive_confirms(10)
    assert count_of(confirming, queue) == 10


def test_delete_ok_comes_before_the_cancel_of_a_consumer_on_the_same_channel(
    wire: Wire, names: Names
) -> None:
    queue = declare(wire, names("consumed"))
    wire.ask(commands.Basic.Consume(queue=queue, consumer_tag="tag"), commands.Basic.ConsumeOk)
    wire.send(commands.Queue.Delete(queue=queue))
    wire.expect(commands.Queue.DeleteOk)
    assert wire.expect(commands.Basic.Cancel).consumer_tag == "tag"


def test_a_requeued_message_is_counted_by_the_purge_behind_it(wire: Wire, names: Names) -> None:
    queue = declare(wire, names("requeued"))
    wire.send(*publications(queue, 3), commands.Basic.Get(queue=queue))
    tag = wire.expect(commands.Basic.GetOk).delivery_tag or 0
    wire.receive_content()
    wire.send(commands.Basic.Nack(delivery_tag=tag, requeue=True), commands.Queue.Purge(queue=queue))
    assert wire.expect(commands.Queue.PurgeOk).message_count == 3
