"""Every metric there is, in the order in which RabbitMQ tells them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amqpd.prometheus.families import Group
from amqpd.prometheus.groups import channels, cluster, connections, global_counters, identity, node, queues

GROUPS: Sequence[Group[Any, Any]] = (
    node.ALARMS,
    node.PROCESS,
    node.CHURN,
    node.NODE_COARSE,
    node.NODE,
    node.PERSISTER,
    node.LOGINS,
    queues.QUEUE_COARSE,
    queues.QUEUE_CONSUMER_COUNT,
    queues.QUEUE,
    channels.CHANNEL,
    channels.CHANNEL_EXCHANGE,
    channels.CHANNEL_QUEUE,
    connections.CONNECTION_COARSE,
    connections.CONNECTION,
    queues.QUEUE_PUBLISHED,
    queues.ALL_PUBLISHED,
    cluster.VHOST_STATUS,
    cluster.EXCHANGE_BINDINGS,
    cluster.EXCHANGE_NAMES,
    node.TOTAL_COUNTS,
    node.TOTAL_CONSUMERS,
    identity.BUILD_INFO,
    identity.IDENTITY_INFO,
    global_counters.BY_QUEUE_TYPE,
    global_counters.BY_PROTOCOL,
    global_counters.PUBLISHERS,
    global_counters.CONSUMERS,
    global_counters.DEAD_LETTERS,
)
