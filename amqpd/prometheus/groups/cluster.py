"""What /metrics/detailed alone has, of the whole cluster: virtual hosts and exchanges."""

from __future__ import annotations

from amqpd.broker.exchange import Exchange
from amqpd.broker.vhost import VirtualHost
from amqpd.prometheus.families import DETAILED, RABBITMQ_CLUSTER, Family, Group, gauge
from amqpd.prometheus.scrape import Scrape

VHOST_STATUS = Group[VirtualHost, VirtualHost](
    name="vhost_status",
    where=(DETAILED,),
    prefix=RABBITMQ_CLUSTER,
    things=lambda scrape: list(scrape.site.broker.vhosts.values()),
    labels=lambda vhost: (("vhost", vhost.name),),
    families=(gauge("vhost_status", "1 for each virtual host that runs, as all do.", lambda _vhost: 1),),
)


def _of_exchanges(name: str, family: Family[Exchange]) -> Group[Exchange, Exchange]:
    return Group(
        name=name,
        where=(DETAILED,),
        prefix=RABBITMQ_CLUSTER,
        things=Scrape.exchanges,
        labels=lambda exchange: (
            ("vhost", exchange.vhost),
            ("exchange", exchange.name),
            ("type", exchange.exchange_type),
        ),
        families=(family,),
    )


EXCHANGE_BINDINGS = _of_exchanges(
    "exchange_bindings",
    gauge(
        "exchange_bindings",
        "Bindings that begin at an exchange.",
        lambda exchange: len(exchange.bindings),
    ),
)

EXCHANGE_NAMES = _of_exchanges(
    "exchange_names", gauge("exchange_name", "1 for each exchange.", lambda _exchange: 1)
)
