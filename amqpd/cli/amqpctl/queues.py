"""The commands of rabbitmq-queues and rabbitmq-streams, and what tests queues."""

import re

from amqpd.cli.amqpctl.api import Refused
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.listings import MONITORING, Listing, same_columns
from amqpd.cli.amqpctl.outcome import Failure, Outcome, Row, Rows
from amqpd.cli.amqpctl.words import FLAG, NUMBER, TEXT

REPLICATION = "Replication"
UNKNOWN = "undefined"
"""What there is only where a queue has a log of its own."""

QUEUE_TYPES = ("all", "classic", "quorum")
RESPONSIVENESS_COLUMNS = same_columns("name durable auto_delete arguments pid recoverable_slaves")


def _queue(call: Call, kind: str, what: str) -> Row:
    """The queue that the first argument names. Raises Failure if it is of another type."""
    queue = call.found("queues", call.vhost, call.arguments[0])
    if queue is None:
        raise Failure("not_found")
    if queue["type"] != kind:
        raise Failure(f"Cannot get {what} of a {queue['type']} queue")
    return queue


def _quorum_status(call: Call) -> Outcome:
    queue = _queue(call, "quorum", "quorum status")
    unknown = dict.fromkeys(
        ("Log Index", "Commit Index", "Snapshot Index", "Term", "Machine Version"), UNKNOWN
    )
    return Rows(
        [
            {"Node Name": node, "Raft State": "leader" if node == queue["leader"] else "follower", **unknown}
            for node in queue["members"]
        ],
        streamed=True,
    )


def _stream_status(call: Call) -> Outcome:
    queue = _queue(call, "stream", "stream status")
    if call.flag("tracking"):
        return Rows([])
    unknown = dict.fromkeys(("offset", "committed_offset", "first_offset"), UNKNOWN)
    readers = {"readers": queue.get("consumers", 0), "segments": UNKNOWN}
    return Rows([{"role": "writer", "node": queue["node"], **unknown, **readers}], streamed=True)


def _rebalance(call: Call) -> Outcome:
    """Where there is one node, all leaders are on it."""
    vhosts, queues = (_pattern(call, f"{what}-pattern") for what in ("vhost", "queue"))
    call.api.ask("POST", "rebalance", "queues", body={})
    count = sum(
        row["type"] == "quorum" and bool(vhosts.search(row["vhost"]) and queues.search(row["name"]))
        for row in call.rows_of("queues", columns="name,vhost,type")
    )
    counts = {"Number of quorum queues": count * (call.arguments[0] != "classic")}
    return Rows([{"Node name": call.node, **counts, "Number of replicated classic queues": 0}])


def _pattern(call: Call, option: str) -> "re.Pattern[str]":
    try:
        return re.compile(call.text(option, ".*"))
    except re.error as error:
        raise Failure(f"--{option}: {error}") from error


def _known_type(call: Call) -> None:
    if call.arguments[0] not in QUEUE_TYPES:
        raise Failure(f"type {call.arguments[0]} is not supported. Try one of all, classic, quorum.")


def _rebalance_banner(call: Call) -> str:
    return f"Re-balancing leaders of {call.arguments[0]} queues..."


def _list_unresponsive(call: Call) -> Outcome:
    """None: queues answer in the same turn of the same process as the API, or nothing does."""
    try:
        call.rows_of("queues", call.vhost, columns="name")
    except Refused as refused:
        if not refused.is_missing:
            raise
    return Rows([], streamed=True)


COMMANDS = [
    Command(
        "quorum_status",
        MONITORING,
        "quorum_status [--vhost <vhost>] <queue>",
        "Displays quorum status of a quorum queue",
        _quorum_status,
        "Status of quorum queue {0} on node {node} ...",
        1,
        1,
        explained=(("<queue>", "Name of the queue"),),
        formatter="pretty_table",
    ),
    Command(
        "stream_status",
        MONITORING,
        "stream_status [--vhost <vhost>] [--tracking] <stream>",
        "Displays the status of a stream",
        _stream_status,
        "Status of stream {0} on node {node} ...",
        1,
        1,
        {"tracking": FLAG},
        explained=(("<stream>", "Name of the stream"),),
        formatter="pretty_table",
    ),
    Command(
        "rebalance",
        REPLICATION,
        "rebalance < all | classic | quorum > [--vhost-pattern <pattern>] [--queue-pattern <pattern>]",
        "Re-balances leaders of replicated queues across up-and-running cluster nodes",
        _rebalance,
        _rebalance_banner,
        1,
        1,
        {"vhost-pattern": TEXT, "queue-pattern": TEXT},
        explained=(
            ("<type>", f"queue type, must be one of: {', '.join(QUEUE_TYPES)}"),
            ("--queue-pattern <pattern>", "regular expression to match queue names"),
            ("--vhost-pattern <pattern>", "regular expression to match virtual host names"),
        ),
        check=_known_type,
        formatter="pretty_table",
    ),
    Command(
        "list_unresponsive_queues",
        MONITORING,
        "list_unresponsive_queues [--local] [--queue-timeout <milliseconds>] [<column> ...] [--no-table-headers]",
        "Tests queues to respond within timeout. Lists those which did not respond",
        _list_unresponsive,
        "Listing unresponsive queues for vhost {vhost} ...",
        most=None,
        options={"local": FLAG, "queue-timeout": NUMBER},
        takes_timeout=True,
        explained=(
            ("<column>", f"must be one of {', '.join(sorted(RESPONSIVENESS_COLUMNS))}"),
            ("--local", "only return queues hosted on the target node"),
            ("--queue-timeout <milliseconds>", "per-queue timeout to use when checking for responsiveness"),
        ),
        check=Listing("queues {vhost}", RESPONSIVENESS_COLUMNS, takes_columns=True).check,
    ),
]
