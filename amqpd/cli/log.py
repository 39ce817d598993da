"""The command `amqpd log`: looks into the log of a data directory, and repairs it, without a broker."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from amqpd.auth.users import Users
from amqpd.broker.broker import Broker
from amqpd.broker.definitions import UnknownChange
from amqpd.broker.exchanges.delayed import Delayed
from amqpd.broker.queues.queue import Queue
from amqpd.broker.vhost import VirtualHost
from amqpd.broker.vhost_state import PREDECLARED
from amqpd.durability import LOCK, LOG, Replayed
from amqpd.events import Events
from amqpd.server.clock import MachineClock
from amqpd.store.files import DiskFiles, File, InUse
from amqpd.store.inspection import (
    Inspection,
    Inspector,
    LiveBytes,
    LogMoved,
    SegmentFigures,
    Stretch,
    take_queue_figures,
)
from amqpd.store.journal import Journal
from amqpd.store.records import RECORD_NAMES
from amqpd.store.recovery import Recovery
from amqpd.store.repair import CannotSetAside, Repair, SetAside
from amqpd.store.segment import UnknownFormat, numbers_there
from amqpd.store.storage import Storage

EXIT_SOUND = 0
EXIT_DAMAGED = 1
EXIT_USAGE = 2

DAMAGED = "damaged"

LOSSES = (
    "Messages may be lost, acknowledged ones may come back, and what was deleted may be there again.",
    "Changes of exchanges, queues, bindings and users may be undone.",
)


class CannotUse(Exception):
    """The command can't do what it was told; the message says why, in one line."""


class _Parser(argparse.ArgumentParser):
    """Reports a mistake as one line."""

    def error(self, message: str) -> NoReturn:
        raise CannotUse(message)


def parser() -> argparse.ArgumentParser:
    """The command line of `amqpd log`."""
    result = _Parser(
        prog="amqpd log",
        description="Look into the log of a data directory, or repair it.",
        allow_abbrev=False,
    )
    commands = result.add_subparsers(dest="command", metavar="COMMAND", required=True)
    inspecting = commands.add_parser(
        "inspect",
        help="Say what is in the log, and check all of it.",
        description="Say what is in the log, and check all of it. Changes nothing; a broker may be running. "
        "Exit status: 0 if the log is sound, 1 if it is damaged, 2 if there is none or it can't be read.",
        allow_abbrev=False,
    )
    inspecting.add_argument("data_dir", metavar="DATA_DIR", type=Path, help="The broker's data directory.")
    inspecting.add_argument("--queue", metavar="NAME", help="Of all queues, tell only those with this name.")
    inspecting.add_argument("--json", action="store_true", help="Write one JSON object.")
    setting_aside = commands.add_parser(
        "set-aside",
        help="Take what is damaged out of the log, so that a broker can start.",
        description="Copy what is damaged in the log to DATA_DIR/damaged, and fill its place, so that a broker can "
        "start with the rest. No broker may be running. It can be run again if it was interrupted. "
        f"{' '.join(LOSSES)} "
        "Exit status: 0 if nothing damaged is left, 2 if there is no log or it can't be repaired.",
        allow_abbrev=False,
    )
    setting_aside.add_argument("data_dir", metavar="DATA_DIR", type=Path, help="The broker's data directory.")
    return result


def main(argv: list[str]) -> int:
    """The exit status: 0 if all is well, 1 for a damaged log, 2 for a bad command line or no log that can be read."""
    try:
        arguments = parser().parse_args(argv)
    except CannotUse as mistake:
        return _complain(str(mistake))
    directory: Path = arguments.data_dir
    try:
        check_there(directory)
        if arguments.command == "inspect":
            return inspect(directory, arguments.queue, arguments.json)
        return set_aside(directory)
    except CannotUse as error:
        return _complain(str(error))
    except (UnknownFormat, LogMoved, CannotSetAside) as error:
        return _complain(str(error))
    except UnknownChange as error:
        return _complain(f"{directory / LOG} has {error}")
    except OSError as error:
        return _complain(f"cannot use {error.filename or directory}: {error.strerror or error}")


def _complain(message: str) -> int:
    print("amqpd log: " + " ".join(message.splitlines()), file=sys.stderr)
    return EXIT_USAGE


def check_there(directory: Path) -> None:
    """Raise CannotUse if a data directory has no log."""
    if os.name != "posix":
        raise CannotUse("the log needs a POSIX system")
    try:
        if numbers_there(DiskFiles(), str(directory / LOG)):
            return
    except (FileNotFoundError, NotADirectoryError):
        pass
    raise CannotUse(f"there is no log in {directory}")


# amqpd log inspect


