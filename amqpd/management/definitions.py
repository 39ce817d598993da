"""Definitions as JSON, in RabbitMQ's format: what a broker has, and a broker of what somebody had.

definitions = export(broker, users)              # of everything
definitions = export_vhost(broker, "/")          # what is declared in one virtual host
import_definitions(broker, users, body)          # all of it, or nothing: raises InvalidDefinitions
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from amqpd.auth.permissions import READ, WRITE, TopicPermission
from amqpd.auth.users import User, Users
from amqpd.broker.broker import Broker
from amqpd.broker.policy import Policy
from amqpd.broker.vhost import RESERVED_PREFIX, VirtualHost
from amqpd.management.importing import Import, Imported
from amqpd.management.items import InvalidDefinitions, Source, parse
from amqpd.management.tables import json_of

__all__ = [
    "Imported",
    "InvalidDefinitions",
    "as_text",
    "export",
    "export_vhost",
    "import_definitions",
    "prepare_definitions",
    "read_files",
]

Json = dict[str, object]

PRODUCT = "RabbitMQ"
VERSION = "3.10.8"


def as_text(definitions: Json) -> str:
    """Definitions for a file, line by line: those of two equal brokers are the same text."""
    return json.dumps(definitions, indent=1, ensure_ascii=False) + "\n"


# Export


def export(broker: Broker, users: Users, product: str = PRODUCT, version: str = VERSION) -> Json:
    """Everything that is defined, in RabbitMQ's order of keys; what stands in a list is sorted.

    Beside what RabbitMQ 3.10 exports, a vhost has `metadata` if there is anything to say of it.
    """
    found = [users.get(name) for name in users.names()]
    everybody = [user for user in found if user is not None]
    vhosts = [broker.vhosts[name] for name in sorted(broker.vhosts)]
    parameters = broker.global_parameters
    return {
        "rabbit_version": version,
        "rabbitmq_version": version,
        "product_name": product,
        "product_version": version,
        "users": [_user(user) for user in everybody],
        "vhosts": [_vhost(vhost) for vhost in vhosts],
        "permissions": [each for user in everybody for each in permissions_of(user)],
        "topic_permissions": [each for user in everybody for each in topic_permissions_of(user)],
        "parameters": [each for vhost in vhosts for each in parameters_of(vhost)],
        "global_parameters": [{"name": name, "value": parameters[name]} for name in sorted(parameters)],
        "policies": [each for vhost in vhosts for each in policies_of(vhost)],
        "queues": [each for vhost in vhosts for each in _queues(vhost)],
        "exchanges": [each for vhost in vhosts for each in _exchanges(vhost)],
        "bindings": [each for vhost in vhosts for each in _bindings(vhost)],
    }


def export_vhost(broker: Broker, name: str, version: str = VERSION) -> Json:
    """What is declared in one virtual host, to be imported into one of any name. Raises KeyError if there is none."""
    vhost = broker.vhosts[name]
    return {
        "rabbit_version": version,
        "parameters": parameters_of(vhost),
        "policies": policies_of(vhost),
        "queues": [_without_vhost(each) for each in _queues(vhost)],
        "exchanges": [_without_vhost(each) for each in _exchanges(vhost)],
        "bindings": [_without_vhost(each) for each in _bindings(vhost)],
    }


def _without_vhost(item: Json) -> Json:
    return {key: value for key, value in item.items() if key != "vhost"}


def _user(user: User) -> Json:
    limits = user.limits()
    return {
        "name": user.name,
        "password_hash": user.password_hash,
        "hashing_algorithm": user.hashing_algorithm,
        "tags": user.tags,
        "limits": {name: limits[name] for name in sorted(limits)},
    }


def _vhost(vhost: VirtualHost) -> Json:
    metadata: Json = {}
    if vhost.description:
        metadata["description"] = vhost.description
    if vhost.tags:
        metadata["tags"] = vhost.tags
    if vhost.default_queue_type:
        metadata["default_queue_type"] = vhost.default_queue_type
    return {"name": vhost.name, "metadata": metadata} if metadata else {"name": vhost.name}


def permissions_of(user: User) -> list[Json]:
    """What a user may do, as GET /api/users/user/permissions has it: an item for each vhost it may enter."""
    return [
        {
            "user": user.name,
            "vhost": vhost,
            "configure": user.permissions[vhost].configure,
            "write": user.permissions[vhost].write,
            "read": user.permissions[vhost].read,
        }
        for vhost in sorted(user.permissions)
    ]


def topic_permissions_of(user: User) -> list[Json]:
    """A user's topic permissions, as GET /api/users/user/topic-permissions has them."""
    return [
        topic_permission_item(user, vhost, exchange, topics[exchange])
        for vhost, topics in sorted(user.topics.items())
        for exchange in sorted(topics)
    ]


def topic_permission_item(user: User, vhost: str, exchange: str, topic: TopicPermission) -> Json:
    """What one user may do with one topic exchange."""
    return {"user": user.name, "vhost": vhost, "exchange": exchange, WRITE: topic.write, READ: topic.read}


