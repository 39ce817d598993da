"""The commands that list things: a table of what each asks the API for, and how its columns are read."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from amqpd.cli.amqpctl.api import Refused
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.formatters import as_json, as_sorted_json
from amqpd.cli.amqpctl.outcome import (
    Outcome,
    Row,
    Rows,
    Shown,
    UsageFailure,
    Valued,
    no_such_user,
    no_such_vhost,
)
from amqpd.cli.amqpctl.terms import Arguments, States
from amqpd.cli.amqpctl.words import FLAG, TEXT

Read = str | tuple[str, Callable[[Row], Any]]
"""How a column is read: the name of the API's, or names of the API's and a function of its row."""

MONITORING = "Monitoring, observability and health checks"
ACCESS = "Access Control"
LIST_TIMEOUT_S = 60


def process_id(node: object, name: object) -> str:
    """What stands for the process identifier that RabbitMQ gives a connection or channel: its name without spaces."""
    return f"<{node}.{str(name).replace(' ', '')}>" if name else ""


def _pid(row: Row) -> str:
    return process_id(row.get("node"), row.get("name"))


def _connection(row: Row) -> str:
    return process_id(row.get("node"), row.get("connection_details", {}).get("name"))


def _owner(row: Row) -> str:
    return process_id(row.get("node"), row.get("owner_pid_details", {}).get("name"))


def _leader(row: Row) -> str:
    """The API does not tell a stream's, which is on the node that the stream is on."""
    return str(row.get("leader") or (row.get("node", "") if row.get("type") == "stream" else ""))


def _protocol(row: Row) -> Any:
    """A version of AMQP as numbers: `AMQP 0-9-1` is {0,9,1}."""
    name, _, version = str(row.get("protocol", "")).partition(" ")
    return tuple(map(int, version.split("-"))) if re.fullmatch("[0-9-]*[0-9]", version) else name


def _arguments(row: Row) -> Arguments:
    return Arguments(row.get("arguments") or {})


def _nothing(row: Row) -> str:
    return ""


def _of_classic(name: str) -> Read:
    """A column that RabbitMQ's other queues do not have."""
    return f"{name},type", lambda row: row.get(name, "") if row.get("type", "classic") == "classic" else ""


def _statistic(name: str) -> Read:
    return (
        f"message_stats.{name},type",
        lambda row: (
            # a queue without any has [] there
            (row.get("message_stats") or {}).get(name, 0) if row.get("type", "classic") == "classic" else ""
        ),
    )


def same_columns(names: str) -> dict[str, Read]:
    """Columns that have the API's names."""
    return {name: name for name in names.split()}


QUEUE_COLUMNS: dict[str, Read] = {
    **same_columns("name durable auto_delete"),
    "arguments": ("arguments", _arguments),
    "policy": "policy",
    "pid": ("name", _nothing),
    "owner_pid": ("name,exclusive,node", _owner),
    "exclusive": _of_classic("exclusive"),
    "exclusive_consumer_pid": ("name", _nothing),
    "exclusive_consumer_tag": "exclusive_consumer_tag",
    **same_columns(
        "messages_ready messages_unacknowledged messages messages_ready_ram messages_unacknowledged_ram messages_ram "
        "messages_persistent message_bytes message_bytes_ready message_bytes_unacknowledged message_bytes_ram "
        "message_bytes_persistent head_message_timestamp"
    ),
    "disk_reads": _statistic("disk_reads"),
    "disk_writes": _statistic("disk_writes"),
    "consumers": "consumers",
    "consumer_utilisation": _of_classic("consumer_utilisation"),
    "consumer_capacity": _of_classic("consumer_capacity"),
    "memory": "memory",
    "slave_pids": ("name", _nothing),
    "synchronised_slave_pids": ("name", _nothing),
    **same_columns("state type"),
    "leader": ("leader,type,node", _leader),
    **same_columns("members online"),
}

EXCHANGE_COLUMNS: dict[str, Read] = {
    **same_columns("name type durable auto_delete internal"),
    "arguments": ("arguments", _arguments),
    "policy": "policy",
}

BINDING_COLUMNS: dict[str, Read] = {
    "source_name": "source",
    "source_kind": ("source", lambda row: "exchange"),
    "destination_name": "destination",
    "destination_kind": "destination_type",
    "routing_key": "routing_key",
    "arguments": ("arguments", _arguments),
}

