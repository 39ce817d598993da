"""Memory: what a client does not read stays in the queue, and goes to others."""

import pytest
from pamqp import commands

from amqpd.protocol.parameters import Parameters
from amqpd.testing import MemoryBroker, Peer

OUTPUT_MAX = 100_000
BODY = b"x" * 1000


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(Parameters(output_max_bytes=OUTPUT_MAX))


@pytest.fixture
def consumer(broker: MemoryBroker) -> Peer:
    """Consumes from q without limit, and reads only when asked."""
    consumer = broker.connect()
    consumer.call(1, commands.Queue.Declare(queue="q"))
    consumer.call(1, commands.Basic.Consume(queue="q", no_ack=True))
    return consumer


@pytest.fixture
def publisher(broker: MemoryBroker) -> Peer:
    return broker.connect()


def publish(publisher: Peer, count: int, body: bytes = BODY) -> None:
    for _ in range(count):
        publisher.publish(1, "", "q", body)


def ready(peer: Peer) -> int:
    return peer.call(1, commands.Queue.Declare(queue="q", passive=True)).message_count


def waiting_bytes(peer: Peer) -> int:
    return int(peer.connection.output.size())


def test_a_client_that_does_not_read_gets_a_bounded_output(consumer: Peer, publisher: Peer):
    publish(publisher, 1000)
    assert OUTPUT_MAX <= waiting_bytes(consumer) < OUTPUT_MAX + 2 * len(BODY)
    assert ready(publisher) > 850


def test_it_gets_the_rest_in_order_when_it_reads(consumer: Peer, publisher: Peer):
    for number in range(1000):
        publisher.publish(1, "", "q", BODY + str(number).encode())
    assert consumer.bodies(1) == [BODY + str(number).encode() for number in range(1000)]
    assert ready(publisher) == 0


def test_other_consumers_get_what_it_does_not_take(broker: MemoryBroker, consumer: Peer, publisher: Peer):
    reader = broker.connect()
    reader.call(1, commands.Basic.Consume(queue="q", no_ack=True))
    received = 0
    for _ in range(20):
        publish(publisher, 50)
        received += len(reader.bodies(1))
    assert received > 850
    assert waiting_bytes(consumer) < OUTPUT_MAX + 2 * len(BODY)
    assert received + len(consumer.bodies(1)) == 1000


def test_messages_that_were_written_and_not_yet_sent_count(consumer: Peer, publisher: Peer):
    consumer.connection.take_output()
    consumer.connection.output_drained(OUTPUT_MAX)
    publish(publisher, 5)
    assert waiting_bytes(consumer) == 0
    consumer.connection.output_drained(OUTPUT_MAX // 2)
    assert len(consumer.bodies(1)) == 5


def test_a_large_body_overruns_the_bound_by_itself_only(consumer: Peer, publisher: Peer):
    large = b"l" * (3 * OUTPUT_MAX)
    publish(publisher, 3, large)
    assert waiting_bytes(consumer) < OUTPUT_MAX + len(large)
    assert ready(publisher) == 2
    assert consumer.bodies(1) == [large] * 3


def test_replies_are_not_held_back(consumer: Peer, publisher: Peer):
    publish(publisher, 200)
    consumer.send(1, commands.Basic.Qos())
    kinds = {type(received.frame) for received in consumer.receive()}
    assert commands.Basic.QosOk in kinds


def test_a_client_that_does_not_read_can_still_cancel(consumer: Peer, publisher: Peer):
    publish(publisher, 500)
    tag = next(iter(consumer.connection.channels[1].consumers))
    consumer.send(1, commands.Basic.Cancel(tag))
    left = ready(publisher)
    assert left > 350
    assert len(consumer.bodies(1)) == 500 - left
    assert ready(publisher) == left


def test_a_client_that_never_read_leaves_nothing_behind(consumer: Peer, publisher: Peer):
    publish(publisher, 500)
    left = ready(publisher)
    consumer.disconnect()
    publish(publisher, 1)
    assert ready(publisher) == left + 1


def test_unsettled_messages_of_a_client_that_never_read_come_back(broker: MemoryBroker, publisher: Peer):
    consumer = broker.connect()
    consumer.call(1, commands.Queue.Declare(queue="q"))
    consumer.call(1, commands.Basic.Consume(queue="q"))
    publish(publisher, 500)
    assert ready(publisher) < 500
    consumer.disconnect()
    assert ready(publisher) == 500


def test_acknowledging_does_not_get_round_the_bound(broker: MemoryBroker, publisher: Peer):
    consumer = broker.connect()
    consumer.call(1, commands.Queue.Declare(queue="q"))
    consumer.call(1, commands.Basic.Consume(queue="q"))
    publish(publisher, 500)
    for _ in range(50):
        consumer.send(1, commands.Basic.Ack(0, True))
        consumer.send(1, commands.Basic.Recover(True))
    assert waiting_bytes(consumer) < OUTPUT_MAX + 4 * len(BODY) + 50 * 20


def test_a_publisher_far_ahead_of_its_consumers_is_paused_until_they_catch_up(
    consumer: Peer, publisher: Peer
):
    publish(publisher, 2000)
    assert not publisher.transport.reading_paused
    publish(publisher, 1000)
    assert publisher.transport.reading_paused
    consumer.receive()
    assert not publisher.transport.reading_paused


def test_a_publisher_to_a_queue_without_consumers_is_not_paused(publisher: Peer):
    publisher.call(1, commands.Queue.Declare(queue="q"))
    publish(publisher, 5000, b"")
    assert not publisher.transport.reading_paused


def test_a_paused_publisher_that_leaves_is_not_resumed(consumer: Peer, publisher: Peer):
    publish(publisher, 3000)
    assert publisher.transport.reading_paused
    publisher.disconnect()
    consumer.receive()
    assert publisher.transport.reading_paused


@pytest.mark.parametrize(("frame_max", "size"), [(4096, 16_000), (131_072, 100_000)])
def test_an_alarm_holds_back_what_is_half_published(broker: MemoryBroker, frame_max: int, size: int):
    publisher, other = broker.peer().open(frame_max=frame_max), broker.connect()
    publisher.open_channel(1)
    other.call(1, commands.Queue.Declare(queue="q"))
    body = b"x" * size
    data = publisher.publish_frames(1, "", "q", body)
    publisher.send_bytes(data[: -size // 2])
    broker.broker.alarms.raise_alarm("memory")
    publisher.send_bytes(data[-size // 2 : -size // 4])
    publisher.send_bytes(data[-size // 4 :])
    assert [type(method) for method in publisher.methods(0)] == [commands.Connection.Blocked]
    assert publisher.connection.held
    assert ready(other) == 0
    broker.broker.alarms.clear_alarm("memory")
    assert [type(method) for method in publisher.methods(0)] == [commands.Connection.Unblocked]
    assert other.call(1, commands.Basic.Get(queue="q")).body == body
