"""A broker's data directory: who may use it, what was in it, and where everything durable goes from now on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from amqpd.auth.records import user_of, user_table
from amqpd.auth.users import User, Users
from amqpd.broker.broker import Broker
from amqpd.broker.definitions import (
    ExchangeDeclared,
    ExchangeDeleted,
    QueueDeclared,
    QueueDeleted,
    UnknownChange,
    decode,
    definition_of,
    words,
)
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges.delayed import Delayed
from amqpd.clock import Clock
from amqpd.errors import NotFound
from amqpd.events import Events
from amqpd.store.files import Files, InUse
from amqpd.store.journal import Journal, Snapshot
from amqpd.store.log import SegmentLog
from amqpd.store.recovery import Definitions, Recovery
from amqpd.store.segment import LogDamaged, UnknownFormat
from amqpd.store.spill import Spill
from amqpd.store.storage import Storage
from amqpd.store.upgrade import upgrade
from amqpd.wire.fields import Field, Table, encode_table

LOG = "log"
SPILL = "spill"
LOCK = "lock"

USER_CHANGED = "user.changed"
USER_DELETED = "user.deleted"


class CannotStart(Exception):
    """The data directory can't be used; the message says why, in one line."""


class DataDirectory:
    """A data directory in use: nobody else can open it until it is closed or this process ends."""

    def __init__(self, files: Files, path: Path, *, segment_bytes: int, memory_bytes: int) -> None:
        """`segment_bytes` is the size of the log's segments, `memory_bytes` what ready messages may take in memory.

        Raises CannotStart.
        """
        self._files = files
        self._path = path
        self._segment_bytes = segment_bytes
        self._memory_bytes = memory_bytes
        if os.name != "posix":
            raise CannotStart("the log needs a POSIX system: start with --in-memory")
        try:
            files.make_directory(str(path))
            holder = f"process {os.getpid()} on {platform.node() or 'this machine'}"
            self._lock = files.lock(str(path / LOCK), holder)
        except InUse as in_use:
            raise CannotStart(f"data directory {path} is in use by {in_use.holder or 'a process'}") from None
        except OSError as error:
            raise CannotStart(f"cannot use data directory {path}: {error.strerror or error}") from None

    def open(self, clock: Clock, events: Events) -> Storage:
        """The storage of a broker that is still to be made. Raises CannotStart."""
        storage = Storage(events, self._memory_bytes)
        try:
            self._log = SegmentLog(self._files, str(self._path / LOG), self._segment_bytes)
            storage.journal = Journal(self._log, clock, events)
            storage.journal.is_replaying = True
            spill = str(self._path / SPILL)
            storage.spill = Spill(self._files, spill, self._segment_bytes, storage.indexes)
        except OSError as error:
            raise cannot_use(error, self._path) from None
        return storage

    def recover(self, broker: Broker, users: Users, events: Events) -> None:
        """Bring back what the log holds, and record every change from now on.

        In a new log, the vhosts and users that are there are its beginning. In any other they are replaced.
        Raises CannotStart.
        """
        journal = broker.storage.journal
        assert journal is not None
        try:
            self._replay(broker, users, events)
            journal.is_replaying = False
            journal.snapshot = Everything(broker, users)
            users.record_with(UserRecorder(journal).record, journal.check)
            group = journal.form_group()
            if group is not None:
                group.write()
                journal.wrote(group)
        except LogDamaged as damage:
            raise CannotStart(
                f"{damage}. To start without the damaged part, see: amqpd log set-aside --help"
            ) from None
        except UnknownFormat as newer:
            raise CannotStart(str(newer)) from None
        except UnknownChange as unknown:
            raise CannotStart(f"{self._path / LOG} has {unknown}") from None
        except OSError as error:
            raise cannot_use(error, self._path / LOG) from None

    def _replay(self, broker: Broker, users: Users, events: Events) -> None:
        storage = broker.storage
        recovery = Recovery(Replayed(broker, users), storage.indexes)
        upgrade(self._files, str(self._path / LOG))
        self._log.replay(recovery)
        storage.last_queue_id = max(storage.last_queue_id, recovery.highest_queue_id)
        broker.restore_queues(recovery.finish(self._log))
        if self._log.torn_bytes:
            cut: dict[str, object] = {"file": self._log.torn_path, "bytes": int(self._log.torn_bytes)}
            events.tell("warning", "the log ended in an unfinished group, which was cut off", cut)
        if not self._log.is_new():
            log_bytes, live_bytes = self._log.sizes()
            found: dict[str, object] = {
                "queues": len(storage.indexes),
                "messages": sum(int(index.paged.count) for index in storage.indexes.values()),
                "live_bytes": live_bytes,
                "log_bytes": log_bytes,
            }
            events.tell("info", "log recovered", found)

    def close(self) -> None:
        """Let others use it."""
        self._lock.close()


