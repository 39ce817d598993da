"""Who may import whom: the picture in docs/architecture.md, kept by looking at every import statement."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import amqpd

HOME = Path(amqpd.__file__).parent

CORE = {"wire", "message", "store", "auth", "broker", "protocol", "clock", "errors", "events", "metrics"}

BESIDE = {"build", "durability", "server", "http", "management", "prometheus", "config", "logs"}
"""What the application puts together around the core."""

ALLOWED = {
    "wire": {"errors"},
    "message": {"wire"},
    "store": {"errors", "clock", "events", "message", "wire"},
    "auth": {"errors", "wire"},
    "metrics": {"clock", "errors"},
    "broker": {"errors", "clock", "events", "message", "wire", "store", "metrics"},
    "protocol": {"errors", "clock", "events", "message", "wire", "store", "auth", "broker", "metrics"},
    "server": {*CORE},
    "http": {"events", "server"},
    "management": {*CORE, "http"},
    "prometheus": {*CORE, "management"},
    "logs": set(),
    "config": {"errors", "logs"},
    "durability": {*CORE},
    "app": {*CORE, *BESIDE},
    "cli": {*CORE, *BESIDE, "app"},
    "testing": {*CORE, *BESIDE, "app"},
    "__main__": {"cli"},
    "__init__": set(),
    "clock": set(),
    "errors": set(),
    "events": set(),
    "build": set(),
}

OUTSIDE_WORLD = {
    "anyio",
    "asyncio",
    "concurrent",
    "logging",
    "multiprocessing",
    "select",
    "selectors",
    "signal",
    "socket",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "uvloop",
}
"""What the core is given instead of importing it: time, sockets, threads and the log."""

SETTINGS_READERS = {"app", "cli", "testing", "config"}


def room_of(path: Path) -> str:
    """The room, or the file beside the rooms, that a file belongs to."""
    return path.relative_to(HOME).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, in full."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


SOURCES = sorted(path for path in HOME.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(HOME)))
def test_each_room_imports_only_the_rooms_below_it(path: Path):
    room = room_of(path)
    names = {module.split(".")[1] for module in imported(path) if module.startswith("amqpd.")}
    above = names - ALLOWED[room] - {room, "__version__"}
    assert not above


@pytest.mark.parametrize("room", sorted(CORE))
def test_the_core_imports_nothing_of_the_outside_world(room: str):
    found = {
        (path.name, module)
        for path in SOURCES
        if room_of(path) == room
        for module in imported(path)
        if module.split(".")[0] in OUTSIDE_WORLD
    }
    assert not found


def test_no_room_above_the_core_is_known_to_it():
    names = {module for path in SOURCES if room_of(path) in CORE for module in imported(path)}
    above = {"app", "cli", "server", "http", "management", "config", "logs", "testing"}
    assert not {name for name in names if name.startswith("amqpd.") and name.split(".")[1] in above}


def test_only_the_top_reads_the_settings():
    readers = {
        room_of(path)
        for path in SOURCES
        if any(module.startswith("amqpd.config.settings") for module in imported(path))
    }
    assert readers <= SETTINGS_READERS


def test_pytest_is_imported_by_its_plugin_alone():
    importers = [path for path in SOURCES if "pytest" in {module.split(".")[0] for module in imported(path)}]
    assert [str(path.relative_to(HOME)) for path in importers] == ["testing/pytest_plugin.py"]


def called(path: Path) -> Iterator[str]:
    """What a file calls, as written and without `commands.`: `Connection.Close`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func).removeprefix("commands.")
            yield from (ast.unparse(argument).removeprefix("commands.") for argument in node.args)


def test_only_one_file_builds_a_close():
    builders = {
        str(path.relative_to(HOME))
        for path in SOURCES
        if room_of(path) in CORE and {"Connection.Close", "Channel.Close"} & set(called(path)) - handled(path)
    }
    assert builders == {"protocol/closing.py"}


def handled(path: Path) -> set[str]:
    """The methods that a file has handlers for, which is not to build them."""
    return {
        ast.unparse(decorator.args[0]).removeprefix("commands.")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "handles"
    }


def test_the_rules_name_every_room():
    assert {room_of(path) for path in SOURCES} <= ALLOWED.keys()
