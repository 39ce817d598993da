"""What clients rely on in the exchange types that come with RabbitMQ's plugins, and with RabbitMQ 4.

A RabbitMQ has the types that its administrator has enabled, and tests of the others are skipped; every
other broker is expected to have them all.
"""

from collections.abc import Callable

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPChannelError, AMQPConnectionError, ChannelClosedByBroker

from interop.broker import Broker
from interop.names import Names

Connect = Callable[[], pika.BlockingConnection]
NeedType = Callable[[str], None]

TYPES = ["x-consistent-hash", "x-local-random", "x-modulus-hash", "x-random", "x-recent-history"]
SINGLE = [each for each in TYPES if each != "x-recent-history"]


@pytest.fixture(scope="module")
def need_type(broker: Broker) -> NeedType:
    """Skip the test if the broker is a RabbitMQ that does not have an exchange type."""
    missing: dict[str, bool] = {}

    def is_missing(exchange_type: str) -> bool:
        with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
            properties = connection._impl.server_properties
            if not str(properties["platform"]).startswith("Erlang"):
                return False
            channel = connection.channel()
            name = f"interop.has.{exchange_type}"
            try:
                channel.exchange_declare(name, exchange_type)
            except (AMQPChannelError, AMQPConnectionError) as error:
                if "exchange type" not in str(error):
                    raise
                return True
            channel.exchange_delete(name)
            return False

    def need_type(exchange_type: str) -> None:
        if exchange_type not in missing:
            missing[exchange_type] = is_missing(exchange_type)
        if missing[exchange_type]:
            pytest.skip(f"this RabbitMQ has no {exchange_type}")

    return need_type


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> BlockingChannel:
    """With confirms, so that what was published is where it goes."""
    channel = connection.channel()
    channel.confirm_delivery()
    return channel


def key_for(exchange_type: str) -> str:
    """A routing key that a binding of this type takes."""
    return "1" if exchange_type == "x-consistent-hash" else ""


def queues_of(channel: BlockingChannel, names: Names, count: int) -> list[str]:
    queues = [names(f"q{index}") for index in range(count)]
    for queue in queues:
        channel.queue_declare(queue)
    return queues


def bodies(channel: BlockingChannel, queue: str) -> list[bytes]:
    """Take everything out of a queue."""
    taken: list[bytes] = []
    while True:
        _method, _properties, body = channel.basic_get(queue, auto_ack=True)
        if body is None:
            return taken
        taken.append(body)


def refusal(connect: Connect, ask: Callable[[BlockingChannel], object]) -> tuple[int, str]:
    with pytest.raises(ChannelClosedByBroker) as caught:
        ask(connect().channel())
    return caught.value.reply_code, caught.value.reply_text


# All types


@pytest.mark.parametrize("exchange_type", TYPES)
def test_a_message_reaches_the_only_queue_whatever_its_key(
    channel: BlockingChannel, names: Names, need_type: NeedType, exchange_type: str
) -> None:
    need_type(exchange_type)
    exchange = names("x")
    channel.exchange_declare(exchange, exchange_type)
    (queue,) = queues_of(channel, names, 1)
    channel.queue_bind(queue, exchange, key_for(exchange_type))
    for key in ("", "k", "a.b"):
        channel.basic_publish(exchange, key, key.encode(), mandatory=True)
    assert bodies(channel, queue) == [b"", b"k", b"a.b"]
    channel.queue_unbind(queue, exchange, key_for(exchange_type))
    channel.basic_publish(exchange, "k", b"m")
    assert bodies(channel, queue) == []


@pytest.mark.parametrize("exchange_type", SINGLE)
def test_a_message_goes_to_one_queue_of_many(
    channel: BlockingChannel, names: Names, need_type: NeedType, exchange_type: str
) -> None:
    need_type(exchange_type)
    exchange = names("x")
    channel.exchange_declare(exchange, exchange_type)
    queues = queues_of(channel, names, 3)
    for queue in queues:
        channel.queue_bind(queue, exchange, key_for(exchange_type))
    copies = pika.BasicProperties(headers={"CC": ["one", "two"]})
    for index in range(60):
        channel.basic_publish(exchange, f"key.{index}", b"%d" % index, copies)
    found = [bodies(channel, queue) for queue in queues]
    assert sorted(int(body) for taken in found for body in taken) == list(range(60))
    assert all(found)


