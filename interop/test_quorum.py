"""Quorum queues: what they count, where they put what comes back, when they refuse, and what they never lose."""

from collections.abc import Callable
from typing import Any

import aio_pika
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker, NackError

from interop.broker import Broker, Server
from interop.names import Names
from interop.restarting import killed, restart, stopped
from interop.waiting import pump_until, run_async

Connect = Callable[[], pika.BlockingConnection]
Seen = tuple[bytes, bool, int | None]


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> BlockingChannel:
    """A channel whose publishes return when the broker has taken the message."""
    channel = connection.channel()
    channel.confirm_delivery()
    return channel


def declare(
    channel: BlockingChannel, names: Names, label: str = "queue", kind: str = "quorum", **arguments: object
) -> str:
    """Declare a queue; underscores in the arguments' names stand for hyphens."""
    queue = names(label)
    table = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": kind, **table})
    return queue


def publish(channel: BlockingChannel, queue: str, *bodies: bytes, **properties: Any) -> None:
    for body in bodies:
        channel.basic_publish("", queue, body, pika.BasicProperties(**properties))


def count_of(properties: pika.BasicProperties) -> int | None:
    return (properties.headers or {}).get("x-delivery-count")


def take(channel: BlockingChannel, queue: str, count: int) -> list[int]:
    """Get so many without settling them; their delivery tags."""
    return [channel.basic_get(queue)[0].delivery_tag for _ in range(count)]


def take_all(channel: BlockingChannel, queue: str) -> list[Seen]:
    """Body, redelivered and delivery count of everything there is, each taken for good."""
    taken: list[Seen] = []
    while True:
        method, properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return taken
        taken.append((body, method.redelivered, count_of(properties)))


def bodies(channel: BlockingChannel, queue: str) -> bytes:
    return b"".join(body for body, _redelivered, _count in take_all(channel, queue))


def ready(channel: BlockingChannel, queue: str) -> int:
    count: int = channel.queue_declare(queue, passive=True).method.message_count
    return count


def wait_for(channel: BlockingChannel, queue: str, count: int) -> None:
    """Wait until so many messages are ready."""
    pump_until(channel.connection, lambda: ready(channel, queue) == count)


def requeue(channel: BlockingChannel, queue: str, tag: int, **flags: Any) -> None:
    """Give one back, and wait until it has arrived."""
    before = ready(channel, queue)
    channel.basic_nack(tag, requeue=True, **flags)
    pump_until(channel.connection, lambda: ready(channel, queue) > before)


def is_taken(channel: BlockingChannel, queue: str) -> bool:
    """Whether the queue takes a message."""
    try:
        channel.basic_publish("", queue, b"")
    except NackError:
        return False
    return True


def dead_letter(channel: BlockingChannel, queue: str) -> tuple[bytes, str]:
    """Wait for a dead letter: its body, and what it died of."""
    wait_for(channel, queue, 1)
    _method, properties, body = channel.basic_get(queue, auto_ack=True)
    assert "x-delivery-count" not in properties.headers
    return body, properties.headers["x-first-death-reason"]


