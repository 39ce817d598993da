"""A log of an older version is rewritten before it is read, and never half."""

from pathlib import Path
from random import Random
from zlib import crc32

import pytest
from pamqp import commands

from amqpd.durability import CannotStart
from amqpd.store.files import File
from amqpd.store.records import FORMAT_VERSION, SEGMENT_HEADER_BYTES
from amqpd.store.segment import LogDamaged, UnknownFormat, numbers_there, segment_path
from amqpd.store.upgrade import Step, upgrade
from amqpd.testing.durable import DurableBroker
from amqpd.testing.failing_files import FailingFiles
from amqpd.testing.files import MemoryFiles
from amqpd.testing.peer import Content
from amqpd.wire.fields import Field, Table
from amqpd.wire.properties import Properties

LOG = "/data/log"
BODIES = {1: b"first", 2: bytes(2000), 3: b"", 4: b"last"}


class Marking(Step):
    """To the next version, in which every segment ends with one more letter."""

    def __init__(self, version: int, mark: bytes) -> None:
        self.version = version
        self.mark = mark

    def rewrite(self, old: File, new: File, number: int) -> None:
        body = old.read(SEGMENT_HEADER_BYTES, old.size())
        new.write(0, [header(number, self.version), body], False)
        new.write(SEGMENT_HEADER_BYTES + len(body), [self.mark], False)


STEPS: dict[int, Step] = {1: Marking(2, b"b"), 2: Marking(3, b"c")}


def header(number: int, version: int) -> bytes:
    rest = number.to_bytes(8, "little") + bytes(8)
    written = version.to_bytes(4, "little")
    return b"AMQPDLOG" + written + crc32(rest, crc32(written)).to_bytes(4, "little") + rest


def log_of(versions: dict[int, int]) -> MemoryFiles:
    """A log with a segment of each version, all on disk."""
    files = MemoryFiles()
    files.make_directory(LOG)
    for number, version in versions.items():
        file = files.create(segment_path(LOG, number))
        file.write(0, [header(number, version), BODIES[number]], True)
    files.sync_directory(LOG)
    return files


def contents(files: MemoryFiles) -> dict[str, bytes]:
    return {path: files.read_all(path) for path in files.sizes() if path.startswith(LOG)}


def upgraded(versions: dict[int, int], version: int) -> dict[str, bytes]:
    """What the log of `log_of` is to become."""
    return {
        segment_path(LOG, number): header(number, version) + BODIES[number] + b"bc"[old - 1 : version - 1]
        for number, old in versions.items()
    }


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_log_is_taken_through_all_steps_up_to_the_version(version: int):
    files = log_of({1: 1, 2: 1})
    upgrade(files, LOG, STEPS, version)
    assert contents(files) == upgraded({1: 1, 2: 1}, version)


def test_segments_that_have_the_version_are_left_alone():
    files = log_of({1: 3, 2: 2, 3: 1})
    upgrade(files, LOG, STEPS, 3)
    assert contents(files) == upgraded({1: 3, 2: 2, 3: 1}, 3)


def test_a_log_of_todays_version_is_only_looked_at():
    files = FailingFiles(log_of({1: FORMAT_VERSION}))
    upgrade(files, LOG)
    assert {line.split()[0] for line in files.log} == {"names", "open", "read", "sync_directory"}


def test_a_newer_version_is_refused_before_anything_is_changed():
    files = log_of({1: 1, 2: 4})
    before = contents(files)
    with pytest.raises(UnknownFormat, match=r"version 4.*start the newer version that wrote it"):
        upgrade(files, LOG, STEPS, 3)
    assert contents(files) == before


def test_a_missing_step_is_refused_before_anything_is_changed():
    files = log_of({1: 2, 2: 1})
    before = contents(files)
    with pytest.raises(UnknownFormat, match=r"version 1.*can't upgrade from 1 to 2"):
        upgrade(files, LOG, {2: STEPS[2]}, 3)
    assert contents(files) == before


def test_an_old_log_with_a_damaged_header_is_left_as_it_is():
    files = log_of({1: 1, 2: 1, 3: 1})
    files.corrupt(segment_path(LOG, 2), 0, 1)
    before = contents(files)
    with pytest.raises(LogDamaged) as error:
        upgrade(files, LOG, STEPS, 2)
    assert (error.value.path, error.value.offset) == (segment_path(LOG, 2), 0)
    assert contents(files) == before


def test_a_damaged_header_in_a_log_of_todays_version_is_left_to_the_replay():
    files = log_of({1: 3, 2: 3})
    files.corrupt(segment_path(LOG, 1), 0, 1)
    upgrade(files, LOG, STEPS, 3)
    assert len(contents(files)) == 2


def test_an_unfinished_last_segment_does_not_stop_it():
    files = log_of({1: 1})
    files.create(segment_path(LOG, 2)).write(0, [b"AMQ"], True)
    upgrade(files, LOG, STEPS, 2)
    assert contents(files) == {**upgraded({1: 1}, 2), segment_path(LOG, 2): b"AMQ"}


