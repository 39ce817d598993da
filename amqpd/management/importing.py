"""The import of definitions: everything is checked, with what the document itself will have made, then it is done."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from amqpd.auth import passwords
from amqpd.auth.permissions import Permissions
from amqpd.auth.users import InvalidLimits as InvalidUserLimits
from amqpd.auth.users import Users, checked_limits, topic_permission
from amqpd.broker.binding import Destination
from amqpd.broker.broker import Broker
from amqpd.broker.definitions import Bound, ExchangeDeclared, QueueDeclared
from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges import EXCHANGE_TYPES
from amqpd.broker.limits import MAX_QUEUES, UNLIMITED, InvalidLimits, checked_vhost_limits, is_reached
from amqpd.broker.policy_checks import InvalidPolicy, checked_policy
from amqpd.broker.queues.queue import Owner
from amqpd.broker.queues.rules import QUEUE_TYPES
from amqpd.broker.vhost import RESERVED_PREFIX, VirtualHost
from amqpd.broker.vhost_state import PREDECLARED
from amqpd.clock import Timers
from amqpd.errors import AmqpError, InternalError
from amqpd.management.answers import escaped
from amqpd.management.items import (
    CATEGORIES,
    OF_A_VHOST,
    InvalidDefinitions,
    Item,
    Source,
    check_keys,
    items,
    tags_of,
)
from amqpd.store.storage import Storage
from amqpd.wire.fields import Table
from amqpd.wire.json_terms import pairs, term
from amqpd.wire.patterns import InvalidPattern

EVERYTHING = ".*"

OLD_VERSIONS = ("3.0.", "3.1.", "3.2.", "3.3.", "3.4.", "3.5.")
"""RabbitMQ's that did not say how they hashed passwords, because there was but one way: MD5."""


@dataclass(frozen=True)
class LeftOut:
    """An item that was passed over, as RabbitMQ does, and why."""

    where: str
    why: str


@dataclass
class Imported:
    """What an import has done: how many items of each category there were, and what was left out."""

    counts: dict[str, int] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass
class Planned:
    """What the document will make in one virtual host."""

    made: VirtualHost
    """A virtual host apart, in which it is made to see whether it can be; nothing else is there."""
    limits: dict[str, int] | None = None
    queue_count: int = 0
    exchange_count: int = 0


