"""Every setting with its default, unit and meaning: the command line, the environment and the help are made from this."""

import platform
from collections.abc import Callable
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

LOOPBACK = ("127.0.0.1", "::1")
LOG_LEVELS = ("debug", "info", "warning", "error")
EVENT_LOOPS = ("auto", "uvloop", "asyncio")


class InvalidSetting(ValueError):
    """A value that a setting cannot have; the message names the option as the user wrote it."""

    def __init__(self, option: str, value: object, reason: str) -> None:
        super().__init__(f"{option}: '{value}' {reason}")
        self.option = option
        self.value = value


def setting(
    key: str,
    default: Any,
    description: str,
    unit: str = "",
    *,
    minimum: int | None = None,
    maximum: int | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A field of Settings.

    key is its name in rabbitmq.conf ("amqpd." in front where RabbitMQ has no such setting), description
    one sentence, unit what a number counts. A callable default is called once per Settings.
    """
    metadata = {
        "key": key,
        "description": description,
        "unit": unit,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
    }
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


def _default_cluster_name() -> str:
    return "rabbit@" + (platform.node().split(".")[0] or "localhost")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Raises InvalidSetting for a value out of range."""

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
    data_dir: Path | None = setting(
        "amqpd.data_dir",
        None,
        "Directory for durable data. This version keeps everything in memory and writes nothing there.",
    )
    log_level: str = setting(
        "log.console.level", "info", "Least important lines to log, on standard error.", choices=LOG_LEVELS
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
    handshake_timeout_s: int = setting(
        "handshake_timeout",
        10,
        "Time a client has from connecting to connection.open.",
        "seconds",
        minimum=1,
        maximum=86400,
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


def _refusal(the_setting: Field[Any], value: object) -> str:
    minimum, maximum = the_setting.metadata["minimum"], the_setting.metadata["maximum"]
    choices = the_setting.metadata["choices"]
    if the_setting.type is int:
        if not isinstance(value, int) or isinstance(value, bool):
            return "is not a whole number"
        if not minimum <= value <= maximum:
            return f"is not between {minimum} and {maximum}"
    elif the_setting.type is str:
        if not isinstance(value, str) or not value:
            return "is empty" if value == "" else "is not text"
        if choices and value not in choices:
            return f"is none of {', '.join(choices)}"
    elif the_setting.name == "host" and (not value or "" in value):  # type: ignore[operator]
        return "names no address"
    return ""


def _read_int(text: str) -> int | str:
    # int() alone would also take "1_000", " 7 " and digits of other scripts
    digits = text.removeprefix("-")
    # 18 digits are more than any setting has, and less than int() refuses
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 18 else text


def _read_names(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(name.strip() for name in text.split(","))


def _read_path(text: str) -> Path | str:
    return Path(text) if text else text


READERS: dict[object, Callable[[str], object]] = {
    int: _read_int,
    str: str,
    tuple[str, ...]: _read_names,
    Path | None: _read_path,
}


def read_setting(name: str, text: str, option: str) -> object:
    """The value a user's text gives to the setting `name`; option is what the user wrote, for the error.

    Raises InvalidSetting naming option and value.
    """
    the_setting = SETTINGS[name]
    value = READERS[the_setting.type](text)
    if name == "data_dir" and value == "":
        raise InvalidSetting(option, text, "is not a directory")
    if name == "host" and isinstance(value, tuple):
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
