"""Every file operation fails in turn, under a whole broker: what was answered is kept, and nothing is made up."""

import errno
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any

import pytest
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.durability import CannotStart
from amqpd.store.files import File
from amqpd.testing import Content, DurableBroker, FailingFiles, MemoryFiles, Peer
from amqpd.wire.properties import Properties

SEGMENT_BYTES = 4096

PERSISTENT = Properties(delivery_mode=2)

WRITING_FAILED = "writing to the log failed, nothing durable is accepted until a restart"
CANNOT_SPILL = "messages can't be spilled to disk"
CANNOT_READ = "messages can't be read from disk"
CANNOT_SHORTEN = "the log can't be shortened any more"

FANOUT = ["still", "busy", "both"]


def page_out(broker: DurableBroker, name: str) -> None:
    queue = broker.broker.vhosts["/"].queues.get(name)
    if queue is not None:
        queue._backlog.page_out(0)


class Sent:
    """What is known of one message in one queue."""

    def __init__(self) -> None:
        self.confirmed = False
        """It was answered that it is safe."""
        self.let_go = False
        """Somebody wanted it gone."""
        self.gone = False
        """And that is known to be on disk."""

    @property
    def must_be_there(self) -> bool:
        return self.confirmed and not self.let_go


class Kept:
    """What is known of one durable queue."""

    def __init__(self) -> None:
        self.there: bool | None = None
        """None when nobody knows."""
        self.messages: dict[bytes, Sent] = {}
        """The persistent ones, in the order in which they were published."""

    def check(self, found: list[bytes]) -> None:
        """Judge what is in the queue after a recovery."""
        assert len(set(found)) == len(found), "a message is there twice"
        unknown = [body for body in found if body not in self.messages]
        assert not unknown, "a message was made up, or was not persistent"
        assert found == [body for body in self.messages if body in found], "the order has changed"
        back = [body for body in found if self.messages[body].gone]
        assert not back, "what was settled, on disk, is back"
        lost = [body for body, sent in self.messages.items() if sent.must_be_there and body not in found]
        assert not lost, "what was confirmed is not there"


