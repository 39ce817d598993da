"""Arguments of queues and consumers; every text was sent by RabbitMQ 3.10.8, where no other version is named."""

import pytest

from amqpd.broker.arguments import (
    ARGUMENTS_OF_QUEUES,
    NEWER_QUEUE_ARGUMENTS,
    QUEUE_ARGUMENTS,
    check_consumer_arguments,
    check_equivalent_argument,
    check_equivalent_arguments,
    check_may_be_server_named,
    check_new_queue,
    with_default_type,
)
from amqpd.errors import PreconditionFailed
from amqpd.wire.fields import Field, table_of

TITLE = "queue 'q' in vhost '/'"
TEN_YEARS_MS = 315_360_000_000
SIGNED = "{unacceptable_type,signedint}"


def refusal_of(
    queue_type: str,
    arguments: dict[str, object] | None = None,
    *,
    durable: bool = True,
    auto_delete: bool = False,
    exclusive: bool = False,
) -> str:
    """What a queue of this type, durable if not said otherwise, is refused for, or nothing."""
    named = {"x-queue-type": queue_type} if queue_type else {}
    table = table_of({**named, **(arguments or {})})
    try:
        check_new_queue(TITLE, durable, auto_delete, exclusive, table)
    except PreconditionFailed as refusal:
        return refusal.explanation
    return ""


def problem_of(queue_type: str, name: str, value: object, more: dict[str, object] | None = None) -> str:
    """What is wrong with one argument, without the words that are always there."""
    text = refusal_of(queue_type, {name: value, **(more or {})})
    return text.removeprefix(f"invalid arg '{name}' for {TITLE}: ")


@pytest.mark.parametrize("name", ["x-message-ttl", "x-max-length", "x-max-length-bytes", "x-max-priority"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0, ""),
        (Field("b", 5), ""),
        (Field("B", 5), ""),
        (Field("s", 5), ""),
        (Field("u", 5), ""),
        (Field("i", 5), ""),
        (Field("l", 5), ""),
        (Field("L", 5), ""),
        (-1, "{value_negative,-1}"),
        (Field("l", -(2**63)), "{value_negative,-9223372036854775808}"),
        ("5", '"expected integer, got longstr"'),
        (True, '"expected integer, got bool"'),
        (5.0, '"expected integer, got double"'),
        (Field("f", 5.0), '"expected integer, got float"'),
        (Field("V", None), '"expected integer, got void"'),
        (Field("T", 5), '"expected integer, got timestamp"'),
        (Field("D", (0, 5)), '"expected integer, got decimal"'),
        ({}, '"expected integer, got table"'),
        ([], '"expected integer, got array"'),
        (b"5", '"expected integer, got binary"'),
    ],
)
def test_counts_are_integers_from_0(name: str, value: object, problem: str):
    assert problem_of("", name, value) == problem


