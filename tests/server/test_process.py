"""The program as users start and stop it."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pamqp import commands

GOODBYE = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
STOP_S = 10
BEFORE_GOODBYE_IS_OVER_S = 1.5

Dial = Callable[..., Any]


class Program:
    """amqpd in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "amqpd", "--host", "127.0.0.1", "--in-memory", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.lines = self.process.stderr

    def address(self) -> SimpleNamespace:
        """Where it listens, once it does."""
        line = self.lines.readline()
        found = re.search(r'amqpd started .*listening="([^":]+):(\d+)"', line)
        assert found is not None, line + self.lines.read()
        return SimpleNamespace(host=found[1], port=int(found[2]))

    def wait(self, timeout_s: float = STOP_S) -> int:
        return self.process.wait(timeout_s)


@pytest.fixture
def start() -> Iterator[Callable[..., Program]]:
    """Start programs that are gone at the end of the test."""
    programs: list[Program] = []

    def start(*arguments: str) -> Program:
        programs.append(Program(*arguments))
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
    program = start("--port", "0")
    program.address()
    program.process.terminate()
    assert program.wait(BEFORE_GOODBYE_IS_OVER_S) == 0


def test_a_client_that_does_not_answer_holds_the_end_up_only_a_little(start: Start, dial: Dial):
    program = start("--port", "0")
    client = dial(program.address()).open()
    program.process.terminate()
    client.expect(commands.Connection.Close)
    assert program.wait() == 0
    assert client.at_end()


def test_a_second_signal_exits_at_once(start: Start, dial: Dial, event_loop_name: str):
    program = start("--port", "0", "--event-loop", event_loop_name)
    client = dial(program.address()).open()
    program.process.terminate()
    client.expect(commands.Connection.Close)
    program.process.terminate()
    assert program.wait(BEFORE_GOODBYE_IS_OVER_S) == 130


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
