#!/usr/bin/env python3
"""Show whether publishing gets slower as bindings and queues are added.

    ./routing.py --port 5672

For each type of exchange, messages per second published with confirms, every message going to the same
queue, while the number of bindings and of queues around that queue grows; and the ratio to 10 bindings.
1.00 means that the others cost nothing. README.md describes the topologies.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import peer
from generator import Generator, LoadFailed, compiled

EXCHANGE, ELSEWHERE = "bench.routing", "bench.routing.elsewhere"
HEADER = "kind"
SETTLE_S = 1.0  # between declaring thousands of things and measuring
WINDOWS = 10  # confirmed in a run at least, or else whole windows falling in or out of it decide the rate
SLOW_WINDOWS = 3  # published in a run that is timed to its last confirm instead
SPREAD = 20_000  # different routing keys of topic-spread: more than a cache of routes is likely to hold


class Binding(NamedTuple):
    """How queue `index` modulo the number of queues is bound; number 0 is the one that matches."""

    exchange: str
    routing_key: str
    headers: dict[str, str]


class Measurement(NamedTuple):
    """One line of the table: what is published."""

    name: str
    routing_keys: list[str]
    header: str | None  # NAME=VALUE
    window: int  # unconfirmed messages; small where a message may take long


class Kind(NamedTuple):
    """A type of exchange, its bindings, and what is measured on it."""

    exchange_type: str
    binding: Callable[[int], Binding]
    measurements: tuple[Measurement, ...]


class Stage(NamedTuple):
    """A size of the topology; one column of the table."""

    title: str
    queues: int
    bindings: int


STAGES = (
    Stage("10", 10, 10),
    Stage("1,000", 10, 1_000),
    Stage("10,000", 10, 10_000),
    Stage("10,000 to 10,000 queues", 10_000, 10_000),
)


def direct_binding(index: int) -> Binding:
    """Every binding has its own key."""
    return Binding(EXCHANGE, f"key.{index}" if index else "target", {})


def fanout_binding(index: int) -> Binding:
    """All bindings but one are on another exchange, since a fanout must deliver to every queue bound."""
    return Binding(ELSEWHERE if index else EXCHANGE, f"key.{index}", {})


TOPIC_PATTERNS = ("key{}.*.leaf", "*.key{}.#", "#.key{}")


def topic_binding(index: int) -> Binding:
    """Patterns with wildcards at the end, in front and in the middle."""
    pattern = TOPIC_PATTERNS[index % len(TOPIC_PATTERNS)].format(index)
    return Binding(EXCHANGE, pattern if index else "target.*.#", {})


def headers_binding(index: int) -> Binding:
    """Every binding asks for its own value of the same header."""
    return Binding(EXCHANGE, "", {"x-match": "all", HEADER: f"value{index}" if index else "target"})


TOPIC_KEYS = [f"target.{number}.leaf{number % 97}" for number in range(SPREAD)]

KINDS = (
    Kind("direct", direct_binding, (Measurement("direct", ["target"], None, 1000),)),
    Kind("fanout", fanout_binding, (Measurement("fanout", ["any"], None, 1000),)),
    Kind(
        "topic",
        topic_binding,
        (
            Measurement("topic", TOPIC_KEYS[:1], None, 1000),
            Measurement("topic-spread", TOPIC_KEYS, None, 1000),
        ),
    ),
    Kind("headers", headers_binding, (Measurement("headers", ["any"], f"{HEADER}=target", 100),)),
)

Rates = dict[tuple[str, Stage], list[float]]  # by name of the measurement, and stage


def queue_name(index: int) -> str:
    return f"bench.routing.{index}"


def bindings(kind: Kind, stage: Stage) -> Iterator[bytes]:
    """The queue.bind frames of a stage."""
    for index in range(stage.bindings):
        exchange, routing_key, headers = kind.binding(index)
        yield peer.bind_queue(queue_name(index % stage.queues), exchange, routing_key, headers)


class Bench:
    """Builds topologies on a broker, and publishes to them."""

    def __init__(self, generator: Generator, port: int, directory: Path, repeat: int, secs: int) -> None:
        self.generator = generator
        self.port = port
        self.directory = directory
        self.repeat = repeat
        self.secs = secs
        self.control = peer.Peer(port)

    def run_stage(self, stage: Stage, kinds: list[Kind], rates: Rates) -> None:
        """Measure all kinds at one size, and add what was measured to `rates`."""
        print(f"{stage.title} bindings", end="", file=sys.stderr, flush=True)
        # The queue the generator consumes from cannot be exclusive; the others go if this program dies.
        self.control.send_all([peer.declare_queue(queue_name(0), 0)])
        others = [queue_name(index) for index in range(1, stage.queues)]
        self.control.send_all(peer.declare_queue(name, peer.EXCLUSIVE) for name in others)
        for kind in kinds:
            print(f" {kind.exchange_type}", end="", file=sys.stderr, flush=True)
            self.declare_exchanges(kind)
            self.control.send_all(bindings(kind, stage))
            time.sleep(SETTLE_S)
            for measurement in kind.measurements:
                rates.setdefault((measurement.name, stage), []).extend(self.measure(measurement))
            self.delete_exchanges()
        self.control.send_all(peer.delete_queue(name) for name in [queue_name(0), *others])
        print(file=sys.stderr)

    def declare_exchanges(self, kind: Kind) -> None:
        self.delete_exchanges()
        names = (EXCHANGE, ELSEWHERE)
        self.control.send_all(peer.declare_exchange(name, kind.exchange_type) for name in names)

    def delete_exchanges(self) -> None:
        self.control.send_all(peer.delete_exchange(name) for name in (EXCHANGE, ELSEWHERE))

    def measure(self, measurement: Measurement) -> list[float]:
        """Confirmed messages per second, one figure a repetition.

        Raises LoadFailed also when what is confirmed does not reach the queue.
        """
        keys = self.directory / "routing_keys"
        keys.write_text("".join(f"{key}\n" for key in measurement.routing_keys))
        options = ["--exchange", EXCHANGE, "--queue", queue_name(0), "--routing-keys", str(keys)]
        options += ["--ack", "none", "--confirm", str(measurement.window)]
        if measurement.header:
            options += ["--header", measurement.header]
        return [self.run(measurement, options) for _ in range(self.repeat)]

    def run(self, measurement: Measurement, options: list[str]) -> float:
        """The rate of one run, counted for `secs`, or of a fixed number of messages where that is too coarse."""
        figures = self.generator.run(self.port, [*options, "--secs", str(self.secs)])
        if figures["confirmed"] < WINDOWS * measurement.window:
            total = SLOW_WINDOWS * measurement.window
            figures = self.generator.run(self.port, [*options, "--total", str(total), "--secs", "30"])
            return figures["pub_rate"]  # up to the last confirm; the generator fails unless all were consumed
        if figures["consumed"] < figures["confirmed"] / 2:
            raise LoadFailed(f"{measurement.name}: confirmed, but not routed to the queue")
        return figures["confirm_rate"]


def cells(name: str, rates: Rates) -> list[str]:
    """The median of each stage, with the ratio to the first."""
    medians = [statistics.median(rates[name, stage]) for stage in STAGES]
    growth = [f"{median:,.0f}/s ({_ratio(median / medians[0])})" for median in medians[1:]]
    return [f"{medians[0]:,.0f}/s", *growth]


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.4f}"


def print_table(names: list[str], rates: Rates, markdown: bool) -> None:
    titles = [stage.title for stage in STAGES]
    if markdown:
        print("| bindings | " + " | ".join(titles) + " |\n|---|" + "---:|" * len(titles))
    else:
        print(f"{'bindings':14}" + "".join(f"{title:>26}" for title in titles))
    for name in names:
        if markdown:
            print(f"| {name} | " + " | ".join(cells(name, rates)) + " |")
        else:
            print(f"{name:14}" + "".join(f"{cell:>26}" for cell in cells(name, rates)))


def report(kinds: list[Kind], rates: Rates, markdown: bool) -> None:
    """Headers exchanges go last, by themselves: RabbitMQ compares with every binding, by design."""
    keyed = [each.name for kind in kinds if kind.exchange_type != "headers" for each in kind.measurements]
    headers = [each.name for kind in kinds if kind.exchange_type == "headers" for each in kind.measurements]
    if keyed:
        print_table(keyed, rates, markdown)
    if headers:
        print("\nHeaders exchanges (RabbitMQ compares every message with every binding):\n")
        print_table(headers, rates, markdown)


def choose(only: str) -> list[Kind]:
    """The kinds of exchange in a comma-separated list, all when it is empty."""
    wanted = {name for name in only.split(",") if name}
    unknown = wanted - {kind.exchange_type for kind in KINDS}
    if unknown:
        raise SystemExit(f"no such type of exchange: {', '.join(sorted(unknown))}")
    return [kind for kind in KINDS if not wanted or kind.exchange_type in wanted]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=5672)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each measurement")
    parser.add_argument("--secs", type=int, default=2, help="seconds of each run")
    parser.add_argument("--only", default="", help="comma-separated types of exchange")
    parser.add_argument("--markdown", action="store_true", help="print Markdown tables")
    arguments = parser.parse_args()
    kinds = choose(arguments.only)
    rates: Rates = {}
    with compiled() as generator, tempfile.TemporaryDirectory(prefix="amqp-bench-") as directory:
        bench = Bench(generator, arguments.port, Path(directory), arguments.repeat, arguments.secs)
        try:
            # The smallest size before and after the others: a machine that got slower shows in both.
            for stage in (*STAGES, STAGES[0]):
                bench.run_stage(stage, kinds, rates)
        except (LoadFailed, peer.Refused) as failure:
            print(f"\n{failure}", file=sys.stderr)
            return 1
        bench.control.close()
    report(kinds, rates, arguments.markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main())