class Contents:
    """A log with everything in it: what was found, and the definitions and queues that it makes."""

    def __init__(self, directory: Path) -> None:
        """Read the log of a data directory. Raises LogMoved, UnknownFormat, UnknownChange or OSError."""
        live = LiveBytes()
        clock, events = MachineClock(), Events()
        storage = Storage(events)
        # Nothing is written: it lets everybody know that this is a replay.
        storage.journal = Journal(live, clock, events)
        storage.journal.is_replaying = True
        self.broker = Broker(clock, storage, events, os.urandom)
        self.users = Users()
        self.holder = lock_holder(directory / LOCK)
        """Who holds the lock, or None if nobody does."""
        recovery = Recovery(Replayed(self.broker, self.users), storage.indexes)
        self.inspection: Inspection = Inspector(DiskFiles(), str(directory / LOG), live, recovery).inspect()

    def counts(self) -> dict[str, int]:
        """How many definitions of each kind there are; the exchanges that every vhost has do not count."""
        vhosts = self.broker.vhosts.values()
        return {
            "vhosts": len(vhosts),
            "users": len(self.users.names()),
            "exchanges": sum(len(vhost.exchanges.keys() - PREDECLARED.keys()) for vhost in vhosts),
            "queues": sum(len(vhost.queues) for vhost in vhosts),
            "bindings": sum(bindings_in(vhost) for vhost in vhosts),
        }

    def queues(self, only: str | None) -> list[dict[str, object]]:
        """Every queue, or those with one name. Can be asked for once. Raises CannotUse if there is none of the name."""
        found = [
            queue_record(vhost.name, name, vhost.queues[name])
            for vhost in self.broker.vhosts.values()
            for name in sorted(vhost.queues)
            if only in (None, name)
        ]
        if only is not None and not found:
            raise CannotUse(f"there is no queue '{only}' in the log")
        return found

    def delayed(self) -> list[dict[str, object]]:
        """Every exchange that delays messages, and what it holds of them. Can be asked for once."""
        return [
            queue_record(vhost.name, name, exchange.delayed)
            for vhost in self.broker.vhosts.values()
            for name, exchange in sorted(vhost.exchanges.items())
            if isinstance(exchange, Delayed) and exchange.delayed is not None
        ]


def bindings_in(vhost: VirtualHost) -> int:
    """How many bindings a vhost has."""
    return sum(len(exchange.bindings) for exchange in vhost.exchanges.values())


def queue_record(vhost: str, name: str, queue: Queue) -> dict[str, object]:
    """A queue, or an exchange that delays messages, and what it holds."""
    figures = [take_queue_figures(index) for index in queue.indexes()]
    return {
        "vhost": vhost,
        "name": name,
        "id": int(queue.id),
        "messages": sum(int(each.messages) for each in figures),
        "delivered_before": sum(int(each.delivered_messages) for each in figures),
        "bytes": sum(int(each.message_bytes) for each in figures),
    }


def segment_record(figures: SegmentFigures) -> dict[str, object]:
    """A segment and what is in it."""
    return {
        "number": figures.number,
        "file": figures.path,
        "bytes": int(figures.file_bytes),
        "groups": int(figures.groups),
        "records": {name: figures.records.get(kind, 0) for kind, name in RECORD_NAMES.items()},
        "live_bytes": int(figures.live_bytes),
        "dead_bytes": int(figures.message_bytes - figures.live_bytes),
        "first_written_ms": int(figures.first_written_ms) or None,
        "last_written_ms": int(figures.last_written_ms) or None,
    }


def stretch_record(stretch: Stretch) -> dict[str, object]:
    """Where something is wrong, and what."""
    return {
        "file": stretch.path,
        "offset": stretch.offset,
        "bytes": stretch.end - stretch.offset,
        "reason": stretch.reason,
    }


def inspect(directory: Path, queue: str | None, as_json: bool) -> int:
    """Print what is in the log; the exit status. Raises CannotUse, LogMoved, UnknownFormat, UnknownChange or OSError."""
    contents = Contents(directory)
    queues = contents.queues(queue)
    if as_json:
        print(json.dumps(contents_record(contents, queues), indent=2))
    else:
        print("\n".join(contents_text(contents, queues)))
    return EXIT_DAMAGED if contents.inspection.damages else EXIT_SOUND


def contents_record(contents: Contents, queues: list[dict[str, object]]) -> dict[str, object]:
    """Everything, for machines."""
    found = contents.inspection
    return {
        "sound": not found.damages,
        "lock_holder": contents.holder,
        "definitions": contents.counts(),
        "segments": [segment_record(segment) for segment in found.segments],
        "queues": queues,
        "delayed": contents.delayed(),
        "torn_end": None if found.torn is None else stretch_record(found.torn),
        "damages": [stretch_record(damage) for damage in found.damages],
    }


