"""What a log is: every implementation passes this, and so must any that is to come."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amqpd.store.api import CannotRead, Group, Log, Replay
from amqpd.store.files import DiskFiles
from amqpd.store.log import SegmentLog
from amqpd.store.memory import MemoryLog
from amqpd.store.records import (
    DEFINITION,
    GROUP_HEADER_BYTES,
    INCLUDED_DEFINITION,
    MESSAGE,
    PROGRESS,
    SNAPSHOT_DEFINITION,
    SNAPSHOT_PROGRESS,
    begin_message,
    filler,
    offset_of,
    read_message,
    read_ranges,
    record_size,
    segment_of,
    write_definition,
    write_holder,
    write_message_content,
    write_progress,
)
from amqpd.testing import MemoryFiles
from amqpd.testing.sink import message_of

SEGMENT_BYTES = 1000
DIRECTORY = "/log"


class Place:
    """Where a log is kept, so that another can be opened there after a crash."""

    def open(self, segment_bytes: int = SEGMENT_BYTES) -> Log:
        """The log that is there; it is not replayed yet."""
        raise NotImplementedError


class InMemory(Place):
    def __init__(self) -> None:
        self._log: MemoryLog | None = None

    def open(self, segment_bytes: int = SEGMENT_BYTES) -> Log:
        self._log = MemoryLog(segment_bytes, self._log.contents() if self._log is not None else None)
        return self._log


class InMemoryFiles(Place):
    def __init__(self) -> None:
        self._files = MemoryFiles()

    def open(self, segment_bytes: int = SEGMENT_BYTES) -> Log:
        self._files = self._files.process_death()
        return SegmentLog(self._files, DIRECTORY, segment_bytes)


class OnDisk(Place):
    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self, segment_bytes: int = SEGMENT_BYTES) -> Log:
        return SegmentLog(DiskFiles(), str(self._path / "log"), segment_bytes)


@pytest.fixture(params=["memory", "segments in memory", "segments on disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    places: dict[str, Callable[[], Place]] = {
        "memory": InMemory,
        "segments in memory": InMemoryFiles,
        "segments on disk": lambda: OnDisk(tmp_path),
    }
    return places[request.param]()


@pytest.fixture
def log(place: Place) -> Log:
    """An empty one, ready to be written."""
    log = place.open()
    assert heard(log).told == []
    return log


class Told(NamedTuple):
    """One thing that a replay told; the position is None where it tells none."""

    kind: str
    what: object
    position: int | None = None


class Listener(Replay):
    """Remembers."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def segment(self, position: int) -> None:
        self.told.append(Told("segment", None, position))

    def message(self, position: int, data: bytes, at: int) -> None:
        self.told.append(Told("message", read_message(data, at).body(), position))

    def definition(self, definition: bytes) -> None:
        self.told.append(Told("definition", definition))

    def snapshot(self, definition: bytes) -> None:
        self.told.append(Told("snapshot", definition))

    def included(self, definition: bytes) -> None:
        self.told.append(Told("included", definition))

    def progress(self, data: bytes, at: int) -> None:
        self.told.append(Told("progress", read_ranges(data, at)))

    def gap(self, position: int) -> None:
        self.told.append(Told("gap", None, position))

    def messages(self) -> list[object]:
        return [each.what for each in self.told if each.kind == "message"]

    def segments(self) -> list[int]:
        return [each.position for each in self.told if each.position is not None and each.kind == "segment"]


def heard(log: Log) -> Listener:
    listener = Listener()
    log.replay(listener)
    return listener


def add_message(group: Group, body: bytes) -> int:
    """A message of queue 1; its position."""
    message = message_of(body)
    position = group.next_position()
    begin_message(group.writer(), message, 1)
    write_holder(group.writer(), 1, 0)
    write_message_content(group.records, message)
    return int(position)


def write(log: Log, group: Group) -> None:
    log.append(group)
    group.write()
    log.wrote(group)


def write_message(log: Log, body: bytes) -> int:
    """One message in a group of its own; its position."""
    group = log.begin(0)
    position = add_message(group, body)
    write(log, group)
    return position


def body_at(log: Log, position: int) -> bytes:
    data = log.read(position, 16)
    data = log.read(position, record_size(data, 0))
    return read_message(data, 0).body()


def fill_segments(log: Log, count: int) -> list[list[int]]:
    """So many segments of messages, and the first message of one more: the positions, by segment."""
    segments: list[list[int]] = []
    while len(segments) <= count:
        position = write_message(log, b"%d" % len(segments) + bytes(200))
        if not segments or segment_of(segments[-1][0]) != segment_of(position):
            segments.append([])
        segments[-1].append(position)
    return segments


