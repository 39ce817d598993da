"""A stream: what it keeps, from where it is read, and who has to wait for whom."""

import errno
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import LOGGED, REFUSED, Owner
from amqpd.broker.queues.stream import TURN_MESSAGES, StreamQueue
from amqpd.broker.queues.stream_filter import filter_of, filter_value
from amqpd.message import PERSISTENT, Message
from amqpd.store.records import HOLDER_BYTES, MESSAGE_HEAD_BYTES
from amqpd.testing import DurableBroker, FailingFiles, MemoryBroker, MemoryFiles
from amqpd.testing.sink import ListSink, message_of
from amqpd.wire.fields import Field, Table, table_of
from amqpd.wire.properties import Properties, decode_properties, encode_properties

MESSAGE_BYTES = 1000
"""What one of `publish` takes in the log."""


@pytest.fixture(params=["in memory", "durable", "spilling"])
def broker(request: pytest.FixtureRequest) -> MemoryBroker:
    if request.param == "in memory":
        return MemoryBroker()
    return DurableBroker(segment_bytes=9000, memory_bytes=5000 if request.param == "spilling" else 1 << 24)


on_disk = pytest.mark.parametrize("broker", ["durable", "spilling"], indirect=True)


@pytest.fixture
def sink() -> ListSink:
    return ListSink()


