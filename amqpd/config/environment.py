"""Settings from environment variables: AMQPD_PORT, AMQPD_DATA_DIR... one for every setting."""

import re
from collections.abc import Mapping

from amqpd.config.mistakes import UnknownSetting
from amqpd.config.settings import SETTINGS, read_setting

PREFIX = "AMQPD_"
CONFIG = "AMQPD_CONFIG"
"""Names the configuration file."""
NOT_SETTINGS = ("AMQPD_BUILD", CONFIG)  # the first steers the installation, see setup.py

OF_KUBERNETES = re.compile("_SERVICE_(HOST|PORT)|_PORT_[0-9]+_(TCP|UDP|SCTP)")


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()


VARIABLES = {variable(name): name for name in SETTINGS}


def from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    """The settings that are set in the environment, by name.

    Raises InvalidSetting for a bad value, UnknownSetting for an unknown AMQPD_ variable with the nearest known name.
    """
    values: dict[str, object] = {}
    for key, text in sorted(environment.items()):
        if not key.startswith(PREFIX) or key in NOT_SETTINGS or is_of_kubernetes(key, text):
            continue
        if key not in VARIABLES:
            raise UnknownSetting(key, text, nearest(key, {**VARIABLES, CONFIG: None}))
        values[VARIABLES[key]] = read_setting(VARIABLES[key], text, key)
    return values


def is_of_kubernetes(key: str, text: str) -> bool:
    """Whether Kubernetes, or a link of Docker's, has set a variable, for a service with such a name."""
    return OF_KUBERNETES.search(key) is not None or (key.endswith("_PORT") and "://" in text)


def nearest(written: str, known: Mapping[str, object]) -> str:
    """`; did you mean X?` for the known name most like what was written, or nothing."""
    # imported late: few make mistakes
    import difflib

    found = difflib.get_close_matches(written, known, n=1)
    return f"; did you mean {found[0]}?" if found else ""
