"""Whatever clients do, and however the broker ends: what is there afterwards is what was on disk, no more and no less."""

import errno
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pamqp import commands

from amqpd.durability import CannotStart
from amqpd.store.records import SEGMENT_HEADER_BYTES
from amqpd.store.segment import GroupReader
from amqpd.testing import Content, DurableBroker, FailingFiles, MemoryFiles, Peer
from amqpd.wire.properties import Properties

DURABLE = ["d1", "d2", "d3"]
QUEUES = [*DURABLE, "t1"]
MANY = st.integers(0, 1000)
NAMES = st.sampled_from(QUEUES)
TARGETS = st.sampled_from([*QUEUES, "fanout", "fanout"])
SIZES = st.sampled_from([20, 20, 300, 9000])
PERSISTENT = st.sampled_from([True, True, True, False])


def body_of(number: int, size: int) -> bytes:
    return (b"%d:" % number).ljust(size, b"%d" % (number % 10))


def properties_of(persistent: bool) -> Properties:
    return Properties(delivery_mode=2 if persistent else 1)


def declare(peer: Peer, name: str) -> None:
    peer.send(1, commands.Queue.Declare(queue=name, durable=name in DURABLE))
    peer.send(1, commands.Queue.Bind(queue=name, exchange="fanout"))


def set_up(broker: DurableBroker) -> None:
    peer = broker.connect()
    peer.send(1, commands.Exchange.Declare(exchange="fanout", exchange_type="fanout", durable=True))
    for name in QUEUES:
        declare(peer, name)
    assert len(peer.methods(1)) == 1 + 2 * len(QUEUES)


def drained(peer: Peer, queue: str) -> list[tuple[bytes, bool]]:
    found = []
    while isinstance(got := peer.call(1, commands.Basic.Get(queue=queue, no_ack=True)), Content):
        found.append((got.body, got.method.redelivered))
    return found


class Held:
    """A delivery in a client's hands."""

    def __init__(self, tag: int, queue: str, number: int, life: int) -> None:
        self.tag = tag
        self.queue = queue
        self.number = number
        self.life = life


