"""What scraping itself takes: RabbitMQ's telemetry_* families."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric

from amqpd.prometheus.families import AGGREGATED


@dataclass(slots=True)
class _Sum:
    count: int = 0
    sum: float = 0

    def add(self, value: float) -> None:
        self.count += 1
        self.sum += value


class Telemetry:
    """Remembers how long answers have taken, and how large they were."""

    def __init__(self) -> None:
        self._durations_s: dict[tuple[str, str], _Sum] = {}
        self._sizes: dict[tuple[str, str], _Sum] = {}
        self._encoded_sizes: dict[tuple[str, str, str], _Sum] = {}

    def note(
        self, registry: str, content_type: str, encoding: str, took_s: float, size: int, encoded_size: int
    ) -> None:
        """One more answer has been given."""
        key = (registry, content_type)
        self._durations_s.setdefault(key, _Sum()).add(took_s)
        self._sizes.setdefault(key, _Sum()).add(size)
        self._encoded_sizes.setdefault((*key, encoding), _Sum()).add(encoded_size)

    def metrics(self, registry: str) -> Iterator[Metric]:
        """Those of one kind of answer; how large they were on their way only /metrics tells, of all (RabbitMQ 3.10)."""
        told = {key: total for key, total in self._durations_s.items() if key[0] == registry}
        yield _summary("telemetry_scrape_duration_seconds", "How long answers have taken.", told)
        told = {key: total for key, total in self._sizes.items() if key[0] == registry}
        yield _summary("telemetry_scrape_size_bytes", "How large answers were.", told)
        encoded = self._encoded_sizes if registry == AGGREGATED else {}
        yield _summary("telemetry_scrape_encoded_size_bytes", "How large answers were on their way.", encoded)


def _summary(
    name: str, help: str, sums: dict[tuple[str, str], _Sum] | dict[tuple[str, str, str], _Sum]
) -> Metric:
    metric = Metric(name, help, "summary")
    for key, total in sums.items():
        labels = dict(zip(("registry", "content_type", "encoding"), key, strict=False))
        metric.add_sample(f"{name}_count", labels, total.count)
        metric.add_sample(f"{name}_sum", labels, total.sum)
    return metric
