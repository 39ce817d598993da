"""What the core tells of, and what each event is about."""

import pytest
from pamqp import commands

from amqpd.testing.memory import MemoryBroker
from amqpd.wire.fields import Field


def about(broker: MemoryBroker, sentence: str) -> str:
    """The category of the first event with this sentence."""
    return broker.events.categories[broker.events.sentences().index(sentence)]


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


def test_what_happens_to_connections_is_about_connections(broker: MemoryBroker):
    peer = broker.connect()
    assert about(broker, "connection opened") == "connection"
    peer.call(0, commands.Connection.Close(200, "", 0, 0))
    assert about(broker, "connection closed") == "connection"


def test_a_channel_that_is_closed_for_a_mistake_is_about_channels(broker: MemoryBroker):
    broker.connect().call(1, commands.Queue.Declare(queue="missing", passive=True))
    assert about(broker, "channel error") == "channel"


def test_what_is_lost_on_its_way_to_a_queue_is_about_queues(broker: MemoryBroker):
    peer = broker.connect()
    arguments = {"x-message-ttl": Field("I", 1000), "x-dead-letter-exchange": Field("S", "")}
    peer.call(1, commands.Queue.Declare(queue="circle", arguments=arguments))
    peer.publish(1, "", "circle", b"x")
    broker.clock.advance(1.5)
    assert about(broker, "dead letters dropped: they went in a circle") == "queue"
