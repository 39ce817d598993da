from pathlib import Path

import pytest

from amqpd.config.conf_format import Entry, parse
from amqpd.config.keys import KEYS, read_keys
from amqpd.config.kinds import ByCategory, Listeners, Watermark
from amqpd.config.machine import host_name
from amqpd.config.rabbitmq_keys import AS_IT_IS, GROUPS, NOT_HONOURED

FILE = Path("f")
EVERYWHERE = ("0.0.0.0", "::")


def entries(text: str) -> list[Entry]:
    return [entry for entry in parse(text.encode(), FILE) if isinstance(entry, Entry)]


def values(text: str) -> dict[str, object]:
    found, _, mistakes = read_keys(entries(text))
    assert mistakes == []
    return found


def mistake(text: str) -> str:
    _, _, mistakes = read_keys(entries(text))
    [line] = mistakes
    return line


def without_effect(text: str) -> dict[str, list[str]]:
    found, groups, mistakes = read_keys(entries(text))
    assert (found, mistakes) == ({}, [])
    return {group.reason: keys for group, keys in groups.items()}


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("heartbeat = 30", "heartbeat_s", 30),
        ("channel_max = 7", "channel_max", 7),
        ("max_channels_per_connection = 7", "channel_max", 7),
        ("connection_max = infinity", "connection_max", -1),
        ("max_connections = 7", "connection_max", 7),
        ("frame_max = 65536", "frame_max_bytes", 65536),
        ("frame_max = 128KB", "frame_max_bytes", 131072),
        ("frame_max = 1mb", "frame_max_bytes", 1048576),
        ("frame_max = 64KiB", "frame_max_bytes", 65536),
        ("max_message_size = 1000", "max_message_size_bytes", 1000),
        ("handshake_timeout = 20000", "handshake_timeout_s", 20),
        ("handshake_timeout = 500", "handshake_timeout_s", 1),
        ("handshake_timeout = 10001", "handshake_timeout_s", 11),
        ("handshake_timeout = infinity", "handshake_timeout_s", 86400),
        ("consumer_timeout = 3600000", "consumer_timeout_ms", 3600000),
        ("default_queue_type = quorum", "default_queue_type", "quorum"),
        ("cluster_name = prod", "cluster_name", "prod"),
        ("product.name = X", "product", "X"),
        ("default_user = anna", "default_user", "anna"),
        ("default_permissions.read = ^x", "default_permissions_read", "^x"),
        ("log.console.level = debug", "log_level", "debug"),
        ("log.console.level = notice", "log_level", "notice"),
        ("log.console.level = none", "log_level", "none"),
        ("log.console = false", "log_console", "false"),
        ("log.console.stdio = stdout", "log_console_stdio", "stdout"),
        ("log.console.formatter = json", "log_console_formatter", "json"),
        ("log.file = amqpd.log", "log_file", "amqpd.log"),
        ("log.file.formatter = json", "log_file_formatter", "json"),
        ("log.file.rotation.date = $D0", "log_file_rotation_date", "$D0"),
        ("log.file.rotation.size = 10485760", "log_file_rotation_size_bytes", 10485760),
        ("log.file.rotation.count = 5", "log_file_rotation_count", 5),
        ("log.default.rotation.count = 5", "log_file_rotation_count", 5),
        ("log.dir = /var/log/amqpd", "log_dir", Path("/var/log/amqpd")),
        ("log.connection.level = debug", "log_levels", ByCategory((("connection", "debug"),))),
        ("log.queue.file = queues.log", "log_files", ByCategory((("queue", "queues.log"),))),
        ("vm_memory_high_watermark.relative = 0.6", "vm_memory_high_watermark", Watermark(fraction=0.6)),
        ("vm_memory_high_watermark.relative = 1", "vm_memory_high_watermark", Watermark(fraction=1.0)),
        ("vm_memory_high_watermark.absolute = 2GB", "vm_memory_high_watermark", Watermark(2 * 10**9)),
        ("disk_free_limit.absolute = 50MiB", "disk_free_limit", Watermark(50 * 2**20)),
        ("disk_free_limit.relative = 2.0", "disk_free_limit", Watermark(fraction=2.0)),
        ("amqpd.data_dir = /data", "data_dir", Path("/data")),
        ("amqpd.in_memory = true", "in_memory", True),
    ],
)
def test_a_key_sets_its_setting(line: str, name: str, value: object):
    assert values(line) == {name: value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listeners.tcp.default = 5673", {"host": EVERYWHERE, "port": 5673}),
        ("listeners.tcp.1 = 127.0.0.1:5673", {"host": ("127.0.0.1",), "port": 5673}),
        ("listeners.tcp.1 = ::1:5673", {"host": ("::1",), "port": 5673}),
        ("listeners.tcp.1 = [::1]:5673", {"host": ("::1",), "port": 5673}),
        (
            "listeners.tcp.a = 127.0.0.1:5672\nlisteners.tcp.b = ::1:5672",
            {"host": ("127.0.0.1", "::1"), "port": 5672},
        ),
        (
            "listeners.tcp.a = 5672\nlisteners.tcp.b = 127.0.0.1:5673",
            {"listeners": Listeners((("0.0.0.0", 5672), ("::", 5672), ("127.0.0.1", 5673)))},
        ),
        ("listeners.tcp = none", {"listeners": Listeners(())}),
        ("listeners.tcp.default = 5672\nlisteners.tcp = none", {"listeners": Listeners(())}),
    ],
)
def test_listeners_have_addresses_and_ports(text: str, expected: dict[str, object]):
    assert values(text) == expected


