"""The management API, over HTTP or HTTPS with a password or over the broker's UNIX socket without one."""

import json
import re
import socket
import struct
from base64 import b64encode
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from amqpd.cli.amqpctl.place import Place, Tls

if TYPE_CHECKING:
    from ssl import SSLContext

ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&"}
"""RabbitMQ's API escapes its reasons for HTML."""


class Unreachable(Exception):
    """There is no API at that place, or it does not know us; the message says which."""


class TimedOut(Unreachable):
    """The API did not answer in the time there was."""


class Refused(Exception):
    """The API's answer was not what was asked for: its status, its reason in words, and all that it told."""

    def __init__(self, status: int, reason: str, told: Any = None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.told = told

    @property
    def is_missing(self) -> bool:
        """Whether there is no such thing."""
        return self.status == 404


class _SocketConnection(HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Api:
    """One conversation with the API."""

    def __init__(self, place: Place, timeout_s: float | None = None) -> None:
        self.place = place
        self.failure: Unreachable | None = None
        """Why there was no answer the last time."""
        self._timeout_s = timeout_s
        self._connection: HTTPConnection | None = None

    def get(self, *path: str, query: str = "") -> Any:
        """What there is at a path, its parts given unescaped. Raises Refused or Unreachable."""
        return self.ask("GET", *path, query=query)

    def put(self, body: object, *path: str) -> None:
        """Make or change something. Raises Refused or Unreachable."""
        self.ask("PUT", *path, body=body)

    def delete(self, *path: str, query: str = "", headers: dict[str, str] | None = None) -> None:
        """Remove something. Raises Refused or Unreachable."""
        self.ask("DELETE", *path, query=query, headers=headers)

    def ask(
        self,
        method: str,
        *path: str,
        query: str = "",
        body: object = None,
        headers: dict[str, str] | None = None,
        as_user: tuple[str, str] | None = None,
    ) -> Any:
        """Ask, and return the answer from JSON, None if it is empty. Raises Refused or Unreachable."""
        target = "/api/" + "/".join(quote(part, safe="") for part in path) + (f"?{query}" if query else "")
        sent = self._headers(as_user) | (headers or {})
        data = None if body is None else json.dumps(body).encode()
        try:
            answer = self._answer(method, target, data, sent)
            text = answer.read()
        except (OSError, HTTPException) as error:
            self.close()
            kind = TimedOut if isinstance(error, TimeoutError) else Unreachable
            self.failure = kind(f"{self.place}: {_reason(error)}")
            raise self.failure from error
        self.failure = None
        return self._content(answer, text, as_user)

    def close(self) -> None:
        """End the conversation; another may begin."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def process_id(self) -> int | None:
        """The process that listens on the UNIX socket, None if that cannot be known. Raises Unreachable."""
        if self.place.socket is None or not hasattr(socket, "SO_PEERCRED"):
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(str(self.place.socket))
            except OSError as error:
                raise Unreachable(f"{self.place}: {_reason(error)}") from error
            credentials = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[0]) or None

    def _answer(self, method: str, target: str, data: bytes | None, headers: dict[str, str]) -> HTTPResponse:
        if self._connection is None:
            self._connection = self._open()
        self._connection.request(method, target, data, headers)
        return self._connection.getresponse()

    def _open(self) -> HTTPConnection:
        if self.place.socket is not None:
            return _SocketConnection(self.place.socket, self._timeout_s)
        at = self.place.host, self.place.port
        if self.place.tls is not None:
            return HTTPSConnection(*at, timeout=self._timeout_s, context=_context(self.place.tls))
        return HTTPConnection(*at, timeout=self._timeout_s)

    def _headers(self, as_user: tuple[str, str] | None) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if as_user is None and self.place.socket is None:
            as_user = self.place.username, self.place.password
        if as_user is not None:
            headers["Authorization"] = "Basic " + b64encode(":".join(as_user).encode()).decode()
        return headers

    def _content(self, answer: HTTPResponse, text: bytes, as_user: tuple[str, str] | None) -> Any:
        if answer.status >= 400:
            reason = _told_reason(text) or answer.reason
            if answer.status == 401 and as_user is None:
                raise Unreachable(f"{self.place}: user '{self.place.username}' is refused ({reason})")
            raise Refused(answer.status, reason, _told(text))
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            raise Unreachable(f"{self.place}: its answer is not JSON") from error


def _context(tls: Tls) -> "SSLContext":
    """Raises Unreachable for a file that cannot be used."""
    # imported late, as it takes a while
    import ssl

    context = ssl.create_default_context()
    if tls.is_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    file = tls.ca_cert_file
    try:
        if file:
            context.load_verify_locations(file)
        file = tls.cert_file or tls.key_file
        if file:
            context.load_cert_chain(file, tls.key_file or None)
    except OSError as error:
        raise Unreachable(f"{file}: {_reason(error)}") from error
    return context


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _told(text: bytes) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _told_reason(text: bytes) -> str:
    reason = _told(text).get("reason", "")
    if not isinstance(reason, str):
        return _term(reason)
    for entity, character in ENTITIES.items():
        reason = reason.replace(entity, character)
    return reason


def _term(reason: Any) -> str:
    """A reason that RabbitMQ has made JSON of, as its commands show such a term: its tuples are lists, its texts too."""
    if not isinstance(reason, list):
        # atoms and texts are the same in JSON
        return (
            f":{reason}"
            if re.fullmatch("[a-z][a-z0-9_@]*", str(reason))
            else json.dumps(reason, ensure_ascii=False)
        )
    if reason and all(isinstance(part, int) and 32 <= part < 127 for part in reason):
        return "'" + "".join(map(chr, reason)) + "'"
    return "{" + ", ".join(map(_term, reason)) + "}"
