"""amqpctl over the broker's own socket: what it does to the node as a whole, with RabbitMQ's words for it."""

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pika.exceptions
import pytest

from amqpd.cli.amqpctl import main
from amqpd.config.kinds import FileMode, Listeners
from amqpd.testing.certificates import DAY, LOCALHOST, Authority
from amqpd.testing.running import BrokerInThread, broker_in_thread

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there are no UNIX sockets")

PATIENCE_S = 60
Run = Callable[..., str]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def broker(data_dir: Path) -> Iterator[BrokerInThread]:
    with broker_in_thread(data_dir=data_dir, cluster_name="rabbit@here", shutdown_timeout_s=1) as running:
        yield running


@pytest.fixture
def fails(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Runs a command: its exit status, and what it says, complaints included."""
    monkeypatch.setenv("AMQPD_DATA_DIR", str(data_dir))
    # Nobody is there, if a command goes over TCP by mistake.
    monkeypatch.setenv("AMQPD_MANAGEMENT_PORT", "1")

    def run(*words: str) -> tuple[int, str]:
        status = main(list(words), "rabbitmqctl")
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return run


@pytest.fixture
def run(fails: Callable[..., tuple[int, str]]) -> Run:
    """Runs a command, which must succeed, and returns what it says."""

    def run(*words: str) -> str:
        status, said = fails(*words)
        assert status == 0, said
        return said

    return run


def connected(broker: BrokerInThread) -> pika.BlockingConnection:
    return pika.BlockingConnection(pika.URLParameters(broker.url))


def reason_of_end(connection: pika.BlockingConnection) -> tuple[int, str]:
    """Why the broker has closed a connection."""
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        while True:
            connection.process_data_events(PATIENCE_S)
    return closed.value.reply_code, closed.value.reply_text


def is_listening(broker: BrokerInThread) -> bool:
    try:
        socket.create_connection((broker.host, broker.port), PATIENCE_S).close()
    except ConnectionRefusedError:
        return False
    return True


# Serving AMQP


def test_stop_app_ends_connections_and_start_app_serves_again(run: Run, broker: BrokerInThread):
    connection = connected(broker)
    connection.channel().queue_declare("kept", durable=True)
    assert run("stop_app") == "Stopping rabbit application on node rabbit@here ...\n"
    assert reason_of_end(connection) == (
        320,
        "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
    )
    assert not is_listening(broker)
    assert run("-q", "listeners") == "Node rabbit@here reported no enabled listeners.\n"
    assert run("start_app") == "Starting node rabbit@here ...\n"
    with connected(broker) as again:
        again.channel().queue_declare("kept", passive=True)
    assert f"port: {broker.port}, protocol: amqp" in run("listeners")


def test_while_the_app_is_stopped_checks_say_so(run: Run, fails: Any, broker: BrokerInThread):
    run("stop_app")
    run("stop_app")
    not_running = (
        "RabbitMQ on node rabbit@here is not running or has not fully booted yet (check with is_booting)"
    )
    assert fails("check_running", "-q") == (69, f"Error:\n{not_running}\n")
    assert run("is_running", "-q") == f"{not_running}\n"
    assert run("ping", "-q") == "Ping succeeded\n"
    assert fails("await_startup", "-t", "0")[0] == 75
    run("start_app")
    run("start_app")
    assert run("check_running", "-q") == "RabbitMQ on node rabbit@here is fully booted and running\n"
    assert run("await_startup", "-t", "5") == ""


def test_a_port_that_was_taken_meanwhile_is_told_and_can_be_tried_again(
    run: Run, fails: Any, broker: BrokerInThread
):
    run("stop_app")
    with socket.create_server((broker.host, broker.port)):
        status, said = fails("start_app", "-q")
        assert status == 69
        assert said.startswith(f"Error:\ncannot listen on {broker.host} port {broker.port}: ")
        assert "not running" in run("is_running", "-q")
    run("start_app")
    assert is_listening(broker)


def test_reset_forgets_everything_but_only_while_the_app_is_stopped(
    run: Run, fails: Any, broker: BrokerInThread
):
    for words in (["add_user", "anna", "pw"], ["add_vhost", "v"], ["set_cluster_name", "other"]):
        run(*words)
    run("set_policy", "p", ".*", '{"max-length":1}')
    status, said = fails("reset")
    assert status == 64
    assert said.startswith(
        "Error: this command requires the 'rabbit' app to be stopped on the target node. "
        "Stop it with 'rabbitmqctl stop_app'."
    )
    run("stop_app")
    assert run("reset") == "Resetting node rabbit@here ...\n"
    run("start_app")
    assert run("-s", "list_users") == "guest\t[administrator]\n"
    assert run("-s", "list_vhosts") == "/\n"
    assert run("-s", "list_permissions") == "guest\t.*\t.*\t.*\n"
    assert run("-s", "list_policies") == "\n"
    assert "Cluster name: rabbit@here" in run("cluster_status")
    with connected(broker) as connection:
        connection.channel().queue_declare("q")


def test_what_was_reset_stays_so_over_a_restart(run: Run, data_dir: Path):
    with broker_in_thread(data_dir=data_dir):
        run("add_user", "anna", "pw")
        run("stop_app")
        run("force_reset")
    with broker_in_thread(data_dir=data_dir):
        assert run("-s", "list_users") == "guest\t[administrator]\n"
        assert run("-s", "list_vhosts") == "/\n"


def test_start_app_listens_everywhere_again(run: Run, data_dir: Path, tmp_path: Path, authority: Authority):
    server = authority.issue("localhost", names=LOCALHOST)
    with broker_in_thread(
        data_dir=data_dir,
        ssl_listeners=Listeners((("127.0.0.1", 0),)),
        ssl_certfile=server.certfile,
        ssl_keyfile=server.keyfile,
        unix_socket=tmp_path / "amqp.sock",
        unix_socket_permissions=FileMode(0o640),
    ) as broker:
        before = run("-q", "listeners")
        run("stop_app")
        assert not (tmp_path / "amqp.sock").exists()
        run("start_app")
        assert run("-q", "listeners") == before
        assert (tmp_path / "amqp.sock").stat().st_mode & 0o777 == 0o640
        tls_address = broker.call(lambda it: it.server.tls_addresses[0])
        context = ssl.create_default_context(cafile=str(authority.cacertfile))
        with (
            socket.create_connection(tls_address, PATIENCE_S) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as stream,
        ):
            stream.sendall(b"AMQP\x00\x00\x09\x01")
            assert stream.recv(1) == b"\x01"


# Maintenance


def test_draining_and_reviving(run: Run, broker: BrokerInThread):
    connection = connected(broker)
    assert run("drain") == (
        "Will put node rabbit@here into maintenance mode. The node will no longer serve any client traffic!\n"
    )
    assert reason_of_end(connection) == (320, "CONNECTION_FORCED - Node was put into maintenance mode")
    assert not is_listening(broker)
    assert "Is under maintenance?: true" in run("status")
    assert "status: \x1b[35mmarked for maintenance\x1b[0m" in run("cluster_status")
    # RabbitMQ has its listeners in lists while they are suspended.
    assert f"port: {broker.port}, protocol: amqp" in run("listeners")
    assert run("revive") == (
        "Will put node rabbit@here back into regular operating mode. "
        "The node will again serve client traffic and host primary queue replicas.\n"
    )
    assert is_listening(broker)
    assert "Is under maintenance?: false" in run("status")
    assert "status: not under maintenance" in run("cluster_status")


def test_draining_needs_the_app(run: Run, fails: Any, broker: BrokerInThread):
    run("stop_app")
    assert fails("drain", "-q") == (69, "Error:\nAMQP is not served: start_app first\n")
    assert "Is under maintenance?: false" in run("status")


def test_suspended_listeners_leave_connections_alone(run: Run, broker: BrokerInThread):
    with connected(broker) as connection:
        assert run("suspend_listeners") == (
            "Will suspend client connection listeners on node rabbit@here. "
            "The node will no longer accept client connections!\n"
        )
        assert not is_listening(broker)
        connection.channel().queue_declare("q")
        assert run("resume_listeners") == (
            "Will resume client connection listeners on node rabbit@here. "
            "The node will now accept client connections\n"
        )
        assert is_listening(broker)
        connection.channel().queue_declare("q", passive=True)


@pytest.mark.parametrize(
    ("command", "banner"),
    [
        (
            "await_online_quorum_plus_one",
            "Will wait for a quorum + 1 of nodes to be online for all quorum queues for 120 seconds...",
        ),
        (
            "await_online_synchronized_mirror",
            "Will wait for a synchronised mirror be online for all classic mirrored queues for 120 seconds...",
        ),
    ],
)
def test_nothing_is_waited_for_where_there_is_one_node(
    run: Run, broker: BrokerInThread, command: str, banner: str
):
    alone = "Target node seems to be the only one in a single node cluster, the command does not apply"
    assert run(command) == f"{banner}\n{alone}\n"
    assert run("-q", command) == ""
    assert run("post_upgrade") == "Executing post upgrade tasks...\nRebalancing queue masters...\n\n"


# Limits


def raised_alarms(run: Run) -> str:
    return run("-q", "alarms")


def test_scripts_can_raise_the_memory_alarm_and_clear_it(run: Run, broker: BrokerInThread):
    assert run("set_vm_memory_high_watermark", "0") == "Setting memory threshold on rabbit@here to 0 ...\n"
    assert raised_alarms(run) == "Memory alarm on node rabbit@here\n"
    blocked: list[str] = []
    with connected(broker) as connection:
        connection.add_on_connection_blocked_callback(lambda _, frame: blocked.append(frame.method.reason))
        connection.channel().basic_publish("", "q", b"m")
        deadline_s = time.monotonic() + PATIENCE_S
        while not blocked and time.monotonic() < deadline_s:
            connection.process_data_events(0.05)
        assert blocked == ["low on memory"]
        assert run("set_vm_memory_high_watermark", "1.0") == (
            "Setting memory threshold on rabbit@here to 1.0 ...\n"
        )
        assert raised_alarms(run) == "Node rabbit@here reported no alarms, local or clusterwide\n"


@pytest.mark.parametrize(
    ("size", "size_bytes"),
    [("1024", 1024), ("3k", 3072), ("3kB", 3000), ("1GB", 10**9), ("1GiB", 2**30), ("2M", 2**21)],
)
def test_the_memory_limit_can_be_a_size(run: Run, broker: BrokerInThread, size: str, size_bytes: int):
    said = run("set_vm_memory_high_watermark", "absolute", size)
    assert said == f"Setting memory threshold on rabbit@here to {size} bytes ...\n"
    assert f"computed to: {size_bytes} bytes" in run("status", "--unit", "bytes")


def test_the_memory_limit_can_be_a_part_of_all(run: Run, broker: BrokerInThread):
    run("set_vm_memory_high_watermark", "0.5")
    half = limit_in(run("status", "--unit", "bytes"))
    run("set_vm_memory_high_watermark", "1")
    assert 0 < half == limit_in(run("status", "--unit", "bytes")) // 2


def limit_in(status: str) -> int:
    found = re.search("computed to: ([0-9]+) bytes", status)
    assert found is not None
    return int(found[1])


def test_the_disk_limit_can_be_a_size_or_a_multiple_of_memory(run: Run, broker: BrokerInThread):
    said = run("set_disk_free_limit", "3GB")
    assert said == "Setting disk free limit on rabbit@here to 3GB bytes ...\n"
    assert "Low free disk space watermark: 3000000000 bytes" in run("status", "--unit", "bytes")
    run("set_vm_memory_high_watermark", "1.0")
    memory_bytes = limit_in(run("status", "--unit", "bytes"))
    said = run("set_disk_free_limit", "mem_relative", "0.1")
    assert said == "Setting disk free limit on rabbit@here to 0.1 times the total RAM ...\n"
    watermark = f"Low free disk space watermark: {int(memory_bytes * 0.1)} bytes"
    assert watermark in run("status", "--unit", "bytes")


def test_the_disk_alarm_can_be_raised_and_cleared(run: Run, broker: BrokerInThread):
    run("set_disk_free_limit", "999999999999999")
    assert raised_alarms(run) == "Free disk space alarm on node rabbit@here\n"
    run("set_disk_free_limit", "1")
    assert raised_alarms(run) == "Node rabbit@here reported no alarms, local or clusterwide\n"


@pytest.mark.parametrize("fraction", ["1e20", "1e308"])
def test_more_than_any_disk_has_is_no_limit(run: Run, fails: Any, broker: BrokerInThread, fraction: str):
    before = disk_watermark_in(run("status"))
    status, said = fails("set_disk_free_limit", "mem_relative", fraction)
    assert status == 69
    assert "disk_free_limit" in said
    assert disk_watermark_in(run("status")) == before


def disk_watermark_in(status: str) -> str:
    return next(line for line in status.splitlines() if line.startswith("Low free disk space watermark"))


MEMORY = "set_vm_memory_high_watermark"
FRACTION = "Bad argument: The threshold should be a fraction between 0.0 and 1.0"


@pytest.mark.parametrize(
    ("words", "status", "complaint"),
    [
        ((MEMORY,), 64, "not enough arguments."),
        ((MEMORY, "absolute"), 64, "not enough arguments."),
        ((MEMORY, "absolute", "1x"), 65, "Bad argument: Invalid units."),
        ((MEMORY, "absolute", "1.5GB"), 65, "Bad argument: The threshold should be an integer."),
        ((MEMORY, "1.5"), 65, FRACTION),
        ((MEMORY, "-0.5"), 65, FRACTION),
        ((MEMORY, "foo"), 65, "Bad argument."),
        ((MEMORY, "nan"), 65, "Bad argument."),
        ((MEMORY, "0.4", "0.5"), 64, "too many arguments."),
        (("set_disk_free_limit",), 64, "not enough arguments."),
        (("set_disk_free_limit", "foo"), 65, "Bad argument."),
        (("set_disk_free_limit", "5x"), 65, "Bad argument."),
        (("set_disk_free_limit", "mem_relative"), 64, "not enough arguments."),
        (("set_disk_free_limit", "mem_relative", "-1"), 65, "Bad argument."),
        (("set_disk_free_limit", "1", "2"), 64, "too many arguments."),
    ],
)
def test_what_is_no_limit_is_refused_as_rabbitmqctl_refuses_it(
    fails: Any, words: tuple[str, ...], status: int, complaint: str
):
    refused, said = fails(*words)
    assert refused == status
    arguments = " ".join(words)
    assert said.startswith(f"Error (argument validation): {complaint}\nArguments given:\n\t{arguments}\n")


# The log, and what is told


def test_a_level_that_is_none_is_refused(fails: Any, broker: BrokerInThread):
    assert fails("set_log_level", "loud") == (
        69,
        "Error:\nlevel loud is not supported. Try one of debug, info, warning, error, critical, none\n",
    )
    assert fails("set_log_level")[0] == 64


def test_a_broker_in_a_test_has_no_log_and_is_not_stopped(fails: Any, broker: BrokerInThread):
    assert fails("-q", "set_log_level", "debug") == (69, "Error:\nthis broker writes no log\n")
    assert fails("-q", "rotate_logs") == (69, "Error:\nthis broker writes no log\n")
    status, said = fails("-q", "stop")
    assert (status, said) == (69, "Error:\nthis broker is a part of another program, which ends it\n")
    assert is_listening(broker)


def test_the_environment_has_the_settings_but_no_password(run: Run, broker: BrokerInThread):
    said = run("environment")
    assert said.startswith("Application environment of node rabbit@here ...\n[{amqpd,\n")
    assert '{default_user,"guest"}' in said
    assert '{default_pass,"..."}' in said
    assert "{ssl_options.password,undefined}" in said


def test_a_report_has_everything(run: Run, broker: BrokerInThread):
    run("add_vhost", "v")
    with connected(broker) as connection:
        connection.channel().queue_declare("jobs")
        said = run("report")
    assert said.startswith(
        "Reporting server status of node rabbit@here ...\n\nStatus of node rabbit@here ...\n"
    )
    for line in (
        "Listing queues for vhost / ...",
        "Listing queues for vhost v ...",
        "Cluster name: rabbit@here",
    ):
        assert line in said
    assert "\njobs\t" in said
    assert "{default_user" in said
    assert "Listing channels ..." in said


def test_certificates_that_expire_are_found(run: Run, fails: Any, data_dir: Path, tmp_path: Path):
    server = Authority(tmp_path).issue("localhost", names=LOCALHOST, valid=20 * DAY)
    tls = {"management_ssl_host": ("127.0.0.1",), "management_ssl_port": 0, "management": True}
    certificates = {
        "management_ssl_certfile": server.certfile,
        "management_ssl_keyfile": server.keyfile,
        "management_tcp": False,
    }
    with broker_in_thread(data_dir=data_dir, cluster_name="rabbit@here", **tls, **certificates):
        check = "check_certificate_expiration"
        assert run(check, "--within", "1", "--unit", "days") == (
            "Checking certificate expiration on node rabbit@here ...\n"
            "No certificates are expiring within 1 day.\n"
        )
        assert run(check, "-q", "--within", "2") == "No certificates are expiring within 2 weeks.\n"
        assert run(check, "-q", "--within", "2", "--formatter", "json") == '{"result":"ok"}\n'
        status, said = fails(check, "-q")
        assert status == 69
        assert f"{server.certfile}: {server.certificate.not_valid_after_utc:%Y-%m-%d}" in said
        status, said = fails(check, "--formatter", "json")
        assert status == 69
        assert said.startswith('{"expired":[{"cacertfile":"","cacertfile_expires_on":[],"certfile":"')
        assert fails(check, "--unit", "x")[0] == 64


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("await_online_nodes", "1"), ""),
        (("restart_vhost",), "Vhost '/' is already running on node 'rabbit@here'\n"),
        (
            ("check_if_node_is_quorum_critical",),
            "Node rabbit@here seems to be the only one in a single node cluster, the check does not apply\n",
        ),
        (
            ("check_if_node_is_mirror_sync_critical",),
            "Node rabbit@here seems to be the only one in a single node cluster, the check does not apply\n",
        ),
    ],
)
def test_what_one_node_is_asked(run: Run, broker: BrokerInThread, words: tuple[str, ...], said: str):
    assert run("-q", *words) == said


def test_over_tcp_an_administrator_does_the_same_but_does_not_stop_it(run: Run, fails: Any, data_dir: Path):
    api = {"management": True, "management_host": ("127.0.0.1",), "management_port": 0}
    with broker_in_thread(data_dir=data_dir, **api) as broker:
        run("add_user", "anna", "pw")
        run("set_user_tags", "anna", "monitoring")
        port = f"--port={broker.management_port}"
        run("stop_app", port)
        assert not is_listening(broker)
        run("start_app", port)
        status, said = fails("stop_app", port, "--username", "anna", "--password", "pw")
        assert (status, "Not administrator user" in said) == (69, True)
        assert fails("stop", port)[0] == 69
        assert is_listening(broker)


# The program


@pytest.fixture
def program(data_dir: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    programs: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "amqpd", "--data-dir", str(data_dir), "--port", "0", *options]
        with open(tmp_path / "log", "ab") as log:
            programs.append(subprocess.Popen(command, stderr=log, stdout=log))
        return programs[-1]

    yield start
    for each in programs:
        if each.poll() is None:
            each.kill()
        each.wait(PATIENCE_S)


def test_await_startup_waits_for_a_broker_that_has_just_been_started(run: Run, program: Any):
    program()
    assert run("await_startup", "-t", str(PATIENCE_S)) == ""
    assert run("-q", "ping") == "Ping succeeded\n"


@pytest.fixture
def ended() -> int:
    """A process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(PATIENCE_S)
    return process.pid


def test_wait_waits_for_the_process_in_a_file(broker: BrokerInThread, run: Run, tmp_path: Path):
    file = tmp_path / "pid"
    file.write_text(f"{os.getpid()}\n")
    assert run("wait", str(file)) == (
        f"Waiting for pid file '{file}' to appear\n"
        f"pid is {os.getpid()}\n"
        f"Waiting for erlang distribution on node 'rabbit@here' while OS process '{os.getpid()}' is running\n"
        "Waiting for applications 'rabbit_and_plugins' to start on node 'rabbit@here'\n"
        "Applications 'rabbit_and_plugins' are running on node 'rabbit@here'\n"
    )


def test_wait_does_not_take_the_process_of_the_run_before(
    broker: BrokerInThread, fails: Callable[..., tuple[int, str]], tmp_path: Path, ended: int
):
    file = tmp_path / "pid"
    file.write_text(f"{ended}\n")
    status, said = fails("wait", str(file), "-t", "0")
    assert (status, "operation wait on node rabbit@here timed out" in said) == (75, True)


def test_wait_ends_with_the_process_that_is_named(
    broker: BrokerInThread, fails: Callable[..., tuple[int, str]], ended: int
):
    assert fails("-q", "wait", "--pid", str(ended)) == (69, "Error:\nprocess_not_running\n")


def test_stop_ends_the_program_though_nobody_asks_how_it_ended(run: Run, fails: Any, program: Any):
    started = program()
    run("await_startup", "-t", str(PATIENCE_S))
    node = f"rabbit@{socket.gethostname().split('.')[0]}"
    assert run("stop") == f"Stopping and halting node {node} ...\n"
    assert started.wait(PATIENCE_S) == 0
    assert fails("stop")[0] == 69
    assert run("stop", "--idempotent").endswith("is no longer running\n")


def test_shutdown_tells_what_it_does(run: Run, program: Any):
    started = program()
    run("await_startup", "-t", str(PATIENCE_S))
    node = f"RabbitMQ node rabbit@{socket.gethostname().split('.')[0]} running at PID {started.pid}"
    assert run("shutdown") == (
        f"Shutting down {node}\nWaiting for PID {started.pid} to terminate\n{node} successfully shut down\n"
    )
    assert started.wait(PATIENCE_S) == 0


def test_shutdown_need_not_wait(run: Run, program: Any):
    started = program()
    run("await_startup", "-t", str(PATIENCE_S))
    assert run("shutdown", "--no-wait") == ""
    assert started.wait(PATIENCE_S) == 0


def test_the_level_of_the_log_can_be_changed(run: Run, program: Any, tmp_path: Path):
    program()
    run("await_startup", "-t", str(PATIENCE_S))
    assert run("set_log_level", "error") == 'Setting log level to "error" ...\n'
    run("drain")
    assert run("set_log_level", "info") == 'Setting log level to "info" ...\n'
    run("revive")
    log = (tmp_path / "log").read_text()
    assert "node under maintenance" not in log
    assert "node back from maintenance" in log


def test_logs_are_rotated_and_told_where_they_are(run: Run, program: Any, data_dir: Path, tmp_path: Path):
    file = tmp_path / "amqpd.conf"
    file.write_text("log.file = amqpd.log\nlog.console = true\n")
    program("--config", str(file))
    run("await_startup", "-t", str(PATIENCE_S))
    log = data_dir / "logs" / "amqpd.log"
    assert run("-q", "log_location") == f"{log}\n"
    assert run("-q", "log_location", "--all") == f"{log}\n<stderr>\n"
    assert f" * {file}" in run("status")
    tail = run("-q", "log_tail", "-N", "2")
    assert (tail.count("\n"), tail in log.read_text()) == (2, True)
    assert log.read_text().startswith(run("-q", "log_tail"))
    run("drain")
    assert run("rotate_logs") == ""
    run("revive")
    [rotated] = [path for path in log.parent.iterdir() if path != log]
    assert "node under maintenance" in rotated.read_text()
    assert "node under maintenance" not in log.read_text()
    assert "node back from maintenance" in log.read_text()


def test_a_broker_that_was_killed_is_found_again_after_its_restart(run: Run, program: Any):
    killed = program()
    run("await_startup", "-t", str(PATIENCE_S))
    killed.send_signal(signal.SIGKILL)
    killed.wait(PATIENCE_S)
    program()
    run("await_startup", "-t", str(PATIENCE_S))
    assert run("-s", "list_vhosts") == "/\n"
