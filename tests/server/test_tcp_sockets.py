"""Sockets that listen on several hosts at one port."""

import errno
import os
import socket
from contextlib import ExitStack
from typing import Any

import pytest

from amqpd.server import tcp_sockets
from amqpd.server.tcp_sockets import ListenError, listening_sockets

HOSTS = ("127.0.0.1", "127.0.0.2")


def addresses(hosts: tuple[str, ...], port: int = 0) -> list[tuple[str, int]]:
    """Where sockets listened that are closed again."""
    with ExitStack() as stack:
        return [stack.enter_context(each).getsockname()[:2] for each in listening_sockets(hosts, port)]


class TakenElsewhere:
    """Makes sockets, but for the second host not at the first so many ports."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, times: int, error: int = errno.EADDRINUSE) -> None:
        self.left_open: list[socket.socket] = []
        self._times = times
        self._error = error
        self._create_server = socket.create_server
        monkeypatch.setattr(tcp_sockets.socket, "create_server", self)

    def __call__(self, address: Any, **options: Any) -> socket.socket:
        if address[0] == HOSTS[1] and self._times:
            self._times -= 1
            raise OSError(self._error, os.strerror(self._error))
        self.left_open.append(self._create_server(address, **options))
        return self.left_open[-1]


def test_all_listen_at_the_port_that_the_system_has_chosen_for_the_first():
    (first, port), (second, same_port) = addresses(HOSTS)
    assert (first, second) == HOSTS
    assert port == same_port != 0


def test_a_chosen_port_that_is_taken_on_another_host_is_given_up_for_another(monkeypatch: pytest.MonkeyPatch):
    made = TakenElsewhere(monkeypatch, times=3)
    assert [host for host, _port in addresses(HOSTS)] == list(HOSTS)
    assert len(made.left_open) == 5
    assert all(each.fileno() == -1 for each in made.left_open)


@pytest.mark.parametrize("port", [0, 20123])
def test_what_stays_taken_is_an_error_and_nothing_listens(monkeypatch: pytest.MonkeyPatch, port: int):
    made = TakenElsewhere(monkeypatch, times=1000)
    with pytest.raises(ListenError, match=r"cannot listen on 127\.0\.0\.2 port \d+: Address already in use"):
        listening_sockets(HOSTS, port)
    assert all(each.fileno() == -1 for each in made.left_open)


def test_an_address_of_another_machine_is_not_tried_again(monkeypatch: pytest.MonkeyPatch):
    made = TakenElsewhere(monkeypatch, times=1, error=errno.EADDRNOTAVAIL)
    with pytest.raises(ListenError, match="Cannot assign requested address"):
        listening_sockets(HOSTS, 0)
    assert [each.fileno() for each in made.left_open] == [-1]


def test_ipv6_is_passed_over_where_there_is_none_unless_it_is_all_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
):
    def without_ipv6(address: Any, **options: Any) -> socket.socket:
        if options["family"] == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))
        return create_server(address, **options)

    create_server = socket.create_server
    monkeypatch.setattr(tcp_sockets.socket, "create_server", without_ipv6)
    assert [host for host, _port in addresses(("127.0.0.1", "::1"))] == ["127.0.0.1"]
    with pytest.raises(ListenError, match="cannot listen on ::1 port 0"):
        listening_sockets(("::1",), 0)
