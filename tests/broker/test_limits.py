"""Limits of virtual hosts, users and the whole broker; RabbitMQ 3.10.8, observed, and 4.x where it says so."""

from collections.abc import Callable

import pytest

from amqpd.auth import users as auth
from amqpd.auth.passwords import hash_password
from amqpd.auth.users import User
from amqpd.broker.definitions import ExchangeDeclared, QueueDeclared
from amqpd.broker.limits import InvalidLimits, LimitReached, NodeLimits, OpenCounts
from amqpd.broker.queues.queue import Owner
from amqpd.broker.vhost import VirtualHost
from amqpd.config.mistakes import InvalidSetting
from amqpd.config.settings import read_setting
from amqpd.errors import PreconditionFailed
from amqpd.testing import DurableBroker, MemoryBroker

NOBODY = Owner()

NOT_NUMBERS = [
    ("x", '<<"x">>'),
    ("5", '<<"5">>'),
    (1.5, "1.5"),
    (None, "null"),
    (True, "true"),
    ([1], "[1]"),
    ({"a": 1}, '#{<<"a">> => 1}'),
]


def declare(vhost: VirtualHost, name: str) -> None:
    vhost.declare_queue(QueueDeclared(name, True, False, None, {}), NOBODY)


def declare_exchange(vhost: VirtualHost, name: str) -> None:
    vhost.declare_exchange(ExchangeDeclared(name, "fanout", True, False, False, {}))


# Setting the limits of a virtual host


@pytest.mark.parametrize("name", ["max-connections", "max-queues"])
@pytest.mark.parametrize(("value", "printed"), NOT_NUMBERS)
def test_a_vhosts_limit_is_a_whole_number(vhost: VirtualHost, name: str, value: object, printed: str):
    with pytest.raises(InvalidLimits) as refused:
        vhost.set_limit(name, value)
    assert refused.value.text == (f"Validation failed\n\n{name} should be a number, actually was {printed}\n")
    assert vhost.limits == {}


def test_a_vhost_has_no_other_limits(vhost: VirtualHost):
    with pytest.raises(InvalidLimits) as refused:
        vhost.set_limit("nope", 5)
    assert refused.value.text == 'Validation failed\n\nUnrecognised terms [{<<"nope">>,5}] in limits\n'


def test_one_limit_is_set_and_lifted_without_the_other(vhost: VirtualHost):
    vhost.set_limit("max-connections", -1)
    vhost.set_limit("max-queues", 5)
    assert vhost.limits == {"max-connections": -1, "max-queues": 5}
    vhost.clear_limit("max-connections")
    vhost.clear_limit("nope")
    assert vhost.limits == {"max-queues": 5}


@pytest.mark.parametrize("digits", [19, 30, 4000])
def test_a_limit_that_nothing_can_count_to_is_one_that_can_be_counted_to(vhost: VirtualHost, digits: int):
    for limit in (10**digits, -(10**digits)):
        for name in ("max-connections", "max-queues"):
            vhost.set_limit(name, limit)
        assert all(-(2**63) <= each < 2**63 for each in vhost.limits.values())
        vhost.check_queue_limit("q")
    checked = auth.checked_limits({"max-connections": 10**digits, "max-channels": -(10**digits)})
    assert list(checked.values()) == [2**63 - 1, 1 - 2**63]


def test_all_limits_are_set_at_once(vhost: VirtualHost):
    vhost.set_limits({"max-connections": 1, "max-queues": 2})
    vhost.set_limits({"max-queues": 3})
    assert vhost.limits == {"max-queues": 3}


# Setting the limits of a user


@pytest.fixture
def broker_with_anna(broker: MemoryBroker) -> MemoryBroker:
    broker.users.add(User("anna", hash_password("pw", b"salt")))
    return broker


def limits_of_anna(broker: MemoryBroker) -> dict[str, int]:
    anna = broker.users.get("anna")
    assert anna is not None
    return anna.limits()