class Conversation:
    """A client that goes on whatever it is answered, and remembers what that was."""

    def __init__(self, files: FailingFiles) -> None:
        """Raises CannotStart."""
        self.files = files
        self.kept = {name: Kept() for name in ("still", "busy", "both", "doomed")}
        self.bound = False
        self.published = 0
        self.refusals = 0
        self.broker = DurableBroker(files, segment_bytes=SEGMENT_BYTES)
        self._peers: dict[str, Peer] = {}
        self._sentences: list[str] = []
        """What brokers before this one told."""
        self._let_go: list[Sent] = []
        """What this broker was told to forget, and perhaps has not on disk."""

    # How to speak

    def peer(self, mode: str) -> Peer:
        """A connection for "confirm", "tx" or "plain"; another one if the last was refused something."""
        peer = self._peers.get(mode)
        if peer is None or not peer.is_open:
            peer = self._peers[mode] = self.broker.connect()
            if mode == "confirm":
                peer.call(1, commands.Confirm.Select())
            elif mode == "tx":
                peer.call(1, commands.Tx.Select())
        return peer

    def ask(self, mode: str, method: Method) -> Any:
        """The reply, or None if it was refused."""
        peer = self.peer(mode)
        reply = peer.call(1, method)
        self._look_at_journal()
        if isinstance(reply, commands.Channel.Close):
            self._refused(peer, reply)
            return None
        return reply

    def _refused(self, peer: Peer, close: commands.Channel.Close) -> None:
        """Nothing but RESOURCE_ERROR is an answer to a disk that fails; the client connects once more."""
        assert close.reply_code == 506, close.reply_text
        assert close.reply_text.startswith("RESOURCE_ERROR - "), close.reply_text
        self.refusals += 1
        peer.disconnect()

    def _look_at_journal(self) -> None:
        """What was let go is gone as soon as nothing waits for the disk any more."""
        journal = self.broker.journal
        if journal.failure or journal.is_busy():
            return
        for sent in self._let_go:
            sent.gone = True
        self._let_go.clear()

    def _lets_go(self, sents: Iterable[Sent]) -> None:
        for sent in sents:
            sent.let_go = True
            self._let_go.append(sent)

    # What to say

    def declare(self, name: str) -> None:
        """Once more if it was refused, as clients do."""
        if self.kept[name].there is False:
            # Whoever is refused does not know: the declaration may have reached the disk all the same.
            self.kept[name].there = None
        declare = commands.Queue.Declare(queue=name, durable=True)
        if self.kept[name].there is False:
            self.kept[name].there = None
        if self.ask("plain", declare) is not None or self.ask("plain", declare) is not None:
            self.kept[name].there = True

    def delete(self, name: str) -> None:
        self.kept[name].there = None
        self._lets_go(self.kept[name].messages.values())
        delete = commands.Queue.Delete(queue=name)
        if self.ask("plain", delete) is not None or self.ask("plain", delete) is not None:
            self.kept[name].there = False
            for sent in self.kept[name].messages.values():
                sent.gone = True

    def define(self) -> None:
        """Queues, an exchange and its bindings; once more after a restart, which changes nothing."""
        self.bound = False
        for name in self.kept:
            self.declare(name)
        exchange = commands.Exchange.Declare(exchange="all", exchange_type="fanout", durable=True)
        replies = [self.ask("plain", exchange) or self.ask("plain", exchange)]
        if replies[0] and all(self.kept[name].there for name in FANOUT):
            for name in FANOUT:
                bind = commands.Queue.Bind(queue=name, exchange="all")
                replies.append(self.ask("plain", bind) or self.ask("plain", bind))
            self.bound = None not in replies

    def publish(self, names: list[str], size: int = 500) -> None:
        """One persistent message to one queue, or to all that the exchange leads to, with a confirm."""
        if not self._may_publish(names):
            return
        peer = self.peer("confirm")
        sents = self._send(peer, names, size)
        self._look_at_journal()
        for received in peer.receive():
            if isinstance(received.frame, commands.Channel.Close):
                self._refused(peer, received.frame)
            elif isinstance(received.frame, commands.Basic.Ack):
                self._confirm(sents)
            else:
                assert isinstance(received.frame, commands.Basic.Nack), received

    def commit(self, publishes: list[list[str]], acknowledges: str, size: int = 300) -> None:
        """A transaction that publishes, and settles one message of a queue."""
        sents: list[Sent] = []
        refusals = self.refusals
        for names in publishes:
            if self._may_publish(names):
                sents += self._send(self.peer("tx"), names, size)
        self.get_and_ack(acknowledges, "tx")
        if refusals == self.refusals and self.ask("tx", commands.Tx.Commit()) is not None:
            self._confirm(sents)

    def _may_publish(self, names: list[str]) -> bool:
        """Not where nobody knows where it would lead."""
        return self.bound if len(names) > 1 else self.kept[names[0]].there is True

    def _send(self, peer: Peer, names: list[str], size: int) -> list[Sent]:
        body = b"%d" % self.published
        body += b"." * (size - len(body))
        self.published += 1
        sents = [Sent() for _ in names]
        for name, sent in zip(names, sents, strict=True):
            self.kept[name].messages[body] = sent
        exchange, routing_key = ("all", "") if len(names) > 1 else ("", names[0])
        peer.publish(1, exchange, routing_key, body, PERSISTENT)
        return sents

    def _confirm(self, sents: list[Sent]) -> None:
        for sent in sents:
            sent.confirmed = True

    def publish_transient(self, name: str, count: int = 1, size: int = 500) -> None:
        peer = self.peer("plain")
        for number in range(count):
            peer.publish(1, "", name, b"transient %d" % number + b"." * size)

    def get(self, name: str, mode: str = "plain") -> Content | None:
        reply = self.ask(mode, commands.Basic.Get(queue=name)) if self.kept[name].there else None
        return reply if isinstance(reply, Content) else None

    def get_and_ack(self, name: str, mode: str = "plain", *, requeue: bool | None = None) -> None:
        """Get one message and settle it: acknowledge, or with `requeue` nack."""
        content = self.get(name, mode)
        if content is None:
            return
        sent = self.kept[name].messages.get(content.body)
        assert sent is None or not sent.gone, "what was settled comes again"
        if sent is not None and not requeue:
            self._lets_go([sent])
        tag = content.method.delivery_tag
        settle = (
            commands.Basic.Ack(tag)
            if requeue is None
            else commands.Basic.Nack(tag, multiple=False, requeue=requeue)
        )
        self.peer(mode).send(1, settle)
        if mode != "tx":
            self._look_at_journal()

    def page_out(self, name: str) -> None:
        """Let the messages that wait in a queue leave memory, as if there were too little of it."""
        page_out(self.broker, name)

    def purge(self, name: str) -> None:
        if self.kept[name].there:
            self._lets_go(self.kept[name].messages.values())
            self.ask("plain", commands.Queue.Purge(queue=name))

    def restart(self) -> None:
        """Raises CannotStart."""
        broker = self.broker
        self.broker = broker.restart()
        self._sentences += broker.events.sentences()
        self._let_go.clear()
        self._peers.clear()

    # What must be true at its end

    def check_transient_traffic(self) -> None:
        """What needs no disk goes on, however the disk is."""
        peer = self.broker.connect()
        peer.call(1, commands.Queue.Declare(queue="passing", exclusive=True))
        peer.publish(1, "", "passing", b"through")
        assert peer.call(1, commands.Basic.Get(queue="passing", no_ack=True)).body == b"through"

    def check_failure_is_told(self) -> None:
        sentences = self._sentences + self.broker.events.sentences()
        if self.broker.journal.failure:
            assert WRITING_FAILED in sentences
            for method in (
                commands.Queue.Declare(queue="late", durable=True),
                commands.Exchange.Declare(exchange="late", durable=True),
            ):
                assert self.ask("plain", method) is None
            if self.kept["still"].there:
                peer = self.peer("plain")
                peer.publish(1, "", "still", b"late", PERSISTENT)
                refusal = peer.refusal()
                assert refusal is not None and (refusal.scope, refusal.reply_code) == ("channel", 506)
        elif self.files.failed and not self.refusals:
            assert {WRITING_FAILED, CANNOT_SPILL, CANNOT_READ, CANNOT_SHORTEN} & set(sentences)


