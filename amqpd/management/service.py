"""The API beside the broker: its sockets are there at once, what answers on them as soon as it is imported."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import Sequence

from amqpd.management.site import Listening, Site

BACKLOG = 128
IPV6_LOOPBACK = ("::1", "::")


class ManagementService:
    """Listens from the beginning, and answers a little later: the broker does not wait for it."""

    def __init__(self, site: Site, hosts: Sequence[str], port: int) -> None:
        """Raises OSError if an address can't be listened on; IPv6 is passed over on machines that have none."""
        self._site = site
        self._sockets: list[socket.socket] = []
        self.addresses: list[tuple[str, int]] = []
        self._ends = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        for host in hosts:
            try:
                listener = _listener(host, port)
            except OSError:
                if host in IPV6_LOOPBACK and len(hosts) > 1 and not port_is_taken(host):
                    continue
                self.close()
                raise
            self._sockets.append(listener)
            self.addresses.append(listener.getsockname()[:2])
            port = self.addresses[0][1]
        site.listening += [Listening("http", host, port) for host, port in self.addresses]

    def start(self) -> None:
        """Begin to serve."""
        self._task = asyncio.create_task(self._serve())

    async def ready(self) -> None:
        """Return when requests are answered. Raises what has kept it from that."""
        assert self._task is not None
        waiting = asyncio.create_task(self._is_ready.wait())
        await asyncio.wait((waiting, self._task), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            self._task.result()

    async def _serve(self) -> None:
        # Importing takes longer than all the rest of a start: meanwhile the event loop does its work.
        module = await asyncio.to_thread(importlib.import_module, "amqpd.management.server")
        server = module.ManagementServer(self._site, self._sockets)
        await server.start()
        self._is_ready.set()
        await self._ends.wait()
        await server.stop()

    async def stop(self) -> None:
        """Serve no more."""
        self._ends.set()
        if self._task is not None:
            try:
                await self._task
            except Exception as error:
                fields: dict[str, object] = {"error": f"{type(error).__name__}: {error}"}
                self._site.broker.events.tell("error", "the management API has failed", fields)
        self.close()

    def close(self) -> None:
        """Close the sockets."""
        for listener in self._sockets:
            listener.close()


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    listener.setblocking(False)
    return listener


def port_is_taken(host: str) -> bool:
    """Whether the address itself is there, so that its port must be the matter."""
    try:
        _listener(host, 0).close()
    except OSError:
        return False
    return True
