"""Policies: what they may say, which applies, and what follows at once; RabbitMQ 3.10.8, observed."""

from collections.abc import Callable

import pytest
from pamqp import commands

from amqpd.broker.definitions import ExchangeDeclared, QueueDeclared
from amqpd.broker.policy import Policy, VhostPolicies, merged
from amqpd.broker.policy_checks import InvalidPolicy, checked_policy
from amqpd.broker.queues.queue import Owner, Queue
from amqpd.broker.queues.rules import PolicyDefinition
from amqpd.broker.vhost import VirtualHost
from amqpd.testing import DurableBroker, MemoryBroker, Peer
from amqpd.wire.fields import Field, Table
from amqpd.wire.properties import Properties

NOBODY = Owner()

DIRECTLY: PolicyDefinition = {"dead-letter-exchange": "", "dead-letter-routing-key": "dead"}


def problems(
    definition: object,
    *,
    pattern: object = "^a",
    priority: object = 0,
    apply_to: object = "all",
    is_operator: bool = False,
) -> list[str]:
    """The lines in which RabbitMQ's HTTP API would say what is wrong; none if nothing is."""
    try:
        checked_policy("p", pattern, definition, priority, apply_to, is_operator=is_operator)
    except InvalidPolicy as invalid:
        head, empty, *lines = invalid.text.split("\n")
        assert (head, empty, lines[-1]) == ("Validation failed", "", "")
        return ["\n".join(lines[:-1])]
    return []


def declare(vhost: VirtualHost, name: str, arguments: Table | None = None, *, durable: bool = True) -> Queue:
    return vhost.declare_queue(QueueDeclared(name, durable, False, None, arguments or {}), NOBODY)


def of_type(queue_type: str) -> Table:
    return {"x-queue-type": Field("S", queue_type)}


def names_applying(vhost: VirtualHost, queue: Queue) -> tuple[str | None, str | None]:
    """The policy and the operator policy of a queue."""
    found = vhost.effective.get(queue)
    if found is None:
        return None, None
    return (
        found.policy.name if found.policy else None,
        found.operator_policy.name if found.operator_policy else None,
    )


def definition_of(vhost: VirtualHost, queue: Queue) -> PolicyDefinition | None:
    found = vhost.effective.get(queue)
    return None if found is None else found.definition


