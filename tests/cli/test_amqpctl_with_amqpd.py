"""amqpctl with the broker itself: what one command sets, another one shows."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import pytest

from amqpd.cli.amqpctl import main
from amqpd.cli.amqpctl.listings import QUEUE_COLUMNS
from amqpd.testing.running import BrokerInThread, broker_in_thread

Run = Callable[..., list[str]]


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerInThread]:
    with broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=0) as running:
        yield running


@pytest.fixture
def run(broker: BrokerInThread, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command quietly, which must succeed, and returns the lines it prints."""
    monkeypatch.setenv("AMQPCTL_PORT", str(broker.management_port))

    def run(*words: str) -> list[str]:
        status = main(["-s", *words], "amqpctl")
        printed = capsys.readouterr()
        assert (status, printed.err) == (0, "")
        return printed.out.splitlines()

    return run


def connection_to(
    broker: BrokerInThread, username: str = "guest", password: str = "guest"
) -> pika.BlockingConnection:
    parameters = pika.URLParameters(broker.url)
    parameters.credentials = pika.PlainCredentials(username, password)
    return pika.BlockingConnection(parameters)


def test_users_come_change_and_go(run: Run):
    run("add_user", "anna", "secret")
    assert run("authenticate_user", "anna", "secret") == ["Success"]
    run("set_user_tags", "anna", "monitoring", "management")
    assert "anna\t[monitoring, management]" in run("list_users")
    assert run("authenticate_user", "anna", "secret") == ["Success"]
    run("change_password", "anna", "other")
    assert run("authenticate_user", "anna", "other") == ["Success"]
    assert "anna\t[monitoring, management]" in run("list_users")
    run("set_user_limits", "anna", '{"max-channels":7}')
    assert run("list_user_limits", "--user", "anna") == ['{"max-channels":7}']
    run("clear_user_limits", "anna", "all")
    assert run("list_user_limits", "--user", "anna") == ["{}"]
    run("delete_user", "anna")
    assert run("list_users") == ["guest\t[administrator]"]


def test_virtual_hosts_and_permissions_come_and_go(run: Run):
    run("add_vhost", "shop", "--description", "the shop", "--tags", "a,b")
    assert "shop\tthe shop\t[a, b]" in run("list_vhosts", "name", "description", "tags")
    assert run("list_permissions", "-p", "shop") == [""]
    run("set_permissions", "-p", "shop", "guest", "a", "b", "c")
    assert run("list_permissions", "-p", "shop") == ["guest\ta\tb\tc"]
    run("set_topic_permissions", "-p", "shop", "guest", "amq.topic", "w", "r")
    assert run("list_topic_permissions", "-p", "shop") == ["guest\tamq.topic\tw\tr"]
    run("clear_topic_permissions", "-p", "shop", "guest")
    run("clear_permissions", "-p", "shop", "guest")
    assert run("list_permissions", "-p", "shop") == [""]
    run("set_vhost_limits", "-p", "shop", '{"max-queues":5}')
    assert run("list_vhost_limits", "-p", "shop") == ['{"max-queues":5}']
    run("clear_vhost_limits", "-p", "shop")
    assert run("list_vhost_limits", "-p", "shop") == [""]
    run("set_vhost_tags", "shop", "c")
    assert "shop\tthe shop\t[c]" in run("list_vhosts", "name", "description", "tags")
    run("delete_vhost", "shop")
    assert run("list_vhosts") == ["/"]


def test_policies_and_parameters_come_and_go(run: Run):
    run("set_policy", "p", "^x", '{"max-length":5}', "--priority", "2", "--apply-to", "queues")
    assert run("list_policies") == ['/\tp\t^x\tqueues\t{"max-length":5}\t2']
    run("clear_policy", "p")
    run("set_operator_policy", "p", "^x", '{"max-length":5}')
    assert run("list_operator_policies") == ['/\tp\t^x\tall\t{"max-length":5}\t0']
    assert [line.split("\t")[:2] for line in run("list_parameters")] == [["operator_policy", "p"]]
    run("clear_operator_policy", "p")
    assert run("list_parameters") == [""]
    run("set_global_parameter", "g", '{"a":[1,"b"]}')
    assert 'g\t{"a":[1,"b"]}' in run("list_global_parameters")
    run("clear_global_parameter", "g")


