#!/usr/bin/env python3
"""Print what a message costs the core of the broker, in nanoseconds of processor time, without sockets or disk.

    .venv/bin/python bench/core.py
    .venv/bin/python bench/core.py ttl priority --messages 1000000
    .venv/bin/python bench/core.py --against /path/to/older/bin/python

Runs in the Python that amqpd is installed in, which decides whether the compiled or the interpreted core is
measured. Everything but the broker's own work is left out of the time: where there is a log, it is written
to memory, and its writing, which a thread does in a broker, does not count.
"""

from __future__ import annotations

import argparse
import gc
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pamqp import commands

from amqpd.app import make_broker
from amqpd.broker.broker import Broker
from amqpd.build import build
from amqpd.server.clock import MachineClock
from amqpd.testing import MemoryBroker
from amqpd.wire.fields import field_of
from amqpd.wire.frames import FRAME_BODY, FRAME_HEADER, FRAME_METHOD, frame
from amqpd.wire.properties import Properties, encode_properties

BATCH = 500  # messages that arrive, and are settled, together
ROUNDS = 8
WARM_UP_MESSAGES = 50_000
TURNS = 3  # of each of two that are compared
GC_THRESHOLDS = (50_000, 50, 100)  # as in a broker
SEGMENT_BYTES = 67108864
MEMORY_BYTES = 1 << 40  # nothing leaves it
BODY = b"x" * 100
HOUR_MS = 3600000
BASIC_PUBLISH, BASIC_ACK, BASIC_NACK = b"\x00\x3c\x00\x28", b"\x00\x3c\x00\x50", b"\x00\x3c\x00\x78"

KEPT, UNASKED, TOGETHER, EACH, REFUSED = "kept", "no ack", "one ack", "an ack each", "rejected"
"""What happens to a batch: nobody consumes it, or this is how it is settled."""


_SCATTER = random.Random(1)
_NUMBERS = [_SCATTER.randrange(1 << 20) for _ in range(BATCH)]


def _transient(number: int) -> Properties:
    return Properties()


def _persistent(number: int) -> Properties:
    return Properties(delivery_mode=2)


def _lives_an_hour(number: int) -> Properties:
    return Properties(expiration=str(HOUR_MS))


def _lives_a_millisecond(number: int) -> Properties:
    return Properties(expiration="1")


def _any_priority(number: int) -> Properties:
    return Properties(priority=_NUMBERS[number] % 11)


def _any_delay(number: int) -> Properties:
    return Properties(headers={"x-delay": field_of(1 + _NUMBERS[number] % 100)})


class Mode(NamedTuple):
    """What is measured."""

    name: str
    settled: str = TOGETHER
    arguments: Mapping[str, Any] = {}
    properties: Callable[[int], Properties] = _transient
    exchange_type: str = ""
    queues: int = 1
    confirms: bool = False
    durable: bool = False
    dead_letter: bool = False
    step_s: float = 0.0  # how much time passes with each batch
    behind: int = 0  # how many messages the consumer, who has credit for one batch, is behind


MODES = (
    Mode("no-ack", UNASKED),
    Mode("ack"),
    Mode("ack-each", EACH),
    Mode("ack-behind", behind=5000),
    Mode("confirm", confirms=True),
    Mode("topic", exchange_type="topic"),
    Mode("fanout-10", UNASKED, exchange_type="fanout", queues=10),
    Mode("persistent", confirms=True, durable=True, properties=_persistent),
    Mode("ttl", arguments={"x-message-ttl": HOUR_MS}),
    Mode("ttl-behind", arguments={"x-message-ttl": HOUR_MS}, behind=5000),
    Mode("per-message-ttl", properties=_lives_an_hour),
    Mode("expire", KEPT, properties=_lives_a_millisecond, step_s=0.002),
    Mode("expire-dead-letter", KEPT, {"x-message-ttl": 1}, dead_letter=True, step_s=0.002),
    Mode(
        "priority",
        arguments={"x-max-priority": 10},
        properties=_any_priority,
    ),
    Mode(
        "priority-behind",
        arguments={"x-max-priority": 10},
        properties=_any_priority,
        behind=5000,
    ),
    Mode("dead-letter", REFUSED, dead_letter=True),
    Mode("max-length", KEPT, {"x-max-length": 100}),
    Mode(
        "quorum",
        arguments={"x-queue-type": "quorum"},
        confirms=True,
        durable=True,
        properties=_persistent,
    ),
    Mode(
        "stream-publish",
        KEPT,
        {"x-queue-type": "stream"},
        confirms=True,
        durable=True,
        properties=_persistent,
    ),
    Mode(
        "stream-follow",
        arguments={"x-queue-type": "stream"},
        confirms=True,
        durable=True,
        properties=_persistent,
    ),
    Mode("consistent-hash", UNASKED, exchange_type="x-consistent-hash", queues=4),
    Mode(
        "delayed",
        UNASKED,
        exchange_type="x-delayed-message",
        properties=_any_delay,
        step_s=0.001,
    ),
)