def converse(talk: Conversation) -> None:
    """The script: every kind of thing that makes the broker use files. Raises CannotStart."""
    talk.define()
    for number in range(4):
        talk.publish(["still"])
        talk.publish(FANOUT)
        talk.publish(["busy"], 900)
        talk.page_out("busy")
        talk.get_and_ack("busy")
        if number == 1:
            talk.publish_transient("both", 4)
            talk.page_out("both")
            talk.publish_transient("both", 3)
            talk.page_out("both")
    talk.commit([FANOUT, ["doomed"], ["busy"]], "both")
    talk.get_and_ack("both", requeue=True)
    talk.get_and_ack("both", requeue=False)
    talk.publish(["doomed"])
    talk.delete("doomed")
    talk.declare("doomed")
    talk.publish(["doomed"])
    for _ in range(4):
        talk.get_and_ack("both")
    talk.page_out("still")
    talk.restart()
    talk.define()
    talk.publish(FANOUT)
    talk.page_out("still")
    talk.get_and_ack("still")
    talk.purge("both")
    talk.publish(["both"])
    for _ in range(6):
        talk.publish(["busy"], 2000)
        talk.get_and_ack("busy")
        talk.page_out("busy")
        talk.get_and_ack("busy")


def run(files: FailingFiles) -> Conversation | None:
    """The script, with files that fail somewhere; None if the broker could not even start for the first time."""
    try:
        talk = Conversation(files)
    except CannotStart:
        return None
    try:
        converse(talk)
    except CannotStart:
        return talk
    talk.check_transient_traffic()
    talk.check_failure_is_told()
    return talk


def left_by_crashes(memory: MemoryFiles, seeds: Iterable[int]) -> Iterator[MemoryFiles]:
    yield memory.process_death()
    for seed in seeds:
        yield memory.power_loss(Random(seed))


def check_recovered(found: MemoryFiles, talk: Conversation | None) -> None:
    broker = DurableBroker(found, segment_bytes=SEGMENT_BYTES)
    vhost = broker.broker.vhosts["/"]
    kept = talk.kept if talk is not None else {}
    assert set(vhost.queues) <= set(kept)
    peer = broker.connect()
    for name, of_queue in kept.items():
        if of_queue.there is not None:
            assert (name in vhost.queues) == of_queue.there
        if name in vhost.queues:
            peer.call(1, commands.Basic.Consume(queue=name, no_ack=True))
            of_queue.check(peer.bodies(1))
    if talk is not None and talk.bound:
        bindings = vhost.exchanges["all"].bindings.values()
        assert sorted(binding.destination.name for binding in bindings) == sorted(FANOUT)
        peer.publish(1, "all", "", b"more")
        assert peer.bodies(1) == [b"more"] * 3