class Import:
    """One import: first `check`, then `apply`."""

    def __init__(self, broker: Broker, users: Users, vhost: str | None, acting_user: str) -> None:
        """With `vhost`, everything goes into that one. Raises KeyError if there is none."""
        if vhost is not None:
            broker.vhosts[vhost]
        self._broker = broker
        self._users = users
        self._vhost = vhost
        self._acting_user = acting_user
        self._version = ""
        self._changes: list[Callable[[], object]] = []
        self._imported = Imported()
        self._new_users: set[str] = set()
        self._new_vhosts: dict[str, None] = {}
        self._planned: dict[str, Planned] = {}

    def check(self, sources: list[Source]) -> None:
        """See whether all of it can be done. Raises InvalidDefinitions, ResourceError (506) if nothing can be recorded."""
        for source in sources:
            check_keys(source)
        for category in CATEGORIES if self._vhost is None else OF_A_VHOST:
            count = 0
            for source in sources:
                self._version = version_of(source)
                for item in items(source, category):
                    CHECKS[category](self, item)
                    count += 1
            if count:
                self._imported.counts[category] = count
        for name, planned in self._planned.items():
            if planned.queue_count:
                self._check_queue_limits(name, planned)
        journal = self._broker.storage.journal
        if journal is not None:
            journal.check()

    def apply(self) -> Imported:
        """Do it, right after it was checked."""
        for change in self._changes:
            change()
        return self._imported

    def _leave_out(self, item: Item, why: str) -> None:
        self._imported.left_out.append(LeftOut(item.where(), why))

    # Users and what they may do

    def _check_user(self, item: Item) -> None:
        name = item.text("name")
        if not item.has("tags") and not item.has("administrator"):
            item.refuse("tags_not_present")
        tags = item.tags() if item.has("tags") else _tags_of_administrator(item)
        password_hash, algorithm = self._password(item)
        limits = item.mapping("limits")
        try:
            checked_limits(limits)
        except InvalidUserLimits as invalid:
            item.refuse(invalid.text)
        self._changes.append(partial(self._users.put, name, password_hash, algorithm, tags, limits))
        if self._users.get(name) is None:
            self._new_users.add(name)
            self._check_first_permissions(item, name)

    def _password(self, item: Item) -> tuple[str, str]:
        """The hash and its algorithm; without either a user who can't log in."""
        if item.has("password") and item.has("password_hash"):
            item.refuse("both_password_and_password_hash_are_provided")
        if item.has("password"):
            password = item.text("password")
            return passwords.hash_password(password, passwords.random_salt()), passwords.DEFAULT_ALGORITHM
        if not item.has("password_hash"):
            return "", passwords.DEFAULT_ALGORITHM
        password_hash = item.text("password_hash")
        algorithm = item.text("hashing_algorithm", algorithm_of_version(self._version))
        if algorithm not in passwords.ALGORITHMS:
            item.refuse(f"unknown password hashing algorithm '{algorithm}'")
        try:
            base64.b64decode(password_hash, validate=True)
        except (binascii.Error, ValueError):
            item.refuse(["not_base64", password_hash], "password_hash is not base64")
        return password_hash, algorithm

    def _check_first_permissions(self, item: Item, user: str) -> None:
        """What a user who is new may do from the beginning, by virtual host, which must be there before."""
        for vhost, patterns in item.mapping("permissions").items():
            if not isinstance(patterns, dict):
                item.refuse("permissions must be objects")
            self._plan_permissions(
                item,
                user,
                vhost,
                *[_pattern(item, patterns, kind) for kind in ("configure", "write", "read")],
            )

    def _check_permission(self, item: Item) -> None:
        patterns = [item.text(kind) for kind in ("configure", "write", "read")]
        self._plan_permissions(item, item.text("user"), item.short_text("vhost"), *patterns)

    def _plan_permissions(
        self, item: Item, user: str, vhost: str, configure: str, write: str, read: str
    ) -> None:
        try:
            Permissions(configure, write, read)
        except ValueError as invalid:
            _refuse_pattern(item, invalid)
        self._check_user_and_vhost(item, user, vhost)
        self._changes.append(partial(self._users.set_permissions, user, vhost, configure, write, read))

    def _check_topic_permission(self, item: Item) -> None:
        user, vhost, exchange = item.text("user"), item.short_text("vhost"), item.short_text("exchange")
        write, read = item.text("write"), item.text("read")
        try:
            topic_permission(user, vhost, write, read)
        except ValueError as invalid:
            _refuse_pattern(item, invalid, is_topic=True)
        self._check_user_and_vhost(item, user, vhost)
        self._changes.append(partial(self._users.set_topic_permissions, user, vhost, exchange, write, read))

    def _check_user_and_vhost(self, item: Item, user: str, vhost: str) -> None:
        if user not in self._new_users and self._users.get(user) is None:
            item.refuse(["no_such_user", user], f"there is no user '{user}'")
        if vhost not in self._new_vhosts and vhost not in self._broker.vhosts:
            _refuse_vhost(item, vhost)

    # Virtual hosts

    def _check_vhost(self, item: Item) -> None:
        name = item.short_text("name")
        metadata = item.mapping("metadata")
        description = item.text("description") if item.has("description") else metadata.get("description")
        tags = tags_of(item.value("tags") if item.has("tags") else metadata.get("tags", []))
        default_queue_type = metadata.get("default_queue_type")
        if item.has("default_queue_type"):
            default_queue_type = item.value("default_queue_type")
        if not isinstance(description, (str, type(None))):
            item.refuse("description must be a text")
        if tags is None:
            item.refuse("tags must be a list of texts, or a text")
        if default_queue_type not in (None, "undefined", "", *QUEUE_TYPES):
            item.refuse("invalid_queue_type")
        is_new = name not in self._broker.vhosts and name not in self._new_vhosts
        if is_new:
            self._plan_vhost(item, name)
        if not is_new and not (item.has("tags") or "tags" in metadata):
            tags = None
        queue_type = "" if default_queue_type in ("undefined", None) else str(default_queue_type)
        wanted_type = None if default_queue_type is None else queue_type
        self._changes.append(partial(self._describe, name, description, tags, wanted_type))

    def _plan_vhost(self, item: Item, name: str) -> None:
        limit = int(self._broker.limits.vhost_max)
        if is_reached(limit, len(self._broker.vhosts) + len(self._new_vhosts)):
            item.refuse(f"cannot create vhost '{name}': vhost limit of {limit} is reached")
        self._new_vhosts[name] = None
        self._changes.append(partial(self._broker.add_vhost, name))
        user = self._acting_user
        if user and self._users.get(user) is not None:
            self._changes.append(
                partial(self._users.set_permissions, user, name, EVERYTHING, EVERYTHING, EVERYTHING)
            )

    def _describe(
        self, name: str, description: str | None, tags: list[str] | None, queue_type: str | None
    ) -> None:
        """Let a virtual host be described so; what is not said stays as it is."""
        vhost = self._broker.vhosts[name]
        before = (vhost.description, vhost.tags, vhost.default_queue_type)
        after = (
            vhost.description if description is None else description,
            vhost.tags if tags is None else tags,
            vhost.default_queue_type if queue_type is None else queue_type,
        )
        if after != before:
            vhost.describe(*after)

    # Parameters and policies

    def _check_global_parameter(self, item: Item) -> None:
        self._changes.append(
            partial(self._broker.set_global_parameter, item.text("name"), item.value("value"))
        )

    def _check_parameter(self, item: Item) -> None:
        vhost = self._vhost_of(item)
        component, name, value = item.text("component"), item.text("name"), item.value("value")
        beside = f" ({vhost}/{component}/{name})"
        if component == "policy":
            item.refuse("policies may not be set using this method" + beside)
        elif component == "operator_policy":
            self._plan_operator_policy(item, vhost, name, value, beside)
        elif component == "vhost-limits":
            self._plan_limits(item, vhost, name, value, beside)
        else:
            self._plan(vhost, VirtualHost.set_parameter, component, name, value)

    def _plan_operator_policy(self, item: Item, vhost: str, name: str, value: object, beside: str) -> None:
        if not isinstance(value, dict):
            _refuse_invalid(item, f"Validation failed\n\n{name} not a list {term(value)}\n{beside}")
        problems: list[str] = []
        unknown = {
            key: value[key] for key in value if key not in ("pattern", "definition", "priority", "apply-to")
        }
        if unknown:
            problems.append(f"Unrecognised terms {pairs(unknown)} in {name}")
        for key in ("definition", "pattern", "priority"):
            if key not in value:
                problems.append(f'Key "{key}" not found in {name}')
        if problems:
            _refuse_invalid(
                item, "Validation failed\n\n" + "".join(f"{each}\n" for each in problems) + beside
            )
        wanted = (value["pattern"], value["definition"], value["priority"], value.get("apply-to", "all"))
        try:
            checked_policy(name, *wanted, is_operator=True)
        except InvalidPolicy as invalid:
            _refuse_invalid(item, invalid.text + beside)
        self._plan(vhost, VirtualHost.set_operator_policy, name, *wanted)

    def _plan_limits(self, item: Item, vhost: str, name: str, value: object, beside: str) -> None:
        if name != "limits":
            item.refuse(f"the parameter of component vhost-limits is called 'limits'{beside}")
        if value == []:
            value = {}
        if not isinstance(value, dict):
            _refuse_invalid(item, f"Validation failed\n\n{name} not a list {term(value)}\n{beside}")
        try:
            limits = checked_vhost_limits(value)
        except InvalidLimits as invalid:
            _refuse_invalid(item, invalid.text + beside)
        self._planned_in(vhost).limits = limits
        self._plan(vhost, VirtualHost.set_limits, value)

    def _check_policy(self, item: Item) -> None:
        vhost = self._vhost_of(item)
        if not item.has("name"):
            item.refuse(f"policy in virtual host '{vhost}' has undefined name")
        name = item.text("name")
        beside = f" ({vhost}/{name})"
        if not item.has("definition"):
            problem = "parse error while reading policy definition: undefined. Validator: policy_validator."
            _refuse_invalid(item, f"Validation failed\n\n{problem}\n{beside}")
        wanted = (
            item.value("pattern"),
            item.value("definition"),
            item.value("priority") if item.has("priority") else 0,
            item.value("apply-to") if item.has("apply-to") else "all",
        )
        try:
            checked_policy(name, *wanted)
        except InvalidPolicy as invalid:
            _refuse_invalid(item, invalid.text + beside)
        self._plan(vhost, VirtualHost.set_policy, name, *wanted)

    # What is declared

    def _check_exchange(self, item: Item) -> None:
        vhost, name = self._vhost_of(item), item.short_text("name")
        kind = item.text("type", "")
        durable, auto_delete = item.flag("durable", True), item.flag("auto_delete", False)
        internal, arguments = item.flag("internal", False), item.arguments()
        if not name or name.startswith(RESERVED_PREFIX):
            self._leave_out(item, "every virtual host has the exchanges of that name that there can be")
            return
        if self._exchange(vhost, name) is not None:
            return
        if kind not in EXCHANGE_TYPES:
            item.refuse(f"command_invalid: unknown exchange type '{kind}'" if kind else "type is missing")
        planned = self._planned_in(vhost)
        make = partial(ExchangeDeclared, name, kind, durable, auto_delete, internal, arguments)
        self._check_exchange_limit(item, vhost, name)
        try:
            planned.made.declare_exchange(make())
        except AmqpError as error:
            _refuse_error(item, error)
        planned.exchange_count += 1
        self._changes.append(lambda: self._broker.vhosts[vhost].declare_exchange(make()))

    def _check_exchange_limit(self, item: Item, vhost: str, name: str) -> None:
        limit = int(self._broker.limits.cluster_exchange_limit)
        count = sum(len(each.exchanges) for each in self._broker.vhosts.values())
        count += len(PREDECLARED) * len(self._new_vhosts)
        count += sum(planned.exchange_count for planned in self._planned.values())
        if is_reached(limit, count):
            item.refuse(
                f"cannot declare exchange '{name}' in vhost '{vhost}': exchange limit of {limit} is reached"
            )

    def _check_queue(self, item: Item) -> None:
        vhost, name = self._vhost_of(item), item.short_text("name")
        durable, auto_delete = item.flag("durable", True), item.flag("auto_delete", False)
        arguments = item.arguments()
        if not name:
            item.refuse("name is empty")
        if name.startswith(RESERVED_PREFIX):
            self._leave_out(item, "its name is reserved for queues that the broker names")
            return
        if self._queue(vhost, name) is not None:
            return
        planned = self._planned_in(vhost)
        make = partial(QueueDeclared, name, durable, auto_delete, None, arguments)
        try:
            planned.made.declare_queue(make(), Owner())
        except AmqpError as error:
            _refuse_error(item, error)
        planned.queue_count += 1
        self._changes.append(lambda: self._broker.vhosts[vhost].declare_queue(make(), Owner()))

    def _check_queue_limits(self, name: str, planned: Planned) -> None:
        """Neither the limit that there is nor the one that there will be may be exceeded (RabbitMQ 3.10)."""
        vhost = self._broker.vhosts.get(name)
        count = len(vhost.queues) if vhost is not None else 0
        added = planned.queue_count
        for limits in (vhost.limits if vhost is not None else {}, planned.limits or {}):
            limit = limits.get(MAX_QUEUES, UNLIMITED)
            if 0 <= limit < count + added:
                text = (
                    f'Adding {added} queue(s) to virtual host "{name}" would exceed the limit of {limit} queue(s).'
                    f"\n\nThis virtual host currently has {count} queue(s) defined.\n\nImport aborted!"
                )
                reason = ["vhost_limit_exceeded", text] if self._vhost is None else text
                raise InvalidDefinitions(reason, "queues", text)
        limit = int(self._broker.limits.cluster_queue_limit)
        total = sum(len(each.queues) for each in self._broker.vhosts.values())
        if 0 <= limit < total + sum(each.queue_count for each in self._planned.values()):
            raise InvalidDefinitions(f"queue limit in cluster ({limit}) is reached", "queues")

    def _check_binding(self, item: Item) -> None:
        vhost = self._vhost_of(item)
        source, name = item.short_text("source"), item.short_text("destination")
        kind, routing_key = item.text("destination_type"), item.short_text("routing_key", "")
        arguments = item.arguments()
        if kind not in ("queue", "exchange"):
            item.refuse("destination_type must be queue or exchange")
        exchange = self._exchange(vhost, source)
        destination = self._queue(vhost, name) if kind == "queue" else self._exchange(vhost, name)
        if not source or (kind == "exchange" and not name):
            self._leave_out(item, "the default exchange has no bindings but its own")
        elif exchange is None:
            self._leave_out(item, f"there is no exchange '{source}'")
        elif destination is None:
            self._leave_out(item, f"there is no {kind} '{name}'")
        else:
            try:
                exchange.check_binding(destination, routing_key, arguments)
            except AmqpError as error:
                _refuse_error(item, error)
            self._changes.append(partial(self._bind, vhost, source, kind, name, routing_key, arguments))

    def _bind(
        self, name: str, source: str, kind: str, destination_name: str, routing_key: str, arguments: Table
    ) -> None:
        vhost = self._broker.vhosts[name]
        destination = vhost.destination(kind, destination_name)
        try:
            vhost.bind(source, destination, routing_key, arguments)
        except InternalError:
            # What the source remembers leads nowhere from there, which is no reason not to bind.
            durable = vhost.exchange(source).durable and destination.durable
            vhost.change(Bound(source, kind, destination_name, routing_key, arguments, durable))

    # What is there, or will be

    def _vhost_of(self, item: Item) -> str:
        """The virtual host that an item is for, which is there or will be."""
        if self._vhost is not None:
            return self._vhost
        if not item.has("vhost"):
            _refuse_vhost(item, "undefined")
        vhost = item.text("vhost")
        if vhost not in self._new_vhosts and vhost not in self._broker.vhosts:
            _refuse_vhost(item, vhost)
        return vhost

    def _planned_in(self, vhost: str) -> Planned:
        planned = self._planned.get(vhost)
        if planned is None:
            broker = self._broker
            made = VirtualHost(vhost, Storage(broker.events), Timers(broker.clock), broker.events)
            planned = self._planned[vhost] = Planned(made)
        return planned

    def _exchange(self, vhost: str, name: str) -> Exchange | None:
        found = self._broker.vhosts.get(vhost)
        if found is not None and name in found.exchanges:
            return found.exchanges[name]
        return self._planned_in(vhost).made.exchanges.get(name)

    def _queue(self, vhost: str, name: str) -> Destination | None:
        found = self._broker.vhosts.get(vhost)
        if found is not None and name in found.queues:
            return found.queues[name]
        return self._planned_in(vhost).made.queues.get(name)

    def _plan(self, vhost: str, method: Callable[..., object], *values: object) -> None:
        """Call a method of a virtual host that may not be there yet."""
        self._changes.append(lambda: method(self._broker.vhosts[vhost], *values))