class Crashes(RuleBasedStateMachine):
    """`ready` is what must be in each queue, by number, and whether it was delivered before.

    `on_disk` is the same for durable queues as it was at the last flush, with what was in clients' hands.
    """

    @initialize(
        segment_bytes=st.sampled_from([2000, 5000, 20_000]), memory_bytes=st.sampled_from([2000, 1 << 30])
    )
    def start(self, segment_bytes: int, memory_bytes: int) -> None:
        self.broker = DurableBroker(segment_bytes=segment_bytes, memory_bytes=memory_bytes)
        self.number = 0
        self.arrivals = 0
        self.order: dict[int, int] = {}
        self.sizes: dict[int, int] = {}
        self.persistent: set[int] = set()
        self.lives = dict.fromkeys(QUEUES, 0)
        self.ready: dict[str, dict[int, bool]] = {name: {} for name in QUEUES}
        self.on_disk: dict[str, dict[int, bool]] = {name: {} for name in DURABLE}
        set_up(self.broker)
        self.connect()

    def connect(self) -> None:
        """The clients: one that publishes, consumes and gets, and one with transactions."""
        self.peer = self.broker.connect()
        self.peer.call(1, commands.Confirm.Select())
        self.peer.call(1, commands.Basic.Qos(prefetch_count=2))
        self.held: list[Held] = []
        self.consumers: dict[str, str] = {}
        self.published_tag = self.waits_from_tag = self.confirmed_tag = 0
        self.tx = self.broker.connect()
        self.tx.call(1, commands.Tx.Select())
        self.tx_held: list[Held] = []
        self.tx_settled: list[tuple[Held, bool]] = []
        self.tx_published: list[tuple[int, dict[str, int]]] = []
        """Each number, and which life of which queue it goes to: that is known when it is published."""
        self.tx_waits = False
        self.changed()

    # The model

    def new_number(self, size: int, persistent: bool) -> int:
        self.number += 1
        self.sizes[self.number] = size
        if persistent:
            self.persistent.add(self.number)
        return self.number

    def routed(self, where: str) -> dict[str, int]:
        """The queues that a message goes to, and which life of each."""
        return {name: self.lives[name] for name in (QUEUES if where == "fanout" else [where])}

    def arrived(self, number: int, lives: dict[str, int]) -> None:
        self.arrivals += 1
        self.order[number] = self.arrivals
        for name, life in lives.items():
            if life == self.lives[name]:
                self.ready[name][number] = False

    def took(self, name: str, content: Content) -> int:
        """A message left a queue: it must have been the first, and known to be new or not."""
        number = int(content.body.split(b":")[0])
        assert content.body == body_of(number, self.sizes[number])
        assert number == min(self.ready[name], key=self.order.__getitem__), "not the first of the queue"
        assert content.method.redelivered == self.ready[name].pop(number), "redelivered is wrong"
        return number

    def settled(self, held: Held, requeue: bool) -> None:
        if requeue and held.life == self.lives[held.queue]:
            self.ready[held.queue][held.number] = True

    def hear(self) -> None:
        """Take what came to the publisher: deliveries and confirms."""
        queues = {tag: name for name, tag in self.consumers.items()}
        for received in self.peer.receive():
            if isinstance(received.frame, Content):
                name = queues[received.frame.method.consumer_tag]
                number = self.took(name, received.frame)
                self.held.append(Held(received.frame.method.delivery_tag, name, number, self.lives[name]))
            elif isinstance(received.frame, commands.Basic.Ack):
                assert received.frame.delivery_tag > self.confirmed_tag
                self.confirmed_tag = received.frame.delivery_tag

    def changed(self) -> None:
        """Something has happened; unless flushes are held, it is on disk."""
        self.hear()
        if self.broker.flushes:
            self.flushed()

    def flushed(self) -> None:
        for name in DURABLE:
            there = dict(self.ready[name])
            for held in [*self.held, *self.tx_held, *[held for held, _ in self.tx_settled]]:
                if held.queue == name and held.life == self.lives[name]:
                    there[held.number] = True
            kept = sorted(self.persistent & there.keys(), key=self.order.__getitem__)
            self.on_disk[name] = {number: there[number] for number in kept}
        self.waits_from_tag = 0
        self.tx_waits = False
        assert self.confirmed_tag == self.published_tag

    # What clients do

    @rule(where=TARGETS, size=SIZES, persistent=PERSISTENT, count=st.integers(1, 5))
    def publish(self, where: str, size: int, persistent: bool, count: int) -> None:
        exchange, key = ("fanout", "") if where == "fanout" else ("", where)
        for _ in range(count):
            number = self.new_number(size, persistent)
            self.published_tag += 1
            if persistent and where != "t1" and not self.broker.flushes:
                self.waits_from_tag = self.waits_from_tag or self.published_tag
            self.arrived(number, self.routed(where))
            self.peer.publish(1, exchange, key, body_of(number, size), properties_of(persistent))
            self.changed()

    @rule(name=NAMES)
    def consume(self, name: str) -> None:
        if name not in self.consumers:
            self.number += 1
            self.consumers[name] = f"c{self.number}"
            self.peer.call(1, commands.Basic.Consume(queue=name, consumer_tag=self.consumers[name]))
            self.changed()

    @rule(name=NAMES, no_ack=st.booleans(), count=st.integers(1, 4))
    def get(self, name: str, no_ack: bool, count: int) -> None:
        for _ in range(count):
            got = self.peer.call(1, commands.Basic.Get(queue=name, no_ack=no_ack))
            assert isinstance(got, Content) == bool(self.ready[name])
            if isinstance(got, Content):
                number = self.took(name, got)
                if not no_ack:
                    self.held.append(Held(got.method.delivery_tag, name, number, self.lives[name]))
            self.changed()

    @precondition(lambda self: self.held)
    @rule(seed=MANY, multiple=st.booleans(), how=st.sampled_from(["ack", "ack", "nack", "requeue"]))
    def settle(self, seed: int, multiple: bool, how: str) -> None:
        self.held.sort(key=lambda held: held.tag)
        at = seed % len(self.held)
        chosen = self.held[: at + 1] if multiple else [self.held[at]]
        self.held = [held for held in self.held if held not in chosen]
        for held in chosen:
            self.settled(held, how == "requeue")
        tag = chosen[-1].tag
        if how == "ack":
            self.peer.send(1, commands.Basic.Ack(tag, multiple))
        else:
            self.peer.send(1, commands.Basic.Nack(tag, multiple, how == "requeue"))
        self.changed()

    @rule(name=NAMES)
    def purge(self, name: str) -> None:
        self.broker.connect().send(1, commands.Queue.Purge(queue=name))
        self.ready[name].clear()
        self.changed()

    @rule(name=NAMES)
    def delete_and_redeclare(self, name: str) -> None:
        self.broker.connect().send(1, commands.Queue.Delete(queue=name))
        self.ready[name].clear()
        self.lives[name] += 1
        self.consumers.pop(name, None)
        # Each on a connection of its own, as what follows a held answer waits.
        self.broker.connect().send(1, commands.Queue.Declare(queue=name, durable=name in DURABLE))
        self.broker.connect().send(1, commands.Queue.Bind(queue=name, exchange="fanout"))
        self.changed()

    # Transactions

    @precondition(lambda self: not self.tx_waits and not self.tx_requeues())
    @rule(where=TARGETS, size=SIZES, persistent=PERSISTENT)
    def publish_in_transaction(self, where: str, size: int, persistent: bool) -> None:
        number = self.new_number(size, persistent)
        exchange, key = ("fanout", "") if where == "fanout" else ("", where)
        self.tx.publish(1, exchange, key, body_of(number, size), properties_of(persistent))
        self.tx_published.append((number, self.routed(where)))

    @precondition(lambda self: not self.tx_waits)
    @rule(name=NAMES)
    def get_in_transaction(self, name: str) -> None:
        got = self.tx.call(1, commands.Basic.Get(queue=name))
        assert isinstance(got, Content) == bool(self.ready[name])
        if isinstance(got, Content):
            number = self.took(name, got)
            self.tx_held.append(Held(got.method.delivery_tag, name, number, self.lives[name]))
        self.changed()

    @precondition(lambda self: self.tx_held and not self.tx_waits)
    @rule(seed=MANY, requeue=st.booleans())
    def settle_in_transaction(self, seed: int, requeue: bool) -> None:
        # What is put back at commit would be delivered in an order of its own, were there more of it.
        requeue = requeue and not self.tx_requeues() and not self.tx_published
        held = self.tx_held.pop(seed % len(self.tx_held))
        self.tx.send(1, commands.Basic.Nack(held.tag, False, requeue))
        self.tx_settled.append((held, requeue))

    def tx_requeues(self) -> bool:
        return any(requeue for _held, requeue in self.tx_settled)

    @precondition(lambda self: not self.tx_waits)
    @rule()
    def commit(self) -> None:
        for number, lives in self.tx_published:
            self.arrived(number, lives)
        for held, requeue in self.tx_settled:
            self.settled(held, requeue)
        self.tx_published.clear()
        self.tx_settled.clear()
        self.tx_waits = True
        self.tx.send(1, commands.Tx.Commit())
        self.tx_waits = not self.tx.methods(1)
        assert not (self.tx_waits and self.broker.flushes)
        self.changed()

    @precondition(lambda self: not self.tx_waits)
    @rule()
    def roll_back(self) -> None:
        self.tx_held += [held for held, _ in self.tx_settled]
        self.tx_settled.clear()
        self.tx_published.clear()
        assert isinstance(self.tx.call(1, commands.Tx.Rollback()), commands.Tx.RollbackOk)

    # The disk

    @rule()
    def hold_flushes(self) -> None:
        self.broker.flushes = False

    @rule(on=st.booleans())
    def flush(self, on: bool) -> None:
        self.broker.flush()
        self.broker.flushes = on
        self.hear()
        self.tx.receive()
        self.flushed()

    @rule(how=st.sampled_from(["restart", "kill", "power", "written"]), seed=MANY)
    def end(self, how: str, seed: int) -> None:
        if how == "restart":
            self.stop_in_peace()
            ended = self.broker.restart()
        else:
            if how == "written":
                self.write_untold()
            ended = self.broker.lose_power(seed) if how == "power" else self.broker.kill()
        self.check(ended.kill())
        self.broker = ended.kill()
        self.ready = {name: dict(self.on_disk.get(name, {})) for name in QUEUES}
        peer = self.broker.connect()
        declare(peer, "t1")
        self.connect()

    def stop_in_peace(self) -> None:
        """Everybody gives back what he has, and then everything is flushed."""
        self.tx_published.clear()
        for held in [*self.held, *self.tx_held, *[held for held, _ in self.tx_settled]]:
            self.settled(held, True)
        self.held, self.tx_held, self.tx_settled = [], [], []
        self.confirmed_tag = self.published_tag
        self.flushed()

    def write_untold(self) -> None:
        """A group reaches the disk, but nobody hears of it any more."""
        group = self.broker.journal.form_group()
        if group is not None:
            group.write()
        self.confirmed_tag = self.published_tag
        self.flushed()

    def check(self, after: DurableBroker) -> None:
        peer = after.connect()
        for name in DURABLE:
            wanted = [
                (body_of(number, self.sizes[number]), delivered)
                for number, delivered in sorted(
                    self.on_disk[name].items(), key=lambda each: self.order[each[0]]
                )
            ]
            assert drained(peer, name) == wanted

    @invariant()
    def nothing_is_confirmed_before_it_is_on_disk(self) -> None:
        assert not self.waits_from_tag or self.confirmed_tag < self.waits_from_tag

    @invariant()
    def the_queues_know_what_they_have(self) -> None:
        queues = self.broker.broker.vhosts["/"].queues
        assert {name: queues[name].ready() for name in QUEUES} == {
            name: len(self.ready[name]) for name in QUEUES
        }


