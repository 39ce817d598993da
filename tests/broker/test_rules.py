"""What arguments and policies together ask of a queue; every answer was seen of RabbitMQ 3.10.8 or read in its source."""

import pytest

from amqpd.broker.queues.rules import (
    LARGEST_PRIORITY,
    LONGEST_TIME_MS,
    NONE,
    PolicyDefinition,
    QueueRules,
    age_ms,
    queue_rules,
    queue_type_of,
)
from amqpd.wire.fields import Field, table_of

DAY_MS = 86_400_000


def rules_of(
    queue_type: str = "classic", policy: PolicyDefinition | None = None, **arguments: object
) -> QueueRules:
    """The rules of a queue whose arguments are given without their x- and with underscores."""
    named = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    return queue_rules(table_of({"x-queue-type": queue_type, **named}), policy)


def test_a_queue_without_arguments_and_policies_has_no_rules():
    rules = queue_rules({}, None)
    assert [
        rules.message_ttl_ms,
        rules.expires_ms,
        rules.max_length,
        rules.max_length_bytes,
        rules.max_priority,
        rules.delivery_limit,
        rules.consumer_timeout_ms,
        rules.max_age_ms,
        rules.max_segment_bytes,
    ] == [NONE] * 9
    assert (rules.overflow, rules.dead_letter_strategy) == ("drop-head", "at-most-once")
    assert (rules.dead_letter_exchange, rules.dead_letter_routing_key) == (None, None)
    assert not rules.single_active_consumer


def test_zero_is_a_rule():
    rules = rules_of(message_ttl=0, max_length=0, policy={"max-length-bytes": 0})
    assert (rules.message_ttl_ms, rules.max_length, rules.max_length_bytes) == (0, 0, 0)


def test_arguments_alone_are_the_rules_of_a_classic_queue():
    rules = rules_of(
        message_ttl=1,
        expires=2,
        max_length=3,
        max_length_bytes=4,
        overflow="reject-publish-dlx",
        dead_letter_exchange="",
        dead_letter_routing_key="k",
        max_priority=5,
        single_active_consumer=True,
        consumer_timeout=6,
    )
    assert (rules.message_ttl_ms, rules.expires_ms, rules.max_length, rules.max_length_bytes) == (1, 2, 3, 4)
    assert (rules.overflow, rules.dead_letter_exchange, rules.dead_letter_routing_key) == (
        "reject-publish-dlx",
        "",
        "k",
    )
    assert (rules.max_priority, rules.single_active_consumer, rules.consumer_timeout_ms) == (5, True, 6)


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("message-ttl", "message_ttl_ms"),
        ("max-length", "max_length"),
        ("max-length-bytes", "max_length_bytes"),
        ("consumer-timeout", "consumer_timeout_ms"),
    ],
)
def test_the_smaller_of_two_limits_counts(queue_type: str, name: str, attribute: str):
    for argument, policy in ((2, 5), (5, 2)):
        rules = queue_rules(table_of({"x-queue-type": queue_type, f"x-{name}": argument}), {name: policy})
        assert getattr(rules, attribute) == 2


def test_a_policy_alone_counts():
    policy: PolicyDefinition = {
        "message-ttl": 1,
        "expires": 2,
        "max-length": 3,
        "overflow": "reject-publish",
        "dead-letter-exchange": "dlx",
        "dead-letter-routing-key": "k",
    }
    rules = rules_of(policy=policy)
    assert (rules.message_ttl_ms, rules.expires_ms, rules.max_length) == (1, 2, 3)
    assert (rules.overflow, rules.dead_letter_exchange, rules.dead_letter_routing_key) == (
        "reject-publish",
        "dlx",
        "k",
    )


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_arguments_say_where_dead_letters_go_before_policies_do(queue_type: str):
    policy: PolicyDefinition = {"dead-letter-exchange": "policy", "dead-letter-routing-key": "policy"}
    rules = rules_of(queue_type, policy, dead_letter_exchange="argument", dead_letter_routing_key="argument")
    assert (rules.dead_letter_exchange, rules.dead_letter_routing_key) == ("argument", "argument")


