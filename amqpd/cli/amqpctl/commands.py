"""Every command there is, what they say about themselves, and what rabbitmqctl has and the API cannot do."""

from amqpd.cli.amqpctl import checks, lifetime, listings, operations, parameters, status, users, vhosts
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.formatters import bold
from amqpd.cli.amqpctl.outcome import EXIT_USAGE, Failure, Outcome, Row, Rows, Shown
from amqpd.cli.amqpctl.words import FLAG

SECTIONS = (
    "Help",
    "Nodes",
    "Cluster",
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
    "Deprecated",
)
"""Sections of the help, in RabbitMQ's order."""

RABBITMQ_VERSION = "3.10.8"
"""What `version` says: the rabbitmqctl that this stands for."""

NO_APPLICATION = "the broker is one process that starts and stops as a whole; restart it instead"
FROM_CONFIGURATION = "set it in the configuration file or by an option of amqpd, and restart the broker"
NO_ERLANG = "there is no Erlang in this broker"
NO_CLUSTER = "this broker is one node"
NO_MIRRORS = "there are no mirrored queues"
REFUSED = {
    "stop_app": NO_APPLICATION,
    "start_app": NO_APPLICATION,
    "reset": "stop the broker and remove its data directory instead",
    "force_reset": "stop the broker and remove its data directory instead",
    "force_boot": NO_CLUSTER,
    "environment": "amqpd check-config says what a configuration file means, amqpd --help what there is",
    "set_vm_memory_high_watermark": FROM_CONFIGURATION,
    "set_disk_free_limit": FROM_CONFIGURATION,
    "set_log_level": "set log.console.level in the configuration file, and send the broker SIGHUP",
    "eval": NO_ERLANG,
    "eval_file": NO_ERLANG,
    "exec": NO_ERLANG,
    "force_gc": NO_ERLANG,
    "remote_shell": NO_ERLANG,
    "observer": NO_ERLANG,
    "join_cluster": NO_CLUSTER,
    "forget_cluster_node": NO_CLUSTER,
    "change_cluster_node_type": NO_CLUSTER,
    "rename_cluster_node": NO_CLUSTER,
    "update_cluster_nodes": NO_CLUSTER,
    "await_online_nodes": NO_CLUSTER,
    "sync_queue": NO_MIRRORS,
    "cancel_sync_queue": NO_MIRRORS,
    "restart_vhost": "a virtual host runs as long as the broker does",
    "suspend_listeners": "the management API cannot do this",
    "resume_listeners": "the management API cannot do this",
    "encode": "configuration values cannot be encrypted",
    "decode": "configuration values cannot be encrypted",
    "report": "use status, cluster_status and the lists",
    "consume_event_stream": "the management API cannot do this",
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
                 | --host        | host of the management API
                 | --port        | its port
                 | --username    | user to ask it as
                 | --password    | that user's password
                 | --socket      | UNIX socket of the broker, where no password is needed"""


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


def _version(call: Call) -> Outcome:
    told: Row = {"version": RABBITMQ_VERSION}
    if call.options.get("formatter") == "csv":
        return Rows([told])
    return Shown(RABBITMQ_VERSION, told)


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
    Command("version", "Help", "version", "Displays CLI tools version", _version),
]

ROOMS = (lifetime, status, checks, listings, users, vhosts, parameters, operations)

COMMANDS = {
    command.name: command
    for command in [*HELP_COMMANDS, *(command for room in ROOMS for command in room.COMMANDS)]
}
"""The table of commands, by name."""
