"""Users and their logins, with the reasons for refusal that RabbitMQ writes to its log."""

from collections.abc import Callable
from typing import Final

from mypy_extensions import trait

from amqpd.auth import passwords
from amqpd.auth.permissions import Permissions, TopicPermission
from amqpd.wire.json_terms import pairs, term

DEFAULT_USER: Final = "guest"
_BLANK_PASSWORD: Final = (
    " attempted to log in with a blank password, which is prohibited by the internal authN backend. "
    "To use TLS/x509 certificate-based authentication, see the rabbitmq_auth_mechanism_ssl plugin and "
    "configure the client to use the EXTERNAL authentication mechanism. "
    "Alternatively change the password for the user to be non-blank."
)


MAX_CONNECTIONS: Final = "max-connections"
MAX_CHANNELS: Final = "max-channels"
ALL_LIMITS: Final = "all"
_LARGEST: Final = 2**63 - 1


class InvalidLimits(Exception):
    """Limits that a user can't have; `text` says why, as RabbitMQ's HTTP API does."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class LoginRefused(Exception):
    """A login that was understood and refused; the reason is for the log, never for the peer."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@trait
class Login:
    """Whoever is logged in as a user, and hears when something about that user changes."""

    def user_changed(self) -> None:
        """What the user may do may be different now."""
        raise NotImplementedError

    def user_deleted(self) -> None:
        """There is no such user any more."""
        raise NotImplementedError


class User:
    """A name, how to recognise its owner, and what the owner may do in each vhost."""

    def __init__(
        self,
        name: str,
        password_hash: str,
        hashing_algorithm: str = passwords.DEFAULT_ALGORITHM,
        tags: list[str] | None = None,
    ) -> None:
        """An empty password_hash is a user who cannot log in with a password."""
        self.name = name
        self.password_hash = password_hash
        self.hashing_algorithm = hashing_algorithm
        self.tags: list[str] = [] if tags is None else tags
        self.permissions: dict[str, Permissions] = {}
        """By vhost; set by `Users`."""
        self.topics: dict[str, dict[str, TopicPermission]] = {}
        """Topic permissions by vhost and exchange; they stay when the permissions in the vhost go (RabbitMQ 3.10)."""
        self.max_connections: int | None = None
        """How many connections the user may have open; None, or a negative number, is no limit."""
        self.max_channels: int | None = None
        """How many channels, over all connections; the same."""

    def limits(self) -> dict[str, int]:
        """The limits that are set, by their names."""
        limits: dict[str, int] = {}
        if self.max_connections is not None:
            limits[MAX_CONNECTIONS] = self.max_connections
        if self.max_channels is not None:
            limits[MAX_CHANNELS] = self.max_channels
        return limits

    def allow(self, vhost: str, permissions: Permissions) -> None:
        """Let the user into a vhost; topic permissions there hold as they are."""
        permissions.topics = self.topics.setdefault(vhost, permissions.topics)
        self.permissions[vhost] = permissions

    def restrict(self, vhost: str, exchange: str, topic: TopicPermission) -> None:
        """Restrict the user's routing keys on one topic exchange of a vhost."""
        self.topics_in(vhost)[exchange] = topic

    def topics_in(self, vhost: str) -> dict[str, TopicPermission]:
        """The topic permissions in a vhost, by exchange, to be changed in place."""
        return self.topics.setdefault(vhost, {})

    def permissions_in(self, vhost: str) -> Permissions | None:
        """The permissions in a vhost, or None if the user may not enter it."""
        return self.permissions.get(vhost)


