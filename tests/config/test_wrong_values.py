"""Every key with every kind of wrong value: a mistake that says file, line and key, and never anything else."""

from pathlib import Path

import pytest

from amqpd.config.configuration import read_configuration
from amqpd.config.environment import variable
from amqpd.config.keys import KEYS
from amqpd.config.mistakes import InvalidConfiguration
from amqpd.config.settings import SETTINGS

WRONG = [
    *(
        "-1",
        "0",
        "1",
        "1.5",
        "1e400",
        "nan",
        "inf",
        "99999999999999999999999",
        "0x10",
        "1_000",
        "٣",
        "−1",
        "70000",
    ),
    *(
        "true",
        "yes",
        "none",
        "infinity",
        "undefined",
        "[]",
        "{}",
        "{a, b}",
        "<<a>>",
        "''",
        "' '",
        "a b",
        "a:b:c",
        "::",
    ),
    *(
        "[::1",
        "10MBB",
        "MB",
        "-5MB",
        "0%",
        "200%",
        "../..",
        "/dev/null",
        "/nowhere/at.all",
        "a\\n",
        "$",
        "$()",
        "\x7f",
    ),
    *(
        "é",
        "\U0001f407",
        "x" * 300,
        "x" * 70000,
        "a=b",
        "#",
        "%s",
        "{0}",
        "9" * 5000,
        "amqp",
        "tlsv9",
        "1.2.3.4:5:6",
    ),
]


@pytest.mark.parametrize("pattern", sorted(KEYS))
def test_a_wrong_value_is_refused_with_its_file_line_and_key(tmp_path: Path, pattern: str):
    file = tmp_path / "rabbitmq.conf"
    key = pattern.replace("*", "name")
    refused = 0
    for value in WRONG:
        file.write_text(f"# a comment\nheartbeat = 7\n{key} = {value}\n")
        try:
            settings = read_configuration(file, {}, {}).settings
        except InvalidConfiguration as invalid:
            refused += 1
            [mistake] = invalid.mistakes
            assert mistake.startswith(f"{file}:3: ") or names_a_setting(mistake), (value, mistake)
        else:
            assert settings.heartbeat_s == 7 or key == "heartbeat"
    assert refused


def names_a_setting(mistake: str) -> bool:
    """Whether it does: what settings must be to each other is the matter of no single line."""
    return any(each.key in mistake for each in SETTINGS.values())


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_a_wrong_value_of_a_variable_is_refused_with_its_name(name: str):
    for value in WRONG:
        try:
            read_configuration(None, {variable(name): value}, {})
        except InvalidConfiguration as invalid:
            assert variable(name) in str(invalid) or names_a_setting(str(invalid)), (value, str(invalid))
