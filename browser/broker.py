"""The broker whose page is tested: an installed amqpd on free ports, and its HTTP API."""

import base64
import importlib.metadata
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika

REPOSITORY = Path(__file__).resolve().parent.parent
START_LIMIT_S = 60.0
STOP_LIMIT_S = 60.0


class Broker:
    """An amqpd process that keeps its data, and its output, in a directory."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port, self.management_port = free_port(), free_port()
        self.page = f"http://127.0.0.1:{self.management_port}/"
        self._output_path = directory / "amqpd.log"
        command = [sys.executable, "-m", "amqpd", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--management", "--management-host", "127.0.0.1"]
        command += ["--management-port", str(self.management_port), "--data-dir", str(directory / "data")]
        command += options
        with self._output_path.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=directory, env=_environment(), stdout=output, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_answering()
        except BaseException:
            self._process.kill()
            raise

    def _wait_until_answering(self) -> None:
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                urllib.request.urlopen(self.page, timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"amqpd did not start:\n{self.output()}")

    def output(self) -> str:
        """What it has logged."""
        return self._output_path.read_text(errors="replace")

    def stop(self) -> None:
        """End it in good order."""
        self._process.terminate()
        try:
            exit_code = self._process.wait(STOP_LIMIT_S)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
        assert exit_code == 0, f"amqpd ended with {exit_code}:\n{self.output()}"

    def connect(self, vhost: str = "/", **client_properties: object) -> pika.BlockingConnection:
        """A connection of a client, as guest."""
        return pika.BlockingConnection(
            pika.ConnectionParameters(
                "127.0.0.1", self.port, vhost, client_properties=client_properties or None
            )
        )


class Api:
    """Calls the HTTP API as guest."""

    def __init__(self, broker: Broker) -> None:
        self._root = f"{broker.page}api"

    def call(self, method: str, *path: str, body: object = None, query: str = "") -> Any:
        """The JSON of the answer, or None; each part of the path is escaped."""
        url = self._root + "".join(f"/{quote(part, safe='')}" for part in path) + query
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method)
        request.add_header("authorization", "Basic " + base64.b64encode(b"guest:guest").decode())
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def get(self, *path: str, query: str = "") -> Any:
        """The JSON that is there."""
        return self.call("GET", *path, query=query)

    def exists(self, *path: str) -> bool:
        """Whether anything is there."""
        try:
            self.get(*path)
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            return False
        return True

    def put(self, *path: str, body: object = None) -> None:
        """Make something."""
        self.call("PUT", *path, body={} if body is None else body)

    def delete(self, *path: str) -> None:
        """Delete something, if it is there."""
        try:
            self.call("DELETE", *path)
        except urllib.error.HTTPError as error:
            assert error.code == 404, error

    def publish(self, queue: str, payload: str, vhost: str = "/", **properties: object) -> None:
        """A message to a queue."""
        body = {
            "properties": properties,
            "routing_key": queue,
            "payload": payload,
            "payload_encoding": "string",
        }
        assert self.call("POST", "exchanges", vhost, "amq.default", "publish", body=body)["routed"]

    def add_user(self, name: str, tags: str) -> None:
        """A user with the password "pw", who may do everything in the virtual host /."""
        self.put("users", name, body={"password": "pw", "tags": tags})
        self.put("permissions", "/", name, body={"configure": ".*", "write": ".*", "read": ".*"})


def free_port() -> int:
    # Systems give none of these to who asks for any port, so that it stays free until the broker listens.
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RuntimeError("no port is free")


def _environment() -> dict[str, str]:
    """An installed amqpd is what users run; only without one is it run from the checkout."""
    try:
        importlib.metadata.distribution("amqpd")
    except importlib.metadata.PackageNotFoundError:
        return {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return dict(os.environ)
