"""What is said of a log is what is in it, and saying so changes nothing."""

import pytest
from pamqp import commands

from amqpd.auth.users import Users
from amqpd.broker.broker import Broker
from amqpd.durability import CannotStart, Replayed
from amqpd.events import Events
from amqpd.store.api import Log
from amqpd.store.files import File, Files
from amqpd.store.inspection import (
    Inspection,
    Inspector,
    LiveBytes,
    LogMoved,
    QueueFigures,
    take_queue_figures,
)
from amqpd.store.journal import Journal
from amqpd.store.records import (
    DEFINITION,
    FILLER,
    MESSAGE,
    PROGRESS,
    SEGMENT_HEADER_BYTES,
    SNAPSHOT_DEFINITION,
)
from amqpd.store.recovery import Recovery
from amqpd.store.repair import Repair
from amqpd.store.segment import segment_path
from amqpd.store.storage import Storage
from amqpd.testing import FakeClock
from amqpd.testing.durable import DurableBroker
from amqpd.testing.files import MemoryFiles
from amqpd.wire.properties import Properties

LOG = "/data/log"


class Inspected:
    """A log that was inspected, with the broker that was made of it."""

    def __init__(self, files: MemoryFiles) -> None:
        before = {path: files.read_all(path) for path in files.sizes()}
        live = LiveBytes()
        storage = Storage(Events())
        storage.journal = Journal(live, FakeClock(), Events())
        storage.journal.is_replaying = True
        self.broker = Broker(FakeClock(), storage, Events(), bytes)
        self.users = Users()
        recovery = Recovery(Replayed(self.broker, self.users), storage.indexes)
        self.found: Inspection = Inspector(files, LOG, live, recovery).inspect()
        assert {path: files.read_all(path) for path in files.sizes()} == before

    def queue(self, name: str) -> QueueFigures:
        return take_queue_figures(self.broker.vhosts["/"].queues[name].indexes()[0])

    def damages(self) -> list[tuple[str, int]]:
        return [(damage.path, damage.offset) for damage in self.found.damages]


class Vanishing(Files):
    """A log whose first segment is removed as soon as the directory was listed."""

    def __init__(self, files: MemoryFiles) -> None:
        self._files = files

    def names(self, directory: str) -> list[str]:
        names = self._files.names(directory)
        self._files.remove(f"{directory}/{names[0]}")
        return names

    def open(self, path: str, writable: bool) -> File:
        return self._files.open(path, writable)


class Finishing(Files):
    """A log of one segment, of which the last groups are seen only when it is read for the second time."""

    def __init__(self, files: MemoryFiles, unseen_from: int) -> None:
        self._files = files
        self._unseen_from = unseen_from

    def names(self, directory: str) -> list[str]:
        return self._files.names(directory)

    def open(self, path: str, writable: bool) -> File:
        return FinishingFile(self._files.open(path, writable), self._unseen_from)


class FinishingFile(File):
    """Its first reading of groups has zeros from some offset on."""

    def __init__(self, file: File, unseen_from: int) -> None:
        self._file = file
        self._unseen_from = unseen_from
        self._has_read = False

    def size(self) -> int:
        return self._file.size()

    def read(self, offset: int, size: int) -> bytes:
        data = self._file.read(offset, size)
        if self._has_read or size <= SEGMENT_HEADER_BYTES:
            return data
        self._has_read = True
        seen = self._unseen_from - offset
        return data[:seen] + bytes(len(data) - seen)

    def close(self) -> None:
        self._file.close()


def broker_with_messages(count: int, segment_bytes: int = 65536) -> DurableBroker:
    """A queue q with so many messages, each in a group of its own."""
    broker = DurableBroker(segment_bytes=segment_bytes)
    broker.journal.stop_reclaiming()
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    for number in range(count):
        peer.publish(1, "", "q", b"message %d" % number, Properties(delivery_mode=2))
    return broker


def test_a_new_log_has_the_user_and_the_vhost_that_every_broker_begins_with():
    found = Inspected(DurableBroker().memory_files)
    assert list(found.broker.vhosts) == ["/"]
    assert found.users.names() == ["guest"]
    assert len(found.found.segments) == 1
    assert (found.found.damages, found.found.torn) == ([], None)


def test_messages_are_counted_and_those_delivered_before_apart():
    broker = broker_with_messages(5)
    peer = broker.connect()
    peer.call(1, commands.Basic.Get(queue="q", no_ack=True))
    peer.call(1, commands.Basic.Get(queue="q"))
    figures = Inspected(broker.memory_files).queue("q")
    assert (figures.messages, figures.delivered_messages) == (4, 1)


