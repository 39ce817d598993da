"""The commands that change how the node works: serving AMQP, maintenance, limits, the log."""

import re
from collections import deque
from collections.abc import Callable
from typing import Any

from amqpd.cli.amqpctl.api import Refused
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.listings import MONITORING
from amqpd.cli.amqpctl.node import ALONE
from amqpd.cli.amqpctl.outcome import (
    EXIT_DATA,
    EXIT_USAGE,
    Failure,
    Outcome,
    Row,
    Shown,
    UsageFailure,
    Written,
)
from amqpd.cli.amqpctl.words import FLAG, NUMBER
from amqpd.logs.levels import LEVELS

NODES = "Nodes"
CONFIGURATION = "Configuration and Environment"
OPERATIONS = "Operations"
UPGRADE = "Upgrade"
MAINTENANCE_TIMEOUT_S = 120
LOG_LINES = 50

UNITS = {
    "": 1,
    "k": 1024,
    "kiB": 1024,
    "M": 1024**2,
    "MiB": 1024**2,
    "G": 1024**3,
    "GiB": 1024**3,
    "kB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
}
"""Of sizes that the commands for limits take (RabbitMQ 3.10)."""
BAD_FRACTION = "Bad argument: The threshold should be a fraction between 0.0 and 1.0"


def _do(action: str) -> Callable[[Call], Outcome]:
    """What lets the node do something."""

    def run(call: Call) -> Outcome:
        _ask(call, "POST", action)
        return None

    return run


def _ask(call: Call, method: str, path: str, body: object = None) -> Any:
    try:
        return call.api.ask(method, "nodes", call.node, path, body={} if body is None else body)
    except Refused as refused:
        raise Failure(refused.reason) from refused


def _is_stopped(call: Call) -> None:
    """Raise Failure unless AMQP is not served."""
    if call.api.get("nodes", call.node, "state")["running"]:
        raise Failure(
            "Error: this command requires the 'rabbit' app to be stopped on the target node. "
            "Stop it with 'rabbitmqctl stop_app'.",
            EXIT_USAGE,
            plain=True,
        )


# Limits


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", text, re.ASCII))


def _size_bytes(text: str) -> int | None:
    """A size with or without a unit, None if it is none."""
    parts = re.fullmatch("([0-9]{1,18})([A-Za-z]*)", text)
    return int(parts[1]) * UNITS[parts[2]] if parts and parts[2] in UNITS else None


def _memory_limit_is_one(call: Call) -> None:
    first, *rest = call.arguments
    if first != "absolute":
        if rest:
            raise UsageFailure("too many arguments.")
        if not _is_number(first):
            raise UsageFailure("Bad argument.", EXIT_DATA)
        if not 0 <= float(first) <= 1:
            raise UsageFailure(BAD_FRACTION, EXIT_DATA)
    elif not rest:
        raise UsageFailure("not enough arguments.")
    elif _size_bytes(rest[0]) is None:
        raise UsageFailure(_mistake_in_size(rest[0]), EXIT_DATA)


def _mistake_in_size(text: str) -> str:
    if not re.match("[-+]?[0-9]", text):
        return "Bad argument."
    is_whole = re.match(r"[-+]?[0-9]+\.", text) is None
    return f"Bad argument: {'Invalid units.' if is_whole else 'The threshold should be an integer.'}"


def _set_memory_limit(call: Call) -> Outcome:
    if call.arguments[0] == "absolute":
        limit: Row = {"absolute": _size_bytes(call.arguments[1])}
    else:
        limit = {"relative": float(call.arguments[0])}
    _ask(call, "PUT", "memory-limit", limit)
    return None


def _memory_limit_banner(call: Call) -> str:
    unit = " bytes" if call.arguments[0] == "absolute" else ""
    return f"Setting memory threshold on {call.node} to {call.arguments[-1]}{unit} ..."


def _disk_limit_is_one(call: Call) -> None:
    first, *rest = call.arguments
    if first != "mem_relative":
        if rest:
            raise UsageFailure("too many arguments.")
        if _size_bytes(first) is None:
            raise UsageFailure("Bad argument.", EXIT_DATA)
    elif not rest:
        raise UsageFailure("not enough arguments.")
    elif not _is_number(rest[0]) or float(rest[0]) < 0:
        raise UsageFailure("Bad argument.", EXIT_DATA)