def test_what_a_client_does_can_be_seen_and_ended(run: Run, broker: BrokerInThread):
    connection = connection_to(broker)
    channel = connection.channel()
    channel.queue_declare("q", durable=True, arguments={"x-max-length": 9})
    channel.queue_bind("q", "amq.topic", "k")
    for _ in range(3):
        channel.basic_publish("", "q", b"m")
    channel.basic_qos(prefetch_count=2)
    channel.basic_consume("q", lambda *_: None, consumer_tag="t")
    connection.process_data_events()

    columns = ("name", "messages_ready", "messages_unacknowledged", "consumers", "arguments")
    assert run("list_queues", *columns) == ['q\t1\t2\t1\t[{"x-max-length",9}]']
    assert "amq.topic\texchange\tq\tqueue\tk\t[]" in run("list_bindings")
    assert "amq.topic\ttopic" in run("list_exchanges")
    assert [line.split("\t")[1:] for line in run("list_channels")] == [["guest", "1", "2"]]
    (consumer,) = (line.split("\t") for line in run("list_consumers"))
    assert (consumer[0], consumer[2:]) == ("q", ["t", "true", "2", "true", "[]"])
    (line,) = run("list_connections", "pid", "user", "state")
    pid, *rest = line.split("\t")
    assert rest == ["guest", "running"]

    run("close_connection", pid, "that is enough")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="that is enough"):
        connection.process_data_events(5)
    assert run("list_connections") == []
    assert run("list_queues") == ["q\t3"]
    run("purge_queue", "q")
    assert run("delete_queue", "q") == ["Queue was successfully deleted with 0 ready messages"]
    assert run("list_queues") == []


def test_definitions_go_out_and_come_back(run: Run, tmp_path: Path):
    run("set_policy", "p", "^x", '{"max-length":5}')
    path = tmp_path / "definitions.json"
    run("export_definitions", str(path))
    run("clear_policy", "p")
    assert [policy["name"] for policy in json.loads(path.read_text())["policies"]] == ["p"]
    run("import_definitions", str(path))
    assert run("list_policies") == ['/\tp\t^x\tall\t{"max-length":5}\t0']
    run("clear_policy", "p")


def test_a_reason_reaches_the_client_as_it_was_written(run: Run, broker: BrokerInThread):
    connection = connection_to(broker)
    run("close_all_connections", "5 € are\nenough")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="5 € are enough"):
        connection.process_data_events(5)


