"""aiormq, the layer under aio-pika, used by itself."""

import asyncio

import aiormq
import pytest
from aiormq.abc import DeliveredMessage

from interop.broker import Broker
from interop.names import Names
from interop.waiting import run_async


def test_hello_world_arrives(broker: Broker, names: Names) -> None:
    async def program() -> bytes:
        connection = await aiormq.connect(broker.url)
        channel = await connection.channel()
        hello = names("hello")
        await channel.queue_declare(hello)
        received: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        await channel.basic_consume(hello, received.put)
        await channel.basic_publish(b"Hello World!", routing_key=hello)
        message = await received.get()
        assert message.delivery_tag is not None
        await channel.basic_ack(message.delivery_tag)
        await connection.close()
        return message.body

    assert run_async(program()) == b"Hello World!"


def test_a_fanout_exchange_copies_to_every_server_named_queue(broker: Broker, names: Names) -> None:
    async def program() -> list[bytes]:
        connection = await aiormq.connect(broker.url)
        channel = await connection.channel()
        logs = names("logs")
        await channel.exchange_declare(logs, exchange_type="fanout")
        received: asyncio.Queue[bytes] = asyncio.Queue()

        async def take(message: DeliveredMessage) -> None:
            received.put_nowait(message.body)

        for _ in range(3):
            queue = (await channel.queue_declare(exclusive=True)).queue
            assert queue is not None
            await channel.queue_bind(queue, logs)
            await channel.basic_consume(queue, take, no_ack=True)
        await channel.basic_publish(b"line", exchange=logs, routing_key="")
        copies = [await received.get() for _ in range(3)]
        await connection.close()
        return copies

    assert run_async(program()) == [b"line"] * 3


def test_a_mandatory_publish_without_a_queue_raises(broker: Broker, names: Names) -> None:
    async def program() -> None:
        connection = await aiormq.connect(broker.url)
        channel = await connection.channel(on_return_raises=True)
        try:
            await channel.basic_publish(b"lost", routing_key=names("missing"), mandatory=True)
        finally:
            await connection.close()

    with pytest.raises(aiormq.exceptions.PublishError) as caught:
        run_async(program())
    assert caught.value.message is not None
    assert caught.value.message.body == b"lost"


def test_a_confirm_says_which_delivery_tag_it_is_for(broker: Broker, names: Names) -> None:
    async def program() -> list[tuple[str, int | None]]:
        connection = await aiormq.connect(broker.url)
        channel = await connection.channel()
        queue = names("confirmed")
        await channel.queue_declare(queue)
        confirms = [await channel.basic_publish(b"m", routing_key=queue) for _ in range(3)]
        await connection.close()
        return [(type(confirm).__name__, getattr(confirm, "delivery_tag", None)) for confirm in confirms]

    assert run_async(program()) == [("Ack", 1), ("Ack", 2), ("Ack", 3)]


def test_get_returns_a_message_then_get_empty(broker: Broker, names: Names) -> None:
    async def program() -> list[tuple[str, bytes, int | None]]:
        connection = await aiormq.connect(broker.url)
        channel = await connection.channel()
        queue = names("get")
        await channel.queue_declare(queue)
        for body in (b"1", b"2"):
            await channel.basic_publish(body, routing_key=queue)
        got = [await channel.basic_get(queue, no_ack=True) for _ in range(3)]
        await connection.close()
        return [(type(m.delivery).__name__, m.body, m.message_count) for m in got]

    answers = run_async(program())
    assert answers[:2] == [("GetOk", b"1", 1), ("GetOk", b"2", 0)]
    assert answers[2][:2] == ("GetEmpty", b"")


def test_a_redeclaration_with_other_arguments_raises_precondition_failed(
    broker: Broker, names: Names
) -> None:
    async def program() -> None:
        connection = await aiormq.connect(broker.url)
        queue = names("declared")
        await (await connection.channel()).queue_declare(queue, durable=True)
        try:
            await (await connection.channel()).queue_declare(queue, durable=False)
        finally:
            await connection.close()

    with pytest.raises(aiormq.exceptions.ChannelPreconditionFailed, match="inequivalent arg 'durable'"):
        run_async(program())
