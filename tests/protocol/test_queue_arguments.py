"""Declarations and consumers with arguments: what is checked before what; texts are RabbitMQ 3.10.8's."""

import pytest
from pamqp import commands

from amqpd.auth import passwords
from amqpd.auth.users import User
from amqpd.testing import MemoryBroker, Peer, Refusal
from amqpd.testing.peer import method_of
from amqpd.wire.fields import table_of

DLX_OF_WRONG_TYPE = "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue '{}' in vhost '/'"


def declare(
    name: str = "", arguments: dict[str, object] | None = None, **flags: bool
) -> commands.Queue.Declare:
    return method_of(commands.Queue.Declare, queue=name, arguments=table_of(arguments or {}), **flags)


def consume(queue: str, arguments: dict[str, object], **flags: bool) -> commands.Basic.Consume:
    return method_of(
        commands.Basic.Consume, queue=queue, consumer_tag="t", arguments=table_of(arguments), **flags
    )


def failed(text: str, class_id: int = 50, method_id: int = 10) -> Refusal:
    return Refusal("channel", 406, f"PRECONDITION_FAILED - {text}", class_id, method_id)


def refused(kind: str, name: str) -> Refusal:
    text = f"ACCESS_REFUSED - access to {kind} '{name}' in vhost '/' refused for user 'fm.lim'"
    return Refusal("channel", 403, text, 50, 10)


def refusal(peer: Peer, method: commands.Queue.Declare | commands.Basic.Consume) -> Refusal | None:
    """How the broker refuses a method on channel 1, which is then open again."""
    peer.send(1, method)
    refused_as = peer.refusal()
    peer.send(1, commands.Channel.CloseOk())
    peer.open_channel(1)
    return refused_as


@pytest.fixture
def limited(broker: MemoryBroker) -> Peer:
    """The user fm.lim, who may configure fm.*, read fm.ok.* and write to fm.ok.*."""
    broker.users.add(User("fm.lim", passwords.hash_password("p", passwords.random_salt())))
    broker.users.set_permissions("fm.lim", "/", r"^fm\.", r"^fm\.ok", r"^fm\.ok")
    limited = broker.peer().open(user="fm.lim", password="p")
    limited.open_channel(1)
    return limited


def test_a_declaration_with_every_argument_of_a_classic_queue_is_taken(peer: Peer):
    arguments: dict[str, object] = {
        "x-message-ttl": 60000,
        "x-expires": 60000,
        "x-max-length": 10,
        "x-max-length-bytes": 1000,
        "x-overflow": "reject-publish-dlx",
        "x-dead-letter-exchange": "missing",
        "x-dead-letter-routing-key": "k",
        "x-max-priority": 3,
        "x-queue-mode": "lazy",
        "x-queue-version": 2,
        "x-single-active-consumer": True,
        "x-queue-type": "classic",
        "x-queue-master-locator": "client-local",
        "x-consumer-timeout": 60000,
        "x-mine": 1,
    }
    for _ in range(2):
        assert isinstance(peer.call(1, declare("q", arguments)), commands.Queue.DeclareOk)


def test_nothing_is_logged_about_arguments(broker: MemoryBroker, peer: Peer):
    peer.call(1, declare("q", {"x-message-ttl": 1000, "x-max-length": 5}))
    assert [event for event in broker.events.told if event[0] == "warning"] == []


def test_a_wrong_argument_closes_the_channel(peer: Peer):
    text = "invalid arg 'x-max-length' for queue 'q' in vhost '/': {value_negative,-1}"
    assert refusal(peer, declare("q", {"x-max-length": -1})) == failed(text)
    missing = peer.call(1, declare("q", passive=True))
    assert missing.reply_text == "NOT_FOUND - no queue 'q' in vhost '/'"


def test_an_argument_of_another_type_of_queue_closes_the_channel(peer: Peer):
    text = "invalid arg 'x-max-age' for queue 'q' in vhost '/' of queue type rabbit_classic_queue"
    assert refusal(peer, declare("q", {"x-max-age": "1h"})) == failed(text)


@pytest.mark.parametrize("queue_type", ["quorum", "stream"])
def test_a_replicated_queue_that_is_no_such_queue_closes_the_channel(peer: Peer, queue_type: str):
    arguments: dict[str, object] = {"x-queue-type": queue_type}
    named = failed(f"Cannot declare a server-named queue for type rabbit_{queue_type}_queue")
    assert refusal(peer, declare("", {**arguments, "x-max-length-bytes": -1}, durable=True)) == named
    transient = failed("invalid property 'non-durable' for queue 'q' in vhost '/'")
    assert refusal(peer, declare("q", arguments)) == transient
    exclusive = failed("invalid property 'exclusive-owner' for queue 'q' in vhost '/'")
    assert refusal(peer, declare("q", arguments, durable=True, exclusive=True)) == exclusive


def test_a_name_that_is_reserved_is_refused_first(peer: Peer):
    text = "ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'"
    method = declare("amq.q", {"x-queue-type": "nope"})
    assert refusal(peer, method) == Refusal("channel", 403, text, 50, 10)


def test_permission_comes_before_arguments(limited: Peer):
    assert refusal(limited, declare("no", {"x-queue-type": "nope"})) == refused("queue", "no")


