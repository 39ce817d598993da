"""How a connection came in, and who is at its other end."""

from __future__ import annotations

import asyncio
import ipaddress
from functools import partial

from amqpd.protocol.parameters import Peer
from amqpd.server.encryption import encryption_of
from amqpd.server.proxy_protocol import ProxyHeader
from amqpd.server.tls import Tls


class Arrival:
    """A connection over TCP; `header` is what a proxy said of it, `tls` what it is encrypted with."""

    def __init__(self, header: ProxyHeader | None = None, tls: Tls | None = None) -> None:
        self._header = header
        self._tls = tls

    def peer(self, transport: asyncio.BaseTransport) -> Peer:
        """The peer's name, whether it is on this machine, and the user that its certificate names."""
        client: object = transport.get_extra_info("peername")
        server: object = transport.get_extra_info("sockname")
        is_known = True
        if self._header is not None and not self._header.is_local:
            is_known = self._header.client is not None
            client = self._header.client or client
            server = self._header.server or server
        user = self._tls.user(transport.get_extra_info("ssl_object")) if self._tls is not None else None
        # Of a client that the proxy does not name, all we know is that it need not be where the proxy is.
        is_loopback = is_known and isinstance(client, tuple) and is_loopback_host(str(client[0]))
        peer = Peer(f"{written_address(client)} -> {written_address(server)}", is_loopback, user)
        if self._tls is not None:
            peer.encryption = partial(encryption_of, transport.get_extra_info("ssl_object"))
        return peer


class LocalArrival(Arrival):
    """A connection over a UNIX socket, which can only come from this machine."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def peer(self, transport: asyncio.BaseTransport) -> Peer:
        """The name that it was given."""
        return Peer(self._name, True)


def is_loopback_host(host: str) -> bool:
    """Whether an IP address is of the machine itself, also as IPv4 in IPv6."""
    address = ipaddress.ip_address(host.split("%")[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def written_address(name: object) -> str:
    """A socket's name as `127.0.0.1:5672`, or `[::1]:5672` for IPv6."""
    if isinstance(name, tuple) and len(name) >= 2:
        host = f"[{name[0]}]" if ":" in str(name[0]) else name[0]
        return f"{host}:{name[1]}"
    return "unknown"
