"""TLS as clients meet it: one configuration file, in RabbitMQ's format, for a broker of the test's own.

That is amqpd, or what the shell command in AMQP_TLS_BROKER starts with the file at $RABBITMQ_CONFIG_FILE, such as
a RabbitMQ node with the plugin rabbitmq_auth_mechanism_ssl; it is ended with SIGTERM.
"""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pika
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from amqpd.testing.certificates import DAY, LOCALHOST, Authority, Issued
from interop.broker import free_port

COMMAND = "AMQP_TLS_BROKER"
START_LIMIT_S = 60.0
REPLY_LIMIT_S = 60.0
PROTOCOL_HEADER = b"AMQP\0\0\x09\x01"
USER = "CN=anna,OU=a\\+b\\, c,O=Example"
SUBJECT = x509.Name(
    [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "a+b, c"),
        x509.NameAttribute(NameOID.COMMON_NAME, "anna"),
    ]
)


@dataclass(frozen=True)
class TlsBroker:
    """Where it listens, and the authorities around it."""

    port: int
    authority: Authority
    stranger: Authority

    def context(self, client: Issued | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.cacertfile))
        if client is not None:
            context.load_cert_chain(client.certfile, client.keyfile)
        return context

    def stream(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), REPLY_LIMIT_S)
        return context.wrap_socket(plain, server_hostname="localhost")

    def greeting(self, context: ssl.SSLContext) -> bytes:
        """connection.start, or nothing; raises what becomes of the handshake."""
        with self.stream(context) as stream:
            stream.sendall(PROTOCOL_HEADER)
            return stream.recv(4096)


def assert_refused(error: OSError, alerts: str) -> None:
    """With one of these alerts, or just hung up on, as a RabbitMQ does if it closes before its alert has arrived."""
    hung_up = isinstance(error, (ConnectionError, ssl.SSLEOFError))
    assert hung_up or re.search(alerts, str(error)), error


@pytest.fixture(scope="module")
def tls_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBroker]:
    directory = tmp_path_factory.mktemp("tls")
    authority = Authority(directory)
    server = authority.issue("localhost", names=LOCALHOST)
    port = free_port()
    settings = {
        "listeners.tcp": "none",
        "listeners.ssl.1": f"127.0.0.1:{port}",
        "ssl_options.cacertfile": authority.cacertfile,
        "ssl_options.certfile": server.certfile,
        "ssl_options.keyfile": server.keyfile,
        "ssl_options.verify": "verify_peer",
        "ssl_options.fail_if_no_peer_cert": "true",
        "ssl_options.versions.1": "tlsv1.3",
        "ssl_options.versions.2": "tlsv1.2",
        "ssl_options.depth": "0",
        "default_user": USER,
        "auth_mechanisms.1": "PLAIN",
        "auth_mechanisms.2": "EXTERNAL",
    }
    file = directory / "rabbitmq.conf"
    file.write_text("".join(f"{key} = {value}\n" for key, value in settings.items()))
    with broker_process(file) as process:
        try:
            wait_until_accepting(process, port)
            yield TlsBroker(port, authority, Authority(directory, "stranger"))
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def broker_process(file: Path) -> "subprocess.Popen[bytes]":
    command = os.environ.get(COMMAND)
    own = [sys.executable, "-m", "amqpd", "--config", str(file), "--in-memory"]
    return subprocess.Popen(
        ["/bin/sh", "-c", command] if command else own,
        env={**os.environ, "RABBITMQ_CONFIG_FILE": str(file)},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def wait_until_accepting(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the broker did not start")


def test_a_good_certificate_logs_in_by_its_distinguished_name(tls_broker: TlsBroker) -> None:
    client = tls_broker.authority.issue(SUBJECT, file="anna")
    options = pika.SSLOptions(tls_broker.context(client), "localhost")
    parameters = pika.ConnectionParameters(
        "127.0.0.1", tls_broker.port, ssl_options=options, credentials=pika.credentials.ExternalCredentials()
    )
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.basic_publish("", queue, b"x" * 300_000)
    assert next(channel.consume(queue, auto_ack=True))[2] == b"x" * 300_000
    connection.close()


def test_a_certificate_that_names_nobody_is_refused_at_login(tls_broker: TlsBroker) -> None:
    client = tls_broker.authority.issue("somebody")
    options = pika.SSLOptions(tls_broker.context(client), "localhost")
    parameters = pika.ConnectionParameters(
        "127.0.0.1", tls_broker.port, ssl_options=options, credentials=pika.credentials.ExternalCredentials()
    )
    with pytest.raises(pika.exceptions.ProbableAuthenticationError, match="mechanism EXTERNAL"):
        pika.BlockingConnection(parameters)


def test_an_expired_certificate_is_refused_with_an_alert(tls_broker: TlsBroker) -> None:
    client = tls_broker.authority.issue("late", valid=-DAY)
    with pytest.raises(OSError) as raised:
        tls_broker.greeting(tls_broker.context(client))
    assert_refused(raised.value, "CERTIFICATE_EXPIRED")


def test_a_certificate_of_another_authority_is_refused_with_an_alert(tls_broker: TlsBroker) -> None:
    client = tls_broker.stranger.issue("mallory")
    with pytest.raises(OSError) as raised:
        tls_broker.greeting(tls_broker.context(client))
    assert_refused(raised.value, "UNKNOWN_CA")


def test_a_missing_certificate_is_refused_with_an_alert(tls_broker: TlsBroker) -> None:
    with pytest.raises(OSError) as raised:
        tls_broker.greeting(tls_broker.context())
    assert_refused(raised.value, "CERTIFICATE_REQUIRED")


def test_a_certificate_for_servers_is_refused(tls_broker: TlsBroker) -> None:
    client = tls_broker.authority.issue("server", for_servers_only=True)
    with pytest.raises(OSError) as raised:
        tls_broker.greeting(tls_broker.context(client))
    assert_refused(raised.value, "UNSUPPORTED_CERTIFICATE|HANDSHAKE_FAILURE")


def test_a_chain_that_is_too_long_is_refused(tls_broker: TlsBroker, tmp_path: Path) -> None:
    client = Authority(tmp_path, "intermediate", tls_broker.authority).issue("deep")
    try:
        assert tls_broker.greeting(tls_broker.context(client)) == b""
    except OSError:
        return


def test_an_older_version_of_tls_is_spoken_too(tls_broker: TlsBroker) -> None:
    context = tls_broker.context(tls_broker.authority.issue(SUBJECT, file="anna"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert b"EXTERNAL" in tls_broker.greeting(context)


def test_plain_amqp_on_the_port_for_tls_is_hung_up(tls_broker: TlsBroker) -> None:
    with socket.create_connection(("127.0.0.1", tls_broker.port), REPLY_LIMIT_S) as plain:
        plain.sendall(PROTOCOL_HEADER)
        try:
            assert b"AMQP" not in plain.recv(4096)
            assert plain.recv(4096) == b""
        except ConnectionResetError:
            return
