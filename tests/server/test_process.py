"""The program as users start and stop it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pika
import pika.exceptions
import pytest
from pamqp import commands

from amqpd.server.listeners import SHUTDOWN_TIMEOUT_S

GOODBYE = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
STOP_S = 60
NEVER_S = "600"
"""Longer than a test may take."""

Dial = Callable[..., Any]


class Program:
    """amqpd in a process of its own."""

    def __init__(self, *arguments: str, data_dir: Path | None = None, **more: Any) -> None:
        where = ["--in-memory"] if data_dir is None else ["--data-dir", str(data_dir)]
        command = [sys.executable, "-m", "amqpd", "--host", "127.0.0.1", *where, *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **more)
        assert self.process.stderr is not None
        self.lines = self.process.stderr

    def address(self) -> SimpleNamespace:
        """Where it listens, once it does."""
        line = self.lines.readline()
        found = re.search(r'amqpd started .*listening="([^":]+):(\d+)"', line)
        assert found is not None, line + self.lines.read()
        return SimpleNamespace(host=found[1], port=int(found[2]))

    def line_with(self, words: str) -> str:
        """The next line with these words in it."""
        for line in self.lines:
            if words in line:
                return line
        raise AssertionError(f"the program ended without a line with {words!r}")

    def wait(self, timeout_s: float = STOP_S) -> int:
        return self.process.wait(timeout_s)


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Start programs that are gone at the end of the test."""
    programs: list[Program] = []

    def start(*arguments: str, **more: Any) -> Program:
        programs.append(Program(*arguments, **more))
        return programs[-1]

    yield start
    for program in programs:
        program.process.kill()
        program.process.wait()
        program.lines.close()


Start = Callable[..., Program]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_says_goodbye_to_clients_and_exits_0(
    start: Start, dial: Dial, event_loop_name: str, signal_number: signal.Signals
):
    program = start("--port", "0", "--event-loop", event_loop_name)
    client = dial(program.address()).open()
    program.process.send_signal(signal_number)
    close = client.expect(commands.Connection.Close)
    assert dict(close) == {"reply_code": 320, "reply_text": GOODBYE, "class_id": 0, "method_id": 0}
    client.send(0, commands.Connection.CloseOk())
    assert client.at_end()
    assert program.wait() == 0
    log = program.lines.read()
    assert f'stopping signal="{signal_number.name}"' in log
    assert "stopped" in log
    assert "Traceback" not in log


def test_a_signal_without_clients_exits_0_at_once(start: Start):
    program = start("--port", "0", "--shutdown-timeout-s", NEVER_S)
    program.address()
    program.process.terminate()
    assert program.wait() == 0


def test_a_client_that_does_not_answer_holds_the_end_up_only_a_little(start: Start, dial: Dial):
    program = start("--port", "0")
    client = dial(program.address()).open()
    program.process.terminate()
    client.expect(commands.Connection.Close)
    assert program.wait() == 0
    assert client.at_end()
    log = program.lines.read()
    assert "warning clients that did not say goodbye are cut off connections=1\n" in log
    assert "client unexpectedly closed" not in log


def test_a_second_signal_exits_at_once(start: Start, dial: Dial, event_loop_name: str):
    program = start("--port", "0", "--event-loop", event_loop_name, "--shutdown-timeout-s", NEVER_S)
    client = dial(program.address()).open()
    program.process.terminate()
    client.expect(commands.Connection.Close)
    program.process.terminate()
    assert program.wait() == 130


def test_while_it_says_goodbye_nobody_new_gets_in(start: Start, dial: Dial):
    program = start("--port", "0")
    address = program.address()
    client = dial(address).open()
    program.process.terminate()
    client.expect(commands.Connection.Close)
    with pytest.raises(OSError):
        dial(address).open()


def test_a_port_in_use_is_one_line_and_exit_1(start: Start):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        program = start("--port", str(port))
        assert program.wait() == 1
    assert program.lines.read() == f"amqpd: cannot listen on 127.0.0.1 port {port}: Address already in use\n"


def test_an_address_of_elsewhere_is_one_line_and_exit_1(start: Start):
    program = start("--host", "192.0.2.1", "--port", "0")
    assert program.wait() == 1
    [line] = program.lines.read().splitlines()
    assert line.startswith("amqpd: cannot listen on 192.0.2.1 port ")


def test_a_bad_option_is_one_line_and_exit_2(start: Start):
    program = start("--port", "70000")
    assert program.wait() == 2
    assert program.lines.read() == "amqpd: --port: '70000' is not between 0 and 65535\n"


