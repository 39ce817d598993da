"""The command `amqpd`: starts the broker. The command line beats the environment, which beats the defaults."""

import argparse
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import Field
from typing import Any, NoReturn

from amqpd import __version__
from amqpd.build import build
from amqpd.config.environment import from_environment, nearest, variable
from amqpd.config.settings import SETTINGS, InvalidSetting, Settings, read_setting

EXIT_OK = 0
EXIT_NOT_STARTED = 1
EXIT_USAGE = 2


class UsageError(Exception):
    """A command line that cannot be understood."""


class _Parser(argparse.ArgumentParser):
    """Reports a mistake as an exception, so that the user sees one line and not the whole usage."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def version() -> str:
    """`amqpd 0.1.0 (compiled), Python 3.11.7`"""
    return f"amqpd {__version__} ({build()}), Python {platform.python_version()}"


def option(name: str) -> str:
    """The command line option of a setting."""
    return "--" + name.replace("_", "-")


OPTIONS = {option(name): name for name in SETTINGS}
METAVARS = {"host": "ADDRESS[,...]", "data_dir": "PATH"}


def _default_text(the_setting: Field[Any], default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default} {the_setting.metadata['unit']}".rstrip()


def _help(name: str) -> str:
    the_setting = SETTINGS[name]
    text = str(the_setting.metadata["description"])
    if the_setting.metadata["choices"]:
        text += f" One of {', '.join(the_setting.metadata['choices'])}."
    text += f" Default: {_default_text(the_setting, getattr(Settings(), name))}."
    return f"{text} [{variable(name)}]".replace("%", "%%")


def parser() -> argparse.ArgumentParser:
    """The command line, one option for every setting."""
    result = _Parser(
        prog="amqpd",
        description="An AMQP 0-9-1 broker that RabbitMQ's clients use unchanged.",
        epilog="Each option can also be set by the environment variable in brackets; the option wins. "
        "Another command looks into the log of a data directory, and repairs it: amqpd log --help",
        add_help=False,
        allow_abbrev=False,
    )
    result.add_argument("--help", "-h", action="store_true", help="Show this and exit.")
    result.add_argument("--version", action="store_true", help="Show version and build, and exit.")
    for written, name in OPTIONS.items():
        _add_option(result, written, name)
    return result


def _add_option(to: argparse.ArgumentParser, written: str, name: str) -> None:
    """Add one option; what is either true or false takes no value."""
    if SETTINGS[name].type is bool:
        to.add_argument(written, dest=name, action="append_const", const="true", help=_help(name))
    else:
        metavar = METAVARS.get(name, "VALUE")
        to.add_argument(written, dest=name, action="append", metavar=metavar, help=_help(name))


def _from_arguments(arguments: argparse.Namespace) -> dict[str, object]:
    values: dict[str, object] = {}
    for written, name in OPTIONS.items():
        texts: list[str] | None = getattr(arguments, name)
        if texts is None:
            continue
        if len(texts) > 1 and SETTINGS[name].type != tuple[str, ...]:
            raise UsageError(f"{written} is given more than once")
        values[name] = read_setting(name, ",".join(texts), written)
    return _with_place(values)


def _with_place(values: dict[str, object]) -> dict[str, object]:
    """Memory or a directory: whoever asks for a directory wants it written to, whatever the environment says."""
    if "data_dir" not in values:
        return values
    if "in_memory" in values:
        raise UsageError("--in-memory and --data-dir exclude each other")
    return {**values, "in_memory": False}


def _parse(argv: list[str]) -> argparse.Namespace:
    arguments, unknown = parser().parse_known_args(argv)
    if unknown:
        raise UsageError(f"unknown argument '{unknown[0]}'{nearest(unknown[0].split('=')[0], OPTIONS)}")
    return arguments


def read_settings(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    """Settings from the command line, else the environment, else the defaults.

    Raises UsageError or InvalidSetting.
    """
    values: dict[str, Any] = {**from_environment(environment), **_from_arguments(arguments)}
    return Settings(**values)


def run(settings: Settings) -> int:
    """Run the broker until it is told to stop; the exit status."""
    # imported late: --help and --version need no broker
    from amqpd.app import StartError
    from amqpd.app import run as run_broker

    try:
        return run_broker(settings)
    except StartError as error:
        return _complain(str(error), EXIT_NOT_STARTED)


def run_log(words: list[str]) -> int:
    """Run `amqpd log`; the exit status."""
    # imported late, as the broker is
    from amqpd.cli.log import main as log_main

    return log_main(words)


def _complain(message: str, status: int) -> int:
    print("amqpd: " + " ".join(message.splitlines()), file=sys.stderr)
    return status


def main(argv: list[str] | None = None) -> int:
    """The exit status: 0 after a clean stop, 1 if the broker could not start, 2 for a bad option.

    With "log" as the first word it is that of `amqpd log`.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["log"]:
        return run_log(words[1:])
    try:
        arguments = _parse(words)
        if arguments.help:
            parser().print_help()
            return EXIT_OK
        if arguments.version:
            print(version())
            return EXIT_OK
        settings = read_settings(arguments, os.environ)
    except (UsageError, InvalidSetting) as error:
        return _complain(str(error), EXIT_USAGE)
    return run(settings)
