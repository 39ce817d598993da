"""aio-pika: plain and robust connections, confirms, iterators, and its RPC and worker patterns."""

import asyncio
from decimal import Decimal
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import ChannelNotFoundEntity, DeliveryError
from aio_pika.patterns import RPC, Master

from interop.broker import Broker
from interop.names import Names
from interop.waiting import run_async


def test_hello_world_is_read_by_an_iterator(broker: Broker, names: Names) -> None:
    async def program() -> bytes:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(names("hello"))
            await channel.default_exchange.publish(aio_pika.Message(b"Hello World!"), queue.name)
            async with queue.iterator() as messages:
                async for message in messages:
                    async with message.process():
                        return message.body
        raise AssertionError("the iterator ended without a message")

    assert run_async(program()) == b"Hello World!"


def test_a_durable_work_queue_hands_out_one_task_at_a_time(broker: Broker, names: Names) -> None:
    async def program() -> tuple[list[bytes], int]:
        async with await aio_pika.connect_robust(broker.url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=1)
            queue = await channel.declare_queue(names("task_queue"), durable=True)
            for number in range(5):
                await channel.default_exchange.publish(
                    aio_pika.Message(b"%d" % number, delivery_mode=aio_pika.DeliveryMode.PERSISTENT),
                    queue.name,
                )
            in_work = most_in_work = 0
            done: list[bytes] = []
            finished = asyncio.Event()

            async def work(message: AbstractIncomingMessage) -> None:
                nonlocal in_work, most_in_work
                async with message.process():
                    in_work += 1
                    most_in_work = max(most_in_work, in_work)
                    await channel.declare_queue(queue.name, passive=True)  # time for a second task to come
                    in_work -= 1
                done.append(message.body)
                if len(done) == 5:
                    finished.set()

            await queue.consume(work)
            await finished.wait()
            return done, most_in_work

    assert run_async(program()) == ([b"0", b"1", b"2", b"3", b"4"], 1)


def test_topics_reach_the_queues_bound_to_them(broker: Broker, names: Names) -> None:
    async def program() -> list[str | None]:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            exchange = await channel.declare_exchange(names("logs"), aio_pika.ExchangeType.TOPIC)
            queue = await channel.declare_queue(exclusive=True)
            await queue.bind(exchange, "*.error")
            for key in ("disk.error", "disk.info", "cpu.error", "error"):
                await exchange.publish(aio_pika.Message(b""), key)
            first, second = await queue.get(timeout=60), await queue.get(timeout=60)
            nothing = await queue.get(fail=False, no_ack=True)
            assert nothing is None
            return [first.routing_key, second.routing_key]

    assert run_async(program()) == ["disk.error", "cpu.error"]