CHECKS: dict[str, Callable[[Import, Item], None]] = {
    "users": Import._check_user,
    "vhosts": Import._check_vhost,
    "permissions": Import._check_permission,
    "topic_permissions": Import._check_topic_permission,
    "exchanges": Import._check_exchange,
    "global_parameters": Import._check_global_parameter,
    "policies": Import._check_policy,
    "parameters": Import._check_parameter,
    "queues": Import._check_queue,
    "bindings": Import._check_binding,
}
"""What sees to the items of each category."""


def version_of(source: Source) -> str:
    """Which RabbitMQ a document is from, as far as it says."""
    version = source.document.get("rabbitmq_version", source.document.get("rabbit_version"))
    return version if isinstance(version, str) else ""


def algorithm_of_version(version: str) -> str:
    """How a RabbitMQ hashed passwords that does not say it."""
    return passwords.MD5 if version.startswith(OLD_VERSIONS) else passwords.DEFAULT_ALGORITHM


def _tags_of_administrator(item: Item) -> list[str]:
    """What stood there before there were tags."""
    return ["administrator"] if item.value("administrator") in (True, "true") else []


def _pattern(item: Item, patterns: dict[str, object], kind: str) -> str:
    pattern = patterns.get(kind)
    if not isinstance(pattern, str):
        item.refuse(f"{kind} must be a text")
    return pattern


def _refuse_vhost(item: Item, vhost: str) -> NoReturn:
    item.refuse(["no_such_vhost", vhost], f"there is no virtual host '{vhost}'")


def _refuse_invalid(item: Item, text: str) -> NoReturn:
    """In RabbitMQ's words, which it makes safe for a web page."""
    item.refuse(escaped(text), text)


def _refuse_error(item: Item, error: AmqpError) -> NoReturn:
    """In the words that a client would get."""
    item.refuse(f"{error.reply_name.lower()}: {error.explanation}")


def _refuse_pattern(item: Item, invalid: ValueError, is_topic: bool = False) -> NoReturn:
    """With what RabbitMQ answers: texts of PCRE as lists of characters."""
    if not isinstance(invalid, InvalidPattern):
        item.refuse(str(invalid))
    text, position = invalid.pcre_error()
    pattern: object = invalid.pattern if is_topic else _characters(invalid.pattern)
    item.refuse(["invalid_regexp", pattern, [_characters(text), position]], str(invalid))


def _characters(text: str) -> list[int]:
    return list(text.encode())


__all__ = ["Import", "Imported", "InvalidDefinitions", "LeftOut"]
