"""Delayed message exchanges as clients see them: what is refused, what comes when, and what outlives the broker."""

from typing import Any

import pytest
from pamqp import commands

import amqpd.testing.memory
from amqpd.testing import Content, DurableBroker, MemoryBroker, Peer, Refusal
from amqpd.testing.clock import SOME_MOMENT_UNIX_S, FakeClock
from amqpd.wire.fields import Field, Table, table_of
from amqpd.wire.properties import Properties

ENDS = ["restart", "kill", "power"]
EXCHANGE = "later"


def declaration(arguments: dict[str, Any], name: str = EXCHANGE, **flags: Any) -> commands.Exchange.Declare:
    return commands.Exchange.Declare(
        exchange=name, exchange_type="x-delayed-message", arguments=arguments, **flags
    )


def declare(peer: Peer, delayed_type: object = "direct", *, name: str = EXCHANGE, **flags: Any) -> None:
    arguments = {"x-delayed-type": delayed_type, **flags.pop("arguments", {})}
    assert isinstance(peer.call(1, declaration(arguments, name, **flags)), commands.Exchange.DeclareOk)


def queue(peer: Peer, name: str = "q", key: str = "k", *, exchange: str = EXCHANGE, **flags: Any) -> None:
    peer.call(1, commands.Queue.Declare(queue=name, **flags))
    if exchange:
        peer.call(1, commands.Queue.Bind(queue=name, exchange=exchange, routing_key=key))


def publish(
    peer: Peer,
    body: bytes,
    delay: object = None,
    *,
    key: str = "k",
    exchange: str = EXCHANGE,
    headers: Table | None = None,
    mandatory: bool = False,
    persistent: bool = False,
) -> None:
    headers = {} if headers is None else headers
    if delay is not None:
        headers["x-delay"] = delay if isinstance(delay, Field) else Field("I", delay)
    properties = Properties(headers=headers or None, delivery_mode=2 if persistent else 1)
    peer.publish(1, exchange, key, body, properties, mandatory=mandatory)


def contents(peer: Peer, name: str = "q") -> list[Content]:
    found: list[Content] = []
    while isinstance(got := peer.call(1, commands.Basic.Get(queue=name, no_ack=True)), Content):
        found.append(got)
    return found