CONNECTION_COLUMNS: dict[str, Read] = {
    "pid": ("name,node", _pid),
    **same_columns(
        "name port host peer_port peer_host ssl ssl_protocol ssl_key_exchange ssl_cipher ssl_hash peer_cert_subject "
        "peer_cert_issuer peer_cert_validity state channels"
    ),
    "protocol": ("protocol", _protocol),
    **same_columns("auth_mechanism user vhost timeout frame_max channel_max"),
    "client_properties": ("client_properties", lambda row: Arguments(row.get("client_properties") or {})),
    **same_columns("recv_oct recv_cnt send_oct send_cnt send_pend connected_at"),
}

CHANNEL_COLUMNS: dict[str, Read] = {
    "pid": ("name,node", _pid),
    "connection": ("connection_details,node", _connection),
    **same_columns(
        "name number user vhost transactional confirm consumer_count messages_unacknowledged messages_uncommitted "
        "acks_uncommitted messages_unconfirmed prefetch_count global_prefetch_count"
    ),
}

CONSUMER_COLUMNS: dict[str, Read] = {
    "queue_name": ("queue", lambda row: row["queue"]["name"]),
    "channel_pid": (
        "channel_details",
        lambda row: process_id(row["channel_details"].get("node"), row["channel_details"].get("name")),
    ),
    **same_columns("consumer_tag ack_required prefetch_count active activity_status"),
    "arguments": ("arguments", _arguments),
}

VHOST_COLUMNS: dict[str, Read] = {
    **same_columns("name description tags default_queue_type tracing"),
    "cluster_state": (
        "cluster_state",
        lambda row: States(row["cluster_state"]) if "cluster_state" in row else None,
    ),
}

FEATURE_FLAG_COLUMNS = same_columns("name state stability provided_by desc doc_url")

POLICY_COLUMNS: dict[str, Read] = {
    **same_columns("vhost name pattern apply-to"),
    "definition": ("definition", lambda row: as_json(row["definition"])),
    "priority": "priority",
}


class Listing(NamedTuple):
    """What a command lists.

    `path` has `{vhost}` and `{0}` in its parts. RabbitMQ streams some lists, which for a virtual host that is not
    there are empty and no failure; in others a column without a value is left out (`sparse`).
    """

    path: str
    columns: dict[str, Read]
    shown: str = ""
    streamed: bool = False
    sparse: bool = False
    takes_columns: bool = False
    complete: Callable[[Call, list[str], list[Row]], None] | None = None
    """Adds what the API's list has not, given the columns that are shown."""

    def run(self, call: Call) -> Outcome:
        """List the things. Raises Failure."""
        names = _asked_columns(call) if self.takes_columns else []
        names = names or self.shown.split() or list(self.columns)
        parts = [part.format(*call.arguments, vhost=call.vhost) for part in self.path.split()]
        wanted = ",".join(_wanted(self.columns[name]) for name in names) if self.streamed else ""
        if call.flag("offline") and not call.flag("online"):
            # the one node there is answers, so nothing is on a node that does not
            return Rows([], self.streamed)
        try:
            found = call.rows_of(*parts, columns=wanted)
        except Refused as refused:
            if not refused.is_missing:
                raise
            found = self._missing(call)
        if self.complete is not None:
            self.complete(call, names, found)
        return Rows([self._row(row, names) for row in found], self.streamed)

    def check(self, call: Call) -> None:
        """Raise UsageFailure for columns that there are not."""
        unknown = sorted(set(_asked_columns(call)) - self.columns.keys())
        if self.takes_columns and unknown:
            raise UsageFailure(f"Info key(s) {','.join(unknown)} are not supported")

    def _row(self, found: Row, names: list[str]) -> Row:
        row = {name: _read(found, self.columns[name]) for name in names}
        return {name: value for name, value in row.items() if value is not None} if self.sparse else row

    def _missing(self, call: Call) -> list[Row]:
        if self.streamed:
            return []
        raise no_such_user(call.arguments[0]) if call.arguments else no_such_vhost(call.vhost)


def _asked_columns(call: Call) -> list[str]:
    words = [name.strip() for argument in call.arguments for name in argument.split(",")]
    return list(dict.fromkeys(name for name in words if name))


def _wanted(column: Read) -> str:
    return column if isinstance(column, str) else column[0]


def _read(row: Row, column: Read) -> Any:
    return row.get(column) if isinstance(column, str) else column[1](row)


def _listed(
    name: str,
    section: str,
    description: str,
    banner: str,
    listing: Listing,
    usage: str = "",
    options: dict[str, str] | None = None,
    explained: tuple[tuple[str, str], ...] = (),
) -> Command:
    argument = "{0}" in listing.path
    if listing.takes_columns:
        columns = ", ".join(sorted(listing.columns))
        explained = (("<column>", f"must be one of {columns}"), *explained)
    elif argument:
        explained = (("<username>", "Name of the user"),)
    return Command(
        name,
        section,
        f"{name} {usage}".rstrip(),
        description,
        listing.run,
        banner,
        least=1 if argument else 0,
        most=None if listing.takes_columns else 1 if argument else 0,
        options=options or {},
        takes_timeout=True,
        explained=explained,
        check=listing.check,
    )


