"""A virtual host: what is declared, bound and deleted, and the way of a message through exchanges."""

import pytest

from amqpd.broker.definitions import (
    Bound,
    Definition,
    ExchangeDeclared,
    QueueDeclared,
    QueueDeleted,
    decode,
    definition_of,
)
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.vhost import VirtualHost, check_not_reserved
from amqpd.errors import AccessRefused, NotFound, PreconditionFailed, ResourceLocked
from amqpd.store.api import Replay
from amqpd.store.log import SegmentLog
from amqpd.store.storage import Storage
from amqpd.testing import DurableBroker
from amqpd.testing.sink import message_of, vhost_alone

NOBODY = Owner()


def declare_exchange(
    vhost: VirtualHost,
    name: str,
    exchange_type: str = "fanout",
    *,
    durable: bool = False,
    auto_delete: bool = False,
    internal: bool = False,
) -> None:
    vhost.declare_exchange(ExchangeDeclared(name, exchange_type, durable, auto_delete, internal, {}))


def declare_queue(vhost: VirtualHost, name: str, *, durable: bool = False) -> Queue:
    return vhost.declare_queue(QueueDeclared(name, durable, False, None, {}), NOBODY)


def bind_exchanges(vhost: VirtualHost, source: str, destination: str, routing_key: str = "") -> None:
    vhost.bind(source, vhost.exchange(destination), routing_key, {})


def bind_queue(vhost: VirtualHost, source: str, queue: str, routing_key: str = "") -> None:
    vhost.bind(source, vhost.queue(queue), routing_key, {})


def routed(vhost: VirtualHost, exchange: str, routing_key: str = "") -> list[str]:
    message = message_of(b"x", exchange=exchange, routing_key=routing_key)
    return sorted(queue.name for queue in vhost.route(vhost.exchange(exchange), [routing_key], message))


def test_the_predeclared_exchanges_are_rabbitmqs(vhost: VirtualHost):
    assert {name: each.exchange_type for name, each in vhost.exchanges.items()} == {
        "": "direct",
        "amq.direct": "direct",
        "amq.fanout": "fanout",
        "amq.headers": "headers",
        "amq.match": "headers",
        "amq.rabbitmq.trace": "topic",
        "amq.topic": "topic",
    }
    assert [each.name for each in vhost.exchanges.values() if each.internal] == ["amq.rabbitmq.trace"]
    assert all(each.durable and not each.auto_delete for each in vhost.exchanges.values())


def test_the_default_exchange_leads_to_the_queue_of_that_name(vhost: VirtualHost):
    declare_queue(vhost, "a")
    declare_queue(vhost, "b")
    assert (routed(vhost, "", "a"), routed(vhost, "", "c")) == (["a"], [])


def test_a_message_follows_bindings_between_exchanges_with_its_own_routing_key(vhost: VirtualHost):
    declare_exchange(vhost, "one", "topic")
    declare_exchange(vhost, "two", "direct")
    declare_queue(vhost, "yes")
    declare_queue(vhost, "no")
    bind_exchanges(vhost, "one", "two", "k.*")
    bind_queue(vhost, "two", "yes", "k.1")
    bind_queue(vhost, "two", "no", "k.*")
    assert routed(vhost, "one", "k.1") == ["yes"]
    assert routed(vhost, "one", "other") == []


def test_a_cycle_of_exchanges_ends_and_gives_one_copy(vhost: VirtualHost):
    for name in ("a", "b", "c"):
        declare_exchange(vhost, name)
        declare_queue(vhost, f"q-{name}")
        bind_queue(vhost, name, f"q-{name}")
    for source, destination in (("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")):
        bind_exchanges(vhost, source, destination)
    for name in ("a", "b", "c"):
        assert routed(vhost, name) == ["q-a", "q-b", "q-c"]


def test_a_queue_reached_by_two_ways_gets_one_copy(vhost: VirtualHost):
    for name in ("top", "left", "right"):
        declare_exchange(vhost, name)
    declare_queue(vhost, "q")
    for name in ("left", "right"):
        bind_exchanges(vhost, "top", name)
        bind_queue(vhost, name, "q")
    bind_queue(vhost, "top", "q")
    assert routed(vhost, "top") == ["q"]


