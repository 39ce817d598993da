"""What queues do by themselves, over a restart: expiry, limits, priorities and dead letters are where they were."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pamqp import commands

from amqpd.broker.queues.queue import Queue
from amqpd.testing import Content, DurableBroker, Peer
from amqpd.wire.fields import plain_table, table_of
from amqpd.wire.properties import Properties

ENDS = ["restart", "kill", "power"]
MANY = st.integers(0, 1000)


@pytest.fixture
def broker() -> DurableBroker:
    return DurableBroker()


def again(broker: DurableBroker, end: str = "restart") -> DurableBroker:
    """The next broker on the same disk, at the same time of day."""
    if end == "restart":
        following = broker.restart()
    else:
        following = broker.kill() if end == "kill" else broker.lose_power(7)
    following.advance(broker.clock.monotonic_s())
    return following


def declare(peer: Peer, queue: str = "q", **arguments: object) -> None:
    """Underscores in the arguments' names stand for hyphens."""
    table = table_of({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    reply = peer.call(1, commands.Queue.Declare(queue=queue, durable=True, arguments=table))
    assert isinstance(reply, commands.Queue.DeclareOk)


def publish(peer: Peer, *bodies: str, to: str = "q", **properties: Any) -> None:
    for body in bodies:
        peer.publish(1, "", to, body.encode(), Properties(**{"delivery_mode": 2, **properties}))


def get(peer: Peer, queue: str = "q") -> Content:
    got = peer.call(1, commands.Basic.Get(queue=queue))
    assert isinstance(got, Content)
    return got


def drained(peer: Peer, queue: str = "q") -> list[Content]:
    found: list[Content] = []
    while isinstance(got := peer.call(1, commands.Basic.Get(queue=queue, no_ack=True)), Content):
        found.append(got)
    return found


def bodies(peer: Peer, queue: str = "q") -> list[str]:
    return [each.body.decode() for each in drained(peer, queue)]


def queue_of(broker: DurableBroker, name: str = "q") -> Queue:
    return broker.broker.vhosts["/"].queues[name]


def ready(broker: DurableBroker, name: str = "q") -> int:
    return queue_of(broker, name).ready()


def set_policy(broker: DurableBroker, **definition: object) -> None:
    """One policy for all queues."""
    vhost = broker.broker.vhosts["/"]
    if definition:
        vhost.set_policy("p", ".*", {key.replace("_", "-"): value for key, value in definition.items()})
    else:
        vhost.delete_policy("p")
    broker.settle()


# Expiry


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize(
    ("of_queue", "of_message"), [({"message_ttl": 1000}, {}), ({}, {"expiration": "1000"})]
)
def test_a_message_expires_when_it_would_have(
    broker: DurableBroker, end: str, of_queue: dict[str, object], of_message: dict[str, object]
):
    peer = broker.connect()
    declare(peer, **of_queue)
    publish(peer, "m", **of_message)
    broker.advance(0.6)
    broker = again(broker, end)
    broker.advance(0.399)
    assert ready(broker) == 1
    broker.advance(0.002)
    assert ready(broker) == 0


@pytest.mark.parametrize("restarts", [2, 5])
def test_no_number_of_restarts_makes_a_message_live_longer(broker: DurableBroker, restarts: int):
    peer = broker.connect()
    declare(peer, message_ttl=10_000)
    publish(peer, "m")
    for _ in range(restarts):
        broker.advance(1.9)
        broker = again(broker)
    assert ready(broker) == 1
    broker.advance(10 - 1.9 * restarts + 0.001)
    assert ready(broker) == 0


def test_what_has_expired_while_nothing_ran_is_gone_at_once(broker: DurableBroker):
    peer = broker.connect()
    declare(peer, "dead")
    declare(peer, message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="dead")
    publish(peer, "1", "2")
    broker.clock.advance(3600)
    del peer
    broker = broker.kill()
    broker.advance(3600)
    assert (ready(broker), ready(broker, "dead")) == (0, 2)


def test_a_message_that_was_in_a_clients_hands_expires_as_it_comes_back(broker: DurableBroker):
    peer = broker.connect()
    declare(peer, message_ttl=1000)
    publish(peer, "m")
    get(peer)
    broker.advance(5)
    assert ready(again(broker, "kill")) == 0


@pytest.mark.parametrize("end", ENDS)
def test_one_message_that_expires_by_itself_among_others_is_not_forgotten(broker: DurableBroker, end: str):
    peer = broker.connect()
    declare(peer)
    publish(peer, "goes", expiration="1000")
    publish(peer, "stays")
    broker = again(broker, end)
    broker.advance(1.001)
    assert bodies(broker.connect()) == ["stays"]


def test_a_queue_without_anything_that_expires_is_not_looked_at_for_that(broker: DurableBroker):
    peer = broker.connect()
    declare(peer)
    publish(peer, "gone", expiration="1000")
    publish(peer, "stays")
    peer.send(1, commands.Basic.Ack(get(peer).method.delivery_tag))
    broker = again(broker)
    assert not any(index.has_expiring for index in queue_of(broker).indexes())


@pytest.mark.parametrize("end", ENDS)
def test_a_policy_from_before_is_for_what_came_after_it(broker: DurableBroker, end: str):
    peer = broker.connect()
    declare(peer)
    publish(peer, "has no end")
    set_policy(broker, message_ttl=1000)
    publish(peer, "ends")
    broker = again(broker, end)
    publish(broker.connect(), "ends, too")
    peer = broker.connect()
    assert get(peer).body == b"has no end"
    broker.advance(1.001)
    assert ready(broker) == 0


@pytest.mark.parametrize("end", ENDS)
def test_a_policy_that_was_lifted_counts_for_what_came_under_it(broker: DurableBroker, end: str):
    peer = broker.connect()
    declare(peer)
    set_policy(broker, message_ttl=1000)
    publish(peer, "ends")
    set_policy(broker)
    publish(peer, "has no end")
    broker = again(broker, end)
    broker.advance(1.001)
    assert bodies(broker.connect()) == ["has no end"]


@pytest.mark.parametrize("end", ENDS)
def test_every_change_of_the_time_to_live_is_known_again(broker: DurableBroker, end: str):
    peer = broker.connect()
    declare(peer)
    for number, ttl_ms in enumerate((None, 5000, None, 1000, 3000)):
        set_policy(broker, **({} if ttl_ms is None else {"message_ttl": ttl_ms}))
        publish(peer, str(number))
        broker.advance(0.01)
    broker = again(broker, end)
    peer = broker.connect()
    assert get(peer).body == b"0"
    broker.advance(4)
    assert get(peer).body == b"1"
    broker.advance(2)
    assert [get(peer).body, ready(broker)] == [b"2", 0]


def test_a_change_is_for_what_comes_after_it_also_when_what_came_before_is_written_later(
    broker: DurableBroker,
):
    peer = broker.connect()
    declare(peer)
    broker.flushes = False
    publish(peer, "has no end")
    set_policy(broker, message_ttl=1000)
    broker.advance(0.005)
    broker.flush()
    broker.advance(10)
    assert ready(broker) == 1
    broker = again(broker, "kill")
    broker.advance(10)
    assert ready(broker) == 1


def test_changes_are_known_when_the_part_of_the_log_that_told_them_is_gone():
    broker = DurableBroker(segment_bytes=2000)
    peer = broker.connect()
    declare(peer)
    declare(peer, "other")
    publish(peer, "has no end")
    set_policy(broker, message_ttl=1000)
    publish(peer, "ends")
    for _ in range(200):
        publish(peer, "x" * 100, to="other")
        drained(peer, "other")
    broker = again(broker, "kill")
    peer = broker.connect()
    broker.advance(1.001)
    assert ready(broker) == 2
    assert get(peer).body == b"has no end"
    assert ready(broker) == 0


def test_messages_that_were_out_of_memory_expire_as_well():
    broker = DurableBroker(memory_bytes=2000)
    peer = broker.connect()
    declare(peer, message_ttl=1000)
    publish(peer, *["x" * 100] * 100)
    broker.advance(0.5)
    publish(peer, *["y" * 100] * 10)
    broker.advance(0.5)
    assert ready(broker) == 10
    broker = again(broker, "kill")
    assert ready(broker) == 10
    broker.advance(0.501)
    assert ready(broker) == 0


def test_transient_messages_that_were_out_of_memory_expire_as_well():
    broker = DurableBroker(memory_bytes=2000)
    peer = broker.connect()
    declare(peer)
    publish(peer, *["x" * 100] * 100, delivery_mode=1, expiration="1000")
    publish(peer, "stays", delivery_mode=1)
    broker.advance(1.001)
    assert bodies(peer) == ["stays"]


def test_a_queue_that_nobody_uses_has_its_whole_time_again(broker: DurableBroker):
    declare(broker.connect(), expires=1000)
    broker.advance(0.9)
    broker = broker.restart()
    broker.advance(0.9)
    assert "q" in broker.broker.vhosts["/"].queues
    broker.advance(0.1)
    assert "q" not in broker.broker.vhosts["/"].queues
    assert "q" not in again(broker).broker.vhosts["/"].queues


# Limits


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("memory_bytes", [2000, 1 << 30])
def test_octets_are_counted_right(end: str, memory_bytes: int):
    broker = DurableBroker(memory_bytes=memory_bytes)
    peer = broker.connect()
    declare(peer, max_length_bytes=1000)
    publish(peer, *(f"{number:010}" * 10 for number in range(15)))
    broker = again(broker, end)
    peer = broker.connect()
    assert ready(broker) == 10
    publish(peer, "x")
    assert ready(broker) == 10
    publish(peer, "y" * 200)
    assert [len(body) for body in bodies(peer)] == [100] * 7 + [1, 200]


@pytest.mark.parametrize("end", ENDS)
def test_octets_of_what_is_settled_are_free(broker: DurableBroker, end: str):
    peer = broker.connect()
    declare(peer, max_length_bytes=1000, overflow="reject-publish")
    publish(peer, *["x" * 100] * 10)
    for _ in range(4):
        peer.send(1, commands.Basic.Ack(get(peer).method.delivery_tag))
    get(peer)
    broker = again(broker, end)
    peer = broker.connect()
    publish(peer, "y" * 401, "z" * 400, "more")
    assert [body[0] for body in bodies(peer)] == ["x"] * 6 + ["z"]


def test_octets_of_messages_that_were_moved_in_the_log_are_counted_once():
    broker = DurableBroker(segment_bytes=2000)
    peer = broker.connect()
    declare(peer, max_length_bytes=1000)
    declare(peer, "other")
    publish(peer, *["x" * 100] * 9)
    for _ in range(100):
        publish(peer, "y" * 100, to="other")
        drained(peer, "other")
    broker = again(broker, "kill")
    peer = broker.connect()
    publish(peer, "z" * 100)
    assert ready(broker) == 10
    publish(peer, "z" * 100)
    assert ready(broker) == 10


def test_octets_of_priorities_are_counted_together(broker: DurableBroker):
    peer = broker.connect()
    declare(peer, max_priority=5, max_length_bytes=1000, overflow="reject-publish")
    for priority in range(5):
        publish(peer, "x" * 200, priority=priority)
    broker = again(broker)
    peer = broker.connect()
    publish(peer, "y", priority=5)
    assert ready(broker) == 5
    peer.send(1, commands.Basic.Ack(get(peer).method.delivery_tag))
    publish(peer, "y" * 200, priority=5)
    assert ready(broker) == 5


def test_what_comes_back_after_a_crash_is_too_much_and_the_oldest_go_to_the_dead(broker: DurableBroker):
    """The queue of the dead is made before the one it gets them from, or after it."""
    peer = broker.connect()
    for queue, dead in (("a", "z"), ("z", "none"), ("y", "b"), ("b", "none")):
        declare(peer, queue, max_length=2, dead_letter_exchange="", dead_letter_routing_key=dead)
    for queue in ("a", "y"):
        publish(peer, "1", "2", to=queue)
        get(peer, queue)
        get(peer, queue)
        publish(peer, "3", "4", to=queue)
    broker = again(broker, "kill")
    peer = broker.connect()
    for queue, dead in (("a", "z"), ("y", "b")):
        assert (bodies(peer, queue), bodies(peer, dead)) == (["3", "4"], ["1", "2"])


# Priorities


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("memory_bytes", [2000, 1 << 30])
def test_priorities_and_the_order_of_equals_are_kept(end: str, memory_bytes: int):
    broker = DurableBroker(memory_bytes=memory_bytes)
    peer = broker.connect()
    declare(peer, max_priority=3)
    for number in range(40):
        publish(peer, f"{number:02}", priority=number % 5)
    held = [get(peer) for _ in range(3)]
    peer.send(1, commands.Basic.Ack(held[1].method.delivery_tag))
    broker = again(broker, end)
    found = [(each.body.decode(), each.method.redelivered) for each in drained(broker.connect())]
    numbers = sorted(range(40), key=lambda number: (-min(number % 5, 3), number))
    expected = [f"{number:02}" for number in numbers]
    del expected[1]
    assert [body for body, _ in found] == expected
    assert [redelivered for _, redelivered in found] == [True] * 2 + [False] * 37


def test_new_messages_stand_behind_their_equals_and_before_lower_ones(broker: DurableBroker):
    peer = broker.connect()
    declare(peer, max_priority=2)
    for body, priority in (("0a", 0), ("1a", 1), ("2a", 2)):
        publish(peer, body, priority=priority)
    broker = again(broker)
    peer = broker.connect()
    for body, priority in (("0b", 0), ("1b", 1), ("2b", 2)):
        publish(peer, body, priority=priority)
    assert bodies(peer) == ["2a", "2b", "1a", "1b", "0a", "0b"]


def test_queues_with_255_priorities_do_not_get_in_each_others_way(broker: DurableBroker):
    peer = broker.connect()
    for queue in ("a", "b"):
        declare(peer, queue, max_priority=255)
        for priority in (0, 255, 7):
            publish(peer, f"{queue}{priority}", to=queue, priority=priority)
    peer.call(1, commands.Queue.Delete(queue="a"))
    declare(peer, "c", max_priority=255)
    publish(peer, "c9", to="c", priority=9)
    broker = again(broker)
    peer = broker.connect()
    assert (bodies(peer, "b"), bodies(peer, "c")) == (["b255", "b7", "b0"], ["c9"])


# Dead letters


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("reason", ["rejected", "expired", "maxlen"])
def test_a_dead_letter_is_where_it_went_and_nowhere_else(broker: DurableBroker, end: str, reason: str):
    peer = broker.connect()
    declare(peer, "dead")
    arguments = {"expired": {"message_ttl": 100}, "maxlen": {"max_length": 0}}.get(reason, {})
    declare(peer, dead_letter_exchange="", dead_letter_routing_key="dead", **arguments)
    publish(peer, "m")
    if reason == "rejected":
        peer.send(1, commands.Basic.Reject(get(peer).method.delivery_tag, False))
    broker.advance(1)
    broker.flush()
    broker = again(broker, end)
    peer = broker.connect()
    (dead,) = drained(peer, "dead")
    assert dead.properties.headers is not None
    assert plain_table(dead.properties.headers)["x-first-death-reason"] == reason
    assert bodies(peer) == []


def test_a_death_that_is_not_on_disk_has_not_happened(broker: DurableBroker):
    peer = broker.connect()
    declare(peer, "dead")
    declare(peer, dead_letter_exchange="", dead_letter_routing_key="dead")
    publish(peer, "m")
    broker.flushes = False
    peer.send(1, commands.Basic.Reject(get(peer).method.delivery_tag, False))
    assert ready(broker, "dead") == 1
    broker = again(broker, "kill")
    assert (ready(broker), ready(broker, "dead")) == (1, 0)


def test_a_dead_letter_in_a_transient_queue_is_gone_with_it(broker: DurableBroker):
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="dead"))
    declare(peer, dead_letter_exchange="", dead_letter_routing_key="dead")
    publish(peer, "m")
    peer.send(1, commands.Basic.Reject(get(peer).method.delivery_tag, False))
    broker = again(broker)
    assert ready(broker) == 0


