"""The commands about the node itself: its status, health checks, waiting for it and stopping it."""

import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

from amqpd.cli.amqpctl.api import Refused, Unreachable
from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.formatters import bold
from amqpd.cli.amqpctl.outcome import (
    EXIT_AGAIN,
    EXIT_SOFTWARE,
    Failure,
    Outcome,
    Row,
    Rows,
    Shown,
    UsageFailure,
    Written,
)
from amqpd.cli.amqpctl.words import NUMBER, TEXT

NODES = "Nodes"
MONITORING = "Monitoring, observability and health checks"
POLL_S = 0.1
STOP_TIMEOUT_S = 60
UNITS = {
    "bytes": 1,
    "kb": 1000,
    "kilobytes": 1000,
    "mb": 1000**2,
    "megabytes": 1000**2,
    "gb": 1000**3,
    "gigabytes": 1000**3,
    "tb": 1000**4,
    "terabytes": 1000**4,
}
PURPOSES = {
    "amqp": "AMQP 0-9-1 and AMQP 1.0",
    "amqp/ssl": "AMQP 0-9-1 and AMQP 1.0 over TLS",
    "mqtt": "MQTT",
    "mqtt/ssl": "MQTT over TLS",
    "stomp": "STOMP",
    "stomp/ssl": "STOMP over TLS",
    "http": "HTTP API",
    "https": "HTTP API over TLS (HTTPS)",
    "http/web-mqtt": "MQTT over WebSockets",
    "http/web-stomp": "STOMP over WebSockets",
    "http/prometheus": "Prometheus exporter API over HTTP",
    "https/prometheus": "Prometheus exporter API over TLS (HTTPS)",
    "clustering": "inter-node and CLI tool communication",
}
SAME_PROTOCOLS = {
    "amqp091": "amqp",
    "amqp0.9.1": "amqp",
    "amqp0-9-1": "amqp",
    "amqp10": "amqp",
    "amqp1.0": "amqp",
}


# what the API says of the node


def _own_node(call: Call) -> Row:
    """The node as the API describes it."""
    return dict(call.api.get("nodes", call.node))


def _listeners(call: Call) -> list[Row]:
    return [_listener(found) for found in call.api.get("overview", query="columns=listeners")["listeners"]]


def _listener(found: Row) -> Row:
    address = str(found["ip_address"])
    protocol = str(found["protocol"])
    return {
        "node": found["node"],
        "protocol": protocol,
        "interface": f"[{address}]" if ":" in address else address,
        "port": found["port"],
        "purpose": PURPOSES.get(protocol, protocol),
    }


def _listener_line(listener: Row, start: str = "Interface") -> str:
    return (
        f"{start}: {listener['interface']}, port: {listener['port']}, "
        f"protocol: {listener['protocol']}, purpose: {listener['purpose']}"
    )


def _alarms(nodes: list[Row]) -> list[Row]:
    return [
        {"type": "resource_limit", "resource": resource, "node": node["name"]}
        for node in nodes
        for resource, alarm in (("memory", "mem_alarm"), ("disk", "disk_free_alarm"))
        if node.get(alarm)
    ]


def _alarm_line(alarm: Row) -> str:
    what = "Memory" if alarm["resource"] == "memory" else "Free disk space"
    return f"{what} alarm on node {alarm['node']}"


def _in_unit(size_bytes: float, unit: str) -> str:
    lowered = unit.lower()
    if lowered == "bytes":
        return str(size_bytes)
    return str(round(size_bytes / UNITS[lowered], 4))


def _breakdown(memory: Row) -> dict[str, Row]:
    """The kinds of memory by size, each with its share of the whole."""
    total = max(memory["total"].values()) if isinstance(memory["total"], dict) else memory["total"]
    kinds = {name: size for name, size in memory.items() if name not in ("strategy", "total")}
    return {
        name: {"bytes": size, "percentage": round(size / total * 100, 2) if total else 0.0}
        for name, size in sorted(kinds.items(), key=lambda kind: -kind[1])
    }


def _known_unit(call: Call) -> None:
    unit = call.text("unit", "gb")
    if unit.lower() not in UNITS:
        raise UsageFailure(f"\"unit '{unit}' is not supported. Please use one of: bytes, mb, gb\"")


# status


