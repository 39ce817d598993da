"""RabbitMQ's keys for TLS of what is served over HTTP: the management API and the metrics."""

from pathlib import Path

import pytest

from amqpd.config.conf_format import Entry, parse
from amqpd.config.keys import read_keys
from amqpd.config.settings import settings_of

SERVICES = ("management", "prometheus")


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("lines", "name", "value"),
    [
        (["port = 15671"], "port", 15671),
        (["ip = 127.0.0.2"], "host", ("127.0.0.2",)),
        (["certfile = /c.pem"], "certfile", Path("/c.pem")),
        (["keyfile = /k.pem"], "keyfile", Path("/k.pem")),
        (["cacertfile = /ca.pem"], "cacertfile", Path("/ca.pem")),
        (["password = sesame"], "password", "sesame"),
        (["verify = verify_peer"], "verify", "verify_peer"),
        (["fail_if_no_peer_cert = true"], "fail_if_no_peer_cert", True),
        (["depth = 2"], "depth", 2),
        (["honor_cipher_order = true"], "honor_cipher_order", True),
        (["versions.1 = tlsv1.2", "versions.2 = tlsv1.1"], "versions", ("tlsv1.2", "tlsv1.1")),
        (["ciphers.1 = A", "ciphers.2 = B"], "ciphers", ("A", "B")),
    ],
)
def test_a_key_for_tls_alone_leaves_nothing_without_it(
    service: str, lines: list[str], name: str, value: object
):
    text = "\n".join(f"{service}.ssl.{line}" for line in lines)
    entries = [entry for entry in parse(text.encode(), Path("f")) if isinstance(entry, Entry)]
    values, without_effect, mistakes = read_keys(entries)
    assert (without_effect, mistakes) == ({}, [])
    assert values == {f"{service}_ssl_{name}": value, f"{service}_tcp": False}
    settings_of(values)
