"""Limits of virtual hosts and of users."""

from __future__ import annotations

from amqpd.auth.users import InvalidLimits as InvalidUserLimits
from amqpd.broker.limits import InvalidLimits
from amqpd.management import access
from amqpd.management.answers import Missing, bad_request
from amqpd.management.asked import Asked
from amqpd.management.lists import listed
from amqpd.management.resources import resource
from amqpd.management.views.users import all_users, named_user

VHOST_LIMITS = resource("/vhost-limits", access.of_visible_vhost)
LIMITS_OF_VHOST = resource("/vhost-limits/:vhost", access.of_visible_vhost)
VHOST_LIMIT = resource("/vhost-limits/:vhost/:name", access.administrators)
USER_LIMITS = resource("/user-limits", access.of_visible_vhost)
LIMITS_OF_USER = resource("/user-limits/:user", access.of_visible_vhost)
USER_LIMIT = resource("/user-limits/:user/:name", access.administrators)


@VHOST_LIMITS.on("GET")
async def vhost_limits(asked: Asked) -> object:
    """Those of the virtual hosts that the user may know of."""
    items = [
        {"vhost": vhost.name, "value": vhost.limits} for vhost in access.visible_vhosts(asked) if vhost.limits
    ]
    return await listed(asked, items, ("vhost",))


@LIMITS_OF_VHOST.on("GET")
async def limits_of_vhost(asked: Asked) -> object:
    """Those of one virtual host, in a list of one, or of none."""
    vhost = asked.vhost()
    return [{"vhost": vhost.name, "value": vhost.limits}] if vhost.limits else []


@VHOST_LIMIT.on("PUT")
async def set_vhost_limit(asked: Asked) -> bool:
    """Set a limit."""
    vhost = asked.vhost_to_change()
    try:
        vhost.set_limit(asked.names["name"], asked.values("value")["value"])
    except InvalidLimits as invalid:
        raise bad_request(invalid.text) from None
    return False


@VHOST_LIMIT.on("DELETE")
async def clear_vhost_limit(asked: Asked) -> None:
    """Lift a limit; one that is not set is no error."""
    asked.vhost().clear_limit(asked.names["name"])


@USER_LIMITS.on("GET")
async def user_limits(asked: Asked) -> object:
    """Those of all users that have any."""
    items = [{"user": user.name, "value": user.limits()} for user in all_users(asked) if user.limits()]
    return await listed(asked, items, ("user",))


@LIMITS_OF_USER.on("GET")
async def limits_of_user(asked: Asked) -> object:
    """Those of one user, in a list of one, or of none."""
    user = named_user(asked)
    return [{"user": user.name, "value": user.limits()}] if user.limits() else []


@USER_LIMIT.on("PUT")
async def set_user_limit(asked: Asked) -> bool:
    """Set a limit."""
    value = asked.values("value")["value"]
    name = asked.names["user"]
    try:
        asked.site.users.add_limits(name, {asked.names["name"]: value})
    except InvalidUserLimits as invalid:
        raise bad_request(invalid.text) from None
    except KeyError:
        raise bad_request(["no_such_user", name]) from None
    return False


@USER_LIMIT.on("DELETE")
async def clear_user_limit(asked: Asked) -> None:
    """Lift a limit; one that is not set is no error."""
    if asked.site.users.get(asked.names["user"]) is None:
        raise Missing()
    asked.site.users.clear_limit(asked.names["user"], asked.names["name"])
