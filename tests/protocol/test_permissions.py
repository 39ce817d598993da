"""What a user may do, and RabbitMQ 3.10.8's words for what not."""

import re

import pytest
from pamqp import commands

from amqpd.auth import passwords
from amqpd.auth.users import User
from amqpd.testing import MemoryBroker, Peer, Refusal
from amqpd.testing.peer import method_of


@pytest.fixture
def limited(broker: MemoryBroker, peer: Peer) -> Peer:
    """The user fm.lim, who may do what it wants with fm.ok.*; there is also fm.perm."""
    broker.users.add(User("fm.lim", passwords.hash_password("p", passwords.random_salt())))
    broker.users.set_permissions("fm.lim", "/", r"^fm\.ok", r"^fm\.ok", r"^fm\.ok")
    peer.call(1, commands.Queue.Declare(queue="fm.perm"))
    peer.call(1, commands.Exchange.Declare(exchange="fm.perm.x"))
    limited = broker.peer().open(user="fm.lim", password="p")
    limited.open_channel(1)
    limited.open_channel(2)
    limited.call(1, commands.Queue.Declare(queue="fm.ok.q"))
    limited.call(1, commands.Exchange.Declare(exchange="fm.ok.x"))
    return limited


def refused(kind: str, name: str, class_id: int, method_id: int) -> Refusal:
    text = f"ACCESS_REFUSED - access to {kind} '{name}' in vhost '/' refused for user 'fm.lim'"
    return Refusal("channel", 403, text, class_id, method_id)


