"""The tutorials everybody starts with, with pika's BlockingConnection."""

import threading
import uuid
from collections.abc import Callable

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

from interop.broker import Broker
from interop.names import Names
from interop.waiting import pump_until

Connect = Callable[[], pika.BlockingConnection]


def temporary_queue(channel: BlockingChannel) -> str:
    """A queue the server names, exclusive to the channel's connection."""
    name: str = channel.queue_declare(queue="", exclusive=True).method.queue
    return name


def collect(channel: BlockingChannel, queue: str) -> list[tuple[str, bytes]]:
    """Consume without acks into the list returned: (routing key, body)."""
    received: list[tuple[str, bytes]] = []
    channel.basic_consume(
        queue, lambda _c, method, _p, body: received.append((method.routing_key, body)), auto_ack=True
    )
    return received


def test_hello_world_arrives(broker: Broker, names: Names) -> None:
    hello = names("hello")
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue=hello)
        channel.basic_publish(exchange="", routing_key=hello, body="Hello World!")

    received: list[bytes] = []

    def callback(channel: BlockingChannel, _method: object, _properties: object, body: bytes) -> None:
        received.append(body)
        channel.stop_consuming()

    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue=hello)
        channel.basic_consume(queue=hello, on_message_callback=callback, auto_ack=True)
        channel.start_consuming()
    assert received == [b"Hello World!"]


def test_a_busy_worker_with_prefetch_1_leaves_the_tasks_to_the_other(connect: Connect, names: Names) -> None:
    task_queue = names("task_queue")
    connection = connect()
    publisher, busy, free = connection.channel(), connection.channel(), connection.channel()
    publisher.queue_declare(queue=task_queue, durable=True)

    unfinished: list[int] = []
    finished: list[bytes] = []

    def start_task(_channel: object, method: pika.spec.Basic.Deliver, _p: object, _body: bytes) -> None:
        unfinished.append(method.delivery_tag)

    def do_task(channel: BlockingChannel, method: pika.spec.Basic.Deliver, _p: object, body: bytes) -> None:
        finished.append(body)
        channel.basic_ack(delivery_tag=method.delivery_tag)

    for worker, callback in ((busy, start_task), (free, do_task)):
        worker.basic_qos(prefetch_count=1)
        worker.basic_consume(queue=task_queue, on_message_callback=callback)
    for number in range(6):
        publisher.basic_publish(
            exchange="",
            routing_key=task_queue,
            body=f"task {number}",
            properties=pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent),
        )
    pump_until(connection, lambda: len(unfinished) == 1 and len(finished) == 5)
    assert finished == sorted(finished)

    busy.basic_ack(unfinished[0])
    connection.close()
    assert connect().channel().queue_declare(task_queue, passive=True).method.message_count == 0


def test_a_task_of_a_worker_that_dies_goes_to_another_worker(connect: Connect, names: Names) -> None:
    task_queue = names("task_queue")
    dying = connect()
    channel = dying.channel()
    channel.queue_declare(queue=task_queue, durable=True)
    channel.basic_publish("", task_queue, b"task")
    _method, _properties, body = next(channel.consume(task_queue, inactivity_timeout=60))
    assert body == b"task"
    dying.close()

    method, _properties, body = next(connect().channel().consume(task_queue, inactivity_timeout=60))
    assert method is not None
    assert (method.redelivered, body) == (True, b"task")


def test_every_subscriber_of_a_fanout_exchange_gets_every_log_line(connect: Connect, names: Names) -> None:
    logs = names("logs")
    subscribers = [connect(), connect()]
    received = []
    for subscriber in subscribers:
        channel = subscriber.channel()
        channel.exchange_declare(exchange=logs, exchange_type="fanout")
        queue = temporary_queue(channel)
        assert queue.startswith("amq.gen-")
        channel.queue_bind(exchange=logs, queue=queue)
        received.append(collect(channel, queue))

    publisher = connect().channel()
    for number in range(3):
        publisher.basic_publish(exchange=logs, routing_key="ignored", body=f"line {number}")
    expected = [("ignored", b"line 0"), ("ignored", b"line 1"), ("ignored", b"line 2")]
    for subscriber, lines in zip(subscribers, received, strict=True):
        pump_until(subscriber, lambda lines=lines: len(lines) == 3)  # type: ignore[misc]
        assert lines == expected


def test_a_direct_exchange_routes_by_severity(connect: Connect, names: Names) -> None:
    direct_logs = names("direct_logs")
    connection = connect()
    channel = connection.channel()
    channel.exchange_declare(exchange=direct_logs, exchange_type="direct")
    everything, errors = temporary_queue(channel), temporary_queue(channel)
    for severity in ("info", "warning", "error"):
        channel.queue_bind(everything, direct_logs, severity)
    channel.queue_bind(errors, direct_logs, "error")

    to_screen, to_file = collect(channel, everything), collect(channel, errors)
    for severity in ("info", "warning", "error", "debug"):
        channel.basic_publish(direct_logs, severity, f"a {severity}".encode())
    pump_until(connection, lambda: len(to_screen) == 3 and to_file)
    assert to_screen == [("info", b"a info"), ("warning", b"a warning"), ("error", b"a error")]
    assert to_file == [("error", b"a error")]


