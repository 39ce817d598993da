"""Patterns that names are searched for: found as PCRE finds them, and given up where that would take too long."""

import time

import pytest

from amqpd.wire.name_pattern import PATIENT_TIMES, NamePattern, is_quick
from amqpd.wire.patterns import InvalidPattern, as_bytes_text

ENDLESS = r"(x+x+)+y"
"""Takes twice as long for each further letter of a text that it does not fit."""

UNFIT = "x" * 200


def found(pattern: str, name: str) -> bool:
    return NamePattern(pattern).is_in(as_bytes_text(name))


@pytest.mark.parametrize(
    ("pattern", "name", "is_found"),
    [
        ("", "anything", True),
        ("^amq\\.", "amq.gen-1", True),
        ("^amq\\.", "not.amq.", False),
        ("^(?!amq\\.).*", "orders", True),
        ("^(?!amq\\.).*", "amq.gen-1", False),
        ("^(orders|bills)(\\.[a-z]+)*$", "orders.new.big", True),
        ("^(orders|bills)(\\.[a-z]+)*$", "orders.new.", False),
        ("(a)\\1", "xaay", True),
        ("^..$", "é", True),
        ("^(é+)+$", "éé", True),
        ("^(a{e})+$", "a{e}", True),
        ("^(a{e})+$", "ab", False),
        ("^(a{,2})+$", "a{,2}", True),
        ("^(a{2})+$", "aaaa", True),
    ],
)
def test_a_pattern_is_found_anywhere_in_a_name(pattern: str, name: str, is_found: bool):
    assert found(pattern, name) is is_found


def test_a_pattern_that_takes_too_long_is_not_found():
    assert not found(ENDLESS, UNFIT)


def test_a_pattern_that_has_taken_too_long_for_one_name_is_found_in_others():
    pattern = NamePattern(ENDLESS)
    assert not pattern.is_in(UNFIT)
    assert pattern.is_in("xxy")


def test_after_some_times_nobody_waits_for_it_any_more():
    pattern = NamePattern(ENDLESS)
    for _ in range(PATIENT_TIMES):
        assert not pattern.is_in(UNFIT)
    before_s = time.process_time()
    for _ in range(10_000):
        assert not pattern.is_in(UNFIT)
    assert time.process_time() - before_s < 5
    assert not pattern.is_in("xxy")


@pytest.mark.parametrize("pattern", ["(", "a{2,1}", "[z-a]"])
def test_what_is_no_pattern_is_refused(pattern: str):
    with pytest.raises(InvalidPattern):
        NamePattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "quick"),
    [
        ("^orders", True),
        ("^a.*b$", True),
        ("a.*b.*c", False),
        (ENDLESS, False),
        ("(a|b)c", True),
        ("(a)\\1", False),
    ],
)
def test_it_is_known_which_may_take_long(pattern: str, quick: bool):
    assert is_quick(pattern) is quick
