"""The command `amqpd`: starts the broker. Options beat the environment, which beats configuration files."""

import argparse
import os
import platform
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

from amqpd import __version__
from amqpd.auth.patterns import permission_pattern
from amqpd.build import build
from amqpd.config.configuration import Configuration, Reread, named_file, read_configuration
from amqpd.config.environment import CONFIG, nearest, variable
from amqpd.config.mistakes import InvalidConfiguration, InvalidSetting
from amqpd.config.setting import Setting
from amqpd.config.settings import SETTINGS, Settings, read_setting

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
METAVARS = {
    "host": "ADDRESS[,...]",
    "listeners": "ADDRESS:PORT[,...]",
    "ssl_listeners": "ADDRESS:PORT[,...]",
    "data_dir": "PATH",
}
PATTERNS = ("default_permissions_configure", "default_permissions_write", "default_permissions_read")
CONFIG_OPTION = "--config"
CHECK_CONFIG = "check-config"
LOG = "log"


def _default_text(the_setting: Setting, default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    if default is None:
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default} {the_setting.unit}".rstrip()


def _help(name: str, defaults: Settings) -> str:
    the_setting = SETTINGS[name]
    text = the_setting.description
    if the_setting.allowed.choices:
        text += f" One of {', '.join(the_setting.allowed.choices)}."
    text += f" Default: {_default_text(the_setting, the_setting.of(defaults))}."
    return f"{text} [{variable(name)}]".replace("%", "%%")


def parser() -> argparse.ArgumentParser:
    """The command line, one option for every setting."""
    result = _Parser(
        prog="amqpd",
        description="An AMQP 0-9-1 broker that RabbitMQ's clients use unchanged.",
        epilog="Each option can also be set by the environment variable in brackets; the option wins. "
        "Other commands: amqpd check-config FILE says what is wrong with a configuration file, amqpd log --help "
        "how to look into the log of a data directory, and repair it.",
        add_help=False,
        allow_abbrev=False,
    )
    result.add_argument("--help", "-h", action="store_true", help="Show this and exit.")
    result.add_argument("--version", action="store_true", help="Show version and build, and exit.")
    result.add_argument(
        CONFIG_OPTION,
        action="append",
        metavar="FILE",
        help=f"Configuration file, in the format of rabbitmq.conf; options win over it. [{CONFIG}]",
    )
    defaults = Settings()
    for written, name in OPTIONS.items():
        _add_option(result, written, name, defaults)
    return result


def _add_option(to: argparse.ArgumentParser, written: str, name: str, defaults: Settings) -> None:
    """Add one option; what is either true or false takes no value."""
    text = _help(name, defaults)
    if SETTINGS[name].type is bool:
        to.add_argument(written, dest=name, action="append_const", const="true", help=text)
    else:
        metavar = METAVARS.get(name, "VALUE")
        to.add_argument(written, dest=name, action="append", metavar=metavar, help=text)


def _from_arguments(arguments: argparse.Namespace) -> dict[str, object]:
    values: dict[str, object] = {}
    for written, name in OPTIONS.items():
        texts: list[str] | None = getattr(arguments, name)
        if texts is None:
            continue
        if not SETTINGS[name].is_list:
            _once(written, texts)
        values[name] = read_setting(name, ",".join(texts), written)
    return _with_place(values)


def _once(written: str, texts: list[str]) -> str:
    if len(texts) > 1:
        raise UsageError(f"{written} is given more than once")
    return texts[0]


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
        # What it was to be may be a password.
        name = unknown[0].split("=")[0]
        raise UsageError(f"unknown argument '{name}'{nearest(name, {**OPTIONS, CONFIG_OPTION: CONFIG})}")
    return arguments


def reader(arguments: argparse.Namespace) -> Reread:
    """What reads the configuration that the command line asks for, as often as it is called.

    Raises UsageError or InvalidSetting.
    """
    values = _from_arguments(arguments)
    named = _once(CONFIG_OPTION, arguments.config) if arguments.config else None
    return partial(read_configuration, named_file(named, os.environ), os.environ, values)


def checked(configuration: Configuration) -> Configuration:
    """The configuration, if its patterns are regular expressions. Raises InvalidConfiguration."""
    mistakes: list[str] = []
    for name in PATTERNS:
        try:
            permission_pattern(getattr(configuration.settings, name))
        except ValueError as error:
            mistakes.append(f"{SETTINGS[name].key}: {error}")
    if mistakes:
        raise InvalidConfiguration(mistakes)
    return configuration


def run(configuration: Configuration, reread: Reread) -> int:
    """Run the broker until it is told to stop; the exit status."""
    # imported late: --help and --version need no broker
    from amqpd.app import StartError
    from amqpd.app import run as run_broker

    try:
        return run_broker(configuration, reread)
    except StartError as error:
        return _complain(str(error), EXIT_NOT_STARTED)


def check_config(words: list[str]) -> int:
    """Run `amqpd check-config FILE`; the exit status: 0, or 1 if there are mistakes in it."""
    if len(words) != 1 or words[0].startswith("-"):
        return _complain(f"{CHECK_CONFIG} takes the name of one file", EXIT_USAGE)
    # imported late: --help and --version need no broker
    from amqpd.app.checking import mistakes_in_files

    try:
        configuration = checked(read_configuration(Path(words[0]), os.environ, {}))
    except InvalidConfiguration as invalid:
        return _complain_of_each(invalid.mistakes, EXIT_NOT_STARTED)
    for notice in configuration.notices:
        print(f"{notice.sentence} ({notice.reason}): {', '.join(notice.names)}")
    mistakes = mistakes_in_files(configuration.settings)
    if mistakes:
        return _complain_of_each(mistakes, EXIT_NOT_STARTED)
    print(f"{', '.join(map(str, configuration.files))}: OK")
    return EXIT_OK


def run_log(words: list[str]) -> int:
    """Run `amqpd log`; the exit status."""
    # imported late, as the broker is
    from amqpd.cli.log import main as log_main

    return log_main(words)


def _complain(message: str, status: int) -> int:
    print("amqpd: " + " ".join(message.splitlines()), file=sys.stderr)
    return status


def _complain_of_each(messages: list[str], status: int) -> int:
    for message in messages:
        _complain(message, status)
    return status


def main(argv: list[str] | None = None) -> int:
    """The exit status: 0 after a clean stop, 1 if the broker could not start, 2 for a bad option or configuration.

    With "log" or "check-config" as the first word it is that of these commands.
    """
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == [LOG]:
        return run_log(words[1:])
    if words[:1] == [CHECK_CONFIG]:
        return check_config(words[1:])
    try:
        arguments = _parse(words)
        if arguments.help:
            parser().print_help()
            return EXIT_OK
        if arguments.version:
            print(version())
            return EXIT_OK
        reread = reader(arguments)
        configuration = checked(reread())
    except (UsageError, InvalidSetting) as error:
        return _complain(str(error), EXIT_USAGE)
    except InvalidConfiguration as invalid:
        return _complain_of_each(invalid.mistakes, EXIT_USAGE)
    return run(configuration, reread)