@pytest.mark.parametrize("order", ["abc", "bac", "bca"])
@pytest.mark.parametrize("arguments", [{"max_length": 1}, {"message_ttl": 0}])
def test_a_death_between_two_queues_of_one_message_leaves_the_log_right(
    broker: DurableBroker, order: str, arguments: dict[str, object]
):
    """A message stands once in the log, with all the queues that have it, whatever dies as it comes to one of them."""
    peer = broker.connect()
    declare(peer, "dead")
    declare(peer, "a", dead_letter_exchange="", dead_letter_routing_key="dead", **arguments)
    declare(peer, "b")
    declare(peer, "c")
    for queue in order:
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    numbers = [str(number) for number in range(5)]
    for number in numbers:
        peer.publish(1, "amq.fanout", "", number.encode(), Properties(delivery_mode=2))
    broker.advance(1)
    broker.flush()
    broker = again(broker, "kill")
    peer = broker.connect()
    assert (bodies(peer, "b"), bodies(peer, "c")) == (numbers, numbers)
    assert sorted(bodies(peer, "a") + bodies(peer, "dead")) == numbers
    broker.flush()
    assert broker.journal.log.sizes()[1] == 0


@pytest.mark.parametrize("order", ["abc", "bac", "bca"])
def test_as_long_as_it_runs_the_log_keeps_what_lives_and_nothing_else(broker: DurableBroker, order: str):
    peer = broker.connect()
    declare(peer, "dead")
    declare(peer, "a", max_length=1, dead_letter_exchange="", dead_letter_routing_key="dead")
    declare(peer, "b")
    declare(peer, "c")
    for queue in order:
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    for number in range(5):
        peer.publish(1, "amq.fanout", "", b"%d" % number * 100, Properties(delivery_mode=2))
    for queue in ("a", "b", "c", "dead"):
        drained(peer, queue)
    broker.flush()
    assert broker.journal.log.sizes()[1] == 0


