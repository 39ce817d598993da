"""What clients are told before the broker says goodbye to them."""

import asyncio
import errno

import pytest
from pamqp import commands

from amqpd.server.draining import until_answered
from amqpd.testing.durable import DurableBroker
from amqpd.testing.failing_files import FailingFiles
from amqpd.testing.files import MemoryFiles
from amqpd.testing.memory import MemoryBroker
from amqpd.testing.peer import Peer
from amqpd.wire.properties import Properties

PERSISTENT = Properties(delivery_mode=2)


@pytest.fixture
def files() -> FailingFiles:
    return FailingFiles(MemoryFiles())


@pytest.fixture
def broker(files: FailingFiles) -> DurableBroker:
    """A broker that writes nothing any more before it is told."""
    return DurableBroker(files)


def publisher(broker: DurableBroker, messages: int) -> Peer:
    """A client that waits for confirms of so many messages."""
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    peer.call(1, commands.Confirm.Select())
    broker.flushes = False
    for _ in range(messages):
        peer.publish(1, "", "q", b"x", PERSISTENT)
    return peer


def test_it_waits_until_everything_is_on_disk_and_confirmed(broker: DurableBroker):
    async def run() -> None:
        peer = publisher(broker, 3)
        waiting = asyncio.create_task(until_answered(broker.journal, [peer.connection]))
        await asyncio.sleep(0)
        assert not waiting.done()
        broker.flush()
        await waiting
        assert peer.expect(1, commands.Basic.Ack).delivery_tag == 3

    asyncio.run(run())


def test_if_it_cannot_be_written_that_is_an_answer_too(broker: DurableBroker, files: FailingFiles):
    async def run() -> None:
        peer = publisher(broker, 3)
        files.break_with(errno.EIO)
        waiting = asyncio.create_task(until_answered(broker.journal, [peer.connection]))
        await asyncio.sleep(0)
        broker.flush()
        await waiting
        assert peer.expect(1, commands.Basic.Nack).delivery_tag == 3

    asyncio.run(run())


def test_it_waits_for_the_answer_to_a_declaration(broker: DurableBroker):
    async def run() -> None:
        peer = publisher(broker, 0)
        peer.send(1, commands.Queue.Declare(queue="r", durable=True))
        waiting = asyncio.create_task(until_answered(broker.journal, [peer.connection]))
        await asyncio.sleep(0)
        assert not waiting.done()
        broker.flush()
        await waiting
        peer.expect(1, commands.Queue.DeclareOk)

    asyncio.run(run())


def test_who_waits_for_nothing_holds_nobody_up(broker: DurableBroker):
    async def run() -> None:
        peer = publisher(broker, 0)
        peer.publish(1, "", "missing", b"x")
        async with asyncio.timeout(0):
            await until_answered(broker.journal, [peer.connection])
        async with asyncio.timeout(0):
            await until_answered(None, [MemoryBroker().connect().connection])

    asyncio.run(run())


def test_nobody_has_to_wait_for_the_disk_longer_than_he_wants(broker: DurableBroker):
    async def run() -> None:
        peer = publisher(broker, 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await until_answered(broker.journal, [peer.connection])
        broker.flush()
        peer.expect(1, commands.Basic.Ack)

    asyncio.run(run())
