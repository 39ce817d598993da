import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from amqpd.app import StartError
from amqpd.cli.amqpd import OPTIONS, main
from amqpd.config.configuration import Configuration, Reread
from amqpd.config.kinds import Listeners, Watermark
from amqpd.config.settings import Settings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings with which main started a broker that stops at once."""
    seen: list[Settings] = []
    install_broker(monkeypatch, lambda configuration, reread: seen.append(configuration.settings) or 0)
    return seen


def install_broker(monkeypatch: pytest.MonkeyPatch, run: Callable[[Configuration, Reread], int]) -> None:
    monkeypatch.setattr("amqpd.app.run", run)


def test_without_options_the_defaults_are_used(started: list[Settings]):
    assert main([]) == 0
    assert started == [Settings()]


def test_options_become_settings(started: list[Settings]):
    assert main(["--port", "5673", "--data-dir", "d", "--log-level=debug", "--heartbeat-s", "0"]) == 0
    assert started == [Settings(port=5673, data_dir=Path("d"), log_level="debug", heartbeat_s=0)]


@pytest.mark.parametrize("arguments", [["--host", "a,b"], ["--host", "a", "--host", "b"]])
def test_hosts_are_repeated_or_separated_by_commas(started: list[Settings], arguments: list[str]):
    assert main(arguments) == 0
    assert started[0].host == ("a", "b")


def test_localhost_is_both_loopback_addresses(started: list[Settings]):
    assert main(["--host", "localhost"]) == 0
    assert started[0].host == ("127.0.0.1", "::1")


def test_the_command_line_beats_the_environment(started: list[Settings], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AMQPD_PORT", "1")
    monkeypatch.setenv("AMQPD_CHANNEL_MAX", "7")
    assert main(["--port", "2"]) == 0
    assert (started[0].port, started[0].channel_max) == (2, 7)


def test_memory_is_asked_for_without_a_value(started: list[Settings]):
    assert main(["--in-memory"]) == 0
    assert started == [Settings(in_memory=True)]


def test_memory_can_be_asked_for_in_the_environment(started: list[Settings], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AMQPD_IN_MEMORY", "true")
    monkeypatch.setenv("AMQPD_DATA_DIR", "/d")
    assert main([]) == 0
    assert started[0].in_memory


def test_a_directory_on_the_command_line_beats_memory_in_the_environment(
    started: list[Settings], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AMQPD_IN_MEMORY", "true")
    assert main(["--data-dir", "d"]) == 0
    assert (started[0].in_memory, started[0].data_dir) == (False, Path("d"))


def test_memory_on_the_command_line_beats_a_directory_in_the_environment(
    started: list[Settings], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AMQPD_DATA_DIR", "/d")
    assert main(["--in-memory"]) == 0
    assert started[0].in_memory


def test_sizes_and_watermarks_are_written_with_units(started: list[Settings]):
    arguments = ["--message-memory-bytes", "256MiB", "--vm-memory-high-watermark", "2GB"]
    assert main([*arguments, "--disk-free-limit", "1.5"]) == 0
    assert started == [
        Settings(
            message_memory_bytes=2**28,
            vm_memory_high_watermark=Watermark(size_bytes=2 * 10**9),
            disk_free_limit=Watermark(fraction=1.5),
        )
    ]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rabbitmq.conf"


def test_a_file_configures_and_options_and_the_environment_win_over_it(
    started: list[Settings], monkeypatch: pytest.MonkeyPatch, file: Path
):
    file.write_text("listeners.tcp.default = 5673\nheartbeat = 1\nchannel_max = 1\n")
    monkeypatch.setenv("AMQPD_CHANNEL_MAX", "2")
    assert main(["--config", str(file), "--heartbeat-s", "3"]) == 0
    assert started == [Settings(host=("0.0.0.0", "::"), port=5673, heartbeat_s=3, channel_max=2)]


@pytest.mark.parametrize("variable", ["AMQPD_CONFIG", "RABBITMQ_CONFIG_FILE"])
def test_the_environment_can_name_the_file(
    started: list[Settings], monkeypatch: pytest.MonkeyPatch, file: Path, variable: str
):
    file.write_text("heartbeat = 1\n")
    monkeypatch.setenv(variable, str(file))
    assert main([]) == 0
    assert started == [Settings(heartbeat_s=1)]


def test_the_broker_can_read_everything_again(monkeypatch: pytest.MonkeyPatch, file: Path):
    seen: list[Settings] = []

    def run(configuration: Configuration, reread: Reread) -> int:
        file.write_text("heartbeat = 2\nchannel_max = 2\n")
        seen.append(reread().settings)
        return 0

    install_broker(monkeypatch, run)
    file.write_text("heartbeat = 1\n")
    assert main(["--config", str(file), "--channel-max", "7"]) == 0
    assert seen == [Settings(heartbeat_s=2, channel_max=7)]


def test_listeners_are_addresses_with_ports(started: list[Settings]):
    assert main(["--listeners", "127.0.0.1:5672,[::1]:5673"]) == 0
    assert main(["--listeners", "none"]) == 0
    assert [settings.listeners for settings in started] == [
        Listeners((("127.0.0.1", 5672), ("::1", 5673))),
        Listeners(()),
    ]


def test_a_bad_file_is_one_line_for_each_mistake_and_exit_2(
    started: list[Settings], capsys: pytest.CaptureFixture[str], file: Path
):
    file.write_text("heartbeat = x\nheartbeet = 1\n")
    assert main(["--config", str(file)]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"amqpd: {file}:1: heartbeat: 'x' is not a whole number",
        f"amqpd: {file}:2: heartbeet: there is no such key; did you mean heartbeat?",
    ]
    assert started == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--config", "/none.conf"], "amqpd: /none.conf: there is no such file"),
        (["--config", "a", "--config", "b"], "amqpd: --config is given more than once"),
        (["--confg", "a"], "amqpd: unknown argument '--confg'; did you mean --config?"),
        (
            ["--listeners", "5672"],
            "amqpd: --listeners: '5672' is not an address with a port, such as 127.0.0.1:5672",
        ),
        (
            ["--default-permissions-read", "("],
            "amqpd: default_permissions.read: invalid pattern '(' at position 0: missing ), unterminated subpattern",
        ),
        (["check-config"], "amqpd: check-config takes the name of one file"),
        (["check-config", "--help"], "amqpd: check-config takes the name of one file"),
        (["check-config", "a", "b"], "amqpd: check-config takes the name of one file"),
    ],
)
def test_a_bad_use_of_files_is_one_line_and_exit_2(
    started: list[Settings], capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
):
    assert main(arguments) == 2
    assert one_line(capsys) == line
    assert started == []


def test_a_variable_that_the_container_refuses_is_refused(
    started: list[Settings], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RABBITMQ_SSL_CERTFILE", "x")
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("amqpd: RABBITMQ_SSL_CERTFILE is set but deprecated\n")
    assert started == []


def test_checking_a_good_file_says_ok_and_what_has_no_effect(
    started: list[Settings], capsys: pytest.CaptureFixture[str], file: Path
):
    file.write_text("heartbeat = 1\ncluster_formation.dns.hostname = h\ncluster_keepalive_interval = 1\n")
    assert main(["check-config", str(file)]) == 0
    assert capsys.readouterr() == (
        "configuration keys without effect (no cluster): cluster_formation.dns.hostname, cluster_keepalive_interval\n"
        f"{file}: OK\n",
        "",
    )
    assert started == []


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("heartbeet = 1", "{file}:1: heartbeet: there is no such key; did you mean heartbeat?"),
        (
            "default_permissions.write = [",
            "default_permissions.write: invalid pattern '[' at position 0: unterminated character set",
        ),
    ],
)
def test_checking_a_bad_file_says_what_is_wrong_and_exits_1(
    capsys: pytest.CaptureFixture[str], file: Path, line: str, mistake: str
):
    file.write_text(line)
    assert main(["check-config", str(file)]) == 1
    assert one_line(capsys) == "amqpd: " + mistake.format(file=file)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err.strip()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--port", "abc"], "amqpd: --port: 'abc' is not a whole number"),
        (["--port", "70000"], "amqpd: --port: '70000' is not between 0 and 65535"),
        (["--port"], "amqpd: argument --port: expected one argument"),
        (["--port", "1", "--port", "2"], "amqpd: --port is given more than once"),
        (["--prot", "1"], "amqpd: unknown argument '--prot'; did you mean --port?"),
        (["--prot=1"], "amqpd: unknown argument '--prot'; did you mean --port?"),
        (["start"], "amqpd: unknown argument 'start'"),
        (["--in-memory", "--data-dir", "d"], "amqpd: --in-memory and --data-dir exclude each other"),
        (["--in-memory", "--in-memory"], "amqpd: --in-memory is given more than once"),
        (["--in-memory", "yes"], "amqpd: unknown argument 'yes'"),
        (["--in-memory=yes"], "amqpd: argument --in-memory: ignored explicit argument 'yes'"),
        (
            ["--log-segment-size-bytes", "many"],
            "amqpd: --log-segment-size-bytes: 'many' is not a size in bytes, such as 50000000, 50MB or 48MiB",
        ),
        (
            ["--log-level", "x"],
            "amqpd: --log-level: 'x' is none of debug, info, notice, warning, error, critical, alert, emergency, none",
        ),
        (["--product", "a\nb", "--port", "x\ny"], "amqpd: --port: 'x y' is not a whole number"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_2(
    started: list[Settings], capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
):
    assert main(arguments) == 2
    assert one_line(capsys) == line
    assert started == []


def test_a_bad_variable_is_one_line_and_exit_2(
    started: list[Settings], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AMQPD_PROT", "1")
    assert main([]) == 2
    assert one_line(capsys) == "amqpd: AMQPD_PROT: there is no such setting; did you mean AMQPD_PORT?"


def test_a_broker_that_cannot_start_says_why_in_one_line_and_exits_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def run(configuration: Configuration, reread: Reread) -> int:
        raise StartError(f"port {configuration.settings.port} is in use")

    install_broker(monkeypatch, run)
    assert main([]) == 1
    assert one_line(capsys) == "amqpd: port 5672 is in use"


def test_the_exit_status_of_the_broker_is_ours(monkeypatch: pytest.MonkeyPatch):
    install_broker(monkeypatch, lambda configuration, reread: 3)
    assert main([]) == 3


def test_the_version_names_build_and_python(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    output = capsys.readouterr().out
    assert re.fullmatch(r"amqpd \d+\.\d+\.\d+ \((compiled|interpreted)\), Python 3\.\d+\.\d+\S*\n", output)


def test_the_help_names_every_option_variable_and_default(capsys: pytest.CaptureFixture[str]):
    assert main(["--help"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    for option, name in OPTIONS.items():
        assert f"{option} " in words
        assert f"[AMQPD_{name.upper()}]" in words
    assert "Default: false." in words
    assert "Default: 0.4." in words
    assert "Default: 127.0.0.1,::1." in words
    assert "Default: 60 seconds." in words


def test_the_module_runs_as_the_command():
    command = [sys.executable, "-m", "amqpd", "--version"]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("amqpd ")
