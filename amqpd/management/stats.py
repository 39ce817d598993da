"""What was counted, as RabbitMQ calls it: each number with its `_details`."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from amqpd.management.site import Site
from amqpd.metrics.message_counts import MessageCounts
from amqpd.metrics.rates import Key

OF_QUEUE = (
    "ack",
    "deliver",
    "deliver_get",
    "deliver_no_ack",
    "get",
    "get_empty",
    "get_no_ack",
    "publish",
    "redeliver",
)
OF_CHANNEL = (
    "ack",
    "confirm",
    "deliver",
    "deliver_get",
    "deliver_no_ack",
    "drop_unroutable",
    "get",
    "get_empty",
    "get_no_ack",
    "publish",
    "redeliver",
    "return_unroutable",
)


def with_rates(site: Site, key: Key, counts: Mapping[str, int]) -> dict[str, object]:
    """The numbers, and how fast each grows: `publish` and `publish_details`."""
    rates = site.rates.of(key, tuple(counts.values()))
    told: dict[str, object] = {}
    for (name, count), rate in zip(counts.items(), rates, strict=True):
        told[name] = count
        told[f"{name}_details"] = {"rate": rate}
    return told


def message_stats(
    site: Site, key: Key, counts: MessageCounts, names: Iterable[str], **further: int
) -> dict[str, object]:
    """`message_stats` as part of an object: nothing at all as long as nothing has happened."""
    numbers = {name: _count(counts, name) for name in names}
    if not any(numbers.values()):
        return {}
    return {"message_stats": with_rates(site, (*key, "messages"), {**numbers, **further})}


def _count(counts: MessageCounts, name: str) -> int:
    number: int = counts.deliver_get() if name == "deliver_get" else getattr(counts, name)
    return number


def lengths(site: Site, key: Key, ready: int, unacknowledged: int) -> dict[str, object]:
    """How many messages there are."""
    return with_rates(
        site,
        (*key, "lengths"),
        {
            "messages": ready + unacknowledged,
            "messages_ready": ready,
            "messages_unacknowledged": unacknowledged,
        },
    )


def moment(unix_s: float) -> str:
    """A moment as `2026-11-21T05:17:58.355+00:00`."""
    return datetime.datetime.fromtimestamp(unix_s, datetime.UTC).isoformat(timespec="milliseconds")


def idle_since(site: Site, key: Key) -> str:
    """When something was seen to change last."""
    return moment(site.broker.clock.unix_s() - site.rates.unchanged_s((*key, "lengths")))


GARBAGE_COLLECTION = {
    "fullsweep_after": 65535,
    "max_heap_size": 0,
    "min_bin_vheap_size": 46422,
    "min_heap_size": 233,
    "minor_gcs": 0,
}
"""Of Erlang's processes, which there are none of."""
