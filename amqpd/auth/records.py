"""Users as the log has them: a field table each, with everything that makes a user."""

from __future__ import annotations

from amqpd.auth.permissions import Permissions
from amqpd.auth.users import User
from amqpd.wire.fields import Field, Table


def user_table(user: User) -> Table:
    """Everything about a user."""
    table: Table = {
        "name": Field("S", user.name),
        "password_hash": Field("S", user.password_hash),
        "hashing_algorithm": Field("S", user.hashing_algorithm),
        "tags": Field("A", [Field("S", tag) for tag in user.tags]),
        "permissions": Field("F", {name: _permissions(each) for name, each in user.permissions.items()}),
    }
    if user.max_connections is not None:
        table["max_connections"] = Field("l", user.max_connections)
    if user.max_channels is not None:
        table["max_channels"] = Field("l", user.max_channels)
    return table


def _permissions(permissions: Permissions) -> Field:
    topics: Table = {
        exchange: Field("F", {"write": Field("S", topic.write), "read": Field("S", topic.read)})
        for exchange, topic in permissions.topics.items()
    }
    patterns: Table = {
        "configure": Field("S", permissions.configure),
        "write": Field("S", permissions.write),
        "read": Field("S", permissions.read),
        "topics": Field("F", topics),
    }
    return Field("F", patterns)


def user_of(table: Table) -> User:
    """The user that `user_table` has made this of."""
    tags = table["tags"].value
    assert isinstance(tags, list)
    user = User(
        _text(table, "name"),
        _text(table, "password_hash"),
        _text(table, "hashing_algorithm"),
        [str(tag.value) for tag in tags],
    )
    for vhost, field in _inner(table, "permissions").items():
        assert isinstance(field.value, dict)
        user.permissions[vhost] = _permissions_of(field.value, user.name, vhost)
    user.max_connections = _number(table, "max_connections")
    user.max_channels = _number(table, "max_channels")
    return user


def _permissions_of(table: Table, user: str, vhost: str) -> Permissions:
    permissions = Permissions(_text(table, "configure"), _text(table, "write"), _text(table, "read"))
    for exchange, field in _inner(table, "topics").items():
        assert isinstance(field.value, dict)
        variables = {"username": user, "vhost": vhost}
        permissions.set_topic(exchange, _text(field.value, "write"), _text(field.value, "read"), variables)
    return permissions


def _text(table: Table, name: str) -> str:
    return str(table[name].value)


def _inner(table: Table, name: str) -> Table:
    value = table[name].value
    assert isinstance(value, dict)
    return value


def _number(table: Table, name: str) -> int | None:
    if name not in table:
        return None
    value = table[name].value
    assert isinstance(value, int)
    return value
