"""Class tx with RabbitMQ's semantics; texts are RabbitMQ 3.10.8's."""

import pytest
from pamqp import commands

from amqpd.testing import Content, Peer, Refusal


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a queue, and channel 1 transactional."""
    peer.call(2, commands.Queue.Declare(queue="q"))
    assert isinstance(peer.call(1, commands.Tx.Select()), commands.Tx.SelectOk)
    return peer


def ready(peer: Peer) -> int:
    return peer.call(2, commands.Queue.Declare(queue="q", passive=True)).message_count


def commit(peer: Peer) -> None:
    assert isinstance(peer.call(1, commands.Tx.Commit()), commands.Tx.CommitOk)


def roll_back(peer: Peer) -> None:
    assert isinstance(peer.call(1, commands.Tx.Rollback()), commands.Tx.RollbackOk)


def get(peer: Peer, channel_id: int = 1) -> Content:
    got = peer.call(channel_id, commands.Basic.Get(queue="q"))
    assert isinstance(got, Content)
    return got


@pytest.mark.parametrize(("method", "method_id"), [(commands.Tx.Commit(), 20), (commands.Tx.Rollback(), 30)])
def test_a_channel_is_not_transactional_by_itself(peer: Peer, method: object, method_id: int):
    peer.send(2, method)  # type: ignore[arg-type]
    text = "PRECONDITION_FAILED - channel is not transactional"
    assert peer.refusal() == Refusal("channel", 406, text, 90, method_id)


def test_selecting_twice_is_fine_and_forgets_nothing(peer: Peer):
    peer.publish(1, "", "q", b"x")
    assert isinstance(peer.call(1, commands.Tx.Select()), commands.Tx.SelectOk)
    commit(peer)
    assert ready(peer) == 1


def test_confirms_and_transactions_exclude_each_other(peer: Peer):
    peer.send(1, commands.Confirm.Select())
    text = "PRECONDITION_FAILED - cannot switch from tx to confirm mode"
    assert peer.refusal() == Refusal("channel", 406, text, 85, 10)
    peer.call(2, commands.Confirm.Select())
    peer.send(2, commands.Tx.Select())
    text = "PRECONDITION_FAILED - cannot switch from confirm to tx mode"
    assert peer.refusal() == Refusal("channel", 406, text, 90, 10)


def test_a_publish_is_invisible_until_commit(peer: Peer):
    peer.publish(1, "", "q", b"1")
    peer.publish(1, "", "q", b"2")
    assert ready(peer) == 0
    commit(peer)
    assert [get(peer, 2).body, get(peer, 2).body] == [b"1", b"2"]


def test_a_rollback_forgets_what_was_published(peer: Peer):
    peer.publish(1, "", "q", b"x")
    roll_back(peer)
    commit(peer)
    assert ready(peer) == 0


def test_a_channel_closed_before_commit_publishes_nothing(peer: Peer):
    peer.publish(1, "", "q", b"x")
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert ready(peer) == 0


def test_an_ack_counts_at_commit(peer: Peer):
    peer.publish(2, "", "q", b"x")
    get(peer)
    peer.send(1, commands.Basic.Ack(1))
    commit(peer)
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert ready(peer) == 0


def test_an_ack_that_was_not_committed_does_not_count(peer: Peer):
    peer.publish(2, "", "q", b"x")
    get(peer)
    peer.send(1, commands.Basic.Ack(1))
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert get(peer, 2).method.redelivered is True


def test_a_rollback_makes_an_acked_message_ackable_again(peer: Peer):
    peer.publish(2, "", "q", b"1")
    peer.publish(2, "", "q", b"2")
    get(peer)
    get(peer)
    peer.send(1, commands.Basic.Ack(2))
    roll_back(peer)
    assert ready(peer) == 0
    peer.send(1, commands.Basic.Ack(2, True))
    commit(peer)
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    assert ready(peer) == 0


def test_a_reject_requeues_at_commit(peer: Peer):
    peer.publish(2, "", "q", b"x")
    get(peer)
    peer.send(1, commands.Basic.Reject(1, True))
    assert ready(peer) == 0
    commit(peer)
    assert ready(peer) == 1


def test_a_tag_settled_in_the_transaction_is_unknown_at_once(peer: Peer):
    peer.publish(2, "", "q", b"x")
    get(peer)
    peer.send(1, commands.Basic.Ack(1))
    peer.send(1, commands.Basic.Ack(1))
    text = "PRECONDITION_FAILED - unknown delivery tag 1"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 80)


def test_an_unknown_tag_is_refused_at_once(peer: Peer):
    peer.send(1, commands.Basic.Ack(9))
    text = "PRECONDITION_FAILED - unknown delivery tag 9"
    assert peer.refusal() == Refusal("channel", 406, text, 60, 80)


def test_a_missing_exchange_is_refused_when_published_to(peer: Peer):
    peer.publish(1, "fm.nope", "k", b"x")
    text = "NOT_FOUND - no exchange 'fm.nope' in vhost '/'"
    assert peer.refusal() == Refusal("channel", 404, text, 60, 40)


def test_a_mandatory_message_returns_before_commit_ok(peer: Peer):
    peer.publish(1, "", "fm.none", b"x", mandatory=True)
    assert peer.receive() == []
    peer.send(1, commands.Tx.Commit())
    returned, commit_ok = peer.receive()
    assert isinstance(returned.frame, Content)
    assert isinstance(commit_ok.frame, commands.Tx.CommitOk)


def test_a_queue_deleted_before_commit_gets_nothing(peer: Peer):
    peer.publish(1, "", "q", b"x")
    peer.call(2, commands.Queue.Delete(queue="q"))
    commit(peer)
    peer.call(2, commands.Queue.Declare(queue="q"))
    assert ready(peer) == 0


def test_credit_is_given_back_at_commit(peer: Peer):
    peer.call(1, commands.Basic.Qos(prefetch_count=1))
    peer.call(1, commands.Basic.Consume(queue="q"))
    for body in (b"1", b"2"):
        peer.publish(2, "", "q", body)
    assert peer.bodies(1) == [b"1"]
    peer.send(1, commands.Basic.Ack(1))
    assert peer.bodies(1) == []
    peer.send(1, commands.Tx.Commit())
    assert b"2" in peer.bodies(1)
