"""What is counted, how fast it grows, and what the API tells of connections (RabbitMQ 3.10, observed)."""

from __future__ import annotations

from typing import Any

import pytest
from pamqp import commands

from amqpd.broker.broker import Broker
from amqpd.management.application import Application
from amqpd.management.rows import VHOST_COUNTS
from amqpd.management.site import Site
from amqpd.protocol.parameters import Encryption
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


def test_nothing_is_told_of_what_has_not_happened(api: Api):
    assert api.get("/overview")["message_stats"] == {}
    api.put("/queues/%2F/q")
    for path in ("/queues/%2F/q", "/exchanges/%2F/amq.default", "/vhosts/%2F"):
        assert "message_stats" not in api.get(path)
    disk = {"disk_reads", "disk_reads_details", "disk_writes", "disk_writes_details"}
    assert api.get("/overview")["message_stats"].keys() == disk
    api.publish("q")
    assert api.get("/queues/%2F/q")["message_stats"].keys() == {"publish", "publish_details"}


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


@pytest.mark.parametrize("exchange", ["amq.fanout", "amq.headers"])
def test_what_a_transaction_publishes_is_counted_when_it_commits(api: Api, peer: Peer, exchange: str):
    peer.call(1, commands.Queue.Bind(queue="q", exchange=exchange))
    peer.call(1, commands.Tx.Select())
    peer.publish(1, exchange, "", b"rolled back")
    peer.call(1, commands.Tx.Rollback())
    peer.publish(1, exchange, "", b"m")
    assert stats(api, "/overview") == {}
    peer.call(1, commands.Tx.Commit())
    assert stats(api, "/overview") == {"publish": 1}
    assert stats(api, f"/exchanges/%2F/{exchange}") == {"publish_in": 1, "publish_out": 1}
    assert stats(api, "/queues/%2F/q") == {"publish": 1}


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


def test_the_timestamp_of_a_queue_is_that_of_its_oldest_message(api: Api, peer: Peer):
    assert api.get("/queues/%2F/q")["head_message_timestamp"] is None
    for timestamp in (1000, 900, 1100):
        api.publish("q", timestamp=timestamp)
    api.publish("q")
    assert api.get("/queues/%2F/q")["head_message_timestamp"] == 1000
    peer.call(1, commands.Basic.Qos(prefetch_count=3))
    peer.call(1, commands.Basic.Consume(queue="q"))
    assert api.get("/queues")[0]["head_message_timestamp"] == 1000
    peer.send(1, commands.Basic.Ack(1))
    assert api.get("/queues/%2F/q")["head_message_timestamp"] == 900
    peer.send(1, commands.Basic.Ack(3, multiple=True))
    assert api.get("/queues/%2F/q")["head_message_timestamp"] is None


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


def test_what_a_connection_has_not_is_null_in_a_list_and_empty_where_it_is_alone(api: Api, peer: Peer):
    names = ("ssl_protocol", "ssl_cipher", "peer_cert_subject")
    assert [api.get("/connections")[0][name] for name in names] == [None, None, None]
    alone = api.get("/connections/memory:1%20-%3E%20memory:0")
    assert [alone[name] for name in names] == ["", "", ""]


def test_the_encryption_of_a_connection_is_told(api: Api, peer: Peer):
    words = ("tlsv1.3", "any", "aes_256_gcm", "aead", "CN=anna")
    peer.connection.peer.encryption = lambda: Encryption(*words)
    [connection] = api.get("/connections")
    names = ("ssl_protocol", "ssl_key_exchange", "ssl_cipher", "ssl_hash", "peer_cert_subject")
    assert (connection["ssl"], connection["peer_cert_validity"]) == (True, None)
    assert tuple(connection[name] for name in names) == words


def test_lists_of_queues_leave_out_what_takes_long_to_find(api: Api, peer: Peer):
    peer.call(1, commands.Queue.Declare(queue="mine", exclusive=True))
    [listed] = api.get("/queues?page=1&name=mine")["items"]
    alone = api.get("/queues/%2F/mine")
    assert alone["owner_pid_details"]["name"] == "memory:1 -> memory:0"
    further = {"owner_pid_details", "consumer_details", "deliveries", "incoming"}
    assert alone.keys() - listed.keys() == further


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


# Rates and samples

