"""Families as text, in the format that is asked for: as prometheus_client writes it, piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

PLAIN = "text/plain; version=0.0.4"
"""The oldest format as RabbitMQ names it; it is UTF-8 by definition."""

OPENMETRICS = "application/openmetrics-text"

END = b"# EOF\n"
"""What OpenMetrics ends with."""

HEADERS = 2
"""The lines that name a family: its help and its type."""


class _One(Collector):
    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


@dataclass(frozen=True, slots=True)
class Format:
    """A text format: what it is called, and how families are written."""

    content_type: str
    _encode: Callable[[Collector], bytes]

    def kind(self) -> str:
        """The same without what the request has put into it."""
        return OPENMETRICS if self.is_openmetrics() else PLAIN

    def is_openmetrics(self) -> bool:
        """Whether it is OpenMetrics, in whichever version."""
        return self.content_type.startswith(OPENMETRICS)

    def text(self, metric: Metric, with_name: bool) -> bytes:
        """A family, or with its name told already just more samples of it."""
        text = self._encode(_One(metric)).removesuffix(END)
        return text if with_name else text.split(b"\n", HEADERS)[HEADERS]

    def end(self) -> bytes:
        """What comes last."""
        return END if self.is_openmetrics() else b""


def format_for(accept: str) -> Format:
    """The format that a request accepts; the oldest, if it says nothing that can be understood."""
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # for a version that is no number
        encode, content_type = choose_encoder("")
    return Format(PLAIN if content_type == CONTENT_TYPE_PLAIN_0_0_4 else content_type, encode)
