"""Connections whose client has to go on, and does not. Time passes when the test says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from amqpd.http.server import HttpServer

LARGE_BYTES = 50_000_000


class Waiting:
    """An event loop, as far as it does what is due now; what is due later is done when time passes."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due: list[asyncio.Handle] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_later(self, _delay_s: float, callback: Callable[..., object], *arguments: Any) -> asyncio.Handle:
        self._due.append(asyncio.Handle(callback, arguments, self._loop))
        return self._due[-1]

    def let_pass(self) -> None:
        """Everything that waits is due."""
        due, self._due = self._due, []
        for handle in due:
            if not handle.cancelled():
                handle._run()


class Client(asyncio.Transport):
    """The other end of a connection, which takes so many bytes of what it is sent."""

    def __init__(self, server: HttpServer, takes_bytes: int = LARGE_BYTES * 2) -> None:
        super().__init__()
        self.time = Waiting()
        self.received = bytearray()
        self.is_left = False
        self._takes_bytes = takes_bytes
        self._protocol: Any = server.protocol()
        self._protocol.loop = self.time
        self._protocol.connection_made(self)

    def say(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def write(self, data: Any) -> None:
        self.received += data
        if self.get_write_buffer_size():
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        return max(len(self.received) - self._takes_bytes, 0)

    def is_closing(self) -> bool:
        return self.is_left

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self.is_left:
            self.is_left = True
            self._protocol.connection_lost(None)

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers with a little, or with a lot, when all of a request is there."""
    while (await receive()).get("more_body"):
        pass
    size = 1 if scope["path"] == "/small" else LARGE_BYTES
    headers = [(b"content-length", b"%d" % size)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"." * size})


HEAD = b"POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
SMALL = b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n"
LARGE = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", HEAD + b"abc"], ids=["nothing", "half a head", "half a body"]
)
def test_a_client_that_does_not_go_on_is_left(sent: bytes):
    async def test() -> None:
        client = Client(HttpServer(application))
        if sent:
            client.say(sent)
        client.time.let_pass()
        client.time.let_pass()
        assert client.is_left

    asyncio.run(test())


def test_a_client_that_sends_a_head_byte_by_byte_is_left():
    async def test() -> None:
        client = Client(HttpServer(application))
        for octet in SMALL[:-1]:
            if not client.is_left:
                client.say(bytes([octet]))
                client.time.let_pass()
        assert client.is_left

    asyncio.run(test())


def test_a_client_that_reads_no_answer_is_left():
    async def test() -> None:
        client = Client(HttpServer(application), takes_bytes=1000)
        client.say(LARGE)
        await until(lambda: len(client.received) > LARGE_BYTES)
        for _ in range(3):
            client.time.let_pass()
        assert client.is_left

    asyncio.run(test())


def test_a_client_that_reads_no_answer_is_left_while_it_is_written():
    has_ended = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(receive())
        while not gone.done():
            await send({"type": "http.response.body", "body": b".", "more_body": True})
        has_ended.set()

    async def test() -> None:
        client = Client(HttpServer(endless), takes_bytes=1000)
        client.say(SMALL)
        await until(lambda: client.get_write_buffer_size() > 0)
        for _ in range(3):
            client.time.let_pass()
        assert client.is_left
        await has_ended.wait()

    asyncio.run(test())


def test_a_client_that_goes_on_with_its_body_is_not_left():
    async def test() -> None:
        client = Client(HttpServer(application))
        client.say(HEAD)
        for _ in range(10):
            client.time.let_pass()
            assert not client.is_left
            client.say(b"x")
        await until(lambda: client.received.endswith(b"."))

    asyncio.run(test())


def test_a_client_that_is_not_answered_yet_is_not_left():
    may_end = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await may_end.wait()
        await application(scope, receive, send)

    async def test() -> None:
        client = Client(HttpServer(slow))
        client.say(SMALL)
        await asyncio.sleep(0)
        for _ in range(10):
            client.time.let_pass()
        assert not client.is_left
        may_end.set()
        await until(lambda: client.received.endswith(b"."))

    asyncio.run(test())
