"""Commands see nothing of the settings of whoever runs the tests."""

import os

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in list(os.environ):
        if variable.startswith(("AMQPD_", "AMQPCTL_", "RABBITMQ_")):
            monkeypatch.delenv(variable)