class Users:
    """All users of a broker. `version` grows with every change, so that caches elsewhere can be dropped."""

    def __init__(self, loopback_users: set[str] | None = None) -> None:
        """loopback_users are the names that may only connect from this machine; guest unless told."""
        self.version = 0
        self.loopback_users: set[str] = {DEFAULT_USER} if loopback_users is None else loopback_users
        self._users: dict[str, User] = {}
        self._logins: dict[str, dict[Login, None]] = {}
        self._record: Callable[[str, User | None], None] | None = None
        self._check: Callable[[], None] | None = None

    def record_with(
        self, record: Callable[[str, User | None], None], check: Callable[[], None] | None = None
    ) -> None:
        """Call `record(name, user)` for every change of a user from now on; None for one that was deleted.

        `check` is called before anything is changed, and raises what it raises if nothing can be recorded.
        """
        self._record = record
        self._check = check

    def _may_change(self) -> None:
        if self._check is not None:
            self._check()

    def _changed(self, *names: str) -> None:
        self.version += 1
        for name in names:
            user = self._users.get(name)
            if self._record is not None:
                self._record(name, user)
            for login in self._logins_of(name):
                if user is not None:
                    login.user_changed()
                else:
                    login.user_deleted()

    def _logins_of(self, name: str) -> list[Login]:
        return list(self._logins.get(name, {}))

    def logged_in(self, name: str, login: Login) -> None:
        """From now on, tell `login` when something about this user changes."""
        self._logins.setdefault(name, {})[login] = None

    def logged_out(self, name: str, login: Login) -> None:
        """Tell it no more."""
        logins = self._logins.get(name)
        if logins is not None:
            logins.pop(login, None)
            if not logins:
                del self._logins[name]

    def add(self, user: User) -> None:
        """Add a user, or replace the one with this name."""
        self._may_change()
        self._users[user.name] = user
        self._changed(user.name)

    def put(
        self,
        name: str,
        password_hash: str,
        hashing_algorithm: str,
        tags: list[str],
        limits: dict[str, object],
    ) -> None:
        """Add a user, or let the one there have this password and these tags, and these limits beside its others.

        Permissions stay. Limits are values as they come from JSON. Raises InvalidLimits.
        """
        checked = checked_limits(limits)
        self._may_change()
        user = self._users.setdefault(name, User(name, password_hash))
        user.password_hash = password_hash
        user.hashing_algorithm = hashing_algorithm
        user.tags = tags
        user.max_connections = checked.get(MAX_CONNECTIONS, user.max_connections)
        user.max_channels = checked.get(MAX_CHANNELS, user.max_channels)
        self._changed(name)

    def delete(self, name: str) -> bool:
        """Delete a user, whose connections are closed; False if there is none."""
        user = self._users.get(name)
        if user is None:
            return False
        self._may_change()
        del self._users[name]
        # Whoever is logged in and has not entered a vhost yet must not get in.
        user.permissions.clear()
        self._changed(name)
        return True

    def get(self, name: str) -> User | None:
        """The user with this name, or None."""
        return self._users.get(name)

    def names(self) -> list[str]:
        """The names of all users, sorted."""
        return sorted(self._users)

    def change_password(self, name: str, password_hash: str, hashing_algorithm: str) -> None:
        """Replace a user's hash. Raises KeyError if there is no such user."""
        user = self._users[name]
        self._may_change()
        user.password_hash = password_hash
        user.hashing_algorithm = hashing_algorithm
        self._changed(name)

    def set_tags(self, name: str, tags: list[str]) -> None:
        """Replace a user's tags. Raises KeyError if there is no such user."""
        user = self._users[name]
        self._may_change()
        user.tags = tags
        self._changed(name)

    def set_limits(self, name: str, max_connections: int | None, max_channels: int | None) -> None:
        """Limit a user's connections and channels; None is no limit. Raises KeyError if there is no such user."""
        user = self._users[name]
        self._may_change()
        user.max_connections = max_connections
        user.max_channels = max_channels
        self._changed(name)

    def add_limits(self, name: str, limits: dict[str, object]) -> None:
        """Set limits by their names, of values as they come from JSON; others stay as they are.

        Raises KeyError if there is no such user, InvalidLimits.
        """
        checked = checked_limits(limits)
        checked = {**self._users[name].limits(), **checked}
        self.set_limits(name, checked.get(MAX_CONNECTIONS), checked.get(MAX_CHANNELS))

    def clear_limit(self, name: str, limit: str) -> None:
        """Lift one limit, or "all"; one that is not set is no error. Raises KeyError if there is no such user."""
        limits = self._users[name].limits()
        limits.pop(limit, None)
        if limit == ALL_LIMITS:
            limits.clear()
        self.set_limits(name, limits.get(MAX_CONNECTIONS), limits.get(MAX_CHANNELS))

    def set_permissions(self, name: str, vhost: str, configure: str, write: str, read: str) -> None:
        """Let a user into a vhost, keeping its topic permissions there.

        Raises KeyError if there is no such user, ValueError if a pattern is not a regular expression.
        """
        user = self._users[name]
        permissions = Permissions(configure, write, read)
        self._may_change()
        user.allow(vhost, permissions)
        self._changed(name)

    def clear_permissions(self, name: str, vhost: str) -> None:
        """Shut a user out of a vhost; topic permissions there stay. Raises KeyError if there is no such user.

        Connections that are there already stay, and may do nothing more (RabbitMQ 3.10, observed).
        """
        user = self._users[name]
        self._may_change()
        user.permissions.pop(vhost, None)
        self._changed(name)

    def set_topic_permissions(self, name: str, vhost: str, exchange: str, write: str, read: str) -> None:
        """Restrict a user's routing keys on one topic exchange; {username} and {vhost} are expanded.

        It may be set before the user is let into the vhost. Raises KeyError if there is no such user, ValueError for
        a bad pattern.
        """
        user = self._users[name]
        topic = topic_permission(name, vhost, write, read)
        self._may_change()
        user.restrict(vhost, exchange, topic)
        self._changed(name)

    def clear_topic_permissions(self, name: str, vhost: str, exchange: str | None = None) -> None:
        """Lift a user's restriction on one exchange of a vhost, or on all. Raises KeyError if there is no such user."""
        user = self._users[name]
        self._may_change()
        topics = user.topics_in(vhost)
        if exchange is None:
            topics.clear()
        else:
            topics.pop(exchange, None)
        self._changed(name)

    def forget_vhost(self, vhost: str) -> None:
        """Drop everyone's permissions in a vhost that is deleted; to be called before that, as RabbitMQ does."""
        self._may_change()
        found = [user for user in self._users.values() if vhost in user.permissions or vhost in user.topics]
        for user in found:
            user.permissions.pop(vhost, None)
            user.topics.pop(vhost, None)
        self._changed(*[user.name for user in found])

    def clear(self) -> None:
        """Forget everybody, before a log tells who there is."""
        self._users.clear()
        self.version += 1

    def authenticate(self, name: str, password: str) -> User:
        """The user who logs in with this password. Raises LoginRefused; an empty password never logs in."""
        if not password:
            raise LoginRefused(f"user '{name}'{_BLANK_PASSWORD}")
        user = self._users.get(name)
        if user is None or not passwords.verify(password, user.password_hash, user.hashing_algorithm):
            raise LoginRefused(f"user '{name}' - invalid credentials")
        return user

    def authenticate_external(self, name: str) -> User:
        """The user a peer certificate names; no password is asked. Raises LoginRefused."""
        user = self._users.get(name)
        if user is None:
            raise LoginRefused(f"user '{name}' - invalid credentials")
        return user

    def check_loopback(self, user: User, peer_is_loopback: bool) -> None:
        """Raises LoginRefused if the user may connect only from this machine and the peer is elsewhere."""
        if not peer_is_loopback and user.name in self.loopback_users:
            raise LoginRefused(f"user '{user.name}' can only connect via localhost")


