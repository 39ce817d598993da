"""PagedMessages against a list, and against a dict."""

import random
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from amqpd.store.paged import CHUNK_MESSAGES, PagedMessage, PagedMessages

SHARE_MAX = (1 << 32) - 1
ALL = 1 << 62

Row = tuple[int, int, int]


def row(paged: PagedMessage) -> Row:
    return int(paged.queue_position), int(paged.log_position), int(paged.share)


def rows(paged: PagedMessages) -> list[Row]:
    return [row(each) for each in paged.first(ALL, ALL)]


def filled(model: list[Row]) -> PagedMessages:
    paged = PagedMessages()
    for each in model:
        paged.append(*each)
    return paged


def numbered(count: int, start: int = 0) -> list[Row]:
    return [(start + number, 1000 + 7 * number, number % 5) for number in range(count)]


GAPS = st.one_of(
    st.integers(1, 3),
    st.integers(1, 1 << 34),
    st.sampled_from([(1 << 31) - 1, 1 << 31, (1 << 31) + 1, 1 << 32, (1 << 32) + 1]),
)
LOG_POSITIONS = st.integers(1, (1 << 62) - 1)
SHARES = st.one_of(st.integers(0, 1000), st.sampled_from([SHARE_MAX, SHARE_MAX - 1, 1 << 31, (1 << 31) - 1]))
APPEND = st.tuples(st.just("append"), st.lists(st.tuples(GAPS, LOG_POSITIONS, SHARES), max_size=6))
DROP = st.tuples(st.just("drop"), st.integers(0, 8))
MOVE = st.tuples(st.just("move"), st.tuples(st.integers(0, 1000), LOG_POSITIONS, SHARES))
FIRST = st.tuples(st.just("first"), st.tuples(st.integers(1, 8), st.integers(0, 3000)))


def first_of(model: list[Row], messages_max: int, bytes_max: int) -> list[Row]:
    """What `first` promises: one if there is one, and no more than either bound allows."""
    found = model[:1]
    for each in model[1:messages_max]:
        if sum(share for _, _, share in found) + each[2] > bytes_max:
            break
        found.append(each)
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(APPEND, DROP, MOVE, FIRST), max_size=30))
@example([("append", [(1, 1, 1), (1 << 31, 2, 2)]), ("drop", 1), ("append", [(1, 3, 3)]), ("drop", 8)])
def test_it_is_a_list_whose_front_goes(steps: list[tuple[str, Any]]):
    paged = PagedMessages()
    model: list[Row] = []
    gone: list[int] = []
    end = -1
    for action, value in steps:
        if action == "append":
            for gap, log_position, share in value:
                end += gap
                model.append((end, log_position, share))
                paged.append(end, log_position, share)
        elif action == "drop":
            count = min(value, len(model))
            gone += [each[0] for each in model[:count]]
            del model[:count]
            paged.drop(count)
        elif action == "move" and model:
            seed, log_position, share = value
            moved = seed % len(model)
            model[moved] = (model[moved][0], log_position, share)
            paged.move(*model[moved])
        elif action == "first":
            messages_max, bytes_max = value
            found = paged.first(messages_max, bytes_max)
            assert [row(each) for each in found] == first_of(model, messages_max, bytes_max)
        assert paged.count == len(model)
        assert rows(paged) == model
        assert not model or paged.first_queue_position() == model[0][0]
    for each in model:
        found_one = paged.find(each[0])
        assert found_one is not None and row(found_one) == each
    there = {each[0] for each in model}
    neighbours = [position + step for position in (*there, *gone, end) for step in (-1, 0, 1)]
    assert [position for position in neighbours if position not in there and paged.find(position)] == []


def test_an_empty_one_finds_nothing():
    paged = PagedMessages()
    assert paged.find(0) is None
    assert rows(paged) == []
    paged.drop(0)
    assert paged.count == 0


def test_what_was_dropped_is_not_found_any_more_at_the_borders_of_chunks():
    model = numbered(3 * CHUNK_MESSAGES)
    for dropped in (1, CHUNK_MESSAGES - 1, CHUNK_MESSAGES, CHUNK_MESSAGES + 1, 2 * CHUNK_MESSAGES):
        paged = filled(model)
        paged.drop(dropped)
        found = [position for position in range(3 * CHUNK_MESSAGES) if paged.find(position) is not None]
        assert found == list(range(dropped, 3 * CHUNK_MESSAGES))
        assert paged.first_queue_position() == dropped
        assert rows(paged) == model[dropped:]


def test_first_reads_over_the_border_of_a_chunk():
    model = numbered(CHUNK_MESSAGES + 10)
    paged = filled(model)
    paged.drop(CHUNK_MESSAGES - 2)
    assert [row(each) for each in paged.first(5, ALL)] == model[CHUNK_MESSAGES - 2 : CHUNK_MESSAGES + 3]


def test_a_message_at_the_border_of_a_chunk_can_be_moved():
    model = numbered(2 * CHUNK_MESSAGES + 1)
    paged = filled(model)
    for position in (0, CHUNK_MESSAGES - 1, CHUNK_MESSAGES, 2 * CHUNK_MESSAGES - 1, 2 * CHUNK_MESSAGES):
        model[position] = (position, 5_000_000 + position, SHARE_MAX)
        paged.move(*model[position])
    assert rows(paged) == model


