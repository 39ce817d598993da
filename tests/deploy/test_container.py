"""The container's files, checked by linters where there are any, and what they promise."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from amqpd.config.configuration import read_configuration

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the linters are installed on Linux alone")


def lint(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What a linter from PyPI says, which is beside the interpreter, or on the PATH."""
    found = shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)
    assert found is not None, f"{program} is of the extra test: pip install '.[test]'"
    return subprocess.run([found, *words], cwd=ROOT, capture_output=True, text=True, timeout=60)


@on_linux
def test_hadolint_finds_nothing_in_the_dockerfile():
    done = lint("hadolint", "--no-color", "Dockerfile")
    assert (done.returncode, done.stdout) == (0, "")


@on_linux
def test_shellcheck_finds_nothing_in_the_entrypoint():
    done = lint("shellcheck", "deploy/docker-entrypoint.sh")
    assert (done.returncode, done.stdout) == (0, "")


def test_everything_that_is_copied_is_there_and_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )*(.*) \S+$", DOCKERFILE, re.MULTILINE)
    for path in " ".join(copied).split():
        top = path.removeprefix("./").split("/")[0]
        assert f"!{top}" in ignored
        # The tests run without the sources, too.
        assert top == "amqpd" or (ROOT / path).exists(), path


def test_user_volume_and_ports_are_those_of_rabbitmqs_image():
    assert "groupadd --gid 999 " in DOCKERFILE and "useradd --uid 999 " in DOCKERFILE
    assert "VOLUME /var/lib/rabbitmq\n" in DOCKERFILE
    assert "EXPOSE 5671 5672 15671 15672 15691 15692\n" in DOCKERFILE
    assert 'ENTRYPOINT ["docker-entrypoint.sh"]\nCMD ["rabbitmq-server"]\n' in DOCKERFILE


def test_the_defaults_let_guest_in_and_log_to_standard_output():
    environment = {"RABBITMQ_CONFIG_FILES": str(ROOT / "deploy" / "10-defaults.conf")}
    configuration = read_configuration(ROOT / "deploy" / "rabbitmq.conf", environment, {})
    settings = configuration.settings
    assert (settings.loopback_users, settings.log_console, settings.log_console_stdio) == (
        (),
        "true",
        "stdout",
    )
    assert configuration.notices == ()


def test_the_variables_of_the_image_are_understood():
    block = re.search(r"^ENV (.*?)\nVOLUME", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert block is not None
    environment = dict(pair.split("=", 1) for pair in block[1].replace("\\\n", " ").split())
    settings = read_configuration(None, environment, {}).settings
    assert settings.data_dir == Path("/var/lib/rabbitmq/amqpd")
    assert settings.host == settings.management_host == settings.prometheus_host == ("0.0.0.0", "::")
