"""The program with a configuration file, as users run it."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pika
import pika.exceptions
import pytest

STOP_S = 60
LONGEST_S = 120


class Program:
    """amqpd in a process of its own, which reads the file."""

    def __init__(self, file: Path, *arguments: str, **environment: str) -> None:
        command = [sys.executable, "-m", "amqpd", "--config", str(file), *arguments]
        self.process = subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment}
        )
        assert self.process.stderr is not None
        self.lines = self.process.stderr
        # So that a test that waits for a line that never comes ends.
        self.deadline = threading.Timer(LONGEST_S, self.process.kill)
        self.deadline.start()

    def line_with(self, words: str) -> str:
        """The next line with these words in it."""
        for line in self.lines:
            if words in line:
                return line
        raise AssertionError(f"the program ended without a line with {words!r}")

    def ports(self) -> list[int]:
        """Where it listens, once it does."""
        return [int(port) for port in re.findall(r":(\d+)[,\"]", self.line_with("amqpd started"))]

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(STOP_S) == 0


Start = Callable[..., Program]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start programs that are gone at the end of the test."""
    programs: list[Program] = []

    def start(file: Path, *arguments: str, **environment: str) -> Program:
        programs.append(Program(file, *arguments, **environment))
        return programs[-1]

    yield start
    for program in programs:
        program.deadline.cancel()
        program.process.kill()
        program.process.wait()
        program.lines.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rabbitmq.conf"


def log_in(port: int, user: str, password: str, vhost: str) -> pika.BlockingConnection:
    credentials = pika.PlainCredentials(user, password)
    return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, vhost, credentials))


def test_a_new_data_directory_begins_with_the_default_user_and_vhost(start: Start, file: Path):
    file.write_text(
        "listeners.tcp.1 = 127.0.0.1:0\n"
        f"amqpd.data_dir = {file.parent / 'data'}\n"
        "default_user = anna\ndefault_vhost = prod\ndefault_permissions.configure = ^x\n"
    )
    program = start(file, RABBITMQ_DEFAULT_PASS="secret")
    [port] = program.ports()
    connection = log_in(port, "anna", "secret", "prod")
    channel = connection.channel()
    channel.queue_declare("x")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
        channel.queue_declare("y")
    connection.close()
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        log_in(port, "guest", "guest", "/")
    program.stop()


def test_a_data_directory_that_is_not_new_keeps_its_users(start: Start, file: Path):
    text = f"listeners.tcp.1 = 127.0.0.1:0\namqpd.data_dir = {file.parent / 'data'}\n"
    file.write_text(text + "default_user = anna\ndefault_pass = secret\n")
    program = start(file)
    program.ports()
    program.stop()
    file.write_text(text + "default_user = bert\ndefault_pass = secret\n")
    program = start(file)
    [port] = program.ports()
    log_in(port, "anna", "secret", "/").close()
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        log_in(port, "bert", "secret", "/")
    program.stop()


def test_it_listens_on_every_address_and_port_of_the_file(start: Start, file: Path, free_ports: list[int]):
    first, second = free_ports
    file.write_text(f"listeners.tcp.1 = 127.0.0.1:{first}\nlisteners.tcp.2 = 127.0.0.1:{second}\n")
    program = start(file, "--in-memory")
    assert program.ports() == [first, second]
    for port in (first, second):
        log_in(port, "guest", "guest", "/").close()
    program.stop()


@pytest.fixture
def free_ports() -> list[int]:
    # Systems give none of these to who asks for any port, so that they stay free until the program listens.
    free: list[int] = []
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            free.append(port)
    return free[:2]


def test_it_can_listen_nowhere(start: Start, file: Path):
    file.write_text("listeners.tcp = none\n")
    program = start(file, "--in-memory")
    assert program.ports() == []
    program.stop()


