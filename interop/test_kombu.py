"""kombu: producers, consumers, and queues that look like Python's."""

import queue as python_queue
from collections.abc import Iterator
from typing import Any

import kombu
import pytest
from kombu.mixins import ConsumerMixin
from kombu.pools import producers

from interop.broker import Broker
from interop.names import Names


@pytest.fixture
def kombu_connection(broker: Broker, names: Names) -> Iterator[kombu.Connection]:
    with kombu.Connection(broker.url) as connection:
        yield connection


def test_a_producer_declares_what_it_publishes_to_and_a_consumer_gets_it(
    kombu_connection: kombu.Connection, names: Names
) -> None:
    media = kombu.Exchange(names("media"), "direct", durable=True)
    video = kombu.Queue(names("video"), exchange=media, routing_key="video")
    received: list[Any] = []

    def process_media(body: Any, message: kombu.Message) -> None:
        received.append(body)
        message.ack()

    producer = kombu_connection.Producer(serializer="json")
    sent = {"name": "/tmp/lolcat1.avi", "size": 1301013}
    producer.publish(sent, exchange=media, routing_key="video", declare=[video])
    with kombu_connection.Consumer(video, callbacks=[process_media]):
        kombu_connection.drain_events(timeout=60)
    assert received == [sent]


def test_a_compressed_persistent_message_comes_back_as_it_was(
    kombu_connection: kombu.Connection, names: Names
) -> None:
    queue = kombu.Queue(names("compressed"), durable=True)(kombu_connection.default_channel)
    queue.declare()
    body = {"text": "æøå" * 1000}
    kombu_connection.Producer().publish(
        body, routing_key=queue.name, serializer="json", compression="zlib", delivery_mode=2, priority=3
    )
    message = queue.get()
    assert message is not None
    assert message.decode() == body
    assert message.headers["compression"] == "application/x-gzip"
    assert (message.properties["delivery_mode"], message.properties["priority"]) == (2, 3)
    message.ack()
    assert queue.get() is None


def test_a_simple_queue_puts_gets_and_reports_its_size(
    kombu_connection: kombu.Connection, names: Names
) -> None:
    queue = kombu_connection.SimpleQueue(names("simple"))
    for number in range(3):
        queue.put({"number": number})
    first = queue.get(block=True, timeout=60)
    assert first.payload == {"number": 0}
    first.ack()
    queue.get(timeout=60).requeue()
    assert sorted(queue.get(timeout=60).payload["number"] for _ in range(2)) == [1, 2]
    queue.close()


def test_a_simple_queue_without_messages_is_empty(kombu_connection: kombu.Connection, names: Names) -> None:
    queue = kombu_connection.SimpleQueue(names("simple"))
    with pytest.raises(python_queue.Empty):
        queue.get(block=True, timeout=0.1)
    assert queue.qsize() == 0
    queue.close()


def test_a_simple_buffer_is_transient(kombu_connection: kombu.Connection, names: Names) -> None:
    buffer = kombu_connection.SimpleBuffer(names("buffer"))
    buffer.put("m")
    message = buffer.get(timeout=60)
    assert message.payload == "m"
    assert message.properties["delivery_mode"] == 1
    buffer.close()


def test_a_consumer_mixin_worker_answers_until_told_to_stop(
    kombu_connection: kombu.Connection, names: Names
) -> None:
    queue = kombu.Queue(names("worker"), kombu.Exchange(names("tasks"), "topic"), routing_key="task.#")

    class Worker(ConsumerMixin):
        def __init__(self) -> None:
            self.connection = kombu_connection
            self.done: list[str] = []

        def get_consumers(self, Consumer: Any, channel: Any) -> list[Any]:  # noqa: N803
            return [Consumer(queues=[queue], callbacks=[self.on_task], prefetch_count=1)]

        def on_task(self, body: str, message: kombu.Message) -> None:
            self.done.append(body)
            message.ack()
            self.should_stop = len(self.done) == 3

    with producers[kombu_connection].acquire(block=True) as producer:
        for name in ("a", "b", "c"):
            producer.publish(name, exchange=queue.exchange, routing_key=f"task.{name}", declare=[queue])
    worker = Worker()
    worker.run(timeout=60)
    assert worker.done == ["a", "b", "c"]
