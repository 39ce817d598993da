"""The commands that check the node's health, most of them rabbitmq-diagnostics'."""

import socket
from collections.abc import Callable

from amqpd.cli.amqpctl.api import Refused, Unreachable
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.listings import MONITORING
from amqpd.cli.amqpctl.node import (
    ALONE,
    alarm_line,
    alarms_of,
    described_listener,
    listener_line,
    listeners_of,
    own_node,
)
from amqpd.cli.amqpctl.outcome import (
    EXIT_DATA,
    EXIT_SOFTWARE,
    Failure,
    Outcome,
    Row,
    Rows,
    Shown,
    UsageFailure,
    Written,
    no_such_vhost,
)
from amqpd.cli.amqpctl.words import NUMBER, TEXT

PING_TIMEOUT_S = 60
HEALTH_TIMEOUT_S = 70
CONNECT_TIMEOUT_S = 30
SAME_PROTOCOLS = {
    "amqp091": "amqp",
    "amqp0.9.1": "amqp",
    "amqp0-9-1": "amqp",
    "amqp10": "amqp",
    "amqp1.0": "amqp",
}


def _ping(call: Call) -> Outcome:
    timeout_ms = call.timeout_s(PING_TIMEOUT_S) * 1000
    try:
        if call.api.failure is not None:
            # the banner has asked already, and waited
            raise call.api.failure
        call.api.get("overview", query="columns=node")
    except (Unreachable, Refused) as error:
        raise Failure(
            f"Failed to connect and authenticate to {call.node} in {timeout_ms} ms\n{error}"
        ) from error
    return Shown("Ping succeeded")


def _ping_banner(call: Call) -> str:
    return (
        f"Will ping {call.node}. This only checks if the OS process is running and registered with epmd. "
        f"Timeout: {call.timeout_s(PING_TIMEOUT_S) * 1000} ms."
    )


def _not_critical(call: Call) -> Outcome:
    """Where there is one node, no other waits for it (RabbitMQ 3.10)."""
    call.api.get("overview", query="columns=node")
    text = ALONE.format(f"Node {call.node}", "check")
    told = {"result": "ok", "message": ALONE.format("Target node", "check")}
    return Written("") if call.flag("silent") else Shown(text, told)


def _await_online_nodes(call: Call) -> Outcome:
    if int(call.arguments[0]) > 1:
        raise Failure(
            f"Error: timed out while waiting. Not enough nodes joined {call.node}'s cluster.",
            EXIT_SOFTWARE,
        )
    call.api.get("overview", query="columns=node")
    return None


def _await_online_nodes_banner(call: Call) -> str:
    return (
        f"Will wait for at least {call.arguments[0]} nodes to join the cluster of {call.node}. "
        f"Timeout: {call.timeout_s(300)} seconds."
    )


def _restart_vhost(call: Call) -> Outcome:
    if not call.exists("vhosts", call.vhost):
        raise no_such_vhost(call.vhost)
    return Shown(f"Vhost '{call.vhost}' is already running on node '{call.node}'")


TIME_UNITS = ("days", "weeks", "months", "years")


def _check_expiration(call: Call) -> Outcome:
    """RabbitMQ's command does what the API's health check does."""
    within, unit = call.number("within", 4), call.text("unit", "weeks")
    try:
        call.api.get("health", "checks", "certificate-expiration", str(within), unit)
    except Refused as refused:
        if refused.status != 503 or refused.told is None:
            raise
        expired = [_expired(listener) for listener in refused.told["expired"]]
        told = {"result": "error", "expired": expired}
        raise Failure("\n".join(map(_expired_line, expired)), told=told) from refused
    label = unit.removesuffix("s") if within == 1 else unit
    return Shown(f"No certificates are expiring within {within} {label}.", {"result": "ok"})


def _expired(listener: Row) -> Row:
    return {
        **described_listener({**listener, "ip_address": listener["interface"]}),
        **{name: listener[name] for name in listener if name.startswith(("certfile", "cacertfile"))},
    }


def _expired_line(listener: Row) -> str:
    files = [
        f"{listener[name]}: {reason}"
        for name in ("certfile", "cacertfile")
        for reason in listener[f"{name}_expires_on"]
    ]
    return "\n  ".join([listener_line(listener), *files])


def _known_time_unit(call: Call) -> None:
    unit = call.text("unit", "weeks")
    if unit.lower() not in TIME_UNITS:
        raise UsageFailure(f"\"unit '{unit}' is not supported. Please use one of: {', '.join(TIME_UNITS)}\"")


