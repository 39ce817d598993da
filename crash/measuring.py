"""The size of the data directory, against what is in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from crash.broker import SEGMENT_BYTES
from crash.ledger import Ledger

PATIENCE_S = 60  # cleaning up may take its time


@dataclass(frozen=True)
class Allowance:
    """At most `factor` times the live data, two segments, and `slack_bytes`."""

    factor: float
    slack_bytes: int

    def bytes_for(self, live_bytes: int) -> int:
        """The most that so much live data may take."""
        return int(self.factor * live_bytes) + 2 * SEGMENT_BYTES + self.slack_bytes


def directory_bytes(directory: Path) -> int:
    """The sizes of all files under a directory; those that vanish meanwhile count nothing."""
    total = 0
    for path in directory.rglob("*"):
        try:
            if path.is_file():
                total += path.stat().st_size
        except OSError:
            continue
    return total


def check_size(ledger: Ledger, directory: Path, allowance: Allowance) -> str:
    """Give the broker time to get there. Returns what to print."""
    live = ledger.bytes_live()
    most = allowance.bytes_for(live)
    patience_ends = time.monotonic() + PATIENCE_S
    while (size := directory_bytes(directory)) > most and time.monotonic() < patience_ends:
        time.sleep(0.2)
    line = f"{size} bytes on disk for {live} bytes of messages, at most {most}"
    if size > most:
        ledger.violated("size", str(directory), line)
    return line
