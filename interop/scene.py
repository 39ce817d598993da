"""What is set up before a broker ends, and what a client finds when it is back.

A Scene gives every queue and exchange a name by its label. The functions at the end set up one matter each;
the tests in test_restart.py say what is left of it.
"""

import contextlib
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import amqpstorm
import pika
from pamqp import commands
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from interop.broker import Broker
from interop.names import Names
from interop.restarting import AFTER_THE_CONFIRMS_S
from interop.storm import connected
from interop.waiting import pump_until
from interop.wire import Wire, content

TWO_THOUSAND = 2000
ONE_MB = bytes(index % 251 for index in range(1_000_000))
EXCHANGE_TYPES = ["direct", "fanout", "topic", "headers"]
QUEUE_ARGUMENTS = {
    "x-max-length": 1000,
    "x-max-length-bytes": 10_000_000,
    "x-overflow": "reject-publish",
    "x-message-ttl": 3_600_000,
    "x-expires": 3_600_000,
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": "nowhere",
}


@dataclass(frozen=True)
class Got:
    """A message as basic.get returned it."""

    body: bytes
    redelivered: bool
    properties: pika.BasicProperties


def bodies(messages: list[Got]) -> list[bytes]:
    return [message.body for message in messages]


def numbers(*which: int) -> list[bytes]:
    return [b"%d" % number for number in which]


class Scene:
    """Names and connections of before the end, and one connection of after it."""

    def __init__(self, broker: Broker, names: Names) -> None:
        self.broker = broker
        self._names = names
        self._given: dict[str, str] = {}
        self._opened: list[pika.BlockingConnection] = []
        self._after: pika.BlockingConnection | None = None
        self._drained: dict[str, list[Got]] = {}
        self.counts_at_once: dict[str, int] = {}
        self.server_named = ""

    def __call__(self, label: str) -> str:
        """Return the name with this label; the same each time."""
        if label not in self._given:
            self._given[label] = self._names(label)
        return self._given[label]

    def __enter__(self) -> "Scene":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._after is not None and self._after.is_open:
            self._after.channel().queue_delete(self.server_named)
            self._after.close()
        for connection in self._opened:
            with contextlib.suppress(AMQPError, OSError):  # what the end of the broker has cut off
                connection.close()

    # Before the end

    def connect(self) -> pika.BlockingConnection:
        """Open a connection that stays open until the broker ends."""
        self._opened.append(pika.BlockingConnection(pika.URLParameters(self.broker.url)))
        return self._opened[-1]

    def channel(self) -> BlockingChannel:
        """A channel in confirm mode on a connection of its own."""
        channel = self.connect().channel()
        channel.confirm_delivery()
        return channel

    def publish(
        self, channel: BlockingChannel, label: str, body: bytes, persistent: bool = True, **properties: Any
    ) -> None:
        """Publish to the queue with this label; in confirm mode, return when it is confirmed."""
        mode = 2 if persistent else 1
        channel.basic_publish("", self(label), body, pika.BasicProperties(delivery_mode=mode, **properties))

    def fill(self, channel: BlockingChannel, label: str, count: int, **declared: Any) -> str:
        """Declare a durable queue with the persistent messages 0, 1, ..., and return its name."""
        channel.queue_declare(self(label), durable=True, **declared)
        for number in range(count):
            self.publish(channel, label, b"%d" % number)
        return self(label)

    # After it

    def look(self, labels: list[str]) -> None:
        """Connect, and note how many messages these queues are said to have."""
        self._after = pika.BlockingConnection(pika.URLParameters(self.broker.url))
        channel = self._after.channel()
        for label in labels:
            declared = channel.queue_declare(self(label), passive=True)
            self.counts_at_once[label] = declared.method.message_count

    def after(self) -> BlockingChannel:
        """A channel opened after the end."""
        assert self._after is not None, "the broker has not been restarted"
        return self._after.channel()

    def has_queue(self, label: str) -> bool:
        return self._found(lambda channel: channel.queue_declare(self(label), passive=True))

    def has_exchange(self, label: str) -> bool:
        return self._found(lambda channel: channel.exchange_declare(self(label), passive=True))

    def refusal(self, ask: Callable[[BlockingChannel], object]) -> int | None:
        """Return the reply code that closed the channel, None if it was not."""
        channel = self.after()
        try:
            ask(channel)
        except ChannelClosedByBroker as closed:
            reply_code: int = closed.reply_code
            return reply_code
        channel.close()
        return None

    def messages(self, label: str) -> list[Got]:
        """Take everything out of a queue; later calls return the same."""
        if label not in self._drained:
            self._drained[label] = self._take_all(self(label))
        return self._drained[label]

    def arrives(
        self, exchange: str, routing_key: str, queue: str, headers: dict[str, Any] | None = None
    ) -> bool:
        """Whether a message to this exchange is in this queue when it is confirmed."""
        channel = self.after()
        channel.confirm_delivery()
        body = f"{exchange} {routing_key} {headers}".encode()
        channel.basic_publish(self(exchange), routing_key, body, pika.BasicProperties(headers=headers))
        return body in bodies(self._take_all(self(queue)))

    def _take_all(self, name: str) -> list[Got]:
        channel = self.after()
        taken: list[Got] = []
        while True:
            method, properties, body = channel.basic_get(name, auto_ack=True)
            if method is None or properties is None or body is None:
                return taken
            taken.append(Got(body, method.redelivered, properties))

    def _found(self, ask: Callable[[BlockingChannel], object]) -> bool:
        code = self.refusal(ask)
        assert code in (None, 404), code
        return code is None


