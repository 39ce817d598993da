from pathlib import Path

import pytest

from amqpd.config.configuration import read_configuration
from amqpd.config.kinds import ByCategory
from amqpd.config.machine import host_name
from amqpd.config.mistakes import InvalidConfiguration, InvalidSetting
from amqpd.config.rabbitmq_environment import (
    REFUSED_BY_CONTAINER,
    above_files,
    below_files,
    of_bitnami,
    refuse_deprecated,
    without_effect,
)
from amqpd.logs.levels import LEVELS

EVERYWHERE = ("0.0.0.0", "::")


def test_the_default_user_and_vhost_beat_the_files():
    environment = {
        "RABBITMQ_DEFAULT_USER": "anna",
        "RABBITMQ_DEFAULT_PASS": "secret",
        "RABBITMQ_DEFAULT_VHOST": "prod",
    }
    expected = {"default_user": "anna", "default_pass": "secret", "default_vhost": "prod"}
    assert (above_files(environment), below_files(environment)) == (expected, {})


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"RABBITMQ_NODE_PORT": "5673"}, {"port": 5673, "host": EVERYWHERE}),
        ({"RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1"}, {"host": ("127.0.0.1",)}),
        ({"RABBITMQ_NODE_IP_ADDRESS": "auto"}, {"host": EVERYWHERE}),
        (
            {"RABBITMQ_NODE_IP_ADDRESS": "::1", "RABBITMQ_NODE_PORT": "1"},
            {"host": ("::1",), "port": 1},
        ),
        ({"RABBITMQ_NODENAME": "rabbit@box"}, {"cluster_name": "rabbit@box"}),
        ({"RABBITMQ_NODENAME": "bunny"}, {"cluster_name": f"bunny@{host_name()}"}),
        (
            {"RABBITMQ_PRODUCT_NAME": "X", "RABBITMQ_PRODUCT_VERSION": "1"},
            {"product": "X", "product_version": "1"},
        ),
        ({"RABBITMQ_NODE_PORT": "", "RABBITMQ_NODENAME": ""}, {}),
    ],
)
def test_address_and_names_are_beaten_by_the_files(environment: dict[str, str], expected: dict[str, object]):
    assert (below_files(environment), above_files(environment)) == (expected, {})


def test_the_pid_file_can_be_named():
    assert above_files({"RABBITMQ_PID_FILE": "/run/r.pid"}) == {"pid_file": Path("/run/r.pid")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("debug", {"log_level": "debug", "log_file_level": "debug"}),
        (
            "connection=debug,warning,+json,queue,nothing=debug",
            {
                "log_level": "warning",
                "log_file_level": "warning",
                "log_console_formatter": "json",
                "log_file_formatter": "json",
                "log_levels": ByCategory((("connection", "debug"), ("queue", "info"))),
            },
        ),
        (
            "critical,-json,+color",
            {
                "log_level": "critical",
                "log_file_level": "critical",
                "log_console_formatter": "plaintext",
                "log_file_formatter": "plaintext",
            },
        ),
        ("-color", {}),
    ],
)
def test_the_log_level_beats_the_files(text: str, expected: dict[str, object]):
    assert above_files({"RABBITMQ_LOG": text}) == expected


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"RABBITMQ_NODE_PORT": "x"}, "RABBITMQ_NODE_PORT: 'x' is not a whole number"),
        ({"RABBITMQ_LOG": "loud"}, "RABBITMQ_LOG: 'loud' is none of " + ", ".join(LEVELS)),
    ],
)
def test_a_bad_variable_is_refused(environment: dict[str, str], message: str):
    with pytest.raises(InvalidSetting) as refused:
        below_files(environment) | above_files(environment)
    assert str(refused.value) == message


@pytest.mark.parametrize("name", REFUSED_BY_CONTAINER)
def test_what_the_container_refuses_is_refused_with_its_words(name: str):
    with pytest.raises(InvalidConfiguration) as refused:
        refuse_deprecated({name: "x"})
    assert refused.value.mistakes == [
        f"{name} is set but deprecated",
        "deprecated environment variables detected",
        "Please use a configuration file instead; visit https://www.rabbitmq.com/configure.html to learn more",
    ]


def test_what_is_set_to_nothing_is_not_set():
    refuse_deprecated(dict.fromkeys(REFUSED_BY_CONTAINER, ""))
    assert without_effect({"RABBITMQ_ERLANG_COOKIE": ""}) == []


def test_variables_without_effect_are_found():
    environment = {
        "RABBITMQ_ERLANG_COOKIE": "x",
        "RABBITMQ_SERVICE_HOST": "1.2.3.4",
        "RABBITMQ_LOGS": "exchange:x",
    }
    assert without_effect(environment) == ["RABBITMQ_ERLANG_COOKIE", "RABBITMQ_LOGS"]


def test_variables_of_another_image_are_found():
    environment = {"RABBITMQ_USERNAME": "anna", "RABBITMQ_PASSWORD": "secret", "RABBITMQ_VHOST": ""}
    assert of_bitnami(environment) == ["RABBITMQ_PASSWORD", "RABBITMQ_USERNAME"]
    [notice] = read_configuration(None, environment, {"in_memory": True}).notices
    assert notice.names == ("RABBITMQ_PASSWORD", "RABBITMQ_USERNAME")
    assert "RABBITMQ_DEFAULT_USER" in notice.reason


@pytest.mark.parametrize("text", ["-", "-stderr"])
def test_a_log_on_the_console_is_what_there_is(text: str):
    assert without_effect({"RABBITMQ_LOGS": text}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-", {"log_console": "true", "log_console_stdio": "stdout", "log_file": "false"}),
        ("-stderr", {"log_console": "true", "log_console_stdio": "stderr", "log_file": "false"}),
        ("/log/x.log", {"log_console": "false", "log_file": "/log/x.log"}),
        ("syslog:here", {}),
    ],
)
def test_where_the_log_goes_beats_the_files(text: str, expected: dict[str, object]):
    assert above_files({"RABBITMQ_LOGS": text}) == expected


def test_the_directory_of_log_files_beats_the_files():
    assert above_files({"RABBITMQ_LOG_BASE": "/log"}) == {"log_dir": Path("/log")}
