#!/usr/bin/env python3
"""rabbitmqadmin: what the management API can do, on the command line.

The words, options, output and exit statuses are those of RabbitMQ 3.10's (observed). It is one file that needs Python
3.9 and nothing else, because the broker serves it at /cli/rabbitmqadmin, to be kept wherever somebody needs it.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from configparser import ConfigParser
from configparser import Error as ConfigError
from http.client import HTTPConnection, HTTPException, HTTPResponse
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit

VERSION = "3.10.8"
"""The version of RabbitMQ whose rabbitmqadmin this is like."""

PROGRAM = "rabbitmqadmin"
EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130
REDIRECTED = (301, 302, 307, 308)
MOST_REDIRECTIONS = 5
NOT_FOR_TABLES = ("raw_json", "pretty_json")
FIRST_COLUMNS = ("vhost", "name", "type", "source", "destination", "destination_type", "routing_key")


class Failed(Exception):
    """What was asked can't be done; the message says why."""


class Misunderstood(Exception):
    """The words make no sense; the message says which."""


# What there is


class Listed(NamedTuple):
    """A list, or a single thing: which columns it has unless told, and which of them are shown as JSON."""

    columns: tuple[str, ...] = ()
    is_of_vhost: bool = False
    as_json: tuple[str, ...] = ()


class Thing(NamedTuple):
    """What can be done with names and values: the path takes its names from them, and the rest is the body.

    `a|b` is needed as one or the other. An optional value has a default, or is left out where that is None.
    """

    path: str
    needed: tuple[str, ...]
    optional: tuple[tuple[str, object], ...] = ()
    as_json: tuple[str, ...] = ()


LISTS = {
    "connections": Listed(("name", "user", "channels")),
    "channels": Listed(("name", "user")),
    "consumers": Listed(is_of_vhost=True),
    "exchanges": Listed(("name", "type"), is_of_vhost=True),
    "queues": Listed(("name", "messages"), is_of_vhost=True),
    "bindings": Listed(("source", "destination", "routing_key"), is_of_vhost=True),
    "users": Listed(),
    "vhosts": Listed(("name", "messages")),
    "permissions": Listed(),
    "nodes": Listed(("name", "type", "mem_used")),
    "parameters": Listed(as_json=("value",)),
    "policies": Listed(as_json=("definition",)),
    "operator_policies": Listed(as_json=("definition",)),
    "vhost_limits": Listed(as_json=("value",)),
}

SHOWN = {
    "overview": Listed(
        ("rabbitmq_version", "cluster_name", "queue_totals.messages", "object_totals.queues"),
    ),
}

BINDING = "bindings/{vhost}/e/{source}/{destination_letter}/{destination}"
POLICY_VALUES = (("priority", 0), ("apply-to", None))

DECLARED = {
    "exchange": Thing(
        "exchanges/{vhost}/{name}",
        ("name", "type"),
        (("auto_delete", "false"), ("durable", "true"), ("internal", "false"), ("arguments", {})),
        ("arguments",),
    ),
    "queue": Thing(
        "queues/{vhost}/{name}",
        ("name",),
        (
            ("auto_delete", "false"),
            ("durable", "true"),
            ("arguments", {}),
            ("node", None),
            ("queue_type", None),
        ),
        ("arguments",),
    ),
    "binding": Thing(
        BINDING,
        ("source", "destination"),
        (("destination_type", "queue"), ("routing_key", ""), ("arguments", {})),
        ("arguments",),
    ),
    "vhost": Thing("vhosts/{name}", ("name",), (("tracing", None),)),
    "user": Thing("users/{name}", ("name", "password|password_hash", "tags"), (("hashing_algorithm", None),)),
    "permission": Thing("permissions/{vhost}/{user}", ("vhost", "user", "configure", "write", "read")),
    "parameter": Thing(
        "parameters/{component}/{vhost}/{name}", ("component", "name", "value"), (), ("value",)
    ),
    "policy": Thing(
        "policies/{vhost}/{name}",
        ("name", "pattern", "definition"),
        POLICY_VALUES,
        ("definition", "priority"),
    ),
    "operator_policy": Thing(
        "operator-policies/{vhost}/{name}",
        ("name", "pattern", "definition"),
        POLICY_VALUES,
        ("definition", "priority"),
    ),
    "vhost_limit": Thing("vhost-limits/{vhost}/{name}", ("vhost", "name", "value"), (), ("value",)),
}

