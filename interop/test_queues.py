"""What clients rely on when they declare: names, counts, exclusivity, lifetime, equivalence."""

from collections.abc import Callable

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from interop.broker import Broker
from interop.names import Names

Connect = Callable[[], pika.BlockingConnection]


def fill(channel: BlockingChannel, queue: str, count: int) -> None:
    channel.confirm_delivery()
    for _ in range(count):
        channel.basic_publish("", queue, b"m")


def exists(connect: Connect, queue: str) -> bool:
    try:
        connect().channel().queue_declare(queue, passive=True)
    except ChannelClosedByBroker as error:
        assert error.reply_code == 404
        return False
    return True


def test_a_declaration_returns_name_and_counts(channel: BlockingChannel, names: Names) -> None:
    queue = names("counts")
    channel.queue_declare(queue)
    fill(channel, queue, 3)
    declared = channel.queue_declare(queue).method
    assert (declared.queue, declared.message_count, declared.consumer_count) == (queue, 3, 0)


def test_purge_and_delete_return_how_many_messages_went(channel: BlockingChannel, names: Names) -> None:
    queue = names("counts")
    channel.queue_declare(queue)
    fill(channel, queue, 3)
    assert channel.queue_purge(queue).method.message_count == 3
    assert channel.queue_purge(queue).method.message_count == 0
    fill(channel, queue, 2)
    assert channel.queue_delete(queue).method.message_count == 2
    assert channel.queue_delete(queue).method.message_count == 0


@pytest.mark.parametrize("label", ["kø", "очередь", "队列", "🐇", "with space", "a/b?c=d#e", "*.#"])
def test_a_queue_may_have_this_name(channel: BlockingChannel, names: Names, label: str) -> None:
    queue = names(label)
    assert channel.queue_declare(queue).method.queue == queue
    fill(channel, queue, 1)
    method, _properties, _body = channel.basic_get(queue, auto_ack=True)
    assert method is not None
    assert method.routing_key == queue


def test_a_name_may_have_255_octets(channel: BlockingChannel, names: Names) -> None:
    prefix = names("")
    queue = names.also_remove(prefix + "q" * (255 - len(prefix)))
    assert channel.queue_declare(queue).method.queue == queue


def test_names_of_the_servers_own_kind_are_reserved(channel: BlockingChannel) -> None:
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.queue_declare("amq.mine")
    assert caught.value.reply_code == 403
    assert "contains reserved prefix 'amq.*'" in caught.value.reply_text


def test_a_passive_declaration_finds_a_queue_and_does_not_create_one(connect: Connect, names: Names) -> None:
    queue = names("passive")
    assert not exists(connect, queue)
    assert not exists(connect, queue)
    connect().channel().queue_declare(queue)
    assert exists(connect, queue)


def test_a_missing_queue_closes_the_channel_and_spares_the_connection(
    broker: Broker, connection: pika.BlockingConnection, names: Names
) -> None:
    missing = names("missing")
    channel, bystander = connection.channel(), connection.channel()
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.queue_declare(missing, passive=True)
    assert caught.value.reply_code == 404
    assert caught.value.reply_text == f"NOT_FOUND - no queue '{missing}' in vhost '{broker.virtual_host}'"
    assert not channel.is_open
    assert bystander.queue_declare("", exclusive=True).method.queue
    again = connection.channel(channel.channel_number)
    assert again.queue_declare("", exclusive=True).method.queue


def test_an_exclusive_queue_is_refused_to_another_connection(connect: Connect, names: Names) -> None:
    queue = names("exclusive")
    owner = connect().channel()
    owner.queue_declare(queue, exclusive=True)
    for attempt in (
        lambda channel: channel.queue_declare(queue, exclusive=True),
        lambda channel: channel.queue_declare(queue, passive=True),
        lambda channel: channel.basic_consume(queue, print),
        lambda channel: channel.queue_delete(queue),
    ):
        with pytest.raises(ChannelClosedByBroker) as caught:
            attempt(connect().channel())
        assert caught.value.reply_code == 405
        assert caught.value.reply_text.startswith(
            f"RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{queue}' in vhost"
        )
    assert owner.queue_declare(queue, exclusive=True).method.queue == queue