@pytest.mark.parametrize(
    ("queue_type", "name", "value", "problem"),
    [
        ("", "x-message-ttl", TEN_YEARS_MS, ""),
        ("", "x-message-ttl", TEN_YEARS_MS + 1, "{value_too_large,315360000001}"),
        ("", "x-expires", 1, ""),
        ("", "x-expires", 0, "{value_zero,0}"),
        ("", "x-expires", -5, "{value_negative,-5}"),
        ("", "x-expires", "1", '"expected integer, got longstr"'),
        ("", "x-expires", TEN_YEARS_MS, ""),
        ("", "x-expires", TEN_YEARS_MS + 1, "{value_too_large,315360000001}"),
        ("", "x-max-length", 2**63 - 1, ""),
        ("", "x-max-priority", 255, ""),
        ("", "x-max-priority", 256, "{max_value_exceeded,256}"),
        ("", "x-overflow", "drop-head", ""),
        ("", "x-overflow", "reject-publish", ""),
        ("", "x-overflow", "reject-publish-dlx", ""),
        ("quorum", "x-overflow", "reject-publish-dlx", ""),
        ("", "x-overflow", "Drop-Head", "invalid_overflow"),
        ("", "x-overflow", 5, SIGNED),
        ("", "x-queue-mode", "lazy", ""),
        ("", "x-queue-mode", "default", ""),
        ("", "x-queue-mode", "nope", "\"unsupported queue mode 'nope'\""),
        ("", "x-queue-mode", "", "\"unsupported queue mode ''\""),
        ("", "x-queue-mode", 'a"b\\c', '"unsupported queue mode \'a\\"b\\\\c\'"'),
        ("", "x-queue-mode", "é", "\"unsupported queue mode 'é'\""),
        ("", "x-queue-mode", 5, SIGNED),
        ("", "x-queue-version", 1, ""),
        ("", "x-queue-version", 2, ""),
        ("", "x-queue-version", 3, "\"unsupported queue version '3'\""),
        ("", "x-queue-version", -1, "{value_negative,-1}"),
        ("", "x-queue-version", "1", '"expected integer, got longstr"'),
        ("", "x-single-active-consumer", False, ""),
        ("", "x-single-active-consumer", 1, SIGNED),
        ("", "x-single-active-consumer", "true", "{unacceptable_type,longstr}"),
        ("", "x-queue-type", "classic", ""),
        ("", "x-queue-type", "Classic", "\"unsupported queue type 'Classic'\""),
        ("", "x-queue-type", 5, SIGNED),
        ("", "x-queue-type", b"classic", "{unacceptable_type,binary}"),
        ("", "x-dead-letter-exchange", "", ""),
        ("", "x-queue-master-locator", "min-masters", ""),
        ("", "x-queue-master-locator", "nope", ""),
        ("quorum", "x-dead-letter-strategy", "at-least-once", ""),
        ("quorum", "x-dead-letter-strategy", "bad", "invalid_dlx_strategy"),
        ("quorum", "x-dead-letter-strategy", 5, SIGNED),
        ("quorum", "x-delivery-limit", -1, ""),
        ("quorum", "x-delivery-limit", "a", ""),
        ("quorum", "x-quorum-initial-group-size", 0, "{value_zero,0}"),
        ("quorum", "x-quorum-initial-group-size", -1, "{value_negative,-1}"),
        ("quorum", "x-max-in-memory-length", -1, "{value_negative,-1}"),
        ("quorum", "x-max-in-memory-bytes", "a", '"expected integer, got longstr"'),
        ("quorum", "x-queue-leader-locator", "balanced", ""),
        ("quorum", "x-queue-leader-locator", "client-local", ""),
        ("quorum", "x-queue-leader-locator", "random", ""),
        ("quorum", "x-queue-leader-locator", "least-leaders", ""),
        ("quorum", "x-queue-leader-locator", "nope", "invalid_queue_locator_arg"),
        ("stream", "x-max-age", "1h", ""),
        ("stream", "x-max-age", "1x", "invalid_max_age"),
        ("stream", "x-max-age", "0h", "invalid_max_age"),
        ("stream", "x-max-age", 5, SIGNED),
        ("stream", "x-max-length-bytes", -1, "{value_negative,-1}"),
        ("stream", "x-initial-cluster-size", 0, "{value_zero,0}"),
        ("stream", "x-queue-leader-locator", 5, SIGNED),
        ("stream", "x-stream-max-segment-size-bytes", 3_000_000_000, ""),
        ("stream", "x-stream-max-segment-size-bytes", -1, "{value_negative,-1}"),
    ],
)
def test_what_values_an_argument_takes(queue_type: str, name: str, value: object, problem: str):
    assert problem_of(queue_type, name, value) == problem


def test_text_with_unprintable_bytes_is_shown_as_numbers():
    numbers = ",".join(str(byte) for byte in "unsupported queue mode 'ā'".encode())
    assert problem_of("", "x-queue-mode", "ā") == f"[{numbers}]"


def test_an_age_without_a_number_is_refused_as_rabbitmq_4_does():
    assert problem_of("stream", "x-max-age", "abc") == "invalid_max_age"


def test_a_dead_letter_routing_key_needs_an_exchange():
    name, missing = "x-dead-letter-routing-key", "routing_key_but_no_dlx_defined"
    assert problem_of("", name, "k") == missing
    assert problem_of("quorum", name, "k") == missing
    assert problem_of("", name, 5) == SIGNED
    assert problem_of("", name, 5, {"x-dead-letter-exchange": "x"}) == SIGNED
    assert problem_of("", name, "k", {"x-dead-letter-exchange": "x"}) == ""