def test_what_is_cleared_was_in_these_segments_with_these_shares():
    segments = [1, 1, 2, 2, 2, 1, 7, 7]
    paged = PagedMessages(3)
    for number, segment in enumerate(segments):
        paged.append(number, (segment << 32) + 100 * number, 10 + number)
    paged.drop(1)
    assert [(position >> 32, share) for position, share in paged.clear()] == [
        (1, 11),
        (2, 39),
        (1, 15),
        (7, 33),
    ]
    assert (paged.count, rows(paged), paged.clear(), paged.find(3)) == (0, [], [], None)
    paged.append(3, 5, 6)
    assert rows(paged) == [(3, 5, 6)]


def test_it_goes_on_after_it_was_emptied():
    paged = filled(numbered(CHUNK_MESSAGES))
    paged.drop(CHUNK_MESSAGES)
    assert (int(paged.count), rows(paged), paged.find(0)) == (0, [], None)
    more = numbered(3, 1 << 40)
    for each in more:
        paged.append(*each)
    assert rows(paged) == more
    assert paged.find(CHUNK_MESSAGES) is None


def test_it_stays_right_when_far_more_goes_through_it_than_is_ever_in_it():
    """Used-up chunks are thrown away in lots."""
    paged = PagedMessages(2)
    for number in range(6000):
        paged.append(number, number + 1, 1)
        if number >= 3:
            assert paged.first_queue_position() == number - 3
            paged.drop(1)
            assert paged.find(number - 3) is None
            oldest = paged.find(number - 2)
            assert oldest is not None and oldest.log_position == number - 1
    assert rows(paged) == [(number, number + 1, 1) for number in range(5997, 6000)]


def test_it_stays_right_when_messages_are_far_apart():
    distance = 1 << 31
    paged = PagedMessages()
    for number in range(3000):
        paged.append(number * distance, number + 1, 1)
        if number >= 3:
            paged.drop(1)
            assert paged.find((number - 3) * distance) is None
            assert paged.find((number - 2) * distance) is not None
    assert rows(paged) == [(number * distance, number + 1, 1) for number in range(2997, 3000)]


# In any order

PLACES = st.one_of(
    st.integers(0, 60),
    st.integers(0, (1 << 62) - 1),
    st.sampled_from([1 << 31, (1 << 31) - 1, (1 << 31) + 1, 1 << 40]),
)
INSERT = st.tuples(st.just("insert"), st.lists(st.tuples(PLACES, LOG_POSITIONS, SHARES), max_size=12))
LAST = st.tuples(st.just("append"), st.lists(st.tuples(GAPS, LOG_POSITIONS, SHARES), max_size=6))


def check_against(paged: PagedMessages, model: dict[int, Row], gone: set[int]) -> None:
    wanted = sorted(model.values())
    assert paged.count == len(wanted)
    assert rows(paged) == wanted
    assert not wanted or paged.first_queue_position() == wanted[0][0]
    for each in wanted:
        found = paged.find(each[0])
        assert found is not None and row(found) == each
    neighbours = {position + step for position in (*model, *gone) for step in (-1, 0, 1)}
    assert [position for position in neighbours - set(model) if paged.find(position) is not None] == []


@settings(max_examples=300, deadline=None)
@given(st.integers(2, 5), st.lists(st.one_of(INSERT, LAST, DROP, MOVE), max_size=25))
@example(2, [("append", [(1, 1, 1)] * 4), ("drop", 3), ("insert", [(0, 5, 5), (2, 6, 6)]), ("drop", 1)])
def test_it_is_a_sorted_dict_whose_front_goes(chunk_messages: int, steps: list[tuple[str, Any]]):
    paged = PagedMessages(chunk_messages)
    model: dict[int, Row] = {}
    gone: set[int] = set()
    for action, value in steps:
        if action == "insert":
            for each in value:
                model[each[0]] = each
                paged.insert(*each)
        elif action == "append":
            for gap, log_position, share in value:
                position = max(model, default=-1) + gap
                model[position] = (position, log_position, share)
                paged.append(position, log_position, share)
        elif action == "drop":
            dropped = sorted(model)[:value]
            for position in dropped:
                del model[position]
            gone.update(dropped)
            paged.drop(len(dropped))
        elif model:
            seed, log_position, share = value
            position = sorted(model)[seed % len(model)]
            model[position] = (position, log_position, share)
            paged.move(*model[position])
        check_against(paged, model, gone)


@pytest.mark.parametrize("order", ["up", "down", "mixed"])
def test_many_are_sorted_whatever_order_they_come_in(order: str):
    model = [(number << 40, number + 1, number % 7) for number in range(3 * CHUNK_MESSAGES)]
    coming = model if order == "up" else model[::-1]
    if order == "mixed":
        coming = random.Random(5).sample(model, len(model))
    paged = PagedMessages()
    for each in coming:
        paged.insert(*each)
    assert rows(paged) == model


def test_what_was_taken_may_come_again_before_all_others():
    paged = filled(numbered(10))
    paged.drop(5)
    paged.insert(3, 77, 7)
    assert paged.first_queue_position() == 3
    assert rows(paged) == [(3, 77, 7), *numbered(10)[5:]]