TestCrashes = Crashes.TestCase
TestCrashes.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# A log that was cut or damaged


def filled(segment_bytes: int = 1 << 20) -> tuple[DurableBroker, list[tuple[int, dict[str, list[bytes]]]]]:
    """A broker that has ended, and how long its last segment was after each group, with what was in the queues."""
    broker = DurableBroker(segment_bytes=segment_bytes)
    peer = broker.connect()
    states: list[tuple[int, dict[str, list[bytes]]]] = []
    there: dict[str, list[bytes]] = {}

    def note() -> None:
        path = segments(broker.memory_files)[-1]
        size = len(broker.memory_files.read_all(path)[: end_of(broker, path)])
        states.append((size, {name: list(bodies) for name, bodies in there.items()}))

    note()
    for name in ("a", "b"):
        peer.call(1, commands.Queue.Declare(queue=name, durable=True))
        there[name] = []
        note()
    for number in range(6):
        name = "a" if number % 3 else "b"
        peer.publish(1, "", name, body_of(number, 30 * number), properties_of(True))
        there[name].append(body_of(number, 30 * number))
        note()
    for _ in range(2):
        peer.call(1, commands.Basic.Get(queue="a", no_ack=True))
        there["a"].pop(0)
        note()
    peer.call(1, commands.Queue.Delete(queue="b"))
    del there["b"]
    note()
    return broker, states


