"""Load on definitions: exchanges, queues and bindings are made and removed all the time."""

from __future__ import annotations

import pamqp.base
from pamqp import commands

from crash import definitions
from crash.client import Channel, Connection
from crash.definitions import Binding, Definitions
from crash.ledger import CERTAIN
from crash.worker import Scene, Worker


class Definer(Worker):
    """The only one to use these names."""

    def __init__(self, scene: Scene, name: str, known: Definitions) -> None:
        super().__init__(scene, name)
        self._known = known

    def work(self, connection: Connection) -> None:
        channel = self.open(connection)
        self._fleeting(channel)
        while not self.stopping:
            if self.chance.random() < 0.25:
                self._change_thing(channel)
            else:
                self._change_binding(channel)

    def _fleeting(self, channel: Channel) -> None:
        """What must not outlive the broker, however it ends."""
        channel.call(commands.Queue.Declare(queue=definitions.FLEETING_QUEUE))
        channel.call(commands.Exchange.Declare(exchange=definitions.FLEETING_EXCHANGE, exchange_type="topic"))
        exclusive = commands.Queue.Declare(queue=definitions.FLEETING_EXCLUSIVE, durable=True, exclusive=True)
        channel.call(exclusive)
        for queue in (definitions.FLEETING_QUEUE, definitions.FLEETING_EXCLUSIVE):
            channel.call(commands.Queue.Bind(queue=queue, exchange="amq.topic", routing_key="#"))
            channel.publish("", queue, b"\x10\x00\x02", b"in vain")

    def _change_thing(self, channel: Channel) -> None:
        name = self.chance.choice((*definitions.SOURCES, *definitions.TARGETS, *definitions.QUEUES))
        # Seldom deleted, lest there is never much to be lost.
        exists = self._known.of(name) is not CERTAIN or self.chance.random() < 0.5
        self._known.asked(name, exists)
        channel.call(_declare(name) if exists else _delete(name))
        self._known.answered(name, exists)

    def _change_binding(self, channel: Channel) -> None:
        binding = self.chance.choice(definitions.BINDINGS)
        if not all(self._known.of(end) is CERTAIN for end in (binding.source, binding.destination)):
            return
        exists = self._known.of(binding) is not CERTAIN
        self._known.asked(binding, exists)
        channel.call(_bind(binding) if exists else _unbind(binding))
        self._known.answered(binding, exists)


def _declare(name: str) -> pamqp.base.Frame:
    if name in definitions.QUEUES:
        return commands.Queue.Declare(queue=name, durable=True, arguments={"x-note": name})
    kind = definitions.exchange_type(name)
    return commands.Exchange.Declare(exchange=name, exchange_type=kind, durable=True)


def _delete(name: str) -> pamqp.base.Frame:
    if name in definitions.QUEUES:
        return commands.Queue.Delete(queue=name)
    return commands.Exchange.Delete(exchange=name)


def _bind(binding: Binding) -> pamqp.base.Frame:
    key, arguments = binding.routing_key, binding.arguments
    if binding.destination in definitions.QUEUES:
        return commands.Queue.Bind(0, binding.destination, binding.source, key, False, arguments)
    return commands.Exchange.Bind(0, binding.destination, binding.source, key, False, arguments)


def _unbind(binding: Binding) -> pamqp.base.Frame:
    key, arguments = binding.routing_key, binding.arguments
    if binding.destination in definitions.QUEUES:
        return commands.Queue.Unbind(0, binding.destination, binding.source, key, arguments)
    return commands.Exchange.Unbind(0, binding.destination, binding.source, key, False, arguments)
