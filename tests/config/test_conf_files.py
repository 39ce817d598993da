import errno
from pathlib import Path

import pytest

from amqpd.config import conf_files
from amqpd.config.conf_files import configuration_files, neighbours, read_entries
from amqpd.config.mistakes import InvalidConfiguration


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def read(*files: Path, environment: dict[str, str] | None = None) -> dict[str, str]:
    entries = read_entries(list(files), environment or {})
    return {entry.written_key(): entry.value for entry in entries}


def mistakes(*files: Path) -> list[str]:
    with pytest.raises(InvalidConfiguration) as refused:
        read(*files)
    return refused.value.mistakes


def test_conf_d_beside_the_main_file_follows_it_in_the_order_of_names(tmp_path: Path):
    main = write(tmp_path / "rabbitmq.conf", "")
    for name in ("20-b.conf", "10-a.conf", "notes.txt", "9.conf"):
        write(tmp_path / "conf.d" / name, "")
    (tmp_path / "conf.d" / "directory.conf").mkdir()
    names = [str(file.relative_to(tmp_path)) for file in configuration_files(main, None)]
    assert names == ["rabbitmq.conf", "conf.d/10-a.conf", "conf.d/20-b.conf", "conf.d/9.conf"]


def test_additional_files_can_be_elsewhere(tmp_path: Path):
    main = write(tmp_path / "rabbitmq.conf", "")
    write(tmp_path / "conf.d" / "a.conf", "")
    more = [write(tmp_path / "more" / name, "") for name in ("a.conf", "b")]
    assert configuration_files(main, str(tmp_path / "more")) == [main, *more]
    assert configuration_files(main, str(tmp_path / "more" / "*.conf")) == [main, more[0]]


def test_the_main_file_may_be_named_without_its_ending(tmp_path: Path):
    main = write(tmp_path / "rabbitmq.conf", "")
    assert configuration_files(tmp_path / "rabbitmq", None) == [main]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.conf", "there is no such file"),
        ("rabbitmq.config", "is in the format of Erlang, which amqpd does not read"),
        ("directory", "is a directory, not a file such as rabbitmq.conf"),
    ],
)
def test_what_is_no_configuration_file_is_refused(tmp_path: Path, name: str, reason: str):
    write(tmp_path / "rabbitmq.config", "[].")
    (tmp_path / "directory").mkdir()
    with pytest.raises(InvalidConfiguration) as refused:
        configuration_files(tmp_path / name, None)
    assert refused.value.mistakes == [f"{tmp_path / name}: {reason}"]


def test_a_name_that_is_too_long_is_refused(tmp_path: Path):
    name = tmp_path / ("a" * 300)
    with pytest.raises(InvalidConfiguration) as refused:
        configuration_files(name, None)
    assert refused.value.mistakes == [f"{name}: cannot be read: File name too long"]
    file = write(tmp_path / "a", f"include {name.name}\n")
    assert mistakes(file) == [f"{file}:1: include {name.name}: there is no such file"]


def test_a_conf_d_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def listdir(path: Path) -> list[str]:
        raise PermissionError(errno.EACCES, "Permission denied")

    main = write(tmp_path / "rabbitmq.conf", "")
    monkeypatch.setattr(conf_files.os, "listdir", listdir)
    with pytest.raises(InvalidConfiguration) as refused:
        configuration_files(main, None)
    assert refused.value.mistakes == [f"{tmp_path / 'conf.d'}: cannot be read: Permission denied"]


def test_the_last_of_a_key_counts_in_a_file_and_over_files(tmp_path: Path):
    first = write(tmp_path / "1", "a = 1\na = 2\nb = 1\n")
    second = write(tmp_path / "2", "b = 3\n")
    assert read(first, second) == {"a": "2", "b": "3"}


def test_an_include_is_read_where_it_stands(tmp_path: Path):
    main = write(tmp_path / "main", "a = 1\ninclude more/*.conf\nb = 1\n")
    write(tmp_path / "more" / "x.conf", "a = 2\nb = 2\ninclude y\n")
    write(tmp_path / "more" / "y", "c = 2\n")
    assert read(main) == {"a": "2", "b": "1", "c": "2"}


def test_an_include_that_finds_nothing_is_none_with_stars_and_a_mistake_without(tmp_path: Path):
    assert read(write(tmp_path / "a", "include conf.d/*.conf\n")) == {}
    file = write(tmp_path / "b", "\ninclude none.conf\n")
    assert mistakes(file) == [f"{file}:2: include none.conf: there is no such file"]


def test_a_file_that_includes_itself_is_refused(tmp_path: Path):
    file = write(tmp_path / "a", "include a\n")
    assert mistakes(file) == [f"{file}:1: include a: is included by itself"]


def test_a_value_can_be_the_text_of_a_file_beside_the_one_it_is_in(tmp_path: Path):
    main = write(tmp_path / "main", "include more/x\n")
    write(tmp_path / "more" / "x", "default_pass = $(<secrets/pass)\n")
    write(tmp_path / "more" / "secrets" / "pass", "secret # 1\n")
    assert read(main) == {"default_pass": "secret # 1"}


def test_a_file_for_a_value_that_is_not_there_is_a_mistake(tmp_path: Path):
    file = write(tmp_path / "main", "default_pass = $(<pass)\n")
    assert mistakes(file) == [f"{file}:1: default_pass: cannot read pass: No such file or directory"]


def test_other_keys_and_the_environment_can_be_part_of_a_value(tmp_path: Path):
    file = write(tmp_path / "main", "a = $(HOST)-$( b.c )\nb.c = $(d)\nd = 1\nHOST = x\n")
    environment = {"HOST": "not this", "USER": "anna"}
    assert read(file, environment=environment)["a"] == "x-1"
    user = write(tmp_path / "user", "default_user = $(USER)\n")
    assert read(user, environment=environment) == {"default_user": "anna"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = $(NONE)", "$(NONE) is neither another key nor an environment variable"),
        ("a = x$(a)", "is set to itself"),
    ],
)
def test_a_value_that_stands_for_nothing_is_a_mistake(tmp_path: Path, text: str, reason: str):
    file = write(tmp_path / "main", text)
    assert mistakes(file) == [f"{file}:1: a: {reason}"]


def test_the_mistakes_of_all_files_are_named(tmp_path: Path):
    files = [write(tmp_path / name, "bad") for name in "ab"]
    assert [mistake.split(":")[0] for mistake in mistakes(*files)] == [str(file) for file in files]


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path):
    assert mistakes(tmp_path / "none") == [f"{tmp_path / 'none'}: cannot be read: No such file or directory"]


def test_files_of_rabbitmq_that_are_not_read_are_found(tmp_path: Path):
    main = write(tmp_path / "rabbitmq.conf", "")
    assert neighbours(main) == []
    write(tmp_path / "advanced.config", "[].")
    assert neighbours(main) == [tmp_path / "advanced.config"]
