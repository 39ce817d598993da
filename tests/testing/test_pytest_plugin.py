import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CONFTEST = "from amqpd.testing.pytest_plugin import amqpd_broker  # noqa: F401\n"
TESTS = """
import pika

ports = []

def test_one(amqpd_broker):
    connection = pika.BlockingConnection(pika.URLParameters(amqpd_broker.url))
    connection.channel().queue_declare("q")
    connection.close()
    ports.append(amqpd_broker.port)

def test_another_has_a_broker_of_its_own(amqpd_broker):
    connection = pika.BlockingConnection(pika.URLParameters(amqpd_broker.url))
    channel = connection.channel()
    try:
        channel.queue_declare("q", passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        connection.close()
    else:
        raise AssertionError("the queue of another test")
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Somebody's test suite."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_theirs.py").write_text(TESTS)
    return tmp_path


def test_a_suite_gets_a_broker_for_each_test(suite: Path):
    home = Path(importlib.import_module("amqpd").__file__ or "").parents[1]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(suite)]
    result = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
        cwd=suite,
        env={"PYTHONPATH": str(home), "PATH": "/usr/bin:/bin"},
    )
    assert "2 passed" in result.stdout, result.stdout + result.stderr


def test_pytest_finds_the_plugin_where_the_package_says():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    name = project["project"]["entry-points"]["pytest11"]["amqpd"]
    assert hasattr(importlib.import_module(name), "amqpd_broker")


def test_the_plugin_loads_no_broker_before_a_test_asks():
    program = (
        "import sys, amqpd.testing.pytest_plugin\n"
        "print(*sorted(name for name in sys.modules if name.startswith(('amqpd', 'anyio', 'pamqp'))))"
    )
    home = Path(importlib.import_module("amqpd").__file__ or "").parents[1]
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=home
    )
    assert result.stdout.split() == ["amqpd", "amqpd.testing", "amqpd.testing.pytest_plugin"]