DELETED = {
    name: Thing(DECLARED[name].path, needed)
    for name, needed in (
        ("exchange", ("name",)),
        ("queue", ("name",)),
        ("binding", ()),
        ("vhost", ("name",)),
        ("user", ("name",)),
        ("permission", ("vhost", "user")),
        ("parameter", ("component", "name")),
        ("policy", ("name",)),
        ("operator_policy", ("name",)),
        ("vhost_limit", ("vhost", "name")),
    )
} | {
    "binding": Thing(
        BINDING + "/{properties_key}",
        ("source", "destination_type", "destination"),
        (("properties_key", "~"),),
    )
}

CLOSED = {"connection": Thing("connections/{name}", ("name",))}

PURGED = {"queue": Thing("queues/{vhost}/{name}/contents", ("name",))}

MESSAGES = {
    "publish": Thing(
        "exchanges/{vhost}/{exchange}/publish",
        ("routing_key",),
        (
            ("payload", None),
            ("properties", {}),
            ("exchange", "amq.default"),
            ("payload_encoding", "string"),
        ),
        ("properties",),
    ),
    "get": Thing(
        "queues/{vhost}/{queue}/get",
        ("queue",),
        (("count", "1"), ("ackmode", "ack_requeue_true"), ("payload_file", None), ("encoding", "auto")),
    ),
}

SINGULAR = {name: f"{name[:-3]}y" if name.endswith("ies") else name[:-1] for name in LISTS}


def values_of(words: Iterable[str], thing: Thing, vhost: str) -> dict[str, Any]:
    """What `name=value` words say of a thing, with its defaults. Raises Misunderstood or Failed."""
    values = {name: default for name, default in thing.optional if default is not None}
    names = {name for needed in thing.needed for name in needed.split("|")} | {
        name for name, _ in thing.optional
    }
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Misunderstood(f'Argument "{word}" not in the name=value format')
        if name not in names:
            raise Misunderstood(f'Argument "{name}" is not recognised')
        values[name] = _decoded(name, value) if name in thing.as_json else value
    for needed in thing.needed:
        if not any(name in values for name in needed.split("|")):
            raise Misunderstood(f"mandatory argument {' or '.join(_quoted(needed))} is required")
    if "vhost" not in thing.needed:
        values["vhost"] = vhost
    return values


def _quoted(names: str) -> list[str]:
    return [f'"{name}"' for name in names.split("|")]


def path_of(thing: Thing, values: dict[str, Any]) -> str:
    """The path of a thing with these values. Raises Misunderstood if a name is empty."""
    names = {name: value for name, value in values.items() if isinstance(value, str)}
    names["destination_letter"] = names.get("destination_type", "")[:1]
    for name, value in names.items():
        if not value and f"{{{name}}}" in thing.path:
            raise Misunderstood(f'Argument "{name}" must not be empty')
    return thing.path.format(**{name: escaped(value) for name, value in names.items()})


def escaped(text: str) -> str:
    """A text as a part of a path; octets of the command line that are no UTF-8 stay what they are."""
    return quote(text, safe="", errors="surrogateescape")