# groups


def test_an_empty_log_tells_nothing_and_wants_nothing(log: Log):
    assert heard(log).told == []
    assert not log.wants_cut()


def test_a_group_knows_its_time_and_that_it_is_the_first_of_all(log: Log):
    group = log.begin(123456789)
    assert group.written_ms == 123456789
    assert group.first_in_segment
    assert group.is_empty()
    add_message(group, b"m")
    assert not group.is_empty()


def test_only_the_first_group_of_a_segment_is_told_so(log: Log):
    first: list[bool] = []
    numbers: list[int] = []
    for _ in range(20):
        group = log.begin(0)
        first.append(group.first_in_segment)
        numbers.append(segment_of(group.position))
        add_message(group, bytes(150))
        write(log, group)
    assert first == [number not in numbers[:at] for at, number in enumerate(numbers)]
    assert 2 < len(set(numbers)) < 20


def test_positions_are_known_before_anything_is_written_and_grow(log: Log):
    positions: list[int] = []
    for _ in range(3):
        group = log.begin(0)
        positions += [add_message(group, b"%d" % number) for number in range(3)]
        write(log, group)
    assert positions == sorted(set(positions))
    assert all(position > 0 for position in positions)


def test_a_group_begins_where_the_one_before_ended(log: Log):
    group = log.begin(0)
    assert group.next_position() == group.position + GROUP_HEADER_BYTES
    add_message(group, b"m")
    end = group.next_position()
    write(log, group)
    assert log.begin(0).position == end


def test_a_group_that_was_begun_and_left_empty_leaves_no_trace(place: Place, log: Log):
    write_message(log, b"before")
    position = log.begin(0).position
    group = log.begin(0)
    assert group.position == position
    add_message(group, b"after")
    write(log, group)
    log.close()
    assert heard(place.open()).messages() == [b"before", b"after"]


def test_a_segment_is_left_when_it_has_its_size_and_not_before(log: Log):
    last = log.begin(0).position
    for _ in range(30):
        group = log.begin(0)
        if segment_of(group.position) == segment_of(last):
            assert offset_of(group.position) < SEGMENT_BYTES
        else:
            assert segment_of(group.position) == segment_of(last) + 1
            assert offset_of(last) >= SEGMENT_BYTES
        add_message(group, bytes(70))
        last = group.next_position()
        write(log, group)


def test_one_group_may_be_larger_than_a_segment(place: Place, log: Log):
    body = bytes(range(256)) * 40
    position = write_message(log, body)
    following = write_message(log, b"next")
    assert body_at(log, position) == body
    assert segment_of(following) == segment_of(position) + 1
    log.close()
    assert heard(place.open()).messages() == [body, b"next"]


# what is durable


def test_nothing_is_durable_before_its_group_was_written(log: Log):
    before = write_message(log, b"before")
    group = log.begin(0)
    position = add_message(group, b"m")
    assert not log.is_durable(position)
    log.append(group)
    assert not log.is_durable(position)
    group.write()
    assert not log.is_durable(position)
    log.wrote(group)
    assert log.is_durable(position)
    assert log.is_durable(before)
    assert not log.is_durable(group.next_position() + 200)


def test_what_was_appended_and_not_written_is_not_there_after_a_crash(place: Place, log: Log):
    write_message(log, b"before")
    group = log.begin(0)
    add_message(group, b"m")
    log.append(group)
    assert heard(place.open()).messages() == [b"before"]


def test_what_was_written_is_there_after_a_crash(place: Place, log: Log):
    group = log.begin(0)
    add_message(group, b"m")
    log.append(group)
    group.write()
    assert heard(place.open()).messages() == [b"m"]


# reading


def test_each_message_is_read_where_its_position_says(log: Log):
    bodies = [b"%d" % number * (number + 1) for number in range(40)]
    positions = [write_message(log, body) for body in bodies]
    assert len({segment_of(position) for position in positions}) > 2
    assert [body_at(log, position) for position in positions] == bodies
    assert [body_at(log, position) for position in reversed(positions)] == bodies[::-1]


def test_a_read_gives_what_follows_as_well_but_not_from_the_next_segment(log: Log):
    first = write_message(log, b"first")
    second = write_message(log, b"second")
    data = log.read(first, 1 << 20)
    assert read_message(data, 0).body() == b"first"
    assert read_message(data, second - first).body() == b"second"
    fill_segments(log, 1)
    assert log.read(first, len(data))[: second - first] == data[: second - first]


def test_a_read_gives_no_more_than_was_asked_for(log: Log):
    position = write_message(log, b"m" * 100)
    assert len(log.read(position, 17)) == 17
    assert log.read(position, 17) == log.read(position, 40)[:17]


