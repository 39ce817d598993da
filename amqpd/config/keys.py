"""What each key of a configuration file sets: RabbitMQ's own, and amqpd's, which begin with `amqpd.`"""

import ipaddress
import re
from collections.abc import Callable, Mapping

from amqpd.config.conf_format import Entry
from amqpd.config.environment import nearest
from amqpd.config.kinds import EVERYWHERE, NOTHING, ByCategory, Listeners, Watermark, read_listener
from amqpd.config.machine import default_log_file
from amqpd.config.mistakes import InvalidSetting
from amqpd.config.rabbitmq_keys import AS_IT_IS, NOT_HONOURED, Group
from amqpd.config.setting import Setting, settings_in
from amqpd.config.settings import SETTINGS, read_setting
from amqpd.config.tls_settings import TlsSettings
from amqpd.logs.levels import CATEGORIES

NO_TIMEOUT_S = 86400
CUTTLEFISH_UNITS = {"KB": 1024, "kb": 1024, "MB": 1024**2, "mb": 1024**2, "GB": 1024**3, "gb": 1024**3}
"""Of the few sizes that RabbitMQ's configuration reads itself: frame_max = 128KB is 131072."""
SIZE_AND_FRACTION = ("absolute", "relative")


class Reading:
    """What the keys read so far make of the settings; `finish` says it."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}
        self.listeners: list[tuple[tuple[str, ...], int]] = []
        self.ssl_listeners: list[tuple[str, int]] = []
        self.listens_nowhere = False
        self.flags: dict[str, dict[str, bool]] = {}
        self.without: set[str] = set()
        self.log_defaults: dict[str, object] = {}
        """What log.default.* says, by the settings of log.console.* and log.file.*"""
        self.watermarks: dict[tuple[str, str], Watermark] = {}
        self.listener: dict[str, object] = {}
        """What management.listener.* says, by the settings of management.tcp.* or management.ssl.*"""

    def finish(self) -> dict[str, object]:
        """The settings by their names."""
        self._finish_listeners()
        self._finish_http("management", self.listener)
        self._finish_http("prometheus", {})
        for name, flags in self.flags.items():
            self.values[name] = tuple(each for each, is_set in flags.items() if is_set)
        for name in self.without:
            self.values[name] = ()
        self._finish_log()
        # With both, RabbitMQ 3.10 takes the relative one.
        for kind in SIZE_AND_FRACTION:
            for (name, of_kind), watermark in self.watermarks.items():
                if of_kind == kind:
                    self.values[name] = watermark
        return self.values

    def _finish_listeners(self) -> None:
        if self.listens_nowhere:
            self.values["listeners"] = Listeners(())
        elif len({port for _, port in self.listeners}) == 1:
            # So that --port can still move all of them.
            self.values["host"] = tuple(host for hosts, _ in self.listeners for host in hosts)
            self.values["port"] = self.listeners[0][1]
        elif self.listeners:
            addresses = [(host, port) for hosts, port in self.listeners for host in hosts]
            self.values["listeners"] = Listeners(tuple(addresses))

    def _finish_log(self) -> None:
        if self.values.get("log_file_level", NOTHING) != NOTHING:
            self.values.setdefault("log_file", default_log_file())
        self.values = {**self.log_defaults, **self.values}

    def _finish_http(self, service: str, listener: dict[str, object]) -> None:
        """Serve it where RabbitMQ 3.10 would: without TLS too only if both are named, or neither.

        What an older name says, `listener`, counts for the one that is not named.
        """
        names_tcp = bool({f"{service}_host", f"{service}_port"} & self.values.keys())
        names_ssl = any(name.startswith(f"{service}_ssl_") for name in self.values)
        if listener and not (names_tcp and names_ssl):
            is_ssl = listener.pop("ssl", False) is True
            names_tcp, names_ssl = names_tcp or not is_ssl, names_ssl or is_ssl
            for name, value in listener.items():
                of_service = f"{service}_ssl_{name}" if is_ssl else f"{service}_{name}"
                if of_service in SETTINGS:
                    self.values.setdefault(of_service, value)
        if names_ssl and not names_tcp:
            self.values.setdefault(f"{service}_tcp", False)


Handler = Callable[[Reading, Entry], None]
"""Takes one entry into the reading. Raises InvalidSetting if its value cannot be."""


def _plain(name: str) -> Handler:
    """A key whose value is read as that of the setting's option."""

    def read(reading: Reading, entry: Entry) -> None:
        reading.values[name] = read_setting(name, entry.value, entry.written_key())

    return read


def _refused(entry: Entry, reason: str) -> InvalidSetting:
    return InvalidSetting(entry.written_key(), entry.value, reason)


def _no_listener(reading: Reading, entry: Entry) -> None:
    if entry.value != "none":
        raise _refused(entry, "is not none; a port is set with listeners.tcp.default")
    reading.listens_nowhere = True


def _listener(reading: Reading, entry: Entry) -> None:
    reading.listeners.append(_address(entry))


