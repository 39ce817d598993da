"""RabbitMQ's keys for TLS, proxies and UNIX sockets."""

from pathlib import Path

import pytest

from amqpd.config.conf_format import Entry, parse
from amqpd.config.keys import read_keys
from amqpd.config.kinds import FileMode, Listeners
from amqpd.config.mistakes import InvalidSetting
from amqpd.config.settings import read_setting, settings_of


def read(text: str) -> dict[str, object]:
    entries = [entry for entry in parse(text.encode(), Path("f")) if isinstance(entry, Entry)]
    values, without_effect, mistakes = read_keys(entries)
    assert (without_effect, mistakes) == ({}, [])
    return values


def mistakes(text: str) -> list[str]:
    entries = [entry for entry in parse(text.encode(), Path("f")) if isinstance(entry, Entry)]
    return read_keys(entries)[2]


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("listeners.ssl = none", "ssl_listeners", Listeners(())),
        ("listeners.ssl.default = 5671", "ssl_listeners", Listeners((("0.0.0.0", 5671), ("::", 5671)))),
        (
            "listeners.ssl.1 = 127.0.0.1:5671\nlisteners.ssl.2 = ::1:5672",
            "ssl_listeners",
            Listeners((("127.0.0.1", 5671), ("::1", 5672))),
        ),
        ("ssl_options.cacertfile = /ca.pem", "ssl_cacertfile", Path("/ca.pem")),
        ("ssl_options.certfile = /c.pem", "ssl_certfile", Path("/c.pem")),
        ("ssl_options.keyfile = /k.pem", "ssl_keyfile", Path("/k.pem")),
        ("ssl_options.password = sesame", "ssl_password", "sesame"),
        ("ssl_options.verify = verify_peer", "ssl_verify", "verify_peer"),
        ("ssl_options.fail_if_no_peer_cert = true", "ssl_fail_if_no_peer_cert", True),
        ("ssl_options.depth = 2", "ssl_depth", 2),
        ("ssl_options.honor_cipher_order = true", "ssl_honor_cipher_order", True),
        (
            "ssl_options.versions.1 = tlsv1.2\nssl_options.versions.2 = tlsv1.1",
            "ssl_versions",
            ("tlsv1.2", "tlsv1.1"),
        ),
        ("ssl_options.ciphers.1 = A\nssl_options.ciphers.2 = B", "ssl_ciphers", ("A", "B")),
        ("ssl_handshake_timeout = 700", "ssl_handshake_timeout_ms", 700),
        ("ssl_cert_login_from = common_name", "ssl_cert_login_from", "common_name"),
        ("ssl_cert_login_san_type = email", "ssl_cert_login_san_type", "email"),
        ("ssl_cert_login_san_index = 1", "ssl_cert_login_san_index", 1),
        ("proxy_protocol = true", "proxy_protocol", True),
        ("amqpd.listeners.unix = /run/amqpd.sock", "unix_socket", Path("/run/amqpd.sock")),
        ("amqpd.listeners.unix.permissions = 0600", "unix_socket_permissions", FileMode(0o600)),
    ],
)
def test_a_key_sets_its_setting(text: str, name: str, value: object):
    assert read(text) == {name: value}
    settings_of(read(text))


@pytest.mark.parametrize(
    "text",
    [
        "listeners.ssl = 5671",
        "listeners.ssl.1 = somewhere",
        "ssl_options.verify = verify_all",
        "ssl_options.depth = 256",
        "ssl_cert_login_from = email",
        "amqpd.listeners.unix.permissions = 0999",
    ],
)
def test_what_a_key_cannot_be_is_a_mistake_with_its_place(text: str):
    [mistake] = mistakes(text)
    assert mistake.startswith(f"f:1: {text.split(' = ')[0]}: ")


def test_permissions_are_octal_and_no_more_than_777():
    assert read_setting("unix_socket_permissions", "600", "x") == 0o600
    assert str(FileMode(0o60)) == "0060"
    for text in ("1777", "rw", "660 "):
        with pytest.raises(InvalidSetting):
            read_setting("unix_socket_permissions", text, "x")
