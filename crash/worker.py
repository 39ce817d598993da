"""What all workers have: a thread, a connection, a channel with a barrier, and one way to end."""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass

from pamqp import commands

from crash import bodies, frames, topology
from crash.client import Broken, Channel, Connection, Refused, Silent
from crash.ledger import Entry, Ledger, Place, QueueLedger, known_durable
from crash.topology import Topology


@dataclass(frozen=True)
class Scene:
    """What the workers of one life share."""

    ledger: Ledger
    topology: Topology
    port: int
    life: int
    seed: int
    stop: threading.Event
    """Set when the workers are to await their answers and do nothing more."""
    ended: threading.Event
    """Set when the broker is gone."""


class Worker:
    """A connection in a thread of its own. A kind of load is a subclass with `work`."""

    def __init__(self, scene: Scene, name: str) -> None:
        self.scene = scene
        self.name = name
        self.kind = ""
        """Which of the kinds of load that are not in each round it belongs to."""
        self.chance = random.Random(f"{name} {scene.seed} {scene.life}")
        self.confirmed = 0
        self.delivered = 0
        self.publisher = scene.ledger.new_publisher()
        self.quiet = threading.Event()
        self._sequence = 0
        self._rejected = 0
        self._barrier_bound: bool | None = None
        self._settled: list[Entry] = []
        self._delivered: list[Entry] = []
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._channels: list[Channel] = []

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for its end; False if it does not come."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def work(self, connection: Connection) -> None:
        """Work until `stopping`, then await all answers."""
        raise NotImplementedError

    @property
    def stopping(self) -> bool:
        """Whether to come to an end."""
        return self.scene.stop.is_set()

    def open(self, connection: Connection, number: int = 1, confirms: bool = False) -> Channel:
        """A channel, perhaps in confirm mode."""
        channel = connection.channel(number)
        self._channels.append(channel)
        if confirms:
            channel.call(commands.Confirm.Select())
        return channel

    def next_header(self, target: int) -> bytes:
        """The header of the next message of this worker."""
        self._sequence += 1
        return bodies.header(target, self.publisher, self._sequence)

    def publish(self, channel: Channel, queue: QueueLedger, size: int, transient: bool = False) -> Entry:
        """Publish to a queue, with a confirm. Collected; `flush` sends it."""
        header = self.next_header(queue.number)
        entry = queue.publish(header, size, self.scene.life, transient, time.time())
        body, properties = bodies.body(header, size), queue.rules.properties(header, transient)
        channel.publish_confirmed(queue.rules.exchange, queue.name, properties, body, (entry,))
        return entry

    def take(self, queue: QueueLedger, delivery: frames.Delivery) -> Entry | None:
        """Check a delivery, and remember that it was delivered."""
        self.delivered += 1
        entry = self.scene.ledger.deliver(
            queue, delivery.body, delivery.properties, delivery.redelivered, self.scene.life, time.time()
        )
        if entry is not None:
            self._delivered.append(entry)
        return entry

    def get(self, channel: Channel, queue: QueueLedger) -> tuple[int, Entry | None] | None:
        """basic.get: delivery tag and entry, or None if the queue is empty."""
        queue.attending.add(self)
        delivery = channel.get(queue.name)
        queue.attending.discard(self)
        return None if delivery is None else (delivery.delivery_tag, self.take(queue, delivery))

    def settle(self, channel: Channel, index: int, tag: int, entries: Sequence[Entry], bits: int = 0) -> None:
        """Settle deliveries for good. Collected; `flush` sends it."""
        for entry in entries:
            entry.settle(self.scene.life)
        self._settled += entries
        channel.queue(frames.settle(channel.number, index, tag, bits))

    def reject(self, channel: Channel, queue: QueueLedger, tag: int, entry: Entry) -> None:
        """Reject a delivery without requeue: if there is a queue for the dead, it goes there. Collected."""
        self._rejected += 1
        queue.reject(entry, self.scene.life, (self.publisher, self._rejected))
        self._settled.append(entry)
        channel.queue(frames.settle(channel.number, frames.BASIC_REJECT, tag))

    def give_back(
        self, channel: Channel, queue: QueueLedger, tag: int, entry: Entry, nack: bool = True
    ) -> None:
        """Requeue a delivery, which dies of that if it was once too often. Collected."""
        queue.give_back(entry, self.scene.life)
        if entry.place is Place.SETTLED:
            self._settled.append(entry)
        index, bits = (frames.BASIC_NACK, frames.REQUEUE) if nack else (frames.BASIC_REJECT, 1)
        channel.queue(frames.settle(channel.number, index, tag, bits))

    def barrier(self, channel: Channel) -> None:
        """Have something answered that is durable when it is: so is all that came before it on the channel."""
        settled, self._settled = self._settled, []
        delivered, self._delivered = self._delivered, []
        key = self.name
        if self._barrier_bound is None:
            # An earlier life may have left it bound, and to bind it again would change nothing.
            self._bind(channel, False, key)
        self._bind(channel, not self._barrier_bound, key)
        known_durable(settled, delivered)

    def durable_answer(self) -> None:
        """Note such an answer to a request before which all deliveries had been received."""
        known_durable((), self._delivered)
        self._delivered.clear()

    def _bind(self, channel: Channel, bound: bool, key: str) -> None:
        method = commands.Queue.Bind if bound else commands.Queue.Unbind
        channel.call(method(queue=topology.BARRIER, exchange=topology.BARRIER_EXCHANGE, routing_key=key))
        self._barrier_bound = bound

    def await_confirms(self, channel: Channel, at_most: int = 0) -> None:
        """Wait until no more than so many publishes are unconfirmed."""
        channel.wait(lambda: len(channel.unconfirmed) <= at_most)

    def violated(self, kind: str, what: str) -> None:
        """Note a violation."""
        self.scene.ledger.violated(kind, f"worker {self.name}", what)

    def _run(self) -> None:
        connection: Connection | None = None
        try:
            connection = Connection(self.scene.port)
            self.work(connection)
            self.quiet.set()
            self.scene.ended.wait()
        except Broken:
            pass
        except (Refused, Silent) as error:
            self.violated("unexpected", f"{type(error).__name__}: {error}")
        except Exception:
            self.violated("unexpected", traceback.format_exc())
        finally:
            self.quiet.set()
            self.confirmed += sum(channel.confirmed for channel in self._channels)
            if connection is not None:
                connection.drop()
