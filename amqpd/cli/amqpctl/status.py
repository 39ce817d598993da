"""The commands that show how the node and its memory are."""

from amqpd.cli.amqpctl.call import Call, Command
from amqpd.cli.amqpctl.formatters import bold
from amqpd.cli.amqpctl.listings import MONITORING
from amqpd.cli.amqpctl.node import alarm_line, alarms_of, described_listener, listener_line, own_node
from amqpd.cli.amqpctl.outcome import Outcome, Row, Rows, Shown, UsageFailure
from amqpd.cli.amqpctl.words import TEXT

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
DRAINED = "\x1b[35mmarked for maintenance\x1b[0m"
UNIT = {"unit": TEXT}
UNIT_EXPLAINED = (("--unit <bytes | mb | gb>", "byte multiple (bytes, megabytes, gigabytes) to use"),)


def _known_unit(call: Call) -> None:
    unit = call.text("unit", "gb")
    if unit.lower() not in UNITS:
        raise UsageFailure(f"\"unit '{unit}' is not supported. Please use one of: bytes, mb, gb\"")


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


def _status(call: Call) -> Outcome:
    node = own_node(call)
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
        "alarms": alarms_of([node]),
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
        "listeners": [described_listener(found) for found in overview["listeners"]],
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
        *_or_none(map(alarm_line, told["alarms"])),
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
        *_or_none(map(listener_line, told["listeners"])),
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
    listeners = [described_listener(found) for found in overview["listeners"]]
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
            node["name"]: DRAINED if node.get("being_drained") else "not under maintenance" for node in nodes
        },
        "alarms": alarms_of(nodes),
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
        *_or_none(map(alarm_line, told["alarms"])),
        *_section("Network Partitions"),
        *_or_none(map(_partition_line, told["partitions"].items())),
        *_section("Listeners"),
        *(
            listener_line(listener, f"Node: {node}, interface")
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


def _server_version(call: Call) -> Outcome:
    version = str(call.api.get("overview", query="columns=rabbitmq_version")["rabbitmq_version"])
    return Shown(version, {"result": "ok", "value": version})


COMMANDS = [
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
    Command(
        "server_version",
        MONITORING,
        "server_version",
        "Displays server version on the target node",
        _server_version,
        "Asking node {node} for its RabbitMQ version...",
        takes_timeout=True,
    ),
]
