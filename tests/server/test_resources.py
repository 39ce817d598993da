"""Memory and disk that run short, and what publishers see of it."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from pamqp import commands

from amqpd.clock import Clock, Timers
from amqpd.server import resources
from amqpd.server.resources import Resources
from amqpd.testing import MemoryBroker, Peer

MEMORY_LIMIT = 1_000_000
DISK_LIMIT = 50_000_000
MUCH_FREE = 100_000_000_000


class Machine:
    """Memory and a disk that a test fills and empties by hand."""

    def __init__(self) -> None:
        self.used_bytes = 0
        self.free_bytes = MUCH_FREE
        self.unused_bytes = 0
        """What of the used memory can be given back."""
        self.failure: OSError | None = None
        self.memory_read = 0
        self.disk_read = 0
        self.given_back = 0

    def read_memory(self) -> int:
        self.memory_read += 1
        if self.failure is not None:
            raise self.failure
        return self.used_bytes

    def read_disk(self) -> int:
        self.disk_read += 1
        if self.failure is not None:
            raise self.failure
        return self.free_bytes

    def give_back(self) -> None:
        self.given_back += 1
        self.used_bytes -= self.unused_bytes
        self.unused_bytes = 0


@pytest.fixture
def machine() -> Machine:
    return Machine()


Watch = Callable[..., Resources]


@pytest.fixture
def watch(broker: MemoryBroker, machine: Machine) -> Watch:
    """Start to watch memory, the disk, or both."""

    def watch(*, memory: bool = True, disk: bool = True) -> Resources:
        watching = Resources(
            broker.broker.alarms,
            broker.broker.timers,
            broker.events,
            memory_limit_bytes=MEMORY_LIMIT,
            resident_bytes=machine.read_memory if memory else lambda: 0,
            give_memory_back=machine.give_back,
            disk_free_limit_bytes=DISK_LIMIT,
            free_bytes=machine.read_disk if disk else None,
        )
        watching.start()
        return watching

    return watch


def alarm(broker: MemoryBroker) -> str:
    """What connection.blocked would say; empty without an alarm."""
    return broker.broker.alarms.reason() if broker.broker.alarms.active else ""


# Memory


@pytest.mark.parametrize(("used_bytes", "reason"), [(MEMORY_LIMIT, ""), (MEMORY_LIMIT + 1, "low on memory")])
def test_memory_is_short_only_above_its_limit(
    broker: MemoryBroker, machine: Machine, watch: Watch, used_bytes: int, reason: str
):
    machine.used_bytes = used_bytes
    watch()
    assert alarm(broker) == reason


def test_memory_is_measured_every_second(broker: MemoryBroker, machine: Machine, watch: Watch):
    watch()
    broker.advance(60)
    assert machine.memory_read == 61
    machine.used_bytes = MEMORY_LIMIT + 1
    broker.advance(1)
    assert alarm(broker) == "low on memory"
    machine.used_bytes = MEMORY_LIMIT
    broker.advance(1)
    assert alarm(broker) == ""


def test_one_event_tells_of_memory_that_runs_short_and_one_that_it_does_not_any_more(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    watch()
    machine.used_bytes = MEMORY_LIMIT + 5
    broker.advance(10)
    machine.used_bytes = 7
    broker.advance(10)
    assert broker.events.told == [
        ("warning", "memory alarm raised", {"used_bytes": MEMORY_LIMIT + 5, "limit_bytes": MEMORY_LIMIT}),
        ("info", "memory alarm cleared", {"used_bytes": 7, "limit_bytes": MEMORY_LIMIT}),
    ]


def test_memory_that_can_be_given_back_raises_no_alarm(broker: MemoryBroker, machine: Machine, watch: Watch):
    machine.used_bytes, machine.unused_bytes = MEMORY_LIMIT + 10, 10
    watch()
    assert (alarm(broker), machine.given_back, broker.events.told) == ("", 1, [])


def test_memory_is_given_back_while_the_alarm_is_raised_and_not_otherwise(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    watch()
    broker.advance(10)
    assert machine.given_back == 0
    machine.used_bytes = MEMORY_LIMIT + 10
    broker.advance(10)
    assert (alarm(broker), machine.given_back) == ("low on memory", 10)
    machine.unused_bytes = 10
    broker.advance(1)
    assert alarm(broker) == ""
    broker.advance(10)
    assert machine.given_back == 11


def test_a_limit_of_0_holds_publishers_back_whatever_is_used(broker: MemoryBroker):
    Resources(
        broker.broker.alarms,
        broker.broker.timers,
        broker.events,
        memory_limit_bytes=0,
        resident_bytes=resources.resident_bytes,
        give_memory_back=resources.give_memory_back,
    ).start()
    broker.advance(10)
    assert alarm(broker) == "low on memory"


class SlowClock(Clock):
    """A clock that the work itself moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        return self.now_s


