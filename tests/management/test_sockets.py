"""The API on real sockets, beside a broker that serves AMQP."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from amqpd.app import StartError
from amqpd.config.kinds import Listeners
from amqpd.testing import RecordedEvents
from amqpd.testing.certificates import DAY, LOCALHOST, Authority, Issued
from amqpd.testing.running import BrokerInThread, broker_in_thread

AUTHORIZATION = {"authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}


@pytest.fixture
def broker() -> Iterator[BrokerInThread]:
    with broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=0) as broker:
        yield broker


class Client:
    """One connection to the API, with guest's password unless told."""

    def __init__(self, broker: BrokerInThread, headers: dict[str, str] | None = None) -> None:
        self._headers = AUTHORIZATION if headers is None else headers
        self._connection = self._connect(broker)

    def _connect(self, broker: BrokerInThread) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(broker.host, broker.management_port, timeout=60)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Status and JSON of an answer."""
        self._connection.request(
            method, "/api" + path, None if body is None else json.dumps(body), self._headers
        )
        answer = self._connection.getresponse()
        content = answer.read()
        return answer.status, json.loads(content) if content else None


@pytest.fixture
def client(broker: BrokerInThread) -> Client:
    return Client(broker)


def test_what_is_made_over_http_is_there_over_amqp(broker: BrokerInThread, client: Client):
    assert client.call("PUT", "/queues/%2F/q", {}) == (201, None)
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.basic_publish("", "q", b"hello")
        channel.queue_declare("q", passive=True)
        assert client.call("GET", "/queues/%2F/q?columns=messages") == (200, {"messages": 1})
        assert client.call("GET", "/connections")[1][0]["client_properties"]["product"].startswith("Pika")
    get = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    assert client.call("POST", "/queues/%2F/q/get", get)[1][0]["payload"] == "hello"


def test_one_connection_carries_many_requests(client: Client):
    for _request in range(20):
        assert client.call("GET", "/whoami") == (200, {"name": "guest", "tags": ["administrator"]})


def test_a_search_that_takes_for_ever_keeps_nobody_from_anything(broker: BrokerInThread, client: Client):
    client.call("PUT", f"/queues/%2F/{'a' * 60}", {})
    searching = threading.Thread(
        target=lambda: Client(broker).call("GET", "/queues?page=1&use_regex=true&name=(a%2B)%2B$b")
    )
    searching.start()
    assert client.call("GET", "/whoami")[0] == 200
    assert searching.is_alive()
    searching.join()


def test_a_large_message_goes_through(client: Client):
    client.call("PUT", "/queues/%2F/q", {})
    payload = "x" * 1_000_000
    body = {"properties": {}, "routing_key": "q", "payload": payload, "payload_encoding": "string"}
    assert client.call("POST", "/exchanges/%2F/amq.default/publish", body) == (200, {"routed": True})
    get = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    assert client.call("POST", "/queues/%2F/q/get", get)[1][0]["payload"] == payload


def test_head_and_errors_leave_the_connection_usable(client: Client):
    assert client.call("HEAD", "/overview") == (200, None)
    assert client.call("GET", "/nope")[0] == 404
    assert client.call("DELETE", "/queues/%2F/none")[0] == 404
    assert client.call("GET", "/whoami")[0] == 200


def test_its_own_address_is_among_the_listeners(broker: BrokerInThread, client: Client):
    listeners = client.call("GET", "/overview")[1]["listeners"]
    assert {(each["protocol"], each["port"]) for each in listeners} == {
        ("amqp", broker.port),
        ("http", broker.management_port),
    }
    assert client.call("GET", f"/health/checks/port-listener/{broker.management_port}")[0] == 200


def test_what_is_no_http_is_answered_and_closed(broker: BrokerInThread):
    with socket.create_connection((broker.host, broker.management_port), timeout=60) as raw:
        raw.sendall(b"AMQP\x00\x00\x09\x01\r\n\r\n")
        assert b"400" in raw.recv(1000)


def test_it_ends_with_the_broker_while_a_client_is_connected():
    with broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=0) as broker:
        client = Client(broker)
        client.call("GET", "/whoami")
        port = broker.management_port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, port), timeout=1)


def test_a_port_that_is_taken_stops_the_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(StartError, match=f"cannot listen on 127.0.0.1 port {port}"),
            broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=port),
        ):
            raise AssertionError("it has started")


def test_answers_are_on_disk(tmp_path: Path):
    options = {"management": True, "management_host": ("127.0.0.1",), "management_port": 0}
    with broker_in_thread(data_dir=tmp_path / "data", **options) as broker:
        client = Client(broker)
        assert client.call("PUT", "/queues/%2F/kept", {"durable": True})[0] == 201
        assert client.call("PUT", "/users/anna", {"password": "pw", "tags": ""})[0] == 201
    with broker_in_thread(data_dir=tmp_path / "data", **options) as broker:
        client = Client(broker)
        assert client.call("GET", "/queues/%2F/kept")[0] == 200
        assert client.call("GET", "/users/anna")[0] == 200


# Over TLS


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Issued:
    return authority.issue("localhost", names=LOCALHOST, valid=100 * DAY)


def over_tls(certificate: Issued, **more: Any) -> dict[str, Any]:
    """Settings of a broker whose API is served over TLS alone."""
    return {
        "management": True,
        "management_tcp": False,
        "management_ssl_host": ("127.0.0.1",),
        "management_ssl_port": 0,
        "management_ssl_certfile": certificate.certfile,
        "management_ssl_keyfile": certificate.keyfile,
        **more,
    }


class TlsClient(Client):
    """The same over TLS, with a certificate of its own if it is given one."""

    def __init__(
        self, broker: BrokerInThread, authority: Authority, certificate: Issued | None = None
    ) -> None:
        self._context = ssl.create_default_context(cafile=str(authority.cacertfile))
        if certificate is not None:
            self._context.load_cert_chain(certificate.certfile, certificate.keyfile)
        super().__init__(broker)

    def _connect(self, broker: BrokerInThread) -> http.client.HTTPConnection:
        port = broker.management_ssl_port
        return http.client.HTTPSConnection(broker.host, port, timeout=60, context=self._context)


def test_over_https_the_overview_says_so(authority: Authority, certificate: Issued):
    with broker_in_thread(**over_tls(certificate)) as broker:
        client = TlsClient(broker, authority)
        overview = client.call("GET", "/overview")[1]
        assert [each["protocol"] for each in overview["listeners"]] == ["amqp", "https"]
        [context] = overview["contexts"]
        assert (context["ssl"], context["port"]) == ("true", str(broker.management_ssl_port))
        assert context["ssl_opts"] == {"certfile": str(certificate.certfile)}
        assert client.call("GET", "/health/checks/protocol-listener/https")[0] == 200
        assert client.call("GET", "/health/checks/protocol-listener/http")[0] == 503
        assert broker.management_port == 0


def test_http_and_https_may_both_be_there(authority: Authority, certificate: Issued):
    both = over_tls(certificate, management_tcp=True, management_host=("127.0.0.1",), management_port=0)
    with broker_in_thread(**both) as broker:
        assert Client(broker).call("GET", "/whoami")[0] == 200
        assert TlsClient(broker, authority).call("GET", "/whoami")[0] == 200


def test_who_has_no_certificate_is_not_let_in_where_one_is_demanded(
    authority: Authority, certificate: Issued
):
    demanding = over_tls(
        certificate,
        management_ssl_cacertfile=authority.cacertfile,
        management_ssl_verify="verify_peer",
        management_ssl_fail_if_no_peer_cert=True,
    )
    with broker_in_thread(**demanding) as broker:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            TlsClient(broker, authority).call("GET", "/whoami")
        client = TlsClient(broker, authority, authority.issue("anna"))
        assert client.call("GET", "/whoami")[0] == 200


def test_versions_of_tls_can_be_chosen(authority: Authority, certificate: Issued):
    with broker_in_thread(**over_tls(certificate, management_ssl_versions=("tlsv1.2",))) as broker:
        context = ssl.create_default_context(cafile=str(authority.cacertfile))
        with (
            socket.create_connection((broker.host, broker.management_ssl_port), 60) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as stream,
        ):
            assert stream.version() == "TLSv1.2"


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"management_ssl_port": 0}, "management.ssl.certfile: a TLS listener needs a certificate"),
        ({"management_ssl_certfile": Path("/nowhere.pem")}, "management.ssl.certfile: /nowhere.pem: No such"),
    ],
)
def test_without_a_good_certificate_there_is_no_start(settings: dict[str, Any], mistake: str):
    with pytest.raises(StartError, match=mistake), broker_in_thread(management=True, **settings):
        raise AssertionError("it has started")


def expiration(certificate: Issued, within: str, **more: Any) -> tuple[int, Any]:
    """The answer of the health check."""
    settings = {"management_host": ("127.0.0.1",), "management_port": 0, "management_tcp": True, **more}
    with broker_in_thread(**over_tls(certificate, **settings)) as broker:
        return Client(broker).call("GET", f"/health/checks/certificate-expiration/{within}")


@pytest.mark.parametrize("within", ["99/days", "14/weeks", "3/months", "-1/years"])
def test_a_certificate_that_is_valid_long_enough_is_well(certificate: Issued, within: str):
    assert expiration(certificate, within) == (200, {"status": "ok"})


@pytest.mark.parametrize("within", ["101/days", "15/weeks", "4/months", "1/years"])
def test_one_that_expires_before_is_not(certificate: Issued, within: str):
    status, told = expiration(certificate, within)
    assert (status, told["status"], told["reason"]) == (503, "failed", "Certificates expiring")
    [expired] = told["expired"]
    ends = certificate.certificate.not_valid_after_utc
    assert expired["certfile_expires_on"] == [f"{ends:%Y-%m-%d} {ends.hour}:{ends:%M:%S}"]
    assert (expired["protocol"], expired["interface"]) == ("https", "127.0.0.1")
    assert (expired["certfile"], expired["cacertfile"]) == (str(certificate.certfile), "")
    assert expired["cacertfile_expires_on"] == []


def test_the_authorities_and_listeners_of_amqp_are_looked_at_too(authority: Authority, certificate: Issued):
    status, told = expiration(
        certificate,
        "11/years",
        ssl_listeners=Listeners((("127.0.0.1", 0),)),
        ssl_certfile=certificate.certfile,
        ssl_keyfile=certificate.keyfile,
        ssl_cacertfile=authority.cacertfile,
    )
    assert status == 503
    https, amqps = told["expired"]
    assert (https["protocol"], amqps["protocol"]) == ("https", "amqp/ssl")
    assert len(amqps["cacertfile_expires_on"]) == 1 and amqps["cacertfile"] == str(authority.cacertfile)


# Over the UNIX socket in the data directory

locally = pytest.mark.skipif(sys.platform == "win32", reason="there are no UNIX sockets")


class LocalClient(Client):
    """The same over a UNIX socket, without a password unless it is given headers."""

    def __init__(self, path: Path, headers: dict[str, str] | None = None) -> None:
        self._headers = headers or {}
        self._connection = http.client.HTTPConnection("localhost", timeout=60)
        self._connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.sock.settimeout(60)
        self._connection.sock.connect(str(path))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@locally
def test_whoever_may_open_the_socket_is_an_administrator(data_dir: Path):
    with broker_in_thread(data_dir=data_dir):
        path = data_dir / "management.sock"
        assert path.stat().st_mode & 0o777 == 0o600
        client = LocalClient(path)
        assert client.call("GET", "/whoami") == (200, {"name": "rmq-cli", "tags": ["administrator"]})
        assert client.call("PUT", "/queues/%2F/q", {}) == (201, None)
        assert client.call("PUT", "/vhosts/v", {})[0] == 201
        assert client.call("PUT", "/queues/v/q", {}) == (201, None)
        assert client.call("GET", "/queues/v/q")[0] == 200
        assert client.call("DELETE", "/users/guest")[0] == 204
        assert client.call("GET", "/users") == (200, [])
        assert client.call("GET", "/permissions") == (200, [])


@locally
def test_a_user_with_its_name_changes_nothing_for_it(data_dir: Path):
    with broker_in_thread(data_dir=data_dir):
        client = LocalClient(data_dir / "management.sock")
        assert client.call("PUT", "/users/rmq-cli", {"password": "pw", "tags": ""})[0] == 201
        assert client.call("PUT", "/queues/%2F/q", {}) == (201, None)
        assert client.call("PUT", "/vhosts/v", {})[0] == 201
        assert client.call("GET", "/permissions/v/rmq-cli")[0] == 404


@locally
def test_who_gives_a_password_there_is_who_that_says(data_dir: Path):
    with broker_in_thread(data_dir=data_dir):
        path = data_dir / "management.sock"
        assert LocalClient(path, AUTHORIZATION).call("GET", "/whoami")[1]["name"] == "guest"
        wrong = {"authorization": "Basic " + base64.b64encode(b"guest:wrong").decode()}
        assert LocalClient(path, wrong).call("GET", "/whoami")[0] == 401


@locally
def test_over_tcp_nobody_is_let_in_without_a_password(data_dir: Path):
    options = {"management": True, "management_host": ("127.0.0.1",), "management_port": 0}
    with broker_in_thread(data_dir=data_dir, **options) as broker:
        assert LocalClient(data_dir / "management.sock").call("GET", "/whoami")[0] == 200
        pretending = {"amqpd.over_unix_socket": "true", "x-forwarded-for": "unix:"}
        assert Client(broker, pretending).call("GET", "/whoami")[0] == 401


@locally
def test_the_socket_of_a_killed_broker_is_replaced(data_dir: Path):
    data_dir.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(data_dir / "management.sock"))
    with broker_in_thread(data_dir=data_dir):
        assert LocalClient(data_dir / "management.sock").call("GET", "/whoami")[0] == 200
    assert not (data_dir / "management.sock").exists()


@locally
def test_a_path_that_is_too_long_for_a_socket_is_a_warning(tmp_path: Path):
    events = RecordedEvents()
    data_dir = tmp_path / ("d" * 120)
    with broker_in_thread(data_dir=data_dir, events=events) as broker:
        assert broker.port
    [(_, sentence, fields)] = [told for told in events.told if told[0] == "warning"]
    assert sentence == "amqpctl can't reach this broker by its data directory"
    assert fields == {"path": str(data_dir / "management.sock"), "reason": "AF_UNIX path too long"}


@locally
def test_the_api_is_not_imported_until_somebody_asks(data_dir: Path):
    program = f"""
