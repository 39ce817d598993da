"""AMQP over TLS: who gets in, whom a certificate names, and what the log says of the others."""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pika
import pika.exceptions
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from pamqp import commands

from amqpd.app import StartError
from amqpd.auth.users import User, default_users
from amqpd.config.kinds import Listeners
from amqpd.server.tls import TlsError
from amqpd.testing import BrokerInThread, broker_in_thread
from amqpd.testing.certificates import DAY, LOCALHOST, Authority, Issued
from amqpd.testing.peer import PROTOCOL_HEADER

PATIENCE_S = 60.0
MORE_THAN_BUFFERS_HOLD = 50_000_000
ANYWHERE = Listeners((("127.0.0.1", 0),))


class Certificates:
    """An authority that the broker trusts, one that it does not, and the broker's own certificate."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = Authority(directory)
        self.stranger = Authority(directory, "stranger")
        self.server = self.authority.issue("localhost", names=LOCALHOST)

    def settings(self, **more: Any) -> dict[str, Any]:
        """What the broker is started with."""
        return {
            "ssl_certfile": self.server.certfile,
            "ssl_keyfile": self.server.keyfile,
            "ssl_cacertfile": self.authority.cacertfile,
            **more,
        }

    def context(self, client: Issued | None = None) -> ssl.SSLContext:
        """A client's."""
        context = ssl.create_default_context(cafile=str(self.authority.cacertfile))
        if client is not None:
            context.load_cert_chain(client.certfile, client.keyfile)
        return context


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