# What a policy may say


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ({"alternate-exchange": 1}, "1 is not a valid alternate exchange name"),
        ({"dead-letter-exchange": True}, "true is not a valid dead letter exchange name"),
        ({"dead-letter-routing-key": 1}, "1 is not a valid dead letter routing key"),
        ({"dead-letter-strategy": "x"}, '<<"x">> is not a valid dead letter strategy'),
        ({"delivery-limit": "x"}, '<<"x">> is not a valid delivery limit'),
        ({"expires": 0}, "0 is not a valid queue expiry"),
        ({"initial-cluster-size": "x"}, '<<"x">> is not a valid cluster size'),
        ({"max-age": "1x"}, '<<"1x">> is not a valid max age'),
        ({"max-age": "0h"}, '<<"0h">> is not a valid max age'),
        ({"max-in-memory-bytes": "x"}, '<<"x">> is not a valid maximum memory in bytes'),
        ({"max-in-memory-length": "x"}, '<<"x">> is not a valid maximum memory in bytes'),
        ({"max-length": -1}, "-1 is not a valid maximum length"),
        ({"max-length-bytes": "x"}, '<<"x">> is not a valid maximum length in bytes'),
        ({"message-ttl": "x"}, '<<"x">> is not a valid message TTL'),
        ({"overflow": "x"}, '<<"x">> is not a valid overflow value'),
        ({"queue-leader-locator": "x"}, '<<"x">> is not a valid queue leader locator value'),
        ({"queue-mode": "x"}, '<<"x">> is not a valid queue-mode value'),
        ({"queue-version": 3}, "3 is not a valid queue-version value"),
        ({"stream-max-segment-size-bytes": 4000000000}, "4000000000 is not a valid segment size"),
        ({"queue-master-locator": "x"}, '<<"x">> invalid queue-master-locator value'),
        ({"ha-mode": "x"}, '<<"x">> is not a valid ha-mode value'),
        ({"ha-mode": "exactly"}, 'ha-mode="exactly" takes an integer, none given'),
        ({"ha-mode": "exactly", "ha-params": 0}, 'ha-mode="exactly" takes an integer, 0 given'),
        ({"ha-mode": "nodes"}, 'ha-mode="nodes" takes a list, none given'),
        ({"ha-mode": "nodes", "ha-params": []}, 'ha-mode="nodes" list must be non-empty'),
        (
            {"ha-mode": "nodes", "ha-params": ["a", 1]},
            'ha-mode="nodes" takes a list of strings, [1] was not a string',
        ),
        ({"ha-mode": "all", "ha-params": None}, 'ha-mode="all" does not take parameters'),
        (
            {"ha-sync-mode": "manual"},
            "ha-mode must be specified to specify ha-params, ha-sync-mode or ha-promote-on-shutdown",
        ),
        (
            {"ha-mode": "all", "ha-sync-mode": "x"},
            'ha-sync-mode must be "manual" or "automatic", got <<"x">>',
        ),
        (
            {"ha-mode": "all", "ha-sync-batch-size": 0},
            "ha-sync-batch-size takes an integer greater than 0, 0 given",
        ),
        (
            {"ha-mode": "all", "ha-promote-on-failure": "x"},
            'ha-promote-on-failure must be "always" or "when-synced", got <<"x">>',
        ),
        ({"nope": 1}, '[{<<"nope">>,1}] are not recognised policy settings'),
        ({"max-priority": 5}, '[{<<"max-priority">>,5}] are not recognised policy settings'),
        ({"zzz": 2, "nope": 1}, '[{<<"nope">>,1},{<<"zzz">>,2}] are not recognised policy settings'),
        ({}, "no policy provided"),
    ],
)
def test_what_a_policy_cannot_say_is_refused_in_rabbitmqs_words(definition: object, problem: str):
    assert problems(definition) == [problem]


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (1.5, "1.5"),
        (1e3, "1.0e3"),
        (100.0, "100.0"),
        (1e300, "1.0e300"),
        (-0.001, "-0.001"),
        (123456.75, "123456.75"),
        (1e22, "1.0e22"),
        (True, "true"),
        (None, "null"),
        ("", "<<>>"),
        ("é", '<<"é">>'),
        ("€", "<<226,130,172>>"),
        ("a\nb", '<<"a\\nb">>'),
        ('a"b\\', '<<"a\\"b\\\\">>'),
        ("x" * 100, f'<<"{"x" * 100}">>'),
        ([], "[]"),
        ([[]], "[[]]"),
        ([1, "a"], '[1,<<"a">>]'),
        ([97, 98], '"ab"'),
        ({}, "#{}"),
        ({"a": 1}, '#{<<"a">> => 1}'),
        (
            {"a": 1, "b": [1, 2], "c": "x" * 60},
            f'#{{<<"a">> => 1,\n  <<"b">> => [1,2],\n  <<"c">> =>\n      <<"{"x" * 60}">>}}',
        ),
    ],
)
def test_a_value_is_quoted_as_erlang_prints_it(value: object, printed: str):
    assert problems({"max-length": value}) == [f"{printed} is not a valid maximum length"]


def test_settings_that_are_unknown_stand_in_lines_of_their_own_if_they_are_many():
    assert problems({f"nope{number}": number for number in range(1, 6)}) == [
        '[{<<"nope1">>,1},\n {<<"nope2">>,2},\n {<<"nope3">>,3},\n {<<"nope4">>,4},\n {<<"nope5">>,5}] '
        "are not recognised policy settings"
    ]
    assert problems({"nope": "x" * 60, "nope2": "y"}) == [
        f'[{{<<"nope">>,\n  <<"{"x" * 60}">>}},\n {{<<"nope2">>,<<"y">>}}] are not recognised policy settings'
    ]


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("*", '{"nothing to repeat",0}'),
        ("a**", '{"nothing to repeat",2}'),
        ("é*é**", '{"nothing to repeat",6}'),
        ("(", '{"missing )",1}'),
        ("é(", '{"missing )",3}'),
        ("a(?<n>b", '{"missing )",7}'),
        ("[", '{"missing terminating ] for character class",\n' + " " * 54 + "1}"),
        ("a{2,1}", '{"numbers out of order in {} quantifier",\n' + " " * 54 + "5}"),
        ("\\", '{"\\\\ at end of pattern",\n' + " " * 54 + "1}"),
        ("[z-a]", '{"range out of order in character class",\n' + " " * 54 + "3}"),
        ("[a-\\d]", '{"invalid range in character class",\n' + " " * 54 + "4}"),
        (")", '{"unmatched parentheses",\n' + " " * 54 + "0}"),
        ("(?Z)", '{"unrecognized character after (? or (?-",\n' + " " * 54 + "2}"),
        ("(?i", '{"unrecognized character after (? or (?-",\n' + " " * 54 + "3}"),
        ("[[:foo:]]", '{"unknown POSIX class name",\n' + " " * 54 + "3}"),
        ("(?P=n)", '{"reference to non-existent subpattern",\n' + " " * 54 + "5}"),
        ("\\1", '{"reference to non-existent subpattern",\n' + " " * 54 + "2}"),
        ("(?#", '{"missing ) after comment",\n' + " " * 54 + "3}"),
        ("(?<n>a)(?<n>b)", '{"two named subpatterns have the same name",\n' + " " * 54 + "11}"),
        ("x(?<1>y)", '{"group name must start with a non-digit",\n' + " " * 54 + "4}"),
    ],
)
def test_a_pattern_that_is_no_regular_expression_is_refused_in_pcres_words(pattern: str, problem: str):
    expected = f"pattern should be regular expression but is invalid: {problem}"
    assert problems({"max-length": 1}, pattern=pattern) == [expected]


