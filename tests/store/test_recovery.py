"""From a replayed log to queues: intervals against a set, and messages that stand in the log more than once."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from librt.strings import BytesWriter

from amqpd.store.api import Log
from amqpd.store.paged import PagedMessages
from amqpd.store.queue_index import QueueIndex
from amqpd.store.records import (
    PROGRESS,
    SNAPSHOT_PROGRESS,
    write_holder,
    write_message_head,
    write_progress,
)
from amqpd.store.recovery import Definitions, Intervals, Pile, RecoveredQueue, Recovery, merged


class Live(Log):
    """Counts what is kept alive, by position."""

    def __init__(self) -> None:
        self.live: dict[int, int] = {}

    def retain(self, position: int, size: int) -> None:
        self.live[position] = self.live.get(position, 0) + size


class ListDefinitions(Definitions):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bytes]] = []

    def apply(self, definition: bytes) -> None:
        self.told.append(("apply", definition))

    def apply_missing(self, definition: bytes) -> None:
        self.told.append(("missing", definition))

    def gap(self) -> None:
        self.told.append(("gap", b""))


def rows(paged: PagedMessages) -> list[tuple[int, int, int]]:
    found = paged.first(1 << 62, 1 << 62)
    return [(int(each.queue_position), int(each.log_position), int(each.share)) for each in found]


def finished(queue: RecoveredQueue) -> list[tuple[int, int, int]]:
    index, log = QueueIndex(1, True), Live()
    queue.finish(index, log)
    found = rows(index.paged)
    assert log.live == {log_position: share for _, log_position, share in found}
    return found


def pile_of(messages: list[tuple[int, int]]) -> Pile:
    pile = Pile()
    for queue_position, log_position in messages:
        pile.append(queue_position, log_position, 10)
    return pile


def message_record(*holders: tuple[int, int], content: bytes = b"content") -> bytes:
    writer = BytesWriter()
    write_message_head(writer, 1, len(content), 0, 0, 0, len(holders))
    for queue_id, queue_position in holders:
        write_holder(writer, queue_id, queue_position)
    writer.write(content)
    return writer.getvalue()


def progress_record(queue_id: int, delivered: int, *settled: int, snapshot: bool = False) -> bytes:
    writer = BytesWriter()
    write_progress(writer, SNAPSHOT_PROGRESS if snapshot else PROGRESS, queue_id, delivered, list(settled))
    return writer.getvalue()


# Intervals

STARTS = st.one_of(st.integers(0, 30), st.integers((1 << 31) - 10, (1 << 31) + 10))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(STARTS, st.integers(-1, 12)), max_size=25), st.integers(1, 30))
@example([(0, 1), (2, 1), (1, 1)], 30)
@example([(5, 1), (0, 1), (1, 4)], 1)
@example([(4, 2), (8, 2), (0, 20)], 2)
def test_intervals_are_a_set_of_numbers_that_do_not_touch(added: list[tuple[int, int]], tidied_min: int):
    intervals, model = Intervals(tidied_min), set[int]()
    for start, size in added:
        intervals.add(start, start + size)
        model.update(range(start, start + size))
    assert intervals.end == max(model, default=-1) + 1
    intervals.tidy()
    borders = [border for pair in zip(intervals.starts, intervals.ends, strict=True) for border in pair]
    assert borders == sorted(set(borders))
    pairs = zip(intervals.starts, intervals.ends, strict=True)
    assert {number for first, end in pairs for number in range(first, end)} == model


def test_settling_in_order_is_one_interval():
    intervals = Intervals()
    for number in range(1000):
        intervals.add(number, number + 1)
    assert (list(intervals.starts), list(intervals.ends)) == ([0], [1000])


def test_every_second_number_then_the_others_is_one_interval():
    intervals = Intervals()
    for number in [*range(0, 100, 2), *range(99, 0, -2)]:
        intervals.add(number, number + 1)
    intervals.tidy()
    assert (list(intervals.starts), list(intervals.ends)) == ([0], [100])


def test_however_settlements_come_few_intervals_are_kept_where_few_are_enough():
    intervals = Intervals(tidied_min=16)
    numbers = list(range(1000))
    random.Random(1).shuffle(numbers)
    for number in [each ^ 1 for each in range(1000)]:
        intervals.add(number, number + 1)
        assert len(intervals.starts) <= 16
    for number in numbers:
        intervals.add(2 * number + 2000, 2 * number + 2001)
    assert len(intervals.starts) == 1001


# Piles


def test_of_a_message_in_two_piles_the_later_place_in_the_log_counts():
    result = merged(pile_of([(1, 100), (2, 900), (4, 50)]), pile_of([(1, 800), (2, 200), (3, 60)]))
    assert list(result.queue_positions) == [1, 2, 3, 4]
    assert list(result.log_positions) == [800, 900, 60, 50]
    assert list(result.shares) == [10] * 4


def test_merging_with_nothing_changes_nothing():
    pile = pile_of([(1, 100), (5, 20)])
    for result in (merged(pile, Pile()), merged(Pile(), pile)):
        assert list(result.queue_positions) == [1, 5]
        assert list(result.log_positions) == [100, 20]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3)), max_size=80),
    st.sets(st.integers(0, 40)),
    st.sampled_from([1, 3, 1000]),
)
def test_the_latest_place_of_a_message_counts_whatever_the_order(
    told: list[tuple[int, int]], settled: set[int], sorted_at_once: int
):
    queue = RecoveredQueue(sorted_at_once)
    model: dict[int, tuple[int, int]] = {}
    for number, (queue_position, share) in enumerate(told):
        log_position = 100 + number
        queue.add(queue_position, log_position, share)
        model[queue_position] = (log_position, share)
    for position in settled:
        queue.settled.add(position, position + 1)
    everything = {*model, *settled}
    assert queue.next_queue_position() == (max(everything) + 1 if everything else 0)
    wanted = [(position, *model[position]) for position in sorted(model) if position not in settled]
    assert finished(queue) == wanted


@pytest.mark.parametrize("sorted_at_once", [100, 1000, 100_000])
def test_many_messages_in_any_order_come_out_in_theirs(sorted_at_once: int):
    queue = RecoveredQueue(sorted_at_once)
    places = random.Random(2).sample(range(0, 1 << 60, 1 << 40), 20_000)
    for number, queue_position in enumerate([*places, *places[:500]]):
        queue.add(queue_position, number, 1)
    moved = {queue_position: 20_000 + number for number, queue_position in enumerate(places[:500])}
    found = {queue_position: number for number, queue_position in enumerate(places)} | moved
    assert finished(queue) == [(queue_position, found[queue_position], 1) for queue_position in sorted(found)]


def test_messages_moved_many_times_over_come_out_once_and_in_order():
    queue = RecoveredQueue()
    log_position = 0
    for turn in range(20):
        for old in range(turn * 10):
            log_position += 1
            queue.add(old, log_position, turn)
        for new in range(turn * 10, turn * 10 + 10):
            log_position += 1
            queue.add(new, log_position, turn)
    assert [position for position, _, _ in finished(queue)] == list(range(200))


# Replays


def test_a_shared_message_is_in_every_queue_that_is_there_and_has_not_settled_it():
    record = message_record((1, 0), (2, 5), (3, 7), content=b"x" * 33)
    indexes = {number: QueueIndex(number, True) for number in (1, 2)}
    recovery, log = Recovery(ListDefinitions(), indexes), Live()
    recovery.segment(1 << 32)
    recovery.message((1 << 32) + 64, record, 0)
    settling = progress_record(1, 3, 0, 1)
    recovery.progress(settling, 0)
    ends = recovery.finish(log)
    share = len(record) // 3
    assert rows(indexes[1].paged) == []
    assert rows(indexes[2].paged) == [(5, (1 << 32) + 64, share)]
    assert log.live == {(1 << 32) + 64: share}
    assert ends == {1: 3, 2: 6}
    assert recovery.highest_queue_id == 3


def test_records_are_read_where_they_stand():
    before = message_record((9, 9))
    data = before + message_record((1, 4), content=b"abc") + progress_record(1, 2, 0, 2)
    index = QueueIndex(1, True)
    recovery, log = Recovery(ListDefinitions(), {1: index}), Live()
    recovery.message(500, data, len(before))
    recovery.progress(data, len(data) - len(progress_record(1, 2, 0, 2)))
    assert recovery.finish(log) == {1: 5}
    assert rows(index.paged) == [(4, 500, len(message_record((1, 4), content=b"abc")))]
    assert index.delivered == 2


def test_delivered_is_the_furthest_that_was_ever_told():
    index = QueueIndex(1, True)
    recovery = Recovery(ListDefinitions(), {1: index})
    for record in (progress_record(1, 7), progress_record(1, 3, snapshot=True)):
        recovery.progress(record, 0)
    assert recovery.finish(Live()) == {1: 7}
    assert index.delivered == 7


def test_settlements_count_wherever_the_message_stands():
    """A message that was moved stands behind its settlement if that was under way at the same time."""
    index = QueueIndex(1, True)
    recovery, log = Recovery(ListDefinitions(), {1: index}), Live()
    record = message_record((1, 0))
    recovery.message(100, record, 0)
    recovery.progress(progress_record(1, 1, 0, 1), 0)
    recovery.message(200, record, 0)
    assert recovery.finish(log) == {1: 1}
    assert (rows(index.paged), log.live) == ([], {})


def test_a_snapshot_counts_only_where_the_log_begins():
    definitions = ListDefinitions()
    recovery = Recovery(definitions, {})
    recovery.segment(1 << 32)
    recovery.snapshot(b"a")
    recovery.included(b"a again")
    recovery.definition(b"b")
    recovery.segment(2 << 32)
    recovery.snapshot(b"a")
    recovery.included(b"c")
    assert definitions.told == [("missing", b"a"), ("apply", b"b"), ("apply", b"c")]


def test_after_a_gap_the_next_snapshot_counts_again_and_no_later_one():
    definitions = ListDefinitions()
    recovery = Recovery(definitions, {})
    for number in (1, 2):
        recovery.segment(number << 32)
        recovery.snapshot(b"%d" % number)
    recovery.gap((2 << 32) + 100)
    for number in (3, 4):
        recovery.segment(number << 32)
        recovery.snapshot(b"%d" % number)
    assert definitions.told == [("missing", b"1"), ("gap", b""), ("missing", b"3")]
