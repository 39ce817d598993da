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
    assert str(refused.value) == "AMQPD_PROT: '5673' belongs to no setting; did you mean AMQPD_PORT?"


def test_an_unknown_variable_like_no_other_is_refused_too():
    with pytest.raises(InvalidSetting, match=r"^AMQPD_ZZZZZZ: 'x' belongs to no setting$"):
        from_environment({"AMQPD_ZZZZZZ": "x"})


def test_the_variable_that_steers_the_installation_is_no_setting_and_no_error():
    assert from_environment({"AMQPD_BUILD": "interpreted"}) == {}


def test_a_bad_value_is_refused_by_variable():
    with pytest.raises(InvalidSetting, match=r"^AMQPD_PORT: 'abc' is not a whole number$"):
        from_environment({"AMQPD_PORT": "abc"})