OPERATIONS = [
    "create /data/log/",
    "write /data/log/",
    "sync_directory /data/log",
    "read /data/log/",
    "open /data/log/",
    "truncate /data/log/",
    "remove /data/log/",
    "create /data/spill/",
    "write /data/spill/",
    "read /data/spill/",
    "remove /data/spill/",
]
"""What the script must have the broker do, or it shows nothing."""


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
def test_nothing_answered_is_lost_wherever_an_operation_fails(for_good: bool):
    tried = 0
    while True:
        memory = MemoryFiles()
        error = (errno.EIO, errno.ENOSPC)[(tried + for_good) % 2]
        files = FailingFiles(memory, Random(tried), fails_at=tried, error=error, for_good=for_good)
        talk = run(files)
        for found in left_by_crashes(memory, [tried]):
            check_recovered(found, talk)
        if not files.failed:
            break
        tried += 1
    assert tried == files.operations
    assert talk is not None and not talk.refusals
    for operation in OPERATIONS:
        assert any(done.startswith(operation) for done in files.log), operation


def found_by(broker: DurableBroker) -> dict[str, list[bytes]]:
    peer = broker.connect()
    found: dict[str, list[bytes]] = {}
    for name in sorted(broker.broker.vhosts["/"].queues):
        peer.call(1, commands.Basic.Consume(queue=name))
        found[name] = peer.bodies(1)
    return found


def test_what_a_start_has_shown_after_a_failed_write_is_there_after_a_power_loss_as_well():
    found: list[dict[str, list[bytes]]] = []
    for tried in range(0, 120, 3):
        memory = MemoryFiles()
        run(FailingFiles(memory, Random(tried), fails_at=tried, for_good=True))
        broker = DurableBroker(memory.process_death(), segment_bytes=SEGMENT_BYTES)
        broker.flushes = False
        found.append(found_by(broker))
        assert found_by(broker.lose_power(tried)) == found[-1]
    assert any(found)


def test_a_start_that_fails_anywhere_says_so_and_the_next_one_finds_everything():
    memory = MemoryFiles()
    talk = Conversation(FailingFiles(memory))
    talk.define()
    talk.publish(FANOUT)
    tried = 0
    while True:
        files = FailingFiles(memory.process_death(), Random(tried), fails_at=tried)
        try:
            broker = DurableBroker(files, segment_bytes=SEGMENT_BYTES)
        except CannotStart as failure:
            assert str(failure).startswith(("cannot use ", "data directory ")), failure
            assert "\n" not in str(failure)
            assert isinstance(files.files, MemoryFiles)
            check_recovered(files.files.power_loss(Random(tried)), talk)
        else:
            break
        tried += 1
    assert not files.failed
    assert tried == files.operations
    assert broker.broker.vhosts["/"].queues.keys() == talk.kept.keys()


# how a broker goes on whose disk does not


def failing_broker() -> tuple[DurableBroker, FailingFiles]:
    files = FailingFiles(MemoryFiles())
    return DurableBroker(files, segment_bytes=SEGMENT_BYTES), files


def declare(peer: Peer, queue: str = "q", **arguments: Any) -> Any:
    return peer.call(1, commands.Queue.Declare(queue=queue, durable=True, **arguments))


def get(peer: Peer, queue: str = "q", *, no_ack: bool = True) -> Any:
    return peer.call(1, commands.Basic.Get(queue=queue, no_ack=no_ack))


def confirming(broker: DurableBroker) -> Peer:
    peer = broker.connect()
    peer.call(1, commands.Confirm.Select())
    return peer


def files_below(files: FailingFiles, directory: str) -> list[str]:
    assert isinstance(files.files, MemoryFiles)
    return [path for path in files.files.sizes() if path.startswith(directory)]


def test_a_failed_write_is_told_once_with_its_reason():
    broker, files = failing_broker()
    peer = confirming(broker)
    declare(peer)
    files.break_with(errno.EIO)
    for _ in range(3):
        peer.publish(1, "", "q", b"m", PERSISTENT)
    told = [event for event in broker.events.told if event[1] == WRITING_FAILED]
    assert len(told) == 1
    level, _sentence, fields = told[0]
    assert level == "error"
    assert str(fields["error"]).startswith("Input/output error")


