"""Class queue; texts are RabbitMQ 3.10.8's."""

import re
from collections.abc import Callable

import pytest
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.testing import MemoryBroker, Peer, Refusal
from amqpd.testing.peer import method_of
from amqpd.wire.fields import table_of

LOCKED = (
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '{}' in vhost '/'. It could be originally "
    "declared on another connection or the exclusive property value does not match that of the original "
    "declaration."
)
NO_LAST_QUEUE = "NOT_FOUND - no previously declared queue"
DEFAULT_REFUSED = "ACCESS_REFUSED - operation not permitted on the default exchange"


def declare(name: str = "", **flags: object) -> commands.Queue.Declare:
    return method_of(commands.Queue.Declare, queue=name, **flags)


def bind(queue: str, exchange: str, routing_key: str = "", **more: object) -> commands.Queue.Bind:
    return method_of(commands.Queue.Bind, queue=queue, exchange=exchange, routing_key=routing_key, **more)


def unbind(queue: str, exchange: str, routing_key: str = "") -> commands.Queue.Unbind:
    return commands.Queue.Unbind(queue=queue, exchange=exchange, routing_key=routing_key)


def delete(queue: str, **flags: bool) -> commands.Queue.Delete:
    return method_of(commands.Queue.Delete, queue=queue, **flags)


