"""Settings from environment variables: AMQPD_PORT, AMQPD_DATA_DIR... one for every setting."""

from collections.abc import Mapping

from amqpd.config.mistakes import InvalidSetting
from amqpd.config.settings import SETTINGS, read_setting

PREFIX = "AMQPD_"
CONFIG = "AMQPD_CONFIG"
"""Names the configuration file."""
NOT_SETTINGS = ("AMQPD_BUILD", CONFIG)  # the first steers the installation, see setup.py


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


VARIABLES = {variable(name): name for name in SETTINGS}


def from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    """The settings that are set in the environment, by name.

    Raises InvalidSetting for a bad value, or for an unknown AMQPD_ variable with the nearest known name.
    """
    values: dict[str, object] = {}
    for key, text in sorted(environment.items()):
        if not key.startswith(PREFIX) or key in NOT_SETTINGS:
            continue
        if key not in VARIABLES:
            raise InvalidSetting(
                key, text, f"belongs to no setting{nearest(key, {**VARIABLES, CONFIG: None})}"
            )
        values[VARIABLES[key]] = read_setting(VARIABLES[key], text, key)
    return values


def nearest(written: str, known: Mapping[str, object]) -> str:
    """`; did you mean X?` for the known name most like what was written, or nothing."""
    # imported late: few make mistakes
    import difflib

    found = difflib.get_close_matches(written, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
