"""rabbitmqadmin, RabbitMQ's own and amqpd's: every command, every format, every option, against the management API.

RabbitMQ's is the script that its management plugin serves; setup.sh fetches it.
"""

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest

from interop.broker import Broker, environment
from interop.management import Management, until
from interop.names import Names
from interop.programs import LIMIT_S

RABBITMQS = Path(__file__).parent / "rabbitmq" / "rabbitmqadmin"
PROGRAMS = {
    "rabbitmq": [sys.executable, str(RABBITMQS)],
    "amqpd": [sys.executable, "-m", "amqpd.cli.rabbitmqadmin"],
}
EMPTY_LIST = "No items\n"


class Admin:
    """rabbitmqadmin, with the API's address and user; calling it returns what it prints."""

    def __init__(self, program: list[str], management: Management, home: Path) -> None:
        self.home = home
        self._program = program
        self._management = management

    @property
    def place(self) -> list[str]:
        """Options that say where the API is, and who asks."""
        user = self._management.broker
        return ["-H", self._management.host, *self.port, "-u", user.username, "-p", user.password]

    @property
    def port(self) -> list[str]:
        return ["-P", str(self._management.port)]

    def run(self, *words: str, input: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
        """Run it with these words alone."""
        variables = {**environment(), "HOME": str(self.home), "LANG": "C.UTF-8"}
        return subprocess.run(
            [*self._program, *words], input=input, capture_output=True, timeout=LIMIT_S, env=variables
        )

    def __call__(self, *words: str, input: bytes = b"") -> str:
        done = self.run(*self.place, *words, input=input)
        assert (done.returncode, done.stderr) == (0, b""), done
        return done.stdout.decode()

    def fails(self, *words: str) -> str:
        """What it complains of; it ends with 1."""
        done = self.run(*self.place, *words)
        assert (done.returncode, done.stdout) == (1, b""), done
        return done.stderr.decode()

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """What it lists, with all columns."""
        rows: list[dict[str, Any]] = json.loads(self("-f", "raw_json", *words))
        return rows

    def row(self, *words: str, **key: str) -> dict[str, Any]:
        """The only row that it lists with these values."""
        [row] = [row for row in self.rows(*words) if key.items() <= row.items()]
        return row


@pytest.fixture(params=sorted(PROGRAMS))
def admin(request: pytest.FixtureRequest, management: Management, tmp_path: Path) -> Admin:
    if request.param == "rabbitmq" and not RABBITMQS.exists():
        pytest.fail("RabbitMQ's rabbitmqadmin is not there; run interop/setup.sh")
    return Admin(PROGRAMS[request.param], management, tmp_path)


@pytest.fixture
def broker(management: Management) -> Broker:
    return management.broker


@pytest.fixture
def vhost(admin: Admin, names: Names) -> Iterator[str]:
    """A virtual host of this test's own."""
    name = f"{names.prefix}.vhost"
    admin("declare", "vhost", f"name={name}")
    admin("declare", "permission", f"vhost={name}", "user=guest", "configure=.*", "write=.*", "read=.*")
    yield name
    admin("delete", "vhost", f"name={name}")


@pytest.fixture
def there(admin: Admin, vhost: str) -> Callable[..., str]:
    """The program in that virtual host."""
    return lambda *words, **more: admin("-V", vhost, *words, **more)


There = Callable[..., str]


def lines(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


# Without a broker


def test_it_tells_its_version(admin: Admin) -> None:
    done = admin.run("--version")
    assert done.returncode == 0
    assert re.fullmatch(rb"rabbitmqadmin \d+\.\d+\.\d+\n", done.stdout)


def test_help_names_every_subcommand_and_its_arguments(admin: Admin) -> None:
    told = admin.run("help", "subcommands").stdout.decode()
    for line in (
        "list connections [<column>...]",
        "list vhost_limits [<column>...]",
        "show overview [<column>...]",
        "declare user name=... password=... OR password_hash=... tags=... [hashing_algorithm=...]",
        "declare exchange name=... type=... [auto_delete=... durable=... internal=... arguments=...]",
        "delete binding source=... destination_type=... destination=... [properties_key=...]",
        "close connection name=...",
        "purge queue name=...",
        "export <file>",
        "import <file>",
        "publish routing_key=... [payload=... properties=... exchange=... payload_encoding=...]",
        "get queue=... [count=... ackmode=... payload_file=... encoding=...]",
    ):
        assert f"  {line} \n" in told or f"  {line}\n" in told, line


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_names_every_option(admin: Admin, words: list[str]) -> None:
    done = admin.run(*words)
    assert done.returncode == 0
    for option in (
        *("--config", "--node", "--host", "--port", "--path-prefix", "--vhost", "--username", "--password"),
        *("--base-uri", "--quiet", "--ssl", "--ssl-key-file", "--ssl-cert-file", "--ssl-ca-cert-file"),
        *("--ssl-disable-hostname-verification", "--ssl-insecure", "--request-timeout", "--format"),
        *("--sort", "--sort-reverse", "--depth", "--bash-completion", "--version"),
    ):
        assert option in done.stdout.decode(), option


def test_help_explains_the_configuration_file(admin: Admin) -> None:
    done = admin.run("help", "config")
    assert done.returncode == 0
    assert "hostname = " in done.stdout.decode() and "ssl = True" in done.stdout.decode()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "Action not specified"),
        (["dance"], "Action dance not understood"),
        (["list", "shoes"], "Don't know how to list shoes"),
        (["show", "queues"], "Don't know how to show queues"),
        (["declare"], "Type not specified"),
        (["declare", "shoe"], "Type shoe not recognised"),
        (["declare", "queue"], 'mandatory argument "name" is required'),
        (["declare", "queue", "name"], 'Argument "name" not in the name=value format'),
        (["declare", "queue", "size=5"], 'Argument "size" is not recognised'),
        (["declare", "user", "name=u", "tags="], "is required"),
        (["declare", "queue", "name=q", "arguments={"], "Could not parse JSON:"),
        (["export"], "Exactly one argument required"),
        (["import"], "Exactly one argument required"),
        (["help", "cooking"], "help topic must be one of"),
        (["get", "queue=q", "count=2", "payload_file=f"], "Cannot get multiple messages using payload_file"),
        (["-c", "/nowhere/at.all", "list", "queues"], "/nowhere/at.all"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_words_that_make_no_sense_are_named(admin: Admin, words: list[str], complaint: str) -> None:
    done = admin.run(*words)
    assert (done.returncode, done.stdout) == (1, b"")
    assert complaint in done.stderr.decode()


@pytest.mark.parametrize("words", [["--no-such-option"], ["-t", "soon", "list", "queues"], ["list", "-f"]])
def test_options_that_can_not_be_end_it_with_two(admin: Admin, words: list[str]) -> None:
    done = admin.run(*words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"error:" in done.stderr


def test_where_nobody_listens_it_says_so(admin: Admin) -> None:
    done = admin.run("-P", "1", "list", "queues")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().splitlines()[-2:][0].startswith("*** Could not connect: ")


# Lists and formats


@pytest.fixture
def exchanges(there: There) -> None:
    there("declare", "exchange", "name=x.one", "type=topic")
    there(
        "declare", "exchange", "name=x.two", "type=fanout", "durable=false", 'arguments={"a":1,"b":{"c":2}}'
    )


LISTED = ("-S", "name", "list", "exchanges", "name", "type", "durable")


@pytest.mark.usefixtures("exchanges")
def test_tables_have_boxes(there: There) -> None:
    assert there(*LISTED) == lines(
        """
        +--------------------+---------+---------+
        |        name        |  type   | durable |
        +--------------------+---------+---------+
        |                    | direct  | True    |
        | amq.direct         | direct  | True    |
        | amq.fanout         | fanout  | True    |
        | amq.headers        | headers | True    |
        | amq.match          | headers | True    |
        | amq.rabbitmq.trace | topic   | True    |
        | amq.topic          | topic   | True    |
        | x.one              | topic   | True    |
        | x.two              | fanout  | False   |
        +--------------------+---------+---------+
        """
    )


@pytest.mark.usefixtures("exchanges")
def test_tsv_has_a_line_of_names_unless_it_is_to_be_quiet(there: There) -> None:
    told = there("-f", "tsv", *LISTED).splitlines()
    assert told[0] == "name\ttype\tdurable"
    assert told[-2:] == ["x.one\ttopic\tTrue", "x.two\tfanout\tFalse"]
    assert there("-q", "-f", "tsv", *LISTED).splitlines() == told[1:]


@pytest.mark.usefixtures("exchanges")
def test_long_has_a_line_for_each_cell(there: There) -> None:
    rule = "\n" + "-" * 80 + "\n\n"
    told = there("-f", "long", "-R", *LISTED)
    assert told.startswith(
        rule
        + "   name: x.two\n   type: fanout\ndurable: False\n"
        + rule
        + "   name: x.one\n   type: topic\ndurable: True\n"
        + rule
    )
    assert told.endswith(rule)


@pytest.mark.usefixtures("exchanges")
def test_kvp_has_names_and_values(there: There) -> None:
    told = there("--format=kvp", "--sort-reverse", *LISTED).splitlines()
    assert told[:2] == [
        'name="x.two" type="fanout" durable="False"',
        'name="x.one" type="topic" durable="True"',
    ]


@pytest.mark.usefixtures("exchanges")
def test_bash_has_the_names_alone(there: There) -> None:
    names = "amq.direct amq.fanout amq.headers amq.match amq.rabbitmq.trace amq.topic x.one x.two"
    assert there("-f", "bash", *LISTED) == f" {names}\n"


@pytest.mark.usefixtures("exchanges")
def test_json_is_raw_or_pretty(there: There) -> None:
    told = json.loads(there("-f", "raw_json", *LISTED))
    assert told[-1] == {"name": "x.two", "type": "fanout", "durable": False}
    pretty = there("-f", "pretty_json", *LISTED)
    assert json.loads(pretty) == told
    assert pretty == json.dumps(told, sort_keys=True, indent=2) + "\n"


@pytest.mark.usefixtures("exchanges")
def test_without_columns_there_are_a_few(there: There) -> None:
    assert "|        name        |  type   |\n" in there("list", "exchanges")


@pytest.mark.usefixtures("exchanges")
def test_depth_says_which_objects_become_columns(there: There, vhost: str) -> None:
    def told(depth: str) -> tuple[list[str], list[str]]:
        head, *_, last = there("-f", "tsv", "-S", "name", "-d", depth, "list", "exchanges").splitlines()
        return head.split("\t"), last.split("\t")

    columns, cells = told("1")
    assert columns[:3] == ["vhost", "name", "type"]
    assert cells[:3] == [vhost, "x.two", "fanout"]
    assert columns[3:] == sorted(columns[3:])
    assert {"auto_delete", "durable", "internal"} <= set(columns)
    assert not [column for column in columns if "." in column]
    columns, cells = told("2")
    assert cells[columns.index("arguments.a")] == "1"
    assert "arguments.b.c" not in columns
    columns, cells = told("3")
    assert cells[columns.index("arguments.b.c")] == "2"


@pytest.mark.usefixtures("exchanges")
def test_columns_may_be_deep(there: There) -> None:
    told = there("-f", "kvp", "-S", "name", "list", "exchanges", "name", "arguments.b.c").splitlines()
    assert told[-2:] == ['name="x.one" arguments.b.c=""', 'name="x.two" arguments.b.c="2"']


@pytest.mark.parametrize("format", ["table", "tsv", "long", "kvp", "bash"])
def test_of_nothing_there_are_no_items(there: There, format: str) -> None:
    assert there("-f", format, "list", "queues") == EMPTY_LIST
    assert there("-q", "-f", format, "list", "queues") == ""


LISTS = {
    "connections": {"name", "user", "channels"},
    "channels": {"name", "user"},
    "consumers": {"consumer_tag", "queue", "ack_required", "prefetch_count"},
    "exchanges": {"name", "type"},
    "queues": {"name", "durable", "state"},
    "bindings": {"source", "destination", "routing_key", "properties_key"},
    "users": {"name", "tags", "password_hash"},
    "vhosts": {"name", "tracing"},
    "permissions": {"user", "vhost", "configure", "write", "read"},
    "nodes": {"name", "type", "mem_used"},
    "parameters": {"vhost", "component", "name", "value"},
    "policies": {"vhost", "name", "pattern", "definition", "priority", "apply-to"},
    "operator_policies": {"vhost", "name", "pattern", "definition", "priority", "apply-to"},
    "vhost_limits": {"vhost", "value"},
}


@pytest.fixture
def furnished(admin: Admin, broker: Broker, vhost: str) -> Iterator[str]:
    """A virtual host that has one of everything."""
    definition = "definition=" + json.dumps({"max-length": 5})
    for words in (
        ("policy", "name=p", "pattern=^x", definition),
        ("operator_policy", "name=o", "pattern=^x", definition),
        ("vhost_limit", f"vhost={vhost}", "name=max-queues", "value=9"),
    ):
        admin("-V", vhost, "declare", *words)
    parameters = pika.URLParameters(broker.url)
    parameters.virtual_host = vhost
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.queue_declare("q")
        channel.basic_consume("q", lambda *_: None)
        connection.process_data_events()
        yield vhost


def test_everything_can_be_listed(admin: Admin, furnished: str) -> None:
    for kind, columns in LISTS.items():
        rows = until(
            lambda kind=kind: admin.rows("list", kind),
            lambda rows, columns=columns: any(columns <= row.keys() for row in rows),
        )
        assert rows, kind
        told = admin("-f", "kvp", "list", kind, *sorted(columns)).splitlines()
        assert len(told) >= 1 and told[0].startswith(f'{min(columns)}="'), kind


def test_overview_is_shown(admin: Admin) -> None:
    head, cells = admin("-f", "tsv", "show", "overview").splitlines()
    assert head == "rabbitmq_version\tcluster_name\tqueue_totals.messages\tobject_totals.queues"
    assert cells.split("\t")[0].count(".") == 2
    assert cells.split("\t")[3].isdecimal()
    assert admin("-q", "-f", "tsv", "show", "overview", "management_version").count(".") == 2
    [overview] = json.loads(admin("-f", "pretty_json", "show", "overview"))
    assert {"listeners", "object_totals", "exchange_types"} <= overview.keys()


# Declaring and deleting


def test_it_says_what_it_has_done_unless_it_is_to_be_quiet(admin: Admin, names: Names) -> None:
    queue = names("q")
    assert admin("declare", "queue", f"name={queue}") == "queue declared\n"
    assert admin("purge", "queue", f"name={queue}") == "queue purged\n"
    assert admin("delete", "queue", f"name={queue}") == "queue deleted\n"
    assert admin("-q", "declare", "queue", f"name={queue}") == ""
    assert admin("--quiet", "delete", "queue", f"name={queue}") == ""


def test_queues_come_and_go(admin: Admin, there: There, vhost: str) -> None:
    there(
        "declare",
        "queue",
        "name=classic",
        "auto_delete=true",
        "durable=false",
        'arguments={"x-max-length":3}',
    )
    there("declare", "queue", "name=quorum", "queue_type=quorum")
    there("declare", "queue", "name=strüm/1 2%", "queue_type=stream", 'arguments={"x-max-age":"1D"}')
    found = {row["name"]: row for row in admin.rows("-V", vhost, "list", "queues")}
    assert found.keys() == {"classic", "quorum", "strüm/1 2%"}
    classic = found["classic"]
    assert (classic["auto_delete"], classic["durable"], classic["arguments"]) == (
        True,
        False,
        {"x-max-length": 3},
    )
    assert (found["quorum"]["durable"], found["quorum"]["arguments"]) == (True, {"x-queue-type": "quorum"})
    assert found["strüm/1 2%"]["arguments"] == {"x-queue-type": "stream", "x-max-age": "1D"}
    for name in found:
        there("delete", "queue", f"name={name}")
    assert there("list", "queues") == EMPTY_LIST


def test_bindings_come_and_go(admin: Admin, there: There, vhost: str) -> None:
    there("declare", "exchange", "name=x", "type=headers", "auto_delete=true", "internal=true")
    there("declare", "queue", "name=q")
    there("declare", "binding", "source=amq.topic", "destination=q", "routing_key=a.#")
    there(
        *("declare", "binding", "source=amq.topic", "destination=x", "destination_type=exchange"),
        'arguments={"k":"v"}',
    )
    found = [row for row in admin.rows("-V", vhost, "-S", "destination", "list", "bindings") if row["source"]]
    assert [(row["destination"], row["destination_type"], row["routing_key"]) for row in found] == [
        ("q", "queue", "a.#"),
        ("x", "exchange", ""),
    ]
    for row in found:
        there(
            *("delete", "binding", "source=amq.topic", f"destination_type={row['destination_type']}"),
            *(f"destination={row['destination']}", f"properties_key={row['properties_key']}"),
        )
    assert [row for row in admin.rows("-V", vhost, "list", "bindings") if row["source"]] == []
    there("declare", "binding", "source=amq.fanout", "destination=q")
    there("delete", "binding", "source=amq.fanout", "destination_type=queue", "destination=q")
    assert [row for row in admin.rows("-V", vhost, "list", "bindings") if row["source"]] == []


def test_virtual_hosts_come_change_and_go(admin: Admin, vhost: str) -> None:
    assert admin.row("list", "vhosts", name=vhost)["tracing"] is False
    admin("declare", "vhost", f"name={vhost}", "tracing=true")
    assert admin.row("list", "vhosts", name=vhost)["tracing"] is True
    admin("declare", "vhost", f"name={vhost}", "tracing=false")
    assert admin.row("list", "vhosts", name=vhost)["tracing"] is False


def test_users_and_permissions_come_and_go(admin: Admin, names: Names, vhost: str) -> None:
    name, copy = f"{names.prefix}.anna", f"{names.prefix}.copy"
    admin("declare", "user", f"name={name}", "password=secret", "tags=management,monitoring")
    told = admin.row("list", "users", name=name)
    assert told["tags"] == ["management", "monitoring"]
    algorithm = told["hashing_algorithm"]
    admin(
        *("declare", "user", f"name={copy}", f"password_hash={told['password_hash']}", "tags="),
        f"hashing_algorithm={algorithm}",
    )
    assert admin.row("list", "users", name=copy)["password_hash"] == told["password_hash"]
    admin("declare", "permission", f"vhost={vhost}", f"user={name}", "configure=^a", "write=^b", "read=^c")
    told = admin.row("list", "permissions", vhost=vhost, user=name)
    assert (told["configure"], told["write"], told["read"]) == ("^a", "^b", "^c")
    # the last option counts
    assert "exchanges" in admin("-u", name, "-p", "secret", "show", "overview", "object_totals.exchanges")
    admin("delete", "permission", f"vhost={vhost}", f"user={name}")
    assert not [row for row in admin.rows("list", "permissions") if row["user"] == name]
    for each in (name, copy):
        assert admin("delete", "user", f"name={each}") == "user deleted\n"
    assert not {name, copy} & {row["name"] for row in admin.rows("list", "users")}


@pytest.mark.parametrize("kind", ["policy", "operator_policy"])
def test_policies_come_and_go(admin: Admin, there: There, vhost: str, kind: str) -> None:
    kinds = kind.replace("policy", "policies")
    definition = '{"max-length": 7, "message-ttl": 9}'
    there(
        "declare", kind, "name=p", "pattern=^a", f"definition={definition}", "priority=3", "apply-to=queues"
    )
    assert admin.row("list", kinds, vhost=vhost) == {
        "vhost": vhost,
        "name": "p",
        "pattern": "^a",
        "definition": {"max-length": 7, "message-ttl": 9},
        "priority": 3,
        "apply-to": "queues",
    }
    there("declare", kind, "name=p", "pattern=^b", 'definition={"max-length": 8}')
    told = admin.row("list", kinds, vhost=vhost)
    assert (told["pattern"], told["priority"], told["apply-to"]) == ("^b", 0, "all")
    # what is JSON is shown as JSON, not as columns
    assert '{"max-length": 8}' in admin("list", kinds)
    assert there("delete", kind, "name=p") == f"{kind} deleted\n"
    assert not [row for row in admin.rows("list", kinds) if row["vhost"] == vhost]


def test_parameters_and_limits_come_and_go(admin: Admin, there: There, vhost: str) -> None:
    admin("declare", "vhost_limit", f"vhost={vhost}", "name=max-queues", "value=5")
    assert admin.row("list", "vhost_limits", vhost=vhost)["value"] == {"max-queues": 5}
    told = admin.row("list", "parameters", vhost=vhost)
    assert (told["component"], told["name"], told["value"]) == ("vhost-limits", "limits", {"max-queues": 5})
    there("declare", "parameter", "component=vhost-limits", "name=limits", 'value={"max-connections": 6}')
    assert admin.row("list", "vhost_limits", vhost=vhost)["value"] == {"max-connections": 6}
    admin("delete", "vhost_limit", f"vhost={vhost}", "name=max-connections")
    there("declare", "parameter", "component=vhost-limits", "name=limits", 'value={"max-queues": 1}')
    there("delete", "parameter", "component=vhost-limits", "name=limits")
    assert not [row for row in admin.rows("list", "vhost_limits") if row["vhost"] == vhost]


def test_a_connection_is_closed(admin: Admin, broker: Broker, vhost: str) -> None:
    parameters = pika.URLParameters(broker.url)
    parameters.virtual_host = vhost
    connection = pika.BlockingConnection(parameters)

    def found() -> list[str]:
        return [row["name"] for row in admin.rows("list", "connections") if row.get("vhost") == vhost]

    [name] = until(found, bool)
    assert admin("close", "connection", f"name={name}") == "connection closed\n"
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker) as closed:
        connection.process_data_events(time_limit=60)
    assert closed.value.reply_code == 320


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["delete", "queue", "name=nope"], "*** Not found: /api/queues/{vhost}/nope"),
        (["delete", "vhost", "name=nope.nope"], "*** Not found: /api/vhosts/nope.nope"),
        (["purge", "queue", "name=nope"], "*** Not found: /api/queues/{vhost}/nope/contents"),
        (
            ["close", "connection", "name=1.2.3.4:5 -> 6"],
            "*** Not found: /api/connections/1.2.3.4%3A5%20-%3E%206",
        ),
        (
            ["declare", "exchange", "name=amq.topic", "type=fanout"],
            "*** inequivalent arg 'type' for exchange 'amq.topic' in vhost '{vhost}': "
            "received 'fanout' but current is 'topic'",
        ),
        (["declare", "queue", "name=q", "durable=maybe"], "*** "),
        (["declare", "queue", "name=amq.q"], "*** Access refused: /api/queues/{vhost}/amq.q"),
        (
            ["declare", "policy", "name=p", "pattern=(", 'definition={"max-length":1}'],
            "*** Validation failed",
        ),
        (
            ["declare", "policy", "name=p", "pattern=a", 'definition={"max-length":"x"}'],
            "*** Validation failed",
        ),
        (
            ["publish", "exchange=nope", "routing_key=k", "payload=m"],
            "*** 404 NOT_FOUND - no exchange 'nope' in vhost '{vhost}'",
        ),
        (["get", "queue=nope"], "*** Not found: /api/queues/{vhost}/nope/get"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_the_broker_refuses_is_told(admin: Admin, vhost: str, words: list[str], complaint: str) -> None:
    told = admin.fails("-V", vhost, *words)
    assert told.startswith(complaint.format(vhost=vhost)), told


def test_a_wrong_password_is_refused(admin: Admin) -> None:
    assert admin.fails("-p", "wrong", "list", "queues").startswith("*** Access refused: /api/queues")


# Messages


def test_messages_are_published_and_got(admin: Admin, there: There) -> None:
    there("declare", "queue", "name=q")
    properties = json.dumps({"message_id": "1", "delivery_mode": 2, "headers": {"h": [1, "a"]}})
    published = there("publish", "routing_key=q", "payload=hello, world", f"properties={properties}")
    assert published == "Message published\n"
    assert there("publish", "routing_key=nowhere", "payload=m") == "Message published but NOT routed\n"
    got = there("get", "queue=q")
    assert got == lines(
        """
        +-------------+----------+---------------+--------------+---------------+------------------+-------------+
        | routing_key | exchange | message_count |   payload    | payload_bytes | payload_encoding | redelivered |
        +-------------+----------+---------------+--------------+---------------+------------------+-------------+
        | q           |          | 0             | hello, world | 12            | string           | False       |
        +-------------+----------+---------------+--------------+---------------+------------------+-------------+
        """
    )
    [message] = json.loads(there("-f", "raw_json", "get", "queue=q", "ackmode=ack_requeue_false"))
    assert message["properties"] == {"message_id": "1", "delivery_mode": 2, "headers": {"h": [1, "a"]}}
    assert message["redelivered"] is True
    assert there("get", "queue=q") == EMPTY_LIST


def test_several_messages_come_at_once(there: There) -> None:
    there("declare", "queue", "name=q")
    there("declare", "binding", "source=amq.fanout", "destination=q")
    for number in range(3):
        there("publish", "exchange=amq.fanout", "routing_key=k", f"payload={number}")
    got = there("-q", "-f", "tsv", "get", "queue=q", "count=2", "ackmode=reject_requeue_false")
    assert [line.split("\t")[1:4] for line in got.splitlines()] == [
        ["amq.fanout", "2", "0"],
        ["amq.fanout", "1", "1"],
    ]
    assert there("-f", "kvp", "-d", "2", "get", "queue=q", "count=9", "encoding=base64").startswith(
        'routing_key="k" exchange="amq.fanout" message_count="0" payload="Mg=="'
    )


def test_standard_input_is_published(there: There) -> None:
    there("declare", "queue", "name=q")
    there("publish", "routing_key=q", input="über\nzwei\n".encode())
    [message] = json.loads(there("-f", "raw_json", "get", "queue=q"))
    assert (message["payload"], message["payload_encoding"]) == ("über\nzwei\n", "string")


def test_a_payload_is_decoded_or_written_to_a_file(there: There, tmp_path: Path) -> None:
    there("declare", "queue", "name=q")
    there("publish", "routing_key=q", "payload=aMOpbGxv", "payload_encoding=base64")
    file = tmp_path / "payload"
    told = there("-f", "kvp", "get", "queue=q", f"payload_file={file}")
    assert told == 'routing_key="q" exchange="" message_count="0" payload_bytes="6" redelivered="False"\n'
    assert file.read_text(encoding="utf-8") == "héllo"


def test_a_queue_is_purged(there: There) -> None:
    there("declare", "queue", "name=q")
    there("publish", "routing_key=q", "payload=m")
    there("purge", "queue", "name=q")
    assert there("get", "queue=q") == EMPTY_LIST


# Definitions


def test_a_virtual_host_is_exported_and_imported(
    admin: Admin, there: There, vhost: str, tmp_path: Path
) -> None:
    there("declare", "queue", "name=q", 'arguments={"x-max-length":5}')
    there("declare", "binding", "source=amq.topic", "destination=q", "routing_key=k")
    there("declare", "policy", "name=p", "pattern=^a", 'definition={"max-length":1}')
    file = tmp_path / "definitions.json"
    told = there("export", str(file))
    assert told.startswith("Exported definitions for ") and told.endswith(f' to "{file}"\n')
    definitions = json.loads(file.read_text())
    assert [each["name"] for each in definitions["queues"]] == ["q"]
    assert "users" not in definitions
    there("delete", "queue", "name=q")
    there("delete", "policy", "name=p")
    assert there("import", str(file)).startswith('Uploaded definitions from "')
    assert admin.row("-V", vhost, "list", "queues")["arguments"] == {"x-max-length": 5}
    assert admin.row("list", "policies", vhost=vhost)["name"] == "p"
    assert [row["routing_key"] for row in admin.rows("-V", vhost, "list", "bindings") if row["source"]] == [
        "k"
    ]


def test_everything_is_exported_and_imported(admin: Admin, names: Names, vhost: str, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    admin("export", str(file))
    definitions = json.loads(file.read_text())
    assert vhost in [each["name"] for each in definitions["vhosts"]]
    assert {"users", "permissions", "policies", "queues", "exchanges", "bindings"} <= definitions.keys()
    queue = {"name": "q", "vhost": vhost, "durable": True, "auto_delete": False, "arguments": {}}
    file.write_text(json.dumps({"queues": [queue]}))
    assert admin("-q", "import", str(file)) == ""
    assert [row["name"] for row in admin.rows("-V", vhost, "list", "queues")] == ["q"]


def test_definitions_that_can_not_be_change_nothing(admin: Admin, vhost: str, tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text('{"queues": [')
    assert admin.fails("-V", vhost, "import", str(file)).startswith("*** ")
    assert admin.rows("-V", vhost, "list", "queues") == []


# Where it asks


def test_a_configuration_file_says_where_and_who(admin: Admin, management: Management, names: Names) -> None:
    queue, user = names("q"), management.broker
    file = admin.home / "admin.conf"
    file.write_text(
        f"[here]\nhostname = {management.host}\nport = {management.port}\nusername = {user.username}\n"
        f"password = {user.password}\nvhost = /\nformat = tsv\n"
        "[wrong]\nhostname = 127.0.0.1\nport = 1\n"
    )
    done = admin.run("-c", str(file), "-N", "here", "declare", "queue", f"name={queue}")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"queue declared\n", b"")
    told = admin.run("--config", str(file), "--node=here", "list", "queues", "name").stdout.decode()
    assert told.startswith("name\n") and f"\n{queue}\n" in told
    # the command line counts more
    assert admin.run("-c", str(file), "-N", "here", "-P", "1", "list", "queues").returncode == 1
    assert admin.run("-c", str(file), "-N", "wrong", *admin.place, "list", "queues").returncode == 0
    missing = admin.run("-c", str(file), "-N", "missing", "list", "queues")
    assert missing.returncode == 1
    assert b"Could not read section 'missing' in config file" in missing.stderr


def test_the_file_in_the_home_directory_is_read(admin: Admin, management: Management) -> None:
    user = management.broker
    (admin.home / ".rabbitmqadmin.conf").write_text(
        f"[default]\nhostname = {management.host}\nport = {management.port}\nusername = {user.username}\n"
        f"password = {user.password}\n\n[other]\nhostname = 127.0.0.1\nport = 1\n"
    )
    assert admin.run("list", "exchanges").returncode == 0
    assert admin.run("-N", "other", "list", "exchanges").returncode == 1


def test_a_uri_says_where_and_who(admin: Admin, management: Management) -> None:
    user = management.broker
    uri = f"http://{user.username}:{user.password}@{management.address}"
    done = admin.run("-U", uri, "list", "vhosts")
    assert (done.returncode, done.stderr) == (0, b"")
    done = admin.run(f"--base-uri={uri}/path", "list", "vhosts")
    assert done.returncode == 0
    assert b"WARNING: " in done.stderr and b"--path-prefix" in done.stderr


def test_a_prefix_goes_before_the_path(admin: Admin) -> None:
    assert admin.fails("--path-prefix=/nope", "list", "queues").startswith("*** Not found: /nope/api/queues")


def test_options_may_stand_anywhere_and_be_short(admin: Admin, names: Names) -> None:
    queue = names("q")
    place = admin.place
    done = admin.run("declare", *place, "queue", "-q", f"name={queue}")
    assert (done.returncode, done.stdout) == (0, b"")
    done = admin.run("list", "--form=bash", "queues", *place, "-t5")
    assert queue in done.stdout.decode().split()


# bash


def completed(admin: Admin, *words: str) -> list[str]:
    """What bash completes the last word to."""
    script = admin.home / "completion"
    script.write_bytes(admin.run("--bash-completion").stdout)
    program = admin.home / "rabbitmqadmin"
    program.write_text(f'#!/bin/sh\nexec {" ".join([*admin._program, *admin.place])} "$@"\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["bash", "-c", 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _rabbitmqadmin\n'
         'printf "%s\\n" "${COMPREPLY[@]}"', str(script), "rabbitmqadmin", *words],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        env={**environment(), "PATH": f"{admin.home}:/usr/local/bin:/usr/bin:/bin"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_bash_completes_words(admin: Admin, names: Names, tmp_path: Path) -> None:
    assert completed(admin, "pub") == ["publish"]
    assert {"list", "declare", "--vhost", "--format"} <= set(completed(admin, ""))
    assert completed(admin, "list", "co") == ["connections", "consumers"]
    assert completed(admin, "declare", "po") == ["policy"]
    assert completed(admin, "purge", "") == ["queue"]
    assert completed(admin, "-f", "t") == ["tsv", "table"]
    assert completed(admin, "help", "c") == ["config"]
    assert "/" in completed(admin, "-V", "")
    assert "guest" in completed(admin, "--username", "g")
    queue = names("q")
    admin("declare", "queue", f"name={queue}")
    assert completed(admin, "queue", queue[:-2]) == [queue]