def test_settings_reach_the_client(start: Start, dial: Dial):
    program = start("--port", "0", "--channel-max", "7", "--frame-max-bytes", "8192", "--heartbeat-s", "9")
    client = dial(program.address())
    client.socket.sendall(b"AMQP\0\0\x09\x01")
    client.expect(commands.Connection.Start)
    start_ok = commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US")
    tune = client.call(0, start_ok, commands.Connection.Tune)
    assert (tune.channel_max, tune.frame_max, tune.heartbeat) == (7, 8192, 9)


# Ready


def test_the_log_has_the_line_that_others_wait_for(start: Start):
    program = start("--port", "0")
    program.address()
    line = program.lines.readline()
    # Testcontainers waits for a line that this fits, pytest-celery for one that has the words.
    assert re.search(r".*Server startup complete.*", line)
    assert "Server startup complete; 0 plugins started." in line


def test_that_line_comes_when_the_management_api_answers(start: Start):
    program = start("--port", "0", "--management", "--management-port", "0")
    port = re.search(r'management="127.0.0.1:(\d+)', program.line_with("amqpd started"))
    assert port is not None
    assert 'plugins="rabbitmq_management"' in program.line_with("Server startup complete; 1 plugins started.")
    with socket.create_connection(("127.0.0.1", int(port[1])), STOP_S) as asking:
        asking.sendall(b"GET /api/overview HTTP/1.0\r\n\r\n")
        assert asking.recv(100).startswith(b"HTTP/1.1 401")


def test_s6_and_systemd_hear_of_the_start_a_reload_and_the_end(start: Start, tmp_path: Path):
    file = tmp_path / "amqpd.conf"
    file.write_text("heartbeat = 7\n")
    ours, its = os.pipe()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(STOP_S)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}
        options = ("--port", "0", "--config", str(file), "--ready-fd", str(its))
        program = start(*options, env=environment, pass_fds=[its])
        os.close(its)
        with os.fdopen(ours, "rb") as s6:
            assert s6.read() == b"READY=1\n"
        assert systemd.recv(1000).startswith(b"READY=1\n")
        program.process.send_signal(signal.SIGHUP)
        assert systemd.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC=")
        assert systemd.recv(1000).startswith(b"READY=1\n")
        program.process.terminate()
        assert systemd.recv(1000).startswith(b"STOPPING=1\n")
        assert program.wait() == 0


def test_standard_streams_that_are_closed_are_nothing_to_trip_over(tmp_path: Path, event_loop_name: str):
    ours, its = os.pipe()
    command = [sys.executable, "-m", "amqpd", "--port", "0", "--data-dir", str(tmp_path / "data")]
    options = ["--ready-fd", str(its), "--event-loop", event_loop_name]
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command, *options]
    with subprocess.Popen(closed, pass_fds=[its]) as program:
        os.close(its)
        try:
            with os.fdopen(ours, "rb") as ready:
                assert ready.read() == b"READY=1\n"
            program.terminate()
            assert program.wait(STOP_S) == 0
        finally:
            program.kill()


def test_a_ready_fd_that_is_not_open_is_one_line_and_exit_1(start: Start):
    program = start("--port", "0", "--ready-fd", "1000")
    assert program.wait() == 1
    assert program.lines.read() == "amqpd: --ready-fd: file descriptor 1000 is not open\n"


# The log


def test_the_log_can_be_json_in_a_file_and_nothing_else(start: Start, tmp_path: Path):
    file = tmp_path / "new" / "amqpd.log"
    program = start("--port", "0", "--log-file", str(file), "--log-file-formatter", "json", "--ready-fd", "2")
    assert program.wait() == 2
    ours, its = os.pipe()
    program = start(
        *("--port", "0", "--log-file", str(file), "--log-file-formatter", "json", "--ready-fd", str(its)),
        pass_fds=[its],
    )
    os.close(its)
    with os.fdopen(ours, "rb") as ready:
        ready.read()
    program.process.terminate()
    assert (program.wait(), program.lines.read()) == (0, "")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0]["msg"] == "amqpd started"
    assert {line["pid"] for line in lines} == {str(program.process.pid)}


def test_a_log_file_that_cannot_be_is_one_line_and_exit_1(start: Start, tmp_path: Path):
    program = start("--port", "0", "--log-file", str(tmp_path))
    assert program.wait() == 1
    assert program.lines.read() == f"amqpd: cannot write log file {tmp_path}: Is a directory\n"