def _status(call: Call) -> Outcome:
    node = _own_node(call)
    overview = dict(call.api.get("overview"))
    memory = dict(call.api.get("nodes", call.node, "memory"))["memory"]
    told = {
        "pid": int(node["os_pid"]),
        "product_name": overview.get("product_name", ""),
        "product_version": overview.get("product_version", ""),
        "rabbitmq_version": overview["rabbitmq_version"],
        "erlang_version": overview.get("erlang_full_version", ""),
        "release_series_support_status": overview.get("release_series_support_status", ""),
        "uptime": node["uptime"] // 1000,
        "is_under_maintenance": node.get("being_drained", False),
        "processes": {"used": node["proc_used"], "limit": node["proc_total"]},
        "run_queue": node["run_queue"],
        "net_ticktime": node["net_ticktime"],
        "active_plugins": node["enabled_plugins"],
        "data_directory": node["db_dir"],
        "config_files": node["config_files"],
        "log_files": node["log_files"],
        "alarms": _alarms([node]),
        "memory": memory,
        "vm_memory_calculation_strategy": node["mem_calculation_strategy"],
        "vm_memory_high_watermark_limit": node["mem_limit"],
        "file_descriptors": {
            "total_used": node["fd_used"],
            "total_limit": node["fd_total"],
            "sockets_used": node["sockets_used"],
            "sockets_limit": node["sockets_total"],
        },
        "disk_free": node["disk_free"],
        "disk_free_limit": node["disk_free_limit"],
        "totals": {
            "connection_count": overview["object_totals"]["connections"],
            "queue_count": overview["object_totals"]["queues"],
            "virtual_host_count": len(call.rows_of("vhosts", columns="name")),
        },
        "listeners": [_listener(found) for found in overview["listeners"]],
    }
    return Shown("\n".join(_status_lines(told, call)), told)


def _status_lines(told: Row, call: Call) -> list[str]:
    unit = call.text("unit", "gb")
    strategy = told["vm_memory_calculation_strategy"]
    total = told["memory"]["total"]
    used = total.get(strategy, 0) if isinstance(total, dict) else total
    files = told["file_descriptors"]
    return [
        *_runtime_lines(told, call),
        *_section("Plugins"),
        "Enabled plugins:\n",
        *_starred(told["active_plugins"]),
        *_section("Data directory"),
        f"Node data directory: {told['data_directory']}",
        *_section("Config files"),
        *_starred(told["config_files"]),
        *_section("Log file(s)"),
        *_starred(told["log_files"]),
        *_section("Alarms"),
        *_or_none(map(_alarm_line, told["alarms"])),
        *_section("Memory"),
        f"Total memory used: {_in_unit(used, unit)} {unit}",
        f"Calculation strategy: {strategy}",
        f"Memory high watermark setting: computed to: {_in_unit(told['vm_memory_high_watermark_limit'], unit)} {unit}\n",
        *(
            f"{name}: {_in_unit(part['bytes'], unit)} {unit} ({part['percentage']} %)"
            for name, part in _breakdown(told["memory"]).items()
        ),
        *_section("File Descriptors"),
        f"Total: {files['total_used']}, limit: {files['total_limit']}",
        f"Sockets: {files['sockets_used']}, limit: {files['sockets_limit']}",
        *_section("Free Disk Space"),
        f"Low free disk space watermark: {_in_unit(told['disk_free_limit'], unit)} {unit}",
        f"Free disk space: {_in_unit(told['disk_free'], unit)} {unit}",
        *_section("Totals"),
        f"Connection count: {told['totals']['connection_count']}",
        f"Queue count: {told['totals']['queue_count']}",
        f"Virtual host count: {told['totals']['virtual_host_count']}",
        *_section("Listeners"),
        *_or_none(map(_listener_line, told["listeners"])),
    ]


def _runtime_lines(told: Row, call: Call) -> list[str]:
    lines = [
        f"{bold('Runtime')}\n",
        f"OS PID: {told['pid']}",
        f"Uptime (seconds): {told['uptime']}",
        f"Is under maintenance?: {str(told['is_under_maintenance']).lower()}",
    ]
    if told["product_name"] not in ("", "RabbitMQ"):
        lines += [f"Product name: {told['product_name']}", f"Product version: {told['product_version']}"]
    return [
        *lines,
        f"RabbitMQ version: {told['rabbitmq_version']}",
        f"RabbitMQ release series support status: {told['release_series_support_status']}",
        f"Node name: {call.node}",
        f"Erlang configuration: {told['erlang_version']}",
        f"Erlang processes: {told['processes']['used']} used, {told['processes']['limit']} limit",
        f"Scheduler run queue: {told['run_queue']}",
        f"Cluster heartbeat timeout (net_ticktime): {told['net_ticktime']}",
    ]


def _section(title: str) -> list[str]:
    return [f"\n{bold(title)}\n"]


def _starred(names: list[str]) -> list[str]:
    return [f" * {name}" for name in names]