@pytest.mark.parametrize(("pattern", "printed"), [(5, "5"), (None, "null")])
def test_a_pattern_is_a_text(pattern: object, printed: str):
    expected = f"pattern should be a binary but was {printed}"
    assert problems({"max-length": 1}, pattern=pattern) == [expected]


@pytest.mark.parametrize("apply_to", ["x", "", "Queues"])
def test_what_a_policy_is_to_apply_to_must_be_known(apply_to: str):
    expected = f"apply-to '{apply_to}' unrecognised; should be 'queues', 'exchanges' or 'all'"
    assert problems({"max-length": 1}, apply_to=apply_to) == [expected]


def test_nothing_at_all_is_nothing_to_apply_to():
    expected = "apply-to 'null' unrecognised; should be 'queues', 'exchanges' or 'all'"
    assert problems({"max-length": 1}, apply_to=None) == [expected]


@pytest.mark.parametrize(
    ("priority", "printed"),
    [("1", '<<"1">>'), (None, "null"), (True, "true"), ([1], "[1]"), (float("inf"), "inf.0")],
)
def test_a_priority_is_a_number(priority: object, printed: str):
    expected = f"priority should be a number, actually was {printed}"
    assert problems({"max-length": 1}, priority=priority) == [expected]


@pytest.mark.parametrize(
    "priority", [1, -1, 1.5, pytest.param(10**4000, id="large"), pytest.param(-(10**4000), id="small")]
)
def test_any_number_is_a_priority(priority: object):
    assert problems({"max-length": 1}, priority=priority) == []


def test_everything_that_is_wrong_is_said_at_once():
    assert problems({"nope": 1}, pattern="(", priority="x", apply_to="x") == [
        '[{<<"nope">>,1}] are not recognised policy settings\n'
        "apply-to 'x' unrecognised; should be 'queues', 'exchanges' or 'all'\n"
        'pattern should be regular expression but is invalid: {"missing )",1}\n'
        'priority should be a number, actually was <<"x">>'
    ]


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ({"max-length": "x", "message-ttl": "y", "nope": 1}, '<<"x">> is not a valid maximum length'),
        ({"max-length": "x", "ha-mode": "y"}, '<<"y">> is not a valid ha-mode value'),
        ({"queue-master-locator": "x", "ha-mode": "y"}, '<<"x">> invalid queue-master-locator value'),
    ],
)
def test_of_a_definition_only_the_first_problem_is_said(definition: object, problem: str):
    assert problems(definition) == [problem]


