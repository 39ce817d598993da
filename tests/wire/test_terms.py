"""Erlang terms in error texts; every expected text was printed by RabbitMQ 3.10.8 or its Erlang."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from amqpd.wire import terms


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "<<>>"),
        (b"x", '<<"x">>'),
        (b"abc", '<<"abc">>'),
        (b"some", '<<"some">>'),
        (b"\0", "<<0>>"),
        (b"abc\0", "<<97,98,99,0>>"),
        (b"\0\x3c", "<<0,60>>"),
        (b"\0\x3c\0\x0a\0\0\0\0\0\0\0", "<<0,60,0,10,0,0,0,0,0,0,0>>"),
        (b"\x7f", "<<127>>"),
        (b"\x9f", "<<159>>"),
        (b"'~p", '<<"\'~p">>'),
        (b'\n\t"\\', '<<"\\n\\t\\"\\\\">>'),
        (b"\x1b\b\f\v\r", '<<"\\e\\b\\f\\v\\r">>'),
        ("é".encode(), '<<"é">>'),
        ("日本".encode(), "<<230,151,165,230,156,172>>"),
    ],
)
def test_a_binary_is_text_if_all_of_it_is_printable(data: bytes, text: str) -> None:
    assert terms.binary(data) == text


def test_bytes_that_are_printable_in_latin_1_stay_as_they_are() -> None:
    assert terms.binary(b"\xc8\xff").encode("utf-8", "surrogateescape") == b'<<"\xc8\xff">>'


@pytest.mark.parametrize(
    ("before", "data", "text"),
    [
        (
            "type 9, all octets = ",
            bytes(range(128, 144)),
            "<<128,129,130,131,132,133,134,135,136,137,138,139,140,141,\n" + " " * 23 + "142,143>>",
        ),
        (
            "type 9, first 16 octets = ",
            b"\x9f" * 16,
            "<<159,159,159,159,159,159,159,159,159,159,159,159,\n" + " " * 28 + "159,159,159,159>>",
        ),
        ("", b"\0" * 39, "<<" + "0," * 38 + "0>>"),
        ("", b"\0" * 40, "<<" + "0," * 38 + "\n  0,0>>"),
        ("0123456789", b"\0" * 34, "<<" + "0," * 33 + "0>>"),
        ("0123456789", b"\0" * 35, "<<" + "0," * 33 + "\n            0,0>>"),
        (
            "Invalid x-match field value ",
            b"\0\xc8" * 10,
            "<<0,200,0,200,0,200,0,200,0,200,0,200,0,200,0,200,\n" + " " * 30 + "0,200,0,200>>",
        ),
        ("-" * 90, b"\0" * 4, "<<0,0,0,0>>"),
        ("-" * 90, b"\0" * 5, "<<0,0,0,0,\n" + " " * 92 + "0>>"),
    ],
)
def test_numbers_go_on_in_the_next_line(before: str, data: bytes, text: str) -> None:
    assert terms.binary(data, len(before)) == text


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=120), st.integers(0, 120))
def test_no_byte_is_lost_in_the_folds(data: bytes, column: int) -> None:
    data = b"\0" + data
    unfolded = "".join(line.strip() for line in terms.binary(data, column).split("\n"))
    assert unfolded == terms.octets(data)


def test_text_is_never_folded() -> None:
    assert terms.binary(b"a" * 200, 70) == '<<"' + "a" * 200 + '">>'


@pytest.mark.parametrize(
    ("data", "text"), [(b"", "<<>>"), (b"\0\0\5ab", "<<0,0,5,97,98>>"), (b"abc", "<<97,98,99>>")]
)
def test_octets_are_always_numbers(data: bytes, text: str) -> None:
    assert terms.octets(data) == text


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("", "[]"),
        ("expected integer, got longstr", '"expected integer, got longstr"'),
        ('a"b\\c\n', '"a\\"b\\\\c\\n"'),
        ("é", '"é"'),
        ("€1", "[8364,49]"),
        ("\0", "[0]"),
    ],
)
def test_a_string_is_a_quoted_list_of_characters(text: str, term: str) -> None:
    assert terms.string(text) == term


@pytest.mark.parametrize(
    ("before", "value", "text"),
    [
        ("type 1, all octets = <<>>: ", 0, "{invalid_frame_end_marker,0}"),
        ("0" * 50, 5, "{invalid_frame_end_marker,5}"),
        ("0" * 50, 55, "{invalid_frame_end_marker,\n" + " " * 51 + "55}"),
        ("0" * 51, 5, "{invalid_frame_end_marker,\n" + " " * 52 + "5}"),
        ("0" * 48, 205, "{invalid_frame_end_marker,205}"),
        ("0" * 49, 205, "{invalid_frame_end_marker,\n" + " " * 50 + "205}"),
        ("0" * 60 + "\n" + "0" * 20, 205, "{invalid_frame_end_marker,205}"),
    ],
)
def test_a_tuple_that_goes_beyond_the_line_goes_on_in_the_next(before: str, value: int, text: str) -> None:
    assert terms.after(before, "invalid_frame_end_marker", value) == before + text
