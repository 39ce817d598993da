"""What the log and the spill take on disk stays in proportion to what they keep, and nothing is lost on the way."""

from typing import Any

import pytest
from pamqp import commands

from amqpd.store.log import SegmentGroup, SegmentLog
from amqpd.testing import Content, DurableBroker, Peer
from amqpd.wire.properties import Properties

SEGMENT_BYTES = 20_000
PERSISTENT = Properties(delivery_mode=2)


def body_of(number: int, size: int) -> bytes:
    return (b"%d:" % number).ljust(size, b".")


def numbers(contents: list[Content]) -> list[int]:
    return [int(content.body.split(b":")[0]) for content in contents]


class Disk:
    """What is in a directory, without the zeros that were written ahead of the next groups."""

    def __init__(self, broker: DurableBroker, directory: str) -> None:
        self.files = broker.memory_files
        self.directory = directory
        self.known: dict[str, int] = {}
        """Of files that do not grow any more."""

    def used(self) -> int:
        paths = [path for path in self.files.sizes() if path.startswith(f"{self.directory}/")]
        for path in paths[:-1]:
            if path not in self.known:
                self.known[path] = self.used_by(path)
        return sum(self.known[path] for path in paths[:-1]) + sum(map(self.used_by, paths[-1:]))

    def used_by(self, path: str) -> int:
        return len(self.files.read_all(path).rstrip(b"\x00"))


def declare(peer: Peer, *names: str, durable: bool = True) -> None:
    for name in names:
        peer.call(1, commands.Queue.Declare(queue=name, durable=durable))


def publish(peer: Peer, queue: str, number: int, size: int, properties: Properties = PERSISTENT) -> None:
    peer.publish(1, "", queue, body_of(number, size), properties)


def drained(peer: Peer, queue: str) -> list[int]:
    found: list[Any] = []
    while isinstance(got := peer.call(1, commands.Basic.Get(queue=queue, no_ack=True)), Content):
        found.append(got)
    return numbers(found)


class Churn:
    """One queue that never drains beside one that turns over: a message in, a message out."""

    def __init__(self, size: int, kept_every: int = 10) -> None:
        self.size = size
        self.kept_every = kept_every
        self.broker = DurableBroker(segment_bytes=SEGMENT_BYTES)
        self.kept: list[int] = []
        self.waiting: list[int] = []
        self.number = 0
        self.connect()
        declare(self.peer, "slow", "fast")

    def connect(self) -> None:
        self.peer = self.broker.connect()
        self.disk = Disk(self.broker, "/data/log")

    def step(self) -> None:
        self.number += 1
        if self.number % self.kept_every == 0:
            publish(self.peer, "slow", self.number, self.size)
            self.kept.append(self.number)
        publish(self.peer, "fast", self.number, self.size)
        self.waiting.append(self.number)
        if len(self.waiting) > 3:
            got = self.peer.call(1, commands.Basic.Get(queue="fast", no_ack=True))
            assert numbers([got]) == [self.waiting.pop(0)]

    def live_bytes(self) -> int:
        """What any log would have to keep, with what a small record has besides its body."""
        return (len(self.kept) + len(self.waiting)) * (self.size + 100)

    def check_disk(self) -> None:
        assert self.disk.used() <= 2.5 * self.live_bytes() + 2 * (SEGMENT_BYTES + 2 * self.size)


@pytest.mark.parametrize("size", [10, 500, 12_000])
def test_the_log_stays_in_proportion_to_what_it_keeps(size: int):
    churn = Churn(size)
    for _ in range(400):
        churn.step()
        churn.check_disk()
    assert churn.broker.groups > 400
    assert drained(churn.peer, "slow") == churn.kept
    assert drained(churn.peer, "fast") == churn.waiting


def test_nothing_is_lost_when_the_broker_dies_while_the_log_is_made_shorter():
    churn = Churn(500, kept_every=3)
    for turn in range(8):
        for _ in range(41 + turn):
            churn.step()
        churn.broker = churn.broker.lose_power(turn) if turn % 2 else churn.broker.kill()
        churn.connect()
    assert drained(churn.peer, "slow") == churn.kept
    assert drained(churn.peer, "fast") == churn.waiting


def form_and_write(broker: DurableBroker) -> SegmentGroup:
    """A group that is on disk, though nobody has heard of it."""
    group = broker.journal.form_group()
    assert isinstance(group, SegmentGroup)
    group.write()
    return group


def half_reclaimed(kept: list[int]) -> tuple[DurableBroker, Peer]:
    """A broker whose next groups move what is kept out of the oldest segment, which is too large for one step."""
    broker = DurableBroker(segment_bytes=700_000)
    peer = broker.connect()
    declare(peer, "slow", "fast")
    for number in kept:
        publish(peer, "slow", number, 4000)
    broker.flushes = False
    for number in range(1000, 1500):
        publish(peer, "fast", number, 4000)
        if number % 20 == 19:
            broker.flush()
    drained(peer, "fast")
    return broker, peer


def test_a_death_between_any_two_groups_loses_nothing():
    kept = list(range(150))
    moved = []
    for groups in range(8):
        broker, peer = half_reclaimed(kept)
        for number in range(groups):
            publish(peer, "fast", number, 100)
            broker.journal.wrote(form_and_write(broker))
        publish(peer, "fast", 2000, 100)
        moved.append(int(form_and_write(broker).size) > 100_000)
        assert drained(broker.kill().connect(), "slow") == kept
        assert drained(broker.lose_power(groups).connect(), "slow") == kept
    assert sum(moved) >= 2


