"""Load on streams: one publishes, others read from places of their own."""

from __future__ import annotations

import time
from collections.abc import Callable

from pamqp import commands

from crash import bodies, frames
from crash.client import Channel, Connection, Silent
from crash.streams import Record, StreamLedger
from crash.worker import Scene, Worker

PREFETCH = 100
QUIET_S = 0.02
PATIENCE_S = 60


class StreamPublisher(Worker):
    """Publishes to streams, with confirms."""

    def work(self, connection: Connection) -> None:
        channel = self.open(connection, confirms=True)
        streams = list(self.scene.topology.streams.values())
        while not self.stopping:
            for _ in range(self.chance.randint(1, 12)):
                self._publish(channel, self.chance.choice(streams))
            channel.flush()
            if self.chance.random() < 0.6:
                self.await_confirms(channel)
            self.scene.stop.wait(self.chance.choice((0.002, 0.02, 0.05)))
        self.await_confirms(channel)

    def _publish(self, channel: Channel, stream: StreamLedger) -> None:
        header = self.next_header(stream.number)
        size = self.chance.randint(10, 2500 if stream.retention else 400)
        transient = self.chance.random() < 0.1
        entry = stream.publish(header, size, self.scene.life, transient, time.time())
        properties, body = bodies.properties(header, transient), bodies.body(header, size)
        channel.publish_confirmed("", stream.name, properties, body, (entry,))


class StreamReader(Worker):
    """Reads a stream for a while, from its first message, the next one, or a place that it knows; and again."""

    def __init__(self, scene: Scene, name: str, stream: StreamLedger) -> None:
        super().__init__(scene, name)
        self._stream = stream

    def work(self, connection: Connection) -> None:
        while not self.stopping:
            channel = self.open(connection)
            places = [offset for offset in list(self._stream.places)[-50:] if offset >= 0]
            offsets: list[int | str] = ["first", "next", *places[:1], *places[-1:]]
            offset = self.chance.choice(offsets)
            _consume(channel, self._stream.name, offset)
            before = offset - 1 if isinstance(offset, int) and self._stream.retention is None else None
            for _ in range(self.chance.randint(1, 40)):
                if self.stopping:
                    break
                records = _arrived(channel)
                self.delivered += len(records)
                before = self._stream.read_some(records, before)
                self.scene.stop.wait(0.005)


def read_stream(channel: Channel, stream: StreamLedger, count_of: Callable[[], int | None]) -> list[Record]:
    """Everything from the first message on. Raises Silent if `count_of`, what the broker says, is never reached."""
    _consume(channel, stream.name, "first")
    records: list[Record] = []
    patience_ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < patience_ends:
        arrived = _arrived(channel)
        records += arrived
        if not arrived and len(records) >= (count_of() or 0):
            return records
        if not arrived:
            time.sleep(QUIET_S)
    raise Silent(
        f"{len(records)} messages of {stream.name} in {PATIENCE_S} s, its message_count is {count_of()}"
    )


def _consume(channel: Channel, name: str, offset: int | str) -> None:
    channel.call(commands.Basic.Qos(prefetch_count=PREFETCH))
    channel.call(commands.Basic.Consume(queue=name, arguments={"x-stream-offset": offset}))


def _arrived(channel: Channel) -> list[Record]:
    """What has arrived; it is acked, so that more comes."""
    channel.call(commands.Basic.Qos(prefetch_count=PREFETCH))
    records = []
    tag = 0
    while channel.deliveries:
        delivery = channel.deliveries.popleft()
        tag = delivery.delivery_tag
        records.append(Record(delivery.body, delivery.properties))
    if tag:
        channel.queue(frames.settle(channel.number, frames.BASIC_ACK, tag, frames.MULTIPLE))
        channel.flush()
    return records
