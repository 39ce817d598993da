"""Clients that keep deliveries for too long lose their channel (RabbitMQ 3.10's consumer_timeout)."""

from collections.abc import Callable
from typing import Any

import pytest
from pamqp import commands

from amqpd.protocol.parameters import Parameters
from amqpd.testing import Content, MemoryBroker, Peer, Refusal
from amqpd.wire.fields import table_of

HALF_AN_HOUR_S = 1800.0
TICK_S = 60.0


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a queue."""
    declare(peer)
    return peer


def declare(peer: Peer, queue: str = "q", **arguments: object) -> None:
    table = table_of({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    reply = peer.call(1, commands.Queue.Declare(queue=queue, arguments=table))
    assert isinstance(reply, commands.Queue.DeclareOk)


def consume(
    peer: Peer, queue: str = "q", channel_id: int = 1, *, tag: str = "t", no_ack: bool = False
) -> None:
    method = commands.Basic.Consume(queue=queue, consumer_tag=tag, no_ack=no_ack)
    assert isinstance(peer.call(channel_id, method), commands.Basic.ConsumeOk)


def timed_out(channel_id: int = 1, timeout_ms: int = 1800000) -> Refusal:
    return Refusal(
        "channel",
        406,
        f"PRECONDITION_FAILED - delivery acknowledgement on channel {channel_id} timed out. Timeout value used: "
        f"{timeout_ms} ms. This timeout value can be configured, see consumers doc guide to learn more",
        0,
        0,
    )


def ready(broker: MemoryBroker, queue: str = "q") -> int:
    return broker.broker.vhosts["/"].queues[queue].ready()


def closes_after_s(broker: MemoryBroker, peer: Peer, step_s: float = 1.0, at_most_s: float = 10_000) -> float:
    """How much time passes before the broker closes something, in steps."""
    passed_s = 0.0
    while peer.refusal() is None:
        assert passed_s < at_most_s, "nothing is closed"
        broker.advance(step_s)
        passed_s += step_s
    return passed_s


def by_consuming(peer: Peer) -> None:
    consume(peer)
    peer.publish(1, "", "q", b"m")


def by_getting(peer: Peer) -> None:
    peer.publish(1, "", "q", b"m")
    assert isinstance(peer.call(1, commands.Basic.Get(queue="q")), Content)


WAYS: list[Callable[[Peer], None]] = [by_consuming, by_getting]


@pytest.mark.parametrize("way", WAYS)
def test_a_delivery_that_is_kept_too_long_closes_its_channel(
    broker: MemoryBroker, peer: Peer, way: Callable[[Peer], None]
):
    way(peer)
    broker.advance(HALF_AN_HOUR_S)
    assert peer.refusal() is None
    broker.advance(TICK_S)
    assert peer.refusal() == timed_out()


@pytest.mark.parametrize("way", WAYS)
def test_the_message_is_ready_again(broker: MemoryBroker, peer: Peer, way: Callable[[Peer], None]):
    way(peer)
    broker.advance(HALF_AN_HOUR_S + TICK_S)
    assert ready(broker) == 1
    got = peer.call(2, commands.Basic.Get(queue="q"))
    assert (got.body, got.method.redelivered) == (b"m", True)


def test_other_channels_and_the_connection_go_on(broker: MemoryBroker, peer: Peer):
    by_consuming(peer)
    broker.advance(HALF_AN_HOUR_S + TICK_S)
    assert peer.refusal() == timed_out()
    assert isinstance(peer.call(2, commands.Basic.Qos()), commands.Basic.QosOk)
    peer.send(1, commands.Channel.CloseOk())
    peer.open_channel(1)


def test_the_text_names_the_channel(broker: MemoryBroker, peer: Peer):
    consume(peer, channel_id=2)
    peer.publish(1, "", "q", b"m")
    broker.advance(HALF_AN_HOUR_S + TICK_S)
    assert peer.refusal() == timed_out(2)


@pytest.mark.parametrize("delay_s", [0.0, 0.5, 31.0, 59.9, 60.0, 61.5, 600.0, 3599.0])
def test_it_is_never_too_early_and_at_most_a_tick_late_whenever_the_delivery_came(
    broker: MemoryBroker, peer: Peer, delay_s: float
):
    consume(peer)
    peer.publish(1, "", "q", b"settled")
    peer.send(1, commands.Basic.Ack(1))
    broker.advance(delay_s)
    peer.publish(1, "", "q", b"kept")
    peer.receive()
    assert HALF_AN_HOUR_S <= closes_after_s(broker, peer) <= HALF_AN_HOUR_S + TICK_S


def test_the_oldest_delivery_counts_however_many_are_settled_meanwhile(broker: MemoryBroker, peer: Peer):
    consume(peer)
    peer.publish(1, "", "q", b"kept")
    for tag in range(2, 2 + 29):
        broker.advance(60)
        peer.publish(1, "", "q", b"settled")
        peer.send(1, commands.Basic.Ack(tag))
    peer.receive()
    assert HALF_AN_HOUR_S <= 29 * 60 + closes_after_s(broker, peer) <= HALF_AN_HOUR_S + TICK_S


def test_when_the_oldest_is_settled_the_next_has_its_own_age(broker: MemoryBroker, peer: Peer):
    consume(peer)
    peer.publish(1, "", "q", b"1")
    broker.advance(1000)
    peer.publish(1, "", "q", b"2")
    broker.advance(700)
    peer.send(1, commands.Basic.Ack(1))
    peer.receive()
    assert HALF_AN_HOUR_S <= 700 + closes_after_s(broker, peer) <= HALF_AN_HOUR_S + TICK_S


def test_a_consumer_that_settles_in_time_may_go_on_for_ever(broker: MemoryBroker, peer: Peer):
    consume(peer)
    for tag in range(1, 30):
        peer.publish(1, "", "q", b"m")
        broker.advance(HALF_AN_HOUR_S - 1)
        peer.send(1, commands.Basic.Ack(tag))
    broker.advance(10 * HALF_AN_HOUR_S)
    assert peer.refusal() is None


def test_a_requeued_delivery_begins_anew(broker: MemoryBroker, peer: Peer):
    consume(peer)
    peer.publish(1, "", "q", b"m")
    broker.advance(1500)
    peer.send(1, commands.Basic.Nack(1, False, True))
    broker.advance(1500)
    assert peer.refusal() is None
    broker.advance(400)
    assert peer.refusal() == timed_out()


def test_without_acknowledgements_there_is_no_timeout(broker: MemoryBroker, peer: Peer):
    consume(peer, no_ack=True)
    peer.publish(1, "", "q", b"m")
    peer.publish(1, "", "other", b"m")
    broker.advance(10 * HALF_AN_HOUR_S)
    assert peer.refusal() is None


def test_a_cancelled_consumer_still_has_to_settle_what_it_got(broker: MemoryBroker, peer: Peer):
    by_consuming(peer)
    peer.call(1, commands.Basic.Cancel("t"))
    broker.advance(HALF_AN_HOUR_S + TICK_S)
    assert peer.refusal() == timed_out()


def test_what_was_delivered_after_a_long_silence_is_watched_as_well(broker: MemoryBroker, peer: Peer):
    consume(peer)
    peer.publish(1, "", "q", b"m")
    peer.send(1, commands.Basic.Ack(1))
    broker.advance(10 * HALF_AN_HOUR_S)
    peer.publish(1, "", "q", b"m")
    peer.receive()
    assert HALF_AN_HOUR_S <= closes_after_s(broker, peer) <= HALF_AN_HOUR_S + TICK_S


@pytest.mark.parametrize("end", ["rollback", "commit"])
def test_what_a_transaction_has_settled_is_settled_unless_it_is_rolled_back(
    broker: MemoryBroker, peer: Peer, end: str
):
    peer.call(1, commands.Tx.Select())
    consume(peer)
    peer.publish(2, "", "q", b"m")
    peer.send(1, commands.Basic.Ack(1))
    broker.advance(2 * HALF_AN_HOUR_S)
    assert peer.refusal() is None
    peer.call(1, commands.Tx.Rollback() if end == "rollback" else commands.Tx.Commit())
    broker.advance(HALF_AN_HOUR_S + TICK_S)
    assert peer.refusal() == (timed_out() if end == "rollback" else None)


def test_a_channel_in_the_middle_of_a_publish_is_closed_too(broker: MemoryBroker, peer: Peer):
    by_consuming(peer)
    frames = peer.publish_frames(1, "", "q", b"x" * 100)
    peer.send_bytes(frames[:-50])
    broker.advance(HALF_AN_HOUR_S + TICK_S)
    assert peer.refusal() == timed_out()
    peer.send_bytes(frames[-50:])
    peer.send(1, commands.Channel.CloseOk())
    peer.open_channel(1)
    assert ready(broker) == 1


def test_confirms_that_are_due_come_before_the_close(broker: MemoryBroker, peer: Peer):
    by_consuming(peer)
    peer.call(1, commands.Confirm.Select())
    peer.publish(1, "", "nowhere", b"m")
    broker.advance(HALF_AN_HOUR_S + TICK_S)
    assert [method.name for method in peer.methods(1)] == ["Basic.Ack", "Channel.Close"]


def test_the_timeout_may_be_shorter_and_is_looked_at_as_often(peer: Peer):
    broker = MemoryBroker(Parameters(consumer_timeout_ms=5000))
    impatient = broker.connect()
    declare(impatient)
    by_consuming(impatient)
    broker.advance(4.9)
    assert impatient.refusal() is None
    broker.advance(5.1)
    assert impatient.refusal() == timed_out(1, 5000)


def test_a_timeout_of_days_is_kept_to_however_much_is_delivered_meanwhile():
    days_s = 6 * 86400
    broker = MemoryBroker(Parameters(consumer_timeout_ms=days_s * 1000))
    peer = broker.connect()
    declare(peer)
    by_consuming(peer)
    for tag in range(2, 2 + 5000):
        peer.publish(1, "", "q", b"m")
        peer.send(1, commands.Basic.Ack(tag))
        broker.advance(60)
        peer.receive()
    broker.advance(days_s - 5000 * 60)
    assert peer.refusal() is None
    broker.advance(TICK_S)
    assert peer.refusal() == timed_out(1, days_s * 1000)


def test_a_timeout_of_zero_is_none():
    broker = MemoryBroker(Parameters(consumer_timeout_ms=0))
    peer = broker.connect()
    declare(peer)
    by_consuming(peer)
    broker.advance(1000 * HALF_AN_HOUR_S)
    assert peer.refusal() is None


# A queue's own (RabbitMQ 3.12)


@pytest.mark.parametrize(("of_queue_s", "general_s"), [(600, 1800), (3600, 1800), (600, 0)])
def test_a_queue_may_have_its_own_timeout(of_queue_s: int, general_s: int):
    broker = MemoryBroker(Parameters(consumer_timeout_ms=general_s * 1000))
    peer = broker.connect()
    declare(peer, consumer_timeout=of_queue_s * 1000)
    by_consuming(peer)
    peer.receive()
    broker.advance(of_queue_s - 1)
    assert peer.refusal() is None
    broker.advance(TICK_S + 1)
    assert peer.refusal() == timed_out(1, of_queue_s * 1000)


def test_a_policy_can_give_a_queue_its_timeout_also_when_something_is_delivered_already(
    broker: MemoryBroker, peer: Peer
):
    by_consuming(peer)
    broker.advance(100)
    broker.broker.vhosts["/"].queues["q"].apply_policy({"consumer-timeout": 300_000})
    broker.advance(199)
    assert peer.refusal() is None
    broker.advance(TICK_S + 1)
    assert peer.refusal() == timed_out(1, 300_000)


def test_the_queue_of_the_oldest_delivery_decides(broker: MemoryBroker, peer: Peer):
    declare(peer, "impatient", consumer_timeout=120_000)
    consume(peer, "q", tag="a")
    consume(peer, "impatient", tag="b")
    peer.publish(1, "", "q", b"m")
    peer.publish(1, "", "impatient", b"m")
    broker.advance(600)
    assert peer.refusal() is None
    peer.send(1, commands.Basic.Ack(1))
    broker.advance(TICK_S)
    assert peer.refusal() == timed_out(1, 120_000)


# What it costs


def timers(broker: MemoryBroker) -> int:
    """How many timers are still to run."""
    return broker.broker.timers.waiting()


def test_a_channel_with_nothing_to_settle_has_no_timer_after_a_tick(broker: MemoryBroker, peer: Peer):
    before = timers(broker)
    consume(peer)
    for tag in range(1, 5):
        peer.publish(1, "", "q", b"m")
        peer.send(1, commands.Basic.Ack(tag))
        assert timers(broker) == before + 1
    broker.advance(TICK_S)
    assert timers(broker) == before


def test_a_channel_that_never_consumed_has_no_timer(broker: MemoryBroker, peer: Peer):
    before = timers(broker)
    for _ in range(10):
        peer.publish(1, "", "q", b"m")
    peer.call(1, commands.Basic.Get(queue="q", no_ack=True))
    consume(peer, no_ack=True)
    assert timers(broker) == before


@pytest.mark.parametrize("end", ["channel", "connection", "stream"])
def test_what_is_closed_leaves_no_timer(broker: MemoryBroker, end: str):
    other = broker.connect()
    declare(other)
    before = timers(broker)
    peer = broker.connect()
    by_consuming(peer)
    if end == "channel":
        peer.call(1, commands.Channel.Close(200, "", 0, 0))
    elif end == "connection":
        peer.close()
    else:
        peer.disconnect()
    assert timers(broker) == before


class CountingClock:
    """Counts how often anybody asks for the time."""

    def __init__(self, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch) -> None:
        self.looks = 0
        clock: Any = broker.clock
        for name in ("monotonic_s", "unix_s"):
            monkeypatch.setattr(clock, name, self._counted(getattr(clock, name)))

    def _counted(self, ask: Callable[[], float]) -> Callable[[], float]:
        def counted() -> float:
            self.looks += 1
            return ask()

        return counted


def test_a_delivery_costs_no_look_at_the_clock(
    broker: MemoryBroker, peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    consume(peer)
    peer.publish(1, "", "q", b"m")
    clock = CountingClock(broker, monkeypatch)
    for tag in range(1, 100):
        peer.publish(1, "", "q", b"m")
        peer.send(1, commands.Basic.Ack(tag))
    assert clock.looks == 0
    broker.advance(TICK_S)
    assert clock.looks > 0
