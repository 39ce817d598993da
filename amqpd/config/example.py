"""Writes conf/amqpd.conf, which has every setting at its default: `python -m amqpd.config.example > conf/amqpd.conf`"""

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from amqpd.config.kinds import ByCategory, Hosts, Watermark
from amqpd.config.machine import SYSTEM_DIRECTORY
from amqpd.config.setting import UNLIMITED, Setting
from amqpd.config.settings import SETTINGS, Settings

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


def _plain(key: str, value: Any) -> list[str]:
    text = "infinity" if value == UNLIMITED else str(value).lower() if isinstance(value, bool) else str(value)
    return [f"{key} = {text}"]


def _listeners(key: str, value: Any) -> list[str]:
    port = Settings().port
    return [f"listeners.tcp.{number} = {host}:{port}" for number, host in enumerate(value, start=1)]


def _names(key: str, value: Any) -> list[str]:
    return [f"{key}.{each} = true" for each in value]


def _in_one_line(key: str, value: Any) -> list[str]:
    return [f"{key} = {','.join(value)}"]


def _watermark(key: str, value: Any) -> list[str]:
    assert isinstance(value, Watermark)
    if value.size_bytes is None:
        return [f"{key}.relative = {value.fraction}"]
    return [f"{key}.absolute = {value.size_bytes // 10**6}MB"]


def _milliseconds(key: str, value: Any) -> list[str]:
    return [f"{key} = {value * 1000}"]


def _ssl_listeners(key: str, value: Any) -> list[str]:
    return ["listeners.ssl = none"]


def _numbered(key: str, value: Any) -> list[str]:
    return [f"{key.removesuffix('*')}{number} = {each}" for number, each in enumerate(value, start=1)]


def _by_category(key: str, value: Any) -> list[str]:
    assert isinstance(value, ByCategory)
    return [f"{key.replace('*', category)} = {each}" for category, each in value.values]


WRITERS: dict[object, Callable[[str, Any], list[str]]] = {
    Hosts: _in_one_line,
    Watermark: _watermark,
    ByCategory: _by_category,
    "host": _listeners,
    "ssl_listeners": _ssl_listeners,
    "loopback_users": _names,
    "default_user_tags": _names,
    "handshake_timeout_s": _milliseconds,
}
"""By names, or by types, of settings."""
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
CIPHERS = ("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384")
TLS = {
    "certfile": Path("/etc/amqpd/tls/server.pem"),
    "keyfile": Path("/etc/amqpd/tls/server.key"),
    "password": "secret",
    "cacertfile": Path("/etc/amqpd/tls/authorities.pem"),
    "ciphers": CIPHERS,
}
ELSEWHERE = {
    "data_dir": SYSTEM_DIRECTORY,
    "cluster_name": "rabbit@localhost",
    **{
        f"{tls}_{name}": value
        for tls in ("ssl", "management_ssl", "prometheus_ssl")
        for name, value in TLS.items()
    },
    "ssl_ciphers": (*CIPHERS, "TLS_AES_256_GCM_SHA384"),
    "ssl_dhfile": Path("/etc/amqpd/tls/dh.pem"),
    "management_ssl_port": 15671,
    "prometheus_left_out": "^amq\\.gen-",
    "prometheus_ssl_port": 15691,
    "log_dir": Path("/var/log/amqpd"),
    "log_levels": ByCategory((("connection", "debug"), ("channel", "error"))),
    "log_files": ByCategory((("connection", "connections.log"),)),
    "total_memory_bytes": 8_000_000_000,
    "ready_fd": 3,
    "pid_file": Path("/run/amqpd/amqpd.pid"),
    "unix_socket": Path("/run/amqpd/amqpd.sock"),
}
"""Values of settings whose default depends on the machine, or is that they are not set."""


def example() -> str:
    """The text of conf/amqpd.conf; the same on every machine."""
    defaults = Settings()
    parts = [HEAD]
    for name, each in SETTINGS.items():
        if name not in MADE_BY_OTHERS:
            lines = _lines(each, ELSEWHERE.get(name, each.of(defaults)))
            parts.append("\n".join([_comment(each), *(f"# {line}" for line in lines)]) + "\n")
    return "\n".join(parts)


def _lines(each: Setting, value: Any) -> list[str]:
    of_type = _numbered if each.is_numbered else WRITERS.get(each.type, _plain)
    return WRITERS.get(each.name, of_type)(each.key, value)


def _comment(each: Setting) -> str:
    words = WORDS.get(each.name, each.description)
    if each.allowed.choices:
        words += f" One of {', '.join(each.allowed.choices)}."
    unit = UNITS.get(each.name, each.unit)
    if unit in UNITS_TO_NAME:
        words += f" Unit: {unit}."
    return textwrap.fill(
        words, COLUMNS, initial_indent="## ", subsequent_indent="## ", break_on_hyphens=False
    )


if __name__ == "__main__":
    sys.stdout.write(example())
