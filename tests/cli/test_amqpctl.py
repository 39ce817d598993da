"""amqpctl against recorded answers of RabbitMQ's API, its output compared with what rabbitmqctl printed then."""

import base64
import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from amqpd.cli.amqpctl import main
from amqpd.cli.amqpctl.commands import COMMANDS, REFUSED, SECTIONS

RECORDED = Path(__file__).parent / "amqpctl_recorded"
PROCESS = "<fm3@localhost.1795236629.28024.1>"
"""The process of the channel, which RabbitMQ's API does not tell."""
CHANNEL = "<fm3@localhost.127.0.0.1:59518->127.0.0.1:5674(1)>"
"""What amqpctl shows instead."""


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


def golden() -> dict[str, tuple[str, int]]:
    """What rabbitmqctl printed, and its exit status, by its arguments; the first time it was called with them."""
    results: dict[str, tuple[str, int]] = {}
    for block in (RECORDED / "ctl-output.txt").read_text().split("$ rabbitmqctl ")[1:]:
        arguments, _, rest = block.partition("\n")
        output, _, status = rest.rpartition("[rc=")
        results.setdefault(arguments, (output, int(status.strip().rstrip("]"))))
    return results


GOLDEN = golden()


class Fake:
    """RabbitMQ's API as it was recorded; `answers` come first, and `asked` is what else than to read was asked."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.headers: list[dict[str, str]] = []

    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        path = unquote(urlsplit(target).path.removeprefix("/api/"))
        if method != "GET":
            self.asked.append((method, target.removeprefix("/api/"), body))
        if (method, path) in self.answers:
            return self.answers[method, path]
        return self.recorded(path) if method == "GET" else (204, None)

    def recorded(self, path: str) -> tuple[int, Any]:
        kind, _, name = path.partition("/")
        if path == "nodes/fm3@localhost":
            return 200, recorded("nodes")[0]
        if path == "nodes/fm3@localhost/memory":
            return 200, recorded("nodes-memory")
        if kind in ("users", "vhosts") and name.endswith(("/permissions", "/topic-permissions")):
            owner, _, what = name.rpartition("/")
            return 200, [row for row in recorded(what) if row[kind.removesuffix("s")] == owner]
        if kind == "parameters":
            return 200, recorded("definitions")["parameters"]
        if kind == "global-parameters":
            return 200, recorded("definitions")["global_parameters"]
        if not (RECORDED / f"{kind}.json").exists():
            return missing()
        found = recorded(kind)
        if not name:
            return 200, found
        if kind in ("users", "vhosts"):
            rows = [row for row in found if row["name"] == name]
            return (200, rows[0]) if rows else missing()
        rows = [row for row in found if row.get("vhost", row.get("queue", {}).get("vhost")) == name]
        return (200, rows) if rows else missing()


def missing() -> tuple[int, Any]:
    return 404, {"error": "Object Not Found", "reason": "Not Found"}


def handler_of(fake: Fake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            fake.headers.append(dict(self.headers.items()))
            status, content = fake.answer(self.command, self.path, body)
            text = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            pass

        def address_string(self) -> str:
            return ""

    return Handler


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    fake = Fake()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(fake))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("AMQPCTL_PORT", str(server.server_address[1]))
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


def output_of(arguments: str | list[str], capsys: pytest.CaptureFixture[str]) -> tuple[str, int]:
    """What a command line prints, as the recording has it, and its exit status."""
    words = arguments.split() if isinstance(arguments, str) else arguments
    status = main(words, "rabbitmqctl")
    printed = capsys.readouterr()
    return printed.out + (f"[stderr] {printed.err}" if printed.err else ""), status


def in_any_order(text: str) -> list[str]:
    """Lines in an order of their own: RabbitMQ's commands list things in none, its API sorts them."""
    return sorted(line.removeprefix(",") for line in text.replace(PROCESS, CHANNEL).splitlines())