def test_headers_decide_wherever_a_headers_exchange_can_be_reached(vhost: VirtualHost):
    declare_exchange(vhost, "one")
    declare_exchange(vhost, "two")
    declare_exchange(vhost, "by-headers", "headers")
    bind_exchanges(vhost, "one", "two")
    bind_exchanges(vhost, "two", "one")
    assert not vhost.routes_by_content(vhost.exchange("one"))
    bind_exchanges(vhost, "two", "by-headers")
    assert vhost.routes_by_content(vhost.exchange("one"))
    vhost.unbind("two", "exchange", "by-headers", "", {})
    assert not vhost.routes_by_content(vhost.exchange("one"))


def test_an_auto_delete_exchange_goes_with_its_last_binding(vhost: VirtualHost):
    declare_exchange(vhost, "x", auto_delete=True)
    declare_queue(vhost, "q")
    assert "x" in vhost.exchanges
    bind_queue(vhost, "x", "q", "1")
    bind_queue(vhost, "x", "q", "2")
    vhost.unbind("x", "queue", "q", "1", {})
    assert "x" in vhost.exchanges
    vhost.unbind("x", "queue", "q", "2", {})
    assert "x" not in vhost.exchanges


def test_an_auto_delete_exchange_goes_when_the_last_queue_bound_to_it_is_deleted(vhost: VirtualHost):
    declare_exchange(vhost, "x", auto_delete=True)
    bind_queue(vhost, "x", declare_queue(vhost, "q").name)
    vhost.delete_queue(vhost.queue("q"))
    assert "x" not in vhost.exchanges


def test_a_chain_of_auto_delete_exchanges_falls_together(vhost: VirtualHost):
    for name in ("a", "b", "c"):
        declare_exchange(vhost, name, auto_delete=True)
    bind_exchanges(vhost, "a", "b")
    bind_exchanges(vhost, "b", "c")
    bind_queue(vhost, "c", declare_queue(vhost, "q").name)
    vhost.delete_queue(vhost.queue("q"))
    assert {"a", "b", "c"} & vhost.exchanges.keys() == set()


def test_a_deleted_exchange_takes_its_bindings_along_on_both_sides(vhost: VirtualHost):
    for name in ("up", "x", "down"):
        declare_exchange(vhost, name)
    declare_queue(vhost, "q")
    bind_exchanges(vhost, "up", "x")
    bind_exchanges(vhost, "x", "down")
    bind_queue(vhost, "x", "q")
    vhost.delete_exchange("x", False)
    assert vhost.exchange("up").bindings == {}
    assert vhost.exchange("down").incoming == {}
    assert vhost.queue("q").incoming == {}
    declare_exchange(vhost, "x")
    assert routed(vhost, "up") == routed(vhost, "x") == []


def test_an_exchange_that_is_only_a_destination_is_unused(vhost: VirtualHost):
    declare_exchange(vhost, "up")
    declare_exchange(vhost, "x")
    bind_exchanges(vhost, "up", "x")
    with pytest.raises(PreconditionFailed, match=r"exchange 'up' in vhost '/' in use"):
        vhost.delete_exchange("up", True)
    vhost.delete_exchange("x", True)
    assert vhost.exchange("up").bindings == {}


def test_a_binding_made_twice_is_gone_when_removed_once(vhost: VirtualHost):
    declare_queue(vhost, "q")
    bind_queue(vhost, "amq.direct", "q", "k")
    bind_queue(vhost, "amq.direct", "q", "k")
    vhost.unbind("amq.direct", "queue", "q", "k", {})
    assert routed(vhost, "amq.direct", "k") == []


def test_what_is_missing_is_named(vhost: VirtualHost):
    with pytest.raises(NotFound, match=r"^no exchange 'x' in vhost '/'$"):
        vhost.exchange("x")
    with pytest.raises(NotFound, match=r"^no queue 'q' in vhost '/'$"):
        vhost.queue("q")


def test_reserved_names_and_system_exchanges_are_refused(vhost: VirtualHost):
    with pytest.raises(AccessRefused, match=r"exchange name 'amq.mine' contains reserved prefix"):
        check_not_reserved("exchange", "amq.mine")
    with pytest.raises(
        AccessRefused, match=r"deletion of system exchange 'amq.topic' in vhost '/' not allowed"
    ):
        vhost.delete_exchange("amq.topic", False)