NOW_MS = 1_700_000_000_000


def ranged(*prefixes: str, age: int = 20, incr: int = 5) -> str:
    """A query for these ranges of time."""
    return "?" + "&".join(f"{prefix}_age={age}&{prefix}_incr={incr}" for prefix in prefixes)


def samples(details: dict[str, Any]) -> list[tuple[int, int]]:
    """Samples as they are told, and how many seconds after the beginning they are from."""
    return [(each["sample"], (each["timestamp"] - NOW_MS) // 1000) for each in details["samples"]]


def test_a_rate_is_that_of_the_last_five_seconds(api: Api, peer: Peer, broker: MemoryBroker):
    for _number in range(10):
        peer.publish(1, "", "q", b"m")
    queue = api.get("/queues/%2F/q")
    assert (queue["messages"], queue["messages_details"]) == (10, {"rate": 0.0})
    broker.advance(5)
    for _reading in range(2):
        queue = api.get("/queues/%2F/q")
        assert queue["message_stats"]["publish_details"] == {"rate": 2.0}
        assert queue["messages_details"] == {"rate": 2.0}
    api.call("DELETE", "/queues/%2F/q/contents")
    broker.advance(4)
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 2.0}
    broker.advance(1)
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": -2.0}
    broker.advance(5)
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 0.0}


def test_counts_are_those_of_now_and_samples_those_of_every_fifth_second(
    api: Api, peer: Peer, broker: MemoryBroker
):
    for _number in range(3):
        peer.publish(1, "", "q", b"m")
        broker.advance(5)
    peer.publish(1, "", "q", b"m")
    broker.advance(3)
    told = api.get("/exchanges/%2F/amq.default" + ranged("msg_rates"))["message_stats"]
    assert told["publish_in"] == 4
    assert told["publish_in_details"] == {
        "rate": 0.2,
        "samples": [
            {"sample": sample, "timestamp": NOW_MS + 1000 * second}
            for sample, second in ((3, 15), (2, 10), (1, 5), (0, 0), (0, -5))
        ],
        "avg_rate": 0.15,
        "avg": 1.2,
    }


def test_the_newest_sample_of_a_queue_s_lengths_is_that_of_now(api: Api, peer: Peer, broker: MemoryBroker):
    for _number in range(3):
        peer.publish(1, "", "q", b"m")
        broker.advance(4)
    queue = api.get("/queues/%2F/q" + ranged("lengths", "msg_rates"))
    assert samples(queue["messages_details"]) == [(3, 15), (3, 10), (2, 5), (0, 0), (0, -5)]
    assert samples(queue["message_stats"]["publish_details"]) == [(3, 10), (2, 5), (0, 0), (0, -5), (0, -10)]
    assert queue["messages_details"]["rate"] == queue["message_stats"]["publish_details"]["rate"] == 0.2
    [listed] = api.get("/queues" + ranged("lengths"))
    assert listed["messages_details"] == queue["messages_details"]


@pytest.mark.parametrize(
    ("path", "prefix", "names"),
    [
        ("/queues/%2F/q", "lengths", ("messages", "messages_ready", "messages_unacknowledged")),
        ("/queues/%2F/q", "msg_rates", ("message_stats.publish", "message_stats.deliver_get")),
        ("/queues/%2F/q", "data_rates", ("reductions",)),
        (
            "/exchanges/%2F/amq.default",
            "msg_rates",
            ("message_stats.publish_in", "message_stats.publish_out"),
        ),
        ("/channels/memory:1%20-%3E%20memory:0%20(1)", "msg_rates", ("message_stats.publish",)),
        ("/channels/memory:1%20-%3E%20memory:0%20(1)", "data_rates", ("reductions",)),
        ("/connections/memory:1%20-%3E%20memory:0", "data_rates", ("recv_oct", "send_oct", "reductions")),
        ("/vhosts/%2F", "msg_rates", ("messages", "message_stats.publish", "message_stats.deliver_get")),
        ("/vhosts/%2F", "data_rates", ("recv_oct", "send_oct")),
        ("/overview", "lengths", ("queue_totals.messages", "churn_rates.queue_declared")),
        ("/overview", "msg_rates", ("message_stats.publish", "message_stats.disk_reads")),
        ("/nodes/amqpd@localhost", "node_stats", ("mem_used", "fd_used", "gc_num", "channel_created")),
    ],
)
def test_each_range_is_for_its_own_numbers(
    api: Api, peer: Peer, broker: MemoryBroker, path: str, prefix: str, names: tuple[str, ...]
):
    peer.publish(1, "", "q", b"m")
    peer.send(1, commands.Basic.Get(queue="q", no_ack=True))
    peer.publish(1, "", "q", b"m")
    broker.advance(5)
    path = path.replace("amqpd@localhost", api.site.node)
    others = [each for each in ("lengths", "msg_rates", "data_rates", "node_stats") if each != prefix]
    with_samples, without = api.get(path + ranged(prefix)), api.get(path + ranged(*others))
    for name in names:
        *inside, last = name.split(".")
        details, others_details = with_samples, without
        for each in inside:
            details, others_details = details[each], others_details[each]
        assert len(details[f"{last}_details"]["samples"]) == 5, name
        assert "samples" not in others_details[f"{last}_details"], name
        number = details[last]
        if prefix != "node_stats":
            assert details[f"{last}_details"]["samples"][0]["sample"] == number, name