def _is_running(call: Call) -> bool:
    node = call.found("nodes", call.node)
    return node is not None and bool(node["running"])


def _check_running(call: Call) -> Outcome:
    if _is_running(call):
        return Shown(f"RabbitMQ on node {call.node} is fully booted and running")
    raise Failure(
        f"RabbitMQ on node {call.node} is not running or has not fully booted yet (check with is_booting)"
    )


def _told_running(call: Call) -> Outcome:
    if _is_running(call):
        text = f"RabbitMQ on node {call.node} is fully booted and running"
        return Shown(text, {"result": True, "message": text})
    text = f"RabbitMQ on node {call.node} is not running or has not fully booted yet (check with is_booting)"
    return Shown(text, {"result": False, "message": text})


def _told_booting(call: Call) -> Outcome:
    if call.exists("nodes", call.node):
        text = (
            f"RabbitMQ on node {call.node} is fully booted (check with is_running), "
            "stopped or has not started booting yet"
        )
        return Shown(text, {"result": False, "message": text})
    raise Failure(f"There is no node {call.node}")


def _passed(call: Call, text: str) -> Outcome:
    """A check that has passed: silently, if that was asked for."""
    return Written("") if call.flag("silent") else Shown(text, {"result": "ok"})


def _failed(call: Call, text: str, told: Row, *, plain: bool) -> Failure:
    if call.flag("silent"):
        return Failure("", plain=True)
    return Failure(text, plain=plain, told={"result": "error", **told})


def _check_alarms(call: Call) -> Outcome:
    nodes = [dict(node) for node in call.api.get("nodes")]
    alarms = alarms_of(nodes)
    if not alarms:
        return _passed(call, f"Node {call.node} reported no alarms, local or clusterwide")
    local = [alarm_line(alarm) for alarm in alarms if alarm["node"] == call.node]
    others = [alarm_line(alarm) for alarm in alarms if alarm["node"] != call.node]
    told = {"local": local, "global": others, "message": f"Node {call.node} reported alarms"}
    raise _failed(call, "\n".join(map(alarm_line, alarms)), told, plain=True)


def _check_local_alarms(call: Call) -> Outcome:
    lines = [alarm_line(alarm) for alarm in alarms_of([own_node(call)])]
    if not lines:
        return _passed(call, f"Node {call.node} reported no local alarms")
    told = {"local": lines, "message": f"Node {call.node} reported local alarms"}
    raise _failed(call, "\n".join(lines), told, plain=False)


def _show_alarms(call: Call) -> Outcome:
    alarms = alarms_of([dict(node) for node in call.api.get("nodes")])
    told: Row = {"result": "ok", "node": call.node, "alarms": []}
    if not alarms:
        return Shown(f"Node {call.node} reported no alarms, local or clusterwide", told)
    told = {
        "result": "ok",
        "local": [alarm_line(alarm) for alarm in alarms if alarm["node"] == call.node],
        "global": [alarm_line(alarm) for alarm in alarms if alarm["node"] != call.node],
        "message": f"Node {call.node} reported alarms",
    }
    return Shown("\n".join(map(alarm_line, alarms)), told)


def _check_virtual_hosts(call: Call) -> Outcome:
    down = [
        str(row["name"])
        for row in call.rows_of("vhosts", columns="name,cluster_state")
        if row.get("cluster_state", {}).get(call.node, "running") != "running"
    ]
    if not down:
        return _passed(call, f"Node {call.node} reported all vhosts as running")
    text = "\n".join([f"Some virtual hosts on node {call.node} are down:", *down])
    raise _failed(call, text, {"down_vhosts": down}, plain=False)


def _check_port_connectivity(call: Call) -> Outcome:
    listeners = [listener for listener in listeners_of(call) if listener["node"] == call.node]
    timeout_s = call.timeout_s(CONNECT_TIMEOUT_S) / (len(listeners) + 1)
    failed = [listener for listener in listeners if not _accepts(call, listener, timeout_s)]
    if failed:
        lines = map(listener_line, failed)
        text = "\n".join(
            [f"Connection to ports of the following listeners on node {call.node} failed: ", *lines]
        )
        told = {"result": "error", "node": call.node, "failures": failed}
        raise Failure(text, told=told)
    ports = ", ".join(str(port) for port in sorted(int(listener["port"]) for listener in listeners))
    told = {"result": "ok", "node": call.node, "listeners": listeners}
    return Shown(f"Successfully connected to ports {ports} on node {call.node}.", told)


