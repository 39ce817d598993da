"""Who may ask for what: by tags, and by the virtual hosts that a user may enter (RabbitMQ's rules).

A rule says why not: nothing, if it may be.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.requests import Request

from amqpd.auth.permissions import Permissions
from amqpd.auth.users import LoginRefused, User
from amqpd.broker.vhost import VirtualHost
from amqpd.http.service import OVER_UNIX_SOCKET
from amqpd.management.answers import JSON, REALM, Refused, not_authorised
from amqpd.management.asked import Asked
from amqpd.management.site import Site
from amqpd.protocol.connection import Connection

ADMINISTRATOR = "administrator"
MONITORING = "monitoring"
POLICYMAKER = "policymaker"
MANAGEMENT = "management"

Rule = Callable[[Asked], str]

NOT_YOURS = "User not authorised to access object"
NOT_YOUR_VHOST = "User not authorised to access virtual host"


def is_administrator(user: User) -> bool:
    """May do everything."""
    return ADMINISTRATOR in user.tags


def is_monitor(user: User) -> bool:
    """May see what others do."""
    return ADMINISTRATOR in user.tags or MONITORING in user.tags


def is_policymaker(user: User) -> bool:
    """May set policies and parameters."""
    return ADMINISTRATOR in user.tags or POLICYMAKER in user.tags


def may_enter(user: User, vhost: str) -> bool:
    """Whether the user could open a connection there."""
    return user.permissions_in(vhost) is not None


def visible_vhosts(asked: Asked) -> list[VirtualHost]:
    """The virtual hosts that the user may know of."""
    user = asked.user
    return [
        vhost
        for vhost in asked.site.broker.vhosts.values()
        if is_monitor(user) or may_enter(user, vhost.name)
    ]


def shown_vhosts(asked: Asked) -> list[VirtualHost]:
    """Those of the virtual hosts asked for whose objects the user may see. Raises Missing."""
    user = asked.user
    return [vhost for vhost in asked.vhosts() if is_administrator(user) or may_enter(user, vhost.name)]


def shown_connections(asked: Asked) -> list[Connection]:
    """The connections that the user may see: its own, a monitor's are all."""
    vhost = asked.vhost_name()
    user = asked.user
    return [
        connection
        for connection in asked.site.connections()
        if (vhost is None or connection.vhost_name() == vhost)
        and (is_monitor(user) or connection.user_name() == user.name)
    ]


def check_owner(asked: Asked, user_name: str) -> None:
    """Raise Refused (401) unless it is the user's own, or the user may see it, or for DELETE may end it."""
    ends = asked.request.method == "DELETE"
    may = is_administrator(asked.user) if ends else is_monitor(asked.user)
    if not may and user_name != asked.user.name:
        raise not_authorised(NOT_YOURS)


# Rules


def anybody(asked: Asked) -> str:
    """Whoever may use the API at all."""
    return ""


def administrators(asked: Asked) -> str:
    """Only administrators."""
    return "" if is_administrator(asked.user) else "Not administrator user"


def monitors(asked: Asked) -> str:
    """Only monitors, of whom administrators are some."""
    return "" if is_monitor(asked.user) else "Not monitor user"


def of_vhost(asked: Asked) -> str:
    """Whoever may enter the virtual host, if it is about one that is there."""
    name = asked.vhost_name()
    if is_administrator(asked.user) or name is None or name not in asked.site.broker.vhosts:
        return ""
    return "" if may_enter(asked.user, name) else NOT_YOUR_VHOST


def of_visible_vhost(asked: Asked) -> str:
    """Whoever may enter the virtual host, if it is about one that is there, and monitors."""
    return "" if is_monitor(asked.user) else of_vhost(asked)


def policymakers(asked: Asked) -> str:
    """Policymakers that may enter the virtual host."""
    may = is_administrator(asked.user) or (is_policymaker(asked.user) and not of_vhost(asked))
    return "" if may else NOT_YOURS


def any_policymaker(asked: Asked) -> str:
    """Policymakers, wherever."""
    return "" if is_policymaker(asked.user) else NOT_YOURS


# Pages of others

OWN_PAGES = ("same-origin", "none")


