"""A broker for test suites.

    with amqpd.testing.broker_in_thread() as broker:
        pika.BlockingConnection(pika.URLParameters(broker.url))

    async with amqpd.testing.broker(clock=amqpd.testing.FakeClock()) as broker:
        connection = await aio_pika.connect(f"{broker.url}?heartbeat=0")
        broker.advance(3600)

A client that sends heartbeats, as aio-pika does unless told, sends none in the time that `advance` lets pass: after
two or three of its intervals the broker hangs up.

`MemoryBroker` and `Peer` do without sockets, and speak frames rather than a client's API.
`MemoryFiles` and `FailingFiles` are file systems that lose their power, or fail, when a test says so.
With pytest, the fixture `amqpd_broker` is a broker in a thread, one for each test.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from amqpd.testing.clock import FakeClock
    from amqpd.testing.durable import DurableBroker
    from amqpd.testing.failing_files import FailingFiles
    from amqpd.testing.files import MemoryFiles
    from amqpd.testing.memory import MemoryBroker, RecordedEvents
    from amqpd.testing.peer import Content, Heartbeat, NoReply, Peer, Received, Refusal
    from amqpd.testing.running import BrokerInThread, RunningBroker, broker, broker_in_thread

__all__ = [
    "BrokerInThread",
    "Content",
    "DurableBroker",
    "FailingFiles",
    "FakeClock",
    "Heartbeat",
    "MemoryBroker",
    "MemoryFiles",
    "NoReply",
    "Peer",
    "Received",
    "RecordedEvents",
    "Refusal",
    "RunningBroker",
    "broker",
    "broker_in_thread",
]

_MODULES = ("clock", "durable", "failing_files", "files", "memory", "peer", "running")


def __getattr__(name: str) -> object:
    """Found when asked for: pytest imports this package in every test run, also where no broker is wanted."""
    if name in __all__:
        for module in _MODULES:
            found = getattr(import_module(f"{__name__}.{module}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