@pytest.mark.parametrize(
    "definition",
    [
        {"alternate-exchange": ""},
        {"dead-letter-exchange": "", "dead-letter-routing-key": ""},
        {"dead-letter-strategy": "at-least-once"},
        {"delivery-limit": 0, "max-length": 0, "max-length-bytes": 0, "message-ttl": 0, "expires": 1},
        {"max-age": "7D", "stream-max-segment-size-bytes": 3_000_000_000},
        {"max-in-memory-length": 1, "max-in-memory-bytes": 1},
        {"overflow": "reject-publish-dlx", "queue-mode": "lazy", "queue-version": 2},
        {"queue-leader-locator": "least-leaders", "initial-cluster-size": 3},
        {"ha-mode": "all", "ha-sync-mode": "automatic", "ha-sync-batch-size": 1},
        {"ha-mode": "exactly", "ha-params": 2, "ha-promote-on-shutdown": "always"},
        {"ha-mode": "nodes", "ha-params": ["a"], "ha-promote-on-failure": "when-synced"},
        {"queue-master-locator": "min-masters"},
        {"max-length": 2**40},
    ],
)
def test_what_rabbitmq_takes_is_taken(definition: object):
    assert problems(definition) == []


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ({"federation-upstream": "up"}, None),
        ({"federation-upstream-set": 1}, "1 is not a valid federation upstream set name"),
        (
            {"federation-upstream": "up", "federation-upstream-set": "all"},
            "cannot specify federation-upstream, federation-upstream-set or federation-upstream-pattern together",
        ),
        (
            {"federation-upstream-pattern": "("},
            'could not compile pattern ( to a regular expression. Error: {"missing )",1}',
        ),
        ({"shards-per-node": 2, "routing-key": "1"}, None),
        ({"routing-key": "1"}, "shards-per-node must be specified"),
        ({"shards-per-node": -1}, "shards-per-node should be greater than 0, actually was -1"),
    ],
)
def test_settings_of_rabbitmqs_plugins_are_taken_so_that_definitions_can_be_imported(
    definition: object, problem: str | None
):
    """What the plugins of 3.10.8 check, read in their source."""
    assert problems(definition) == ([] if problem is None else [problem])


@pytest.mark.parametrize(
    ("definition", "problem"),
    [
        ({"expires": 1, "message-ttl": 0, "max-length": 0, "max-length-bytes": 0}, None),
        ({"max-in-memory-length": 1, "max-in-memory-bytes": 1, "delivery-limit": 1}, None),
        ({"message-ttl": "x"}, '<<"x">> is not a valid message TTL'),
        ({"delivery-limit": -1}, "-1 is not a valid delivery limit"),
        (
            {"dead-letter-exchange": "x"},
            '[{<<"dead-letter-exchange">>,<<"x">>}] are not recognised policy settings',
        ),
        (
            {"overflow": "reject-publish"},
            '[{<<"overflow">>,<<"reject-publish">>}] are not recognised policy settings',
        ),
        ({}, "no policy provided"),
    ],
)
def test_an_operator_policy_may_only_limit(definition: object, problem: str | None):
    assert problems(definition, is_operator=True) == ([] if problem is None else [problem])


# Which policy applies


def policies_of(*policies: Policy) -> VhostPolicies:
    made = VhostPolicies()
    for policy in policies:
        made.user.set(policy)
    return made


def policy(
    name: str = "p",
    pattern: str = "",
    definition: PolicyDefinition | None = None,
    priority: float = 0,
    apply_to: str = "all",
) -> Policy:
    return Policy(name, pattern, definition or {"max-length": 1}, priority, apply_to)


def winner(policies: VhostPolicies, name: str, queue_type: str = "classic") -> str | None:
    found = policies.user.applying(name, queue_type)
    return None if found is None else found.name


def test_the_highest_priority_wins_and_nothing_of_the_others_counts():
    policies = policies_of(
        policy("low", definition={"max-length": 5, "message-ttl": 1000}, priority=1),
        policy("high", definition={"max-length": 3}, priority=2),
    )
    assert policies.effective("q", True) == {"max-length": 3}


def test_a_priority_may_be_a_fraction():
    policies = policies_of(policy("a", priority=1), policy("b", priority=1.5))
    assert winner(policies, "q") == "b"


@pytest.mark.parametrize("names", [("a", "b", "c"), ("c", "b", "a")])
def test_among_equals_the_first_by_name_wins_in_whatever_order_they_were_set(names: tuple[str, ...]):
    assert winner(policies_of(*[policy(name) for name in names]), "q") == "a"


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("^a", "ab", True),
        ("^a", "ba", False),
        ("q$", "aq", True),
        ("q$", "aqb", False),
        ("", "anything", True),
        ("^.é.$", "xéx", True),
        ("^...$", "é", False),
        ("^..$", "é", True),
        ("(?i)^A", "ab", True),
        ("^[[:digit:]]+\\z", "123", True),
    ],
)
def test_a_pattern_is_searched_for_in_the_bytes_of_the_name(pattern: str, name: str, matches: bool):
    assert (winner(policies_of(policy(pattern=pattern)), name) is not None) == matches