import sys, threading
from pathlib import Path
from amqpd.testing.running import broker_in_thread
import http.client, socket
with broker_in_thread(data_dir=Path({str(data_dir)!r})):
    assert not {{"uvicorn", "starlette", "amqpd.management.application", "h11"}} & sys.modules.keys()
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect({str(data_dir / "management.sock")!r})
    connection.request("GET", "/api/whoami")
    assert connection.getresponse().status == 200
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@locally
def test_a_name_that_the_cluster_was_given_is_told_after_a_restart_to_those_who_only_speak_amqp(
    data_dir: Path,
):
    with broker_in_thread(data_dir=data_dir):
        client = LocalClient(data_dir / "management.sock")
        assert client.call("PUT", "/cluster-name", {"name": "ours"})[0] == 204
    with broker_in_thread(data_dir=data_dir) as broker:
        name = broker.call(lambda it: it.server.parameters.server_properties["cluster_name"].value)
        assert name == "ours"


@locally
def test_an_import_over_the_socket_makes_virtual_hosts_and_no_user(data_dir: Path):
    with broker_in_thread(data_dir=data_dir):
        client = LocalClient(data_dir / "management.sock")
        queue = {"name": "q", "vhost": "v", "durable": True, "auto_delete": False, "arguments": {}}
        definitions = {"vhosts": [{"name": "v"}], "queues": [queue]}
        assert client.call("POST", "/definitions", definitions)[0] == 204
        assert client.call("GET", "/queues/v/q")[0] == 200
        assert [user["name"] for user in client.call("GET", "/users")[1]] == ["guest"]
        assert client.call("GET", "/vhosts/v/permissions") == (200, [])