def test_whoever_connects_and_says_nothing_is_nothing_for_the_log(start: Start):
    program = start("--port", "0", "--management", "--management-port", "0")
    started = program.line_with("amqpd started")
    ports = [int(port) for port in re.findall(r"127.0.0.1:(\d+)", started)]
    assert len(ports) == 2
    program.line_with("Server startup complete")
    for port in ports:
        for is_reset in (False, True):
            with socket.create_connection(("127.0.0.1", port), STOP_S) as silent:
                if is_reset:
                    silent.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with socket.create_connection(("127.0.0.1", ports[0]), STOP_S) as talking:
        talking.sendall(b"GET / HTTP/1.0\r\n\r\n")
        talking.recv(8)
    assert "protocol header refused" in program.lines.readline()


def test_with_a_log_file_sighup_ends_nothing_and_what_was_moved_away_is_written_anew(
    start: Start, tmp_path: Path
):
    file = tmp_path / "amqpd.log"
    program = start("--port", "0", "--log-console", "true", "--log-file", str(file))
    program.line_with("Server startup complete")
    file.rename(tmp_path / "amqpd.log.1")
    program.process.send_signal(signal.SIGHUP)
    program.line_with("configuration reloaded")
    program.process.terminate()
    assert program.wait() == 0
    assert "configuration reloaded" in file.read_text()
    assert "amqpd started" in (tmp_path / "amqpd.log.1").read_text()


# What was published before the end


class Publisher(threading.Thread):
    """Publishes persistent messages, many at a time, until the broker says goodbye, and knows what was confirmed."""

    def __init__(self, port: int, queue: str) -> None:
        super().__init__(daemon=True)
        self.confirmed = 0
        self.published = 0
        self.goodbye: pika.exceptions.ConnectionClosedByBroker | None = None
        self.unexpected: BaseException | None = None
        self.is_busy = threading.Event()
        self._queue = queue
        self._connection = pika.SelectConnection(
            pika.ConnectionParameters("127.0.0.1", port),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._begin),
            on_close_callback=self._closed,
        )

    def run(self) -> None:
        self._connection.ioloop.start()

    def _begin(self, channel: Any) -> None:
        self._channel = channel
        channel.confirm_delivery(self._confirmed, callback=lambda _ok: self._publish())

    def _publish(self) -> None:
        for _ in range(100):
            properties = pika.BasicProperties(delivery_mode=2)
            self._channel.basic_publish("", self._queue, b"%d" % self.published, properties)
            self.published += 1
        self._connection.ioloop.call_later(0.001, self._publish_more)

    def _publish_more(self) -> None:
        if self._channel.is_open:
            self._publish()

    def _confirmed(self, frame: Any) -> None:
        assert frame.method.NAME == "Basic.Ack"
        self.confirmed = frame.method.delivery_tag
        if self.confirmed >= 1000:
            self.is_busy.set()

    def _closed(self, _connection: Any, reason: Exception) -> None:
        if isinstance(reason, pika.exceptions.ConnectionClosedByBroker):
            self.goodbye = reason
        else:
            self.unexpected = reason
        self._connection.ioloop.stop()


def declare(port: int, queue: str, *, passive: bool = False) -> int:
    """Declare a durable queue; how many messages it has."""
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    declared = connection.channel().queue_declare(queue, durable=True, passive=passive)
    connection.close()
    return int(declared.method.message_count)


def test_nothing_that_was_confirmed_is_lost_and_whoever_publishes_hears_the_end(start: Start, tmp_path: Path):
    program = start("--port", "0", data_dir=tmp_path)
    port = program.address().port
    declare(port, "q")
    publishers = [Publisher(port, "q") for _ in range(2)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        assert publisher.is_busy.wait(STOP_S)
    program.process.terminate()
    for publisher in publishers:
        publisher.join(STOP_S)
        assert publisher.goodbye is not None, publisher.unexpected
        assert (publisher.goodbye.reply_code, publisher.goodbye.reply_text) == (320, GOODBYE)
    assert program.wait() == 0
    assert "Traceback" not in program.lines.read()

    program = start("--port", "0", data_dir=tmp_path)
    program.line_with("log recovered")
    kept = declare(program.address().port, "q", passive=True)
    # All that the broker has taken it has confirmed, too: it reads no more before it waits for the disk.
    assert kept == sum(publisher.confirmed for publisher in publishers)


def test_the_time_for_the_goodbye_is_a_setting(start: Start, dial: Dial):
    program = start("--port", "0", "--shutdown-timeout-s", "0")
    client = dial(program.address()).open()
    program.process.terminate()
    client.expect(commands.Connection.Close)
    assert program.wait() == 0
    times = [datetime.fromisoformat(line.split()[0]) for line in program.lines if " stop" in line]
    assert (times[-1] - times[0]).total_seconds() < SHUTDOWN_TIMEOUT_S