def _or_none(lines: "map[str]") -> list[str]:
    return list(lines) or ["(none)"]


def _cluster_status(call: Call) -> Outcome:
    nodes = [dict(node) for node in call.api.get("nodes")]
    overview = dict(call.api.get("overview"))
    listeners = [_listener(found) for found in overview["listeners"]]
    running = [str(node["name"]) for node in nodes if node["running"]]
    version = {
        "rabbitmq_name": "RabbitMQ",
        "rabbitmq_version": overview["rabbitmq_version"],
        "erlang_version": overview["erlang_version"],
    }
    told = {
        "cluster_name": overview["cluster_name"],
        "disk_nodes": [node["name"] for node in nodes if node["type"] == "disc"],
        "ram_nodes": [node["name"] for node in nodes if node["type"] == "ram"],
        "running_nodes": running,
        "versions": dict.fromkeys(running, version),
        "maintenance_status": {
            node["name"]: "draining" if node.get("being_drained") else "not under maintenance"
            for node in nodes
        },
        "alarms": _alarms(nodes),
        "partitions": {node["name"]: node["partitions"] for node in nodes if node.get("partitions")},
        "listeners": {
            name: [listener for listener in listeners if listener["node"] == name] for name in running
        },
        "feature_flags": call.rows_of("feature-flags"),
    }
    return Shown("\n".join(_cluster_lines(told)), told)


def _cluster_lines(told: Row) -> list[str]:
    ram_nodes = [*_section("RAM Nodes"), *told["ram_nodes"]] if told["ram_nodes"] else []
    return [
        f"{bold('Basics')}\n",
        f"Cluster name: {told['cluster_name']}",
        *_section("Disk Nodes"),
        *told["disk_nodes"],
        *ram_nodes,
        *_section("Running Nodes"),
        *told["running_nodes"],
        *_section("Versions"),
        *(
            f"{node}: {version['rabbitmq_name']} {version['rabbitmq_version']} on Erlang {version['erlang_version']}"
            for node, version in told["versions"].items()
        ),
        *_section("Maintenance status"),
        *(f"Node: {node}, status: {status}" for node, status in told["maintenance_status"].items()),
        *_section("Alarms"),
        *_or_none(map(_alarm_line, told["alarms"])),
        *_section("Network Partitions"),
        *_or_none(map(_partition_line, told["partitions"].items())),
        *_section("Listeners"),
        *(
            _listener_line(listener, f"Node: {node}, interface")
            for node, listeners in told["listeners"].items()
            for listener in listeners
        ),
        *_section("Feature flags"),
        *_or_none(map(_flag_line, told["feature_flags"])),
    ]


def _partition_line(partition: tuple[str, list[str]]) -> str:
    return f"Node {partition[0]} cannot communicate with {', '.join(partition[1])}"


def _flag_line(flag: Row) -> str:
    return f"Flag: {flag['name']}, state: {flag['state']}"


def _memory_breakdown(call: Call) -> Outcome:
    breakdown = _breakdown(call.api.get("nodes", call.node, "memory")["memory"])
    if call.options.get("formatter") == "csv":
        flat = {
            f"{name}.{key}": part[key] for name, part in breakdown.items() for key in ("bytes", "percentage")
        }
        return Rows([dict(sorted(flat.items(), reverse=True))])
    unit = call.text("unit", "gb").lower()
    lines = [
        f"{name}: {_in_unit(part['bytes'], unit)} {unit} ({part['percentage']}%)\n"
        for name, part in breakdown.items()
    ]
    return Shown("".join(lines), breakdown)


# health checks


def _ping(call: Call) -> Outcome:
    timeout_ms = call.timeout_s(60) * 1000
    try:
        call.api.get("overview", query="columns=node")
    except (Unreachable, Refused) as error:
        raise Failure(
            f"Failed to connect and authenticate to {call.node} in {timeout_ms} ms\n{error}"
        ) from error
    return Shown("Ping succeeded")


def _ping_banner(call: Call) -> str:
    return (
        f"Will ping {call.node}. This only checks if the OS process is running and registered with epmd. "
        f"Timeout: {call.timeout_s(60) * 1000} ms."
    )


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
    alarms = _alarms(nodes)
    if not alarms:
        return _passed(call, f"Node {call.node} reported no alarms, local or clusterwide")
    local = [_alarm_line(alarm) for alarm in alarms if alarm["node"] == call.node]
    others = [_alarm_line(alarm) for alarm in alarms if alarm["node"] != call.node]
    told = {"local": local, "global": others, "message": f"Node {call.node} reported alarms"}
    raise _failed(call, "\n".join(map(_alarm_line, alarms)), told, plain=True)


