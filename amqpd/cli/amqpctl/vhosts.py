"""The commands that make, change and remove virtual hosts."""

from amqpd.cli.amqpctl.api import Refused
from amqpd.cli.amqpctl.call import Call, Command, decoded
from amqpd.cli.amqpctl.outcome import EXIT_DATA, Failure, Outcome, Row, Valued, no_such_vhost
from amqpd.cli.amqpctl.parameters import delete_parameter, put_in_vhost
from amqpd.cli.amqpctl.users import tags_banner
from amqpd.cli.amqpctl.words import TEXT

VHOSTS = "Virtual hosts"


def _add_vhost(call: Call) -> Outcome:
    name = call.arguments[0]
    if call.exists("vhosts", name):
        return None
    body = {"description": call.text("description", ""), "tags": call.text("tags", "")}
    if "default-queue-type" in call.options:
        body["default_queue_type"] = call.text("default-queue-type", "")
    call.api.put(body, "vhosts", name)
    # the API grants everything there to whoever asks; rabbitmqctl grants nothing
    place = call.api.place
    if place.socket is None and call.exists("permissions", name, place.username):
        call.api.delete("permissions", name, place.username)
    return None


def _delete_vhost(call: Call) -> Outcome:
    try:
        call.api.delete("vhosts", call.arguments[0])
    except Refused as refused:
        if refused.is_missing:
            raise no_such_vhost(call.arguments[0]) from refused
        raise
    return None


def _changed_vhost(vhost: Row, **changes: object) -> Row:
    """What keeps a virtual host as it is but for the changes: what is not said is lost."""
    tags = vhost.get("tags") or []
    kept = {
        "description": vhost.get("description", ""),
        "tags": tags if isinstance(tags, str) else ",".join(tags),
        "tracing": vhost.get("tracing", False),
    }
    if vhost.get("default_queue_type", "undefined") != "undefined":
        kept["default_queue_type"] = vhost["default_queue_type"]
    return kept | changes


def _set_vhost_tags(call: Call) -> Outcome:
    name, *tags = call.arguments
    vhost = call.found("vhosts", name)
    if vhost is None:
        told = {"result": "error", "node": call.node, "message": f'Virtual host "{name}" does not exists'}
        raise Failure(f'Virtual host "{name}" does not exist', EXIT_DATA, told=told)
    call.api.put(_changed_vhost(vhost, tags=",".join(tags)), "vhosts", name)
    return None


def _traced(call: Call, is_on: bool) -> Outcome:
    vhost = call.found("vhosts", call.vhost)
    if vhost is None:
        raise no_such_vhost(call.vhost)
    call.api.put(_changed_vhost(vhost, tracing=is_on), "vhosts", call.vhost)
    if (call.found("vhosts", call.vhost) or {}).get("tracing") != is_on:
        raise Failure("This broker does not trace messages")
    return Valued(f"Trace {'enabled' if is_on else 'disabled'} for vhost {call.vhost}")


def _set_vhost_limits(call: Call) -> Outcome:
    limits = decoded(call.arguments[0])
    if not call.exists("vhosts", call.vhost):
        raise no_such_vhost(call.vhost)
    return put_in_vhost(call, {"value": limits}, "parameters", "vhost-limits", call.vhost, "limits")


COMMANDS = [
    Command(
        "add_vhost",
        VHOSTS,
        'add_vhost <vhost> [--description <description> --tags "<tag1>,<tag2>,<...>" '
        "--default-queue-type <quorum|classic|stream>]",
        "Creates a virtual host",
        _add_vhost,
        'Adding vhost "{0}" ...',
        1,
        1,
        {"description": TEXT, "tags": TEXT, "default-queue-type": TEXT},
        {"d": "description"},
        explained=(
            ("<vhost>", "Virtual host name"),
            ("--description <description>", "Virtual host description"),
            ("--tags <tags>", "Command separated list of tags"),
            (
                "--default-queue-type <quorum|classic|stream>",
                "Queue type to use if no type is explicitly provided by the client",
            ),
        ),
    ),
    Command(
        "delete_vhost",
        VHOSTS,
        "delete_vhost <vhost>",
        "Deletes a virtual host",
        _delete_vhost,
        'Deleting vhost "{0}" ...',
        1,
        1,
        explained=(("<vhost>", "Name of the virtual host to delete."),),
    ),
    Command(
        "set_vhost_tags",
        VHOSTS,
        "set_vhost_tags <vhost> <tag> [...]",
        "Sets virtual host tags",
        _set_vhost_tags,
        tags_banner("virtual host"),
        1,
        None,
        explained=(("<vhost>", "Self-explanatory"), ("<tags>", "Space separated list of tags")),
    ),
    Command(
        "set_vhost_limits",
        VHOSTS,
        "set_vhost_limits [--vhost <vhost>] <definition>",
        "Sets virtual host limits",
        _set_vhost_limits,
        'Setting vhost limits to "{0}" for vhost "{vhost}" ...',
        1,
        1,
        explained=(("<definition>", "Limit definitions, must be a valid JSON document"),),
    ),
    Command(
        "clear_vhost_limits",
        VHOSTS,
        "clear_vhost_limits [--vhost <vhost>]",
        "Clears virtual host limits",
        lambda call: delete_parameter(call, "parameters", "vhost-limits", call.vhost, "limits"),
        'Clearing vhost "{vhost}" limits ...',
    ),
    Command(
        "trace_on",
        VHOSTS,
        "trace_on [--vhost <vhost>]",
        "",
        lambda call: _traced(call, True),
        'Starting tracing for vhost "{vhost}" ...',
        most=None,
    ),
    Command(
        "trace_off",
        VHOSTS,
        "trace_off [--vhost <vhost>]",
        "",
        lambda call: _traced(call, False),
        'Stopping tracing for vhost "{vhost}" ...',
        most=None,
    ),
]