def test_long_ranges_are_told_by_minutes_hours_and_days(api: Api, peer: Peer, broker: MemoryBroker):
    for _minute in range(40):
        peer.publish(1, "", "q", b"m")
        broker.advance(60)
    # The beginning was 20 seconds after a whole minute.
    queue = api.get("/queues/%2F/q" + ranged("msg_rates", age=1200, incr=60))
    details = queue["message_stats"]["publish_details"]
    assert samples(details)[:3] == [(40, 2380), (39, 2320), (38, 2260)]
    assert (len(details["samples"]), details["rate"], details["avg_rate"]) == (21, 1 / 60, 1 / 60)
    broker.advance(3600 * 20)
    details = api.get("/overview" + ranged("msg_rates", age=86400, incr=1800))["message_stats"][
        "publish_details"
    ]
    assert {sample for sample, _second in samples(details)} == {0, 17, 40}
    assert len(details["samples"]) == 49


@pytest.mark.parametrize(
    "query",
    [
        "lengths_age=99999999999999999&lengths_incr=999999999999999",
        "lengths_age=999999999999999999999&lengths_incr=1",
        "lengths_age=60",
        "lengths_age=%2B60&lengths_incr=5.0",
        "lengths_age=1_0&lengths_incr=1",
        "lengths_age=%D9%A1&lengths_incr=1",
        "lengths_age=1&lengths_incr=99999",
        "lengths_age=500&lengths_incr=1",
    ],
)
def test_ranges_that_make_little_sense_do_no_harm(api: Api, peer: Peer, broker: MemoryBroker, query: str):
    peer.publish(1, "", "q", b"m")
    broker.advance(10)
    for path in ("/queues/%2F/q", "/queues", "/overview", "/vhosts"):
        api.get(f"{path}?{query}")


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/queues", "invalid_range_parameters"),
        ("/exchanges", "invalid_range_parameters"),
        ("/vhosts", "invalid_range_parameters"),
        ("/overview", "bad_request"),
        ("/queues/%2F/q", "bad_request"),
        ("/connections", "bad_request"),
        ("/channels", "bad_request"),
        ("/nodes", "bad_request"),
    ],
)
def test_ranges_that_make_no_sense_are_refused(api: Api, peer: Peer, path: str, error: str):
    answer = api.call("GET", f"{path}?msg_rates_age=501&msg_rates_incr=1")
    assert answer.error == (400, error, "Invalid range parameters: age 501, incr 1")
    for wrong in ("msg_rates_age=0&msg_rates_incr=1", "msg_rates_age=5&msg_rates_incr=-1"):
        assert api.call("GET", f"{path}?{wrong}").status == 400


def test_a_range_of_one_sample_has_no_average(api: Api, peer: Peer, broker: MemoryBroker):
    peer.publish(1, "", "q", b"m")
    broker.advance(10)
    details = api.get("/overview" + ranged("msg_rates", age=5, incr=10))["message_stats"]["publish_details"]
    assert details.keys() == {"rate", "samples"}


