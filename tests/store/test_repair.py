"""Damage anywhere in a log: a start is refused and says where, and after it is set aside the rest is there."""

from random import Random
from zlib import crc32

import pytest
from pamqp import commands

from amqpd.durability import CannotStart
from amqpd.store.api import Replay
from amqpd.store.log import replay_group
from amqpd.store.records import (
    FILLER_MIN_BYTES,
    FORMAT_VERSION,
    GROUP_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    filler,
    group_header,
    position_of,
    read_message,
)
from amqpd.store.repair import CannotSetAside, Repair, SetAside
from amqpd.store.segment import END_MISSING, GroupReader, UnknownFormat, numbers_there, segment_path
from amqpd.testing.durable import DurableBroker
from amqpd.testing.failing_files import FailingFiles
from amqpd.testing.files import MemoryFiles
from amqpd.wire.properties import Properties

LOG = "/data/log"
ASIDE = "/data/damaged"
MESSAGES = [b"body-%d" % number for number in range(26)]


class Bodies(Replay):
    """Keeps the bodies of all messages."""

    def __init__(self) -> None:
        self.found: list[bytes] = []

    def message(self, position: int, data: bytes, at: int) -> None:
        self.found += [bytes(piece) for piece in read_message(data, at).body_pieces()]


def written_log() -> MemoryFiles:
    """A log of several small segments with a queue, and one message in each group, as a killed broker leaves it."""
    broker = DurableBroker(segment_bytes=900)
    broker.journal.stop_reclaiming()
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    for body in MESSAGES:
        peer.publish(1, "", "q", body, Properties(delivery_mode=2))
    broker.stop()
    without_zeros(broker.memory_files)
    return broker.memory_files.process_death()


def without_zeros(files: MemoryFiles) -> None:
    """Take away the zeros that were written ahead: tests copy and read these files often."""
    for number in numbers_there(files, LOG):
        file = files.open(segment_path(LOG, number), True)
        reader = GroupReader(file, number, True)
        while reader.next():
            pass
        file.truncate(reader.offset)
        file.close()


def groups(files: MemoryFiles, number: int) -> list[tuple[int, int, list[bytes]]]:
    """Where each group of a segment begins and ends, and the bodies in it."""
    file = files.open(segment_path(LOG, number), False)
    reader = GroupReader(file, number, True)
    found: list[tuple[int, int, list[bytes]]] = []
    start = SEGMENT_HEADER_BYTES
    while reader.next():
        bodies = Bodies()
        replay_group(reader, bodies, "")
        found.append((start, int(reader.offset), bodies.found))
        start = int(reader.offset)
    return found


def set_aside(files: MemoryFiles) -> list[SetAside]:
    return Repair(files, LOG, ASIDE).run()


def messages(broker: DurableBroker) -> list[bytes]:
    """Everything in the queue, which is there."""
    peer = broker.connect()
    reply = peer.call(1, commands.Queue.Declare(queue="q", passive=True))
    assert isinstance(reply, commands.Queue.DeclareOk)
    peer.call(1, commands.Basic.Consume(queue="q", no_ack=True))
    return peer.bodies(1)


def refusal(files: MemoryFiles) -> str:
    """Why a broker does not start; a start that is refused changes nothing."""
    before = {path: files.read_all(path) for path in files.sizes() if path != "/data/lock"}
    with pytest.raises(CannotStart) as error:
        DurableBroker(files, segment_bytes=900)
    assert {path: files.read_all(path) for path in files.sizes() if path != "/data/lock"} == before
    return str(error.value)


def put(files: MemoryFiles, number: int, offset: int, data: bytes) -> None:
    file = files.open(segment_path(LOG, number), True)
    file.write(offset, [data], True)
    file.close()


def cut(files: MemoryFiles, number: int, size: int) -> None:
    file = files.open(segment_path(LOG, number), True)
    file.truncate(size)
    file.close()


SOUND = written_log()
NUMBERS = numbers_there(SOUND.process_death(), LOG)
GROUPS = {number: groups(SOUND.process_death(), number) for number in NUMBERS}


def test_the_log_of_these_tests_has_several_segments_of_several_groups():
    assert len(NUMBERS) >= 4
    assert all(len(each) >= 2 for each in GROUPS.values())
    assert [body for each in GROUPS.values() for group in each for body in group[2]] == MESSAGES


