"""Every setting with its default, unit and meaning: the command line, the environment and the help are made from this."""

import math
import os
import platform
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from amqpd.logs.levels import CATEGORIES, LEVELS
from amqpd.logs.rotation import read_date

LOG_LEVELS = tuple(LEVELS)
LOG_FORMATTERS = ("plaintext", "json")
LOOPBACK = ("127.0.0.1", "::1")
EVENT_LOOPS = ("auto", "uvloop", "asyncio")
TRUTH_VALUES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
SYSTEM_DIRECTORY = Path("/var/lib/amqpd")
STATE_BELOW_HOME = {"darwin": "Library/Application Support", "win32": "AppData/Local"}
"""Where state goes on platforms that know neither the system's directory nor XDG_STATE_HOME."""
LARGEST_SIZE_BYTES = 2**62
NOTHING = "none"
"""The text of a setting that has no value."""
HOSTS = (
    "default_host",
    "host",
    "management_host",
    "management_ssl_host",
    "prometheus_host",
    "prometheus_ssl_host",
)
"""Settings that are addresses to listen on."""
UNLIMITED = -1
"""What RabbitMQ's settings call infinity."""


class InvalidSetting(ValueError):
    """A value that a setting cannot have; the message names the option as the user wrote it."""

    def __init__(self, option: str, value: object, reason: str) -> None:
        super().__init__(f"{option}: '{value}' {reason}")
        self.option = option
        self.value = value


@dataclass(frozen=True, slots=True)
class Watermark:
    """A limit for memory or disk: a size, or a fraction of this machine's memory (also a multiple of it).

    Raises ValueError unless exactly one of the two is given, and is neither negative nor infinite.
    """

    size_bytes: int | None = None
    fraction: float | None = None

    def __post_init__(self) -> None:
        given = [number for number in (self.size_bytes, self.fraction) if number is not None]
        if len(given) != 1:
            raise ValueError("a watermark is either a size or a fraction")
        if not 0 <= given[0] < math.inf:
            raise ValueError(f"a watermark is not negative, and not infinite: {given[0]}")

    def limit_bytes(self, memory_bytes: int) -> int:
        """The limit in bytes on a machine with that much memory."""
        if self.fraction is not None:
            return int(self.fraction * memory_bytes)
        return self.size_bytes or 0

    def __str__(self) -> str:
        return str(self.fraction) if self.size_bytes is None else f"{self.size_bytes} bytes"


@dataclass(frozen=True, slots=True)
class Listeners:
    """Addresses to listen on, each with its port; None leaves it to host and port, an empty tuple is nowhere."""

    addresses: tuple[tuple[str, int], ...] | None = None

    def __str__(self) -> str:
        if self.addresses is None:
            return "host and port"
        return ",".join(f"{host}:{port}" for host, port in self.addresses) or "none"


class FileMode(int):
    """Permissions of a file, in octal digits: `0660`."""

    def __str__(self) -> str:
        return f"{int(self):04o}"


@dataclass(frozen=True, slots=True)
class ByCategory:
    """Values by category of the log: `connection=debug,channel=none`."""

    values: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return ",".join(f"{category}={value}" for category, value in self.values) or "none"


class RotationDate(str):
    """Times at which a log file is rotated, as newsyslog has them; `none` is never."""

    __slots__ = ()

    def date(self) -> str:
        """The same, empty for never."""
        return "" if self == NOTHING else str(self)


def setting(
    key: str,
    default: Any,
    description: str,
    unit: str = "",
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
    reloadable: bool = False,
) -> Any:
    """A field of Settings.

    key is its name in rabbitmq.conf ("amqpd." in front where RabbitMQ has no such setting), description
    one sentence, unit what a number counts. maximum is, for a Watermark, that of its fraction. A callable
    default is called once per Settings. What is reloadable can change while the broker runs.
    """
    metadata = {
        "key": key,
        "description": description,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "reloadable": reloadable,
    }
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def limit(key: str, what: str, unit: str) -> Any:
    """A field of Settings that says how much of something there may be, without a limit by default."""
    description = f"{what}; infinity, or -1, is no limit."
    return setting(key, UNLIMITED, description, unit, minimum=UNLIMITED, maximum=2**31 - 1)