def _check_local_alarms(call: Call) -> Outcome:
    lines = [_alarm_line(alarm) for alarm in _alarms([_own_node(call)])]
    if not lines:
        return _passed(call, f"Node {call.node} reported no local alarms")
    told = {"local": lines, "message": f"Node {call.node} reported local alarms"}
    raise _failed(call, "\n".join(lines), told, plain=False)


def _show_alarms(call: Call) -> Outcome:
    alarms = _alarms([dict(node) for node in call.api.get("nodes")])
    told: Row = {"result": "ok", "node": call.node, "alarms": []}
    if not alarms:
        return Shown(f"Node {call.node} reported no alarms, local or clusterwide", told)
    told = {
        "result": "ok",
        "local": [_alarm_line(alarm) for alarm in alarms if alarm["node"] == call.node],
        "global": [_alarm_line(alarm) for alarm in alarms if alarm["node"] != call.node],
        "message": f"Node {call.node} reported alarms",
    }
    return Shown("\n".join(map(_alarm_line, alarms)), told)


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
    listeners = [listener for listener in _listeners(call) if listener["node"] == call.node]
    timeout_s = call.timeout_s(30) / (len(listeners) + 1)
    failed = [listener for listener in listeners if not _accepts(call, listener, timeout_s)]
    if failed:
        lines = map(_listener_line, failed)
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
    listeners = _listeners(call)
    told = {"result": "ok", "node": call.node, "listeners": listeners}
    if not listeners:
        return Shown(f"Node {call.node} reported no enabled listeners.", told)
    if call.options.get("formatter") == "csv":
        return Rows(listeners)
    return Shown("\n".join(map(_listener_line, listeners)), told)


def _whole_number(call: Call) -> None:
    if not call.arguments[0].isdigit():
        raise UsageFailure("Bad argument: argument must be a positive integer", 65)


def _check_port_listener(call: Call) -> Outcome:
    port = int(call.arguments[0])
    listeners = _listeners(call)
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
    listeners = _listeners(call)
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
    alarms = [str(alarm["resource"]) for alarm in _alarms([_own_node(call)])]
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
        f"Timeout: {call.timeout_s(70)} seconds ...\n"
        f"Checking health of node {call.node} ..."
    )


def _server_version(call: Call) -> Outcome:
    version = str(call.api.get("overview", query="columns=rabbitmq_version")["rabbitmq_version"])
    return Shown(version, {"result": "ok", "value": version})


# waiting and stopping


def _until(call: Call, name: str, default_s: int, is_so: Callable[[], bool]) -> None:
    """Wait until something is so. Raises Failure after the time there is."""
    timeout_s = call.timeout_s(default_s)
    deadline_s = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() >= deadline_s:
            raise Failure(
                f"Error: operation {name} on node {call.node} timed out. Timeout value used: {timeout_s * 1000}",
                EXIT_AGAIN,
                plain=True,
            )
        time.sleep(POLL_S)


def _answers(call: Call) -> bool:
    try:
        call.api.get("overview", query="columns=node")
    except Unreachable:
        return False
    return True


def _await_startup(call: Call) -> Outcome:
    _until(call, "await_startup", 300, lambda: _answers(call))
    return None


def _wait(call: Call) -> Outcome:
    def say(text: str) -> None:
        if not call.is_silent:
            print(text, flush=True)

    if call.arguments:
        path = Path(call.arguments[0])
        say(f"Waiting for pid file '{path}' to appear")
        _until(call, "wait", 10, lambda: path.exists() and bool(path.read_text().strip()))
        process = _process_in(path)
        say(f"pid is {process}")
    else:
        process = call.number("pid", 0)
    say(f"Waiting for erlang distribution on node '{call.node}' while OS process '{process}' is running")

    def is_up() -> bool:
        if not _is_alive(process):
            raise Failure("Error: process is not running.", EXIT_SOFTWARE)
        return _answers(call)

    _until(call, "wait", 10, is_up)
    say(f"Waiting for applications 'rabbit_and_plugins' to start on node '{call.node}'")
    say(f"Applications 'rabbit_and_plugins' are running on node '{call.node}'")
    return Written("")


def _one_process(call: Call) -> None:
    if call.arguments and "pid" in call.options:
        raise UsageFailure('"Cannot specify both pid and pidfile"')
    if not call.arguments and "pid" not in call.options:
        raise UsageFailure('"No pid or pidfile specified"')


