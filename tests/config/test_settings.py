from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from amqpd.config.kinds import Watermark
from amqpd.config.machine import default_data_dir
from amqpd.config.mistakes import InvalidSetting
from amqpd.config.settings import LOG_LEVELS, SETTINGS, Settings, read_setting, settings_of, with_values


def test_the_defaults_are_rabbitmqs_on_loopback():
    settings = Settings()
    assert settings.host == ("127.0.0.1", "::1")
    assert (settings.port, settings.heartbeat_s, settings.frame_max_bytes) == (5672, 60, 131072)
    assert (settings.channel_max, settings.handshake_timeout_s) == (2047, 10)
    assert settings.max_message_size_bytes == 128 * 1024 * 1024
    assert (settings.product, settings.product_version) == ("RabbitMQ", "3.10.8")
    assert settings.loopback_users == ("guest",)
    assert settings.vm_memory_high_watermark == Watermark(fraction=0.4)
    assert settings.disk_free_limit == Watermark(size_bytes=50_000_000)


def test_the_cluster_is_named_like_a_rabbitmq_node_on_this_host():
    name = Settings().cluster_name
    assert name.startswith("rabbit@")
    assert "." not in name and len(name) > len("rabbit@")


def test_settings_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_setting_says_what_it_means_in_one_sentence(name: str):
    each = SETTINGS[name]
    assert each.key and each.description.endswith(".") and "{" not in each.description
    assert (each.unit == "seconds") == name.endswith("_s")
    assert (each.unit == "bytes") == name.endswith("_bytes")


def test_no_two_settings_have_the_same_key():
    keys = [each.key for each in SETTINGS.values()]
    assert len(set(keys)) == len(keys)


def test_tls_has_the_same_settings_everywhere():
    def keys(beginning: str) -> set[str]:
        return {
            each.key.removeprefix(beginning)
            for each in SETTINGS.values()
            if each.key.startswith(beginning) and each.attribute.count(".") == 1
        }

    assert len(keys("ssl_options.")) == 11
    assert (
        keys("management.ssl.")
        == keys("prometheus.ssl.")
        == keys("ssl_options.") - {"dhfile"} | {"ip", "port"}
    )


def test_settings_are_made_and_changed_by_their_names():
    settings = settings_of({"port": 1, "ssl_depth": 2, "management_ssl_port": 3})
    assert (settings.port, settings.ssl.depth, settings.management_ssl.port) == (1, 2, 3)
    changed = with_values(settings, {"management_ssl_certfile": Path("/c.pem"), "ssl_depth": 4})
    assert (changed.port, changed.ssl.depth, changed.prometheus_ssl) == (1, 4, settings.prometheus_ssl)
    assert (changed.management_ssl.port, changed.management_ssl.certfile) == (3, Path("/c.pem"))
    assert settings_of({name: each.of(changed) for name, each in SETTINGS.items()}) == changed


def test_a_name_of_no_setting_is_refused():
    with pytest.raises(TypeError, match="there is no setting prot, ssl"):
        settings_of({"prot": 1, "ssl": None, "port": 1})


def test_a_bad_value_in_a_group_is_refused_by_its_whole_name():
    with pytest.raises(InvalidSetting, match="management_ssl_port: '65536' is not between 0 and 65535"):
        settings_of({"management_ssl_port": 65536})


def test_without_a_word_data_is_durable_and_kept_in_the_users_state_directory():
    settings = Settings()
    assert (settings.in_memory, settings.data_dir) == (False, default_data_dir())
    assert settings.data_dir.is_absolute() and settings.data_dir.name == "amqpd"


