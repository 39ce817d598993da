"""How much of a stream is kept: whole segments, as RabbitMQ 3.10 does (observed, and osiris 1.2).

Offsets are divided into segments of x-stream-max-segment-size-bytes each. When one is full and the next
message begins another, and when a policy changes, the oldest go: those that do not fit into x-max-length-bytes together
with all that follow, and those whose last message is older than x-max-age. The last segment always stays, so that
a stream may be larger and older than it is told; it never has less than it would have in RabbitMQ. The
segments of the log on disk have nothing to do with these.
"""

from __future__ import annotations

from collections import deque
from typing import Final, final

from mypy_extensions import i64

from amqpd.broker.queues.rules import QueueRules
from amqpd.broker.queues.stream_log import StreamLog

DEFAULT_SEGMENT_BYTES: Final = 500_000_000
READ_AT_ONCE_MESSAGES: Final = 4096
UNLIMITED: Final = 1 << 62


@final
class Retention:
    """The segments of one stream: where each begins, and how large it is."""

    def __init__(self) -> None:
        self._starts: deque[int] = deque()
        self._sizes: deque[int] = deque()
        """Of all but the last."""
        self._total_bytes: i64 = 0
        """The sum of these sizes."""
        self._last_bytes: i64 = 0

    def add(self, offset: i64, size: i64, rules: QueueRules) -> bool:
        """A message is added; True if it begins a segment, and there were others before."""
        segment_bytes = rules.max_segment_bytes
        if segment_bytes < 0:
            segment_bytes = DEFAULT_SEGMENT_BYTES
        if self._starts and self._last_bytes < segment_bytes:
            self._last_bytes += size
            return False
        is_first = not self._starts
        if not is_first:
            self._sizes.append(int(self._last_bytes))
            self._total_bytes += self._last_bytes
        self._starts.append(int(offset))
        self._last_bytes = size
        return not is_first

    def restore(self, log: StreamLog, rules: QueueRules) -> None:
        """Divide what a stream has after a start."""
        offset = log.first()
        while True:
            paged = log.index.paged.starting_at(offset, READ_AT_ONCE_MESSAGES, UNLIMITED)
            if not paged:
                return
            for each in paged:
                self.add(each.queue_position, each.share, rules)
            offset = paged[-1].queue_position + 1

    def cut(self, log: StreamLog, rules: QueueRules, now_ms: i64, has_begun: bool) -> i64:
        """The offset before which everything goes; the segments there are forgotten.

        Where the last segment `has_begun` just now, it counts as empty. Raises CannotRead.
        """
        if rules.max_length_bytes >= 0:
            last_bytes: i64 = 0 if has_begun else self._last_bytes
            while self._sizes and self._total_bytes + last_bytes > rules.max_length_bytes:
                self._forget_first()
        if rules.max_age_ms >= 0:
            while self._sizes and self._first_is_older(log, now_ms - rules.max_age_ms):
                self._forget_first()
        return self._starts[0] if self._starts else log.first()

    def _first_is_older(self, log: StreamLog, moment_ms: i64) -> bool:
        last: i64 = self._starts[1] - 1
        return last < log.committed and log.arrived_ms(last) < moment_ms

    def _forget_first(self) -> None:
        self._starts.popleft()
        self._total_bytes -= self._sizes.popleft()
