"""TCP sockets that listen: on several hosts, all at one port."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

BACKLOG: Final = 1024

PORTS_TRIED: Final = 20
"""So many that the system chooses: one that is free on the first host may be taken on another."""

IPV6: Final = ("::1", "::")
NO_SUCH_ADDRESS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class ListenError(Exception):
    """An address that can't be listened on; the message says which and why."""


def listening_sockets(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """Sockets that listen on every address of every host, in this order; for port 0 all at one that is free.

    Raises ListenError. An IPv6 address that a machine without IPv6 does not have is passed over.
    """
    tries = 1 if port else PORTS_TRIED
    while True:
        tries -= 1
        try:
            return _all_listening(hosts, port)
        except _PortTaken:
            if not tries:
                raise


class _PortTaken(ListenError):
    """Somebody else listens at that port."""


def _all_listening(hosts: Sequence[str], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    for host in hosts:
        try:
            for family, address in _addresses(host, port):
                sockets.append(_listening(family, address))
                port = port or sockets[0].getsockname()[1]
        except OSError as error:
            if host in IPV6 and len(hosts) > 1 and error.errno in NO_SUCH_ADDRESS:
                continue
            for each in sockets:
                each.close()
            kind = _PortTaken if error.errno == errno.EADDRINUSE else ListenError
            raise kind(f"cannot listen on {host} port {port}: {_reason(error)}") from None
    return sockets


def _reason(error: OSError) -> str:
    """The system's word for it, to which `socket` adds the address."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # Each once, IPv4 first.
    addresses = dict.fromkeys((family, address) for family, _type, _protocol, _name, address in found)
    return sorted(addresses, key=itemgetter(0))


def _listening(family: socket.AddressFamily, address: Any) -> socket.socket:
    listening = socket.create_server(address, family=family, backlog=BACKLOG)
    listening.setblocking(False)
    return listening
