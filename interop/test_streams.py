"""Streams: what is published stays, and everybody reads it from where they like."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aio_pika
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from interop.broker import Broker, Server
from interop.names import Names
from interop.restarting import killed, restart, stopped
from interop.waiting import pump_until, run_async

Connect = Callable[[], pika.BlockingConnection]
STREAM = {"x-queue-type": "stream"}


class Delivered(NamedTuple):
    """What a reader got."""

    body: bytes
    offset: int
    tag: int
    redelivered: bool
    headers: dict[str, Any]


def declare(channel: BlockingChannel, names: Names, **arguments: object) -> str:
    """Declare a stream; underscores in the arguments' names stand for hyphens."""
    stream = names("stream")
    more = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    channel.queue_declare(stream, durable=True, arguments=STREAM | more)
    return stream


def publish(channel: BlockingChannel, stream: str, *bodies: bytes, **properties: Any) -> None:
    for body in bodies:
        channel.basic_publish("", stream, body, pika.BasicProperties(**properties))


def read(
    channel: BlockingChannel, stream: str, offset: object = None, *, prefetch: int = 100, **options: Any
) -> list[Delivered]:
    """Read into the list returned; nothing is acked."""
    got: list[Delivered] = []

    def take(_channel: object, method: Any, properties: Any, body: bytes) -> None:
        headers = dict(properties.headers)
        offset = int(headers.pop("x-stream-offset"))
        got.append(Delivered(body, offset, method.delivery_tag, method.redelivered, headers))

    arguments = dict(options.pop("arguments", {}))
    if offset is not None:
        arguments["x-stream-offset"] = offset
    channel.basic_qos(prefetch_count=prefetch)
    channel.basic_consume(stream, take, arguments=arguments, **options)
    return got


def seen(got: list[Delivered]) -> list[tuple[bytes, int]]:
    return [(each.body, each.offset) for each in got]


def wait(channel: BlockingChannel, condition: Callable[[], object]) -> None:
    pump_until(channel.connection, condition)


def settle_down(channel: BlockingChannel) -> None:
    """Wait so long that whatever was to come would have come."""
    channel.connection.process_data_events(time_limit=0.3)


@pytest.fixture
def channel(connect: Connect) -> BlockingChannel:
    """A channel whose publishes return when the stream has the message."""
    channel = connect().channel()
    channel.confirm_delivery()
    return channel


@pytest.fixture
def reader(connect: Connect) -> BlockingChannel:
    """A channel of another connection."""
    return connect().channel()