def test_giving_memory_back_takes_at_most_a_twentieth_of_the_time(broker: MemoryBroker):
    clock, started_s = SlowClock(), []

    def give_back() -> None:
        started_s.append(clock.now_s)
        clock.now_s += 0.5

    timers = Timers(clock)
    Resources(
        broker.broker.alarms,
        timers,
        broker.events,
        memory_limit_bytes=0,
        resident_bytes=lambda: 1,
        give_memory_back=give_back,
    ).start()
    while clock.now_s < 100:
        clock.now_s += timers.next_due_s() or 0.0
        timers.run_due()
    assert all(10 <= later_s - earlier_s <= 11 for earlier_s, later_s in pairwise(started_s))
    assert len(started_s) >= 10


@pytest.mark.parametrize("used_bytes", [0, MEMORY_LIMIT + 1])
def test_memory_that_cannot_be_measured_is_told_once_and_changes_no_alarm(
    broker: MemoryBroker, machine: Machine, watch: Watch, used_bytes: int
):
    machine.used_bytes = used_bytes
    watch(disk=False)
    before = alarm(broker)
    broker.events.told.clear()
    machine.failure = OSError("no such process")
    broker.advance(10)
    assert alarm(broker) == before
    assert broker.events.told == [("error", "used memory cannot be read", {"reason": "no such process"})]


