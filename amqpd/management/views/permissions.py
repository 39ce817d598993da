"""What users may do in virtual hosts, and with which routing keys."""

from __future__ import annotations

from collections.abc import Callable

from amqpd.auth.users import User
from amqpd.management import access
from amqpd.management.answers import Missing, Refused, bad_request
from amqpd.management.arguments import SHORTSTR_MAX_BYTES
from amqpd.management.asked import Asked, text
from amqpd.management.definitions import permissions_of, topic_permission_item
from amqpd.management.lists import Item, columns_of, listed
from amqpd.management.resources import resource
from amqpd.management.views.users import all_users, named_user
from amqpd.wire.fields import bytes_of
from amqpd.wire.patterns import InvalidPattern

SORTS = ("vhost", "user")
NO_VHOST_OR_USER = "vhost_or_user_not_found"

PERMISSIONS = resource("/permissions", access.administrators)
PERMISSION = resource("/permissions/:vhost/:user", access.administrators)
OF_USER = resource("/users/:user/permissions", access.administrators)
OF_VHOST = resource("/vhosts/:vhost/permissions", access.administrators)
TOPICS = resource("/topic-permissions", access.administrators)
TOPIC = resource("/topic-permissions/:vhost/:user", access.administrators)
TOPIC_OF_EXCHANGE = resource("/topic-permissions/:vhost/:user/:exchange", access.administrators)
TOPICS_OF_USER = resource("/users/:user/topic-permissions", access.administrators)
TOPICS_OF_VHOST = resource("/vhosts/:vhost/topic-permissions", access.administrators)


async def _everybodys(asked: Asked, told: Callable[[User], list[Item]], vhost: str | None = None) -> object:
    """What is told of all users, of one virtual host or all."""
    items = [item for user in all_users(asked) for item in told(user) if vhost in (None, item["vhost"])]
    return await listed(asked, items, SORTS)


# In virtual hosts


@PERMISSIONS.on("GET")
async def permissions(asked: Asked) -> object:
    """Everybody's."""
    return await _everybodys(asked, permissions_of)


@OF_USER.on("GET")
async def permissions_of_user(asked: Asked) -> object:
    """One user's."""
    return await listed(asked, permissions_of(named_user(asked)), SORTS)


@OF_VHOST.on("GET")
async def permissions_of_vhost(asked: Asked) -> object:
    """Everybody's in one virtual host."""
    return await _everybodys(asked, permissions_of, asked.vhost().name)


@PERMISSION.on("GET")
async def permission(asked: Asked) -> object:
    """One user's in one virtual host."""
    return columns_of(asked, _permission(asked))


def _permission(asked: Asked) -> Item:
    vhost = asked.vhost().name
    for item in permissions_of(named_user(asked)):
        if item["vhost"] == vhost:
            return item
    raise Missing()


@PERMISSION.on("PUT")
async def permit(asked: Asked) -> bool:
    """Let a user into a virtual host, or change what it may do there."""
    user = _user_in_vhost(asked)
    values = asked.values("configure", "write", "read")
    vhost = asked.vhost().name
    is_new = user.permissions_in(vhost) is None
    configure, write, read = (text(values[kind], kind) for kind in ("configure", "write", "read"))
    try:
        asked.site.users.set_permissions(user.name, vhost, configure, write, read)
    except InvalidPattern as invalid:
        raise _invalid(invalid, [*invalid.pattern.encode()]) from None
    return is_new


def _user_in_vhost(asked: Asked) -> User:
    user = asked.site.users.get(asked.names["user"])
    if user is None or asked.known_vhost() is None:
        raise bad_request(NO_VHOST_OR_USER)
    return user


def _invalid(invalid: InvalidPattern, pattern: object) -> Refused:
    """RabbitMQ's texts here are lists of characters."""
    problem, position = invalid.pcre_error()
    return bad_request(["invalid_regexp", pattern, [[*problem.encode()], position]])


@PERMISSION.on("DELETE")
async def forbid(asked: Asked) -> None:
    """Shut a user out of a virtual host."""
    item = _permission(asked)
    asked.site.users.clear_permissions(item["user"], item["vhost"])


# With routing keys


@TOPICS.on("GET")
async def topic_permissions(asked: Asked) -> object:
    """Everybody's."""
    return await _everybodys(asked, topics_told)


@TOPICS_OF_USER.on("GET")
async def topic_permissions_of_user(asked: Asked) -> object:
    """One user's."""
    return await listed(asked, topics_told(named_user(asked)), SORTS)


@TOPICS_OF_VHOST.on("GET")
async def topic_permissions_of_vhost(asked: Asked) -> object:
    """Everybody's in one virtual host."""
    return await _everybodys(asked, topics_told, asked.vhost().name)


@TOPIC.on("GET")
async def topic_permission(asked: Asked) -> object:
    """One user's in one virtual host."""
    return _topics(asked)


@TOPIC_OF_EXCHANGE.on("GET")
async def topic_permission_of_exchange(asked: Asked) -> object:
    """The same: RabbitMQ takes no notice of the exchange."""
    return _topics(asked)


def _topics(asked: Asked) -> list[Item]:
    vhost = asked.vhost().name
    items = [item for item in topics_told(named_user(asked)) if item["vhost"] == vhost]
    if not items:
        raise Missing()
    return items


async def _restrict(asked: Asked) -> bool:
    user = _user_in_vhost(asked)
    values = asked.values("exchange", "write", "read")
    exchange, write, read = (text(values[name], name) for name in ("exchange", "write", "read"))
    if len(bytes_of(exchange)) > SHORTSTR_MAX_BYTES:
        raise bad_request(f"exchange has more than {SHORTSTR_MAX_BYTES} bytes")
    vhost = asked.vhost().name
    is_new = not user.topics.get(vhost)
    try:
        asked.site.users.set_topic_permissions(user.name, vhost, exchange, write, read)
    except InvalidPattern as invalid:
        raise _invalid(invalid, invalid.pattern) from None
    return is_new


@TOPIC.on("PUT")
async def restrict(asked: Asked) -> bool:
    """Restrict a user's routing keys on one topic exchange."""
    return await _restrict(asked)


@TOPIC_OF_EXCHANGE.on("PUT")
async def restrict_on_exchange(asked: Asked) -> bool:
    """The same; the exchange is the one that the body names."""
    return await _restrict(asked)


@TOPIC.on("DELETE")
async def lift_restrictions(asked: Asked) -> None:
    """Lift all restrictions of a user in one virtual host."""
    item = _topics(asked)[0]
    asked.site.users.clear_topic_permissions(item["user"], item["vhost"])


@TOPIC_OF_EXCHANGE.on("DELETE")
async def lift_restriction(asked: Asked) -> None:
    """Lift the one on an exchange."""
    item = _topics(asked)[0]
    asked.site.users.clear_topic_permissions(item["user"], item["vhost"], asked.names["exchange"])


def topics_told(user: User) -> list[Item]:
    """A user's restrictions as JSON."""
    return [
        topic_permission_item(user, vhost, exchange, topic)
        for vhost, topics in sorted(user.topics.items())
        for exchange, topic in topics.items()
    ]
