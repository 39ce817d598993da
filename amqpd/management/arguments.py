"""Arguments and headers of requests: what makes no table is the asker's mistake."""

from __future__ import annotations

from amqpd.management.answers import bad_request
from amqpd.management.tables import NotATable, table_of
from amqpd.wire.fields import Table

SHORTSTR_MAX_BYTES = 255


def table_of_json(values: object) -> Table:
    """The table that JSON stands for. Raises Refused (400)."""
    try:
        return table_of(values)
    except NotATable as problem:
        raise bad_request(str(problem)) from None
