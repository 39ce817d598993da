"""Messages that are to be routed later: kept like a queue's, in the order in which they fall due.

The position of a message in this queue is the moment when it is due, so that the log, its recovery and its
reclaiming need to know nothing of delays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64

from amqpd.broker.binding import Destination
from amqpd.broker.delayed_backlog import DelayedBacklog
from amqpd.broker.exchange import Exchange
from amqpd.broker.queues.looked import Looked
from amqpd.broker.queues.queue import BEHIND, LOGGED, TAKEN, Queue
from amqpd.clock import Timer
from amqpd.errors import ResourceError
from amqpd.message import NOT_LOGGED, TO_BE_LOGGED, Message
from amqpd.store.api import CannotRead
from amqpd.store.journal import Journal
from amqpd.store.queue_index import QueueIndex
from amqpd.wire.fields import INTEGER_TYPES, Field, Table, bytes_of
from amqpd.wire.properties import decode_properties, encode_properties

if TYPE_CHECKING:
    from amqpd.broker.vhost_state import VhostState

DELAY: Final = "x-delay"
DELAY_MAX_MS: Final = (1 << 32) - 1
"""What asks for more is not delayed at all, as nothing is that asks for 0 or less (RabbitMQ's plugin)."""

BLIND_COPIES: Final = b"\x03BCC"

SEQUENCE_BITS: Final = 20
"""The lower bits of a position tell messages apart that are due in the same millisecond."""

SEQUENCE_MASK: Final = (1 << SEQUENCE_BITS) - 1

NUMBERS_TRIED: Final = 1024
"""So many of them are tried for one moment; whoever finds none free is due a millisecond later."""

ROUTED_AT_ONCE_MESSAGES: Final = 1024
"""When more are due, others have their turn before the next ones."""

LONGEST_WAIT_S: Final = 64.0
"""The clock is asked again after this at the latest: it may have been set, or the machine been asleep."""

EARLY_S: Final = 0.00005
"""The timer runs so much early, as its moment and the calendar's are not the same to the last digit."""

FULL_LOG_WAIT_S: Final = 0.01
UNREADABLE_WAIT_S: Final = 10.0


@final
class DelayedMessages(Queue):
    """What stands in for a queue where a delayed exchange leads: takes messages, and routes them when they are due.

    It has no name, as no queue has: dead letters may come back to an exchange that is called like their queue.
    """

    def __init__(self, exchange: Exchange, vhost: VhostState, queue_id: i64) -> None:
        super().__init__("", exchange.durable, {}, vhost, queue_id)
        self.index = vhost.storage.add_index(queue_id, exchange.durable)
        self._exchange = exchange
        self._vhost = vhost
        self._journal: Journal | None = vhost.storage.journal if self.index.logged else None
        self._backlog = DelayedBacklog(self.index, vhost.storage)
        self._timers = vhost.timers
        self._timer: Timer | None = None
        self._wakes_s = 0.0
        """When the timer runs, in seconds since 1970."""
        self._now_ms: i64 = 0
        """When the last message came."""
        self._sequence: i64 = 0
        self._routed = 0
        self._is_late = False
        """Whether more is due than could be routed in one turn: publishers had better wait a little."""

    def title(self) -> str:
        """How texts call it."""
        return f"delayed messages of {self._exchange.title()}"

    def indexes(self) -> list[QueueIndex]:
        """What the log knows of it."""
        return [self.index]

    def restore(self, ends: dict[int, int]) -> None:
        """Begin with what the log has, after a start."""
        self._wait_for_first()

    def ready(self) -> int:
        """How many messages are delayed."""
        return self._backlog.count()

    def delivered(self) -> int:
        """How many messages were routed."""
        return self._routed

    def look(self, place: i64, most: i64, body_max: i64) -> list[Looked]:
        """What will be routed next, from a place on, and stays as it is: see Queue.look. Raises CannotRead."""
        found = self._backlog.look(place, most, body_max)
        for looked in found:
            looked.due_ms = looked.position >> SEQUENCE_BITS
            if BLIND_COPIES in looked.message.header:
                looked.message = looked.message.with_header(_without_blind_copies(looked.message))
        return found

    def drop(self) -> None:
        """The exchange is gone, with what was delayed."""
        super().drop()
        if self._timer is not None:
            self._timer.cancel()
        self._storage.drop_index(self.index)
        self._backlog.clear()

    # What comes

    def publish(self, message: Message) -> i64:
        """Take a message, for as long as its header says. Raises ResourceError (506) if the log has no room."""
        return self.delay(message, message.header)

    def delay(self, message: Message, header: bytes) -> i64:
        """The same, and keep another header with it."""
        journal = self._journal
        now_ms = self._unix_ms()
        position = self._position(now_ms, now_ms + delay_ms(header))
        # A copy, as queues that have the same message may not log it, or not so.
        kept = message.twin() if header is message.header else message.with_header(header)
        if journal is not None:
            journal.add(kept, self.index, position)
        self._backlog.add(position, kept)
        if self._timer is None or _due_s(position) < self._wakes_s:
            self._wait_for_first()
        return (BEHIND if self._is_late else TAKEN) | (TAKEN if journal is None else LOGGED)

    def _unix_ms(self) -> i64:
        return int(self._timers.clock.unix_s() * 1000 + 0.5)

    def _position(self, now_ms: i64, due_ms: i64) -> i64:
        """A position for a message that comes now and is due then.

        What comes in the same millisecond with the same delay stays in order. Where so many are due at one
        moment that positions run out, it is due a little later; and so it is where the clock was set back before
        what was routed already, if that has to last: the log takes everything before for done with.
        """
        if now_ms != self._now_ms:
            self._now_ms = now_ms
            if self._sequence > SEQUENCE_MASK >> 1:
                self._sequence = 0
        sequence = self._sequence & SEQUENCE_MASK
        self._sequence += 1
        position = (due_ms << SEQUENCE_BITS) | sequence
        if self._journal is not None and position < self.index.delivered:
            position = (((self.index.delivered >> SEQUENCE_BITS) + 1) << SEQUENCE_BITS) | sequence
        return self._free_from(position) if self._backlog.has(position) else position

    def _free_from(self, position: i64) -> i64:
        """The next position that is free: those who were there before a start may have what is given out again."""
        last_tried = position + NUMBERS_TRIED
        while self._backlog.has(position):
            position += 1 if position < last_tried else SEQUENCE_MASK + 1
        self._sequence = (position & SEQUENCE_MASK) + 1
        return position

    # What is due

    def _wait_for_first(self) -> None:
        """See to it that the timer runs when the first message is due, or before."""
        first = self._backlog.first_position()
        if first < 0:
            return
        left_s = _due_s(first) - self._timers.clock.unix_s()
        self._wait(max(0.0, min(left_s - EARLY_S, LONGEST_WAIT_S)))

    def _wait(self, wait_s: float) -> None:
        wakes_s = self._timers.clock.unix_s() + wait_s
        if self._timer is not None:
            if self._wakes_s <= wakes_s:
                return
            self._timer.cancel()
        self._wakes_s = wakes_s
        self._timer = self._timers.after(wait_s, self._route_due)

    def _route_due(self) -> None:
        self._timer = None
        if self._journal is not None and self._journal.is_behind():
            self._wait(FULL_LOG_WAIT_S)
            return
        end: i64 = (self._unix_ms() + 1) << SEQUENCE_BITS
        routed: i64 = 0
        while routed < ROUTED_AT_ONCE_MESSAGES and not self.deleted:
            first = self._backlog.first_position()
            if first < 0 or first >= end:
                break
            try:
                message = self._backlog.take()
            except CannotRead as error:
                self._storage.tell_unreadable(self.title(), str(error))
                self._wait(UNREADABLE_WAIT_S)
                return
            routed += 1 + self._route(message, self._backlog.position)
            self._routed += 1
        self._is_late = routed >= ROUTED_AT_ONCE_MESSAGES
        if not self._is_late:
            self._release_waiting()
        if not self.deleted:
            self._wait_for_first()

    def _route(self, message: Message, position: i64) -> i64:
        """Let a message go where the bindings lead now; to how many queues."""
        due = self._due(message)
        count: i64 = 0
        for queue in self._vhost.route(self._exchange, due.routing_keys, due.message):
            try:
                queue.publish(due.message)
            except ResourceError:
                # The log has no room for it in this queue. Nobody is there to hear it.
                continue
            count += 1
        self._settle(message, position)
        return count

    def _due(self, message: Message) -> Due:
        properties = decode_properties(message.header)
        headers: Table = properties.headers or {}
        routing_keys = [message.routing_key(), *_texts(headers.get("CC")), *_texts(headers.pop("BCC", None))]
        delay = headers.get(DELAY)
        if delay is not None:
            headers[DELAY] = _negated(delay_of(delay))
        # RabbitMQ's plugin leaves the headers sorted.
        properties.headers = {name: headers[name] for name in sorted(headers, key=bytes_of)}
        return Due(message.with_header(encode_properties(properties, int(message.body_size))), routing_keys)

    def _settle(self, message: Message, position: i64) -> None:
        """A message was routed; none that comes now will stand before it."""
        index = self.index
        journal = self._journal
        if journal is not None and message.log_position != NOT_LOGGED and not self.deleted:
            if message.log_position != TO_BE_LOGGED and index.delivered < position:
                # All before it is done with as well: so the log has one range and not one for each message.
                index.settle(index.delivered, position)
            journal.settle(message, index, position)
        index.delivered = position + 1


@final
class Due:
    """A message as it is routed when its delay is over, and the keys it is routed with."""

    def __init__(self, message: Message, routing_keys: list[str]) -> None:
        self.message = message
        self.routing_keys = routing_keys


@final
class BlindCopied(Queue):
    """Delays one message with routing keys that its header does not tell any more (BCC)."""

    def __init__(self, delayed: DelayedMessages, vhost: VhostState, routing_keys: list[str]) -> None:
        super().__init__("", delayed.durable, {}, vhost, delayed.id)
        self._delayed = delayed
        self._routing_keys = routing_keys

    def publish(self, message: Message) -> i64:
        """Take the message, and keep the keys in its header until it is due. Raises ResourceError (506)."""
        properties = decode_properties(message.header)
        headers: Table = properties.headers or {}
        headers["BCC"] = Field("A", [Field("S", key) for key in self._routing_keys])
        properties.headers = headers
        return self._delayed.delay(message, encode_properties(properties, int(message.body_size)))


def destination_of(
    delayed: DelayedMessages, vhost: VhostState, routing_keys: list[str], message: Message
) -> Destination:
    """Where a message goes that is to be delayed and was published with these keys."""
    if len(routing_keys) == 1:
        return delayed
    headers = decode_properties(message.header).headers or {}
    known = {routing_keys[0], *_texts(headers.get("CC"))}
    blind = [key for key in routing_keys if key not in known]
    return BlindCopied(delayed, vhost, blind) if blind else delayed


def _without_blind_copies(message: Message) -> bytes:
    """The header of a message that waits with its keys in it (`BlindCopied`), without them."""
    properties = decode_properties(message.header)
    headers: Table = properties.headers or {}
    headers.pop("BCC", None)
    properties.headers = headers
    return encode_properties(properties, int(message.body_size))


def _due_s(position: i64) -> float:
    """When a message with this position is due, in seconds since 1970."""
    return (position >> SEQUENCE_BITS) / 1000


def delay_ms(header: bytes) -> i64:
    """For how long a message with this content header is to be delayed; 0 if it is not."""
    if b"\x07x-delay" not in header:
        return 0
    headers = decode_properties(header).headers
    delay = headers.get(DELAY) if headers is not None else None
    if delay is None:
        return 0
    asked_ms = delay_of(delay)
    return asked_ms if 0 < asked_ms <= DELAY_MAX_MS else 0


def delay_of(field: Field) -> int:
    """The milliseconds that a header x-delay asks for: a number, without its fraction, or one in words; else 0.

    RabbitMQ's plugin fails at words that are no number, and at decimals.
    """
    value = field.value
    if field.type in INTEGER_TYPES and isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value)
    if isinstance(value, str):
        digits = value[1:] if value[:1] in ("-", "+") else value
        if digits.isascii() and digits.isdigit() and len(digits) < 20:
            return int(value)
    return 0


def _negated(asked_ms: int) -> Field:
    """A signed int as from RabbitMQ's plugin, or a long where that would not do."""
    return Field("I" if asked_ms <= 1 << 31 else "l", -asked_ms)


def _texts(field: Field | None) -> list[str]:
    if field is None or not isinstance(field.value, list):
        return []
    return [str(item.value) for item in field.value if item.type == "S"]