def test_a_read_behind_the_end_gives_nothing_or_cannot_be_done(log: Log):
    position = write_message(log, b"m")
    write_message(log, b"a segment more")
    try:
        data = log.read(position + (1 << 30), 100)
    except CannotRead:
        data = b""
    assert data == b""


def test_what_was_replayed_can_be_read(place: Place, log: Log):
    positions = [write_message(log, b"%d" % number + bytes(100)) for number in range(20)]
    log.close()
    again = place.open()
    told = [each for each in heard(again).told if each.kind == "message"]
    assert [each.position for each in told] == positions
    assert [body_at(again, position) for position in positions] == [each.what for each in told]
    assert all(again.is_durable(position) for position in positions)


# replaying


def test_a_replay_tells_every_kind_of_record_in_order(place: Place, log: Log):
    group = log.begin(0)
    write_definition(group.writer(), SNAPSHOT_DEFINITION, b"as it was")
    write_progress(group.writer(), SNAPSHOT_PROGRESS, 1, 7, [])
    write_definition(group.writer(), INCLUDED_DEFINITION, b"a change that the snapshot has")
    write_definition(group.writer(), DEFINITION, b"a change")
    position = add_message(group, b"m")
    write_progress(group.writer(), PROGRESS, 1, 8, [2, 3, 5, 8])
    first = group.position
    write(log, group)
    second = write_message(log, b"n")
    log.close()
    assert heard(place.open()).told == [
        Told("segment", None, first - offset_of(first)),
        Told("snapshot", b"as it was"),
        Told("progress", []),
        Told("included", b"a change that the snapshot has"),
        Told("definition", b"a change"),
        Told("message", b"m", position),
        Told("progress", [2, 3, 5, 8]),
        Told("message", b"n", second),
    ]


def test_a_filler_is_told_as_a_gap(place: Place, log: Log):
    write_message(log, b"before")
    group = log.begin(0)
    position = group.next_position()
    group.writer().write(filler(0, 100)[GROUP_HEADER_BYTES:])
    write(log, group)
    write_message(log, b"after")
    log.close()
    told = heard(place.open()).told[1:]
    assert [each.kind for each in told] == ["message", "gap", "message"]
    assert told[1].position == position


def test_each_segment_is_told_before_what_is_in_it(place: Place, log: Log):
    positions = [write_message(log, bytes(300)) for _ in range(12)]
    log.close()
    current = 0
    for each in heard(place.open()).told:
        assert each.position is not None
        if each.kind == "segment":
            assert offset_of(each.position) == 0
            assert segment_of(each.position) > current
            current = segment_of(each.position)
        else:
            assert segment_of(each.position) == current
    assert current == segment_of(positions[-1])


def test_a_log_that_goes_on_after_a_start_begins_a_segment_behind_the_last(place: Place, log: Log):
    before = write_message(log, b"before")
    log.close()
    again = place.open()
    heard(again)
    group = again.begin(0)
    assert group.first_in_segment
    assert segment_of(group.position) == segment_of(before) + 1
    add_message(group, b"after")
    write(again, group)
    assert body_at(again, before) == b"before"
    again.close()
    assert heard(place.open()).messages() == [b"before", b"after"]


