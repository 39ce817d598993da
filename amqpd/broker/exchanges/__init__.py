"""The exchange types, by the name clients declare them with."""

from __future__ import annotations

from amqpd.broker.exchange import Exchange
from amqpd.broker.exchanges.direct import Direct
from amqpd.broker.exchanges.fanout import Fanout
from amqpd.broker.exchanges.headers import Headers
from amqpd.broker.exchanges.topic import Topic

EXCHANGE_TYPES: dict[str, type[Exchange]] = {
    "direct": Direct,
    "fanout": Fanout,
    "topic": Topic,
    "headers": Headers,
}
