"""Writes conf/amqpd.conf, which has every setting at its default: `python -m amqpd.config.example > conf/amqpd.conf`"""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amqpd.config.settings import SETTINGS, SYSTEM_DIRECTORY, UNLIMITED, ByCategory, Settings, Watermark

COLUMNS = 100
HEAD = """\
## Configuration of amqpd: every setting, at its default.
##
## The format is that of RabbitMQ's rabbitmq.conf, and so are the keys; those that RabbitMQ does not have begin with
## "amqpd.". After this file, amqpd reads conf.d/*.conf beside it; then environment variables and options override it:
##
##     amqpd --config amqpd.conf
##     amqpd check-config amqpd.conf
##
## Lines with one # are settings, to be used without it. docs/configuration.md says more.
"""
MADE_BY_OTHERS = {"port", "listeners"}
"""Settings whose keys the example shows with those of `host`."""


def _plain(name: str, value: Any) -> list[str]:
    text = "infinity" if value == UNLIMITED else str(value).lower() if isinstance(value, bool) else str(value)
    return [f"{SETTINGS[name].metadata['key']} = {text}"]


def _listeners(name: str, value: Any) -> list[str]:
    port = Settings().port
    return [f"listeners.tcp.{number} = {host}:{port}" for number, host in enumerate(value, start=1)]


def _names(name: str, value: Any) -> list[str]:
    return [f"{SETTINGS[name].metadata['key']}.{each} = true" for each in value]


def _in_one_line(name: str, value: Any) -> list[str]:
    return [f"{SETTINGS[name].metadata['key']} = {','.join(value)}"]


def _watermark(name: str, value: Any) -> list[str]:
    assert isinstance(value, Watermark)
    key = SETTINGS[name].metadata["key"]
    if value.size_bytes is None:
        return [f"{key}.relative = {value.fraction}"]
    return [f"{key}.absolute = {value.size_bytes // 10**6}MB"]


def _milliseconds(name: str, value: Any) -> list[str]:
    return [f"{SETTINGS[name].metadata['key']} = {value * 1000}"]


def _ssl_listeners(name: str, value: Any) -> list[str]:
    return ["listeners.ssl = none"]


def _numbered(name: str, value: Any) -> list[str]:
    key = SETTINGS[name].metadata["key"].removesuffix("*")
    return [f"{key}{number} = {each}" for number, each in enumerate(value, start=1)]


def _by_category(name: str, value: Any) -> list[str]:
    assert isinstance(value, ByCategory)
    key = SETTINGS[name].metadata["key"]
    return [f"{key.replace('*', category)} = {each}" for category, each in value.values]