def test_an_exclusive_queue_is_locked_to_others_whatever_they_ask(vhost: VirtualHost):
    mine, yours = Owner(), Owner()
    wanted = QueueDeclared("q", False, False, mine, {})
    queue = vhost.declare_queue(wanted, mine)
    assert vhost.declare_queue(wanted, mine) is queue
    with pytest.raises(ResourceLocked):
        vhost.declare_queue(QueueDeclared("q", False, False, yours, {}), yours)
    with pytest.raises(ResourceLocked):
        vhost.declare_queue(QueueDeclared("q", False, False, None, {}), mine)


def test_the_owner_knows_its_queues_until_they_are_deleted(vhost: VirtualHost):
    owner = Owner()
    queue = vhost.declare_queue(QueueDeclared("q", False, False, owner, {}), owner)
    assert list(owner.queues) == [queue]
    vhost.delete_queue(queue)
    assert list(owner.queues) == []


def test_deleting_a_queue_says_how_many_messages_were_ready(vhost: VirtualHost):
    queue = declare_queue(vhost, "q")
    for _ in range(3):
        queue.publish(message_of(b"x"))
    assert queue.get() is not None
    assert vhost.delete_queue(queue) == 2
    assert queue.deleted and queue.ready() == 0


@pytest.mark.parametrize("change", ["declare", "bind", "unbind", "delete"])
def test_every_change_of_the_way_makes_remembered_routes_stale(vhost: VirtualHost, change: str):
    declare_queue(vhost, "q")
    bind_queue(vhost, "amq.direct", "q", "old")
    before = vhost.topology
    if change == "declare":
        declare_queue(vhost, "r")
    elif change == "bind":
        bind_queue(vhost, "amq.direct", "q", "new")
    elif change == "unbind":
        vhost.unbind("amq.direct", "queue", "q", "old", {})
    else:
        vhost.delete_queue(vhost.queue("q"))
    assert vhost.topology > before


class DefinitionsAlone(Replay):
    """Applies what a log says of definitions to a virtual host."""

    def __init__(self, vhost: VirtualHost) -> None:
        self.vhost = vhost
        self.seen: list[type[Definition]] = []

    def definition(self, definition: bytes) -> None:
        change = definition_of(decode(definition))
        self.seen.append(type(change))
        self.vhost.apply(change)


@pytest.fixture
def durable() -> DurableBroker:
    return DurableBroker()


def replayed(broker: DurableBroker) -> DefinitionsAlone:
    """What was written since the broker started, applied to an empty virtual host."""
    broker.flush()
    broker.stop()
    replay = DefinitionsAlone(vhost_alone(Storage(broker.events)))
    SegmentLog(broker.files, "/data/log", 65536).replay(replay)
    return replay


def test_only_what_is_durable_on_both_sides_goes_to_the_log(durable: DurableBroker):
    vhost = durable.broker.vhosts["/"]
    declare_queue(vhost, "transient")
    declare_queue(vhost, "durable", durable=True)
    bind_queue(vhost, "amq.fanout", "transient")
    bind_queue(vhost, "amq.fanout", "durable")
    declare_exchange(vhost, "x")
    bind_queue(vhost, "x", "durable")
    vhost.delete_queue(vhost.queue("transient"))
    vhost.delete_queue(vhost.queue("durable"))
    assert replayed(durable).seen == [QueueDeclared, Bound, QueueDeleted]


def test_replaying_the_log_gives_the_same_routes(durable: DurableBroker):
    vhost = durable.broker.vhosts["/"]
    declare_exchange(vhost, "x", "topic", durable=True)
    declare_queue(vhost, "q", durable=True)
    declare_queue(vhost, "gone", durable=True)
    bind_queue(vhost, "x", "q", "a.*")
    bind_queue(vhost, "x", "q", "b")
    bind_queue(vhost, "x", "gone", "#")
    vhost.unbind("x", "queue", "q", "b", {})
    vhost.delete_queue(vhost.queue("gone"))
    again = replayed(durable).vhost
    for key in ("a.1", "b"):
        assert routed(again, "x", key) == routed(vhost, "x", key)
    assert again.queues.keys() == {"q"}
