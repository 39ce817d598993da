"""What who scrapes gets: text that is sent while it is still being written, or all at once if it is short."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client.metrics_core import Metric

from amqpd.prometheus.exposition import Format

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PIECE_BYTES = 65536
"""So much is sent at once; an answer that is longer does not say how long it is."""

GZIP_WINDOW = 16 + zlib.MAX_WBITS
GZIP_LEVEL = 1
"""The fastest: text of this kind shrinks to a tenth with it."""


class Answer:
    """One answer on its way."""

    def __init__(self, send: Send, format: Format, is_gzipped: bool) -> None:
        self._send = send
        self.format = format
        self._compressor = zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WINDOW) if is_gzipped else None
        self._written: list[bytes] = []
        self._written_bytes = 0
        self.encoding = "gzip" if is_gzipped else "identity"
        self.has_begun = False
        self.is_finished = False
        self.size = 0
        self.encoded_size = 0
        """The same as it is sent."""

    def add(self, metric: Metric, with_name: bool) -> None:
        """Write a family, or more samples of the last one."""
        self._add(self.format.text(metric, with_name))

    def _add(self, text: bytes) -> None:
        self.size += len(text)
        self._keep(text if self._compressor is None else self._compressor.compress(text))

    def _keep(self, data: bytes) -> None:
        if data:
            self._written.append(data)
            self._written_bytes += len(data)
            self.encoded_size += len(data)

    def is_long(self) -> bool:
        """Whether there is enough to `flush`."""
        return self._written_bytes >= PIECE_BYTES

    async def flush(self) -> None:
        """Send what was written; returns when there is room for more."""
        await self._begin([])
        await self._send({"type": "http.response.body", "body": self._taken(), "more_body": True})

    async def finish(self) -> None:
        """Send the rest."""
        self._add(self.format.end())
        if self._compressor is not None:
            self._keep(self._compressor.flush())
        await self._begin([(b"content-length", b"%d" % self._written_bytes)])
        await self._send({"type": "http.response.body", "body": self._taken()})
        self.is_finished = True

    def _taken(self) -> bytes:
        data = b"".join(self._written)
        self._written.clear()
        self._written_bytes = 0
        return data

    async def _begin(self, further: list[tuple[bytes, bytes]]) -> None:
        if self.has_begun:
            return
        self.has_begun = True
        headers = [
            (b"content-type", self.format.content_type.encode()),
            (b"content-encoding", self.encoding.encode()),
            (b"vary", b"accept, accept-encoding"),
            *further,
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})


def prefers_gzip(accept_encoding: str) -> bool:
    """Whether an answer may be compressed, and had better be."""
    qualities: dict[str, float] = {}
    for each in accept_encoding.lower().split(","):
        name, *parameters = (part.strip() for part in each.split(";"))
        qualities[name] = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                qualities[name] = _quality(parameter.removeprefix("q="))
    gzip = qualities.get("gzip", 0.0)
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
