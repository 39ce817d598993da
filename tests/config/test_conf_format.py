from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amqpd.config.conf_format import Entry, Include, Place, parse
from amqpd.config.mistakes import InvalidConfiguration

FILE = Path("rabbitmq.conf")


def read(text: str) -> dict[str, str]:
    entries = parse(text.encode(), FILE)
    return {entry.written_key(): entry.value for entry in entries if isinstance(entry, Entry)}


def mistakes(data: bytes) -> list[str]:
    with pytest.raises(InvalidConfiguration) as refused:
        parse(data, FILE)
    return refused.value.mistakes


def test_a_line_is_a_key_and_a_value_with_its_place():
    assert parse(b"\nlisteners.tcp.default = 5672\n", FILE) == [
        Entry(("listeners", "tcp", "default"), "5672", Place(FILE, 2))
    ]


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("key=1", "1"),
        ("  key\t=\t1 \t", "1"),
        ("key = 1\r", "1"),
        ("key = 1 # a comment", "1"),
        ("key = a#b", "a"),
        ("key = a b", "a b"),
        ("key = a = b", "a = b"),
        ('key = "a"', '"a"'),
        ("key = 'a#b'", "a#b"),
        ("key = ' a ' # a comment", " a "),
        ("key = ''", ""),
        ("key = 'a'b'", "'a'b'"),
        ("key = 'a", "'a"),
        ("key = pässwort", "pässwort"),
        ("key = '''a'''", "a"),
        ("key = '''\na\nb # no comment\n''' # a comment", "a\nb # no comment"),
        ("key = '''a\r\nb'''", "a\nb"),
    ],
)
def test_a_value_is_read_as_rabbitmq_reads_it(line: str, value: str):
    assert read(f"{line}\n") == {"key": value}
    assert read(line) == {"key": value}


@pytest.mark.parametrize(
    "text", ["", "\n", " \t\n", "# key = 1\n", "  ## key = 1\n", "\r\n", "\ufeff# key = 1\n"]
)
def test_comments_and_blank_lines_say_nothing(text: str):
    assert read(text) == {}


def test_a_word_of_a_key_may_have_a_dot_in_it():
    [entry] = parse(rb"loopback_users.a\.b = true", FILE)
    assert isinstance(entry, Entry)
    assert entry.key == ("loopback_users", "a.b")
    assert entry.written_key() == r"loopback_users.a\.b"


@pytest.mark.parametrize(
    "line", ["include conf.d/*.conf", "  include\tconf.d/*.conf", "include conf.d/*.conf # c"]
)
def test_an_include_names_files(line: str):
    assert parse(line.encode(), FILE) == [Include("conf.d/*.conf", Place(FILE, 1))]


@pytest.mark.parametrize("line", ["include = 1", "include.this = 1"])
def test_a_key_may_be_called_include(line: str):
    assert list(read(line).values()) == ["1"]


@pytest.mark.parametrize(
    ("data", "mistake"),
    [
        (b"heartbeat", "rabbitmq.conf:1: is neither `key = value`, nor an include, nor a comment"),
        (b"heartbeat 60", "rabbitmq.conf:1: is neither `key = value`, nor an include, nor a comment"),
        (b"[{rabbit, []}].", "rabbitmq.conf:1: is neither `key = value`, nor an include, nor a comment"),
        (b"a..b = 1", "rabbitmq.conf:1: is neither `key = value`, nor an include, nor a comment"),
        (b"\nkey =", "rabbitmq.conf:2: sets nothing: there is no value after the ="),
        (b"key = # comment", "rabbitmq.conf:1: sets nothing: there is no value after the ="),
        (b"key = \xe9", "rabbitmq.conf:1: is not UTF-8"),
        (b"a = 1\nkey = '''a\nb\n", "rabbitmq.conf:2: has a value that begins with ''' and does not end"),
        (b"key = '''a''' b", "rabbitmq.conf:1: has something after the ''' that ends its value"),
    ],
)
def test_a_line_that_says_nothing_is_refused_by_its_number(data: bytes, mistake: str):
    assert mistakes(data) == [mistake]


def test_every_bad_line_is_named():
    assert [mistake.split(": ")[0] for mistake in mistakes(b"a\nb = 1\nc\n")] == [
        "rabbitmq.conf:1",
        "rabbitmq.conf:3",
    ]


@given(st.binary() | st.text("ab.\\'=#$(<) \t\r\n").map(str.encode))
def test_whatever_is_in_a_file_is_understood_or_refused_with_its_place(data: bytes):
    try:
        parse(data, FILE)
    except InvalidConfiguration as refused:
        assert refused.mistakes
        assert all(mistake.startswith("rabbitmq.conf:") for mistake in refused.mistakes)


def test_a_mistake_shows_no_value_that_may_be_a_password():
    assert "secret" not in mistakes(b"default_pass secret")[0]