def test_what_was_published_when_the_write_failed_is_nacked_and_what_follows_refused():
    broker, files = failing_broker()
    peer = confirming(broker)
    declare(peer)
    files.break_with(errno.ENOSPC)
    peer.publish(1, "", "q", b"m", PERSISTENT)
    assert dict(peer.expect(1, commands.Basic.Nack)) == {
        "delivery_tag": 1,
        "multiple": False,
        "requeue": True,
    }
    peer.publish(1, "", "q", b"m", PERSISTENT)
    close = peer.expect(1, commands.Channel.Close)
    assert close.reply_code == 506
    assert close.reply_text.startswith("RESOURCE_ERROR - cannot write to the log: No space left on device")


def test_one_write_that_fails_is_not_tried_again_however_well_the_next_would_go():
    broker, files = failing_broker()
    peer = confirming(broker)
    declare(peer)
    files.fails_at = files.operations
    peer.publish(1, "", "q", b"m", PERSISTENT)
    peer.expect(1, commands.Basic.Nack)
    operations = files.operations
    peer.publish(1, "", "q", b"m", PERSISTENT)
    assert peer.expect(1, commands.Channel.Close).reply_code == 506
    assert files.operations == operations


def test_all_that_waits_is_nacked_when_the_group_before_it_fails():
    broker, _files = failing_broker()
    peer = confirming(broker)
    declare(peer)
    broker.flushes = False
    peer.publish(1, "", "q", b"in the group", PERSISTENT)
    group = broker.journal.form_group()
    assert group is not None
    peer.publish(1, "", "q", b"after it", PERSISTENT)
    broker.journal.fail(group, OSError(errno.EIO, "the disk is gone"))
    assert dict(peer.expect(1, commands.Basic.Nack)) == {"delivery_tag": 2, "multiple": True, "requeue": True}
    assert peer.receive() == []
    peer.publish(1, "", "q", b"transient")
    broker.flush()
    assert peer.expect(1, commands.Basic.Ack).delivery_tag == 3


def test_a_transaction_that_meets_a_failed_write_is_not_committed():
    broker, files = failing_broker()
    peer = broker.connect()
    declare(peer)
    peer.call(1, commands.Tx.Select())
    peer.publish(1, "", "q", b"m", PERSISTENT)
    files.break_with(errno.EIO)
    assert peer.call(1, commands.Tx.Commit()).reply_code == 506


def test_what_could_not_be_declared_on_disk_is_not_confirmed_to_the_next_who_asks():
    broker, files = failing_broker()
    files.break_with(errno.EIO)
    assert declare(broker.connect()).reply_code == 506
    assert declare(broker.connect()).reply_code == 506


def test_what_could_not_be_deleted_on_disk_is_not_confirmed_to_the_next_who_asks():
    broker, files = failing_broker()
    declare(broker.connect())
    files.break_with(errno.EIO)
    delete = commands.Queue.Delete(queue="q")
    assert broker.connect().call(1, delete).reply_code == 506
    assert broker.connect().call(1, delete).reply_code == 506


def test_transient_messages_and_queues_go_on_after_a_failed_write():
    broker, files = failing_broker()
    peer = broker.connect()
    declare(peer)
    files.break_with(errno.EIO)
    peer.publish(1, "", "q", b"lost", PERSISTENT)
    peer.call(1, commands.Queue.Declare(queue="t"))
    for queue in ("q", "t"):
        peer.publish(1, "", queue, b"transient to " + queue.encode())
    peer.publish(1, "", "t", b"persistent to t", PERSISTENT)
    assert [get(peer).body for _ in range(2)] == [b"lost", b"transient to q"]
    assert [get(peer, "t").body for _ in range(2)] == [b"transient to t", b"persistent to t"]


@pytest.mark.parametrize("ends", ["disconnects", "closes the channel", "cancels"])
def test_a_consumer_of_a_durable_auto_delete_queue_may_leave_after_a_failed_write(ends: str):
    broker, files = failing_broker()
    peer = broker.connect(channels=2)
    declare(peer, auto_delete=True)
    declare(peer, "other")
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="c"))
    files.break_with(errno.EIO)
    peer.publish(2, "", "other", b"m", PERSISTENT)
    if ends == "disconnects":
        peer.disconnect()
    elif ends == "closes the channel":
        assert isinstance(peer.call(1, commands.Channel.Close(200, "", 0, 0)), commands.Channel.CloseOk)
    else:
        peer.call(1, commands.Basic.Cancel("c"))
    other = broker.connect()
    other.publish(1, "", "other", b"goes on")
    assert [get(other, "other").body for _ in range(2)] == [b"m", b"goes on"]


