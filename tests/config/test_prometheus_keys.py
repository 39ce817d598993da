"""RabbitMQ's keys for where metrics are served, and how."""

from pathlib import Path

import pytest

from amqpd.config.conf_format import Entry, parse
from amqpd.config.keys import read_keys
from amqpd.config.settings import settings_of


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


def test_both_are_served_where_both_are_named():
    both = "prometheus.tcp.port = 15692\nprometheus.ssl.port = 15691"
    assert read(both) == {"prometheus_port": 15692, "prometheus_ssl_port": 15691}
    values = read("prometheus.ssl.port = 15691\namqpd.prometheus.tcp = true")
    assert values == {"prometheus_ssl_port": 15691, "prometheus_tcp": True}
