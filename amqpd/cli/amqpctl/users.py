"""The commands about users and what they may do."""

import sys
from collections.abc import Callable

from amqpd.cli.amqpctl.api import Refused
from amqpd.cli.amqpctl.call import Call, Command, decoded
from amqpd.cli.amqpctl.outcome import (
    EXIT_DATA,
    EXIT_NO_USER,
    EXIT_SOFTWARE,
    Failure,
    Outcome,
    Row,
    Shown,
    UsageFailure,
    no_such_user,
)

USERS = "Users"
ACCESS = "Access Control"
ADDED = (
    "Done. Don't forget to grant the user permissions to some virtual hosts! "
    "See 'rabbitmqctl help set_permissions' to learn more."
)
USERNAME = ("<username>", "Self-explanatory")
PERMISSION_EXPLAINED = (
    ("<write>", "Write permission pattern"),
    ("<read>", "Read permission pattern"),
)


def _user(call: Call) -> Row:
    """The user that the first argument names. Raises Failure."""
    username = call.arguments[0]
    user = call.found("users", username)
    if user is None:
        told = {"result": "error", "node": call.node, "message": f"User {username} does not exists"}
        raise Failure(f'User "{username}" does not exist', EXIT_NO_USER, told=told)
    return user


def _password(call: Call, status: int) -> str:
    """The second argument, or else a line of standard input. Raises Failure with that status."""
    if len(call.arguments) > 1:
        return call.arguments[1]
    if not call.is_silent:
        print("Password: ", flush=True)
    line = sys.stdin.readline()
    if not line:
        raise Failure("Password is not provided via argument or stdin", status)
    if any("\ud800" <= character <= "\udfff" for character in line):
        raise Failure("Password is not UTF-8", status)
    return line.strip()


def _credentials(password: str) -> Row:
    """What says that the password is this one; an empty one disables logging in with a password."""
    return {"password": password} if password else {"password_hash": ""}


def _add_user(call: Call) -> Outcome:
    username = call.arguments[0]
    password = _password(call, EXIT_DATA)
    if call.exists("users", username):
        told = {"result": "error", "node": call.node, "message": f"User {username} already exists"}
        raise Failure(f'User "{username}" already exists', EXIT_SOFTWARE, told=told)
    call.api.put({**_credentials(password), "tags": ""}, "users", username)
    if call.is_silent and not call.is_for_machine:
        return None
    return Shown(
        ADDED, {"status": "ok", "node": call.node, "message": ADDED} if call.is_for_machine else None
    )


def _no_empty_user(call: Call) -> None:
    if call.arguments[0] == "" and len(call.arguments) == 2:
        raise UsageFailure("Bad argument: user cannot be an empty string", EXIT_DATA)


def _delete_user(call: Call) -> Outcome:
    _user(call)
    call.api.delete("users", call.arguments[0])
    return None


def _change_password(call: Call) -> Outcome:
    password = _password(call, EXIT_SOFTWARE)
    user = _user(call)
    call.api.put({**_credentials(password), "tags": ",".join(user["tags"])}, "users", call.arguments[0])
    return None


def _clear_password(call: Call) -> Outcome:
    user = call.found("users", call.arguments[0])
    if user is None:
        raise no_such_user(call.arguments[0])
    call.api.put({"password_hash": "", "tags": ",".join(user["tags"])}, "users", call.arguments[0])
    return None


def _authenticate_user(call: Call) -> Outcome:
    username = call.arguments[0]
    password = _password(call, EXIT_SOFTWARE)
    try:
        call.api.ask("GET", "whoami", as_user=(username, password))
    except Refused as refused:
        # who has the right password and no tag may not use the API, and is told so
        if refused.status != 401 or refused.reason == "Not management user":
            return Shown("Success")
        raise Failure(
            f"Error: failed to authenticate user \"{username}\"\nuser '{username}' - invalid credentials",
            EXIT_DATA,
        ) from refused
    return Shown("Success")


def _set_user_tags(call: Call) -> Outcome:
    user = _user(call)
    kept: Row = {name: user[name] for name in ("password_hash", "hashing_algorithm") if name in user}
    call.api.put({**kept, "tags": ",".join(call.arguments[1:])}, "users", call.arguments[0])
    return None