def test_an_exclusive_queue_bound_to_a_durable_auto_delete_exchange_may_go_after_a_failed_write():
    broker, files = failing_broker()
    peer = broker.connect()
    exchange = commands.Exchange.Declare(exchange="x", exchange_type="fanout", durable=True, auto_delete=True)
    peer.call(1, exchange)
    peer.call(1, commands.Queue.Declare(queue="mine", exclusive=True))
    peer.call(1, commands.Queue.Bind(queue="mine", exchange="x"))
    other = broker.connect()
    declare(other)
    files.break_with(errno.EIO)
    other.publish(1, "", "q", b"m", PERSISTENT)
    peer.disconnect()
    assert "mine" not in broker.broker.vhosts["/"].queues


def test_a_broker_whose_segments_were_deleted_under_it_says_so_and_confirms_nothing_more():
    broker, files = failing_broker()
    peer = confirming(broker)
    declare(peer)
    peer.publish(1, "", "q", b"m", PERSISTENT)
    peer.expect(1, commands.Basic.Ack)
    for path in files_below(files, "/data/log/"):
        files.files.remove(path)
    peer.publish(1, "", "q", b"m", PERSISTENT)
    peer.expect(1, commands.Basic.Nack)
    assert "the file was deleted while it was in use" in str(broker.events.told[-1][2]["error"])


def test_a_read_only_disk_lets_no_broker_start_and_one_that_runs_accept_nothing_durable():
    broker, files = failing_broker()
    peer = confirming(broker)
    declare(peer)
    files.break_with(errno.EROFS)
    peer.publish(1, "", "q", b"m", PERSISTENT)
    peer.expect(1, commands.Basic.Nack)
    assert isinstance(files.files, MemoryFiles)
    files.files = files.files.process_death()
    with pytest.raises(CannotStart, match="Read-only file system"):
        DurableBroker(files)
    files.mend()
    found = DurableBroker(files).connect()
    assert isinstance(get(found), commands.Basic.GetEmpty)


def test_a_full_disk_keeps_what_was_confirmed_and_takes_more_when_there_is_room():
    memory = MemoryFiles(capacity_bytes=3_000_000)
    broker = DurableBroker(memory, segment_bytes=200_000)
    peer = confirming(broker)
    declare(peer)
    body = bytes(100_000)
    confirmed = 0
    for number in range(100):
        peer.publish(1, "", "q", b"%06d" % number + body, PERSISTENT)
        received = [each.frame for each in peer.receive()]
        if not isinstance(received[0], commands.Basic.Ack):
            break
        confirmed += 1
    assert isinstance(received[0], commands.Basic.Nack)
    assert confirmed > 10
    assert WRITING_FAILED in broker.events.sentences()
    memory.capacity_bytes = None
    found = broker.kill()
    peer = confirming(found)
    peer.publish(1, "", "q", b"%06d" % 999, PERSISTENT)
    peer.expect(1, commands.Basic.Ack)
    peer.call(1, commands.Basic.Consume(queue="q", no_ack=True))
    numbers = [int(body[:6]) for body in peer.bodies(1)]
    assert numbers[:confirmed] == list(range(confirmed))
    assert set(numbers[confirmed:]) <= {confirmed, 999}
    assert numbers[-1] == 999


def test_a_full_disk_does_not_let_a_broker_start_and_says_so():
    with pytest.raises(CannotStart, match="No space left on device"):
        DurableBroker(MemoryFiles(capacity_bytes=100))


def fill(broker: DurableBroker, queue: str, count: int, properties: Properties | None) -> list[bytes]:
    """So many messages, half of which are not in memory."""
    peer = broker.connect()
    bodies = [b"%s %d" % (queue.encode(), number) + bytes(400) for number in range(count)]
    for number, body in enumerate(bodies):
        peer.publish(1, "", queue, body, properties)
        if number == count // 2:
            page_out(broker, queue)
    return bodies