@pytest.mark.parametrize(
    ("queue_type", "name", "value"),
    [
        ("classic", "x-delivery-limit", 5),
        ("classic", "x-dead-letter-strategy", "at-most-once"),
        ("classic", "x-max-age", "1h"),
        ("classic", "x-stream-max-segment-size-bytes", 5),
        ("classic", "x-initial-cluster-size", 1),
        ("classic", "x-max-in-memory-length", 1),
        ("classic", "x-max-in-memory-bytes", 1),
        ("classic", "x-quorum-initial-group-size", 1),
        ("classic", "x-queue-leader-locator", "nope"),
        ("quorum", "x-max-priority", 5),
        ("quorum", "x-queue-mode", "lazy"),
        ("quorum", "x-queue-version", 1),
        ("quorum", "x-queue-master-locator", "min-masters"),
        ("quorum", "x-max-age", "1h"),
        ("quorum", "x-stream-max-segment-size-bytes", 5),
        ("quorum", "x-initial-cluster-size", 1),
        ("stream", "x-message-ttl", 1000),
        ("stream", "x-expires", 1000),
        ("stream", "x-max-length", 5),
        ("stream", "x-overflow", "drop-head"),
        ("stream", "x-dead-letter-exchange", "a"),
        ("stream", "x-max-priority", 5),
        ("stream", "x-delivery-limit", 5),
        ("stream", "x-single-active-consumer", True),
    ],
)
def test_what_a_queue_of_another_type_has_is_refused(queue_type: str, name: str, value: object):
    text = refusal_of(queue_type, arguments={name: value})
    assert text == f"invalid arg '{name}' for {TITLE} of queue type rabbit_{queue_type}_queue"


def test_every_argument_belongs_to_a_type():
    assert set().union(*ARGUMENTS_OF_QUEUES.values()) == set(QUEUE_ARGUMENTS)


@pytest.mark.parametrize("queue_type", ["classic", "quorum", "stream"])
def test_an_argument_that_nobody_knows_is_fine(queue_type: str):
    assert refusal_of(queue_type, arguments={"x-mine": 5, "x-cancel-on-ha-failover": 1}) == ""


def test_values_are_checked_in_rabbitmqs_order_before_names_in_the_clients():
    assert "'x-expires'" in refusal_of("", arguments={"x-max-length": -1, "x-expires": 0})
    assert "'x-expires'" in refusal_of("", arguments={"x-max-age": "1h", "x-expires": 0})
    assert "'x-max-age'" in refusal_of("", arguments={"x-max-age": "1h", "x-delivery-limit": 0})
    assert "'x-delivery-limit'" in refusal_of("", arguments={"x-delivery-limit": 0, "x-max-age": "1h"})


def test_the_type_is_checked_before_everything_else():
    assert "'x-queue-type'" in refusal_of("", arguments={"x-expires": 0, "x-queue-type": "nope"})


@pytest.mark.parametrize("queue_type", ["quorum", "stream"])
def test_a_replicated_queue_is_neither_auto_delete_nor_exclusive_nor_transient(queue_type: str):
    refused = "invalid property '{}' for " + TITLE
    assert refusal_of(queue_type) == ""
    assert refusal_of(queue_type, auto_delete=True, exclusive=True, durable=False) == refused.format(
        "auto-delete"
    )
    assert refusal_of(queue_type, exclusive=True, durable=False) == refused.format("exclusive-owner")
    assert refusal_of(queue_type, durable=False) == refused.format("non-durable")
    assert "'x-max-length-bytes'" in refusal_of(
        queue_type, durable=False, arguments={"x-max-length-bytes": -1}
    )


def test_a_classic_queue_is_what_it_wants():
    assert refusal_of("classic", auto_delete=True, exclusive=True, durable=False) == ""


def test_segments_of_streams_have_a_largest_size():
    arguments = {"x-stream-max-segment-size-bytes": 3_000_000_001}
    text = "Exceeded max value for x-stream-max-segment-size-bytes"
    assert refusal_of("stream", arguments=arguments) == text
    assert "non-durable" in refusal_of("stream", arguments=arguments, durable=False)