class TlsBroker:
    """A broker that also listens for TLS, on another port."""

    def __init__(self, running: BrokerInThread) -> None:
        self.running = running
        self.connections: list[pika.BlockingConnection] = []
        self.host, self.port = running.call(lambda it: it.server.tls_addresses[0])

    def parameters(self, context: ssl.SSLContext, **more: Any) -> pika.ConnectionParameters:
        more.setdefault("credentials", pika.PlainCredentials("guest", "guest"))
        return pika.ConnectionParameters(
            self.host,
            self.port,
            ssl_options=pika.SSLOptions(context, "localhost"),
            socket_timeout=PATIENCE_S,
            **more,
        )

    def connect(self, context: ssl.SSLContext, **more: Any) -> pika.BlockingConnection:
        self.connections.append(pika.BlockingConnection(self.parameters(context, **more)))
        return self.connections[-1]

    def disconnect(self) -> None:
        for connection in self.connections:
            if connection.is_open:
                connection.close()

    def stream(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A bare connection, through the handshake."""
        plain = socket.create_connection((self.host, self.port), PATIENCE_S)
        return context.wrap_socket(plain, server_hostname="localhost")


Start = Callable[..., TlsBroker]


@pytest.fixture
def start(event_loop_name: str, events: Any, certificates: Certificates) -> Iterator[Start]:
    """Start brokers that are gone at the end of the test."""
    with contextlib.ExitStack() as stack:

        def start(**settings: Any) -> TlsBroker:
            users = settings.pop("users", None)
            settings = certificates.settings(ssl_listeners=ANYWHERE) | settings
            running = broker_in_thread(event_loop=event_loop_name, events=events, users=users, **settings)
            broker = TlsBroker(stack.enter_context(running))
            stack.callback(broker.disconnect)
            return broker

        yield start


@pytest.fixture(autouse=True)
def silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever clients do, the event loop has nothing to complain of."""
    yield
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


def users_named(*names: str) -> Any:
    users = default_users()
    for name in names:
        users.add(User(name, ""))
        users.set_permissions(name, "/", ".*", ".*", ".*")
    return users


def refusal(events: Any) -> str:
    """Why the log says that a handshake failed; the peer is there too."""
    fields = events.wait_for("TLS handshake failed")
    assert fields["peer"].startswith("127.0.0.1:")
    return str(fields["reason"])


def answer_of(stream: ssl.SSLSocket) -> bytes:
    """What the broker answers to a protocol header; raises what becomes of the connection otherwise."""
    stream.sendall(PROTOCOL_HEADER)
    return stream.recv(4096)


# With a good certificate, or none


def test_pika_publishes_and_consumes_messages_of_all_sizes(start: Start, certificates: Certificates):
    connection = start().connect(certificates.context())
    channel = connection.channel()
    channel.confirm_delivery()
    channel.queue_declare("q")
    bodies = [b"", b"small", os.urandom(1_000_000), *(b"%d" % number for number in range(200))]
    for body in bodies:
        channel.basic_publish("", "q", body, mandatory=True)
    received = []
    for _method, _properties, body in channel.consume("q", auto_ack=True, inactivity_timeout=PATIENCE_S):
        received.append(body)
        if len(received) == len(bodies):
            break
    connection.close()
    assert received == bodies


def test_aio_pika_publishes_and_consumes(start: Start, certificates: Certificates):
    broker = start()

    async def exchange_messages() -> list[bytes]:
        connection = await aio_pika.connect_robust(
            f"amqps://guest:guest@localhost:{broker.port}/", ssl=True, ssl_context=certificates.context()
        )
        async with connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("q", exclusive=True)
            for number in range(50):
                message = aio_pika.Message(b"%d" % number)
                await channel.default_exchange.publish(message, routing_key="q")
            return [(await queue.get(no_ack=True)).body for _ in range(50)]

    assert asyncio.run(exchange_messages()) == [b"%d" % number for number in range(50)]


def test_a_large_backlog_reaches_a_consumer_that_reads_slowly_in_order(
    start: Start, certificates: Certificates
):
    broker = start(output_max_bytes=262_144)
    channel = broker.connect(certificates.context()).channel()
    channel.queue_declare("q")
    for number in range(300):
        channel.basic_publish("", "q", number.to_bytes(4, "big") * 5_000)
    consumer = broker.connect(certificates.context())
    reading = consumer.channel()
    received: list[int] = []
    reading.basic_consume("q", lambda *it: received.append(int.from_bytes(it[3][:4], "big")), auto_ack=True)
    buffered = broker.running.call(
        lambda it: max(session.connection.unwritten_bytes for session in it.server.sessions)
    )
    assert buffered < 1_000_000
    deadline_s = time.monotonic() + PATIENCE_S
    while len(received) < 300 and time.monotonic() < deadline_s:
        consumer.process_data_events(0.5)
    assert received == list(range(300))


def test_an_alarm_holds_a_publisher_back_and_what_it_sent_is_not_read(
    start: Start, certificates: Certificates, dial: Any, publish: Any
):
    broker = start()
    client = over_tls(dial(broker.running), broker.stream(certificates.context()))
    client.open().call(1, commands.Queue.Declare(queue="q"), commands.Queue.DeclareOk)
    broker.running.call(lambda it: it.server.broker.alarms.raise_alarm("memory"))
    message, sent = publish("q", b"x" * 10_000), 0
    client.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        while sent < MORE_THAN_BUFFERS_HOLD:
            sent += client.socket.send(message[sent % len(message) :])
    read = broker.running.call(lambda it: max(each.connection.received_bytes for each in it.server.sessions))
    assert read < 1_000_000
    broker.running.call(lambda it: it.server.broker.alarms.clear_alarm("memory"))
    client.socket.settimeout(PATIENCE_S)
    client.socket.sendall(message[sent % len(message) :])
    expected = sent // len(message) + 1
    client.call(1, commands.Basic.Consume(queue="q", no_ack=True), commands.Basic.ConsumeOk)
    assert client.deliveries(expected) == [b"x" * 10_000] * expected


def over_tls(client: Any, stream: ssl.SSLSocket) -> Any:
    """The same kind of client, on this stream."""
    encrypted = object.__new__(type(client))
    encrypted.socket = stream
    encrypted._stream = stream.makefile("rb")
    return encrypted


def test_without_verification_nobody_is_asked_for_a_certificate_and_external_is_not_offered(
    start: Start, certificates: Certificates
):
    client = certificates.authority.issue("anna")
    with start().stream(certificates.context(client)) as stream:
        answer = answer_of(stream)
    assert b"AMQPLAIN PLAIN" in answer
    assert b"EXTERNAL" not in answer


def test_external_is_offered_to_a_verified_certificate_alone(start: Start, certificates: Certificates):
    broker = start(ssl_verify="verify_peer")
    with broker.stream(certificates.context()) as stream:
        assert b"EXTERNAL" not in answer_of(stream)
    with broker.stream(certificates.context(certificates.authority.issue("anna"))) as stream:
        assert b"AMQPLAIN PLAIN EXTERNAL" in answer_of(stream)
    with socket.create_connection((broker.running.host, broker.running.port)) as plain:
        plain.sendall(PROTOCOL_HEADER)
        assert b"EXTERNAL" not in plain.recv(4096)


@pytest.mark.parametrize(
    ("settings", "user"),
    [
        ({}, "CN=anna,O=Äpfel\\, Inc"),
        ({"ssl_cert_login_from": "common_name"}, "anna"),
        ({"ssl_cert_login_from": "subject_alternative_name"}, "first.example"),
        ({"ssl_cert_login_from": "subject_alt_name", "ssl_cert_login_san_index": 1}, "second.example"),
        (
            {"ssl_cert_login_from": "subject_alternative_name", "ssl_cert_login_san_type": "email"},
            "anna@example",
        ),
    ],
)
def test_external_logs_in_whom_the_certificate_names(
    start: Start, certificates: Certificates, settings: dict[str, Any], user: str
):
    user = user.replace("Ä", "\\C3\\84")
    broker = start(ssl_verify="verify_peer", users=users_named(user), **settings)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Äpfel, Inc"),
            x509.NameAttribute(NameOID.COMMON_NAME, "anna"),
        ]
    )
    names = [x509.DNSName("first.example"), x509.RFC822Name("anna@example"), x509.DNSName("second.example")]
    client = certificates.authority.issue(name, file="anna-of-apples", names=names)
    external = pika.credentials.ExternalCredentials()
    connection = broker.connect(certificates.context(client), credentials=external)
    logged_in = broker.running.call(
        lambda it: [session.connection.user.name for session in it.server.sessions]  # type: ignore[union-attr]
    )
    connection.close()
    assert logged_in == [user]


