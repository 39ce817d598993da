"""Direct reply-to: requests that are answered without a queue (RabbitMQ 3.10's, observed)."""

import pytest
from pamqp import commands
from pamqp.base import Frame as Method

from amqpd.testing import Content, MemoryBroker, Peer, Refusal
from amqpd.wire.fields import table_of
from amqpd.wire.properties import Properties

REPLY_TO = "amq.rabbitmq.reply-to"


@pytest.fixture
def server(other: Peer) -> Peer:
    """Whoever answers requests; they come to the queue "requests"."""
    other.call(1, commands.Queue.Declare(queue="requests"))
    return other


@pytest.fixture
def client(server: Peer, peer: Peer) -> Peer:
    """Waits for replies in channel 1."""
    assert wait_for_replies(peer) == "t"
    return peer


def wait_for_replies(peer: Peer, channel_id: int = 1) -> str:
    method = commands.Basic.Consume(queue=REPLY_TO, consumer_tag="t", no_ack=True)
    reply = peer.call(channel_id, method)
    assert isinstance(reply, commands.Basic.ConsumeOk)
    return reply.consumer_tag


def ask(client: Peer, channel_id: int = 1, body: bytes = b"request") -> None:
    client.publish(channel_id, "", "requests", body, Properties(reply_to=REPLY_TO))


def token_of(server: Peer, queue: str = "requests") -> str:
    """Where the next request wants its reply."""
    request = server.call(1, commands.Basic.Get(queue=queue, no_ack=True))
    assert isinstance(request, Content)
    return request.properties.reply_to or ""


def returned(peer: Peer) -> list[str]:
    return [each.method.reply_text for each in peer.contents(1) if each.method.name == "Basic.Return"]


def test_a_request_tells_where_its_reply_goes(client: Peer, server: Peer):
    ask(client)
    token = token_of(server)
    assert token.startswith(f"{REPLY_TO}.") and len(token) > len(REPLY_TO) + 20


def test_a_reply_comes_to_the_channel_that_asked(client: Peer, server: Peer):
    ask(client)
    token = token_of(server)
    server.publish(1, "", token, b"reply", Properties(correlation_id="7"))
    (reply,) = client.contents(1)
    assert (reply.body, reply.properties.correlation_id) == (b"reply", "7")
    assert dict(reply.method) == {
        "consumer_tag": "t",
        "delivery_tag": 1,
        "redelivered": False,
        "exchange": "",
        "routing_key": token,
    }


def test_each_channel_gets_its_own_replies(client: Peer, server: Peer):
    wait_for_replies(client, 2)
    ask(client, 1)
    ask(client, 2)
    first, second = token_of(server), token_of(server)
    server.publish(1, "", second, b"for 2")
    server.publish(1, "", first, b"for 1")
    assert (client.bodies(1), client.bodies(2)) == ([b"for 1"], [b"for 2"])


def test_a_request_may_be_answered_more_than_once(client: Peer, server: Peer):
    ask(client)
    token = token_of(server)
    for body in (b"1", b"2"):
        server.publish(1, "", token, body)
    assert client.bodies(1) == [b"1", b"2"]


def test_a_reply_is_routed_and_so_is_not_returned(client: Peer, server: Peer):
    """RabbitMQ 3.10 returns it though it delivers it."""
    ask(client)
    server.publish(1, "", token_of(server), b"reply", mandatory=True)
    assert returned(server) == []


def test_the_other_properties_of_a_request_stay_as_they_are(client: Peer, server: Peer):
    properties = Properties(
        content_type="a/b",
        headers=table_of({"x": 1}),
        delivery_mode=2,
        priority=3,
        correlation_id="c",
        reply_to=REPLY_TO,
        message_id="m",
        timestamp=7,
        type="t",
        app_id="a",
    )
    client.publish(1, "", "requests", b"request", properties)
    request = server.call(1, commands.Basic.Get(queue="requests", no_ack=True))
    received = request.properties.present()
    assert received.pop("reply_to") != REPLY_TO
    expected = properties.present()
    del expected["reply_to"]
    assert received == expected


def test_another_reply_to_is_nobodys_business(client: Peer, server: Peer):
    client.publish(1, "", "requests", b"", Properties(reply_to="my-queue"))
    assert token_of(server) == "my-queue"


# Refusals


def refusal(peer: Peer, method: Method) -> Refusal | None:
    peer.send(1, method)
    return peer.refusal()


def test_replies_cannot_be_acknowledged(peer: Peer):
    text = "PRECONDITION_FAILED - reply consumer cannot acknowledge"
    assert refusal(peer, commands.Basic.Consume(queue=REPLY_TO)) == Refusal("channel", 406, text, 60, 20)


