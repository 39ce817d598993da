"""Users: who there is, and making and deleting them."""

from __future__ import annotations

import base64
import binascii

from amqpd.auth.passwords import ALGORITHMS, DEFAULT_ALGORITHM, hash_password, random_salt
from amqpd.auth.permissions import Permissions
from amqpd.auth.users import InvalidLimits, User
from amqpd.management import access
from amqpd.management.answers import Missing, bad_request
from amqpd.management.asked import Asked, text, truth
from amqpd.management.lists import Item, columns_of, listed
from amqpd.management.resources import resource
from amqpd.management.views.vhosts import tag_list

USERS = resource("/users", access.administrators)
USERS_WITHOUT_PERMISSIONS = resource("/users/without-permissions", access.administrators)
BULK_DELETE = resource("/users/bulk-delete", access.administrators)
USER = resource("/users/:user", access.administrators)
HASH = resource("/auth/hash_password/:password", access.anybody)


@USERS.on("GET")
async def users(asked: Asked) -> object:
    """All users."""
    return await listed(asked, [user_told(user) for user in all_users(asked)], ("name",))


@USERS_WITHOUT_PERMISSIONS.on("GET")
async def users_without_permissions(asked: Asked) -> object:
    """Those that may enter no virtual host."""
    found = [user_told(user) for user in all_users(asked) if not user.permissions]
    return await listed(asked, found, ("name",))


@BULK_DELETE.on("POST")
async def delete_users(asked: Asked) -> None:
    """Delete several; the first that is not there ends it."""
    names = asked.values("users")["users"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_request(["not_list", "users"])
    for name in names:
        if not asked.site.users.delete(name):
            raise bad_request(["no_such_user", name])


@USER.on("GET")
async def user(asked: Asked) -> object:
    """One user."""
    return columns_of(asked, user_told(named_user(asked)))


@USER.on("PUT")
async def put(asked: Asked) -> bool:
    """Make a user, or let the one there have this password and these tags; permissions stay."""
    values = asked.values()
    if "tags" not in values and "administrator" not in values:
        raise bad_request("tags_not_present")
    if "tags" in values:
        tags = tag_list(values["tags"])
    else:
        tags = [access.ADMINISTRATOR] if truth(values["administrator"]) else []
    limits = values.get("limits") or {}
    if not isinstance(limits, dict):
        raise bad_request(["not_an_object", "limits"])
    name = asked.names["user"]
    site = asked.site
    is_new = site.users.get(name) is None
    password_hash, algorithm = _password(values, is_new)
    permissions = _permissions(asked, values.get("permissions")) if is_new else {}
    try:
        site.users.put(name, password_hash, algorithm, tags, limits)
    except InvalidLimits as invalid:
        raise bad_request(invalid.text) from None
    for vhost, patterns in permissions.items():
        site.users.set_permissions(name, vhost, *patterns)
    return is_new


def _password(values: dict[str, object], is_new: bool) -> tuple[str, str]:
    """A password's hash, and how it was made. Raises Refused (400)."""
    if "password" in values and "password_hash" in values:
        raise bad_request("both_password_and_password_hash_are_provided")
    if "password_hash" in values:
        algorithm = values.get("hashing_algorithm", DEFAULT_ALGORITHM)
        if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
            raise bad_request(["unknown_hashing_algorithm", algorithm])
        return checked_hash(values["password_hash"]), algorithm
    if "password" not in values and not is_new:
        return "", DEFAULT_ALGORITHM
    password = text(values.get("password", ""), "password")
    return hash_password(password, random_salt()), DEFAULT_ALGORITHM


def checked_hash(password_hash: object) -> str:
    """A hash as it is, if it is base64. Raises Refused (400)."""
    try:
        if isinstance(password_hash, str):
            base64.b64decode(password_hash, validate=True)
            return password_hash
    except (binascii.Error, ValueError):
        pass
    raise bad_request(["not_base64", password_hash])


def _permissions(asked: Asked, permissions: object) -> dict[str, tuple[str, str, str]]:
    """The patterns that a new user brings, by virtual host; none unless they are an object. Raises Refused (400)."""
    found: dict[str, tuple[str, str, str]] = {}
    for vhost, patterns in permissions.items() if isinstance(permissions, dict) else ():
        if vhost not in asked.site.broker.vhosts or not isinstance(patterns, dict):
            raise bad_request(["no_such_vhost", vhost])
        configure, write, read = (text(patterns.get(kind), kind) for kind in ("configure", "write", "read"))
        try:
            Permissions(configure, write, read)
        except ValueError as invalid:
            raise bad_request(str(invalid)) from None
        found[vhost] = configure, write, read
    return found


@USER.on("DELETE")
async def delete(asked: Asked) -> None:
    """Delete a user, whose connections are closed."""
    if not asked.site.users.delete(asked.names["user"]):
        raise Missing()


@HASH.on("GET")
async def hash_of(asked: Asked) -> object:
    """A password as `password_hash` wants it (RabbitMQ 3.11 and later)."""
    password = asked.names["password"]
    return {"ok": hash_password(password, random_salt())}


def all_users(asked: Asked) -> list[User]:
    """All users, by name."""
    found = [asked.site.users.get(name) for name in asked.site.users.names()]
    return [each for each in found if each is not None]


def named_user(asked: Asked) -> User:
    """The user in the path. Raises Missing."""
    found = asked.site.users.get(asked.names["user"])
    if found is None:
        raise Missing()
    return found


def user_told(user: User) -> Item:
    """A user as JSON."""
    return {
        "name": user.name,
        "password_hash": user.password_hash,
        "hashing_algorithm": user.hashing_algorithm,
        "tags": list(user.tags),
        "limits": user.limits(),
    }
