"""What clients can rely on when the broker has a disk: answers that wait for it, and what is there after the end."""

import os
from typing import Any

import pytest
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.auth.passwords import hash_password
from amqpd.auth.users import User
from amqpd.durability import CannotStart
from amqpd.testing import Content, DurableBroker, Peer
from amqpd.wire.fields import table_of
from amqpd.wire.properties import Properties

ENDS = ["restart", "kill", "power"]


@pytest.fixture
def broker() -> DurableBroker:
    return DurableBroker()


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a durable queue."""
    declare(peer, "q")
    return peer


def again(broker: DurableBroker, end: str) -> DurableBroker:
    """The next broker on the same disk."""
    if end == "restart":
        return broker.restart()
    return broker.kill() if end == "kill" else broker.lose_power(7)


def declare(peer: Peer, name: str, *, durable: bool = True, **flags: Any) -> Any:
    return peer.call(1, commands.Queue.Declare(queue=name, durable=durable, **flags))


def declare_exchange(
    peer: Peer, name: str, kind: str = "fanout", *, durable: bool = True, **flags: Any
) -> None:
    method = commands.Exchange.Declare(exchange=name, exchange_type=kind, durable=durable, **flags)
    assert isinstance(peer.call(1, method), commands.Exchange.DeclareOk)


def bind(peer: Peer, exchange: str, queue: str, routing_key: str = "") -> None:
    peer.call(1, commands.Queue.Bind(queue=queue, exchange=exchange, routing_key=routing_key))


def publish(peer: Peer, body: bytes, *, to: str = "q", exchange: str = "", persistent: bool = True) -> None:
    peer.publish(1, exchange, to, body, Properties(delivery_mode=2 if persistent else 1))


def get(peer: Peer, queue: str = "q", *, no_ack: bool = True) -> Content:
    got = peer.call(1, commands.Basic.Get(queue=queue, no_ack=no_ack))
    assert isinstance(got, Content)
    return got


def drained(peer: Peer, queue: str = "q") -> list[tuple[bytes, bool]]:
    """Body and redelivered of all that a queue has."""
    found: list[tuple[bytes, bool]] = []
    while True:
        got = peer.call(1, commands.Basic.Get(queue=queue, no_ack=True))
        if not isinstance(got, Content):
            return found
        found.append((got.body, got.method.redelivered))


def has_queue(broker: DurableBroker, name: str) -> bool:
    found = broker.connect().call(1, commands.Queue.Declare(queue=name, passive=True))
    return isinstance(found, commands.Queue.DeclareOk)


def has_exchange(broker: DurableBroker, name: str) -> bool:
    method = commands.Exchange.Declare(exchange=name, passive=True)
    return isinstance(broker.connect().call(1, method), commands.Exchange.DeclareOk)


def names(peer: Peer, channel_id: int = 1) -> list[str]:
    """The methods that have arrived on a channel."""
    return [method.name for method in peer.methods(channel_id)]


def acks(peer: Peer) -> list[tuple[int, bool]]:
    """Delivery tag and multiple of the confirms that have arrived, and nothing else may have."""
    found: list[tuple[int, bool]] = []
    for method in peer.methods(1):
        assert isinstance(method, commands.Basic.Ack)
        found.append((method.delivery_tag or 0, method.multiple))
    return found


# Answers


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        (commands.Queue.Declare(queue="new", durable=True), "Queue.DeclareOk"),
        (commands.Queue.Bind(queue="q", exchange="e", routing_key="other"), "Queue.BindOk"),
        (commands.Queue.Unbind(queue="q", exchange="e", routing_key="key"), "Queue.UnbindOk"),
        (commands.Queue.Delete(queue="q"), "Queue.DeleteOk"),
        (commands.Queue.Purge(queue="q"), "Queue.PurgeOk"),
        (commands.Exchange.Declare(exchange="new", durable=True), "Exchange.DeclareOk"),
        (commands.Exchange.Bind(destination="e", source="amq.fanout"), "Exchange.BindOk"),
        (commands.Exchange.Unbind(destination="e", source="amq.topic"), "Exchange.UnbindOk"),
        (commands.Exchange.Delete(exchange="e"), "Exchange.DeleteOk"),
    ],
)
def test_a_durable_change_is_answered_when_it_is_on_disk(
    broker: DurableBroker, peer: Peer, method: Method, reply: str
):
    declare_exchange(peer, "e", "direct")
    bind(peer, "e", "q", "key")
    peer.call(1, commands.Exchange.Bind(destination="e", source="amq.topic"))
    publish(peer, b"x")
    broker.flushes = False
    peer.send(1, method)
    assert names(peer) == []
    broker.flush()
    assert names(peer) == [reply]


@pytest.mark.parametrize(
    "method",
    [
        commands.Queue.Declare(queue="new"),
        commands.Queue.Declare(queue="q", durable=True),
        commands.Queue.Declare(queue="new", durable=True, exclusive=True),
        commands.Queue.Bind(queue="transient", exchange="amq.fanout"),
        commands.Queue.Purge(queue="transient"),
        commands.Queue.Delete(queue="transient"),
        commands.Exchange.Declare(exchange="new"),
    ],
)
def test_what_need_not_last_is_answered_at_once(broker: DurableBroker, peer: Peer, method: Method):
    declare(peer, "transient", durable=False)
    broker.flushes = False
    peer.send(1, method)
    assert len(names(peer)) == 1


def test_a_declaration_that_changes_nothing_waits_for_the_one_that_did(broker: DurableBroker, peer: Peer):
    other = broker.connect()
    broker.flushes = False
    peer.send(1, commands.Queue.Declare(queue="new", durable=True))
    other.send(1, commands.Queue.Declare(queue="new", durable=True))
    assert names(other) == []
    broker.flush()
    assert names(other) == ["Queue.DeclareOk"]


def test_a_confirm_waits_for_the_disk(broker: DurableBroker, peer: Peer):
    peer.call(1, commands.Confirm.Select())
    broker.flushes = False
    publish(peer, b"1")
    publish(peer, b"2")
    assert names(peer) == []
    broker.flush()
    assert acks(peer) == [(2, True)]


def test_a_confirm_of_what_need_not_last_comes_at_once(broker: DurableBroker, peer: Peer):
    declare(peer, "transient", durable=False)
    peer.call(1, commands.Confirm.Select())
    broker.flushes = False
    publish(peer, b"1", persistent=False)
    publish(peer, b"2", to="transient")
    publish(peer, b"3", to="nowhere")
    assert acks(peer) == [(1, False), (2, False), (3, False)]


def test_no_confirm_overtakes_an_earlier_one(broker: DurableBroker, peer: Peer):
    peer.call(1, commands.Confirm.Select())
    broker.flushes = False
    publish(peer, b"1")
    publish(peer, b"2", persistent=False)
    assert names(peer) == []
    broker.flush()
    assert acks(peer) == [(2, True)]


def test_what_is_acked_before_it_reaches_the_disk_is_confirmed(broker: DurableBroker, peer: Peer):
    peer.call(1, commands.Confirm.Select())
    peer.call(2, commands.Basic.Consume(queue="q"))
    broker.flushes = False
    publish(peer, b"x")
    peer.send(2, commands.Basic.Ack(1))
    broker.flush()
    assert names(peer) == ["Basic.Ack"]
    assert drained(broker.kill().connect()) == []


def test_commit_ok_waits_for_the_disk(broker: DurableBroker, peer: Peer):
    peer.call(1, commands.Tx.Select())
    broker.flushes = False
    publish(peer, b"x")
    peer.send(1, commands.Tx.Commit())
    assert names(peer) == []
    broker.flush()
    assert names(peer) == ["Tx.CommitOk"]
    assert drained(broker.kill().connect()) == [(b"x", False)]


def test_commit_ok_of_acks_waits_for_the_disk(broker: DurableBroker, peer: Peer):
    publish(peer, b"x")
    peer.call(1, commands.Tx.Select())
    get(peer, no_ack=False)
    broker.flushes = False
    peer.send(1, commands.Basic.Ack(1))
    peer.send(1, commands.Tx.Commit())
    assert names(peer) == []
    broker.flush()
    assert names(peer) == ["Tx.CommitOk"]
    assert drained(broker.kill().connect()) == []


def test_replies_keep_their_order_when_only_some_wait(broker: DurableBroker, peer: Peer):
    broker.flushes = False
    for method in (
        commands.Queue.Declare(queue="transient"),
        commands.Queue.Declare(queue="durable", durable=True),
        commands.Queue.Declare(queue="other"),
        commands.Queue.Bind(queue="durable", exchange="amq.fanout"),
        commands.Basic.Qos(prefetch_count=1),
        commands.Queue.Unbind(queue="durable", exchange="amq.fanout"),
        commands.Queue.Delete(queue="durable"),
        commands.Basic.Get(queue="q"),
    ):
        peer.send(1, method)
    broker.flush()
    assert names(peer) == [
        "Queue.DeclareOk",
        "Queue.DeclareOk",
        "Queue.DeclareOk",
        "Queue.BindOk",
        "Basic.QosOk",
        "Queue.UnbindOk",
        "Queue.DeleteOk",
        "Basic.GetEmpty",
    ]


def test_what_a_client_sends_behind_a_held_answer_waits_whatever_the_channel(
    broker: DurableBroker, peer: Peer
):
    broker.flushes = False
    peer.send(1, commands.Queue.Declare(queue="durable", durable=True))
    peer.send(2, commands.Queue.Declare(queue="transient"))
    assert names(peer, 2) == []
    broker.flush()
    assert (names(peer, 1), names(peer, 2)) == (["Queue.DeclareOk"], ["Queue.DeclareOk"])


def test_others_go_on_while_an_answer_waits(broker: DurableBroker, peer: Peer):
    other = broker.connect()
    broker.flushes = False
    peer.send(1, commands.Queue.Declare(queue="durable", durable=True))
    other.send(1, commands.Basic.Qos(prefetch_count=1))
    assert names(other) == ["Basic.QosOk"]


def test_consumers_hear_that_their_queue_is_gone_when_that_is_on_disk(broker: DurableBroker, peer: Peer):
    other = broker.connect()
    other.call(1, commands.Basic.Consume(queue="q"))
    broker.flushes = False
    peer.send(1, commands.Queue.Delete(queue="q"))
    assert names(other) == []
    broker.flush()
    assert names(other) == ["Basic.Cancel"]


def test_consumers_hear_that_their_queue_is_gone_though_the_deleter_has_left(
    broker: DurableBroker, peer: Peer
):
    other = broker.connect()
    other.call(1, commands.Basic.Consume(queue="q"))
    broker.flushes = False
    peer.send(1, commands.Queue.Delete(queue="q"))
    peer.disconnect()
    broker.flush()
    assert names(other) == ["Basic.Cancel"]


def test_a_consumer_that_left_before_the_flush_hears_nothing(broker: DurableBroker, peer: Peer):
    other = broker.connect()
    other.call(1, commands.Basic.Consume(queue="q"))
    broker.flushes = False
    peer.send(1, commands.Queue.Delete(queue="q"))
    other.disconnect()
    broker.flush()
    assert names(other) == []
    assert names(peer) == ["Queue.DeleteOk"]


# Definitions after the end


@pytest.mark.parametrize("end", ENDS)
def test_only_durable_things_that_nobody_owns_are_there_afterwards(
    broker: DurableBroker, peer: Peer, end: str
):
    declare(peer, "transient", durable=False)
    declare(peer, "exclusive", exclusive=True)
    declare(peer, "auto", auto_delete=True)
    declare_exchange(peer, "durable")
    declare_exchange(peer, "passing", durable=False)
    declare_exchange(peer, "auto", auto_delete=True)
    after = again(broker, end)
    queues = ["q", "transient", "exclusive", "auto"]
    assert [has_queue(after, name) for name in queues] == [True, False, False, True]
    assert [has_exchange(after, name) for name in ("durable", "passing", "auto")] == [True, False, True]


@pytest.mark.parametrize("end", ENDS)
def test_an_auto_delete_queue_is_gone_if_its_last_consumer_left_before(
    broker: DurableBroker, peer: Peer, end: str
):
    declare(peer, "auto", auto_delete=True)
    peer.call(1, commands.Basic.Consume(queue="auto", consumer_tag="c"))
    peer.call(1, commands.Basic.Cancel(consumer_tag="c"))
    assert not has_queue(again(broker, end), "auto")


def test_an_auto_delete_queue_outlives_a_kill_that_its_consumer_does_not(broker: DurableBroker, peer: Peer):
    declare(peer, "auto", auto_delete=True)
    peer.call(1, commands.Basic.Consume(queue="auto"))
    assert has_queue(broker.kill(), "auto")


@pytest.mark.parametrize("end", ENDS)
def test_declarations_stay_as_they_were(broker: DurableBroker, peer: Peer, end: str):
    declare_exchange(peer, "e", "topic", internal=True, auto_delete=True)
    declare(peer, "auto", auto_delete=True)
    after = again(broker, end)
    for wrong in (
        commands.Exchange.Declare(exchange="e", exchange_type="direct", durable=True),
        commands.Exchange.Declare(exchange="e", exchange_type="topic", durable=True, auto_delete=True),
        commands.Queue.Declare(queue="auto", durable=True),
        commands.Queue.Declare(queue="auto", auto_delete=True),
    ):
        refused = after.connect().call(1, wrong)
        assert isinstance(refused, commands.Channel.Close) and refused.reply_code == 406
    declare_exchange(after.connect(), "e", "topic", internal=True, auto_delete=True)


@pytest.mark.parametrize("end", ENDS)
def test_bindings_of_every_kind_route_as_before(broker: DurableBroker, peer: Peer, end: str):
    declare_exchange(peer, "topic", "topic")
    declare_exchange(peer, "headers", "headers")
    declare(peer, "other")
    declare(peer, "transient", durable=False)
    bind(peer, "topic", "q", "a.#")
    bind(peer, "topic", "other", "b.*")
    bind(peer, "topic", "transient", "#")
    peer.call(1, commands.Exchange.Bind(destination="topic", source="headers", arguments={"x": 1}))
    peer.call(1, commands.Queue.Unbind(queue="other", exchange="topic", routing_key="b.*"))
    peer.call(1, commands.Queue.Bind(queue="other", exchange="topic", routing_key="c"))
    peer = again(broker, end).connect()
    for key in ("a.b", "b.c", "c"):
        peer.publish(1, "headers", key, key.encode(), Properties(headers=table_of({"x": 1})))
    peer.publish(1, "headers", "a", b"no", Properties(headers=table_of({"x": 2})))
    assert drained(peer) == [(b"a.b", False)]
    assert drained(peer, "other") == [(b"c", False)]


def test_a_durable_auto_delete_exchange_that_only_a_transient_binding_kept_routes_after_a_kill(
    broker: DurableBroker, peer: Peer
):
    declare_exchange(peer, "e", auto_delete=True)
    declare(peer, "transient", durable=False)
    bind(peer, "e", "q")
    bind(peer, "e", "transient")
    peer.call(1, commands.Queue.Unbind(queue="q", exchange="e", routing_key=""))
    bind(peer, "e", "q")
    after = broker.kill().connect()
    publish(after, b"x", exchange="e", to="")
    assert drained(after) == [(b"x", False)]


@pytest.mark.parametrize("end", ENDS)
def test_an_auto_delete_exchange_whose_last_binding_went_is_gone(broker: DurableBroker, peer: Peer, end: str):
    declare_exchange(peer, "e", auto_delete=True)
    bind(peer, "e", "q")
    peer.call(1, commands.Queue.Delete(queue="q"))
    assert not has_exchange(again(broker, end), "e")


@pytest.mark.parametrize("end", ENDS)
def test_a_deleted_and_redeclared_queue_has_only_new_messages(broker: DurableBroker, peer: Peer, end: str):
    bind(peer, "amq.fanout", "q")
    publish(peer, b"old")
    get(peer, no_ack=False)
    publish(peer, b"old too")
    peer.call(1, commands.Queue.Delete(queue="q"))
    declare(peer, "q")
    publish(peer, b"new")
    peer = again(broker, end).connect()
    publish(peer, b"unbound", exchange="amq.fanout")
    assert drained(peer) == [(b"new", False)]


@pytest.mark.parametrize("end", ENDS)
def test_users_changed_at_run_time_are_as_they_were_left(broker: DurableBroker, end: str):
    for name in ("alice", "bob", "carol"):
        broker.users.add(User(name, hash_password(name, b"salt")))
        broker.users.set_permissions(name, "/", ".*", ".*", ".*")
    broker.users.delete("bob")
    broker.users.set_permissions("alice", "/", "^a", "", ".*")
    broker.users.set_topic_permissions("alice", "/", "amq.topic", "^w", "^r")
    broker.users.set_tags("carol", ["monitoring"])
    broker.users.set_limits("carol", 3, None)
    broker.users.change_password("guest", hash_password("new", b"salt"), "rabbit_password_hashing_sha256")
    broker.flush()
    after = again(broker, end)
    assert after.users.names() == ["alice", "carol", "guest"]
    alice, carol = after.users.get("alice"), after.users.get("carol")
    assert alice is not None and carol is not None
    assert (carol.tags, carol.max_connections, carol.max_channels) == (["monitoring"], 3, None)
    permissions = alice.permissions["/"]
    kinds = ("configure", "write", "read")
    assert [permissions.allows(kind, "a") for kind in kinds] == [True, False, True]
    assert [permissions.allows("configure", name) for name in "ab"] == [True, False]
    assert permissions.allows_topic("write", "amq.topic", "w") and not permissions.allows_topic(
        "write", "amq.topic", "r"
    )
    assert after.peer().open(user="guest", password="new").is_open
    assert after.peer().open(user="alice", password="alice").is_open


@pytest.mark.parametrize("end", ENDS)
def test_vhosts_added_at_run_time_have_what_was_declared_in_them(broker: DurableBroker, end: str):
    broker.broker.add_vhost("red")
    broker.broker.add_vhost("blue")
    broker.users.set_permissions("guest", "red", ".*", ".*", ".*")
    broker.users.set_permissions("guest", "blue", ".*", ".*", ".*")
    red = broker.peer().open("red")
    red.open_channel(1)
    declare(red, "q")
    publish(red, b"red")
    after = again(broker, end)
    assert sorted(after.broker.vhosts) == ["/", "blue", "red"]
    red = after.peer().open("red")
    red.open_channel(1)
    assert drained(red) == [(b"red", False)]
    assert not has_queue(after, "q")
    assert "q" not in after.broker.vhosts["blue"].queues


def test_a_user_who_was_deleted_is_not_back_though_everybody_starts_with_him(broker: DurableBroker):
    broker.users.add(User("alice", hash_password("alice", b"salt")))
    broker.users.delete("guest")
    assert broker.restart().users.names() == ["alice"]


# Messages after the end


@pytest.mark.parametrize("end", ENDS)
def test_persistent_messages_of_durable_queues_are_there_in_order(
    broker: DurableBroker, peer: Peer, end: str
):
    declare(peer, "other")
    bind(peer, "amq.fanout", "q")
    bind(peer, "amq.fanout", "other")
    publish(peer, b"1")
    publish(peer, b"2", exchange="amq.fanout")
    publish(peer, b"lost", persistent=False)
    publish(peer, b"3", to="other")
    publish(peer, b"4", exchange="amq.fanout")
    peer = again(broker, end).connect()
    assert drained(peer) == [(b"1", False), (b"2", False), (b"4", False)]
    assert drained(peer, "other") == [(b"2", False), (b"3", False), (b"4", False)]


@pytest.mark.parametrize("end", ENDS)
def test_the_unacked_are_in_their_places_and_redelivered(broker: DurableBroker, peer: Peer, end: str):
    for number in range(6):
        publish(peer, b"%d" % number)
    peer.call(2, commands.Basic.Qos(prefetch_count=3))
    peer.call(2, commands.Basic.Consume(queue="q"))
    assert peer.bodies(2) == [b"0", b"1", b"2"]
    peer.send(2, commands.Basic.Ack(2))
    assert peer.bodies(2) == [b"3"]
    assert get(peer, no_ack=False).body == b"4"
    after = again(broker, end)
    # a client that leaves gives its messages back, and a stopping broker makes all of them leave
    assert drained(after.connect()) == [
        (b"0", True),
        (b"2", True),
        (b"3", True),
        (b"4", True),
        (b"5", False),
    ]


@pytest.mark.parametrize("end", ENDS)
def test_what_was_requeued_is_in_its_place_and_redelivered(broker: DurableBroker, peer: Peer, end: str):
    for number in range(3):
        publish(peer, b"%d" % number)
    get(peer, no_ack=False)
    get(peer, no_ack=False)
    peer.send(1, commands.Basic.Nack(1, False, True))
    peer.send(1, commands.Basic.Ack(2))
    assert drained(again(broker, end).connect()) == [(b"0", True), (b"2", False)]


def test_what_was_delivered_long_ago_is_still_redelivered_after_a_second_kill(
    broker: DurableBroker, peer: Peer
):
    publish(peer, b"x")
    get(peer, no_ack=False)
    assert drained(broker.kill().kill().connect()) == [(b"x", True)]


@pytest.mark.parametrize("end", ENDS)
def test_settled_messages_are_gone_however_they_were_settled(broker: DurableBroker, peer: Peer, end: str):
    for number in range(8):
        publish(peer, b"%d" % number)
    for _ in range(4):
        get(peer, no_ack=False)
    get(peer, no_ack=True)
    peer.send(1, commands.Basic.Ack(1))
    peer.send(1, commands.Basic.Nack(2, False, False))
    peer.send(1, commands.Basic.Reject(3, False))
    assert drained(again(broker, end).connect()) == [
        (b"3", True),
        (b"5", False),
        (b"6", False),
        (b"7", False),
    ]


@pytest.mark.parametrize("end", ENDS)
def test_purged_messages_are_gone_and_those_in_hands_are_not(broker: DurableBroker, peer: Peer, end: str):
    for number in range(4):
        publish(peer, b"%d" % number)
    get(peer, no_ack=False)
    assert peer.call(1, commands.Queue.Purge(queue="q")).message_count == 3
    publish(peer, b"4")
    assert drained(again(broker, end).connect()) == [(b"0", True), (b"4", False)]


EVERYTHING = Properties(
    content_type="text/plain",
    content_encoding="utf-8",
    headers=table_of(
        {
            "x-death": [{"count": 2, "queue": "dead", "reason": "expired", "routing-keys": ["a", "b"]}],
            "number": -(2**40),
            "nothing": None,
            "bytes": b"\x00\xff",
        }
    ),
    delivery_mode=2,
    priority=7,
    correlation_id="correlation",
    reply_to="reply",
    expiration="3600000",
    message_id="message",
    timestamp=1_700_000_000,
    type="type",
    user_id="guest",
    app_id="app",
    cluster_id="cluster",
)


@pytest.mark.parametrize("size", [0, 1, 20_000, 1_000_000])
@pytest.mark.parametrize("end", ENDS)
def test_a_message_comes_back_octet_for_octet(broker: DurableBroker, peer: Peer, end: str, size: int):
    body = bytes(index % 251 for index in range(size))
    bind(peer, "amq.topic", "q", "#")
    peer.publish(1, "amq.topic", "a key", body, EVERYTHING)
    before = get(peer, no_ack=False)
    after = get(again(broker, end).connect())
    assert after.header == before.header
    assert after.body == body
    assert (after.method.exchange, after.method.routing_key) == ("amq.topic", "a key")
    assert after.properties.headers == EVERYTHING.headers


@pytest.mark.parametrize("end", ENDS)
def test_a_message_larger_than_a_segment_comes_back(end: str):
    broker = DurableBroker(segment_bytes=4000)
    peer = broker.connect()
    declare(peer, "q")
    publish(peer, b"small")
    publish(peer, b"l" * 30_000)
    publish(peer, b"small too")
    found = drained(again(broker, end).connect())
    assert found == [(b"small", False), (b"l" * 30_000, False), (b"small too", False)]


def test_what_was_not_flushed_may_be_lost_and_then_it_was_not_confirmed(broker: DurableBroker, peer: Peer):
    peer.call(1, commands.Confirm.Select())
    publish(peer, b"kept")
    assert names(peer) == ["Basic.Ack"]
    broker.flushes = False
    publish(peer, b"lost")
    assert names(peer) == []
    assert drained(broker.kill().connect()) == [(b"kept", False)]


def test_a_restart_in_peace_keeps_what_was_not_confirmed_yet(broker: DurableBroker, peer: Peer):
    broker.flushes = False
    publish(peer, b"x")
    assert drained(broker.restart().connect()) == [(b"x", False)]


# The directory


def test_a_second_broker_on_the_same_disk_is_refused_and_told_who_has_it(broker: DurableBroker, peer: Peer):
    with pytest.raises(CannotStart, match=f"in use by process {os.getpid()} on "):
        DurableBroker(broker.files)
    publish(peer, b"x")
    assert drained(broker.kill().connect()) == [(b"x", False)]


def test_a_disk_can_be_used_again_when_its_broker_has_stopped(broker: DurableBroker, peer: Peer):
    publish(peer, b"x")
    broker.stop()
    assert drained(DurableBroker(broker.files).connect()) == [(b"x", False)]


def test_a_queue_that_was_busy_leaves_nothing_in_the_log(peer: Peer, broker: DurableBroker):
    peer.call(2, commands.Basic.Consume(queue="q", consumer_tag="c"))
    for number in range(1500):
        publish(peer, b"needle %d" % number + bytes(200))
    assert len(peer.contents(2)) == 1500
    peer.send(2, commands.Basic.Ack(0, True))
    publish(peer, b"last")
    peer.send(2, commands.Basic.Ack(0, True))
    sizes = {
        path: size for path, size in broker.memory_files.sizes().items() if path.startswith("/data/log/")
    }
    assert len(sizes) == 1
    for _ in range(3):
        broker = broker.restart()
    assert drained(broker.connect()) == []
    assert b"needle" not in b"".join(
        broker.memory_files.read_all(path) for path in broker.memory_files.sizes()
    )