def test_a_channel_has_one_consumer_of_replies(client: Peer):
    text = "PRECONDITION_FAILED - reply consumer already set"
    method = commands.Basic.Consume(queue=REPLY_TO, consumer_tag="other", no_ack=True)
    assert refusal(client, method) == Refusal("channel", 406, text, 60, 20)


def test_a_request_needs_a_consumer_of_replies_in_its_channel(client: Peer):
    ask(client, 2)
    text = "PRECONDITION_FAILED - fast reply consumer does not exist"
    assert client.refusal() == Refusal("channel", 406, text, 60, 40)


def test_an_exclusive_consumer_of_replies_is_one_like_any_other(peer: Peer, server: Peer):
    method = commands.Basic.Consume(queue=REPLY_TO, consumer_tag="t", no_ack=True, exclusive=True)
    assert isinstance(peer.call(1, method), commands.Basic.ConsumeOk)
    ask(peer)
    server.publish(1, "", token_of(server), b"reply")
    assert peer.bodies(1) == [b"reply"]


NOT_A_QUEUE = {
    "get": (lambda name: commands.Basic.Get(queue=name), 60, 70),
    "purge": (lambda name: commands.Queue.Purge(queue=name), 50, 30),
    "bind": (
        lambda name: commands.Queue.Bind(queue=name, exchange="amq.direct", routing_key="k"),
        50,
        20,
    ),
}


@pytest.mark.parametrize("use", NOT_A_QUEUE)
@pytest.mark.parametrize("name", [REPLY_TO, "token"])
def test_there_is_no_queue_of_that_name(client: Peer, server: Peer, use: str, name: str):
    ask(client)
    name = token_of(server) if name == "token" else name
    method, class_id, method_id = NOT_A_QUEUE[use]
    text = f"NOT_FOUND - no queue '{name}' in vhost '/'"
    assert refusal(server, method(name)) == Refusal("channel", 404, text, class_id, method_id)


def test_nobody_else_can_consume_from_a_token(client: Peer, server: Peer):
    ask(client)
    token = token_of(server)
    text = f"NOT_FOUND - no queue '{token}' in vhost '/'"
    method = commands.Basic.Consume(queue=token, no_ack=True)
    assert refusal(server, method) == Refusal("channel", 404, text, 60, 20)


@pytest.mark.parametrize("name", [REPLY_TO, "token"])
def test_what_is_no_queue_can_be_deleted_and_is_still_there(client: Peer, server: Peer, name: str):
    ask(client)
    token = token_of(server)
    reply = server.call(1, commands.Queue.Delete(queue=token if name == "token" else name))
    assert reply.message_count == 0
    server.publish(1, "", token, b"reply")
    assert client.bodies(1) == [b"reply"]


# Is the client still there?


@pytest.mark.parametrize("name", [REPLY_TO, "token"])
def test_a_token_can_be_asked_whether_its_client_waits(client: Peer, server: Peer, name: str):
    ask(client)
    token = token_of(server)
    name = token if name == "token" else name
    reply = server.call(1, commands.Queue.Declare(queue=name, passive=True))
    assert (reply.queue, reply.message_count, reply.consumer_count) == (name, 0, 1)


@pytest.mark.parametrize("name", [REPLY_TO, "token"])
def test_a_token_can_be_declared_which_changes_nothing(client: Peer, server: Peer, name: str):
    ask(client)
    token = token_of(server)
    name = token if name == "token" else name
    reply = server.call(1, commands.Queue.Declare(queue=name))
    assert (reply.queue, reply.message_count, reply.consumer_count) == (name, 0, 1)


@pytest.mark.parametrize("name", [f"{REPLY_TO}.bogus", f"{REPLY_TO}x"])
def test_an_invented_token_is_not_found(client: Peer, server: Peer, name: str):
    text = f"NOT_FOUND - no queue '{name}' in vhost '/'"
    method = commands.Queue.Declare(queue=name, passive=True)
    assert refusal(server, method) == Refusal("channel", 404, text, 50, 10)


ENDS = ["cancel", "channel", "connection", "stream"]


def end(client: Peer, way: str) -> None:
    if way == "cancel":
        client.call(1, commands.Basic.Cancel("t"))
    elif way == "channel":
        client.call(1, commands.Channel.Close(200, "", 0, 0))
    elif way == "connection":
        client.close()
    else:
        client.disconnect()


