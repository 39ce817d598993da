"""The commands that change something: users, permissions, virtual hosts, policies, parameters, limits, queues."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amqpd.cli.amqpctl.api import Refused
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.formatters import as_sorted_json
from amqpd.cli.amqpctl.listings import process_id
from amqpd.cli.amqpctl.outcome import (
    EXIT_DATA,
    EXIT_NO_USER,
    EXIT_SOFTWARE,
    EXIT_USAGE,
    Failure,
    Outcome,
    Row,
    Shown,
    UsageFailure,
    Valued,
    Written,
    no_such_user,
    no_such_vhost,
)
from amqpd.cli.amqpctl.words import FLAG, NUMBER, TEXT

ADDED = (
    "Done. Don't forget to grant the user permissions to some virtual hosts! "
    "See 'rabbitmqctl help set_permissions' to learn more."
)
USERS = "Users"
ACCESS = "Access Control"
VHOSTS = "Virtual hosts"
PARAMETERS = "Parameters"
POLICIES = "Policies"
OPERATIONS = "Operations"
NO_PARAMETER = "Parameter does not exist"
USERNAME = ("<username>", "Self-explanatory")


# users


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


def _tags_banner(what: str) -> Callable[[Call], str]:
    def banner(call: Call) -> str:
        tags = ", ".join(call.arguments[1:])
        return f'Setting tags for {what} "{call.arguments[0]}" to [{tags}] ...'

    return banner


# permissions


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


# virtual hosts


def _add_vhost(call: Call) -> Outcome:
    name = call.arguments[0]
    if call.exists("vhosts", name):
        return None
    body = {"description": call.text("description", ""), "tags": call.text("tags", "")}
    if "default-queue-type" in call.options:
        body["default_queue_type"] = call.text("default-queue-type", "")
    call.api.put(body, "vhosts", name)
    # the API grants everything there to whoever asks; rabbitmqctl grants nothing
    place = call.api.place
    if place.socket is None and call.exists("permissions", name, place.username):
        call.api.delete("permissions", name, place.username)
    return None


def _delete_vhost(call: Call) -> Outcome:
    try:
        call.api.delete("vhosts", call.arguments[0])
    except Refused as refused:
        if refused.is_missing:
            raise no_such_vhost(call.arguments[0]) from refused
        raise
    return None


def _changed_vhost(vhost: Row, **changes: object) -> Row:
    """What keeps a virtual host as it is but for the changes: what is not said is lost."""
    tags = vhost.get("tags") or []
    kept = {
        "description": vhost.get("description", ""),
        "tags": tags if isinstance(tags, str) else ",".join(tags),
        "tracing": vhost.get("tracing", False),
    }
    if vhost.get("default_queue_type", "undefined") != "undefined":
        kept["default_queue_type"] = vhost["default_queue_type"]
    return kept | changes


def _set_vhost_tags(call: Call) -> Outcome:
    name, *tags = call.arguments
    vhost = call.found("vhosts", name)
    if vhost is None:
        told = {"result": "error", "node": call.node, "message": f'Virtual host "{name}" does not exists'}
        raise Failure(f'Virtual host "{name}" does not exist', EXIT_DATA, told=told)
    call.api.put(_changed_vhost(vhost, tags=",".join(tags)), "vhosts", name)
    return None


def _traced(call: Call, is_on: bool) -> Outcome:
    vhost = call.found("vhosts", call.vhost)
    if vhost is None:
        raise no_such_vhost(call.vhost)
    call.api.put(_changed_vhost(vhost, tracing=is_on), "vhosts", call.vhost)
    return Valued(f"Trace {'enabled' if is_on else 'disabled'} for vhost {call.vhost}")


# policies and parameters


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure("JSON decoding error. Reason: badarg") from error


def _put_in_vhost(call: Call, body: object, *path: str) -> Outcome:
    try:
        call.api.put(body, *path)
    except Refused as refused:
        if refused.is_missing:
            raise no_such_vhost(call.vhost) from refused
        raise Failure(refused.reason) from refused
    return None


def _delete_parameter(call: Call, *path: str) -> Outcome:
    try:
        call.api.delete(*path)
    except Refused as refused:
        raise Failure(NO_PARAMETER if refused.is_missing else refused.reason) from refused
    return None


def _set_policy_of(kind: str) -> Callable[[Call], Outcome]:
    def set_policy(call: Call) -> Outcome:
        name, pattern, definition = call.arguments
        body = {
            "pattern": pattern,
            "definition": _decoded(definition),
            "priority": call.number("priority", 0),
            "apply-to": call.text("apply-to", "all"),
        }
        return _put_in_vhost(call, body, kind, call.vhost, name)

    return set_policy


def _policy_banner(what: str) -> Callable[[Call], str]:
    def banner(call: Call) -> str:
        name, pattern, definition = call.arguments
        priority = call.number("priority", 0)
        return (
            f'Setting {what} "{name}" for pattern "{pattern}" to "{definition}" '
            f'with priority "{priority}" for vhost "{call.vhost}" ...'
        )

    return banner


def _set_parameter(call: Call) -> Outcome:
    component, name, value = call.arguments
    return _put_in_vhost(call, {"value": _decoded(value)}, "parameters", component, call.vhost, name)


def _clear_parameter(call: Call) -> Outcome:
    component, name = call.arguments
    return _delete_parameter(call, "parameters", component, call.vhost, name)


def _set_global_parameter(call: Call) -> Outcome:
    name, value = call.arguments
    return _put_in_vhost(call, {"value": _decoded(value)}, "global-parameters", name)


# limits


def _set_vhost_limits(call: Call) -> Outcome:
    limits = _decoded(call.arguments[0])
    if not call.exists("vhosts", call.vhost):
        raise no_such_vhost(call.vhost)
    return _put_in_vhost(call, {"value": limits}, "parameters", "vhost-limits", call.vhost, "limits")


def _set_user_limits(call: Call) -> Outcome:
    username = call.arguments[0]
    limits = _decoded(call.arguments[1])
    if not call.exists("users", username):
        raise no_such_user(username)
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


# queues


def _purge_queue(call: Call) -> Outcome:
    try:
        call.api.delete("queues", call.vhost, call.arguments[0], "contents")
    except Refused as refused:
        raise Failure("not_found" if refused.is_missing else refused.reason) from refused
    return None


def _delete_queue(call: Call) -> Outcome:
    name = call.arguments[0]
    queue = call.found("queues", call.vhost, name)
    if queue is None:
        raise Failure("Queue not found", EXIT_USAGE)
    conditions = [f"{option}=true" for option in ("if-empty", "if-unused") if call.flag(option)]
    try:
        call.api.delete("queues", call.vhost, name, query="&".join(conditions))
    except Refused as refused:
        raise _not_deleted(refused) from refused
    return Shown(f"Queue was successfully deleted with {queue.get('messages_ready') or 0} ready messages")


def _not_deleted(refused: Refused) -> Failure:
    if refused.is_missing:
        return Failure("Queue not found", EXIT_USAGE)
    if "in use" in refused.reason:
        return Failure("Queue is in use", EXIT_USAGE)
    if "not empty" in refused.reason:
        return Failure("Queue is not empty", EXIT_USAGE)
    return Failure(refused.reason)


def _named_queue(call: Call) -> None:
    if call.arguments[0] == "":
        raise UsageFailure("Bad argument: queue name cannot be an empty string", EXIT_DATA)


def _delete_queue_banner(call: Call) -> str:
    conditions = [f"if queue is {word} " for word in ("empty", "unused") if call.flag(f"if-{word}")]
    return f"Deleting queue '{call.arguments[0]}' on vhost '{call.vhost}' {'and '.join(conditions)}..."


# connections


def _close(call: Call, name: str, reason: str) -> None:
    try:
        call.api.delete("connections", name, headers={"X-Reason": reason})
    except Refused as refused:
        if not refused.is_missing:
            raise


def _close_connection(call: Call) -> Outcome:
    process, reason = call.arguments
    names = {
        process_id(row.get("node"), row["name"]): row["name"]
        for row in call.rows_of("connections", columns="name,node")
    }
    name = names.get(process, process if process in names.values() else None)
    if name is not None:
        _close(call, name, reason)
    elif not process.startswith("<"):
        raise Failure(f'Error:\n{{:invalid_pid_syntax, "{process}"}}')
    return None


def _close_all_connections(call: Call) -> Outcome:
    path = ("connections",) if call.flag("global") else ("vhosts", call.vhost, "connections")
    try:
        names = [str(row["name"]) for row in call.rows_of(*path, columns="name")]
    except Refused as refused:
        if not refused.is_missing:
            raise
        names = []
    if limit := call.number("limit", 0):
        names = names[:limit]
    for at, name in enumerate(names):
        if at:
            time.sleep(call.number("per-connection-delay", 0) / 1000)
        _close(call, name, call.arguments[0])
    return Valued(f"Closed {len(names)} connections")


def _close_all_connections_banner(call: Call) -> str:
    reason = call.arguments[0]
    if call.flag("global"):
        return f"Closing all connections to node {call.node} (across all vhosts), reason: {reason}..."
    count = call.number("limit", 0) or "all"
    return f"Closing {count} connections in vhost {call.vhost}, reason: {reason}..."


def _close_all_user_connections(call: Call) -> Outcome:
    username, reason = call.arguments
    for row in call.rows_of("connections", columns="name,user"):
        if row.get("user") == username:
            _close(call, row["name"], reason)
    return None


# definitions


def _format_is_json(call: Call) -> None:
    if call.text("format", "json").lower() == "erlang":
        raise UsageFailure("Bad argument: definitions can be exported and imported as JSON only", EXIT_DATA)
    if call.text("format", "json").lower() != "json":
        raise UsageFailure("Bad argument: Format should be either json or erlang", EXIT_DATA)


def _can_export(call: Call) -> None:
    _format_is_json(call)
    directory = Path(call.arguments[0]).parent
    if not directory.exists():
        raise UsageFailure(f"Bad argument: Directory {directory} does not exist", EXIT_DATA)


def _export_definitions(call: Call) -> Outcome:
    definitions = as_sorted_json(call.api.get("definitions"))
    path = call.arguments[0]
    if path == "-":
        return Written(definitions)
    try:
        Path(path).write_text(definitions)
    except OSError as error:
        raise Failure(f"Could not write to file {path}: {error.strerror}", EXIT_DATA) from error
    return Written("")


def _can_import(call: Call) -> None:
    _format_is_json(call)
    if call.arguments and call.arguments[0] != "-" and not Path(call.arguments[0]).exists():
        raise UsageFailure(f"Bad argument: File {call.arguments[0]} does not exist", EXIT_DATA)


def _import_definitions(call: Call) -> Outcome:
    path = call.arguments[0] if call.arguments else "-"
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except OSError as error:
        raise Failure(f"Could not read from file {path}: {error.strerror}", EXIT_DATA) from error
    if not text and path != "-":
        raise Failure(f"File {path} is zero-sized", EXIT_DATA)
    try:
        definitions = json.loads(text)
    except ValueError as error:
        raise Failure(f"Failed to deserialise input (format: JSON) (error: {error})", EXIT_DATA) from error
    call.api.ask("POST", "definitions", body=definitions)
    if call.is_silent and not call.is_for_machine:
        return None
    text = "Successfully started definition import. This process is asynchronous and can take some time.\n"
    return Shown(text, {"result": "ok", "node": call.node} if call.is_for_machine else None)


def _definitions_banner(call: Call) -> str:
    importing = call.arguments[:1] in ([], ["-"])
    if importing:
        return "Importing definitions in JSON from standard input ..."
    return f'Importing definitions in JSON from a file at "{call.arguments[0]}" ...'


def _export_banner(call: Call) -> str:
    path = call.arguments[0]
    return "" if path == "-" else f'Exporting definitions in JSON to a file at "{path}" ...'


# the rest


def _set_cluster_name(call: Call) -> Outcome:
    call.api.put({"name": call.arguments[0]}, "cluster-name")
    return None


def _enable_feature_flag(call: Call) -> Outcome:
    wanted = call.arguments[0]
    flags = {str(row["name"]): row["state"] for row in call.rows_of("feature-flags")}
    if wanted != "all" and wanted not in flags:
        raise Failure(f"This feature flag is not supported by node {call.node}", EXIT_USAGE)
    disabled = [name for name, state in flags.items() if wanted in ("all", name) and state != "enabled"]
    for name in disabled:
        call.api.put({}, "feature-flags", name, "enable")
    return None


def _flag_banner(call: Call) -> str:
    flag = call.arguments[0]
    return "Enabling all feature flags ..." if flag == "all" else f'Enabling feature flag "{flag}" ...'


def _named_flag(call: Call) -> None:
    if call.arguments[0] == "":
        raise UsageFailure("Bad argument: feature_flag cannot be an empty string.", EXIT_DATA)


POLICY_OPTIONS = {"priority": NUMBER, "apply-to": TEXT}
POLICY_EXPLAINED = (
    ("<name>", "policy name (identifier)"),
    ("<pattern>", "regular expression pattern that will be used to match queues, exchanges, etc"),
    ("<definition>", "policy definition (arguments). Must be a valid JSON document"),
    ("--priority <priority>", "policy priority"),
    (
        "--apply-to <queues | exchanges | all>",
        "policy should only apply to queues, exchanges, or all entities (both of the above)",
    ),
)
POLICY_USAGE = (
    "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>"
)
NAME = (("<name>", "parameter name (identifier)"),)
PERMISSION_EXPLAINED = (
    ("<write>", "Write permission pattern"),
    ("<read>", "Read permission pattern"),
)

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
        _tags_banner("user"),
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
    Command(
        "add_vhost",
        VHOSTS,
        'add_vhost <vhost> [--description <description> --tags "<tag1>,<tag2>,<...>" '
        "--default-queue-type <quorum|classic|stream>]",
        "Creates a virtual host",
        _add_vhost,
        'Adding vhost "{0}" ...',
        1,
        1,
        {"description": TEXT, "tags": TEXT, "default-queue-type": TEXT},
        {"d": "description"},
        explained=(
            ("<vhost>", "Virtual host name"),
            ("--description <description>", "Virtual host description"),
            ("--tags <tags>", "Command separated list of tags"),
            (
                "--default-queue-type <quorum|classic|stream>",
                "Queue type to use if no type is explicitly provided by the client",
            ),
        ),
    ),
    Command(
        "delete_vhost",
        VHOSTS,
        "delete_vhost <vhost>",
        "Deletes a virtual host",
        _delete_vhost,
        'Deleting vhost "{0}" ...',
        1,
        1,
        explained=(("<vhost>", "Name of the virtual host to delete."),),
    ),
    Command(
        "set_vhost_tags",
        VHOSTS,
        "set_vhost_tags <vhost> <tag> [...]",
        "Sets virtual host tags",
        _set_vhost_tags,
        _tags_banner("virtual host"),
        1,
        None,
        explained=(("<vhost>", "Self-explanatory"), ("<tags>", "Space separated list of tags")),
    ),
    Command(
        "set_vhost_limits",
        VHOSTS,
        "set_vhost_limits [--vhost <vhost>] <definition>",
        "Sets virtual host limits",
        _set_vhost_limits,
        'Setting vhost limits to "{0}" for vhost "{vhost}" ...',
        1,
        1,
        explained=(("<definition>", "Limit definitions, must be a valid JSON document"),),
    ),
    Command(
        "clear_vhost_limits",
        VHOSTS,
        "clear_vhost_limits [--vhost <vhost>]",
        "Clears virtual host limits",
        lambda call: _delete_parameter(call, "parameters", "vhost-limits", call.vhost, "limits"),
        'Clearing vhost "{vhost}" limits ...',
    ),
    Command(
        "trace_on",
        VHOSTS,
        "trace_on [--vhost <vhost>]",
        "",
        lambda call: _traced(call, True),
        'Starting tracing for vhost "{vhost}" ...',
        most=None,
    ),
    Command(
        "trace_off",
        VHOSTS,
        "trace_off [--vhost <vhost>]",
        "",
        lambda call: _traced(call, False),
        'Stopping tracing for vhost "{vhost}" ...',
        most=None,
    ),
    Command(
        "set_policy",
        POLICIES,
        f"set_policy {POLICY_USAGE}",
        "Sets or updates a policy",
        _set_policy_of("policies"),
        _policy_banner("policy"),
        3,
        3,
        POLICY_OPTIONS,
        explained=POLICY_EXPLAINED,
    ),
    Command(
        "clear_policy",
        POLICIES,
        "clear_policy [--vhost <vhost>] <name>",
        "Clears (removes) a policy",
        lambda call: _delete_parameter(call, "policies", call.vhost, call.arguments[0]),
        'Clearing policy "{0}" on vhost "{vhost}" ...',
        1,
        1,
        explained=(("<name>", "Name of policy to clear (remove)"),),
    ),
    Command(
        "set_operator_policy",
        POLICIES,
        f"set_operator_policy {POLICY_USAGE}",
        "Sets an operator policy that overrides a subset of arguments in user policies",
        _set_policy_of("operator-policies"),
        _policy_banner("operator policy override"),
        3,
        3,
        POLICY_OPTIONS,
        explained=POLICY_EXPLAINED,
    ),
    Command(
        "clear_operator_policy",
        POLICIES,
        "clear_operator_policy [--vhost <vhost>] <name>",
        "Clears an operator policy",
        lambda call: _delete_parameter(call, "operator-policies", call.vhost, call.arguments[0]),
        'Clearing operator policy "{0}" on vhost "{vhost}" ...',
        1,
        1,
        explained=(("<name>", "policy name (identifier)"),),
    ),
    Command(
        "set_parameter",
        PARAMETERS,
        "set_parameter [--vhost <vhost>] <component_name> <name> <value>",
        "Sets a runtime parameter.",
        _set_parameter,
        'Setting runtime parameter "{1}" for component "{0}" to "{2}" in vhost "{vhost}" ...',
        3,
        3,
        explained=(("<component_name>", "component name"), *NAME, ("<value>", "parameter value")),
    ),
    Command(
        "clear_parameter",
        PARAMETERS,
        "clear_parameter [--vhost <vhost>] <component_name> <name>",
        "Clears a runtime parameter.",
        _clear_parameter,
        'Clearing runtime parameter "{1}" for component "{0}" on vhost "{vhost}" ...',
        2,
        2,
        explained=(("<component_name>", "component name"), *NAME),
    ),
    Command(
        "set_global_parameter",
        PARAMETERS,
        "set_global_parameter <name> <value>",
        "Sets a runtime parameter.",
        _set_global_parameter,
        'Setting global runtime parameter "{0}" to "{1}" ...',
        2,
        2,
        explained=(("<name>", "global parameter name (identifier)"), ("<value>", "parameter value")),
    ),
    Command(
        "clear_global_parameter",
        PARAMETERS,
        "clear_global_parameter <name>",
        "Clears a global runtime parameter",
        lambda call: _delete_parameter(call, "global-parameters", call.arguments[0]),
        'Clearing global runtime parameter "{0}" ...',
        1,
        1,
        explained=NAME,
    ),
    Command(
        "purge_queue",
        "Queues",
        "purge_queue <queue>",
        "Purges a queue (removes all messages in it)",
        _purge_queue,
        "Purging queue '{0}' in vhost '{vhost}' ...",
        1,
        1,
        takes_timeout=True,
        explained=(("<queue>", "Name of the queue to purge"),),
    ),
    Command(
        "delete_queue",
        "Queues",
        "delete_queue <queue_name> [--if-empty|-e] [--if-unused|-u]",
        "Deletes a queue",
        _delete_queue,
        _delete_queue_banner,
        1,
        1,
        {"if-empty": FLAG, "if-unused": FLAG},
        {"e": "if-empty", "u": "if-unused"},
        takes_timeout=True,
        check=_named_queue,
        explained=(
            ("<queue_name>", "name of the queue to delete"),
            ("--if-empty", "delete the queue if it is empty (has no messages ready for delivery)"),
            ("--if-unused", "delete the queue only if it has no consumers"),
        ),
    ),
    Command(
        "close_connection",
        OPERATIONS,
        "close_connection <connection pid> <explanation>",
        "Instructs the broker to close the connection associated with the Erlang process id",
        _close_connection,
        "Closing connection {0}, reason: {1}...",
        2,
        2,
        explained=(
            ("<connection pid>", "pid or name of the connection, see list_connections"),
            ("<explanation>", "reason for connection closure"),
        ),
    ),
    Command(
        "close_all_connections",
        OPERATIONS,
        "close_all_connections [--vhost <vhost> --limit <limit>] [-n <node> --global] "
        "[--per-connection-delay <delay>] <explanation>",
        "Instructs the broker to close all connections for the specified vhost or entire RabbitMQ node",
        _close_all_connections,
        _close_all_connections_banner,
        1,
        1,
        {"global": FLAG, "per-connection-delay": NUMBER, "limit": NUMBER},
        explained=(
            ("--global", "consider connections across all virtual hosts"),
            ("--limit <number>", "close up to this many connections"),
            ("--per-connection-delay <milliseconds>", "inject a delay between closures"),
        ),
    ),
    Command(
        "close_all_user_connections",
        OPERATIONS,
        "close_all_user_connections <username> <explanation>",
        "Instructs the broker to close all connections of the specified user",
        _close_all_user_connections,
        "Closing connections of user {0}, reason: {1}...",
        2,
        2,
        explained=(
            USERNAME,
            ("<explanation>", "reason for connection closure, will be logged and provided to clients"),
        ),
    ),
    Command(
        "export_definitions",
        "Definitions",
        'export_definitions <file_path | "-"> [--format <json | erlang>]',
        "Exports definitions in JSON.",
        _export_definitions,
        _export_banner,
        1,
        1,
        {"format": TEXT},
        takes_timeout=True,
        check=_can_export,
        explained=(("<file>", "Local file path to export to. Pass a dash (-) for stdout."),),
    ),
    Command(
        "import_definitions",
        "Definitions",
        'import_definitions <file_path | "-"> [--format <json | erlang>] [--skip-if-unchanged]',
        "Imports definitions in JSON.",
        _import_definitions,
        _definitions_banner,
        0,
        1,
        {"format": TEXT, "skip-if-unchanged": FLAG},
        takes_timeout=True,
        check=_can_import,
        explained=(
            ("[file]", "Local file path to import from. If omitted will be read from standard input"),
        ),
    ),
    Command(
        "set_cluster_name",
        "Configuration and Environment",
        "set_cluster_name <name>",
        "Sets the cluster name",
        _set_cluster_name,
        "Setting cluster name to {0} ...",
        1,
        1,
        explained=(("<name>", "New cluster name"),),
    ),
    Command(
        "enable_feature_flag",
        "Feature flags",
        "enable_feature_flag <all | feature_flag>",
        "Enables a feature flag or all supported feature flags on the target node",
        _enable_feature_flag,
        _flag_banner,
        1,
        1,
        check=_named_flag,
        explained=(
            (
                "<feature_flag>",
                'name of the feature flag to enable, or "all" to enable all supported flags',
            ),
        ),
    ),
]