TTL_S = 1.0
LIMITS = st.sampled_from(
    [{"max_length": 3}, {"max_length_bytes": 1000}, {"max_length": 4, "max_length_bytes": 2000}]
)


class Deaths(RuleBasedStateMachine):
    """A durable queue whose messages expire, are too many or are rejected, and the queue of its dead.

    The model says in which of the two each message is; after a crash that is where it was at the last flush.
    """

    @initialize(
        segment_bytes=st.sampled_from([2000, 100_000]),
        memory_bytes=st.sampled_from([2000, 1 << 30]),
        limit=LIMITS,
        priorities=st.sampled_from([{}, {"max_priority": 2}]),
    )
    def start(
        self, segment_bytes: int, memory_bytes: int, limit: dict[str, int], priorities: dict[str, int]
    ) -> None:
        self.broker = DurableBroker(segment_bytes=segment_bytes, memory_bytes=memory_bytes)
        peer = self.broker.connect()
        declare(peer, "dead")
        declare(
            peer,
            dead_letter_exchange="",
            dead_letter_routing_key="dead",
            message_ttl=int(TTL_S * 1000),
            **limit,
            **priorities,
        )
        self.limit = limit
        self.has_priorities = bool(priorities)
        self.sizes: dict[int, int] = {}
        self.priorities: dict[int, int] = {}
        self.number = 0
        self.now_s = 0.0
        self.deadlines_s: dict[int, float] = {}
        self.ready: list[int] = []
        self.dead: list[int] = []
        self.connect()
        self.on_disk: tuple[list[int], list[int]] = ([], [])

    def connect(self) -> None:
        self.held: dict[int, int] = {}
        """By delivery tag."""
        self.broker.flushes = False
        self.peer = self.broker.connect()

    # The model

    def expire(self) -> None:
        while self.ready and self.deadlines_s[self.ready[0]] <= self.now_s:
            self.dead.append(self.ready.pop(0))

    def keep_limit(self) -> None:
        while self.ready and self.is_too_much():
            self.dead.append(self.ready.pop(0))

    def is_too_much(self) -> bool:
        size = sum(self.sizes[number] for number in self.ready)
        return len(self.ready) > self.limit.get("max_length", 1000) or size > self.limit.get(
            "max_length_bytes", 1_000_000
        )

    def in_order(self, numbers: list[int]) -> list[int]:
        return sorted(numbers, key=lambda number: (-self.priorities[number], number))

    # What happens

    @rule(
        count=st.integers(1, 4),
        size=st.sampled_from([10, 10, 900]),
        priority=st.integers(0, 3),
        own_ttl_ms=st.sampled_from([None, None, 250, 5000]),
    )
    def publish(self, count: int, size: int, priority: int, own_ttl_ms: int | None) -> None:
        for _ in range(count):
            self.number += 1
            expiration = None if own_ttl_ms is None else str(own_ttl_ms)
            body = f"{self.number}:".ljust(size, "x")
            publish(self.peer, body, priority=priority, expiration=expiration)
            ttl_s = TTL_S if own_ttl_ms is None else min(TTL_S, own_ttl_ms / 1000)
            self.deadlines_s[self.number] = self.now_s + ttl_s
            self.sizes[self.number] = size
            self.priorities[self.number] = min(priority, 2) if self.has_priorities else 0
            self.ready = self.in_order([*self.ready, self.number])
            self.keep_limit()
            self.expire()

    @precondition(lambda self: self.ready)
    @rule()
    def get(self) -> None:
        got = get(self.peer)
        number = int(got.body.split(b":")[0])
        assert number == self.ready.pop(0), "not the first"
        self.held[got.method.delivery_tag] = number
        self.expire()

    @precondition(lambda self: self.held)
    @rule(seed=MANY, outcome=st.sampled_from(["ack", "reject", "reject", "requeue"]))
    def settle(self, seed: int, outcome: str) -> None:
        tag = sorted(self.held)[seed % len(self.held)]
        number = self.held.pop(tag)
        if outcome == "ack":
            self.peer.send(1, commands.Basic.Ack(tag))
            return
        self.peer.send(1, commands.Basic.Reject(tag, outcome == "requeue"))
        if outcome == "reject":
            self.dead.append(number)
        else:
            self.ready = self.in_order([*self.ready, number])
            self.expire()
            self.keep_limit()
            self.expire()

    @precondition(lambda self: self.held)
    @rule()
    def reject_all(self) -> None:
        self.peer.send(1, commands.Basic.Nack(0, True, False))
        self.dead += [self.held[tag] for tag in sorted(self.held)]
        self.held.clear()

    # Fractions that floats have, so that sums are what they should be.
    @rule(seconds=st.sampled_from([0.125, 0.5, 1.0]))
    def advance(self, seconds: float) -> None:
        self.broker.advance(seconds)
        self.now_s += seconds
        self.expire()

    @rule()
    def flush(self) -> None:
        self.broker.flush()
        self.on_disk = (self.in_order([*self.ready, *self.held.values()]), list(self.dead))

    @rule(seed=MANY, end=st.sampled_from(["kill", "power", "power"]))
    def crash(self, seed: int, end: str) -> None:
        self.broker = self.broker.kill() if end == "kill" else self.broker.lose_power(seed)
        self.go_on()

    @rule()
    def restart(self) -> None:
        self.ready = self.in_order([*self.ready, *self.held.values()])
        self.expire()
        self.keep_limit()
        self.expire()
        self.on_disk = (self.ready, self.dead)
        self.broker = self.broker.restart()
        self.go_on()

    def go_on(self) -> None:
        """After a start: what was in clients' hands is back, and may be too much or too old."""
        self.ready, self.dead = list(self.on_disk[0]), list(self.on_disk[1])
        self.broker.advance(self.now_s)
        self.keep_limit()
        self.expire()
        self.connect()

    @invariant()
    def each_message_is_where_it_should_be(self) -> None:
        if self.number:
            assert ready(self.broker) == len(self.ready)
            assert ready(self.broker, "dead") == len(self.dead)

    def teardown(self) -> None:
        if not self.number:
            return
        # The order of deaths is not looked at: what was in clients' hands when the broker stopped dies in its own.
        self.flush()
        self.crash(1, "power")
        found = [int(body.split(":")[0]) for body in bodies(self.peer)]
        expected: list[int] = []
        while self.ready:
            expected.append(self.ready.pop(0))
            self.expire()
        assert found == expected
        dead = [int(body.split(":")[0]) for body in bodies(self.peer, "dead")]
        assert sorted(dead) == sorted(self.dead)
        assert len(set(dead + found)) == len(dead + found), "in both places"


TestDeaths = Deaths.TestCase
TestDeaths.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
