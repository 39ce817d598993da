"""What a request wants to know of the past: `lengths_age=600&lengths_incr=60` and the like (RabbitMQ 3.10, observed)."""

from __future__ import annotations

import re
from typing import NamedTuple

from amqpd.management.answers import Refused
from amqpd.management.asked import Asked
from amqpd.management.sampling import Sampling

MOST_SAMPLES = 500
WHOLE = re.compile("[-+]?[0-9]{1,18}", re.ASCII)
BAD_REQUEST = "bad_request"
OF_A_LIST = "invalid_range_parameters"
"""What the error is called in the lists of queues, exchanges and virtual hosts."""


class Range(NamedTuple):
    """So many seconds back from now, at this distance; `with_now` if what is now comes after them."""

    age_s: int
    distance_s: int
    with_now: bool = False

    def moments_ms(self, sampling: Sampling) -> list[int]:
        """When the samples are from, in ms since 1970, the oldest first: at multiples of their distance."""
        distance_ms = self.distance_s * 1000
        last = int(sampling.known_until_s() * 1000) // distance_ms * distance_ms
        if self.with_now:
            last += distance_ms
        return list(range(last - self.age_s * 1000, last + 1, distance_ms))


class Ranges(NamedTuple):
    """The ranges of a request: of how many messages there are, of how many go which way, of octets, and of nodes."""

    lengths: Range | None = None
    msg_rates: Range | None = None
    data_rates: Range | None = None
    node_stats: Range | None = None


def ranges_of(asked: Asked, error: str = BAD_REQUEST, *, lengths_with_now: bool = False) -> Ranges:
    """What is asked for. Raises Refused (400) for what makes no sense."""
    ranges = [_range(asked, prefix, error) for prefix in Ranges._fields]
    if lengths_with_now and ranges[0] is not None:
        ranges[0] = ranges[0]._replace(with_now=True)
    return Ranges(*ranges)


def _range(asked: Asked, prefix: str, error: str) -> Range | None:
    age, distance = asked.query(f"{prefix}_age") or "", asked.query(f"{prefix}_incr") or ""
    if not WHOLE.fullmatch(age) or not WHOLE.fullmatch(distance):
        return None
    age_s, distance_s = int(age), int(distance)
    if age_s <= 0 or distance_s <= 0 or age_s // distance_s > MOST_SAMPLES:
        raise Refused(400, error, f"Invalid range parameters: age {age_s}, incr {distance_s}")
    return Range(age_s, distance_s)
