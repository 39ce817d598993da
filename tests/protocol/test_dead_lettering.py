"""What becomes of messages that die: where they go, what they tell, and where they end (RabbitMQ 3.10's, observed)."""

from typing import Any

import pytest
from pamqp import commands

from amqpd.testing import Content, MemoryBroker, Peer
from amqpd.wire.fields import field_of, plain_table, table_of
from amqpd.wire.properties import Properties


@pytest.fixture
def peer(peer: Peer) -> Peer:
    """With a queue for the dead."""
    declare(peer, "dead")
    return peer


def declare(peer: Peer, queue: str, **arguments: object) -> None:
    """Underscores in the arguments' names stand for hyphens."""
    table = table_of({f"x-{key.replace('_', '-')}": value for key, value in arguments.items()})
    reply = peer.call(1, commands.Queue.Declare(queue=queue, arguments=table))
    assert isinstance(reply, commands.Queue.DeclareOk)


def declare_mortal(peer: Peer, queue: str = "q", **arguments: object) -> None:
    """A queue whose dead go to the queue "dead"."""
    declare(peer, queue, dead_letter_exchange="", dead_letter_routing_key="dead", **arguments)


def publish(peer: Peer, *bodies: str, to: str = "q", exchange: str = "", **properties: Any) -> None:
    for body in bodies:
        peer.publish(1, exchange, to, body.encode(), Properties(**properties))


def get(peer: Peer, queue: str = "q") -> Content:
    got = peer.call(1, commands.Basic.Get(queue=queue))
    assert isinstance(got, Content)
    return got


def reject(peer: Peer, queue: str = "q") -> None:
    peer.send(1, commands.Basic.Reject(get(peer, queue).method.delivery_tag, False))


def drained(peer: Peer, queue: str = "dead") -> list[Content]:
    found: list[Content] = []
    while isinstance(got := peer.call(1, commands.Basic.Get(queue=queue, no_ack=True)), Content):
        found.append(got)
    return found


def bodies(peer: Peer, queue: str = "dead") -> list[str]:
    return [each.body.decode() for each in drained(peer, queue)]


def headers(content: Content) -> dict[str, Any]:
    assert content.properties.headers is not None
    return plain_table(content.properties.headers)


def deaths(content: Content) -> list[tuple[str, str, int]]:
    """Queue, reason and count of each, the last death first."""
    return [(each["queue"], each["reason"], each["count"]) for each in headers(content)["x-death"]]


# Why


def dies(broker: MemoryBroker, peer: Peer, reason: str) -> None:
    """A message dies in the queue "q"."""
    if reason == "rejected":
        declare_mortal(peer)
        publish(peer, "m")
        reject(peer)
    elif reason == "expired":
        declare_mortal(peer, message_ttl=100)
        publish(peer, "m")
        broker.advance(0.1)
    else:
        declare_mortal(peer, max_length=0)
        publish(peer, "m")


@pytest.mark.parametrize("reason", ["rejected", "expired", "maxlen"])
def test_a_dead_message_tells_why_when_and_where_it_died(broker: MemoryBroker, peer: Peer, reason: str):
    dies(broker, peer, reason)
    (dead,) = drained(peer)
    assert headers(dead) == {
        "x-death": [
            {
                "count": 1,
                "reason": reason,
                "queue": "q",
                "time": int(broker.clock.unix_s()),
                "exchange": "",
                "routing-keys": ["q"],
            }
        ],
        "x-first-death-exchange": "",
        "x-first-death-queue": "q",
        "x-first-death-reason": reason,
    }
    assert (dead.method.exchange, dead.method.routing_key, dead.method.redelivered) == ("", "dead", False)


@pytest.mark.parametrize("method", ["nack", "reject"])
def test_only_a_refusal_without_requeue_is_a_death(peer: Peer, method: str):
    declare_mortal(peer)
    publish(peer, "1", "2")
    tags = [get(peer).method.delivery_tag for _ in range(2)]
    for tag, requeue in zip(tags, (True, False), strict=True):
        nack = commands.Basic.Nack(tag, False, requeue)
        peer.send(1, nack if method == "nack" else commands.Basic.Reject(tag, requeue))
    assert (bodies(peer), bodies(peer, "q")) == (["2"], ["1"])