@pytest.mark.parametrize("loses_power", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_killed_at_any_moment_it_can_be_run_again(loses_power: bool, seed: int):
    versions = {1: 1, 2: 1, 3: 2, 4: 1}
    fails_at = 0
    while True:
        disk = log_of(versions)
        failing = FailingFiles(disk, Random(seed), fails_at=fails_at, for_good=True)
        try:
            upgrade(failing, LOG, STEPS, 3)
        except OSError:
            disk = disk.power_loss(Random(seed)) if loses_power else disk.process_death()
            upgrade(disk, LOG, STEPS, 3)
        disk = disk.power_loss(Random(seed))
        assert contents(disk) == upgraded(versions, 3)
        if not failing.failed:
            break
        fails_at += 1
    assert fails_at > 30


def test_without_room_for_all_of_it_the_old_version_can_still_read_the_log():
    files = log_of({1: 1, 2: 1})
    before = contents(files)
    files.capacity_bytes = sum(files.sizes().values()) + 500
    with pytest.raises(OSError, match="space"):
        upgrade(files, LOG, STEPS, 2)
    assert {path: contents(files)[path] for path in before} == before
    files.capacity_bytes = None
    upgrade(files, LOG, STEPS, 2)
    assert contents(files) == upgraded({1: 1, 2: 1}, 2)


def test_a_broker_refuses_a_newer_log_and_removes_what_an_unfinished_upgrade_left():
    broker = DurableBroker()
    broker.connect().call(1, commands.Queue.Declare(queue="q", durable=True))
    broker.stop()
    files = broker.memory_files.process_death()
    files.create(f"{segment_path(LOG, 1)}.upgraded1").close()
    again = DurableBroker(files)
    assert "q" in again.broker.vhosts["/"].queues
    assert not [path for path in files.sizes() if "upgraded" in path]
    again.stop()
    number = numbers_there(files, LOG)[-1]
    files.open(segment_path(LOG, number), True).write(0, [header(number, FORMAT_VERSION + 1)], True)
    with pytest.raises(CannotStart, match="start the newer version that wrote it"):
        DurableBroker(files)


# Logs of earlier versions, as they were written then


def broker_on(segment: bytes) -> DurableBroker:
    files = MemoryFiles()
    files.make_directory(LOG)
    file = files.create(segment_path(LOG, 1))
    file.write(0, [segment], True)
    file.close()
    files.sync_directory(LOG)
    return DurableBroker(files)


def bodies_in(broker: DurableBroker, queue: str) -> list[bytes]:
    """Everything that is ready in a queue, which stays there."""
    peer = broker.connect()
    found: list[bytes] = []
    while isinstance(content := peer.call(1, commands.Basic.Get(queue=queue)), Content):
        found.append(content.body)
    peer.disconnect()
    return found


FORMAT_1 = Path(__file__).parent / "logs" / "format_1.log"
"""Queues with three messages each, in the order of these names; `after` has one, by way of the exchange e."""

QUEUES_OF_1 = ["plain", "priorities", "after", "counted", "short", "last"]


@pytest.mark.parametrize("restarts", [0, 1, 2])
def test_a_log_of_version_1_has_all_its_messages_in_their_queues(restarts: int):
    broker = broker_on(FORMAT_1.read_bytes())
    for _ in range(restarts):
        broker = broker.restart()
    for queue in QUEUES_OF_1:
        numbers = [0] if queue == "after" else [0, 1, 2]
        assert bodies_in(broker, queue) == [b"%s %d" % (queue.encode(), number) for number in numbers]


def test_what_is_published_to_a_queue_of_version_1_stays_in_it_over_a_restart():
    broker = broker_on(FORMAT_1.read_bytes())
    peer = broker.connect()
    for queue in QUEUES_OF_1:
        peer.call(1, commands.Queue.Purge(queue=queue))
        for priority in (0, 5, 1):
            peer.publish(1, "", queue, queue.encode(), Properties(delivery_mode=2, priority=priority))
    broker = broker.restart().restart()
    assert {queue: bodies_in(broker, queue) for queue in QUEUES_OF_1} == {
        queue: [queue.encode()] * 3 for queue in QUEUES_OF_1
    }


def test_arguments_of_version_1_mean_as_little_as_they_did_until_the_queue_is_made_anew():
    broker = broker_on(FORMAT_1.read_bytes()).restart()
    peer = broker.connect()
    arguments: Table = {"x-max-priority": Field("I", 5)}
    declare = commands.Queue.Declare(queue="priorities", durable=True, arguments=arguments)
    for again, expected in ((False, [b"0", b"5"]), (True, [b"5", b"0"])):
        peer.call(1, commands.Queue.Purge(queue="priorities"))
        if again:
            peer.call(1, commands.Queue.Delete(queue="priorities"))
        peer.call(1, declare)
        for priority in (0, 5):
            peer.publish(1, "", "priorities", b"%d" % priority, Properties(priority=priority))
        assert bodies_in(broker, "priorities") == expected