def bodies(peer: Peer, name: str = "q") -> list[bytes]:
    return [content.body for content in contents(peer, name)]


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a delayed exchange that leads to a queue."""
    declare(peer)
    queue(peer)
    return peer


# What is refused


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
        ({"x-delayed-type": 5}, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
        (
            {"x-delayed-type": "x-delayed-message"},
            "Invalid argument, 'x-delayed-message' can't be used for 'x-delayed-type'",
        ),
        ({"x-delayed-type": "nope"}, "unknown exchange type 'nope'"),
    ],
)
def test_an_exchange_needs_a_type_that_routes(broker: MemoryBroker, arguments: Any, text: str):
    peer = broker.connect()
    peer.send(1, declaration(arguments))
    assert peer.refusal() == Refusal("channel", 406, f"PRECONDITION_FAILED - {text}", 40, 10)


def test_what_the_underlying_type_refuses_is_refused(broker: MemoryBroker):
    peer = broker.connect()
    peer.send(1, declaration({"x-delayed-type": "x-consistent-hash", "hash-property": "app_id"}))
    assert peer.refusal() == Refusal(
        "channel", 406, "PRECONDITION_FAILED - Unsupported property: app_id", 40, 10
    )


def test_bindings_are_checked_by_the_underlying_type(broker: MemoryBroker):
    peer = broker.connect()
    declare(peer, "headers")
    queue(peer, exchange="")
    peer.send(1, commands.Queue.Bind(queue="q", exchange=EXCHANGE, arguments={"x-match": "nope"}))
    refusal = peer.refusal()
    assert refusal is not None and refusal.reply_code == 406


# What comes, and when


def test_a_message_comes_when_its_delay_is_over_and_not_before(broker: MemoryBroker, peer: Peer):
    publish(peer, b"m", 5000)
    broker.advance(4.999)
    assert bodies(peer) == []
    broker.advance(0.001)
    assert bodies(peer) == [b"m"]
    broker.advance(100)
    assert bodies(peer) == []


def test_messages_come_in_the_order_of_their_moments(broker: MemoryBroker, peer: Peer):
    for delay in (500, 100, 300, 200, 100, 400):
        publish(peer, b"%d" % delay, delay)
    broker.advance(0.25)
    assert bodies(peer) == [b"100", b"100", b"200"]
    broker.advance(0.25)
    assert bodies(peer) == [b"300", b"400", b"500"]


def test_messages_of_one_moment_come_in_the_order_in_which_they_were_published(
    broker: MemoryBroker, peer: Peer
):
    for number in range(600):
        publish(peer, b"%d" % number, 1000)
    broker.advance(1)
    assert bodies(peer) == [b"%d" % number for number in range(600)]


@pytest.mark.parametrize("days", [1, 7, 49])
def test_a_delay_may_be_long(broker: MemoryBroker, peer: Peer, days: int):
    publish(peer, b"m", Field("l", days * 86_400_000))
    broker.advance(days * 86_400 - 0.001)
    assert bodies(peer) == []
    broker.advance(0.001)
    assert bodies(peer) == [b"m"]


@pytest.mark.parametrize(
    "field",
    [
        Field("b", 100),
        Field("B", 100),
        Field("s", 100),
        Field("u", 100),
        Field("I", 100),
        Field("i", 100),
        Field("l", 100),
        Field("S", "100"),
        Field("S", "+100"),
        Field("d", 100.9),
        Field("f", 100.5),
    ],
)
def test_a_delay_is_a_number_of_any_type(broker: MemoryBroker, peer: Peer, field: Field):
    publish(peer, b"m", field)
    broker.advance(0.099)
    assert bodies(peer) == []
    broker.advance(0.001)
    (content,) = contents(peer)
    assert content.properties.headers == {"x-delay": Field("I", -100)}


@pytest.mark.parametrize(
    "field",
    [
        None,
        Field("I", 0),
        Field("I", -1000),
        Field("l", 1 << 32),
        Field("S", "-5"),
        Field("S", "soon"),
        Field("S", " 5"),
        Field("S", ""),
        Field("d", 0.9),
        Field("t", True),
        Field("T", 1000),
        Field("V", None),
        Field("D", (0, 1000)),
        Field("F", {}),
    ],
)
def test_a_message_without_a_delay_is_routed_at_once_and_stays_as_it_is(peer: Peer, field: Field | None):
    publish(peer, b"m", field)
    (content,) = contents(peer)
    assert content.properties.headers == (None if field is None else {"x-delay": field})


@pytest.mark.parametrize(
    ("delay_ms", "negated"),
    [
        (1, Field("I", -1)),
        (1 << 31, Field("I", -(1 << 31))),
        ((1 << 32) - 1, Field("l", 1 - (1 << 32))),
    ],
)
def test_the_copy_that_is_delivered_has_its_delay_negated(
    broker: MemoryBroker, peer: Peer, delay_ms: int, negated: Field
):
    headers = table_of({"a": 1, "z": "text"})
    publish(peer, b"m", Field("l", delay_ms), headers=headers)
    broker.advance(delay_ms / 1000)
    (content,) = contents(peer)
    assert content.properties.headers == {**headers, "x-delay": negated}


def test_properties_and_a_large_body_come_as_they_were(broker: MemoryBroker, peer: Peer):
    body = bytes(range(256)) * 1000
    properties = Properties(
        content_type="text/plain",
        headers={"x-delay": Field("I", 10)},
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        message_id="m",
        timestamp=5,
        app_id="a",
    )
    peer.publish(1, EXCHANGE, "k", body, properties)
    broker.advance(0.01)
    (content,) = contents(peer)
    properties.headers = {"x-delay": Field("I", -10)}
    assert (content.body, content.properties) == (body, properties)
    assert (content.method.exchange, content.method.routing_key) == (EXCHANGE, "k")


def test_consumers_get_what_is_due(broker: MemoryBroker, peer: Peer):
    peer.call(1, commands.Basic.Consume(queue="q", no_ack=True))
    publish(peer, b"m", 10)
    broker.advance(0.01)
    assert peer.bodies(1) == [b"m"]


# Routing


def test_the_bindings_of_the_moment_of_delivery_count(broker: MemoryBroker, peer: Peer):
    publish(peer, b"m", 1000)
    peer.call(1, commands.Queue.Unbind(queue="q", exchange=EXCHANGE, routing_key="k"))
    queue(peer, "new")
    broker.advance(1)
    assert (bodies(peer), bodies(peer, "new")) == ([], [b"m"])


def test_a_message_that_nobody_wants_when_it_is_due_is_gone(broker: MemoryBroker, peer: Peer):
    publish(peer, b"m", 1000, key="nobody")
    broker.advance(1)
    queue(peer, "new", "nobody")
    broker.advance(1)
    assert bodies(peer, "new") == []


@pytest.mark.parametrize(
    ("delayed_type", "bound", "key", "comes"),
    [
        ("direct", "a", "a", True),
        ("direct", "a", "b", False),
        ("fanout", "a", "b", True),
        ("topic", "a.*", "a.b", True),
        ("topic", "a.*", "a", False),
        ("x-random", "", "any", True),
        ("x-consistent-hash", "1", "any", True),
    ],
)
@pytest.mark.parametrize("delay", [None, 10])
def test_every_type_routes(
    broker: MemoryBroker, delayed_type: str, bound: str, key: str, comes: bool, delay: int | None
):
    peer = broker.connect()
    declare(peer, delayed_type)
    queue(peer, "q", bound)
    publish(peer, b"m", delay, key=key)
    broker.advance(1)
    assert bodies(peer) == ([b"m"] if comes else [])


def test_headers_route_what_is_due(broker: MemoryBroker):
    peer = broker.connect()
    declare(peer, "headers")
    for name in ("a", "b"):
        peer.call(1, commands.Queue.Declare(queue=name))
        bind = commands.Queue.Bind(queue=name, exchange=EXCHANGE, arguments={"to": name})
        peer.call(1, bind)
    publish(peer, b"m", 10, headers=table_of({"to": "b"}))
    broker.advance(1)
    assert (bodies(peer, "a"), bodies(peer, "b")) == ([], [b"m"])


def test_who_is_bound_gets_the_recent_history_of_what_was_due(broker: MemoryBroker):
    peer = broker.connect()
    declare(peer, "x-recent-history")
    publish(peer, b"old", 10)
    publish(peer, b"not due", 5000)
    broker.advance(1)
    queue(peer, "q", "")
    assert bodies(peer) == [b"old"]


def test_all_routing_keys_of_a_message_lead_on_when_it_is_due(broker: MemoryBroker, peer: Peer):
    queue(peer, "copy", "cc")
    queue(peer, "blind", "bcc")
    headers = table_of({"CC": ["cc"], "BCC": ["bcc", "cc"]})
    publish(peer, b"m", 10, headers=headers)
    assert bodies(peer, "copy") == bodies(peer, "blind") == []
    broker.advance(0.01)
    for name in ("q", "copy", "blind"):
        (content,) = contents(peer, name)
        assert content.body == b"m"
        assert content.properties.headers == table_of({"CC": ["cc"], "x-delay": -10})


def test_the_alternate_exchange_gets_what_nobody_wants_when_it_is_due(broker: MemoryBroker):
    peer = broker.connect()
    peer.call(1, commands.Exchange.Declare(exchange="rest", exchange_type="fanout"))
    declare(peer, arguments={"alternate-exchange": "rest"})
    queue(peer, "q", "k")
    queue(peer, "others", exchange="rest")
    publish(peer, b"wanted", 10)
    publish(peer, b"not wanted", 10, key="nobody")
    assert bodies(peer, "others") == []
    broker.advance(0.01)
    assert (bodies(peer), bodies(peer, "others")) == ([b"wanted"], [b"not wanted"])


def test_an_exchange_that_another_leads_to_delays_as_well(broker: MemoryBroker, peer: Peer):
    peer.call(1, commands.Exchange.Declare(exchange="front", exchange_type="fanout"))
    queue(peer, "at once", exchange="front")
    peer.call(1, commands.Exchange.Bind(destination=EXCHANGE, source="front"))
    publish(peer, b"m", 1000, exchange="front")
    assert (bodies(peer), bodies(peer, "at once")) == ([], [b"m"])
    broker.advance(1)
    assert (bodies(peer), bodies(peer, "at once")) == ([b"m"], [])


def test_a_message_is_delayed_once_on_its_way(broker: MemoryBroker, peer: Peer):
    declare(peer, "fanout", name="second")
    queue(peer, "end", exchange="second")
    peer.call(1, commands.Exchange.Bind(destination="second", source=EXCHANGE, routing_key="k"))
    publish(peer, b"m", 1000)
    broker.advance(1)
    assert (bodies(peer), bodies(peer, "end")) == ([b"m"], [b"m"])


def test_dead_letters_can_be_delayed_and_come_back_to_a_queue_that_is_called_like_the_exchange(
    broker: MemoryBroker,
):
    peer = broker.connect()
    declare(peer, "fanout", name="work")
    queue(peer, "work", exchange="work", arguments={"x-message-ttl": 50, "x-dead-letter-exchange": "work"})
    queue(peer, "seen", exchange="work")
    publish(peer, b"m", exchange="", key="work", delay=1000)
    broker.advance(0.06)
    assert bodies(peer, "seen") == bodies(peer, "work") == []
    broker.advance(1)
    assert bodies(peer, "seen") == [b"m"]


# Publishers


def test_a_delayed_message_is_not_returned(broker: MemoryBroker, peer: Peer):
    publish(peer, b"later", 10, key="nobody", mandatory=True)
    broker.advance(1)
    assert peer.contents(1) == []
    publish(peer, b"now", key="nobody", mandatory=True)
    assert [content.body for content in peer.contents(1)] == [b"now"]


def test_a_transaction_delays_from_its_commit_on(broker: MemoryBroker, peer: Peer):
    peer.call(1, commands.Tx.Select())
    publish(peer, b"undone", 1000)
    peer.call(1, commands.Tx.Rollback())
    publish(peer, b"done", 1000)
    broker.advance(0.9)
    peer.call(1, commands.Tx.Commit())
    broker.advance(0.9)
    assert bodies(peer) == []
    broker.advance(0.1)
    assert bodies(peer) == [b"done"]


def test_without_a_disk_a_delayed_message_is_confirmed_at_once(peer: Peer):
    peer.call(1, commands.Confirm.Select())
    publish(peer, b"m", 1000, persistent=True)
    assert [type(method) for method in peer.methods(1)] == [commands.Basic.Ack]


# Ends


def test_what_is_delayed_goes_with_its_exchange(broker: MemoryBroker, peer: Peer):
    publish(peer, b"m", 1000)
    peer.call(1, commands.Exchange.Delete(exchange=EXCHANGE))
    declare(peer)
    queue(peer)
    broker.advance(2)
    assert bodies(peer) == []


def test_what_is_delayed_goes_with_an_exchange_that_nothing_is_bound_to_any_more(broker: MemoryBroker):
    peer = broker.connect()
    declare(peer, auto_delete=True)
    queue(peer)
    publish(peer, b"m", 1000)
    peer.call(1, commands.Queue.Unbind(queue="q", exchange=EXCHANGE, routing_key="k"))
    declare(peer)
    queue(peer)
    broker.advance(2)
    assert bodies(peer) == []


def test_the_publisher_need_not_be_there_any_more(broker: MemoryBroker, peer: Peer):
    publish(peer, b"m", 1000)
    peer.close()
    broker.advance(1)
    assert bodies(broker.connect()) == [b"m"]


# With a disk


def durable_broker() -> tuple[DurableBroker, Peer]:
    broker = DurableBroker()
    peer = broker.connect()
    declare(peer, durable=True)
    queue(peer, durable=True)
    return broker, peer


def again(broker: DurableBroker, end: str) -> DurableBroker:
    if end == "restart":
        return broker.restart()
    return broker.kill() if end == "kill" else broker.lose_power(7)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("persistent", [True, False])
def test_a_durable_exchange_keeps_what_is_delayed(end: str, persistent: bool):
    broker, peer = durable_broker()
    for delay in (5000, 10000, 3000, 2000, 15000, 1000, 4000):
        publish(peer, b"%d" % delay, delay, persistent=persistent)
    broker = again(broker, end)
    peer = broker.connect()
    broker.advance(4.5)
    assert bodies(peer) == [b"1000", b"2000", b"3000", b"4000"]
    broker.advance(100)
    assert bodies(peer) == [b"5000", b"10000", b"15000"]


@pytest.mark.parametrize("end", ENDS)
def test_any_other_exchange_does_not(end: str):
    broker = DurableBroker()
    peer = broker.connect()
    declare(peer, durable=False)
    queue(peer, durable=True)
    publish(peer, b"m", 1000, persistent=True)
    broker = again(broker, end)
    peer = broker.connect()
    declare(peer, durable=False)
    peer.call(1, commands.Queue.Bind(queue="q", exchange=EXCHANGE, routing_key="k"))
    broker.advance(2)
    assert bodies(peer) == []


@pytest.mark.parametrize("end", ENDS)
def test_what_was_routed_is_in_its_queue_and_nowhere_else(end: str):
    broker, peer = durable_broker()
    publish(peer, b"first", 1000, persistent=True)
    publish(peer, b"second", 5000, persistent=True)
    broker.advance(2)
    broker.flush()
    broker = again(broker, end)
    peer = broker.connect()
    assert bodies(peer) == [b"first"]
    broker.advance(10)
    assert bodies(peer) == [b"second"]


def test_a_message_is_delayed_or_in_its_queue_whenever_the_broker_is_killed():
    broker, peer = durable_broker()
    publish(peer, b"m", 1000, persistent=True)
    broker.advance(1)
    # What has happened since the last group is lost, all of it.
    broker = broker.kill()
    peer = broker.connect()
    assert bodies(peer) == []
    broker.advance(1)
    assert bodies(peer) == [b"m"]


def test_what_fell_due_while_the_broker_was_down_comes_when_it_is_up(monkeypatch: pytest.MonkeyPatch):
    broker, peer = durable_broker()
    publish(peer, b"m", 60_000, persistent=True)
    monkeypatch.setattr(amqpd.testing.memory, "FakeClock", lambda: FakeClock(SOME_MOMENT_UNIX_S + 3600))
    broker = broker.restart()
    broker.advance(0)
    assert bodies(broker.connect()) == [b"m"]


@pytest.mark.parametrize("persistent", [True, False])
def test_a_delayed_message_is_confirmed_when_it_is_on_disk(persistent: bool):
    broker, peer = durable_broker()
    peer.call(1, commands.Confirm.Select())
    broker.flushes = False
    publish(peer, b"m", 1000, persistent=persistent)
    assert peer.methods(1) == []
    broker.flush()
    assert [type(method) for method in peer.methods(1)] == [commands.Basic.Ack]


def test_it_is_not_confirmed_if_it_can_not_be_written():
    broker, peer = durable_broker()
    peer.call(1, commands.Confirm.Select())
    broker.flushes = False
    publish(peer, b"m", 1000)
    group = broker.journal.form_group()
    assert group is not None
    broker.journal.fail(group, OSError(5, "Input/output error"))
    assert [type(method) for method in peer.methods(1)] == [commands.Basic.Nack]


def test_what_is_due_waits_while_the_log_is_far_behind():
    broker, peer = durable_broker()
    queue(peer, "full", exchange="", durable=True)
    publish(peer, b"m", 1000, persistent=True)
    broker.flushes = False
    publish(peer, b"under way", exchange="", key="full", persistent=True)
    group = broker.journal.form_group()
    assert group is not None
    publish(peer, bytes(9_000_000), exchange="", key="full", persistent=True)
    broker.advance(2)
    assert bodies(peer) == []
    group.write()
    broker.journal.wrote(group)
    broker.flush()
    broker.advance(0.01)
    assert bodies(peer) == [b"m"]


def test_a_transient_message_is_transient_again_when_it_is_due():
    broker, peer = durable_broker()
    publish(peer, b"m", 1000)
    broker.advance(1)
    broker.flush()
    assert bodies(broker.restart().connect()) == []


@pytest.mark.parametrize("end", ENDS)
def test_a_message_that_is_also_in_a_queue_at_once_is_safe_in_both(end: str):
    broker, peer = durable_broker()
    peer.call(1, commands.Exchange.Declare(exchange="front", exchange_type="fanout", durable=True))
    queue(peer, "at once", exchange="front", durable=True)
    peer.call(1, commands.Exchange.Bind(destination=EXCHANGE, source="front"))
    publish(peer, b"m", 1000, exchange="front", persistent=True)
    broker = again(broker, end)
    peer = broker.connect()
    assert (bodies(peer), bodies(peer, "at once")) == ([], [b"m"])
    broker.advance(1)
    assert bodies(peer) == [b"m"]


@pytest.mark.parametrize("end", ENDS)
def test_an_exchange_that_was_deleted_and_made_anew_has_nothing_delayed(end: str):
    broker, peer = durable_broker()
    publish(peer, b"m", 1000, persistent=True)
    peer.call(1, commands.Exchange.Delete(exchange=EXCHANGE))
    declare(peer, durable=True)
    peer.call(1, commands.Queue.Bind(queue="q", exchange=EXCHANGE, routing_key="k"))
    broker = again(broker, end)
    broker.advance(2)
    assert bodies(broker.connect()) == []


def test_blind_copies_outlive_the_broker():
    broker, peer = durable_broker()
    queue(peer, "blind", "bcc", durable=True)
    publish(peer, b"m", 1000, headers=table_of({"BCC": ["bcc"]}), persistent=True)
    broker = broker.restart()
    broker.advance(1)
    (content,) = contents(broker.connect(), "blind")
    assert content.properties.headers == table_of({"x-delay": -1000})


def test_a_clock_that_is_set_back_loses_nothing():
    """The next broker's clock begins where that of the first has begun."""
    broker, peer = durable_broker()
    publish(peer, b"first", 10_000)
    publish(peer, b"keeps the log as it is", 3_600_000)
    broker.advance(10)
    broker.flush()
    broker = broker.restart()
    peer = broker.connect()
    for delay in (10_000, 5000, 5000, 5000, 10_000):
        publish(peer, b"%d" % delay, delay)
    broker = broker.restart()
    broker.advance(12)
    assert sorted(bodies(broker.connect())) == [b"10000", b"10000", b"5000", b"5000", b"5000"]
