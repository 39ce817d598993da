"""The machine's clock."""

from __future__ import annotations

import time
from typing import final

from amqpd.clock import Clock


@final
class MachineClock(Clock):
    """Time as it passes."""

    def monotonic_s(self) -> float:
        """Seconds since some fixed moment."""
        return time.monotonic()

    def unix_s(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        return time.time()
