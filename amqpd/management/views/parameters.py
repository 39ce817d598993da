"""Runtime parameters, as which limits and policies can be seen as well; and those of the whole broker."""

from __future__ import annotations

from amqpd.broker.limits import InvalidLimits
from amqpd.broker.vhost import VirtualHost
from amqpd.management import access
from amqpd.management.answers import Missing, bad_request, escaped
from amqpd.management.asked import Asked
from amqpd.management.definitions import parameter_item, policy_value
from amqpd.management.lists import Item, columns_of, listed
from amqpd.management.resources import resource
from amqpd.wire.json_terms import term

VHOST_LIMITS = "vhost-limits"
LIMITS = "limits"
POLICY = "policy"
OPERATOR_POLICY = "operator_policy"

PARAMETERS = resource("/parameters", access.policymakers)
PARAMETERS_OF_COMPONENT = resource("/parameters/:component", access.policymakers)
PARAMETERS_IN_VHOST = resource("/parameters/:component/:vhost", access.policymakers)
PARAMETER = resource("/parameters/:component/:vhost/:name", access.policymakers)
GLOBAL_PARAMETERS = resource("/global-parameters", access.any_policymaker)
GLOBAL_PARAMETER = resource("/global-parameters/:name", access.any_policymaker)


@PARAMETERS.on("GET")
async def parameters(asked: Asked) -> object:
    """All but policies."""
    items = [
        item for vhost in access.shown_vhosts(asked) for item in _items(vhost) if item["component"] != POLICY
    ]
    return await listed(asked, items)


@PARAMETERS_OF_COMPONENT.on("GET")
async def parameters_of_component(asked: Asked) -> object:
    """Those of one component."""
    component = asked.names["component"]
    items = [
        item
        for vhost in access.shown_vhosts(asked)
        for item in _items(vhost)
        if item["component"] == component
    ]
    return await listed(asked, items)


@PARAMETERS_IN_VHOST.on("GET")
async def parameters_in_vhost(asked: Asked) -> object:
    """Those of one component in one virtual host."""
    return await parameters_of_component(asked)


@PARAMETER.on("GET")
async def parameter(asked: Asked) -> object:
    """One parameter."""
    return columns_of(asked, _parameter(asked))


def _parameter(asked: Asked) -> Item:
    component, name = asked.names["component"], asked.names["name"]
    for item in _items(asked.vhost()):
        if item["component"] == component and item["name"] == name:
            return item
    raise Missing()


@PARAMETER.on("PUT")
async def set_parameter(asked: Asked) -> bool:
    """Set it, if it is of a component that there is."""
    vhost = asked.vhost_to_change()
    value = asked.values("value")["value"]
    component, name = asked.names["component"], asked.names["name"]
    if component == POLICY:
        raise bad_request("policies may not be set using this method")
    if component != VHOST_LIMITS or name != LIMITS:
        raise bad_request(escaped(f"Validation failed\n\ncomponent {component} not found\n"))
    if value == []:
        value = {}
    if not isinstance(value, dict):
        raise bad_request(escaped(f"Validation failed\n\n{name} not a list {term(value)}\n"))
    is_new = not vhost.limits
    try:
        vhost.set_limits(value)
    except InvalidLimits as invalid:
        raise bad_request(escaped(invalid.text)) from None
    # RabbitMQ 3.10 has limits that were lifted still there, and says that they are not new.
    return is_new and bool(vhost.limits)


@PARAMETER.on("DELETE")
async def clear_parameter(asked: Asked) -> None:
    """Clear it."""
    item = _parameter(asked)
    vhost, component, name = asked.vhost(), item["component"], item["name"]
    if component == VHOST_LIMITS:
        vhost.set_limits({})
    elif component == OPERATOR_POLICY:
        vhost.delete_operator_policy(name)
    elif component == POLICY:
        vhost.delete_policy(name)
    else:
        vhost.delete_parameter(component, name)


def _items(vhost: VirtualHost) -> list[Item]:
    items = [
        parameter_item(vhost, component, name, value) for (component, name), value in vhost.parameters.items()
    ]
    if vhost.limits:
        items.append(parameter_item(vhost, VHOST_LIMITS, LIMITS, vhost.limits))
    for policy in vhost.policies.values():
        items.append(parameter_item(vhost, POLICY, policy.name, policy_value(policy)))
    for policy in vhost.operator_policies.values():
        items.append(parameter_item(vhost, OPERATOR_POLICY, policy.name, policy_value(policy)))
    return items


@GLOBAL_PARAMETERS.on("GET")
async def global_parameters(asked: Asked) -> object:
    """Those of the whole broker."""
    items = [{"name": name, "value": value} for name, value in asked.site.broker.global_parameters.items()]
    return await listed(asked, items, ("name",))


@GLOBAL_PARAMETER.on("GET")
async def global_parameter(asked: Asked) -> object:
    """One of them."""
    name = asked.names["name"]
    if name not in asked.site.broker.global_parameters:
        raise Missing()
    return columns_of(asked, {"value": asked.site.broker.global_parameters[name], "name": name})


@GLOBAL_PARAMETER.on("PUT")
async def set_global_parameter(asked: Asked) -> bool:
    """Keep it."""
    value = asked.values("value")["value"]
    name = asked.names["name"]
    is_new = name not in asked.site.broker.global_parameters
    asked.site.broker.set_global_parameter(name, value)
    return is_new


@GLOBAL_PARAMETER.on("DELETE")
async def clear_global_parameter(asked: Asked) -> None:
    """Forget it."""
    if not asked.site.broker.delete_global_parameter(asked.names["name"]):
        raise Missing()
