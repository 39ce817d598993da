"""Where the server listens."""

import socket

import anyio
import pytest

from amqpd.app import StartError, serving
from amqpd.auth.users import default_users
from amqpd.config.kinds import LOOPBACK
from amqpd.config.settings import Settings
from amqpd.events import Events
from amqpd.server.clock import MachineClock
from amqpd.testing import broker_in_thread
from amqpd.testing.peer import PROTOCOL_HEADER

Addresses = list[tuple[str, int]]


def listen(event_loop_name: str, hosts: tuple[str, ...], port: int = 0) -> Addresses:
    """The addresses a server took; each of them is connected to once."""

    async def serve() -> Addresses:
        settings = Settings(host=hosts, port=port, in_memory=True)
        async with serving(settings, MachineClock(), Events(), default_users()) as node:
            for host, number in node.server.addresses:
                async with await anyio.connect_tcp(host, number):
                    pass
            return node.server.addresses

    return anyio.run(serve, backend_options={"use_uvloop": event_loop_name == "uvloop"})


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def test_localhost_is_both_loopbacks_where_there_are_both(event_loop_name: str):
    addresses = listen(event_loop_name, LOOPBACK)
    expected = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
    assert [host for host, _ in addresses] == expected
    assert len({port for _, port in addresses}) == 1


def test_every_host_is_listened_on(event_loop_name: str):
    addresses = listen(event_loop_name, ("127.0.0.1", "127.0.0.2"))
    assert [host for host, _ in addresses] == ["127.0.0.1", "127.0.0.2"]


def test_a_port_in_use_is_an_error_that_names_it(event_loop_name: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            StartError, match=f"cannot listen on 127.0.0.1 port {port}: Address already in use"
        ):
            listen(event_loop_name, ("127.0.0.1",), port)


def test_a_host_that_failed_leaves_none_of_the_others_listening(event_loop_name: str):
    # An address that no other test listens on: there the port stays free.
    host = "127.0.0.3"
    with socket.socket() as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]

    async def fail_then_connect() -> None:
        settings = Settings(host=(host, "192.0.2.1"), port=port, in_memory=True)
        with pytest.raises(StartError):
            async with serving(settings, MachineClock(), Events(), default_users()):
                pytest.fail("listens on an address of elsewhere")
        with pytest.raises(OSError, match="connect"):
            async with await anyio.connect_tcp(host, port):
                pytest.fail("still listens")

    anyio.run(fail_then_connect, backend_options={"use_uvloop": event_loop_name == "uvloop"})


def test_a_port_is_free_again_after_the_end(event_loop_name: str):
    [(_, port)] = listen(event_loop_name, ("127.0.0.1",))
    assert listen(event_loop_name, ("127.0.0.1",), port) == [("127.0.0.1", port)]


@pytest.mark.parametrize("proxy_protocol", [False, True])
def test_small_answers_do_not_wait_for_others(event_loop_name: str, proxy_protocol: bool):
    header = b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" if proxy_protocol else b""
    with (
        broker_in_thread(event_loop=event_loop_name, proxy_protocol=proxy_protocol) as running,
        socket.create_connection((running.host, running.port)) as client,
    ):
        client.sendall(header + PROTOCOL_HEADER)
        assert client.recv(1)
        [session] = running.call(lambda it: list(it.server.sessions))
        raw_socket = session._transport.get_extra_info("socket")
        assert raw_socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
