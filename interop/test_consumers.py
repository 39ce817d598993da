"""What clients rely on when they consume: prefetch, acks, requeueing, tags, cancellation."""

from collections.abc import Callable

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from interop.names import Names
from interop.waiting import pump_until

Delivery = tuple[pika.spec.Basic.Deliver, bytes]
Connect = Callable[[], pika.BlockingConnection]


def filled(channel: BlockingChannel, queue: str, count: int) -> str:
    """Declare the queue with count messages, b'0' first."""
    channel.queue_declare(queue)
    channel.confirm_delivery()
    for number in range(count):
        channel.basic_publish("", queue, str(number))
    return queue


def consume(channel: BlockingChannel, queue: str) -> list[Delivery]:
    """Consume into the list returned; nothing is acked."""
    deliveries: list[Delivery] = []
    channel.basic_consume(queue, lambda _c, method, _p, body: deliveries.append((method, body)))
    return deliveries


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return [body for _method, body in deliveries]


def ready(channel: BlockingChannel, queue: str) -> int:
    count: int = channel.queue_declare(queue, passive=True).method.message_count
    return count


def test_prefetch_limits_the_unacked_and_each_ack_brings_one_more(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
) -> None:
    queue = filled(channel, names("prefetch"), 10)
    channel.basic_qos(prefetch_count=3)
    deliveries = consume(channel, queue)
    pump_until(connection, lambda: len(deliveries) == 3)
    assert ready(channel, queue) == 7
    channel.basic_ack(deliveries[1][0].delivery_tag)
    pump_until(connection, lambda: len(deliveries) == 4)
    assert ready(channel, queue) == 6
    channel.basic_ack(deliveries[-1][0].delivery_tag, multiple=True)
    pump_until(connection, lambda: len(deliveries) == 7)
    assert ready(channel, queue) == 3
    assert bodies(deliveries) == [b"%d" % number for number in range(7)]


def test_a_global_prefetch_is_shared_by_the_channels_consumers(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
) -> None:
    first, second = filled(channel, names("first"), 5), filled(channel, names("second"), 5)
    channel.basic_qos(prefetch_count=4, global_qos=True)
    deliveries = [consume(channel, first), consume(channel, second)]
    pump_until(connection, lambda: sum(map(len, deliveries)) == 4)
    assert ready(channel, first) + ready(channel, second) == 6


def test_a_nacked_message_comes_back_redelivered_and_in_its_place(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
) -> None:
    queue = filled(channel, names("requeue"), 3)
    method, _properties, body = channel.basic_get(queue)
    assert method is not None
    assert (method.redelivered, body, method.message_count) == (False, b"0", 2)
    channel.basic_nack(method.delivery_tag, requeue=True)
    deliveries = consume(channel, queue)
    pump_until(connection, lambda: len(deliveries) == 3)
    assert bodies(deliveries) == [b"0", b"1", b"2"]
    assert [method.redelivered for method, _body in deliveries] == [True, False, False]


def test_nack_multiple_requeues_all_in_their_order(channel: BlockingChannel, names: Names) -> None:
    queue = filled(channel, names("requeue"), 4)
    tags = [method.delivery_tag for method, _p, _b in (channel.basic_get(queue) for _ in range(3)) if method]
    channel.basic_nack(tags[-1], multiple=True, requeue=True)
    got = [channel.basic_get(queue) for _ in range(4)]
    assert [body for _m, _p, body in got] == [b"0", b"1", b"2", b"3"]
    assert [method.redelivered for method, _p, _b in got if method] == [True, True, True, False]


def test_a_message_rejected_without_requeue_is_gone(channel: BlockingChannel, names: Names) -> None:
    queue = filled(channel, names("reject"), 1)
    method, _properties, _body = channel.basic_get(queue)
    assert method is not None
    channel.basic_reject(method.delivery_tag, requeue=False)
    assert channel.basic_get(queue) == (None, None, None)


def test_recover_brings_the_unacked_back(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
) -> None:
    queue = filled(channel, names("recover"), 2)
    deliveries = consume(channel, queue)
    pump_until(connection, lambda: len(deliveries) == 2)
    channel.basic_recover(requeue=True)
    pump_until(connection, lambda: len(deliveries) == 4)
    assert bodies(deliveries) == [b"0", b"1", b"0", b"1"]
    assert [method.redelivered for method, _body in deliveries] == [False, False, True, True]
    assert [method.delivery_tag for method, _body in deliveries] == [1, 2, 3, 4]


def test_closing_a_channel_requeues_what_it_did_not_ack(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
) -> None:
    queue = filled(channel, names("unacked"), 2)
    holding = connection.channel()
    assert holding.basic_get(queue)[2] == b"0"
    assert ready(channel, queue) == 1
    holding.close()
    method, _properties, body = channel.basic_get(queue)
    assert method is not None
    assert (method.redelivered, body) == (True, b"0")


def test_get_on_an_empty_queue_returns_nothing(channel: BlockingChannel, names: Names) -> None:
    queue = filled(channel, names("empty"), 0)
    assert channel.basic_get(queue) == (None, None, None)


def test_an_ack_of_an_unknown_tag_closes_the_channel(channel: BlockingChannel, names: Names) -> None:
    queue = filled(channel, names("unknown"), 0)
    channel.basic_ack(99)
    with pytest.raises(ChannelClosedByBroker) as caught:
        channel.basic_get(queue)
    assert (caught.value.reply_code, caught.value.reply_text) == (
        406,
        "PRECONDITION_FAILED - unknown delivery tag 99",
    )


def test_a_consumer_keeps_the_tag_it_chose_and_may_use_it_again_after_cancel(
    channel: BlockingChannel, names: Names
) -> None:
    queue = filled(channel, names("tags"), 0)
    for _ in range(2):
        assert channel.basic_consume(queue, print, consumer_tag="my consumer ✓") == "my consumer ✓"
        assert channel.queue_declare(queue, passive=True).method.consumer_count == 1
        channel.basic_cancel("my consumer ✓")
        assert channel.queue_declare(queue, passive=True).method.consumer_count == 0


def test_an_exclusive_consumer_keeps_others_out(connect: Connect, names: Names) -> None:
    channel = connect().channel()
    queue = filled(channel, names("exclusive"), 0)
    channel.basic_consume(queue, print, exclusive=True)
    with pytest.raises(ChannelClosedByBroker) as caught:
        connect().channel().basic_consume(queue, print)
    assert caught.value.reply_code == 403
    assert caught.value.reply_text == f"ACCESS_REFUSED - queue '{queue}' in vhost '/' in exclusive use"


def test_deleting_a_queue_cancels_its_consumers(connect: Connect, names: Names) -> None:
    consuming = connect()
    channel = consuming.channel()
    queue = filled(channel, names("deleted"), 0)
    cancelled: list[str] = []
    channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = channel.basic_consume(queue, print)
    connect().channel().queue_delete(queue)
    pump_until(consuming, lambda: cancelled)
    assert cancelled == [tag]
    assert channel.is_open


def test_consumers_take_turns(
    connection: pika.BlockingConnection, channel: BlockingChannel, names: Names
) -> None:
    queue = filled(channel, names("turns"), 0)
    consumers = [consume(connection.channel(), queue) for _ in range(3)]
    for number in range(9):
        channel.basic_publish("", queue, str(number))
    pump_until(connection, lambda: sum(map(len, consumers)) == 9)
    assert [bodies(deliveries) for deliveries in consumers] == [
        [b"0", b"3", b"6"],
        [b"1", b"4", b"7"],
        [b"2", b"5", b"8"],
    ]
