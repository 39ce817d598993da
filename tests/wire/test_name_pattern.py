"""Patterns that names are searched for: found as PCRE finds them, and given up where that would take too long."""

import pytest

from amqpd.wire.name_pattern import PATIENT_TIMES, NamePattern, is_quick
from amqpd.wire.patterns import InvalidPattern, as_bytes_text

ENDLESS = r"(x+x+)+y"
"""Takes at least four times as long for a text of twice the length that it does not fit."""

UNFIT = "x" * 20_000
"""Minutes for `ENDLESS`, on whatever machine."""


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


def octets(ranges: str) -> list[int]:
    """The numbers in hexadecimal ranges: "30-39 5f"."""
    ends = [part.partition("-") for part in ranges.split()]
    return [
        number for first, _dash, last in ends for number in range(int(first, 16), int(last or first, 16) + 1)
    ]


@pytest.mark.parametrize(
    ("kind", "ranges"),
    [
        (r"\w", "30-39 41-5a 5f 61-7a aa b5 ba c0-d6 d8-f6 f8-ff"),
        (r"\W", "00-2f 3a-40 5b-5e 60 7b-a9 ab-b4 b6-b9 bb-bf d7 f7"),
        (r"\s", "09-0d 20"),
        (r"\S", "00-08 0e-1f 21-ff"),
        (r"\d", "30-39"),
        (r"\D", "00-2f 3a-ff"),
        ("[[:alnum:]]", "30-39 41-5a 61-7a aa b5 ba c0-d6 d8-f6 f8-ff"),
        ("[[:alpha:]]", "41-5a 61-7a aa b5 ba c0-d6 d8-f6 f8-ff"),
        ("[[:ascii:]]", "00-ff"),
        ("[[:blank:]]", "09 20"),
        ("[[:cntrl:]]", "00-1f 7f-9f"),
        ("[[:digit:]]", "30-39"),
        ("[[:graph:]]", "21-7e a0-ff"),
        ("[[:lower:]]", "61-7a aa b5 ba df-f6 f8-ff"),
        ("[[:print:]]", "20-7e a0-ff"),
        ("[[:punct:]]", "21-2f 3a-40 5b-60 7b-7e a0-a9 ab-b4 b6-b9 bb-bf d7 f7"),
        ("[[:space:]]", "09-0d 20"),
        ("[[:upper:]]", "41-5a c0-d6 d8-de"),
        ("[[:word:]]", "30-39 41-5a 5f 61-7a aa b5 ba c0-d6 d8-f6 f8-ff"),
        ("[[:xdigit:]]", "30-39 41-46 61-66"),
        (r"\h", "09 20 a0"),
        (r"\v", "0a-0d 85"),
        (r"\R", "0a-0d 85"),
        (r"\N", "00-09 0b-ff"),
        (".", "00-09 0b-ff"),
    ],
)
def test_each_kind_of_octet_is_that_of_erlangs_pcre(kind: str, ranges: str):
    """As `re:run` of RabbitMQ's Erlang 25 has answered for each octet."""
    pattern = NamePattern(f"^{kind}\\z")
    assert [number for number in range(256) if pattern.is_in(chr(number))] == octets(ranges)
