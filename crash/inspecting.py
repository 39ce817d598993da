"""A look at everything in the broker that has just been started, before anybody changes anything."""

from __future__ import annotations

import random
import struct

from pamqp import commands

from crash import definitions, frames, topology
from crash.client import ANSWER_TIMEOUT_S, Channel, Connection, Refused, Silent
from crash.comparison import Observed, compare, compare_count
from crash.definitions import BINDINGS, Definitions
from crash.ledger import CERTAIN, NO, Ledger, QueueLedger, known_durable
from crash.topology import Topology

NOT_FOUND = 404
TRANSIENT = b"\x01"


class Inspection:
    """Compares queues and definitions with the ledger, in one life of the broker."""

    def __init__(self, ledger: Ledger, topology_: Topology, known: Definitions, port: int, life: int) -> None:
        self._ledger = ledger
        self._topology = topology_
        self._known = known
        self._life = life
        self._connection = Connection(port)
        self._barrier_bound = False
        self._barrier_key = f"inspection {life}"

    def some_of_everything(self, chance: random.Random) -> None:
        """Drain most queues, read others and leave them as they are, count the rest."""
        for name in topology.FIXED:
            drawn = chance.random() if name != topology.SELDOM else chance.uniform(0.55, 1)
            self._inspect(self._topology.queues[name], drain=drawn < 0.6, count_only=drawn > 0.85)
        self._inspect_remade(drain=chance.random() < 0.3)
        self._inspect_definitions()
        self._connection.close()

    def all_queues(self, drain: bool) -> None:
        """Read all queues to the end; with `drain`, ack everything."""
        for name in topology.FIXED:
            self._inspect(self._topology.queues[name], drain, count_only=False)
        self._inspect_remade(drain)
        self._inspect_definitions()
        self._connection.close()

    def _inspect(self, queue: QueueLedger, drain: bool, count_only: bool) -> None:
        channel = self._connection.channel()
        count = self._count(channel, queue.name)
        if count is None:
            self._ledger.violated("definition lost", queue.name, "the queue is not there")
        elif count_only:
            compare_count(self._ledger, queue, count)
        else:
            self._read(channel, queue, count, drain)

    def _inspect_remade(self, drain: bool) -> None:
        queue = self._ledger.queues.get(topology.REMADE)
        if queue is None:
            return
        channel = self._connection.channel()
        count = self._count(channel, queue.name)
        if count is None:
            if queue.exists is CERTAIN:
                self._ledger.violated("definition lost", queue.name, "the queue is not there")
            queue.deleted()
            return
        if queue.exists is NO:
            self._ledger.violated("definition came back", queue.name, "the queue was deleted for certain")
        queue.declared()
        self._read(channel, queue, count, drain)

    def _count(self, channel: Channel, name: str) -> int | None:
        try:
            answer = channel.call(commands.Queue.Declare(queue=name, passive=True))
        except Refused as refused:
            if refused.reply_code != NOT_FOUND:
                raise
            return None
        assert isinstance(answer, commands.Queue.DeclareOk)
        return answer.message_count

    def _read(self, channel: Channel, queue: QueueLedger, count: int, drain: bool) -> None:
        if not count:
            compare(self._ledger, queue, [], self._life)
            return
        channel.call(commands.Basic.Consume(queue=queue.name, consumer_tag="inspection"))
        try:
            channel.wait(lambda: len(channel.deliveries) >= count)
        except Silent:
            what = f"{len(channel.deliveries)} messages delivered in {ANSWER_TIMEOUT_S} s, message_count is {count}"
            self._ledger.violated("count", queue.name, what)
            raise
        channel.call(commands.Basic.Cancel(consumer_tag="inspection"))
        if len(channel.deliveries) != count:
            what = f"{len(channel.deliveries)} messages delivered, message_count was {count}"
            self._ledger.violated("count", queue.name, what)
        messages = [Observed(one.body, one.properties, one.redelivered) for one in channel.deliveries]
        present = compare(self._ledger, queue, messages, self._life)
        if drain:
            last = channel.deliveries[-1].delivery_tag
            channel.queue(frames.settle(1, frames.BASIC_ACK, last, frames.MULTIPLE))
            for entry in present:
                entry.settle(self._life)
        self._barrier(channel)
        known_durable(present if drain else (), present)
        if not drain:
            channel.close()
            for entry in present:
                entry.requeue()

    def _barrier(self, channel: Channel) -> None:
        method = commands.Queue.Unbind if self._barrier_bound else commands.Queue.Bind
        exchange, key = topology.BARRIER_EXCHANGE, self._barrier_key
        channel.call(method(queue=topology.BARRIER, exchange=exchange, routing_key=key))
        self._barrier_bound = not self._barrier_bound

    def _inspect_definitions(self) -> None:
        for name in (definitions.FLEETING_QUEUE, definitions.FLEETING_EXCLUSIVE):
            if self._count(self._connection.channel(), name) is not None:
                self._ledger.violated("definition came back", name, "neither durable nor shared, and there")
        if self._exchange_exists(definitions.FLEETING_EXCHANGE):
            self._ledger.violated(
                "definition came back", definitions.FLEETING_EXCHANGE, "not durable, and there"
            )
        for name in (*definitions.SOURCES, *definitions.TARGETS):
            self._known.observed(self._ledger, name, self._exchange_exists(name))
        for name in definitions.QUEUES:
            exists = self._count(self._connection.channel(), name) is not None
            self._known.observed(self._ledger, name, exists)
        self._inspect_bindings()

    def _exchange_exists(self, name: str) -> bool:
        channel = self._connection.channel()
        try:
            channel.call(commands.Exchange.Declare(exchange=name, passive=True))
            if name != definitions.FLEETING_EXCHANGE:
                kind = definitions.exchange_type(name)
                # Refused, and so noticed, if it came back as something else.
                channel.call(commands.Exchange.Declare(exchange=name, exchange_type=kind, durable=True))
        except Refused as refused:
            if refused.reply_code != NOT_FOUND:
                self._ledger.violated("definition changed", name, str(refused))
            return False
        return True

    def _inspect_bindings(self) -> None:
        """Send a probe for each binding, and see where it arrives."""
        channel = self._connection.channel()
        channel.call(commands.Confirm.Select())
        collecting = self._collecting_queues(channel)
        for binding in BINDINGS:
            if self._known.of(binding.source) is CERTAIN:
                properties = _probe_properties(binding.number)
                body = b"%d" % binding.number
                channel.publish_confirmed(binding.source, binding.probe_key, properties, body, ())
        channel.wait(lambda: not channel.unconfirmed)
        arrived = {place: self._collect(channel, queue) for place, queue in collecting.items()}
        for binding in BINDINGS:
            exists = binding.number in arrived.get(binding.destination, ())
            self._known.observed(self._ledger, binding, exists)

    def _collecting_queues(self, channel: Channel) -> dict[str, str]:
        """By destination, the queue where its probes arrive: itself, or one bound to it for the purpose."""
        collecting = {name: name for name in definitions.QUEUES if self._known.of(name) is CERTAIN}
        for name in definitions.TARGETS:
            if self._known.of(name) is CERTAIN:
                queue = f"collecting {name}"
                channel.call(commands.Queue.Declare(queue=queue, exclusive=True))
                channel.call(commands.Queue.Bind(queue=queue, exchange=name, routing_key=""))
                collecting[name] = queue
        return collecting

    def _collect(self, channel: Channel, queue: str) -> set[int]:
        numbers = set()
        while (delivery := channel.get(queue, no_ack=True)) is not None:
            numbers.add(int(delivery.body))
        return numbers


def _probe_properties(number: int) -> bytes:
    """Flags for headers and delivery mode; the header is what a headers exchange looks at."""
    table = b"\x06numberI" + struct.pack(">i", number)
    return struct.pack(">HI", 0x3000, len(table)) + table + TRANSIENT
