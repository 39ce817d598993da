"""The formatters of rabbitmqctl: table, json, csv and pretty_table, each as RabbitMQ 3.10.8 writes it."""

import json
from collections.abc import Callable
from typing import Any

from amqpd.cli.amqpctl.outcome import Outcome, Row, Rows, Shown, Valued, Written
from amqpd.cli.amqpctl.terms import Arguments, cell, terms, typed

LINES_ON = "\x1b(0"
LINES_OFF = "\x1b(B"
BOLD = "\x1b[1m"
PLAIN = "\x1b[0m"


def bold(text: str) -> str:
    """A text as a terminal shows it in bold."""
    return f"{BOLD}{text}{PLAIN}"


def as_json(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def as_sorted_json(value: Any) -> str:
    """JSON without spaces, its names in order, as Erlang has those of its maps."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True)


def table(outcome: Outcome, node: str, headers: bool) -> str:
    """Columns with tabs between them."""
    if not isinstance(outcome, Rows):
        return _spoken(outcome)
    if not outcome.rows:
        return "" if outcome.streamed else "\n"
    lines = ["\t".join(outcome.rows[0])] if headers else []
    lines += ["\t".join(map(cell, row.values())) for row in outcome.rows]
    return "".join(f"{line}\n" for line in lines)


def in_json(outcome: Outcome, node: str, headers: bool) -> str:
    """One object for each row, a line each."""
    if isinstance(outcome, Rows):
        return _json_rows(outcome)
    if isinstance(outcome, Written):
        return outcome.text
    if isinstance(outcome, Shown):
        return as_sorted_json({"message": outcome.text} if outcome.told is None else outcome.told) + "\n"
    result = {"node": node, "result": "ok"}
    return as_sorted_json(result | {"value": outcome.text} if outcome else result) + "\n"


def csv(outcome: Outcome, node: str, headers: bool) -> str:
    """Every value in quotes, and always a line of headers."""
    if not isinstance(outcome, Rows):
        return _spoken(outcome)
    if not outcome.rows:
        return "" if outcome.streamed else "\r\n\r\n\n"
    return "".join(
        ",".join('"' + cell(value).replace('"', '""') + '"' for value in values) + "\n"
        for values in [list(outcome.rows[0]), *(row.values() for row in outcome.rows)]
    )


def pretty_table(outcome: Outcome, node: str, headers: bool) -> str:
    """A table with lines around its cells, for terminals."""
    if isinstance(outcome, Rows):
        if outcome.rows:
            return _drawn(
                list(outcome.rows[0]), [[_pretty(value) for value in row.values()] for row in outcome.rows]
            )
        return "" if outcome.streamed else _drawn(["Output"], [["[]"]])
    if outcome is None or isinstance(outcome, Written):
        return _spoken(outcome)
    return _drawn(["Output"], [[outcome.text]])


FORMATTERS: dict[str, Callable[[Outcome, str, bool], str]] = {
    "table": table,
    "json": in_json,
    "csv": csv,
    "pretty_table": pretty_table,
}
"""What turns an outcome into text, given the name of the node and whether there shall be headers."""


def _spoken(outcome: Shown | Valued | Written | None) -> str:
    if outcome is None:
        return ""
    return outcome.text if isinstance(outcome, Written) else outcome.text + "\n"


def _json_rows(outcome: Rows) -> str:
    if not outcome.rows and not outcome.streamed:
        return "[]\n"
    lines = [
        ("," if at else "") + as_json({name: _json_value(value) for name, value in row.items()})
        for at, row in enumerate(outcome.rows)
    ]
    return "".join(f"{line}\n" for line in ["[", *lines, "]"])


def _json_value(value: Any) -> Any:
    if isinstance(value, Arguments):
        return typed(value)
    return "" if value is None else value


def _pretty(value: Any) -> str:
    if isinstance(value, Arguments):
        return terms(value)
    return "".join(map(cell, value)) if isinstance(value, list) else cell(value)


def _drawn(titles: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    lines = [_rule("l", "w", "k", widths), _cells(titles, widths, bold)]
    for row in rows:
        lines += [_rule("t", "n", "u", widths), _cells(row, widths, str)]
    return "".join(f"{line}\n" for line in [*lines, _rule("m", "v", "j", widths)])


def _rule(left: str, between: str, right: str, widths: list[int]) -> str:
    return LINES_ON + left + between.join("q" * (width + 2) for width in widths) + right + LINES_OFF


def _cells(texts: list[str], widths: list[int], shown: Callable[[str], str]) -> str:
    line = f"{LINES_ON}x{LINES_OFF}"
    cells = [f" {shown(text)}{' ' * (width - len(text))} " for text, width in zip(texts, widths, strict=True)]
    return line + line.join(cells) + line


def failed_json(told: Row) -> str:
    """What a failed command tells a machine."""
    return as_sorted_json(told)