def parameters_of(vhost: VirtualHost) -> list[Json]:
    """The runtime parameters of a vhost, as GET /api/parameters has them: operator policies and limits among them."""
    found: list[tuple[str, str, object]] = [
        ("operator_policy", policy.name, policy_value(policy)) for policy in vhost.operator_policies.values()
    ]
    if vhost.limits:
        found.append(("vhost-limits", "limits", {name: vhost.limits[name] for name in sorted(vhost.limits)}))
    found += [(component, name, value) for (component, name), value in vhost.parameters.items()]
    return [
        parameter_item(vhost, component, name, value)
        for component, name, value in sorted(found, key=_component_and_name)
    ]


def parameter_item(vhost: VirtualHost, component: str, name: str, value: object) -> Json:
    """One runtime parameter of a vhost."""
    return {"value": value, "vhost": vhost.name, "component": component, "name": name}


def _component_and_name(parameter: tuple[str, str, object]) -> tuple[str, str]:
    component, name, _value = parameter
    return component, name


def policy_value(policy: Policy) -> Json:
    """A policy as the value of a parameter."""
    return {
        "pattern": policy.pattern,
        "definition": policy.definition,
        "priority": policy.priority,
        "apply-to": policy.apply_to,
    }


def policies_of(vhost: VirtualHost) -> list[Json]:
    """The policies of a vhost, as GET /api/policies has them."""
    return [policy_item(vhost, policy) for _name, policy in sorted(vhost.policies.items())]


def policy_item(vhost: VirtualHost, policy: Policy) -> Json:
    """One policy, or operator policy, of a vhost."""
    return {
        "vhost": vhost.name,
        "name": policy.name,
        "pattern": policy.pattern,
        "apply-to": policy.apply_to,
        "definition": policy.definition,
        "priority": policy.priority,
    }


def _queues(vhost: VirtualHost) -> list[Json]:
    """All but exclusive ones, which nobody else could use."""
    return [
        {
            "name": queue.name,
            "vhost": vhost.name,
            "durable": queue.durable,
            "auto_delete": queue.auto_delete,
            "arguments": json_of(queue.arguments),
        }
        for _name, queue in sorted(vhost.queues.items())
        if queue.owner is None
    ]


def _exchanges(vhost: VirtualHost) -> list[Json]:
    """All but those that every vhost has."""
    return [
        {
            "name": exchange.name,
            "vhost": vhost.name,
            "type": exchange.exchange_type,
            "durable": exchange.durable,
            "auto_delete": exchange.auto_delete,
            "internal": exchange.internal,
            "arguments": json_of(exchange.arguments),
        }
        for name, exchange in sorted(vhost.exchanges.items())
        if name and not name.startswith(RESERVED_PREFIX)
    ]


def _bindings(vhost: VirtualHost) -> list[Json]:
    """All but those of exclusive queues, and those that every queue has."""
    found: list[Json] = []
    for _name, exchange in sorted(vhost.exchanges.items()):
        for key in sorted(exchange.bindings):
            binding = exchange.bindings[key]
            destination = binding.destination
            queue = vhost.queues.get(destination.name) if destination.type == "queue" else None
            if queue is None or queue.owner is None:
                found.append(
                    {
                        "source": binding.source,
                        "vhost": vhost.name,
                        "destination": destination.name,
                        "destination_type": destination.type,
                        "routing_key": binding.routing_key,
                        "arguments": json_of(binding.arguments),
                    }
                )
    return found


# Import


def import_definitions(
    broker: Broker, users: Users, body: bytes, *, vhost: str | None = None, acting_user: str = ""
) -> Imported:
    """Make everything that the JSON defines, beside what is there already; with `vhost`, in that one only.

    `acting_user` is let into every new vhost, if there is such a user. Everything is checked before anything is
    changed, and what is changed is one group of the log. Raises InvalidDefinitions, ResourceError (506) if nothing
    can be recorded, KeyError if there is no such vhost.
    """
    return _prepared(broker, users, [Source("", parse(body))], vhost, acting_user)()


def read_files(path: Path) -> dict[str, bytes]:
    """A file, under no name, or all files `*.json` of a directory by their names. Raises OSError."""
    if not path.is_dir():
        return {"": path.read_bytes()}
    return {file.name: file.read_bytes() for file in sorted(path.glob("*.json"))}


def prepare_definitions(broker: Broker, users: Users, files: Mapping[str, bytes]) -> Callable[[], Imported]:
    """Check the contents of files, as one; what imports them, in the same turn of the event loop.

    Raises InvalidDefinitions that says in which file, ResourceError (506).
    """
    sources: list[Source] = []
    for name, body in files.items():
        try:
            sources.append(Source(name, parse(body)))
        except InvalidDefinitions as invalid:
            raise invalid.within(name) from None
    return _prepared(broker, users, sources, None, "")


def _prepared(
    broker: Broker, users: Users, sources: list[Source], vhost: str | None, acting_user: str
) -> Callable[[], Imported]:
    wanted = Import(broker, users, vhost, acting_user)
    wanted.check(sources)
    return partial(_import, broker, wanted, acting_user)


def _import(broker: Broker, wanted: Import, acting_user: str) -> Imported:
    imported = wanted.apply()
    for left_out in imported.left_out:
        broker.events.tell(
            "warning", "definition left out", {"definition": left_out.where, "because": left_out.why}
        )
    broker.events.tell("info", "definitions imported", {"by": acting_user or "amqpd", **imported.counts})
    return imported