def _set_disk_limit(call: Call) -> Outcome:
    if call.arguments[0] == "mem_relative":
        limit: Row = {"relative": float(call.arguments[1])}
    else:
        limit = {"absolute": _size_bytes(call.arguments[0])}
    _ask(call, "PUT", "disk-free-limit", limit)
    return None


def _disk_limit_banner(call: Call) -> str:
    limit = call.arguments[-1]
    unit = f"{limit} times the total RAM" if call.arguments[0] == "mem_relative" else f"{limit} bytes"
    return f"Setting disk free limit on {call.node} to {unit} ..."


# The log


def _set_log_level(call: Call) -> Outcome:
    level = call.arguments[0]
    _ask(call, "PUT", "log-level", {"level": level})
    return None


def _known_level(call: Call) -> None:
    if call.arguments[0] not in LEVELS:
        raise Failure(
            f"level {call.arguments[0]} is not supported. Try one of debug, info, warning, error, critical, none"
        )


def _log_location(call: Call) -> Outcome:
    files = [str(file) for file in call.api.get("nodes", call.node)["log_files"]]
    shown = files if call.flag("all") else files[:1]
    return Shown("\n".join(shown), {"result": "ok", "node_name": call.node, "paths": shown})


def _log_tail(call: Call) -> Outcome:
    path = str(call.api.get("nodes", call.node)["log_files"][0])
    if path.startswith("<"):
        raise Failure(f"The log of node {call.node} goes to {path}, not to a file")
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return Written("".join(deque(file, max(0, call.number("number", LOG_LINES)))))
    except OSError as error:
        raise Failure(f"Could not read from file {path}: {error.strerror}", EXIT_DATA) from error


def _log_tail_banner(call: Call) -> str:
    return f"Last {call.number('number', LOG_LINES)} log lines on node {call.node} ..."


# What the node was told


def _environment(call: Call) -> Outcome:
    settings: Row = _ask(call, "GET", "environment")
    lines = [f"{{{key},{_term(value)}}}" for key, value in sorted(settings.items())]
    return Shown("[{amqpd,\n     [" + ",\n      ".join(lines) + "]}]", {"amqpd": settings})


def _term(value: Any) -> str:
    """A value as Erlang has it."""
    if value is None:
        return "undefined"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + ",".join(map(_term, value)) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


# Clusters of one


def _does_not_apply(call: Call) -> Outcome:
    call.api.get("overview", query="columns=node")
    if call.is_silent and not call.is_for_machine:
        return Written("")
    told = {"result": "ok", "message": ALONE.format("Target node", "check")}
    return Shown(ALONE.format("Target node", "command"), told)


def _patience_s(call: Call) -> int:
    return call.timeout_s(MAINTENANCE_TIMEOUT_S)


def _post_upgrade(call: Call) -> Outcome:
    call.api.ask("POST", "rebalance", "queues", body={})
    return Shown("")


