"""amqp-tools: rabbitmq-c on the command line and in shell scripts."""

import subprocess

from pika.adapters.blocking_connection import BlockingChannel

from interop.broker import Broker
from interop.names import Names
from interop.programs import LIMIT_S, run_program, tool


def test_a_queue_is_declared_filled_read_and_deleted(broker: Broker, names: Names) -> None:
    queue, url = names("shell"), f"--url={broker.url}"
    assert run_program([tool("amqp-declare-queue"), url, "-d", "-q", queue]) == f"{queue}\n".encode()
    run_program([tool("amqp-publish"), url, "-r", queue, "-p", "-b", "from the option"])
    run_program([tool("amqp-publish"), url, "-r", queue], input=b"from standard input")
    assert run_program([tool("amqp-get"), url, "-q", queue]) == b"from the option"
    assert run_program([tool("amqp-get"), url, "-q", queue]) == b"from standard input"
    run_program([tool("amqp-publish"), url, "-r", queue, "-b", "left over"])
    assert run_program([tool("amqp-delete-queue"), url, "-q", queue]) == b"1\n"


def test_get_on_an_empty_queue_ends_with_2(broker: Broker, names: Names) -> None:
    queue, url = names("shell"), f"--url={broker.url}"
    run_program([tool("amqp-declare-queue"), url, "-q", queue])
    got = subprocess.run([tool("amqp-get"), url, "-q", queue], capture_output=True, timeout=LIMIT_S)
    assert (got.returncode, got.stdout) == (2, b"")


def test_publish_writes_properties_and_headers(
    broker: Broker, names: Names, channel: BlockingChannel
) -> None:
    queue = names("shell")
    channel.queue_declare(queue)
    options = ["-C", "text/plain", "-E", "utf-8", "-t", "answers", "-H", "colour: blue", "-p"]
    run_program([tool("amqp-publish"), f"--url={broker.url}", "-r", queue, "-b", "body", *options])
    _method, properties, body = channel.basic_get(queue, auto_ack=True)
    assert properties is not None
    assert (properties.content_type, properties.content_encoding) == ("text/plain", "utf-8")
    assert (properties.reply_to, properties.delivery_mode) == ("answers", 2)
    assert properties.headers == {"colour": "blue"}
    assert body == b"body"


def test_consume_runs_the_command_for_each_message_and_stops_at_the_count(
    broker: Broker, names: Names, channel: BlockingChannel
) -> None:
    queue, url = names("shell"), f"--url={broker.url}"
    channel.queue_declare(queue)
    run_program([tool("amqp-publish"), url, "-r", queue, "-l"], input=b"one\ntwo\nthree\n")
    assert run_program([tool("amqp-consume"), url, "-q", queue, "-c", "2", "-p", "1", "cat"]) == b"one\ntwo\n"
    assert channel.queue_declare(queue, passive=True).method.message_count == 1


def test_a_refused_login_ends_with_an_error(broker: Broker) -> None:
    command = [tool("amqp-get"), f"--server={broker.host}", f"--port={broker.port}", "-q", "any"]
    refused = subprocess.run(
        [*command, "--username=guest", "--password=wrong"], capture_output=True, timeout=LIMIT_S
    )
    assert refused.returncode == 1
    assert b"ACCESS_REFUSED" in refused.stderr