WRITERS: dict[str, Callable[[str, Any], list[str]]] = {
    "host": _listeners,
    "default_host": _in_one_line,
    "management_host": _in_one_line,
    "management_ssl_host": _in_one_line,
    "management_ssl_versions": _numbered,
    "management_ssl_ciphers": _numbered,
    "prometheus_host": _in_one_line,
    "prometheus_ssl_host": _in_one_line,
    "prometheus_ssl_versions": _numbered,
    "prometheus_ssl_ciphers": _numbered,
    "ssl_listeners": _ssl_listeners,
    "ssl_versions": _numbered,
    "ssl_ciphers": _numbered,
    "loopback_users": _names,
    "default_user_tags": _names,
    "vm_memory_high_watermark": _watermark,
    "disk_free_limit": _watermark,
    "handshake_timeout_s": _milliseconds,
    "log_levels": _by_category,
    "log_files": _by_category,
}
WORDS = {
    "host": "Addresses and ports to listen on, by names that you choose. A port alone is one on every address; "
    "listeners.tcp = none listens nowhere.",
    "ssl_listeners": "Addresses and ports for AMQP over TLS, as with listeners.tcp: listeners.ssl.default = 5671.",
    "vm_memory_high_watermark": "Memory above which publishers are held back: .relative is a fraction of this "
    "machine's, .absolute a size.",
    "disk_free_limit": "Free disk space below which publishers are held back: .absolute is a size, .relative a "
    "multiple of this machine's memory.",
    "loopback_users": "Users who may only connect from this machine; with one of these lines only those set to true, "
    "and loopback_users = none lifts the restriction.",
    "log_levels": "Least important lines to log of categories, wherever they go: connection, channel, queue and others.",
    "data_dir": "Directory for durable data; ~/.local/state/amqpd if not root runs the broker.",
    "cluster_name": "Cluster name told to clients; rabbit@ and the name of this machine unless set.",
    "default_user_tags": "Tags of the default user; with one of these lines only those set to true.",
}
"""What is said of settings whose keys differ from their option."""
UNITS = {"handshake_timeout_s": "milliseconds"}
UNITS_TO_NAME = ("bytes", "seconds", "milliseconds")
ELSEWHERE = {
    "data_dir": SYSTEM_DIRECTORY,
    "cluster_name": "rabbit@localhost",
    "ssl_certfile": Path("/etc/amqpd/tls/server.pem"),
    "ssl_keyfile": Path("/etc/amqpd/tls/server.key"),
    "ssl_password": "secret",
    "ssl_cacertfile": Path("/etc/amqpd/tls/authorities.pem"),
    "ssl_ciphers": ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384", "TLS_AES_256_GCM_SHA384"),
    "ssl_dhfile": Path("/etc/amqpd/tls/dh.pem"),
    "management_ssl_port": 15671,
    "management_ssl_certfile": Path("/etc/amqpd/tls/server.pem"),
    "management_ssl_keyfile": Path("/etc/amqpd/tls/server.key"),
    "management_ssl_password": "secret",
    "management_ssl_cacertfile": Path("/etc/amqpd/tls/authorities.pem"),
    "management_ssl_ciphers": ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    "prometheus_left_out": "^amq\\.gen-",
    "prometheus_ssl_port": 15691,
    "prometheus_ssl_certfile": Path("/etc/amqpd/tls/server.pem"),
    "prometheus_ssl_keyfile": Path("/etc/amqpd/tls/server.key"),
    "prometheus_ssl_password": "secret",
    "prometheus_ssl_cacertfile": Path("/etc/amqpd/tls/authorities.pem"),
    "prometheus_ssl_ciphers": ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384"),
    "log_dir": Path("/var/log/amqpd"),
    "log_levels": ByCategory((("connection", "debug"), ("channel", "error"))),
    "log_files": ByCategory((("connection", "connections.log"),)),
    "total_memory_bytes": 8_000_000_000,
    "ready_fd": 3,
    "unix_socket": Path("/run/amqpd/amqpd.sock"),
}
"""Values of settings whose default depends on the machine, or is that they are not set."""


def example() -> str:
    """The text of conf/amqpd.conf; the same on every machine."""
    defaults = Settings()
    parts = [HEAD]
    for name in SETTINGS:
        if name not in MADE_BY_OTHERS:
            value = ELSEWHERE.get(name, getattr(defaults, name))
            lines = WRITERS.get(name, _plain)(name, value)
            parts.append("\n".join([_comment(name), *(f"# {line}" for line in lines)]) + "\n")
    return "\n".join(parts)


def _comment(name: str) -> str:
    metadata = SETTINGS[name].metadata
    words = WORDS.get(name, metadata["description"])
    if metadata["choices"]:
        words += f" One of {', '.join(metadata['choices'])}."
    unit = UNITS.get(name, metadata["unit"])
    if unit in UNITS_TO_NAME:
        words += f" Unit: {unit}."
    return textwrap.fill(
        words, COLUMNS, initial_indent="## ", subsequent_indent="## ", break_on_hyphens=False
    )


if __name__ == "__main__":
    sys.stdout.write(example())