def damaged_places() -> list[tuple[int, int, int, list[bytes]]]:
    """Of each segment's header and each group: segment, start, end, and the bodies that go with it."""
    places: list[tuple[int, int, int, list[bytes]]] = []
    for number, found in GROUPS.items():
        places.append((number, 0, SEGMENT_HEADER_BYTES, []))
        places += [(number, start, end, bodies) for start, end, bodies in found]
    return places


@pytest.mark.parametrize(("number", "start", "end", "lost"), damaged_places())
def test_damage_at_any_byte_is_refused_with_its_place_and_after_set_aside_only_its_group_is_missing(
    number: int, start: int, end: int, lost: list[bytes]
):
    is_last_group = number == NUMBERS[-1] and end == GROUPS[number][-1][1]
    step = 1 if end - start < 250 else 3
    for offset in range(start, end, step):
        files = SOUND.process_death()
        files.corrupt(segment_path(LOG, number), offset, 1 << offset % 8)
        if not is_last_group:
            message = refusal(files)
            assert f"{segment_path(LOG, number)} is damaged at offset {start}: " in message
            assert "amqpd log set-aside" in message
        before = files.read_all(segment_path(LOG, number))
        done = set_aside(files)
        if is_last_group:
            assert done == []
        else:
            assert [(each.stretch.offset, each.stretch.end) for each in done] == [(start, end)]
            assert files.read_all(done[0].copy) == before[start:end]
        broker = DurableBroker(files, segment_bytes=900)
        cut_off = "the log ended in an unfinished group, which was cut off" in broker.events.sentences()
        assert cut_off == is_last_group
        assert messages(broker) == [body for body in MESSAGES if body not in lost]


def test_what_was_set_aside_stays_so_over_restarts():
    files = SOUND.process_death()
    start, _end, lost = GROUPS[NUMBERS[1]][1]
    files.corrupt(segment_path(LOG, NUMBERS[1]), start + 40, 1)
    set_aside(files)
    broker = DurableBroker(files, segment_bytes=900).restart().kill()
    assert messages(broker) == [body for body in MESSAGES if body not in lost]


def test_a_sound_log_is_left_alone():
    files = SOUND.process_death()
    assert set_aside(files) == []
    assert {path: files.read_all(path) for path in files.sizes()} == {
        path: SOUND.read_all(path) for path in SOUND.sizes()
    }


def test_what_was_set_aside_is_not_set_aside_again():
    files = SOUND.process_death()
    files.corrupt(segment_path(LOG, NUMBERS[0]), GROUPS[NUMBERS[0]][0][0], 1)
    assert len(set_aside(files)) == 1
    assert set_aside(files) == []


def test_each_of_several_damaged_stretches_has_its_own_copy():
    files = SOUND.process_death()
    places = [(number, GROUPS[number][0]) for number in NUMBERS[:3]]
    for number, (start, _end, _bodies) in places:
        files.corrupt(segment_path(LOG, number), start + 4, 1)
    copies = [each.copy for each in set_aside(files)]
    assert copies == [f"{ASIDE}/{number:010d}-{start}.damaged" for number, (start, _end, _bodies) in places]
    lost = [body for _number, group in places for body in group[2]]
    assert messages(DurableBroker(files)) == [body for body in MESSAGES if body not in lost]


def test_a_missing_segment_is_replaced_and_the_next_snapshot_is_taken():
    files = SOUND.process_death()
    files.remove(segment_path(LOG, NUMBERS[1]))
    assert f"{segment_path(LOG, NUMBERS[1])} is damaged at offset 0: the segment is missing" in refusal(files)
    (done,) = set_aside(files)
    assert (done.stretch.path, done.copy) == (segment_path(LOG, NUMBERS[1]), "")
    lost = [body for group in GROUPS[NUMBERS[1]] for body in group[2]]
    assert messages(DurableBroker(files)) == [body for body in MESSAGES if body not in lost]


def test_several_missing_segments_are_all_replaced():
    files = SOUND.process_death()
    for number in NUMBERS[1:3]:
        files.remove(segment_path(LOG, number))
    assert len(set_aside(files)) == 2
    lost = [body for number in NUMBERS[1:3] for group in GROUPS[number] for body in group[2]]
    assert messages(DurableBroker(files)) == [body for body in MESSAGES if body not in lost]