def test_a_topic_exchange_routes_by_pattern(connect: Connect, names: Names) -> None:
    topic_logs = names("topic_logs")
    connection = connect()
    channel = connection.channel()
    channel.exchange_declare(exchange=topic_logs, exchange_type="topic")
    patterns: dict[str, list[tuple[str, bytes]]] = {"#": [], "kern.*": [], "*.critical": [], "kern.#": []}
    for pattern in patterns:
        queue = temporary_queue(channel)
        channel.queue_bind(queue, topic_logs, pattern)
        patterns[pattern] = collect(channel, queue)

    keys = ["kern.critical", "cron.critical", "kern", "kern.disk.full", ""]
    for key in keys:
        channel.basic_publish(topic_logs, key, b"line")
    pump_until(connection, lambda: sum(map(len, patterns.values())) >= 11)
    seen = {pattern: [key for key, _body in lines] for pattern, lines in patterns.items()}
    assert seen == {
        "#": keys,
        "kern.*": ["kern.critical"],
        "*.critical": ["kern.critical", "cron.critical"],
        "kern.#": ["kern.critical", "kern", "kern.disk.full"],
    }


def test_a_queue_bound_by_two_matching_patterns_gets_a_message_once(
    channel: BlockingChannel, names: Names
) -> None:
    topic_logs = names("topic_logs")
    channel.exchange_declare(topic_logs, "topic")
    queue = temporary_queue(channel)
    for pattern in ("kern.*", "*.critical", "#"):
        channel.queue_bind(queue, topic_logs, pattern)
    channel.confirm_delivery()
    channel.basic_publish(topic_logs, "kern.critical", b"line")
    assert channel.queue_declare(queue, passive=True).method.message_count == 1


def serve_fibonacci(broker: Broker, rpc_queue: str, requests: int, ready: threading.Event) -> None:
    """The tutorial's RPC server; it ends after this many requests."""

    def on_request(
        channel: BlockingChannel, method: pika.spec.Basic.Deliver, asked: pika.BasicProperties, body: bytes
    ) -> None:
        nonlocal requests
        a, b = 0, 1
        for _ in range(int(body)):
            a, b = b, a + b
        channel.basic_publish(
            exchange="",
            routing_key=asked.reply_to or "",
            properties=pika.BasicProperties(correlation_id=asked.correlation_id),
            body=str(a),
        )
        channel.basic_ack(method.delivery_tag)
        requests -= 1
        if requests == 0:
            channel.stop_consuming()

    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        channel = connection.channel()
        channel.queue_declare(queue=rpc_queue)
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue=rpc_queue, on_message_callback=on_request)
        ready.set()
        channel.start_consuming()


def test_an_rpc_call_is_answered_in_the_callers_exclusive_queue(
    broker: Broker, connect: Connect, names: Names
) -> None:
    rpc_queue = names("rpc_queue")
    ready = threading.Event()
    server = threading.Thread(target=serve_fibonacci, args=(broker, rpc_queue, 2, ready), daemon=True)
    server.start()
    assert ready.wait(10)

    connection = connect()
    channel = connection.channel()
    callback_queue = temporary_queue(channel)
    replies: dict[str, int] = {}

    def on_response(_channel: object, _method: object, answer: pika.BasicProperties, body: bytes) -> None:
        replies[answer.correlation_id or ""] = int(body)

    channel.basic_consume(callback_queue, on_response, auto_ack=True)

    def call(number: int) -> int:
        correlation_id = str(uuid.uuid4())
        asked = pika.BasicProperties(reply_to=callback_queue, correlation_id=correlation_id)
        channel.basic_publish("", rpc_queue, str(number), asked)
        pump_until(connection, lambda: correlation_id in replies)
        return replies[correlation_id]

    assert call(30) == 832040
    assert call(1) == 1
    server.join(10)
    assert not server.is_alive()


def test_an_rpc_call_is_answered_through_direct_reply_to(
    broker: Broker, connect: Connect, names: Names
) -> None:
    rpc_queue = names("rpc_queue")
    ready = threading.Event()
    server = threading.Thread(target=serve_fibonacci, args=(broker, rpc_queue, 1, ready), daemon=True)
    server.start()
    assert ready.wait(10)

    connection = connect()
    channel = connection.channel()
    replies = collect(channel, "amq.rabbitmq.reply-to")
    channel.basic_publish("", rpc_queue, "10", pika.BasicProperties(reply_to="amq.rabbitmq.reply-to"))
    pump_until(connection, lambda: replies)
    assert replies[0][0].startswith("amq.rabbitmq.reply-to.")
    assert replies[0][1] == b"55"
    server.join(10)


def test_a_confirmed_publish_is_in_the_queue(channel: BlockingChannel, names: Names) -> None:
    queue = names("confirmed")
    channel.queue_declare(queue, durable=True)
    channel.confirm_delivery()
    for number in range(10):
        channel.basic_publish("", queue, str(number), pika.BasicProperties(delivery_mode=2), mandatory=True)
    assert channel.queue_declare(queue, passive=True).method.message_count == 10


def test_a_confirmed_mandatory_publish_that_goes_nowhere_raises(
    channel: BlockingChannel, names: Names
) -> None:
    channel.confirm_delivery()
    with pytest.raises(UnroutableError) as caught:
        channel.basic_publish("", names("missing"), b"lost", mandatory=True)
    [returned] = caught.value.messages
    assert (returned.method.reply_code, returned.method.reply_text) == (312, "NO_ROUTE")
    assert returned.body == b"lost"
