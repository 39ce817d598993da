"""Definitions out of a broker and into one, in RabbitMQ 3.10.8's format and words."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands

from amqpd.auth import passwords
from amqpd.broker.limits import NodeLimits
from amqpd.errors import ResourceError
from amqpd.management.definitions import (
    InvalidDefinitions,
    as_text,
    export,
    export_vhost,
    import_definitions,
    prepare_definitions,
    read_files,
)
from amqpd.testing import DurableBroker, MemoryBroker, Peer
from amqpd.wire.fields import Field, Table

Json = dict[str, Any]

EXAMPLE = Path(__file__).parents[2] / "conf" / "definitions.json"

RABBITMQ: Json = {
    "rabbit_version": "3.10.8",
    "rabbitmq_version": "3.10.8",
    "product_name": "RabbitMQ",
    "product_version": "3.10.8",
    "users": [
        {
            "name": "gu",
            "password_hash": "VQet70KnKPtZYgrIcqOCZCOA7Ln8RfXGHGpG9VrRDs+gDGOZ",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": ["monitoring"],
            "limits": {"max-channels": 9},
        },
        {
            "name": "guest",
            "password_hash": "3dbmL8AeWWs6Jk1+oMaa08tBPDx10KuKoxWa6lpw+qmm6yym",
            "hashing_algorithm": "rabbit_password_hashing_sha256",
            "tags": ["administrator"],
            "limits": {},
        },
    ],
    "vhosts": [{"name": "/"}, {"name": "gv"}],
    "permissions": [
        {"user": "gu", "vhost": "gv", "configure": ".*", "write": "", "read": "^a"},
        {"user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"},
        {"user": "guest", "vhost": "gv", "configure": ".*", "write": ".*", "read": ".*"},
    ],
    "topic_permissions": [
        {"user": "guest", "vhost": "/", "exchange": "amq.topic", "write": "^a", "read": ".*"}
    ],
    "parameters": [
        {
            "value": {
                "pattern": "^cl",
                "definition": {"max-length": 50},
                "priority": 0,
                "apply-to": "queues",
            },
            "vhost": "/",
            "component": "operator_policy",
            "name": "op",
        },
        {
            "value": {"src-uri": "amqp://", "dest-uri": ["amqp://a", "amqp://b"], "ack-mode": None},
            "vhost": "/",
            "component": "shovel",
            "name": "move",
        },
        {"value": {"max-queues": 5}, "vhost": "gv", "component": "vhost-limits", "name": "limits"},
    ],
    "global_parameters": [
        {"name": "cluster_name", "value": "rabbit@here"},
        {"name": "internal_cluster_id", "value": "rabbitmq-cluster-id-xzOGPcSVq-gIBS81fMUjQQ"},
    ],
    "policies": [
        {
            "vhost": "/",
            "name": "pol",
            "pattern": "^cl",
            "apply-to": "queues",
            "definition": {"message-ttl": 100000},
            "priority": 3,
        }
    ],
    "queues": [
        {
            "name": "classic",
            "vhost": "/",
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-dead-letter-exchange": "hx", "x-max-length": 100},
        },
        {
            "name": "passing",
            "vhost": "/",
            "durable": False,
            "auto_delete": True,
            "arguments": {"f": 1.5, "l": [1, "a", {"z": 2.0}], "t": {"u": True}},
        },
        {
            "name": "quorum",
            "vhost": "/",
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-queue-type": "quorum"},
        },
        {
            "name": "stream",
            "vhost": "gv",
            "durable": True,
            "auto_delete": False,
            "arguments": {"x-queue-type": "stream"},
        },
    ],
    "exchanges": [
        {
            "name": "hx",
            "vhost": "/",
            "type": "topic",
            "durable": True,
            "auto_delete": False,
            "internal": False,
            "arguments": {"alternate-exchange": "amq.fanout"},
        },
        {
            "name": "later",
            "vhost": "/",
            "type": "x-delayed-message",
            "durable": True,
            "auto_delete": False,
            "internal": True,
            "arguments": {"x-delayed-type": "direct"},
        },
    ],
    "bindings": [
        {
            "source": "amq.topic",
            "vhost": "/",
            "destination": "hx",
            "destination_type": "exchange",
            "routing_key": "z",
            "arguments": {},
        },
        {
            "source": "hx",
            "vhost": "/",
            "destination": "classic",
            "destination_type": "queue",
            "routing_key": "a.#",
            "arguments": {"k": 1},
        },
    ],
}
"""What RabbitMQ has exported (internal_cluster_id and hashes are its own), sorted."""


def empty(broker: MemoryBroker) -> MemoryBroker:
    """The broker, with nothing and nobody in it."""
    broker.users.clear()
    broker.users.forget_vhost("/")
    broker.broker.delete_vhost("/")
    return broker


def put_in(broker: MemoryBroker, definitions: Json, **options: Any) -> Any:
    return import_definitions(broker.broker, broker.users, json.dumps(definitions).encode(), **options)


def exported(broker: MemoryBroker) -> Json:
    return export(broker.broker, broker.users)


def refusal(broker: MemoryBroker, definitions: Json, **options: Any) -> InvalidDefinitions:
    """Why these can't be imported; nothing may have changed."""
    before = exported(broker)
    with pytest.raises(InvalidDefinitions) as refused:
        put_in(broker, definitions, **options)
    assert exported(broker) == before
    return refused.value