def default_users(loopback_users: set[str] | None = None) -> Users:
    """guest with password guest, an administrator who may do everything in vhost "/"; as RabbitMQ starts."""
    users = Users(loopback_users)
    password_hash = passwords.hash_password(DEFAULT_USER, passwords.random_salt())
    users.add(User(DEFAULT_USER, password_hash, tags=["administrator"]))
    users.set_permissions(DEFAULT_USER, "/", ".*", ".*", ".*")
    return users


def topic_permission(user: str, vhost: str, write: str, read: str) -> TopicPermission:
    """The topic permission of a user in a vhost. Raises ValueError if a pattern is no good, expanded or not."""
    TopicPermission(write, read, {})
    return TopicPermission(write, read, {"username": user, "vhost": vhost})


def checked_limits(limits: dict[str, object]) -> dict[str, int]:
    """The limits of a user, if they are good: "max-connections" and "max-channels". Raises InvalidLimits."""
    checked: dict[str, int] = {}
    unknown: dict[str, object] = {}
    problems: list[str] = []
    for name, value in limits.items():
        if name not in (MAX_CONNECTIONS, MAX_CHANNELS):
            unknown[name] = value
        elif isinstance(value, int) and not isinstance(value, bool):
            checked[name] = max(-_LARGEST, min(value, _LARGEST))
        else:
            problems.append(f"{name} should be a number, actually was {term(value)}")
    if unknown:
        problems.append(f"Unrecognised terms {pairs(unknown)} in user-limits")
    if problems:
        raise InvalidLimits("\n".join(problems))
    return checked