@locally
def test_messages_are_published_and_got_over_the_socket(data_dir: Path):
    with broker_in_thread(data_dir=data_dir):
        client = LocalClient(data_dir / "management.sock")
        client.call("PUT", "/queues/%2F/q", {})
        body = {"properties": {}, "routing_key": "q", "payload": "m", "payload_encoding": "string"}
        published = client.call("POST", "/exchanges/%2F/amq.default/publish", body)
        assert published == (200, {"routed": True})
        get = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
        assert client.call("POST", "/queues/%2F/q/get", get)[1][0]["payload"] == "m"
        assert client.call("GET", "/connections") == (200, [])


@locally
def test_sighup_reads_the_certificates_of_https_again(authority: Authority, data_dir: Path, tmp_path: Path):
    server = authority.issue("localhost", file="signalled", names=LOCALHOST)
    file = tmp_path / "amqpd.conf"
    file.write_text(
        "listeners.tcp.1 = 127.0.0.1:0\namqpd.management = true\n"
        "management.ssl.ip = 127.0.0.1\nmanagement.ssl.port = 0\n"
        f"management.ssl.certfile = {server.certfile}\nmanagement.ssl.keyfile = {server.keyfile}\n"
    )
    command = [sys.executable, "-m", "amqpd", "--config", str(file), "--data-dir", str(data_dir)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        try:
            assert program.stderr is not None
            lines = iter(program.stderr)
            started = next(line for line in lines if "amqpd started" in line)
            assert " management=" not in started
            port = int(started.split('management_tls="127.0.0.1:')[1].split('"')[0])
            renewed = authority.issue("localhost", file="signalled", names=LOCALHOST)
            program.send_signal(signal.SIGHUP)
            assert any("certificates reloaded" in line and "management.ssl" in line for line in lines)
            context = ssl.create_default_context(cafile=str(authority.cacertfile))
            with (
                socket.create_connection(("127.0.0.1", port), 60) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as stream,
            ):
                assert stream.getpeercert(binary_form=True) == renewed.der()
        finally:
            program.terminate()
            program.communicate(timeout=60)
