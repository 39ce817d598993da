"""A command being run: its arguments, its options, and the API that it asks."""

import json
import os
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from amqpd.cli.amqpctl.api import Api, Refused, Unreachable
from amqpd.cli.amqpctl.outcome import Failure, Outcome, Row, UsageFailure
from amqpd.cli.amqpctl.words import Options


class Call:
    """One command with what it was given."""

    def __init__(self, arguments: list[str], options: Options, api: Api) -> None:
        self.arguments = arguments
        self.options = options
        self.api = api
        self.vhost = self.text("vhost", "/")
        self._node: str | None = None

    def text(self, option: str, default: str) -> str:
        """The value of an option."""
        return str(self.options.get(option, default))

    def number(self, option: str, default: int) -> int:
        """The value of an option that is a whole number."""
        return int(self.options.get(option, default))

    def flag(self, option: str) -> bool:
        """Whether an option is there."""
        return bool(self.options.get(option, False))

    @property
    def is_for_machine(self) -> bool:
        """Whether a program reads the output."""
        return self.options.get("formatter") in ("json", "csv")

    @property
    def is_silent(self) -> bool:
        """Whether nothing may be said but the result."""
        return self.flag("quiet") or self.flag("silent") or self.is_for_machine

    def timeout_s(self, default_s: int) -> int:
        """How long the command may take."""
        return self.number("timeout", default_s)

    @property
    def node(self) -> str:
        """The name of the node as the broker has it; if that cannot be asked, of the command line or by default."""
        if self._node is None:
            self._node = self._asked_node() or self._assumed_node()
        return self._node

    def rows_of(self, *path: str, columns: str = "") -> list[Row]:
        """A list that the API has at a path. Raises Refused or Unreachable."""
        found: list[Row] = self.api.get(*path, query=f"columns={columns}" if columns else "")
        # what has none of the columns is [] there
        return [row or {} for row in found]

    def exists(self, *path: str) -> bool:
        """Whether there is anything at a path. Raises Unreachable."""
        return self.found(*path) is not None

    def found(self, *path: str) -> Row | None:
        """What there is at a path, or None. Raises Unreachable."""
        try:
            thing: Row = self.api.get(*path)
        except Refused as refused:
            if refused.is_missing:
                return None
            raise
        return thing

    def _asked_node(self) -> str:
        if self.api.failure is not None:
            return ""
        try:
            return str(self.api.get("overview", query="columns=node")["node"])
        except (Refused, Unreachable, KeyError, TypeError):
            return ""

    def _assumed_node(self) -> str:
        named = self.text("node", "") or os.environ.get("RABBITMQ_NODENAME")
        return named or f"rabbit@{socket.gethostname().split('.')[0]}"


class Command(NamedTuple):
    """A line in the table of commands.

    `least` and `most` say how many arguments there may be; `banner` is what is said first, with `{0}` for the first
    argument, `{vhost}`, `{node}` and options by name, or it is made by a function.
    """

    name: str
    section: str
    usage: str
    description: str
    run: Callable[[Call], Outcome]
    banner: str | Callable[[Call], str] = ""
    least: int = 0
    most: int | None = 0
    options: dict[str, str] = {}  # noqa: RUF012 - never changed
    letters: dict[str, str] = {}  # noqa: RUF012 - never changed
    takes_timeout: bool = False
    timeout_s: int | None = None
    """How long it waits for an answer unless told; None is as long as it takes."""
    explained: tuple[tuple[str, str], ...] = ()
    has_headers: bool = True
    formatter: str = "table"
    """What it is shown with, unless a formatter is asked for."""
    check: Callable[[Call], None] | None = None
    """Raises UsageFailure for arguments that cannot be."""

    def checked(self, call: Call) -> None:
        """Raise UsageFailure unless the arguments are as many as they should be, and can be."""
        if len(call.arguments) < self.least:
            raise UsageFailure("not enough arguments.")
        if self.most is not None and len(call.arguments) > self.most:
            raise UsageFailure("too many arguments.")
        if self.check is not None:
            self.check(call)

    def said_first(self, call: Call) -> str:
        """The banner of this call, without its last newline."""
        if not isinstance(self.banner, str):
            return self.banner(call)
        return _filled(self.banner, call)


def decoded(text: str) -> Any:
    """The JSON that an argument is. Raises Failure."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Failure("JSON decoding error. Reason: badarg") from error


def _filled(template: str, call: Call) -> str:
    values: dict[str, Any] = {name.replace("-", "_"): value for name, value in call.options.items()}
    values |= {str(at): argument for at, argument in enumerate(call.arguments)}
    values["vhost"] = call.vhost
    if "{node}" in template:
        values["node"] = call.node
    for name, value in values.items():
        template = template.replace("{" + name + "}", str(value))
    return template