@given(
    sizes=st.lists(st.lists(st.integers(0, 700), min_size=1, max_size=4), max_size=12),
    restart_at=st.integers(0, 12),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_everything_comes_back_in_order_however_it_is_grouped(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[list[int]], restart_at: int
):
    places: list[Place] = [InMemory(), InMemoryFiles(), OnDisk(tmp_path_factory.mktemp("log"))]
    found: list[list[Told]] = []
    for place in places:
        log = place.open()
        heard(log)
        positions: list[int] = []
        bodies: list[bytes] = []
        for number, group_sizes in enumerate(sizes):
            if number == restart_at:
                log.close()
                log = place.open()
                heard(log)
            group = log.begin(0)
            for size in group_sizes:
                bodies.append(b"%d." % len(bodies) + bytes(size))
                positions.append(add_message(group, bodies[-1]))
            write(log, group)
        assert [body_at(log, position) for position in positions] == bodies
        log.close()
        again = place.open()
        found.append(heard(again).told)
        again.close()
        told = [(each.position, each.what) for each in found[-1] if each.kind == "message"]
        assert told == list(zip(positions, bodies, strict=True))
    assert found[0] == found[1] == found[2]


# what is needed, and the front


def test_a_segment_is_needed_as_long_as_bytes_of_it_are_retained(log: Log):
    position = write_message(log, b"m")
    assert not log.is_needed(position)
    log.retain(position, 10)
    log.retain(position, 5)
    log.release(position, 10)
    assert log.is_needed(position)
    log.release(position, 5)
    assert not log.is_needed(position)


def test_the_front_is_the_oldest_segment(log: Log):
    segments = fill_segments(log, 2)
    start, end = log.front()
    first = segments[0]
    assert segment_of(start) == segment_of(first[0])
    assert offset_of(start) == 0
    assert start < first[0] <= first[-1] < end
    assert end < segments[1][0]


def test_a_log_of_one_segment_is_never_to_be_cut(log: Log):
    position = write_message(log, b"m")
    assert not log.wants_cut()
    log.retain(position, 100)
    log.release(position, 100)
    assert not log.wants_cut()


def test_a_front_that_nobody_needs_is_to_be_cut(log: Log):
    segments = fill_segments(log, 1)
    for position in (*segments[0], *segments[1]):
        log.retain(position, 300)
    assert not log.wants_cut()
    for position in segments[0]:
        log.release(position, 300)
    assert log.wants_cut()


def test_a_log_of_which_little_is_needed_is_to_be_cut_though_its_front_is(log: Log):
    segments = fill_segments(log, 8)
    log.retain(segments[0][0], 200)
    assert log.wants_cut()


def test_a_log_of_which_most_is_needed_is_not_to_be_cut(log: Log):
    for position in [position for segment in fill_segments(log, 8) for position in segment]:
        log.retain(position, 200)
    assert not log.wants_cut()


def test_what_was_cut_goes_with_the_next_group_and_not_before(place: Place, log: Log):
    segments = fill_segments(log, 3)
    _start, end = log.front()
    log.cut(end)
    group = log.begin(0)
    add_message(group, b"last")
    log.append(group)
    assert segment_of(log.front()[0]) == segment_of(segments[1][0])
    told = heard(place.open())
    assert [segment_of(position) for position in told.segments()] == [
        segment_of(positions[0]) for positions in segments
    ]


def test_what_was_cut_is_gone_when_the_next_group_is_durable(place: Place, log: Log):
    segments = fill_segments(log, 3)
    _start, end = log.front()
    log.cut(end)
    write_message(log, b"last")
    log.close()
    told = heard(place.open())
    assert segment_of(told.segments()[0]) == segment_of(segments[1][0])
    assert next(each.position for each in told.told if each.kind == "message") == segments[1][0]
    assert told.messages()[-1] == b"last"


def test_a_cut_takes_whole_segments_that_end_before_it_and_no_other(log: Log):
    segments = fill_segments(log, 4)
    log.cut(segments[2][-1])
    assert segment_of(log.front()[0]) == segment_of(segments[2][0])
    assert [body_at(log, positions[0])[:1] for positions in segments[2:]] == [b"2", b"3", b"4"]


def test_a_cut_never_takes_the_last_segment(log: Log):
    segments = fill_segments(log, 2)
    log.cut(segments[-1][-1] + (1 << 40))
    assert segment_of(log.front()[0]) == segment_of(segments[-1][0])
    assert body_at(log, segments[-1][-1])[:1] == b"2"


def test_a_log_that_was_cut_goes_on_and_comes_back(place: Place, log: Log):
    bodies: list[bytes] = []
    numbers: list[int] = []
    for number in range(60):
        bodies.append(b"%d" % number + bytes(200))
        numbers.append(segment_of(write_message(log, bodies[-1])))
        while log.wants_cut():
            log.cut(log.front()[1])
    log.close()
    found = heard(place.open())
    first = segment_of(found.segments()[0])
    assert first > 1
    expected = [body for body, segment in zip(bodies, numbers, strict=True) if segment >= first]
    assert found.messages() == expected


def test_needs_that_moved_on_let_the_front_go(log: Log):
    """What a log is for: what lives in the oldest segment is written again, and the segment goes."""
    segments = fill_segments(log, 6)
    living = segments[0][0]
    log.retain(living, 200)
    body = body_at(log, living)
    for _ in range(20):
        if not log.wants_cut():
            break
        start, end = log.front()
        if log.is_needed(start):
            moved = write_message(log, body)
            log.retain(moved, 200)
            log.release(living, 200)
            living = moved
        log.cut(end)
    assert not log.wants_cut()
    assert segment_of(log.front()[0]) > segment_of(segments[0][0])
    assert body_at(log, living) == body


def test_a_message_record_says_how_long_it_is(log: Log):
    position = write_message(log, b"m" * 77)
    following = write_message(log, b"n")
    data = log.read(position, 16)
    assert data[4] == MESSAGE
    assert position + record_size(data, 0) + GROUP_HEADER_BYTES == following
