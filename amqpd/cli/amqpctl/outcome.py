"""How a command ends: what it has to show, or why it failed, with RabbitMQ's exit statuses (sysexits)."""

from typing import Any, NamedTuple

EXIT_OK = 0
EXIT_USAGE = 64
EXIT_DATA = 65
EXIT_NO_USER = 67
EXIT_UNAVAILABLE = 69
EXIT_SOFTWARE = 70
EXIT_AGAIN = 75

Row = dict[str, Any]
"""A line of a listing: its columns by name, in the order they are shown."""


class Failure(Exception):
    """Why a command failed, for standard error; RabbitMQ writes `Error:` on a line before most, not before `plain` ones.

    With `told`, a formatter for machines writes that instead, and the exit status is 69.
    """

    def __init__(
        self, text: str, status: int = EXIT_UNAVAILABLE, *, plain: bool = False, told: Row | None = None
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.plain = plain
        self.told = told


class UsageFailure(Exception):
    """Words that a command does not understand; the answer repeats them and says how it is used."""

    def __init__(self, text: str, status: int = EXIT_USAGE) -> None:
        super().__init__(text)
        self.text = text
        self.status = status


class Rows(NamedTuple):
    """A listing. RabbitMQ shows one that is empty in two ways: nothing if `streamed`, else an empty line."""

    rows: list[Row]
    streamed: bool = False


class Shown(NamedTuple):
    """A text, and what formatters for machines show instead of it; they show `{"message": text}` if that is None."""

    text: str
    told: Any = None


class Valued(NamedTuple):
    """A text that formatters for machines show as the value of a result."""

    text: str


class Written(NamedTuple):
    """A text that is written as it is, without a newline, whatever the formatter."""

    text: str


Outcome = Rows | Shown | Valued | Written | None
"""What a command has to show; None is success without a word."""


def no_such_vhost(vhost: str) -> Failure:
    """RabbitMQ's failure for a virtual host that does not exist."""
    return Failure(f"Virtual host '{vhost}' does not exist", EXIT_DATA, plain=True)


def no_such_user(username: str) -> Failure:
    """RabbitMQ's failure for an unknown user, where it shows the term and not a sentence."""
    return Failure(f'{{:no_such_user, "{username}"}}')
