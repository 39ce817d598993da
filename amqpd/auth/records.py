"""Users as the log has them: a field table each, with everything that makes a user."""

from __future__ import annotations

from amqpd.auth.permissions import Permissions, TopicPermission
from amqpd.auth.users import User, topic_permission
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
    # Where there are permissions, the topic permissions of the vhost stand with them.
    alone = {
        vhost: topics for vhost, topics in user.topics.items() if topics and vhost not in user.permissions
    }
    if alone:
        table["topics"] = Field("F", {vhost: Field("F", _topics(topics)) for vhost, topics in alone.items()})
    if user.max_connections is not None:
        table["max_connections"] = Field("l", user.max_connections)
    if user.max_channels is not None:
        table["max_channels"] = Field("l", user.max_channels)
    return table


def _permissions(permissions: Permissions) -> Field:
    patterns: Table = {
        "configure": Field("S", permissions.configure),
        "write": Field("S", permissions.write),
        "read": Field("S", permissions.read),
        "topics": Field("F", _topics(permissions.topics)),
    }
    return Field("F", patterns)


def _topics(topics: dict[str, TopicPermission]) -> Table:
    return {
        exchange: Field("F", {"write": Field("S", topic.write), "read": Field("S", topic.read)})
        for exchange, topic in topics.items()
    }


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
        table_of_vhost: Table = field.value
        patterns = [_text(table_of_vhost, kind) for kind in ("configure", "write", "read")]
        user.allow(vhost, Permissions(*patterns))
        _restrict(user, vhost, _inner(table_of_vhost, "topics"))
    if "topics" in table:
        for vhost, field in _inner(table, "topics").items():
            assert isinstance(field.value, dict)
            _restrict(user, vhost, field.value)
    user.max_connections = _number(table, "max_connections")
    user.max_channels = _number(table, "max_channels")
    return user


def _restrict(user: User, vhost: str, topics: Table) -> None:
    for exchange, field in topics.items():
        assert isinstance(field.value, dict)
        topic = topic_permission(user.name, vhost, _text(field.value, "write"), _text(field.value, "read"))
        user.restrict(vhost, exchange, topic)


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