@pytest.mark.parametrize("exchange_type", TYPES)
def test_no_binding_leads_to_the_alternate_exchange(
    channel: BlockingChannel, names: Names, need_type: NeedType, exchange_type: str
) -> None:
    need_type(exchange_type)
    exchange, alternate = names("x"), names("alternate")
    channel.exchange_declare(alternate, "fanout")
    channel.exchange_declare(exchange, exchange_type, arguments={"alternate-exchange": alternate})
    (queue,) = queues_of(channel, names, 1)
    channel.queue_bind(queue, alternate)
    channel.basic_publish(exchange, "k", b"m", mandatory=True)
    assert bodies(channel, queue) == [b"m"]


@pytest.mark.parametrize("exchange_type", TYPES)
def test_an_auto_delete_exchange_goes_with_its_last_binding(
    channel: BlockingChannel, connect: Connect, names: Names, need_type: NeedType, exchange_type: str
) -> None:
    need_type(exchange_type)
    exchange = names("x")
    channel.exchange_declare(exchange, exchange_type, auto_delete=True)
    (queue,) = queues_of(channel, names, 1)
    channel.queue_bind(queue, exchange, key_for(exchange_type))
    channel.exchange_declare(exchange, exchange_type, passive=True)
    channel.queue_unbind(queue, exchange, key_for(exchange_type))
    code, _text = refusal(connect, lambda other: other.exchange_declare(exchange, passive=True))
    assert code == 404


@pytest.mark.parametrize("exchange_type", TYPES)
def test_messages_come_from_another_exchange(
    channel: BlockingChannel, names: Names, need_type: NeedType, exchange_type: str
) -> None:
    need_type(exchange_type)
    source, exchange = names("source"), names("x")
    channel.exchange_declare(source, "topic")
    channel.exchange_declare(exchange, exchange_type, internal=True)
    (queue,) = queues_of(channel, names, 1)
    channel.queue_bind(queue, exchange, key_for(exchange_type))
    channel.exchange_bind(exchange, source, "#")
    channel.basic_publish(source, "k", b"m", mandatory=True)
    assert bodies(channel, queue) == [b"m"]


@pytest.mark.parametrize("exchange_type", [each for each in TYPES if each != "x-local-random"])
def test_messages_go_on_to_another_exchange(
    channel: BlockingChannel, names: Names, need_type: NeedType, exchange_type: str
) -> None:
    need_type(exchange_type)
    exchange, target = names("x"), names("target")
    channel.exchange_declare(exchange, exchange_type)
    channel.exchange_declare(target, "direct")
    (queue,) = queues_of(channel, names, 1)
    channel.queue_bind(queue, target, "k")
    channel.exchange_bind(target, exchange, key_for(exchange_type))
    channel.basic_publish(exchange, "k", b"m", mandatory=True)
    channel.basic_publish(exchange, "other", b"lost")
    assert bodies(channel, queue) == [b"m"]


@pytest.mark.parametrize("exchange_type", TYPES)
def test_arguments_of_the_type_do_not_count_when_it_is_declared_again(
    channel: BlockingChannel, connect: Connect, names: Names, need_type: NeedType, exchange_type: str
) -> None:
    need_type(exchange_type)
    exchange = names("x")
    channel.exchange_declare(exchange, exchange_type)
    other = {"hash-property": "nope", "x-recent-history-length": 0}
    channel.exchange_declare(exchange, exchange_type, arguments=other)
    code, text = refusal(
        connect,
        lambda another: another.exchange_declare(
            exchange, exchange_type, arguments={"alternate-exchange": "ae"}
        ),
    )
    assert code == 406
    assert "inequivalent arg 'alternate-exchange'" in text


# Consistent hash


def test_a_key_leads_to_the_queue_that_rabbitmq_chooses(
    channel: BlockingChannel, names: Names, need_type: NeedType
) -> None:
    need_type("x-consistent-hash")
    exchange = names("x")
    channel.exchange_declare(exchange, "x-consistent-hash")
    queues = queues_of(channel, names, 3)
    for weight, queue in enumerate(queues, 1):
        channel.queue_bind(queue, exchange, str(weight))
    for index in range(30):
        channel.basic_publish(exchange, f"key.{index}", b"%d" % index)
    places = {int(body): str(place) for place, queue in enumerate(queues) for body in bodies(channel, queue)}
    assert "".join(places[index] for index in range(30)) == "222222201122120200102122121121"


