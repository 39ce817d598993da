"""What an administrator does to a broker that runs: reading its configuration again, and a reset."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from amqpd.app.beginning import first_users
from amqpd.app.log import prepare_log
from amqpd.app.node import RunningNode
from amqpd.app.services import serving
from amqpd.config.configuration import Configuration
from amqpd.config.kinds import Listeners
from amqpd.config.reload import Reloading
from amqpd.config.settings import Settings, settings_of
from amqpd.events import DEFAULT
from amqpd.logs.log import logger_of
from amqpd.management.node import CannotDo
from amqpd.server.clock import MachineClock
from amqpd.testing import RecordedEvents
from amqpd.testing.certificates import LOCALHOST, Authority

QUIET: dict[str, object] = {"port": 0, "in_memory": True, "host": ("127.0.0.1",)}


@asynccontextmanager
async def node_with(settings: Settings) -> AsyncIterator[RunningNode]:
    async with serving(settings, MachineClock(), RecordedEvents(), first_users(settings)) as node:
        yield node


def run(test: Callable[[], Awaitable[None]]) -> None:
    anyio.run(test)


def vhosts_of(node: RunningNode) -> list[str]:
    return sorted(node.server.broker.vhosts)


@pytest.fixture
def definitions(tmp_path: Path) -> Callable[[str], str]:
    """Writes a file with definitions of a virtual host and nothing else; its path."""

    def write(vhost: str) -> str:
        path = tmp_path / f"{vhost}.json"
        path.write_text(json.dumps({"vhosts": [{"name": vhost}]}))
        return str(path)

    return write


def test_the_first_virtual_host_has_rabbitmqs_description_until_it_gets_another(tmp_path: Path):
    durable = settings_of({**QUIET, "in_memory": False, "data_dir": tmp_path / "data"})
    seen: list[str] = []

    async def test(description: str) -> None:
        async with node_with(durable) as node:
            vhost = node.server.broker.vhosts["/"]
            seen.append(vhost.description)
            vhost.describe(description, [], "")

    for description in ("mine", "", "unseen"):
        anyio.run(test, description)
    assert seen == ["Default virtual host", "mine", ""]


def test_the_pid_file_is_there_as_long_as_the_broker_is(tmp_path: Path):
    path = tmp_path / "new" / "amqpd.pid"

    async def test() -> None:
        async with node_with(settings_of({**QUIET, "pid_file": path})):
            assert path.read_text() == str(os.getpid())
        assert not path.exists()

    run(test)


def test_a_pid_file_that_is_another_brokers_by_now_stays(tmp_path: Path):
    path = tmp_path / "amqpd.pid"

    async def test() -> None:
        async with node_with(settings_of({**QUIET, "pid_file": path})):
            path.write_text("1")
        assert path.read_text() == "1"

    run(test)


def test_a_pid_file_that_cannot_be_is_told_of(tmp_path: Path):
    async def test() -> None:
        async with node_with(settings_of({**QUIET, "pid_file": tmp_path})) as node:
            events = node.server.broker.events
            assert isinstance(events, RecordedEvents)
            assert "cannot write the pid file" in events.sentences()

    run(test)


def test_a_directory_without_definitions_is_told_of(tmp_path: Path):
    async def test() -> None:
        async with node_with(settings_of({**QUIET, "load_definitions": str(tmp_path)})) as node:
            events = node.server.broker.events
            assert isinstance(events, RecordedEvents)
            assert ("warning", "no definitions in this directory", {"path": str(tmp_path)}) in events.told

    run(test)


def test_a_reset_begins_with_the_definitions_that_were_read_last(definitions: Callable[[str], str]):
    settings = settings_of({**QUIET, "load_definitions": definitions("first")})
    other = settings_of({**QUIET, "load_definitions": definitions("second")})

    async def test() -> None:
        async with node_with(settings) as node:
            node.prepare(other)()
            assert vhosts_of(node) == ["first", "second"]
            await node.stop_app()
            await node.reset()
            assert vhosts_of(node) == ["second"]
            assert node.environment()["load_definitions"] == other.load_definitions

    run(test)


def test_a_reset_that_could_not_begin_again_forgets_nothing(definitions: Callable[[str], str]):
    path = definitions("first")
    settings = settings_of({**QUIET, "load_definitions": path})

    async def test() -> None:
        async with node_with(settings) as node:
            await node.stop_app()
            for text in ("{", '{"queues": [{"name": "q", "vhost": "nowhere"}]}', None):
                if text is None:
                    Path(path).unlink()
                else:
                    Path(path).write_text(text)
                with pytest.raises(CannotDo, match="cannot load definitions from"):
                    await node.reset()
                assert vhosts_of(node) == ["first"]

    run(test)


def test_what_was_made_ready_is_nowhere_before_it_is_put_in_place(
    definitions: Callable[[str], str], tmp_path: Path
):
    authority = Authority(tmp_path)
    before = authority.issue("localhost", file="before", names=LOCALHOST)
    after = authority.issue("localhost", file="after", names=LOCALHOST)
    over_tls: dict[str, object] = {**QUIET, "ssl_listeners": Listeners((("127.0.0.1", 0),))}
    settings = settings_of({**over_tls, "ssl_certfile": before.certfile, "ssl_keyfile": before.keyfile})
    other = settings_of(
        {
            **over_tls,
            "ssl_certfile": after.certfile,
            "ssl_keyfile": after.keyfile,
            "load_definitions": definitions("new"),
        }
    )

    async def test() -> None:
        async with node_with(settings) as node:
            assert node.server.tls is not None
            put_in_place = node.prepare(other)
            assert node.server.tls.options.certfile == before.certfile
            assert vhosts_of(node) == ["/"]
            put_in_place()
            assert node.server.tls.options.certfile == after.certfile
            assert vhosts_of(node) == ["/", "new"]

    run(test)


@pytest.mark.usefixtures("stream")
@pytest.mark.parametrize("wrong", ["definitions", "certificate", "log"])
def test_one_mistake_keeps_everything_from_changing(
    definitions: Callable[[str], str], tmp_path: Path, wrong: str
):
    authority = Authority(tmp_path)
    before = authority.issue("localhost", file="before", names=LOCALHOST)
    after = authority.issue("localhost", file="after", names=LOCALHOST)
    over_tls: dict[str, object] = {
        **QUIET,
        "ssl_listeners": Listeners((("127.0.0.1", 0),)),
        "log_console": "false",
    }
    settings = settings_of(
        {
            **over_tls,
            "ssl_certfile": before.certfile,
            "ssl_keyfile": before.keyfile,
            "log_file": str(tmp_path / "before.log"),
        }
    )
    other = settings_of(
        {
            **over_tls,
            "ssl_certfile": tmp_path / "nowhere.pem" if wrong == "certificate" else after.certfile,
            "ssl_keyfile": after.keyfile,
            "load_definitions": "nowhere.json" if wrong == "definitions" else definitions("new"),
            "log_file": str(tmp_path if wrong == "log" else tmp_path / "after.log"),
        }
    )

    async def test() -> None:
        async with node_with(settings) as node:
            prepare_log(settings)()
            log = logger_of(DEFAULT)
            reloading = Reloading(settings, lambda: Configuration(other), log, [node.prepare, prepare_log])
            reloading.reload()
            log.info("afterwards")
            assert node.server.tls is not None and node.server.tls.options.certfile == before.certfile
            assert (vhosts_of(node), node.settings, reloading.settings) == (["/"], settings, settings)

    run(test)
    assert not (tmp_path / "after.log").exists()
    not_reloaded, afterwards = (tmp_path / "before.log").read_text().splitlines()
    assert "configuration not reloaded" in not_reloaded
    assert "afterwards" in afterwards
