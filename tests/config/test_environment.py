from pathlib import Path

import pytest

from amqpd.config.environment import VARIABLES, from_environment
from amqpd.config.mistakes import InvalidSetting
from amqpd.config.settings import SETTINGS


def test_every_setting_has_a_variable():
    assert sorted(VARIABLES.values()) == sorted(SETTINGS)
    assert {"AMQPD_PORT", "AMQPD_DATA_DIR", "AMQPD_LOG_LEVEL", "AMQPD_HOST"} <= set(VARIABLES)


def test_variables_are_read_as_settings():
    environment = {
        "AMQPD_PORT": "5673",
        "AMQPD_DATA_DIR": "/d",
        "AMQPD_HOST": "localhost",
        "AMQPD_IN_MEMORY": "no",
        "AMQPD_FRAME_MAX_BYTES": "128k",
        "PORT": "1",
    }
    assert from_environment(environment) == {
        "port": 5673,
        "data_dir": Path("/d"),
        "host": ("127.0.0.1", "::1"),
        "in_memory": False,
        "frame_max_bytes": 131072,
    }


def test_an_unknown_variable_is_refused_with_the_nearest_known_one():
    with pytest.raises(InvalidSetting) as refused:
        from_environment({"AMQPD_PROT": "5673"})
    assert str(refused.value) == "AMQPD_PROT: there is no such setting; did you mean AMQPD_PORT?"


def test_an_unknown_variable_like_no_other_is_refused_too():
    with pytest.raises(InvalidSetting, match=r"^AMQPD_ZZZZZZ: there is no such setting$"):
        from_environment({"AMQPD_ZZZZZZ": "x"})


def test_what_an_unknown_variable_is_set_to_may_be_a_password_and_is_not_shown():
    with pytest.raises(InvalidSetting) as refused:
        from_environment({"AMQPD_DEFAULT_PASSWORD": "secret"})
    message = "AMQPD_DEFAULT_PASSWORD: there is no such setting; did you mean AMQPD_DEFAULT_PASS?"
    assert str(refused.value) == message


def test_what_kubernetes_sets_for_a_service_of_that_name_is_no_setting():
    """As in a pod of a namespace with services that are called amqpd and amqpd-main."""
    of_services = {
        f"{name}_{suffix}": text
        for name in ("AMQPD", "AMQPD_MAIN")
        for suffix, text in {
            "PORT": "tcp://10.0.0.11:5672",
            "PORT_5672_TCP": "tcp://10.0.0.11:5672",
            "PORT_5672_TCP_ADDR": "10.0.0.11",
            "PORT_5672_TCP_PORT": "5672",
            "PORT_5672_TCP_PROTO": "tcp",
            "SERVICE_HOST": "10.0.0.11",
            "SERVICE_PORT": "5672",
            "SERVICE_PORT_AMQP": "5672",
        }.items()
    }
    assert from_environment({**of_services, "AMQPD_CHANNEL_MAX": "7"}) == {"channel_max": 7}


def test_the_variable_that_steers_the_installation_is_no_setting_and_no_error():
    assert from_environment({"AMQPD_BUILD": "interpreted"}) == {}


def test_a_bad_value_is_refused_by_variable():
    with pytest.raises(InvalidSetting, match=r"^AMQPD_PORT: 'abc' is not a whole number$"):
        from_environment({"AMQPD_PORT": "abc"})
