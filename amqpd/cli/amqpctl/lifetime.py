"""The commands that wait for the broker to start, and that stop it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from amqpd.cli.amqpctl.api import Unreachable
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.outcome import (
    EXIT_AGAIN,
    EXIT_SOFTWARE,
    Failure,
    Outcome,
    Shown,
    UsageFailure,
    Written,
)
from amqpd.cli.amqpctl.words import FLAG, NUMBER

NODES = "Nodes"
POLL_S = 0.1
STOP_TIMEOUT_S = 60


def _until(call: Call, name: str, default_s: int, is_so: Callable[[], bool]) -> None:
    """Wait until something is so. Raises Failure after the time there is."""
    timeout_s = call.timeout_s(default_s)
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() >= deadline_s:
            raise Failure(
                f"Error: operation {name} on node {call.node} timed out. Timeout value used: {timeout_s * 1000}",
                EXIT_AGAIN,
                plain=True,
            )
        time.sleep(POLL_S)


def _answers(call: Call) -> bool:
    try:
        call.api.get("overview", query="columns=node")
    except Unreachable:
        return False
    return True


def _await_startup(call: Call) -> Outcome:
    _until(call, "await_startup", 300, lambda: _answers(call))
    return None


def _wait(call: Call) -> Outcome:
    def say(text: str) -> None:
        if not call.is_silent:
            print(text, flush=True)

    if call.arguments:
        path = Path(call.arguments[0])
        say(f"Waiting for pid file '{path}' to appear")
        _until(call, "wait", 10, lambda: path.exists() and bool(path.read_text().strip()))
        process = _process_in(path)
        say(f"pid is {process}")
    else:
        process = call.number("pid", 0)
    say(f"Waiting for erlang distribution on node '{call.node}' while OS process '{process}' is running")

    def is_up() -> bool:
        if not _is_alive(process):
            raise Failure("Error: process is not running.", EXIT_SOFTWARE)
        return _answers(call)

    _until(call, "wait", 10, is_up)
    say(f"Waiting for applications 'rabbit_and_plugins' to start on node '{call.node}'")
    say(f"Applications 'rabbit_and_plugins' are running on node '{call.node}'")
    return Written("")


def _one_process(call: Call) -> None:
    if call.arguments and "pid" in call.options:
        raise UsageFailure('"Cannot specify both pid and pidfile"')
    if not call.arguments and "pid" not in call.options:
        raise UsageFailure('"No pid or pidfile specified"')


def _process_in(path: Path) -> int:
    try:
        text = path.read_text().split()[0]
    except (OSError, IndexError) as error:
        raise Failure(f"Error: could not read pid. Detail: {error}", EXIT_SOFTWARE) from error
    if not text.isdigit():
        raise Failure("Error: garbage in pid file.", EXIT_SOFTWARE)
    return int(text)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _stop(call: Call) -> Outcome:
    """End the broker's process, which only its UNIX socket says for certain, and wait until it has ended."""
    try:
        process = call.api.process_id()
    except Unreachable:
        if call.flag("idempotent"):
            return Shown(f"Node {call.node} is no longer running")
        raise
    if process is None:
        raise Failure(
            "Error: the management API cannot stop the broker, and there is no UNIX socket of a broker on this machine; "
            "send its process SIGTERM",
            plain=True,
        )
    try:
        os.kill(process, signal.SIGTERM)
    except PermissionError as error:
        raise Failure(f"Process {process} is another user's") from error
    _until(call, "stop", STOP_TIMEOUT_S, lambda: not _is_alive(process))
    if call.arguments:
        return Shown(f"process {process} (take from pid file {call.arguments[0]}) is no longer running")
    return None


def _stop_banner(call: Call) -> str:
    monitored = f" (will monitor pid file {call.arguments[0]})" if call.arguments else ""
    return f"Stopping and halting node {call.node}{monitored} ..."


COMMANDS = [
    Command(
        "await_startup",
        NODES,
        "await_startup",
        "Waits for the RabbitMQ application to start on the target node",
        _await_startup,
    ),
    Command(
        "wait",
        NODES,
        "wait [<pidfile>] [--pid|-P <pid>]",
        "Waits for RabbitMQ node startup by monitoring a local PID file. See also 'rabbitmqctl await_online_nodes'",
        _wait,
        most=1,
        options={"pid": NUMBER},
        letters={"P": "pid"},
        takes_timeout=True,
        check=_one_process,
        explained=(("<pidfile>", "PID file path"), ("--pid <pid>", "operating system PID to monitor")),
    ),
    Command(
        "stop",
        NODES,
        "stop [--idempotent] [<pidfile>]",
        "Stops RabbitMQ and its runtime (Erlang VM). Requires a local node pid file path to monitor progress.",
        _stop,
        _stop_banner,
        most=1,
        options={"idempotent": FLAG},
        explained=(
            ("<pidfile>", "node PID file path to monitor"),
            ("--idempotent", "return success if target node is not running (cannot be contacted)"),
        ),
    ),
    Command(
        "shutdown",
        NODES,
        "shutdown [--wait]",
        "Stops RabbitMQ and its runtime (Erlang VM). Monitors progress for local nodes. Does not require a PID file path.",
        _stop,
        "Shutting down RabbitMQ node {node} ...",
        options={"wait": FLAG},
    ),
]
