"""Class exchange; texts are RabbitMQ 3.10.8's."""

import pytest
from pamqp import commands

from amqpd.testing import MemoryBroker, Peer, Refusal
from amqpd.testing.peer import method_of

DEFAULT_REFUSED = "ACCESS_REFUSED - operation not permitted on the default exchange"


def declare(name: str, exchange_type: str = "direct", **flags: bool) -> commands.Exchange.Declare:
    return method_of(commands.Exchange.Declare, exchange=name, exchange_type=exchange_type, **flags)


def delete(name: str, *, if_unused: bool = False) -> commands.Exchange.Delete:
    return method_of(commands.Exchange.Delete, exchange=name, if_unused=if_unused)


def bind(destination: str, source: str, routing_key: str = "") -> commands.Exchange.Bind:
    return method_of(commands.Exchange.Bind, destination=destination, source=source, routing_key=routing_key)


def unbind(destination: str, source: str, routing_key: str = "") -> commands.Exchange.Unbind:
    return method_of(
        commands.Exchange.Unbind, destination=destination, source=source, routing_key=routing_key
    )


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With an exchange of each kind that the cases name."""
    peer.call(1, declare("fm.x2"))
    peer.call(1, declare("fm.used", "fanout"))
    peer.call(1, bind("fm.x2", "fm.used"))
    return peer


def inequivalent(argument: str, exchange: str, received: str, current: str) -> str:
    return (
        f"PRECONDITION_FAILED - inequivalent arg '{argument}' for exchange '{exchange}' in vhost '/': "
        f"received '{received}' but current is '{current}'"
    )


REFUSED = {
    "declare-unknown-type": (
        declare("fm.x", "nope"),
        406,
        "PRECONDITION_FAILED - unknown exchange type 'nope'",
    ),
    "declare-empty-type": (declare("fm.x", ""), 406, "PRECONDITION_FAILED - invalid exchange type ''"),
    "declare-reserved": (
        declare("amq.fm"),
        403,
        "ACCESS_REFUSED - exchange name 'amq.fm' contains reserved prefix 'amq.*'",
    ),
    "declare-amq-direct-differently": (
        declare("amq.direct"),
        406,
        inequivalent("durable", "amq.direct", "false", "true"),
    ),
    "declare-default": (declare(""), 403, DEFAULT_REFUSED),
    "declare-default-passively": (declare("", passive=True), 403, DEFAULT_REFUSED),
    "declare-missing-passively": (
        declare("fm.nope", passive=True),
        404,
        "NOT_FOUND - no exchange 'fm.nope' in vhost '/'",
    ),
    "declare-another-type": (
        declare("fm.x2", "topic"),
        406,
        inequivalent("type", "fm.x2", "topic", "direct"),
    ),
    "declare-durable": (
        declare("fm.x2", durable=True),
        406,
        inequivalent("durable", "fm.x2", "true", "false"),
    ),
    "declare-auto-delete": (
        declare("fm.x2", auto_delete=True),
        406,
        inequivalent("auto_delete", "fm.x2", "true", "false"),
    ),
    "declare-internal": (
        declare("fm.x2", internal=True),
        406,
        inequivalent("internal", "fm.x2", "true", "false"),
    ),
    "delete-default": (delete(""), 403, DEFAULT_REFUSED),
    "delete-amq": (
        delete("amq.topic"),
        403,
        "ACCESS_REFUSED - deletion of system exchange 'amq.topic' in vhost '/' not allowed",
    ),
    "delete-amq-missing": (
        delete("amq.fm.nope"),
        403,
        "ACCESS_REFUSED - deletion of system exchange 'amq.fm.nope' in vhost '/' not allowed",
    ),
    "delete-used": (
        delete("fm.used", if_unused=True),
        406,
        "PRECONDITION_FAILED - exchange 'fm.used' in vhost '/' in use",
    ),
    "bind-missing-source": (
        bind("fm.x2", "fm.nope"),
        404,
        "NOT_FOUND - no exchange 'fm.nope' in vhost '/'",
    ),
    "bind-missing-destination": (
        bind("fm.nope", "fm.x2"),
        404,
        "NOT_FOUND - no exchange 'fm.nope' in vhost '/'",
    ),
    "bind-default-source": (bind("fm.x2", ""), 403, DEFAULT_REFUSED),
    "bind-default-destination": (bind("", "fm.x2"), 403, DEFAULT_REFUSED),
}
METHOD_IDS = {"declare": 10, "delete": 20, "bind": 30}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_has_rabbitmqs_words_and_closes_only_the_channel(peer: Peer, case: str):
    method, code, text = REFUSED[case]
    peer.send(1, method)
    assert peer.refusal() == Refusal("channel", code, text, 40, METHOD_IDS[case.split("-")[0]])
    assert isinstance(peer.call(2, commands.Basic.Qos()), commands.Basic.QosOk)


@pytest.mark.parametrize(
    "method",
    [
        declare("fm.x2"),
        declare("fm.x2", passive=True),
        declare("fm.x2", "topic", passive=True),
        declare("fm.x2", "nope", passive=True),
        declare("amq.direct", durable=True),
        declare("amq.headers", "headers", durable=True),
        declare("amq.match", "headers", durable=True),
        declare("amq.rabbitmq.trace", "topic", durable=True, internal=True),
        declare("x" * 255),
        delete("fm.nope"),
        delete("fm.x2", if_unused=True),
        bind("fm.x2", "fm.x2"),
        bind("fm.x2", "fm.used"),
        unbind("fm.x2", "fm.used"),
        unbind("fm.x2", "fm.used", "nope"),
        unbind("fm.nope", "fm.x2"),
        unbind("fm.x2", "fm.nope"),
    ],
    ids=lambda method: f"{method.name} {[value for _, value in method if value]}",
)
def test_what_rabbitmq_grants_is_granted(peer: Peer, method: object):
    reply = peer.call(1, method)  # type: ignore[arg-type]
    assert type(reply).__name__ == f"{type(method).__name__}Ok"


def test_line_breaks_are_stripped_from_names(broker: MemoryBroker, peer: Peer):
    peer.call(1, declare("a\r\nb"))
    assert "ab" in broker.broker.vhosts["/"].exchanges


def test_a_redeclaration_with_an_unknown_argument_is_equivalent(peer: Peer):
    reply = peer.call(1, method_of(commands.Exchange.Declare, exchange="fm.x2", arguments={"x-mine": 1}))
    assert isinstance(reply, commands.Exchange.DeclareOk)


def test_a_message_says_the_exchange_it_was_published_to(peer: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.call(1, commands.Queue.Bind(queue="q", exchange="fm.x2", routing_key="k.1"))
    peer.publish(1, "fm.used", "k.1", b"x")
    got = peer.call(1, commands.Basic.Get(queue="q"))
    assert (got.method.exchange, got.method.routing_key) == ("fm.used", "k.1")


def test_an_exchange_bound_to_itself_returns_a_mandatory_message(peer: Peer):
    peer.call(1, bind("fm.used", "fm.used", "k"))
    peer.call(1, unbind("fm.x2", "fm.used"))
    peer.publish(1, "fm.used", "k", b"x", mandatory=True)
    [content] = peer.contents(1)
    assert isinstance(content.method, commands.Basic.Return)


def test_an_auto_delete_exchange_goes_with_its_last_binding(peer: Peer):
    peer.call(1, declare("auto", auto_delete=True))
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.call(1, commands.Queue.Bind(queue="q", exchange="auto", routing_key="k"))
    peer.call(1, commands.Queue.Unbind(queue="q", exchange="auto", routing_key="k"))
    peer.send(1, declare("auto", passive=True))
    text = "NOT_FOUND - no exchange 'auto' in vhost '/'"
    assert peer.refusal() == Refusal("channel", 404, text, 40, 10)


def test_a_route_that_was_used_follows_the_bindings_as_they_change(peer: Peer):
    for queue in ("one", "two"):
        peer.call(1, commands.Queue.Declare(queue=queue))
    peer.call(1, commands.Queue.Bind(queue="one", exchange="fm.x2", routing_key="k"))
    peer.publish(1, "fm.x2", "k", b"1")
    peer.call(2, commands.Queue.Bind(queue="two", exchange="fm.x2", routing_key="k"))
    peer.publish(1, "fm.x2", "k", b"2")
    peer.call(2, commands.Queue.Unbind(queue="one", exchange="fm.x2", routing_key="k"))
    peer.publish(1, "fm.x2", "k", b"3")
    peer.call(2, commands.Queue.Delete(queue="two"))
    peer.publish(1, "fm.x2", "k", b"4")
    assert peer.call(1, commands.Queue.Declare(queue="one", passive=True)).message_count == 2
    peer.call(1, commands.Exchange.Delete(exchange="fm.x2"))
    peer.publish(1, "fm.x2", "k", b"5")
    text = "NOT_FOUND - no exchange 'fm.x2' in vhost '/'"
    assert peer.refusal() == Refusal("channel", 404, text, 60, 40)


def test_more_addresses_than_are_remembered_all_lead_home(peer: Peer):
    peer.call(1, commands.Queue.Declare(queue="q"))
    peer.call(1, commands.Queue.Bind(queue="q", exchange="amq.topic", routing_key="#"))
    for number in range(5000):
        peer.publish(1, "amq.topic", str(number), b"x")
    assert peer.call(1, commands.Queue.Declare(queue="q", passive=True)).message_count == 5000
