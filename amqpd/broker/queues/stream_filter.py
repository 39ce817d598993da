"""Which messages of a stream a consumer wants, by a value that their publishers gave them (RabbitMQ 3.13).

RabbitMQ leaves out whole chunks that have none of them, and clients look again at what they get; here each
message is looked at.
"""

from __future__ import annotations

from typing import Final, final

from amqpd.wire.fields import Field, Table, decode_table_at
from amqpd.wire.properties import HEADERS, position_of

FILTER: Final = "x-stream-filter"
MATCH_UNFILTERED: Final = "x-stream-match-unfiltered"
FILTER_VALUE: Final = "x-stream-filter-value"

_FILTER_VALUE_NAME: Final = FILTER_VALUE.encode()


@final
class StreamFilter:
    """The values that are wanted, and whether a message without one is."""

    def __init__(self, values: frozenset[str], takes_unfiltered: bool) -> None:
        self._values = values
        self._takes_unfiltered = takes_unfiltered

    def takes(self, header: bytes) -> bool:
        """Whether a message with this content header is wanted."""
        value = filter_value(header)
        return self._takes_unfiltered if value is None else value in self._values


def filter_value(header: bytes) -> str | None:
    """The text in the header x-stream-filter-value, or None."""
    if _FILTER_VALUE_NAME not in header:
        return None
    at = position_of(header, HEADERS)
    if at < 0:
        return None
    headers, _end = decode_table_at(header, at, len(header))
    return _text(headers.get(FILTER_VALUE))


def filter_of(arguments: Table) -> StreamFilter | None:
    """What a consumer with these arguments wants, None for everything.

    As in RabbitMQ, a filter is a text or an array, in which only texts count; any other value is none.
    """
    field = arguments.get(FILTER)
    if field is None:
        return None
    if isinstance(field.value, list):
        texts = [_text(item) for item in field.value]
    elif field.type == "S":
        texts = [_text(field)]
    else:
        return None
    unfiltered = arguments.get(MATCH_UNFILTERED)
    takes_unfiltered = unfiltered is not None and unfiltered.value is True
    return StreamFilter(frozenset([text for text in texts if text is not None]), takes_unfiltered)


def _text(field: Field | None) -> str | None:
    return field.value if field is not None and field.type == "S" and isinstance(field.value, str) else None
