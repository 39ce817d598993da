"""Load in transactions: publishes and acks that happen together or not at all."""

from __future__ import annotations

from pamqp import commands

from crash import bodies, frames, topology
from crash.client import Channel, Connection
from crash.ledger import Entry, Transaction
from crash.worker import Scene, Worker


class Transactor(Worker):
    """Moves messages from one queue to itself and another, in transactions; some are rolled back."""

    def __init__(self, scene: Scene, name: str, number: int) -> None:
        super().__init__(scene, name)
        queues = [scene.topology.queues[queue] for queue in topology.TRANSACTED]
        self._own = queues[number]
        self._queues = queues
        self._held: list[tuple[int, Entry]] = []
        self._count = 0

    def work(self, connection: Connection) -> None:
        channel = self.open(connection)
        channel.call(commands.Tx.Select())
        while not self.stopping:
            self._count += 1
            life = self.scene.life
            transaction = Transaction(life, f"transaction {self._count} of {self.name} in life {life}")
            self._fill(channel, transaction)
            if self.chance.random() < 0.15:
                channel.call(commands.Tx.Rollback())
                transaction.rolled_back()
            else:
                self._commit(channel, transaction)

    def _fill(self, channel: Channel, transaction: Transaction) -> None:
        for _ in range(self.chance.randint(0, 8)):
            found = self.get(channel, self._own)
            if found is None:
                break
            if found[1] is not None:
                self._held.append((found[0], found[1]))
        for tag, entry in self._held:
            transaction.acknowledge(entry)
            channel.queue(frames.settle(channel.number, frames.BASIC_ACK, tag))
        for _ in range(self.chance.randint(0, 8)):
            queue = self._own if self.chance.random() < 0.6 else self.chance.choice(self._queues)
            header = self.next_header(queue.number)
            size = bodies.any_size(self.chance)
            transaction.publish([queue.publish(header, size, self.scene.life)])
            channel.publish("", queue.name, bodies.properties(header, False), bodies.body(header, size))

    def _commit(self, channel: Channel, transaction: Transaction) -> None:
        transaction.commit_sent()
        channel.call(commands.Tx.Commit())
        self._held.clear()
        self.confirmed += len(transaction.published)
        if transaction.published or transaction.acknowledged:
            self.durable_answer()
        violation = transaction.resolve(True, "tx.commit-ok")
        if violation is not None:
            self.scene.ledger.violations.append(violation)
