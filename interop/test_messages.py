"""What clients rely on: a message arrives as it was sent, or its sender hears about it."""

import hashlib
import random
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from interop.broker import Broker
from interop.names import Names
from interop.waiting import pump_until

TWENTY_MB = 20_000_000


def sent_and_got(
    channel: BlockingChannel, queue: str, body: bytes, properties: pika.BasicProperties | None = None
) -> tuple[pika.BasicProperties, bytes]:
    channel.queue_declare(queue)
    channel.confirm_delivery()
    channel.basic_publish("", queue, body, properties)
    _method, got_properties, got_body = channel.basic_get(queue, auto_ack=True)
    assert got_properties is not None
    assert got_body is not None
    return got_properties, got_body


def test_a_message_without_body_arrives(channel: BlockingChannel, names: Names) -> None:
    properties, body = sent_and_got(channel, names("zero"), b"")
    assert body == b""
    assert properties == pika.BasicProperties()


def test_any_octets_may_be_the_body(channel: BlockingChannel, names: Names) -> None:
    every_octet = bytes(range(256)) + b"\xce" * 16  # 0xCE also ends a frame
    assert sent_and_got(channel, names("octets"), every_octet)[1] == every_octet


@pytest.mark.parametrize("around", [4096 - 8, 2 * (4096 - 8)])
@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_a_body_around_a_frames_size_arrives_whole(
    broker: Broker, names: Names, around: int, difference: int
) -> None:
    body = bytes(index % 251 for index in range(around + difference))
    parameters = pika.URLParameters(broker.url)
    parameters.frame_max = 4096
    with pika.BlockingConnection(parameters) as connection:
        assert sent_and_got(connection.channel(), names("edge"), body)[1] == body


def test_20_mb_pass_through_frames_of_4096_octets(broker: Broker, names: Names) -> None:
    body = random.Random(1).randbytes(TWENTY_MB)
    parameters = pika.URLParameters(broker.url)
    parameters.frame_max = 4096
    with pika.BlockingConnection(parameters) as connection:
        _properties, got = sent_and_got(connection.channel(), names("large"), body)
    assert len(got) == TWENTY_MB
    assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()


def test_every_property_comes_back(broker: Broker, channel: BlockingChannel, names: Names) -> None:
    sent = pika.BasicProperties(
        content_type="application/json; charset=utf-8",
        content_encoding="identity",
        headers={"key": "value"},
        delivery_mode=2,
        priority=200,
        correlation_id="a correlation",
        reply_to="a reply queue",
        expiration="600000",
        message_id="a message id",
        timestamp=1_700_000_000,
        type="a type",
        user_id=broker.username,
        app_id="an application",
        cluster_id="a cluster",
    )
    assert sent_and_got(channel, names("properties"), b"", sent)[0] == sent


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        0,
        -1,
        2**31 - 1,
        -(2**31),
        2**31,
        2**63 - 1,
        -(2**63),
        "",
        "æøå € 𝄞",
        "x" * 70_000,
        b"\x00\xff",
        None,
        Decimal("-123.45"),
        datetime(2026, 11, 21, 12, 30, tzinfo=UTC),
        [],
        [1, "two", None, [3], {"four": 4}],
        {},
        {"a": {"b": {"c": [True]}}},
    ],
    ids=lambda value: f"{type(value).__name__}-{str(value)[:16]}",
)
def test_a_header_of_this_type_comes_back(channel: BlockingChannel, names: Names, value: Any) -> None:
    sent = pika.BasicProperties(headers={"header": value})
    got, _body = sent_and_got(channel, names("header"), b"", sent)
    assert got.headers is not None
    assert got.headers["header"] == value
    assert isinstance(got.headers["header"], type(value))


def test_a_delivery_says_where_it_came_from(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
) -> None:
    exchange, queue = names("exchange"), names("queue")
    channel.exchange_declare(exchange, "topic")
    channel.queue_declare(queue)
    channel.queue_bind(queue, exchange, "#")
    deliveries: list[pika.spec.Basic.Deliver] = []
    tag = channel.basic_consume(queue, lambda _c, method, _p, _b: deliveries.append(method), auto_ack=True)
    for _ in range(2):
        channel.basic_publish(exchange, "a.key", b"")
    pump_until(connection, lambda: len(deliveries) == 2)
    assert [
        (d.consumer_tag, d.delivery_tag, d.redelivered, d.exchange, d.routing_key) for d in deliveries
    ] == [
        (tag, 1, False, exchange, "a.key"),
        (tag, 2, False, exchange, "a.key"),
    ]


