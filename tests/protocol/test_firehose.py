"""The firehose tells of everything that is published and delivered (RabbitMQ 3.10's amq.rabbitmq.trace)."""

from typing import Any

import pytest
from pamqp import commands

from amqpd.broker.definitions import ExchangeDeclared
from amqpd.message import Message
from amqpd.store.journal import GROUP_MAX_BYTES
from amqpd.testing import Content, MemoryBroker, Peer
from amqpd.testing.durable import DurableBroker
from amqpd.testing.sink import message_of
from amqpd.wire.fields import Field, plain_table, table_of
from amqpd.wire.properties import Properties

NODE = "rabbit@here"
TRACES = "traces"


@pytest.fixture
def watcher(broker: MemoryBroker, other: Peer) -> Peer:
    """Has a queue that everything the firehose tells comes to; nothing is traced yet."""
    other.call(1, commands.Queue.Declare(queue=TRACES))
    other.call(1, commands.Queue.Bind(queue=TRACES, exchange="amq.rabbitmq.trace", routing_key="#"))
    return other


@pytest.fixture
def publisher(broker: MemoryBroker, watcher: Peer, peer: Peer) -> Peer:
    """Has the queue "q", and is traced."""
    peer.call(1, commands.Queue.Declare(queue="q"))
    broker.broker.vhosts["/"].trace(NODE)
    return peer


def told(broker: MemoryBroker, watcher: Peer) -> list[Content]:
    """What the firehose has told since it was asked last."""
    broker.advance(0)
    contents: list[Content] = []
    while True:
        got = watcher.call(1, commands.Basic.Get(queue=TRACES, no_ack=True))
        if not isinstance(got, Content):
            return contents
        contents.append(got)


def keys(contents: list[Content]) -> list[str]:
    return [content.method.routing_key for content in contents]


def told_of_publishing(broker: MemoryBroker, watcher: Peer) -> list[str]:
    """The routing keys of what was told; what the watcher gets itself is told of as well, and left out."""
    return [key for key in keys(told(broker, watcher)) if key.startswith("publish.")]


def headers_of(content: Content) -> dict[str, Any]:
    return plain_table(content.properties.headers or {})


def consume(peer: Peer, queue: str = "q", no_ack: bool = True) -> None:
    peer.call(1, commands.Basic.Consume(queue=queue, consumer_tag=f"tag of {queue}", no_ack=no_ack))


def test_what_is_published_is_told_with_who_did_it_and_where_it_went(
    broker: MemoryBroker, publisher: Peer, watcher: Peer
):
    properties = Properties(delivery_mode=2, headers=table_of({"a": 1}), content_type="text/plain")
    publisher.publish(1, "", "q", b"hello", properties)
    (trace,) = told(broker, watcher)
    assert (trace.method.exchange, trace.method.routing_key) == ("amq.rabbitmq.trace", "publish.")
    assert trace.body == b"hello"
    assert headers_of(trace) == {
        "exchange_name": "",
        "routing_keys": ["q"],
        "properties": {"content_type": "text/plain", "headers": {"a": 1}, "delivery_mode": 2},
        "node": NODE,
        "vhost": "/",
        "connection": publisher.connection.peer.name,
        "channel": 1,
        "user": "guest",
        "routed_queues": ["q"],
    }
    assert trace.properties.delivery_mode is None


def test_numbers_among_the_properties_are_signed_integers(
    broker: MemoryBroker, publisher: Peer, watcher: Peer
):
    publisher.publish(1, "", "q", b"", Properties(priority=3, timestamp=1700000000))
    (trace,) = told(broker, watcher)
    properties = (trace.properties.headers or {})["properties"].value
    assert properties == {"priority": Field("I", 3), "timestamp": Field("I", 1700000000)}