def _add_owners(call: Call, names: list[str], queues: list[Row]) -> None:
    """Look into exclusive queues one by one, as only there the API tells whose they are."""
    if "owner_pid" in names:
        for queue in queues:
            if queue.get("exclusive"):
                queue |= call.found("queues", call.vhost, queue["name"]) or {}


def _queues_banner(call: Call) -> str:
    return f"Timeout: {float(call.timeout_s(LIST_TIMEOUT_S))} seconds ...\nListing queues for vhost {call.vhost} ..."


def _parameters(call: Call) -> Outcome:
    rows = [row for row in call.rows_of("parameters") if row["vhost"] == call.vhost]
    if not rows and not call.exists("vhosts", call.vhost):
        raise no_such_vhost(call.vhost)
    return Rows(
        [
            {"component": row["component"], "name": row["name"], "value": as_json(row["value"])}
            for row in rows
            if row["component"] != "policy"
        ]
    )


def _vhost_limits(call: Call) -> Outcome:
    if call.flag("global"):
        return _limits(call.rows_of("vhost-limits"), "vhost")
    limits = _limits_of(call, "vhost-limits", call.vhost)
    if limits:
        return Valued(as_json(limits))
    if not call.exists("vhosts", call.vhost):
        raise no_such_vhost(call.vhost)
    return Rows([])


def _user_limits(call: Call) -> Outcome:
    if call.flag("global"):
        return _limits(call.rows_of("user-limits"), "user")
    username = call.text("user", "guest")
    limits = _limits_of(call, "user-limits", username)
    if not limits and not call.exists("users", username):
        raise no_such_user(username)
    return Shown(as_sorted_json(limits))


def _limits(rows: list[Row], owner: str) -> Outcome:
    return Rows([{owner: row[owner], "limits": as_sorted_json(row["value"])} for row in rows if row["value"]])


def _limits_of(call: Call, kind: str, name: str) -> Row:
    """The limits of a virtual host or user, none if there is no such thing."""
    try:
        rows = call.rows_of(kind, name)
    except Refused as refused:
        if refused.is_missing:
            return {}
        raise
    return {limit: value for row in rows for limit, value in row["value"].items()}


def _limits_banner(call: Call) -> str:
    if call.flag("global"):
        return "Listing limits for all vhosts ..."
    return f'Listing limits for vhost "{call.vhost}" ...'


def _user_limits_banner(call: Call) -> str:
    if call.flag("global"):
        return "Listing limits for all users ..."
    return f'Listing limits for user "{call.text("user", "guest")}" ...'


VHOST_AND_COLUMNS = "[--vhost <vhost>] [--no-table-headers] [<column> ...]"
COLUMNS = "[--no-table-headers] [<column> ...]"
OF_VHOST = "[--vhost <vhost>] [--no-table-headers]"