def test_records_and_groups_are_counted_by_segment():
    broker = broker_with_messages(3)
    peer = broker.connect()
    peer.call(1, commands.Basic.Get(queue="q", no_ack=True))
    (segment,) = Inspected(broker.memory_files).found.segments
    assert segment.groups == 1 + 1 + 3 + 1
    assert segment.records == {SNAPSHOT_DEFINITION: 2, DEFINITION: 1, MESSAGE: 3, PROGRESS: 1}
    assert segment.file_bytes == broker.memory_files.sizes()[segment_path(LOG, 1)]


def test_live_and_dead_bytes_of_messages_are_told_apart():
    broker = broker_with_messages(4)
    peer = broker.connect()
    peer.call(1, commands.Basic.Get(queue="q", no_ack=True))
    (segment,) = Inspected(broker.memory_files).found.segments
    assert segment.live_bytes * 4 == segment.message_bytes * 3


def test_live_bytes_are_those_that_a_broker_finds():
    broker = broker_with_messages(30, 900)
    inspected = Inspected(broker.memory_files)
    broker.stop()
    events = DurableBroker(broker.memory_files).events.told
    (found,) = [fields for _level, sentence, fields in events if sentence == "log recovered"]
    assert sum(segment.live_bytes for segment in inspected.found.segments) == found["live_bytes"]


def test_a_message_that_was_moved_is_dead_where_it_was():
    broker = DurableBroker(segment_bytes=900)
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="kept", durable=True))
    peer.call(1, commands.Queue.Declare(queue="passed", durable=True))
    peer.publish(1, "", "kept", b"kept", Properties(delivery_mode=2))
    for _ in range(40):
        peer.publish(1, "", "passed", bytes(50), Properties(delivery_mode=2))
        peer.call(1, commands.Basic.Get(queue="passed", no_ack=True))
    found = Inspected(broker.memory_files)
    assert found.found.segments[0].number > 1
    assert found.queue("kept").messages == 1
    assert found.queue("passed").messages == 0


def test_the_times_are_those_of_the_first_and_the_last_group():
    broker = DurableBroker()
    started_ms = int(broker.clock.unix_s() * 1000)
    broker.advance(5)
    broker.connect().call(1, commands.Queue.Declare(queue="q", durable=True))
    (segment,) = Inspected(broker.memory_files).found.segments
    assert (segment.first_written_ms, segment.last_written_ms) == (started_ms, started_ms + 5000)


def test_an_auto_delete_exchange_that_went_is_no_riddle():
    broker = DurableBroker()
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    peer.call(1, commands.Exchange.Declare(exchange="e", durable=True, auto_delete=True))
    peer.call(1, commands.Queue.Bind(queue="q", exchange="e"))
    peer.call(1, commands.Queue.Unbind(queue="q", exchange="e"))
    assert "e" not in Inspected(broker.memory_files).broker.vhosts["/"].exchanges


def test_a_torn_end_is_said_and_is_no_damage():
    broker = broker_with_messages(3)
    files = broker.memory_files
    end = int(broker.journal.log.begin(0).position) & 0xFFFFFFFF
    files.corrupt(segment_path(LOG, 1), end - 1, 1)
    found = Inspected(files)
    assert found.damages() == []
    assert found.found.torn is not None
    assert (found.found.torn.path, found.found.torn.end) == (segment_path(LOG, 1), end)
    assert found.queue("q").messages == 2


def test_a_last_segment_that_was_never_finished_is_a_torn_end():
    files = broker_with_messages(1).memory_files
    file = files.create(segment_path(LOG, 2))
    file.write(0, [b"AMQPDLOG"], True)
    found = Inspected(files)
    assert found.damages() == []
    assert found.found.torn is not None and found.found.torn.path == segment_path(LOG, 2)


def test_every_damage_is_found_at_once_with_its_file_and_offset():
    files = broker_with_messages(40, 900).memory_files
    files.corrupt(segment_path(LOG, 1), 32, 1)
    files.corrupt(segment_path(LOG, 2), 31, 1)
    files.remove(segment_path(LOG, 3))
    files.corrupt(segment_path(LOG, 4), 33, 1)
    assert Inspected(files).damages() == [
        (segment_path(LOG, 1), 32),
        (segment_path(LOG, 2), 0),
        (segment_path(LOG, 3), 0),
        (segment_path(LOG, 4), 32),
    ]