HASHED: dict[str, tuple[dict[str, str], Callable[[int], pika.BasicProperties], str]] = {
    "header-text": (
        {"hash-header": "h"},
        lambda number: pika.BasicProperties(headers={"h": f"value {number}"}),
        "120100222101010201212012001101",
    ),
    "header-number": (
        {"hash-header": "h"},
        lambda number: pika.BasicProperties(headers={"h": number * 10**7}),
        "120202110010112111110202112221",
    ),
    "message-id": (
        {"hash-property": "message_id"},
        lambda number: pika.BasicProperties(message_id=f"id {number}"),
        "222222210111211102001112022220",
    ),
    "correlation-id": (
        {"hash-property": "correlation_id"},
        lambda number: pika.BasicProperties(correlation_id=f"id {number}"),
        "222222210111211102001112022220",
    ),
    "timestamp": (
        {"hash-property": "timestamp"},
        lambda number: pika.BasicProperties(timestamp=number),
        "122200021022121002221022111012",
    ),
    "no-timestamp": ({"hash-property": "timestamp"}, lambda _number: pika.BasicProperties(), "1" * 30),
    "no-headers": ({"hash-header": "h"}, lambda _number: pika.BasicProperties(), "1" * 30),
    "no-such-header": (
        {"hash-header": "h"},
        lambda _number: pika.BasicProperties(headers={"other": 1}),
        "1" * 30,
    ),
}


@pytest.mark.parametrize("hashed", HASHED)
def test_a_header_or_property_leads_to_the_queue_that_rabbitmq_chooses(
    channel: BlockingChannel,
    names: Names,
    need_type: NeedType,
    hashed: str,
) -> None:
    need_type("x-consistent-hash")
    arguments, properties, expected = HASHED[hashed]
    exchange = names("x")
    channel.exchange_declare(exchange, "x-consistent-hash", arguments=arguments)
    queues = queues_of(channel, names, 3)
    for queue in queues:
        channel.queue_bind(queue, exchange, "1")
    for index in range(30):
        channel.basic_publish(exchange, f"key.{index}", b"%d" % index, properties(index))
    places = {int(body): str(place) for place, queue in enumerate(queues) for body in bodies(channel, queue)}
    assert "".join(places[index] for index in range(30)) == expected


def test_a_second_binding_of_a_queue_adds_nothing_to_its_weight(
    channel: BlockingChannel, names: Names, need_type: NeedType
) -> None:
    need_type("x-consistent-hash")
    exchange = names("x")
    channel.exchange_declare(exchange, "x-consistent-hash")
    first, second = queues_of(channel, names, 2)
    for queue, weight in ((first, "1"), (first, "1000"), (second, "1")):
        channel.queue_bind(queue, exchange, weight)
    for index in range(60):
        channel.basic_publish(exchange, f"k{index}", b"m")
    assert (len(bodies(channel, first)), len(bodies(channel, second))) == (22, 38)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            {"hash-header": "a", "hash-property": "message_id"},
            "PRECONDITION_FAILED - hash-header and hash-property are mutually exclusive",
        ),
        ({"hash-property": "nope"}, "PRECONDITION_FAILED - Unsupported property: nope"),
    ],
)
def test_what_can_not_be_hashed_is_refused(
    connect: Connect, names: Names, need_type: NeedType, arguments: dict[str, str], text: str
) -> None:
    need_type("x-consistent-hash")
    exchange = names("x")
    assert refusal(
        connect,
        lambda channel: channel.exchange_declare(exchange, "x-consistent-hash", arguments=arguments),
    ) == (406, text)


@pytest.mark.parametrize(
    ("weight", "text"),
    [
        ("0", "The binding key must be greater than 0"),
        ("-1", "The binding key must be greater than 0"),
        ("", "The binding key must be an integer: <<>>"),
        ("abc", 'The binding key must be an integer: <<"abc">>'),
        ("1.0", 'The binding key must be an integer: <<"1.0">>'),
        ("\u20ac", "The binding key must be an integer: <<226,130,172>>"),
        (
            "\x01" * 40,
            "The binding key must be an integer: <<" + "1," * 20 + "\n" + " " * 38 + "1," * 19 + "1>>",
        ),
    ],
)
def test_a_weight_must_be_a_positive_integer(
    channel: BlockingChannel, connect: Connect, names: Names, need_type: NeedType, weight: str, text: str
) -> None:
    need_type("x-consistent-hash")
    exchange = names("x")
    channel.exchange_declare(exchange, "x-consistent-hash")
    (queue,) = queues_of(channel, names, 1)
    code, said = refusal(connect, lambda other: other.queue_bind(queue, exchange, weight))
    assert (code, said) == (406, f"PRECONDITION_FAILED - {text}")


# Random