def test_what_is_settled_while_it_is_moved_does_not_come_back():
    kept = list(range(150))
    broker, peer = half_reclaimed(kept)
    moved = []
    for number in range(2000, 2010):
        publish(peer, "fast", number, 100)
        group = form_and_write(broker)
        moved.append(int(group.size) > 100_000)
        for _ in range(5):
            got = peer.call(1, commands.Basic.Get(queue="slow", no_ack=True))
            assert numbers([got]) == [kept.pop(0)]
        broker.journal.wrote(group)
    broker.flush()
    assert sum(moved) >= 2
    assert drained(broker.kill().connect(), "slow") == kept
    assert drained(peer, "slow") == kept
    assert drained(peer, "fast") == list(range(2000, 2010))


def test_what_is_paged_out_while_it_is_moved_is_found():
    kept = list(range(150))
    broker, peer = half_reclaimed(kept)
    backlog = broker.broker.vhosts["/"].queues["slow"]._backlog
    for number in range(2000, 2010):
        publish(peer, "fast", number, 100)
        group = form_and_write(broker)
        if number % 3:
            backlog.page_out(0)
        got = peer.call(1, commands.Basic.Get(queue="slow", no_ack=True))
        assert numbers([got]) == [kept.pop(0)]
        broker.journal.wrote(group)
    broker.flush()
    assert drained(peer, "slow") == kept


def test_files_are_no_larger_than_their_segments_but_for_the_last_group():
    """Zeros are written ahead of groups, but not where no group comes any more."""
    broker = DurableBroker(segment_bytes=SEGMENT_BYTES)
    peer = broker.connect()
    declare(peer, "q")
    for number in range(100):
        publish(peer, "q", number, 1000)
    sizes = [size for path, size in broker.memory_files.sizes().items() if path.startswith("/data/log/")]
    assert len(sizes) > 4
    assert all(SEGMENT_BYTES <= size < SEGMENT_BYTES + 1200 for size in sizes)


@pytest.mark.parametrize("offset", [32, 36, 42, 48, 60, 64, 68, 70, 600, 1500])
def test_a_segment_that_is_damaged_under_a_broker_stays_and_the_log_is_not_shortened(offset: int):
    """It is neither taken for one that ends earlier, nor written again with a CRC that is right."""
    churn = Churn(500, kept_every=3)
    for _ in range(20):
        churn.step()
    oldest = "/data/log/0000000001.log"
    churn.broker.memory_files.corrupt(oldest, offset, 0x21)
    for _ in range(100):
        churn.step()
    assert churn.broker.events.sentences().count("the log can't be shortened any more") == 1
    churn.broker.memory_files.corrupt(oldest, offset, 0x21)
    assert drained(churn.broker.kill().connect(), "slow") == churn.kept
    assert drained(churn.peer, "slow") == churn.kept


# The spill


@pytest.mark.parametrize("durable", [False, True])
def test_the_spill_stays_in_proportion_to_what_it_keeps(durable: bool):
    size = 3000
    broker = DurableBroker(segment_bytes=SEGMENT_BYTES, memory_bytes=2000)
    peer = broker.connect()
    declare(peer, "slow", "fast", durable=durable)
    disk = Disk(broker, "/data/spill")
    kept: list[int] = []
    waiting: list[int] = []
    spilled = 0
    for number in range(900):
        publish(peer, "fast", number, size, Properties())
        waiting.append(number)
        if number % 10 == 0:
            publish(peer, "slow", number, size, Properties())
            kept.append(number)
        if len(waiting) == 40:
            for _ in range(30):
                got = peer.call(1, commands.Basic.Get(queue="fast", no_ack=True))
                assert numbers([got]) == [waiting.pop(0)]
        used = disk.used()
        spilled = max(spilled, used)
        live = (len(kept) + len(waiting)) * (size + 100)
        assert used <= 2.5 * live + 2 * (SEGMENT_BYTES + 10 * size)
    assert spilled > 2 * SEGMENT_BYTES
    assert drained(peer, "slow") == kept
    assert drained(peer, "fast") == waiting
    publish(peer, "slow", 1, size, Properties())
    assert disk.used() <= 2 * SEGMENT_BYTES


def test_a_log_that_is_left_alone_gets_short_by_itself():
    broker = DurableBroker(segment_bytes=1_000_000)
    peer = broker.connect()
    for name in ("kept", "gone"):
        peer.call(1, commands.Queue.Declare(queue=name, durable=True))
    for number in range(400):
        # long stretches of the log in which nothing is alive
        name = "gone" if number % 100 else "kept"
        peer.publish(1, "", name, body_of(number, 10_000), PERSISTENT)
    log = broker.journal.log
    assert isinstance(log, SegmentLog)
    assert log.sizes()[0] > 4_000_000
    peer.call(1, commands.Queue.Purge(queue="gone"))
    total, live = log.sizes()
    assert live < 50_000
    assert total <= 2 * live + 1_000_000
    assert Disk(broker, "/data/log").used() <= total
    peer = broker.kill().connect()
    peer.call(1, commands.Basic.Consume(queue="kept", no_ack=True))
    assert numbers(peer.contents(1)) == [0, 100, 200, 300]