def tags_banner(what: str) -> Callable[[Call], str]:
    """What says that tags are being set for such a thing."""

    def banner(call: Call) -> str:
        tags = ", ".join(call.arguments[1:])
        return f'Setting tags for {what} "{call.arguments[0]}" to [{tags}] ...'

    return banner


def _set_user_limits(call: Call) -> Outcome:
    username = call.arguments[0]
    limits = decoded(call.arguments[1])
    if not call.exists("users", username):
        raise no_such_user(username)
    if not isinstance(limits, dict):
        raise Failure("Validation failed\n\nlimits must be a dictionary\n")
    for limit, value in limits.items():
        try:
            call.api.put({"value": value}, "user-limits", username, limit)
        except Refused as refused:
            raise Failure(refused.reason) from refused
    return None


def _clear_user_limits(call: Call) -> Outcome:
    username, limit = call.arguments
    if not call.exists("users", username):
        raise no_such_user(username)
    for name in ("max-connections", "max-channels") if limit == "all" else (limit,):
        try:
            call.api.delete("user-limits", username, name)
        except Refused as refused:
            if not refused.is_missing and limit == name in ("max-connections", "max-channels"):
                raise
    return None


def _clear_user_limits_banner(call: Call) -> str:
    username, limit = call.arguments
    if limit == "all":
        return f'Clearing all limits for user "{username}" ...'
    return f'Clearing "{limit}" limit for user "{username}" ...'


def _with_user_and_vhost(call: Call, change: Callable[[], object]) -> Outcome:
    """Change permissions; if that is refused, say whether the user or the virtual host is not there."""
    try:
        change()
    except Refused as refused:
        username = call.arguments[0]
        if not call.exists("users", username):
            raise _no_user_for_permissions(call, username) from refused
        if not call.exists("vhosts", call.vhost):
            raise _no_vhost_for_permissions(call) from refused
        if not refused.is_missing:
            raise
    return None


def _no_user_for_permissions(call: Call, username: str) -> Failure:
    told = {"result": "error", "node": call.node, "message": f"User {username} does not exist"}
    return Failure(f"User {username} does not exist", EXIT_NO_USER, told=told)


def _no_vhost_for_permissions(call: Call) -> Failure:
    text = f"Virtual host {call.vhost} does not exist"
    return Failure(text, told={"result": "error", "node": call.node, "message": text})


def _set_permissions(call: Call) -> Outcome:
    username, configure, write, read = call.arguments
    body = {"configure": configure, "write": write, "read": read}
    return _with_user_and_vhost(call, lambda: call.api.put(body, "permissions", call.vhost, username))


def _clear_permissions(call: Call) -> Outcome:
    return _with_user_and_vhost(call, lambda: call.api.delete("permissions", call.vhost, call.arguments[0]))


def _set_topic_permissions(call: Call) -> Outcome:
    username, exchange, write, read = call.arguments
    body = {"exchange": exchange, "write": write, "read": read}
    return _with_user_and_vhost(call, lambda: call.api.put(body, "topic-permissions", call.vhost, username))


def _clear_topic_permissions(call: Call) -> Outcome:
    path = ["topic-permissions", call.vhost, *call.arguments]
    return _with_user_and_vhost(call, lambda: call.api.delete(*path))


def _clear_topic_permissions_banner(call: Call) -> str:
    on = f' on "{call.arguments[1]}"' if len(call.arguments) > 1 else ""
    return f'Clearing topic permissions{on} for user "{call.arguments[0]}" in vhost "{call.vhost}" ...'