# Queues


def declared_queues(scene: Scene) -> None:
    channel = scene.channel()
    channel.queue_declare(scene("durable"), durable=True)
    channel.queue_declare(scene("arguments"), durable=True, arguments=QUEUE_ARGUMENTS)
    channel.queue_declare(scene("transient"))
    scene.publish(channel, "transient", b"persistent")
    scene.server_named = channel.queue_declare("", durable=True).method.queue
    channel.basic_publish("", scene.server_named, b"kept", pika.BasicProperties(delivery_mode=2))


def exclusive_queues(scene: Scene) -> None:
    channel = scene.channel()
    channel.queue_declare(scene("exclusive"), exclusive=True)
    scene.fill(channel, "exclusive durable", 1, exclusive=True)


def auto_delete_queues(scene: Scene) -> None:
    channel = scene.channel()
    scene.fill(channel, "auto-delete", 3, auto_delete=True)
    scene.fill(channel, "auto-delete for consumer", 3, auto_delete=True)
    scene.fill(channel, "auto-delete cancelled", 1, auto_delete=True)
    tag = channel.basic_consume(scene("auto-delete cancelled"), lambda *_delivery: None)
    channel.basic_cancel(tag)


def deleted_queues(scene: Scene) -> None:
    channel = scene.channel()
    channel.queue_delete(scene.fill(channel, "deleted", 3))
    channel.queue_bind(scene.fill(channel, "declared again", 3), "amq.fanout")
    channel.exchange_declare(scene("of the deleted"), "fanout", durable=True)
    channel.queue_bind(scene("declared again"), scene("of the deleted"))
    channel.queue_delete(scene("declared again"))
    channel.queue_declare(scene("declared again"), durable=True)
    scene.publish(channel, "declared again", b"new")
    channel.queue_delete(scene.fill(channel, "now transient", 1))
    channel.queue_declare(scene("now transient"))
    channel.queue_declare(scene("now durable"))
    channel.queue_delete(scene("now durable"))
    scene.fill(channel, "now durable", 1)


# Exchanges


def declared_exchanges(scene: Scene) -> None:
    channel = scene.channel()
    for kind in EXCHANGE_TYPES:
        channel.exchange_declare(scene(f"durable {kind}"), kind, durable=True)
        channel.exchange_declare(scene(f"transient {kind}"), kind)
    channel.exchange_declare(scene("deleted exchange"), "direct", durable=True)
    channel.exchange_delete(scene("deleted exchange"))
    channel.exchange_declare(scene("exchange again"), "fanout", durable=True)
    channel.queue_declare(scene("of exchange again"), durable=True)
    channel.queue_bind(scene("of exchange again"), scene("exchange again"))
    channel.exchange_delete(scene("exchange again"))
    channel.exchange_declare(scene("exchange again"), "direct", durable=True)
    channel.exchange_declare(scene("internal"), "fanout", durable=True, internal=True)


def auto_delete_exchanges(scene: Scene) -> None:
    channel = scene.channel()
    for label in ("auto-delete never bound", "auto-delete bound"):
        channel.exchange_declare(scene(label), "direct", durable=True, auto_delete=True)
    channel.queue_declare(scene("of auto-delete"), durable=True)
    channel.queue_bind(scene("of auto-delete"), scene("auto-delete bound"), "key")