@pytest.mark.parametrize("name", ["max-connections", "max-channels"])
@pytest.mark.parametrize(("value", "printed"), NOT_NUMBERS)
def test_a_users_limit_is_a_whole_number(
    broker_with_anna: MemoryBroker, name: str, value: object, printed: str
):
    with pytest.raises(auth.InvalidLimits) as refused:
        broker_with_anna.users.add_limits("anna", {name: value})
    assert refused.value.text == f"{name} should be a number, actually was {printed}"
    assert limits_of_anna(broker_with_anna) == {}


def test_a_user_has_no_other_limits(broker_with_anna: MemoryBroker):
    with pytest.raises(auth.InvalidLimits) as refused:
        broker_with_anna.users.add_limits("anna", {"nope": "x"})
    assert refused.value.text == 'Unrecognised terms [{<<"nope">>,<<"x">>}] in user-limits'


def test_a_users_limits_are_set_and_lifted_one_by_one_or_all_together(broker_with_anna: MemoryBroker):
    users = broker_with_anna.users
    users.add_limits("anna", {"max-connections": -1})
    users.add_limits("anna", {"max-channels": 2})
    assert limits_of_anna(broker_with_anna) == {"max-connections": -1, "max-channels": 2}
    users.clear_limit("anna", "max-connections")
    users.clear_limit("anna", "nope")
    assert limits_of_anna(broker_with_anna) == {"max-channels": 2}
    users.clear_limit("anna", "all")
    assert limits_of_anna(broker_with_anna) == {}


def test_nobody_has_no_limits(broker: MemoryBroker):
    with pytest.raises(KeyError):
        broker.users.add_limits("nobody", {"max-channels": 1})
    with pytest.raises(KeyError):
        broker.users.clear_limit("nobody", "all")


# Queues, exchanges and virtual hosts


def test_no_more_queues_are_made_than_a_vhost_may_have(vhost: VirtualHost):
    vhost.set_limit("max-queues", 1)
    declare(vhost, "first")
    declare(vhost, "first")
    with pytest.raises(PreconditionFailed) as refused:
        declare(vhost, "second")
    assert refused.value.explanation == (
        "cannot declare queue 'second': queue limit in vhost '/' (1) is reached"
    )
    vhost.delete_queue(vhost.queues["first"])
    declare(vhost, "second")


@pytest.mark.parametrize(("limit", "refused"), [(-1, False), (-5, False), (0, True), (2**70, False)])
def test_a_negative_limit_is_none_and_0_allows_nothing(vhost: VirtualHost, limit: int, refused: bool):
    vhost.set_limit("max-queues", limit)
    if refused:
        with pytest.raises(PreconditionFailed, match=r"queue limit in vhost '/' \(0\) is reached"):
            declare(vhost, "q")
    else:
        declare(vhost, "q")


def test_what_is_there_already_stays_when_a_limit_is_set_below_it(vhost: VirtualHost):
    for name in ("a", "b", "c"):
        declare(vhost, name)
    vhost.set_limit("max-queues", 1)
    assert sorted(vhost.queues) == ["a", "b", "c"]
    declare(vhost, "a")


def test_the_whole_broker_may_have_a_limit_of_queues(broker: MemoryBroker, vhost: VirtualHost):
    """RabbitMQ 4.1, read in its source."""
    broker.broker.set_limits(NodeLimits(cluster_queue_limit=2))
    declare(broker.broker.add_vhost("other"), "there")
    declare(vhost, "here")
    declare(vhost, "here")
    with pytest.raises(PreconditionFailed) as refused:
        declare(vhost, "q")
    assert refused.value.explanation == "cannot declare queue 'q': queue limit in cluster (2) is reached"