def queue(name: str = "q", **others: Any) -> Json:
    return {"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}, **others}


def exchange(name: str = "x", kind: str = "topic", **others: Any) -> Json:
    return {
        "name": name,
        "vhost": "/",
        "type": kind,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
        **others,
    }


def binding(source: str = "x", destination: str = "q", **others: Any) -> Json:
    return {
        "source": source,
        "vhost": "/",
        "destination": destination,
        "destination_type": "queue",
        "routing_key": "k",
        "arguments": {},
        **others,
    }


def policy(**others: Any) -> Json:
    definition = {"message-ttl": 1}
    return {"vhost": "/", "name": "p", "pattern": "^a", "definition": definition, "apply-to": "all", **others}


def parameter(value: object, component: str = "operator_policy", name: str = "o") -> Json:
    return {"vhost": "/", "component": component, "name": name, "value": value}


def permission(**others: Any) -> Json:
    return {"user": "guest", "vhost": "/", "configure": "", "write": "", "read": "", **others}


TYPED: Table = {
    "v": Field("V", None),
    "d": Field("D", (2, 314)),
    "T": Field("T", 1700000000),
    "x": Field("x", b"\x00\xffab"),
    "y": Field("x", b"abc"),
    "s": Field("S", "\udcff"),
    "b": Field("b", -3),
    "f": Field("f", 1.5),
    "a": Field("A", [Field("V", None), Field("F", {"z": Field("t", False)})]),
}


class TestExport:
    def test_what_rabbitmq_exported_comes_out_as_it_went_in(self, broker: MemoryBroker):
        put_in(empty(broker), RABBITMQ)
        assert exported(broker) == RABBITMQ

    def test_keys_stand_in_rabbitmqs_order(self, broker: MemoryBroker):
        put_in(empty(broker), RABBITMQ)
        definitions = exported(broker)
        assert list(definitions) == list(RABBITMQ)
        for category in (
            "users",
            "permissions",
            "topic_permissions",
            "policies",
            "queues",
            "exchanges",
            "bindings",
        ):
            assert list(definitions[category][0]) == list(RABBITMQ[category][0])

    def test_a_new_broker_has_its_user_and_its_vhost(self, broker: MemoryBroker):
        definitions = exported(broker)
        assert definitions["vhosts"] == [{"name": "/"}]
        assert [user["name"] for user in definitions["users"]] == ["guest"]
        assert definitions["queues"] == definitions["exchanges"] == definitions["bindings"] == []

    def test_the_order_in_which_things_were_made_does_not_show(self, broker: MemoryBroker):
        backwards = {
            key: value[::-1] if isinstance(value, list) else value for key, value in RABBITMQ.items()
        }
        put_in(empty(broker), backwards)
        assert as_text(exported(broker)) == as_text(RABBITMQ)

    def test_exclusive_queues_and_their_bindings_are_left_out(self, broker: MemoryBroker, peer: Peer):
        peer.call(1, commands.Queue.Declare(queue="mine", exclusive=True))
        peer.call(1, commands.Queue.Bind(queue="mine", exchange="amq.topic", routing_key="k"))
        definitions = exported(broker)
        assert (definitions["queues"], definitions["bindings"]) == ([], [])

    def test_a_vhost_is_exported_without_its_name_and_goes_into_another(self, broker: MemoryBroker):
        put_in(empty(broker), RABBITMQ)
        definitions = export_vhost(broker.broker, "/")
        assert list(definitions) == [
            "rabbit_version",
            "parameters",
            "policies",
            "queues",
            "exchanges",
            "bindings",
        ]
        assert "vhost" not in definitions["queues"][0]  # type: ignore[index]
        assert definitions["policies"] == RABBITMQ["policies"]
        broker.broker.add_vhost("copy")
        put_in(broker, definitions, vhost="copy")
        copy = export_vhost(broker.broker, "copy")
        for category in ("queues", "exchanges", "bindings"):
            assert copy[category] == definitions[category]
        assert [each["vhost"] for each in copy["parameters"]] == ["copy", "copy"]  # type: ignore[attr-defined]

    def test_what_is_said_of_a_vhost_is_kept(self, broker: MemoryBroker):
        broker.broker.vhosts["/"].describe("of all", ["a", "b"], "quorum")
        definitions = exported(broker)
        metadata = {"description": "of all", "tags": ["a", "b"], "default_queue_type": "quorum"}
        assert definitions["vhosts"] == [{"name": "/", "metadata": metadata}]
        again = empty(MemoryBroker())
        put_in(again, definitions)
        assert exported(again) == definitions

    def test_types_that_json_lacks_are_written_as_rabbitmq_does(self, broker: MemoryBroker, peer: Peer):
        declare = commands.Queue.Declare(queue="types")
        declare.arguments = TYPED  # type: ignore[assignment]
        peer.call(1, declare)
        assert exported(broker)["queues"][0]["arguments"] == {
            "T": 1700000000,
            "a": ["undefined", {"z": False}],
            "b": -3,
            "d": 2.314,
            "f": 1.5,
            "s": "Not UTF-8, base64 is: /w==",
            "v": "undefined",
            "x": "Not UTF-8, base64 is: AP9hYg==",
            "y": "abc",
        }


LEFT_OUT = {
    "queues": (queue("amq.gen-1"), "queues[0] 'amq.gen-1' in vhost '/'"),
    "exchanges": (exchange("amq.other"), "exchanges[0] 'amq.other' in vhost '/'"),
    "bindings": (binding("nope"), "bindings[0] from 'nope' in vhost '/'"),
}


class TestImport:
    def test_json_becomes_the_types_that_rabbitmq_makes_of_it(self, broker: MemoryBroker):
        arguments = {"i": 1, "d": 1.0, "s": "x", "t": True, "l": [2], "o": {"k": "v"}}
        put_in(broker, {"queues": [queue(arguments=arguments)]})
        assert broker.broker.vhosts["/"].queues["q"].arguments == {
            "i": Field("l", 1),
            "d": Field("d", 1.0),
            "s": Field("S", "x"),
            "t": Field("t", True),
            "l": Field("A", [Field("l", 2)]),
            "o": Field("F", {"k": Field("S", "v")}),
        }

    def test_doing_it_twice_changes_nothing_more(self, broker: MemoryBroker):
        put_in(empty(broker), RABBITMQ)
        before = exported(broker)
        put_in(broker, RABBITMQ)
        assert exported(broker) == before

    def test_what_is_there_and_not_mentioned_stays(self, broker: MemoryBroker):
        put_in(broker, {"queues": [queue("old")]})
        put_in(broker, {"queues": [queue("new")]})
        assert set(broker.broker.vhosts["/"].queues) == {"old", "new"}

    def test_a_queue_or_exchange_that_is_there_is_left_alone_whatever_it_is(self, broker: MemoryBroker):
        put_in(broker, {"queues": [queue()], "exchanges": [exchange()]})
        before = exported(broker)
        put_in(broker, {"queues": [queue(durable=False)], "exchanges": [exchange(kind="fanout")]})
        assert exported(broker) == before

    def test_policies_and_permissions_are_replaced(self, broker: MemoryBroker):
        put_in(broker, {"policies": [policy()]})
        put_in(broker, {"policies": [policy(pattern="^b")], "permissions": [permission(read="^r")]})
        definitions = exported(broker)
        assert definitions["policies"][0]["pattern"] == "^b"
        assert definitions["permissions"] == [permission(read="^r")]

    def test_limits_of_a_user_are_added_to_those_it_has(self, broker: MemoryBroker):
        user = {"name": "u", "password_hash": "", "tags": ""}
        for limits in ({"max-channels": 4}, {"max-connections": 5}, {}):
            put_in(broker, {"users": [{**user, "limits": limits}]})
        assert exported(broker)["users"][1]["limits"] == {"max-channels": 4, "max-connections": 5}

    def test_the_permissions_of_a_user_survive_a_new_password(self, broker: MemoryBroker):
        before = exported(broker)["permissions"]
        put_in(broker, {"users": [{"name": "guest", "password": "new", "tags": "administrator"}]})
        assert exported(broker)["permissions"] == before
        assert broker.users.authenticate("guest", "new")

    def test_a_vhost_that_is_only_named_keeps_its_description(self, broker: MemoryBroker):
        broker.broker.vhosts["/"].describe("d", ["t"], "stream")
        put_in(broker, {"vhosts": [{"name": "/"}]})
        vhost = broker.broker.vhosts["/"]
        assert (vhost.description, vhost.tags, vhost.default_queue_type) == ("d", ["t"], "stream")

    def test_who_imports_may_do_everything_in_the_new_vhosts(self, broker: MemoryBroker):
        put_in(broker, {"vhosts": [{"name": "v"}]}, acting_user="guest")
        put_in(broker, {"vhosts": [{"name": "w"}]})
        put_in(broker, {"vhosts": [{"name": "x"}]}, acting_user="nobody")
        assert [each["vhost"] for each in exported(broker)["permissions"]] == ["/", "v"]

    @pytest.mark.parametrize(
        ("algorithm", "password_hash"),
        [
            (algorithm, passwords.hash_password("pw", b"salt", algorithm))
            for algorithm in sorted(passwords.ALGORITHMS)
        ],
    )
    def test_hashes_are_taken_as_they_are(self, broker: MemoryBroker, algorithm: str, password_hash: str):
        user = {
            "name": "u",
            "password_hash": password_hash,
            "hashing_algorithm": algorithm,
            "tags": ["a"],
            "limits": {},
        }
        put_in(broker, {"users": [user]})
        assert exported(broker)["users"][1] == user
        assert broker.users.authenticate("u", "pw")

    @pytest.mark.parametrize(
        ("version", "algorithm"), [("3.5.8", passwords.MD5), ("3.6.0", passwords.SHA256)]
    )
    def test_old_versions_did_not_say_how_they_hashed(
        self, broker: MemoryBroker, version: str, algorithm: str
    ):
        user = {"name": "u", "password_hash": passwords.hash_password("pw", b"salt", algorithm), "tags": ""}
        put_in(broker, {"rabbit_version": version, "users": [user]})
        assert broker.users.authenticate("u", "pw")

    def test_tags_may_be_a_text(self, broker: MemoryBroker):
        put_in(broker, {"users": [{"name": "u", "tags": "a, b"}, {"name": "v", "administrator": "true"}]})
        assert [user["tags"] for user in exported(broker)["users"][1:]] == [["a", "b"], ["administrator"]]

    def test_a_new_user_may_bring_its_permissions(self, broker: MemoryBroker):
        patterns = {"configure": "c", "write": "w", "read": "r"}
        put_in(broker, {"users": [{"name": "u", "tags": "", "permissions": {"/": patterns}}]})
        assert exported(broker)["permissions"][1] == {"user": "u", "vhost": "/", **patterns}

    def test_topic_permissions_need_no_permissions(self, broker: MemoryBroker):
        topic = {"user": "guest", "vhost": "v", "exchange": "x", "write": "w", "read": "r"}
        put_in(broker, {"vhosts": [{"name": "v"}], "topic_permissions": [topic]})
        assert exported(broker)["topic_permissions"] == [topic]

    @pytest.mark.parametrize("category", sorted(LEFT_OUT))
    def test_what_can_not_be_there_is_left_out_and_told(self, broker: MemoryBroker, category: str):
        item, where = LEFT_OUT[category]
        before = exported(broker)
        imported = put_in(broker, {category: [item]})
        assert [left_out.where for left_out in imported.left_out] == [where]
        assert "definition left out" in broker.events.sentences()
        assert exported(broker) == before

    def test_a_binding_whose_queue_is_missing_is_left_out(self, broker: MemoryBroker):
        imported = put_in(broker, {"exchanges": [exchange()], "bindings": [binding()]})
        assert [left_out.why for left_out in imported.left_out] == ["there is no queue 'q'"]

    def test_one_vhosts_definitions_make_no_users(self, broker: MemoryBroker):
        put_in(broker, {"users": [{"name": "u", "tags": ""}], "queues": [queue(vhost="other")]}, vhost="/")
        assert broker.users.names() == ["guest"]
        assert list(broker.broker.vhosts["/"].queues) == ["q"]

    def test_into_a_vhost_that_is_not_there_nothing_goes(self, broker: MemoryBroker):
        with pytest.raises(KeyError):
            put_in(broker, {}, vhost="nope")

    def test_nothing_at_all_is_fine(self, broker: MemoryBroker):
        before = exported(broker)
        import_definitions(broker.broker, broker.users, b"")
        assert exported(broker) == before

    def test_what_rabbitmq_4_adds_is_understood(self, broker: MemoryBroker):
        put_in(
            broker,
            {
                "rabbitmq_definition_format": "single_virtual_host",
                "original_vhost_name": "old",
                "explanation": "how to import this",
                "metadata": {},
                "vhosts": [
                    {
                        "name": "v",
                        "description": "d",
                        "tags": ["t"],
                        "default_queue_type": "undefined",
                        "metadata": {"description": "d", "tags": ["t"]},
                        "limits": [],
                    }
                ],
                "queues": [queue(type="classic")],
            },
        )
        vhost = broker.broker.vhosts["v"]
        assert (vhost.description, vhost.tags, vhost.default_queue_type) == ("d", ["t"], "")

    def test_a_binding_brings_no_history_where_it_leads_nowhere(self, broker: MemoryBroker, peer: Peer):
        put_in(broker, {"exchanges": [exchange("past", "x-recent-history"), exchange("on", "fanout")]})
        peer.publish(1, "past", "k", b"m")
        put_in(broker, {"bindings": [binding("past", "on", destination_type="exchange")]})
        assert len(exported(broker)["bindings"]) == 1


BAD: dict[str, tuple[Json, object, str]] = {
    "no list": ({"queues": {}}, "must be a list", "queues"),
    "no object": ({"queues": [3]}, "must be an object", "queues[0]"),
    "an unknown key": ({"queue": []}, "unknown key 'queue'", ""),
    "an unknown key of an item": (
        {"queues": [queue(colour="red")]},
        "unknown key 'colour'",
        "queues[0] 'q' in vhost '/'",
    ),
    "a vhost that is not there": (
        {"queues": [queue(vhost="nope")]},
        ["no_such_vhost", "nope"],
        "queues[0] 'q' in vhost 'nope'",
    ),
    "no vhost": ({"queues": [{"name": "q"}]}, ["no_such_vhost", "undefined"], "queues[0] 'q'"),
    "no name": ({"queues": [{"vhost": "/"}]}, "name is missing", "queues[0] in vhost '/'"),
    "an empty name": ({"queues": [queue("")]}, "name is empty", "queues[0] '' in vhost '/'"),
    "a long name": (
        {"exchanges": [exchange("é" * 128)]},
        "name has more than 255 bytes",
        f"exchanges[0] '{'é' * 128}' in vhost '/'",
    ),
    "a name of another type": ({"queues": [queue(name=3)]}, "name must be a text", "queues[0] in vhost '/'"),
    "a flag of another type": (
        {"queues": [queue(durable="yes")]},
        "durable must be true or false",
        "queues[0] 'q' in vhost '/'",
    ),
    "null": ({"queues": [queue(arguments={"a": None})]}, "null_not_allowed", "queues[0] 'q' in vhost '/'"),
    "a large number": (
        {"queues": [queue(arguments={"a": 2**63})]},
        "9223372036854775808 does not fit 64 bits",
        "queues[0] 'q' in vhost '/'",
    ),
    "arguments of another type": (
        {"queues": [queue(arguments=[1])]},
        "arguments must be an object",
        "queues[0] 'q' in vhost '/'",
    ),
    "a bad argument": (
        {"queues": [queue(arguments={"x-message-ttl": -1})]},
        "precondition_failed: invalid arg 'x-message-ttl' for queue 'q' in vhost '/': {value_negative,-1}",
        "queues[0] 'q' in vhost '/'",
    ),
    "an unknown exchange type": (
        {"exchanges": [exchange(kind="nope")]},
        "command_invalid: unknown exchange type 'nope'",
        "exchanges[0] 'x' in vhost '/'",
    ),
    "a bad binding": (
        {
            "queues": [queue()],
            "exchanges": [exchange("hash", "x-consistent-hash")],
            "bindings": [binding("hash")],
        },
        'precondition_failed: The binding key must be an integer: <<"k">>',
        "bindings[0] from 'hash' in vhost '/'",
    ),
    "a binding to a queue that may not have it": (
        {
            "queues": [queue(arguments={"x-queue-type": "quorum"})],
            "exchanges": [exchange("any", "x-local-random")],
            "bindings": [binding("any", routing_key="")],
        },
        "precondition_failed: Queue type rabbit_quorum_queue not valid for this exchange type",
        "bindings[0] from 'any' in vhost '/'",
    ),
    "another type of destination": (
        {"bindings": [binding("amq.topic", destination_type="x")]},
        "destination_type must be queue or exchange",
        "bindings[0] from 'amq.topic' in vhost '/'",
    ),
    "a bad policy": (
        {"policies": [policy(definition={"nope": 1})]},
        'Validation failed\n\n[{&lt;&lt;"nope"&gt;&gt;,1}] are not recognised policy settings\n (//p)',
        "policies[0] 'p' in vhost '/'",
    ),
    "a policy without a name": (
        {"policies": [{"vhost": "/", "pattern": "^a", "definition": {"message-ttl": 1}}]},
        "policy in virtual host '/' has undefined name",
        "policies[0] in vhost '/'",
    ),
    "a policy without a definition": (
        {"policies": [{"vhost": "/", "name": "p", "pattern": "^a"}]},
        "Validation failed\n\nparse error while reading policy definition: undefined. Validator: policy_validator.\n"
        " (//p)",
        "policies[0] 'p' in vhost '/'",
    ),
    "a policy as a parameter": (
        {"parameters": [parameter({}, "policy")]},
        "policies may not be set using this method (//policy/o)",
        "parameters[0] 'o' in vhost '/'",
    ),
    "half an operator policy": (
        {"parameters": [parameter({"pattern": "^a", "zz": 1})]},
        'Validation failed\n\nUnrecognised terms [{&lt;&lt;"zz"&gt;&gt;,1}] in o\nKey "definition" not found in o\n'
        'Key "priority" not found in o\n (//operator_policy/o)',
        "parameters[0] 'o' in vhost '/'",
    ),
    "an operator policy of another type": (
        {"parameters": [parameter(3)]},
        "Validation failed\n\no not a list 3\n (//operator_policy/o)",
        "parameters[0] 'o' in vhost '/'",
    ),
    "bad limits": (
        {"parameters": [parameter({"max-queues": "a"}, "vhost-limits", "limits")]},
        'Validation failed\n\nmax-queues should be a number, actually was &lt;&lt;"a"&gt;&gt;\n (//vhost-limits/limits)',
        "parameters[0] 'limits' in vhost '/'",
    ),
    "no tags": ({"users": [{"name": "u"}]}, "tags_not_present", "users[0] 'u'"),
    "two passwords": (
        {"users": [{"name": "u", "tags": "", "password": "x", "password_hash": ""}]},
        "both_password_and_password_hash_are_provided",
        "users[0] 'u'",
    ),
    "a hash that is none": (
        {"users": [{"name": "u", "tags": "", "password_hash": "%%%"}]},
        ["not_base64", "%%%"],
        "users[0] 'u'",
    ),
    "an unknown algorithm": (
        {"users": [{"name": "u", "tags": "", "password_hash": "", "hashing_algorithm": "rot13"}]},
        "unknown password hashing algorithm 'rot13'",
        "users[0] 'u'",
    ),
    "an unknown limit of a user": (
        {"users": [{"name": "u", "tags": "", "limits": {"zz": 1}}]},
        'Unrecognised terms [{<<"zz">>,1}] in user-limits',
        "users[0] 'u'",
    ),
    "a user that is not there": (
        {"permissions": [permission(user="nobody")]},
        ["no_such_user", "nobody"],
        "permissions[0] of user 'nobody' in vhost '/'",
    ),
    "a bad pattern": (
        {"permissions": [permission(read="(")]},
        ["invalid_regexp", [40], [list(b"missing )"), 1]],
        "permissions[0] of user 'guest' in vhost '/'",
    ),
    "a bad topic pattern": (
        {"topic_permissions": [{"user": "guest", "vhost": "/", "exchange": "x", "write": "", "read": "("}]},
        ["invalid_regexp", "(", [list(b"missing )"), 1]],
        "topic_permissions[0] of user 'guest' in vhost '/'",
    ),
    "half a permission": (
        {"permissions": [{"user": "guest", "vhost": "/"}]},
        "configure is missing",
        "permissions[0] of user 'guest' in vhost '/'",
    ),
    "an unknown queue type": (
        {"vhosts": [{"name": "v", "metadata": {"default_queue_type": "nope"}}]},
        "invalid_queue_type",
        "vhosts[0] 'v'",
    ),
    "a parameter without a value": (
        {"global_parameters": [{"name": "g"}]},
        "value is missing",
        "global_parameters[0] 'g'",
    ),
}


class TestRefusal:
    @pytest.mark.parametrize("case", sorted(BAD))
    def test_what_is_wrong_changes_nothing_and_is_said(self, broker: MemoryBroker, case: str):
        definitions, reason, where = BAD[case]
        refused = refusal(broker, definitions)
        assert (refused.reason, refused.where) == (reason, where)

    @pytest.mark.parametrize("case", sorted(BAD))
    def test_what_came_before_the_mistake_is_not_done_either(self, broker: MemoryBroker, case: str):
        definitions = {
            key: ([*RABBITMQ[key], *value] if isinstance(value, list) and key in RABBITMQ else value)
            for key, value in {**RABBITMQ, **BAD[case][0]}.items()
        }
        refused = refusal(empty(broker), definitions)
        assert refused.text

    def test_it_says_which_of_many(self, broker: MemoryBroker):
        queues = [queue(f"q{number}") for number in range(5)]
        queues[3]["arguments"] = {"x-expires": 0}
        refused = refusal(broker, {"queues": queues})
        assert refused.text == (
            "queues[3] 'q3' in vhost '/': precondition_failed: "
            "invalid arg 'x-expires' for queue 'q3' in vhost '/': {value_zero,0}"
        )

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            (b"{nope", "line 1, column 2: not JSON: Expecting property name enclosed in double quotes"),
            (b"[]", "definitions must be an object"),
            (b"3", "definitions must be an object"),
            (b"\xff{}", "not UTF-8: invalid start byte"),
            (b'{"users": [{"name": "\\ud800"}]}', "not UTF-8: surrogates not allowed"),
            (b'{"global_parameters": [{"name": "n", "value": NaN}]}', "not JSON: NaN is no number"),
            (b'{"global_parameters": [{"name": "n", "value": -1e999}]}', "not JSON: -1e999 is too large"),
            (b'{"queues": ' + b"[" * 100000, "objects and lists too deep inside each other"),
        ],
    )
    def test_what_is_no_json_is_refused(self, broker: MemoryBroker, body: bytes, text: str):
        with pytest.raises(InvalidDefinitions) as refused:
            import_definitions(broker.broker, broker.users, body)
        assert refused.value.reason == "failed_to_parse_json"
        assert refused.value.text == text

    def test_arguments_can_be_too_deep(self, broker: MemoryBroker):
        deep: object = 1
        for _ in range(150):
            deep = [deep]
        refused = refusal(broker, {"queues": [queue(arguments={"a": deep})]})
        assert refused.reason == "more than 128 objects and lists inside each other"

    def test_the_limit_of_queues_that_is_there_holds(self, broker: MemoryBroker):
        put_in(broker, {"queues": [queue("one"), queue("two")]})
        broker.broker.vhosts["/"].set_limit("max-queues", 3)
        queues = [queue("two"), queue("three"), queue("four")]
        text = (
            'Adding 2 queue(s) to virtual host "/" would exceed the limit of 3 queue(s).'
            "\n\nThis virtual host currently has 2 queue(s) defined.\n\nImport aborted!"
        )
        assert refusal(broker, {"queues": queues}).reason == ["vhost_limit_exceeded", text]
        assert refusal(broker, {"queues": queues}, vhost="/").reason == text
        put_in(broker, {"queues": queues[:2]})

    def test_the_limit_of_queues_that_comes_along_holds(self, broker: MemoryBroker):
        limits = parameter({"max-queues": 1}, "vhost-limits", "limits")
        refused = refusal(broker, {"parameters": [limits], "queues": [queue("one"), queue("two")]})
        assert refused.where == "queues"

    @pytest.mark.parametrize(
        ("limits", "definitions"),
        [
            (NodeLimits(vhost_max=2), {"vhosts": [{"name": "a"}, {"name": "b"}]}),
            (NodeLimits(cluster_queue_limit=1), {"queues": [queue("a"), queue("b")]}),
            (NodeLimits(cluster_exchange_limit=8), {"exchanges": [exchange("a"), exchange("b")]}),
        ],
    )
    def test_the_limits_of_the_broker_hold(self, broker: MemoryBroker, limits: NodeLimits, definitions: Json):
        broker.broker.set_limits(limits)
        assert "limit" in refusal(broker, definitions).text
        [(category, items)] = definitions.items()
        put_in(broker, {category: items[:1]})