def test_an_unroutable_mandatory_message_is_returned_with_its_properties(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
) -> None:
    exchange = names("exchange")
    channel.exchange_declare(exchange, "direct")
    returned: list[tuple[pika.spec.Basic.Return, pika.BasicProperties, bytes]] = []
    channel.add_on_return_callback(lambda _c, *message: returned.append(message))
    channel.basic_publish(exchange, "nowhere", b"lost", pika.BasicProperties(message_id="1"), mandatory=True)
    pump_until(connection, lambda: returned)
    [(method, properties, body)] = returned
    assert (method.reply_code, method.reply_text) == (312, "NO_ROUTE")
    assert (method.exchange, method.routing_key) == (exchange, "nowhere")
    assert (properties.message_id, body) == ("1", b"lost")


def test_an_unroutable_message_that_is_not_mandatory_is_confirmed(
    channel: BlockingChannel, names: Names
) -> None:
    exchange = names("exchange")
    channel.exchange_declare(exchange, "direct")
    channel.confirm_delivery()
    channel.basic_publish(exchange, "nowhere", b"dropped")
    assert channel.is_open


def test_an_alternate_exchange_takes_the_unroutable(channel: BlockingChannel, names: Names) -> None:
    exchange, alternate, queue = names("exchange"), names("alternate"), names("queue")
    channel.exchange_declare(alternate, "fanout")
    channel.exchange_declare(exchange, "direct", arguments={"alternate-exchange": alternate})
    channel.queue_declare(queue)
    channel.queue_bind(queue, alternate)
    channel.confirm_delivery()
    channel.basic_publish(exchange, "nowhere", b"caught", mandatory=True)
    assert channel.basic_get(queue, auto_ack=True)[2] == b"caught"


def test_a_message_routed_through_two_exchanges_arrives(channel: BlockingChannel, names: Names) -> None:
    source, destination, queue = names("source"), names("destination"), names("queue")
    channel.exchange_declare(source, "topic")
    channel.exchange_declare(destination, "fanout")
    channel.exchange_bind(destination, source, "to.*")
    channel.queue_declare(queue)
    channel.queue_bind(queue, destination)
    channel.confirm_delivery()
    for key in ("to.you", "from.me"):
        channel.basic_publish(source, key, key)
    assert channel.basic_get(queue, auto_ack=True)[2] == b"to.you"
    assert channel.basic_get(queue, auto_ack=True)[0] is None
    channel.exchange_unbind(destination, source, "to.*")
    channel.basic_publish(source, "to.you", b"unbound")
    assert channel.basic_get(queue, auto_ack=True)[0] is None


@pytest.mark.parametrize(("match", "expected"), [("all", 1), ("any", 3)])
def test_a_headers_exchange_matches(
    channel: BlockingChannel, names: Names, match: str, expected: int
) -> None:
    exchange, queue = names("headers"), names("queue")
    channel.exchange_declare(exchange, "headers")
    channel.queue_declare(queue)
    channel.queue_bind(queue, exchange, arguments={"x-match": match, "format": "pdf", "pages": 3})
    channel.confirm_delivery()
    for headers in ({"format": "pdf", "pages": 3}, {"format": "pdf"}, {"pages": 3}, {"pages": 4}):
        channel.basic_publish(exchange, "", b"", pika.BasicProperties(headers=headers))
    assert channel.queue_declare(queue, passive=True).method.message_count == expected


def test_a_transaction_holds_publishes_and_acks_until_commit(
    channel: BlockingChannel, connection: pika.BlockingConnection, names: Names
) -> None:
    queue = names("transaction")
    other = connection.channel()
    other.queue_declare(queue)

    def ready() -> int:
        count: int = other.queue_declare(queue, passive=True).method.message_count
        return count

    channel.tx_select()
    channel.basic_publish("", queue, b"rolled back")
    channel.tx_rollback()
    channel.basic_publish("", queue, b"committed")
    assert ready() == 0
    channel.tx_commit()
    assert ready() == 1

    method, _properties, body = channel.basic_get(queue)
    assert method is not None
    assert body == b"committed"
    channel.basic_ack(method.delivery_tag)
    channel.tx_rollback()
    channel.basic_ack(method.delivery_tag)  # the rollback undid the first
    channel.tx_commit()
    channel.close()
    assert ready() == 0


def test_a_user_id_of_somebody_else_is_refused(
    broker: Broker, connection: pika.BlockingConnection, channel: BlockingChannel
) -> None:
    channel.basic_publish("", "any", b"", pika.BasicProperties(user_id="somebody-else"))
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.queue_declare(exclusive=True, queue="")
    assert caught.value.reply_code == 406
    assert "user_id property set to 'somebody-else'" in caught.value.reply_text


def test_a_publish_to_a_missing_exchange_closes_the_channel(channel: BlockingChannel, names: Names) -> None:
    missing = names("missing")
    channel.confirm_delivery()
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.basic_publish(missing, "", b"")
    assert caught.value.reply_code == 404
    assert caught.value.reply_text.startswith(f"NOT_FOUND - no exchange '{missing}' in vhost")
