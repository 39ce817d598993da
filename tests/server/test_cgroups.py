"""Limits of containers, in file systems that look like theirs."""

from pathlib import Path

import pytest

from amqpd.server import resources
from amqpd.server.cgroups import memory_limit_bytes

GIB = 2**30
NO_LIMIT_1 = "9223372036854771712\n"


def system(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A file system with the groups of this process, and files below /sys/fs/cgroup."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        pytest.param("0::/\n", {"memory.max": f"{GIB}\n"}, GIB, id="a container of its own"),
        pytest.param("0::/\n", {"memory.max": "max\n"}, None, id="without a limit"),
        pytest.param("0::/\n", {}, None, id="the top of a machine, which has no file"),
        pytest.param(
            "0::/system.slice/amqpd.service\n",
            {"system.slice/memory.max": "max\n", "system.slice/amqpd.service/memory.max": f"{GIB}\n"},
            GIB,
            id="a unit",
        ),
        pytest.param(
            "0::/a/b\n",
            {"a/memory.max": f"{GIB}\n", "a/b/memory.max": f"{2 * GIB}\n"},
            GIB,
            id="the group around has less",
        ),
        pytest.param(
            "0::/a/b\n", {"a/memory.max": f"{GIB}\n"}, GIB, id="the group around is the only one with a file"
        ),
        pytest.param(
            "0::/docker/1234\n", {"memory.max": f"{GIB}\n"}, GIB, id="a path outside of the container"
        ),
        pytest.param("0::/../other\n", {"memory.max": f"{GIB}\n"}, GIB, id="a group beside the container's"),
        pytest.param(
            "4:memory:/docker/1\n1:cpu,cpuacct:/docker/1\n0::/\n",
            {"memory/memory.limit_in_bytes": NO_LIMIT_1, "memory/docker/1/memory.limit_in_bytes": f"{GIB}\n"},
            GIB,
            id="version 1",
        ),
        pytest.param(
            "4:cpu,memory:/x:y\n", {"memory/x:y/memory.limit_in_bytes": f"{GIB}\n"}, GIB, id="with a colon"
        ),
        pytest.param("1:cpu:/a\n", {"memory/a/memory.limit_in_bytes": "1\n"}, None, id="not our memory"),
        pytest.param("nonsense\n\n", {"memory.max": "nonsense\n"}, None, id="nonsense"),
    ],
)
def test_the_lowest_limit_counts(tmp_path: Path, groups: str, files: dict[str, str], expected: int | None):
    found = memory_limit_bytes(system(tmp_path, groups, files))
    assert (None if found == int(NO_LIMIT_1) else found) == expected


def test_a_system_without_control_groups_has_no_limit(tmp_path: Path):
    assert memory_limit_bytes(tmp_path) is None


def test_the_memory_that_there_is_is_the_containers_if_that_is_less(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resources, "memory_limit_bytes", lambda: None)
    machine_bytes = resources.total_memory_bytes()
    monkeypatch.setattr(resources, "memory_limit_bytes", lambda: machine_bytes // 3)
    assert resources.total_memory_bytes() == machine_bytes // 3
    monkeypatch.setattr(resources, "memory_limit_bytes", lambda: int(NO_LIMIT_1))
    assert resources.total_memory_bytes() == machine_bytes