@pytest.mark.parametrize(
    ("apply_to", "applies"),
    [
        ("all", {"exchange", "classic", "quorum", "stream"}),
        ("queues", {"classic", "quorum", "stream"}),
        ("exchanges", {"exchange"}),
        ("classic_queues", {"classic"}),
        ("quorum_queues", {"quorum"}),
        ("streams", {"stream"}),
    ],
)
def test_a_policy_applies_to_what_it_says(apply_to: str, applies: set[str]):
    policies = policies_of(policy(definition={"max-length-bytes": 1}, apply_to=apply_to))
    found = {kind for kind in ("classic", "quorum", "stream") if policies.effective("x", True, kind)}
    if policies.effective("x", False):
        found.add("exchange")
    assert found == applies


@pytest.mark.parametrize(
    ("definition", "applies"),
    [
        ({"delivery-limit": 5}, {"quorum"}),
        ({"max-length": 5}, {"classic", "quorum"}),
        ({"max-age": "1h"}, {"stream"}),
        ({"queue-mode": "lazy"}, {"classic"}),
        ({"max-length-bytes": 1000}, {"classic", "quorum", "stream"}),
        ({"alternate-exchange": "x"}, {"classic", "quorum", "stream"}),
        ({"ha-mode": "all"}, {"classic"}),
        ({"queue-version": 1}, {"classic", "quorum", "stream"}),
        ({"initial-cluster-size": 1}, {"stream"}),
        ({"queue-leader-locator": "balanced"}, {"quorum", "stream"}),
        ({"message-ttl": 1}, {"classic", "quorum"}),
        ({"expires": 100000}, {"classic", "quorum"}),
        ({"overflow": "reject-publish-dlx"}, {"classic", "quorum"}),
        ({"dead-letter-strategy": "at-least-once"}, {"quorum"}),
        ({"dead-letter-exchange": ""}, {"classic", "quorum"}),
        ({"queue-master-locator": "min-masters"}, {"classic"}),
        ({"max-in-memory-length": 5}, {"classic", "quorum"}),
    ],
)
def test_a_policy_with_a_key_that_a_queue_type_lacks_gives_way_to_the_next(
    definition: PolicyDefinition, applies: set[str]
):
    policies = policies_of(
        policy("first", definition=definition),
        policy("next", definition={"max-length-bytes": 7}, priority=-5),
    )
    kinds = ("classic", "quorum", "stream")
    assert {kind for kind in kinds if winner(policies, "q", kind) == "first"} == applies
    assert {winner(policies, "q", kind) for kind in kinds} <= {"first", "next"}


def test_an_operator_policy_limits_what_the_policy_asks():
    assert merged(
        {"max-length": 5, "dead-letter-exchange": "d", "message-ttl": 100},
        {"max-length": 7, "message-ttl": 50, "expires": 100000},
    ) == {"dead-letter-exchange": "d", "expires": 100000, "max-length": 5, "message-ttl": 50}


def test_one_kind_of_policy_alone_says_what_it_says():
    assert merged({"max-length": 5}, None) == {"max-length": 5}
    assert merged(None, {"max-length": 5}) == {"max-length": 5}


# In a virtual host


def test_a_queue_has_the_policy_that_is_there_when_it_is_made(vhost: VirtualHost):
    vhost.set_policy("p", "^q", {"max-length": 5}, 0, "queues")
    queue, other = declare(vhost, "q"), declare(vhost, "other")
    assert (int(queue.rules.max_length), int(other.rules.max_length)) == (5, -1)
    assert names_applying(vhost, queue) == ("p", None)


def test_a_queue_follows_every_change_at_once(vhost: VirtualHost):
    queue = declare(vhost, "q")
    vhost.set_policy("p", "^q", {"max-length": 5})
    assert int(queue.rules.max_length) == 5
    vhost.set_policy("p", "^q", {"max-length": 6})
    assert int(queue.rules.max_length) == 6
    vhost.set_operator_policy("o", "^q", {"max-length": 2})
    assert int(queue.rules.max_length) == 2
    vhost.delete_operator_policy("o")
    assert int(queue.rules.max_length) == 6
    vhost.set_policy("p", "^other", {"max-length": 6})
    assert int(queue.rules.max_length) == -1
    vhost.set_policy("p", "^q", {"max-length": 7})
    vhost.delete_policy("p")
    assert (int(queue.rules.max_length), names_applying(vhost, queue)) == (-1, (None, None))


