"""How much of a stream is kept: whole segments, as RabbitMQ 3.10 does (observed, and osiris 1.2).

Offsets are divided into segments of x-stream-max-segment-size-bytes each. When one is full and the next
message begins another, and when a policy changes, the oldest go: those that do not fit into x-max-length-bytes together
with all that follow, and those whose last message is older than x-max-age. The last segment always stays, so that
a stream may be larger and older than it is told; it never has less than it would have in RabbitMQ. The
segments of the log on disk have nothing to do with these.
"""

from __future__ import annotations

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
        self._starts: list[int] = []
        self._sizes: list[int] = []
        self._last_bytes: i64 = 0
        """The size of the last one, which is not in `_sizes`."""

    def add(self, offset: i64, size: i64, rules: QueueRules) -> bool:
        """A message is added; True if a segment is complete with those before it."""
        segment_bytes = rules.max_segment_bytes
        if segment_bytes < 0:
            segment_bytes = DEFAULT_SEGMENT_BYTES
        if self._starts and self._last_bytes < segment_bytes:
            self._last_bytes += size
            return False
        is_complete = len(self._starts) > 0
        if is_complete:
            self._sizes.append(int(self._last_bytes))
        self._starts.append(int(offset))
        self._last_bytes = size
        return is_complete

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
        count: i64 = 0
        if rules.max_length_bytes >= 0:
            last_bytes: i64 = 0 if has_begun else self._last_bytes
            count = self._too_large(rules.max_length_bytes - last_bytes)
        if rules.max_age_ms >= 0:
            count = self._too_old(count, log, now_ms - rules.max_age_ms)
        if count:
            del self._starts[:count]
            del self._sizes[:count]
        return self._starts[0] if self._starts else log.first()

    def _too_large(self, left: i64) -> i64:
        """How many segments must go, so that the others before the last have no more than this."""
        count: i64 = len(self._sizes)
        while count and self._sizes[count - 1] <= left:
            left -= self._sizes[count - 1]
            count -= 1
        return count

    def _too_old(self, count: i64, log: StreamLog, oldest_ms: i64) -> i64:
        """How many must go, `count` of them anyway, so that the others have ended since then."""
        while count < len(self._sizes):
            last: i64 = self._starts[count + 1] - 1
            if last >= log.committed or log.arrived_ms(last) >= oldest_ms:
                break
            count += 1
        return count
