import io
import logging
import re
from collections.abc import Iterator

import pytest

from amqpd.config.logs import FieldFormatter, FieldLogger, format_value, start_logging


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    logger = logging.getLogger("amqpd")
    before = (logger.handlers[:], logger.propagate, logger.level)
    yield io.StringIO()
    logger.handlers[:], logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


def test_a_line_is_time_level_sentence_and_fields():
    record = logging.makeLogRecord(
        {"msg": "connection opened", "levelname": "INFO", "created": 1795235592.1301}
    )
    record.fields = {"connection": "127.0.0.1:4711 -> 127.0.0.1:5672", "vhost": "/", "channel": 3}
    assert FieldFormatter().format(record) == (
        "2026-11-21T04:33:12.130Z info  connection opened "
        'connection="127.0.0.1:4711 -> 127.0.0.1:5672" vhost="/" channel=3'
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("guest", '"guest"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("a\nb\r\t\0", '"a\\nb\\r\\t\\x00"'),
        ("\x1b[31m", '"\\x1b[31m"'),
        ("a\u2028b\u202ec", '"a\\u2028b\\u202ec"'),
        ("\udcff", '"\\udcff"'),
        ("jürgen", '"jürgen"'),
        (3, "3"),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
        (b"x", "\"b'x'\""),
    ],
)
def test_a_value_is_quoted_and_its_control_characters_escaped(value: object, text: str):
    assert format_value(value) == text


def test_no_client_can_write_a_line_of_its_own(stream: io.StringIO):
    log = start_logging("info", stream)
    log.info("login refused", fields={"user": "x\n2026-11-21T04:33:12.130Z info  login accepted"})
    log.info("sentence\nwith a newline")
    assert len(stream.getvalue().splitlines()) == 2


def test_bound_fields_come_with_every_line_and_before_the_others(stream: io.StringIO):
    log = start_logging("info", stream).bind({"connection": "c"}).bind({"user": "u"})
    log.warning("slow", fields={"channel": 1})
    assert stream.getvalue().endswith(' warning slow connection="c" user="u" channel=1\n')


def test_binding_leaves_the_logger_it_came_from_alone(stream: io.StringIO):
    log = start_logging("info", stream)
    log.bind({"user": "u"})
    log.info("started")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info  started\n", stream.getvalue())


def test_lines_below_the_level_are_not_written(stream: io.StringIO):
    log = start_logging("warning", stream)
    log.debug("d")
    log.info("i")
    assert (stream.getvalue(), log.is_debug()) == ("", False)
    assert start_logging("debug", stream).is_debug()


def test_a_percent_sign_in_a_sentence_is_only_a_percent_sign(stream: io.StringIO):
    start_logging("info", stream).info("100%s full")
    assert stream.getvalue().endswith("info  100%s full\n")


def test_starting_again_writes_each_line_once(stream: io.StringIO):
    start_logging("info", io.StringIO())
    start_logging("info", stream).info("once")
    assert stream.getvalue().count("once") == 1


def test_an_error_shows_its_cause_indented_and_escaped(stream: io.StringIO):
    log = start_logging("info", stream)
    log.error("session failed", fields={"user": "u"}, cause=ValueError("bad\x1b[2J"))
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith('error session failed user="u"')
    assert rest == ["    ValueError: bad\\x1b[2J"]


def test_the_logger_takes_any_standard_logger(stream: io.StringIO):
    start_logging("info", stream)
    FieldLogger(logging.getLogger("amqpd.server")).info("listening")
    assert stream.getvalue().endswith("info  listening\n")