def test_external_refuses_a_certificate_that_names_an_unknown_user_or_none(
    start: Start, certificates: Certificates, events: Any
):
    broker = start(ssl_verify="verify_peer", ssl_cert_login_from="subject_alternative_name")
    client = certificates.authority.issue("no-alternative-name")
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        broker.connect(certificates.context(client), credentials=pika.credentials.ExternalCredentials())
    reason = events.wait_for("login refused")["reason"]
    assert reason == "connection peer presented no TLS certificate that names a user"


def test_a_chain_through_an_intermediate_authority_is_good_up_to_the_depth(
    start: Start, certificates: Certificates, events: Any
):
    intermediate = Authority(certificates.directory, "intermediate", certificates.authority)
    client = intermediate.issue("deep")
    with start(ssl_verify="verify_peer", ssl_depth=1).stream(certificates.context(client)) as stream:
        assert answer_of(stream)
    broker = start(ssl_verify="verify_peer", ssl_depth=0)
    with pytest.raises((OSError, AssertionError)), broker.stream(certificates.context(client)) as stream:
        assert answer_of(stream)
    assert refusal(events) == "certificate verify failed: certificate chain too long"


# What fails


@pytest.mark.parametrize(
    ("make", "reason", "alert"),
    [
        (
            lambda it: it.authority.issue("late", valid=-DAY),
            "certificate verify failed: certificate has expired",
            "CERTIFICATE_EXPIRED",
        ),
        (
            lambda it: it.stranger.issue("mallory"),
            "certificate verify failed: unable to get local issuer certificate",
            "UNKNOWN_CA",
        ),
        (
            lambda it: it.authority.issue("server", for_servers_only=True),
            "certificate verify failed: unsuitable certificate purpose",
            "UNSUPPORTED_CERTIFICATE",
        ),
        (lambda it: None, "peer did not return a certificate", "CERTIFICATE_REQUIRED"),
    ],
    ids=["expired", "wrong authority", "for servers only", "missing"],
)
def test_a_bad_certificate_is_a_line_in_the_log_and_an_alert_to_the_client(
    start: Start,
    certificates: Certificates,
    events: Any,
    make: Callable[[Certificates], Issued | None],
    reason: str,
    alert: str,
):
    broker = start(ssl_verify="verify_peer", ssl_fail_if_no_peer_cert=True)
    with (
        pytest.raises(ssl.SSLError, match=alert),
        broker.stream(certificates.context(make(certificates))) as stream,
    ):
        answer_of(stream)
    assert refusal(events) == reason
    assert "internal error" not in events.sentences()


