"""The management API, over TCP with a password or over the broker's UNIX socket without one."""

import json
import socket
import struct
from base64 import b64encode
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

ENTITIES = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&"}
"""RabbitMQ's API escapes its reasons for HTML."""


class Place(NamedTuple):
    """Where the API is, and as whom it is asked; with a socket neither host nor user matter."""

    host: str = "127.0.0.1"
    port: int = 15672
    username: str = "guest"
    password: str = "guest"
    socket: Path | None = None

    def __str__(self) -> str:
        return f"UNIX socket {self.socket}" if self.socket else f"http://{self.host}:{self.port}"


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
        self.is_lost = False
        """Whether there was no answer the last time."""
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
            self.is_lost = True
            failure = TimedOut if isinstance(error, TimeoutError) else Unreachable
            raise failure(f"{self.place}: {_reason(error)}") from error
        self.is_lost = False
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
        return HTTPConnection(self.place.host, self.place.port, timeout=self._timeout_s)

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
        return f":{reason}" if isinstance(reason, str) else str(reason)
    if reason and all(isinstance(part, int) and 32 <= part < 127 for part in reason):
        return "'" + "".join(map(chr, reason)) + "'"
    return "{" + ", ".join(map(_term, reason)) + "}"
