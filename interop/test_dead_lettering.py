"""What dies, where it goes and what it then says about itself, as programs that retry and inspect rely on it."""

import asyncio
import datetime
import uuid
from collections.abc import Callable
from typing import Any

import aio_pika
import pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, NackError

from interop.broker import Broker
from interop.names import Names
from interop.waiting import pump_until, run_async

Connect = Callable[[], pika.BlockingConnection]
Got = tuple[pika.spec.Basic.GetOk, pika.BasicProperties, bytes]


def declare(channel: BlockingChannel, names: Names, label: str, **arguments: object) -> str:
    """Declare a queue; underscores in the arguments' names stand for hyphens."""
    queue = names(label)
    channel.queue_declare(
        queue, arguments={f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    )
    return queue


def declare_dying(channel: BlockingChannel, names: Names, dead: str, **arguments: object) -> str:
    """Declare a queue whose dead messages go to the queue `dead`."""
    return declare(
        channel, names, "queue", dead_letter_exchange="", dead_letter_routing_key=dead, **arguments
    )


def take(channel: BlockingChannel, queue: str) -> Got:
    """Wait for a message in the queue and take it out."""
    got: list[Got] = []

    def has_come() -> bool:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is not None:
            got.append((method, properties, body))
        return bool(got)

    pump_until(channel.connection, has_come)
    return got[0]


def reject_next(channel: BlockingChannel, queue: str) -> None:
    method, _properties, _body = channel.basic_get(queue)
    assert method is not None
    channel.basic_reject(method.delivery_tag, requeue=False)


def headers_of(got: Got) -> dict[str, Any]:
    headers = got[1].headers
    assert headers is not None
    return headers


def deaths_of(got: Got) -> list[dict[str, Any]]:
    deaths: list[dict[str, Any]] = headers_of(got)["x-death"]
    return deaths


def summary(got: Got) -> list[tuple[str, str, int]]:
    """Queue, reason and count of each death."""
    return [(death["queue"], death["reason"], death["count"]) for death in deaths_of(got)]


def ready(channel: BlockingChannel, queue: str) -> int:
    count: int = channel.queue_declare(queue, passive=True).method.message_count
    return count


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> BlockingChannel:
    """A channel whose publishes return when the broker has taken the message."""
    channel = connection.channel()
    channel.confirm_delivery()
    return channel


@pytest.fixture
def dead(channel: BlockingChannel, names: Names) -> str:
    """A queue for what died."""
    return declare(channel, names, "dead")


@pytest.mark.parametrize("method", ["reject", "nack"])
def test_a_rejected_message_tells_its_death(
    channel: BlockingChannel, names: Names, dead: str, method: str
) -> None:
    queue = declare_dying(channel, names, dead)
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    channel.basic_publish("", queue, b"poison", pika.BasicProperties(headers={"mine": 1}, delivery_mode=2))
    delivered, _properties, _body = channel.basic_get(queue)
    assert delivered is not None
    if method == "reject":
        channel.basic_reject(delivered.delivery_tag, requeue=False)
    else:
        channel.basic_nack(delivered.delivery_tag, requeue=False)

    got = take(channel, dead)
    assert got[2] == b"poison"
    assert (got[0].exchange, got[0].routing_key, got[0].redelivered) == ("", dead, False)
    assert got[1].delivery_mode == 2
    [death] = deaths_of(got)
    assert before <= death.pop("time") <= before + datetime.timedelta(minutes=1)
    assert list(death.items()) == [
        ("count", 1),
        ("reason", "rejected"),
        ("queue", queue),
        ("exchange", ""),
        ("routing-keys", [queue]),
    ]
    assert list(headers_of(got).items()) == [
        ("mine", 1),
        ("x-death", [death]),
        ("x-first-death-exchange", ""),
        ("x-first-death-queue", queue),
        ("x-first-death-reason", "rejected"),
    ]


def test_nack_multiple_kills_in_the_order_of_the_queue(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead)
    for number in range(5):
        channel.basic_publish("", queue, str(number))
    last = None
    for _ in range(5):
        last, _properties, _body = channel.basic_get(queue)
    assert last is not None
    channel.basic_nack(last.delivery_tag, multiple=True, requeue=False)
    assert [take(channel, dead)[2] for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_message_whose_queue_lets_it_expire_is_dead(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead, message_ttl=50)
    channel.basic_publish("", queue, b"late")
    got = take(channel, dead)
    assert got[2] == b"late"
    assert summary(got) == [(queue, "expired", 1)]
    assert "original-expiration" not in deaths_of(got)[0]
    assert headers_of(got)["x-first-death-reason"] == "expired"


def test_messages_expire_in_the_order_of_the_queue(channel: BlockingChannel, names: Names, dead: str) -> None:
    queue = declare_dying(channel, names, dead, message_ttl=50)
    for number in range(20):
        channel.basic_publish("", queue, str(number))
    assert [take(channel, dead)[2] for _ in range(20)] == [b"%d" % number for number in range(20)]


def test_a_message_that_expires_by_itself_is_dead_and_does_not_expire_again(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead)
    channel.basic_publish("", queue, b"late", pika.BasicProperties(expiration="50"))
    got = take(channel, dead)
    assert got[1].expiration is None
    assert summary(got) == [(queue, "expired", 1)]
    assert deaths_of(got)[0]["original-expiration"] == "50"


def test_a_rejected_message_remembers_that_it_would_have_expired(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead)
    channel.basic_publish("", queue, b"", pika.BasicProperties(expiration="60000"))
    reject_next(channel, queue)
    got = take(channel, dead)
    assert got[1].expiration is None
    assert deaths_of(got)[0]["original-expiration"] == "60000"


def test_a_message_that_nobody_waits_for_dies_at_once_with_a_time_to_live_of_zero(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead, message_ttl=0)
    channel.basic_publish("", queue, b"now or never")
    assert summary(take(channel, dead)) == [(queue, "expired", 1)]


def test_a_full_queue_lets_its_oldest_message_die(channel: BlockingChannel, names: Names, dead: str) -> None:
    queue = declare_dying(channel, names, dead, max_length=2)
    for body in (b"1", b"2", b"3"):
        channel.basic_publish("", queue, body)
    got = take(channel, dead)
    assert got[2] == b"1"
    assert summary(got) == [(queue, "maxlen", 1)]
    assert [take(channel, queue)[2] for _ in range(2)] == [b"2", b"3"]


def test_a_queue_with_too_many_octets_lets_its_oldest_messages_die(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead, max_length_bytes=100)
    for body in (b"a" * 40, b"b" * 40, b"c" * 100):
        channel.basic_publish("", queue, body)
    got = [take(channel, dead) for _ in range(2)]
    assert [body[:1] for _method, _properties, body in got] == [b"a", b"b"]
    assert [summary(each) for each in got] == [[(queue, "maxlen", 1)]] * 2
    assert take(channel, queue)[2] == b"c" * 100


def test_a_message_that_a_full_queue_refuses_is_dead_and_nacked(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead, max_length=1, overflow="reject-publish-dlx")
    channel.basic_publish("", queue, b"taken")
    with pytest.raises(NackError):
        channel.basic_publish("", queue, b"refused")
    got = take(channel, dead)
    assert got[2] == b"refused"
    assert summary(got) == [(queue, "maxlen", 1)]
    assert take(channel, queue)[2] == b"taken"


def test_a_message_that_a_full_queue_refuses_without_dead_lettering_is_gone(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead, max_length=1, overflow="reject-publish")
    channel.basic_publish("", queue, b"taken")
    with pytest.raises(NackError):
        channel.basic_publish("", queue, b"refused")
    reject_next(channel, queue)
    assert take(channel, dead)[2] == b"taken"
    assert ready(channel, dead) == 0


def test_a_dead_message_keeps_its_key_and_its_cc_if_the_queue_has_no_key_for_it(
    channel: BlockingChannel, names: Names
) -> None:
    exchange = names("dlx")
    channel.exchange_declare(exchange, "direct")
    queue = declare(channel, names, "queue", dead_letter_exchange=exchange)
    by_key, by_copy = declare(channel, names, "by-key"), declare(channel, names, "by-copy")
    channel.queue_bind(by_key, exchange, queue)
    channel.queue_bind(by_copy, exchange, "copy")
    channel.basic_publish("", queue, b"", pika.BasicProperties(headers={"CC": ["copy"]}))
    reject_next(channel, queue)
    for got in (take(channel, by_key), take(channel, by_copy)):
        assert (got[0].exchange, got[0].routing_key) == (exchange, queue)
        assert headers_of(got)["CC"] == ["copy"]
        assert deaths_of(got)[0]["routing-keys"] == [queue, "copy"]


def test_the_queues_key_takes_the_place_of_the_messages_key_and_of_cc(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue, copy = declare_dying(channel, names, dead), declare(channel, names, "copy")
    channel.basic_publish("", queue, b"", pika.BasicProperties(headers={"CC": [copy]}))
    assert take(channel, copy)[2] == b""
    reject_next(channel, queue)
    got = take(channel, dead)
    assert "CC" not in headers_of(got)
    assert deaths_of(got)[0]["routing-keys"] == [queue, copy]
    assert ready(channel, copy) == 0


def test_properties_and_a_large_body_outlive_the_death(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead)
    properties: dict[str, Any] = {
        "content_type": "text/plain",
        "content_encoding": "gzip",
        "delivery_mode": 1,
        "priority": 3,
        "correlation_id": uuid.uuid4().hex,
        "reply_to": "somewhere",
        "message_id": "m",
        "timestamp": 2_000_000_000,
        "type": "t",
        "app_id": "a",
        "cluster_id": "c",
    }
    body = bytes(range(256)) * 4000
    channel.basic_publish("", queue, body, pika.BasicProperties(**properties))
    reject_next(channel, queue)
    got = take(channel, dead)
    assert got[2] == body
    assert {name: getattr(got[1], name) for name in properties} == properties


def test_a_message_that_dies_in_two_queues_tells_of_both(channel: BlockingChannel, names: Names) -> None:
    end = declare(channel, names, "end")
    exchange = names("dlx")
    channel.exchange_declare(exchange, "topic")
    second = declare(channel, names, "second", dead_letter_exchange="", dead_letter_routing_key=end)
    channel.queue_bind(second, exchange, "dead.*")
    first = declare(
        channel, names, "first", dead_letter_exchange=exchange, dead_letter_routing_key="dead.once"
    )
    channel.basic_publish("", first, b"", pika.BasicProperties(expiration="50"))
    pump_until(channel.connection, lambda: ready(channel, second))
    reject_next(channel, second)
    got = take(channel, end)
    latest, earliest = deaths_of(got)
    assert summary(got) == [(second, "rejected", 1), (first, "expired", 1)]
    assert (latest["exchange"], latest["routing-keys"]) == (exchange, ["dead.once"])
    assert (earliest["exchange"], earliest["routing-keys"]) == ("", [first])
    assert "original-expiration" not in latest
    assert earliest["original-expiration"] == "50"
    headers = headers_of(got)
    assert (headers["x-first-death-queue"], headers["x-first-death-reason"]) == (first, "expired")
    assert headers["x-first-death-exchange"] == ""


def test_every_death_in_one_queue_for_one_reason_counts(channel: BlockingChannel, names: Names) -> None:
    queue = declare(channel, names, "queue", dead_letter_exchange="")
    channel.basic_publish("", queue, b"again")
    for _ in range(3):
        pump_until(channel.connection, lambda: ready(channel, queue))
        reject_next(channel, queue)
    assert summary(take(channel, queue)) == [(queue, "rejected", 3)]


def test_a_message_that_comes_back_by_itself_is_dropped(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    exchange = names("dlx")
    channel.exchange_declare(exchange, "fanout")
    queue = declare(channel, names, "queue", dead_letter_exchange=exchange, message_ttl=50)
    channel.queue_bind(queue, exchange)
    channel.queue_bind(dead, exchange)
    channel.basic_publish("", queue, b"round and round")
    assert summary(take(channel, dead)) == [(queue, "expired", 1)]
    assert (ready(channel, queue), ready(channel, dead)) == (0, 0)


def test_a_longer_cycle_ends_where_it_began(channel: BlockingChannel, names: Names, dead: str) -> None:
    """first and second send each other what expires; `dead` hears of every death in second."""
    exchange, second = names("dlx"), names("second")
    channel.exchange_declare(exchange, "fanout")
    first = declare(
        channel, names, "first", message_ttl=50, dead_letter_exchange="", dead_letter_routing_key=second
    )
    channel.queue_declare(second, arguments={"x-message-ttl": 50, "x-dead-letter-exchange": exchange})
    channel.queue_bind(first, exchange)
    channel.queue_bind(dead, exchange)
    channel.basic_publish("", first, b"")
    assert summary(take(channel, dead)) == [(second, "expired", 1), (first, "expired", 1)]
    assert [ready(channel, queue) for queue in (first, second, dead)] == [0, 0, 0]


def test_a_message_that_a_consumer_rejected_may_go_round(channel: BlockingChannel, names: Names) -> None:
    """The way programs wait between two attempts."""
    work, wait = names("work"), names("wait")
    channel.queue_declare(work, arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": wait})
    channel.queue_declare(
        wait,
        arguments={"x-message-ttl": 50, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work},
    )
    channel.basic_publish("", work, b"try")
    for _ in range(2):
        pump_until(channel.connection, lambda: ready(channel, work))
        reject_next(channel, work)
    got = take(channel, work)
    assert summary(got) == [(wait, "expired", 2), (work, "rejected", 2)]
    assert headers_of(got)["x-first-death-queue"] == work


def test_a_dead_letter_exchange_may_be_missing_and_may_come_later(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    exchange = names("dlx")
    queue = declare(channel, names, "queue", dead_letter_exchange=exchange)
    channel.basic_publish("", queue, b"lost")
    reject_next(channel, queue)
    assert ready(channel, queue) == 0
    channel.exchange_declare(exchange, "fanout")
    channel.queue_bind(dead, exchange)
    channel.basic_publish("", queue, b"found")
    reject_next(channel, queue)
    assert take(channel, dead)[2] == b"found"


def test_an_alternate_exchange_takes_the_dead_that_no_queue_wants(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    exchange, alternate = names("dlx"), names("alternate")
    channel.exchange_declare(alternate, "fanout")
    channel.exchange_declare(exchange, "direct", arguments={"alternate-exchange": alternate})
    channel.queue_bind(dead, alternate)
    queue = declare(channel, names, "queue", dead_letter_exchange=exchange)
    channel.basic_publish("", queue, b"")
    reject_next(channel, queue)
    got = take(channel, dead)
    assert (got[0].exchange, got[0].routing_key) == (exchange, queue)


def test_the_dead_can_be_sorted_by_how_they_died(channel: BlockingChannel, names: Names) -> None:
    exchange = names("dlx")
    channel.exchange_declare(exchange, "headers")
    queue = declare(channel, names, "queue", dead_letter_exchange=exchange)
    rejected, expired = declare(channel, names, "rejected"), declare(channel, names, "expired")
    for each, reason in ((rejected, "rejected"), (expired, "expired")):
        arguments = {"x-match": "all-with-x", "x-first-death-reason": reason}
        channel.queue_bind(each, exchange, arguments=arguments)
    channel.basic_publish("", queue, b"late", pika.BasicProperties(expiration="0"))
    assert take(channel, expired)[2] == b"late"
    channel.basic_publish("", queue, b"poison")
    reject_next(channel, queue)
    assert take(channel, rejected)[2] == b"poison"
    assert (ready(channel, rejected), ready(channel, expired)) == (0, 0)


def test_purged_deleted_and_given_back_messages_do_not_die(
    connect: Connect, channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead)
    channel.basic_publish("", queue, b"purged")
    channel.queue_purge(queue)
    channel.basic_publish("", queue, b"kept")
    consumer = connect()
    assert consumer.channel().basic_get(queue)[2] == b"kept"
    consumer.close()
    pump_until(channel.connection, lambda: ready(channel, queue))
    channel.queue_delete(queue)
    assert ready(channel, dead) == 0


def test_a_message_rejected_in_a_transaction_dies_when_it_commits(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names, dead: str
) -> None:
    queue = declare_dying(channel, names, dead)
    channel.basic_publish("", queue, b"")
    transaction = connection.channel()
    transaction.tx_select()
    reject_next(transaction, queue)
    transaction.tx_rollback()
    assert ready(channel, dead) == 0
    transaction.basic_nack(1, requeue=False)
    transaction.tx_commit()
    assert summary(take(channel, dead)) == [(queue, "rejected", 1)]


def test_what_a_publisher_wrote_into_x_death_counts(
    channel: BlockingChannel, names: Names, dead: str
) -> None:
    """Programs publish what they got, with all its headers."""
    queue = declare_dying(channel, names, dead)
    history = [
        {"count": 4, "queue": queue, "reason": "rejected"},
        {"queue": "elsewhere", "reason": "expired"},
    ]
    channel.basic_publish("", queue, b"", pika.BasicProperties(headers={"x-death": history}))
    reject_next(channel, queue)
    got = take(channel, dead)
    assert summary(got) == [(queue, "rejected", 5), ("elsewhere", "expired", 1)]
    assert "x-first-death-queue" not in headers_of(got)


def test_an_x_death_that_is_no_list_starts_anew(channel: BlockingChannel, names: Names, dead: str) -> None:
    queue = declare_dying(channel, names, dead)
    channel.basic_publish("", queue, b"", pika.BasicProperties(headers={"x-death": "often"}))
    reject_next(channel, queue)
    assert summary(take(channel, dead)) == [(queue, "rejected", 1)]


def test_a_key_for_the_dead_needs_an_exchange(channel: BlockingChannel, names: Names) -> None:
    queue = names("queue")
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.queue_declare(queue, arguments={"x-dead-letter-routing-key": "key"})
    assert caught.value.reply_code == 406
    assert caught.value.reply_text.startswith(
        f"PRECONDITION_FAILED - invalid arg 'x-dead-letter-routing-key' for queue '{queue}'"
    )


def test_aio_pika_sends_a_failed_task_to_the_dead(broker: Broker, names: Names) -> None:
    async def program() -> tuple[bytes, Any]:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            exchange = await channel.declare_exchange(names("dlx"), aio_pika.ExchangeType.FANOUT)
            dead = await channel.declare_queue(names("dead"))
            await dead.bind(exchange)
            queue = await channel.declare_queue(
                names("queue"), arguments={"x-dead-letter-exchange": exchange.name}
            )

            async def fail(message: AbstractIncomingMessage) -> None:
                async with message.process(requeue=False, ignore_processed=True):
                    await message.reject(requeue=False)

            await queue.consume(fail)
            await channel.default_exchange.publish(aio_pika.Message(b"task"), queue.name)
            async with dead.iterator() as messages:
                async for message in messages:
                    async with message.process():
                        return message.body, message.headers["x-death"]
        raise AssertionError("the iterator ended without a message")

    body, deaths = run_async(program())
    assert body == b"task"
    [death] = deaths
    assert (death["count"], death["reason"], death["queue"]) == (1, "rejected", names("queue"))
    assert death["routing-keys"] == [names("queue")]


def test_aio_pika_retries_three_times_with_a_pause(broker: Broker, names: Names) -> None:
    async def program() -> list[int]:
        async with await aio_pika.connect_robust(broker.url) as connection:
            channel = await connection.channel()
            work_name, pause_name = names("work"), names("pause")
            work = await channel.declare_queue(
                work_name,
                durable=True,
                arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": pause_name},
            )
            await channel.declare_queue(
                pause_name,
                durable=True,
                arguments={
                    "x-message-ttl": 30,
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": work_name,
                },
            )
            attempts: list[int] = []
            done = asyncio.Event()

            async def attempt(message: AbstractIncomingMessage) -> None:
                deaths: Any = message.headers.get("x-death", [])
                counts = [death["count"] for death in deaths if death["queue"] == work_name]
                attempts.append(sum(counts))
                if attempts[-1] < 3:
                    await message.reject(requeue=False)
                else:
                    await message.ack()
                    done.set()

            await work.consume(attempt)
            message = aio_pika.Message(b"task", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, work_name)
            await done.wait()
            return attempts

    assert run_async(program()) == [0, 1, 2, 3]