def alternate_exchanges(scene: Scene) -> None:
    channel = scene.channel()
    channel.exchange_declare(scene("alternate"), "fanout", durable=True)
    channel.queue_declare(scene("of alternate"), durable=True)
    channel.queue_bind(scene("of alternate"), scene("alternate"))
    channel.exchange_declare(
        scene("has alternate"), "direct", durable=True, arguments={"alternate-exchange": scene("alternate")}
    )


# Bindings


def bindings(scene: Scene) -> None:
    channel = scene.channel()
    for kind in EXCHANGE_TYPES:
        channel.exchange_declare(scene(f"bound {kind}"), kind, durable=True)
        channel.queue_declare(scene(f"to {kind}"), durable=True)
    channel.queue_bind(scene("to direct"), scene("bound direct"), "one")
    channel.queue_bind(scene("to direct"), scene("bound direct"), "two")
    channel.queue_bind(scene("to fanout"), scene("bound fanout"))
    channel.queue_bind(scene("to topic"), scene("bound topic"), "a.*.#")
    for match, headers in {
        "all": {"x-match": "all", "number": 1, "text": "one"},
        "any": {"x-match": "any", "either": True, "or": "this"},
    }.items():
        channel.queue_bind(scene("to headers"), scene("bound headers"), match, headers)
    channel.exchange_declare(scene("first exchange"), "topic", durable=True)
    channel.exchange_declare(scene("second exchange"), "direct", durable=True)
    channel.exchange_bind(scene("second exchange"), scene("first exchange"), "#.end")
    channel.queue_declare(scene("to exchange"), durable=True)
    channel.queue_bind(scene("to exchange"), scene("second exchange"), "the.end")


def bindings_with_a_transient_end(scene: Scene) -> None:
    channel = scene.channel()
    channel.exchange_declare(scene("transient source"), "fanout")
    channel.queue_declare(scene("of transient source"), durable=True)
    channel.queue_bind(scene("of transient source"), scene("transient source"))
    channel.exchange_declare(scene("source of transient"), "fanout", durable=True)
    channel.queue_declare(scene("transient end"))
    channel.queue_bind(scene("transient end"), scene("source of transient"))
    channel.exchange_declare(scene("transient exchange end"), "fanout")
    channel.exchange_bind(scene("transient exchange end"), scene("source of transient"))


def removed_bindings(scene: Scene) -> None:
    channel = scene.channel()
    channel.exchange_declare(scene("unbound from"), "direct", durable=True)
    channel.exchange_declare(scene("unbound exchange"), "fanout", durable=True)
    channel.queue_declare(scene("unbound"), durable=True)
    for key in ("removed", "kept"):
        channel.queue_bind(scene("unbound"), scene("unbound from"), key)
    channel.queue_unbind(scene("unbound"), scene("unbound from"), "removed")
    channel.exchange_bind(scene("unbound exchange"), scene("unbound from"), "exchange")
    channel.exchange_unbind(scene("unbound exchange"), scene("unbound from"), "exchange")
    channel.queue_bind(scene("unbound"), scene("unbound exchange"))


# Messages


def two_thousand_messages(scene: Scene) -> None:
    scene.channel().queue_declare(scene("two thousand"), durable=True)
    with Wire(scene.broker) as wire:
        wire.ask(commands.Confirm.Select(), commands.Confirm.SelectOk)
        publish = commands.Basic.Publish(routing_key=scene("two thousand"))
        delivery_mode_2 = b"\x10\x00\x02"
        for number in range(TWO_THOUSAND):
            wire.send(publish, content(1, delivery_mode_2, b"%d" % number))
        wire.receive_confirms(TWO_THOUSAND)


def messages(scene: Scene) -> None:
    channel = scene.channel()
    channel.queue_declare(scene("mixed"), durable=True)
    for number in range(10):
        scene.publish(channel, "mixed", b"%d" % number, persistent=number % 2 == 0)
    channel.queue_declare(scene("without mode"), durable=True)
    channel.basic_publish("", scene("without mode"), b"no delivery_mode")
    channel.queue_declare(scene("bodies"), durable=True)
    for body in (b"", ONE_MB, b"\xce\x00" * 8):
        scene.publish(channel, "bodies", body)
    for label in ("fanned out 1", "fanned out 2"):
        channel.queue_declare(scene(label), durable=True)
        channel.exchange_declare(scene("fans out"), "fanout", durable=True)
        channel.queue_bind(scene(label), scene("fans out"))
    persistent = pika.BasicProperties(delivery_mode=2)
    for number in range(3):
        channel.basic_publish(scene("fans out"), "", b"%d" % number, persistent)
    acked, _properties, _body = channel.basic_get(scene("fanned out 1"))
    assert acked is not None
    channel.basic_ack(acked.delivery_tag)