def _accepts(call: Call, listener: Row, timeout_s: float) -> bool:
    address = str(listener["interface"]).strip("[]")
    host = call.api.place.host if address in ("::", "0.0.0.0") else address
    try:
        socket.create_connection((host, int(listener["port"])), timeout_s).close()
    except OSError:
        return False
    return True


def _show_listeners(call: Call) -> Outcome:
    listeners = listeners_of(call)
    told = {"result": "ok", "node": call.node, "listeners": listeners}
    if not listeners:
        return Shown(f"Node {call.node} reported no enabled listeners.", told)
    if call.options.get("formatter") == "csv":
        return Rows(listeners)
    return Shown("\n".join(map(listener_line, listeners)), told)


def _whole_number(call: Call) -> None:
    if not call.arguments[0].isdigit():
        raise UsageFailure("Bad argument: Argument must be a positive integer", EXIT_DATA)


def _check_port_listener(call: Call) -> Outcome:
    port = int(call.arguments[0])
    listeners = listeners_of(call)
    ports = [int(listener["port"]) for listener in listeners]
    if port in ports:
        told = {"result": "ok", "node": call.node, "port": port}
        return Shown(f"A listener for port {port} is running on node {call.node}.", told)
    known = ", ".join(map(str, sorted(ports)))
    missing: Row = {"result": "error", "missing": port, "ports": ports, "listeners": listeners}
    raise Failure(
        f"No listener for port {port} is active on node {call.node}. "
        f"Found listeners that use the following ports: {known}",
        plain=True,
        told=missing,
    )


def _check_protocol_listener(call: Call) -> Outcome:
    written = call.arguments[0].lower()
    protocol = SAME_PROTOCOLS.get(written, written)
    listeners = listeners_of(call)
    protocols = [str(listener["protocol"]) for listener in listeners]
    if protocol in protocols:
        told = {"result": "ok", "node": call.node, "protocol": protocol}
        return Shown(f"A listener for protocol {protocol} is running on node {call.node}.", told)
    missing: Row = {"result": "error", "missing": protocol, "protocols": protocols, "listeners": listeners}
    raise Failure(
        f"No listener for protocol {protocol} is active on node {call.node}. "
        f"Found listeners for the following protocols: {', '.join(sorted(protocols))}",
        told=missing,
    )


def _node_health_check(call: Call) -> Outcome:
    call.rows_of("channels", columns="name")
    call.rows_of("queues", columns="name")
    alarms = [str(alarm["resource"]) for alarm in alarms_of([own_node(call)])]
    if alarms:
        raise Failure(
            f"Error: health check failed. Message: resource alarm(s) in effect:[{','.join(alarms)}]",
            EXIT_SOFTWARE,
        )
    return Shown("Health check passed")


def _node_health_check_banner(call: Call) -> str:
    return (
        "This command is DEPRECATED and will be removed in a future version.\n"
        "It performs intrusive, opinionated health checks and requires a fully booted node.\n"
        "Use one of the options covered in https://www.rabbitmq.com/monitoring.html#health-checks instead.\n"
        f"Timeout: {call.timeout_s(HEALTH_TIMEOUT_S)} seconds ...\n"
        f"Checking health of node {call.node} ..."
    )


def _check(name: str, description: str, run: Callable[[Call], Outcome], banner: str) -> Command:
    return Command(name, MONITORING, name, description, run, banner, takes_timeout=True)


