"""Load on a queue that is purged, deleted and declared again under its old name."""

from __future__ import annotations

from pamqp import commands

from crash import bodies, frames, topology
from crash.client import Channel, Connection
from crash.ledger import CERTAIN, NO, QueueLedger, known_durable
from crash.worker import Worker


class Remaker(Worker):
    """The only one to use its queue."""

    def work(self, connection: Connection) -> None:
        channel = self.open(connection, confirms=True)
        while not self.stopping:
            queue = self._queue(channel)
            for _ in range(self.chance.randint(1, 6)):
                self._use(channel, queue)
            self.await_confirms(channel)
            if self.chance.random() < 0.5:
                self._delete(channel, queue)
        self.await_confirms(channel)

    def _queue(self, channel: Channel) -> QueueLedger:
        """The queue, declared if need be. If nobody knows whether there is one, it is deleted first."""
        queue = self.scene.ledger.queues.get(topology.REMADE)
        if queue is not None and queue.exists is CERTAIN:
            return queue
        if queue is not None and queue.exists is not NO:
            self._delete(channel, queue)
        queue = self.scene.ledger.new_queue(topology.REMADE)
        queue.declare_sent()
        channel.call(commands.Queue.Declare(queue=queue.name, durable=True))
        queue.declared()
        return queue

    def _delete(self, channel: Channel, queue: QueueLedger) -> None:
        queue.delete_sent()
        channel.call(commands.Queue.Delete(queue=queue.name))
        queue.deleted()

    def _use(self, channel: Channel, queue: QueueLedger) -> None:
        for _ in range(self.chance.randint(0, 40)):
            self.publish(channel, queue, bodies.any_size(self.chance))
        if self.chance.random() < 0.5:
            self.await_confirms(channel)
        drawn = self.chance.random()
        if drawn < 0.25:
            purged = queue.purge_sent(self.scene.life)
            channel.call(commands.Queue.Purge(queue=queue.name))
            self.barrier(channel)
            known_durable(purged, ())
        elif drawn < 0.7:
            for _ in range(self.chance.randint(0, 20)):
                found = self.get(channel, queue)
                if found is not None and found[1] is not None:
                    self.settle(channel, frames.BASIC_ACK, found[0], (found[1],))
            if self.chance.random() < 0.5:
                self.barrier(channel)
