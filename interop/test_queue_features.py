"""What a queue does by itself when its arguments say so: expiry, limits, priorities, and who is served."""

from collections.abc import Callable
from typing import Any

import aio_pika
import pika
import pytest
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import DeliveryError
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError

from interop.broker import Broker
from interop.names import Names
from interop.waiting import pump_until, run_async

Connect = Callable[[], pika.BlockingConnection]
Delivery = tuple[pika.spec.Basic.Deliver, bytes]


def declare(channel: BlockingChannel, names: Names, label: str = "queue", **arguments: object) -> str:
    """Declare a queue; underscores in the arguments' names stand for hyphens."""
    queue = names(label)
    channel.queue_declare(
        queue, arguments={f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    )
    return queue


def publish(channel: BlockingChannel, queue: str, *bodies: bytes, **properties: Any) -> None:
    for body in bodies:
        channel.basic_publish("", queue, body, pika.BasicProperties(**properties))


def consume(channel: BlockingChannel, queue: str, **options: Any) -> list[Delivery]:
    """Consume into the list returned; nothing is acked."""
    deliveries: list[Delivery] = []
    channel.basic_consume(queue, lambda _c, method, _p, body: deliveries.append((method, body)), **options)
    return deliveries


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return [body for _method, body in deliveries]


def ready(channel: BlockingChannel, queue: str) -> int:
    count: int = channel.queue_declare(queue, passive=True).method.message_count
    return count


def take_all(channel: BlockingChannel, queue: str) -> list[bytes]:
    """Get, and ack, until the queue is empty."""
    taken: list[bytes] = []
    while True:
        method, _properties, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return taken
        taken.append(body)


def is_there(channel: BlockingChannel, queue: str) -> bool:
    """Whether a queue takes a message; that is no use of the queue."""
    try:
        channel.basic_publish("", queue, b"", mandatory=True)
    except UnroutableError:
        return False
    return True


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> BlockingChannel:
    """A channel whose publishes return when the broker has taken the message."""
    channel = connection.channel()
    channel.confirm_delivery()
    return channel


class TestTimeToLive:
    def test_of_a_queue_ends_its_messages(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, message_ttl=100)
        publish(channel, queue, b"1", b"2")
        pump_until(channel.connection, lambda: ready(channel, queue) == 0)
        assert take_all(channel, queue) == []

    def test_of_a_queue_does_not_end_a_message_before(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, message_ttl=60_000)
        publish(channel, queue, b"1", b"2")
        assert take_all(channel, queue) == [b"1", b"2"]

    @pytest.mark.parametrize(("queues", "messages"), [(60_000, "50"), (50, "60000")])
    def test_is_the_shorter_of_the_queues_and_the_messages(
        self, channel: BlockingChannel, names: Names, queues: int, messages: str
    ) -> None:
        queue = declare(channel, names, message_ttl=queues)
        publish(channel, queue, b"", expiration=messages)
        pump_until(channel.connection, lambda: ready(channel, queue) == 0)

    def test_of_a_message_ends_it_when_it_comes_to_the_head(
        self, channel: BlockingChannel, names: Names
    ) -> None:
        queue, clock = declare(channel, names), declare(channel, names, "clock")
        publish(channel, queue, b"stays")
        publish(channel, queue, b"goes", expiration="50")
        publish(channel, clock, b"tick", expiration="100")
        pump_until(channel.connection, lambda: ready(channel, clock) == 0)
        assert ready(channel, queue) == 2
        assert take_all(channel, queue) == [b"stays"]

    def test_is_not_shown_by_what_a_message_still_has(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        publish(channel, queue, b"", expiration="60000")
        _method, properties, _body = channel.basic_get(queue, auto_ack=True)
        assert properties.expiration == "60000"

    def test_of_zero_lets_a_message_through_to_who_waits_for_it(
        self, channel: BlockingChannel, connection: pika.BlockingConnection, names: Names
    ) -> None:
        queue = declare(channel, names, message_ttl=0)
        publish(channel, queue, b"nobody waits")
        assert take_all(channel, queue) == []
        deliveries = consume(connection.channel(), queue)
        publish(channel, queue, b"somebody waits")
        pump_until(connection, lambda: deliveries)
        assert bodies(deliveries) == [b"somebody waits"]

    def test_goes_on_for_a_message_that_comes_back(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, message_ttl=2000)
        publish(channel, queue, b"")
        method, _properties, _body = channel.basic_get(queue)
        assert method is not None
        clock = declare(channel, names, "clock")
        publish(channel, clock, b"tick", expiration="2100")
        pump_until(channel.connection, lambda: ready(channel, clock) == 0)
        channel.basic_nack(method.delivery_tag, requeue=True)
        assert take_all(channel, queue) == []

    @pytest.mark.parametrize("expiration", ["soon", "-1", "1.5", ""])
    def test_that_is_no_number_is_refused(
        self, channel: BlockingChannel, names: Names, expiration: str
    ) -> None:
        queue = declare(channel, names)
        with pytest.raises(ChannelClosedByBroker) as caught:
            publish(channel, queue, b"", expiration=expiration)
        assert caught.value.reply_code == 406
        assert caught.value.reply_text.startswith("PRECONDITION_FAILED - invalid expiration")


class TestExpiryOfAQueue:
    def test_removes_it_when_nobody_has_used_it(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, expires=100)
        pump_until(channel.connection, lambda: not is_there(channel, queue))
        with pytest.raises(ChannelClosedByBroker) as caught:
            channel.queue_declare(queue, passive=True)
        assert caught.value.reply_code == 404

    def test_waits_for_the_last_consumer(
        self, channel: BlockingChannel, connection: pika.BlockingConnection, names: Names
    ) -> None:
        queue, clock = declare(channel, names, expires=2000), declare(channel, names, "clock")
        consumer = connection.channel()
        tag = consumer.basic_consume(queue, lambda *_: None, auto_ack=True)
        publish(channel, clock, b"tick", expiration="2500")
        pump_until(connection, lambda: ready(channel, clock) == 0)
        assert is_there(channel, queue)
        consumer.basic_cancel(tag)
        pump_until(connection, lambda: not is_there(channel, queue))

    def test_begins_anew_with_get(self, channel: BlockingChannel, names: Names) -> None:
        queue, clock = declare(channel, names, expires=3000), declare(channel, names, "clock")
        publish(channel, clock, b"tick", expiration="4000")

        def the_clock_has_ticked() -> bool:
            channel.basic_get(queue, auto_ack=True)
            return ready(channel, clock) == 0

        pump_until(channel.connection, the_clock_has_ticked)
        assert is_there(channel, queue)

    @pytest.mark.parametrize("expires", [0, -1, "100"])
    def test_that_is_no_number_above_zero_is_refused(
        self, channel: BlockingChannel, names: Names, expires: object
    ) -> None:
        with pytest.raises(ChannelClosedByBroker) as caught:
            declare(channel, names, expires=expires)
        assert caught.value.reply_code == 406
        assert "invalid arg 'x-expires' for queue" in caught.value.reply_text


class TestALengthLimit:
    def test_drops_the_oldest(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, max_length=2)
        publish(channel, queue, b"1", b"2", b"3", b"4")
        assert take_all(channel, queue) == [b"3", b"4"]

    def test_of_octets_drops_the_oldest(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, max_length_bytes=10)
        publish(channel, queue, b"aaaa", b"bbbb", b"cccccc")
        assert take_all(channel, queue) == [b"bbbb", b"cccccc"]

    def test_of_octets_drops_a_message_that_alone_is_too_large(
        self, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names, max_length_bytes=10)
        publish(channel, queue, b"a", b"b" * 11)
        assert take_all(channel, queue) == []

    def test_may_be_both(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, max_length=3, max_length_bytes=10)
        publish(channel, queue, b"1", b"2", b"3", b"4", b"5" * 9)
        assert take_all(channel, queue) == [b"4", b"5" * 9]

    def test_is_not_for_what_is_delivered(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, max_length=1)
        publish(channel, queue, b"1")
        assert channel.basic_get(queue)[2] == b"1"
        publish(channel, queue, b"2")
        assert take_all(channel, queue) == [b"2"]

    @pytest.mark.parametrize("limit", [{"max_length": 1}, {"max_length_bytes": 4}])
    @pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx"])
    def test_may_refuse_what_comes_to_a_full_queue(
        self, channel: BlockingChannel, names: Names, limit: dict[str, int], overflow: str
    ) -> None:
        queue = declare(channel, names, overflow=overflow, **limit)
        publish(channel, queue, b"1234")
        for _ in range(2):
            with pytest.raises(NackError):
                publish(channel, queue, b"no")
        assert take_all(channel, queue) == [b"1234"]
        publish(channel, queue, b"more")
        assert take_all(channel, queue) == [b"more"]

    def test_refuses_silently_who_wants_no_confirms(
        self, channel: BlockingChannel, connection: pika.BlockingConnection, names: Names
    ) -> None:
        queue = declare(channel, names, max_length=1, overflow="reject-publish")
        publisher = connection.channel()
        publish(publisher, queue, b"1", b"2")
        publisher.confirm_delivery()
        with pytest.raises(NackError):
            publish(publisher, queue, b"3")
        assert take_all(channel, queue) == [b"1"]

    def test_nacks_a_message_that_one_of_its_queues_refuses(
        self, channel: BlockingChannel, names: Names
    ) -> None:
        full = declare(channel, names, "full", max_length=0, overflow="reject-publish")
        other, exchange = declare(channel, names, "other"), names("exchange")
        channel.exchange_declare(exchange, "fanout")
        for queue in (full, other):
            channel.queue_bind(queue, exchange)
        with pytest.raises(NackError):
            channel.basic_publish(exchange, "", b"for both")
        assert take_all(channel, other) == [b"for both"]

    @pytest.mark.parametrize(
        "arguments",
        [{"max_length": -1}, {"max_length": "1"}, {"max_length_bytes": -1}, {"overflow": "reject"}],
    )
    def test_that_makes_no_sense_is_refused(
        self, channel: BlockingChannel, names: Names, arguments: dict[str, object]
    ) -> None:
        with pytest.raises(ChannelClosedByBroker) as caught:
            declare(channel, names, **arguments)
        assert caught.value.reply_code == 406
        assert caught.value.reply_text.startswith("PRECONDITION_FAILED - invalid arg 'x-")

    def test_refuses_some_of_many_messages_in_flight(self, broker: Broker, names: Names) -> None:
        async def program() -> tuple[int, int, int]:
            async with await aio_pika.connect(broker.url) as connection:
                channel = await connection.channel()
                arguments: Any = {"x-max-length": 5, "x-overflow": "reject-publish"}
                queue = await channel.declare_queue(names("queue"), arguments=arguments)
                taken = refused = 0
                for number in range(20):
                    try:
                        message = aio_pika.Message(b"%d" % number)
                        await channel.default_exchange.publish(message, queue.name)
                        taken += 1
                    except DeliveryError:
                        refused += 1
                state = await channel.declare_queue(queue.name, passive=True)
                return taken, refused, state.declaration_result.message_count or 0

        assert run_async(program()) == (5, 15, 5)


class TestPriorities:
    def test_come_before_the_order_of_publishing(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, max_priority=5)
        for body, priority in ((b"a1", 1), (b"b5", 5), (b"c3", 3), (b"d5", 5), (b"e", None), (b"f0", 0)):
            publish(channel, queue, body, priority=priority)
        assert take_all(channel, queue) == [b"b5", b"d5", b"c3", b"a1", b"e", b"f0"]

    def test_above_the_highest_are_the_highest(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, max_priority=2)
        publish(channel, queue, b"2", priority=2)
        publish(channel, queue, b"9", priority=9)
        publish(channel, queue, b"1", priority=1)
        assert take_all(channel, queue) == [b"2", b"9", b"1"]

    def test_mean_nothing_to_another_queue(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        publish(channel, queue, b"0", priority=0)
        publish(channel, queue, b"9", priority=9)
        assert take_all(channel, queue) == [b"0", b"9"]

    def test_put_a_message_that_comes_back_into_its_place(
        self, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names, max_priority=2)
        publish(channel, queue, b"1a", b"1b", priority=1)
        method, _properties, body = channel.basic_get(queue)
        assert (method is not None, body) == (True, b"1a")
        publish(channel, queue, b"2", priority=2)
        channel.basic_nack(method.delivery_tag, requeue=True)
        assert take_all(channel, queue) == [b"2", b"1a", b"1b"]

    def test_put_the_highest_first_also_among_what_a_full_queue_drops(
        self, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names, max_priority=2, max_length=2)
        publish(channel, queue, b"2", priority=2)
        publish(channel, queue, b"0a", b"0b", priority=0)
        assert take_all(channel, queue) == [b"0a", b"0b"]

    @pytest.mark.parametrize("max_priority", [-1, 256, "5"])
    def test_that_a_queue_cannot_have_are_refused(
        self, channel: BlockingChannel, names: Names, max_priority: object
    ) -> None:
        with pytest.raises(ChannelClosedByBroker) as caught:
            declare(channel, names, max_priority=max_priority)
        assert caught.value.reply_code == 406
        assert "invalid arg 'x-max-priority' for queue" in caught.value.reply_text

    def test_are_seen_by_aio_pika(self, broker: Broker, names: Names) -> None:
        async def program() -> list[bytes]:
            async with await aio_pika.connect_robust(broker.url) as connection:
                channel = await connection.channel()
                queue = await channel.declare_queue(names("queue"), arguments={"x-max-priority": 10})
                for priority in (1, 10, 5):
                    await channel.default_exchange.publish(
                        aio_pika.Message(b"%d" % priority, priority=priority), queue.name
                    )
                got: list[AbstractIncomingMessage] = []
                async with queue.iterator() as messages:
                    async for message in messages:
                        got.append(message)
                        await message.ack()
                        if len(got) == 3:
                            break
                return [message.body for message in got]

        assert run_async(program()) == [b"10", b"5", b"1"]


class TestASingleActiveConsumer:
    def test_is_served_until_it_leaves(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names, single_active_consumer=True)
        first, second = connection.channel(), connection.channel()
        to_first, to_second = consume(first, queue), consume(second, queue)
        publish(channel, queue, b"1", b"2")
        pump_until(connection, lambda: len(to_first) == 2)
        assert to_second == []
        first.basic_ack(0, multiple=True)
        first.close()
        publish(channel, queue, b"3")
        pump_until(connection, lambda: to_second)
        assert bodies(to_second) == [b"3"]

    def test_leaves_its_unacked_messages_to_the_next_when_its_connection_ends(
        self, connect: Connect, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names, single_active_consumer=True)
        active = connect()
        to_first = consume(active.channel(), queue)
        to_second = consume(channel, queue)
        publish(channel, queue, b"1", b"2")
        pump_until(active, lambda: len(to_first) == 2)
        active.close()
        pump_until(channel.connection, lambda: len(to_second) == 2)
        assert [(method.redelivered, body) for method, body in to_second] == [(True, b"1"), (True, b"2")]

    def test_has_the_queue_for_itself_also_when_it_takes_no_more(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names, single_active_consumer=True)
        first = connection.channel()
        first.basic_qos(prefetch_count=1)
        to_first, to_second = consume(first, queue), consume(connection.channel(), queue)
        publish(channel, queue, b"1", b"2")
        pump_until(connection, lambda: to_first)
        assert (ready(channel, queue), to_second) == (1, [])
        first.basic_ack(to_first[0][0].delivery_tag)
        pump_until(connection, lambda: len(to_first) == 2)
        assert to_second == []

    def test_is_followed_by_the_one_that_waited_longest(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names, single_active_consumer=True)
        consumers = [connection.channel() for _ in range(3)]
        received = [consume(consumer, queue, auto_ack=True) for consumer in consumers]
        for index, consumer in enumerate(consumers):
            publish(channel, queue, b"%d" % index)
            pump_until(connection, lambda index=index: received[index])  # type: ignore[misc]
            consumer.close()
        assert [bodies(each) for each in received] == [[b"0"], [b"1"], [b"2"]]

    def test_does_not_go_with_an_exclusive_consumer(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names, single_active_consumer=True)
        with pytest.raises(ChannelClosedByBroker) as caught:
            channel.basic_consume(queue, print, exclusive=True)
        assert caught.value.reply_code == 403


class TestConsumerPriorities:
    def test_serve_the_highest_as_long_as_it_takes_more(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names)
        low, high = connection.channel(), connection.channel()
        low.basic_qos(prefetch_count=1)
        high.basic_qos(prefetch_count=2)
        to_low = consume(low, queue)
        to_high = consume(high, queue, arguments={"x-priority": 10})
        publish(channel, queue, b"1", b"2", b"3", b"4", b"5")
        pump_until(connection, lambda: len(to_high) + len(to_low) == 3)
        assert (bodies(to_high), bodies(to_low)) == ([b"1", b"2"], [b"3"])
        high.basic_ack(to_high[0][0].delivery_tag)
        pump_until(connection, lambda: len(to_high) == 3)
        assert (bodies(to_high), bodies(to_low)) == ([b"1", b"2", b"4"], [b"3"])
        assert ready(channel, queue) == 1

    def test_may_be_below_those_without_one(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names)
        to_low = consume(connection.channel(), queue, arguments={"x-priority": -1})
        to_plain = consume(connection.channel(), queue)
        publish(channel, queue, b"1", b"2")
        pump_until(connection, lambda: len(to_plain) == 2)
        assert to_low == []

    def test_that_are_equal_take_turns(
        self, connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
    ) -> None:
        queue = declare(channel, names)
        received = [
            consume(connection.channel(), queue, arguments={"x-priority": 5}, auto_ack=True) for _ in range(2)
        ]
        publish(channel, queue, b"1", b"2", b"3", b"4")
        pump_until(connection, lambda: sum(map(len, received)) == 4)
        assert [len(each) for each in received] == [2, 2]

    def test_that_are_no_number_are_refused(self, channel: BlockingChannel, names: Names) -> None:
        queue = declare(channel, names)
        with pytest.raises(ChannelClosedByBroker) as caught:
            channel.basic_consume(queue, print, arguments={"x-priority": "high"})
        assert caught.value.reply_code == 406
        assert caught.value.reply_text.startswith("PRECONDITION_FAILED - invalid arg 'x-priority' for queue")
