"""The file of enabled plugins, and the variables, as RabbitMQ has them."""

from pathlib import Path

import pytest

from amqpd.config.configuration import Configuration, read_configuration
from amqpd.config.mistakes import InvalidConfiguration
from amqpd.config.plugins import KNOWN, enabled_in, write_enabled


def read(environment: dict[str, str], **options: object) -> Configuration:
    return read_configuration(None, environment, options)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[rabbitmq_management,rabbitmq_prometheus].\n", ["rabbitmq_management", "rabbitmq_prometheus"]),
        ("% none\n[\n rabbitmq_management % this one\n].", ["rabbitmq_management"]),
        ("['rabbitmq_management'].", ["rabbitmq_management"]),
        ("[].", []),
        ("", []),
    ],
)
def test_a_file_of_enabled_plugins_is_read(tmp_path: Path, text: str, names: list[str]):
    file = tmp_path / "enabled_plugins"
    file.write_text(text)
    assert enabled_in(file) == names


def test_what_is_written_is_read(tmp_path: Path):
    file = tmp_path / "new" / "enabled_plugins"
    write_enabled(file, ["rabbitmq_prometheus", "rabbitmq_management"])
    assert file.read_text() == "[rabbitmq_management,rabbitmq_prometheus].\n"
    assert enabled_in(file) == ["rabbitmq_management", "rabbitmq_prometheus"]


def test_without_a_file_nothing_is_enabled(tmp_path: Path):
    configuration = read({}, data_dir=tmp_path)
    assert not configuration.settings.management
    assert not configuration.settings.prometheus


def test_the_file_in_the_data_directory_enables_what_it_names(tmp_path: Path):
    write_enabled(tmp_path / "enabled_plugins", ["rabbitmq_management"])
    configuration = read({}, data_dir=tmp_path)
    assert configuration.settings.management
    assert not configuration.settings.prometheus


def test_a_variable_names_another_file_or_the_plugins(tmp_path: Path):
    file = tmp_path / "plugins"
    write_enabled(file, ["rabbitmq_prometheus"])
    assert read({"RABBITMQ_ENABLED_PLUGINS_FILE": str(file)}, in_memory=True).settings.prometheus
    names = {
        "RABBITMQ_ENABLED_PLUGINS": "rabbitmq_management",
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(file),
    }
    settings = read(names, data_dir=tmp_path).settings
    assert (settings.management, settings.prometheus) == (True, False)
    settings = read({"RABBITMQ_ENABLED_PLUGINS": "ALL"}, data_dir=tmp_path).settings
    assert (settings.management, settings.prometheus) == (True, True)
    settings = read(names | {"RABBITMQ_ENABLED_PLUGINS": ""}, data_dir=tmp_path).settings
    assert (settings.management, settings.prometheus) == (False, False)


def test_whatever_is_set_wins_over_the_file(tmp_path: Path):
    write_enabled(tmp_path / "enabled_plugins", ["rabbitmq_management"])
    assert not read({"AMQPD_MANAGEMENT": "false"}, data_dir=tmp_path).settings.management
    assert not read({}, data_dir=tmp_path, management=False).settings.management


def test_a_broker_in_memory_looks_at_no_file_unless_it_is_named(tmp_path: Path):
    write_enabled(tmp_path / "enabled_plugins", ["rabbitmq_management"])
    assert not read({}, data_dir=tmp_path, in_memory=True).settings.management


def test_a_file_that_is_named_and_cannot_be_read_is_a_mistake(tmp_path: Path):
    """As where Docker has made a directory in place of a file that was to be mounted."""
    with pytest.raises(InvalidConfiguration) as raised:
        read_configuration(None, {"RABBITMQ_ENABLED_PLUGINS_FILE": str(tmp_path)}, {"in_memory": True})
    assert raised.value.mistakes == [f"RABBITMQ_ENABLED_PLUGINS_FILE: {tmp_path}: Is a directory"]


def test_what_there_is_not_is_told(tmp_path: Path):
    names = {"RABBITMQ_ENABLED_PLUGINS": f"{','.join(KNOWN)},rabbitmq_mqtt,rabbitmq_shovel"}
    [notice] = read(names, in_memory=True).notices
    assert (notice.level, notice.sentence) == ("warning", "enabled plugins without effect")
    assert notice.names == ("rabbitmq_mqtt", "rabbitmq_shovel")


def test_the_directory_that_is_made_for_it_is_for_nobody_else(tmp_path: Path):
    write_enabled(tmp_path / "data" / "enabled_plugins", ["rabbitmq_management"])
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
