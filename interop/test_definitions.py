"""Definitions that amqpd has exported go into the broker under test, and what that exports goes into amqpd."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pika
import pytest

from interop.broker import Broker
from interop.management import Management, managed

DEFINITIONS = json.loads(Path(__file__).with_name("definitions.json").read_text())
VHOST = "interop-definitions"
USER, PASSWORD = "interop-anna", "secret"

Items = dict[str, list[Any]]


@pytest.fixture
def broker(management: Management) -> Broker:
    return management.broker


@pytest.fixture(scope="module")
def amqpd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Management]:
    """An amqpd that has the definitions."""
    process, management = managed(tmp_path_factory.mktemp("definitions"))
    process.start()
    try:
        management.call("POST", "definitions", DEFINITIONS)
        yield management
    finally:
        process.close()


@pytest.fixture
def target(management: Management) -> Iterator[Management]:
    """The broker under test, without what is imported into it."""
    forget(management)
    yield management
    forget(management)


def forget(management: Management) -> None:
    for path in (f"vhosts/{VHOST}", f"users/{USER}"):
        with suppress(HTTPError):
            management.call("DELETE", path)


def items_of(definitions: Any) -> Items:
    """What is in the virtual host, and the user."""
    return {
        kind: [item for item in definitions[kind] if is_ours(item)]
        for kind, items in DEFINITIONS.items()
        if isinstance(items, list) and items
    }


def is_ours(item: Any) -> bool:
    names = (item.get("vhost"), item.get("name"))
    return (VHOST in names or USER in names) and item.get("user", USER) == USER


def in_order(items: Items) -> Items:
    """RabbitMQ lists things in no order."""
    return {kind: sorted(each, key=written) for kind, each in items.items()}


def written(item: Any) -> str:
    return json.dumps(item, sort_keys=True)


def test_what_amqpd_exports_is_taken_and_told_the_same(amqpd: Management, target: Management) -> None:
    exported = amqpd.call("GET", "definitions")
    target.call("POST", "definitions", exported)
    assert in_order(items_of(exported)) == in_order(items_of(DEFINITIONS))
    assert in_order(items_of(target.call("GET", "definitions"))) == in_order(items_of(exported))


def test_one_virtual_host_can_be_taken_alone(amqpd: Management, target: Management) -> None:
    exported = amqpd.call("GET", f"definitions/{VHOST}")
    target.call("PUT", f"vhosts/{VHOST}", {})
    target.call("POST", f"definitions/{VHOST}", exported)
    told = target.call("GET", f"definitions/{VHOST}")
    for kind in ("queues", "exchanges", "bindings", "policies"):
        assert sorted(told[kind], key=written) == sorted(exported[kind], key=written)


def test_a_user_that_came_with_definitions_has_its_password(amqpd: Management, target: Management) -> None:
    target.call("POST", "definitions", amqpd.call("GET", "definitions"))
    broker = target.broker
    credentials = pika.PlainCredentials(USER, PASSWORD)
    parameters = pika.ConnectionParameters(broker.host, broker.port, VHOST, credentials)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.queue_declare("new", auto_delete=True)
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="access to queue"):
            channel.basic_get("new")


def test_what_the_broker_exports_goes_into_amqpd(amqpd: Management, target: Management) -> None:
    target.call("POST", "definitions", DEFINITIONS)
    exported = target.call("GET", "definitions")
    forget(amqpd)
    amqpd.call("POST", "definitions", items_of(exported))
    assert in_order(items_of(amqpd.call("GET", "definitions"))) == in_order(items_of(exported))