def _decoded(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise Misunderstood(f'Could not parse JSON: argument "{name}", {error}:\n  {text}') from None


# Options


class Options:
    """Where the API is and how results are shown; the defaults."""

    hostname = "localhost"
    port = "15672"
    path_prefix = ""
    vhost = ""
    declare_vhost = "/"
    username = "guest"
    password = "guest"
    base_uri = ""
    verbose = True
    ssl = False
    ssl_key_file = ""
    ssl_cert_file = ""
    ssl_ca_cert_file = ""
    ssl_disable_hostname_verification = False
    ssl_insecure = False
    request_timeout = 120
    format = "table"
    sort = ""
    sort_reverse = False
    depth = 0
    """How many levels of objects become columns; 0 is one, and only some of the columns."""

    @property
    def vhost_of_things(self) -> str:
        """The virtual host of what is declared, deleted or used."""
        return self.vhost or self.declare_vhost

    def take(self, values: dict[str, Any], where: str) -> None:
        """Set these. Raises Misunderstood for one that there is not, or that can't be, and says where it stands."""
        for name, value in values.items():
            before = getattr(Options, name, None)
            if not isinstance(before, (str, int)):
                raise Misunderstood(f"Unknown setting '{name}' {where}")
            try:
                setattr(self, name, KINDS[type(before)](value))
            except ValueError:
                raise Misunderstood(f"'{value}' can't be the value of '{name}' {where}") from None

    def check(self) -> None:
        """Raise Misunderstood if something can't be."""
        if self.format not in FORMATS:
            raise Misunderstood(f"Format {self.format} not recognised: it is one of {', '.join(FORMATS)}")
        if not (self.port.isdecimal() and int(self.port) < 65536):
            raise Misunderstood(f"'{self.port}' is not a port")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    flag = ConfigParser.BOOLEAN_STATES.get(str(value).lower())
    if flag is None:
        raise ValueError(value)
    return flag


KINDS: dict[type, Callable[[Any], object]] = {str: str, int: int, bool: _flag}


def option_parser() -> argparse.ArgumentParser:
    """The options; only those that are given appear in the result."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [options] subcommand",
        description="What the management API of RabbitMQ and amqpd can do, on the command line.",
        epilog=f"'{PROGRAM} help subcommands' lists the subcommands, '{PROGRAM} help config' explains the file.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("-c", "--config", metavar="FILE", help="configuration file [~/.rabbitmqadmin.conf]")
    add("-N", "--node", help="section of the configuration file [default]")
    add("-H", "--host", dest="hostname", metavar="HOST", help=f"where the API is [{Options.hostname}]")
    add("-P", "--port", help=f"and its port [{Options.port}]")
    add("--path-prefix", metavar="PATH", help="what stands before /api in its paths")
    add("-V", "--vhost", help="virtual host [all for list, / for the rest]")
    add("-u", "--username", metavar="NAME", help=f"who asks [{Options.username}]")
    add("-p", "--password", help=f"and the password [{Options.password}]")
    add(
        "-U",
        "--base-uri",
        metavar="URI",
        help="host, port, user and password in one: http://USER:PASSWORD@HOST:PORT",
    )
    add("-q", "--quiet", dest="verbose", action="store_false", help="only results")
    add("-s", "--ssl", action="store_true", help="HTTPS")
    add("--ssl-key-file", metavar="FILE", help="key of the client's certificate (PEM)")
    add("--ssl-cert-file", metavar="FILE", help="the client's certificate (PEM)")
    add("--ssl-ca-cert-file", metavar="FILE", help="certificates of authorities to trust (PEM)")
    add("--ssl-disable-hostname-verification", action="store_true", help="whatever name the certificate has")
    add("-k", "--ssl-insecure", action="store_true", help="whatever certificate the API has")
    add(
        "-t",
        "--request-timeout",
        type=int,
        metavar="SECONDS",
        help=f"for an answer [{Options.request_timeout}]",
    )
    add("-f", "--format", help=f"{', '.join(FORMATS)} [{Options.format}]")
    add("-S", "--sort", metavar="COLUMN", help="what lists are sorted by")
    add("-R", "--sort-reverse", action="store_true", help="the other way round")
    add("-d", "--depth", type=int, help="levels of objects that become columns of a table [1]")
    add("--bash-completion", action="store_true", help="print what bash needs to complete words, and exit")
    add("--version", action="version", version=f"{PROGRAM} {VERSION}")
    add("words", nargs="*", help=argparse.SUPPRESS)
    return parser


def options_of(given: dict[str, Any]) -> Options:
    """The options: the defaults, then the configuration file's, then the command line's, then the URI's.

    Raises Misunderstood.
    """
    node = given.pop("node", None)
    options = Options()
    file = given.pop("config", None) or _default_file()
    if file is not None:
        options.take(_configured(str(file), node), f"in section '{node or 'default'}' of '{file}'")
    options.take(given, "on the command line")
    if options.base_uri:
        _take_uri(options)
    options.check()
    return options


def _default_file() -> Path | None:
    home = os.environ.get("USERPROFILE") or os.environ.get("HOME")
    file = Path(home or "", f".{PROGRAM}.conf")
    return file if home and file.is_file() else None


def _configured(file: str, node: str | None) -> dict[str, str]:
    """What a section of the configuration file says, which may be missing if nobody named it."""
    parser = ConfigParser()
    try:
        with open(file, encoding="utf-8") as opened:
            parser.read_file(opened)
        if not parser.has_section(node or "default"):
            if node in (None, "default"):
                return {}
            raise Misunderstood(f"Could not read section '{node}' in config file '{file}': there is none")
        return dict(parser.items(node or "default"))
    except (OSError, ValueError, ConfigError) as error:
        raise Misunderstood(f"Could not read config file '{file}': {error}") from None


def _take_uri(options: Options) -> None:
    uri = urlsplit(options.base_uri)
    try:
        port = uri.port
    except ValueError as error:
        raise Misunderstood(f"--base-uri: {error}") from None
    options.hostname = uri.hostname or options.hostname
    options.port = options.port if port is None else str(port)
    options.username = options.username if uri.username is None else unquote(uri.username)
    options.password = options.password if uri.password is None else unquote(uri.password)
    options.ssl = options.ssl or uri.scheme == "https"
    if uri.path not in ("", "/"):
        print("WARNING: the path in --base-uri is ignored: see --vhost and --path-prefix\n", file=sys.stderr)


# The API


class Api:
    """The management API, asked once for each answer."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def ask(self, method: str, path: str, body: bytes | None = None) -> str:
        """The answer to a request, `path` being what follows /api/. Raises Failed."""
        target = f"{self.options.path_prefix}/api/{path}"
        for _ in range(MOST_REDIRECTIONS):
            answer, text = self._answer(method, target, body)
            location = answer.getheader("location")
            if answer.status not in REDIRECTED or location is None:
                return _accepted(answer.status, answer.reason, target, text)
            target = self._redirected(target, location)
        raise Failed(f"Redirected too often: {target}")

    def _answer(self, method: str, target: str, body: bytes | None) -> tuple[HTTPResponse, str]:
        connection = self._connection()
        user = f"{self.options.username}:{self.options.password}".encode("utf-8", "surrogateescape")
        headers = {"Authorization": "Basic " + base64.b64encode(user).decode()}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            try:
                connection.connect()
            except OSError as error:
                raise Failed(f"Could not connect: {error}") from None
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            return answer, answer.read().decode("utf-8", "replace")
        except TimeoutError:
            seconds = self.options.request_timeout
            raise Failed(f"Timed out getting HTTP response (request timeout: {seconds} seconds)") from None
        except (OSError, HTTPException, ValueError) as error:
            raise Failed(f"Error getting HTTP response: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        options = self.options
        place = options.hostname, int(options.port)
        if not options.ssl:
            return HTTPConnection(*place, timeout=options.request_timeout)
        # imported late: it takes longer than all the rest
        import ssl
        from http.client import HTTPSConnection

        try:
            context = ssl.create_default_context()
            if options.ssl_insecure or options.ssl_disable_hostname_verification:
                context.check_hostname = False
            if options.ssl_insecure:
                context.verify_mode = ssl.CERT_NONE
            if options.ssl_key_file or options.ssl_cert_file:
                context.load_cert_chain(
                    options.ssl_cert_file or options.ssl_key_file, options.ssl_key_file or None
                )
            if options.ssl_ca_cert_file:
                context.load_verify_locations(options.ssl_ca_cert_file)
        except OSError as error:
            raise Failed(f"Could not use the certificates: {error}") from None
        return HTTPSConnection(*place, timeout=options.request_timeout, context=context)

    def _redirected(self, target: str, location: str) -> str:
        """The path that is to be asked instead, and from now on its host."""
        parts = urlsplit(urljoin(target, location))
        self.options.hostname = parts.hostname or self.options.hostname
        self.options.port = str(parts.port or self.options.port)
        return parts.path + (f"?{parts.query}" if parts.query else "")


def _accepted(status: int, reason: str, target: str, text: str) -> str:
    """The text of an answer that is a success. Raises Failed."""
    if status == 400:
        raise Failed(_told_reason(text))
    if status == 401:
        raise Failed(f"Access refused: {target}")
    if status == 404:
        raise Failed(f"Not found: {target}")
    if status >= 300:
        raise Failed(f"Received response {status} {reason} for path {target}\n{text}")
    return text


def _told_reason(text: str) -> str:
    try:
        told = json.loads(text)
        # amqpd explains what is wrong with definitions, and where
        return "\n".join(
            str(told[key]) for key in ("reason", "explanation") if key == "reason" or key in told
        )
    except (ValueError, KeyError, TypeError):
        return text or "Bad request"


# Formats


class Table(NamedTuple):
    """Objects as rows of texts, each by its column."""

    columns: list[str]
    rows: list[dict[str, str]]

    def widths(self) -> dict[str, int]:
        """How wide each column must be."""
        return {
            column: max([len(column), *(len(row[column]) for row in self.rows)]) for column in self.columns
        }


def table_of(
    items: list[dict[str, Any]], columns: Iterable[str], as_json: Iterable[str], depth: int
) -> Table:
    """The columns that were asked for, however deep, or all that there are down to this depth."""
    asked = list(columns)
    # what has none of the columns is [] in the API's answer
    found = [dict(_cells(item or {}, "", sys.maxsize if asked else depth, as_json)) for item in items]
    shown = asked or sorted({column for row in found for column in row}, key=_place_of)
    return Table(shown, [{column: row.get(column, "") for column in shown} for row in found])


def _cells(
    item: dict[str, Any], prefix: str, depth: int, as_json: Iterable[str]
) -> Iterator[tuple[str, str]]:
    for key, value in item.items():
        if not isinstance(value, dict):
            yield prefix + key, _cell(value)
        elif key in as_json:
            yield prefix + key, json.dumps(value)
        elif depth > 1:
            yield from _cells(value, f"{prefix}{key}.", depth - 1, as_json)


def _cell(value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    return " ".join(value) if all(isinstance(each, str) for each in value) else json.dumps(value)


def _place_of(column: str) -> tuple[int, str]:
    place = FIRST_COLUMNS.index(column) if column in FIRST_COLUMNS else len(FIRST_COLUMNS)
    return place, column


def as_tsv(table: Table, verbose: bool) -> Iterator[str]:
    """Cells with tabulators between them."""
    if verbose:
        yield "\t".join(table.columns)
    for row in table.rows:
        yield "\t".join(row[column] for column in table.columns)


def as_long(table: Table, _verbose: bool) -> Iterator[str]:
    """A line for each cell."""
    rule = "\n" + "-" * 80 + "\n"
    width = max(map(len, table.columns), default=0)
    yield rule
    for row in table.rows:
        yield from (f"{column:>{width}}: {row[column]}" for column in table.columns)
        yield rule


def as_table(table: Table, _verbose: bool) -> Iterator[str]:
    """Boxes drawn with dashes and bars."""
    widths = table.widths()
    rule = "+" + "".join("-" * (widths[column] + 2) + "+" for column in table.columns)
    yield rule
    yield "|" + "".join(f" {column:^{widths[column]}} |" for column in table.columns)
    yield rule
    for row in table.rows:
        yield "|" + "".join(f" {row[column]:<{widths[column]}} |" for column in table.columns)
    yield rule


def as_pairs(table: Table, _verbose: bool) -> Iterator[str]:
    """`column="cell"`."""
    for row in table.rows:
        yield " ".join(f'{column}="{row[column]}"' for column in table.columns)


def as_words(table: Table, _verbose: bool) -> Iterator[str]:
    """Nothing but the names."""
    if "name" in table.columns:
        yield " ".join(row["name"] for row in table.rows)


Format = Callable[[Table, bool], Iterator[str]]

FORMATS: dict[str, Format | None] = {
    "raw_json": None,
    "pretty_json": None,
    "tsv": as_tsv,
    "long": as_long,
    "table": as_table,
    "kvp": as_pairs,
    "bash": as_words,
}
"""JSON is no table, and so it has no function."""


# Commands


class Call:
    """A command being run."""

    def __init__(self, options: Options, arguments: list[str]) -> None:
        self.options = options
        self.arguments = arguments
        self.api = Api(options)

    def say(self, text: str) -> None:
        """Tell somebody who watches."""
        if self.options.verbose:
            print(text)

    def argument(self) -> str:
        """The only argument. Raises Misunderstood."""
        if len(self.arguments) != 1:
            raise Misunderstood("Exactly one argument required")
        return self.arguments[0]

    def kind(self, known: Iterable[str], complaint: str) -> str:
        """The first argument, which says what it is about. Raises Misunderstood."""
        if not self.arguments:
            raise Misunderstood("Type not specified")
        if self.arguments[0] not in known:
            raise Misunderstood(complaint.format(self.arguments[0]))
        return self.arguments[0]

    def thing(self, things: dict[str, Thing]) -> tuple[str, str, dict[str, Any]]:
        """What it is about, its path, and its values. Raises Misunderstood or Failed."""
        kind = self.kind(things, "Type {0} not recognised")
        values = values_of(self.arguments[1:], things[kind], self.options.vhost_of_things)
        return kind, path_of(things[kind], values), values

    def show(self, text: str, columns: Iterable[str] = (), as_json: Iterable[str] = ()) -> None:
        """Print a list, which is JSON, in the format that was asked for."""
        shown_as = FORMATS[self.options.format]
        if self.options.format == "raw_json":
            print(text)
        elif shown_as is None:
            print(json.dumps(_json(text), ensure_ascii=False, sort_keys=True, indent=2))
        elif items := _json(text):
            table = table_of(items, columns, as_json, self.options.depth or 1)
            for line in shown_as(table, self.options.verbose):
                print(line)
        else:
            self.say("No items")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise Failed("The answer is not JSON: there may be no management API at that address") from None


def _list_path(call: Call, kind: str, listed: Listed) -> tuple[str, list[str]]:
    """Where a list is, and its columns."""
    options = call.options
    columns = call.arguments[1:]
    if not columns and not options.depth and options.format not in NOT_FOR_TABLES:
        columns = list(listed.columns)
    path = kind.replace("_", "-")
    if listed.is_of_vhost and options.vhost:
        path += f"/{escaped(options.vhost)}"
    query = [f"columns={','.join(map(escaped, columns))}"] if columns else []
    query += [f"sort={escaped(options.sort)}"] if options.sort else []
    query += ["sort_reverse=true"] if options.sort_reverse else []
    return path + ("?" if query else "") + "&".join(query), columns


def list_all(call: Call) -> None:
    """`list`."""
    kind = call.kind(LISTS, "Don't know how to list {0}")
    path, columns = _list_path(call, kind, LISTS[kind])
    call.show(call.api.ask("GET", path), columns, LISTS[kind].as_json)


def show_one(call: Call) -> None:
    """`show`."""
    kind = call.kind(SHOWN, "Don't know how to show {0}")
    path, columns = _list_path(call, kind, SHOWN[kind])
    call.show(f"[{call.api.ask('GET', path)}]", columns)


def declare(call: Call) -> None:
    """`declare`."""
    kind, path, values = call.thing(DECLARED)
    if "queue_type" in values:
        arguments = values["arguments"]
        if not isinstance(arguments, dict):
            raise Misunderstood('Argument "arguments" must be a JSON object')
        values["arguments"] = {**arguments, "x-queue-type": values["queue_type"]}
    call.api.ask("POST" if kind == "binding" else "PUT", path, json.dumps(values).encode())
    call.say(f"{kind} declared")


def delete(call: Call) -> None:
    """`delete`."""
    kind, path, _ = call.thing(DELETED)
    call.api.ask("DELETE", path)
    call.say(f"{kind} deleted")


def close(call: Call) -> None:
    """`close`."""
    kind, path, _ = call.thing(CLOSED)
    call.api.ask("DELETE", path)
    call.say(f"{kind} closed")


def purge(call: Call) -> None:
    """`purge`."""
    kind, path, _ = call.thing(PURGED)
    call.api.ask("DELETE", path)
    call.say(f"{kind} purged")


def publish(call: Call) -> None:
    """`publish`; what comes on standard input is sent octet for octet."""
    values = values_of(call.arguments, MESSAGES["publish"], call.options.vhost_of_things)
    path = path_of(MESSAGES["publish"], values)
    if "payload" not in values:
        values["payload"] = base64.b64encode(sys.stdin.buffer.read()).decode()
        values["payload_encoding"] = "base64"
    answer = _json(call.api.ask("POST", path, json.dumps(values).encode()))
    call.say("Message published" if answer.get("routed") else "Message published but NOT routed")


def get(call: Call) -> None:
    """`get`."""
    values = values_of(call.arguments, MESSAGES["get"], call.options.vhost_of_things)
    file = values.get("payload_file")
    if file and values["count"] != "1":
        raise Misunderstood("Cannot get multiple messages using payload_file")
    answer = call.api.ask("POST", path_of(MESSAGES["get"], values), json.dumps(values).encode())
    if not file:
        call.show(answer)
        return
    for message in _json(answer):
        payload = message["payload"]
        is_encoded = message["payload_encoding"] == "base64"
        _write(file, base64.b64decode(payload) if is_encoded else payload.encode())
    call.show(answer, ("routing_key", "exchange", "message_count", "payload_bytes", "redelivered"))


def _definitions(options: Options) -> str:
    return "definitions" + (f"/{escaped(options.vhost)}" if options.vhost else "")


def export_definitions(call: Call) -> None:
    """`export`."""
    file = call.argument()
    _write(file, call.api.ask("GET", _definitions(call.options)).encode())
    call.say(f'Exported definitions for {call.options.hostname} to "{file}"')


def import_definitions(call: Call) -> None:
    """`import`."""
    file = call.argument()
    try:
        definitions = Path(file).read_bytes()
    except OSError as error:
        raise Failed(f"Could not read '{file}': {error.strerror}") from None
    call.api.ask("POST", _definitions(call.options), definitions)
    call.say(f'Uploaded definitions from "{file}" to {call.options.hostname}.')


def _write(file: str, content: bytes) -> None:
    try:
        Path(file).write_bytes(content)
    except OSError as error:
        raise Failed(f"Could not write '{file}': {error.strerror}") from None


def explain(call: Call) -> None:
    """`help`."""
    if not call.arguments:
        option_parser().print_help()
        return
    topics = {"subcommands": subcommands, "config": configuration}
    topic = call.argument()
    if topic not in topics:
        raise Misunderstood(f"help topic must be one of: {', '.join(topics)}")
    print(topics[topic]())


COMMANDS: dict[str, Callable[[Call], None]] = {
    "list": list_all,
    "show": show_one,
    "declare": declare,
    "delete": delete,
    "close": close,
    "purge": purge,
    "export": export_definitions,
    "import": import_definitions,
    "publish": publish,
    "get": get,
    "help": explain,
}


# Explanations


def subcommands() -> str:
    """How each command is used."""
    lines = [f"Usage: {PROGRAM} [options] subcommand", "", "Lists", ""]
    lines += [f"  list {name} [<column>...]" for name in LISTS]
    lines += [f"  show {name} [<column>...]" for name in SHOWN]
    tables = {"declare": DECLARED, "delete": DELETED, "close": CLOSED, "purge": PURGED}
    for verb, things in tables.items():
        lines += ["", verb.capitalize(), ""]
        lines += [f"  {verb} {name} {_arguments(thing)}" for name, thing in things.items()]
    lines += ["", "Definitions", "", "  export <file>", "  import <file>", "", "Messages", ""]
    lines += [f"  {name} {_arguments(thing)}" for name, thing in MESSAGES.items()]
    lines += [
        "",
        "Publish reads the payload from standard input unless it is given. Get writes the payload into payload_file",
        "if there is one, and then gets one message only.",
    ]
    return "\n".join(lines)


def _arguments(thing: Thing) -> str:
    needed = [" OR ".join(f"{name}=..." for name in each.split("|")) for each in thing.needed]
    optional = [f"{name}=..." for name, _ in thing.optional]
    return " ".join(needed + ([f"[{' '.join(optional)}]"] if optional else []))


def configuration() -> str:
    """The configuration file."""
    return f"""Configuration file

~/.{PROGRAM}.conf, or the file that --config names, has a section for each place where there is an API.
Without --node it is the section 'default'. Options of the command line count more than the file.

  [default]
  hostname = localhost
  port = 15672
  username = guest
  password = guest
  declare_vhost = /
  vhost = /

  [elsewhere]
  hostname = broker.example.com
  port = 15671
  ssl = True
  ssl_ca_cert_file = /etc/ssl/our-authority.pem
  ssl_cert_file = /etc/ssl/client.pem
  ssl_key_file = /etc/ssl/client-key.pem

vhost is for lists too, declare_vhost for everything else. A percent sign is written twice.

  {PROGRAM} --node elsewhere list queues"""


def bash_completion() -> str:
    """What bash needs to complete words."""
    known: dict[str, Iterable[str]] = {
        "list": LISTS,
        "show": SHOWN,
        "declare": DECLARED,
        "delete": DELETED,
        "close": CLOSED,
        "purge": PURGED,
        "help": ("subcommands", "config"),
        "-f|--format": FORMATS,
    }
    asked = {"-V|--vhost": "vhosts", "-u|--username": "users"}
    asked |= {SINGULAR[name]: name for name in LISTS}
    cases = [f"        {words}) known='{' '.join(names)}' ;;" for words, names in known.items()]
    cases += [
        f'        {words}) known="$({PROGRAM} -q -f bash list {name} 2>/dev/null)" ;;'
        for words, name in asked.items()
    ]
    options = [option for action in option_parser()._actions for option in action.option_strings]
    return f"""# Completes the words of {PROGRAM}, which must be on the PATH: source it, or keep it in /etc/bash_completion.d.
_{PROGRAM}()
{{
    local current="${{COMP_WORDS[COMP_CWORD]}}" known word words
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
        import|export|-c|--config) COMPREPLY=( $(compgen -f -- "$current") ); return ;;
        -H|--host) COMPREPLY=( $(compgen -A hostname -- "$current") ); return ;;
{chr(10).join(cases)}
        *) known='{" ".join([*COMMANDS, *(option for option in options if option.startswith("--"))])}' ;;
    esac
    # compgen -W would run what it finds in a name, such as $(reboot)
    read -ra words <<< "$known"
    COMPREPLY=()
    for word in "${{words[@]}}"; do
        if [[ $word == "$current"* ]]; then COMPREPLY+=( "$(printf %q "$word")" ); fi
    done
}}
complete -F _{PROGRAM} {PROGRAM}"""


def main(words: list[str] | None = None) -> int:
    """The exit status: 0, 1 for what failed or makes no sense, 2 for an option that does not exist."""
    try:
        status = _run(words)
        sys.stdout.flush()
        return status
    except Misunderstood as mistake:
        print(f"\nERROR: {mistake}\n\n{PROGRAM} --help for help\n", file=sys.stderr)
    except Failed as failure:
        print(f"*** {failure}\n", file=sys.stderr)
    except BrokenPipeError:
        # whoever reads has had enough
        _write_no_more()
    except OSError as error:
        _write_no_more()
        print(f"*** Could not write: {error.strerror}\n", file=sys.stderr)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_FAILED


def _write_no_more() -> None:
    """Spare a second complaint about standard output at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str] | None) -> int:
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - open to the end
    if isinstance(sys.stdout, TextIOWrapper):
        # names may have characters that the terminal has not
        sys.stdout.reconfigure(errors="backslashreplace")
    given = vars(option_parser().parse_intermixed_args(words))
    command, *arguments = given.pop("words", None) or [""]
    if given.pop("bash_completion", False):
        print(bash_completion())
        return EXIT_OK
    options = options_of(given)
    if not command:
        raise Misunderstood("Action not specified")
    if command not in COMMANDS:
        raise Misunderstood(f"Action {command} not understood")
    COMMANDS[command](Call(options, arguments))
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
