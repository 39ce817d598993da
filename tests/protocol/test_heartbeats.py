"""Heartbeats (4.2.7), with the clock moved by hand."""

import pytest
from pamqp import commands

from amqpd.testing import Heartbeat, MemoryBroker, Peer
from amqpd.wire.frames import HEARTBEAT


@pytest.fixture
def peer(broker: MemoryBroker) -> Peer:
    """A client that agreed on a heartbeat every 10 seconds, and has read what there was."""
    peer = broker.peer().open(heartbeat_s=10)
    peer.receive()
    return peer


def heartbeats(peer: Peer) -> int:
    return sum(isinstance(received.frame, Heartbeat) for received in peer.receive())


def test_the_broker_sends_one_each_half_interval(broker: MemoryBroker, peer: Peer):
    sent = []
    for _ in range(5):
        broker.advance(4.99)
        sent.append(heartbeats(peer))
        peer.send_bytes(HEARTBEAT)
        broker.advance(0.01)
        sent.append(heartbeats(peer))
    assert sent == [0, 1] * 5


def test_an_hour_at_once_brings_as_many_heartbeats_as_an_hour(broker: MemoryBroker):
    peer = broker.peer().open(heartbeat_s=60)
    peer.receive()
    for _ in range(60):
        peer.send_bytes(HEARTBEAT)
        broker.advance(60)
    assert heartbeats(peer) == 120


def test_other_output_makes_a_heartbeat_needless(broker: MemoryBroker, peer: Peer):
    broker.advance(3)
    peer.open_channel(1)
    broker.advance(3)
    assert heartbeats(peer) == 0
    broker.advance(4)
    assert heartbeats(peer) == 1


def test_a_silent_client_is_cut_off_after_the_third_interval(broker: MemoryBroker, peer: Peer):
    """RabbitMQ 3.10: heartbeat 2, frames at 1 to 5 seconds, end at 6."""
    broker.advance(29.99)
    assert not peer.stream_closed
    assert heartbeats(peer) == 5
    broker.advance(0.02)
    assert peer.stream_closed
    assert heartbeats(peer) == 0
    assert "missed heartbeats from client" in broker.events.sentences()


def test_any_traffic_counts_as_a_heartbeat(broker: MemoryBroker, peer: Peer):
    peer.open_channel(1)
    for _ in range(10):
        broker.advance(15)
        peer.publish(1, "", "nowhere", b"x")
    assert peer.is_open


def test_half_a_frame_counts_as_traffic(broker: MemoryBroker, peer: Peer):
    for octet in HEARTBEAT * 2:
        broker.advance(15)
        peer.send_bytes(bytes([octet]))
    assert peer.is_open


def test_a_client_that_turns_heartbeats_off_may_be_silent(broker: MemoryBroker):
    peer = broker.peer().open(heartbeat_s=0)
    peer.receive()
    broker.advance(1_000_000)
    assert peer.is_open
    assert peer.receive() == []


def test_a_client_may_ask_for_a_longer_interval(broker: MemoryBroker):
    peer = broker.peer().open(heartbeat_s=600)
    peer.receive()
    broker.advance(1799)
    assert peer.is_open
    assert heartbeats(peer) == 5


def test_a_closed_connection_has_no_heartbeats_left(broker: MemoryBroker, peer: Peer):
    peer.close()
    assert broker.broker.timers.next_due_s() is None


def test_the_queues_of_a_client_cut_off_are_freed(broker: MemoryBroker, peer: Peer):
    peer.open_channel(1)
    peer.call(1, commands.Queue.Declare(queue="q", exclusive=True))
    broker.advance(31)
    assert "q" not in broker.broker.vhosts["/"].queues
