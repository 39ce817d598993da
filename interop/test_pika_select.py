"""pika's SelectConnection: every step is a callback on the I/O loop."""

from collections.abc import Callable

import pika
import pytest
from pika.channel import Channel

from interop.broker import Broker
from interop.names import Names

LIMIT_S = 60.0


def run_select(broker: Broker, on_channel: Callable[[Channel, Callable[[], None]], None]) -> None:
    """Open a connection and a channel, call on_channel(channel, done), and loop until done is called."""
    closed: list[BaseException] = []

    def on_connection_open(connection: pika.SelectConnection) -> None:
        connection.channel(on_open_callback=lambda channel: on_channel(channel, connection.close))

    def on_closed(connection: pika.SelectConnection, reason: BaseException) -> None:
        closed.append(reason)
        connection.ioloop.stop()

    connection = pika.SelectConnection(
        pika.URLParameters(broker.url),
        on_open_callback=on_connection_open,
        on_open_error_callback=on_closed,
        on_close_callback=on_closed,
    )
    connection.ioloop.call_later(LIMIT_S, connection.ioloop.stop)
    connection.ioloop.start()
    connection.ioloop.close()
    assert [type(reason).__name__ for reason in closed] == ["ConnectionClosedByClient"]


def test_hello_world_arrives_through_callbacks(broker: Broker, names: Names) -> None:
    hello = names("hello")
    received: list[bytes] = []

    def program(channel: Channel, done: Callable[[], None]) -> None:
        def on_declared(_frame: object) -> None:
            channel.basic_consume(hello, on_message, callback=on_consuming)

        def on_consuming(_frame: object) -> None:
            channel.basic_publish("", hello, b"Hello World!")

        def on_message(channel: Channel, method: pika.spec.Basic.Deliver, _p: object, body: bytes) -> None:
            received.append(body)
            channel.basic_ack(method.delivery_tag)
            done()

        channel.queue_declare(hello, callback=on_declared)

    run_select(broker, program)
    assert received == [b"Hello World!"]


def test_topics_reach_a_server_named_queue_through_callbacks(broker: Broker, names: Names) -> None:
    topics = names("topics")
    received: list[str] = []

    def program(channel: Channel, done: Callable[[], None]) -> None:
        def on_exchange(_frame: object) -> None:
            channel.queue_declare("", exclusive=True, callback=on_queue)

        def on_queue(frame: "pika.frame.Method[pika.spec.Queue.DeclareOk]") -> None:
            queue = frame.method.queue
            channel.queue_bind(queue, topics, "stock.*.nyse", callback=lambda _frame: on_bound(queue))

        def on_bound(queue: str) -> None:
            channel.basic_consume(queue, on_message, auto_ack=True)
            for key in ("stock.eur.nyse", "stock.eur.xetra", "stock.usd.nyse"):
                channel.basic_publish(topics, key, b"")

        def on_message(_c: Channel, method: pika.spec.Basic.Deliver, _p: object, _body: bytes) -> None:
            received.append(method.routing_key)
            if len(received) == 2:
                done()

        channel.exchange_declare(topics, "topic", callback=on_exchange)

    run_select(broker, program)
    assert received == ["stock.eur.nyse", "stock.usd.nyse"]


def test_every_publish_is_confirmed_once_and_in_full(broker: Broker, names: Names) -> None:
    queue = names("confirmed")
    count = 500
    outstanding = set(range(1, count + 1))
    nacks: list[int] = []

    def program(channel: Channel, done: Callable[[], None]) -> None:
        def on_declared(_frame: object) -> None:
            channel.confirm_delivery(on_confirmation, callback=on_confirming)

        def on_confirming(_frame: object) -> None:
            for number in range(count):
                channel.basic_publish("", queue, str(number), pika.BasicProperties(delivery_mode=2))

        def on_confirmation(frame: "pika.frame.Method[pika.spec.Basic.Ack]") -> None:
            tag, multiple = frame.method.delivery_tag, frame.method.multiple
            if isinstance(frame.method, pika.spec.Basic.Nack):
                nacks.append(tag)
            confirmed = {other for other in outstanding if other <= tag} if multiple else {tag}
            assert confirmed <= outstanding, f"{tag} was confirmed twice"
            outstanding.difference_update(confirmed)
            if not outstanding:
                done()

        channel.queue_declare(queue, durable=True, callback=on_declared)

    run_select(broker, program)
    assert outstanding == set()
    assert nacks == []


def test_a_channel_error_is_reported_to_its_close_callback(broker: Broker, names: Names) -> None:
    missing = names("missing")
    reasons: list[tuple[int, str]] = []

    def program(channel: Channel, done: Callable[[], None]) -> None:
        def on_channel_closed(_channel: Channel, reason: "pika.exceptions.ChannelClosed") -> None:
            reasons.append((reason.reply_code, reason.reply_text))
            done()

        channel.add_on_close_callback(on_channel_closed)
        channel.basic_consume(missing, lambda *_message: pytest.fail("a message of a missing queue"))

    run_select(broker, program)
    assert reasons == [(404, f"NOT_FOUND - no queue '{missing}' in vhost '{broker.virtual_host}'")]