def contents_text(contents: Contents, queues: list[dict[str, object]]) -> list[str]:
    """Everything, for people."""
    found = contents.inspection
    lines: list[str] = []
    if contents.holder is not None:
        lines += [f"The lock is held by {contents.holder}: these figures are of a moment.", ""]
    lines += ["Segments", *segments_text(found.segments), ""]
    lines += [
        "Definitions",
        *aligned([[name, str(count)] for name, count in contents.counts().items()], 1),
        "",
    ]
    for title, records in (("Queues", queues), ("Delayed messages", contents.delayed())):
        if records:
            header = [name.replace("_", " ") for name in records[0]]
            rows = [[shown(value) for value in record.values()] for record in records]
            lines += [title, *aligned([header, *rows], 2), ""]
    if found.torn is not None:
        fate = "it may be being written" if contents.holder is not None else "a start cuts it off"
        lines += [f"Torn end: {stretch_text(found.torn)}; {fate}, and that is no damage."]
    lines += [f"Damaged: {stretch_text(damage)}" for damage in found.damages]
    return [*lines, "The log is damaged." if found.damages else "The log is sound."]


def segments_text(segments: list[SegmentFigures]) -> list[str]:
    """A table of segments, with columns only for the kinds of records that there are."""
    kinds = [kind for kind in RECORD_NAMES if any(kind in segment.records for segment in segments)]
    header = ["number", "bytes", "groups", *[RECORD_NAMES[kind] for kind in kinds]]
    rows = [[*header, "live bytes", "dead bytes", "first written", "last written"]]
    for segment in segments:
        counts = [segment.file_bytes, segment.groups, *[segment.records.get(kind, 0) for kind in kinds]]
        counts += [segment.live_bytes, segment.message_bytes - segment.live_bytes]
        times = [time_text(segment.first_written_ms), time_text(segment.last_written_ms)]
        rows.append([str(segment.number), *[str(count) for count in counts], *times])
    return aligned(rows, 0)


def stretch_text(stretch: Stretch) -> str:
    """Where something is wrong, and what, in words."""
    if stretch.end == stretch.offset:
        return f"{stretch.path}, offset {stretch.offset}: {stretch.reason}"
    return f"{stretch.path}, offset {stretch.offset}, {stretch.end - stretch.offset} bytes: {stretch.reason}"


def time_text(unix_ms: int) -> str:
    """A moment, in UTC, or nothing for 0."""
    if not unix_ms:
        return "-"
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown(value: object) -> str:
    """A value in a table: what clients have chosen can't break the line."""
    text = str(value)
    return text if text.isprintable() and text else json.dumps(text)


def aligned(rows: list[list[str]], texts: int) -> list[str]:
    """Lines of columns, the first so many of them flush left and the others, numbers, flush right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  " + "  ".join(_cells(row, widths, texts)).rstrip() for row in rows]


def _cells(row: list[str], widths: list[int], texts: int) -> list[str]:
    return [
        cell.ljust(width) if column < texts else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def lock_holder(path: Path) -> str | None:
    """Who holds the lock at `path`, as they have written it, or None if nobody does. Changes nothing."""
    import fcntl  # not at the top: there is none on systems without a log

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 1024, 0).decode(errors="replace").strip() or "a process"
    else:
        return None
    finally:
        os.close(descriptor)


# amqpd log set-aside


def set_aside(directory: Path) -> int:
    """Take out what is damaged; the exit status. Raises CannotUse, UnknownFormat, CannotSetAside or OSError."""
    files = DiskFiles()
    lock = take_lock(files, directory)
    try:
        done = Repair(files, str(directory / LOG), str(directory / DAMAGED)).run()
    finally:
        lock.close()
    for each in done:
        print(set_aside_text(each))
    if not done:
        print("Nothing is damaged: nothing was done.")
    elif any(not each.is_header for each in done):
        print("\n".join(LOSSES))
    return EXIT_SOUND


def take_lock(files: DiskFiles, directory: Path) -> File:
    """Keep brokers away. Raises CannotUse if one is running, OSError."""
    try:
        return files.lock(
            str(directory / LOCK), f"amqpd log set-aside, process {os.getpid()} on {platform.node()}"
        )
    except InUse as in_use:
        raise CannotUse(f"data directory {directory} is in use by {in_use.holder or 'a process'}") from None


def set_aside_text(done: SetAside) -> str:
    """What was done about one damaged stretch."""
    what = stretch_text(done.stretch)
    where = f"copied to {done.copy}, and " if done.copy else ""
    how = (
        "written anew"
        if done.is_header
        else "replaced by a filler"
        if done.copy
        else "a filler was put there"
    )
    return f"{what}; {where}{how}."
