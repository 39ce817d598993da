"""What a broker keeps when it is stopped, or killed, and started again."""

from collections.abc import Iterator
from typing import Any

import aio_pika
import amqpstorm
import pytest
from pamqp import commands
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

from interop.broker import Server
from interop.names import Names
from interop.restarting import killed, restart, stopped
from interop.scene import (
    EXCHANGE_TYPES,
    ONE_MB,
    QUEUE_ARGUMENTS,
    TWO_THOUSAND,
    Scene,
    all_properties,
    bodies,
    numbers,
    set_up,
)
from interop.storm import connected
from interop.waiting import run_async
from interop.wire import Wire

COUNTED = {
    "two thousand": TWO_THOUSAND,
    "mixed": 5,
    "consumed": 10,
    "got": 10,
    "acked": 1,
    "tx publish": 3,
    "tx ack": 2,
    "purged": 0,
    "durable": 0,
}


@pytest.fixture(scope="module", params=[stopped, killed])
def scene(request: pytest.FixtureRequest, server: Server) -> Iterator[Scene]:
    """Everything set up, the broker ended and started again."""
    with Names(server.broker) as names, Scene(server.broker, names) as scene:
        set_up(scene)
        restart(server, request.param)
        scene.look(list(COUNTED))
        yield scene


# Queues


def test_a_durable_queue_is_kept(scene: Scene) -> None:
    assert scene.has_queue("durable")


def test_a_transient_queue_is_gone(scene: Scene) -> None:
    assert not scene.has_queue("transient")


def test_a_durable_queue_is_still_durable(scene: Scene) -> None:
    assert scene.has_queue("durable")
    assert scene.refusal(lambda channel: channel.queue_declare(scene("durable"), durable=True)) is None
    assert scene.refusal(lambda channel: channel.queue_declare(scene("durable"), durable=False)) == 406


def test_a_queue_with_arguments_is_kept_and_may_be_declared_with_them_again(scene: Scene) -> None:
    def declare(channel: BlockingChannel) -> object:
        return channel.queue_declare(scene("arguments"), durable=True, arguments=QUEUE_ARGUMENTS)

    assert scene.has_queue("arguments")
    assert scene.refusal(declare) is None


def test_a_durable_queue_that_the_server_named_is_kept_with_its_message(scene: Scene) -> None:
    assert scene.server_named.startswith("amq.gen-")
    method, _properties, body = scene.after().basic_get(scene.server_named)
    assert method is not None
    assert body == b"kept"


def test_an_exclusive_queue_is_gone(scene: Scene) -> None:
    assert not scene.has_queue("exclusive")


def test_an_exclusive_durable_queue_is_gone_and_its_name_is_free(scene: Scene) -> None:
    assert not scene.has_queue("exclusive durable")
    declared = scene.after().queue_declare(scene("exclusive durable"), durable=True)
    assert declared.method.message_count == 0


def test_an_auto_delete_queue_that_never_had_a_consumer_keeps_its_messages(scene: Scene) -> None:
    assert bodies(scene.messages("auto-delete")) == numbers(0, 1, 2)


def test_a_kept_auto_delete_queue_goes_with_its_first_consumer(scene: Scene) -> None:
    channel = scene.after()
    tag = channel.basic_consume(scene("auto-delete for consumer"), lambda *_delivery: None)
    assert scene.has_queue("auto-delete for consumer")
    channel.basic_cancel(tag)
    assert not scene.has_queue("auto-delete for consumer")


def test_an_auto_delete_queue_whose_consumer_was_cancelled_is_gone(scene: Scene) -> None:
    assert not scene.has_queue("auto-delete cancelled")


def test_a_deleted_queue_stays_away(scene: Scene) -> None:
    assert not scene.has_queue("deleted")


def test_a_queue_deleted_at_the_last_moment_stays_away(scene: Scene) -> None:
    assert not scene.has_queue("deleted last")


def test_a_queue_deleted_and_declared_again_has_only_new_messages(scene: Scene) -> None:
    assert bodies(scene.messages("declared again")) == [b"new"]


def test_a_queue_deleted_and_declared_again_has_no_bindings(scene: Scene) -> None:
    assert not routed(scene, "of the deleted")


