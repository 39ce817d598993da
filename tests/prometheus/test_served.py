"""The metrics as a program finds them: on a port of their own, beside AMQP, over TLS, and in lists of what listens."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from amqpd.app import StartError
from amqpd.testing import broker_in_thread
from amqpd.testing.certificates import LOCALHOST, Authority

PATIENCE_S = 60


def read(url: str, context: ssl.SSLContext | None = None, **headers: str) -> bytes:
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S, context=context) as answer:
        body: bytes = answer.read()
        return body


def names_at(url: str, context: ssl.SSLContext | None = None) -> set[str]:
    return {family.name for family in text_string_to_metric_families(read(url, context).decode())}


def api(port: int, path: str) -> Any:
    credentials = base64.b64encode(b"guest:guest").decode()
    return json.loads(read(f"http://127.0.0.1:{port}/api{path}", Authorization=f"Basic {credentials}"))


def test_metrics_are_served_to_anybody():
    with broker_in_thread(prometheus=True, prometheus_port=0) as broker:
        assert "rabbitmq_queue_messages_ready" in names_at(
            f"http://127.0.0.1:{broker.prometheus_port}/metrics"
        )


def test_the_path_and_what_is_there_are_settings():
    options = {"prometheus_port": 0, "prometheus_path": "/numbers", "prometheus_per_object": True}
    with broker_in_thread(prometheus=True, **options) as broker:
        url = f"http://127.0.0.1:{broker.prometheus_port}/numbers"
        assert b"\nrabbitmq_queue_messages_ready 0.0\n" not in read(url)
        assert "rabbitmq_queues" in names_at(url)


def test_metrics_are_served_over_tls(authority: Authority):
    server = authority.issue("server", names=LOCALHOST)
    context = ssl.create_default_context(cafile=str(authority.cacertfile))
    options: dict[str, Any] = {
        "prometheus_tcp": False,
        "prometheus_ssl_port": 0,
        "prometheus_ssl_certfile": server.certfile,
        "prometheus_ssl_keyfile": server.keyfile,
    }
    with broker_in_thread(prometheus=True, **options) as broker:
        assert broker.prometheus_port == 0
        url = f"https://localhost:{broker.prometheus_ssl_port}/metrics"
        assert "rabbitmq_queues" in names_at(url, context)


def test_a_certificate_that_can_not_be_read_is_no_start(tmp_path: Path):
    with (
        pytest.raises(StartError, match=r"prometheus\.ssl"),
        broker_in_thread(prometheus=True, prometheus_port=0, prometheus_ssl_certfile=tmp_path / "missing"),
    ):
        raise AssertionError


def test_a_pattern_that_is_none_is_no_start():
    with (
        pytest.raises(
            StartError, match=r"prometheus\.filter_aggregated_queue_metrics_pattern: invalid pattern"
        ),
        broker_in_thread(prometheus=True, prometheus_port=0, prometheus_left_out="("),
    ):
        raise AssertionError


def test_a_port_that_is_taken_is_no_start():
    with (
        broker_in_thread() as other,
        pytest.raises(StartError, match=f"port {other.port}"),
        broker_in_thread(prometheus=True, prometheus_host=("127.0.0.1",), prometheus_port=other.port),
    ):
        raise AssertionError


def test_the_api_knows_where_metrics_are():
    with broker_in_thread(prometheus=True, prometheus_port=0, management=True, management_port=0) as broker:
        overview = api(broker.management_port, "/overview")
        told = {(each["protocol"], each["port"]) for each in overview["listeners"]}
        assert ("http/prometheus", broker.prometheus_port) in told
        contexts = {(each["description"], each["port"]) for each in overview["contexts"]}
        assert ("RabbitMQ Prometheus", str(broker.prometheus_port)) in contexts
        checks = "/health/checks"
        assert (
            api(broker.management_port, f"{checks}/port-listener/{broker.prometheus_port}")["status"] == "ok"
        )
        assert api(broker.management_port, f"{checks}/protocol-listener/http%2Fprometheus")["status"] == "ok"
        [node] = api(broker.management_port, "/nodes")
        assert node["enabled_plugins"] == ["rabbitmq_management", "rabbitmq_prometheus"]


def test_the_api_counts_logins_for_prometheus():
    with broker_in_thread(prometheus=True, prometheus_port=0, management=True, management_port=0) as broker:
        api(broker.management_port, "/whoami")
        with pytest.raises(urllib.error.HTTPError):
            read(f"http://127.0.0.1:{broker.management_port}/api/whoami", Authorization="Basic Z3Vlc3Q6eA==")
        text = read(f"http://127.0.0.1:{broker.prometheus_port}/metrics").decode()
        assert 'rabbitmq_auth_attempts_total{protocol="http"} 2.0' in text
        assert 'rabbitmq_auth_attempts_failed_total{protocol="http"} 1.0' in text


def test_without_it_nothing_of_it_is_imported():
    program = (
        "import sys; from amqpd.testing import broker_in_thread\n"
        "with broker_in_thread(management=True, management_port=0): pass\n"
        "print([name for name in sys.modules if 'prometheus' in name])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
