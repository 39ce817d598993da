#!/usr/bin/env python3
"""Run the same load on several AMQP brokers in turn and print medians and ratios.

    ./compare.py amqpd=5672 rabbitmq=5673 --repeat 3 --only transient,confirm
    ./compare.py amqpd=5672 rabbitmq=5673 --repeat 5 --only features

A broker is NAME=PORT (without any: those two), or NAME=PORT:PID to have the memory of that process reported too. The runs are
interleaved (A B A B ...), so a machine that slows down slows everyone. Ratios are of the first broker
to each of the others: above 1 the first one is better, for latencies as well.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
from typing import NamedTuple

from generator import Generator, LoadFailed, Unsupported, compiled, peak_resident_mb, resident_mb


class Scenario(NamedTuple):
    """One line of the table."""

    name: str
    steps: tuple[str, ...]  # options of the generator, one run after the other
    figure: str  # what the last step is judged by
    unit: str  # "/s": more is better; "µs": less is better


def _rate(name: str, options: str) -> Scenario:
    return Scenario(name, (options,), "con_rate", "/s")


_STEADY = "--size 100 --rate 1000 --ackevery 1 --secs 4"
_LOADED = "--size 100 --rate 20000 --confirm 2000 --ackevery 10 --secs 4"
_PUBLISH = "--size 1000 --persistent --confirm 2000 --consumers 0 --total 300000 --keep"
_DRAIN = "--size 1000 --persistent --total 300000 --drain --secs 120"
_HOUR_MS = 3600000
_EXPIRE = "--size 100 --expiration 1 --confirm 2000 --consumers 0 --total 500000 --expire --secs 120"
_STREAM = "--size 100 --persistent --queue-type stream"
_STREAM_PUBLISH = f"{_STREAM} --confirm 1000 --consumers 0"
_STREAM_CONSUME = f"{_STREAM} --stream-offset first --total 1000000 --drain --secs 120"

CORE = (
    _rate("transient", "--size 100 --secs 4"),
    _rate("transient-noack", "--size 100 --ack none --secs 4"),
    _rate("transient-1k", "--size 1024 --secs 4"),
    _rate("confirm", "--size 100 --confirm 1000 --secs 4"),
    _rate("ack-each", "--size 100 --ack single --prefetch 100 --confirm 1000 --secs 4"),
    _rate("persistent", "--size 100 --persistent --confirm 1000 --secs 4"),
    _rate("persistent-1k", "--size 1024 --persistent --confirm 1000 --secs 4"),
    _rate("persistent-one-by-one", "--size 100 --persistent --confirm 1 --secs 4"),
    _rate("fanout-10", "--size 100 --fanout --queues 10 --consumers 10 --confirm 200 --secs 4"),
    _rate("topic", "--size 100 --topic --confirm 1000 --secs 4"),
    _rate("many", "--size 100 --queues 32 --producers 32 --consumers 32 --confirm 100 --secs 4"),
    _rate("large-1m", "--size 1000000 --confirm 4 --prefetch 10 --ackevery 1 --secs 4"),
    Scenario("latency-p50", (_STEADY,), "p50_us", "µs"),
    Scenario("latency-p99", (_STEADY,), "p99_us", "µs"),
    Scenario("loaded-p99", (_LOADED,), "p99_us", "µs"),
    Scenario("backlog-publish", (_PUBLISH, _DRAIN), "pub_rate", "/s"),
    Scenario("backlog-drain", (_PUBLISH, _DRAIN), "con_rate", "/s"),
)

FEATURES = (
    _rate("ttl", f"--size 100 --argument x-message-ttl={_HOUR_MS} --secs 4"),
    _rate("per-message-ttl", f"--size 100 --expiration {_HOUR_MS} --secs 4"),
    Scenario("expire", (_EXPIRE,), "expired_rate", "/s"),
    Scenario("expire-dead-letter", (f"{_EXPIRE} --dead-letter",), "expired_rate", "/s"),
    _rate("priority", "--size 100 --argument x-max-priority=10 --priorities 11 --secs 4"),
    _rate("dead-letter", "--size 100 --confirm 1000 --dead-letter --rejecters 1 --secs 4"),
    Scenario(
        "max-length",
        ("--size 100 --argument x-max-length=1000 --confirm 1000 --consumers 0 --secs 4",),
        "confirm_rate",
        "/s",
    ),
    _rate("quorum", "--size 100 --persistent --queue-type quorum --confirm 1000 --secs 4"),
    Scenario("stream-publish", (f"{_STREAM_PUBLISH} --secs 4",), "confirm_rate", "/s"),
    Scenario(
        "stream-consume", (f"{_STREAM_PUBLISH} --total 1000000 --keep", _STREAM_CONSUME), "con_rate", "/s"
    ),
    _rate("delayed", "--size 100 --delay 100 --confirm 1000 --secs 4"),
    Scenario("delayed-late-p99", ("--size 100 --delay 500 --rate 20000 --secs 4",), "p99_us", "µs"),
    _rate("consistent-hash", "--size 100 --consistent-hash --queues 4 --consumers 4 --confirm 1000 --secs 4"),
)

SCENARIOS = (*CORE, *FEATURES)
GROUPS = {"core": CORE, "features": FEATURES}  # names of several scenarios, for the command line


class Broker(NamedTuple):
    """A broker on this machine."""

    name: str
    port: int
    pid: int | None


BROKERS = [
    Broker("amqpd", 5672, None),
    Broker("rabbitmq", 5673, None),
]  # unless the command line says otherwise


def parse_broker(text: str) -> Broker:
    """`NAME=PORT` or `NAME=PORT:PID`."""
    name, _, address = text.partition("=")
    port, _, pid = address.partition(":")
    if not (name and port.isdecimal() and (not pid or pid.isdecimal())):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PORT or NAME=PORT:PID")
    return Broker(name, int(port), int(pid) if pid else None)


def run_steps(generator: Generator, broker: Broker, steps: tuple[str, ...]) -> dict[str, float] | None:
    """The figures of all steps in one dictionary, None when a step failed. Raises Unsupported.

    A later step adds to the figures of an earlier one and replaces those it measured (above zero) itself.
    """
    figures: dict[str, float] = {}
    for options in steps:
        try:
            measured = generator.run(broker.port, options.split())
        except Unsupported:
            raise
        except LoadFailed as failure:
            print(f"{broker.name}: {failure}", file=sys.stderr)
            return None
        figures |= {name: value for name, value in measured.items() if value or name not in figures}
    return figures


Samples = dict[
    str, list[dict[str, float]] | None
]  # by broker name, one entry a repetition; None: it can't do that


def sample(generator: Generator, brokers: list[Broker], steps: tuple[str, ...], repeat: int) -> Samples:
    """Run the steps `repeat` times on every broker, the brokers taking turns."""
    samples: Samples = {broker.name: [] for broker in brokers}
    for _ in range(repeat):
        for broker in brokers:
            taken = samples[broker.name]
            if taken is None:
                continue
            try:
                figures = run_steps(generator, broker, steps)
            except Unsupported:
                samples[broker.name] = None
                continue
            if figures is not None:
                taken.append(figures)
    return samples


class Row(NamedTuple):
    """A scenario's medians; None where a run failed, NaN where the broker has no such thing."""

    scenario: Scenario
    medians: list[float | None]

    def cells(self) -> list[str]:
        """The medians, then the ratios of the first broker to each of the others."""
        first = self.medians[0]
        unit = self.scenario.unit
        values = [_value(median, unit) for median in self.medians]
        return values + [_ratio(first, other, unit) for other in self.medians[1:]]