def _address(entry: Entry) -> tuple[tuple[str, ...], int]:
    """The hosts and the port of a listener. Raises InvalidSetting."""
    if re.fullmatch("[0-9]+", entry.value):
        return EVERYWHERE, _port(entry)
    try:
        host, port = read_listener(entry.value)
        ipaddress.ip_address(host)
    except ValueError:
        raise _refused(
            entry, "is neither a port nor an IP address with one, such as 127.0.0.1:5672"
        ) from None
    return (host,), port


def _no_ssl_listener(reading: Reading, entry: Entry) -> None:
    if entry.value != "none":
        raise _refused(entry, "is not none; a port is set with listeners.ssl.default")
    reading.ssl_listeners.clear()
    reading.values["ssl_listeners"] = Listeners(())


def _ssl_listener(reading: Reading, entry: Entry) -> None:
    hosts, port = _address(entry)
    reading.ssl_listeners += [(host, port) for host in hosts]
    reading.values["ssl_listeners"] = Listeners(tuple(reading.ssl_listeners))


def _added(name: str) -> Handler:
    """A key that ends in a number, and adds to the values of the setting."""

    def read(reading: Reading, entry: Entry) -> None:
        added = read_setting(name, entry.value, entry.written_key())
        before = reading.values.get(name, ())
        assert isinstance(added, tuple) and isinstance(before, tuple)
        reading.values[name] = (*before, *added)

    return read


def _of_listener(name: str, *, is_added: bool = False) -> Handler:
    """A key of management.listener.*: `name` is that of the setting without management_ or management_ssl_."""

    def read(reading: Reading, entry: Entry) -> None:
        value = read_setting(f"management_ssl_{name}", entry.value, entry.written_key())
        if is_added:
            before = reading.listener.get(name, ())
            assert isinstance(value, tuple) and isinstance(before, tuple)
            value = (*before, *value)
        reading.listener[name] = value

    return read


def _listener_ssl(reading: Reading, entry: Entry) -> None:
    reading.listener["ssl"] = read_setting("management", entry.value, entry.written_key())


def _port(entry: Entry) -> int:
    port = read_setting("port", entry.value, entry.written_key())
    assert isinstance(port, int)
    return port


def _flag(name: str) -> Handler:
    """A key that ends in a name, and says whether the name is one of those of the setting."""

    def read(reading: Reading, entry: Entry) -> None:
        if entry.value not in ("true", "false"):
            raise _refused(entry, "is neither true nor false")
        reading.flags.setdefault(name, {})[entry.key[-1]] = entry.value == "true"

    return read


def _without(name: str) -> Handler:
    def read(reading: Reading, entry: Entry) -> None:
        if entry.value != "none":
            raise _refused(entry, f"is not none; names are set like {entry.written_key()}.NAME = true")
        reading.without.add(name)

    return read


def _watermark(name: str, kind: str) -> Handler:
    def read(reading: Reading, entry: Entry) -> None:
        text = entry.value
        if kind == "relative" and re.fullmatch("[0-9]+", text):
            text += ".0"
        watermark = read_setting(name, text, entry.written_key())
        assert isinstance(watermark, Watermark)
        if (watermark.fraction is not None) != (kind == "relative"):
            meant = "a fraction of the memory, such as 0.4" if kind == "relative" else "a size, such as 2GB"
            raise _refused(entry, f"is not {meant}")
        reading.watermarks[name, kind] = watermark

    return read