def test_a_bad_certificate_is_refused_though_none_would_do(
    start: Start, certificates: Certificates, events: Any
):
    broker = start(ssl_verify="verify_peer")
    client = certificates.stranger.issue("mallory")
    with pytest.raises(ssl.SSLError), broker.stream(certificates.context(client)) as stream:
        answer_of(stream)
    assert refusal(events).startswith("certificate verify failed")


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (PROTOCOL_HEADER, "what the client speaks is not TLS"),
        (b"GET / HTTP/1.1\r\n\r\n", "the client speaks HTTP, not TLS"),
    ],
)
def test_something_else_than_tls_is_a_line_in_the_log(
    start: Start, dial: Any, events: Any, sent: bytes, reason: str
):
    client = dial(start())
    client.socket.sendall(sent)
    client.receive_all()
    assert refusal(events) == reason


def test_a_client_that_hangs_up_in_the_handshake_is_a_line_in_the_log(start: Start, dial: Any, events: Any):
    client = dial(start())
    client.socket.sendall(b"\x16\x03\x01")
    client.close()
    assert refusal(events) == "the client closed the connection"


def test_a_client_that_connects_and_says_nothing_is_nothing_for_the_log(start: Start, dial: Any, events: Any):
    dial(start()).close()
    events.wait_for("client closed before it said anything")
    assert [level for level, _sentence, _fields in events.told if level != "debug"] == []


def test_a_client_that_starts_nothing_has_as_much_time_as_for_the_handshake(
    start: Start, dial: Any, events: Any
):
    client = dial(start(ssl_handshake_timeout_ms=300))
    assert client.at_end()
    assert refusal(events) == "the handshake took too long"


def test_a_client_without_a_common_version_is_a_line_in_the_log(
    start: Start, certificates: Certificates, events: Any
):
    context = certificates.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    broker = start(ssl_versions=("tlsv1.3",))
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        broker.stream(context)
    assert refusal(events) == "unsupported protocol"


def test_a_client_that_does_not_trust_us_is_a_line_in_the_log(
    start: Start, certificates: Certificates, events: Any
):
    context = ssl.create_default_context(cafile=str(certificates.stranger.cacertfile))
    with pytest.raises(ssl.SSLCertVerificationError):
        start().stream(context)
    assert "unknown ca" in refusal(events)


def test_a_handshake_that_takes_too_long_ends(start: Start, dial: Any, events: Any):
    client = dial(start(ssl_handshake_timeout_ms=300))
    client.socket.sendall(b"\x16\x03\x01")
    assert client.at_end()
    assert refusal(events) == "the handshake took too long"


