"""RabbitMQ's keys for where metrics are served, and how."""

from pathlib import Path

import pytest

from amqpd.config.conf_format import Entry, parse
from amqpd.config.keys import read_keys
from amqpd.config.settings import settings_of

HTTPS = {"prometheus_tcp": False}


def read(text: str) -> dict[str, object]:
    entries = [entry for entry in parse(text.encode(), Path("f")) if isinstance(entry, Entry)]
    values, without_effect, mistakes = read_keys(entries)
    assert (without_effect, mistakes) == ({}, [])
    return values


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("amqpd.prometheus = true", "prometheus", True),
        ("prometheus.tcp.port = 15693", "prometheus_port", 15693),
        ("prometheus.tcp.ip = 0.0.0.0", "prometheus_host", ("0.0.0.0",)),
        ("prometheus.path = /numbers", "prometheus_path", "/numbers"),
        ("prometheus.return_per_object_metrics = true", "prometheus_per_object", True),
        ("prometheus.filter_aggregated_queue_metrics_pattern = ^tmp", "prometheus_left_out", "^tmp"),
    ],
)
def test_a_key_sets_its_setting(text: str, name: str, value: object):
    assert read(text) == {name: value}
    settings_of(read(text))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("prometheus.ssl.port = 15691", "prometheus_ssl_port", 15691),
        ("prometheus.ssl.ip = 127.0.0.2", "prometheus_ssl_host", ("127.0.0.2",)),
        ("prometheus.ssl.certfile = /c.pem", "prometheus_ssl_certfile", Path("/c.pem")),
        ("prometheus.ssl.keyfile = /k.pem", "prometheus_ssl_keyfile", Path("/k.pem")),
        ("prometheus.ssl.cacertfile = /ca.pem", "prometheus_ssl_cacertfile", Path("/ca.pem")),
        ("prometheus.ssl.password = sesame", "prometheus_ssl_password", "sesame"),
        ("prometheus.ssl.verify = verify_peer", "prometheus_ssl_verify", "verify_peer"),
        ("prometheus.ssl.fail_if_no_peer_cert = true", "prometheus_ssl_fail_if_no_peer_cert", True),
        ("prometheus.ssl.depth = 2", "prometheus_ssl_depth", 2),
        ("prometheus.ssl.honor_cipher_order = true", "prometheus_ssl_honor_cipher_order", True),
        (
            "prometheus.ssl.versions.1 = tlsv1.2\nprometheus.ssl.versions.2 = tlsv1.1",
            "prometheus_ssl_versions",
            ("tlsv1.2", "tlsv1.1"),
        ),
        ("prometheus.ssl.ciphers.1 = A\nprometheus.ssl.ciphers.2 = B", "prometheus_ssl_ciphers", ("A", "B")),
    ],
)
def test_a_key_for_tls_alone_leaves_nothing_without_it(text: str, name: str, value: object):
    assert read(text) == {name: value, **HTTPS}
    settings_of(read(text))


def test_both_are_served_where_both_are_named():
    both = "prometheus.tcp.port = 15692\nprometheus.ssl.port = 15691"
    assert read(both) == {"prometheus_port": 15692, "prometheus_ssl_port": 15691}
    values = read("prometheus.ssl.port = 15691\namqpd.prometheus.tcp = true")
    assert values == {"prometheus_ssl_port": 15691, "prometheus_tcp": True}
