"""Which lines go where, and how that changes."""

import io
import json
import logging
import re
import sys
from pathlib import Path

import pytest

from amqpd.logs.log import (
    ConsoleOutput,
    FileOutput,
    LogOptions,
    LogUnusable,
    change_level,
    logger_of,
    rotate,
    start_logging,
    stop_logging,
)
from amqpd.logs.logger import FieldLogger


def console(level: str) -> LogOptions:
    return LogOptions(ConsoleOutput(level))


def sentences(text: str) -> list[str]:
    return [line.partition("Z ")[2] for line in text.splitlines()]


def test_no_client_can_write_a_line_of_its_own(stream: io.StringIO):
    log = start_logging(LogOptions(), stream)
    log.info("login refused", fields={"user": "x\n2026-11-21T04:33:12.130Z info  login accepted"})
    log.info("sentence\nwith a newline")
    assert len(stream.getvalue().splitlines()) == 2


def test_bound_fields_come_with_every_line_and_before_the_others(stream: io.StringIO):
    log = start_logging(LogOptions(), stream).bind({"connection": "c"}).bind({"user": "u"})
    log.warning("slow", fields={"channel": 1})
    assert stream.getvalue().endswith(' warning slow connection="c" user="u" channel=1\n')


def test_binding_leaves_the_logger_it_came_from_alone(stream: io.StringIO):
    log = start_logging(LogOptions(), stream)
    log.bind({"user": "u"})
    log.info("started")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info  started\n", stream.getvalue())


def test_lines_below_the_level_are_not_written(stream: io.StringIO):
    log = start_logging(console("warning"), stream)
    log.debug("d")
    log.info("i")
    assert stream.getvalue() == ""
    start_logging(console("debug"), stream).debug("d")
    assert stream.getvalue().endswith("Z debug d\n")


def test_at_level_none_there_is_no_line(stream: io.StringIO):
    log = start_logging(console("none"), stream)
    log.error("e")
    log.write("emergency", "e", {})
    assert stream.getvalue() == ""


def test_a_percent_sign_in_a_sentence_is_only_a_percent_sign(stream: io.StringIO):
    start_logging(LogOptions(), stream).info("100%s full")
    assert stream.getvalue().endswith("info  100%s full\n")


def test_starting_again_writes_each_line_once(stream: io.StringIO):
    start_logging(LogOptions(), io.StringIO())
    start_logging(LogOptions(), stream).info("once")
    assert stream.getvalue().count("once") == 1


def test_an_error_shows_its_cause_indented_and_escaped(stream: io.StringIO):
    log = start_logging(LogOptions(), stream)
    log.error("session failed", fields={"user": "u"}, cause=ValueError("bad\x1b[2J"))
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith('error session failed user="u"')
    assert rest == ["    ValueError: bad\\x1b[2J"]


def test_the_logger_takes_any_standard_logger(stream: io.StringIO):
    start_logging(LogOptions(), stream)
    FieldLogger(logging.getLogger("amqpd.server")).info("listening")
    assert stream.getvalue().endswith("info  listening\n")


@pytest.mark.parametrize(("name", "wanted"), [("stderr", ("", "x")), ("stdout", ("x", ""))])
def test_the_console_is_standard_error_or_output(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, name: str, wanted: tuple[str, str]
):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    start_logging(LogOptions(ConsoleOutput(stream=name))).info("x")
    assert (out.getvalue()[-2:].strip(), err.getvalue()[-2:].strip()) == wanted


def test_what_a_console_has_no_letters_for_is_spelled_out(stream: io.StringIO):
    raw = io.BytesIO()
    start_logging(LogOptions(), io.TextIOWrapper(raw, "ascii")).info("x", fields={"user": "jürgen"})
    assert raw.getvalue().endswith(b'user="j\\xfcrgen"\n')


def test_a_console_that_is_gone_stops_nobody(stream: io.StringIO, capsys: pytest.CaptureFixture[str]):
    log = start_logging(LogOptions(), stream)
    stream.close()
    log.info("x")
    log.info("y")
    assert capsys.readouterr().err.count("cannot log to") == 1


def test_what_libraries_warn_of_is_in_the_log_and_begins_no_line_of_its_own(stream: io.StringIO):
    start_logging(LogOptions(), stream)
    logging.getLogger("asyncio").info("not this")
    logging.getLogger("asyncio").warning("socket: %s", "a\nb")
    try:
        raise ValueError("c\nd")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("failed")
    first, second, *rest = stream.getvalue().splitlines()
    assert first.endswith("Z warning socket: a\\nb")
    assert second.endswith("Z error failed")
    assert all(line.startswith("    ") for line in rest)


def test_a_stopped_log_writes_nothing(stream: io.StringIO):
    log = start_logging(LogOptions(), stream)
    stop_logging()
    log.error("x")
    assert stream.getvalue() == ""