def _value(median: float | None, unit: str) -> str:
    if median is None:
        return "failed"
    return "has none" if math.isnan(median) else f"{median:,.0f} {unit}"


def _ratio(first: float | None, other: float | None, unit: str) -> str:
    if not first or not other or math.isnan(first) or math.isnan(other):
        return "-"
    return f"{first / other if unit == '/s' else other / first:.2f}"


def summarise(scenario: Scenario, samples: Samples, repeat: int) -> Row:
    """The row of one scenario. A broker that failed once has no median: half a result misleads."""
    return Row(scenario, [_median(scenario, figures, repeat) for figures in samples.values()])


def _median(scenario: Scenario, figures: list[dict[str, float]] | None, repeat: int) -> float | None:
    if figures is None:
        return math.nan
    if len(figures) < repeat:
        return None
    return statistics.median(each[scenario.figure] for each in figures)


class Table:
    """Prints rows as they come, in columns or as Markdown."""

    def __init__(self, brokers: list[Broker], markdown: bool) -> None:
        self.markdown = markdown
        names = [broker.name for broker in brokers]
        ratios = [f"{names[0]} / {other}" for other in names[1:]]
        self._line("scenario", names + ratios)
        if markdown:
            print("|---|" + "---:|" * (len(names) + len(ratios)))

    def add(self, row: Row) -> None:
        self._line(row.scenario.name, row.cells())

    def _line(self, first: str, others: list[str]) -> None:
        if self.markdown:
            print(f"| {first} | " + " | ".join(others) + " |", flush=True)
        else:
            print(f"{first:24}" + "".join(f"{cell:>20}" for cell in others), flush=True)


def choose(only: str) -> list[Scenario]:
    """The scenarios (or groups) named in a comma-separated list, in the table's order; all when it is empty."""
    wanted = {name for name in only.split(",") if name}
    for group in wanted & GROUPS.keys():
        wanted = wanted - {group} | {scenario.name for scenario in GROUPS[group]}
    unknown = wanted - {scenario.name for scenario in SCENARIOS}
    if unknown:
        raise SystemExit(f"no such scenario: {', '.join(sorted(unknown))}")
    return [scenario for scenario in SCENARIOS if not wanted or scenario.name in wanted]


def report_memory(brokers: list[Broker], before_mb: dict[str, float]) -> None:
    """What the processes hold after all runs, what they held before, and the most they ever held."""
    for broker in brokers:
        if broker.pid is not None:
            before, now, peak = before_mb[broker.name], resident_mb(broker.pid), peak_resident_mb(broker.pid)
            print(
                f"\n{broker.name}: resident memory {before:.0f} MiB before, {now:.0f} after, {peak:.0f} at most"
            )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("brokers", nargs="*", type=parse_broker, metavar="NAME=PORT[:PID]", default=BROKERS)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each scenario on each broker")
    parser.add_argument("--only", default="", help="comma-separated names of scenarios, or core, or features")
    parser.add_argument("--secs", type=int, help="measure for so many seconds instead of 4")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    arguments = parser.parse_args()
    scenarios = choose(arguments.only)
    before_mb = {each.name: resident_mb(each.pid) for each in arguments.brokers if each.pid is not None}
    sampled: dict[tuple[str, ...], Samples] = {}  # scenarios that differ only in the figure share their runs
    failed = False
    with compiled() as generator:
        table = Table(arguments.brokers, arguments.markdown)
        for scenario in scenarios:
            steps = scenario.steps
            if arguments.secs:
                steps = tuple(step.replace("--secs 4", f"--secs {arguments.secs}") for step in steps)
            if steps not in sampled:
                sampled[steps] = sample(generator, arguments.brokers, steps, arguments.repeat)
            row = summarise(scenario, sampled[steps], arguments.repeat)
            failed = failed or None in row.medians
            table.add(row)
    report_memory(arguments.brokers, before_mb)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