def _process_in(path: Path) -> int:
    try:
        text = path.read_text().split()[0]
    except (OSError, IndexError) as error:
        raise Failure(f"Error: could not read pid. Detail: {error}", EXIT_SOFTWARE) from error
    if not text.isdigit():
        raise Failure("Error: garbage in pid file.", EXIT_SOFTWARE)
    return int(text)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _stop(call: Call) -> Outcome:
    """End the broker's process, which only its UNIX socket says for certain, and wait until it has ended."""
    try:
        process = call.api.process_id()
    except Unreachable:
        if call.flag("idempotent"):
            return Shown(f"Node {call.node} is no longer running")
        raise
    if process is None:
        raise Failure(
            "Error: the management API cannot stop the broker, and there is no UNIX socket of a broker on this machine; "
            "send its process SIGTERM",
            plain=True,
        )
    os.kill(process, signal.SIGTERM)
    _until(call, "stop", STOP_TIMEOUT_S, lambda: not _is_alive(process))
    if call.arguments:
        return Shown(f"process {process} (take from pid file {call.arguments[0]}) is no longer running")
    return None


def _stop_banner(call: Call) -> str:
    monitored = f" (will monitor pid file {call.arguments[0]})" if call.arguments else ""
    return f"Stopping and halting node {call.node}{monitored} ..."


UNIT = {"unit": TEXT}
UNIT_EXPLAINED = (("--unit <bytes | mb | gb>", "byte multiple (bytes, megabytes, gigabytes) to use"),)


def _check(name: str, description: str, run: Callable[[Call], Outcome], banner: str) -> Command:
    return Command(name, MONITORING, name, description, run, banner, takes_timeout=True)


COMMANDS = [
    Command(
        "await_startup",
        NODES,
        "await_startup",
        "Waits for the RabbitMQ application to start on the target node",
        _await_startup,
    ),
    Command(
        "wait",
        NODES,
        "wait [<pidfile>] [--pid|-P <pid>]",
        "Waits for RabbitMQ node startup by monitoring a local PID file. See also 'rabbitmqctl await_online_nodes'",
        _wait,
        most=1,
        options={"pid": NUMBER},
        letters={"P": "pid"},
        takes_timeout=True,
        check=_one_process,
        explained=(("<pidfile>", "PID file path"), ("--pid <pid>", "operating system PID to monitor")),
    ),
    Command(
        "stop",
        NODES,
        "stop [--idempotent] [<pidfile>]",
        "Stops RabbitMQ and its runtime (Erlang VM). Requires a local node pid file path to monitor progress.",
        _stop,
        _stop_banner,
        most=1,
        options={"idempotent": "flag"},
        explained=(
            ("<pidfile>", "node PID file path to monitor"),
            ("--idempotent", "return success if target node is not running (cannot be contacted)"),
        ),
    ),
    Command(
        "shutdown",
        NODES,
        "shutdown [--wait]",
        "Stops RabbitMQ and its runtime (Erlang VM). Monitors progress for local nodes. Does not require a PID file path.",
        _stop,
        "Shutting down RabbitMQ node {node} ...",
        options={"wait": "flag"},
    ),
    Command(
        "cluster_status",
        "Cluster",
        "cluster_status",
        "Displays all the nodes in the cluster grouped by node type, together with the currently running nodes",
        _cluster_status,
        "Cluster status of node {node} ...",
        takes_timeout=True,
    ),
    Command(
        "status",
        MONITORING,
        "status [--unit <unit>]",
        "Displays status of a node",
        _status,
        "Status of node {node} ...",
        options=UNIT,
        takes_timeout=True,
        check=_known_unit,
        explained=(*UNIT_EXPLAINED, ("--formatter <json>", "alternative formatter (JSON)")),
    ),
    Command(
        "ping",
        MONITORING,
        "ping",
        "Checks that the node OS process is up, registered with EPMD and CLI tools can authenticate with it",
        _ping,
        _ping_banner,
        takes_timeout=True,
    ),
    Command(
        "memory_breakdown",
        MONITORING,
        "memory_breakdown [--unit <unit>]",
        "Provides a memory usage breakdown on the target node.",
        _memory_breakdown,
        "Reporting memory breakdown on node {node}...",
        options=UNIT,
        takes_timeout=True,
        check=_known_unit,
        explained=UNIT_EXPLAINED,
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
    ),
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
    _check(
        "server_version",
        "Displays server version on the target node",
        _server_version,
        "Asking node {node} for its RabbitMQ version...",
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
    Command(
        "node_health_check",
        "Deprecated",
        "node_health_check",
        "DEPRECATED. Performs intrusive, opinionated health checks on a fully booted node. "
        "See https://www.rabbitmq.com/monitoring.html#health-checks instead",
        _node_health_check,
        _node_health_check_banner,
        takes_timeout=True,
    ),
]