def segments(files: MemoryFiles) -> list[str]:
    return [path for path in files.sizes() if path.startswith("/data/log/")]


def end_of(broker: DurableBroker, path: str) -> int:
    """Where the groups of a segment end: what follows was written ahead."""
    reader = GroupReader(broker.files.open(path, False), int(path[-14:-4]), True)
    while reader.next():
        pass
    return int(reader.offset)


def found_in(broker: DurableBroker) -> dict[str, list[bytes]]:
    peer = broker.connect()
    names = sorted(broker.broker.vhosts["/"].queues)
    return {name: [body for body, _ in drained(peer, name)] for name in names}


def cut(files: MemoryFiles, path: str, size: int) -> MemoryFiles:
    after = files.process_death()
    file = after.open(path, True)
    file.truncate(size)
    file.close()
    return after


def test_of_a_log_cut_anywhere_all_whole_groups_remain_and_no_more():
    broker, states = filled()
    files = broker.memory_files.process_death()
    (path,) = segments(files)
    assert sorted(size for size, _ in states) == [size for size, _ in states]
    for size in range(states[-1][0] + 1):
        after = DurableBroker(cut(files, path, size))
        whole = [state for end, state in states if end <= size]
        assert found_in(after) == (whole[-1] if whole else {})
        torn = "the log ended in an unfinished group, which was cut off"
        assert (torn in after.events.sentences()) == (
            size not in [0, SEGMENT_HEADER_BYTES, *[end for end, _ in states]]
        )


