import threading

import pytest

from amqpd.clock import Timers
from amqpd.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def timers(clock: FakeClock) -> Timers:
    """Timers that run when the clock is advanced."""
    timers = Timers(clock)
    clock.drive(timers)
    return timers


def test_time_stands_still_until_it_is_advanced(clock: FakeClock):
    before = clock.monotonic_s(), clock.unix_s()
    assert (clock.monotonic_s(), clock.unix_s()) == before
    clock.advance(1.5)
    assert (clock.monotonic_s(), clock.unix_s()) == (before[0] + 1.5, before[1] + 1.5)


def test_it_starts_at_the_moment_it_is_given():
    assert FakeClock(1000.0).unix_s() == 1000.0


def test_time_does_not_go_back(clock: FakeClock):
    with pytest.raises(ValueError, match="time does not go back"):
        clock.advance(-1)


def test_what_is_due_runs_and_what_is_not_waits(clock: FakeClock, timers: Timers):
    ran: list[str] = []
    timers.after(1, lambda: ran.append("one"))
    timers.after(2, lambda: ran.append("two"))
    clock.advance(1.99)
    assert ran == ["one"]
    clock.advance(0.01)
    assert ran == ["one", "two"]


def test_each_action_runs_at_its_own_moment(clock: FakeClock, timers: Timers):
    moments: list[float] = []

    def tick() -> None:
        moments.append(clock.monotonic_s())
        timers.after(10, tick)

    timers.after(10, tick)
    clock.advance(45)
    assert moments == [10, 20, 30, 40]
    assert clock.monotonic_s() == 45


def test_a_cancelled_timer_does_not_run(clock: FakeClock, timers: Timers):
    ran: list[str] = []
    timers.after(1, lambda: ran.append("one")).cancel()
    clock.advance(2)
    assert ran == []
    assert timers.next_due_s() is None


def test_two_brokers_timers_run_in_the_order_of_their_moments(clock: FakeClock, timers: Timers):
    others = Timers(clock)
    clock.drive(others)
    ran: list[str] = []
    timers.after(1, lambda: ran.append("one"))
    others.after(2, lambda: ran.append("two"))
    timers.after(3, lambda: ran.append("three"))
    clock.advance(3)
    assert ran == ["one", "two", "three"]


def test_released_timers_run_no_more(clock: FakeClock, timers: Timers):
    ran: list[str] = []
    timers.after(1, lambda: ran.append("one"))
    clock.release(timers)
    clock.advance(2)
    assert ran == []


def test_another_thread_may_not_advance_it(clock: FakeClock, timers: Timers):
    errors: list[BaseException] = []

    def advance() -> None:
        try:
            clock.advance(1)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=advance)
    thread.start()
    thread.join()
    assert "use the broker's advance" in str(errors[0])
    assert clock.monotonic_s() == 0


def test_timers_that_are_cancelled_do_not_pile_up(clock: FakeClock, timers: Timers):
    ran: list[str] = []
    timers.after(7200, lambda: ran.append("kept"))
    for _ in range(10_000):
        timers.after(3600, lambda: ran.append("cancelled")).cancel()
    assert timers.size() < 1000
    clock.advance(7200)
    assert ran == ["kept"]


def test_timers_that_are_wanted_outlive_the_many_that_are_cancelled(clock: FakeClock, timers: Timers):
    ran: list[int] = []
    wanted = [timers.after(number, lambda number=number: ran.append(number)) for number in range(1, 1000)]  # type: ignore[misc]
    for timer in wanted[::2] + wanted[::2]:
        timer.cancel()
    for timer in wanted[3::4]:
        timer.cancel()
    assert timers.size() <= 2 * 250
    clock.advance(1000)
    assert ran == list(range(2, 1000, 4))


def test_a_timer_cancelled_after_it_ran_counts_for_nothing(clock: FakeClock, timers: Timers):
    past = [timers.after(1, list) for _ in range(1000)]
    clock.advance(1)
    ran: list[str] = []
    timers.after(1, lambda: ran.append("later"))
    for timer in past:
        timer.cancel()
    clock.advance(1)
    assert ran == ["later"]


def test_an_action_may_cancel_all_the_others(clock: FakeClock, timers: Timers):
    ran: list[str] = []

    def cancel_all() -> None:
        for timer in others:
            timer.cancel()

    timers.after(1, cancel_all)
    others = [timers.after(1, lambda: ran.append("cancelled")) for _ in range(1000)]
    timers.after(2, lambda: ran.append("last"))
    clock.advance(2)
    assert (ran, timers.size()) == (["last"], 0)


def test_what_waits_is_what_was_neither_cancelled_nor_run(clock: FakeClock, timers: Timers):
    first, second, _third = (timers.after(number, list) for number in (1, 2, 3))
    second.cancel()
    second.cancel()
    assert timers.waiting() == 2
    clock.advance(2)
    first.cancel()
    assert timers.waiting() == 1
    clock.advance(1)
    assert timers.waiting() == 0