class TestDurability:
    def test_an_import_is_one_group_of_the_log(self):
        broker = DurableBroker()
        broker.flush()
        broker.flushes = False
        groups = broker.groups
        put_in(broker, RABBITMQ)
        broker.flush()
        assert broker.groups == groups + 1

    @pytest.mark.parametrize("end", ["restart", "kill", "power"])
    def test_everything_durable_is_there_again(self, end: str):
        broker = DurableBroker()
        put_in(broker, RABBITMQ)
        broker.flush()
        before = exported(broker)
        before["queues"] = [each for each in before["queues"] if each["durable"]]
        again = (
            broker.restart() if end == "restart" else broker.kill() if end == "kill" else broker.lose_power(3)
        )
        assert exported(again) == before

    def test_without_a_log_to_write_to_nothing_is_done(self):
        broker = DurableBroker()
        broker.journal.failure = "no space left on device"
        before = exported(broker)
        with pytest.raises(ResourceError):
            put_in(broker, RABBITMQ)
        assert exported(broker) == before

    def test_snapshots_have_parameters_too(self):
        broker = DurableBroker()
        put_in(broker, RABBITMQ)
        broker.flush()
        again = broker.restart().restart()
        assert exported(again)["parameters"] == RABBITMQ["parameters"]
        assert exported(again)["global_parameters"] == RABBITMQ["global_parameters"]

    def test_deleted_parameters_stay_away(self):
        broker = DurableBroker()
        put_in(broker, RABBITMQ)
        broker.flush()
        assert broker.broker.vhosts["/"].delete_parameter("shovel", "move")
        assert broker.broker.delete_global_parameter("cluster_name")
        assert not broker.broker.vhosts["/"].delete_parameter("shovel", "move")
        assert not broker.broker.delete_global_parameter("cluster_name")
        broker.flush()
        again = exported(broker.kill())
        assert [each["name"] for each in again["parameters"]] == ["op", "limits"]
        assert [each["name"] for each in again["global_parameters"]] == ["internal_cluster_id"]


