"""What is told of a connection's encryption, with the names that Erlang has for it."""

from __future__ import annotations

import ssl

import pika
import pytest

from amqpd.config.kinds import Listeners
from amqpd.protocol.connection import Connection
from amqpd.protocol.parameters import Encryption
from amqpd.server.encryption import suite
from amqpd.testing import broker_in_thread
from amqpd.testing.certificates import LOCALHOST, Authority


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("TLS_AES_256_GCM_SHA384", ("any", "aes_256_gcm", "aead")),
        ("TLS_CHACHA20_POLY1305_SHA256", ("any", "chacha20_poly1305", "aead")),
        ("ECDHE-RSA-AES256-GCM-SHA384", ("ecdhe_rsa", "aes_256_gcm", "aead")),
        ("ECDHE-ECDSA-AES128-CCM8", ("ecdhe_ecdsa", "aes_128_ccm_8", "aead")),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", ("ecdhe_ecdsa", "chacha20_poly1305", "aead")),
        ("DHE-RSA-AES256-SHA256", ("dhe_rsa", "aes_256_cbc", "sha256")),
        ("ECDHE-PSK-AES256-CBC-SHA384", ("ecdhe_psk", "aes_256_cbc", "sha384")),
        ("AES128-SHA", ("rsa", "aes_128_cbc", "sha")),
        ("AES256-GCM-SHA384", ("rsa", "aes_256_gcm", "aead")),
    ],
)
def test_a_suite_is_told_as_rabbitmq_tells_it(name: str, expected: tuple[str, str, str]):
    assert suite(name) == expected


def test_every_suite_of_this_machine_is_understood():
    for each in ssl.create_default_context().get_ciphers():
        key_exchange, cipher, mac = suite(each["name"])
        assert all((key_exchange, cipher, mac)), each["name"]


def test_a_client_s_certificate_is_told(authority: Authority):
    server, client = authority.issue("localhost", names=LOCALHOST), authority.issue("anna")
    context = ssl.create_default_context(cafile=str(authority.cacertfile))
    context.load_cert_chain(client.certfile, client.keyfile)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with broker_in_thread(
        ssl_listeners=Listeners((("127.0.0.1", 0),)),
        ssl_certfile=server.certfile,
        ssl_keyfile=server.keyfile,
        ssl_cacertfile=authority.cacertfile,
        ssl_verify="verify_peer",
    ) as running:
        host, port = running.call(lambda it: it.server.tls_addresses[0])
        parameters = pika.ConnectionParameters(host, port, ssl_options=pika.SSLOptions(context, "localhost"))
        connection = pika.BlockingConnection(parameters)
        told = running.call(lambda it: encryption(it.server.broker.connections.all()[0]))
        connection.close()
    assert told.protocol == "tlsv1.2"
    assert (told.key_exchange, told.mac) == ("ecdhe_ecdsa", "aead")
    assert told.cipher in ("aes_256_gcm", "aes_128_gcm", "chacha20_poly1305")
    assert told.subject == "CN=anna"
    assert told.issuer.startswith("CN=")
    begins, ends = told.validity.split(" - ")
    assert begins < ends
    assert ends.endswith("Z")


def encryption(connection: object) -> Encryption:
    """What is told of an open connection."""
    assert isinstance(connection, Connection)
    assert connection.peer.encryption is not None
    return connection.peer.encryption()