@pytest.mark.parametrize("value", [15, 256])
def test_filters_of_streams_have_sizes_from_16_to_255_as_in_rabbitmq_3_13(value: int):
    name = "x-stream-filter-size-bytes"
    assert refusal_of("stream", arguments={name: value}) == f"Invalid value for {name}"
    assert refusal_of("stream", arguments={name: 16}) == ""
    assert refusal_of("stream", arguments={name: 255}) == ""
    assert problem_of("stream", name, "16") == '"expected integer, got longstr"'


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_consumer_timeouts_are_counts_as_in_rabbitmq_4_3(queue_type: str):
    assert problem_of(queue_type, "x-consumer-timeout", 1000) == ""
    assert problem_of(queue_type, "x-consumer-timeout", -1) == "{value_negative,-1}"


def test_what_is_newer_than_3_10_is_refused_of_no_type_and_not_compared():
    newer = {name for names in NEWER_QUEUE_ARGUMENTS.values() for name in names}
    assert newer == {"x-consumer-timeout", "x-stream-filter-size-bytes"}
    for queue_type in ("classic", "quorum", "stream"):
        arguments = {"x-consumer-timeout": 100, "x-stream-filter-size-bytes": 100}
        assert refusal_of(queue_type, arguments=arguments) == ""
        plain = table_of({"x-queue-type": queue_type})
        check_equivalent_arguments(TITLE, plain, table_of({"x-queue-type": queue_type, **arguments}))


# Names of queues


@pytest.mark.parametrize("value", ["quorum", b"quorum"])
def test_a_replicated_queue_has_a_name(value: object):
    with pytest.raises(PreconditionFailed) as refusal:
        check_may_be_server_named(table_of({"x-queue-type": value, "x-max-length": -1}))
    text = "Cannot declare a server-named queue for type rabbit_quorum_queue"
    assert refusal.value.explanation == text


@pytest.mark.parametrize(
    "arguments", [{}, {"x-queue-type": "classic"}, {"x-queue-type": "nope"}, {"x-queue-type": 5}]
)
def test_any_other_queue_may_be_given_one(arguments: dict[str, object]):
    check_may_be_server_named(table_of(arguments))


# The default type


def test_the_default_type_stands_in_the_arguments():
    arguments = with_default_type(table_of({"x-max-length": 1}), "quorum", True, False, False)
    assert arguments == table_of({"x-max-length": 1, "x-queue-type": "quorum"})


@pytest.mark.parametrize(
    ("durable", "exclusive", "auto_delete"), [(False, False, False), (True, True, False), (True, False, True)]
)
def test_a_queue_that_could_not_be_of_the_default_type_is_classic(
    durable: bool, exclusive: bool, auto_delete: bool
):
    assert with_default_type({}, "quorum", durable, exclusive, auto_delete) == {}
    classic = table_of({"x-queue-type": "classic"})
    assert with_default_type({}, "classic", durable, exclusive, auto_delete) == classic


def test_a_client_that_names_a_type_gets_that_type():
    for value in ("classic", 5):
        arguments = table_of({"x-queue-type": value})
        assert with_default_type(arguments, "quorum", True, False, False) is arguments
    assert with_default_type({}, "", True, False, False) == {}


# Redeclarations


def difference(current: dict[str, object], received: dict[str, object]) -> str:
    """In what a redeclaration is inequivalent, or nothing."""
    try:
        check_equivalent_arguments(TITLE, table_of(received), table_of(current))
    except PreconditionFailed as refusal:
        return refusal.explanation.removeprefix("inequivalent arg ").replace(f" for {TITLE}", "")
    return ""


