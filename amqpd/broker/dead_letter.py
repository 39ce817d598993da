"""What a message looks like after it died: `x-death` and the headers around it (RabbitMQ 3.10's rabbit_dead_letter).

RabbitMQ sorts the headers of a dead message by name. It has one entry in `x-death` for each queue and
reason; the entry of the last death stands first, and those behind it change their direction with every
death of a message that has several (observed).
"""

from typing import Final, final

from librt.strings import read_i32_be
from mypy_extensions import i64

from amqpd.message import Message, address_of
from amqpd.wire.fields import (
    INTEGER_TYPES,
    Field,
    Table,
    bytes_of,
    decode_table,
    encode_table,
    likeness,
    text_of,
)
from amqpd.wire.properties import (
    CONTENT_ENCODING,
    CONTENT_TYPE,
    EXPIRATION,
    HEADERS,
    position_of,
)

REJECTED: Final = "rejected"
"""A consumer rejected it without requeue."""

EXPIRED: Final = "expired"
"""Its time to live, the queue's or its own, was over."""

MAXLEN: Final = "maxlen"
"""The queue was full."""

DELIVERY_LIMIT: Final = "delivery_limit"
"""It came back to a quorum queue too often."""

_FLAGS: Final = 12  # where a content header's property flags are
_PROPERTY_LIST: Final = 14  # and where its properties start
_ALL_FLAGS: Final = 0xFFFC
_COUNT_BITS: Final = 64


@final
class FirstDeath:
    """The headers of a message that had none before it died: many in a row die the same death."""

    def __init__(self) -> None:
        self.address = b""
        self.queue = ""
        self.reason = ""
        self.time_s: i64 = -1
        self.headers = b""
        """As a table on the wire."""

    def is_that_of(self, message: Message, queue: str, reason: str, time_s: i64) -> bool:
        """Whether this message dies the same death."""
        return (
            self.time_s == time_s
            and self.address == message.address
            and self.queue == queue
            and self.reason == reason
        )

    def take(self, message: Message, queue: str, reason: str, time_s: i64, headers: bytes) -> None:
        """Remember another death."""
        self.address = message.address
        self.queue = queue
        self.reason = reason
        self.time_s = time_s
        self.headers = headers


def died(
    message: Message,
    queue: str,
    reason: str,
    time_s: int,
    exchange: str,
    routing_key: str | None,
    last: FirstDeath | None = None,
) -> Message:
    """The message as it is published to the dead letter exchange `exchange` after its death in `queue`.

    It keeps its own routing key and CC if `routing_key` is None. Its own expiration no longer counts. `last`, if
    there is one, is used where the same has happened before, and remembers this.
    """
    header = message.header
    flags: i64 = (i64(header[_FLAGS]) << 8) | i64(header[_FLAGS + 1])
    start: i64 = _headers_start(header, flags)
    is_first = flags & (HEADERS | EXPIRATION) == 0
    if is_first and last is not None and last.is_that_of(message, queue, reason, time_s):
        new_flags = int((flags | HEADERS) & _ALL_FLAGS).to_bytes(2, "big")
        properties = header[_PROPERTY_LIST:start] + last.headers + header[start:]
        return _published(message, exchange, routing_key, header[:_FLAGS] + new_flags + properties)
    end: i64 = start
    headers: Table = {}
    if flags & HEADERS:
        end += 4 + (i64(read_i32_be(header, start)) & 0xFFFFFFFF)
        headers = decode_table(header, start + 4, end)
    death: Table = {
        "count": Field("l", 1),
        "reason": Field("S", reason),
        "queue": Field("S", queue),
        "time": Field("T", time_s),
        "exchange": Field("S", message.exchange()),
        "routing-keys": Field("A", [Field("S", key) for key in _keys(message.routing_key(), headers)]),
    }
    rest = header[end:]
    if flags & EXPIRATION:
        at: i64 = position_of(header, EXPIRATION)
        stop: i64 = at + 1 + i64(header[at])
        death["original-expiration"] = Field("S", text_of(header[at + 1 : stop]))
        rest = header[end:at] + header[stop:]
    headers = _with_death(headers, death)
    if routing_key is not None:
        headers.pop("CC", None)
    table = encode_table(headers)
    if is_first and last is not None:
        last.take(message, queue, reason, time_s, table)
    new_flags = int((flags | HEADERS) & ~EXPIRATION & _ALL_FLAGS).to_bytes(2, "big")
    properties = header[_PROPERTY_LIST:start] + table + rest
    return _published(message, exchange, routing_key, header[:_FLAGS] + new_flags + properties)


def routing_keys(message: Message) -> list[str]:
    """The keys that a message which `died` is routed with: its own, and those in its header CC."""
    if b"\x02CCA" not in message.header:
        return [message.routing_key()]
    return _keys(message.routing_key(), _headers(message.header))


def has_cycled(message: Message, queue: str, reason: str) -> bool:
    """Whether a message that `died` for `reason` was in `queue` before and no consumer had a hand in its way back.

    RabbitMQ leaves such queues out when it routes a dead message: it would go round for ever.
    """
    if reason == REJECTED:
        return False
    name = bytes_of(queue)
    if b"\x05queueS" + len(name).to_bytes(4, "big") + name not in message.header:
        return False
    deaths = _headers(message.header).get("x-death")
    if deaths is None or not isinstance(deaths.value, list):
        return False
    here = Field("S", queue)
    rejected = Field("S", REJECTED)
    for death in deaths.value:
        if not isinstance(death.value, dict) or death.value.get("reason") == rejected:
            return False
        if death.value.get("queue") == here:
            return True
    return False


