"""The commands that act on queues, connections, definitions and feature flags."""

import json
import sys
import time
from pathlib import Path

from amqpd.cli.amqpctl.api import Refused
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.formatters import as_sorted_json
from amqpd.cli.amqpctl.listings import process_id
from amqpd.cli.amqpctl.outcome import (
    EXIT_DATA,
    EXIT_USAGE,
    Failure,
    Outcome,
    Shown,
    UsageFailure,
    Valued,
    Written,
)
from amqpd.cli.amqpctl.words import FLAG, NUMBER, TEXT

OPERATIONS = "Operations"


def _purge_queue(call: Call) -> Outcome:
    try:
        call.api.delete("queues", call.vhost, call.arguments[0], "contents")
    except Refused as refused:
        reason = "not_supported" if "not supported" in refused.reason else refused.reason
        raise Failure("not_found" if refused.is_missing else reason) from refused
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


def _close(call: Call, name: str, reason: str) -> None:
    # a header has bytes, no text, and ends with its line
    header = " ".join(reason.split()).encode().decode("latin-1")
    try:
        call.api.delete("connections", name, headers={"X-Reason": header})
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
    except IsADirectoryError as error:
        raise _is_directory(path) from error
    except OSError as error:
        raise Failure(f"Could not write to file {path}: {error.strerror}", EXIT_DATA) from error
    return Written("")


def _is_directory(path: str) -> Failure:
    return Failure(f"Path {path} is a directory", EXIT_DATA)


def _export_banner(call: Call) -> str:
    path = call.arguments[0]
    return "" if path == "-" else f'Exporting definitions in JSON to a file at "{path}" ...'


def _can_import(call: Call) -> None:
    _format_is_json(call)
    if call.arguments and call.arguments[0] != "-" and not Path(call.arguments[0]).exists():
        raise UsageFailure(f"Bad argument: File {call.arguments[0]} does not exist", EXIT_DATA)


def _import_definitions(call: Call) -> Outcome:
    path = call.arguments[0] if call.arguments else "-"
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text()
    except IsADirectoryError as error:
        raise _is_directory(path) from error
    except OSError as error:
        raise Failure(f"Could not read from file {path}: {error.strerror}", EXIT_DATA) from error
    except UnicodeDecodeError as error:
        raise Failure(
            "Failed to deserialise input (format: JSON) (error: it is not UTF-8)", EXIT_DATA
        ) from error
    if not text and path != "-":
        raise Failure(f"File {path} is zero-sized", EXIT_DATA)
    try:
        definitions = json.loads(text)
    except ValueError as error:
        raise Failure(f"Failed to deserialise input (format: JSON) (error: {error})", EXIT_DATA) from error
    call.api.ask("POST", "definitions", body=definitions)
    if call.is_silent and not call.is_for_machine:
        return None
    text = "Successfully started definition import. This process is asynchronous and can take some time."
    if path != "-":
        text += "\n"
    return Shown(text, {"result": "ok", "node": call.node} if call.is_for_machine else None)


def _definitions_banner(call: Call) -> str:
    importing = call.arguments[:1] in ([], ["-"])
    if importing:
        return "Importing definitions in JSON from standard input ..."
    return f'Importing definitions in JSON from a file at "{call.arguments[0]}" ...'


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


COMMANDS = [
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
            ("<username>", "Self-explanatory"),
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
