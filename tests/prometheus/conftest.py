"""The Prometheus endpoint of a broker in memory, called without a socket."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from amqpd.management.site import Machine, Site
from amqpd.prometheus.application import Application
from amqpd.testing import MemoryBroker


class Answer(NamedTuple):
    """An answer to a request."""

    status: int
    headers: dict[str, str]
    body: bytes
    pieces: int


class Endpoint:
    """Calls the endpoint, and lets the broker do what it has to meanwhile."""

    def __init__(self, broker: MemoryBroker, **options: Any) -> None:
        self.broker = broker
        self.machine = Machine(lambda: 111_000, lambda: 222_000, lambda: 333_000, lambda: 444_000)
        self.site = Site(broker.broker, broker.users, broker.parameters, self.machine)
        self.application = Application(self.site, **options)

    def call(self, path: str = "/metrics", method: str = "GET", **headers: str) -> Answer:
        """The answer to a request."""
        return asyncio.run(self.called(path, method, **headers))

    async def called(self, path: str = "/metrics", method: str = "GET", **headers: str) -> Answer:
        """The same in a loop that runs."""
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode("latin-1"),
            "headers": [
                (name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()
            ],
        }
        sent: list[Any] = []
        asked = [{"type": "http.request", "body": b"", "more_body": False}]

        async def receive() -> Any:
            return asked.pop() if asked else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)
            await asyncio.sleep(0)

        await self.application(scope, receive, send)
        assert not sent[-1].get("more_body", False)
        return Answer(
            sent[0]["status"],
            {name.decode(): value.decode() for name, value in sent[0]["headers"]},
            b"".join(message["body"] for message in sent[1:]),
            len(sent) - 1,
        )

    def families(self, path: str = "/metrics", **headers: str) -> dict[str, Metric]:
        """What prometheus_client's parser reads, by name."""
        answer = self.call(path, **headers)
        assert answer.status == 200
        families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
        assert len(families) == len(
            [line for line in answer.body.split(b"\n") if line.startswith(b"# TYPE ")]
        )
        return families

    def values(self, name: str, path: str = "/metrics") -> dict[tuple[tuple[str, str], ...], float]:
        """The values of a metric by its labels, in the order of their names."""
        return {
            tuple(sorted(sample.labels.items())): sample.value
            for family in self.families(path).values()
            for sample in family.samples
            if sample.name == name
        }

    def value(self, name: str, path: str = "/metrics", **labels: str) -> float:
        """The value of a metric with these labels and no others."""
        return self.values(name, path)[tuple(sorted(labels.items()))]


@pytest.fixture
def broker():
    return MemoryBroker()


@pytest.fixture
def endpoint(broker):
    return Endpoint(broker)
