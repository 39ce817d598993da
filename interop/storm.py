"""AMQPStorm's connection to the broker that is tested."""

import amqpstorm

from interop.broker import Broker

TIMEOUT_S = 60


def connected(broker: Broker) -> amqpstorm.Connection:
    """A connection, which is to be closed by whoever asked for it."""
    return amqpstorm.Connection(
        broker.host,
        broker.username,
        broker.password,
        port=broker.port,
        virtual_host=broker.virtual_host,
        timeout=TIMEOUT_S,
    )
