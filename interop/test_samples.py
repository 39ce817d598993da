"""How numbers were before, as the management API tells it to those that draw charts."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

import pika
import pytest

from interop.broker import Broker
from interop.management import Management, until
from interop.names import Names

MESSAGES = 7
RANGE = "&".join(
    f"{kind}_age=60&{kind}_incr=5" for kind in ("lengths", "msg_rates", "data_rates", "node_stats")
)


@pytest.fixture
def broker(management: Management) -> Broker:
    return management.broker


@pytest.fixture
def queue(broker: Broker, names: Names) -> Iterator[str]:
    """A queue with messages."""
    credentials = pika.PlainCredentials(broker.username, broker.password)
    connection = pika.BlockingConnection(
        pika.ConnectionParameters(broker.host, broker.port, "/", credentials)
    )
    channel = connection.channel()
    name = names("sampled")
    channel.queue_declare(name)
    for _number in range(MESSAGES):
        channel.basic_publish("", name, b"m")
    yield name
    connection.close()


def get(management: Management, path: str) -> Any:
    """What is there, with samples of the last minute."""
    broker = management.broker
    secret = base64.b64encode(f"{broker.username}:{broker.password}".encode()).decode()
    request = Request(f"{management.url}/api/{path}?{RANGE}", headers={"authorization": f"Basic {secret}"})
    with urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def newest(details: dict[str, Any]) -> int:
    """The newest sample."""
    sample: int = details.get("samples", [{"sample": 0}])[0]["sample"]
    return sample


def check(details: dict[str, Any]) -> None:
    """That details have samples of a minute, and what follows from them."""
    moments = [each["timestamp"] for each in details["samples"]]
    samples = [each["sample"] for each in details["samples"]]
    assert len(moments) == 13
    assert moments == list(range(moments[0], moments[0] - 60_001, -5_000))
    assert moments[0] % 5_000 == 0
    assert details["avg"] == pytest.approx(sum(samples) / 13)
    assert details["avg_rate"] == pytest.approx((samples[0] - samples[-1]) / 60)


def test_a_queue_and_its_vhost_have_samples_of_the_last_minute(management: Management, queue: str):
    path = f"queues/%2F/{quote(queue, safe='')}"
    told = until(
        lambda: get(management, path),
        lambda told: newest(told.get("message_stats", {}).get("publish_details", {})) == MESSAGES,
    )
    assert newest(told["messages_details"]) == told["messages"] == MESSAGES
    check(told["messages_details"])
    check(told["message_stats"]["publish_details"])
    overview = get(management, "overview")
    check(overview["queue_totals"]["messages_details"])
    check(overview["message_stats"]["publish_details"])
    check(get(management, "vhosts/%2F")["recv_oct_details"])
    check(get(management, "nodes")[0]["mem_used_details"])
