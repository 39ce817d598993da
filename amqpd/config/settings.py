"""Every setting with its default, unit and meaning: the command line, the environment and the help are made from this."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from amqpd.config.kinds import (
    LARGEST_SIZE_BYTES,
    LOOPBACK,
    NOTHING,
    ByCategory,
    FileMode,
    Hosts,
    Listeners,
    RotationDate,
    Watermark,
)
from amqpd.config.machine import default_cluster_name, default_data_dir
from amqpd.config.setting import Setting, group, limit, setting, settings_in
from amqpd.config.tls_settings import AmqpTlsSettings, HttpsSettings
from amqpd.logs.levels import LEVELS

LOG_LEVELS = tuple(LEVELS)
LOG_FORMATTERS = ("plaintext", "json")
EVENT_LOOPS = ("auto", "uvloop", "asyncio")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Raises InvalidSetting for a value out of range."""

    # Where AMQP is served
    default_host: Hosts = setting(
        "amqpd.default_host",
        LOOPBACK,
        "Addresses that everything listens on that is not told where; localhost is 127.0.0.1 and ::1.",
    )
    host: Hosts = setting(
        "listeners.tcp", LOOPBACK, "Addresses to listen on; localhost is 127.0.0.1 and ::1."
    )
    port: int = setting(
        "listeners.tcp.default",
        5672,
        "TCP port for AMQP; 0 lets the system choose.",
        minimum=0,
        maximum=65535,
    )
    listeners: Listeners = setting(
        "listeners.tcp.*",
        Listeners(),
        "Addresses with their ports, such as 127.0.0.1:5672,::1:5673, instead of host and port; none listens nowhere.",
    )
    ssl_listeners: Listeners = setting(
        "listeners.ssl.*",
        Listeners(()),
        "Addresses with their ports for AMQP over TLS, such as 127.0.0.1:5671; none listens nowhere.",
    )

    # TLS for AMQP
    ssl: AmqpTlsSettings = group(
        "ssl_options",
        AmqpTlsSettings,
        what="TLS",
        for_what="",
        clients="clients",
        a_client="a client's",
    )
    ssl_handshake_timeout_ms: int = setting(
        "ssl_handshake_timeout",
        5000,
        "Time a client has for the TLS handshake.",
        "milliseconds",
        minimum=1,
        maximum=86_400_000,
        reloadable=True,
    )
    ssl_cert_login_from: str = setting(
        "ssl_cert_login_from",
        "distinguished_name",
        "What of a client's certificate is the user's name, for the mechanism EXTERNAL.",
        choices=("distinguished_name", "common_name", "subject_alternative_name", "subject_alt_name"),
        reloadable=True,
    )
    ssl_cert_login_san_type: str = setting(
        "ssl_cert_login_san_type",
        "dns",
        "Kind of alternative name that is the user's.",
        choices=("dns", "ip", "email", "uri", "other_name"),
        reloadable=True,
    )
    ssl_cert_login_san_index: int = setting(
        "ssl_cert_login_san_index",
        0,
        "Which of the alternative names of that kind, counted from 0.",
        minimum=0,
        maximum=2**31 - 1,
        reloadable=True,
    )

    # Other ways to connect
    proxy_protocol: bool = setting(
        "proxy_protocol",
        False,
        "Every connection over TCP begins with the header of a proxy (PROXY protocol 1 or 2).",
    )
    unix_socket: Path | None = setting(
        "amqpd.listeners.unix",
        None,
        "UNIX socket to listen on too; who connects there counts as on this machine.",
    )
    unix_socket_permissions: FileMode = setting(
        "amqpd.listeners.unix.permissions",
        FileMode(0o660),
        "Permissions of its file, in octal digits.",
    )

    # The management API
    management: bool = setting(
        "amqpd.management", False, "Serve the HTTP API of RabbitMQ's management plugin."
    )
    management_host: Hosts = setting(
        "management.tcp.ip", LOOPBACK, "Addresses to serve that API on; localhost is 127.0.0.1 and ::1."
    )
    management_port: int = setting(
        "management.tcp.port",
        15672,
        "TCP port of that API; 0 lets the system choose.",
        minimum=0,
        maximum=65535,
    )
    management_tcp: bool = setting(
        "amqpd.management.tcp",
        True,
        "Serve that API without TLS; a file that says management.ssl and not management.tcp turns this off.",
    )
    management_ssl: HttpsSettings = group(
        "management.ssl",
        HttpsSettings,
        what="that API",
        of_what="of that API",
        for_what=" for that API",
        port="15671",
        clients="clients of that API",
        a_client="that of a client of that API",
    )

    # Metrics
    prometheus: bool = setting(
        "amqpd.prometheus", False, "Serve metrics for Prometheus as RabbitMQ's plugin does, to anybody."
    )
    prometheus_host: Hosts = setting(
        "prometheus.tcp.ip", LOOPBACK, "Addresses to serve metrics on; localhost is 127.0.0.1 and ::1."
    )
    prometheus_port: int = setting(
        "prometheus.tcp.port",
        15692,
        "TCP port for metrics; 0 lets the system choose.",
        minimum=0,
        maximum=65535,
    )
    prometheus_tcp: bool = setting(
        "amqpd.prometheus.tcp",
        True,
        "Serve metrics without TLS; a file that says prometheus.ssl and not prometheus.tcp turns this off.",
    )
    prometheus_path: str = setting(
        "prometheus.path", "/metrics", "Path of the metrics; what is told of each object alone is below it."
    )
    prometheus_per_object: bool = setting(
        "prometheus.return_per_object_metrics",
        False,
        "Tell each queue, channel and connection apart where sums are told otherwise.",
    )
    prometheus_left_out: str | None = setting(
        "prometheus.filter_aggregated_queue_metrics_pattern",
        None,
        "Queues with such names are in no sum of sizes and lengths, a regular expression.",
    )
    prometheus_ssl: HttpsSettings = group(
        "prometheus.ssl",
        HttpsSettings,
        what="metrics",
        of_what="for metrics",
        for_what=" for metrics",
        port="15691",
        clients="readers of metrics",
        a_client="that of a reader of metrics",
    )

    # Data, memory and disk
    data_dir: Path = setting("amqpd.data_dir", default_data_dir, "Directory for durable data.")
    in_memory: bool = setting(
        "amqpd.in_memory",
        False,
        "Keep everything in memory and write nothing to disk; a restart then begins with nothing.",
    )
    vm_memory_high_watermark: Watermark = setting(
        "vm_memory_high_watermark",
        Watermark(fraction=0.4),
        "Memory above which publishers are held back; with a dot a fraction of this machine's, else a size.",
        maximum=1,
    )
    total_memory_bytes: int | None = setting(
        "total_memory_available_override_value",
        None,
        "Memory that there is, if that is not what the system, or the limit of a container, says.",
        "bytes",
        minimum=1,
        maximum=LARGEST_SIZE_BYTES,
    )
    disk_free_limit: Watermark = setting(
        "disk_free_limit",
        Watermark(size_bytes=50_000_000),
        "Free disk space below which publishers are held back; a size, or with a dot a multiple of memory.",
    )
    log_segment_size_bytes: int = setting(
        "amqpd.log_segment_size_bytes",
        67108864,
        "Size from which a new segment of the log on disk is begun.",
        "bytes",
        minimum=65536,
        maximum=2**31 - 1,
    )
    message_memory_bytes: int = setting(
        "amqpd.message_memory_bytes",
        134217728,
        "Memory that ready messages may take over all queues; the rest is on disk.",
        "bytes",
        minimum=1048576,
        maximum=LARGEST_SIZE_BYTES,
    )

    # The log
    log_level: str = setting(
        "log.console.level",
        "info",
        "Least important lines to log on the console.",
        choices=LOG_LEVELS,
        reloadable=True,
    )
    log_console: str = setting(
        "log.console",
        "auto",
        "Whether to log to the console; auto does unless there is a file to log to.",
        choices=("auto", "true", "false"),
        reloadable=True,
    )
    log_console_stdio: str = setting(
        "log.console.stdio",
        "stderr",
        "Which console that is.",
        choices=("stderr", "stdout"),
        reloadable=True,
    )
    log_console_formatter: str = setting(
        "log.console.formatter",
        "plaintext",
        "What a line on the console is.",
        choices=LOG_FORMATTERS,
        reloadable=True,
    )
    log_file: str = setting(
        "log.file",
        "false",
        "File to log to, in log.dir unless it has a directory; false is none.",
        reloadable=True,
    )
    log_file_level: str = setting(
        "log.file.level",
        "info",
        "Least important lines to log to that file; in a configuration file this turns it on, with a name of its own.",
        choices=LOG_LEVELS,
        reloadable=True,
    )
    log_file_formatter: str = setting(
        "log.file.formatter",
        "plaintext",
        "What a line in that file is.",
        choices=LOG_FORMATTERS,
        reloadable=True,
    )
    log_file_rotation_date: RotationDate = setting(
        "log.file.rotation.date",
        RotationDate(NOTHING),
        "When log files are rotated, as newsyslog writes it: $D0 is every midnight, $W5D16 Fridays at 16:00, $M1 the "
        "first of each month, $H0 every full hour.",
        reloadable=True,
    )
    log_file_rotation_size_bytes: int = setting(
        "log.file.rotation.size",
        0,
        "Size that log files are rotated at; 0 is without a limit.",
        "bytes",
        minimum=0,
        maximum=LARGEST_SIZE_BYTES,
        reloadable=True,
    )
    log_file_rotation_count: int = setting(
        "log.file.rotation.count",
        0,
        "Rotated log files that are kept; with 0 what was in a file is gone when it is rotated.",
        "files",
        minimum=0,
        maximum=10_000,
        reloadable=True,
    )
    log_dir: Path | None = setting(
        "log.dir",
        None,
        "Directory for log files, logs in the data directory unless set.",
        reloadable=True,
    )
    log_levels: ByCategory = setting(
        "log.*.level",
        ByCategory(),
        "Least important lines to log of categories, wherever they go, such as connection=debug,channel=error.",
        choices=LOG_LEVELS,
        reloadable=True,
    )
    log_files: ByCategory = setting(
        "log.*.file",
        ByCategory(),
        "Files for the lines of categories, which then go nowhere else, such as connection=connections.log.",
        reloadable=True,
    )

    # AMQP, and limits
    heartbeat_s: int = setting(
        "heartbeat",
        60,
        "Heartbeat interval proposed in connection.tune; 0 turns heartbeats off.",
        "seconds",
        minimum=0,
        maximum=65535,
    )
    frame_max_bytes: int = setting(
        "frame_max",
        131072,
        "Largest frame, header and end octet included.",
        "bytes",
        minimum=4096,
        maximum=2**31 - 1,
    )
    channel_max: int = setting(
        "channel_max",
        2047,
        "Channels a connection may open; 0 is no limit.",
        "channels",
        minimum=0,
        maximum=65535,
    )
    connection_max: int = limit("connection_max", "Connections that may be open", "connections")
    channel_max_per_node: int = limit(
        "channel_max_per_node", "Channels that may be open over all connections", "channels"
    )
    consumer_max_per_channel: int = limit(
        "consumer_max_per_channel", "Consumers that a channel may have", "consumers"
    )
    cluster_queue_limit: int = limit("cluster_queue_limit", "Queues that there may be", "queues")
    cluster_exchange_limit: int = limit(
        "cluster_exchange_limit", "Exchanges that there may be, predeclared ones included", "exchanges"
    )
    vhost_max: int = limit("vhost_max", "Virtual hosts that there may be", "virtual hosts")
    default_queue_type: str = setting(
        "default_queue_type",
        "classic",
        "The type of durable queues whose client names none, in virtual hosts that have no default of their own.",
        choices=("classic", "quorum", "stream"),
    )
    handshake_timeout_s: int = setting(
        "handshake_timeout",
        10,
        "Time a client has from connecting to connection.open.",
        "seconds",
        minimum=1,
        maximum=86400,
    )
    consumer_timeout_ms: int = setting(
        "consumer_timeout",
        1800000,
        "Time after which a delivery that was not settled closes its channel; 0 gives consumers all the time they want.",
        "milliseconds",
        minimum=0,
        maximum=315_360_000_000,
    )
    max_message_size_bytes: int = setting(
        "max_message_size",
        134217728,
        "Largest message body accepted.",
        "bytes",
        minimum=1,
        maximum=536870912,
    )

    # What clients are told
    product: str = setting("product.name", "RabbitMQ", "Product name told to clients.")
    product_version: str = setting(
        "product.version", "3.10.8", "Version told to clients, some of which choose features by it."
    )
    cluster_name: str = setting("cluster_name", default_cluster_name, "Cluster name told to clients.")

    # Users, and what a new data directory begins with
    loopback_users: tuple[str, ...] = setting(
        "loopback_users",
        ("guest",),
        "Users who may only connect from this machine; none lifts the restriction.",
    )
    default_user: str = setting("default_user", "guest", "User that a new data directory begins with.")
    default_pass: str = setting("default_pass", "guest", "Password of that user.")
    default_vhost: str = setting("default_vhost", "/", "Virtual host that a new data directory begins with.")
    default_user_tags: tuple[str, ...] = setting(
        "default_user_tags", ("administrator",), "Tags of the default user; none is no tag."
    )
    default_permissions_configure: str = setting(
        "default_permissions.configure",
        ".*",
        "What the default user may declare and delete in the default virtual host, a regular expression.",
    )
    default_permissions_write: str = setting(
        "default_permissions.write",
        ".*",
        "What the default user may publish and bind to there, a regular expression.",
    )
    default_permissions_read: str = setting(
        "default_permissions.read",
        ".*",
        "What the default user may consume and bind from there, a regular expression.",
    )
    load_definitions: str = setting(
        "load_definitions",
        NOTHING,
        "File of definitions to import at every start, or a directory of such files; a new data directory then begins"
        " with them alone. none is no file.",
        reloadable=True,
    )

    # The program
    shutdown_timeout_s: int = setting(
        "amqpd.shutdown_timeout_s",
        5,
        "Time that clients have for their last answers when the broker stops.",
        "seconds",
        minimum=0,
        maximum=3600,
    )
    ready_fd: int | None = setting(
        "amqpd.ready_fd",
        None,
        "File descriptor to write a line to, and close, when the broker can be used: s6's notification-fd.",
        minimum=3,
        maximum=2**20,
    )
    pid_file: Path | None = setting(
        "amqpd.pid_file",
        None,
        "File with the number of the broker's process, as long as it runs: for rabbitmqctl wait.",
    )
    event_loop: str = setting(
        "amqpd.event_loop",
        "auto",
        "Event loop to run on; auto takes uvloop where it is installed.",
        choices=EVENT_LOOPS,
    )
    output_max_bytes: int = setting(
        "amqpd.output_max_bytes",
        1048576,
        "Output buffered for one connection before deliveries to it pause.",
        "bytes",
        minimum=4096,
        maximum=2**31 - 1,
    )
    read_size_bytes: int = setting(
        "amqpd.read_size_bytes",
        65536,
        "Most read from one connection before the others have their turn.",
        "bytes",
        minimum=1024,
        maximum=2**24,
    )

    def __post_init__(self) -> None:
        for each in SETTINGS.values():
            each.check(each.of(self), each.name)


SETTINGS: dict[str, Setting] = {each.name: each for each in settings_in(Settings)}


def settings_of(values: Mapping[str, object]) -> Settings:
    """Settings with these values by their names, and else at their defaults. Raises InvalidSetting, and TypeError for a name of none."""
    return with_values(Settings(), values)


def with_values(settings: Settings, values: Mapping[str, object]) -> Settings:
    """The settings, with these values by their names instead. Raises InvalidSetting, and TypeError for a name of none."""
    unknown = sorted(values.keys() - SETTINGS.keys())
    if unknown:
        raise TypeError(f"there is no setting {', '.join(unknown)}")
    by_group: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        group_name, _dot, attribute = SETTINGS[name].attribute.rpartition(".")
        by_group.setdefault(group_name, {})[attribute] = value
    changed = by_group.pop("", {})
    for group_name, of_group in by_group.items():
        changed[group_name] = replace(getattr(settings, group_name), **of_group)
    return replace(settings, **changed)


def read_setting(name: str, text: str, option: str) -> object:
    """`Setting.read` of the setting with this name."""
    return SETTINGS[name].read(text, option)
