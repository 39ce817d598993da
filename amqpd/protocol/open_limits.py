"""How many connections and channels there may be: to the broker, in a vhost, of a user (RabbitMQ's texts)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mypy_extensions import i64

from amqpd.broker.limits import UNLIMITED, is_reached
from amqpd.errors import NotAllowed

if TYPE_CHECKING:
    from amqpd.protocol.connection import Connection


def check_connection_limits(connection: Connection, vhost: str) -> None:
    """Raise NotAllowed (530) if there can be no more connections: to the broker, in this vhost, of this user."""
    broker = connection.broker
    counts = broker.open_counts
    user = connection.user_logged_in()
    limit = broker.limits.connection_max
    if is_reached(limit, counts.connections):
        raise NotAllowed(f"connection refused: node connection limit ({limit}) is reached")
    limit = broker.vhosts[vhost].max_connections()
    if is_reached(limit, counts.connections_in(vhost)):
        raise NotAllowed(
            f"access to vhost '{vhost}' refused for user '{user.name}': connection limit ({limit}) is reached"
        )
    known = connection.users.get(user.name)
    limit = _limit_of(known.max_connections if known is not None else None)
    if is_reached(limit, counts.connections_of(user.name)):
        raise NotAllowed(
            f"connection refused for user '{user.name}': user connection limit ({limit}) is reached"
        )


def channel_limit_reached(connection: Connection) -> str:
    """Why the user, or the broker, can have no more channels; nothing if there can be another."""
    broker = connection.broker
    counts = broker.open_counts
    user = connection.users.get(connection.user_logged_in().name)
    if user is not None and is_reached(_limit_of(user.max_channels), counts.channels_of(user.name)):
        return (
            f"number of channels opened for user '{user.name}' has reached the maximum allowed user limit of "
            f"({user.max_channels})"
        )
    if is_reached(broker.limits.channel_max_per_node, counts.channels):
        return (
            f"number of channels opened on node '{connection.parameters.cluster_name}' has reached the maximum "
            f"allowed limit of {broker.limits.channel_max_per_node}"
        )
    return ""


def _limit_of(limit: int | None) -> i64:
    """A user's limit as a number, negative for none."""
    return UNLIMITED if limit is None else limit