def declare(broker: MemoryBroker, **arguments: object) -> StreamQueue:
    """Declare a stream; underscores in the arguments' names stand for hyphens."""
    table: dict[str, object] = {"x-queue-type": "stream"}
    table.update({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    vhost = broker.broker.vhosts["/"]
    queue = vhost.declare_queue(QueueDeclared("s", True, False, None, table_of(table)), Owner())
    assert isinstance(queue, StreamQueue)
    broker.settle()
    return queue


def body_of(number: int) -> bytes:
    content = 2 + len(encode_properties(Properties(), 0))
    return (b"%d:" % number).ljust(MESSAGE_BYTES - MESSAGE_HEAD_BYTES - HOLDER_BYTES - content, b".")


def publish(broker: MemoryBroker, stream: StreamQueue, *numbers: int) -> None:
    for number in numbers:
        stream.publish(message_of(body_of(number)))
    broker.settle()


def publish_slowly(broker: MemoryBroker, stream: StreamQueue, *numbers: int) -> None:
    """One each second."""
    for number in numbers:
        publish(broker, stream, number)
        broker.advance(1)


def consume(
    stream: StreamQueue, sink: ListSink, offset: object = "first", *, credit: int = 60000, **arguments: object
) -> Consumer:
    table = {f"x-stream-{key.replace('_', '-')}": value for key, value in arguments.items()}
    table["x-stream-offset"] = offset
    consumer = Consumer("t", stream, sink, False, False, credit, table_of(table))
    stream.add_consumer(consumer)
    return consumer


def number_of(message: Message) -> int:
    return int(message.body().split(b":")[0])


def offset_of(message: Message) -> object:
    headers = decode_properties(message.header).headers
    assert headers is not None
    return headers["x-stream-offset"].value


def numbers(sink: ListSink) -> list[int]:
    """What has come, where each has the offset that it says it has."""
    assert [offset_of(each.message) for each in sink.delivered] == [each.position for each in sink.delivered]
    return [number_of(each.message) for each in sink.delivered]


def kept(broker: MemoryBroker, stream: StreamQueue) -> list[int]:
    """Everything that can be read."""
    sink = ListSink()
    consumer = consume(stream, sink)
    for _ in range(20):
        broker.advance(0)
    stream.remove_consumer(consumer)
    assert stream.ready() == len(sink.delivered)
    return numbers(sink)


def restarted(broker: MemoryBroker) -> tuple[DurableBroker, StreamQueue]:
    assert isinstance(broker, DurableBroker)
    again = broker.restart()
    stream = again.broker.vhosts["/"].queues["s"]
    assert isinstance(stream, StreamQueue)
    return again, stream


# Turns


def test_readers_take_turns_however_far_behind_they_are(broker: MemoryBroker, sink: ListSink):
    stream = declare(broker)
    count = 2 * TURN_MESSAGES
    publish(broker, stream, *range(count))
    other = ListSink()
    consume(stream, sink)
    assert len(sink.delivered) == TURN_MESSAGES
    consume(stream, other)
    assert len(other.delivered) == 0, "it has to wait for its turn"
    broker.advance(0)
    for _ in range(4):
        broker.advance(0)
    assert numbers(sink) == numbers(other) == list(range(count))


def test_a_sink_that_is_full_gets_nothing_until_it_says_so(broker: MemoryBroker, sink: ListSink):
    stream = declare(broker)
    publish(broker, stream, 0, 1)
    sink.room = False
    consumer = consume(stream, sink)
    publish(broker, stream, 2)
    assert numbers(sink) == []
    sink.room = True
    consumer.resume()
    assert numbers(sink) == [0, 1, 2]


def test_a_reader_that_ends_in_its_turn_gets_nothing_more(broker: MemoryBroker, sink: ListSink):
    stream = declare(broker)
    publish(broker, stream, *range(5000))
    consumer = consume(stream, sink)
    count = len(sink.delivered)
    stream.remove_consumer(consumer)
    broker.advance(0)
    publish(broker, stream, 5000)
    assert len(sink.delivered) == count


def test_a_stream_that_is_deleted_while_it_is_read_is_gone(broker: MemoryBroker, sink: ListSink):
    stream = declare(broker)
    publish(broker, stream, *range(5000))
    consumer = consume(stream, sink)
    count = len(sink.delivered)
    broker.broker.vhosts["/"].delete_queue(stream)
    stream.cancel_consumers()
    broker.settle()
    broker.advance(0)
    assert (len(sink.delivered), sink.cancelled) == (count, [consumer])
    assert broker.broker.storage.budget.resident_bytes == 0


def test_memory_is_given_back_when_everything_is_on_disk(sink: ListSink):
    broker = DurableBroker()
    stream = declare(broker)
    consume(stream, sink)
    slow = consume(stream, ListSink(), credit=1)
    publish(broker, stream, *range(3000))
    budget = broker.broker.storage.budget
    assert budget.resident_bytes > 0, "what the slow one may want soon"
    stream.remove_consumer(slow)
    publish(broker, stream, 3000)
    broker.advance(0)
    broker.advance(0)
    assert budget.resident_bytes == 0
    assert len(stream.indexes()[0].resident) == 0
    assert numbers(sink) == list(range(3001))


# What is kept


def test_without_limits_everything_is_kept(broker: MemoryBroker):
    stream = declare(broker, stream_max_segment_size_bytes=1000)
    publish(broker, stream, *range(100))
    assert kept(broker, stream) == list(range(100))


@pytest.mark.parametrize(
    ("segment", "limit", "count", "first"),
    [
        (2000, 6000, 20, 12),  # three segments fit before the one that is begun
        (2000, 6000, 21, 14),
        (2000, 5999, 21, 16),  # only two of them fit wholly
        (2000, 0, 21, 20),  # the last always stays
        (2500, 6000, 21, 12),  # a segment ends with the message that fills it
        (100000, 1000, 20, 0),  # and nothing goes before it has ended
    ],
)
def test_segments_go_that_do_not_fit(broker: MemoryBroker, segment: int, limit: int, count: int, first: int):
    stream = declare(broker, max_length_bytes=limit, stream_max_segment_size_bytes=segment)
    for number in range(count):
        publish(broker, stream, number)
    assert kept(broker, stream) == list(range(first, count))
    assert stream.end() == count


def test_segments_go_that_are_too_old(broker: MemoryBroker):
    stream = declare(broker, max_age="10s", stream_max_segment_size_bytes=3000)
    publish_slowly(broker, stream, *range(30))
    assert kept(broker, stream) == list(range(15, 30))
    broker.advance(3600)
    assert kept(broker, stream) == list(range(15, 30)), "nothing goes as long as nothing comes"
    publish(broker, stream, 30)
    assert kept(broker, stream) == [30]


def test_a_policy_cuts_at_once_and_leaves_the_last_segment(broker: MemoryBroker):
    stream = declare(broker, stream_max_segment_size_bytes=3000)
    publish_slowly(broker, stream, *range(20))
    stream.apply_policy({"max-length-bytes": 6000})
    assert kept(broker, stream) == list(range(15, 20))
    stream.apply_policy({"max-age": "1s"})
    assert kept(broker, stream) == [18, 19]
    stream.apply_policy(None)
    publish(broker, stream, *range(20, 30))
    assert kept(broker, stream) == list(range(18, 30))


@on_disk
def test_the_cut_is_where_it_was_after_a_restart(broker: DurableBroker):
    stream = declare(broker, max_length_bytes=6000, stream_max_segment_size_bytes=3000)
    publish(broker, stream, *range(20))
    before = kept(broker, stream)
    broker, stream = restarted(broker)
    assert kept(broker, stream) == before == list(range(12, 20))
    publish(broker, stream, 20)
    assert kept(broker, stream) == list(range(12, 21))
    publish(broker, stream, 21)
    assert kept(broker, stream) == list(range(15, 22))
    publish(broker, stream, 22, 23, 24)
    assert kept(broker, stream) == list(range(18, 25))


@on_disk
def test_the_disk_gets_room_again(broker: DurableBroker):
    stream = declare(broker, max_length_bytes=20000, stream_max_segment_size_bytes=10000)
    for number in range(500):
        publish(broker, stream, number)
    names = broker.files.names("/data/log")
    assert len(names) < 10, "500 KB were written, 9 KB to each"
    broker, stream = restarted(broker)
    assert kept(broker, stream)[-1] == 499


def test_a_large_segment_goes_in_several_turns(broker: MemoryBroker):
    stream = declare(broker, max_length_bytes=1000, stream_max_segment_size_bytes=9_000_000)
    publish(broker, stream, *range(9001))
    assert 0 < stream.ready() < 9001
    broker.advance(0)
    broker.advance(0)
    assert kept(broker, stream) == [9000]


def test_a_reader_goes_on_with_what_is_left(broker: MemoryBroker, sink: ListSink):
    stream = declare(broker, max_length_bytes=2000, stream_max_segment_size_bytes=2000)
    publish(broker, stream, 0, 1)
    consumer = consume(stream, sink, credit=1)
    publish(broker, stream, *range(2, 1001))
    consumer.prefetch_count = 2000
    consumer.resume()
    broker.advance(0)
    got = numbers(sink)
    assert got[0] == 0
    assert got[-1] == 1000
    assert got == sorted(set(got))


# Times


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(-1, 40), st.booleans())
def test_a_time_leads_to_the_first_message_from_then_on(pauses: list[int], moment: int, durable: bool):
    broker = DurableBroker() if durable else MemoryBroker()
    stream = declare(broker)
    start_s = int(broker.clock.unix_s())
    arrived: list[int] = []
    for number, pause in enumerate(pauses):
        broker.advance(pause)
        arrived.append(int(broker.clock.unix_s()) - start_s)
        publish(broker, stream, number)
    sink = ListSink()
    consume(stream, sink, Field("T", start_s + moment))
    assert numbers(sink) == [number for number, at in enumerate(arrived) if at >= moment]
    last = ListSink()
    consume(stream, last, "last")
    assert numbers(last) == [number for number, at in enumerate(arrived) if at == arrived[-1]]


# The log


def test_a_message_is_there_when_the_log_has_it(sink: ListSink):
    broker = DurableBroker()
    stream = declare(broker)
    consume(stream, sink)
    broker.flushes = False
    assert stream.publish(message_of(b"0:")) == LOGGED
    assert stream.publish(message_of(b"1:")) == LOGGED
    late = ListSink()
    consume(stream, late, "next")
    assert (numbers(sink), stream.ready()) == ([], 2)
    broker.flush()
    assert (numbers(sink), numbers(late)) == ([0, 1], [])


def test_a_message_that_is_not_persistent_is_logged_for_the_stream_alone():
    broker = DurableBroker()
    stream = declare(broker)
    vhost = broker.broker.vhosts["/"]
    queue = vhost.declare_queue(QueueDeclared("q", True, False, None, {}), Owner())
    transient, persistent = message_of(b"0:"), message_of(b"1:")
    persistent.flags |= PERSISTENT
    for message in (transient, persistent):
        queue.publish(message)
        stream.publish(message)
    broker, stream = restarted(broker)
    assert kept(broker, stream) == [0, 1]
    assert broker.broker.vhosts["/"].queues["q"].ready() == 1


def test_what_the_log_can_not_have_is_not_there(sink: ListSink):
    files = FailingFiles(MemoryFiles())
    broker = DurableBroker(files)
    stream = declare(broker)
    consume(stream, sink)
    publish(broker, stream, 0)
    broker.flushes = False
    stream.publish(message_of(b"1:"))
    files.break_with(errno.ENOSPC)
    broker.flush()
    assert stream.publish(message_of(b"2:")) == REFUSED
    files.mend()
    assert (numbers(sink), stream.ready(), stream.end()) == ([0], 1, 1)
    assert kept(broker, stream) == [0]


def test_a_reader_of_what_can_not_be_read_ends(sink: ListSink):
    files = FailingFiles(MemoryFiles())
    broker = DurableBroker(files)
    stream = declare(broker)
    publish(broker, stream, 0, 1)
    next_sink = ListSink()
    consume(stream, next_sink, "next")
    files.break_with(errno.EIO)
    consumer = consume(stream, sink)
    by_time = consume(stream, sink, "1h")
    files.mend()
    assert sink.cancelled == [consumer, by_time]
    assert broker.events.sentences().count("messages can't be read from disk") == 2
    publish(broker, stream, 2)
    assert (numbers(sink), numbers(next_sink)) == ([], [2])


def test_what_the_log_has_lost_is_left_out(sink: ListSink):
    broker = DurableBroker()
    stream = declare(broker)
    publish_slowly(broker, stream, *range(10))
    (index,) = stream.indexes()
    paged = index.paged.first(10, 1 << 62)
    index.paged.drop(10)
    for each in (1, 2, 6, 7):
        index.paged.append(each, paged[each].log_position, paged[each].share)
    consume(stream, sink)
    consume(stream, sink, 4)
    consume(stream, sink, 9)
    consume(stream, sink, Field("T", int(broker.clock.unix_s()) - 9))
    assert numbers(sink) == [1, 2, 6, 7, 6, 7, 1, 2, 6, 7]
    consume(stream, sink, "last")
    publish(broker, stream, 10)
    assert numbers(sink)[10:] == [10] * 5
    assert stream.ready() == 5


# Filters


@pytest.mark.parametrize(
    ("arguments", "values", "unfiltered"),
    [
        ({}, None, None),
        ({"x-stream-match-unfiltered": True}, None, None),
        ({"x-stream-filter": 5}, None, None),
        ({"x-stream-filter": "a"}, "a", False),
        ({"x-stream-filter": ["a", 5, "b"]}, "ab", False),
        ({"x-stream-filter": []}, "", False),
        ({"x-stream-filter": "a", "x-stream-match-unfiltered": True}, "a", True),
        ({"x-stream-filter": "a", "x-stream-match-unfiltered": 1}, "a", False),
    ],
)
def test_a_filter_is_made_of_texts(
    arguments: Mapping[str, object], values: str | None, unfiltered: bool | None
):
    found = filter_of(table_of(arguments))
    if values is None:
        assert found is None
        return
    assert found is not None
    taken = [value for value in "abc" if found.takes(header_of(table_of({"x-stream-filter-value": value})))]
    assert "".join(taken) == values
    assert found.takes(header_of(None)) == unfiltered


def header_of(headers: Table | None) -> bytes:
    return encode_properties(Properties(headers=headers, content_type="x"), 0)


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        (None, None),
        ({}, None),
        ({"x-stream-filter-value": "a"}, "a"),
        ({"x-stream-filter-value": ""}, ""),
        ({"x-stream-filter-value": b"a"}, None),
        ({"x-stream-filter-value": 1}, None),
        ({"other": "x-stream-filter-value"}, None),
        ({"other": {"x-stream-filter-value": "a"}}, None),
    ],
)
def test_a_message_has_the_filter_value_of_its_header(
    headers: Mapping[str, object] | None, value: str | None
):
    assert filter_value(header_of(None if headers is None else table_of(headers))) == value


def test_messages_with_different_headers_each_get_their_offset(broker: MemoryBroker, sink: ListSink):
    stream = declare(broker)
    headers = [None, {}, {"n": 1}, {"n": 1}, {"x-stream-offset": "mine"}, None]
    for number, each in enumerate(headers):
        properties = Properties(headers=None if each is None else table_of(each))
        stream.publish(message_of(b"%d:" % number, properties))
    broker.settle()
    consume(stream, sink)
    assert numbers(sink) == list(range(len(headers)))
    assert [len(decode_properties(each.message.header).headers or {}) for each in sink.delivered] == [
        1,
        1,
        2,
        2,
        1,
        1,
    ]
