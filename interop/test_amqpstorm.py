"""AMQPStorm: a thread reads, the program blocks."""

from collections.abc import Iterator

import amqpstorm
import pytest

from interop.broker import Broker
from interop.names import Names
from interop.storm import connected


@pytest.fixture
def storm(broker: Broker, names: Names) -> Iterator[amqpstorm.Connection]:
    with connected(broker) as connection:
        yield connection


def test_hello_world_arrives(storm: amqpstorm.Connection, names: Names) -> None:
    hello = names("hello")
    with storm.channel() as channel:
        channel.queue.declare(hello)
        channel.basic.publish("Hello World!", hello)
        received: list[bytes | str | None] = []

        def on_message(message: amqpstorm.Message) -> None:
            received.append(message.body)
            message.ack()
            channel.stop_consuming()

        channel.basic.consume(on_message, hello)
        channel.start_consuming()
    assert received == ["Hello World!"]


def test_a_message_keeps_its_properties(storm: amqpstorm.Connection, names: Names) -> None:
    queue = names("properties")
    with storm.channel() as channel:
        channel.queue.declare(queue)
        message = amqpstorm.Message.create(channel, "body", {"headers": {"key": "value"}, "priority": 4})
        message.correlation_id = "the correlation"
        message.publish(queue)
        got = channel.basic.get(queue)
    assert isinstance(got, amqpstorm.Message)
    assert (got.body, got.correlation_id, got.priority) == ("body", "the correlation", 4)
    assert got.properties["headers"] == {"key": "value"}


def test_a_confirmed_publish_returns_true(storm: amqpstorm.Connection, names: Names) -> None:
    queue = names("confirmed")
    with storm.channel() as channel:
        channel.queue.declare(queue, durable=True)
        channel.confirm_deliveries()
        assert channel.basic.publish("m", queue, properties={"delivery_mode": 2}, mandatory=True) is True
        assert channel.queue.declare(queue, passive=True)["message_count"] == 1


def test_a_confirmed_mandatory_publish_without_a_queue_raises(
    storm: amqpstorm.Connection, names: Names
) -> None:
    with storm.channel() as channel:
        channel.confirm_deliveries()
        with pytest.raises(amqpstorm.AMQPMessageError, match="NO_ROUTE"):
            channel.basic.publish("lost", names("missing"), mandatory=True)


def test_topics_reach_the_queues_bound_to_them(storm: amqpstorm.Connection, names: Names) -> None:
    exchange = names("topics")
    with storm.channel() as channel:
        channel.exchange.declare(exchange, "topic")
        queue = channel.queue.declare(exclusive=True)["queue"]
        channel.queue.bind(queue, exchange, "*.rabbit")
        for key in ("lazy.rabbit", "lazy.fox", "quick.rabbit"):
            channel.basic.publish(key, key, exchange)
        got = [channel.basic.get(queue, no_ack=True) for _ in range(3)]
    assert [getattr(message, "body", None) for message in got] == ["lazy.rabbit", "quick.rabbit", None]


def test_a_channel_error_carries_its_code_and_spares_the_connection(
    storm: amqpstorm.Connection, names: Names
) -> None:
    with pytest.raises(amqpstorm.AMQPChannelError, match="NOT_FOUND") as caught:
        storm.channel().queue.declare(names("missing"), passive=True)
    assert caught.value.error_code == 404
    with storm.channel() as channel:
        assert channel.queue.declare(exclusive=True)["queue"].startswith("amq.gen-")


def test_a_transaction_of_amqpstorm_publishes_on_commit_only(
    storm: amqpstorm.Connection, names: Names
) -> None:
    queue = names("transaction")
    with storm.channel() as channel:
        channel.queue.declare(queue)
        counts = []
        for finish in (channel.tx.rollback, channel.tx.commit):
            channel.tx.select()
            channel.basic.publish("m", queue)
            finish()
            counts.append(channel.queue.declare(queue, passive=True)["message_count"])
    assert counts == [0, 1]
