"""Where the management API is: what a command line, the environment and the data directory say of it."""

import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from amqpd.cli.amqpctl.outcome import EXIT_DATA, UsageFailure
from amqpd.cli.amqpctl.words import Options

SOCKET_NAME = "management.sock"
"""The UNIX socket that the broker serves the API on, in its data directory."""

THIS_MACHINE = ("localhost", "127.0.0.1", "::1", "")
PORTS = {"http": 15672, "https": 15671}


class Tls(NamedTuple):
    """Whom HTTPS trusts, which is whom the machine trusts if no file is named, and who asks, all of it in PEM."""

    ca_cert_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    is_insecure: bool = False
    """Whether any certificate will do."""


class Place(NamedTuple):
    """Where the API is, and as whom it is asked; with a socket neither host nor user matter."""

    host: str = "127.0.0.1"
    port: int = 15672
    username: str = "guest"
    password: str = "guest"
    socket: Path | None = None
    tls: Tls | None = None
    passed_by: str = ""
    """Why it is not the data directory's socket, if that was looked for."""

    def __str__(self) -> str:
        if self.socket:
            return f"UNIX socket {self.socket}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"


def place_of(options: Options, environment: Mapping[str, str]) -> Place:
    """Where the API is: options, then variables, then the socket of the data directory, then this machine's port.

    Who names a URL, a host, a port or a user wants TCP, and so does who names a node on another machine. A socket in the
    data directory counts if a broker listens on it that lets us in. Raises UsageFailure for what can be no place.
    """
    names_host = "host" in options or bool(_host_of_node(options))
    url = _url(str(options.get("url") or ("" if names_host else environment.get("AMQPCTL_URL", ""))))
    host = options.get("host") or _host_of_node(options) or url.hostname or environment.get("AMQPCTL_HOST")
    names_place = bool(host) or any(name in options for name in ("port", "username", "password"))
    path, passed_by = "", ""
    if "socket" in options:
        path = str(options["socket"])
    elif not names_place:
        path, passed_by = _socket(options, environment)
    if path:
        return Place(socket=Path(path))
    username, password = unquote(url.username or ""), unquote(url.password or "")
    return Place(
        _host(str(host or "127.0.0.1")),
        _port(
            options["port"]
            if "port" in options
            else url.port or PORTS.get(url.scheme) or _named_port(environment)
        ),
        str(
            options.get("username")
            or username
            or _first(environment, "guest", "AMQPCTL_USERNAME", *_named("USER"))
        ),
        str(
            options.get("password")
            or password
            or _first(environment, "guest", "AMQPCTL_PASSWORD", *_named("PASS"))
        ),
        tls=_tls(options) if url.scheme == "https" else None,
        passed_by=passed_by,
    )


def _url(text: str) -> SplitResult:
    """The URL of an API, or one with nothing in it. Raises UsageFailure."""
    try:
        url = urlsplit(text)
        if not text or (url.scheme in PORTS and url.hostname and url.port != 0 and url.path in ("", "/")):
            return url
    except ValueError:
        pass
    raise _no_place("url", "should be like https://host:15671")


def _host(text: str) -> str:
    try:
        text.encode("idna")
    except UnicodeError:
        raise _no_place("host", f"'{text}' is no name of a host") from None
    return text


def _port(value: object) -> int:
    text = str(value)
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise _no_place("port", f"'{text}' is no port")
    return int(text)


def _named_port(environment: Mapping[str, str]) -> str:
    return _first(environment, "15672", "AMQPCTL_PORT", "AMQPD_MANAGEMENT_PORT")


def _no_place(what: str, why: str) -> UsageFailure:
    return UsageFailure(f"Bad argument: {what} {why}", EXIT_DATA)


def _tls(options: Options) -> Tls:
    ca_cert_file, cert_file, key_file = (
        str(options.get(f"ssl-{name}-file", "")) for name in ("ca-cert", "cert", "key")
    )
    return Tls(ca_cert_file, cert_file, key_file, bool(options.get("ssl-insecure")))


def _named(what: str) -> tuple[str, str]:
    """The variables that tell the broker of its first user."""
    return f"AMQPD_DEFAULT_{what}", f"RABBITMQ_DEFAULT_{what}"


def _first(environment: Mapping[str, str], default: str, *names: str) -> str:
    return next((environment[name] for name in names if environment.get(name)), default)


def _host_of_node(options: Options) -> str:
    host = str(options.get("node", "")).partition("@")[2]
    own = socket.gethostname()
    return "" if host in (*THIS_MACHINE, own, own.split(".")[0]) else host


def _socket(options: Options, environment: Mapping[str, str]) -> tuple[str, str]:
    """The socket to use, or else why the one in the data directory is not used, if it was looked for."""
    named = environment.get("AMQPCTL_SOCKET")
    names_place = any(environment.get(f"AMQPCTL_{name}") for name in ("PORT", "USERNAME", "PASSWORD"))
    if named or (names_place and "data-dir" not in options):
        return named or "", ""
    path = data_dir_of(options, environment) / SOCKET_NAME
    refusal = _refusal(path)
    return ("", f"UNIX socket {path}: {refusal}") if refusal else (str(path), "")


def _refusal(path: Path) -> str:
    """Why a UNIX socket cannot be used; nothing if somebody listens who lets us in."""
    if sys.platform == "win32":
        return "there are none"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            return error.strerror or str(error)
    return ""


def data_dir_of(options: Options, environment: Mapping[str, str]) -> Path:
    """The broker's data directory, which it finds in the same way: an option, a variable, a file, or the default."""
    named = options.get("data-dir") or environment.get("AMQPD_DATA_DIR")
    if named:
        return Path(str(named))
    if environment.get("AMQPD_CONFIG") or environment.get("RABBITMQ_CONFIG_FILE"):
        # imported late, as below: few need it
        from amqpd.config.configuration import named_file, read_configuration
        from amqpd.config.mistakes import InvalidConfiguration

        try:
            configuration = read_configuration(named_file(None, environment), environment, {})
            return configuration.settings.data_dir
        except InvalidConfiguration:
            # The broker would not start with it either.
            pass
    from amqpd.config.machine import default_data_dir

    return default_data_dir()
