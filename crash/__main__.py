"""`python -m crash`: kill a broker many times, and see that it keeps its promises."""

from __future__ import annotations

import argparse
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path

from crash.broker import Program
from crash.measuring import Allowance
from crash.rounds import Rounds, Violated
from crash.topology import KINDS

VIOLATIONS_SHOWN = 40


def main() -> int:
    """Run all rounds. Returns the exit code: 0 if every promise was kept, else 1."""
    options = _options()
    # Never the directory itself: whoever names one may have other things in it.
    directory = Path(tempfile.mkdtemp(prefix="crash-", dir=options.directory)).resolve()
    program = Program(_where_it_is(options.python), shlex.split(options.amqpd_options), directory)
    rounds = Rounds(program, [kind for kind in options.kinds.split(",") if kind], options.share)
    try:
        line = _run(rounds, options)
    except Violated:
        _report(rounds, directory)
        return 1
    except BaseException:
        print(f"kept: {directory}")
        raise
    if options.keep:
        print(f"kept: {directory}")
    else:
        shutil.rmtree(directory)
    print(line)
    return 0


def _run(rounds: Rounds, options: argparse.Namespace) -> str:
    began = time.monotonic()
    rounds.prepare()
    for number in range(options.rounds):
        seed = options.seed + number
        print(f"round {number + 1}, seed {seed}: ", end="", flush=True)
        before = rounds.ledger.confirmed
        plan = rounds.run(seed)
        print(f"{plan}; {rounds.ledger.confirmed - before} confirmed", flush=True)
    size = rounds.balance(Allowance(options.size_factor, options.size_slack_mib << 20))
    print(f"balance: {size}")
    ledger = rounds.ledger
    kinds = ", ".join(f"{kind} {number}" for kind, number in sorted(rounds.confirmed.items()) if kind)
    print(f"confirmed by kind: {kinds or 'nothing'}; the rest {rounds.confirmed['']}")
    return (
        f"passed: {options.rounds} rounds, {rounds.kills} kills, {rounds.stops} stops in order, "
        f"{ledger.confirmed} messages confirmed, {ledger.delivered} delivered, {time.monotonic() - began:.0f} s"
    )


def _report(rounds: Rounds, directory: Path) -> None:
    violations = rounds.ledger.violations
    print(f"\nFAILED: {len(violations)} violations")
    for violation in violations[:VIOLATIONS_SHOWN]:
        print(violation)
    if len(violations) > VIOLATIONS_SHOWN:
        print(f"and {len(violations) - VIOLATIONS_SHOWN} more")
    print(f"kept: {directory} (data, before-restart, broker.stderr)")


def _where_it_is(python: str) -> str:
    """The same interpreter as seen from another directory; links are not followed, they make the environment."""
    return os.path.abspath(python) if os.sep in python else python


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="crash", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how many rounds (default: 10)")
    parser.add_argument("--seed", type=int, help="the first round's seed; the next ones count up from it")
    parser.add_argument(
        "--kinds",
        default=",".join(KINDS),
        help="kinds of load that are not in each round (default: %(default)s)",
    )
    parser.add_argument(
        "--share", type=float, default=0.55, help="in so many rounds each of them is (default: %(default)s)"
    )
    parser.add_argument("--directory", help="make the working directory in this one (default: the system's)")
    parser.add_argument(
        "--keep", action="store_true", help="keep the working directory even if all went well"
    )
    parser.add_argument("--amqpd-options", default="", help="more options for amqpd, in one argument")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has amqpd installed")
    parser.add_argument("--size-factor", type=float, default=2.5, help="bytes on disk for each live byte")
    parser.add_argument("--size-slack-mib", type=int, default=4, help="MiB on disk that need no reason")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1, 10**9)
    return options


if __name__ == "__main__":
    sys.exit(main())