def test_a_time_beyond_32_bits_is_told_as_well(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    publisher.publish(1, "", "q", b"", Properties(timestamp=2**64 - 1))
    (trace,) = told(broker, watcher)
    assert "timestamp" in headers_of(trace)["properties"]


def test_a_delivery_is_told_after_its_publishing(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    consume(publisher)
    publisher.publish(1, "amq.direct", "k", b"nowhere")
    publisher.publish(1, "", "q", b"one")
    publisher.publish(1, "", "q", b"two")
    traces = told(broker, watcher)
    assert keys(traces) == ["publish.amq.direct", "publish.", "deliver.q", "publish.", "deliver.q"]
    assert headers_of(traces[0])["routed_queues"] == []
    assert headers_of(traces[2]) == {
        "exchange_name": "",
        "routing_keys": ["q"],
        "properties": {},
        "node": NODE,
        "redelivered": 0,
        "vhost": "/",
        "connection": publisher.connection.peer.name,
        "channel": 1,
        "user": "guest",
    }


def test_whoever_consumed_before_the_tracing_began_is_told_of(
    broker: MemoryBroker, watcher: Peer, peer: Peer
):
    peer.call(1, commands.Queue.Declare(queue="q"))
    consume(peer)
    peer.publish(1, "", "q", b"not told")
    broker.broker.vhosts["/"].trace(NODE)
    peer.publish(1, "", "q", b"told")
    assert [(trace.method.routing_key, trace.body) for trace in told(broker, watcher)] == [
        ("publish.", b"told"),
        ("deliver.q", b"told"),
    ]


def test_a_message_that_comes_back_is_told_as_redelivered(
    broker: MemoryBroker, publisher: Peer, watcher: Peer
):
    consume(publisher, no_ack=False)
    publisher.publish(1, "", "q", b"m")
    publisher.send(1, commands.Basic.Reject(delivery_tag=1, requeue=True))
    deliveries = [trace for trace in told(broker, watcher) if trace.method.routing_key == "deliver.q"]
    assert [headers_of(trace)["redelivered"] for trace in deliveries] == [0, 1]


def test_basic_get_is_told_as_a_delivery(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    publisher.publish(1, "", "q", b"m")
    publisher.call(1, commands.Basic.Get(queue="q", no_ack=True))
    assert keys(told(broker, watcher)) == ["publish.", "deliver.q"]


def test_the_firehose_does_not_tell_of_itself(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    publisher.publish(1, "", "q", b"m")
    assert keys(told(broker, watcher)) == ["publish."]
    assert keys(told(broker, watcher)) == []


def test_copies_for_further_keys_are_named(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    publisher.publish(1, "", "q", b"m", Properties(headers=table_of({"CC": ["other"]})))
    assert headers_of(told(broker, watcher)[0])["routing_keys"] == ["q", "other"]


def test_what_a_transaction_holds_is_told_at_once(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    publisher.call(2, commands.Tx.Select())
    publisher.publish(2, "", "q", b"m")
    assert told_of_publishing(broker, watcher) == ["publish."]
    publisher.call(2, commands.Tx.Commit())
    assert told_of_publishing(broker, watcher) == []


def test_a_queue_may_take_what_is_told_of_itself(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    publisher.call(1, commands.Queue.Bind(queue="q", exchange="amq.rabbitmq.trace", routing_key="deliver.q"))
    consume(publisher)
    for number in range(3):
        publisher.publish(1, "", "q", b"%d" % number)
    broker.advance(0)
    got = publisher.contents(1)
    assert [content.body for content in got] == [b"0", b"1", b"2", b"0", b"1", b"2"]
    assert [content.method.delivery_tag for content in got] == [1, 2, 3, 4, 5, 6]


def test_headers_as_deep_as_they_may_be_are_left_out(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    deepest = Field("S", "bottom")
    for _ in range(127):
        deepest = Field("F", {"t": deepest})
    publisher.publish(1, "", "q", b"m", Properties(headers={"t": deepest}))
    (trace,) = told(broker, watcher)
    assert headers_of(trace)["properties"] == {}
    assert publisher.is_open


def test_the_longest_names_fit(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    exchange = "x" * 255
    broker.broker.vhosts["/"].declare_exchange(ExchangeDeclared(exchange, "fanout", False, False, False, {}))
    publisher.publish(1, exchange, "", b"m")
    (trace,) = told(broker, watcher)
    assert trace.method.routing_key == f"publish.{exchange}"[:255]
    assert headers_of(trace)["exchange_name"] == exchange


def test_nothing_is_told_any_more_when_tracing_has_ended(
    broker: MemoryBroker, publisher: Peer, watcher: Peer
):
    consume(publisher)
    broker.broker.vhosts["/"].trace_no_more()
    publisher.publish(1, "", "q", b"m")
    assert told(broker, watcher) == []
    assert publisher.bodies(1) == [b"m"]


def test_another_virtual_host_is_not_told_of(broker: MemoryBroker, publisher: Peer, watcher: Peer):
    vhost = broker.broker.add_vhost("elsewhere")
    vhost.trace(NODE)
    broker.broker.vhosts["/"].trace_no_more()
    publisher.publish(1, "", "q", b"m")
    assert told(broker, watcher) == []


def test_replies_to_direct_requests_are_delivered_as_ever(
    broker: MemoryBroker, publisher: Peer, watcher: Peer
):
    consume(publisher, "amq.rabbitmq.reply-to")
    publisher.publish(1, "", "q", b"request", Properties(reply_to="amq.rabbitmq.reply-to"))
    request = watcher.call(1, commands.Basic.Get(queue="q", no_ack=True))
    watcher.publish(1, "", request.properties.reply_to, b"reply")
    assert publisher.bodies(1) == [b"reply"]


def test_what_the_log_has_no_room_for_is_lost_in_one_queue_and_told_in_others():
    broker = DurableBroker()
    vhost = broker.broker.vhosts["/"]
    client = broker.connect()
    client.call(1, commands.Queue.Declare(queue="p"))
    client.call(1, commands.Queue.Declare(queue="logged", durable=True, arguments={"x-queue-type": "quorum"}))
    client.call(1, commands.Queue.Declare(queue="z"))
    for queue in ("p", "logged", "z"):
        client.call(1, commands.Queue.Bind(queue=queue, exchange="amq.rabbitmq.trace", routing_key="#"))
    vhost.trace(NODE)
    client.publish(1, "", "p", b"m")
    client.publish(1, "", "p", b"n")
    small = message_of()
    # As much as can wait for the log, by its own account.
    huge = Message(small.address, small.header, GROUP_MAX_BYTES - 100, b"", 0, [b"huge"])
    vhost.queues["logged"].publish(huge)
    broker.broker.timers.run_due()
    assert [vhost.queues[name].ready() for name in ("p", "logged", "z")] == [4, 1, 2]