def test_a_durable_queue_declared_again_as_transient_is_gone(scene: Scene) -> None:
    assert not scene.has_queue("now transient")


def test_a_transient_queue_declared_again_as_durable_is_kept(scene: Scene) -> None:
    assert bodies(scene.messages("now durable")) == [b"0"]


# Exchanges


@pytest.mark.parametrize("type", EXCHANGE_TYPES)
def test_a_durable_exchange_is_kept_with_its_type(scene: Scene, type: str) -> None:
    assert scene.has_exchange(f"durable {type}")
    for other in EXCHANGE_TYPES:

        def declare(channel: BlockingChannel, other: str = other) -> object:
            return channel.exchange_declare(scene(f"durable {type}"), other, durable=True)

        assert scene.refusal(declare) == (None if other == type else 406)


@pytest.mark.parametrize("type", EXCHANGE_TYPES)
def test_a_transient_exchange_is_gone(scene: Scene, type: str) -> None:
    assert not scene.has_exchange(f"transient {type}")


def test_a_durable_exchange_is_still_durable(scene: Scene) -> None:
    def declare_as_transient(channel: BlockingChannel) -> object:
        return channel.exchange_declare(scene("durable direct"), "direct", durable=False)

    assert scene.has_exchange("durable direct")
    assert scene.refusal(declare_as_transient) == 406


def test_a_deleted_exchange_stays_away(scene: Scene) -> None:
    assert not scene.has_exchange("deleted exchange")


def test_an_exchange_deleted_and_declared_again_has_its_new_type_and_no_bindings(scene: Scene) -> None:
    def declare(channel: BlockingChannel) -> object:
        return channel.exchange_declare(scene("exchange again"), "direct", durable=True)

    assert scene.has_exchange("exchange again")
    assert scene.refusal(declare) is None
    assert scene.has_queue("of exchange again")
    assert not routed(scene, "exchange again")


def test_an_internal_exchange_still_refuses_what_clients_publish(scene: Scene) -> None:
    def publish(channel: BlockingChannel) -> None:
        channel.confirm_delivery()
        channel.basic_publish(scene("internal"), "", b"refused")

    assert scene.has_exchange("internal")
    assert scene.refusal(publish) == 403


def test_an_auto_delete_exchange_that_was_never_bound_is_kept(scene: Scene) -> None:
    assert scene.has_exchange("auto-delete never bound")


def test_an_auto_delete_exchange_bound_to_a_durable_queue_is_kept_with_its_binding(scene: Scene) -> None:
    assert scene.arrives("auto-delete bound", "key", "of auto-delete")


def test_an_alternate_exchange_still_gets_what_was_not_routed(scene: Scene) -> None:
    assert scene.arrives("has alternate", "anything", "of alternate")


def test_an_exchange_keeps_its_arguments(scene: Scene) -> None:
    def declare(arguments: dict[str, Any]) -> int | None:
        return scene.refusal(
            lambda channel: channel.exchange_declare(
                scene("has alternate"), "direct", durable=True, arguments=arguments
            )
        )

    assert scene.has_exchange("has alternate")
    assert declare({"alternate-exchange": scene("alternate")}) is None
    assert declare({"alternate-exchange": "amq.fanout"}) == 406
    assert declare({}) == 406


# Bindings


@pytest.mark.parametrize(
    ("type", "routing_key", "headers", "arrives"),
    [
        ("direct", "one", None, True),
        ("direct", "two", None, True),
        ("fanout", "", None, True),
        ("topic", "a.b", None, True),
        ("topic", "a.b.c.d", None, True),
        ("topic", "a", None, False),
        ("headers", "", {"number": 1, "text": "one"}, True),
        ("headers", "", {"number": 1}, False),
        ("headers", "", {"number": 2, "text": "one"}, False),
        ("headers", "", {"either": True}, True),
        ("headers", "", {"or": "this"}, True),
        ("headers", "", {"or": "that"}, False),
    ],
)
def test_a_binding_between_durable_ends_routes_as_before(
    scene: Scene, type: str, routing_key: str, headers: dict[str, Any] | None, arrives: bool
) -> None:
    assert scene.arrives(f"bound {type}", routing_key, f"to {type}", headers) is arrives