def test_an_exclusive_queue_is_gone_when_its_connection_has_closed(connect: Connect, names: Names) -> None:
    queue = names("exclusive")
    owner = connect()
    owner.channel().queue_declare(queue, exclusive=True, durable=True)
    owner.close()
    assert not exists(connect, queue)


def test_an_auto_delete_queue_goes_with_its_last_consumer(
    connection: pika.BlockingConnection, connect: Connect, names: Names
) -> None:
    queue = names("auto")
    channel = connection.channel()
    channel.queue_declare(queue, auto_delete=True)
    first, second = channel.basic_consume(queue, print), channel.basic_consume(queue, print)
    channel.basic_cancel(first)
    assert exists(connect, queue)
    channel.basic_cancel(second)
    assert not exists(connect, queue)


def test_an_auto_delete_exchange_goes_with_its_last_binding(
    connect: Connect, channel: BlockingChannel, names: Names
) -> None:
    exchange, queue = names("auto"), names("queue")
    channel.exchange_declare(exchange, "fanout", auto_delete=True)
    channel.queue_declare(queue)
    channel.queue_bind(queue, exchange)
    channel.exchange_declare(exchange, "fanout", passive=True)
    channel.queue_unbind(queue, exchange)
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.exchange_declare(exchange, "fanout", passive=True)
    assert caught.value.reply_code == 404


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        ({"durable": True}, "inequivalent arg 'durable' for queue '{}' in vhost '/'"),
        ({"auto_delete": True}, "inequivalent arg 'auto_delete' for queue '{}' in vhost '/'"),
    ],
)
def test_a_queue_is_not_redeclared_otherwise(
    channel: BlockingChannel, names: Names, difference: dict[str, object], text: str
) -> None:
    queue = names("declared")
    channel.queue_declare(queue, arguments={"x-max-length": 1})
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.queue_declare(queue, **{"arguments": {"x-max-length": 1}, **difference})
    assert caught.value.reply_code == 406
    assert text.format(queue) in caught.value.reply_text


def test_an_exchange_is_not_redeclared_with_another_type(channel: BlockingChannel, names: Names) -> None:
    exchange = names("declared")
    channel.exchange_declare(exchange, "direct")
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.exchange_declare(exchange, "fanout")
    assert caught.value.reply_code == 406
    assert "inequivalent arg 'type'" in caught.value.reply_text
    assert caught.value.reply_text.endswith("received 'fanout' but current is 'direct'")


def test_delete_refuses_a_queue_in_use_or_with_messages(
    connection: pika.BlockingConnection, names: Names
) -> None:
    queue = names("wanted")
    channel = connection.channel()
    channel.queue_declare(queue)
    fill(channel, queue, 1)
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.queue_delete(queue, if_empty=True)
    assert caught.value.reply_text == f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' not empty"
    channel = connection.channel()
    channel.basic_consume(queue, print)
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.queue_delete(queue, if_unused=True)
    assert caught.value.reply_text == f"PRECONDITION_FAILED - queue '{queue}' in vhost '/' in use"


def test_delete_refuses_an_exchange_with_bindings(channel: BlockingChannel, names: Names) -> None:
    exchange, queue = names("wanted"), names("queue")
    channel.exchange_declare(exchange, "direct")
    channel.queue_declare(queue)
    channel.queue_bind(queue, exchange, "key")
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.exchange_delete(exchange, if_unused=True)
    assert caught.value.reply_text == f"PRECONDITION_FAILED - exchange '{exchange}' in vhost '/' in use"


def test_an_empty_queue_name_means_the_last_one_declared(channel: BlockingChannel, names: Names) -> None:
    exchange = names("logs")
    channel.exchange_declare(exchange, "fanout")
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind("", exchange)
    channel.confirm_delivery()
    channel.basic_publish(exchange, "", b"m")
    assert channel.queue_purge("").method.message_count == 1
    assert channel.queue_declare(queue, passive=True).method.queue == queue


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [("amq.direct", "direct"), ("amq.fanout", "fanout"), ("amq.topic", "topic"), ("amq.headers", "headers")],
)
def test_the_predeclared_exchanges_are_there(channel: BlockingChannel, exchange: str, kind: str) -> None:
    channel.exchange_declare(exchange, kind, durable=True)
    channel.exchange_declare(exchange, passive=True)
    assert channel.is_open