class TestReading:
    def test_from_the_first_on_gives_everything_with_its_offset(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names
    ) -> None:
        stream = declare(channel, names)
        publish(channel, stream, b"a", b"b")
        got = read(reader, stream, "first")
        publish(channel, stream, b"c")
        wait(reader, lambda: len(got) == 3)
        assert seen(got) == [(b"a", 0), (b"b", 1), (b"c", 2)]
        assert not any(each.redelivered for each in got)

    @pytest.mark.parametrize("offset", [None, "next"])
    def test_from_the_next_on_gives_what_is_published_from_now_on(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names, offset: str | None
    ) -> None:
        stream = declare(channel, names)
        publish(channel, stream, b"a")
        got = read(reader, stream, offset)
        publish(channel, stream, b"b")
        wait(reader, lambda: len(got) == 1)
        assert seen(got) == [(b"b", 1)]

    def test_from_the_last_on_begins_with_what_was_written_last(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names
    ) -> None:
        stream = declare(channel, names)
        publish(channel, stream, b"a")
        time.sleep(0.05)
        publish(channel, stream, b"b")
        got = read(reader, stream, "last")
        wait(reader, lambda: got)
        assert seen(got) == [(b"b", 1)]

    @pytest.mark.parametrize(("offset", "first"), [(0, 0), (3, 3), (-1, 0)])
    def test_from_an_offset_on(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names, offset: int, first: int
    ) -> None:
        stream = declare(channel, names)
        publish(channel, stream, *[b"%d" % number for number in range(5)])
        got = read(reader, stream, offset)
        wait(reader, lambda: len(got) == 5 - first)
        assert seen(got) == [(b"%d" % number, number) for number in range(first, 5)]

    def test_from_an_offset_that_is_still_to_come(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names
    ) -> None:
        stream = declare(channel, names)
        publish(channel, stream, b"a")
        got = read(reader, stream, 3)
        publish(channel, stream, b"b", b"c", b"d")
        wait(reader, lambda: got)
        assert seen(got) == [(b"d", 3)]

    def test_from_a_time_on(self, channel: BlockingChannel, reader: BlockingChannel, names: Names) -> None:
        stream = declare(channel, names)
        publish(channel, stream, b"a")
        time.sleep(5.1)
        moment = datetime.now(UTC)
        publish(channel, stream, b"b")
        by_timestamp = read(reader, stream, moment)
        by_age = read(reader, stream, "5s")
        everything = read(reader, stream, "1h")
        wait(reader, lambda: by_timestamp and by_age and len(everything) == 2)
        assert (seen(by_timestamp), seen(by_age)) == ([(b"b", 1)], [(b"b", 1)])

    def test_everybody_gets_everything_and_acks_remove_nothing(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names
    ) -> None:
        stream = declare(channel, names)
        publish(channel, stream, b"a", b"b")
        one = read(reader, stream, "first")
        wait(reader, lambda: len(one) == 2)
        reader.basic_ack(0, multiple=True)
        other = read(reader, stream, "first")
        wait(reader, lambda: len(other) == 2)
        assert seen(one) == seen(other) == [(b"a", 0), (b"b", 1)]

    def test_acks_give_credit(self, channel: BlockingChannel, reader: BlockingChannel, names: Names) -> None:
        stream = declare(channel, names)
        for number in range(4):
            publish(channel, stream, b"%d" % number)
            time.sleep(0.02)
        got = read(reader, stream, "first", prefetch=2)
        wait(reader, lambda: len(got) == 2)
        settle_down(reader)
        assert len(got) == 2
        reader.basic_ack(got[0].tag)
        wait(reader, lambda: len(got) == 3)
        reader.basic_ack(got[2].tag, multiple=True)
        wait(reader, lambda: len(got) == 4)

    def test_what_was_not_acked_does_not_come_back(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names
    ) -> None:
        stream = declare(channel, names)
        publish(channel, stream, b"a")
        got = read(reader, stream, "first")
        wait(reader, lambda: got)
        again = read(reader.connection.channel(), stream, "next")
        reader.close()
        publish(channel, stream, b"b")
        pump_until(reader.connection, lambda: again)
        assert seen(again) == [(b"b", 1)]

    def test_properties_and_headers_stay(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names
    ) -> None:
        stream = declare(channel, names)
        got = read(reader, stream, "first")
        publish(channel, stream, b"a", headers={"a": 1, "b": "x"}, content_type="text/plain")
        publish(channel, stream, b"b" * 300_000)
        wait(reader, lambda: len(got) == 2)
        assert got[0].headers == {"a": 1, "b": "x"}
        assert seen(got[1:]) == [(b"b" * 300_000, 1)]

    def test_a_thousand_messages_are_read_with_little_credit(
        self, channel: BlockingChannel, reader: BlockingChannel, names: Names
    ) -> None:
        stream = declare(channel, names)
        fast = channel.connection.channel()
        publish(fast, stream, *[b"%d" % number for number in range(1000)])
        got: list[bytes] = []

        def take(channel: BlockingChannel, method: Any, _properties: object, body: bytes) -> None:
            got.append(body)
            channel.basic_ack(method.delivery_tag)

        reader.basic_qos(prefetch_count=7)
        reader.basic_consume(stream, take, arguments={"x-stream-offset": "first"})
        wait(reader, lambda: len(got) == 1000)
        assert got == [b"%d" % number for number in range(1000)]

    def test_exclusive_readers_are_not_alone(self, reader: BlockingChannel, names: Names) -> None:
        stream = declare(reader, names)
        got = [read(reader, stream, exclusive=True) for _ in range(2)]
        publish(reader, stream, b"a")
        wait(reader, lambda: all(got))