class TestFiles:
    def test_a_file_is_loaded(self, broker: MemoryBroker, tmp_path: Path):
        (tmp_path / "d.json").write_text(as_text(RABBITMQ))
        prepare_definitions(empty(broker).broker, broker.users, read_files(tmp_path / "d.json"))()
        assert exported(broker) == RABBITMQ

    def test_a_directory_is_loaded_as_one(self, broker: MemoryBroker, tmp_path: Path):
        (tmp_path / "1.json").write_text(json.dumps({"queues": [queue()], "bindings": [binding()]}))
        (tmp_path / "2.json").write_text(json.dumps({"exchanges": [exchange()]}))
        (tmp_path / "notes.txt").write_text("no definitions")
        prepare_definitions(broker.broker, broker.users, read_files(tmp_path))()
        assert len(exported(broker)["bindings"]) == 1

    @pytest.mark.parametrize(
        ("content", "text"),
        [
            ("{", "2.json, line 1, column 2: not JSON: Expecting property name enclosed in double quotes"),
            ('{"queues": [3]}', "2.json, queues[0]: must be an object"),
            ('{"queues": 3}', "2.json, queues: must be a list"),
            ('{"no": 3}', "2.json: unknown key 'no'"),
        ],
    )
    def test_a_mistake_is_said_with_its_file(
        self, broker: MemoryBroker, tmp_path: Path, content: str, text: str
    ):
        (tmp_path / "1.json").write_text(json.dumps({"queues": [queue()]}))
        (tmp_path / "2.json").write_text(content)
        before = exported(broker)
        with pytest.raises(InvalidDefinitions) as refused:
            prepare_definitions(broker.broker, broker.users, read_files(tmp_path))()
        assert refused.value.text == text
        assert exported(broker) == before

    def test_the_example_can_be_imported(self, broker: MemoryBroker):
        imported = prepare_definitions(empty(broker).broker, broker.users, read_files(EXAMPLE))()
        assert not imported.left_out
        assert broker.users.authenticate("shop", "shop").permissions_in("shop") is not None