@pytest.mark.parametrize("exchange_type", ["x-random", "x-local-random"])
def test_chance_spreads_messages_of_one_key(
    channel: BlockingChannel, names: Names, need_type: NeedType, exchange_type: str
) -> None:
    need_type(exchange_type)
    exchange = names("x")
    channel.exchange_declare(exchange, exchange_type)
    queues = queues_of(channel, names, 2)
    for queue in queues:
        channel.queue_bind(queue, exchange, "")
    for _ in range(200):
        channel.basic_publish(exchange, "k", b"m")
    counts = [len(bodies(channel, queue)) for queue in queues]
    assert sum(counts) == 200
    assert min(counts) > 50  # less comes once in 10**12 runs


def test_two_bindings_of_a_queue_are_two_chances(
    channel: BlockingChannel, names: Names, need_type: NeedType
) -> None:
    need_type("x-random")
    exchange = names("x")
    channel.exchange_declare(exchange, "x-random")
    often, seldom = queues_of(channel, names, 2)
    for key in map(str, range(9)):
        channel.queue_bind(often, exchange, key)
    channel.queue_bind(seldom, exchange, "")
    for _ in range(300):
        channel.basic_publish(exchange, "k", b"m")
    assert len(bodies(channel, often)) > 200
    assert 0 < len(bodies(channel, seldom)) < 100


def test_local_random_takes_no_key(
    channel: BlockingChannel, connect: Connect, names: Names, need_type: NeedType
) -> None:
    need_type("x-local-random")
    exchange = names("x")
    channel.exchange_declare(exchange, "x-local-random")
    (queue,) = queues_of(channel, names, 1)
    answer = refusal(connect, lambda other: other.queue_bind(queue, exchange, "k"))
    assert answer == (406, "PRECONDITION_FAILED - Non empty binding 'k' key not permitted")


# Recent history


@pytest.mark.parametrize(("arguments", "length"), [(None, 20), ({"x-recent-history-length": 3}, 3)])
def test_a_new_binding_brings_the_last_messages(
    channel: BlockingChannel,
    names: Names,
    need_type: NeedType,
    arguments: dict[str, int] | None,
    length: int,
) -> None:
    need_type("x-recent-history")
    exchange = names("x")
    channel.exchange_declare(exchange, "x-recent-history", arguments=arguments)
    for index in range(25):
        channel.basic_publish(exchange, f"key.{index}", b"%d" % index)
    no_store = pika.BasicProperties(headers={"x-recent-history-no-store": True})
    channel.basic_publish(exchange, "k", b"not kept", no_store)
    (queue,) = queues_of(channel, names, 1)
    last = [b"%d" % index for index in range(25 - length, 25)]
    channel.queue_bind(queue, exchange, "one")
    assert bodies(channel, queue) == last
    channel.queue_bind(queue, exchange, "one")
    assert bodies(channel, queue) == []
    channel.queue_bind(queue, exchange, "another")
    method, _properties, _body = channel.basic_get(queue, auto_ack=True)
    assert method is not None
    assert (method.exchange, method.routing_key) == (exchange, f"key.{25 - length}")
    assert not method.redelivered
    assert bodies(channel, queue) == last[1:]


def test_an_exchange_gets_the_newest_first(
    channel: BlockingChannel, names: Names, need_type: NeedType
) -> None:
    need_type("x-recent-history")
    exchange, target = names("x"), names("target")
    channel.exchange_declare(exchange, "x-recent-history")
    channel.exchange_declare(target, "fanout")
    (queue,) = queues_of(channel, names, 1)
    channel.queue_bind(queue, target)
    for index in range(3):
        channel.basic_publish(exchange, "k", b"%d" % index)
    channel.exchange_bind(target, exchange)
    assert bodies(channel, queue) == [b"2", b"1", b"0"]


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (0, "0"),
        (-1, "-1"),
        ("a", '<<"a">>'),
        (True, "true"),
        (None, "undefined"),
        ([1, "a"], '[{signedint,1},{longstr,<<"a">>}]'),
        ({"a": 1, "b": {}}, '[{<<"a">>,signedint,1},{<<"b">>,table,[]}]'),
    ],
)
def test_the_length_must_be_a_positive_integer(
    connect: Connect, names: Names, need_type: NeedType, length: object, shown: str
) -> None:
    need_type("x-recent-history")
    exchange = names("x")
    arguments = {"x-recent-history-length": length}
    text = f"Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"
    assert refusal(
        connect,
        lambda channel: channel.exchange_declare(exchange, "x-recent-history", arguments=arguments),
    ) == (406, f"PRECONDITION_FAILED - {text}")
