"""Every command there is, what they say about themselves, and what rabbitmqctl has and the API cannot do."""

from collections.abc import Iterable

from amqpd.cli.amqpctl import (
    checks,
    control,
    lifetime,
    listings,
    operations,
    parameters,
    plugins,
    queues,
    status,
    users,
    vhosts,
)
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.formatters import bold, table
from amqpd.cli.amqpctl.node import RABBITMQ_VERSION
from amqpd.cli.amqpctl.outcome import EXIT_USAGE, Failure, Outcome, Row, Rows, Shown, Written
from amqpd.cli.amqpctl.words import FLAG

SECTIONS = (
    "Help",
    "Nodes",
    "Cluster",
    queues.REPLICATION,
    "Users",
    "Access Control",
    "Monitoring, observability and health checks",
    "Parameters",
    "Policies",
    "Virtual hosts",
    "Configuration and Environment",
    "Definitions",
    "Feature flags",
    "Operations",
    "Queues",
    "Upgrade",
    "Plugin Management",
    "Deprecated",
)
"""Sections of the help, in RabbitMQ's order."""

NO_ERLANG = "there is no Erlang in this broker"
NO_CLUSTER = "this broker is one node"
NO_MIRRORS = "there are no mirrored queues"
NO_ENCRYPTION = "configuration values cannot be encrypted"
NOT_OVER_API = "the management API cannot do this"
REFUSED = {
    name: reason
    for reason, names in {
        NO_CLUSTER: "force_boot join_cluster forget_cluster_node change_cluster_node_type rename_cluster_node "
        "update_cluster_nodes discover_peers add_member delete_member add_replica delete_replica grow shrink",
        NO_ERLANG: "eval eval_file exec force_gc remote_shell observer schema_info hipe_compile erlang_version "
        "erlang_cookie_hash erlang_cookie_sources command_line_arguments maybe_stuck runtime_thread_stats "
        "resolver_info",
        NO_MIRRORS: "sync_queue cancel_sync_queue",
        NO_ENCRYPTION: "encode decode list_ciphers list_hashes",
        NOT_OVER_API: "consume_event_stream certificates cipher_suites tls_versions list_network_interfaces "
        "log_tail_stream os_env peek reclaim_quorum_memory resolve_hostname set_stream_retention_policy "
        "list_node_auth_attempt_stats reset_node_auth_attempt_metrics enable_auth_attempt_source_tracking "
        "disable_auth_attempt_source_tracking",
    }.items()
    for name in names.split()
}
"""Commands of RabbitMQ that are refused, and why."""

GENERAL_OPTIONS = """
The following options are accepted by most or all commands.

short            | long          | description
-----------------|---------------|--------------------------------
-?               | --help        | displays command help
-n <node>        | --node <node> | connect to node <node>
-t               | --timeout <n> | for commands that support it, operation timeout in seconds
-q               | --quiet       | suppress informational messages
-s               | --silent      | suppress informational messages
                                 | and table header row
-p               | --vhost       | for commands that are scoped to a virtual host,
                 |               | virtual host to use
                 | --formatter   | alternative result formatter to use
                                 | if supported: json, pretty_table, table, csv
                 | --url         | where the management API is: http://... or https://...
                 | --ssl-ca-cert-file, --ssl-cert-file, --ssl-key-file
                                 | for HTTPS: authorities to trust, and who asks (PEM)
                 | --ssl-insecure
                                 | for HTTPS: whatever certificate the API has
                 | --host        | host of the management API
                 | --port        | its port
                 | --username    | user to ask it as
                 | --password    | that user's password
                 | --socket      | UNIX socket of the broker, where no password is needed
                 | --data-dir    | the broker's data directory, where that socket is"""


def base_usage(command: Command, program: str) -> str:
    """How a command is used, in a line under a heading."""
    timeout = " [--timeout <timeout>]" if command.takes_timeout else ""
    return f"\n{bold('Usage')}\n\n{program} [--node <node>] [--longnames] [--quiet] {command.usage}{timeout}"


def command_usage(command: Command, program: str) -> str:
    """All there is to say about a command."""
    explained = [f"{name}\n\t{meaning}\n" for name, meaning in command.explained]
    return "\n\n".join(
        [
            base_usage(command, program),
            *([f"{command.description.removesuffix('.')}.\n"] if command.description else []),
            *(["\n".join([f"{bold('Arguments and Options')}\n", *explained])] if explained else []),
            f"{bold('General Options')}\n{GENERAL_OPTIONS}\n",
        ]
    )


