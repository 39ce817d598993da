"""The consumer timeout: a channel that keeps a delivery for too long without settling it is closed."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from amqpd.clock import Timer
from amqpd.errors import PreconditionFailed

if TYPE_CHECKING:
    from amqpd.protocol.channel import Channel

TICK_S: Final = 60.0
"""How often a channel looks at its oldest delivery, as RabbitMQ does (channel_tick_interval)."""

NOTES_MAX: Final = 4096
"""More notes than this are thinned out: whoever has a timeout of days hears of it some minutes later."""


@final
class ConsumerTimeout:
    """Knows how old a channel's oldest delivery is at least, without a look at the clock for each.

    At every tick it notes the time and the delivery tag that comes next: what has a lower tag is at least as old
    as the note. There are ticks only while something is unsettled; the first delivery after a pause starts them.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._timers = channel.connection.broker.timers
        self._general_ms: i64 = channel.connection.parameters.consumer_timeout_ms
        self._timer: Timer | None = None
        self._times_s: array[float] = array("d")
        self._tags: array[int] = array("q")
        """Of each note, the tag that came next at its time."""

    def start(self) -> None:
        """Something is delivered that is to be settled."""
        if self._timer is None:
            self._tick_after(self._interval_s())

    def stop(self) -> None:
        """The channel is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _interval_s(self) -> float:
        return min(TICK_S, self._general_ms / 1000) if self._general_ms > 0 else TICK_S

    def _tick_after(self, delay_s: float) -> None:
        self._timer = self._timers.after(delay_s, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if not self._channel.has_unsettled():
            self._rest()
            return
        now_s = self._timers.clock.monotonic_s()
        self._note(now_s)
        oldest_tag = self._channel.unacked.oldest_tag()
        if oldest_tag < 0:
            # All that is unsettled waits for its transaction to commit, and may come back.
            self._tick_after(self._interval_s())
            return
        self._forget_before(oldest_tag)
        timeout_ms = self._timeout_ms(oldest_tag)
        due_s = self._times_s[0] + timeout_ms / 1000 if timeout_ms > 0 else now_s + TICK_S
        if due_s <= now_s:
            self._close(timeout_ms)
        else:
            self._tick_after(min(self._interval_s(), due_s - now_s))

    def _rest(self) -> None:
        """Nothing is unsettled: the next delivery is the one that starts it again."""
        del self._times_s[:]
        del self._tags[:]
        self._channel.begin_deliveries_anew()

    def _note(self, now_s: float) -> None:
        next_tag = self._channel.next_delivery_tag()
        if self._tags and self._tags[-1] == next_tag:
            return
        if len(self._tags) >= NOTES_MAX:
            del self._times_s[1::2]
            del self._tags[1::2]
        self._times_s.append(now_s)
        self._tags.append(next_tag)

    def _forget_before(self, oldest_tag: i64) -> None:
        """Notes that say nothing of what is unsettled, as all of that came after them."""
        past: i64 = bisect_right(self._tags, oldest_tag)
        del self._times_s[:past]
        del self._tags[:past]

    def _timeout_ms(self, oldest_tag: i64) -> i64:
        """The timeout that its queue has for the oldest delivery (RabbitMQ 3.12), or else the general one."""
        delivery = self._channel.unacked.find(oldest_tag)
        own_ms: i64 = delivery.queue.rules.consumer_timeout_ms if delivery is not None else -1
        return own_ms if own_ms > 0 else self._general_ms

    def _close(self, timeout_ms: i64) -> None:
        channel = self._channel
        error = PreconditionFailed(
            f"delivery acknowledgement on channel {channel.id} timed out. Timeout value used: {timeout_ms} ms. "
            "This timeout value can be configured, see consumers doc guide to learn more"
        )
        channel.connection.closing.close_channel(channel, error)