def test_the_whole_broker_may_have_a_limit_of_exchanges(broker: MemoryBroker, vhost: VirtualHost):
    """RabbitMQ 4.1, read in its source."""
    predeclared = len(vhost.exchanges)
    broker.broker.set_limits(NodeLimits(cluster_exchange_limit=predeclared + 1))
    declare_exchange(vhost, "first")
    declare_exchange(vhost, "first")
    with pytest.raises(PreconditionFailed) as refused:
        declare_exchange(vhost, "second")
    assert refused.value.explanation == (
        f"cannot declare exchange 'second' in vhost '/': exchange limit of {predeclared + 1} is reached"
    )


def test_the_whole_broker_may_have_a_limit_of_vhosts(broker: MemoryBroker):
    """RabbitMQ 4.1, read in its source."""
    broker.broker.set_limits(NodeLimits(vhost_max=2))
    broker.broker.add_vhost("second")
    broker.broker.add_vhost("second")
    with pytest.raises(LimitReached) as refused:
        broker.broker.add_vhost("third")
    assert refused.value.text == "cannot create vhost 'third': vhost limit of 2 is reached"
    assert sorted(broker.broker.vhosts) == ["/", "second"]


# What is open


def test_open_connections_and_channels_are_counted_by_vhost_and_user():
    counts = OpenCounts()
    counts.connection_opened("/", "anna")
    counts.connection_opened("/", "bob")
    counts.connection_opened("v", "bob")
    counts.channels_opened("bob", 3)
    counts.channels_opened("anna", 1)
    assert (counts.connections, counts.connections_in("/"), counts.connections_of("bob")) == (3, 2, 2)
    assert (counts.channels, counts.channels_of("bob"), counts.channels_of("anna")) == (4, 3, 1)
    counts.connection_ended("/", "bob")
    counts.channels_opened("bob", -3)
    assert (counts.connections, counts.connections_in("/"), counts.connections_of("bob")) == (2, 1, 1)
    assert (counts.channels, counts.channels_of("bob")) == (1, 0)


# After a restart


@pytest.mark.parametrize("end", [DurableBroker.restart, DurableBroker.kill, DurableBroker.lose_power])
def test_limits_and_what_a_vhost_says_of_itself_survive(end: Callable[[DurableBroker], DurableBroker]):
    broker = DurableBroker()
    broker.users.add(User("anna", hash_password("pw", b"salt")))
    broker.users.add_limits("anna", {"max-connections": 3, "max-channels": -1})
    vhost = broker.broker.add_vhost("v")
    vhost.set_limits({"max-connections": 7, "max-queues": -1})
    vhost.describe("what it is for", ["a", "é"], "quorum")
    lifted = broker.broker.add_vhost("lifted")
    lifted.set_limit("max-queues", 1)
    lifted.clear_limit("max-queues")
    broker.flush()
    for _ in range(2):  # out of the records, then out of the snapshot that the next segment begins with
        broker = end(broker)
        vhost = broker.broker.vhosts["v"]
        assert vhost.limits == {"max-connections": 7, "max-queues": -1}
        assert vhost.description == "what it is for"
        assert (vhost.tags, vhost.default_queue_type) == (["a", "é"], "quorum")
        assert broker.broker.vhosts["lifted"].limits == {}
        assert limits_of_anna(broker) == {"max-connections": 3, "max-channels": -1}
        fill_a_segment(broker)


def fill_a_segment(broker: DurableBroker) -> None:
    filler = broker.broker.add_vhost("filler")
    for number in range(800):
        filler.describe("x" * 100, [], str(number % 2))
        broker.flush()


# Settings of the whole broker's limits


@pytest.mark.parametrize(("text", "limit"), [("infinity", -1), ("-1", -1), ("0", 0), ("1000", 1000)])
def test_infinity_is_no_limit(text: str, limit: int):
    assert read_setting("connection_max", text, "--connection-max") == limit


@pytest.mark.parametrize(("name", "text"), [("connection_max", "-2"), ("channel_max", "infinity")])
def test_other_negative_numbers_and_infinity_elsewhere_are_refused(name: str, text: str):
    with pytest.raises(InvalidSetting):
        read_setting(name, text, "--option")
