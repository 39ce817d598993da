"""Policies and operator policies."""

from __future__ import annotations

from collections.abc import Callable

from amqpd.broker.policy import ALL, Policy
from amqpd.broker.policy_checks import InvalidPolicy
from amqpd.broker.vhost import VirtualHost
from amqpd.management import access
from amqpd.management.answers import Missing, bad_request, escaped
from amqpd.management.asked import Asked
from amqpd.management.definitions import policy_item
from amqpd.management.lists import columns_of, listed
from amqpd.management.resources import resource

SORTS = ("priority",)

POLICIES = resource("/policies", access.of_vhost)
POLICIES_OF_VHOST = resource("/policies/:vhost", access.of_vhost)
POLICY = resource("/policies/:vhost/:name", access.policymakers)
OPERATOR_POLICIES = resource("/operator-policies", access.of_vhost)
OPERATOR_POLICIES_OF_VHOST = resource("/operator-policies/:vhost", access.of_vhost)
OPERATOR_POLICY = resource("/operator-policies/:vhost/:name", access.administrators)


async def _listed(asked: Asked, policies_in: Callable[[VirtualHost], dict[str, Policy]]) -> object:
    """Those of all virtual hosts that the user may enter."""
    found = [
        policy_item(vhost, policy)
        for vhost in access.shown_vhosts(asked)
        for policy in policies_in(vhost).values()
    ]
    return await listed(asked, found, SORTS)


def _told(asked: Asked, policies_in: Callable[[VirtualHost], dict[str, Policy]]) -> object:
    vhost = asked.vhost()
    found = policies_in(vhost).get(asked.names["name"])
    if found is None:
        raise Missing()
    return columns_of(asked, policy_item(vhost, found))


def _user_policies(vhost: VirtualHost) -> dict[str, Policy]:
    return vhost.policies


def _operator_policies(vhost: VirtualHost) -> dict[str, Policy]:
    return vhost.operator_policies


@POLICIES.on("GET")
async def policies(asked: Asked) -> object:
    """Those of all virtual hosts that the user may enter."""
    return await _listed(asked, _user_policies)


@POLICIES_OF_VHOST.on("GET")
async def policies_of_vhost(asked: Asked) -> object:
    """Those of one virtual host."""
    return await policies(asked)


@POLICY.on("GET")
async def policy(asked: Asked) -> object:
    """One policy."""
    return _told(asked, _user_policies)


@POLICY.on("PUT")
async def set_policy(asked: Asked) -> bool:
    """Set it, or replace it."""
    vhost = asked.vhost_to_change()
    is_new = asked.names["name"] not in vhost.policies
    try:
        vhost.set_policy(*_wanted(asked))
    except InvalidPolicy as invalid:
        raise bad_request(escaped(invalid.text)) from None
    return is_new


@POLICY.on("DELETE")
async def delete_policy(asked: Asked) -> None:
    """Delete it."""
    if not asked.vhost().delete_policy(asked.names["name"]):
        raise Missing()


@OPERATOR_POLICIES.on("GET")
async def operator_policies(asked: Asked) -> object:
    """The same for operator policies."""
    return await _listed(asked, _operator_policies)


@OPERATOR_POLICIES_OF_VHOST.on("GET")
async def operator_policies_of_vhost(asked: Asked) -> object:
    """Those of one virtual host."""
    return await operator_policies(asked)


@OPERATOR_POLICY.on("GET")
async def operator_policy(asked: Asked) -> object:
    """One operator policy."""
    return _told(asked, _operator_policies)


@OPERATOR_POLICY.on("PUT")
async def set_operator_policy(asked: Asked) -> bool:
    """Set it, or replace it."""
    vhost = asked.vhost_to_change()
    is_new = asked.names["name"] not in vhost.operator_policies
    try:
        vhost.set_operator_policy(*_wanted(asked))
    except InvalidPolicy as invalid:
        # Here, RabbitMQ leaves the characters of tags as they are.
        raise bad_request(invalid.text) from None
    return is_new


@OPERATOR_POLICY.on("DELETE")
async def delete_operator_policy(asked: Asked) -> None:
    """Delete it."""
    if not asked.vhost().delete_operator_policy(asked.names["name"]):
        raise Missing()


def _wanted(asked: Asked) -> tuple[str, object, object, object, object]:
    """Name, pattern, definition, priority and what it applies to."""
    values = asked.values("pattern", "definition")
    return (
        asked.names["name"],
        values["pattern"],
        values["definition"],
        values.get("priority", 0),
        values.get("apply-to", ALL),
    )
