"""The management API, and waiting for what it tells late."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPBasicAuthHandler, HTTPPasswordMgrWithDefaultRealm, Request, build_opener

from interop.broker import Amqpd, Broker, free_port

STATISTICS_LIMIT_S = 60.0  # RabbitMQ counts every five seconds


class Management:
    """Where the API is, and what it belongs to."""

    def __init__(self, broker: Broker, url: str) -> None:
        self.broker = broker
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 15672
        self.address = f"{self.host}:{self.port}"
        self.url = f"http://{self.address}"

    def is_there(self) -> bool:
        """Whether somebody listens."""
        try:
            socket.create_connection((self.host, self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def call(self, method: str, path: str, body: object = None) -> Any:
        """The answer to a request for a path below /api, as the broker's first user. Raises HTTPError."""
        passwords = HTTPPasswordMgrWithDefaultRealm()
        passwords.add_password(None, self.url, self.broker.username, self.broker.password)
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = Request(f"{self.url}/api/{path}", data, headers, method=method)
        with build_opener(HTTPBasicAuthHandler(passwords)).open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


def managed(directory: Path) -> tuple[Amqpd, Management]:
    """An amqpd that is not started yet, and the API that it will have."""
    port = free_port()
    amqpd = Amqpd(directory, {"AMQPD_MANAGEMENT": "true", "AMQPD_MANAGEMENT_PORT": str(port)})
    return amqpd, Management(amqpd.broker, f"http://127.0.0.1:{port}")


def until(told: Callable[[], Any], is_so: Callable[[Any], object]) -> Any:
    """What is told once it is so: RabbitMQ learns some of it later."""
    deadline = time.monotonic() + STATISTICS_LIMIT_S
    while not is_so(answer := told()):
        assert time.monotonic() < deadline, answer
        time.sleep(0.2)
    return answer
