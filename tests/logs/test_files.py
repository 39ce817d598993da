"""Log files: rotated, moved away, and on a disk that is full."""

import errno
import logging
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from amqpd.logs.files import LogFile
from amqpd.logs.formats import FieldFormatter
from amqpd.logs.outputs import LevelOfCategory
from amqpd.logs.rotation import Date, Rotation, read_date

WEDNESDAY = datetime(2026, 11, 25, 19, 30)


class Now:
    """A clock that a test moves."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def __call__(self) -> datetime:
        return self.time


def log_file(path: Path, rotation: Rotation | None = None, now: Now | None = None) -> LogFile:
    levels = LevelOfCategory(logging.DEBUG, {})
    return LogFile(path, rotation or Rotation(), levels, FieldFormatter(), now or Now(WEDNESDAY))


def write(file: LogFile, *lines: str) -> None:
    for line in lines:
        file.handle(logging.makeLogRecord({"name": "amqpd", "msg": line, "levelno": logging.INFO}))


def lines(path: Path) -> list[str]:
    return [line.partition("info  ")[2] or line for line in path.read_text().splitlines()]


def test_lines_are_appended_to_what_there_is(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("info  old\n")
    write(log_file(path), "new")
    assert lines(path) == ["old", "new"]


def test_others_may_not_read_it(tmp_path: Path):
    log_file(tmp_path / "d" / "a.log")
    assert (tmp_path / "d" / "a.log").stat().st_mode & 0o007 == 0


def test_only_its_owner_may_enter_a_directory_that_was_made_for_that_of_logs(tmp_path: Path):
    before = os.umask(0o022)
    try:
        write(log_file(tmp_path / "data" / "logs" / "a.log"), "1")
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("data", "data/logs", "data/logs/a.log")]
    assert modes == [0o700, 0o750, 0o640]


def test_by_size_a_file_is_rotated_before_it_is_too_large(tmp_path: Path):
    path = tmp_path / "a.log"
    file = log_file(path, Rotation(size_bytes=70, count=2))
    write(file, "1", "2", "3", "4", "5", "6", "7")
    assert [lines(tmp_path / name) for name in ("a.log", "a.log.0", "a.log.1")] == [
        ["7"],
        ["5", "6"],
        ["3", "4"],
    ]
    assert len(list(tmp_path.iterdir())) == 3


def test_with_no_file_to_keep_the_old_one_is_gone(tmp_path: Path):
    write(log_file(tmp_path / "a.log", Rotation(size_bytes=1)), "1", "2")
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]
    assert lines(tmp_path / "a.log") == ["2"]


def test_by_date_a_file_is_rotated_once_each_time(tmp_path: Path):
    now = Now(WEDNESDAY)
    file = log_file(tmp_path / "a.log", Rotation("$D0", count=9), now)
    write(file, "1")
    now.time += timedelta(hours=1)
    write(file, "2")
    now.time += timedelta(hours=4)
    write(file, "3", "4")
    now.time += timedelta(days=5)
    write(file, "5")
    assert [lines(path) for path in sorted(tmp_path.iterdir())] == [["5"], ["3", "4"], ["1", "2"]]


def test_a_date_that_passed_while_the_broker_was_down_counts(tmp_path: Path):
    path = tmp_path / "a.log"
    path.write_text("info  old\n")
    yesterday = (WEDNESDAY - timedelta(days=1)).timestamp()
    os.utime(path, (yesterday, yesterday))
    write(log_file(path, Rotation("$D0", count=1)), "new")
    assert (lines(path), lines(tmp_path / "a.log.0")) == (["new"], ["old"])


def test_a_file_that_others_have_moved_away_is_opened_again(tmp_path: Path):
    path = tmp_path / "a.log"
    file = log_file(path)
    write(file, "1")
    path.rename(tmp_path / "moved")
    write(file, "2")
    path.unlink()
    write(file, "3")
    assert (lines(tmp_path / "moved"), lines(path)) == (["1"], ["3"])


def test_a_file_that_others_have_moved_away_can_be_rotated(tmp_path: Path):
    path = tmp_path / "a.log"
    file = log_file(path)
    write(file, "1")
    path.rename(tmp_path / "moved")
    file.rotate_now()
    write(file, "2")
    assert (lines(tmp_path / "moved"), lines(path)) == (["1"], ["2"])


class Disk:
    """os.write on a disk that has room for so many bytes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room_bytes: int) -> None:
        self.room_bytes = room_bytes
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: Any) -> int:
        if not self.room_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, bytes(data[: self.room_bytes]))
        self.room_bytes -= written
        return written


