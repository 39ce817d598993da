"""What clients that are connected notice of a restart, and restarts one after the other."""

import asyncio
import time

import aio_pika
import amqpstorm
import pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pika.exceptions import ConnectionClosedByBroker

from interop.broker import RESTART, Broker, Server
from interop.names import Names
from interop.restarting import AFTER_THE_CONFIRMS_S, killed, restart, stopped
from interop.storm import connected
from interop.waiting import run_async

SHUTDOWN = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
ROBUST_LIMIT_S = 180.0


@pytest.mark.restarts(RESTART)
def test_a_stop_closes_connections_with_320_shutdown(server: Server) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(server.broker.url))
    storm = connected(server.broker)
    server.restart()
    with pytest.raises(ConnectionClosedByBroker) as caught:
        connection.process_data_events(time_limit=60)
    assert (caught.value.reply_code, caught.value.reply_text) == (320, SHUTDOWN)
    with pytest.raises(amqpstorm.AMQPConnectionError) as noticed:
        storm.check_for_errors()
    assert noticed.value.error_code == 320
    assert SHUTDOWN in str(noticed.value)


@pytest.mark.parametrize("way", [stopped, killed])
def test_a_robust_aio_pika_consumer_goes_on_after_a_restart(server: Server, names: Names, way: str) -> None:
    async def program() -> list[bytes]:
        received: asyncio.Queue[bytes] = asyncio.Queue()

        async def on_message(message: AbstractIncomingMessage) -> None:
            async with message.process():
                pass
            received.put_nowait(message.body)

        connection = await aio_pika.connect_robust(server.broker.url, reconnect_interval=0.5)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(names("robust"), durable=True)
            await queue.consume(on_message)
            back = asyncio.Event()
            connection.reconnect_callbacks.add(lambda *_arguments: back.set())
            await asyncio.to_thread(publish_persistent, server.broker, queue.name, b"before")
            before = await received.get()
            # What is answered durably here was written after the acknowledgement.
            await channel.declare_queue(names("written"), durable=True)
            await asyncio.sleep(AFTER_THE_CONFIRMS_S)
            await asyncio.to_thread(restart, server, way)
            await back.wait()
            await asyncio.to_thread(publish_persistent, server.broker, queue.name, b"after")
            return [before, await received.get()]

    assert run_async(program(), ROBUST_LIMIT_S) == [b"before", b"after"]


def publish_persistent(broker: Broker, queue: str, body: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))


@pytest.mark.parametrize("way", [stopped, killed])
def test_what_was_kept_once_is_kept_again(server: Server, names: Names, way: str) -> None:
    queue, exchange = names("kept"), names("exchange")
    with pika.BlockingConnection(pika.URLParameters(server.broker.url)) as connection:
        channel = connection.channel()
        channel.exchange_declare(exchange, "direct", durable=True)
        channel.queue_declare(queue, durable=True)
        channel.queue_bind(queue, exchange, queue)
    for number in range(3):
        if number:
            restart(server, way)
        publish_persistent(server.broker, queue, b"%d" % number)
        publish_persistent(server.broker, queue, b"%d again" % number)
        with pika.BlockingConnection(pika.URLParameters(server.broker.url)) as connection:
            channel = connection.channel()
            _method, _properties, body = channel.basic_get(queue, auto_ack=True)
            assert body == [b"0", b"0 again", b"1"][number]
            channel.queue_declare(names(f"written {number}"), durable=True)
        time.sleep(AFTER_THE_CONFIRMS_S)
    restart(server, way)
    with pika.BlockingConnection(pika.URLParameters(server.broker.url)) as connection:
        channel = connection.channel()
        left = [channel.basic_get(queue, auto_ack=True)[2] for _ in range(4)]
    assert left == [b"1 again", b"2", b"2 again", None]