COMMANDS = [
    Command(
        "stop_app",
        NODES,
        "stop_app",
        "Stops the RabbitMQ application, leaving the runtime (Erlang VM) running",
        _do("stop-app"),
        "Stopping rabbit application on node {node} ...",
    ),
    Command(
        "start_app",
        NODES,
        "start_app",
        "Starts the RabbitMQ application but leaves the runtime (Erlang VM) running",
        _do("start-app"),
        "Starting node {node} ...",
    ),
    Command(
        "reset",
        NODES,
        "reset",
        "Instructs a RabbitMQ node to leave the cluster and return to its virgin state",
        _do("reset"),
        "Resetting node {node} ...",
        check=_is_stopped,
    ),
    Command(
        "force_reset",
        "Cluster",
        "force_reset",
        "Forcefully returns a RabbitMQ node to its virgin state",
        _do("reset"),
        "Forcefully resetting node {node} ...",
        check=_is_stopped,
    ),
    Command(
        "rotate_logs",
        NODES,
        "rotate_logs",
        "Goes on in new log files",
        _do("rotate-logs"),
    ),
    Command(
        "suspend_listeners",
        OPERATIONS,
        "suspend_listeners",
        "Suspends client connection listeners so that no new client connections are accepted",
        _do("suspend-listeners"),
        "Will suspend client connection listeners on node {node}. "
        "The node will no longer accept client connections!",
        takes_timeout=True,
    ),
    Command(
        "resume_listeners",
        OPERATIONS,
        "resume_listeners",
        "Resumes client connection listeners making them accept client connections again",
        _do("resume-listeners"),
        "Will resume client connection listeners on node {node}. The node will now accept client connections",
        takes_timeout=True,
    ),
    Command(
        "drain",
        UPGRADE,
        "drain",
        "Puts the node in maintenance mode. Such nodes will not serve any client traffic or host any primary queue replicas",
        _do("drain"),
        "Will put node {node} into maintenance mode. The node will no longer serve any client traffic!",
        takes_timeout=True,
    ),
    Command(
        "revive",
        UPGRADE,
        "revive",
        "Puts the node out of maintenance and into regular operating mode. "
        "Such nodes will again serve client traffic and host primary queue replicas",
        _do("revive"),
        "Will put node {node} back into regular operating mode. "
        "The node will again serve client traffic and host primary queue replicas.",
        takes_timeout=True,
    ),
    Command(
        "await_online_quorum_plus_one",
        UPGRADE,
        "await_online_quorum_plus_one",
        "Waits for all quorum queues to have an above minimum online quorum. "
        "This makes sure that no queues would lose their quorum if the target node is shut down",
        _does_not_apply,
        lambda call: (
            "Will wait for a quorum + 1 of nodes to be online for all quorum queues "
            f"for {_patience_s(call)} seconds..."
        ),
        takes_timeout=True,
    ),
    Command(
        "await_online_synchronized_mirror",
        UPGRADE,
        "await_online_synchronized_mirror",
        "Waits for all classic mirrored queues hosted on the target node to have at least one synchronized mirror online. "
        "This makes sure that if target node is shut down, there will be an up-to-date mirror to promote.",
        _does_not_apply,
        lambda call: (
            "Will wait for a synchronised mirror be online for all classic mirrored queues "
            f"for {_patience_s(call)} seconds..."
        ),
        takes_timeout=True,
    ),
    Command(
        "post_upgrade",
        UPGRADE,
        "post_upgrade",
        "Runs post-upgrade tasks",
        _post_upgrade,
        "Executing post upgrade tasks...\nRebalancing queue masters...",
    ),
    Command(
        "set_vm_memory_high_watermark",
        CONFIGURATION,
        "set_vm_memory_high_watermark <fraction> | absolute <value>",
        "Sets the vm_memory_high_watermark setting",
        _set_memory_limit,
        _memory_limit_banner,
        1,
        2,
        check=_memory_limit_is_one,
        explained=(
            ("<fraction>", "New limit as a fraction of total memory reported by the OS"),
            ("absolute <value>", "New limit as an absolute value with units, e.g. 1GB"),
        ),
    ),
    Command(
        "set_disk_free_limit",
        CONFIGURATION,
        "set_disk_free_limit <disk_limit> | mem_relative <fraction>",
        "Sets the disk_free_limit setting",
        _set_disk_limit,
        _disk_limit_banner,
        1,
        2,
        check=_disk_limit_is_one,
        explained=(
            ("<disk_limit>", "New limit as an absolute value with units, e.g. 1GB"),
            ("mem_relative <fraction>", "New limit as a fraction of total memory reported by the OS"),
        ),
    ),
    Command(
        "set_log_level",
        CONFIGURATION,
        "set_log_level <log_level>",
        "Sets log level in the running node",
        _set_log_level,
        'Setting log level to "{0}" ...',
        1,
        1,
        check=_known_level,
        explained=(("<log_level>", "new log level"),),
    ),
    Command(
        "log_location",
        CONFIGURATION,
        "log_location [--all|-a]",
        "Shows log file location(s) on target node",
        _log_location,
        "Log file location(s) on node {node} ...",
        options={"all": FLAG},
        letters={"a": "all"},
        takes_timeout=True,
    ),
    Command(
        "log_tail",
        MONITORING,
        "log_tail [--number|-N <number>]",
        "Prints the last N lines of the log on the node",
        _log_tail,
        _log_tail_banner,
        options={"number": NUMBER},
        letters={"N": "number"},
        takes_timeout=True,
        explained=(("<number>", f"number of lines to print. Defaults to {LOG_LINES}"),),
    ),
    Command(
        "environment",
        CONFIGURATION,
        "environment",
        "Displays the name and value of each variable in the application environment for each running application",
        _environment,
        "Application environment of node {node} ...",
    ),
]
