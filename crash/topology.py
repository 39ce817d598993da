"""The queues and exchanges that are there in all rounds, and who works on them."""

from __future__ import annotations

from pamqp import commands

from crash.client import Connection
from crash.ledger import Ledger, QueueLedger

TURNOVER = tuple(f"turnover-{number}" for number in range(3))
FANOUT = tuple(f"fanout-{number}" for number in range(12))
TRANSACTED = ("transacted-0", "transacted-1")
GOTTEN, AT_ONCE, TAKEN, LARGE, SELDOM, REMADE = "gotten", "at-once", "taken", "large", "seldom", "remade"
BARRIER = "barrier"  # a queue for bindings only
FIXED = (*TURNOVER, *FANOUT, *TRANSACTED, GOTTEN, AT_ONCE, TAKEN, LARGE, SELDOM)
FANOUT_EXCHANGE = "fan"
BARRIER_EXCHANGE = "barriers"


class Topology:
    """Queues by name as the ledger knows them, and the number of the fanout exchange as a target."""

    def __init__(self, ledger: Ledger) -> None:
        self.queues: dict[str, QueueLedger] = {name: ledger.new_queue(name) for name in FIXED}
        self.fanout_target = ledger.new_target(FANOUT_EXCHANGE)

    def declare(self, port: int) -> None:
        """Once, before the first round."""
        connection = Connection(port)
        channel = connection.channel()
        channel.call(
            commands.Exchange.Declare(exchange=FANOUT_EXCHANGE, exchange_type="fanout", durable=True)
        )
        channel.call(
            commands.Exchange.Declare(exchange=BARRIER_EXCHANGE, exchange_type="direct", durable=True)
        )
        for name in (*FIXED, BARRIER):
            channel.call(commands.Queue.Declare(queue=name, durable=True))
        for name in FANOUT:
            channel.call(commands.Queue.Bind(queue=name, exchange=FANOUT_EXCHANGE, routing_key=""))
        connection.close()
