"""The unit for systemd, as systemd itself reads it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "deploy" / "amqpd.service"
EXPOSURE_MAX = 20
"""Of 100; systemd calls less than 25 OK."""


def values(key: str) -> list[str]:
    """What a key of the unit is set to."""
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_the_unit_starts_waits_reloads_and_watches_the_broker():
    assert values("Type") == ["notify"]
    assert values("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert values("WatchdogSec") == ["60s"]
    assert values("Environment") == ["XDG_STATE_HOME=%S"]


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is there."""
    assert shutil.which("systemd-analyze") is not None, "needed: apt-get install systemd"
    unit = tmp_path / "amqpd.service"
    unit.write_text(UNIT.read_text().replace("/opt/amqpd/bin/amqpd", sys.executable))
    return unit


def analyze(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, timeout=60)


@on_linux
def test_systemd_finds_no_mistake_in_it(unit: Path):
    done = analyze("verify", str(unit))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@on_linux
def test_systemd_finds_it_little_exposed(unit: Path):
    done = analyze("security", "--offline=true", f"--threshold={EXPOSURE_MAX}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout
