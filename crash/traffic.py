"""Load on queues that stay: publishers with confirms, consumers with acks, and those that do both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pamqp import commands

from crash import bodies, frames, topology
from crash.client import Channel, Connection
from crash.ledger import Entry, Place, QueueLedger
from crash.worker import Scene, Worker

UNCONFIRMED_MAX = 400
PREFETCH = 60


class Publisher(Worker):
    """Publishes to one queue in bursts; one message in twelve is transient."""

    def __init__(self, scene: Scene, name: str, queue: str) -> None:
        super().__init__(scene, name)
        self.queue = scene.topology.queues[queue]

    def work(self, connection: Connection) -> None:
        channel = self.open(connection, confirms=True)
        while not self.stopping:
            for _ in range(self.chance.randint(1, 60)):
                size = bodies.any_size(self.chance)
                self.publish(channel, self.queue, size, transient=self.chance.random() < 0.08)
            channel.flush()
            self.await_confirms(channel, self.chance.choice((0, UNCONFIRMED_MAX)))
        self.await_confirms(channel)


class Fan(Worker):
    """Publishes to many queues at once by a fanout exchange."""

    def work(self, connection: Connection) -> None:
        channel = self.open(connection, confirms=True)
        queues = [self.scene.topology.queues[name] for name in topology.FANOUT]
        while not self.stopping:
            for _ in range(self.chance.randint(1, 10)):
                self._publish(channel, queues, bodies.any_size(self.chance))
            channel.flush()
            self.await_confirms(channel, 20)
        self.await_confirms(channel)

    def _publish(self, channel: Channel, queues: list[QueueLedger], size: int) -> None:
        header = self.next_header(self.scene.topology.fanout_target)
        entries = [queue.publish(header, size, self.scene.life) for queue in queues]
        properties, body = bodies.properties(header, False), bodies.body(header, size)
        channel.publish_confirmed(topology.FANOUT_EXCHANGE, "", properties, body, entries)


class Trickle(Worker):
    """Publishes little, in bursts, to a queue that does not empty itself, or where time has to pass."""

    def __init__(self, scene: Scene, name: str, queue: str) -> None:
        super().__init__(scene, name)
        self.queue = scene.topology.queues[queue]

    def work(self, connection: Connection) -> None:
        channel = self.open(connection, confirms=True)
        while not self.stopping:
            for _ in range(self.chance.randint(1, 30)):
                size = bodies.any_size(self.chance)
                self.publish(channel, self.queue, size, transient=self.chance.random() < 0.04)
            channel.flush()
            if self.chance.random() < 0.6:
                self.await_confirms(channel)
            self.scene.stop.wait(self.chance.choice((0, 0.002, 0.02)))
        self.await_confirms(channel)


@dataclass(frozen=True)
class Habits:
    """How often a consumer acks or rejects a message; else it requeues it. And how often it acks all it has."""

    acks: float = 0.9
    rejects: float = 0.04
    acks_all: float = 0.6


class Consumer(Worker):
    """Consumes from one queue: acks one by one or several, rejects, requeues, and sometimes starts over."""

    def __init__(self, scene: Scene, name: str, queue: str, habits: Habits | None = None) -> None:
        super().__init__(scene, name)
        self.queue = scene.topology.queues[queue]
        self._habits = habits or Habits()
        self._held: dict[int, Entry] = {}

    def work(self, connection: Connection) -> None:
        channel = self.open(connection)
        channel.call(commands.Basic.Qos(prefetch_count=PREFETCH))
        while not self.stopping:
            self._consume(channel, self.chance.randint(20, 600))
            if self.chance.random() < 0.7:
                self.barrier(channel)
            if self.chance.random() < 0.3:
                channel = self._reopen(connection, channel)

    def _consume(self, channel: Channel, number: int) -> None:
        self.queue.attending.add(self)
        channel.call(commands.Basic.Consume(queue=self.queue.name, consumer_tag=self.name))
        while number > 0 and not self.stopping:
            if not channel.deliveries and not self._arrives(channel):
                break
            number -= len(channel.deliveries)
            self._settle_arrived(channel)
        channel.call(commands.Basic.Cancel(consumer_tag=self.name))
        self.queue.attending.discard(self)
        self._settle_arrived(channel)
        channel.flush()

    def _arrives(self, channel: Channel) -> bool:
        """Ask something now and then, lest an empty queue keeps the worker from stopping."""
        channel.call(commands.Basic.Qos(prefetch_count=PREFETCH))
        if not channel.deliveries:
            self.scene.stop.wait(0.002)
        return bool(channel.deliveries) or self.chance.random() < 0.98

    def _settle_arrived(self, channel: Channel) -> None:
        last = 0
        while channel.deliveries:
            delivery = channel.deliveries.popleft()
            entry = self.take(self.queue, delivery)
            if entry is None:
                continue
            self._held[delivery.delivery_tag] = entry
            last = delivery.delivery_tag
            if self.chance.random() < 0.3:
                self._settle_one(channel, last)
        if self._held and self.chance.random() < self._habits.acks_all:
            tags, entries = list(self._held), list(self._held.values())
            self._held.clear()
            self.settle(channel, frames.BASIC_ACK, tags[-1], entries, frames.MULTIPLE)
        elif len(self._held) > PREFETCH // 2:
            for tag in list(self._held):
                self._settle_one(channel, tag)
        channel.flush()

    def _settle_one(self, channel: Channel, tag: int) -> None:
        entry = self._held.pop(tag)
        drawn = self.chance.random()
        habits = self._habits
        if drawn < habits.acks:
            self.settle(channel, frames.BASIC_ACK, tag, (entry,))
        elif drawn < habits.acks + habits.rejects:
            self.reject(channel, self.queue, tag, entry)
        else:
            self.give_back(channel, self.queue, tag, entry, nack=self.chance.random() < 0.5)

    def _reopen(self, connection: Connection, channel: Channel) -> Channel:
        for entry in self._held.values():
            self.queue.give_back(entry, self.scene.life)
            if entry.place is Place.SETTLED:
                self._settled.append(entry)
        self._held.clear()
        channel.close()
        channel = self.open(connection)
        channel.call(commands.Basic.Qos(prefetch_count=PREFETCH))
        return channel


class Getter(Worker):
    """Publishes to one queue, and gets about as much from it: acks, rejects, requeues, or leaves it unsettled."""

    def __init__(
        self, scene: Scene, name: str, queue: str, sizes: Callable[[], int] | None = None, share: float = 0.9
    ) -> None:
        super().__init__(scene, name)
        self.queue = scene.topology.queues[queue]
        self._sizes = sizes or (lambda: bodies.any_size(self.chance))
        self._share = share

    def work(self, connection: Connection) -> None:
        publishing = self.open(connection, 1, confirms=True)
        getting = self.open(connection, 2)
        while not self.stopping:
            number = self.chance.randint(1, 12)
            for _ in range(number):
                self.publish(publishing, self.queue, self._sizes())
            publishing.flush()
            if self.chance.random() < 0.7:
                self.await_confirms(publishing)
            for _ in range(number):
                if self.chance.random() < self._share:
                    self._get(getting)
            getting.flush()
            if self.chance.random() < 0.2:
                self.barrier(getting)
        self.await_confirms(publishing)

    def _get(self, channel: Channel) -> None:
        found = self.get(channel, self.queue)
        if found is None:
            return
        tag, entry = found
        if entry is None:
            return
        drawn = self.chance.random()
        if drawn < 0.85:
            self.settle(channel, frames.BASIC_ACK, tag, (entry,))
        elif drawn < 0.9:
            self.reject(channel, self.queue, tag, entry)
        elif drawn < 0.98:
            self.give_back(channel, self.queue, tag, entry)


class AtOnce(Worker):
    """Consumes what it publishes, and acks each message as soon as it is there: most are gone before the confirm."""

    def work(self, connection: Connection) -> None:
        queue = self.scene.topology.queues[topology.AT_ONCE]
        publishing = self.open(connection, 1, confirms=True)
        consuming = self.open(connection, 2)
        queue.attending.add(self)
        consuming.call(commands.Basic.Consume(queue=queue.name))
        while not self.stopping:
            for _ in range(self.chance.randint(1, 100)):
                self.publish(publishing, queue, self.chance.randint(10, 300))
            publishing.flush()
            while publishing.unconfirmed or consuming.deliveries:
                if not consuming.deliveries:
                    connection.receive()
                self._ack(consuming, queue)
            if self.chance.random() < 0.1:
                self.barrier(consuming)

    def _ack(self, channel: Channel, queue: QueueLedger) -> None:
        while channel.deliveries:
            delivery = channel.deliveries.popleft()
            entry = self.take(queue, delivery)
            if entry is not None:
                self.settle(channel, frames.BASIC_ACK, delivery.delivery_tag, (entry,))
        channel.flush()


class Taker(Worker):
    """Gets without acks: a message is gone when it is sent."""

    def work(self, connection: Connection) -> None:
        queue = self.scene.topology.queues[topology.TAKEN]
        channel = self.open(connection, confirms=True)
        while not self.stopping:
            for _ in range(self.chance.randint(1, 20)):
                self.publish(channel, queue, bodies.any_size(self.chance))
            self.await_confirms(channel)
            for _ in range(self.chance.randint(1, 20)):
                self._take(channel, queue)
            if self.chance.random() < 0.3:
                self.barrier(channel)

    def _take(self, channel: Channel, queue: QueueLedger) -> None:
        queue.attending.add(self)
        queue.unseen += 1
        delivery = channel.get(queue.name, no_ack=True)
        queue.unseen -= 1
        queue.attending.discard(self)
        if delivery is None:
            return
        entry = self.take(queue, delivery)
        if entry is not None:
            entry.settle(self.scene.life)
            self._settled.append(entry)


class FanConsumer(Worker):
    """Goes from one fanout queue to the next and empties some of each; the last two are left alone."""

    def work(self, connection: Connection) -> None:
        channel = self.open(connection)
        names = topology.FANOUT[:-2]
        while not self.stopping:
            queue = self.scene.topology.queues[self.chance.choice(names)]
            tag, entries = 0, []
            for _ in range(self.chance.randint(1, 40)):
                found = self.get(channel, queue)
                if found is None:
                    break
                tag, entry = found
                if entry is not None:
                    entries.append(entry)
            if entries:
                self.settle(channel, frames.BASIC_ACK, tag, entries, frames.MULTIPLE)
            if self.chance.random() < 0.5:
                self.barrier(channel)


class Hoarder(Worker):
    """Publishes a little to a queue that nobody consumes from."""

    def work(self, connection: Connection) -> None:
        channel = self.open(connection, confirms=True)
        queue = self.scene.topology.queues[topology.SELDOM]
        while not self.stopping:
            self.publish(channel, queue, bodies.any_size(self.chance))
            self.await_confirms(channel)
            self.scene.stop.wait(0.05)