COMMANDS = [
    Command(
        "ping",
        MONITORING,
        "ping",
        "Checks that the node OS process is up, registered with EPMD and CLI tools can authenticate with it",
        _ping,
        _ping_banner,
        takes_timeout=True,
        timeout_s=PING_TIMEOUT_S,
    ),
    _check(
        "check_running",
        "Health check that exits with a non-zero code if the RabbitMQ app on the target node is not running",
        _check_running,
        "Checking if RabbitMQ is running on node {node} ...",
    ),
    _check(
        "check_port_connectivity",
        "Basic TCP connectivity health check for each listener's port on the target node",
        _check_port_connectivity,
        "Testing TCP connections to all active listeners on node {node} ...",
    )._replace(timeout_s=CONNECT_TIMEOUT_S),
    _check(
        "check_local_alarms",
        "Health check that exits with a non-zero code if the target node reports any local alarms",
        _check_local_alarms,
        "Asking node {node} to report any local resource alarms ...",
    ),
    _check(
        "check_alarms",
        "Health check that exits with a non-zero code if the target node reports any alarms, local or cluster-wide.",
        _check_alarms,
        "Asking node {node} to report any local resource alarms ...",
    ),
    _check(
        "check_virtual_hosts",
        "Health check that checks if all vhosts are running in the target node",
        _check_virtual_hosts,
        "Checking if all vhosts are running on node {node} ...",
    ),
    _check(
        "alarms",
        "Lists resource alarms (local or cluster-wide) in effect on the target node",
        _show_alarms,
        "Asking node {node} to report any known resource alarms ...",
    ),
    _check(
        "is_running",
        "Checks if RabbitMQ is fully booted and running on the target node",
        _told_running,
        "Asking node {node} for its status ...",
    ),
    _check(
        "is_booting",
        "Checks if RabbitMQ is still booting on the target node",
        _told_booting,
        "Asking node {node} for its boot status ...",
    ),
    _check(
        "listeners",
        "Lists active connection listeners (bound interface, port, protocol) on the target node",
        _show_listeners,
        "Asking node {node} to report its protocol listeners ...",
    ),
    Command(
        "check_port_listener",
        MONITORING,
        "check_port_listener <port>",
        "Health check that exits with a non-zero code if target node does not have an active listener for given port",
        _check_port_listener,
        "Asking node {node} if there's an active listener on port {0} ...",
        1,
        1,
        takes_timeout=True,
        check=_whole_number,
    ),
    Command(
        "check_protocol_listener",
        MONITORING,
        "check_protocol_listener <protocol>",
        "Health check that exits with a non-zero code if target node does not have an active listener for given protocol",
        _check_protocol_listener,
        "Asking node {node} if there's an active listener for protocol {0} ...",
        1,
        1,
        takes_timeout=True,
    ),
    _check(
        "check_if_node_is_quorum_critical",
        "Health check that exits with a non-zero code if there are queues with minimum online quorum "
        "(queues that would lose their quorum if the target node is shut down)",
        _not_critical,
        "Checking if node {node} is critical for quorum of any quorum queues ...",
    ),
    _check(
        "check_if_node_is_mirror_sync_critical",
        "Health check that exits with a non-zero code if there are classic mirrored queues without online synchronised "
        "mirrors (queues that would potentially lose data if the target node is shut down)",
        _not_critical,
        "Checking if node {node} is critical for data safety of any classic mirrored queues ...",
    ),
    Command(
        "await_online_nodes",
        "Cluster",
        "await_online_nodes <count>",
        "Waits for <count> nodes to join the cluster",
        _await_online_nodes,
        _await_online_nodes_banner,
        1,
        1,
        takes_timeout=True,
        check=_whole_number,
        explained=(
            (
                "<count>",
                "how many cluster members must be up in order for this command to exit. "
                "When <count> is 1, always exits immediately.",
            ),
        ),
    ),
    Command(
        "restart_vhost",
        "Virtual hosts",
        "restart_vhost [--vhost <vhost>]",
        "Restarts a failed vhost data stores and queues",
        _restart_vhost,
        "Trying to restart vhost '{vhost}' on node '{node}' ...",
        takes_timeout=True,
        explained=(("--vhost", "Virtual host name"),),
    ),
    Command(
        "check_certificate_expiration",
        MONITORING,
        "check_certificate_expiration [--within <period>] [--unit <unit>]",
        "Checks the expiration date on the certificates for every listener configured to use TLS",
        _check_expiration,
        "Checking certificate expiration on node {node} ...",
        options={"within": NUMBER, "unit": TEXT},
        check=_known_time_unit,
        explained=(
            ("<period>", "period of time to check. Default is four (weeks)."),
            (
                "<unit>",
                "time unit for the period, can be days, weeks, months, years. Default is weeks.",
            ),
        ),
    ),
    Command(
        "node_health_check",
        "Deprecated",
        "node_health_check",
        "DEPRECATED. Performs intrusive, opinionated health checks on a fully booted node. "
        "See https://www.rabbitmq.com/monitoring.html#health-checks instead",
        _node_health_check,
        _node_health_check_banner,
        timeout_s=HEALTH_TIMEOUT_S,
        takes_timeout=True,
    ),
]
