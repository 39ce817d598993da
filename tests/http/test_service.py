"""A web application on sockets of every kind, beside whatever else the event loop does."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from amqpd.http.service import OVER_UNIX_SOCKET, HttpService
from amqpd.server.tcp_sockets import ListenError
from amqpd.server.tls import Tls, TlsError, TlsOptions
from amqpd.testing import RecordedEvents
from amqpd.testing.certificates import LOCALHOST, Authority

PATIENCE_S = 60
HOSTS = ("127.0.0.1",)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Tells whether the request came over a UNIX socket, and in which scheme."""
    told = f"{scope['scheme']} {scope.get(OVER_UNIX_SOCKET, False)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": told})


class Loading:
    """Loads the application, and can be made to wait or to fail."""

    def __init__(self, answers: Any = application, error: Exception | None = None) -> None:
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.has_begun = threading.Event()
        self._answers = answers
        self._error = error

    def __call__(self) -> Callable[[], Any]:
        self.has_begun.set()
        self.may_go_on.wait(PATIENCE_S)
        if self._error is not None:
            raise self._error
        return lambda: self._answers


@asynccontextmanager
async def serving(
    prepare: Callable[[HttpService], None], loading: Loading, events: RecordedEvents | None = None
) -> AsyncIterator[HttpService]:
    service = HttpService("the thing", events or RecordedEvents(), loading)
    prepare(service)
    service.start()
    try:
        yield service
    finally:
        await service.stop()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(self.path))


def answer(connection: http.client.HTTPConnection, headers: dict[str, str] | None = None) -> str:
    connection.request("GET", "/", headers=headers or {})
    try:
        return connection.getresponse().read().decode()
    finally:
        connection.close()


async def ask(connection: http.client.HTTPConnection, **more: Any) -> str:
    return await asyncio.to_thread(answer, connection, **more)