class TestDeliveryCounts:
    def test_are_told_by_get(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        publish(channel, queue, b"1")
        for _ in range(2):
            requeue(channel, queue, take(channel, queue, 1)[0])
        publish(channel, queue, b"2")
        assert take_all(channel, queue) == [(b"1", True, 2), (b"2", False, 0)]

    def test_are_told_to_consumers_from_the_second_delivery_on(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names)
        received: list[tuple[bool, int | None]] = []

        def refuse_twice(consumer: BlockingChannel, method: Any, properties: Any, _body: bytes) -> None:
            received.append((method.redelivered, count_of(properties)))
            consumer.basic_reject(method.delivery_tag, requeue=len(received) < 3)

        connection.channel().basic_consume(queue, refuse_twice)
        publish(channel, queue, b"")
        pump_until(connection, lambda: len(received) == 3)
        assert received == [(False, None), (True, 1), (True, 2)]

    def test_stand_among_sorted_headers(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        publish(channel, queue, b"", headers={"z": 1, "a": 2, "x-delivery-count": "mine"})
        _method, properties, _body = channel.basic_get(queue, auto_ack=True)
        assert list(properties.headers.items()) == [("a", 2), ("x-delivery-count", 0), ("z", 1)]

    def test_are_told_to_aio_pika(self, broker: Broker, names: Names) -> None:
        async def program() -> list[tuple[bool | None, object]]:
            connection = await aio_pika.connect(broker.url)
            async with connection:
                channel = await connection.channel()
                queue = await channel.declare_queue(
                    names("queue"), durable=True, arguments={"x-queue-type": "quorum"}
                )
                await channel.default_exchange.publish(aio_pika.Message(b""), queue.name)
                seen: list[tuple[bool | None, object]] = []
                async with queue.iterator() as messages:
                    async for message in messages:
                        seen.append((message.redelivered, message.headers.get("x-delivery-count")))
                        if len(seen) == 2:
                            await message.ack()
                            break
                        await message.nack(requeue=True)
                return seen

        assert run_async(program()) == [(False, None), (True, 1)]


class TestWhatComesBack:
    def test_stands_at_the_end(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        publish(channel, queue, b"0", b"1", b"2", b"3")
        tags = take(channel, queue, 3)
        requeue(channel, queue, tags[1])
        publish(channel, queue, b"4")
        requeue(channel, queue, tags[0])
        requeue(channel, queue, tags[2])
        publish(channel, queue, b"5")
        assert bodies(channel, queue) == b"314025"

    def test_stands_at_the_end_together(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        publish(channel, queue, b"0", b"1", b"2", b"3", b"4")
        channel.basic_nack(take(channel, queue, 3)[2], multiple=True)
        wait_for(channel, queue, 5)
        assert bodies(channel, queue) == b"34012"

    def test_stands_in_front_with_a_delivery_limit(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, delivery_limit=5)
        publish(channel, queue, b"0", b"1", b"2", b"3")
        tags = take(channel, queue, 3)
        for index in (1, 0, 2):
            requeue(channel, queue, tags[index])
        assert bodies(channel, queue) == b"1023"

    def test_stands_in_front_when_its_channel_ends(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names)
        publish(channel, queue, b"0", b"1", b"2", b"3")
        other = connection.channel()
        take(other, queue, 3)
        other.close()
        wait_for(channel, queue, 4)
        assert take_all(channel, queue) == [
            (b"0", True, 1),
            (b"1", True, 1),
            (b"2", True, 1),
            (b"3", False, 0),
        ]

    def test_dies_when_it_comes_too_often(self, channel: BlockingChannel, names: Names) -> None:
        dead = declare(channel, names, "dead", "classic")
        queue = declare(
            channel, names, delivery_limit=1, dead_letter_exchange="", dead_letter_routing_key=dead
        )
        publish(channel, queue, b"poison")
        requeue(channel, queue, take(channel, queue, 1)[0])
        channel.basic_nack(take(channel, queue, 1)[0])
        assert dead_letter(channel, dead) == (b"poison", "delivery_limit")

    def test_dies_too_when_its_channel_ends(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        dead = declare(channel, names, "dead", "classic")
        queue = declare(
            channel, names, delivery_limit=0, dead_letter_exchange="", dead_letter_routing_key=dead
        )
        publish(channel, queue, b"poison")
        other = connection.channel()
        take(other, queue, 1)
        other.close()
        assert dead_letter(channel, dead) == (b"poison", "delivery_limit")


class TestConsumers:
    def test_may_all_be_exclusive(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        channel.basic_consume(queue, print, exclusive=True)
        channel.basic_consume(queue, print, exclusive=True)
        assert channel.queue_declare(queue, passive=True).method.consumer_count == 2

    def test_follow_each_other_in_order_where_one_is_active(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names, single_active_consumer=True)
        received: list[str] = []
        channels = [connection.channel() for _ in range(3)]
        for consumer, priority in zip(channels, (0, 1, 5), strict=True):
            consumer.basic_consume(
                queue,
                lambda _c, method, _p, _b: received.append(method.consumer_tag),
                auto_ack=True,
                consumer_tag=f"priority {priority}",
                arguments={"x-priority": priority},
            )
        for number, consumer in enumerate(channels):
            publish(channel, queue, b"")
            pump_until(connection, lambda number=number: len(received) > number)  # type: ignore[misc]
            consumer.close()
        assert received == ["priority 0", "priority 1", "priority 5"]

    def test_hear_that_their_queue_was_deleted(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names)
        cancelled: list[Any] = []
        consumer = connection.channel()
        consumer.add_on_cancel_callback(cancelled.append)
        consumer.basic_consume(queue, print)
        channel.queue_delete(queue)
        pump_until(connection, lambda: cancelled)

    def test_cannot_share_a_credit(self, connect: Connect, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        other = connect().channel()
        other.basic_qos(prefetch_count=5, global_qos=True)
        with pytest.raises(ConnectionClosedByBroker) as caught:
            other.basic_consume(queue, print)
        assert caught.value.reply_code == 540
        assert "does not support global qos" in caught.value.reply_text

    def test_share_no_credit_any_more_once_they_have_their_own(
        self, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names)
        channel.basic_qos(prefetch_count=5, global_qos=True)
        channel.basic_qos(prefetch_count=5)
        channel.basic_consume(queue, print)


class TestRefusals:
    @pytest.mark.parametrize("flag", ["if_unused", "if_empty"])
    def test_of_conditions_for_deletion(
        self, connect: Connect, channel: BlockingChannel, names: Names, flag: str
    ) -> None:
        queue = declare(channel, names)
        with pytest.raises(ConnectionClosedByBroker) as caught:
            connect().channel().queue_delete(queue, **{flag: True})
        assert caught.value.reply_code == 540
        assert caught.value.reply_text == (
            f"NOT_IMPLEMENTED - cannot delete queue '{queue}' in vhost '/'. queue.delete operations with "
            f"{flag.replace('_', '-')} flag set are not supported by quorum queues"
        )

    def test_of_getting_where_one_consumer_is_active(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, single_active_consumer=True)
        with pytest.raises(ChannelClosedByBroker) as caught:
            channel.basic_get(queue)
        assert caught.value.reply_code == 405
        assert caught.value.reply_text == (
            f"RESOURCE_LOCKED - cannot obtain access to locked queue '{queue}' in vhost '/'. basic.get operations are "
            "not supported by quorum queues with single active consumer"
        )


class TestLimits:
    def test_drop_the_first(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, max_length=2)
        publish(channel, queue, b"1", b"2", b"3")
        assert bodies(channel, queue) == b"23"

    def test_drop_for_what_comes_back(self, channel: BlockingChannel, names: Names) -> None:
        dead = declare(channel, names, "dead", "classic")
        queue = declare(channel, names, max_length=2, dead_letter_exchange="", dead_letter_routing_key=dead)
        publish(channel, queue, b"1", b"2")
        tag = take(channel, queue, 1)[0]
        publish(channel, queue, b"3")
        channel.basic_nack(tag)
        assert dead_letter(channel, dead) == (b"2", "maxlen")
        assert take_all(channel, queue) == [(b"3", False, 0), (b"1", True, 1)]

    def test_refuse_until_a_fifth_is_free(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, max_length=10, overflow="reject-publish")
        publish(channel, queue, *[b""] * 11)
        pump_until(channel.connection, lambda: not is_taken(channel, queue))
        full = ready(channel, queue)
        for left in range(full - 1, 8, -1):
            channel.basic_get(queue, auto_ack=True)
            wait_for(channel, queue, left)
            assert not is_taken(channel, queue)
        channel.basic_get(queue, auto_ack=True)
        pump_until(channel.connection, lambda: is_taken(channel, queue))
        assert is_taken(channel, queue)

    def test_are_none_for_dead_letters(self, channel: BlockingChannel, names: Names) -> None:
        full = declare(channel, names, "full", max_length=1, overflow="reject-publish")
        queue = declare(channel, names, dead_letter_exchange="", dead_letter_routing_key=full)
        publish(channel, full, b"1", b"2")
        publish(channel, queue, b"3")
        channel.basic_nack(take(channel, queue, 1)[0], requeue=False)
        wait_for(channel, full, 3)


class TestTimeToLive:
    def test_of_a_queue_ends_its_messages(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, message_ttl=100)
        publish(channel, queue, b"1", b"2")
        wait_for(channel, queue, 0)

    def test_of_a_message_ends_it_when_it_comes_to_the_head(
        self, channel: BlockingChannel, names: Names
    ) -> None:
        queue, clock = declare(channel, names), declare(channel, names, "clock")
        publish(channel, queue, b"stays")
        publish(channel, queue, b"goes", expiration="50")
        publish(channel, clock, b"tick", expiration="100")
        wait_for(channel, clock, 0)
        assert ready(channel, queue) == 2
        assert bodies(channel, queue) == b"stays"


class TestAtLeastOnce:
    def declare(self, channel: BlockingChannel, names: Names, dead: str, **arguments: object) -> str:
        return declare(
            channel,
            names,
            overflow="reject-publish",
            dead_letter_strategy="at-least-once",
            dead_letter_exchange="",
            dead_letter_routing_key=dead,
            **arguments,
        )

    def test_hands_dead_letters_on(self, channel: BlockingChannel, names: Names) -> None:
        dead = declare(channel, names, "dead")
        queue = self.declare(channel, names, dead)
        publish(channel, queue, b"1")
        channel.basic_nack(take(channel, queue, 1)[0], requeue=False)
        wait_for(channel, dead, 1)
        _method, properties, body = channel.basic_get(dead, auto_ack=True)
        assert (body, properties.headers["x-first-death-reason"]) == (b"1", "rejected")

    def test_hands_on_what_has_expired(self, channel: BlockingChannel, names: Names) -> None:
        dead = declare(channel, names, "dead", "classic")
        queue = self.declare(channel, names, dead, message_ttl=50)
        publish(channel, queue, b"1")
        assert dead_letter(channel, dead) == (b"1", "expired")

    def test_counts_what_nobody_takes_against_the_limit(self, channel: BlockingChannel, names: Names) -> None:
        queue = self.declare(channel, names, names("missing"), max_length=3)
        publish(channel, queue, b"1", b"2", b"3")
        for tag in take(channel, queue, 2):
            channel.basic_nack(tag, requeue=False)
        assert ready(channel, queue) == 1
        pump_until(channel.connection, lambda: not is_taken(channel, queue))
        assert ready(channel, queue) < 4


def test_of_consumers_only_the_single_active_one_is_counted(channel: BlockingChannel, names: Names) -> None:
    queue = declare(channel, names, single_active_consumer=True)
    for _ in range(2):
        channel.basic_consume(queue, lambda *_delivery: None)
    assert channel.queue_declare(queue, passive=True).method.consumer_count == 1


def test_a_full_queue_has_room_again_when_its_messages_have_expired(
    channel: BlockingChannel, names: Names
) -> None:
    queue = declare(channel, names, max_length=1, overflow="reject-publish", message_ttl=500)
    publish(channel, queue, b"1", b"2")
    wait_for(channel, queue, 0)
    pump_until(channel.connection, lambda: is_taken(channel, queue))


def test_who_gives_a_message_back_has_its_next_turn_after_the_others(
    channel: BlockingChannel, names: Names
) -> None:
    queue = declare(channel, names)
    channel.basic_qos(prefetch_count=1)
    turns: list[str] = []

    def refuse_once(_channel: BlockingChannel, method: Any, _properties: object, _body: bytes) -> None:
        turns.append(method.consumer_tag)
        if len(turns) == 1:
            channel.basic_consume(queue, refuse_once, consumer_tag="second")
            channel.basic_reject(method.delivery_tag)

    channel.basic_consume(queue, refuse_once, consumer_tag="first")
    publish(channel, queue, b"1")
    pump_until(channel.connection, lambda: len(turns) == 2)
    assert turns == ["first", "second"]


class TestAfterTheEndOfTheBroker:
    @pytest.mark.parametrize("way", [stopped, killed])
    def test_everything_is_there_and_counted(self, server: Server, names: Names, way: str) -> None:
        connection = pika.BlockingConnection(pika.URLParameters(server.broker.url))
        channel = connection.channel()
        channel.confirm_delivery()
        queue = declare(channel, names)
        publish(channel, queue, b"1", b"2", b"3", delivery_mode=1)
        requeue(channel, queue, take(channel, queue, 1)[0])
        take(channel, queue, 1)
        publish(channel, queue, b"4", delivery_mode=1)
        restart(server, way)
        channel = pika.BlockingConnection(pika.URLParameters(server.broker.url)).channel()
        wait_for(channel, queue, 4)
        assert take_all(channel, queue) == [
            (b"2", True, 1),
            (b"3", False, 0),
            (b"1", True, 1),
            (b"4", False, 0),
        ]
        channel.connection.close()
