"""The exchange types of RabbitMQ's plugins; what they choose is what RabbitMQ 3.10.8 on Erlang 25 chose."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpd.broker.definitions import Bound, ExchangeDeclared, QueueDeclared
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges import EXCHANGE_TYPES
from amqpd.broker.exchanges.jump_hash import jump_hash
from amqpd.broker.exchanges.portable_hash import hash_of_field, hash_of_text, hash_of_texts
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.random_numbers import RandomNumbers
from amqpd.broker.vhost import VirtualHost
from amqpd.clock import Timers
from amqpd.errors import InternalError, PreconditionFailed
from amqpd.events import Events
from amqpd.message import PERSISTENT, Message
from amqpd.store.storage import Storage
from amqpd.testing import DurableBroker
from amqpd.testing.clock import FakeClock
from amqpd.testing.sink import message_of, vhost_alone
from amqpd.wire.fields import Field, Table, field_of, table_of
from amqpd.wire.properties import Properties

moderate = settings(max_examples=100, deadline=None)

NOBODY = Owner()
ONE_OF_MANY = ["x-consistent-hash", "x-local-random", "x-modulus-hash", "x-random"]
EXTRA_TYPES = [*ONE_OF_MANY, "x-recent-history"]
TYPES = ["direct", "fanout", "topic", "headers", *EXTRA_TYPES]


def key_for(exchange_type: str) -> str:
    """A routing key that a binding of this type takes."""
    return "1" if exchange_type == "x-consistent-hash" else ""


def declare(vhost: VirtualHost, name: str, exchange_type: str, arguments: Table | None = None) -> Exchange:
    vhost.declare_exchange(ExchangeDeclared(name, exchange_type, False, False, False, arguments or {}))
    return vhost.exchange(name)


def queue_of(vhost: VirtualHost, name: str, *, durable: bool = False) -> Queue:
    """The queue of this name, made if there is none."""
    if name not in vhost.queues:
        vhost.declare_queue(QueueDeclared(name, durable, False, None, {}), NOBODY)
    return vhost.queue(name)


def bind(vhost: VirtualHost, queue: str, routing_key: str = "", arguments: Table | None = None) -> None:
    """Bind a queue to the exchange x."""
    vhost.bind("x", queue_of(vhost, queue), routing_key, arguments or {})


def routed(
    vhost: VirtualHost, routing_keys: list[str], properties: Properties | None = None, exchange: str = "x"
) -> list[str]:
    """The queues of a message published with these keys, the first of which is its own."""
    message = message_of(b"x", properties, exchange=exchange, routing_key=routing_keys[0])
    return sorted(queue.name for queue in vhost.route(vhost.exchange(exchange), routing_keys, message))


def publish(vhost: VirtualHost, body: bytes, headers: Table | None = None, exchange: str = "x") -> None:
    message = message_of(body, Properties(headers=headers), exchange=exchange, routing_key="k")
    for queue in vhost.route(vhost.exchange(exchange), ["k"], message):
        queue.publish(message)


def bodies(queue: Queue) -> list[bytes]:
    """Take everything out of a queue."""
    taken: list[bytes] = []
    while (got := queue.get()) is not None:
        message, position, _redelivered = got
        queue.settle(message, position)
        taken.append(message.body())
    return taken


def refusal(vhost: VirtualHost, exchange_type: str, arguments: Table) -> str:
    with pytest.raises(PreconditionFailed) as caught:
        declare(vhost, "x", exchange_type, arguments)
    assert "x" not in vhost.exchanges
    return caught.value.explanation


@pytest.fixture
def vhost() -> VirtualHost:
    return vhost_alone()


# Erlang's hash


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 13708901),
        ("a", 112802447),
        ("hello world!", 25699699),
        ("hello world!x", 126902301),
        ("z" * 100, 15658482),
    ],
)
def test_a_text_has_the_hash_that_erlang_gives_a_binary(text: str, number: int):
    assert hash_of_text(text) == number


@pytest.mark.parametrize(("texts", "number"), [(["a"], 53691870), (["a", "b"], 3094894), ([""], 38220213)])
def test_texts_have_the_hash_that_erlang_gives_a_list(texts: list[str], number: int):
    assert hash_of_texts(texts) == number


@pytest.mark.parametrize(
    ("field", "number"),
    [
        (None, 45914356),
        (Field("S", "abc"), 101716503),
        (Field("S", ""), 116351706),
        (Field("x", b"\x00\xff"), 20872271),
        (Field("I", 5), 40839585),
        (Field("I", -5), 39932925),
        (Field("b", -1), 63183907),
        (Field("B", 200), 88973546),
        (Field("l", 134217727), 33099472),
        (Field("l", 134217728), 117666136),
        (Field("l", -134217728), 13500176),
        (Field("l", -134217729), 132651809),
        (Field("l", 2**63 - 1), 120433834),
        (Field("l", -(2**63)), 112631110),
        (Field("T", 1700000000), 59280699),
        (Field("t", True), 32030443),
        (Field("t", False), 54145719),
        (Field("V", None), 27077197),
        (Field("d", 1.5), 115320697),
        (Field("d", 0.0), 28702447),
        (Field("d", -0.0), 28702447),
        (Field("f", 0.25), 9720941),
        (Field("D", (2, 12345)), 108016153),
        (Field("A", []), 86211673),
        (Field("A", [Field("I", 1), Field("S", "a")]), 13737582),
        (Field("A", [Field("A", []), Field("V", None)]), 13142118),
        (Field("F", {}), 80606520),
        (Field("F", {"k": Field("I", 1), "l": Field("t", True)}), 37562048),
    ],
)
def test_a_header_has_the_hash_that_erlang_gives_it_with_its_type(field: Field | None, number: int):
    assert hash_of_field(field) == number


@pytest.mark.parametrize(
    ("key", "buckets", "bucket"),
    [
        (0, 1, 0),
        (0, 4, 3),
        (0, 10, 4),
        (0, 1000, 807),
        (1, 3, 2),
        (1, 1000, 856),
        (12345, 1000, 485),
        (134217727, 10, 6),
        (98765432, 1000, 520),
        (0, 10**12, 3143911474),
        (1, 10**12, 267463169569),
        (98765432, 10**12, 882854518482),
    ],
)
def test_a_key_jumps_to_the_bucket_that_erlangs_numbers_lead_to(key: int, buckets: int, bucket: int):
    assert jump_hash(key, buckets) == bucket


@moderate
@given(st.integers(0, 2**27 - 1), st.integers(1, 5000))
def test_one_bucket_more_takes_keys_and_moves_no_other(key: int, buckets: int):
    before, after = jump_hash(key, buckets), jump_hash(key, buckets + 1)
    assert 0 <= before < buckets
    assert after in (before, buckets)


# Consistent hash


def test_weights_of_one_and_three_share_400_keys_as_they_do_in_rabbitmq(vhost: VirtualHost):
    declare(vhost, "x", "x-consistent-hash")
    bind(vhost, "one", "1")
    bind(vhost, "three", "3")
    shares = Counter(name for index in range(400) for name in routed(vhost, [f"k{index}"]))
    assert shares == {"one": 93, "three": 307}


def test_each_key_goes_where_it_goes_in_rabbitmq(vhost: VirtualHost):
    declare(vhost, "x", "x-consistent-hash")
    for queue in ("0", "1", "2"):
        bind(vhost, queue, str(int(queue) + 1))
    found = "".join(name for index in range(30) for name in routed(vhost, [f"key.{index}"]))
    assert found == "222222201122120200102122121121"


def places(vhost: VirtualHost) -> dict[str, str]:
    return {key: routed(vhost, [key])[0] for key in (f"key.{index}" for index in range(300))}


def test_a_queue_that_comes_takes_keys_from_others_and_moves_none_between_them(vhost: VirtualHost):
    declare(vhost, "x", "x-consistent-hash")
    for queue in ("a", "b", "c"):
        bind(vhost, queue, "10")
    before = places(vhost)
    bind(vhost, "d", "10")
    moved = {key: queue for key, queue in places(vhost).items() if queue != before[key]}
    assert set(moved.values()) == {"d"}
    assert 300 // 4 - 30 < len(moved) < 300 // 4 + 30
    vhost.unbind("x", "queue", "d", "10", {})
    assert places(vhost) == before


def test_a_queue_that_goes_leaves_its_keys_to_the_others(vhost: VirtualHost):
    declare(vhost, "x", "x-consistent-hash")
    for queue in ("a", "b", "c"):
        bind(vhost, queue, "1")
    vhost.delete_queue(vhost.queue("a"))
    assert set(places(vhost).values()) == {"b", "c"}
    vhost.delete_queue(vhost.queue("b"))
    assert set(places(vhost).values()) == {"c"}
    vhost.delete_queue(vhost.queue("c"))
    assert routed(vhost, ["key"]) == []


def test_of_several_bindings_to_one_queue_the_first_alone_has_weight(vhost: VirtualHost):
    declare(vhost, "x", "x-consistent-hash")
    bind(vhost, "a", "1")
    bind(vhost, "a", "50")
    bind(vhost, "a", "1", table_of({"again": 1}))
    bind(vhost, "b", "1")
    found = Counter(places(vhost).values())
    assert found["b"] > 100
    vhost.unbind("x", "queue", "a", "1", {})
    assert Counter(places(vhost).values())["b"] < 50  # the binding of weight 50 is the first that is left


def test_a_large_weight_costs_nothing(vhost: VirtualHost):
    declare(vhost, "x", "x-consistent-hash")
    bind(vhost, "small", "1")
    bind(vhost, "large", "9" * 200)
    assert {routed(vhost, [f"key.{index}"])[0] for index in range(100)} == {"large"}


def test_a_message_with_more_routing_keys_goes_where_its_own_key_leads(vhost: VirtualHost):
    declare(vhost, "x", "x-consistent-hash")
    for queue in ("a", "b", "c", "d"):
        bind(vhost, queue, "1")
    others = [f"other.{index}" for index in range(20)]
    assert routed(vhost, ["key.1", *others]) == routed(vhost, ["key.1"])


HASHED: list[tuple[dict[str, object], list[Properties]]] = [
    ({"hash-header": "h"}, [Properties(headers=table_of({"h": index})) for index in range(40)]),
    ({"hash-header": "h"}, [Properties(headers=table_of({"h": f"v{index}"})) for index in range(40)]),
    ({"hash-property": "message_id"}, [Properties(message_id=f"m{index}") for index in range(40)]),
    ({"hash-property": "correlation_id"}, [Properties(correlation_id=f"c{index}") for index in range(40)]),
    ({"hash-property": "timestamp"}, [Properties(timestamp=index) for index in range(40)]),
]


@pytest.mark.parametrize(("arguments", "messages"), HASHED)
def test_what_the_arguments_name_decides_and_the_routing_key_does_not(
    vhost: VirtualHost, arguments: dict[str, object], messages: list[Properties]
):
    declare(vhost, "x", "x-consistent-hash", table_of(arguments))
    for queue in ("a", "b", "c"):
        bind(vhost, queue, "1")
    found = [routed(vhost, [f"key.{index}"], each) for index, each in enumerate(messages)]
    assert {queue for (queue,) in found} == {"a", "b", "c"}
    assert [routed(vhost, ["other"], each) for each in messages] == found


@pytest.mark.parametrize("arguments", [arguments for arguments, _messages in HASHED])
def test_messages_without_what_is_to_be_hashed_stay_together(
    vhost: VirtualHost, arguments: dict[str, object]
):
    declare(vhost, "x", "x-consistent-hash", table_of(arguments))
    for queue in ("a", "b", "c"):
        bind(vhost, queue, "1")
    without = [None, Properties(), Properties(headers=table_of({"other": 1}), type="t")]
    assert len({routed(vhost, [f"key.{index}"], each)[0] for index in range(9) for each in without}) == 1


def test_only_what_hashes_more_than_the_routing_key_routes_by_content(vhost: VirtualHost):
    by_key = declare(vhost, "x", "x-consistent-hash")
    by_header = declare(vhost, "y", "x-consistent-hash", table_of({"hash-header": "h"}))
    assert (vhost.routes_by_content(by_key), vhost.routes_by_content(by_header)) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"hash-header": "a", "hash-property": "nope"},
            "hash-header and hash-property are mutually exclusive",
        ),
        ({"hash-property": "nope"}, "Unsupported property: nope"),
        ({"hash-property": ""}, "Unsupported property: "),
    ],
)
def test_what_can_not_be_hashed_is_refused(vhost: VirtualHost, arguments: dict[str, object], text: str):
    assert refusal(vhost, "x-consistent-hash", table_of(arguments)) == text


@pytest.mark.parametrize("arguments", [{"hash-header": 5}, {"hash-property": 5}, {"hash-header": None}])
def test_a_name_to_hash_that_is_no_text_is_an_internal_error(
    vhost: VirtualHost, arguments: dict[str, object]
):
    with pytest.raises(InternalError):
        declare(vhost, "x", "x-consistent-hash", table_of(arguments))
    assert "x" not in vhost.exchanges


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("0", "The binding key must be greater than 0"),
        ("-1", "The binding key must be greater than 0"),
        ("", "The binding key must be an integer: <<>>"),
        ("abc", 'The binding key must be an integer: <<"abc">>'),
        ("1_0", 'The binding key must be an integer: <<"1_0">>'),
        (" 3", 'The binding key must be an integer: <<" 3">>'),
        ("3\n", 'The binding key must be an integer: <<"3\\n">>'),
        ("1.0", 'The binding key must be an integer: <<"1.0">>'),
        ("\u0663", 'The binding key must be an integer: <<"\u0663">>'),
        ("\u20ac", "The binding key must be an integer: <<226,130,172>>"),
        (
            "\x01" * 40,
            "The binding key must be an integer: <<" + "1," * 20 + "\n" + " " * 38 + "1," * 19 + "1>>",
        ),
    ],
)
def test_a_weight_is_refused_in_rabbitmqs_words(vhost: VirtualHost, key: str, text: str):
    declare(vhost, "x", "x-consistent-hash")
    with pytest.raises(PreconditionFailed) as caught:
        bind(vhost, "q", key)
    assert caught.value.explanation == text
    assert routed(vhost, ["k"]) == []


@pytest.mark.parametrize("key", ["1", "+3", "007"])
def test_a_weight_may_have_a_sign_and_zeros(vhost: VirtualHost, key: str):
    declare(vhost, "x", "x-consistent-hash")
    bind(vhost, "q", key)
    assert routed(vhost, ["k"]) == ["q"]


# Random


class Chosen:
    """Random bytes that make the numbers a test wants: each is a fraction of the whole range."""

    def __init__(self, fractions: list[float]) -> None:
        self.numbers = b"".join(int(each * 2**32).to_bytes(4, "big") for each in fractions)

    def __call__(self, size: int) -> bytes:
        return self.numbers


def vhost_of_chance(fractions: list[float]) -> VirtualHost:
    events = Events()
    return VirtualHost("/", Storage(events), Timers(FakeClock()), events, Chosen(fractions))


@pytest.mark.parametrize("exchange_type", ["x-random", "x-local-random"])
def test_chance_gives_each_message_to_one_queue(exchange_type: str):
    vhost = vhost_of_chance([0.0, 0.34, 0.67, 0.999, 0.5])
    declare(vhost, "x", exchange_type)
    assert routed(vhost, ["k"]) == []
    for queue in ("a", "b", "c"):
        bind(vhost, queue)
    found = [routed(vhost, ["k", "copy"]) for _ in range(5)]
    assert found == [["a"], ["b"], ["c"], ["c"], ["b"]]


def test_two_bindings_of_a_queue_are_two_chances():
    vhost = vhost_of_chance([0.0, 0.3, 0.6, 0.7])
    declare(vhost, "x", "x-random")
    bind(vhost, "a", "1")
    bind(vhost, "a", "2")
    bind(vhost, "b")
    assert [routed(vhost, ["k"]) for _ in range(4)] == [["a"], ["a"], ["a"], ["b"]]


def test_numbers_below_a_bound_come_evenly_and_from_more_bytes_than_one_portion():
    numbers = RandomNumbers(lambda size: bytes(index * 97 % 256 for index in range(size)))
    found = Counter(int(numbers.below(5)) for _ in range(5000))
    assert set(found) == {0, 1, 2, 3, 4}
    assert max(found.values()) < 1.1 * min(found.values())


@moderate
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), max_size=30))
def test_chance_reaches_every_queue_that_is_bound_and_no_other(steps: list[tuple[bool, int]]):
    vhost = vhost_of_chance([index / 64 for index in range(64)])
    declare(vhost, "x", "x-random")
    bound = set()
    for is_bind, number in steps:
        if is_bind:
            bind(vhost, str(number))
            bound.add(str(number))
        else:
            vhost.unbind("x", "queue", str(number), "", {})
            bound.discard(str(number))
    assert {queue for _ in range(64) for queue in routed(vhost, ["k"])} == bound


def test_x_local_random_binds_queues_alone_and_without_a_key(vhost: VirtualHost):
    declare(vhost, "x", "x-local-random")
    with pytest.raises(PreconditionFailed, match=r"^Non empty binding 'k' key not permitted$"):
        bind(vhost, "q", "k")
    with pytest.raises(PreconditionFailed, match=r"^Destination not found$"):
        vhost.bind("x", vhost.exchange("amq.fanout"), "", {})


def test_x_local_random_refuses_queues_of_other_types(vhost: VirtualHost):
    declare(vhost, "x", "x-local-random")
    queue_of(vhost, "q").queue_type = "quorum"
    with pytest.raises(PreconditionFailed) as caught:
        bind(vhost, "q")
    assert caught.value.explanation == "Queue type rabbit_quorum_queue not valid for this exchange type"


# Modulus hash


def test_the_hash_of_all_keys_says_which_binding_it_is(vhost: VirtualHost):
    declare(vhost, "x", "x-modulus-hash")
    assert routed(vhost, ["a"]) == []
    for queue in ("c", "a", "d", "b", "e"):
        bind(vhost, queue)
    in_order = ["a", "b", "c", "d", "e"]
    assert routed(vhost, ["a"]) == [in_order[53691870 % 5]]
    assert routed(vhost, ["a", "b"]) == [in_order[3094894 % 5]]
    assert routed(vhost, [""]) == [in_order[38220213 % 5]]


def test_bindings_are_in_the_order_of_their_keys_then_exchanges_then_queues(vhost: VirtualHost):
    declare(vhost, "x", "x-modulus-hash")
    declare(vhost, "z", "fanout")
    vhost.bind("z", queue_of(vhost, "through"), "", {})
    bind(vhost, "last", "2")
    bind(vhost, "first", "10")
    bind(vhost, "second", "1\u00e9")
    vhost.bind("x", vhost.exchange("z"), "10", {})
    found = {hash_of_texts([key]) % 4: routed(vhost, [key])[0] for key in map(str, range(30))}
    assert [found[place] for place in range(4)] == ["through", "first", "second", "last"]
    vhost.unbind("x", "queue", "first", "10", {})
    found = {hash_of_texts([key]) % 3: routed(vhost, [key])[0] for key in map(str, range(30))}
    assert [found[place] for place in range(3)] == ["through", "second", "last"]


# Recent history


def test_a_queue_gets_the_last_20_messages_when_it_is_bound(vhost: VirtualHost):
    declare(vhost, "x", "x-recent-history")
    bind(vhost, "there")
    for index in range(25):
        publish(vhost, b"%d" % index)
    bind(vhost, "new")
    assert bodies(vhost.queue("there")) == [b"%d" % index for index in range(25)]
    assert bodies(vhost.queue("new")) == [b"%d" % index for index in range(5, 25)]
    publish(vhost, b"more")
    assert bodies(vhost.queue("new")) == [b"more"]


@pytest.mark.parametrize("length", [Field("b", 2), Field("s", 2), Field("I", 2), Field("l", 2)])
def test_the_length_of_the_history_is_an_argument(vhost: VirtualHost, length: Field):
    declare(vhost, "x", "x-recent-history", {"x-recent-history-length": length})
    for body in (b"1", b"2", b"3"):
        publish(vhost, body)
    bind(vhost, "q")
    assert bodies(vhost.queue("q")) == [b"2", b"3"]


def test_a_history_may_be_longer_than_any_there_will_be(vhost: VirtualHost):
    declare(vhost, "x", "x-recent-history", table_of({"x-recent-history-length": 2**63 - 1}))
    publish(vhost, b"1")
    bind(vhost, "q")
    assert bodies(vhost.queue("q")) == [b"1"]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (-1, "-1"),
        (Field("i", 5), "5"),
        (Field("B", 5), "5"),
        (Field("T", 5), "5"),
        ("a", '<<"a">>'),
        ("", "<<>>"),
        (True, "true"),
        (None, "undefined"),
        ([1, "a"], '[{signedint,1},{longstr,<<"a">>}]'),
        ({"a": 1, "b": {}}, '[{<<"a">>,signedint,1},{<<"b">>,table,[]}]'),
        (Field("D", (1, 15)), "{1,15}"),
    ],
)
def test_a_length_that_is_no_positive_signed_integer_is_refused(
    vhost: VirtualHost, value: object, shown: str
):
    text = refusal(vhost, "x-recent-history", {"x-recent-history-length": field_of(value)})
    assert text == f"Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"


@pytest.mark.parametrize(
    ("headers", "kept"),
    [
        ({"x-recent-history-no-store": True}, []),
        ({"x-recent-history-no-store": False}, [b"m"]),
        ({"x-recent-history-no-store": 1}, [b"m"]),
        ({"x-recent-history-no-store": "true"}, [b"m"]),
        ({"other": "x-recent-history-no-store"}, [b"m"]),
        ({}, [b"m"]),
    ],
)
def test_a_message_can_ask_not_to_be_kept(vhost: VirtualHost, headers: dict[str, object], kept: list[bytes]):
    declare(vhost, "x", "x-recent-history")
    bind(vhost, "there")
    publish(vhost, b"m", table_of(headers))
    bind(vhost, "new")
    assert bodies(vhost.queue("there")) == [b"m"]
    assert bodies(vhost.queue("new")) == kept


def test_another_binding_brings_the_history_again_and_the_same_one_does_not(vhost: VirtualHost):
    declare(vhost, "x", "x-recent-history")
    publish(vhost, b"m")
    bind(vhost, "q", "1")
    bind(vhost, "q", "1")
    bind(vhost, "q", "2")
    assert bodies(vhost.queue("q")) == [b"m", b"m"]


def test_a_message_of_several_routing_keys_is_kept_once(vhost: VirtualHost):
    declare(vhost, "x", "x-recent-history")
    bind(vhost, "there")
    assert routed(vhost, ["k", "copy", "more"]) == ["there"]
    bind(vhost, "q")
    assert len(bodies(vhost.queue("q"))) == 1


def test_an_exchange_gets_the_newest_first_and_sends_it_on_by_all_routing_keys(vhost: VirtualHost):
    declare(vhost, "x", "x-recent-history")
    vhost.bind("amq.direct", queue_of(vhost, "q"), "copy", {})
    for body in (b"1", b"2", b"3"):
        vhost.route(vhost.exchange("x"), ["k", "copy"], message_of(body, exchange="x", routing_key="k"))
    vhost.bind("x", vhost.exchange("amq.direct"), "", {})
    assert bodies(vhost.queue("q")) == [b"3", b"2", b"1"]


def test_an_exchange_that_leads_nowhere_can_not_take_a_history(vhost: VirtualHost):
    exchange = declare(vhost, "x", "x-recent-history")
    vhost.bind("x", vhost.exchange("amq.fanout"), "before", {})
    publish(vhost, b"m")
    with pytest.raises(InternalError):
        vhost.bind("x", vhost.exchange("amq.fanout"), "after", {})
    assert [binding.routing_key for binding in exchange.bindings.values()] == ["before"]


def test_a_history_goes_with_its_exchange(vhost: VirtualHost):
    declare(vhost, "x", "x-recent-history")
    publish(vhost, b"m")
    vhost.delete_exchange("x", False)
    declare(vhost, "x", "x-recent-history")
    bind(vhost, "q")
    assert bodies(vhost.queue("q")) == []


def persistent(body: bytes) -> Message:
    message = message_of(body, Properties(delivery_mode=2), exchange="x", routing_key="k")
    message.flags = PERSISTENT
    return message


def test_what_a_durable_queue_gets_of_a_history_is_logged_and_the_history_is_not():
    broker = DurableBroker()
    vhost = broker.broker.vhosts["/"]
    vhost.declare_exchange(ExchangeDeclared("x", "x-recent-history", True, False, False, {}))
    first = queue_of(vhost, "first", durable=True)
    bind(vhost, "first")
    for body in (b"1", b"2"):
        message = persistent(body)
        for queue in vhost.route(vhost.exchange("x"), ["k"], message):
            queue.publish(message)
    assert bodies(first) == [b"1", b"2"]
    broker.flush()
    queue_of(vhost, "second", durable=True)
    bind(vhost, "second")
    vhost = broker.restart().broker.vhosts["/"]
    assert bodies(vhost.queue("first")) == []
    assert bodies(vhost.queue("second")) == [b"1", b"2"]
    bind(vhost, "third")
    assert bodies(vhost.queue("third")) == []


# All of them


@pytest.mark.parametrize("exchange_type", EXTRA_TYPES)
def test_no_match_goes_to_the_alternate_exchange(vhost: VirtualHost, exchange_type: str):
    declare(vhost, "x", exchange_type, table_of({"alternate-exchange": "amq.fanout"}))
    vhost.bind("amq.fanout", queue_of(vhost, "alternate"), "", {})
    assert routed(vhost, ["k"]) == ["alternate"]
    bind(vhost, "q", key_for(exchange_type))
    assert routed(vhost, ["k"]) == ["q"]


@pytest.mark.parametrize("exchange_type", EXTRA_TYPES)
def test_an_auto_delete_exchange_goes_with_its_last_binding(vhost: VirtualHost, exchange_type: str):
    vhost.declare_exchange(ExchangeDeclared("x", exchange_type, False, True, False, {}))
    bind(vhost, "q", key_for(exchange_type))
    vhost.unbind("x", "queue", "q", key_for(exchange_type), {})
    assert "x" not in vhost.exchanges


@pytest.mark.parametrize("exchange_type", EXTRA_TYPES)
def test_messages_come_from_other_exchanges(vhost: VirtualHost, exchange_type: str):
    exchange = declare(vhost, "x", exchange_type)
    bind(vhost, "q", key_for(exchange_type))
    vhost.bind("amq.topic", exchange, "#", {})
    assert routed(vhost, ["k"], exchange="amq.topic") == ["q"]


@pytest.mark.parametrize("exchange_type", [each for each in EXTRA_TYPES if each != "x-local-random"])
def test_messages_go_on_to_other_exchanges(vhost: VirtualHost, exchange_type: str):
    declare(vhost, "x", exchange_type)
    vhost.bind("amq.topic", queue_of(vhost, "q"), "#", {})
    vhost.bind("x", vhost.exchange("amq.topic"), key_for(exchange_type), {})
    assert routed(vhost, ["k"]) == ["q"]
    vhost.unbind("x", "exchange", "amq.topic", key_for(exchange_type), {})
    assert routed(vhost, ["k"]) == []


@pytest.mark.parametrize("exchange_type", EXTRA_TYPES)
def test_a_binding_removed_leads_nowhere_and_its_neighbours_do(vhost: VirtualHost, exchange_type: str):
    declare(vhost, "x", exchange_type)
    key = key_for(exchange_type)
    for queue in ("one", "two"):
        bind(vhost, queue, key, table_of({"a": 1}))
    vhost.unbind("x", "queue", "one", key, table_of({"a": 1}))
    assert {tuple(routed(vhost, [f"k{index}"])) for index in range(10)} == {("two",)}


@pytest.mark.parametrize("exchange_type", TYPES)
def test_only_the_alternate_exchange_of_the_arguments_counts_when_declared_again(
    vhost: VirtualHost, exchange_type: str
):
    arguments = table_of({"alternate-exchange": "ae"})
    declare(vhost, "x", exchange_type, arguments)
    ignored = table_of({"hash-property": "nope", "x-recent-history-length": 0})
    declare(vhost, "x", exchange_type, {**arguments, **ignored})
    with pytest.raises(PreconditionFailed, match="inequivalent arg 'alternate-exchange'"):
        declare(vhost, "x", exchange_type)


@pytest.mark.parametrize("exchange_type", TYPES)
def test_an_alternate_exchange_that_is_no_text_is_refused(vhost: VirtualHost, exchange_type: str):
    text = refusal(vhost, exchange_type, table_of({"alternate-exchange": 5}))
    assert text == "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"


def test_what_was_accepted_once_is_not_checked_again_in_a_replay(vhost: VirtualHost):
    queue_of(vhost, "q")
    arguments = table_of({"hash-property": "nope"})
    vhost.apply(ExchangeDeclared("x", "x-consistent-hash", True, False, False, arguments))
    vhost.apply(Bound("x", "queue", "q", "1", {}, True))
    assert routed(vhost, ["k"]) == ["q"]


def test_a_policy_sets_the_alternate_exchange_and_an_argument_wins(vhost: VirtualHost):
    without = declare(vhost, "x", "direct")
    given_one = declare(vhost, "y", "direct", table_of({"alternate-exchange": "argument"}))
    for exchange in (without, given_one):
        exchange.apply_policy({"alternate-exchange": "policy", "other": 1})
    assert (without.alternate_exchange, given_one.alternate_exchange) == ("policy", "argument")
    without.apply_policy({"alternate-exchange": 5})
    assert without.alternate_exchange is None
    without.apply_policy({"alternate-exchange": "policy"})
    for exchange in (without, given_one):
        exchange.apply_policy(None)
    assert (without.alternate_exchange, given_one.alternate_exchange) == (None, "argument")


@pytest.mark.parametrize("exchange_type", TYPES)
def test_a_type_can_choose_for_another_exchange(vhost: VirtualHost, exchange_type: str):
    outer = declare(vhost, "x", "direct")
    inner = EXCHANGE_TYPES[exchange_type]("x", "/", False, False, False, {})
    inner.attach(RandomNumbers(bytes))
    inner.bindings = outer.bindings
    key = "1" if exchange_type != "x-local-random" else ""
    bind(vhost, "q", key)
    (binding,) = outer.bindings.values()
    inner.index(binding)
    message = message_of(b"m", exchange="x", routing_key=key)
    assert inner.route([key], message) == [vhost.queue("q")]
    vhost.unbind("x", "queue", "q", key, {})
    inner.unindex(binding)
    assert inner.route([key], message) == []
