"""What is counted, how fast it grows, and what the API tells of connections (RabbitMQ 3.10, observed)."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp import commands

from amqpd.clock import Timers
from amqpd.metrics.rates import Rates
from amqpd.testing import MemoryBroker, Peer
from amqpd.testing.clock import FakeClock
from tests.management.conftest import Api


@pytest.fixture
def peer(broker: MemoryBroker) -> Peer:
    """A client with a queue q."""
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q"))
    return peer


def stats(api: Api, path: str) -> dict[str, Any]:
    """The counts that are not 0."""
    told = api.get(path).get("message_stats", {})
    return {name: count for name, count in told.items() if isinstance(count, int) and count}


# Counts


def test_nothing_is_told_of_what_has_not_happened(api: Api, peer: Peer):
    for path in ("/queues/%2F/q", "/exchanges/%2F/amq.default", "/vhosts/%2F"):
        assert "message_stats" not in api.get(path)
    assert api.get("/overview")["message_stats"] == {}


def test_publishes_and_deliveries_are_counted_everywhere(api: Api, peer: Peer):
    peer.call(1, commands.Basic.Consume(queue="q", no_ack=True))
    for _number in range(3):
        peer.publish(1, "", "q", b"m")
    channel = api.get("/channels")[0]["name"].replace(" ", "%20")
    expected = {"publish": 3, "deliver_no_ack": 3, "deliver_get": 3}
    for path in ("/queues/%2F/q", f"/channels/{channel}", "/vhosts/%2F", "/overview"):
        assert stats(api, path) == expected
    assert stats(api, "/exchanges/%2F/amq.default") == {"publish_in": 3, "publish_out": 3}


def test_acknowledgements_confirms_and_redeliveries_are_counted(api: Api, peer: Peer):
    peer.call(1, commands.Confirm.Select())
    peer.publish(1, "", "q", b"a")
    peer.publish(1, "", "q", b"b")
    peer.call(1, commands.Basic.Consume(queue="q"))
    peer.send(1, commands.Basic.Nack(1, requeue=True))
    peer.send(1, commands.Basic.Ack(0, multiple=True))
    expected = {"publish": 2, "deliver": 3, "deliver_get": 3, "redeliver": 1, "ack": 2}
    assert stats(api, "/queues/%2F/q") == expected
    assert stats(api, "/overview") == {**expected, "confirm": 2}


@pytest.mark.parametrize("mode", [None, commands.Confirm.Select, commands.Tx.Select])
def test_every_way_of_publishing_and_acknowledging_is_counted_once(
    api: Api, peer: Peer, mode: type[Any] | None
):
    if mode is not None:
        peer.call(1, mode())
    peer.call(1, commands.Queue.Declare(queue="other"))
    for exchange, key in (("", "q"), ("amq.fanout", ""), ("", "q")):
        peer.publish(1, exchange, key, b"m")
        peer.call(1, commands.Queue.Bind(queue="q", exchange="amq.fanout"))
        peer.call(1, commands.Queue.Bind(queue="other", exchange="amq.fanout"))
    peer.publish(1, "amq.fanout", "", b"m")
    if mode is commands.Tx.Select:
        peer.call(1, commands.Tx.Commit())
    peer.call(1, commands.Basic.Consume(queue="q"))
    for tag in (1, 3, 2):
        peer.send(1, commands.Basic.Ack(tag))
    if mode is commands.Tx.Select:
        peer.call(1, commands.Tx.Commit())
    expected = {"publish": 4, "deliver": 4, "deliver_get": 4, "ack": 3}
    assert stats(api, "/queues/%2F/q") == expected
    assert stats(api, "/queues/%2F/other") == {"publish": 2}
    assert stats(api, "/exchanges/%2F/amq.fanout") == {"publish_in": 2, "publish_out": 4}
    confirms = {"confirm": 4} if mode is commands.Confirm.Select else {}
    assert stats(api, "/overview") == {**expected, **confirms}


def test_gets_are_counted_by_their_kind(api: Api, peer: Peer):
    peer.publish(1, "", "q", b"a")
    peer.publish(1, "", "q", b"b")
    for no_ack in (True, False, False):
        peer.send(1, commands.Basic.Get(queue="q", no_ack=no_ack))
    expected = {"publish": 2, "deliver_get": 2, "get": 1, "get_no_ack": 1, "get_empty": 1}
    assert stats(api, "/queues/%2F/q") == expected


def test_messages_without_a_queue_are_counted_by_what_becomes_of_them(api: Api, peer: Peer):
    peer.publish(1, "", "none", b"m")
    peer.publish(1, "", "none", b"m", mandatory=True)
    assert stats(api, "/overview") == {"publish": 2, "drop_unroutable": 1, "return_unroutable": 1}
    assert stats(api, "/exchanges/%2F/amq.default") == {"publish_in": 2}


def test_a_message_that_its_headers_lead_is_counted(api: Api, peer: Peer):
    arguments = {"x-match": "any", "k": "v"}
    peer.call(1, commands.Queue.Bind(queue="q", exchange="amq.headers", arguments=arguments))
    api.publish("", exchange="amq.headers", headers={"k": "v"})
    api.publish("", exchange="amq.headers", headers={"k": "other"})
    assert stats(api, "/exchanges/%2F/amq.headers") == {"publish_in": 2, "publish_out": 1}
    assert stats(api, "/queues/%2F/q")["publish"] == 1


def test_counts_outlive_their_consumers_and_channels(api: Api, peer: Peer):
    peer.call(1, commands.Basic.Consume(queue="q", no_ack=True, consumer_tag="c"))
    peer.publish(1, "", "q", b"m")
    peer.call(1, commands.Basic.Cancel("c"))
    assert stats(api, "/queues/%2F/q")["deliver_no_ack"] == 1
    peer.call(1, commands.Channel.Close(200, "", 0, 0))
    expected = {"publish": 1, "deliver_no_ack": 1, "deliver_get": 1}
    assert stats(api, "/overview") == expected
    assert stats(api, "/exchanges/%2F/amq.default")["publish_in"] == 1
    peer.disconnect()
    assert stats(api, "/vhosts/%2F") == expected


def test_counts_go_on_where_the_topology_changes(api: Api, peer: Peer):
    for number in range(3):
        peer.publish(1, "", "q", b"m")
        peer.call(1, commands.Queue.Declare(queue=f"other {number}"))
    assert stats(api, "/queues/%2F/q") == {"publish": 3}


def test_what_comes_and_goes_is_counted(api: Api, broker: MemoryBroker):
    peer = broker.connect(channels=2)
    for _time in range(2):
        peer.call(1, commands.Queue.Declare(queue="q"))
    peer.call(1, commands.Queue.Delete(queue="q"))
    peer.disconnect()
    churn = api.get("/overview")["churn_rates"]
    assert {name: count for name, count in churn.items() if isinstance(count, int)} == {
        "channel_closed": 2,
        "channel_created": 2,
        "connection_closed": 1,
        "connection_created": 1,
        "queue_created": 1,
        "queue_declared": 2,
        "queue_deleted": 1,
    }


# Lengths


def test_lengths_and_sizes_are_those_of_now(api: Api, peer: Peer):
    for body in (b"a", b"bb", b"ccc"):
        peer.publish(1, "", "q", body)
    peer.call(1, commands.Basic.Qos(prefetch_count=1))
    peer.call(1, commands.Basic.Consume(queue="q"))
    queue = api.get("/queues/%2F/q")
    assert (queue["messages"], queue["messages_ready"], queue["messages_unacknowledged"]) == (3, 2, 1)
    assert (queue["message_bytes"], queue["message_bytes_ready"]) == (6, 5)
    assert (queue["message_bytes_unacknowledged"], queue["consumers"]) == (1, 1)
    totals = api.get("/overview")["queue_totals"]
    assert (totals["messages"], totals["messages_ready"], totals["messages_unacknowledged"]) == (3, 2, 1)
    assert api.get("/vhosts/%2F")["messages"] == 3


def test_persistent_messages_are_told_apart(durable_api: Api):
    durable_api.put("/queues/%2F/d", {"durable": True})
    durable_api.publish("d", "kept", delivery_mode=2)
    durable_api.publish("d", "lost")
    queue = durable_api.get("/queues/%2F/d")
    assert (queue["messages"], queue["messages_persistent"]) == (2, 1)


@pytest.mark.parametrize("queue_type", ["classic", "quorum", "stream"])
def test_every_type_of_queue_has_rabbitmq_s_keys(api: Api, queue_type: str):
    api.put("/queues/%2F/q", {"durable": True, "arguments": {"x-queue-type": queue_type}})
    own = {
        "classic": {"backing_queue_status", "head_message_timestamp", "idle_since", "messages_paged_out"},
        "quorum": {
            "leader",
            "members",
            "online",
            "open_files",
            "messages_dlx",
            "single_active_consumer_ctag",
        },
        "stream": {"members", "online", "readers"},
    }
    common = {
        "name",
        "vhost",
        "type",
        "state",
        "node",
        "arguments",
        "consumers",
        "consumer_details",
        "incoming",
        "deliveries",
        "policy",
        "operator_policy",
        "effective_policy_definition",
        "garbage_collection",
        "memory",
        "messages_details",
    }
    assert common | own[queue_type] <= api.get("/queues/%2F/q").keys()


# Connections, channels, consumers


def test_a_connection_is_described_as_rabbitmq_does(api: Api, broker: MemoryBroker):
    peer = broker.peer().open(capabilities={"basic.nack": True})
    peer.open_channel(3)
    [connection] = api.get("/connections")
    assert connection["name"] == "memory:1 -> memory:0"
    assert (connection["peer_host"], connection["peer_port"], connection["port"]) == ("memory", 1, 0)
    assert (connection["user"], connection["vhost"], connection["channels"]) == ("guest", "/", 1)
    assert (connection["state"], connection["protocol"], connection["auth_mechanism"]) == (
        "running",
        "AMQP 0-9-1",
        "PLAIN",
    )
    assert connection["client_properties"]["capabilities"] == {"basic.nack": True}
    assert connection["recv_oct"] > 0
    assert connection["send_oct"] > 0
    assert connection["connected_at"] == int(broker.clock.unix_s() * 1000)
    assert api.get("/connections/memory:1%20-%3E%20memory:0")["name"] == connection["name"]
    assert [each["number"] for each in api.get("/connections/memory:1%20-%3E%20memory:0/channels")] == [3]


def test_a_connection_can_be_closed_with_a_reason(api: Api, peer: Peer):
    path = "/connections/memory:1%20-%3E%20memory:0"
    assert api.delete(path, headers={"x-reason": "enough"}) == 204
    close = peer.expect(0, commands.Connection.Close)
    assert (close.reply_code, close.reply_text) == (320, "CONNECTION_FORCED - enough")
    assert api.call("DELETE", path).status == 404


def test_all_connections_of_a_user_can_be_closed(api: Api, broker: MemoryBroker):
    peers = [broker.connect(), broker.connect()]
    assert len(api.get("/connections/username/guest")) == 2
    assert api.delete("/connections/username/guest") == 204
    for peer in peers:
        assert peer.expect(0, commands.Connection.Close).reply_text.endswith("Closed via management plugin")


def test_a_channel_tells_its_state(api: Api, peer: Peer):
    peer.call(1, commands.Basic.Qos(prefetch_count=7))
    peer.call(1, commands.Tx.Select())
    peer.publish(1, "", "q", b"m")
    [channel] = api.get("/channels")
    assert channel["name"] == "memory:1 -> memory:0 (1)"
    assert (channel["prefetch_count"], channel["transactional"], channel["confirm"]) == (7, True, False)
    assert channel["messages_uncommitted"] == 1


def test_consumers_are_listed_with_what_they_are_on(api: Api, peer: Peer):
    arguments = {"x-priority": 3}
    peer.call(1, commands.Basic.Qos(prefetch_count=2))
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="c", arguments=arguments))
    [consumer] = api.get("/consumers")
    assert consumer == api.get("/queues/%2F/q")["consumer_details"][0]
    assert (consumer["consumer_tag"], consumer["prefetch_count"], consumer["ack_required"]) == ("c", 2, True)
    assert (consumer["queue"], consumer["arguments"]) == ({"name": "q", "vhost": "/"}, arguments)
    assert consumer["channel_details"]["name"] == "memory:1 -> memory:0 (1)"
    assert api.get("/consumers/%2F") == [consumer]


# Rates


def test_a_rate_is_what_has_grown_since_somebody_looked(api: Api, peer: Peer, broker: MemoryBroker):
    peer.publish(1, "", "q", b"m")
    assert api.get("/queues/%2F/q")["message_stats"]["publish_details"] == {"rate": 0.0}
    for _number in range(10):
        peer.publish(1, "", "q", b"m")
    broker.advance(5)
    queue = api.get("/queues/%2F/q")
    assert queue["message_stats"]["publish_details"] == {"rate": 2.0}
    assert queue["messages_details"] == {"rate": 2.0}
    broker.advance(5)
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 0.0}


def test_who_looks_twice_at_once_sees_the_same_rate():
    clock = FakeClock()
    rates = Rates(Timers(clock))
    rates.of(("k",), (0,))
    clock.advance(2)
    assert rates.of(("k",), (10,)) == rates.of(("k",), (10,)) == [5.0]


def test_rates_can_be_begun_anew(api: Api, broker: MemoryBroker):
    api.put("/queues/%2F/q")
    api.get("/queues")
    api.publish("q")
    broker.advance(5)
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 0.2}
    assert api.delete("/reset") == 204
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 0.0}
    assert api.call("DELETE", "/reset/nope").status == 404


def test_rates_can_fall():
    clock = FakeClock()
    rates = Rates(Timers(clock))
    rates.of(("k",), (10,))
    clock.advance(2)
    assert rates.of(("k",), (0,)) == [-5.0]


def test_what_nobody_looks_at_is_forgotten_and_then_nothing_runs():
    clock = FakeClock()
    timers = Timers(clock)
    clock.drive(timers)
    rates = Rates(timers)
    rates.of(("k",), (1,))
    clock.advance(1000)
    assert (rates.size(), timers.waiting()) == (0, 0)


def test_a_queue_is_idle_since_it_was_seen_to_change(api: Api, peer: Peer, broker: MemoryBroker):
    api.get("/queues/%2F/q")
    broker.advance(10)
    peer.publish(1, "", "q", b"m")
    changed = api.get("/queues/%2F/q")["idle_since"]
    broker.advance(10)
    assert api.get("/queues/%2F/q")["idle_since"] == changed == "2023-11-14T22:13:30.000+00:00"