def test_on_a_full_disk_lines_are_lost_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "a.log"
    file = log_file(path)
    disk = Disk(monkeypatch, 45)
    write(file, "first", "half", "lost")
    assert capsys.readouterr().err == f"amqpd: cannot log to {path}: No space left on device\n"
    disk.room_bytes = 1000
    write(file, "there is room")
    first, half, told, last = path.read_text().splitlines()
    assert first.endswith("first") and len(half) == 45 - len(first) - 1
    assert told.endswith("warning lines of the log were lost lines=2")
    assert last.endswith("there is room")


def test_a_directory_that_is_gone_stops_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "d" / "a.log"
    file = log_file(path)
    path.unlink()
    path.parent.rmdir()
    write(file, "lost", "lost")
    assert capsys.readouterr().err.count("\n") == 1
    path.parent.mkdir()
    write(file, "found")
    assert path.read_text().splitlines()[-1].endswith("found")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$D0", Date("day")),
        ("$D23", Date("day", hour=23)),
        ("$W0", Date("week")),
        ("$W5D16", Date("week", 5, 16)),
        ("$M1", Date("month", 1)),
        ("$M31D4", Date("month", 31, 4)),
        ("$ML", Date("month", 31)),
        ("$H0", Date("hour")),
        ("$H59", Date("hour", minute=59)),
        ("", None),
    ],
)
def test_dates_are_written_as_newsyslog_does(text: str, expected: Date | None):
    assert read_date(text) == expected


@pytest.mark.parametrize("text", ["D0", "$D24", "$W7", "$M0", "$M32", "$H60", "$D0D0", "$X1", "$", "$W5D24"])
def test_what_is_no_date_is_refused(text: str):
    with pytest.raises(ValueError):
        Rotation(text)


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("$D0", datetime(2026, 11, 25)),
        ("$D19", datetime(2026, 11, 25, 19)),
        ("$D20", datetime(2026, 11, 24, 20)),
        ("$W3", datetime(2026, 11, 25)),
        ("$W3D20", datetime(2026, 11, 18, 20)),
        ("$W0", datetime(2026, 11, 22)),
        ("$W4", datetime(2026, 11, 19)),
        ("$M1", datetime(2026, 11, 1)),
        ("$M25D20", datetime(2026, 10, 25, 20)),
        ("$M31", datetime(2026, 10, 31)),
        ("$ML", datetime(2026, 10, 31)),
        ("$H0", datetime(2026, 11, 25, 19)),
        ("$H31", datetime(2026, 11, 25, 18, 31)),
        ("$H30", WEDNESDAY),
    ],
)
def test_the_last_time_of_a_date_is_not_after_now(text: str, last: datetime):
    date = read_date(text)
    assert date is not None and date.last(WEDNESDAY) == last


def test_the_last_day_of_a_month_is_that_of_a_short_one_too():
    date = read_date("$M31")
    assert date is not None and date.last(datetime(2026, 3, 5)) == datetime(2026, 2, 28)


def test_where_a_file_cannot_be_rotated_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """As in a directory that is somebody else's."""
    path = tmp_path / "a.log"
    file = log_file(path, Rotation(size_bytes=1, count=1))

    def refuse(_from: Path, _to: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", refuse)
        write(file, "1", "2", "3")
    assert lines(path) == ["1", "2", "3"]
    assert capsys.readouterr().err == f"amqpd: cannot rotate {path}: Permission denied\n"
    write(file, "4")
    assert (lines(path), lines(tmp_path / "a.log.0")) == (["4"], ["1", "2", "3"])
