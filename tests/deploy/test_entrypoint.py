"""The container's entrypoint, run outside of a container with a configuration and data of the test's own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pika
import pika.exceptions
import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
ENTRYPOINT = DEPLOY / "docker-entrypoint.sh"
LONGEST_S = 60
SHOWS_WHAT_IT_GETS = """\
import json, os, sys
wanted = ("AMQPD_", "RABBITMQ_")
print(json.dumps([sys.argv[1:], {name: text for name, text in os.environ.items() if name.startswith(wanted)}]))
"""


@pytest.fixture
def container(tmp_path: Path) -> SimpleNamespace:
    """The files of an image, the programs in it, and its environment."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "amqpd").write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{SHOWS_WHAT_IT_GETS}' \"$@\"\n")
    (programs / "amqpd").chmod(0o755)
    (programs / "rabbitmq-server").symlink_to(ENTRYPOINT)
    etc = tmp_path / "etc"
    (etc / "conf.d").mkdir(parents=True)
    (etc / "conf.d" / "10-defaults.conf").write_text((DEPLOY / "10-defaults.conf").read_text())
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("AMQPD_", "RABBITMQ_"))}
    environment = {
        **clean,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "ENTRYPOINT_CONFIGURATION_DIR": str(etc),
        "ENTRYPOINT_DEFAULTS_DIR": str(DEPLOY),
        "ENTRYPOINT_USER": "nobody-of-that-name",
        "AMQPD_DATA_DIR": str(tmp_path / "data" / "amqpd"),
        "AMQPD_DEFAULT_HOST": "127.0.0.1",
    }
    return SimpleNamespace(etc=etc, programs=programs, data=tmp_path / "data", environment=environment)


def run(container: SimpleNamespace, *command: str, program: Path = ENTRYPOINT, **environment: str) -> str:
    """What a command prints."""
    done = subprocess.run(
        [str(program), *command],
        env={**container.environment, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST_S,
    )
    return done.stdout


def started(
    container: SimpleNamespace, *command: str, program: Path = ENTRYPOINT, **environment: str
) -> tuple[list[str], dict[str, str]]:
    """The options and the environment that the broker gets."""
    options, variables = json.loads(run(container, *command, program=program, **environment))
    return options, variables


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ((), []),
        (("rabbitmq-server",), []),
        (("amqpd",), []),
        (("rabbitmq-server", "--heartbeat-s", "7"), ["--heartbeat-s", "7"]),
        (("--heartbeat-s", "7"), ["--heartbeat-s", "7"]),
        (("amqpd", "check-config", "f"), ["check-config", "f"]),
    ],
)
def test_the_broker_starts_under_every_name(
    container: SimpleNamespace, command: tuple[str, ...], options: list[str]
):
    assert started(container, *command)[0] == options


def test_scripts_of_users_can_start_the_broker(container: SimpleNamespace):
    program = container.programs / "rabbitmq-server"
    options, variables = started(container, "--heartbeat-s", "7", program=program)
    assert options == ["--heartbeat-s", "7"]
    assert variables["AMQPD_CONFIG"].endswith("rabbitmq.conf")


def test_scripts_of_users_can_start_it_detached(container: SimpleNamespace):
    told = container.data.parent / "told"
    os.mkfifo(told)
    (container.programs / "amqpd").write_text(f"#!/bin/sh\necho \"$@\" >'{told}'\n")
    printed = run(
        container, "-detached", "--heartbeat-s", "7", program=container.programs / "rabbitmq-server"
    )
    assert (printed, told.read_text()) == ("", "--heartbeat-s 7\n")


def test_any_other_command_is_run_as_it_is(container: SimpleNamespace):
    assert run(container, "echo", "a b", "-c") == "a b -c\n"


def test_the_configuration_is_where_rabbitmqs_is(container: SimpleNamespace):
    (container.etc / "rabbitmq.conf").touch()
    variables = started(container)[1]
    assert variables["AMQPD_CONFIG"] == str(container.etc / "rabbitmq.conf")
    assert variables["RABBITMQ_CONFIG_FILES"] == str(container.etc / "conf.d")


def test_without_rabbitmq_conf_the_other_files_count(container: SimpleNamespace):
    variables = started(container)[1]
    assert variables["AMQPD_CONFIG"] == str(DEPLOY / "rabbitmq.conf")
    assert variables["RABBITMQ_CONFIG_FILES"] == str(container.etc / "conf.d")