def test_a_log_that_was_cut_can_be_written_on_and_read_again():
    broker, states = filled()
    files = broker.memory_files.process_death()
    (path,) = segments(files)
    for size in range(states[0][0], states[-1][0], 13):
        after = DurableBroker(cut(files, path, size))
        peer = after.connect()
        peer.call(1, commands.Queue.Declare(queue="new", durable=True))
        peer.publish(1, "", "new", b"new", properties_of(True))
        whole = [state for end, state in states if end <= size]
        assert found_in(after.kill()) == {**whole[-1], "new": [b"new"]}


@pytest.mark.parametrize(
    ("mask", "step", "zeros"), [(255, 1, False), (1, 3, False), (128, 3, False), (16, 17, True)]
)
def test_a_flipped_byte_is_never_taken_for_anything(mask: int, step: int, zeros: bool):
    """The broker does not start; if the last group is hit, it may also do without that group."""
    broker, states = filled()
    (end, last), (before_end, before) = states[-1], states[-2]
    (path,) = segments(broker.memory_files)
    files = broker.memory_files.process_death() if zeros else cut(broker.memory_files, path, end)
    refused = 0
    for offset in range(0, end, step):
        after = files.process_death()
        after.corrupt(path, offset, mask)
        try:
            found = found_in(DurableBroker(after))
        except CannotStart as error:
            assert path in str(error)
            refused += 1
        else:
            assert offset >= before_end
            assert found == before != last
    assert refused >= before_end // step


def test_a_flipped_byte_in_an_older_segment_is_refused_wherever_it_is():
    broker = DurableBroker(segment_bytes=500)
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    for number in range(12):
        peer.publish(1, "", "q", body_of(number, 300), properties_of(True))
    files = broker.memory_files.process_death()
    paths = segments(files)
    assert len(paths) > 2
    for path in paths[:-1]:
        for offset in range(0, len(files.read_all(path).rstrip(b"\x00")), 19):
            after = files.process_death()
            after.corrupt(path, offset, 0x10)
            with pytest.raises(CannotStart):
                DurableBroker(after)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 1 << 32), flushed=st.integers(0, 6), more=st.integers(1, 6))
def test_when_power_fails_in_the_middle_of_a_write_the_group_is_there_or_is_not(
    seed: int, flushed: int, more: int
):
    bodies = [body_of(number, 400) for number in range(flushed + more)]
    files = FailingFiles(MemoryFiles(), random=random.Random(seed))
    broker = DurableBroker(files, segment_bytes=3000)
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    peer.call(1, commands.Confirm.Select())
    for body in bodies[:flushed]:
        peer.publish(1, "", "q", body, properties_of(True))
    assert len(peer.methods(1)) == flushed
    broker.flushes = False
    for body in bodies[flushed:]:
        peer.publish(1, "", "q", body, properties_of(True))
    files.break_with(errno.EIO)
    broker.flush()
    (answer,) = peer.methods(1)
    assert isinstance(answer, commands.Basic.Nack)
    assert answer.delivery_tag == flushed + more
    assert isinstance(files.files, MemoryFiles)
    after = DurableBroker(files.files.power_loss(random.Random(seed)), segment_bytes=3000)
    assert found_in(after) in ({"q": bodies[:flushed]}, {"q": bodies})