def test_memory_that_can_be_measured_again_is_watched_as_before(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    watch(disk=False)
    machine.failure = OSError("no such process")
    broker.advance(1)
    machine.failure, machine.used_bytes = None, MEMORY_LIMIT + 1
    broker.advance(1)
    assert alarm(broker) == "low on memory"
    machine.failure = OSError("no such process")
    broker.advance(5)
    assert broker.events.sentences().count("used memory cannot be read") == 2


# Disk


@pytest.mark.parametrize(("free_bytes", "reason"), [(DISK_LIMIT, ""), (DISK_LIMIT - 1, "low on disk")])
def test_the_disk_is_short_only_below_its_limit(
    broker: MemoryBroker, machine: Machine, watch: Watch, free_bytes: int, reason: str
):
    machine.free_bytes = free_bytes
    watch()
    assert alarm(broker) == reason


@pytest.mark.parametrize(
    ("free_bytes", "measured"),
    [
        (MUCH_FREE, 10),
        (DISK_LIMIT + 250_000_000 * 10, 10),
        (DISK_LIMIT + 250_000_000 * 5, 20),
        (DISK_LIMIT + 250_000_000 // 2, 200),
        (DISK_LIMIT, 1000),
        (DISK_LIMIT - 1, 10),
    ],
)
def test_the_disk_is_measured_more_often_the_closer_it_is_to_its_limit(
    broker: MemoryBroker, machine: Machine, watch: Watch, free_bytes: int, measured: int
):
    machine.free_bytes = free_bytes
    watch()
    machine.disk_read = 0
    broker.advance(100.05)
    assert machine.disk_read == measured


def test_one_event_tells_of_a_disk_that_runs_short_and_one_that_it_does_not_any_more(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    watch()
    machine.free_bytes = 3
    broker.advance(100)
    machine.free_bytes = DISK_LIMIT
    broker.advance(10)
    assert broker.events.told == [
        ("warning", "disk alarm raised", {"free_bytes": 3, "limit_bytes": DISK_LIMIT}),
        ("info", "disk alarm cleared", {"free_bytes": DISK_LIMIT, "limit_bytes": DISK_LIMIT}),
    ]


def test_a_disk_that_cannot_be_measured_is_told_once_and_counts_as_full(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    watch(memory=False)
    machine.failure = OSError("Input/output error")
    broker.advance(100)
    assert alarm(broker) == "low on disk"
    assert broker.events.told == [
        ("error", "free disk space cannot be read", {"reason": "Input/output error"}),
        ("warning", "disk alarm raised", {"free_bytes": None, "limit_bytes": DISK_LIMIT}),
    ]
    machine.failure = None
    broker.advance(10)
    assert alarm(broker) == ""


def test_a_broker_in_memory_has_no_disk_to_watch(broker: MemoryBroker, machine: Machine, watch: Watch):
    machine.free_bytes = 0
    watch(disk=False)
    broker.advance(100)
    assert (alarm(broker), machine.disk_read) == ("", 0)


# Both


def test_after_the_end_nothing_is_measured_and_what_is_raised_stays(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    machine.free_bytes = 0
    watching = watch()
    watching.stop()
    machine.free_bytes = MUCH_FREE
    broker.advance(100)
    assert (alarm(broker), machine.memory_read, machine.disk_read) == ("low on disk", 1, 1)
    assert broker.broker.timers.next_due_s() is None


def ready(peer: Peer) -> int:
    return int(peer.call(1, commands.Queue.Declare(queue="q", passive=True)).message_count)


@pytest.mark.parametrize(
    ("used_bytes", "free_bytes", "reason"),
    [
        (MEMORY_LIMIT + 1, MUCH_FREE, "low on memory"),
        (0, DISK_LIMIT - 1, "low on disk"),
        (MEMORY_LIMIT + 1, DISK_LIMIT - 1, "low on memory & disk"),
    ],
)
def test_a_publisher_is_told_what_runs_short_and_goes_on_when_there_is_enough_again(
    broker: MemoryBroker, machine: Machine, watch: Watch, used_bytes: int, free_bytes: int, reason: str
):
    publisher, onlooker = broker.connect(), broker.connect()
    publisher.call(1, commands.Queue.Declare(queue="q"))
    watch()
    publisher.publish(1, "", "q", b"before")
    machine.used_bytes, machine.free_bytes = used_bytes, free_bytes
    broker.advance(10)
    publisher.publish(1, "", "q", b"during")
    assert publisher.expect(0, commands.Connection.Blocked).reason == reason
    assert (publisher.transport.blocked, ready(onlooker)) == (True, 1)
    machine.used_bytes, machine.free_bytes = 0, MUCH_FREE
    broker.advance(10)
    publisher.expect(0, commands.Connection.Unblocked)
    assert (publisher.transport.blocked, ready(onlooker)) == (False, 2)


def test_a_publisher_waits_for_the_last_alarm_to_end(broker: MemoryBroker, machine: Machine, watch: Watch):
    publisher = broker.connect()
    machine.used_bytes, machine.free_bytes = MEMORY_LIMIT + 1, 0
    watch()
    publisher.publish(1, "", "q", b"")
    publisher.expect(0, commands.Connection.Blocked)
    machine.used_bytes = 0
    broker.advance(5)
    assert (alarm(broker), publisher.transport.blocked) == ("low on disk", True)
    machine.free_bytes = MUCH_FREE
    broker.advance(10)
    publisher.expect(0, commands.Connection.Unblocked)


# What the system says


def test_a_process_occupies_some_of_the_machines_memory():
    assert 1_000_000 < resources.resident_bytes() < resources.total_memory_bytes()


def test_memory_that_is_filled_is_seen():
    before = resources.resident_bytes()
    filled = b"x" * 50_000_000
    assert resources.resident_bytes() - before > len(filled) // 2


def install_ps(monkeypatch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    ps = directory / "ps"
    ps.write_text(f"#!/bin/sh\n{script}\n")
    ps.chmod(0o755)
    monkeypatch.setenv("PATH", str(directory))


def test_where_only_ps_knows_memory_is_read_in_its_kibibytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    install_ps(monkeypatch, tmp_path, "echo ' 1234'")
    monkeypatch.setattr(resources.sys, "platform", "darwin")
    assert resources.resident_bytes() == 1234 * 1024


@pytest.mark.parametrize("script", ["exit 1", "echo nonsense", "exit 0"])
def test_a_ps_that_does_not_say_is_an_error_of_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str
):
    install_ps(monkeypatch, tmp_path, script)
    monkeypatch.setattr(resources.sys, "platform", "darwin")
    with pytest.raises(OSError, match="ps: "):
        resources.resident_bytes()


def test_a_system_that_does_not_say_how_much_memory_it_has_counts_as_small(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delattr(resources.os, "sysconf")
    assert resources.total_memory_bytes() == 1024**3


def test_free_space_is_that_of_an_existing_directory(tmp_path: Path):
    assert resources.free_bytes(tmp_path) > 0
    with pytest.raises(OSError):
        resources.free_bytes(tmp_path / "missing")


def test_giving_memory_back_can_be_asked_for_on_any_system(monkeypatch: pytest.MonkeyPatch):
    resources.give_memory_back()
    asked: list[int] = []
    monkeypatch.setattr(resources, "_malloc_trim", lambda: asked.append)
    resources.give_memory_back()
    monkeypatch.setattr(resources, "_malloc_trim", lambda: None)
    resources.give_memory_back()
    assert asked == [0]


# Other limits while it watches


def test_another_memory_limit_counts_at_once_and_leaves_the_pace(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    machine.used_bytes = MEMORY_LIMIT
    watching = watch()
    watching.set_memory_limit(MEMORY_LIMIT - 1)
    assert alarm(broker) == "low on memory"
    watching.set_memory_limit(MEMORY_LIMIT)
    assert alarm(broker) == ""
    machine.memory_read = 0
    broker.advance(60)
    assert machine.memory_read == 60


def test_another_disk_limit_counts_at_once_and_leaves_the_pace(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    watching = watch()
    watching.set_disk_free_limit(MUCH_FREE + 1)
    assert alarm(broker) == "low on disk"
    watching.set_disk_free_limit(DISK_LIMIT)
    assert alarm(broker) == ""
    machine.disk_read = 0
    broker.advance(60)
    assert machine.disk_read == 6


def test_a_limit_for_a_disk_that_nobody_watches_changes_nothing(
    broker: MemoryBroker, machine: Machine, watch: Watch
):
    watch(disk=False).set_disk_free_limit(MUCH_FREE + 1)
    assert alarm(broker) == ""
    assert machine.disk_read == 0
