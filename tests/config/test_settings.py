from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from amqpd.config import settings as settings_module
from amqpd.config.settings import (
    LOG_LEVELS,
    SETTINGS,
    InvalidSetting,
    Settings,
    Watermark,
    default_data_dir,
    expand_hosts,
    read_setting,
    read_size,
    state_directory,
)


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
    metadata = SETTINGS[name].metadata
    assert metadata["key"] and metadata["description"].endswith(".")
    assert (metadata["unit"] == "seconds") == name.endswith("_s")
    assert (metadata["unit"] == "bytes") == name.endswith("_bytes")


def test_no_two_settings_have_the_same_key():
    keys = [each.metadata["key"] for each in SETTINGS.values()]
    assert len(set(keys)) == len(keys)


def test_without_a_word_data_is_durable_and_kept_in_the_users_state_directory():
    settings = Settings()
    assert (settings.in_memory, settings.data_dir) == (False, default_data_dir())
    assert settings.data_dir.is_absolute() and settings.data_dir.name == "amqpd"


@pytest.mark.parametrize(
    ("platform", "environment", "is_root", "directory"),
    [
        ("linux", {}, True, "/var/lib/amqpd"),
        ("linux", {"XDG_STATE_HOME": "/state"}, True, "/var/lib/amqpd"),
        ("linux", {}, False, "/home/anna/.local/state/amqpd"),
        ("linux", {"XDG_STATE_HOME": "/state"}, False, "/state/amqpd"),
        ("linux", {"XDG_STATE_HOME": "state"}, False, "/home/anna/.local/state/amqpd"),
        ("linux", {"XDG_STATE_HOME": ""}, False, "/home/anna/.local/state/amqpd"),
        ("freebsd14", {}, False, "/home/anna/.local/state/amqpd"),
        ("darwin", {}, False, "/home/anna/Library/Application Support/amqpd"),
        ("darwin", {"XDG_STATE_HOME": "/state"}, True, "/home/anna/Library/Application Support/amqpd"),
        ("win32", {"LOCALAPPDATA": "/local"}, False, "/local/amqpd"),
        ("win32", {}, False, "/home/anna/AppData/Local/amqpd"),
    ],
)
def test_each_platform_has_a_place_for_state(
    platform: str, environment: dict[str, str], is_root: bool, directory: str
):
    assert state_directory(platform, environment, Path("/home/anna"), is_root) == Path(directory)


@pytest.mark.parametrize(
    ("platform", "environment"), [("linux", {"XDG_STATE_HOME": "/state"}), ("linux", {})]
)
def test_a_user_without_a_home_keeps_state_where_the_environment_or_else_the_system_does(
    platform: str, environment: dict[str, str]
):
    expected = "/state/amqpd" if environment else "/var/lib/amqpd"
    assert state_directory(platform, environment, None, False) == Path(expected)


def test_a_home_that_cannot_be_found_is_no_error(monkeypatch: pytest.MonkeyPatch):
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(settings_module.Path, "home", no_home)
    assert default_data_dir() == Path("/var/lib/amqpd")


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


def test_an_address_is_listened_on_once():
    assert expand_hosts(("::1", "localhost", "::1")) == ("::1", "127.0.0.1")


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("7", 7),
        ("1k", 1024),
        ("1K", 1024),
        ("1kiB", 1024),
        ("1KiB", 1024),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1Kb", 1000),
        ("1kb", 1000),
        ("3m", 3 * 1024**2),
        ("3M", 3 * 1024**2),
        ("3MiB", 3 * 1024**2),
        ("3MIB", 3 * 1024**2),
        ("3mib", 3 * 1024**2),
        ("3MB", 3_000_000),
        ("3mb", 3_000_000),
        ("2G", 2 * 1024**3),
        ("2GiB", 2 * 1024**3),
        ("2GB", 2 * 10**9),
        ("2T", 2 * 1024**4),
        ("2TB", 2 * 10**12),
    ],
)
def test_sizes_have_rabbitmqs_units(text: str, size_bytes: int):
    assert read_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "k", "-1", "1 k", " 1", "1k\n", "1B", "1mB", "1miB", "1Kib", "1kk", "1.0", "0x1", "1_0", "٥"]
)
def test_a_size_in_no_unit_of_rabbitmqs_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a size in bytes"):
        read_size(text)


def test_a_watermark_is_a_size_or_follows_the_memory():
    assert Watermark(size_bytes=7).limit_bytes(100) == 7
    assert Watermark(fraction=0.4).limit_bytes(101) == 40
    assert Watermark(fraction=1.5).limit_bytes(100) == 150
    assert Watermark(size_bytes=0).limit_bytes(100) == Watermark(fraction=0.0).limit_bytes(100) == 0


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"size_bytes": 1, "fraction": 0.5},
        {"size_bytes": -1},
        {"fraction": -0.1},
        {"fraction": float("inf")},
        {"fraction": float("nan")},
    ],
)
def test_a_watermark_that_says_nothing_or_nonsense_is_refused(values: dict[str, float]):
    with pytest.raises(ValueError, match="a watermark is"):
        Watermark(**values)  # type: ignore[arg-type]