def text(octets: bytes) -> bytes:
    return bytes([len(octets)]) + octets


def long(octets: bytes) -> bytes:
    return struct.pack(">I", len(octets)) + octets


def table(fields: dict[str, bytes]) -> bytes:
    return long(b"".join(text(name.encode()) + value for name, value in fields.items()))


TIMESTAMP = b"T" + struct.pack(">Q", 1_700_000_000)
DEATH = b"F" + table(
    {
        "count": b"l" + struct.pack(">q", 2),
        "reason": b"S" + long(b"rejected"),
        "queue": b"S" + long(b"a queue"),
        "time": TIMESTAMP,
        "exchange": b"S" + long(b""),
        "routing-keys": b"A" + long(b"S" + long(b"a key")),
    }
)
# Every type of field that RabbitMQ knows, as octets: a client would decide on some of them itself.
FIELDS = {
    "true": b"t\x01",
    "false": b"t\x00",
    "int8": b"b\x80",
    "uint8": b"B\xff",
    "int16": b"s\x80\x00",
    "uint16": b"u\xff\xff",
    "int32": b"I\x80\x00\x00\x00",
    "uint32": b"i\xff\xff\xff\xff",
    "int64": b"l\x80" + bytes(7),
    "small int64": b"l" + bytes(7) + b"\x01",
    "float": b"f" + struct.pack(">f", 1.1),
    "double": b"d" + struct.pack(">d", -1.1),
    "decimal": b"D\x02" + struct.pack(">I", 12345),
    "text": b"S" + long("æøå 𝄞".encode()),
    "octets": b"x" + long(b"\x00\xff\xce"),
    "long text": b"S" + long(b"x" * 70_000),
    "timestamp": TIMESTAMP,
    "void": b"V",
    "empty array": b"A" + long(b""),
    "array": b"A" + long(b"I\x00\x00\x00\x01" + b"S" + long(b"two") + b"V" + b"A" + long(b"t\x01")),
    "empty table": b"F" + table({}),
    "table": b"F" + table({"a": b"F" + table({"b": b"s\x00\x01"})}),
    "x-death": b"A" + long(DEATH),
    "x-first-death-queue": b"S" + long(b"a queue"),
}


def all_properties(username: str) -> bytes:
    """All 14 properties, encoded, with all types of fields in the headers."""
    values = [
        text(b"application/json; charset=utf-8"),
        text(b"identity"),
        table(FIELDS),
        b"\x02",  # delivery_mode
        b"\xc8",  # priority
        text(b"a correlation"),
        text(b"a reply queue"),
        text(b"3600000"),  # expiration
        text("a message id, æ".encode()),
        TIMESTAMP[1:],
        text(b"a type"),
        text(username.encode()),
        text(b"an application"),
        text(b"a cluster"),
    ]
    return b"\xff\xfc" + b"".join(values)


def properties(scene: Scene) -> None:
    scene.channel().queue_declare(scene("properties"), durable=True)
    with Wire(scene.broker) as wire:
        wire.ask(commands.Confirm.Select(), commands.Confirm.SelectOk)
        publish = commands.Basic.Publish(routing_key=scene("properties"))
        wire.send(publish, content(1, all_properties(scene.broker.username), b"body"))
        wire.receive_confirms(1)


# Deliveries


def hold(channel: BlockingChannel, name: str, count: int) -> list[int]:
    """Consume from a queue until count deliveries are here, unacknowledged; return their tags."""
    tags: list[int] = []
    channel.basic_qos(prefetch_count=count)
    channel.basic_consume(name, lambda _channel, method, *_content: tags.append(method.delivery_tag))
    pump_until(channel.connection, lambda: len(tags) == count)
    return tags


def get(channel: BlockingChannel, name: str, count: int) -> list[int]:
    """Take messages with basic.get, unacknowledged; return their tags."""
    tags = []
    for _ in range(count):
        method, _properties, _body = channel.basic_get(name)
        assert method is not None
        tags.append(method.delivery_tag)
    return tags


def unacknowledged(scene: Scene) -> None:
    channel = scene.channel()
    hold(channel, scene.fill(channel, "consumed", 10), 3)
    channel = scene.channel()
    get(channel, scene.fill(channel, "got", 10), 3)
    tags = get(channel, scene.fill(channel, "holes", 6), 6)
    for number in (0, 2, 4):
        channel.basic_ack(tags[number])
    channel.basic_nack(tags[5], requeue=True)