def all_usage(program: str) -> str:
    """What commands there are, by section."""
    lines = [
        f"\n{bold('Usage')}\n",
        f"{program} [--node <node>] [--timeout <timeout>] [--longnames] [--quiet] <command> [<command options>]",
        "\nAvailable commands:",
        *_described(),
        f"\nUse '{program} help <command>' to learn more about a specific command",
    ]
    return "\n".join(lines)


def _described() -> list[str]:
    width = max(map(len, COMMANDS))
    lines: list[str] = []
    for section in SECTIONS:
        lines.append(f"\n{bold(section)}:\n")
        described = sorted(
            (command.name, command.description) for command in COMMANDS.values() if command.section == section
        )
        lines += [f"   {name:{width}}  {description}" for name, description in described]
    return lines


def not_found(name: str) -> str:
    """What is said of a command that does not exist, with the name of the one that may be meant."""
    # imported late: few have to be told
    from difflib import get_close_matches

    close = get_close_matches(name, COMMANDS, n=1, cutoff=0.75)
    suggestion = f"Did you mean '{close[0]}'? \n" if close else ""
    return f"\nCommand '{name}' not found. \n{suggestion}"


def _help(call: Call) -> Outcome:
    program = call.text("program", "amqpctl")
    if call.flag("list-commands"):
        return Shown("\n".join([*_described(), ""]))
    if not call.arguments:
        return Shown(all_usage(program))
    command = COMMANDS.get(call.arguments[0])
    if command is None:
        said = not_found(call.arguments[0])
        raise Failure(said if "Did you mean" in said else said.rstrip(), EXIT_USAGE)
    return Shown(command_usage(command, program))


def _autocomplete(call: Call) -> Outcome:
    return Written("".join(f"{name}\n" for name in sorted(COMMANDS) if name.startswith(call.arguments[0])))


def _version(call: Call) -> Outcome:
    told: Row = {"version": RABBITMQ_VERSION}
    if call.options.get("formatter") == "csv":
        return Rows([told])
    return Shown(RABBITMQ_VERSION, told)


OF_NODE: tuple[tuple[str, Iterable[str]], ...] = (
    ("status", ()),
    ("cluster_status", ()),
    ("environment", ()),
    ("list_connections", listings.CONNECTION_COLUMNS),
    ("list_channels", listings.CHANNEL_COLUMNS),
)
OF_VHOST: tuple[tuple[str, Iterable[str]], ...] = (
    ("list_queues", listings.QUEUE_COLUMNS),
    ("list_exchanges", listings.EXCHANGE_COLUMNS),
    ("list_bindings", listings.BINDING_COLUMNS),
    ("list_permissions", ()),
    ("list_policies", ()),
    ("list_global_parameters", ()),
    ("list_parameters", ()),
)
"""What a report consists of, with all columns."""


def _report(call: Call) -> Outcome:
    """What the commands say that support would ask for."""
    vhosts = [str(row["name"]) for row in call.rows_of("vhosts", columns="name")]
    parts = [_part(call, name, columns, call.vhost) for name, columns in OF_NODE]
    parts += [_part(call, name, columns, vhost) for vhost in vhosts for name, columns in OF_VHOST]
    return Written("\n".join(parts))


def _part(call: Call, name: str, columns: Iterable[str], vhost: str) -> str:
    command = COMMANDS[name]
    own = Call(list(columns), {**call.options, "vhost": vhost}, call.api)
    return f"{command.said_first(own)}\n{table(command.run(own), call.node, command.has_headers)}"


HELP_COMMANDS = [
    Command(
        "help",
        "Help",
        "help (<command> | [--list-commands])",
        "Displays usage information for a command",
        _help,
        most=1,
        options={"list-commands": FLAG},
        explained=(("--list-commands", "only output a list of discovered commands"),),
    ),
    Command(
        "autocomplete",
        "Help",
        "autocomplete [prefix]",
        "Provides command name autocomplete variants",
        _autocomplete,
        least=1,
        most=1,
        takes_timeout=True,
    ),
    Command("version", "Help", "version", "Displays CLI tools version", _version),
    Command(
        "report",
        listings.MONITORING,
        "report",
        "Generate a server status report containing a concatenation of all server status information for support purposes",
        _report,
        "Reporting server status of node {node} ...\n",
    ),
]

ROOMS = (lifetime, control, status, checks, listings, users, vhosts, parameters, operations, queues, plugins)

COMMANDS = {
    command.name: command
    for command in [*HELP_COMMANDS, *(command for room in ROOMS for command in room.COMMANDS)]
}
"""The table of commands, by name."""
