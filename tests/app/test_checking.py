"""What can be seen of the files that settings name, before a broker starts with them."""

from pathlib import Path

import pytest

from amqpd.app.checking import mistakes_in_files
from amqpd.config.kinds import Listeners
from amqpd.config.settings import settings_of
from amqpd.testing.certificates import LOCALHOST, Authority

OVER_TLS: dict[str, dict[str, object]] = {
    "ssl": {"ssl_listeners": Listeners((("127.0.0.1", 0),))},
    "management_ssl": {"management": True},
    "prometheus_ssl": {"prometheus": True},
}
KEYS = {
    "ssl": "ssl_options",
    "management_ssl": "management.ssl",
    "prometheus_ssl": "prometheus.ssl",
}


@pytest.mark.parametrize("group", OVER_TLS)
def test_certificates_that_are_needed_are_looked_at(group: str, tmp_path: Path):
    issued = Authority(tmp_path).issue("localhost", names=LOCALHOST)
    files: dict[str, object] = {f"{group}_certfile": issued.certfile, f"{group}_keyfile": issued.keyfile}
    assert mistakes_in_files(settings_of({**files, **OVER_TLS[group]})) == []
    issued.keyfile.unlink()
    mistake = f"{KEYS[group]}.keyfile: {issued.keyfile}: No such file or directory"
    assert mistakes_in_files(settings_of({**files, **OVER_TLS[group]})) == [mistake]
    assert mistakes_in_files(settings_of(files)) == []


def test_definitions_are_looked_at(tmp_path: Path):
    settings = settings_of({"load_definitions": str(tmp_path)})
    (tmp_path / "a.json").write_text('{"queues": [{"name": "q", "vhost": "of the data directory"}]}')
    assert mistakes_in_files(settings) == []
    (tmp_path / "b.json").write_text("{")
    [mistake] = mistakes_in_files(settings)
    assert mistake.startswith(f"load_definitions: {tmp_path}: ") and "b.json" in mistake
    nowhere = str(tmp_path / "nowhere.json")
    assert mistakes_in_files(settings_of({"load_definitions": nowhere})) == [
        f"load_definitions: {nowhere}: No such file or directory"
    ]