def test_many_refused_at_once_die_in_order(peer: Peer):
    declare_mortal(peer)
    publish(peer, *"1234")
    for _ in range(3):
        get(peer)
    peer.send(1, commands.Basic.Nack(0, True, False))
    assert bodies(peer) == ["1", "2", "3"]


def test_messages_of_several_queues_refused_at_once_die_each_for_its_queue(peer: Peer):
    declare_mortal(peer, "a")
    declare_mortal(peer, "b")
    for queue in "abab":
        publish(peer, queue, to=queue)
        get(peer, queue)
    peer.send(1, commands.Basic.Nack(0, True, False))
    assert sorted((each.body.decode(), deaths(each)[0][0]) for each in drained(peer)) == [
        ("a", "a"),
        ("a", "a"),
        ("b", "b"),
        ("b", "b"),
    ]


def test_what_a_full_queue_refuses_is_dead_only_if_its_overflow_says_so(peer: Peer):
    peer.call(1, commands.Confirm.Select())
    declare_mortal(peer, "silent", max_length=0, overflow="reject-publish")
    declare_mortal(peer, "telling", max_length=0, overflow="reject-publish-dlx")
    for queue in ("silent", "telling"):
        publish(peer, queue, to=queue)
    assert [method.name for method in peer.methods(1)] == ["Basic.Nack", "Basic.Nack"]
    (dead,) = drained(peer)
    assert (dead.body, deaths(dead)) == (b"telling", [("telling", "maxlen", 1)])


@pytest.mark.parametrize("end", ["purge", "delete", "expire", "acknowledge", "requeue", "close"])
def test_there_are_ends_that_are_no_death(broker: MemoryBroker, peer: Peer, end: str):
    declare_mortal(peer, expires=100_000)
    publish(peer, "m", "n")
    tag = get(peer).method.delivery_tag
    if end == "purge":
        peer.call(1, commands.Queue.Purge(queue="q"))
    elif end == "delete":
        peer.call(1, commands.Queue.Delete(queue="q"))
    elif end == "expire":
        broker.advance(100)
    elif end == "acknowledge":
        peer.send(1, commands.Basic.Ack(tag))
    elif end == "requeue":
        peer.send(1, commands.Basic.Reject(tag, True))
    else:
        peer.call(1, commands.Channel.Close(200, "", 0, 0))
        peer.open_channel(1)
    assert bodies(peer) == []


def test_a_message_refused_after_its_queue_was_deleted_is_gone(peer: Peer):
    declare_mortal(peer)
    publish(peer, "m")
    tag = get(peer).method.delivery_tag
    peer.call(1, commands.Queue.Delete(queue="q"))
    peer.send(1, commands.Basic.Reject(tag, False))
    assert bodies(peer) == []


def test_a_message_refused_in_a_transaction_dies_when_it_commits(peer: Peer):
    declare_mortal(peer)
    publish(peer, "m")
    peer.call(2, commands.Tx.Select())
    got = peer.call(2, commands.Basic.Get(queue="q"))
    peer.send(2, commands.Basic.Reject(got.method.delivery_tag, False))
    assert bodies(peer) == []
    peer.call(2, commands.Tx.Commit())
    assert bodies(peer) == ["m"]


# Expiry


def test_a_message_in_a_clients_hands_dies_of_age_only_when_it_comes_back(broker: MemoryBroker, peer: Peer):
    declare_mortal(peer, message_ttl=200)
    publish(peer, "m")
    tag = get(peer).method.delivery_tag
    broker.advance(1)
    assert bodies(peer) == []
    peer.send(1, commands.Basic.Nack(tag, False, True))
    (dead,) = drained(peer)
    assert deaths(dead) == [("q", "expired", 1)]


def test_the_expiration_of_a_dead_message_is_kept_where_it_harms_no_more(broker: MemoryBroker, peer: Peer):
    declare_mortal(peer)
    publish(peer, "m", expiration="100", priority=4)
    broker.advance(0.1)
    broker.advance(60)
    (dead,) = drained(peer)
    assert headers(dead)["x-death"][0]["original-expiration"] == "100"
    assert (dead.properties.expiration, dead.properties.priority) == (None, 4)


