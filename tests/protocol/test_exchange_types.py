"""The exchange types of RabbitMQ's plugins, as a client meets them; texts are RabbitMQ 3.10.8's."""

from collections import Counter

import pytest
from pamqp import commands

from amqpd.testing import DurableBroker, MemoryBroker, Peer, Refusal
from amqpd.testing.peer import Content, method_of
from amqpd.wire.fields import table_of
from amqpd.wire.properties import Properties

TYPES = ["x-consistent-hash", "x-local-random", "x-modulus-hash", "x-random", "x-recent-history"]
UNKNOWN_TYPES = ["x-event", "x-jms-topic", "x-rtopic", "nope"]


def declare(
    exchange_type: str, arguments: dict[str, object] | None = None, name: str = "x", **flags: bool
) -> commands.Exchange.Declare:
    return method_of(
        commands.Exchange.Declare, exchange=name, exchange_type=exchange_type, arguments=arguments, **flags
    )


def bind(queue: str, routing_key: str = "", exchange: str = "x") -> commands.Queue.Bind:
    return method_of(commands.Queue.Bind, queue=queue, exchange=exchange, routing_key=routing_key)


def key_for(exchange_type: str) -> str:
    """A routing key that a binding of this type takes."""
    return "1" if exchange_type == "x-consistent-hash" else ""


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With queues."""
    for queue in ("a", "b", "c"):
        peer.call(1, commands.Queue.Declare(queue=queue))
    return peer


def bodies(peer: Peer, queue: str) -> list[bytes]:
    """Take everything out of a queue."""
    taken: list[bytes] = []
    while isinstance(got := peer.call(1, commands.Basic.Get(queue=queue, no_ack=True)), Content):
        taken.append(got.body)
    return taken


def counts(peer: Peer) -> Counter[str]:
    """How many messages each queue has."""
    return Counter({queue: len(bodies(peer, queue)) for queue in ("a", "b", "c")})


REFUSED = {
    "consistent-hash-two-things": (
        declare("x-consistent-hash", {"hash-header": "a", "hash-property": "message_id"}),
        Refusal(
            "channel",
            406,
            "PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive",
            40,
            10,
        ),
    ),
    "consistent-hash-bad-property": (
        declare("x-consistent-hash", {"hash-property": "nope"}),
        Refusal("channel", 406, "PRECONDITION_FAILED - Unsupported property: nope", 40, 10),
    ),
    "consistent-hash-header-is-a-number": (
        declare("x-consistent-hash", {"hash-header": 5}),
        Refusal("connection", 541, "INTERNAL_ERROR", 0, 0),
    ),
    "recent-history-bad-length": (
        declare("x-recent-history", {"x-recent-history-length": 0}),
        Refusal(
            "channel",
            406,
            "PRECONDITION_FAILED - Invalid argument 0, 'x-recent-history-length' must be a positive integer",
            40,
            10,
        ),
    ),
    "recent-history-length-type": (
        declare("x-recent-history", {"x-recent-history-length": "a"}),
        Refusal(
            "channel",
            406,
            "PRECONDITION_FAILED - Invalid argument <<\"a\">>, 'x-recent-history-length' must be a positive integer",
            40,
            10,
        ),
    ),
    "weight-is-no-number": (
        bind("a", "abc", "hashing"),
        Refusal(
            "channel",
            406,
            'PRECONDITION_FAILED - The binding key must be an integer: <<"abc">>',
            50,
            20,
        ),
    ),
    "weight-is-zero": (
        bind("a", "0", "hashing"),
        Refusal("channel", 406, "PRECONDITION_FAILED - The binding key must be greater than 0", 50, 20),
    ),
    "weight-between-exchanges": (
        method_of(commands.Exchange.Bind, destination="amq.fanout", source="hashing", routing_key="0"),
        Refusal("channel", 406, "PRECONDITION_FAILED - The binding key must be greater than 0", 40, 30),
    ),
    "local-random-with-a-key": (
        bind("a", "k", "local"),
        Refusal("channel", 406, "PRECONDITION_FAILED - Non empty binding 'k' key not permitted", 50, 20),
    ),
    "local-random-to-an-exchange": (
        method_of(commands.Exchange.Bind, destination="amq.fanout", source="local", routing_key=""),
        Refusal("channel", 406, "PRECONDITION_FAILED - Destination not found", 40, 30),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_has_rabbitmqs_words_and_scope(peer: Peer, case: str):
    method, expected = REFUSED[case]
    peer.call(1, declare("x-consistent-hash", name="hashing"))
    peer.call(1, declare("x-local-random", name="local"))
    peer.send(1, method)
    assert peer.refusal() == expected


@pytest.mark.parametrize("exchange_type", UNKNOWN_TYPES)
def test_a_type_that_there_is_not_is_refused(peer: Peer, exchange_type: str):
    peer.send(1, declare(exchange_type))
    text = f"PRECONDITION_FAILED - unknown exchange type '{exchange_type}'"
    assert peer.refusal() == Refusal("channel", 406, text, 40, 10)


def test_a_bad_weight_is_noticed_before_whose_queue_it_is(peer: Peer, other: Peer):
    other.call(1, method_of(commands.Queue.Declare, queue="mine", exclusive=True))
    peer.call(1, declare("x-consistent-hash"))
    peer.send(1, bind("mine", "0"))
    refusal = peer.refusal()
    assert refusal is not None
    assert refusal.reply_code == 406


@pytest.mark.parametrize("exchange_type", TYPES)
def test_nobody_publishes_to_an_internal_exchange(peer: Peer, exchange_type: str):
    peer.call(1, declare(exchange_type, internal=True))
    peer.publish(1, "x", "k")
    refusal = peer.refusal()
    assert refusal is not None
    assert refusal.reply_text == "ACCESS_REFUSED - cannot publish to internal exchange 'x' in vhost '/'"


@pytest.mark.parametrize("exchange_type", TYPES)
def test_a_message_that_no_binding_leads_on_is_returned(peer: Peer, exchange_type: str):
    peer.call(1, declare(exchange_type))
    peer.publish(1, "x", "k", b"m", mandatory=True)
    (returned,) = peer.contents(1)
    assert isinstance(returned.method, commands.Basic.Return)
    assert (returned.method.reply_code, returned.body) == (312, b"m")


@pytest.mark.parametrize("exchange_type", TYPES)
def test_a_type_is_passively_there_and_not_another(peer: Peer, exchange_type: str):
    peer.call(1, declare(exchange_type))
    peer.call(1, declare(exchange_type, {"x-other": 1}))
    peer.send(1, declare("direct"))
    text = "inequivalent arg 'type' for exchange 'x' in vhost '/'"
    text += f": received 'direct' but current is ''{exchange_type}''"
    assert peer.refusal() == Refusal("channel", 406, f"PRECONDITION_FAILED - {text}", 40, 10)


@pytest.mark.parametrize("exchange_type", ["x-random", "x-local-random"])
def test_chance_chooses_anew_for_each_message_of_one_key(peer: Peer, exchange_type: str):
    peer.call(1, declare(exchange_type))
    for queue in ("a", "b", "c"):
        peer.call(1, bind(queue))
    for _ in range(300):
        peer.publish(1, "x", "k", b"m")
    found = counts(peer)
    assert found.total() == 300
    assert min(found.values()) > 40  # less comes once in 10**14 runs


def test_one_key_leads_to_one_queue_and_many_keys_to_all(peer: Peer):
    peer.call(1, declare("x-consistent-hash"))
    for queue, weight in (("a", "1"), ("b", "1"), ("c", "2")):
        peer.call(1, bind(queue, weight))
    for _ in range(50):
        peer.publish(1, "x", "k", b"m")
    assert sorted(counts(peer).values()) == [0, 0, 50]
    for index in range(400):
        peer.publish(1, "x", f"k{index}", b"m")
    found = counts(peer)
    assert found.total() == 400
    assert (50 < found["a"] < 150, 50 < found["b"] < 150, 150 < found["c"] < 250) == (True, True, True)


def test_a_channel_that_knows_the_way_of_a_key_notices_another_queue(peer: Peer):
    peer.call(1, declare("x-consistent-hash"))
    peer.call(1, bind("a", "1"))
    for index in range(20):
        peer.publish(1, "x", f"k{index}", b"m")
    peer.call(1, bind("b", "1000000"))
    for index in range(20):
        peer.publish(1, "x", f"k{index}", b"m")
    assert counts(peer) == Counter({"a": 20, "b": 20})


def test_a_header_decides_although_the_key_stays_the_same(peer: Peer):
    peer.call(1, declare("x-consistent-hash", {"hash-header": "h"}))
    for queue in ("a", "b", "c"):
        peer.call(1, bind(queue, "1"))
    for index in range(90):
        peer.publish(1, "x", "k", b"m", Properties(headers=table_of({"h": f"v{index}"})))
    found = counts(peer)
    assert found.total() == 90
    assert min(found.values()) > 10


@pytest.mark.parametrize("exchange_type", ["x-consistent-hash", "x-modulus-hash", "x-random"])
def test_a_message_with_copies_goes_to_one_queue(peer: Peer, exchange_type: str):
    peer.call(1, declare(exchange_type))
    for queue in ("a", "b", "c"):
        peer.call(1, bind(queue, key_for(exchange_type)))
    copies = [f"copy.{index}" for index in range(20)]
    peer.publish(1, "x", "k", b"m", Properties(headers=table_of({"CC": copies, "BCC": ["more"]})))
    assert counts(peer).total() == 1


def test_a_new_queue_gets_what_passed_before_and_its_consumers_get_it_at_once(peer: Peer):
    peer.call(1, declare("x-recent-history", {"x-recent-history-length": 2}))
    for body in (b"1", b"2", b"3"):
        peer.publish(1, "x", "k", body, Properties(message_id=f"m{body.decode()}"))
    peer.call(1, commands.Basic.Consume(queue="a", no_ack=True))
    peer.send(1, bind("a"))
    delivered = peer.contents(1)
    assert [(each.body, each.properties.message_id) for each in delivered] == [(b"2", "m2"), (b"3", "m3")]
    assert [each.method.routing_key for each in delivered] == ["k", "k"]
    assert [each.method.redelivered for each in delivered] == [False, False]


def test_a_message_with_copies_is_kept_once_and_copies_lead_on(peer: Peer):
    peer.call(1, declare("x-recent-history"))
    peer.publish(1, "x", "k", b"m", Properties(headers=table_of({"CC": ["c1"], "BCC": ["c2"]})))
    for queue, key in (("a", "c1"), ("b", "c2"), ("c", "other")):
        peer.call(1, bind(queue, key, "amq.direct"))
    peer.call(1, method_of(commands.Exchange.Bind, destination="amq.direct", source="x", routing_key=""))
    assert counts(peer) == Counter({"a": 1, "b": 1})


def test_a_history_without_a_way_on_ends_the_connection_and_nothing_is_bound(peer: Peer, other: Peer):
    peer.call(1, declare("x-recent-history"))
    peer.publish(1, "x", "k", b"m")
    peer.send(1, method_of(commands.Exchange.Bind, destination="amq.fanout", source="x", routing_key=""))
    assert peer.refusal() == Refusal("connection", 541, "INTERNAL_ERROR", 0, 0)
    other.call(1, method_of(commands.Exchange.Delete, exchange="x", if_unused=True))


@pytest.mark.parametrize("exchange_type", TYPES)
def test_a_durable_exchange_and_its_bindings_are_there_after_a_restart(exchange_type: str):
    broker = DurableBroker()
    peer = broker.connect()
    peer.call(1, declare(exchange_type, durable=True))
    peer.call(1, method_of(commands.Queue.Declare, queue="q", durable=True))
    peer.call(1, bind("q", key_for(exchange_type)))
    peer.publish(1, "x", "k", b"before", Properties(delivery_mode=2))
    peer = broker.restart().connect()
    assert bodies(peer, "q") == [b"before"]
    peer.publish(1, "x", "k", b"after")
    assert bodies(peer, "q") == [b"after"]


def test_hashed_keys_stay_with_their_queues_over_a_restart():
    def shares(peer: Peer) -> list[list[bytes]]:
        for index in range(60):
            peer.publish(1, "x", f"k{index}", b"%d" % index)
        return [bodies(peer, queue) for queue in ("c", "a", "b")]

    broker = DurableBroker()
    peer = broker.connect()
    peer.call(1, declare("x-consistent-hash", durable=True))
    for queue, weight in (("c", "3"), ("a", "1"), ("b", "2")):
        peer.call(1, method_of(commands.Queue.Declare, queue=queue, durable=True))
        peer.call(1, bind(queue, weight))
    before = shares(peer)
    assert all(before)
    assert shares(broker.restart().connect()) == before


def test_two_brokers_do_not_choose_the_same_at_random():
    def choices(peer: Peer) -> list[bytes]:
        peer.call(1, declare("x-random"))
        for queue in ("a", "b"):
            peer.call(1, commands.Queue.Declare(queue=queue))
            peer.call(1, bind(queue))
        for index in range(100):
            peer.publish(1, "x", "k", b"%d" % index)
        return bodies(peer, "a")

    assert choices(MemoryBroker().connect()) != choices(MemoryBroker().connect())