def test_the_limit_of_queues_comes_before_arguments(broker: MemoryBroker, peer: Peer):
    broker.broker.vhosts["/"].set_limits({"max-queues": 0})
    text = "cannot declare queue 'q': queue limit in vhost '/' (0) is reached"
    assert refusal(peer, declare("q", {"x-dead-letter-exchange": 5})) == failed(text)


def test_the_type_of_the_dead_letter_exchange_comes_before_permission_to_use_it_and_all_other_arguments(
    limited: Peer,
):
    arguments: dict[str, object] = {"x-queue-type": "nope", "x-dead-letter-exchange": 5}
    assert refusal(limited, declare("fm.no", arguments)) == failed(DLX_OF_WRONG_TYPE.format("fm.no"))


def test_who_names_a_dead_letter_exchange_must_be_allowed_to_read_the_queue_and_to_write_there(limited: Peer):
    unreadable = declare("fm.no", {"x-dead-letter-exchange": "fm.ok.x"})
    assert refusal(limited, unreadable) == refused("queue", "fm.no")
    unwritable = declare("fm.ok.q", {"x-dead-letter-exchange": "amq.direct", "x-expires": 0})
    assert refusal(limited, unwritable) == refused("exchange", "amq.direct")
    default = declare("fm.ok.q", {"x-dead-letter-exchange": ""})
    assert refusal(limited, default) == refused("exchange", "amq.default")
    allowed = declare("fm.ok.q", {"x-dead-letter-exchange": "fm.ok.x"})
    assert isinstance(limited.call(1, allowed), commands.Queue.DeclareOk)


def test_of_a_queue_that_is_there_neither_arguments_nor_dead_letter_permissions_are_checked(
    peer: Peer, limited: Peer
):
    peer.call(1, declare("fm.no", {"x-dead-letter-exchange": "amq.direct"}))
    again = declare("fm.no", {"x-dead-letter-exchange": "amq.direct", "x-max-age": 5})
    assert isinstance(limited.call(1, again), commands.Queue.DeclareOk)


def test_a_redeclaration_is_compared_by_flags_before_arguments(peer: Peer):
    peer.call(1, declare("q", {"x-max-length": 1}))
    text = "inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'"
    assert refusal(peer, declare("q", {"x-max-length": 2}, durable=True)) == failed(text)
    text = "inequivalent arg 'x-max-length' for queue 'q' in vhost '/': received '2' but current is '1'"
    assert refusal(peer, declare("q", {"x-max-length": 2})) == failed(text)


def test_a_passive_declaration_does_not_look_at_arguments(peer: Peer):
    peer.call(1, declare("q"))
    reply = peer.call(1, declare("q", {"x-max-length": -1}, passive=True))
    assert isinstance(reply, commands.Queue.DeclareOk)


def test_a_vhost_has_a_default_type_of_queues(broker: MemoryBroker, peer: Peer):
    peer.call(1, declare("older", durable=True))
    broker.broker.vhosts["/"].default_queue_type = "quorum"
    assert isinstance(peer.call(1, declare("q", durable=True)), commands.Queue.DeclareOk)
    assert broker.broker.vhosts["/"].queues["q"].arguments == table_of({"x-queue-type": "quorum"})
    for arguments in ({}, {"x-queue-type": "quorum"}):
        assert isinstance(peer.call(1, declare("q", arguments, durable=True)), commands.Queue.DeclareOk)
    assert isinstance(peer.call(1, declare("transient")), commands.Queue.DeclareOk)
    assert broker.broker.vhosts["/"].queues["transient"].arguments == {}
    text = (
        "inequivalent arg 'x-queue-type' for queue 'older' in vhost '/': "
        "received the value 'quorum' of type 'longstr' but current is none"
    )
    assert refusal(peer, declare("older", durable=True)) == failed(text)


def test_what_is_no_default_queue_is_checked_as_one(broker: MemoryBroker, peer: Peer):
    broker.broker.vhosts["/"].default_queue_type = "quorum"
    text = "invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue type rabbit_quorum_queue"
    assert refusal(peer, declare("q", {"x-max-priority": 5}, durable=True)) == failed(text)


def test_arguments_of_consumers_are_checked_by_the_type_of_the_queue(peer: Peer):
    for queue_type in ("classic", "quorum", "stream"):
        peer.call(1, declare(queue_type, {"x-queue-type": queue_type}, durable=True))
    for queue_type, name in (
        ("classic", "x-stream-offset"),
        ("quorum", "x-cancel-on-ha-failover"),
        ("stream", "x-priority"),
    ):
        title = f"queue '{queue_type}' in vhost '/'"
        text = f"invalid arg '{name}' for {title} of queue type rabbit_{queue_type}_queue"
        assert refusal(peer, consume(queue_type, {name: 1})) == failed(text, 60, 20)


def test_arguments_of_consumers_come_before_exclusiveness(peer: Peer):
    peer.call(1, declare("q"))
    peer.call(1, method_of(commands.Basic.Consume, queue="q", consumer_tag="first"))
    text = "invalid arg 'x-priority' for queue 'q' in vhost '/': \"expected integer, got longstr\""
    assert refusal(peer, consume("q", {"x-priority": "a"}, exclusive=True)) == failed(text, 60, 20)