def test_settings_touch_no_file(tmp_path: Path):
    Settings(data_dir=tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 65536}, "port: '65536' is not between 0 and 65535"),
        ({"port": -1}, "port: '-1' is not between 0 and 65535"),
        ({"port": "5672"}, "port: '5672' is not a whole number"),
        ({"port": True}, "port: 'True' is not a whole number"),
        ({"frame_max_bytes": 4095}, "frame_max_bytes: '4095' is not between 4096 and 2147483647"),
        ({"log_level": "loud"}, "log_level: 'loud' is none of " + ", ".join(LOG_LEVELS)),
        ({"event_loop": "trio"}, "event_loop: 'trio' is none of auto, uvloop, asyncio"),
        ({"product": ""}, "product: '' is empty"),
        ({"host": ()}, "host: '()' names no address"),
        ({"handshake_timeout_s": 0}, "handshake_timeout_s: '0' is not between 1 and 86400"),
        ({"in_memory": 1}, "in_memory: '1' is neither true nor false"),
        ({"data_dir": "data"}, "data_dir: 'data' is not a path"),
        ({"disk_free_limit": 1}, "disk_free_limit: '1' is not a watermark"),
        (
            {"vm_memory_high_watermark": Watermark(fraction=1.1)},
            "vm_memory_high_watermark: '1.1' is not between 0.0 and 1.0",
        ),
        (
            {"log_segment_size_bytes": 65535},
            "log_segment_size_bytes: '65535' is not between 65536 and 2147483647",
        ),
        (
            {"message_memory_bytes": 2**62 + 1},
            f"message_memory_bytes: '{2**62 + 1}' is not between 1048576 and {2**62}",
        ),
    ],
)
def test_a_bad_value_is_refused_by_name_and_value(values: dict[str, object], message: str):
    with pytest.raises(InvalidSetting) as refused:
        Settings(**values)  # type: ignore[arg-type]
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "5673", 5673),
        ("host", "localhost", ("127.0.0.1", "::1")),
        ("host", "0.0.0.0, ::", ("0.0.0.0", "::")),
        ("host", "localhost,127.0.0.1", ("127.0.0.1", "::1")),
        ("data_dir", "data", Path("data")),
        ("loopback_users", "none", ()),
        ("loopback_users", "guest,anna", ("guest", "anna")),
        ("log_level", "debug", "debug"),
        ("in_memory", "true", True),
        ("in_memory", "1", True),
        ("in_memory", "Yes", True),
        ("in_memory", "false", False),
        ("in_memory", "0", False),
        ("in_memory", "no", False),
        ("log_segment_size_bytes", "1MiB", 1_048_576),
        ("frame_max_bytes", "8k", 8192),
        ("vm_memory_high_watermark", "0.4", Watermark(fraction=0.4)),
        ("vm_memory_high_watermark", "1.0", Watermark(fraction=1.0)),
        ("vm_memory_high_watermark", "0", Watermark(size_bytes=0)),
        ("vm_memory_high_watermark", "2GB", Watermark(size_bytes=2_000_000_000)),
        ("disk_free_limit", "1.5", Watermark(fraction=1.5)),
        ("disk_free_limit", "50MB", Watermark(size_bytes=50_000_000)),
    ],
)
def test_text_is_read_as_the_type_of_the_setting(name: str, text: str, value: object):
    assert read_setting(name, text, "--x") == value


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("port", "abc", "--x: 'abc' is not a whole number"),
        ("port", "", "--x: '' is not a whole number"),
        ("port", "1_000", "--x: '1_000' is not a whole number"),
        ("port", "٥", "--x: '٥' is not a whole number"),
        ("port", "9" * 5000, f"--x: '{'9' * 5000}' is not a whole number"),
        ("host", "", "--x: '' names no address"),
        ("host", "a,,b", "--x: 'a,,b' names no address"),
        ("host", "none", "--x: 'none' names no address"),
        ("data_dir", "", "--x: '' is not a directory"),
        ("data_dir", "a\0b", "--x: 'a\0b' is not a directory"),
        ("in_memory", "", "--x: '' is none of true, yes, 1, false, no, 0"),
        ("in_memory", "on", "--x: 'on' is none of true, yes, 1, false, no, 0"),
        (
            "frame_max_bytes",
            "1.5k",
            "--x: '1.5k' is not a size in bytes, such as 50000000, 50MB or 48MiB",
        ),
        ("frame_max_bytes", "1k", "--x: '1k' is not between 4096 and 2147483647"),
        ("vm_memory_high_watermark", "1.01", "--x: '1.01' is not between 0.0 and 1.0"),
        ("vm_memory_high_watermark", "8000000T", f"--x: '8000000T' is not between 0 and {2**62}"),
        (
            "disk_free_limit",
            "1.5GB",
            "--x: '1.5GB' is neither a size, such as 50MB or 48MiB, nor with a dot a part of memory, such as 0.4",
        ),
    ],
)
def test_unreadable_text_is_refused_by_option_and_text(name: str, text: str, message: str):
    with pytest.raises(InvalidSetting) as refused:
        read_setting(name, text, "--x")
    assert str(refused.value) == message