def test_the_figures_of_a_damaged_log_are_those_after_it_was_set_aside():
    files = broker_with_messages(40, 900).memory_files.process_death()
    files.remove(segment_path(LOG, 3))
    files.corrupt(segment_path(LOG, 4), 33, 1)
    before = Inspected(files)
    with pytest.raises(CannotStart):
        DurableBroker(files)
    Repair(files, LOG, "/data/damaged").run()
    after = Inspected(files)
    assert after.damages() == []
    assert after.queue("q").messages == before.queue("q").messages > 0
    assert [each.records.get(FILLER, 0) for each in after.found.segments[:5]] == [0, 0, 1, 1, 0]


def test_a_group_that_is_finished_while_it_is_read_is_no_damage():
    broker = broker_with_messages(3)
    end = int(broker.journal.log.begin(0).position) & 0xFFFFFFFF
    broker.connect().publish(1, "", "q", b"message", Properties(delivery_mode=2))
    broker.connect().publish(1, "", "q", b"message", Properties(delivery_mode=2))
    files = Finishing(broker.memory_files, end)
    storage = Storage(Events())
    recovery = Recovery(Replayed(Broker(FakeClock(), storage, Events(), bytes), Users()), storage.indexes)
    found = Inspector(files, LOG, LiveBytes(), recovery).inspect()
    assert (found.damages, found.torn) == ([], None)
    assert found.segments[0].records[MESSAGE] == 5


def test_a_segment_that_goes_while_the_log_is_listed_is_not_missed():
    files = Vanishing(broker_with_messages(40, 900).memory_files)
    storage = Storage(Events())
    recovery = Recovery(Replayed(Broker(FakeClock(), storage, Events(), bytes), Users()), storage.indexes)
    found = Inspector(files, LOG, LiveBytes(), recovery).inspect()
    assert found.damages == []
    assert found.segments[0].number == 2


class Counted(Files):
    """Counts the files that are open; one of them may vanish when another is opened."""

    def __init__(self, files: MemoryFiles) -> None:
        self._files = files
        self.opened = 0
        self.most = 0
        self.vanishes: dict[str, list[str]] = {}
        """What goes when a path is opened."""

    def names(self, directory: str) -> list[str]:
        return self._files.names(directory)

    def open(self, path: str, writable: bool) -> File:
        file = CountedFile(self, self._files.open(path, writable))
        self.opened += 1
        self.most = max(self.most, self.opened)
        for gone in self.vanishes.pop(path, []):
            self._files.remove(gone)
        return file


class CountedFile(File):
    def __init__(self, counted: Counted, file: File) -> None:
        self._counted = counted
        self._file = file

    def size(self) -> int:
        return self._file.size()

    def read(self, offset: int, size: int) -> bytes:
        return self._file.read(offset, size)

    def close(self) -> None:
        self._counted.opened -= 1
        self._file.close()


def inspected(files: Files, opened_ahead: int) -> tuple[Inspection, int]:
    """What was found with so many files open, and how many messages."""
    storage = Storage(Events())
    storage.journal = Journal(Log(), FakeClock(), Events())
    storage.journal.is_replaying = True
    broker = Broker(FakeClock(), storage, Events(), bytes)
    recovery = Recovery(Replayed(broker, Users()), storage.indexes)
    found = Inspector(files, LOG, LiveBytes(), recovery, opened_ahead).inspect()
    (index,) = broker.vhosts["/"].queues["q"].indexes()
    return found, int(take_queue_figures(index).messages)


def test_however_many_segments_there_are_few_are_open_at_a_time():
    files = Counted(broker_with_messages(100, 900).memory_files)
    found, messages = inspected(files, 3)
    assert (found.damages, messages) == ([], 100)
    assert len(found.segments) > 6
    assert (files.most, files.opened) == (3, 0)


def test_segments_that_go_while_they_are_read_are_read_to_the_end():
    files = Counted(broker_with_messages(40, 900).memory_files)
    files.vanishes = {segment_path(LOG, 4): [segment_path(LOG, number) for number in (1, 2, 3, 4)]}
    found, messages = inspected(files, 3)
    assert (found.damages, messages) == ([], 40)


def test_segments_that_go_while_the_first_are_opened_are_no_damage():
    files = Counted(broker_with_messages(40, 900).memory_files)
    files.vanishes = {segment_path(LOG, 2): [segment_path(LOG, number) for number in (1, 2, 3)]}
    found, _messages = inspected(files, 5)
    assert (found.damages, found.segments[0].number) == ([], 4)
    assert files.opened == 0


def test_a_segment_that_goes_before_it_could_be_opened_is_said():
    files = Counted(broker_with_messages(40, 900).memory_files)
    files.vanishes = {segment_path(LOG, 4): [segment_path(LOG, number) for number in (1, 2, 3, 4, 5)]}
    with pytest.raises(LogMoved, match=r"0000000005\.log"):
        inspected(files, 3)
    assert files.opened == 0
