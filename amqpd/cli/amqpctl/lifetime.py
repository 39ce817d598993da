"""The commands that wait for the broker to start, and that stop it."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from amqpd.cli.amqpctl.api import Refused, Unreachable
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
from amqpd.cli.amqpctl.place import place_of
from amqpd.cli.amqpctl.words import FLAG, NUMBER

NODES = "Nodes"
POLL_S = 0.1
STOP_TIMEOUT_S = 60
SHUTDOWN_TIMEOUT_S = 120


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


def _is_up(call: Call) -> bool:
    """Whether the broker answers, and serves AMQP as far as it says."""
    # Its socket may not have been there before.
    call.api.place = place_of(call.options, os.environ)
    try:
        overview = call.api.get("overview", query="columns=node")
        node = call.api.get("nodes", str(overview["node"])) if "node" in overview else {}
    except (Unreachable, Refused):
        return False
    return bool(node.get("running", True))


def _await_startup(call: Call) -> Outcome:
    _until(call, "await_startup", 300, lambda: _is_up(call))
    return None


def _wait(call: Call) -> Outcome:
    def say(text: str) -> None:
        if not call.is_silent:
            print(text, flush=True)

    if call.arguments:
        path = Path(call.arguments[0])
        say(f"Waiting for pid file '{path}' to appear")
        _until(call, "wait", 10, lambda: _is_of_living(path))
        process = _process_in(path)
        say(f"pid is {process}")
    else:
        process = call.number("pid", 0)
    say(f"Waiting for erlang distribution on node '{call.node}' while OS process '{process}' is running")

    def is_up() -> bool:
        if not _is_alive(process):
            raise Failure("process_not_running")
        return _is_up(call)

    _until(call, "wait", 10, is_up)
    say(f"Waiting for applications 'rabbit_and_plugins' to start on node '{call.node}'")
    say(f"Applications 'rabbit_and_plugins' are running on node '{call.node}'")
    return Written("")


def _one_process(call: Call) -> None:
    if call.arguments and "pid" in call.options:
        raise UsageFailure('"Cannot specify both pid and pidfile"')
    if not call.arguments and "pid" not in call.options:
        raise UsageFailure('"No pid or pidfile specified"')


def _is_of_living(path: Path) -> bool:
    """Whether there is a PID file of a process that lives; one of the run before may still be there (RabbitMQ 3.10)."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return False
    except OSError:
        # which is told where the file is read
        return True
    return bool(text.strip()) and _is_alive(_process_in(path))


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
    return not _is_zombie(process)


def _is_zombie(process: int) -> bool:
    """Whether a process has ended, and its parent has not asked yet how."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] == "Z"


def _end(call: Call) -> Callable[[], bool]:
    """Let the broker end; what says whether it has. Raises Failure or Unreachable."""
    process = call.api.process_id()
    if call.api.place.socket is None:
        call.api.get("overview", query="columns=node")
        raise Failure(
            "Error: only over the UNIX socket in its data directory can a broker be stopped, and there is none that "
            "lets us in (--data-dir, --socket); or send its process SIGTERM",
            plain=True,
        )
    try:
        call.api.ask("POST", "nodes", call.node, "stop", body={})
    except Refused as refused:
        raise Failure(refused.reason) from refused
    except Unreachable:
        # It was there a moment ago, and may end before it has answered.
        pass
    call.api.close()
    if process is not None:
        return lambda: not _is_alive(process)
    return lambda: not _listens(call)


def _listens(call: Call) -> bool:
    try:
        call.api.get("overview", query="columns=node")
    except Unreachable:
        return False
    return True


def _stop(call: Call) -> Outcome:
    """End the broker, and wait until it has ended."""
    process = _process_in(Path(call.arguments[0])) if call.arguments else 0
    try:
        has_ended = _end(call)
    except Unreachable:
        if call.flag("idempotent"):
            return Shown(f"Node {call.node} is no longer running")
        raise
    _until(call, "stop", STOP_TIMEOUT_S, has_ended)
    if call.arguments:
        return Shown(f"process {process} (take from pid file {call.arguments[0]}) is no longer running")
    return None


def _shutdown(call: Call) -> Outcome:
    """The same, told step by step; without waiting if that was asked for."""
    process = call.api.get("nodes", call.node)["os_pid"]
    which = f"RabbitMQ node {call.node} running at PID {process}"
    if not call.options.get("wait", True):
        _end(call)
        return None
    print(f"Shutting down {which}", flush=True)
    has_ended = _end(call)
    print(f"Waiting for PID {process} to terminate", flush=True)
    _until(call, "shutdown", SHUTDOWN_TIMEOUT_S, has_ended)
    return Shown(f"{which} successfully shut down")


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
        _shutdown,
        options={"wait": FLAG},
        explained=(
            (
                "--wait",
                "if set, will wait for target node to terminate (by inferring and monitoring its PID file). "
                "Only works for local nodes.",
            ),
            ("--no-wait", "if set, will not wait for target node to terminate"),
        ),
    ),
]
