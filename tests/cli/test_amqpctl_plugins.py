"""The commands of rabbitmq-plugins: what scripts and Dockerfiles call, and what it changes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from amqpd.cli.amqpctl import main
from amqpd.config.configuration import read_configuration
from amqpd.testing.running import broker_in_thread

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command where no broker is, unless one has this data directory: status, and what it says."""
    monkeypatch.setenv("AMQPD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AMQPD_MANAGEMENT_PORT", "1")
    monkeypatch.setenv("RABBITMQ_NODENAME", "rabbit@here")

    def run(*words: str) -> tuple[int, str]:
        status = main(list(words), "rabbitmq-plugins")
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


BUILT_IN = """\
  rabbitmq_auth_mechanism_ssl
  rabbitmq_consistent_hash_exchange
  rabbitmq_delayed_message_exchange
"""
BEHIND = """\
  rabbitmq_random_exchange
  rabbitmq_recent_history_exchange
"""


def is_served(data_dir: Path) -> bool:
    """Whether a broker with this data directory would serve the management API."""
    return read_configuration(None, {}, {"data_dir": data_dir}).settings.management


def test_enabling_the_management_plugin_counts_from_the_next_start(run: Run, tmp_path: Path):
    assert run("enable", "--offline", "rabbitmq_management") == (
        0,
        "Enabling plugins on node rabbit@here:\n"
        "rabbitmq_management\n"
        "The following plugins have been configured:\n"
        f"{BUILT_IN}"
        "  rabbitmq_management\n"
        "  rabbitmq_management_agent\n"
        f"{BEHIND}"
        "  rabbitmq_web_dispatch\n"
        "Applying plugin configuration to rabbit@here...\n"
        "The following plugins have been enabled:\n"
        "  rabbitmq_management\n"
        "\n"
        "set 8 plugins.\n"
        "Offline change; changes will take effect at broker restart.\n",
    )
    assert is_served(tmp_path)
    status, said = run("-q", "enable", "--offline", "rabbitmq_management")
    assert (status, said.splitlines()[-1]) == (0, "Plugin configuration unchanged.")


def test_what_is_there_anyway_can_be_enabled(run: Run, tmp_path: Path):
    status, said = run("enable", "rabbitmq_consistent_hash_exchange", "rabbitmq_delayed_message_exchange")
    assert (status, said.splitlines()[-1]) == (0, "Plugin configuration unchanged.")
    assert not (tmp_path / "enabled_plugins").exists()


def test_what_there_is_not_cannot_and_nothing_else_is_changed(run: Run, tmp_path: Path):
    assert run("-q", "enable", "rabbitmq_management", "rabbitmq_mqtt", "rabbitmq_stomp") == (
        70,
        "Error:\n{:plugins_not_found, [:rabbitmq_mqtt, :rabbitmq_stomp]}\n",
    )
    assert not is_served(tmp_path)


def test_disabling(run: Run, tmp_path: Path):
    run("enable", "rabbitmq_management", "rabbitmq_prometheus")
    status, said = run("-q", "disable", "rabbitmq_management")
    assert status == 0
    assert "The following plugins have been disabled:\n  rabbitmq_management\n" in said
    assert not is_served(tmp_path)
    assert (tmp_path / "enabled_plugins").read_text() == "[rabbitmq_prometheus].\n"
    status, said = run("-q", "disable", "rabbitmq_nope")
    assert (status, said.splitlines()[-1]) == (0, "Plugin configuration unchanged.")
    run("disable", "--all")
    assert (tmp_path / "enabled_plugins").read_text() == "[].\n"


def test_setting_disables_the_others(run: Run, tmp_path: Path):
    run("enable", "rabbitmq_prometheus")
    assert run("set", "rabbitmq_management")[0] == 0
    assert (tmp_path / "enabled_plugins").read_text() == "[rabbitmq_management].\n"