@pytest.mark.parametrize("way", ENDS)
def test_a_reply_to_who_is_gone_has_no_route(client: Peer, server: Peer, way: str):
    ask(client)
    token = token_of(server)
    end(client, way)
    server.publish(1, "", token, b"too late", mandatory=True)
    assert returned(server) == ["NO_ROUTE"]
    assert isinstance(server.call(1, commands.Basic.Qos()), commands.Basic.QosOk)


@pytest.mark.parametrize("way", ENDS)
def test_the_token_of_who_is_gone_is_not_found(client: Peer, server: Peer, way: str):
    ask(client)
    token = token_of(server)
    end(client, way)
    text = f"NOT_FOUND - no queue '{token}' in vhost '/'"
    method = commands.Queue.Declare(queue=token, passive=True)
    assert refusal(server, method) == Refusal("channel", 404, text, 50, 10)


@pytest.mark.parametrize("way", ENDS)
def test_a_reply_that_nobody_asked_to_hear_back_is_dropped_silently(client: Peer, server: Peer, way: str):
    ask(client)
    token = token_of(server)
    end(client, way)
    server.call(1, commands.Confirm.Select())
    server.publish(1, "", token, b"too late")
    assert [method.name for method in server.methods(1)] == ["Basic.Ack"]


def test_nothing_is_left_of_who_is_gone(broker: MemoryBroker, client: Peer, server: Peer):
    ask(client)
    end(client, "stream")
    assert broker.broker.vhosts["/"].reply_queues == {}


def test_who_waits_again_has_another_token(client: Peer, server: Peer):
    ask(client)
    end(client, "cancel")
    wait_for_replies(client)
    ask(client)
    old, new = token_of(server), token_of(server)
    server.publish(1, "", old, b"to the old one")
    server.publish(1, "", new, b"to the new one")
    assert old != new
    assert client.bodies(1) == [b"to the new one"]


def test_a_request_after_the_consumer_was_cancelled_is_refused(client: Peer):
    ask(client)
    end(client, "cancel")
    ask(client)
    text = "PRECONDITION_FAILED - fast reply consumer does not exist"
    assert client.refusal() == Refusal("channel", 406, text, 60, 40)


# Ways of a request


def test_a_request_that_dies_still_tells_where_its_reply_goes(client: Peer, server: Peer):
    arguments = table_of(
        {"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "requests"}
    )
    server.call(1, commands.Queue.Declare(queue="too-slow", arguments=arguments))
    client.publish(1, "", "too-slow", b"request", Properties(reply_to=REPLY_TO))
    token = token_of(server)
    server.publish(1, "", token, b"reply")
    assert client.bodies(1) == [b"reply"]


def test_a_request_that_an_alternate_exchange_takes_tells_where_its_reply_goes(client: Peer, server: Peer):
    arguments = table_of({"alternate-exchange": "amq.fanout"})
    server.call(1, commands.Exchange.Declare(exchange="e", exchange_type="direct", arguments=arguments))
    server.call(1, commands.Queue.Bind(queue="requests", exchange="amq.fanout"))
    client.publish(1, "e", "nowhere", b"request", Properties(reply_to=REPLY_TO))
    server.publish(1, "", token_of(server), b"reply")
    assert client.bodies(1) == [b"reply"]


def test_a_reply_that_dies_of_nothing_reaches_the_client_through_a_dead_letter_queue(
    client: Peer, server: Peer
):
    ask(client)
    token = token_of(server)
    arguments = table_of(
        {"x-message-ttl": 0, "x-dead-letter-exchange": "", "x-dead-letter-routing-key": token}
    )
    server.call(1, commands.Queue.Declare(queue="slow-replies", arguments=arguments))
    server.publish(1, "", "slow-replies", b"reply")
    assert client.bodies(1) == [b"reply"]


def test_a_request_in_a_transaction_goes_out_when_it_commits(client: Peer, server: Peer):
    client.call(1, commands.Tx.Select())
    ask(client)
    assert isinstance(server.call(1, commands.Basic.Get(queue="requests")), commands.Basic.GetEmpty)
    client.call(1, commands.Tx.Commit())
    server.publish(1, "", token_of(server), b"reply")
    assert client.bodies(1) == [b"reply"]


@pytest.mark.parametrize("passive", [False, True])
def test_a_queue_with_the_name_of_a_reply_address_that_is_none_is_not_found(client: Peer, passive: bool):
    client.send(1, commands.Queue.Declare(queue="amq.rabbitmq.reply-to.none", passive=passive))
    text = "NOT_FOUND - no queue 'amq.rabbitmq.reply-to.none' in vhost '/'"
    assert client.refusal() == Refusal("channel", 404, text, 50, 10)