@pytest.mark.parametrize(
    ("current", "received", "text"),
    [
        (5, 5, ""),
        (5, Field("l", 5), ""),
        (5, Field("B", 5), ""),
        (5, Field("T", 5), ""),
        (5, 6, "received '6' but current is '5'"),
        (5, 5.0, "received '5.0' but current is '5'"),
        (5, 1e22, "received '1.0e22' but current is '5'"),
        (5, "5", "received '5' but current is '5'"),
        (5, "é", "received 'é' but current is '5'"),
        (5, b"a", "received 'a' but current is '5'"),
        (5, True, "received 'true' but current is '5'"),
        (5, Field("V", None), "received none but current is '5'"),
        (
            5,
            {"a": 1, "b": "x"},
            'received \'[{<<"a">>,signedint,1},{<<"b">>,longstr,<<"x">>}]\' but current is \'5\'',
        ),
        (5, {}, "received '[]' but current is '5'"),
        (
            5,
            [1, "a", None, False, 2.5, b"\x01", Field("T", 3), Field("D", (1, 2))],
            'received \'[{signedint,1},{longstr,<<"a">>},{void,undefined},{bool,false},{double,2.5},'
            "{binary,<<1>>},{timestamp,3},{decimal,{1,2}}]' but current is '5'",
        ),
        ("a", "b", "received 'b' but current is 'a'"),
        (True, False, "received 'false' but current is 'true'"),
    ],
)
def test_arguments_of_redeclarations_are_compared(current: object, received: object, text: str):
    name = "x-max-length"
    found = difference({name: current}, {name: received})
    assert found == (f"'{name}': {text}" if text else "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (5, "the value '5' of type 'signedint'"),
        ("a", "the value 'a' of type 'longstr'"),
        (True, "the value 'true' of type 'bool'"),
        (Field("V", None), "the value 'undefined' of type 'void'"),
        ({"a": 1}, "the value '[{<<\"a\">>,signedint,1}]' of type 'table'"),
    ],
)
def test_an_argument_that_one_declaration_lacks_is_named_with_its_type(value: object, text: str):
    name = "x-queue-mode"
    assert difference({}, {name: value}) == f"'{name}': received {text} but current is none"
    assert difference({name: value}, {}) == f"'{name}': received none but current is {text}"


@pytest.mark.parametrize("queue_type", ["classic", "quorum", "stream"])
def test_exactly_what_the_queues_type_has_is_compared(queue_type: str):
    current = {"x-queue-type": queue_type}
    for name in ["x-mine", *QUEUE_ARGUMENTS]:
        if name != "x-queue-type":
            is_known = name in ARGUMENTS_OF_QUEUES[queue_type]
            assert bool(difference(current, {**current, name: 5})) == is_known, name


@pytest.mark.parametrize(
    ("current", "received", "name"),
    [
        ({}, {"x-single-active-consumer": True, "x-max-length": 3, "x-expires": 1}, "x-expires"),
        ({}, {"x-queue-type": "quorum", "x-queue-mode": "lazy"}, "x-queue-mode"),
        (
            {"x-queue-type": "quorum", "x-max-length": 5, "x-dead-letter-strategy": "at-most-once"},
            {},
            "x-dead-letter-strategy",
        ),
        ({"x-queue-type": "stream", "x-max-age": "1h", "x-max-length-bytes": 1000}, {}, "x-max-length-bytes"),
    ],
)
def test_the_first_difference_in_rabbitmqs_order_is_named(
    current: dict[str, object], received: dict[str, object], name: str
):
    assert difference(current, received).startswith(f"'{name}': ")


@pytest.mark.parametrize(
    ("current", "received", "text"),
    [
        (None, "classic", ""),
        ("classic", None, ""),
        ("classic", "classic", ""),
        ("classic", b"classic", ""),
        (None, b"classic", "received the value 'classic' of type 'binary' but current is none"),
        (None, "quorum", "received the value 'quorum' of type 'longstr' but current is none"),
        ("classic", "quorum", "received 'quorum' but current is 'classic'"),
        ("classic", 5, "received '5' but current is 'classic'"),
        ("quorum", None, "received none but current is the value 'quorum' of type 'longstr'"),
        ("quorum", "classic", "received 'classic' but current is 'quorum'"),
        ("quorum", "quorum", ""),
    ],
)
def test_a_queue_without_a_type_is_classic(current: object, received: object, text: str):
    tables = [{} if value is None else {"x-queue-type": value} for value in (current, received)]
    found = difference(*tables)
    assert found == (f"'x-queue-type': {text}" if text else "")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (100.0, "100.0"),
        (1000.0, "1.0e3"),
        (1230.0, "1230.0"),
        (123000.0, "1.23e5"),
        (99999.0, "99999.0"),
        (0.1, "0.1"),
        (0.0001, "0.0001"),
        (0.00015, "1.5e-4"),
        (0.012345, "0.012345"),
        (0.00012345, "1.2345e-4"),
        (-5.5, "-5.5"),
        (-1000.0, "-1.0e3"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (9007199254740991.0, "9007199254740991.0"),
        (9007199254740992.0, "9.007199254740992e15"),
        (1e15, "1.0e15"),
        (1.2345678901234568e17, "1.2345678901234568e17"),
        (1.5e300, "1.5e300"),
        (5e-324, "5.0e-324"),
        (Field("f", 1.100000023841858), "1.100000023841858"),
    ],
)
def test_floats_are_shown_as_erlang_shows_them(value: object, text: str):
    with pytest.raises(PreconditionFailed) as refusal:
        check_equivalent_argument(TITLE, "x", table_of({"x": value}), table_of({"x": "a"}))
    assert f"received '{text}' but" in refusal.value.explanation