class Load:
    """A broker, one client that publishes and one that consumes."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.spent_ns = 0
        self.broker = _broker(mode)
        self.publisher = self.broker.connect()
        self.consumer = self.broker.connect()
        self.published = 0
        self._data = self._encoded()
        if mode.confirms:
            self.publisher.call(1, commands.Confirm.Select())
        self._declare()
        for _ in range(mode.behind // BATCH):
            self.publisher.connection.receive(self._data)

    def _declare(self) -> None:
        mode = self.mode
        arguments = {name: field_of(value) for name, value in mode.arguments.items()}
        if mode.dead_letter:
            arguments["x-dead-letter-exchange"] = field_of("")
            arguments["x-dead-letter-routing-key"] = field_of("dead")
            self._declare_queue("dead", {}, KEPT if mode.settled == KEPT else UNASKED)
        if mode.exchange_type:
            extra: dict[str, Any] = {"x-delayed-type": field_of("direct")} if mode.step_s else {}
            declare = commands.Exchange.Declare(
                exchange="e", exchange_type=mode.exchange_type, arguments=extra
            )
            self.publisher.call(1, declare)
        for number in range(mode.queues):
            name = f"q{number}"
            self._declare_queue(name, arguments, mode.settled)
            if mode.exchange_type:
                key = {"topic": "*.b.#", "x-consistent-hash": "1"}.get(mode.exchange_type, "q0")
                self.publisher.call(1, commands.Queue.Bind(queue=name, exchange="e", routing_key=key))

    def _declare_queue(self, name: str, arguments: Mapping[str, Any], settled: str) -> None:
        durable = self.mode.durable
        self.publisher.call(1, commands.Queue.Declare(queue=name, durable=durable, arguments=dict(arguments)))
        if settled == KEPT:
            return
        if self.mode.behind:
            self.consumer.call(1, commands.Basic.Qos(prefetch_count=BATCH))
        elif "x-queue-type" in arguments:  # a stream wants it
            self.consumer.call(1, commands.Basic.Qos(prefetch_count=2 * BATCH))
        self.consumer.call(1, commands.Basic.Consume(queue=name, no_ack=settled == UNASKED))

    def _encoded(self) -> bytes:
        mode = self.mode
        exchange = "e" if mode.exchange_type else ""
        parts: list[bytes] = []
        for number in range(BATCH):
            key = {"topic": "a.b.c.d", "x-consistent-hash": f"key.{number}"}.get(mode.exchange_type, "q0")
            arguments = b"\x00\x00" + _short(exchange) + _short(key) + b"\x00"
            parts.append(frame(FRAME_METHOD, 1, BASIC_PUBLISH + arguments))
            parts.append(frame(FRAME_HEADER, 1, encode_properties(mode.properties(number), len(BODY))))
            parts.append(frame(FRAME_BODY, 1, BODY))
        return b"".join(parts)

    def run(self, messages: int) -> float:
        """Nanoseconds a message."""
        self.spent_ns = 0
        for _ in range(messages // BATCH):
            self._batch()
        return self.spent_ns / (messages // BATCH * BATCH)

    def check(self) -> None:
        """Raise SystemExit unless all messages went where they should: otherwise something else was measured."""
        mode = self.mode
        if mode.settled == KEPT or mode.step_s:
            found = self._count("dead") if mode.dead_letter else self._count("q0")
            expected = {"expire": 0, "delayed": 0, "max-length": 100}.get(mode.name, self.published)
        else:
            found = sum(self._count(f"q{number}") for number in range(mode.queues))
            expected = self.published if "stream" in mode.name else max(0, mode.behind - BATCH)
        if found != expected:
            raise SystemExit(f"{mode.name}: {found} messages are in the queue, not {expected}")

    def _count(self, queue: str) -> int:
        declared = self.publisher.call(1, commands.Queue.Declare(queue=queue, passive=True))
        return int(declared.message_count)

    def _batch(self) -> None:
        start_ns = time.process_time_ns()
        self.publisher.connection.receive(self._data)
        if self.mode.step_s:
            self.broker.advance(self.mode.step_s)
        self.spent_ns += time.process_time_ns() - start_ns
        self._write_log()
        start_ns = time.process_time_ns()
        for peer in (self.consumer, self.publisher):
            peer.connection.take_output()
            peer.connection.output_drained(0)
        self.published += BATCH
        for data in self._settlements():
            self.consumer.connection.receive(data)
        self.spent_ns += time.process_time_ns() - start_ns
        self._write_log()

    def _settlements(self) -> Iterable[bytes]:
        settled = self.mode.settled
        if settled == TOGETHER:
            return [_settlement(BASIC_ACK, self.published, True)]
        if settled == EACH:
            first = self.published - BATCH + 1
            acks = [_settlement(BASIC_ACK, tag, False) for tag in range(first, self.published + 1)]
            return [b"".join(acks)]
        if settled == REFUSED:
            # It gets the dead messages as well, without acks: their tags are in between.
            tag = 2 * self.published - BATCH
            return [_settlement(BASIC_NACK, tag, True)]
        return []

    def _write_log(self) -> None:
        """Let the log be written; what the broker does before and after counts."""
        journal = self.broker.journal if self.mode.durable else None
        if journal is None:
            return
        while journal.wants_group():
            start_ns = time.process_time_ns()
            group = journal.form_group()
            self.spent_ns += time.process_time_ns() - start_ns
            if group is not None:
                group.write()
                start_ns = time.process_time_ns()
                journal.wrote(group)
                self.spent_ns += time.process_time_ns() - start_ns


class TimedBroker(MemoryBroker):
    """A broker in memory whose time passes: reading the clock costs what it costs in a broker."""

    def make_broker(self) -> Broker:
        """The broker itself; called once."""
        return make_broker(MachineClock(), self.events)


def _broker(mode: Mode) -> Any:
    if not mode.durable:
        return MemoryBroker() if mode.step_s else TimedBroker()
    from amqpd.testing import DurableBroker  # older versions have none

    return DurableBroker(segment_bytes=SEGMENT_BYTES, memory_bytes=MEMORY_BYTES)


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _settlement(method: bytes, tag: int, multiple: bool) -> bytes:
    return frame(FRAME_METHOD, 1, method + tag.to_bytes(8, "big") + (b"\x01" if multiple else b"\x00"))


def best_ns(mode: Mode, messages: int) -> tuple[float, float]:
    """The best and the median of some rounds, nanoseconds a message."""
    load = Load(mode)
    load.run(WARM_UP_MESSAGES)
    rounds = [load.run(messages // ROUNDS) for _ in range(ROUNDS)]
    load.check()
    return min(rounds), statistics.median(rounds)


def best_ns_in(python: str, mode: Mode, messages: int) -> float | None:
    """The best of some rounds in another process; None if that version of amqpd has no such thing."""
    command = [python, __file__, mode.name, "--messages", str(messages)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r" best +([\d.]+)", done.stdout)
    return float(found[1]) if found else None


def compare(modes: list[Mode], other: str, messages: int) -> None:
    """Print the costs in this Python, in another one, and how much less the other needs; they take turns."""
    print(f"{'ns a message':20}{'here':>10}{'there':>10}{'here / there':>14}")
    for mode in modes:
        here: list[float | None] = []
        there: list[float | None] = []
        for _ in range(TURNS):
            here.append(best_ns_in(sys.executable, mode, messages))
            there.append(best_ns_in(other, mode, messages))
        known = ([each for each in here if each], [each for each in there if each])
        cells = [f"{min(each):.1f}" if each else "-" for each in known]
        ratio = f"{min(known[0]) / min(known[1]):.3f}" if all(known) else "-"
        print(f"{mode.name:20}{cells[0]:>10}{cells[1]:>10}{ratio:>14}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("modes", nargs="*", metavar="MODE", help=", ".join(mode.name for mode in MODES))
    parser.add_argument("--messages", type=int, default=200_000, help="how many for each figure")
    parser.add_argument("--against", metavar="PYTHON", help="compare with the amqpd of another Python")
    arguments = parser.parse_args()
    wanted = set(arguments.modes)
    unknown = wanted - {mode.name for mode in MODES}
    if unknown:
        parser.error(f"no such mode: {', '.join(sorted(unknown))}")
    modes = [mode for mode in MODES if not wanted or mode.name in wanted]
    if arguments.against:
        compare(modes, arguments.against, arguments.messages)
        return 0
    gc.set_threshold(*GC_THRESHOLDS)
    gc.freeze()
    print(f"{build()} core, ns a message", flush=True)
    for mode in modes:
        best, median = best_ns(mode, arguments.messages)
        print(f"{mode.name:20} best {best:8.1f}  median {median:8.1f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
