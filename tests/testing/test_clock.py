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
