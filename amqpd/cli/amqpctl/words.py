"""Command lines as rabbitmqctl reads them: options may stand anywhere, before the command too."""

from typing import NamedTuple

from amqpd.cli.amqpctl.outcome import UsageFailure

TEXT = "text"
NUMBER = "number"
FLAG = "flag"

Options = dict[str, str | int | bool]

EVERYWHERE = {
    "node": TEXT,
    "quiet": FLAG,
    "silent": FLAG,
    "vhost": TEXT,
    "timeout": NUMBER,
    "formatter": TEXT,
    "table-headers": FLAG,
    "help": FLAG,
    "dry-run": FLAG,
    "url": TEXT,
    "ssl-ca-cert-file": TEXT,
    "ssl-cert-file": TEXT,
    "ssl-key-file": TEXT,
    "ssl-insecure": FLAG,
    "host": TEXT,
    "port": NUMBER,
    "username": TEXT,
    "password": TEXT,
    "socket": TEXT,
    "data-dir": TEXT,
}
"""Options of every command; `--no-` before a flag makes it false."""

WITHOUT_EFFECT = {
    "longnames": FLAG,
    "pad-to-header": FLAG,
    "print-stacktrace": FLAG,
    "printer": TEXT,
    "file": TEXT,
    "script-name": TEXT,
    "rabbitmq-home": TEXT,
    "mnesia-dir": TEXT,
    "plugins-dir": TEXT,
    "enabled-plugins-file": TEXT,
    "aliases-file": TEXT,
    "erlang-cookie": TEXT,
}
"""Options of rabbitmqctl that mean nothing here."""

LETTERS = {
    "p": "vhost",
    "n": "node",
    "q": "quiet",
    "s": "silent",
    "l": "longnames",
    "t": "timeout",
    "?": "help",
}

NOTHING = None
"""What an option got that needs a value and has none."""


class Words(NamedTuple):
    """A command line, taken apart; `mistakes` are options that do not exist or whose value cannot be."""

    arguments: list[str]
    options: Options
    mistakes: list[tuple[str, str]]


def take_apart(words: list[str], kinds: dict[str, str], letters: dict[str, str]) -> Words:
    """Tell arguments from options, of which there are those of every command and these."""
    known = {**EVERYWHERE, **WITHOUT_EFFECT, **kinds}
    result = Words([], {}, [])
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            result.arguments.extend(words[at:])
            break
        if not _is_option(word):
            result.arguments.append(word)
            continue
        following = words[at] if at < len(words) and not _is_option(words[at]) else NOTHING
        at += _take(word, following, known, {**LETTERS, **letters}, result)
    return result


def complain_of(mistakes: list[tuple[str, str]]) -> None:
    """Raise UsageFailure if there are any."""
    if mistakes:
        lines = [f"{option} : {value}" for option, value in mistakes]
        raise UsageFailure("\n".join(["Invalid options for this command:", *lines]))


def _is_option(word: str) -> bool:
    return len(word) > 1 and word[0] == "-" and not word[1].isdigit()


def _take(
    word: str, following: str | None, known: dict[str, str], letters: dict[str, str], result: Words
) -> int:
    """Take one option; how many of the following words belong to it."""
    written, equals, given = word.partition("=")
    name, is_true = _name(written, known, letters)
    kind = known.get(name)
    if kind is None or (kind == FLAG and equals):
        result.mistakes.append((written, given if kind else ""))
        return 0
    if kind == FLAG:
        result.options[name] = is_true
        return 0
    value = given if equals else following
    if value is NOTHING or (kind == NUMBER and not value.removeprefix("-").isdigit()):
        result.mistakes.append((written, value or ""))
    else:
        result.options[name] = int(value) if kind == NUMBER else value
    return 0 if equals or value is NOTHING else 1


def _name(written: str, known: dict[str, str], letters: dict[str, str]) -> tuple[str, bool]:
    if not written.startswith("--"):
        return letters.get(written[1:], ""), True
    name = written[2:].replace("_", "-")
    positive = name.removeprefix("no-")
    if positive != name and known.get(positive) == FLAG:
        return positive, False
    return name, True