def test_the_default_exchange_routes_to_a_kept_queue(scene: Scene) -> None:
    channel = scene.after()
    channel.basic_publish("", scene("of alternate"), b"by its name")
    _method, _properties, body = channel.basic_get(scene("of alternate"), auto_ack=True)
    assert body == b"by its name"


def test_a_binding_between_durable_exchanges_is_kept(scene: Scene) -> None:
    assert scene.arrives("first exchange", "the.end", "to exchange")


def test_a_binding_from_a_transient_exchange_is_gone_when_that_is_declared_again(scene: Scene) -> None:
    scene.after().exchange_declare(scene("transient source"), "fanout")
    assert scene.has_queue("of transient source")
    assert not routed(scene, "transient source")


def test_a_binding_to_a_transient_queue_is_gone_when_that_is_declared_again(scene: Scene) -> None:
    scene.after().queue_declare(scene("transient end"))
    assert not routed(scene, "source of transient")


def test_a_binding_to_a_transient_exchange_is_gone_when_that_is_declared_again(scene: Scene) -> None:
    channel = scene.after()
    channel.exchange_declare(scene("transient exchange end"), "fanout")
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, scene("transient exchange end"))
    assert not routed(scene, "source of transient")
    channel.queue_delete(queue)


def test_what_was_unbound_stays_unbound(scene: Scene) -> None:
    assert not routed(scene, "unbound from", "removed")
    assert scene.arrives("unbound from", "kept", "unbound")


def test_exchanges_that_were_unbound_stay_unbound(scene: Scene) -> None:
    assert not routed(scene, "unbound from", "exchange")
    assert scene.arrives("unbound exchange", "", "unbound")


def test_a_mandatory_message_to_a_kept_exchange_without_bindings_comes_back(scene: Scene) -> None:
    channel = scene.after()
    channel.confirm_delivery()
    with pytest.raises(UnroutableError) as caught:
        channel.basic_publish(scene("durable topic"), "a.key", b"returned", mandatory=True)
    [returned] = caught.value.messages
    assert (returned.method.reply_code, returned.method.reply_text) == (312, "NO_ROUTE")
    assert returned.body == b"returned"


def routed(scene: Scene, exchange: str, routing_key: str = "") -> bool:
    """Whether a message to this exchange gets into any queue."""
    channel = scene.after()
    channel.confirm_delivery()
    try:
        channel.basic_publish(scene(exchange), routing_key, b"routed?", mandatory=True)
    except UnroutableError:
        return False
    return True


# Messages


@pytest.mark.parametrize("label", COUNTED)
def test_the_count_of_messages_is_right_at_once(scene: Scene, label: str) -> None:
    assert scene.counts_at_once[label] == COUNTED[label]


def test_2000_persistent_messages_keep_their_order(scene: Scene) -> None:
    assert bodies(scene.messages("two thousand")) == numbers(*range(TWO_THOUSAND))


def test_only_the_persistent_messages_of_a_queue_remain(scene: Scene) -> None:
    assert bodies(scene.messages("mixed")) == numbers(0, 2, 4, 6, 8)


def test_a_message_without_delivery_mode_is_gone(scene: Scene) -> None:
    assert scene.has_queue("without mode")
    assert scene.messages("without mode") == []


def test_a_persistent_message_in_a_transient_queue_is_gone_when_that_is_declared_again(
    scene: Scene, names: Names
) -> None:
    declared = scene.after().queue_declare(names.also_remove(scene("transient")))
    assert declared.method.message_count == 0


def test_an_empty_body_a_large_body_and_one_of_frame_ends_are_kept(scene: Scene) -> None:
    empty, large, ends = bodies(scene.messages("bodies"))
    assert empty == b""
    assert large == ONE_MB
    assert ends == b"\xce\x00" * 8


def test_a_message_acknowledged_in_one_queue_stays_in_the_other(scene: Scene) -> None:
    assert bodies(scene.messages("fanned out 1")) == numbers(1, 2)
    assert bodies(scene.messages("fanned out 2")) == numbers(0, 1, 2)


