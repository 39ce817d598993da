import importlib.machinery
import importlib.util

import pytest

from amqpd.build import build


@pytest.mark.parametrize(
    ("origin", "answer"),
    [
        ("/x/amqpd/protocol/connection.py", "interpreted"),
        ("/x/amqpd/protocol/connection.cpython-311-x86_64-linux-gnu.so", "compiled"),
        ("C:\\x\\amqpd\\protocol\\connection.cp311-win_amd64.pyd", "compiled"),
    ],
)
def test_the_file_of_the_protocol_core_tells_the_build(
    monkeypatch: pytest.MonkeyPatch, origin: str, answer: str
):
    spec = importlib.machinery.ModuleSpec("amqpd.protocol.connection", None, origin=origin)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == spec.name else None)
    assert build() == answer
