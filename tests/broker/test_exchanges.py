"""Which bindings a message matches, by exchange type; the tables are what RabbitMQ 3.10.8 answered."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpd.broker.definitions import ExchangeDeclared, QueueDeclared
from amqpd.broker.queues.queue import Owner
from amqpd.errors import PreconditionFailed
from amqpd.testing.sink import message_of, vhost_alone
from amqpd.wire.fields import Field, Table, table_of
from amqpd.wire.properties import Properties

moderate = settings(max_examples=100, deadline=None)


class Exchange:
    """An exchange under test in a virtual host of its own; what is bound to it are queues, made when needed."""

    def __init__(self, exchange_type: str) -> None:
        self.vhost = vhost_alone()
        self.vhost.declare_exchange(ExchangeDeclared("x", exchange_type, False, False, False, {}))

    def bind(self, queue: str, routing_key: str = "", arguments: Table | None = None) -> None:
        if queue not in self.vhost.queues:
            self.vhost.declare_queue(QueueDeclared(queue, False, False, None, {}), Owner())
        self.vhost.bind("x", self.vhost.queue(queue), routing_key, arguments or {})

    def unbind(self, queue: str, routing_key: str = "", arguments: Table | None = None) -> None:
        self.vhost.unbind("x", "queue", queue, routing_key, arguments or {})

    def matches(self, routing_key: str = "", headers: Table | None = None) -> list[str]:
        """The names of the queues that a message goes to, sorted."""
        message = message_of(b"x", Properties(headers=headers), exchange="x", routing_key=routing_key)
        queues = self.vhost.route(self.vhost.exchange("x"), [routing_key], message)
        return sorted(queue.name for queue in queues)


# Direct and fanout


def test_a_direct_exchange_matches_equal_keys_only():
    exchange = Exchange("direct")
    for key in ("a", "a.b", "", "#", "*"):
        exchange.bind(f"q-{key}", key)
    assert [exchange.matches(key) for key in ("a", "a.b", "", "#", "b")] == [
        ["q-a"],
        ["q-a.b"],
        ["q-"],
        ["q-#"],
        [],
    ]


def test_a_direct_exchange_leads_one_key_to_many_queues_and_many_keys_to_one():
    exchange = Exchange("direct")
    exchange.bind("one", "a")
    exchange.bind("two", "a")
    exchange.bind("two", "b")
    assert (exchange.matches("a"), exchange.matches("b")) == (["one", "two"], ["two"])


def test_a_fanout_exchange_matches_whatever_the_key():
    exchange = Exchange("fanout")
    exchange.bind("one", "a")
    exchange.bind("two", "b")
    assert exchange.matches("c") == ["one", "two"]


@pytest.mark.parametrize("exchange_type", ["direct", "fanout", "topic", "headers"])
def test_two_bindings_to_one_queue_give_one_copy(exchange_type: str):
    exchange = Exchange(exchange_type)
    exchange.bind("q", "k")
    exchange.bind("q", "k", table_of({"a": 1}))
    exchange.bind("q", "#")
    assert exchange.matches("k", table_of({"a": 1})) == ["q"]


@pytest.mark.parametrize("exchange_type", ["direct", "fanout", "topic", "headers"])
def test_a_binding_removed_matches_no_more_and_its_neighbours_do(exchange_type: str):
    exchange = Exchange(exchange_type)
    for queue in ("one", "two", "three"):
        exchange.bind(queue, "k", table_of({"a": 1}))
    exchange.unbind("two", "k", table_of({"a": 1}))
    assert exchange.matches("k", table_of({"a": 1})) == ["one", "three"]


@pytest.mark.parametrize("exchange_type", ["direct", "fanout", "topic", "headers"])
def test_bindings_that_differ_in_arguments_are_two(exchange_type: str):
    exchange = Exchange(exchange_type)
    exchange.bind("q", "k", table_of({"a": 1}))
    exchange.bind("q", "k", table_of({"a": 2}))
    exchange.unbind("q", "k", table_of({"a": 2}))
    assert exchange.matches("k", table_of({"a": 1})) == ["q"]
    exchange.unbind("q", "k", table_of({"a": 1}))
    assert exchange.matches("k", table_of({"a": 1})) == []


# Topic

TOPIC_KEYS = ["", "a", "a.b", "a.x.b", "b", "a.", ".a", "a..b", "a.b.c"]
TOPIC_MATCHES = {
    "#": TOPIC_KEYS,
    "*": ["a", "b"],
    "a.#": ["a", "a.b", "a.x.b", "a.", "a..b", "a.b.c"],
    "a.*": ["a.b", "a."],
    "#.b": ["a.b", "a.x.b", "b", "a..b"],
    "*.*": ["a.b", "a.", ".a"],
    "a.#.b": ["a.b", "a.x.b", "a..b"],
    "a..b": ["a..b"],
    "": [""],
    "a.*.#": ["a.b", "a.x.b", "a.", "a..b", "a.b.c"],
}


@pytest.mark.parametrize(("pattern", "matching"), TOPIC_MATCHES.items())
def test_a_topic_pattern_alone_matches_what_it_matches_in_rabbitmq(pattern: str, matching: list[str]):
    exchange = Exchange("topic")
    exchange.bind("q", pattern)
    assert [key for key in TOPIC_KEYS if exchange.matches(key)] == matching


@pytest.mark.parametrize("key", TOPIC_KEYS)
def test_topic_patterns_do_not_disturb_each_other(key: str):
    exchange = Exchange("topic")
    for pattern in TOPIC_MATCHES:
        exchange.bind(pattern or "empty", pattern)
    expected = sorted(pattern or "empty" for pattern, keys in TOPIC_MATCHES.items() if key in keys)
    assert exchange.matches(key) == expected


def matches_by_definition(pattern: list[str], words: list[str]) -> bool:
    """What a pattern matches, straight from the words of 3.1.3.3."""
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(matches_by_definition(pattern[1:], words[count:]) for count in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and matches_by_definition(pattern[1:], words[1:])


patterns = st.lists(st.sampled_from(["a", "b", "", "*", "#"]), max_size=5).map(".".join)
keys = st.lists(st.sampled_from(["a", "b", "c", "", "*", "#"]), max_size=5).map(".".join)


def words(text: str) -> list[str]:
    return text.split(".") if text else []


@moderate
@given(st.lists(patterns, max_size=6), st.lists(patterns, max_size=3), st.lists(keys, max_size=4))
def test_the_trie_agrees_with_the_definition(bound: list[str], removed: list[str], published: list[str]):
    exchange = Exchange("topic")
    for pattern in bound:
        exchange.bind(f"q:{pattern}", pattern)
    for pattern in removed:
        exchange.unbind(f"q:{pattern}", pattern)
    for key in published:
        left = set(bound) - set(removed)
        expected = [f"q:{each}" for each in left if matches_by_definition(words(each), words(key))]
        assert exchange.matches(key) == sorted(expected)


def test_many_hash_signs_do_not_multiply_the_work():
    exchange = Exchange("topic")
    exchange.bind("q", ".".join(["#", "a"] * 25 + ["end"]))
    assert exchange.matches(".".join(["a"] * 120)) == []  # exponential work would not end


def test_unbinding_every_pattern_leaves_an_empty_trie():
    exchange = Exchange("topic")
    for pattern in TOPIC_MATCHES:
        exchange.bind("q", pattern)
    for pattern in TOPIC_MATCHES:
        exchange.unbind("q", pattern)
    assert [exchange.matches(key) for key in TOPIC_KEYS] == [[]] * len(TOPIC_KEYS)


# Headers

MESSAGES: dict[str, Table | None] = {
    "none": None,
    "a1": table_of({"a": 1}),
    "a1b2": table_of({"a": 1, "b": 2}),
    "b2": table_of({"b": 2}),
    "xfoo": table_of({"x-foo": 1}),
}
HEADERS_MATCHES = [
    ({"x-match": "all", "a": 1, "b": 2}, ["a1b2"]),
    ({"x-match": "any", "a": 1, "b": 2}, ["a1", "a1b2", "b2"]),
    ({"a": 1}, ["a1", "a1b2"]),
    ({"x-match": "all", "a": None}, ["a1", "a1b2"]),
    ({"x-match": "all", "a": 1, "x-foo": 1}, ["a1", "a1b2"]),
    ({"x-match": "all-with-x", "x-foo": 1}, ["xfoo"]),
    ({"x-match": "any-with-x", "x-foo": 1, "b": 2}, ["a1b2", "b2", "xfoo"]),
    ({"x-match": "all"}, ["none", "a1", "a1b2", "b2", "xfoo"]),
    ({}, ["none", "a1", "a1b2", "b2", "xfoo"]),
    ({"x-match": "any"}, []),
    ({"x-match": "all", "a": "1"}, []),
    ({"x-match": "all", "a": Field("l", 1)}, ["a1", "a1b2"]),
    ({"x-match": "all", "a": Field("d", 1.0)}, ["a1", "a1b2"]),
    ({"x-match": "all", "a": Field("d", 1.5)}, []),
]


@pytest.mark.parametrize(("arguments", "matching"), HEADERS_MATCHES)
def test_a_headers_binding_matches_what_it_matches_in_rabbitmq(
    arguments: dict[str, object], matching: list[str]
):
    exchange = Exchange("headers")
    exchange.bind("q", "", table_of(arguments))
    assert [name for name, headers in MESSAGES.items() if exchange.matches("", headers)] == matching


def test_headers_bindings_do_not_disturb_each_other():
    exchange = Exchange("headers")
    for index, (arguments, _) in enumerate(HEADERS_MATCHES):
        exchange.bind(f"{index:02}", "", table_of(arguments))
    for name, headers in MESSAGES.items():
        expected = [f"{index:02}" for index, (_, names) in enumerate(HEADERS_MATCHES) if name in names]
        assert exchange.matches("", headers) == expected


def test_the_routing_key_does_not_matter_to_a_headers_exchange():
    exchange = Exchange("headers")
    exchange.bind("q", "key", table_of({"a": 1}))
    assert exchange.matches("other", table_of({"a": 1})) == ["q"]


@pytest.mark.parametrize(
    ("match", "text"),
    [
        (
            "some",
            'Invalid x-match field value <<"some">>; expected all, any, all-with-x, or any-with-x',
        ),
        (5, "Invalid x-match field type signedint (value 5); expected longstr"),
        (None, "Invalid x-match field type void (value undefined); expected longstr"),
        (b"all", 'Invalid x-match field type binary (value <<"all">>); expected longstr'),
    ],
)
def test_a_bad_x_match_is_refused_in_rabbitmqs_words(match: object, text: str):
    exchange = Exchange("headers")
    with pytest.raises(PreconditionFailed) as caught:
        exchange.bind("q", "", table_of({"x-match": match}))
    assert caught.value.explanation == text
    assert exchange.matches("", {}) == []


scalars = st.sampled_from(
    [Field("I", 1), Field("l", 1), Field("I", 2), Field("S", "1"), Field("V", None), Field("t", True)]
)
header_tables = st.dictionaries(st.sampled_from(["a", "b", "x-c"]), scalars, max_size=3)
matches = st.sampled_from(["all", "any", "all-with-x", "any-with-x"])


@moderate
@given(st.lists(st.tuples(matches, header_tables), max_size=5), header_tables)
def test_the_headers_index_finds_what_each_binding_alone_would(
    bound: list[tuple[str, Table]], headers: Table
):
    together = Exchange("headers")
    expected = set()
    for index, (match, wanted) in enumerate(bound):
        arguments = {"x-match": Field("S", match), **wanted}
        together.bind(str(index), "", arguments)
        alone = Exchange("headers")
        alone.bind(str(index), "", arguments)
        expected |= set(alone.matches("", headers))
    assert together.matches("", headers) == sorted(expected)