@pytest.mark.parametrize("properties", [PERSISTENT, None], ids=["in the log", "in the spill"])
def test_messages_that_cannot_be_read_end_their_consumer_and_nobody_else(properties: Properties | None):
    broker, files = failing_broker()
    peer = broker.connect()
    consumer, bystander = broker.connect(), broker.connect()
    declare(peer)
    peer.call(1, commands.Queue.Declare(queue="t"))
    bystander.call(1, commands.Basic.Consume(queue="t", no_ack=True))
    bodies = fill(broker, "q", 40, properties)
    assert broker.broker.vhosts["/"].queues["q"].indexes()[0].paged.count == 21
    files.break_with(errno.EIO)
    consumer.call(1, commands.Basic.Consume(queue="q", consumer_tag="c", no_ack=True))
    got: list[bytes] = []
    cancelled: list[str] = []
    for received in consumer.receive():
        if isinstance(received.frame, Content):
            assert not cancelled
            got.append(received.frame.body)
        elif isinstance(received.frame, commands.Basic.Cancel):
            cancelled.append(received.frame.consumer_tag or "")
    assert cancelled == ["c"]
    assert got == bodies[: len(got)]
    assert CANNOT_READ in broker.events.sentences()
    peer.publish(1, "", "t", b"goes on")
    assert bystander.bodies(1) == [b"goes on"]
    files.mend()
    consumer.call(1, commands.Basic.Consume(queue="q", no_ack=True))
    assert consumer.bodies(1) == bodies[len(got) :]


@pytest.mark.parametrize("properties", [PERSISTENT, None], ids=["in the log", "in the spill"])
def test_a_get_of_a_message_that_cannot_be_read_is_refused_and_works_again_later(
    properties: Properties | None,
):
    broker, files = failing_broker()
    peer = broker.connect()
    declare(peer)
    bodies = fill(broker, "q", 40, properties)
    assert broker.broker.vhosts["/"].queues["q"].indexes()[0].paged.count == 21
    files.break_with(errno.EIO)
    got: list[bytes] = []
    while isinstance(reply := get(peer), Content):
        got.append(reply.body)
    assert got == bodies[: len(got)]
    assert reply.reply_code == 506
    assert "cannot read messages of queue 'q' in vhost '/'" in reply.reply_text
    files.mend()
    other = broker.connect()
    assert [get(other).body for _ in bodies[len(got) :]] == bodies[len(got) :]


def test_messages_stay_in_memory_when_the_spill_cannot_be_written():
    broker, files = failing_broker()
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="t"))
    files.break_with(errno.ENOSPC)
    bodies = fill(broker, "t", 60, None)
    page_out(broker, "t")
    files.mend()
    assert broker.events.sentences().count(CANNOT_SPILL) == 1
    peer.call(1, commands.Basic.Consume(queue="t", no_ack=True))
    assert peer.bodies(1) == bodies


class Unreadable(MemoryFiles):
    """Files that can be written, but not opened to be read."""

    def open(self, path: str, writable: bool) -> File:
        if not writable:
            raise OSError(errno.EIO, "cannot be read")
        return super().open(path, writable)


def test_a_log_that_cannot_be_shortened_is_told_and_goes_on():
    broker = DurableBroker(Unreadable(), segment_bytes=SEGMENT_BYTES)
    peer = confirming(broker)
    declare(peer, "still")
    declare(peer)
    peer.publish(1, "", "still", b"here", PERSISTENT)
    peer.expect(1, commands.Basic.Ack)
    for number in range(40):
        peer.publish(1, "", "q", b"%d" % number + bytes(500), PERSISTENT)
        peer.expect(1, commands.Basic.Ack)
        get(peer)
    assert broker.events.sentences().count(CANNOT_SHORTEN) == 1
    assert get(peer, "still").body == b"here"


def test_a_segment_that_is_gone_when_its_turn_comes_to_be_removed_harms_nobody():
    broker, files = failing_broker()
    peer = confirming(broker)
    declare(peer, "still")
    declare(peer)
    peer.publish(1, "", "still", b"here", PERSISTENT)
    peer.expect(1, commands.Basic.Ack)
    oldest = files_below(files, "/data/log/")[0]
    for number in range(40):
        peer.publish(1, "", "q", b"%d" % number + bytes(500), PERSISTENT)
        peer.expect(1, commands.Basic.Ack)
        get(peer)
        if oldest in files_below(files, "/data/log/")[:-1]:
            files.files.remove(oldest)
    assert oldest not in files_below(files, "/data/log/")
    assert WRITING_FAILED not in broker.events.sentences()