def _handshake_timeout(reading: Reading, entry: Entry) -> None:
    """In milliseconds, as RabbitMQ's; we count in seconds, and give no less than was asked for."""
    name = "handshake_timeout_s"
    if entry.value == "infinity":
        reading.values[name] = NO_TIMEOUT_S
        return
    if not re.fullmatch("[0-9]{1,18}", entry.value):
        raise _refused(entry, "is not a whole number of milliseconds")
    timeout_s = -(-int(entry.value) // 1000)
    if not 1 <= timeout_s <= NO_TIMEOUT_S:
        raise _refused(entry, f"is not between 1 and {NO_TIMEOUT_S * 1000}")
    reading.values[name] = timeout_s


def _frame_max(reading: Reading, entry: Entry) -> None:
    text = entry.value
    number, unit = text[:-2], text[-2:]
    if re.fullmatch("[0-9]{1,18}", number) and unit in CUTTLEFISH_UNITS:
        text = str(int(number) * CUTTLEFISH_UNITS[unit])
    reading.values["frame_max_bytes"] = read_setting("frame_max_bytes", text, entry.written_key())


def _log_default(*names: str) -> Handler:
    """A key whose value counts for settings that have none of their own."""

    def read(reading: Reading, entry: Entry) -> None:
        for name in names:
            reading.log_defaults[name] = read_setting(name, entry.value, entry.written_key())

    return read


def _log_category(name: str, category: str) -> Handler:
    """The value of a setting for one category of the log."""

    def read(reading: Reading, entry: Entry) -> None:
        # A comma is one of the value.
        value = ByCategory(((category, entry.value),))
        reason = SETTINGS[name].refusal(value)
        if reason:
            raise _refused(entry, reason.replace(f"has '{entry.value}', which ", ""))
        before = reading.values.get(name, ByCategory())
        assert isinstance(before, ByCategory)
        reading.values[name] = ByCategory(before.values + value.values)

    return read


def _handlers(each: Setting) -> dict[str, Handler]:
    """What reads a setting, by its keys."""
    if each.is_numbered:
        return {each.key: _added(each.name)}
    if each.type is Watermark:
        return {f"{each.key}.{kind}": _watermark(each.name, kind) for kind in SIZE_AND_FRACTION}
    if each.type is ByCategory:
        return {
            each.key.replace("*", category): _log_category(each.name, category) for category in CATEGORIES
        }
    return {each.key: _plain(each.name)}


NO_KEYS_ALONE = {"port", "default_user_tags"}
"""Settings that are only made by keys of OWN_WAY."""

OWN_WAY: dict[str, Handler] = {
    "listeners.tcp": _no_listener,
    "listeners.tcp.*": _listener,
    "listeners.ssl": _no_ssl_listener,
    "listeners.ssl.*": _ssl_listener,
    "management.listener.ip": _of_listener("host"),
    "management.listener.port": _of_listener("port"),
    "management.listener.ssl": _listener_ssl,
    **{
        f"management.listener.ssl_opts.{each.key}": _of_listener(each.name, is_added=each.is_numbered)
        for each in settings_in(TlsSettings)
        if each.name != "ciphers"
    },
    "loopback_users": _without("loopback_users"),
    "loopback_users.*": _flag("loopback_users"),
    "default_user_tags.*": _flag("default_user_tags"),
    "handshake_timeout": _handshake_timeout,
    "frame_max": _frame_max,
    "log.default.level": _log_default("log_level", "log_file_level"),
    **{
        f"log.default.rotation.{name}": _log_default(setting)
        for name, setting in (
            ("date", "log_file_rotation_date"),
            ("size", "log_file_rotation_size_bytes"),
            ("count", "log_file_rotation_count"),
        )
    },
    "management.load_definitions": _plain("load_definitions"),
    "definitions.local.path": _plain("load_definitions"),
    # RabbitMQ 4.3 has a second name for these.
    "max_connections": _plain("connection_max"),
    "max_channels_per_connection": _plain("channel_max"),
}
"""Keys that are not read as the setting's option is."""

KEYS: dict[str, Handler] = {
    key: handler
    for name, each in SETTINGS.items()
    if name not in NO_KEYS_ALONE
    for key, handler in _handlers(each).items()
} | OWN_WAY
"""Every key that is honoured; a star stands for a name that users choose."""

KNOWN = tuple(tuple(pattern.split(".")) for pattern in (*KEYS, *NOT_HONOURED))
"""The words of every key of RabbitMQ and amqpd."""
MOST_WORDS = max(map(len, KNOWN))


def pattern_of(key: tuple[str, ...], known: Mapping[str, object]) -> str | None:
    """The known key that this is, as it stands in the table; None if it is none."""
    return next((pattern for pattern in _patterns(key) if pattern in known), None)


def _patterns(key: tuple[str, ...]) -> list[str]:
    """The key itself, then with stars for more and more of its words, all but the first."""
    if len(key) > MOST_WORDS:
        return []
    patterns = [key[0]]
    for word in key[1:]:
        patterns = [f"{pattern}.{each}" for pattern in patterns for each in (word, "*")]
    return sorted(patterns, key=lambda pattern: pattern.count("*"))


def read_keys(entries: list[Entry]) -> tuple[dict[str, object], dict[Group, list[str]], list[str]]:
    """What entries set, keys without effect by their reason, and mistakes, each with its place."""
    reading = Reading()
    without_effect: dict[Group, list[str]] = {}
    mistakes: list[str] = []
    for entry in entries:
        key = pattern_of(entry.key, KEYS)
        other = pattern_of(entry.key, NOT_HONOURED)
        if key is not None:
            try:
                KEYS[key](reading, entry)
            except InvalidSetting as invalid:
                mistakes.append(f"{entry.place}: {invalid}")
        elif other is None:
            mistakes.append(f"{entry.place}: {entry.written_key()}: there is no such key{like(entry)}")
        elif entry.value not in AS_IT_IS.get(other, ()):
            without_effect.setdefault(NOT_HONOURED[other], []).append(entry.written_key())
    return reading.finish(), without_effect, mistakes


def like(entry: Entry) -> str:
    """`; did you mean X?` for the known key most like it, or nothing; names that users choose are those they chose."""
    return nearest(entry.written_key(), {_with_names(pattern, entry.key): None for pattern in KNOWN})


def _with_names(pattern: tuple[str, ...], key: tuple[str, ...]) -> str:
    names = key if len(key) == len(pattern) else ("NAME",) * len(pattern)
    return ".".join(name if word == "*" else word for word, name in zip(pattern, names, strict=True))