def test_handshakes_that_get_nowhere_hold_nobody_up(start: Start, certificates: Certificates, dial: Any):
    broker = start(ssl_handshake_timeout_ms=3_600_000)
    for _ in range(20):
        dial(broker).socket.sendall(b"\x16\x03\x01")
    with broker.stream(certificates.context()) as other:
        assert answer_of(other)


def test_only_the_chosen_cipher_suites_are_spoken(start: Start, certificates: Certificates):
    suite = "ECDHE-ECDSA-AES256-GCM-SHA384"
    with start(ssl_ciphers=(suite,)).stream(certificates.context()) as stream:
        assert stream.version() == "TLSv1.2"
        cipher = stream.cipher()
    assert cipher is not None and cipher[0] == suite


def test_the_end_of_the_broker_hangs_up_on_open_handshakes(
    event_loop_name: str, certificates: Certificates, dial: Any
):
    settings = certificates.settings(ssl_listeners=ANYWHERE, ssl_handshake_timeout_ms=3_600_000)
    with broker_in_thread(event_loop=event_loop_name, **settings) as running:
        client = dial(TlsBroker(running))
        client.socket.sendall(b"\x16\x03\x01")
    assert client.at_end()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ssl_certfile": None}, "ssl_options.certfile: a TLS listener needs a certificate"),
        (
            {"ssl_certfile": Path("/nowhere.pem")},
            "ssl_options.certfile: /nowhere.pem: No such file or directory",
        ),
        (
            {"ssl_keyfile": Path("/nowhere.key")},
            "ssl_options.keyfile: /nowhere.key: No such file or directory",
        ),
        ({"ssl_cacertfile": Path("/dev/null")}, "ssl_options.cacertfile: /dev/null: "),
        (
            {"ssl_cacertfile": None, "ssl_verify": "verify_peer"},
            "ssl_options.cacertfile: verify_peer needs the certificates of authorities",
        ),
        (
            {"ssl_fail_if_no_peer_cert": True},
            "ssl_options.fail_if_no_peer_cert: needs ssl_options.verify = verify_peer",
        ),
        ({"ssl_versions": ("tlsv1.4",)}, "ssl_options.versions: 'tlsv1.4' is none of "),
        ({"ssl_ciphers": ("NONSENSE",)}, "ssl_options.ciphers: OpenSSL knows no cipher suite 'NONSENSE'"),
    ],
)
def test_what_cannot_be_is_an_error_at_the_start_that_names_the_setting(
    start: Start, settings: dict[str, Any], message: str
):
    with pytest.raises(StartError) as raised:
        start(**settings)
    assert str(raised.value).startswith(message)


def test_a_key_may_have_a_password(start: Start, certificates: Certificates):
    server = certificates.authority.issue("localhost", file="locked", names=LOCALHOST, password="sesame")
    files = {"ssl_certfile": server.certfile, "ssl_keyfile": server.keyfile}
    with start(ssl_password="sesame", **files).stream(certificates.context()) as stream:
        assert answer_of(stream)
    for password, why in (("wrong", "is not that of"), (None, "is needed for")):
        with pytest.raises(StartError, match=f"^ssl_options.password: {why} the key in .*locked.key$"):
            start(ssl_password=password, **files)


def test_what_is_wrong_with_certificate_and_key_is_told(start: Start, certificates: Certificates):
    server = certificates.server
    another = certificates.authority.issue("localhost", file="another")
    for certfile, keyfile, message in (
        (server.keyfile, None, "ssl_options.certfile: {0}: there is no certificate in it (PEM)"),
        (server.certfile, None, "ssl_options.certfile: {0}: there is no private key in it (PEM)"),
        (server.certfile, server.certfile, "ssl_options.keyfile: {1}: there is no private key in it (PEM)"),
        (
            server.certfile,
            another.keyfile,
            "ssl_options.certfile: {0} with the key {1}: the key is that of another certificate",
        ),
    ):
        with pytest.raises(StartError) as raised:
            start(ssl_certfile=certfile, ssl_keyfile=keyfile)
        assert str(raised.value) == message.format(certfile, keyfile)