def test_policies_of_both_kinds_are_told_apart_and_merged(vhost: VirtualHost):
    """behave.py: policy.highest-priority-wins-no-merge."""
    vhost.set_policy("p1", "^q", {"message-ttl": 1000, "max-length": 5}, 1, "queues")
    vhost.set_policy("p2", "^q", {"max-length": 3}, 2, "all")
    queue = declare(vhost, "q")
    assert (names_applying(vhost, queue), definition_of(vhost, queue)) == (("p2", None), {"max-length": 3})
    vhost.set_operator_policy("op", "^q", {"max-length": 10, "message-ttl": 7777}, 0, "queues")
    assert names_applying(vhost, queue) == ("p2", "op")
    assert definition_of(vhost, queue) == {"max-length": 3, "message-ttl": 7777}
    vhost.delete_policy("p1")
    vhost.delete_policy("p2")
    assert definition_of(vhost, queue) == {"max-length": 10, "message-ttl": 7777}


def test_an_exclusive_queue_and_one_with_a_generated_name_have_policies_too(
    broker: MemoryBroker, vhost: VirtualHost, peer: Peer
):
    vhost.set_policy("p", "^amq.gen", {"max-length": 4})
    name = peer.call(1, commands.Queue.Declare(queue="", exclusive=True)).queue
    assert int(vhost.queues[name].rules.max_length) == 4


@pytest.mark.parametrize("queue_type", ["quorum", "stream"])
def test_a_policy_knows_the_type_of_a_queue(vhost: VirtualHost, queue_type: str):
    vhost.set_policy("quorum", "", {"delivery-limit": 3})
    vhost.set_policy("stream", "", {"max-age": "1h"}, -1)
    queue = declare(vhost, "q", of_type(queue_type))
    assert names_applying(vhost, queue) == (queue_type, None)


def test_what_was_deleted_is_forgotten(vhost: VirtualHost):
    vhost.set_policy("p", "^[qx]", {"max-length": 5})
    vhost.declare_exchange(ExchangeDeclared("x", "fanout", True, False, False, {}))
    vhost.delete_queue(declare(vhost, "q"))
    vhost.delete_exchange("x", False)
    assert vhost.effective == {}


def test_a_policy_that_is_not_there_cannot_be_deleted(vhost: VirtualHost):
    vhost.set_policy("p", "", {"max-length": 5})
    assert [vhost.delete_policy("nope"), vhost.delete_operator_policy("p")] == [False, False]
    assert [vhost.delete_policy("p"), vhost.delete_policy("p")] == [True, False]


def test_what_is_refused_changes_nothing(vhost: VirtualHost):
    vhost.set_policy("p", "", {"max-length": 5})
    with pytest.raises(InvalidPolicy):
        vhost.set_policy("p", "(", {"max-length": 6})
    assert vhost.policies["p"].definition == {"max-length": 5}


def changed_by(vhost: VirtualHost, change: Callable[[], object]) -> set[str]:
    """The queues that have other rules after a change: rules are replaced as a whole."""
    before = {name: queue.rules for name, queue in vhost.queues.items()}
    change()
    return {name for name, queue in vhost.queues.items() if queue.rules is not before[name]}


def test_only_queues_for_which_something_changes_are_told(vhost: VirtualHost):
    for name in ("a", "b", "c"):
        declare(vhost, name)
    assert changed_by(vhost, lambda: vhost.set_policy("p", "^[ab]", {"max-length": 5})) == {"a", "b"}
    assert changed_by(vhost, lambda: vhost.set_policy("p", "^[bc]", {"max-length": 5})) == {"a", "c"}
    assert changed_by(vhost, lambda: vhost.set_policy("p", "^[bc]", {"max-length": 5})) == set()
    assert changed_by(vhost, lambda: vhost.set_policy("r", "^b", {"max-length": 5}, 1)) == set()
    assert changed_by(vhost, lambda: vhost.delete_policy("r")) == set()
    assert changed_by(vhost, lambda: vhost.set_operator_policy("o", "^b", {"max-length": 9})) == set()
    assert changed_by(vhost, lambda: vhost.set_operator_policy("o", "^b", {"max-length": 4})) == {"b"}


# What follows for messages


def ready(vhost: VirtualHost, name: str) -> int:
    return vhost.queues[name].ready()