REFUSED = {
    "declare-queue": (commands.Queue.Declare(queue="fm.no"), refused("queue", "fm.no", 50, 10)),
    "declare-exchange": (commands.Exchange.Declare(exchange="fm.no"), refused("exchange", "fm.no", 40, 10)),
    "get": (commands.Basic.Get(queue="fm.perm"), refused("queue", "fm.perm", 60, 70)),
    "get-missing": (commands.Basic.Get(queue="fm.absent"), refused("queue", "fm.absent", 60, 70)),
    "consume": (commands.Basic.Consume(queue="fm.perm"), refused("queue", "fm.perm", 60, 20)),
    "purge": (commands.Queue.Purge(queue="fm.perm"), refused("queue", "fm.perm", 50, 30)),
    "delete-queue": (commands.Queue.Delete(queue="fm.perm"), refused("queue", "fm.perm", 50, 40)),
    "delete-exchange": (commands.Exchange.Delete(exchange="fm.no"), refused("exchange", "fm.no", 40, 20)),
    "bind-queue": (
        commands.Queue.Bind(queue="fm.perm", exchange="fm.ok.x"),
        refused("queue", "fm.perm", 50, 20),
    ),
    "bind-to-exchange": (
        commands.Queue.Bind(queue="fm.ok.q", exchange="amq.direct"),
        refused("exchange", "amq.direct", 50, 20),
    ),
    "unbind-queue": (
        commands.Queue.Unbind(queue="fm.perm", exchange="fm.ok.x"),
        refused("queue", "fm.perm", 50, 50),
    ),
    "bind-exchange": (
        commands.Exchange.Bind(destination="fm.perm.x", source="fm.ok.x"),
        refused("exchange", "fm.perm.x", 40, 30),
    ),
    "bind-from-exchange": (
        commands.Exchange.Bind(destination="fm.ok.x", source="fm.perm.x"),
        refused("exchange", "fm.perm.x", 40, 30),
    ),
    "reserved-before-permission": (
        commands.Queue.Declare(queue="amq.no"),
        Refusal(
            "channel", 403, "ACCESS_REFUSED - queue name 'amq.no' contains reserved prefix 'amq.*'", 50, 10
        ),
    ),
    "permission-before-default-exchange-as-destination": (
        commands.Exchange.Bind(destination="", source="fm.ok.x"),
        refused("exchange", "amq.default", 40, 30),
    ),
    "default-exchange-as-source-before-permission": (
        commands.Queue.Unbind(queue="fm.ok.q", exchange=""),
        Refusal("channel", 403, "ACCESS_REFUSED - operation not permitted on the default exchange", 50, 50),
    ),
    "system-exchange-before-permission": (
        commands.Exchange.Delete(exchange="amq.direct"),
        Refusal(
            "channel",
            403,
            "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
            40,
            20,
        ),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_permitted_is_refused(limited: Peer, case: str):
    method, refusal = REFUSED[case]
    limited.send(1, method)
    assert limited.refusal() == refusal
    assert isinstance(limited.call(2, commands.Basic.Qos()), commands.Basic.QosOk)


@pytest.mark.parametrize(
    ("exchange", "named"),
    [("amq.direct", "amq.direct"), ("", "amq.default"), ("fm.absent-x", "fm.absent-x")],
)
def test_publishing_needs_write_permission_even_where_nothing_is(limited: Peer, exchange: str, named: str):
    limited.publish(1, exchange, "fm.ok.q", b"x")
    assert limited.refusal() == refused("exchange", named, 60, 40)


def test_a_generated_name_needs_permission_too(limited: Peer):
    limited.send(1, commands.Queue.Declare(queue=""))
    refusal = limited.refusal()
    assert refusal is not None
    pattern = r"ACCESS_REFUSED - access to queue 'amq\.gen-[\w-]{22}' in vhost '/' refused for user 'fm\.lim'"
    assert re.fullmatch(pattern, refusal.reply_text)


@pytest.mark.parametrize(
    "method",
    [
        commands.Queue.Declare(queue="fm.perm", passive=True),
        commands.Exchange.Declare(exchange="fm.perm.x", passive=True),
        commands.Exchange.Declare(exchange="amq.direct", passive=True),
        commands.Queue.Declare(queue="fm.ok.new"),
        commands.Queue.Bind(queue="fm.ok.q", exchange="fm.ok.x", routing_key="k"),
        commands.Queue.Purge(queue="fm.ok.q"),
        commands.Queue.Delete(queue="fm.ok.q"),
        commands.Basic.Consume(queue="fm.ok.q"),
        commands.Exchange.Delete(exchange="fm.ok.x"),
    ],
    ids=lambda method: f"{method.name} {[value for _, value in method if value]}",
)
def test_passive_declarations_need_nothing_and_ones_own_is_permitted(limited: Peer, method: object):
    reply = limited.call(1, method)  # type: ignore[arg-type]
    assert type(reply).__name__ == f"{type(method).__name__}Ok"


def test_publishing_where_it_is_permitted_works(limited: Peer):
    limited.call(1, commands.Queue.Bind(queue="fm.ok.q", exchange="fm.ok.x", routing_key="k"))
    limited.publish(1, "fm.ok.x", "k", b"x")
    assert limited.call(1, commands.Basic.Get(queue="fm.ok.q")).body == b"x"


def test_one_refusal_does_not_open_the_way(limited: Peer):
    for _ in range(2):
        limited.open_channel(9)
        limited.publish(9, "fm.perm.x", "k", b"x")
        assert limited.refusal() == refused("exchange", "fm.perm.x", 60, 40)
        limited.send(9, commands.Channel.CloseOk())


def test_names_with_line_breaks_are_judged_without(limited: Peer):
    limited.send(1, method_of(commands.Queue.Declare, queue="fm.no\nfm.ok"))
    assert limited.refusal() == refused("queue", "fm.nofm.ok", 50, 10)


@pytest.mark.parametrize("queue", ["fm.ok.q", "fm.ok.absent"])
def test_unbinding_needs_a_permitted_topic_as_binding_does(broker: MemoryBroker, limited: Peer, queue: str):
    limited.call(1, commands.Exchange.Declare(exchange="fm.ok.topic", exchange_type="topic"))
    broker.users.set_topic_permissions("fm.lim", "/", "fm.ok.topic", ".*", "^a")
    unbind = commands.Queue.Unbind(queue=queue, exchange="fm.ok.topic", routing_key="a.b")
    assert isinstance(limited.call(1, unbind), commands.Queue.UnbindOk)
    limited.send(1, commands.Queue.Unbind(queue=queue, exchange="fm.ok.topic", routing_key="b"))
    text = "ACCESS_REFUSED - access to topic 'b' in exchange 'fm.ok.topic' in vhost '/' refused for user 'fm.lim'"
    assert limited.refusal() == Refusal("channel", 403, text, 50, 50)
