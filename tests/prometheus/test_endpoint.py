"""How the endpoint answers: paths, formats, compression, and others that have their turns meanwhile."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from pamqp import commands
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families

from amqpd.management.site import Machine, Site
from amqpd.prometheus import turns
from amqpd.prometheus.application import Application
from amqpd.testing import MemoryBroker
from tests.prometheus.conftest import Endpoint

OPENMETRICS = "application/openmetrics-text"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
"""What Prometheus 2.53 accepts."""

PER_OBJECT: dict[str, Any] = {
    "type": "http",
    "method": "GET",
    "path": "/metrics/per-object",
    "query_string": b"",
    "headers": [],
}
"""The scope of a request for everything apart."""


def declare(broker: MemoryBroker, count: int) -> None:
    peer = broker.connect()
    for number in range(count):
        peer.call(1, commands.Queue.Declare(queue=f"q{number}"))


# Paths


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/metrics/default", "/metrics?x=y"])
def test_the_sums_are_at_metrics(endpoint: Endpoint, path: str):
    answer = endpoint.call(path)
    assert answer.status == 200
    assert b"\nrabbitmq_queue_messages_ready 0.0\n" in answer.body


@pytest.mark.parametrize("path", ["/metrics/per-object", "/metrics/detailed", "/metrics/detailed/"])
def test_what_is_told_apart_has_paths_of_its_own(endpoint: Endpoint, path: str):
    answer = endpoint.call(path)
    assert answer.status == 200
    assert b"rabbitmq_build_info{" in answer.body
    assert b"\nrabbitmq_queue_messages_ready 0.0\n" not in answer.body


@pytest.mark.parametrize("path", ["/", "/api/overview", "/metricsx", "/metrics/detailed/x", "/metric", ""])
def test_there_is_nothing_anywhere_else(endpoint: Endpoint, path: str):
    answer = endpoint.call(path)
    assert (answer.status, answer.body) == (404, b'{"error":"Object Not Found","reason":"Not Found"}')


def test_an_unknown_registry_is_not_found_in_rabbitmqs_words(endpoint: Endpoint):
    answer = endpoint.call("/metrics/nothing")
    assert (answer.status, answer.body) == (404, b"Unknown Registry")
    assert answer.headers["content-type"] == "text/plain"


def test_only_get_reads(endpoint: Endpoint):
    assert endpoint.call(method="HEAD").status == 204
    assert endpoint.call(method="OPTIONS").status == 200
    for method in ("POST", "PUT", "DELETE", "NONSENSE"):
        answer = endpoint.call(method=method)
        assert (answer.status, answer.headers["allow"]) == (405, "HEAD, GET, OPTIONS")


@pytest.mark.parametrize(
    ("path", "asked"), [("/m/x", "/m/x"), ("/m/", "/m"), ("/", "/"), ("/m", "/m/detailed")]
)
def test_the_path_can_be_another(broker: MemoryBroker, path: str, asked: str):
    endpoint = Endpoint(broker, path=path)
    assert endpoint.call(asked).status == 200
    assert endpoint.call("/metrics").status == 404


# Formats


def test_the_oldest_text_format_is_called_what_rabbitmq_calls_it(endpoint: Endpoint):
    answer = endpoint.call()
    assert answer.headers["content-type"] == "text/plain; version=0.0.4"
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_prometheus_gets_openmetrics(endpoint: Endpoint):
    answer = endpoint.call(accept=PROMETHEUS)
    assert answer.headers["content-type"].startswith(f"{OPENMETRICS}; version=1.0.0")
    families = {family.name: family.type for family in openmetrics_families(answer.body.decode())}
    assert families["rabbitmq_connections_opened"] == "counter"
    assert families["rabbitmq_build_info"] == "unknown"
    assert answer.body.count(b"# EOF\n") == 1


@pytest.mark.parametrize("path", ["/metrics", "/metrics/per-object"])
def test_both_formats_say_the_same(endpoint: Endpoint, broker: MemoryBroker, path: str):
    declare(broker, 3)
    text = endpoint.families(path)
    answer = endpoint.call(path, accept=OPENMETRICS)
    for family in openmetrics_families(answer.body.decode()):
        if not family.name.startswith("telemetry_") and family.name != "rabbitmq_process_open_fds":
            assert family.samples == text[family.name].samples


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "text/plain; version=banana",
        f"{OPENMETRICS}; version=banana",
        f"{OPENMETRICS}; version=.",
        "a;b;c=;=,,;",
        "text/plain; version=" + "9" * 5000,
        "\xff",
    ],
)
def test_who_accepts_nonsense_gets_text(endpoint: Endpoint, accept: str):
    answer = endpoint.call(accept=accept)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")


def test_what_a_request_says_of_versions_is_not_remembered(endpoint: Endpoint):
    for number in range(2, 30):
        endpoint.call(accept=f"{OPENMETRICS}; version={number}.0.0")
    assert len(endpoint.values("telemetry_scrape_size_bytes_count")) == 1


# Compression


@pytest.mark.parametrize(
    ("accepted", "is_compressed"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.8, br", True),
        ("identity;q=0.5, gzip;q=1", True),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=0", False),
        ("gzip;q=x", False),
        ("br", False),
        ("*", False),
        ("", False),
        (";,;q=", False),
    ],
)
def test_an_answer_is_compressed_for_who_accepts_it(endpoint: Endpoint, accepted: str, is_compressed: bool):
    answer = endpoint.call(accept_encoding=accepted)
    assert answer.headers["content-encoding"] == ("gzip" if is_compressed else "identity")
    text = gzip.decompress(answer.body) if is_compressed else answer.body
    assert text.startswith(b"# HELP ")
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_a_long_answer_is_compressed_piece_by_piece(endpoint: Endpoint, broker: MemoryBroker):
    declare(broker, 1000)
    plain = endpoint.call("/metrics/detailed?family=queue_metrics")
    answer = endpoint.call("/metrics/detailed?family=queue_metrics", accept_encoding="gzip")
    names = [line for line in plain.body.splitlines() if b"queue_consumers{" in line]
    assert [
        line for line in gzip.decompress(answer.body).splitlines() if b"queue_consumers{" in line
    ] == names
    assert len(names) == 1000


# Others have their turns


def test_a_long_answer_comes_in_pieces_and_names_each_family_once(endpoint: Endpoint, broker: MemoryBroker):
    declare(broker, 1000)
    answer = endpoint.call("/metrics/per-object")
    assert answer.pieces > 10
    assert "content-length" not in answer.headers
    families = endpoint.families("/metrics/per-object")
    assert len(families["rabbitmq_queue_messages_ready"].samples) == 1000


async def turns_of_others(endpoint: Endpoint, path: str) -> int:
    """How often somebody else could do something while an answer was made."""
    count = 0

    async def do_something() -> None:
        nonlocal count
        while True:
            count += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(do_something())
    await endpoint.called(path)
    other.cancel()
    return count


@pytest.mark.parametrize("path", ["/metrics", "/metrics/per-object"])
def test_others_have_their_turn_whenever_one_has_been_long_enough(
    endpoint: Endpoint, broker: MemoryBroker, path: str, monkeypatch: pytest.MonkeyPatch
):
    declare(broker, 500)
    monkeypatch.setattr(turns, "LONGEST_S", 0.0)
    assert asyncio.run(turns_of_others(endpoint, path)) > 2 * 500


def test_those_who_ask_at_once_all_get_everything(
    endpoint: Endpoint, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
):
    declare(broker, 300)
    monkeypatch.setattr(turns, "LONGEST_S", 0.0)

    async def ask() -> list[Any]:
        return await asyncio.gather(*(endpoint.called("/metrics/per-object") for _number in range(5)))

    answers = asyncio.run(ask())
    assert [answer.body.count(b"rabbitmq_queue_consumers{") for answer in answers] == [300] * 5


def test_an_answer_that_nobody_waits_for_any_more_is_not_finished(endpoint: Endpoint, broker: MemoryBroker):
    declare(broker, 2000)
    pieces: list[Any] = []

    async def gone() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        pieces.append(message)
        await asyncio.sleep(0)

    asyncio.run(endpoint.application(PER_OBJECT, gone, send))
    assert len(pieces) == 2
    assert pieces[-1]["more_body"]
    # It is no longer in anybody's way.
    assert endpoint.call().status == 200


def test_who_is_cancelled_is_in_nobodys_way(
    endpoint: Endpoint, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
):
    declare(broker, 200)
    monkeypatch.setattr(turns, "LONGEST_S", 0.0)

    async def ask() -> int:
        for count in range(40):
            asking = asyncio.create_task(endpoint.called("/metrics/per-object"))
            other = asyncio.create_task(endpoint.called("/metrics/per-object"))
            for _turn in range(count * 7):
                await asyncio.sleep(0)
            asking.cancel()
            other.cancel()
            await asyncio.gather(asking, other, return_exceptions=True)
        return (await endpoint.called()).status

    assert asyncio.run(asyncio.wait_for(ask(), 60)) == 200


def test_more_than_some_at_once_have_to_come_again(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(turns, "LONGEST_S", 0.0)

    async def ask() -> list[int]:
        answers = await asyncio.gather(*(endpoint.called() for _number in range(20)))
        return sorted(answer.status for answer in answers)

    assert asyncio.run(ask()) == [200] * 16 + [503] * 4
    assert endpoint.call().status == 200


# Faults


def test_a_fault_is_an_answer_and_a_line_in_the_log(broker: MemoryBroker):
    def fail() -> int:
        raise RuntimeError("no idea")

    endpoint = Endpoint(broker)
    site = Site(broker.broker, broker.users, broker.parameters, Machine(memory_used_bytes=fail))
    endpoint.application = Application(site)
    assert endpoint.call().status == 500
    [(level, sentence, fields)] = broker.events.told
    assert (level, sentence, fields["path"]) == ("error", "internal error", "/metrics")
    assert "no idea" in str(fields["traceback"])
    assert endpoint.call("/metrics/detailed?family=queue_metrics").status == 200


# What scraping takes


def test_scrapes_are_counted_for_the_next_one(endpoint: Endpoint):
    size = len(endpoint.call().body)
    endpoint.call("/metrics/detailed", accept_encoding="gzip")
    plain = {"registry": "default", "content_type": "text/plain; version=0.0.4"}
    assert endpoint.value("telemetry_scrape_duration_seconds_count", **plain) == 1
    assert endpoint.value("telemetry_scrape_duration_seconds_count", **plain) == 2
    detailed = {**plain, "registry": "detailed", "encoding": "gzip"}
    assert endpoint.value("telemetry_scrape_encoded_size_bytes_count", **detailed) == 1
    assert endpoint.value("telemetry_scrape_size_bytes_sum", **plain) > 4 * size - 100