def host_name() -> str:
    """This machine's name, without its domain."""
    return platform.node().split(".")[0] or "localhost"


def _default_cluster_name() -> str:
    return "rabbit@" + host_name()


def default_log_file() -> str:
    """The name of the log file where none is given (RabbitMQ 3.10)."""
    return f"{_default_cluster_name()}.log"


def state_directory(
    platform_name: str, environment: Mapping[str, str], home: Path | None, is_root: bool
) -> Path:
    """Where amqpd keeps its data on a platform (as `sys.platform` names it), unless told otherwise.

    Root's is the system's, on Linux and whatever is like it, and so is that of a user without a home. XDG_STATE_HOME
    counts if it is absolute, as the XDG specification demands.
    """
    if platform_name == "win32" and environment.get("LOCALAPPDATA"):
        return Path(environment["LOCALAPPDATA"], "amqpd")
    is_like_linux = platform_name not in STATE_BELOW_HOME
    state_home = Path(environment.get("XDG_STATE_HOME", ""))
    if is_like_linux and not is_root and state_home.is_absolute():
        return state_home / "amqpd"
    if home is None or (is_like_linux and is_root):
        return SYSTEM_DIRECTORY
    return home / STATE_BELOW_HOME.get(platform_name, ".local/state") / "amqpd"