def test_the_smaller_of_argument_and_policy_limits_a_queue(vhost: VirtualHost, peer: Peer):
    """behave.py: policy.argument-vs-policy-min."""
    vhost.set_policy("p", "^q", {"max-length": 5}, 0, "queues")
    declare(vhost, "q", {"x-max-length": Field("I", 2)})
    for _ in range(8):
        peer.publish(1, routing_key="q")
    assert ready(vhost, "q") == 2


def test_a_time_to_live_by_policy_leaves_alone_what_is_there(
    broker: MemoryBroker, vhost: VirtualHost, peer: Peer
):
    """behave.py: policy.applies-dlx-and-ttl-live."""
    declare(vhost, "q")
    declare(vhost, "dead")
    peer.publish(1, routing_key="q", body=b"before")
    vhost.set_policy("p", "^q", {"message-ttl": 100, **DIRECTLY}, 0, "queues")
    broker.advance(1)
    assert (ready(vhost, "q"), ready(vhost, "dead")) == (1, 0)


def test_a_time_to_live_by_policy_holds_for_what_comes(broker: MemoryBroker, vhost: VirtualHost, peer: Peer):
    declare(vhost, "q")
    declare(vhost, "dead")
    vhost.set_policy("p", "^q", {"message-ttl": 100, **DIRECTLY}, 0, "queues")
    peer.publish(1, routing_key="q")
    broker.advance(0.2)
    assert (ready(vhost, "q"), ready(vhost, "dead")) == (0, 1)


def test_a_shorter_queue_by_policy_drops_its_head_at_once(vhost: VirtualHost, peer: Peer):
    declare(vhost, "q")
    declare(vhost, "dead")
    for body in (b"1", b"2", b"3"):
        peer.publish(1, routing_key="q", body=body)
    vhost.set_policy("p", "^q", {"max-length": 1, **DIRECTLY})
    assert (ready(vhost, "q"), ready(vhost, "dead")) == (1, 2)


def test_an_alternate_exchange_by_policy_gets_what_has_no_queue_and_no_more_when_it_ends(
    vhost: VirtualHost, peer: Peer
):
    declare(vhost, "rest")
    vhost.bind("amq.fanout", vhost.queues["rest"], "", {})
    peer.publish(1, "amq.direct", "nowhere")
    vhost.set_policy("p", "", {"alternate-exchange": "amq.fanout"})
    peer.publish(1, "amq.direct", "nowhere")
    assert ready(vhost, "rest") == 1
    vhost.delete_policy("p")
    peer.publish(1, "amq.direct", "nowhere")
    assert ready(vhost, "rest") == 1


def test_the_default_exchange_has_no_alternate_whatever_a_policy_says(vhost: VirtualHost, peer: Peer):
    declare(vhost, "rest")
    vhost.bind("amq.fanout", vhost.queues["rest"], "", {})
    vhost.set_policy("p", "", {"alternate-exchange": "amq.fanout"})
    peer.publish(1, "", "nowhere")
    assert ready(vhost, "rest") == 0


def test_as_an_alternate_the_default_exchange_leads_nowhere(vhost: VirtualHost, peer: Peer):
    declare(vhost, "q")
    arguments: Table = {"alternate-exchange": Field("S", "")}
    vhost.declare_exchange(ExchangeDeclared("x", "fanout", True, False, False, arguments))
    peer.publish(1, "x", "q")
    assert ready(vhost, "q") == 0
    peer.publish(1, "", "q")
    assert ready(vhost, "q") == 1


def test_an_argument_says_more_of_the_alternate_exchange_than_a_policy(vhost: VirtualHost):
    arguments: Table = {"alternate-exchange": Field("S", "mine")}
    vhost.declare_exchange(ExchangeDeclared("x", "fanout", True, False, False, arguments))
    vhost.set_policy("p", "^x", {"alternate-exchange": "other"})
    assert vhost.exchanges["x"].alternate_exchange == "mine"


def test_a_queue_that_nobody_uses_ends_by_policy(broker: MemoryBroker, vhost: VirtualHost):
    declare(vhost, "q")
    vhost.set_policy("p", "^q", {"expires": 1000})
    broker.advance(0.9)
    assert "q" in vhost.queues
    broker.advance(0.2)
    assert "q" not in vhost.queues


# After a restart

ENDS = {
    "restart": DurableBroker.restart,
    "kill": DurableBroker.kill,
    "power loss": DurableBroker.lose_power,
}


