"""The broker as it begins: who may use it, and what its data directory and its definitions say there is."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from amqpd.auth.passwords import hash_password, random_salt
from amqpd.auth.users import User, Users
from amqpd.broker.broker import Broker
from amqpd.clock import Clock
from amqpd.config.kinds import NOTHING
from amqpd.config.settings import Settings
from amqpd.durability import CannotStart, DataDirectory
from amqpd.errors import ResourceError
from amqpd.events import Events
from amqpd.store.files import DiskFiles
from amqpd.store.storage import Storage


class StartError(Exception):
    """The broker can't start; the message says why, in one line."""


def make_broker(
    clock: Clock, events: Events, storage: Storage | None = None, default_vhost: str | None = "/"
) -> Broker:
    """A broker with one virtual host, or with None none, in memory unless it is given a storage."""
    broker = Broker(clock, storage or Storage(events), events, os.urandom)
    if default_vhost is not None:
        broker.add_vhost(default_vhost)
    return broker


def add_default_vhost(broker: Broker, name: str) -> None:
    """The virtual host that there is to begin with, with RabbitMQ's description."""
    broker.add_vhost(name).describe("Default virtual host", [], "")


def first_users(settings: Settings) -> Users:
    """The default user, who is the only one unless the data directory knows others. Raises StartError."""
    users = Users(set(settings.loopback_users))
    password_hash = hash_password(settings.default_pass, random_salt())
    users.add(User(settings.default_user, password_hash, tags=list(settings.default_user_tags)))
    try:
        users.set_permissions(
            settings.default_user,
            settings.default_vhost,
            settings.default_permissions_configure,
            settings.default_permissions_write,
            settings.default_permissions_read,
        )
    except ValueError as error:
        raise StartError(f"default_permissions: {error}") from None
    return users


@contextmanager
def data_directory(settings: Settings) -> Iterator[DataDirectory | None]:
    """The data directory, held as long as the block runs, or None for a broker in memory. Raises StartError."""
    if settings.in_memory:
        yield None
        return
    try:
        directory = DataDirectory(
            DiskFiles(),
            settings.data_dir,
            segment_bytes=settings.log_segment_size_bytes,
            memory_bytes=settings.message_memory_bytes,
        )
    except CannotStart as error:
        raise StartError(str(error)) from None
    try:
        yield directory
    finally:
        directory.close()


def broker_of(
    directory: DataDirectory | None, clock: Clock, events: Events, users: Users, default_vhost: str | None
) -> Broker:
    """A broker with what the directory holds, or an empty one in memory. Raises StartError."""
    try:
        storage = None if directory is None else directory.open(clock, events)
        broker = make_broker(clock, events, storage, default_vhost=None)
        if default_vhost is not None:
            add_default_vhost(broker, default_vhost)
        if directory is not None:
            directory.recover(broker, users, events)
    except CannotStart as error:
        raise StartError(str(error)) from None
    return broker


class DefinitionFiles:
    """Definitions in files that the settings name: imported at the start, and again when they are others."""

    def __init__(self, broker: Broker, users: Users) -> None:
        self._broker = broker
        self._users = users
        self._imported = b""

    def load(self, settings: Settings) -> None:
        """Import what they say. Raises StartError, and then nothing has changed."""
        self.prepare(settings)()

    def prepare(self, settings: Settings) -> Callable[[], None]:
        """Read them, and see whether they can be imported; what imports them unless they say what they said before.

        Raises StartError.
        """
        if settings.load_definitions == NOTHING:
            return _nothing
        # Imported when wanted, as the API is: every start would wait for them.
        from amqpd.management.definitions import InvalidDefinitions, prepare_definitions, read_files

        path = Path(settings.load_definitions)
        try:
            files = read_files(path)
            if not files:
                # Docker makes a directory where a file that was to be mounted is not there.
                self._broker.events.tell("warning", "no definitions in this directory", {"path": str(path)})
            # Two files with the same definitions are not the same: who names another one wants that imported.
            digest = hashlib.sha256(repr((path, files)).encode()).digest()
            if digest == self._imported:
                return _nothing
            return partial(self._import, digest, prepare_definitions(self._broker, self._users, files))
        except InvalidDefinitions as invalid:
            raise StartError(f"cannot load definitions from {path}: {invalid.text}") from None
        except ResourceError as error:
            raise StartError(f"cannot load definitions from {path}: {error.explanation}") from None
        except OSError as error:
            raise StartError(f"cannot load definitions from {path}: {error.strerror or error}") from None

    def _import(self, digest: bytes, import_them: Callable[[], object]) -> None:
        import_them()
        self._imported = digest

    def load_again(self, settings: Settings) -> None:
        """Import them also if they say what they said before. Raises StartError."""
        self._imported = b""
        self.load(settings)


def _nothing() -> None:
    """Change nothing."""


def begin_again(settings: Settings, broker: Broker, users: Users, definitions: DefinitionFiles) -> None:
    """Forget everything, and begin as with a new data directory. Raises StartError for bad definitions, before that."""
    empty = make_broker(broker.clock, Events(), default_vhost=None)
    DefinitionFiles(empty, Users(set())).prepare(settings)
    for vhost in list(broker.vhosts):
        users.forget_vhost(vhost)
        broker.delete_vhost(vhost)
    for user in users.names():
        users.delete(user)
    for parameter in list(broker.global_parameters):
        broker.delete_global_parameter(parameter)
    if settings.load_definitions != NOTHING:
        definitions.load_again(settings)
        return
    add_default_vhost(broker, settings.default_vhost)
    first = first_users(settings)
    for user in first.names():
        found = first.get(user)
        assert found is not None
        users.add(found)