def default_data_dir() -> Path:
    """`state_directory` of this process."""
    is_root = sys.platform != "win32" and os.geteuid() == 0
    try:
        home = Path.home()
    except RuntimeError:
        return state_directory(sys.platform, os.environ, None, is_root)
    return state_directory(sys.platform, os.environ, home, is_root)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Raises InvalidSetting for a value out of range."""

    default_host: tuple[str, ...] = setting(
        "amqpd.default_host",
        LOOPBACK,
        "Addresses that everything listens on that is not told where; localhost is 127.0.0.1 and ::1.",
    )
    host: tuple[str, ...] = setting(
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
    ssl_certfile: Path | None = setting(
        "ssl_options.certfile",
        None,
        "File with the certificate for TLS, and those between it and the root (PEM).",
        reloadable=True,
    )
    ssl_keyfile: Path | None = setting(
        "ssl_options.keyfile",
        None,
        "File with the key of the certificate, unless that is in the same file (PEM).",
        reloadable=True,
    )
    ssl_password: str | None = setting(
        "ssl_options.password",
        None,
        "Password that the key is encrypted with.",
        reloadable=True,
    )
    ssl_cacertfile: Path | None = setting(
        "ssl_options.cacertfile",
        None,
        "File with the authorities whose certificates clients may have (PEM).",
        reloadable=True,
    )
    ssl_verify: str = setting(
        "ssl_options.verify",
        "verify_none",
        "Whether clients are asked for a certificate, which must then be good.",
        choices=("verify_none", "verify_peer"),
        reloadable=True,
    )
    ssl_fail_if_no_peer_cert: bool = setting(
        "ssl_options.fail_if_no_peer_cert",
        False,
        "Refuse clients that have no certificate; needs verify_peer.",
        reloadable=True,
    )
    ssl_depth: int = setting(
        "ssl_options.depth",
        10,
        "Most certificates between a client's and the root.",
        "certificates",
        minimum=0,
        maximum=255,
        reloadable=True,
    )
    ssl_versions: tuple[str, ...] = setting(
        "ssl_options.versions.*",
        ("tlsv1.3", "tlsv1.2"),
        "Versions of TLS: tlsv1.3, tlsv1.2, tlsv1.1, tlsv1.",
        reloadable=True,
    )
    ssl_ciphers: tuple[str, ...] = setting(
        "ssl_options.ciphers.*",
        (),
        "Cipher suites of TLS 1.2 and older, by OpenSSL's names, instead of its default; none of TLS 1.3 among them "
        "(TLS_...) turns TLS 1.3 off, and one of them allows all of its suites.",
        reloadable=True,
    )
    ssl_honor_cipher_order: bool = setting(
        "ssl_options.honor_cipher_order",
        False,
        "Choose cipher suites in our order rather than in the client's.",
        reloadable=True,
    )
    ssl_dhfile: Path | None = setting(
        "ssl_options.dhfile",
        None,
        "File with parameters for Diffie-Hellman in TLS 1.2 (PEM).",
        reloadable=True,
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
    management: bool = setting(
        "amqpd.management", False, "Serve the HTTP API of RabbitMQ's management plugin."
    )
    management_host: tuple[str, ...] = setting(
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
    management_ssl_host: tuple[str, ...] = setting(
        "management.ssl.ip",
        LOOPBACK,
        "Addresses to serve that API on over TLS; localhost is 127.0.0.1 and ::1.",
    )
    management_ssl_port: int | None = setting(
        "management.ssl.port",
        None,
        "TCP port of that API over TLS, 15671 if there is a certificate for it; 0 lets the system choose.",
        minimum=0,
        maximum=65535,
    )
    management_ssl_certfile: Path | None = setting(
        "management.ssl.certfile",
        None,
        "File with the certificate for that API, and those between it and the root (PEM).",
        reloadable=True,
    )
    management_ssl_keyfile: Path | None = setting(
        "management.ssl.keyfile",
        None,
        "File with the key of that certificate, unless that is in the same file (PEM).",
        reloadable=True,
    )
    management_ssl_password: str | None = setting(
        "management.ssl.password",
        None,
        "Password that this key is encrypted with.",
        reloadable=True,
    )
    management_ssl_cacertfile: Path | None = setting(
        "management.ssl.cacertfile",
        None,
        "File with the authorities whose certificates that API's clients may have (PEM).",
        reloadable=True,
    )
    management_ssl_verify: str = setting(
        "management.ssl.verify",
        "verify_none",
        "Whether that API's clients are asked for a certificate, which must then be good.",
        choices=("verify_none", "verify_peer"),
        reloadable=True,
    )
    management_ssl_fail_if_no_peer_cert: bool = setting(
        "management.ssl.fail_if_no_peer_cert",
        False,
        "Refuse clients of that API that have no certificate; needs verify_peer.",
        reloadable=True,
    )
    management_ssl_depth: int = setting(
        "management.ssl.depth",
        10,
        "Most certificates between that of a client of that API and the root.",
        "certificates",
        minimum=0,
        maximum=255,
        reloadable=True,
    )
    management_ssl_versions: tuple[str, ...] = setting(
        "management.ssl.versions.*",
        ("tlsv1.3", "tlsv1.2"),
        "Versions of TLS for that API: tlsv1.3, tlsv1.2, tlsv1.1, tlsv1.",
        reloadable=True,
    )
    management_ssl_ciphers: tuple[str, ...] = setting(
        "management.ssl.ciphers.*",
        (),
        "Cipher suites for that API, as in ssl_options.ciphers.",
        reloadable=True,
    )
    management_ssl_honor_cipher_order: bool = setting(
        "management.ssl.honor_cipher_order",
        False,
        "Choose cipher suites for that API in our order rather than in the client's.",
        reloadable=True,
    )
    prometheus: bool = setting(
        "amqpd.prometheus", False, "Serve metrics for Prometheus as RabbitMQ's plugin does, to anybody."
    )
    prometheus_host: tuple[str, ...] = setting(
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
    prometheus_ssl_host: tuple[str, ...] = setting(
        "prometheus.ssl.ip",
        LOOPBACK,
        "Addresses to serve metrics on over TLS; localhost is 127.0.0.1 and ::1.",
    )
    prometheus_ssl_port: int | None = setting(
        "prometheus.ssl.port",
        None,
        "TCP port for metrics over TLS, 15691 if there is a certificate for it; 0 lets the system choose.",
        minimum=0,
        maximum=65535,
    )
    prometheus_ssl_certfile: Path | None = setting(
        "prometheus.ssl.certfile",
        None,
        "File with the certificate for metrics, and those between it and the root (PEM).",
        reloadable=True,
    )
    prometheus_ssl_keyfile: Path | None = setting(
        "prometheus.ssl.keyfile",
        None,
        "File with the key of that certificate, unless that is in the same file (PEM).",
        reloadable=True,
    )
    prometheus_ssl_password: str | None = setting(
        "prometheus.ssl.password",
        None,
        "Password that this key is encrypted with.",
        reloadable=True,
    )
    prometheus_ssl_cacertfile: Path | None = setting(
        "prometheus.ssl.cacertfile",
        None,
        "File with the authorities whose certificates may be shown by who reads metrics (PEM).",
        reloadable=True,
    )
    prometheus_ssl_verify: str = setting(
        "prometheus.ssl.verify",
        "verify_none",
        "Whether who reads metrics is asked for a certificate, which must then be good.",
        choices=("verify_none", "verify_peer"),
        reloadable=True,
    )
    prometheus_ssl_fail_if_no_peer_cert: bool = setting(
        "prometheus.ssl.fail_if_no_peer_cert",
        False,
        "Refuse who wants to read metrics and has no certificate; needs verify_peer.",
        reloadable=True,
    )
    prometheus_ssl_depth: int = setting(
        "prometheus.ssl.depth",
        10,
        "Most certificates between that of who reads metrics and the root.",
        "certificates",
        minimum=0,
        maximum=255,
        reloadable=True,
    )
    prometheus_ssl_versions: tuple[str, ...] = setting(
        "prometheus.ssl.versions.*",
        ("tlsv1.3", "tlsv1.2"),
        "Versions of TLS for metrics: tlsv1.3, tlsv1.2, tlsv1.1, tlsv1.",
        reloadable=True,
    )
    prometheus_ssl_ciphers: tuple[str, ...] = setting(
        "prometheus.ssl.ciphers.*",
        (),
        "Cipher suites for metrics, as in ssl_options.ciphers.",
        reloadable=True,
    )
    prometheus_ssl_honor_cipher_order: bool = setting(
        "prometheus.ssl.honor_cipher_order",
        False,
        "Choose cipher suites for metrics in our order rather than in the client's.",
        reloadable=True,
    )
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
    product: str = setting("product.name", "RabbitMQ", "Product name told to clients.")
    product_version: str = setting(
        "product.version", "3.10.8", "Version told to clients, some of which choose features by it."
    )
    cluster_name: str = setting("cluster_name", _default_cluster_name, "Cluster name told to clients.")
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
    )
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
        for each in fields(self):
            check(each, getattr(self, each.name), each.name)


SETTINGS: dict[str, Field[Any]] = {each.name: each for each in fields(Settings)}


def check(the_setting: Field[Any], value: object, option: str) -> None:
    """Raises InvalidSetting, naming the option, if the setting cannot have this value."""
    reason = _refusal(the_setting, value)
    if reason:
        raise InvalidSetting(option, value, reason)


def refusal(name: str, value: object) -> str:
    """Why the setting `name` cannot have this value; empty if it can."""
    return _refusal(SETTINGS[name], value)


def _refusal(the_setting: Field[Any], value: object) -> str:
    """Why the setting cannot have this value; empty if it can."""
    refusal = REFUSALS.get(the_setting.type)
    if refusal is not None:
        return refusal(the_setting, value)
    if the_setting.name in HOSTS and (not value or "" in value):  # type: ignore[operator]
        return "names no address"
    return ""


def _int_refusal(the_setting: Field[Any], value: object) -> str:
    minimum, maximum = the_setting.metadata["minimum"], the_setting.metadata["maximum"]
    if not isinstance(value, int) or isinstance(value, bool):
        return "is not a whole number"
    return "" if minimum <= value <= maximum else f"is not between {minimum} and {maximum}"


def _text_refusal(the_setting: Field[Any], value: object) -> str:
    choices = the_setting.metadata["choices"]
    if not isinstance(value, str) or not value:
        return "is empty" if value == "" else "is not text"
    return f"is none of {', '.join(choices)}" if choices and value not in choices else ""


def _watermark_refusal(the_setting: Field[Any], value: object) -> str:
    maximum = the_setting.metadata["maximum"]
    if not isinstance(value, Watermark):
        return "is not a watermark"
    if maximum is not None and value.fraction is not None and value.fraction > maximum:
        return f"is not between 0.0 and {maximum}.0"
    too_large = value.size_bytes is not None and value.size_bytes > LARGEST_SIZE_BYTES
    return f"is not between 0 and {LARGEST_SIZE_BYTES}" if too_large else ""


def _bool_refusal(the_setting: Field[Any], value: object) -> str:
    return "" if isinstance(value, bool) else "is neither true nor false"


def _path_refusal(the_setting: Field[Any], value: object) -> str:
    return "" if isinstance(value, Path) else "is not a path"


def _listeners_refusal(the_setting: Field[Any], value: object) -> str:
    return "" if isinstance(value, Listeners) else "is not a list of addresses with their ports"


def _mode_refusal(the_setting: Field[Any], value: object) -> str:
    return "" if isinstance(value, FileMode) and 0 <= value <= 0o777 else "is not between 0000 and 0777"


def _by_category_refusal(the_setting: Field[Any], value: object) -> str:
    if not isinstance(value, ByCategory):
        return "is not a list of categories with their values"
    choices = the_setting.metadata["choices"]
    for category, each in value.values:
        if category not in CATEGORIES:
            return f"has the category '{category}', which is none of {', '.join(CATEGORIES)}"
        if not each or (choices and each not in choices):
            return f"has '{each}', which is none of {', '.join(choices)}" if choices else "has an empty value"
    return ""


def _rotation_date_refusal(the_setting: Field[Any], value: object) -> str:
    if not isinstance(value, RotationDate):
        return "is not a time"
    try:
        read_date(value.date())
    except ValueError as error:
        return str(error)
    return ""


def _optional(refusal: Callable[[Field[Any], object], str]) -> Callable[[Field[Any], object], str]:
    """That of a setting which may also be None."""

    def refuse(the_setting: Field[Any], value: object) -> str:
        return "" if value is None else refusal(the_setting, value)

    return refuse


REFUSALS: dict[object, Callable[[Field[Any], object], str]] = {
    int: _int_refusal,
    str: _text_refusal,
    bool: _bool_refusal,
    Path: _path_refusal,
    Listeners: _listeners_refusal,
    Watermark: _watermark_refusal,
    Path | None: _optional(_path_refusal),
    str | None: _optional(_text_refusal),
    FileMode: _mode_refusal,
    ByCategory: _by_category_refusal,
    RotationDate: _rotation_date_refusal,
    int | None: _optional(_int_refusal),
}


# Reading what users write: each reader raises ValueError with the reason why it can't


def _read_int(text: str) -> int:
    # int() alone would also take "1_000", " 7 " and digits of other scripts
    # 18 digits are more than any setting has, and less than int() refuses
    if not re.fullmatch("-?[0-9]{1,18}", text):
        raise ValueError("is not a whole number")
    return int(text)


def _units() -> dict[str, int]:
    units = {"": 1, "kB": 1000, "kiB": 1024}
    for power, letter in enumerate("KMGTP", start=1):
        small = letter.lower()
        binary = (letter, small, f"{letter}iB", f"{letter}IB", f"{small}ib")
        decimal = (f"{letter}B", f"{letter}b", f"{small}b")
        units |= dict.fromkeys(binary, 1024**power) | dict.fromkeys(decimal, 1000**power)
    return units


UNITS = _units()
"""Bytes in each unit of a size. What RabbitMQ 3.10.8 reads, it reads the same; tera- and petabytes, which it does not know, and
KiB, on which it fails, are ours."""


def read_size(text: str) -> int:
    """Bytes of a size as RabbitMQ writes it: `1048576`, `1024k`, `1MiB` (1024s), `50MB` (1000s). Raises ValueError."""
    parts = re.fullmatch("([0-9]{1,18})([A-Za-z]*)", text)
    if parts is None or parts[2] not in UNITS:
        raise ValueError("is not a size in bytes, such as 50000000, 50MB or 48MiB")
    return int(parts[1]) * UNITS[parts[2]]


def _read_watermark(text: str) -> Watermark:
    if re.fullmatch(r"[0-9]{1,18}\.[0-9]{1,18}", text):
        return Watermark(fraction=float(text))
    try:
        return Watermark(size_bytes=read_size(text))
    except ValueError:
        reason = "is neither a size, such as 50MB or 48MiB, nor with a dot a part of memory, such as 0.4"
        raise ValueError(reason) from None


def _read_bool(text: str) -> bool:
    if text.lower() not in TRUTH_VALUES:
        raise ValueError(f"is none of {', '.join(TRUTH_VALUES)}")
    return TRUTH_VALUES[text.lower()]


def _read_names(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(name.strip() for name in text.split(","))


LISTENER = re.compile(r"(\[[^\[\]]+\]|[^\[\]]+):([0-9]{1,5})")


def read_listener(text: str) -> tuple[str, int]:
    """Address and port of `127.0.0.1:5672`, `::1:5672` or `[::1]:5672`. Raises ValueError."""
    parts = LISTENER.fullmatch(text)
    if parts is None or int(parts[2]) > 65535:
        raise ValueError("is not an address with a port, such as 127.0.0.1:5672")
    return parts[1].strip("[]"), int(parts[2])


def _read_listeners(text: str) -> Listeners:
    return Listeners(tuple(read_listener(each) for each in _read_names(text)))


def _read_path(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("is not a directory")
    return Path(text)


def _read_file(text: str) -> Path:
    if not text or "\0" in text:
        raise ValueError("is not the name of a file")
    return Path(text)


def _read_mode(text: str) -> FileMode:
    if not re.fullmatch("0?[0-7]{3}", text):
        raise ValueError("is not a mode in octal digits, such as 0660")
    return FileMode(text, 8)


def _read_by_category(text: str) -> ByCategory:
    pairs = [each.partition("=") for each in _read_names(text)]
    if not all(equals for _category, equals, _value in pairs):
        raise ValueError("is not a list of categories with their values, such as connection=debug")
    return ByCategory(tuple((category, value) for category, _equals, value in pairs))


READERS: dict[object, Callable[[str], object]] = {
    int: _read_int,
    str: str,
    bool: _read_bool,
    tuple[str, ...]: _read_names,
    Path: _read_path,
    Listeners: _read_listeners,
    Watermark: _read_watermark,
    Path | None: _read_file,
    str | None: str,
    FileMode: _read_mode,
    ByCategory: _read_by_category,
    RotationDate: RotationDate,
    int | None: _read_int,
}


def read_setting(name: str, text: str, option: str) -> object:
    """The value a user's text gives to the setting `name`; option is what the user wrote, for the error.

    Raises InvalidSetting naming option and value.
    """
    the_setting = SETTINGS[name]
    if text == "infinity" and the_setting.metadata["minimum"] == UNLIMITED:
        return UNLIMITED
    read = read_size if the_setting.metadata["unit"] == "bytes" else READERS[the_setting.type]
    try:
        value = read(text)
    except ValueError as error:
        raise InvalidSetting(option, text, str(error)) from None
    if name in HOSTS and isinstance(value, tuple):
        value = expand_hosts(value)
    reason = _refusal(the_setting, value)
    if reason:
        raise InvalidSetting(option, text, reason)
    return value


def expand_hosts(hosts: tuple[str, ...]) -> tuple[str, ...]:
    """The addresses to listen on, each once: localhost is both loopback addresses."""
    addresses: dict[str, None] = {}
    for host in hosts:
        addresses.update(dict.fromkeys(LOOPBACK if host == "localhost" else (host,)))
    return tuple(addresses)