COMMANDS = [
    _listed(
        "list_queues",
        MONITORING,
        "Lists queues and their properties",
        "",
        Listing(
            "queues {vhost}", QUEUE_COLUMNS, "name messages", True, takes_columns=True, complete=_add_owners
        ),
        "[--vhost <vhost>] [--online] [--offline] [--local] [--no-table-headers] [<column>, ...]",
        {"online": FLAG, "offline": FLAG, "local": FLAG},
        (
            ("--online", "lists only queues on online (reachable) nodes"),
            ("--offline", "lists only queues on offline (unreachable) nodes"),
            ("--local", "only return queues hosted on the target node"),
        ),
    )._replace(banner=_queues_banner, timeout_s=LIST_TIMEOUT_S),
    _listed(
        "list_exchanges",
        MONITORING,
        "Lists exchanges",
        "Listing exchanges for vhost {vhost} ...",
        Listing("exchanges {vhost}", EXCHANGE_COLUMNS, "name type", streamed=True, takes_columns=True),
        VHOST_AND_COLUMNS,
    ),
    _listed(
        "list_bindings",
        MONITORING,
        "Lists all bindings on a vhost",
        "Listing bindings for vhost {vhost}...",
        Listing("bindings {vhost}", BINDING_COLUMNS, streamed=True, takes_columns=True),
        VHOST_AND_COLUMNS,
    ),
    _listed(
        "list_connections",
        MONITORING,
        "Lists AMQP 0.9.1 connections for the node",
        "Listing connections ...",
        Listing(
            "connections",
            CONNECTION_COLUMNS,
            "user peer_host peer_port state",
            streamed=True,
            takes_columns=True,
        ),
        COLUMNS,
    ),
    _listed(
        "list_channels",
        MONITORING,
        "Lists all channels in the node",
        "Listing channels ...",
        Listing(
            "channels",
            CHANNEL_COLUMNS,
            "pid user consumer_count messages_unacknowledged",
            streamed=True,
            takes_columns=True,
        ),
        COLUMNS,
    )._replace(takes_timeout=False),
    _listed(
        "list_consumers",
        MONITORING,
        "Lists all consumers for a vhost",
        "Listing consumers in vhost {vhost} ...",
        Listing(
            "consumers {vhost}",
            CONSUMER_COLUMNS,
            "queue_name channel_pid consumer_tag ack_required prefetch_count active arguments",
            streamed=True,
            takes_columns=True,
        ),
        VHOST_AND_COLUMNS,
    ),
    _listed(
        "list_users",
        "Users",
        "List user names and tags",
        "Listing users ...",
        Listing("users", {"user": "name", "tags": "tags"}),
        "[--no-table-headers]",
    ),
    _listed(
        "list_vhosts",
        ACCESS,
        "Lists virtual hosts",
        "Listing vhosts ...",
        Listing("vhosts", VHOST_COLUMNS, "name", sparse=True, takes_columns=True),
        COLUMNS,
    ),
    _listed(
        "list_permissions",
        ACCESS,
        "Lists user permissions in a virtual host",
        'Listing permissions for vhost "{vhost}" ...',
        Listing("vhosts {vhost} permissions", same_columns("user configure write read")),
        OF_VHOST,
    ),
    _listed(
        "list_user_permissions",
        ACCESS,
        "Lists permissions of a user across all virtual hosts",
        'Listing permissions for user "{0}" ...',
        Listing("users {0} permissions", same_columns("vhost configure write read")),
        "[--no-table-headers] <username>",
    ),
    _listed(
        "list_topic_permissions",
        ACCESS,
        "Lists topic permissions in a virtual host",
        'Listing topic permissions for vhost "{vhost}" ...',
        Listing("vhosts {vhost} topic-permissions", same_columns("user exchange write read")),
        OF_VHOST,
    ),
    _listed(
        "list_user_topic_permissions",
        ACCESS,
        "Lists user topic permissions",
        'Listing topic permissions for user "{0}" ...',
        Listing("users {0} topic-permissions", same_columns("vhost exchange write read")),
        "[--no-table-headers] <username>",
    )._replace(has_headers=False),
    _listed(
        "list_policies",
        "Policies",
        "Lists all policies in a virtual host",
        'Listing policies for vhost "{vhost}" ...',
        Listing("policies {vhost}", POLICY_COLUMNS),
        OF_VHOST,
    ),
    _listed(
        "list_operator_policies",
        "Policies",
        "Lists operator policy overrides for a virtual host",
        'Listing operator policy overrides for vhost "{vhost}" ...',
        Listing("operator-policies {vhost}", POLICY_COLUMNS),
        OF_VHOST,
    ),
    Command(
        "list_parameters",
        "Parameters",
        f"list_parameters {OF_VHOST}",
        "Lists runtime parameters for a virtual host",
        _parameters,
        'Listing runtime parameters for vhost "{vhost}" ...',
        takes_timeout=True,
    ),
    _listed(
        "list_global_parameters",
        "Parameters",
        "Lists global runtime parameters",
        "Listing global runtime parameters ...",
        Listing("global-parameters", {"name": "name", "value": ("value", lambda row: as_json(row["value"]))}),
        "[--no-table-headers]",
    ),
    Command(
        "list_vhost_limits",
        "Virtual hosts",
        "list_vhost_limits [--vhost <vhost>] [--global] [--no-table-headers]",
        "Displays configured virtual host limits",
        _vhost_limits,
        _limits_banner,
        options={"global": FLAG},
        explained=(("--global", "list global limits (those not associated with a virtual host)"),),
    ),
    Command(
        "list_user_limits",
        "Users",
        "list_user_limits [--user <username>] [--global]",
        "Displays configured user limits",
        _user_limits,
        _user_limits_banner,
        options={"global": FLAG, "user": TEXT},
        explained=(("--global", "list limits for all the users"),),
    ),
    _listed(
        "list_feature_flags",
        "Feature flags",
        "Lists feature flags",
        "Listing feature flags ...",
        Listing("feature-flags", FEATURE_FLAG_COLUMNS, "name state", sparse=True, takes_columns=True),
        "[<column> ...]",
    ),
]