# Any definitions

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8).filter(
    lambda name: not name.startswith("amq.")
)
VHOSTS = ["/", "a", "ü/b"]
USERS = ["anna", "guest", "ö"]
EXCHANGES = ["x", "y"]
QUEUES = ["p", "q", "r"]
PATTERNS = st.sampled_from(["", ".*", "^a", r"^[a-z]+\.$"])
ARGUMENT = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
ARGUMENTS = st.dictionaries(NAMES.filter(lambda name: not name.startswith("x-")), ARGUMENT, max_size=3)
JSON = ARGUMENT | st.none() | st.lists(st.none(), max_size=2)


def some(unique: int, **values: Any) -> st.SearchStrategy[list[Json]]:
    """Items with these values, of which no two have the same in all of the first `unique` ones."""
    names = list(values)[:unique]
    return st.lists(
        st.fixed_dictionaries(values), max_size=4, unique_by=lambda item: tuple(item[name] for name in names)
    )


def one_of(*names: str) -> st.SearchStrategy[str]:
    return st.sampled_from(names)


DEFINITIONS = st.fixed_dictionaries(
    {
        "users": st.just(
            [
                {
                    "name": name,
                    "password_hash": "",
                    "hashing_algorithm": passwords.SHA512,
                    "tags": ["t"],
                    "limits": {},
                }
                for name in USERS
            ]
        ),
        "vhosts": st.just([{"name": name} for name in VHOSTS]),
        "permissions": some(
            2, user=one_of(*USERS), vhost=one_of(*VHOSTS), configure=PATTERNS, write=PATTERNS, read=PATTERNS
        ),
        "topic_permissions": some(
            3, user=one_of(*USERS), vhost=one_of(*VHOSTS), exchange=NAMES, write=PATTERNS, read=PATTERNS
        ),
        "parameters": some(
            3, vhost=one_of(*VHOSTS), component=one_of("shovel", "other"), name=NAMES, value=JSON
        ),
        "global_parameters": some(1, name=NAMES, value=JSON),
        "policies": some(
            2,
            vhost=one_of(*VHOSTS),
            name=NAMES,
            pattern=PATTERNS,
            definition=st.sampled_from([{"max-length": 5}, {"message-ttl": 1, "expires": 9}]),
            priority=st.integers(-5, 5),
            **{"apply-to": one_of("all", "queues", "exchanges")},
        ),
        "queues": some(
            2,
            vhost=one_of(*VHOSTS),
            name=one_of(*QUEUES),
            durable=st.booleans(),
            auto_delete=st.booleans(),
            arguments=ARGUMENTS,
        ),
        "exchanges": some(
            2,
            vhost=one_of(*VHOSTS),
            name=one_of(*EXCHANGES),
            type=one_of("direct", "fanout", "topic", "headers", "x-recent-history", "x-random"),
            durable=st.booleans(),
            auto_delete=st.booleans(),
            internal=st.booleans(),
            arguments=ARGUMENTS,
        ),
        "bindings": some(
            5,
            vhost=one_of(*VHOSTS),
            source=one_of("amq.topic", *EXCHANGES),
            destination_type=one_of("queue", "exchange"),
            destination=one_of(*QUEUES, *EXCHANGES),
            routing_key=NAMES,
            arguments=ARGUMENTS,
        ),
    }
)


@given(DEFINITIONS)
@settings(max_examples=60, deadline=None)
def test_what_is_exported_makes_the_same_again(definitions: Json):
    broker = empty(MemoryBroker())
    put_in(broker, definitions)
    first = exported(broker)
    for category in (
        "permissions",
        "topic_permissions",
        "global_parameters",
        "queues",
        "exchanges",
        "policies",
    ):
        assert len(first[category]) == len(definitions[category])
    again = empty(MemoryBroker())
    assert not put_in(again, first).left_out
    assert as_text(exported(again)) == as_text(first)