def test_publishing_many_at_once_gets_every_confirm(broker: Broker, names: Names) -> None:
    async def program() -> tuple[list[str], int | None]:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel(publisher_confirms=True)
            queue = await channel.declare_queue(names("confirmed"), durable=True)
            message = aio_pika.Message(b"m", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            confirms = await asyncio.gather(
                *(channel.default_exchange.publish(message, queue.name) for _ in range(200))
            )
            declared = await channel.declare_queue(queue.name, durable=True, passive=True)
            kinds = sorted({type(confirm).__name__ for confirm in confirms})
            return kinds, declared.declaration_result.message_count

    assert run_async(program()) == (["Ack"], 200)


def test_an_unroutable_publish_raises(broker: Broker, names: Names) -> None:
    async def program() -> None:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            await channel.default_exchange.publish(aio_pika.Message(b"lost"), names("missing"))

    with pytest.raises(DeliveryError):
        run_async(program())


# aio-pika writes integers in as few octets as they need, and floats in four.
VALUES: list[Any] = [
    True,
    1,
    -1,
    127,
    -128,
    255,
    32767,
    -32768,
    65535,
    2**31 - 1,
    -(2**31),
    2**32 - 1,
    2**63 - 1,
    -(2**63),
]
VALUES += [0.5, -0.25, Decimal("-123.45"), "æøå", None, [1, 2.5, "x", [None]], {"a": {"b": 0.25}}]


@pytest.mark.parametrize(
    "value",
    VALUES,
    ids=lambda value: f"{type(value).__name__}-{str(value)[:22]}",
)
def test_a_header_of_this_value_comes_back(broker: Broker, names: Names, value: Any) -> None:
    async def program() -> Any:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(names("header"))
            message = aio_pika.Message(b"", headers={"header": value})
            await channel.default_exchange.publish(message, queue.name)
            got = await queue.get(no_ack=True)
            return got.headers["header"]

    assert run_async(program()) == value


def test_a_missing_queue_raises_and_leaves_the_connection_usable(broker: Broker, names: Names) -> None:
    async def program() -> str:
        async with await aio_pika.connect(broker.url) as connection:
            with pytest.raises(ChannelNotFoundEntity):
                await (await connection.channel()).declare_queue(names("missing"), passive=True)
            queue = await (await connection.channel()).declare_queue(exclusive=True)
            return queue.name

    assert run_async(program()).startswith("amq.gen-")


def test_a_robust_connection_consumes_again_after_its_socket_broke(broker: Broker, names: Names) -> None:
    async def program() -> bytes:
        connection = await aio_pika.connect_robust(broker.url, reconnect_interval=0.1)
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(names("robust"), auto_delete=False)
            received: asyncio.Queue[bytes] = asyncio.Queue()

            async def take(message: AbstractIncomingMessage) -> None:
                async with message.process():
                    received.put_nowait(message.body)

            await queue.consume(take)
            reconnected = asyncio.Event()
            connection.reconnect_callbacks.add(lambda *_sender: reconnected.set())
            assert connection.transport is not None
            await connection.transport.connection.close(ConnectionError("the cable was pulled"))
            await reconnected.wait()
            await channel.default_exchange.publish(aio_pika.Message(b"after"), queue.name)
            return await received.get()

    assert run_async(program()) == b"after"


def test_the_rpc_pattern_returns_results_and_raises_the_servers_errors(broker: Broker, names: Names) -> None:
    async def multiply(*, x: int, y: int) -> int:
        return x * y

    async def divide(*, x: int, y: int) -> float:
        return x / y

    async def program() -> list[int]:
        multiply_name, divide_name = names("multiply"), names("divide")
        async with await aio_pika.connect_robust(broker.url) as connection:
            rpc = await RPC.create(await connection.channel())
            await rpc.register(multiply_name, multiply, auto_delete=True)
            await rpc.register(divide_name, divide, auto_delete=True)
            with pytest.raises(ZeroDivisionError):
                await rpc.call(divide_name, kwargs={"x": 1, "y": 0})
            calls = (rpc.call(multiply_name, kwargs={"x": 100, "y": number}) for number in range(20))
            results = list(await asyncio.gather(*calls))
            await rpc.close()
            return results

    assert run_async(program()) == [100 * number for number in range(20)]


def test_the_master_worker_pattern_runs_every_task(broker: Broker, names: Names) -> None:
    async def program() -> list[int]:
        task_name = names("work")
        done: list[int] = []
        finished = asyncio.Event()

        async def work(*, number: int) -> None:
            done.append(number)
            if len(done) == 10:
                finished.set()

        async with await aio_pika.connect(broker.url) as connection:
            master = Master(await connection.channel())
            await master.create_worker(task_name, work, auto_delete=True)
            for number in range(10):
                await master.create_task(task_name, kwargs={"number": number})
            await finished.wait()
        return sorted(done)

    assert run_async(program()) == list(range(10))


def test_a_transaction_of_aio_pika_publishes_on_commit_only(broker: Broker, names: Names) -> None:
    async def program() -> list[int | None]:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel(publisher_confirms=False)
            queue = await channel.declare_queue(names("transaction"))
            counts = []

            async def count() -> int | None:
                declared = await channel.declare_queue(queue.name, passive=True)
                return declared.declaration_result.message_count

            transaction = channel.transaction()
            await transaction.select()
            for finish in (transaction.rollback, transaction.commit):
                await channel.default_exchange.publish(aio_pika.Message(b"m"), queue.name)
                await finish()
                counts.append(await count())
            return counts

    assert run_async(program()) == [0, 1]