@pytest.fixture
def queues(broker: BrokerInThread) -> Iterator[None]:
    """One of each type, and an exclusive one."""
    connection = connection_to(broker)
    channel = connection.channel()
    channel.queue_declare("c", durable=True)
    channel.basic_publish("", "c", b"m")
    channel.queue_declare("e", exclusive=True)
    channel.queue_declare("u", durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_declare("s", durable=True, arguments={"x-queue-type": "stream"})
    yield
    for name in ("c", "e", "u", "s"):
        channel.queue_delete(name)
    connection.close()


@pytest.mark.usefixtures("queues")
def test_every_column_of_queues_can_be_read(run: Run):
    assert [line.split("\t")[0] for line in run("list_queues", *QUEUE_COLUMNS)] == ["c", "e", "s", "u"]


@pytest.mark.usefixtures("queues")
def test_a_column_that_a_queue_has_not_is_empty(run: Run):
    assert run("list_queues", "exclusive_consumer_tag") == [""] * 4


@pytest.mark.usefixtures("queues")
def test_an_exclusive_queue_has_the_connection_that_owns_it(run: Run):
    (connection,) = run("list_connections", "pid")
    owners = dict(line.split("\t") for line in run("list_queues", "name", "owner_pid"))
    assert owners == {"c": "", "e": connection, "s": "", "u": ""}


@pytest.mark.usefixtures("queues")
def test_a_stream_has_a_leader_too(run: Run):
    leaders = dict(line.split("\t") for line in run("list_queues", "name", "leader"))
    assert leaders["s"] == leaders["u"] != ""
    assert (leaders["c"], leaders["e"]) == ("", "")


@pytest.mark.usefixtures("queues")
def test_the_version_of_the_protocol_is_shown_as_numbers(run: Run):
    assert run("list_connections", "protocol") == ["{0,9,1}"]
    assert '{"protocol":[0,9,1]}' in run("list_connections", "protocol", "--formatter", "json")


@pytest.mark.usefixtures("queues")
def test_the_status_of_a_quorum_queue_has_its_leader(run: Run):
    (status,) = json.loads("".join(run("quorum_status", "u", "--formatter", "json")))
    assert (status["Raft State"], list(status)[2:4]) == ("leader", ["Log Index", "Commit Index"])
    assert "Raft State" in run("quorum_status", "u")[1]


@pytest.mark.usefixtures("queues")
def test_the_status_of_a_stream_has_its_writer(run: Run):
    (status,) = json.loads("".join(run("stream_status", "s", "--formatter", "json")))
    assert (status["role"], status["readers"]) == ("writer", 0)


@pytest.mark.usefixtures("queues")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("quorum_status c", "Cannot get quorum status of a classic queue"),
        ("stream_status c", "Cannot get stream status of a classic queue"),
        ("stream_status u", "Cannot get stream status of a quorum queue"),
        ("quorum_status nosuch", "not_found"),
        ("purge_queue s", "not_supported"),
        ("rebalance streams", "type streams is not supported. Try one of all, classic, quorum."),
        (
            "rebalance all --queue-pattern (",
            "--queue-pattern: missing ), unterminated subpattern at position 0",
        ),
    ],
)
def test_a_queue_for_which_something_cannot_be_is_told(
    run: Run, capsys: pytest.CaptureFixture[str], words: str, reason: str
):
    assert main(["-q", *words.split()], "amqpctl") == 69
    assert capsys.readouterr().err == f"Error:\n{reason}\n"


@pytest.mark.usefixtures("queues")
def test_leaders_are_counted_when_they_are_rebalanced(run: Run):
    def counted(*words: str) -> list[int]:
        rows = json.loads("".join(run("rebalance", *words, "--formatter", "json")))
        return [row["Number of quorum queues"] for row in rows]

    assert counted("all") == counted("quorum", "--queue-pattern", "^u$") == [1]
    assert counted("classic") == counted("all", "--vhost-pattern", "x") == [0]


@pytest.mark.usefixtures("queues")
def test_no_queue_is_unresponsive(run: Run):
    assert run("list_unresponsive_queues", "name", "--queue-timeout", "100") == []


def test_commands_complete_what_begins_like_them(run: Run):
    assert run("autocomplete", "list_q") == ["list_queues"]
    assert run("autocomplete", "nosuch") == []


@pytest.mark.parametrize(
    "check",
    [
        "ping",
        "check_running",
        "check_port_connectivity",
        "check_virtual_hosts",
        "node_health_check",
        "await_startup",
    ],
)
def test_a_broker_that_is_well_passes_its_checks(run: Run, check: str):
    run(check)


@pytest.mark.parametrize(
    "command",
    ["status", "cluster_status", "memory_breakdown", "listeners", "list_feature_flags", "server_version"],
)
def test_the_broker_shows_how_it_is(run: Run, command: str):
    assert run(command)
    json.loads("\n".join(run(command, "--formatter", "json")))


def test_enabled_feature_flags_can_be_enabled(run: Run):
    run("enable_feature_flag", "all")