def test_every_property_and_every_type_of_header_comes_back_bit_for_bit(scene: Scene) -> None:
    with Wire(scene.broker) as wire:
        wire.ask(commands.Basic.Get(queue=scene("properties")), commands.Basic.GetOk)
        got_properties, got_body = wire.receive_content()
    assert got_properties == all_properties(scene.broker.username)
    assert got_body == b"body"


def test_what_amqpstorm_published_is_kept(scene: Scene) -> None:
    broker = scene.broker
    with (
        connected(broker) as connection,
        connection.channel() as channel,
    ):
        message = channel.basic.get(scene("amqpstorm"), no_ack=True)
        assert isinstance(message, amqpstorm.Message)
        assert message.body == "from AMQPStorm"
        assert message.properties["headers"] == {"key": "value"}
        assert channel.basic.get(scene("amqpstorm"), no_ack=True) is None


def test_aio_pika_consumes_what_was_kept(scene: Scene, names: Names) -> None:
    queue_name = names("copy")

    async def program() -> list[bytes]:
        async with await aio_pika.connect(scene.broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(queue_name, durable=True)
            await queue.bind(scene("bound fanout"))
            exchange = await channel.get_exchange(scene("bound fanout"))
            await exchange.publish(aio_pika.Message(b"through a kept exchange"), "")
            message = await queue.get()
            await message.ack()
            return [message.body]

    assert run_async(program()) == [b"through a kept exchange"]


# Deliveries


@pytest.mark.parametrize("label", ["consumed", "got"])
def test_unacknowledged_messages_are_back_in_their_places(scene: Scene, label: str) -> None:
    assert bodies(scene.messages(label)) == numbers(*range(10))


@pytest.mark.parametrize("label", ["consumed", "got"])
def test_unacknowledged_messages_are_marked_as_redelivered(scene: Scene, label: str) -> None:
    assert [message.redelivered for message in scene.messages(label)[:3]] == [True, True, True]


@pytest.mark.parametrize("scene", [stopped], indirect=True)
@pytest.mark.parametrize("label", ["consumed", "got"])
def test_after_a_stop_messages_never_delivered_are_not_marked_as_redelivered(
    scene: Scene, label: str
) -> None:
    assert [message.redelivered for message in scene.messages(label)[3:]] == [False] * 7


def test_what_was_acknowledged_between_others_leaves_them_in_their_places(scene: Scene) -> None:
    assert bodies(scene.messages("holes")) == numbers(1, 3, 5)
    assert [message.redelivered for message in scene.messages("holes")] == [True, True, True]


def test_requeued_messages_are_in_their_places(scene: Scene) -> None:
    assert bodies(scene.messages("requeued")) == numbers(0, 2, 4, 5)


def test_requeued_messages_are_marked_as_redelivered(scene: Scene) -> None:
    assert [message.redelivered for message in scene.messages("requeued")[:2]] == [True, True]


@pytest.mark.parametrize(
    ("label", "left"),
    [
        ("acked", [2]),
        ("acked together", [4]),
        ("acked by consumer", [2, 3]),
        ("rejected", [2]),
        ("auto-acked", [2]),
        ("auto-acked consumer", []),
    ],
)
def test_settled_messages_are_gone(scene: Scene, label: str, left: list[int]) -> None:
    assert scene.has_queue(label)
    assert bodies(scene.messages(label)) == numbers(*left)


def test_purged_messages_stay_away(scene: Scene) -> None:
    assert scene.has_queue("purged")
    assert scene.messages("purged") == []


def test_what_was_published_after_a_purge_is_kept(scene: Scene) -> None:
    assert bodies(scene.messages("purged and filled")) == [b"new"]


# Transactions


def test_only_committed_messages_are_there(scene: Scene) -> None:
    assert bodies(scene.messages("tx publish")) == numbers(0, 1, 2)


def test_acknowledgements_that_were_committed_hold(scene: Scene) -> None:
    assert bodies(scene.messages("tx ack")) == numbers(2, 3)


def test_acknowledgements_that_were_not_committed_do_not_hold(scene: Scene) -> None:
    assert bodies(scene.messages("tx ack uncommitted")) == numbers(0, 1, 2, 3)
    assert [message.redelivered for message in scene.messages("tx ack uncommitted")[:2]] == [True, True]