def test_the_dead_expire_anew_where_they_go(broker: MemoryBroker, peer: Peer):
    declare_mortal(peer, "first", message_ttl=100)
    declare(peer, "waiting", message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="first")
    publish(peer, "m", to="waiting")
    broker.advance(1)
    assert bodies(peer) == []
    broker.advance(0.1)
    (dead,) = drained(peer)
    assert deaths(dead) == [("first", "expired", 1), ("waiting", "expired", 1)]


def test_messages_die_as_they_expire(broker: MemoryBroker, peer: Peer):
    declare_mortal(peer, message_ttl=1000)
    seen: list[list[str]] = []
    for number in range(3):
        publish(peer, str(number))
        broker.advance(0.4)
    for _ in range(3):
        seen.append(bodies(peer))
        broker.advance(0.4)
    assert seen == [["0"], ["1"], ["2"]]


def test_ten_thousand_that_expire_at_once_all_arrive(broker: MemoryBroker, peer: Peer):
    declare_mortal(peer, message_ttl=1000)
    frames = peer.publish_frames(1, "", "q", b"m")
    for _ in range(100):
        peer.send_bytes(frames * 100)
    broker.advance(1)
    queues = broker.broker.vhosts["/"].queues
    assert (queues["q"].ready(), queues["dead"].ready()) == (0, 10_000)


# Where to


def test_without_a_key_of_the_queue_the_dead_keep_theirs(peer: Peer):
    peer.call(1, commands.Queue.Bind(queue="dead", exchange="amq.topic", routing_key="a.#"))
    declare(peer, "q", dead_letter_exchange="amq.topic")
    peer.call(1, commands.Queue.Bind(queue="q", exchange="amq.direct", routing_key="a.b"))
    publish(peer, "m", exchange="amq.direct", to="a.b")
    reject(peer)
    (dead,) = drained(peer)
    assert (dead.method.exchange, dead.method.routing_key) == ("amq.topic", "a.b")
    assert headers(dead)["x-death"][0]["exchange"] == "amq.direct"


def test_the_dead_go_to_all_that_are_bound_once_each(peer: Peer):
    declare(peer, "also")
    for queue in ("dead", "also"):
        for key in ("q", "other"):
            peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout", routing_key=key))
    declare(peer, "q", dead_letter_exchange="amq.fanout")
    publish(peer, "m")
    reject(peer)
    assert (bodies(peer), bodies(peer, "also")) == (["m"], ["m"])


def test_copies_are_for_keys_of_their_own_only(peer: Peer):
    """CC is followed again unless the queue has a key for its dead, and then it is gone."""
    copy = table_of({"CC": ["copy"]})
    declare(peer, "copy")
    declare(peer, "keeps", dead_letter_exchange="amq.direct")
    declare(peer, "changes", dead_letter_exchange="amq.direct", dead_letter_routing_key="dead")
    for queue, key in (("dead", "dead"), ("copy", "copy")):
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.direct", routing_key=key))
    for queue in ("keeps", "changes"):
        publish(peer, queue, to=queue, headers=copy)
        drained(peer, "copy")
        reject(peer, queue)
    assert bodies(peer, "dead") == ["changes"]
    publish(peer, "keeps", to="keeps", headers=copy)
    drained(peer, "copy")
    reject(peer, "keeps")
    assert bodies(peer, "copy") == ["keeps"]


def test_an_exchange_for_the_dead_may_be_missing_and_may_come_later(peer: Peer):
    declare(peer, "q", dead_letter_exchange="later", dead_letter_routing_key="k")
    publish(peer, "1", "2")
    reject(peer)
    peer.call(1, commands.Exchange.Declare(exchange="later", exchange_type="fanout"))
    peer.call(1, commands.Queue.Bind(queue="dead", exchange="later"))
    reject(peer)
    assert bodies(peer) == ["2"]


def test_the_dead_that_no_queue_wants_are_gone(peer: Peer):
    declare(peer, "q", dead_letter_exchange="", dead_letter_routing_key="nowhere")
    publish(peer, "m")
    reject(peer)
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)
    assert bodies(peer, "q") == []