@pytest.mark.parametrize(
    ("text", "users"),
    [
        ("loopback_users = none", ()),
        ("loopback_users.guest = false", ()),
        ("loopback_users.guest = true\nloopback_users.anna = true", ("guest", "anna")),
        ("loopback_users.anna = true", ("anna",)),
        ("loopback_users = none\nloopback_users.anna = true", ()),
        (r"loopback_users.a\.b = true", ("a.b",)),
    ],
)
def test_loopback_users_are_those_that_are_true(text: str, users: tuple[str, ...]):
    assert values(text) == {"loopback_users": users}


def test_tags_are_those_that_are_true():
    text = "default_user_tags.administrator = false\ndefault_user_tags.management = true"
    assert values(text) == {"default_user_tags": ("management",)}


def test_of_two_watermarks_the_relative_one_counts():
    text = "vm_memory_high_watermark.relative = 0.5\nvm_memory_high_watermark.absolute = 1GB"
    assert values(text) == {"vm_memory_high_watermark": Watermark(fraction=0.5)}


def test_the_default_level_of_the_log_is_that_of_every_place():
    assert values("log.default.level = error") == {"log_level": "error", "log_file_level": "error"}


def test_the_level_of_the_console_counts_before_the_one_of_all():
    text = "log.console.level = warning\nlog.default.level = debug"
    assert values(text) == {"log_level": "warning", "log_file_level": "debug"}


def test_a_level_for_the_log_file_turns_it_on_unless_that_is_none():
    assert values("log.file.level = debug") == {
        "log_file_level": "debug",
        "log_file": f"rabbit@{host_name()}.log",
    }
    assert values("log.file.level = debug\nlog.file = false")["log_file"] == "false"
    assert values("log.file.level = none") == {"log_file_level": "none"}