READING = [
    "ping",
    "-q ping",
    "list_queues",
    "list_queues -q name messages consumers",
    "list_queues --formatter json name messages",
    "list_queues -p nope",
    "list_exchanges",
    "list_bindings",
    "list_vhosts",
    "list_users",
    "list_permissions",
    "list_user_permissions guest",
    "list_connections",
    "list_channels",
    "list_consumers",
    "list_policies",
    "list_parameters",
    "list_feature_flags",
    "await_startup",
    "cluster_status",
]


@pytest.mark.parametrize("arguments", READING)
def test_a_command_that_reads_prints_what_rabbitmqctl_prints(
    api: Fake, capsys: pytest.CaptureFixture[str], arguments: str
):
    expected, status = GOLDEN[arguments]
    output, own_status = output_of(arguments, capsys)
    assert in_any_order(output) == in_any_order(expected)
    assert own_status == status
    assert api.asked == []


def test_headers_stand_first(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, _ = output_of("list_queues -q name messages consumers", capsys)
    assert output.splitlines()[0] == "name\tmessages\tconsumers"


CHANGING: list[tuple[str, dict[tuple[str, str], tuple[int, Any]], list[tuple[str, str, Any]]]] = [
    (
        "set_user_tags fm.cu administrator",
        {("GET", "users/fm.cu"): (200, {"password_hash": "h", "hashing_algorithm": "a", "tags": []})},
        [("PUT", "users/fm.cu", {"password_hash": "h", "hashing_algorithm": "a", "tags": "administrator"})],
    ),
    (
        "add_vhost fm.cv",
        {("GET", "permissions/fm.cv/guest"): (200, {"user": "guest"})},
        [
            ("PUT", "vhosts/fm.cv", {"description": "", "tags": ""}),
            ("DELETE", "permissions/fm.cv/guest", None),
        ],
    ),
    (
        "set_permissions -p fm.cv fm.cu .* .* .*",
        {},
        [("PUT", "permissions/fm.cv/fm.cu", {"configure": ".*", "write": ".*", "read": ".*"})],
    ),
    (
        "authenticate_user fm.cu bad",
        {("GET", "whoami"): (401, {"error": "not_authorized", "reason": "Login failed"})},
        [],
    ),
    (
        'set_policy fm.cp ^fm {"max-length":5} --apply-to queues',
        {},
        [
            (
                "PUT",
                "policies/%2F/fm.cp",
                {"pattern": "^fm", "definition": {"max-length": 5}, "priority": 0, "apply-to": "queues"},
            )
        ],
    ),
    ("clear_policy fm.cp", {}, [("DELETE", "policies/%2F/fm.cp", None)]),
    ("purge_queue fm.quorum", {}, [("DELETE", "queues/%2F/fm.quorum/contents", None)]),
    (
        "purge_queue nope",
        {("DELETE", "queues///nope/contents"): missing()},
        [("DELETE", "queues/%2F/nope/contents", None)],
    ),
    ("delete_queue nope", {("GET", "queues///nope"): missing()}, []),
    ("delete_vhost fm.cv", {}, [("DELETE", "vhosts/fm.cv", None)]),
    ("delete_user fm.cu", {("GET", "users/fm.cu"): (200, {"tags": []})}, [("DELETE", "users/fm.cu", None)]),
    ("add_user fm.cu x", {}, [("PUT", "users/fm.cu", {"password": "x", "tags": ""})]),
]


@pytest.mark.parametrize(
    ("arguments", "answers", "asked"), CHANGING, ids=[arguments for arguments, _, _ in CHANGING]
)
def test_a_command_that_changes_something_asks_for_it_and_prints_what_rabbitmqctl_prints(
    api: Fake,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    answers: dict[tuple[str, str], tuple[int, Any]],
    asked: list[tuple[str, str, Any]],
):
    api.answers = answers
    assert output_of(arguments, capsys) == GOLDEN[arguments]
    assert api.asked == asked


def test_a_user_that_exists_is_not_added(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, status = output_of("add_user guest x", capsys)
    assert output == 'Adding user "guest" ...\n[stderr] Error:\nUser "guest" already exists\n'
    assert status == 70
    assert api.asked == []


def test_a_user_that_does_not_exist_is_not_deleted(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, status = output_of("delete_user nope", capsys)
    assert output == 'Deleting user "nope" ...\n[stderr] Error:\nUser "nope" does not exist\n'
    assert status == 67


def test_a_vhost_that_exists_is_left_as_it_is(api: Fake, capsys: pytest.CaptureFixture[str]):
    assert output_of("add_vhost fm.gv", capsys) == ('Adding vhost "fm.gv" ...\n', 0)
    assert api.asked == []


def test_an_unknown_command_gets_all_commands_shown(capsys: pytest.CaptureFixture[str]):
    output, status = output_of("nonsense", capsys)
    assert output.splitlines()[:8] == GOLDEN["nonsense"][0].splitlines()[:8]
    assert status == 64


def test_what_the_help_says_of_a_command_is_what_rabbitmqctl_says(capsys: pytest.CaptureFixture[str]):
    described = {line.split()[0]: " ".join(line.split()) for line in lines_of_help(GOLDEN["nonsense"][0])}
    output, _ = output_of("help", capsys)
    own = {line.split()[0]: " ".join(line.split()) for line in lines_of_help(output)}
    differing = {name for name in own.keys() & described.keys() if own[name] != described[name]}
    # definitions come and go as JSON only, and logs are still rotated
    assert differing == {"export_definitions", "import_definitions", "rotate_logs"}


def lines_of_help(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("   ") and line.strip()]


def test_every_command_of_rabbitmqctl_is_there_or_refused():
    names = {line.split()[0] for line in lines_of_help(GOLDEN["nonsense"][0])}
    assert names <= COMMANDS.keys() | REFUSED.keys()
    assert not COMMANDS.keys() & REFUSED.keys()


def test_every_command_is_in_a_section_of_the_help():
    assert {command.section for command in COMMANDS.values()} <= set(SECTIONS)


def test_a_misspelt_command_is_suggested(capsys: pytest.CaptureFixture[str]):
    output, status = output_of("list_queuess", capsys)
    assert output == "[stderr] \nCommand 'list_queuess' not found. \nDid you mean 'list_queues'? \n\n"
    assert status == 64


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_the_api_cannot_do_is_refused_with_a_reason(capsys: pytest.CaptureFixture[str], name: str):
    output, status = output_of(f"{name} x", capsys)
    assert output == f"[stderr] Error: {name} is not supported: {REFUSED[name]}\n"
    assert status == 69


@pytest.mark.parametrize(
    ("arguments", "complaint", "status"),
    [
        ("add_user", "not enough arguments.", 64),
        ("add_user a b c", "too many arguments.", 64),
        ("list_queues nope", "Info key(s) nope are not supported", 64),
        ("list_queues --nono", "Invalid options for this command:\n--nono : ", 64),
        ("list_queues -p", "Invalid options for this command:\n-p : ", 64),
        ("list_queues --timeout soon", "Invalid options for this command:\n--timeout : soon", 64),
        ("import_definitions /nonono/x", "Bad argument: File /nonono/x does not exist", 65),
    ],
)
def test_a_wrong_command_line_is_repeated_with_the_usage(
    api: Fake, capsys: pytest.CaptureFixture[str], arguments: str, complaint: str, status: int
):
    output, own_status = output_of(arguments, capsys)
    start = f"[stderr] Error (argument validation): {complaint}\nArguments given:\n\t{arguments}\n\n"
    assert output.startswith(start)
    assert "\nrabbitmqctl [--node <node>] [--longnames] [--quiet] " + arguments.split()[0] in output
    assert own_status == status
    assert api.headers == []


def test_options_may_stand_before_the_command(api: Fake, capsys: pytest.CaptureFixture[str]):
    assert output_of("-q -p fm.gv list_permissions", capsys)[0].splitlines() == [
        "user\tconfigure\twrite\tread",
        "fm.gu\t.*\t\t^a",
        "guest\t.*\t.*\t.*",
    ]


def test_silence_leaves_the_headers_out(api: Fake, capsys: pytest.CaptureFixture[str]):
    assert output_of("-s list_users", capsys)[0] == "fm.gu\t[monitoring]\nguest\t[administrator]\n"
    output, _ = output_of("list_users --no-table-headers", capsys)
    assert output == "Listing users ...\nfm.gu\t[monitoring]\nguest\t[administrator]\n"


def test_no_queue_is_on_a_node_that_does_not_answer(api: Fake, capsys: pytest.CaptureFixture[str]):
    assert output_of("list_queues -q --offline", capsys) == ("", 0)
    assert output_of("list_queues -s --offline --online name", capsys)[0].splitlines()[0] == "fm.classic"


def test_csv_quotes_every_value(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, _ = output_of("list_bindings --formatter csv source_name arguments", capsys)
    assert output.splitlines()[0] == '"source_name","arguments"'
    assert output.splitlines()[-1] == '"fm.hx","[{""k"",1}]"'


def test_a_pretty_table_has_lines(api: Fake, capsys: pytest.CaptureFixture[str]):
    on, off = "\x1b(0", "\x1b(B"
    output, _ = output_of("list_users -q --formatter pretty_table", capsys)
    assert output.splitlines() == [
        f"{on}lqqqqqqqwqqqqqqqqqqqqqqqk{off}",
        f"{on}x{off} \x1b[1muser\x1b[0m  {on}x{off} \x1b[1mtags\x1b[0m          {on}x{off}",
        f"{on}tqqqqqqqnqqqqqqqqqqqqqqqu{off}",
        f"{on}x{off} fm.gu {on}x{off} monitoring    {on}x{off}",
        f"{on}tqqqqqqqnqqqqqqqqqqqqqqqu{off}",
        f"{on}x{off} guest {on}x{off} administrator {on}x{off}",
        f"{on}mqqqqqqqvqqqqqqqqqqqqqqqj{off}",
    ]


def test_json_has_the_types_of_arguments(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, _ = output_of("list_queues --formatter json name arguments", capsys)
    assert json.loads(output)[0] == {
        "name": "fm.classic",
        "arguments": [["x-dead-letter-exchange", "longstr", "fm.hx"], ["x-max-length", "long", 100]],
    }


def test_the_status_has_the_sections_of_rabbitmqctl(api: Fake, capsys: pytest.CaptureFixture[str]):
    expected = GOLDEN["status"][0].splitlines()
    lines = output_of("status", capsys)[0].splitlines()
    assert [line for line in lines if "\x1b" in line] == [line for line in expected if "\x1b" in line]
    shared = [line for line in lines if line in expected]
    for line in [
        "OS PID: 727",
        "RabbitMQ version: 3.10.8",
        "Calculation strategy: rss",
        "Low free disk space watermark: 0.1 gb",
        "Virtual host count: 2",
        "Interface: 127.0.0.1, port: 5674, protocol: amqp, purpose: AMQP 0-9-1 and AMQP 1.0",
    ]:
        assert line in shared
    assert "reserved_unallocated: 0.0809 gb (57.97 %)" in lines


def test_a_failure_is_json_for_a_machine(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, status = output_of("add_user guest x --formatter json", capsys)
    told = {"message": "User guest already exists", "node": "fm3@localhost", "result": "error"}
    assert json.loads(output.removeprefix("[stderr] ")) == told
    assert status == 69


def test_success_is_json_for_a_machine(api: Fake, capsys: pytest.CaptureFixture[str]):
    assert (
        output_of("clear_policy p --formatter json", capsys)[0] == '{"node":"fm3@localhost","result":"ok"}\n'
    )


def test_a_reason_of_the_api_is_told(api: Fake, capsys: pytest.CaptureFixture[str]):
    reason = "Validation failed\n\n[{&lt;&lt;&quot;no&quot;&gt;&gt;,1}] are not recognised policy settings\n"
    api.answers = {("PUT", "policies///p"): (400, {"error": "bad_request", "reason": reason})}
    output, status = output_of('set_policy -q p x {"no":1}', capsys)
    assert output == (
        '[stderr] Error:\nValidation failed\n\n[{<<"no">>,1}] are not recognised policy settings\n\n'
    )
    assert status == 69


def test_a_reason_that_is_a_term_is_shown_as_one(api: Fake, capsys: pytest.CaptureFixture[str]):
    reason = ["invalid_regexp", [40], [[109, 105, 115, 115, 105, 110, 103, 32, 41], 1]]
    api.answers = {("PUT", "permissions///guest"): (400, {"error": "bad_request", "reason": reason})}
    output, status = output_of("set_permissions -q guest ( b c", capsys)
    assert output == "[stderr] Error:\n{:invalid_regexp, '(', {'missing )', 1}}\n"
    assert status == 69


def test_a_definition_that_is_not_json_is_not_sent(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, status = output_of("set_policy -q p x nojson", capsys)
    assert output == "[stderr] Error:\nJSON decoding error. Reason: badarg\n"
    assert status == 69
    assert api.asked == []


def test_a_password_can_come_from_standard_input(
    api: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    (tmp_path / "password").write_text("secret\n")
    with (tmp_path / "password").open() as given:
        monkeypatch.setattr("sys.stdin", given)
        assert output_of("change_password -q guest", capsys) == ("", 0)
    assert api.asked == [("PUT", "users/guest", {"password": "secret", "tags": "administrator"})]


def test_a_right_password_without_a_tag_authenticates(api: Fake, capsys: pytest.CaptureFixture[str]):
    api.answers = {("GET", "whoami"): (401, {"error": "not_authorised", "reason": "Not management user"})}
    assert output_of("authenticate_user -q fm.gu good", capsys) == ("Success\n", 0)
    assert api.headers[-1]["Authorization"] == "Basic " + base64.b64encode(b"fm.gu:good").decode()


def test_tracing_keeps_what_a_vhost_has(api: Fake, capsys: pytest.CaptureFixture[str]):
    api.answers = {("GET", "vhosts/fm.gv"): (200, {"description": "d", "tags": ["a", "b"], "tracing": True})}
    assert output_of("trace_on -q -p fm.gv", capsys) == ("Trace enabled for vhost fm.gv\n", 0)
    assert api.asked == [("PUT", "vhosts/fm.gv", {"description": "d", "tags": "a,b", "tracing": True})]


def test_tracing_that_does_not_begin_is_a_failure(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, status = output_of("trace_on -q -p fm.gv", capsys)
    assert output == "[stderr] Error:\nThis broker does not trace messages\n"
    assert status == 69


def test_limits_are_set_one_by_one_and_cleared(api: Fake, capsys: pytest.CaptureFixture[str]):
    assert output_of('set_user_limits -q fm.gu {"max-channels":5}', capsys) == ("", 0)
    assert output_of("clear_user_limits -q fm.gu all", capsys) == ("", 0)
    assert api.asked == [
        ("PUT", "user-limits/fm.gu/max-channels", {"value": 5}),
        ("DELETE", "user-limits/fm.gu/max-connections", None),
        ("DELETE", "user-limits/fm.gu/max-channels", None),
    ]


def test_limits_are_listed(api: Fake, capsys: pytest.CaptureFixture[str]):
    assert output_of("list_vhost_limits -q -p fm.gv", capsys)[0] == '{"max-queues":5}\n'
    assert output_of("list_vhost_limits -q -p /", capsys)[0] == "\n"
    assert output_of("list_vhost_limits -q --global", capsys)[0] == 'vhost\tlimits\nfm.gv\t{"max-queues":5}\n'


def test_a_connection_is_closed_by_its_name_or_by_what_stands_for_its_process(
    api: Fake, capsys: pytest.CaptureFixture[str]
):
    name = "127.0.0.1:59518 -> 127.0.0.1:5674"
    for given in (name, "<fm3@localhost.127.0.0.1:59518->127.0.0.1:5674>"):
        assert output_of(["close_connection", "-q", given, "so it is"], capsys) == ("", 0)
    assert [(method, unquote(path)) for method, path, _ in api.asked] == [
        ("DELETE", f"connections/{name}")
    ] * 2
    assert api.headers[-1]["X-Reason"] == "so it is"


def test_connections_of_a_vhost_are_closed_up_to_a_limit(api: Fake, capsys: pytest.CaptureFixture[str]):
    api.answers = {("GET", "vhosts///connections"): (200, [{"name": "a"}, {"name": "b"}])}
    output, _ = output_of("close_all_connections --limit 1 why", capsys)
    assert output == "Closing 1 connections in vhost /, reason: why...\nClosed 1 connections\n"
    assert [path for _, path, _ in api.asked] == ["connections/a"]


def test_definitions_are_exported_and_imported(api: Fake, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    path = tmp_path / "definitions.json"
    assert output_of(f"export_definitions -q {path}", capsys) == ("", 0)
    assert json.loads(path.read_text()) == recorded("definitions")
    output, status = output_of(f"import_definitions {path}", capsys)
    assert output.splitlines()[-2].startswith("Successfully started definition import.")
    assert status == 0
    assert api.asked == [("POST", "definitions", recorded("definitions"))]


def test_a_raised_alarm_fails_the_check(api: Fake, capsys: pytest.CaptureFixture[str]):
    node = {**recorded("nodes")[0], "mem_alarm": True}
    api.answers = {("GET", "nodes/fm3@localhost"): (200, node), ("GET", "nodes"): (200, [node])}
    assert output_of("check_local_alarms -q", capsys) == (
        "[stderr] Error:\nMemory alarm on node fm3@localhost\n",
        69,
    )
    assert output_of("check_alarms -q", capsys) == ("[stderr] Memory alarm on node fm3@localhost\n", 69)
    assert output_of("check_alarms -s", capsys) == ("", 69)


def test_without_alarms_the_checks_pass(api: Fake, capsys: pytest.CaptureFixture[str]):
    assert output_of("check_local_alarms -s", capsys) == ("", 0)
    assert output_of("check_alarms -q", capsys) == (
        "Node fm3@localhost reported no alarms, local or clusterwide\n",
        0,
    )


def test_a_listener_that_accepts_no_connection_fails_the_check(api: Fake, capsys: pytest.CaptureFixture[str]):
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.socket() as closed,
    ):
        closed.bind(("127.0.0.1", 0))
        ports = [listening.getsockname()[1], closed.getsockname()[1]]
        listeners = [
            {"node": "fm3@localhost", "protocol": "amqp", "ip_address": "127.0.0.1", "port": port}
            for port in ports
        ]
        api.answers = {
            ("GET", "overview"): (200, {"node": "fm3@localhost", "listeners": listeners[:1]}),
        }
        assert output_of("check_port_connectivity -q", capsys) == (
            f"Successfully connected to ports {ports[0]} on node fm3@localhost.\n",
            0,
        )
        api.answers["GET", "overview"] = (200, {"node": "fm3@localhost", "listeners": listeners})
        output, status = output_of("check_port_connectivity -q", capsys)
    assert f"Interface: 127.0.0.1, port: {ports[1]}, protocol: amqp" in output
    assert f"port: {ports[0]}" not in output
    assert status == 69


@pytest.fixture
def port() -> Iterator[int]:
    """One on which nobody listens, nor can meanwhile."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield closed.getsockname()[1]


def test_a_broker_that_is_not_there_is_unavailable(port: int, capsys: pytest.CaptureFixture[str]):
    output, status = output_of(f"--port {port} list_queues -q", capsys)
    assert output.startswith("[stderr] Error: unable to perform an operation on node 'rabbit@")
    assert f"http://127.0.0.1:{port}: Connection refused" in output
    assert status == 69
    output, status = output_of(f"--port {port} ping -q", capsys)
    assert output.startswith("[stderr] Error:\nFailed to connect and authenticate to rabbit@")
    assert status == 69


def test_waiting_for_the_start_ends_in_time(port: int, capsys: pytest.CaptureFixture[str]):
    output, status = output_of(f"--port {port} await_startup -t 0", capsys)
    assert "timed out" in output
    assert status == 75


def test_an_answer_that_takes_too_long_is_a_timeout(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        output, status = output_of(f"list_users -q --port {port} -n rabbit@localhost -t 1", capsys)
    assert output == (
        "[stderr] Error: operation list_users on node rabbit@localhost timed out. Timeout value used: 1000\n"
    )
    assert status == 75


def test_ping_waits_for_an_answer_once(capsys: pytest.CaptureFixture[str]):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        output, status = output_of(f"ping --port {silent.getsockname()[1]} -t 1", capsys)
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert "Failed to connect and authenticate to" in output
    assert status == 69


def test_a_refused_user_is_told_so(api: Fake, capsys: pytest.CaptureFixture[str]):
    api.answers = {("GET", "users"): (401, {"error": "not_authorised", "reason": "Login failed"})}
    output, status = output_of("list_users -q", capsys)
    assert "user 'guest' is refused (Login failed)" in output
    assert status == 69


def test_the_first_user_of_the_broker_is_the_one_who_asks(
    api: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("RABBITMQ_DEFAULT_USER", "anna")
    monkeypatch.setenv("RABBITMQ_DEFAULT_PASS", "secret")
    output_of("list_users", capsys)
    assert api.headers[-1]["Authorization"] == "Basic " + base64.b64encode(b"anna:secret").decode()
    output_of("list_users --username bert --password hidden", capsys)
    assert api.headers[-1]["Authorization"] == "Basic " + base64.b64encode(b"bert:hidden").decode()


class SocketServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def socket_api(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fake]:
    fake = Fake()
    server = SocketServer(str(tmp_path / "management.sock"), handler_of(fake))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("AMQPD_DATA_DIR", str(tmp_path))
    yield fake
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_socket_in_the_data_directory_needs_no_password(
    socket_api: Fake, capsys: pytest.CaptureFixture[str]
):
    assert output_of("list_users -s", capsys) == ("fm.gu\t[monitoring]\nguest\t[administrator]\n", 0)
    assert "Authorization" not in socket_api.headers[-1]


def test_whoever_names_a_port_does_not_get_the_socket(
    socket_api: Fake, port: int, capsys: pytest.CaptureFixture[str]
):
    assert output_of(f"list_users --port {port}", capsys)[1] == 69
    assert socket_api.headers == []


def test_a_named_socket_is_used(
    socket_api: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setenv("AMQPD_DATA_DIR", "/nonono")
    assert output_of(f"list_users -s --socket {tmp_path / 'management.sock'}", capsys)[1] == 0
    output, status = output_of(f"list_users -s --socket {tmp_path / 'other'}", capsys)
    assert f"UNIX socket {tmp_path / 'other'}: No such file or directory" in output
    assert status == 69


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the process is known on Linux only")
def test_stopping_ends_the_process_behind_the_socket_and_waits_for_it(
    socket_api: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    asked_for: list[tuple[int, int]] = []

    def kill(process: int, number: int) -> None:
        asked_for.append((process, number))
        raise ProcessLookupError

    monkeypatch.setattr("os.kill", kill)
    assert output_of("stop", capsys) == ("Stopping and halting node fm3@localhost ...\n", 0)
    assert socket_api.asked == [("POST", "nodes/fm3%40localhost/stop", {})]
    assert asked_for == [(os.getpid(), 0)]


def test_a_broker_elsewhere_is_not_stopped(api: Fake, capsys: pytest.CaptureFixture[str]):
    output, status = output_of("stop -q", capsys)
    assert output.startswith(
        "[stderr] Error: only over the UNIX socket in its data directory can a broker be"
    )
    assert status == 69
    assert api.asked == []


def test_stopping_what_is_stopped_is_an_error_unless_told(port: int, capsys: pytest.CaptureFixture[str]):
    assert output_of(f"stop --port {port}", capsys)[1] == 69
    output, status = output_of(f"stop --idempotent --port {port} -n a@localhost", capsys)
    assert output.endswith("Node a@localhost is no longer running\n")
    assert status == 0


def test_a_socket_on_which_nobody_listens_is_passed_over(
    api: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
        left.bind(str(tmp_path / "management.sock"))
    monkeypatch.setenv("AMQPD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AMQPD_MANAGEMENT_PORT", os.environ["AMQPCTL_PORT"])
    monkeypatch.delenv("AMQPCTL_PORT")
    assert output_of("list_users -s", capsys)[1] == 0
    assert api.headers[-1]["Authorization"]


@pytest.mark.parametrize("arguments", ["--data-dir {directory}", "-q --data-dir={directory}"])
def test_the_data_directory_can_be_an_option(
    socket_api: Fake,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: str,
):
    monkeypatch.setenv("AMQPD_DATA_DIR", "/nonono")
    monkeypatch.setenv("AMQPCTL_PORT", "1")
    assert output_of(f"list_users -s {arguments.format(directory=tmp_path)}", capsys)[1] == 0
    assert socket_api.headers


def test_the_data_directory_is_that_of_the_brokers_configuration_file(
    socket_api: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = tmp_path / "amqpd.conf"
    file.write_text(f"amqpd.data_dir = {tmp_path}\n")
    monkeypatch.delenv("AMQPD_DATA_DIR")
    monkeypatch.setenv("RABBITMQ_CONFIG_FILE", str(file))
    assert output_of("list_users -s", capsys)[1] == 0
    assert socket_api.headers


def test_why_the_socket_is_not_used_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, port: int
):
    monkeypatch.setenv("AMQPD_MANAGEMENT_PORT", str(port))
    output, status = output_of("list_users -q --data-dir /nonono", capsys)
    assert "UNIX socket /nonono/management.sock: No such file or directory\nhttp://127.0.0.1" in output
    assert status == 69


def test_an_atom_in_a_reason_is_told_from_a_text(api: Fake, capsys: pytest.CaptureFixture[str]):
    reason = ["invalid_regexp", "(", [[109, 105, 115, 115], 1]]
    api.answers[("PUT", "topic-permissions///guest")] = (400, {"error": "bad_request", "reason": reason})
    output, status = output_of("set_topic_permissions -q guest amq.topic ( .*", capsys)
    assert output == "[stderr] Error:\n{:invalid_regexp, \"(\", {'miss', 1}}\n"
    assert status == 69


def test_the_value_of_an_unknown_option_is_not_repeated(capsys: pytest.CaptureFixture[str]):
    output, _ = output_of("list_users --nosuch=secret", capsys)
    assert "Invalid options for this command:\n--nosuch : \nArguments" in output


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]):
    for name, command in COMMANDS.items():
        output, status = output_of(f"help {name}", capsys)
        assert command.usage in output
        assert status == 0
        assert output_of(f"{name} --help", capsys) == (output, 0)


def test_nothing_but_the_standard_library_is_imported():
    home = Path(__file__).parents[2] / "amqpd" / "cli" / "amqpctl"
    imports = {
        line.split()[1].split(".")[0]
        for path in home.glob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert not imports & {
        "anyio",
        "asyncio",
        "pamqp",
        "starlette",
        "uvicorn",
        "httpx",
        "argparse",
        "dataclasses",
    }