def test_the_history_of_a_deleted_queue_is_not_that_of_the_next_one(
    api: Api, peer: Peer, broker: MemoryBroker
):
    peer.publish(1, "", "q", b"m")
    broker.advance(5)
    for _time in range(2):
        peer.call(1, commands.Queue.Delete(queue="q"))
        peer.call(1, commands.Queue.Declare(queue="q"))
        broker.advance(5)
    [queue] = api.get("/queues" + ranged("lengths"))
    assert {sample for sample, _second in samples(queue["messages_details"])} == {0}
    assert samples(api.get("/overview" + ranged("lengths"))["queue_totals"]["messages_details"])[:3] == [
        (0, 15),
        (0, 10),
        (1, 5),
    ]


def test_totals_never_fall_when_channels_and_connections_end(api: Api, broker: MemoryBroker):
    api.put("/queues/%2F/q")
    for number in range(6):
        peer = broker.connect(channels=2)
        for channel in (1, 2):
            peer.publish(channel, "", "q", b"m")
        broker.advance(5 if number % 2 else 1)
        peer.call(2, commands.Channel.Close(200, "", 0, 0))
        peer.publish(1, "", "q", b"m")
        if number > 3:
            peer.disconnect()
    broker.advance(5)
    for path in ("/overview", "/vhosts/%2F"):
        told = api.get(path + ranged("msg_rates", "data_rates", age=40))
        counts = [sample for sample, _second in samples(told["message_stats"]["publish_details"])]
        assert told["message_stats"]["publish"] == counts[0] == 18
        assert counts == sorted(counts, reverse=True)
    octets = [sample for sample, _second in samples(told["recv_oct_details"])]
    assert told["recv_oct"] == octets[0] > 1000
    assert octets == sorted(octets, reverse=True)


def test_who_may_see_some_virtual_hosts_gets_the_sum_of_their_samples(
    api: Api, peer: Peer, broker: MemoryBroker
):
    api.put("/vhosts/other")
    api.put("/vhosts/third")
    api.add_user("manager", "management")
    broker.users.set_permissions("manager", "other", ".*", ".*", ".*")
    other = broker.peer().open(vhost="other")
    other.open_channel(1)
    other.call(1, commands.Queue.Declare(queue="q"))
    peer.publish(1, "", "q", b"m")
    broker.advance(5)
    for _number in range(2):
        other.publish(1, "", "q", b"m")
    broker.advance(5)
    told = api.get("/overview" + ranged("msg_rates", "lengths", age=10), user="manager")
    assert samples(told["message_stats"]["publish_details"]) == [(3, 10), (1, 5), (0, 0)]
    assert told["queue_totals"]["messages_details"]["rate"] == 0.4


class WorkingClock(FakeClock):
    """Time passes while something is done."""

    def monotonic_s(self) -> float:
        self._now_s += 1e-6
        return self._now_s


class WorkingBroker(MemoryBroker):
    """A broker with such a clock."""

    def make_broker(self) -> Broker:
        self.clock = WorkingClock()
        return super().make_broker()


def test_others_have_their_turns_while_many_queues_are_looked_at():
    broker = WorkingBroker()
    api, timers = Api(broker), broker.broker.timers
    peer = broker.connect()
    for number in range(1200):
        peer.send(1, commands.Queue.Declare(queue=f"q{number}", nowait=True))
    for number in (0, 1199):
        peer.publish(1, "", f"q{number}", b"m")
    broker.advance(5.5)
    before = api.site.sampling.tick
    broker.clock.release(timers)
    broker.clock.advance(5)
    turns = 0
    while api.site.sampling.tick == before:
        for number in (0, 1199):
            assert api.get(f"/queues/%2F/q{number}")["messages_details"] == {"rate": 0.2}
        timers.run_due()
        turns += 1
    assert turns > 4
    assert api.get("/queues/%2F/q0")["messages_details"] == {"rate": 0.0}
    broker.clock.drive(timers)