@pytest.mark.parametrize("end", ["channel", "connection"])
def test_what_ends_with_its_auto_delete_queue_does_not_die_first(broker: MemoryBroker, peer: Peer, end: str):
    arguments = table_of(
        {"x-max-length": 1, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    )
    peer.call(1, commands.Queue.Declare(queue="q", auto_delete=True, arguments=arguments))
    other = broker.peer().open()
    other.open_channel(1)
    other.call(1, commands.Basic.Qos(prefetch_count=1))
    other.call(1, commands.Basic.Consume(queue="q"))
    publish(peer, "in hand", "ready")
    if end == "channel":
        other.call(1, commands.Channel.Close(200, "", 0, 0))
    else:
        other.disconnect()
    assert bodies(peer) == []
    peer.send(1, commands.Queue.Declare(queue="q", passive=True))
    refusal = peer.refusal()
    assert refusal is not None and refusal.reply_code == 404


def test_an_alternate_exchange_takes_the_dead_that_no_queue_wants(peer: Peer):
    arguments = table_of({"alternate-exchange": "amq.fanout"})
    peer.call(1, commands.Exchange.Declare(exchange="e", exchange_type="direct", arguments=arguments))
    peer.call(1, commands.Queue.Bind(queue="dead", exchange="amq.fanout"))
    declare(peer, "q", dead_letter_exchange="e", dead_letter_routing_key="nowhere")
    publish(peer, "m")
    reject(peer)
    (dead,) = drained(peer)
    assert (dead.method.exchange, dead.method.routing_key) == ("e", "nowhere")


def test_an_internal_exchange_takes_the_dead(peer: Peer):
    method = commands.Exchange.Declare(exchange="e", exchange_type="fanout", internal=True)
    peer.call(1, method)
    peer.call(1, commands.Queue.Bind(queue="dead", exchange="e"))
    declare(peer, "q", dead_letter_exchange="e")
    publish(peer, "m")
    reject(peer)
    assert bodies(peer) == ["m"]


def test_a_policy_decides_when_a_message_dies_not_when_it_came(broker: MemoryBroker, peer: Peer):
    declare(peer, "q", message_ttl=1000)
    publish(peer, "m")
    queue = broker.broker.vhosts["/"].queues["q"]
    queue.apply_policy({"dead-letter-exchange": "", "dead-letter-routing-key": "dead"})
    broker.advance(1)
    assert bodies(peer) == ["m"]
    publish(peer, "n")
    queue.apply_policy(None)
    broker.advance(1)
    assert bodies(peer) == []


# To and fro


def test_a_message_that_dies_in_several_queues_tells_the_last_death_first(broker: MemoryBroker, peer: Peer):
    declare(peer, "a", dead_letter_exchange="", dead_letter_routing_key="b")
    declare(peer, "b", message_ttl=100, dead_letter_exchange="", dead_letter_routing_key="c")
    declare_mortal(peer, "c", max_length=0)
    publish(peer, "m", to="a")
    reject(peer, "a")
    broker.advance(0.1)
    (dead,) = drained(peer)
    assert deaths(dead)[0] == ("c", "maxlen", 1)
    assert sorted(deaths(dead)) == [("a", "rejected", 1), ("b", "expired", 1), ("c", "maxlen", 1)]
    first = headers(dead)
    assert (first["x-first-death-queue"], first["x-first-death-reason"]) == ("a", "rejected")


def test_a_rejected_message_may_come_back_for_ever_and_counts_it(peer: Peer):
    declare(peer, "q", dead_letter_exchange="", dead_letter_routing_key="q")
    publish(peer, "m")
    for _ in range(5):
        reject(peer)
    assert deaths(get(peer)) == [("q", "rejected", 5)]


def test_a_consumer_that_rejects_everything_gets_it_again(peer: Peer):
    declare(peer, "q", dead_letter_exchange="")
    peer.call(1, commands.Basic.Consume(queue="q", consumer_tag="t"))
    publish(peer, "m")
    for tag in range(1, 4):
        (delivered,) = peer.contents(1)
        assert (delivered.method.delivery_tag, delivered.method.redelivered) == (tag, False)
        peer.send(1, commands.Basic.Reject(tag, False))
    assert deaths(peer.contents(1)[0]) == [("q", "rejected", 3)]


@pytest.mark.parametrize("arguments", [{"message_ttl": 100}, {"max_length": 0}])
def test_a_message_that_would_come_back_by_itself_is_dropped(
    broker: MemoryBroker, peer: Peer, arguments: dict[str, int]
):
    declare(peer, "q", dead_letter_exchange="", **arguments)
    publish(peer, "m")
    broker.advance(1)
    assert bodies(peer, "q") == []
    assert "dead letters dropped: they went in a circle" in broker.events.sentences()


def test_a_longer_circle_ends_where_it_began(broker: MemoryBroker, peer: Peer):
    declare(peer, "a", message_ttl=100, dead_letter_exchange="", dead_letter_routing_key="b")
    declare(peer, "b", message_ttl=100, dead_letter_exchange="", dead_letter_routing_key="a")
    publish(peer, "m", to="a")
    broker.advance(0.1)
    assert broker.broker.vhosts["/"].queues["b"].ready() == 1
    broker.advance(10)
    assert (bodies(peer, "a"), bodies(peer, "b")) == ([], [])


def test_a_circle_with_a_way_out_goes_only_there(broker: MemoryBroker, peer: Peer):
    declare(peer, "q", message_ttl=100, dead_letter_exchange="amq.fanout")
    for queue in ("q", "dead"):
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    publish(peer, "m")
    broker.advance(10)
    assert (bodies(peer, "q"), bodies(peer)) == ([], ["m"])


def test_retries_with_a_pause_go_on_as_a_consumer_has_a_hand_in_them(broker: MemoryBroker, peer: Peer):
    declare(peer, "work", dead_letter_exchange="", dead_letter_routing_key="pause")
    declare(peer, "pause", message_ttl=1000, dead_letter_exchange="", dead_letter_routing_key="work")
    publish(peer, "m", to="work")
    for _ in range(3):
        reject(peer, "work")
        broker.advance(1)
    counts = sorted(deaths(get(peer, "work")))
    assert counts == [("pause", "expired", 3), ("work", "rejected", 3)]


def test_full_queues_that_push_each_others_dead_out_come_to_an_end(broker: MemoryBroker, peer: Peer):
    """What was rejected once may go round: without an end, where every death pushes another message out."""
    rejected = table_of({"x-death": [{"queue": "elsewhere", "reason": "rejected"}]})
    for queue, other in ("ab", "ba"):
        declare(peer, queue, max_length=1, dead_letter_exchange="", dead_letter_routing_key=other)
    publish(peer, "1", "3", to="a", headers=rejected)
    assert broker.broker.vhosts["/"].queues["b"].ready() == 1
    publish(peer, "2", to="b", headers=rejected)
    assert [len(bodies(peer, queue)) for queue in "ab"] == [1, 1]
    assert "dead letters dropped: they went in a circle" in broker.events.sentences()
    publish(peer, "4", "5", to="a", headers=rejected)
    assert (bodies(peer, "a"), bodies(peer, "b")) == (["5"], ["4"])


# Full queues of the dead


def test_the_dead_push_out_the_oldest_of_a_full_queue_of_the_dead(peer: Peer):
    declare(peer, "few", max_length=1)
    declare(peer, "q", max_length=0, dead_letter_exchange="", dead_letter_routing_key="few")
    publish(peer, "1", "2")
    assert bodies(peer, "few") == ["2"]


@pytest.mark.parametrize("overflow", ["reject-publish", "reject-publish-dlx"])
def test_the_dead_that_a_full_queue_refuses_are_gone(peer: Peer, overflow: str):
    peer.call(1, commands.Confirm.Select())
    declare(peer, "few", max_length=1, overflow=overflow)
    declare(peer, "q", max_length=0, dead_letter_exchange="", dead_letter_routing_key="few")
    publish(peer, "1", "2")
    assert bodies(peer, "few") == ["1"]
    assert {method.name for method in peer.methods(1)} == {"Basic.Ack"}


def test_the_dead_can_die_again_of_a_full_queue_of_the_dead(peer: Peer):
    declare_mortal(peer, "few", max_length=1)
    declare(peer, "q", max_length=0, dead_letter_exchange="", dead_letter_routing_key="few")
    publish(peer, "1", "2", "3")
    assert bodies(peer) == ["1", "2"]
    assert [deaths(each) for each in drained(peer, "few")] == [[("q", "maxlen", 1)]]


def test_many_that_die_in_a_chain_of_full_queues_all_arrive(peer: Peer):
    for number in range(50):
        declare(
            peer,
            f"chain{number}",
            max_length=0,
            dead_letter_exchange="",
            dead_letter_routing_key="dead" if number == 49 else f"chain{number + 1}",
        )
    publish(peer, *map(str, range(20)), to="chain0")
    dead = drained(peer)
    assert [each.body.decode() for each in dead] == [str(number) for number in range(20)]
    assert len(headers(dead[0])["x-death"]) == 50


# A queue that ends


def test_a_queue_deleted_while_its_message_is_rejected_into_it_is_gone(peer: Peer):
    declare(peer, "q", dead_letter_exchange="")
    publish(peer, "m")
    tag = get(peer).method.delivery_tag
    frames = [commands.Queue.Delete(queue="q", nowait=True), commands.Basic.Reject(tag, False)]
    for method in frames:
        peer.send(1, method)
    assert isinstance(peer.call(1, commands.Basic.Qos()), commands.Basic.QosOk)
    peer.call(1, commands.Queue.Declare(queue="q"))
    assert bodies(peer, "q") == []


def test_dead_letters_to_a_consumer_of_the_dead_arrive_at_once(broker: MemoryBroker, peer: Peer):
    declare_mortal(peer, message_ttl=100)
    peer.call(2, commands.Basic.Consume(queue="dead", consumer_tag="t", no_ack=True))
    publish(peer, "1", "2")
    broker.advance(0.1)
    assert peer.bodies(2) == [b"1", b"2"]


# What is kept


def test_properties_headers_and_a_large_body_outlive_a_death(peer: Peer):
    declare_mortal(peer)
    body = bytes(range(256)) * 2000
    properties = Properties(
        content_type="a/b",
        content_encoding="gzip",
        headers=table_of({"b": [1, {"c": None}], "a": "text"}),
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        reply_to="r",
        message_id="m",
        timestamp=7,
        type="t",
        user_id="guest",
        app_id="a",
        cluster_id="z",
    )
    peer.publish(1, "", "q", body, properties)
    reject(peer)
    (dead,) = drained(peer)
    expected, found = properties.present(), dead.properties.present()
    del expected["headers"], found["headers"]
    assert (dead.body, found) == (body, expected)
    assert {key: headers(dead)[key] for key in "ab"} == {"b": [1, {"c": None}], "a": "text"}


def test_an_x_death_that_is_no_list_begins_anew(peer: Peer):
    declare_mortal(peer)
    publish(peer, "m", headers={"x-death": field_of("nonsense")})
    reject(peer)
    (dead,) = drained(peer)
    assert deaths(dead) == [("q", "rejected", 1)]


def test_a_death_leaves_the_copies_in_other_queues_as_they_were(peer: Peer):
    declare_mortal(peer)
    declare(peer, "other")
    for queue in ("q", "other"):
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    publish(peer, "m", exchange="amq.fanout", to="k")
    reject(peer)
    (copy,) = drained(peer, "other")
    assert (copy.properties.headers, copy.method.exchange, copy.method.routing_key) == (
        None,
        "amq.fanout",
        "k",
    )


def test_what_dies_at_once_comes_after_the_same_message_in_other_queues(peer: Peer):
    """It does not overtake the copy of a queue that the exchange leads to as well."""
    declare_mortal(peer, max_length=0)
    for queue in ["q", "dead"]:
        peer.call(1, commands.Queue.Bind(queue=queue, exchange="amq.fanout"))
    publish(peer, "1", exchange="amq.fanout")
    assert [each.properties.headers is None for each in drained(peer)] == [True, False]