# New certificates


def test_new_certificates_are_for_new_connections_and_old_ones_go_on(
    start: Start, certificates: Certificates, events: Any
):
    server = certificates.authority.issue("localhost", file="renewed", names=LOCALHOST)
    broker = start(ssl_certfile=server.certfile, ssl_keyfile=server.keyfile)
    before = broker.connect(certificates.context())
    renewed = certificates.authority.issue("localhost", file="renewed", names=LOCALHOST)
    broker.running.call(lambda it: [change() for change in it.server.prepare_certificates()])
    with broker.stream(certificates.context()) as stream:
        assert stream.getpeercert(binary_form=True) == renewed.der()
    assert before.channel().is_open
    assert "certificates reloaded" in events.sentences()


def test_bad_new_certificates_change_nothing(start: Start, certificates: Certificates):
    server = certificates.authority.issue("localhost", file="spoiled", names=LOCALHOST)
    broker = start(ssl_certfile=server.certfile, ssl_keyfile=server.keyfile)
    server.certfile.write_text("nonsense")
    with pytest.raises(TlsError, match=r"^ssl_options.certfile: .*spoiled.pem"):
        broker.running.call(lambda it: it.server.prepare_certificates())
    with broker.stream(certificates.context()) as stream:
        assert stream.getpeercert(binary_form=True) == server.der()


def configure(file: Path, server: Issued) -> None:
    """Let a broker listen with this certificate, and for TLS alone."""
    file.write_text(
        "listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:0\n"
        f"ssl_options.certfile = {server.certfile}\nssl_options.keyfile = {server.keyfile}\n"
    )


@contextmanager
def started(file: Path) -> Iterator[tuple[subprocess.Popen[str], int, Iterator[str]]]:
    """The program with this configuration, its port, and the lines that it logs."""
    command = [sys.executable, "-m", "amqpd", "--config", str(file), "--in-memory"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        lines = iter(program.stderr.readline, "")
        line = next(line for line in lines if "amqpd started" in line)
        yield program, int(line.split('listening_tls="127.0.0.1:')[1].split('"')[0]), lines


def test_sighup_reads_certificates_again(certificates: Certificates, tmp_path: Path):
    server = certificates.authority.issue("localhost", file="signalled", names=LOCALHOST)
    file = tmp_path / "rabbitmq.conf"
    configure(file, server)
    with started(file) as (program, port, lines):
        renewed = certificates.authority.issue("localhost", file="signalled", names=LOCALHOST)
        program.send_signal(signal.SIGHUP)
        assert any("certificates reloaded" in line for line in lines)
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain,
            certificates.context().wrap_socket(plain, server_hostname="localhost") as stream,
        ):
            assert stream.getpeercert(binary_form=True) == renewed.der()
        program.terminate()
        assert program.wait(PATIENCE_S) == 0


def test_sighup_takes_certificates_from_other_files_if_the_configuration_names_others(
    certificates: Certificates, tmp_path: Path
):
    file = tmp_path / "rabbitmq.conf"
    configure(file, certificates.authority.issue("localhost", file="before", names=LOCALHOST))
    with started(file) as (program, port, lines):
        after = certificates.authority.issue("localhost", file="after", names=LOCALHOST)
        configure(file, after)
        program.send_signal(signal.SIGHUP)
        reloaded = next(line for line in lines if "configuration reloaded" in line)
        assert 'changed="ssl_options.certfile, ssl_options.keyfile"' in reloaded
        with (
            socket.create_connection(("127.0.0.1", port), PATIENCE_S) as plain,
            certificates.context().wrap_socket(plain, server_hostname="localhost") as stream,
        ):
            assert stream.getpeercert(binary_form=True) == after.der()
        program.terminate()
        assert program.wait(PATIENCE_S) == 0