# Consumers


def consumer_problem(queue_type: str, **arguments: object) -> str:
    named = {f"x-{name.replace('_', '-')}": value for name, value in arguments.items()}
    try:
        check_consumer_arguments(TITLE, queue_type, table_of(named))
    except PreconditionFailed as refusal:
        return refusal.explanation
    return ""


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_priorities_of_consumers_are_integers(queue_type: str):
    assert consumer_problem(queue_type, priority=-5) == ""
    text = f"invalid arg 'x-priority' for {TITLE}: \"expected integer, got longstr\""
    assert consumer_problem(queue_type, priority="5") == text


def test_only_consumers_of_classic_queues_hear_of_failovers():
    text = f"invalid arg 'x-cancel-on-ha-failover' for {TITLE}"
    assert consumer_problem("classic", cancel_on_ha_failover=True) == ""
    assert consumer_problem("classic", cancel_on_ha_failover=1) == f"{text}: {SIGNED}"
    for queue_type in ("quorum", "stream"):
        refused = f"{text} of queue type rabbit_{queue_type}_queue"
        assert consumer_problem(queue_type, cancel_on_ha_failover=True) == refused


def test_consumers_of_streams_have_no_priorities_and_others_no_offsets():
    text = f"invalid arg '{{}}' for {TITLE} of queue type rabbit_{{}}_queue"
    assert consumer_problem("stream", priority=5) == text.format("x-priority", "stream")
    assert consumer_problem("classic", stream_offset="first") == text.format("x-stream-offset", "classic")
    assert consumer_problem("quorum", stream_offset="first") == text.format("x-stream-offset", "quorum")


@pytest.mark.parametrize(
    "value", ["first", "last", "next", b"first", 0, -1, Field("l", 5), Field("T", 1), "1h", "7D"]
)
def test_a_stream_is_read_from_what_can_be_a_place_in_it(value: object):
    assert consumer_problem("stream", stream_offset=value) == ""


@pytest.mark.parametrize(
    ("value", "term"),
    [
        ("5", '{longstr,<<"5">>}'),
        ("0s", '{longstr,<<"0s">>}'),
        ("5é", '{longstr,<<"5é">>}'),
        ("5\x01", "{longstr,<<53,1>>}"),
        ("5" + 100 * "\x01", "{longstr,<<53" + 100 * ",1" + ">>}"),
    ],
)
def test_a_stream_is_read_from_nothing_else(value: str, term: str):
    text = f"invalid arg 'x-stream-offset' for {TITLE}: {{invalid_stream_offset_arg,{term}}}"
    assert consumer_problem("stream", stream_offset=value) == text


@pytest.mark.parametrize(
    ("value", "term"),
    [
        ("abc", '{longstr,<<"abc">>}'),
        (True, "{bool,true}"),
        (1.5, "{double,1.5}"),
        (Field("V", None), "{void,undefined}"),
        ({}, "{table,[]}"),
        ([1], "{array,[{signedint,1}]}"),
        (b"abc", '{binary,<<"abc">>}'),
    ],
)
def test_a_place_on_which_rabbitmq_crashes_is_refused_in_the_same_words(value: object, term: str):
    text = f"invalid arg 'x-stream-offset' for {TITLE}: {{invalid_stream_offset_arg,{term}}}"
    assert consumer_problem("stream", stream_offset=value) == text


@pytest.mark.parametrize("queue_type", ["classic", "quorum", "stream"])
def test_other_arguments_of_consumers_are_not_looked_at(queue_type: str):
    assert consumer_problem(queue_type, credit={"credit": 1}, mine=5, stream_filter=5) == ""


def test_values_of_consumers_are_checked_before_names():
    assert "'x-priority'" in consumer_problem("quorum", stream_offset=5, priority="a")
