"""The commands that set and clear policies and runtime parameters."""

from collections.abc import Callable

from amqpd.cli.amqpctl.api import Refused
from amqpd.cli.amqpctl.call import Call, Command, decoded
from amqpd.cli.amqpctl.outcome import Failure, Outcome, no_such_vhost
from amqpd.cli.amqpctl.words import NUMBER, TEXT

PARAMETERS = "Parameters"
POLICIES = "Policies"
NO_PARAMETER = "Parameter does not exist"
POLICY_OPTIONS = {"priority": NUMBER, "apply-to": TEXT}
POLICY_EXPLAINED = (
    ("<name>", "policy name (identifier)"),
    ("<pattern>", "regular expression pattern that will be used to match queues, exchanges, etc"),
    ("<definition>", "policy definition (arguments). Must be a valid JSON document"),
    ("--priority <priority>", "policy priority"),
    (
        "--apply-to <queues | exchanges | all>",
        "policy should only apply to queues, exchanges, or all entities (both of the above)",
    ),
)
POLICY_USAGE = (
    "[--vhost <vhost>] [--priority <priority>] [--apply-to <apply-to>] <name> <pattern> <definition>"
)
NAME = (("<name>", "parameter name (identifier)"),)


def put_in_vhost(call: Call, body: object, *path: str) -> Outcome:
    """Set something; what is not found is the virtual host. Raises Failure."""
    try:
        call.api.put(body, *path)
    except Refused as refused:
        if refused.is_missing:
            raise no_such_vhost(call.vhost) from refused
        raise Failure(refused.reason) from refused
    return None


def delete_parameter(call: Call, *path: str) -> Outcome:
    """Clear something. Raises Failure, also if it is not there."""
    try:
        call.api.delete(*path)
    except Refused as refused:
        raise Failure(NO_PARAMETER if refused.is_missing else refused.reason) from refused
    return None


def _set_policy_of(kind: str) -> Callable[[Call], Outcome]:
    def set_policy(call: Call) -> Outcome:
        name, pattern, definition = call.arguments
        body = {
            "pattern": pattern,
            "definition": decoded(definition),
            "priority": call.number("priority", 0),
            "apply-to": call.text("apply-to", "all"),
        }
        return put_in_vhost(call, body, kind, call.vhost, name)

    return set_policy


def _policy_banner(what: str) -> Callable[[Call], str]:
    def banner(call: Call) -> str:
        name, pattern, definition = call.arguments
        priority = call.number("priority", 0)
        return (
            f'Setting {what} "{name}" for pattern "{pattern}" to "{definition}" '
            f'with priority "{priority}" for vhost "{call.vhost}" ...'
        )

    return banner


def _set_parameter(call: Call) -> Outcome:
    component, name, value = call.arguments
    return put_in_vhost(call, {"value": decoded(value)}, "parameters", component, call.vhost, name)


def _clear_parameter(call: Call) -> Outcome:
    component, name = call.arguments
    return delete_parameter(call, "parameters", component, call.vhost, name)


def _set_global_parameter(call: Call) -> Outcome:
    name, value = call.arguments
    return put_in_vhost(call, {"value": decoded(value)}, "global-parameters", name)


COMMANDS = [
    Command(
        "set_policy",
        POLICIES,
        f"set_policy {POLICY_USAGE}",
        "Sets or updates a policy",
        _set_policy_of("policies"),
        _policy_banner("policy"),
        3,
        3,
        POLICY_OPTIONS,
        explained=POLICY_EXPLAINED,
    ),
    Command(
        "clear_policy",
        POLICIES,
        "clear_policy [--vhost <vhost>] <name>",
        "Clears (removes) a policy",
        lambda call: delete_parameter(call, "policies", call.vhost, call.arguments[0]),
        'Clearing policy "{0}" on vhost "{vhost}" ...',
        1,
        1,
        explained=(("<name>", "Name of policy to clear (remove)"),),
    ),
    Command(
        "set_operator_policy",
        POLICIES,
        f"set_operator_policy {POLICY_USAGE}",
        "Sets an operator policy that overrides a subset of arguments in user policies",
        _set_policy_of("operator-policies"),
        _policy_banner("operator policy override"),
        3,
        3,
        POLICY_OPTIONS,
        explained=POLICY_EXPLAINED,
    ),
    Command(
        "clear_operator_policy",
        POLICIES,
        "clear_operator_policy [--vhost <vhost>] <name>",
        "Clears an operator policy",
        lambda call: delete_parameter(call, "operator-policies", call.vhost, call.arguments[0]),
        'Clearing operator policy "{0}" on vhost "{vhost}" ...',
        1,
        1,
        explained=(("<name>", "policy name (identifier)"),),
    ),
    Command(
        "set_parameter",
        PARAMETERS,
        "set_parameter [--vhost <vhost>] <component_name> <name> <value>",
        "Sets a runtime parameter.",
        _set_parameter,
        'Setting runtime parameter "{1}" for component "{0}" to "{2}" in vhost "{vhost}" ...',
        3,
        3,
        explained=(("<component_name>", "component name"), *NAME, ("<value>", "parameter value")),
    ),
    Command(
        "clear_parameter",
        PARAMETERS,
        "clear_parameter [--vhost <vhost>] <component_name> <name>",
        "Clears a runtime parameter.",
        _clear_parameter,
        'Clearing runtime parameter "{1}" for component "{0}" on vhost "{vhost}" ...',
        2,
        2,
        explained=(("<component_name>", "component name"), *NAME),
    ),
    Command(
        "set_global_parameter",
        PARAMETERS,
        "set_global_parameter <name> <value>",
        "Sets a runtime parameter.",
        _set_global_parameter,
        'Setting global runtime parameter "{0}" to "{1}" ...',
        2,
        2,
        explained=(("<name>", "global parameter name (identifier)"), ("<value>", "parameter value")),
    ),
    Command(
        "clear_global_parameter",
        PARAMETERS,
        "clear_global_parameter <name>",
        "Clears a global runtime parameter",
        lambda call: delete_parameter(call, "global-parameters", call.arguments[0]),
        'Clearing global runtime parameter "{0}" ...',
        1,
        1,
        explained=NAME,
    ),
]