def test_the_log_names_the_files_and_what_has_no_effect(start: Start, file: Path):
    file.write_text(
        "listeners.tcp.1 = 127.0.0.1:0\ncluster_formation.dns.hostname = h\ncluster_keepalive_interval = 1\n"
    )
    program = start(file, "--in-memory")
    assert program.line_with("configuration read").endswith(f'info  configuration read files="{file}"\n')
    assert program.lines.readline().endswith(
        "warning configuration keys without effect "
        'names="cluster_formation.dns.hostname, cluster_keepalive_interval" because="no cluster"\n'
    )
    program.ports()
    program.stop()


def test_sighup_reads_the_file_again(start: Start, file: Path):
    text = "listeners.tcp.1 = 127.0.0.1:0\n"
    file.write_text(text)
    program = start(file, "--in-memory")
    [port] = program.ports()

    file.write_text(text + "log.console.level = debug\nheartbeat = 1\n")
    program.process.send_signal(signal.SIGHUP)
    assert 'changed="log.console.level"' in program.line_with("configuration reloaded")
    assert 'settings="heartbeat"' in program.lines.readline()
    socket.create_connection(("127.0.0.1", port)).close()
    program.line_with(" debug ")

    file.write_text(text + "heartbeet = 1\n")
    program.process.send_signal(signal.SIGHUP)
    assert f'mistake="{file}:2: heartbeet: there is no such key' in program.line_with("not reloaded")
    log_in(port, "guest", "guest", "/").close()
    program.stop()
    assert "stopped" in program.lines.read()


def vhosts(*names: str) -> str:
    users = [{"name": "guest", "password": "guest", "tags": []}]
    permissions = [
        {"user": "guest", "vhost": name, "configure": ".*", "write": ".*", "read": ".*"} for name in names
    ]
    found = [{"name": name} for name in names]
    return json.dumps({"users": users, "vhosts": found, "permissions": permissions})


def test_sighup_imports_definitions_that_have_changed(start: Start, file: Path, tmp_path: Path):
    definitions = tmp_path / "definitions.json"
    definitions.write_text(vhosts("first"))
    file.write_text(f"listeners.tcp.1 = 127.0.0.1:0\nload_definitions = {definitions}\n")
    program = start(file, "--in-memory")
    [port] = program.ports()
    log_in(port, "guest", "guest", "first").close()

    definitions.write_text(vhosts("first", "second"))
    program.process.send_signal(signal.SIGHUP)
    program.line_with("definitions imported")
    log_in(port, "guest", "guest", "second").close()

    definitions.write_text(vhosts("third")[:-1])
    program.process.send_signal(signal.SIGHUP)
    assert f"cannot load definitions from {definitions}" in program.line_with("not reloaded")
    log_in(port, "guest", "guest", "second").close()

    definitions.write_text(vhosts("first", "second"))
    program.process.send_signal(signal.SIGHUP)
    program.line_with("configuration reloaded")
    program.stop()
    assert "definitions imported" not in program.lines.read()


def test_sighup_imports_definitions_of_another_file(start: Start, file: Path, tmp_path: Path):
    text = "listeners.tcp.1 = 127.0.0.1:0\n"
    file.write_text(text)
    program = start(file, "--in-memory")
    [port] = program.ports()
    (tmp_path / "definitions.json").write_text(vhosts("new"))
    file.write_text(f"{text}load_definitions = {tmp_path / 'definitions.json'}\n")
    program.process.send_signal(signal.SIGHUP)
    assert 'changed="load_definitions"' in program.line_with("configuration reloaded")
    log_in(port, "guest", "guest", "new").close()
    program.stop()


def test_a_bad_file_starts_nothing(start: Start, file: Path):
    file.write_text("heartbeat = x\n")
    program = start(file, "--data-dir", str(file.parent / "data"))
    assert program.process.wait(STOP_S) == 2
    assert program.lines.read() == f"amqpd: {file}:1: heartbeat: 'x' is not a whole number\n"
    assert not (file.parent / "data").exists()