def _published(message: Message, exchange: str, routing_key: str | None, header: bytes) -> Message:
    """The same body, published to another exchange with another content header; its own key if there is no other."""
    # As an argument of a queue a routing key may be longer than any message's: such a one matches no binding.
    key = message.routing_key() if routing_key is None else routing_key
    return message.republished(address_of(exchange, key), header)


def _headers_start(header: bytes, flags: i64) -> i64:
    """Where the headers are in the property list, or would be."""
    start: i64 = _PROPERTY_LIST
    if flags & CONTENT_TYPE:
        start += 1 + i64(header[start])
    if flags & CONTENT_ENCODING:
        start += 1 + i64(header[start])
    return start


def _headers(header: bytes) -> Table:
    at: i64 = position_of(header, HEADERS)
    if at < 0:
        return {}
    start: i64 = at + 4
    return decode_table(header, start, start + (i64(read_i32_be(header, at)) & 0xFFFFFFFF))


def _keys(routing_key: str, headers: Table) -> list[str]:
    keys = [routing_key]
    copies = headers.get("CC")
    if copies is not None and isinstance(copies.value, list):
        for field in copies.value:
            if field.type == "S":
                keys.append(field.value)
    return keys


def _with_death(headers: Table, death: Table) -> Table:
    """The headers with one more death in them; an `x-death` that is no list of tables starts anew."""
    if not headers:
        return {
            "x-death": Field("A", [Field("F", death)]),
            "x-first-death-exchange": death["exchange"],
            "x-first-death-queue": death["queue"],
            "x-first-death-reason": death["reason"],
        }
    updated = {key: _as_rewritten(field) for key, field in headers.items()}
    deaths = updated.get("x-death")
    if deaths is None:
        updated["x-first-death-exchange"] = death["exchange"]
        updated["x-first-death-queue"] = death["queue"]
        updated["x-first-death-reason"] = death["reason"]
    before = None if deaths is None else _tables(deaths)
    updated["x-death"] = Field("A", [Field("F", death)] if before is None else _prepended(before, death))
    return _sorted(updated)


def _tables(deaths: Field) -> list[Table] | None:
    """The entries of an `x-death` that came with the message; None if it is something else.

    RabbitMQ's queue crashes on a list of other things than tables: here it counts as no list.
    """
    if not isinstance(deaths.value, list):
        return None
    tables: list[Table] = []
    for field in deaths.value:
        if not isinstance(field.value, dict):
            return None
        tables.append(field.value)
    return tables


def _prepended(before: list[Table], death: Table) -> list[Field]:
    cause = _cause(death)
    latest = death
    others: list[Field] = []
    for earlier in _grouped(before):
        if _cause(earlier) == cause:
            latest = _counted(earlier, 0)
            latest["count"] = Field("l", _one_more(latest["count"]))
        else:
            others.append(Field("F", earlier))
    return [Field("F", _sorted(latest)), *others]


def _grouped(deaths: list[Table]) -> list[Table]:
    """One entry for each queue and reason, the first of them, in the opposite order.

    Entries without a count, as old brokers wrote them, have their number as count.
    """
    if len(deaths) < 2:
        return deaths
    first: dict[tuple[object, object], Table] = {}
    counts: dict[tuple[object, object], int] = {}
    for death in deaths:
        cause = _cause(death)
        first.setdefault(cause, death)
        counts[cause] = counts.get(cause, 0) + 1
    grouped = [_counted(death, counts[cause]) for cause, death in first.items()]
    grouped.reverse()
    return grouped


def _cause(death: Table) -> tuple[object, object]:
    """Queue and reason of an entry, as something to compare and to find it by."""
    queue = death.get("queue")
    reason = death.get("reason")
    return None if queue is None else likeness(queue), None if reason is None else likeness(reason)


def _counted(death: Table, count: int) -> Table:
    """The entry with its count, or, if it has none that is a number, with `count` in front."""
    known = death.get("count")
    if known is not None and known.type in INTEGER_TYPES:
        return dict(death)
    counted: Table = {"count": Field("l", count)}
    for key, field in death.items():
        if key != "count":
            counted[key] = field
    return counted


def _one_more(count: Field) -> int:
    """The count of a further death, as 64 bits hold it."""
    number = count.value if isinstance(count.value, int) else 0
    half = 1 << (_COUNT_BITS - 1)
    return (number + 1 + half) % (1 << _COUNT_BITS) - half


def _sorted(table: Table) -> Table:
    return {key: table[key] for key in sorted(table, key=bytes_of)}


def _as_rewritten(field: Field) -> Field:
    """The field as RabbitMQ writes what it has read: it knows two tags for a long and writes `l`."""
    value = field.value
    if field.type == "L":
        return Field("l", value)
    if isinstance(value, list):
        return Field("A", [_as_rewritten(item) for item in value])
    if isinstance(value, dict):
        return Field("F", {key: _as_rewritten(item) for key, item in value.items()})
    return field
