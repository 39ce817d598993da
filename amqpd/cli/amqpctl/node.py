"""What the API says of the node: its listeners, its alarms."""

from amqpd.cli.amqpctl.call import Call
from amqpd.cli.amqpctl.outcome import Row

RABBITMQ_VERSION = "3.10.8"
"""The one whose commands these are."""

ALONE = "{} seems to be the only one in a single node cluster, the {} does not apply"

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


def own_node(call: Call) -> Row:
    """The node as the API describes it."""
    return dict(call.api.get("nodes", call.node))


def listeners_of(call: Call) -> list[Row]:
    """What the node listens on."""
    return [
        described_listener(found)
        for found in call.api.get("overview", query="columns=listeners")["listeners"]
    ]


def described_listener(found: Row) -> Row:
    """A listener of the API as RabbitMQ's commands describe it."""
    address = str(found["ip_address"])
    protocol = str(found["protocol"])
    return {
        "node": found["node"],
        "protocol": protocol,
        "interface": f"[{address}]" if ":" in address else address,
        "port": found["port"],
        "purpose": PURPOSES.get(protocol, protocol),
    }


def listener_line(listener: Row, start: str = "Interface") -> str:
    """A listener in words."""
    return (
        f"{start}: {listener['interface']}, port: {listener['port']}, "
        f"protocol: {listener['protocol']}, purpose: {listener['purpose']}"
    )


def alarms_of(nodes: list[Row]) -> list[Row]:
    """The alarms that are raised on these nodes."""
    return [
        {"type": "resource_limit", "resource": resource, "node": node["name"]}
        for node in nodes
        for resource, alarm in (("memory", "mem_alarm"), ("disk", "disk_free_alarm"))
        if node.get(alarm)
    ]


def alarm_line(alarm: Row) -> str:
    """An alarm in words."""
    what = "Memory" if alarm["resource"] == "memory" else "Free disk space"
    return f"{what} alarm on node {alarm['node']}"