@pytest.fixture(params=sorted(ENDS))
def again(request: pytest.FixtureRequest) -> Callable[[DurableBroker], DurableBroker]:
    """Ends a broker in one way or another, and gives the next one."""

    def end(broker: DurableBroker) -> DurableBroker:
        broker.flush()
        return ENDS[request.param](broker)

    return end


def vhost_of(broker: DurableBroker) -> VirtualHost:
    return broker.broker.vhosts["/"]


def test_policies_survive_with_all_that_they_say(again: Callable[[DurableBroker], DurableBroker]):
    broker = DurableBroker()
    vhost = vhost_of(broker)
    vhost.set_policy("p", "^é\\.", {"max-length": 5, "dead-letter-exchange": "€"}, 1.5, "queues")
    vhost.set_policy("gone", "", {"max-length": 5})
    vhost.delete_policy("gone")
    vhost.set_operator_policy("o", "", {"expires": 2**70})
    vhost.set_operator_policy("gone", "", {"max-length": 5})
    vhost.delete_operator_policy("gone")
    after = vhost_of(again(broker))
    assert list(after.policies) == ["p"] and list(after.operator_policies) == ["o"]
    assert after.policies["p"].same_as(vhost.policies["p"])
    assert after.operator_policies["o"].same_as(vhost.operator_policies["o"])
    assert isinstance(after.policies["p"].priority, float)


def test_queues_and_exchanges_follow_their_policies_after_a_restart(
    again: Callable[[DurableBroker], DurableBroker],
):
    broker = DurableBroker()
    vhost = vhost_of(broker)
    declare(vhost, "early")
    vhost.set_policy("p", "", {"max-length": 5, "alternate-exchange": "amq.fanout"})
    declare(vhost, "late")
    after = vhost_of(again(broker))
    assert [int(after.queues[name].rules.max_length) for name in ("early", "late")] == [5, 5]
    assert after.exchanges["amq.direct"].alternate_exchange == "amq.fanout"
    after.delete_policy("p")
    assert [int(after.queues[name].rules.max_length) for name in ("early", "late")] == [-1, -1]
    assert after.exchanges["amq.direct"].alternate_exchange is None


def test_messages_keep_their_time_to_live_when_a_policy_has_come_after_them(
    again: Callable[[DurableBroker], DurableBroker],
):
    broker = DurableBroker()
    vhost = vhost_of(broker)
    peer = broker.connect()
    peer.call(1, commands.Queue.Declare(queue="q", durable=True))
    publish_persistent(peer, b"before")
    broker.advance(1)
    vhost.set_policy("p", "^q", {"message-ttl": 60_000})
    broker.advance(1)
    publish_persistent(peer, b"after")
    after = again(broker)
    assert ready(vhost_of(after), "q") == 2
    after.advance(120)
    assert ready(vhost_of(after), "q") == 2  # the first, that never expires, stands before the other
    peer = after.connect()
    assert peer.call(1, commands.Basic.Get(queue="q", no_ack=True)).body == b"before"
    after.advance(1)
    assert ready(vhost_of(after), "q") == 0


def publish_persistent(peer: Peer, body: bytes) -> None:
    peer.publish(1, routing_key="q", body=body, properties=Properties(delivery_mode=2))


def test_each_segment_begins_with_the_policies_so_that_the_log_can_be_cut():
    broker = DurableBroker(segment_bytes=65536)
    vhost = vhost_of(broker)
    vhost.set_policy("p", "^q", {"max-length": 5})
    vhost.set_operator_policy("o", "^q", {"max-length": 3})
    broker.flush()
    for number in range(2000):  # several segments of definitions, of which only the last counts
        vhost.set_policy("busy", "^none", {"max-length": number})
        broker.flush()
    assert len(broker.memory_files.names("/data/log")) < 6
    after = vhost_of(broker.restart())
    assert sorted(after.policies) == ["busy", "p"] and list(after.operator_policies) == ["o"]
    assert after.policies["busy"].definition == {"max-length": 1999}
    assert int(declare(after, "q").rules.max_length) == 3


def test_however_large_a_priority_is_it_counts(vhost: VirtualHost):
    queue = declare(vhost, "q")
    vhost.set_policy("low", ".*", {"max-length": 1}, -(10**4000))
    vhost.set_policy("high", ".*", {"max-length": 2}, 10**4000)
    vhost.set_policy("middle", ".*", {"max-length": 3}, 1e308)
    assert names_applying(vhost, queue) == ("high", None)
