"""The exchange types, by the name clients declare them with."""

from __future__ import annotations

from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges.consistent_hash import ConsistentHash
from amqpd.broker.exchanges.delayed import Delayed
from amqpd.broker.exchanges.direct import Direct
from amqpd.broker.exchanges.fanout import Fanout
from amqpd.broker.exchanges.headers import Headers
from amqpd.broker.exchanges.modulus_hash import ModulusHash
from amqpd.broker.exchanges.random_choice import LocalRandom, Random
from amqpd.broker.exchanges.recent_history import RecentHistory
from amqpd.broker.exchanges.topic import Topic

EXCHANGE_TYPES: dict[str, type[Exchange]] = {
    "direct": Direct,
    "fanout": Fanout,
    "topic": Topic,
    "headers": Headers,
    "x-consistent-hash": ConsistentHash,
    "x-delayed-message": Delayed,
    "x-local-random": LocalRandom,
    "x-modulus-hash": ModulusHash,
    "x-random": Random,
    "x-recent-history": RecentHistory,
}