def test_a_file_that_belongs_to_no_log_is_not_bridged_with_thousands_of_segments():
    files = SOUND.process_death()
    files.create(segment_path(LOG, 900000000)).close()
    before = files.sizes()
    with pytest.raises(CannotSetAside, match="0900000000"):
        set_aside(files)
    assert files.sizes() == before


@pytest.mark.parametrize(
    "size", [0, 1, SEGMENT_HEADER_BYTES - 1, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 3]
)
def test_a_segment_that_was_cut_before_its_first_group_gets_a_filler(size: int):
    files = SOUND.process_death()
    cut(files, NUMBERS[1], size)
    assert "is damaged" in refusal(files)
    assert set_aside(files)
    lost = [body for group in GROUPS[NUMBERS[1]] for body in group[2]]
    assert messages(DurableBroker(files)) == [body for body in MESSAGES if body not in lost]


def test_a_segment_that_was_cut_in_its_last_group_keeps_the_others():
    number = NUMBERS[1]
    start, end, lost = GROUPS[number][-1]
    for size in (start + 1, start + GROUP_HEADER_BYTES, end - 1):
        files = SOUND.process_death()
        cut(files, number, size)
        assert f"is damaged at offset {start}" in refusal(files)
        set_aside(files)
        assert messages(DurableBroker(files)) == [body for body in MESSAGES if body not in lost]


@pytest.mark.parametrize("zeros", [False, True])
def test_a_segment_that_lost_whole_groups_at_its_end_is_refused_and_filled(zeros: bool):
    number = NUMBERS[1]
    start, end, lost = GROUPS[number][-1]
    files = SOUND.process_death()
    cut(files, number, start)
    if zeros:
        put(files, number, start, bytes(end - start))
    assert f"is damaged at offset {start}: {END_MISSING}" in refusal(files)
    (done,) = set_aside(files)
    assert (done.stretch.offset, done.stretch.reason) == (start, END_MISSING)
    assert messages(DurableBroker(files)) == [body for body in MESSAGES if body not in lost]


def test_a_stretch_that_is_too_short_for_a_filler_takes_the_next_group_with_it():
    number = NUMBERS[1]
    files = SOUND.process_death()
    data = files.read_all(segment_path(LOG, number))
    start, end, lost = GROUPS[number][0]
    moved = bytes(5) + b"\x01" * 5
    short = start + len(moved)
    # the first group as it would be, had ten bytes of something been written before it
    group = data[start:end]
    records = group[GROUP_HEADER_BYTES:]
    written_ms = int.from_bytes(group[24:32], "little")
    cut(files, number, start)
    put(
        files,
        number,
        start,
        moved + group_header(position_of(number, short), written_ms, [records]) + records,
    )
    assert f"is damaged at offset {start}" in refusal(files)
    done, missing = set_aside(files)
    assert (done.stretch.offset, done.stretch.end) == (start, end + len(moved))
    assert (missing.stretch.offset, missing.stretch.reason) == (end + len(moved), END_MISSING)
    gone = [body for each in GROUPS[number][1:] for body in each[2]] + lost
    assert messages(DurableBroker(files)) == [body for body in MESSAGES if body not in gone]


@pytest.mark.parametrize("record", [b"\x05\0\0\0\x63", b"\x06\0\0\0\x01\0", b"\xff\0\0\0\x01", b"\x01\0"])
def test_a_group_with_records_that_are_none_is_set_aside_whole(record: bytes):
    number = NUMBERS[-1]
    _start, end, _bodies = GROUPS[number][-1]
    files = SOUND.process_death()
    put(files, number, end, group_header(position_of(number, end), 1, [record]) + record)
    assert f"is damaged at offset {end + GROUP_HEADER_BYTES}" in refusal(files)
    (done,) = set_aside(files)
    assert files.read_all(done.copy) == group_header(position_of(number, end), 1, [record]) + record
    assert messages(DurableBroker(files)) == MESSAGES


def test_an_unfinished_last_segment_is_left_to_the_start():
    files = SOUND.process_death()
    file = files.create(segment_path(LOG, NUMBERS[-1] + 1))
    file.write(0, [b"AMQP"], True)
    file.close()
    assert set_aside(files) == []
    assert messages(DurableBroker(files)) == MESSAGES


