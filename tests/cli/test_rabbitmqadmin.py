"""amqpd's rabbitmqadmin where it goes further than RabbitMQ's, which interop/test_rabbitmqadmin.py compares it with."""

import ast
import base64
import contextlib
import io
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from cryptography import x509

from amqpd.cli import rabbitmqadmin
from amqpd.testing.certificates import Authority
from amqpd.testing.running import BrokerInThread, broker_in_thread

SOURCE = Path(rabbitmqadmin.__file__)
OLDEST_PYTHON = (3, 9)


class Api:
    """Something that answers HTTP: what it was asked, and what it answers next, otherwise `[]`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: list[tuple[int, object, dict[str, str]]] = []
        self.port = 0

    def next_answer(self, status: int, body: object = "", **headers: str) -> None:
        self.answers.append((status, body, headers))

    @property
    def body(self) -> Any:
        """What it was sent last."""
        return json.loads(self.asked[-1][2])


def handler_of(api: Api) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            api.asked.append((self.command, self.path, self.rfile.read(length)))
            api.headers.append(dict(self.headers.items()))
            status, body, headers = api.answers.pop(0) if api.answers else (200, [], {})
            text = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def serving(api: Api, context: ssl.SSLContext | None = None) -> Iterator[Api]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler_of(api)) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that turns away
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        api.port = server.server_port
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def api() -> Iterator[Api]:
    yield from serving(Api())


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command: exit status, standard output, standard error."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("USERPROFILE", raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        status = rabbitmqadmin.main(["-H", "127.0.0.1", "-P", str(api.port), *words])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


# One file


def test_it_is_one_file_that_needs_an_old_python_and_its_library_alone():
    tree = ast.parse(SOURCE.read_text(), feature_version=OLDEST_PYTHON)
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in (
            [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names


def test_nothing_is_imported_that_takes_long():
    program = (
        "import sys; from amqpd.cli.rabbitmqadmin import main; main(['help', 'config']); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert not {"asyncio", "anyio", "starlette", "uvicorn", "pamqp", "typing_extensions"} & modules
    assert {name for name in modules if name.startswith("amqpd")} == {
        "amqpd",
        "amqpd.cli",
        "amqpd.cli.rabbitmqadmin",
    }


@pytest.fixture(scope="module")
def broker() -> Iterator[BrokerInThread]:
    with broker_in_thread(management=True) as running:
        yield running


def test_the_broker_serves_it_and_what_it_serves_works(broker: BrokerInThread, tmp_path: Path):
    with urlopen(f"http://127.0.0.1:{broker.management_port}/cli/rabbitmqadmin") as answer:
        assert answer.headers["content-type"] == "application/octet-stream"
        content = answer.read()
    assert content == SOURCE.read_bytes()
    file = tmp_path / "rabbitmqadmin"
    file.write_bytes(content)
    file.chmod(0o755)
    command = [sys.executable, "-I", str(file), "-P", str(broker.management_port)]
    environment = {**os.environ, "HOME": str(tmp_path)}

    def run(*words: str) -> str:
        return subprocess.run(
            [*command, *words], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
        ).stdout

    assert run("declare", "queue", "name=downloaded") == "queue declared\n"
    assert run("-f", "bash", "list", "queues") == "downloaded\n"
    run("delete", "queue", "name=downloaded")


# Requests


def test_octets_are_published_as_they_are(api: Api, run: Run, monkeypatch: pytest.MonkeyPatch):
    octets = bytes(range(256))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
    api.next_answer(200, {"routed": True})
    assert run("publish", "routing_key=q") == (0, "Message published\n", "")
    assert api.asked[-1][:2] == ("POST", "/api/exchanges/%2F/amq.default/publish")
    assert (base64.b64decode(api.body["payload"]), api.body["payload_encoding"]) == (octets, "base64")


def test_octets_are_written_to_a_file_as_they_are(api: Api, run: Run, tmp_path: Path):
    octets = bytes(range(256))
    message = {"payload": base64.b64encode(octets).decode(), "payload_encoding": "base64", "routing_key": "k"}
    api.next_answer(200, [message])
    file = tmp_path / "payload"
    status, printed, _ = run("-q", "-f", "tsv", "get", "queue=q", f"payload_file={file}")
    assert (status, printed) == (0, "k\t\t\t\t\n")
    assert file.read_bytes() == octets


def test_where_there_is_no_message_no_file_is_written(run: Run, tmp_path: Path):
    file = tmp_path / "payload"
    assert run("get", "queue=q", f"payload_file={file}") == (0, "No items\n", "")
    assert not file.exists()


def test_every_part_of_a_path_is_escaped(api: Api, run: Run):
    run(
        "-V",
        "a b/ü",
        "declare",
        "queue",
        "name=\udcff%/?#",
        "queue_type=quorum",
        'arguments={"x-max-length":1}',
    )
    assert api.asked[-1][:2] == ("PUT", "/api/queues/a%20b%2F%C3%BC/%FF%25%2F%3F%23")
    assert api.body["arguments"] == {"x-max-length": 1, "x-queue-type": "quorum"}
    run("-V", "a b", "-S", "x&y", "list", "queues", "a&b", "c.d")
    assert api.asked[-1][1] == "/api/queues/a%20b?columns=a%26b,c.d&sort=x%26y"


def test_who_asks_is_told_in_utf_8(api: Api, run: Run):
    run("-u", "jürgen", "-p", "päss:wort", "list", "queues")
    assert (
        api.headers[-1]["Authorization"] == "Basic " + base64.b64encode("jürgen:päss:wort".encode()).decode()
    )


def test_a_redirection_is_followed(api: Api, run: Run):
    api.next_answer(301, "", Location=f"http://127.0.0.1:{api.port}/elsewhere/api/users?columns=name")
    api.next_answer(307, "", Location="/further")
    api.next_answer(200, [{"name": "anna"}])
    assert run("-f", "bash", "list", "users") == (0, "anna\n", "")
    assert [path for _, path, _ in api.asked] == [
        "/api/users",
        "/elsewhere/api/users?columns=name",
        "/further",
    ]


def test_redirections_end(api: Api, run: Run):
    for _ in range(10):
        api.next_answer(302, "", Location="/round/and/round")
    assert run("list", "users") == (1, "", "*** Redirected too often: /round/and/round\n\n")


def test_the_uri_may_have_escapes_and_says_whether_it_is_https(api: Api, run: Run):
    run("-U", f"http://us%40er:p%3Ass@127.0.0.1:{api.port}", "list", "users")
    assert api.headers[-1]["Authorization"] == "Basic " + base64.b64encode(b"us@er:p:ss").decode()
    status, _, complaint = run("-U", f"https://127.0.0.1:{api.port}", "list", "users")
    assert (status, complaint[:8]) == (1, "*** Coul")
    assert run("-U", "http://h:port", "list", "users")[0] == 1


# Answers


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (400, {"error": "bad_request", "reason": "wrong"}, "wrong"),
        (400, {"error": "bad_request", "reason": ["not_boolean", 1]}, "['not_boolean', 1]"),
        (400, "nonsense", "nonsense"),
        (400, "", "Bad request"),
        (401, "", "Access refused: /api/users"),
        (404, "", "Not found: /api/users"),
        (405, "", "Received response 405 Method Not Allowed for path /api/users\n"),
        (500, "broken", "Received response 500 Internal Server Error for path /api/users\nbroken"),
        (200, "<html>", "The answer is not JSON: there may be no management API at that address"),
    ],
)
def test_a_failure_is_told_in_a_line(api: Api, run: Run, status: int, body: object, complaint: str):
    api.next_answer(status, body)
    assert run("list", "users") == (1, "", f"*** {complaint}\n\n")


def test_an_answer_that_does_not_come_is_not_waited_for(run: Run):
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # nobody serves it
        told = run("-P", str(silent.server_port), "-t", "1", "list", "users")
    assert told == (1, "", "*** Timed out getting HTTP response (request timeout: 1 seconds)\n\n")


def test_a_value_that_is_none_is_shown_in_every_format(api: Api, run: Run):
    for name in ("table", "tsv", "long", "kvp", "bash"):
        api.next_answer(
            200, [{"name": "q", "consumer": None, "deep": {"a": None}, "list": [1, None], "words": ["a"]}]
        )
        status, printed, complaint = run("-f", name, "-d", "2", "list", "queues")
        assert (status, complaint) == (0, "")
        assert "None" in printed or name == "bash"


def test_what_has_none_of_the_columns_is_an_empty_line(api: Api, run: Run):
    api.next_answer(200, [[], {"nosuch": 1}])
    assert run("-f", "tsv", "list", "queues", "nosuch") == (0, "nosuch\n\n1\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_output_that_cannot_be_written_is_told(api: Api):
    api.next_answer(200, [{"name": "q"}])
    command = f'"{sys.executable}" "{SOURCE}" -P {api.port} list queues'
    done = subprocess.run(["sh", "-c", f"{command} > /dev/full"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (1, "*** Could not write: No space left on device\n\n")
    api.next_answer(200, [{"name": "q"}])
    done = subprocess.run(["sh", "-c", f"{command} >&-"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_characters_that_a_terminal_lacks_are_escaped(api: Api):
    api.next_answer(200, [{"name": "ü"}])
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "HOME": "/nowhere"}
    command = [sys.executable, str(SOURCE), "-P", str(api.port), "-f", "bash", "list", "queues"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\\xfc\n", "")


# Words that make no sense


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("list",), "Type not specified"),
        (
            ("-f", "xml", "list", "users"),
            "Format xml not recognised: it is one of raw_json, pretty_json, tsv",
        ),
        (("-P", "70000", "list", "users"), "'70000' is not a port"),
        (("declare", "queue", "name="), 'Argument "name" must not be empty'),
        (
            ("declare", "queue", "name=q", "arguments={,}"),
            'Could not parse JSON: argument "arguments", Expecting',
        ),
        (("declare", "queue", "name=q", "queue_type=quorum", "arguments=[]"), "must be a JSON object"),
    ],
)
def test_what_makes_no_sense_is_told_and_not_asked(
    api: Api, run: Run, words: tuple[str, ...], complaint: str
):
    status, printed, told = run(*words)
    assert (status, printed, api.asked) == (1, "", [])
    assert told.startswith(f"\nERROR: {complaint}") or complaint in told
    assert "rabbitmqadmin --help for help" in told


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[default]\nhots = a\n", "Unknown setting 'hots' in section 'default' of '{file}'"),
        (
            "[default]\nssl = perhaps\n",
            "'perhaps' can't be the value of 'ssl' in section 'default' of '{file}'",
        ),
        ("[default]\nrequest_timeout = x\n", "'x' can't be the value of 'request_timeout' in section"),
        ("[default]\npassword = 50%\n", "Could not read config file '{file}': '%' must be followed by"),
        ("hostname = a\n", "Could not read config file '{file}': File contains no section headers."),
        ("[default]\ntake = a\n", "Unknown setting 'take' in section 'default' of '{file}'"),
    ],
)
def test_a_mistake_in_the_configuration_file_is_told(run: Run, tmp_path: Path, text: str, complaint: str):
    file = tmp_path / "admin.conf"
    file.write_text(text)
    status, _, told = run("-c", str(file), "list", "users")
    assert status == 1
    assert told.startswith(f"\nERROR: {complaint.format(file=file)}")


def test_files_that_can_not_be_read_or_written_are_told(run: Run, tmp_path: Path):
    missing = tmp_path / "missing" / "file"
    assert run("import", str(missing)) == (
        1,
        "",
        f"*** Could not read '{missing}': No such file or directory\n\n",
    )
    assert run("export", str(missing)) == (
        1,
        "",
        f"*** Could not write '{missing}': No such file or directory\n\n",
    )


# HTTPS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def https_api(authority: Authority, name: str, *, asks_clients: bool = False) -> Iterator[Api]:
    issued = authority.issue(name, names=[x509.DNSName(name)])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certfile, issued.keyfile)
    if asks_clients:
        context.load_verify_locations(authority.cacertfile)
        context.verify_mode = ssl.CERT_REQUIRED
    return serving(Api(), context)


def test_https_trusts_those_whom_it_is_told_to_trust(run: Run, authority: Authority):
    trusted = ("--ssl-ca-cert-file", str(authority.cacertfile))
    with contextlib.contextmanager(https_api)(authority, "localhost") as api:
        place = ("-H", "localhost", "-P", str(api.port), "-s")
        status, _, complaint = run(*place, "list", "users")
        assert status == 1 and "certificate verify failed" in complaint
        assert run(*place, *trusted, "list", "users") == (0, "No items\n", "")
        assert run(*place, "-k", "list", "users") == (0, "No items\n", "")
        assert run("-U", f"https://localhost:{api.port}", *trusted, "list", "users")[0] == 0


def test_https_wants_the_right_name_unless_told(run: Run, authority: Authority):
    trusted = ("--ssl-ca-cert-file", str(authority.cacertfile))
    with contextlib.contextmanager(https_api)(authority, "elsewhere.example") as api:
        place = ("-H", "localhost", "-P", str(api.port), "-s", *trusted)
        status, _, complaint = run(*place, "list", "users")
        assert status == 1 and "certificate is not valid for 'localhost'" in complaint
        assert run(*place, "--ssl-disable-hostname-verification", "list", "users")[0] == 0


def test_https_shows_a_certificate(run: Run, authority: Authority, tmp_path: Path):
    trusted = ("--ssl-ca-cert-file", str(authority.cacertfile))
    client = authority.issue("client")
    with contextlib.contextmanager(https_api)(authority, "localhost", asks_clients=True) as api:
        place = ("-H", "localhost", "-P", str(api.port), "-s", *trusted)
        assert run(*place, "list", "users")[0] == 1
        shown = ("--ssl-cert-file", str(client.certfile), "--ssl-key-file", str(client.keyfile))
        assert run(*place, *shown, "list", "users")[0] == 0
        status, _, complaint = run(*place, "--ssl-cert-file", str(tmp_path / "missing"), "list", "users")
        assert status == 1 and complaint.startswith("*** Could not use the certificates: ")


# bash


def test_a_name_in_the_completion_is_never_run(api: Api, tmp_path: Path):
    api.next_answer(200, [{"name": f"a$(touch {tmp_path}/harm)"}, {"name": "*"}, {"name": "plain"}])
    completion = tmp_path / "completion"
    completion.write_text(rabbitmqadmin.bash_completion())
    program = tmp_path / "rabbitmqadmin"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{SOURCE}" -P {api.port} "$@"\n')
    program.chmod(0o755)
    script = 'source "$0"; COMP_WORDS=(rabbitmqadmin delete queue ""); COMP_CWORD=3; _rabbitmqadmin; ' + (
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script, str(completion)],
        capture_output=True,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-2:] == ["\\*", "plain"]
    assert not (tmp_path / "harm").exists()