def cannot_use(error: OSError, path: Path) -> CannotStart:
    """What is said where the system refuses a file; `path` if it does not say which."""
    return CannotStart(f"cannot use {error.filename or path}: {error.strerror or error}")


class Replayed(Definitions):
    """Makes vhosts and users of what the log says.

    Those that are there before go with the first change. If the log's beginning was lost, the users stay
    until the log has one, so that somebody can log in.
    """

    def __init__(self, broker: Broker, users: Users) -> None:
        self._broker = broker
        self._users = users
        self._begun = False
        self._users_begun = False
        self._after_gap = False

    def apply(self, definition: bytes) -> None:
        """Do this change again. Raises UnknownChange."""
        self._apply(decode(definition), False)

    def apply_missing(self, definition: bytes) -> None:
        """The same, unless its result is there already. Raises UnknownChange."""
        self._apply(decode(definition), True)

    def gap(self) -> None:
        """From now on, leave out changes of what is not there, and replace what should be gone."""
        self._after_gap = True

    def _apply(self, table: Table, only_missing: bool) -> None:
        change = words(table, "change")
        self._begin(change in (USER_CHANGED, USER_DELETED))
        if change == USER_CHANGED:
            self._users.add(user_of(table))
        elif change == USER_DELETED:
            self._users.delete(words(table, "name"))
        elif self._after_gap:
            self._replay_after_gap(table, only_missing)
        else:
            self._broker.replay(table, only_missing)

    def _begin(self, is_user: bool) -> None:
        if not self._begun and not self._after_gap:
            self._broker.vhosts.clear()
        self._begun = True
        if not self._users_begun and (is_user or not self._after_gap):
            self._users_begun = True
            self._users.clear()

    def _replay_after_gap(self, table: Table, only_missing: bool) -> None:
        self._make_room(table, only_missing)
        try:
            self._broker.replay(table, only_missing)
        except (KeyError, NotFound):
            # It is about something whose declaration was lost.
            return

    def _make_room(self, table: Table, only_missing: bool) -> None:
        """Delete what has the name of what is declared but is another: that it was deleted was lost."""
        definition = definition_of(table)
        if isinstance(definition, QueueDeclared):
            vhost = self._broker.add_vhost(words(table, "vhost"))
            queue = vhost.queues.get(definition.queue)
            if queue is not None and queue.id != definition.queue_id:
                vhost.apply(QueueDeleted(queue.name, True))
        elif isinstance(definition, ExchangeDeclared):
            vhost = self._broker.add_vhost(words(table, "vhost"))
            exchange = vhost.exchanges.get(definition.exchange)
            if exchange is not None and not (only_missing and is_same(exchange, definition)):
                vhost.apply(ExchangeDeleted(exchange.name, True))


def is_same(exchange: Exchange, declared: ExchangeDeclared) -> bool:
    """Whether an exchange may be the one that was declared, with all that it keeps."""
    kept = exchange.queue_id() if isinstance(exchange, Delayed) else 0
    return exchange.exchange_type == declared.exchange_type and kept == declared.queue_id


class UserRecorder:
    """Writes changes of users to the log."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def record(self, name: str, user: User | None) -> None:
        """A user has changed, or is gone."""
        if user is not None:
            self._journal.define(user_record(user))
        else:
            table: Table = {"change": Field("S", USER_DELETED), "name": Field("S", name)}
            self._journal.define(encode_table(table))


def user_record(user: User) -> bytes:
    """A user as a record of definitions."""
    table: Table = {"change": Field("S", USER_CHANGED)}
    return encode_table({**table, **user_table(user)})


class Everything(Snapshot):
    """All definitions of a broker: its vhosts with everything durable in them, and its users."""

    def __init__(self, broker: Broker, users: Users) -> None:
        self._broker = broker
        self._users = users

    def definitions(self) -> list[bytes]:
        """What, replayed in this order, makes all durable definitions again."""
        found = [self._users.get(name) for name in self._users.names()]
        return [*self._broker.records(), *[user_record(user) for user in found if user is not None]]