def test_a_dead_letter_exchange_by_argument_takes_its_key_from_a_policy():
    rules = rules_of(policy={"dead-letter-routing-key": "policy"}, dead_letter_exchange="argument")
    assert (rules.dead_letter_exchange, rules.dead_letter_routing_key) == ("argument", "policy")


def test_of_overflow_the_argument_counts_for_classic_queues_and_the_policy_for_quorum_queues():
    for argument, policy in (("drop-head", "reject-publish"), ("reject-publish", "drop-head")):
        assert rules_of("classic", {"overflow": policy}, overflow=argument).overflow == argument
        assert rules_of("quorum", {"overflow": policy}, overflow=argument).overflow == policy


def test_of_expiry_the_smaller_counts_for_classic_queues_and_the_policy_for_quorum_queues():
    assert rules_of("classic", {"expires": 5}, expires=2).expires_ms == 2
    assert rules_of("classic", {"expires": 2}, expires=5).expires_ms == 2
    assert rules_of("quorum", {"expires": 5}, expires=2).expires_ms == 5
    assert rules_of("quorum", None, expires=2).expires_ms == 2


def test_a_quorum_queue_drops_where_it_was_asked_to_dead_letter_what_it_rejects():
    assert rules_of("quorum", None, overflow="reject-publish-dlx").overflow == "drop-head"


@pytest.mark.parametrize(
    ("overflow", "exchange", "strategy"),
    [
        ("reject-publish", "dlx", "at-least-once"),
        ("drop-head", "dlx", "at-most-once"),
        ("reject-publish", None, "at-most-once"),
    ],
)
def test_dead_letters_arrive_at_least_once_only_if_the_queue_rejects_what_is_too_much(
    overflow: str, exchange: str | None, strategy: str
):
    arguments = {"overflow": overflow, "dead_letter_strategy": "at-least-once"}
    if exchange is not None:
        arguments["dead_letter_exchange"] = exchange
    assert rules_of("quorum", None, **arguments).dead_letter_strategy == strategy


def test_the_argument_decides_on_the_dead_letter_strategy():
    policy: PolicyDefinition = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}
    assert rules_of("quorum", policy, dead_letter_exchange="x").dead_letter_strategy == "at-least-once"
    rules = rules_of("quorum", policy, dead_letter_exchange="x", dead_letter_strategy="at-most-once")
    assert rules.dead_letter_strategy == "at-most-once"


@pytest.mark.parametrize(
    ("argument", "policy", "limit"),
    [
        (3, None, 3),
        (3, 1, 1),
        (1, 3, 1),
        (None, 2, 2),
        (-5, None, 0),
        (-1, 1, 0),
        (2.5, None, 2),
        (Field("T", 1), None, 1),
        (Field("T", 2**64 - 1), None, 2**63 - 1),
        ("a", None, NONE),
        ("a", 1, 1),
        (True, None, NONE),
        (float("inf"), None, NONE),
        (Field("V", None), 1, 1),
    ],
)
def test_a_delivery_limit_is_whatever_number_there_is(argument: object, policy: int | None, limit: int):
    arguments = {} if argument is None else {"delivery_limit": argument}
    definition: PolicyDefinition = {} if policy is None else {"delivery-limit": policy}
    assert rules_of("quorum", definition, **arguments).delivery_limit == limit


def test_of_streams_the_policy_counts_and_not_the_argument():
    policy: PolicyDefinition = {
        "max-age": "2D",
        "max-length-bytes": 2000,
        "stream-max-segment-size-bytes": 200,
    }
    rules = rules_of("stream", policy, max_age="1D", max_length_bytes=1000, stream_max_segment_size_bytes=100)
    assert (rules.max_age_ms, rules.max_length_bytes, rules.max_segment_bytes) == (2 * DAY_MS, 2000, 200)
    rules = rules_of("stream", None, max_age="1D", max_length_bytes=1000, stream_max_segment_size_bytes=100)
    assert (rules.max_age_ms, rules.max_length_bytes, rules.max_segment_bytes) == (DAY_MS, 1000, 100)