def requeued(scene: Scene) -> None:
    channel = scene.channel()
    tags = get(channel, scene.fill(channel, "requeued", 6), 4)
    channel.basic_nack(tags[2], requeue=True)
    channel.basic_nack(tags[0], requeue=True)
    for number in (1, 3):
        channel.basic_ack(tags[number])
    channel.queue_declare(scene("requeued"), passive=True)


def settled(scene: Scene) -> None:
    channel = scene.channel()
    for tag in get(channel, scene.fill(channel, "acked", 3), 2):
        channel.basic_ack(tag)
    channel.basic_ack(get(channel, scene.fill(channel, "acked together", 5), 4)[-1], multiple=True)
    for tag in get(channel, scene.fill(channel, "rejected", 3), 2):
        channel.basic_reject(tag, requeue=False)
    channel.basic_get(scene.fill(channel, "auto-acked", 3), auto_ack=True)
    channel.basic_get(scene("auto-acked"), auto_ack=True)
    consumer = scene.channel()
    arrived: list[bytes] = []
    consumer.basic_consume(
        scene.fill(channel, "auto-acked consumer", 3),
        lambda _channel, _method, _properties, body: arrived.append(body),
        auto_ack=True,
    )
    pump_until(consumer.connection, lambda: len(arrived) == 3)
    consumer_of_acks = scene.channel()
    for tag in hold(consumer_of_acks, scene.fill(channel, "acked by consumer", 4), 2):
        consumer_of_acks.basic_ack(tag)
    consumer_of_acks.queue_declare(scene("acked by consumer"), passive=True)
    channel.queue_declare(scene("acked"), passive=True)


def transactions(scene: Scene) -> None:
    committed = scene.connect().channel()
    committed.tx_select()
    scene.fill(committed, "tx publish", 3)
    scene.fill(committed, "tx ack", 0)
    scene.fill(committed, "tx ack uncommitted", 0)
    for number in range(4):
        scene.publish(committed, "tx ack", b"%d" % number)
        scene.publish(committed, "tx ack uncommitted", b"%d" % number)
    committed.tx_commit()
    for tag in get(committed, scene("tx ack"), 2):
        committed.basic_ack(tag)
    committed.tx_commit()
    open_ended = scene.connect().channel()
    open_ended.tx_select()
    scene.publish(open_ended, "tx publish", b"never committed")
    for tag in get(open_ended, scene("tx ack uncommitted"), 2):
        open_ended.basic_ack(tag)
    open_ended.queue_declare(scene("tx publish"), passive=True)
    rolled_back = scene.connect().channel()
    rolled_back.tx_select()
    scene.publish(rolled_back, "tx publish", b"rolled back")
    rolled_back.tx_rollback()


def amqpstorm_messages(scene: Scene) -> None:
    broker = scene.broker
    with (
        connected(broker) as connection,
        connection.channel() as channel,
    ):
        channel.confirm_deliveries()
        channel.queue.declare(scene("amqpstorm"), durable=True)
        message = amqpstorm.Message.create(
            channel, "from AMQPStorm", {"delivery_mode": 2, "headers": {"key": "value"}}
        )
        assert message.publish(scene("amqpstorm"))


EARLIER: list[Callable[[Scene], None]] = [
    declared_queues,
    exclusive_queues,
    auto_delete_queues,
    deleted_queues,
    declared_exchanges,
    auto_delete_exchanges,
    alternate_exchanges,
    bindings,
    bindings_with_a_transient_end,
    removed_bindings,
    two_thousand_messages,
    messages,
    properties,
    unacknowledged,
    requeued,
    settled,
    transactions,
    amqpstorm_messages,
]


def set_up(scene: Scene) -> None:
    """Set up everything; return when the broker can end."""
    for matter in EARLIER:
        matter(scene)
    last = scene.channel()
    scene.fill(last, "purged", 3)
    scene.fill(last, "purged and filled", 3)
    scene.fill(last, "deleted last", 3)
    time.sleep(AFTER_THE_CONFIRMS_S)
    # What is answered counts at once.
    last.queue_purge(scene("purged and filled"))
    scene.publish(last, "purged and filled", b"new")
    time.sleep(AFTER_THE_CONFIRMS_S)
    last.queue_purge(scene("purged"))
    last.queue_delete(scene("deleted last"))
