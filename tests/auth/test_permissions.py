import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpd.auth.patterns import permission_pattern
from amqpd.auth.permissions import CACHE_SIZE_NAMES, Permissions, Rule

ACCEPTED = True
REFUSED = False

# Pattern, queue name and what RabbitMQ 3.10.8 answered to queue.declare.
OBSERVED = [
    ("b", "abc", ACCEPTED),
    ("B", "abc", REFUSED),
    ("", "x", REFUSED),
    ("^$", "x", REFUSED),
    ("^.$", "é", REFUSED),
    ("^..$", "é", ACCEPTED),
    ("^é$", "é", ACCEPTED),
    ("^Ã", "é", REFUSED),
    (r"^\w.$", "é", ACCEPTED),
    (r"^a\z", "a", ACCEPTED),
    (r"^a\Z", "a", ACCEPTED),
    ("(?<x>a)b", "ab", ACCEPTED),
    (r"^\Qa.b\E$", "a.b", ACCEPTED),
    (r"^\Qa.b\E$", "axb", REFUSED),
    (r"^a\Q", "a", ACCEPTED),
    (r"^[\Qa]\E]$", "]", ACCEPTED),
    ("^[[:alpha:]]+$", "abc", ACCEPTED),
    ("^[^[:alpha:]]$", "a", REFUSED),
    ("^[[:foo]$", "a", REFUSED),
    ("^[]a]$", "]", ACCEPTED),
    (r"^[a\]b]$", "]", ACCEPTED),
    ("^a{,3}$", "aa", REFUSED),
    ("^a{,3}$", "a{,3}", ACCEPTED),
    (r"^\x{61}$", "a", ACCEPTED),
    (r"\Kabc", "abc", ACCEPTED),
    (r"\Gab", "ab", ACCEPTED),
    ("^(?>a)$", "a", ACCEPTED),
    (r"^\h$", "\t", ACCEPTED),
    (r"^\N$", "x", ACCEPTED),
    (r"^\_$", "_", ACCEPTED),
    ("a #c", "a", REFUSED),
]


@pytest.mark.parametrize(("pattern", "name", "answer"), OBSERVED)
def test_a_pattern_allows_what_rabbitmq_allows(pattern: str, name: str, answer: bool):
    assert Rule(pattern).allows(name) is answer


# RabbitMQ 3.10.8 refuses all of these but the last, which it understands and we do not.
@pytest.mark.parametrize(
    ("pattern", "position"),
    [("*", 0), ("(", 0), ("a|(", 2), ("[a", 0), ("a{2,1}", 2), ("\\", 0), (r"\Qab\E(", 6), ("a(?i)b", 1)],
)
def test_a_bad_pattern_is_refused_by_name_and_position(pattern: str, position: int):
    with pytest.raises(ValueError) as refusal:
        Permissions(pattern, "", "")
    assert str(refusal.value).startswith(f"invalid pattern '{pattern}' at position {position}: ")


@pytest.mark.parametrize("pattern", [r"\x{zz}", r"\x{100}", "[[:nope:]]"])
def test_a_bad_pcre_construct_is_refused_by_name_and_position(pattern: str):
    with pytest.raises(ValueError, match=r"invalid pattern '.*' at position [01]: "):
        Rule(pattern)


@given(st.text(alphabet=r"ab\[]^(){}?*+|:,.<>QEzhKRxdw$-&~#", max_size=20))
def test_any_text_is_a_pattern_or_a_value_error(pattern: str):
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        try:
            permission_pattern(pattern)
        except ValueError as error:
            assert str(error).startswith(f"invalid pattern '{pattern}' at position ")


def test_each_kind_asks_its_own_pattern():
    permissions = Permissions("^c", "^w", "^r")
    assert permissions.allows("configure", "c1") and not permissions.allows("configure", "w1")
    assert permissions.allows("write", "w1") and not permissions.allows("write", "r1")
    assert permissions.allows("read", "r1") and not permissions.allows("read", "c1")


def test_the_patterns_can_be_read_back_as_written():
    permissions = Permissions("", "^w", ".*")
    assert (permissions.configure, permissions.write, permissions.read) == ("", "^w", ".*")


def test_the_default_exchange_is_checked_as_amq_default():
    assert Permissions("", r"^amq\.default$", "").allows("write", "")
    assert not Permissions("", "^$", "").allows("write", "")


def test_a_kind_that_does_not_exist_is_an_error():
    with pytest.raises(KeyError):
        Permissions("", "", "").allows("delete", "q")


def test_answers_stay_right_when_asked_again():
    rule = Rule("^a")
    assert [rule.allows("a"), rule.allows("b"), rule.allows("a"), rule.allows("b")] == [True, False] * 2
    assert rule.cached_names() == 2


def test_the_cache_never_grows_beyond_its_bound():
    rule = Rule("7$")
    for number in range(CACHE_SIZE_NAMES + 10):
        assert rule.allows(str(number)) is (number % 10 == 7)
        assert rule.cached_names() <= CACHE_SIZE_NAMES
    assert rule.cached_names() == 10


def topic(write: str, read: str = ".*") -> Permissions:
    permissions = Permissions(".*", ".*", ".*")
    permissions.set_topic("amq.topic", write, read, {"username": "a.u", "vhost": "/v"})
    return permissions


# Pattern, routing key and what RabbitMQ 3.10.8 answered to basic.publish by user a.u.
@pytest.mark.parametrize(
    ("pattern", "routing_key", "answer"),
    [
        ("^{username}$", "a.u", ACCEPTED),
        ("^{username}$", "aXu", ACCEPTED),
        ("^{username}$", "b", REFUSED),
        ("^{vhost}-{username}$", "/v-a.u", ACCEPTED),
        ("^{username}{username}$", "a.ua.u", ACCEPTED),
        ("^{other}$", "{other}", ACCEPTED),
        ("", "x", REFUSED),
        ("", "", ACCEPTED),
        ("a", "bab", ACCEPTED),
    ],
)
def test_a_topic_pattern_allows_what_rabbitmq_allows(pattern: str, routing_key: str, answer: bool):
    assert topic(pattern).allows_topic("write", "amq.topic", routing_key) is answer


def test_an_exchange_without_topic_permission_takes_any_routing_key():
    assert topic("^x$").allows_topic("write", "other", "y")


def test_topic_write_and_read_are_separate():
    permissions = topic("^w", "^r")
    assert permissions.allows_topic("read", "amq.topic", "r") and not permissions.allows_topic(
        "read", "amq.topic", "w"
    )


def test_a_topic_permission_can_be_lifted():
    permissions = topic("^x$")
    permissions.clear_topic("amq.topic")
    assert permissions.allows_topic("write", "amq.topic", "y")


def test_a_bad_topic_pattern_changes_nothing():
    permissions = topic("^x$")
    with pytest.raises(ValueError, match="at position 10: "):
        permissions.set_topic("amq.topic", "{username}(", "", {"username": "u"})
    assert permissions.topics["amq.topic"].write == "^x$"