@pytest.mark.parametrize(
    ("name", "variable"),
    [("rabbitmq.config", "AMQPD_CONFIG"), ("advanced.config", "RABBITMQ_ADVANCED_CONFIG_FILE")],
)
def test_files_in_erlangs_format_are_not_passed_over_in_silence(
    container: SimpleNamespace, name: str, variable: str
):
    (container.etc / name).touch()
    assert started(container)[1][variable] == str(container.etc / name)
    (container.etc / "rabbitmq.conf").touch()
    assert started(container)[1].get(variable) != str(container.etc / name)


def test_another_configuration_file_can_be_named(container: SimpleNamespace):
    variables = started(container, RABBITMQ_CONFIG_FILE="/elsewhere/x.conf")[1]
    assert variables["AMQPD_CONFIG"] == "/elsewhere/x.conf"


def test_the_file_of_enabled_plugins_is_where_rabbitmqs_is(container: SimpleNamespace):
    variables = started(container)[1]
    assert variables["RABBITMQ_ENABLED_PLUGINS_FILE"] == str(container.etc / "enabled_plugins")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("name", ["docker-entrypoint.sh", "rabbitmq-server"])
def test_root_gives_the_data_to_the_user_of_the_broker_and_becomes_it(container: SimpleNamespace, name: str):
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        broker = Path(directory, "amqpd")
        broker.write_text(
            '#!/bin/sh\nid -un; stat -c %U "$AMQPD_DATA_DIR" "$AMQPD_DATA_DIR/old"; echo "$@"\n'
        )
        program = Path(directory, name)
        shutil.copy(ENTRYPOINT, program)
        broker.chmod(0o755)
        data = Path(directory, "data")
        data.mkdir()
        (data / "old").touch()
        printed = run(
            container,
            "--heartbeat-s",
            "7",
            program=program,
            PATH=f"{directory}:{os.environ['PATH']}",
            ENTRYPOINT_USER="nobody",
            AMQPD_DATA_DIR=str(data),
        )
    assert printed == "nobody\nnobody\nnobody\n--heartbeat-s 7\n"


@pytest.fixture
def broker(container: SimpleNamespace) -> Iterator[subprocess.Popen[str]]:
    """The broker itself, started by the entrypoint, with RabbitMQ's variables."""
    (container.programs / "amqpd").write_text(f"#!/bin/sh\nexec '{sys.executable}' -m amqpd \"$@\"\n")
    (container.etc / "rabbitmq.conf").write_text("listeners.tcp.1 = 127.0.0.1:0\nheartbeat = 7\n")
    (container.etc / "enabled_plugins").write_text("[rabbitmq_management].\n")
    environment = {
        **container.environment,
        "RABBITMQ_DEFAULT_USER": "anna",
        "RABBITMQ_DEFAULT_PASS": "secret",
        "RABBITMQ_DEFAULT_VHOST": "prod",
        "RABBITMQ_NODENAME": "rabbit@here",
        "AMQPD_MANAGEMENT_PORT": "0",
    }
    process = subprocess.Popen([str(ENTRYPOINT)], env=environment, stdout=subprocess.PIPE, text=True)
    deadline = threading.Timer(LONGEST_S, process.kill)
    deadline.start()
    yield process
    deadline.cancel()
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_the_container_is_a_broker_that_logs_to_standard_output_and_ends_on_sigterm(
    container: SimpleNamespace, broker: subprocess.Popen[str]
):
    assert broker.stdout is not None
    lines = iter(broker.stdout.readline, "")
    started = next(line for line in lines if "amqpd started" in line)
    assert "management=" in started
    port = re.search(r'listening="127.0.0.1:(\d+)"', started)
    assert port is not None
    assert any("Server startup complete; 1 plugins started." in line for line in lines)
    connection = pika.BlockingConnection(
        pika.ConnectionParameters("127.0.0.1", int(port[1]), "prod", pika.PlainCredentials("anna", "secret"))
    )
    assert connection._impl.server_properties["cluster_name"] == "rabbit@here"
    connection.close()
    broker.send_signal(signal.SIGTERM)
    assert broker.wait(LONGEST_S) == 0
    assert any((container.data / "amqpd").iterdir())


@pytest.mark.parametrize("name", ["RABBITMQ_VM_MEMORY_HIGH_WATERMARK", "RABBITMQ_DEFAULT_PASS_FILE"])
def test_what_rabbitmqs_image_refuses_is_refused(container: SimpleNamespace, name: str):
    (container.programs / "amqpd").write_text(f"#!/bin/sh\nexec '{sys.executable}' -m amqpd \"$@\"\n")
    done = subprocess.run(
        [str(ENTRYPOINT)],
        env={**container.environment, name: "x"},
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )
    assert done.returncode != 0
    assert f"{name} is set but deprecated" in done.stderr