def test_totals_are_right_when_channels_end_while_they_are_looked_at():
    broker = WorkingBroker()
    api, timers = Api(broker), broker.broker.timers
    api.put("/queues/%2F/q")
    peers = [broker.connect(channels=5) for _number in range(60)]
    broker.clock.release(timers)
    for _round in range(4):
        for peer in peers:
            for channel in range(1, 6):
                peer.publish(channel, "", "q", b"m")
        before = api.site.sampling.tick
        broker.clock.advance(5)
        while api.site.sampling.tick == before:
            timers.run_due()
            if peers:
                peers.pop(len(peers) // 2).disconnect()
        history = api.site.sampling.all_vhosts
        assert history is not None
        published = VHOST_COUNTS.number("publish", history.last)
        assert published == api.get("/overview")["message_stats"]["publish"]
    broker.clock.drive(timers)


def test_a_queue_that_is_not_used_is_held_at_no_cost(api: Api, broker: MemoryBroker):
    for number in range(3):
        api.put(f"/queues/%2F/q{number}")
    api.publish("q1")
    broker.advance(60)
    queues = broker.broker.vhosts["/"].queues
    known = [api.site.sampling.queue(queues[f"q{number}"]) for number in range(3)]
    assert [history is None for history in known] == [True, False, True]


def test_rates_can_be_begun_anew(api: Api, broker: MemoryBroker):
    api.put("/queues/%2F/q")
    api.publish("q")
    broker.advance(5)
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 0.2}
    assert api.delete("/reset") == 204
    queue = api.get("/queues/%2F/q" + ranged("msg_rates"))
    assert (queue["messages"], queue["messages_details"]) == (1, {"rate": 0.0})
    broker.advance(5)
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 0.0}
    api.publish("q")
    broker.advance(5)
    assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 0.2}
    assert api.call("DELETE", "/reset/nope").status == 404


def test_what_was_there_when_the_api_began_has_not_come_then(broker: MemoryBroker):
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q"))
    for _number in range(10):
        peer.publish(1, "", "q", b"m")
    api = Api(broker)
    for _time in range(2):
        assert api.get("/queues/%2F/q")["messages_details"] == {"rate": 0.0}
        assert api.get("/overview")["queue_totals"]["messages_details"] == {"rate": 0.0}
        broker.advance(5)


def test_no_samples_are_taken_where_nobody_can_come_back_for_them(broker: MemoryBroker):
    site = Site(broker.broker, broker.users, broker.parameters, listening=[])
    waiting = broker.broker.timers.waiting()
    Application(site)
    assert broker.broker.timers.waiting() == waiting


def test_samples_are_where_the_calendar_has_them_also_when_it_was_moved(
    api: Api, peer: Peer, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
):
    peer.publish(1, "", "q", b"m")
    broker.advance(10)
    monkeypatch.setattr(broker.clock, "_started_unix_s", broker.clock.unix_s() + 3600 - 10)
    details = api.get("/overview" + ranged("msg_rates"))["message_stats"]["publish_details"]
    assert samples(details) == [(1, 3610), (1, 3605), (0, 3600), (0, 3595), (0, 3590)]


# Idle


def test_a_queue_is_idle_since_it_was_seen_to_change(api: Api, peer: Peer, broker: MemoryBroker):
    broker.advance(10)
    peer.publish(1, "", "q", b"m")
    assert "idle_since" not in api.get("/queues/%2F/q")
    broker.advance(5)
    assert "idle_since" not in api.get("/queues/%2F/q")
    broker.advance(5)
    assert api.get("/queues/%2F/q")["idle_since"] == "2023-11-14T22:13:35.000+00:00"
    broker.advance(3600)
    assert api.get("/queues/%2F/q")["idle_since"] == "2023-11-14T22:13:35.000+00:00"


def test_a_queue_that_was_never_used_is_idle_since_it_was_made(api: Api, broker: MemoryBroker):
    api.put("/queues/%2F/first")
    assert api.get("/queues/%2F/first")["idle_since"] == "2023-11-14T22:13:20.000+00:00"
    broker.advance(60)
    api.put("/queues/%2F/second")
    broker.advance(3600)
    assert api.get("/queues/%2F/first")["idle_since"] == "2023-11-14T22:13:25.000+00:00"
    assert api.get("/queues/%2F/second")["idle_since"] == "2023-11-14T22:14:25.000+00:00"


def test_a_channel_is_idle_since_it_was_seen_to_change(api: Api, peer: Peer, broker: MemoryBroker):
    broker.advance(20)
    peer.publish(1, "", "q", b"m")
    assert "idle_since" not in api.get("/channels")[0]
    broker.advance(10)
    assert api.get("/channels")[0]["idle_since"] == "2023-11-14T22:13:45.000+00:00"