def test_levels_of_several_categories_add_up():
    text = "log.connection.level = debug\nlog.channel.level = none"
    assert values(text) == {"log_levels": ByCategory((("connection", "debug"), ("channel", "none")))}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("heartbeet = 1", "f:1: heartbeet: there is no such key; did you mean heartbeat?"),
        ("foo.bar = 1", "f:1: foo.bar: there is no such key"),
        (
            "listener.tcp.default = 1",
            "f:1: listener.tcp.default: there is no such key; did you mean listeners.tcp.default?",
        ),
        (
            "vm_memory_high_watermark = 0.4",
            "f:1: vm_memory_high_watermark: there is no such key; did you mean vm_memory_high_watermark.relative?",
        ),
        ("listner.tcp = none", "f:1: listner.tcp: there is no such key; did you mean listeners.tcp?"),
        (
            "ssl_options.certfil = x",
            "f:1: ssl_options.certfil: there is no such key; did you mean ssl_options.certfile?",
        ),
        ("heartbeat = x", "f:1: heartbeat: 'x' is not a whole number"),
        ("channel_max = 65536", "f:1: channel_max: '65536' is not between 0 and 65535"),
        ("max_message_size = 0", "f:1: max_message_size: '0' is not between 1 and 536870912"),
        ("frame_max = 7", "f:1: frame_max: '7' is not between 4096 and 2147483647"),
        (
            "frame_max = much",
            "f:1: frame_max: 'much' is not a size in bytes, such as 50000000, 50MB or 48MiB",
        ),
        ("handshake_timeout = 1s", "f:1: handshake_timeout: '1s' is not a whole number of milliseconds"),
        ("handshake_timeout = 0", "f:1: handshake_timeout: '0' is not between 1 and 86400000"),
        (
            "log.console.level = loud",
            "f:1: log.console.level: 'loud' is none of debug, info, notice, warning, error, critical, alert, emergency, none",
        ),
        (
            "log.queue.level = loud",
            "f:1: log.queue.level: 'loud' is none of debug, info, notice, warning, error, critical, alert, emergency, none",
        ),
        (
            "log.file.rotation.date = midnight",
            "f:1: log.file.rotation.date: 'midnight' is not a time such as $D0, every day at midnight, $W5D16, Fridays "
            "at 16:00, or $M1",
        ),
        (
            "listeners.tcp.1 = localhost:5672",
            "f:1: listeners.tcp.1: 'localhost:5672' is neither a port nor an IP address with one, such as 127.0.0.1:5672",
        ),
        ("listeners.tcp.1 = 65536", "f:1: listeners.tcp.1: '65536' is not between 0 and 65535"),
        (
            "listeners.tcp.1 = 127.0.0.1:65536",
            "f:1: listeners.tcp.1: '127.0.0.1:65536' is neither a port nor an IP address with one, such as 127.0.0.1:5672",
        ),
        (
            "listeners.tcp = 5672",
            "f:1: listeners.tcp: '5672' is not none; a port is set with listeners.tcp.default",
        ),
        (
            "loopback_users = guest",
            "f:1: loopback_users: 'guest' is not none; names are set like loopback_users.NAME = true",
        ),
        ("loopback_users.guest = no", "f:1: loopback_users.guest: 'no' is neither true nor false"),
        (
            "vm_memory_high_watermark.absolute = 0.4",
            "f:1: vm_memory_high_watermark.absolute: '0.4' is not a size, such as 2GB",
        ),
        (
            "vm_memory_high_watermark.relative = 2GB",
            "f:1: vm_memory_high_watermark.relative: '2GB' is not a fraction of the memory, such as 0.4",
        ),
        ("default_user = ''", "f:1: default_user: '' is empty"),
        ("amqpd.in_memory = on", "f:1: amqpd.in_memory: 'on' is none of true, yes, 1, false, no, 0"),
    ],
)
def test_a_mistake_says_where_and_what(line: str, expected: str):
    assert mistake(line) == expected


def test_all_mistakes_are_named():
    _, _, mistakes = read_keys(entries("heartbeet = 1\nheartbeat = 30\nchannel_max = x\n"))
    assert [each.split(": ")[0] for each in mistakes] == ["f:1", "f:3"]


def test_a_key_of_very_many_words_is_unknown():
    assert "there is no such key" in mistake("a" + ".b" * 1000 + " = 1")


def test_known_keys_without_effect_are_named_by_the_reason():
    text = (
        "cluster_keepalive_interval = 1\ncluster_formation.node_type = disc\nmqtt.listeners.tcp.default = 1883\n"
        "log.exchange = true\nlog.syslog = false\n"
    )
    assert without_effect(text) == {
        "the log goes to the console and to files, as text or JSON": ["log.exchange"],
        "no cluster": ["cluster_keepalive_interval", "cluster_formation.node_type"],
        "only AMQP 0-9-1 is spoken": ["mqtt.listeners.tcp.default"],
    }


def test_a_key_that_says_what_is_so_anyway_is_not_named():
    assert without_effect("cluster_partition_handling = ignore") == {}
    assert without_effect("cluster_partition_handling = autoheal") == {
        "no cluster": ["cluster_partition_handling"]
    }


def test_no_key_is_both_honoured_and_without_effect():
    assert not KEYS.keys() & NOT_HONOURED.keys()


def test_every_key_without_effect_has_one_reason():
    patterns = [pattern for group in GROUPS for pattern in group.patterns()]
    assert len(patterns) == len(set(patterns)) > 1000


def test_values_that_are_so_anyway_belong_to_keys_without_effect():
    assert AS_IT_IS.keys() <= NOT_HONOURED.keys()