COMMANDS = [
    Command(
        "add_user",
        USERS,
        "add_user <username> <password>",
        "Creates a new user in the internal database. This user will have no permissions for any virtual hosts by default.",
        _add_user,
        'Adding user "{0}" ...',
        1,
        2,
        check=_no_empty_user,
        explained=(
            USERNAME,
            (
                "<password>",
                "Password this user will authenticate with. Use a blank string to disable password-based authentication.",
            ),
        ),
    ),
    Command(
        "authenticate_user",
        USERS,
        "authenticate_user <username> <password>",
        "Attempts to authenticate a user. Exits with a non-zero code if authentication fails.",
        _authenticate_user,
        'Authenticating user "{0}" ...',
        1,
        2,
        explained=(
            ("<username>", "Username to use"),
            ("<password>", "Password to use. Can be entered via stdin in interactive mode."),
        ),
    ),
    Command(
        "change_password",
        USERS,
        "change_password <username> <password>",
        "Changes the user password",
        _change_password,
        'Changing password for user "{0}" ...',
        1,
        2,
        explained=(
            ("<username>", "Name of the user whose password should be changed"),
            ("<password>", "New password to set"),
        ),
    ),
    Command(
        "clear_password",
        USERS,
        "clear_password <username>",
        "Clears (resets) password and disables password login for a user",
        _clear_password,
        'Clearing password for user "{0}" ...',
        1,
        1,
        explained=(("<username>", "Name of the user whose password should be cleared"),),
    ),
    Command(
        "delete_user",
        USERS,
        "delete_user <username>",
        "Removes a user from the internal database. Has no effect on users provided by external backends such as LDAP",
        _delete_user,
        'Deleting user "{0}" ...',
        1,
        1,
        explained=(("<username>", "Name of the user to delete."),),
    ),
    Command(
        "set_user_tags",
        USERS,
        "set_user_tags <username> <tag> [...]",
        "Sets user tags",
        _set_user_tags,
        tags_banner("user"),
        1,
        None,
        explained=(USERNAME, ("<tags>", "Space separated list of tags")),
    ),
    Command(
        "set_user_limits",
        USERS,
        "set_user_limits <username> <definition>",
        "Sets user limits",
        _set_user_limits,
        'Setting user limits to "{1}" for user "{0}" ...',
        2,
        2,
        explained=(USERNAME, ("<definition>", "Limit definitions as a JSON document")),
    ),
    Command(
        "clear_user_limits",
        USERS,
        "clear_user_limits <username> <limit_type> | all",
        "Clears user connection/channel limits",
        _clear_user_limits,
        _clear_user_limits_banner,
        2,
        2,
        explained=(USERNAME, ("<limit_type>", "Limit type, must be max-connections or max-channels")),
    ),
    Command(
        "set_permissions",
        ACCESS,
        "set_permissions [--vhost <vhost>] <username> <conf> <write> <read>",
        "Sets user permissions for a vhost",
        _set_permissions,
        'Setting permissions for user "{0}" in vhost "{vhost}" ...',
        4,
        4,
        explained=(USERNAME, ("<conf>", "Configuration permission pattern"), *PERMISSION_EXPLAINED),
    ),
    Command(
        "clear_permissions",
        ACCESS,
        "clear_permissions [--vhost <vhost>] <username>",
        "Revokes user permissions for a vhost",
        _clear_permissions,
        'Clearing permissions for user "{0}" in vhost "{vhost}" ...',
        1,
        1,
        explained=(("<username>", "Name of the user whose permissions should be revoked"),),
    ),
    Command(
        "set_topic_permissions",
        ACCESS,
        "set_topic_permissions [--vhost <vhost>] <username> <exchange> <write> <read>",
        "Sets user topic permissions for an exchange",
        _set_topic_permissions,
        'Setting topic permissions on "{1}" for user "{0}" in vhost "{vhost}" ...',
        4,
        4,
        explained=(
            USERNAME,
            ("<exchange>", "Topic exchange to set the permissions for"),
            *PERMISSION_EXPLAINED,
        ),
    ),
    Command(
        "clear_topic_permissions",
        ACCESS,
        "clear_topic_permissions [--vhost <vhost>] <username> [<exchange>]",
        "Clears user topic permissions for a vhost or exchange",
        _clear_topic_permissions,
        _clear_topic_permissions_banner,
        1,
        2,
        explained=(
            ("<username>", "Name of the user whose topic permissions should be revoked"),
            ("<exchange>", "Exchange the permissions are for"),
        ),
    ),
]