def test_messages_that_were_settled_in_a_lost_group_are_back():
    broker = DurableBroker()
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    peer.publish(1, "", "q", b"settled", Properties(delivery_mode=2))
    place = int(broker.journal.log.begin(0).position) & 0xFFFFFFFF
    peer.call(1, commands.Basic.Get(queue="q", no_ack=True))
    peer.publish(1, "", "q", b"later", Properties(delivery_mode=2))
    files = broker.memory_files.process_death()
    files.corrupt(segment_path(LOG, 1), place, 1)
    set_aside(files)
    assert messages(DurableBroker(files)) == [b"settled", b"later"]


def test_another_version_is_not_touched():
    files = SOUND.process_death()
    header = bytearray(files.read_all(segment_path(LOG, NUMBERS[1]))[:SEGMENT_HEADER_BYTES])
    header[8] = FORMAT_VERSION + 1
    put(files, NUMBERS[1], 0, with_crc(bytes(header)))
    files.corrupt(segment_path(LOG, NUMBERS[0]), 40, 1)
    before = files.read_all(segment_path(LOG, NUMBERS[0]))
    with pytest.raises(UnknownFormat):
        set_aside(files)
    assert files.read_all(segment_path(LOG, NUMBERS[0])) == before


def with_crc(header: bytes) -> bytes:
    """A segment's header with the CRC that belongs to it."""
    crc = crc32(header[16:], crc32(header[8:12]))
    return header[:12] + crc.to_bytes(4, "little") + header[16:]


def much_damage() -> MemoryFiles:
    """A header, a group, a missing segment, and an empty one."""
    files = SOUND.process_death()
    files.corrupt(segment_path(LOG, NUMBERS[0]), 9, 1)
    files.corrupt(segment_path(LOG, NUMBERS[0]), GROUPS[NUMBERS[0]][1][0] + 35, 1)
    files.remove(segment_path(LOG, NUMBERS[1]))
    cut(files, NUMBERS[2], SEGMENT_HEADER_BYTES)
    files.sync_directory(LOG)
    return files


KEPT = [
    body
    for number in (NUMBERS[0], *NUMBERS[3:])
    for index, group in enumerate(GROUPS[number])
    for body in group[2]
    if (number, index) != (NUMBERS[0], 1)
]


@pytest.mark.parametrize("loses_power", [False, True])
def test_killed_at_any_moment_it_can_be_run_again(loses_power: bool):
    original = much_damage()
    originals = {path: original.read_all(path) for path in original.sizes()}
    fails_at = 0
    while True:
        disk = original.process_death()
        failing = FailingFiles(disk, Random(fails_at), fails_at=fails_at, for_good=True)
        try:
            Repair(failing, LOG, ASIDE).run()
        except OSError:
            disk = disk.power_loss(Random(fails_at)) if loses_power else disk.process_death()
            set_aside(disk)
        assert messages(DurableBroker(disk.process_death())) == KEPT
        damaged = segment_path(LOG, NUMBERS[0])
        start, end, _bodies = GROUPS[NUMBERS[0]][1]
        copies = [disk.read_all(path) for path in disk.sizes() if path.startswith(ASIDE)]
        assert originals[damaged][start:end] in copies
        assert originals[damaged][:SEGMENT_HEADER_BYTES] in copies
        if not failing.failed:
            break
        fails_at += 1
    assert fails_at > 20


def test_a_copy_is_never_overwritten_by_another():
    files = SOUND.process_death()
    start, _end, _bodies = GROUPS[NUMBERS[0]][1]
    path = segment_path(LOG, NUMBERS[0])
    files.corrupt(path, start + 35, 1)
    (first,) = set_aside(files)
    kept = files.read_all(first.copy)
    files.corrupt(path, start + 36, 1)
    (second,) = set_aside(files)
    assert second.copy == f"{ASIDE}/{NUMBERS[0]:010d}-{start}-2.damaged"
    assert files.read_all(first.copy) == kept


def test_a_filler_is_a_whole_group_that_says_nothing():
    for size in (FILLER_MIN_BYTES, 100, 70000):
        files = MemoryFiles()
        file = files.create("/filler")
        file.write(SEGMENT_HEADER_BYTES, [filler(position_of(7, SEGMENT_HEADER_BYTES), size)], True)
        reader = GroupReader(file, 7, True)
        assert reader.next()
        assert reader.offset == SEGMENT_HEADER_BYTES + size
        bodies = Bodies()
        replay_group(reader, bodies, "")
        assert bodies.found == []
