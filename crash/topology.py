"""The queues and exchanges that are there in all rounds, and who works on them."""

from __future__ import annotations

from collections.abc import Sequence

from pamqp import commands
from pamqp.common import FieldTable

from crash import bodies
from crash.client import Channel, Connection
from crash.ledger import Ledger, QueueLedger
from crash.rules import DELIVERY_LIMIT, EXPIRED, MAXLEN, Rules
from crash.streams import Retention, StreamLedger

TURNOVER = tuple(f"turnover-{number}" for number in range(3))
FANOUT = tuple(f"fanout-{number}" for number in range(12))
TRANSACTED = ("transacted-0", "transacted-1")
GOTTEN, AT_ONCE, TAKEN, LARGE, SELDOM, REMADE = "gotten", "at-once", "taken", "large", "seldom", "remade"
BARRIER = "barrier"  # a queue for bindings only
FIXED = (*TURNOVER, *FANOUT, *TRANSACTED, GOTTEN, AT_ONCE, TAKEN, LARGE, SELDOM)
FANOUT_EXCHANGE = "fan"
BARRIER_EXCHANGE = "barriers"

REFUSED, LASTING, BRIEF, CAPPED = "refused", "lasting", "brief", "capped"
COUNTED, ASSURED = "counted", "assured"
RANKED, DELAYED, STREAM = "ranked", "delayed", "stream"
KINDS = (REFUSED, LASTING, BRIEF, CAPPED, COUNTED, ASSURED, RANKED, DELAYED, STREAM)
"""Kinds of load that are not in each round. Each but the last is also the name of its queue."""

CUT_STREAM = "cut-stream"
DEAD_EXCHANGE = "dead"
DELAYED_EXCHANGE = "delays"

CAPPED_MESSAGES = 80
LASTING_MS = 5 * 3_600_000
LIMIT = 3
CUT_STREAM_RETENTION = Retention(max_bytes=300_000, segment_bytes=60_000)

_PASSAGES = {
    REFUSED: Rules(),
    LASTING: Rules(properties=bodies.lasting),
    BRIEF: Rules(
        properties=bodies.brief,
        ttl_ms=bodies.BRIEF_MS,
        own_ttl_ms=bodies.brief_ms,
        dies_by=EXPIRED,
        is_consumed=False,
    ),
    CAPPED: Rules(max_length=CAPPED_MESSAGES, dies_by=MAXLEN, is_consumed=False),
    COUNTED: Rules(delivery_limit=LIMIT, dies_by=DELIVERY_LIMIT),
    ASSURED: Rules(delivery_limit=LIMIT, dies_by=DELIVERY_LIMIT, buries_later=True),
}
_ARGUMENTS: dict[str, FieldTable] = {
    REFUSED: {},
    LASTING: {"x-message-ttl": LASTING_MS},
    BRIEF: {"x-message-ttl": bodies.BRIEF_MS},
    CAPPED: {"x-max-length": CAPPED_MESSAGES},
    COUNTED: {"x-queue-type": "quorum", "x-delivery-limit": LIMIT},
    ASSURED: {
        "x-queue-type": "quorum",
        "x-delivery-limit": LIMIT,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    },
    RANKED: {"x-max-priority": bodies.HIGHEST_PRIORITY},
    DELAYED: {},
    STREAM: {"x-queue-type": "stream"},
    CUT_STREAM: {
        "x-queue-type": "stream",
        "x-max-length-bytes": CUT_STREAM_RETENTION.max_bytes,
        "x-stream-max-segment-size-bytes": CUT_STREAM_RETENTION.segment_bytes,
    },
}


def grave_of(name: str) -> str:
    """The queue for what died in another."""
    return f"{name}-dead"


class Topology:
    """Queues by name as the ledger knows them, and the number of the fanout exchange as a target.

    `kinds` are those of KINDS that are used at all.
    """

    def __init__(self, ledger: Ledger, kinds: Sequence[str] = KINDS) -> None:
        self.kinds = kinds
        self.queues: dict[str, QueueLedger] = {name: ledger.new_queue(name) for name in FIXED}
        self.fanout_target = ledger.new_target(FANOUT_EXCHANGE)
        self.single = list(FIXED)
        """Queues that have nothing to do with others."""
        self.passages: list[str] = []
        """Queues of which messages go to a queue for the dead."""
        self.streams: dict[str, StreamLedger] = {}
        for kind in kinds:
            self._add(ledger, kind)

    def _add(self, ledger: Ledger, kind: str) -> None:
        if kind in _PASSAGES:
            queue = ledger.new_passage(kind, grave_of(kind), _PASSAGES[kind])
            self.queues[kind] = queue
            assert queue.grave is not None
            self.queues[queue.grave.name] = queue.grave
            self.passages.append(kind)
        elif kind == STREAM:
            self.streams[STREAM] = StreamLedger(ledger, STREAM)
            self.streams[CUT_STREAM] = StreamLedger(ledger, CUT_STREAM, CUT_STREAM_RETENTION)
        else:
            rules = Rules(properties=bodies.ranked, level=bodies.level)
            if kind == DELAYED:
                rules = Rules(DELAYED_EXCHANGE, bodies.delayed, delay_ms=bodies.delay_ms)
            self.queues[kind] = ledger.new_queue(kind, rules)
            self.single.append(kind)

    def declare(self, port: int) -> None:
        """Once, before the first round."""
        connection = Connection(port)
        channel = connection.channel()
        _declare_exchange(channel, FANOUT_EXCHANGE, "fanout")
        _declare_exchange(channel, BARRIER_EXCHANGE, "direct")
        _declare_exchange(channel, DEAD_EXCHANGE, "direct")
        for name in (*self.single, BARRIER, *self.streams):
            _declare_queue(channel, name, _ARGUMENTS.get(name, {}))
        for name in FANOUT:
            channel.call(commands.Queue.Bind(queue=name, exchange=FANOUT_EXCHANGE, routing_key=""))
        for name in self.passages:
            _declare_passage(channel, name)
        if DELAYED in self.kinds:
            arguments: FieldTable = {"x-delayed-type": "direct"}
            _declare_exchange(channel, DELAYED_EXCHANGE, "x-delayed-message", arguments)
            channel.call(commands.Queue.Bind(queue=DELAYED, exchange=DELAYED_EXCHANGE, routing_key=DELAYED))
        connection.close()


def _declare_passage(channel: Channel, name: str) -> None:
    grave = grave_of(name)
    dies: FieldTable = {"x-dead-letter-exchange": DEAD_EXCHANGE, "x-dead-letter-routing-key": grave}
    _declare_queue(channel, grave, {})
    channel.call(commands.Queue.Bind(queue=grave, exchange=DEAD_EXCHANGE, routing_key=grave))
    _declare_queue(channel, name, {**_ARGUMENTS[name], **dies})


def _declare_queue(channel: Channel, name: str, arguments: FieldTable) -> None:
    channel.call(commands.Queue.Declare(queue=name, durable=True, arguments=arguments))


def _declare_exchange(
    channel: Channel, name: str, exchange_type: str, arguments: FieldTable | None = None
) -> None:
    channel.call(
        commands.Exchange.Declare(
            exchange=name, exchange_type=exchange_type, durable=True, arguments=arguments or {}
        )
    )
