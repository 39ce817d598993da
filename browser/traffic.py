"""Clients that publish and consume as long as they are let."""

import random
import threading
from collections.abc import Callable

import pika
from pika.adapters.blocking_connection import BlockingChannel

from browser.broker import Broker

KEYS = ("order.created", "order.paid", "order.shipped")
QUEUES = {
    "orders.incoming": ("order.*", {}),
    "orders.audit": ("#", {"x-max-length": 100000}),
    "invoices": ("order.paid", {"x-dead-letter-exchange": "orders.failed"}),
    "mail.outbox": ("order.shipped", {"x-message-ttl": 3600000}),
    "payments": ("order.paid", {"x-queue-type": "quorum"}),
}


class Traffic:
    """An exchange with five queues, publishers, and consumers of different speed."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._is_over = threading.Event()
        with broker.connect() as connection:
            channel = connection.channel()
            channel.exchange_declare("orders", "topic", durable=True)
            for queue, (key, arguments) in QUEUES.items():
                channel.queue_declare(queue, durable=True, arguments=arguments)
                channel.queue_bind(queue, "orders", key)
        work: list[tuple[str, Callable[[BlockingChannel], None]]] = [
            ("shop frontend", lambda channel: self._publish(channel, KEYS, 60)),
            ("import job", lambda channel: self._publish(channel, KEYS[:1], 15)),
            ("order worker", lambda channel: self._consume(channel, "orders.incoming", 70)),
            ("invoice worker", lambda channel: self._consume(channel, "invoices", 12)),
            ("mailer", lambda channel: self._consume(channel, "mail.outbox", 40)),
        ]
        self._threads = [threading.Thread(target=self._run, args=each) for each in work]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End all clients, and delete what they used."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        with self._broker.connect() as connection:
            channel = connection.channel()
            channel.exchange_delete("orders")
            for queue in QUEUES:
                channel.queue_delete(queue)

    def _run(self, name: str, work: Callable[[BlockingChannel], None]) -> None:
        with self._broker.connect(connection_name=name) as connection:
            work(connection.channel())

    def _publish(self, channel: BlockingChannel, keys: tuple[str, ...], per_s: int) -> None:
        channel.confirm_delivery()
        chance = random.Random(per_s)
        while not self._is_over.is_set():
            for _ in range(int(per_s * (0.6 + 0.4 * chance.random()) / 5)):
                body = b"x" * chance.randint(20, 400)
                channel.basic_publish(
                    "orders", chance.choice(keys), body, pika.BasicProperties(delivery_mode=2)
                )
            channel.connection.process_data_events(0.2)

    def _consume(self, channel: BlockingChannel, queue: str, per_s: int) -> None:
        channel.basic_qos(prefetch_count=20)

        def take(_channel: BlockingChannel, method, _properties, _body) -> None:  # type: ignore[no-untyped-def]
            # What comes after the end is left as it is: with every acknowledgement there would be more.
            if not self._is_over.wait(1 / per_s):
                channel.basic_ack(method.delivery_tag)

        channel.basic_consume(queue, take)
        while not self._is_over.is_set():
            channel.connection.process_data_events(0.2)
