"""Runs the command that a command line asks for, and says how it ended."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path

from amqpd.cli.amqpctl.api import Api, Refused, TimedOut, Unreachable
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.commands import COMMANDS, REFUSED, all_usage, base_usage, command_usage, not_found
from amqpd.cli.amqpctl.formatters import FORMATTERS, failed_json
from amqpd.cli.amqpctl.outcome import (
    EXIT_AGAIN,
    EXIT_OK,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    Failure,
    Outcome,
    UsageFailure,
    Written,
)
from amqpd.cli.amqpctl.place import place_of
from amqpd.cli.amqpctl.words import Words, complain_of, take_apart

PROGRAM = "amqpctl"
LONGEST_S = 1_000_000_000
"""That a socket waits, if no answer comes."""


def main(words: list[str] | None = None, program: str | None = None) -> int:
    """The exit status, as RabbitMQ's commands have it: 0, 64 for a misunderstood command line, 65, 67, 69, 70, 75."""
    if words is None:
        words, program = sys.argv[1:], Path(sys.argv[0]).name
    _open_streams()
    try:
        return _run([_in_utf8(word) for word in words], program or PROGRAM)
    except UnicodeDecodeError:
        return _complain("Error: the words of a command have to be UTF-8", EXIT_USAGE)
    except BrokenPipeError:
        # whoever reads has had enough
        _write_no_more()
        return EXIT_OK
    except OSError as error:
        _write_no_more()
        return _complain(f"Error: {error.filename or 'standard output'}: {error.strerror}", EXIT_UNAVAILABLE)
    except KeyboardInterrupt:
        return 130


def _open_streams() -> None:
    """What is closed is written to nobody, and what its encoding has not is written as an escape."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115 - open to the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115 - as above
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _write_no_more() -> None:
    """Spare a second complaint about standard output at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_utf8(word: str) -> str:
    """A word that the locale could not decode, as UTF-8. Raises UnicodeDecodeError."""
    return (
        os.fsencode(word).decode() if any("\ud800" <= character <= "\udfff" for character in word) else word
    )


def _run(words: list[str], program: str) -> int:
    given = take_apart(words, {}, {})
    name = given.arguments[0] if given.arguments else ""
    if not name:
        return _without_command(given, program)
    if name in REFUSED:
        return _complain(f"Error: {name} is not supported: {REFUSED[name]}", EXIT_UNAVAILABLE)
    command = COMMANDS.get(name)
    if command is None:
        return _unknown(name, program)
    taken = take_apart(words, command.options, command.letters)
    if taken.options.get("help"):
        return _say(command_usage(command, program) + "\n")
    return _run_command(command, taken, words, program)


def _without_command(given: Words, program: str) -> int:
    if ("--version", "") in given.mistakes:
        return _run(["version"], program)
    if given.options.get("help"):
        return _say(all_usage(program) + "\n")
    return _complain(all_usage(program), EXIT_USAGE)


def _unknown(name: str, program: str) -> int:
    said = not_found(name)
    return _complain(said if "Did you mean" in said else said + all_usage(program), EXIT_USAGE)


def _run_command(command: Command, taken: Words, words: list[str], program: str) -> int:
    try:
        call = _call(command, taken, program)
    except UsageFailure as failure:
        return _misunderstood(command, failure, words, program)
    try:
        complain_of(taken.mistakes)
        if call.text("formatter", command.formatter) not in FORMATTERS:
            raise UsageFailure("the requested formatter is not supported by this command")
        command.checked(call)
        if not call.is_silent and (banner := command.said_first(call)):
            _say(banner + "\n")
        outcome = None if call.flag("dry-run") else command.run(call)
        return _say(_shown(command, call, outcome))
    except UsageFailure as failure:
        return _misunderstood(command, failure, words, program)
    except Failure as failure:
        return _failed(call, failure)
    except Refused as refused:
        return _complain(f"Error:\n{refused.reason}", EXIT_UNAVAILABLE)
    except TimedOut:
        return _complain(
            f"Error: operation {command.name} on node {call.node} timed out. "
            f"Timeout value used: {call.timeout_s(command.timeout_s or 0) * 1000}",
            EXIT_AGAIN,
        )
    except Unreachable as error:
        return _complain(_unreachable(call, error), EXIT_UNAVAILABLE)
    finally:
        call.api.close()


def _call(command: Command, taken: Words, program: str) -> Call:
    """What a command is run with. Raises UsageFailure."""
    options = {**taken.options, "program": program}
    timeout_s = command.timeout_s
    if "timeout" in options:
        # without time for an answer there would be none
        timeout_s = min(max(1, int(options["timeout"])), LONGEST_S)
    return Call(taken.arguments[1:], options, Api(place_of(options, os.environ), timeout_s))


def _misunderstood(command: Command, failure: UsageFailure, words: list[str], program: str) -> int:
    return _complain(
        f"Error (argument validation): {failure.text}\nArguments given:\n\t{' '.join(words)}\n"
        + base_usage(command, program),
        failure.status,
    )


def _shown(command: Command, call: Call, outcome: Outcome) -> str:
    formatter = call.text("formatter", command.formatter)
    headers = bool(call.options.get("table-headers", command.has_headers)) and not call.flag("silent")
    node = call.node if formatter == "json" and not isinstance(outcome, Written) else ""
    return FORMATTERS[formatter](outcome, node, headers)


def _failed(call: Call, failure: Failure) -> int:
    if failure.told is not None and call.options.get("formatter") == "json":
        return _complain(failed_json(failure.told), EXIT_UNAVAILABLE)
    if failure.plain and not failure.text:
        return failure.status
    return _complain(failure.text if failure.plain else f"Error:\n{failure.text}", failure.status)


def _unreachable(call: Call, error: Unreachable) -> str:
    return (
        f"Error: unable to perform an operation on node '{call.node}'. "
        "Please see diagnostics information and suggestions below.\n\n"
        "Most common reasons for this are:\n\n"
        " * The broker is not running, or runs without its management API (management = true, or --management)\n"
        " * The API has another address (--url, --host, --port, AMQPCTL_URL, AMQPCTL_HOST, AMQPCTL_PORT)\n"
        " * The user or password is wrong (--username, --password, AMQPCTL_USERNAME, AMQPCTL_PASSWORD)\n\n"
        "DIAGNOSTICS\n===========\n\n"
        + "".join(f"{line}\n" for line in (call.api.place.passed_by, error) if str(line))
    )


def _say(text: str) -> int:
    sys.stdout.write(text)
    sys.stdout.flush()
    return EXIT_OK


def _complain(text: str, status: int) -> int:
    print(text, file=sys.stderr, flush=True)
    return status
