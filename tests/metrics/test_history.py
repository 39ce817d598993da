"""What a history keeps, and for how long, compared with one that keeps everything."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpd.metrics.history import BASIC, GLOBAL, INTERVAL_S, History, Joined, Layout, Row

LAYOUT = Layout(("ready", "unacked", "publish"), {"messages": ("ready", "unacked"), "reductions": ()})
MINUTE = 12
"""So many ticks has a minute."""

HALF_HOUR = 360
steps = st.lists(
    st.tuples(
        st.integers(1, 400),
        st.tuples(st.integers(0, 3), st.sampled_from((0, 1, 2**32, 2**40)), st.sampled_from((0, 7))),
    ),
    max_size=40,
)


def truth(first_tick: int, rows: dict[int, Row], tick: int) -> Row:
    """The row at a tick, from all rows."""
    before = [each for each in rows if each <= tick]
    return rows[max(before)] if before and tick >= first_tick else LAYOUT.nothing


@given(st.integers(0, 1000), steps)
def test_every_step_of_the_retention_tells_what_was_at_its_moments(
    first_tick: int, changes: list[tuple[int, Row]]
):
    layout = Layout(LAYOUT.names, {}, GLOBAL)
    history, rows, tick = History(layout, first_tick, (5, 0, 0)), {first_tick: (5, 0, 0)}, first_tick
    for ticks, row in changes:
        tick += ticks
        history.record(tick, row)
        rows[tick] = row
    for level, distance in enumerate(GLOBAL.ticks):
        newest = tick // distance * distance
        oldest = newest - (GLOBAL.rows[level] - 1) * distance
        kept = range(newest, max(0, oldest - 1), -distance)
        assert history.at(level, kept) == [truth(first_tick, rows, each) for each in kept]


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 2**35), st.integers(0, 1)), min_size=300, max_size=400
    )
)
def test_what_changes_always_keeps_no_more_than_its_retention(changes: list[Row]):
    history = History(LAYOUT, 0, (0, 0, 0))
    for tick, row in enumerate(changes, 1):
        history.record(tick, row)
    assert history.size_bytes() <= sum(rows * 5 // 4 for rows in BASIC.rows) * 8 * 4
    ticks = range(len(changes), len(changes) - 120, -1)
    assert history.at(0, ticks) == [changes[tick - 1] for tick in ticks]


def test_numbers_that_were_always_0_take_no_room():
    some, all_of_them = History(LAYOUT, 0, (0, 0, 0)), History(LAYOUT, 0, (0, 0, 0))
    for tick in range(1, 100):
        some.record(tick, (0, tick, 0))
        all_of_them.record(tick, (tick, tick, tick))
    assert some.size_bytes() * 2 <= all_of_them.size_bytes()


def test_what_is_idle_keeps_nothing_new():
    history = History(LAYOUT, 0, (1, 2, 3))
    size = history.size_bytes()
    for tick in range(1, 1000):
        assert not history.record(tick, (1, 2, 3))
    assert (history.size_bytes(), history.last_tick) == (size, 0)


def test_what_was_busy_long_ago_is_forgotten_but_for_how_it_ended():
    history = History(LAYOUT, 0, (0, 0, 0))
    for tick in range(1, 500):
        history.record(tick, (tick, 0, 0))
    size = history.size_bytes()
    history.forget_before(500 + 720)
    assert history.size_bytes() < size / 20
    assert history.at(0, [1000, 1220]) == history.at(1, [1000, 1220]) == [(499, 0, 0)] * 2


def test_forgetting_leaves_what_is_within_the_retention():
    history = History(LAYOUT, 0, (0, 0, 0))
    for tick in range(1, 1000):
        history.record(tick, (tick, 0, 0))
    history.forget_before(999)
    assert history.at(0, [880, 999]) == [(880, 0, 0), (999, 0, 0)]
    assert history.at(1, [360, 720]) == [(360, 0, 0), (720, 0, 0)]


def test_growth_is_known_until_the_next_one_is():
    history = History(LAYOUT, 10, (5, 0, 0))
    history.record(11, (7, 0, 0))
    history.record(12, (17, 0, 0))
    assert (history.growth(12), history.growth(11)) == ((10, 0, 0), (2, 0, 0))
    history.record(14, (18, 0, 0))
    assert history.growth(13) is None


def test_growth_is_that_of_the_newest_tick_only():
    history = History(LAYOUT, 10, (5, 0, 0))
    assert history.growth(10) == (5, 0, 0)
    history.record(11, (3, 0, 7))
    assert history.growth(11) == (-2, 0, 7)
    history.record(12, (3, 0, 7))
    assert history.growth(12) is None


def test_what_was_there_before_anybody_looked_has_not_grown_then():
    history = History(LAYOUT, 10, (5, 0, 0), was_there=True)
    assert history.growth(10) is None
    history.record(11, (7, 0, 0))
    assert history.growth(11) == (2, 0, 0)


def test_names_may_stand_for_sums_and_for_nothing():
    assert [LAYOUT.number(name, (1, 2, 4)) for name in ("ready", "messages", "reductions")] == [1, 3, 0]


@pytest.mark.parametrize(
    ("range_s", "level"),
    [
        *[(60, 0), (600, 0), (604, 0), (605, 1), (3600, 1), (3660, 2)],
        *[(28800, 2), (29400, 3), (86400, 3), (10**6, 3)],
    ],
)
def test_a_range_is_told_by_the_finest_step_that_has_all_of_it(range_s: int, level: int):
    assert GLOBAL.level_for(range_s) == level


@pytest.mark.parametrize(
    ("range_s", "distance_s"), [(600, 5), (600, 60), (3600, 60), (3600, 300), (28800, 600)]
)
@pytest.mark.parametrize("ahead", [0, 1], ids=["now", "one_tick_ahead"])
def test_what_grows_evenly_grows_evenly_in_every_range(range_s: int, distance_s: int, ahead: int):
    layout, distance = Layout(("publish",), {}, GLOBAL), distance_s // INTERVAL_S
    history = History(layout, 0, (0,))
    for last_tick in range(1, 9000):
        history.record(last_tick, (last_tick,))
        newest = (last_tick - ahead) // distance * distance
        oldest = newest - range_s // INTERVAL_S
        if last_tick < 8800 or oldest < 0:
            continue
        numbers = [
            row[0] for row in history.at(GLOBAL.level_for(range_s), range(oldest, newest + 1, distance))
        ]
        assert {later - sooner for sooner, later in pairwise(numbers)} == {distance}


def test_histories_can_be_joined():
    first, second = History(LAYOUT, 1, (1, 0, 0)), History(LAYOUT, 2, (0, 5, 0))
    first.record(2, (2, 0, 0))
    joined = Joined(LAYOUT, [first, second])
    assert joined.at(0, [0, 1, 2, 3]) == [(0, 0, 0), (1, 0, 0), (2, 5, 0), (2, 5, 0)]
    assert joined.growth(2) == (1, 5, 0)
    assert joined.growth(3) is None
    assert Joined(LAYOUT, []).at(0, [1]) == [LAYOUT.nothing]
