"""What a line looks like."""

import json
import logging
import os

import pytest

from amqpd.logs.formats import FieldFormatter, JsonFormatter, format_value

FIELDS = {"connection": "127.0.0.1:4711 -> 127.0.0.1:5672", "vhost": "/", "channel": 3}


def record(
    message: str, fields: dict[str, object] | None = None, category: str = "", level: int = logging.INFO
) -> logging.LogRecord:
    name = f"amqpd.{category}".rstrip(".")
    values = {"msg": message, "name": name, "levelno": level, "created": 1795235592.1301}
    record = logging.makeLogRecord(values)
    record.fields = fields or {}
    return record


def test_a_line_of_text_is_time_level_sentence_and_fields():
    assert FieldFormatter().format(record("connection opened", FIELDS)) == (
        "2026-11-21T04:33:12.130Z info  connection opened "
        'connection="127.0.0.1:4711 -> 127.0.0.1:5672" vhost="/" channel=3'
    )


@pytest.mark.parametrize(
    ("level", "name"), [(10, "debug"), (25, "notice"), (30, "warning"), (50, "critical"), (60, "alert")]
)
def test_levels_have_rabbitmqs_names(level: int, name: str):
    assert f"Z {name:<5} x" in FieldFormatter().format(record("x", level=level))
    assert json.loads(JsonFormatter().format(record("x", level=level)))["level"] == name


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


def test_json_has_rabbitmqs_keys_and_one_for_each_field():
    line = JsonFormatter().format(record("connection opened", FIELDS, "connection"))
    assert json.loads(line) == {
        "time": "2026-11-21 04:33:12.130100+00:00",
        "level": "info",
        "msg": "connection opened",
        "domain": "rabbitmq.connection",
        "pid": str(os.getpid()),
        **FIELDS,
    }
    assert list(json.loads(line))[:3] == ["time", "level", "msg"]


def test_json_of_no_category_has_rabbitmqs_domain():
    assert json.loads(JsonFormatter().format(record("x")))["domain"] == "rabbitmq"


def test_a_field_takes_no_key_from_json():
    fields = {"level": "loud", "msg": "mine", "time": 1}
    assert json.loads(JsonFormatter().format(record("x", fields)))["msg"] == "x"


@pytest.mark.parametrize("evil", ['x\n{"level":"error"}', "\u2028\u2029\x85", "\x1b[2J", "\udcff\0"])
def test_json_is_one_line_of_ascii_whatever_a_client_sends(evil: str):
    line = JsonFormatter().format(record(evil, {"user": evil, evil: evil}))
    assert line.isascii() and line.isprintable()
    assert json.loads(line)["user"] == evil


def test_json_has_what_is_no_json_as_text():
    assert json.loads(JsonFormatter().format(record("x", {"reason": OSError(28, "full")})))["reason"]