def consume(queue: str, tag: str = "t", **flags: bool) -> commands.Basic.Consume:
    return commands.Basic.Consume(queue=queue, consumer_tag=tag, **flags)


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a plain queue, one in use and one that is not empty; channel 2 has declared none."""
    for name in ("fm.qi", "fm.q1", "fm.q2"):
        peer.call(1, declare(name))
    peer.call(1, declare("fm.mine", exclusive=True))
    peer.call(1, consume("fm.q1"))
    peer.publish(1, "", "fm.q2", b"x")
    return peer


def inequivalent(argument: str, received: str, current: str) -> str:
    return (
        f"PRECONDITION_FAILED - inequivalent arg '{argument}' for queue 'fm.qi' in vhost '/': "
        f"received '{received}' but current is '{current}'"
    )


REFUSED = {
    "declare-missing-passively": (
        declare("fm.nope", passive=True),
        404,
        "NOT_FOUND - no queue 'fm.nope' in vhost '/'",
    ),
    "declare-nameless-passively": (declare("", passive=True), 404, "NOT_FOUND - no queue '' in vhost '/'"),
    "declare-reserved": (
        declare("amq.fm"),
        403,
        "ACCESS_REFUSED - queue name 'amq.fm' contains reserved prefix 'amq.*'",
    ),
    "declare-durable": (declare("fm.qi", durable=True), 406, inequivalent("durable", "true", "false")),
    "declare-auto-delete": (
        declare("fm.qi", auto_delete=True),
        406,
        inequivalent("auto_delete", "true", "false"),
    ),
    "declare-exclusive": (declare("fm.qi", exclusive=True), 405, LOCKED.format("fm.qi")),
    "declare-not-exclusive": (declare("fm.mine"), 405, LOCKED.format("fm.mine")),
    "delete-in-use": (
        delete("fm.q1", if_unused=True),
        406,
        "PRECONDITION_FAILED - queue 'fm.q1' in vhost '/' in use",
    ),
    "delete-not-empty": (
        delete("fm.q2", if_empty=True),
        406,
        "PRECONDITION_FAILED - queue 'fm.q2' in vhost '/' not empty",
    ),
    "delete-nameless": (delete(""), 404, NO_LAST_QUEUE),
    "purge-missing": (
        commands.Queue.Purge(queue="fm.nope"),
        404,
        "NOT_FOUND - no queue 'fm.nope' in vhost '/'",
    ),
    "purge-nameless": (commands.Queue.Purge(queue=""), 404, NO_LAST_QUEUE),
    "bind-missing-queue": (
        bind("fm.nope", "amq.direct", "k"),
        404,
        "NOT_FOUND - no queue 'fm.nope' in vhost '/'",
    ),
    "bind-missing-exchange": (
        bind("fm.qi", "fm.nope", "k"),
        404,
        "NOT_FOUND - no exchange 'fm.nope' in vhost '/'",
    ),
    "bind-both-missing": (
        bind("fm.nope", "fm.nopex", "k"),
        404,
        "NOT_FOUND - no exchange 'fm.nopex' in vhost '/'",
    ),
    "bind-default": (bind("fm.qi", "", "k"), 403, DEFAULT_REFUSED),
    "bind-nameless": (bind("", "amq.direct", "k"), 404, NO_LAST_QUEUE),
    "bind-bad-x-match": (
        bind("fm.qi", "amq.headers", arguments=table_of({"x-match": "some"})),
        406,
        'PRECONDITION_FAILED - Invalid x-match field value <<"some">>; expected all, any, all-with-x, or '
        "any-with-x",
    ),
    "bind-bad-x-match-type": (
        bind("fm.qi", "amq.headers", arguments=table_of({"x-match": 5})),
        406,
        "PRECONDITION_FAILED - Invalid x-match field type signedint (value 5); expected longstr",
    ),
    "unbind-default": (unbind("fm.qi", "", "k"), 403, DEFAULT_REFUSED),
}
METHOD_IDS = {"declare": 10, "bind": 20, "purge": 30, "delete": 40, "unbind": 50}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_has_rabbitmqs_words_and_closes_only_the_channel(peer: Peer, case: str):
    method, code, text = REFUSED[case]
    peer.receive()
    peer.send(2, method)
    assert peer.refusal() == Refusal("channel", code, text, 50, METHOD_IDS[case.split("-")[0]])
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


@pytest.mark.parametrize(
    "method",
    [
        declare("fm.qi"),
        declare("fm.qi", arguments={"x-mine": 1}),
        declare("fm.mine", exclusive=True),
        declare("fm.mine", exclusive=True, durable=True),
        declare("q" * 255),
        bind("fm.qi", "amq.direct", "k"),
        unbind("fm.qi", "amq.direct", "nope"),
        unbind("fm.nope", "amq.direct", "k"),
        unbind("fm.qi", "fm.nope", "k"),
        delete("fm.nope"),
        delete("fm.nope", if_unused=True, if_empty=True),
    ],
    ids=lambda method: f"{method.name} {[value for _, value in method if value]}",
)
def test_what_rabbitmq_grants_is_granted(peer: Peer, method: object):
    reply = peer.call(1, method)  # type: ignore[arg-type]
    assert type(reply).__name__ == f"{type(method).__name__}Ok"


def test_declare_ok_counts_ready_messages_and_consumers(peer: Peer):
    reply = peer.call(1, declare("fm.q2"))
    assert dict(reply) == {"queue": "fm.q2", "message_count": 1, "consumer_count": 0}
    peer.call(1, commands.Basic.Get(queue="fm.q2"))
    assert dict(peer.call(1, declare("fm.q2", passive=True)))["message_count"] == 0
    assert dict(peer.call(1, declare("fm.q1", passive=True)))["consumer_count"] == 1


def test_a_nameless_queue_gets_a_name_of_its_own(peer: Peer):
    names = {peer.call(1, declare()).queue for _ in range(10)}
    assert len(names) == 10
    assert all(re.fullmatch(r"amq\.gen-[A-Za-z0-9_-]{22}", name) for name in names)


def test_a_generated_name_may_be_declared_passively_only(peer: Peer):
    name = peer.call(1, declare()).queue
    assert peer.call(1, declare(name, passive=True)).queue == name
    peer.send(1, declare(name))
    text = f"ACCESS_REFUSED - queue name '{name}' contains reserved prefix 'amq.*'"
    assert peer.refusal() == Refusal("channel", 403, text, 50, 10)


def test_line_breaks_are_stripped_from_names(peer: Peer):
    assert peer.call(1, declare("fm\n.nl\r")).queue == "fm.nl"
    assert peer.call(1, declare("fm.\nnl", passive=True)).queue == "fm.nl"


@pytest.mark.parametrize(
    ("method", "class_id", "method_id"),
    [
        (method_of(commands.Queue.Purge, queue="fm\n"), 50, 30),
        (method_of(commands.Basic.Get, queue="fm\n"), 60, 70),
        (method_of(commands.Basic.Consume, queue="fm\n"), 60, 20),
    ],
)
def test_who_reads_a_queue_must_give_its_name_without_line_breaks(
    peer: Peer, method: Method, class_id: int, method_id: int
):
    peer.call(1, declare("fm"))
    peer.send(1, method)
    assert peer.refusal() == Refusal(
        "channel", 404, "NOT_FOUND - no queue 'fm\n' in vhost '/'", class_id, method_id
    )


def test_a_name_of_any_characters_comes_back(peer: Peer):
    assert peer.call(1, declare("fm.é中")).queue == "fm.é中"


def test_an_empty_name_is_the_queue_declared_last_on_that_channel(peer: Peer):
    name = peer.call(2, declare()).queue
    peer.call(1, declare("other"))
    peer.call(2, bind("", "amq.fanout"))
    peer.publish(1, "amq.fanout", "", b"x")
    assert peer.call(2, commands.Basic.Get(queue="")).body == b"x"
    peer.publish(1, "", name, b"y")
    assert peer.call(2, commands.Queue.Purge(queue="")).message_count == 1
    assert peer.call(2, consume("")).consumer_tag == "t"
    assert peer.call(2, delete("")).message_count == 0
    peer.send(1, declare(name, passive=True))
    assert peer.refusal() is not None


def test_a_passive_declaration_sets_the_last_queue_too(peer: Peer):
    peer.call(2, declare("fm.q2", passive=True))
    assert peer.call(2, commands.Basic.Get(queue="")).body == b"x"


def test_binding_without_queue_and_key_takes_the_name_as_key(peer: Peer):
    name = peer.call(2, declare()).queue
    peer.call(2, bind("", "amq.direct", ""))
    peer.publish(2, "amq.direct", name, b"x")
    assert peer.call(2, commands.Basic.Get(queue=name)).body == b"x"
    peer.call(2, unbind("", "amq.direct", ""))
    peer.publish(2, "amq.direct", name, b"x", mandatory=True)
    assert peer.bodies(2) == [b"x"]


def test_binding_a_named_queue_without_key_takes_the_empty_key(peer: Peer):
    peer.call(1, bind("fm.qi", "amq.direct", ""))
    peer.publish(1, "amq.direct", "", b"empty")
    peer.publish(1, "amq.direct", "fm.qi", b"name")
    assert peer.call(1, declare("fm.qi", passive=True)).message_count == 1


def test_purge_and_delete_say_how_many_messages_there_were(peer: Peer):
    peer.publish(1, "", "fm.q2", b"y")
    assert peer.call(1, commands.Queue.Purge(queue="fm.q2")).message_count == 2
    peer.publish(1, "", "fm.q2", b"z")
    assert peer.call(1, delete("fm.q2")).message_count == 1


# Exclusive queues


@pytest.mark.parametrize(
    ("method", "class_id", "method_id"),
    [
        (declare("fm.mine"), 50, 10),
        (declare("fm.mine", exclusive=True), 50, 10),
        (declare("fm.mine", passive=True), 50, 10),
        (consume("fm.mine"), 60, 20),
        (commands.Basic.Get(queue="fm.mine"), 60, 70),
        (bind("fm.mine", "amq.direct", "k"), 50, 20),
        (commands.Queue.Purge(queue="fm.mine"), 50, 30),
        (delete("fm.mine"), 50, 40),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_an_exclusive_queue_is_locked_to_other_connections(
    peer: Peer, other: Peer, method: object, class_id: int, method_id: int
):
    other.send(1, method)  # type: ignore[arg-type]
    assert other.refusal() == Refusal("channel", 405, LOCKED.format("fm.mine"), class_id, method_id)
    assert peer.call(1, declare("fm.mine", passive=True)).queue == "fm.mine"


def test_anyone_may_publish_to_an_exclusive_queue(peer: Peer, other: Peer):
    other.publish(1, "", "fm.mine", b"x")
    assert peer.call(1, commands.Basic.Get(queue="fm.mine")).body == b"x"


def test_a_binding_of_an_exclusive_queue_is_its_owners_and_one_that_is_not_there_is_nobodys(
    peer: Peer, other: Peer
):
    peer.call(1, bind("fm.mine", "amq.direct", "k"))
    assert isinstance(other.call(1, unbind("fm.mine", "amq.direct", "nope")), commands.Queue.UnbindOk)
    other.send(1, unbind("fm.mine", "amq.direct", "k"))
    assert other.refusal() == Refusal("channel", 405, LOCKED.format("fm.mine"), 50, 50)
    assert isinstance(peer.call(1, unbind("fm.mine", "amq.direct", "k")), commands.Queue.UnbindOk)


def close(peer: Peer) -> None:
    peer.close()


def disconnect(peer: Peer) -> None:
    peer.disconnect()


def break_off(peer: Peer) -> None:
    peer.send_frame(9, 0, b"x")


@pytest.mark.parametrize("end", [close, disconnect, break_off])
def test_an_exclusive_queue_ends_with_its_connection(peer: Peer, other: Peer, end: Callable[[Peer], None]):
    end(peer)
    other.send(1, declare("fm.mine", passive=True))
    text = "NOT_FOUND - no queue 'fm.mine' in vhost '/'"
    assert other.refusal() == Refusal("channel", 404, text, 50, 10)


def test_an_exclusive_queue_outlives_the_channel_that_declared_it(peer: Peer):
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert peer.call(2, declare("fm.mine", passive=True)).queue == "fm.mine"


# Auto-delete queues


def test_an_auto_delete_queue_goes_with_its_last_consumer(peer: Peer):
    peer.call(1, declare("auto", auto_delete=True))
    peer.call(1, consume("auto", "a"))
    peer.call(2, consume("auto", "b"))
    peer.call(1, commands.Basic.Cancel("a"))
    assert peer.call(1, declare("auto", passive=True)).consumer_count == 1
    peer.call(2, commands.Basic.Cancel("b"))
    peer.send(1, declare("auto", passive=True))
    assert peer.refusal() == Refusal("channel", 404, "NOT_FOUND - no queue 'auto' in vhost '/'", 50, 10)


def test_an_auto_delete_queue_that_was_never_consumed_stays(peer: Peer, other: Peer):
    peer.call(1, declare("auto", auto_delete=True))
    peer.disconnect()
    assert other.call(1, declare("auto", auto_delete=True)).queue == "auto"


@pytest.mark.parametrize("end", [close, disconnect, break_off])
def test_an_auto_delete_queue_goes_with_the_connection_of_its_last_consumer(
    broker: MemoryBroker, peer: Peer, end: Callable[[Peer], None]
):
    peer.call(1, declare("auto", auto_delete=True))
    peer.call(2, consume("auto"))
    end(peer)
    assert "auto" not in broker.broker.vhosts["/"].queues


def test_an_auto_delete_queue_goes_with_the_channel_of_its_last_consumer(peer: Peer):
    peer.call(1, declare("auto", auto_delete=True))
    peer.call(2, consume("auto"))
    peer.call(2, commands.Channel.Close(200, "", 0, 0))
    peer.send(1, declare("auto", passive=True))
    assert peer.refusal() is not None


# What consumers hear


def test_a_consumer_hears_that_its_queue_was_deleted(peer: Peer, other: Peer):
    other.call(1, delete("fm.q1"))
    cancel = peer.expect(1, commands.Basic.Cancel)
    assert dict(cancel) == {"consumer_tag": "t", "nowait": True}


def test_the_one_who_deletes_hears_delete_ok_first(peer: Peer):
    peer.receive()
    peer.send(1, delete("fm.q1"))
    assert [type(method) for method in peer.methods(1)] == [commands.Queue.DeleteOk, commands.Basic.Cancel]


def test_a_client_that_cannot_hear_it_is_not_told(broker: MemoryBroker, other: Peer):
    peer = broker.peer().open(capabilities={})
    peer.open_channel(1)
    peer.call(1, declare("q"))
    peer.call(1, consume("q"))
    other.call(1, delete("q"))
    assert peer.receive() == []
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


def test_the_tag_of_a_cancelled_consumer_is_free_again(peer: Peer, other: Peer):
    other.call(1, delete("fm.q1"))
    assert peer.call(1, consume("fm.qi", "t")).consumer_tag == "t"


def test_acknowledging_what_came_from_a_deleted_queue_is_fine(peer: Peer, other: Peer):
    peer.publish(1, "", "fm.q1", b"x")
    [content] = peer.contents(1)
    other.call(1, delete("fm.q1"))
    peer.send(1, commands.Basic.Ack(content.method.delivery_tag))
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)