class TestRefusals:
    @pytest.fixture
    def stream(self, channel: BlockingChannel, names: Names) -> str:
        stream = declare(channel, names)
        publish(channel, stream, b"a")
        return stream

    def test_credit_is_required(self, reader: BlockingChannel, stream: str) -> None:
        with pytest.raises(ChannelClosedByBroker) as closed:
            read(reader, stream, prefetch=0)
        text = f"PRECONDITION_FAILED - consumer prefetch count is not set for 'queue '{stream}' in vhost '/''"
        assert (closed.value.reply_code, closed.value.reply_text) == (406, text)

    def test_automatic_acks_are_refused(self, reader: BlockingChannel, stream: str) -> None:
        with pytest.raises(ConnectionClosedByBroker) as closed:
            read(reader, stream, auto_ack=True)
        text = f"NOT_IMPLEMENTED - automatic acknowledgement not supported by stream queues queue '{stream}' in vhost '/'"
        assert (closed.value.reply_code, closed.value.reply_text) == (540, text)

    def test_an_offset_that_is_none_is_refused(self, reader: BlockingChannel, stream: str) -> None:
        with pytest.raises(ChannelClosedByBroker) as closed:
            read(reader, stream, "1x")
        text = (
            f"PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '{stream}' in vhost '/': "
            '{invalid_stream_offset_arg,{longstr,<<"1x">>}}'
        )
        assert (closed.value.reply_code, closed.value.reply_text) == (406, text)

    @pytest.mark.parametrize("requeue", [True, False])
    def test_messages_can_not_be_refused(self, reader: BlockingChannel, stream: str, requeue: bool) -> None:
        got = read(reader, stream, "first")
        wait(reader, lambda: got)
        with pytest.raises(ConnectionClosedByBroker) as closed:
            reader.basic_nack(got[0].tag, requeue=requeue)
            settle_down(reader)
        text = f"NOT_IMPLEMENTED - basic.nack and basic.reject not supported by stream queues queue '{stream}' in vhost '/'"
        assert (closed.value.reply_code, closed.value.reply_text) == (540, text)

    def test_getting_and_purging_are_refused(self, connect: Connect, stream: str) -> None:
        texts = []
        for refused in (
            lambda channel: channel.basic_get(stream),
            lambda channel: channel.queue_purge(stream),
        ):
            with pytest.raises(ConnectionClosedByBroker) as closed:
                refused(connect().channel())
            texts.append((closed.value.reply_code, closed.value.reply_text))
        title = f"queue '{stream}' in vhost '/'"
        assert texts == [
            (540, f"NOT_IMPLEMENTED - basic.get not supported by stream queues {title}"),
            (540, f"NOT_IMPLEMENTED - queue.purge not supported by stream queues {title}"),
        ]

    def test_a_stream_is_deleted_whatever_the_conditions(
        self, channel: BlockingChannel, reader: BlockingChannel, stream: str
    ) -> None:
        got = read(reader, stream)
        ended: list[object] = []
        reader.add_on_cancel_callback(ended.append)
        assert channel.queue_delete(stream, if_unused=True, if_empty=True).method.message_count == 0
        wait(reader, lambda: ended)
        assert not got


def test_old_segments_go_and_the_rest_stays(
    channel: BlockingChannel, reader: BlockingChannel, names: Names
) -> None:
    stream = declare(channel, names, max_length_bytes=60_000, stream_max_segment_size_bytes=20_000)
    for number in range(200):
        publish(channel, stream, b"%d" % number + bytes(1000))
    time.sleep(1)
    got = read(reader, stream, "first", prefetch=1000)
    wait(reader, lambda: got and got[-1].body[:3] == b"199")
    numbers = [int(each.body.rstrip(b"\0")) for each in got]
    assert 120 < numbers[0] < 180
    assert numbers == list(range(numbers[0], 200))
    # RabbitMQ gives offsets also to what it has to remember itself.
    assert got[0].offset >= numbers[0]


@pytest.mark.parametrize("way", [stopped, killed])
def test_a_stream_is_kept_with_its_offsets(server: Server, names: Names, way: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(server.broker.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        stream = declare(channel, names)
        publish(channel, stream, b"a", b"b")
    restart(server, way)
    with pika.BlockingConnection(pika.URLParameters(server.broker.url)) as connection:
        channel = connection.channel()
        got = read(channel, stream, "first")
        publish(channel, stream, b"c")
        wait(channel, lambda: len(got) == 3)
        assert seen(got) == [(b"a", 0), (b"b", 1), (b"c", 2)]


def test_aio_pika_reads_a_stream(broker: Broker, names: Names) -> None:
    async def program() -> list[tuple[bytes, object]]:
        async with await aio_pika.connect_robust(broker.url) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=10)
            stream = await channel.declare_queue(names("stream"), durable=True, arguments=STREAM)
            for number in range(50):
                message = aio_pika.Message(b"%d" % number, headers={"number": number})
                await channel.default_exchange.publish(message, stream.name)
            got: list[tuple[bytes, object]] = []
            async with stream.iterator(arguments={"x-stream-offset": "first"}) as messages:
                async for message in messages:
                    async with message.process():
                        assert not message.redelivered
                        got.append((message.body, message.headers["x-stream-offset"]))
                    if len(got) == 50:
                        return got
            return got

    assert run_async(program()) == [(b"%d" % number, number) for number in range(50)]
