"""What nobody may find in the log, whatever is wrong with it."""

import base64
import http.client
import json
from pathlib import Path

import pika
import pika.exceptions
import pytest

from amqpd.app import StartError
from amqpd.testing import RecordedEvents, broker_in_thread

PATIENCE_S = 60
SECRET = "s3cr3t-of-a-user"
BAD_USERS: list[dict[str, object]] = [
    {"password": [SECRET], "tags": ""},
    {"password": {"x": SECRET}, "tags": ""},
    {"password": SECRET},
    {"password": SECRET, "tags": 5},
    {"password_hash": SECRET, "tags": ""},
    {"password": SECRET, "password_hash": SECRET, "tags": ""},
    {"password": SECRET, "tags": "", "limits": {"max-connections": "x"}},
]


def ask(port: int, method: str, path: str, body: str = "", login: str = "guest:guest") -> int:
    """The status of an answer of the API."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    authorization = base64.b64encode(login.encode()).decode()
    connection.request(method, path, body, {"authorization": f"Basic {authorization}"})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def of_the_api(port: int) -> list[int]:
    """What the API answers to everything that it can't do."""
    answers = [ask(port, "GET", f"/api/overview?password={SECRET}", login=f"guest:{SECRET}")]
    answers.append(ask(port, "GET", "/api/overview", login=SECRET))
    for user in BAD_USERS:
        answers.append(ask(port, "PUT", "/api/users/u", json.dumps(user)))
        answers.append(ask(port, "POST", "/api/definitions", json.dumps({"users": [{"name": "u", **user}]})))
    answers.append(ask(port, "POST", "/api/definitions", f'{{"users": [{{"password": "{SECRET}",,'))
    message = {"properties": {}, "routing_key": "q", "payload": SECRET, "payload_encoding": "nonsense"}
    answers.append(ask(port, "POST", "/api/exchanges/%2F/amq.default/publish", json.dumps(message)))
    return answers


def of_clients(url: str) -> None:
    """Logins and messages that are refused."""
    refused = pika.URLParameters(url)
    refused.credentials = pika.PlainCredentials("guest", SECRET)
    with pytest.raises(pika.exceptions.AMQPConnectionError):
        pika.BlockingConnection(refused)
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        channel.basic_publish("", "q", SECRET.encode(), pika.BasicProperties(user_id="somebody-else"))
    connection.close()


def test_the_log_has_neither_passwords_nor_bodies():
    events = RecordedEvents()
    with broker_in_thread(management=True, events=events) as broker:
        answers = of_the_api(broker.management_port)
        of_clients(broker.url)
    assert {status // 100 for status in answers} == {4}
    assert "channel error" in events.sentences()
    assert SECRET not in repr(events.told)


@pytest.mark.parametrize("user", BAD_USERS)
def test_an_error_in_definitions_shows_no_password(user: dict[str, object], tmp_path: Path):
    assert SECRET not in why_not_loaded(tmp_path, json.dumps({"users": [{"name": "u", **user}]}))


def test_definitions_that_are_no_json_show_no_password(tmp_path: Path):
    assert SECRET not in why_not_loaded(tmp_path, f'{{"users": [{{"password": "{SECRET}",,')


def why_not_loaded(directory: Path, definitions: str) -> str:
    file = directory / "definitions.json"
    file.write_text(definitions)
    with pytest.raises(StartError) as raised, broker_in_thread(load_definitions=str(file)):
        pass
    return str(raised.value)