def test_a_value_that_cannot_be_written_stops_nobody(stream: io.StringIO):
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    log = start_logging(LogOptions(), stream)
    log.info("lost", fields={"value": Broken()})
    log.info("seen")
    assert sentences(stream.getvalue()) == ["warning lines of the log were lost lines=1", "info  seen"]


# Categories


def test_a_category_has_a_level_of_its_own(stream: io.StringIO):
    start_logging(LogOptions(levels={"connection": "debug", "channel": "none"}), stream)
    for category in ("connection", "channel", "queue", "default"):
        logger_of(category).debug(f"debug {category}")
        logger_of(category).error(f"error {category}")
    assert sentences(stream.getvalue()) == [
        "debug debug connection",
        "error error connection",
        "error error queue",
        "error error default",
    ]


def test_loggers_refuse_at_once_what_nobody_wants(stream: io.StringIO):
    start_logging(LogOptions(levels={"connection": "debug"}), stream)
    assert logging.getLogger("amqpd.connection").isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("amqpd.queue").isEnabledFor(logging.DEBUG)


def test_a_category_with_a_file_goes_nowhere_else(stream: io.StringIO, tmp_path: Path):
    file = FileOutput(tmp_path / "c.log", category="connection")
    start_logging(LogOptions(files=(file,)), stream)
    logger_of("connection").info("opened")
    logger_of("queue").info("full")
    assert sentences(stream.getvalue()) == ["info  full"]
    assert sentences(file.path.read_text()) == ["info  opened"]


def test_console_and_file_have_levels_and_formats_of_their_own(stream: io.StringIO, tmp_path: Path):
    file = FileOutput(tmp_path / "new" / "all.log", "debug", "json")
    log = start_logging(LogOptions(ConsoleOutput("error"), (file,)), stream)
    log.debug("d")
    log.error("e")
    assert sentences(stream.getvalue()) == ["error e"]
    assert [json.loads(line)["msg"] for line in file.path.read_text().splitlines()] == ["d", "e"]


def test_without_a_console_only_files_have_lines(stream: io.StringIO, tmp_path: Path):
    start_logging(LogOptions(None, (FileOutput(tmp_path / "a"),)), stream).info("x")
    assert (stream.getvalue(), sentences((tmp_path / "a").read_text())) == ("", ["info  x"])


# Changes


def test_the_level_of_everything_can_change(stream: io.StringIO):
    log = start_logging(LogOptions(levels={"connection": "error", "channel": "none"}), stream)
    change_level("debug")
    log.debug("all")
    logger_of("connection").debug("connection")
    logger_of("channel").error("channel")
    change_level("error")
    log.info("unseen")
    assert sentences(stream.getvalue()) == ["debug all", "debug connection"]


def test_the_level_of_one_category_can_change(stream: io.StringIO, tmp_path: Path):
    apart = FileOutput(tmp_path / "queue", category="queue")
    log = start_logging(LogOptions(files=(apart,), levels={"channel": "none"}), stream)
    for category in ("channel", "queue"):
        change_level("debug", category)
        logger_of(category).debug(category)
    log.debug("unseen")
    assert sentences(stream.getvalue()) == ["debug channel"]
    assert sentences(apart.path.read_text()) == ["debug queue"]


def test_an_unknown_level_or_category_is_refused_and_nothing_changes(stream: io.StringIO):
    log = start_logging(LogOptions(), stream)
    with pytest.raises(ValueError, match=r"^level loud is not supported\. Try one of debug, info, "):
        change_level("loud")
    with pytest.raises(ValueError, match="no log category 'x'"):
        change_level("debug", "x")
    log.info("seen")
    assert sentences(stream.getvalue()) == ["info  seen"]


def test_a_file_that_cannot_be_is_an_error_and_the_log_stays_as_it_was(stream: io.StringIO, tmp_path: Path):
    log = start_logging(LogOptions(), stream)
    (tmp_path / "file").touch()
    wrong = FileOutput(tmp_path / "file" / "x.log")
    with pytest.raises(LogUnusable, match=f"^cannot write log file {wrong.path}: "):
        start_logging(LogOptions(None, (FileOutput(tmp_path / "a"), wrong)), stream)
    log.info("seen")
    assert sentences(stream.getvalue()) == ["info  seen"]


def test_rotating_now_keeps_the_old_file(stream: io.StringIO, tmp_path: Path):
    path = tmp_path / "a"
    log = start_logging(LogOptions(files=(FileOutput(path),)), stream)
    log.info("before")
    rotate()
    log.info("after")
    assert sentences(path.read_text()) == ["info  after"]
    assert sentences((tmp_path / "a.0").read_text()) == ["info  before"]
    assert sentences(stream.getvalue()) == ["info  before", "info  after"]
