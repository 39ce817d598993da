"""The HTTP API of a broker in memory, called without a socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from amqpd.auth.passwords import hash_password
from amqpd.auth.users import User
from amqpd.management.application import Application
from amqpd.management.site import Listening, Site
from amqpd.testing import MemoryBroker
from amqpd.testing.durable import DurableBroker

PASSWORD = "pw"


class Answer(NamedTuple):
    """An answer: `json` is its body, if it has one."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, Any]:
        """Status, error and reason."""
        return self.status, self.json["error"], self.json["reason"]


class Api:
    """Calls the API of a broker in memory, as guest unless told; what has to be on disk gets there."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        listening = [Listening("amqp", "127.0.0.1", 5672), Listening("http", "127.0.0.1", 15672)]
        self.site = Site(broker.broker, broker.users, broker.parameters, listening=listening)
        self._application = Application(self.site)
        self.before_body: Callable[[], object] = lambda: None
        """What happens when somebody was let in, and the body of the request has not come yet."""

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        user: str | None = "guest",
        password: str | None = None,
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
        peer: str = "127.0.0.1",
    ) -> Answer:
        """The answer to a request; `path` is what follows /api, its escapes and its query in it."""
        data = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        path, _, query = f"/api{path}".partition("?")
        sent = {"content-type": "application/json", **(headers or {})}
        if user is not None:
            secret = password or ("guest" if user == "guest" else PASSWORD)
            sent["authorization"] = "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode("latin-1", "replace"),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": (peer, 40000),
        }
        return asyncio.run(self._run(scope, data))

    async def _run(self, scope: dict[str, Any], body: bytes) -> Answer:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            self.before_body()
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        task = asyncio.create_task(self._application(scope, receive, send))
        while not task.done():
            self.broker.settle()
            await asyncio.sleep(0)
        task.result()
        headers = {name.decode(): value.decode("latin-1") for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers, b"".join(message["body"] for message in sent[1:]))

    def get(self, path: str, **options: Any) -> Any:
        """The JSON that is there."""
        answer = self.call("GET", path, **options)
        assert answer.status == 200, answer
        return answer.json

    def put(self, path: str, body: object = None, **options: Any) -> int:
        """The status of a PUT."""
        return self.call("PUT", path, {} if body is None else body, **options).status

    def post(self, path: str, body: object, **options: Any) -> Any:
        """The JSON that a POST is answered with."""
        answer = self.call("POST", path, body, **options)
        assert answer.status == 200, answer
        return answer.json

    def delete(self, path: str, **options: Any) -> int:
        """The status of a DELETE."""
        return self.call("DELETE", path, **options).status

    def publish(
        self, routing_key: str, payload: str = "m", exchange: str = "amq.default", **properties: object
    ) -> bool:
        """Whether a message went to a queue."""
        body = {
            "properties": properties,
            "routing_key": routing_key,
            "payload": payload,
            "payload_encoding": "string",
        }
        routed: bool = self.post(f"/exchanges/%2F/{quote(exchange, safe='')}/publish", body)["routed"]
        return routed

    def get_messages(
        self, queue: str, count: int = 100, ackmode: str = "ack_requeue_false", **more: object
    ) -> Any:
        """Messages of a queue."""
        body = {"count": count, "ackmode": ackmode, "encoding": "auto", **more}
        return self.post(f"/queues/%2F/{quote(queue, safe='')}/get", body)

    def add_user(self, name: str, *tags: str, vhost: str | None = "/") -> None:
        """A user with these tags, who may do everything in a virtual host."""
        self.broker.users.add(User(name, hash_password(PASSWORD, b"salt"), tags=list(tags)))
        if vhost is not None:
            self.broker.users.set_permissions(name, vhost, ".*", ".*", ".*")


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


@pytest.fixture
def api(broker: MemoryBroker) -> Api:
    return Api(broker)


@pytest.fixture
def durable_api() -> Api:
    """The API of a broker that has a disk."""
    return Api(DurableBroker())