def test_the_file_may_be_elsewhere(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "etc" / "enabled_plugins"
    monkeypatch.setenv("RABBITMQ_ENABLED_PLUGINS_FILE", str(file))
    run("enable", "rabbitmq_management")
    assert file.read_text() == "[rabbitmq_management].\n"
    assert f"Enabled plugins file: {file}\n" in run("directories", "--offline")[1]


def test_a_file_that_cannot_be_written_is_told(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RABBITMQ_ENABLED_PLUGINS_FILE", str(tmp_path / "file" / "x"))
    status, said = run("-q", "enable", "rabbitmq_management")
    assert (status, said.startswith(f"Error:\n{tmp_path}/file/x: ")) == (65, True)


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        (("enable",), 64, "not enough arguments."),
        (("disable",), 64, "not enough arguments."),
        (("is_enabled",), 64, "not enough arguments."),
        (("enable", "--all", "x"), 65, "Bad argument: Cannot set both --all and a list of plugins"),
        (("enable", "x", "--online", "--offline"), 65, "Bad argument: Cannot set both online and offline"),
        (("list", "-v", "-m"), 65, "Bad argument: Cannot set both verbose and minimal"),
        (("list", "("), 65, "Bad argument: the pattern is not a regular expression"),
        (("list", "a", "b"), 64, "too many arguments."),
    ],
)
def test_a_wrong_command_line_is_refused(run: Run, words: tuple[str, ...], status: int, complaint: str):
    refused, said = run(*words)
    assert refused == status
    assert said.startswith(f"Error (argument validation): {complaint}")


def test_the_list_without_a_broker(run: Run):
    run("enable", "rabbitmq_management")
    assert run("list", "management|random|prom") == (
        0,
        'Listing plugins with pattern "management|random|prom" ...\n'
        " Configured: E = explicitly enabled; e = implicitly enabled\n"
        " | Status: [failed to contact rabbit@here - status not shown]\n"
        " |/\n"
        "[E ] rabbitmq_management       3.10.8\n"
        "[e ] rabbitmq_management_agent 3.10.8\n"
        "[  ] rabbitmq_prometheus       3.10.8\n"
        "[E ] rabbitmq_random_exchange  3.10.8\n",
    )


def test_the_list_of_a_broker_shows_what_runs(run: Run, tmp_path: Path):
    api = {"management": True, "management_host": ("127.0.0.1",), "management_port": 0}
    with broker_in_thread(data_dir=tmp_path, cluster_name="rabbit@there", **api):
        said = run("list", "management|prom")[1]
        assert " | Status: * = running on rabbit@there\n" in said
        assert "[E*] rabbitmq_management       3.10.8\n" in said
        assert "[e*] rabbitmq_management_agent 3.10.8\n" in said
        assert "[  ] rabbitmq_prometheus       3.10.8\n" in said
        assert run("-q", "list", "-e", "-m", "management") == (
            0,
            "rabbitmq_management\nrabbitmq_management_agent\n",
        )
        assert run("list", "-s", "-E", "-m", "hash") == (0, "rabbitmq_consistent_hash_exchange\n")
        assert run("list", "-v", "recent")[1].endswith(
            "[E*] rabbitmq_recent_history_exchange\n"
            "     Version:     \t3.10.8\n"
            "     Dependencies:\t[]\n"
            "     Description: \tRabbitMQ Recent History Exchange\n"
        )


def test_whether_a_plugin_is_enabled(run: Run, tmp_path: Path):
    assert run("-q", "is_enabled", "rabbitmq_management")[0] == 69
    assert run("is_enabled", "--offline", "rabbitmq_random_exchange") == (
        0,
        "Inferring if plugin rabbitmq_random_exchange is from local environment...\n"
        "Plugin rabbitmq_random_exchange is enabled\n",
    )
    with broker_in_thread(data_dir=tmp_path, cluster_name="rabbit@there"):
        assert run("is_enabled", "rabbitmq_random_exchange") == (
            0,
            "Asking node rabbit@there if plugin rabbitmq_random_exchange is enabled...\n"
            "Plugin rabbitmq_random_exchange is enabled on node rabbit@there\n",
        )
        status, said = run("is_enabled", "rabbitmq_management", "rabbitmq_mqtt")
        assert status == 69
        assert said.startswith(
            "Asking node rabbit@there if plugins rabbitmq_management, rabbitmq_mqtt are enabled...\n"
            "Error:\n"
            "Plugins rabbitmq_management, rabbitmq_mqtt are not enabled on node rabbit@there. "
            "Enabled plugins and dependencies: rabbitmq_auth_mechanism_ssl, "
        )