Run = Callable[[Callable[[], Awaitable[None]]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test in an event loop of each kind."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop

    def run(test: Callable[[], Awaitable[None]]) -> None:
        async def limited() -> None:
            async with asyncio.timeout(PATIENCE_S):
                await test()

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(limited())

    return run


def over_tcp(service: HttpService) -> None:
    service.listen(HOSTS, 0)


def client_of(service: HttpService) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(*service.addresses[0], timeout=PATIENCE_S)


def test_who_connects_before_it_is_loaded_is_answered_afterwards(run: Run):
    loading = Loading()
    loading.may_go_on.clear()

    async def test() -> None:
        async with serving(over_tcp, loading) as service:
            asking = asyncio.create_task(ask(client_of(service)))
            await asyncio.to_thread(loading.has_begun.wait, PATIENCE_S)
            assert not asking.done()
            loading.may_go_on.set()
            assert await asking == "http False"

    run(test)


def test_over_tcp_it_is_loaded_at_once(run: Run):
    loading = Loading()

    async def test() -> None:
        async with serving(over_tcp, loading) as service:
            await service.ready()
            assert loading.has_begun.is_set()

    run(test)


def test_over_a_unix_socket_it_is_loaded_when_somebody_connects(run: Run, tmp_path: Path):
    loading = Loading()
    path = tmp_path / "s"

    async def test() -> None:
        async with serving(lambda service: service.listen_unix(path, 0o600), loading):
            await asyncio.sleep(0.05)
            assert not loading.has_begun.is_set()
            assert await ask(_UnixConnection(path)) == "http True"
            assert await ask(_UnixConnection(path)) == "http True"

    run(test)


def test_the_file_of_a_unix_socket_has_its_mode_and_goes_with_it(run: Run, tmp_path: Path):
    path = tmp_path / "s"

    async def test() -> None:
        async with serving(lambda service: service.listen_unix(path, 0o600), Loading()):
            assert path.stat().st_mode & 0o777 == 0o600
        assert not path.exists()

    run(test)


def test_only_the_socket_says_that_a_request_is_local(run: Run, tmp_path: Path):
    path = tmp_path / "s"

    def both(service: HttpService) -> None:
        service.listen(HOSTS, 0)
        service.listen_unix(path, 0o600)

    async def test() -> None:
        async with serving(both, Loading()) as service:
            assert await ask(client_of(service), headers={OVER_UNIX_SOCKET: "True"}) == "http False"
            assert await ask(_UnixConnection(path)) == "http True"

    run(test)


def tls_of(authority: Authority, file: str = "server") -> Tls:
    issued = authority.issue("localhost", file=file, names=LOCALHOST)
    return Tls(TlsOptions(certfile=issued.certfile, keyfile=issued.keyfile, keys="thing.ssl"))


def https_client_of(service: HttpService, authority: Authority) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=str(authority.cacertfile))
    return http.client.HTTPSConnection(*service.tls_addresses[0], timeout=PATIENCE_S, context=context)


def test_https_and_http_side_by_side(run: Run, authority: Authority):
    def both(service: HttpService) -> None:
        service.listen(HOSTS, 0)
        service.listen(HOSTS, 0, tls_of(authority))

    async def test() -> None:
        async with serving(both, Loading()) as service:
            assert await ask(https_client_of(service, authority)) == "https False"
            assert await ask(client_of(service)) == "http False"
            assert [protocol for protocol, *_ in service.listening()] == ["http", "https"]

    run(test)


def test_who_speaks_no_tls_hurts_nobody_and_is_worth_no_line_above_debug(run: Run, authority: Authority):
    events = RecordedEvents()

    async def test() -> None:
        async with serving(
            lambda service: service.listen(HOSTS, 0, tls_of(authority)), Loading(), events
        ) as service:
            await service.ready()
            for said in (b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", b"\x16\x03\x01\x00\x01\x00", b""):
                await asyncio.to_thread(say, service.tls_addresses[0], said)
            assert await ask(https_client_of(service, authority)) == "https False"

    run(test)
    assert {level for level, _, _ in events.told} == {"debug"}
    assert "TLS handshake failed" in events.sentences()


def say(address: tuple[str, int], data: bytes) -> None:
    """Say it, and read until the other side has hung up."""
    with socket.create_connection(address, PATIENCE_S) as raw:
        raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(1000):
            continue


def test_new_certificates_are_those_of_new_connections(run: Run, authority: Authority):
    async def test() -> None:
        tls = tls_of(authority, "renewed")
        async with serving(lambda service: service.listen(HOSTS, 0, tls), Loading()) as service:
            before = await asyncio.to_thread(certificate_of, service, authority)
            renewed = authority.issue("localhost", file="renewed", names=LOCALHOST)
            for change in service.prepare_certificates({}):
                change()
            after = await asyncio.to_thread(certificate_of, service, authority)
            assert before != after == renewed.der()

    run(test)


def certificate_of(service: HttpService, authority: Authority) -> bytes | None:
    connection = https_client_of(service, authority)
    connection.connect()
    try:
        assert isinstance(connection.sock, ssl.SSLSocket)
        return connection.sock.getpeercert(binary_form=True)
    finally:
        connection.close()


def test_bad_new_certificates_change_nothing(run: Run, authority: Authority):
    async def test() -> None:
        tls = tls_of(authority, "spoiled")
        async with serving(lambda service: service.listen(HOSTS, 0, tls), Loading()) as service:
            assert tls.options.certfile is not None
            tls.options.certfile.write_text("nonsense")
            with pytest.raises(TlsError, match=r"^thing.ssl.certfile: "):
                service.prepare_certificates({})
            assert await ask(https_client_of(service, authority)) == "https False"

    run(test)


def test_what_cannot_be_loaded_is_told_of_and_the_port_is_free_again(run: Run):
    events = RecordedEvents()

    async def test() -> None:
        loading = Loading(error=ImportError("no such thing"))
        async with serving(over_tcp, loading, events) as service:
            with pytest.raises(ImportError):
                await service.ready()
            with pytest.raises(ConnectionRefusedError):
                await ask(client_of(service))

    run(test)
    assert events.told == [("error", "the thing has failed", {"error": "ImportError: no such thing"})]


def test_an_answer_that_has_begun_is_finished_before_it_ends(run: Run):
    begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await may_end.wait()
        await application(scope, receive, send)

    async def test() -> None:
        async with serving(over_tcp, Loading(slow)) as service:
            asking = asyncio.create_task(ask(client_of(service)))
            await begun.wait()
            asyncio.get_running_loop().call_later(0.05, may_end.set)
        assert await asking == "http False"

    run(test)


def test_who_is_connected_and_says_nothing_does_not_keep_it_from_ending(run: Run):
    async def test() -> None:
        async with serving(over_tcp, Loading()) as service:
            await service.ready()
            _reader, writer = await asyncio.open_connection(*service.addresses[0])
        assert await _reader.read() == b""
        writer.close()

    run(test)


def test_it_ends_while_it_is_being_loaded(run: Run):
    loading = Loading()
    loading.may_go_on.clear()

    async def test() -> None:
        service = HttpService("the thing", RecordedEvents(), loading)
        over_tcp(service)
        service.start()
        await asyncio.to_thread(loading.has_begun.wait, PATIENCE_S)
        asyncio.get_running_loop().call_later(0.05, loading.may_go_on.set)
        await service.stop()
        with pytest.raises(ConnectionRefusedError):
            await ask(client_of(service))

    run(test)


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing_open():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        service = HttpService("the thing", RecordedEvents(), Loading())
        service.listen(HOSTS, 0)
        with pytest.raises(ListenError, match="Address already in use"):
            service.listen(HOSTS, taken.getsockname()[1])
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(service.addresses[0], PATIENCE_S)


def test_the_file_that_a_killed_program_left_is_replaced(run: Run, tmp_path: Path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(path))
    assert path.is_socket()

    async def test() -> None:
        async with serving(lambda service: service.listen_unix(path, 0o600), Loading()):
            assert await ask(_UnixConnection(path)) == "http True"

    run(test)


def test_files_are_not_kept_open_by_connections_that_have_ended(run: Run, tmp_path: Path):
    async def test() -> None:
        async with serving(over_tcp, Loading()) as service:
            await ask(client_of(service))
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(20):
                await ask(client_of(service))
            # The other end of the last connection may close a moment later.
            while len(os.listdir("/proc/self/fd")) > before:
                await asyncio.sleep(0.01)

    if os.path.isdir("/proc/self/fd"):
        run(test)