def test_a_queue_has_only_the_rules_that_its_type_knows():
    policy: PolicyDefinition = {
        "delivery-limit": 1,
        "dead-letter-strategy": "at-least-once",
        "max-age": "1D",
        "stream-max-segment-size-bytes": 1,
        "message-ttl": 1,
        "expires": 1,
        "max-length": 1,
        "overflow": "reject-publish",
        "dead-letter-exchange": "x",
    }
    classic, quorum, stream = (
        rules_of(each, policy, max_priority=3) for each in ("classic", "quorum", "stream")
    )
    assert (classic.delivery_limit, classic.dead_letter_strategy) == (NONE, "at-most-once")
    assert (classic.max_age_ms, classic.max_segment_bytes) == (NONE, NONE)
    assert (quorum.max_priority, quorum.max_age_ms, quorum.max_segment_bytes) == (NONE, NONE, NONE)
    assert (stream.message_ttl_ms, stream.expires_ms, stream.max_length, stream.max_priority) == (NONE,) * 4
    assert (stream.delivery_limit, stream.overflow, stream.dead_letter_exchange) == (NONE, "drop-head", None)


def test_no_policy_makes_a_single_active_consumer_or_priorities():
    rules = rules_of(policy={"single-active-consumer": True, "max-priority": 5})
    assert (rules.single_active_consumer, rules.max_priority) == (False, NONE)


def test_policies_without_effect_are_let_be():
    policy: PolicyDefinition = {"ha-mode": "all", "queue-mode": "lazy", "queue-version": 2, "ha-params": [1]}
    assert vars_of(rules_of(policy=policy)) == vars_of(rules_of())


def vars_of(rules: QueueRules) -> list[object]:
    return [getattr(rules, name) for name in dir(rules) if not name.startswith("_")]


def test_values_of_policies_that_are_of_another_type_are_let_be():
    rules = rules_of(policy={"max-length": True, "message-ttl": "1", "dead-letter-exchange": 5})
    assert (rules.max_length, rules.message_ttl_ms, rules.dead_letter_exchange) == (NONE, NONE, None)


def test_no_time_is_longer_than_ten_years():
    rules = rules_of(policy={"message-ttl": 2**70, "expires": 2**70, "consumer-timeout": 2**63})
    assert (rules.message_ttl_ms, rules.expires_ms, rules.consumer_timeout_ms) == (LONGEST_TIME_MS,) * 3


def test_a_number_that_is_too_large_to_count_to_is_the_largest():
    assert rules_of(policy={"max-length": 2**70}).max_length == 2**63 - 1


def test_a_queue_from_an_old_log_has_no_more_priorities_than_there_are():
    assert rules_of(max_priority=100_000).max_priority == LARGEST_PRIORITY


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1s", 1000),
        ("2m", 120_000),
        ("3h", 3 * 3_600_000),
        ("7D", 7 * DAY_MS),
        ("1M", 30 * DAY_MS),
        ("1Y", 365 * DAY_MS),
        ("010s", 10_000),
        ("1h\nwhatever", 3_600_000),
        ("1h\n", 3_600_000),
        ("9" * 30 + "Y", 2**63 - 1),
        ("9" * 10_000 + "s", 2**63 - 1),
        ("9" * 18 + "Y", 2**63 - 1),
        ("0s", None),
        ("", None),
        ("s", None),
        ("5", None),
        ("abc", None),
        ("1x", None),
        ("1 h", None),
        ("-1h", None),
        ("+1h", None),
        ("1.5h", None),
        ("1hh", None),
        ("٣h", None),
        ("²h", None),
        ("\n1h", None),
    ],
)
def test_an_age_is_a_number_and_a_unit(text: str, ms: int | None):
    assert age_ms(text) == ms


@pytest.mark.parametrize(
    ("value", "queue_type"),
    [
        ("classic", "classic"),
        ("quorum", "quorum"),
        ("stream", "stream"),
        ("nope", "classic"),
        (b"quorum", "classic"),
        (5, "classic"),
    ],
)
def test_what_names_no_type_is_a_classic_queue(value: object, queue_type: str):
    assert queue_type_of(table_of({"x-queue-type": value})) == queue_type
    assert queue_type_of({}) == "classic"
