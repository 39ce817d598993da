"""A look at everything in the broker that has just been started, before anybody changes anything."""

from __future__ import annotations

import random
import struct
import time
from functools import partial

from pamqp import commands

from crash import bodies, definitions, frames, topology
from crash.broker import Broker
from crash.client import ANSWER_TIMEOUT_S, Channel, Connection, Refused, Silent
from crash.comparison import Observed, Reading, compare, compare_count, compare_passage
from crash.definitions import BINDINGS, Definitions
from crash.ledger import CERTAIN, LATE_S, NO, Entry, Ledger, QueueLedger, known_durable
from crash.streaming import read_stream
from crash.topology import Topology

NOT_FOUND = 404
BURIED_S = 1.0
PROMPT_S = 0.02
TRANSIENT = b"\x01"


class Inspection:
    """Compares queues and definitions with the ledger, in one life of the broker."""

    def __init__(
        self, ledger: Ledger, topology_: Topology, known: Definitions, broker: Broker, life: int
    ) -> None:
        self._ledger = ledger
        self._topology = topology_
        self._known = known
        self._life = life
        self._started_s = broker.ready_s
        self._connection = Connection(broker.port)
        self._barrier_bound = False
        self._barrier_key = f"inspection {life}"

    def some_of_everything(self, chance: random.Random) -> None:
        """Drain most queues, read others and leave them as they are, count the rest."""
        for name in self._topology.single:
            drawn = chance.random() if name != topology.SELDOM else chance.uniform(0.55, 1)
            count_only = drawn > 0.85 and name != topology.DELAYED
            self._inspect(self._topology.queues[name], drain=drawn < 0.6, count_only=count_only)
        for name in self._topology.passages:
            self._inspect_passage(self._topology.queues[name], chance.random() < 0.5, chance.random() < 0.5)
        self._inspect_streams()
        self._inspect_remade(drain=chance.random() < 0.3)
        self._inspect_definitions()
        self._connection.close()

    def all_queues(self, drain: bool) -> None:
        """Read all queues to the end; with `drain`, ack everything."""
        for name in self._topology.single:
            self._inspect(self._topology.queues[name], drain, count_only=False)
        for name in self._topology.passages:
            self._inspect_passage(self._topology.queues[name], drain, drain)
        self._inspect_streams()
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
        asked_s = time.time()
        messages = self._messages(channel, queue, count) if count or queue.rules.delay_ms else []
        reading = Reading(self._started_s, asked_s, time.time())
        present = compare(self._ledger, queue, messages, self._life, reading)
        self._leave(channel, queue, present, drain)

    def _inspect_passage(self, source: QueueLedger, drain: bool, drain_dead: bool) -> None:
        """A queue and where its messages go when they die: all of the one is held while the other is read."""
        grave = source.grave
        assert grave is not None
        reads = []
        asked_s = time.time()
        for number, queue in ((1, source), (2, grave)):
            channel = self._connection.channel(number)
            if queue is grave and source.rules.buries_later:
                self._await_burials(channel, grave)
            count = self._count(channel, queue.name)
            if count is None:
                self._ledger.violated("definition lost", queue.name, "the queue is not there")
                return
            dies = queue is source and source.rules.dies_by != ""
            reads.append((channel, self._messages(channel, queue, None if dies else count)))
        (channel, messages), (other, dead) = reads
        reading = Reading(self._started_s, asked_s, time.time())
        present, buried = compare_passage(self._ledger, source, messages, dead, self._life, reading)
        self._leave(other, grave, buried, drain_dead)
        self._leave(channel, source, present, drain)
        if not other.closed:
            other.close()

    def _messages(self, channel: Channel, queue: QueueLedger, count: int | None) -> list[Observed]:
        """All messages of a queue, which remain unacknowledged: so many, or until it is empty if they may die."""
        if queue.rules.is_quorum:
            channel.call(commands.Basic.Qos(prefetch_count=0xFFFF))  # without one it has a limit of its own
        channel.call(commands.Basic.Consume(queue=queue.name, consumer_tag="inspection"))
        if count is None:
            count = self._arrived_meanwhile(channel, queue)
        try:
            channel.wait(lambda: len(channel.deliveries) >= count)
        except Silent:
            what = f"{len(channel.deliveries)} messages delivered in {ANSWER_TIMEOUT_S} s, message_count is {count}"
            self._ledger.violated("count", queue.name, what)
            raise
        self._await_due(channel, queue)
        channel.call(commands.Basic.Cancel(consumer_tag="inspection"))
        if len(channel.deliveries) != count and queue.rules.delay_ms is None:
            what = f"{len(channel.deliveries)} messages delivered, message_count was {count}"
            self._ledger.violated("count", queue.name, what)
        return [Observed(one.body, one.properties, one.redelivered) for one in channel.deliveries]

    def _await_burials(self, channel: Channel, grave: QueueLedger) -> None:
        """Wait until no more messages come."""
        before = None
        while (count := self._count(channel, grave.name)) != before:
            before = count
            time.sleep(BURIED_S)

    def _await_due(self, channel: Channel, queue: QueueLedger) -> None:
        """Give what was delayed and has to be there now some time to arrive."""
        due = queue.due(time.time())
        patience_ends = time.monotonic() + LATE_S + PROMPT_S
        while due and time.monotonic() < patience_ends:
            due -= {delivery.body[: bodies.HEADER_BYTES] for delivery in channel.deliveries}
            self._count(channel, queue.name)
            if due:
                time.sleep(PROMPT_S)

    def _arrived_meanwhile(self, channel: Channel, queue: QueueLedger) -> int:
        """Wait until nothing is ready; how many messages have come."""
        patience_ends = time.monotonic() + ANSWER_TIMEOUT_S
        while ready := self._count(channel, queue.name):
            if time.monotonic() > patience_ends:
                self._ledger.violated("count", queue.name, f"{ready} messages remain ready")
                break
        return len(channel.deliveries)

    def _leave(self, channel: Channel, queue: QueueLedger, present: list[Entry], drain: bool) -> None:
        """Ack all that was read, or leave it for the next reading."""
        if not channel.deliveries:
            return
        if drain:
            last = channel.deliveries[-1].delivery_tag
            channel.queue(frames.settle(channel.number, frames.BASIC_ACK, last, frames.MULTIPLE))
            for entry in present:
                entry.settle(self._life)
        self._barrier(channel)
        known_durable(present if drain else (), present)
        if not drain:
            for entry in present:
                queue.give_back(entry, self._life)
            channel.close()

    def _inspect_streams(self) -> None:
        for stream in self._topology.streams.values():
            counting = self._connection.channel(2)
            if self._count(counting, stream.name) is None:
                self._ledger.violated("definition lost", stream.name, "the stream is not there")
                continue
            channel = self._connection.channel()
            records = read_stream(channel, stream, partial(self._count, counting, stream.name))
            stream.compare(records)
            channel.close()
            counting.close()
        streams = self._topology.streams.values()
        self._ledger.stream_bytes = sum(stream.bytes_live() for stream in streams)

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
