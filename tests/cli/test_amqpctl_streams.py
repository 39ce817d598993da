"""amqpctl as a process: what becomes of its words and its output where they are none of the usual."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from amqpd.testing.running import broker_in_thread

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its shells are others")

PATIENCE_S = 60


def run(words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """What a shell makes of `amqpctl` and these words."""
    return subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m amqpd.cli.amqpctl {words}'],
        capture_output=True,
        env={**os.environ, **environment},
        timeout=PATIENCE_S,
        check=False,
    )


def test_output_that_nobody_reads_is_no_failure():
    assert run("help 2>&1 | head -1; exit 0").stderr == b""


def test_output_that_is_closed_is_no_failure():
    assert (run("version >&-").returncode, run("version >&-").stderr) == (0, b"")
    assert run("nosuch 2>&-").stdout == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_output_that_cannot_be_written_is_told():
    ended = run("version >/dev/full")
    assert ended.stderr == b"Error: standard output: No space left on device\n"
    assert ended.returncode == 69


def test_words_that_are_not_utf_8_are_told():
    ended = run("purge_queue \"$(printf '\\377')\"")
    assert ended.stderr == b"Error: the words of a command have to be UTF-8\n"
    assert ended.returncode == 64


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with broker_in_thread(management=True, management_host=("127.0.0.1",), management_port=0) as broker:
        yield broker.management_port


def test_a_locale_without_the_characters_changes_no_names(port: int):
    ascii_only = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "AMQPCTL_PORT": str(port)}
    assert run("-q add_vhost 'ü€'", **ascii_only).returncode == 0
    assert run("-s list_vhosts", **ascii_only).stdout == b"/\n\\xfc\\u20ac\n"
    assert run("-s list_vhosts", AMQPCTL_PORT=str(port), PYTHONUTF8="1").stdout == "/\nü€\n".encode()
