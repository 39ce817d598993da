"""A queue against a model of it: whatever happens, nothing is lost, doubled, out of order or beyond credit."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from amqpd.broker.consumer import Consumer
from amqpd.broker.definitions import QueueDeclared
from amqpd.broker.queues.queue import Owner
from amqpd.broker.unacked import Delivery
from amqpd.events import Events
from amqpd.message import Message
from amqpd.store.storage import Storage
from amqpd.testing.sink import ListSink, message_of, vhost_alone

MANY = st.integers(0, 1000)


class ModelSink(ListSink):
    """Judges every delivery when it happens."""

    def __init__(self, model: "QueueModel") -> None:
        super().__init__()
        self.model = model

    def deliver(self, consumer: Consumer, message: Message, position: int, redelivered: bool) -> None:
        assert self.room, "delivered to a sink without room"
        assert not consumer.cancelled, "delivered to a cancelled consumer"
        delivery = Delivery(consumer.queue, message, position, consumer)
        self.model.taken(delivery, redelivered)
        if consumer.no_ack:
            self.model.settled += 1
            return
        self.model.held.append(delivery)
        held = sum(each.consumer is consumer for each in self.model.held)
        assert held == consumer.unacked, "the consumer's count is not what it holds"
        assert consumer.prefetch_count == 0 or held <= consumer.prefetch_count, "beyond credit"


class QueueModel(RuleBasedStateMachine):
    """`ready` is what must be in the queue, by number and whether it was delivered before."""

    @initialize()
    def declare(self) -> None:
        vhost = vhost_alone(Storage(Events()))
        self.queue = vhost.declare_queue(QueueDeclared("q", False, False, None, {}), Owner())
        self.published = 0
        self.settled = 0
        self.purged = 0
        self.ready: dict[int, bool] = {}
        self.held: list[Delivery] = []
        self.consumers: list[Consumer] = []
        self.sinks: list[ModelSink] = []

    def taken(self, delivery: Delivery, redelivered: bool) -> None:
        """A message left the queue: it must have been the first, and known to be new or not."""
        number = int(delivery.message.body())
        assert number == min(self.ready), "not the first of the queue"
        assert redelivered == self.ready.pop(number), "redelivered is wrong"

    def choose(self, deliveries: list[Delivery], seed: int) -> Delivery:
        return deliveries[seed % len(deliveries)]

    @rule(count=st.integers(1, 4))
    def publish(self, count: int) -> None:
        for _ in range(count):
            self.ready[self.published] = False
            self.published += 1
            self.queue.publish(message_of(str(self.published - 1).encode()))

    @rule()
    def get(self) -> None:
        found = self.queue.get()
        if found is None:
            assert not self.ready
            return
        message, position, redelivered = found
        delivery = Delivery(self.queue, message, position, None)
        self.taken(delivery, redelivered)
        self.held.append(delivery)

    @precondition(lambda self: len(self.consumers) < 4)
    @rule(
        prefetch_count=st.integers(0, 3),
        no_ack=st.integers(0, 4).map(lambda number: number == 0),
        room=st.booleans(),
    )
    def consume(self, prefetch_count: int, no_ack: bool, room: bool) -> None:
        sink = ModelSink(self)
        sink.room = room
        consumer = Consumer(f"c{len(self.sinks)}", self.queue, sink, no_ack, False, prefetch_count, {})
        self.sinks.append(sink)
        self.consumers.append(consumer)
        self.queue.add_consumer(consumer)

    @precondition(lambda self: self.consumers)
    @rule(seed=MANY)
    def cancel(self, seed: int) -> None:
        self.queue.remove_consumer(self.consumers.pop(seed % len(self.consumers)))

    @precondition(lambda self: self.held)
    @rule(seed=MANY)
    def ack(self, seed: int) -> None:
        delivery = self.choose(self.held, seed)
        self.held.remove(delivery)
        self.settled += 1
        self.queue.settle(delivery.message, delivery.position)
        if delivery.consumer is not None:
            delivery.consumer.unacked -= 1
            delivery.consumer.resume()

    @precondition(lambda self: self.held)
    @rule(seed=MANY, count=st.integers(1, 3))
    def requeue(self, seed: int, count: int) -> None:
        chosen = []
        for _ in range(min(count, len(self.held))):
            delivery = self.choose(self.held, seed)
            self.held.remove(delivery)
            chosen.append(delivery)
        for delivery in chosen:
            self.ready[int(delivery.message.body())] = True
            if delivery.consumer is not None:
                delivery.consumer.unacked -= 1
        self.queue.requeue(chosen)
        for delivery in chosen:
            if delivery.consumer is not None:
                delivery.consumer.resume()

    @rule()
    def purge(self) -> None:
        assert self.queue.purge() == len(self.ready)
        self.purged += len(self.ready)
        self.ready.clear()

    @precondition(lambda self: self.consumers)
    @rule(seed=MANY)
    def fill_or_drain_a_sink(self, seed: int) -> None:
        consumer = self.consumers[seed % len(self.consumers)]
        sink = consumer.sink
        assert isinstance(sink, ModelSink)
        sink.room = not sink.room
        if sink.room:
            consumer.resume()

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert self.queue.ready() == len(self.ready)
        assert self.queue.unacked == len(self.held)
        assert self.published == self.settled + self.purged + len(self.held) + len(self.ready)

    @invariant()
    def nobody_with_credit_waits_while_there_are_messages(self) -> None:
        if self.ready:
            assert not [consumer.tag for consumer in self.consumers if self.has_credit(consumer)]

    def has_credit(self, consumer: Consumer) -> bool:
        limited = consumer.prefetch_count > 0 and consumer.unacked >= consumer.prefetch_count
        return not limited and consumer.sink.has_room(consumer)


TestQueueModel = QueueModel.TestCase
TestQueueModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
