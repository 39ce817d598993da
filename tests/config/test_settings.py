from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from amqpd.config.settings import SETTINGS, InvalidSetting, Settings, expand_hosts, read_setting


def test_the_defaults_are_rabbitmqs_on_loopback():
    settings = Settings()
    assert settings.host == ("127.0.0.1", "::1")
    assert (settings.port, settings.heartbeat_s, settings.frame_max_bytes) == (5672, 60, 131072)
    assert (settings.channel_max, settings.handshake_timeout_s) == (2047, 10)
    assert settings.max_message_size_bytes == 128 * 1024 * 1024
    assert (settings.product, settings.product_version) == ("RabbitMQ", "3.10.8")
    assert settings.loopback_users == ("guest",)
    assert settings.data_dir is None


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


def test_the_data_directory_is_honest_about_memory():
    assert "keeps everything in memory" in SETTINGS["data_dir"].metadata["description"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"port": 65536}, "port: '65536' is not between 0 and 65535"),
        ({"port": -1}, "port: '-1' is not between 0 and 65535"),
        ({"port": "5672"}, "port: '5672' is not a whole number"),
        ({"port": True}, "port: 'True' is not a whole number"),
        ({"frame_max_bytes": 4095}, "frame_max_bytes: '4095' is not between 4096 and 2147483647"),
        ({"log_level": "loud"}, "log_level: 'loud' is none of debug, info, warning, error"),
        ({"event_loop": "trio"}, "event_loop: 'trio' is none of auto, uvloop, asyncio"),
        ({"product": ""}, "product: '' is empty"),
        ({"host": ()}, "host: '()' names no address"),
        ({"handshake_timeout_s": 0}, "handshake_timeout_s: '0' is not between 1 and 86400"),
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
    ],
)
def test_unreadable_text_is_refused_by_option_and_text(name: str, text: str, message: str):
    with pytest.raises(InvalidSetting) as refused:
        read_setting(name, text, "--x")
    assert str(refused.value) == message


def test_an_address_is_listened_on_once():
    assert expand_hosts(("::1", "localhost", "::1")) == ("::1", "127.0.0.1")