def check_origin(request: Request) -> None:
    """Raise Refused (403) for what a browser sends in the name of a page that is none of this broker's.

    Browsers add the password that they know. They ask before they send such a page's PUT, DELETE or JSON, and are not
    told that they may; what is left are forms.
    """
    if request.method != "POST" or request.headers.get("content-type", "").lower().startswith(JSON):
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_own = site in OWN_PAGES
    else:
        is_own = origin is None or _host_of(origin) == request.headers.get("host", "").lower()
    if not is_own:
        raise Refused(403, "forbidden", f"Not from pages of {origin or 'other servers'}")


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return origin


def check_still_in(asked: Asked, rule: Rule) -> None:
    """Raise Refused (401) if the user was deleted, or may not do it any more, while the rest of the request came in."""
    user = asked.user
    if not is_local(asked.request) and asked.site.users.get(user.name) is not user:
        raise Refused(401, "not_authorized", "Login failed", REALM)
    check_rule(asked, rule)


def check_rule(asked: Asked, rule: Rule) -> None:
    """Raise Refused (401) with the rule's reason, if it has one."""
    reason = rule(asked)
    if reason:
        raise not_authorised(reason)


# Logging in


PROTOCOL = "http"
"""What the API is called where logins are counted (RabbitMQ 3.10)."""
LOCAL_USER = "rmq-cli"
"""In whose name commands act that come over the broker's UNIX socket, as those of RabbitMQ's tools do."""
EVERYTHING = Permissions(".*", ".*", ".*")


def local_administrator(site: Site) -> User:
    """Whoever may open the UNIX socket in the data directory; none of the users, whatever these are called."""
    user = User(LOCAL_USER, "", tags=[ADMINISTRATOR])
    user.permissions = dict.fromkeys(site.broker.vhosts, EVERYTHING)
    return user


def user_of(site: Site, request: Request) -> User:
    """Who asks, by HTTP's Basic authentication, without which the UNIX socket lets an administrator in. Raises Refused (401)."""
    header = request.headers.get("authorization", "")
    if not header and is_local(request):
        return local_administrator(site)
    credentials = _credentials(header)
    if credentials is None:
        raise Refused(401, "", "", REALM)
    return logged_in(site, request, *credentials)


def logged_in(site: Site, request: Request, name: str, password: str) -> User:
    """The user of this name and password, if it may use the API from there. Raises Refused (401)."""
    logins = site.broker.node.logins
    try:
        user = _authenticated(site, request, name, password)
    except Refused:
        logins.note(PROTOCOL, False)
        raise
    logins.note(PROTOCOL, True)
    return user


def _authenticated(site: Site, request: Request, name: str, password: str) -> User:
    try:
        user = site.users.authenticate(name, password)
    except LoginRefused as refused:
        _tell(site, request, name, refused.reason)
        raise Refused(401, "not_authorized", "Login failed", REALM) from None
    try:
        site.users.check_loopback(user, _is_loopback(request) and not _is_named(request))
    except LoginRefused as refused:
        _tell(site, request, name, refused.reason)
        raise not_authorised("User can only log in via localhost") from None
    if not {ADMINISTRATOR, MONITORING, POLICYMAKER, MANAGEMENT}.intersection(user.tags):
        raise not_authorised("Not management user")
    return user


def _tell(site: Site, request: Request, name: str, reason: str) -> None:
    client = request.client
    peer = f"{client.host}:{client.port}" if client is not None else "unknown"
    host = request.headers.get("host", "")
    fields: dict[str, object] = {"peer": peer, "host": host, "user": name, "reason": reason}
    site.broker.events.tell("warning", "HTTP access denied", fields)


def _credentials(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "surrogateescape")
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(":")
    return (name, password) if colon else None


def is_local(request: Request) -> bool:
    """Whether it came over the broker's own UNIX socket, which only its owner may open."""
    return request.scope.get(OVER_UNIX_SOCKET) is True


def _is_loopback(request: Request) -> bool:
    if request.client is None:
        return is_local(request)
    try:
        address = ipaddress.ip_address(request.client.host.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _is_named(request: Request) -> bool:
    """Whether the server was asked for by a name that others could have given this machine.

    A page of any server can have its own name lead here, and then asks with the password of guest, which everybody
    knows. An address, a name without a dot, and what ends with .localhost are nobody's to give.
    """
    name = _name_of(request.headers.get("host", ""))
    return "." in name and not name.endswith(".localhost") and not _is_address(name)


def _name_of(host: str) -> str:
    """`Host` without its port: a name, without the dot at its end, or an address, without brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return host


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
